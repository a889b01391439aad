
/* The context of a request, the driver of its steps, the one finalize. */


#include "ngx_http_registry.h"
#include "ngx_http_registry_token.h"


static reg_method_e ngx_http_registry_method(ngx_http_request_t *r);
static void ngx_http_registry_ctx_keep(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_ctx_left(void *data);


ngx_http_registry_ctx_t *
ngx_http_registry_get_ctx(ngx_http_request_t *r)
{
    char                     *scratch;
    ngx_pool_cleanup_t       *cln;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (ctx && ctx->loc_conf == r->loc_conf
        && ctx->uri.data == r->uri.data && ctx->uri.len == r->uri.len
        && ctx->args.data == r->args.data && ctx->args.len == r->args.len)
    {
        return ctx;
    }

    scratch = ngx_pnalloc(r->pool, r->args.len + 1);
    if (scratch == NULL) {
        return NULL;
    }

    /* not for the cleanup, but to be found again */

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;

    reg_error_clear(&ctx->error);

    ctx->request = r;
    ctx->loc_conf = r->loc_conf;
    ctx->uri = r->uri;
    ctx->args = r->args;
    ctx->store = NULL;
    ctx->next = NULL;
    ctx->job = NULL;
    ctx->task = NULL;
    ctx->work = NULL;
    ctx->rc = REG_OK;
    ctx->second = NULL;
    ctx->second_work = NULL;
    ctx->sleep = NULL;
    ctx->body = NULL;
    ctx->parse = NULL;
    ctx->identity = NULL;
    ctx->login = NULL;
    ctx->emit = NULL;
    ctx->pull = NULL;
    ctx->busy = 0;
    ctx->two = 0;
    ctx->beside = 0;
    ctx->replacement = NULL;
    ctx->retry_after = 0;
    ngx_str_null(&ctx->sentence);
    ctx->said = NULL;
    ctx->said_of = 0;
    ctx->code = NULL;
    ctx->waited = 0;
    ctx->worked = 0;
    ctx->cache = 0;
    ctx->replaced = 0;
    ctx->headers = 0;

    ctx->route = reg_route_parse(&ctx->op, ngx_http_registry_method(r),
                                 ngx_http_registry_str(&r->uri),
                                 ngx_http_registry_str(&r->args), scratch,
                                 &ctx->error);

    /* an endpoint of some locations, and an unknown path in all others */

    if (ctx->op.op == REG_OP_TOKEN && !ngx_http_registry_token_served(r)) {
        reg_error_clear(&ctx->error);
        ctx->op.op = REG_OP_N;
        ctx->route = reg_error_set(&ctx->error, REG_ROUTE_UNKNOWN, NULL);
    }

    if (r->filter_finalize) {
        ngx_http_registry_ctx_keep(r, ctx);
    }

    cln->handler = ngx_http_registry_ctx_left;

    ngx_http_set_ctx(r, ctx, ngx_http_registry_module);

    return ctx;
}


static reg_method_e
ngx_http_registry_method(ngx_http_request_t *r)
{
    switch (r->method) {

    case NGX_HTTP_GET:
        return REG_METHOD_GET;

    case NGX_HTTP_HEAD:
        return REG_METHOD_HEAD;

    case NGX_HTTP_POST:
        return REG_METHOD_POST;

    case NGX_HTTP_PUT:
        return REG_METHOD_PUT;

    case NGX_HTTP_PATCH:
        return REG_METHOD_PATCH;

    case NGX_HTTP_DELETE:
        return REG_METHOD_DELETE;

    case NGX_HTTP_OPTIONS:
        return REG_METHOD_OPTIONS;

    default:
        return REG_METHOD_OTHER;
    }
}


/*
 * A filter that refuses a reply (412, 416) takes all contexts away.  What the
 * log wants to know of the request is still so; what it may do is not asked
 * any more, and is asked anew should an error_page lead back here.
 */

static void
ngx_http_registry_ctx_keep(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_registry_ctx_t  *old;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler != ngx_http_registry_ctx_left) {
            continue;
        }

        old = cln->data;

        if (old->loc_conf == ctx->loc_conf
            && old->uri.data == ctx->uri.data && old->uri.len == ctx->uri.len)
        {
            ctx->waited = old->waited;
            ctx->worked = old->worked;
            ctx->cache = old->cache;
            ngx_http_registry_identify_again(r, ctx, old);
        }

        return;
    }
}


static void
ngx_http_registry_ctx_left(void *data)
{
    /* void */
}


void
ngx_http_registry_resume(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_registry_ctx_t   *ctx;
    ngx_http_registry_step_pt  next;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    /* error_page has sent the request elsewhere */

    if (ctx == NULL) {
        return;
    }

    next = ctx->next;

    /* sockets have their events, and clients go, while a thread works */

    if (next == NULL || (ctx->busy && !ctx->beside)) {
        return;
    }

    ctx->next = NULL;

    rc = next(r, ctx);

    if (ctx->next) {
        return;
    }

    ngx_http_finalize_request(r, rc);
}


ngx_int_t
ngx_http_registry_park(ngx_http_registry_ctx_t *ctx,
    ngx_http_registry_step_pt next)
{
    ctx->next = next;
    ctx->busy = 1;
    ctx->beside = 0;

    return NGX_AGAIN;
}


void
ngx_http_registry_wake(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ctx->busy = 0;

    ngx_http_registry_resume(r);
}
