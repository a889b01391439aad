
/* nginx's own errors as OCI JSON, and the headers of every reply. */


#ifndef NGX_HTTP_REGISTRY_ERRORS_H_INCLUDED
#define NGX_HTTP_REGISTRY_ERRORS_H_INCLUDED


/* Puts the header and body filters into nginx's chains. */
void ngx_http_registry_errors_init(void);


#endif /* NGX_HTTP_REGISTRY_ERRORS_H_INCLUDED */
