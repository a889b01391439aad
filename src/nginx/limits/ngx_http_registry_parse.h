
/*
 * Memory for manifests that are parsed, which a worker bounds by
 * "registry_manifest_memory": for the bytes of those that are pushed, and as
 * much again for what parsing makes of them, which can be some seventy times as
 * much.
 *
 * Bytes are counted as they come in.  Where there is no memory for those of
 * one, another that has been coming in for so long that its client can hardly
 * mean it has to give way: a few who send a byte now and then must not keep out
 * everybody else.
 *
 * What a parse may need is known by the length alone.  As long as there is
 * enough left they run side by side; one for which there is not waits, in
 * order, and is told to come back when it has waited for too long.  A manifest
 * that may need more than all there is runs when no other does.
 *
 * Those that are read for a list have a line of their own, and one of them
 * runs at a time: there may be very many, and who pushes stands behind one of
 * them at most.
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
    ngx_queue_t   waiting;       /* of ngx_http_registry_parse_t, pushes */
    ngx_queue_t   reading;       /* the same, lists */
    ngx_queue_t   coming;        /* of ngx_http_registry_hold_t, the longest
                                    first */
    unsigned      reader:1;      /* a list has its turn */
    unsigned      turn:1;        /* a list is next, where both wait */
} ngx_http_registry_parses_t;


/* The memory of one body; zeroed but for parses and give_way it has none. */
typedef struct {
    ngx_queue_t                  queue;
    ngx_http_registry_parses_t  *parses;       /* NULL: it is not counted */
    size_t                       held;
    ngx_msec_t                   since;
    ngx_event_t                  give_way;     /* posted when it has to */
    unsigned                     coming:1;     /* in that queue */
    unsigned                     given:1;      /* its memory is another's */
} ngx_http_registry_hold_t;


/*
 * Goes on with next when there is memory to parse len bytes, which may be at
 * once; or with the refusal, and without the body.  To be left when it is
 * parsed; a request that ends before leaves by itself.
 */
ngx_int_t ngx_http_registry_parse_enter(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, size_t len,
    ngx_http_registry_step_pt next);
void ngx_http_registry_parse_leave(ngx_http_registry_ctx_t *ctx);

/*
 * The same for a slice of a list that parses manifests of up to len bytes; to
 * be left behind each of them.
 */
ngx_int_t ngx_http_registry_parse_read(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, size_t len,
    ngx_http_registry_step_pt next);

/* 1 when it was not its turn, and is not yet. */
ngx_uint_t ngx_http_registry_parse_waits(ngx_http_registry_ctx_t *ctx);

/*
 * Takes memory for a body of which so many bytes are there now: NGX_OK, or
 * NGX_BUSY.  From ngx_http_registry_parse_whole() on it keeps what it has.
 * Given back by ngx_http_registry_parse_free().
 */
ngx_int_t ngx_http_registry_parse_hold(ngx_http_registry_hold_t *hold,
    size_t now);
void ngx_http_registry_parse_whole(ngx_http_registry_hold_t *hold);
void ngx_http_registry_parse_free(ngx_http_registry_hold_t *hold);

/*
 * In a thread, after a large one: gives what the parser has freed back to the
 * system.  Each thread would else keep some of it for its next time.
 */
void ngx_http_registry_parse_trim(void);

/* This worker's. */
ngx_http_registry_parses_t *ngx_http_registry_parses(ngx_http_request_t *r);


#endif /* NGX_HTTP_REGISTRY_PARSE_H_INCLUDED */
