
/*
 * The scrub in the background (reg_scrub.h): slices of some ms in the
 * maintenance process, at the rate that "registry_scrub" gives.
 */


#ifndef NGX_HTTP_REGISTRY_SCRUB_H_INCLUDED
#define NGX_HTTP_REGISTRY_SCRUB_H_INCLUDED


#include "ngx_http_registry.h"


/* The setter of "registry_scrub". */
char *ngx_http_registry_scrub_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Takes over what a location of the root says, after it was merged: of several
 * the highest rate and the shortest interval hold.
 */
void ngx_http_registry_scrub_merge(ngx_http_registry_root_t *root,
    ngx_http_registry_loc_conf_t *rlcf);

/*
 * A slice of the work, when it is time for one: returns in how many ms the
 * next one is due.
 */
ngx_msec_t ngx_http_registry_scrub(ngx_http_registry_root_t *root);

/* Keeps the place, before the store is closed. */
void ngx_http_registry_scrub_end(ngx_http_registry_root_t *root);


#endif /* NGX_HTTP_REGISTRY_SCRUB_H_INCLUDED */
