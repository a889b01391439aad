
/*
 * A location with "registry": its handler, its root, and what nginx's core is
 * to do otherwise there.
 */


#ifndef NGX_HTTP_REGISTRY_LOCATION_H_INCLUDED
#define NGX_HTTP_REGISTRY_LOCATION_H_INCLUDED


#include "ngx_http_registry.h"


/* The setter of "registry". */
char *ngx_http_registry_location_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Sets what an operator would otherwise have to write beside "registry", in a
 * location that has a root.  nginx's core, being the first module, has merged
 * its own values already.
 */
char *ngx_http_registry_location_merge(ngx_conf_t *cf,
    const ngx_http_registry_loc_conf_t *prev,
    ngx_http_registry_loc_conf_t *conf);


#endif /* NGX_HTTP_REGISTRY_LOCATION_H_INCLUDED */
