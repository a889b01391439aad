
#include "reg_keys.h"
#include "reg_test_world.h"

#include <openssl/err.h>


static void test_header(void);
static void test_chain(void);
static void test_weak(void);
static void test_kid(void);
static void test_same_kid(void);
static void test_one_key(void);
static char *x5c(X509 *a, X509 *b, X509 *c);


int
main(void)
{
    setup();

    test_header();
    test_chain();
    test_weak();
    test_kid();
    test_same_kid();
    test_one_key();

    teardown();

    ok(ERR_peek_error() == 0, "OpenSSL's queue of errors is empty");

    return done_testing();
}


/* A81: the token brings a key, under whatever name */

static void
test_header(void)
{
    char       *raw, *header, *self;
    size_t      i;
    X509       *c;
    reg_buf_t   jwk, ours;

    static const char  *forms[] = {
        "{\"alg\":\"ES256\",\"jwk\":%s}",
        "{\"alg\":\"ES256\",\"kid\":\"ec\",\"jwk\":%s}",
        "{\"alg\":\"ES256\",\"jwk\":[%s]}",
        "{\"alg\":\"ES256\",\"kid\":\"ec\",\"jwks\":{\"keys\":[%s]}}"
    };

    static const char  *urls[] = {
        "{\"alg\":\"ES256\",\"kid\":\"ec\",\"jku\":\"http://127.0.0.1:1/\"}",
        "{\"alg\":\"ES256\",\"kid\":\"ec\",\"x5u\":\"http://127.0.0.1:1/\"}",
        "{\"alg\":\"ES256\",\"kid\":\"me\",\"jku\":\"http://127.0.0.1:1/\"}"
    };

    reg_buf_init(&jwk, 8192);
    reg_buf_init(&ours, 8192);
    (void) reg_key_print(&jwk, mallory, reg_str("ec"), reg_str("ES256"));
    (void) reg_key_print(&ours, ec, reg_str("stranger"), reg_str("ES256"));
    reg_buf_add(&jwk, "", 1);
    reg_buf_add(&ours, "", 1);

    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        header = test_text(forms[i], jwk.data);
        raw = test_token("ES256", mallory, header, GOOD);
        ok(verify(raw, NOW) == REG_TOKEN_INVALID,
           "A81: a key of its own, form %zu", i);
        free(raw);
        free(header);
    }

    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        raw = test_token("ES256", mallory, urls[i], GOOD);
        ok(verify(raw, NOW) == REG_TOKEN_INVALID,
           "A81: the address of a key, form %zu", i);
        free(raw);
    }

    c = cert("me", mallory, NULL, mallory, NOW - DAY, NOW + DAY, 1);
    self = x5c(c, NULL, NULL);
    header = test_text("{\"alg\":\"ES256\",\"kid\":\"ec\",\"x5c\":%s}", self);
    raw = test_token("ES256", mallory, header, GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID,
       "A81: a certificate of its own, under our name");
    free(raw);
    free(header);

    header = test_text("{\"alg\":\"ES256\",\"x5c\":%s,\"jwk\":%s}", self,
                       ours.data);
    raw = test_token("ES256", ec, header, GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID,
       "a bad certificate is not made good by a good key");
    free(raw);
    free(header);
    free(self);
    X509_free(c);

    header = test_text("{\"alg\":\"ES256\",\"jwk\":%s}", ours.data);
    raw = test_token("ES256", ec, header, GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_OK, "a key that is one of ours");
    free(raw);

    raw = test_token("ES256", mallory, header, GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID,
       "A81: our key shown, another used");
    free(raw);
    free(header);

    header = test_text("{\"alg\":\"ES256\",\"kid\":\"ec\",\"jwk\":%s}",
                       jwk.data);
    raw = test_token("ES256", ec, header, GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID,
       "a bad key is not made good by a good name");
    free(raw);
    free(header);

    reg_buf_free(&jwk);
    reg_buf_free(&ours);
}


static char *
x5c(X509 *a, X509 *b, X509 *c)
{
    char  *s[3], *text;

    s[0] = test_x5c(a);
    s[1] = (b == NULL) ? NULL : test_x5c(b);
    s[2] = (c == NULL) ? NULL : test_x5c(c);

    text = test_text("[\"%s\"%s%s%s%s%s%s]", s[0],
                     b ? ",\"" : "", b ? s[1] : "", b ? "\"" : "",
                     c ? ",\"" : "", c ? s[2] : "", c ? "\"" : "");

    free(s[0]);
    free(s[1]);
    free(s[2]);

    return text;
}


static void
test_chain(void)
{
    char      *raw, *header, *chain;
    size_t     i;
    X509      *leaf, *mid, *old, *late, *deep, *fake, *noca, *weak;
    EVP_PKEY  *mid_key, *noca_key;

    mid_key = test_key("P-256");
    noca_key = test_key("P-256");

    leaf = cert("leaf", mallory, root, root_key, NOW - DAY, NOW + DAY, 0);
    old = cert("old", mallory, root, root_key, NOW - DAY, NOW - 1, 0);
    late = cert("late", mallory, root, root_key, NOW + 1, NOW + DAY, 0);
    mid = cert("mid", mid_key, root, root_key, NOW - DAY, NOW + DAY, 1);
    deep = cert("deep", mallory, mid, mid_key, NOW - DAY, NOW + DAY, 0);
    fake = cert("fake", mallory, other_root, other_root_key, NOW - DAY,
                NOW + DAY, 0);
    noca = cert("noca", noca_key, root, root_key, NOW - DAY, NOW + DAY, 0);
    weak = cert("below", mallory, noca, noca_key, NOW - DAY, NOW + DAY, 0);

    {
        struct {
            X509        *chain[3];
            EVP_PKEY    *key;
            reg_token_e  rc;
            const char  *name;
        } rows[] = {
            { { leaf, NULL, NULL }, mallory, REG_TOKEN_OK, "a leaf" },
            { { leaf, root, NULL }, mallory, REG_TOKEN_OK,
              "a leaf and its root" },
            { { deep, mid, NULL }, mallory, REG_TOKEN_OK,
              "a leaf below another" },
            { { deep, mid, root }, mallory, REG_TOKEN_OK, "all three" },
            { { root, NULL, NULL }, root_key, REG_TOKEN_OK,
              "the root itself" },
            { { deep, NULL, NULL }, mallory, REG_TOKEN_INVALID,
              "a link is missing" },
            { { deep, root, NULL }, mallory, REG_TOKEN_INVALID,
              "the wrong link" },
            { { old, NULL, NULL }, mallory, REG_TOKEN_INVALID, "expired" },
            { { late, NULL, NULL }, mallory, REG_TOKEN_INVALID,
              "not yet valid" },
            { { fake, NULL, NULL }, mallory, REG_TOKEN_INVALID,
              "A81: a root of the same name" },
            { { fake, other_root, NULL }, mallory, REG_TOKEN_INVALID,
              "A81: and that root with it" },
            { { fake, root, NULL }, mallory, REG_TOKEN_INVALID,
              "A81: and our root with it" },
            { { other_root, root, NULL }, other_root_key, REG_TOKEN_INVALID,
              "A81: another root before ours" },
            { { weak, noca, NULL }, mallory, REG_TOKEN_INVALID,
              "A81: a leaf that signs another" },
            { { leaf, NULL, NULL }, mid_key, REG_TOKEN_INVALID,
              "another key than the leaf's" },
            { { root, leaf, NULL }, mallory, REG_TOKEN_INVALID,
              "the wrong way round" }
        };

        for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            chain = x5c(rows[i].chain[0], rows[i].chain[1], rows[i].chain[2]);
            header = test_text("{\"alg\":\"%s\",\"x5c\":%s}",
                               (rows[i].key == root_key
                                || rows[i].key == other_root_key)
                               ? "ES384" : "ES256", chain);
            raw = test_token((rows[i].key == root_key
                              || rows[i].key == other_root_key)
                             ? "ES384" : "ES256", rows[i].key, header, GOOD);

            ok(verify(raw, NOW) == rows[i].rc, "x5c: %s", rows[i].name);

            free(raw);
            free(header);
            free(chain);
        }
    }

    {
        static const char  *rows[] = {
            "[]", "{}", "5", "null", "\"\"", "[\"\"]", "[5]", "[\"AAAA\"]",
            "[\"!\"]", "[[]]",
            "[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]"
        };

        for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            header = test_text("{\"alg\":\"ES256\",\"kid\":\"ec\",\"x5c\":%s}",
                               rows[i]);
            raw = test_token("ES256", ec, header, GOOD);
            ok(verify(raw, NOW) == REG_TOKEN_INVALID, "x5c that is %s",
               rows[i]);
            free(raw);
            free(header);
        }
    }

    chain = x5c(leaf, NULL, NULL);
    header = test_text("{\"alg\":\"ES256\",\"x5c\":%s}", chain);
    raw = test_token("ES256", mallory, header, GOOD);
    policy.keys = single;
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "a chain without any roots");
    policy.keys = keys;
    free(raw);
    free(header);
    free(chain);

    X509_free(leaf);
    X509_free(old);
    X509_free(late);
    X509_free(mid);
    X509_free(deep);
    X509_free(fake);
    X509_free(noca);
    X509_free(weak);
    EVP_PKEY_free(mid_key);
    EVP_PKEY_free(noca_key);
}


/* What a root has signed, but so that others could have signed it, too. */

static void
test_weak(void)
{
    char         *raw, *header, *chain;
    size_t        i;
    X509         *sha1, *mid, *below;
    EVP_PKEY     *small;
    test_cert_t   c;

    small = test_key("RSA1024");

    memset(&c, 0, sizeof(c));
    c.name = "sha1";
    c.key = mallory;
    c.issuer = root;
    c.issuer_key = root_key;
    c.from = NOW - DAY;
    c.to = NOW + DAY;
    c.hash = "SHA1";

    sha1 = test_cert(&c);
    mid = cert("mid", small, root, root_key, NOW - DAY, NOW + DAY, 1);
    below = cert("below", mallory, mid, small, NOW - DAY, NOW + DAY, 0);

    for (i = 0; i < 2; i++) {
        chain = (i == 0) ? x5c(sha1, NULL, NULL) : x5c(below, mid, NULL);
        header = test_text("{\"alg\":\"ES256\",\"x5c\":%s}", chain);
        raw = test_token("ES256", mallory, header, GOOD);

        ok(verify(raw, NOW) == REG_TOKEN_INVALID, "x5c: %s",
           (i == 0) ? "signed by way of SHA-1" : "below RSA of 1024 bits");

        free(raw);
        free(header);
        free(chain);
    }

    X509_free(sha1);
    X509_free(mid);
    X509_free(below);
    EVP_PKEY_free(small);
}


static void
test_kid(void)
{
    char    *raw, *header, *big;
    size_t   i;

    static const char  *kids[] = {
        "\"../../etc/passwd\"", "\"ec\\u0000\"", "\"\\u0000\"", "5", "null",
        "true", "[\"ec\"]", "{\"a\":1}", "\"\"", "\"EC\"", "\"ec \"", "\"e\"",
        "\"rsa\"", "\"ed\"", "\"hmac\"", "\"' OR 1=1 --\""
    };

    for (i = 0; i < sizeof(kids) / sizeof(kids[0]); i++) {
        header = test_text("{\"alg\":\"ES256\",\"kid\":%s}", kids[i]);
        raw = test_token("ES256", ec, header, GOOD);

        ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A82: kid %s", kids[i]);

        free(raw);
        free(header);
    }

    big = malloc(65537);
    memset(big, 'e', 65536);
    big[65536] = '\0';

    header = test_text("{\"alg\":\"ES256\",\"kid\":\"%s\"}", big);
    raw = test_token("ES256", ec, header, GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A82: a kid of 64 KB");
    policy.max = 1024 * 1024;
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A82: even where it has room");
    policy.max = REG_JWT_MAX;
    free(raw);
    free(header);
    free(big);

    raw = test_token("ES256", ec, "{\"alg\":\"ES256\"}", GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID,
       "A82: no kid, with several keys");
    free(raw);
}


/* Two keys of one name, as while one takes the other's place. */

static void
test_same_kid(void)
{
    char        *raw;
    size_t       i;
    reg_buf_t    b, jwk;
    reg_why_t    why;
    EVP_PKEY    *two[3];
    reg_keys_t  *set;

    static const char  header[] = "{\"alg\":\"ES256\",\"kid\":\"two\"}";

    two[0] = ec;
    two[1] = mallory;
    two[2] = test_key("P-256");

    reg_buf_init(&b, 8192);
    reg_buf_str(&b, reg_str("{\"keys\":["));

    for (i = 0; i < 2; i++) {
        reg_buf_init(&jwk, 8192);
        (void) reg_key_print(&jwk, two[i], reg_str("two"), reg_str("ES256"));
        reg_buf_str(&b, (i == 0) ? reg_null_str : reg_str(","));
        reg_buf_str(&b, reg_buf_slice(&jwk));
        reg_buf_free(&jwk);
    }

    reg_buf_str(&b, reg_str("]}"));

    set = reg_keys_create();
    ok(reg_keys_add_jwks(set, reg_buf_slice(&b), NULL, NULL, &why) == 0,
       "two keys of one name");

    policy.keys = set;

    for (i = 0; i < 3; i++) {
        raw = test_token("ES256", two[i], header, GOOD);
        ok(verify(raw, NOW) == ((i < 2) ? REG_TOKEN_OK : REG_TOKEN_INVALID),
           "A82: a token of %s",
           (i == 0) ? "the first" : (i == 1) ? "the second" : "neither");
        free(raw);
    }

    policy.keys = keys;

    reg_keys_free(set);
    reg_buf_free(&b);
    EVP_PKEY_free(two[2]);
}


static void
test_one_key(void)
{
    char  *raw;

    policy.keys = single;

    raw = test_token("ES256", ec, "{\"alg\":\"ES256\"}", GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_OK, "A82: no kid, with one key");
    free(raw);

    raw = test_token("ES256", mallory, "{\"alg\":\"ES256\"}", GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A82: and another's signature");
    free(raw);

    raw = test_token("ES256", ec, "{\"alg\":\"ES256\",\"kid\":\"x\"}", GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A82: a kid that is not its");
    free(raw);

    policy.keys = keys;
}
