
/*
 * What is counted: numbers in a zone of their own, which reloads leave alone,
 * whatever becomes of the other zone.  Everything is an atomic addition, from
 * the event loop, pool threads and the maintenance alike, and nothing waits.
 * ngx_http_registry_metrics*.c print them, docs/metrics.md describes them.
 *
 * Counters and histograms are shared by all workers.  What goes up and down
 * belongs to the process that counts it, so that a worker that is killed
 * takes its part along: the slot of a process that is not there any more
 * counts nothing.
 *
 * Without a "registry" anywhere there is no zone, and nothing is counted.
 */


#ifndef NGX_HTTP_REGISTRY_STATS_H_INCLUDED
#define NGX_HTTP_REGISTRY_STATS_H_INCLUDED


#include "ngx_http_registry.h"

#include "reg_done.h"

#include <stdatomic.h>


/* The label "handler": distribution's names, and ours where it has none. */
#define NGX_HTTP_REGISTRY_HANDLER_TABLE(X)                                    \
    X(OTHER,         "other")                                                 \
    X(BASE,          "base")                                                  \
    X(PREFLIGHT,     "preflight")                                             \
    X(CATALOG,       "catalog")                                               \
    X(TAGS,          "tags")                                                  \
    X(REFERRERS,     "referrers")                                             \
    X(BLOB,          "blob")                                                  \
    X(MANIFEST,      "manifest")                                              \
    X(BLOB_UPLOAD,   "blob_upload")                                           \
    X(BLOB_CHUNK,    "blob_upload_chunk")                                     \
    X(REPOSITORY,    "repository")                                            \
    X(TOKEN,         "token")

/* The label "method", lower case as distribution has it. */
#define NGX_HTTP_REGISTRY_METHOD_TABLE(X)                                     \
    X(OTHER,         "other")                                                 \
    X(GET,           "get")                                                   \
    X(HEAD,          "head")                                                  \
    X(POST,          "post")                                                  \
    X(PUT,           "put")                                                   \
    X(PATCH,         "patch")                                                 \
    X(DELETE,        "delete")                                                \
    X(OPTIONS,       "options")

/* The label "action", distribution's names where the call is the same. */
#define NGX_HTTP_REGISTRY_ACTION_TABLE(X)                                     \
    X(READER,        "Reader")                                                \
    X(GET_CONTENT,   "GetContent")                                            \
    X(STAT,          "Stat")                                                  \
    X(LIST,          "List")                                                  \
    X(PUT_CONTENT,   "PutContent")                                            \
    X(MOVE,          "Move")                                                  \
    X(DELETE,        "Delete")                                                \
    X(MKDIR,         "MakeDirectory")                                         \
    X(EMPTY_TRASH,   "EmptyTrash")                                            \
    X(LOCK,          "Lock")

/* What became of a login with a name and a password; the label "result". */
#define NGX_HTTP_REGISTRY_LOGIN_TABLE(X)                                      \
    X(CACHED,        "cached")                                                \
    X(HASHED,        "hashed")                                                \
    X(TOKEN,         "access_token")                                          \
    X(WRONG,         "wrong")                                                 \
    X(REFUSED,       "refused")

/* What became of a bearer token; the label "result". */
#define NGX_HTTP_REGISTRY_BEARER_TABLE(X)                                     \
    X(ACCEPTED,      "accepted")                                              \
    X(REFUSED,       "refused")

/* Jobs, and the names under which they tell of it; the label "task"
   ("job" is one that Prometheus gives). */
#define NGX_HTTP_REGISTRY_WORK_TABLE(X)                                       \
    X(GC,            REG_DONE_GC)                                             \
    X(PURGE,         REG_DONE_PURGE)                                          \
    X(SCRUB,         REG_DONE_SCRUB)                                          \
    X(COUNT,         REG_DONE_COUNT)                                          \
    X(BACKUP,        REG_DONE_BACKUP)

typedef enum {
#define X(symbol, name)  NGX_HTTP_REGISTRY_HANDLER_##symbol,
    NGX_HTTP_REGISTRY_HANDLER_TABLE(X)
#undef X
    NGX_HTTP_REGISTRY_HANDLERS
} ngx_http_registry_handler_e;

typedef enum {
#define X(symbol, name)  NGX_HTTP_REGISTRY_METHOD_##symbol,
    NGX_HTTP_REGISTRY_METHOD_TABLE(X)
#undef X
    NGX_HTTP_REGISTRY_METHODS
} ngx_http_registry_method_e;

typedef enum {
#define X(symbol, name)  NGX_HTTP_REGISTRY_ACTION_##symbol,
    NGX_HTTP_REGISTRY_ACTION_TABLE(X)
#undef X
    NGX_HTTP_REGISTRY_ACTIONS
} ngx_http_registry_action_e;

typedef enum {
#define X(symbol, name)  NGX_HTTP_REGISTRY_RESULT_##symbol,
    NGX_HTTP_REGISTRY_LOGIN_TABLE(X)
#undef X
    NGX_HTTP_REGISTRY_RESULTS
} ngx_http_registry_result_e;

typedef enum {
#define X(symbol, name)  NGX_HTTP_REGISTRY_BEARER_##symbol,
    NGX_HTTP_REGISTRY_BEARER_TABLE(X)
#undef X
    NGX_HTTP_REGISTRY_BEARERS
} ngx_http_registry_bearer_e;

typedef enum {
#define X(symbol, name)  NGX_HTTP_REGISTRY_WORK_##symbol,
    NGX_HTTP_REGISTRY_WORK_TABLE(X)
#undef X
    NGX_HTTP_REGISTRY_WORKS
} ngx_http_registry_work_e;


/* What goes up and down; the order is that of the metrics. */
typedef enum {
    NGX_HTTP_REGISTRY_GAUGE_WAITING = 0,   /* tasks no thread has taken yet */
    NGX_HTTP_REGISTRY_GAUGE_RUNNING,       /* tasks in a thread */
    NGX_HTTP_REGISTRY_GAUGE_HASHES,        /* passwords to be hashed */
    NGX_HTTP_REGISTRY_GAUGES
} ngx_http_registry_gauge_e;


#define NGX_HTTP_REGISTRY_BUCKETS  15      /* the most bounds of a histogram */
#define NGX_HTTP_REGISTRY_CODES    42
#define NGX_HTTP_REGISTRY_SLOTS    256     /* processes */
#define NGX_HTTP_REGISTRY_PLACES   64      /* roots */
#define NGX_HTTP_REGISTRY_PLACE    512     /* bytes of a root's name */
#define NGX_HTTP_REGISTRY_TARGETS  128     /* endpoints of webhooks, by root */
#define NGX_HTTP_REGISTRY_TARGET   65      /* bytes of an endpoint's name */


/*
 * Bytes and microseconds, which a word of 32 bits cannot hold; and what is
 * printed by the same functions.
 */
typedef atomic_uint_fast64_t  ngx_http_registry_large_t;

#define ngx_http_registry_large_add(large, n)                                 \
    (void) atomic_fetch_add_explicit(large, n, memory_order_relaxed)


typedef struct {
    ngx_atomic_t               n[NGX_HTTP_REGISTRY_BUCKETS + 1];
    ngx_http_registry_large_t  sum;
} ngx_http_registry_histogram_t;


typedef struct {
    ngx_atomic_t   pid;                    /* 0: free */
    ngx_atomic_t   in_flight[NGX_HTTP_REGISTRY_HANDLERS];
    ngx_atomic_t   gauges[NGX_HTTP_REGISTRY_GAUGES];
    ngx_atomic_t   moved;                  /* monotonic seconds: when a task
                                              began, or waited as the first */
} ngx_http_registry_slot_t;


/* Results of a job; times are seconds since the epoch, or ms. */
typedef struct {
    ngx_http_registry_large_t  done;
    ngx_http_registry_large_t  failed;
    ngx_http_registry_large_t  removed;    /* things */
    ngx_http_registry_large_t  bytes;
    ngx_http_registry_large_t  problems;
    ngx_http_registry_large_t  last;       /* when one was done; 0: never */
    ngx_http_registry_large_t  took;       /* ms */
    ngx_http_registry_large_t  mark;       /* when that was noted, in ns */
    ngx_http_registry_large_t  interval;   /* seconds; 0: off */
} ngx_http_registry_work_stats_t;


/* What the maintenance finds out about a root. */
typedef struct ngx_http_registry_place_s {
    ngx_http_registry_large_t  beat;       /* monotonic seconds; 0: never */
    ngx_http_registry_large_t  due;        /* when it will be there again */
    ngx_http_registry_large_t  marked;     /* notes of jobs were looked for */
    ngx_http_registry_large_t  looked;     /* the figures below are there */
    ngx_http_registry_large_t  size;
    ngx_http_registry_large_t  free;
    ngx_http_registry_large_t  inodes;
    ngx_http_registry_large_t  inodes_free;
    ngx_http_registry_large_t  writable;
    ngx_http_registry_large_t  readonly;   /* a location says "on" */
    ngx_http_registry_large_t  corrupt;    /* blobs that were put aside */
    ngx_http_registry_large_t  counted;    /* seconds since the epoch: when
                                              this was so; 0: never */
    ngx_http_registry_large_t  stale;      /* and is not any more */
    ngx_http_registry_large_t  blobs;
    ngx_http_registry_large_t  bytes;
    ngx_http_registry_large_t  repositories;
    ngx_http_registry_large_t  locked;     /* the longest, in us */
    ngx_http_registry_work_stats_t  work[NGX_HTTP_REGISTRY_WORKS];
    ngx_http_registry_large_t  appends;    /* something is new in the spool */
    ngx_http_registry_large_t  appends_failed;
    ngx_http_registry_large_t  pulls_lost; /* events for want of memory */
    char                       root[NGX_HTTP_REGISTRY_PLACE];
} ngx_http_registry_place_t;


/* What the manager tells of an endpoint of webhooks; of events. */
typedef struct {
    ngx_http_registry_place_t  *place;     /* NULL: free */
    ngx_uint_t     wanted;                 /* it is in the configuration */
    ngx_atomic_t   events;                 /* that are for it, */
    uint64_t       counted;                /* up to this one; of who has the
                                              right to deliver */
    ngx_atomic_t   successes;
    ngx_atomic_t   failures;               /* the answer was none of 2xx */
    ngx_atomic_t   errors;                 /* there was no answer */
    ngx_atomic_t   dropped;                /* before they were delivered */
    ngx_atomic_t   pending;
    ngx_atomic_t   status[NGX_HTTP_REGISTRY_CODES];
    char           name[NGX_HTTP_REGISTRY_TARGET];
} ngx_http_registry_target_t;


typedef struct {
    ngx_atomic_t                   requests[NGX_HTTP_REGISTRY_HANDLERS]
                                           [NGX_HTTP_REGISTRY_METHODS]
                                           [NGX_HTTP_REGISTRY_CODES];
    ngx_http_registry_histogram_t  duration[NGX_HTTP_REGISTRY_HANDLERS]
                                           [NGX_HTTP_REGISTRY_METHODS];
    ngx_http_registry_histogram_t  received[NGX_HTTP_REGISTRY_HANDLERS];
    ngx_http_registry_histogram_t  sent[NGX_HTTP_REGISTRY_HANDLERS];
    ngx_http_registry_histogram_t  storage[NGX_HTTP_REGISTRY_ACTIONS];
    ngx_http_registry_histogram_t  wait;
    ngx_http_registry_histogram_t  hash;
    ngx_atomic_t                   refused;     /* tasks: a full queue */
    ngx_atomic_t                   logins[NGX_HTTP_REGISTRY_RESULTS];
    ngx_atomic_t                   cache_asked;
    ngx_atomic_t                   cache_hits;
    ngx_atomic_t                   bearers[NGX_HTTP_REGISTRY_BEARERS];
    ngx_atomic_t                   writes_refused;
    ngx_atomic_t                   evicted;     /* of the zone, for room */
    ngx_atomic_t                   no_room;     /* in it, for what counts */
    ngx_atomic_t                   zone_free;   /* monotonic seconds: its lock
                                                   was to be had */
    ngx_atomic_t                   managers;    /* that began */
    ngx_atomic_t                   started;     /* seconds since the epoch */
    ngx_http_registry_slot_t       slots[NGX_HTTP_REGISTRY_SLOTS];
    ngx_http_registry_place_t      places[NGX_HTTP_REGISTRY_PLACES];
    ngx_http_registry_target_t     targets[NGX_HTTP_REGISTRY_TARGETS];
} ngx_http_registry_stats_t;


/* Bounds of the histograms, in us and in bytes; and the codes, 0 the last. */
extern const uint64_t  ngx_http_registry_times[13];
extern const uint64_t  ngx_http_registry_short_times[15];
extern const uint64_t  ngx_http_registry_sizes[12];
extern const uint16_t  ngx_http_registry_codes[NGX_HTTP_REGISTRY_CODES];

/* Of this process; NULL: nothing is counted. */
extern ngx_http_registry_stats_t  *ngx_http_registry_stats;
extern ngx_http_registry_slot_t   *ngx_http_registry_slot;

/* When the configuration was read; seconds since the epoch. */
extern time_t  ngx_http_registry_stats_loaded;


/* postconfiguration: adds the zone, and handlers that see every request. */
ngx_int_t ngx_http_registry_stats_create(ngx_conf_t *cf,
    ngx_http_registry_main_conf_t *rmcf);

/* init module: gives each root its place. */
void ngx_http_registry_stats_init(ngx_http_registry_main_conf_t *rmcf);

/*
 * init module, after that: where an endpoint of a root is counted.  After
 * targets() all that are configured are looked for, and then those that were
 * not found are given a place: a free one, or that of an endpoint which is not
 * in the configuration any more.  NULL when there is none.
 */
void ngx_http_registry_stats_targets(void);

typedef ngx_http_registry_target_t *(*ngx_http_registry_target_pt)(
    ngx_http_registry_root_t *root, ngx_str_t *name);

ngx_http_registry_target_t *ngx_http_registry_stats_find_target(
    ngx_http_registry_root_t *root, ngx_str_t *name);
ngx_http_registry_target_t *ngx_http_registry_stats_give_target(
    ngx_http_registry_root_t *root, ngx_str_t *name);

/* The place of a status among the codes. */
ngx_uint_t ngx_http_registry_stats_status(ngx_uint_t status);

/* init process, exit process: takes a slot, and leaves it. */
void ngx_http_registry_stats_enter(void);
void ngx_http_registry_stats_leave(void);

/* us of the monotonic clock, which all processes share. */
uint64_t ngx_http_registry_stats_now(void);

/* 1 when there is a process of that id; 0 is none's. */
ngx_uint_t ngx_http_registry_alive(ngx_pid_t pid);

/* Adds to a histogram; both are safe in threads. */
void ngx_http_registry_stats_time(ngx_http_registry_histogram_t *h,
    const uint64_t *bounds, ngx_uint_t n, uint64_t value);
void ngx_http_registry_stats_gauge(ngx_http_registry_gauge_e gauge,
    ngx_int_t n);

/*
 * A task waits from now on; the moment goes to stats_run() in its thread.  Each
 * of them returns the moment it was called at.
 */
uint64_t ngx_http_registry_stats_post(void);
uint64_t ngx_http_registry_stats_run(uint64_t posted);
uint64_t ngx_http_registry_stats_ran(void);

/* The queue of the thread pool was full. */
void ngx_http_registry_stats_refused(void);

void ngx_http_registry_stats_login(ngx_http_registry_result_e result);
void ngx_http_registry_stats_hash(uint64_t began);
void ngx_http_registry_stats_cache(ngx_uint_t hit);
void ngx_http_registry_stats_bearer(ngx_http_registry_bearer_e result);
void ngx_http_registry_stats_write_refused(void);

/* So many manifests were forgotten for something else in the zone. */
void ngx_http_registry_stats_evicted(ngx_uint_t n);

/* A login or an upload session has no room in the zone, all the same. */
void ngx_http_registry_stats_no_room(void);

/* Times the calls of a store that was just opened; NULL counts nothing. */
void ngx_http_registry_stats_driver(reg_store_t *store);

/*
 * Of the maintenance: it is alive, and looks at the store, every 5 seconds at
 * most.  It waits for the disk.
 */
void ngx_http_registry_stats_look(ngx_http_registry_root_t *root,
    reg_store_t *store);

/* Of the maintenance: it will look at the root again in so many ms. */
void ngx_http_registry_stats_due(ngx_http_registry_root_t *root,
    ngx_msec_t wait);

/*
 * Of the maintenance: a job was done, which is noted in the store, too;
 * d->time is set here.  What it removed, and the bytes of that.
 */
void ngx_http_registry_stats_done(ngx_http_registry_root_t *root,
    ngx_http_registry_work_e work, reg_done_t *d, uint64_t removed,
    uint64_t bytes);
void ngx_http_registry_stats_failed(ngx_http_registry_root_t *root,
    ngx_http_registry_work_e work);

/* Of the maintenance: how often it does that job, in seconds; 0: never. */
void ngx_http_registry_stats_interval(ngx_http_registry_root_t *root,
    ngx_http_registry_work_e work, time_t interval);

/* Of the maintenance: so many blobs lie aside that were found corrupt. */
void ngx_http_registry_stats_corrupt(ngx_http_registry_root_t *root,
    uint64_t n);

/* Of the maintenance: how long a collection held the store, in us. */
void ngx_http_registry_stats_locked(ngx_http_registry_root_t *root,
    uint64_t longest);


#endif /* NGX_HTTP_REGISTRY_STATS_H_INCLUDED */
