
#include "reg_test.h"

#include "reg_sums.h"

#include <stdlib.h>


#define MANY  20000


static reg_digest_t
number(unsigned n, reg_alg_e alg)
{
    reg_digest_t  d;

    reg_digest_of(&d, alg, &n, sizeof(n));

    return d;
}


int
main(void)
{
    int           fresh;
    unsigned      i, wrong;
    reg_sum_t    *sum;
    reg_sums_t    t;
    reg_digest_t  d;

    memset(&t, 0, sizeof(t));

    d = number(1, REG_SHA256);
    ok(reg_sums_find(&t, &d) == NULL, "nothing is in an empty table");

    wrong = 0;

    for (i = 0; i < MANY; i++) {
        d = number(i, REG_SHA256);
        sum = reg_sums_add(&t, &d, &fresh);

        if (sum == NULL || !fresh || sum->value != 0 || sum->tag != 0) {
            wrong++;
            continue;
        }

        sum->value = i;
        sum->tag = i / 2;
    }

    is_num(wrong, 0, "all are new");
    is_num((long long) t.n, MANY, "and counted");

    for (i = 0; i < MANY; i++) {
        d = number(i, REG_SHA256);
        sum = reg_sums_find(&t, &d);
        wrong += (sum == NULL || sum->value != i || sum->tag != i / 2);

        sum = reg_sums_add(&t, &d, &fresh);
        wrong += (sum == NULL || fresh || sum->value != i);
    }

    is_num(wrong, 0, "all are found, with what was said of them");

    for (i = 0; i < MANY; i++) {
        d = number(i, REG_SHA512);
        wrong += (reg_sums_find(&t, &d) != NULL);
        d = number(MANY + i, REG_SHA256);
        wrong += (reg_sums_find(&t, &d) != NULL);
    }

    is_num(wrong, 0, "others are not");

    /* the same digits under both algorithms */

    (void) reg_digest_make(&d, REG_SHA256, reg_str("00000000000000000000000000"
        "00000000000000000000000000000000000000"));
    (void) reg_sums_add(&t, &d, NULL);
    (void) reg_digest_make(&d, REG_SHA512, reg_str("00000000000000000000000000"
        "00000000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000"));
    (void) reg_sums_add(&t, &d, &fresh);
    ok(fresh, "the same digits of another algorithm are another");

    /* a manifest may name what is not here, and begin as it likes */

    (void) reg_digest_make(&d, REG_SHA256, reg_str("00000000000000000000000000"
        "00000000000000000000000000000000000001"));
    (void) reg_sums_add(&t, &d, &fresh);
    ok(fresh, "digests that differ in the last digit are two");

    reg_sums_clear(&t);
    is_num((long long) t.n, 0, "cleared");
    ok(reg_sums_find(&t, &d) == NULL, "nothing is found then");
    (void) reg_sums_add(&t, &d, &fresh);
    ok(fresh, "and all is new");

    reg_sums_free(&t);

    return done_testing();
}
