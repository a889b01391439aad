
/* The page of metrics: requests, by handler, method and status. */


#include "ngx_http_registry_metrics_private.h"


static void ngx_http_registry_metrics_sizes(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, ngx_http_registry_histogram_t *h);


#define X(symbol, name)  { sizeof(name) - 1, name },

static const reg_str_t  ngx_http_registry_handler_names[] = {
    NGX_HTTP_REGISTRY_HANDLER_TABLE(X)
};

static const reg_str_t  ngx_http_registry_method_names[] = {
    NGX_HTTP_REGISTRY_METHOD_TABLE(X)
};

#undef X


/* What was never asked for has no samples, but for the gauge. */

void
ngx_http_registry_metrics_http(ngx_http_registry_metrics_t *p)
{
    u_char       code[NGX_INT_T_LEN];
    ngx_uint_t   h, m, c;
    uint64_t     n;
    reg_label_t  labels[3];

    labels[0].name = "handler";
    labels[1].name = "method";
    labels[2].name = "code";

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_REQUESTS);

    for (h = 0; h < NGX_HTTP_REGISTRY_HANDLERS; h++) {
        labels[0].value = ngx_http_registry_handler_names[h];

        for (m = 0; m < NGX_HTTP_REGISTRY_METHODS; m++) {
            labels[1].value = ngx_http_registry_method_names[m];

            for (c = 0; c < NGX_HTTP_REGISTRY_CODES; c++) {
                n = p->stats->requests[h][m][c];

                if (n == 0) {
                    continue;
                }

                labels[2].value = ngx_http_registry_metrics_code(code, c);
                reg_metrics_value(&p->m, labels, 3, n);
            }
        }
    }

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_DURATION);

    for (h = 0; h < NGX_HTTP_REGISTRY_HANDLERS; h++) {
        labels[0].value = ngx_http_registry_handler_names[h];

        for (m = 0; m < NGX_HTTP_REGISTRY_METHODS; m++) {
            labels[1].value = ngx_http_registry_method_names[m];

            ngx_http_registry_metrics_histogram(p, labels, 2,
                                                ngx_http_registry_times, 13,
                                                &p->stats->duration[h][m], 0);
        }
    }

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_IN_FLIGHT);

    for (h = 0; h < NGX_HTTP_REGISTRY_HANDLERS; h++) {
        labels[0].value = ngx_http_registry_handler_names[h];

        n = ngx_http_registry_metrics_gauge(p,
                offsetof(ngx_http_registry_slot_t, in_flight)
                + h * sizeof(ngx_atomic_t));

        reg_metrics_value(&p->m, labels, 1, n);
    }

    ngx_http_registry_metrics_sizes(p, NGX_HTTP_REGISTRY_METRIC_RECEIVED,
                                    p->stats->received);
    ngx_http_registry_metrics_sizes(p, NGX_HTTP_REGISTRY_METRIC_SENT,
                                    p->stats->sent);
}


static void
ngx_http_registry_metrics_sizes(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, ngx_http_registry_histogram_t *h)
{
    ngx_uint_t   i;
    reg_label_t  label;

    ngx_http_registry_metrics_family(p, metric);

    label.name = "handler";

    for (i = 0; i < NGX_HTTP_REGISTRY_HANDLERS; i++) {
        label.value = ngx_http_registry_handler_names[i];

        ngx_http_registry_metrics_histogram(p, &label, 1,
                                            ngx_http_registry_sizes, 12,
                                            &h[i], 0);
    }
}
