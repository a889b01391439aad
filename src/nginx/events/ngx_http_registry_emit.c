
/*
 * Events of changes: what they tell of the request is gathered on the event
 * loop, and the thread that makes the change appends them to the spool.
 */


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_request_id.h"

#include "reg_time.h"


struct ngx_http_registry_emit_s {
    reg_spool_t                 *spool;
    ngx_http_registry_events_t  *events;
    reg_str_t                    to;
    reg_event_who_t              who;
};


static ngx_int_t ngx_http_registry_emit_base(ngx_http_request_t *r,
    reg_event_who_t *who);
static void ngx_http_registry_emit_fill(ngx_http_registry_ctx_t *ctx,
    reg_event_t *events, size_t n);
static void ngx_http_registry_emit_count(ngx_http_registry_emit_t *emit,
    reg_rc_t rc);
static void ngx_http_registry_emit_blob_fill(ngx_http_registry_ctx_t *ctx,
    reg_event_t *ev, unsigned action, const reg_digest_t *d);
static reg_rc_t ngx_http_registry_emit_reserve(ngx_http_registry_ctx_t *ctx,
    const reg_event_t *ev, size_t n, ngx_uint_t tried, const char *done);
static reg_rc_t ngx_http_registry_emit_failed(ngx_http_registry_emit_t *emit,
    reg_error_t *cause, reg_error_t *e);
static reg_rc_t ngx_http_registry_emit_deleted(ngx_http_registry_ctx_t *ctx,
    reg_event_t *events, size_t n);
static void ngx_http_registry_emit_unheard(ngx_http_registry_ctx_t *ctx,
    const reg_event_t *ev, const reg_error_t *cause);


ngx_int_t
ngx_http_registry_emit_begin(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_emit_t         *emit;
    ngx_http_registry_events_t       *events;
    ngx_http_registry_loc_conf_t     *rlcf;
    ngx_http_registry_notify_conf_t  *nlcf;

    switch (ctx->op.op) {

    case REG_OP_MANIFEST_WRITE:
    case REG_OP_MANIFEST_DELETE:
    case REG_OP_BLOB_DELETE:
    case REG_OP_UPLOAD_START:
    case REG_OP_UPLOAD_FINISH:
    case REG_OP_REPO_DELETE:
        break;

    default:
        return NGX_OK;
    }

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_notify_module);

    events = rlcf->root->events;

    if (nlcf->endpoints == NULL && !events->feed) {
        return NGX_OK;
    }

    emit = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_emit_t));
    if (emit == NULL) {
        return NGX_ERROR;
    }

    emit->events = events;
    emit->to = ngx_http_registry_str(&nlcf->to);
    emit->spool = ngx_http_registry_spool(events, ctx->store);

    if (emit->spool == NULL
        || ngx_http_registry_emit_who(r, ctx, &emit->who) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->emit = emit;

    return NGX_OK;
}


reg_spool_t *
ngx_http_registry_spool(ngx_http_registry_events_t *events, reg_store_t *store)
{
    reg_spool_limits_t  limits;

    if (events->spool == NULL) {
        limits.size = events->size;
        limits.keep = reg_time_span(events->keep);

        if (reg_spool_open(&events->spool, store, &limits, NULL) != REG_OK) {
            events->spool = NULL;
        }
    }

    return events->spool;
}


/* Header lines live as long as the request does, and so longer than a task. */

ngx_int_t
ngx_http_registry_emit_who(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_event_who_t *who)
{
    u_char                                *p;
    ngx_str_t                              id, local;
    ngx_connection_t                      *c;
    ngx_http_registry_notify_main_conf_t  *nmcf;

    c = r->connection;
    nmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_notify_module);

    if (ngx_http_registry_request_id(r, &id) == NGX_OK) {
        who->id = ngx_http_registry_str(&id);
    }

    p = ngx_pnalloc(r->pool, NGX_SOCKADDR_STRLEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    who->addr.data = (char *) p;
    who->addr.len = ngx_sock_ntop(c->sockaddr, c->socklen, p,
                                  NGX_SOCKADDR_STRLEN, 1);

    who->method = ngx_http_registry_str(&r->method_name);

    if (r->headers_in.user_agent) {
        who->useragent =
            ngx_http_registry_str(&r->headers_in.user_agent->value);
    }

    who->actor = ngx_http_registry_identity(ctx)->user;
    who->instance = ngx_http_registry_str(&nmcf->instance);

    /* "os.Hostname() along with the running port" */

    p = ngx_pnalloc(r->pool, ngx_cycle->hostname.len + NGX_SOCKADDR_STRLEN);
    if (p == NULL || ngx_connection_local_sockaddr(c, NULL, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    local.data = p;
    p = ngx_sprintf(p, "%V:%d", &ngx_cycle->hostname,
                    (int) ngx_inet_get_port(c->local_sockaddr));
    local.len = p - local.data;

    who->source = ngx_http_registry_str(&local);

    return ngx_http_registry_emit_base(r, who);
}


/* Where the client found us, as it says; or a name of the server's. */

static ngx_int_t
ngx_http_registry_emit_base(ngx_http_request_t *r, reg_event_who_t *who)
{
    u_char                    *p;
    const char                *scheme;
    ngx_str_t                  host, base;
    ngx_http_core_srv_conf_t  *cscf;

    if (r->headers_in.host) {
        host = r->headers_in.host->value;

    } else {
        host = r->headers_in.server;
    }

    if (host.len == 0) {
        cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
        host = cscf->server_name;
    }

    who->host = ngx_http_registry_str(&host);

    if (host.len == 0) {
        return NGX_OK;
    }

    scheme = "http";

#if (NGX_HTTP_SSL)

    if (r->connection->ssl) {
        scheme = "https";
    }

#endif

    p = ngx_pnalloc(r->pool, host.len + sizeof("https://"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    base.data = p;
    base.len = ngx_sprintf(p, "%s://%V", scheme, &host) - p;

    who->base = ngx_http_registry_str(&base);

    return NGX_OK;
}


int64_t
ngx_http_registry_emit_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return reg_time_ns(&ts);
}


/* In a thread. */

reg_rc_t
ngx_http_registry_emit(ngx_http_registry_ctx_t *ctx, reg_event_t *events,
    size_t n)
{
    reg_rc_t                   rc;
    reg_error_t                e;
    ngx_http_registry_emit_t  *emit;

    emit = ctx->emit;

    if (emit == NULL) {
        return REG_OK;
    }

    ngx_http_registry_emit_fill(ctx, events, n);
    reg_error_clear(&e);

    rc = reg_spool_emit(emit->spool, emit->to, events, n, 1,
                        ngx_http_registry_emit_now(), NULL, &e);

    ngx_http_registry_emit_count(emit, rc);

    return (rc == REG_OK) ? REG_OK
                          : ngx_http_registry_emit_failed(emit, &e,
                                                          &ctx->error);
}


static void
ngx_http_registry_emit_fill(ngx_http_registry_ctx_t *ctx, reg_event_t *events,
    size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        events[i].who = ctx->emit->who;
        events[i].repository = ctx->op.name;
    }
}


static void
ngx_http_registry_emit_count(ngx_http_registry_emit_t *emit, reg_rc_t rc)
{
    ngx_http_registry_place_t  *place;

    place = emit->events->root->place;

    if (place) {
        ngx_http_registry_large_add((rc == REG_OK) ? &place->appends
                                                   : &place->appends_failed,
                                    1);
    }
}


/*
 * The change stands, but nobody would hear of it: the client is not told that
 * it was done.
 */

static reg_rc_t
ngx_http_registry_emit_failed(ngx_http_registry_emit_t *emit,
    reg_error_t *cause, reg_error_t *e)
{
    ngx_str_t  *root;

    root = &emit->events->root->root;

    ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, cause->sys,
                  "an event was not recorded, and a client was told so: "
                  "%s \"%V/%s\" failed, %s; without \"registry_notify\" and "
                  "\"registry_events\" nothing is recorded",
                  cause->call ? cause->call : reg_error_text(cause->rc), root,
                  cause->path[0] ? cause->path : REG_SPOOL,
                  cause->rc == REG_NO_SPACE
                  ? "free space on its disk"
                  : "the worker user must be able to write there");

    reg_error_clear(e);

    return reg_error_set(e, REG_INTERNAL,
                         "it was done, but the event that tells of it could "
                         "not be recorded; try again");
}


/* --- blobs --------------------------------------------------------------- */

/*
 * Who pushes a blob again looks first, finds it, and there is no event; so it
 * is not stored without room for one.  Whether the disk takes anything need not
 * be tried: what stores it waits for the disk itself.
 */

reg_rc_t
ngx_http_registry_emit_blob_room(ngx_http_registry_ctx_t *ctx,
    unsigned action, const reg_digest_t *d)
{
    char         from[REG_NAME_MAX];
    reg_event_t  ev;

    if (ctx->emit == NULL) {
        return REG_OK;
    }

    ngx_memset(from, 'x', sizeof(from));

    /* as long as any of them */

    ngx_http_registry_emit_blob_fill(ctx, &ev, action, d);

    ev.size = NGX_MAX_OFF_T_VALUE;
    ev.from.data = from;
    ev.from.len = (action == REG_EVENT_MOUNT) ? sizeof(from) : 0;

    return ngx_http_registry_emit_reserve(ctx, &ev, 1, 0,
                                          action == REG_EVENT_MOUNT
                                          ? "mounted" : "pushed");
}


reg_rc_t
ngx_http_registry_emit_blob(ngx_http_registry_ctx_t *ctx, unsigned action,
    const reg_digest_t *d, uint64_t size, reg_str_t from)
{
    reg_rc_t                   rc;
    reg_error_t                e;
    reg_event_t                ev;
    ngx_http_registry_emit_t  *emit;

    emit = ctx->emit;

    if (emit == NULL) {
        return REG_OK;
    }

    ngx_http_registry_emit_blob_fill(ctx, &ev, action, d);

    ev.size = size;
    ev.from = from;

    reg_error_clear(&e);

    rc = reg_spool_emit_sure(emit->spool, emit->to, &ev, 1,
                             ngx_http_registry_emit_now(), &e);

    ngx_http_registry_emit_count(emit, rc);

    return (rc == REG_OK) ? REG_OK
                          : ngx_http_registry_emit_failed(emit, &e,
                                                          &ctx->error);
}


static void
ngx_http_registry_emit_blob_fill(ngx_http_registry_ctx_t *ctx,
    reg_event_t *ev, unsigned action, const reg_digest_t *d)
{
    ngx_memzero(ev, sizeof(reg_event_t));

    ev->action = action;
    ev->media_type = reg_str(REG_EVENT_BLOB);
    ev->digest.data = d->text;
    ev->digest.len = d->len;

    ngx_http_registry_emit_fill(ctx, ev, 1);
}


static reg_rc_t
ngx_http_registry_emit_reserve(ngx_http_registry_ctx_t *ctx,
    const reg_event_t *ev, size_t n, ngx_uint_t tried, const char *done)
{
    reg_rc_t                   rc;
    ngx_http_registry_emit_t  *emit;

    emit = ctx->emit;

    rc = reg_spool_reserve(emit->spool, emit->to, ev, n, tried,
                           ngx_http_registry_emit_now(), &ctx->error);

    if (rc == REG_OK) {
        return REG_OK;
    }

    ngx_http_registry_emit_count(emit, rc);

    (void) ngx_snprintf((u_char *) ctx->error.detail, REG_ERROR_DETAIL,
                        "nothing was %s: the event that tells of it could "
                        "not be recorded%Z", done);

    return rc;
}


/* --- deletions ----------------------------------------------------------- */

/*
 * Nobody can delete a second time to have the event of the first: without room
 * for it nothing is deleted.
 */

reg_rc_t
ngx_http_registry_emit_room(ngx_http_registry_ctx_t *ctx, size_t n)
{
    char         tag[REG_TAG_MAX];
    reg_event_t  ev;

    if (ctx->emit == NULL) {
        return REG_OK;
    }

    ngx_memset(tag, 'x', sizeof(tag));
    ngx_memzero(&ev, sizeof(reg_event_t));

    /* as long as any of them */

    ev.action = REG_EVENT_DELETE;
    ngx_http_registry_emit_fill(ctx, &ev, 1);
    ev.digest.data = ctx->op.digest.text;
    ev.digest.len = ctx->op.has_digest ? ctx->op.digest.len : 0;
    ev.tag.data = tag;
    ev.tag.len = sizeof(tag);

    return ngx_http_registry_emit_reserve(ctx, &ev, n, 1, "deleted");
}


/* The event of each is tried, whatever becomes of the one before. */

static reg_rc_t
ngx_http_registry_emit_deleted(ngx_http_registry_ctx_t *ctx,
    reg_event_t *events, size_t n)
{
    size_t                     i;
    reg_rc_t                   rc;
    reg_error_t                e;
    ngx_http_registry_emit_t  *emit;

    emit = ctx->emit;

    ngx_http_registry_emit_fill(ctx, events, n);

    for (i = 0; i < n; i++) {
        events[i].action = REG_EVENT_DELETE;
    }

    reg_error_clear(&e);

    rc = reg_spool_emit_sure(emit->spool, emit->to, events, n,
                             ngx_http_registry_emit_now(), &e);

    ngx_http_registry_emit_count(emit, rc);

    if (rc == REG_OK) {
        return REG_OK;
    }

    for (i = 0; i < n; i++) {
        ngx_http_registry_emit_unheard(ctx, &events[i], &e);
    }

    return reg_error_set(&ctx->error, REG_INTERNAL,
                         "it was deleted, but the event that tells of it could "
                         "not be recorded");
}


static void
ngx_http_registry_emit_unheard(ngx_http_registry_ctx_t *ctx,
    const reg_event_t *ev, const reg_error_t *cause)
{
    ngx_str_t    *root, name, what;
    const char   *mark;

    root = &ctx->emit->events->root->root;

    name.data = (u_char *) ev->repository.data;
    name.len = ev->repository.len;

    what.data = (u_char *) (ev->tag.len ? ev->tag.data : ev->digest.data);
    what.len = ev->tag.len ? ev->tag.len : ev->digest.len;

    mark = ev->tag.len ? ":" : what.len ? "@" : "";

    ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, cause->sys,
                  "the event of a deletion was not recorded, tell those who "
                  "wait for it: \"%V%s%V\" is deleted from \"%V\": "
                  "%s \"%V/%s\" failed", &name, mark, &what, root,
                  cause->call ? cause->call : reg_error_text(cause->rc), root,
                  cause->path[0] ? cause->path : REG_SPOOL);
}


reg_rc_t
ngx_http_registry_emit_delete(ngx_http_registry_ctx_t *ctx,
    const reg_digest_t *d, const reg_str_t *tag)
{
    reg_event_t  ev;

    if (ctx->emit == NULL) {
        return REG_OK;
    }

    ngx_memzero(&ev, sizeof(reg_event_t));

    if (d) {
        ev.digest.data = d->text;
        ev.digest.len = d->len;
    }

    if (tag) {
        ev.tag = *tag;
    }

    return ngx_http_registry_emit_deleted(ctx, &ev, 1);
}


reg_rc_t
ngx_http_registry_emit_manifest(ngx_http_registry_ctx_t *ctx,
    const reg_digest_t *d, const reg_names_t *tags)
{
    size_t        i, n, max;
    reg_rc_t      rc, told;
    reg_event_t  *ev, one, *some;

    rc = d ? ngx_http_registry_emit_delete(ctx, d, NULL) : REG_OK;

    if (ctx->emit == NULL || tags->n == 0) {
        return rc;
    }

    /* without memory it takes longer */

    some = calloc(NGX_HTTP_REGISTRY_EMIT_TAGS, sizeof(reg_event_t));
    max = some ? NGX_HTTP_REGISTRY_EMIT_TAGS : 1;
    ev = some ? some : &one;

    for (i = 0; i < tags->n; i += n) {
        ngx_memzero(ev, max * sizeof(reg_event_t));

        for (n = 0; n < max && i + n < tags->n; n++) {
            ev[n].tag = reg_names_get(tags, i + n);
        }

        told = ngx_http_registry_emit_deleted(ctx, ev, n);
        rc = (rc == REG_OK) ? told : rc;
    }

    free(some);

    return rc;
}
