
/*
 * Webhooks: what happens in a registry is appended to the spool of its store
 * (reg_spool.h) before the client hears that it was done, and delivered from
 * there by the manager process.
 *
 *     ngx_http_registry_notify_module.c    directives and the wiring
 *     ngx_http_registry_notify_conf.c      endpoints of "registry_notify"
 *     ngx_http_registry_notify_params.c    what it says of each
 *     ngx_http_registry_events_conf.c      feeds of "registry_events"
 *     ngx_http_registry_emit.c             changes, in the threads that make
 *                                          them
 *     ngx_http_registry_pulls.c            pulls, gathered by a worker
 *     ngx_http_registry_deliver.c          one endpoint of one store:
 *     ngx_http_registry_deliver_batch.c      what it is told
 *     ngx_http_registry_deliver_send.c       telling it
 *     ngx_http_registry_wake.c             what makes the manager deliver
 *     ngx_http_registry_notes.c            how far endpoints are, synced
 *     ngx_http_registry_events.c           the feed
 *
 * Where no location of a store has an endpoint or a feed, root->events is NULL
 * and nothing is done.
 */


#ifndef NGX_HTTP_REGISTRY_NOTIFY_H_INCLUDED
#define NGX_HTTP_REGISTRY_NOTIFY_H_INCLUDED


#include "ngx_http_registry.h"
#include "ngx_http_registry_curl.h"
#include "ngx_http_registry_stats.h"

#include "reg_names.h"
#include "reg_notify.h"
#include "reg_spool.h"


typedef struct ngx_http_registry_events_s    ngx_http_registry_events_t;
typedef struct ngx_http_registry_delivery_s  ngx_http_registry_delivery_t;
typedef struct ngx_http_registry_pulls_s     ngx_http_registry_pulls_t;
typedef struct ngx_http_registry_emit_s      ngx_http_registry_emit_t;


/* What "registry_notify" names; every string ends with a NUL. */
typedef struct {
    ngx_array_t                    args;      /* of ngx_str_t, as written */
    ngx_str_t                      name;
    ngx_str_t                      url;
    ngx_str_t                      shown;     /* of the URL, for the log */
    reg_notify_filter_t            filter;
    reg_notify_retry_t             retry;
    reg_notify_format_e            format;
    ngx_uint_t                     batch;
    ngx_str_t                      secret;    /* empty: nothing is signed */
    ngx_array_t                    headers;   /* of ngx_str_t, "Name: value" */
    ngx_http_registry_curl_conf_t  curl;
} ngx_http_registry_endpoint_t;


/* The events of a store. */
struct ngx_http_registry_events_s {
    ngx_http_registry_root_t      *root;
    ngx_array_t                    deliveries;   /* of ..._delivery_t * */
    off_t                          size;         /* of the spool */
    time_t                         keep;
    unsigned                       feed:1;       /* there is one */
    unsigned                       feed_pulls:1; /* which wants pulls */

    /* of the process */
    reg_spool_t                   *spool;        /* NULL: not opened yet */
    ngx_http_registry_pulls_t     *pulls;
    ngx_event_t                    timer;        /* of the manager, as the
                                                    rest */
    ngx_event_t                    woken;
    ngx_event_t                    notes;
    ngx_uint_t                     noted;        /* whose turn it is */
    ngx_msec_t                     trimmed;
    ngx_msec_t                     counted;
    int                            watch;        /* inotify's; -1: none */
    int                            watch_asked;
};


typedef struct {
    ngx_array_t                    endpoints;    /* of ..._endpoint_t * */
    ngx_array_t                    feeds;        /* of ..._notify_conf_t * */
    ngx_str_t                      instance;     /* of this run of nginx */
} ngx_http_registry_notify_main_conf_t;


typedef struct ngx_http_registry_notify_conf_s  ngx_http_registry_notify_conf_t;

struct ngx_http_registry_notify_conf_s {
    ngx_array_t                   *endpoints;    /* NULL: none */
    ngx_str_t                      to;           /* their names */
    off_t                          size;
    time_t                         keep;
    unsigned                       pulls:1;      /* one of them wants these */

    ngx_http_registry_root_t      *root;         /* NULL: no "registry" here */

    /* where "registry_events" stands: here, or around an "if" or a
       "limit_except"; NULL: no feed here */
    ngx_http_registry_notify_conf_t  *source;

    /* of "registry_events" */
    ngx_str_t                      directory;    /* as written; or empty */
    ngx_http_registry_events_t    *feed;
    unsigned                       feed_pulls:1;
    void                          *access;       /* the same location's */
    u_char                        *conf_file;
    ngx_uint_t                     line;
};


extern ngx_module_t  ngx_http_registry_notify_module;


/* --- configuration ------------------------------------------------------- */

/* The directives that are more than a slot; the others stand in
   ngx_http_registry_notify_module.c. */
char *ngx_http_registry_notify_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_events_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* The events of a store, begun when it has none yet; NULL without memory. */
ngx_http_registry_events_t *ngx_http_registry_notify_events(
    ngx_conf_t *cf, ngx_http_registry_root_t *root);

/* Finds the store of a feed, which is known when all of them are: NGX_OK, or
   NGX_ERROR after a line in the log. */
ngx_int_t ngx_http_registry_notify_feed(ngx_conf_t *cf,
    ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_notify_conf_t *conf);

/*
 * Sets an endpoint to the defaults, and then to what the directive at hand
 * says; so far it has its name and an empty array of headers.  NGX_CONF_OK; or
 * NGX_CONF_ERROR after a line in the log, or what is to be said of its name.
 */
char *ngx_http_registry_notify_params(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep);

/*
 * A worker ends, or the only process, and will close the root's store.  The
 * manager is gone without a word.
 */
void ngx_http_registry_notify_exit(ngx_http_registry_root_t *root);


/* --- emission ------------------------------------------------------------ */

/*
 * On the event loop, before the task of a request that changes something: what
 * its events tell of the request is put into ctx->emit, if they are wanted.
 * NGX_OK, or NGX_ERROR without memory.
 */
ngx_int_t ngx_http_registry_emit_begin(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);

/*
 * In the thread, behind the change: n events, zeroed but for what is told of
 * the target, are on disk when it returns.  REG_OK, also when nobody wants
 * them; or an error that the client has to hear, with a line in the log.
 */
reg_rc_t ngx_http_registry_emit(ngx_http_registry_ctx_t *ctx,
    reg_event_t *events, size_t n);

/*
 * In the thread, before a blob of op.name becomes one: makes sure that its
 * event can be recorded.  REG_OK, also when nobody wants it; or an error, and
 * nothing may be stored.
 */
reg_rc_t ngx_http_registry_emit_blob_room(ngx_http_registry_ctx_t *ctx,
    unsigned action, const reg_digest_t *d);

/* Behind it, as ngx_http_registry_emit(); from may be empty. */
reg_rc_t ngx_http_registry_emit_blob(ngx_http_registry_ctx_t *ctx,
    unsigned action, const reg_digest_t *d, uint64_t size, reg_str_t from);

/*
 * In the thread, before something is deleted: makes sure that n events of it
 * can be recorded.  REG_OK, also when nobody wants them; or an error, and
 * nothing may be deleted.
 */
reg_rc_t ngx_http_registry_emit_room(ngx_http_registry_ctx_t *ctx, size_t n);

/* tags of a manifest that room is made for, whatever their number turns out to
   be, and whose events are appended together */
#define NGX_HTTP_REGISTRY_EMIT_TAGS  64

/* Behind it; d and tag may be NULL.  What cannot be recorded all the same
   stands in the log. */
reg_rc_t ngx_http_registry_emit_delete(ngx_http_registry_ctx_t *ctx,
    const reg_digest_t *d, const reg_str_t *tag);

/*
 * The same for a manifest and the tags that went with it, as distribution has
 * it (registry/handlers/manifests.go, DeleteManifest()).  d is NULL where only
 * tags went: the deletion failed then, or somebody else's took the manifest.
 */
reg_rc_t ngx_http_registry_emit_manifest(ngx_http_registry_ctx_t *ctx,
    const reg_digest_t *d, const reg_names_t *tags);

/* Fills a request's part of an event; NGX_OK, or NGX_ERROR without memory. */
ngx_int_t ngx_http_registry_emit_who(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_event_who_t *who);

/* The spool of a store in this process, or NULL without memory. */
reg_spool_t *ngx_http_registry_spool(ngx_http_registry_events_t *events,
    reg_store_t *store);

/* ns since the epoch. */
int64_t ngx_http_registry_emit_now(void);


/* --- pulls --------------------------------------------------------------- */

/*
 * Content is about to be sent: notes what the event tells of it, if that is
 * wanted.  type and d are copied.  NGX_OK, or NGX_ERROR without memory.
 */
ngx_int_t ngx_http_registry_pulled(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const reg_digest_t *d, const char *type,
    size_t len, off_t size);

/* The log phase: makes the event when the answer was one that counts. */
ngx_int_t ngx_http_registry_pulls_handler(ngx_http_request_t *r);

/* The process ends: what was gathered is written now. */
void ngx_http_registry_pulls_exit(ngx_http_registry_events_t *events);


/* --- delivery ------------------------------------------------------------ */

/* NULL without memory. */
ngx_http_registry_delivery_t *ngx_http_registry_delivery_create(
    ngx_conf_t *cf, ngx_http_registry_events_t *events,
    ngx_http_registry_endpoint_t *endpoint);

ngx_http_registry_endpoint_t *ngx_http_registry_delivery_endpoint(
    ngx_http_registry_delivery_t *d);

/* init module: where it is counted; NULL: nowhere. */
void ngx_http_registry_delivery_count(ngx_http_registry_delivery_t *d,
    ngx_http_registry_target_t *target);
ngx_http_registry_target_t *ngx_http_registry_delivery_target(
    ngx_http_registry_delivery_t *d);

/* Looks whether there is something to do, and does it. */
void ngx_http_registry_delivery_run(ngx_http_registry_delivery_t *d);

/* Says how much there is still to do. */
void ngx_http_registry_delivery_pending(ngx_http_registry_delivery_t *d,
    const reg_spool_stat_t *st);

/*
 * The process is about to end: leaves the endpoint to another one, behind the
 * note of how far it is.  NGX_OK, or NGX_AGAIN while a request is under way.
 */
ngx_int_t ngx_http_registry_delivery_leave(ngx_http_registry_delivery_t *d);

/* Syncs the note of how far it is: NGX_OK, or NGX_DECLINED where none was
   written since. */
ngx_int_t ngx_http_registry_delivery_sync(ngx_http_registry_delivery_t *d);

/* One was written: it is synced soon. */
void ngx_http_registry_notes_start(ngx_http_registry_events_t *events);

/* The manager ends: what was written is synced now. */
void ngx_http_registry_notes_end(ngx_http_registry_events_t *events);

/* The process ends. */
void ngx_http_registry_delivery_end(ngx_http_registry_delivery_t *d);

/*
 * Begins to deliver in the manager, or in the only process; more calls do
 * nothing.
 */
void ngx_http_registry_wake_start(ngx_http_registry_root_t *root);


/* --- the feed ------------------------------------------------------------ */

ngx_int_t ngx_http_registry_events_handler(ngx_http_request_t *r);


#endif /* NGX_HTTP_REGISTRY_NOTIFY_H_INCLUDED */
