
/*
 * Cross-origin requests (the Fetch standard, "CORS protocol"), for pages that
 * talk to the registry from a browser.
 */


#ifndef NGX_HTTP_REGISTRY_CORS_H_INCLUDED
#define NGX_HTTP_REGISTRY_CORS_H_INCLUDED


#include "ngx_http_registry.h"


/*
 * Access phase: answers a preflight before anything asks for credentials,
 * which a browser does not send with it.
 */
ngx_int_t ngx_http_registry_cors_handler(ngx_http_request_t *r);

/*
 * Whether the request is a preflight that is answered without credentials: it
 * names its origin and the method that it is about.
 */
ngx_int_t ngx_http_registry_cors_is_preflight(ngx_http_request_t *r,
    ngx_http_registry_loc_conf_t *rlcf);

/* Adds what an allowed origin needs to read a reply. */
ngx_int_t ngx_http_registry_cors_headers(ngx_http_request_t *r,
    ngx_http_registry_loc_conf_t *rlcf);

/* registry_cors_origin */
char *ngx_http_registry_cors_origin(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* NGX_HTTP_REGISTRY_CORS_H_INCLUDED */
