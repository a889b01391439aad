
#include "ngx_http_registry_location.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_root.h"


/* what a body may grow to before a second, larger buffer is taken */
#define NGX_HTTP_REGISTRY_FIRST_BUFFER  (64 * 1024)

/* nginx's default, which no image layer fits into */
#define NGX_HTTP_REGISTRY_CORE_BODY     (1024 * 1024)


static ngx_uint_t ngx_http_registry_location_asked(
    ngx_http_core_loc_conf_t *clcf);


char *
ngx_http_registry_location_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_loc_conf_t *rlcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (rlcf->root != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs a directory, as in \"registry /var/lib/registry;\"";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    rlcf->conf_file = cf->conf_file->file.name.data;
    rlcf->line = cf->conf_file->line;

    /* beside the feed it says who may have that */

    if (clcf->handler == NULL) {
        clcf->handler = ngx_http_registry_handler;

    } else if (clcf->handler != ngx_http_registry_events_handler) {
        return "needs a location of its own";
    }

    if (clcf->name.len && clcf->name.data[clcf->name.len - 1] == '/') {
        clcf->auto_redirect = 1;
    }

    rlcf->root = ngx_http_registry_root_add(cf, &value[1]);
    if (rlcf->root == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* Whether requests of the API, all of them below /v2/, come to a location. */

static ngx_uint_t
ngx_http_registry_location_asked(ngx_http_core_loc_conf_t *clcf)
{
    /* who is led to an internal one by nginx is given another URI, too */

    if (clcf->named || clcf->internal) {
        return 1;
    }

#if (NGX_PCRE)
    if (clcf->regex != NULL) {
        return 1;
    }
#endif

    /* the beginning of "/v2/", or something below it */

    return (clcf->name.len <= 4
            && ngx_strncmp(clcf->name.data, "/v2/", clcf->name.len) == 0)
           || ngx_strncmp(clcf->name.data, "/v2/", 4) == 0;
}


char *
ngx_http_registry_location_merge(ngx_conf_t *cf,
    const ngx_http_registry_loc_conf_t *prev,
    ngx_http_registry_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* a directive further down may have taken its place */

    if (conf->conf_file && clcf->handler != ngx_http_registry_handler
        && clcf->handler != ngx_http_registry_events_handler)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"registry\" needs a location of its own, another "
                      "directive answers in \"%V\" in %s:%ui", &clcf->name,
                      conf->conf_file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (conf->conf_file && clcf->handler == ngx_http_registry_handler
        && !ngx_http_registry_location_asked(clcf))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"registry\" in location \"%V\" would never be "
                      "asked, write \"location /v2/ { ... }\" in %s:%ui",
                      &clcf->name, conf->conf_file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (clcf->client_max_body_size == NGX_HTTP_REGISTRY_CORE_BODY) {
        clcf->client_max_body_size = 0;
    }

    if (clcf->client_body_buffer_size == 2 * ngx_pagesize) {
        clcf->client_body_buffer_size = NGX_HTTP_REGISTRY_FIRST_BUFFER;
    }

    /* "limit_except" makes a location of its own, without a handler */

    if (clcf->lmt_excpt && clcf->handler == NULL && prev->conf_file) {
        clcf->handler = ngx_http_registry_handler;
    }

    return NGX_CONF_OK;
}
