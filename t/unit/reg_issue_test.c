
#include "reg_issue.h"
#include "reg_json.h"
#include "reg_test.h"
#include "reg_test_alloc.h"
#include "reg_test_token.h"

#include "reg_issue.c"
#include "reg_signer.c"
#include "reg_str.c"

#include <openssl/err.h>


#define NOW  1700000000


static reg_keys_t          *keys;
static reg_token_policy_t   policy;
static const unsigned char  mark[REG_CREDENTIALS_KEY] = "0123456789abcdef";


static void test_access(reg_jws_e alg);
static void test_mark(void);
static void test_anonymous(void);
static void test_refresh(void);
static void test_apart(void);
static void test_reply(void);
static void test_rotate(void);
static void test_alloc(void);
static reg_signer_t *signer(reg_jws_e alg);
static reg_issue_t issue(const reg_scopes_t *scopes);


int
main(void)
{
    reg_test_alloc_init();

    keys = reg_keys_create();

    policy.keys = keys;
    policy.algs = REG_JWS_ALL;
    policy.issuer = reg_str("registry \"1\"");
    policy.service = reg_str("service");
    policy.leeway = 0;
    policy.max = REG_JWT_MAX;

    test_access(REG_JWS_ES256);
    test_access(REG_JWS_EDDSA);
    test_mark();
    test_anonymous();
    test_refresh();
    test_apart();
    test_reply();
    test_rotate();
    test_alloc();

    reg_keys_free(keys);

    ok(ERR_peek_error() == 0, "OpenSSL's queue of errors is empty");

    return done_testing();
}


static reg_signer_t *
signer(reg_jws_e alg)
{
    reg_why_t      why;
    reg_signer_t  *s;

    s = reg_signer_make(alg, &why);

    if (s == NULL || reg_signer_trust(s, keys, &why) != 0) {
        printf("Bail out! %s\n", why.text);
        exit(1);
    }

    return s;
}


static reg_issue_t
issue(const reg_scopes_t *scopes)
{
    reg_issue_t  i;

    i.issuer = reg_str("registry \"1\"");
    i.service = reg_str("service");
    i.user = reg_str("j\xc3\xbcrgen \"j\"");
    i.login = reg_null_str;
    i.now = NOW;
    i.lifetime = 300;
    i.scopes = scopes;
    i.mark = mark;

    return i;
}


static void
test_access(reg_jws_e alg)
{
    reg_buf_t      b, again;
    reg_issue_t    i;
    reg_token_t    t;
    const char    *why;
    reg_signer_t  *s;
    reg_scopes_t   scopes;

    s = signer(alg);

    scopes.n = 0;
    (void) reg_scopes_parse(&scopes, reg_str("repository:a/b:pull,push "
                                             "repository:c:* "
                                             "registry:catalog:*"));
    i = issue(&scopes);

    reg_buf_init(&b, 8192);
    ok(reg_issue_access(&b, s, &i) == 0, "a token");

    ok(reg_token_verify(&t, &policy, reg_buf_slice(&b), NOW, &why)
       == REG_TOKEN_OK, "is good");
    is(t.user, "j\xc3\xbcrgen \"j\"", "whose it is");
    is_num(t.expires, NOW + 300, "how long");
    ok(reg_uuid_valid(t.id), "it has an id of its own");
    is_num(reg_token_may(&t, reg_str("a/b")), REG_MAY_PULL|REG_MAY_PUSH,
           "what it allows");
    is_num(reg_token_may(&t, reg_str("c")), REG_MAY_REPOSITORY,
           "and elsewhere");
    is_num(reg_token_may(&t, reg_null_str), REG_MAY_LIST,
           "and of the catalogue");
    is_num(reg_token_may(&t, reg_str("b")), 0, "and nothing more");
    reg_token_free(&t);

    ok(reg_token_verify(&t, &policy, reg_buf_slice(&b), NOW + 299, &why)
       == REG_TOKEN_OK, "until its end");
    reg_token_free(&t);
    ok(reg_token_verify(&t, &policy, reg_buf_slice(&b), NOW + 300, &why)
       == REG_TOKEN_INVALID, "not after it");
    reg_token_free(&t);
    ok(reg_token_verify(&t, &policy, reg_buf_slice(&b), NOW - 1, &why)
       == REG_TOKEN_INVALID, "nor before it");
    reg_token_free(&t);

    reg_buf_init(&again, 8192);
    ok(reg_issue_access(&again, s, &i) == 0
       && !reg_str_eq(reg_buf_slice(&b), reg_buf_slice(&again)),
       "the next one is another");
    reg_buf_free(&again);

    i.lifetime = -1;
    ok(reg_issue_access(&again, s, &i) == -1, "no time to live");
    i.lifetime = INT64_MAX;
    ok(reg_issue_access(&again, s, &i) == -1, "too much of it");
    i.lifetime = 1;
    i.now = -1;
    ok(reg_issue_access(&again, s, &i) == -1, "before time");
    i.now = INT64_MAX;
    ok(reg_issue_access(&again, s, &i) == -1, "and after it");
    reg_buf_free(&again);

    reg_buf_free(&b);
    reg_signer_free(s);
}


/* An access token dies with the entry it was given for. */

static void
test_mark(void)
{
    reg_buf_t       b;
    reg_issue_t     i;
    reg_token_t     t;
    const char     *why;
    unsigned char   other[REG_CREDENTIALS_KEY];
    reg_signer_t   *s;
    reg_scopes_t    scopes;

    s = signer(REG_JWS_EDDSA);
    scopes.n = 0;
    i = issue(&scopes);

    reg_buf_init(&b, 8192);
    ok(reg_issue_access(&b, s, &i) == 0
       && reg_token_verify(&t, &policy, reg_buf_slice(&b), NOW, &why)
          == REG_TOKEN_OK, "a token");
    ok(reg_token_fits(&t, mark), "A77: the entry is as it was");
    is(reg_token_login(t.jwt.claims), "", "nothing is said of the login");

    memcpy(other, mark, sizeof(other));
    other[0] ^= 1;
    ok(!reg_token_fits(&t, other), "A77: the entry was changed");
    memset(other, 0, sizeof(other));
    ok(!reg_token_fits(&t, other), "A77: the user was removed");
    reg_token_free(&t);

    i.mark = other;
    i.login = reg_str("robot");
    reg_buf_reset(&b);
    ok(reg_issue_access(&b, s, &i) == 0
       && reg_token_verify(&t, &policy, reg_buf_slice(&b), NOW, &why)
          == REG_TOKEN_OK
       && !reg_token_fits(&t, other), "no entry is no mark");
    is(reg_token_login(t.jwt.claims), "robot", "the way of the login");
    reg_token_free(&t);

    i.user = reg_null_str;
    i.mark = NULL;
    reg_buf_reset(&b);
    ok(reg_issue_access(&b, s, &i) == 0
       && reg_token_verify(&t, &policy, reg_buf_slice(&b), NOW, &why)
          == REG_TOKEN_OK
       && json_object_get(t.jwt.claims, "mark") == NULL
       && !reg_token_fits(&t, mark), "nobody has no mark");
    reg_token_free(&t);

    reg_buf_free(&b);
    reg_signer_free(s);
}


static void
test_anonymous(void)
{
    reg_buf_t      b;
    reg_issue_t    i;
    reg_token_t    t;
    const char    *why;
    reg_signer_t  *s;
    reg_scopes_t   scopes;

    s = signer(REG_JWS_EDDSA);
    scopes.n = 0;
    (void) reg_scopes_parse(&scopes, reg_str("repository:public/a:pull"));

    i = issue(&scopes);
    i.user = reg_null_str;

    reg_buf_init(&b, 8192);
    ok(reg_issue_access(&b, s, &i) == 0
       && reg_token_verify(&t, &policy, reg_buf_slice(&b), NOW, &why)
          == REG_TOKEN_OK
       && t.user.len == 0
       && reg_token_may(&t, reg_str("public/a")) == REG_MAY_PULL,
       "a token for nobody");
    reg_token_free(&t);

    ok(reg_issue_refresh(&b, s, &i) == -1, "but no refresh token");

    reg_buf_free(&b);
    reg_signer_free(s);
}


static void
test_refresh(void)
{
    reg_buf_t       b;
    reg_issue_t     i;
    const char     *why;
    unsigned char   other[REG_CREDENTIALS_KEY];
    reg_signer_t   *s;
    reg_scopes_t    scopes;
    reg_refresh_t   t;

    s = signer(REG_JWS_ES256);
    scopes.n = 0;
    i = issue(&scopes);
    i.lifetime = 86400;

    reg_buf_init(&b, 8192);
    ok(reg_issue_refresh(&b, s, &i) == 0
       && reg_refresh_verify(&t, &policy, reg_buf_slice(&b), NOW, &why)
          == REG_TOKEN_OK, "a refresh token");
    is(t.user, "j\xc3\xbcrgen \"j\"", "whose it is");

    ok(reg_refresh_fits(&t, mark), "A77: the entry is as it was");

    memcpy(other, mark, sizeof(other));
    other[31] ^= 1;
    ok(!reg_refresh_fits(&t, other), "A77: the entry was changed");
    memset(other, 0, sizeof(other));
    ok(!reg_refresh_fits(&t, other), "A77: the user was removed");
    reg_refresh_free(&t);
    ok(!reg_refresh_fits(&t, mark), "nobody's token fits nobody");

    ok(reg_refresh_verify(&t, &policy, reg_buf_slice(&b), NOW + 86400, &why)
       == REG_TOKEN_INVALID, "expired");
    reg_refresh_free(&t);

    b.data[b.len - 3] = (b.data[b.len - 3] == 'A') ? 'B' : 'A';
    ok(reg_refresh_verify(&t, &policy, reg_buf_slice(&b), NOW, &why)
       == REG_TOKEN_INVALID && !reg_refresh_fits(&t, mark), "bent");
    reg_refresh_free(&t);

    /* a user who was not there when it was made: never worth anything */

    memset(other, 0, sizeof(other));
    i.mark = other;
    reg_buf_reset(&b);
    ok(reg_issue_refresh(&b, s, &i) == 0
       && reg_refresh_verify(&t, &policy, reg_buf_slice(&b), NOW, &why)
          == REG_TOKEN_OK
       && !reg_refresh_fits(&t, other), "no entry is no mark");
    reg_refresh_free(&t);

    reg_buf_free(&b);
    reg_signer_free(s);
}


/* Neither kind passes for the other, nor for another service's. */

static void
test_apart(void)
{
    reg_buf_t             access, refresh;
    reg_issue_t           i;
    reg_token_t           t;
    const char           *why;
    reg_signer_t         *s;
    reg_scopes_t          scopes;
    reg_refresh_t         r;
    reg_token_policy_t    other;

    s = signer(REG_JWS_ES256);
    scopes.n = 0;
    (void) reg_scopes_parse(&scopes, reg_str("repository:a:pull"));
    i = issue(&scopes);

    reg_buf_init(&access, 8192);
    reg_buf_init(&refresh, 8192);
    ok(reg_issue_access(&access, s, &i) == 0
       && reg_issue_refresh(&refresh, s, &i) == 0, "one of each");

    ok(reg_token_verify(&t, &policy, reg_buf_slice(&refresh), NOW, &why)
       == REG_TOKEN_INVALID, "a refresh token is no access token");
    reg_token_free(&t);
    ok(reg_refresh_verify(&r, &policy, reg_buf_slice(&access), NOW, &why)
       == REG_TOKEN_INVALID, "nor the other way round");
    reg_refresh_free(&r);

    other = policy;
    other.service = reg_str("refresh:service");
    ok(reg_token_verify(&t, &other, reg_buf_slice(&refresh), NOW, &why)
       == REG_TOKEN_INVALID, "not even where the service is so called");
    reg_token_free(&t);

    other.service = reg_str("other");
    ok(reg_token_verify(&t, &other, reg_buf_slice(&access), NOW, &why)
       == REG_TOKEN_INVALID, "nor at another service");
    reg_token_free(&t);
    ok(reg_refresh_verify(&r, &other, reg_buf_slice(&refresh), NOW, &why)
       == REG_TOKEN_INVALID, "nor a refresh token there");
    reg_refresh_free(&r);

    reg_buf_free(&access);
    reg_buf_free(&refresh);
    reg_signer_free(s);
}


static void
test_reply(void)
{
    reg_buf_t      b;
    reg_issue_t    i;
    reg_scopes_t   scopes;

    scopes.n = 0;
    (void) reg_scopes_parse(&scopes, reg_str("repository:a:push,pull "
                                             "repository:b:pull"));
    i = issue(&scopes);

    reg_buf_init(&b, 4096);
    ok(reg_issue_reply(&b, &i, reg_str("x.y.z"), reg_null_str) == 0,
       "a reply");
    is(reg_buf_slice(&b), "{\"token\":\"x.y.z\",\"access_token\":\"x.y.z\","
       "\"expires_in\":300,\"issued_at\":\"2023-11-14T22:13:20Z\","
       "\"scope\":\"repository:a:pull,push repository:b:pull\"}",
       "without a refresh token");

    reg_buf_reset(&b);
    scopes.n = 0;
    ok(reg_issue_reply(&b, &i, reg_str("x.y.z"), reg_str("r.s.t")) == 0,
       "a reply");
    is(reg_buf_slice(&b), "{\"token\":\"x.y.z\",\"access_token\":\"x.y.z\","
       "\"expires_in\":300,\"issued_at\":\"2023-11-14T22:13:20Z\","
       "\"scope\":\"\",\"refresh_token\":\"r.s.t\"}", "with one");

    reg_buf_free(&b);

    reg_buf_init(&b, 10);
    ok(reg_issue_reply(&b, &i, reg_str("x.y.z"), reg_null_str) == -1,
       "a buffer too small");
    reg_buf_free(&b);
}


/* The old key goes on verifying while the new one signs. */

static void
test_rotate(void)
{
    reg_buf_t             old, new;
    reg_why_t             bad;
    reg_issue_t           i;
    reg_token_t           t;
    const char           *why;
    reg_signer_t         *a, *b;
    reg_keys_t           *before, *both, *after;
    reg_scopes_t          scopes;
    reg_token_policy_t    p;

    a = signer(REG_JWS_ES256);
    b = signer(REG_JWS_ES256);
    scopes.n = 0;
    i = issue(&scopes);

    before = reg_keys_create();
    both = reg_keys_create();
    after = reg_keys_create();
    (void) reg_signer_trust(a, before, &bad);
    (void) reg_signer_trust(a, both, &bad);
    (void) reg_signer_trust(b, both, &bad);
    (void) reg_signer_trust(b, after, &bad);

    reg_buf_init(&old, 8192);
    reg_buf_init(&new, 8192);
    (void) reg_issue_access(&old, a, &i);
    (void) reg_issue_access(&new, b, &i);

    p = policy;
    p.keys = both;

    ok(reg_token_verify(&t, &p, reg_buf_slice(&old), NOW, &why)
       == REG_TOKEN_OK, "an old token");
    reg_token_free(&t);
    ok(reg_token_verify(&t, &p, reg_buf_slice(&new), NOW, &why)
       == REG_TOKEN_OK, "and a new one");
    reg_token_free(&t);

    p.keys = after;
    ok(reg_token_verify(&t, &p, reg_buf_slice(&old), NOW, &why)
       == REG_TOKEN_INVALID, "until the old key goes");
    reg_token_free(&t);

    p.keys = before;
    ok(reg_token_verify(&t, &p, reg_buf_slice(&new), NOW, &why)
       == REG_TOKEN_INVALID, "nobody knew the new one before");
    reg_token_free(&t);

    reg_buf_free(&old);
    reg_buf_free(&new);
    reg_keys_free(before);
    reg_keys_free(both);
    reg_keys_free(after);
    reg_signer_free(a);
    reg_signer_free(b);
}


static void
test_alloc(void)
{
    int            rc, hit;
    reg_buf_t      b;
    reg_why_t      why;
    reg_issue_t    i;
    unsigned long  n;
    reg_signer_t  *s;
    reg_scopes_t   scopes;

    reg_test_alloc_fail(1, 0);
    s = reg_signer_make(REG_JWS_EDDSA, &why);
    hit = reg_test_alloc_restore();
    ok(hit && s == NULL, "no memory for a signer: %s", why.text);

    s = signer(REG_JWS_EDDSA);
    scopes.n = 0;
    i = issue(&scopes);

    for (n = 1; ; n++) {
        reg_buf_init(&b, 8192);

        reg_test_alloc_fail(n, 0);
        rc = reg_issue_access(&b, s, &i);
        hit = reg_test_alloc_restore();

        ok((rc != 0) == hit, "allocation %lu fails", n);
        reg_buf_free(&b);

        if (!hit) {
            break;
        }
    }

    reg_signer_free(s);
}
