
/* How samples get on the page of metrics. */


#include "ngx_http_registry_metrics_private.h"


static const reg_metric_t  ngx_http_registry_metrics[] = {
#define X(symbol, name, kind, unit, help)                                     \
    { name, help, REG_METRIC_##kind, REG_METRIC_##unit },
    NGX_HTTP_REGISTRY_METRIC_TABLE(X)
#undef X
};


void
ngx_http_registry_metrics_family(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric)
{
    reg_metrics_family(&p->m, &ngx_http_registry_metrics[metric]);
}


void
ngx_http_registry_metrics_one(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, uint64_t value)
{
    ngx_http_registry_metrics_family(p, metric);
    reg_metrics_value(&p->m, NULL, 0, value);
}


/* Counts that go on meanwhile make no bucket smaller than the one before. */

void
ngx_http_registry_metrics_histogram(ngx_http_registry_metrics_t *p,
    const reg_label_t *labels, size_t n, const uint64_t *bounds,
    ngx_uint_t nbounds, ngx_http_registry_histogram_t *h, ngx_uint_t empty)
{
    uint64_t    counts[NGX_HTTP_REGISTRY_BUCKETS + 1], total;
    ngx_uint_t  i;

    total = 0;

    for (i = 0; i <= nbounds; i++) {
        counts[i] = h->n[i];
        total += counts[i];
    }

    if (total == 0 && !empty) {
        return;
    }

    reg_metrics_histogram(&p->m, labels, n, bounds, nbounds, counts, h->sum);
}


/* The sum over processes that are there. */

uint64_t
ngx_http_registry_metrics_gauge(ngx_http_registry_metrics_t *p, size_t offset)
{
    ngx_uint_t                 i;
    ngx_atomic_int_t           n, sum;
    ngx_http_registry_slot_t  *slot;

    sum = 0;

    for (i = 0; i < NGX_HTTP_REGISTRY_SLOTS; i++) {
        slot = &p->stats->slots[i];
        n = *(ngx_atomic_t *) ((u_char *) slot + offset);

        if (n != 0 && ngx_http_registry_alive((ngx_pid_t) slot->pid)) {
            sum += n;
        }
    }

    return (uint64_t) ngx_max(sum, 0);
}


reg_str_t
ngx_http_registry_metrics_code(u_char *buf, ngx_uint_t i)
{
    reg_str_t  code;

    if (ngx_http_registry_codes[i] == 0) {
        return reg_str("other");
    }

    code.data = (char *) buf;
    code.len = ngx_sprintf(buf, "%ui",
                           (ngx_uint_t) ngx_http_registry_codes[i])
               - buf;

    return code;
}
