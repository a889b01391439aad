
/* Upload sessions: whose they are, asked for, cancelled. */


#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"
#include "ngx_http_registry_upload_private.h"

#include "reg_upload_owner.h"


static ngx_int_t ngx_http_registry_upload_ask(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_status_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_upload_status_known(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_cancel_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_upload_cancelled(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


/*
 * A session is its owner's.  With a token that has expired since he may go on
 * with what he began while it was good.
 */

reg_rc_t
ngx_http_registry_upload_mine(ngx_http_registry_ctx_t *ctx)
{
    int64_t                         time;
    reg_rc_t                        rc;
    const ngx_http_registry_who_t  *who;

    who = ngx_http_registry_identity(ctx);

    /* where nobody can log in nobody owns anything */

    if (who->open && !who->own) {
        return REG_OK;
    }

    rc = reg_upload_owned(ctx->store, ctx->op.name, ctx->op.upload, who->user,
                          &ctx->error);

    if (rc != REG_OK || !who->late) {
        return rc;
    }

    rc = reg_upload_started(ctx->store, ctx->op.name, ctx->op.upload, &time,
                            &ctx->error);

    if (rc == REG_OK && time > who->token->expires + REG_JWT_LEEWAY) {
        return reg_error_set(&ctx->error, REG_UNAUTHORIZED, NULL);
    }

    return rc;
}


/* GET (end-13). */

ngx_int_t
ngx_http_registry_upload_status(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    if (ngx_http_registry_upload_job(r, ctx) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_upload_ask(r, ctx);
}


static ngx_int_t
ngx_http_registry_upload_ask(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_task(r, ctx,
                                  ngx_http_registry_upload_status_work,
                                  ngx_http_registry_upload_status_known);
}


/* In a thread; a long upload in progress is asked for its last save. */

static reg_rc_t
ngx_http_registry_upload_status_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                         rc;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    rc = ngx_http_registry_upload_mine(ctx);
    if (rc != REG_OK) {
        return rc;
    }

    if (job->tries == NGX_HTTP_REGISTRY_BUSY_TRIES) {
        return reg_upload_status(ctx->store, ctx->op.name, ctx->op.upload,
                                 &job->offset, &ctx->error);
    }

    rc = reg_upload_open(&job->upload, ctx->store, ctx->op.name,
                         ctx->op.upload, &ctx->error);

    if (rc == REG_OK) {
        job->offset = reg_upload_offset(job->upload);

        reg_upload_close(job->upload);
        job->upload = NULL;
    }

    return rc;
}


static ngx_int_t
ngx_http_registry_upload_status_known(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    if (ctx->rc == REG_UPLOAD_BUSY) {
        job->tries++;

        return ngx_http_registry_upload_busy(r, ctx,
                                             ngx_http_registry_upload_ask);
    }

    if (ctx->rc != REG_OK) {
        return ngx_http_registry_upload_error(r, ctx);
    }

    if (ngx_http_registry_upload_headers(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_send_empty(r, NGX_HTTP_NO_CONTENT);
}


ngx_int_t
ngx_http_registry_upload_busy(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_step_pt again)
{
    reg_error_clear(&ctx->error);

    return ngx_http_registry_sleep(r, ctx, NGX_HTTP_REGISTRY_BUSY_DELAY,
                                   again);
}


/* DELETE (end-14). */

ngx_int_t
ngx_http_registry_upload_cancel(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    if (ngx_http_registry_upload_job(r, ctx) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_task(r, ctx,
                                  ngx_http_registry_upload_cancel_work,
                                  ngx_http_registry_upload_cancelled);
}


static reg_rc_t
ngx_http_registry_upload_cancel_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                         rc;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    rc = ngx_http_registry_upload_mine(ctx);
    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_upload_cancel(ctx->store, ctx->op.name, ctx->op.upload,
                           &ctx->error);

    job->ended = (rc == REG_OK);

    return rc;
}


static ngx_int_t
ngx_http_registry_upload_cancelled(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_forget(ctx->job);

    if (ctx->rc != REG_OK) {
        return ngx_http_registry_upload_error(r, ctx);
    }

    return ngx_http_registry_send_empty(r, NGX_HTTP_NO_CONTENT);
}
