
#include "ngx_http_registry_logins.h"
#include "ngx_http_registry_stats.h"
#include "ngx_http_registry_tree.h"
#include "ngx_http_registry_zone.h"

#include "reg_hmac.h"

#include <openssl/rand.h>


/* A worker that claimed and has not said anything since is taken for dead. */
#define NGX_HTTP_REGISTRY_LOGINS_CLAIM     15

/* How long it is remembered that credentials were right once. */
#define NGX_HTTP_REGISTRY_LOGINS_STALE     86400

/* what part of the zone they may take from manifests */
#define NGX_HTTP_REGISTRY_LOGINS_PART      4


typedef struct {
    ngx_rbtree_node_t        node;        /* key: first bytes of the id */
    ngx_queue_t              queue;
    u_char                   id[REG_CREDENTIALS_KEY];
    time_t                   time;        /* when it was verified */
    time_t                   claimed;     /* 0: nobody is at it */
    unsigned                 verified:1;  /* at some time */
} ngx_http_registry_logins_node_t;


static ngx_http_registry_logins_node_t *ngx_http_registry_logins_lookup(
    ngx_http_registry_logins_t *logins, const u_char *id);
static ngx_http_registry_logins_node_t *ngx_http_registry_logins_add(
    ngx_http_registry_main_conf_t *rmcf, ngx_http_registry_logins_t *logins,
    const u_char *id);
static void ngx_http_registry_logins_remove(
    ngx_http_registry_main_conf_t *rmcf, ngx_http_registry_logins_t *logins,
    ngx_http_registry_logins_node_t *node);
static void *ngx_http_registry_logins_alloc(
    ngx_http_registry_main_conf_t *rmcf, ngx_http_registry_logins_t *logins);
static ngx_int_t ngx_http_registry_logins_compare(const void *id,
    const ngx_rbtree_node_t *node);
static void ngx_http_registry_logins_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static time_t ngx_http_registry_logins_now(void);


ngx_int_t
ngx_http_registry_logins_init(ngx_http_registry_logins_t *logins)
{
    ngx_rbtree_init(&logins->rbtree, &logins->sentinel,
                    ngx_http_registry_logins_insert);
    ngx_queue_init(&logins->verified);

    logins->n = 0;

    return (RAND_bytes(logins->key, REG_CREDENTIALS_KEY) == 1)
           ? NGX_OK : NGX_ERROR;
}


const u_char *
ngx_http_registry_logins_key(ngx_http_registry_main_conf_t *rmcf)
{
    return ngx_http_registry_zone_logins(rmcf)->key;
}


void
ngx_http_registry_logins_who(ngx_http_request_t *r, reg_str_t what,
    reg_str_t scope, reg_str_t user, u_char *id)
{
    char                            kind;
    reg_str_t                       pieces[7];
    struct sockaddr                *sa;
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);

    sa = r->connection->sockaddr;
    kind = (char) sa->sa_family;

    /* none of them holds a NUL, but the address, whose length kind tells */

    pieces[0].data = &kind;
    pieces[0].len = 1;
    pieces[2] = what;
    pieces[3] = reg_str("\0");
    pieces[4] = scope;
    pieces[5] = reg_str("\0");
    pieces[6] = user;

    switch (sa->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        pieces[1].data = (char *) &((struct sockaddr_in6 *) sa)->sin6_addr;
        pieces[1].len = 8;

        if (IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *) sa)->sin6_addr)) {
            kind = AF_INET;
            pieces[1].data += 12;
            pieces[1].len = 4;
        }

        break;
#endif

    case AF_INET:
        pieces[1].data = (char *) &((struct sockaddr_in *) sa)->sin_addr;
        pieces[1].len = 4;
        break;

    default: /* AF_UNIX: all of them one */
        pieces[1] = reg_null_str;
    }

    reg_hmac_sha256(ngx_http_registry_logins_key(rmcf), pieces, 7, id);
}


ngx_http_registry_login_e
ngx_http_registry_logins_find(ngx_http_registry_main_conf_t *rmcf,
    const u_char *id, time_t seconds)
{
    time_t                            now;
    ngx_slab_pool_t                  *pool;
    ngx_http_registry_login_e         state;
    ngx_http_registry_logins_t       *logins;
    ngx_http_registry_logins_node_t  *node;

    now = ngx_http_registry_logins_now();
    state = NGX_HTTP_REGISTRY_LOGIN_UNKNOWN;

    logins = ngx_http_registry_zone_logins(rmcf);
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    node = ngx_http_registry_logins_lookup(logins, id);

    if (node) {
        ngx_queue_remove(&node->queue);
        ngx_queue_insert_head(&logins->verified, &node->queue);

        if (node->verified && now < node->time + seconds) {
            state = NGX_HTTP_REGISTRY_LOGIN_FRESH;

        } else if (node->claimed
                   && now < node->claimed + NGX_HTTP_REGISTRY_LOGINS_CLAIM)
        {
            state = NGX_HTTP_REGISTRY_LOGIN_PENDING;

        } else if (node->verified
                   && now < node->time + NGX_HTTP_REGISTRY_LOGINS_STALE)
        {
            state = NGX_HTTP_REGISTRY_LOGIN_STALE;
        }
    }

    ngx_shmtx_unlock(&pool->mutex);

    return state;
}


void
ngx_http_registry_logins_claim(ngx_http_registry_main_conf_t *rmcf,
    const u_char *id)
{
    ngx_slab_pool_t                  *pool;
    ngx_http_registry_logins_t       *logins;
    ngx_http_registry_logins_node_t  *node;

    logins = ngx_http_registry_zone_logins(rmcf);
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    node = ngx_http_registry_logins_lookup(logins, id);

    if (node == NULL) {
        node = ngx_http_registry_logins_add(rmcf, logins, id);
    }

    if (node) {
        node->claimed = ngx_http_registry_logins_now();
    }

    ngx_shmtx_unlock(&pool->mutex);
}


void
ngx_http_registry_logins_settle(ngx_http_registry_main_conf_t *rmcf,
    const u_char *id, ngx_uint_t right)
{
    ngx_slab_pool_t                  *pool;
    ngx_http_registry_logins_t       *logins;
    ngx_http_registry_logins_node_t  *node;

    logins = ngx_http_registry_zone_logins(rmcf);
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    node = ngx_http_registry_logins_lookup(logins, id);

    if (node == NULL && right) {
        node = ngx_http_registry_logins_add(rmcf, logins, id);
    }

    if (node) {
        node->claimed = 0;

        if (right) {
            node->verified = 1;
            node->time = ngx_http_registry_logins_now();

        } else if (!node->verified) {
            ngx_http_registry_logins_remove(rmcf, logins, node);
        }
    }

    ngx_shmtx_unlock(&pool->mutex);
}


/* All below are called with the zone's lock held. */

static ngx_http_registry_logins_node_t *
ngx_http_registry_logins_add(ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_logins_t *logins, const u_char *id)
{
    ngx_http_registry_logins_node_t  *node;

    node = ngx_http_registry_logins_alloc(rmcf, logins);
    if (node == NULL) {
        return NULL;
    }

    ngx_memcpy(&node->node.key, id, sizeof(ngx_rbtree_key_t));
    ngx_memcpy(node->id, id, REG_CREDENTIALS_KEY);

    node->time = 0;
    node->claimed = 0;
    node->verified = 0;

    ngx_rbtree_insert(&logins->rbtree, &node->node);
    ngx_queue_insert_head(&logins->verified, &node->queue);

    logins->n++;

    return node;
}


static void
ngx_http_registry_logins_remove(ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_logins_t *logins, ngx_http_registry_logins_node_t *node)
{
    logins->n--;

    ngx_queue_remove(&node->queue);
    ngx_rbtree_delete(&logins->rbtree, &node->node);

    ngx_slab_free_locked((ngx_slab_pool_t *) rmcf->zone->shm.addr, node);
}


/* A manifest is read again at less cost than a password is hashed. */

static void *
ngx_http_registry_logins_alloc(ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_logins_t *logins)
{
    void             *p;
    size_t            size;
    ngx_queue_t      *q;
    ngx_slab_pool_t  *pool;

    size = sizeof(ngx_http_registry_logins_node_t);
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    if (logins->n < rmcf->zone->shm.size / NGX_HTTP_REGISTRY_LOGINS_PART
                    / size)
    {
        p = ngx_http_registry_zone_make_room(rmcf, size);

    } else {
        p = ngx_slab_alloc_locked(pool, size);
    }

    if (p == NULL && !ngx_queue_empty(&logins->verified)) {
        q = ngx_queue_last(&logins->verified);

        ngx_http_registry_logins_remove(rmcf, logins,
            ngx_queue_data(q, ngx_http_registry_logins_node_t, queue));

        p = ngx_slab_alloc_locked(pool, size);
    }

    if (p == NULL) {
        ngx_http_registry_stats_no_room();
    }

    return p;
}


static ngx_http_registry_logins_node_t *
ngx_http_registry_logins_lookup(ngx_http_registry_logins_t *logins,
    const u_char *id)
{
    ngx_rbtree_key_t  key;

    ngx_memcpy(&key, id, sizeof(ngx_rbtree_key_t));

    return ngx_http_registry_tree_find(&logins->rbtree, key, id,
                                       ngx_http_registry_logins_compare);
}


static ngx_int_t
ngx_http_registry_logins_compare(const void *id, const ngx_rbtree_node_t *node)
{
    const ngx_http_registry_logins_node_t *ln = (const void *) node;

    return ngx_memcmp(id, ln->id, REG_CREDENTIALS_KEY);
}


static void
ngx_http_registry_logins_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    const ngx_http_registry_logins_node_t *ln = (const void *) node;

    ngx_http_registry_tree_insert(temp, node, sentinel, ln->id,
                                  ngx_http_registry_logins_compare);
}


static time_t
ngx_http_registry_logins_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec;
}
