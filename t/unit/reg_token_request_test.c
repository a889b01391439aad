
#include "reg_token_request.h"
#include "reg_test.h"

#include <stdlib.h>


static void test_get(void);
static void test_post(void);
static void test_errors(void);
static const char *parse(reg_token_request_t *r, int post, reg_str_t text);

static char  *scratch;


int
main(void)
{
    test_get();
    test_post();
    test_errors();

    free(scratch);

    return done_testing();
}


static const char *
parse(reg_token_request_t *r, int post, reg_str_t text)
{
    free(scratch);
    scratch = malloc(text.len ? text.len : 1);

    return reg_token_request_parse(r, post, text, scratch);
}


/* What docker, podman and containerd send, and some who send less. */

static void
test_get(void)
{
    size_t               i;
    reg_buf_t            b;
    const char          *error;
    reg_token_request_t  r;

    static const struct {
        reg_str_t    query;
        const char  *service;
        const char  *account;
        int          offline;
        const char  *scopes;
    } rows[] = {
        { reg_str(""), "", "", 0, "" },
        { reg_str("service=r.example"), "r.example", "", 0, "" },
        { reg_str("account=ann&client_id=docker&offline_token=true&"
                  "service=r.example"), "r.example", "ann", 1, "" },
        { reg_str("account=ann&scope=repository%3Ateam%2Fapp%3Apush%2Cpull&"
                  "service=r.example"), "r.example", "ann", 0,
          "repository:team/app:pull,push" },
        { reg_str("scope=repository:a:pull&scope=repository:b:pull,push&"
                  "service=r"), "r", "", 0,
          "repository:a:pull repository:b:pull,push" },
        { reg_str("scope=repository:a:pull+repository:b:pull"), "", "", 0,
          "repository:a:pull repository:b:pull" },
        { reg_str("scope=repository%3Aa%3Apull%20repository%3Ab%3Apull"), "",
          "", 0, "repository:a:pull repository:b:pull" },
        { reg_str("scope=registry%3Acatalog%3A%2A"), "", "", 0,
          "registry:catalog:*" },
        { reg_str("scope="), "", "", 0, "" },
        { reg_str("scope"), "", "", 0, "" },
        { reg_str("foo=bar&foo=%zz&service=r"), "r", "", 0, "" },
        { reg_str("offline_token=false"), "", "", 0, "" },
        { reg_str("&&service=r&&"), "r", "", 0, "" },

        /* A87: no secret counts in a query, and is not even looked at */
        { reg_str("access_token=x.y.z&password=p&username=u&password=q&"
                  "refresh_token=r&grant_type=password&service=r"), "r", "",
          0, "" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);
        error = parse(&r, 0, rows[i].query);

        ok(error == NULL && r.grant == REG_GRANT_NONE
           && r.offline == rows[i].offline
           && r.user.len == 0 && r.password.len == 0 && r.refresh.len == 0,
           "A87: %s", rows[i].query.data);
        is(r.service, rows[i].service, "its service");
        is(r.account, rows[i].account, "its account");
        reg_scopes_print(&b, &r.scopes);
        is(reg_buf_slice(&b), rows[i].scopes, "its scopes");

        reg_buf_free(&b);
    }
}


static void
test_post(void)
{
    reg_buf_t            b;
    reg_token_request_t  r;

    reg_buf_init(&b, 4096);

    ok(parse(&r, 1, reg_str("grant_type=password&username=j%C3%BCrgen&"
                            "password=a%26b%2Bc+d&service=hub&"
                            "client_id=dockerengine&access_type=offline"))
       == NULL && r.grant == REG_GRANT_PASSWORD && r.offline,
       "a login");
    is(r.user, "j\xc3\xbcrgen", "its user");
    is(r.password, "a&b+c d", "its password");
    is(r.client, "dockerengine", "its client");

    ok(parse(&r, 1, reg_str("grant_type=refresh_token&refresh_token=x.y-z_1&"
                            "service=hub&client_id=d&scope=repository%3Aa%3A"
                            "pull%2Cpush+repository%3Ab%3Apull"))
       == NULL && r.grant == REG_GRANT_REFRESH && !r.offline, "a renewal");
    is(r.refresh, "x.y-z_1", "its token");
    reg_scopes_print(&b, &r.scopes);
    is(reg_buf_slice(&b), "repository:a:pull,push repository:b:pull",
       "its scopes");

    ok(parse(&r, 1, reg_str("grant_type=refresh_token&refresh_token=x&"
                            "offline_token=true&account=ann&account=bob"))
       == NULL && !r.offline && r.account.len == 0,
       "what belongs to a query is nothing in a form");

    reg_buf_free(&b);
}


static void
test_errors(void)
{
    size_t                i;
    reg_buf_t             b;
    reg_str_t             s;
    const char           *error;
    reg_token_request_t   r;

    static const struct {
        int          post;
        reg_str_t    text;
        const char  *error;
    } rows[] = {
        { 0, reg_str("service=a&service=b"), "invalid_request" },
        { 0, reg_str("service=%zz"), "invalid_request" },
        { 0, reg_str("scope=%2"), "invalid_request" },
        { 1, reg_str(""), "invalid_request" },
        { 1, reg_str("grant_type="), "invalid_request" },
        { 1, reg_str("grant_type=authorization_code&code=x"),
          "unsupported_grant_type" },
        { 1, reg_str("grant_type=PASSWORD"), "unsupported_grant_type" },
        { 1, reg_str("grant_type=password"), "invalid_request" },
        { 1, reg_str("grant_type=password&username=a"), "invalid_request" },
        { 1, reg_str("grant_type=password&username=a&password="),
          "invalid_request" },
        { 1, reg_str("grant_type=password&username=&password=b"),
          "invalid_request" },
        { 1, reg_str("grant_type=refresh_token"), "invalid_request" },
        { 1, reg_str("grant_type=password&grant_type=refresh_token&"
                     "username=a&password=b"), "invalid_request" },
        { 1, reg_str("grant_type=password&username=a&username=b&password=c"),
          "invalid_request" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        error = parse(&r, rows[i].post, rows[i].text);

        ok(error != NULL && strcmp(error, rows[i].error) == 0, "\"%s\": %s",
           rows[i].text.data, (error == NULL) ? "none" : error);
    }

    reg_buf_init(&b, REG_TOKEN_REQUEST_MAX + 16);

    for (i = 0; i <= REG_SCOPES_MAX; i++) {
        reg_buf_printf(&b, "&scope=repository:r%zu:pull", i);
    }

    error = parse(&r, 0, reg_buf_slice(&b));
    ok(error != NULL && strcmp(error, "invalid_scope") == 0,
       "too many scopes");

    reg_buf_reset(&b);

    while (b.len <= REG_TOKEN_REQUEST_MAX) {
        reg_buf_str(&b, reg_str("&"));
    }

    error = parse(&r, 0, reg_buf_slice(&b));
    ok(error != NULL && strcmp(error, "invalid_request") == 0, "too long");

    s = reg_buf_slice(&b);
    s.len--;
    ok(parse(&r, 0, s) == NULL, "a byte less");

    reg_buf_free(&b);
}
