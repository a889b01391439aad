
#include "ngx_http_registry_rules.h"

#include "reg_lines.h"


static ngx_int_t ngx_http_registry_rules_make(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf);
static void ngx_http_registry_rules_free(void *data);


char *
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


char *
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


/* A rule for a group that nobody is in is most likely a slip of the pen. */

void
ngx_http_registry_rules_check(ngx_conf_t *cf,
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
