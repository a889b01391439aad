
/* The directives of webhooks and of the feed, and their wiring. */


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_notify.h"


#define NGX_HTTP_REGISTRY_EVENTS_SIZE  (64 * 1024 * 1024)
#define NGX_HTTP_REGISTRY_EVENTS_KEEP  (7 * 24 * 3600)

/* names of endpoints in the record of an event */
#define NGX_HTTP_REGISTRY_NOTIFY_TO    REG_SPOOL_TO_MAX


static void *ngx_http_registry_notify_create_main(ngx_conf_t *cf);
static void *ngx_http_registry_notify_create(ngx_conf_t *cf);
static char *ngx_http_registry_notify_merge(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_registry_notify_names(ngx_conf_t *cf,
    ngx_http_registry_notify_conf_t *conf);
static char *ngx_http_registry_notify_store(ngx_conf_t *cf,
    ngx_http_registry_notify_conf_t *conf, ngx_http_registry_root_t *root);
static char *ngx_http_registry_notify_deliver(ngx_conf_t *cf,
    ngx_http_registry_events_t *events, ngx_http_registry_endpoint_t *ep);
static ngx_int_t ngx_http_registry_notify_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_registry_notify_instance(ngx_conf_t *cf,
    ngx_http_registry_notify_main_conf_t *nmcf);
static ngx_int_t ngx_http_registry_notify_init_module(ngx_cycle_t *cycle);
static void ngx_http_registry_notify_count(
    ngx_http_registry_main_conf_t *rmcf, ngx_http_registry_target_pt place);
static ngx_int_t ngx_http_registry_notify_init_process(ngx_cycle_t *cycle);
static char *ngx_http_registry_notify_check_size(ngx_conf_t *cf, void *post,
    void *data);


static ngx_conf_post_t  ngx_http_registry_notify_size_post =
    { ngx_http_registry_notify_check_size };


static ngx_command_t  ngx_http_registry_notify_commands[] = {

    { ngx_string("registry_notify"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_registry_notify_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_events_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_notify_conf_t, size),
      &ngx_http_registry_notify_size_post },

    { ngx_string("registry_events_keep"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_notify_conf_t, keep),
      NULL },

    { ngx_string("registry_events"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE12,
      ngx_http_registry_events_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_registry_notify_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_registry_notify_init,         /* postconfiguration */

    ngx_http_registry_notify_create_main,  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_registry_notify_create,       /* create location configuration */
    ngx_http_registry_notify_merge         /* merge location configuration */
};


ngx_module_t  ngx_http_registry_notify_module = {
    NGX_MODULE_V1,
    &ngx_http_registry_notify_module_ctx,  /* module context */
    ngx_http_registry_notify_commands,     /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_registry_notify_init_module,  /* init module */
    ngx_http_registry_notify_init_process, /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_registry_notify_create_main(ngx_conf_t *cf)
{
    ngx_http_registry_notify_main_conf_t  *nmcf;

    nmcf = ngx_pcalloc(cf->pool,
                       sizeof(ngx_http_registry_notify_main_conf_t));
    if (nmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&nmcf->endpoints, cf->pool, 2, sizeof(void *)) != NGX_OK
        || ngx_array_init(&nmcf->feeds, cf->pool, 2, sizeof(void *)) != NGX_OK)
    {
        return NULL;
    }

    return nmcf;
}


static void *
ngx_http_registry_notify_create(ngx_conf_t *cf)
{
    ngx_http_registry_notify_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_notify_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->endpoints = NGX_CONF_UNSET_PTR;
    conf->size = NGX_CONF_UNSET;
    conf->keep = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_registry_notify_merge(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_registry_notify_conf_t *prev = parent;
    ngx_http_registry_notify_conf_t *conf = child;

    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_registry_loc_conf_t  *rlcf;

    ngx_conf_merge_ptr_value(conf->endpoints, prev->endpoints, NULL);
    ngx_conf_merge_off_value(conf->size, prev->size, NGX_CONF_UNSET);
    ngx_conf_merge_sec_value(conf->keep, prev->keep, NGX_CONF_UNSET);

    rlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_registry_module);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname || clcf->lmt_excpt) {
        conf->source = prev->source;
    }

    if (clcf->lmt_excpt && conf->source) {
        clcf->handler = ngx_http_registry_events_handler;
    }

    /* a feed is read in threads, and has no store to name their pool for */

    if (conf->source && rlcf->pool == NULL) {
        rlcf->pool = ngx_thread_pool_add(cf, &rlcf->pool_name);
        if (rlcf->pool == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    conf->access = ngx_http_conf_get_module_loc_conf(cf,
                                              ngx_http_registry_access_module);

    if (rlcf->root == NULL) {
        return NGX_CONF_OK;
    }

    conf->root = rlcf->root;

    if (ngx_http_registry_notify_names(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_registry_notify_store(cf, conf, rlcf->root);
}


/* Whom the events of a location are for. */

static char *
ngx_http_registry_notify_names(ngx_conf_t *cf,
    ngx_http_registry_notify_conf_t *conf)
{
    u_char                         *p;
    size_t                          len;
    ngx_uint_t                      i;
    ngx_http_registry_endpoint_t  **ep;

    if (conf->endpoints == NULL) {
        ngx_str_set(&conf->to, REG_SPOOL_NOBODY);
        return NGX_CONF_OK;
    }

    len = 0;
    ep = conf->endpoints->elts;

    for (i = 0; i < conf->endpoints->nelts; i++) {
        len += ep[i]->name.len + 1;
    }

    if (len > NGX_HTTP_REGISTRY_NOTIFY_TO) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_notify\" names more endpoints in one "
                           "location than an event can have");
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    conf->to.data = p;

    for (i = 0; i < conf->endpoints->nelts; i++) {

        if (i) {
            *p++ = ',';
        }

        p = ngx_cpymem(p, ep[i]->name.data, ep[i]->name.len);

        if (ep[i]->filter.actions & REG_EVENT_PULL) {
            conf->pulls = 1;
        }
    }

    conf->to.len = p - conf->to.data;

    return NGX_CONF_OK;
}


ngx_http_registry_events_t *
ngx_http_registry_notify_events(ngx_conf_t *cf, ngx_http_registry_root_t *root)
{
    ngx_http_registry_events_t  *events;

    if (root->events) {
        return root->events;
    }

    events = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_events_t));
    if (events == NULL) {
        return NULL;
    }

    if (ngx_array_init(&events->deliveries, cf->pool, 2, sizeof(void *))
        != NGX_OK)
    {
        return NULL;
    }

    events->root = root;
    events->size = NGX_CONF_UNSET;
    events->keep = NGX_CONF_UNSET;

    root->events = events;

    return events;
}


static char *
ngx_http_registry_notify_store(ngx_conf_t *cf,
    ngx_http_registry_notify_conf_t *conf, ngx_http_registry_root_t *root)
{
    ngx_uint_t                      i;
    ngx_http_registry_events_t     *events;
    ngx_http_registry_endpoint_t  **ep;

    if (conf->endpoints == NULL
        && conf->size == NGX_CONF_UNSET && conf->keep == NGX_CONF_UNSET)
    {
        return NGX_CONF_OK;
    }

    events = ngx_http_registry_notify_events(cf, root);
    if (events == NULL) {
        return NGX_CONF_ERROR;
    }

    if ((conf->size != NGX_CONF_UNSET && events->size != NGX_CONF_UNSET
         && conf->size != events->size)
        || (conf->keep != NGX_CONF_UNSET && events->keep != NGX_CONF_UNSET
            && conf->keep != events->keep))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_events_size\" or "
                           "\"registry_events_keep\" says one thing and "
                           "another of \"%V\", which several locations name",
                           &root->root);
        return NGX_CONF_ERROR;
    }

    if (conf->size != NGX_CONF_UNSET) {
        events->size = conf->size;
    }

    if (conf->keep != NGX_CONF_UNSET) {
        events->keep = conf->keep;
    }

    if (conf->endpoints == NULL) {
        return NGX_CONF_OK;
    }

    ep = conf->endpoints->elts;

    for (i = 0; i < conf->endpoints->nelts; i++) {
        if (ngx_http_registry_notify_deliver(cf, events, ep[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_notify_deliver(ngx_conf_t *cf,
    ngx_http_registry_events_t *events, ngx_http_registry_endpoint_t *ep)
{
    ngx_uint_t                      i;
    ngx_http_registry_delivery_t  **d;

    d = events->deliveries.elts;

    for (i = 0; i < events->deliveries.nelts; i++) {
        if (ngx_http_registry_delivery_endpoint(d[i]) == ep) {
            return NGX_CONF_OK;
        }
    }

    d = ngx_array_push(&events->deliveries);
    if (d == NULL) {
        return NGX_CONF_ERROR;
    }

    *d = ngx_http_registry_delivery_create(cf, events, ep);

    return *d ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_registry_notify_init(ngx_conf_t *cf)
{
    ngx_uint_t                              i, wanted;
    ngx_http_handler_pt                    *h;
    ngx_http_registry_root_t              **root;
    ngx_http_core_main_conf_t              *cmcf;
    ngx_http_registry_main_conf_t          *rmcf;
    ngx_http_registry_notify_conf_t       **feed;
    ngx_http_registry_notify_main_conf_t   *nmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);
    nmcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_registry_notify_module);

    feed = nmcf->feeds.elts;

    for (i = 0; i < nmcf->feeds.nelts; i++) {
        if (ngx_http_registry_notify_feed(cf, rmcf, feed[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    wanted = 0;
    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {

        if (root[i]->events == NULL) {
            continue;
        }

        /* a size alone makes no spool */

        if (root[i]->events->deliveries.nelts == 0 && !root[i]->events->feed) {
            root[i]->events = NULL;
            continue;
        }

        ngx_conf_init_value(root[i]->events->size,
                            NGX_HTTP_REGISTRY_EVENTS_SIZE);
        ngx_conf_init_value(root[i]->events->keep,
                            NGX_HTTP_REGISTRY_EVENTS_KEEP);
        wanted = 1;
    }

    if (!wanted) {
        return NGX_OK;
    }

    if (ngx_http_registry_notify_instance(cf, nmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_registry_pulls_handler;

    return NGX_OK;
}


/* "Changes after each restart": a reload is none. */

static ngx_int_t
ngx_http_registry_notify_instance(ngx_conf_t *cf,
    ngx_http_registry_notify_main_conf_t *nmcf)
{
    static char  instance[REG_UUID_LEN + 1];

    if (instance[0] == '\0' && reg_uuid_make(instance) != 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the system gives no random bytes");
        return NGX_ERROR;
    }

    nmcf->instance.data = (u_char *) instance;
    nmcf->instance.len = REG_UUID_LEN;

    return NGX_OK;
}


/* The other module has given each root its place by now. */

static ngx_int_t
ngx_http_registry_notify_init_module(ngx_cycle_t *cycle)
{
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_registry_module);
    if (rmcf == NULL) {
        return NGX_OK;
    }

    ngx_http_registry_stats_targets();

    ngx_http_registry_notify_count(rmcf, ngx_http_registry_stats_find_target);
    ngx_http_registry_notify_count(rmcf, ngx_http_registry_stats_give_target);

    return NGX_OK;
}


static void
ngx_http_registry_notify_count(ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_target_pt place)
{
    ngx_uint_t                       i, j;
    ngx_http_registry_root_t       **root;
    ngx_http_registry_delivery_t   **d;

    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {

        if (root[i]->events == NULL) {
            continue;
        }

        d = root[i]->events->deliveries.elts;

        for (j = 0; j < root[i]->events->deliveries.nelts; j++) {

            if (ngx_http_registry_delivery_target(d[j])) {
                continue;
            }

            ngx_http_registry_delivery_count(d[j],
                place(root[i],
                      &ngx_http_registry_delivery_endpoint(d[j])->name));
        }
    }
}


static ngx_int_t
ngx_http_registry_notify_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                       i;
    ngx_http_registry_root_t       **root;
    ngx_http_registry_main_conf_t   *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_registry_module);

    if (rmcf == NULL || ngx_process != NGX_PROCESS_SINGLE) {
        return NGX_OK;
    }

    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {
        ngx_http_registry_wake_start(root[i]);
    }

    return NGX_OK;
}


void
ngx_http_registry_notify_exit(ngx_http_registry_root_t *root)
{
    ngx_uint_t                       i;
    ngx_http_registry_events_t      *events;
    ngx_http_registry_delivery_t   **d;

    events = root->events;

    if (events == NULL) {
        return;
    }

    ngx_http_registry_pulls_exit(events);

    d = events->deliveries.elts;

    for (i = 0; i < events->deliveries.nelts; i++) {
        ngx_http_registry_delivery_end(d[i]);
    }

    reg_spool_close(events->spool);
    events->spool = NULL;
}


static char *
ngx_http_registry_notify_check_size(ngx_conf_t *cf, void *post, void *data)
{
    off_t *size = data;

    if (*size < REG_SPOOL_SIZE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_events_size\" must be at least 1m");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
