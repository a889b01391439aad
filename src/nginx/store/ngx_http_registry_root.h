
/*
 * One directory of images, whichever locations name it: how the configuration
 * comes to have it, and what a process does with it from its start to its
 * end.  ngx_http_registry_store.c opens it.
 */


#ifndef NGX_HTTP_REGISTRY_ROOT_H_INCLUDED
#define NGX_HTTP_REGISTRY_ROOT_H_INCLUDED


#include "ngx_http_registry.h"


/*
 * The root of a directory, which the first location that names it makes.  The
 * name is as it stands in nginx.conf, and not empty.  NULL: it cannot be used,
 * which the log tells.
 */
ngx_http_registry_root_t *ngx_http_registry_root_add(ngx_conf_t *cf,
    ngx_str_t *name);

/*
 * A process begins: nothing of it is open, all of it is due.  One worker says
 * in the log when it cannot write there.
 */
void ngx_http_registry_root_enter(ngx_cycle_t *cycle,
    ngx_http_registry_root_t *root);

/* A process ends: what it has open of the root is closed. */
void ngx_http_registry_root_leave(ngx_http_registry_root_t *root);


#endif /* NGX_HTTP_REGISTRY_ROOT_H_INCLUDED */
