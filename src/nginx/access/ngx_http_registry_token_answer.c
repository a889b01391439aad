
#include "ngx_http_registry_token_private.h"
#include "ngx_http_registry_send.h"

#include "reg_challenge.h"
#include "reg_issue.h"


/* two tokens, the first under both its names, and the scopes */
#define NGX_HTTP_REGISTRY_REPLY_MAX        (8 * REG_JWT_MAX)

/* repositories that a token for nobody in particular may name */
#define NGX_HTTP_REGISTRY_ISSUE_ANONYMOUS  8


static ngx_int_t ngx_http_registry_issue_scopes(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job, reg_scopes_t *granted);
static ngx_int_t ngx_http_registry_issue_send(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job, const reg_scopes_t *granted);
static int ngx_http_registry_issue_reply(reg_buf_t *b,
    const ngx_http_registry_issue_t *job, const reg_issue_t *issue,
    time_t refresh);
static ngx_int_t ngx_http_registry_issue_json(ngx_http_request_t *r,
    ngx_uint_t status, reg_buf_t *b);


/* --- what he gets --------------------------------------------------------- */

ngx_int_t
ngx_http_registry_issue_grant(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    void                             *table;
    ngx_int_t                         rc;
    reg_scopes_t                      granted;
    ngx_http_registry_keys_t         *keys;
    ngx_http_registry_issue_t        *job;
    ngx_http_registry_access_conf_t  *alcf;

    job = ctx->job;
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (ngx_http_registry_identify_as(r, ctx, &job->who) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (job->who.user.len) {
        ngx_http_registry_identify_verdict(r, ctx,
                                           NGX_HTTP_REGISTRY_VERDICT_OK);
    }

    rc = ngx_http_registry_file_get(r, alcf->bearer->key,
                                    ngx_http_registry_wake, &table);

    if (rc == NGX_OK) {
        keys = table;
        job->signer = reg_keyring_at(keys->ring, 0);

        if (alcf->groups) {
            rc = ngx_http_registry_file_get(r, alcf->groups,
                                            ngx_http_registry_wake, &table);
            if (rc == NGX_OK) {
                job->who.groups = table;
            }
        }
    }

    if (rc == NGX_AGAIN) {
        return ngx_http_registry_park(ctx, ngx_http_registry_issue_grant);
    }

    if (rc != NGX_OK
        || ngx_http_registry_issue_scopes(r, job, &granted) != NGX_OK)
    {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    return ngx_http_registry_issue_send(r, job, &granted);
}


/*
 * Rights are asked for as a request would ask: what limits a request limits
 * the token.  Who asks for push asks for update, too, for which clients have no
 * word.
 */

static ngx_int_t
ngx_http_registry_issue_scopes(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job, reg_scopes_t *granted)
{
    size_t              i, n;
    unsigned            may, got;
    const reg_scope_t  *scope;

    granted->n = 0;
    n = job->request.scopes.n;

    /* whoever it is may ask, and rules may be many */

    if (job->who.user.len == 0) {
        n = ngx_min(n, NGX_HTTP_REGISTRY_ISSUE_ANONYMOUS);
    }

    for (i = 0; i < n; i++) {
        scope = &job->request.scopes.items[i];
        may = scope->may;

        if (may & REG_MAY_PUSH) {
            may |= REG_MAY_UPDATE;
        }

        if (ngx_http_registry_grant(&job->who, may, scope->name, &got) != 0) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "the rules gave no answer, no token was given out; a "
                          "regular expression in them takes too long, simplify "
                          "it");
            return NGX_ERROR;
        }

        if (got) {
            (void) reg_scopes_add(granted, scope->name, got);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_issue_send(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job, const reg_scopes_t *granted)
{
    reg_buf_t                         b;
    reg_issue_t                       issue;
    ngx_http_registry_bearer_t       *bearer;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);
    bearer = alcf->bearer;

    issue.issuer = ngx_http_registry_str(&bearer->issuer);
    issue.service = ngx_http_registry_str(&bearer->service);
    issue.user = job->who.user;
    issue.login = reg_null_str;
    issue.now = ngx_time();
    issue.lifetime = bearer->lifetime;
    issue.scopes = granted;
    issue.mark = job->mark;

    if (job->who.auth == NGX_HTTP_REGISTRY_AUTH_TOKEN) {
        issue.login = ngx_http_registry_token_robot;
    }

    reg_buf_init(&b, NGX_HTTP_REGISTRY_REPLY_MAX);

    if (ngx_http_registry_issue_reply(&b, job, &issue, bearer->refresh) != 0)
    {
        reg_buf_free(&b);
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "a token could not be signed; is there memory left?");
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    return ngx_http_registry_issue_json(r, NGX_HTTP_OK, &b);
}


static int
ngx_http_registry_issue_reply(reg_buf_t *b,
    const ngx_http_registry_issue_t *job, const reg_issue_t *issue,
    time_t refresh)
{
    int          rc;
    reg_buf_t    access, offline;
    reg_issue_t  longer;

    reg_buf_init(&access, REG_JWT_MAX);
    reg_buf_init(&offline, REG_JWT_MAX);

    rc = reg_issue_access(&access, job->signer, issue);

    if (rc == 0 && refresh && job->request.offline && issue->user.len) {
        longer = *issue;
        longer.lifetime = refresh;
        rc = reg_issue_refresh(&offline, job->signer, &longer);
    }

    if (rc == 0) {
        rc = reg_issue_reply(b, issue, reg_buf_slice(&access),
                             reg_buf_slice(&offline));
    }

    reg_buf_free(&access);
    reg_buf_free(&offline);

    return rc;
}


/* --- and what he is told otherwise ---------------------------------------- */

ngx_int_t
ngx_http_registry_issue_refuse(ngx_http_request_t *r, ngx_uint_t status,
    const char *error, const char *why)
{
    reg_buf_t                 b;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ctx->code = reg_error_status_code(ngx_strcmp(error, "invalid_grant") == 0
                                      ? NGX_HTTP_UNAUTHORIZED : (int) status);

    reg_buf_init(&b, 4096);

    reg_buf_printf(&b, "{\"error\":\"%s\",\"error_description\":\"%s\","
                   "\"errors\":[{\"code\":\"%s\",\"message\":\"%s\"}]}",
                   error, why, ctx->code, why);

    if (reg_buf_failed(&b)) {
        reg_buf_free(&b);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_issue_json(r, status, &b);
}


ngx_int_t
ngx_http_registry_issue_wrong(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_verdict_e verdict)
{
    ngx_int_t                         rc;
    reg_buf_t                         b;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    ngx_http_registry_identify_verdict(r, ctx, verdict);

    if (verdict == NGX_HTTP_REGISTRY_VERDICT_WRONG) {
        ngx_http_registry_identify_wrong(r->connection->log);
    }

    reg_buf_init(&b, 4096);

    rc = NGX_ERROR;

    if (reg_challenge_basic(&b, ngx_http_registry_str(&alcf->realm)) == 0) {
        rc = ngx_http_registry_header(r, "WWW-Authenticate", b.data, b.len);
    }

    reg_buf_free(&b);

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_issue_refuse(r, NGX_HTTP_UNAUTHORIZED,
                              "invalid_grant",
                              (verdict == NGX_HTTP_REGISTRY_VERDICT_WRONG)
                              ? ngx_http_registry_identify_text(r)
                              : "a login is required");
}


/* Takes b over. */

static ngx_int_t
ngx_http_registry_issue_json(ngx_http_request_t *r, ngx_uint_t status,
    reg_buf_t *b)
{
    if (ngx_http_registry_keep_buf(r, b) != NGX_OK) {
        reg_buf_free(b);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_registry_header(r, "Cache-Control", "no-store", 8) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    return ngx_http_registry_send_memory(r, status, b->data, b->len);
}
