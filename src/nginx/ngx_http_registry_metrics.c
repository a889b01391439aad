
#include "ngx_http_registry_metrics.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_stats.h"
#include "ngx_http_registry_zone.h"

#include "reg_metrics.h"
#include "reg_version.h"


#define NGX_HTTP_REGISTRY_METRICS_MAX  (4 * 1024 * 1024)


/* docs/metrics.md describes each; a test compares */
#define NGX_HTTP_REGISTRY_METRIC_TABLE(X)                                     \
    X(BUILD, "registry_build_info", GAUGE, UNITS,                             \
      "1, of this version of the registry and of nginx.")                     \
    X(STARTED, "registry_start_time_seconds", GAUGE, UNITS,                   \
      "When counting began, since the epoch.")                                \
    X(LOADED, "registry_config_last_reload_success_timestamp_seconds",        \
      GAUGE, UNITS, "When the configuration was read, since the epoch.")      \
    X(REQUESTS, "registry_http_requests", COUNTER, UNITS,                     \
      "Total number of HTTP requests made.")                                  \
    X(DURATION, "registry_http_request_duration_seconds", HISTOGRAM,          \
      MICROSECONDS, "The HTTP request latencies in seconds.")                 \
    X(IN_FLIGHT, "registry_http_in_flight_requests", GAUGE, UNITS,            \
      "The in-flight HTTP requests")                                          \
    X(RECEIVED, "registry_http_request_size_bytes", HISTOGRAM, UNITS,         \
      "The HTTP request sizes in bytes.")                                     \
    X(SENT, "registry_http_response_size_bytes", HISTOGRAM, UNITS,            \
      "The HTTP response sizes in bytes.")                                    \
    X(STORAGE, "registry_storage_action_seconds", HISTOGRAM, MICROSECONDS,    \
      "The number of seconds that the storage action takes")                  \
    X(CACHE, "registry_storage_cache_requests", COUNTER, UNITS,               \
      "Manifests looked for in the shared zone.")                             \
    X(CACHE_HITS, "registry_storage_cache_hits", COUNTER, UNITS,              \
      "Manifests found in the shared zone.")                                  \
    X(WAITING, "registry_thread_tasks_waiting", GAUGE, UNITS,                 \
      "Tasks in the queues of thread pools.")                                 \
    X(RUNNING, "registry_thread_tasks_running", GAUGE, UNITS,                 \
      "Tasks that threads are at.")                                           \
    X(HASHES, "registry_login_hashes_waiting", GAUGE, UNITS,                  \
      "Passwords that are hashed or wait for it.")                            \
    X(WAIT, "registry_thread_wait_seconds", HISTOGRAM, MICROSECONDS,          \
      "How long tasks waited for a thread.")                                  \
    X(TASKS_REFUSED, "registry_thread_tasks_refused", COUNTER, UNITS,         \
      "Tasks that the queue of a thread pool had no room for.")               \
    X(HASH, "registry_login_hash_seconds", HISTOGRAM, MICROSECONDS,           \
      "How long the hashing of a password took.")                             \
    X(LOGINS, "registry_logins", COUNTER, UNITS,                              \
      "Logins with a name and a password or access token.")                   \
    X(BEARERS, "registry_bearer_tokens", COUNTER, UNITS,                      \
      "Bearer tokens that requests came with.")                               \
    X(WRITES_REFUSED, "registry_readonly_refused", COUNTER, UNITS,            \
      "Writes that registry_readonly refused.")                               \
    X(UPLOADS, "registry_uploads_open", GAUGE, UNITS,                         \
      "Upload sessions that are counted as open.")                            \
    X(ZONE_SIZE, "registry_zone_size_bytes", GAUGE, UNITS,                    \
      "The size of the shared zone.")                                         \
    X(ZONE_FREE, "registry_zone_free_bytes", GAUGE, UNITS,                    \
      "Whole pages of the shared zone that nothing uses.")                    \
    X(ZONE_EVICTED, "registry_zone_evicted", COUNTER, UNITS,                  \
      "Manifests forgotten because the zone was full.")                       \
    X(ZONE_NO_ROOM, "registry_zone_no_room", COUNTER, UNITS,                  \
      "Times that there was no room in the zone all the same.")               \
    X(MANAGERS, "registry_maintenance_starts", COUNTER, UNITS,                \
      "Processes that began to look after the stores.")                       \
    X(SEEN, "registry_maintenance_seen_seconds", GAUGE, UNITS,                \
      "Time since the maintenance last looked at the store.")                 \
    X(SIZE, "registry_store_size_bytes", GAUGE, UNITS,                        \
      "The size of the file system of the store.")                            \
    X(FREE, "registry_store_free_bytes", GAUGE, UNITS,                        \
      "What workers may still take of it.")                                   \
    X(INODES, "registry_store_inodes", GAUGE, UNITS,                          \
      "The inodes of the file system of the store.")                          \
    X(INODES_FREE, "registry_store_free_inodes", GAUGE, UNITS,                \
      "Those that are free.")                                                 \
    X(WRITABLE, "registry_store_writable", GAUGE, UNITS,                      \
      "1 when the store can be written to.")                                  \
    X(READONLY, "registry_store_readonly", GAUGE, UNITS,                      \
      "1 when a location of the store says registry_readonly on.")            \
    X(CORRUPT, "registry_store_corrupt_blobs", GAUGE, UNITS,                  \
      "Blobs that a scrub found corrupt and put aside.")                      \
    X(BLOBS, "registry_store_blobs", GAUGE, UNITS,                            \
      "Blobs when they were last counted.")                                   \
    X(BLOB_BYTES, "registry_store_blob_bytes", GAUGE, UNITS,                  \
      "Bytes of these blobs.")                                                \
    X(REPOSITORIES, "registry_store_repositories", GAUGE, UNITS,              \
      "Repositories when they were last counted.")                            \
    X(COUNTED, "registry_store_counted_timestamp_seconds", GAUGE, UNITS,      \
      "When that was, since the epoch.")                                      \
    X(LOCKED, "registry_store_longest_lock_seconds", GAUGE, MICROSECONDS,     \
      "How long the last collection kept pushes waiting at most.")            \
    X(JOBS, "registry_job_runs", COUNTER, UNITS,                              \
      "Jobs of the maintenance that came to their end.")                      \
    X(JOB_INTERVAL, "registry_job_interval_seconds", GAUGE, UNITS,            \
      "How often a job is to be done; none where it is off.")                 \
    X(JOB_REMOVED, "registry_job_removed", COUNTER, UNITS,                    \
      "What jobs removed: links and blobs, upload sessions.")                 \
    X(JOB_BYTES, "registry_job_removed_bytes", COUNTER, UNITS,                \
      "The bytes of it.")                                                     \
    X(JOB_PROBLEMS, "registry_job_problems", GAUGE, UNITS,                    \
      "What the last run found damaged.")                                     \
    X(JOB_LAST, "registry_job_last_success_timestamp_seconds", GAUGE, UNITS,  \
      "When a job was last done, since the epoch.")                           \
    X(JOB_TOOK, "registry_job_last_duration_seconds", GAUGE, MICROSECONDS,    \
      "How long that run took.")                                              \
    X(EVENTS, "registry_notifications_events", COUNTER, UNITS,                \
      "The number of total events")                                           \
    X(PENDING, "registry_notifications_pending", GAUGE, UNITS,                \
      "The gauge of pending events in queue")                                 \
    X(STATUS, "registry_notifications_status", COUNTER, UNITS,                \
      "The number of status code")                                            \
    X(DROPPED, "registry_notifications_dropped", COUNTER, UNITS,              \
      "Events that the spool dropped before they were delivered.")            \
    X(APPENDS_FAILED, "registry_events_failed", COUNTER, UNITS,               \
      "Changes whose events could not be recorded.")                          \
    X(PULLS_LOST, "registry_events_pulls_lost", COUNTER, UNITS,               \
      "Events of pulls that were not recorded.")


#define NGX_HTTP_REGISTRY_PLACE_AT(field)                                     \
    offsetof(ngx_http_registry_place_t, field)


typedef enum {
#define X(symbol, name, kind, unit, help)  NGX_HTTP_REGISTRY_METRIC_##symbol,
    NGX_HTTP_REGISTRY_METRIC_TABLE(X)
#undef X
    NGX_HTTP_REGISTRY_METRICS
} ngx_http_registry_metric_e;


typedef struct {
    reg_metrics_t                   m;
    ngx_http_registry_stats_t      *stats;
    ngx_http_registry_main_conf_t  *rmcf;
} ngx_http_registry_metrics_t;


static void ngx_http_registry_metrics_write(ngx_http_registry_metrics_t *p);
static void ngx_http_registry_metrics_family(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric);
static void ngx_http_registry_metrics_one(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, uint64_t value);
static void ngx_http_registry_metrics_build(ngx_http_registry_metrics_t *p);
static void ngx_http_registry_metrics_http(ngx_http_registry_metrics_t *p);
static void ngx_http_registry_metrics_sizes(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, ngx_http_registry_histogram_t *h);
static ngx_uint_t ngx_http_registry_metrics_histogram(
    ngx_http_registry_metrics_t *p, const reg_label_t *labels, size_t n,
    const uint64_t *bounds, ngx_uint_t nbounds,
    ngx_http_registry_histogram_t *h, ngx_uint_t empty);
static void ngx_http_registry_metrics_threads(ngx_http_registry_metrics_t *p);
static uint64_t ngx_http_registry_metrics_gauge(
    ngx_http_registry_metrics_t *p, size_t offset);
static void ngx_http_registry_metrics_zone(ngx_http_registry_metrics_t *p);
static void ngx_http_registry_metrics_stores(ngx_http_registry_metrics_t *p);
static void ngx_http_registry_metrics_store(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, size_t offset, size_t known);
static void ngx_http_registry_metrics_jobs(ngx_http_registry_metrics_t *p);
static void ngx_http_registry_metrics_notify(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric);
static void ngx_http_registry_metrics_target(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, ngx_http_registry_target_t *t);
static void ngx_http_registry_metrics_job(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, size_t offset, ngx_uint_t factor);


static const reg_metric_t  ngx_http_registry_metrics[] = {
#define X(symbol, name, kind, unit, help)                                     \
    { name, help, REG_METRIC_##kind, REG_METRIC_##unit },
    NGX_HTTP_REGISTRY_METRIC_TABLE(X)
#undef X
};

#define X(symbol, name)  { sizeof(name) - 1, name },

static const reg_str_t  ngx_http_registry_handler_names[] = {
    NGX_HTTP_REGISTRY_HANDLER_TABLE(X)
};

static const reg_str_t  ngx_http_registry_method_names[] = {
    NGX_HTTP_REGISTRY_METHOD_TABLE(X)
};

static const reg_str_t  ngx_http_registry_action_names[] = {
    NGX_HTTP_REGISTRY_ACTION_TABLE(X)
};

static const reg_str_t  ngx_http_registry_login_names[] = {
    NGX_HTTP_REGISTRY_LOGIN_TABLE(X)
};

static const reg_str_t  ngx_http_registry_bearer_names[] = {
    NGX_HTTP_REGISTRY_BEARER_TABLE(X)
};

static const reg_str_t  ngx_http_registry_work_names[] = {
    NGX_HTTP_REGISTRY_WORK_TABLE(X)
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
        return NGX_HTTP_NOT_ALLOWED;
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
    ngx_uint_t                  i;
    reg_label_t                 labels[2];
    ngx_http_registry_stats_t  *stats;

    stats = p->stats;

    ngx_http_registry_metrics_build(p);
    ngx_http_registry_metrics_http(p);

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_STORAGE);

    labels[0].name = "action";
    labels[1].name = "driver";
    labels[1].value = reg_str("filesystem");

    for (i = 0; i < NGX_HTTP_REGISTRY_ACTIONS; i++) {
        labels[0].value = ngx_http_registry_action_names[i];

        (void) ngx_http_registry_metrics_histogram(p, labels, 2,
                                    ngx_http_registry_short_times, 15,
                                    &stats->storage[i], 0);
    }

    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_CACHE,
                                  stats->cache_asked);
    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_CACHE_HITS,
                                  stats->cache_hits);

    ngx_http_registry_metrics_threads(p);

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_LOGINS);

    labels[0].name = "result";

    for (i = 0; i < NGX_HTTP_REGISTRY_RESULTS; i++) {
        labels[0].value = ngx_http_registry_login_names[i];
        reg_metrics_value(&p->m, labels, 1, stats->logins[i]);
    }

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_BEARERS);

    for (i = 0; i < NGX_HTTP_REGISTRY_BEARERS; i++) {
        labels[0].value = ngx_http_registry_bearer_names[i];
        reg_metrics_value(&p->m, labels, 1, stats->bearers[i]);
    }

    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_WRITES_REFUSED,
                                  stats->writes_refused);

    ngx_http_registry_metrics_zone(p);
    ngx_http_registry_metrics_stores(p);
    ngx_http_registry_metrics_jobs(p);

    ngx_http_registry_metrics_notify(p, NGX_HTTP_REGISTRY_METRIC_EVENTS);
    ngx_http_registry_metrics_notify(p, NGX_HTTP_REGISTRY_METRIC_PENDING);
    ngx_http_registry_metrics_notify(p, NGX_HTTP_REGISTRY_METRIC_STATUS);
    ngx_http_registry_metrics_notify(p, NGX_HTTP_REGISTRY_METRIC_DROPPED);

    ngx_http_registry_metrics_store(p,
                                   NGX_HTTP_REGISTRY_METRIC_APPENDS_FAILED,
                                   NGX_HTTP_REGISTRY_PLACE_AT(appends_failed),
                                   NGX_HTTP_REGISTRY_PLACE_AT(beat));
    ngx_http_registry_metrics_store(p, NGX_HTTP_REGISTRY_METRIC_PULLS_LOST,
                                    NGX_HTTP_REGISTRY_PLACE_AT(pulls_lost),
                                    NGX_HTTP_REGISTRY_PLACE_AT(beat));
}


static void
ngx_http_registry_metrics_family(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric)
{
    reg_metrics_family(&p->m, &ngx_http_registry_metrics[metric]);
}


static void
ngx_http_registry_metrics_one(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, uint64_t value)
{
    ngx_http_registry_metrics_family(p, metric);
    reg_metrics_value(&p->m, NULL, 0, value);
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


/* What was never asked for has no samples, but for the gauge. */

static void
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

                labels[2].value = reg_str("other");

                if (ngx_http_registry_codes[c] != 0) {
                    labels[2].value.data = (char *) code;
                    labels[2].value.len =
                        ngx_sprintf(code, "%ui",
                                    (ngx_uint_t) ngx_http_registry_codes[c])
                        - code;
                }

                reg_metrics_value(&p->m, labels, 3, n);
            }
        }
    }

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_DURATION);

    for (h = 0; h < NGX_HTTP_REGISTRY_HANDLERS; h++) {
        labels[0].value = ngx_http_registry_handler_names[h];

        for (m = 0; m < NGX_HTTP_REGISTRY_METHODS; m++) {
            labels[1].value = ngx_http_registry_method_names[m];

            (void) ngx_http_registry_metrics_histogram(p, labels, 2,
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

        (void) ngx_http_registry_metrics_histogram(p, &label, 1,
                                    ngx_http_registry_sizes, 12, &h[i], 0);
    }
}


/* Counts that go on meanwhile make no bucket smaller than the one before. */

static ngx_uint_t
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
        return 0;
    }

    reg_metrics_histogram(&p->m, labels, n, bounds, nbounds, counts, h->sum);

    return 1;
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
    (void) ngx_http_registry_metrics_histogram(p, NULL, 0,
                                    ngx_http_registry_short_times, 15,
                                    &p->stats->wait, 1);

    ngx_http_registry_metrics_one(p, NGX_HTTP_REGISTRY_METRIC_TASKS_REFUSED,
                                  p->stats->refused);

    ngx_http_registry_metrics_family(p, NGX_HTTP_REGISTRY_METRIC_HASH);
    (void) ngx_http_registry_metrics_histogram(p, NULL, 0,
                                    ngx_http_registry_short_times, 15,
                                    &p->stats->hash, 1);
}


/* The sum over processes that are there. */

static uint64_t
ngx_http_registry_metrics_gauge(ngx_http_registry_metrics_t *p, size_t offset)
{
    ngx_uint_t                 i;
    ngx_atomic_int_t           n, sum;
    ngx_http_registry_slot_t  *slot;

    sum = 0;

    for (i = 0; i < NGX_HTTP_REGISTRY_SLOTS; i++) {
        slot = &p->stats->slots[i];
        n = *(ngx_atomic_t *) ((u_char *) slot + offset);

        if (n != 0 && ngx_http_registry_stats_alive(slot)) {
            sum += n;
        }
    }

    return (uint64_t) ngx_max(sum, 0);
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


static void
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

static void
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

        if (place == NULL || *(ngx_atomic_t *) (place + known) == 0) {
            continue;
        }

        label.value = ngx_http_registry_str(&root[i]->root);
        reg_metrics_value(&p->m, &label, 1,
                          *(ngx_atomic_t *) (place + offset));
    }
}


static void
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
                    *(ngx_atomic_t *) ((u_char *) w + offset) * factor);
            }
        }
    }
}


/* Each endpoint of each root. */

static void
ngx_http_registry_metrics_notify(ngx_http_registry_metrics_t *p,
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

            labels[2].value = reg_str("other");

            if (ngx_http_registry_codes[i] != 0) {
                labels[2].value.data = (char *) code;
                labels[2].value.len =
                    ngx_sprintf(code, "%ui",
                                (ngx_uint_t) ngx_http_registry_codes[i])
                    - code;
            }

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
