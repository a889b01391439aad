
#include "reg_test.h"
#include "reg_time.h"

#include <time.h>


static void test_rows(void);
static void test_bad(void);
static void test_libc(void);
static void test_ns(void);
static void test_span(void);


int
main(void)
{
    test_rows();
    test_bad();
    test_libc();
    test_ns();
    test_span();

    return done_testing();
}


static void
test_rows(void)
{
    char     out[REG_TIME_LEN + 1];
    size_t   i;
    int64_t  time;

    static const struct {
        const char  *text;
        int64_t      time;
    } rows[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "1970-01-01T00:00:01Z", 1 },
        { "1970-12-31T23:59:59Z", 31535999 },
        { "1972-02-29T00:00:00Z", 68169600 },
        { "2000-02-29T12:00:00Z", 951825600 },
        { "2001-09-09T01:46:40Z", 1000000000 },
        { "2038-01-19T03:14:08Z", INT64_C(2147483648) },
        { "2100-03-01T00:00:00Z", INT64_C(4107542400) },
        { "9999-12-31T23:59:59Z", REG_TIME_MAX }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(reg_time_parse(reg_str_of(rows[i].text), &time) == 0
           && time == rows[i].time, "%s is a time", rows[i].text);
        ok(reg_time_print(rows[i].time, out) == 0, "it is written");
        is(reg_str_of(out), rows[i].text, "as it is read");
    }

    ok(reg_time_parse(reg_str("2026-12-31"), &time) == 0
       && reg_time_print(time, out) == 0, "a date");
    is(reg_str_of(out), "2026-12-31T23:59:59Z", "lasts to its end");

    ok(reg_time_print(-1, out) == -1, "before 1970");
    ok(reg_time_print(REG_TIME_MAX + 1, out) == -1, "the year 10000");
    ok(reg_time_print(INT64_MAX, out) == -1, "the end of all time");
}


static void
test_bad(void)
{
    size_t   i;
    int64_t  time;

    static const char *const  rows[] = {
        "", "never", "2026", "2026-13-01", "2026-00-01", "2026-01-00",
        "2026-01-32", "2026-04-31", "2026-02-29", "2100-02-29", "1900-02-29",
        "1969-12-31", "0000-01-01", "2026-1-011", "2026/12/31", "-026-12-31",
        "+026-12-31", " 2026-12-3", "2026-12-31 ", "20261231T235959Z",
        "2026-12-31T24:00:00Z", "2026-12-31T23:60:00Z", "2026-12-31T23:59:60Z",
        "2026-12-31T23:59:59z", "2026-12-31t23:59:59Z", "2026-12-31 23:59:59Z",
        "2026-12-31T23:59:59+", "2026-12-31T23:59:59+00:00",
        "2026-12-31T23:59:59.5Z", "2026-12-31T23-59-59Z",
        "2026-12-31T-1:00:00Z", "2026-12-31T23:59:  Z", "99999-12-31"
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(reg_time_parse(reg_str_of(rows[i]), &time) == -1,
           "\"%s\" is no time", rows[i]);
    }
}


/* What libc says of the same second. */

static void
test_libc(void)
{
    char       ours[REG_TIME_LEN + 1], theirs[64];
    int        wrong;
    time_t     t;
    int64_t    i, back;
    struct tm  tm;

    wrong = 0;

    /*
     * each day of 170 years, at changing hours, then steps of months; of those
     * that libc can say
     */

    for (i = 0; i < REG_TIME_MAX && (time_t) i == i; /* void */) {
        t = (time_t) i;

        (void) gmtime_r(&t, &tm);
        (void) strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%SZ", &tm);

        if (reg_time_print(i, ours) != 0 || strcmp(ours, theirs) != 0
            || reg_time_parse(reg_str_of(ours), &back) != 0 || back != i)
        {
            wrong++;
        }

        i += (i < INT64_C(5400000000)) ? 86399 : 2629800;
    }

    is_num(wrong, 0, "libc agrees");
}


static void
test_ns(void)
{
    size_t           i;
    struct timespec  ts;

    static const struct {
        int64_t  seconds;
        long     part;
        int64_t  ns;
    } rows[] = {
        { 0, 0,                   0 },
        { 0, 999999999,           999999999 },
        { 2147483647, 1,          INT64_C(2147483647000000001) },
        { 4294967296, 1,          INT64_C(4294967296000000001) },
        { -1, 999999999,          -1 },
        { 9223372035, 999999999,  INT64_C(9223372035999999999) },
        { 9223372036, 0,          INT64_MAX },
        { 15032385535, 0,         INT64_MAX },
        { INT64_MAX, 0,           INT64_MAX },
        { -4611686018, 0,         INT64_C(-4611686018000000000) },
        { -4611686019, 0,         -(INT64_MAX / 2) },
        { INT64_MIN, 0,           -(INT64_MAX / 2) }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ts.tv_sec = (time_t) rows[i].seconds;
        ts.tv_nsec = rows[i].part;

        /* what a time_t of 32 bits cannot say */

        if (ts.tv_sec == rows[i].seconds) {
            is_num(reg_time_ns(&ts), rows[i].ns, "nanoseconds");
        }
    }
}


static void
test_span(void)
{
    size_t  i;

    static const struct {
        int64_t  seconds;
        int64_t  ns;
    } rows[] = {
        { 0,                     0 },
        { 1,                     INT64_C(1000000000) },
        { -1,                    INT64_C(-1000000000) },
        { 36500 * 86400LL,       INT64_C(3153600000000000000) },
        { 4611686018,            INT64_C(4611686018000000000) },
        { 4611686019,            INT64_C(4611686018000000000) },
        { 200000 * 86400LL,      INT64_C(4611686018000000000) },
        { INT64_MAX,             INT64_C(4611686018000000000) },
        { INT64_MIN,             INT64_C(-4611686018000000000) }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_num(reg_time_span(rows[i].seconds), rows[i].ns, "a period");
    }
}
