
/*
 * The first step of every operation, by the name it has in REG_OP_TABLE.  An
 * operation that has a row there and no function here does not link.
 */


#ifndef NGX_HTTP_REGISTRY_OPS_H_INCLUDED
#define NGX_HTTP_REGISTRY_OPS_H_INCLUDED


#include "ngx_http_registry.h"


#define NGX_HTTP_REGISTRY_OP(symbol, name, action, body)                      \
    ngx_int_t ngx_http_registry_##name(ngx_http_request_t *r,                 \
        ngx_http_registry_ctx_t *ctx);

REG_OP_TABLE(NGX_HTTP_REGISTRY_OP)

#undef NGX_HTTP_REGISTRY_OP


#endif /* NGX_HTTP_REGISTRY_OPS_H_INCLUDED */
