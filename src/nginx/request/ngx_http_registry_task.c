
/*
 * start: ngx_http_registry_task(), ngx_http_registry_task_beside().
 * wake: ngx_http_registry_task_done().  There is no cancel: a request that
 * dies meanwhile is kept by its blocked count until its threads are done, and
 * what they use goes with the pool cleanups, which run after that.
 *
 * start: ngx_http_registry_sleep().  wake: ngx_http_registry_sleep_done(),
 * which is called early by ngx_http_registry_sleep_end().
 * cancel: ngx_http_registry_sleep_cancel(), a pool cleanup.
 */


#include "ngx_http_registry_task.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_stats.h"


/*
 * Only a timer keeps a worker that is told to quit alive while a thread works
 * for one of its requests.
 */
#define NGX_HTTP_REGISTRY_TASK_TIMEOUT  60000


typedef struct {
    ngx_http_registry_ctx_t  *ctx;
    uint64_t                  posted;      /* ngx_http_registry_stats.h */
    uint64_t                  began;
    uint64_t                  ended;
} ngx_http_registry_task_t;


static ngx_thread_task_t *ngx_http_registry_task_create(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, void (*handler)(void *data, ngx_log_t *log));
static ngx_int_t ngx_http_registry_task_start(ngx_http_request_t *r,
    ngx_thread_task_t *task);
static void ngx_http_registry_task_run(void *data, ngx_log_t *log);
static void ngx_http_registry_task_run_beside(void *data, ngx_log_t *log);
static void ngx_http_registry_task_done(ngx_event_t *ev);
static void ngx_http_registry_sleep_done(ngx_event_t *ev);
static void ngx_http_registry_sleep_cancel(void *data);


ngx_int_t
ngx_http_registry_task(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx,
    reg_rc_t (*work)(ngx_http_registry_ctx_t *ctx),
    ngx_http_registry_step_pt next)
{
    ngx_int_t  rc;

    rc = ngx_http_registry_task_try(r, ctx, work, next);

    return (rc == NGX_BUSY) ? ngx_http_registry_send_error(r, ctx) : rc;
}


ngx_int_t
ngx_http_registry_task_try(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx,
    reg_rc_t (*work)(ngx_http_registry_ctx_t *ctx),
    ngx_http_registry_step_pt next)
{
    if (ctx->task == NULL) {
        ctx->task = ngx_http_registry_task_create(r, ctx,
                                                  ngx_http_registry_task_run);
        if (ctx->task == NULL) {
            ctx->next = NULL;
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ctx->work = work;

    if (ngx_http_registry_task_start(r, ctx->task) != NGX_OK) {
        ctx->next = NULL;
        ctx->rc = reg_error_set(&ctx->error, REG_BUSY, NULL);

        return NGX_BUSY;
    }

    ctx->next = next;
    ctx->busy = 1;
    ctx->beside = 0;
    r->aio = 1;
    r->write_event_handler = ngx_http_registry_resume;

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_registry_task_beside(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, void (*work)(ngx_http_registry_ctx_t *ctx))
{
    if (ctx->second == NULL) {
        ctx->second = ngx_http_registry_task_create(r, ctx,
                                           ngx_http_registry_task_run_beside);
        if (ctx->second == NULL) {
            return NGX_ERROR;
        }
    }

    ctx->second_work = work;

    if (ngx_http_registry_task_start(r, ctx->second) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->two = 1;

    return NGX_OK;
}


static ngx_thread_task_t *
ngx_http_registry_task_create(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, void (*handler)(void *data, ngx_log_t *log))
{
    ngx_thread_task_t  *task;

    task = ngx_thread_task_alloc(r->pool, sizeof(ngx_http_registry_task_t));
    if (task == NULL) {
        return NULL;
    }

    ((ngx_http_registry_task_t *) task->ctx)->ctx = ctx;

    task->handler = handler;
    task->event.handler = ngx_http_registry_task_done;
    task->event.data = task->ctx;
    task->event.log = r->connection->log;

    return task;
}


static ngx_int_t
ngx_http_registry_task_start(ngx_http_request_t *r, ngx_thread_task_t *task)
{
    ngx_http_registry_task_t      *t;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    t = task->ctx;
    t->posted = ngx_http_registry_stats_post();

    if (ngx_thread_task_post(rlcf->pool, task) != NGX_OK) {
        ngx_http_registry_stats_refused();
        return NGX_ERROR;
    }

    ngx_add_timer(&task->event, NGX_HTTP_REGISTRY_TASK_TIMEOUT);

    r->main->blocked++;

    return NGX_OK;
}


static void
ngx_http_registry_task_run(void *data, ngx_log_t *log)
{
    ngx_http_registry_task_t *t = data;

    t->began = ngx_http_registry_stats_run(t->posted);

    t->ctx->rc = t->ctx->work(t->ctx);

    t->ended = ngx_http_registry_stats_ran();
}


static void
ngx_http_registry_task_run_beside(void *data, ngx_log_t *log)
{
    ngx_http_registry_task_t *t = data;

    t->began = ngx_http_registry_stats_run(t->posted);

    t->ctx->second_work(t->ctx);

    t->ended = ngx_http_registry_stats_ran();
}


static void
ngx_http_registry_task_done(ngx_event_t *ev)
{
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_registry_ctx_t   *ctx;
    ngx_http_registry_task_t  *t;

    t = ev->data;
    ctx = t->ctx;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ev->timedout) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "storage has not answered for %d seconds, "
                      "look at the disk of the registry's root",
                      NGX_HTTP_REGISTRY_TASK_TIMEOUT / 1000);
        ev->timedout = 0;
        ngx_add_timer(ev, NGX_HTTP_REGISTRY_TASK_TIMEOUT);
        return;
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ev->complete = 0;

    ctx->waited += t->began - t->posted;
    ctx->worked += t->ended - t->began;

    r->main->blocked--;

    if (ctx->two) {

        /* the other one is at work still */

        ctx->two = 0;
        return;
    }

    ctx->busy = 0;
    r->aio = 0;

#if (nginx_version >= 1025004)

    if (r->done || r->main->terminated) {
        /* trigger connection event handler if the request was terminated */
        c->write->handler(c->write);
        return;
    }

#endif

    r->write_event_handler(r);
    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_registry_sleep(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx,
    ngx_msec_t msec, ngx_http_registry_step_pt next)
{
    ngx_event_t         *ev;
    ngx_pool_cleanup_t  *cln;

    ev = ctx->sleep;

    if (ev == NULL) {
        cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_event_t));
        if (cln == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ev = cln->data;
        ngx_memzero(ev, sizeof(ngx_event_t));

        ev->handler = ngx_http_registry_sleep_done;
        ev->data = ctx;
        ev->log = r->connection->log;

        cln->handler = ngx_http_registry_sleep_cancel;
        ctx->sleep = ev;
    }

    ngx_add_timer(ev, msec);

    return ngx_http_registry_park(ctx, next);
}


void
ngx_http_registry_sleep_end(ngx_http_registry_ctx_t *ctx)
{
    if (ctx->sleep->timer_set) {
        ngx_del_timer(ctx->sleep);
    }

    ngx_post_event(ctx->sleep, &ngx_posted_events);
}


static void
ngx_http_registry_sleep_done(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ev->timedout = 0;

    ngx_http_registry_wake(r);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_registry_sleep_cancel(void *data)
{
    ngx_event_t  *ev = data;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }
}
