
/*
 * The low-level calls of libcrypto: their contexts are plain data that can be
 * saved, copied and dropped, which the EVP layer does not allow.  They use
 * the same assembly, SHA extensions of the processor included.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "reg_digest.h"

#include <string.h>


/* what is said of a bad digest names this many of its bytes */
#define REG_DIGEST_SHOWN  160

/* the hashes count bits, and Go's format leaves 64 bits for bytes */
#define REG_HASH_LENGTH_MAX  (UINT64_MAX / 8)


typedef struct {
    reg_str_t      name;
    size_t         hex;           /* digits of a digest, a multiple of 8 */
    unsigned char  magic[4];      /* of a saved state */
    size_t         block;         /* bytes of a block */
    size_t         state;         /* bytes of a saved state */
} reg_alg_t;


static reg_rc_t reg_digest_fill(reg_digest_t *d, reg_alg_e alg,
    reg_str_t hex);
static int reg_digest_digits(const char *p);
static void reg_digest_print(reg_digest_t *d, reg_alg_e alg,
    const unsigned char *md);
static unsigned char *reg_hash_put(unsigned char *p, uint64_t n,
    size_t bytes);
static uint64_t reg_hash_get(const unsigned char **p, size_t bytes);


static const reg_alg_t  reg_algs[REG_ALG_N] = {
    { reg_str("sha256"), 64,  { 's', 'h', 'a', 3 }, SHA256_CBLOCK, 108 },
    { reg_str("sha512"), 128, { 's', 'h', 'a', 7 }, SHA512_CBLOCK,
      REG_HASH_STATE_MAX }
};


reg_str_t
reg_alg_name(reg_alg_e alg)
{
    return reg_algs[alg].name;
}


int
reg_alg_find(reg_str_t name, reg_alg_e *alg)
{
    int  i;

    for (i = 0; i < REG_ALG_N; i++) {
        if (reg_str_eq(reg_algs[i].name, name)) {
            *alg = (reg_alg_e) i;
            return 0;
        }
    }

    return -1;
}


reg_rc_t
reg_digest_parse(reg_digest_t *d, reg_str_t s, reg_error_t *e)
{
    int          shown;
    reg_alg_e    alg;
    reg_str_t    name, hex;
    const char  *colon;

    shown = (int) ((s.len < REG_DIGEST_SHOWN) ? s.len : REG_DIGEST_SHOWN);

    if (s.len == 0) {
        return reg_error_set(e, REG_DIGEST_INVALID, "the digest is empty");
    }

    colon = memchr(s.data, ':', s.len);

    if (colon == NULL) {
        return reg_error_set(e, REG_DIGEST_INVALID,
                             "no digest: \"%.*s\"", shown, s.data);
    }

    name.data = s.data;
    name.len = (size_t) (colon - s.data);

    hex.data = colon + 1;
    hex.len = s.len - name.len - 1;

    if (reg_alg_find(name, &alg) != 0) {
        return reg_error_set(e, REG_DIGEST_INVALID,
                             "digest algorithm not supported: \"%.*s\"",
                             shown, s.data);
    }

    if (reg_digest_fill(d, alg, hex) != REG_OK) {
        return reg_error_set(e, REG_DIGEST_INVALID,
                             "not %d hexadecimal digits in lower case: "
                             "\"%.*s\"",
                             (int) reg_algs[alg].hex, shown, s.data);
    }

    return REG_OK;
}


reg_rc_t
reg_digest_make(reg_digest_t *d, reg_alg_e alg, reg_str_t hex)
{
    return reg_digest_fill(d, alg, hex);
}


static reg_rc_t
reg_digest_fill(reg_digest_t *d, reg_alg_e alg, reg_str_t hex)
{
    char       *p;
    size_t      i;
    reg_str_t   name;

    if (hex.len != reg_algs[alg].hex) {
        return REG_DIGEST_INVALID;
    }

    name = reg_algs[alg].name;

    p = d->text;
    memcpy(p, name.data, name.len);
    p += name.len;
    *p++ = ':';

    for (i = 0; i < hex.len; i += 8) {
        if (!reg_digest_digits(hex.data + i)) {
            return REG_DIGEST_INVALID;
        }
    }

    memcpy(p, hex.data, hex.len);
    p += hex.len;
    *p = '\0';

    d->alg = alg;
    d->len = (size_t) (p - d->text);

    return REG_OK;
}


/*
 * 1 when eight bytes are hexadecimal digits in lower case.  Of each that is no
 * more than 0x7f a sum has the highest bit set when it is at least what stands
 * there, and none runs over into the next byte.
 */

static int
reg_digest_digits(const char *p)
{
    uint64_t  c, digit, letter;

    memcpy(&c, p, sizeof(c));

    if (c & REG_STR_EACH(0x80)) {
        return 0;
    }

    digit = (c + REG_STR_EACH(0x80 - '0'))
            & ~(c + REG_STR_EACH(0x80 - '9' - 1));

    letter = (c + REG_STR_EACH(0x80 - 'a'))
             & ~(c + REG_STR_EACH(0x80 - 'f' - 1));

    return ((digit | letter) & REG_STR_EACH(0x80)) == REG_STR_EACH(0x80);
}


static void
reg_digest_print(reg_digest_t *d, reg_alg_e alg, const unsigned char *md)
{
    char       *p;
    size_t      i;
    reg_str_t   name;

    static const char  hex[] = "0123456789abcdef";

    name = reg_algs[alg].name;

    p = d->text;
    memcpy(p, name.data, name.len);
    p += name.len;
    *p++ = ':';

    for (i = 0; i < reg_algs[alg].hex / 2; i++) {
        *p++ = hex[md[i] >> 4];
        *p++ = hex[md[i] & 0xf];
    }

    *p = '\0';

    d->alg = alg;
    d->len = (size_t) (p - d->text);
}


const char *
reg_digest_hex(const reg_digest_t *d)
{
    return d->text + reg_algs[d->alg].name.len + 1;
}


reg_str_t
reg_digest_str(const reg_digest_t *d)
{
    reg_str_t  s;

    s.data = d->text;
    s.len = d->len;

    return s;
}


int
reg_digest_eq(const reg_digest_t *a, const reg_digest_t *b)
{
    return reg_str_eq(reg_digest_str(a), reg_digest_str(b));
}


void
reg_digest_of(reg_digest_t *d, reg_alg_e alg, const void *data, size_t len)
{
    reg_hash_t  h;

    reg_hash_init(&h, alg);
    reg_hash_update(&h, data, len);
    reg_hash_final(&h, d);
}


void
reg_hash_init(reg_hash_t *h, reg_alg_e alg)
{
    h->alg = alg;
    h->length = 0;

    if (alg == REG_SHA256) {
        SHA256_Init(&h->ctx.sha256);

    } else {
        SHA512_Init(&h->ctx.sha512);
    }
}


void
reg_hash_update(reg_hash_t *h, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }

    h->length += len;

    if (h->alg == REG_SHA256) {
        SHA256_Update(&h->ctx.sha256, data, len);

    } else {
        SHA512_Update(&h->ctx.sha512, data, len);
    }
}


void
reg_hash_final(reg_hash_t *h, reg_digest_t *d)
{
    unsigned char  md[SHA512_DIGEST_LENGTH];

    if (h->alg == REG_SHA256) {
        SHA256_Final(md, &h->ctx.sha256);

    } else {
        SHA512_Final(md, &h->ctx.sha512);
    }

    reg_digest_print(d, h->alg, md);
}


/*
 * Go, crypto/sha256 and crypto/sha512, (*Digest).MarshalBinary(), numbers
 * with the most significant byte first:
 *
 *   magic   4 bytes
 *   state   8 words of 4 or 8 bytes
 *   block   64 or 128 bytes: what does not fill a block yet, then zeros
 *   length  8 bytes
 */

size_t
reg_hash_save(const reg_hash_t *h, unsigned char *out)
{
    size_t            i, tail;
    unsigned char    *p;
    const reg_alg_t  *alg;

    alg = &reg_algs[h->alg];
    tail = (size_t) (h->length % alg->block);

    p = out;
    memcpy(p, alg->magic, sizeof(alg->magic));
    p += sizeof(alg->magic);

    for (i = 0; i < 8; i++) {
        if (h->alg == REG_SHA256) {
            p = reg_hash_put(p, h->ctx.sha256.h[i], 4);

        } else {
            p = reg_hash_put(p, h->ctx.sha512.h[i], 8);
        }
    }

    memset(p, 0, alg->block);

    if (h->alg == REG_SHA256) {
        memcpy(p, h->ctx.sha256.data, tail);

    } else {
        memcpy(p, h->ctx.sha512.u.p, tail);
    }

    p = reg_hash_put(p + alg->block, h->length, 8);

    return (size_t) (p - out);
}


int
reg_hash_restore(reg_hash_t *h, reg_alg_e alg, const void *data, size_t len)
{
    size_t                i, tail;
    const reg_alg_t      *a;
    const unsigned char  *p, *block;

    a = &reg_algs[alg];
    p = data;

    if (len != a->state || memcmp(p, a->magic, sizeof(a->magic)) != 0) {
        return -1;
    }

    reg_hash_init(h, alg);

    p += sizeof(a->magic);

    for (i = 0; i < 8; i++) {
        if (alg == REG_SHA256) {
            h->ctx.sha256.h[i] = (SHA_LONG) reg_hash_get(&p, 4);

        } else {
            h->ctx.sha512.h[i] = (SHA_LONG64) reg_hash_get(&p, 8);
        }
    }

    block = p;
    p += a->block;

    h->length = reg_hash_get(&p, 8);

    if (h->length > REG_HASH_LENGTH_MAX) {
        return -1;
    }

    tail = (size_t) (h->length % a->block);

    if (alg == REG_SHA256) {
        memcpy(h->ctx.sha256.data, block, tail);
        h->ctx.sha256.num = (unsigned int) tail;
        h->ctx.sha256.Nl = (SHA_LONG) (h->length << 3);
        h->ctx.sha256.Nh = (SHA_LONG) (h->length >> 29);

    } else {
        memcpy(h->ctx.sha512.u.p, block, tail);
        h->ctx.sha512.num = (unsigned int) tail;
        h->ctx.sha512.Nl = (SHA_LONG64) (h->length << 3);
        h->ctx.sha512.Nh = 0;
    }

    return 0;
}


static unsigned char *
reg_hash_put(unsigned char *p, uint64_t n, size_t bytes)
{
    size_t  i;

    for (i = bytes; i > 0; i--) {
        p[i - 1] = (unsigned char) (n & 0xff);
        n >>= 8;
    }

    return p + bytes;
}


static uint64_t
reg_hash_get(const unsigned char **p, size_t bytes)
{
    size_t    i;
    uint64_t  n;

    n = 0;

    for (i = 0; i < bytes; i++) {
        n = (n << 8) | (*p)[i];
    }

    *p += bytes;

    return n;
}
