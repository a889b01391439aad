
#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>


void
die(const char *fmt, ...)
{
    va_list  args;

    fflush(stdout);
    fprintf(stderr, "load: ");

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    fprintf(stderr, "\n");

    exit(1);
}


void *
xalloc(size_t size)
{
    return xrealloc(NULL, size);
}


void *
xrealloc(void *p, size_t size)
{
    p = realloc(p, size);

    if (p == NULL) {
        die("out of memory");
    }

    return p;
}


char *
xprintf(const char *fmt, ...)
{
    int      n;
    char    *s;
    va_list  args;

    va_start(args, fmt);
    n = vasprintf(&s, fmt, args);
    va_end(args);

    if (n == -1) {
        die("out of memory");
    }

    return s;
}


double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


void
pause_for(double seconds)
{
    struct timespec  ts;

    if (seconds <= 0) {
        return;
    }

    ts.tv_sec = (time_t) seconds;
    ts.tv_nsec = (long) ((seconds - (double) ts.tv_sec) * 1e9);

    while (nanosleep(&ts, &ts) == -1 && errno == EINTR) {
        /* the rest of the time */
    }
}
