
/*
 * Request bodies: streamed into an upload session, or gathered in memory.
 *
 * Streaming keeps the event loop and one pool thread at work side by side:
 * the loop fills a buffer from the socket while the thread writes and hashes
 * the one before.  When both are full nothing is read, and TCP or the window
 * of the stream slows the client down.
 *
 *   buffer 0   nginx's own rb->buf, small; all that a short body ever needs
 *   1 and 2    of registry_upload_buffer_size, made when buffer 0 was full,
 *              then used in turns
 *
 * What is taken from the buffers queues as entries.  One at a time, the oldest,
 * is worked on, since a hash has one order; where it is long and there is more
 * than one processor, one thread writes it and another hashes it.
 */


#ifndef NGX_HTTP_REGISTRY_BODY_H_INCLUDED
#define NGX_HTTP_REGISTRY_BODY_H_INCLUDED


#include "ngx_http_registry.h"

#include "reg_upload.h"


/* Puts the filter of request bodies into nginx's chain. */
void ngx_http_registry_body_filter_init(void);


/* How a body ended before its time. */
typedef enum {
    ngx_http_registry_body_whole = 0,
    ngx_http_registry_body_cut,          /* client gone or too slow */
    ngx_http_registry_body_bad,          /* framing nonsense, nginx's limit */
    ngx_http_registry_body_over,         /* more than there is room for */
    ngx_http_registry_body_failed        /* storage did; ctx->error */
} ngx_http_registry_body_end_e;


/*
 * Streams the body, of at most room bytes, into an open session.  finish runs
 * in a thread, behind the last byte and in the same task where there is one:
 * it saves or commits.  Then next runs with ctx->rc.
 *
 * When the body ends before its time, cut runs in a thread instead, and the
 * request is finalized without a next step; unless it was too long or could
 * not be stored: then next runs with what cut returned.  finish may have run
 * before a cut of what could not be stored.
 */
ngx_int_t ngx_http_registry_body_stream(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_upload_t *upload, off_t room,
    reg_rc_t (*finish)(ngx_http_registry_ctx_t *ctx),
    reg_rc_t (*cut)(ngx_http_registry_ctx_t *ctx),
    ngx_http_registry_step_pt next);

/* How it ended; for cut. */
ngx_http_registry_body_end_e ngx_http_registry_body_end(
    const ngx_http_registry_ctx_t *ctx);

/*
 * Gathers the body in memory, up to max bytes, then goes on with next.
 * Answers itself when it is too large, or there is no memory for manifests.
 */
ngx_int_t ngx_http_registry_body_gather(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, size_t max,
    ngx_http_registry_step_pt next);

/* Bytes of a gathered body. */
size_t ngx_http_registry_body_size(const ngx_http_registry_ctx_t *ctx);

/*
 * The gathered body; for a thread, since nginx may have it in a file.  REG_OK
 * and the bytes in *body, which live until ngx_http_registry_body_free(), or
 * as long as the request.
 */
reg_rc_t ngx_http_registry_body_get(ngx_http_registry_ctx_t *ctx,
    reg_str_t *body);

/*
 * Gives back the memory of a gathered body, and what it counts for among
 * others.  To be called before a reply, since a client may be slow to take it.
 */
void ngx_http_registry_body_free(ngx_http_registry_ctx_t *ctx);


#endif /* NGX_HTTP_REGISTRY_BODY_H_INCLUDED */
