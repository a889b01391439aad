
#include "ngx_http_registry_body_private.h"


static ngx_uint_t ngx_http_registry_body_gone(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_body_abort(
    ngx_http_registry_body_t *body);
static ngx_int_t ngx_http_registry_body_wait(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_body_switch(ngx_http_request_t *r,
    ngx_http_registry_body_t *body);
static ngx_int_t ngx_http_registry_body_take(ngx_http_request_t *r,
    ngx_http_registry_body_t *body);
static ngx_http_registry_entry_t *ngx_http_registry_body_entry(
    ngx_http_request_t *r, ngx_http_registry_body_t *body);


ngx_int_t
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
            body->end = (rc == NGX_HTTP_REQUEST_TIME_OUT
                         || ngx_http_registry_body_gone(r))
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


void
ngx_http_registry_body_rest(ngx_http_request_t *r,
    ngx_http_registry_body_t *body)
{
    body->end = ngx_http_registry_body_cut;
    body->eof = 1;

    if (r->request_body
        && ngx_http_registry_body_take(r, body) == NGX_DECLINED)
    {
        body->end = ngx_http_registry_body_over;
    }
}


/*
 * A stream whose connection could not be written to ends by 500 before it is
 * told.  Who is still there, and told 500, may repeat all that he sent.
 */

static ngx_uint_t
ngx_http_registry_body_gone(ngx_http_request_t *r)
{
#if (NGX_HTTP_V2)
    if (r->stream && r->stream->connection->connection->error) {
        return 1;
    }
#endif

    return r->connection->error;
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
