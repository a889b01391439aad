
/*
 * The inside of logins, for ngx_http_registry_login.c, which has a request's
 * part in it, and ngx_http_registry_login_job.c, which has the hashes.
 */


#ifndef NGX_HTTP_REGISTRY_LOGIN_PRIVATE_H_INCLUDED
#define NGX_HTTP_REGISTRY_LOGIN_PRIVATE_H_INCLUDED


#include "ngx_http_registry_failures.h"
#include "ngx_http_registry_login.h"
#include "ngx_http_registry_logins.h"

#include "reg_htpasswd.h"


typedef enum {
    NGX_HTTP_REGISTRY_LOGIN_IDLE = 0,
    NGX_HTTP_REGISTRY_LOGIN_WAITS,      /* for a job, or for time to pass */
    NGX_HTTP_REGISTRY_LOGIN_DONE
} ngx_http_registry_login_state_e;


/*
 * A wrong password as far as it counts: plain values, for who sent it may be
 * gone before it is known to be wrong.
 */
typedef struct {
    ngx_http_registry_main_conf_t   *rmcf;
    ngx_uint_t                       limit;       /* failures; 0: no limit */
    time_t                           limit_time;  /* seconds */

    /* ids in the zone */
    u_char                           user[REG_CREDENTIALS_KEY];
    u_char                           address[REG_CREDENTIALS_KEY];
} ngx_http_registry_guess_t;


/* A request's part in it. */
struct ngx_http_registry_login_s {
    ngx_queue_t                      queue;
    ngx_http_registry_login_state_e  state;
    ngx_http_request_t              *request;
    void                           (*wake)(ngx_http_request_t *r);
    ngx_event_t                      delay;
    reg_password_e                   verdict;
    time_t                           retry;       /* of one told to wait */
    unsigned                         queued:1;
    unsigned                         again:1;     /* the job was lost */
    unsigned                         limited:1;
    unsigned                         crowded:1;   /* not he: all the others */

    ngx_http_registry_guess_t        guess;

    /* id in the zone: he was right from here */
    u_char                           trust[REG_CREDENTIALS_KEY];
};


typedef struct ngx_http_registry_login_s  ngx_http_registry_login_t;


/*
 * Lets the request wait for the hash of these credentials, which is begun, or
 * put in its turn, when nobody waits for it yet: NGX_AGAIN; login->wake is
 * called, with login->state DONE, or IDLE when it has to be asked for anew.
 * NGX_BUSY when too many wait, or there is no memory.
 */
ngx_int_t ngx_http_registry_login_hash(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, const u_char *id,
    const reg_htpasswd_check_t *check, reg_str_t password,
    ngx_http_registry_login_e known);

/*
 * NGX_BUSY and *retry when the user or his address has failed too often.
 * NGX_DECLINED when they have, but this user was right from this address
 * before: he may be told whether he is again, and no more.
 */
ngx_int_t ngx_http_registry_login_limited(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, time_t *retry);

/* Remembers that the user was right from this address. */
void ngx_http_registry_login_trust(ngx_http_request_t *r,
    ngx_http_registry_login_t *login);

/*
 * Tells the request, after a while, to come again in retry seconds: NGX_AGAIN;
 * login->wake is called when it is time.
 */
ngx_int_t ngx_http_registry_login_refuse(ngx_http_registry_login_t *login,
    time_t retry, void (*wake)(ngx_http_request_t *r));

/*
 * Counts a failure: NGX_DECLINED, or NGX_AGAIN when it is answered after a
 * while, and login->wake is called then.
 */
ngx_int_t ngx_http_registry_login_wrong(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, void (*wake)(ngx_http_request_t *r));

/*
 * Counts a failure that need not be answered: how many of the user there are
 * now; 0 where nobody counts.
 */
ngx_uint_t ngx_http_registry_login_failed(
    const ngx_http_registry_guess_t *guess, ngx_log_t *log);


#endif /* NGX_HTTP_REGISTRY_LOGIN_PRIVATE_H_INCLUDED */
