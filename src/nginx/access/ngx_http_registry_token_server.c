
/*
 * The token endpoint (distribution, spec/auth/token.md and oauth.md): who logs
 * in, or nobody, gets a token for what he asks for and may do.
 *
 *   issue     the query, or a form that is gathered first
 *   asked     what it says is known; who asks is looked for
 *   login     by password: perhaps a hash, in a thread
 *   refresh   by a refresh token: its mark has to be that of the entry now
 *   grant     what of it he may do; signed, which takes 20 to 30 us for each
 *             token, and sent
 *
 * A password may be changed while it is being verified.  The mark in a token is
 * therefore that of the entry before and after: a hash that took a while must
 * not tie who knew the old password to the new one.
 */


#include "ngx_http_registry_token_private.h"
#include "ngx_http_registry_body.h"
#include "ngx_http_registry_errors.h"
#include "ngx_http_registry_login.h"
#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_send.h"

#include "reg_issue.h"


/* how often an entry may change while its password is checked */
#define NGX_HTTP_REGISTRY_ISSUE_TRIES  3


static ngx_int_t ngx_http_registry_issue_posted(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_issue_parse(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_uint_t post, reg_str_t text);
static ngx_int_t ngx_http_registry_issue_asked(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_issue_header(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_issue_login(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_issue_marks(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job);
static ngx_int_t ngx_http_registry_issue_is(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job);
static ngx_int_t ngx_http_registry_issue_refresh(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_issue_refreshed(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job, reg_refresh_t *refresh);
static void ngx_http_registry_issue_wipe(void *data);


ngx_int_t
ngx_http_registry_token_issue(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                         rc;
    ngx_pool_cleanup_t               *cln;
    ngx_http_registry_issue_t        *job;
    ngx_http_registry_access_conf_t  *alcf;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_issue_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    job = cln->data;
    ngx_memzero(job, sizeof(ngx_http_registry_issue_t));

    cln->handler = ngx_http_registry_issue_wipe;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    job->who.auth = NGX_HTTP_REGISTRY_AUTH_ANONYMOUS;
    job->who.rules = alcf->rules;
    job->who.own = 1;

    ctx->job = job;

    if (ctx->op.method == REG_METHOD_POST) {
        return ngx_http_registry_body_gather(r, ctx, REG_TOKEN_REQUEST_MAX,
                                             ngx_http_registry_issue_posted);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_registry_issue_parse(r, ctx, 0,
                                         ngx_http_registry_str(&r->args));
}


static ngx_int_t
ngx_http_registry_issue_posted(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    reg_str_t  text;

    /* it is short, and in memory unless somebody else has read it first */

    if (ngx_http_registry_body_get(ctx, &text) != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    return ngx_http_registry_issue_parse(r, ctx, 1, text);
}


static ngx_int_t
ngx_http_registry_issue_parse(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_uint_t post, reg_str_t text)
{
    const char                 *error;
    ngx_http_registry_issue_t  *job;

    job = ctx->job;

    job->scratch = ngx_pnalloc(r->pool, text.len + 1);
    if (job->scratch == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    job->size = text.len + 1;

    error = reg_token_request_parse(&job->request, post, text, job->scratch);

    if (error) {
        return ngx_http_registry_issue_refuse(r, NGX_HTTP_BAD_REQUEST, error,
                                     "the request is malformed or asks for "
                                     "what is not on offer");
    }

    if (job->request.grant != REG_GRANT_NONE) {
        ngx_http_registry_identify_form(r, ctx,
                                        job->request.grant == REG_GRANT_PASSWORD
                                        ? NGX_HTTP_REGISTRY_FORM_PASSWORD
                                        : NGX_HTTP_REGISTRY_FORM_REFRESH,
                                        job->request.user);
    }

    return ngx_http_registry_issue_asked(r, ctx);
}


static ngx_int_t
ngx_http_registry_issue_asked(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_issue_t        *job;
    ngx_http_registry_access_conf_t  *alcf;

    job = ctx->job;
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (job->request.service.len
        && !reg_str_eq(job->request.service,
                       ngx_http_registry_str(&alcf->bearer->service)))
    {
        return ngx_http_registry_issue_refuse(r, NGX_HTTP_BAD_REQUEST,
                                              "invalid_request",
                                              "the service is another one");
    }

    switch (job->request.grant) {

    case REG_GRANT_NONE:
        return ngx_http_registry_issue_header(r, ctx);

    case REG_GRANT_PASSWORD:

        if (!reg_user_valid(job->request.user)) {
            return ngx_http_registry_issue_wrong(r, ctx,
                                        NGX_HTTP_REGISTRY_VERDICT_WRONG);
        }

        job->basic.user = job->request.user;
        job->basic.password = job->request.password;

        return ngx_http_registry_issue_login(r, ctx);

    default:
        return ngx_http_registry_issue_refresh(r, ctx);
    }
}


/* A query brings its credentials in the header, or none. */

static ngx_int_t
ngx_http_registry_issue_header(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    reg_str_t                         header, credentials;
    const char                       *why;
    ngx_http_registry_issue_t        *job;
    ngx_http_registry_access_conf_t  *alcf;

    job = ctx->job;

    if (ngx_http_registry_authorization(r, &header) != NGX_OK) {
        return ngx_http_registry_issue_wrong(r, ctx,
                                        NGX_HTTP_REGISTRY_VERDICT_WRONG);
    }

    switch (reg_credentials_split(header, &credentials)) {

    case REG_SCHEME_NONE:

        alcf = ngx_http_get_module_loc_conf(r,
                                            ngx_http_registry_access_module);

        if (!alcf->bearer->anonymous) {
            return ngx_http_registry_issue_wrong(r, ctx,
                                             NGX_HTTP_REGISTRY_VERDICT_NONE);
        }

        return ngx_http_registry_issue_grant(r, ctx);

    case REG_SCHEME_BASIC:

        if (reg_basic_parse(credentials, job->room, &job->basic, &why) != 0) {
            ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                           "registry basic: %s", why);
            return ngx_http_registry_issue_wrong(r, ctx,
                                        NGX_HTTP_REGISTRY_VERDICT_WRONG);
        }

        return ngx_http_registry_issue_login(r, ctx);

    default:
        return ngx_http_registry_issue_wrong(r, ctx,
                                        NGX_HTTP_REGISTRY_VERDICT_WRONG);
    }
}


static ngx_int_t
ngx_http_registry_issue_login(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    time_t                      retry;
    ngx_int_t                   rc;
    ngx_http_registry_issue_t  *job;

    job = ctx->job;
    retry = 0;

    rc = ngx_http_registry_issue_marks(r, job);

    if (rc == NGX_OK) {
        rc = ngx_http_registry_login(r, ctx, job->basic.user,
                                     job->basic.password,
                                     ngx_http_registry_wake, &job->who, &retry);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_registry_issue_is(r, job);

        /* another entry since, maybe with the same password: ask it */

        if (rc == NGX_DECLINED
            && job->tries++ < NGX_HTTP_REGISTRY_ISSUE_TRIES)
        {
            job->marked = 0;
            ctx->login = NULL;

            return ngx_http_registry_issue_login(r, ctx);
        }
    }

    switch (rc) {

    case NGX_OK:
        return ngx_http_registry_issue_grant(r, ctx);

    case NGX_AGAIN:
        return ngx_http_registry_park(ctx, ngx_http_registry_issue_login);

    case NGX_DECLINED:
        return ngx_http_registry_issue_wrong(r, ctx,
                                        NGX_HTTP_REGISTRY_VERDICT_WRONG);

    case NGX_BUSY:
        ctx->retry_after = retry;
        ngx_http_registry_errors_say(ctx, NGX_HTTP_TOO_MANY_REQUESTS,
                                     ngx_http_registry_login_busy(ctx));
        ngx_http_registry_identify_verdict(r, ctx,
                                           NGX_HTTP_REGISTRY_VERDICT_LIMITED);
        return NGX_HTTP_TOO_MANY_REQUESTS;

    default:
        ngx_http_registry_identify_verdict(r, ctx,
                                           NGX_HTTP_REGISTRY_VERDICT_ERROR);
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
}


/* Whether he is a user or an access token is not known yet. */

static ngx_int_t
ngx_http_registry_issue_marks(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    ngx_http_registry_entry_t   entry;

    for (i = 0; i < 2 && !job->marked; i++) {

        entry.user = job->basic.user;
        entry.robot = i;

        rc = ngx_http_registry_token_entry(r, ngx_http_registry_wake, &entry);

        if (rc == NGX_OK) {
            ngx_memcpy(job->before[i], entry.mark, REG_CREDENTIALS_KEY);

        } else if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    job->marked = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_issue_is(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job)
{
    ngx_int_t                  rc;
    ngx_http_registry_entry_t  entry;

    entry.user = job->basic.user;
    entry.robot = (job->who.auth == NGX_HTTP_REGISTRY_AUTH_TOKEN);

    rc = ngx_http_registry_token_entry(r, ngx_http_registry_wake, &entry);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_memcmp(job->before[entry.robot], entry.mark, REG_CREDENTIALS_KEY)
        != 0)
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(job->mark, entry.mark, REG_CREDENTIALS_KEY);

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_issue_refresh(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    void                             *table;
    ngx_int_t                         rc;
    const char                       *why;
    reg_token_e                       verdict;
    reg_refresh_t                     refresh;
    reg_token_policy_t                policy;
    ngx_http_registry_keys_t         *keys;
    ngx_http_registry_issue_t        *job;
    ngx_http_registry_access_conf_t  *alcf;

    job = ctx->job;
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    why = "there are no keys";

    rc = ngx_http_registry_file_get(r, alcf->bearer->key,
                                    ngx_http_registry_wake, &table);

    if (rc == NGX_OK) {
        keys = table;

        ngx_http_registry_token_policy(alcf->bearer, &policy);
        policy.keys = keys->keys;

        verdict = reg_refresh_verify(&refresh, &policy, job->request.refresh,
                                     ngx_time(), &why);

        if (verdict == REG_TOKEN_OK && ngx_time() - refresh.issued
                                       >= alcf->bearer->refresh)
        {
            rc = NGX_DECLINED;
            why = "it is older than \"refresh=\" allows";

        } else if (verdict == REG_TOKEN_OK) {
            rc = ngx_http_registry_issue_refreshed(r, job, &refresh);
            why = "whom it was given to has another entry now, or none";

        } else {
            rc = (verdict == REG_TOKEN_INVALID) ? NGX_DECLINED : NGX_ERROR;
        }

        reg_refresh_free(&refresh);
    }

    switch (rc) {

    case NGX_OK:
        return ngx_http_registry_issue_grant(r, ctx);

    case NGX_AGAIN:
        return ngx_http_registry_park(ctx, ngx_http_registry_issue_refresh);

    case NGX_DECLINED:
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "client sent a refresh token that is refused: %s", why);

        ngx_http_registry_identify_verdict(r, ctx,
                                           NGX_HTTP_REGISTRY_VERDICT_WRONG);

        return ngx_http_registry_issue_refuse(r, NGX_HTTP_BAD_REQUEST,
                                              "invalid_grant",
                                              "log in anew");

    default:
        ngx_http_registry_identify_verdict(r, ctx,
                                           NGX_HTTP_REGISTRY_VERDICT_ERROR);
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
}


static ngx_int_t
ngx_http_registry_issue_refreshed(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job, reg_refresh_t *refresh)
{
    ngx_int_t                  rc;
    ngx_http_registry_entry_t  entry;

    entry.user = refresh->user;
    entry.robot = reg_str_eq(reg_token_login(refresh->jwt.claims),
                             ngx_http_registry_token_robot);

    rc = ngx_http_registry_token_entry(r, ngx_http_registry_wake, &entry);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!reg_refresh_fits(refresh, entry.mark)) {
        return NGX_DECLINED;
    }

    if (ngx_http_registry_str_copy(r->pool, &job->who.user, refresh->user)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    job->who.auth = entry.robot ? NGX_HTTP_REGISTRY_AUTH_TOKEN
                                : NGX_HTTP_REGISTRY_AUTH_HTPASSWD;
    job->who.scopes = entry.scopes;
    job->who.expires = entry.expires;
    job->who.owner = entry.owner;

    ngx_memcpy(job->mark, entry.mark, REG_CREDENTIALS_KEY);

    return NGX_OK;
}


static void
ngx_http_registry_issue_wipe(void *data)
{
    ngx_http_registry_issue_t *job = data;

    if (job->scratch) {
        ngx_explicit_memzero(job->scratch, job->size);
    }

    ngx_explicit_memzero(job->room, sizeof(job->room));
}
