
#include "ngx_http_registry_body_private.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"


/* so much is worth waking a second thread for */
#define NGX_HTTP_REGISTRY_BODY_SPLIT   (256 * 1024)


static ngx_http_registry_body_t *ngx_http_registry_body_create(
    ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_start(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_body_post(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_body_step(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_post_work(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_read(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_done(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_ended(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_after_cut(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_body_abort(
    ngx_http_registry_body_t *body);
static ngx_int_t ngx_http_registry_body_wait(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_body_switch(ngx_http_request_t *r,
    ngx_http_registry_body_t *body);
static ngx_int_t ngx_http_registry_body_take(ngx_http_request_t *r,
    ngx_http_registry_body_t *body);
static reg_rc_t ngx_http_registry_body_copy(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_body_too_large(
    ngx_http_registry_ctx_t *ctx, size_t max);
static ngx_http_registry_entry_t *ngx_http_registry_body_entry(
    ngx_http_request_t *r, ngx_http_registry_body_t *body);
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
    if (body == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body->upload = upload;
    body->room = room;
    body->finish = finish;
    body->cut = cut;
    body->done = next;

    return ngx_http_registry_body_start(r, ctx);
}


ngx_int_t
ngx_http_registry_body_gather(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, size_t max, ngx_http_registry_step_pt next)
{
    size_t                     size;
    ngx_http_registry_body_t  *body;

    if (r->headers_in.content_length_n > (off_t) max) {
        (void) ngx_http_registry_body_too_large(ctx, max);
        return ngx_http_registry_send_error(r, ctx);
    }

    body = ngx_http_registry_body_create(r, ctx);
    if (body == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    reg_buf_init(&body->memory, max);
    body->max = max;
    body->done = next;

    if (ctx->op.op == REG_OP_MANIFEST_WRITE) {
        body->parses = ngx_http_registry_parses(r);
    }

    /* the form of a token request; as it grew it would leave copies behind */

    body->secret = (ctx->op.op == REG_OP_TOKEN);

    size = ngx_max(r->headers_in.content_length_n, 0);

    if (reg_buf_reserve(&body->memory, body->secret ? max : size) != 0) {
        (void) reg_error_set(&ctx->error, REG_NO_MEMORY, NULL);
        return ngx_http_registry_send_error(r, ctx);
    }

    return ngx_http_registry_body_start(r, ctx);
}


static ngx_http_registry_body_t *
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


static void
ngx_http_registry_body_cleanup(void *data)
{
    ngx_http_registry_body_t  *body = data;

    if (body->secret && body->memory.data) {
        ngx_explicit_memzero(body->memory.data, body->memory.size);
    }

    reg_buf_free(&body->memory);

    if (body->parses) {
        ngx_http_registry_parse_free(body->parses, body->held);
    }
}


static ngx_int_t
ngx_http_registry_body_start(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_http_registry_body_t  *body;

    body = ctx->body;
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
            body->end = ngx_http_registry_body_failed;
            body->eof = 1;
            body->running = NULL;
            body->head = NULL;

            return ngx_http_registry_body_ended(r, ctx);
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

    rc = ngx_http_registry_task(r, ctx, work, ngx_http_registry_body_step);

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


/*
 * Reads what the client has sent.  NGX_OK when something was taken or the
 * body ended, NGX_AGAIN to wait for the client or for a thread.
 */

static ngx_int_t
ngx_http_registry_body_read(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    size_t                     size;
    ngx_int_t                  rc;
    ngx_http_request_body_t   *rb;
    ngx_http_registry_body_t  *body;

    body = ctx->body;
    rb = r->request_body;
    rc = NGX_OK;

    if (r->reading_body) {

        if (body->upload && body->in_use[body->slot]
            && rb->buf->pos == rb->buf->last)
        {
            rc = ngx_http_registry_body_switch(r, body);

            if (rc == NGX_AGAIN) {
                return ngx_http_registry_body_wait(r);
            }

            if (rc == NGX_ERROR) {
                return ngx_http_registry_body_abort(body);
            }
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            body->status = rc;
            body->end = (r->connection->error
                         || rc == NGX_HTTP_REQUEST_TIME_OUT)
                        ? ngx_http_registry_body_cut
                        : ngx_http_registry_body_bad;
            body->eof = 1;
            rc = NGX_OK;
        }
    }

    if (rc == NGX_OK) {
        body->eof = 1;
    }

    if (rb == NULL || rb->bufs == NULL) {
        return rc;
    }

    if (body->upload == NULL) {
        if (ngx_http_registry_body_copy(r, ctx) != REG_OK) {
            body->refused = 1;
            body->eof = 1;
        }

        return NGX_OK;
    }

    if (rc == NGX_AGAIN && ctx->busy && rb->buf->last != rb->buf->end) {
        return NGX_AGAIN;
    }

    if (rb->buf) {
        /* a stream's window may be smaller than the buffer by some bytes */

        size = rb->buf->end - rb->buf->start;

        if ((size_t) (rb->buf->last - rb->buf->start) >= size - size / 4) {
            body->fast = 1;
        }
    }

    rc = ngx_http_registry_body_take(r, body);

    if (rc == NGX_DECLINED) {
        body->end = ngx_http_registry_body_over;
        body->eof = 1;

    } else if (rc != NGX_OK) {
        return ngx_http_registry_body_abort(body);
    }

    return NGX_OK;
}


/* Out of memory; a thread may be at work, so the end has to wait for it. */

static ngx_int_t
ngx_http_registry_body_abort(ngx_http_registry_body_t *body)
{
    body->end = ngx_http_registry_body_bad;
    body->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
    body->eof = 1;

    return NGX_OK;
}


/* All buffers are with a thread: the client has to wait, not we for it. */

static ngx_int_t
ngx_http_registry_body_wait(ngx_http_request_t *r)
{
    if (r->connection->read->timer_set) {
        ngx_del_timer(r->connection->read);
    }

    return NGX_AGAIN;
}


/*
 * The current buffer was taken whole and a thread may still read it, so that
 * nginx must not fill it again.  Over HTTP/2 a buffer may only be followed by
 * one of its size or larger, or the stream's window would shrink.
 */

static ngx_int_t
ngx_http_registry_body_switch(ngx_http_request_t *r,
    ngx_http_registry_body_t *body)
{
    size_t                         size;
    ngx_buf_t                     *b;
    ngx_uint_t                     slot;
    ngx_http_registry_loc_conf_t  *rlcf;

    if (!body->fast) {
        return NGX_AGAIN;
    }

    slot = (body->slot == 1) ? 2 : 1;

    if (body->in_use[slot]) {
        return NGX_AGAIN;
    }

    b = body->bufs[slot];

    if (b == NULL) {
        rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

        size = r->request_body->buf->end - r->request_body->buf->start;
        size = ngx_max(size, rlcf->upload_buffer_size);

        b = ngx_create_temp_buf(r->pool, size);
        if (b == NULL) {
            return NGX_ERROR;
        }

        body->bufs[slot] = b;
    }

    b->pos = b->start;
    b->last = b->start;

    r->request_body->buf = b;
    body->slot = slot;

    return NGX_OK;
}


/*
 * Moves all that arrived into queue entries.  Nothing may stay behind: what
 * does would still stand in a buffer that is about to be changed for another.
 * NGX_DECLINED when it is more than there is room for.
 */

static ngx_int_t
ngx_http_registry_body_take(ngx_http_request_t *r,
    ngx_http_registry_body_t *body)
{
    ngx_buf_t                  *b;
    ngx_chain_t                *cl;
    ngx_http_request_body_t    *rb;
    ngx_http_registry_entry_t  *entry;

    rb = r->request_body;
    entry = NULL;

    for (cl = rb->bufs; cl; cl = cl->next) {
        body->received += ngx_buf_size(cl->buf);
    }

    if (body->received > body->room) {
        return NGX_DECLINED;
    }

    while (rb->bufs) {
        cl = rb->bufs;
        b = cl->buf;

        if (ngx_buf_size(b) > 0) {

            if (entry == NULL || b->in_file
                || entry->n == NGX_HTTP_REGISTRY_BODY_IOVS)
            {
                entry = ngx_http_registry_body_entry(r, body);
                if (entry == NULL) {
                    return NGX_ERROR;
                }
            }

            if (b->in_file) {
                entry->fd = b->file->fd;
                entry->file_pos = b->file_pos;
                entry->file_last = b->file_last;
                entry = NULL;

            } else {
                entry->iov[entry->n].iov_base = b->pos;
                entry->iov[entry->n].iov_len = b->last - b->pos;
                entry->size += b->last - b->pos;
                entry->n++;
            }
        }

        b->pos = b->last;
        b->file_pos = b->file_last;

        rb->bufs = cl->next;
        ngx_free_chain(r->pool, cl);
    }

    return NGX_OK;
}


/* A new entry at the end of the queue. */

static ngx_http_registry_entry_t *
ngx_http_registry_body_entry(ngx_http_request_t *r,
    ngx_http_registry_body_t *body)
{
    ngx_http_registry_entry_t  *entry;

    entry = body->free;

    if (entry) {
        body->free = entry->next;

    } else {
        entry = ngx_palloc(r->pool, sizeof(ngx_http_registry_entry_t));
        if (entry == NULL) {
            return NULL;
        }
    }

    entry->next = NULL;
    entry->slot = body->slot;
    entry->fd = NGX_INVALID_FILE;
    entry->file_pos = 0;
    entry->file_last = 0;
    entry->size = 0;
    entry->n = 0;

    body->in_use[entry->slot]++;
    *body->tail = entry;
    body->tail = &entry->next;

    return entry;
}


/* A manifest is small: its bytes are copied as they come. */

static reg_rc_t
ngx_http_registry_body_copy(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_buf_t                 *b;
    ngx_chain_t               *cl;
    ngx_http_request_body_t   *rb;
    ngx_http_registry_body_t  *body;

    rb = r->request_body;
    body = ctx->body;

    while (rb->bufs) {
        cl = rb->bufs;
        b = cl->buf;

        body->received += ngx_buf_size(b);

        if (b->in_file) {
            if (b->file_last > (off_t) body->max) {
                return ngx_http_registry_body_too_large(ctx, body->max);
            }

            body->file = b->file->fd;

        } else {
            reg_buf_add(&body->memory, b->pos, b->last - b->pos);

            if (body->secret) {
                ngx_explicit_memzero(b->pos, b->last - b->pos);
            }
        }

        b->pos = b->last;
        b->file_pos = b->file_last;

        rb->bufs = cl->next;
        ngx_free_chain(r->pool, cl);
    }

    if (body->memory.state == REG_BUF_NOMEM) {
        return reg_error_set(&ctx->error, REG_NO_MEMORY, NULL);
    }

    if (reg_buf_failed(&body->memory)) {
        return ngx_http_registry_body_too_large(ctx, body->max);
    }

    if (body->parses
        && ngx_http_registry_parse_hold(body->parses, body->memory.len,
                                        &body->held)
           != NGX_OK)
    {
        return reg_error_set(&ctx->error, REG_BUSY,
                             "too many large manifests are pushed");
    }

    return REG_OK;
}


/* What is gathered is a manifest, or the form of a token request. */

static reg_rc_t
ngx_http_registry_body_too_large(ngx_http_registry_ctx_t *ctx, size_t max)
{
    return reg_error_set(&ctx->error,
                         ctx->op.op == REG_OP_MANIFEST_WRITE
                         ? REG_MANIFEST_TOO_LARGE : REG_BODY_TOO_LARGE,
                         "the limit is %zu bytes", max);
}


size_t
ngx_http_registry_body_size(const ngx_http_registry_ctx_t *ctx)
{
    return (size_t) ctx->body->received;
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
    ngx_http_registry_body_t  *body;

    body = ctx->body;

    if (r->connection->read->timer_set && !r->reading_body) {
        ngx_del_timer(r->connection->read);
    }

    if (body->refused) {
        ctx->next = NULL;
        return ngx_http_registry_send_error(r, ctx);
    }

    if (body->end == ngx_http_registry_body_whole) {

        if (body->upload == NULL) {
            return ngx_http_registry_body_done(r, ctx);
        }

        body->finished = 1;

        return ngx_http_registry_task(r, ctx, body->finish,
                                      ngx_http_registry_body_step);
    }

    if (body->cut) {
        return ngx_http_registry_task(r, ctx, body->cut,
                                      ngx_http_registry_body_after_cut);
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

    return ctx->body->status;
}


ngx_http_registry_body_end_e
ngx_http_registry_body_end(const ngx_http_registry_ctx_t *ctx)
{
    return ctx->body->end;
}
