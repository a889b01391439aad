
/* Work in a pool thread, and the request that waits for it. */


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


#endif /* NGX_HTTP_REGISTRY_TASK_H_INCLUDED */
