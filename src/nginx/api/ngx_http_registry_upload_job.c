
/* Upload sessions: what a request to one begins with, and what it answers. */


#include "ngx_http_registry_headers_in.h"
#include "ngx_http_registry_limits.h"
#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_upload_private.h"


static void ngx_http_registry_upload_cleanup(void *data);


ngx_http_registry_upload_job_t *
ngx_http_registry_upload_job(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_pool_cleanup_t               *cln;
    ngx_http_registry_upload_job_t   *job;
    ngx_http_registry_limits_conf_t  *limits;

    limits = ngx_http_get_module_loc_conf(r, ngx_http_registry_limits_module);

    cln = ngx_pool_cleanup_add(r->pool,
                               sizeof(ngx_http_registry_upload_job_t));
    if (cln == NULL) {
        return NULL;
    }

    job = cln->data;
    ngx_memzero(job, sizeof(ngx_http_registry_upload_job_t));

    job->ctx = ctx;
    job->now = ngx_time();
    job->rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);
    job->max = limits->blob_max_size;
    job->length = ngx_max(r->headers_in.content_length_n, 0);

    if (ctx->op.upload.len) {
        ngx_memcpy(job->id, ctx->op.upload.data, ctx->op.upload.len);
    }

    cln->handler = ngx_http_registry_upload_cleanup;
    ctx->job = job;

    return job;
}


/*
 * What "worker_shutdown_timeout" ends is wound up in a thread, but not while
 * the session is made, nor where the threads have too much to do.  One that
 * nobody knows the id of would stay until it is old; the disk may be waited
 * for by a worker that exits.
 */

static void
ngx_http_registry_upload_cleanup(void *data)
{
    ngx_http_registry_upload_job_t  *job = data;

    if (job->upload && job->single && ngx_exiting) {
        (void) reg_upload_cancel(job->ctx->store, job->ctx->op.name,
                                 reg_str_of(job->id), NULL);
        job->ended = 1;
    }

    reg_upload_close(job->upload);

    ngx_http_registry_upload_forget(job);
}


reg_rc_t
ngx_http_registry_upload_range(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_upload_job_t *job)
{
    off_t             length;
    reg_rc_t          rc;
    ngx_str_t         value;
    ngx_table_elt_t  *h;

    h = ngx_http_registry_find_header(r, "content-range", 13);

    if (h == NULL) {
        return REG_OK;
    }

    value = h->value;
    length = r->headers_in.content_length_n;

    rc = reg_range_parse(&job->range, ngx_http_registry_str(&value),
                         &ctx->error);
    if (rc != REG_OK) {
        return rc;
    }

    job->has_range = 1;

    if (length >= 0
        && (uint64_t) length != job->range.last - job->range.first + 1)
    {
        return reg_error_set(&ctx->error, REG_SIZE_INVALID,
                             "Content-Range and Content-Length disagree");
    }

    return REG_OK;
}


/* A refused range tells where the upload stands. */

ngx_int_t
ngx_http_registry_upload_error(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    if (ctx->error.rc == REG_RANGE_INVALID
        && ngx_http_registry_upload_headers(r, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->error.rc == REG_UNAUTHORIZED) {
        return ngx_http_registry_refuse(r, ctx, REG_MAY_PUSH);
    }

    return ngx_http_registry_send_error(r, ctx);
}


/*
 * "Range: 0-<last byte>".  Nothing can be said of an empty upload in that
 * form; 0-0 is what distribution answers and clients know.
 */

ngx_int_t
ngx_http_registry_upload_headers(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_upload_job_t  *job;

    job = ctx->job;

    if (ngx_http_registry_headerf(r, "Location",
                                  "/v2/%*s/blobs/uploads/%s",
                                  ctx->op.name.len, ctx->op.name.data,
                                  job->id)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_registry_headerf(r, "Range", "0-%uL",
                                  job->offset ? job->offset - 1 : 0)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_registry_header(r, "Docker-Upload-UUID", job->id,
                                    REG_UUID_LEN);
}


ngx_int_t
ngx_http_registry_upload_created(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const reg_digest_t *d)
{
    if (ngx_http_registry_headerf(r, "Location", "/v2/%*s/blobs/%s",
                                  ctx->op.name.len, ctx->op.name.data,
                                  d->text)
        != NGX_OK
        || ngx_http_registry_digest_header(r, d) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_send_empty(r, NGX_HTTP_CREATED);
}
