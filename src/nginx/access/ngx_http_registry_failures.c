
#include "ngx_http_registry_failures.h"
#include "ngx_http_registry_tree.h"
#include "ngx_http_registry_zone.h"


/* what part of the zone they have, and what more would be good for */
#define NGX_HTTP_REGISTRY_FAILURES_PART  8
#define NGX_HTTP_REGISTRY_FAILURES_MAX   20000


struct ngx_http_registry_failures_node_s {
    ngx_rbtree_node_t    node;       /* key: first bytes of the id */
    ngx_queue_t          queue;
    u_char               id[REG_CREDENTIALS_KEY];
    time_t               until;
    ngx_uint_t           count;
};


static ngx_http_registry_failures_node_t *ngx_http_registry_failures_lookup(
    ngx_http_registry_failures_t *failures, const u_char *id);
static ngx_http_registry_failures_node_t *ngx_http_registry_failures_make(
    ngx_http_registry_failures_t *failures, const u_char *id);
static ngx_http_registry_failures_node_t *ngx_http_registry_failures_least(
    ngx_http_registry_failures_t *failures);
static ngx_int_t ngx_http_registry_failures_compare(const void *id,
    const ngx_rbtree_node_t *node);
static void ngx_http_registry_failures_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static time_t ngx_http_registry_failures_now(void);


ngx_int_t
ngx_http_registry_failures_init(ngx_http_registry_failures_t *failures,
    ngx_slab_pool_t *pool, size_t size)
{
    ngx_rbtree_init(&failures->rbtree, &failures->sentinel,
                    ngx_http_registry_failures_insert);
    ngx_queue_init(&failures->counted);
    ngx_queue_init(&failures->held);

    failures->until = 0;
    failures->n = 0;
    failures->max = ngx_min(size / NGX_HTTP_REGISTRY_FAILURES_PART
                            / sizeof(ngx_http_registry_failures_node_t),
                            NGX_HTTP_REGISTRY_FAILURES_MAX);

    failures->nodes = ngx_slab_alloc(pool, failures->max
                                  * sizeof(ngx_http_registry_failures_node_t));

    return failures->nodes ? NGX_OK : NGX_ERROR;
}


ngx_uint_t
ngx_http_registry_failures_any(ngx_http_registry_main_conf_t *rmcf)
{
    /* one word, which may be a moment old */

    return ngx_http_registry_failures_now()
           < ngx_http_registry_zone_failures(rmcf)->until;
}


ngx_uint_t
ngx_http_registry_failures_get(ngx_http_registry_main_conf_t *rmcf,
    const u_char *id, time_t *left)
{
    time_t                              now;
    ngx_uint_t                          n;
    ngx_slab_pool_t                    *pool;
    ngx_http_registry_failures_node_t  *node;

    n = 0;
    *left = 0;
    now = ngx_http_registry_failures_now();

    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    node = ngx_http_registry_failures_lookup(
                                ngx_http_registry_zone_failures(rmcf), id);

    if (node && now < node->until) {
        n = node->count;
        *left = node->until - now;
    }

    ngx_shmtx_unlock(&pool->mutex);

    return n;
}


void
ngx_http_registry_failures_add(ngx_http_registry_main_conf_t *rmcf,
    const u_char *id, ngx_uint_t limit, time_t within, ngx_uint_t first)
{
    time_t                              now;
    ngx_slab_pool_t                    *pool;
    ngx_http_registry_failures_t       *failures;
    ngx_http_registry_failures_node_t  *node;

    now = ngx_http_registry_failures_now();

    failures = ngx_http_registry_zone_failures(rmcf);
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    node = ngx_http_registry_failures_lookup(failures, id);

    if (node == NULL && first) {
        node = ngx_http_registry_failures_make(failures, id);
    }

    if (node == NULL || (now >= node->until && !first)) {
        ngx_shmtx_unlock(&pool->mutex);
        return;
    }

    if (now >= node->until) {
        node->until = now + within;
        node->count = 0;
    }

    node->count++;

    if (node->until > failures->until) {
        failures->until = node->until;
    }

    ngx_queue_remove(&node->queue);
    ngx_queue_insert_head((node->count < limit) ? &failures->counted
                                                : &failures->held,
                          &node->queue);

    ngx_shmtx_unlock(&pool->mutex);
}


/* All below are called with the zone's lock held. */

static ngx_http_registry_failures_node_t *
ngx_http_registry_failures_make(ngx_http_registry_failures_t *failures,
    const u_char *id)
{
    ngx_http_registry_failures_node_t  *node;

    if (failures->n < failures->max) {
        node = &failures->nodes[failures->n++];

    } else {
        node = ngx_http_registry_failures_least(failures);

        ngx_queue_remove(&node->queue);
        ngx_rbtree_delete(&failures->rbtree, &node->node);
    }

    ngx_memcpy(&node->node.key, id, sizeof(ngx_rbtree_key_t));
    ngx_memcpy(node->id, id, REG_CREDENTIALS_KEY);

    node->until = 0;
    node->count = 0;

    ngx_rbtree_insert(&failures->rbtree, &node->node);
    ngx_queue_insert_head(&failures->counted, &node->queue);

    return node;
}


/* The one that is missed least, of those there are. */

static ngx_http_registry_failures_node_t *
ngx_http_registry_failures_least(ngx_http_registry_failures_t *failures)
{
    ngx_queue_t                        *q;
    ngx_http_registry_failures_node_t  *node;

    if (!ngx_queue_empty(&failures->held)) {
        q = ngx_queue_last(&failures->held);
        node = ngx_queue_data(q, ngx_http_registry_failures_node_t, queue);

        if (ngx_queue_empty(&failures->counted)
            || ngx_http_registry_failures_now() >= node->until)
        {
            return node;
        }
    }

    q = ngx_queue_last(&failures->counted);

    return ngx_queue_data(q, ngx_http_registry_failures_node_t, queue);
}


static ngx_http_registry_failures_node_t *
ngx_http_registry_failures_lookup(ngx_http_registry_failures_t *failures,
    const u_char *id)
{
    ngx_rbtree_key_t  key;

    ngx_memcpy(&key, id, sizeof(ngx_rbtree_key_t));

    return ngx_http_registry_tree_find(&failures->rbtree, key, id,
                                       ngx_http_registry_failures_compare);
}


static ngx_int_t
ngx_http_registry_failures_compare(const void *id,
    const ngx_rbtree_node_t *node)
{
    const ngx_http_registry_failures_node_t *fn = (const void *) node;

    return ngx_memcmp(id, fn->id, REG_CREDENTIALS_KEY);
}


static void
ngx_http_registry_failures_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    const ngx_http_registry_failures_node_t *fn = (const void *) node;

    ngx_http_registry_tree_insert(temp, node, sentinel, fn->id,
                                  ngx_http_registry_failures_compare);
}


static time_t
ngx_http_registry_failures_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec;
}
