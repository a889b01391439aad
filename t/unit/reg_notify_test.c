
#include "reg_test_alloc.h"
#include "reg_notify.h"

#include "reg_str.c"
#include "reg_pattern.c"
#include "reg_glob.c"
#include "reg_regex.c"
#include "reg_notify.c"
#include "reg_notify_filter.c"

#include <openssl/evp.h>
#include <openssl/hmac.h>


static void test_parse(void);
static void test_match(void);
static void test_many(void);
static void test_headers(void);
static void test_urls(void);
static void test_secret(void);
static void test_batch(void);
static void test_batch_size(void);
static void test_sign(void);
static void test_wait(void);
static void test_alloc(void);


int
main(void)
{
    reg_test_alloc_init();

    test_parse();
    test_match();
    test_many();
    test_headers();
    test_urls();
    test_secret();
    test_batch();
    test_batch_size();
    test_sign();
    test_wait();
    test_alloc();

    return done_testing();
}


/* --- filters ------------------------------------------------------------- */

static void
test_parse(void)
{
    int                   rc;
    size_t                i;
    reg_why_t             why;
    reg_notify_filter_t   f;

    static const struct {
        char         kind;
        const char  *value;
        const char  *why;        /* NULL: fine */
    } rows[] = {
        { 'a', "push", NULL },
        { 'a', "push,pull,mount,delete", NULL },
        { 'a', "push,push", NULL },
        { 'a', "", "there is nothing between two commas, or nothing at all" },
        { 'a', "push,", "there is nothing between two commas, or nothing at "
                        "all" },
        { 'a', ",push", "there is nothing between two commas, or nothing at "
                        "all" },
        { 'a', "Push", "\"Push\" is none of push, pull, mount and delete" },
        { 'a', "push pull", "\"push pull\" is none of push, pull, mount and "
                            "delete" },
        { 'r', "team/**", NULL },
        { 'r', "team/**,lib/*", NULL },
        { 'r', "~^(a|b){1,2}$", NULL },
        { 'r', "", "there is nothing between two commas, or nothing at all" },
        { 'r', "Team", "\"Team\" can be no part of a repository's name" },
        { 'r', "$user/**", "\"$user/**\" has a $user, which nobody is here" },
        { 'r', "a,${user}x", "\"${user}x\" has a $user, which nobody is "
                             "here" },
        { 'r', "~$user", "\"~$user\" has a $user, which nobody is here" },
        { 't', "application/vnd.oci.image.*", NULL },
        { 't', "*", NULL },
        { 't', "a/b,c/d", NULL },
        { 't', "", "there is nothing between two commas, or nothing at all" },
        { 't', "a b", "\"a b\" fits no media type" },
        { 't', "a\xc3\xa4", "\"a??\" fits no media type" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(&f, 0, sizeof(f));
        why.text[0] = '\0';

        switch (rows[i].kind) {

        case 'a':
            rc = reg_notify_filter_actions(&f, reg_str_of(rows[i].value),
                                           &why);
            break;

        case 'r':
            rc = reg_notify_filter_repositories(&f, reg_str_of(rows[i].value),
                                                &why);
            break;

        default:
            rc = reg_notify_filter_types(&f, reg_str_of(rows[i].value), &why);
        }

        is_num(rc, (rows[i].why == NULL) ? 0 : -1, rows[i].value);
        is(reg_str_of(why.text), (rows[i].why == NULL) ? "" : rows[i].why,
           "what is said");

        reg_notify_filter_free(&f);
    }
}


static void
test_match(void)
{
    char                  name[REG_NAME_MAX];
    size_t                i;
    reg_event_t           ev;
    reg_notify_filter_t   f;

    static const struct {
        const char  *actions;
        const char  *repositories;
        const char  *types;
        const char  *event;          /* action repository type */
        int          match;
    } rows[] = {
        { "push", NULL, NULL, "push a t/t", 1 },
        { "push", NULL, NULL, "pull a t/t", 0 },
        { "push,delete", NULL, NULL, "delete a -", 1 },
        { NULL, NULL, NULL, "push a t/t", 0 },
        { "push", "team/**", NULL, "push team/a/b t/t", 1 },
        { "push", "team/**", NULL, "push team t/t", 0 },
        { "push", "team/**", NULL, "push other/a t/t", 0 },
        { "push", "a,b", NULL, "push b t/t", 1 },
        { "push", "~(a|b){1,2}", NULL, "push ab t/t", 1 },
        { "push", "~(a|b){1,2}", NULL, "push abb t/t", 0 },
        { "push", NULL, "t/t", "push a t/t", 1 },
        { "push", NULL, "t/t", "push a T/t", 1 },
        { "push", NULL, "T/T", "push a t/t", 1 },
        { "push", NULL, "t/t", "push a t/tt", 0 },
        { "push", NULL, "t/t", "push a t/", 0 },
        { "push", NULL, "t/*", "push a t/", 1 },
        { "push", NULL, "t/*,u/*", "push a u/x", 1 },
        { "push", NULL, "*", "push a x", 1 },
        { "push", NULL, "**", "push a x", 1 },
        { "push", NULL, "*a*a*b", "push a aaaaab", 1 },
        { "push", NULL, "*a*a*b", "push a aaaaabc", 0 },
        { "push", NULL, "a*", "push a ba", 0 },
        { "delete", NULL, "t/t", "delete a -", 1 },
        { "push", "a", "t/*", "push a t/t", 1 },
        { "push", "b", "t/*", "push a t/t", 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char  text[100], *rest, *word;

        memset(&f, 0, sizeof(f));
        memset(&ev, 0, sizeof(ev));

        if (rows[i].actions != NULL) {
            (void) reg_notify_filter_actions(&f, reg_str_of(rows[i].actions),
                                             NULL);
        }

        if (rows[i].repositories != NULL) {
            (void) reg_notify_filter_repositories(&f,
                       reg_str_of(rows[i].repositories), NULL);
        }

        if (rows[i].types != NULL) {
            (void) reg_notify_filter_types(&f, reg_str_of(rows[i].types),
                                           NULL);
        }

        (void) snprintf(text, sizeof(text), "%s", rows[i].event);

        word = strtok_r(text, " ", &rest);
        ev.action = reg_event_action_find(reg_str_of(word));
        ev.repository = reg_str_of(strtok_r(NULL, " ", &rest));
        ev.media_type = reg_str_of(strtok_r(NULL, " ", &rest));

        if (reg_str_eq(ev.media_type, reg_str("-"))) {
            ev.media_type = reg_null_str;
        }

        is_num(reg_notify_filter_match(&f, &ev), rows[i].match,
               rows[i].event);

        reg_notify_filter_free(&f);
    }

    /* an expression that gives up: an event too many is better than none */

    memset(name, 'a', sizeof(name));
    memset(&f, 0, sizeof(f));
    memset(&ev, 0, sizeof(ev));

    f.actions = ev.action = REG_EVENT_PUSH;
    ev.repository.data = name;
    ev.repository.len = sizeof(name);

    (void) reg_notify_filter_repositories(&f, reg_str("~(a+)+[bc]"), NULL);
    is_num(reg_notify_filter_match(&f, &ev), 1, "nobody can say whether");
    reg_notify_filter_free(&f);
}


static void
test_many(void)
{
    size_t                i;
    reg_why_t             why;
    reg_notify_filter_t   f;

    memset(&f, 0, sizeof(f));

    for (i = 0; i < REG_NOTIFY_FILTERS; i++) {
        (void) reg_notify_filter_repositories(&f, reg_str("a"), NULL);
        (void) reg_notify_filter_types(&f, reg_str("a"), NULL);
    }

    is_num(reg_notify_filter_repositories(&f, reg_str("a"), &why), -1,
           "one pattern too many");
    is(reg_str_of(why.text), "there are more than 64 patterns", "so is said");
    is_num(reg_notify_filter_types(&f, reg_str("a"), &why), -1,
           "one media type too many");

    reg_notify_filter_free(&f);
    is_num((long long) (f.npatterns + f.ntypes), 0, "all are freed");
}


/* --- parameters ---------------------------------------------------------- */

static void
test_headers(void)
{
    size_t     i;
    reg_why_t  why;
    reg_str_t  name, value;

    static const struct {
        const char  *line;
        const char  *name;       /* NULL: refused */
        const char  *value;
    } rows[] = {
        { "Authorization: Bearer x", "Authorization", "Bearer x" },
        { "X-A:b", "X-A", "b" },
        { "X-A:  b \t", "X-A", "b" },
        { "X-A: b:c", "X-A", "b:c" },
        { "x!#$%&'*+-.^_`|~9: \xc3\xa4", "x!#$%&'*+-.^_`|~9", "\xc3\xa4" },
        { "", NULL, NULL },
        { "Authorization", NULL, NULL },
        { ": x", NULL, NULL },
        { "A B: x", NULL, NULL },
        { "A : x", NULL, NULL },
        { "A\xc3: x", NULL, NULL },
        { "A: b\r\nC: d", NULL, NULL },
        { "A: \x01", NULL, NULL },
        { "A: b\x7f", NULL, NULL },
        { "A:", NULL, NULL },
        { "A: \t ", NULL, NULL },
        { "content-type: text/plain", NULL, NULL },
        { "Content-Length: 5", NULL, NULL },
        { "TRANSFER-ENCODING: chunked", NULL, NULL },
        { "Expect: 100-continue", NULL, NULL },
        { "Connection: close", NULL, NULL },
        { "x-registry-signature-256: sha256=00", NULL, NULL },
        { "X-Registry-Delivery: 1", NULL, NULL },
        { "X-Registry: mine", "X-Registry", "mine" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_num(reg_notify_header(reg_str_of(rows[i].line), &name, &value,
                                 &why),
               (rows[i].name == NULL) ? -1 : 0, rows[i].line);

        if (rows[i].name != NULL) {
            is(name, rows[i].name, "its name");
            is(value, rows[i].value, "its value");
        }
    }

    (void) reg_notify_header(reg_str("A: secret\x01"), &name, &value, &why);
    ok(strstr(why.text, "secret") == NULL, "no value is quoted");
    (void) reg_notify_header(reg_str("secret"), &name, &value, &why);
    ok(strstr(why.text, "secret") == NULL, "nor what has no colon");
}


static void
test_urls(void)
{
    size_t      i;
    reg_buf_t   b;
    reg_why_t   why;

    static const struct {
        const char  *url;
        int          valid;
        const char  *shown;
    } rows[] = {
        { "https://ci.example/hooks", 1, "https://ci.example/..." },
        { "http://127.0.0.1:8080", 1, "http://127.0.0.1:8080" },
        { "HTTP://h/", 1, "HTTP://h/..." },
        { "http://h?token=x", 1, "http://h/..." },
        { "https://u:p@h:1/x", 1, "https://h:1/..." },
        { "https://u@x:p@h", 1, "https://h" },
        { "https://h/a@b", 1, "https://h/..." },
        { "https://[::1]:5/", 1, "https://[::1]:5/..." },
        { "https://[::1]/", 1, "https://[::1]/..." },
        { "http://h:65535", 1, "http://h:65535" },
        { "http://h:/x", 1, "http://h:/..." },
        { "http://h:65536/", 0, "http://h:65536/..." },
        { "http://h:0/", 0, "http://h:0/..." },
        { "http://h:80a/", 0, "http://h:80a/..." },
        { "https://[::1]:x/", 0, "https://[::1]:x/..." },
        { "https://u:p/w@h/x", 0, "https://u:p/..." },
        { "https://u:p?w@h/x", 0, "https://u:p/..." },
        { "", 0, "" },
        { "h/x", 0, "" },
        { "ftp://h/x", 0, "" },
        { "file:///etc/passwd", 0, "" },
        { "http://", 0, "http://" },
        { "http:///x", 0, "http:///..." },
        { "http://:80/", 0, "http://:80/..." },
        { "http://u:p@/x", 0, "http:///..." },
        { "http://h/a b", 0, "http://h/..." },
        { "http://h/\x01", 0, "http://h/..." },
        { "http://h/\xc3\xa4", 0, "http://h/..." },
        { "http://h/#f", 0, "http://h/..." }
    };

    reg_buf_init(&b, 4096);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_num(reg_notify_url(reg_str_of(rows[i].url), &why),
               rows[i].valid ? 0 : -1, rows[i].url);

        reg_buf_reset(&b);
        reg_notify_url_shown(&b, reg_str_of(rows[i].url));
        is(reg_buf_slice(&b), rows[i].shown, "as it is shown");
    }

    reg_buf_reset(&b);
    reg_buf_str(&b, reg_str("http://h/"));

    while (b.len <= REG_NOTIFY_URL_MAX) {
        reg_buf_str(&b, reg_str("x"));
    }

    is_num(reg_notify_url(reg_buf_slice(&b), &why), -1, "too long");
    reg_buf_free(&b);
}


static void
test_secret(void)
{
    size_t     i;
    reg_str_t  secret;
    reg_why_t  why;

    static const struct {
        const char  *text;
        const char  *secret;     /* NULL: refused */
    } rows[] = {
        { "abc", "abc" }, { "abc\n", "abc" }, { "abc\r\n", "abc" },
        { "abc\ndef\n", "abc" }, { " a b ", " a b " }, { "", NULL },
        { "\n", NULL }, { "\r\nabc", NULL }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_num(reg_notify_secret(reg_str_of(rows[i].text), &secret, &why),
               (rows[i].secret == NULL) ? -1 : 0, "a secret");

        if (rows[i].secret != NULL) {
            is(secret, rows[i].secret, "the first line");
        }
    }
}


/* --- one POST ------------------------------------------------------------ */

static void
test_batch(void)
{
    reg_event_t          ev;
    reg_notify_batch_t   b;

    memset(&b, 0, sizeof(b));
    memset(&ev, 0, sizeof(ev));

    ev.action = REG_EVENT_PUSH;

    reg_notify_batch_begin(&b, REG_NOTIFY_DISTRIBUTION, 2);
    is_num(reg_notify_batch_add(&b, 7, reg_str("{\"a\":1}"), NULL), 1, "one");
    is_num(reg_notify_batch_add(&b, 9, reg_str("{}"), NULL), 1, "two");
    is_num(reg_notify_batch_add(&b, 10, reg_str("{}"), NULL), 0,
           "there is no room for a third");
    is_num(reg_notify_batch_end(&b, 0), 0, "the end");
    is(reg_buf_slice(&b.body), "{\"events\":[{\"a\":1},\n{}]}", "an envelope");
    ok(b.n == 2 && b.first == 7 && b.last == 9, "its numbers");
    is(reg_str_of(reg_notify_type(b.format)),
       "application/vnd.docker.distribution.events.v2+json", "its type");

    reg_notify_batch_begin(&b, REG_NOTIFY_FEED, 10);
    is_num(reg_notify_batch_end(&b, 1234), 0, "no events");
    is(reg_buf_slice(&b.body), "{\"events\":[],\"next\":\"1234\"}", "a feed");
    ok(b.n == 0 && b.first == 0 && b.last == 0, "its numbers");
    is(reg_str_of(reg_notify_type(b.format)), "application/json", "its type");

    reg_notify_batch_begin(&b, REG_NOTIFY_CLOUDEVENTS, 10);
    is_num(reg_notify_batch_add(&b, 1, reg_str("{}"), &ev), 1, "a CloudEvent");
    is_num(reg_notify_batch_add(&b, 2, reg_str("{}"), &ev), 1, "another");
    is_num(reg_notify_batch_end(&b, 0), 0, "the end");
    ok(reg_str_starts(reg_buf_slice(&b.body),
                      reg_str("[{\"specversion\":\"1.0\","))
       && reg_str_ends(reg_buf_slice(&b.body), reg_str(",\"data\":{}}]")),
       "a batch of them");
    is(reg_str_of(reg_notify_type(b.format)),
       "application/cloudevents-batch+json", "its type");

    reg_buf_free(&b.body);
}


/* Bytes, not events, end it. */

static void
test_batch_size(void)
{
    int                  rc;
    char                *big;
    size_t               n;
    reg_str_t            s;
    reg_notify_batch_t   b;

    big = malloc(REG_EVENT_MAX);
    memset(big, 'x', REG_EVENT_MAX);

    s.data = big;
    s.len = REG_EVENT_MAX;

    memset(&b, 0, sizeof(b));
    reg_notify_batch_begin(&b, REG_NOTIFY_DISTRIBUTION, REG_NOTIFY_BATCH_MAX);

    for (n = 0; (rc = reg_notify_batch_add(&b, n + 1, s, NULL)) == 1; n++) {
        /* void */
    }

    is_num(rc, 0, "no room");
    ok(n == REG_NOTIFY_BATCH_SIZE / REG_EVENT_MAX && b.last == n,
       "%zu of the largest events", n);
    ok(b.body.len <= REG_NOTIFY_BATCH_SIZE, "in a megabyte");
    is_num(reg_notify_batch_end(&b, 0), 0, "well ended");

    reg_buf_free(&b.body);
    free(big);
}


static void
test_sign(void)
{
    size_t          i;
    char            out[REG_NOTIFY_SIGNATURE_LEN + 1], text[80];
    unsigned        n;
    unsigned char   sum[EVP_MAX_MD_SIZE];

    reg_notify_sign(reg_str("key"),
                    reg_str("The quick brown fox jumps over the lazy dog"),
                    out);
    is(reg_str_of(out), "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a1494617"
       "5997479dbc2d1a3cd8", "a known signature");

    (void) HMAC(EVP_sha256(), "another secret, longer than a block of the "
                "hash, which has only 64 bytes", 72,
                (const unsigned char *) "{}", 2, sum, &n);

    memcpy(text, "sha256=", 8);

    for (i = 0; i < n; i++) {
        (void) snprintf(text + 7 + 2 * i, 3, "%02x", sum[i]);
    }

    reg_notify_sign(reg_str("another secret, longer than a block of the "
                            "hash, which has only 64 bytes"),
                    reg_str("{}"), out);
    is(reg_str_of(out), text, "the library says the same");
}


/* --- trying again -------------------------------------------------------- */

static void
test_wait(void)
{
    size_t              i;
    reg_notify_retry_t  r;

    static const struct {
        unsigned  threshold;
        uint64_t  backoff, max, failures, half, whole;
    } rows[] = {
        { 3, 1000, 300000, 1, 50, 100 },
        { 3, 1000, 300000, 2, 50, 100 },
        { 3, 1000, 300000, 3, 500, 1000 },
        { 3, 1000, 300000, 4, 1000, 2000 },
        { 3, 1000, 300000, 5, 2000, 4000 },
        { 3, 1000, 300000, 11, 128000, 256000 },
        { 3, 1000, 300000, 12, 150000, 300000 },
        { 3, 1000, 300000, UINT64_MAX, 150000, 300000 },
        { 1, 1000, 300000, 1, 500, 1000 },
        { 1, 0, 0, 5, 50, 100 },
        { 1, 0, 5000, 500000, 50, 100 },
        { 1, 5000, 1000, 1, 500, 1000 },
        { 1, 1, 1000, 1, 50, 100 },
        { 1, UINT64_MAX, UINT64_MAX, 70, 43200000, 86400000 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        r.threshold = rows[i].threshold;
        r.backoff = rows[i].backoff;
        r.max = rows[i].max;

        is_num((long long) reg_notify_wait(&r, rows[i].failures, 0),
               (long long) rows[i].half, "the shortest wait");
        is_num((long long) reg_notify_wait(&r, rows[i].failures, UINT32_MAX),
               (long long) rows[i].whole, "the longest wait");
    }
}


/* --- allocations --------------------------------------------------------- */

static void
test_alloc(void)
{
    int                   rc;
    unsigned long         n;
    reg_event_t           ev;
    reg_notify_batch_t    b;
    reg_notify_filter_t   f;

    memset(&ev, 0, sizeof(ev));

    ev.action = REG_EVENT_PUSH;
    ev.repository = reg_str("zzz");
    ev.media_type = reg_str("t/t");

    for (n = 1; n < 1000; n++) {
        memset(&f, 0, sizeof(f));

        reg_test_alloc_fail(n, 0);

        rc = reg_notify_filter_actions(&f, reg_str("push"), NULL)
             | reg_notify_filter_repositories(&f, reg_str("a/**,b"), NULL)
             | reg_notify_filter_repositories(&f, reg_str("~z"), NULL)
             | reg_notify_filter_types(&f, reg_str("x/*,y/*"), NULL);

        if (!reg_test_alloc_restore()) {
            reg_notify_filter_free(&f);
            break;
        }

        reg_notify_filter_free(&f);

        if (rc == 0) {
            ok(0, "allocation %lu of a filter fails", n);
        }
    }

    ok(n > 5, "%lu allocations of a filter fail, one by one", n - 1);

    for (n = 1; n < 100; n++) {
        memset(&b, 0, sizeof(b));

        reg_test_alloc_fail(n, 0);

        reg_notify_batch_begin(&b, REG_NOTIFY_CLOUDEVENTS, 10);
        rc = (reg_notify_batch_add(&b, 1, reg_str("{}"), &ev) == -1);
        rc |= (reg_notify_batch_end(&b, 0) == -1);

        if (!reg_test_alloc_restore()) {
            reg_buf_free(&b.body);
            break;
        }

        ok(rc == 1, "allocation %lu of a batch fails", n);
        reg_buf_free(&b.body);
    }

    ok(n > 1, "so does a batch");
}
