
/*
 * Logins by user and password: against the password file and the file of
 * access tokens.
 *
 * A password that was verified lately costs an HMAC and a look into the shared
 * zone.  Any other costs a hash in a pool thread: few at once, the same one
 * never twice, none at all for who has failed too often.
 */


#ifndef NGX_HTTP_REGISTRY_LOGIN_H_INCLUDED
#define NGX_HTTP_REGISTRY_LOGIN_H_INCLUDED


#include "ngx_http_registry_access.h"


/*
 * NGX_OK        it is him: who->auth, user (copied to the request's pool) and
 *               what he is limited by are set
 * NGX_DECLINED  it is not
 * NGX_AGAIN     being found out; wake(r) is called then, and asks again
 * NGX_BUSY      he has failed too often, or too many wait: 429, *retry seconds
 *               from now
 * NGX_ERROR     could not be found out: 503
 *
 * user and password are borrowed for the call.
 */
ngx_int_t ngx_http_registry_login(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t user, reg_str_t password,
    void (*wake)(ngx_http_request_t *r), ngx_http_registry_who_t *who,
    time_t *retry);

/* What is said to somebody of whom that was NGX_BUSY. */
const char *ngx_http_registry_login_busy(const ngx_http_registry_ctx_t *ctx);

/*
 * The same when it can be said at once, without a hash and without waiting;
 * NGX_DECLINED otherwise.  Counts nothing.
 */
ngx_int_t ngx_http_registry_login_known(ngx_http_request_t *r,
    reg_str_t user, reg_str_t password, ngx_http_registry_who_t *who);


#endif /* NGX_HTTP_REGISTRY_LOGIN_H_INCLUDED */
