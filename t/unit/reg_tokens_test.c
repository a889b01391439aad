
#include "reg_test_alloc.h"
#include "reg_test_skipped.h"
#include "reg_tokens.h"

#include "reg_index.c"
#include "reg_rules.c"
#include "reg_tokens.c"


/* the same as in reg_secret_test.c */
#define SECRET  "ngxreg_0123456789ABCDEFGHIJKLMNOPQRSTUV0TofWd"
#define HASH    "sha256:de3d350cb75d705ceaea3f71eb1bb5b5"                     \
                "d9de8d24e3bde67b1e8a128fc5ee1589"
#define OTHER   "sha256:00000000000000000000000000000000"                     \
                "00000000000000000000000000000000"

#define GOOD    " " HASH " expires=never allow=pull:**"


static void test_lines(void);
static void test_big(void);
static void test_change(void);
static void test_verify(void);
static void test_may(void);
static void test_alloc(void);
static int known(const reg_tokens_t *t, reg_str_t name);


int
main(void)
{
    reg_test_alloc_init();
    reg_buf_init(&skipped, 65536);

    test_lines();
    test_big();
    test_change();
    test_verify();
    test_may();
    test_alloc();

    reg_buf_free(&skipped);

    return done_testing();
}


static int
known(const reg_tokens_t *t, reg_str_t name)
{
    reg_tokens_check_t  check;

    reg_tokens_find(t, name, &check);

    return check.known;
}


/*
 * Each line stands between two good ones.  The token "x" is never there, the
 * others always are.  reg_tokens_line_test.c has more of what a line may be.
 */

static void
test_lines(void)
{
    size_t         i;
    reg_buf_t      b;
    reg_why_t      why;
    reg_tokens_t  *t;

    static const struct {
        reg_str_t    line;
        const char  *skipped;     /* "" when the line is no line at all */
    } rows[] = {
        { reg_str("x"), "sha256" },
        { reg_str("x " HASH " expires=never"), "allow" },
        { reg_str("x " HASH " allow=pull:**"), "expires" },
        { reg_str("x " HASH " expires=never allow=pull:secret,UPPER"),
          "pattern" },
        { reg_str("x " HASH " expires=never allow=pull:** allow=secret:**"),
          "actions" },
        { reg_str("x " HASH " expires=never allow=pull:~secret("), "pattern" },
        { reg_str("x " HASH " expires=never allow=pull:** secret=1"),
          "know" },
        { reg_str("# x" GOOD), "" },
        { reg_str("   #x" GOOD), "" },
        { reg_str(""), "" },
        { reg_str("  \t \r"), "" },
        { reg_str("\xef\xbb\xbfx" GOOD), "name" },
        { reg_str("x\0" GOOD), "NUL" },
        { reg_str("ann " OTHER " expires=never allow=*:**"), "earlier line" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);
        reg_buf_str(&b, reg_str("ann" GOOD "\n"));
        reg_buf_str(&b, rows[i].line);
        reg_buf_str(&b, reg_str("\nbob" GOOD " # a comment\n"));

        reg_buf_reset(&skipped);

        t = reg_tokens_parse(reg_buf_slice(&b), skip, &skipped, &why);

        if (ok(t != NULL, "row %zu: the file is used", i)) {
            ok(reg_tokens_count(t) == 2 && known(t, reg_str("ann"))
               && known(t, reg_str("bob")), "the others are there");
            ok(!known(t, reg_str("x")), "that one is not");
            ok(skipped_is(rows[i].skipped, "de3d"),
               "one warning, that says nothing of the line: %s",
               skipped.data);
        }

        reg_tokens_free(t);
        reg_buf_free(&b);
    }

    t = reg_tokens_parse(reg_str("ann" GOOD "\r\nbob" GOOD "\r\n"), skip,
                         &skipped, &why);
    ok(t != NULL && reg_tokens_count(t) == 2 && !reg_tokens_open(t),
       "lines may end with CRLF");
    reg_tokens_free(t);

    t = reg_tokens_parse(reg_str("ann" GOOD "\nbob" GOOD), skip, &skipped,
                         &why);
    ok(t != NULL && reg_tokens_count(t) == 2 && reg_tokens_open(t),
       "a last line without newline is used, and told");
    reg_tokens_free(t);

    t = reg_tokens_parse(reg_null_str, NULL, NULL, &why);
    ok(t != NULL && reg_tokens_count(t) == 0 && !known(t, reg_null_str),
       "an empty file");
    reg_tokens_free(t);

    reg_tokens_free(NULL);
}


static void
test_big(void)
{
    char          *text, name[16];
    size_t         i, good;
    reg_buf_t      b;
    reg_str_t      s;
    reg_why_t      why;
    reg_tokens_t  *t;

    reg_buf_init(&b, REG_LINES_FILE_MAX);

    for (i = 0; i < 3000; i++) {
        reg_buf_printf(&b, "t%zu%s\n", i, GOOD);
    }

    t = reg_tokens_parse(reg_buf_slice(&b), NULL, NULL, &why);
    ok(t != NULL && reg_tokens_count(t) == 3000, "3000 tokens");

    good = 0;

    for (i = 0; i < 3000; i++) {
        (void) snprintf(name, sizeof(name), "t%zu", i);
        good += (known(t, reg_str_of(name)) == 1);
    }

    is_num((long long) good, 3000, "all are found");

    reg_tokens_free(t);
    reg_buf_free(&b);

    text = malloc(REG_LINES_FILE_MAX + 1);
    memset(text, 'x', REG_LINES_FILE_MAX + 1);

    s.data = text;
    s.len = REG_LINES_FILE_MAX + 1;
    ok(reg_tokens_parse(s, NULL, NULL, &why) == NULL,
       "too large a file is refused: %s", why.text);

    free(text);
}


/* What changes, changes its mark. */

static void
test_change(void)
{
    size_t               i;
    reg_buf_t            b;
    reg_why_t            why;
    reg_tokens_t        *t;
    unsigned char        none[REG_CREDENTIALS_KEY];
    reg_tokens_check_t   first, again;

    static const struct {
        const char  *text;
        int          same;
    } rows[] = {
        { "ci " HASH " expires=never user=ann allow=pull:**", 1 },
        { "# new\nx" GOOD "\n  ci " HASH " expires=never user=ann allow=pull:**"
          "\t# a comment\r\n", 1 },
        { "ci " OTHER " expires=never user=ann allow=pull:**", 0 },
        { "ci " HASH " expires=2030-01-01 user=ann allow=pull:**", 0 },
        { "ci " HASH " expires=never user=bob allow=pull:**", 0 },
        { "ci " HASH " expires=never allow=pull:**", 0 },
        { "ci " HASH " expires=never user=ann allow=pull:a/**", 0 },
        { "ci " HASH " expires=never user=ann allow=pull:** allow=push:**", 0 },
        { "co " HASH " expires=never user=ann allow=pull:**", 0 }
    };

    memset(none, 0, sizeof(none));
    memset(&first, 0, sizeof(first));

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);
        reg_buf_str(&b, reg_str_of(rows[i].text));

        t = reg_tokens_parse(reg_buf_slice(&b), NULL, NULL, &why);

        /* the table has what it needs */

        reg_buf_free(&b);

        reg_tokens_find(t, reg_str("ci"), &again);

        if (i == 0) {
            first = again;
            ok(first.known && memcmp(first.mark, none, sizeof(none)) != 0,
               "an entry has a mark");
            is(reg_str_of(first.owner), "ann", "and an owner");
            ok(first.entry != NULL && first.expires == REG_TOKENS_NEVER,
               "scopes and an end");
        }

        ok((memcmp(first.mark, again.mark, sizeof(none)) == 0) == rows[i].same,
           "row %zu: the mark is %s", i, rows[i].same ? "the same" : "another");

        if (!again.known) {
            ok(memcmp(again.mark, none, sizeof(none)) == 0
               && memcmp(again.hash, none, sizeof(none)) == 0
               && again.entry == NULL && again.owner[0] == '\0',
               "a token that is gone");
        }

        reg_tokens_free(t);
    }
}


static void
test_verify(void)
{
    size_t               i;
    char                 wrong[REG_SECRET_LEN + 1];
    reg_why_t            why;
    reg_tokens_t        *t;
    reg_tokens_check_t   check;

    static const struct {
        const char    *name;
        const char    *password;
        int64_t        now;
        reg_tokens_e   want;
    } rows[] = {
        { "day", SECRET, 0, REG_TOKENS_RIGHT },
        { "day", SECRET, 86399, REG_TOKENS_RIGHT },
        { "day", SECRET, 86400, REG_TOKENS_EXPIRED },
        { "day", SECRET, REG_TIME_MAX, REG_TOKENS_EXPIRED },
        { "ever", SECRET, REG_TIME_MAX, REG_TOKENS_RIGHT },
        { "ever", "", 0, REG_TOKENS_WRONG },
        { "ever", "x", 0, REG_TOKENS_WRONG },
        { "ever", SECRET "x", 0, REG_TOKENS_WRONG },
        { "zero", SECRET, 0, REG_TOKENS_WRONG },
        { "weak", "password", 0, REG_TOKENS_WRONG },
        { "nobody", SECRET, 0, REG_TOKENS_WRONG },
        { "", SECRET, 0, REG_TOKENS_WRONG }
    };

    t = reg_tokens_parse(reg_str("day " HASH " expires=1970-01-01 "
                                 "allow=pull:a\n"
                                 "ever" GOOD "\n"
                                 "zero " OTHER " expires=never allow=pull:a\n"
                                 "weak sha256:5e884898da28047151d0e56f8dc62927"
                                 "73603d0d6aabbdd62a11ef721d1542d8 "
                                 "expires=never allow=pull:a\n"),
                         NULL, NULL, &why);

    is_num((long long) reg_tokens_count(t), 4, "four tokens");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_tokens_find(t, reg_str_of(rows[i].name), &check);
        is_num(reg_tokens_verify(&check, reg_str_of(rows[i].password),
                                 rows[i].now),
               rows[i].want, rows[i].name);
    }

    (void) reg_secret_make(wrong);

    reg_tokens_find(t, reg_str("day"), &check);

    is_num(reg_tokens_verify(&check, reg_str_of(wrong), 86400),
           REG_TOKENS_WRONG, "only the right one learns that it expired");

    reg_tokens_find(t, reg_str("ever"), &check);
    reg_tokens_free(t);

    is_num(reg_tokens_verify(&check, reg_str(SECRET), 0), REG_TOKENS_RIGHT,
           "a login needs no table");
}


static void
test_may(void)
{
    int                  rc;
    size_t               i;
    unsigned             may;
    reg_why_t            why;
    reg_tokens_t        *t;
    reg_tokens_check_t   check;

    static const struct {
        const char  *token;
        const char  *name;
        unsigned     may;
    } rows[] = {
        { "all", "a",            REG_MAY_ALL },
        { "all", "a/b/c",        REG_MAY_ALL },
        { "all", "A",            0 },
        { "all", "",             0 },
        { "all", "../a",         0 },
        { "read", "a/b",         REG_MAY_PULL | REG_MAY_LIST },
        { "two", "team/a",       REG_MAY_PULL | REG_MAY_PUSH },
        { "two", "team/a/b",     0 },
        { "two", "team",         0 },
        { "two", "lib/x/y",      REG_MAY_PULL },
        { "two", "lib/team/a",   REG_MAY_PULL },
        { "two", "other",        0 },
        { "add", "a",            REG_MAY_PULL | REG_MAY_UPDATE },
        { "add", "b",            REG_MAY_PULL },
        { "mine", "ann/app",     REG_MAY_PUSH },
        { "mine", "bob/app",     0 },
        { "mine", "mine/app",    0 },
        { "stray", "stray/app",  0 },
        { "stray", "a",          REG_MAY_PULL },
        { "regex", "v1",         REG_MAY_PULL },
        { "regex", "v1/a",       0 }
    };

    t = reg_tokens_parse(reg_str(
            "all " HASH " expires=never allow=*:**\n"
            "read " HASH " expires=never allow=pull,list:**\n"
            "two " HASH " expires=never allow=pull,push:team/* "
            "allow=pull:lib/**\n"
            "add " HASH " expires=never allow=pull:* allow=update:a\n"
            "mine " HASH " expires=never user=ann allow=push:$user/**\n"
            "stray " HASH " expires=never allow=push:$user/** allow=pull:a\n"
            "regex " HASH " expires=never allow=pull:~v[0-9]+\n"
            "slow " HASH " expires=never allow=pull:~(a+)+[bc]\n"),
        NULL, NULL, &why);

    is_num((long long) reg_tokens_count(t), 8, "eight tokens");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_tokens_find(t, reg_str_of(rows[i].token), &check);

        rc = reg_tokens_may(check.entry, REG_MAY_ALL,
                            reg_str_of(rows[i].name), &may);

        ok(rc == 0 && may == rows[i].may, "%s on \"%s\": %x", rows[i].token,
           rows[i].name, may);

        rc = reg_tokens_may(check.entry, REG_MAY_PULL,
                            reg_str_of(rows[i].name), &may);

        ok(rc == 0 && may == (rows[i].may & REG_MAY_PULL),
           "no more than was asked for");
    }

    reg_tokens_find(t, reg_str("slow"), &check);
    ok(reg_tokens_may(check.entry, REG_MAY_PULL,
                      reg_str("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                      &may) == -1 && may == 0,
       "an expression that gives up is neither yes nor no");

    reg_tokens_find(t, reg_str("read"), &check);
    ok(reg_tokens_somewhere(check.entry, REG_MAY_LIST), "list somewhere");
    ok(reg_tokens_somewhere(check.entry, REG_MAY_PULL | REG_MAY_LIST),
       "pull and list somewhere");
    ok(!reg_tokens_somewhere(check.entry, REG_MAY_PUSH), "push nowhere");
    ok(!reg_tokens_somewhere(check.entry, REG_MAY_PULL | REG_MAY_PUSH),
       "so not both either");

    reg_tokens_free(t);
}


static void
test_alloc(void)
{
    int            hit;
    size_t         i;
    reg_buf_t      b;
    reg_why_t      why;
    reg_tokens_t  *t;
    unsigned long  n;

    reg_buf_init(&b, 65536);

    for (i = 0; i < 70; i++) {
        reg_buf_printf(&b, "t%zu %s expires=never user=ann allow=pull:a "
                       "allow=push:b/**\n", i, HASH);
    }

    for (n = 1; ; n++) {
        why.text[0] = '\0';

        reg_test_alloc_fail(n, 0);
        t = reg_tokens_parse(reg_buf_slice(&b), NULL, NULL, &why);
        hit = reg_test_alloc_restore();

        /* no token is lost to a shortage of memory */

        if ((t == NULL) != hit
            || hit != (strcmp(why.text, "out of memory") == 0)
            || (t != NULL && reg_tokens_count(t) != 70))
        {
            ok(0, "allocation %lu fails", n);
        }

        reg_tokens_free(t);

        if (!hit) {
            break;
        }
    }

    ok(n > 200, "each of %lu allocations was made to fail", n);

    reg_buf_free(&b);
}
