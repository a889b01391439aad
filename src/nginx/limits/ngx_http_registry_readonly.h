
/* registry_readonly: pulls go on, what would change the store is refused. */


#ifndef NGX_HTTP_REGISTRY_READONLY_H_INCLUDED
#define NGX_HTTP_REGISTRY_READONLY_H_INCLUDED


#include "ngx_http_registry.h"


/* A "registry_readonly" directive. */
typedef struct ngx_http_registry_readonly_s {
    ngx_http_complex_value_t   value;
    ngx_http_complex_value_t  *sentence;     /* NULL: the error table's */
} ngx_http_registry_readonly_t;


char *ngx_http_registry_readonly(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Tells the root that a location of it takes no writes, for the metrics.  What
 * a variable will say is not known here.  Both may be NULL.
 */
void ngx_http_registry_readonly_merge(ngx_http_registry_root_t *root,
    ngx_http_registry_readonly_t *ro);

/*
 * Whether the request may go on as far as that is concerned: NGX_OK;
 * NGX_DECLINED with the reason in ctx->error and ctx->sentence; NGX_ERROR.
 */
ngx_int_t ngx_http_registry_readonly_check(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


#endif /* NGX_HTTP_REGISTRY_READONLY_H_INCLUDED */
