
#include "reg_key.h"
#include "reg_base64.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>


#define REG_KEY_N_MAX    (REG_KEY_RSA_MAX / 8)
#define REG_KEY_E_MAX    4                        /* bytes of an exponent */
#define REG_KEY_NUMBER   REG_KEY_N_MAX            /* room for any of them */


typedef struct {
    const char  *curve;         /* "crv", or NULL */
    int          nid;
    size_t       len;           /* of a coordinate */
} reg_key_row_t;


/* The numbers of a public key: n and e, x and y, or x alone. */
typedef struct {
    reg_key_e      kind;
    unsigned char  a[REG_KEY_NUMBER];
    size_t         alen;
    unsigned char  b[REG_KEY_NUMBER];
    size_t         blen;
} reg_key_numbers_t;


static int reg_key_rsa(const EVP_PKEY *key, const char **why);
static int reg_key_curve(const EVP_PKEY *key, reg_key_e *kind,
    const char **why);
static int reg_key_numbers(const EVP_PKEY *key, reg_key_numbers_t *n);
static int reg_key_number(const EVP_PKEY *key, const char *name, size_t len,
    unsigned char *out, size_t *outlen);
static void reg_key_required(reg_buf_t *b, const reg_key_numbers_t *n, int go);
static void reg_key_member(reg_buf_t *b, const char *name,
    const unsigned char *data, size_t len, int strip);


static const reg_key_row_t  reg_key_rows[REG_KEY_N] = {
    { NULL,      0,                     0 },
    { "P-256",   NID_X9_62_prime256v1,  32 },
    { "P-384",   NID_secp384r1,         48 },
    { "P-521",   NID_secp521r1,         66 },
    { "Ed25519", 0,                     32 }
};


int
reg_key_kind(const EVP_PKEY *key, reg_key_e *kind, const char **why)
{
    int  rc;

    (void) ERR_set_mark();

    if (EVP_PKEY_is_a(key, "RSA")) {
        *kind = REG_KEY_RSA;
        rc = reg_key_rsa(key, why);

    } else if (EVP_PKEY_is_a(key, "EC")) {
        rc = reg_key_curve(key, kind, why);

    } else if (EVP_PKEY_is_a(key, "ED25519")) {
        *kind = REG_KEY_ED25519;
        rc = 0;

    } else {
        *why = "the key is neither RSA nor EC nor Ed25519";
        rc = -1;
    }

    (void) ERR_pop_to_mark();

    return rc;
}


int
reg_key_is(const EVP_PKEY *key, reg_key_e kind)
{
    switch (kind) {

    case REG_KEY_RSA:
        return EVP_PKEY_is_a(key, "RSA");

    case REG_KEY_P256:
        return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) == 256;

    case REG_KEY_P384:
        return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) == 384;

    case REG_KEY_P521:
        return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) == 521;

    case REG_KEY_ED25519:
        return EVP_PKEY_is_a(key, "ED25519");

    case REG_KEY_N:
        break;
    }

    return 0;
}


int
reg_key_check(EVP_PKEY *key, const char **why)
{
    int            rc;
    reg_key_e      kind;
    EVP_PKEY_CTX  *ctx;

    if (reg_key_kind(key, &kind, why) != 0) {
        return -1;
    }

    (void) ERR_set_mark();

    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    rc = (ctx != NULL && EVP_PKEY_public_check(ctx) == 1) ? 0 : -1;

    EVP_PKEY_CTX_free(ctx);

    (void) ERR_pop_to_mark();

    if (rc != 0) {
        *why = "the numbers of the key make none";
    }

    return rc;
}


static int
reg_key_rsa(const EVP_PKEY *key, const char **why)
{
    int      bits, odd;
    BIGNUM  *e;

    bits = EVP_PKEY_get_bits(key);

    if (bits < REG_KEY_RSA_MIN || bits > REG_KEY_RSA_MAX) {
        *why = "the RSA key has fewer than 2048 or more than 8192 bits";
        return -1;
    }

    e = NULL;

    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1) {
        *why = "the RSA key has no public exponent";
        return -1;
    }

    /* a long exponent is of no use but to make verifying slow */

    odd = BN_is_odd(e) && !BN_is_one(e) && BN_num_bytes(e) <= REG_KEY_E_MAX;

    BN_free(e);

    if (!odd) {
        *why = "the public exponent of the RSA key is even, 1 or too long";
        return -1;
    }

    return 0;
}


static int
reg_key_curve(const EVP_PKEY *key, reg_key_e *kind, const char **why)
{
    int     nid, explicit;
    char    name[64];
    size_t  len;

    /* a curve spelled out may be one made to fit somebody's public key */

    explicit = 0;

    if (EVP_PKEY_get_int_param(key,
                               OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                               &explicit)
        == 1
        && explicit)
    {
        *why = "the EC key spells its curve out";
        return -1;
    }

    if (EVP_PKEY_get_group_name(key, name, sizeof(name), &len) == 1) {

        nid = OBJ_sn2nid(name);

        if (nid == NID_undef) {
            nid = EC_curve_nist2nid(name);
        }

        for (*kind = REG_KEY_P256; *kind <= REG_KEY_P521; (*kind)++) {
            if (nid == reg_key_rows[*kind].nid) {
                return 0;
            }
        }
    }

    *why = "the EC key is on none of the curves P-256, P-384, P-521";

    return -1;
}


static int
reg_key_number(const EVP_PKEY *key, const char *name, size_t len,
    unsigned char *out, size_t *outlen)
{
    int      n;
    BIGNUM  *bn;

    bn = NULL;

    if (EVP_PKEY_get_bn_param(key, name, &bn) != 1) {
        return -1;
    }

    if (len == 0) {
        len = (size_t) BN_num_bytes(bn);
    }

    n = (len > REG_KEY_NUMBER) ? -1 : BN_bn2binpad(bn, out, (int) len);

    BN_free(bn);

    if (n < 0) {
        return -1;
    }

    *outlen = (size_t) n;

    return 0;
}


static int
reg_key_numbers(const EVP_PKEY *key, reg_key_numbers_t *n)
{
    int          rc;
    size_t       len;
    const char  *why;

    if (reg_key_kind(key, &n->kind, &why) != 0) {
        return -1;
    }

    (void) ERR_set_mark();

    len = reg_key_rows[n->kind].len;

    if (n->kind == REG_KEY_RSA) {
        rc = (reg_key_number(key, OSSL_PKEY_PARAM_RSA_N, 0, n->a, &n->alen)
              == 0
              && reg_key_number(key, OSSL_PKEY_PARAM_RSA_E, 0, n->b, &n->blen)
                 == 0)
             ? 0 : -1;

    } else if (n->kind == REG_KEY_ED25519) {
        n->alen = len;
        rc = (EVP_PKEY_get_raw_public_key(key, n->a, &n->alen) == 1
              && n->alen == len)
             ? 0 : -1;

    } else {
        rc = (reg_key_number(key, OSSL_PKEY_PARAM_EC_PUB_X, len, n->a,
                             &n->alen)
              == 0
              && reg_key_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, len, n->b,
                                &n->blen)
                 == 0)
             ? 0 : -1;
    }

    (void) ERR_pop_to_mark();

    return rc;
}


static void
reg_key_member(reg_buf_t *b, const char *name, const unsigned char *data,
    size_t len, int strip)
{
    while (strip && len > 0 && *data == 0) {
        data++;
        len--;
    }

    reg_buf_printf(b, "\"%s\":\"", name);
    reg_base64_encode(b, REG_BASE64URL, data, len);
    reg_buf_str(b, reg_str("\""));
}


/*
 * The required members in the order of RFC 7638, 3.2, without the brace at the
 * end.
 */

static void
reg_key_required(reg_buf_t *b, const reg_key_numbers_t *n, int go)
{
    reg_buf_str(b, reg_str("{"));

    if (n->kind == REG_KEY_RSA) {
        reg_key_member(b, "e", n->b, n->blen, 0);
        reg_buf_str(b, reg_str(",\"kty\":\"RSA\","));
        reg_key_member(b, "n", n->a, n->alen, 0);
        return;
    }

    reg_buf_printf(b, "\"crv\":\"%s\",\"kty\":\"%s\",",
                   reg_key_rows[n->kind].curve,
                   (n->kind == REG_KEY_ED25519) ? "OKP" : "EC");

    go = go && n->kind != REG_KEY_ED25519;

    reg_key_member(b, "x", n->a, n->alen, go);

    if (n->kind != REG_KEY_ED25519) {
        reg_buf_str(b, reg_str(","));
        reg_key_member(b, "y", n->b, n->blen, go);
    }
}


int
reg_key_thumbprint_of(reg_str_t json, char *out)
{
    int            rc;
    size_t         len;
    reg_buf_t      text;
    unsigned char  md[32];

    if (EVP_Q_digest(NULL, "SHA256", NULL, json.data, json.len, md, &len) != 1)
    {
        return -1;
    }

    reg_buf_init(&text, REG_THUMBPRINT_SIZE);
    reg_base64_encode(&text, REG_BASE64URL, md, sizeof(md));

    rc = reg_buf_failed(&text) ? -1 : 0;

    if (rc == 0) {
        memcpy(out, text.data, text.len);
        out[text.len] = '\0';
    }

    reg_buf_free(&text);

    return rc;
}


int
reg_key_thumbprint(const EVP_PKEY *key, int go, char *out)
{
    int                rc;
    reg_buf_t          b;
    reg_key_numbers_t  n;

    if (reg_key_numbers(key, &n) != 0) {
        return -1;
    }

    reg_buf_init(&b, 4096);

    reg_key_required(&b, &n, go);
    reg_buf_str(&b, reg_str("}"));

    rc = reg_buf_failed(&b) ? -1
                            : reg_key_thumbprint_of(reg_buf_slice(&b), out);

    reg_buf_free(&b);

    return rc;
}


/* The first 240 bits of SHA-256 over the DER form, in base32. */

int
reg_key_libtrust(const EVP_PKEY *key, char *out)
{
    int             n;
    char           *p;
    size_t          i, len, bits;
    uint32_t        word;
    unsigned char  *der, md[32];

    static const char  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    (void) ERR_set_mark();

    der = NULL;
    n = i2d_PUBKEY((EVP_PKEY *) key, &der);

    if (n <= 0
        || EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t) n, md, &len) != 1)
    {
        OPENSSL_free(der);
        (void) ERR_pop_to_mark();
        return -1;
    }

    OPENSSL_free(der);
    (void) ERR_pop_to_mark();

    p = out;
    word = 0;
    bits = 0;

    for (i = 0; i < 30; i++) {
        word = (word << 8) | md[i];
        bits += 8;

        while (bits >= 5) {
            bits -= 5;

            /* a colon behind each four: 5 bytes with it */

            if ((p - out) % 5 == 4) {
                *p++ = ':';
            }

            *p++ = digits[(word >> bits) & 0x1f];
        }
    }

    *p = '\0';

    return 0;
}


int
reg_key_print(reg_buf_t *b, const EVP_PKEY *key, reg_str_t kid, reg_str_t alg)
{
    reg_key_numbers_t  n;

    if (reg_key_numbers(key, &n) != 0) {
        return -1;
    }

    reg_key_required(b, &n, 0);

    reg_buf_str(b, reg_str(",\"use\":\"sig\",\"kid\":\""));
    reg_buf_json(b, kid);
    reg_buf_str(b, reg_str("\",\"alg\":\""));
    reg_buf_json(b, alg);
    reg_buf_str(b, reg_str("\"}"));

    return reg_buf_failed(b) ? -1 : 0;
}
