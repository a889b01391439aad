
/*
 * What nginx's reader of bodies is told of an upload's.
 *
 * Of a body in chunks it reads no more at once than it knows to come, that is
 * the rest of a chunk or the size of a large header buffer, since whatever
 * stands behind the body begins the next request and is copied into one.  With
 * the chunks of 32k that docker sends that is two reads for each, and as many
 * acknowledgements.  Here more is asked for.
 *
 * Who sends more behind the body than such a buffer holds, without having
 * waited for the answer, is told that the connection ends with it, and has to
 * repeat the rest (RFC 9112, 9.3.2): in a larger buffer the limits on headers
 * would no longer hold.
 *
 * Over HTTP/2 it asks before it begins, and would read the body of a stream
 * that is closed already without us; of one that was reset since, or that has
 * another length than it said, it would end the request, and leave the session.
 */


#include "ngx_http_registry_body_private.h"


/* so much at least, whatever is known to come */
#define NGX_HTTP_REGISTRY_BODY_AHEAD  (256 * 1024)


static ngx_int_t ngx_http_registry_request_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static void ngx_http_registry_body_filter_drop(ngx_http_request_t *r);


static ngx_http_request_body_filter_pt  ngx_http_next_request_body_filter;


void
ngx_http_registry_body_filter_init(void)
{
    ngx_http_next_request_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_registry_request_body_filter;
}


/*
 * nginx has parsed what came, and set rb->rest to what it would ask for; or it
 * has not begun, and in is NULL.
 */

static ngx_int_t
ngx_http_registry_request_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_request_body_t  *rb;
    ngx_http_registry_ctx_t  *ctx;

    rb = r->request_body;

    if ((r->stream && in == NULL) || (rb->chunked && rb->buf)) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

        if (ctx && ctx->body && ctx->body->upload) {

            if (r->stream) {
                rb->filter_need_buffering = 1;

            } else if (rb->rest) {
                rb->rest = ngx_max(rb->rest, NGX_HTTP_REGISTRY_BODY_AHEAD);

            } else {
                ngx_http_registry_body_filter_drop(r);
            }
        }
    }

    return ngx_http_next_request_body_filter(r, in);
}


/* What nginx would find no room for, and say so with an alert and a 500. */

static void
ngx_http_registry_body_filter_drop(ngx_http_request_t *r)
{
    size_t                     size;
    ngx_buf_t                 *b;
    ngx_http_core_srv_conf_t  *cscf;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    b = r->request_body->buf;
    size = b->last - b->pos;

    if (size <= cscf->large_client_header_buffers.size) {
        return;
    }

    b->last = b->pos;

    r->request_length -= size;
    r->keepalive = 0;
    r->lingering_close = 1;
}
