
#include "reg_warning.h"
#include "reg_test.h"

#include <stdlib.h>


static void test_values(void);
static void test_room(void);
static void test_bytes(void);


int
main(void)
{
    test_values();
    test_room();
    test_bytes();

    return done_testing();
}


static void
test_values(void)
{
    int        rc;
    size_t     i;
    reg_buf_t  b;

    static const struct {
        reg_str_t    text;
        const char  *value;                /* NULL: none */
    } rows[] = {
        { reg_str("x"),                    "299 - \"x\"" },
        { reg_str("This image is old."),   "299 - \"This image is old.\"" },
        { reg_str("say \"no\""),           "299 - \"say \\\"no\\\"\"" },
        { reg_str("a\\b"),                 "299 - \"a\\\\b\"" },
        { reg_str("a\r\nSet-Cookie: b"),   "299 - \"a  Set-Cookie: b\"" },
        { reg_str("a\tb"),                 "299 - \"a b\"" },
        { reg_str("\x1b[31mred"),          "299 - \"[31mred\"" },
        { reg_str("a\0b"),                 "299 - \"a b\"" },
        { reg_str("a\x7f"),                "299 - \"a\"" },
        { reg_str("a\xc2\x9b" "31mb"),     "299 - \"a 31mb\"" },
        { reg_str("gr\xc3\xbc\xc3\x9f"),   "299 - \"gr\xc3\xbc\xc3\x9f\"" },
        { reg_str("\xf0\x9f\x90\xb3"),     "299 - \"\xf0\x9f\x90\xb3\"" },
        { reg_str("a\xff" "b"),            "299 - \"a?b\"" },
        { reg_str("a\xc3"),                "299 - \"a?\"" },
        { reg_str("\xed\xa0\x80"),         "299 - \"???\"" },
        { reg_str("  a  b  "),             "299 - \"a  b\"" },
        { reg_str(""),                     NULL },
        { reg_str("   "),                  NULL },
        { reg_str("\r\n"),                 NULL },
        { reg_null_str,                    NULL }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, REG_WARNINGS_MAX);

        rc = reg_warning_print(&b, rows[i].text, REG_WARNINGS_MAX);

        ok(rc == (rows[i].value != NULL), "row %zu: %s", i,
           rows[i].value ? "a value" : "none");
        is_str(reg_buf_slice(&b), reg_str_of(rows[i].value), "the value");

        reg_buf_free(&b);
    }
}


/* Every length of text in every room: whole, or cut between characters. */

static void
test_room(void)
{
    int         rc;
    char        text[200];
    size_t      i, n, max, bad, whole, cut, none;
    reg_str_t   s, v;
    reg_buf_t   b;

    static const char  *kinds[] = { "a", "\"", "\xc3\xbc", "\xf0\x9f\x90\xb3" };

    bad = 0;
    whole = 0;
    cut = 0;
    none = 0;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        for (n = 0; n * strlen(kinds[i]) < sizeof(text); n++) {

            s.data = text;
            s.len = n * strlen(kinds[i]);

            if (n) {
                memcpy(text + s.len - strlen(kinds[i]), kinds[i],
                       strlen(kinds[i]));
            }

            for (max = 0; max < 260; max++) {
                reg_buf_init(&b, REG_WARNINGS_MAX);

                rc = reg_warning_print(&b, s, max);
                v = reg_buf_slice(&b);

                if (rc == 0) {
                    none++;
                    bad += (v.len != 0);
                    bad += (n && max >= REG_WARNING_LEAST);

                } else if (v.len > max || v.data[v.len - 1] != '"') {
                    bad++;

                } else if (v.len > 12
                           && memcmp(v.data + v.len - 4, "...\"", 4) == 0)
                {
                    cut++;
                    bad += (max < REG_WARNING_LEAST);
                    bad += (v.len + 4 < max);
                    bad += ((v.len - 11) % (i == 1 ? 2 : strlen(kinds[i])));

                } else {
                    whole++;
                    bad += (v.len != 8 + n * (i == 1 ? 2 : strlen(kinds[i])));
                }

                reg_buf_free(&b);
            }
        }
    }

    is_num((long long) bad, 0, "no value is too long, or cut amiss");
    ok(whole > 1000 && cut > 1000 && none > 1000,
       "%zu were whole, %zu cut, %zu none", whole, cut, none);
}


/* Whatever two bytes come together: a header, and as terminals like it. */

static void
test_bytes(void)
{
    char        text[4];
    size_t      i, j, k, bad;
    reg_str_t   s, v;
    reg_buf_t   b;

    bad = 0;

    for (i = 0; i < 256; i++) {
        for (j = 0; j < 256; j++) {
            text[0] = 'a';
            text[1] = (char) i;
            text[2] = (char) j;
            text[3] = 'z';

            s.data = text;
            s.len = 4;

            reg_buf_init(&b, REG_WARNINGS_MAX);
            bad += (reg_warning_print(&b, s, 100) != 1);

            v = reg_buf_slice(&b);

            bad += (v.len < 10 || memcmp(v.data, "299 - \"a", 8) != 0
                    || memcmp(v.data + v.len - 2, "z\"", 2) != 0);

            for (k = 7; k + 1 < v.len; k++) {

                if (v.data[k] == '\\') {
                    k++;
                    bad += (v.data[k] != '"' && v.data[k] != '\\');
                    continue;
                }

                bad += ((unsigned char) v.data[k] < 0x20
                        || v.data[k] == 0x7f || v.data[k] == '"');
            }

            reg_buf_free(&b);
        }
    }

    is_num((long long) bad, 0, "65536 pairs of bytes");
}
