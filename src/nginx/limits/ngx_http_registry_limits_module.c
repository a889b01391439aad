
/* The directives of limits, and their defaults. */


#include "ngx_http_registry_limits.h"
#include "ngx_http_registry_readonly.h"


/* seconds after which a session may be ended for another one's sake */
#define NGX_HTTP_REGISTRY_SESSIONS_IDLE      3600

#define NGX_HTTP_REGISTRY_SESSIONS           10000
#define NGX_HTTP_REGISTRY_SESSIONS_PER_USER  1000
#define NGX_HTTP_REGISTRY_SESSIONS_TOP       1000000

#define NGX_HTTP_REGISTRY_MANIFEST_MEMORY    (64 * 1024 * 1024)
#define NGX_HTTP_REGISTRY_MANIFEST_LEAST     (1024 * 1024)


static void *ngx_http_registry_limits_create_main(ngx_conf_t *cf);
static char *ngx_http_registry_limits_init_main(ngx_conf_t *cf, void *conf);
static void *ngx_http_registry_limits_create(ngx_conf_t *cf);
static char *ngx_http_registry_limits_merge(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_registry_check_page(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_registry_check_memory(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_registry_upload_sessions(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);


static ngx_conf_post_t  ngx_http_registry_page_post =
    { ngx_http_registry_check_page };

static ngx_conf_post_t  ngx_http_registry_memory_post =
    { ngx_http_registry_check_memory };


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

    { ngx_string("registry_manifest_memory"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_registry_limits_main_conf_t, parses.size),
      &ngx_http_registry_memory_post },

    { ngx_string("registry_upload_sessions"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_http_registry_upload_sessions,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_readonly"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_registry_readonly,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_registry_limits_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_registry_limits_create_main,  /* create main configuration */
    ngx_http_registry_limits_init_main,    /* init main configuration */

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
ngx_http_registry_limits_create_main(ngx_conf_t *cf)
{
    ngx_http_registry_limits_main_conf_t  *lmcf;

    lmcf = ngx_pcalloc(cf->pool,
                       sizeof(ngx_http_registry_limits_main_conf_t));
    if (lmcf == NULL) {
        return NULL;
    }

    ngx_queue_init(&lmcf->parses.waiting);
    ngx_queue_init(&lmcf->parses.reading);
    ngx_queue_init(&lmcf->parses.coming);
    lmcf->parses.size = NGX_CONF_UNSET_SIZE;

    return lmcf;
}


static char *
ngx_http_registry_limits_init_main(ngx_conf_t *cf, void *conf)
{
    ngx_http_registry_limits_main_conf_t *lmcf = conf;

    ngx_conf_init_size_value(lmcf->parses.size,
                             NGX_HTTP_REGISTRY_MANIFEST_MEMORY);

    return NGX_CONF_OK;
}


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
    conf->sessions = NGX_CONF_UNSET_UINT;
    conf->readonly = NGX_CONF_UNSET_PTR;

    return conf;
}


static char *
ngx_http_registry_limits_merge(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_registry_limits_conf_t *prev = parent;
    ngx_http_registry_limits_conf_t *conf = child;

    ngx_http_registry_loc_conf_t  *rlcf;

    ngx_conf_merge_off_value(conf->blob_max_size, prev->blob_max_size, 0);
    ngx_conf_merge_value(conf->page_size, prev->page_size, REG_PAGE_N_MAX);
    ngx_conf_merge_ptr_value(conf->readonly, prev->readonly, NULL);

    rlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_registry_module);
    ngx_http_registry_readonly_merge(rlcf->root, conf->readonly);

    if (conf->sessions == NGX_CONF_UNSET_UINT) {

        /* its parameters belong to it */

        if (prev->sessions == NGX_CONF_UNSET_UINT) {
            prev->sessions = NGX_HTTP_REGISTRY_SESSIONS;
            prev->sessions_per_user = NGX_HTTP_REGISTRY_SESSIONS_PER_USER;
            prev->sessions_idle = NGX_HTTP_REGISTRY_SESSIONS_IDLE;
        }

        conf->sessions = prev->sessions;
        conf->sessions_per_user = prev->sessions_per_user;
        conf->sessions_idle = prev->sessions_idle;
    }

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


static char *
ngx_http_registry_check_memory(ngx_conf_t *cf, void *post, void *data)
{
    size_t *size = data;

    if (*size < NGX_HTTP_REGISTRY_MANIFEST_LEAST) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_manifest_memory\" must be at least "
                           "1m");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_upload_sessions(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_registry_limits_conf_t *limits = conf;

    ngx_int_t    n;
    ngx_str_t   *value, s;
    ngx_uint_t   i;

    if (limits->sessions != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        limits->sessions = 0;
        return NGX_CONF_OK;
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n == 0 || n > NGX_HTTP_REGISTRY_SESSIONS_TOP) {
        return "needs a number of sessions from 1 to 1000000, or \"off\"";
    }

    limits->sessions = n;
    limits->sessions_per_user =
        ngx_min(limits->sessions, NGX_HTTP_REGISTRY_SESSIONS_PER_USER);
    limits->sessions_idle = NGX_HTTP_REGISTRY_SESSIONS_IDLE;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "per_user=", 9) == 0) {
            n = ngx_atoi(value[i].data + 9, value[i].len - 9);

            if (n == NGX_ERROR || n == 0
                || (ngx_uint_t) n > limits->sessions)
            {
                return "needs a \"per_user=\" from 1 to the number of all "
                       "sessions";
            }

            limits->sessions_per_user = n;
            continue;
        }

        if (ngx_strncmp(value[i].data, "idle=", 5) == 0) {
            s.len = value[i].len - 5;
            s.data = value[i].data + 5;

            limits->sessions_idle = ngx_parse_time(&s, 1);

            if (limits->sessions_idle == (time_t) NGX_ERROR
                || limits->sessions_idle == 0)
            {
                return "has an \"idle=\" that is no time, write it as "
                       "\"idle=1h\"";
            }

            continue;
        }

        return "takes \"per_user=\" and \"idle=\" and nothing else";
    }

    return NGX_CONF_OK;
}
