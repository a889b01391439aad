
#include "ngx_http_registry_access.h"
#include "ngx_http_registry_cors.h"
#include "ngx_http_registry_identity.h"
#include "ngx_http_registry_send.h"


static ngx_int_t ngx_http_registry_access_exempt(
    const ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_access_decide(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_identity_t *identity,
    ngx_int_t rc);
static ngx_int_t ngx_http_registry_access_authorize(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_access_wake(ngx_http_request_t *r);


ngx_int_t
ngx_http_registry_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    ngx_http_registry_ctx_t          *ctx;
    ngx_http_registry_loc_conf_t     *rlcf;
    ngx_http_registry_identity_t     *identity;
    ngx_http_registry_access_conf_t  *alcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (rlcf->root == NULL) {
        return NGX_DECLINED;
    }

    /* a preflight brings no credentials and is answered without them */

    if (ngx_http_registry_cors_is_preflight(r, rlcf)) {
        return NGX_DECLINED;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (!alcf->own) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_registry_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /*
     * With "satisfy all" others may yet be against; with "satisfy any" the
     * endpoint is one of those of which one is enough, and asks for a login.
     */

    if (ngx_http_registry_access_exempt(ctx)) {
        return NGX_OK;
    }

    identity = ngx_http_registry_identity_get(r, ctx);
    if (identity == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (identity->waiting) {
        return NGX_AGAIN;
    }

    rc = ngx_http_registry_identify(r, ctx, ngx_http_registry_access_wake);

    if (rc == NGX_AGAIN) {
        identity->waiting = 1;

        /* who hangs up meanwhile is not worth a hash */

        if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        r->read_event_handler = ngx_http_test_reading;
        r->write_event_handler = ngx_http_core_run_phases;

        return NGX_AGAIN;
    }

    return ngx_http_registry_access_decide(r, ctx, identity, rc);
}


/* rc is what ngx_http_registry_identify() came to. */

static ngx_int_t
ngx_http_registry_access_decide(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_identity_t *identity,
    ngx_int_t rc)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (rc != NGX_OK) {
        if (clcf->satisfy == NGX_HTTP_SATISFY_ALL) {
            return rc;
        }

        /* there may be others to let him in: to them it is a mere no */

        identity->done = 1;
        identity->wrong = 1;
    }

    if (identity->wrong) {
        rc = ngx_http_registry_challenge(r, ctx,
                                 reg_may_of(reg_op_action(ctx->op.op)),
                                 identity->why);

        return (rc == NGX_OK) ? NGX_HTTP_UNAUTHORIZED : rc;
    }

    /*
     * Who is to name him may be asked after us: then it is decided when all
     * have been.  With "satisfy any" somebody has to say yes before that.
     */

    if (identity->unnamed && clcf->satisfy == NGX_HTTP_SATISFY_ALL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_registry_access_authorize(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    if (identity->unnamed) {
        return NGX_OK;
    }

    identity->granted = 1;

    /* another module has let him in, or has yet to: it is its say */

    if (identity->who.auth == NGX_HTTP_REGISTRY_AUTH_VARIABLE) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* The token endpoint takes credentials in a way of its own. */

static ngx_int_t
ngx_http_registry_access_exempt(const ngx_http_registry_ctx_t *ctx)
{
    return ctx->op.op == REG_OP_TOKEN;
}


ngx_int_t
ngx_http_registry_access_content(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_step_pt again)
{
    ngx_int_t                         rc;
    ngx_http_core_loc_conf_t         *clcf;
    ngx_http_registry_identity_t     *identity;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (!alcf->own && alcf->rules == NULL && alcf->user == NULL) {
        return NGX_OK;
    }

    if (ngx_http_registry_access_exempt(ctx)) {
        return NGX_OK;
    }

    identity = ngx_http_registry_identity_get(r, ctx);
    if (identity == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (identity->granted) {
        return NGX_OK;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /*
     * By "satisfy any" somebody else has let him in, and no rule is against.
     * Subrequests know no access phase: nobody has let them in.
     */

    if (alcf->own && alcf->rules == NULL && r == r->main
        && clcf->satisfy == NGX_HTTP_SATISFY_ANY)
    {
        /* who that is may have been found out by now */

        if (identity->unnamed) {
            rc = ngx_http_registry_identify(r, ctx, NULL);

            if (rc != NGX_OK) {
                return rc;
            }

            identity->unnamed = 0;
        }

        identity->who.open = 1;
        identity->granted = 1;
        return NGX_OK;
    }

    rc = ngx_http_registry_identify(r, ctx, ngx_http_registry_wake);

    if (rc == NGX_AGAIN) {
        return ngx_http_registry_park(ctx, again);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    /* nobody is left who could name him */

    identity->unnamed = 0;

    rc = ngx_http_registry_access_authorize(r, ctx);

    if (rc == NGX_OK) {
        identity->granted = 1;
    }

    return rc;
}


static ngx_int_t
ngx_http_registry_access_authorize(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    unsigned                  may;
    ngx_http_registry_who_t  *who;

    who = &ctx->identity->who;

    /* what is no request of ours takes a login, and then its 4xx */

    may = (ctx->route == REG_OK) ? reg_may_of(reg_op_action(ctx->op.op)) : 0;

    if (who->late && (ctx->route != REG_OK || ctx->op.upload.len == 0)) {
        return ngx_http_registry_refuse(r, ctx, may);
    }

    switch (ngx_http_registry_may(who, may, ctx->op.name)) {

    case REG_ACCESS_ALLOW:
        return NGX_OK;

    case REG_ACCESS_DENY:
        return ngx_http_registry_refuse(r, ctx, may);

    default:
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "the rules gave no answer, nobody was let in; a regular "
                      "expression in them takes too long, simplify it");
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
}


static void
ngx_http_registry_access_wake(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ctx->identity->waiting = 0;
    r->read_event_handler = ngx_http_block_reading;

    ngx_http_core_run_phases(r);
}
