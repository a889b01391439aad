
#include "reg_test.h"

#include "reg_marks.h"

#include <stdio.h>
#include <stdlib.h>


#define MANY  1000000

#define ALIKE                                                                 \
    "sha256:00000000000000000000000000000000" "0000000000000000000000000000000"


static void test_small(void);
static void test_many(void);
static reg_digest_t nth(unsigned n);


int
main(void)
{
    test_small();
    test_many();

    return done_testing();
}


/* What looks like digests; to hash a million takes too long under ASan. */

static reg_digest_t
nth(unsigned n)
{
    char          text[REG_DIGEST_MAX + 1];
    uint64_t      a;
    reg_digest_t  d;

    a = (uint64_t) n * UINT64_C(0x9e3779b97f4a7c15);

    (void) snprintf(text, sizeof(text), "sha256:%016llx%016x%016x%016x",
                    (unsigned long long) a, n, n * 7, 0);

    if (reg_digest_parse(&d, reg_str_of(text), NULL) != REG_OK) {
        abort();
    }

    return d;
}


static void
test_small(void)
{
    unsigned      i, wrong;
    reg_marks_t   m;
    reg_digest_t  a, b;

    static const char  *const alike[] = {
        ALIKE "1",
        ALIKE "2"
    };

    memset(&m, 0, sizeof(m));
    is_num(reg_marks_seed(&m), 0, "seed");

    reg_digest_of(&a, REG_SHA256, "a", 1);
    reg_digest_of(&b, REG_SHA512, "a", 1);

    ok(!reg_marks_has(&m, &a), "an empty set has nothing");
    is_num(reg_marks_add(&m, &a), 0, "add");
    is_num(reg_marks_add(&m, &a), 0, "and again");
    is_num((long long) m.n, 1, "once");
    ok(reg_marks_has(&m, &a), "it has it");
    ok(!reg_marks_has(&m, &b), "and not another one");

    reg_marks_clear(&m);
    ok(!reg_marks_has(&m, &a) && m.n == 0, "cleared");

    wrong = 0;

    for (i = 0; i < 5000; i++) {
        a = nth(i);
        wrong += (reg_marks_add(&m, &a) != 0);

        /* what is not there is told at any fill: a full table has no end */

        wrong += reg_marks_has(&m, &b);
    }

    for (i = 0; i < 10000; i++) {
        a = nth(i);
        wrong += (reg_marks_has(&m, &a) != (i < 5000));
    }

    is_num(wrong, 0, "five thousand, and five thousand that are not there");
    reg_marks_clear(&m);

    (void) reg_digest_parse(&a, reg_str_of(alike[0]), NULL);
    (void) reg_digest_parse(&b, reg_str_of(alike[1]), NULL);
    (void) reg_marks_add(&m, &a);
    ok(!reg_marks_has(&m, &b), "one that begins as another is another");
    free(m.slots);
}


/* A million has to stay far below 200 MB. */

static void
test_many(void)
{
    unsigned      i, wrong;
    reg_marks_t   m;
    reg_digest_t  d;

    memset(&m, 0, sizeof(m));
    (void) reg_marks_seed(&m);
    wrong = 0;

    for (i = 0; i < MANY; i++) {
        d = nth(i);
        wrong += (reg_marks_add(&m, &d) != 0);
    }

    for (i = 0; i < MANY; i += 97) {
        d = nth(i);
        wrong += !reg_marks_has(&m, &d);
        d = nth(MANY + i);
        wrong += reg_marks_has(&m, &d);
    }

    is_num(wrong, 0, "a million");
    is_num((long long) m.n, MANY, "are kept");
    ok(m.size * sizeof(uint64_t) <= 16 * 1024 * 1024, "in %zu KiB",
       m.size * sizeof(uint64_t) / 1024);

    reg_marks_clear(&m);
    is_num((long long) m.size, 0, "which are given back");
}
