
/*
 * Headers of a request that nginx has no field for.  ngx_http_registry_send.h
 * adds those of a reply.
 */


#ifndef NGX_HTTP_REGISTRY_HEADERS_IN_H_INCLUDED
#define NGX_HTTP_REGISTRY_HEADERS_IN_H_INCLUDED


#include "ngx_http_registry.h"


/* The first header of that lower case name, or NULL. */
ngx_table_elt_t *ngx_http_registry_find_header(ngx_http_request_t *r,
    const char *name, size_t len);

/* The same; in *n, how many of them there are. */
ngx_table_elt_t *ngx_http_registry_find_headers(ngx_http_request_t *r,
    const char *name, size_t len, ngx_uint_t *n);


#endif /* NGX_HTTP_REGISTRY_HEADERS_IN_H_INCLUDED */
