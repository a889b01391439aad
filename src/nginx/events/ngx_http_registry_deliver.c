
/*
 * Delivery to one endpoint of one store, in the manager process.
 *
 *     nobody     another process has the right to deliver: it is asked for
 *                again by a timer
 *     looking    the endpoint is a new one: the spool is looked through, some
 *                events at a time, for where it begins
 *     idle       nothing is left to deliver: run() is called when there is
 *     busy       a request is under way: the answer goes on
 *     gathering  it was taken, and was all that there was: the timer looks
 *                again, so that what comes meanwhile is one request
 *     waiting    it failed: the timer tries the same batch again
 *
 * The cursor is written after an answer and before the next request, so that a
 * process that dies has another one repeat one batch at most.  It is synced a
 * little later, see ngx_http_registry_notes.c.
 */


#include "ngx_http_registry_deliver_private.h"


/* ms between two tries to get the right, at first and later on */
#define NGX_HTTP_REGISTRY_DELIVER_SOON    50
#define NGX_HTTP_REGISTRY_DELIVER_LATER   1000
#define NGX_HTTP_REGISTRY_DELIVER_TRIES   100


static ngx_int_t ngx_http_registry_deliver_begin(
    ngx_http_registry_delivery_t *d);
static ngx_int_t ngx_http_registry_deliver_take(
    ngx_http_registry_delivery_t *d, reg_store_t *store);
static reg_rc_t ngx_http_registry_deliver_from(
    ngx_http_registry_delivery_t *d, reg_store_t *store, reg_error_t *e);
static reg_rc_t ngx_http_registry_deliver_new(
    ngx_http_registry_delivery_t *d, reg_store_t *store, reg_error_t *e);
static ngx_int_t ngx_http_registry_deliver_asked(
    ngx_http_registry_delivery_t *d, reg_store_t *store);
static void ngx_http_registry_deliver_timer(ngx_event_t *ev);


ngx_http_registry_delivery_t *
ngx_http_registry_delivery_create(ngx_conf_t *cf,
    ngx_http_registry_events_t *events, ngx_http_registry_endpoint_t *endpoint)
{
    ngx_http_registry_delivery_t  *d;

    d = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_delivery_t));
    if (d == NULL) {
        return NULL;
    }

    d->events = events;
    d->endpoint = endpoint;
    d->lock = -1;

    return d;
}


ngx_http_registry_endpoint_t *
ngx_http_registry_delivery_endpoint(ngx_http_registry_delivery_t *d)
{
    return d->endpoint;
}


void
ngx_http_registry_delivery_count(ngx_http_registry_delivery_t *d,
    ngx_http_registry_target_t *target)
{
    d->target = target;
}


ngx_http_registry_target_t *
ngx_http_registry_delivery_target(ngx_http_registry_delivery_t *d)
{
    return d->target;
}


void
ngx_http_registry_delivery_run(ngx_http_registry_delivery_t *d)
{
    reg_store_t  *store;

    if (d->busy || d->gathering || d->waiting || ngx_quit || ngx_terminate) {
        return;
    }

    store = ngx_http_registry_store(d->events->root, ngx_cycle->log);

    if (store == NULL || ngx_http_registry_deliver_begin(d) != NGX_OK) {
        ngx_http_registry_deliver_later(d, NGX_HTTP_REGISTRY_DELIVER_BROKEN);
        return;
    }

    if (!d->mine && ngx_http_registry_deliver_take(d, store) != NGX_OK) {
        return;
    }

    if (ngx_http_registry_deliver_asked(d, store) != NGX_OK) {
        return;
    }

    /* what has failed is tried again as it was */

    if (d->batch.n == 0) {
        if (ngx_http_registry_deliver_fill(d, store) != NGX_OK) {
            return;
        }
    }

    ngx_http_registry_deliver_send(d);
}


static ngx_int_t
ngx_http_registry_deliver_begin(ngx_http_registry_delivery_t *d)
{
    if (d->begun) {
        return NGX_OK;
    }

    if (d->curl == NULL) {
        d->curl = ngx_http_registry_curl_create(&d->endpoint->curl,
                                                ngx_cycle->log);
        if (d->curl == NULL) {
            return NGX_ERROR;
        }
    }

    d->timer.handler = ngx_http_registry_deliver_timer;
    d->timer.data = d;
    d->timer.log = ngx_cycle->log;
    d->timer.cancelable = 1;

    d->begun = 1;

    return NGX_OK;
}


/*
 * The right to deliver, and where to go on.  While a reload or an upgrade
 * lasts the other process has it, and is asked often.
 */

static ngx_int_t
ngx_http_registry_deliver_take(ngx_http_registry_delivery_t *d,
    reg_store_t *store)
{
    reg_rc_t     rc;
    reg_error_t  e;

    reg_error_clear(&e);

    if (d->lock == -1) {
        rc = reg_spool_endpoint_lock(store, (char *) d->endpoint->name.data,
                                     &d->lock, &e);

        if (rc == REG_ABSENT) {
            d->lock = -1;
            d->tries++;

            ngx_http_registry_deliver_later(d,
                             d->tries < NGX_HTTP_REGISTRY_DELIVER_TRIES
                             ? NGX_HTTP_REGISTRY_DELIVER_SOON
                             : NGX_HTTP_REGISTRY_DELIVER_LATER);
            return NGX_AGAIN;
        }

        if (rc != REG_OK) {
            d->lock = -1;
            ngx_http_registry_deliver_broken(d, "begin", &e);
            return NGX_ERROR;
        }
    }

    rc = ngx_http_registry_deliver_from(d, store, &e);

    d->looking = (rc == REG_ABSENT);

    if (rc == REG_ABSENT) {
        ngx_http_registry_deliver_later(d, 1);
        return NGX_AGAIN;
    }

    if (rc != REG_OK) {
        ngx_http_registry_deliver_broken(d, "begin", &e);
        return NGX_ERROR;
    }

    d->tries = 0;
    d->mine = 1;

    /* whoever wrote it may have been killed before he synced it */

    d->unsynced = 1;
    ngx_http_registry_notes_start(d->events);

    return NGX_OK;
}


/* REG_ABSENT while that is not known yet. */

static reg_rc_t
ngx_http_registry_deliver_from(ngx_http_registry_delivery_t *d,
    reg_store_t *store, reg_error_t *e)
{
    reg_rc_t      rc;
    const char   *name;

    name = (char *) d->endpoint->name.data;

    if (d->reader == NULL) {
        rc = reg_spool_reader_open(&d->reader, store, 1, e);
        if (rc != REG_OK) {
            d->reader = NULL;
            return rc;
        }
    }

    ngx_http_registry_deliver_forget(d);
    d->gone = 0;

    rc = d->looking ? REG_ABSENT
                    : reg_spool_endpoint_load(store, name, &d->state, e);

    if (rc == REG_ABSENT) {
        rc = ngx_http_registry_deliver_new(d, store, e);
    }

    if (rc == REG_OK) {
        rc = reg_spool_seek(d->reader, d->state.cursor, NULL, e);
    }

    d->passed = d->state.cursor;

    return rc;
}


/* A new endpoint hears of what happens since it is one, not of what was. */

static reg_rc_t
ngx_http_registry_deliver_new(ngx_http_registry_delivery_t *d,
    reg_store_t *store, reg_error_t *e)
{
    reg_rc_t      rc;
    const char   *name;
    reg_spool_t  *spool;

    name = (char *) d->endpoint->name.data;

    spool = ngx_http_registry_spool(d->events, store);
    if (spool == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    if (!d->looking) {
        ngx_memzero(&d->state, sizeof(reg_spool_endpoint_t));

        rc = reg_spool_seek(d->reader, 0, NULL, e);
        if (rc != REG_OK) {
            return rc;
        }
    }

    rc = reg_spool_endpoint_begin(spool, d->reader, name,
                                  NGX_HTTP_REGISTRY_DELIVER_LOOK,
                                  ngx_http_registry_emit_now(),
                                  &d->state.cursor, e);

    return (rc == REG_OK)
           ? reg_spool_endpoint_save(store, name, &d->state, e) : rc;
}


/* Whether registryctl wants it to begin again somewhere else. */

static ngx_int_t
ngx_http_registry_deliver_asked(ngx_http_registry_delivery_t *d,
    reg_store_t *store)
{
    uint64_t     after;
    reg_rc_t     rc;
    const char  *name;
    reg_error_t  e;

    reg_error_clear(&e);
    name = (char *) d->endpoint->name.data;

    rc = reg_spool_replay_asked(store, name, &after, &e);

    if (rc == REG_ABSENT) {
        return NGX_OK;
    }

    if (rc == REG_OK) {
        ngx_http_registry_deliver_forget(d);
        d->gone = 0;
        d->state.cursor = after;
        d->passed = after;

        /* it will be told of them once more */

        if (d->target && d->target->counted > after) {
            d->target->counted = after;
        }

        rc = reg_spool_endpoint_save(store, name, &d->state, &e);
    }

    if (rc == REG_OK) {
        rc = reg_spool_seek(d->reader, after, NULL, &e);
    }

    if (rc == REG_OK) {
        rc = reg_spool_replay_done(store, name, after, &e);
    }

    if (rc != REG_OK) {
        ngx_http_registry_deliver_broken(d, "begin again", &e);
        return NGX_ERROR;
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "webhook \"%V\" of \"%V\" begins again behind event %uL, as "
                  "it was told", &d->endpoint->name, &d->events->root->root,
                  after);

    return NGX_OK;
}


void
ngx_http_registry_deliver_save(ngx_http_registry_delivery_t *d)
{
    reg_error_t   e;
    reg_store_t  *store;

    store = ngx_http_registry_store(d->events->root, ngx_cycle->log);

    if (store == NULL) {
        return;
    }

    reg_error_clear(&e);

    if (reg_spool_endpoint_save(store, (char *) d->endpoint->name.data,
                                &d->state, &e)
        != REG_OK)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, e.sys,
                      "could not note how far webhook \"%V\" has come, it may "
                      "get events twice: %s \"%V/%s\" failed",
                      &d->endpoint->name, e.call ? e.call : "storage call",
                      &d->events->root->root, e.path);
        return;
    }

    d->unsynced = 1;
    ngx_http_registry_notes_start(d->events);
}


ngx_int_t
ngx_http_registry_delivery_sync(ngx_http_registry_delivery_t *d)
{
    reg_rc_t      rc;
    reg_error_t   e;
    reg_store_t  *store;

    store = ngx_http_registry_store(d->events->root, ngx_cycle->log);

    if (!d->unsynced || store == NULL) {
        return NGX_DECLINED;
    }

    /* once: the kernel takes what failed for clean */

    d->unsynced = 0;
    reg_error_clear(&e);

    rc = reg_spool_endpoint_sync(store, (char *) d->endpoint->name.data, &e);

    if (rc != REG_OK && rc != REG_ABSENT) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, e.sys,
                      "could not sync how far webhook \"%V\" has come, it may "
                      "get events twice after a power cut: %s \"%V/%s\" failed",
                      &d->endpoint->name, e.call ? e.call : "storage call",
                      &d->events->root->root, e.path);
    }

    return NGX_OK;
}


void
ngx_http_registry_deliver_later(ngx_http_registry_delivery_t *d,
    ngx_msec_t ms)
{
    if (d->timer.timer_set) {
        ngx_del_timer(&d->timer);
    }

    if (d->timer.handler) {
        ngx_add_timer(&d->timer, ms);
    }
}


void
ngx_http_registry_deliver_broken(ngx_http_registry_delivery_t *d,
    const char *what, reg_error_t *e)
{
    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, e->sys,
                  "webhook \"%V\" could not %s: %s \"%V/%s\" failed",
                  &d->endpoint->name, what,
                  e->call ? e->call : reg_error_text(e->rc),
                  &d->events->root->root, e->path);

    ngx_http_registry_deliver_later(d, NGX_HTTP_REGISTRY_DELIVER_BROKEN);
    d->waiting = 1;
}


static void
ngx_http_registry_deliver_timer(ngx_event_t *ev)
{
    ngx_http_registry_delivery_t *d = ev->data;

    ev->timedout = 0;
    d->gathering = 0;
    d->waiting = 0;

    ngx_http_registry_delivery_run(d);
}


void
ngx_http_registry_delivery_pending(ngx_http_registry_delivery_t *d,
    const reg_spool_stat_t *st)
{
    uint64_t               from;
    reg_store_t           *store;
    reg_spool_endpoint_t   state;

    if (d->target == NULL) {
        return;
    }

    from = d->state.cursor;

    if (!d->mine) {

        /* another process has the right, be it of another nginx */

        store = ngx_http_registry_store(d->events->root, ngx_cycle->log);

        if (store == NULL
            || reg_spool_endpoint_load(store, (char *) d->endpoint->name.data,
                                       &state, NULL)
               != REG_OK)
        {
            return;
        }

        from = state.cursor;
    }

    /* what is not kept any more, or was before the first, is not pending */

    if (st->first && from < st->first - 1) {
        from = st->first - 1;
    }

    d->target->pending = (st->last > from) ? st->last - from : 0;
}


ngx_int_t
ngx_http_registry_delivery_leave(ngx_http_registry_delivery_t *d)
{
    if (d->busy) {
        return NGX_AGAIN;
    }

    (void) ngx_http_registry_delivery_sync(d);

    d->mine = 0;
    d->looking = 0;

    if (d->lock != -1) {
        (void) close(d->lock);
        d->lock = -1;
    }

    return NGX_OK;
}


void
ngx_http_registry_delivery_end(ngx_http_registry_delivery_t *d)
{
    if (d->begun && d->timer.timer_set) {
        ngx_del_timer(&d->timer);
    }

    ngx_http_registry_curl_destroy(d->curl);
    reg_spool_reader_close(d->reader);
    reg_buf_free(&d->batch.body);

    if (d->lock != -1) {
        (void) close(d->lock);
    }

    d->curl = NULL;
    d->reader = NULL;
    d->lock = -1;
    d->begun = 0;
    d->looking = 0;
    d->mine = 0;
    d->busy = 0;
    d->gathering = 0;
}
