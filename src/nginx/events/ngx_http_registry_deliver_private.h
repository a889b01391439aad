
/* What the files of a delivery share. */


#ifndef NGX_HTTP_REGISTRY_DELIVER_PRIVATE_H_INCLUDED
#define NGX_HTTP_REGISTRY_DELIVER_PRIVATE_H_INCLUDED


#include "ngx_http_registry_notify.h"


/* ms after the store has failed */
#define NGX_HTTP_REGISTRY_DELIVER_BROKEN  5000

/* events looked at before others have their turn */
#define NGX_HTTP_REGISTRY_DELIVER_LOOK    2000


struct ngx_http_registry_delivery_s {
    ngx_http_registry_events_t    *events;
    ngx_http_registry_endpoint_t  *endpoint;
    ngx_http_registry_target_t    *target;      /* NULL: nothing is counted */

    ngx_http_registry_curl_t      *curl;
    reg_spool_reader_t            *reader;
    reg_spool_endpoint_t           state;       /* as it was saved last */
    reg_notify_batch_t             batch;       /* n == 0: none in hand */
    uint64_t                       passed;      /* what the batch ends with */
    uint64_t                       gone;        /* events lost behind it */
    ngx_uint_t                     fresh;       /* of it, not counted yet */
    ngx_event_t                    timer;
    ngx_uint_t                     tries;
    int                            lock;
    unsigned                       begun:1;
    unsigned                       looking:1;   /* for where to begin */
    unsigned                       mine:1;      /* the right to deliver */
    unsigned                       busy:1;
    unsigned                       gathering:1;
    unsigned                       waiting:1;
    unsigned                       unsynced:1;  /* the note of how far it is */
    unsigned                       more:1;      /* behind the batch */
    char                           id[REG_UUID_LEN + 1];
};


#define NGX_HTTP_REGISTRY_COUNT(d, field, n)                                  \
    if ((d)->target) {                                                        \
        (void) ngx_atomic_fetch_add(&(d)->target->field,                      \
                                    (ngx_atomic_int_t) (n));                  \
    }


/* --- what is sent: ngx_http_registry_deliver_batch.c ---------------------- */

/* Reads the next batch: NGX_OK with one that can be sent. */
ngx_int_t ngx_http_registry_deliver_fill(ngx_http_registry_delivery_t *d,
    reg_store_t *store);

/* No batch is in hand any more. */
void ngx_http_registry_deliver_forget(ngx_http_registry_delivery_t *d);


/* --- sending: ngx_http_registry_deliver_send.c ---------------------------- */

/* Sends the batch in hand; what comes of it is the answer's. */
void ngx_http_registry_deliver_send(ngx_http_registry_delivery_t *d);


/* --- the rest: ngx_http_registry_deliver.c -------------------------------- */

/* Notes how far it is. */
void ngx_http_registry_deliver_save(ngx_http_registry_delivery_t *d);

/* Looks again after so many ms. */
void ngx_http_registry_deliver_later(ngx_http_registry_delivery_t *d,
    ngx_msec_t ms);

/* The same after an error of the store, which is logged: what it could not. */
void ngx_http_registry_deliver_broken(ngx_http_registry_delivery_t *d,
    const char *what, reg_error_t *e);


#endif /* NGX_HTTP_REGISTRY_DELIVER_PRIVATE_H_INCLUDED */
