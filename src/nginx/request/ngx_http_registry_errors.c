
/*
 * nginx's own errors inside a registry location, turned into OCI JSON; and
 * the headers that every reply there carries.
 *
 * Docker shows "error parsing HTTP 413 response body: invalid character '<'"
 * when it meets nginx's page.  The special response handler alone sets
 * r->err_status, so what it sends can be told from what the module sends.  An
 * operator's error_page still wins: it leads to another location, which may be
 * one inside of the registry's.
 */


#include "ngx_http_registry_cors.h"
#include "ngx_http_registry_errors.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_warning.h"


static ngx_int_t ngx_http_registry_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_uint_t ngx_http_registry_error_page(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_replace(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_unset_header(ngx_http_request_t *r,
    const char *key);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


void
ngx_http_registry_errors_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_registry_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_registry_body_filter;
}


void
ngx_http_registry_errors_say(ngx_http_registry_ctx_t *ctx, ngx_uint_t status,
    const char *text)
{
    ctx->said = text;
    ctx->said_of = status;
}


static ngx_int_t
ngx_http_registry_header_filter(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (rlcf->root == NULL || r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_registry_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    /* nginx closes the connection behind it, and would say that it does not */

    if (r->filter_finalize) {
        r->keepalive = 0;
    }

    /*
     * nginx has refused a body that the client, who was not told to go on, may
     * never send: what he sends next would be taken for it.
     */

    if (r->err_status && r->headers_in.expect && r->discard_body) {
        r->keepalive = 0;
    }

    /* a filter behind us may refuse a reply (416), and another one begins */

    if (!ctx->headers) {
        ctx->headers = 1;

        if (ngx_http_registry_header(r, "Docker-Distribution-Api-Version",
                                     "registry/2.0", 12)
            != NGX_OK
            || ngx_http_registry_header(r, "X-Content-Type-Options",
                                        "nosniff", 7)
               != NGX_OK
            || ngx_http_registry_cors_headers(r, rlcf) != NGX_OK
            || ngx_http_registry_warning_headers(r, ctx) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (r->err_status >= NGX_HTTP_BAD_REQUEST && r->upstream == NULL
        && !ngx_http_registry_error_page(r)
        && ngx_http_registry_replace(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/*
 * Whether an error_page led here, to what is not ours.  nginx sets the flag at
 * the first error already, page or not, and not where pages may be recursive.
 */

static ngx_uint_t
ngx_http_registry_error_page(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    return r->internal
           && (r->error_page || clcf->recursive_error_pages)
           && r->content_handler != ngx_http_registry_handler;
}


static ngx_int_t
ngx_http_registry_replace(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx)
{
    reg_buf_t   *b;
    const char  *text;

    b = ngx_palloc(r->pool, sizeof(reg_buf_t));
    if (b == NULL) {
        return NGX_ERROR;
    }

    text = (ctx->said && ctx->said_of == r->err_status)
           ? ctx->said : reg_error_status_text(r->err_status);

    reg_buf_init(b, 4096);
    reg_error_json(b, reg_error_status_code(r->err_status), reg_str_of(text),
                   reg_null_str);

    if (reg_buf_failed(b) || ngx_http_registry_keep_buf(r, b) != NGX_OK) {
        reg_buf_free(b);
        return NGX_ERROR;
    }

    if ((r->err_status == 429 || r->err_status == NGX_HTTP_SERVICE_UNAVAILABLE)
        && ngx_http_registry_headerf(r, "Retry-After", "%T",
                                     ngx_max(ctx->retry_after, 1))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.charset.len = 0;
    r->headers_out.content_length_n = b->len;

    if (r->headers_out.content_length) {
        r->headers_out.content_length->hash = 0;
        r->headers_out.content_length = NULL;
    }

    ctx->replacement = b;
    ctx->code = reg_error_status_code(r->err_status);

    /* what the content was to be kept by does not hold for the error */

    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);
    ngx_http_clear_accept_ranges(r);

    ngx_http_registry_unset_header(r, "Cache-Control");
    ngx_http_registry_unset_header(r, "Docker-Content-Digest");

    return NGX_OK;
}


static void
ngx_http_registry_unset_header(ngx_http_request_t *r, const char *key)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(key);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncmp(h[i].key.data, key, len) == 0)
            {
                h[i].hash = 0;
            }
        }
    }
}


static ngx_int_t
ngx_http_registry_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t                *b;
    ngx_chain_t              *cl, out;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (ctx == NULL || ctx->replacement == NULL || r != r->main || in == NULL)
    {
        return ngx_http_next_body_filter(r, in);
    }

    /* what nginx wanted to say counts as said */

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    if (ctx->replaced) {
        return ngx_http_next_body_filter(r, NULL);
    }

    ctx->replaced = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->start = (u_char *) ctx->replacement->data;
    b->pos = b->start;
    b->last = b->start + ctx->replacement->len;
    b->end = b->last;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}
