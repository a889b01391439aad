
/* Upload sessions: how many there may be, and how much they may hold. */


#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"
#include "ngx_http_registry_upload_private.h"


/* seconds: uploads end, but not at once */
#define NGX_HTTP_REGISTRY_SESSIONS_RETRY  10


static ngx_int_t ngx_http_registry_upload_take(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_look_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_uint_t ngx_http_registry_upload_gone(ngx_http_registry_ctx_t *ctx,
    const ngx_http_registry_sessions_look_t *look);
static ngx_uint_t ngx_http_registry_upload_replace(
    ngx_http_registry_ctx_t *ctx,
    const ngx_http_registry_sessions_look_t *look);
static ngx_int_t ngx_http_registry_upload_looked(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


ngx_int_t
ngx_http_registry_upload_count(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_step_pt make)
{
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    job->full = ngx_palloc(r->pool,
                           sizeof(ngx_http_registry_sessions_full_t));

    if (job->full == NULL || reg_uuid_make(job->id) != 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    job->make = make;

    ngx_http_registry_sessions_who(r, ctx, &job->who);

    return ngx_http_registry_upload_take(r, ctx);
}


static ngx_int_t
ngx_http_registry_upload_take(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    if (ngx_http_registry_sessions_take(r, &job->who, job->id, ctx->op.name,
                                        job->full)
        == NGX_OK)
    {
        return job->make(r, ctx);
    }

    if (!job->looked) {
        return ngx_http_registry_task(r, ctx,
                                      ngx_http_registry_upload_look_work,
                                      ngx_http_registry_upload_looked);
    }

    ctx->retry_after = NGX_HTTP_REGISTRY_SESSIONS_RETRY;

    (void) reg_error_set(&ctx->error, REG_UPLOADS_TOO_MANY,
                         job->full->by_user ? "one user may have %u"
                                            : "there may be %u",
                         (unsigned) job->full->limit);

    return ngx_http_registry_send_error(r, ctx);
}


/*
 * In a thread: which of those that are counted are gone.  When all are there,
 * one that was not used for long has to make place; or clients that are killed
 * time and again would keep others out until the purge.
 */

static reg_rc_t
ngx_http_registry_upload_look_work(ngx_http_registry_ctx_t *ctx)
{
    ngx_uint_t                          i, gone;
    ngx_http_registry_upload_job_t     *job;
    ngx_http_registry_sessions_full_t  *full;

    job = ctx->job;
    full = job->full;
    gone = 0;

    for (i = 0; i < full->n; i++) {
        if (ngx_http_registry_upload_gone(ctx, &full->look[i])) {
            full->look[i].gone = 1;
            gone = 1;
        }
    }

    for (i = 0; i < full->n && !gone; i++) {
        if (full->look[i].idle
            && ngx_http_registry_upload_replace(ctx, &full->look[i]))
        {
            full->look[i].gone = 1;
            gone = 1;
        }
    }

    return REG_OK;
}


static ngx_uint_t
ngx_http_registry_upload_gone(ngx_http_registry_ctx_t *ctx,
    const ngx_http_registry_sessions_look_t *look)
{
    uint64_t  offset;

    return reg_upload_status(ctx->store, reg_str_of(look->name),
                             reg_str_of(look->id), &offset, NULL)
           == REG_UPLOAD_UNKNOWN;
}


/*
 * Whoever is writing to it holds it, and it stays; so it does when it was
 * written to a moment ago where nobody counts, or another nginx does.
 */

static ngx_uint_t
ngx_http_registry_upload_replace(ngx_http_registry_ctx_t *ctx,
    const ngx_http_registry_sessions_look_t *look)
{
    reg_rc_t                         rc;
    reg_upload_t                    *upload;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    rc = reg_upload_open(&upload, ctx->store, reg_str_of(look->name),
                         reg_str_of(look->id), NULL);
    if (rc != REG_OK) {
        return rc == REG_UPLOAD_UNKNOWN;
    }

    if (reg_upload_changed(upload) + job->who.idle > job->now) {
        reg_upload_close(upload);
        return 0;
    }

    rc = reg_upload_cancel(ctx->store, reg_str_of(look->name),
                           reg_str_of(look->id), NULL);

    reg_upload_close(upload);

    return rc == REG_OK;
}


static ngx_int_t
ngx_http_registry_upload_looked(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_uint_t                       i;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;
    job->looked = 1;

    for (i = 0; i < job->full->n; i++) {
        if (job->full->look[i].gone) {
            ngx_http_registry_sessions_end(job->rmcf, job->full->look[i].id);
        }
    }

    return ngx_http_registry_upload_take(r, ctx);
}


void
ngx_http_registry_upload_used(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    ngx_http_registry_sessions_who(r, ctx, &job->who);
    ngx_http_registry_sessions_use(r, &job->who, job->id, ctx->op.name);
}


void
ngx_http_registry_upload_forget(ngx_http_registry_upload_job_t *job)
{
    if (job->ended) {
        job->ended = 0;
        ngx_http_registry_sessions_end(job->rmcf, job->id);
    }
}


reg_rc_t
ngx_http_registry_upload_fits(ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    if (job->max == 0
        || (job->start <= job->max && job->length <= job->max - job->start
            && (!job->has_range || job->range.last < job->max)))
    {
        return REG_OK;
    }

    return ngx_http_registry_upload_too_large(ctx);
}


reg_rc_t
ngx_http_registry_upload_too_large(ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    if (job->upload) {
        (void) reg_upload_cancel(ctx->store, ctx->op.name,
                                 reg_str_of(job->id), NULL);
        job->ended = 1;
    }

    return reg_error_set(&ctx->error, REG_BLOB_TOO_LARGE,
                         "the limit is %llu bytes",
                         (unsigned long long) job->max);
}


off_t
ngx_http_registry_upload_room(const ngx_http_registry_upload_job_t *job)
{
    return job->max ? (off_t) (job->max - job->start)
                    : NGX_MAX_OFF_T_VALUE;
}
