
/* What every file of the load generator needs, and little else. */

#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H


#include <stddef.h>


/* Says why on standard error and exits with 1. */
void die(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* malloc() which dies rather than return NULL. */
void *xalloc(size_t size);
void *xrealloc(void *p, size_t size);
char *xprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Seconds of the monotonic clock. */
double now(void);

/* Sleeps; negative times do not. */
void pause_for(double seconds);


#endif /* BENCH_UTIL_H */
