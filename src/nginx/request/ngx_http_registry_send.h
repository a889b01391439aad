
/* Replies: files, JSON, empty ones, errors; their headers. */


#ifndef NGX_HTTP_REGISTRY_SEND_H_INCLUDED
#define NGX_HTTP_REGISTRY_SEND_H_INCLUDED


#include "ngx_http_registry.h"


/*
 * Adds a header to the reply.  key is a literal; value is copied into the
 * request's pool.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_registry_header(ngx_http_request_t *r, const char *key,
    const char *value, size_t len);

/* The same, formatted as ngx_sprintf() does, up to 1 KB. */
ngx_int_t ngx_http_registry_headerf(ngx_http_request_t *r, const char *key,
    const char *fmt, ...);

/* A Cache-Control that nginx's "expires" may say something else instead of. */
ngx_int_t ngx_http_registry_cache_header(ngx_http_request_t *r,
    const char *value, size_t len);

/* Allow, with what is answered on this path; none where nothing is. */
ngx_int_t ngx_http_registry_allow_header(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);

/* What to finalize with where there is no method but GET and HEAD. */
ngx_int_t ngx_http_registry_only_read(ngx_http_request_t *r);

/*
 * Docker-Content-Digest, and for content that is read also ETag and what
 * keeps a browser from running it (nosniff, sandbox).
 */
ngx_int_t ngx_http_registry_digest_header(ngx_http_request_t *r,
    const reg_digest_t *d);
ngx_int_t ngx_http_registry_content_headers(ngx_http_request_t *r,
    const reg_digest_t *d, const char *type, size_t type_len);

/*
 * Each sends the whole reply and returns what to finalize with.  A body that
 * the operation has no use for is discarded by the caller before, except with
 * send_error(), which does so itself.
 */

ngx_int_t ngx_http_registry_send_empty(ngx_http_request_t *r,
    ngx_uint_t status);

/* The bytes must live as long as the request's pool. */
ngx_int_t ngx_http_registry_send_memory(ngx_http_request_t *r,
    ngx_uint_t status, const char *data, size_t len);

/*
 * An open file, as nginx's static module would send it.  Its descriptor is
 * in the care of a pool cleanup already; to a HEAD it may be NGX_INVALID_FILE.
 */
ngx_int_t ngx_http_registry_send_file(ngx_http_request_t *r,
    ngx_open_file_info_t *of, ngx_str_t *path);

/*
 * Opens a stored blob with the location's open_file_cache, directio and
 * read_ahead.  REG_OK, or REG_BLOB_UNKNOWN and others in ctx->error.
 */
reg_rc_t ngx_http_registry_open_blob(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const reg_digest_t *target,
    ngx_open_file_info_t *of, ngx_str_t *path);

/* ctx->error as OCI JSON, logged where an operator may have to act. */
ngx_int_t ngx_http_registry_send_error(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);

/* Frees a buffer of the core together with the request's pool. */
ngx_int_t ngx_http_registry_keep_buf(ngx_http_request_t *r, reg_buf_t *b);


#endif /* NGX_HTTP_REGISTRY_SEND_H_INCLUDED */
