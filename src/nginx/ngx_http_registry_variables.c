
/*
 * Variables are looked at in whatever phase an operator's directives need
 * them, and again when the request is logged: none is kept, and none waits.
 * Outside of a registry location they are empty.
 */


#include "ngx_http_registry_variables.h"
#include "ngx_http_registry_access.h"

#include "reg_may.h"


typedef reg_str_t (*ngx_http_registry_variable_pt)(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


static ngx_int_t ngx_http_registry_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static reg_str_t ngx_http_registry_variable_user(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_auth(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_repository(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_action(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_reference(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_digest(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_upload(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_header(ngx_http_request_t *r,
    const char *name);


static const struct {
    ngx_str_t                       name;
    ngx_http_registry_variable_pt   value;
} ngx_http_registry_variables[] = {

    { ngx_string("registry_user"), ngx_http_registry_variable_user },
    { ngx_string("registry_auth"), ngx_http_registry_variable_auth },
    { ngx_string("registry_repository"),
      ngx_http_registry_variable_repository },
    { ngx_string("registry_action"), ngx_http_registry_variable_action },
    { ngx_string("registry_reference"), ngx_http_registry_variable_reference },
    { ngx_string("registry_digest"), ngx_http_registry_variable_digest },
    { ngx_string("registry_upload"), ngx_http_registry_variable_upload },

    { ngx_null_string, NULL }
};


ngx_int_t
ngx_http_registry_variables_add(ngx_conf_t *cf)
{
    ngx_str_t             name;
    ngx_uint_t            i;
    ngx_http_variable_t  *var;

    for (i = 0; ngx_http_registry_variables[i].name.len; i++) {

        name = ngx_http_registry_variables[i].name;

        var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_http_registry_variable;
        var->data = i;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    reg_str_t                      value;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    value = reg_null_str;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (rlcf->root) {
        ctx = ngx_http_registry_get_ctx(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        value = ngx_http_registry_variables[data].value(r, ctx);
    }

    v->len = value.len;
    v->data = (u_char *) (value.len ? value.data : "");
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}


static reg_str_t
ngx_http_registry_variable_user(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    const ngx_http_registry_who_t  *who;

    who = ngx_http_registry_who(r);

    return who ? who->user : reg_null_str;
}


static reg_str_t
ngx_http_registry_variable_auth(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    const ngx_http_registry_who_t  *who;

    static const reg_str_t  names[] = {
#define NGX_HTTP_REGISTRY_AUTH_NAME(symbol, name)                             \
        { sizeof(name) - 1, name },
        NGX_HTTP_REGISTRY_AUTH_TABLE(NGX_HTTP_REGISTRY_AUTH_NAME)
#undef NGX_HTTP_REGISTRY_AUTH_NAME
    };

    who = ngx_http_registry_who(r);

    return names[who ? who->auth : NGX_HTTP_REGISTRY_AUTH_NONE];
}


static reg_str_t
ngx_http_registry_variable_repository(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ctx->op.name;
}


static reg_str_t
ngx_http_registry_variable_action(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    unsigned  may;

    if (ctx->route != REG_OK) {
        return reg_null_str;
    }

    may = reg_may_of(reg_op_action(ctx->op.op));

    return reg_may_name(may);
}


static reg_str_t
ngx_http_registry_variable_reference(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    reg_str_t  digest;

    if (ctx->op.tag.len) {
        return ctx->op.tag;
    }

    digest = reg_null_str;

    if (ctx->route == REG_OK && ctx->op.has_digest
        && (ctx->op.op == REG_OP_MANIFEST_READ
            || ctx->op.op == REG_OP_MANIFEST_WRITE
            || ctx->op.op == REG_OP_MANIFEST_DELETE
            || ctx->op.op == REG_OP_REFERRERS))
    {
        digest.len = ctx->op.digest.len;
        digest.data = ctx->op.digest.text;
    }

    return digest;
}


/* What the reply is about; before there is one, what the request asks for. */

static reg_str_t
ngx_http_registry_variable_digest(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    reg_str_t  digest;

    digest = ngx_http_registry_variable_header(r, "Docker-Content-Digest");

    if (digest.len || ctx->route != REG_OK) {
        return digest;
    }

    if (ctx->op.has_digest) {
        digest.len = ctx->op.digest.len;
        digest.data = ctx->op.digest.text;

    } else if (ctx->op.mount) {
        digest.len = ctx->op.mount_digest.len;
        digest.data = ctx->op.mount_digest.text;
    }

    return digest;
}


/* The session of the request, or the one that the reply names. */

static reg_str_t
ngx_http_registry_variable_upload(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ctx->op.upload.len ? ctx->op.upload
                              : ngx_http_registry_variable_header(r,
                                                       "Docker-Upload-UUID");
}


/* A header of the reply, by the spelling we give it; or nothing. */

static reg_str_t
ngx_http_registry_variable_header(ngx_http_request_t *r, const char *name)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && h[i].key.len == len
                && ngx_strncmp(h[i].key.data, name, len) == 0)
            {
                return ngx_http_registry_str(&h[i].value);
            }
        }
    }

    return reg_null_str;
}
