
/* Blobs: read and deleted. */


#include "ngx_http_registry_gc.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"

#include "reg_blob.h"
#include "reg_lease.h"


static ngx_int_t ngx_http_registry_blob_found(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_digest_t *target);
static reg_rc_t ngx_http_registry_blob_lease_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_blob_leased(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_blob_delete_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_blob_deleted(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


/*
 * Who asks by HEAD may be about to name the blob in a manifest instead of
 * pushing it, so the answer is a lease: one that gets old is renewed by a
 * thread first.
 */

ngx_int_t
ngx_http_registry_blob_read(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    int64_t                        leased;
    reg_rc_t                       rc;
    reg_digest_t                   target;
    ngx_http_registry_loc_conf_t  *rlcf;

    rc = reg_blob_find(ctx->store, ctx->op.name, &ctx->op.digest, &target,
                       &leased, &ctx->error);

    if (rc == REG_OK && r->method == NGX_HTTP_HEAD) {
        rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

        if (reg_lease_old(leased, ngx_http_registry_gc_lease(rlcf->root))) {
            ctx->job = rlcf->root;

            return ngx_http_registry_task(r, ctx,
                                          ngx_http_registry_blob_lease_work,
                                          ngx_http_registry_blob_leased);
        }
    }

    if (rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    return ngx_http_registry_blob_found(r, ctx, &target);
}


static reg_rc_t
ngx_http_registry_blob_lease_work(ngx_http_registry_ctx_t *ctx)
{
    return reg_blob_lease(ctx->store, ctx->op.name, &ctx->op.digest,
                          ngx_http_registry_gc_lease(ctx->job), &ctx->error);
}


static ngx_int_t
ngx_http_registry_blob_leased(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t      rc;
    reg_digest_t  target;

    rc = ctx->rc;

    if (rc == REG_OK) {
        rc = reg_blob_find(ctx->store, ctx->op.name, &ctx->op.digest, &target,
                           NULL, &ctx->error);
    }

    if (rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    return ngx_http_registry_blob_found(r, ctx, &target);
}


static ngx_int_t
ngx_http_registry_blob_found(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_digest_t *target)
{
    reg_rc_t              rc;
    uint64_t              size;
    ngx_str_t             path;
    ngx_open_file_info_t  of;

    if (r->method == NGX_HTTP_HEAD) {
        ngx_str_null(&path);
        ngx_memzero(&of, sizeof(ngx_open_file_info_t));

        rc = reg_blob_size(ctx->store, target, &size, &ctx->error);

        of.fd = NGX_INVALID_FILE;
        of.size = (rc == REG_OK) ? (off_t) size : 0;

    } else {
        rc = ngx_http_registry_open_blob(r, ctx, target, &of, &path);
    }

    if (rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    if (ngx_http_registry_content_headers(r, &ctx->op.digest,
                                          "application/octet-stream", 24)
        != NGX_OK
        || ngx_http_registry_pulled(r, ctx, &ctx->op.digest,
                                    "application/octet-stream", 24, of.size)
           != NGX_OK
        || ngx_http_registry_cache_header(r, "max-age=31536000, immutable", 27)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_send_file(r, &of, &path);
}


ngx_int_t
ngx_http_registry_blob_delete(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_task(r, ctx, ngx_http_registry_blob_delete_work,
                                  ngx_http_registry_blob_deleted);
}


static reg_rc_t
ngx_http_registry_blob_delete_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t      rc;
    reg_digest_t  target;

    if (!reg_condition_holds(&ctx->op.when, &ctx->op.digest)) {
        rc = reg_blob_find(ctx->store, ctx->op.name, &ctx->op.digest, &target,
                           NULL, &ctx->error);

        return (rc == REG_OK)
               ? reg_error_set(&ctx->error, REG_PRECONDITION_FAILED, NULL)
               : rc;
    }

    rc = ngx_http_registry_emit_room(ctx, 1);

    if (rc == REG_OK) {
        rc = reg_blob_delete(ctx->store, ctx->op.name, &ctx->op.digest,
                             &ctx->error);
    }

    return (rc == REG_OK)
           ? ngx_http_registry_emit_delete(ctx, &ctx->op.digest, NULL) : rc;
}


static ngx_int_t
ngx_http_registry_blob_deleted(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    if (ctx->rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    if (ngx_http_registry_digest_header(r, &ctx->op.digest) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_send_empty(r, NGX_HTTP_ACCEPTED);
}
