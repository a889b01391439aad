
#include "reg_jws.h"
#include "reg_base64.h"
#include "reg_json.h"
#include "reg_jwk.h"
#include "reg_test.h"
#include "reg_test_token.h"
#include "reg_test_vectors.h"

#include <stdlib.h>

#include <openssl/err.h>


#define N  (sizeof(test_vectors) / sizeof(test_vectors[0]))


typedef struct {
    EVP_PKEY       *key;
    reg_str_t       input;
    size_t          len;
    unsigned char   sig[REG_JWS_SIG_MAX + 3];
} vector_t;


static void test_table(void);
static void test_set(void);
static void test_known(void);
static void test_cross(void);
static void test_bent(void);
static void test_round(void);
static void take(vector_t *v, const char *jwk, const char *token);


int
main(void)
{
    test_table();
    test_set();
    test_known();
    test_cross();
    test_bent();
    test_round();

    ok(ERR_peek_error() == 0, "OpenSSL's queue of errors is empty");

    return done_testing();
}


static void
take(vector_t *v, const char *jwk, const char *token)
{
    json_t       *value;
    reg_str_t     sig;
    const char   *why;
    reg_error_t   e;

    reg_error_clear(&e);
    value = reg_json_load(jwk, strlen(jwk), &e);
    v->key = reg_jwk_parse(value, &why);
    json_decref(value);

    sig = reg_str_of(strrchr(token, '.') + 1);

    v->input.data = token;
    v->input.len = (size_t) (sig.data - token) - 1;

    if (v->key == NULL
        || reg_base64_decode(sig, REG_BASE64URL, v->sig, &v->len) != 0)
    {
        abort();
    }
}


static void
test_table(void)
{
    size_t     i;
    reg_jws_e  alg;

    static const reg_str_t  names[] = {
        { 4, "none" }, { 4, "None" }, { 4, "nOnE" }, { 4, "NONE" }, { 0, "" },
        { 5, "HS256" }, { 5, "HS384" }, { 5, "HS512" }, { 5, "rs256" },
        { 5, "RS257" }, { 5, "RS256\0" }, { 6, "RS256 " }, { 4, "RS25" },
        { 6, "ES256K" }, { 5, "EDDSA" }, { 5, "eddsa" }, { 7, "Ed25519" },
        { 3, "dir" }, { 6, "A256KW" }
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        if (i == 10) {
            is_num(reg_jws_find(names[i], &alg), 0, "a slice ends where it "
                   "ends");
            continue;
        }

        ok(reg_jws_find(names[i], &alg) == -1, "A79: there is no \"%.*s\"",
           (int) names[i].len, names[i].data);
    }

    for (i = 0; i < N; i++) {
        ok(reg_jws_find(reg_str_of(test_vectors[i].alg), &alg) == 0
           && reg_str_eq(reg_jws_name(alg), reg_str_of(test_vectors[i].alg))
           && (reg_jws_algs(reg_jws_kind(alg)) & reg_jws_bit(alg)),
           "there is %s", test_vectors[i].alg);
    }

    is_num(N, REG_JWS_N, "and a vector for each");
}


static void
test_set(void)
{
    unsigned   set;
    reg_why_t  why;

    static const reg_str_t  good[] = { { 5, "ES256" }, { 5, "RS512" } };
    static const reg_str_t  twice[] = { { 5, "ES256" }, { 5, "ES256" } };
    static const reg_str_t  none[] = { { 5, "ES256" }, { 4, "none" } };
    static const reg_str_t  hmac[] = { { 5, "HS256" } };

    ok(reg_jws_set(good, 2, &set, &why) == 0
       && set == (reg_jws_bit(REG_JWS_ES256)|reg_jws_bit(REG_JWS_RS512)),
       "a set of two");
    ok(reg_jws_set(twice, 2, &set, &why) == -1, "twice: %s", why.text);
    ok(reg_jws_set(none, 2, &set, &why) == -1, "A79: %s", why.text);
    ok(reg_jws_set(hmac, 1, &set, &why) == -1, "A80: %s", why.text);
    ok(reg_jws_set(NULL, 0, &set, &why) == 0 && set == 0, "a set of none");
}


static void
test_known(void)
{
    size_t     i;
    vector_t   v;
    reg_jws_e  alg;

    static const struct {
        const char  *alg;
        const char  *jwk;
        const char  *token;
        const char  *name;
    } rows[] = {
        { "ES256",
          "{\"kty\":\"EC\",\"crv\":\"P-256\","
          "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
          "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
          "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsD"
          "QogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38V"
          "WAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6"
          "NU1Q", "RFC 7515, A.3" },
        { "EdDSA",
          "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
          "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
          "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_M"
          "GCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVv"
          "pAr_MuM0KAg", "RFC 8037, A.4" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        take(&v, rows[i].jwk, rows[i].token);

        ok(reg_jws_find(reg_str_of(rows[i].alg), &alg) == 0
           && reg_jws_verify(alg, v.key, v.input, v.sig, v.len) == 1,
           "%s", rows[i].name);

        EVP_PKEY_free(v.key);
    }

    for (i = 0; i < N; i++) {
        take(&v, test_vectors[i].jwk, test_vectors[i].token);

        ok(reg_jws_find(reg_str_of(test_vectors[i].alg), &alg) == 0
           && reg_jws_verify(alg, v.key, v.input, v.sig, v.len) == 1,
           "%s of another implementation", test_vectors[i].alg);

        EVP_PKEY_free(v.key);
    }
}


/* A signature is right under its own algorithm and under no other. */

static void
test_cross(void)
{
    size_t    i, j;
    vector_t  v;

    for (i = 0; i < N; i++) {
        take(&v, test_vectors[i].jwk, test_vectors[i].token);

        for (j = 0; j < REG_JWS_N; j++) {
            if (!reg_str_eq(reg_jws_name((reg_jws_e) j),
                            reg_str_of(test_vectors[i].alg)))
            {
                ok(reg_jws_verify((reg_jws_e) j, v.key, v.input, v.sig, v.len)
                   == 0,
                   "A80: a signature of %s is none of %s",
                   test_vectors[i].alg, reg_jws_name((reg_jws_e) j).data);
            }
        }

        EVP_PKEY_free(v.key);
    }
}


static void
test_bent(void)
{
    size_t          i, n;
    vector_t        v;
    reg_jws_e       alg;
    reg_str_t       input;
    unsigned char   sig[REG_JWS_SIG_MAX + 3];

    for (i = 0; i < N; i++) {
        take(&v, test_vectors[i].jwk, test_vectors[i].token);
        (void) reg_jws_find(reg_str_of(test_vectors[i].alg), &alg);

        for (n = 0; n < v.len; n += v.len / 7) {
            v.sig[n] ^= 1;
            ok(reg_jws_verify(alg, v.key, v.input, v.sig, v.len) == 0,
               "%s: a bit of byte %zu", test_vectors[i].alg, n);
            v.sig[n] ^= 1;
        }

        input = v.input;
        input.len--;
        ok(reg_jws_verify(alg, v.key, input, v.sig, v.len) == 0,
           "%s: a byte less", test_vectors[i].alg);

        ok(reg_jws_verify(alg, v.key, v.input, v.sig, v.len - 1) == 0
           && reg_jws_verify(alg, v.key, v.input, v.sig, 0) == 0,
           "A79: %s: a shorter signature, none at all", test_vectors[i].alg);

        v.sig[v.len] = 0;
        ok(reg_jws_verify(alg, v.key, v.input, v.sig, v.len + 1) == 0,
           "%s: a longer signature", test_vectors[i].alg);

        memset(sig, 0, sizeof(sig));
        ok(reg_jws_verify(alg, v.key, v.input, sig, v.len) == 0,
           "%s: a signature of zeros", test_vectors[i].alg);

        memset(sig, 0xff, sizeof(sig));
        ok(reg_jws_verify(alg, v.key, v.input, sig, v.len) == 0,
           "%s: a signature of ones", test_vectors[i].alg);

        sig[v.len / 2 - 1] = 1;
        memset(sig, 0, v.len / 2 - 1);
        ok(reg_jws_verify(alg, v.key, v.input, sig, v.len) == 0,
           "%s: r is 1", test_vectors[i].alg);

        EVP_PKEY_free(v.key);
    }
}


static void
test_round(void)
{
    size_t          i, len;
    EVP_PKEY       *key;
    unsigned char   sig[REG_JWS_SIG_MAX];

    static const char  *types[REG_KEY_N] = {
        "RSA", "P-256", "P-384", "P-521", "Ed25519"
    };

    for (i = 0; i < REG_JWS_N; i++) {
        key = test_key(types[reg_jws_kind((reg_jws_e) i)]);

        ok(reg_jws_sign((reg_jws_e) i, key, reg_str("abc"), sig, &len) == 0
           && reg_jws_verify((reg_jws_e) i, key, reg_str("abc"), sig, len)
              == 1
           && reg_jws_verify((reg_jws_e) i, key, reg_str("abd"), sig, len)
              == 0,
           "%s: signed and verified", reg_jws_name((reg_jws_e) i).data);

        EVP_PKEY_free(key);
    }
}
