
#include "reg_keys.h"
#include "reg_json.h"
#include "reg_test.h"
#include "reg_test_alloc.h"
#include "reg_test_token.h"
#include "reg_test_vectors.h"

#include "reg_keys.c"
#include "reg_keys_jwks.c"

#include <openssl/err.h>


#define NOW  1700000000
#define DAY  86400


static reg_buf_t  skipped;


static void test_pem(void);
static void test_pem_bad(void);
static void test_jwks(void);
static void test_jwks_bad(void);
static void test_named(void);
static void test_print(void);
static void test_many(void);
static void test_alloc(void);
static void skip(void *data, size_t n, const char *reason);
static int has(const reg_keys_t *k, const char *name, reg_jws_e alg);


int
main(void)
{
    reg_test_alloc_init();
    reg_buf_init(&skipped, 65536);

    test_pem();
    test_pem_bad();
    test_jwks();
    test_jwks_bad();
    test_named();
    test_print();
    test_many();
    test_alloc();

    reg_buf_free(&skipped);

    ok(ERR_peek_error() == 0, "OpenSSL's queue of errors is empty");

    return done_testing();
}


static void
skip(void *data, size_t n, const char *reason)
{
    reg_buf_printf(data, "%zu:%s;", n, reason);
}


static int
has(const reg_keys_t *k, const char *name, reg_jws_e alg)
{
    size_t     i;
    reg_str_t  s;

    i = 0;
    s = reg_str_of(name);

    return reg_keys_next(k, &s, alg, &i) != NULL;
}


static void
test_pem(void)
{
    X509        *cert;
    char        *a, *b, *c, *text;
    char         print[REG_THUMBPRINT_SIZE], go[REG_THUMBPRINT_SIZE];
    char         libtrust[REG_LIBTRUST_SIZE];
    size_t       i;
    EVP_PKEY    *ec, *rsa, *ed;
    reg_why_t    why;
    reg_keys_t  *k;
    test_cert_t  form;

    ec = test_key("P-256");
    rsa = test_key("RSA");
    ed = test_key("Ed25519");

    memset(&form, 0, sizeof(form));
    form.name = "root";
    form.key = ec;
    form.issuer_key = ec;
    form.from = NOW;
    form.to = NOW + DAY;
    form.ca = 1;

    cert = test_cert(&form);
    a = test_pem_cert(cert);
    b = test_pem_public(rsa);
    c = test_pem_private(ed);
    text = test_text("a comment\n%s\nanother\n%s%s", a, c, b);

    k = reg_keys_create();
    reg_buf_reset(&skipped);
    why.text[0] = '\0';

    ok(reg_keys_add_pem(k, reg_str_of(text), skip, &skipped, &why) == 0,
       "a bundle %s", why.text);
    reg_buf_add(&skipped, "", 1);

    is_num((long long) reg_keys_count(k), 2, "of two keys");
    is_num((long long) reg_keys_roots(k), 1, "and one root");
    ok(strcmp(skipped.data, "2:a private key has no business here;") == 0,
       "and a private key: %s", skipped.data);

    (void) reg_key_thumbprint(ec, 0, print);
    (void) reg_key_thumbprint(ec, 1, go);
    (void) reg_key_libtrust(ec, libtrust);

    ok(has(k, print, REG_JWS_ES256) && has(k, go, REG_JWS_ES256)
       && has(k, libtrust, REG_JWS_ES256), "all three names");
    ok(!has(k, print, REG_JWS_ES384) && !has(k, print, REG_JWS_RS256),
       "for its own algorithm");

    (void) reg_key_thumbprint(rsa, 0, print);
    ok(has(k, print, REG_JWS_RS256) && has(k, print, REG_JWS_PS512),
       "RSA has six");

    (void) reg_key_thumbprint(ed, 0, print);
    ok(!has(k, print, REG_JWS_EDDSA), "the private one is not there");
    ok(!has(k, "", REG_JWS_ES256) && !has(k, "../../etc/passwd",
                                          REG_JWS_ES256),
       "A82: other names are nobody's");

    i = 0;
    ok(reg_keys_next(k, NULL, REG_JWS_ES256, &i) != NULL
       && reg_keys_next(k, NULL, REG_JWS_ES256, &i) == NULL,
       "one key for ES256");

    ok(reg_keys_add_pem(k, reg_str_of(a), NULL, NULL, &why) == 0
       && reg_keys_count(k) == 2, "the same bundle again");

    reg_keys_free(k);
    free(a);
    free(b);
    free(c);
    free(text);
    X509_free(cert);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ed);
}


static void
test_pem_bad(void)
{
    char        *a, *text;
    size_t       i;
    EVP_PKEY    *key;
    reg_str_t    s;
    reg_why_t    why;
    reg_keys_t  *k;

    static const struct {
        const char  *text;
        const char  *why;
    } rows[] = {
        { "", "empty" },
        { "junk\n", "no certificate" },
        { "-----BEGIN CERTIFICATE-----\n", "cannot be read" },
        { "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
          "cannot be used" },
        { "-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
          "cannot be read" },
        { "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
          "cannot be used" },
        { "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END CERTIFICATE-----\n",
          "cannot be read" },
        { "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
          "no certificate" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        k = reg_keys_create();

        ok(reg_keys_add_pem(k, reg_str_of(rows[i].text), NULL, NULL, &why)
           == -1 && strstr(why.text, rows[i].why) != NULL,
           "no bundle, row %zu: %s", i, why.text);

        reg_keys_free(k);
    }

    /* a key too weak, alone and beside a good one */

    key = test_key("RSA1024");
    a = test_pem_public(key);
    EVP_PKEY_free(key);

    k = reg_keys_create();
    reg_buf_reset(&skipped);
    ok(reg_keys_add_pem(k, reg_str_of(a), skip, &skipped, &why) == -1,
       "RSA of 1024 bits: %s", why.text);
    reg_keys_free(k);

    key = test_key("P-384");
    text = test_pem_public(key);
    EVP_PKEY_free(key);

    k = reg_keys_create();
    s.data = test_text("%s%s", a, text);
    s.len = strlen(s.data);
    reg_buf_reset(&skipped);
    ok(reg_keys_add_pem(k, s, skip, &skipped, &why) == 0
       && reg_keys_count(k) == 1, "the other one is used");
    reg_buf_add(&skipped, "", 1);
    ok(strncmp(skipped.data, "1:the RSA key has", 17) == 0, "%s",
       skipped.data);
    reg_keys_free(k);

    free((char *) s.data);
    free(text);
    free(a);

    s.len = REG_KEYS_FILE_MAX + 1;
    s.data = calloc(1, s.len);
    k = reg_keys_create();
    ok(reg_keys_add_pem(k, s, NULL, NULL, &why) == -1, "%s", why.text);
    ok(reg_keys_add_jwks(k, s, NULL, NULL, &why) == -1, "%s", why.text);
    reg_keys_free(k);
    free((char *) s.data);
}


/* members of a key on P-256 and of one on Ed25519 */
#define EC  "\"kty\":\"EC\",\"crv\":\"P-256\","                               \
            "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","          \
            "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define ED  "\"kty\":\"OKP\",\"crv\":\"Ed25519\","                            \
            "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define ED_PRINT  "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


static void
test_jwks(void)
{
    size_t       i;
    char        *text;
    reg_why_t    why;
    reg_keys_t  *k;

    static const struct {
        const char  *jwk;         /* beside the key "ed" */
        const char  *skipped;     /* "" when it is used without a word */
        int          used;        /* as "x", with ES256 */
        const char  *name;
    } rows[] = {
        { "{" EC ",\"kid\":\"x\"}", "", 1, "plain" },
        { "{" EC ",\"kid\":\"x\",\"use\":\"sig\",\"alg\":\"ES256\"}", "", 1,
          "with use and alg" },
        { "{" EC ",\"kid\":\"x\",\"key_ops\":[\"sign\",\"verify\"]}", "", 1,
          "with key_ops" },
        { "{" EC ",\"kid\":\"x\",\"d\":\"AAAA\"}", "private half", 1,
          "private" },
        { "{" EC ",\"kid\":\"x\",\"use\":\"enc\"}", "use", 0, "use enc" },
        { "{" EC ",\"kid\":\"x\",\"use\":5}", "use", 0, "use 5" },
        { "{" EC ",\"kid\":\"x\",\"key_ops\":[\"sign\"]}", "key_ops", 0,
          "for signing" },
        { "{" EC ",\"kid\":\"x\",\"key_ops\":\"verify\"}", "key_ops", 0,
          "key_ops no list" },
        { "{" EC ",\"kid\":\"x\",\"alg\":\"ES384\"}", "alg", 0, "ES384" },
        { "{" EC ",\"kid\":\"x\",\"alg\":\"HS256\"}", "alg", 0,
          "A80: HS256" },
        { "{" EC ",\"kid\":\"x\",\"alg\":\"none\"}", "alg", 0, "A79: none" },
        { "{" EC ",\"kid\":\"x\",\"alg\":5}", "alg", 0, "A79: a number" },
        { "{" EC ",\"kid\":5}", "kid", 0, "A82: kid a number" },
        { "{" EC ",\"kid\":\"\"}", "kid", 0, "A82: kid empty" },
        { "{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"x\"}", "symmetric", 0,
          "A80: a symmetric key" },
        { "{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"x\",\"alg\":\"ES256\"}",
          "symmetric", 0, "A80: a symmetric key for ES256" },
        { "5", "not an object", 0, "a number" },
        { "null", "not an object", 0, "null" },
        { "{}", "kty", 0, "empty" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        text = test_text("{\"keys\":[{" ED ",\"kid\":\"ed\"},%s]}",
                         rows[i].jwk);
        k = reg_keys_create();
        reg_buf_reset(&skipped);

        ok(reg_keys_add_jwks(k, reg_str_of(text), skip, &skipped, &why) == 0
           && has(k, "ed", REG_JWS_EDDSA) && has(k, ED_PRINT, REG_JWS_EDDSA),
           "%s: the other key is used", rows[i].name);
        reg_buf_add(&skipped, "", 1);

        ok(has(k, "x", REG_JWS_ES256) == rows[i].used, "%s: and this one: %d",
           rows[i].name, rows[i].used);
        ok((rows[i].skipped[0] == '\0') == (skipped.len == 1)
           && strstr(skipped.data, rows[i].skipped) != NULL,
           "%s: %s", rows[i].name, skipped.data);

        reg_keys_free(k);
        free(text);
    }
}


static void
test_jwks_bad(void)
{
    size_t       i;
    reg_why_t    why;
    reg_keys_t  *k;

    static const struct {
        const char  *text;
        const char  *why;
    } rows[] = {
        { "", "JSON" },
        { "{", "JSON" },
        { "[]", "no array" },
        { "{}", "no array" },
        { "{\"keys\":{}}", "no array" },
        { "{\"keys\":[]}", "no key" },
        { "{\"keys\":[{}]}", "no key" },
        { "{\"keys\":[],\"keys\":[]}", "twice" },
        { "{" EC "}", "no array" },
        { "\xef\xbb\xbf{\"keys\":[{" EC "}]}", "JSON" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        k = reg_keys_create();

        ok(reg_keys_add_jwks(k, reg_str_of(rows[i].text), NULL, NULL, &why)
           == -1 && strstr(why.text, rows[i].why) != NULL,
           "no key set, row %zu: %s", i, why.text);

        reg_keys_free(k);
    }

    /* one name for two keys, and one key under five names */

    k = reg_keys_create();
    ok(reg_keys_add_jwks(k, reg_str("{\"keys\":[{" EC ",\"kid\":\"a\"},{" ED
                                    ",\"kid\":\"a\"}]}"), NULL, NULL, &why)
       == 0
       && has(k, "a", REG_JWS_ES256) && has(k, "a", REG_JWS_EDDSA),
       "two keys may go by one name");
    reg_keys_free(k);

    k = reg_keys_create();
    reg_buf_reset(&skipped);
    ok(reg_keys_add_jwks(k, reg_str("{\"keys\":[{" EC ",\"kid\":\"a\"},{" EC
                                    ",\"kid\":\"b\"},{" EC ",\"kid\":\"c\"},{"
                                    EC ",\"kid\":\"d\"}]}"), skip, &skipped,
                         &why)
       == 0
       && reg_keys_count(k) == 1 && has(k, "c", REG_JWS_ES256)
       && !has(k, "d", REG_JWS_ES256) && skipped.len != 0,
       "a key has so many names and no more");
    reg_keys_free(k);
}


static void
test_named(void)
{
    size_t        i;
    json_t       *jwk;
    reg_why_t     why;
    reg_keys_t   *k;
    const char   *reason;
    reg_error_t   e;

    static const struct {
        const char  *jwk;
        int          found;
        const char  *name;
    } rows[] = {
        { "{" EC "}", 1, "ours" },
        { "{" EC ",\"kid\":\"stranger\"}", 1, "ours under another name" },
        { "{" ED "}", 0, "another's" },
        { "{" ED ",\"kid\":\"a\"}", 0, "A81: another's under our name" },
        { "{\"kid\":\"a\"}", 0, "A81: a name and no key" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\"}", 0,
          "A81: a kind and no key" },
        { "{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"a\"}", 0,
          "A81: a symmetric key under our name" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\","
          "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU=\","
          "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}", 0,
          "another spelling" },
        { "[]", 0, "a list" }
    };

    k = reg_keys_create();
    (void) reg_keys_add_jwks(k, reg_str("{\"keys\":[{" EC
                                        ",\"kid\":\"a\"}]}"), NULL, NULL,
                             &why);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_error_clear(&e);
        jwk = reg_json_load(rows[i].jwk, strlen(rows[i].jwk), &e);

        ok((reg_keys_named(k, jwk, REG_JWS_ES256, &reason) != NULL)
           == rows[i].found, "A81: a key in a token: %s", rows[i].name);

        json_decref(jwk);
    }

    ok(reg_keys_named(k, NULL, REG_JWS_ES256, &reason) == NULL, "none");
    reg_error_clear(&e);
    jwk = reg_json_load(rows[0].jwk, strlen(rows[0].jwk), &e);
    ok(reg_keys_named(k, jwk, REG_JWS_RS256, &reason) == NULL,
       "A80: ours for another algorithm");
    json_decref(jwk);

    reg_keys_free(k);
}


static void
test_print(void)
{
    size_t       i;
    EVP_PKEY    *key, *got;
    reg_buf_t    b;
    reg_why_t    why;
    reg_keys_t  *k, *read;

    k = reg_keys_create();

    reg_buf_init(&b, 65536);
    ok(reg_keys_print(&b, k) == 0, "an empty set");
    is(reg_buf_slice(&b), "{\"keys\":[]}", "as text");

    key = test_key("P-256");
    ok(reg_keys_add(k, key, REG_JWS_ES256, &why) == 0, "a key of our own");
    ok(reg_keys_add(k, key, REG_JWS_ES256, &why) == 0
       && reg_keys_count(k) == 1, "the same again");

    got = test_key("RSA1024");
    ok(reg_keys_add(k, got, REG_JWS_RS256, &why) == -1, "not any key: %s",
       why.text);
    EVP_PKEY_free(got);

    got = test_key("Ed25519");
    ok(reg_keys_add(k, got, REG_JWS_EDDSA, &why) == 0, "another one");
    EVP_PKEY_free(got);

    reg_buf_reset(&b);
    ok(reg_keys_print(&b, k) == 0, "a set of two");

    read = reg_keys_create();
    ok(reg_keys_add_jwks(read, reg_buf_slice(&b), NULL, NULL, &why) == 0
       && reg_keys_count(read) == 2, "which can be read");

    i = 0;
    got = reg_keys_next(read, NULL, REG_JWS_ES256, &i);
    ok(got != NULL && EVP_PKEY_eq(got, key) == 1, "and is the same");

    reg_keys_free(read);
    reg_keys_free(k);
    reg_buf_free(&b);
    EVP_PKEY_free(key);
}


static void
test_many(void)
{
    int          rc;
    size_t       i;
    EVP_PKEY    *key;
    reg_why_t    why;
    reg_keys_t  *k;

    k = reg_keys_create();
    rc = 0;

    for (i = 0; rc == 0 && i <= REG_KEYS_MAX; i++) {
        key = test_key("Ed25519");
        rc = reg_keys_add(k, key, REG_JWS_EDDSA, &why);
        EVP_PKEY_free(key);
    }

    ok(rc == -1 && i == REG_KEYS_MAX + 1, "one key too many: %s", why.text);

    reg_keys_free(k);
}


static void
test_alloc(void)
{
    int            rc, hit;
    reg_why_t      why;
    reg_keys_t    *k;
    unsigned long  n;

    for (n = 1; ; n++) {
        reg_test_alloc_fail(n, 0);
        k = reg_keys_create();
        rc = (k == NULL) ? -1
             : reg_keys_add_jwks(k, reg_str("{\"keys\":[{" EC
                                            ",\"kid\":\"a\"}]}"), NULL, NULL,
                                 &why);
        hit = reg_test_alloc_restore();

        ok((rc != 0) == hit, "allocation %lu fails", n);
        reg_keys_free(k);

        if (!hit) {
            break;
        }
    }

    ok(n > 5 && reg_test_alloc_jansson == 0, "nothing of jansson is left");
}
