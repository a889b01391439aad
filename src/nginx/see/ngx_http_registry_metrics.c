
/* The page of metrics: its order, and what is of no request and no store. */


#include "ngx_http_registry_headers_in.h"
#include "ngx_http_registry_metrics_private.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_zone.h"

#include "reg_version.h"


#define NGX_HTTP_REGISTRY_METRICS_MAX  (4 * 1024 * 1024)


static void ngx_http_registry_metrics_write(ngx_http_registry_metrics_t *p);
static void ngx_http_registry_metrics_build(ngx_http_registry_metrics_t *p);
static void ngx_http_registry_metrics_driver(ngx_http_registry_metrics_t *p);
static void ngx_http_registry_metrics_threads(ngx_http_registry_metrics_t *p);
static void ngx_http_registry_metrics_access(ngx_http_registry_metrics_t *p);
static void ngx_http_registry_metrics_zone(ngx_http_registry_metrics_t *p);


#define X(symbol, name)  { sizeof(name) - 1, name },

static const reg_str_t  ngx_http_registry_action_names[] = {
    NGX_HTTP_REGISTRY_ACTION_TABLE(X)
};

static const reg_str_t  ngx_http_registry_login_names[] = {
    NGX_HTTP_REGISTRY_LOGIN_TABLE(X)
};

static const reg_str_t  ngx_http_registry_bearer_names[] = {
    NGX_HTTP_REGISTRY_BEARER_TABLE(X)
};

#undef X


ngx_int_t
ngx_http_registry_metrics_handler(ngx_http_request_t *r)
{
    char                         *type;
    ngx_int_t                     rc;
    reg_buf_t                     b;
    reg_str_t                     accept;
    ngx_table_elt_t              *h;
    ngx_http_registry_metrics_t   p;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_registry_only_read(r);
    }

    p.stats = ngx_http_registry_stats;
    p.rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);

    if (p.stats == NULL) {
        return NGX_HTTP_NOT_FOUND;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    h = ngx_http_registry_find_header(r, "accept", sizeof("accept") - 1);
    accept = h ? ngx_http_registry_str(&h->value) : reg_null_str;

    reg_buf_init(&b, NGX_HTTP_REGISTRY_METRICS_MAX);
    reg_metrics_begin(&p.m, &b, reg_metrics_accept(accept));

    ngx_http_registry_metrics_write(&p);

    reg_metrics_end(&p.m);

    if (reg_buf_failed(&b) || ngx_http_registry_keep_buf(r, &b) != NGX_OK) {
        reg_buf_free(&b);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    type = (char *) reg_metrics_type(&p.m);

    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    return ngx_http_registry_send_memory(r, NGX_HTTP_OK, b.data, b.len);
}


static void
ngx_http_registry_metrics_write(ngx_http_registry_metrics_t *p)
{
    ngx_http_registry_metrics_build(p);
    ngx_http_registry_metrics_http(p);
    ngx_http_registry_metrics_driver(p);
    ngx_http_registry_metrics_threads(p);
    ngx_http_registry_metrics_access(p);
    ngx_http_registry_metrics_zone(p);
    ngx_http_registry_metrics_stores(p);
    ngx_http_registry_metrics_jobs(p);
    ngx_http_registry_metrics_events(p);
}


static void
ngx_http_registry_metrics_build(ngx_http_registry_metrics_t *p)
{
    reg_label_t  labels[2];

    labels[0].name = "version";
    labels[0].value = reg_str(REG_VERSION);
    labels[1].name = "nginx";
    labels[1].value = reg_str(NGINX_VERSION);

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_BUILD);
    reg_metrics_value(&p->m, labels, 2, 1);

    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_STARTED,
                                  p->stats->started);
    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_LOADED,
                                  (uint64_t) ngx_http_registry_stats_loaded);
}


static void
ngx_http_registry_metrics_driver(ngx_http_registry_metrics_t *p)
{
    ngx_uint_t   i;
    reg_label_t  labels[2];

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_STORAGE);

    labels[0].name = "action";
    labels[1].name = "driver";
    labels[1].value = reg_str("filesystem");

    for (i = 0; i < NGX_HTTP_REGISTRY_ACTIONS; i++) {
        labels[0].value = ngx_http_registry_action_names[i];

        ngx_http_registry_metrics_histogram(p, labels, 2,
                                            ngx_http_registry_short_times, 15,
                                            &p->stats->storage[i], 0);
    }

    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_CACHE,
                                  p->stats->cache_asked);
    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_CACHE_HITS,
                                  p->stats->cache_hits);
}


static void
ngx_http_registry_metrics_threads(ngx_http_registry_metrics_t *p)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_REGISTRY_GAUGES; i++) {
        ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_WAITING + i,
            ngx_http_registry_metrics_gauge(p,
                offsetof(ngx_http_registry_slot_t, gauges)
                + i * sizeof(ngx_atomic_t)));
    }

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_WAIT);
    ngx_http_registry_metrics_histogram(p, NULL, 0,
                                        ngx_http_registry_short_times, 15,
                                        &p->stats->wait, 1);

    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_TASKS_REFUSED,
                                  p->stats->refused);

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_HASH);
    ngx_http_registry_metrics_histogram(p, NULL, 0,
                                        ngx_http_registry_short_times, 15,
                                        &p->stats->hash, 1);
}


static void
ngx_http_registry_metrics_access(ngx_http_registry_metrics_t *p)
{
    ngx_uint_t   i;
    reg_label_t  label;

    label.name = "result";

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_LOGINS);

    for (i = 0; i < NGX_HTTP_REGISTRY_RESULTS; i++) {
        label.value = ngx_http_registry_login_names[i];
        reg_metrics_value(&p->m, &label, 1, p->stats->logins[i]);
    }

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_BEARERS);

    for (i = 0; i < NGX_HTTP_REGISTRY_BEARERS; i++) {
        label.value = ngx_http_registry_bearer_names[i];
        reg_metrics_value(&p->m, &label, 1, p->stats->bearers[i]);
    }

    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_WRITES_REFUSED,
                                  p->stats->writes_refused);
}


static void
ngx_http_registry_metrics_zone(ngx_http_registry_metrics_t *p)
{
    ngx_uint_t                  i;
    reg_label_t                 label;
    ngx_slab_pool_t            *pool;
    ngx_http_registry_root_t  **root;

    label.name = "root";
    root = p->rmcf->roots.elts;

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_UPLOADS);

    for (i = 0; i < p->rmcf->roots.nelts; i++) {
        label.value = ngx_http_registry_str(&root[i]->root);
        reg_metrics_value(&p->m, &label, 1,
                          ngx_http_registry_sessions_open(p->rmcf,
                                                          root[i]));
    }

    pool = (ngx_slab_pool_t *) p->rmcf->zone->shm.addr;

    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_ZONE_SIZE,
                                  p->rmcf->zone->shm.size);
    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_ZONE_FREE,
                                  pool->pfree * ngx_pagesize);
    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_ZONE_EVICTED,
                                  p->stats->evicted);
    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_ZONE_NO_ROOM,
                                  p->stats->no_room);
}
