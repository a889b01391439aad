
#include "ngx_http_registry_health.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_stats.h"


/* seconds that the maintenance may come later than it said it would */
#define NGX_HTTP_REGISTRY_HEALTH_LATE   60

/* seconds for which the zone's lock may not be had, by a process that looks */
#define NGX_HTTP_REGISTRY_HEALTH_LOCK   30

/* seconds for which a task may wait while no other one begins */
#define NGX_HTTP_REGISTRY_HEALTH_TASKS  30

#define NGX_HTTP_REGISTRY_HEALTH_MAX    (256 * 1024)


static ngx_uint_t ngx_http_registry_health_live(ngx_http_request_t *r);
static ngx_uint_t ngx_http_registry_health_ready(ngx_http_request_t *r,
    reg_buf_t *b);
static ngx_uint_t ngx_http_registry_health_zone(
    ngx_http_registry_main_conf_t *rmcf);
static ngx_uint_t ngx_http_registry_health_threads(void);
static ngx_uint_t ngx_http_registry_health_store(ngx_http_request_t *r,
    ngx_http_registry_root_t *root, reg_buf_t *b);
static ngx_uint_t ngx_http_registry_health_say(reg_buf_t *b,
    const char *check, ngx_uint_t ok, const char *wrong);


ngx_int_t
ngx_http_registry_health_handler(ngx_http_request_t *r)
{
    ngx_int_t   rc;
    reg_buf_t   b, checks;
    ngx_uint_t  ok;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_registry_only_read(r);
    }

    if (ngx_http_registry_stats == NULL) {
        return NGX_HTTP_NOT_FOUND;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    reg_buf_init(&b, NGX_HTTP_REGISTRY_HEALTH_MAX);
    reg_buf_init(&checks, NGX_HTTP_REGISTRY_HEALTH_MAX);

    /* that a worker answers is what "live" asks for */

    ok = 1;

    if (!ngx_http_registry_health_live(r)) {
        ok = ngx_http_registry_health_ready(r, &checks);
    }

    reg_buf_printf(&b, "{\"status\":\"%s\"", ok ? "ok" : "failing");
    reg_buf_str(&b, reg_buf_slice(&checks));
    reg_buf_str(&b, reg_str("}\n"));

    ok = ok && !reg_buf_failed(&checks);
    reg_buf_free(&checks);

    if (reg_buf_failed(&b)
        || ngx_http_registry_header(r, "Cache-Control", "no-store", 8)
           != NGX_OK
        || ngx_http_registry_keep_buf(r, &b) != NGX_OK)
    {
        reg_buf_free(&b);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    return ngx_http_registry_send_memory(r, ok ? NGX_HTTP_OK
                                               : NGX_HTTP_SERVICE_UNAVAILABLE,
                                         b.data, b.len);
}


static ngx_uint_t
ngx_http_registry_health_live(ngx_http_request_t *r)
{
    return reg_str_ends(ngx_http_registry_str(&r->uri), reg_str("/live"));
}


static ngx_uint_t
ngx_http_registry_health_ready(ngx_http_request_t *r, reg_buf_t *b)
{
    ngx_uint_t                       i, ok;
    ngx_http_registry_root_t       **root;
    ngx_http_registry_main_conf_t   *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);

    ok = ngx_http_registry_health_say(b, "zone",
             ngx_http_registry_health_zone(rmcf),
             "the lock of the shared zone is held by a process that died or "
             "does not go on, restart nginx");

    ok &= ngx_http_registry_health_say(b, "threads",
              ngx_http_registry_health_threads(),
              "tasks wait and no thread takes them, look at the disk of the "
              "store and at \\\"thread_pool\\\"");

    reg_buf_str(b, reg_str(",\"stores\":["));

    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {
        reg_buf_str(b, i ? reg_str(",{\"root\":\"") : reg_str("{\"root\":\""));
        reg_buf_json(b, ngx_http_registry_str(&root[i]->root));
        reg_buf_str(b, reg_str("\""));

        ok &= ngx_http_registry_health_store(r, root[i], b);

        reg_buf_str(b, reg_str("}"));
    }

    reg_buf_str(b, reg_str("]"));

    return ok;
}


/*
 * nginx frees the lock of a worker that dies; nobody frees a master's, or that
 * of one who was stopped: the maintenance, which is there, does not get it.
 */

static ngx_uint_t
ngx_http_registry_health_zone(ngx_http_registry_main_conf_t *rmcf)
{
    ngx_uint_t                  i;
    uint64_t                    seen;
    ngx_http_registry_root_t  **root;

#if (NGX_HAVE_ATOMIC_OPS)

    ngx_pid_t                   pid;
    ngx_slab_pool_t            *pool;

    pool = (ngx_slab_pool_t *) rmcf->zone->shm.addr;
    pid = (ngx_pid_t) *pool->mutex.lock;

    if (pid != 0 && !ngx_http_registry_alive(pid)) {
        return 0;
    }

#endif

    seen = 0;
    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {
        if (root[i]->place) {
            seen = ngx_max(seen, root[i]->place->beat);
        }
    }

    return seen <= ngx_http_registry_stats->zone_free
                   + NGX_HTTP_REGISTRY_HEALTH_LOCK;
}


static ngx_uint_t
ngx_http_registry_health_threads(void)
{
    ngx_uint_t                 i;
    ngx_atomic_uint_t          now, moved;
    ngx_http_registry_slot_t  *slot;

    now = ngx_http_registry_stats_now() / 1000000;

    for (i = 0; i < NGX_HTTP_REGISTRY_SLOTS; i++) {
        slot = &ngx_http_registry_stats->slots[i];
        moved = slot->moved;

        if (slot->gauges[NGX_HTTP_REGISTRY_GAUGE_WAITING] != 0
            && now > moved + NGX_HTTP_REGISTRY_HEALTH_TASKS
            && ngx_http_registry_alive((ngx_pid_t) slot->pid))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_http_registry_health_store(ngx_http_request_t *r,
    ngx_http_registry_root_t *root, reg_buf_t *b)
{
    ngx_uint_t                        ok, space;
    uint64_t                          now, beat, due;
    ngx_http_registry_place_t        *place;
    ngx_http_registry_status_conf_t  *conf;

    place = root->place;

    if (place == NULL) {

        /* more stores than there are places for figures */

        return 1;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_registry_status_module);

    beat = place->beat;
    due = place->due;
    due = ngx_max(due, beat);
    now = ngx_http_registry_stats_now() / 1000000;

    ok = ngx_http_registry_health_say(b, "maintenance",
             beat != 0 && now < due + NGX_HTTP_REGISTRY_HEALTH_LATE,
             "nginx's cache manager has not been at the store lately");

    if (beat == 0) {
        return 0;
    }

    ok &= ngx_http_registry_health_say(b, "writable", place->writable,
              "the worker user cannot write to the store");

    space = place->looked && place->free >= (uint64_t) conf->min_free
            && (place->inodes == 0 || place->inodes_free != 0);

    ok &= ngx_http_registry_health_say(b, "space", space,
              "too few bytes or inodes are free");

    reg_buf_printf(b, ",\"free\":%llu,\"size\":%llu",
                   (unsigned long long) place->free,
                   (unsigned long long) place->size);

    return ok;
}


/* ,"check":"ok", or what is wrong: literals, escaped where they need it. */

static ngx_uint_t
ngx_http_registry_health_say(reg_buf_t *b, const char *check, ngx_uint_t ok,
    const char *wrong)
{
    reg_buf_printf(b, ",\"%s\":\"%s\"", check, ok ? "ok" : wrong);

    return ok ? 1 : 0;
}
