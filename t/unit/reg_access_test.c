
#include "reg_access.h"
#include "reg_test.h"

#include <stdlib.h>


static const char  rules_text[] =
    "deny   mallory    *                       **\n"
    "deny   *          delete                  frozen/**\n"
    "allow  anonymous  pull,list               public/**\n"
    "allow  reader     pull,list               team/** private\n"
    "allow  writer     pull,push               team/*\n"
    "allow  @release   pull,push,update        team/*\n"
    "allow  deleter    *                       team/** frozen/**\n"
    "deny   anonymous  *                       inner/**\n"
    "allow  *          pull                    inner/**\n"
    "allow  authenticated  *                   $user/**\n"
    "allow  user:anonymous  push               odd\n";

static const char  groups_text[] =
    "release: robot writer2\n";


static void test_matrix(void);
static void test_order(void);
static void test_none(void);
static void test_error(void);
static void test_spelling(void);
static void test_catalogue(void);
static reg_rules_t *rules(const char *text);


int
main(void)
{
    test_matrix();
    test_order();
    test_none();
    test_error();
    test_spelling();
    test_catalogue();

    return done_testing();
}


static reg_rules_t *
rules(const char *text)
{
    size_t        line;
    reg_why_t     why;
    reg_rules_t  *r;

    r = reg_rules_create();

    if (reg_rules_parse(r, reg_str_of(text), &line, &why) != 0) {
        printf("# line %zu: %s\n", line, why.text);
        abort();
    }

    return r;
}


/*
 * Everybody against everything.  What is allowed stands here as letters:
 * p(ull), P(ush), u(pdate), d(elete), l(ist); nothing else may be.
 */

static void
test_matrix(void)
{
    size_t          i, j;
    unsigned        bit, granted, want;
    reg_why_t       why;
    reg_rules_t    *r;
    reg_groups_t   *g;
    reg_subject_t   s;

    static const char  *names[] = {
        "public/a", "team/a", "team/a/b", "private", "frozen/a", "inner/a",
        "reader/x", "odd", "else", "team", "public"
    };

    static const struct {
        const char  *user;
        const char  *may[11];
    } rows[] = {
        { "",         { "pl", "",    "",    "",   "",   "",  "", "", "", "",
                        "" } },
        { "reader",   { "pl", "pl",  "pl",  "pl", "",   "p", "pPudl", "", "",
                        "", "" } },
        { "writer",   { "pl", "pP",  "",    "",   "",   "p", "", "", "", "",
                        "" } },
        { "robot",    { "pl", "pPu", "",    "",   "",   "p", "", "", "", "",
                        "" } },
        { "deleter",  { "pl", "pPudl", "pPudl", "", "pPul", "p", "", "", "",
                        "", "" } },
        { "stranger", { "pl", "",    "",    "",   "",   "p", "", "", "", "",
                        "" } },
        { "mallory",  { "",   "",    "",    "",   "",   "",  "", "", "", "",
                        "" } },
        { "Reader",   { "pl", "",    "",    "",   "",   "p", "", "", "", "",
                        "" } },
        { "anonymous", { "pl", "",   "",    "",   "",   "p", "", "P", "", "",
                         "" } },
        { "@release", { "pl", "",    "",    "",   "",   "p", "", "", "", "",
                        "" } },
        { "*",        { "pl", "",    "",    "",   "",   "p", "", "", "", "",
                        "" } }
    };

    static const struct {
        char      letter;
        unsigned  bit;
    } letters[] = {
        { 'p', REG_MAY_PULL }, { 'P', REG_MAY_PUSH }, { 'u', REG_MAY_UPDATE },
        { 'd', REG_MAY_DELETE }, { 'l', REG_MAY_LIST }
    };

    r = rules(rules_text);
    g = reg_groups_parse(reg_str_of(groups_text), NULL, NULL, &why);

    s.groups = g;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        s.user = reg_str_of(rows[i].user);

        for (j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
            size_t  k;

            want = 0;

            for (k = 0; k < 5; k++) {
                bit = letters[k].bit;

                if (strchr(rows[i].may[j], letters[k].letter) != NULL) {
                    want |= bit;
                }

                ok((reg_access_decide(r, &s, bit, reg_str_of(names[j]))
                    == REG_ACCESS_ALLOW)
                   == ((want & bit) != 0),
                   "A90: \"%s\", %c, %s", rows[i].user, letters[k].letter,
                   names[j]);
            }

            ok(reg_access_grant(r, &s, REG_MAY_ALL, reg_str_of(names[j]),
                                &granted)
               == 0 && granted == want, "A90, A94: and all at once");
        }
    }

    s.user = reg_str("writer");
    ok(reg_access_decide(r, &s, REG_MAY_PUSH, reg_str("team/a"))
       == REG_ACCESS_ALLOW, "A69: a tag is created");
    ok(reg_access_decide(r, &s, REG_MAY_UPDATE, reg_str("team/a"))
       == REG_ACCESS_DENY, "A69: none is overwritten");
    ok(reg_access_decide(r, &s, REG_MAY_PUSH|REG_MAY_UPDATE, reg_str("team/a"))
       == REG_ACCESS_DENY, "A69: nor with both asked at once");

    s.user = reg_str("robot");
    ok(reg_access_decide(r, &s, REG_MAY_UPDATE, reg_str("team/a"))
       == REG_ACCESS_ALLOW, "A69: he who may update, may");

    s.groups = NULL;
    ok(reg_access_decide(r, &s, REG_MAY_UPDATE, reg_str("team/a"))
       == REG_ACCESS_DENY, "no group file, no group");

    ok(reg_access_decide(r, &s, 0, reg_null_str) == REG_ACCESS_ALLOW,
       "a login and nothing more");
    s.user = reg_null_str;
    ok(reg_access_decide(r, &s, 0, reg_null_str) == REG_ACCESS_DENY,
       "which this is not");

    reg_groups_free(g);
    reg_rules_free(r);
}


static void
test_order(void)
{
    size_t         i;
    reg_rules_t   *r;
    reg_subject_t  s;

    static const struct {
        const char  *rules;
        const char  *user;
        int          allowed;     /* to push to a/b */
        const char  *name;
    } rows[] = {
        { "", "ann", 0, "an empty file" },
        { "allow ann push a/*\n", "ann", 1, "one rule" },
        { "allow ann push a/*\n", "bob", 0, "for another" },
        { "allow ann pull a/*\n", "ann", 0, "for another action" },
        { "allow ann push a\n",   "ann", 0, "for another repository" },
        { "deny ann push a/b\nallow ann push a/*\n", "ann", 0,
          "deny first" },
        { "allow ann push a/*\ndeny ann push a/b\n", "ann", 1,
          "allow first" },
        { "deny ann push a/c\nallow ann push a/*\n", "ann", 1,
          "a deny beside" },
        { "deny ann pull a/b\nallow ann push a/b\n", "ann", 1,
          "a deny of another action" },
        { "deny ann * a/b\nallow ann push a/b\n", "ann", 0,
          "a deny of all" },
        { "deny anonymous * **\nallow ann push **\n", "ann", 1,
          "deny anonymous is not about ann" },
        { "deny * * **\nallow ann push **\n", "ann", 0,
          "deny everybody is" },
        { "deny authenticated * **\nallow * push **\n", "ann", 0,
          "deny those who have logged in" },
        { "deny authenticated * **\nallow * push **\n", "", 1,
          "is not about the others" },
        { "allow ann push x y a/* z\n", "ann", 1, "the third pattern" },
        { "deny ann push ~.*/b\nallow ann push **\n", "ann", 0,
          "a regular expression denies" }
    };

    s.groups = NULL;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        r = rules(rows[i].rules);
        s.user = reg_str_of(rows[i].user);

        ok((reg_access_decide(r, &s, REG_MAY_PUSH, reg_str("a/b"))
            == REG_ACCESS_ALLOW) == rows[i].allowed, "A91: %s", rows[i].name);

        reg_rules_free(r);
    }
}


static void
test_none(void)
{
    reg_rules_t   *r;
    reg_subject_t  s = { reg_str("ann"), NULL };

    r = reg_rules_create();

    ok(reg_access_decide(r, &s, REG_MAY_DELETE, reg_str("a"))
       == REG_ACCESS_ALLOW, "without rules a login is enough");
    ok(reg_access_somewhere(r, &s, REG_MAY_LIST) == REG_ACCESS_ALLOW,
       "for the catalogue too");
    ok(reg_access_decide(r, &s, REG_MAY_PULL, reg_str("A"))
       == REG_ACCESS_DENY, "not for what is no name");
    ok(reg_access_decide(r, &s, REG_MAY_PULL, reg_null_str)
       == REG_ACCESS_DENY, "nor for none");

    s.user = reg_null_str;

    ok(reg_access_decide(r, &s, REG_MAY_PULL, reg_str("a"))
       == REG_ACCESS_DENY, "and no login is not");
    ok(reg_access_somewhere(r, &s, REG_MAY_LIST) == REG_ACCESS_DENY,
       "for the catalogue neither");

    reg_rules_free(r);
}


/* A rule that cannot be evaluated is not skipped, be it allow or deny. */

static void
test_error(void)
{
    char           text[255];
    unsigned       granted;
    reg_str_t      name;
    reg_rules_t   *r;
    reg_subject_t  s = { reg_str("ann"), NULL };

    memset(text, 'a', sizeof(text));
    name.data = text;
    name.len = sizeof(text);

    r = rules("deny * push ~(a+)+[/.]\nallow * pull,push **\n");

    ok(reg_access_decide(r, &s, REG_MAY_PUSH, name) == REG_ACCESS_ERROR,
       "a deny that gives up is an error");
    ok(reg_access_decide(r, &s, REG_MAY_PULL, name) == REG_ACCESS_ALLOW,
       "where it is not asked it does no harm");

    granted = REG_MAY_ALL;
    ok(reg_access_grant(r, &s, REG_MAY_ALL, name, &granted) == -1
       && granted == 0, "nothing is granted on an error");

    reg_rules_free(r);
}


/* One repository, whatever the path looked like (what nginx has decoded). */

static void
test_spelling(void)
{
    char           scratch[16];
    size_t         i;
    reg_op_t       op;
    reg_rc_t       rc;
    reg_error_t    e;
    reg_rules_t   *r;
    reg_subject_t  s = { reg_str("ann"), NULL };

    static const struct {
        reg_str_t  path;
        int        allowed;
    } rows[] = {
        { reg_str("/v2/team/app/tags/list"),        1 },
        { reg_str("/v2/team/app/manifests/x"),      1 },
        { reg_str("/v2/team/app/manifests/b/manifests/x"), 0 },
        { reg_str("/v2/team/tags/list"),            0 },
        { reg_str("/v2/team//app/tags/list"),       0 },
        { reg_str("/v2/team/./app/tags/list"),      0 },
        { reg_str("/v2/team/app;x=y/tags/list"),    0 },
        { reg_str("/v2/team%2fapp/tags/list"),      0 },
        { reg_str("/v2/TEAM/app/tags/list"),        0 },
        { reg_str("/v2/team/app/a/../b/tags/list"), 0 },
        { reg_str("/v2/x/team/app/tags/list"),      0 }
    };

    r = rules("allow ann pull team/*\n");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_error_clear(&e);

        rc = reg_route_parse(&op, REG_METHOD_GET, rows[i].path, reg_null_str,
                             scratch, &e);

        ok((rc == REG_OK
            && reg_access_decide(r, &s, reg_may_of(reg_op_action(op.op)),
                                 op.name)
               == REG_ACCESS_ALLOW)
           == rows[i].allowed, "A92: %s", rows[i].path.data);
    }

    reg_rules_free(r);
}


/* A93: who may see 3 of 1,000 sees these. */

static void
test_catalogue(void)
{
    char           name[32];
    size_t         i, n;
    reg_rules_t   *r;
    reg_subject_t  s = { reg_str("ann"), NULL };

    r = rules("allow ann list team/r7 team/r77 team/r777\n"
              "allow bob pull **\n");

    n = 0;

    for (i = 0; i < 1000; i++) {
        (void) snprintf(name, sizeof(name), "team/r%zu", i);

        if (reg_access_decide(r, &s, REG_MAY_LIST, reg_str_of(name))
            == REG_ACCESS_ALLOW)
        {
            n++;
            ok(i == 7 || i == 77 || i == 777, "A93: %s", name);
        }
    }

    is_num((long long) n, 3, "A93: three of a thousand");

    ok(reg_access_somewhere(r, &s, REG_MAY_LIST) == REG_ACCESS_ALLOW,
       "A93: there is a catalogue for her");

    s.user = reg_str("bob");
    ok(reg_access_somewhere(r, &s, REG_MAY_LIST) == REG_ACCESS_DENY,
       "A93: not for him");

    s.user = reg_null_str;
    ok(reg_access_somewhere(r, &s, REG_MAY_LIST) == REG_ACCESS_DENY,
       "A93: nor for nobody");

    reg_rules_free(r);

    /* what is denied is no right, and takes none away elsewhere */

    r = rules("deny ann list secret/**\n"
              "deny bob list secret/**\n"
              "allow ann list **\n"
              "allow bob pull **\n");

    s.user = reg_str("ann");
    ok(reg_access_somewhere(r, &s, REG_MAY_LIST) == REG_ACCESS_ALLOW,
       "A93: for her who may not see some");

    s.user = reg_str("bob");
    ok(reg_access_somewhere(r, &s, REG_MAY_LIST) == REG_ACCESS_DENY,
       "A93: not for him whom rules deny it alone");

    reg_rules_free(r);
}
