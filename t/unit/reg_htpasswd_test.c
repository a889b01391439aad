
#include "reg_htpasswd.h"
#include "reg_test_alloc.h"
#include "reg_test_skipped.h"

#include "reg_htpasswd.c"
#include "reg_index.c"

#include <stdio.h>


#define ANN   "$2y$04$ds8YtnyHnAqzOWpgZvUfI.njOdhz.Aaq7HRiViJ4OQj5VSIwQ8g9i"
#define BOB   "$2y$05$hNrkN9x9ArXPmEOuUMvnYeDoeuWKuEjsRr3r6ISocgAtF0ZBC3Ywq"
#define SHA6  "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix1" \
              "9DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz."


static const reg_password_limits_t  limits = { REG_BCRYPT_COST_LIMIT, 0 };
static const reg_password_limits_t  migrate = { REG_BCRYPT_COST_LIMIT,
                                                REG_SHACRYPT_ROUNDS_LIMIT };


static void test_lines(void);
static void test_big(void);
static void test_change(void);
static void test_verify(void);
static void test_alloc(void);
static int known(const reg_htpasswd_t *t, reg_str_t user);


int
main(void)
{
    reg_test_alloc_init();
    reg_buf_init(&skipped, 65536);

    test_lines();
    test_big();
    test_change();
    test_verify();
    test_alloc();

    reg_buf_free(&skipped);

    return done_testing();
}


static int
found(const reg_htpasswd_t *t, reg_str_t user, reg_htpasswd_check_t *check)
{
    reg_htpasswd_find(t, user, check);

    return check->known;
}


static int
known(const reg_htpasswd_t *t, reg_str_t user)
{
    reg_htpasswd_check_t  check;

    return found(t, user, &check);
}


/*
 * A75 and A76: each line stands between two good ones.  The user "x" is never
 * there, the others always are.
 */

static void
test_lines(void)
{
    size_t           i;
    reg_buf_t        b;
    reg_why_t        why;
    reg_htpasswd_t  *t;

    static const struct {
        reg_str_t    line;
        const char  *skipped;     /* "" when the line is no line at all */
        const char  *name;
    } rows[] = {
        { reg_str("x"), "no colon", "no colon" },
        { reg_str("x:"), "empty", "empty hash" },
        { reg_str("x::" ANN), "empty", "empty hash, and more" },
        { reg_str(":" ANN), "user name", "empty user" },
        { reg_str(":"), "user name", "a colon" },
        { reg_str("x:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="), "{SHA}", "{SHA}" },
        { reg_str("x:$apr1$abcdefgh$0123456789012345678901"), "Apache",
          "$apr1$" },
        { reg_str("x:$1$abcdefgh$0123456789012345678901"), "MD5", "$1$" },
        { reg_str("x:secret"), "plain text", "plain text" },
        { reg_str("x:*0"), "locked", "*0" },
        { reg_str("x:!"), "locked", "!" },
        { reg_str("# x:" ANN), "", "a comment" },
        { reg_str("   #x:" ANN), "", "a comment behind blanks" },
        { reg_str(""), "", "an empty line" },
        { reg_str("  \t \r"), "", "a blank line" },
        { reg_str("\xef\xbb\xbfx:" ANN), "byte order mark", "BOM" },
        { reg_str("x\0:" ANN), "NUL", "NUL in the user" },
        { reg_str("x:" ANN "\0"), "NUL", "NUL behind the hash" },
        { reg_str("x:\0" ANN), "NUL", "NUL before the hash" },
        { reg_str("x\x01:" ANN), "user name", "a control byte" },
        { reg_str("\xff:" ANN), "user name", "a user that is no UTF-8" },
        { reg_str("x:" ANN "0"), "60 bytes", "a byte too many" },
        { reg_str("x:$2y$04$ds8YtnyHnAqzOWpgZvUfI.njOdhz.Aaq7HRiVi"),
          "60 bytes", "a hash cut short" },
        { reg_str("x: " ANN), "plain text", "a blank before the hash" },
        { reg_str("x:" SHA6), "not allowed", "$6$" },
        { reg_str("x:$2y$31$abcdefghijklmnopqrstuu"
                  "0123456789012345678901234567890"), "limits", "cost 31" },
        { reg_str("x:$y$j9T$abcdefgh$0123456789"), "yescrypt", "$y$" },
        { reg_str("x:$7$CU..../....abcdefgh$0123456789"), "scrypt", "$7$" },
        { reg_str("x:$6$rounds=999999999$abcdefgh$0"), "not allowed",
          "a billion rounds" },
        { reg_str("ann:" BOB), "earlier line", "a user for the second time" },
        { reg_str("bob:!"), "locked", "a user whose next line counts" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);
        reg_buf_str(&b, reg_str("ann:" ANN "\n"));
        reg_buf_str(&b, rows[i].line);
        reg_buf_str(&b, reg_str("\nbob:" BOB "\n"));

        reg_buf_reset(&skipped);

        t = reg_htpasswd_parse(reg_buf_slice(&b), &limits, skip, &skipped,
                               &why);

        if (ok(t != NULL, "A75: %s: the file is used", rows[i].name)) {
            ok(reg_htpasswd_count(t) == 2 && known(t, reg_str("ann"))
               && known(t, reg_str("bob")), "A75: the others are there");
            ok(!known(t, reg_str("x")), "A75: that one is not");
            ok(skipped_is(rows[i].skipped, "ds8Y"),
               "A75: one warning, that says nothing of the line: %s",
               skipped.data);
        }

        reg_htpasswd_free(t);
        reg_buf_free(&b);
    }

    t = reg_htpasswd_parse(reg_str("ann:" ANN "\r\nbob:" BOB "\r\n"), &limits,
                           skip, &skipped, &why);
    ok(t != NULL && reg_htpasswd_count(t) == 2 && !reg_htpasswd_open(t),
       "A75: lines may end with CRLF");
    reg_htpasswd_free(t);

    t = reg_htpasswd_parse(reg_str("ann:" ANN "\nbob:" BOB), &limits, skip,
                           &skipped, &why);
    ok(t != NULL && reg_htpasswd_count(t) == 2 && reg_htpasswd_open(t),
       "A75: a last line without newline is used, and told");
    reg_htpasswd_free(t);

    t = reg_htpasswd_parse(reg_str("ann:" ANN ":Ann's: own\n"), &limits,
                           skip, &skipped, &why);
    ok(t != NULL && known(t, reg_str("ann")), "a comment behind the hash");
    reg_htpasswd_free(t);

    t = reg_htpasswd_parse(reg_null_str, &limits, NULL, NULL, &why);
    ok(t != NULL && reg_htpasswd_count(t) == 0 && !known(t, reg_null_str),
       "an empty file");
    reg_htpasswd_free(t);

    t = reg_htpasswd_parse(reg_str("x\ny:" SHA6 "\n"), &migrate, NULL, NULL,
                           &why);
    ok(t != NULL && known(t, reg_str("y"))
       && reg_htpasswd_effort(t).sha_rounds == 5000, "$6$ for migrations");
    reg_htpasswd_free(t);
}


static void
test_big(void)
{
    char            *text, name[16];
    size_t           i, good;
    reg_buf_t        b;
    reg_str_t        s;
    reg_why_t        why;
    reg_htpasswd_t  *t;

    /* a line of 1 MB, then users enough for the table to grow */

    text = malloc(1024 * 1024);
    memset(text, 'x', 1024 * 1024);

    reg_buf_init(&b, 4 * 1024 * 1024);
    reg_buf_add(&b, text, 1024 * 1024);
    reg_buf_str(&b, reg_str("\nbig:"));
    reg_buf_add(&b, text, 1024 * 1024);
    reg_buf_str(&b, reg_str("\n"));

    for (i = 0; i < 3000; i++) {
        reg_buf_printf(&b, "u%zu:%s\n", i, (i % 2) ? ANN : BOB);
    }

    reg_buf_reset(&skipped);
    t = reg_htpasswd_parse(reg_buf_slice(&b), &limits, skip, &skipped, &why);
    reg_buf_add(&skipped, "", 1);

    ok(t != NULL && reg_htpasswd_count(t) == 3000,
       "A75: lines of 1 MB, and 3000 users");
    ok(strncmp(skipped.data, "1:", 2) == 0
       && strstr(skipped.data, ";2:") != NULL, "A75: %s", skipped.data);

    good = 0;

    for (i = 0; i < 3000; i++) {
        (void) snprintf(name, sizeof(name), "u%zu", i);
        good += (known(t, reg_str_of(name)) == 1);
    }

    is_num((long long) good, 3000, "all are found");
    is_num(reg_htpasswd_effort(t).bcrypt_cost, 5, "the dearest hash is known");

    reg_htpasswd_free(t);
    reg_buf_free(&b);

    s.data = text;
    s.len = REG_LINES_FILE_MAX + 1;
    ok(reg_htpasswd_parse(s, &limits, NULL, NULL, &why) == NULL,
       "too large a file is refused before it is read: %s", why.text);

    free(text);
}


/* A77: what changes, changes its mark. */

static void
test_change(void)
{
    reg_why_t              why;
    reg_htpasswd_t        *t;
    unsigned char          none[REG_CREDENTIALS_KEY];
    reg_htpasswd_check_t   first, again, other;

    memset(none, 0, sizeof(none));

    t = reg_htpasswd_parse(reg_str("ann:" ANN "\nbob:" ANN "\n"), &limits,
                           NULL, NULL, &why);
    ok(found(t, reg_str("ann"), &first),
       "A77: a user");
    ok(found(t, reg_str("bob"), &other)
       && memcmp(first.mark, other.mark, sizeof(none)) != 0,
       "A77: one with the same hash has another mark");
    ok(memcmp(first.mark, none, sizeof(none)) != 0, "A77: and it is one");
    reg_htpasswd_free(t);

    t = reg_htpasswd_parse(reg_str("# new\nann:" ANN ":renewed\n"), &limits,
                           NULL, NULL, &why);
    ok(found(t, reg_str("ann"), &again)
       && memcmp(first.mark, again.mark, sizeof(none)) == 0,
       "A77: another file with the same entry: the same mark");
    ok(!found(t, reg_str("bob"), &again)
       && memcmp(again.mark, none, sizeof(none)) == 0
       && again.hash[0] == '\0', "A77: a user removed");
    reg_htpasswd_free(t);

    t = reg_htpasswd_parse(reg_str("ann:" BOB "\n"), &limits, NULL, NULL,
                           &why);
    ok(found(t, reg_str("ann"), &again)
       && memcmp(first.mark, again.mark, sizeof(none)) != 0,
       "A77: a password changed");
    reg_htpasswd_free(t);
}


static void
test_verify(void)
{
    reg_why_t              why;
    reg_htpasswd_t        *t;
    struct crypt_data     *crypt;
    reg_htpasswd_check_t   ann, nobody;

    crypt = malloc(sizeof(struct crypt_data));

    t = reg_htpasswd_parse(reg_str("ann:" ANN "\nbob:" BOB "\n"), &limits,
                           NULL, NULL, &why);

    ok(found(t, reg_str("ann"), &ann)
       && !found(t, reg_str("An"), &nobody),
       "one who is there and one who is not");

    reg_htpasswd_free(t);

    ok(reg_htpasswd_verify(&ann, reg_str("secret"), crypt)
       == REG_PASSWORD_RIGHT, "a login needs no table");
    ok(reg_htpasswd_verify(&ann, reg_str("pass:word"), crypt)
       == REG_PASSWORD_WRONG, "another's password");
    ok(reg_htpasswd_verify(&nobody, reg_str("secret"), crypt)
       == REG_PASSWORD_WRONG, "A71: nobody has none");
    ok(nobody.top.bcrypt_cost == 5 && ann.top.bcrypt_cost == 5,
       "A71: both know the dearest hash");

    free(crypt);
}


static void
test_alloc(void)
{
    int              hit;
    size_t           i;
    reg_buf_t        b;
    reg_why_t        why;
    unsigned long    n;
    reg_htpasswd_t  *t;

    reg_buf_init(&b, 65536);

    for (i = 0; i < 200; i++) {
        reg_buf_printf(&b, "u%zu:%s\n", i, ANN);
    }

    for (n = 1; ; n++) {
        why.text[0] = '\0';

        reg_test_alloc_fail(n, 0);
        t = reg_htpasswd_parse(reg_buf_slice(&b), &limits, NULL, NULL, &why);
        hit = reg_test_alloc_restore();

        ok((t == NULL) == hit && (hit == (strcmp(why.text, "out of memory")
                                          == 0)),
           "allocation %lu fails", n);

        reg_htpasswd_free(t);

        if (!hit) {
            break;
        }
    }

    ok(n > 5, "allocations were made to fail");

    reg_buf_free(&b);
}
