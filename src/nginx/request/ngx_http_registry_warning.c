
/* A module of its own: the directive, and when its sentences are sent. */


#include "ngx_http_registry_warning.h"
#include "ngx_http_registry_access.h"
#include "ngx_http_registry_send.h"

#include "reg_pattern.h"
#include "reg_warning.h"


/* of one level of the configuration */
#define NGX_HTTP_REGISTRY_WARNINGS  32


typedef struct {
    ngx_http_complex_value_t   text;
    ngx_http_complex_value_t  *condition;       /* "if="; or NULL */
    ngx_array_t                repositories;    /* of reg_pattern_t * */
    ngx_array_t                tags;            /* of reg_str_t, globs */
    time_t                     expires;         /* seconds; 0: whenever */
} ngx_http_registry_warning_t;


typedef struct {
    ngx_array_t  *warnings;     /* of ngx_http_registry_warning_t; or NULL */
} ngx_http_registry_warning_conf_t;


static void *ngx_http_registry_warning_create(ngx_conf_t *cf);
static char *ngx_http_registry_warning_merge(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_registry_warning(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_registry_warning_text(ngx_conf_t *cf,
    ngx_str_t *value, ngx_http_registry_warning_t *w);
static ngx_int_t ngx_http_registry_warning_param(ngx_conf_t *cf,
    ngx_str_t *param, ngx_http_registry_warning_t *w);
static ngx_int_t ngx_http_registry_warning_condition(ngx_conf_t *cf,
    ngx_str_t *value, ngx_http_registry_warning_t *w);
static ngx_int_t ngx_http_registry_warning_repository(ngx_conf_t *cf,
    ngx_str_t *value, ngx_http_registry_warning_t *w);
static void ngx_http_registry_warning_free(void *data);

static ngx_int_t ngx_http_registry_warning_due(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_warning_t *w);
static ngx_uint_t ngx_http_registry_warning_tagged(
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_warning_t *w);
static ngx_uint_t ngx_http_registry_warning_names(
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_warning_t *w,
    const ngx_http_registry_who_t *who);
static ngx_uint_t ngx_http_registry_warning_said(ngx_http_request_t *r,
    const reg_buf_t *b);


static ngx_command_t  ngx_http_registry_warning_commands[] = {

    { ngx_string("registry_warning"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_registry_warning,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_registry_warning_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_registry_warning_create,      /* create location configuration */
    ngx_http_registry_warning_merge        /* merge location configuration */
};


ngx_module_t  ngx_http_registry_warning_module = {
    NGX_MODULE_V1,
    &ngx_http_registry_warning_module_ctx, /* module context */
    ngx_http_registry_warning_commands,    /* module directives */
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
ngx_http_registry_warning_create(ngx_conf_t *cf)
{
    /* set by ngx_pcalloc(): conf->warnings = NULL */

    return ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_warning_conf_t));
}


static char *
ngx_http_registry_warning_merge(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_registry_warning_conf_t *prev = parent;
    ngx_http_registry_warning_conf_t *conf = child;

    if (conf->warnings == NULL) {
        conf->warnings = prev->warnings;
    }

    return NGX_CONF_OK;
}


/* --- the directive -------------------------------------------------------- */

static char *
ngx_http_registry_warning(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_warning_conf_t *wcf = conf;

    ngx_str_t                    *value;
    ngx_uint_t                    i;
    ngx_http_registry_warning_t  *w;

    if (wcf->warnings == NULL) {
        wcf->warnings = ngx_array_create(cf->pool, 4,
                                         sizeof(ngx_http_registry_warning_t));
        if (wcf->warnings == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    /* none, then: not those of the level above either */

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    if (wcf->warnings->nelts == NGX_HTTP_REGISTRY_WARNINGS) {
        return "is there too often, 32 at one level are enough for anybody to "
               "read";
    }

    w = ngx_array_push(wcf->warnings);
    if (w == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(w, sizeof(ngx_http_registry_warning_t));

    if (ngx_http_registry_warning_text(cf, &value[1], w) != NGX_OK
        || ngx_array_init(&w->repositories, cf->pool, 1,
                          sizeof(reg_pattern_t *))
           != NGX_OK
        || ngx_array_init(&w->tags, cf->pool, 1, sizeof(reg_str_t)) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_registry_warning_param(cf, &value[i], w) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* What can be said of it now is not left to be found out by clients. */

static ngx_int_t
ngx_http_registry_warning_text(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_registry_warning_t *w)
{
    size_t  i, n;

    if (ngx_http_registry_compile(cf, value, &w->text) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_warning\" has an empty text, which "
                           "would tell nobody anything");
        return NGX_ERROR;
    }

    for (i = 0; i < value->len; i += n) {
        n = reg_str_utf8(value->data + i, value->len - i);

        if (n == 0 || value->data[i] < 0x20 || value->data[i] == 0x7f) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"registry_warning\" takes one line of UTF-8, "
                               "and its text has something else at byte %uz",
                               i + 1);
            return NGX_ERROR;
        }
    }

    if (value->len > REG_WARNINGS_MAX / 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_warning\" has a text of %uz bytes, "
                           "more than %d nobody reads; shorten it",
                           value->len, REG_WARNINGS_MAX / 2);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_warning_param(ngx_conf_t *cf, ngx_str_t *param,
    ngx_http_registry_warning_t *w)
{
    u_char     *p;
    reg_str_t  *tag;
    ngx_str_t   value;

    p = ngx_strlchr(param->data, param->data + param->len, '=');

    if (p && p + 1 < param->data + param->len) {
        value.data = p + 1;
        value.len = param->data + param->len - value.data;

        if (ngx_strncmp(param->data, "if=", 3) == 0 && w->condition == NULL) {
            return ngx_http_registry_warning_condition(cf, &value, w);
        }

        if (ngx_strncmp(param->data, "repository=", 11) == 0) {
            return ngx_http_registry_warning_repository(cf, &value, w);
        }

        if (ngx_strncmp(param->data, "tag=", 4) == 0) {
            tag = ngx_array_push(&w->tags);
            if (tag == NULL) {
                return NGX_ERROR;
            }

            *tag = ngx_http_registry_str(&value);
            return NGX_OK;
        }

        if (ngx_strncmp(param->data, "token_expires=", 14) == 0
            && w->expires == 0)
        {
            w->expires = ngx_parse_time(&value, 1);

            if (w->expires > 0) {
                return NGX_OK;
            }
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"registry_warning\" does not understand \"%V\", "
                       "behind its text it knows repository=team/**, "
                       "tag=*-rc*, token_expires=7d and if=$variable", param);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_registry_warning_condition(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_registry_warning_t *w)
{
    w->condition = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (w->condition == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_registry_compile(cf, value, w->condition);
}


static ngx_int_t
ngx_http_registry_warning_repository(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_registry_warning_t *w)
{
    reg_why_t            why;
    reg_pattern_t      **pattern;
    ngx_pool_cleanup_t  *cln;

    pattern = ngx_array_push(&w->repositories);
    if (pattern == NULL) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    *pattern = reg_pattern_compile(ngx_http_registry_str(value), &why);

    if (*pattern == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"registry_warning\": %s",
                           why.text);
        return NGX_ERROR;
    }

    cln->handler = ngx_http_registry_warning_free;
    cln->data = *pattern;

    return NGX_OK;
}


static void
ngx_http_registry_warning_free(void *data)
{
    reg_pattern_free(data);
}


/* --- a reply -------------------------------------------------------------- */

ngx_int_t
ngx_http_registry_warning_headers(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    size_t                             room;
    ngx_int_t                          rc;
    ngx_str_t                          text;
    reg_buf_t                          b;
    ngx_uint_t                         i;
    ngx_http_registry_warning_t       *w;
    ngx_http_registry_warning_conf_t  *wcf;

    wcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_warning_module);

    if (wcf->warnings == NULL) {
        return NGX_OK;
    }

    room = REG_WARNINGS_MAX;
    w = wcf->warnings->elts;

    for (i = 0; i < wcf->warnings->nelts; i++) {

        rc = ngx_http_registry_warning_due(r, ctx, &w[i]);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc != NGX_OK
            || ngx_http_complex_value(r, &w[i].text, &text) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (text.len == 0) {
            continue;
        }

        reg_buf_init(&b, REG_WARNINGS_MAX);

        if (room <= REG_WARNING_HEADER
            || !reg_warning_print(&b, ngx_http_registry_str(&text),
                                  room - REG_WARNING_HEADER))
        {
            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "a warning was left out, those of one reply may "
                          "have %d bytes together; shorten "
                          "\"registry_warning\"", REG_WARNINGS_MAX);
            reg_buf_free(&b);
            continue;
        }

        rc = NGX_OK;

        if (reg_buf_failed(&b)) {
            rc = NGX_ERROR;

        } else if (!ngx_http_registry_warning_said(r, &b)) {
            rc = ngx_http_registry_header(r, "Warning", b.data, b.len);
            room -= b.len + REG_WARNING_HEADER;
        }

        reg_buf_free(&b);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * NGX_OK, NGX_DECLINED or NGX_ERROR.  Who is refused is not told by a warning
 * what the repository is that he may not see.
 */

static ngx_int_t
ngx_http_registry_warning_due(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_warning_t *w)
{
    ngx_str_t                       value;
    ngx_uint_t                      status;
    const ngx_http_registry_who_t  *who;

    status = r->err_status ? r->err_status : r->headers_out.status;

    if ((w->repositories.nelts || w->tags.nelts)
        && (status == NGX_HTTP_UNAUTHORIZED || status == NGX_HTTP_FORBIDDEN))
    {
        return NGX_DECLINED;
    }

    if (w->tags.nelts && !ngx_http_registry_warning_tagged(ctx, w)) {
        return NGX_DECLINED;
    }

    who = (w->repositories.nelts || w->expires) ? ngx_http_registry_who(r)
                                                : NULL;

    if (w->repositories.nelts && !ngx_http_registry_warning_names(ctx, w, who))
    {
        return NGX_DECLINED;
    }

    if (w->expires
        && (who == NULL || who->expires == 0
            || who->expires - ngx_time() > w->expires))
    {
        return NGX_DECLINED;
    }

    if (w->condition) {

        if (ngx_http_complex_value(r, w->condition, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (value.len == 0 || (value.len == 1 && value.data[0] == '0')) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_registry_warning_tagged(ngx_http_registry_ctx_t *ctx,
    ngx_http_registry_warning_t *w)
{
    size_t      n, j;
    reg_str_t  *glob, *tag;
    ngx_uint_t  i;

    tag = &ctx->op.tag;
    n = (ctx->op.tag.len != 0);

    if (ctx->route == REG_OK && n == 0) {
        tag = ctx->op.tags;
        n = ctx->op.ntags;
    }

    glob = w->tags.elts;

    for (i = 0; i < w->tags.nelts; i++) {
        for (j = 0; j < n; j++) {
            if (reg_str_fits(tag[j], glob[i])) {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_registry_warning_names(ngx_http_registry_ctx_t *ctx,
    ngx_http_registry_warning_t *w, const ngx_http_registry_who_t *who)
{
    int                 rc;
    ngx_uint_t          i;
    reg_pattern_t     **pattern;
    reg_pattern_ctx_t   match;

    if (ctx->op.name.len == 0) {
        return 0;
    }

    pattern = w->repositories.elts;
    rc = 0;

    reg_pattern_begin(&match, who ? who->user : reg_null_str);

    for (i = 0; i < w->repositories.nelts && rc != 1; i++) {
        rc = reg_pattern_match(pattern[i], &match, ctx->op.name);
    }

    reg_pattern_end(&match);

    return rc == 1;
}


/* "Clients SHOULD deduplicate warnings"; not all do. */

static ngx_uint_t
ngx_http_registry_warning_said(ngx_http_request_t *r, const reg_buf_t *b)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && h[i].value.len == b->len
                && ngx_memcmp(h[i].value.data, b->data, b->len) == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}
