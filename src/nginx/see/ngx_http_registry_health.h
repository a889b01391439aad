
/* registry_health: whether the registry is well, for probes and people. */


#ifndef NGX_HTTP_REGISTRY_HEALTH_H_INCLUDED
#define NGX_HTTP_REGISTRY_HEALTH_H_INCLUDED


#include "ngx_http_registry.h"


typedef struct {
    ngx_http_handler_pt  handler;  /* NULL: not in this location */
    off_t                min_free; /* bytes */
} ngx_http_registry_status_conf_t;


extern ngx_module_t  ngx_http_registry_status_module;


/*
 * Content handler: 200 or 503, and JSON.  It reads what the maintenance and
 * the workers have left in shared memory, and never waits.
 */
ngx_int_t ngx_http_registry_health_handler(ngx_http_request_t *r);


#endif /* NGX_HTTP_REGISTRY_HEALTH_H_INCLUDED */
