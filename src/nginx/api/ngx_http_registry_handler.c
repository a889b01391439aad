
/* The operation table, and what every operation begins with. */


#include "ngx_http_registry.h"
#include "ngx_http_registry_access.h"
#include "ngx_http_registry_headers_in.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_readonly.h"
#include "ngx_http_registry_send.h"


#define NGX_HTTP_REGISTRY_ROW(symbol, name, action, body)                     \
    [symbol] = ngx_http_registry_##name,

static const ngx_http_registry_step_pt  ngx_http_registry_ops[REG_OP_N] = {
    REG_OP_TABLE(NGX_HTTP_REGISTRY_ROW)
};


static ngx_int_t ngx_http_registry_begin(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_conditions(ngx_http_request_t *r, reg_op_t *op);
static ngx_uint_t ngx_http_registry_early(ngx_http_request_t *r);


ngx_int_t
ngx_http_registry_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (rlcf->root == NULL) {
        return NGX_HTTP_NOT_FOUND;
    }

    ctx = ngx_http_registry_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_registry_begin(r, ctx);

    if (ctx->next) {
        /* parked; a reply that is still being sent has no next step */
        r->main->count++;
        return NGX_DONE;
    }

    return rc;
}


/* The first step of every request: may he, and what does he want? */

static ngx_int_t
ngx_http_registry_begin(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                      rc;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    rc = ngx_http_registry_access_content(r, ctx, ngx_http_registry_begin);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ctx->route != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    /*
     * Nothing here has a date: these are to be ignored (RFC 9110, 13.1.3 and
     * 13.1.4), while nginx says 412 to the one, and lets the other have the
     * better of If-None-Match.
     */

    r->headers_in.if_modified_since = NULL;
    r->headers_in.if_unmodified_since = NULL;

    if (reg_op_action(ctx->op.op) == REG_ACTION_DELETE && !rlcf->delete) {
        (void) reg_error_set(&ctx->error, REG_DELETE_DISABLED, NULL);
        return ngx_http_registry_send_error(r, ctx);
    }

    if (reg_op_writes(ctx->op.op) && ngx_http_registry_early(r)) {
        (void) reg_error_set(&ctx->error, REG_TOO_EARLY, NULL);
        return ngx_http_registry_send_error(r, ctx);
    }

    ngx_http_registry_conditions(r, &ctx->op);

    rc = ngx_http_registry_readonly_check(r, ctx);

    if (rc == NGX_DECLINED) {
        return ngx_http_registry_send_error(r, ctx);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->store = ngx_http_registry_store(rlcf->root, r->connection->log);
    if (ctx->store == NULL) {
        (void) reg_error_set(&ctx->error, REG_STORAGE, NULL);
        return ngx_http_registry_send_error(r, ctx);
    }

    if (reg_op_body(ctx->op.op) == REG_BODY_NONE) {
        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (rlcf->root->events
        && ngx_http_registry_emit_begin(r, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_ops[ctx->op.op](r, ctx);
}


/*
 * What a GET has of them nginx itself looks at, when it is answered; and it
 * does so with answers of 200 alone, which a change never has.
 */

static void
ngx_http_registry_conditions(ngx_http_request_t *r, reg_op_t *op)
{
    if (op->op != REG_OP_MANIFEST_WRITE && op->op != REG_OP_MANIFEST_DELETE
        && op->op != REG_OP_BLOB_DELETE)
    {
        return;
    }

    if (r->headers_in.if_match) {
        op->when.match = ngx_http_registry_str(&r->headers_in.if_match->value);
    }

    if (r->headers_in.if_none_match) {
        op->when.none_match =
                     ngx_http_registry_str(&r->headers_in.if_none_match->value);
    }
}


/*
 * Early data of TLS 1.3 can be recorded and sent again by anybody, who with it
 * would have a tag moved back, or a manifest deleted that was pushed since.  A
 * handshake nobody else can complete: once it is, the request is the client's
 * own.  A proxy in front tells by the header what it had (RFC 8470, 5.1).
 */

static ngx_uint_t
ngx_http_registry_early(ngx_http_request_t *r)
{
    static ngx_str_t  name = ngx_string("ssl_early_data");

    ngx_http_variable_value_t  *v;

    if (ngx_http_registry_find_header(r, "early-data", 10)) {
        return 1;
    }

    v = ngx_http_get_variable(r, &name, ngx_hash_key(name.data, name.len));

    return v == NULL || (!v->not_found && v->len > 0);
}


/* GET /v2/: yes, this is a registry (distribution-spec, end-1). */

ngx_int_t
ngx_http_registry_base(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx)
{
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    return ngx_http_registry_send_memory(r, NGX_HTTP_OK, "{}", 2);
}
