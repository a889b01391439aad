
/* A batch on its way: the request, and what its answer means. */


#include "ngx_http_registry_deliver_private.h"


/* ms after a request that took all there was: one event is told at once, and
   those that follow it, as the rest of a push, together */
#define NGX_HTTP_REGISTRY_DELIVER_GATHER  50

/* ours: the type, the delivery, the signature */
#define NGX_HTTP_REGISTRY_DELIVER_OWN  3


static void ngx_http_registry_deliver_answer(void *data,
    const ngx_http_registry_curl_result_t *result);
static void ngx_http_registry_deliver_done(ngx_http_registry_delivery_t *d,
    ngx_uint_t status);
static void ngx_http_registry_deliver_failed(ngx_http_registry_delivery_t *d,
    const ngx_http_registry_curl_result_t *result);


void
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
