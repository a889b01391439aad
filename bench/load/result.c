
#include "result.h"
#include "util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static int samples_cmp(const void *a, const void *b);
static void result_string(const char *name, const char *value);


static int  result_fields;


void
samples_add(samples_t *s, double seconds)
{
    if (s->n == s->size) {
        s->size = s->size ? 2 * s->size : 1024;
        s->at = xrealloc(s->at, s->size * sizeof(double));
    }

    s->at[s->n++] = seconds;
}


void
samples_append(samples_t *s, const samples_t *from)
{
    size_t  i;

    for (i = 0; i < from->n; i++) {
        samples_add(s, from->at[i]);
    }
}


void
outcome_error(outcome_t *o, const char *why)
{
    if (o->errors++ == 0) {
        snprintf(o->error, sizeof(o->error), "%s", why);
    }
}


void
outcome_append(outcome_t *o, const outcome_t *from)
{
    samples_append(&o->latency, &from->latency);
    samples_append(&o->cpu, &from->cpu);

    if (o->errors == 0) {
        memcpy(o->error, from->error, sizeof(o->error));
    }

    o->bytes += from->bytes;
    o->errors += from->errors;
}


static int
samples_cmp(const void *a, const void *b)
{
    double  x, y;

    x = *(const double *) a;
    y = *(const double *) b;

    return (x > y) - (x < y);
}


double
samples_sort_at(samples_t *s, double percentile)
{
    size_t  i;

    if (s->n == 0) {
        return 0;
    }

    qsort(s->at, s->n, sizeof(double), samples_cmp);

    i = (size_t) ceil(percentile / 100 * (double) s->n);

    return 1000 * s->at[i ? i - 1 : 0];
}


void
result_number(const char *name, double value)
{
    printf("%s\"%s\":%.6g", result_fields++ ? "," : "{", name,
           isfinite(value) ? value : 0.0);
}


static void
result_string(const char *name, const char *value)
{
    printf("%s\"%s\":\"", result_fields++ ? "," : "{", name);

    for ( /* void */ ; *value; value++) {

        if (*value == '"' || *value == '\\') {
            printf("\\%c", *value);

        } else if ((unsigned char) *value < 0x20
                   || (unsigned char) *value >= 0x7f)
        {
            printf("\\u%04x", (unsigned char) *value);

        } else {
            putchar(*value);
        }
    }

    putchar('"');
}


void
result_samples(const char *prefix, samples_t *s)
{
    size_t  i;
    char    name[64];

    static const struct {
        const char  *name;
        double       percentile;
    } points[] = {
        { "p50", 50 }, { "p99", 99 }, { "p999", 99.9 }, { "max", 100 }
    };

    for (i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        snprintf(name, sizeof(name), "%s%s_ms", prefix, points[i].name);
        result_number(name, samples_sort_at(s, points[i].percentile));
    }
}


void
result_open(meter_t *m, outcome_t *o)
{
    double         wall, units, mib, cpu;
    meter_usage_t  u;

    wall = now() - m->at;
    units = (double) o->latency.n;
    mib = (double) o->bytes / 1048576;

    meter_read(m, &u);
    cpu = u.cpu - m->start.cpu;

    result_number("wall_s", wall);

    if (o->cpu.n) {
        cpu = units * samples_sort_at(&o->cpu, 50) / 1000;
        wall = units * samples_sort_at(&o->latency, 50) / 1000;
    }

    result_number("units", units);
    result_number("errors", (double) o->errors);

    if (o->errors) {
        result_string("first_error", o->error);
    }

    result_number("per_s", units / wall);
    result_samples("", &o->latency);

    if (mib >= 1) {
        result_number("mib", mib);
        result_number("mib_per_s", mib / wall);
    }

    result_number("client_cpu_s", meter_self() - m->client);

    if (m->root == 0) {
        return;
    }

    result_number("cpu_s", cpu);
    result_number("sys_s", u.sys - m->start.sys);

    if (units > 0) {
        result_number("cpu_ms", 1000 * cpu / units);
    }

    if (mib >= 1) {
        result_number("cpu_s_per_gib", 1024 * cpu / mib);
    }

    result_number("rss_start_mib", m->start.rss / 1024);
    result_number("rss_mib", u.rss / 1024);
    result_number("peak_mib", u.peak / 1024);
    result_number("procs", (double) m->npids);
}


void
result_close(void)
{
    printf("}\n");
    result_fields = 0;
}
