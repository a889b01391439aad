
#include "reg_jws.h"

#include <string.h>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>


/* the DER form of an ECDSA signature on P-521 takes 139 bytes */
#define REG_JWS_DER_MAX  160


typedef struct {
    reg_str_t    name;
    reg_key_e    kind;
    const char  *hash;
    size_t       len;           /* of the signature; 0: that of the modulus */
    unsigned     pss:1;
} reg_jws_row_t;


static int reg_jws_padding(const reg_jws_row_t *row, EVP_PKEY_CTX *ctx);
static int reg_jws_der(const reg_jws_row_t *row, const unsigned char *sig,
    unsigned char *der, size_t *len);
static int reg_jws_raw(const reg_jws_row_t *row, const unsigned char *der,
    size_t derlen, unsigned char *sig);
static int reg_jws_ec(const reg_jws_row_t *row);
static int reg_jws_nomem(void);


static const reg_jws_row_t  reg_jws_rows[REG_JWS_N] = {
#define REG_JWS_ROW(symbol, name, kind, hash, len, pss)                       \
    { { sizeof(name) - 1, name }, kind, hash, len, pss },
    REG_JWS_TABLE(REG_JWS_ROW)
#undef REG_JWS_ROW
};


int
reg_jws_find(reg_str_t name, reg_jws_e *alg)
{
    size_t  i;

    for (i = 0; i < REG_JWS_N; i++) {
        if (reg_str_eq(name, reg_jws_rows[i].name)) {
            *alg = (reg_jws_e) i;
            return 0;
        }
    }

    return -1;
}


reg_str_t
reg_jws_name(reg_jws_e alg)
{
    return reg_jws_rows[alg].name;
}


reg_key_e
reg_jws_kind(reg_jws_e alg)
{
    return reg_jws_rows[alg].kind;
}


unsigned
reg_jws_algs(reg_key_e kind)
{
    size_t    i;
    unsigned  set;

    set = 0;

    for (i = 0; i < REG_JWS_N; i++) {
        if (reg_jws_rows[i].kind == kind) {
            set |= reg_jws_bit(i);
        }
    }

    return set;
}


int
reg_jws_set(const reg_str_t *names, size_t n, unsigned *set, reg_why_t *why)
{
    size_t     i;
    reg_jws_e  alg;

    *set = 0;

    for (i = 0; i < n; i++) {

        if (reg_jws_find(names[i], &alg) != 0) {
            return reg_why_set(why, "\"%.*s\" is no signing algorithm that "
                               "can be used: there are RS256, RS384, RS512, "
                               "PS256, PS384, PS512, ES256, ES384, ES512 and "
                               "EdDSA", reg_why_str(names[i]));
        }

        if (*set & reg_jws_bit(alg)) {
            return reg_why_set(why, "the signing algorithm \"%.*s\" stands "
                               "twice", reg_why_str(names[i]));
        }

        *set |= reg_jws_bit(alg);
    }

    return 0;
}


static int
reg_jws_ec(const reg_jws_row_t *row)
{
    return row->kind == REG_KEY_P256 || row->kind == REG_KEY_P384
           || row->kind == REG_KEY_P521;
}


/* RFC 7518, 3.5: the salt is as long as the hash, MGF1 uses the same. */

static int
reg_jws_padding(const reg_jws_row_t *row, EVP_PKEY_CTX *ctx)
{
    if (row->kind != REG_KEY_RSA) {
        return 0;
    }

    if (!row->pss) {
        return (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1)
               ? 0 : -1;
    }

    return (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1
            && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST)
               == 1)
           ? 0 : -1;
}


/* r and s side by side (RFC 7518, 3.4), as ASN.1 has them. */

static int
reg_jws_der(const reg_jws_row_t *row, const unsigned char *sig,
    unsigned char *der, size_t *len)
{
    int             n;
    BIGNUM         *r, *s;
    ECDSA_SIG      *ec;
    unsigned char  *p;

    n = (int) row->len / 2;

    ec = ECDSA_SIG_new();
    r = BN_bin2bn(sig, n, NULL);
    s = BN_bin2bn(sig + n, n, NULL);

    if (ec == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(ec, r, s) != 1)
    {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(ec);
        return -1;
    }

    n = i2d_ECDSA_SIG(ec, NULL);

    if (n <= 0 || n > REG_JWS_DER_MAX) {
        ECDSA_SIG_free(ec);
        return -1;
    }

    p = der;
    *len = (size_t) i2d_ECDSA_SIG(ec, &p);

    ECDSA_SIG_free(ec);

    return 0;
}


static int
reg_jws_raw(const reg_jws_row_t *row, const unsigned char *der, size_t derlen,
    unsigned char *sig)
{
    int         n, rc;
    ECDSA_SIG  *ec;

    n = (int) row->len / 2;

    ec = d2i_ECDSA_SIG(NULL, &der, (long) derlen);

    if (ec == NULL) {
        return -1;
    }

    rc = (BN_bn2binpad(ECDSA_SIG_get0_r(ec), sig, n) == n
          && BN_bn2binpad(ECDSA_SIG_get0_s(ec), sig + n, n) == n)
         ? 0 : -1;

    ECDSA_SIG_free(ec);

    return rc;
}


/* 1 when one of the errors that OpenSSL has queued is about memory. */

static int
reg_jws_nomem(void)
{
    unsigned long  err;

    while ((err = ERR_get_error()) != 0) {
        if (ERR_GET_REASON(err) == ERR_R_MALLOC_FAILURE) {
            return 1;
        }
    }

    return 0;
}


int
reg_jws_verify(reg_jws_e alg, EVP_PKEY *key, reg_str_t data,
    const unsigned char *sig, size_t len)
{
    int                   rc;
    size_t                want;
    EVP_MD_CTX           *ctx;
    EVP_PKEY_CTX         *pctx;
    unsigned char         der[REG_JWS_DER_MAX];
    const reg_jws_row_t  *row;

    row = &reg_jws_rows[alg];

    if (!reg_key_is(key, row->kind)) {
        return 0;
    }

    want = (row->len != 0) ? row->len : (size_t) EVP_PKEY_get_size(key);

    if (len != want) {
        return 0;
    }

    /* nobody reads what was there before, nginx clears it before it does */

    ERR_clear_error();

    rc = -1;
    ctx = EVP_MD_CTX_new();

    if (ctx == NULL
        || EVP_DigestVerifyInit_ex(ctx, &pctx, row->hash, NULL, NULL, key,
                                   NULL)
           != 1
        || reg_jws_padding(row, pctx) != 0)
    {
        goto done;
    }

    if (reg_jws_ec(row)) {

        if (reg_jws_der(row, sig, der, &len) != 0) {
            goto done;
        }

        sig = der;
    }

    /* a malformed signature is told apart from a wrong one; not by us */

    rc = (EVP_DigestVerify(ctx, sig, len, (const unsigned char *) data.data,
                           data.len)
          == 1);

    if (rc == 0 && reg_jws_nomem()) {
        rc = -1;
    }

done:

    EVP_MD_CTX_free(ctx);

    ERR_clear_error();

    return rc;
}


int
reg_jws_sign(reg_jws_e alg, EVP_PKEY *key, reg_str_t data, unsigned char *sig,
    size_t *len)
{
    int                   rc;
    size_t                n;
    EVP_MD_CTX           *ctx;
    EVP_PKEY_CTX         *pctx;
    unsigned char         out[REG_JWS_SIG_MAX];
    const reg_jws_row_t  *row;

    row = &reg_jws_rows[alg];

    (void) ERR_set_mark();

    rc = -1;
    n = sizeof(out);
    ctx = EVP_MD_CTX_new();

    if (ctx == NULL
        || EVP_DigestSignInit_ex(ctx, &pctx, row->hash, NULL, NULL, key, NULL)
           != 1
        || reg_jws_padding(row, pctx) != 0
        || EVP_DigestSign(ctx, out, &n, (const unsigned char *) data.data,
                          data.len)
           != 1)
    {
        goto done;
    }

    if (reg_jws_ec(row)) {
        rc = reg_jws_raw(row, out, n, sig);
        *len = row->len;

    } else {
        memcpy(sig, out, n);
        *len = n;
        rc = 0;
    }

done:

    EVP_MD_CTX_free(ctx);

    (void) ERR_pop_to_mark();

    return rc;
}
