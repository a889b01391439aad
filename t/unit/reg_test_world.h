
/*
 * Who may sign tokens in these tests, and who may not; and tokens that are
 * good but for what a test changes in them.
 */


#ifndef REG_TEST_WORLD_H_INCLUDED
#define REG_TEST_WORLD_H_INCLUDED


#include "reg_test.h"
#include "reg_test_token.h"
#include "reg_token.h"

#include <stdlib.h>


#define NOW      1700000000
#define DAY      86400
#define ISSUER   "https://auth.example/"
#define SERVICE  "registry.example"

#define GOOD     "{\"iss\":\"" ISSUER "\",\"aud\":\"" SERVICE "\","           \
                 "\"sub\":\"ann\",\"exp\":1700000300,\"nbf\":1699999900,"     \
                 "\"iat\":1699999900,\"jti\":\"id-1\",\"access\":[{"          \
                 "\"type\":\"repository\",\"name\":\"a/b\","                  \
                 "\"actions\":[\"pull\",\"push\"]}]}"


/*
 * keys names rsa, ec and ed by these names and root as a root; single names ec
 * alone.  mallory and other_root are nobody's.
 */

static EVP_PKEY            *rsa, *ec, *ed, *mallory, *root_key, *other_root_key;
static X509                *root, *other_root;
static reg_keys_t          *keys, *single;
static reg_token_policy_t   policy;


REG_TEST_UNUSED static X509 *
cert(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
    int64_t from, int64_t to, int ca)
{
    test_cert_t  c;

    memset(&c, 0, sizeof(c));
    c.name = name;
    c.key = key;
    c.issuer = issuer;
    c.issuer_key = issuer_key;
    c.from = from;
    c.to = to;
    c.ca = ca;

    return test_cert(&c);
}


static void
setup(void)
{
    char       *pem;
    size_t      i;
    reg_buf_t   b;
    reg_why_t   why;
    EVP_PKEY   *all[3];

    static const char  *names[] = { "rsa", "ec", "ed" };

    rsa = test_key("RSA");
    ec = test_key("P-256");
    ed = test_key("Ed25519");
    mallory = test_key("P-256");
    root_key = test_key("P-384");
    other_root_key = test_key("P-384");

    root = cert("root", root_key, NULL, root_key, NOW - DAY, NOW + DAY, 1);
    other_root = cert("root", other_root_key, NULL, other_root_key,
                      NOW - DAY, NOW + DAY, 1);

    all[0] = rsa;
    all[1] = ec;
    all[2] = ed;

    reg_buf_init(&b, 65536);
    reg_buf_str(&b, reg_str("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\","
                            "\"kid\":\"hmac\"}"));

    for (i = 0; i < 3; i++) {
        reg_buf_t  jwk;

        /* no "alg" in the set: the token must not choose it */

        reg_buf_init(&jwk, 8192);
        (void) reg_key_print(&jwk, all[i], reg_str_of(names[i]), reg_str(""));
        reg_buf_str(&b, reg_str(","));
        reg_buf_add(&b, jwk.data,
                    jwk.len - (sizeof(",\"alg\":\"\"}") - 1));
        reg_buf_str(&b, reg_str("}"));
        reg_buf_free(&jwk);
    }

    reg_buf_str(&b, reg_str("]}"));

    keys = reg_keys_create();

    if (reg_keys_add_jwks(keys, reg_buf_slice(&b), NULL, NULL, &why) != 0) {
        printf("Bail out! %s\n", why.text);
        exit(1);
    }

    pem = test_pem_cert(root);
    (void) reg_keys_add_pem(keys, reg_str_of(pem), NULL, NULL, &why);
    free(pem);

    single = reg_keys_create();
    (void) reg_keys_add(single, ec, REG_JWS_ES256, &why);

    reg_buf_free(&b);

    policy.keys = keys;
    policy.algs = REG_JWS_ALL;
    policy.issuer = reg_str(ISSUER);
    policy.service = reg_str(SERVICE);
    policy.leeway = REG_JWT_LEEWAY;
    policy.max = REG_JWT_MAX;
}


static void
teardown(void)
{
    reg_keys_free(keys);
    reg_keys_free(single);
    X509_free(root);
    X509_free(other_root);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
    EVP_PKEY_free(mallory);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(other_root_key);
}


static reg_token_e
verify(const char *raw, int64_t now)
{
    char         *exact;
    size_t        n;
    reg_str_t     s;
    reg_token_e   rc;
    reg_token_t   t;
    const char   *why;

    /* exactly as long as it is, for the sanitizers */

    n = strlen(raw);
    exact = malloc(n ? n : 1);
    memcpy(exact, raw, n);

    s.data = exact;
    s.len = n;
    why = NULL;

    rc = reg_token_verify(&t, &policy, s, now, &why);

    if (rc != REG_TOKEN_OK) {
        printf("# %s\n", (why == NULL) ? "(no reason)" : why);

        if (why == NULL) {
            rc = REG_TOKEN_FAILED;
        }
    }

    reg_token_free(&t);
    free(exact);

    return rc;
}


#endif /* REG_TEST_WORLD_H_INCLUDED */
