
/* $registry_json: all that an access log tells of a request, as JSON. */


#ifndef NGX_HTTP_REGISTRY_JSON_H_INCLUDED
#define NGX_HTTP_REGISTRY_JSON_H_INCLUDED


#include "ngx_http_registry.h"


/* Before the configuration is read: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_registry_json_add(ngx_conf_t *cf);


#endif /* NGX_HTTP_REGISTRY_JSON_H_INCLUDED */
