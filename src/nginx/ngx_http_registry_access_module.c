
/* The directives of access control, their defaults, and the wiring. */


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_token.h"
#include "ngx_http_registry_variables.h"

#include "reg_htpasswd.h"
#include "reg_lines.h"


static void *ngx_http_registry_access_create_main(ngx_conf_t *cf);
static void *ngx_http_registry_access_create(ngx_conf_t *cf);
static char *ngx_http_registry_access_merge(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_registry_access_remote_user(ngx_str_t *value);
static char *ngx_http_registry_access_files(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf);
static void ngx_http_registry_access_groups(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf);
static ngx_int_t ngx_http_registry_access_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_registry_access_init_process(ngx_cycle_t *cycle);

static char *ngx_http_registry_htpasswd(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_registry_access_path(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_registry_login_limit(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_registry_rule(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_registry_rules(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_registry_rules_make(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf);
static void ngx_http_registry_rules_free(void *data);

static void *ngx_http_registry_parse_htpasswd(reg_str_t text,
    const void *param, reg_skip_pt skip, void *data, reg_why_t *why);
static int ngx_http_registry_open_htpasswd(const void *table);
static void ngx_http_registry_free_htpasswd(void *table);
static void *ngx_http_registry_parse_groups(reg_str_t text,
    const void *param, reg_skip_pt skip, void *data, reg_why_t *why);
static int ngx_http_registry_open_groups(const void *table);
static void ngx_http_registry_free_groups(void *table);
static void *ngx_http_registry_parse_tokens(reg_str_t text,
    const void *param, reg_skip_pt skip, void *data, reg_why_t *why);
static int ngx_http_registry_open_tokens(const void *table);
static void ngx_http_registry_free_tokens(void *table);


static const ngx_http_registry_file_kind_t  ngx_http_registry_htpasswd_kind = {
    "password file", REG_LINES_FILE_MAX, ngx_http_registry_parse_htpasswd,
    ngx_http_registry_open_htpasswd, ngx_http_registry_free_htpasswd, "line"
};

static const ngx_http_registry_file_kind_t  ngx_http_registry_groups_kind = {
    "group file", REG_LINES_FILE_MAX, ngx_http_registry_parse_groups,
    ngx_http_registry_open_groups, ngx_http_registry_free_groups, "line"
};

static const ngx_http_registry_file_kind_t  ngx_http_registry_tokens_kind = {
    "file of access tokens", REG_LINES_FILE_MAX,
    ngx_http_registry_parse_tokens, ngx_http_registry_open_tokens,
    ngx_http_registry_free_tokens, "line"
};


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
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
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
    ngx_conf_merge_sec_value(conf->limit_time, prev->limit_time, 60);
    ngx_conf_merge_value(conf->max_cost, prev->max_cost,
                         REG_BCRYPT_COST_LIMIT);
    ngx_conf_merge_value(conf->sha_crypt, prev->sha_crypt, 0);

    inherited = (conf->rules == NULL);

    if (conf->rules == NULL) {
        conf->rules = prev->rules;
    }

    if (conf->user == NULL) {
        conf->user = prev->user;
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
        ngx_http_registry_access_groups(cf, conf);
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


static char *
ngx_http_registry_access_files(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf)
{
    reg_password_limits_t  *limits;

    if (conf->htpasswd_path.len) {

        limits = ngx_pcalloc(cf->pool, sizeof(reg_password_limits_t));
        if (limits == NULL) {
            return NGX_CONF_ERROR;
        }

        limits->bcrypt_cost = conf->max_cost;
        limits->sha_rounds = conf->sha_crypt ? REG_SHACRYPT_ROUNDS_LIMIT : 0;

        conf->htpasswd = ngx_http_registry_file_add(cf, &conf->htpasswd_path,
                                             &ngx_http_registry_htpasswd_kind,
                                             limits,
                                             sizeof(reg_password_limits_t));
        if (conf->htpasswd == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->groups_path.len) {
        conf->groups = ngx_http_registry_file_add(cf, &conf->groups_path,
                                               &ngx_http_registry_groups_kind,
                                               NULL, 0);
        if (conf->groups == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->tokens_path.len) {
        conf->tokens = ngx_http_registry_file_add(cf, &conf->tokens_path,
                                               &ngx_http_registry_tokens_kind,
                                               NULL, 0);
        if (conf->tokens == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* A rule for a group that nobody is in is most likely a slip of the pen. */

static void
ngx_http_registry_access_groups(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf)
{
    size_t         i, j;
    reg_str_t      name, seen;
    ngx_str_t      group;
    reg_groups_t  *groups;

    groups = conf->groups ? ngx_http_registry_file_table(conf->groups) : NULL;

    for (i = 0, name = reg_rules_next_group(conf->rules, &i);
         name.len;
         name = reg_rules_next_group(conf->rules, &i))
    {
        if (groups && reg_groups_known(groups, name)) {
            continue;
        }

        /* once is enough */

        for (j = 0, seen = reg_rules_next_group(conf->rules, &j);
             j < i && !reg_str_eq(seen, name);
             seen = reg_rules_next_group(conf->rules, &j))
        {
            /* void */
        }

        if (j < i) {
            continue;
        }

        group.len = name.len;
        group.data = (u_char *) name.data;

        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "a rule names the group \"%V\", which %s", &group,
                           groups ? "is not in the group file"
                                  : "nobody is in without "
                                    "\"registry_groups\"");
    }
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


/* --- directives ----------------------------------------------------------- */

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
ngx_http_registry_rule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_access_conf_t *alcf = conf;

    ngx_str_t   *value;
    reg_str_t   *words;
    reg_why_t    why;
    ngx_uint_t   i;

    if (ngx_http_registry_rules_make(cf, alcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    words = ngx_palloc(cf->temp_pool,
                       (cf->args->nelts - 1) * sizeof(reg_str_t));
    if (words == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        words[i - 1] = ngx_http_registry_str(&value[i]);
    }

    if (reg_rules_add(alcf->rules, (int) cmd->offset, words,
                      cf->args->nelts - 1, &why)
        != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\": %s", &cmd->name,
                           why.text);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_rules(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_access_conf_t *alcf = conf;

    int               rc;
    char             *bytes;
    size_t            line;
    ssize_t           n;
    reg_str_t         text;
    reg_why_t         why;
    ngx_str_t        *value, name;
    ngx_file_t        file;
    ngx_file_info_t   fi;

    if (ngx_http_registry_rules_make(cf, alcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;
    name = value[1];

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = name;
    file.log = cf->log;
    file.fd = ngx_open_file(name.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "the rules in \"%V\" cannot be read", &name);
        return NGX_CONF_ERROR;
    }

    bytes = NULL;
    rc = -1;

    if (ngx_fd_info(file.fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)
        || ngx_file_size(&fi) > REG_LINES_FILE_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the rules have to be in a regular file of at "
                           "most %d bytes, unlike \"%V\"",
                           REG_LINES_FILE_MAX, &name);
        goto done;
    }

    bytes = ngx_alloc(ngx_file_size(&fi) + 1, cf->log);
    if (bytes == NULL) {
        goto done;
    }

    n = ngx_read_file(&file, (u_char *) bytes, ngx_file_size(&fi), 0);

    if (n != ngx_file_size(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the rules in \"%V\" cannot be read as a whole",
                           &name);
        goto done;
    }

    text.len = n;
    text.data = bytes;

    rc = reg_rules_parse(alcf->rules, text, &line, &why);

    if (rc != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in %V:%uz", why.text,
                           &name, line);
    }

done:

    (void) ngx_close_file(file.fd);

    if (bytes) {
        ngx_free(bytes);
    }

    return (rc == 0) ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_registry_rules_make(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf)
{
    ngx_pool_cleanup_t  *cln;

    if (conf->rules) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    conf->rules = reg_rules_create();
    if (conf->rules == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_registry_rules_free;
    cln->data = conf->rules;

    return NGX_OK;
}


static void
ngx_http_registry_rules_free(void *data)
{
    reg_rules_free(data);
}


/* --- kinds of files ------------------------------------------------------- */

static void *
ngx_http_registry_parse_htpasswd(reg_str_t text, const void *param,
    reg_skip_pt skip, void *data, reg_why_t *why)
{
    return reg_htpasswd_parse(text, param, skip, data, why);
}


static int
ngx_http_registry_open_htpasswd(const void *table)
{
    return reg_htpasswd_open(table);
}


static void
ngx_http_registry_free_htpasswd(void *table)
{
    reg_htpasswd_free(table);
}


static void *
ngx_http_registry_parse_groups(reg_str_t text, const void *param,
    reg_skip_pt skip, void *data, reg_why_t *why)
{
    return reg_groups_parse(text, skip, data, why);
}


static int
ngx_http_registry_open_groups(const void *table)
{
    return reg_groups_open(table);
}


static void
ngx_http_registry_free_groups(void *table)
{
    reg_groups_free(table);
}


static void *
ngx_http_registry_parse_tokens(reg_str_t text, const void *param,
    reg_skip_pt skip, void *data, reg_why_t *why)
{
    return reg_tokens_parse(text, skip, data, why);
}


static int
ngx_http_registry_open_tokens(const void *table)
{
    return reg_tokens_open(table);
}


static void
ngx_http_registry_free_tokens(void *table)
{
    reg_tokens_free(table);
}
