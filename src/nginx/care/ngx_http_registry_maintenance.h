
/*
 * Work that belongs to no request, in nginx's cache manager process: the
 * freeing of what was deleted, a table of jobs, and the scrub, which goes at a
 * pace of its own.
 *
 * A job goes over a store in small steps, every so often.  The time of the
 * last one is that of its lock file in the store, so a reload, a binary upgrade
 * or a second nginx on the same store do not begin anew, and a manager that
 * dies of a job is not killed by it again and again.  Two managers run at once
 * during each reload; the lock lets one of them work.
 */


#ifndef NGX_HTTP_REGISTRY_MAINTENANCE_H_INCLUDED
#define NGX_HTTP_REGISTRY_MAINTENANCE_H_INCLUDED


#include "ngx_http_registry.h"
#include "ngx_http_registry_stats.h"


typedef struct {
    const char   *what;            /* "collect garbage", for the log */
    const char   *lock;            /* its file, below the root */

    /* Seconds from one to the next; 0: not at all. */
    time_t      (*interval)(ngx_http_registry_root_t *root);

    /* 1 when it may run at this time of the day; NULL: always. */
    ngx_uint_t  (*allowed)(ngx_http_registry_root_t *root);

    /* REG_OK and *work; REG_ABSENT: somebody else is at it; an error. */
    reg_rc_t    (*begin)(ngx_http_registry_root_t *root, reg_store_t *store,
                         void **work, reg_error_t *e);

    /*
     * A piece of some ms; *done after the last.  REG_BUSY without a word in
     * e: others have to let go of something first.
     */
    reg_rc_t    (*step)(void *work, ngx_uint_t *done, reg_error_t *e);

    /* How many ms all that was done since begin() ought to take. */
    ngx_msec_t  (*pace)(ngx_http_registry_root_t *root, void *work);

    /* Tells what came of it, if it is done, and frees it. */
    void        (*end)(ngx_http_registry_root_t *root, void *work,
                       ngx_uint_t done, ngx_msec_t took);

    ngx_http_registry_work_e  stats;
} ngx_http_registry_job_t;


/*
 * Registers a root: its directory is made at start and owned by the worker
 * user, and the manager looks after it.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_registry_maintenance_add(ngx_conf_t *cf,
    ngx_http_registry_root_t *root);

/* Without a master there is no manager: the one process has a timer. */
ngx_int_t ngx_http_registry_maintenance_single(ngx_cycle_t *cycle,
    ngx_http_registry_main_conf_t *rmcf);


#endif /* NGX_HTTP_REGISTRY_MAINTENANCE_H_INCLUDED */
