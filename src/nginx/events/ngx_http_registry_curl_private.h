
/*
 * What the two files of ngx_http_registry_curl.h share: a client with its
 * requests, and the multi handle that drives those of all clients of a process.
 */


#ifndef NGX_HTTP_REGISTRY_CURL_PRIVATE_H_INCLUDED
#define NGX_HTTP_REGISTRY_CURL_PRIVATE_H_INCLUDED


#include "ngx_http_registry_curl.h"

#include <curl/curl.h>


/* --- ngx_http_registry_curl_multi.c --- */

/*
 * Begun by the first client of a process: NGX_OK, or NGX_ERROR after a line of
 * the log.  The log has to live as long.
 */
ngx_int_t ngx_http_registry_curl_multi_begin(ngx_log_t *log);
ngx_uint_t ngx_http_registry_curl_multi_begun(void);

/* NGX_OK, and ended() will be called from the event loop; or NGX_ERROR. */
ngx_int_t ngx_http_registry_curl_multi_add(CURL *easy);
void ngx_http_registry_curl_multi_remove(CURL *easy);

/* Closes what is kept; no request is under way any more. */
void ngx_http_registry_curl_multi_end(void);


/* --- ngx_http_registry_curl.c: what the events lead to --- */

/* A request that was added has come to an end; it may begin the next. */
void ngx_http_registry_curl_ended(CURL *easy, CURLcode rc);

/* nginx gives up what is under way: all of it ends. */
void ngx_http_registry_curl_abort(void);


#endif /* NGX_HTTP_REGISTRY_CURL_PRIVATE_H_INCLUDED */
