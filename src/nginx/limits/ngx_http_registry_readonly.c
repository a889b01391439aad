
#include "ngx_http_registry_readonly.h"
#include "ngx_http_registry_limits.h"
#include "ngx_http_registry_stats.h"


static ngx_uint_t ngx_http_registry_readonly_is(ngx_str_t *value,
    const char *word);


char *
ngx_http_registry_readonly(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_limits_conf_t *limits = conf;

    ngx_str_t                     *value;
    ngx_http_registry_readonly_t  *ro;

    if (limits->readonly != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    ro = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_readonly_t));
    if (ro == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_registry_compile(cf, &value[1], &ro->value) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ro->value.lengths == NULL
        && !ngx_http_registry_readonly_is(&value[1], "on")
        && !ngx_http_registry_readonly_is(&value[1], "off"))
    {
        return "needs \"on\", \"off\" or a variable";
    }

    if (cf->args->nelts == 3) {

        if (value[2].len == 0) {
            return "has an empty sentence, which would tell nobody anything";
        }

        ro->sentence = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (ro->sentence == NULL) {
            return NGX_CONF_ERROR;
        }

        if (ngx_http_registry_compile(cf, &value[2], ro->sentence) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    limits->readonly = ro;

    return NGX_CONF_OK;
}


void
ngx_http_registry_readonly_merge(ngx_http_registry_root_t *root,
    ngx_http_registry_readonly_t *ro)
{
    if (root && root != NGX_CONF_UNSET_PTR && ro
        && ro->value.lengths == NULL
        && ngx_http_registry_readonly_is(&ro->value.value, "on"))
    {
        root->readonly = 1;
    }
}


ngx_int_t
ngx_http_registry_readonly_check(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_str_t                         value;
    ngx_http_registry_readonly_t     *ro;
    ngx_http_registry_limits_conf_t  *limits;

    limits = ngx_http_get_module_loc_conf(r, ngx_http_registry_limits_module);
    ro = limits->readonly;

    if (ro == NULL || !reg_op_writes(ctx->op.op)) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, &ro->value, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0 || ngx_http_registry_readonly_is(&value, "0")
        || ngx_http_registry_readonly_is(&value, "off"))
    {
        return NGX_OK;
    }

    ngx_http_registry_stats_write_refused();

    (void) reg_error_set(&ctx->error, REG_WRITES_CLOSED, NULL);

    if (ro->sentence
        && ngx_http_complex_value(r, ro->sentence, &ctx->sentence) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_registry_readonly_is(ngx_str_t *value, const char *word)
{
    return value->len == ngx_strlen(word)
           && ngx_strncasecmp(value->data, (u_char *) word, value->len) == 0;
}
