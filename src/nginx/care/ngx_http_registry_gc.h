
/*
 * What makes room in a store: the collection of garbage and the purge of
 * uploads, as directives and as jobs of the maintenance.
 */


#ifndef NGX_HTTP_REGISTRY_GC_H_INCLUDED
#define NGX_HTTP_REGISTRY_GC_H_INCLUDED


#include "ngx_http_registry_maintenance.h"


/* A "registry_gc" directive. */
typedef struct ngx_http_registry_gc_conf_s {
    ngx_flag_t   enable;
    time_t       interval;
    time_t       grace;
    time_t       untagged;         /* age of manifests; -1: they stay */
    ngx_uint_t   empty;            /* repositories go that hold nothing */
    off_t        rate;             /* bytes a second; 0: any */
    ngx_uint_t   iops;             /* calls a second; 0: any */
    ngx_int_t    from;             /* minutes of the day, of the window */
    ngx_int_t    to;               /* the same as from: all day */
} ngx_http_registry_gc_conf_t;


extern const ngx_http_registry_job_t  ngx_http_registry_gc_job;
extern const ngx_http_registry_job_t  ngx_http_registry_purge_job;


char *ngx_http_registry_gc(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* Tells the root what its location says; locations must not disagree. */
ngx_int_t ngx_http_registry_gc_merge(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);

/*
 * How old a lease may be, in ns, when somebody is told that a blob or manifest
 * is there and need not have it renewed: half of what the collector gives.
 */
int64_t ngx_http_registry_gc_lease(ngx_http_registry_root_t *root);


#endif /* NGX_HTTP_REGISTRY_GC_H_INCLUDED */
