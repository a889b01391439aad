
/*
 * Input: a file of rules.  Its words also serve as patterns, which are matched
 * a second time in the plainest way there is.
 */

#include "fuzz.h"
#include "reg_access.h"
#include "reg_lines.h"
#include "reg_name.h"
#include "reg_pattern.h"


static void decide(const reg_rules_t *r, const reg_subject_t *s,
    reg_str_t name);
static void pattern(reg_str_t text);
static int plain_path(reg_str_t glob, reg_str_t user, reg_str_t name);
static int plain(reg_str_t glob, reg_str_t user, reg_str_t c);
static reg_str_t first(reg_str_t *rest);


static const reg_str_t  names[] = {
    { 1, "a" }, { 3, "a/b" }, { 5, "a/b/c" }, { 4, "team" }, { 6, "team/a" },
    { 8, "team/a/b" }, { 7, "ann/app" }, { 9, "x-ann-1/y" },
    { 15, "a/a/a/b/a/a/a/b" }, { 6, "aaaaaa" }, { 0, "" }, { 1, "A" }
};

static const char *const  users[] = { "", "ann", "a", "A", "a/b", "bob" };


#define count(array)  (sizeof(array) / sizeof(array[0]))


/* The answers must agree with each other. */

static void
decide(const reg_rules_t *r, const reg_subject_t *s, reg_str_t name)
{
    int           rc;
    unsigned      bit, all, one;
    reg_access_e  verdict;

    rc = reg_access_grant(r, s, REG_MAY_ALL, name, &all);
    must(rc == 0 || (rc == -1 && all == 0));
    must((all & ~(unsigned) REG_MAY_ALL) == 0);
    must(all == 0 || reg_name_valid(name));

    for (bit = REG_MAY_PULL; bit <= REG_MAY_LIST; bit <<= 1) {
        verdict = reg_access_decide(r, s, bit, name);

        if (rc == 0) {
            must((verdict == REG_ACCESS_ALLOW) == ((all & bit) != 0));
            must(verdict != REG_ACCESS_ERROR);
        }

        if (verdict == REG_ACCESS_ALLOW) {
            must(reg_access_somewhere(r, s, bit) == REG_ACCESS_ALLOW);
        }

        if (reg_access_grant(r, s, bit, name, &one) == 0) {
            must(one == 0 || one == bit);
            must((one != 0) == (verdict == REG_ACCESS_ALLOW));
        }
    }
}


static reg_str_t
first(reg_str_t *rest)
{
    reg_str_t    c;
    const char  *slash;

    c = *rest;
    slash = memchr(rest->data, '/', rest->len);

    if (slash == NULL) {
        rest->data = NULL;
        rest->len = 0;

    } else {
        c.len = (size_t) (slash - c.data);
        rest->data += c.len + 1;
        rest->len -= c.len + 1;
    }

    return c;
}


/* By recursion; the data of what is used up is NULL. */

static int
plain_path(reg_str_t glob, reg_str_t user, reg_str_t name)
{
    reg_str_t  g, c;

    if (glob.data == NULL) {
        return name.data == NULL;
    }

    g = first(&glob);

    if (reg_str_eq(g, reg_str("**"))) {

        if (glob.data == NULL) {
            return name.data != NULL;
        }

        for ( ;; ) {
            if (plain_path(glob, user, name)) {
                return 1;
            }

            if (name.data == NULL) {
                return 0;
            }

            (void) first(&name);
        }
    }

    if (name.data == NULL) {
        return 0;
    }

    c = first(&name);

    return plain(g, user, c) && plain_path(glob, user, name);
}


static int
plain(reg_str_t glob, reg_str_t user, reg_str_t c)
{
    size_t     n;
    reg_str_t  rest, tail;

    if (glob.len == 0) {
        return c.len == 0;
    }

    rest.data = glob.data + 1;
    rest.len = glob.len - 1;

    if (glob.data[0] == '*') {
        for (n = 0; n <= c.len; n++) {
            tail.data = c.data + n;
            tail.len = c.len - n;

            if (plain(rest, user, tail)) {
                return 1;
            }
        }

        return 0;
    }

    if (glob.data[0] == '$') {
        n = (rest.data[0] == '{') ? 7 : 5;
        rest.data = glob.data + n;
        rest.len = glob.len - n;

        if (user.len == 0 || !reg_str_starts(c, user)) {
            return 0;
        }

        tail.data = c.data + user.len;
        tail.len = c.len - user.len;

        return plain(rest, user, tail);
    }

    if (c.len == 0 || c.data[0] != glob.data[0]) {
        return 0;
    }

    tail.data = c.data + 1;
    tail.len = c.len - 1;

    return plain(rest, user, tail);
}


static void
pattern(reg_str_t text)
{
    int                 rc;
    size_t              i, j, stars;
    reg_str_t           user;
    reg_why_t           why;
    reg_pattern_t      *p;
    reg_pattern_ctx_t   ctx;

    p = reg_pattern_compile(text, &why);

    if (p == NULL) {
        must(why.text[0] != '\0');
        return;
    }

    stars = 0;

    for (i = 0; i < text.len; i++) {
        stars += (text.data[i] == '*');
    }

    for (i = 0; i < count(users); i++) {
        user = reg_str_of(users[i]);
        reg_pattern_begin(&ctx, user);

        if (i >= 3 && i != 5) {
            user = reg_null_str;        /* no name of a namespace */
        }

        for (j = 0; j < count(names); j++) {
            rc = reg_pattern_match(p, &ctx, names[j]);
            must(rc == 0 || rc == 1 || (rc == -1 && text.data[0] == '~'));

            if (text.data[0] != '~' && names[j].len != 0 && stars < 10) {
                must(rc == plain_path(text, user, names[j]));
            }
        }

        reg_pattern_end(&ctx);
    }

    reg_pattern_free(p);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             rc;
    char           *copy;
    size_t          i, j, line;
    reg_str_t       s, word;
    reg_why_t       why;
    reg_lines_t     lines;
    reg_rules_t    *r;
    reg_groups_t   *g;
    reg_subject_t   subject;

    if (size > 2048) {
        return -1;
    }

    copy = fuzz_copy(data, size);

    g = reg_groups_parse(reg_str("g: ann a\n"), NULL, NULL, &why);
    r = reg_rules_create();
    must(g != NULL && r != NULL);

    rc = reg_rules_parse(r, fuzz_str(copy, size), &line, &why);
    must(rc == 0 || (rc == -1 && line != 0 && why.text[0] != '\0'));

    for (i = 0; i < count(users); i++) {
        subject.user = reg_str_of(users[i]);
        subject.groups = g;

        for (j = 0; j < count(names); j++) {
            decide(r, &subject, names[j]);
        }
    }

    reg_lines_init(&lines, fuzz_str(copy, size));

    for (i = 0; i < 8 && reg_lines_next(&lines, &s); i++) {
        while (reg_lines_word(&s, &word) == 1) {
            pattern(word);
        }
    }

    reg_rules_free(r);
    reg_groups_free(g);
    free(copy);

    return 0;
}
