
/*
 * What makes the manager deliver: the kernel tells it when a spool is written
 * to, by whatever process, so an idle registry costs nothing but a look now
 * and then, which also serves file systems that tell nothing.
 */


#include "ngx_http_registry_notify.h"

#include <ngx_event.h>

#if (NGX_LINUX)
#include <sys/inotify.h>
#endif


/* ms between two looks, where the kernel tells and where it does not */
#define NGX_HTTP_REGISTRY_WAKE_LOOK    5000
#define NGX_HTTP_REGISTRY_WAKE_POLL    200

/* ms between two looks at what the kernel tells, while it tells much */
#define NGX_HTTP_REGISTRY_WAKE_GATHER  50

/* ms between two times that what is left is counted, while much happens */
#define NGX_HTTP_REGISTRY_WAKE_COUNT   1000

/* ms between two times that what is too old is dropped, at most; what is kept
   for a shorter time goes about when it should */
#define NGX_HTTP_REGISTRY_WAKE_TRIM    60000


static void ngx_http_registry_wake_drain(void);
static void ngx_http_registry_wake_notes(void);
static ngx_uint_t ngx_http_registry_wake_leave(void);
static void ngx_http_registry_wake_timer(ngx_event_t *ev);
static void ngx_http_registry_wake_all(ngx_http_registry_events_t *events);
static void ngx_http_registry_wake_trim(ngx_http_registry_events_t *events);
static void ngx_http_registry_wake_count(ngx_http_registry_events_t *events);
static ngx_uint_t ngx_http_registry_wake_watch(
    ngx_http_registry_events_t *events);

#if (NGX_LINUX)
static ngx_int_t ngx_http_registry_wake_open(void);
static int ngx_http_registry_wake_add(ngx_http_registry_events_t *events,
    const char *path, uint32_t mask);
static void ngx_http_registry_wake_event(ngx_event_t *ev);
static void ngx_http_registry_wake_again(ngx_event_t *ev);
static ngx_uint_t ngx_http_registry_wake_read(ngx_connection_t *c);
static void ngx_http_registry_wake_told(int watch, uint32_t mask);
static void ngx_http_registry_wake_deliver(ngx_event_t *ev);

static ngx_connection_t  *ngx_http_registry_wake_connection;
static ngx_event_t        ngx_http_registry_wake_gather;
#endif


static ngx_uint_t  ngx_http_registry_wake_draining;


void
ngx_http_registry_wake_start(ngx_http_registry_root_t *root)
{
    ngx_event_t                 *ev;
    ngx_http_registry_events_t  *events;

    events = root->events;

    if (events == NULL || events->timer.handler
        || events->deliveries.nelts + events->feed == 0)
    {
        return;
    }

    /* a manager that is told to quit calls exit(), and nothing before it */

    if (ngx_process == NGX_PROCESS_HELPER && !ngx_http_registry_wake_draining)
    {
        ngx_http_registry_wake_draining = 1;

        if (atexit(ngx_http_registry_wake_drain) != 0) {
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                          "atexit() failed");
        }
    }

    events->watch = -1;
    events->watch_asked = -1;
    events->trimmed = ngx_current_msec;

    ev = &events->timer;
    ev->handler = ngx_http_registry_wake_timer;
    ev->data = events;
    ev->log = ngx_cycle->log;
    ev->cancelable = 1;

    /* not from here: other roots may be yet to begin */

    ngx_add_timer(ev, 1);
}


/*
 * What is under way is waited for, so that a reload delivers nothing twice:
 * each request ends within its timeout, and no other begins.  The endpoints
 * that are not waited for are the next process's meanwhile.
 */

static void
ngx_http_registry_wake_drain(void)
{
    if (ngx_process != NGX_PROCESS_HELPER || !(ngx_quit || ngx_terminate)) {
        return;
    }

    while (!ngx_terminate && ngx_http_registry_wake_leave()) {
        ngx_process_events_and_timers((ngx_cycle_t *) ngx_cycle);
    }

    ngx_http_registry_wake_notes();
}


static void
ngx_http_registry_wake_notes(void)
{
    ngx_uint_t                       i;
    ngx_http_registry_root_t       **root;
    ngx_http_registry_main_conf_t   *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_registry_module);
    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {
        if (root[i]->events) {
            ngx_http_registry_notes_end(root[i]->events);
        }
    }
}


/* How many have a request under way. */

static ngx_uint_t
ngx_http_registry_wake_leave(void)
{
    ngx_uint_t                       i, j, busy;
    ngx_http_registry_root_t       **root;
    ngx_http_registry_delivery_t   **d;
    ngx_http_registry_main_conf_t   *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_registry_module);
    root = rmcf->roots.elts;
    busy = 0;

    for (i = 0; i < rmcf->roots.nelts; i++) {

        if (root[i]->events == NULL) {
            continue;
        }

        d = root[i]->events->deliveries.elts;

        for (j = 0; j < root[i]->events->deliveries.nelts; j++) {
            busy += (ngx_http_registry_delivery_leave(d[j]) == NGX_AGAIN);
        }
    }

    return busy;
}


static void
ngx_http_registry_wake_timer(ngx_event_t *ev)
{
    ngx_uint_t                   watched;
    ngx_http_registry_events_t  *events;

    events = ev->data;
    ev->timedout = 0;

    /* first, or what is written meanwhile is not told */

    watched = ngx_http_registry_wake_watch(events);

    ngx_http_registry_wake_all(events);
    ngx_http_registry_wake_trim(events);
    ngx_http_registry_wake_count(events);

    ngx_add_timer(ev, watched ? NGX_HTTP_REGISTRY_WAKE_LOOK
                              : NGX_HTTP_REGISTRY_WAKE_POLL);
}


static void
ngx_http_registry_wake_all(ngx_http_registry_events_t *events)
{
    ngx_uint_t                       i;
    ngx_http_registry_delivery_t   **d;

    d = events->deliveries.elts;

    for (i = 0; i < events->deliveries.nelts; i++) {
        ngx_http_registry_delivery_run(d[i]);
    }
}


static void
ngx_http_registry_wake_trim(ngx_http_registry_events_t *events)
{
    ngx_msec_t    wait;
    reg_error_t   e;
    reg_spool_t  *spool;
    reg_store_t  *store;

    wait = NGX_HTTP_REGISTRY_WAKE_TRIM;

    if (events->keep && (ngx_msec_t) events->keep < wait / 1000) {
        wait = (ngx_msec_t) events->keep * 1000;
    }

    if (ngx_current_msec - events->trimmed < wait) {
        return;
    }

    events->trimmed = ngx_current_msec;

    store = ngx_http_registry_store(events->root, ngx_cycle->log);
    spool = store ? ngx_http_registry_spool(events, store) : NULL;

    if (spool == NULL) {
        return;
    }

    reg_error_clear(&e);

    if (reg_spool_trim(spool, ngx_http_registry_emit_now(), &e) != REG_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, e.sys,
                      "could not drop old events: %s \"%V/%s\" failed",
                      e.call ? e.call : "storage call", &events->root->root,
                      e.path);
    }
}


/* How much is left to deliver, for the metrics. */

static void
ngx_http_registry_wake_count(ngx_http_registry_events_t *events)
{
    ngx_uint_t                       i;
    reg_spool_t                     *spool;
    reg_store_t                     *store;
    reg_spool_stat_t                 st;
    ngx_http_registry_delivery_t   **d;

    events->counted = ngx_current_msec;

    store = ngx_http_registry_store(events->root, ngx_cycle->log);
    spool = store ? ngx_http_registry_spool(events, store) : NULL;

    if (spool == NULL || reg_spool_stat(spool, &st, NULL) != REG_OK) {
        return;
    }

    d = events->deliveries.elts;

    for (i = 0; i < events->deliveries.nelts; i++) {
        ngx_http_registry_delivery_pending(d[i], &st);
    }
}


#if (NGX_LINUX)

/* 1 when the kernel tells. */

static ngx_uint_t
ngx_http_registry_wake_watch(ngx_http_registry_events_t *events)
{
    if (ngx_http_registry_wake_open() != NGX_OK) {
        return 0;
    }

    /* a folder that is not there yet is looked for again */

    if (events->watch == -1) {
        events->watch = ngx_http_registry_wake_add(events, REG_SPOOL,
                                     IN_MODIFY|IN_CREATE|IN_ATTRIB|IN_ONLYDIR);
    }

    if (events->watch_asked == -1) {
        events->watch_asked = ngx_http_registry_wake_add(events,
                                     REG_SPOOL_ENDPOINTS,
                                     IN_MOVED_TO|IN_CREATE|IN_ONLYDIR);
    }

    return events->watch != -1;
}


static ngx_int_t
ngx_http_registry_wake_open(void)
{
    int                fd;
    ngx_connection_t  *c;

    if (ngx_http_registry_wake_connection) {
        return NGX_OK;
    }

    fd = inotify_init1(IN_NONBLOCK|IN_CLOEXEC);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, ngx_errno,
                      "inotify_init1() failed");
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, ngx_cycle->log);

    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    c->log = ngx_cycle->log;
    c->read->log = ngx_cycle->log;
    c->write->log = ngx_cycle->log;
    c->read->handler = ngx_http_registry_wake_event;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        ngx_free_connection(c);
        c->fd = (ngx_socket_t) -1;
        (void) close(fd);
        return NGX_ERROR;
    }

    ngx_http_registry_wake_connection = c;

    return NGX_OK;
}


static int
ngx_http_registry_wake_add(ngx_http_registry_events_t *events,
    const char *path, uint32_t mask)
{
    char  name[NGX_MAX_PATH];

    if (events->root->root.len + ngx_strlen(path) + 2 > sizeof(name)) {
        return -1;
    }

    (void) ngx_sprintf((u_char *) name, "%V/%s%Z", &events->root->root, path);

    return inotify_add_watch(ngx_http_registry_wake_connection->fd, name,
                             mask);
}


/*
 * Many writes are one reason to look: after the first the kernel is not
 * listened to for a while, in which it keeps what it has to tell, and only
 * what is different.
 */

static void
ngx_http_registry_wake_event(ngx_event_t *ev)
{
    ngx_event_t       *gather;
    ngx_connection_t  *c;

    c = ev->data;
    gather = &ngx_http_registry_wake_gather;

    if (!ngx_http_registry_wake_read(c)
        || ngx_del_event(ev, NGX_READ_EVENT, 0) != NGX_OK)
    {
        return;
    }

    gather->handler = ngx_http_registry_wake_again;
    gather->data = c;
    gather->log = c->log;
    gather->cancelable = 1;

    ngx_add_timer(gather, NGX_HTTP_REGISTRY_WAKE_GATHER);
}


static void
ngx_http_registry_wake_again(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;
    ev->timedout = 0;

    if (ngx_http_registry_wake_read(c)
        || ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK)
    {
        ngx_add_timer(ev, NGX_HTTP_REGISTRY_WAKE_GATHER);
    }
}


/* 1 when it told something. */

static ngx_uint_t
ngx_http_registry_wake_read(ngx_connection_t *c)
{
    char                         buf[4096]
                                 __attribute__((aligned(8)));
    char                        *p;
    ssize_t                      n;
    ngx_uint_t                   told;
    const struct inotify_event  *in;

    told = 0;

    for ( ;; ) {
        n = read(c->fd, buf, sizeof(buf));

        if (n <= 0) {
            return told;
        }

        told = 1;

        for (p = buf; p < buf + n; p += sizeof(struct inotify_event) + in->len)
        {
            in = (const struct inotify_event *) p;
            ngx_http_registry_wake_told(in->wd, in->mask);
        }
    }
}


static void
ngx_http_registry_wake_told(int watch, uint32_t mask)
{
    ngx_uint_t                       i;
    ngx_http_registry_root_t       **root;
    ngx_http_registry_events_t      *events;
    ngx_http_registry_main_conf_t   *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_registry_module);
    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {
        events = root[i]->events;

        if (events == NULL || events->timer.handler == NULL
            || ((mask & IN_Q_OVERFLOW) == 0
                && events->watch != watch && events->watch_asked != watch))
        {
            continue;
        }

        if (mask & IN_IGNORED) {

            /* the folder is gone; the timer looks for another one */

            if (events->watch == watch) {
                events->watch = -1;

            } else {
                events->watch_asked = -1;
            }
        }

        if (events->woken.handler == NULL) {
            events->woken.handler = ngx_http_registry_wake_deliver;
            events->woken.data = events;
            events->woken.log = ngx_cycle->log;
        }

        ngx_post_event(&events->woken, &ngx_posted_events);
    }
}


static void
ngx_http_registry_wake_deliver(ngx_event_t *ev)
{
    ngx_http_registry_events_t  *events;

    events = ev->data;

    if (events->root->place) {
        ngx_http_registry_large_add(&events->root->place->appends, 1);
    }

    ngx_http_registry_wake_all(events);

    if (ngx_current_msec - events->counted >= NGX_HTTP_REGISTRY_WAKE_COUNT) {
        ngx_http_registry_wake_count(events);
    }
}

#else

static ngx_uint_t
ngx_http_registry_wake_watch(ngx_http_registry_events_t *events)
{
    return 0;
}

#endif
