
/*
 * What a server's processes cost, from outside: CPU time by their CPU clocks
 * (nanoseconds, all threads, ended ones too), memory from /proc.
 */

#ifndef BENCH_METER_H
#define BENCH_METER_H


#include <stddef.h>
#include <sys/types.h>


#define METER_PIDS_MAX  256


typedef struct {
    double   cpu;           /* seconds */
    double   sys;           /* seconds in the kernel, in ticks of 10 ms */
    double   rss;           /* KiB, now, summed over the processes */
    double   peak;          /* KiB, sum of their peaks since meter_start() */
} meter_usage_t;


typedef struct {
    pid_t          root;    /* 0: nothing to measure */
    pid_t          pids[METER_PIDS_MAX];
    size_t         npids;

    double         at;      /* when meter_start() returned */
    meter_usage_t  start;
    double         client;  /* CPU seconds of this process at the start */
} meter_t;


/* The process and all its descendants; dies if it is not there. */
void meter_start(meter_t *m, pid_t root);

/* What has been used up to now, as absolute figures. */
void meter_read(meter_t *m, meter_usage_t *u);

/* CPU seconds alone: quick enough to be read between two operations. */
double meter_cpu(const meter_t *m);

/* CPU seconds of this process. */
double meter_self(void);


#endif /* BENCH_METER_H */
