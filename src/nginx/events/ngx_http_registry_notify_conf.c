
/* "registry_notify": endpoints, which the configuration has once by name. */


#include "ngx_http_registry_notify.h"


static ngx_http_registry_endpoint_t *ngx_http_registry_notify_find(
    ngx_conf_t *cf, ngx_http_registry_notify_main_conf_t *nmcf);
static ngx_uint_t ngx_http_registry_notify_same(
    ngx_http_registry_endpoint_t *ep, ngx_array_t *args);
static ngx_http_registry_endpoint_t *ngx_http_registry_notify_make(
    ngx_conf_t *cf);
static void ngx_http_registry_notify_free(void *data);


char *
ngx_http_registry_notify_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_notify_conf_t *nlcf = conf;

    ngx_str_t                             *value;
    ngx_uint_t                             i;
    ngx_http_registry_endpoint_t          *ep, **p;
    ngx_http_registry_notify_main_conf_t  *nmcf;

    value = cf->args->elts;

    if (cf->args->nelts == 2) {

        if (ngx_strcmp(value[1].data, "off") != 0) {
            return "needs a name and an URL, as in \"registry_notify ci "
                   "https://ci.example/hook;\", or \"off\"";
        }

        if (nlcf->endpoints != NGX_CONF_UNSET_PTR) {
            return "is duplicate";
        }

        nlcf->endpoints = NULL;
        return NGX_CONF_OK;
    }

    if (nlcf->endpoints == NULL) {
        return "is \"off\" here, and cannot name an endpoint as well";
    }

    nmcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_registry_notify_module);

    if (nlcf->endpoints == NGX_CONF_UNSET_PTR) {
        nlcf->endpoints = ngx_array_create(cf->pool, 2, sizeof(void *));
        if (nlcf->endpoints == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    ep = ngx_http_registry_notify_find(cf, nmcf);

    if (ep == NULL) {
        ep = ngx_http_registry_notify_make(cf);
        if (ep == NULL) {
            return NGX_CONF_ERROR;
        }

        p = ngx_array_push(&nmcf->endpoints);
        if (p == NULL) {
            return NGX_CONF_ERROR;
        }

        *p = ep;

    } else if (!ngx_http_registry_notify_same(ep, cf->args)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_notify\" says one thing and another of "
                           "\"%V\"", &ep->name);
        return NGX_CONF_ERROR;
    }

    p = nlcf->endpoints->elts;

    for (i = 0; i < nlcf->endpoints->nelts; i++) {
        if (p[i] == ep) {
            return "is duplicate";
        }
    }

    p = ngx_array_push(nlcf->endpoints);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = ep;

    return NGX_CONF_OK;
}


/* The endpoint of that name, which the whole configuration has once. */

static ngx_http_registry_endpoint_t *
ngx_http_registry_notify_find(ngx_conf_t *cf,
    ngx_http_registry_notify_main_conf_t *nmcf)
{
    ngx_str_t                      *value;
    ngx_uint_t                      i;
    ngx_http_registry_endpoint_t  **ep;

    value = cf->args->elts;
    ep = nmcf->endpoints.elts;

    for (i = 0; i < nmcf->endpoints.nelts; i++) {
        if (ep[i]->name.len == value[1].len
            && ngx_strncmp(ep[i]->name.data, value[1].data, value[1].len) == 0)
        {
            return ep[i];
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_registry_notify_same(ngx_http_registry_endpoint_t *ep,
    ngx_array_t *args)
{
    ngx_str_t   *a, *b;
    ngx_uint_t   i;

    if (ep->args.nelts != args->nelts) {
        return 0;
    }

    a = ep->args.elts;
    b = args->elts;

    for (i = 1; i < args->nelts; i++) {
        if (a[i].len != b[i].len
            || ngx_strncmp(a[i].data, b[i].data, a[i].len) != 0)
        {
            return 0;
        }
    }

    return 1;
}


static ngx_http_registry_endpoint_t *
ngx_http_registry_notify_make(ngx_conf_t *cf)
{
    char                          *rv;
    ngx_str_t                     *value;
    ngx_pool_cleanup_t            *cln;
    ngx_http_registry_endpoint_t  *ep;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_registry_endpoint_t));
    if (cln == NULL) {
        return NULL;
    }

    ep = cln->data;
    ngx_memzero(ep, sizeof(ngx_http_registry_endpoint_t));
    cln->handler = ngx_http_registry_notify_free;

    value = cf->args->elts;

    if (!reg_spool_name_valid(ngx_http_registry_str(&value[1]))) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_notify\" has the name \"%V\", which "
                           "must be up to %d letters, digits, \"_\" and \"-\"",
                           &value[1], REG_SPOOL_NAME_MAX);
        return NULL;
    }

    ep->name = value[1];
    ep->args = *cf->args;
    ep->args.elts = ngx_palloc(cf->pool, cf->args->nelts * sizeof(ngx_str_t));

    if (ep->args.elts == NULL
        || ngx_array_init(&ep->headers, cf->pool, 4, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NULL;
    }

    ngx_memcpy(ep->args.elts, value, cf->args->nelts * sizeof(ngx_str_t));

    rv = ngx_http_registry_notify_params(cf, ep);

    if (rv != NGX_CONF_OK) {

        if (rv != NGX_CONF_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"registry_notify\" \"%V\" %s", &ep->name, rv);
        }

        return NULL;
    }

    return ep;
}


static void
ngx_http_registry_notify_free(void *data)
{
    ngx_http_registry_endpoint_t  *ep = data;

    reg_notify_filter_free(&ep->filter);
}
