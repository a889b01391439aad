
/* Upload sessions: started, appended to, finished. */


#include "ngx_http_registry_body.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"
#include "ngx_http_registry_upload_private.h"

#include "reg_blob.h"
#include "reg_upload_owner.h"


/* how often a session is made that is gone by the time it is to be used */
#define NGX_HTTP_REGISTRY_UPLOAD_TRIES  10


static ngx_int_t ngx_http_registry_upload_mounted(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_upload_make(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_start_work(
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_start_try(
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_mount(ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_mount_emit(
    ngx_http_registry_ctx_t *ctx, reg_str_t from);
static int ngx_http_registry_upload_may_pull(void *who, reg_str_t name);
static ngx_int_t ngx_http_registry_upload_started(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_upload_open(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_open_work(
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_begin(ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_upload_opened(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_check(ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_save_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_upload_saved(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_commit_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_upload_committed(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_upload_cut_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_uint_t ngx_http_registry_upload_whole(
    ngx_http_registry_ctx_t *ctx);


/*
 * POST: a session; a mount; or, with ?digest=, the whole blob at once
 * (distribution-spec, end-4a, end-4b, end-4c, end-11).
 */

ngx_int_t
ngx_http_registry_upload_start(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_http_registry_upload_job_t  *job;

    job = ngx_http_registry_upload_job(r, ctx);
    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    job->single = (ctx->op.has_digest && !ctx->op.mount);

    if (!job->single) {
        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }

    } else if (ngx_http_registry_upload_fits(ctx) != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    if (ctx->op.mount) {
        return ngx_http_registry_task(r, ctx, ngx_http_registry_upload_mount,
                                      ngx_http_registry_upload_mounted);
    }

    return ngx_http_registry_upload_count(r, ctx,
                                          ngx_http_registry_upload_make);
}


/* A mount that cannot be done is an upload like any other. */

static ngx_int_t
ngx_http_registry_upload_mounted(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    if (ctx->rc == REG_OK) {
        return ngx_http_registry_upload_created(r, ctx,
                                                &ctx->op.mount_digest);
    }

    if (ctx->rc != REG_BLOB_UNKNOWN) {
        return ngx_http_registry_send_error(r, ctx);
    }

    reg_error_clear(&ctx->error);

    return ngx_http_registry_upload_count(r, ctx,
                                          ngx_http_registry_upload_make);
}


static ngx_int_t
ngx_http_registry_upload_make(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    /* it is counted already, and may never come to be */

    job->ended = 1;

    rc = ngx_http_registry_task_try(r, ctx,
                                    ngx_http_registry_upload_start_work,
                                    ngx_http_registry_upload_started);

    return (rc == NGX_BUSY) ? ngx_http_registry_upload_started(r, ctx) : rc;
}


/*
 * In a thread.  Somebody may be removing the repository, and the session that
 * was just made with it: then another one begins right after.
 */

static reg_rc_t
ngx_http_registry_upload_start_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t    rc;
    ngx_uint_t  tries;

    tries = 0;

    do {
        reg_error_clear(&ctx->error);
        rc = ngx_http_registry_upload_start_try(ctx);

    } while (rc == REG_UPLOAD_UNKNOWN
             && tries++ < NGX_HTTP_REGISTRY_UPLOAD_TRIES);

    return rc;
}


static reg_rc_t
ngx_http_registry_upload_start_try(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                         rc;
    reg_alg_e                        alg;
    const ngx_http_registry_who_t   *who;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    alg = job->single ? ctx->op.digest.alg
          : ctx->op.has_alg ? ctx->op.alg
          : ctx->op.mount ? ctx->op.mount_digest.alg : REG_SHA256;

    rc = reg_upload_create_as(ctx->store, ctx->op.name, alg, job->now,
                              job->id, &ctx->error);
    if (rc != REG_OK) {
        return rc;
    }

    who = ngx_http_registry_identity(ctx);

    if (job->single) {
        rc = reg_upload_open(&job->upload, ctx->store, ctx->op.name,
                             reg_str_of(job->id), &ctx->error);

    } else if (who->user.len) {
        rc = reg_upload_own(ctx->store, ctx->op.name, reg_str_of(job->id),
                            who->user, &ctx->error);
    }

    if (rc != REG_OK) {
        (void) reg_upload_cancel(ctx->store, ctx->op.name,
                                 reg_str_of(job->id), NULL);
        return rc;
    }

    job->ended = 0;

    return REG_OK;
}


/* What the user may not pull is not there, as far as he can tell. */

static reg_rc_t
ngx_http_registry_upload_mount(ngx_http_registry_ctx_t *ctx)
{
    char                            found[REG_NAME_MAX + 1];
    reg_rc_t                        rc;
    const ngx_http_registry_who_t  *who;

    who = ngx_http_registry_identity(ctx);

    if (ctx->op.from.len
        && !ngx_http_registry_upload_may_pull((void *) who, ctx->op.from))
    {
        return REG_BLOB_UNKNOWN;
    }

    rc = ngx_http_registry_emit_blob_room(ctx, REG_EVENT_MOUNT,
                                          &ctx->op.mount_digest);
    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_blob_mount(ctx->store, ctx->op.name, ctx->op.from,
                        &ctx->op.mount_digest,
                        who->open ? NULL : ngx_http_registry_upload_may_pull,
                        (void *) who, found, &ctx->error);

    if (rc != REG_OK) {
        return rc;
    }

    return ngx_http_registry_upload_mount_emit(ctx,
                             found[0] ? reg_str_of(found) : ctx->op.from);
}


static reg_rc_t
ngx_http_registry_upload_mount_emit(ngx_http_registry_ctx_t *ctx,
    reg_str_t from)
{
    uint64_t      size;
    reg_digest_t  target;

    if (ctx->emit == NULL) {
        return REG_OK;
    }

    if (reg_blob_find(ctx->store, ctx->op.name, &ctx->op.mount_digest, &target,
                      NULL, NULL)
        != REG_OK
        || reg_blob_size(ctx->store, &target, &size, NULL) != REG_OK)
    {
        size = 0;
    }

    return ngx_http_registry_emit_blob(ctx, REG_EVENT_MOUNT,
                                       &ctx->op.mount_digest, size, from);
}


static int
ngx_http_registry_upload_may_pull(void *who, reg_str_t name)
{
    return ngx_http_registry_may(who, REG_MAY_PULL, name) == REG_ACCESS_ALLOW;
}


static ngx_int_t
ngx_http_registry_upload_started(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    if (ctx->rc != REG_OK) {
        ngx_http_registry_upload_forget(job);
        return ngx_http_registry_send_error(r, ctx);
    }

    ngx_http_registry_upload_used(r, ctx);

    if (job->single) {
        return ngx_http_registry_body_stream(r, ctx, job->upload,
                                        ngx_http_registry_upload_room(job),
                                        ngx_http_registry_upload_commit_work,
                                        ngx_http_registry_upload_cut_work,
                                        ngx_http_registry_upload_committed);
    }

    if (ngx_http_registry_upload_headers(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_send_empty(r, NGX_HTTP_ACCEPTED);
}


/* PATCH (end-5). */

ngx_int_t
ngx_http_registry_upload_append(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_job_t  *job;

    job = ngx_http_registry_upload_job(r, ctx);
    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_registry_upload_range(r, ctx, job) != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    return ngx_http_registry_upload_open(r, ctx);
}


/* PUT (end-6), with the last bytes or without. */

ngx_int_t
ngx_http_registry_upload_finish(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_job_t  *job;

    job = ngx_http_registry_upload_job(r, ctx);
    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_registry_upload_range(r, ctx, job) != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    job->empty = (r->headers_in.content_length_n == 0
                  || (r->headers_in.content_length_n == -1
                      && !r->headers_in.chunked));

    return ngx_http_registry_upload_open(r, ctx);
}


static ngx_int_t
ngx_http_registry_upload_open(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_task(r, ctx, ngx_http_registry_upload_open_work,
                                  ngx_http_registry_upload_opened);
}


/*
 * In a thread; also ends the session when there is no body to wait for.  What
 * is refused is closed here: the request may last as long as its body, would
 * keep others from the session, and it may be the last to hold a large file.
 */

static reg_rc_t
ngx_http_registry_upload_open_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                         rc;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    rc = ngx_http_registry_upload_mine(ctx);
    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_upload_open(&job->upload, ctx->store, ctx->op.name,
                         ctx->op.upload, &ctx->error);
    if (rc != REG_OK) {
        return rc;
    }

    rc = ngx_http_registry_upload_begin(ctx);

    if (rc != REG_OK) {
        reg_upload_close(job->upload);
        job->upload = NULL;
        return rc;
    }

    return job->empty ? ngx_http_registry_upload_commit_work(ctx) : REG_OK;
}


/* In a thread: whether the body belongs here, as far as it was announced. */

static reg_rc_t
ngx_http_registry_upload_begin(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                         rc;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    job->start = reg_upload_offset(job->upload);
    job->offset = job->start;

    if (job->has_range && job->range.first != job->start) {
        return reg_error_set(&ctx->error, REG_RANGE_INVALID,
                             "the upload has %llu bytes",
                             (unsigned long long) job->start);
    }

    rc = ngx_http_registry_upload_fits(ctx);
    if (rc != REG_OK) {
        return rc;
    }

    if (ctx->op.op == REG_OP_UPLOAD_FINISH) {
        reg_upload_expect(job->upload, ctx->op.digest.alg);
    }

    return REG_OK;
}


static ngx_int_t
ngx_http_registry_upload_opened(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    /* bytes that do not say where they belong are not queued behind others */

    if (ctx->rc == REG_UPLOAD_BUSY && (job->has_range || job->empty)
        && ++job->tries < NGX_HTTP_REGISTRY_BUSY_TRIES)
    {
        return ngx_http_registry_upload_busy(r, ctx,
                                             ngx_http_registry_upload_open);
    }

    if (ctx->rc != REG_OK || job->empty) {
        return ngx_http_registry_upload_committed(r, ctx);
    }

    ngx_http_registry_upload_used(r, ctx);

    if (ctx->op.op == REG_OP_UPLOAD_FINISH) {
        return ngx_http_registry_body_stream(r, ctx, job->upload,
                                        ngx_http_registry_upload_room(job),
                                        ngx_http_registry_upload_commit_work,
                                        ngx_http_registry_upload_cut_work,
                                        ngx_http_registry_upload_committed);
    }

    return ngx_http_registry_body_stream(r, ctx, job->upload,
                                         ngx_http_registry_upload_room(job),
                                         ngx_http_registry_upload_save_work,
                                         ngx_http_registry_upload_cut_work,
                                         ngx_http_registry_upload_saved);
}


/* In a thread: a Content-Range must tell the length that came. */

static reg_rc_t
ngx_http_registry_upload_check(ngx_http_registry_ctx_t *ctx)
{
    uint64_t                         got;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    got = reg_upload_offset(job->upload) - job->start;

    if (job->has_range && got != job->range.last - job->range.first + 1) {
        return reg_error_set(&ctx->error, REG_SIZE_INVALID,
                             "Content-Range names %llu bytes, %llu came",
                             (unsigned long long) (job->range.last
                                                   - job->range.first + 1),
                             (unsigned long long) got);
    }

    return REG_OK;
}


/* In a thread. */

static reg_rc_t
ngx_http_registry_upload_save_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                         rc;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    rc = ngx_http_registry_upload_check(ctx);

    if (rc == REG_OK) {
        rc = reg_upload_save(job->upload, &ctx->error);
    }

    if (rc == REG_OK) {
        job->offset = reg_upload_offset(job->upload);
    }

    /* the next request may come before this one is freed */

    reg_upload_close(job->upload);
    job->upload = NULL;

    return rc;
}


static ngx_int_t
ngx_http_registry_upload_saved(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_forget(ctx->job);

    if (ctx->rc != REG_OK) {
        return ngx_http_registry_upload_error(r, ctx);
    }

    ngx_http_registry_upload_used(r, ctx);

    if (ngx_http_registry_upload_headers(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_send_empty(r, NGX_HTTP_ACCEPTED);
}


/* In a thread. */

static reg_rc_t
ngx_http_registry_upload_commit_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                         rc;
    uint64_t                         size;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;
    size = reg_upload_offset(job->upload);

    rc = job->single ? REG_OK : ngx_http_registry_upload_check(ctx);

    if (rc == REG_OK) {
        rc = ngx_http_registry_emit_blob_room(ctx, REG_EVENT_PUSH,
                                              &ctx->op.digest);
    }

    if (rc == REG_OK) {
        rc = reg_upload_commit(job->upload, &ctx->op.digest, &ctx->error);
    }

    reg_upload_close(job->upload);
    job->upload = NULL;

    if (rc != REG_OK && job->single) {
        (void) reg_upload_cancel(ctx->store, ctx->op.name,
                                 reg_str_of(job->id), NULL);
    }

    job->ended = (rc == REG_OK || rc == REG_DIGEST_MISMATCH || job->single);

    return (rc == REG_OK)
           ? ngx_http_registry_emit_blob(ctx, REG_EVENT_PUSH, &ctx->op.digest,
                                         size, reg_null_str)
           : rc;
}


static ngx_int_t
ngx_http_registry_upload_committed(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_forget(ctx->job);

    if (ctx->rc != REG_OK) {
        return ngx_http_registry_upload_error(r, ctx);
    }

    return ngx_http_registry_upload_created(r, ctx, &ctx->op.digest);
}


/*
 * In a thread: the body was not received to its end.  Of a client that went
 * away, what came is kept, so that it can go on; unless nobody knows the
 * session, or a PUT was to bring all of it, which is sent again from its
 * begin.  Of nonsense nothing is kept, and a blob that is too large will never
 * be one.
 */

static reg_rc_t
ngx_http_registry_upload_cut_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                         rc;
    ngx_http_registry_body_end_e     end;
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;
    end = ngx_http_registry_body_end(ctx);

    if (job->upload == NULL) {
        return ctx->error.rc;
    }

    if (end == ngx_http_registry_body_over) {
        rc = ngx_http_registry_upload_too_large(ctx);

    } else if (job->single) {
        (void) reg_upload_cancel(ctx->store, ctx->op.name,
                                 reg_str_of(job->id), NULL);
        job->ended = 1;
        rc = ctx->error.rc;

    } else if (end == ngx_http_registry_body_cut
               && !ngx_http_registry_upload_whole(ctx))
    {
        rc = reg_upload_save(job->upload, &ctx->error);

    } else {
        reg_upload_undo(job->upload);
        rc = ctx->error.rc;
    }

    reg_upload_close(job->upload);
    job->upload = NULL;

    return rc;
}


/*
 * What clients and proxies repeat by themselves, as HTTP lets them repeat a
 * PUT: they neither ask what is there nor say where their bytes belong.
 */

static ngx_uint_t
ngx_http_registry_upload_whole(ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    return ctx->op.op == REG_OP_UPLOAD_FINISH && job->start == 0
           && !job->has_range;
}
