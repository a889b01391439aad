
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
static void test_alloc(void);


int
main(void)
{
    reg_test_alloc_init();
    setup();

    test_access();
    test_sub();
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
