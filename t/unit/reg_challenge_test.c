
#include "reg_challenge.h"
#include "reg_test.h"

#include <stdlib.h>


static void test_basic(void);
static void test_bearer(void);
static void test_realm(void);
static void test_host(void);
static void test_make(void);


int
main(void)
{
    test_basic();
    test_bearer();
    test_realm();
    test_host();
    test_make();

    return done_testing();
}


static void
test_basic(void)
{
    int        rc;
    size_t     i;
    reg_buf_t  b;

    static const struct {
        reg_str_t    realm;
        const char  *header;      /* NULL: it cannot be sent */
    } rows[] = {
        { reg_str("Registry"),       "Basic realm=\"Registry\"" },
        { reg_str(""),               "Basic realm=\"\"" },
        { reg_str("a \"b\" \\c"),    "Basic realm=\"a \\\"b\\\" \\\\c\"" },
        { reg_str("a, Bearer x=\"y\""),
          "Basic realm=\"a, Bearer x=\\\"y\\\"\"" },
        { reg_str("caf\xc3\xa9"),    "Basic realm=\"caf\xc3\xa9\"" },
        { reg_str("a\r\nX: y"),      NULL },
        { reg_str("a\nb"),           NULL },
        { reg_str("a\tb"),           NULL },
        { reg_str("a\0b"),           NULL },
        { reg_str("a\x7f" "b"),      NULL }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 1024);
        rc = reg_challenge_basic(&b, rows[i].realm);

        if (rows[i].header == NULL) {
            ok(rc == -1, "A88: a realm that cannot be sent, row %zu", i);

        } else {
            is_num(rc, 0, "A88: a realm");
            is(reg_buf_slice(&b), rows[i].header, "A88: and its challenge");
        }

        reg_buf_free(&b);
    }
}


static void
test_bearer(void)
{
    reg_buf_t     b;
    reg_scopes_t  scopes;

    static const reg_str_t  realm = { 29, "https://r.example:5000/v2/tok" };

    reg_buf_init(&b, 1024);
    scopes.n = 0;

    ok(reg_challenge_bearer(&b, realm, reg_str("r.example"), NULL,
                            REG_TOKEN_OK) == 0, "without scope");
    is(reg_buf_slice(&b), "Bearer realm=\"https://r.example:5000/v2/tok\","
       "service=\"r.example\"", "a challenge");

    reg_buf_reset(&b);
    ok(reg_challenge_bearer(&b, realm, reg_str("r.example"), &scopes,
                            REG_TOKEN_INVALID) == 0, "with an empty one");
    is(reg_buf_slice(&b), "Bearer realm=\"https://r.example:5000/v2/tok\","
       "service=\"r.example\",error=\"invalid_token\"", "a challenge");

    reg_buf_reset(&b);
    reg_scopes_needed(&scopes, REG_MAY_PUSH, reg_str("a/b"));
    ok(reg_challenge_bearer(&b, realm, reg_str("r.example"), &scopes,
                            REG_TOKEN_INSUFFICIENT) == 0, "with a scope");
    is(reg_buf_slice(&b), "Bearer realm=\"https://r.example:5000/v2/tok\","
       "service=\"r.example\",scope=\"repository:a/b:pull,push\","
       "error=\"insufficient_scope\"", "A85: a challenge");

    (void) reg_scopes_add(&scopes, reg_str("c"), REG_MAY_PULL);
    reg_buf_reset(&b);
    ok(reg_challenge_bearer(&b, realm, reg_str("a \"b\", c=\\"), &scopes,
                            REG_TOKEN_OK) == 0, "a strange service");
    is(reg_buf_slice(&b), "Bearer realm=\"https://r.example:5000/v2/tok\","
       "service=\"a \\\"b\\\", c=\\\\\","
       "scope=\"repository:a/b:pull,push repository:c:pull\"",
       "A88: is quoted");

    reg_buf_reset(&b);
    ok(reg_challenge_bearer(&b, realm, reg_str("a\r\nSet-Cookie: x"), NULL,
                            REG_TOKEN_OK) == -1, "A88: a service with CRLF");
    reg_buf_reset(&b);
    ok(reg_challenge_bearer(&b, reg_str("/token"), reg_str("a"), NULL,
                            REG_TOKEN_OK) == -1, "A88: a relative realm");

    reg_buf_free(&b);
}


static void
test_realm(void)
{
    size_t  i;

    static const struct {
        reg_str_t  realm;
        int        valid;
    } rows[] = {
        { reg_str("https://a"),                     1 },
        { reg_str("http://a/"),                     1 },
        { reg_str("https://auth.example:8443/t?a=b&c=d,e"), 1 },
        { reg_str("https://[::1]:5000/token"),      1 },
        { reg_str(""),                              0 },
        { reg_null_str,                             0 },
        { reg_str("/token"),                        0 },
        { reg_str("//a/token"),                     0 },
        { reg_str("a/token"),                       0 },
        { reg_str("https://"),                      0 },
        { reg_str("https:///token"),                0 },
        { reg_str("HTTPS://a"),                     0 },
        { reg_str("ftp://a"),                       0 },
        { reg_str("javascript:alert(1)"),           0 },
        { reg_str("https://a b/"),                  0 },
        { reg_str("https://a/b c"),                 0 },
        { reg_str("https://a/\"b"),                 0 },
        { reg_str("https://a/\\b"),                 0 },
        { reg_str("https://a/\r\nX: y"),            0 },
        { reg_str("https://a/\xc3\xa9"),            0 },
        { reg_str("https://user@a/"),               0 },
        { reg_str("https://a:0/"),                  0 },
        { reg_str("https://a?b"),                   0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(reg_challenge_realm_valid(rows[i].realm) == rows[i].valid,
           "A88: realm %.*s", (int) rows[i].realm.len, rows[i].realm.data);
    }
}


static void
test_host(void)
{
    char       text[300];
    size_t     i;
    reg_str_t  s;

    static const struct {
        reg_str_t  host;
        int        valid;
    } rows[] = {
        { reg_str("a"),                        1 },
        { reg_str("registry.example"),         1 },
        { reg_str("registry.example:5000"),    1 },
        { reg_str("my_registry:5000"),         1 },
        { reg_str("127.0.0.1:65535"),          1 },
        { reg_str("[::1]"),                    1 },
        { reg_str("[2001:db8::1]:443"),        1 },
        { reg_str(""),                         0 },
        { reg_null_str,                        0 },
        { reg_str(":5000"),                    0 },
        { reg_str("a:"),                       0 },
        { reg_str("a:0"),                      0 },
        { reg_str("a:65536"),                  0 },
        { reg_str("a:000080"),                 0 },
        { reg_str("a:5x"),                     0 },
        { reg_str("a:b:c"),                    0 },
        { reg_str("a/b"),                      0 },
        { reg_str("a\"b"),                     0 },
        { reg_str("a,b"),                      0 },
        { reg_str("a b"),                      0 },
        { reg_str("a\r\nX"),                   0 },
        { reg_str("a@b"),                      0 },
        { reg_str("a?b"),                      0 },
        { reg_str("a#b"),                      0 },
        { reg_str("a\\b"),                     0 },
        { reg_str("a%41"),                     0 },
        { reg_str("a\0b"),                     0 },
        { reg_str("\xc3\xa9"),                 0 },
        { reg_str("[]"),                       0 },
        { reg_str("[:"),                       0 },
        { reg_str("[::1"),                     0 },
        { reg_str("[::1]x"),                   0 },
        { reg_str("[::1]:"),                   0 },
        { reg_str("[::g]"),                    0 },
        { reg_str("[fe80::1%25eth0]"),         0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(reg_challenge_host_valid(rows[i].host) == rows[i].valid,
           "A88: host %.*s", (int) rows[i].host.len, rows[i].host.data);
    }

    memset(text, 'a', sizeof(text));
    s.data = text;
    s.len = REG_CHALLENGE_HOST_MAX;
    ok(reg_challenge_host_valid(s), "a long host");
    s.len++;
    ok(!reg_challenge_host_valid(s), "too long a host");
}


static void
test_make(void)
{
    int        rc;
    size_t     i;
    reg_buf_t  b;

    static const struct {
        const char  *scheme;
        const char  *host;
        const char  *path;
        const char  *realm;
    } rows[] = {
        { "https", "a.example",      "/v2/token",
          "https://a.example/v2/token" },
        { "http",  "localhost:5000", "/token",
          "http://localhost:5000/token" },
        { "ftp",   "a",              "/token",    NULL },
        { "https", "a\"b",           "/token",    NULL },
        { "https", "a",              "token",     NULL },
        { "https", "a",              "/to ken",   NULL },
        { "https", "a",              "/to\"ken",  NULL },
        { "https", "",               "/token",    NULL }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 1024);

        rc = reg_challenge_realm(&b, reg_str_of(rows[i].scheme),
                                 reg_str_of(rows[i].host),
                                 reg_str_of(rows[i].path));

        if (rows[i].realm == NULL) {
            ok(rc == -1, "A88: no realm of %s %s %s", rows[i].scheme,
               rows[i].host, rows[i].path);

        } else {
            is(reg_buf_slice(&b), rows[i].realm, "a realm");
            ok(rc == 0 && reg_challenge_realm_valid(reg_buf_slice(&b)),
               "that is one");
        }

        reg_buf_free(&b);
    }
}
