
/* The page of metrics: stores, and the jobs that look after them. */


#include "ngx_http_registry_metrics_private.h"


static void ngx_http_registry_metrics_job(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, size_t offset, ngx_uint_t factor);


#define X(symbol, name)  { sizeof(name) - 1, name },

static const reg_str_t  ngx_http_registry_work_names[] = {
    NGX_HTTP_REGISTRY_WORK_TABLE(X)
};

#undef X


void
ngx_http_registry_metrics_stores(ngx_http_registry_metrics_t *p)
{
    ngx_uint_t                  i;
    uint64_t                    now, beat;
    reg_label_t                 label;
    ngx_http_registry_root_t  **root;

    label.name = "root";
    root = p->rmcf->roots.elts;
    now = ngx_http_registry_stats_now() / 1000000;

    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_MANAGERS,
                                  p->stats->managers);

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_SEEN);

    for (i = 0; i < p->rmcf->roots.nelts; i++) {

        if (root[i]->place == NULL || root[i]->place->beat == 0) {
            continue;
        }

        beat = root[i]->place->beat;
        label.value = ngx_http_registry_str(&root[i]->root);
        reg_metrics_value(&p->m, &label, 1, (now > beat) ? now - beat : 0);
    }

#define X(metric, field, known)                                               \
    ngx_http_registry_metrics_store(p, NGX_HTTP_REGISTRY_METRIC_##metric,     \
                                    NGX_HTTP_REGISTRY_PLACE_AT(field),        \
                                    NGX_HTTP_REGISTRY_PLACE_AT(known))

    X(SIZE, size, looked);
    X(FREE, free, looked);
    X(INODES, inodes, looked);
    X(INODES_FREE, inodes_free, looked);
    X(WRITABLE, writable, beat);
    X(READONLY, readonly, beat);
    X(CORRUPT, corrupt, beat);
    X(BLOBS, blobs, counted);
    X(BLOB_BYTES, bytes, counted);
    X(REPOSITORIES, repositories, counted);
    X(COUNTED, counted, counted);
    X(LOCKED, locked, locked);

#undef X
}


/* Samples of the roots that have the figure. */

void
ngx_http_registry_metrics_store(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, size_t offset, size_t known)
{
    u_char                     *place;
    ngx_uint_t                  i;
    reg_label_t                 label;
    ngx_http_registry_root_t  **root;

    ngx_http_registry_metrics_family(p, metric);

    label.name = "root";
    root = p->rmcf->roots.elts;

    for (i = 0; i < p->rmcf->roots.nelts; i++) {
        place = (u_char *) root[i]->place;

        if (place == NULL
            || *(ngx_http_registry_large_t *) (place + known) == 0)
        {
            continue;
        }

        label.value = ngx_http_registry_str(&root[i]->root);
        reg_metrics_value(&p->m, &label, 1,
                          *(ngx_http_registry_large_t *) (place + offset));
    }
}


void
ngx_http_registry_metrics_jobs(ngx_http_registry_metrics_t *p)
{
#define NGX_HTTP_REGISTRY_JOB_AT(field)                                       \
    offsetof(ngx_http_registry_work_stats_t, field)

    ngx_http_registry_metrics_job(p, NGX_HTTP_REGISTRY_METRIC_JOBS,
                                  NGX_HTTP_REGISTRY_JOB_AT(done), 1);
    ngx_http_registry_metrics_job(p, NGX_HTTP_REGISTRY_METRIC_JOB_INTERVAL,
                                  NGX_HTTP_REGISTRY_JOB_AT(interval), 1);
    ngx_http_registry_metrics_job(p, NGX_HTTP_REGISTRY_METRIC_JOB_REMOVED,
                                  NGX_HTTP_REGISTRY_JOB_AT(removed), 1);
    ngx_http_registry_metrics_job(p, NGX_HTTP_REGISTRY_METRIC_JOB_BYTES,
                                  NGX_HTTP_REGISTRY_JOB_AT(bytes), 1);
    ngx_http_registry_metrics_job(p, NGX_HTTP_REGISTRY_METRIC_JOB_PROBLEMS,
                                  NGX_HTTP_REGISTRY_JOB_AT(problems), 1);
    ngx_http_registry_metrics_job(p, NGX_HTTP_REGISTRY_METRIC_JOB_LAST,
                                  NGX_HTTP_REGISTRY_JOB_AT(last), 1);
    ngx_http_registry_metrics_job(p, NGX_HTTP_REGISTRY_METRIC_JOB_TOOK,
                                  NGX_HTTP_REGISTRY_JOB_AT(took), 1000);
}


/* Jobs of each root; what the last run did only when there was one. */

static void
ngx_http_registry_metrics_job(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, size_t offset, ngx_uint_t factor)
{
    ngx_uint_t                       i, j;
    reg_label_t                      labels[3];
    ngx_http_registry_root_t       **root;
    ngx_http_registry_work_stats_t  *w;

    ngx_http_registry_metrics_family(p, metric);

    labels[0].name = "root";
    labels[1].name = "task";
    labels[2].name = "result";

    root = p->rmcf->roots.elts;

    for (i = 0; i < p->rmcf->roots.nelts; i++) {

        if (root[i]->place == NULL) {
            continue;
        }

        labels[0].value = ngx_http_registry_str(&root[i]->root);

        for (j = 0; j < NGX_HTTP_REGISTRY_WORKS; j++) {
            w = &root[i]->place->work[j];
            labels[1].value = ngx_http_registry_work_names[j];

            if (metric == NGX_HTTP_REGISTRY_METRIC_JOBS) {
                labels[2].value = reg_str("done");
                reg_metrics_value(&p->m, labels, 3, w->done);
                labels[2].value = reg_str("failed");
                reg_metrics_value(&p->m, labels, 3, w->failed);

            } else if (metric == NGX_HTTP_REGISTRY_METRIC_JOB_INTERVAL
                       ? w->interval != 0 : w->last != 0)
            {
                reg_metrics_value(&p->m, labels, 2,
                    *(ngx_http_registry_large_t *) ((u_char *) w + offset)
                    * factor);
            }
        }
    }
}
