
#include "ngx_http_registry_headers_in.h"


ngx_table_elt_t *
ngx_http_registry_find_header(ngx_http_request_t *r, const char *name,
    size_t len)
{
    ngx_uint_t  n;

    return ngx_http_registry_find_headers(r, name, len, &n);
}


ngx_table_elt_t *
ngx_http_registry_find_headers(ngx_http_request_t *r, const char *name,
    size_t len, ngx_uint_t *n)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *first;

    first = NULL;
    *n = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != len
                || h[i].lowcase_key == NULL
                || ngx_memcmp(h[i].lowcase_key, name, len) != 0)
            {
                continue;
            }

            if (first == NULL) {
                first = &h[i];
            }

            (*n)++;
        }
    }

    return first;
}
