
/*
 * Delivery to one endpoint of one store, in the manager process.
 *
 *     nobody     another process has the right to deliver: it is asked for
 *                again by a timer
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


#include "ngx_http_registry_notify.h"


/* ms between two tries to get the right, at first and later on */
#define NGX_HTTP_REGISTRY_DELIVER_SOON    50
#define NGX_HTTP_REGISTRY_DELIVER_LATER   1000
#define NGX_HTTP_REGISTRY_DELIVER_TRIES   100

/* ms after the store has failed */
#define NGX_HTTP_REGISTRY_DELIVER_BROKEN  5000

/* ms after a request that took all there was: one event is told at once, and
   those that follow it, as the rest of a push, together */
#define NGX_HTTP_REGISTRY_DELIVER_GATHER  50

/* events looked at before others have their turn */
#define NGX_HTTP_REGISTRY_DELIVER_LOOK    2000

/* ours: the type, the delivery, the signature */
#define NGX_HTTP_REGISTRY_DELIVER_OWN     3


struct ngx_http_registry_delivery_s {
    ngx_http_registry_events_t    *events;
    ngx_http_registry_endpoint_t  *endpoint;
    ngx_http_registry_target_t    *target;      /* NULL: nothing is counted */

    ngx_http_registry_curl_t      *curl;
    reg_spool_reader_t            *reader;
    reg_spool_endpoint_t           state;       /* as it was saved last */
    reg_notify_batch_t             batch;       /* n == 0: none in hand */
    uint64_t                       passed;      /* what the batch ends with */
    ngx_event_t                    timer;
    ngx_uint_t                     tries;
    int                            lock;
    unsigned                       begun:1;
    unsigned                       mine:1;      /* the right to deliver */
    unsigned                       busy:1;
    unsigned                       gathering:1;
    unsigned                       waiting:1;
    unsigned                       unsynced:1;  /* the note of how far it is */
    unsigned                       more:1;      /* behind the batch */
    char                           id[REG_UUID_LEN + 1];
};


static ngx_int_t ngx_http_registry_deliver_begin(
    ngx_http_registry_delivery_t *d);
static ngx_int_t ngx_http_registry_deliver_take(
    ngx_http_registry_delivery_t *d, reg_store_t *store);
static reg_rc_t ngx_http_registry_deliver_from(
    ngx_http_registry_delivery_t *d, reg_store_t *store, reg_error_t *e);
static ngx_int_t ngx_http_registry_deliver_asked(
    ngx_http_registry_delivery_t *d, reg_store_t *store);
static ngx_int_t ngx_http_registry_deliver_fill(
    ngx_http_registry_delivery_t *d, reg_store_t *store);
static int ngx_http_registry_deliver_add(ngx_http_registry_delivery_t *d,
    const reg_spool_record_t *rec);
static ngx_int_t ngx_http_registry_deliver_ready(
    ngx_http_registry_delivery_t *d);
static void ngx_http_registry_deliver_send(ngx_http_registry_delivery_t *d);
static void ngx_http_registry_deliver_answer(void *data,
    const ngx_http_registry_curl_result_t *result);
static void ngx_http_registry_deliver_done(ngx_http_registry_delivery_t *d,
    ngx_uint_t status);
static void ngx_http_registry_deliver_failed(ngx_http_registry_delivery_t *d,
    const ngx_http_registry_curl_result_t *result);
static void ngx_http_registry_deliver_save(ngx_http_registry_delivery_t *d);
static void ngx_http_registry_deliver_forget(ngx_http_registry_delivery_t *d);
static void ngx_http_registry_deliver_later(ngx_http_registry_delivery_t *d,
    ngx_msec_t ms);
static void ngx_http_registry_deliver_broken(ngx_http_registry_delivery_t *d,
    const char *what, reg_error_t *e);
static void ngx_http_registry_deliver_timer(ngx_event_t *ev);
static void ngx_http_registry_deliver_lost(ngx_http_registry_delivery_t *d,
    uint64_t n);


#define NGX_HTTP_REGISTRY_COUNT(d, field, n)                                  \
    if ((d)->target) {                                                        \
        (void) ngx_atomic_fetch_add(&(d)->target->field,                      \
                                    (ngx_atomic_int_t) (n));                  \
    }


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


ngx_uint_t
ngx_http_registry_delivery_busy(ngx_http_registry_delivery_t *d)
{
    return d->busy;
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


/* A new endpoint hears of what happens since it is one, not of what was. */

static reg_rc_t
ngx_http_registry_deliver_from(ngx_http_registry_delivery_t *d,
    reg_store_t *store, reg_error_t *e)
{
    reg_rc_t     rc;
    const char  *name;

    name = (char *) d->endpoint->name.data;

    if (d->reader == NULL) {
        rc = reg_spool_reader_open(&d->reader, store, 1, e);
        if (rc != REG_OK) {
            d->reader = NULL;
            return rc;
        }
    }

    ngx_http_registry_deliver_forget(d);

    rc = reg_spool_endpoint_load(store, name, &d->state, e);

    if (rc == REG_ABSENT) {
        ngx_memzero(&d->state, sizeof(reg_spool_endpoint_t));

        rc = reg_spool_endpoint_begin(store, name, &d->state.cursor, e);

        if (rc == REG_OK) {
            rc = reg_spool_seek(d->reader, d->state.cursor, NULL, e);
        }

        if (rc == REG_OK) {
            rc = reg_spool_endpoint_save(store, name, &d->state, e);
        }

    } else if (rc == REG_OK) {
        rc = reg_spool_seek(d->reader, d->state.cursor, NULL, e);
    }

    d->passed = d->state.cursor;

    return rc;
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
        d->state.cursor = after;
        d->passed = after;

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


/* NGX_OK with a batch that can be sent. */

static ngx_int_t
ngx_http_registry_deliver_fill(ngx_http_registry_delivery_t *d,
    reg_store_t *store)
{
    int                  added;
    reg_rc_t             rc;
    ngx_uint_t           looked;
    reg_error_t          e;
    reg_spool_record_t   rec;

    rc = REG_OK;
    added = 1;
    reg_error_clear(&e);

    reg_notify_batch_begin(&d->batch, d->endpoint->format, d->endpoint->batch);

    for (looked = 0; looked < NGX_HTTP_REGISTRY_DELIVER_LOOK; looked++) {
        rc = reg_spool_next(d->reader, &rec, &e);

        if (rc != REG_OK) {
            break;
        }

        if (rec.lost) {
            ngx_http_registry_deliver_lost(d, rec.lost);
        }

        added = ngx_http_registry_deliver_add(d, &rec);

        if (added != 1) {
            break;
        }

        d->passed = rec.seq;
    }

    if (added == 0) {
        reg_spool_again(d->reader);
    }

    if (added == -1 || (rc != REG_OK && rc != REG_ABSENT)) {

        if (rc == REG_OK) {
            (void) reg_error_set(&e, REG_NO_MEMORY, NULL);
        }

        d->mine = 0;
        ngx_http_registry_deliver_broken(d, "read its events", &e);
        return NGX_ERROR;
    }

    d->more = (rc == REG_OK);

    if (d->batch.n) {
        return ngx_http_registry_deliver_ready(d);
    }

    /* nothing of it was for this endpoint, which is remembered */

    if (d->passed != d->state.cursor) {
        d->state.cursor = d->passed;
        ngx_http_registry_deliver_save(d);
    }

    if (rc == REG_OK) {
        ngx_http_registry_deliver_later(d, 1);

    } else if (d->target) {
        d->target->pending = 0;
    }

    return NGX_AGAIN;
}


/* 1: the event is done with for now, -1 and 0 as reg_notify_batch_add(). */

static int
ngx_http_registry_deliver_add(ngx_http_registry_delivery_t *d,
    const reg_spool_record_t *rec)
{
    int           rc;
    json_t       *tree;
    reg_rc_t      loaded;
    reg_str_t     name;
    reg_error_t   e;
    reg_event_t   ev;

    name = ngx_http_registry_str(&d->endpoint->name);

    if (!reg_spool_for(rec->to, name)) {
        return 1;
    }

    reg_error_clear(&e);

    loaded = reg_event_load(&ev, &tree, rec->event, &e);

    if (loaded == REG_NO_MEMORY) {
        return -1;
    }

    if (loaded != REG_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "event %uL in the spool of \"%V\" is none, it is passed "
                      "over", rec->seq, &d->events->root->root);
        return 1;
    }

    rc = 1;

    if (reg_notify_filter_match(&d->endpoint->filter, &ev)) {
        rc = reg_notify_batch_add(&d->batch, rec->seq, rec->event, &ev);
    }

    json_decref(tree);

    return rc;
}


static ngx_int_t
ngx_http_registry_deliver_ready(ngx_http_registry_delivery_t *d)
{
    reg_error_t  e;

    if (reg_notify_batch_end(&d->batch, 0) != 0
        || reg_uuid_make(d->id) != 0)
    {
        reg_error_clear(&e);
        (void) reg_error_set(&e, REG_NO_MEMORY, NULL);

        d->mine = 0;
        ngx_http_registry_deliver_broken(d, "make a batch", &e);
        return NGX_ERROR;
    }

    NGX_HTTP_REGISTRY_COUNT(d, events, d->batch.n)

    return NGX_OK;
}


static void
ngx_http_registry_deliver_send(ngx_http_registry_delivery_t *d)
{
    char                               type[128], id[64];
    char                               sum[REG_NOTIFY_SIGNATURE_LEN + 32];
    u_char                            *p;
    ngx_str_t                         *h;
    ngx_uint_t                         n;
    ngx_http_registry_endpoint_t      *ep;
    ngx_http_registry_curl_request_t   request;
    ngx_http_registry_curl_result_t    result;

    ep = d->endpoint;

    h = ngx_alloc((NGX_HTTP_REGISTRY_DELIVER_OWN + ep->headers.nelts)
                  * sizeof(ngx_str_t), ngx_cycle->log);
    if (h == NULL) {
        ngx_http_registry_deliver_later(d, NGX_HTTP_REGISTRY_DELIVER_BROKEN);
        return;
    }

    p = ngx_sprintf((u_char *) type, "Content-Type: %s%Z",
                    reg_notify_type(ep->format));
    h[0].data = (u_char *) type;
    h[0].len = p - h[0].data - 1;

    p = ngx_sprintf((u_char *) id, "X-Registry-Delivery: %s%Z", d->id);
    h[1].data = (u_char *) id;
    h[1].len = p - h[1].data - 1;

    n = 2;

    if (ep->secret.len) {
        p = ngx_cpymem(sum, "X-Registry-Signature-256: ", 26);
        reg_notify_sign(ngx_http_registry_str(&ep->secret),
                        reg_buf_slice(&d->batch.body), (char *) p);
        h[2].data = (u_char *) sum;
        h[2].len = 26 + REG_NOTIFY_SIGNATURE_LEN;
        n++;
    }

    ngx_memcpy(&h[n], ep->headers.elts,
               ep->headers.nelts * sizeof(ngx_str_t));

    request.url = (char *) ep->url.data;
    request.headers = h;
    request.nheaders = n + ep->headers.nelts;
    request.body = d->batch.body.data;
    request.len = d->batch.body.len;
    request.end = ngx_http_registry_deliver_answer;
    request.data = d;

    if (ngx_http_registry_curl_start(d->curl, &request) == NGX_OK) {
        d->busy = 1;

    } else {
        result.status = 0;
        result.cut = 0;
        result.error = "out of memory";

        ngx_http_registry_deliver_failed(d, &result);
    }

    ngx_free(h);
}


static void
ngx_http_registry_deliver_answer(void *data,
    const ngx_http_registry_curl_result_t *result)
{
    ngx_http_registry_delivery_t *d = data;

    d->busy = 0;

    if (d->target && result->status) {
        (void) ngx_atomic_fetch_add(
            &d->target->status[ngx_http_registry_stats_status(result->status)],
            1);
    }

    if (result->status >= 200 && result->status < 300) {
        ngx_http_registry_deliver_done(d, result->status);

        if (d->more) {
            ngx_http_registry_delivery_run(d);

        } else {
            ngx_http_registry_deliver_later(d,
                                            NGX_HTTP_REGISTRY_DELIVER_GATHER);
            d->gathering = 1;
        }

        return;
    }

    ngx_http_registry_deliver_failed(d, result);
}


static void
ngx_http_registry_deliver_done(ngx_http_registry_delivery_t *d,
    ngx_uint_t status)
{
    reg_spool_endpoint_t  *s;

    s = &d->state;

    if (s->failures) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "webhook \"%V\" at \"%V\" works again after %uL failures",
                      &d->endpoint->name, &d->endpoint->shown, s->failures);
    }

    NGX_HTTP_REGISTRY_COUNT(d, successes, d->batch.n)

    if (d->target) {
        d->target->pending -= ngx_min(d->target->pending, d->batch.n);
    }

    s->cursor = d->passed;
    s->delivered += d->batch.n;
    s->failures = 0;
    s->since = ngx_time();
    s->retry = 0;
    s->status = (unsigned) status;
    s->error[0] = '\0';

    ngx_http_registry_deliver_forget(d);
    ngx_http_registry_deliver_save(d);
}


/* The first failure is told, and then what changes. */

static void
ngx_http_registry_deliver_failed(ngx_http_registry_delivery_t *d,
    const ngx_http_registry_curl_result_t *result)
{
    uint64_t               ms;
    reg_spool_endpoint_t  *s;

    s = &d->state;

    if (result->status) {
        (void) ngx_snprintf((u_char *) s->error, REG_SPOOL_ERROR_MAX,
                            "it answered %ui%Z", result->status);
        NGX_HTTP_REGISTRY_COUNT(d, failures, d->batch.n)

    } else {
        (void) ngx_cpystrn((u_char *) s->error, (u_char *) result->error,
                           REG_SPOOL_ERROR_MAX);
        NGX_HTTP_REGISTRY_COUNT(d, errors, d->batch.n)
    }

    if (s->failures == 0) {
        s->since = ngx_time();
    }

    s->failures++;
    s->status = (unsigned) result->status;

    ms = reg_notify_wait(&d->endpoint->retry, s->failures,
                         (uint32_t) ngx_random());

    s->retry = ngx_time() + (int64_t) ((ms + 999) / 1000);

    if (s->failures == 1) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "webhook \"%V\" at \"%V\" failed: %s; nothing is lost, "
                      "it is tried again", &d->endpoint->name,
                      &d->endpoint->shown, s->error);
    }

    if (s->failures == d->endpoint->retry.threshold
        && s->failures > 1)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "webhook \"%V\" at \"%V\" failed %uL times in a row, "
                      "it is tried less often until it works: %s",
                      &d->endpoint->name, &d->endpoint->shown, s->failures,
                      s->error);
    }

    ngx_http_registry_deliver_save(d);

    ngx_http_registry_deliver_later(d, (ngx_msec_t) ms);
    d->waiting = 1;
}


static void
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


static void
ngx_http_registry_deliver_forget(ngx_http_registry_delivery_t *d)
{
    reg_notify_batch_begin(&d->batch, d->endpoint->format, d->endpoint->batch);
}


static void
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


static void
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


/* The spool came to its limit, and this endpoint was behind. */

static void
ngx_http_registry_deliver_lost(ngx_http_registry_delivery_t *d, uint64_t n)
{
    d->state.lost += n;

    NGX_HTTP_REGISTRY_COUNT(d, dropped, n)

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "%uL events of \"%V\" were dropped before webhook \"%V\" got "
                  "them: the spool came to \"registry_events_size\" or "
                  "\"registry_events_keep\"", n, &d->events->root->root,
                  &d->endpoint->name);
}


void
ngx_http_registry_delivery_pending(ngx_http_registry_delivery_t *d,
    const reg_spool_stat_t *st)
{
    uint64_t  from;

    if (d->target == NULL || !d->mine) {
        return;
    }

    /* what is not kept any more, or was before the first, is not pending */

    from = d->state.cursor;

    if (st->first && from < st->first - 1) {
        from = st->first - 1;
    }

    d->target->pending = (st->last > from) ? st->last - from : 0;
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
    d->mine = 0;
    d->busy = 0;
    d->gathering = 0;
}
