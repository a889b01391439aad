
#include "ngx_http_registry_stats.h"
#include "ngx_http_registry_tree.h"
#include "ngx_http_registry_zone.h"


/* larger ones are sent from their file */
#define NGX_HTTP_REGISTRY_ZONE_BODY   16384

/* a half-made entry is worth nothing: give up after so many evictions */
#define NGX_HTTP_REGISTRY_ZONE_EVICT  32


typedef struct {
    ngx_rbtree_node_t    node;        /* key: first bytes of the digest */
    ngx_queue_t          queue;
    reg_digest_t         digest;
    size_t               size;
    u_char               type_len;
    unsigned             has_body:1;
    u_char               data[1];     /* type, then body */
} ngx_http_registry_zone_node_t;


typedef struct {
    ngx_rbtree_t         rbtree;
    ngx_rbtree_node_t    sentinel;
    ngx_queue_t          queue;       /* the least used at the end */

    ngx_http_registry_logins_t    logins;
    ngx_http_registry_failures_t  failures;
    ngx_http_registry_sessions_t  sessions;
} ngx_http_registry_zone_t;


static ngx_int_t ngx_http_registry_zone_init(ngx_shm_zone_t *zone,
    void *data);
static void ngx_http_registry_zone_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_http_registry_zone_compare(const void *id,
    const ngx_rbtree_node_t *node);
static ngx_http_registry_zone_node_t *ngx_http_registry_zone_lookup(
    ngx_http_registry_zone_t *zone, const reg_digest_t *d);
static ngx_rbtree_key_t ngx_http_registry_zone_key(const reg_digest_t *d);


/* an operator may have an "ssl_session_cache shared:registry" */
static ngx_str_t  ngx_http_registry_zone_name = ngx_string("http_registry");


ngx_int_t
ngx_http_registry_zone_create(ngx_conf_t *cf,
    ngx_http_registry_main_conf_t *rmcf)
{
    rmcf->zone = ngx_shared_memory_add(cf, &ngx_http_registry_zone_name,
                                       rmcf->zone_size,
                                       &ngx_http_registry_module);
    if (rmcf->zone == NULL) {
        return NGX_ERROR;
    }

    rmcf->zone->init = ngx_http_registry_zone_init;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_slab_pool_t           *pool;
    ngx_http_registry_zone_t  *zone;

    if (data) {
        shm_zone->data = data;
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        shm_zone->data = pool->data;
        return NGX_OK;
    }

    zone = ngx_slab_calloc(pool, sizeof(ngx_http_registry_zone_t));
    if (zone == NULL) {
        return NGX_ERROR;
    }

    ngx_rbtree_init(&zone->rbtree, &zone->sentinel,
                    ngx_http_registry_zone_insert);
    ngx_queue_init(&zone->queue);

    if (ngx_http_registry_logins_init(&zone->logins) != NGX_OK
        || ngx_http_registry_failures_init(&zone->failures, pool,
                                           shm_zone->shm.size)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_registry_sessions_init(&zone->sessions);

    pool->data = zone;
    pool->log_nomem = 0;

    shm_zone->data = zone;

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_zone_find(ngx_http_request_t *r, const reg_digest_t *d,
    ngx_http_registry_manifest_t *m)
{
    ngx_slab_pool_t                *pool;
    ngx_http_registry_zone_t       *zone;
    ngx_http_registry_zone_node_t  *node;
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);

    zone = rmcf->zone->data;
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    m->body = NULL;

    ngx_shmtx_lock(&pool->mutex);

    node = ngx_http_registry_zone_lookup(zone, d);

    if (node == NULL) {
        ngx_shmtx_unlock(&pool->mutex);
        ngx_http_registry_stats_cache(0);
        return NGX_DECLINED;
    }

    ngx_queue_remove(&node->queue);
    ngx_queue_insert_head(&zone->queue, &node->queue);

    m->size = node->size;
    m->type_len = node->type_len;
    m->has_body = node->has_body;
    ngx_memcpy(m->type, node->data, node->type_len);

    if (node->has_body && r->method != NGX_HTTP_HEAD) {
        m->body = ngx_pnalloc(r->pool, node->size);

        if (m->body) {
            ngx_memcpy(m->body, node->data + node->type_len, node->size);
        }
    }

    ngx_shmtx_unlock(&pool->mutex);

    ngx_http_registry_stats_cache(1);

    return NGX_OK;
}


void
ngx_http_registry_zone_add(ngx_http_request_t *r, const reg_digest_t *d,
    const char *type, const char *body, size_t size)
{
    size_t                          len, type_len;
    ngx_uint_t                      has_body;
    ngx_slab_pool_t                *pool;
    ngx_http_registry_zone_t       *zone;
    ngx_http_registry_zone_node_t  *node;
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);

    zone = rmcf->zone->data;
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    type_len = ngx_min(ngx_strlen(type), REG_MEDIA_TYPE_MAX);
    has_body = (size <= NGX_HTTP_REGISTRY_ZONE_BODY);

    len = offsetof(ngx_http_registry_zone_node_t, data)
          + type_len + (has_body ? size : 0);

    ngx_shmtx_lock(&pool->mutex);

    if (ngx_http_registry_zone_lookup(zone, d)) {
        ngx_shmtx_unlock(&pool->mutex);
        return;
    }

    node = ngx_http_registry_zone_make_room(rmcf, len);

    if (node) {
        node->node.key = ngx_http_registry_zone_key(d);
        node->digest = *d;
        node->size = size;
        node->type_len = (u_char) type_len;
        node->has_body = has_body;

        ngx_memcpy(node->data, type, type_len);

        if (has_body) {
            ngx_memcpy(node->data + type_len, body, size);
        }

        ngx_rbtree_insert(&zone->rbtree, &node->node);
        ngx_queue_insert_head(&zone->queue, &node->queue);
    }

    ngx_shmtx_unlock(&pool->mutex);
}


void
ngx_http_registry_zone_forget(ngx_http_registry_main_conf_t *rmcf,
    const reg_digest_t *d)
{
    ngx_slab_pool_t                *pool;
    ngx_http_registry_zone_t       *zone;
    ngx_http_registry_zone_node_t  *node;

    zone = rmcf->zone->data;
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    node = ngx_http_registry_zone_lookup(zone, d);

    if (node) {
        ngx_queue_remove(&node->queue);
        ngx_rbtree_delete(&zone->rbtree, &node->node);
        ngx_slab_free_locked(pool, node);
    }

    ngx_shmtx_unlock(&pool->mutex);
}


void *
ngx_http_registry_zone_make_room(ngx_http_registry_main_conf_t *rmcf,
    size_t size)
{
    void                           *p;
    ngx_uint_t                      i;
    ngx_queue_t                    *q;
    ngx_slab_pool_t                *pool;
    ngx_http_registry_zone_t       *zone;
    ngx_http_registry_zone_node_t  *old;

    zone = rmcf->zone->data;
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    p = ngx_slab_alloc_locked(pool, size);

    if (p) {
        return p;
    }

    for (i = 0; p == NULL && i < NGX_HTTP_REGISTRY_ZONE_EVICT; i++) {

        if (ngx_queue_empty(&zone->queue)) {
            break;
        }

        q = ngx_queue_last(&zone->queue);
        old = ngx_queue_data(q, ngx_http_registry_zone_node_t, queue);

        ngx_queue_remove(q);
        ngx_rbtree_delete(&zone->rbtree, &old->node);
        ngx_slab_free_locked(pool, old);

        p = ngx_slab_alloc_locked(pool, size);
    }

    ngx_http_registry_stats_evicted(i);

    return p;
}


ngx_http_registry_logins_t *
ngx_http_registry_zone_logins(ngx_http_registry_main_conf_t *rmcf)
{
    ngx_http_registry_zone_t  *zone;

    zone = rmcf->zone->data;

    return &zone->logins;
}


ngx_http_registry_failures_t *
ngx_http_registry_zone_failures(ngx_http_registry_main_conf_t *rmcf)
{
    ngx_http_registry_zone_t  *zone;

    zone = rmcf->zone->data;

    return &zone->failures;
}


ngx_http_registry_sessions_t *
ngx_http_registry_zone_sessions(ngx_http_registry_main_conf_t *rmcf)
{
    ngx_http_registry_zone_t  *zone;

    zone = rmcf->zone->data;

    return &zone->sessions;
}


static ngx_http_registry_zone_node_t *
ngx_http_registry_zone_lookup(ngx_http_registry_zone_t *zone,
    const reg_digest_t *d)
{
    return ngx_http_registry_tree_find(&zone->rbtree,
                                       ngx_http_registry_zone_key(d), d,
                                       ngx_http_registry_zone_compare);
}


static void
ngx_http_registry_zone_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    const ngx_http_registry_zone_node_t *zn = (const void *) node;

    ngx_http_registry_tree_insert(temp, node, sentinel, &zn->digest,
                                  ngx_http_registry_zone_compare);
}


static ngx_int_t
ngx_http_registry_zone_compare(const void *id, const ngx_rbtree_node_t *node)
{
    const reg_digest_t                  *d = id;
    const ngx_http_registry_zone_node_t *zn = (const void *) node;

    return ngx_memn2cmp((u_char *) d->text, (u_char *) zn->digest.text,
                        d->len, zn->digest.len);
}


/* The digest is a hash already: its first digits will do. */

static ngx_rbtree_key_t
ngx_http_registry_zone_key(const reg_digest_t *d)
{
    ngx_rbtree_key_t  key;

    ngx_memcpy(&key, reg_digest_hex(d), sizeof(ngx_rbtree_key_t));

    return key;
}
