
/* libcurl's multi interface on the events and timers of nginx. */


#include "ngx_http_registry_curl_private.h"

#include <ngx_event.h>

#include <openssl/err.h>


/* What the clients of a process share. */
typedef struct {
    CURLM        *multi;      /* NULL: not begun */
    ngx_event_t   timer;
    ngx_log_t    *log;
} ngx_http_registry_curls_t;


static int ngx_http_registry_curl_timeout(CURLM *multi, long ms, void *data);
static void ngx_http_registry_curl_timer(ngx_event_t *ev);
static int ngx_http_registry_curl_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *socket);
static ngx_connection_t *ngx_http_registry_curl_watch(curl_socket_t s);
static ngx_int_t ngx_http_registry_curl_interest(ngx_event_t *ev,
    ngx_int_t event, ngx_uint_t wanted);
static void ngx_http_registry_curl_unwatch(ngx_connection_t *c);
static void ngx_http_registry_curl_event(ngx_event_t *ev);
static void ngx_http_registry_curl_act(curl_socket_t s, int mask);


static ngx_http_registry_curls_t  ngx_http_registry_curls;


ngx_int_t
ngx_http_registry_curl_multi_begin(ngx_log_t *log)
{
    CURLM                      *multi;
    ngx_http_registry_curls_t  *curls;

    curls = &ngx_http_registry_curls;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        ngx_log_error(NGX_LOG_ALERT, log, 0, "curl_global_init() failed");
        return NGX_ERROR;
    }

    multi = curl_multi_init();

    if (multi == NULL) {
        ngx_log_error(NGX_LOG_ALERT, log, 0, "curl_multi_init() failed");
        return NGX_ERROR;
    }

    if (curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                          ngx_http_registry_curl_socket)
        != CURLM_OK
        || curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
                             ngx_http_registry_curl_timeout)
           != CURLM_OK)
    {
        ngx_log_error(NGX_LOG_ALERT, log, 0, "curl_multi_setopt() failed");
        (void) curl_multi_cleanup(multi);
        return NGX_ERROR;
    }

    ngx_memzero(&curls->timer, sizeof(ngx_event_t));

    curls->timer.handler = ngx_http_registry_curl_timer;
    curls->timer.data = curls;
    curls->timer.log = log;
    curls->log = log;
    curls->multi = multi;

    return NGX_OK;
}


ngx_uint_t
ngx_http_registry_curl_multi_begun(void)
{
    return ngx_http_registry_curls.multi != NULL;
}


ngx_int_t
ngx_http_registry_curl_multi_add(CURL *easy)
{
    return (curl_multi_add_handle(ngx_http_registry_curls.multi, easy)
            == CURLM_OK) ? NGX_OK : NGX_ERROR;
}


void
ngx_http_registry_curl_multi_remove(CURL *easy)
{
    (void) curl_multi_remove_handle(ngx_http_registry_curls.multi, easy);
}


void
ngx_http_registry_curl_multi_end(void)
{
    ngx_http_registry_curls_t  *curls;

    curls = &ngx_http_registry_curls;

    (void) curl_multi_cleanup(curls->multi);
    curls->multi = NULL;

    if (curls->timer.timer_set) {
        ngx_del_timer(&curls->timer);
    }
}


/* libcurl is not to be called from here, so 0 is a timer, too. */

static int
ngx_http_registry_curl_timeout(CURLM *multi, long ms, void *data)
{
    ngx_event_t  *ev;

    ev = &ngx_http_registry_curls.timer;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (ms >= 0) {
        ngx_add_timer(ev, (ngx_msec_t) ms);
    }

    return 0;
}


static void
ngx_http_registry_curl_timer(ngx_event_t *ev)
{
    ev->timedout = 0;

    ngx_http_registry_curl_act(CURL_SOCKET_TIMEOUT, 0);
}


/* libcurl tells what it wants to know of one of its sockets. */

static int
ngx_http_registry_curl_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *socket)
{
    ngx_uint_t         in, out;
    ngx_connection_t  *c = socket;

    in = (what == CURL_POLL_IN || what == CURL_POLL_INOUT);
    out = (what == CURL_POLL_OUT || what == CURL_POLL_INOUT);

    if (!in && !out) {

        if (c) {
            ngx_http_registry_curl_unwatch(c);
            (void) curl_multi_assign(ngx_http_registry_curls.multi, s, NULL);
        }

        return 0;
    }

    if (c == NULL) {
        c = ngx_http_registry_curl_watch(s);
        if (c == NULL) {
            return -1;
        }

        (void) curl_multi_assign(ngx_http_registry_curls.multi, s, c);
    }

    if (ngx_http_registry_curl_interest(c->read, NGX_READ_EVENT, in) != NGX_OK
        || ngx_http_registry_curl_interest(c->write, NGX_WRITE_EVENT, out)
           != NGX_OK)
    {
        return -1;
    }

    return 0;
}


static ngx_connection_t *
ngx_http_registry_curl_watch(curl_socket_t s)
{
    ngx_log_t         *log;
    ngx_connection_t  *c;

    log = ngx_http_registry_curls.log;

    c = ngx_get_connection(s, log);
    if (c == NULL) {
        return NULL;
    }

    c->data = NULL;
    c->log = log;

    c->read->log = log;
    c->write->log = log;
    c->read->handler = ngx_http_registry_curl_event;
    c->write->handler = ngx_http_registry_curl_event;

    return c;
}


static ngx_int_t
ngx_http_registry_curl_interest(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted)
{
    if (wanted && !ev->active) {
        return ngx_add_event(ev, event, NGX_LEVEL_EVENT);
    }

    if (!wanted && ev->active) {
        return ngx_del_event(ev, event, 0);
    }

    return NGX_OK;
}


/* The socket stays open: it is libcurl's. */

static void
ngx_http_registry_curl_unwatch(ngx_connection_t *c)
{
    (void) ngx_http_registry_curl_interest(c->read, NGX_READ_EVENT, 0);
    (void) ngx_http_registry_curl_interest(c->write, NGX_WRITE_EVENT, 0);

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;
}


static void
ngx_http_registry_curl_event(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    /*
     * A worker is told to give up what it still does; which request the socket
     * is for is known to libcurl alone.
     */

    if (c->close) {
        ngx_http_registry_curl_abort();
        return;
    }

    ngx_http_registry_curl_act(c->fd, ev->write ? CURL_CSELECT_OUT
                                                : CURL_CSELECT_IN);
}


/* Lets libcurl go on, and tells who waits for a request that has ended. */

static void
ngx_http_registry_curl_act(curl_socket_t s, int mask)
{
    int                         n;
    CURLM                      *multi;
    CURLMcode                   rc;
    CURLMsg                    *msg;
    ngx_http_registry_curls_t  *curls;

    curls = &ngx_http_registry_curls;
    multi = curls->multi;

    rc = curl_multi_socket_action(multi, s, mask, &n);

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_ALERT, curls->log, 0,
                      "curl_multi_socket_action() failed: %s",
                      curl_multi_strerror(rc));
    }

    /* end() may start and cancel what it likes, so each is asked for anew */

    for ( ;; ) {
        msg = curl_multi_info_read(multi, &n);

        if (msg == NULL) {
            break;
        }

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        ngx_http_registry_curl_ended(msg->easy_handle, msg->data.result);

        if (curls->multi == NULL) {
            return;
        }
    }

    /* nginx takes what it finds there for a fault of its own connections */

    ERR_clear_error();
}
