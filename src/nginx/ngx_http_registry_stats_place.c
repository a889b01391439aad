
/* What the maintenance tells of a store. */


#include "ngx_http_registry_stats.h"

#include <sys/statvfs.h>


/* seconds between two looks at a store */
#define NGX_HTTP_REGISTRY_LOOK  5


void
ngx_http_registry_stats_look(ngx_http_registry_root_t *root,
    reg_store_t *store)
{
    ngx_uint_t                  writable;
    reg_error_t                 e;
    ngx_atomic_uint_t           now;
    struct statvfs              fs;
    ngx_http_registry_place_t  *place;

    place = root->place;
    now = ngx_http_registry_stats_now() / 1000000;

    if (place == NULL
        || (place->beat != 0 && now - place->beat < NGX_HTTP_REGISTRY_LOOK))
    {
        return;
    }

    writable = 0;
    reg_error_clear(&e);

    if (store) {
        writable = (reg_store_writable(store, &e) == REG_OK);
    }

    if (statvfs((char *) root->root.data, &fs) == 0) {
        place->size = (ngx_atomic_uint_t) fs.f_blocks * fs.f_frsize;
        place->free = (ngx_atomic_uint_t) fs.f_bavail * fs.f_frsize;
        place->inodes = fs.f_files;
        place->inodes_free = fs.f_favail;
        place->looked = 1;

    } else {
        place->looked = 0;
        writable = 0;
    }

    place->writable = writable;

    ngx_memory_barrier();

    /* what a worker that begins at the first second after boot reads as 0 */

    place->beat = ngx_max(now, 1);
}


ngx_http_registry_target_t *
ngx_http_registry_stats_target(ngx_http_registry_root_t *root,
    ngx_str_t *name)
{
    ngx_uint_t                   i;
    ngx_http_registry_target_t  *t;

    if (root->place == NULL || name->len >= NGX_HTTP_REGISTRY_TARGET) {
        return NULL;
    }

    for (i = 0; i < NGX_HTTP_REGISTRY_TARGETS; i++) {
        t = &ngx_http_registry_stats->targets[i];

        if (t->place == NULL) {
            ngx_memcpy(t->name, name->data, name->len);
            t->place = root->place;
            return t;
        }

        if (t->place == root->place
            && ngx_strlen(t->name) == name->len
            && ngx_strncmp(t->name, name->data, name->len) == 0)
        {
            return t;
        }
    }

    return NULL;
}


void
ngx_http_registry_stats_done(ngx_http_registry_root_t *root,
    ngx_http_registry_work_e work, uint64_t removed, uint64_t bytes,
    uint64_t problems, ngx_msec_t took)
{
    ngx_http_registry_work_stats_t  *w;

    if (root->place == NULL) {
        return;
    }

    w = &root->place->work[work];

    (void) ngx_atomic_fetch_add(&w->done, 1);
    (void) ngx_atomic_fetch_add(&w->removed, (ngx_atomic_int_t) removed);
    (void) ngx_atomic_fetch_add(&w->bytes, (ngx_atomic_int_t) bytes);

    w->problems = problems;
    w->took = took;
    w->last = ngx_time();
}


void
ngx_http_registry_stats_failed(ngx_http_registry_root_t *root,
    ngx_http_registry_work_e work)
{
    if (root->place) {
        (void) ngx_atomic_fetch_add(&root->place->work[work].failed, 1);
    }
}


void
ngx_http_registry_stats_store(ngx_http_registry_root_t *root, uint64_t blobs,
    uint64_t repositories, uint64_t locked)
{
    if (root->place) {
        root->place->blobs = blobs;
        root->place->repositories = repositories;
        root->place->locked = locked;
        root->place->counted = 1;
    }
}
