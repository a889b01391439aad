
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


#include "ngx_http_registry_token.h"
#include "ngx_http_registry_body.h"
#include "ngx_http_registry_login.h"
#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_send.h"

#include "reg_challenge.h"
#include "reg_credentials.h"
#include "reg_issue.h"
#include "reg_token_request.h"


/* two tokens, the first under both its names, and the scopes */
#define NGX_HTTP_REGISTRY_REPLY_MAX  (8 * REG_JWT_MAX)


typedef struct {
    reg_token_request_t       request;
    char                     *scratch;    /* of the request; has passwords */
    size_t                    size;

    reg_basic_t               basic;      /* as whom somebody logs in */
    char                      room[REG_BASIC_ROOM];

    ngx_http_registry_who_t   who;
    unsigned char             mark[REG_CREDENTIALS_KEY];

    /* of the names of a user and of an access token, before the login */
    unsigned char             before[2][REG_CREDENTIALS_KEY];
    ngx_uint_t                tries;      /* of a login whose entry changes */
    unsigned                  marked:1;

    const reg_signer_t       *signer;
} ngx_http_registry_issue_t;


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
static ngx_int_t ngx_http_registry_issue_grant(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_issue_scopes(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job, reg_scopes_t *granted);
static ngx_int_t ngx_http_registry_issue_send(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job, const reg_scopes_t *granted);
static int ngx_http_registry_issue_reply(reg_buf_t *b,
    const ngx_http_registry_issue_t *job, const reg_issue_t *issue,
    time_t refresh);
static ngx_int_t ngx_http_registry_issue_refuse(ngx_http_request_t *r,
    ngx_uint_t status, const char *error, const char *why);
static ngx_int_t ngx_http_registry_issue_wrong(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_issue_json(ngx_http_request_t *r,
    ngx_uint_t status, reg_buf_t *b);
static ngx_int_t ngx_http_registry_issue_park(ngx_http_registry_ctx_t *ctx,
    ngx_http_registry_step_pt next);
/* how often an entry may change while its password is checked */
#define NGX_HTTP_REGISTRY_ISSUE_TRIES      3

/* repositories that a token for nobody in particular may name */
#define NGX_HTTP_REGISTRY_ISSUE_ANONYMOUS  8


static void ngx_http_registry_issue_wake(ngx_http_request_t *r);
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
            return ngx_http_registry_issue_wrong(r);
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
        return ngx_http_registry_issue_wrong(r);
    }

    switch (reg_credentials_split(header, &credentials)) {

    case REG_SCHEME_NONE:

        alcf = ngx_http_get_module_loc_conf(r,
                                            ngx_http_registry_access_module);

        if (!alcf->bearer->anonymous) {
            return ngx_http_registry_issue_wrong(r);
        }

        return ngx_http_registry_issue_grant(r, ctx);

    case REG_SCHEME_BASIC:

        if (reg_basic_parse(credentials, job->room, &job->basic, &why) != 0) {
            ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                           "registry basic: %s", why);
            return ngx_http_registry_issue_wrong(r);
        }

        return ngx_http_registry_issue_login(r, ctx);

    default:
        return ngx_http_registry_issue_wrong(r);
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
                                     ngx_http_registry_issue_wake, &job->who,
                                     &retry);
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
        return ngx_http_registry_issue_park(ctx,
                                            ngx_http_registry_issue_login);

    case NGX_DECLINED:
        return ngx_http_registry_issue_wrong(r);

    case NGX_BUSY:
        ctx->retry_after = retry;
        return NGX_HTTP_TOO_MANY_REQUESTS;

    default:
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

        rc = ngx_http_registry_token_entry(r, ngx_http_registry_issue_wake,
                                           &entry);

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

    rc = ngx_http_registry_token_entry(r, ngx_http_registry_issue_wake,
                                       &entry);

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
                                    ngx_http_registry_issue_wake, &table);

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
        return ngx_http_registry_issue_park(ctx,
                                            ngx_http_registry_issue_refresh);

    case NGX_DECLINED:
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "client sent a refresh token that is refused: %s", why);

        return ngx_http_registry_issue_refuse(r, NGX_HTTP_BAD_REQUEST,
                                              "invalid_grant",
                                              "log in anew");

    default:
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
}


static ngx_int_t
ngx_http_registry_issue_refreshed(ngx_http_request_t *r,
    ngx_http_registry_issue_t *job, reg_refresh_t *refresh)
{
    char                       *p;
    ngx_int_t                   rc;
    ngx_http_registry_entry_t   entry;

    entry.user = refresh->user;
    entry.robot = reg_str_eq(reg_token_login(refresh->jwt.claims),
                             ngx_http_registry_token_robot);

    rc = ngx_http_registry_token_entry(r, ngx_http_registry_issue_wake,
                                       &entry);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!reg_refresh_fits(refresh, entry.mark)) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(r->pool, refresh->user.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, refresh->user.data, refresh->user.len);

    job->who.auth = entry.robot ? NGX_HTTP_REGISTRY_AUTH_TOKEN
                                : NGX_HTTP_REGISTRY_AUTH_HTPASSWD;
    job->who.user.len = refresh->user.len;
    job->who.user.data = p;
    job->who.scopes = entry.scopes;
    job->who.owner = entry.owner;

    ngx_memcpy(job->mark, entry.mark, REG_CREDENTIALS_KEY);

    return NGX_OK;
}


/* --- what he gets --------------------------------------------------------- */

static ngx_int_t
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

    rc = ngx_http_registry_file_get(r, alcf->bearer->key,
                                    ngx_http_registry_issue_wake, &table);

    if (rc == NGX_OK) {
        keys = table;
        job->signer = reg_keyring_at(keys->ring, 0);

        if (alcf->groups) {
            rc = ngx_http_registry_file_get(r, alcf->groups,
                                            ngx_http_registry_issue_wake,
                                            &table);
            if (rc == NGX_OK) {
                job->who.groups = table;
            }
        }
    }

    if (rc == NGX_AGAIN) {
        return ngx_http_registry_issue_park(ctx,
                                            ngx_http_registry_issue_grant);
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
                          "the rules gave no answer, a regular expression of "
                          "theirs takes too long; no token was given out");
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

/* In the words of RFC 6749, 5.2, and in those of the distribution-spec. */

static ngx_int_t
ngx_http_registry_issue_refuse(ngx_http_request_t *r, ngx_uint_t status,
    const char *error, const char *why)
{
    reg_buf_t  b;

    reg_buf_init(&b, 4096);

    reg_buf_printf(&b, "{\"error\":\"%s\",\"error_description\":\"%s\","
                   "\"errors\":[{\"code\":\"%s\",\"message\":\"%s\"}]}",
                   error, why,
                   reg_error_status_code(ngx_strcmp(error, "invalid_grant") == 0
                                         ? NGX_HTTP_UNAUTHORIZED
                                         : (int) status),
                   why);

    if (reg_buf_failed(&b)) {
        reg_buf_free(&b);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_issue_json(r, status, &b);
}


static ngx_int_t
ngx_http_registry_issue_wrong(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    reg_buf_t                         b;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

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
                                          "a login is required");
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


/* --- waiting -------------------------------------------------------------- */

static ngx_int_t
ngx_http_registry_issue_park(ngx_http_registry_ctx_t *ctx,
    ngx_http_registry_step_pt next)
{
    ctx->next = next;
    ctx->busy = 1;
    ctx->beside = 0;

    return NGX_AGAIN;
}


static void
ngx_http_registry_issue_wake(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ctx->busy = 0;

    ngx_http_registry_resume(r);
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
