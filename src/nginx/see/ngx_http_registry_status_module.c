
/* The directives for who looks after a registry, and their defaults. */


#include "ngx_http_registry_health.h"
#include "ngx_http_registry_metrics.h"


/* what a push of some layers takes */
#define NGX_HTTP_REGISTRY_MIN_FREE  (100 * 1024 * 1024)


static void *ngx_http_registry_status_create(ngx_conf_t *cf);
static char *ngx_http_registry_status_merge(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_registry_health_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_registry_metrics_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_registry_status_take(ngx_conf_t *cf, void *conf,
    ngx_http_handler_pt handler);


static ngx_command_t  ngx_http_registry_status_commands[] = {

    { ngx_string("registry_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_registry_metrics_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_health"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_registry_health_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_registry_status_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_registry_status_create,       /* create location configuration */
    ngx_http_registry_status_merge         /* merge location configuration */
};


ngx_module_t  ngx_http_registry_status_module = {
    NGX_MODULE_V1,
    &ngx_http_registry_status_module_ctx,  /* module context */
    ngx_http_registry_status_commands,     /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_registry_status_create(ngx_conf_t *cf)
{
    ngx_http_registry_status_conf_t  *conf;

    conf = ngx_palloc(cf->pool, sizeof(ngx_http_registry_status_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->handler = NULL;
    conf->min_free = NGX_CONF_UNSET;

    return conf;
}


/* To nginx "if" and "limit_except" are locations inside of the one they are
   in, and are answered as it is. */

static char *
ngx_http_registry_status_merge(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_registry_status_conf_t *prev = parent;
    ngx_http_registry_status_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_off_value(conf->min_free, prev->min_free,
                             NGX_HTTP_REGISTRY_MIN_FREE);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->lmt_excpt && clcf->handler == NULL) {
        clcf->handler = prev->handler;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_health_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_status_conf_t *status = conf;

    ngx_str_t  *value, s;

    value = cf->args->elts;
    status->min_free = NGX_HTTP_REGISTRY_MIN_FREE;

    if (cf->args->nelts == 2) {

        if (ngx_strncmp(value[1].data, "min_free=", 9) != 0) {
            return "takes \"min_free=\" and nothing else";
        }

        s.len = value[1].len - 9;
        s.data = value[1].data + 9;

        status->min_free = ngx_parse_offset(&s);

        if (status->min_free == (off_t) NGX_ERROR) {
            return "has a \"min_free=\" that is no size, write it as "
                   "\"min_free=10g\"";
        }
    }

    return ngx_http_registry_status_take(cf, conf,
                                         ngx_http_registry_health_handler);
}


static char *
ngx_http_registry_metrics_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_registry_status_take(cf, conf,
                                         ngx_http_registry_metrics_handler);
}


/* One location answers one question. */

static char *
ngx_http_registry_status_take(ngx_conf_t *cf, void *conf,
    ngx_http_handler_pt handler)
{
    ngx_http_registry_status_conf_t *status = conf;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == handler) {
        return "is duplicate";
    }

    if (clcf->handler) {
        return "needs a location of its own";
    }

    clcf->handler = handler;
    status->handler = handler;

    return NGX_CONF_OK;
}
