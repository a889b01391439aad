
/* The files that say who may log in, and what becomes of their bytes. */


#include "ngx_http_registry_access.h"

#include "reg_htpasswd.h"
#include "reg_lines.h"


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
    ngx_http_registry_open_htpasswd, ngx_http_registry_free_htpasswd, "line", 0
};

static const ngx_http_registry_file_kind_t  ngx_http_registry_groups_kind = {
    "group file", REG_LINES_FILE_MAX, ngx_http_registry_parse_groups,
    ngx_http_registry_open_groups, ngx_http_registry_free_groups, "line", 0
};

static const ngx_http_registry_file_kind_t  ngx_http_registry_tokens_kind = {
    "file of access tokens", REG_LINES_FILE_MAX,
    ngx_http_registry_parse_tokens, ngx_http_registry_open_tokens,
    ngx_http_registry_free_tokens, "line", 0
};


char *
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
