
/* The directives for who looks after a registry, and their defaults. */


#include "ngx_http_registry_metrics.h"


static char *ngx_http_registry_metrics_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_registry_status_take(ngx_conf_t *cf,
    ngx_http_handler_pt handler);


static ngx_command_t  ngx_http_registry_status_commands[] = {

    { ngx_string("registry_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_registry_metrics_set,
      0,
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

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
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


static char *
ngx_http_registry_metrics_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_registry_status_take(cf,
                                         ngx_http_registry_metrics_handler);
}


/* One location answers one question. */

static char *
ngx_http_registry_status_take(ngx_conf_t *cf, ngx_http_handler_pt handler)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == handler) {
        return "is duplicate";
    }

    if (clcf->handler) {
        return "needs a location of its own";
    }

    clcf->handler = handler;

    return NGX_CONF_OK;
}
