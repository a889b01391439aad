
/*
 * Groups of manifests that are too large for one lock.
 *
 * That a repository is quiet is noted under the lock, see reg_quiet.h; then,
 * while others go on, all of the group that are there are looked at, and those
 * that are young keep what they lead to, as always.  The rest goes, slice by
 * slice, as long as the note is found under the lock of each: then what was
 * seen is still so.  Otherwise nothing more goes before all of them were looked
 * at once more, those in front of our place, too, which somebody may have
 * pushed again.  A repository that is never quiet for as long as that takes
 * keeps what is left until the next collection.
 */

#include "reg_gc_private.h"

#include "reg_quiet.h"


static reg_rc_t reg_gc_slices_note(reg_gc_t *g, reg_error_t *e);
static reg_rc_t reg_gc_slices_one(reg_gc_t *g, size_t node, reg_error_t *e);
static void reg_gc_slices_leave(reg_gc_t *g);
static reg_str_t reg_gc_slices_name(const reg_gc_t *g);


void
reg_gc_slices_begin(reg_gc_t *g, size_t n)
{
    g->first = g->place;
    g->end = g->place + n;
    g->looked = g->first;
    g->noted = 0;
    g->went = 0;
    g->vain = 0;
    g->synced = 0;
}


reg_rc_t
reg_gc_slices_look(reg_gc_t *g, reg_error_t *e)
{
    size_t    n, node;
    reg_rc_t  rc;

    if (!g->noted) {
        return reg_gc_slices_note(g, e);
    }

    for (n = 0; n < REG_GC_SCAN && g->looked < g->end; g->looked++) {
        node = g->graph.order[g->looked].node;

        if (g->graph.nodes[node].keep) {
            continue;
        }

        rc = reg_gc_slices_one(g, node, e);

        if (rc != REG_OK) {
            return rc;
        }

        n++;
    }

    return REG_OK;
}


static reg_rc_t
reg_gc_slices_note(reg_gc_t *g, reg_error_t *e)
{
    int          lock;
    reg_rc_t     rc;
    reg_error_t  why;

    rc = reg_gc_lock(g, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_error_clear(&why);

    if (lock != -1) {
        rc = reg_quiet_begin(g->s, lock, reg_gc_slices_name(g), &why);
    }

    reg_gc_unlock(g, lock, 0);

    g->noted = 1;

    if (rc == REG_NO_SPACE) {

        /* what makes room must go on; smaller things do */

        reg_gc_slices_leave(g);
        return REG_OK;
    }

    if (rc != REG_OK && e != NULL) {
        *e = why;
    }

    return rc;
}


static reg_rc_t
reg_gc_slices_one(reg_gc_t *g, size_t node, reg_error_t *e)
{
    int64_t     mtime;
    unsigned    dead;
    uint64_t    size;
    reg_rc_t    rc;
    reg_path_t  path;

    rc = reg_gc_node_path(g, node, &path, e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_gc_age(g, &path, "/link", &mtime, &dead, &size, e);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    if (mtime >= g->untagged) {
        reg_gc_graph_keep(&g->graph, node);
    }

    return REG_OK;
}


reg_rc_t
reg_gc_slices_quiet(reg_gc_t *g, int lock, int *quiet, reg_error_t *e)
{
    *quiet = 1;

    /* who only tells takes no lock */

    return (lock == -1)
           ? REG_OK : reg_quiet_look(lock, reg_gc_slices_name(g), quiet, e);
}


void
reg_gc_slices_again(reg_gc_t *g)
{
    g->vain = (g->went * REG_GC_SCANS < g->end - g->first) ? g->vain + 1 : 0;

    g->place = g->batch[g->at].place;
    g->looked = g->first;
    g->noted = 0;
    g->went = 0;

    g->n = 0;
    g->at = 0;
    g->full = 0;

    if (g->vain == REG_GC_SCANS) {
        reg_gc_slices_leave(g);
    }
}


/* What is left of them stays for this time. */

static void
reg_gc_slices_leave(reg_gc_t *g)
{
    g->place = g->end;
    g->looked = g->end;
}


static reg_str_t
reg_gc_slices_name(const reg_gc_t *g)
{
    reg_str_t  name;

    name.data = g->walk.name.s;
    name.len = g->walk.name.len;

    return name;
}
