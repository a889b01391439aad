
/*
 * Memory for manifests that are pushed, which a worker bounds by
 * "registry_manifest_memory": for their bytes, and as much again for what
 * parsing makes of them, which can be some seventy times as much.
 *
 * What a parse may need is known by the length alone.  As long as there is
 * enough left they run side by side; one for which there is not waits, in
 * order, and is told to come back when it has waited for too long.  A manifest
 * that may need more than all there is runs when no other does.
 */


#ifndef NGX_HTTP_REGISTRY_PARSE_H_INCLUDED
#define NGX_HTTP_REGISTRY_PARSE_H_INCLUDED


#include "ngx_http_registry.h"


/* bytes of a manifest that are never refused, whatever others hold */
#define NGX_HTTP_REGISTRY_PARSE_FREE  (64 * 1024)


typedef struct ngx_http_registry_parse_s  ngx_http_registry_parse_t;


/* Of one worker. */
typedef struct {
    size_t        size;          /* of either part; the directive's */
    size_t        bodies;        /* bytes held */
    size_t        parsing;       /* bytes that parsers may take */
    ngx_queue_t   waiting;       /* of ngx_http_registry_parse_t */
} ngx_http_registry_parses_t;


/*
 * Goes on with next when there is memory to parse len bytes, which may be at
 * once; or with the refusal.  To be left when it is parsed; a request that
 * ends before leaves by itself.
 */
ngx_int_t ngx_http_registry_parse_enter(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, size_t len,
    ngx_http_registry_step_pt next);
void ngx_http_registry_parse_leave(ngx_http_registry_ctx_t *ctx);

/*
 * Takes memory for a body that has now bytes, and had been counted as *held of
 * them: NGX_OK, or NGX_BUSY.  Given back by ngx_http_registry_parse_free().
 */
ngx_int_t ngx_http_registry_parse_hold(ngx_http_registry_parses_t *parses,
    size_t now, size_t *held);
void ngx_http_registry_parse_free(ngx_http_registry_parses_t *parses,
    size_t held);

/*
 * In a thread, after a large one: gives what the parser has freed back to the
 * system.  Each thread would else keep some of it for its next time.
 */
void ngx_http_registry_parse_trim(void);

/* This worker's. */
ngx_http_registry_parses_t *ngx_http_registry_parses(ngx_http_request_t *r);


#endif /* NGX_HTTP_REGISTRY_PARSE_H_INCLUDED */
