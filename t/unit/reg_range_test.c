
#include "reg_range.h"
#include "reg_test.h"

#include <stdlib.h>


static void test_range(void);


int
main(void)
{
    test_range();

    return done_testing();
}


static void
test_range(void)
{
    char         *copy;
    size_t        i;
    reg_rc_t      rc;
    reg_str_t     s;
    reg_error_t   e;
    reg_range_t   range;

    static const struct {
        reg_str_t  text;
        int        valid;
        uint64_t   first;
        uint64_t   last;
    } rows[] = {
        { reg_str("0-0"),                 1, 0, 0 },
        { reg_str("0-4"),                 1, 0, 4 },
        { reg_str("5-9"),                 1, 5, 9 },
        { reg_str("007-010"),             1, 7, 10 },
        { reg_str("0-9223372036854775806"), 1, 0, INT64_MAX - 1 },
        { reg_str("bytes 0-4"),           0, 0, 0 },
        { reg_str("Bytes 0-4"),           0, 0, 0 },
        { reg_str("0-4/5"),               0, 0, 0 },
        { reg_str("0-4/*"),               0, 0, 0 },
        { reg_str("bytes 0-4/*"),         0, 0, 0 },
        { reg_str("bytes 5-9/100"),       0, 0, 0 },

        { reg_str(""),                    0, 0, 0 },
        { reg_null_str,                   0, 0, 0 },
        { reg_str("-"),                   0, 0, 0 },
        { reg_str("0"),                   0, 0, 0 },
        { reg_str("0-"),                  0, 0, 0 },
        { reg_str("-5"),                  0, 0, 0 },
        { reg_str("9-0"),                 0, 0, 0 },
        { reg_str("0--5"),                0, 0, 0 },
        { reg_str("0-4-5"),               0, 0, 0 },
        { reg_str("+0-4"),                0, 0, 0 },
        { reg_str("0 - 4"),               0, 0, 0 },
        { reg_str(" 0-4"),                0, 0, 0 },
        { reg_str("0-4 "),                0, 0, 0 },
        { reg_str("0-4\0"),               0, 0, 0 },
        { reg_str("0-0x4"),               0, 0, 0 },
        { reg_str("0-4,6-7"),             0, 0, 0 },
        { reg_str("a-b"),                 0, 0, 0 },
        { reg_str("0-9223372036854775807"),  0, 0, 0 },
        { reg_str("0-18446744073709551615"), 0, 0, 0 },
        { reg_str("0-99999999999999999999999999"), 0, 0, 0 },
        { reg_str("18446744073709551615-18446744073709551615"), 0, 0, 0 },
        { reg_str("bytes"),               0, 0, 0 },
        { reg_str("bytes "),              0, 0, 0 },
        { reg_str("bytes=0-4"),           0, 0, 0 },
        { reg_str("bytes  0-4"),          0, 0, 0 },
        { reg_str("bytes0-4"),            0, 0, 0 },
        { reg_str("items 0-4"),           0, 0, 0 },
        { reg_str("bytes bytes 0-4"),     0, 0, 0 },
        { reg_str("bytes */5"),           0, 0, 0 },
        { reg_str("0-4/"),                0, 0, 0 },
        { reg_str("0-4/4"),               0, 0, 0 },
        { reg_str("0-4/x"),               0, 0, 0 },
        { reg_str("0-4/5/6"),             0, 0, 0 },
        { reg_str("0-4/**"),              0, 0, 0 },
        { reg_str("0/4-5"),               0, 0, 0 },
        { reg_str("/"),                   0, 0, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        copy = malloc(rows[i].text.len ? rows[i].text.len : 1);

        if (rows[i].text.len != 0) {
            memcpy(copy, rows[i].text.data, rows[i].text.len);
        }

        s.data = copy;
        s.len = rows[i].text.len;

        reg_error_clear(&e);
        rc = reg_range_parse(&range, s, &e);

        ok(rc == (rows[i].valid ? REG_OK : REG_UPLOAD_INVALID) && e.rc == rc,
           "range \"%s\": %d", s.len ? rows[i].text.data : "", (int) rc);

        if (rc == REG_OK) {
            ok(range.first == rows[i].first && range.last == rows[i].last,
               "  %llu to %llu", (unsigned long long) range.first,
               (unsigned long long) range.last);

        } else {
            ok(e.detail[0] != '\0', "  %s", e.detail);
        }

        free(copy);
    }
}
