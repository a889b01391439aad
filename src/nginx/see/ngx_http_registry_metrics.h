
/* registry_metrics: what was counted, as a page for Prometheus. */


#ifndef NGX_HTTP_REGISTRY_METRICS_H_INCLUDED
#define NGX_HTTP_REGISTRY_METRICS_H_INCLUDED


#include "ngx_http_registry.h"


/*
 * Content handler.  It reads numbers of the shared memory and nothing else:
 * no file, no directory, no list of anything.
 */
ngx_int_t ngx_http_registry_metrics_handler(ngx_http_request_t *r);


#endif /* NGX_HTTP_REGISTRY_METRICS_H_INCLUDED */
