
/* What a 401 asks for, and when it is a 403 instead. */


#include "ngx_http_registry_errors.h"
#include "ngx_http_registry_identity.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_token.h"

#include "reg_challenge.h"


/* a challenge names scopes, and a scope the name of a repository */
#define NGX_HTTP_REGISTRY_CHALLENGE_MAX  8192


typedef struct {
    unsigned     bit;
    const char  *text;
} ngx_http_registry_lack_t;


static const char *ngx_http_registry_lack(const ngx_http_registry_who_t *who,
    const ngx_http_registry_ctx_t *ctx, unsigned may);
static void ngx_http_registry_refused(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const ngx_http_registry_who_t *who,
    unsigned may);


static const ngx_http_registry_lack_t  ngx_http_registry_lacks[] = {
#define NGX_HTTP_REGISTRY_LACK(symbol, bit, name)                             \
    { symbol, "access is denied: it takes the right \"" name "\"" },
    REG_MAY_TABLE(NGX_HTTP_REGISTRY_LACK)
#undef NGX_HTTP_REGISTRY_LACK
    { 0, NULL }
};


ngx_int_t
ngx_http_registry_refuse(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx,
    unsigned may)
{
    ngx_int_t                        rc;
    reg_token_e                      why;
    const ngx_http_registry_who_t   *who;

    who = ngx_http_registry_identity(ctx);

    if (who->auth == NGX_HTTP_REGISTRY_AUTH_BEARER) {
        why = who->late ? REG_TOKEN_INVALID : REG_TOKEN_INSUFFICIENT;

    } else if (who->auth == NGX_HTTP_REGISTRY_AUTH_ANONYMOUS && who->own) {
        why = ctx->identity->why;

    } else {
        ngx_http_registry_refused(r, ctx, who, may);
        ngx_http_registry_errors_say(ctx, NGX_HTTP_FORBIDDEN,
                                     ngx_http_registry_lack(who, ctx, may));
        return NGX_HTTP_FORBIDDEN;
    }

    rc = ngx_http_registry_challenge(r, ctx, may, why);

    return (rc == NGX_OK) ? NGX_HTTP_UNAUTHORIZED : rc;
}


/*
 * What it would take, which the request alone says: whether anything is there
 * is told by it to nobody.  For update it is asked once a tag is found, by who
 * may push; who may pull can see the tag.
 */

static const char *
ngx_http_registry_lack(const ngx_http_registry_who_t *who,
    const ngx_http_registry_ctx_t *ctx, unsigned may)
{
    const ngx_http_registry_lack_t  *lack;

    if (may & REG_MAY_UPDATE) {
        may = REG_MAY_UPDATE;

        if (ngx_http_registry_may(who, REG_MAY_PULL, ctx->op.name)
            == REG_ACCESS_ALLOW)
        {
            return "the tag exists, and moving it takes the right \"update\"";
        }
    }

    for (lack = ngx_http_registry_lacks; lack->bit; lack++) {
        if (lack->bit == may) {
            break;
        }
    }

    return lack->text;
}


/* What an operator is asked about who made no mistake himself. */

static void
ngx_http_registry_refused(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx,
    const ngx_http_registry_who_t *who, unsigned may)
{
    ngx_str_t    user, name;
    const char  *what;

    user.len = who->user.len;
    user.data = (u_char *) who->user.data;
    name.len = ctx->op.name.len;
    name.data = (u_char *) ctx->op.name.data;

    what = (may & REG_MAY_UPDATE) ? "move a tag of"
           : (may & REG_MAY_DELETE) ? "delete from"
           : (may & REG_MAY_PUSH) ? "push to"
           : (may & REG_MAY_PULL) ? "pull from"
           : (may & REG_MAY_LIST) ? "list" : "use";

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "client \"%V\" may not %s \"%V\"; \"registry_allow\", or "
                  "what an access token is made with, says who may",
                  &user, what, &name);
}


ngx_int_t
ngx_http_registry_challenge(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, unsigned may, reg_token_e why)
{
    ngx_int_t                         rc;
    reg_buf_t                         b;
    const char                       *text;
    reg_scopes_t                     *scopes;
    ngx_table_elt_t                  *h;
    ngx_http_registry_identity_t     *identity;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);
    identity = ctx->identity;

    text = identity->text;

    if (why == REG_TOKEN_INVALID) {
        text = NGX_HTTP_REGISTRY_WRONG_TOKEN;

    } else if (why == REG_TOKEN_INSUFFICIENT && identity->who.user.len) {
        text = ngx_http_registry_lack(&identity->who, ctx, may);
    }

    ngx_http_registry_errors_say(ctx, NGX_HTTP_UNAUTHORIZED, text);

    reg_buf_init(&b, NGX_HTTP_REGISTRY_CHALLENGE_MAX);

    if (alcf->bearer) {

        scopes = ngx_pcalloc(r->pool, sizeof(reg_scopes_t));
        if (scopes == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (ctx->route == REG_OK) {
            reg_scopes_needed(scopes, may, ctx->op.name);

            if (ctx->op.mount && ctx->op.from.len) {
                (void) reg_scopes_add(scopes, ctx->op.from, REG_MAY_PULL);
            }
        }

        rc = ngx_http_registry_token_challenge(r, scopes, why, &b);

    } else {
        rc = (reg_challenge_basic(&b, ngx_http_registry_str(&alcf->realm))
              == 0) ? NGX_OK : NGX_ERROR;
    }

    if (rc != NGX_OK || reg_buf_failed(&b)
        || ngx_http_registry_keep_buf(r, &b) != NGX_OK)
    {
        reg_buf_free(&b);
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    /* one from another module, which would be one too many */

    h = r->headers_out.www_authenticate;

    if (h == NULL || h->hash == 0) {
        h = ngx_list_push(&r->headers_out.headers);
        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        r->headers_out.www_authenticate = h;
#if (nginx_version >= 1023000)
        h->next = NULL;
#endif
    }

    h->hash = 1;
    ngx_str_set(&h->key, "WWW-Authenticate");
    h->value.len = b.len;
    h->value.data = (u_char *) b.data;

    return NGX_OK;
}
