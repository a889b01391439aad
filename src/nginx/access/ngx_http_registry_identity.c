
/*
 * Who asks, as it is known by now.  ngx_http_registry_identify.c finds it out.
 */


#include "ngx_http_registry_identity.h"


static const ngx_http_registry_who_t  ngx_http_registry_anybody = {
    .auth = NGX_HTTP_REGISTRY_AUTH_ANONYMOUS,
    .open = 1
};


ngx_http_registry_identity_t *
ngx_http_registry_identity_get(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_identity_t     *identity;
    ngx_http_registry_access_conf_t  *alcf;

    if (ctx->identity) {
        return ctx->identity;
    }

    identity = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_identity_t));
    if (identity == NULL) {
        return NULL;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    identity->who.auth = NGX_HTTP_REGISTRY_AUTH_ANONYMOUS;
    identity->who.rules = alcf->rules;
    identity->who.own = alcf->own;

    ctx->identity = identity;

    return identity;
}


ngx_int_t
ngx_http_registry_identify_as(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const ngx_http_registry_who_t *who)
{
    ngx_http_registry_identity_t  *identity;

    identity = ngx_http_registry_identity_get(r, ctx);
    if (identity == NULL) {
        return NGX_ERROR;
    }

    identity->who = *who;
    identity->done = 1;

    return NGX_OK;
}


void
ngx_http_registry_identify_verdict(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_verdict_e verdict)
{
    ngx_http_registry_identity_t  *identity;

    identity = ngx_http_registry_identity_get(r, ctx);

    if (identity) {
        identity->verdict = verdict;
    }
}


void
ngx_http_registry_identify_form(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_form_e form,
    reg_str_t user)
{
    ngx_http_registry_identity_t  *identity;

    identity = ngx_http_registry_identity_get(r, ctx);

    if (identity) {
        identity->form = form;
        identity->claimed = user;
    }
}


void
ngx_http_registry_identify_again(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const ngx_http_registry_ctx_t *old)
{
    ngx_http_registry_identity_t  *identity;

    if (old->identity == NULL) {
        return;
    }

    identity = ngx_http_registry_identity_get(r, ctx);

    if (identity) {
        *identity = *old->identity;
        identity->granted = 0;
        identity->waiting = 0;
        identity->asking = 0;
    }
}


const ngx_http_registry_who_t *
ngx_http_registry_identity(const ngx_http_registry_ctx_t *ctx)
{
    return ctx->identity ? &ctx->identity->who : &ngx_http_registry_anybody;
}
