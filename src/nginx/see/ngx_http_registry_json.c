
/*
 * One variable instead of some twenty: nginx asks for each of them, and for its
 * length before, and what is no UTF-8 takes a regular expression each to be
 * found.  It is the same JSON in all locations, those without a registry too.
 */


#include "ngx_http_registry_json.h"
#include "ngx_http_registry_request_id.h"
#include "ngx_http_registry_variables.h"


/* of a line: the request line and the agent are as long as nginx lets them */
#define NGX_HTTP_REGISTRY_JSON_MAX  (4 * 1024 * 1024)

/* of a line that is usual: more is given back */
#define NGX_HTTP_REGISTRY_JSON_KEEP  16384


static ngx_int_t ngx_http_registry_json(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_registry_json_request(ngx_http_request_t *r,
    reg_buf_t *b);
static void ngx_http_registry_json_numbers(ngx_http_request_t *r,
    reg_buf_t *b);
static void ngx_http_registry_json_number(reg_buf_t *b, uint64_t value,
    size_t least);
static ngx_int_t ngx_http_registry_json_value(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);
static ngx_inline void ngx_http_registry_json_member(reg_buf_t *b,
    reg_str_t name, ngx_str_t *value);


/* of the process: a line is made at a time */
static reg_buf_t  ngx_http_registry_json_line;


ngx_int_t
ngx_http_registry_json_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var;

    static ngx_str_t  name = ngx_string("registry_json");

    var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_http_registry_json;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_json(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char     *p;
    ngx_int_t   rc;
    reg_buf_t  *b;

    b = &ngx_http_registry_json_line;

    if (b->max == 0) {
        reg_buf_init(b, NGX_HTTP_REGISTRY_JSON_MAX);
    }

    reg_buf_reset(b);

    rc = ngx_http_registry_json_request(r, b);

    if (rc == NGX_OK) {
        rc = ngx_http_registry_variables_json(r, b);
    }

    reg_buf_str(b, reg_str("}"));

    if (reg_buf_failed(b)) {
        rc = NGX_ERROR;
    }

    if (rc == NGX_OK) {
        p = ngx_pnalloc(r->pool, b->len);

        if (p) {
            ngx_memcpy(p, b->data, b->len);

            v->data = p;
            v->len = b->len;
            v->valid = 1;
            v->no_cacheable = 1;
            v->not_found = 0;

        } else {
            rc = NGX_ERROR;
        }
    }

    if (b->len > NGX_HTTP_REGISTRY_JSON_KEEP || reg_buf_failed(b)) {
        reg_buf_free(b);
    }

    return rc;
}


static ngx_int_t
ngx_http_registry_json_request(ngx_http_request_t *r, reg_buf_t *b)
{
    ngx_str_t  agent, id, line;

    static ngx_str_t  request = ngx_string("request");

    if (ngx_http_registry_request_id(r, &id) != NGX_OK
        || ngx_http_registry_json_value(r, &request, &line) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_null(&agent);

    if (r->headers_in.user_agent) {
        agent = r->headers_in.user_agent->value;
    }

    ngx_http_registry_json_member(b, reg_str("{\"time\":\""),
                                  (ngx_str_t *) &ngx_cached_http_log_iso8601);
    ngx_http_registry_json_member(b, reg_str("\",\"from\":\""),
                                  &r->connection->addr_text);
    ngx_http_registry_json_member(b, reg_str("\",\"id\":\""), &id);
    ngx_http_registry_json_member(b, reg_str("\",\"request\":\""), &line);
    ngx_http_registry_json_member(b, reg_str("\",\"agent\":\""), &agent);

    ngx_http_registry_json_numbers(r, b);

    return NGX_OK;
}


/* As $status, $request_time, $bytes_sent and $connection are. */

static void
ngx_http_registry_json_numbers(ngx_http_request_t *r, reg_buf_t *b)
{
    ngx_uint_t       status;
    ngx_time_t      *tp;
    ngx_msec_int_t   ms;

    status = r->err_status ? r->err_status : r->headers_out.status;

    tp = ngx_timeofday();
    ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                           + (tp->msec - r->start_msec));
    ms = ngx_max(ms, 0);

    reg_buf_str(b, reg_str("\",\"status\":"));
    ngx_http_registry_json_number(b, status, 1);

    reg_buf_str(b, reg_str(",\"seconds\":"));
    ngx_http_registry_json_number(b, (uint64_t) ms / 1000, 1);
    reg_buf_str(b, reg_str("."));
    ngx_http_registry_json_number(b, (uint64_t) ms % 1000, 3);

    reg_buf_str(b, reg_str(",\"sent\":"));
    ngx_http_registry_json_number(b, (uint64_t) r->connection->sent, 1);

    reg_buf_str(b, reg_str(",\"connection\":"));
    ngx_http_registry_json_number(b, r->connection->number, 1);
}


static void
ngx_http_registry_json_number(reg_buf_t *b, uint64_t value, size_t least)
{
    char  digits[REG_STR_DIGITS];

    reg_buf_str(b, reg_str_digits(value, least, digits));
}


static ngx_int_t
ngx_http_registry_json_value(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_http_variable_value_t  *vv;

    vv = ngx_http_get_variable(r, name, ngx_hash_key(name->data, name->len));
    if (vv == NULL) {
        return NGX_ERROR;
    }

    value->data = vv->data;
    value->len = vv->not_found ? 0 : vv->len;

    return NGX_OK;
}


/* name begins with the quote that ends the string before. */

static ngx_inline void
ngx_http_registry_json_member(reg_buf_t *b, reg_str_t name, ngx_str_t *value)
{
    reg_buf_str(b, name);
    reg_buf_json(b, ngx_http_registry_str(value));
}
