
/*
 * registry_warning: sentences for people, which clients show beside what they
 * do (distribution-spec, "Warnings").
 */


#ifndef NGX_HTTP_REGISTRY_WARNING_H_INCLUDED
#define NGX_HTTP_REGISTRY_WARNING_H_INCLUDED


#include "ngx_http_registry.h"


extern ngx_module_t  ngx_http_registry_warning_module;


/*
 * Adds the headers to a reply whose status is known: NGX_OK or NGX_ERROR.  Of
 * a location with a registry, for the main request, once.
 */
ngx_int_t ngx_http_registry_warning_headers(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


#endif /* NGX_HTTP_REGISTRY_WARNING_H_INCLUDED */
