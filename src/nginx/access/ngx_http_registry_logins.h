
/*
 * What workers remember together of logins, in the shared zone: credentials
 * that were verified, and those that some worker is verifying.  Failures:
 * ngx_http_registry_failures.h.
 *
 * Everything goes by an HMAC under a key that was drawn when the zone was
 * made: there is no name, no address and no password in the zone.  Losing any
 * of it costs one more hash.
 *
 * Times are seconds of the monotonic clock, which all workers share.
 */


#ifndef NGX_HTTP_REGISTRY_LOGINS_H_INCLUDED
#define NGX_HTTP_REGISTRY_LOGINS_H_INCLUDED


#include "ngx_http_registry.h"

#include "reg_credentials.h"


typedef struct {
    ngx_rbtree_t             rbtree;
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              verified;    /* the least used at the end */
    ngx_uint_t               n;
    u_char                   key[REG_CREDENTIALS_KEY];
} ngx_http_registry_logins_t;


typedef enum {
    NGX_HTTP_REGISTRY_LOGIN_UNKNOWN = 0,
    NGX_HTTP_REGISTRY_LOGIN_STALE,       /* verified within a day */
    NGX_HTTP_REGISTRY_LOGIN_PENDING,     /* another worker is at it */
    NGX_HTTP_REGISTRY_LOGIN_FRESH
} ngx_http_registry_login_e;


/* Once, when the zone is made; NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_registry_logins_init(ngx_http_registry_logins_t *logins);

/* The key of reg_credentials_key(); borrowed. */
const u_char *ngx_http_registry_logins_key(
    ngx_http_registry_main_conf_t *rmcf);

/*
 * The id of a user (empty: of anybody) and the address that the request comes
 * from; of IPv6 the network of 64 bits counts.  what tells apart what is kept
 * of them; it and scope, which is where the user is one, are any text.  id has
 * REG_CREDENTIALS_KEY bytes.
 */
void ngx_http_registry_logins_who(ngx_http_request_t *r, reg_str_t what,
    reg_str_t scope, reg_str_t user, u_char *id);

/* What is known of these credentials; FRESH for so many seconds. */
ngx_http_registry_login_e ngx_http_registry_logins_find(
    ngx_http_registry_main_conf_t *rmcf, const u_char *id, time_t seconds);

/* Tells other workers that this one begins to verify them. */
void ngx_http_registry_logins_claim(ngx_http_registry_main_conf_t *rmcf,
    const u_char *id);

/* The verdict: right as of now; or not right, or not known. */
void ngx_http_registry_logins_settle(ngx_http_registry_main_conf_t *rmcf,
    const u_char *id, ngx_uint_t right);


#endif /* NGX_HTTP_REGISTRY_LOGINS_H_INCLUDED */
