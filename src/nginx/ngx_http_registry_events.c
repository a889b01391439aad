#include "ngx_http_registry_notify.h"
ngx_int_t ngx_http_registry_events_handler(ngx_http_request_t *r) { return NGX_HTTP_NOT_FOUND; }
