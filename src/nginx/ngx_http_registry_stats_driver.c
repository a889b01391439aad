
/*
 * The calls of a store, timed: a driver that asks the one below it.  There is
 * one kind of driver, so the one below is kept once for the process.
 */


#include "ngx_http_registry_stats.h"


static reg_rc_t ngx_http_registry_timed_open(reg_store_t *s, const char *path,
    reg_file_t *f, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_read(reg_store_t *s, const char *path,
    size_t max, reg_buf_t *out, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_stat(reg_store_t *s, const char *path,
    reg_stat_t *st, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_dirs(reg_store_t *s, const char *base,
    const char *const *paths, size_t n, unsigned char *there, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_list(reg_store_t *s, const char *path,
    reg_list_pt fn, void *ctx, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_write(reg_store_t *s,
    const char *path, reg_str_t data, int durable, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_put(reg_store_t *s,
    const reg_put_t *items, size_t n, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_adopt(reg_store_t *s,
    const char *from, const char *to, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_mkdir(reg_store_t *s,
    const char *path, int durable, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_remove(reg_store_t *s,
    const char *path, const char *stop, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_discard(reg_store_t *s,
    const char *path, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_empty_trash(reg_store_t *s,
    unsigned files, int *left, reg_error_t *e);
static reg_rc_t ngx_http_registry_timed_lock(reg_store_t *s, reg_lock_e mode,
    int *handle, reg_error_t *e);
static void ngx_http_registry_timed_unlock(reg_store_t *s, int handle);
static void ngx_http_registry_timed_close(reg_store_t *s);
static void ngx_http_registry_timed(ngx_http_registry_action_e action,
    uint64_t began);


static const reg_driver_t  *ngx_http_registry_driver;


static const reg_driver_t  ngx_http_registry_timed_driver = {
    ngx_http_registry_timed_open,
    ngx_http_registry_timed_read,
    ngx_http_registry_timed_stat,
    ngx_http_registry_timed_dirs,
    ngx_http_registry_timed_list,
    ngx_http_registry_timed_write,
    ngx_http_registry_timed_put,
    ngx_http_registry_timed_adopt,
    ngx_http_registry_timed_mkdir,
    ngx_http_registry_timed_remove,
    ngx_http_registry_timed_discard,
    ngx_http_registry_timed_empty_trash,
    ngx_http_registry_timed_lock,
    ngx_http_registry_timed_unlock,
    ngx_http_registry_timed_close
};


void
ngx_http_registry_stats_driver(reg_store_t *store)
{
    if (ngx_http_registry_stats == NULL) {
        return;
    }

    ngx_http_registry_driver = store->driver;
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


static reg_rc_t
ngx_http_registry_timed_open(reg_store_t *s, const char *path, reg_file_t *f,
    reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->open(s, path, f, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_READER, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_read(reg_store_t *s, const char *path, size_t max,
    reg_buf_t *out, reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->read(s, path, max, out, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_GET_CONTENT, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_stat(reg_store_t *s, const char *path, reg_stat_t *st,
    reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->stat(s, path, st, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_STAT, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_dirs(reg_store_t *s, const char *base,
    const char *const *paths, size_t n, unsigned char *there, reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->dirs(s, base, paths, n, there, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_STAT, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_list(reg_store_t *s, const char *path, reg_list_pt fn,
    void *ctx, reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->list(s, path, fn, ctx, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_LIST, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_write(reg_store_t *s, const char *path,
    reg_str_t data, int durable, reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->write(s, path, data, durable, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_PUT_CONTENT, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_put(reg_store_t *s, const reg_put_t *items, size_t n,
    reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->put(s, items, n, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_PUT_CONTENT, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_adopt(reg_store_t *s, const char *from,
    const char *to, reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->adopt(s, from, to, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_MOVE, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_mkdir(reg_store_t *s, const char *path, int durable,
    reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->mkdir(s, path, durable, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_MKDIR, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_remove(reg_store_t *s, const char *path,
    const char *stop, reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->remove(s, path, stop, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_DELETE, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_discard(reg_store_t *s, const char *path,
    reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->discard(s, path, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_DELETE, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_empty_trash(reg_store_t *s, unsigned files, int *left,
    reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->empty_trash(s, files, left, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_EMPTY_TRASH, began);

    return rc;
}


static reg_rc_t
ngx_http_registry_timed_lock(reg_store_t *s, reg_lock_e mode, int *handle,
    reg_error_t *e)
{
    uint64_t  began;
    reg_rc_t  rc;

    began = ngx_http_registry_stats_now();

    rc = ngx_http_registry_driver->lock(s, mode, handle, e);
    ngx_http_registry_timed(NGX_HTTP_REGISTRY_ACTION_LOCK, began);

    return rc;
}


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
