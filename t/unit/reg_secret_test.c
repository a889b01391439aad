
#include "reg_secret.h"
#include "reg_test.h"

#include <stdlib.h>


/* computed elsewhere, from the description in the header */
#define KNOWN  "ngxreg_0123456789ABCDEFGHIJKLMNOPQRSTUV0TofWd"


static void test_make(void);
static void test_form(void);
static void test_digits(void);


int
main(void)
{
    test_make();
    test_form();
    test_digits();

    return done_testing();
}


static void
test_make(void)
{
    int            i, same, bad;
    char           first[REG_SECRET_LEN + 1], next[REG_SECRET_LEN + 1];
    unsigned char  hash[REG_SECRET_HASH], other[REG_SECRET_HASH];

    ok(reg_secret_make(first) == 0, "a secret is made");
    ok(strlen(first) == REG_SECRET_LEN
       && strncmp(first, "ngxreg_", 7) == 0, "it has the form of one");
    ok(reg_secret_hash(reg_str_of(first), hash) == 1, "it has a hash");

    same = 0;
    bad = 0;

    for (i = 0; i < 1000; i++) {
        bad += (reg_secret_make(next) != 0
                || reg_secret_hash(reg_str_of(next), other) != 1);
        same += (strcmp(first, next) == 0
                 || memcmp(hash, other, sizeof(hash)) == 0);
    }

    is_num(bad, 0, "a thousand more");
    is_num(same, 0, "of which none is the same");
}


static void
test_form(void)
{
    char           s[REG_SECRET_LEN + 2], was;
    size_t         i, taken;
    unsigned char  hash[REG_SECRET_HASH], none[REG_SECRET_HASH];
    reg_str_t      cut;

    static const unsigned char  want[] = {
        0xde, 0x3d, 0x35, 0x0c, 0xb7, 0x5d, 0x70, 0x5c,
        0xea, 0xea, 0x3f, 0x71, 0xeb, 0x1b, 0xb5, 0xb5,
        0xd9, 0xde, 0x8d, 0x24, 0xe3, 0xbd, 0xe6, 0x7b,
        0x1e, 0x8a, 0x12, 0x8f, 0xc5, 0xee, 0x15, 0x89
    };

    memset(hash, 0, sizeof(hash));
    memset(none, 0, sizeof(none));

    ok(reg_secret_hash(reg_str(KNOWN), hash) == 1, "a secret known before");
    is_str((reg_str_t) { sizeof(hash), (char *) hash },
           (reg_str_t) { sizeof(want), (const char *) want }, "its hash");

    memset(hash, 0, sizeof(hash));
    memcpy(s, KNOWN, sizeof(KNOWN));

    taken = 0;

    for (i = 0; i < REG_SECRET_LEN; i++) {
        was = s[i];

        s[i] = (was == 'x') ? 'y' : 'x';
        taken += (reg_secret_hash(reg_str_of(s), hash) != 0);

        s[i] = '\0';
        taken += (reg_secret_hash((reg_str_t) { REG_SECRET_LEN, s }, hash)
                  != 0);

        s[i] = '-';
        taken += (reg_secret_hash(reg_str_of(s), hash) != 0);

        s[i] = was;
    }

    is_num((long long) taken, 0, "one byte changed, and it is none");

    cut.data = s;

    for (i = 0; i < REG_SECRET_LEN; i++) {
        cut.len = i;
        taken += (reg_secret_hash(cut, hash) != 0);
    }

    is_num((long long) taken, 0, "cut short it is none");
    ok(reg_secret_hash(reg_str(KNOWN "0"), hash) == 0, "a byte too many");
    ok(reg_secret_hash(reg_null_str, hash) == 0, "nothing");
    ok(memcmp(hash, none, sizeof(none)) == 0, "none of them has a hash");
}


/* All digits come up, about as often as each other. */

static void
test_digits(void)
{
    char      s[REG_SECRET_LEN + 1];
    int       i, least, most, count[256];
    size_t    j;

    memset(count, 0, sizeof(count));

    for (i = 0; i < 4000; i++) {
        (void) reg_secret_make(s);

        for (j = 7; j < 7 + REG_SECRET_RANDOM; j++) {
            count[(unsigned char) s[j]]++;
        }
    }

    least = 4000 * REG_SECRET_RANDOM;
    most = 0;

    for (i = 0; i < 256; i++) {
        if ((i >= '0' && i <= '9') || (i >= 'A' && i <= 'Z')
            || (i >= 'a' && i <= 'z'))
        {
            least = (count[i] < least) ? count[i] : least;
            most = (count[i] > most) ? count[i] : most;
        }
    }

    /* 2064 each are expected, give or take 45 (one in 10^13 is off by 350) */

    ok(least > 1700 && most < 2430, "each digit 2064 times: %d to %d", least,
       most);
}
