
/*
 * $request_id, for the log and for events.  nginx asks OpenSSL for 16 bytes for
 * each, which takes longer than to write the line they stand in; here one call
 * serves many.  It is nginx's variable all the same: whoever asks for it first,
 * a request has one.
 */


#ifndef NGX_HTTP_REGISTRY_REQUEST_ID_H_INCLUDED
#define NGX_HTTP_REGISTRY_REQUEST_ID_H_INCLUDED


#include "ngx_http_registry.h"


/* Before the configuration is read: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_registry_request_id_add(ngx_conf_t *cf);

/* *id lives as long as the request does.  NGX_OK, or NGX_ERROR without memory
   or random bytes. */
ngx_int_t ngx_http_registry_request_id(ngx_http_request_t *r, ngx_str_t *id);


#endif /* NGX_HTTP_REGISTRY_REQUEST_ID_H_INCLUDED */
