
/*
 * The page of metrics among the files that write it.  What is on it: the table
 * below.  In what order: ngx_http_registry_metrics.c.  How a sample gets there:
 * ngx_http_registry_metrics_print.c.
 */


#ifndef NGX_HTTP_REGISTRY_METRICS_PRIVATE_H_INCLUDED
#define NGX_HTTP_REGISTRY_METRICS_PRIVATE_H_INCLUDED


#include "ngx_http_registry_metrics.h"
#include "ngx_http_registry_stats.h"

#include "reg_metrics.h"


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


/* ngx_http_registry_metrics_print.c */

/* Begins a metric; its samples follow, by reg_metrics_value() on p->m. */
void ngx_http_registry_metrics_family(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric);

/* A metric of one sample without labels. */
void ngx_http_registry_metrics_one(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, uint64_t value);

/*
 * The samples of a histogram with these labels; where nothing was counted,
 * only if empty is set.
 */
void ngx_http_registry_metrics_histogram(ngx_http_registry_metrics_t *p,
    const reg_label_t *labels, size_t n, const uint64_t *bounds,
    ngx_uint_t nbounds, ngx_http_registry_histogram_t *h, ngx_uint_t empty);

/* The sum of the gauge at an offset of a slot, over processes that live. */
uint64_t ngx_http_registry_metrics_gauge(ngx_http_registry_metrics_t *p,
    size_t offset);

/*
 * The label of the code of ngx_http_registry_codes[i]; buf has NGX_INT_T_LEN
 * bytes, and what is returned may be in it.
 */
reg_str_t ngx_http_registry_metrics_code(u_char *buf, ngx_uint_t i);


/* ngx_http_registry_metrics_http.c: requests */
void ngx_http_registry_metrics_http(ngx_http_registry_metrics_t *p);


/* ngx_http_registry_metrics_store.c: stores, and jobs of the maintenance */
void ngx_http_registry_metrics_stores(ngx_http_registry_metrics_t *p);
void ngx_http_registry_metrics_jobs(ngx_http_registry_metrics_t *p);

#define NGX_HTTP_REGISTRY_PLACE_AT(field)                                     \
    offsetof(ngx_http_registry_place_t, field)

/*
 * A metric of each root: what is at an offset of its place, where that which
 * is at the offset known is not 0.
 */
void ngx_http_registry_metrics_store(ngx_http_registry_metrics_t *p,
    ngx_http_registry_metric_e metric, size_t offset, size_t known);


/* ngx_http_registry_metrics_events.c: events and their endpoints */
void ngx_http_registry_metrics_events(ngx_http_registry_metrics_t *p);


#endif /* NGX_HTTP_REGISTRY_METRICS_PRIVATE_H_INCLUDED */
