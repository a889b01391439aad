
/*
 * The shared zone: what workers remember together.  Losing it loses speed and
 * never data.
 *
 * Manifests by digest: the media type and size of each, and the bytes of
 * small ones.  A digest names its bytes for ever, so an entry is never wrong;
 * whether a repository has the manifest is asked of the store every time.
 *
 * Logins: ngx_http_registry_logins.h.  Wrong passwords:
 * ngx_http_registry_failures.h.  Upload sessions: ngx_http_registry_sessions.h.
 */


#ifndef NGX_HTTP_REGISTRY_ZONE_H_INCLUDED
#define NGX_HTTP_REGISTRY_ZONE_H_INCLUDED


#include "ngx_http_registry.h"
#include "ngx_http_registry_failures.h"
#include "ngx_http_registry_logins.h"
#include "ngx_http_registry_sessions.h"

#include "reg_manifest.h"


typedef struct {
    size_t    size;
    size_t    type_len;
    char      type[REG_MEDIA_TYPE_MAX + 1];
    char     *body;                /* in the request's pool, or NULL */
    unsigned  has_body:1;          /* the zone has it */
} ngx_http_registry_manifest_t;


/* Adds the zone to the configuration; NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_registry_zone_create(ngx_conf_t *cf,
    ngx_http_registry_main_conf_t *rmcf);

/*
 * NGX_OK and *m, or NGX_DECLINED.  The body is copied unless the request is
 * a HEAD, and stays NULL when it was too large to be remembered.
 */
ngx_int_t ngx_http_registry_zone_find(ngx_http_request_t *r,
    const reg_digest_t *d, ngx_http_registry_manifest_t *m);

/* Remembers a manifest, forgetting the least used when there is no room. */
void ngx_http_registry_zone_add(ngx_http_request_t *r,
    const reg_digest_t *d, const char *type, const char *body, size_t size);

/* Forgets a manifest, for any process that has the zone. */
void ngx_http_registry_zone_forget(ngx_http_registry_main_conf_t *rmcf,
    const reg_digest_t *d);

/* The part of the zone that is about logins. */
ngx_http_registry_logins_t *ngx_http_registry_zone_logins(
    ngx_http_registry_main_conf_t *rmcf);

/* The part that is about wrong passwords. */
ngx_http_registry_failures_t *ngx_http_registry_zone_failures(
    ngx_http_registry_main_conf_t *rmcf);

/* The part that is about upload sessions. */
ngx_http_registry_sessions_t *ngx_http_registry_zone_sessions(
    ngx_http_registry_main_conf_t *rmcf);

/*
 * Memory of the zone, for which manifests are forgotten when there is none;
 * or NULL.  The caller holds the zone's lock.
 */
void *ngx_http_registry_zone_make_room(ngx_http_registry_main_conf_t *rmcf,
    size_t size);


#endif /* NGX_HTTP_REGISTRY_ZONE_H_INCLUDED */
