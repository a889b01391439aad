
#include "reg_index.h"
#include "reg_test_alloc.h"

#include "reg_index.c"

#include <stdio.h>


#define N  1000


static void test_index(void);
static void test_alloc(void);

static char  names[N][8];


int
main(void)
{
    size_t  i;

    reg_test_alloc_init();

    for (i = 0; i < N; i++) {
        (void) snprintf(names[i], sizeof(names[i]), "k%zu", i);
    }

    test_index();

    test_alloc();

    return done_testing();
}


static void
test_index(void)
{
    size_t       i, good;
    reg_index_t  x;

    reg_index_init(&x);

    ok(reg_index_find(&x, reg_str("a")) == REG_INDEX_NONE, "an empty index");
    ok(reg_index_find(&x, reg_null_str) == REG_INDEX_NONE, "no key");

    good = 0;

    for (i = 0; i < N; i++) {
        good += (reg_index_add(&x, reg_str_of(names[i])) == 0);
    }

    is_num((long long) good, N, "all are added");

    good = 0;

    for (i = 0; i < N; i++) {
        good += (reg_index_find(&x, reg_str_of(names[i])) == i);
    }

    is_num((long long) good, N, "and found by their number");

    is_num(reg_index_add(&x, reg_str("k7")), 1, "one is there already");
    is_num((long long) x.n, N, "and is not added");
    ok(reg_index_find(&x, reg_str("k1000")) == REG_INDEX_NONE, "one is not");
    is_num(reg_index_add(&x, reg_str("")), 0, "an empty key is a key");
    is_num((long long) reg_index_find(&x, reg_null_str), N, "and found");

    reg_index_free(&x);

    ok(reg_index_find(&x, reg_str("k1")) == REG_INDEX_NONE, "after free");
}


static void
test_alloc(void)
{
    int            rc;
    size_t         i, good;
    unsigned long  n;
    reg_index_t    x;

    for (n = 1; ; n++) {
        reg_index_init(&x);
        reg_test_alloc_fail(n, 0);

        for (i = 0; i < 40; i++) {
            rc = reg_index_add(&x, reg_str_of(names[i]));

            if (rc != 0) {
                break;
            }
        }

        if (!reg_test_alloc_restore()) {
            reg_index_free(&x);
            break;
        }

        is_num(rc, -1, "an allocation fails");

        for (good = 0; good < i; good++) {
            if (reg_index_find(&x, reg_str_of(names[good])) != good) {
                break;
            }
        }

        ok(good == i, "what was added is still there");
        is_num(reg_index_add(&x, reg_str_of(names[i])), 0, "and it goes on");

        reg_index_free(&x);
    }

    ok(n > 3, "allocations were made to fail");
}
