
/*
 * What can be checked only when all of nginx.conf is read, "events" too, which
 * may stand behind "http".  A module of HTTP is asked no more before it is too
 * late: where its init_module() fails, nginx exits, and at a reload that is the
 * master.  One of the core can refuse the configuration.
 */


#include "ngx_http_registry.h"


static char *ngx_http_registry_check_init_conf(ngx_cycle_t *cycle, void *conf);


static ngx_core_module_t  ngx_http_registry_check_module_ctx = {
    ngx_string("registry_check"),
    NULL,
    ngx_http_registry_check_init_conf
};


ngx_module_t  ngx_http_registry_check_module = {
    NGX_MODULE_V1,
    &ngx_http_registry_check_module_ctx,   /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * Threads wake the event loop up by a notification, which select and poll do
 * not have: workers would die at start.
 */

static char *
ngx_http_registry_check_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_event_conf_t               *ecf;
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_registry_module);

    if (rmcf == NULL || rmcf->roots.nelts == 0) {
        return NGX_CONF_OK;
    }

    ecf = ngx_event_get_conf(cycle->conf_ctx, ngx_event_core_module);

    if (ngx_strcmp(ecf->name, "select") == 0
        || ngx_strcmp(ecf->name, "poll") == 0)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "\"registry\" needs thread pools, which \"use %s\" in "
                      "the \"events\" block cannot serve; remove it",
                      ecf->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
