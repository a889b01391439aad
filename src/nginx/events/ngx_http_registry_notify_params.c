
/* What "registry_notify" says of an endpoint: its URL and its parameters. */


#include "ngx_http_registry_notify.h"


/* bytes of a file with a secret, or with headers */
#define NGX_HTTP_REGISTRY_NOTIFY_FILE  65536

/* bytes of an endpoint's answer that are read, for the sake of the status */
#define NGX_HTTP_REGISTRY_NOTIFY_READ  65536

#define NGX_HTTP_REGISTRY_NOTIFY_TIMEOUT        5000
#define NGX_HTTP_REGISTRY_NOTIFY_THRESHOLD      3
#define NGX_HTTP_REGISTRY_NOTIFY_THRESHOLD_MAX  1000000
#define NGX_HTTP_REGISTRY_NOTIFY_BACKOFF        1000
#define NGX_HTTP_REGISTRY_NOTIFY_MAX            300000
#define NGX_HTTP_REGISTRY_NOTIFY_BATCH          50

/* ms; what a reload may have to wait for */
#define NGX_HTTP_REGISTRY_NOTIFY_LONGEST        600000


typedef char *(*ngx_http_registry_param_pt)(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);

typedef int (*ngx_http_registry_filter_pt)(reg_notify_filter_t *f,
    reg_str_t value, reg_why_t *why);


typedef struct {
    ngx_str_t                   name;       /* with its "=" */
    ngx_http_registry_param_pt  set;
    size_t                      offset;
    ngx_uint_t                  many;       /* may stand more than once */
} ngx_http_registry_param_t;


static char *ngx_http_registry_notify_param(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *arg, uint64_t *seen);
static char *ngx_http_registry_notify_check(
    ngx_http_registry_endpoint_t *ep);
static char *ngx_http_registry_notify_url(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value);
static char *ngx_http_registry_notify_action(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);
static char *ngx_http_registry_notify_repository(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);
static char *ngx_http_registry_notify_media(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);
static char *ngx_http_registry_notify_filter(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value,
    ngx_http_registry_filter_pt add);
static char *ngx_http_registry_notify_secret(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);
static char *ngx_http_registry_notify_header(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);
static char *ngx_http_registry_notify_headers(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);
static char *ngx_http_registry_notify_time(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);
static char *ngx_http_registry_notify_number(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);
static char *ngx_http_registry_notify_format(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);
static char *ngx_http_registry_notify_pem(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);
static char *ngx_http_registry_notify_verify(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset);
static ngx_int_t ngx_http_registry_notify_read(ngx_conf_t *cf,
    ngx_str_t *name, ngx_str_t *text);
static char *ngx_http_registry_notify_why(ngx_conf_t *cf, reg_why_t *why);


#define NGX_HTTP_REGISTRY_EP(field)                                           \
    offsetof(ngx_http_registry_endpoint_t, field)

static const ngx_http_registry_param_t  ngx_http_registry_params[] = {

    { ngx_string("action="), ngx_http_registry_notify_action, 0, 0 },

    { ngx_string("repository="), ngx_http_registry_notify_repository, 0, 1 },

    { ngx_string("media_type="), ngx_http_registry_notify_media, 0, 1 },

    { ngx_string("secret="), ngx_http_registry_notify_secret, 0, 0 },

    { ngx_string("header="), ngx_http_registry_notify_header, 0, 1 },

    { ngx_string("header_file="), ngx_http_registry_notify_headers, 0, 1 },

    { ngx_string("timeout="), ngx_http_registry_notify_time,
      NGX_HTTP_REGISTRY_EP(curl.timeout), 0 },

    { ngx_string("threshold="), ngx_http_registry_notify_number,
      NGX_HTTP_REGISTRY_EP(retry.threshold), 0 },

    { ngx_string("backoff="), ngx_http_registry_notify_time,
      NGX_HTTP_REGISTRY_EP(retry.backoff), 0 },

    { ngx_string("max_backoff="), ngx_http_registry_notify_time,
      NGX_HTTP_REGISTRY_EP(retry.max), 0 },

    { ngx_string("batch="), ngx_http_registry_notify_number,
      NGX_HTTP_REGISTRY_EP(batch), 0 },

    { ngx_string("format="), ngx_http_registry_notify_format, 0, 0 },

    { ngx_string("ca="), ngx_http_registry_notify_pem,
      NGX_HTTP_REGISTRY_EP(curl.ca), 0 },

    { ngx_string("cert="), ngx_http_registry_notify_pem,
      NGX_HTTP_REGISTRY_EP(curl.cert), 0 },

    { ngx_string("key="), ngx_http_registry_notify_pem,
      NGX_HTTP_REGISTRY_EP(curl.key), 0 },

    { ngx_string("verify="), ngx_http_registry_notify_verify, 0, 0 },

    { ngx_null_string, NULL, 0, 0 }
};


char *
ngx_http_registry_notify_params(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep)
{
    char        *rv;
    uint64_t     seen;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    ep->filter.actions = REG_NOTIFY_ACTIONS;
    ep->retry.threshold = NGX_HTTP_REGISTRY_NOTIFY_THRESHOLD;
    ep->retry.backoff = NGX_HTTP_REGISTRY_NOTIFY_BACKOFF;
    ep->retry.max = NGX_HTTP_REGISTRY_NOTIFY_MAX;
    ep->batch = NGX_HTTP_REGISTRY_NOTIFY_BATCH;
    ep->curl.max = NGX_HTTP_REGISTRY_NOTIFY_READ;
    ep->curl.timeout = NGX_HTTP_REGISTRY_NOTIFY_TIMEOUT;
    ep->curl.verify = 1;

    seen = 0;
    rv = ngx_http_registry_notify_url(cf, ep, &value[2]);

    for (i = 3; i < cf->args->nelts && rv == NGX_CONF_OK; i++) {
        rv = ngx_http_registry_notify_param(cf, ep, &value[i], &seen);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_registry_notify_check(ep);
    }

    return rv;
}


static char *
ngx_http_registry_notify_param(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *arg, uint64_t *seen)
{
    ngx_str_t                         value;
    ngx_uint_t                        i;
    const ngx_http_registry_param_t  *param;

    for (i = 0; ngx_http_registry_params[i].set; i++) {
        param = &ngx_http_registry_params[i];

        if (arg->len < param->name.len
            || ngx_strncmp(arg->data, param->name.data, param->name.len) != 0)
        {
            continue;
        }

        value.len = arg->len - param->name.len;
        value.data = arg->data + param->name.len;

        if (value.len == 0) {
            return "has a parameter without a value";
        }

        if (!param->many && (*seen & ((uint64_t) 1 << i))) {
            return "has a parameter twice";
        }

        *seen |= (uint64_t) 1 << i;

        return param->set(cf, ep, &value, param->offset);
    }

    /* what it is may be a secret */

    return "takes action=, repository=, media_type=, secret=, header=, "
           "header_file=, timeout=, threshold=, backoff=, max_backoff=, "
           "batch=, format=, ca=, cert=, key= and verify=, and nothing else";
}


static char *
ngx_http_registry_notify_check(ngx_http_registry_endpoint_t *ep)
{
    if (ep->retry.max < ep->retry.backoff) {
        return "has a \"max_backoff=\" below its \"backoff=\"";
    }

    if (ep->curl.timeout > NGX_HTTP_REGISTRY_NOTIFY_LONGEST) {
        return "has a \"timeout=\" above 10m";
    }

    if ((ep->curl.cert.len == 0) != (ep->curl.key.len == 0)) {
        return "needs both \"cert=\" and \"key=\", or neither";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_notify_url(ngx_conf_t *cf, ngx_http_registry_endpoint_t *ep,
    ngx_str_t *value)
{
    reg_buf_t  b;
    reg_why_t  why;

    if (reg_notify_url(ngx_http_registry_str(value), &why) != 0) {
        return ngx_http_registry_notify_why(cf, &why);
    }

    ep->url = *value;

    reg_buf_init(&b, 4096);
    reg_notify_url_shown(&b, ngx_http_registry_str(value));

    ep->shown.len = reg_buf_failed(&b) ? 0 : b.len;
    ep->shown.data = ngx_pnalloc(cf->pool, ep->shown.len + 1);

    if (ep->shown.data) {
        ngx_memcpy(ep->shown.data, b.data ? b.data : "", ep->shown.len);
        ep->shown.data[ep->shown.len] = '\0';
    }

    reg_buf_free(&b);

    return ep->shown.data ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_registry_notify_action(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset)
{
    ep->filter.actions = 0;

    return ngx_http_registry_notify_filter(cf, ep, value,
                                           reg_notify_filter_actions);
}


static char *
ngx_http_registry_notify_repository(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset)
{
    return ngx_http_registry_notify_filter(cf, ep, value,
                                           reg_notify_filter_repositories);
}


static char *
ngx_http_registry_notify_media(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset)
{
    return ngx_http_registry_notify_filter(cf, ep, value,
                                           reg_notify_filter_types);
}


static char *
ngx_http_registry_notify_filter(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value,
    ngx_http_registry_filter_pt add)
{
    reg_why_t  why;

    if (add(&ep->filter, ngx_http_registry_str(value), &why) != 0) {
        return ngx_http_registry_notify_why(cf, &why);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_notify_secret(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset)
{
    ngx_str_t  text;
    reg_str_t  secret;
    reg_why_t  why;

    if (ngx_http_registry_notify_read(cf, value, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (reg_notify_secret(ngx_http_registry_str(&text), &secret, &why) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" cannot be used: %s",
                           value, why.text);
        return NGX_CONF_ERROR;
    }

    ep->secret.len = secret.len;
    ep->secret.data = (u_char *) secret.data;

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_notify_header(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset)
{
    u_char     *p;
    reg_str_t   name, content;
    reg_why_t   why;
    ngx_str_t  *h;

    if (reg_notify_header(ngx_http_registry_str(value), &name, &content, &why)
        != 0)
    {
        return ngx_http_registry_notify_why(cf, &why);
    }

    h = ngx_array_push(&ep->headers);
    if (h == NULL) {
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, name.len + content.len + 3);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    h->data = p;

    /* libcurl sends a header without a value when it is written so */

    p = ngx_cpymem(p, name.data, name.len);
    *p++ = content.len ? ':' : ';';

    if (content.len) {
        *p++ = ' ';
        p = ngx_cpymem(p, content.data, content.len);
    }

    *p = '\0';
    h->len = p - h->data;

    return NGX_CONF_OK;
}


/* A file of them, one a line. */

static char *
ngx_http_registry_notify_headers(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset)
{
    char       *rv;
    u_char     *p, *end, *last;
    ngx_str_t   text, line;

    if (ngx_http_registry_notify_read(cf, value, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    last = text.data + text.len;

    for (p = text.data; p < last; p = end + 1) {
        end = ngx_strlchr(p, last, '\n');

        if (end == NULL) {
            end = last;
        }

        line.data = p;
        line.len = end - p;

        if (line.len && line.data[line.len - 1] == '\r') {
            line.len--;
        }

        if (line.len == 0 || line.data[0] == '#') {
            continue;
        }

        rv = ngx_http_registry_notify_header(cf, ep, &line, 0);

        if (rv != NGX_CONF_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" cannot be used", value);
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_notify_time(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset)
{
    int64_t  ms;

    ms = ngx_parse_time(value, 0);

    if (ms == NGX_ERROR || ms == 0 || ms > INT64_C(365) * 24 * 3600 * 1000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_notify\" has the time \"%V\", write it "
                           "as \"5s\"", value);
        return NGX_CONF_ERROR;
    }

    if (offset == NGX_HTTP_REGISTRY_EP(curl.timeout)) {
        ep->curl.timeout = ms;

    } else if (offset == NGX_HTTP_REGISTRY_EP(retry.backoff)) {
        ep->retry.backoff = ms;

    } else {
        ep->retry.max = ms;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_notify_number(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset)
{
    ngx_int_t   n, max;
    ngx_uint_t  batch;

    batch = (offset == NGX_HTTP_REGISTRY_EP(batch));
    max = batch ? REG_NOTIFY_BATCH_MAX
                : NGX_HTTP_REGISTRY_NOTIFY_THRESHOLD_MAX;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n == 0 || n > max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_notify\" has the number \"%V\", which "
                           "must be from 1 to %i", value, max);
        return NGX_CONF_ERROR;
    }

    if (batch) {
        ep->batch = n;

    } else {
        ep->retry.threshold = n;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_notify_format(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset)
{
    if (ngx_strcmp(value->data, "distribution") == 0) {
        ep->format = REG_NOTIFY_DISTRIBUTION;

    } else if (ngx_strcmp(value->data, "cloudevents") == 0) {
        ep->format = REG_NOTIFY_CLOUDEVENTS;

    } else {
        return "has a \"format=\" that is neither \"distribution\" nor "
               "\"cloudevents\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_notify_pem(ngx_conf_t *cf, ngx_http_registry_endpoint_t *ep,
    ngx_str_t *value, size_t offset)
{
    ngx_str_t  *pem;

    pem = (ngx_str_t *) ((u_char *) ep + offset);

    if (ngx_http_registry_curl_pem(cf, value, pem) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_notify_verify(ngx_conf_t *cf,
    ngx_http_registry_endpoint_t *ep, ngx_str_t *value, size_t offset)
{
    if (ngx_strcmp(value->data, "on") == 0) {
        ep->curl.verify = 1;

    } else if (ngx_strcmp(value->data, "off") == 0) {
        ep->curl.verify = 0;

    } else {
        return "has a \"verify=\" that is neither \"on\" nor \"off\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_notify_why(ngx_conf_t *cf, reg_why_t *why)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"registry_notify\": %s",
                       why->text);

    return NGX_CONF_ERROR;
}


/* The whole of a small file, and a NUL behind it. */

static ngx_int_t
ngx_http_registry_notify_read(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *text)
{
    ssize_t     n;
    ngx_file_t  file;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    text->data = ngx_pnalloc(cf->pool, NGX_HTTP_REGISTRY_NOTIFY_FILE + 1);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&file, sizeof(ngx_file_t));
    file.name = *name;
    file.log = cf->log;
    file.fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", name);
        return NGX_ERROR;
    }

    n = ngx_read_file(&file, text->data, NGX_HTTP_REGISTRY_NOTIFY_FILE + 1, 0);

    if (ngx_close_file(file.fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", name);
    }

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (n > NGX_HTTP_REGISTRY_NOTIFY_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is larger than %d bytes", name,
                           NGX_HTTP_REGISTRY_NOTIFY_FILE);
        return NGX_ERROR;
    }

    text->data[n] = '\0';
    text->len = n;

    return NGX_OK;
}
