
#include "reg_pattern.h"
#include "reg_test_alloc.h"

#include "reg_glob.c"
#include "reg_pattern.c"
#include "reg_regex.c"


static void test_match(void);
static void test_invalid(void);
static void test_limit(void);
static void test_alloc(void);
static int matches(const reg_pattern_t *p, reg_str_t user, reg_str_t name);


int
main(void)
{
    reg_test_alloc_init();

    test_match();
    test_invalid();
    test_limit();
    test_alloc();

    return done_testing();
}


static int
matches(const reg_pattern_t *p, reg_str_t user, reg_str_t name)
{
    int                rc;
    reg_pattern_ctx_t  ctx;

    reg_pattern_begin(&ctx, user);
    rc = reg_pattern_match(p, &ctx, name);
    reg_pattern_end(&ctx);

    return rc;
}


static void
test_match(void)
{
    int             rc;
    size_t          i;
    reg_why_t       why;
    reg_pattern_t  *p;

    static const struct {
        reg_str_t    pattern;
        const char  *user;
        const char  *name;
        int          rc;
    } rows[] = {
        /* one component */
        { reg_str("team/*"),     "",  "team",          0 },
        { reg_str("team/*"),     "",  "team/a",        1 },
        { reg_str("team/*"),     "",  "team/a/b",      0 },
        { reg_str("team/*"),     "",  "teamx",         0 },
        { reg_str("team/*"),     "",  "teamx/a",       0 },
        { reg_str("team/*"),     "",  "x/team/a",      0 },
        { reg_str("*"),          "",  "a",             1 },
        { reg_str("*"),          "",  "a/b",           0 },
        { reg_str("*/*"),        "",  "a/b",           1 },
        { reg_str("team"),       "",  "team",          1 },
        { reg_str("team"),       "",  "tea",           0 },
        { reg_str("team"),       "",  "team/a",        0 },
        { reg_str("a*"),         "",  "a",             1 },
        { reg_str("a*"),         "",  "abc",           1 },
        { reg_str("a*"),         "",  "ba",            0 },
        { reg_str("*a"),         "",  "ba",            1 },
        { reg_str("*a"),         "",  "ab",            0 },
        { reg_str("a*c"),        "",  "abbc",          1 },
        { reg_str("a*c"),        "",  "abb",           0 },
        { reg_str("a*b*c"),      "",  "abxbc",         1 },
        { reg_str("a*b*c"),      "",  "acb",           0 },
        { reg_str("*ab*ab"),     "",  "ababab",        1 },
        { reg_str("*ab*ab"),     "",  "ab",            0 },
        { reg_str("x-*-y/z"),    "",  "x-1-2-y/z",     1 },
        { reg_str("x-*-y/z"),    "",  "x-y/z",         0 },
        { reg_str("a.b"),        "",  "a.b",           1 },
        { reg_str("a.b"),        "",  "axb",           0 },

        /* any depth */
        { reg_str("**"),         "",  "a",             1 },
        { reg_str("**"),         "",  "a/b/c/d",       1 },
        { reg_str("team/**"),    "",  "team",          0 },
        { reg_str("team/**"),    "",  "team/a",        1 },
        { reg_str("team/**"),    "",  "team/a/b",      1 },
        { reg_str("team/**"),    "",  "teamx",         0 },
        { reg_str("team/**"),    "",  "teamx/a",       0 },
        { reg_str("**/app"),     "",  "app",           1 },
        { reg_str("**/app"),     "",  "a/app",         1 },
        { reg_str("**/app"),     "",  "a/b/app",       1 },
        { reg_str("**/app"),     "",  "a/xapp",        0 },
        { reg_str("**/app"),     "",  "app/a",         0 },
        { reg_str("**/app"),     "",  "app/app",       1 },
        { reg_str("a/**/b"),     "",  "a/b",           1 },
        { reg_str("a/**/b"),     "",  "a/x/b",         1 },
        { reg_str("a/**/b"),     "",  "a/x/y/b",       1 },
        { reg_str("a/**/b"),     "",  "a/b/c",         0 },
        { reg_str("a/**/b"),     "",  "a/b/b",         1 },
        { reg_str("a/**/b"),     "",  "ab",            0 },
        { reg_str("**/x/**"),    "",  "x",             0 },
        { reg_str("**/x/**"),    "",  "x/a",           1 },
        { reg_str("**/x/**"),    "",  "a/x/b/c",       1 },
        { reg_str("**/x/**"),    "",  "a/x",           0 },
        { reg_str("**/*"),       "",  "a",             1 },
        { reg_str("**/*"),       "",  "a/b",           1 },
        { reg_str("*/**"),       "",  "a",             0 },
        { reg_str("*/**"),       "",  "a/b/c",         1 },
        { reg_str("**/a/b/**/c"), "", "a/x/a/b/y/c",   1 },
        { reg_str("**/a/b/**/c"), "", "a/x/b/y/c",     0 },
        { reg_str("**/a*/**/*z"), "", "q/ab/r/s/yz",   1 },

        /* one's own */
        { reg_str("$user/**"),   "ann",    "ann/app",     1 },
        { reg_str("$user/**"),   "ann",    "ann",         0 },
        { reg_str("$user/**"),   "ann",    "anna/app",    0 },
        { reg_str("$user/**"),   "ann",    "bob/app",     0 },
        { reg_str("$user/**"),   "",       "ann/app",     0 },
        { reg_str("$user/**"),   "",       "app",         0 },
        { reg_str("$user*"),     "",       "app",         0 },
        { reg_str("*$user"),     "",       "app",         0 },
        { reg_str("app${user}"), "",       "app",         0 },
        { reg_str("$user*/**"),  "Ann",    "app/a",       0 },
        { reg_str("$user/**"),   "Ann",    "ann/app",     0 },
        { reg_str("$user/**"),   "a/b",    "a/b/app",     0 },
        { reg_str("$user/**"),   "a*",     "ab/app",      0 },
        { reg_str("$user/**"),   "**",     "ab/app",      0 },
        { reg_str("$user/**"),   "$user",  "ab/app",      0 },
        { reg_str("$user/**"),   "..",     "ab/app",      0 },
        { reg_str("$user"),      "ann",    "ann",         1 },
        { reg_str("x-$user-*/y"), "ann",   "x-ann-1/y",   1 },
        { reg_str("x-$user-*/y"), "ann",   "x-bob-1/y",   0 },
        { reg_str("${user}2/a"), "ann",    "ann2/a",      1 },
        { reg_str("$user/$user"), "ann",   "ann/ann",     1 },
        { reg_str("$user/$user"), "ann",   "ann/bob",     0 },
        { reg_str("*$user"),     "ann",    "annann",      1 },

        /* regular expressions: the whole name */
        { reg_str("~team/.*"),      "", "team/a/b",       1 },
        { reg_str("~team/.*"),      "", "xteam/a",        0 },
        { reg_str("~team"),         "", "team",           1 },
        { reg_str("~team"),         "", "team/a",         0 },
        { reg_str("~a|ab"),         "", "ab",             1 },
        { reg_str("~^team/[a-z]+$"), "", "team/abc",      1 },
        { reg_str("~^team/[a-z]+$"), "", "team/ab1",      0 },
        { reg_str("~(a|b)\\1"),     "", "aa",             1 },
        { reg_str("~(a|b)\\1"),     "", "ab",             0 },
        { reg_str("~a\\.b"),        "", "a.b",            1 },
        { reg_str("~a\\.b"),        "", "axb",            0 },
        { reg_str("~(?i)TEAM"),     "", "team",           1 },

        { reg_str("~$user/.*"),     "ann", "ann/x",       1 },
        { reg_str("~$user/.*"),     "ann", "anna/x",      0 },
        { reg_str("~$user/.*"),     "ann", "bob/x",       0 },
        { reg_str("~$user/.*"),     "",    "ann/x",       0 },
        { reg_str("~$user/.*"),     "",    "/x",          0 },
        { reg_str("~$user/.*"),     "a/b", "a/b/x",       0 },
        { reg_str("~.*"),           "",    "ann/x",       1 },
        { reg_str("~^$user/x$"),    "ann", "ann/x",       1 },
        { reg_str("~^$user/x$"),    "ann", "ann/xy",      0 },
        { reg_str("~^$user/x$"),    "ann", "bob/ann/x",   0 },
        { reg_str("~$user"),        "ann", "ann",         1 },
        { reg_str("~.*$user.*"),    "ann", "x/ann/y",     1 },
        { reg_str("~.*$user.*"),    "ann", "x/bob/y",     0 },
        { reg_str("~(x|$user)/y"),  "ann", "ann/y",       1 },
        { reg_str("~(x|$user)/y"),  "bob", "x/y",         1 },
        { reg_str("~(x|$user)/y"),  "bob", "ann/y",       0 },
        { reg_str("~${user}2/y"),   "ann", "ann2/y",      1 },
        { reg_str("~[^/]+/$user"),  "ann", "x/ann",       1 },
        { reg_str("~[^/]*$user/x"), "b",   "ab/x",        1 },
        { reg_str("~$user/x|.*"),   "ann", "bob",         1 },
        { reg_str("~$user/x|.*"),   "",    "bob",         0 },
        { reg_str("~a\\.$user"),    "ann", "a.ann",       1 },
        { reg_str("~$user"),        "a.b", "a.b",         1 },
        { reg_str("~$user"),        "a.b", "axb",         0 },
        { reg_str("~a\\Q$user\\E"), "ann", "aann",        0 },
        { reg_str("~$user/(?-i)X"), "ann", "ann/x",       0 },
        { reg_str("~$user/(?i)X"),  "ann", "ann/x",       1 },
        { reg_str("~a$"),           "",    "a",           1 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        p = reg_pattern_compile(rows[i].pattern, &why);

        if (!ok(p != NULL, "pattern %s", rows[i].pattern.data)) {
            printf("#   %s\n", why.text);
            continue;
        }

        rc = matches(p, reg_str_of(rows[i].user), reg_str_of(rows[i].name));

        ok(rc == rows[i].rc, "A91: %s against %s for \"%s\": %d",
           rows[i].pattern.data, rows[i].name, rows[i].user, rc);

        reg_pattern_free(p);
    }
}


static void
test_invalid(void)
{
    char            text[REG_PATTERN_MAX + 2];
    size_t          i;
    reg_str_t       s;
    reg_why_t       why;
    reg_pattern_t  *p;

    static const struct {
        reg_str_t    pattern;
        const char  *why;
    } rows[] = {
        { reg_str(""),              "empty" },
        { reg_null_str,             "empty" },
        { reg_str("/"),             "empty component" },
        { reg_str("/a"),            "empty component" },
        { reg_str("a/"),            "ends with a slash" },
        { reg_str("a//b"),          "empty component" },
        { reg_str("**/"),           "ends with a slash" },
        { reg_str("a/***"),         "\"**\" has to be" },
        { reg_str("a**"),           "\"**\" has to be" },
        { reg_str("**b/c"),         "\"**\" has to be" },
        { reg_str("**/**"),         "no more than" },
        { reg_str("a/**/**/b"),     "no more than" },
        { reg_str("Team/*"),        "repository's name" },
        { reg_str("team app"),      "repository's name" },
        { reg_str("a..b"),          "repository's name" },
        { reg_str("-a"),            "repository's name" },
        { reg_str("a/_b"),          "repository's name" },
        { reg_str("a?"),            "repository's name" },
        { reg_str("[ab]"),          "repository's name" },
        { reg_str("{a,b}"),         "repository's name" },
        { reg_str("a:b"),           "repository's name" },
        { reg_str("a\\b"),          "repository's name" },
        { reg_str("a%2fb"),         "repository's name" },
        { reg_str("a\0b"),          "NUL" },
        { reg_str("t\xc3\xa9/*"),   "repository's name" },
        { reg_str("$users/**"),     "unknown variable" },
        { reg_str("$remote_user"),  "unknown variable" },
        { reg_str("$user_x"),       "unknown variable" },
        { reg_str("a$"),            "unknown variable" },
        { reg_str("${user"),        "unknown variable" },
        { reg_str("$/a"),           "unknown variable" },

        { reg_str("~"),             "empty" },
        { reg_str("~("),            "no regular expression" },
        { reg_str("~*"),            "no regular expression" },
        { reg_str("~[a"),           "no regular expression" },
        { reg_str("~a{99999}"),     "no regular expression" },
        { reg_str("~(*ACCEPT)"),    "verbs" },
        { reg_str("~a(*ACCEPT)b"),  "verbs" },
        { reg_str("~(*LIMIT_MATCH=9999999)a"), "verbs" },
        { reg_str("~$username/.*"), "unknown variable" },
        { reg_str("~${users}/.*"),  "unknown variable" },
        { reg_str("~$user/(a)\\1"), "cannot stand together" },
        { reg_str("~$user/\\Aa"),   "cannot stand together" },
        { reg_str("~$user/\\Ga"),   "cannot stand together" },
        { reg_str("~$user/(?1)"),   "cannot stand together" },
        { reg_str("~$user/(?R)?"),  "cannot stand together" },
        { reg_str("~$user/(?-1)"),  "cannot stand together" },
        { reg_str("~$user/a\\K"),   "cannot stand together" },
        { reg_str("~$user/\\Qa"),   "cannot stand together" },
        { reg_str("~$user)|(.*"),   "no regular expression" },
        { reg_str("~$user|.*)|(?:.*"), "no regular expression" },
        { reg_str("~(?x)$user/a #"), "no regular expression" },
        { reg_str("~$user/a\\"),    "no regular expression" },
        { reg_str("~$user/[a"),     "no regular expression" },
        { reg_str("~$user/(?#"),    "no regular expression" },
        { reg_str("~[$user]/x"),    "within brackets" },
        { reg_str("~a[^]$user]/x"), "within brackets" },
        { reg_str("~[]a${user}]"),  "within brackets" },
        { reg_str("~[[:alpha:]$user]"), "within brackets" },
        { reg_str("~[\\]$user]x"),  "within brackets" },
        { reg_str("~$user/(?P>a)(?<a>x)"), "cannot stand together" },
        { reg_str("~$user/(?(1)a)"), "cannot stand together" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        why.text[0] = '\0';
        p = reg_pattern_compile(rows[i].pattern, &why);

        ok(p == NULL && strstr(why.text, rows[i].why) != NULL,
           "A91: %.*s: %s", (int) rows[i].pattern.len, rows[i].pattern.data,
           why.text);

        reg_pattern_free(p);
    }

    memset(text, 'a', sizeof(text));
    s.data = text;

    s.len = REG_PATTERN_MAX + 1;
    ok(reg_pattern_compile(s, &why) == NULL, "too long: %s", why.text);

    s.len = REG_NAME_MAX;
    p = reg_pattern_compile(s, &why);
    ok(p != NULL && matches(p, reg_null_str, s) == 1, "as long as a name");
    reg_pattern_free(p);

    p = reg_pattern_compile(reg_str("**"), &why);
    s.len = REG_NAME_MAX + 1;
    ok(matches(p, reg_null_str, s) == 0, "a name that is too long");
    ok(matches(p, reg_null_str, reg_null_str) == 0, "no name");
    reg_pattern_free(p);
}


static void
test_limit(void)
{
    char            text[REG_NAME_MAX];
    size_t          i;
    reg_str_t       s;
    reg_why_t       why;
    reg_pattern_t  *p;

    memset(text, 'a', sizeof(text));
    s.data = text;
    s.len = sizeof(text);

    p = reg_pattern_compile(reg_str("~(a+)+[bc]"), &why);
    is_num(matches(p, reg_null_str, s), -1,
           "an expression without end gives up, neither yes nor no");
    is_num(matches(p, reg_null_str, reg_str("aab")), 1, "and may say yes");
    is_num(matches(p, reg_null_str, reg_str("c")), 0, "and no");
    reg_pattern_free(p);

    /* stars against a name that fails at its end */

    for (i = 1; i < sizeof(text); i += 2) {
        text[i] = '/';
    }

    p = reg_pattern_compile(reg_str("**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/b"),
                            &why);
    is_num(matches(p, reg_null_str, s), 0, "many \"**\"");
    reg_pattern_free(p);

    memset(text, 'a', sizeof(text));
    p = reg_pattern_compile(reg_str("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*ab"), &why);
    is_num(matches(p, reg_null_str, s), 0, "many \"*\"");
    reg_pattern_free(p);
}


static void
test_alloc(void)
{
    int             hit;
    size_t          i;
    reg_why_t       why;
    unsigned long   n;
    reg_pattern_t  *p;

    static const reg_str_t  patterns[] = {
        { 6, "a/**/b" }, { 7, "~a/b|.*" }, { 8, "~$user/x" }
    };

    for (i = 0; i < 3; i++) {
        for (n = 1; ; n++) {
            why.text[0] = '\0';

            reg_test_alloc_fail(n, 0);
            p = reg_pattern_compile(patterns[i], &why);
            hit = reg_test_alloc_restore();

            ok((p == NULL) == hit && (strcmp(why.text, "out of memory") == 0)
                                     == hit,
               "allocation %lu fails", n);
            reg_pattern_free(p);

            if (!hit) {
                break;
            }
        }

        ok(n > 2, "allocations were made to fail");
    }
}
