
#include "ngx_http_registry_log.h"
#include "ngx_http_registry_send.h"

#include "reg_blob.h"


#define NGX_HTTP_REGISTRY_HEADER_MAX  1024

/* as nginx's open file cache has it */
#define NGX_HTTP_REGISTRY_READ_AHEAD  (128 * 1024)


static reg_rc_t ngx_http_registry_open_cached(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const reg_path_t *layout,
    ngx_open_file_info_t *of, ngx_str_t *path);
static reg_rc_t ngx_http_registry_open_anew(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const reg_digest_t *target,
    ngx_open_file_info_t *of, ngx_str_t *path);
static ngx_table_elt_t *ngx_http_registry_header_push(ngx_http_request_t *r,
    const char *key, const char *value, size_t len);
static void ngx_http_registry_send_closes(ngx_http_request_t *r);
static void ngx_http_registry_free_buf(void *data);
static void ngx_http_registry_no_gzip(ngx_http_request_t *r);


ngx_int_t
ngx_http_registry_header(ngx_http_request_t *r, const char *key,
    const char *value, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_http_registry_header_push(r, key, value, len);
    if (h == NULL) {
        return NGX_ERROR;
    }

    if (key[0] == 'E' && ngx_strcmp(key, "ETag") == 0) {
        r->headers_out.etag = h;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_cache_header(ngx_http_request_t *r, const char *value,
    size_t len)
{
    ngx_table_elt_t   *h;
#if (nginx_version < 1023000)
    ngx_table_elt_t  **first;
#endif

    h = ngx_http_registry_header_push(r, "Cache-Control", value, len);
    if (h == NULL) {
        return NGX_ERROR;
    }

#if (nginx_version >= 1023000)

    r->headers_out.cache_control = h;

#else

    if (ngx_array_init(&r->headers_out.cache_control, r->pool, 1,
                       sizeof(ngx_table_elt_t *))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    first = ngx_array_push(&r->headers_out.cache_control);
    if (first == NULL) {
        return NGX_ERROR;
    }

    *first = h;

#endif

    return NGX_OK;
}


static ngx_table_elt_t *
ngx_http_registry_header_push(ngx_http_request_t *r, const char *key,
    const char *value, size_t len)
{
    u_char           *p;
    ngx_table_elt_t  *h;

    p = ngx_pnalloc(r->pool, len + 1);
    if (p == NULL) {
        return NULL;
    }

    ngx_memcpy(p, value, len);
    p[len] = '\0';

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "");
    h->key.len = ngx_strlen(key);
    h->key.data = (u_char *) key;
    h->value.len = len;
    h->value.data = p;
    h->lowcase_key = NULL;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return h;
}


ngx_int_t
ngx_http_registry_headerf(ngx_http_request_t *r, const char *key,
    const char *fmt, ...)
{
    u_char   *p, buf[NGX_HTTP_REGISTRY_HEADER_MAX];
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    return ngx_http_registry_header(r, key, (char *) buf, p - buf);
}


ngx_int_t
ngx_http_registry_digest_header(ngx_http_request_t *r, const reg_digest_t *d)
{
    return ngx_http_registry_header(r, "Docker-Content-Digest", d->text,
                                    d->len);
}


ngx_int_t
ngx_http_registry_content_headers(ngx_http_request_t *r,
    const reg_digest_t *d, const char *type, size_t type_len)
{
    u_char  *p;
    char     etag[REG_DIGEST_MAX + 2];

    etag[0] = '"';
    ngx_memcpy(etag + 1, d->text, d->len);
    etag[d->len + 1] = '"';

    if (ngx_http_registry_digest_header(r, d) != NGX_OK
        || ngx_http_registry_header(r, "ETag", etag, d->len + 2) != NGX_OK
        || ngx_http_registry_header(r, "Content-Security-Policy",
                                    "default-src 'none'; sandbox", 27)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, type_len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, type, type_len);

    r->headers_out.content_type.len = type_len;
    r->headers_out.content_type.data = p;
    r->headers_out.content_type_len = type_len;
    r->headers_out.content_type_lowcase = NULL;

    ngx_http_registry_no_gzip(r);

    return NGX_OK;
}


/* Clients compare Content-Length and ETag with the digest's bytes. */

static void
ngx_http_registry_no_gzip(ngx_http_request_t *r)
{
#if (NGX_HTTP_GZIP)
    r->gzip_tested = 1;
    r->gzip_ok = 0;
#endif
}


ngx_int_t
ngx_http_registry_send_empty(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_int_t  rc;

    r->headers_out.status = status;
    r->headers_out.content_length_n = 0;

    if (status == NGX_HTTP_NO_CONTENT) {
        r->header_only = 1;
        r->headers_out.content_length_n = -1;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_send_special(r, NGX_HTTP_LAST);
}


ngx_int_t
ngx_http_registry_send_memory(ngx_http_request_t *r, ngx_uint_t status,
    const char *data, size_t len)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    if (len == 0) {
        return ngx_http_registry_send_empty(r, status);
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = len;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->start = (u_char *) data;
    b->pos = b->start;
    b->last = b->start + len;
    b->end = b->last;
    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_int_t
ngx_http_registry_send_file(ngx_http_request_t *r, ngx_open_file_info_t *of,
    ngx_str_t *path)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    r->root_tested = !r->error_page;
    r->allow_ranges = 1;

    /* a range is of GET alone; who asks by HEAD is told the whole size */

    if (r->method == NGX_HTTP_HEAD) {
        r->headers_in.range = NULL;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = of->size;

    if (of->fd == NGX_INVALID_FILE) {
        rc = ngx_http_send_header(r);

        return (rc == NGX_ERROR || rc > NGX_OK || r->header_only)
               ? rc : ngx_http_send_special(r, NGX_HTTP_LAST);
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->file = ngx_pcalloc(r->pool, sizeof(ngx_file_t));
    if (b->file == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->file_pos = 0;
    b->file_last = of->size;

    b->in_file = b->file_last ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    b->sync = (b->last_buf || b->in_file) ? 0 : 1;

    b->file->fd = of->fd;
    b->file->name = *path;
    b->file->log = r->connection->log;
    b->file->directio = of->is_directio;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


reg_rc_t
ngx_http_registry_open_blob(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const reg_digest_t *target,
    ngx_open_file_info_t *of, ngx_str_t *path)
{
    u_char                        *p;
    reg_rc_t                       rc;
    reg_path_t                     layout;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_registry_loc_conf_t  *rlcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    reg_layout_blob(&layout, target);

    path->len = rlcf->root->root.len + 1 + layout.len;
    path->data = ngx_pnalloc(r->pool, path->len + 1);
    if (path->data == NULL) {
        return reg_error_set(&ctx->error, REG_NO_MEMORY, NULL);
    }

    p = ngx_cpymem(path->data, rlcf->root->root.data, rlcf->root->root.len);
    *p++ = '/';
    ngx_memcpy(p, layout.s, layout.len + 1);

    if (clcf->open_file_cache) {

        rc = ngx_http_registry_open_cached(r, ctx, &layout, of, path);
        if (rc != REG_OK) {
            return rc;
        }

        rc = reg_blob_check(ctx->store, target, of->fd, &ctx->error);

        if (rc != REG_BLOB_UNKNOWN) {
            return rc;
        }

        /* what is open is damaged; it may have been pushed again since */

        reg_error_clear(&ctx->error);
    }

    return ngx_http_registry_open_anew(r, ctx, target, of, path);
}


/* Opens by open_file_cache what the root has as layout. */

static reg_rc_t
ngx_http_registry_open_cached(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const reg_path_t *layout,
    ngx_open_file_info_t *of, ngx_str_t *path)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ngx_memzero(of, sizeof(ngx_open_file_info_t));

    of->read_ahead = clcf->read_ahead;
    of->directio = clcf->directio;

    /*
     * Negative answers are not cached: a blob is there for every worker as
     * soon as one has stored it.
     */

    of->valid = clcf->open_file_cache_valid;
    of->min_uses = clcf->open_file_cache_min_uses;
    of->errors = 0;
    of->events = clcf->open_file_cache_events;
#if (NGX_HAVE_OPENAT)
    of->disable_symlinks = NGX_DISABLE_SYMLINKS_ON;
    of->disable_symlinks_from = path->len - 1 - layout->len;
#endif

    if (ngx_open_cached_file(clcf->open_file_cache, path, of, r->pool)
        != NGX_OK)
    {
        if (of->err == NGX_ENOENT || of->err == NGX_ENOTDIR
            || of->err == NGX_ELOOP || of->err == NGX_EMLINK)
        {
            return reg_error_set(&ctx->error, REG_BLOB_UNKNOWN, NULL);
        }

        return reg_error_sys(&ctx->error, of->err ? of->err : NGX_ENOMEM,
                             "open", layout->s);
    }

    return of->is_file ? REG_OK
                       : reg_error_set(&ctx->error, REG_BLOB_UNKNOWN, NULL);
}


/* Opens what is there now, for this request alone. */

static reg_rc_t
ngx_http_registry_open_anew(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const reg_digest_t *target,
    ngx_open_file_info_t *of, ngx_str_t *path)
{
    reg_rc_t                   rc;
    reg_file_t                 file;
    ngx_pool_cleanup_t        *cln;
    ngx_pool_cleanup_file_t   *clnf;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ngx_memzero(of, sizeof(ngx_open_file_info_t));

    of->read_ahead = clcf->read_ahead;
    of->directio = clcf->directio;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_pool_cleanup_file_t));
    if (cln == NULL) {
        return reg_error_set(&ctx->error, REG_NO_MEMORY, NULL);
    }

    rc = reg_blob_open(ctx->store, target, &file, &ctx->error);
    if (rc != REG_OK) {
        return rc;
    }

    cln->handler = ngx_pool_cleanup_file;
    clnf = cln->data;
    clnf->fd = file.fd;
    clnf->name = path->data;
    clnf->log = r->connection->log;

    of->fd = file.fd;
    of->size = file.size;
    of->is_file = 1;

    if (of->read_ahead && of->size > NGX_HTTP_REGISTRY_READ_AHEAD) {
        (void) ngx_read_ahead(of->fd, of->read_ahead);
    }

    if (of->directio <= of->size) {
        if (ngx_directio_on(of->fd) == NGX_FILE_ERROR) {
            ngx_log_error(NGX_LOG_ALERT, r->connection->log, ngx_errno,
                          ngx_directio_on_n " \"%V\" failed", path);

        } else {
            of->is_directio = 1;
        }
    }

    return REG_OK;
}


/*
 * Where the connection cannot go on behind this reply, the reply says so: in
 * the middle of a body, which nginx would notice when the header is gone, and
 * before one that a client who waits for 100 may or may not send now (RFC 9110,
 * 10.1.1), so that nobody knows where the next request begins.
 */

static void
ngx_http_registry_send_closes(ngx_http_request_t *r)
{
    if (r->reading_body) {
        r->keepalive = 0;
        r->lingering_close = 1;
    }

    if (r->headers_in.expect && !r->expect_tested && r->request_body == NULL
        && r->http_version == NGX_HTTP_VERSION_11
        && r->header_in->pos == r->header_in->last
        && (r->headers_in.content_length_n > 0 || r->headers_in.chunked))
    {
        r->keepalive = 0;
    }
}


ngx_int_t
ngx_http_registry_send_error(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t     rc;
    ngx_uint_t    status;
    reg_buf_t     b;
    reg_error_t  *e;

    e = &ctx->error;

    if (e->rc == REG_OK) {
        (void) reg_error_set(e, REG_INTERNAL, NULL);
    }

    ngx_http_registry_log_error(r, e);

    ngx_http_registry_send_closes(r);

    /* a client that waits for 100 is not asked for a body nobody wants */

    r->expect_tested = 1;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    reg_buf_init(&b, 16384);
    reg_error_reply(&b, e, ngx_http_registry_str(&ctx->sentence));

    if (reg_buf_failed(&b)
        || ngx_http_registry_keep_buf(r, &b) != NGX_OK)
    {
        reg_buf_free(&b);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    status = reg_error_status(e->rc);
    ctx->code = reg_error_code(e->rc);

    if (status == 429 || status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        if (ngx_http_registry_headerf(r, "Retry-After", "%T",
                                      ngx_max(ctx->retry_after, 1))
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (status == NGX_HTTP_NOT_ALLOWED
        && ngx_http_registry_allow_header(r, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.etag = NULL;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    return ngx_http_registry_send_memory(r, status, b.data, b.len);
}


ngx_int_t
ngx_http_registry_allow_header(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    const char                    *allow;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    allow = rlcf->delete ? ctx->op.allow : ctx->op.allow_kept;

    if (allow == NULL) {
        return NGX_OK;
    }

    return ngx_http_registry_header(r, "Allow", allow, ngx_strlen(allow));
}


ngx_int_t
ngx_http_registry_only_read(ngx_http_request_t *r)
{
    return (ngx_http_registry_header(r, "Allow", "GET, HEAD", 9) == NGX_OK)
           ? NGX_HTTP_NOT_ALLOWED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


ngx_int_t
ngx_http_registry_keep_buf(ngx_http_request_t *r, reg_buf_t *b)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(reg_buf_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_registry_free_buf;
    *(reg_buf_t *) cln->data = *b;

    return NGX_OK;
}


static void
ngx_http_registry_free_buf(void *data)
{
    reg_buf_free(data);
}
