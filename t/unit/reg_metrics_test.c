
/* Metrics as text: both formats, escapes, sums of buckets, what is accepted. */


#include "reg_metrics.h"
#include "reg_test.h"


static const reg_metric_t  counter = {
    "things", "Things there were.", REG_METRIC_COUNTER, REG_METRIC_UNITS
};

static const reg_metric_t  gauge = {
    "age_seconds", "An age.", REG_METRIC_GAUGE, REG_METRIC_MICROSECONDS
};

static const reg_metric_t  histogram = {
    "took_seconds", "What it took.", REG_METRIC_HISTOGRAM,
    REG_METRIC_MICROSECONDS
};


static void
write_all(reg_buf_t *b, int open)
{
    reg_metrics_t  m;

    static const uint64_t     bounds[] = { 5000, 1000000 };
    static const uint64_t     counts[] = { 2, 0, 3 };
    static const reg_label_t  labels[] = {
        { "a", { 1, "x" } },
        { "b", { 10, "q\"\\\n\xff\xc3\xa4\x01;," } }
    };

    reg_buf_init(b, 4096);
    reg_metrics_begin(&m, b, open);

    reg_metrics_family(&m, &counter);
    reg_metrics_value(&m, NULL, 0, 18446744073709551615u);
    reg_metrics_value(&m, labels, 2, 0);

    reg_metrics_family(&m, &gauge);
    reg_metrics_value(&m, labels, 1, 1500000);

    reg_metrics_family(&m, &histogram);
    reg_metrics_histogram(&m, labels, 1, bounds, 2, counts, 7000001);

    reg_metrics_end(&m);
}


#define TEXT(total, one, eof)                                                 \
    "# HELP things" total " Things there were.\n"                             \
    "# TYPE things" total " counter\n"                                        \
    "things_total 18446744073709551615\n"                                     \
    "things_total{a=\"x\",b=\"q\\\"\\\\\\n\xef\xbf\xbd\xc3\xa4\x01;,\"} 0\n"  \
    "# HELP age_seconds An age.\n"                                            \
    "# TYPE age_seconds gauge\n"                                              \
    "age_seconds{a=\"x\"} 1.5\n"                                              \
    "# HELP took_seconds What it took.\n"                                     \
    "# TYPE took_seconds histogram\n"                                         \
    "took_seconds_bucket{a=\"x\",le=\"0.005\"} 2\n"                           \
    "took_seconds_bucket{a=\"x\",le=\"" one "\"} 2\n"                         \
    "took_seconds_bucket{a=\"x\",le=\"+Inf\"} 5\n"                            \
    "took_seconds_sum{a=\"x\"} 7.000001\n"                                    \
    "took_seconds_count{a=\"x\"} 5\n"                                         \
    eof


static void
test_formats(void)
{
    reg_buf_t  b;

    write_all(&b, 0);
    is_str(reg_buf_slice(&b), reg_str(TEXT("_total", "1", "")), "text");
    reg_buf_free(&b);

    write_all(&b, 1);
    is_str(reg_buf_slice(&b), reg_str(TEXT("", "1.0", "# EOF\n")),
           "OpenMetrics");
    reg_buf_free(&b);
}


static void
test_accept(void)
{
    size_t  i;

    static const struct {
        reg_str_t  accept;
        int        open;
    } rows[] = {
        { { 0, NULL }, 0 },
        { { 3, "*/*" }, 0 },
        { { 10, "text/plain" }, 0 },
        { { 28, "application/openmetrics-text" }, 1 },
        { { 28, "APPLICATION/OpenMetrics-Text" }, 1 },
        { { 27, "application/openmetrics-tex" }, 0 },
        { { 50, "text/plain;q=0.5 , application/openmetrics-text;q=1" },
          1 },
        { { 32, "application/openmetrics-text;q=0" }, 0 },
        { { 34, "application/openmetrics-text;q=0.1" }, 1 },
        { { 78, "application/openmetrics-text;version=1.0.0;q=0.5,"
                "text/plain;version=0.0.4;q=0" }, 1 },
        { { 3, ",, " }, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(reg_metrics_accept(rows[i].accept) == rows[i].open, "accept %zu",
           i);
    }
}


int
main(void)
{
    test_formats();
    test_accept();

    return done_testing();
}
