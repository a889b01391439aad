
#include "reg_str.h"
#include "reg_test_alloc.h"

#include "reg_str.c"


static void test_compare(void);
static void test_fits(void);
static void test_number(void);
static void test_digits(void);
static void test_unescape(void);
static void test_utf8(void);
static void test_buf(void);
static void test_printf(void);
static void test_json(void);
static void test_json_places(void);
static void test_uri(void);
static void test_alloc(void);


int
main(void)
{
    test_compare();
    test_fits();
    test_number();
    test_digits();
    test_unescape();
    test_utf8();
    test_buf();
    test_printf();
    test_json();
    test_uri();
    test_alloc();

    return done_testing();
}


static void
test_compare(void)
{
    int     cmp;
    size_t  i;

    static const struct {
        reg_str_t  a;
        reg_str_t  b;
        int        cmp;
        int        starts;      /* a starts with b */
        int        ends;
    } rows[] = {
        { reg_str(""),        reg_str(""),      0,  1, 1 },
        { reg_null_str,       reg_str(""),      0,  1, 1 },
        { reg_null_str,       reg_null_str,     0,  1, 1 },
        { reg_str("a"),       reg_null_str,     1,  1, 1 },
        { reg_str(""),        reg_str("a"),    -1,  0, 0 },
        { reg_str("abc"),     reg_str("abc"),   0,  1, 1 },
        { reg_str("abc"),     reg_str("ab"),    1,  1, 0 },
        { reg_str("abc"),     reg_str("bc"),   -1,  0, 1 },
        { reg_str("ab"),      reg_str("abc"),  -1,  0, 0 },
        { reg_str("a\0b"),    reg_str("a\0c"), -1,  0, 0 },
        { reg_str("a\0b"),    reg_str("a\0b"),  0,  1, 1 },
        { reg_str("\xff"),    reg_str("\x01"),  1,  0, 0 },
        { reg_str("a/b"),     reg_str("a-b"),   1,  0, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp = reg_str_cmp(rows[i].a, rows[i].b);
        cmp = (cmp > 0) - (cmp < 0);

        ok(cmp == rows[i].cmp, "cmp, row %zu", i);
        ok(reg_str_eq(rows[i].a, rows[i].b) == (rows[i].cmp == 0),
           "eq, row %zu", i);
        ok(reg_str_starts(rows[i].a, rows[i].b) == rows[i].starts,
           "starts, row %zu", i);
        ok(reg_str_ends(rows[i].a, rows[i].b) == rows[i].ends,
           "ends, row %zu", i);
    }

    is(reg_str_of("abc"), "abc", "of a string");
    ok(reg_str_of(NULL).len == 0, "of NULL");
}


static void
test_fits(void)
{
    size_t  i;

    static const struct {
        reg_str_t  glob;
        reg_str_t  s;
        int        fits;
    } rows[] = {
        { reg_str("v1"),       reg_str("v1"),         1 },
        { reg_str("v1"),       reg_str("v1.0"),       0 },
        { reg_str("v1"),       reg_str("V1"),         0 },
        { reg_str("v1.*"),     reg_str("v1.0"),       1 },
        { reg_str("v1.*"),     reg_str("v1."),        1 },
        { reg_str("v1.*"),     reg_str("v1"),         0 },
        { reg_str("*"),        reg_str("latest"),     1 },
        { reg_str("*"),        reg_str(""),           1 },
        { reg_str("**"),       reg_str("x"),          1 },
        { reg_str("*-rc*"),    reg_str("1.0-rc1"),    1 },
        { reg_str("*-rc*"),    reg_str("1.0-r-c1"),   0 },
        { reg_str("*-rc*"),    reg_str("-rc-rc"),     1 },
        { reg_str("*a*b*c"),   reg_str("xaybzc"),     1 },
        { reg_str("*a*b*c"),   reg_str("abcabc"),     1 },
        { reg_str("*a*b*c"),   reg_str("acb"),        0 },
        { reg_str("a*a"),      reg_str("a"),          0 },
        { reg_str("a*a"),      reg_str("aa"),         1 },
        { reg_str(""),         reg_str(""),           1 },
        { reg_str(""),         reg_str("a"),          0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_num(reg_str_fits(rows[i].s, rows[i].glob), rows[i].fits,
               rows[i].s.data);
    }
}


static void
test_number(void)
{
    int        rc;
    size_t     i;
    uint64_t   value;

    static const struct {
        const char  *text;
        uint64_t     max;
        int          rc;
        uint64_t     value;
    } rows[] = {
        { "0",                     10,         0,  0 },
        { "10",                    10,         0,  10 },
        { "00010",                 10,         0,  10 },
        { "11",                    10,         1,  10 },
        { "99",                    10,         1,  10 },
        { "1",                     0,          1,  0 },
        { "0",                     0,          0,  0 },
        { "5",                     3,          1,  3 },
        { "18446744073709551615",  UINT64_MAX, 0,  UINT64_MAX },
        { "18446744073709551616",  UINT64_MAX, 1,  UINT64_MAX },
        { "18446744073709551620",  UINT64_MAX, 1,  UINT64_MAX },
        { "99999999999999999999999999999999", UINT64_MAX, 1, UINT64_MAX },
        { "9223372036854775807",   INT64_MAX,  0,  INT64_MAX },
        { "9223372036854775808",   INT64_MAX,  1,  INT64_MAX },
        { "",                      10,        -1,  0 },
        { "-1",                    10,        -1,  0 },
        { "+5",                    10,        -1,  0 },
        { " 5",                    10,        -1,  0 },
        { "5 ",                    10,        -1,  0 },
        { "1.5",                   10,        -1,  0 },
        { "1e3",                   10,        -1,  0 },
        { "0x10",                  10,        -1,  0 },
        { "99999999999999999999x", 10,        -1,  0 },
        { "abc",                   10,        -1,  0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        value = 4242;
        rc = reg_str_number(reg_str_of(rows[i].text), rows[i].max, &value);

        ok(rc == rows[i].rc, "number \"%s\": %d", rows[i].text, rc);

        if (rows[i].rc != -1) {
            ok(value == rows[i].value, "number \"%s\": value %llu",
               rows[i].text, (unsigned long long) value);
        }
    }

    ok(reg_str_number(reg_str("1\0"), 10, &value) == -1, "number, NUL");
}


static void
test_digits(void)
{
    char       out[REG_STR_DIGITS];
    size_t     i;
    reg_str_t  s;

    static const struct {
        uint64_t     value;
        size_t       least;
        const char  *text;
    } rows[] = {
        { 0,           0,              "0" },
        { 0,           1,              "0" },
        { 0,           3,              "000" },
        { 7,           3,              "007" },
        { 999,         3,              "999" },
        { 1000,        3,              "1000" },
        { 1234567,     1,              "1234567" },
        { UINT64_MAX,  1,              "18446744073709551615" },
        { UINT64_MAX,  REG_STR_DIGITS, "000018446744073709551615" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        s = reg_str_digits(rows[i].value, rows[i].least, out);

        is(s, rows[i].text, "digits");
        ok(s.data + s.len == out + sizeof(out), "they end where out does");
    }
}


static void
test_unescape(void)
{
    int        rc;
    char       buf[64];
    size_t     i;
    reg_str_t  out;

    static const struct {
        const char  *in;
        int          plus;
        int          rc;
        reg_str_t    out;
    } rows[] = {
        { "",          1,  0, reg_str("") },
        { "abc",       1,  0, reg_str("abc") },
        { "a+b",       1,  0, reg_str("a b") },
        { "a+b",       0,  0, reg_str("a+b") },
        { "a%2Bb",     1,  0, reg_str("a+b") },
        { "%41%6a",    1,  0, reg_str("Aj") },
        { "%41%6A",    1,  0, reg_str("Aj") },
        { "%00",       1,  0, reg_str("\0") },
        { "%ff%FE",    1,  0, reg_str("\xff\xfe") },
        { "%252e",     1,  0, reg_str("%2e") },
        { "%",         1, -1, reg_str("") },
        { "%4",        1, -1, reg_str("") },
        { "a%4",       1, -1, reg_str("") },
        { "%4g",       1, -1, reg_str("") },
        { "%g4",       1, -1, reg_str("") },
        { "%%41",      1, -1, reg_str("") },
        { "% 41",      1, -1, reg_str("") },
        { "%+1",       1, -1, reg_str("") }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        rc = reg_str_unescape(reg_str_of(rows[i].in), rows[i].plus, buf, &out);

        ok(rc == rows[i].rc, "unescape \"%s\"", rows[i].in);

        if (rc == 0) {
            is_str(out, rows[i].out, "  its value");

            memcpy(buf, rows[i].in, strlen(rows[i].in));
            out.data = buf;
            out.len = strlen(rows[i].in);

            rc = reg_str_unescape(out, rows[i].plus, buf, &out);

            ok(rc == 0, "  in place");
            is_str(out, rows[i].out, "  its value");
        }
    }
}


static void
test_utf8(void)
{
    size_t  i, n;

    static const struct {
        reg_str_t  s;
        size_t     n;
    } rows[] = {
        { reg_str("a"),                1 },
        { reg_str("\0"),               1 },
        { reg_str("\x7f"),             1 },
        { reg_str("\xc2\x80"),         2 },
        { reg_str("\xdf\xbf"),         2 },
        { reg_str("\xe0\xa0\x80"),     3 },
        { reg_str("\xed\x9f\xbf"),     3 },
        { reg_str("\xee\x80\x80"),     3 },
        { reg_str("\xef\xbf\xbf"),     3 },
        { reg_str("\xf0\x90\x80\x80"), 4 },
        { reg_str("\xf4\x8f\xbf\xbf"), 4 },
        { reg_str("\x80"),             0 },
        { reg_str("\xbf"),             0 },
        { reg_str("\xc0\x80"),         0 },
        { reg_str("\xc1\xbf"),         0 },
        { reg_str("\xc2"),             0 },
        { reg_str("\xc2\x41"),         0 },
        { reg_str("\xe0\x9f\xbf"),     0 },
        { reg_str("\xe1\x80"),         0 },
        { reg_str("\xe1\x80\x41"),     0 },
        { reg_str("\xed\xa0\x80"),     0 },
        { reg_str("\xf0\x8f\xbf\xbf"), 0 },
        { reg_str("\xf1\x80\x80"),     0 },
        { reg_str("\xf1\x80\x80\xc0"), 0 },
        { reg_str("\xf4\x90\x80\x80"), 0 },
        { reg_str("\xf5\x80\x80\x80"), 0 },
        { reg_str("\xff"),             0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        n = reg_str_utf8((const unsigned char *) rows[i].s.data,
                         rows[i].s.len);

        ok(n == rows[i].n, "utf8, row %zu: %zu", i, n);
    }
}


static void
test_buf(void)
{
    char       text[4096];
    size_t     i;
    reg_buf_t  b;

    memset(text, 'x', sizeof(text));

    reg_buf_init(&b, 10);

    ok(b.data == NULL && !reg_buf_failed(&b), "nothing is allocated at first");

    reg_buf_add(&b, NULL, 0);
    reg_buf_str(&b, reg_null_str);
    ok(b.data == NULL && !reg_buf_failed(&b), "nor for nothing");

    reg_buf_add(&b, "12345", 5);
    reg_buf_add(&b, "67890", 5);
    is(reg_buf_slice(&b), "1234567890", "filled up to the ceiling");
    ok(!reg_buf_failed(&b), "which is no failure");

    reg_buf_add(&b, "1", 1);
    ok(b.state == REG_BUF_FULL, "one byte more is one");
    is(reg_buf_slice(&b), "1234567890", "and leaves what was there");

    reg_buf_reset(&b);
    ok(!reg_buf_failed(&b) && b.len == 0, "a reset forgets both");

    reg_buf_add(&b, "12345678901", 11);
    reg_buf_add(&b, "1", 1);
    ok(b.state == REG_BUF_FULL && b.len == 0, "the first failure stays");

    reg_buf_free(&b);
    ok(b.data == NULL && b.len == 0 && b.size == 0 && !reg_buf_failed(&b),
       "freed is as new");

    reg_buf_init(&b, 100 * sizeof(text));

    for (i = 0; i < 100; i++) {
        reg_buf_add(&b, text, sizeof(text));
    }

    ok(!reg_buf_failed(&b) && b.len == 100 * sizeof(text), "it grows");
    ok(b.size <= b.max + 1, "and takes no more than it may");

    for (i = 0; i < b.len && b.data[i] == 'x'; i++) { /* void */ }
    ok(i == b.len, "and keeps every byte");

    reg_buf_free(&b);

    reg_buf_init(&b, SIZE_MAX);
    reg_buf_add(&b, "ab", 2);
    ok(reg_buf_reserve(&b, SIZE_MAX - 2) == -1 && reg_buf_failed(&b),
       "an absurd reservation fails");
    reg_buf_free(&b);

    reg_buf_init(&b, SIZE_MAX);
    reg_buf_add(&b, "ab", 2);
    ok(reg_buf_reserve(&b, SIZE_MAX) == -1 && b.state == REG_BUF_FULL,
       "so does one that overflows");
    reg_buf_free(&b);

    reg_buf_init(&b, 100);
    ok(reg_buf_reserve(&b, 100) == 0 && b.len == 0, "room up to the ceiling");
    ok(reg_buf_reserve(&b, 101) == -1, "and not beyond");
    reg_buf_free(&b);
}


static void
test_printf(void)
{
    char       text[2100];
    size_t     n;
    reg_buf_t  b;

    memset(text, 'p', sizeof(text));

    reg_buf_init(&b, 8);
    reg_buf_printf(&b, "%d-%s", 42, "ab");
    is(reg_buf_slice(&b), "42-ab", "printf");
    reg_buf_printf(&b, "%s", "xyz");
    is(reg_buf_slice(&b), "42-abxyz", "printf up to the ceiling");
    reg_buf_printf(&b, "%s", "");
    ok(!reg_buf_failed(&b), "printf of nothing");
    reg_buf_printf(&b, "%c", '!');
    ok(b.state == REG_BUF_FULL, "printf beyond it");
    reg_buf_printf(&b, "%c", '!');
    is(reg_buf_slice(&b), "42-abxyz", "printf after a failure");
    reg_buf_free(&b);

    /* each size around the one at which the buffer grows */

    for (n = 500; n < 520; n++) {
        reg_buf_init(&b, sizeof(text));
        reg_buf_printf(&b, "%.*s", (int) n, text);
        reg_buf_printf(&b, "%.*s", (int) n, text);
        ok(!reg_buf_failed(&b) && b.len == 2 * n
           && memcmp(b.data, text, 2 * n) == 0,
           "printf of %zu bytes, twice", n);
        reg_buf_free(&b);
    }
}


static void
test_json(void)
{
    size_t     i;
    reg_buf_t  b;

    static const struct {
        reg_str_t    in;
        const char  *out;
    } rows[] = {
        { reg_str(""),                      "" },
        { reg_null_str,                     "" },
        { reg_str("plain / text"),          "plain / text" },
        { reg_str("\"\\"),                  "\\\"\\\\" },
        { reg_str("a\"b"),                  "a\\\"b" },
        { reg_str("\r\n\t\b\f"),  "\\u000d\\u000a\\u0009\\u0008\\u000c" },
        { reg_str("a\0b"),                  "a\\u0000b" },
        { reg_str("\x1f\x20\x7f"),          "\\u001f \x7f" },
        { reg_str("\xc3\xa9\xe2\x82\xac"),  "\xc3\xa9\xe2\x82\xac" },
        { reg_str("\xf0\x9f\x90\x8b"),      "\xf0\x9f\x90\x8b" },
        { reg_str("\xff"),                  "\xef\xbf\xbd" },
        { reg_str("a\x80" "b\xc3"),         "a\xef\xbf\xbd" "b\xef\xbf\xbd" },
        { reg_str("\xc0\xaf"),              "\xef\xbf\xbd\xef\xbf\xbd" },
        { reg_str("\xed\xa0\x80"),
          "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { reg_str("\xe2\x82"),              "\xef\xbf\xbd\xef\xbf\xbd" },
        { reg_str("</script>"),             "</script>" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 1024);
        reg_buf_json(&b, rows[i].in);
        is(reg_buf_slice(&b), rows[i].out, "json");
        reg_buf_free(&b);
    }

    test_json_places();
}


/* Each byte at each place of a string: the same as each piece alone. */

static void
test_json_places(void)
{
    int        c, wrong;
    char       text[20];
    size_t     len, at;
    reg_buf_t  b, want;

    wrong = 0;
    memset(text, 'a', sizeof(text));

    reg_buf_init(&b, 1024);
    reg_buf_init(&want, 1024);

    for (len = 1; len <= sizeof(text); len++) {
        for (at = 0; at < len; at++) {
            for (c = 0; c < 256; c++) {
                text[at] = (char) c;

                reg_buf_reset(&b);
                reg_buf_json(&b, (reg_str_t) { len, text });

                reg_buf_reset(&want);
                reg_buf_add(&want, text, at);
                reg_buf_json(&want, (reg_str_t) { 1, text + at });
                reg_buf_add(&want, text + at + 1, len - at - 1);

                wrong += !reg_str_eq(reg_buf_slice(&b), reg_buf_slice(&want));
                text[at] = 'a';
            }
        }
    }

    is_num(wrong, 0, "json: each byte at each place");

    reg_buf_free(&want);
    reg_buf_free(&b);
}


static void
test_uri(void)
{
    size_t     i;
    reg_buf_t  b;

    static const struct {
        reg_str_t    in;
        const char  *out;
    } rows[] = {
        { reg_str(""),             "" },
        { reg_str("aZ09-._~"),     "aZ09-._~" },
        { reg_str("a/b c+d&e=f"),  "a%2Fb%20c%2Bd%26e%3Df" },
        { reg_str("%\"<>\r\n\0"),  "%25%22%3C%3E%0D%0A%00" },
        { reg_str("\xff\x80"),     "%FF%80" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 1024);
        reg_buf_uri(&b, rows[i].in);
        is(reg_buf_slice(&b), rows[i].out, "uri");
        reg_buf_free(&b);
    }
}


static void
test_alloc(void)
{
    int            hit;
    char           text[300];
    unsigned long  n;
    reg_buf_t      b;

    memset(text, 'x', sizeof(text));

    for (n = 1; ; n++) {
        reg_buf_init(&b, 100000);

        reg_test_alloc_fail(n, 0);

        reg_buf_str(&b, reg_str("begin"));
        reg_buf_printf(&b, "%.*s", (int) sizeof(text), text);
        reg_buf_add(&b, text, sizeof(text));
        reg_buf_json(&b, reg_str("\"\"\"\""));
        reg_buf_printf(&b, "%2000d", 5);
        reg_buf_str(&b, reg_str("end"));

        hit = reg_test_alloc_restore();

        ok(reg_buf_failed(&b) == hit, "allocation %lu fails", n);

        if (!hit) {
            ok(b.len == 5 + 2 * sizeof(text) + 8 + 2000 + 3,
               "all of it when none does");
            reg_buf_free(&b);
            break;
        }

        ok(b.state == REG_BUF_NOMEM, "and is remembered");
        reg_buf_free(&b);
    }

    ok(n > 2, "more than one allocation was tried");
}
