
#include "ngx_http_registry_maintenance.h"


/* files freed by one call: a slice of some milliseconds */
#define NGX_HTTP_REGISTRY_SLICE      200

#define NGX_HTTP_REGISTRY_IDLE       5000
#define NGX_HTTP_REGISTRY_PAUSE      10
#define NGX_HTTP_REGISTRY_FAILED     60000


static ngx_msec_t ngx_http_registry_manager(void *data);
static void ngx_http_registry_timer(ngx_event_t *ev);


ngx_int_t
ngx_http_registry_maintenance_add(ngx_conf_t *cf,
    ngx_http_registry_root_t *root)
{
    ngx_path_t  *path;

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NGX_ERROR;
    }

    path->name = root->root;
    path->manager = ngx_http_registry_manager;
    path->data = root;
    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    return ngx_add_path(cf, &path);
}


/* The manager is called for other paths' sake too, so it keeps its own time. */

static ngx_msec_t
ngx_http_registry_manager(void *data)
{
    ngx_http_registry_root_t *root = data;

    int           left;
    reg_rc_t      rc;
    ngx_msec_t    now, wait;
    reg_error_t   e;
    reg_store_t  *store;

    now = ngx_current_msec;

    if ((ngx_msec_int_t) (root->due - now) > 0) {
        return root->due - now;
    }

    left = 0;
    wait = NGX_HTTP_REGISTRY_IDLE;

    store = ngx_http_registry_store(root, ngx_cycle->log);

    if (store == NULL) {
        wait = NGX_HTTP_REGISTRY_FAILED;

    } else {
        reg_error_clear(&e);

        rc = store->driver->empty_trash(store, NGX_HTTP_REGISTRY_SLICE, &left,
                                        &e);

        if (rc != REG_OK) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, e.sys,
                          "could not free deleted content: %s \"%V/%s\" "
                          "failed", e.call ? e.call : "storage call",
                          &root->root, e.path);
            wait = NGX_HTTP_REGISTRY_FAILED;

        } else if (left) {
            wait = NGX_HTTP_REGISTRY_PAUSE;
        }
    }

    root->due = now + wait;

    return wait;
}


ngx_int_t
ngx_http_registry_maintenance_single(ngx_cycle_t *cycle,
    ngx_http_registry_main_conf_t *rmcf)
{
    ngx_uint_t                  i;
    ngx_event_t                *ev;
    ngx_http_registry_root_t  **root;

    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {

        ev = ngx_pcalloc(cycle->pool, sizeof(ngx_event_t));
        if (ev == NULL) {
            return NGX_ERROR;
        }

        ev->handler = ngx_http_registry_timer;
        ev->data = root[i];
        ev->log = cycle->log;
        ev->cancelable = 1;

        ngx_add_timer(ev, NGX_HTTP_REGISTRY_IDLE);
    }

    return NGX_OK;
}


static void
ngx_http_registry_timer(ngx_event_t *ev)
{
    ngx_add_timer(ev, ngx_http_registry_manager(ev->data));
}
