
/*
 * The store's lock, as the collector takes it: others are never made to wait
 * for long.  First it is only seen whether the lock is free; then new ones are
 * held up, for a time that grows, so that who has it can come to an end.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_gc_private.h"

#include "reg_fs.h"


/* attempts at the lock before anybody is held up for it, in steps */
#define REG_GC_TRIES      20

/* ms that new ones are held up then, doubled at every so many attempts */
#define REG_GC_DOOR       10
#define REG_GC_DOOR_MAX   2000
#define REG_GC_DOUBLE     5

/* the part of what was learnt that one time changes */
#define REG_GC_LEARN      8


static const unsigned  reg_gc_bounds[REG_GC_HELD] = {
    1, 2, 5, 10, 20, 50, 100, 0
};


unsigned
reg_gc_held_ms(unsigned i)
{
    return reg_gc_bounds[i];
}


reg_rc_t
reg_gc_lock(reg_gc_t *g, int *lock, reg_error_t *e)
{
    unsigned  i, ms;
    reg_rc_t  rc;

    *lock = -1;
    g->began = g->us();

    if (g->how->dry) {
        return REG_OK;
    }

    ms = 0;

    if (g->tries >= REG_GC_TRIES) {
        ms = REG_GC_DOOR;

        for (i = REG_GC_TRIES; i < g->tries && ms < REG_GC_DOOR_MAX;
             i += REG_GC_DOUBLE)
        {
            ms *= 2;
        }
    }

    rc = reg_fs_lock_try(g->s, ms, lock, e);

    g->began = g->us();

    if (rc == REG_ABSENT) {
        g->tries++;
        return REG_BUSY;
    }

    g->tries = 0;
    g->counts.locked += (rc == REG_OK);

    return rc;
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
