
#define _GNU_SOURCE
#include "reg_test_alloc.h"

#include "reg_names.c"


static void test_sort(void);
static void test_search(void);
static void test_many(void);
static void test_alloc(void);
static const char *text(const reg_names_t *list);


int
main(void)
{
    test_sort();
    test_search();
    test_many();
    test_alloc();

    return done_testing();
}


static const char *
text(const reg_names_t *list)
{
    size_t      i, n;
    reg_str_t   name;

    static char  buf[512];

    buf[0] = '\0';

    for (i = 0; i < list->n; i++) {
        name = reg_names_get(list, i);
        n = strlen(buf);
        (void) snprintf(buf + n, sizeof(buf) - n, "%s%.*s", i ? " " : "",
                        (int) name.len, name.data);
    }

    return buf;
}


static void
test_sort(void)
{
    size_t       i, k;
    reg_names_t  list;

    static const struct {
        const char  *add[6];
        const char  *want;
    } rows[] = {
        { { NULL }, "" },
        { { "m" }, "m" },
        { { "z", "a" }, "a m z" },
        { { "m", "m", "z" }, "a m z" },
        { { "b", "a", "b", "0" }, "0 a b m z" },
        { { "m0", "m-", "m/" }, "0 a b m m- m/ m0 z" },
        { { "\xff", "Z", "" }, " 0 Z a b m m- m/ m0 z \xff" }
    };

    memset(&list, 0, sizeof(list));

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (k = 0; rows[i].add[k] != NULL; k++) {
            (void) reg_names_add(&list, reg_str_of(rows[i].add[k]));
        }

        ok(reg_names_sort(&list) == 0 && list.sorted == list.n,
           "row %zu: sorted", i);
        is(reg_str_of(text(&list)), rows[i].want, "in order, once each");
    }

    reg_names_free(&list);
    ok(list.text == NULL && list.n == 0, "freed");
}


static void
test_search(void)
{
    size_t       i;
    reg_names_t  list;

    static const struct {
        const char  *key;
        size_t       from;
        size_t       after;
        int          has;
    } rows[] = {
        { "", 0, 0, 0 },
        { "a", 0, 0, 0 },
        { "b", 0, 1, 1 },
        { "ba", 1, 1, 0 },
        { "d", 1, 2, 1 },
        { "e", 2, 2, 0 },
        { "f", 2, 3, 1 },
        { "z", 3, 3, 0 }
    };

    memset(&list, 0, sizeof(list));

    ok(reg_names_after(&list, reg_str("x")) == 0
       && !reg_names_has(&list, reg_str("x")), "nothing in an empty list");

    (void) reg_names_add(&list, reg_str("f"));
    (void) reg_names_add(&list, reg_str("b"));
    (void) reg_names_add(&list, reg_str("d"));
    (void) reg_names_sort(&list);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(reg_names_from(&list, reg_str_of(rows[i].key)) == rows[i].from
           && reg_names_after(&list, reg_str_of(rows[i].key))
              == rows[i].after
           && reg_names_has(&list, reg_str_of(rows[i].key)) == rows[i].has,
           "search \"%s\"", rows[i].key);
    }

    reg_names_free(&list);
}


static void
test_many(void)
{
    int          i, bad;
    char         name[16];
    reg_names_t  list;

    memset(&list, 0, sizeof(list));
    bad = 0;

    for (i = 0; i < 20000; i++) {
        (void) snprintf(name, sizeof(name), "n%05d", (i * 7919) % 20000);
        bad += reg_names_add(&list, reg_str_of(name));

        if (i % 1999 == 0) {
            bad += reg_names_sort(&list);
        }
    }

    bad += reg_names_sort(&list);

    for (i = 0; i < 20000; i++) {
        (void) snprintf(name, sizeof(name), "n%05d", i);
        bad += !reg_str_eq(reg_names_get(&list, (size_t) i),
                           reg_str_of(name));
    }

    is_num(bad, 0, "20,000 in ten turns");
    is_num((long long) list.n, 20000, "all of them");
    ok(reg_names_bytes(&list) < 20000 * 24, "in little memory");

    reg_names_free(&list);
}


static void
test_alloc(void)
{
    int            i, bad;
    char           name[16];
    unsigned long  n;
    reg_names_t    list;

    bad = 0;

    for (n = 1; n < 50; n++) {
        memset(&list, 0, sizeof(list));

        reg_test_alloc_fail(n, 0);

        for (i = 0; i < 300; i++) {
            (void) snprintf(name, sizeof(name), "n%03d", 299 - i);

            if (reg_names_add(&list, reg_str_of(name)) != 0) {
                i--;
            }

            if (i == 150 && reg_names_sort(&list) != 0) {
                i = -1;                     /* what was not sorted is gone */
            }
        }

        if (!reg_test_alloc_restore()) {
            reg_names_free(&list);
            break;
        }

        bad += reg_names_sort(&list);
        bad += (list.n != 300);
        reg_names_free(&list);
    }

    ok(n > 3, "%lu allocations failed in turn", n - 1);
    is_num(bad, 0, "and the list came out right");
}
