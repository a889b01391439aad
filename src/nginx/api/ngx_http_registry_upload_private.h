
/*
 * What the requests to a session share: ngx_http_registry_upload.c has those
 * that write, ngx_http_registry_upload_session.c the others; of what they have
 * in common the limits stand in ngx_http_registry_upload_limit.c, the rest in
 * ngx_http_registry_upload_job.c.
 */


#ifndef NGX_HTTP_REGISTRY_UPLOAD_PRIVATE_H_INCLUDED
#define NGX_HTTP_REGISTRY_UPLOAD_PRIVATE_H_INCLUDED


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_sessions.h"

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
    unsigned       empty:1;             /* a body of no bytes is announced */
    unsigned       looked:1;            /* at the limit, for sessions gone */
    unsigned       ended:1;             /* there is no such session */

    ngx_http_registry_ctx_t            *ctx;
    ngx_http_registry_main_conf_t      *rmcf;
    ngx_http_registry_sessions_who_t    who;
    ngx_http_registry_sessions_full_t  *full;
    ngx_http_registry_step_pt           make;
} ngx_http_registry_upload_job_t;


/* Makes the job of a request to a session; NULL without memory. */
ngx_http_registry_upload_job_t *ngx_http_registry_upload_job(
    ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx);

/* Takes Content-Range into the job, or sets ctx->error. */
reg_rc_t ngx_http_registry_upload_range(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_upload_job_t *job);

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

/*
 * Counts a session that is about to be made, and goes on with make; or the
 * refusal.
 */
ngx_int_t ngx_http_registry_upload_count(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_step_pt make);

/* The session of this request is used: it is not idle, and it is counted. */
void ngx_http_registry_upload_used(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);

/* Counts it no longer when job->ended is set. */
void ngx_http_registry_upload_forget(ngx_http_registry_upload_job_t *job);

/*
 * Whether the blob stays within its limit, as far as it was announced: REG_OK,
 * or what upload_too_large() returns.
 */
reg_rc_t ngx_http_registry_upload_fits(ngx_http_registry_ctx_t *ctx);

/*
 * Sets and returns REG_BLOB_TOO_LARGE.  A session that is open ends, so it has
 * to be called in a thread then.
 */
reg_rc_t ngx_http_registry_upload_too_large(ngx_http_registry_ctx_t *ctx);

/* What a body of unknown length may bring. */
off_t ngx_http_registry_upload_room(
    const ngx_http_registry_upload_job_t *job);

/* Location, Range and Docker-Upload-UUID: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_registry_upload_headers(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);

/* 201 for a blob that is there now. */
ngx_int_t ngx_http_registry_upload_created(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const reg_digest_t *d);


#endif /* NGX_HTTP_REGISTRY_UPLOAD_PRIVATE_H_INCLUDED */
