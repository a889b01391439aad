
/* Options, and the engine that has workers perform an operation. */

#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H


#include "registry.h"
#include "result.h"

#include <stdatomic.h>
#include <stdint.h>


typedef struct {
    const char      *url;
    pid_t            pid;           /* of the server; its children count too */
    const char      *repo;
    const char      *seed;
    unsigned         connections;
    uint64_t         count;         /* 0: as many as the duration allows */
    double           duration;      /* seconds */
    uint64_t         size;
    uint64_t         pieces;
    double           interval;
    unsigned         images;
    const char      *user;          /* NAME:PASSWORD, or NULL */
    unsigned         guesses;       /* clients that guess passwords meanwhile */
    const char      *method;
    const char      *by;
    const char      *path;
    unsigned         strings;
    unsigned         expect;
    unsigned         files:1;
    unsigned         probe:1;
    unsigned         change:1;
    unsigned         each:1;        /* CPU of each operation */
    const char      *root;
    const char      *mirror;
    const char      *until;         /* a log; NULL: for the duration */
    char           **args;          /* what follows the options */
} load_opt_t;


typedef struct load_worker_s  load_worker_t;
typedef struct load_s         load_t;

/* -1 on failure, with the reason in worker->registry.conn.error. */
typedef int (*load_op_pt)(load_worker_t *w, uint64_t i);


struct load_worker_s {
    load_t             *load;
    registry_t          registry;
    double              began;      /* of this operation; it may move it */
    uint64_t            bytes;      /* of this operation; it sets it */
    outcome_t           outcome;
};


struct load_s {
    const load_opt_t   *opt;
    void               *data;       /* of the workload */
    http_target_t       target;
    load_worker_t      *workers;    /* opt->connections of them */

    load_op_pt          op;
    load_op_pt          after;      /* each op, not timed; may be NULL */
    meter_t            *meter;      /* CPU of each op, or NULL */
    uint64_t            count;
    double              end;
    atomic_ullong       next;
    atomic_int          stop;           /* set by another thread */
};


void load_init(load_t *l, const load_opt_t *opt);

/*
 * Performs op(0), op(1), ... by all workers, count of them, or as many as the
 * duration allows where count is 0.
 */
void load_run(load_t *l, load_op_pt op, uint64_t count, double duration,
    outcome_t *o);

/* The same where failure of one is the end: preparations. */
void load_prepare(load_t *l, load_op_pt op, uint64_t count);

/*
 * load_run() of what the options ask for, metered, with a probe if asked.  With
 * opt->each, for long operations on one connection, each is metered for
 * itself and the median counts: not those that the machine disturbed.
 */
void load_measure(load_t *l, load_op_pt op);

/*
 * A probe sends GET /v2/ once a millisecond on a connection of its own: how
 * long it waits is how long the server's event loop was held.  The server's
 * threads become real-time threads and remain so.
 */
typedef struct load_probe_s  load_probe_t;

load_probe_t *load_probe_start(const load_opt_t *opt);
void load_probe_stop(load_probe_t *p, samples_t *s);


/*
 * Guessers, opt->guesses of them, each on a connection of its own, ask for
 * GET /v2/ with wrong passwords as fast as they are answered.
 */
typedef struct load_guess_s  load_guess_t;

load_guess_t *load_guess_start(const load_opt_t *opt);
void load_guess_stop(load_guess_t *g);


/*
 * The commands, each of which prints its result: work.c, slow.c, beside.c,
 * durable.c, seed.c.
 */

void load_push_blob(const load_opt_t *opt);
void load_pull_blob(const load_opt_t *opt);
void load_push_image(const load_opt_t *opt);
void load_pull_image(const load_opt_t *opt);
void load_request(const load_opt_t *opt);
void load_list(const load_opt_t *opt);
void load_ping(const load_opt_t *opt);

void load_uploads(const load_opt_t *opt);
void load_idle(const load_opt_t *opt);
void load_beside(const load_opt_t *opt);

void load_sync_image(const load_opt_t *opt);

void load_seed_blob(const load_opt_t *opt);
void load_seed_images(const load_opt_t *opt);
void load_seed_tags(const load_opt_t *opt);
void load_seed_repos(const load_opt_t *opt);
void load_seed_garbage(const load_opt_t *opt);
void load_seed_wide(const load_opt_t *opt);


/* Names that seeding and loading agree on. */

char *load_tag(uint64_t i);                     /* to be freed */
void load_image(image_t *im, const load_opt_t *opt, uint64_t i);

void load_garbage_image(image_t *im, const load_opt_t *opt, uint64_t i);
char *load_garbage_repo(uint64_t i);            /* to be freed */
int load_garbage_kept(uint64_t i);


#endif /* BENCH_LOAD_H */
