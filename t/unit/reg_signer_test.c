
#include "reg_signer.h"
#include "reg_test.h"
#include "reg_test_token.h"

#include <stdlib.h>

#include <openssl/err.h>


static void test_load(void);
static void test_make(void);
static void test_sign(void);


int
main(void)
{
    test_load();
    test_make();
    test_sign();

    ok(ERR_peek_error() == 0, "OpenSSL's queue of errors is empty");

    return done_testing();
}


static void
test_load(void)
{
    char          *pem;
    size_t         i;
    EVP_PKEY      *key;
    reg_str_t      big;
    reg_why_t      why;
    reg_signer_t  *s;

    static const struct {
        const char  *type;
        int          used;
        reg_jws_e    alg;
    } rows[] = {
        { "P-256",     1, REG_JWS_ES256 },
        { "Ed25519",   1, REG_JWS_EDDSA },
        { "P-384",     0, REG_JWS_N },
        { "P-521",     0, REG_JWS_N },
        { "secp256k1", 0, REG_JWS_N },
        { "RSA",       0, REG_JWS_N },
        { "Ed448",     0, REG_JWS_N }
    };

    static const char  *texts[] = {
        "", "junk", "-----BEGIN PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",

        /* a key on P-256 under the password "x" */
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhiwdmOEFdYvAICCAAw\n"
        "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJL9QYXUYPnuRi0DSJUdhC4EgZBO\n"
        "8WcRodKQ90faxMkfQnRarT5AoYjtCaMwwb2vQPMxnK69AmNXYblg1gzpqaG7EIcw\n"
        "jUvMZEpR4MXZMKVYMvM1fVjWtslIGLgj7PJ83oI9y6j4Cmjv70ljwfHqvg+QH2dX\n"
        "0hTCvEShsdF579gJdTdm6x1g4b0j2/eCWYrOZmSlhXgEiGPDFBd+KMx66PT3f8w=\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n"
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        key = test_key(rows[i].type);
        pem = test_pem_private(key);
        why.text[0] = '\0';

        s = reg_signer_load(reg_str_of(pem), &why);

        ok((s != NULL) == rows[i].used, "a key of %s %s", rows[i].type,
           why.text);

        if (s != NULL) {
            char  print[REG_THUMBPRINT_SIZE];

            is_num(reg_signer_alg(s), rows[i].alg, "signs");
            ok(reg_key_thumbprint(key, 0, print) == 0, "under its thumbprint");
            is(reg_signer_kid(s), print, "which is its name");
        }

        reg_signer_free(s);
        free(pem);

        pem = test_pem_public(key);
        ok(reg_signer_load(reg_str_of(pem), &why) == NULL,
           "not the public half: %s", why.text);
        free(pem);
        EVP_PKEY_free(key);
    }

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ok(reg_signer_load(reg_str_of(texts[i]), &why) == NULL,
           "no key, row %zu: %s", i, why.text);
    }

    big.len = REG_SIGNER_PEM_MAX + 1;
    big.data = calloc(1, big.len);
    ok(reg_signer_load(big, &why) == NULL, "too large: %s", why.text);
    free((char *) big.data);

    reg_signer_free(NULL);
}


static void
test_make(void)
{
    size_t         i;
    reg_buf_t      b;
    reg_why_t      why;
    reg_signer_t  *s, *t;

    static const reg_jws_e  algs[] = { REG_JWS_ES256, REG_JWS_EDDSA };

    for (i = 0; i < 2; i++) {
        reg_buf_init(&b, 8192);

        s = reg_signer_make(algs[i], &why);
        ok(s != NULL && reg_signer_alg(s) == algs[i], "a new key");

        ok(reg_signer_print(&b, s) == 0 && reg_str_starts(reg_buf_slice(&b),
           reg_str("-----BEGIN PRIVATE KEY-----\n")), "is printed");

        t = reg_signer_load(reg_buf_slice(&b), &why);
        ok(t != NULL && reg_str_eq(reg_signer_kid(s), reg_signer_kid(t)),
           "and read");

        reg_signer_free(t);

        t = reg_signer_make(algs[i], &why);
        ok(!reg_str_eq(reg_signer_kid(s), reg_signer_kid(t)),
           "the next one is another");

        reg_signer_free(s);
        reg_signer_free(t);
        reg_buf_free(&b);
    }

    ok(reg_signer_make(REG_JWS_RS256, &why) == NULL, "RSA is not made: %s",
       why.text);
}


static void
test_sign(void)
{
    size_t         i;
    reg_buf_t      b;
    reg_why_t      why;
    reg_keys_t    *keys;
    reg_signer_t  *s;

    s = reg_signer_make(REG_JWS_EDDSA, &why);
    keys = reg_keys_create();

    ok(reg_signer_trust(s, keys, &why) == 0 && reg_keys_count(keys) == 1,
       "its public half is trusted");

    reg_buf_init(&b, 4096);
    reg_buf_str(&b, reg_str("x="));
    ok(reg_signer_sign(&b, s, reg_str("JWT"), reg_str("{}")) == 0
       && reg_str_starts(reg_buf_slice(&b), reg_str("x=ey")),
       "a token behind what is there");

    for (i = 0; i < b.len && b.data[i] != '.'; i++) {
        /* void */
    }

    ok(reg_str_starts((reg_str_t) { b.len - i, b.data + i },
                      reg_str(".e30.")), "with its claims");
    reg_buf_free(&b);

    reg_buf_init(&b, 100);
    ok(reg_signer_sign(&b, s, reg_str("JWT"), reg_str("{}")) == -1,
       "a buffer too small");
    reg_buf_free(&b);

    reg_keys_free(keys);
    reg_signer_free(s);
}
