
/*
 * Times as people read them: UTC, as RFC 3339 writes them, to the second.
 *
 * No time zone, no locale, no libc: what the rest of the core counts in is
 * seconds since 1970, and nanoseconds where the file system tells them.
 */


#ifndef REG_TIME_H_INCLUDED
#define REG_TIME_H_INCLUDED


#include "reg_str.h"

#include <time.h>


/* in ns, which is what times of files are counted in */
#define REG_TIME_SECOND  INT64_C(1000000000)

#define REG_TIME_LEN   (sizeof("2026-12-31T23:59:59Z") - 1)
#define REG_TIME_DATE  (sizeof("2026-12-31") - 1)

/* the last second of 9999: what comes later cannot be written */
#define REG_TIME_MAX   INT64_C(253402300799)


/*
 * Writes a time from 1970 to 9999 into out, which has REG_TIME_LEN + 1 bytes:
 * 0, or -1 for any other.
 */
int reg_time_print(int64_t time, char *out);

/*
 * Parses "2026-12-31T23:59:59Z", and "2026-12-31", which is the last second of
 * that day: what ends on a day still holds on it.  0, or -1 for anything else:
 * other zones, fractions, leap seconds, days that no calendar has, years
 * before 1970.
 */
int reg_time_parse(reg_str_t s, int64_t *time);

/*
 * The nanoseconds of what a clock or a file says.  There are none after the
 * year 2261, and none before 1824, which file systems know: what was written
 * by a clock that is so wrong is as young, or as old, as can be.
 */
int64_t reg_time_ns(const struct timespec *ts);

/*
 * The nanoseconds of a period of seconds, 146 years at the most either way: a
 * longer one is as good as endless, and must not become a negative one.  What
 * reg_time_ns() said may be lessened by it.
 */
int64_t reg_time_span(int64_t seconds);


#endif /* REG_TIME_H_INCLUDED */
