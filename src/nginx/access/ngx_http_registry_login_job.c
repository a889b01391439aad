
/*
 * A hash that runs, or waits for its turn, is a job of this process: it goes
 * by the credentials' id, and every request with the same credentials waits
 * for the same job.  A job of another worker is waited for by looking into the
 * zone now and then.
 *
 * A wrong password counts for each who waits for the answer, and for who sent
 * it first when all have hung up: or whoever does so would guess for nothing.
 */


#include "ngx_http_registry_login_private.h"
#include "ngx_http_registry_stats.h"


/* jobs that wait for their turn, of all and of one address */
#define NGX_HTTP_REGISTRY_LOGIN_JOBS      256
#define NGX_HTTP_REGISTRY_LOGIN_ADDRESS   64

/* how often another worker's job is looked after */
#define NGX_HTTP_REGISTRY_LOGIN_POLL      20

#define NGX_HTTP_REGISTRY_LOGIN_TIMEOUT   60000


typedef enum {
    NGX_HTTP_REGISTRY_JOB_QUEUED = 0,
    NGX_HTTP_REGISTRY_JOB_RUNNING,
    NGX_HTTP_REGISTRY_JOB_REMOTE
} ngx_http_registry_job_e;


typedef struct {
    ngx_queue_t                     queue;
    uint64_t                        posted;  /* ngx_http_registry_stats.h */
    ngx_atomic_t                    begun;   /* by a thread */
    ngx_queue_t                     waiters;
    ngx_http_registry_job_e         state;

    u_char                          id[REG_CREDENTIALS_KEY];
    ngx_uint_t                      rank;     /* of those of its address */
    ngx_uint_t                      trusted;  /* right once before */
    time_t                          cache;
    ngx_thread_pool_t              *pool;
    ngx_http_registry_main_conf_t  *rmcf;

    /* of who was the first to wait, and what the log says of him */
    ngx_http_registry_guess_t       guess;
    ngx_log_t                       log;
    u_char                          client[NGX_SOCKADDR_STRLEN];
    size_t                          client_len;
    ngx_str_t                       server;

    ngx_thread_task_t               task;
    ngx_event_t                     poll;

    reg_htpasswd_check_t            check;
    char                            password[REG_PASSWORD_MAX + 1];
    size_t                          len;
    reg_password_e                  verdict;
    struct crypt_data               crypt;
} ngx_http_registry_job_t;


static ngx_http_registry_job_t *ngx_http_registry_job_find(const u_char *id);
static ngx_http_registry_job_t *ngx_http_registry_job_create(
    ngx_http_request_t *r, ngx_http_registry_login_t *login, const u_char *id,
    const reg_htpasswd_check_t *check, reg_str_t password, ngx_uint_t trusted);
static ngx_int_t ngx_http_registry_job_room(ngx_uint_t rank);
static void ngx_http_registry_job_insert(ngx_http_registry_job_t *job);
static void ngx_http_registry_jobs_run(void);
static void ngx_http_registry_job_work(void *data, ngx_log_t *log);
static void ngx_http_registry_job_done(ngx_event_t *ev);
static u_char *ngx_http_registry_job_log(ngx_log_t *log, u_char *buf,
    size_t len);
static void ngx_http_registry_job_settle(ngx_http_registry_job_t *job,
    ngx_uint_t right);
static void ngx_http_registry_jobs_limit(void);
static void ngx_http_registry_login_end(ngx_http_registry_login_t *login,
    time_t retry);
static void ngx_http_registry_job_poll(ngx_event_t *ev);
static void ngx_http_registry_job_end(ngx_http_registry_job_t *job,
    ngx_uint_t again);


/*
 * Jobs of this process, in the order of their turns; none survives it, and
 * none knows a configuration but by what it holds itself.
 */

static ngx_queue_t  ngx_http_registry_jobs;
static ngx_uint_t   ngx_http_registry_jobs_running;


ngx_int_t
ngx_http_registry_login_hash(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, const u_char *id,
    const reg_htpasswd_check_t *check, reg_str_t password,
    ngx_http_registry_login_e known)
{
    ngx_http_registry_job_t  *job;

    job = ngx_http_registry_job_find(id);

    if (job == NULL) {

        job = ngx_http_registry_job_create(r, login, id, check, password,
                                  known == NGX_HTTP_REGISTRY_LOGIN_STALE);
        if (job == NULL) {
            return NGX_BUSY;
        }

        if (known == NGX_HTTP_REGISTRY_LOGIN_PENDING && !login->again) {
            job->state = NGX_HTTP_REGISTRY_JOB_REMOTE;
            ngx_add_timer(&job->poll, NGX_HTTP_REGISTRY_LOGIN_POLL);

        } else {
            job->state = NGX_HTTP_REGISTRY_JOB_QUEUED;
            ngx_http_registry_logins_claim(job->rmcf, id);
        }

        ngx_http_registry_job_insert(job);
    }

    login->state = NGX_HTTP_REGISTRY_LOGIN_WAITS;
    login->queued = 1;
    ngx_queue_insert_tail(&job->waiters, &login->queue);

    ngx_http_registry_jobs_run();

    return NGX_AGAIN;
}


static ngx_http_registry_job_t *
ngx_http_registry_job_find(const u_char *id)
{
    ngx_queue_t              *q;
    ngx_http_registry_job_t  *job;

    if (ngx_http_registry_jobs.next == NULL) {
        ngx_queue_init(&ngx_http_registry_jobs);
    }

    for (q = ngx_queue_head(&ngx_http_registry_jobs);
         q != ngx_queue_sentinel(&ngx_http_registry_jobs);
         q = ngx_queue_next(q))
    {
        job = ngx_queue_data(q, ngx_http_registry_job_t, queue);

        if (ngx_memcmp(job->id, id, REG_CREDENTIALS_KEY) == 0) {
            return job;
        }
    }

    return NULL;
}


/* NULL when too many wait already, or without memory. */

static ngx_http_registry_job_t *
ngx_http_registry_job_create(ngx_http_request_t *r,
    ngx_http_registry_login_t *login, const u_char *id,
    const reg_htpasswd_check_t *check, reg_str_t password, ngx_uint_t trusted)
{
    ngx_uint_t                        n, same;
    ngx_queue_t                      *q;
    ngx_connection_t                 *c;
    ngx_http_registry_job_t          *job;
    ngx_http_core_srv_conf_t         *cscf;
    ngx_http_registry_loc_conf_t     *rlcf;
    ngx_http_registry_access_conf_t  *alcf;

    n = 0;
    same = 0;

    for (q = ngx_queue_head(&ngx_http_registry_jobs);
         q != ngx_queue_sentinel(&ngx_http_registry_jobs);
         q = ngx_queue_next(q))
    {
        job = ngx_queue_data(q, ngx_http_registry_job_t, queue);
        n++;

        if (ngx_memcmp(job->guess.address, login->guess.address,
                       REG_CREDENTIALS_KEY)
            == 0)
        {
            same++;
        }
    }

    /* those who were right within a day are few, and let in always */

    if (!trusted
        && (same >= NGX_HTTP_REGISTRY_LOGIN_ADDRESS
            || (n >= NGX_HTTP_REGISTRY_LOGIN_JOBS
                && ngx_http_registry_job_room(same) != NGX_OK)))
    {
        return NULL;
    }

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_access_module);

    job = ngx_calloc(sizeof(ngx_http_registry_job_t), r->connection->log);
    if (job == NULL) {
        return NULL;
    }

    ngx_queue_init(&job->waiters);
    ngx_memcpy(job->id, id, REG_CREDENTIALS_KEY);

    job->trusted = trusted;
    job->rank = trusted ? 0 : same;
    job->cache = alcf->cache;
    job->pool = rlcf->pool;
    job->rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);
    job->check = *check;
    job->guess = login->guess;

    c = r->connection;
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    job->log = *c->log;
    job->log.handler = ngx_http_registry_job_log;
    job->log.data = job;
    job->log.action = NULL;

    job->client_len = ngx_min(c->addr_text.len, sizeof(job->client));
    ngx_memcpy(job->client, c->addr_text.data, job->client_len);
    job->server = cscf->server_name;

    /* one that is too long is cut to a length that is too long as well */

    job->len = ngx_min(password.len, sizeof(job->password));
    ngx_memcpy(job->password, password.data, job->len);

    job->task.ctx = job;
    job->task.handler = ngx_http_registry_job_work;
    job->task.event.handler = ngx_http_registry_job_done;
    job->task.event.data = job;
    job->task.event.log = ngx_cycle->log;

    job->poll.handler = ngx_http_registry_job_poll;
    job->poll.data = job;
    job->poll.log = ngx_cycle->log;

    ngx_http_registry_stats_gauge(NGX_HTTP_REGISTRY_GAUGE_HASHES, 1);

    return job;
}


/*
 * A full queue has room for who has fewer in it than the last one: his waiters
 * are told to come again, not at once, for they may be anywhere in the stack.
 */

static ngx_int_t
ngx_http_registry_job_room(ngx_uint_t rank)
{
    ngx_queue_t                *q;
    ngx_http_registry_job_t    *job, *last;
    ngx_http_registry_login_t  *login;

    last = NULL;

    /* what runs, one or two, cannot be ended */

    for (q = ngx_queue_last(&ngx_http_registry_jobs);
         q != ngx_queue_sentinel(&ngx_http_registry_jobs);
         q = ngx_queue_prev(q))
    {
        job = ngx_queue_data(q, ngx_http_registry_job_t, queue);

        if (job->state != NGX_HTTP_REGISTRY_JOB_RUNNING) {
            last = job;
            break;
        }
    }

    if (last == NULL || last->rank <= rank) {
        return NGX_DECLINED;
    }

    while (!ngx_queue_empty(&last->waiters)) {
        q = ngx_queue_head(&last->waiters);
        login = ngx_queue_data(q, ngx_http_registry_login_t, queue);

        ngx_queue_remove(q);
        login->queued = 0;

        (void) ngx_http_registry_login_refuse(login, 1, login->wake);
    }

    if (last->state == NGX_HTTP_REGISTRY_JOB_QUEUED) {
        ngx_http_registry_job_settle(last, 0);
    }

    ngx_http_registry_job_end(last, 0);

    return NGX_OK;
}


/*
 * Addresses take turns: one that sends many waits behind those with few.  What
 * another worker is at has a place among them all the same, for it takes room.
 */

static void
ngx_http_registry_job_insert(ngx_http_registry_job_t *job)
{
    ngx_queue_t              *q;
    ngx_http_registry_job_t  *other;

    for (q = ngx_queue_last(&ngx_http_registry_jobs);
         q != ngx_queue_sentinel(&ngx_http_registry_jobs);
         q = ngx_queue_prev(q))
    {
        other = ngx_queue_data(q, ngx_http_registry_job_t, queue);

        if (other->rank <= job->rank) {
            break;
        }
    }

    ngx_queue_insert_after(q, &job->queue);
}


static void
ngx_http_registry_jobs_run(void)
{
    ngx_uint_t                max;
    ngx_queue_t              *q;
    ngx_http_registry_job_t  *job;

    /* threads are there for the disk, and processors for more than this */

    max = (ngx_ncpu >= 4) ? 2 : 1;

    q = ngx_queue_head(&ngx_http_registry_jobs);

    while (q != ngx_queue_sentinel(&ngx_http_registry_jobs)
           && ngx_http_registry_jobs_running < max)
    {
        job = ngx_queue_data(q, ngx_http_registry_job_t, queue);
        q = ngx_queue_next(q);

        if (job->state != NGX_HTTP_REGISTRY_JOB_QUEUED) {
            continue;
        }

        job->posted = ngx_http_registry_stats_post();

        if (ngx_thread_task_post(job->pool, &job->task) != NGX_OK) {

            ngx_http_registry_stats_refused();

            /* the pool's queue is full: once more when it may not be */

            if (!job->poll.timer_set) {
                ngx_add_timer(&job->poll, NGX_HTTP_REGISTRY_LOGIN_POLL);
            }

            return;
        }

        if (job->poll.timer_set) {
            ngx_del_timer(&job->poll);
        }

        ngx_add_timer(&job->task.event, NGX_HTTP_REGISTRY_LOGIN_TIMEOUT);

        job->state = NGX_HTTP_REGISTRY_JOB_RUNNING;
        ngx_http_registry_jobs_running++;
    }
}


static void
ngx_http_registry_job_work(void *data, ngx_log_t *log)
{
    ngx_http_registry_job_t *job = data;

    uint64_t   began;
    reg_str_t  password;

    began = ngx_http_registry_stats_run(job->posted);
    (void) ngx_atomic_fetch_add(&job->begun, 1);

    password.len = job->len;
    password.data = job->password;

    job->verdict = reg_htpasswd_verify(&job->check, password, &job->crypt);

    ngx_http_registry_stats_hash(began);
    (void) ngx_http_registry_stats_ran();
}


static void
ngx_http_registry_job_done(ngx_event_t *ev)
{
    ngx_http_registry_job_t  *job;

    job = ev->data;

    if (ev->timedout) {
        ev->timedout = 0;

        if (ngx_atomic_fetch_add(&job->begun, 0)) {
            ngx_log_error(NGX_LOG_ERR, ev->log, 0,
                          "a password has been checked for %d seconds, lower "
                          "the cost of the hashes in the password file",
                          NGX_HTTP_REGISTRY_LOGIN_TIMEOUT / 1000);

        } else {
            ngx_log_error(NGX_LOG_ERR, ev->log, 0,
                          "a password has waited %d seconds for a thread, "
                          "look at the disk of the registry's root, and at "
                          "\"threads\" of the \"thread_pool\"",
                          NGX_HTTP_REGISTRY_LOGIN_TIMEOUT / 1000);
        }

        ngx_add_timer(ev, NGX_HTTP_REGISTRY_LOGIN_TIMEOUT);
        return;
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ev->complete = 0;
    ngx_http_registry_jobs_running--;

    if (job->verdict == REG_PASSWORD_FAILED) {
        ngx_log_error(NGX_LOG_ERR, ev->log, 0,
                      "a password could not be checked, nobody was let in; "
                      "is there memory left?");
    }

    if (job->verdict == REG_PASSWORD_WRONG && ngx_queue_empty(&job->waiters)) {
        (void) ngx_http_registry_login_failed(&job->guess, &job->log);
        ngx_http_registry_identify_wrong(&job->log);
    }

    ngx_http_registry_job_settle(job, job->verdict == REG_PASSWORD_RIGHT);
    ngx_http_registry_job_end(job, 0);

    ngx_http_registry_jobs_limit();
    ngx_http_registry_jobs_run();
}


/* As a line about a request begins, by which fail2ban goes. */

static u_char *
ngx_http_registry_job_log(ngx_log_t *log, u_char *buf, size_t len)
{
    ngx_http_registry_job_t  *job;

    job = log->data;

    return ngx_snprintf(buf, len, ", client: %*s, server: %V",
                        job->client_len, job->client, &job->server);
}


static void
ngx_http_registry_job_settle(ngx_http_registry_job_t *job, ngx_uint_t right)
{
    ngx_http_registry_logins_settle(job->rmcf, job->id, right);
}


/*
 * What came while there was room for failures need not be hashed when its
 * turn comes and there is none any more.
 */

static void
ngx_http_registry_jobs_limit(void)
{
    time_t                      retry;
    ngx_queue_t                *q;
    ngx_http_registry_job_t    *job;
    ngx_http_registry_login_t  *login;

again:

    for (q = ngx_queue_head(&ngx_http_registry_jobs);
         q != ngx_queue_sentinel(&ngx_http_registry_jobs);
         q = ngx_queue_next(q))
    {
        job = ngx_queue_data(q, ngx_http_registry_job_t, queue);

        if (job->state != NGX_HTTP_REGISTRY_JOB_QUEUED) {
            continue;
        }

        if (ngx_queue_empty(&job->waiters)) {

            /* they are all gone, and nobody asks any more */

            ngx_http_registry_job_settle(job, 0);
            ngx_http_registry_job_end(job, 0);
            goto again;
        }

        if (job->trusted) {
            return;
        }

        login = ngx_queue_data(ngx_queue_head(&job->waiters),
                               ngx_http_registry_login_t, queue);

        if (ngx_http_registry_login_limited(login->request, login, &retry)
            == NGX_OK)
        {
            return;
        }

        /* whoever is woken may do anything to the queues */

        ngx_http_registry_login_end(login, retry);
        goto again;
    }
}


/* A request that waited for its turn will not get it. */

static void
ngx_http_registry_login_end(ngx_http_registry_login_t *login, time_t retry)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    ngx_queue_remove(&login->queue);

    login->queued = 0;
    login->state = NGX_HTTP_REGISTRY_LOGIN_DONE;
    login->limited = 1;
    login->retry = retry;

    ngx_http_registry_stats_login(NGX_HTTP_REGISTRY_RESULT_REFUSED);

    r = login->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    login->wake(r);
    ngx_http_run_posted_requests(c);
}


/* Another worker is at it; or a turn has come and no thread was to be had. */

static void
ngx_http_registry_job_poll(ngx_event_t *ev)
{
    ngx_http_registry_job_t  *job;

    job = ev->data;
    ev->timedout = 0;

    if (job->state == NGX_HTTP_REGISTRY_JOB_QUEUED) {
        ngx_http_registry_jobs_run();
        return;
    }

    switch (ngx_http_registry_logins_find(job->rmcf, job->id, job->cache)) {

    case NGX_HTTP_REGISTRY_LOGIN_PENDING:
        ngx_add_timer(ev, NGX_HTTP_REGISTRY_LOGIN_POLL);
        return;

    case NGX_HTTP_REGISTRY_LOGIN_FRESH:
        job->verdict = REG_PASSWORD_RIGHT;
        ngx_http_registry_job_end(job, 0);
        return;

    default:

        /* wrong, or never to be known: each worker finds out for itself */

        ngx_http_registry_job_end(job, 1);
    }
}


static void
ngx_http_registry_job_end(ngx_http_registry_job_t *job, ngx_uint_t again)
{
    ngx_int_t                   rc;
    ngx_queue_t                *q;
    reg_password_e              verdict;
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_registry_login_t  *login;

    ngx_http_registry_stats_gauge(NGX_HTTP_REGISTRY_GAUGE_HASHES, -1);

    ngx_queue_remove(&job->queue);
    verdict = job->verdict;

    if (job->poll.timer_set) {
        ngx_del_timer(&job->poll);
    }

    while (!ngx_queue_empty(&job->waiters)) {
        q = ngx_queue_head(&job->waiters);
        login = ngx_queue_data(q, ngx_http_registry_login_t, queue);

        ngx_queue_remove(q);
        login->queued = 0;

        r = login->request;
        c = r->connection;

        ngx_http_set_log_request(c->log, r);

        if (again) {
            login->state = NGX_HTTP_REGISTRY_LOGIN_IDLE;
            login->again = 1;

        } else {
            login->state = NGX_HTTP_REGISTRY_LOGIN_DONE;
            login->verdict = verdict;

            if (verdict == REG_PASSWORD_RIGHT) {
                ngx_http_registry_stats_login(
                                           NGX_HTTP_REGISTRY_RESULT_HASHED);
                ngx_http_registry_login_trust(r, login);
            }

            if (verdict == REG_PASSWORD_WRONG) {
                rc = ngx_http_registry_login_wrong(r, login, login->wake);

                if (rc == NGX_AGAIN) {
                    continue;
                }
            }
        }

        login->wake(r);
        ngx_http_run_posted_requests(c);
    }

    ngx_explicit_memzero(job, sizeof(ngx_http_registry_job_t));
    ngx_free(job);
}
