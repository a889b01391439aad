
#include "ngx_http_registry_body_private.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"


/* so much is worth waking a second thread for */
#define NGX_HTTP_REGISTRY_BODY_SPLIT  (256 * 1024)

/* how often, and after how many ms, room is looked for to wind up */
#define NGX_HTTP_REGISTRY_BODY_TRIES  100
#define NGX_HTTP_REGISTRY_BODY_DELAY  20


static ngx_int_t ngx_http_registry_body_watch(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_body_lost(void *data);
static ngx_int_t ngx_http_registry_body_own(ngx_http_request_t *r);
static void ngx_http_registry_body_post(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_body_step(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_post_work(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_done(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_ended(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_fail(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_cut_off(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_after_cut(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_body_forget(ngx_http_registry_body_t *body);
static ngx_uint_t ngx_http_registry_body_splits(
    ngx_http_registry_body_t *body);
static void ngx_http_registry_body_cleanup(void *data);


ngx_int_t
ngx_http_registry_body_stream(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_upload_t *upload, off_t room,
    reg_rc_t (*finish)(ngx_http_registry_ctx_t *ctx),
    reg_rc_t (*cut)(ngx_http_registry_ctx_t *ctx),
    ngx_http_registry_step_pt next)
{
    ngx_http_registry_body_t  *body;

    body = ngx_http_registry_body_create(r, ctx);

    if (body == NULL || ngx_http_registry_body_watch(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body->upload = upload;
    body->room = room;
    body->finish = finish;
    body->cut = cut;
    body->done = next;

    return ngx_http_registry_body_start(r, ctx);
}


static ngx_int_t
ngx_http_registry_body_watch(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_cleanup_t  *cln;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_registry_body_lost;
    cln->data = ctx;

    return NGX_OK;
}


/*
 * nginx ends a request whose connection it closes without asking us: when that
 * of HTTP/3 is lost, and after "worker_shutdown_timeout".  What came is wound
 * up all the same.  A thread at work keeps the request, and nginx comes back
 * here behind it; whatever else is freed has come to its end before.
 */

static void
ngx_http_registry_body_lost(void *data)
{
    ngx_http_request_t        *r;
    ngx_http_registry_ctx_t   *ctx;
    ngx_http_registry_body_t  *body;

    ctx = data;
    r = ctx->request;
    body = ctx->body;

    if (!r->connection->close || r->main->count == 0) {
        return;
    }

    if (!ctx->busy && !body->cutting
        && (!body->finished || (body->running && ctx->rc != REG_OK)))
    {
        body->started = 1;

        if (!body->eof) {
            ngx_http_registry_body_rest(r, body);
        }

        (void) ngx_http_registry_body_step(r, ctx);
    }

    if (r->main->blocked) {
        (void) ngx_http_registry_body_watch(r, ctx);
    }
}


ngx_http_registry_body_t *
ngx_http_registry_body_create(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_registry_body_t  *body;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_body_t));
    if (cln == NULL) {
        return NULL;
    }

    body = cln->data;
    ngx_memzero(body, sizeof(ngx_http_registry_body_t));

    body->file = NGX_INVALID_FILE;
    body->tail = &body->head;
    reg_buf_init(&body->memory, 0);

    cln->handler = ngx_http_registry_body_cleanup;

    ctx->body = body;

    return body;
}


void
ngx_http_registry_body_free(ngx_http_registry_ctx_t *ctx)
{
    /* who only reads has none */

    if (ctx->body) {
        ngx_http_registry_body_forget(ctx->body);
    }
}


static void
ngx_http_registry_body_cleanup(void *data)
{
    ngx_http_registry_body_forget(data);
}


/*
 * What was gathered, and its place among others.  A request that is refused
 * before its body ended may stay for half a minute, so nothing waits for that.
 */

static void
ngx_http_registry_body_forget(ngx_http_registry_body_t *body)
{
    if (body->secret && body->memory.data) {
        ngx_explicit_memzero(body->memory.data, body->memory.size);
    }

    reg_buf_free(&body->memory);

    ngx_http_registry_parse_free(&body->hold);
}


ngx_int_t
ngx_http_registry_body_start(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_http_registry_body_t  *body;

    body = ctx->body;

    body->shared = (r->preserve_body || r != r->main);

    if (body->shared && r->request_body
        && ngx_http_registry_body_own(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body->starting = 1;

    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_registry_body_post);

    body->starting = 0;

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        body->end = ngx_http_registry_body_bad;
        body->status = rc;
        return ngx_http_registry_body_ended(r, ctx);
    }

    /* the caller holds the request already */

    r->main->count--;

    return ngx_http_registry_body_step(r, ctx);
}


/*
 * Others are still to read what nginx has read, as the subrequest of "mirror"
 * is, or as the request that it was made of.  Taking the body uses up its
 * buffers: they are copied, their bytes not.
 */

static ngx_int_t
ngx_http_registry_body_own(ngx_http_request_t *r)
{
    ngx_buf_t                *b;
    ngx_chain_t              *cl, *in, **ll;
    ngx_http_request_body_t  *rb;

    rb = ngx_palloc(r->pool, sizeof(ngx_http_request_body_t));
    if (rb == NULL) {
        return NGX_ERROR;
    }

    *rb = *r->request_body;
    ll = &rb->bufs;

    for (in = r->request_body->bufs; in; in = in->next) {

        cl = ngx_alloc_chain_link(r->pool);
        b = ngx_palloc(r->pool, sizeof(ngx_buf_t));

        if (cl == NULL || b == NULL) {
            return NGX_ERROR;
        }

        *b = *in->buf;
        cl->buf = b;

        *ll = cl;
        ll = &cl->next;
    }

    *ll = NULL;

    r->request_body = rb;

    return NGX_OK;
}


static void
ngx_http_registry_body_post(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t   *ctx;
    ngx_http_registry_body_t  *body;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    body = ctx->body;

    body->started = 1;

    r->read_event_handler = ngx_http_registry_resume;
    r->write_event_handler = ngx_http_registry_resume;

    if (!body->starting) {
        ngx_http_registry_resume(r);
    }
}


static ngx_int_t
ngx_http_registry_body_step(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_http_registry_body_t  *body;

    body = ctx->body;
    ctx->next = ngx_http_registry_body_step;

    if (!body->started) {
        return NGX_AGAIN;
    }

    /* a task that has ended gives its entry back */

    if (body->running && !ctx->busy) {

        if (ctx->rc != REG_OK) {
            return ngx_http_registry_body_fail(r, ctx);
        }

        if (!body->unhashed
            && (body->running->fd == NGX_INVALID_FILE
                || body->running->file_pos == body->running->file_last))
        {
            body->in_use[body->running->slot]--;
            body->running->next = body->free;
            body->free = body->running;
            body->running = NULL;

        } else {
            return ngx_http_registry_body_post_work(r, ctx);
        }
    }

    for ( ;; ) {

        if (body->finished && !ctx->busy) {
            return ngx_http_registry_body_done(r, ctx);
        }

        if (!ctx->busy && body->head) {
            body->running = body->head;
            body->head = body->running->next;

            if (body->head == NULL) {
                body->tail = &body->head;
            }

            /*
             * The last bytes and what follows them are one task.  When they
             * turn out to be the last only later, finishing is its own.
             */

            body->last = (body->eof && body->head == NULL
                          && body->end == ngx_http_registry_body_whole);
            body->finished = body->last
                             && body->running->fd == NGX_INVALID_FILE;

            rc = ngx_http_registry_body_post_work(r, ctx);
            if (rc != NGX_AGAIN) {
                return rc;
            }
        }

        if (body->eof) {
            if (ctx->busy || body->head) {
                return NGX_AGAIN;
            }

            return ngx_http_registry_body_ended(r, ctx);
        }

        rc = ngx_http_registry_body_read(r, ctx);

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


/*
 * Lets a thread work on the oldest entry, or one write and another hash it,
 * and reads on beside them.
 */

static ngx_int_t
ngx_http_registry_body_post_work(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                 (*work)(ngx_http_registry_ctx_t *ctx);
    ngx_int_t                  rc;
    ngx_uint_t                 splits;
    ngx_http_registry_body_t  *body;

    body = ctx->body;
    splits = ngx_http_registry_body_splits(body);

    work = body->unhashed ? ngx_http_registry_body_hash_work
           : splits ? ngx_http_registry_body_write
           : ngx_http_registry_body_work;

    body->unhashed = 0;

    rc = ngx_http_registry_task_try(r, ctx, work, ngx_http_registry_body_step);

    if (rc == NGX_BUSY) {
        return ngx_http_registry_body_fail(r, ctx);
    }

    if (rc != NGX_AGAIN) {
        return rc;
    }

    ctx->beside = 1;

    if (splits
        && ngx_http_registry_task_beside(r, ctx, ngx_http_registry_body_hash)
           != NGX_OK)
    {
        body->unhashed = 1;
    }

    return NGX_AGAIN;
}


/* Two threads for what is long, and behind which nothing is to be done. */

static ngx_uint_t
ngx_http_registry_body_splits(ngx_http_registry_body_t *body)
{
    return ngx_ncpu > 1
           && !body->last
           && !body->unhashed
           && body->running->size >= NGX_HTTP_REGISTRY_BODY_SPLIT
           && reg_upload_splits(body->upload);
}


static ngx_int_t
ngx_http_registry_body_done(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ctx->next = NULL;

    return ctx->body->done(r, ctx);
}


/* All that came is worked off. */

static ngx_int_t
ngx_http_registry_body_ended(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_http_registry_body_t  *body;

    body = ctx->body;

    if (r->connection->read->timer_set && !r->reading_body) {
        ngx_del_timer(r->connection->read);
    }

    if (body->upload == NULL
        && (body->refused || body->end != ngx_http_registry_body_whole))
    {
        ngx_http_registry_body_forget(body);
    }

    if (body->refused) {
        ctx->next = NULL;
        return ngx_http_registry_send_error(r, ctx);
    }

    if (body->end == ngx_http_registry_body_whole) {

        if (body->upload == NULL) {
            ngx_http_registry_parse_whole(&body->hold);
            return ngx_http_registry_body_done(r, ctx);
        }

        body->finished = 1;

        rc = ngx_http_registry_task_try(r, ctx, body->finish,
                                        ngx_http_registry_body_step);

        return (rc == NGX_BUSY) ? ngx_http_registry_body_fail(r, ctx) : rc;
    }

    return body->cut ? ngx_http_registry_body_cut_off(r, ctx)
                     : ngx_http_registry_body_after_cut(r, ctx);
}


/* ctx->error says why nothing more becomes of it. */

static ngx_int_t
ngx_http_registry_body_fail(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_body_t  *body;

    body = ctx->body;

    body->end = ngx_http_registry_body_failed;
    body->eof = 1;
    body->finished = 0;
    body->running = NULL;
    body->head = NULL;

    return ngx_http_registry_body_ended(r, ctx);
}


/*
 * A session that nobody knows would stay, and count, until it is old.  So it is
 * worth waiting for, where the threads have too much to do.
 */

static ngx_int_t
ngx_http_registry_body_cut_off(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t    rc;
    reg_error_t  error;

    error = ctx->error;

    rc = ngx_http_registry_task_try(r, ctx, ctx->body->cut,
                                    ngx_http_registry_body_after_cut);

    if (rc != NGX_BUSY) {
        ctx->body->cutting = 1;
        return rc;
    }

    if (ctx->body->tries++ < NGX_HTTP_REGISTRY_BODY_TRIES) {
        ctx->error = error;

        return ngx_http_registry_sleep(r, ctx, NGX_HTTP_REGISTRY_BODY_DELAY,
                                       ngx_http_registry_body_cut_off);
    }

    return ngx_http_registry_body_after_cut(r, ctx);
}


static ngx_int_t
ngx_http_registry_body_after_cut(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ctx->next = NULL;

    if (r->connection->error) {
        return NGX_HTTP_CLIENT_CLOSED_REQUEST;
    }

    if (ctx->body->end == ngx_http_registry_body_over
        || ctx->body->end == ngx_http_registry_body_failed)
    {
        return ctx->body->done(r, ctx);
    }

    /* an error_page may go on with this request, and without us */

    r->read_event_handler = ngx_http_block_reading;

    return ctx->body->status;
}


ngx_http_registry_body_end_e
ngx_http_registry_body_end(const ngx_http_registry_ctx_t *ctx)
{
    return ctx->body->end;
}
