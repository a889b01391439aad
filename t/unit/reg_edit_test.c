
#include "reg_edit.h"
#include "reg_test.h"


static void test_rows(void);
static void test_password(void);
static void test_find(void);
static void test_room(void);


int
main(void)
{
    test_rows();
    test_password();
    test_find();
    test_room();

    return done_testing();
}


/* The key is "ann". */

static void
test_rows(void)
{
    size_t     i;
    reg_buf_t  b;

    static const struct {
        reg_str_t    text;
        const char  *line;        /* NULL: to be removed */
        reg_str_t    want;
        const char  *name;
    } rows[] = {
        { reg_str(""), "ann:N", reg_str("ann:N\n"), "an empty file" },
        { reg_str("bob:1\n"), "ann:N", reg_str("bob:1\nann:N\n"),
          "a new line" },
        { reg_str("bob:1"), "ann:N", reg_str("bob:1\nann:N\n"),
          "behind a last line without end" },
        { reg_str("bob:1\r\n"), "ann:N", reg_str("bob:1\r\nann:N\r\n"),
          "CRLF" },
        { reg_str("bob:1\r\ncat:2"), "ann:N",
          reg_str("bob:1\r\ncat:2\r\nann:N\r\n"), "CRLF without end" },
        { reg_str("# ann:1\n\n  \nbob:1\n\n"), "ann:N",
          reg_str("# ann:1\n\n  \nbob:1\n\nann:N\n"), "comments stay" },
        { reg_str("ann:1\nbob:2\n"), "ann:N", reg_str("ann:N\nbob:2\n"),
          "the first" },
        { reg_str("bob:2\r\nann:1\ncat:3\r\n"), "ann:N",
          reg_str("bob:2\r\nann:N\ncat:3\r\n"), "one between, its own end" },
        { reg_str("bob:2\nann:1"), "ann:N", reg_str("bob:2\nann:N\n"),
          "the last, without end" },
        { reg_str("bob:2\r\nann:1"), "ann:N", reg_str("bob:2\r\nann:N\r\n"),
          "the last, without end, CRLF" },
        { reg_str("ann:1\nbob:2\n ann:3 \nann:4"), "ann:N",
          reg_str("ann:N\nbob:2\n"), "those that did not count go" },
        { reg_str("  ann:1\t\nann2:2\nan:3\nANN:4\nxann:5\nann :6\nann\n"),
          "ann:N",
          reg_str("ann:N\nann2:2\nan:3\nANN:4\nxann:5\nann :6\nann\n"),
          "names that are like it" },
        { reg_str("a\0b\xff\nann:1\n\0\n"), "ann:N",
          reg_str("a\0b\xff\nann:N\n\0\n"), "any byte" },
        { reg_str(""), NULL, reg_str("\n"), "nothing to remove" },
        { reg_str("bob:1\r\n#\nann\nann2:1"), NULL,
          reg_str("bob:1\r\n#\nann\nann2:1\r\n"), "nobody to remove" },
        { reg_str("# a\nann:1\n# b\nann:2\nbob:3\nann:4"), NULL,
          reg_str("# a\n# b\nbob:3\n"), "all of them removed" },
        { reg_str("bob:3\nann:4\ncat:5"), NULL, reg_str("bob:3\ncat:5\n"),
          "removed before a line without end" },
        { reg_str("ann:1\n"), NULL, reg_str("\n"), "the last one removed" },
        { reg_str("ann:\n"), NULL, reg_str("\n"), "one without a hash" },
        { reg_str("ann:1\nbob:2"), "ann:N", reg_str("ann:N\nbob:2\n"),
          "replaced before a line without end" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);

        if (rows[i].line == NULL) {
            ok(reg_edit_remove(&b, rows[i].text, ":", reg_str("ann")) == 0,
               "row %zu", i);

        } else {
            ok(reg_edit_set(&b, rows[i].text, ":", reg_str("ann"),
                            reg_str_of(rows[i].line)) == 0, "row %zu", i);
        }

        is_str(reg_buf_slice(&b), rows[i].want, rows[i].name);
        reg_buf_free(&b);
    }
}


static void
test_password(void)
{
    size_t     i;
    reg_buf_t  b;

    static const struct {
        const char  *text;
        const char  *want;
    } rows[] = {
        { "", "ann:N\n" },
        { "ann:1\n", "ann:N\n" },
        { "ann:1:Ann: her own\n", "ann:N:Ann: her own\n" },
        { "ann:1:\n", "ann:N:\n" },
        { "ann:\n", "ann:N\n" },
        { "ann::x\n", "ann:N:x\n" },
        { "bob:1:b\nann:1\n", "bob:1:b\nann:N\n" },
        { "ann:1:a\nann:2:b\n", "ann:N:a\n" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);

        ok(reg_edit_password(&b, reg_str_of(rows[i].text), reg_str("ann"),
                             reg_str("N")) == 0, "row %zu", i);
        is(reg_buf_slice(&b), rows[i].want, "a password set");

        reg_buf_free(&b);
    }
}


static void
test_find(void)
{
    reg_str_t  line;

    static const reg_str_t  text = reg_str("#ci x\n ci\tone \r\nci two\nx y\n");

    ok(reg_edit_find(text, " \t", reg_str("ci"), &line), "a token is found");
    is(line, "ci\tone", "the first of them");
    ok(!reg_edit_find(text, " \t", reg_str("c"), &line), "half a name is not");
    ok(!reg_edit_find(text, ":", reg_str("ci"), &line), "nor by other ends");
    ok(!reg_edit_find(text, " \t", reg_str("one"), &line), "nor a value");
    ok(!reg_edit_find(reg_null_str, ":", reg_str("ci"), &line), "in nothing");
}


static void
test_room(void)
{
    reg_buf_t  b;

    reg_buf_init(&b, 12);
    ok(reg_edit_set(&b, reg_str("bob:1\n"), ":", reg_str("ann"),
                    reg_str("ann:N")) == 0, "just room enough");
    reg_buf_free(&b);

    reg_buf_init(&b, 11);
    ok(reg_edit_set(&b, reg_str("bob:1\n"), ":", reg_str("ann"),
                    reg_str("ann:N")) == -1, "a byte too few");
    reg_buf_free(&b);

    reg_buf_init(&b, 4);
    ok(reg_edit_password(&b, reg_null_str, reg_str("ann"), reg_str("N")) == -1,
       "no room for the line");
    reg_buf_free(&b);
}
