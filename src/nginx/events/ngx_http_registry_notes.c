
/*
 * How far endpoints are is written down after each delivery, which survives a
 * process that is killed, and synced now and then, which is for a power cut:
 * what was delivered since the last sync comes again after it.
 *
 * The manager waits for these syncs and delivers nothing meanwhile, so they
 * have a small share of its time, however slow the disk is.
 */


#include "ngx_http_registry_notify.h"

#include <time.h>


/* ms from a note until it is synced, on a disk that is not slow */
#define NGX_HTTP_REGISTRY_NOTES_WAIT   1000

/* ms of syncs behind one another */
#define NGX_HTTP_REGISTRY_NOTES_SLICE  20

/* with none there is never a turn, and the timer that waits for it is due at
   once: nginx calls it again and again, and delivers nothing */
_Static_assert(NGX_HTTP_REGISTRY_NOTES_SLICE > 0, "nothing would be synced");

/* so many times longer than they took nothing is synced, so many ms at most */
#define NGX_HTTP_REGISTRY_NOTES_PAUSE  10
#define NGX_HTTP_REGISTRY_NOTES_MAX    10000


static void ngx_http_registry_notes_timer(ngx_event_t *ev);
static ngx_msec_t ngx_http_registry_notes_now(void);


void
ngx_http_registry_notes_start(ngx_http_registry_events_t *events)
{
    ngx_event_t  *ev;

    ev = &events->notes;

    if (ev->timer_set) {
        return;
    }

    ev->handler = ngx_http_registry_notes_timer;
    ev->data = events;
    ev->log = ngx_cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, NGX_HTTP_REGISTRY_NOTES_WAIT);
}


/* Those that had no turn are the first of the next time. */

static void
ngx_http_registry_notes_timer(ngx_event_t *ev)
{
    ngx_uint_t                       i, n;
    ngx_msec_t                       began, took;
    ngx_http_registry_events_t      *events;
    ngx_http_registry_delivery_t   **d;

    events = ev->data;
    ev->timedout = 0;

    d = events->deliveries.elts;
    n = events->deliveries.nelts;

    took = 0;
    began = ngx_http_registry_notes_now();

    for (i = 0; i < n && took < NGX_HTTP_REGISTRY_NOTES_SLICE; i++) {
        if (ngx_http_registry_delivery_sync(d[events->noted++ % n])
            == NGX_OK)
        {
            took = ngx_http_registry_notes_now() - began;
        }
    }

    if (i == n && took < NGX_HTTP_REGISTRY_NOTES_SLICE) {
        return;
    }

    ngx_add_timer(ev, ngx_min(took * NGX_HTTP_REGISTRY_NOTES_PAUSE,
                              NGX_HTTP_REGISTRY_NOTES_MAX));
}


void
ngx_http_registry_notes_end(ngx_http_registry_events_t *events)
{
    ngx_uint_t                       i;
    ngx_http_registry_delivery_t   **d;

    d = events->deliveries.elts;

    for (i = 0; i < events->deliveries.nelts; i++) {
        (void) ngx_http_registry_delivery_sync(d[i]);
    }
}


/* The cached time stands still while a disk is waited for. */

static ngx_msec_t
ngx_http_registry_notes_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (ngx_msec_t) ts.tv_sec * 1000 + (ngx_msec_t) ts.tv_nsec / 1000000;
}
