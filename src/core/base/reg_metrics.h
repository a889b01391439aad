
/*
 * Metrics as text: the Prometheus exposition format 0.0.4, or OpenMetrics 1.0.
 *
 * A family is begun once, then its samples follow.  Names are the program's
 * own and stand as they are given; values of labels may be any bytes and are
 * escaped.  Whoever writes looks at reg_buf_failed() at the end.
 */


#ifndef REG_METRICS_H_INCLUDED
#define REG_METRICS_H_INCLUDED


#include "reg_str.h"


typedef enum {
    REG_METRIC_COUNTER = 0,
    REG_METRIC_GAUGE,
    REG_METRIC_HISTOGRAM
} reg_metric_e;


/* What the numbers of a family count. */
typedef enum {
    REG_METRIC_UNITS = 0,        /* things, bytes, whole seconds */
    REG_METRIC_MICROSECONDS      /* printed as seconds */
} reg_metric_unit_e;


typedef struct {
    const char          *name;   /* of a counter: without its "_total" */
    const char          *help;
    reg_metric_e         kind;
    reg_metric_unit_e    unit;
} reg_metric_t;


typedef struct {
    const char          *name;
    reg_str_t            value;
} reg_label_t;


typedef struct {
    reg_buf_t           *out;    /* borrowed */
    const reg_metric_t  *metric;
    unsigned             open:1; /* OpenMetrics */
} reg_metrics_t;


void reg_metrics_begin(reg_metrics_t *m, reg_buf_t *out, int openmetrics);

/* metric must live as long as samples of it are written. */
void reg_metrics_family(reg_metrics_t *m, const reg_metric_t *metric);

/* One sample of a counter or a gauge; labels may be NULL when n is 0. */
void reg_metrics_value(reg_metrics_t *m, const reg_label_t *labels, size_t n,
    uint64_t value);

/*
 * The samples of a histogram.  counts has one number more than there are
 * bounds, each of what fell between two; bounds ascend, in the unit of the
 * family, as sum is.
 */
void reg_metrics_histogram(reg_metrics_t *m, const reg_label_t *labels,
    size_t n, const uint64_t *bounds, size_t nbounds, const uint64_t *counts,
    uint64_t sum);

void reg_metrics_end(reg_metrics_t *m);

/* The media type of what was written. */
const char *reg_metrics_type(const reg_metrics_t *m);

/*
 * Whether a client that sends this Accept header wants OpenMetrics: it names
 * the type, and not with q=0.
 */
int reg_metrics_accept(reg_str_t accept);


#endif /* REG_METRICS_H_INCLUDED */
