
#include "ngx_http_registry_request_id.h"

#include <openssl/rand.h>


#define NGX_HTTP_REGISTRY_REQUEST_ID  16

/* requests that a call is made for */
#define NGX_HTTP_REGISTRY_IDS         64


static ngx_int_t ngx_http_registry_request_id_make(ngx_http_request_t *r,
    ngx_http_variable_value_t *vv);
static u_char *ngx_http_registry_request_id_next(void);


/* of the process, on its event loop */
static u_char
    ngx_http_registry_ids[NGX_HTTP_REGISTRY_IDS * NGX_HTTP_REGISTRY_REQUEST_ID];
static ngx_uint_t  ngx_http_registry_ids_left;
static ngx_pid_t   ngx_http_registry_ids_pid;


ngx_int_t
ngx_http_registry_request_id_add(ngx_conf_t *cf)
{
    ngx_http_registry_main_conf_t  *rmcf;

    static ngx_str_t  name = ngx_string("request_id");

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);

    /* with an index it is the same wherever it is asked for */

    rmcf->request_id = ngx_http_get_variable_index(cf, &name);

    return (rmcf->request_id == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_http_registry_request_id(ngx_http_request_t *r, ngx_str_t *id)
{
    ngx_http_variable_value_t      *vv;
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);

    vv = &r->variables[rmcf->request_id];

    if (!vv->valid && !vv->not_found
        && ngx_http_registry_request_id_make(r, vv) != NGX_OK)
    {
        vv = ngx_http_get_indexed_variable(r, rmcf->request_id);
        if (vv == NULL) {
            return NGX_ERROR;
        }
    }

    id->len = vv->not_found ? 0 : vv->len;
    id->data = vv->data;

    return NGX_OK;
}


/* As ngx_http_variable_request_id(). */

static ngx_int_t
ngx_http_registry_request_id_make(ngx_http_request_t *r,
    ngx_http_variable_value_t *vv)
{
    u_char  *id, *p;

    id = ngx_http_registry_request_id_next();
    p = ngx_pnalloc(r->pool, 2 * NGX_HTTP_REGISTRY_REQUEST_ID);

    if (id == NULL || p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(p, id, NGX_HTTP_REGISTRY_REQUEST_ID);

    vv->len = 2 * NGX_HTTP_REGISTRY_REQUEST_ID;
    vv->data = p;
    vv->valid = 1;
    vv->no_cacheable = 0;
    vv->not_found = 0;

    return NGX_OK;
}


/* What is left of another process's is its own: no two have the same. */

static u_char *
ngx_http_registry_request_id_next(void)
{
    if (ngx_http_registry_ids_left == 0
        || ngx_http_registry_ids_pid != ngx_pid)
    {
        ngx_http_registry_ids_left = 0;

        if (RAND_bytes(ngx_http_registry_ids, sizeof(ngx_http_registry_ids))
            != 1)
        {
            return NULL;
        }

        ngx_http_registry_ids_left = NGX_HTTP_REGISTRY_IDS;
        ngx_http_registry_ids_pid = ngx_pid;
    }

    ngx_http_registry_ids_left--;

    return ngx_http_registry_ids
           + ngx_http_registry_ids_left * NGX_HTTP_REGISTRY_REQUEST_ID;
}
