
/* nginx's own errors as OCI JSON, and the headers of every reply. */


#ifndef NGX_HTTP_REGISTRY_ERRORS_H_INCLUDED
#define NGX_HTTP_REGISTRY_ERRORS_H_INCLUDED


#include "ngx_http_registry.h"


/* Puts the header and body filters into nginx's chains. */
void ngx_http_registry_errors_init(void);

/*
 * What is said when the request is finalized with that status, instead of what
 * is said of the status as such.  text is static; NULL takes it back.
 */
void ngx_http_registry_errors_say(ngx_http_registry_ctx_t *ctx,
    ngx_uint_t status, const char *text);


#endif /* NGX_HTTP_REGISTRY_ERRORS_H_INCLUDED */
