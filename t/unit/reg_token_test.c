
#include "reg_token.h"
#include "reg_json.h"
#include "reg_test_alloc.h"
#include "reg_test_world.h"

#include "reg_base64.c"
#include "reg_jwt.c"
#include "reg_token.c"

#include <openssl/err.h>


static void test_access(void);
static void test_sub(void);
static void test_late(void);
static void test_mark(void);
static void test_seen(void);
static void test_alloc(void);


int
main(void)
{
    reg_test_alloc_init();
    setup();

    test_access();
    test_sub();
    test_late();
    test_mark();
    test_seen();
    test_alloc();

    teardown();

    ok(ERR_peek_error() == 0, "OpenSSL's queue of errors is empty");

    return done_testing();
}


#define ON(type, name, actions)                                               \
    "[{\"type\":\"" type "\",\"name\":\"" name "\",\"actions\":" actions "}]"


static void
test_access(void)
{
    char         *raw, *claims;
    size_t        i;
    unsigned      may;
    reg_token_t   t;
    const char   *why;

    static const struct {
        const char  *access;      /* NULL: absent */
        const char  *repository;  /* "": the catalogue */
        unsigned     may;
        const char  *name;
    } rows[] = {
        { ON("repository", "a/b", "[\"pull\"]"), "a/b", REG_MAY_PULL,
          "pull" },
        { ON("repository", "a/b", "[\"pull\",\"push\"]"), "a/b",
          REG_MAY_PULL|REG_MAY_PUSH, "pull and push" },
        { ON("repository", "a/b", "[\"*\"]"), "a/b", REG_MAY_REPOSITORY,
          "*" },
        { ON("repository", "a/b", "[\"delete\"]"), "a/b", REG_MAY_DELETE,
          "delete" },
        { ON("repository", "a/b", "[\"update\"]"), "a/b", REG_MAY_UPDATE,
          "update" },
        { "[{\"type\":\"repository\",\"class\":\"image\",\"name\":\"a/b\","
          "\"actions\":[\"pull\"]}]", "a/b", REG_MAY_PULL, "a class" },
        { "[{\"type\":\"repository\",\"name\":\"a/b\",\"actions\":[\"pull\"]},"
          "{\"type\":\"repository\",\"name\":\"a/b\",\"actions\":[\"push\"]}]",
          "a/b", REG_MAY_PULL|REG_MAY_PUSH, "two entries" },
        { "[5,null,[],{},{\"type\":\"repository\",\"name\":\"a/b\","
          "\"actions\":[\"pull\"]}]", "a/b", REG_MAY_PULL,
          "one good entry among bad ones" },

        { NULL, "a/b", 0, "no access" },
        { "[]", "a/b", 0, "an empty list" },
        { "{}", "a/b", 0, "not a list" },
        { "{\"type\":\"repository\",\"name\":\"a/b\",\"actions\":[\"*\"]}",
          "a/b", 0, "an entry, not a list" },
        { "\"repository:a/b:pull\"", "a/b", 0, "a string" },
        { "null", "a/b", 0, "null" },
        { "[\"repository:a/b:pull\"]", "a/b", 0, "a list of strings" },
        { ON("repository(plugin)", "a/b", "[\"pull\"]"), "a/b", 0,
          "type repository(plugin)" },
        { ON("Repository", "a/b", "[\"pull\"]"), "a/b", 0,
          "type Repository" },
        { ON("registry", "a/b", "[\"pull\"]"), "a/b", 0, "type registry" },
        { "[{\"name\":\"a/b\",\"actions\":[\"pull\"]}]", "a/b", 0,
          "no type" },
        { ON("repository", "a", "[\"*\"]"), "a/b", 0, "a used on a/b" },
        { ON("repository", "a/b", "[\"*\"]"), "a", 0, "a/b used on a" },
        { ON("repository", "a/b", "[\"*\"]"), "a/b/c", 0,
          "a/b used on a/b/c" },
        { ON("repository", "a*", "[\"*\"]"), "a/b", 0, "a*" },
        { ON("repository", "a/*", "[\"*\"]"), "a/b", 0, "a/*" },
        { ON("repository", "*", "[\"*\"]"), "a/b", 0, "*" },
        { ON("repository", "", "[\"*\"]"), "a/b", 0, "no name" },
        { ON("repository", "A/b", "[\"*\"]"), "a/b", 0, "A/b" },
        { ON("repository", "a/b ", "[\"*\"]"), "a/b", 0, "a/b and a blank" },
        { "[{\"type\":\"repository\",\"name\":[\"a/b\"],"
          "\"actions\":[\"pull\"]}]", "a/b", 0, "a list of names" },
        { ON("repository", "a/b", "\"pull\""), "a/b", 0, "actions a string" },
        { ON("repository", "a/b", "\"*\""), "a/b", 0, "actions a star" },
        { ON("repository", "a/b", "[\"PULL\"]"), "a/b", 0, "PULL" },
        { ON("repository", "a/b", "[\"pull,push\"]"), "a/b", 0,
          "actions in one string" },
        { ON("repository", "a/b", "[\"pull\",5]"), "a/b", 0,
          "an action that is a number" },
        { ON("repository", "a/b", "[]"), "a/b", 0, "no actions" },
        { ON("repository", "a/b", "{\"pull\":true}"), "a/b", 0,
          "actions an object" },
        { ON("repository", "a/b", "[\"list\"]"), "a/b", 0,
          "list on a repository" },

        { ON("registry", "catalog", "[\"*\"]"), "", REG_MAY_LIST,
          "the catalogue" },
        { ON("registry", "catalog", "[\"pull\"]"), "", 0,
          "the catalogue, to pull" },
        { ON("registry", "catalog", "[\"list\"]"), "", 0,
          "the catalogue, to list" },
        { ON("repository", "catalog", "[\"*\"]"), "", 0,
          "a repository named catalog" },
        { ON("registry", "catalog", "[\"*\"]"), "catalog", 0,
          "and the other way round" },
        { ON("repository", "", "[\"*\"]"), "", 0,
          "a repository without name is no catalogue" },
        { ON("registry", "", "[\"*\"]"), "", 0, "nor a registry" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        claims = test_text("{\"iss\":\"" ISSUER "\",\"aud\":\"" SERVICE "\","
                           "\"exp\":1700000300%s%s}",
                           (rows[i].access == NULL) ? "" : ",\"access\":",
                           (rows[i].access == NULL) ? "" : rows[i].access);
        raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
                         claims);

        if (ok(reg_token_verify(&t, &policy, reg_str_of(raw), NOW, &why)
               == REG_TOKEN_OK, "A85: %s: a good token", rows[i].name))
        {
            may = reg_token_may(&t, reg_str_of(rows[i].repository));
            ok(may == rows[i].may, "A85: %s: %x", rows[i].name, may);
        }

        reg_token_free(&t);
        free(raw);
        free(claims);
    }

    /* what is asked for, against a token to pull and push */

    raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", GOOD);
    (void) reg_token_verify(&t, &policy, reg_str_of(raw), NOW, &why);

    ok(reg_token_allows(&t, REG_MAY_PULL, reg_str("a/b")) == REG_TOKEN_OK
       && reg_token_allows(&t, REG_MAY_PULL|REG_MAY_PUSH, reg_str("a/b"))
          == REG_TOKEN_OK, "what it is for");
    ok(reg_token_allows(&t, REG_MAY_DELETE, reg_str("a/b"))
       == REG_TOKEN_INSUFFICIENT, "A85: push used to delete");
    ok(reg_token_allows(&t, REG_MAY_PUSH|REG_MAY_DELETE, reg_str("a/b"))
       == REG_TOKEN_INSUFFICIENT, "A85: both");
    ok(reg_token_allows(&t, REG_MAY_PULL, reg_str("a"))
       == REG_TOKEN_INSUFFICIENT, "A85: another repository");
    ok(reg_token_allows(&t, REG_MAY_PULL, reg_null_str)
       == REG_TOKEN_INSUFFICIENT, "A85: no repository");
    ok(reg_token_allows(&t, REG_MAY_LIST, reg_null_str)
       == REG_TOKEN_INSUFFICIENT, "A85: the catalogue");
    ok(reg_token_allows(&t, 0, reg_null_str) == REG_TOKEN_OK,
       "a login and nothing more");
    ok(reg_token_allows(&t, REG_MAY_UPDATE, reg_str("a/b"))
       == REG_TOKEN_INSUFFICIENT, "A69: push does not overwrite a tag");
    reg_token_free(&t);

    policy.push_updates = 1;
    (void) reg_token_verify(&t, &policy, reg_str_of(raw), NOW, &why);
    ok(reg_token_allows(&t, REG_MAY_UPDATE, reg_str("a/b")) == REG_TOKEN_OK,
       "A69: but a foreign issuer's does, where it is so configured");
    ok(reg_token_allows(&t, REG_MAY_DELETE, reg_str("a/b"))
       == REG_TOKEN_INSUFFICIENT, "A85: and no more than that");
    reg_token_free(&t);
    policy.push_updates = 0;

    free(raw);
}


#define ON(type, name, actions)                                               \
    "[{\"type\":\"" type "\",\"name\":\"" name "\",\"actions\":" actions "}]"


static void
test_sub(void)
{
    char         *raw, *claims;
    size_t        i;
    reg_token_t   t;
    reg_token_e   rc;
    const char   *why;

    static const struct {
        const char  *sub;
        const char  *user;        /* NULL: no token */
    } rows[] = {
        { ",\"sub\":\"ann\"",               "ann" },
        { ",\"sub\":\"j\xc3\xbcrgen\"",     "j\xc3\xbcrgen" },
        { ",\"sub\":\"\"",                  "" },
        { "",                               "" },
        { ",\"sub\":5",                     NULL },
        { ",\"sub\":null",                  NULL },
        { ",\"sub\":[\"ann\"]",             NULL },
        { ",\"sub\":\"a\\nb\"",             NULL },
        { ",\"sub\":\"a\\u001bb\"",         NULL },
        { ",\"sub\":\"a\\u0000b\"",         NULL },
        { ",\"jti\":5",                     NULL },
        { ",\"jti\":\"x\",\"sub\":\"ann\"", "ann" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        claims = test_text("{\"iss\":\"" ISSUER "\",\"aud\":\"" SERVICE "\","
                           "\"exp\":1700000300%s}", rows[i].sub);
        raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
                         claims);

        rc = reg_token_verify(&t, &policy, reg_str_of(raw), NOW, &why);

        ok((rc == REG_TOKEN_OK) == (rows[i].user != NULL), "the user of %s",
           rows[i].sub);
        is(t.user, (rows[i].user == NULL) ? "" : rows[i].user, "is");

        reg_token_free(&t);
        free(raw);
        free(claims);
    }

    claims = test_text("{\"iss\":\"" ISSUER "\",\"aud\":\"" SERVICE "\","
                       "\"exp\":1700000300,\"sub\":\"%0256d\"}", 0);
    raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
                     claims);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "a user of 256 bytes");
    free(raw);
    free(claims);
}


/* What has expired lately is known as such, and is good for little. */

static void
test_late(void)
{
    char         *raw;
    size_t        i;
    reg_token_t   t;
    reg_token_e   rc;
    const char   *why;

    /* GOOD is from NOW - 100 to NOW + 300, the leeway is 60 */

    static const struct {
        int64_t      grace;
        int64_t      now;
        reg_token_e  rc;
        unsigned     late;
    } rows[] = {
        { 0,    NOW,              REG_TOKEN_OK,      0 },
        { 0,    NOW + 359,        REG_TOKEN_OK,      0 },
        { 0,    NOW + 360,        REG_TOKEN_INVALID, 0 },
        { 3600, NOW,              REG_TOKEN_OK,      0 },
        { 3600, NOW + 359,        REG_TOKEN_OK,      0 },
        { 3600, NOW + 360,        REG_TOKEN_OK,      1 },
        { 3600, NOW + 360 + 3599, REG_TOKEN_OK,      1 },
        { 3600, NOW + 360 + 3600, REG_TOKEN_INVALID, 0 },
        { 3600, NOW - 160,        REG_TOKEN_OK,      0 },
        { 3600, NOW - 161,        REG_TOKEN_INVALID, 0 }
    };

    raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", GOOD);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy.grace = rows[i].grace;

        rc = reg_token_verify(&t, &policy, reg_str_of(raw), rows[i].now,
                              &why);

        ok(rc == rows[i].rc
           && (rc != REG_TOKEN_OK || t.late == rows[i].late),
           "A41: grace %d, %+d s: %s", (int) rows[i].grace,
           (int) (rows[i].now - NOW), (rc == REG_TOKEN_OK) ? "good" : why);

        reg_token_free(&t);
    }

    policy.grace = 0;
    free(raw);
}


static void
test_mark(void)
{
    char           *raw, *claims;
    size_t          i;
    reg_token_t     t;
    const char     *why;

    static const unsigned char  mark[REG_CREDENTIALS_KEY + 1] =
        "0123456789abcdef0123456789abcdef";

#define MARK  "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"

    static const struct {
        const char  *claims;
        int          fits;
    } rows[] = {
        { ",\"sub\":\"ann\",\"mark\":\"" MARK "\"",      1 },
        { ",\"sub\":\"ann\",\"mark\":\"" MARK "=\"",     0 },
        { ",\"sub\":\"ann\",\"mark\":\"" MARK "AAAA\"",  0 },
        { ",\"sub\":\"ann\",\"mark\":\"MDEyMzQ1\"",      0 },
        { ",\"sub\":\"ann\",\"mark\":\"\"",              0 },
        { ",\"sub\":\"ann\",\"mark\":5",                 0 },
        { ",\"sub\":\"ann\"",                            0 },
        { ",\"mark\":\"" MARK "\"",                      0 }
    };

#undef MARK

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        claims = test_text("{\"iss\":\"" ISSUER "\",\"aud\":\"" SERVICE "\","
                           "\"exp\":1700000300%s}", rows[i].claims);
        raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
                         claims);

        ok(reg_token_verify(&t, &policy, reg_str_of(raw), NOW, &why)
           == REG_TOKEN_OK
           && reg_token_fits(&t, mark) == rows[i].fits,
           "the mark of %s", rows[i].claims);

        reg_token_free(&t);
        free(raw);
        free(claims);
    }
}


/* What was right once is right without its key, and nothing else is. */

static void
test_seen(void)
{
    char                 *raw, *bent, *mine, *chain, *header, *x5c;
    reg_seen_t           *seen;
    reg_keys_t           *none;
    reg_token_t           t;
    const char           *why;
    unsigned char         digest[REG_SHA256_LEN], zero[REG_SHA256_LEN];
    reg_token_policy_t    without;

    seen = calloc(1, sizeof(reg_seen_t));
    none = reg_keys_create();

    raw = test_token("ES256", ec, "{\"alg\":\"ES256\",\"kid\":\"ec\"}", GOOD);
    mine = test_token("ES256", mallory, "{\"alg\":\"ES256\",\"kid\":\"ec\"}",
                      GOOD);

    policy.seen = seen;
    without = policy;
    without.keys = none;

    ok(reg_token_verify(&t, &without, reg_str_of(raw), NOW, &why)
       == REG_TOKEN_INVALID, "nobody has seen it");
    reg_token_free(&t);

    ok(reg_token_verify(&t, &policy, reg_str_of(mine), NOW, &why)
       == REG_TOKEN_INVALID, "a wrong signature");
    reg_token_free(&t);
    ok(reg_token_verify(&t, &policy, reg_str_of(mine), NOW, &why)
       == REG_TOKEN_INVALID, "is not remembered");
    reg_token_free(&t);

    ok(reg_token_verify(&t, &policy, reg_str_of(raw), NOW, &why)
       == REG_TOKEN_OK, "a right one");
    reg_token_free(&t);
    ok(reg_token_verify(&t, &without, reg_str_of(raw), NOW, &why)
       == REG_TOKEN_OK, "is");
    is(t.user, "ann", "with all its claims");
    reg_token_free(&t);

    ok(reg_token_verify(&t, &without, reg_str_of(raw), NOW + 360, &why)
       == REG_TOKEN_INVALID, "A83: and expires all the same");
    reg_token_free(&t);

    without.service = reg_str("another");
    ok(reg_token_verify(&t, &without, reg_str_of(raw), NOW, &why)
       == REG_TOKEN_INVALID, "A84: nor is it good elsewhere");
    reg_token_free(&t);
    without.service = policy.service;

    without.algs = reg_jws_bit(REG_JWS_EDDSA);
    ok(reg_token_verify(&t, &without, reg_str_of(raw), NOW, &why)
       == REG_TOKEN_INVALID, "nor by an algorithm that is not allowed");
    reg_token_free(&t);
    without.algs = policy.algs;

    bent = strdup(raw);
    bent[strlen(bent) / 2] ^= 1;
    ok(reg_token_verify(&t, &without, reg_str_of(bent), NOW, &why)
       == REG_TOKEN_INVALID, "one that differs by a bit is another");
    reg_token_free(&t);
    free(bent);

    /* chains are followed every time */

    x5c = test_x5c(root);
    header = test_text("{\"alg\":\"ES384\",\"x5c\":[\"%s\"]}", x5c);
    chain = test_token("ES384", root_key, header, GOOD);
    ok(reg_token_verify(&t, &policy, reg_str_of(chain), NOW, &why)
       == REG_TOKEN_OK, "a chain");
    reg_token_free(&t);
    ok(reg_token_verify(&t, &without, reg_str_of(chain), NOW, &why)
       == REG_TOKEN_INVALID, "is not remembered");
    reg_token_free(&t);
    free(x5c);
    free(header);
    free(chain);

    memset(digest, 1, sizeof(digest));
    ok(!reg_seen_has(seen, digest), "a slot that is free");
    reg_seen_add(seen, digest);
    ok(reg_seen_has(seen, digest), "is taken");
    digest[31] ^= 1;
    ok(!reg_seen_has(seen, digest), "by that digest alone");
    reg_seen_add(seen, digest);
    ok(reg_seen_has(seen, digest), "until the next one comes");
    memset(zero, 0xff, sizeof(zero));
    ok(!reg_seen_has(seen, zero), "the last slot");
    reg_seen_add(seen, zero);
    ok(reg_seen_has(seen, zero), "is one, too");

    policy.seen = NULL;
    free(raw);
    free(mine);
    free(seen);
    reg_keys_free(none);
}


/* Memory that runs out is not the client's fault, nor does it let him in. */

static void
test_alloc(void)
{
    int            hit;
    char          *raw;
    long           held;
    reg_token_t    t;
    reg_token_e    rc;
    const char    *why;
    unsigned long  n;

    raw = test_token("ES256", ec, "{\"alg\":\"ES256\",\"kid\":\"ec\"}", GOOD);
    held = reg_test_alloc_jansson;

    for (n = 1; ; n++) {
        reg_test_alloc_fail(n, 0);
        rc = reg_token_verify(&t, &policy, reg_str_of(raw), NOW, &why);
        hit = reg_test_alloc_restore();
        reg_token_free(&t);

        ok(rc == (hit ? REG_TOKEN_FAILED : REG_TOKEN_OK)
           && reg_test_alloc_jansson == held,
           "allocation %lu fails: %d", n, (int) rc);

        if (!hit) {
            break;
        }
    }

    ok(n > 20, "allocations were made to fail");
    free(raw);
}
