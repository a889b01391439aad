
#include "ngx_http_registry_token.h"

#include "reg_challenge.h"
#include "reg_htpasswd.h"


/* of an URL that stands in a header */
#define NGX_HTTP_REGISTRY_REALM_MAX  4096


static ngx_int_t ngx_http_registry_token_check(ngx_http_request_t *r,
    ngx_http_registry_file_t *file, const reg_token_policy_t *given,
    reg_str_t raw, void (*wake)(ngx_http_request_t *r), reg_token_t *token,
    const char **why);
static ngx_int_t ngx_http_registry_token_own(ngx_http_request_t *r,
    reg_token_t *token, void (*wake)(ngx_http_request_t *r),
    ngx_http_registry_who_t *who);
static ngx_int_t ngx_http_registry_token_robot_entry(ngx_http_request_t *r,
    void (*wake)(ngx_http_request_t *r), ngx_http_registry_entry_t *entry);
static void ngx_http_registry_token_free(void *data);
static ngx_int_t ngx_http_registry_token_realm(ngx_http_request_t *r,
    const ngx_http_registry_bearer_t *bearer, reg_buf_t *b);
static ngx_int_t ngx_http_registry_token_host(ngx_http_request_t *r,
    reg_str_t scheme, reg_str_t path, reg_buf_t *b);


void
ngx_http_registry_token_policy(const ngx_http_registry_bearer_t *bearer,
    reg_token_policy_t *policy)
{
    ngx_memzero(policy, sizeof(reg_token_policy_t));

    policy->algs = bearer->algs;
    policy->issuer = ngx_http_registry_str(&bearer->issuer);
    policy->service = ngx_http_registry_str(&bearer->service);
    policy->leeway = REG_JWT_LEEWAY;
    policy->max = REG_JWT_MAX;
    policy->push_updates = !bearer->own;
}


ngx_int_t
ngx_http_registry_token_verify(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t raw,
    void (*wake)(ngx_http_request_t *r), ngx_http_registry_who_t *who)
{
    ngx_int_t                         rc;
    ngx_uint_t                        i;
    const char                       *why;
    reg_token_t                      *token;
    ngx_pool_cleanup_t               *cln;
    reg_token_policy_t                policy;
    ngx_http_registry_file_t         *files[3];
    ngx_http_registry_bearer_t       *bearer;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);
    bearer = alcf->bearer;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(reg_token_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    token = cln->data;
    ngx_memzero(token, sizeof(reg_token_t));

    cln->handler = ngx_http_registry_token_free;

    ngx_http_registry_token_policy(bearer, &policy);

    if (ctx->route == REG_OK && ctx->op.upload.len) {
        policy.grace = alcf->grace;
    }

    files[0] = bearer->key;
    files[1] = bearer->certs;
    files[2] = bearer->jwks;

    rc = NGX_DECLINED;
    why = "there are no keys";

    for (i = 0; i < 3 && rc == NGX_DECLINED; i++) {

        if (files[i]) {
            rc = ngx_http_registry_token_check(r, files[i], &policy, raw,
                                               wake, token, &why);
        }
    }

    if (rc == NGX_OK && bearer->own) {
        rc = ngx_http_registry_token_own(r, token, wake, who);
        why = "whom it was given to has another entry now, or none";
    }

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "client sent a bearer token that is refused: %s", why);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    who->auth = NGX_HTTP_REGISTRY_AUTH_BEARER;
    who->user = token->user;
    who->token = token;
    who->foreign = !bearer->own;
    who->late = token->late;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_token_check(ngx_http_request_t *r,
    ngx_http_registry_file_t *file, const reg_token_policy_t *given,
    reg_str_t raw, void (*wake)(ngx_http_request_t *r), reg_token_t *token,
    const char **why)
{
    void                      *table;
    ngx_int_t                  rc;
    reg_token_policy_t         policy;
    ngx_http_registry_keys_t  *keys;

    rc = ngx_http_registry_file_get(r, file, wake, &table);
    if (rc != NGX_OK) {
        return rc;
    }

    keys = table;
    policy = *given;
    policy.keys = keys->keys;
    policy.seen = &keys->seen;

    reg_token_free(token);

    switch (reg_token_verify(token, &policy, raw, ngx_time(), why)) {

    case REG_TOKEN_OK:
        return NGX_OK;

    case REG_TOKEN_INVALID:
        return NGX_DECLINED;

    default:
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "a bearer token could not be verified: %s", *why);
        return NGX_ERROR;
    }
}


/* A token of ours counts as long as what it was given for is as it was. */

static ngx_int_t
ngx_http_registry_token_own(ngx_http_request_t *r, reg_token_t *token,
    void (*wake)(ngx_http_request_t *r), ngx_http_registry_who_t *who)
{
    ngx_int_t                         rc;
    ngx_http_registry_entry_t         entry;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (token->user.len == 0) {
        return alcf->bearer->anonymous ? NGX_OK : NGX_DECLINED;
    }

    entry.user = token->user;
    entry.robot = reg_str_eq(reg_token_login(token->jwt.claims),
                             ngx_http_registry_token_robot);

    rc = ngx_http_registry_token_entry(r, wake, &entry);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!reg_token_fits(token, entry.mark)) {
        return NGX_DECLINED;
    }

    who->scopes = entry.scopes;
    who->expires = entry.expires;
    who->owner = entry.owner;

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_token_entry(ngx_http_request_t *r,
    void (*wake)(ngx_http_request_t *r), ngx_http_registry_entry_t *entry)
{
    void                             *table;
    ngx_int_t                         rc;
    reg_htpasswd_check_t              check;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    entry->scopes = NULL;
    entry->expires = 0;
    entry->owner = reg_null_str;

    if (entry->robot) {
        return ngx_http_registry_token_robot_entry(r, wake, entry);
    }

    if (alcf->htpasswd == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_registry_file_get(r, alcf->htpasswd, wake, &table);

    if (rc != NGX_OK) {
        return rc;
    }

    reg_htpasswd_find(table, entry->user, &check);

    ngx_memcpy(entry->mark, check.mark, REG_CREDENTIALS_KEY);

    return check.known ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_registry_token_robot_entry(ngx_http_request_t *r,
    void (*wake)(ngx_http_request_t *r), ngx_http_registry_entry_t *entry)
{
    void                             *table;
    ngx_int_t                         rc;
    reg_tokens_check_t                check;
    reg_htpasswd_check_t              owner;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (alcf->tokens == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_registry_file_get(r, alcf->tokens, wake, &table);

    if (rc != NGX_OK) {
        return rc;
    }

    reg_tokens_find(table, entry->user, &check);

    if (!check.known || ngx_time() > check.expires) {
        return NGX_DECLINED;
    }

    if (check.owner[0] != '\0' && alcf->htpasswd) {

        rc = ngx_http_registry_file_get(r, alcf->htpasswd, wake, &table);

        if (rc != NGX_OK) {
            return rc;
        }

        reg_htpasswd_find(table, reg_str_of(check.owner), &owner);

        if (!owner.known) {
            return NGX_DECLINED;
        }
    }

    ngx_memcpy(entry->mark, check.mark, REG_CREDENTIALS_KEY);
    entry->scopes = check.entry;
    entry->expires = (check.expires == REG_TOKENS_NEVER) ? 0 : check.expires;
    entry->owner = reg_null_str;

    if (check.owner[0] == '\0') {
        return NGX_OK;
    }

    return ngx_http_registry_str_copy(r->pool, &entry->owner,
                                      reg_str_of(check.owner));
}


static void
ngx_http_registry_token_free(void *data)
{
    reg_token_free(data);
}


ngx_uint_t
ngx_http_registry_token_served(ngx_http_request_t *r)
{
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    return alcf->bearer && alcf->bearer->own;
}


/* --- the challenge -------------------------------------------------------- */

ngx_int_t
ngx_http_registry_token_challenge(ngx_http_request_t *r,
    const reg_scopes_t *scopes, reg_token_e why, reg_buf_t *b)
{
    int                               rc;
    reg_buf_t                         realm;
    ngx_http_registry_bearer_t       *bearer;
    ngx_http_registry_access_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);
    bearer = alcf->bearer;

    reg_buf_init(&realm, NGX_HTTP_REGISTRY_REALM_MAX);

    rc = -1;

    if (ngx_http_registry_token_realm(r, bearer, &realm) == NGX_OK) {
        rc = reg_challenge_bearer(b, reg_buf_slice(&realm),
                                  ngx_http_registry_str(&bearer->service),
                                  scopes, why);
    }

    reg_buf_free(&realm);

    return (rc == 0) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_registry_token_realm(ngx_http_request_t *r,
    const ngx_http_registry_bearer_t *bearer, reg_buf_t *b)
{
    reg_str_t  scheme, path;
    ngx_str_t  value;

    if (bearer->realm) {

        if (ngx_http_complex_value(r, bearer->realm, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (reg_challenge_realm_valid(ngx_http_registry_str(&value))) {
            reg_buf_str(b, ngx_http_registry_str(&value));
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "the realm of the token server is \"%V\", it has to be "
                      "an URL that begins with http:// or https://", &value);
        return NGX_ERROR;
    }

    scheme = reg_str("http");

#if (NGX_HTTP_SSL)

    if (r->connection->ssl) {
        scheme = reg_str("https");
    }

#endif

    path = ngx_http_registry_str(&bearer->path);

    return ngx_http_registry_token_host(r, scheme, path, b);
}


/*
 * The client's own name for us is the one that leads it back here, through
 * whatever maps ports.  Who names none is told the address it came to.
 */

static ngx_int_t
ngx_http_registry_token_host(ngx_http_request_t *r, reg_str_t scheme,
    reg_str_t path, reg_buf_t *b)
{
    u_char     text[NGX_SOCKADDR_STRLEN];
    ngx_str_t  address;

    if (r->headers_in.host
        && reg_challenge_realm(b, scheme,
                               ngx_http_registry_str(
                                                 &r->headers_in.host->value),
                               path)
           == 0)
    {
        return NGX_OK;
    }

    reg_buf_reset(b);

    if (r->headers_in.server.len
        && reg_challenge_realm(b, scheme,
                               ngx_http_registry_str(&r->headers_in.server),
                               path)
           == 0)
    {
        return NGX_OK;
    }

    reg_buf_reset(b);

    address.len = NGX_SOCKADDR_STRLEN;
    address.data = text;

    if (ngx_connection_local_sockaddr(r->connection, &address, 1) == NGX_OK
        && reg_challenge_realm(b, scheme, ngx_http_registry_str(&address),
                               path)
           == 0)
    {
        return NGX_OK;
    }

    reg_buf_reset(b);

    return reg_challenge_realm(b, scheme, reg_str("localhost"), path) == 0
           ? NGX_OK : NGX_ERROR;
}
