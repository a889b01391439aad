
#include "reg_test_alloc.h"
#include "reg_event.h"

#include "reg_str.c"
#include "reg_json.c"
#include "reg_json_parse.c"
#include "reg_event.c"


#define ID      "01234567-89ab-4cde-8f01-23456789abcd"
#define DIGEST  "sha256:00000000000000000000000000000000" \
                "00000000000000000000000000000000"


static void test_print(void);
static void test_tags(void);
static void test_hostile(void);
static void test_cut(void);
static void test_size(void);
static void test_time(void);
static void test_load(void);
static void test_cloud(void);
static void test_alloc(void);
static void sample(reg_event_t *ev);


static reg_buf_t  b;


int
main(void)
{
    reg_test_alloc_init();
    reg_buf_init(&b, 1024 * 1024);

    test_print();
    test_tags();
    test_hostile();
    test_cut();
    test_size();
    test_time();
    test_load();
    test_cloud();
    test_alloc();

    reg_buf_free(&b);

    is_num(reg_test_alloc_jansson, 0, "jansson holds nothing");

    return done_testing();
}


static void
sample(reg_event_t *ev)
{
    memset(ev, 0, sizeof(reg_event_t));

    memcpy(ev->id, ID, sizeof(ID));

    ev->time = INT64_C(1795208645123456000);
    ev->action = REG_EVENT_PUSH;
    ev->manifest = 1;
    ev->size = 528;
    ev->repository = reg_str("team/app");
    ev->media_type = reg_str("application/vnd.oci.image.manifest.v1+json");
    ev->digest = reg_str(DIGEST);
    ev->tag = reg_str("v1");
    ev->who.id = reg_str("r1");
    ev->who.addr = reg_str("192.0.2.1:1234");
    ev->who.host = reg_str("registry.example:5000");
    ev->who.method = reg_str("PUT");
    ev->who.useragent = reg_str("test/1");
    ev->who.actor = reg_str("alice");
    ev->who.source = reg_str("node1:443");
    ev->who.instance = reg_str("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
    ev->who.base = reg_str("https://registry.example:5000");
}


/* Members as distribution's structs have them, in their order. */

static void
test_print(void)
{
    reg_event_t  ev;

    sample(&ev);
    reg_buf_reset(&b);

    is_num(reg_event_print(&b, &ev, NULL), REG_OK, "a push is printed");
    is(reg_buf_slice(&b),
       "{\"id\":\"" ID "\",\"timestamp\":\"2026-11-20T21:04:05.123456Z\","
       "\"action\":\"push\",\"target\":{\"mediaType\":"
       "\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"" DIGEST
       "\",\"size\":528,\"length\":528,\"repository\":\"team/app\",\"url\":"
       "\"https://registry.example:5000/v2/team/app/manifests/" DIGEST
       "\",\"tag\":\"v1\"},\"request\":{\"id\":\"r1\",\"addr\":"
       "\"192.0.2.1:1234\",\"host\":\"registry.example:5000\",\"method\":"
       "\"PUT\",\"useragent\":\"test/1\"},\"actor\":{\"name\":\"alice\"},"
       "\"source\":{\"addr\":\"node1:443\",\"instanceID\":"
       "\"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"}}", "and looks so");

    memset(&ev, 0, sizeof(ev));
    memcpy(ev.id, ID, sizeof(ID));

    ev.action = REG_EVENT_DELETE;
    ev.repository = reg_str("a");
    ev.digest = reg_str(DIGEST);
    ev.who.base = reg_str("http://h");
    ev.who.method = reg_str("DELETE");
    ev.who.instance = reg_str("i");

    reg_buf_reset(&b);
    (void) reg_event_print(&b, &ev, NULL);

    is(reg_buf_slice(&b),
       "{\"id\":\"" ID "\",\"timestamp\":\"1970-01-01T00:00:00Z\","
       "\"action\":\"delete\",\"target\":{\"mediaType\":\"\",\"digest\":\""
       DIGEST "\",\"size\":0,\"repository\":\"a\"},\"request\":{\"id\":\"\","
       "\"method\":\"DELETE\",\"useragent\":\"\"},\"actor\":{},\"source\":{"
       "\"instanceID\":\"i\"}}", "what is empty is left out of a delete");

    ev.id[0] = '\0';
    reg_buf_reset(&b);
    (void) reg_event_print(&b, &ev, NULL);
    ok(reg_uuid_valid(reg_str_of(ev.id)), "an id is drawn");
}


/* What else there is to tell of. */

static void
test_tags(void)
{
    reg_str_t    s;
    reg_event_t  ev;

    sample(&ev);

    ev.action = REG_EVENT_MOUNT;
    ev.manifest = 0;
    ev.media_type = reg_str(REG_EVENT_BLOB);
    ev.from = reg_str("base/image");
    ev.tag = reg_null_str;

    reg_buf_reset(&b);
    (void) reg_event_print(&b, &ev, NULL);
    reg_buf_add(&b, "", 1);
    s = reg_buf_slice(&b);

    ok(strstr(s.data, "\"fromRepository\":\"base/image\"") != NULL,
       "where it was mounted from");
    ok(strstr(s.data, "/v2/team/app/blobs/" DIGEST "\"") != NULL,
       "the URL of a blob");
    ok(strstr(s.data, "\"tag\"") == NULL, "no tag");

    ev.url = reg_str("https://elsewhere/");
    reg_buf_reset(&b);
    (void) reg_event_print(&b, &ev, NULL);
    reg_buf_add(&b, "", 1);
    ok(strstr(b.data, "\"url\":\"https://elsewhere/\"") != NULL,
       "a URL of the caller's");

    is(reg_event_action(REG_EVENT_PULL), "pull", "pull");
    is(reg_event_action(3), "", "no action");
    is_num(reg_event_action_find(reg_str("mount")), REG_EVENT_MOUNT, "mount");
    is_num(reg_event_action_find(reg_str("Push")), 0, "case matters");
    is_num(reg_event_action_find(reg_null_str), 0, "nothing is none");
}


/* A109: whatever a client sends becomes one valid object. */

static void
test_hostile(void)
{
    size_t        i, n;
    char         *big;
    json_t       *tree;
    reg_str_t     text, s;
    reg_event_t   ev, back;

    static const reg_str_t  rows[] = {
        { 4, "a\"b\\" },
        { 3, "\x01\x1f\x7f" },
        { 3, "\xff\xfe\x80" },
        { 5, "a\0b\0c" },
        { 6, "\xed\xa0\x80\xed\xb0\x80" },
        { 2, "\r\n" },
        { 4, "\xf0\x9f\x98\x80" },
        { 12, "\"},\"x\":{\"y\":" },
        { 3, "E1 " }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sample(&ev);

        ev.who.useragent = rows[i];
        ev.who.actor = rows[i];
        ev.who.host = rows[i];
        ev.who.id = rows[i];
        ev.who.addr = rows[i];
        ev.who.base = rows[i];
        ev.media_type = rows[i];
        ev.tag = rows[i];

        reg_buf_reset(&b);
        (void) reg_event_print(&b, &ev, NULL);
        text = reg_buf_slice(&b);

        ok(memchr(text.data, '\n', text.len) == NULL, "A109 row %zu: one line",
           i);
        ok(reg_event_load(&back, &tree, text, NULL) == REG_OK,
           "A109 row %zu: valid", i);
        json_decref(tree);
    }

    /* 8 KB of each kind, in every place */

    n = 8192;
    big = malloc(n);

    for (i = 0; i < 5; i++) {
        static const char  *const kinds[] = {
            "\x01", "\xff", "\"", "\xe2\x82\xac", "\0"
        };
        size_t  k, len;

        len = (i == 4) ? 1 : strlen(kinds[i]);

        for (k = 0; k < n; k++) {
            big[k] = kinds[i][k % len];
        }

        s.data = big;
        s.len = n;

        sample(&ev);
        ev.who.id = s;
        ev.who.addr = s;
        ev.who.host = s;
        ev.who.method = s;
        ev.who.useragent = s;
        ev.who.actor = s;
        ev.who.source = s;
        ev.who.instance = s;
        ev.who.base = s;
        ev.repository = s;
        ev.media_type = s;
        ev.digest = s;
        ev.tag = s;
        ev.from = s;
        ev.url = s;

        reg_buf_reset(&b);
        (void) reg_event_print(&b, &ev, NULL);
        text = reg_buf_slice(&b);

        ok(text.len <= REG_EVENT_MAX, "A109 8 KB of kind %zu: %zu bytes", i,
           text.len);
        ok(reg_event_load(&back, &tree, text, NULL) == REG_OK,
           "A109 8 KB of kind %zu: valid", i);

        /* a euro sign has three bytes, and 341 of them fit */

        if (i == 3) {
            is_num((long long) back.who.useragent.len, 1023,
                   "cut between two characters");
        }

        json_decref(tree);
    }

    free(big);
}


/* Characters of each length, beginning at each place before the cut. */

static void
test_cut(void)
{
    char          text[REG_EVENT_TEXT_MAX + 8];
    json_t       *tree;
    size_t        i, k, n, shift, want;
    reg_event_t   ev, back;

    static const char  *const kinds[] = {
        "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"
    };

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        n = strlen(kinds[i]);

        for (shift = 0; shift < n; shift++) {
            memset(text, 'x', shift);

            for (k = shift; k + n <= sizeof(text); k += n) {
                memcpy(text + k, kinds[i], n);
            }

            sample(&ev);
            ev.who.useragent.data = text;
            ev.who.useragent.len = k;

            reg_buf_reset(&b);
            (void) reg_event_print(&b, &ev, NULL);
            (void) reg_event_load(&back, &tree, reg_buf_slice(&b), NULL);

            want = shift + (REG_EVENT_TEXT_MAX - shift) / n * n;

            ok(back.who.useragent.len == want
               && memcmp(back.who.useragent.data, text, want) == 0,
               "A109 %zu bytes and characters of %zu: cut between two", shift,
               n);

            json_decref(tree);
        }
    }
}


/* A base, a name and a digest that fit just so, or not. */

static void
test_size(void)
{
    size_t        len;
    char          base[REG_EVENT_TEXT_MAX + 2];
    reg_event_t   ev;

    memset(base, 'h', sizeof(base));

    for (len = 900; len <= REG_EVENT_TEXT_MAX + 1; len++) {
        sample(&ev);
        ev.who.base.data = base;
        ev.who.base.len = len;

        reg_buf_reset(&b);
        (void) reg_event_print(&b, &ev, NULL);
        reg_buf_add(&b, "", 1);

        if ((strstr(b.data, "\"url\"") != NULL)
            != (len + sizeof("/v2/team/app/manifests/" DIGEST) - 1
                <= REG_EVENT_TEXT_MAX))
        {
            ok(0, "a base of %zu bytes", len);
            return;
        }
    }

    ok(1, "a URL that is too long is none");
}


static void
test_time(void)
{
    size_t   i;
    int64_t  t;
    char     text[REG_EVENT_TIME_LEN + 1];

    static const struct {
        int64_t      time;
        const char  *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00Z" },
        { 1, "1970-01-01T00:00:00.000000001Z" },
        { 100000000, "1970-01-01T00:00:00.1Z" },
        { 999999999, "1970-01-01T00:00:00.999999999Z" },
        { 10000000000, "1970-01-01T00:00:10Z" },
        { INT64_C(1795208645120000000), "2026-11-20T21:04:05.12Z" }
    };

    static const char  *const bad[] = {
        "", "Z", "1970-01-01T00:00:00", "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1", "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00,1Z", "1970-01-01T00:00:00.xZ",
        "1970-01-01T00:00:00+01:00", "9999-01-01T00:00:00Z",
        "1970-13-01T00:00:00Z", "1970-01-01T00:00:00ZZ"
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_num((long long) reg_event_time_print(rows[i].time, text),
               (long long) strlen(rows[i].text), "its length");
        is(reg_str_of(text), rows[i].text, rows[i].text);
        ok(reg_event_time_parse(reg_str_of(text), &t) == 0
           && t == rows[i].time, "and back");
    }

    (void) reg_event_time_print(-1, text);
    is(reg_str_of(text), "1970-01-01T00:00:00Z", "before the epoch");
    (void) reg_event_time_print(INT64_MAX, text);
    is(reg_str_of(text), "2262-04-11T23:47:16.854775807Z", "the last");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_num(reg_event_time_parse(reg_str_of(bad[i]), &t), -1, bad[i]);
    }
}


static void
test_load(void)
{
    size_t        i;
    json_t       *tree;
    reg_error_t   e;
    reg_event_t   ev, back;

    static const char  *const bad[] = {
        "", "{}", "[]", "null", "{\"id\":\"a\"",
        "{\"id\":\"a\",\"timestamp\":\"1970-01-01T00:00:00Z\","
            "\"action\":\"push\"}",
        "{\"id\":\"a\",\"timestamp\":\"1970-01-01T00:00:00Z\","
            "\"action\":\"shove\",\"target\":{}}",
        "{\"id\":\"a\",\"timestamp\":\"yesterday\",\"action\":\"push\","
            "\"target\":{}}",
        "{\"id\":\"\",\"timestamp\":\"1970-01-01T00:00:00Z\","
            "\"action\":\"push\",\"target\":{}}",
        "{\"id\":\"0123456789012345678901234567890123456\","
            "\"timestamp\":\"1970-01-01T00:00:00Z\",\"action\":\"push\","
            "\"target\":{}}",
        "{\"id\":\"a\",\"timestamp\":\"1970-01-01T00:00:00Z\","
            "\"action\":\"push\",\"target\":{\"size\":-1}}"
    };

    sample(&ev);
    reg_buf_reset(&b);
    (void) reg_event_print(&b, &ev, NULL);

    is_num(reg_event_load(&back, &tree, reg_buf_slice(&b), NULL), REG_OK,
           "what was printed is loaded");
    is(reg_str_of(back.id), ID, "the id");
    ok(back.time == ev.time && back.action == ev.action
       && back.size == ev.size && back.manifest, "numbers");
    is_str(back.repository, ev.repository, "repository");
    is_str(back.media_type, ev.media_type, "media type");
    is_str(back.digest, ev.digest, "digest");
    is_str(back.tag, ev.tag, "tag");
    is_str(back.who.addr, ev.who.addr, "address");
    is_str(back.who.actor, ev.who.actor, "actor");
    is_str(back.who.useragent, ev.who.useragent, "user agent");
    is_str(back.who.instance, ev.who.instance, "instance");
    ok(back.from.len == 0, "no other repository");
    json_decref(tree);

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reg_error_clear(&e);
        is_num(reg_event_load(&back, &tree, reg_str_of(bad[i]), &e),
               REG_MANIFEST_INVALID, bad[i]);
        ok(tree == NULL && e.rc == REG_MANIFEST_INVALID, "no tree");
    }
}


static void
test_cloud(void)
{
    json_t       *tree;
    reg_buf_t     c;
    reg_event_t   ev;

    sample(&ev);
    reg_buf_init(&c, 65536);

    reg_event_cloud(&c, &ev, reg_str("{}"));
    is(reg_buf_slice(&c),
       "{\"specversion\":\"1.0\",\"id\":\"" ID "\",\"source\":"
       "\"//registry.example:5000\",\"type\":"
       "\"io.github.distribution.push\",\"subject\":\"team/app:v1\","
       "\"time\":\"2026-11-20T21:04:05.123456Z\",\"datacontenttype\":"
       "\"application/json\",\"data\":{}}", "a CloudEvent");

    ev.tag = reg_null_str;
    ev.who.host = reg_str("a b\"/\xff[::1]:5");
    reg_buf_reset(&c);
    reg_event_cloud(&c, &ev, reg_str("{}"));
    reg_buf_add(&c, "", 1);
    ok(strstr(c.data, "\"source\":\"//a%20b%22%2F%FF[::1]:5\"") != NULL,
       "A109 the host is a part of a URI");
    ok(strstr(c.data, "\"subject\":\"team/app@" DIGEST "\"") != NULL,
       "the digest without a tag");

    c.len--;
    tree = reg_json_load(c.data, c.len, NULL);
    ok(tree != NULL, "valid");
    json_decref(tree);

    ev.digest = reg_null_str;
    ev.who.host = reg_null_str;
    ev.who.source = reg_null_str;
    reg_buf_reset(&c);
    reg_event_cloud(&c, &ev, reg_str("{}"));
    reg_buf_add(&c, "", 1);
    ok(strstr(c.data, "\"source\":\"//registry\"") != NULL, "no host");
    ok(strstr(c.data, "\"subject\":\"team/app\"") != NULL,
       "a repository alone");

    reg_buf_free(&c);
}


static void
test_alloc(void)
{
    unsigned long   n;
    json_t         *tree;
    reg_rc_t        rc;
    reg_str_t       text;
    reg_buf_t       c;
    reg_error_t     e;
    reg_event_t     ev, back;

    for (n = 1; n < 100; n++) {
        sample(&ev);
        reg_buf_init(&c, 65536);

        reg_test_alloc_fail(n, 0);
        rc = reg_event_print(&c, &ev, NULL);

        if (!reg_test_alloc_restore()) {
            reg_buf_free(&c);
            break;
        }

        ok(rc == REG_OK && reg_buf_failed(&c), "allocation %lu fails", n);
        reg_buf_free(&c);
    }

    sample(&ev);
    reg_buf_reset(&b);
    (void) reg_event_print(&b, &ev, NULL);
    text = reg_buf_slice(&b);

    for (n = 1; n < 1000; n++) {
        reg_error_clear(&e);
        reg_test_alloc_fail(n, 0);
        rc = reg_event_load(&back, &tree, text, &e);

        if (!reg_test_alloc_restore()) {
            json_decref(tree);
            break;
        }

        if (rc != REG_NO_MEMORY || tree != NULL || e.rc != REG_NO_MEMORY) {
            ok(0, "allocation %lu of a load fails", n);
            json_decref(tree);
        }
    }

    ok(n > 5, "%lu allocations of a load fail, one by one", n);
}
