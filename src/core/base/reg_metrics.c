
#include "reg_metrics.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>


#define REG_METRICS_OPEN  "application/openmetrics-text"


static void reg_metrics_labels(reg_metrics_t *m, const reg_label_t *labels,
    size_t n, const uint64_t *le, int inf);
static void reg_metrics_escape(reg_buf_t *b, reg_str_t s);
static void reg_metrics_number(reg_metrics_t *m, uint64_t value, int bound);
static int reg_metrics_refused(const char *p, size_t len);


void
reg_metrics_begin(reg_metrics_t *m, reg_buf_t *out, int openmetrics)
{
    m->out = out;
    m->metric = NULL;
    m->open = (openmetrics != 0);
}


void
reg_metrics_family(reg_metrics_t *m, const reg_metric_t *metric)
{
    const char  *suffix;

    static const char *const  kinds[] = { "counter", "gauge", "histogram" };

    m->metric = metric;

    /* OpenMetrics has the family without what its samples end with */

    suffix = (metric->kind == REG_METRIC_COUNTER && !m->open) ? "_total" : "";

    reg_buf_printf(m->out, "# HELP %s%s %s\n# TYPE %s%s %s\n",
                   metric->name, suffix, metric->help,
                   metric->name, suffix, kinds[metric->kind]);
}


void
reg_metrics_value(reg_metrics_t *m, const reg_label_t *labels, size_t n,
    uint64_t value)
{
    reg_buf_printf(m->out, "%s%s", m->metric->name,
                   (m->metric->kind == REG_METRIC_COUNTER) ? "_total" : "");
    reg_metrics_labels(m, labels, n, NULL, 0);
    reg_metrics_number(m, value, 0);
    reg_buf_str(m->out, reg_str("\n"));
}


void
reg_metrics_histogram(reg_metrics_t *m, const reg_label_t *labels, size_t n,
    const uint64_t *bounds, size_t nbounds, const uint64_t *counts,
    uint64_t sum)
{
    size_t    i;
    uint64_t  total;

    total = 0;

    for (i = 0; i <= nbounds; i++) {
        total += counts[i];

        reg_buf_printf(m->out, "%s_bucket", m->metric->name);
        reg_metrics_labels(m, labels, n, (i < nbounds) ? &bounds[i] : NULL,
                           i == nbounds);
        reg_buf_printf(m->out, "%" PRIu64 "\n", total);
    }

    reg_buf_printf(m->out, "%s_sum", m->metric->name);
    reg_metrics_labels(m, labels, n, NULL, 0);
    reg_metrics_number(m, sum, 0);

    reg_buf_printf(m->out, "\n%s_count", m->metric->name);
    reg_metrics_labels(m, labels, n, NULL, 0);
    reg_buf_printf(m->out, "%" PRIu64 "\n", total);
}


void
reg_metrics_end(reg_metrics_t *m)
{
    if (m->open) {
        reg_buf_str(m->out, reg_str("# EOF\n"));
    }
}


const char *
reg_metrics_type(const reg_metrics_t *m)
{
    return m->open ? REG_METRICS_OPEN "; version=1.0.0; charset=utf-8"
                   : "text/plain; version=0.0.4; charset=utf-8";
}


/* The labels, the bound of a bucket among them, and the blank behind. */

static void
reg_metrics_labels(reg_metrics_t *m, const reg_label_t *labels, size_t n,
    const uint64_t *le, int inf)
{
    char    c;
    size_t  i;

    c = '{';

    for (i = 0; i < n; i++) {
        reg_buf_printf(m->out, "%c%s=\"", c, labels[i].name);
        reg_metrics_escape(m->out, labels[i].value);
        reg_buf_str(m->out, reg_str("\""));
        c = ',';
    }

    if (le) {
        reg_buf_printf(m->out, "%cle=\"", c);
        reg_metrics_number(m, *le, 1);
        reg_buf_str(m->out, reg_str("\""));
        c = ',';
    }

    if (inf) {
        reg_buf_printf(m->out, "%cle=\"+Inf\"", c);
        c = ',';
    }

    if (c == ',') {
        reg_buf_str(m->out, reg_str("}"));
    }

    reg_buf_str(m->out, reg_str(" "));
}


/* Both formats: backslash, quote and line feed; they are UTF-8 otherwise. */

static void
reg_metrics_escape(reg_buf_t *b, reg_str_t s)
{
    size_t  i, len;

    for (i = 0; i < s.len; i += len) {
        len = 1;

        switch (s.data[i]) {

        case '\\':
            reg_buf_str(b, reg_str("\\\\"));
            continue;

        case '"':
            reg_buf_str(b, reg_str("\\\""));
            continue;

        case '\n':
            reg_buf_str(b, reg_str("\\n"));
            continue;
        }

        len = reg_str_utf8((const unsigned char *) &s.data[i], s.len - i);

        if (len == 0) {
            reg_buf_str(b, reg_str("\xef\xbf\xbd"));
            len = 1;
            continue;
        }

        reg_buf_add(b, &s.data[i], len);
    }
}


/* Seconds without the zeros at their end; a bound of OpenMetrics has a dot. */

static void
reg_metrics_number(reg_metrics_t *m, uint64_t value, int bound)
{
    int       digits;
    unsigned  rest;

    rest = 0;
    digits = 6;

    if (m->metric->unit == REG_METRIC_MICROSECONDS) {
        rest = (unsigned) (value % 1000000);
        value /= 1000000;
    }

    if (rest == 0) {
        reg_buf_printf(m->out, "%" PRIu64 "%s", value,
                       (bound && m->open) ? ".0" : "");
        return;
    }

    while (rest % 10 == 0) {
        rest /= 10;
        digits--;
    }

    reg_buf_printf(m->out, "%" PRIu64 ".%0*u", value, digits, rest);
}


int
reg_metrics_accept(reg_str_t accept)
{
    size_t       i, len;
    const char  *p, *q;

    for (p = accept.data, i = accept.len; i > 0; p += len, i -= len) {

        q = memchr(p, ',', i);
        len = (q == NULL) ? i : (size_t) (q - p) + 1;

        while (len > 0 && (*p == ' ' || *p == '\t')) {
            p++;
            i--;
            len--;
        }

        if (len < sizeof(REG_METRICS_OPEN) - 1
            || strncasecmp(p, REG_METRICS_OPEN, sizeof(REG_METRICS_OPEN) - 1)
               != 0)
        {
            continue;
        }

        if (!reg_metrics_refused(p, len)) {
            return 1;
        }
    }

    return 0;
}


/* "q=0", "q=0.0": not this one (RFC 9110, 12.4.2). */

static int
reg_metrics_refused(const char *p, size_t len)
{
    size_t  i;

    for (i = 0; i + 3 <= len; i++) {

        if (strncasecmp(&p[i], "q=0", 3) != 0) {
            continue;
        }

        for (i += 3; i < len && (p[i] == '.' || p[i] == '0'); i++) {
            /* void */
        }

        return i == len || p[i] < '1' || p[i] > '9';
    }

    return 0;
}
