
/*
 * What the requests to a session share: ngx_http_registry_upload.c has those
 * that write, ngx_http_registry_upload_session.c the others.
 */


#ifndef NGX_HTTP_REGISTRY_UPLOAD_PRIVATE_H_INCLUDED
#define NGX_HTTP_REGISTRY_UPLOAD_PRIVATE_H_INCLUDED


#include "ngx_http_registry_access.h"

#include "reg_upload.h"


/*
 * A client whose connection broke may be back before the request that it had
 * there is wound up.  It is let wait for that, not told of the past.
 */
#define NGX_HTTP_REGISTRY_BUSY_TRIES   50
#define NGX_HTTP_REGISTRY_BUSY_DELAY   20


typedef struct {
    reg_upload_t  *upload;
    time_t         now;
    reg_range_t    range;
    uint64_t       offset;              /* as the reply tells it */
    uint64_t       start;               /* where this request began */
    uint64_t       max;                 /* bytes of a blob; 0: no limit */
    uint64_t       length;              /* of the body, if announced; or 0 */
    char           id[REG_UUID_LEN + 1];
    ngx_uint_t     tries;               /* to open a session that is busy */
    unsigned       has_range:1;
    unsigned       single:1;            /* the session is this request's own */
    unsigned       mounted:1;
    unsigned       empty:1;             /* a body of no bytes is announced */
} ngx_http_registry_upload_job_t;


/* Makes the job of a request to a session; NULL without memory. */
ngx_http_registry_upload_job_t *ngx_http_registry_upload_job(
    ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx);

/* In a thread: whether the session is this user's, by REG_OK. */
reg_rc_t ngx_http_registry_upload_mine(ngx_http_registry_ctx_t *ctx);

/*
 * Waits for a session that is busy, then goes on with again: NGX_AGAIN; see
 * NGX_HTTP_REGISTRY_BUSY_TRIES.
 */
ngx_int_t ngx_http_registry_upload_busy(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_step_pt again);

/* ctx->error, with what belongs to it. */
ngx_int_t ngx_http_registry_upload_error(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);

/* Location, Range and Docker-Upload-UUID: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_registry_upload_headers(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


#endif /* NGX_HTTP_REGISTRY_UPLOAD_PRIVATE_H_INCLUDED */
