
/*
 * Lines of the error log about what failed in the store, or was refused: the
 * cause, and the way out of it.  docs/troubleshooting.md has them by symptom.
 */


#ifndef NGX_HTTP_REGISTRY_LOG_H_INCLUDED
#define NGX_HTTP_REGISTRY_LOG_H_INCLUDED


#include "ngx_http_registry.h"


/*
 * What to do about it: "; free space ..." to go on a line with, or "".  Of what
 * the client did, and of what nobody can do anything about, there is nothing.
 */
const char *ngx_http_registry_way_out(const reg_error_t *e);

/* The line of an error that answers the request. */
void ngx_http_registry_log_error(ngx_http_request_t *r, const reg_error_t *e);

/*
 * The line of a failed call of the maintenance: "could not <what>: <call>
 * <file> failed; <way out>".
 */
void ngx_http_registry_log_failed(ngx_http_registry_root_t *root,
    const char *what, const reg_error_t *e);


#endif /* NGX_HTTP_REGISTRY_LOG_H_INCLUDED */
