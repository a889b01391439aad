
/* The directives of limits, and their defaults. */


#include "ngx_http_registry_limits.h"


static void *ngx_http_registry_limits_create(ngx_conf_t *cf);
static char *ngx_http_registry_limits_merge(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_registry_check_page(ngx_conf_t *cf, void *post,
    void *data);


static ngx_conf_post_t  ngx_http_registry_page_post =
    { ngx_http_registry_check_page };


static ngx_command_t  ngx_http_registry_limits_commands[] = {

    { ngx_string("registry_blob_max_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_limits_conf_t, blob_max_size),
      NULL },

    { ngx_string("registry_page_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_limits_conf_t, page_size),
      &ngx_http_registry_page_post },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_registry_limits_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_registry_limits_create,       /* create location configuration */
    ngx_http_registry_limits_merge         /* merge location configuration */
};


ngx_module_t  ngx_http_registry_limits_module = {
    NGX_MODULE_V1,
    &ngx_http_registry_limits_module_ctx,  /* module context */
    ngx_http_registry_limits_commands,     /* module directives */
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
ngx_http_registry_limits_create(ngx_conf_t *cf)
{
    ngx_http_registry_limits_conf_t  *conf;

    conf = ngx_palloc(cf->pool, sizeof(ngx_http_registry_limits_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->blob_max_size = NGX_CONF_UNSET;
    conf->page_size = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_registry_limits_merge(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_registry_limits_conf_t *prev = parent;
    ngx_http_registry_limits_conf_t *conf = child;

    ngx_conf_merge_off_value(conf->blob_max_size, prev->blob_max_size, 0);
    ngx_conf_merge_value(conf->page_size, prev->page_size, REG_PAGE_N_MAX);

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_check_page(ngx_conf_t *cf, void *post, void *data)
{
    ngx_int_t *n = data;

    if (*n < 1 || *n > REG_PAGE_N_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_page_size\" must be between 1 and %d",
                           REG_PAGE_N_MAX);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
