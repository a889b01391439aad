
/*
 * Events of pulls: many, and none is worth a wait.  A worker gathers them in
 * memory and lets a thread append them to the spool every 100 ms, or when they
 * are 64 KB, without a sync; while it does, others are gathered.  A worker
 * that is killed takes along what it has gathered.
 *
 *     gathering --timer, or enough--> flying (the other half gathers)
 *     flying --the thread is done--> and again, when there is something
 */


#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_send.h"


#define NGX_HTTP_REGISTRY_PULLS_MS      100
#define NGX_HTTP_REGISTRY_PULLS_ENOUGH  65536

/* what is gathered while threads are slow: bytes, and events */
#define NGX_HTTP_REGISTRY_PULLS_MAX     (4 * 1024 * 1024)
#define NGX_HTTP_REGISTRY_PULLS_N       8192


/* What the log phase makes an event of. */
struct ngx_http_registry_pull_s {
    ngx_http_registry_events_t  *events;
    ngx_thread_pool_t           *pool;
    reg_str_t                    to;
    reg_event_t                  event;
    reg_digest_t                 digest;
};


typedef struct {
    size_t      begin;
    size_t      end;
    reg_str_t   to;              /* of the configuration */
} ngx_http_registry_pulls_item_t;


typedef struct {
    reg_buf_t                        text;
    ngx_http_registry_pulls_item_t  *items;
    ngx_uint_t                       n;
} ngx_http_registry_pulls_half_t;


struct ngx_http_registry_pulls_s {
    ngx_http_registry_events_t      *events;
    ngx_thread_pool_t               *pool;
    ngx_event_t                      timer;
    ngx_thread_task_t                task;
    ngx_http_registry_pulls_half_t   halves[2];
    ngx_uint_t                       gathering;   /* which half */
    reg_rc_t                         rc;          /* of the thread */
    reg_error_t                      error;
    unsigned                         flying:1;
};


static ngx_http_registry_pulls_t *ngx_http_registry_pulls_get(
    struct ngx_http_registry_pull_s *pull, reg_store_t *store);
static void ngx_http_registry_pulls_add(ngx_http_registry_pulls_t *p,
    struct ngx_http_registry_pull_s *pull);
static void ngx_http_registry_pulls_timer(ngx_event_t *ev);
static void ngx_http_registry_pulls_fly(ngx_http_registry_pulls_t *p);
static void ngx_http_registry_pulls_work(void *data, ngx_log_t *log);
static reg_rc_t ngx_http_registry_pulls_write(ngx_http_registry_pulls_t *p,
    ngx_http_registry_pulls_half_t *half, reg_error_t *e);
static void ngx_http_registry_pulls_landed(ngx_event_t *ev);
static void ngx_http_registry_pulls_written(ngx_http_registry_pulls_t *p,
    ngx_http_registry_pulls_half_t *half, reg_rc_t rc, reg_error_t *e);


ngx_int_t
ngx_http_registry_pulled(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx,
    const reg_digest_t *d, const char *type, size_t len, off_t size)
{
    u_char                           *p;
    reg_event_t                      *ev;
    ngx_http_registry_events_t       *events;
    ngx_http_registry_loc_conf_t     *rlcf;
    struct ngx_http_registry_pull_s  *pull;
    ngx_http_registry_notify_conf_t  *nlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
    events = rlcf->root->events;

    if (events == NULL) {
        return NGX_OK;
    }

    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_notify_module);

    if (!nlcf->pulls && !events->feed_pulls) {
        return NGX_OK;
    }

    pull = ngx_pcalloc(r->pool, sizeof(struct ngx_http_registry_pull_s));
    p = ngx_pnalloc(r->pool, len);

    if (pull == NULL || p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, type, len);

    pull->events = events;
    pull->pool = rlcf->pool;
    pull->to = ngx_http_registry_str(&nlcf->to);
    pull->digest = *d;

    ev = &pull->event;
    ev->action = REG_EVENT_PULL;
    ev->manifest = (ctx->op.op == REG_OP_MANIFEST_READ);
    ev->size = size;
    ev->repository = ctx->op.name;
    ev->media_type.data = (char *) p;
    ev->media_type.len = len;
    ev->digest.data = pull->digest.text;
    ev->digest.len = pull->digest.len;

    if (ev->manifest && !ctx->op.has_digest) {
        ev->tag = ctx->op.tag;
    }

    ctx->pull = pull;

    return NGX_OK;
}


/*
 * A part of a blob is a pull for distribution, as is a blob that the client is
 * told it has; a manifest that it has is none, being looked for in vain before
 * (registry/handlers/manifests.go, GetManifest()).
 */

ngx_int_t
ngx_http_registry_pulls_handler(ngx_http_request_t *r)
{
    ngx_uint_t                        status;
    ngx_http_registry_ctx_t          *ctx;
    ngx_http_registry_pulls_t        *p;
    struct ngx_http_registry_pull_s  *pull;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (ctx == NULL || ctx->pull == NULL) {
        return NGX_OK;
    }

    pull = ctx->pull;
    ctx->pull = NULL;

    status = r->headers_out.status;

    if (r->err_status
        || (status != NGX_HTTP_OK && status != NGX_HTTP_PARTIAL_CONTENT
            && (status != NGX_HTTP_NOT_MODIFIED || pull->event.manifest)))
    {
        return NGX_OK;
    }

    p = ngx_http_registry_pulls_get(pull, ctx->store);

    if (p && ngx_http_registry_emit_who(r, ctx, &pull->event.who) == NGX_OK) {
        ngx_http_registry_pulls_add(p, pull);
    }

    return NGX_OK;
}


static ngx_http_registry_pulls_t *
ngx_http_registry_pulls_get(struct ngx_http_registry_pull_s *pull,
    reg_store_t *store)
{
    ngx_uint_t                  i;
    ngx_http_registry_pulls_t  *p;

    if (pull->events->pulls) {
        return pull->events->pulls;
    }

    if (ngx_http_registry_spool(pull->events, store) == NULL) {
        return NULL;
    }

    p = ngx_calloc(sizeof(ngx_http_registry_pulls_t), ngx_cycle->log);
    if (p == NULL) {
        return NULL;
    }

    for (i = 0; i < 2; i++) {
        reg_buf_init(&p->halves[i].text, NGX_HTTP_REGISTRY_PULLS_MAX);

        p->halves[i].items = ngx_alloc(NGX_HTTP_REGISTRY_PULLS_N
                                    * sizeof(ngx_http_registry_pulls_item_t),
                                    ngx_cycle->log);
        if (p->halves[i].items == NULL) {
            ngx_free(p->halves[0].items);
            ngx_free(p);
            return NULL;
        }
    }

    p->events = pull->events;
    p->pool = pull->pool;

    /* at exit everything is written, whether the time has come or not */

    p->timer.handler = ngx_http_registry_pulls_timer;
    p->timer.data = p;
    p->timer.log = ngx_cycle->log;
    p->timer.cancelable = 1;

    p->task.ctx = p;
    p->task.handler = ngx_http_registry_pulls_work;
    p->task.event.handler = ngx_http_registry_pulls_landed;
    p->task.event.data = p;
    p->task.event.log = ngx_cycle->log;

    pull->events->pulls = p;

    return p;
}


static void
ngx_http_registry_pulls_add(ngx_http_registry_pulls_t *p,
    struct ngx_http_registry_pull_s *pull)
{
    size_t                           begin;
    reg_rc_t                         rc;
    ngx_http_registry_pulls_half_t  *half;
    ngx_http_registry_pulls_item_t  *item;

    half = &p->halves[p->gathering];
    begin = half->text.len;

    pull->event.time = ngx_http_registry_emit_now();

    rc = REG_NO_MEMORY;

    if (half->n < NGX_HTTP_REGISTRY_PULLS_N) {
        rc = reg_event_print(&half->text, &pull->event, NULL);
    }

    if (rc != REG_OK || reg_buf_failed(&half->text)) {
        half->text.len = begin;
        half->text.state = REG_BUF_OK;

        if (p->events->root->place) {
            ngx_http_registry_large_add(&p->events->root->place->pulls_lost, 1);
        }

        return;
    }

    item = &half->items[half->n++];
    item->begin = begin;
    item->end = half->text.len;
    item->to = pull->to;

    if (p->flying) {
        return;
    }

    if (half->text.len >= NGX_HTTP_REGISTRY_PULLS_ENOUGH) {
        ngx_http_registry_pulls_fly(p);

    } else if (!p->timer.timer_set) {
        ngx_add_timer(&p->timer, NGX_HTTP_REGISTRY_PULLS_MS);
    }
}


static void
ngx_http_registry_pulls_timer(ngx_event_t *ev)
{
    ngx_http_registry_pulls_t *p = ev->data;

    ev->timedout = 0;

    if (!p->flying) {
        ngx_http_registry_pulls_fly(p);
    }
}


static void
ngx_http_registry_pulls_fly(ngx_http_registry_pulls_t *p)
{
    if (p->timer.timer_set) {
        ngx_del_timer(&p->timer);
    }

    p->gathering = !p->gathering;

    if (ngx_thread_task_post(p->pool, &p->task) != NGX_OK) {
        p->gathering = !p->gathering;
        ngx_add_timer(&p->timer, NGX_HTTP_REGISTRY_PULLS_MS);
        return;
    }

    p->flying = 1;
}


static void
ngx_http_registry_pulls_work(void *data, ngx_log_t *log)
{
    ngx_http_registry_pulls_t *p = data;

    reg_error_clear(&p->error);

    p->rc = ngx_http_registry_pulls_write(p, &p->halves[!p->gathering],
                                          &p->error);
}


static reg_rc_t
ngx_http_registry_pulls_write(ngx_http_registry_pulls_t *p,
    ngx_http_registry_pulls_half_t *half, reg_error_t *e)
{
    size_t                           n;
    reg_rc_t                         rc;
    ngx_uint_t                       i;
    reg_spool_item_t                 items[REG_SPOOL_ITEMS_MAX];
    ngx_http_registry_pulls_item_t  *item;

    rc = REG_OK;

    for (i = 0; i < half->n && rc == REG_OK; i += n) {

        for (n = 0; n < REG_SPOOL_ITEMS_MAX && i + n < half->n; n++) {
            item = &half->items[i + n];

            items[n].to = item->to;
            items[n].event.data = half->text.data + item->begin;
            items[n].event.len = item->end - item->begin;
        }

        rc = reg_spool_append(p->events->spool, items, n, 0,
                              ngx_http_registry_emit_now(), NULL, e);
    }

    return rc;
}


static void
ngx_http_registry_pulls_landed(ngx_event_t *ev)
{
    ngx_http_registry_pulls_t *p = ev->data;

    ev->complete = 0;
    p->flying = 0;

    ngx_http_registry_pulls_written(p, &p->halves[!p->gathering], p->rc,
                                    &p->error);

    if (p->halves[p->gathering].n) {
        ngx_add_timer(&p->timer, NGX_HTTP_REGISTRY_PULLS_MS);
    }
}


static void
ngx_http_registry_pulls_written(ngx_http_registry_pulls_t *p,
    ngx_http_registry_pulls_half_t *half, reg_rc_t rc, reg_error_t *e)
{
    ngx_http_registry_place_t  *place;

    place = p->events->root->place;

    if (rc == REG_OK) {

        if (place) {
            ngx_http_registry_large_add(&place->appends, 1);
        }

    } else {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, e->sys,
                      "events of %ui pulls were lost: %s \"%V/%s\" failed",
                      half->n, e->call ? e->call : reg_error_text(rc),
                      &p->events->root->root, e->path);

        if (place) {
            ngx_http_registry_large_add(&place->pulls_lost, half->n);
        }
    }

    half->n = 0;
    reg_buf_reset(&half->text);
}


/* The threads are gone by now, and have done what they were given. */

void
ngx_http_registry_pulls_exit(ngx_http_registry_events_t *events)
{
    reg_rc_t                         rc;
    ngx_uint_t                       i;
    reg_error_t                      e;
    ngx_http_registry_pulls_t       *p;
    ngx_http_registry_pulls_half_t  *half;

    p = events->pulls;

    if (p == NULL) {
        return;
    }

    half = &p->halves[p->gathering];

    if (half->n) {
        reg_error_clear(&e);
        rc = ngx_http_registry_pulls_write(p, half, &e);
        ngx_http_registry_pulls_written(p, half, rc, &e);
    }

    if (p->timer.timer_set) {
        ngx_del_timer(&p->timer);
    }

    for (i = 0; i < 2; i++) {
        reg_buf_free(&p->halves[i].text);
        ngx_free(p->halves[i].items);
    }

    ngx_free(p);
    events->pulls = NULL;
}
