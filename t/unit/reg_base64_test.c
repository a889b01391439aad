
#include "reg_base64.h"
#include "reg_test.h"

#include <stdlib.h>


static void test_decode(void);
static void test_round(void);


int
main(void)
{
    test_decode();
    test_round();

    return done_testing();
}


static void
test_decode(void)
{
    int             rc;
    size_t          i, len;
    reg_str_t       got;
    unsigned char  *room;

    static const struct {
        reg_str_t     text;
        reg_base64_e  alphabet;
        int           rc;
        reg_str_t     bytes;
    } rows[] = {
        /* RFC 4648, 10 */
        { reg_str(""),          REG_BASE64,     0, reg_str("") },
        { reg_str("Zg=="),      REG_BASE64,     0, reg_str("f") },
        { reg_str("Zm8="),      REG_BASE64,     0, reg_str("fo") },
        { reg_str("Zm9v"),      REG_BASE64,     0, reg_str("foo") },
        { reg_str("Zm9vYg=="),  REG_BASE64,     0, reg_str("foob") },
        { reg_str("Zm9vYmE="),  REG_BASE64,     0, reg_str("fooba") },
        { reg_str("Zm9vYmFy"),  REG_BASE64,     0, reg_str("foobar") },
        { reg_str("Zg"),        REG_BASE64URL,  0, reg_str("f") },
        { reg_str("Zm8"),       REG_BASE64URL,  0, reg_str("fo") },
        { reg_str("+/+/"),      REG_BASE64,     0, reg_str("\xfb\xff\xbf") },
        { reg_str("-_-_"),      REG_BASE64URL,  0, reg_str("\xfb\xff\xbf") },
        { reg_str("AAAA"),      REG_BASE64URL,  0, reg_str("\0\0\0") },
        { reg_null_str,         REG_BASE64URL,  0, reg_str("") },

        { reg_str("-_-_"),      REG_BASE64,    -1, reg_str("") },
        { reg_str("+/+/"),      REG_BASE64URL, -1, reg_str("") },
        { reg_str("Zg"),        REG_BASE64,    -1, reg_str("") },
        { reg_str("Zg="),       REG_BASE64,    -1, reg_str("") },
        { reg_str("Zg==="),     REG_BASE64,    -1, reg_str("") },
        { reg_str("Zg=="),      REG_BASE64URL, -1, reg_str("") },
        { reg_str("===="),      REG_BASE64,    -1, reg_str("") },
        { reg_str("Z==="),      REG_BASE64,    -1, reg_str("") },
        { reg_str("="),         REG_BASE64,    -1, reg_str("") },
        { reg_str("Zm9v="),     REG_BASE64,    -1, reg_str("") },
        { reg_str("Zg==Zg=="),  REG_BASE64,    -1, reg_str("") },
        { reg_str("Z"),         REG_BASE64URL, -1, reg_str("") },
        { reg_str("Zm9vY"),     REG_BASE64URL, -1, reg_str("") },
        { reg_str("Zh=="),      REG_BASE64,    -1, reg_str("") },
        { reg_str("Zh"),        REG_BASE64URL, -1, reg_str("") },
        { reg_str("Zm9="),      REG_BASE64,    -1, reg_str("") },
        { reg_str("Zm9"),       REG_BASE64URL, -1, reg_str("") },
        { reg_str("Zm 9v"),     REG_BASE64URL, -1, reg_str("") },
        { reg_str("Zm9v\n"),    REG_BASE64URL, -1, reg_str("") },
        { reg_str("Zm\r\nAA"),  REG_BASE64URL, -1, reg_str("") },
        { reg_str("Zm9\0"),     REG_BASE64,    -1, reg_str("") },
        { reg_str("Zm9\xff"),   REG_BASE64,    -1, reg_str("") },
        { reg_str("Zm9%"),      REG_BASE64,    -1, reg_str("") }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        room = malloc(reg_base64_room(rows[i].text.len));

        rc = reg_base64_decode(rows[i].text, rows[i].alphabet, room, &len);

        if (ok(rc == rows[i].rc, "decode \"%.*s\", alphabet %d",
               (int) rows[i].text.len, rows[i].text.data,
               (int) rows[i].alphabet)
            && rc == 0)
        {
            got.data = (char *) room;
            got.len = len;
            is_str(got, rows[i].bytes, "and its bytes");
        }

        free(room);
    }
}


static void
test_round(void)
{
    int             good;
    size_t          i, n, len;
    reg_buf_t       b;
    unsigned char   bytes[256], room[reg_base64_room(400)];

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char) (i * 37 + 11);
    }

    good = 0;

    for (n = 0; n <= sizeof(bytes); n++) {
        for (i = 0; i < 2; i++) {
            reg_buf_init(&b, 1024);
            reg_base64_encode(&b, (reg_base64_e) i, bytes, n);

            if (!reg_buf_failed(&b)
                && reg_base64_decode(reg_buf_slice(&b), (reg_base64_e) i, room,
                                     &len)
                   == 0
                && len == n && memcmp(room, bytes, n) == 0)
            {
                good++;
            }

            reg_buf_free(&b);
        }
    }

    is_num(good, 2 * 257, "every length there and back");

    reg_buf_init(&b, 7);
    reg_base64_encode(&b, REG_BASE64, bytes, 6);
    ok(reg_buf_failed(&b), "no more than the buffer's ceiling");
    reg_buf_free(&b);
}
