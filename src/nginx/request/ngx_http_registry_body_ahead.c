
/*
 * Of a body in chunks nginx reads no more at once than it knows to come, that
 * is the rest of a chunk and the size of a large header buffer, since whatever
 * stands behind the body begins the next request and is copied into one.  With
 * the chunks of 32k that docker sends that is two reads for each, and as many
 * acknowledgements.  Here more is asked for, and who sent more behind the body
 * than fits gets a buffer that holds it.
 */


#include "ngx_http_registry_body_private.h"


/* asked for beyond what is known to come */
#define NGX_HTTP_REGISTRY_BODY_AHEAD  (256 * 1024)


static ngx_int_t ngx_http_registry_body_ahead_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_registry_body_ahead_room(ngx_http_request_t *r);


static ngx_http_request_body_filter_pt  ngx_http_next_request_body_filter;


void
ngx_http_registry_body_ahead_init(void)
{
    ngx_http_next_request_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_registry_body_ahead_filter;
}


/* nginx has parsed what came, and set rb->rest to what it would ask for. */

static ngx_int_t
ngx_http_registry_body_ahead_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_request_body_t  *rb;
    ngx_http_registry_ctx_t  *ctx;

    rb = r->request_body;

    /* with the body inside r->header_in there is no other place for the rest */

    if (rb->chunked && rb->buf && rb->buf->end != r->header_in->end) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

        if (ctx && ctx->body && ctx->body->upload) {

            if (rb->rest) {
                rb->rest = rb->chunked->length + NGX_HTTP_REGISTRY_BODY_AHEAD;

            } else if (ngx_http_registry_body_ahead_room(r) != NGX_OK) {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }
        }
    }

    return ngx_http_next_request_body_filter(r, in);
}


/*
 * nginx takes the first free one, if r->header_in has no room itself.  All of
 * ours are of one size, and those of earlier requests serve again: there are
 * never more than two to a connection.
 */

static ngx_int_t
ngx_http_registry_body_ahead_room(ngx_http_request_t *r)
{
    size_t                     size;
    ngx_chain_t               *cl, **ll;
    ngx_http_connection_t     *hc;
    ngx_http_core_srv_conf_t  *cscf;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    size = r->request_body->buf->last - r->request_body->buf->pos;

    if (size <= cscf->large_client_header_buffers.size) {
        return NGX_OK;
    }

    hc = r->http_connection;

    for (ll = &hc->free; *ll; ll = &(*ll)->next) {
        if ((size_t) ((*ll)->buf->end - (*ll)->buf->start) >= size) {
            break;
        }
    }

    cl = *ll;

    if (cl) {
        *ll = cl->next;

    } else {
        cl = ngx_alloc_chain_link(r->connection->pool);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        cl->buf = ngx_create_temp_buf(r->connection->pool,
                                 ngx_max(size, NGX_HTTP_REGISTRY_BODY_AHEAD));
        if (cl->buf == NULL) {
            return NGX_ERROR;
        }
    }

    cl->next = hc->free;
    hc->free = cl;

    return NGX_OK;
}
