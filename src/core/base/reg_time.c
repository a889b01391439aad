
#include "reg_time.h"

#include <stdio.h>
#include <string.h>


#define REG_TIME_DAY  86400


static int reg_time_leap(int year);
static int reg_time_days(int year, int month);
static int64_t reg_time_of_day(int year, int month, int day);
static int reg_time_digits(const char *p, size_t n);


static int
reg_time_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}


/* How many days the month has; it is 1 to 12. */

static int
reg_time_days(int year, int month)
{
    static const int  days[] = { 31, 28, 31, 30, 31, 30,
                                 31, 31, 30, 31, 30, 31 };

    return days[month - 1] + (month == 2 && reg_time_leap(year));
}


/* Days since 1970 of a date that exists, not before that. */

static int64_t
reg_time_of_day(int year, int month, int day)
{
    int      m;
    int64_t  y, n;

    y = year - 1;

    n = y * 365 + y / 4 - y / 100 + y / 400;

    /* as many from the year 1 to 1970 */

    n -= INT64_C(719162);

    for (m = 1; m < month; m++) {
        n += reg_time_days(year, m);
    }

    return n + day - 1;
}


int
reg_time_print(int64_t time, char *out)
{
    int      year, month, seconds;
    int64_t  day;

    if (time < 0 || time > REG_TIME_MAX) {
        return -1;
    }

    day = time / REG_TIME_DAY;
    seconds = (int) (time % REG_TIME_DAY);

    /* a guess that is never too late, and by 9999 some years too early */

    year = (int) (1970 + day / 366);

    while (reg_time_of_day(year + 1, 1, 1) <= day) {
        year++;
    }

    month = 1;

    while (month < 12 && reg_time_of_day(year, month + 1, 1) <= day) {
        month++;
    }

    day -= reg_time_of_day(year, month, 1) - 1;

    return (snprintf(out, REG_TIME_LEN + 1, "%04d-%02d-%02dT%02d:%02d:%02dZ",
                     year, month, (int) day, seconds / 3600,
                     seconds / 60 % 60, seconds % 60)
            == (int) REG_TIME_LEN)
           ? 0 : -1;
}


/* The number that n digits make, or -1. */

static int
reg_time_digits(const char *p, size_t n)
{
    int     value;
    size_t  i;

    value = 0;

    for (i = 0; i < n; i++) {

        if (p[i] < '0' || p[i] > '9') {
            return -1;
        }

        value = value * 10 + p[i] - '0';
    }

    return value;
}


int
reg_time_parse(reg_str_t s, int64_t *time)
{
    int          year, month, day, hour, minute, second;
    const char  *p;

    if (s.len != REG_TIME_LEN && s.len != REG_TIME_DATE) {
        return -1;
    }

    p = s.data;

    year = reg_time_digits(p, 4);
    month = reg_time_digits(p + 5, 2);
    day = reg_time_digits(p + 8, 2);

    hour = 23;
    minute = 59;
    second = 59;

    if (s.len == REG_TIME_LEN) {

        if (p[10] != 'T' || p[13] != ':' || p[16] != ':' || p[19] != 'Z') {
            return -1;
        }

        hour = reg_time_digits(p + 11, 2);
        minute = reg_time_digits(p + 14, 2);
        second = reg_time_digits(p + 17, 2);
    }

    if (p[4] != '-' || p[7] != '-'
        || year < 1970 || month < 1 || month > 12
        || day < 1 || day > reg_time_days(year, month)
        || hour < 0 || hour > 23 || minute < 0 || minute > 59
        || second < 0 || second > 59)
    {
        return -1;
    }

    *time = reg_time_of_day(year, month, day) * REG_TIME_DAY
            + hour * 3600 + minute * 60 + second;

    return 0;
}


int64_t
reg_time_ns(const struct timespec *ts)
{
    int64_t  seconds;

    /* time_t may have 32 bits; half of ours is left to those who subtract */

    seconds = ts->tv_sec;

    if (seconds >= INT64_MAX / REG_TIME_SECOND) {
        return INT64_MAX;
    }

    if (seconds < -(INT64_MAX / REG_TIME_SECOND / 2)) {
        return -(INT64_MAX / 2);
    }

    return seconds * REG_TIME_SECOND + ts->tv_nsec;
}


int64_t
reg_time_span(int64_t seconds)
{
    int64_t  most;

    most = INT64_MAX / 2 / REG_TIME_SECOND;

    if (seconds > most) {
        seconds = most;

    } else if (seconds < -most) {
        seconds = -most;
    }

    return seconds * REG_TIME_SECOND;
}
