
#include "reg_condition.h"
#include "reg_test.h"

#include <stdlib.h>
#include <string.h>


#define A  "sha256:" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B  "sha256:" "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" \
           "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"


static void test_lists(void);
static void test_both(void);


static reg_digest_t  a;


int
main(void)
{
    is_num(reg_digest_parse(&a, reg_str(A), NULL), REG_OK, "a digest");

    test_lists();
    test_both();

    return done_testing();
}


/* A copy of its own size, so that a byte too far is seen. */

static int
holds(const char *match, const char *none, const reg_digest_t *d)
{
    int              rc;
    char            *m, *n;
    reg_condition_t  c;

    c.match = reg_null_str;
    c.none_match = reg_null_str;
    m = NULL;
    n = NULL;

    if (match != NULL) {
        m = malloc(strlen(match) + (match[0] == '\0'));
        memcpy(m, match, strlen(match));
        c.match.data = m;
        c.match.len = strlen(match);
    }

    if (none != NULL) {
        n = malloc(strlen(none) + (none[0] == '\0'));
        memcpy(n, none, strlen(none));
        c.none_match.data = n;
        c.none_match.len = strlen(none);
    }

    rc = reg_condition_holds(&c, d);

    ok(reg_condition_any(&c) == (match != NULL || none != NULL),
       "one is there, or none");

    free(m);
    free(n);

    return rc;
}


static void
test_lists(void)
{
    size_t  i;

    /* what holds of A: If-Match, If-None-Match; and of nothing */

    static const struct {
        const char  *list;
        int          match;
        int          none;
        int          match_nothing;
        int          none_nothing;
    } rows[] = {
        { "*",                                    1, 0, 0, 1 },
        { " *\t",                                 1, 0, 0, 1 },
        { "\"" A "\"",                            1, 0, 0, 1 },
        { "\t\"" A "\" ",                         1, 0, 0, 1 },
        { "\"" B "\"",                            0, 1, 0, 1 },
        { "\"" B "\", \"" A "\"",                 1, 0, 0, 1 },
        { "\"" B "\",\"" A "\"",                  1, 0, 0, 1 },
        { "\"" A "\" , \"" B "\"",                1, 0, 0, 1 },
        { ", ,\"" A "\",,",                       1, 0, 0, 1 },
        { "\"\"",                                 0, 1, 0, 1 },
        { "\"x,y\", \"" A "\"",                   1, 0, 0, 1 },
        { "\"*\"",                                0, 1, 0, 1 },
        { "\"" A "x\"",                           0, 1, 0, 1 },
        { "\"sha256:aaa\"",                       0, 1, 0, 1 },

        /* a weak tag is none for If-Match */

        { "W/\"" A "\"",                          0, 0, 0, 1 },
        { "W/\"" B "\"",                          0, 1, 0, 1 },
        { "W/\"" A "\", \"" A "\"",               1, 0, 0, 1 },

        /* what is no list holds of nothing at all */

        { "",                                     0, 0, 0, 0 },
        { " \t",                                  0, 0, 0, 0 },
        { A,                                      0, 0, 0, 0 },
        { "\"",                                   0, 0, 0, 0 },
        { "\"" A,                                 0, 0, 0, 0 },
        { A "\"",                                 0, 0, 0, 0 },
        { "w/\"" A "\"",                          0, 0, 0, 0 },
        { "W/",                                   0, 0, 0, 0 },
        { "W/" A,                                 0, 0, 0, 0 },
        { "W/\"",                                 0, 0, 0, 0 },
        { "\"" B "\" \"" A "\"",                  0, 0, 0, 0 },
        { "\"" B "\"\"" A "\"",                   0, 0, 0, 0 },
        { "\"" B "\", *",                         0, 0, 0, 0 },
        { "**",                                   0, 0, 0, 0 },
        { "'" A "'",                              0, 0, 0, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(holds(rows[i].list, NULL, &a) == rows[i].match,
           "If-Match: %s", rows[i].list);
        ok(holds(NULL, rows[i].list, &a) == rows[i].none,
           "If-None-Match: %s", rows[i].list);
        ok(holds(rows[i].list, NULL, NULL) == rows[i].match_nothing,
           "If-Match, of nothing: %s", rows[i].list);
        ok(holds(NULL, rows[i].list, NULL) == rows[i].none_nothing,
           "If-None-Match, of nothing: %s", rows[i].list);
    }
}


static void
test_both(void)
{
    is_num(holds(NULL, NULL, &a), 1, "without a condition");
    is_num(holds(NULL, NULL, NULL), 1, "nor anything there");
    is_num(holds("*", "*", &a), 0, "both: the second does not hold");
    is_num(holds("\"" A "\"", "\"" B "\"", &a), 1, "both hold");
    is_num(holds("\"" B "\"", "\"" B "\"", &a), 0, "the first does not hold");
}
