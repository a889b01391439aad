
#include "ngx_http_registry_access.h"
#include "ngx_http_registry_limits.h"
#include "ngx_http_registry_sessions.h"
#include "ngx_http_registry_stats.h"
#include "ngx_http_registry_tree.h"
#include "ngx_http_registry_zone.h"

#include "reg_hmac.h"


/* the part of the zone that sessions may take: one in so many */
#define NGX_HTTP_REGISTRY_SESSIONS_PART  4

#define NGX_HTTP_REGISTRY_SESSIONS_WARN  60

/* who has counted a session and not made it since is taken for stuck */
#define NGX_HTTP_REGISTRY_SESSIONS_MAKE  60


/* Sessions of a store, or of a user in it. */
typedef struct {
    ngx_rbtree_node_t                  node;       /* key: begin of the id */
    ngx_queue_t                        queue;      /* longest unused first */
    ngx_queue_t                        place;      /* in it: what stands behind
                                                      is looked at next */
    ngx_uint_t                         n;
    u_char                             id[REG_CREDENTIALS_KEY];
} ngx_http_registry_sessions_count_t;


typedef struct {
    ngx_rbtree_node_t                    node;     /* key: begin of the id */
    ngx_queue_t                          by_store;
    ngx_queue_t                          by_user;
    ngx_http_registry_sessions_count_t  *store;
    ngx_http_registry_sessions_count_t  *user;
    time_t                               used;
    ngx_pid_t                            maker;
    unsigned                             made:1;
    char                                 id[REG_UUID_LEN];
    u_char                               name_len;
    char                                 name[1];
} ngx_http_registry_sessions_node_t;


static ngx_http_registry_sessions_node_t *ngx_http_registry_sessions_find(
    ngx_http_registry_sessions_t *sessions, const char *id);
static ngx_int_t ngx_http_registry_sessions_add(
    ngx_http_registry_main_conf_t *rmcf,
    const ngx_http_registry_sessions_who_t *who, const char *id,
    reg_str_t name);
static void ngx_http_registry_sessions_store(
    ngx_http_registry_main_conf_t *rmcf, ngx_http_registry_root_t *root,
    u_char *id);
static void ngx_http_registry_sessions_touch(
    ngx_http_registry_sessions_node_t *node);
static void ngx_http_registry_sessions_remove(
    ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_sessions_node_t *node);
static ngx_http_registry_sessions_count_t *ngx_http_registry_sessions_count(
    ngx_http_registry_main_conf_t *rmcf, const u_char *id, ngx_uint_t make);
static void ngx_http_registry_sessions_release(
    ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_sessions_count_t *count);
static void ngx_http_registry_sessions_oldest(
    ngx_http_registry_sessions_count_t *count, time_t idle,
    ngx_http_registry_sessions_full_t *full);
static void ngx_http_registry_sessions_look(
    ngx_http_registry_sessions_full_t *full, ngx_queue_t *q, time_t idle,
    time_t now);
static ngx_int_t ngx_http_registry_sessions_compare(const void *id,
    const ngx_rbtree_node_t *node);
static void ngx_http_registry_sessions_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_http_registry_sessions_compare_count(const void *id,
    const ngx_rbtree_node_t *node);
static void ngx_http_registry_sessions_insert_count(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static time_t ngx_http_registry_sessions_now(void);


void
ngx_http_registry_sessions_init(ngx_http_registry_sessions_t *sessions)
{
    ngx_rbtree_init(&sessions->sessions, &sessions->sessions_sentinel,
                    ngx_http_registry_sessions_insert);
    ngx_rbtree_init(&sessions->counts, &sessions->counts_sentinel,
                    ngx_http_registry_sessions_insert_count);

    sessions->size = 0;
    sessions->warned = 0;
}


ngx_uint_t
ngx_http_registry_sessions_open(ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_root_t *root)
{
    u_char                               id[REG_CREDENTIALS_KEY];
    ngx_uint_t                           n;
    ngx_slab_pool_t                     *pool;
    ngx_http_registry_sessions_count_t  *count;

    ngx_http_registry_sessions_store(rmcf, root, id);

    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    count = ngx_http_registry_sessions_count(rmcf, id, 0);
    n = count ? count->n : 0;

    ngx_shmtx_unlock(&pool->mutex);

    return n;
}


/* The id of a store, by which its sessions are counted. */

static void
ngx_http_registry_sessions_store(ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_root_t *root, u_char *id)
{
    reg_str_t  pieces[3];

    pieces[0] = reg_str("store");
    pieces[1] = reg_str("\0");
    pieces[2] = ngx_http_registry_str(&root->root);

    reg_hmac_sha256(ngx_http_registry_logins_key(rmcf), pieces, 3, id);
}


void
ngx_http_registry_sessions_who(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_sessions_who_t *who)
{
    reg_str_t                         pieces[5];
    const u_char                     *key;
    const ngx_http_registry_who_t    *identity;
    ngx_http_registry_loc_conf_t     *rlcf;
    ngx_http_registry_main_conf_t    *rmcf;
    ngx_http_registry_limits_conf_t  *limits;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);
    limits = ngx_http_get_module_loc_conf(r, ngx_http_registry_limits_module);

    identity = ngx_http_registry_identity(ctx);
    key = ngx_http_registry_logins_key(rmcf);

    who->max = limits->sessions;
    who->per_user = limits->sessions_per_user;
    who->idle = limits->sessions_idle;

    ngx_http_registry_sessions_store(rmcf, rlcf->root, who->store);

    pieces[1] = reg_str("\0");
    pieces[2] = ngx_http_registry_str(&rlcf->root->root);
    pieces[3] = reg_str("\0");
    pieces[4] = identity->user;

    if (identity->user.len == 0) {
        ngx_http_registry_logins_who(r, reg_str("upload"), pieces[2],
                                     reg_null_str, who->user);
        return;
    }

    pieces[0] = reg_str("upload user");

    reg_hmac_sha256(key, pieces, 5, who->user);
}


ngx_int_t
ngx_http_registry_sessions_take(ngx_http_request_t *r,
    const ngx_http_registry_sessions_who_t *who, const char *id,
    reg_str_t name, ngx_http_registry_sessions_full_t *full)
{
    ngx_int_t                            rc;
    ngx_slab_pool_t                     *pool;
    ngx_http_registry_main_conf_t       *rmcf;
    ngx_http_registry_sessions_count_t  *user, *store;

    if (who->max == 0) {
        return NGX_OK;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    user = ngx_http_registry_sessions_count(rmcf, who->user, 0);
    store = ngx_http_registry_sessions_count(rmcf, who->store, 0);

    if (user && user->n >= who->per_user) {
        full->limit = who->per_user;
        full->by_user = 1;
        ngx_http_registry_sessions_oldest(user, who->idle, full);
        rc = NGX_BUSY;

    } else if (store && store->n >= who->max) {
        full->limit = who->max;
        full->by_user = 0;
        ngx_http_registry_sessions_oldest(store, who->idle, full);
        rc = NGX_BUSY;

    } else {
        rc = ngx_http_registry_sessions_add(rmcf, who, id, name);
    }

    ngx_shmtx_unlock(&pool->mutex);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "upload sessions are not counted, the shared zone has no "
                      "room for more of them; raise \"registry_zone_size\"");
    }

    return (rc == NGX_BUSY) ? NGX_BUSY : NGX_OK;
}


void
ngx_http_registry_sessions_use(ngx_http_request_t *r,
    const ngx_http_registry_sessions_who_t *who, const char *id,
    reg_str_t name)
{
    ngx_slab_pool_t                    *pool;
    ngx_http_registry_sessions_t       *sessions;
    ngx_http_registry_main_conf_t      *rmcf;
    ngx_http_registry_sessions_node_t  *node;

    if (who->max == 0) {
        return;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    sessions = ngx_http_registry_zone_sessions(rmcf);
    node = ngx_http_registry_sessions_find(sessions, id);

    if (node == NULL) {
        (void) ngx_http_registry_sessions_add(rmcf, who, id, name);
        node = ngx_http_registry_sessions_find(sessions, id);
    }

    if (node) {
        ngx_http_registry_sessions_touch(node);
    }

    ngx_shmtx_unlock(&pool->mutex);
}


void
ngx_http_registry_sessions_end(ngx_http_registry_main_conf_t *rmcf,
    const char *id)
{
    ngx_slab_pool_t                    *pool;
    ngx_http_registry_sessions_node_t  *node;

    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    node = ngx_http_registry_sessions_find(
                               ngx_http_registry_zone_sessions(rmcf), id);

    if (node) {
        ngx_http_registry_sessions_remove(rmcf, node);
    }

    ngx_shmtx_unlock(&pool->mutex);
}


/*
 * All below are called with the zone's lock held.  NGX_DECLINED when a session
 * cannot be counted and that should be said.
 */

static ngx_int_t
ngx_http_registry_sessions_add(ngx_http_registry_main_conf_t *rmcf,
    const ngx_http_registry_sessions_who_t *who, const char *id,
    reg_str_t name)
{
    size_t                               size;
    time_t                               now;
    ngx_http_registry_sessions_t        *sessions;
    ngx_http_registry_sessions_node_t   *node;
    ngx_http_registry_sessions_count_t  *user, *store;

    sessions = ngx_http_registry_zone_sessions(rmcf);
    now = ngx_http_registry_sessions_now();

    size = offsetof(ngx_http_registry_sessions_node_t, name) + name.len;
    node = NULL;
    user = NULL;
    store = NULL;

    if (sessions->size + size
        <= rmcf->zone->shm.size / NGX_HTTP_REGISTRY_SESSIONS_PART)
    {
        store = ngx_http_registry_sessions_count(rmcf, who->store, 1);
        user = ngx_http_registry_sessions_count(rmcf, who->user, 1);

        if (store && user) {
            node = ngx_http_registry_zone_make_room(rmcf, size);
        }
    }

    if (node == NULL) {
        ngx_http_registry_stats_no_room();

        ngx_http_registry_sessions_release(rmcf, store);
        ngx_http_registry_sessions_release(rmcf, user);

        if (sessions->warned
            && now < sessions->warned + NGX_HTTP_REGISTRY_SESSIONS_WARN)
        {
            return NGX_OK;
        }

        sessions->warned = now;

        return NGX_DECLINED;
    }

    ngx_memcpy(&node->node.key, id, sizeof(ngx_rbtree_key_t));
    ngx_memcpy(node->id, id, REG_UUID_LEN);
    ngx_memcpy(node->name, name.data, name.len);

    node->name_len = (u_char) name.len;
    node->used = now;
    node->maker = ngx_pid;
    node->made = 0;
    node->store = store;
    node->user = user;

    ngx_queue_insert_tail(&store->queue, &node->by_store);
    ngx_queue_insert_tail(&user->queue, &node->by_user);

    store->n++;
    user->n++;
    sessions->size += size;

    ngx_rbtree_insert(&sessions->sessions, &node->node);

    return NGX_OK;
}


static void
ngx_http_registry_sessions_touch(ngx_http_registry_sessions_node_t *node)
{
    node->used = ngx_http_registry_sessions_now();
    node->made = 1;

    ngx_queue_remove(&node->by_store);
    ngx_queue_insert_tail(&node->store->queue, &node->by_store);

    ngx_queue_remove(&node->by_user);
    ngx_queue_insert_tail(&node->user->queue, &node->by_user);
}


static void
ngx_http_registry_sessions_remove(ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_sessions_node_t *node)
{
    ngx_http_registry_sessions_t  *sessions;

    sessions = ngx_http_registry_zone_sessions(rmcf);

    ngx_queue_remove(&node->by_store);
    ngx_queue_remove(&node->by_user);

    node->store->n--;
    node->user->n--;

    ngx_http_registry_sessions_release(rmcf, node->store);
    ngx_http_registry_sessions_release(rmcf, node->user);

    sessions->size -= offsetof(ngx_http_registry_sessions_node_t, name)
                      + node->name_len;

    ngx_rbtree_delete(&sessions->sessions, &node->node);
    ngx_slab_free_locked((ngx_slab_pool_t *) rmcf->zone->shm.addr, node);
}


/* The count of that id, which is made if it is not there; or NULL. */

static ngx_http_registry_sessions_count_t *
ngx_http_registry_sessions_count(ngx_http_registry_main_conf_t *rmcf,
    const u_char *id, ngx_uint_t make)
{
    ngx_rbtree_key_t                     key;
    ngx_http_registry_sessions_t        *sessions;
    ngx_http_registry_sessions_count_t  *count;

    sessions = ngx_http_registry_zone_sessions(rmcf);

    ngx_memcpy(&key, id, sizeof(ngx_rbtree_key_t));

    count = ngx_http_registry_tree_find(&sessions->counts, key, id,
                                    ngx_http_registry_sessions_compare_count);

    if (count || !make) {
        return count;
    }

    count = ngx_http_registry_zone_make_room(rmcf,
                                sizeof(ngx_http_registry_sessions_count_t));
    if (count == NULL) {
        return NULL;
    }

    count->node.key = key;
    count->n = 0;
    ngx_memcpy(count->id, id, REG_CREDENTIALS_KEY);
    ngx_queue_init(&count->queue);
    ngx_queue_insert_tail(&count->queue, &count->place);

    ngx_rbtree_insert(&sessions->counts, &count->node);

    return count;
}


/* A count of nothing is not kept. */

static void
ngx_http_registry_sessions_release(ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_sessions_count_t *count)
{
    ngx_http_registry_sessions_t  *sessions;

    if (count == NULL || count->n) {
        return;
    }

    sessions = ngx_http_registry_zone_sessions(rmcf);

    ngx_rbtree_delete(&sessions->counts, &count->node);
    ngx_slab_free_locked((ngx_slab_pool_t *) rmcf->zone->shm.addr, count);
}


/*
 * Copies some: half of those that may be looked at are the ones that were used
 * longest ago, among which one that is idle is found if there is any.  The
 * others, which may be gone without our knowledge, are taken in turn, so that
 * the next one who has to look meets others.  The order stays that of use.
 */

static void
ngx_http_registry_sessions_oldest(ngx_http_registry_sessions_count_t *count,
    time_t idle, ngx_http_registry_sessions_full_t *full)
{
    time_t        now;
    ngx_uint_t    i;
    ngx_queue_t  *q, *next;

    now = ngx_http_registry_sessions_now();
    full->n = 0;

    q = ngx_queue_head(&count->queue);
    next = ngx_queue_next(&count->place);

    for (i = 0; i < NGX_HTTP_REGISTRY_SESSIONS_LOOK / 2; /* void */) {

        if (q == ngx_queue_sentinel(&count->queue)) {
            return;
        }

        if (q == next) {
            next = ngx_queue_next(q);
        }

        if (q != &count->place) {
            ngx_http_registry_sessions_look(full, q, idle, now);
            i++;
        }

        q = ngx_queue_next(q);
    }

    /* q is the first that was not looked at */

    if (next == ngx_queue_sentinel(&count->queue)) {
        next = q;
    }

    while (i < NGX_HTTP_REGISTRY_SESSIONS_LOOK
           && next != ngx_queue_sentinel(&count->queue))
    {
        if (next != &count->place) {
            ngx_http_registry_sessions_look(full, next, idle, now);
            i++;
        }

        next = ngx_queue_next(next);
    }

    if (next != &count->place) {
        ngx_queue_remove(&count->place);

        /* before the one that is the next */

        ngx_queue_insert_tail(next, &count->place);
    }
}


static void
ngx_http_registry_sessions_look(ngx_http_registry_sessions_full_t *full,
    ngx_queue_t *q, time_t idle, time_t now)
{
    ngx_http_registry_sessions_node_t  *node;
    ngx_http_registry_sessions_look_t  *look;

    node = full->by_user
           ? ngx_queue_data(q, ngx_http_registry_sessions_node_t, by_user)
           : ngx_queue_data(q, ngx_http_registry_sessions_node_t, by_store);

    /* what is being made is not there yet */

    if (!node->made && now < node->used + NGX_HTTP_REGISTRY_SESSIONS_MAKE
        && ngx_http_registry_alive(node->maker))
    {
        return;
    }

    look = &full->look[full->n++];

    ngx_memcpy(look->id, node->id, REG_UUID_LEN);
    look->id[REG_UUID_LEN] = '\0';

    ngx_memcpy(look->name, node->name, node->name_len);
    look->name[node->name_len] = '\0';

    look->idle = (now >= node->used + idle);
    look->gone = 0;
}


static ngx_http_registry_sessions_node_t *
ngx_http_registry_sessions_find(ngx_http_registry_sessions_t *sessions,
    const char *id)
{
    ngx_rbtree_key_t  key;

    ngx_memcpy(&key, id, sizeof(ngx_rbtree_key_t));

    return ngx_http_registry_tree_find(&sessions->sessions, key, id,
                                       ngx_http_registry_sessions_compare);
}


static ngx_int_t
ngx_http_registry_sessions_compare(const void *id,
    const ngx_rbtree_node_t *node)
{
    const ngx_http_registry_sessions_node_t *sn = (const void *) node;

    return ngx_memcmp(id, sn->id, REG_UUID_LEN);
}


static void
ngx_http_registry_sessions_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    const ngx_http_registry_sessions_node_t *sn = (const void *) node;

    ngx_http_registry_tree_insert(temp, node, sentinel, sn->id,
                                  ngx_http_registry_sessions_compare);
}


static ngx_int_t
ngx_http_registry_sessions_compare_count(const void *id,
    const ngx_rbtree_node_t *node)
{
    const ngx_http_registry_sessions_count_t *count = (const void *) node;

    return ngx_memcmp(id, count->id, REG_CREDENTIALS_KEY);
}


static void
ngx_http_registry_sessions_insert_count(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    const ngx_http_registry_sessions_count_t *count = (const void *) node;

    ngx_http_registry_tree_insert(temp, node, sentinel, count->id,
                                  ngx_http_registry_sessions_compare_count);
}


static time_t
ngx_http_registry_sessions_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec;
}
