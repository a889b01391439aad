
/* Who asks: by what the client sends, or by what another module says. */


#include "ngx_http_registry_errors.h"
#include "ngx_http_registry_headers_in.h"
#include "ngx_http_registry_identity.h"
#include "ngx_http_registry_login.h"
#include "ngx_http_registry_stats.h"
#include "ngx_http_registry_token.h"

#include "reg_credentials.h"


static ngx_int_t ngx_http_registry_identify_variable(ngx_http_request_t *r,
    const ngx_http_registry_access_conf_t *alcf, ngx_http_registry_who_t *who);
static ngx_int_t ngx_http_registry_identify_credentials(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t header,
    void (*wake)(ngx_http_request_t *r));
static ngx_int_t ngx_http_registry_identify_basic(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t credentials,
    void (*wake)(ngx_http_request_t *r));


ngx_int_t
ngx_http_registry_identify(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, void (*wake)(ngx_http_request_t *r))
{
    void                             *table;
    ngx_int_t                         rc;
    reg_str_t                         header;
    ngx_http_registry_identity_t     *identity;
    ngx_http_registry_access_conf_t  *alcf;

    identity = ctx->identity;

    if (identity->done && !identity->unnamed) {
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

    header = reg_null_str;
    rc = alcf->own ? ngx_http_registry_authorization(r, &header) : NGX_OK;

    /*
     * Credentials that are ours to check come first: a value made of them,
     * $remote_user in whatever disguise, says nothing before they are.
     */

    if (rc == NGX_OK && header.len == 0) {

        /* nor is the user to be named after what he is here */

        identity->asking = 1;
        rc = ngx_http_registry_identify_variable(r, alcf, &identity->who);
        identity->asking = 0;

        identity->unnamed = (rc == NGX_DECLINED && alcf->user);

        if (rc == NGX_DECLINED) {
            rc = NGX_OK;
        }

        if (rc == NGX_OK) {
            identity->done = 1;
        }

        return rc;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_registry_identify_credentials(r, ctx, header, wake);
    }

    switch (rc) {

    case NGX_OK:
        identity->done = 1;
        identity->verdict = NGX_HTTP_REGISTRY_VERDICT_OK;
        return NGX_OK;

    case NGX_DECLINED:
        identity->done = 1;
        identity->wrong = 1;
        identity->verdict = NGX_HTTP_REGISTRY_VERDICT_WRONG;
        return NGX_OK;

    case NGX_AGAIN:
        return NGX_AGAIN;

    case NGX_HTTP_TOO_MANY_REQUESTS:
        identity->verdict = NGX_HTTP_REGISTRY_VERDICT_LIMITED;
        return rc;

    case NGX_ERROR:
        rc = NGX_HTTP_SERVICE_UNAVAILABLE;

        /* fall through */

    default:
        identity->verdict = NGX_HTTP_REGISTRY_VERDICT_ERROR;
        return rc;
    }
}


/* NGX_OK, NGX_DECLINED when the variable says nothing, or a status. */

static ngx_int_t
ngx_http_registry_identify_variable(ngx_http_request_t *r,
    const ngx_http_registry_access_conf_t *alcf,
    ngx_http_registry_who_t *who)
{
    ngx_str_t    value;
    ngx_uint_t  *index;

    if (alcf->user == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, alcf->user, &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (value.len == 0) {

        /* or a map would go on to say what was so before auth_request */

        for (index = alcf->user->flushes;
             index && *index != (ngx_uint_t) -1;
             index++)
        {
            r->variables[*index].valid = 0;
            r->variables[*index].not_found = 0;
        }

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
    ngx_uint_t        n;
    ngx_table_elt_t  *h;

    h = ngx_http_registry_find_headers(r, "authorization",
                                       sizeof("authorization") - 1, &n);
    if (n > 1) {
        return NGX_DECLINED;
    }

    *value = h ? ngx_http_registry_str(&h->value) : reg_null_str;

    return NGX_OK;
}


/* NGX_OK, NGX_DECLINED, NGX_AGAIN, NGX_ERROR, or a status. */

static ngx_int_t
ngx_http_registry_identify_credentials(ngx_http_request_t *r,
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

        return ngx_http_registry_identify_basic(r, ctx, credentials, wake);

    case REG_SCHEME_BEARER:

        if (alcf->bearer == NULL) {
            return NGX_DECLINED;
        }

        rc = ngx_http_registry_token_verify(r, ctx, credentials, wake,
                                            &ctx->identity->who);

        if (rc == NGX_DECLINED) {
            ctx->identity->why = REG_TOKEN_INVALID;
            ctx->identity->text = NGX_HTTP_REGISTRY_WRONG_TOKEN;
        }

        if (wake && (rc == NGX_OK || rc == NGX_DECLINED)) {
            ngx_http_registry_stats_bearer(
                (rc == NGX_OK) ? NGX_HTTP_REGISTRY_BEARER_ACCEPTED
                               : NGX_HTTP_REGISTRY_BEARER_REFUSED);
        }

        return rc;

    default:
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_http_registry_identify_basic(ngx_http_request_t *r,
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
            ctx->identity->text = ngx_http_registry_login_busy(ctx);
            ngx_http_registry_errors_say(ctx, NGX_HTTP_TOO_MANY_REQUESTS,
                                         ctx->identity->text);
            rc = NGX_HTTP_TOO_MANY_REQUESTS;
        }

    } else {
        rc = ngx_http_registry_login_known(r, basic.user, basic.password,
                                           &ctx->identity->who);
    }

    ngx_explicit_memzero(room, sizeof(room));

    if (rc == NGX_DECLINED) {
        ctx->identity->text = ngx_http_registry_identify_text(r);
    }

    if (rc == NGX_DECLINED && wake) {
        ngx_http_registry_identify_wrong(r->connection->log);
    }

    return rc;
}


/* The same whether there is such a user or not. */

const char *
ngx_http_registry_identify_text(ngx_http_request_t *r)
{
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    return alcf->tokens ? "the user name or password is wrong, or the access "
                          "token has ended"
                        : "the user name or password is wrong";
}


/* Nothing that the client says stands in it: fail2ban reads it. */

void
ngx_http_registry_identify_wrong(ngx_log_t *log)
{
    ngx_log_error(NGX_LOG_INFO, log, 0,
                  "client sent a wrong user name or password");
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

    identity = ngx_http_registry_identity_get(r, ctx);
    if (identity == NULL) {
        return NULL;
    }

    if (identity->done && !identity->unnamed) {
        return identity->wrong ? NULL : &identity->who;
    }

    /* "registry_user" may name this very variable */

    if (identity->asking) {
        return NULL;
    }

    /*
     * A login that was begun says itself how it ended.  One that was refused
     * is not to be told in another way that the password is right.
     */

    if (ctx->login || identity->verdict == NGX_HTTP_REGISTRY_VERDICT_LIMITED
        || identity->verdict == NGX_HTTP_REGISTRY_VERDICT_ERROR)
    {
        return NULL;
    }

    saved = *identity;
    identity->asking = 1;

    header = reg_null_str;
    rc = alcf->own ? ngx_http_registry_authorization(r, &header) : NGX_OK;

    if (rc == NGX_OK && header.len == 0) {
        rc = ngx_http_registry_identify_variable(r, alcf, &identity->who);

    } else if (rc == NGX_OK) {
        rc = NGX_DECLINED;

        if (!identity->waiting) {
            rc = ngx_http_registry_identify_credentials(r, ctx, header, NULL);
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

    return (found || !identity->unnamed) ? found : &identity->who;
}
