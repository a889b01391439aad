
/*
 * Upload sessions that are open, counted in the shared zone: by user (who has
 * not logged in: by address) and by store.
 *
 * The truth is on the disk; this is what is known of it.  Each session is an
 * entry of its own, so that a count is a number of entries and nothing that a
 * killed worker could leave wrong.  An entry whose session is gone, by whatever
 * way, is found when it matters: at the limit, before anybody is refused.  A
 * session that is not known (the zone is new, or was full) is counted from the
 * next request to it on.
 *
 * When the zone has no room for an entry the session is not counted: losing
 * count costs the limit, never an upload.
 *
 * Times are seconds of the monotonic clock.
 */


#ifndef NGX_HTTP_REGISTRY_SESSIONS_H_INCLUDED
#define NGX_HTTP_REGISTRY_SESSIONS_H_INCLUDED


#include "ngx_http_registry.h"

#include "reg_credentials.h"
#include "reg_name.h"


/* entries looked at before somebody is refused */
#define NGX_HTTP_REGISTRY_SESSIONS_LOOK  16

/* half of them are those that were used longest ago */
_Static_assert(NGX_HTTP_REGISTRY_SESSIONS_LOOK >= 2,
               "the oldest would not be looked at");


/* Part of the zone. */
typedef struct {
    ngx_rbtree_t        sessions;
    ngx_rbtree_node_t   sessions_sentinel;
    ngx_rbtree_t        counts;
    ngx_rbtree_node_t   counts_sentinel;
    size_t              size;              /* bytes that entries take */
    time_t              warned;            /* of the zone's size */
} ngx_http_registry_sessions_t;


/* Who opens a session, and what he is limited by. */
typedef struct {
    u_char              store[REG_CREDENTIALS_KEY];
    u_char              user[REG_CREDENTIALS_KEY];
    ngx_uint_t          max;               /* of the store; 0: no limit */
    ngx_uint_t          per_user;
    time_t              idle;              /* so old a session gives way */
} ngx_http_registry_sessions_who_t;


/* A session that may be gone. */
typedef struct {
    char                id[REG_UUID_LEN + 1];
    char                name[REG_NAME_MAX + 1];
    unsigned            idle:1;            /* and may be ended if it is not */
    unsigned            gone:1;            /* so it was found */
} ngx_http_registry_sessions_look_t;


/* A limit that is reached. */
typedef struct {
    ngx_uint_t                         limit;
    ngx_uint_t                         n;
    ngx_http_registry_sessions_look_t  look[NGX_HTTP_REGISTRY_SESSIONS_LOOK];
    unsigned                           by_user:1;
} ngx_http_registry_sessions_full_t;


/* Once, when the zone is made. */
void ngx_http_registry_sessions_init(ngx_http_registry_sessions_t *sessions);

/* Fills who from a request whose identity is known. */
void ngx_http_registry_sessions_who(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_sessions_who_t *who);

/*
 * Counts a session that is about to be made: NGX_OK, or NGX_BUSY when one of
 * the limits is reached.  Then full tells which, and some of those counted
 * under it, from the ones that were used longest ago.
 */
ngx_int_t ngx_http_registry_sessions_take(ngx_http_request_t *r,
    const ngx_http_registry_sessions_who_t *who, const char *id,
    reg_str_t name, ngx_http_registry_sessions_full_t *full);

/*
 * A session was made, or is used; counts it if it is not counted yet, over the
 * limit too.
 */
void ngx_http_registry_sessions_use(ngx_http_request_t *r,
    const ngx_http_registry_sessions_who_t *who, const char *id,
    reg_str_t name);

/* How many sessions of a store are counted; it takes the zone's lock. */
ngx_uint_t ngx_http_registry_sessions_open(
    ngx_http_registry_main_conf_t *rmcf, ngx_http_registry_root_t *root);

/* A session has ended; it need not be counted. */
void ngx_http_registry_sessions_end(ngx_http_registry_main_conf_t *rmcf,
    const char *id);


#endif /* NGX_HTTP_REGISTRY_SESSIONS_H_INCLUDED */
