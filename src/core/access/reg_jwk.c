
#include "reg_jwk.h"
#include "reg_base64.h"
#include "reg_json.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>


#define REG_JWK_NUMBER   (REG_KEY_RSA_MAX / 8 + 1)    /* a zero may lead */
#define REG_JWK_TEXT     ((REG_JWK_NUMBER + 2) / 3 * 4)
#define REG_JWK_E_MAX    4
#define REG_JWK_EC_MAX   66
#define REG_JWK_ED25519  32


static int reg_jwk_bytes(const json_t *jwk, const char *name,
    unsigned char *out, size_t max, size_t *len);
static EVP_PKEY *reg_jwk_parse_rsa(const json_t *jwk, const char **why);
static EVP_PKEY *reg_jwk_parse_ec(const json_t *jwk, const char **why);
static EVP_PKEY *reg_jwk_parse_okp(const json_t *jwk, const char **why);
static EVP_PKEY *reg_jwk_make(const char *type, OSSL_PARAM_BLD *bld);
static int reg_jwk_member(reg_buf_t *b, const json_t *jwk, const char *name,
    const char *before);


static const struct {
    const char  *name;
    size_t       len;             /* of a coordinate */
} reg_jwk_curves[] = {
    { "P-256", 32 },
    { "P-384", 48 },
    { "P-521", 66 }
};


#define REG_JWK_CURVES  (sizeof(reg_jwk_curves) / sizeof(reg_jwk_curves[0]))


EVP_PKEY *
reg_jwk_parse(const json_t *jwk, const char **why)
{
    EVP_PKEY   *key;
    reg_key_e   kind;
    reg_str_t   kty;

    kty = reg_json_str(jwk, "kty");

    (void) ERR_set_mark();

    if (reg_str_eq(kty, reg_str("RSA"))) {
        key = reg_jwk_parse_rsa(jwk, why);

    } else if (reg_str_eq(kty, reg_str("EC"))) {
        key = reg_jwk_parse_ec(jwk, why);

    } else if (reg_str_eq(kty, reg_str("OKP"))) {
        key = reg_jwk_parse_okp(jwk, why);

    } else {
        key = NULL;
        *why = reg_str_eq(kty, reg_str("oct"))
               ? "the key is symmetric, which is never used"
               : "\"kty\" is neither RSA nor EC nor OKP";
    }

    (void) ERR_pop_to_mark();

    if (key != NULL && reg_key_kind(key, &kind, why) != 0) {
        EVP_PKEY_free(key);
        return NULL;
    }

    return key;
}


/* Decodes a member of at most max bytes, which are at least one. */

static int
reg_jwk_bytes(const json_t *jwk, const char *name, unsigned char *out,
    size_t max, size_t *len)
{
    reg_str_t      s;
    unsigned char  room[reg_base64_room(REG_JWK_TEXT)];

    s = reg_json_str(jwk, name);

    if (s.len == 0 || s.len > (REG_JWK_NUMBER + 2) / 3 * 4
        || reg_base64_decode(s, REG_BASE64URL, room, len) != 0
        || *len == 0 || *len > max)
    {
        return -1;
    }

    memcpy(out, room, *len);

    return 0;
}


static EVP_PKEY *
reg_jwk_parse_rsa(const json_t *jwk, const char **why)
{
    size_t           nlen, elen;
    BIGNUM          *n, *e;
    EVP_PKEY        *key;
    unsigned char    nb[REG_JWK_NUMBER], eb[REG_JWK_E_MAX];
    OSSL_PARAM_BLD  *bld;

    if (reg_jwk_bytes(jwk, "n", nb, sizeof(nb), &nlen) != 0
        || reg_jwk_bytes(jwk, "e", eb, sizeof(eb), &elen) != 0)
    {
        *why = "\"n\" or \"e\" of the RSA key is missing or malformed";
        return NULL;
    }

    key = NULL;
    n = BN_bin2bn(nb, (int) nlen, NULL);
    e = BN_bin2bn(eb, (int) elen, NULL);
    bld = OSSL_PARAM_BLD_new();

    if (n != NULL && e != NULL && bld != NULL
        && BN_num_bits(n) >= REG_KEY_RSA_MIN
        && BN_num_bits(n) <= REG_KEY_RSA_MAX
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
    {
        key = reg_jwk_make("RSA", bld);
    }

    OSSL_PARAM_BLD_free(bld);
    BN_free(n);
    BN_free(e);

    if (key == NULL) {
        *why = "the RSA key has fewer than 2048 or more than 8192 bits, or is "
               "no key";
    }

    return key;
}


static EVP_PKEY *
reg_jwk_parse_ec(const json_t *jwk, const char **why)
{
    size_t           i, len, n;
    EVP_PKEY        *key;
    reg_str_t        crv;
    unsigned char    point[1 + 2 * REG_JWK_EC_MAX], c[REG_JWK_EC_MAX];
    OSSL_PARAM_BLD  *bld;

    crv = reg_json_str(jwk, "crv");

    for (i = 0; i < REG_JWK_CURVES; i++) {
        if (reg_str_eq(crv, reg_str_of(reg_jwk_curves[i].name))) {
            break;
        }
    }

    if (i == REG_JWK_CURVES) {
        *why = "\"crv\" is none of P-256, P-384, P-521";
        return NULL;
    }

    /* RFC 7518, 6.2.1.2: always as long as the field */

    len = reg_jwk_curves[i].len;
    point[0] = 4;

    if (reg_jwk_bytes(jwk, "x", c, REG_JWK_EC_MAX, &n) != 0 || n != len) {
        *why = "\"x\" of the EC key is missing or malformed";
        return NULL;
    }

    memcpy(point + 1, c, len);

    if (reg_jwk_bytes(jwk, "y", c, REG_JWK_EC_MAX, &n) != 0 || n != len) {
        *why = "\"y\" of the EC key is missing or malformed";
        return NULL;
    }

    memcpy(point + 1 + len, c, len);

    key = NULL;
    bld = OSSL_PARAM_BLD_new();

    if (bld != NULL
        && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                           reg_jwk_curves[i].name, 0)
           == 1
        && OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
                                            point, 1 + 2 * len)
           == 1)
    {
        key = reg_jwk_make("EC", bld);
    }

    OSSL_PARAM_BLD_free(bld);

    if (key == NULL) {
        *why = "the EC key is no point of its curve";
    }

    return key;
}


static EVP_PKEY *
reg_jwk_parse_okp(const json_t *jwk, const char **why)
{
    size_t          n;
    EVP_PKEY       *key;
    unsigned char   x[REG_JWK_ED25519];

    if (!reg_str_eq(reg_json_str(jwk, "crv"), reg_str("Ed25519"))) {
        *why = "\"crv\" is not Ed25519";
        return NULL;
    }

    if (reg_jwk_bytes(jwk, "x", x, sizeof(x), &n) != 0 || n != sizeof(x)) {
        *why = "\"x\" of the Ed25519 key is missing or malformed";
        return NULL;
    }

    key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, x, n);

    if (key == NULL) {
        *why = "the Ed25519 key is no key";
    }

    return key;
}


static EVP_PKEY *
reg_jwk_make(const char *type, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY      *key;
    OSSL_PARAM    *params;
    EVP_PKEY_CTX  *ctx;

    key = NULL;
    params = OSSL_PARAM_BLD_to_param(bld);
    ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

    if (params == NULL || ctx == NULL
        || EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
    {
        key = NULL;
    }

    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);

    return key;
}


static int
reg_jwk_member(reg_buf_t *b, const json_t *jwk, const char *name,
    const char *before)
{
    reg_str_t  s;

    s = reg_json_str(jwk, name);

    if (s.len == 0 || s.len > REG_JWK_TEXT) {
        return -1;
    }

    reg_buf_printf(b, "%s\"%s\":\"", before, name);
    reg_buf_json(b, s);
    reg_buf_str(b, reg_str("\""));

    return 0;
}


int
reg_jwk_thumbprint(const json_t *jwk, char *out)
{
    int         rc;
    reg_str_t   kty;
    reg_buf_t   b;

    kty = reg_json_str(jwk, "kty");

    reg_buf_init(&b, 2 * REG_JWK_TEXT);

    if (reg_str_eq(kty, reg_str("RSA"))) {
        rc = reg_jwk_member(&b, jwk, "e", "{")
             || reg_jwk_member(&b, jwk, "kty", ",")
             || reg_jwk_member(&b, jwk, "n", ",");

    } else if (reg_str_eq(kty, reg_str("EC"))) {
        rc = reg_jwk_member(&b, jwk, "crv", "{")
             || reg_jwk_member(&b, jwk, "kty", ",")
             || reg_jwk_member(&b, jwk, "x", ",")
             || reg_jwk_member(&b, jwk, "y", ",");

    } else {
        rc = !reg_str_eq(kty, reg_str("OKP"))
             || reg_jwk_member(&b, jwk, "crv", "{")
             || reg_jwk_member(&b, jwk, "kty", ",")
             || reg_jwk_member(&b, jwk, "x", ",");
    }

    reg_buf_str(&b, reg_str("}"));

    if (rc == 0) {
        rc = reg_buf_failed(&b) ? -1
                                : reg_key_thumbprint_of(reg_buf_slice(&b), out);
    }

    reg_buf_free(&b);

    return (rc == 0) ? 0 : -1;
}
