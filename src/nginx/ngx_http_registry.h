
/*
 * What the files of the binding share: the configuration, the context of a
 * request, and the driver that walks a request through its steps.
 *
 * A step is a function on the event loop.  It either parks the request (a
 * pool thread works for it, or its body is still coming): then ctx->next is
 * the step that goes on, and it returns NGX_AGAIN.  Or it leaves ctx->next
 * NULL and returns what the request is finalized with.  The only call that
 * does so stands in ngx_http_registry_request.c.
 *
 * Threads see plain values: a job that the step has filled, the operation and
 * the error of the context.  While a thread works ctx->busy is set, and the
 * event loop leaves those values alone.
 *
 * What stands where:
 *
 *     .          the module, its location, this header
 *     access/    who asks, and may he: logins, rules, tokens, their files
 *     api/       the operations: blobs, manifests, uploads, lists
 *     care/      the maintenance: collection, purge, scrub, count
 *     events/    the spool, webhooks, the feed
 *     limits/    what one client may take, and when nobody may write
 *     request/   contexts, bodies, tasks, replies and their headers
 *     see/       counters, metrics, health, variables, lines of the log
 *     store/     directories of images, and the shared zone
 */


#ifndef NGX_HTTP_REGISTRY_H_INCLUDED
#define NGX_HTTP_REGISTRY_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "reg_error.h"
#include "reg_route.h"
#include "reg_store.h"


#if !(NGX_THREADS)
#error the registry needs nginx built with --with-threads
#endif


typedef struct ngx_http_registry_ctx_s   ngx_http_registry_ctx_t;
typedef struct ngx_http_registry_body_s  ngx_http_registry_body_t;

struct ngx_http_registry_identity_s;
struct ngx_http_registry_parse_s;
struct ngx_http_registry_login_s;

typedef ngx_int_t (*ngx_http_registry_step_pt)(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


struct ngx_http_registry_gc_conf_s;
struct ngx_http_registry_work_s;
struct ngx_http_registry_place_s;
struct ngx_http_registry_events_s;
struct ngx_http_registry_emit_s;
struct ngx_http_registry_pull_s;

/* One directory of images, whichever locations name it. */
typedef struct {
    ngx_str_t         root;        /* absolute, NUL-terminated */
    reg_store_t      *store;       /* opened by every process for itself */
    ngx_msec_t        due;         /* when maintenance looks at it again */

    /* what some location says of it; NULL and NGX_CONF_UNSET: none does */
    struct ngx_http_registry_gc_conf_s  *gc;
    time_t                               upload_idle;

    /* of the manager: what is in hand, one for each job */
    struct ngx_http_registry_work_s     *work;

    /* ngx_http_registry_scrub.c */
    struct reg_scrub_s  *scrub;
    off_t                scrub_rate;      /* bytes per second; 0: off */
    time_t               scrub_interval;
    int64_t              scrub_credit;    /* bytes that may be read */
    int64_t              scrub_seen;      /* mtime of what was found corrupt */
    ngx_msec_t           scrub_due;
    ngx_msec_t           scrub_last;
    ngx_msec_t           scrub_saved;
    ngx_msec_t           scrub_look;

    /* of ngx_http_registry_stats.h; NULL: nothing is counted */
    struct ngx_http_registry_place_s    *place;
    ngx_uint_t                           readonly;  /* a location says "on" */

    /* of ngx_http_registry_notify.h; NULL: nobody wants to know */
    struct ngx_http_registry_events_s   *events;
} ngx_http_registry_root_t;


typedef struct {
    ngx_array_t       roots;       /* of ngx_http_registry_root_t * */
    ngx_shm_zone_t   *zone;
    size_t            zone_size;
    ngx_shm_zone_t   *stats;       /* NULL: no registry anywhere */
    ngx_int_t         request_id;  /* index of the variable */
} ngx_http_registry_main_conf_t;


typedef struct {
    ngx_http_registry_root_t  *root;      /* NULL: no registry here */
    u_char                    *conf_file; /* where "registry" stands; NULL:
                                             not in this location */
    ngx_uint_t                 line;
    ngx_thread_pool_t         *pool;
    ngx_str_t                  pool_name;
    ngx_array_t               *cors_origins;      /* of ngx_str_t */
    size_t                     manifest_max_size;
    size_t                     upload_buffer_size;
    off_t                      scrub_rate;
    time_t                     scrub_interval;
    ngx_flag_t                 delete;
    ngx_flag_t                 sparse_index;
    time_t                     upload_idle;
    struct ngx_http_registry_gc_conf_s  *gc;
} ngx_http_registry_loc_conf_t;


/* Whether a manifest was in the shared zone; 0 where none was looked for. */
#define NGX_HTTP_REGISTRY_CACHE_MISS  1
#define NGX_HTTP_REGISTRY_CACHE_HIT   2


struct ngx_http_registry_ctx_s {
    ngx_http_request_t        *request;

    /* what it was made of: a rewrite gives the request another one */
    void                     **loc_conf;
    ngx_str_t                  uri;
    ngx_str_t                  args;

    reg_store_t               *store;
    reg_op_t                   op;
    reg_rc_t                   route;     /* what reg_route_parse() said */
    reg_error_t                error;

    ngx_http_registry_step_pt  next;
    void                      *job;       /* of the operation's own type */

    ngx_thread_task_t         *task;
    reg_rc_t                 (*work)(ngx_http_registry_ctx_t *ctx);
    reg_rc_t                   rc;        /* what the work returned */

    ngx_thread_task_t         *second;    /* beside the first */
    void                     (*second_work)(ngx_http_registry_ctx_t *ctx);

    ngx_event_t               *sleep;
    ngx_http_registry_body_t  *body;

    struct ngx_http_registry_parse_s     *parse;

    /* who asks: ngx_http_registry_access.c, ngx_http_registry_login.c */
    struct ngx_http_registry_identity_s  *identity;
    struct ngx_http_registry_login_s     *login;

    /* what an event tells of the request; NULL: there will be none */
    struct ngx_http_registry_emit_s      *emit;
    struct ngx_http_registry_pull_s      *pull;

    reg_buf_t                 *replacement;   /* of nginx's error page */
    time_t                     retry_after;   /* of a 429 or 503; 0: soon */
    ngx_str_t                  sentence;      /* an operator's, of an error */
    const char                *said;          /* ours, of nginx's error ... */
    ngx_uint_t                 said_of;       /* ... with this status */

    /* for variables */
    const char                *code;          /* of the error that was sent */
    uint64_t                   waited;        /* us, for threads */
    uint64_t                   worked;        /* us, in threads */

    unsigned                   cache:2;       /* NGX_HTTP_REGISTRY_CACHE_* */
    unsigned                   busy:1;        /* a thread works, or a timer */
    unsigned                   two:1;         /* threads, not one */
    unsigned                   beside:1;      /* next may run meanwhile */
    unsigned                   replaced:1;    /* replacement was sent */
    unsigned                   headers:1;     /* every reply's are there */
};


extern ngx_module_t  ngx_http_registry_module;


/*
 * The context of a request in a registry location, made and routed when it is
 * asked for first; NULL without memory.
 */
ngx_http_registry_ctx_t *ngx_http_registry_get_ctx(ngx_http_request_t *r);

/* Content handler of a registry location. */
ngx_int_t ngx_http_registry_handler(ngx_http_request_t *r);

/* Goes on with ctx->next; for whatever woke the request up. */
void ngx_http_registry_resume(ngx_http_request_t *r);

/*
 * Parks a request that waits for somebody else, who calls wake(): then next
 * runs.  NGX_AGAIN.
 */
ngx_int_t ngx_http_registry_park(ngx_http_registry_ctx_t *ctx,
    ngx_http_registry_step_pt next);
void ngx_http_registry_wake(ngx_http_request_t *r);

/* The open store of the location, or NULL after a log line. */
reg_store_t *ngx_http_registry_store(ngx_http_registry_root_t *root,
    ngx_log_t *log);


static ngx_inline reg_str_t
ngx_http_registry_str(const ngx_str_t *s)
{
    reg_str_t  t;

    t.len = s->len;
    t.data = (const char *) s->data;

    return t;
}


/* Copies a slice into a pool; NGX_OK or NGX_ERROR. */

static ngx_inline ngx_int_t
ngx_http_registry_str_copy(ngx_pool_t *pool, reg_str_t *copy, reg_str_t s)
{
    char  *p;

    p = ngx_pnalloc(pool, s.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, s.data, s.len);

    copy->len = s.len;
    copy->data = p;

    return NGX_OK;
}


/*
 * Compiles what a directive says with variables in it: NGX_OK, or NGX_ERROR
 * after a log line.
 */

static ngx_inline ngx_int_t
ngx_http_registry_compile(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t *compiled)
{
    ngx_http_compile_complex_value_t  ccv;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = compiled;

    return ngx_http_compile_complex_value(&ccv);
}


#endif /* NGX_HTTP_REGISTRY_H_INCLUDED */
