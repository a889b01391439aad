
#include "ngx_http_registry_gc.h"
#include "ngx_http_registry_sessions.h"

#include "reg_gc.h"
#include "reg_purge.h"


#define NGX_HTTP_REGISTRY_GC_INTERVAL   (6 * 3600)
#define NGX_HTTP_REGISTRY_GC_RATE       (16 * 1024 * 1024)
#define NGX_HTTP_REGISTRY_GC_IOPS       2000

#define NGX_HTTP_REGISTRY_UPLOAD_IDLE   (7 * 86400)

/* seconds between two purges; sooner where sessions are given less */
#define NGX_HTTP_REGISTRY_PURGE         3600

/* damaged manifests that are named in the log, at each collection */
#define NGX_HTTP_REGISTRY_GC_TOLD       10


typedef struct {
    reg_gc_how_t                how;
    reg_gc_t                   *gc;
    ngx_http_registry_root_t   *root;
    ngx_uint_t                  told;
} ngx_http_registry_gc_t;


typedef struct {
    reg_purge_how_t             how;
    reg_purge_t                 purge;
} ngx_http_registry_purge_t;


static char *ngx_http_registry_gc_param(ngx_conf_t *cf,
    ngx_http_registry_gc_conf_t *gc, ngx_str_t *value);
static ngx_int_t ngx_http_registry_gc_window(ngx_http_registry_gc_conf_t *gc,
    ngx_str_t *s);
static ngx_int_t ngx_http_registry_gc_minute(u_char *p);
static time_t ngx_http_registry_gc_interval(ngx_http_registry_root_t *root);
static ngx_uint_t ngx_http_registry_gc_allowed(
    ngx_http_registry_root_t *root);
static reg_rc_t ngx_http_registry_gc_begin(ngx_http_registry_root_t *root,
    reg_store_t *store, void **work, reg_error_t *e);
static void ngx_http_registry_gc_tell(void *data, reg_gc_what_e what,
    const char *path, uint64_t size);
static reg_rc_t ngx_http_registry_gc_step(void *work, ngx_uint_t *done,
    reg_error_t *e);
static ngx_msec_t ngx_http_registry_gc_pace(ngx_http_registry_root_t *root,
    void *work);
static void ngx_http_registry_gc_end(ngx_http_registry_root_t *root,
    void *work, ngx_uint_t done, ngx_msec_t took);
static time_t ngx_http_registry_purge_interval(
    ngx_http_registry_root_t *root);
static time_t ngx_http_registry_purge_idle(ngx_http_registry_root_t *root);
static reg_rc_t ngx_http_registry_purge_begin(ngx_http_registry_root_t *root,
    reg_store_t *store, void **work, reg_error_t *e);
static void ngx_http_registry_purge_gone(void *data, const char *path,
    uint64_t size, int64_t idle);
static reg_rc_t ngx_http_registry_purge_step(void *work, ngx_uint_t *done,
    reg_error_t *e);
static ngx_msec_t ngx_http_registry_purge_pace(
    ngx_http_registry_root_t *root, void *work);
static void ngx_http_registry_purge_end(ngx_http_registry_root_t *root,
    void *work, ngx_uint_t done, ngx_msec_t took);


const ngx_http_registry_job_t  ngx_http_registry_gc_job = {
    "collect garbage",
    REG_GC_LOCK,
    ngx_http_registry_gc_interval,
    ngx_http_registry_gc_allowed,
    ngx_http_registry_gc_begin,
    ngx_http_registry_gc_step,
    ngx_http_registry_gc_pace,
    ngx_http_registry_gc_end,
    NGX_HTTP_REGISTRY_WORK_GC
};


const ngx_http_registry_job_t  ngx_http_registry_purge_job = {
    "purge uploads",
    REG_PURGE_LOCK,
    ngx_http_registry_purge_interval,
    NULL,
    ngx_http_registry_purge_begin,
    ngx_http_registry_purge_step,
    ngx_http_registry_purge_pace,
    ngx_http_registry_purge_end,
    NGX_HTTP_REGISTRY_WORK_PURGE
};


char *
ngx_http_registry_gc(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_loc_conf_t *rlcf = conf;

    char                         *rc;
    ngx_str_t                    *value;
    ngx_uint_t                    i;
    ngx_http_registry_gc_conf_t  *gc;

    if (rlcf->gc != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    gc = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_gc_conf_t));
    if (gc == NULL) {
        return NGX_CONF_ERROR;
    }

    gc->interval = NGX_HTTP_REGISTRY_GC_INTERVAL;
    gc->grace = REG_GC_GRACE;
    gc->untagged = -1;
    gc->rate = NGX_HTTP_REGISTRY_GC_RATE;
    gc->iops = NGX_HTTP_REGISTRY_GC_IOPS;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "on") == 0) {
        gc->enable = 1;

    } else if (ngx_strcmp(value[1].data, "off") != 0
               || cf->args->nelts > 2)
    {
        return "needs \"on\", and what follows it, or \"off\"";
    }

    for (i = 2; i < cf->args->nelts; i++) {
        rc = ngx_http_registry_gc_param(cf, gc, &value[i]);

        if (rc != NGX_CONF_OK) {
            return rc;
        }
    }

    rlcf->gc = gc;

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_gc_param(ngx_conf_t *cf, ngx_http_registry_gc_conf_t *gc,
    ngx_str_t *value)
{
    ngx_int_t  n;
    ngx_str_t  s;

    s = *value;

    if (ngx_strncmp(s.data, "interval=", 9) == 0) {
        s.data += 9;
        s.len -= 9;
        gc->interval = ngx_parse_time(&s, 1);

        if (gc->interval > 0) {
            return NGX_CONF_OK;
        }

    } else if (ngx_strncmp(s.data, "grace=", 6) == 0) {
        s.data += 6;
        s.len -= 6;
        gc->grace = ngx_parse_time(&s, 1);

        if (gc->grace != (time_t) NGX_ERROR
            && gc->grace >= REG_GC_GRACE_MIN)
        {
            return NGX_CONF_OK;
        }

    } else if (ngx_strncmp(s.data, "untagged=", 9) == 0) {
        s.data += 9;
        s.len -= 9;
        gc->untagged = ngx_parse_time(&s, 1);

        if (gc->untagged != (time_t) NGX_ERROR
            && gc->untagged >= REG_GC_GRACE_MIN)
        {
            return NGX_CONF_OK;
        }

    } else if (ngx_strcmp(s.data, "empty") == 0) {
        gc->empty = 1;
        return NGX_CONF_OK;

    } else if (ngx_strncmp(s.data, "rate=", 5) == 0) {
        s.data += 5;
        s.len -= 5;
        gc->rate = ngx_parse_offset(&s);

        if (gc->rate != (off_t) NGX_ERROR) {
            return NGX_CONF_OK;
        }

    } else if (ngx_strncmp(s.data, "iops=", 5) == 0) {
        n = ngx_atoi(s.data + 5, s.len - 5);

        if (n != NGX_ERROR) {
            gc->iops = n;
            return NGX_CONF_OK;
        }

    } else if (ngx_strncmp(s.data, "window=", 7) == 0) {
        s.data += 7;
        s.len -= 7;

        if (ngx_http_registry_gc_window(gc, &s) == NGX_OK) {
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"registry_gc\" does not understand \"%V\", it knows "
                       "interval=6h, grace=1h (2s at least), "
                       "untagged=30d, empty, window=01:00-05:00, rate=16m "
                       "and iops=2000", value);

    return NGX_CONF_ERROR;
}


/* "01:00-05:00" */

static ngx_int_t
ngx_http_registry_gc_window(ngx_http_registry_gc_conf_t *gc, ngx_str_t *s)
{
    if (s->len != 11 || s->data[5] != '-') {
        return NGX_ERROR;
    }

    gc->from = ngx_http_registry_gc_minute(s->data);
    gc->to = ngx_http_registry_gc_minute(s->data + 6);

    return (gc->from == NGX_ERROR || gc->to == NGX_ERROR) ? NGX_ERROR
                                                          : NGX_OK;
}


static ngx_int_t
ngx_http_registry_gc_minute(u_char *p)
{
    ngx_int_t  hour, minute;

    hour = ngx_atoi(p, 2);
    minute = ngx_atoi(p + 3, 2);

    if (hour == NGX_ERROR || minute == NGX_ERROR || p[2] != ':'
        || hour > 24 || minute > 59 || hour * 60 + minute > 24 * 60)
    {
        return NGX_ERROR;
    }

    return hour * 60 + minute;
}


ngx_int_t
ngx_http_registry_gc_merge(ngx_conf_t *cf, ngx_http_registry_loc_conf_t *conf)
{
    ngx_http_registry_root_t  *root;

    root = conf->root;

    if (conf->gc) {

        if (root->gc
            && ngx_memcmp(root->gc, conf->gc,
                          sizeof(ngx_http_registry_gc_conf_t))
               != 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"registry_gc\" says one thing and another of "
                               "\"%V\", which several locations name",
                               &root->root);
            return NGX_ERROR;
        }

        root->gc = conf->gc;
    }

    if (conf->upload_idle != NGX_CONF_UNSET) {

        if (root->upload_idle != NGX_CONF_UNSET
            && root->upload_idle != conf->upload_idle)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"registry_upload_idle_time\" says one thing "
                               "and another of \"%V\", which several "
                               "locations name", &root->root);
            return NGX_ERROR;
        }

        root->upload_idle = conf->upload_idle;
    }

    return NGX_OK;
}


int64_t
ngx_http_registry_gc_lease(ngx_http_registry_root_t *root)
{
    int64_t  grace;

    grace = (root->gc && root->gc->enable) ? root->gc->grace : REG_GC_GRACE;

    /* somebody may collect by hand, who gives no more than that */

    grace = ngx_min(grace, REG_GC_GRACE);

    return grace * REG_TIME_SECOND / 2;
}


static time_t
ngx_http_registry_gc_interval(ngx_http_registry_root_t *root)
{
    return (root->gc && root->gc->enable) ? root->gc->interval : 0;
}


static ngx_uint_t
ngx_http_registry_gc_allowed(ngx_http_registry_root_t *root)
{
    ngx_tm_t   tm;
    ngx_int_t  now, from, to;

    from = root->gc->from;
    to = root->gc->to;

    if (from == to) {
        return 1;
    }

    ngx_localtime(ngx_time(), &tm);
    now = tm.ngx_tm_hour * 60 + tm.ngx_tm_min;

    return (from < to) ? (now >= from && now < to)
                       : (now >= from || now < to);
}


static reg_rc_t
ngx_http_registry_gc_begin(ngx_http_registry_root_t *root,
    reg_store_t *store, void **work, reg_error_t *e)
{
    reg_rc_t                 rc;
    ngx_http_registry_gc_t  *gc;

    gc = ngx_calloc(sizeof(ngx_http_registry_gc_t), ngx_cycle->log);
    if (gc == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    gc->root = root;
    gc->how.grace = root->gc->grace;
    gc->how.untagged = root->gc->untagged;
    gc->how.empty = (root->gc->empty != 0);
    gc->how.tell = ngx_http_registry_gc_tell;
    gc->how.data = gc;

    rc = reg_gc_begin(&gc->gc, store, &gc->how, e);

    if (rc != REG_OK) {
        ngx_free(gc);
        return rc;
    }

    *work = gc;

    return REG_OK;
}


static void
ngx_http_registry_gc_tell(void *data, reg_gc_what_e what, const char *path,
    uint64_t size)
{
    ngx_http_registry_gc_t *gc = data;

    if (what != REG_GC_DAMAGED) {
        return;
    }

    if (gc->told++ < NGX_HTTP_REGISTRY_GC_TOLD) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "the manifest of \"%V/%s\" cannot be understood, "
                      "nothing of its repository is collected; push it again, "
                      "or delete it",
                      &gc->root->root, path);
    }
}


static reg_rc_t
ngx_http_registry_gc_step(void *work, ngx_uint_t *done, reg_error_t *e)
{
    ngx_http_registry_gc_t *gc = work;

    reg_rc_t  rc;

    rc = reg_gc_step(gc->gc, e);

    *done = reg_gc_done(gc->gc);

    return rc;
}


/* How long all that was done so far may take, in ms. */

static ngx_msec_t
ngx_http_registry_gc_pace(ngx_http_registry_root_t *root, void *work)
{
    ngx_http_registry_gc_t *gc = work;

    ngx_msec_t              calls, bytes;
    const reg_gc_counts_t  *n;

    n = reg_gc_counts(gc->gc);

    calls = root->gc->iops ? n->calls * 1000 / root->gc->iops : 0;
    bytes = root->gc->rate ? n->read * 1000 / root->gc->rate : 0;

    return ngx_max(calls, bytes);
}


static void
ngx_http_registry_gc_end(ngx_http_registry_root_t *root, void *work,
    ngx_uint_t done, ngx_msec_t took)
{
    ngx_http_registry_gc_t *gc = work;

    reg_done_t              d;
    ngx_uint_t              level;
    const reg_gc_counts_t  *n;

    n = reg_gc_counts(gc->gc);

    level = (n->blobs_gone || n->links_gone || n->untagged_gone
             || n->empty_gone || n->damaged) ? NGX_LOG_NOTICE
                                                           : NGX_LOG_INFO;
    if (done) {
        ngx_log_error(level, ngx_cycle->log, 0,
                      "collected garbage of \"%V\": %uL of %uL blobs, %uL "
                      "bytes, %uL of %uL links, %uL manifests, %uL "
                      "repositories; of %uL repositories %uL were left alone; "
                      "%M ms, locked %uL times for %uL us at most",
                      &root->root, n->blobs_gone, n->blobs, n->bytes_gone,
                      n->links_gone, n->links, n->untagged_gone,
                      n->empty_gone, n->repositories, n->kept, took,
                      n->locked, n->longest);

        ngx_memzero(&d, sizeof(reg_done_t));

        d.took = took;
        d.problems = n->damaged;

        ngx_http_registry_stats_done(root, NGX_HTTP_REGISTRY_WORK_GC, &d,
                                     n->blobs_gone + n->links_gone
                                     + n->untagged_gone, n->bytes_gone);
        ngx_http_registry_stats_locked(root, n->longest);
    }

    reg_gc_end(gc->gc);
    ngx_free(gc);
}


static time_t
ngx_http_registry_purge_idle(ngx_http_registry_root_t *root)
{
    return (root->upload_idle == NGX_CONF_UNSET)
           ? NGX_HTTP_REGISTRY_UPLOAD_IDLE : root->upload_idle;
}


/* Without sessions to be purged there still are temporaries. */

static time_t
ngx_http_registry_purge_interval(ngx_http_registry_root_t *root)
{
    time_t  idle;

    idle = ngx_http_registry_purge_idle(root);

    if (idle == 0 || idle / 4 > NGX_HTTP_REGISTRY_PURGE) {
        return NGX_HTTP_REGISTRY_PURGE;
    }

    return ngx_max(idle / 4, 1);
}


static reg_rc_t
ngx_http_registry_purge_begin(ngx_http_registry_root_t *root,
    reg_store_t *store, void **work, reg_error_t *e)
{
    time_t                      idle;
    reg_rc_t                    rc;
    ngx_http_registry_purge_t  *purge;

    purge = ngx_calloc(sizeof(ngx_http_registry_purge_t), ngx_cycle->log);
    if (purge == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    idle = ngx_http_registry_purge_idle(root);
    purge->how.idle = (idle == 0) ? -1 : idle;
    purge->how.gone = ngx_http_registry_purge_gone;
    purge->how.data = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                                     ngx_http_registry_module);

    rc = reg_purge_begin(&purge->purge, store, &purge->how, e);

    if (rc != REG_OK) {
        reg_purge_end(&purge->purge);
        ngx_free(purge);
        return rc;
    }

    *work = purge;

    return REG_OK;
}


/* A session is counted under its name, the last part of its path. */

static void
ngx_http_registry_purge_gone(void *data, const char *path, uint64_t size,
    int64_t idle)
{
    const char  *id;

    id = strrchr(path, '/') + 1;

    if (ngx_strlen(id) == REG_UUID_LEN) {
        ngx_http_registry_sessions_end(data, id);
    }
}


static reg_rc_t
ngx_http_registry_purge_step(void *work, ngx_uint_t *done, reg_error_t *e)
{
    ngx_http_registry_purge_t *purge = work;

    reg_rc_t  rc;

    rc = reg_purge_step(&purge->purge, e);

    *done = purge->purge.done;

    return rc;
}


static ngx_msec_t
ngx_http_registry_purge_pace(ngx_http_registry_root_t *root, void *work)
{
    ngx_http_registry_purge_t *purge = work;

    return purge->purge.counts.calls * 1000 / NGX_HTTP_REGISTRY_GC_IOPS;
}


static void
ngx_http_registry_purge_end(ngx_http_registry_root_t *root, void *work,
    ngx_uint_t done, ngx_msec_t took)
{
    ngx_http_registry_purge_t *purge = work;

    reg_done_t           d;
    reg_purge_counts_t  *n;

    n = &purge->purge.counts;

    if (n->purged) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "purged uploads of \"%V\": %uL of %uL, %uL bytes, %M ms",
                      &root->root, n->purged, n->sessions, n->bytes, took);
    }

    if (done) {
        ngx_memzero(&d, sizeof(reg_done_t));

        d.took = took;

        ngx_http_registry_stats_done(root, NGX_HTTP_REGISTRY_WORK_PURGE, &d,
                                     n->purged, n->bytes);
    }

    reg_purge_end(&purge->purge);
    ngx_free(purge);
}
