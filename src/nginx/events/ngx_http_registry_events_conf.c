
/* "registry_events": which store a feed is of, and who could read it. */


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_token.h"


static ngx_uint_t ngx_http_registry_notify_unasked(
    ngx_http_registry_notify_conf_t *conf);


char *
ngx_http_registry_events_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_notify_conf_t *nlcf = conf;

    ngx_str_t                              *value;
    ngx_uint_t                              i;
    ngx_http_core_loc_conf_t               *clcf;
    ngx_http_registry_notify_conf_t       **feed;
    ngx_http_registry_notify_main_conf_t   *nmcf;

    if (nlcf->source) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "registry" beside it says of which store */

    if (clcf->handler && clcf->handler != ngx_http_registry_handler) {
        return "needs a location of its own";
    }

    nlcf->source = nlcf;
    nlcf->feed_pulls = 1;
    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "pull=on") == 0) {
            continue;
        }

        if (ngx_strcmp(value[i].data, "pull=off") == 0) {
            nlcf->feed_pulls = 0;
            continue;
        }

        if (nlcf->directory.len || value[i].len == 0
            || ngx_strchr(value[i].data, '='))
        {
            return "takes the directory of a registry, \"pull=off\" and "
                   "nothing else";
        }

        nlcf->directory = value[i];

        if (ngx_conf_full_name(cf->cycle, &nlcf->directory, 0) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        while (nlcf->directory.len > 1
               && nlcf->directory.data[nlcf->directory.len - 1] == '/')
        {
            nlcf->directory.len--;
        }
    }

    nmcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_registry_notify_module);

    feed = ngx_array_push(&nmcf->feeds);
    if (feed == NULL) {
        return NGX_CONF_ERROR;
    }

    *feed = nlcf;

    nlcf->conf_file = cf->conf_file->file.name.data;
    nlcf->line = cf->conf_file->line;

    clcf->handler = ngx_http_registry_events_handler;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_registry_notify_feed(ngx_conf_t *cf,
    ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_notify_conf_t *conf)
{
    ngx_uint_t                   i;
    ngx_http_registry_root_t   **root, *found;
    ngx_http_registry_events_t  *events;

    found = conf->root;
    root = rmcf->roots.elts;

    if (conf->directory.len) {
        found = NULL;

    } else if (found == NULL && rmcf->roots.nelts == 1) {
        found = root[0];
    }

    for (i = 0;
         conf->directory.len && found == NULL && i < rmcf->roots.nelts;
         i++)
    {
        if (root[i]->root.len == conf->directory.len
            && ngx_strncmp(root[i]->root.data, conf->directory.data,
                           conf->directory.len)
               == 0)
        {
            found = root[i];
        }
    }

    if (found == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"registry_events\" %s in %s:%ui",
                      conf->directory.len
                      ? "names a directory that no \"registry\" has"
                      : "has to name the directory of one \"registry\"",
                      conf->conf_file, conf->line);
        return NGX_ERROR;
    }

    if (ngx_http_registry_notify_unasked(conf)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"registry_events\" would let everybody in: nobody is "
                      "asked for a password or token where there is no "
                      "\"registry\", add \"registry %V;\" in %s:%ui",
                      &found->root, conf->conf_file, conf->line);
        return NGX_ERROR;
    }

    events = ngx_http_registry_notify_events(cf, found);
    if (events == NULL) {
        return NGX_ERROR;
    }

    events->feed = 1;

    if (conf->feed_pulls) {
        events->feed_pulls = 1;
    }

    conf->feed = events;

    return NGX_OK;
}


/* Those who log in to a registry do so in a location that has one. */

static ngx_uint_t
ngx_http_registry_notify_unasked(ngx_http_registry_notify_conf_t *conf)
{
    ngx_http_registry_access_conf_t  *alcf;

    alcf = conf->access;

    return conf->root == NULL
           && (alcf->htpasswd_path.len || alcf->tokens_path.len
               || (alcf->token
                   && alcf->token->mode != NGX_HTTP_REGISTRY_TOKEN_OFF));
}
