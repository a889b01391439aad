
/*
 * The inside of a body: ngx_http_registry_body.c drives it on the event loop,
 * ngx_http_registry_body_read.c takes what the client has sent,
 * ngx_http_registry_body_filter.c tells nginx's reader how to read it,
 * ngx_http_registry_body_work.c is what threads do with it, and
 * ngx_http_registry_body_gather.c keeps a short one in memory.
 */


#ifndef NGX_HTTP_REGISTRY_BODY_PRIVATE_H_INCLUDED
#define NGX_HTTP_REGISTRY_BODY_PRIVATE_H_INCLUDED


#include "ngx_http_registry_body.h"
#include "ngx_http_registry_parse.h"

#include <sys/uio.h>


#define NGX_HTTP_REGISTRY_BODY_BUFS    3
#define NGX_HTTP_REGISTRY_BODY_IOVS    128


typedef struct ngx_http_registry_entry_s  ngx_http_registry_entry_t;

struct ngx_http_registry_entry_s {
    ngx_http_registry_entry_t  *next;
    ngx_uint_t                  slot;       /* the buffer it borrows from */
    ngx_fd_t                    fd;         /* or the file it stands in */
    off_t                       file_pos;
    off_t                       file_last;
    size_t                      size;       /* of the pieces in memory */
    int                         n;
    struct iovec                iov[NGX_HTTP_REGISTRY_BODY_IOVS];
};


struct ngx_http_registry_body_s {
    reg_upload_t                  *upload;     /* NULL: gathered in memory */
    reg_buf_t                      memory;
    ngx_fd_t                       file;       /* gathered by nginx, in file */
    off_t                          received;
    off_t                          room;       /* in the upload, for a body */
    size_t                         max;
    ngx_http_registry_hold_t       hold;       /* of a manifest's bytes */

    ngx_buf_t                     *bufs[NGX_HTTP_REGISTRY_BODY_BUFS];
    ngx_uint_t                     in_use[NGX_HTTP_REGISTRY_BODY_BUFS];
    ngx_uint_t                     slot;

    ngx_http_registry_entry_t     *head;
    ngx_http_registry_entry_t    **tail;
    ngx_http_registry_entry_t     *free;
    ngx_http_registry_entry_t     *running;

    /* running is the last entry; read in a thread while the flags below are
       written on the event loop, so it is none of them */
    ngx_uint_t                     last;

    reg_rc_t                     (*finish)(ngx_http_registry_ctx_t *ctx);
    reg_rc_t                     (*cut)(ngx_http_registry_ctx_t *ctx);
    ngx_http_registry_step_pt      done;

    ngx_http_registry_body_end_e   end;
    ngx_int_t                      status;     /* of an end before its time */
    ngx_uint_t                     tries;      /* to wind up */

    unsigned                       started:1;  /* post handler was called */
    unsigned                       starting:1;
    unsigned                       fast:1;     /* buffer 0 was full once */
    unsigned                       shared:1;   /* others read it, too */
    unsigned                       eof:1;
    unsigned                       refused:1;  /* ctx->error says why */
    unsigned                       secret:1;   /* wiped when done with */
    unsigned                       finished:1;
    unsigned                       cutting:1;  /* or was cut */
    unsigned                       unhashed:1; /* running, written alone */
};


/* --- ngx_http_registry_body.c --- */

/* A new one, ctx->body; NULL without memory.  start() when it is filled in. */
ngx_http_registry_body_t *ngx_http_registry_body_create(
    ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx);
ngx_int_t ngx_http_registry_body_start(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


/* --- ngx_http_registry_body_read.c --- */

/*
 * Reads what the client has sent.  NGX_OK when something was taken or the
 * body ended, NGX_AGAIN to wait for the client or for a thread.
 */
ngx_int_t ngx_http_registry_body_read(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);

/* The body is cut here, behind what nginx has read of it. */
void ngx_http_registry_body_rest(ngx_http_request_t *r,
    ngx_http_registry_body_t *body);


/* --- ngx_http_registry_body_gather.c --- */

/* A manifest is small: its bytes are copied as they come. */
reg_rc_t ngx_http_registry_body_copy(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


/* --- ngx_http_registry_body_work.c --- */

/*
 * In threads: writes and hashes the running entry, and ends the upload behind
 * the last one; or the same without the hash, which is the other thread's, or
 * is caught up with by body_hash() before the next entry.
 */
reg_rc_t ngx_http_registry_body_work(ngx_http_registry_ctx_t *ctx);
reg_rc_t ngx_http_registry_body_write(ngx_http_registry_ctx_t *ctx);
reg_rc_t ngx_http_registry_body_hash_work(ngx_http_registry_ctx_t *ctx);
void ngx_http_registry_body_hash(ngx_http_registry_ctx_t *ctx);


#endif /* NGX_HTTP_REGISTRY_BODY_PRIVATE_H_INCLUDED */
