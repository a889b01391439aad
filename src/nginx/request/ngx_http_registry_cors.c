
#include "ngx_http_registry_cors.h"
#include "ngx_http_registry_headers_in.h"
#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_send.h"


#define NGX_HTTP_REGISTRY_CORS_EXPOSE                                         \
    "Content-Range, Docker-Content-Digest, "                                  \
    "Docker-Distribution-Api-Version, Docker-Upload-UUID, ETag, Link, "       \
    "Location, OCI-Filters-Applied, OCI-Subject, OCI-Tag, Range, "            \
    "Retry-After, Warning, WWW-Authenticate"

#define NGX_HTTP_REGISTRY_CORS_METHODS                                        \
    "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

#define NGX_HTTP_REGISTRY_CORS_HEADERS                                        \
    "Accept, Authorization, Content-Range, Content-Type, "                    \
    "If-Match, If-None-Match, Range"


static ngx_int_t ngx_http_registry_cors_valid(ngx_str_t *origin);
static ngx_str_t *ngx_http_registry_cors_match(ngx_http_request_t *r,
    ngx_http_registry_loc_conf_t *rlcf);


ngx_int_t
ngx_http_registry_cors_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (!ngx_http_registry_cors_is_preflight(r, rlcf)) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_registry_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc == NGX_OK) {
        rc = ngx_http_registry_preflight(r, ctx);
    }

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


ngx_int_t
ngx_http_registry_cors_is_preflight(ngx_http_request_t *r,
    ngx_http_registry_loc_conf_t *rlcf)
{
    return r->method == NGX_HTTP_OPTIONS
           && rlcf->root
           && rlcf->cors_origins
           && ngx_http_registry_find_header(r, "origin", 6)
           && ngx_http_registry_find_header(r,
                                           "access-control-request-method",
                                           29);
}


ngx_int_t
ngx_http_registry_preflight(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (ngx_http_registry_allow_header(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_registry_cors_match(r, rlcf)
        && (ngx_http_registry_header(r, "Access-Control-Allow-Methods",
                                     NGX_HTTP_REGISTRY_CORS_METHODS,
                                   sizeof(NGX_HTTP_REGISTRY_CORS_METHODS) - 1)
            != NGX_OK
            || ngx_http_registry_header(r, "Access-Control-Allow-Headers",
                                        NGX_HTTP_REGISTRY_CORS_HEADERS,
                                   sizeof(NGX_HTTP_REGISTRY_CORS_HEADERS) - 1)
               != NGX_OK
            || ngx_http_registry_header(r, "Access-Control-Max-Age", "86400",
                                        5)
               != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_send_empty(r, NGX_HTTP_NO_CONTENT);
}


ngx_int_t
ngx_http_registry_cors_headers(ngx_http_request_t *r,
    ngx_http_registry_loc_conf_t *rlcf)
{
    ngx_str_t  *origin;

    if (rlcf->cors_origins == NULL) {
        return NGX_OK;
    }

    origin = ngx_http_registry_cors_match(r, rlcf);

    if (origin == NULL || origin->data[0] != '*') {

        /* a cache must not show one origin's reply to another */

        if (ngx_http_registry_header(r, "Vary", "Origin", 6) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (origin == NULL) {
        return NGX_OK;
    }

    if (ngx_http_registry_header(r, "Access-Control-Allow-Origin",
                                 (char *) origin->data, origin->len)
        != NGX_OK
        || ngx_http_registry_header(r, "Access-Control-Expose-Headers",
                                    NGX_HTTP_REGISTRY_CORS_EXPOSE,
                                    sizeof(NGX_HTTP_REGISTRY_CORS_EXPOSE) - 1)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (origin->data[0] == '*') {
        return NGX_OK;
    }

    return ngx_http_registry_header(r, "Access-Control-Allow-Credentials",
                                    "true", 4);
}


/* The configured origin that the request comes from, or NULL. */

static ngx_str_t *
ngx_http_registry_cors_match(ngx_http_request_t *r,
    ngx_http_registry_loc_conf_t *rlcf)
{
    ngx_str_t        *origin;
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    if (rlcf->cors_origins == NULL) {
        return NULL;
    }

    h = ngx_http_registry_find_header(r, "origin", 6);

    if (h == NULL) {
        return NULL;
    }

    origin = rlcf->cors_origins->elts;

    for (i = 0; i < rlcf->cors_origins->nelts; i++) {

        if (origin[i].data[0] == '*'
            || (origin[i].len == h->value.len
                && ngx_strncasecmp(origin[i].data, h->value.data,
                                   h->value.len) == 0))
        {
            return &origin[i];
        }
    }

    return NULL;
}


char *
ngx_http_registry_cors_origin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_loc_conf_t  *rlcf = conf;

    ngx_str_t   *value, *origin;
    ngx_uint_t   i;

    if (rlcf->cors_origins != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    rlcf->cors_origins = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                          sizeof(ngx_str_t));
    if (rlcf->cors_origins == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (!ngx_http_registry_cors_valid(&value[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid origin \"%V\" in "
                               "\"registry_cors_origin\", write \"*\" or a "
                               "scheme and a host as in "
                               "\"https://example.org\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        origin = ngx_array_push(rlcf->cors_origins);
        if (origin == NULL) {
            return NGX_CONF_ERROR;
        }

        *origin = value[i];
    }

    return NGX_CONF_OK;
}


/* "*", or scheme, host and perhaps a port: RFC 6454, 7.1. */

static ngx_int_t
ngx_http_registry_cors_valid(ngx_str_t *origin)
{
    u_char  *p, *last;

    if (origin->len == 1 && origin->data[0] == '*') {
        return 1;
    }

    p = ngx_strnstr(origin->data, "://", origin->len);

    if (p == NULL || p == origin->data) {
        return 0;
    }

    last = origin->data + origin->len;
    p += 3;

    if (p == last) {
        return 0;
    }

    for ( /* void */ ; p < last; p++) {
        if (*p <= ' ' || *p >= 0x7f || ngx_strchr("/?#@,;\\\"'*", *p)) {
            return 0;
        }
    }

    return 1;
}
