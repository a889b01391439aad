
#include "ngx_http_registry_access.h"
#include "ngx_http_registry_login.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_token.h"

#include "reg_challenge.h"
#include "reg_credentials.h"


/* a challenge names scopes, and a scope the name of a repository */
#define NGX_HTTP_REGISTRY_CHALLENGE_MAX  8192


struct ngx_http_registry_identity_s {
    ngx_http_registry_who_t    who;
    reg_token_e                why;        /* a bearer token was refused */
    unsigned                   done:1;     /* who is as known as he can be */
    unsigned                   wrong:1;    /* his credentials were none */
    unsigned                   waiting:1;
    unsigned                   granted:1;
    unsigned                   asking:1;   /* a variable asks who it is */
};


typedef struct ngx_http_registry_identity_s  ngx_http_registry_identity_t;


static ngx_int_t ngx_http_registry_access_exempt(
    const ngx_http_registry_access_conf_t *alcf,
    const ngx_http_registry_ctx_t *ctx);
static ngx_http_registry_identity_t *ngx_http_registry_access_identity(
    ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_access_identify(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, void (*wake)(ngx_http_request_t *r));
static ngx_int_t ngx_http_registry_access_variable(ngx_http_request_t *r,
    const ngx_http_registry_access_conf_t *alcf,
    ngx_http_registry_who_t *who);
static ngx_int_t ngx_http_registry_access_credentials(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t header,
    void (*wake)(ngx_http_request_t *r));
static ngx_int_t ngx_http_registry_access_basic(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t credentials,
    void (*wake)(ngx_http_request_t *r));
static ngx_int_t ngx_http_registry_access_authorize(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_access_e ngx_http_registry_may_by_token(
    const ngx_http_registry_who_t *who, unsigned may, reg_str_t name);
static reg_access_e ngx_http_registry_may_by_scopes(
    const ngx_http_registry_who_t *who, unsigned may, reg_str_t name);
static ngx_int_t ngx_http_registry_challenge(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, unsigned may, reg_token_e why);
static void ngx_http_registry_access_wake(ngx_http_request_t *r);
static void ngx_http_registry_access_wake_content(ngx_http_request_t *r);


static const ngx_http_registry_who_t  ngx_http_registry_anybody = {
    .auth = NGX_HTTP_REGISTRY_AUTH_ANONYMOUS,
    .open = 1
};


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

    if (r->method == NGX_HTTP_OPTIONS && rlcf->cors_origins) {
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

    if (ngx_http_registry_access_exempt(alcf, ctx)) {
        return NGX_DECLINED;
    }

    identity = ngx_http_registry_access_identity(r, ctx);
    if (identity == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (identity->waiting) {
        return NGX_AGAIN;
    }

    rc = ngx_http_registry_access_identify(r, ctx,
                                           ngx_http_registry_access_wake);

    if (rc == NGX_AGAIN) {
        identity->waiting = 1;
        r->write_event_handler = ngx_http_core_run_phases;
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (identity->wrong) {
        rc = ngx_http_registry_challenge(r, ctx,
                                 reg_may_of(reg_op_action(ctx->op.op)),
                                 identity->why);

        return (rc == NGX_OK) ? NGX_HTTP_UNAUTHORIZED : rc;
    }

    rc = ngx_http_registry_access_authorize(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    identity->granted = 1;

    /* another module has let him in, or has yet to: it is its say */

    if (identity->who.auth == NGX_HTTP_REGISTRY_AUTH_VARIABLE) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* Requests that bring no credentials, or do so in a way of their own. */

static ngx_int_t
ngx_http_registry_access_exempt(const ngx_http_registry_access_conf_t *alcf,
    const ngx_http_registry_ctx_t *ctx)
{
    return ctx->op.op == REG_OP_TOKEN;
}


ngx_int_t
ngx_http_registry_access_content(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_step_pt again)
{
    ngx_int_t                         rc;
    ngx_http_registry_identity_t     *identity;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (!alcf->own && alcf->rules == NULL && alcf->user == NULL) {
        return NGX_OK;
    }

    if (ngx_http_registry_access_exempt(alcf, ctx)) {
        return NGX_OK;
    }

    identity = ngx_http_registry_access_identity(r, ctx);
    if (identity == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (identity->granted) {
        return NGX_OK;
    }

    /* by "satisfy any" somebody else has let him in, and no rule is against */

    if (alcf->own && alcf->rules == NULL) {
        identity->who.open = 1;
        identity->granted = 1;
        return NGX_OK;
    }

    rc = ngx_http_registry_access_identify(r, ctx,
                                       ngx_http_registry_access_wake_content);

    if (rc == NGX_AGAIN) {
        ctx->next = again;
        ctx->busy = 1;
        ctx->beside = 0;
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_registry_access_authorize(r, ctx);

    if (rc == NGX_OK) {
        identity->granted = 1;
    }

    return rc;
}


static ngx_http_registry_identity_t *
ngx_http_registry_access_identity(ngx_http_request_t *r,
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

    identity = ngx_http_registry_access_identity(r, ctx);
    if (identity == NULL) {
        return NGX_ERROR;
    }

    identity->who = *who;
    identity->done = 1;

    return NGX_OK;
}


const ngx_http_registry_who_t *
ngx_http_registry_identity(const ngx_http_registry_ctx_t *ctx)
{
    return ctx->identity ? &ctx->identity->who : &ngx_http_registry_anybody;
}


/*
 * NGX_OK when it is known who asks, be it nobody, or somebody wrong; NGX_AGAIN
 * when it is yet to be found out; or the status to answer with.
 */

static ngx_int_t
ngx_http_registry_access_identify(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, void (*wake)(ngx_http_request_t *r))
{
    void                             *table;
    ngx_int_t                         rc;
    reg_str_t                         header;
    ngx_http_registry_identity_t     *identity;
    ngx_http_registry_access_conf_t  *alcf;

    identity = ctx->identity;

    if (identity->done) {
        return NGX_OK;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (alcf->groups && identity->who.groups == NULL) {
        rc = ngx_http_registry_file_get(r, alcf->groups, wake, &table);

        if (rc != NGX_OK) {
            return (rc == NGX_AGAIN) ? rc : NGX_HTTP_SERVICE_UNAVAILABLE;
        }

        identity->who.groups = table;
    }

    rc = ngx_http_registry_access_variable(r, alcf, &identity->who);

    if (rc == NGX_OK) {
        identity->done = 1;
        return NGX_OK;
    }

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (!alcf->own) {
        identity->done = 1;
        return NGX_OK;
    }

    rc = ngx_http_registry_authorization(r, &header);

    if (rc == NGX_OK) {
        rc = ngx_http_registry_access_credentials(r, ctx, header, wake);
    }

    switch (rc) {

    case NGX_OK:
        identity->done = 1;
        return NGX_OK;

    case NGX_DECLINED:
        identity->done = 1;
        identity->wrong = 1;
        return NGX_OK;

    case NGX_ERROR:
        return NGX_HTTP_SERVICE_UNAVAILABLE;

    default:
        return rc;
    }
}


/* NGX_OK, NGX_DECLINED when the variable says nothing, or a status. */

static ngx_int_t
ngx_http_registry_access_variable(ngx_http_request_t *r,
    const ngx_http_registry_access_conf_t *alcf,
    ngx_http_registry_who_t *who)
{
    ngx_str_t  value;

    if (alcf->user == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, alcf->user, &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (value.len == 0) {
        return NGX_DECLINED;
    }

    if (!reg_user_valid(ngx_http_registry_str(&value))) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "\"registry_user\" is no name of a user, it has to be "
                      "UTF-8 of 1 to %d bytes; map it to one", REG_USER_MAX);
        return NGX_HTTP_FORBIDDEN;
    }

    who->auth = NGX_HTTP_REGISTRY_AUTH_VARIABLE;
    who->user = ngx_http_registry_str(&value);

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_authorization(ngx_http_request_t *r, reg_str_t *value)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *found;

    found = NULL;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != sizeof("authorization") - 1
                || h[i].lowcase_key == NULL
                || ngx_memcmp(h[i].lowcase_key, "authorization",
                              sizeof("authorization") - 1)
                   != 0)
            {
                continue;
            }

            if (found) {
                return NGX_DECLINED;
            }

            found = &h[i];
        }
    }

    *value = reg_null_str;

    if (found) {
        *value = ngx_http_registry_str(&found->value);
    }

    return NGX_OK;
}


/* NGX_OK, NGX_DECLINED, NGX_AGAIN, NGX_ERROR, or a status. */

static ngx_int_t
ngx_http_registry_access_credentials(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t header,
    void (*wake)(ngx_http_request_t *r))
{
    ngx_int_t                         rc;
    reg_str_t                         credentials;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    switch (reg_credentials_split(header, &credentials)) {

    case REG_SCHEME_NONE:
        return NGX_OK;

    case REG_SCHEME_BASIC:

        if (alcf->htpasswd == NULL && alcf->tokens == NULL) {
            return NGX_DECLINED;
        }

        return ngx_http_registry_access_basic(r, ctx, credentials, wake);

    case REG_SCHEME_BEARER:

        if (alcf->bearer == NULL) {
            return NGX_DECLINED;
        }

        rc = ngx_http_registry_token_verify(r, ctx, credentials, wake,
                                            &ctx->identity->who);

        if (rc == NGX_DECLINED) {
            ctx->identity->why = REG_TOKEN_INVALID;
        }

        return rc;

    default:
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_http_registry_access_basic(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t credentials,
    void (*wake)(ngx_http_request_t *r))
{
    time_t        retry;
    ngx_int_t     rc;
    const char   *why;
    reg_basic_t   basic;
    char          room[REG_BASIC_ROOM];

    if (reg_basic_parse(credentials, room, &basic, &why) != 0) {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "registry basic: %s", why);
        rc = NGX_DECLINED;

    } else if (wake) {
        rc = ngx_http_registry_login(r, ctx, basic.user, basic.password, wake,
                                     &ctx->identity->who, &retry);

        if (rc == NGX_BUSY) {
            ctx->retry_after = retry;
            rc = NGX_HTTP_TOO_MANY_REQUESTS;
        }

    } else {
        rc = ngx_http_registry_login_known(r, basic.user, basic.password,
                                           &ctx->identity->who);
    }

    ngx_explicit_memzero(room, sizeof(room));

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
                      "the rules gave no answer, a regular expression of "
                      "theirs takes too long; nobody was let in");
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
}


reg_access_e
ngx_http_registry_may(const ngx_http_registry_who_t *who, unsigned may,
    reg_str_t name)
{
    reg_access_e   answer;
    reg_subject_t  subject;

    if (who->open) {
        return REG_ACCESS_ALLOW;
    }

    if (may == 0) {
        return (who->auth != NGX_HTTP_REGISTRY_AUTH_ANONYMOUS || !who->own)
               ? REG_ACCESS_ALLOW : REG_ACCESS_DENY;
    }

    if (who->token) {
        answer = ngx_http_registry_may_by_token(who, may, name);

        if (answer != REG_ACCESS_ALLOW) {
            return answer;
        }

        if (who->foreign && who->rules == NULL) {
            return REG_ACCESS_ALLOW;
        }
    }

    if (who->scopes) {
        answer = ngx_http_registry_may_by_scopes(who, may, name);

        if (answer != REG_ACCESS_ALLOW) {
            return answer;
        }

        if (who->owner.len == 0) {
            return REG_ACCESS_ALLOW;
        }
    }

    if (who->rules == NULL) {
        return (who->user.len || !who->own) ? REG_ACCESS_ALLOW
                                            : REG_ACCESS_DENY;
    }

    subject.user = who->owner.len ? who->owner : who->user;
    subject.groups = who->groups;

    return name.len ? reg_access_decide(who->rules, &subject, may, name)
                    : reg_access_somewhere(who->rules, &subject, may);
}


static reg_access_e
ngx_http_registry_may_by_token(const ngx_http_registry_who_t *who,
    unsigned may, reg_str_t name)
{
    unsigned  allowed;

    /* the catalogue is a thing of its own, whatever stands in it */

    allowed = reg_token_may(who->token, reg_null_str) & REG_MAY_LIST;

    if (name.len) {
        allowed |= reg_token_may(who->token, name) & ~REG_MAY_LIST;
    }

    return (may & ~allowed) ? REG_ACCESS_DENY : REG_ACCESS_ALLOW;
}


static reg_access_e
ngx_http_registry_may_by_scopes(const ngx_http_registry_who_t *who,
    unsigned may, reg_str_t name)
{
    unsigned  granted;

    if (name.len == 0) {
        return reg_tokens_somewhere(who->scopes, may) ? REG_ACCESS_ALLOW
                                                      : REG_ACCESS_DENY;
    }

    if (reg_tokens_may(who->scopes, may, name, &granted) != 0) {
        return REG_ACCESS_ERROR;
    }

    return (may & ~granted) ? REG_ACCESS_DENY : REG_ACCESS_ALLOW;
}


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
        return NGX_HTTP_FORBIDDEN;
    }

    rc = ngx_http_registry_challenge(r, ctx, may, why);

    return (rc == NGX_OK) ? NGX_HTTP_UNAUTHORIZED : rc;
}


/* NGX_OK, or the status to answer with instead of 401. */

static ngx_int_t
ngx_http_registry_challenge(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, unsigned may, reg_token_e why)
{
    ngx_int_t                         rc;
    reg_buf_t                         b;
    reg_scopes_t                     *scopes;
    ngx_table_elt_t                  *h;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

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


static void
ngx_http_registry_access_wake(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ctx->identity->waiting = 0;

    ngx_http_core_run_phases(r);
}


static void
ngx_http_registry_access_wake_content(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ctx->busy = 0;

    ngx_http_registry_resume(r);
}


const ngx_http_registry_who_t *
ngx_http_registry_who(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    reg_str_t                         header;
    ngx_http_registry_ctx_t          *ctx;
    ngx_http_registry_who_t          *found;
    ngx_http_registry_loc_conf_t     *rlcf;
    ngx_http_registry_identity_t     *identity, saved;
    ngx_http_registry_access_conf_t  *alcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (rlcf->root == NULL) {
        return NULL;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    ctx = ngx_http_registry_get_ctx(r);
    if (ctx == NULL) {
        return NULL;
    }

    identity = ngx_http_registry_access_identity(r, ctx);
    if (identity == NULL) {
        return NULL;
    }

    if (identity->done) {
        return identity->wrong ? NULL : &identity->who;
    }

    /* "registry_user" may name this very variable */

    if (identity->asking) {
        return NULL;
    }

    saved = *identity;
    identity->asking = 1;

    rc = ngx_http_registry_access_variable(r, alcf, &identity->who);

    if (rc == NGX_DECLINED && alcf->own && !identity->waiting) {

        rc = ngx_http_registry_authorization(r, &header);

        if (rc == NGX_OK && header.len) {
            rc = ngx_http_registry_access_credentials(r, ctx, header, NULL);
        }
    }

    identity->asking = 0;

    found = NULL;

    if (rc == NGX_OK) {
        found = ngx_palloc(r->pool, sizeof(ngx_http_registry_who_t));

        if (found) {
            *found = identity->who;
        }
    }

    /* what was found out here decides nothing later */

    *identity = saved;

    return found;
}
