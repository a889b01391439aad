
#include "reg_lines.h"
#include "reg_test.h"


static void test_lines(void);
static void test_each(void);
static int test_take(void *ctx, reg_str_t line, const char **why);
static void test_skip(void *data, size_t line, const char *reason);
static void test_words(void);


int
main(void)
{
    test_lines();
    test_each();
    test_words();

    return done_testing();
}


/* Each line comes as "number:text;". */

static void
test_lines(void)
{
    size_t       i;
    reg_buf_t    b;
    reg_str_t    line;
    reg_lines_t  lines;

    static const struct {
        reg_str_t    text;
        const char  *lines;
        int          open;
    } rows[] = {
        { reg_null_str,                 "",               0 },
        { reg_str(""),                  "",               0 },
        { reg_str("\n"),                "",               0 },
        { reg_str("a"),                 "1:a;",         1 },
        { reg_str("a\n"),               "1:a;",         0 },
        { reg_str("a\nb"),              "1:a;2:b;",     1 },
        { reg_str("a\r\nb\r\n"),        "1:a;2:b;",     0 },
        { reg_str("\n\n a \t\n"),       "3:a;",         0 },
        { reg_str("# a\n  #b\nc\n"),    "3:c;",         0 },
        { reg_str("#"),                 "",             1 },
        { reg_str("a # b\n"),           "1:a # b;",     0 },
        { reg_str("a\rb\n"),            "1:a\rb;",      0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);
        reg_lines_init(&lines, rows[i].text);

        while (reg_lines_next(&lines, &line)) {
            reg_buf_printf(&b, "%zu:%.*s;", lines.number, (int) line.len,
                           line.data);
        }

        is(reg_buf_slice(&b), rows[i].lines, "lines of a text");
        ok(lines.open == rows[i].open, "A75: final newline or not, row %zu",
           i);

        reg_buf_free(&b);
    }
}


/* "x" is passed over, and at "!" memory runs out. */

static void
test_each(void)
{
    size_t       i;
    reg_buf_t    b;
    reg_lines_t  lines;

    static const struct {
        reg_str_t    text;
        const char  *told;
        int          rc;
    } rows[] = {
        { reg_null_str,               "",               0 },
        { reg_str("a\n#\nb\n"),       "a;b;",           0 },
        { reg_str("a\nx\n\nx\nb"),    "a;2 no;4 no;b;", 0 },
        { reg_str("a\nx\n!\nb\n"),    "a;2 no;",       -1 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);

        reg_lines_init(&lines, rows[i].text);
        is_num(reg_lines_each(&lines, test_take, &b, test_skip, &b),
               rows[i].rc, "each line of a text");
        is(reg_buf_slice(&b), rows[i].told, "and what was told");

        reg_buf_reset(&b);

        reg_lines_init(&lines, rows[i].text);
        is_num(reg_lines_each(&lines, test_take, &b, NULL, NULL), rows[i].rc,
               "and with nobody to tell");

        reg_buf_free(&b);
    }
}


static int
test_take(void *ctx, reg_str_t line, const char **why)
{
    if (line.data[0] == '!') {
        return -1;
    }

    if (line.data[0] == 'x') {
        *why = "no";
        return -1;
    }

    reg_buf_printf(ctx, "%.*s;", (int) line.len, line.data);

    return 0;
}


static void
test_skip(void *data, size_t line, const char *reason)
{
    reg_buf_printf(data, "%zu %s;", line, reason);
}


static void
test_words(void)
{
    int        rc;
    size_t     i;
    reg_buf_t  b;
    reg_str_t  line, word;

    static const struct {
        reg_str_t    line;
        const char  *words;
        int          rc;
    } rows[] = {
        { reg_null_str,               "",           0 },
        { reg_str(" \t "),            "",           0 },
        { reg_str("a b\tc"),          "a;b;c;",     0 },
        { reg_str("  a  "),           "a;",         0 },
        { reg_str("\"a b\" c"),       "a b;c;",     0 },
        { reg_str("\"\""),            ";",          0 },
        { reg_str("a\"b"),            "a\"b;",      0 },
        { reg_str("a \"b"),           "a;",        -1 },
        { reg_str("a \"b\"c"),        "a;",        -1 },
        { reg_str("\""),              "",          -1 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);

        line = rows[i].line;

        while ((rc = reg_lines_word(&line, &word)) == 1) {
            reg_buf_printf(&b, "%.*s;", (int) word.len, word.data);
        }

        is(reg_buf_slice(&b), rows[i].words, "words of a line");
        is_num(rc, rows[i].rc, "and its end");

        reg_buf_free(&b);
    }
}
