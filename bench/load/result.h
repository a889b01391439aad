
/* What a run prints: one line of JSON. */

#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H


#include "meter.h"

#include <stdint.h>


/* Durations in seconds; add one with samples_add(). */

typedef struct {
    double    *at;
    size_t     n, size;
} samples_t;


typedef struct {
    samples_t  latency;
    samples_t  cpu;                 /* of each operation; may be empty */
    uint64_t   bytes;
    uint64_t   errors;
    char       error[512];          /* the first one */
} outcome_t;


void samples_add(samples_t *s, double seconds);
void samples_append(samples_t *s, const samples_t *from);

void outcome_error(outcome_t *o, const char *why);
void outcome_append(outcome_t *o, const outcome_t *from);

/* The percentile of sorted samples, in milliseconds. */
double samples_sort_at(samples_t *s, double percentile);

/*
 * With the CPU time of each operation, rates and costs are those of the
 * median operation; without, of the whole run.
 *
 * result_open() prints what the meter and the outcome say of the run that
 * ends now; result_number() and result_samples() add to it; result_close()
 * ends the line.
 */
void result_open(meter_t *m, outcome_t *o);
void result_number(const char *name, double value);
void result_samples(const char *prefix, samples_t *s);
void result_close(void);


#endif /* BENCH_RESULT_H */
