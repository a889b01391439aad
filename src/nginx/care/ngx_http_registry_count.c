
#include "ngx_http_registry_count.h"

#include "reg_count.h"


/* seconds between two counts: a hundred times what one takes, within these */
#define NGX_HTTP_REGISTRY_COUNT_MIN   60
#define NGX_HTTP_REGISTRY_COUNT_MAX   (6 * 3600)

/* calls a second */
#define NGX_HTTP_REGISTRY_COUNT_IOPS  2000


static time_t ngx_http_registry_count_interval(
    ngx_http_registry_root_t *root);
static reg_rc_t ngx_http_registry_count_begin(ngx_http_registry_root_t *root,
    reg_store_t *store, void **work, reg_error_t *e);
static reg_rc_t ngx_http_registry_count_step(void *work, ngx_uint_t *done,
    reg_error_t *e);
static ngx_msec_t ngx_http_registry_count_pace(
    ngx_http_registry_root_t *root, void *work);
static void ngx_http_registry_count_end(ngx_http_registry_root_t *root,
    void *work, ngx_uint_t done, ngx_msec_t took);


const ngx_http_registry_job_t  ngx_http_registry_count_job = {
    "count what is there",
    REG_COUNT_LOCK,
    ngx_http_registry_count_interval,
    NULL,
    ngx_http_registry_count_begin,
    ngx_http_registry_count_step,
    ngx_http_registry_count_pace,
    ngx_http_registry_count_end,
    NGX_HTTP_REGISTRY_WORK_COUNT
};


/* After a collection that freed something the figures are not true any more. */

static time_t
ngx_http_registry_count_interval(ngx_http_registry_root_t *root)
{
    uint64_t                    seconds;
    ngx_http_registry_place_t  *place;

    place = root->place;

    if (place == NULL) {
        return 0;
    }

    if (place->stale) {
        return 1;
    }

    seconds = place->work[NGX_HTTP_REGISTRY_WORK_COUNT].took / 10;

    return (time_t) ngx_min(ngx_max(seconds, NGX_HTTP_REGISTRY_COUNT_MIN),
                            NGX_HTTP_REGISTRY_COUNT_MAX);
}


static reg_rc_t
ngx_http_registry_count_begin(ngx_http_registry_root_t *root,
    reg_store_t *store, void **work, reg_error_t *e)
{
    reg_rc_t      rc;
    reg_count_t  *count;

    count = ngx_alloc(sizeof(reg_count_t), ngx_cycle->log);
    if (count == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    rc = reg_count_begin(count, store, e);

    if (rc != REG_OK) {
        reg_count_end(count);
        ngx_free(count);
        return rc;
    }

    root->place->stale = 0;
    *work = count;

    return REG_OK;
}


static reg_rc_t
ngx_http_registry_count_step(void *work, ngx_uint_t *done, reg_error_t *e)
{
    reg_count_t *count = work;

    reg_rc_t  rc;

    rc = reg_count_step(count, e);

    *done = count->done;

    return rc;
}


static ngx_msec_t
ngx_http_registry_count_pace(ngx_http_registry_root_t *root, void *work)
{
    reg_count_t *count = work;

    return count->calls * 1000 / NGX_HTTP_REGISTRY_COUNT_IOPS;
}


static void
ngx_http_registry_count_end(ngx_http_registry_root_t *root, void *work,
    ngx_uint_t done, ngx_msec_t took)
{
    reg_count_t *count = work;

    reg_done_t  d;

    if (done) {
        ngx_memzero(&d, sizeof(reg_done_t));

        d.took = took;
        d.blobs = count->blobs;
        d.bytes = count->bytes;
        d.repositories = count->repositories;

        ngx_http_registry_stats_done(root, NGX_HTTP_REGISTRY_WORK_COUNT, &d,
                                     0, 0);
    }

    reg_count_end(count);
    ngx_free(count);
}
