
#include "reg_credentials.h"
#include "reg_test.h"

#include <stdlib.h>


static void test_split(void);
static void test_basic(void);
static void test_long(void);
static void test_user(void);
static void test_key(void);


int
main(void)
{
    test_split();
    test_basic();
    test_long();
    test_user();
    test_key();

    return done_testing();
}


static void
test_split(void)
{
    size_t        i;
    reg_str_t     got;
    reg_scheme_e  scheme;

    static const struct {
        reg_str_t     value;
        reg_scheme_e  scheme;
        reg_str_t     credentials;
    } rows[] = {
        { reg_null_str,              REG_SCHEME_NONE,   reg_str("") },
        { reg_str(""),               REG_SCHEME_NONE,   reg_str("") },
        { reg_str("  \t "),          REG_SCHEME_NONE,   reg_str("") },
        { reg_str("Basic YTpi"),     REG_SCHEME_BASIC,  reg_str("YTpi") },
        { reg_str("basic YTpi"),     REG_SCHEME_BASIC,  reg_str("YTpi") },
        { reg_str("BASIC  YTpi  "),  REG_SCHEME_BASIC,  reg_str("YTpi") },
        { reg_str("Basic"),          REG_SCHEME_BASIC,  reg_str("") },
        { reg_str("Basic\tYTpi"),    REG_SCHEME_OTHER,  reg_str("") },
        { reg_str("Bearer a.b.c"),   REG_SCHEME_BEARER, reg_str("a.b.c") },
        { reg_str("bearer a.b.c"),   REG_SCHEME_BEARER, reg_str("a.b.c") },
        { reg_str("bEaReR a.b.c"),   REG_SCHEME_BEARER, reg_str("a.b.c") },
        { reg_str("Bearer"),         REG_SCHEME_BEARER, reg_str("") },
        { reg_str("Bearer "),        REG_SCHEME_BEARER, reg_str("") },
        { reg_str("Bearer a b"),     REG_SCHEME_BEARER, reg_str("a b") },
        { reg_str("Bearera.b.c"),    REG_SCHEME_OTHER,  reg_str("") },
        { reg_str("Beare a.b.c"),    REG_SCHEME_OTHER,  reg_str("a.b.c") },
        { reg_str("Digest x=1"),     REG_SCHEME_OTHER,  reg_str("x=1") },
        { reg_str("a.b.c"),          REG_SCHEME_OTHER,  reg_str("") }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        scheme = reg_credentials_split(rows[i].value, &got);

        ok(scheme == rows[i].scheme, "A87: scheme of \"%.*s\"",
           (int) rows[i].value.len, rows[i].value.data);
        is_str(got, rows[i].credentials, "A87: its credentials");
    }
}


static void
test_basic(void)
{
    int           rc;
    char         *room;
    size_t        i;
    reg_buf_t     b;
    reg_str_t     text;
    const char   *why;
    reg_basic_t   basic;

    static const struct {
        int         raw;              /* text is sent as it is */
        reg_str_t   text;
        int         rc;
        reg_str_t   user;
        reg_str_t   password;
        const char *name;
    } rows[] = {
        { 1, reg_str("QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), 0,
          reg_str("Aladdin"), reg_str("open sesame"), "RFC 7617, 2" },
        { 1, reg_str("dGVzdDoxMjPCow=="), 0,
          reg_str("test"), reg_str("123\xc2\xa3"), "RFC 7617, 2.1" },
        { 0, reg_str("a:b"), 0, reg_str("a"), reg_str("b"), "short" },
        { 0, reg_str("a:b:c::"), 0, reg_str("a"), reg_str("b:c::"),
          "A73: colons in the password" },
        { 0, reg_str("a::"), 0, reg_str("a"), reg_str(":"),
          "A73: a colon alone" },
        { 0, reg_str("j\xc3\xbcrgen:gr\xc3\xb6\xc3\x9f" "e"), 0,
          reg_str("j\xc3\xbcrgen"), reg_str("gr\xc3\xb6\xc3\x9f" "e"),
          "A73: UTF-8" },
        { 0, reg_str("a: b "), 0, reg_str("a"), reg_str(" b "),
          "A73: blanks" },
        { 0, reg_str("a:\xff\xfe"), 0, reg_str("a"), reg_str("\xff\xfe"),
          "a password in Latin-1" },
        { 0, reg_str("a:\xc2ge"), 0, reg_str("a"), reg_str("\xc2ge"),
          "with what would begin a control character" },
        { 0, reg_str("a:\xc2\x80"), 0, reg_str("a"), reg_str("\xc2\x80"),
          "a euro sign of Windows in it" },

        { 0, reg_str(":b"),       -1, reg_null_str, reg_null_str,
          "A72: empty user" },
        { 0, reg_str("a:"),       -1, reg_null_str, reg_null_str,
          "A72: empty password" },
        { 0, reg_str(":"),        -1, reg_null_str, reg_null_str,
          "A72: only a colon, Og==" },
        { 0, reg_str("ab"),       -1, reg_null_str, reg_null_str,
          "A72: no colon" },
        { 1, reg_str(""),         -1, reg_null_str, reg_null_str,
          "A72: nothing" },
        { 1, reg_str("YTpi!"),    -1, reg_null_str, reg_null_str,
          "A72: bad base64" },
        { 1, reg_str("YTpiYw"),   -1, reg_null_str, reg_null_str,
          "A72: no padding" },
        { 1, reg_str("YTpi Yw=="), -1, reg_null_str, reg_null_str,
          "A72: a blank in base64" },
        { 1, reg_str("YTr_-g=="), -1, reg_null_str, reg_null_str,
          "A72: url-safe base64" },
        { 0, reg_str("a\0x:b"),   -1, reg_null_str, reg_null_str,
          "A72: NUL in the user" },
        { 0, reg_str("a:b\0c"),   -1, reg_null_str, reg_null_str,
          "A72: NUL in the password" },
        { 0, reg_str("a:b\0"),    -1, reg_null_str, reg_null_str,
          "A72: NUL behind the password" },
        { 0, reg_str("a\n:b"),    -1, reg_null_str, reg_null_str,
          "control byte in the user" },
        { 0, reg_str("a:b\r\n"),  -1, reg_null_str, reg_null_str,
          "control byte in the password" },
        { 0, reg_str("a\x7f:b"),  -1, reg_null_str, reg_null_str, "DEL" },
        { 0, reg_str("\xff:b"),   -1, reg_null_str, reg_null_str,
          "a user that is no UTF-8" },
        { 0, reg_str("\xed\xa0\x80:b"), -1, reg_null_str, reg_null_str,
          "a user with a lone surrogate" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);

        text = rows[i].text;

        if (!rows[i].raw) {
            reg_base64_encode(&b, REG_BASE64, text.data, text.len);
            text = reg_buf_slice(&b);
        }

        room = malloc(REG_BASIC_ROOM);
        why = NULL;

        rc = reg_basic_parse(text, room, &basic, &why);

        if (ok(rc == rows[i].rc, "%s", rows[i].name)) {
            if (rc == 0) {
                is_str(basic.user, rows[i].user, rows[i].name);
                is_str(basic.password, rows[i].password, rows[i].name);

            } else {
                ok(why != NULL, "and why: %s", why);
            }
        }

        free(room);
        reg_buf_free(&b);
    }
}


static void
test_long(void)
{
    int           rc;
    char         *text, *room;
    size_t        i;
    reg_buf_t     b;
    const char   *why;
    reg_basic_t   basic;

    static const struct {
        size_t  user;
        size_t  password;
        int     rc;
    } rows[] = {
        { REG_USER_MAX,     REG_BASIC_PASSWORD_MAX,      0 },
        { REG_USER_MAX + 1, 1,                          -1 },
        { 1,                REG_BASIC_PASSWORD_MAX + 1, -1 },
        { 1,                12000,                      -1 },
        { 12000,            1,                          -1 },
        { 1,                1024 * 1024,                -1 }
    };

    room = malloc(REG_BASIC_ROOM);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        text = malloc(rows[i].user + 1 + rows[i].password);
        memset(text, 'x', rows[i].user + 1 + rows[i].password);
        text[rows[i].user] = ':';

        reg_buf_init(&b, 2 * 1024 * 1024);
        reg_base64_encode(&b, REG_BASE64, text,
                          rows[i].user + 1 + rows[i].password);

        rc = reg_basic_parse(reg_buf_slice(&b), room, &basic, &why);

        ok(rc == rows[i].rc, "A72: user of %zu, password of %zu bytes",
           rows[i].user, rows[i].password);

        reg_buf_free(&b);
        free(text);
    }

    free(room);
}


static void
test_user(void)
{
    char       text[REG_USER_MAX + 1];
    reg_str_t  s;

    memset(text, 'a', sizeof(text));

    s.data = text;
    s.len = REG_USER_MAX;
    ok(reg_user_valid(s), "a user of 255 bytes");

    s.len++;
    ok(!reg_user_valid(s), "of 256");

    ok(!reg_user_valid(reg_null_str), "of none");
    ok(reg_user_valid(reg_str("CN=Ann Ono,O=x")), "a distinguished name");
    ok(!reg_user_valid(reg_str("a\xc3")), "cut UTF-8");
    ok(!reg_user_valid(reg_str("a\xc2\x80")), "U+0080");
    ok(!reg_user_valid(reg_str("\xc2\x9f" "b")), "U+009F");
    ok(reg_user_valid(reg_str("\xc2\xa0")), "U+00A0");
}


static void
test_key(void)
{
    unsigned char  key[32], other[32], mark[32], a[32], b[32];

    memset(key, 1, sizeof(key));
    memset(other, 2, sizeof(other));
    memset(mark, 3, sizeof(mark));

    ok(reg_credentials_key(key, reg_str("ann"), reg_str("secret"), mark, a)
       == 0, "a key for the cache");
    ok(reg_credentials_key(key, reg_str("ann"), reg_str("secret"), mark, b)
       == 0 && memcmp(a, b, 32) == 0, "the same again");

    ok(reg_credentials_key(key, reg_str("anns"), reg_str("ecret"), mark, b)
       == 0 && memcmp(a, b, 32) != 0, "another cut, another key");
    ok(reg_credentials_key(key, reg_str("ann"), reg_str("secret2"), mark, b)
       == 0 && memcmp(a, b, 32) != 0, "another password");
    ok(reg_credentials_key(other, reg_str("ann"), reg_str("secret"), mark, b)
       == 0 && memcmp(a, b, 32) != 0, "another start");

    mark[31]++;
    ok(reg_credentials_key(key, reg_str("ann"), reg_str("secret"), mark, b)
       == 0 && memcmp(a, b, 32) != 0, "A77: another entry of the file");

    ok(reg_credentials_key(key, reg_null_str, reg_str("x"), mark, b) != 0,
       "no user, no key");
    ok(reg_credentials_key(key, reg_str("x"), reg_null_str, mark, b) != 0,
       "no password, no key");
}
