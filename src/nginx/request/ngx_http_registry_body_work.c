
/* What threads do with a body. */


#include "ngx_http_registry_body_private.h"


/* a body in a temporary file is read in pieces, each a task of its own */
#define NGX_HTTP_REGISTRY_BODY_PIECE   (4 * 1024 * 1024)
#define NGX_HTTP_REGISTRY_BODY_READ    (256 * 1024)


static reg_rc_t ngx_http_registry_body_file(ngx_http_registry_ctx_t *ctx,
    ngx_http_registry_entry_t *entry);


/* In a thread. */

reg_rc_t
ngx_http_registry_body_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                    rc;
    ngx_http_registry_body_t   *body;
    ngx_http_registry_entry_t  *entry;

    body = ctx->body;
    entry = body->running;

    if (entry->fd != NGX_INVALID_FILE) {
        return ngx_http_registry_body_file(ctx, entry);
    }

    rc = reg_upload_append(body->upload, entry->iov, entry->n, &ctx->error);

    if (rc == REG_OK && body->last) {
        rc = body->finish(ctx);
    }

    return rc;
}


/* In a thread. */

reg_rc_t
ngx_http_registry_body_write(ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_entry_t  *entry;

    entry = ctx->body->running;

    return reg_upload_write(ctx->body->upload, entry->iov, entry->n,
                            &ctx->error);
}


/* In another thread, at the same time. */

void
ngx_http_registry_body_hash(ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_entry_t  *entry;

    entry = ctx->body->running;

    reg_upload_hash(ctx->body->upload, entry->iov, entry->n);
}


/* The same where no other thread was to be had. */

reg_rc_t
ngx_http_registry_body_hash_work(ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_body_hash(ctx);

    return REG_OK;
}


/*
 * In a thread.  Something else has read the body before us (mirror,
 * client_body_early_read) and put it into a file: one piece of it.
 */

static reg_rc_t
ngx_http_registry_body_file(ngx_http_registry_ctx_t *ctx,
    ngx_http_registry_entry_t *entry)
{
    char          *data;
    off_t          end;
    size_t         size;
    ssize_t        n;
    reg_rc_t       rc;
    struct iovec   iov;

    data = malloc(NGX_HTTP_REGISTRY_BODY_READ);
    if (data == NULL) {
        return reg_error_set(&ctx->error, REG_NO_MEMORY, NULL);
    }

    rc = REG_OK;
    end = ngx_min(entry->file_last,
                  entry->file_pos + NGX_HTTP_REGISTRY_BODY_PIECE);

    while (entry->file_pos < end && rc == REG_OK) {
        size = (size_t) ngx_min(end - entry->file_pos,
                                NGX_HTTP_REGISTRY_BODY_READ);

        n = pread(entry->fd, data, size, entry->file_pos);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            rc = reg_error_sys(&ctx->error, n ? errno : EIO, "pread",
                               "client body temporary file");
            break;
        }

        iov.iov_base = data;
        iov.iov_len = n;

        rc = reg_upload_append(ctx->body->upload, &iov, 1, &ctx->error);

        entry->file_pos += n;
    }

    free(data);

    return rc;
}


/* In a thread. */

reg_rc_t
ngx_http_registry_body_get(ngx_http_registry_ctx_t *ctx, reg_str_t *body)
{
    ssize_t                    n;
    ngx_http_registry_body_t  *b;

    b = ctx->body;

    if (b->file != NGX_INVALID_FILE) {

        if (reg_buf_reserve(&b->memory, (size_t) b->received) != 0) {
            return reg_error_set(&ctx->error, REG_NO_MEMORY, NULL);
        }

        while (b->memory.len < (size_t) b->received) {
            n = pread(b->file, b->memory.data + b->memory.len,
                      (size_t) b->received - b->memory.len,
                      (off_t) b->memory.len);

            if (n == -1 && errno == EINTR) {
                continue;
            }

            if (n <= 0) {
                return reg_error_sys(&ctx->error, n ? errno : EIO, "pread",
                                     "client body temporary file");
            }

            b->memory.len += n;
        }
    }

    *body = reg_buf_slice(&b->memory);

    return REG_OK;
}
