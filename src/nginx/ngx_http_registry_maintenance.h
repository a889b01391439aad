
/*
 * Work that belongs to no request, in nginx's cache manager process: for now
 * the freeing of what was deleted.
 */


#ifndef NGX_HTTP_REGISTRY_MAINTENANCE_H_INCLUDED
#define NGX_HTTP_REGISTRY_MAINTENANCE_H_INCLUDED


#include "ngx_http_registry.h"


/*
 * Registers a root: its directory is made at start and owned by the worker
 * user, and the manager looks after it.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_registry_maintenance_add(ngx_conf_t *cf,
    ngx_http_registry_root_t *root);

/* Without a master there is no manager: the one process has a timer. */
ngx_int_t ngx_http_registry_maintenance_single(ngx_cycle_t *cycle,
    ngx_http_registry_main_conf_t *rmcf);


#endif /* NGX_HTTP_REGISTRY_MAINTENANCE_H_INCLUDED */
