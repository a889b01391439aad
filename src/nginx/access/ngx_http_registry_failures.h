
/*
 * Wrong passwords, as workers count them together in the shared zone: under
 * the ids of ngx_http_registry_logins_who().
 *
 * They have a part of the zone that is taken when it is made, and nothing
 * else.  However full the zone is of what others put there, a failure counts;
 * and whoever floods us with failures crowds out nothing else.  When that part
 * is full, those that hold nobody up go first: he who guesses would otherwise
 * make room for his next guess with a few names that he thinks of.
 *
 * Times are seconds of the monotonic clock, which all workers share.
 */


#ifndef NGX_HTTP_REGISTRY_FAILURES_H_INCLUDED
#define NGX_HTTP_REGISTRY_FAILURES_H_INCLUDED


#include "ngx_http_registry.h"

#include "reg_credentials.h"


typedef struct ngx_http_registry_failures_node_s
    ngx_http_registry_failures_node_t;


typedef struct {
    ngx_rbtree_t                        rbtree;
    ngx_rbtree_node_t                   sentinel;
    ngx_queue_t                         counted;  /* hold nobody up; of both
                                                     the latest first */
    ngx_queue_t                         held;     /* hold somebody up */
    time_t                              until;    /* some count until then */
    ngx_uint_t                          n;        /* nodes in use */
    ngx_uint_t                          max;
    ngx_http_registry_failures_node_t  *nodes;
} ngx_http_registry_failures_t;


/*
 * Once, when the zone, which has that size, is made; NGX_OK, or NGX_ERROR
 * without memory.
 */
ngx_int_t ngx_http_registry_failures_init(
    ngx_http_registry_failures_t *failures, ngx_slab_pool_t *pool,
    size_t size);

/* Whether there is anything to be found by failures_get(). */
ngx_uint_t ngx_http_registry_failures_any(
    ngx_http_registry_main_conf_t *rmcf);

/* How many are counted under that id, and in *left for how long yet. */
ngx_uint_t ngx_http_registry_failures_get(
    ngx_http_registry_main_conf_t *rmcf, const u_char *id, time_t *left);

/*
 * Counts one more, within so many seconds since the first of them; the id
 * holds somebody up when there are limit of them.  Where first is 0 it is not
 * counted unless others are.
 */
void ngx_http_registry_failures_add(ngx_http_registry_main_conf_t *rmcf,
    const u_char *id, ngx_uint_t limit, time_t within, ngx_uint_t first);


#endif /* NGX_HTTP_REGISTRY_FAILURES_H_INCLUDED */
