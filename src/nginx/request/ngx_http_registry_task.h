
/* What a request waits for: work in a pool thread, or some time to pass. */


#ifndef NGX_HTTP_REGISTRY_TASK_H_INCLUDED
#define NGX_HTTP_REGISTRY_TASK_H_INCLUDED


#include "ngx_http_registry.h"


/*
 * Lets a thread of the location's pool call work(ctx) and parks the request;
 * next runs on the event loop with ctx->rc holding the result.  work sees
 * ctx->store, ctx->op, ctx->job, ctx->error and ctx->body, and nothing of
 * nginx.  Returns NGX_AGAIN, or the reply when the pool's queue is full.
 */
ngx_int_t ngx_http_registry_task(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx,
    reg_rc_t (*work)(ngx_http_registry_ctx_t *ctx),
    ngx_http_registry_step_pt next);

/*
 * The same for a caller with something to do before that reply: NGX_BUSY when
 * the queue is full, with ctx->rc and ctx->error set.
 */
ngx_int_t ngx_http_registry_task_try(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx,
    reg_rc_t (*work)(ngx_http_registry_ctx_t *ctx),
    ngx_http_registry_step_pt next);

/*
 * Lets a second thread call work(ctx) beside the one that was just started;
 * next runs when both have ended, with what the first returned.  The second
 * must not touch what the first does.  NGX_OK, or NGX_ERROR: there is no room,
 * and work will not be called.
 */
ngx_int_t ngx_http_registry_task_beside(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx,
    void (*work)(ngx_http_registry_ctx_t *ctx));

/*
 * Parks the request for that many milliseconds; then next runs.  NGX_AGAIN,
 * or NGX_HTTP_INTERNAL_SERVER_ERROR.
 */
ngx_int_t ngx_http_registry_sleep(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_msec_t msec,
    ngx_http_registry_step_pt next);

/* Ends that time now; next runs when whoever calls has returned. */
void ngx_http_registry_sleep_end(ngx_http_registry_ctx_t *ctx);


#endif /* NGX_HTTP_REGISTRY_TASK_H_INCLUDED */
