
/*
 * The store's lock, as the collector takes it: never waited for, and never
 * held for long.
 *
 * Who shares the lock may be stopped, and nobody knows for how long.  First it
 * is only seen whether the lock is free, which holds nobody up.  Under constant
 * use it never is: then new ones are kept out, for a short time that grows, so
 * that those who have it can come to an end; and if that was in vain, they are
 * left alone for a time that is many times as long, and grows, too.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_gc_private.h"

#include "reg_fs.h"


/* attempts at the lock before anybody is held up for it, in steps */
#define REG_GC_TRIES      20

/* ms that others are kept out then, doubled each time */
#define REG_GC_SHUT       10
#define REG_GC_SHUT_MAX   200

/* so many times as long they are not, the next time; then doubled, in us */
#define REG_GC_OPEN       10
#define REG_GC_OPEN_MAX   INT64_C(60000000)

/* the part of what was learnt that one time changes */
#define REG_GC_LEARN      8


/* in ms, of the classes of reg_gc_counts_t; the last has none */
static const unsigned  reg_gc_bounds[REG_GC_HELD - 1] = {
    1, 2, 5, 10, 20, 50, 100
};


reg_rc_t
reg_gc_lock(reg_gc_t *g, int *lock, reg_error_t *e)
{
    int64_t   now;
    unsigned  ms;
    reg_rc_t  rc;

    *lock = -1;
    g->began = g->us();

    if (g->how->dry) {
        return REG_OK;
    }

    if (g->shut == 0) {
        g->shut = REG_GC_SHUT;
    }

    now = g->began;
    ms = (g->tries >= REG_GC_TRIES && now >= g->open) ? g->shut : 0;

    rc = reg_fs_lock_try(g->s, ms, lock, e);

    g->began = g->us();

    if (rc == REG_OK) {
        g->tries = 0;
        g->shut = REG_GC_SHUT;
        g->pause = 0;
        g->counts.locked++;
    }

    if (rc != REG_ABSENT) {
        return rc;
    }

    g->tries++;

    if (ms > 0) {
        g->pause = (ms < REG_GC_SHUT_MAX)
                   ? (int64_t) ms * 1000 * REG_GC_OPEN : 2 * g->pause;

        if (g->pause > REG_GC_OPEN_MAX) {
            g->pause = REG_GC_OPEN_MAX;
        }

        g->open = g->began + g->pause;
        g->shut = (2 * ms < REG_GC_SHUT_MAX) ? 2 * ms : REG_GC_SHUT_MAX;
    }

    return REG_BUSY;
}


void
reg_gc_unlock(reg_gc_t *g, int lock, size_t things)
{
    int64_t   took;
    unsigned  i;

    if (lock == -1) {
        return;
    }

    g->s->driver->unlock(g->s, lock);

    took = g->us() - g->began;

    if (took < 0) {
        took = 0;
    }

    for (i = 0; i < REG_GC_HELD - 1 && took > reg_gc_bounds[i] * 1000; i++) {
        /* void */
    }

    g->counts.held[i]++;

    if ((uint64_t) took > g->counts.longest) {
        g->counts.longest = (uint64_t) took;
    }

    if (things > 0) {
        g->cost += (took / (int64_t) things - g->cost) / REG_GC_LEARN;
    }

    g->hold = (took >= REG_GC_HOLD_LONG) ? g->hold / 2
                                         : g->hold + g->hold / REG_GC_LEARN;

    if (g->hold < REG_GC_HOLD_MIN) {
        g->hold = REG_GC_HOLD_MIN;
    }

    if (g->hold > REG_GC_HOLD) {
        g->hold = REG_GC_HOLD;
    }
}


int
reg_gc_time(const reg_gc_t *g, size_t things)
{
    return g->us() - g->began + (int64_t) things * g->cost <= g->hold;
}
