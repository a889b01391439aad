
/*
 * Variables are looked at in whatever phase an operator's directives need
 * them, and again when the request is logged: none is kept, and none waits.
 * Outside of a registry location they are empty.
 */


#include "ngx_http_registry_variables.h"
#include "ngx_http_registry_body.h"
#include "ngx_http_registry_identity.h"
#include "ngx_http_registry_json.h"
#include "ngx_http_registry_request_id.h"

#include "reg_credentials.h"
#include "reg_may.h"
#include "reg_time.h"


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
static reg_str_t ngx_http_registry_variable_operation(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_credentials(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_login(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_claimed_user(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_expires(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_from(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_tag(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_error(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_received(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_cache(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_thread_wait(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_thread_time(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_str_t ngx_http_registry_variable_seconds(ngx_http_request_t *r,
    uint64_t us);
static reg_str_t ngx_http_registry_variable_header(ngx_http_request_t *r,
    const char *name);


/* Of $registry_json: what stands before its value, and whether that is a
   string. */
#define NGX_HTTP_REGISTRY_NOT_THERE  { 0, NULL }, 0
#define NGX_HTTP_REGISTRY_A_STRING(name)                                      \
    { sizeof(",\"" name "\":\"") - 1, ",\"" name "\":\"" }, 1
#define NGX_HTTP_REGISTRY_A_NUMBER(name)                                      \
    { sizeof(",\"" name "\":") - 1, ",\"" name "\":" }, 0


static const struct {
    ngx_str_t                       name;
    ngx_http_registry_variable_pt   value;
    reg_str_t                       json;
    unsigned                        string:1;
} ngx_http_registry_variables[] = {

    { ngx_string("registry_user"),
      ngx_http_registry_variable_user, NGX_HTTP_REGISTRY_A_STRING("user") },
    { ngx_string("registry_auth"),
      ngx_http_registry_variable_auth, NGX_HTTP_REGISTRY_A_STRING("auth") },
    { ngx_string("registry_repository"),
      ngx_http_registry_variable_repository,
      NGX_HTTP_REGISTRY_A_STRING("repository") },
    { ngx_string("registry_action"),
      ngx_http_registry_variable_action, NGX_HTTP_REGISTRY_NOT_THERE },
    { ngx_string("registry_reference"),
      ngx_http_registry_variable_reference, NGX_HTTP_REGISTRY_NOT_THERE },
    { ngx_string("registry_digest"),
      ngx_http_registry_variable_digest, NGX_HTTP_REGISTRY_A_STRING("digest") },
    { ngx_string("registry_upload"),
      ngx_http_registry_variable_upload, NGX_HTTP_REGISTRY_A_STRING("upload") },
    { ngx_string("registry_operation"),
      ngx_http_registry_variable_operation,
      NGX_HTTP_REGISTRY_A_STRING("operation") },
    { ngx_string("registry_credentials"),
      ngx_http_registry_variable_credentials,
      NGX_HTTP_REGISTRY_A_STRING("credentials") },
    { ngx_string("registry_login"),
      ngx_http_registry_variable_login, NGX_HTTP_REGISTRY_A_STRING("login") },
    { ngx_string("registry_claimed_user"),
      ngx_http_registry_variable_claimed_user, NGX_HTTP_REGISTRY_NOT_THERE },
    { ngx_string("registry_expires"),
      ngx_http_registry_variable_expires, NGX_HTTP_REGISTRY_NOT_THERE },
    { ngx_string("registry_from"),
      ngx_http_registry_variable_from, NGX_HTTP_REGISTRY_NOT_THERE },
    { ngx_string("registry_tag"),
      ngx_http_registry_variable_tag, NGX_HTTP_REGISTRY_A_STRING("tag") },
    { ngx_string("registry_error"),
      ngx_http_registry_variable_error, NGX_HTTP_REGISTRY_A_STRING("error") },
    { ngx_string("registry_received"),
      ngx_http_registry_variable_received,
      NGX_HTTP_REGISTRY_A_NUMBER("received") },
    { ngx_string("registry_cache"),
      ngx_http_registry_variable_cache, NGX_HTTP_REGISTRY_A_STRING("cache") },
    { ngx_string("registry_thread_wait"),
      ngx_http_registry_variable_thread_wait,
      NGX_HTTP_REGISTRY_A_NUMBER("thread_wait") },
    { ngx_string("registry_thread_time"),
      ngx_http_registry_variable_thread_time,
      NGX_HTTP_REGISTRY_A_NUMBER("thread_time") },

    { ngx_null_string, NULL, NGX_HTTP_REGISTRY_NOT_THERE }
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

    if (ngx_http_registry_request_id_add(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_registry_json_add(cf);
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


ngx_int_t
ngx_http_registry_variables_json(ngx_http_request_t *r, reg_buf_t *b)
{
    ngx_uint_t                     i;
    reg_str_t                      value;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    ctx = NULL;
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (rlcf->root) {
        ctx = ngx_http_registry_get_ctx(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; ngx_http_registry_variables[i].name.len; i++) {

        if (ngx_http_registry_variables[i].json.len == 0) {
            continue;
        }

        value = ctx ? ngx_http_registry_variables[i].value(r, ctx)
                    : reg_null_str;

        reg_buf_str(b, ngx_http_registry_variables[i].json);

        if (ngx_http_registry_variables[i].string) {
            reg_buf_json(b, value);
            reg_buf_str(b, reg_str("\""));

        } else {
            reg_buf_str(b, value.len ? value : reg_str("null"));
        }
    }

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
    const ngx_http_registry_who_t    *who;
    ngx_http_registry_access_conf_t  *alcf;

    static const reg_str_t  names[] = {
#define NGX_HTTP_REGISTRY_AUTH_NAME(symbol, name)                             \
        { sizeof(name) - 1, name },
        NGX_HTTP_REGISTRY_AUTH_TABLE(NGX_HTTP_REGISTRY_AUTH_NAME)
#undef NGX_HTTP_REGISTRY_AUTH_NAME
    };

    who = ngx_http_registry_who(r);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    if (who && who->auth == NGX_HTTP_REGISTRY_AUTH_VARIABLE
        && alcf->user_auth.len)
    {
        return ngx_http_registry_str(&alcf->user_auth);
    }

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


/* As the table of operations has it, but for two that are told apart here. */

static reg_str_t
ngx_http_registry_variable_operation(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    if (ctx->op.op == REG_OP_N) {
        return reg_null_str;
    }

    if (ctx->op.op == REG_OP_UPLOAD_START && ctx->route == REG_OK) {

        if (ctx->op.mount) {

            if (r->headers_out.status == NGX_HTTP_CREATED) {
                return reg_str("blob_mount");
            }

        } else if (ctx->op.has_digest) {
            return reg_str("blob_write");
        }
    }

    return reg_op_name(ctx->op.op);
}


/* What was shown, right or wrong; a form counts before the header. */

static reg_str_t
ngx_http_registry_variable_credentials(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    reg_str_t  header, credentials;

    if (ctx->identity) {

        switch (ctx->identity->form) {

        case NGX_HTTP_REGISTRY_FORM_PASSWORD:
            return reg_str("form");

        case NGX_HTTP_REGISTRY_FORM_REFRESH:
            return reg_str("refresh_token");

        default:
            break;
        }
    }

    if (ngx_http_registry_authorization(r, &header) != NGX_OK) {
        return reg_str("other");
    }

    switch (reg_credentials_split(header, &credentials)) {

    case REG_SCHEME_NONE:
        return reg_null_str;

    case REG_SCHEME_BASIC:
        return reg_str("basic");

    case REG_SCHEME_BEARER:
        return reg_str("bearer");

    default:
        return reg_str("other");
    }
}


static reg_str_t
ngx_http_registry_variable_login(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    static const reg_str_t  names[] = {
#define NGX_HTTP_REGISTRY_VERDICT_NAME(symbol, name)                          \
        { sizeof(name) - 1, name },
        NGX_HTTP_REGISTRY_VERDICT_TABLE(NGX_HTTP_REGISTRY_VERDICT_NAME)
#undef NGX_HTTP_REGISTRY_VERDICT_NAME
    };

    return names[ctx->identity ? ctx->identity->verdict
                               : NGX_HTTP_REGISTRY_VERDICT_NONE];
}


/* Whoever the client says it is: a name, but maybe anybody's. */

static reg_str_t
ngx_http_registry_variable_claimed_user(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    char          room[REG_BASIC_ROOM];
    reg_str_t     header, credentials, user;
    const char   *why;
    reg_basic_t   basic;

    if (ctx->identity && ctx->identity->form != NGX_HTTP_REGISTRY_FORM_NONE) {
        user = ctx->identity->claimed;

        return reg_user_valid(user) ? user : reg_null_str;
    }

    user = reg_null_str;

    if (ngx_http_registry_authorization(r, &header) != NGX_OK
        || reg_credentials_split(header, &credentials) != REG_SCHEME_BASIC)
    {
        return user;
    }

    if (reg_basic_parse(credentials, room, &basic, &why) == 0) {
        (void) ngx_http_registry_str_copy(r->pool, &user, basic.user);
    }

    ngx_explicit_memzero(room, sizeof(room));

    return user;
}


/* When the access token ends by which he is known. */

static reg_str_t
ngx_http_registry_variable_expires(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    char                           *p;
    reg_str_t                       time;
    const ngx_http_registry_who_t  *who;

    time = reg_null_str;
    who = ngx_http_registry_who(r);

    if (who == NULL || who->expires == 0) {
        return time;
    }

    p = ngx_pnalloc(r->pool, REG_TIME_LEN + 1);

    if (p && reg_time_print(who->expires, p) == 0) {
        time.data = p;
        time.len = REG_TIME_LEN;
    }

    return time;
}


static reg_str_t
ngx_http_registry_variable_from(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return (ctx->route == REG_OK && ctx->op.mount) ? ctx->op.from
                                                   : reg_null_str;
}


/* The tag of the path, or those of the query. */

static reg_str_t
ngx_http_registry_variable_tag(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    char       *p;
    size_t      i, len;
    reg_op_t   *op;
    reg_str_t   tags;

    op = &ctx->op;

    if (ctx->route != REG_OK || op->op != REG_OP_MANIFEST_WRITE
        || !op->has_digest || op->ntags == 0)
    {
        return op->tag;
    }

    len = 0;

    for (i = 0; i < op->ntags; i++) {
        len += op->tags[i].len + 1;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return reg_null_str;
    }

    tags.data = p;
    tags.len = len - 1;

    for (i = 0; i < op->ntags; i++) {
        p = (char *) ngx_cpymem(p, op->tags[i].data, op->tags[i].len);
        *p++ = ',';
    }

    return tags;
}


/* The code in the reply, be it the registry's or for an error of nginx. */

static reg_str_t
ngx_http_registry_variable_error(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_uint_t  status;

    status = r->err_status ? r->err_status : r->headers_out.status;

    if (status < NGX_HTTP_BAD_REQUEST) {
        return reg_null_str;
    }

    return reg_str_of(ctx->code ? ctx->code : reg_error_status_code(status));
}


static reg_str_t
ngx_http_registry_variable_received(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    char  *p;

    if (ctx->body == NULL) {
        return reg_str("0");
    }

    p = ngx_pnalloc(r->pool, REG_STR_DIGITS);

    return p ? reg_str_digits(ngx_http_registry_body_size(ctx), 1, p)
             : reg_null_str;
}


static reg_str_t
ngx_http_registry_variable_cache(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    switch (ctx->cache) {

    case NGX_HTTP_REGISTRY_CACHE_HIT:
        return reg_str("hit");

    case NGX_HTTP_REGISTRY_CACHE_MISS:
        return reg_str("miss");

    default:
        return reg_null_str;
    }
}


static reg_str_t
ngx_http_registry_variable_thread_wait(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_variable_seconds(r, ctx->waited);
}


static reg_str_t
ngx_http_registry_variable_thread_time(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_variable_seconds(r, ctx->worked);
}


static reg_str_t
ngx_http_registry_variable_seconds(ngx_http_request_t *r, uint64_t us)
{
    char        digits[REG_STR_DIGITS];
    u_char     *p;
    reg_str_t   value, time;

    /* there are two in each line of a log, and most requests need no thread */

    if (us == 0) {
        return reg_str("0.000000");
    }

    value = reg_str_digits(us, 7, digits);
    time.len = value.len + 1;

    p = ngx_pnalloc(r->pool, time.len);
    if (p == NULL) {
        return reg_null_str;
    }

    time.data = (char *) p;

    p = ngx_cpymem(p, value.data, value.len - 6);
    *p++ = '.';
    ngx_memcpy(p, value.data + value.len - 6, 6);

    return time;
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
