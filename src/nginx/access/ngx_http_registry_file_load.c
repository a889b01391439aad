
/*
 * A file read by a thread, and who waits for it.
 *
 * start: ngx_http_registry_file_load(), ngx_http_registry_file_wait().
 * wake: ngx_http_registry_file_loaded().
 * cancel: ngx_http_registry_file_leave(), a pool cleanup.
 */


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_file_private.h"

#include <openssl/crypto.h>


#define NGX_HTTP_REGISTRY_FILE_TIMEOUT  60000


typedef struct {
    ngx_queue_t                 queue;
    ngx_http_request_t         *request;
    void                      (*wake)(ngx_http_request_t *r);
    unsigned                    waits:1;
} ngx_http_registry_waiter_t;


static void ngx_http_registry_file_work(void *data, ngx_log_t *log);
static void ngx_http_registry_file_loaded(ngx_event_t *ev);
static void ngx_http_registry_file_leave(void *data);


ngx_int_t
ngx_http_registry_file_load(ngx_http_request_t *r,
    ngx_http_registry_file_t *file)
{
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    file->task.ctx = file;
    file->task.handler = ngx_http_registry_file_work;
    file->task.event.handler = ngx_http_registry_file_loaded;
    file->task.event.data = file;
    file->task.event.log = ngx_cycle->log;

    if (ngx_thread_task_post(rlcf->pool, &file->task) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a worker that is told to quit stays for it */

    ngx_add_timer(&file->task.event, NGX_HTTP_REGISTRY_FILE_TIMEOUT);

    file->loading = 1;

    return NGX_OK;
}


static void
ngx_http_registry_file_work(void *data, ngx_log_t *log)
{
    ngx_http_registry_file_t *file = data;

    ngx_http_registry_file_read(file);

    if (ngx_http_registry_file_to_make(file)
        && file->make((char *) file->path.data, file->param,
                      &file->reading.why)
           == 0)
    {
        ngx_http_registry_file_read(file);
    }

    /* keys leave state of the library behind in each thread, for seldom use */

    OPENSSL_thread_stop();
}


static void
ngx_http_registry_file_loaded(ngx_event_t *ev)
{
    ngx_queue_t                  waiters, *q;
    ngx_connection_t            *c;
    ngx_http_request_t          *r;
    ngx_http_registry_file_t    *file;
    ngx_http_registry_waiter_t  *waiter;

    file = ev->data;

    if (ev->timedout) {
        ev->timedout = 0;
        ngx_log_error(NGX_LOG_ERR, ev->log, 0,
                      "the %s \"%V\" could not be read for %d seconds, look "
                      "at its disk, and at that of the registry's root, which "
                      "all threads may wait for", file->kind->what,
                      &file->path, NGX_HTTP_REGISTRY_FILE_TIMEOUT / 1000);
        ngx_add_timer(ev, NGX_HTTP_REGISTRY_FILE_TIMEOUT);
        return;
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ev->complete = 0;
    file->loading = 0;

    (void) ngx_http_registry_file_adopt(file, ev->log);

    /*
     * Whoever is woken may ask again at once and find the file changed once
     * more: then he waits in the file's own queue, not in this one.
     */

    if (ngx_queue_empty(&file->waiters)) {
        return;
    }

    ngx_queue_init(&waiters);
    ngx_queue_add(&waiters, &file->waiters);
    ngx_queue_init(&file->waiters);

    file->waking = 1;

    while (!ngx_queue_empty(&waiters)) {
        q = ngx_queue_head(&waiters);
        waiter = ngx_queue_data(q, ngx_http_registry_waiter_t, queue);

        ngx_queue_remove(q);
        waiter->waits = 0;

        r = waiter->request;
        c = r->connection;

        ngx_http_set_log_request(c->log, r);

        waiter->wake(r);
        ngx_http_run_posted_requests(c);
    }

    file->waking = 0;
}


ngx_int_t
ngx_http_registry_file_wait(ngx_http_request_t *r,
    ngx_http_registry_file_t *file, void (*wake)(ngx_http_request_t *r))
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_registry_waiter_t  *waiter;

    if (wake == NULL) {
        return NGX_AGAIN;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_waiter_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    waiter = cln->data;
    cln->handler = ngx_http_registry_file_leave;

    waiter->request = r;
    waiter->wake = wake;
    waiter->waits = 1;

    ngx_queue_insert_tail(&file->waiters, &waiter->queue);

    return NGX_AGAIN;
}


static void
ngx_http_registry_file_leave(void *data)
{
    ngx_http_registry_waiter_t *waiter = data;

    if (waiter->waits) {
        ngx_queue_remove(&waiter->queue);
    }
}
