
#include "ngx_http_registry_stats.h"


/* A request that is in flight; its pool's cleanup ends it. */
typedef struct {
    ngx_http_registry_handler_e  handler;
} ngx_http_registry_flight_t;


static ngx_int_t ngx_http_registry_stats_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_http_registry_place_t *ngx_http_registry_stats_place(
    ngx_http_registry_stats_t *stats, ngx_str_t *name);
static void ngx_http_registry_stats_moved(ngx_http_registry_slot_t *slot,
    uint64_t now);
static ngx_int_t ngx_http_registry_stats_begin(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_stats_end(ngx_http_request_t *r);
static void ngx_http_registry_stats_landed(void *data);
static ngx_http_registry_flight_t *ngx_http_registry_stats_flight(
    ngx_http_request_t *r);
static ngx_http_registry_handler_e ngx_http_registry_stats_handler(
    ngx_http_request_t *r);
static ngx_http_registry_method_e ngx_http_registry_stats_method(
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_registry_stats_code(ngx_http_request_t *r);


const uint64_t  ngx_http_registry_times[13] = {
    5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
    5000000, 10000000, 25000000, 60000000
};

const uint64_t  ngx_http_registry_short_times[15] = {
    100, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
    1000000, 2500000, 5000000, 10000000
};

/* every second one of distribution's */
const uint64_t  ngx_http_registry_sizes[12] = {
    1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
    268435456, 1073741824, 4294967296u
};

const uint16_t  ngx_http_registry_codes[NGX_HTTP_REGISTRY_CODES] = {
    200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403,
    404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422,
    429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 0
};


ngx_http_registry_stats_t  *ngx_http_registry_stats;
ngx_http_registry_slot_t   *ngx_http_registry_slot;
time_t                      ngx_http_registry_stats_loaded;

/* where a process counts that found no slot: nobody looks there */
static ngx_http_registry_slot_t  ngx_http_registry_no_slot;

static ngx_str_t  ngx_http_registry_stats_name =
    ngx_string("http_registry_stats");


ngx_int_t
ngx_http_registry_stats_create(ngx_conf_t *cf,
    ngx_http_registry_main_conf_t *rmcf)
{
    size_t                      size;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    /* the slab pool keeps pages, and takes some of them for itself */

    size = ngx_align(sizeof(ngx_http_registry_stats_t), ngx_pagesize)
           + 8 * ngx_pagesize;

    rmcf->stats = ngx_shared_memory_add(cf, &ngx_http_registry_stats_name,
                                        size, &ngx_http_registry_module);
    if (rmcf->stats == NULL) {
        return NGX_ERROR;
    }

    rmcf->stats->init = ngx_http_registry_stats_zone;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_registry_stats_begin;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_registry_stats_end;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_stats_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_slab_pool_t            *pool;
    ngx_http_registry_stats_t  *stats;

    pool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data || shm_zone->shm.exists) {
        shm_zone->data = data ? data : pool->data;
        return NGX_OK;
    }

    stats = ngx_slab_calloc(pool, sizeof(ngx_http_registry_stats_t));
    if (stats == NULL) {
        return NGX_ERROR;
    }

    stats->started = ngx_time();

    pool->data = stats;
    shm_zone->data = stats;

    return NGX_OK;
}


void
ngx_http_registry_stats_init(ngx_http_registry_main_conf_t *rmcf)
{
    ngx_uint_t                  i;
    ngx_http_registry_root_t  **root;

    ngx_http_registry_slot = &ngx_http_registry_no_slot;
    ngx_http_registry_stats = NULL;

    if (rmcf == NULL || rmcf->stats == NULL) {
        return;
    }

    ngx_http_registry_stats = rmcf->stats->data;
    ngx_http_registry_stats_loaded = ngx_time();

    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {
        root[i]->place = ngx_http_registry_stats_place(
                             ngx_http_registry_stats, &root[i]->root);

        if (root[i]->place) {
            root[i]->place->readonly = root[i]->readonly;
        }
    }
}


/* Only a master looks for places, so nobody else takes one meanwhile. */

static ngx_http_registry_place_t *
ngx_http_registry_stats_place(ngx_http_registry_stats_t *stats,
    ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_registry_place_t  *place;

    if (name->len == 0 || name->len >= NGX_HTTP_REGISTRY_PLACE) {
        return NULL;
    }

    for (i = 0; i < NGX_HTTP_REGISTRY_PLACES; i++) {
        place = &stats->places[i];

        if (place->root[0] == '\0') {
            ngx_memcpy(place->root, name->data, name->len);
            return place;
        }

        if (ngx_strcmp(place->root, name->data) == 0) {
            return place;
        }
    }

    return NULL;
}


void
ngx_http_registry_stats_enter(void)
{
    ngx_uint_t                  i;
    ngx_atomic_uint_t           pid;
    ngx_http_registry_slot_t   *slot;

    ngx_http_registry_slot = &ngx_http_registry_no_slot;

    if (ngx_http_registry_stats == NULL) {
        return;
    }

    for (i = 0; i < NGX_HTTP_REGISTRY_SLOTS; i++) {
        slot = &ngx_http_registry_stats->slots[i];
        pid = slot->pid;

        if (ngx_http_registry_alive((ngx_pid_t) pid)
            || !ngx_atomic_cmp_set(&slot->pid, pid, ngx_pid))
        {
            continue;
        }

        ngx_memzero((void *) slot->in_flight, sizeof(slot->in_flight));
        ngx_memzero((void *) slot->gauges, sizeof(slot->gauges));

        ngx_http_registry_slot = slot;
        return;
    }
}


void
ngx_http_registry_stats_leave(void)
{
    if (ngx_http_registry_slot != NULL
        && ngx_http_registry_slot != &ngx_http_registry_no_slot)
    {
        ngx_http_registry_slot->pid = 0;
        ngx_http_registry_slot = &ngx_http_registry_no_slot;
    }
}


ngx_uint_t
ngx_http_registry_alive(ngx_pid_t pid)
{
    /* another user's process says EPERM */

    return pid != 0
           && (pid == ngx_pid || kill(pid, 0) == 0 || ngx_errno != NGX_ESRCH);
}


uint64_t
ngx_http_registry_stats_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


void
ngx_http_registry_stats_time(ngx_http_registry_histogram_t *h,
    const uint64_t *bounds, ngx_uint_t n, uint64_t value)
{
    ngx_uint_t  i;

    for (i = 0; i < n && value > bounds[i]; i++) {
        /* void */
    }

    (void) ngx_atomic_fetch_add(&h->n[i], 1);
    ngx_http_registry_large_add(&h->sum, value);
}


void
ngx_http_registry_stats_gauge(ngx_http_registry_gauge_e gauge, ngx_int_t n)
{
    if (ngx_http_registry_stats) {
        (void) ngx_atomic_fetch_add(&ngx_http_registry_slot->gauges[gauge],
                                    n);
    }
}


/* Threads do so at once, and the last to come has the newest time. */

static void
ngx_http_registry_stats_moved(ngx_http_registry_slot_t *slot, uint64_t now)
{
    __atomic_store_n(&slot->moved, now / 1000000, __ATOMIC_RELAXED);
}


uint64_t
ngx_http_registry_stats_post(void)
{
    uint64_t                   now;
    ngx_http_registry_slot_t  *slot;

    now = ngx_http_registry_stats_now();

    if (ngx_http_registry_stats) {
        slot = ngx_http_registry_slot;

        if (__atomic_load_n(&slot->gauges[NGX_HTTP_REGISTRY_GAUGE_WAITING],
                            __ATOMIC_RELAXED) == 0)
        {
            ngx_http_registry_stats_moved(slot, now);
        }

        ngx_http_registry_stats_gauge(NGX_HTTP_REGISTRY_GAUGE_WAITING, 1);
    }

    return now;
}


uint64_t
ngx_http_registry_stats_run(uint64_t posted)
{
    uint64_t  now;

    now = ngx_http_registry_stats_now();

    ngx_http_registry_stats_gauge(NGX_HTTP_REGISTRY_GAUGE_WAITING, -1);
    ngx_http_registry_stats_gauge(NGX_HTTP_REGISTRY_GAUGE_RUNNING, 1);

    if (ngx_http_registry_stats) {
        ngx_http_registry_stats_moved(ngx_http_registry_slot, now);
        ngx_http_registry_stats_time(&ngx_http_registry_stats->wait,
                                     ngx_http_registry_short_times, 15,
                                     now - posted);
    }

    return now;
}


uint64_t
ngx_http_registry_stats_ran(void)
{
    ngx_http_registry_stats_gauge(NGX_HTTP_REGISTRY_GAUGE_RUNNING, -1);

    return ngx_http_registry_stats_now();
}


void
ngx_http_registry_stats_refused(void)
{
    ngx_http_registry_stats_gauge(NGX_HTTP_REGISTRY_GAUGE_WAITING, -1);

    if (ngx_http_registry_stats) {
        (void) ngx_atomic_fetch_add(&ngx_http_registry_stats->refused, 1);
    }
}


void
ngx_http_registry_stats_login(ngx_http_registry_result_e result)
{
    if (ngx_http_registry_stats) {
        (void) ngx_atomic_fetch_add(&ngx_http_registry_stats->logins[result],
                                    1);
    }
}


void
ngx_http_registry_stats_hash(uint64_t began)
{
    if (ngx_http_registry_stats) {
        ngx_http_registry_stats_time(&ngx_http_registry_stats->hash,
                                     ngx_http_registry_short_times, 15,
                                     ngx_http_registry_stats_now() - began);
    }
}


void
ngx_http_registry_stats_cache(ngx_uint_t hit)
{
    if (ngx_http_registry_stats) {
        (void) ngx_atomic_fetch_add(&ngx_http_registry_stats->cache_asked, 1);
        (void) ngx_atomic_fetch_add(&ngx_http_registry_stats->cache_hits,
                                    hit);
    }
}


void
ngx_http_registry_stats_bearer(ngx_http_registry_bearer_e result)
{
    if (ngx_http_registry_stats) {
        (void) ngx_atomic_fetch_add(&ngx_http_registry_stats->bearers[result],
                                    1);
    }
}


void
ngx_http_registry_stats_write_refused(void)
{
    if (ngx_http_registry_stats) {
        (void) ngx_atomic_fetch_add(&ngx_http_registry_stats->writes_refused,
                                    1);
    }
}


void
ngx_http_registry_stats_evicted(ngx_uint_t n)
{
    if (ngx_http_registry_stats) {
        (void) ngx_atomic_fetch_add(&ngx_http_registry_stats->evicted,
                                    (ngx_atomic_int_t) n);
    }
}


void
ngx_http_registry_stats_no_room(void)
{
    if (ngx_http_registry_stats) {
        (void) ngx_atomic_fetch_add(&ngx_http_registry_stats->no_room, 1);
    }
}


/* Before the directives that limit requests: what these refuse counts too. */

static ngx_int_t
ngx_http_registry_stats_begin(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t            *cln;
    ngx_http_registry_flight_t    *flight;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    /* once, whichever locations an internal redirect leads through */

    if (rlcf->root == NULL || r != r->main || ngx_http_registry_stats == NULL
        || ngx_http_registry_stats_flight(r))
    {
        return NGX_DECLINED;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_flight_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    flight = cln->data;
    flight->handler = ngx_http_registry_stats_handler(r);
    cln->handler = ngx_http_registry_stats_landed;

    (void) ngx_atomic_fetch_add(
               &ngx_http_registry_slot->in_flight[flight->handler], 1);

    return NGX_DECLINED;
}


static void
ngx_http_registry_stats_landed(void *data)
{
    ngx_http_registry_flight_t *flight = data;

    (void) ngx_atomic_fetch_add(
               &ngx_http_registry_slot->in_flight[flight->handler], -1);
}


static ngx_http_registry_flight_t *
ngx_http_registry_stats_flight(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_registry_stats_landed) {
            return cln->data;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_registry_stats_end(ngx_http_request_t *r)
{
    ngx_uint_t                     code;
    ngx_time_t                    *tp;
    ngx_msec_int_t                 ms;
    ngx_http_registry_stats_t     *stats;
    ngx_http_registry_method_e     method;
    ngx_http_registry_flight_t    *flight;
    ngx_http_registry_handler_e    handler;
    ngx_http_registry_loc_conf_t  *rlcf;

    stats = ngx_http_registry_stats;
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (stats == NULL || r != r->main) {
        return NGX_OK;
    }

    flight = ngx_http_registry_stats_flight(r);

    if (flight == NULL && rlcf->root == NULL) {
        return NGX_OK;
    }

    handler = flight ? flight->handler : ngx_http_registry_stats_handler(r);
    method = ngx_http_registry_stats_method(r);
    code = ngx_http_registry_stats_code(r);

    (void) ngx_atomic_fetch_add(&stats->requests[handler][method][code], 1);

    ngx_time_update();

    /* a cast without parentheses, to which no "->" may be put */

    tp = ngx_timeofday();
    ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                           + (tp->msec - r->start_msec));

    ngx_http_registry_stats_time(&stats->duration[handler][method],
                                 ngx_http_registry_times, 13,
                                 (uint64_t) ngx_max(ms, 0) * 1000);
    ngx_http_registry_stats_time(&stats->received[handler],
                                 ngx_http_registry_sizes, 12,
                                 r->request_length);
    ngx_http_registry_stats_time(&stats->sent[handler],
                                 ngx_http_registry_sizes, 12,
                                 r->connection->sent);

    return NGX_OK;
}


static ngx_http_registry_handler_e
ngx_http_registry_stats_handler(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_registry_get_ctx(r);

    switch (ctx ? ctx->op.op : REG_OP_N) {

    case REG_OP_BASE:
        return NGX_HTTP_REGISTRY_HANDLER_BASE;

    case REG_OP_PREFLIGHT:
        return NGX_HTTP_REGISTRY_HANDLER_PREFLIGHT;

    case REG_OP_CATALOG:
        return NGX_HTTP_REGISTRY_HANDLER_CATALOG;

    case REG_OP_TAGS:
        return NGX_HTTP_REGISTRY_HANDLER_TAGS;

    case REG_OP_REFERRERS:
        return NGX_HTTP_REGISTRY_HANDLER_REFERRERS;

    case REG_OP_BLOB_READ:
    case REG_OP_BLOB_DELETE:
        return NGX_HTTP_REGISTRY_HANDLER_BLOB;

    case REG_OP_MANIFEST_READ:
    case REG_OP_MANIFEST_WRITE:
    case REG_OP_MANIFEST_DELETE:
        return NGX_HTTP_REGISTRY_HANDLER_MANIFEST;

    case REG_OP_UPLOAD_START:
        return NGX_HTTP_REGISTRY_HANDLER_BLOB_UPLOAD;

    case REG_OP_UPLOAD_STATUS:
    case REG_OP_UPLOAD_APPEND:
    case REG_OP_UPLOAD_FINISH:
    case REG_OP_UPLOAD_CANCEL:
        return NGX_HTTP_REGISTRY_HANDLER_BLOB_CHUNK;

    case REG_OP_REPO_DELETE:
        return NGX_HTTP_REGISTRY_HANDLER_REPOSITORY;

    case REG_OP_TOKEN:
        return NGX_HTTP_REGISTRY_HANDLER_TOKEN;

    case REG_OP_N:
        break;
    }

    return NGX_HTTP_REGISTRY_HANDLER_OTHER;
}


static ngx_http_registry_method_e
ngx_http_registry_stats_method(ngx_http_request_t *r)
{
    switch (r->method) {

    case NGX_HTTP_GET:
        return NGX_HTTP_REGISTRY_METHOD_GET;

    case NGX_HTTP_HEAD:
        return NGX_HTTP_REGISTRY_METHOD_HEAD;

    case NGX_HTTP_POST:
        return NGX_HTTP_REGISTRY_METHOD_POST;

    case NGX_HTTP_PUT:
        return NGX_HTTP_REGISTRY_METHOD_PUT;

    case NGX_HTTP_PATCH:
        return NGX_HTTP_REGISTRY_METHOD_PATCH;

    case NGX_HTTP_DELETE:
        return NGX_HTTP_REGISTRY_METHOD_DELETE;

    case NGX_HTTP_OPTIONS:
        return NGX_HTTP_REGISTRY_METHOD_OPTIONS;

    default:
        return NGX_HTTP_REGISTRY_METHOD_OTHER;
    }
}


static ngx_uint_t
ngx_http_registry_stats_code(ngx_http_request_t *r)
{
    return ngx_http_registry_stats_status(r->err_status
                                          ? r->err_status
                                          : r->headers_out.status);
}


ngx_uint_t
ngx_http_registry_stats_status(ngx_uint_t status)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_REGISTRY_CODES - 1; i++) {
        if (ngx_http_registry_codes[i] == status) {
            break;
        }
    }

    return i;
}
