
/*
 * The calls of a store, timed: a driver that asks the one below it.  There is
 * one kind of driver, so the one below is kept once for the process.
 */


#include "ngx_http_registry_stats.h"


/*
 * Each call, what its time is added to, its parameters and how they are handed
 * on.  In the order of reg_driver_t, which ends with two that are not timed.
 */
#define NGX_HTTP_REGISTRY_TIMED(X)                                            \
    X(open, READER,                                                           \
      (reg_store_t *s, const char *path, reg_file_t *f, reg_error_t *e),      \
      (s, path, f, e))                                                        \
    X(look, STAT,                                                             \
      (reg_store_t *s, const char *path, reg_file_t *f, reg_error_t *e),      \
      (s, path, f, e))                                                        \
    X(link, GET_CONTENT,                                                      \
      (reg_store_t *s, const char *path, const reg_digest_t *want,            \
       reg_digest_t *d, int64_t *mtime, reg_error_t *e),                      \
      (s, path, want, d, mtime, e))                                           \
    X(read, GET_CONTENT,                                                      \
      (reg_store_t *s, const char *path, size_t max, reg_buf_t *out,          \
       reg_error_t *e),                                                       \
      (s, path, max, out, e))                                                 \
    X(stat, STAT,                                                             \
      (reg_store_t *s, const char *path, reg_stat_t *st, reg_error_t *e),     \
      (s, path, st, e))                                                       \
    X(dirs, STAT,                                                             \
      (reg_store_t *s, const char *base, const char *const *paths, size_t n,  \
       unsigned char *there, reg_error_t *e),                                 \
      (s, base, paths, n, there, e))                                          \
    X(list, LIST,                                                             \
      (reg_store_t *s, const char *path, reg_list_pt fn, void *ctx,           \
       reg_error_t *e),                                                       \
      (s, path, fn, ctx, e))                                                  \
    X(write, PUT_CONTENT,                                                     \
      (reg_store_t *s, const char *path, reg_str_t data, int durable,         \
       reg_error_t *e),                                                       \
      (s, path, data, durable, e))                                            \
    X(put, PUT_CONTENT,                                                       \
      (reg_store_t *s, const reg_put_t *items, size_t n, reg_error_t *e),     \
      (s, items, n, e))                                                       \
    X(adopt, MOVE,                                                            \
      (reg_store_t *s, const char *from, const char *to, reg_error_t *e),     \
      (s, from, to, e))                                                       \
    X(mkdir, MKDIR,                                                           \
      (reg_store_t *s, const char *path, int durable, reg_error_t *e),        \
      (s, path, durable, e))                                                  \
    X(remove, DELETE,                                                         \
      (reg_store_t *s, const char *path, const char *stop, int *dir,          \
       reg_error_t *e),                                                       \
      (s, path, stop, dir, e))                                                \
    X(discard, DELETE,                                                        \
      (reg_store_t *s, const char *path, int *dir, reg_error_t *e),           \
      (s, path, dir, e))                                                      \
    X(settle, DELETE,                                                         \
      (reg_store_t *s, int dir, const char *path, reg_error_t *e),            \
      (s, dir, path, e))                                                      \
    X(empty_trash, EMPTY_TRASH,                                               \
      (reg_store_t *s, unsigned files, int *left, reg_error_t *e),            \
      (s, files, left, e))                                                    \
    X(lock, LOCK,                                                             \
      (reg_store_t *s, reg_lock_e mode, int *handle, reg_error_t *e),         \
      (s, mode, handle, e))


static void ngx_http_registry_timed(ngx_http_registry_action_e action,
    uint64_t began);


static const reg_driver_t  *ngx_http_registry_driver;


#define ngx_http_registry_timed_call(name, action, params, args)              \
static reg_rc_t                                                               \
ngx_http_registry_timed_##name params                                         \
{                                                                             \
    uint64_t  began;                                                          \
    reg_rc_t  rc;                                                             \
                                                                              \
    began = ngx_http_registry_stats_now();                                    \
                                                                              \
    rc = ngx_http_registry_driver->name args;                                 \
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_##action, began);        \
                                                                              \
    return rc;                                                                \
}

NGX_HTTP_REGISTRY_TIMED(ngx_http_registry_timed_call)


static void
ngx_http_registry_timed_unlock(reg_store_t *s, int handle)
{
    ngx_http_registry_driver->unlock(s, handle);
}


static void
ngx_http_registry_timed_close(reg_store_t *s)
{
    ngx_http_registry_driver->close(s);
}


#define ngx_http_registry_timed_row(name, action, params, args)               \
    ngx_http_registry_timed_##name,

static const reg_driver_t  ngx_http_registry_timed_driver = {
    NGX_HTTP_REGISTRY_TIMED(ngx_http_registry_timed_row)
    ngx_http_registry_timed_unlock,
    ngx_http_registry_timed_close
};


void
ngx_http_registry_stats_driver(reg_store_t *store)
{
    if (ngx_http_registry_stats == NULL) {
        return;
    }

    /* threads may be at work for another store, and read it */

    if (ngx_http_registry_driver == NULL) {
        ngx_http_registry_driver = store->driver;
    }

    store->driver = &ngx_http_registry_timed_driver;
}


static void
ngx_http_registry_timed(ngx_http_registry_action_e action, uint64_t began)
{
    if (ngx_http_registry_stats) {
        ngx_http_registry_stats_time(&ngx_http_registry_stats->storage[action],
                                     ngx_http_registry_short_times, 15,
                                     ngx_http_registry_stats_now() - began);
    }
}
