
#include "ngx_http_registry_maintenance.h"
#include "ngx_http_registry_count.h"
#include "ngx_http_registry_gc.h"
#include "ngx_http_registry_log.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_scrub.h"

#include "reg_care.h"


/* files freed by one call: a disk may take a second for each of them */
#define NGX_HTTP_REGISTRY_FREES      8

/* ms that is worked at a time; nothing else is done meanwhile */
#define NGX_HTTP_REGISTRY_SLICE      10

#define NGX_HTTP_REGISTRY_IDLE       5000
#define NGX_HTTP_REGISTRY_PAUSE      10
#define NGX_HTTP_REGISTRY_AGAIN      10000
#define NGX_HTTP_REGISTRY_FAILED     60000

/* seconds from the begin of a job that did not end, doubled each time */
#define NGX_HTTP_REGISTRY_RETRY      10


/* A job in hand. */
typedef struct ngx_http_registry_work_s {
    void        *work;             /* NULL: none */
    ngx_msec_t   due;              /* when to look, or to go on */
    ngx_msec_t   began;
    unsigned     noted:1;          /* how far the clock is from the steady */
} ngx_http_registry_work_t;


static ngx_msec_t ngx_http_registry_manager(void *data);
static ngx_msec_t ngx_http_registry_free(ngx_http_registry_root_t *root,
    reg_store_t *store);
static ngx_msec_t ngx_http_registry_job(ngx_http_registry_root_t *root,
    reg_store_t *store, const ngx_http_registry_job_t *job,
    ngx_http_registry_work_t *w);
static ngx_msec_t ngx_http_registry_job_begin(ngx_http_registry_root_t *root,
    reg_store_t *store, const ngx_http_registry_job_t *job,
    ngx_http_registry_work_t *w);
static void ngx_http_registry_job_note(reg_store_t *store,
    const ngx_http_registry_job_t *job, ngx_http_registry_work_t *w);
static ngx_msec_t ngx_http_registry_job_wait(reg_store_t *store,
    const ngx_http_registry_job_t *job, time_t interval);
static ngx_msec_t ngx_http_registry_job_slice(ngx_http_registry_root_t *root,
    const ngx_http_registry_job_t *job, ngx_http_registry_work_t *w);
static void ngx_http_registry_job_failed(ngx_http_registry_root_t *root,
    const ngx_http_registry_job_t *job, reg_error_t *e);
static void ngx_http_registry_timer(ngx_event_t *ev);


static const ngx_http_registry_job_t *const  ngx_http_registry_jobs[] = {
    &ngx_http_registry_gc_job,
    &ngx_http_registry_purge_job,
    &ngx_http_registry_count_job
};

#define NGX_HTTP_REGISTRY_JOBS                                                \
    (sizeof(ngx_http_registry_jobs) / sizeof(ngx_http_registry_jobs[0]))


ngx_int_t
ngx_http_registry_maintenance_add(ngx_conf_t *cf,
    ngx_http_registry_root_t *root)
{
    ngx_path_t  *path;

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NGX_ERROR;
    }

    path->name = root->root;
    path->manager = ngx_http_registry_manager;
    path->data = root;
    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    root->work = ngx_pcalloc(cf->pool, NGX_HTTP_REGISTRY_JOBS
                                       * sizeof(ngx_http_registry_work_t));
    if (root->work == NULL) {
        return NGX_ERROR;
    }

    return ngx_add_path(cf, &path);
}


/* The manager is called for other paths' sake too, so it keeps its own time. */

static ngx_msec_t
ngx_http_registry_manager(void *data)
{
    ngx_http_registry_root_t *root = data;

    ngx_uint_t                 i;
    ngx_msec_t                 now, wait, next;
    reg_store_t               *store;
    ngx_http_registry_work_t  *w;

    now = ngx_current_msec;

    ngx_http_registry_wake_start(root);

    if ((ngx_msec_int_t) (root->due - now) > 0) {
        return root->due - now;
    }

    store = ngx_http_registry_store(root, ngx_cycle->log);

    ngx_http_registry_stats_look(root, store);

    if (store == NULL) {
        ngx_http_registry_stats_due(root, NGX_HTTP_REGISTRY_FAILED);
        root->due = now + NGX_HTTP_REGISTRY_FAILED;
        return NGX_HTTP_REGISTRY_FAILED;
    }

    wait = ngx_http_registry_free(root, store);

    for (i = 0; i < NGX_HTTP_REGISTRY_JOBS; i++) {
        w = &root->work[i];

        if ((ngx_msec_int_t) (w->due - ngx_current_msec) <= 0) {
            next = ngx_http_registry_job(root, store,
                                         ngx_http_registry_jobs[i], w);
            ngx_time_update();
            w->due = ngx_current_msec + next;
        }

        next = w->due - ngx_current_msec;
        wait = ngx_min(wait, next);
    }

    next = ngx_http_registry_scrub(root);
    wait = ngx_min(wait, next);

    root->due = ngx_current_msec + wait;
    ngx_http_registry_stats_due(root, wait);

    return wait;
}


static ngx_msec_t
ngx_http_registry_free(ngx_http_registry_root_t *root, reg_store_t *store)
{
    int          left;
    reg_rc_t     rc;
    ngx_msec_t   began;
    reg_error_t  e;

    began = ngx_current_msec;
    reg_error_clear(&e);

    do {
        left = 0;
        rc = store->driver->empty_trash(store, NGX_HTTP_REGISTRY_FREES, &left,
                                        &e);
        ngx_time_update();

    } while (rc == REG_OK && left
             && ngx_current_msec - began < NGX_HTTP_REGISTRY_SLICE);

    if (rc != REG_OK) {
        ngx_http_registry_log_failed(root, "free deleted content", &e);

        return NGX_HTTP_REGISTRY_FAILED;
    }

    return left ? NGX_HTTP_REGISTRY_PAUSE : NGX_HTTP_REGISTRY_IDLE;
}


/* The ms after which this job is looked at again. */

static ngx_msec_t
ngx_http_registry_job(ngx_http_registry_root_t *root, reg_store_t *store,
    const ngx_http_registry_job_t *job, ngx_http_registry_work_t *w)
{
    time_t  interval;

    interval = job->interval(root);
    ngx_http_registry_stats_interval(root, job->stats, interval);

    ngx_http_registry_job_note(store, job, w);

    if (interval == 0) {
        return w->noted ? NGX_HTTP_REGISTRY_FAILED : NGX_HTTP_REGISTRY_IDLE;
    }

    if (job->allowed && !job->allowed(root)) {

        /* whatever it was at is found again in the store */

        if (w->work) {
            job->end(root, w->work, 0, ngx_current_msec - w->began);
            w->work = NULL;
        }

        return NGX_HTTP_REGISTRY_FAILED;
    }

    return w->work ? ngx_http_registry_job_slice(root, job, w)
                   : ngx_http_registry_job_begin(root, store, job, w);
}


static ngx_msec_t
ngx_http_registry_job_begin(ngx_http_registry_root_t *root,
    reg_store_t *store, const ngx_http_registry_job_t *job,
    ngx_http_registry_work_t *w)
{
    reg_rc_t     rc;
    ngx_msec_t   wait;
    reg_stat_t   st;
    reg_error_t  e;

    reg_error_clear(&e);

    /* nothing was pushed yet: the first one makes what is needed */

    if (store->driver->stat(store, REG_LAYOUT_V2, &st, &e) == REG_ABSENT) {
        return NGX_HTTP_REGISTRY_IDLE;
    }

    wait = ngx_http_registry_job_wait(store, job, job->interval(root));

    if (wait > 0) {
        return wait;
    }

    rc = job->begin(root, store, &w->work, &e);

    if (rc == REG_OK) {
        w->began = ngx_current_msec;
        return 1;
    }

    w->work = NULL;

    if (rc == REG_ABSENT) {
        return ngx_min(NGX_HTTP_REGISTRY_IDLE,
                       (ngx_msec_t) job->interval(root) * 1000);
    }

    ngx_http_registry_job_failed(root, job, &e);

    return NGX_HTTP_REGISTRY_FAILED;
}


/*
 * The clock is set right some time after the boot, and by years where it had
 * stopped.  What was pushed before that looks old to the first job of the boot,
 * unless somebody knows the clock of that time.  And who collects by hand on a
 * disk that is full by then has no room for the file of the job.
 */

static void
ngx_http_registry_job_note(reg_store_t *store,
    const ngx_http_registry_job_t *job, ngx_http_registry_work_t *w)
{
    reg_care_t  care;
    reg_stat_t  st;

    if (w->noted
        || store->driver->stat(store, REG_LAYOUT_V2, &st, NULL) != REG_OK)
    {
        return;
    }

    w->noted = 1;

    ngx_memzero(&care, sizeof(reg_care_t));

    care.dry = 1;

    if (reg_care_begin(&care, store, job->lock, NULL) == REG_OK) {
        reg_care_end(&care);
    }
}


/*
 * From the end of the last one on, whoever did it.  One that was killed, by a
 * reload perhaps, or failed is begun anew soon; but not time and again, since
 * it may have been what killed the process.  An interval may become shorter
 * meanwhile, so it is asked for again soon.
 */

static ngx_msec_t
ngx_http_registry_job_wait(reg_store_t *store,
    const ngx_http_registry_job_t *job, time_t interval)
{
    time_t           passed, retry;
    ngx_uint_t       i;
    reg_care_last_t  last;

    if (reg_care_last(store, job->lock, &last, NULL) != REG_OK) {
        return 0;
    }

    if (last.unfinished) {
        retry = NGX_HTTP_REGISTRY_RETRY;

        for (i = 1; i < last.unfinished && retry < interval; i++) {
            retry *= 2;
        }

        interval = ngx_min(interval, retry);
        last.done = last.began;
    }

    passed = ngx_time() - (time_t) (last.done / REG_TIME_SECOND);

    /* a clock that was set back must not stop it for good */

    if (passed < 0 || passed >= interval) {
        return 0;
    }

    return ngx_min((ngx_msec_t) (interval - passed) * 1000,
                   NGX_HTTP_REGISTRY_AGAIN);
}


static ngx_msec_t
ngx_http_registry_job_slice(ngx_http_registry_root_t *root,
    const ngx_http_registry_job_t *job, ngx_http_registry_work_t *w)
{
    reg_rc_t     rc;
    ngx_msec_t   began, took, pace;
    ngx_uint_t   done;
    reg_error_t  e;

    done = 0;
    began = ngx_current_msec;
    reg_error_clear(&e);

    do {
        rc = job->step(w->work, &done, &e);

        ngx_time_update();

    } while (rc == REG_OK && !done
             && ngx_current_msec - began < NGX_HTTP_REGISTRY_SLICE);

    took = ngx_current_msec - w->began;

    if (rc == REG_BUSY && e.rc == REG_OK) {
        return NGX_HTTP_REGISTRY_PAUSE;
    }

    if (rc == REG_OK && !done) {
        pace = job->pace(root, w->work);
        return (pace > took) ? ngx_min(pace - took, 1000) : 1;
    }

    if (rc != REG_OK) {
        ngx_http_registry_job_failed(root, job, &e);
    }

    job->end(root, w->work, done, took);
    w->work = NULL;

    return (rc == REG_OK) ? 1000 : NGX_HTTP_REGISTRY_FAILED;
}


static void
ngx_http_registry_job_failed(ngx_http_registry_root_t *root,
    const ngx_http_registry_job_t *job, reg_error_t *e)
{
    ngx_http_registry_stats_failed(root, job->stats);

    ngx_http_registry_log_failed(root, job->what, e);
}


ngx_int_t
ngx_http_registry_maintenance_single(ngx_cycle_t *cycle,
    ngx_http_registry_main_conf_t *rmcf)
{
    ngx_uint_t                  i;
    ngx_event_t                *ev;
    ngx_http_registry_root_t  **root;

    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {

        ev = ngx_pcalloc(cycle->pool, sizeof(ngx_event_t));
        if (ev == NULL) {
            return NGX_ERROR;
        }

        ev->handler = ngx_http_registry_timer;
        ev->data = root[i];
        ev->log = cycle->log;
        ev->cancelable = 1;

        ngx_add_timer(ev, NGX_HTTP_REGISTRY_IDLE);
    }

    return NGX_OK;
}


static void
ngx_http_registry_timer(ngx_event_t *ev)
{
    ngx_add_timer(ev, ngx_http_registry_manager(ev->data));
}
