
#include "ngx_http_registry_scrub.h"
#include "ngx_http_registry_log.h"
#include "ngx_http_registry_zone.h"
#include "ngx_http_registry_stats.h"

#include "reg_scrub.h"
#include "reg_time.h"


#define NGX_HTTP_REGISTRY_SCRUB_PLACE     "scrub"

/* of one slice, and until the next when there is more to do at once, in ms */
#define NGX_HTTP_REGISTRY_SCRUB_SLICE     20
#define NGX_HTTP_REGISTRY_SCRUB_PAUSE     10

/* the place is kept, and what others found is looked for, so often */
#define NGX_HTTP_REGISTRY_SCRUB_SAVE      5000
#define NGX_HTTP_REGISTRY_SCRUB_LOOK      5000

/* another process has the place, as during a reload */
#define NGX_HTTP_REGISTRY_SCRUB_BUSY      2000
#define NGX_HTTP_REGISTRY_SCRUB_FAILED    60000

/* slower would be a pass that never ends */
#define NGX_HTTP_REGISTRY_SCRUB_MIN       (64 * 1024)

#define NGX_HTTP_REGISTRY_SCRUB_INTERVAL  (7 * 24 * 3600)


#define ngx_http_registry_scrub_left(due)                                     \
    ((ngx_msec_int_t) ((due) - ngx_current_msec))


static void ngx_http_registry_scrub_look(ngx_http_registry_root_t *root,
    reg_store_t *store);
static reg_rc_t ngx_http_registry_scrub_forget(void *data, reg_str_t name,
    int dir);
static ngx_msec_t ngx_http_registry_scrub_ready(
    ngx_http_registry_root_t *root, reg_store_t *store);
static ngx_msec_t ngx_http_registry_scrub_slice(
    ngx_http_registry_root_t *root);
static reg_rc_t ngx_http_registry_scrub_found(void *data,
    const reg_scrub_finding_t *f);
static void ngx_http_registry_scrub_log(ngx_http_registry_root_t *root,
    const reg_error_t *e);
static ngx_msec_t ngx_http_registry_scrub_clock(void);


char *
ngx_http_registry_scrub_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_loc_conf_t *rlcf = conf;

    off_t       size;
    time_t      interval;
    ngx_str_t  *value, s;

    if (rlcf->scrub_rate != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;
    rlcf->scrub_rate = 0;
    rlcf->scrub_interval = NGX_HTTP_REGISTRY_SCRUB_INTERVAL;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return (cf->args->nelts == 2) ? NGX_CONF_OK : "is off";
    }

    size = ngx_parse_offset(&value[1]);

    if (size == (off_t) NGX_ERROR || size < NGX_HTTP_REGISTRY_SCRUB_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_scrub\" needs bytes per second, at "
                           "least 64k, as in \"registry_scrub 10m;\", and not "
                           "\"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    rlcf->scrub_rate = size;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[2].data, "interval=", 9) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_scrub\" has an invalid parameter "
                           "\"%V\", it knows interval=7d", &value[2]);
        return NGX_CONF_ERROR;
    }

    s.data = value[2].data + 9;
    s.len = value[2].len - 9;

    interval = ngx_parse_time(&s, 1);

    if (interval == (time_t) NGX_ERROR || interval == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_scrub\" has an invalid interval "
                           "\"%V\", write it as interval=7d", &s);
        return NGX_CONF_ERROR;
    }

    rlcf->scrub_interval = interval;

    return NGX_CONF_OK;
}


void
ngx_http_registry_scrub_merge(ngx_http_registry_root_t *root,
    ngx_http_registry_loc_conf_t *rlcf)
{
    if (rlcf->scrub_rate == 0) {
        return;
    }

    if (root->scrub_rate == 0 || rlcf->scrub_interval < root->scrub_interval) {
        root->scrub_interval = rlcf->scrub_interval;
    }

    root->scrub_rate = ngx_max(root->scrub_rate, rlcf->scrub_rate);
}


ngx_msec_t
ngx_http_registry_scrub(ngx_http_registry_root_t *root)
{
    ngx_msec_t    wait;
    reg_store_t  *store;

    if (ngx_http_registry_scrub_left(root->scrub_look) > 0
        && (root->scrub_rate == 0
            || ngx_http_registry_scrub_left(root->scrub_due) > 0))
    {
        goto done;
    }

    store = ngx_http_registry_store(root, ngx_cycle->log);

    if (store == NULL) {
        root->scrub_look = ngx_current_msec + NGX_HTTP_REGISTRY_SCRUB_FAILED;
        root->scrub_due = root->scrub_look;
        goto done;
    }

    if (ngx_http_registry_scrub_left(root->scrub_look) <= 0) {
        root->scrub_look = ngx_current_msec + NGX_HTTP_REGISTRY_SCRUB_LOOK;
        ngx_http_registry_scrub_look(root, store);
        ngx_http_registry_stats_interval(root, NGX_HTTP_REGISTRY_WORK_SCRUB,
                                         root->scrub_rate
                                         ? root->scrub_interval : 0);
    }

    if (root->scrub_rate != 0
        && ngx_http_registry_scrub_left(root->scrub_due) <= 0)
    {
        wait = ngx_http_registry_scrub_ready(root, store);

        if (wait == 0) {
            wait = ngx_http_registry_scrub_slice(root);
        }

        root->scrub_due = ngx_current_msec + wait;
    }

done:

    wait = ngx_max(ngx_http_registry_scrub_left(root->scrub_look), 0);

    if (root->scrub_rate != 0) {
        wait = ngx_min(wait,
                       (ngx_msec_t) ngx_max(ngx_http_registry_scrub_left(
                                                root->scrub_due), 0));
    }

    return wait;
}


/*
 * Manifests that workers remember are forgotten when they were found to be
 * corrupt, by whichever process: a client that asks first has to push them.
 */

static void
ngx_http_registry_scrub_look(ngx_http_registry_root_t *root,
    reg_store_t *store)
{
    reg_rc_t    rc;
    reg_stat_t  st;
    ngx_uint_t  n;

    n = 0;
    rc = store->driver->stat(store, REG_SCRUB_CORRUPT, &st, NULL);

    if (rc == REG_OK && st.mtime == root->scrub_seen) {
        return;
    }

    if (rc == REG_OK) {
        rc = store->driver->list(store, REG_SCRUB_CORRUPT,
                                 ngx_http_registry_scrub_forget, &n, NULL);

        /* one that comes within the same tick of the clock is not missed */

        if (rc == REG_OK && ngx_time() - st.mtime / REG_TIME_SECOND > 2) {
            root->scrub_seen = st.mtime;
        }
    }

    if (rc == REG_OK || rc == REG_ABSENT) {
        ngx_http_registry_stats_corrupt(root, n);
    }
}


static reg_rc_t
ngx_http_registry_scrub_forget(void *data, reg_str_t name, int dir)
{
    ngx_uint_t *n = data;

    reg_digest_t                    d;
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_registry_module);

    if (!dir && reg_digest_parse(&d, name, NULL) == REG_OK) {
        ngx_http_registry_zone_forget(rmcf, &d);
        (*n)++;
    }

    return REG_OK;
}


/* 0 when a pass is under way, or begins now; or when to ask again. */

static ngx_msec_t
ngx_http_registry_scrub_ready(ngx_http_registry_root_t *root,
    reg_store_t *store)
{
    time_t           began, now;
    reg_rc_t         rc;
    reg_error_t      e;
    reg_scrub_how_t  how;

    if (root->scrub == NULL) {

        ngx_memzero(&how, sizeof(reg_scrub_how_t));
        reg_error_clear(&e);

        how.name = NGX_HTTP_REGISTRY_SCRUB_PLACE;
        how.data = root;
        how.found = ngx_http_registry_scrub_found;

        rc = reg_scrub_open(&root->scrub, store, &how, &e);

        if (rc != REG_OK) {
            root->scrub = NULL;

            if (rc == REG_BUSY && e.rc == REG_OK) {
                return NGX_HTTP_REGISTRY_SCRUB_BUSY;
            }

            ngx_http_registry_scrub_log(root, &e);

            return NGX_HTTP_REGISTRY_SCRUB_FAILED;
        }

        root->scrub_last = ngx_current_msec;
        root->scrub_saved = ngx_current_msec;
        root->scrub_credit = 0;
    }

    if (!reg_scrub_idle(root->scrub)) {
        return 0;
    }

    now = ngx_time();
    began = (time_t) reg_scrub_began(root->scrub);

    /* a beginning in the future was dated by a clock that was wrong */

    if (began != 0 && began <= now && now - began < root->scrub_interval) {
        return ngx_min((root->scrub_interval - (now - began)) * 1000,
                       NGX_HTTP_REGISTRY_SCRUB_FAILED);
    }

    reg_scrub_begin(root->scrub, now);

    root->scrub_last = ngx_current_msec;
    root->scrub_credit = 0;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "scrub of \"%V\" begins", &root->root);

    return 0;
}


/* Spends what has come together since the last slice, in bytes. */

static ngx_msec_t
ngx_http_registry_scrub_slice(ngx_http_registry_root_t *root)
{
    int64_t                    rate, credit;
    uint64_t                   cost;
    reg_rc_t                   rc;
    ngx_msec_t                 until;
    reg_done_t                 d;
    reg_error_t                e;
    const reg_scrub_counts_t  *c;

    rate = root->scrub_rate;

    credit = root->scrub_credit
             + rate * (int64_t) (ngx_current_msec - root->scrub_last) / 1000;
    credit = ngx_min(credit, rate);

    root->scrub_last = ngx_current_msec;

    until = ngx_http_registry_scrub_clock() + NGX_HTTP_REGISTRY_SCRUB_SLICE;
    rc = REG_OK;

    reg_error_clear(&e);

    while (rc == REG_OK && credit > 0 && !reg_scrub_idle(root->scrub)
           && (ngx_msec_int_t) (until - ngx_http_registry_scrub_clock()) > 0)
    {
        cost = 0;
        rc = reg_scrub_step(root->scrub, &cost, &e);
        credit -= (int64_t) cost;
    }

    root->scrub_credit = credit;

    if (rc == REG_OK
        && ngx_current_msec - root->scrub_saved
           >= NGX_HTTP_REGISTRY_SCRUB_SAVE)
    {
        root->scrub_saved = ngx_current_msec;
        rc = reg_scrub_save(root->scrub, &e);
    }

    if (rc != REG_OK) {
        ngx_http_registry_scrub_log(root, &e);
        return NGX_HTTP_REGISTRY_SCRUB_FAILED;
    }

    if (reg_scrub_idle(root->scrub)) {
        c = reg_scrub_counts(root->scrub);

        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "scrub of \"%V\" ended after %T s: %uL blobs, %uL bytes "
                      "read, %uL corrupt, %uL unreadable", &root->root,
                      ngx_time() - (time_t) reg_scrub_began(root->scrub),
                      c->blobs, c->bytes, c->corrupt, c->unreadable);

        ngx_memzero(&d, sizeof(reg_done_t));

        d.took = (ngx_time() - (time_t) reg_scrub_began(root->scrub)) * 1000;
        d.problems = c->corrupt + c->unreadable;

        ngx_http_registry_stats_done(root, NGX_HTTP_REGISTRY_WORK_SCRUB, &d,
                                     0, 0);

        return NGX_HTTP_REGISTRY_SCRUB_PAUSE;
    }

    if (credit > 0) {
        return NGX_HTTP_REGISTRY_SCRUB_PAUSE;
    }

    /* until there is credit for a piece again, roughly */

    return ngx_min(50 + (ngx_msec_t) (-credit * 1000 / rate),
                   NGX_HTTP_REGISTRY_SCRUB_LOOK);
}


static reg_rc_t
ngx_http_registry_scrub_found(void *data, const reg_scrub_finding_t *f)
{
    ngx_http_registry_root_t *root = data;

    ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                  "scrub found %s: \"%V/%s\" %s", reg_scrub_code(f->what),
                  &root->root, f->path, f->text);

    root->scrub_look = ngx_current_msec;

    return REG_OK;
}


static void
ngx_http_registry_scrub_log(ngx_http_registry_root_t *root,
    const reg_error_t *e)
{
    ngx_http_registry_stats_failed(root, NGX_HTTP_REGISTRY_WORK_SCRUB);

    if (e->call) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, e->sys,
                      "scrub of \"%V\" cannot go on: %s() \"%s\" failed%s",
                      &root->root, e->call, e->path,
                      ngx_http_registry_way_out(e));
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "scrub of \"%V\" cannot go on: %s%s", &root->root,
                  reg_error_text(e->rc), ngx_http_registry_way_out(e));
}


/* Time within a slice, which nginx does not tell. */

static ngx_msec_t
ngx_http_registry_scrub_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (ngx_msec_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


void
ngx_http_registry_scrub_end(ngx_http_registry_root_t *root)
{
    reg_scrub_close(root->scrub);
    root->scrub = NULL;
}
