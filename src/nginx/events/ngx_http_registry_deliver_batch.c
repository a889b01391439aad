
/* A batch of events for one endpoint, read from the spool. */


#include "ngx_http_registry_deliver_private.h"


static int ngx_http_registry_deliver_add(ngx_http_registry_delivery_t *d,
    const reg_spool_record_t *rec);
static ngx_int_t ngx_http_registry_deliver_ready(
    ngx_http_registry_delivery_t *d);
static void ngx_http_registry_deliver_lost(ngx_http_registry_delivery_t *d,
    uint64_t n, uint64_t next);


ngx_int_t
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

    d->fresh = 0;
    reg_notify_batch_begin(&d->batch, d->endpoint->format, d->endpoint->batch);

    for (looked = 0; looked < NGX_HTTP_REGISTRY_DELIVER_LOOK; looked++) {
        rc = reg_spool_next(d->reader, &rec, &e);

        if (rc != REG_OK) {
            break;
        }

        if (rec.lost || d->gone) {

            /* what is in hand goes first, and may fail */

            if (d->batch.n) {
                d->gone = rec.lost;
                added = 0;
                break;
            }

            ngx_http_registry_deliver_lost(d, rec.lost + d->gone, rec.seq);
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

        /* another process may have counted it, and failed to deliver it */

        if (rc == 1 && d->target && rec->seq > d->target->counted) {
            d->fresh++;
        }
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

    if (d->fresh) {
        NGX_HTTP_REGISTRY_COUNT(d, events, d->fresh)
        d->target->counted = d->passed;
    }

    return NGX_OK;
}


/*
 * The spool came to its limit, and this endpoint was behind.  That it has
 * passed what went is noted at once: who goes on in another process counts it
 * no second time.
 */

static void
ngx_http_registry_deliver_lost(ngx_http_registry_delivery_t *d, uint64_t n,
    uint64_t next)
{
    d->gone = 0;
    d->passed = next - 1;

    d->state.cursor = d->passed;
    d->state.lost += n;

    NGX_HTTP_REGISTRY_COUNT(d, dropped, n)

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "%uL events of \"%V\" were dropped before webhook \"%V\" got "
                  "them: the spool came to \"registry_events_size\" or "
                  "\"registry_events_keep\", or is damaged", n,
                  &d->events->root->root, &d->endpoint->name);

    ngx_http_registry_deliver_save(d);
}


void
ngx_http_registry_deliver_forget(ngx_http_registry_delivery_t *d)
{
    reg_notify_batch_begin(&d->batch, d->endpoint->format, d->endpoint->batch);
}
