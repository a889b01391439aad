
/* Blobs: read and deleted. */


#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"

#include "reg_blob.h"


static reg_rc_t ngx_http_registry_blob_delete_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_blob_deleted(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


ngx_int_t
ngx_http_registry_blob_read(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t              rc;
    ngx_str_t             path;
    reg_digest_t          target;
    ngx_open_file_info_t  of;

    rc = reg_blob_find(ctx->store, ctx->op.name, &ctx->op.digest, &target,
                       &ctx->error);

    if (rc == REG_OK) {
        rc = ngx_http_registry_open_blob(r, ctx, &target, &of, &path);
    }

    if (rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    if (ngx_http_registry_content_headers(r, &ctx->op.digest,
                                          "application/octet-stream", 24)
        != NGX_OK
        || ngx_http_registry_header(r, "Cache-Control",
                                    "max-age=31536000, immutable", 27)
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
    return reg_blob_delete(ctx->store, ctx->op.name, &ctx->op.digest,
                           &ctx->error);
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
