
#include "reg_rules.h"
#include "reg_access.h"
#include "reg_test_alloc.h"

#include "reg_rules.c"


static void test_words(void);
static void test_file(void);
static void test_ask(void);
static void test_alloc(void);


int
main(void)
{
    reg_test_alloc_init();

    test_words();
    test_file();
    test_ask();
    test_alloc();

    return done_testing();
}


static void
test_words(void)
{
    int           rc;
    size_t        i, n;
    reg_why_t     why;
    reg_rules_t  *r;

    static const struct {
        reg_str_t    words[4];
        const char  *why;         /* NULL: it is a rule */
    } rows[] = {
        { { reg_str("ann"), reg_str("pull"), reg_str("**") }, NULL },
        { { reg_str("@dev"), reg_str("pull,push"), reg_str("a/*"),
            reg_str("~b.*") }, NULL },
        { { reg_str("anonymous"), reg_str("pull"), reg_str("a/**") }, NULL },
        { { reg_str("authenticated"), reg_str("*"), reg_str("**") }, NULL },
        { { reg_str("*"), reg_str("list"), reg_str("**") }, NULL },
        { { reg_str("user:*"), reg_str("delete"), reg_str("**") }, NULL },
        { { reg_str("user:@x"), reg_str("update"), reg_str("**") }, NULL },
        { { reg_str("CN=Ann Ono,O=x"), reg_str("pull"), reg_str("**") },
          NULL },
        { { reg_str("ann"), reg_str("delete,list,update,push,pull"),
            reg_str("**") }, NULL },

        { { reg_null_str }, "needs who" },
        { { reg_str("ann") }, "needs who" },
        { { reg_str("ann"), reg_str("pull") }, "needs who" },
        { { reg_str("@"), reg_str("pull"), reg_str("**") }, "no user" },
        { { reg_str("@a b"), reg_str("pull"), reg_str("**") }, "no user" },
        { { reg_str("user:"), reg_str("pull"), reg_str("**") }, "no user" },
        { { reg_str("a\x01"), reg_str("pull"), reg_str("**") }, "no user" },
        { { reg_str("ann"), reg_str("pul"), reg_str("**") },
          "no action \"pul\"" },
        { { reg_str("ann"), reg_str("PULL"), reg_str("**") }, "no action" },
        { { reg_str("ann"), reg_str("pull,"), reg_str("**") },
          "no action \"\"" },
        { { reg_str("ann"), reg_str(",pull"), reg_str("**") }, "no action" },
        { { reg_str("ann"), reg_str("pull,,push"), reg_str("**") },
          "no action" },
        { { reg_str("ann"), reg_str("pull push"), reg_str("**") },
          "no action" },
        { { reg_str("ann"), reg_str("pull,*"), reg_str("**") }, "no action" },
        { { reg_str("ann"), reg_str("pull,pull"), reg_str("**") }, "twice" },
        { { reg_str("ann"), reg_str("write"), reg_str("**") }, "no action" },
        { { reg_str("ann"), reg_str("pull"), reg_str("Team/*") },
          "repository's name" },
        { { reg_str("ann"), reg_str("pull"), reg_str("a"), reg_str("~(") },
          "no regular expression" },
        { { reg_str("pull"), reg_str("ann"), reg_str("**") },
          "no action \"ann\"" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        r = reg_rules_create();
        why.text[0] = '\0';

        for (n = 0; n < 4 && rows[i].words[n].len != 0; n++) {
            /* void */
        }

        rc = reg_rules_add(r, 1, rows[i].words, n, &why);

        if (rows[i].why == NULL) {
            ok(rc == 0 && reg_rules_count(r) == 1, "A91: rule %zu", i);

        } else {
            ok(rc == -1 && reg_rules_count(r) == 0
               && strstr(why.text, rows[i].why) != NULL,
               "A91: no rule %zu: %s", i, why.text);
        }

        reg_rules_free(r);
    }
}


static void
test_file(void)
{
    int              rc;
    size_t           i, line;
    reg_why_t        why;
    reg_rules_t     *r;
    reg_subject_t    ann;

    static const struct {
        reg_str_t    text;
        int          rc;
        size_t       line;
        size_t       count;
        const char  *why;
    } rows[] = {
        { reg_str(""), 0, 0, 0, "" },
        { reg_str("# nothing\n\n"), 0, 0, 0, "" },
        { reg_str("allow ann pull **\n"), 0, 0, 1, "" },
        { reg_str("allow ann pull **\r\ndeny\t* \"*\" a/** b\n"), 0, 0, 2,
          "" },
        { reg_str("allow \"Ann Ono\" pull **"), 0, 0, 1, "" },
        { reg_str("allow ann pull **\nallows ann pull **\n"), -1, 2, 1,
          "begins with" },
        { reg_str("ann pull **\n"), -1, 1, 0, "begins with" },
        { reg_str("\n\nallow\n"), -1, 3, 0, "needs who" },
        { reg_str("deny ann pull\n"), -1, 1, 0, "needs who" },
        { reg_str("allow ann pull \"**\n"), -1, 1, 0, "quote" },
        { reg_str("allow ann pull A\nallow ann pull **\n"), -1, 1, 0,
          "repository's name" },
        { reg_str("allow ann pull **;\n"), -1, 1, 0, "\"**\" has to be" },
        { reg_str("allow ann pull ** # all\n"), -1, 1, 0,
          "repository's name" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        r = reg_rules_create();
        why.text[0] = '\0';

        rc = reg_rules_parse(r, rows[i].text, &line, &why);

        ok(rc == rows[i].rc && line == rows[i].line
           && reg_rules_count(r) == rows[i].count
           && strstr(why.text, rows[i].why) != NULL,
           "A91: file %zu: %d, line %zu: %s", i, rc, line, why.text);

        ann.user = reg_str("zoe");
        ann.groups = NULL;

        ok(reg_access_decide(r, &ann, REG_MAY_PULL, reg_str("x/y"))
           != REG_ACCESS_ALLOW, "A91: a file never opens");

        reg_rules_free(r);
    }
}


static void
test_ask(void)
{
    size_t        line, i;
    reg_why_t     why;
    reg_rules_t  *r;

    r = reg_rules_create();
    ok(!reg_rules_anonymous(r), "no rules: none for anonymous");

    (void) reg_rules_parse(r, reg_str("deny anonymous * a\n"
                                      "deny * * b\n"
                                      "allow authenticated * **\n"
                                      "allow @dev pull **\n"
                                      "allow @ops pull **\n"), &line, &why);
    ok(!reg_rules_anonymous(r), "no rule allows anonymous anything");

    i = 0;
    is(reg_rules_next_group(r, &i), "dev", "a group");
    is(reg_rules_next_group(r, &i), "ops", "the next");
    ok(reg_rules_next_group(r, &i).len == 0, "no more");
    ok(reg_rules_next_group(r, &i).len == 0, "none after the end");

    (void) reg_rules_parse(r, reg_str("allow anonymous pull c\n"), &line,
                           &why);
    ok(reg_rules_anonymous(r), "now one does");
    reg_rules_free(r);

    r = reg_rules_create();
    (void) reg_rules_parse(r, reg_str("allow * pull c\n"), &line, &why);
    ok(reg_rules_anonymous(r), "everybody is anonymous too");
    reg_rules_free(r);
}


static void
test_alloc(void)
{
    int            rc, hit;
    size_t         line, i;
    reg_buf_t      b;
    reg_why_t      why;
    reg_rules_t   *r;
    unsigned long  n;

    reg_buf_init(&b, 4096);

    for (i = 0; i < 20; i++) {
        reg_buf_printf(&b, "allow u%zu pull a/** b c/*\n", i);
    }

    for (n = 1; ; n++) {
        reg_test_alloc_fail(n, 0);
        r = reg_rules_create();
        rc = (r == NULL) ? -1 : reg_rules_parse(r, reg_buf_slice(&b), &line,
                                                &why);
        hit = reg_test_alloc_restore();

        ok((rc != 0) == hit, "allocation %lu fails", n);
        reg_rules_free(r);

        if (!hit) {
            break;
        }
    }

    ok(n > 40, "allocations were made to fail");

    reg_buf_free(&b);
}
