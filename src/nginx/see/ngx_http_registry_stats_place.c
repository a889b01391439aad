
/* What the maintenance tells of a store. */


#include "ngx_http_registry_log.h"
#include "ngx_http_registry_stats.h"

#include <sys/statvfs.h>


/* seconds between two looks at a store */
#define NGX_HTTP_REGISTRY_LOOK      5

/* attempts at the lock of the zone, which nobody holds for longer than us */
#define NGX_HTTP_REGISTRY_ATTEMPTS  1000


static void ngx_http_registry_stats_lock(void);
static void ngx_http_registry_stats_marks(ngx_http_registry_place_t *place,
    reg_store_t *store);
static void ngx_http_registry_stats_mark(ngx_http_registry_place_t *place,
    ngx_http_registry_work_e work, const reg_done_t *d);


static const char *const  ngx_http_registry_stats_jobs[] = {
#define X(symbol, name)  name,
    NGX_HTTP_REGISTRY_WORK_TABLE(X)
#undef X
};


void
ngx_http_registry_stats_look(ngx_http_registry_root_t *root,
    reg_store_t *store)
{
    ngx_uint_t                  writable;
    reg_error_t                 e;
    uint64_t                    now;
    struct statvfs              fs;
    ngx_http_registry_place_t  *place;

    static ngx_uint_t           began;

    place = root->place;
    now = ngx_http_registry_stats_now() / 1000000;

    if (place == NULL) {
        return;
    }

    if (!began) {
        began = 1;
        (void) ngx_atomic_fetch_add(&ngx_http_registry_stats->managers, 1);
    }

    if (place->beat != 0 && now - place->beat < NGX_HTTP_REGISTRY_LOOK) {
        return;
    }

    writable = 0;
    reg_error_clear(&e);

    if (store) {
        writable = (reg_store_writable(store, &e) == REG_OK);
        ngx_http_registry_stats_marks(place, store);
    }

    if (statvfs((char *) root->root.data, &fs) == 0) {
        place->size = (uint64_t) fs.f_blocks * fs.f_frsize;
        place->free = (uint64_t) fs.f_bavail * fs.f_frsize;
        place->inodes = fs.f_files;
        place->inodes_free = fs.f_favail;
        place->looked = 1;

    } else {
        place->looked = 0;
        writable = 0;
    }

    place->writable = writable;

    ngx_http_registry_stats_lock();

    ngx_memory_barrier();

    /* what a worker that begins at the first second after boot reads as 0 */

    place->beat = ngx_max(now, 1);
}


void
ngx_http_registry_stats_targets(void)
{
    ngx_uint_t  i;

    for (i = 0;
         ngx_http_registry_stats != NULL && i < NGX_HTTP_REGISTRY_TARGETS;
         i++)
    {
        ngx_http_registry_stats->targets[i].wanted = 0;
    }
}


ngx_http_registry_target_t *
ngx_http_registry_stats_find_target(ngx_http_registry_root_t *root,
    ngx_str_t *name)
{
    ngx_uint_t                   i;
    ngx_http_registry_target_t  *t;

    if (root->place == NULL) {
        return NULL;
    }

    for (i = 0; i < NGX_HTTP_REGISTRY_TARGETS; i++) {
        t = &ngx_http_registry_stats->targets[i];

        if (t->place == root->place
            && ngx_strlen(t->name) == name->len
            && ngx_strncmp(t->name, name->data, name->len) == 0)
        {
            t->wanted = 1;
            return t;
        }
    }

    return NULL;
}


ngx_http_registry_target_t *
ngx_http_registry_stats_give_target(ngx_http_registry_root_t *root,
    ngx_str_t *name)
{
    ngx_uint_t                   i;
    ngx_http_registry_target_t  *t, *gone;

    if (root->place == NULL || name->len >= NGX_HTTP_REGISTRY_TARGET) {
        return NULL;
    }

    t = NULL;
    gone = NULL;

    for (i = 0; i < NGX_HTTP_REGISTRY_TARGETS; i++) {
        t = &ngx_http_registry_stats->targets[i];

        if (t->place == NULL) {
            break;
        }

        if (!t->wanted) {
            gone = t;
        }
    }

    if (i == NGX_HTTP_REGISTRY_TARGETS) {
        t = gone;
    }

    if (t == NULL) {
        return NULL;
    }

    /* workers of the configuration before may be printing it */

    ngx_memzero((void *) &t->events, sizeof(ngx_http_registry_target_t)
                                - offsetof(ngx_http_registry_target_t, events));
    ngx_memcpy(t->name, name->data, name->len);
    t->place = root->place;
    t->wanted = 1;

    return t;
}


/* Whoever holds the lock of the zone lets go of it, now or in a moment. */

static void
ngx_http_registry_stats_lock(void)
{
    ngx_uint_t                      i;
    ngx_slab_pool_t                *pool;
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_registry_module);
    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;

    for (i = 0; i < NGX_HTTP_REGISTRY_ATTEMPTS; i++) {

        if (ngx_shmtx_trylock(&pool->mutex)) {
            ngx_shmtx_unlock(&pool->mutex);

            ngx_http_registry_stats->zone_free =
                ngx_http_registry_stats_now() / 1000000;
            return;
        }

        ngx_sched_yield();
    }
}


void
ngx_http_registry_stats_due(ngx_http_registry_root_t *root, ngx_msec_t wait)
{
    if (root->place) {
        root->place->due = ngx_http_registry_stats_now() / 1000000
                           + wait / 1000;
    }
}


/* What was noted in the store, by whichever process, is told here. */

static void
ngx_http_registry_stats_marks(ngx_http_registry_place_t *place,
    reg_store_t *store)
{
    int64_t                          when;
    reg_done_t                       d;
    ngx_uint_t                       i;
    ngx_http_registry_work_stats_t  *w;

    for (i = 0; i < NGX_HTTP_REGISTRY_WORKS; i++) {
        w = &place->work[i];

        if (reg_done_when(store, ngx_http_registry_stats_jobs[i], &when, NULL)
            != REG_OK
            || w->mark == (uint64_t) when)
        {
            continue;
        }

        if (reg_done_read(store, ngx_http_registry_stats_jobs[i], &d, NULL)
            != REG_OK)
        {
            continue;
        }

        w->mark = (uint64_t) when;

        if (w->last == (uint64_t) d.time) {
            continue;
        }

        /* what was there before us was not done since we count */

        if (place->marked) {
            ngx_http_registry_large_add(&w->done, 1);
        }

        ngx_http_registry_stats_mark(place, i, &d);
    }

    place->marked = 1;
}


static void
ngx_http_registry_stats_mark(ngx_http_registry_place_t *place,
    ngx_http_registry_work_e work, const reg_done_t *d)
{
    ngx_http_registry_work_stats_t  *w;

    w = &place->work[work];

    w->problems = d->problems;
    w->took = d->took;
    w->last = (uint64_t) d->time;

    if (work == NGX_HTTP_REGISTRY_WORK_COUNT) {
        place->blobs = d->blobs;
        place->bytes = d->bytes;
        place->repositories = d->repositories;
        place->counted = (uint64_t) d->time;
    }
}


void
ngx_http_registry_stats_done(ngx_http_registry_root_t *root,
    ngx_http_registry_work_e work, reg_done_t *d, uint64_t removed,
    uint64_t bytes)
{
    reg_rc_t                         rc;
    reg_error_t                      e;
    reg_store_t                     *store;
    ngx_http_registry_work_stats_t  *w;

    d->time = ngx_time();

    if (root->place) {
        w = &root->place->work[work];

        ngx_http_registry_large_add(&w->done, 1);
        ngx_http_registry_large_add(&w->removed, removed);
        ngx_http_registry_large_add(&w->bytes, bytes);

        ngx_http_registry_stats_mark(root->place, work, d);

        if (removed != 0 && work == NGX_HTTP_REGISTRY_WORK_GC) {
            root->place->stale = 1;
        }
    }

    store = ngx_http_registry_store(root, ngx_cycle->log);
    if (store == NULL) {
        return;
    }

    reg_error_clear(&e);

    rc = reg_done_write(store, ngx_http_registry_stats_jobs[work], d, &e);

    if (rc != REG_OK) {
        ngx_http_registry_log_failed(root, "note what was done", &e);
    }
}


void
ngx_http_registry_stats_failed(ngx_http_registry_root_t *root,
    ngx_http_registry_work_e work)
{
    if (root->place) {
        ngx_http_registry_large_add(&root->place->work[work].failed, 1);
    }
}


void
ngx_http_registry_stats_interval(ngx_http_registry_root_t *root,
    ngx_http_registry_work_e work, time_t interval)
{
    if (root->place) {
        root->place->work[work].interval = interval;
    }
}


void
ngx_http_registry_stats_corrupt(ngx_http_registry_root_t *root, uint64_t n)
{
    if (root->place) {
        root->place->corrupt = n;
    }
}


void
ngx_http_registry_stats_locked(ngx_http_registry_root_t *root,
    uint64_t longest)
{
    if (root->place) {
        root->place->locked = longest;
    }
}
