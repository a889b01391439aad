
#include <stdlib.h>

#include "reg_name.h"
#include "reg_test.h"


#define A64   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A128  A64 A64
#define A255                                                                  \
    A64 A64 A64                                                               \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


static void test_name(void);
static void test_tag(void);
static void test_uuid(void);
static void test_uuid_random(void);
static int compare_ids(const void *a, const void *b);


int
main(void)
{
    test_name();
    test_tag();
    test_uuid();

    return done_testing();
}


static void
test_name(void)
{
    size_t  i;

    static const struct {
        reg_str_t  name;
        int        valid;
    } rows[] = {
        { reg_str("a"),                   1 },
        { reg_str("0"),                   1 },
        { reg_str("a/b"),                 1 },
        { reg_str("0/1"),                 1 },
        { reg_str("a.b"),                 1 },
        { reg_str("a_b"),                 1 },
        { reg_str("a__b"),                1 },
        { reg_str("a-b"),                 1 },
        { reg_str("a--b"),                1 },
        { reg_str("a---------b"),         1 },
        { reg_str("a.b_c__d-e--f/g"),     1 },
        { reg_str("library/alpine"),      1 },
        { reg_str("a/manifests/b"),       1 },
        { reg_str("a/blobs/uploads"),     1 },
        { reg_str("a/tags/list"),         1 },
        { reg_str("manifests"),           1 },
        { reg_str("a/b/c/d/e/f/g/h/i/j"), 1 },
        { reg_str(A255),                  1 },

        { reg_str(""),                    0 },
        { reg_null_str,                   0 },
        { reg_str(A255 "a"),              0 },
        { reg_str("a___b"),               0 },
        { reg_str("a..b"),                0 },
        { reg_str("a._b"),                0 },
        { reg_str("a_.b"),                0 },
        { reg_str("a-_b"),                0 },
        { reg_str("a_-b"),                0 },
        { reg_str("a.-b"),                0 },
        { reg_str("-a"),                  0 },
        { reg_str("a-"),                  0 },
        { reg_str("a_"),                  0 },
        { reg_str("a__"),                 0 },
        { reg_str("a."),                  0 },
        { reg_str("_a"),                  0 },
        { reg_str(".a"),                  0 },
        { reg_str("a/"),                  0 },
        { reg_str("/a"),                  0 },
        { reg_str("/"),                   0 },
        { reg_str("a//b"),                0 },
        { reg_str("a/-b"),                0 },
        { reg_str("a-/b"),                0 },
        { reg_str("a/_layers/b"),         0 },
        { reg_str("_catalog"),            0 },
        { reg_str("a/_catalog"),          0 },
        { reg_str("a/.b"),                0 },
        { reg_str("a/.."),                0 },
        { reg_str(".."),                  0 },
        { reg_str("."),                   0 },
        { reg_str("a/./b"),               0 },
        { reg_str("Alpine"),              0 },
        { reg_str("aB"),                  0 },
        { reg_str("a\\b"),                0 },
        { reg_str("a b"),                 0 },
        { reg_str("a:b"),                 0 },
        { reg_str("a@b"),                 0 },
        { reg_str("a%2fb"),               0 },
        { reg_str("a\0b"),                0 },
        { reg_str("a\0"),                 0 },
        { reg_str("a\n"),                 0 },
        { reg_str("\xc3\xa9"),            0 },
        { reg_str("a\xff"),               0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(reg_name_valid(rows[i].name) == rows[i].valid,
           "%s name \"%.40s\"", rows[i].valid ? "good" : "bad",
           rows[i].name.data ? rows[i].name.data : "");
    }
}


static void
test_tag(void)
{
    int        c, want;
    char       s[2];
    size_t     i;
    reg_str_t  tag;

    static const struct {
        reg_str_t  tag;
        int        valid;
    } rows[] = {
        { reg_str("latest"),           1 },
        { reg_str("a"),                1 },
        { reg_str("_"),                1 },
        { reg_str("_a"),               1 },
        { reg_str("A.b-c_D"),          1 },
        { reg_str("1.0"),              1 },
        { reg_str("a.."),              1 },
        { reg_str("a--"),              1 },
        { reg_str("sha256-" A64 ".sig"), 1 },
        { reg_str(A128),               1 },

        { reg_str(""),                 0 },
        { reg_null_str,                0 },
        { reg_str(A128 "a"),           0 },
        { reg_str(".x"),               0 },
        { reg_str("-x"),               0 },
        { reg_str("."),                0 },
        { reg_str(".."),               0 },
        { reg_str("a:b"),              0 },
        { reg_str("a/b"),              0 },
        { reg_str("a b"),              0 },
        { reg_str("a+b"),              0 },
        { reg_str("a\0"),              0 },
        { reg_str("a\r\n"),            0 },
        { reg_str("\xc3\xa9"),         0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(reg_tag_valid(rows[i].tag) == rows[i].valid,
           "%s tag \"%.40s\"", rows[i].valid ? "good" : "bad",
           rows[i].tag.data ? rows[i].tag.data : "");
    }

    /* every byte, in front and behind */

    tag.data = s;

    for (c = 0; c < 256; c++) {
        want = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
               || (c >= '0' && c <= '9') || c == '_';

        s[0] = (char) c;
        tag.len = 1;

        if (reg_tag_valid(tag) != want) {
            break;
        }

        s[0] = 'a';
        s[1] = (char) c;
        tag.len = 2;

        if (reg_tag_valid(tag) != (want || c == '.' || c == '-')) {
            break;
        }
    }

    is_num(c, 256, "each byte of a tag");
}


static void
test_uuid(void)
{
    char       a[REG_UUID_LEN + 2], b[REG_UUID_LEN + 2];
    size_t     i;
    reg_str_t  s;

    static const struct {
        reg_str_t  id;
        int        valid;
    } rows[] = {
        { reg_str("c5b2fcbd-4a4d-4f0e-9a9d-1d5b2f9d7a11"),  1 },
        { reg_str("00000000-0000-0000-0000-000000000000"),  1 },
        { reg_str("ffffffff-ffff-ffff-ffff-ffffffffffff"),  1 },
        { reg_str("C5B2FCBD-4a4d-4f0e-9a9d-1d5b2f9d7a11"),  0 },
        { reg_str("c5b2fcbd-4a4d-4f0e-9a9d-1d5b2f9d7a1"),   0 },
        { reg_str("c5b2fcbd-4a4d-4f0e-9a9d-1d5b2f9d7a111"), 0 },
        { reg_str("c5b2fcbd4a4d-4f0e-9a9d-1d5b2f9d7a11-"),  0 },
        { reg_str("c5b2fcbd-4a4d-4f0e-9a9d01d5b2f9d7a11"),  0 },
        { reg_str("c5b2fcbd-4a4d-4f0e-9a9d-1d5b2f9d7a1g"),  0 },
        { reg_str("c5b2fcbd-4a4d-4f0e-9a9d-1d5b2f9d7a1/"),  0 },
        { reg_str("....................................") , 0 },
        { reg_str("c5b2fcbd\0" "4a4d-4f0e-9a9d-1d5b2f9d7a11"), 0 },
        { reg_str(".."),                                    0 },
        { reg_str(""),                                      0 },
        { reg_null_str,                                     0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(reg_uuid_valid(rows[i].id) == rows[i].valid, "%s uuid \"%s\"",
           rows[i].valid ? "good" : "bad",
           rows[i].id.data ? rows[i].id.data : "");
    }

    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));

    ok(reg_uuid_make(a) == 0 && reg_uuid_make(b) == 0, "two are made");
    ok(a[REG_UUID_LEN] == '\0' && a[REG_UUID_LEN + 1] == 'x',
       "which end where they should");

    s = reg_str_of(a);
    ok(reg_uuid_valid(s), "the first is one: %s", a);
    s = reg_str_of(b);
    ok(reg_uuid_valid(s), "the second, too: %s", b);

    ok(a[14] == '4' && b[14] == '4', "of version 4");
    ok(strchr("89ab", a[19]) != NULL && strchr("89ab", b[19]) != NULL,
       "and variant 1");
    ok(strcmp(a, b) != 0, "they differ");

    test_uuid_random();
}


/*
 * A25: ten thousand ids tell nothing: no two are alike, and each letter takes
 * each value about as often as any other, so that none holds a count, a process
 * or a time.  Seven deviations are beyond chance.
 */

static void
test_uuid_random(void)
{
    char         (*ids)[REG_UUID_LEN + 1];
    size_t       i, k, twice, odd;
    double       mean, off;
    unsigned     values;
    const char  *at;
    unsigned     count[REG_UUID_LEN][16];

    static const char  letters[] = "0123456789abcdef";

    enum { N = 10000 };

    ids = calloc(N, sizeof(*ids));
    if (ids == NULL) {
        ok(0, "memory for %d ids", N);
        return;
    }

    memset(count, 0, sizeof(count));

    for (i = 0; i < N; i++) {
        if (reg_uuid_make(ids[i]) != 0) {
            ok(0, "id %zu is made", i);
            break;
        }

        for (k = 0; k < REG_UUID_LEN; k++) {
            at = memchr(letters, ids[i][k], 16);

            if (at != NULL) {
                count[k][at - letters]++;
            }
        }
    }

    qsort(ids, N, sizeof(*ids), compare_ids);

    for (twice = 0, i = 1; i < N; i++) {
        twice += strcmp(ids[i - 1], ids[i]) == 0;
    }

    ok(twice == 0, "A25 of %d ids no two are alike", N);

    for (odd = 0, i = 0; i < REG_UUID_LEN; i++) {
        if (i == 8 || i == 13 || i == 14 || i == 18 || i == 23) {
            continue;
        }

        values = (i == 19) ? 4 : 16;
        mean = (double) N / values;

        for (k = (i == 19) ? 8 : 0; k < ((i == 19) ? 12 : 16); k++) {
            off = count[i][k] - mean;
            odd += off * off > 49 * mean;
        }
    }

    ok(odd == 0, "A25 no letter of them can be guessed");
    free(ids);
}


static int
compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}
