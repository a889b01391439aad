
#include "reg_test.h"
#include "reg_tokens_line.h"


#define HASH  "sha256:de3d350cb75d705ceaea3f71eb1bb5b5"                       \
              "d9de8d24e3bde67b1e8a128fc5ee1589"


static void test_good(void);
static void test_bad(void);
static void test_many(void);
static void test_print(void);
static void test_names(void);


int
main(void)
{
    test_good();
    test_bad();
    test_many();
    test_print();
    test_names();

    return done_testing();
}


static void
test_good(void)
{
    size_t             i;
    const char        *why;
    reg_str_t          actions, pattern;
    reg_tokens_line_t  l;

    static const struct {
        const char  *line;
        int64_t      expires;
        int64_t      created;
        const char  *owner;
        size_t       n;
        const char  *allow;       /* the last one */
        const char  *comment;
        const char  *body;        /* NULL: the line */
    } rows[] = {
        { "ci " HASH " expires=never allow=pull:**",
          REG_TOKENS_NEVER, -1, "", 1, "pull:**", "", NULL },
        { "ci " HASH " expires=1970-01-01T00:01:00Z "
          "created=1970-01-01T00:00:00Z user=ann allow=pull:** allow=*:a/b",
          60, 0, "ann", 2, "*:a/b", "", NULL },
        { "ci\t" HASH "  allow=pull,push:$user/**\tuser=ann expires=1970-01-01",
          86399, -1, "ann", 1, "pull,push:$user/**", "", NULL },
        { "ci " HASH " expires=never \"user=Ann Lee\" \"allow=pull:~a b\"",
          REG_TOKENS_NEVER, -1, "Ann Lee", 1, "pull:~a b", "", NULL },
        { "ci " HASH " expires=never allow=pull:~a:b(?:c|d)",
          REG_TOKENS_NEVER, -1, "", 1, "pull:~a:b(?:c|d)", "", NULL },
        { "ci " HASH " expires=never allow=pull:~a#b # the \"first\" # one",
          REG_TOKENS_NEVER, -1, "", 1, "pull:~a#b", "the \"first\" # one",
          "ci " HASH " expires=never allow=pull:~a#b" },
        { "ci " HASH " expires=never allow=pull:a\t #",
          REG_TOKENS_NEVER, -1, "", 1, "pull:a", "",
          "ci " HASH " expires=never allow=pull:a" },
        { "ci " HASH " x-ticket=17 expires=never allow=pull:a \"x-by=a b\"",
          REG_TOKENS_NEVER, -1, "", 1, "pull:a", "", NULL },
        { "ci " HASH " expires=never allow=nonsense:/A/",
          REG_TOKENS_NEVER, -1, "", 1, "nonsense:/A/", "", NULL }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        why = "";

        if (!ok(reg_tokens_line_parse(&l, reg_str_of(rows[i].line), &why) == 0,
                "row %zu is a line: %s", i, why))
        {
            continue;
        }

        is(l.name, "ci", "its name");
        ok(l.hash[0] == 0xde && l.hash[31] == 0x89, "its hash");
        is_num(l.expires, rows[i].expires, "expires");
        is_num(l.created, rows[i].created, "created");
        is(l.owner, rows[i].owner, "user");
        is_num((long long) l.n, (long long) rows[i].n, "how many allow");
        is(l.allow[l.n - 1], rows[i].allow, "allow");
        is(l.comment, rows[i].comment, "comment");
        is(l.body, (rows[i].body == NULL) ? rows[i].line : rows[i].body,
           "body");
    }

    ok(reg_tokens_allow_split(reg_str("pull:~a:b"), &actions, &pattern) == 0,
       "an allow is split");
    is(actions, "pull", "at its first colon");
    is(pattern, "~a:b", "and nowhere else");
}


static void
test_bad(void)
{
    size_t             i;
    reg_str_t          line;
    const char        *why;
    reg_tokens_line_t  l;

    static const struct {
        reg_str_t    line;
        const char  *why;
    } rows[] = {
        { reg_str("ci"), "sha256:" },
        { reg_str("ci # " HASH), "sha256:" },
        { reg_str("ci " HASH), "expires=" },
        { reg_str("ci " HASH " allow=pull:**"), "expires=" },
        { reg_str("ci " HASH " expires=never"), "allow=" },
        { reg_str("ci " HASH " expires=never # allow=pull:**"), "allow=" },
        { reg_str("ci " HASH "0 expires=never allow=pull:**"), "sha256:" },
        { reg_str("ci sha256:DE3D expires=never allow=pull:**"), "sha256:" },
        { reg_str("ci sha256:DE3D350CB75D705CEAEA3F71EB1BB5B5D9DE8D24E3BDE67B"
                  "1E8A128FC5EE1589 expires=never allow=pull:**"), "sha256:" },
        { reg_str("ci sha512:de3d350cb75d705ceaea3f71eb1bb5b5d9de8d24e3bde67b"
                  "1e8a128fc5ee1589 expires=never allow=pull:**"), "sha256:" },
        { reg_str("ci expires=never " HASH " allow=pull:**"), "sha256:" },
        { reg_str("-ci " HASH " expires=never allow=pull:**"), "name" },
        { reg_str("c:i " HASH " expires=never allow=pull:**"), "name" },
        { reg_str("\"ci\" " HASH " expires=never allow=pull:**"), "name" },
        { reg_str("\"ci " HASH " expires=never allow=pull:**"), "name" },
        { reg_str("\xef\xbb\xbf" "ci " HASH " expires=never allow=pull:**"),
          "name" },
        { reg_str("c\0i " HASH " expires=never allow=pull:**"), "NUL" },
        { reg_str("ci " HASH " expires=never allow=pull:** # \0"), "NUL" },
        { reg_str("ci " HASH " expires=soon allow=pull:**"), "neither" },
        { reg_str("ci " HASH " expires= allow=pull:**"), "neither" },
        { reg_str("ci " HASH " expires=1767225600 allow=pull:**"), "neither" },
        { reg_str("ci " HASH " expires=never expires=never allow=pull:**"),
          "twice" },
        { reg_str("ci " HASH " expires=2026-01-01 expires=never "
                  "allow=pull:**"), "twice" },
        { reg_str("ci " HASH " expires=never created=never allow=pull:**"),
          "no time" },
        { reg_str("ci " HASH " expires=never created=2026-01-01 "
                  "created=2026-01-01 allow=pull:**"), "twice" },
        { reg_str("ci " HASH " expires=never user= allow=pull:**"), "no name" },
        { reg_str("ci " HASH " expires=never user=a user=b allow=pull:**"),
          "twice" },
        { reg_str("ci " HASH " expires=never allow=pull"), "colon" },
        { reg_str("ci " HASH " expires=never allow=:**"), "colon" },
        { reg_str("ci " HASH " expires=never allow=pull:"), "colon" },
        { reg_str("ci " HASH " expires=never allow=pull:** from=10.0.0.0/8"),
          "does not know" },
        { reg_str("ci " HASH " expires=never allow=pull:** deny=pull:a"),
          "does not know" },
        { reg_str("ci " HASH " expires=never allow=pull:** readonly"),
          "does not know" },
        { reg_str("ci " HASH " expires=never allow=pull:** x-ticket"),
          "does not know" },
        { reg_str("ci " HASH " expires=never ALLOW=pull:**"),
          "does not know" },
        { reg_str("ci " HASH " expires=never \"allow=pull:**"), "quote" },
        { reg_str("ci " HASH " expires=never \"allow=pull:**\"x"), "quote" },
        { reg_str("ci " HASH " expires=never allow=pull:** \"#\""),
          "does not know" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        why = "(nothing)";
        line = rows[i].line;

        ok(reg_tokens_line_parse(&l, line, &why) == -1
           && strstr(why, rows[i].why) != NULL, "bad row %zu: %s", i, why);
        ok(strstr(why, "never") == NULL || strstr(why, "\"never\"") != NULL,
           "it says nothing of the line");
    }
}


/* As many allow= as a line may have, and one more. */

static void
test_many(void)
{
    size_t             i;
    reg_buf_t          b;
    const char        *why;
    reg_tokens_line_t  l;

    reg_buf_init(&b, 4096);
    reg_buf_str(&b, reg_str("ci " HASH " expires=never"));

    for (i = 0; i < REG_TOKENS_ALLOW_MAX; i++) {
        reg_buf_printf(&b, " allow=pull:a%zu", i);
    }

    why = "";
    ok(reg_tokens_line_parse(&l, reg_buf_slice(&b), &why) == 0
       && l.n == REG_TOKENS_ALLOW_MAX
       && reg_str_eq(l.allow[l.n - 1], reg_str("pull:a63")),
       "%d allow= %s", REG_TOKENS_ALLOW_MAX, why);

    reg_buf_str(&b, reg_str(" allow=pull:b"));
    ok(reg_tokens_line_parse(&l, reg_buf_slice(&b), &why) == -1,
       "one more: %s", why);

    reg_buf_free(&b);
}


static void
test_print(void)
{
    size_t             i;
    reg_buf_t          b;
    const char        *why;
    reg_tokens_line_t  l, back;

    static const struct {
        const char  *owner;
        const char  *allow;
        const char  *comment;
        int64_t      expires;
        const char  *line;        /* behind the hash; NULL: refused */
    } rows[] = {
        { "", "pull:**", "", 60,
          " expires=1970-01-01T00:01:00Z created=1970-01-01T00:00:00Z "
          "allow=pull:** allow=pull:**" },
        { "ann", "pull:**", "for \"Jenkins\" # 2", REG_TOKENS_NEVER,
          " expires=never created=1970-01-01T00:00:00Z user=ann "
          "allow=pull:** allow=pull:** # for \"Jenkins\" # 2" },
        { "Ann Lee", "pull:~a b", "", REG_TOKENS_NEVER,
          " expires=never created=1970-01-01T00:00:00Z \"user=Ann Lee\" "
          "\"allow=pull:~a b\" \"allow=pull:~a b\"" },
        { "", "pull:~a\"b", "", REG_TOKENS_NEVER,
          " expires=never created=1970-01-01T00:00:00Z allow=pull:~a\"b "
          "allow=pull:~a\"b" },
        { "", "pull:~a \"b", "", REG_TOKENS_NEVER, NULL },
        { "", "pull:~a\tb", "", REG_TOKENS_NEVER, NULL },
        { "", "pull:a\nb", "", REG_TOKENS_NEVER, NULL },
        { "a\rb", "pull:a", "", REG_TOKENS_NEVER, NULL },
        { "", "pull:a", "two\nlines", REG_TOKENS_NEVER, NULL },
        { "", "pull:a", "", -1, NULL },
        { "", "pull:a", "", REG_TIME_MAX + 1, NULL }
    };

    memset(&l, 0, sizeof(l));
    memset(l.hash, 0xab, sizeof(l.hash));
    l.name = reg_str("ci");
    l.n = 2;

    reg_buf_init(&b, 4096);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        l.owner = reg_str_of(rows[i].owner);
        l.allow[0] = reg_str_of(rows[i].allow);
        l.allow[1] = l.allow[0];
        l.comment = reg_str_of(rows[i].comment);
        l.expires = rows[i].expires;

        why = "";
        reg_buf_reset(&b);

        if (rows[i].line == NULL) {
            ok(reg_tokens_line_print(&b, &l, &why) == -1 && why[0] != '\0',
               "row %zu cannot be written: %s", i, why);
            continue;
        }

        if (!ok(reg_tokens_line_print(&b, &l, &why) == 0,
                "row %zu is written", i))
        {
            continue;
        }

        is((reg_str_t) { b.len - 74, b.data + 74 }, rows[i].line, "as it is");

        ok(reg_tokens_line_parse(&back, reg_buf_slice(&b), &why) == 0
           && reg_str_eq(back.name, l.name)
           && memcmp(back.hash, l.hash, sizeof(l.hash)) == 0
           && back.expires == l.expires && back.created == l.created
           && reg_str_eq(back.owner, l.owner) && back.n == l.n
           && reg_str_eq(back.allow[0], l.allow[0])
           && reg_str_eq(back.comment, l.comment), "and read: %s", why);
    }

    l.name = reg_str("c i");
    ok(reg_tokens_line_print(&b, &l, &why) == -1, "a bad name: %s", why);

    reg_buf_free(&b);
    reg_buf_init(&b, 80);

    l.name = reg_str("ci");
    l.comment = reg_null_str;
    l.expires = 0;
    l.allow[0] = reg_str("pull:a");
    l.allow[1] = l.allow[0];

    ok(reg_tokens_line_print(&b, &l, &why) == -1, "no room: %s", why);

    reg_buf_free(&b);
}


static void
test_names(void)
{
    char    text[REG_TOKENS_NAME_MAX + 1];
    size_t  i;

    static const char *const  good[] = {
        "a", "A", "0", "ci", "ci-push_2.x", "ann@laptop", "c++", "Z9"
    };

    static const reg_str_t  bad[] = {
        reg_str(""), reg_str("-a"), reg_str(".a"), reg_str("_a"),
        reg_str("@a"), reg_str("a b"), reg_str("a:b"), reg_str("a/b"),
        reg_str("a\"b"), reg_str("a#b"), reg_str("a=b"), reg_str("a\0b"),
        reg_str("\xc3\xa4"), reg_str("a\n"), reg_str("a$"), reg_str("a*")
    };

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(reg_tokens_name_valid(reg_str_of(good[i])), "\"%s\" is a name",
           good[i]);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(!reg_tokens_name_valid(bad[i]), "row %zu is none", i);
    }

    memset(text, 'a', sizeof(text));

    ok(reg_tokens_name_valid((reg_str_t) { REG_TOKENS_NAME_MAX, text }),
       "a long name");
    ok(!reg_tokens_name_valid((reg_str_t) { REG_TOKENS_NAME_MAX + 1, text }),
       "a longer one");
}
