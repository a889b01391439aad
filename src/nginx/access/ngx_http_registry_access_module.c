
/* The directives of access control, their defaults, and the wiring. */


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_rules.h"
#include "ngx_http_registry_token.h"
#include "ngx_http_registry_variables.h"

#include "reg_password.h"


/* seconds of "registry_login_limit", where they are not said */
#define NGX_HTTP_REGISTRY_LIMIT_TIME  60


static void *ngx_http_registry_access_create_main(ngx_conf_t *cf);
static void *ngx_http_registry_access_create(ngx_conf_t *cf);
static char *ngx_http_registry_access_merge(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_registry_access_remote_user(ngx_str_t *value);
static ngx_int_t ngx_http_registry_access_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_registry_access_init_process(ngx_cycle_t *cycle);

static char *ngx_http_registry_htpasswd(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_registry_access_path(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_registry_login_limit(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_registry_user(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_conf_num_bounds_t  ngx_http_registry_cost_bounds = {
    ngx_conf_check_num_bounds, REG_BCRYPT_COST_MIN, REG_BCRYPT_COST_TOP
};


static ngx_command_t  ngx_http_registry_access_commands[] = {

    { ngx_string("registry_htpasswd"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_registry_htpasswd,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_htpasswd_cache"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_access_conf_t, cache),
      NULL },

    { ngx_string("registry_htpasswd_max_cost"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_access_conf_t, max_cost),
      &ngx_http_registry_cost_bounds },

    { ngx_string("registry_htpasswd_sha_crypt"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_access_conf_t, sha_crypt),
      NULL },

    { ngx_string("registry_login_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_registry_login_limit,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_access_tokens"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_access_path,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_access_conf_t, tokens_path),
      NULL },

    { ngx_string("registry_groups"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_access_path,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_access_conf_t, groups_path),
      NULL },

    { ngx_string("registry_allow"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_registry_rule,
      NGX_HTTP_LOC_CONF_OFFSET,
      1,
      NULL },

    { ngx_string("registry_deny"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_registry_rule,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_rules"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_rules,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_user"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_registry_user,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_access_conf_t, user),
      NULL },

    { ngx_string("registry_token"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_registry_token,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_token_server"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_registry_token_server,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_token_grace"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_access_conf_t, grace),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_registry_access_module_ctx = {
    ngx_http_registry_variables_add,       /* preconfiguration */
    ngx_http_registry_access_init,         /* postconfiguration */

    ngx_http_registry_access_create_main,  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_registry_access_create,       /* create location configuration */
    ngx_http_registry_access_merge         /* merge location configuration */
};


ngx_module_t  ngx_http_registry_access_module = {
    NGX_MODULE_V1,
    &ngx_http_registry_access_module_ctx,  /* module context */
    ngx_http_registry_access_commands,     /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_registry_access_init_process, /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_registry_access_create_main(ngx_conf_t *cf)
{
    ngx_http_registry_access_main_conf_t  *amcf;

    amcf = ngx_pcalloc(cf->pool,
                       sizeof(ngx_http_registry_access_main_conf_t));
    if (amcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&amcf->files, cf->pool, 4,
                       sizeof(ngx_http_registry_file_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return amcf;
}


static void *
ngx_http_registry_access_create(ngx_conf_t *cf)
{
    ngx_http_registry_access_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_access_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->realm = { 0, NULL };
     *     conf->*_path = { 0, NULL };
     *     conf->htpasswd, groups, tokens = NULL;
     *     conf->rules = NULL;
     *     conf->user = NULL;
     *     conf->user_auth = { 0, NULL };
     *     conf->token, server, bearer = NULL;
     *     conf->own = 0;
     */

    conf->cache = NGX_CONF_UNSET;
    conf->grace = NGX_CONF_UNSET;
    conf->limit = NGX_CONF_UNSET_UINT;
    conf->limit_time = NGX_CONF_UNSET;
    conf->max_cost = NGX_CONF_UNSET;
    conf->sha_crypt = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_registry_access_merge(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_registry_access_conf_t *prev = parent;
    ngx_http_registry_access_conf_t *conf = child;

    ngx_uint_t                     inherited;
    ngx_http_registry_loc_conf_t  *rlcf;

    if (conf->htpasswd_path.data == NULL) {
        conf->htpasswd_path = prev->htpasswd_path;
        conf->realm = prev->realm;
    }

    ngx_conf_merge_str_value(conf->groups_path, prev->groups_path, "");
    ngx_conf_merge_str_value(conf->tokens_path, prev->tokens_path, "");

    ngx_conf_merge_sec_value(conf->cache, prev->cache, 300);
    ngx_conf_merge_sec_value(conf->grace, prev->grace, 12 * 3600);
    ngx_conf_merge_uint_value(conf->limit, prev->limit, 10);
    ngx_conf_merge_sec_value(conf->limit_time, prev->limit_time,
                             NGX_HTTP_REGISTRY_LIMIT_TIME);
    ngx_conf_merge_value(conf->max_cost, prev->max_cost,
                         REG_BCRYPT_COST_LIMIT);
    ngx_conf_merge_value(conf->sha_crypt, prev->sha_crypt, 0);

    inherited = (conf->rules == NULL);

    if (conf->rules == NULL) {
        conf->rules = prev->rules;
    }

    if (conf->user == NULL) {
        conf->user = prev->user;
        conf->user_auth = prev->user_auth;
    }

    rlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_registry_module);

    if (rlcf->root && ngx_http_registry_access_files(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_registry_token_merge(cf, rlcf, prev, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (rlcf->root == NULL) {
        return NGX_CONF_OK;
    }

    conf->own = (conf->htpasswd || conf->tokens || conf->bearer);

    if (conf->realm.len == 0) {
        ngx_str_set(&conf->realm, "Registry");
    }

    if (conf->own && conf->user
        && ngx_http_registry_access_remote_user(&conf->user->value))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_user %V\" believes whatever name a "
                           "client sends when it is the registry that checks "
                           "credentials; remove it, the user is known without "
                           "it", &conf->user->value);
        return NGX_CONF_ERROR;
    }

    if (conf->rules && !inherited) {
        ngx_http_registry_rules_check(cf, conf);
    }

    return NGX_CONF_OK;
}


#define ngx_http_registry_access_word(c)                                      \
    (((c) >= '0' && (c) <= '9') || ((c) >= 'a' && (c) <= 'z')                 \
     || ((c) >= 'A' && (c) <= 'Z') || (c) == '_')


/* "$remote_user", "${remote_user}", alone or within something. */

static ngx_int_t
ngx_http_registry_access_remote_user(ngx_str_t *value)
{
    u_char  *p, *last;

    static ngx_str_t  name = ngx_string("remote_user");

    last = value->data + value->len;

    for (p = value->data; p < last; p++) {

        if (*p != '$') {
            continue;
        }

        p++;

        if (p < last && *p == '{') {
            p++;
        }

        if ((size_t) (last - p) >= name.len
            && ngx_strncasecmp(p, name.data, name.len) == 0
            && (p + name.len == last
                || !ngx_http_registry_access_word(p[name.len])))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_registry_access_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt            *h;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);

    if (rmcf->roots.nelts == 0) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_registry_access_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_access_init_process(ngx_cycle_t *cycle)
{
    ngx_http_registry_access_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_registry_access_module);

    if (amcf
        && (ngx_process == NGX_PROCESS_SINGLE
            || (ngx_process == NGX_PROCESS_WORKER && ngx_worker == 0)))
    {
        ngx_http_registry_file_check(cycle, &amcf->files);
    }

    return NGX_OK;
}


static char *
ngx_http_registry_htpasswd(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_access_conf_t *alcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (alcf->htpasswd_path.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2) {

        if (ngx_strcmp(value[1].data, "off") != 0) {
            return "needs a realm and a file, as in \"registry_htpasswd "
                   "Registry /etc/nginx/registry.htpasswd;\", or \"off\"";
        }

        ngx_str_set(&alcf->htpasswd_path, "");
        return NGX_CONF_OK;
    }

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] < 0x20 || value[1].data[i] == 0x7f) {
            return "has a realm with control characters, which no header can "
                   "carry";
        }
    }

    if (value[1].len == 0 || value[2].len == 0) {
        return "has an empty realm or file";
    }

    alcf->realm = value[1];
    alcf->htpasswd_path = value[2];

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_access_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value, *path;

    path = (ngx_str_t *) ((char *) conf + cmd->offset);

    if (path->data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs a file, or \"off\"";
    }

    if (ngx_strcmp(value[1].data, "off") == 0) {
        ngx_str_set(path, "");
        return NGX_CONF_OK;
    }

    *path = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_login_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_access_conf_t *alcf = conf;

    ngx_int_t    n;
    ngx_str_t   *value, s;

    if (alcf->limit != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    /* its time belongs to it, and not to the level above */

    alcf->limit_time = NGX_HTTP_REGISTRY_LIMIT_TIME;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        alcf->limit = 0;
        return NGX_CONF_OK;
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n == 0 || n > 1000000) {
        return "needs a number of failures from 1 to 1000000, or \"off\"";
    }

    alcf->limit = n;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[2].data, "per=", 4) != 0) {
        return "takes a time as in \"per=1m\" and nothing else";
    }

    s.len = value[2].len - 4;
    s.data = value[2].data + 4;

    alcf->limit_time = ngx_parse_time(&s, 1);

    if (alcf->limit_time == (time_t) NGX_ERROR || alcf->limit_time == 0) {
        return "has a \"per=\" that is no time, write it as \"per=1m\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_user(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_access_conf_t *alcf = conf;

    char        *rv;
    ngx_str_t   *value, auth;
    ngx_uint_t   i;

    rv = ngx_http_set_complex_value_slot(cf, cmd, conf);

    if (rv != NGX_CONF_OK || cf->args->nelts == 2) {
        return rv;
    }

    value = cf->args->elts;

    if (ngx_strncmp(value[2].data, "auth=", 5) != 0) {
        return "takes \"auth=\" behind its value, and nothing else";
    }

    auth.len = value[2].len - 5;
    auth.data = value[2].data + 5;

    for (i = 0; i < auth.len; i++) {
        if ((auth.data[i] < 'a' || auth.data[i] > 'z')
            && (auth.data[i] < '0' || auth.data[i] > '9')
            && auth.data[i] != '_')
        {
            break;
        }
    }

    if (auth.len == 0 || i < auth.len) {
        return "needs an \"auth=\" of small letters, digits and \"_\", as in "
               "\"auth=certificate\"";
    }

    alcf->user_auth = auth;

    return NGX_CONF_OK;
}
