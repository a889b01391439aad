
/*
 * What one client may take of the registry: the limits that an operator sets.
 * The size of a manifest is with ngx_http_registry.h.
 *
 * A refusal by policy is 403 DENIED with a plain sentence, which every client
 * shows, and stops at; 413 makes docker try again for minutes.
 */


#ifndef NGX_HTTP_REGISTRY_LIMITS_H_INCLUDED
#define NGX_HTTP_REGISTRY_LIMITS_H_INCLUDED


#include "ngx_http_registry.h"
#include "ngx_http_registry_parse.h"


typedef struct {
    ngx_http_registry_parses_t  parses;
} ngx_http_registry_limits_main_conf_t;


typedef struct {
    off_t       blob_max_size;        /* 0: none */
    ngx_int_t   page_size;            /* entries */
    ngx_uint_t  sessions;             /* of uploads, in a store; 0: any */
    ngx_uint_t  sessions_per_user;
    time_t      sessions_idle;        /* seconds */
    struct ngx_http_registry_readonly_s  *readonly;   /* NULL: never */
} ngx_http_registry_limits_conf_t;


extern ngx_module_t  ngx_http_registry_limits_module;


#endif /* NGX_HTTP_REGISTRY_LIMITS_H_INCLUDED */
