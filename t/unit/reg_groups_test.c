
#include "reg_groups.h"
#include "reg_test_alloc.h"
#include "reg_test_skipped.h"

#include "reg_groups.c"
#include "reg_index.c"


static void test_groups(void);
static void test_lines(void);
static void test_long(void);
static void test_alloc(void);


int
main(void)
{
    reg_test_alloc_init();
    reg_buf_init(&skipped, 65536);

    test_groups();
    test_lines();
    test_long();
    test_alloc();

    reg_buf_free(&skipped);

    return done_testing();
}


static void
test_groups(void)
{
    size_t         i;
    reg_why_t      why;
    reg_groups_t  *g;

    static const struct {
        reg_str_t  group;
        reg_str_t  user;
        int        has;
    } rows[] = {
        { reg_str("dev"),   reg_str("ann"),      1 },
        { reg_str("dev"),   reg_str("bob"),      1 },
        { reg_str("dev"),   reg_str("cat"),      1 },
        { reg_str("dev"),   reg_str("dan dee"),  1 },
        { reg_str("dev"),   reg_str("an"),       0 },
        { reg_str("dev"),   reg_str("anna"),     0 },
        { reg_str("de"),    reg_str("vann"),     0 },
        { reg_str("dev"),   reg_str("dan"),      0 },
        { reg_str("dev"),   reg_null_str,        0 },
        { reg_null_str,     reg_str("ann"),      0 },
        { reg_str("Dev"),   reg_str("ann"),      0 },
        { reg_str("ops"),   reg_str("ann"),      1 },
        { reg_str("ops"),   reg_str("bob"),      0 },
        { reg_str("tabs"),  reg_str("ann"),      1 },
        { reg_str("tabs"),  reg_str("dee"),      1 },
        { reg_str("none"),  reg_str("ann"),      0 },
        { reg_str("no"),    reg_str("ann"),      0 },
        { reg_str("dev:"),  reg_str("ann"),      0 }
    };

    g = reg_groups_parse(reg_str("# groups\ndev: ann bob\tcat\n"
                                 "ops:ann\r\nnone:\n"
                                 "tabs:ann\tbob\tcat\tdee\n"
                                 "dev: ann \"dan dee\"\n"),
                         skip, &skipped, &why);

    if (!ok(g != NULL && skipped.len == 0, "a group file")) {
        return;
    }

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(reg_groups_has(g, rows[i].group, rows[i].user) == rows[i].has,
           "%.*s in %.*s", (int) rows[i].user.len, rows[i].user.data,
           (int) rows[i].group.len, rows[i].group.data);
    }

    ok(reg_groups_known(g, reg_str("none")), "a group without members");
    ok(!reg_groups_known(g, reg_str("no")), "a group that is not there");
    ok(!reg_groups_known(g, reg_str("ann")), "a user is no group");
    ok(!reg_groups_open(g), "the file has an end");

    reg_groups_free(g);

    ok(!reg_groups_has(NULL, reg_str("dev"), reg_str("ann"))
       && !reg_groups_known(NULL, reg_str("dev")), "no file, no groups");
}


static void
test_lines(void)
{
    size_t         i;
    reg_why_t      why;
    reg_groups_t  *g;

    static const struct {
        reg_str_t    text;
        const char  *skipped;
        int          ann;         /* is in "dev" */
    } rows[] = {
        { reg_str("dev ann\n"),             "1:no colon",  0 },
        { reg_str(": ann\n"),               "1:the name of the group", 0 },
        { reg_str("a b: ann\n"),            "1:the name of the group", 0 },
        { reg_str("d\x01v: ann\n"),         "1:the name of the group", 0 },
        { reg_str("d\0v: ann\n"),           "1:the name of the group", 0 },
        { reg_str("\xff: ann\n"),           "1:the name of the group", 0 },
        { reg_str("dev: ann\n\ndev\n"),     "3:no colon",  1 },
        { reg_str("dev: ann \xff bob\n"),   "1:the name of a member", 1 },
        { reg_str("dev: \"\" ann\n"),       "1:the name of a member", 0 },
        { reg_str("dev: ann \"b\n"),        "1:a quote",   1 },
        { reg_str("dev: \"ann\"x\n"),       "1:a quote",   0 },
        { reg_str("dev: ann ann ann"),      "",            1 },
        { reg_str("dev:\"ann\" bob\n"),     "",            1 },
        { reg_str(""),                      "",            0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_reset(&skipped);

        g = reg_groups_parse(rows[i].text, skip, &skipped, &why);
        reg_buf_add(&skipped, "", 1);

        ok(g != NULL && strncmp(skipped.data, rows[i].skipped,
                                strlen(rows[i].skipped)) == 0
           && (rows[i].skipped[0] != '\0' || skipped.len == 1),
           "row %zu: %s", i, skipped.data);
        is_num(reg_groups_has(g, reg_str("dev"), reg_str("ann")), rows[i].ann,
               "who is in it");

        reg_groups_free(g);
    }
}


static void
test_long(void)
{
    char          *text;
    size_t         i;
    reg_buf_t      b;
    reg_str_t      s, user;
    reg_why_t      why;
    reg_groups_t  *g;

    text = malloc(REG_LINES_FILE_MAX + 1);
    memset(text, 'x', REG_LINES_FILE_MAX + 1);

    s.data = text;
    s.len = REG_LINES_FILE_MAX + 1;
    ok(reg_groups_parse(s, NULL, NULL, &why) == NULL, "too large: %s",
       why.text);

    reg_buf_init(&b, 1024 * 1024);
    reg_buf_str(&b, reg_str("g:"));

    for (i = 0; i < 20000; i++) {
        reg_buf_printf(&b, " m%zu", i);
    }

    reg_buf_str(&b, reg_str(" "));
    reg_buf_add(&b, text, REG_USER_MAX);
    reg_buf_str(&b, reg_str("\nh: "));
    reg_buf_add(&b, text, REG_USER_MAX + 1);

    g = reg_groups_parse(reg_buf_slice(&b), NULL, NULL, &why);

    user.data = text;
    user.len = REG_USER_MAX;

    ok(reg_groups_has(g, reg_str("g"), reg_str("m19999"))
       && reg_groups_has(g, reg_str("g"), user), "a long line");

    user.len++;
    ok(!reg_groups_has(g, reg_str("h"), user), "a name that is too long");
    ok(reg_groups_open(g), "a line without end");

    reg_groups_free(g);
    reg_buf_free(&b);
    free(text);
}


static void
test_alloc(void)
{
    int            hit;
    reg_why_t      why;
    reg_groups_t  *g;
    unsigned long  n;

    for (n = 1; ; n++) {
        reg_test_alloc_fail(n, 0);
        g = reg_groups_parse(reg_str("a: b c d e f g h i j k l m n o p q r s\n"
                                     "b: a\nc: a\nd: a\ne: a\nf: a\ng: a\n"
                                     "h: a\ni: a\nj: a\nk: a\nl: a\nm: a\n"
                                     "n: a\no: a\np: a\nq: a\nr: a\n"),
                             NULL, NULL, &why);
        hit = reg_test_alloc_restore();

        ok((g == NULL) == hit, "allocation %lu fails", n);
        reg_groups_free(g);

        if (!hit) {
            break;
        }
    }

    ok(n > 20, "allocations were made to fail");
}
