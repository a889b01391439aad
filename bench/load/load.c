
#include "load.h"
#include "util.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define LOAD_STACK         (256 * 1024)
#define LOAD_ERRORS_MAX    20
#define LOAD_PROBE_PERIOD  0.001

/* images of a repository that is collected; one of so many is garbage */
#define LOAD_GARBAGE_REPO  100
#define LOAD_GARBAGE_EACH  4


struct load_probe_s {
    pthread_t      thread;
    registry_t     registry;
    http_target_t  target;
    meter_t        server;
    samples_t      samples;
    atomic_int     stop;
};


static void *load_worker(void *data);
static void load_first(meter_t *m);
static void *load_probe(void *data);


void
load_init(load_t *l, const load_opt_t *opt)
{
    unsigned  i;

    memset(l, 0, sizeof(load_t));
    l->opt = opt;

    http_target(&l->target, opt->url);

    if (opt->user) {
        l->target.login = http_login(opt->user);
    }

    l->workers = xalloc(opt->connections * sizeof(load_worker_t));
    memset(l->workers, 0, opt->connections * sizeof(load_worker_t));

    for (i = 0; i < opt->connections; i++) {
        l->workers[i].load = l;
        l->workers[i].registry.files = opt->files;
        http_conn_init(&l->workers[i].registry.conn, &l->target);
    }
}


static void *
load_worker(void *data)
{
    load_worker_t *w = data;

    double      cpu;
    load_t     *l;
    uint64_t    i;
    outcome_t  *o;

    l = w->load;
    o = &w->outcome;

    for ( ;; ) {
        i = atomic_fetch_add(&l->next, 1);
        w->began = now();
        w->bytes = 0;

        if (l->stop || (l->count ? i >= l->count : w->began > l->end)) {
            return NULL;
        }

        cpu = l->meter ? meter_cpu(l->meter) : 0;

        if (l->op(w, i) == 0) {
            samples_add(&o->latency, now() - w->began);
            o->bytes += w->bytes;

            if (l->meter) {
                samples_add(&o->cpu, meter_cpu(l->meter) - cpu);
            }

            if (l->after == NULL || l->after(w, i) == 0) {
                continue;
            }
        }

        outcome_error(o, w->registry.conn.error);

        if (o->errors > LOAD_ERRORS_MAX && o->errors > o->latency.n) {
            return NULL;            /* a broken server: do not hammer it */
        }
    }
}


void
load_run(load_t *l, load_op_pt op, uint64_t count, double duration,
    outcome_t *o)
{
    unsigned        i;
    pthread_t      *threads;
    pthread_attr_t  attr;

    l->op = op;
    l->count = count;
    l->end = now() + duration;
    l->next = 0;

    memset(o, 0, sizeof(outcome_t));
    threads = xalloc(l->opt->connections * sizeof(pthread_t));

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LOAD_STACK);

    for (i = 0; i < l->opt->connections; i++) {
        memset(&l->workers[i].outcome, 0, sizeof(outcome_t));

        if (pthread_create(&threads[i], &attr, load_worker, &l->workers[i])
            != 0)
        {
            die("cannot start a thread");
        }
    }

    for (i = 0; i < l->opt->connections; i++) {
        pthread_join(threads[i], NULL);
        outcome_append(o, &l->workers[i].outcome);
        free(l->workers[i].outcome.latency.at);
        free(l->workers[i].outcome.cpu.at);
    }

    pthread_attr_destroy(&attr);
    free(threads);
}


void
load_prepare(load_t *l, load_op_pt op, uint64_t count)
{
    outcome_t  o;

    load_run(l, op, count, 0, &o);

    if (o.errors) {
        die("preparing failed: %s", o.error);
    }

    free(o.latency.at);
}


void
load_measure(load_t *l, load_op_pt op)
{
    meter_t        m;
    outcome_t      o;
    samples_t      s;
    load_guess_t  *guess;
    load_probe_t  *probe;

    memset(&s, 0, sizeof(samples_t));
    probe = NULL;

    if (l->opt->probe) {
        probe = load_probe_start(l->opt);
        pause_for(0.2);
    }

    guess = l->opt->guesses ? load_guess_start(l->opt) : NULL;

    meter_start(&m, l->opt->pid);

    l->meter = l->opt->pid && l->opt->each ? &m : NULL;
    load_run(l, op, l->opt->count, l->opt->duration, &o);
    l->meter = NULL;

    result_open(&m, &o);

    if (guess) {
        load_guess_stop(guess);
    }

    if (probe) {
        load_probe_stop(probe, &s);
        result_samples("probe_", &s);
    }
}


load_probe_t *
load_probe_start(const load_opt_t *opt)
{
    load_probe_t  *p;

    p = xalloc(sizeof(load_probe_t));
    memset(p, 0, sizeof(load_probe_t));

    http_target(&p->target, opt->url);
    http_conn_init(&p->registry.conn, &p->target);

    /*
     * Neither the server's main threads, which are its event loops, nor the
     * probe must wait for a processor that the load or somebody else uses, nor
     * the main threads for a lock of a thread that waits for one.  Where this
     * is not allowed, the scheduler's delays count too.
     */

    if (opt->pid) {
        meter_start(&p->server, opt->pid);
        load_first(&p->server);
    }

    if (pthread_create(&p->thread, NULL, load_probe, p) != 0) {
        die("cannot start a thread");
    }

    return p;
}


static void
load_first(meter_t *m)
{
    DIR                 *dir;
    char                 path[64];
    pid_t                tid;
    size_t               i;
    struct dirent       *e;
    struct sched_param   param;

    memset(&param, 0, sizeof(param));

    for (i = 0; i < m->npids; i++) {
        snprintf(path, sizeof(path), "/proc/%d/task", (int) m->pids[i]);

        dir = opendir(path);

        if (dir == NULL) {
            die("server process %d is gone", (int) m->pids[i]);
        }

        while ((e = readdir(dir)) != NULL) {
            tid = (pid_t) atoi(e->d_name);

            if (tid > 0) {
                param.sched_priority = (tid == m->pids[i]) ? 2 : 1;
                (void) sched_setscheduler(tid, SCHED_FIFO, &param);
            }
        }

        closedir(dir);
    }
}


static void *
load_probe(void *data)
{
    load_probe_t *p = data;

    double              began;
    struct sched_param  param;

    memset(&param, 0, sizeof(param));
    param.sched_priority = 3;
    (void) pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);

    while (!p->stop) {
        began = now();

        if (registry_ping(&p->registry) == -1) {
            die("probe: %s", p->registry.conn.error);
        }

        samples_add(&p->samples, now() - began);
        pause_for(began + LOAD_PROBE_PERIOD - now());
    }

    return NULL;
}


void
load_probe_stop(load_probe_t *p, samples_t *s)
{
    p->stop = 1;
    pthread_join(p->thread, NULL);

    *s = p->samples;

    http_conn_free(&p->registry.conn);
    free(p);
}


char *
load_tag(uint64_t i)
{
    return xprintf("v%06llu", (unsigned long long) i);
}


void
load_image(image_t *im, const load_opt_t *opt, uint64_t i)
{
    char  *seed;

    seed = xprintf("%s image %llu", opt->seed, (unsigned long long) i);
    image_random(im, 3, opt->size, seed);
    free(seed);
}


void
load_garbage_image(image_t *im, const load_opt_t *opt, uint64_t i)
{
    char  *seed;

    seed = xprintf("%s image %llu", opt->seed, (unsigned long long) i);
    image_random(im, 1, opt->size, seed);
    free(seed);
}


char *
load_garbage_repo(uint64_t i)
{
    return xprintf("team/r%05llu",
                   (unsigned long long) (i / LOAD_GARBAGE_REPO));
}


int
load_garbage_kept(uint64_t i)
{
    return i % LOAD_GARBAGE_EACH != 0;
}
