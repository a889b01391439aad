
/* Directives, their defaults, and the wiring of the rest. */


#include "ngx_http_registry.h"
#include "ngx_http_registry_body.h"
#include "ngx_http_registry_cors.h"
#include "ngx_http_registry_errors.h"
#include "ngx_http_registry_gc.h"
#include "ngx_http_registry_location.h"
#include "ngx_http_registry_maintenance.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_root.h"
#include "ngx_http_registry_scrub.h"
#include "ngx_http_registry_stats.h"
#include "ngx_http_registry_zone.h"


#define NGX_HTTP_REGISTRY_ZONE_MIN    (8 * ngx_pagesize)
#define NGX_HTTP_REGISTRY_BUFFER_MIN  (64 * 1024)


static void *ngx_http_registry_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_registry_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_registry_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_registry_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_registry_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_registry_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_registry_init_process(ngx_cycle_t *cycle);
static void ngx_http_registry_exit_process(ngx_cycle_t *cycle);
static char *ngx_http_registry_check_zone(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_registry_check_manifest(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_registry_check_buffer(ngx_conf_t *cf, void *post,
    void *data);


static ngx_conf_post_t  ngx_http_registry_zone_post =
    { ngx_http_registry_check_zone };

static ngx_conf_post_t  ngx_http_registry_manifest_post =
    { ngx_http_registry_check_manifest };

static ngx_conf_post_t  ngx_http_registry_buffer_post =
    { ngx_http_registry_check_buffer };


static ngx_command_t  ngx_http_registry_commands[] = {

    { ngx_string("registry"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_location_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_delete"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, delete),
      NULL },

    { ngx_string("registry_manifest_max_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, manifest_max_size),
      &ngx_http_registry_manifest_post },

    { ngx_string("registry_sparse_index"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, sparse_index),
      NULL },

    { ngx_string("registry_cors_origin"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_registry_cors_origin,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_upload_buffer_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, upload_buffer_size),
      &ngx_http_registry_buffer_post },

    { ngx_string("registry_upload_idle_time"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, upload_idle),
      NULL },

    { ngx_string("registry_gc"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_registry_gc,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_scrub"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_registry_scrub_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_thread_pool"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, pool_name),
      NULL },

    { ngx_string("registry_zone_size"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_registry_main_conf_t, zone_size),
      &ngx_http_registry_zone_post },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_registry_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_registry_init,                /* postconfiguration */

    ngx_http_registry_create_main_conf,    /* create main configuration */
    ngx_http_registry_init_main_conf,      /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_registry_create_loc_conf,     /* create location configuration */
    ngx_http_registry_merge_loc_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_registry_module = {
    NGX_MODULE_V1,
    &ngx_http_registry_module_ctx,         /* module context */
    ngx_http_registry_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_registry_init_module,         /* init module */
    ngx_http_registry_init_process,        /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_registry_exit_process,        /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_registry_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_main_conf_t));
    if (rmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&rmcf->roots, cf->pool, 2,
                       sizeof(ngx_http_registry_root_t *))
        != NGX_OK)
    {
        return NULL;
    }

    rmcf->zone_size = NGX_CONF_UNSET_SIZE;

    return rmcf;
}


static char *
ngx_http_registry_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_registry_main_conf_t *rmcf = conf;

    ngx_conf_init_size_value(rmcf->zone_size, 16 * 1024 * 1024);

    return NGX_CONF_OK;
}


static void *
ngx_http_registry_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_registry_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->pool = NULL;
     *     conf->pool_name = { 0, NULL };
     */

    conf->root = NGX_CONF_UNSET_PTR;
    conf->cors_origins = NGX_CONF_UNSET_PTR;
    conf->manifest_max_size = NGX_CONF_UNSET_SIZE;
    conf->upload_buffer_size = NGX_CONF_UNSET_SIZE;
    conf->gc = NGX_CONF_UNSET_PTR;
    conf->upload_idle = NGX_CONF_UNSET;
    conf->scrub_rate = NGX_CONF_UNSET;
    conf->scrub_interval = NGX_CONF_UNSET;
    conf->delete = NGX_CONF_UNSET;
    conf->sparse_index = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_registry_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_registry_loc_conf_t *prev = parent;
    ngx_http_registry_loc_conf_t *conf = child;

    ngx_conf_merge_ptr_value(conf->root, prev->root, NULL);
    ngx_conf_merge_ptr_value(conf->cors_origins, prev->cors_origins, NULL);
    ngx_conf_merge_size_value(conf->manifest_max_size,
                              prev->manifest_max_size, 4 * 1024 * 1024);
    ngx_conf_merge_size_value(conf->upload_buffer_size,
                              prev->upload_buffer_size, 1024 * 1024);
    ngx_conf_merge_off_value(conf->scrub_rate, prev->scrub_rate, 0);
    ngx_conf_merge_sec_value(conf->scrub_interval, prev->scrub_interval, 0);
    ngx_conf_merge_str_value(conf->pool_name, prev->pool_name, "default");
    ngx_conf_merge_ptr_value(conf->gc, prev->gc, NULL);
    ngx_conf_merge_sec_value(conf->upload_idle, prev->upload_idle,
                             NGX_CONF_UNSET);
    ngx_conf_merge_value(conf->delete, prev->delete, 0);
    ngx_conf_merge_value(conf->sparse_index, prev->sparse_index, 0);

    if (conf->root == NULL) {
        return NGX_CONF_OK;
    }

    ngx_http_registry_scrub_merge(conf->root, conf);

    conf->pool = ngx_thread_pool_add(cf, &conf->pool_name);
    if (conf->pool == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_registry_gc_merge(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_registry_location_merge(cf, prev, conf);
}


static ngx_int_t
ngx_http_registry_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt            *h;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_registry_main_conf_t  *rmcf;

    /*
     * The filters stand in variables of the process, and a configuration that
     * is refused late, such as for a port that is taken, leaves its own there
     * for the workers that the master starts for the one before.
     */

    ngx_http_registry_errors_init();
    ngx_http_registry_body_filter_init();

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);

    if (rmcf->roots.nelts == 0) {
        return NGX_OK;
    }

    if (ngx_http_registry_zone_create(cf, rmcf) != NGX_OK
        || ngx_http_registry_stats_create(cf, rmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_registry_cors_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_init_module(ngx_cycle_t *cycle)
{
    ngx_http_registry_stats_init(
        ngx_http_cycle_get_module_main_conf(cycle, ngx_http_registry_module));

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                       i;
    ngx_http_registry_root_t       **root;
    ngx_http_registry_main_conf_t   *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_registry_module);
    if (rmcf == NULL || rmcf->roots.nelts == 0) {
        return NGX_OK;
    }

    /* a blob beyond the limit on files is to fail alone: write() says EFBIG */

    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "signal(SIGXFSZ) failed");
    }

    ngx_http_registry_stats_enter();

    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {
        ngx_http_registry_root_enter(cycle, root[i]);
    }

    if (ngx_process == NGX_PROCESS_SINGLE) {
        return ngx_http_registry_maintenance_single(cycle, rmcf);
    }

    return NGX_OK;
}


static void
ngx_http_registry_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                       i;
    ngx_http_registry_root_t       **root;
    ngx_http_registry_main_conf_t   *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_registry_module);
    if (rmcf == NULL) {
        return;
    }

    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {
        ngx_http_registry_root_leave(root[i]);
    }

    ngx_http_registry_curl_exit();
    ngx_http_registry_stats_leave();
}


static char *
ngx_http_registry_check_manifest(ngx_conf_t *cf, void *post, void *data)
{
    size_t *size = data;

    if (*size == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_manifest_max_size\" must be more than "
                           "0, clients expect at least 4m");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_check_zone(ngx_conf_t *cf, void *post, void *data)
{
    size_t *size = data;

    if (*size < NGX_HTTP_REGISTRY_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_zone_size\" must be at least %uzk",
                           NGX_HTTP_REGISTRY_ZONE_MIN / 1024);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_check_buffer(ngx_conf_t *cf, void *post, void *data)
{
    size_t *size = data;

    if (*size < NGX_HTTP_REGISTRY_BUFFER_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_upload_buffer_size\" must be at least "
                           "64k");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
