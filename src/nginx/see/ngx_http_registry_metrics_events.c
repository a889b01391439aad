
/* The page of metrics: events, and the endpoints that are told of them. */


#include "ngx_http_registry_metrics_private.h"
#include "ngx_http_registry_notify.h"


static void ngx_http_registry_metrics_endpoints(
    ngx_http_registry_metrics_t *p, ngx_http_registry_metric_e metric);
static void ngx_http_registry_metrics_target(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, ngx_http_registry_target_t *t);


void
ngx_http_registry_metrics_events(ngx_http_registry_metrics_t *p)
{
    ngx_http_registry_metrics_endpoints(p, NGX_HTTP_REGISTRY_METRIC_EVENTS);
    ngx_http_registry_metrics_endpoints(p, NGX_HTTP_REGISTRY_METRIC_PENDING);
    ngx_http_registry_metrics_endpoints(p, NGX_HTTP_REGISTRY_METRIC_STATUS);
    ngx_http_registry_metrics_endpoints(p, NGX_HTTP_REGISTRY_METRIC_DROPPED);

    ngx_http_registry_metrics_store(p,
                                   NGX_HTTP_REGISTRY_METRIC_APPENDS_FAILED,
                                   NGX_HTTP_REGISTRY_PLACE_AT(appends_failed),
                                   NGX_HTTP_REGISTRY_PLACE_AT(beat));
    ngx_http_registry_metrics_store(p, NGX_HTTP_REGISTRY_METRIC_PULLS_LOST,
                                    NGX_HTTP_REGISTRY_PLACE_AT(pulls_lost),
                                    NGX_HTTP_REGISTRY_PLACE_AT(beat));
}


/* Each endpoint of each root. */

static void
ngx_http_registry_metrics_endpoints(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric)
{
    ngx_uint_t                       i, j;
    ngx_http_registry_root_t       **root;
    ngx_http_registry_target_t      *t;
    ngx_http_registry_delivery_t   **d;

    ngx_http_registry_metrics_family(p, metric);

    root = p->rmcf->roots.elts;

    for (i = 0; i < p->rmcf->roots.nelts; i++) {

        if (root[i]->events == NULL) {
            continue;
        }

        d = root[i]->events->deliveries.elts;

        for (j = 0; j < root[i]->events->deliveries.nelts; j++) {
            t = ngx_http_registry_delivery_target(d[j]);

            if (t) {
                ngx_http_registry_metrics_target(p, metric, t);
            }
        }
    }
}


static void
ngx_http_registry_metrics_target(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, ngx_http_registry_target_t *t)
{
    u_char       code[NGX_INT_T_LEN];
    ngx_uint_t   i;
    reg_label_t  labels[3];

    labels[0].name = "endpoint";
    labels[0].value = reg_str_of(t->name);
    labels[1].name = "root";
    labels[1].value = reg_str_of(t->place->root);

    switch (metric) {

    case NGX_HTTP_REGISTRY_METRIC_EVENTS:
        labels[2].name = "type";
        labels[2].value = reg_str("Events");
        reg_metrics_value(&p->m, labels, 3, t->events);
        labels[2].value = reg_str("Successes");
        reg_metrics_value(&p->m, labels, 3, t->successes);
        labels[2].value = reg_str("Failures");
        reg_metrics_value(&p->m, labels, 3, t->failures);
        labels[2].value = reg_str("Errors");
        reg_metrics_value(&p->m, labels, 3, t->errors);
        break;

    case NGX_HTTP_REGISTRY_METRIC_STATUS:
        labels[2].name = "code";

        for (i = 0; i < NGX_HTTP_REGISTRY_CODES; i++) {

            if (t->status[i] == 0) {
                continue;
            }

            labels[2].value = ngx_http_registry_metrics_code(code, i);
            reg_metrics_value(&p->m, labels, 3, t->status[i]);
        }

        break;

    case NGX_HTTP_REGISTRY_METRIC_PENDING:
        reg_metrics_value(&p->m, labels, 2, t->pending);
        break;

    default:
        reg_metrics_value(&p->m, labels, 2, t->dropped);
    }
}
