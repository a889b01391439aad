
/*
 * A request's part in a login: what can be said at once, and its waits.
 *
 * start: ngx_http_registry_login_hash(), ngx_http_registry_login_delay().
 * wake: whoever ends the wait sets login->state and calls login->wake().
 * cancel: ngx_http_registry_login_leave(), a pool cleanup.
 */


#include "ngx_http_registry_login_private.h"
#include "ngx_http_registry_stats.h"

#include "reg_tokens.h"


/* a wrong password is answered later and later, from the second one on */
#define NGX_HTTP_REGISTRY_LOGIN_DELAY   50
#define NGX_HTTP_REGISTRY_LOGIN_DELAYS  10

/*
 * Times the limit: what ends the trust in who was right before, and what holds
 * up all users of an address.
 */
#define NGX_HTTP_REGISTRY_LOGIN_TRUST   10
#define NGX_HTTP_REGISTRY_LOGIN_USERS   10


static ngx_int_t ngx_http_registry_login_never(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t user,
    void (*wake)(ngx_http_request_t *r), time_t *retry);
static ngx_int_t ngx_http_registry_login_password(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t user, reg_str_t password,
    void (*wake)(ngx_http_request_t *r), ngx_http_registry_who_t *who,
    time_t *retry);
static ngx_int_t ngx_http_registry_login_held(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, ngx_http_registry_login_e known,
    void (*wake)(ngx_http_request_t *r), time_t *retry);
static ngx_int_t ngx_http_registry_login_result(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, reg_str_t user,
    ngx_http_registry_who_t *who, time_t *retry);
static ngx_int_t ngx_http_registry_login_token(ngx_http_request_t *r,
    reg_str_t user, reg_str_t password, void (*wake)(ngx_http_request_t *r),
    ngx_http_registry_who_t *who);
static ngx_int_t ngx_http_registry_login_is(ngx_http_request_t *r,
    reg_str_t user, ngx_http_registry_who_t *who);
static ngx_http_registry_login_t *ngx_http_registry_login_state(
    ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx, reg_str_t user);
static void ngx_http_registry_login_ids(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, reg_str_t user);
static void ngx_http_registry_login_leave(void *data);
static void ngx_http_registry_login_count(
    const ngx_http_registry_guess_t *guess, ngx_uint_t first);
static ngx_int_t ngx_http_registry_login_delay(
    ngx_http_registry_login_t *login, ngx_uint_t n,
    void (*wake)(ngx_http_request_t *r));
static void ngx_http_registry_login_delayed(ngx_event_t *ev);


ngx_int_t
ngx_http_registry_login(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx,
    reg_str_t user, reg_str_t password, void (*wake)(ngx_http_request_t *r),
    ngx_http_registry_who_t *who, time_t *retry)
{
    ngx_int_t                         rc;
    ngx_http_registry_login_t        *login;
    ngx_http_registry_access_conf_t  *alcf;

    login = ctx->login;

    if (login && login->state != NGX_HTTP_REGISTRY_LOGIN_IDLE) {
        return ngx_http_registry_login_result(r, login, user, who, retry);
    }

    rc = ngx_http_registry_login_token(r, user, password, wake, who);
    if (rc != NGX_DECLINED) {

        if (rc == NGX_OK) {
            ngx_http_registry_stats_login(NGX_HTTP_REGISTRY_RESULT_TOKEN);
        }

        return rc;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (alcf->htpasswd) {
        return ngx_http_registry_login_password(r, ctx, user, password, wake,
                                                who, retry);
    }

    return ngx_http_registry_login_never(r, ctx, user, wake, retry);
}


/* A password that is none, whoever it is. */

static ngx_int_t
ngx_http_registry_login_never(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t user,
    void (*wake)(ngx_http_request_t *r), time_t *retry)
{
    ngx_int_t                   rc;
    ngx_http_registry_login_t  *login;

    login = ngx_http_registry_login_state(r, ctx, user);
    if (login == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_registry_login_held(r, login, NGX_HTTP_REGISTRY_LOGIN_UNKNOWN,
                                      wake, retry);

    return (rc == NGX_OK) ? ngx_http_registry_login_wrong(r, login, wake) : rc;
}


static ngx_int_t
ngx_http_registry_login_password(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t user, reg_str_t password,
    void (*wake)(ngx_http_request_t *r), ngx_http_registry_who_t *who,
    time_t *retry)
{
    void                             *table;
    u_char                            id[REG_CREDENTIALS_KEY];
    ngx_int_t                         rc;
    reg_htpasswd_check_t              check;
    ngx_http_registry_login_t        *login;
    ngx_http_registry_login_e         known;
    ngx_http_registry_main_conf_t    *rmcf;
    ngx_http_registry_access_conf_t  *alcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    rc = ngx_http_registry_file_get(r, alcf->htpasswd, wake, &table);
    if (rc != NGX_OK) {
        return rc;
    }

    reg_htpasswd_find(table, user, &check);

    if (reg_credentials_key(ngx_http_registry_logins_key(rmcf), user, password,
                            check.mark, id)
        != 0)
    {
        /* a form has room for one that is too long */

        return ngx_http_registry_login_never(r, ctx, user, wake, retry);
    }

    known = ngx_http_registry_logins_find(rmcf, id, alcf->cache);

    /* where from is remembered once for a connection, which is enough */

    if (known == NGX_HTTP_REGISTRY_LOGIN_FRESH
        && r->connection->requests > 1
        && !ngx_http_registry_failures_any(rmcf))
    {
        ngx_http_registry_stats_login(NGX_HTTP_REGISTRY_RESULT_CACHED);

        return ngx_http_registry_login_is(r, user, who);
    }

    login = ngx_http_registry_login_state(r, ctx, user);
    if (login == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_registry_login_held(r, login, known, wake, retry);
    if (rc != NGX_OK) {
        return rc;
    }

    if (known == NGX_HTTP_REGISTRY_LOGIN_FRESH) {
        ngx_http_registry_stats_login(NGX_HTTP_REGISTRY_RESULT_CACHED);
        ngx_http_registry_login_trust(r, login);

        return ngx_http_registry_login_is(r, user, who);
    }

    login->wake = wake;

    rc = ngx_http_registry_login_hash(r, login, id, &check, password, known);

    if (rc == NGX_BUSY) {
        login->crowded = 1;
        return ngx_http_registry_login_refuse(login, 1, wake);
    }

    return rc;
}


const char *
ngx_http_registry_login_busy(const ngx_http_registry_ctx_t *ctx)
{
    if (ctx->login && ctx->login->crowded) {
        return "too many passwords are being checked, try again later";
    }

    return "too many wrong passwords from this address, try again later";
}


/*
 * NGX_OK, or what a login over the limit is answered.  Once the limit is
 * reached even a right password is not taken, or it could be guessed by that;
 * but from where the user has been right before he is not to be locked out by
 * who shares his address.
 */

static ngx_int_t
ngx_http_registry_login_held(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, ngx_http_registry_login_e known,
    void (*wake)(ngx_http_request_t *r), time_t *retry)
{
    ngx_int_t  rc;

    rc = ngx_http_registry_login_limited(r, login, retry);

    if (rc == NGX_OK
        || (rc == NGX_DECLINED && (known == NGX_HTTP_REGISTRY_LOGIN_FRESH
                                   || known == NGX_HTTP_REGISTRY_LOGIN_STALE)))
    {
        return NGX_OK;
    }

    /*
     * Who was right from here may be told something, so each try counts.  Of
     * anybody else no count is begun: there is no end of names to think of.
     */

    ngx_http_registry_login_count(&login->guess, rc == NGX_DECLINED);

    return ngx_http_registry_login_refuse(login, *retry, wake);
}


/* What has been found out in the meantime, if it has. */

static ngx_int_t
ngx_http_registry_login_result(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, reg_str_t user,
    ngx_http_registry_who_t *who, time_t *retry)
{
    if (login->state == NGX_HTTP_REGISTRY_LOGIN_WAITS) {
        return NGX_AGAIN;
    }

    if (login->limited) {
        *retry = login->retry;
        return NGX_BUSY;
    }

    switch (login->verdict) {

    case REG_PASSWORD_RIGHT:
        return ngx_http_registry_login_is(r, user, who);

    case REG_PASSWORD_WRONG:
        return NGX_DECLINED;

    default:
        return NGX_ERROR;
    }
}


ngx_int_t
ngx_http_registry_login_known(ngx_http_request_t *r, reg_str_t user,
    reg_str_t password, ngx_http_registry_who_t *who)
{
    void                             *table;
    u_char                            id[REG_CREDENTIALS_KEY];
    time_t                            retry;
    ngx_int_t                         rc;
    reg_htpasswd_check_t              check;
    ngx_http_registry_login_t         login;
    ngx_http_registry_main_conf_t    *rmcf;
    ngx_http_registry_access_conf_t  *alcf;

    rc = ngx_http_registry_login_token(r, user, password, NULL, who);
    if (rc != NGX_DECLINED) {
        return (rc == NGX_OK) ? NGX_OK : NGX_DECLINED;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (alcf->htpasswd == NULL
        || ngx_http_registry_file_get(r, alcf->htpasswd, NULL, &table)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    reg_htpasswd_find(table, user, &check);

    if (reg_credentials_key(ngx_http_registry_logins_key(rmcf), user, password,
                            check.mark, id)
        != 0
        || ngx_http_registry_logins_find(rmcf, id, alcf->cache)
           != NGX_HTTP_REGISTRY_LOGIN_FRESH)
    {
        return NGX_DECLINED;
    }

    /* nor is it said here what ngx_http_registry_login_held() will not say */

    ngx_http_registry_login_ids(r, &login, user);

    if (ngx_http_registry_login_limited(r, &login, &retry) == NGX_BUSY) {
        return NGX_DECLINED;
    }

    return ngx_http_registry_login_is(r, user, who);
}


/*
 * By an access token, which takes no hash, nor the password file unless it has
 * an owner.  NGX_DECLINED when it is none.
 */

static ngx_int_t
ngx_http_registry_login_token(ngx_http_request_t *r, reg_str_t user,
    reg_str_t password, void (*wake)(ngx_http_request_t *r),
    ngx_http_registry_who_t *who)
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

    reg_tokens_find(table, user, &check);

    switch (reg_tokens_verify(&check, password, ngx_time())) {

    case REG_TOKENS_RIGHT:
        break;

    case REG_TOKENS_EXPIRED:
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "client sent an access token that has expired, "
                      "make another one with \"registryctl token create\"");
        return NGX_DECLINED;

    case REG_TOKENS_WRONG:
        return NGX_DECLINED;

    default:
        return NGX_ERROR;
    }

    if (check.owner[0] != '\0' && alcf->htpasswd) {

        rc = ngx_http_registry_file_get(r, alcf->htpasswd, wake, &table);
        if (rc != NGX_OK) {
            return rc;
        }

        reg_htpasswd_find(table, reg_str_of(check.owner), &owner);

        if (!owner.known) {
            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "client sent an access token whose owner is not in "
                          "the password file");
            return NGX_DECLINED;
        }
    }

    if (ngx_http_registry_login_is(r, user, who) != NGX_OK) {
        return NGX_ERROR;
    }

    who->auth = NGX_HTTP_REGISTRY_AUTH_TOKEN;
    who->scopes = check.entry;
    who->expires = (check.expires == REG_TOKENS_NEVER) ? 0 : check.expires;

    who->owner = reg_null_str;

    if (check.owner[0] == '\0') {
        return NGX_OK;
    }

    return ngx_http_registry_str_copy(r->pool, &who->owner,
                                      reg_str_of(check.owner));
}


static ngx_int_t
ngx_http_registry_login_is(ngx_http_request_t *r, reg_str_t user,
    ngx_http_registry_who_t *who)
{
    who->auth = NGX_HTTP_REGISTRY_AUTH_HTPASSWD;

    return ngx_http_registry_str_copy(r->pool, &who->user, user);
}


static ngx_http_registry_login_t *
ngx_http_registry_login_state(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t user)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_registry_login_t  *login;

    if (ctx->login) {
        return ctx->login;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_login_t));
    if (cln == NULL) {
        return NULL;
    }

    login = cln->data;
    ngx_memzero(login, sizeof(ngx_http_registry_login_t));

    login->request = r;
    login->delay.handler = ngx_http_registry_login_delayed;
    login->delay.data = login;
    login->delay.log = r->connection->log;

    ngx_http_registry_login_ids(r, login, user);

    cln->handler = ngx_http_registry_login_leave;
    ctx->login = login;

    return login;
}


static void
ngx_http_registry_login_ids(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, reg_str_t user)
{
    u_char                           *p, what[NGX_INT_T_LEN + NGX_TIME_T_LEN];
    reg_str_t                         failures, scope;
    ngx_http_registry_access_conf_t  *alcf;

    /* failures elsewhere, where the name is another's, do not count here */

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);
    scope = ngx_http_registry_str(alcf->htpasswd_path.len ? &alcf->htpasswd_path
                                                          : &alcf->tokens_path);

    p = ngx_sprintf(what, "%ui %T", alcf->limit, alcf->limit_time);
    failures.data = (char *) what;
    failures.len = p - what;

    login->guess.rmcf = ngx_http_get_module_main_conf(r,
                                                  ngx_http_registry_module);
    login->guess.limit = alcf->limit;
    login->guess.limit_time = alcf->limit_time;

    ngx_http_registry_logins_who(r, failures, scope, user, login->guess.user);
    ngx_http_registry_logins_who(r, failures, scope, reg_null_str,
                                 login->guess.address);
    ngx_http_registry_logins_who(r, reg_str("right"), scope, user,
                                 login->trust);
}


static void
ngx_http_registry_login_leave(void *data)
{
    ngx_http_registry_login_t *login = data;

    char       *action;
    ngx_log_t  *log;

    if (login->queued) {
        ngx_queue_remove(&login->queue);
        login->queued = 0;
    }

    if (login->delay.timer_set) {
        ngx_del_timer(&login->delay);

        if (login->limited) {
            return;
        }

        /*
         * He is not told any more, and has counted all the same.  An action,
         * which nginx has by now, would stand where fail2ban looks for him.
         */

        log = login->request->connection->log;
        action = log->action;

        log->action = NULL;
        ngx_http_registry_identify_wrong(log);
        log->action = action;
    }
}


ngx_int_t
ngx_http_registry_login_limited(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, time_t *retry)
{
    time_t                            left;
    ngx_uint_t                        n, all;
    ngx_http_registry_main_conf_t    *rmcf;
    ngx_http_registry_access_conf_t  *alcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (alcf->limit == 0 || !ngx_http_registry_failures_any(rmcf)) {
        return NGX_OK;
    }

    n = ngx_http_registry_failures_get(rmcf, login->guess.user, retry);
    all = ngx_http_registry_failures_get(rmcf, login->guess.address, &left);

    if (n < alcf->limit && all < alcf->limit * NGX_HTTP_REGISTRY_LOGIN_USERS) {
        return NGX_OK;
    }

    *retry = ngx_max(*retry, left);

    /* what is told to who may have been here before is a guess's answer, too */

    if (n >= alcf->limit * NGX_HTTP_REGISTRY_LOGIN_TRUST) {
        return NGX_BUSY;
    }

    return (ngx_http_registry_logins_find(rmcf, login->trust, 0)
            == NGX_HTTP_REGISTRY_LOGIN_STALE)
           ? NGX_DECLINED : NGX_BUSY;
}


void
ngx_http_registry_login_trust(ngx_http_request_t *r,
    ngx_http_registry_login_t *login)
{
    ngx_http_registry_logins_settle(
        ngx_http_get_module_main_conf(r, ngx_http_registry_module),
        login->trust, 1);
}


/* Where first is 0 a user who has not failed yet is not counted. */

static void
ngx_http_registry_login_count(const ngx_http_registry_guess_t *guess,
    ngx_uint_t first)
{
    ngx_http_registry_failures_add(guess->rmcf, guess->user, guess->limit,
                                   guess->limit_time, first);
    ngx_http_registry_failures_add(guess->rmcf, guess->address,
                              guess->limit * NGX_HTTP_REGISTRY_LOGIN_USERS,
                              guess->limit_time, 1);
}


ngx_uint_t
ngx_http_registry_login_failed(const ngx_http_registry_guess_t *guess,
    ngx_log_t *log)
{
    time_t      left;
    ngx_uint_t  n;

    ngx_http_registry_stats_login(NGX_HTTP_REGISTRY_RESULT_WRONG);

    if (guess->limit == 0) {
        return 0;
    }

    ngx_http_registry_login_count(guess, 1);

    n = ngx_http_registry_failures_get(guess->rmcf, guess->user, &left);

    if (n == guess->limit) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "a user's password was wrong %ui times, this address "
                      "has to wait %T seconds before it may try him again",
                      n, left);
    }

    return n;
}


/* Counts a failure and answers it, at once or after a while. */

ngx_int_t
ngx_http_registry_login_wrong(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, void (*wake)(ngx_http_request_t *r))
{
    ngx_uint_t  n;

    login->verdict = REG_PASSWORD_WRONG;

    /* who does not wait for it is in the access log at once */

    ngx_http_registry_identify_verdict(r,
                         ngx_http_get_module_ctx(r, ngx_http_registry_module),
                         NGX_HTTP_REGISTRY_VERDICT_WRONG);

    n = ngx_http_registry_login_failed(&login->guess, r->connection->log);

    if (n < 2) {
        login->state = NGX_HTTP_REGISTRY_LOGIN_DONE;
        return NGX_DECLINED;
    }

    return ngx_http_registry_login_delay(login, n - 1, wake);
}


/*
 * Tells a request to come again later.  That is not said at once either: who
 * guesses would only ask the faster, and keep the worker from its work.
 */

ngx_int_t
ngx_http_registry_login_refuse(ngx_http_registry_login_t *login, time_t retry,
    void (*wake)(ngx_http_request_t *r))
{
    login->limited = 1;
    login->retry = retry;

    ngx_http_registry_stats_login(NGX_HTTP_REGISTRY_RESULT_REFUSED);

    return ngx_http_registry_login_delay(login, NGX_HTTP_REGISTRY_LOGIN_DELAYS,
                                         wake);
}


static ngx_int_t
ngx_http_registry_login_delay(ngx_http_registry_login_t *login, ngx_uint_t n,
    void (*wake)(ngx_http_request_t *r))
{
    login->state = NGX_HTTP_REGISTRY_LOGIN_WAITS;
    login->wake = wake;

    ngx_add_timer(&login->delay,
                  NGX_HTTP_REGISTRY_LOGIN_DELAY
                  * ngx_min(n, NGX_HTTP_REGISTRY_LOGIN_DELAYS));

    return NGX_AGAIN;
}


static void
ngx_http_registry_login_delayed(ngx_event_t *ev)
{
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_registry_login_t  *login;

    login = ev->data;
    ev->timedout = 0;

    r = login->request;
    c = r->connection;

    login->state = NGX_HTTP_REGISTRY_LOGIN_DONE;

    ngx_http_set_log_request(c->log, r);

    login->wake(r);
    ngx_http_run_posted_requests(c);
}
