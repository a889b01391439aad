
/* $registry_*: for log_format, map, limit_req, limit_rate. */


#ifndef NGX_HTTP_REGISTRY_VARIABLES_H_INCLUDED
#define NGX_HTTP_REGISTRY_VARIABLES_H_INCLUDED


#include "ngx_http_registry.h"


/* Before the configuration is read: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_registry_variables_add(ngx_conf_t *cf);

/*
 * Appends what they tell to a JSON object, as members with a comma before
 * each: NGX_OK, or NGX_ERROR without memory.
 */
ngx_int_t ngx_http_registry_variables_json(ngx_http_request_t *r,
    reg_buf_t *b);


#endif /* NGX_HTTP_REGISTRY_VARIABLES_H_INCLUDED */
