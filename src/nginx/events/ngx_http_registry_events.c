
/*
 * The feed: events behind a cursor, for those who ask.  The spool is read in a
 * thread; who waits for an event has a timer, which looks at a counter that
 * appends of all processes move.
 *
 * Rules, and the scopes of tokens, count here as they do for the catalogue: an
 * event of a repository that he may not pull from is passed over.
 */


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"

#include "reg_query.h"


/* events of one answer, where it is not said and at most */
#define NGX_HTTP_REGISTRY_EVENTS_N       100
#define NGX_HTTP_REGISTRY_EVENTS_MAX     1000

/* seconds that somebody may wait */
#define NGX_HTTP_REGISTRY_EVENTS_WAIT    60

/* bytes of the longest argument's name: "repository" */
#define NGX_HTTP_REGISTRY_EVENTS_ARG     10

/* ms between two looks at the counter, and looks until the spool is read */
#define NGX_HTTP_REGISTRY_EVENTS_TICK    100
#define NGX_HTTP_REGISTRY_EVENTS_TICKS   50

/* events that a task looks at */
#define NGX_HTTP_REGISTRY_EVENTS_LOOK    5000


typedef struct {
    ngx_http_registry_events_t     *events;
    const ngx_http_registry_who_t  *who;
    reg_spool_reader_t             *reader;      /* NULL before a look */
    uint64_t                        next;        /* the cursor */
    uint64_t                        n;
    uint64_t                        wait;        /* seconds */
    ngx_msec_t                      until;
    reg_str_t                       repository;  /* empty: all of them */
    reg_notify_batch_t              batch;
    uint64_t                        seen;        /* the counter, before a
                                                    look */
    ngx_uint_t                      ticks;
    unsigned                        more:1;      /* the end was not reached */
} ngx_http_registry_events_job_t;


static ngx_int_t ngx_http_registry_events_begin(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_events_cleanup(void *data);
static reg_rc_t ngx_http_registry_events_args(ngx_http_request_t *r,
    ngx_http_registry_events_job_t *job, reg_error_t *e);
static reg_rc_t ngx_http_registry_events_arg(reg_str_t key, reg_str_t value,
    ngx_http_registry_events_job_t *job, reg_error_t *e);
static ngx_int_t ngx_http_registry_events_read(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_events_work(ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_events_look(
    ngx_http_registry_events_job_t *job, reg_error_t *e);
static int ngx_http_registry_events_take(ngx_http_registry_events_job_t *job,
    const reg_spool_record_t *rec);
static ngx_uint_t ngx_http_registry_events_all(
    const ngx_http_registry_events_job_t *job);
static ngx_uint_t ngx_http_registry_events_wanted(
    const ngx_http_registry_events_job_t *job, reg_str_t name);
static ngx_int_t ngx_http_registry_events_looked(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_events_sleep(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_events_tick(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_events_answer(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


ngx_int_t
ngx_http_registry_events_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_registry_ctx_t  *ctx;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_registry_only_read(r);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_registry_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_registry_events_begin(r, ctx);

    if (ctx->next) {
        r->main->count++;
        return NGX_DONE;
    }

    return rc;
}


static ngx_int_t
ngx_http_registry_events_begin(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                         rc;
    ngx_pool_cleanup_t               *cln;
    ngx_http_registry_events_job_t   *job;
    ngx_http_registry_notify_conf_t  *nlcf;

    rc = ngx_http_registry_access_content(r, ctx,
                                          ngx_http_registry_events_begin);
    if (rc != NGX_OK) {
        return rc;
    }

    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_notify_module);

    cln = ngx_pool_cleanup_add(r->pool,
                               sizeof(ngx_http_registry_events_job_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    job = cln->data;
    ngx_memzero(job, sizeof(ngx_http_registry_events_job_t));

    job->events = nlcf->source->feed;
    job->who = ngx_http_registry_identity(ctx);
    job->n = NGX_HTTP_REGISTRY_EVENTS_N;
    cln->handler = ngx_http_registry_events_cleanup;
    ctx->job = job;

    /* the path is no operation of a registry, which is no error here */

    reg_error_clear(&ctx->error);

    ctx->store = ngx_http_registry_store(job->events->root,
                                         r->connection->log);
    if (ctx->store == NULL) {
        (void) reg_error_set(&ctx->error, REG_STORAGE, NULL);
        return ngx_http_registry_send_error(r, ctx);
    }

    if (ngx_http_registry_events_args(r, job, &ctx->error) != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    job->until = ngx_current_msec + (ngx_msec_t) job->wait * 1000;

    reg_notify_batch_begin(&job->batch, REG_NOTIFY_FEED, (size_t) job->n);

    return ngx_http_registry_events_read(r, ctx);
}


static void
ngx_http_registry_events_cleanup(void *data)
{
    ngx_http_registry_events_job_t  *job = data;

    reg_spool_reader_close(job->reader);
    reg_buf_free(&job->batch.body);
}


static reg_rc_t
ngx_http_registry_events_args(ngx_http_request_t *r,
    ngx_http_registry_events_job_t *job, reg_error_t *e)
{
    char          name[NGX_HTTP_REGISTRY_EVENTS_ARG], *scratch;
    reg_rc_t      rc;
    reg_str_t     key, value, text;
    reg_query_t   q;

    scratch = ngx_pnalloc(r->pool, r->args.len + 1);
    if (scratch == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    reg_query_init(&q, ngx_http_registry_str(&r->args), scratch);

    while (reg_query_next(&q, &key, &value)) {

        /* what is not known may look as it likes */

        if (key.len > sizeof(name)) {
            continue;
        }

        /* its memory is the value's next */

        ngx_memcpy(name, key.data, key.len);
        key.data = name;

        if (reg_query_value(&q, value, &text) != 0) {
            return reg_error_set(e, REG_QUERY_INVALID, NULL);
        }

        rc = ngx_http_registry_events_arg(key, text, job, e);
        if (rc != REG_OK) {
            return rc;
        }
    }

    return REG_OK;
}


static reg_rc_t
ngx_http_registry_events_arg(reg_str_t key, reg_str_t value,
    ngx_http_registry_events_job_t *job, reg_error_t *e)
{
    int  rc;

    if (reg_str_eq(key, reg_str("after"))) {

        if (reg_str_number(value, REG_SPOOL_END - 1, &job->next) != 0) {
            return reg_error_set(e, REG_QUERY_INVALID,
                                 "\"after\" is no cursor");
        }

    } else if (reg_str_eq(key, reg_str("n"))) {
        rc = reg_str_number(value, NGX_HTTP_REGISTRY_EVENTS_MAX, &job->n);

        if (rc == -1 || job->n == 0) {
            return reg_error_set(e, REG_PAGE_INVALID, NULL);
        }

    } else if (reg_str_eq(key, reg_str("wait"))) {
        rc = reg_str_number(value, NGX_HTTP_REGISTRY_EVENTS_WAIT, &job->wait);

        if (rc == -1) {
            return reg_error_set(e, REG_QUERY_INVALID,
                                 "\"wait\" is no number of seconds");
        }

    } else if (reg_str_eq(key, reg_str("repository"))) {

        if (!reg_name_valid(value)) {
            return reg_error_set(e, REG_NAME_INVALID, NULL);
        }

        job->repository = value;
    }

    return REG_OK;
}


static ngx_int_t
ngx_http_registry_events_read(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_place_t       *place;
    ngx_http_registry_events_job_t  *job;

    job = ctx->job;
    place = job->events->root->place;

    /* what is appended while the thread reads is seen by the next look */

    job->seen = place ? place->appends : 0;
    job->ticks = 0;

    return ngx_http_registry_task(r, ctx, ngx_http_registry_events_work,
                                  ngx_http_registry_events_looked);
}


/* In a thread. */

static reg_rc_t
ngx_http_registry_events_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                         rc;
    reg_error_t                      e;
    ngx_http_registry_events_job_t  *job;

    job = ctx->job;
    rc = REG_OK;
    reg_error_clear(&e);

    if (job->reader == NULL) {
        rc = reg_spool_reader_open(&job->reader, ctx->store, 0, &e);

        if (rc == REG_OK) {
            rc = reg_spool_seek(job->reader, job->next, NULL, &e);
        }
    }

    if (rc == REG_OK) {
        rc = ngx_http_registry_events_look(job, &e);

        /* a number that somebody has seen is not taken back by a power cut */

        if (rc == REG_OK && !job->more && (job->batch.n || job->wait == 0)) {
            rc = reg_spool_sure(job->reader, &e);
        }

        /* many may wait, and each would begin with the whole segment */

        reg_spool_rest(job->reader);
    }

    if (e.sys) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, e.sys,
                      "could not read events: %s \"%V/%s\" failed",
                      e.call ? e.call : "storage call",
                      &job->events->root->root, e.path);
    }

    if (rc == REG_EVENTS_GONE) {
        return reg_error_set(&ctx->error, rc, "%s", e.detail);
    }

    return (rc == REG_OK) ? REG_OK : reg_error_set(&ctx->error, rc, NULL);
}


static reg_rc_t
ngx_http_registry_events_look(ngx_http_registry_events_job_t *job,
    reg_error_t *e)
{
    int                  added;
    reg_rc_t             rc;
    ngx_uint_t           i;
    reg_spool_record_t   rec;

    job->more = 0;

    for (i = 0; i < NGX_HTTP_REGISTRY_EVENTS_LOOK; i++) {
        rc = reg_spool_next(job->reader, &rec, e);

        if (rc == REG_ABSENT) {
            return REG_OK;
        }

        if (rc != REG_OK) {
            return rc;
        }

        if ((rec.lost || rec.anew) && job->next != 0) {

            /* what is in hand goes first; who asks for more hears of it */

            if (job->batch.n) {
                return REG_OK;
            }

            /* from 0 on he may come by the same gap again */

            return reg_error_set(e, REG_EVENTS_GONE, "after=%llu",
                                 (unsigned long long) rec.seq - 1);
        }

        added = ngx_http_registry_events_take(job, &rec);

        if (added == -1) {
            return REG_NO_MEMORY;
        }

        if (added == 0) {
            return REG_OK;
        }

        job->next = rec.seq;
    }

    job->more = 1;

    return REG_OK;
}


/* As reg_notify_batch_add(); what he is not to see is as good as taken. */

static int
ngx_http_registry_events_take(ngx_http_registry_events_job_t *job,
    const reg_spool_record_t *rec)
{
    json_t       *tree;
    reg_rc_t      rc;
    ngx_uint_t    wanted;
    reg_event_t   ev;
    reg_error_t   e;

    if (!ngx_http_registry_events_all(job)) {
        reg_error_clear(&e);

        rc = reg_event_load(&ev, &tree, rec->event, &e);

        if (rc != REG_OK) {
            return (rc == REG_NO_MEMORY) ? -1 : 1;
        }

        wanted = ngx_http_registry_events_wanted(job, ev.repository);

        json_decref(tree);

        if (!wanted) {
            return 1;
        }
    }

    return reg_notify_batch_add(&job->batch, rec->seq, rec->event, NULL);
}


/* 1 where an event need not be looked into. */

static ngx_uint_t
ngx_http_registry_events_all(const ngx_http_registry_events_job_t *job)
{
    const ngx_http_registry_who_t  *who;

    who = job->who;

    return job->repository.len == 0
           && (who->open || (who->rules == NULL && who->token == NULL
                             && who->scopes == NULL));
}


static ngx_uint_t
ngx_http_registry_events_wanted(const ngx_http_registry_events_job_t *job,
    reg_str_t name)
{
    if (job->repository.len && !reg_str_eq(name, job->repository)) {
        return 0;
    }

    return name.len && ngx_http_registry_may(job->who, REG_MAY_PULL, name)
                       == REG_ACCESS_ALLOW;
}


static ngx_int_t
ngx_http_registry_events_looked(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_events_job_t  *job;

    job = ctx->job;

    if (ctx->rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    if (job->more) {
        return ngx_http_registry_events_read(r, ctx);
    }

    if (job->batch.n || job->wait == 0) {
        return ngx_http_registry_events_answer(r, ctx);
    }

    /* who goes away is not kept */

    r->read_event_handler = ngx_http_test_reading;

    return ngx_http_registry_events_sleep(r, ctx);
}


static ngx_int_t
ngx_http_registry_events_sleep(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_sleep(r, ctx, NGX_HTTP_REGISTRY_EVENTS_TICK,
                                   ngx_http_registry_events_tick);
}


static ngx_int_t
ngx_http_registry_events_tick(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_place_t       *place;
    ngx_http_registry_events_job_t  *job;

    job = ctx->job;
    place = job->events->root->place;

    /* a worker that is to end has nobody wait for it */

    if (ngx_exiting || ngx_terminate || ngx_quit
        || (ngx_msec_int_t) (job->until - ngx_current_msec) <= 0)
    {
        job->wait = 0;

        return ngx_http_registry_events_read(r, ctx);
    }

    if ((place == NULL || place->appends == job->seen)
        && ++job->ticks < NGX_HTTP_REGISTRY_EVENTS_TICKS)
    {
        return ngx_http_registry_events_sleep(r, ctx);
    }

    return ngx_http_registry_events_read(r, ctx);
}


static ngx_int_t
ngx_http_registry_events_answer(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_events_job_t  *job;

    job = ctx->job;

    if (reg_notify_batch_end(&job->batch, job->next) != 0
        || ngx_http_registry_header(r, "Cache-Control", "no-store", 8)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    return ngx_http_registry_send_memory(r, NGX_HTTP_OK, job->batch.body.data,
                                         job->batch.body.len);
}
