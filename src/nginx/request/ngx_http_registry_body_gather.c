
#include "ngx_http_registry_body_private.h"
#include "ngx_http_registry_send.h"


static void ngx_http_registry_body_give_way(ngx_event_t *ev);
static reg_rc_t ngx_http_registry_body_too_large(
    ngx_http_registry_ctx_t *ctx, size_t max);


ngx_int_t
ngx_http_registry_body_gather(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, size_t max, ngx_http_registry_step_pt next)
{
    size_t                     size;
    ngx_http_registry_body_t  *body;

    if (r->headers_in.content_length_n > (off_t) max) {
        (void) ngx_http_registry_body_too_large(ctx, max);
        return ngx_http_registry_send_error(r, ctx);
    }

    body = ngx_http_registry_body_create(r, ctx);
    if (body == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    reg_buf_init(&body->memory, max);
    body->max = max;
    body->done = next;

    if (ctx->op.op == REG_OP_MANIFEST_WRITE) {
        body->hold.parses = ngx_http_registry_parses(r);
        body->hold.give_way.handler = ngx_http_registry_body_give_way;
        body->hold.give_way.data = r;
        body->hold.give_way.log = r->connection->log;
    }

    /* the form of a token request; as it grew it would leave copies behind */

    body->secret = (ctx->op.op == REG_OP_TOKEN);

    size = ngx_max(r->headers_in.content_length_n, 0);

    if (reg_buf_reserve(&body->memory, body->secret ? max : size) != 0) {
        (void) reg_error_set(&ctx->error, REG_NO_MEMORY, NULL);
        return ngx_http_registry_send_error(r, ctx);
    }

    return ngx_http_registry_body_start(r, ctx);
}


reg_rc_t
ngx_http_registry_body_copy(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_buf_t                 *b;
    ngx_chain_t               *cl;
    ngx_http_request_body_t   *rb;
    ngx_http_registry_body_t  *body;

    rb = r->request_body;
    body = ctx->body;

    while (rb->bufs) {
        cl = rb->bufs;
        b = cl->buf;

        body->received += ngx_buf_size(b);

        if (b->in_file) {
            if (b->file_last > (off_t) body->max) {
                return ngx_http_registry_body_too_large(ctx, body->max);
            }

            body->file = b->file->fd;

        } else {
            reg_buf_add(&body->memory, b->pos, b->last - b->pos);

            if (body->secret && !body->shared) {
                ngx_explicit_memzero(b->pos, b->last - b->pos);
            }
        }

        b->pos = b->last;
        b->file_pos = b->file_last;

        rb->bufs = cl->next;
        ngx_free_chain(r->pool, cl);
    }

    if (body->memory.state == REG_BUF_NOMEM) {
        return reg_error_set(&ctx->error, REG_NO_MEMORY, NULL);
    }

    if (reg_buf_failed(&body->memory)) {
        return ngx_http_registry_body_too_large(ctx, body->max);
    }

    if (body->hold.parses
        && ngx_http_registry_parse_hold(&body->hold, body->memory.len)
           != NGX_OK)
    {
        return reg_error_set(&ctx->error, REG_BUSY,
                             "too many large manifests are pushed");
    }

    return REG_OK;
}


/* Others need the memory of a body that comes in slowly. */

static void
ngx_http_registry_body_give_way(ngx_event_t *ev)
{
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_registry_ctx_t   *ctx;
    ngx_http_registry_body_t  *body;

    r = ev->data;
    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    body = ctx->body;

    (void) reg_error_set(&ctx->error, REG_BUSY,
                         "it comes in too slowly, while many large manifests "
                         "are pushed");

    body->refused = 1;
    body->eof = 1;

    ngx_http_registry_resume(r);

    ngx_http_run_posted_requests(c);
}


/* What is gathered is a manifest, or the form of a token request. */

static reg_rc_t
ngx_http_registry_body_too_large(ngx_http_registry_ctx_t *ctx, size_t max)
{
    return reg_error_set(&ctx->error,
                         ctx->op.op == REG_OP_MANIFEST_WRITE
                         ? REG_MANIFEST_TOO_LARGE : REG_BODY_TOO_LARGE,
                         "the limit is %zu bytes", max);
}


size_t
ngx_http_registry_body_size(const ngx_http_registry_ctx_t *ctx)
{
    return (size_t) ctx->body->received;
}
