
/*
 * Repositories that hold nothing, and directories in which one has stood.
 *
 * First it is looked, without the lock and one directory at a step, whether
 * there is nothing but directories, none of them young.  Then these are
 * removed, what is deepest first, each as long as it is empty, in batches under
 * the lock, which whoever puts something into one of them shares.  Only the
 * beginning of an upload needs no lock, and makes anew what it misses.  The
 * first one that is not empty any more ends it: somebody has use for the
 * repository, and what went of it by then is made again when it is needed.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_gc_private.h"

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>


static void reg_gc_hollow_next(reg_gc_t *g);
static void reg_gc_hollow_own(reg_gc_t *g);
static void reg_gc_hollow_enter(reg_gc_t *g, const reg_path_t *path,
    const char *name);
static void reg_gc_hollow_put(reg_gc_t *g, const reg_path_t *path,
    unsigned own, unsigned file);
static void reg_gc_hollow_used(reg_gc_t *g);
static int reg_gc_hollow_parts(reg_gc_t *g);


#define REG_GC_PARTS  4

/* in the order in which they go; uploads first, for they need no lock */
static const char  *const reg_gc_parts[REG_GC_PARTS] = {
    "/_uploads", "/_referrers", "/_manifests", "/_layers"
};


void
reg_gc_empty(reg_gc_t *g)
{
    reg_path_t        path;
    reg_gc_hollow_t  *h;

    h = &g->hollow;

    if (g->holds) {
        reg_gc_hollow_used(g);

    } else if (h->depth > 0) {
        reg_gc_hollow_next(g);

    } else if (h->part == REG_GC_PARTS) {
        reg_gc_hollow_own(g);

    } else {
        (void) reg_walk_path(&g->walk, &path, "%s", reg_gc_parts[h->part++]);
        reg_gc_hollow_enter(g, &path, "");
    }
}


/* One entry of the directory in hand. */

static void
reg_gc_hollow_next(reg_gc_t *g)
{
    int               n;
    size_t            room;
    reg_path_t        path;
    const char       *name;
    reg_gc_hollow_t  *h;

    h = &g->hollow;

    path = h->path;
    path.len = h->ends[h->depth - 1];
    path.s[path.len] = '\0';

    name = reg_list_next(&h->lists[h->depth - 1]);

    if (name == NULL) {
        h->depth--;

        if (h->prune) {
            reg_gc_hollow_put(g, &path, 0, 0);
        }

        return;
    }

    room = sizeof(path.s) - path.len;
    n = snprintf(path.s + path.len, room, "/%s", name);

    if (n < 0 || (size_t) n >= room) {
        reg_gc_hollow_used(g);
        return;
    }

    path.len += (size_t) n;

    reg_gc_hollow_enter(g, &path, name);
}


/* Its own directory is the last one. */

static void
reg_gc_hollow_own(reg_gc_t *g)
{
    reg_path_t        path;
    reg_stat_t        st;
    reg_gc_hollow_t  *h;

    h = &g->hollow;

    (void) reg_walk_path(&g->walk, &path, "%s", "");

    if (h->prune) {
        reg_gc_hollow_put(g, &path, 1, 0);
        g->full = 1;
        g->state = REG_GC_WALK;

        return;
    }

    g->counts.calls++;

    if (g->s->driver->stat(g->s, path.s, &st, NULL) != REG_OK
        || st.mtime >= g->before)
    {
        reg_gc_hollow_used(g);
        return;
    }

    if (g->how->dry) {
        g->counts.empty_gone++;
        reg_gc_tell(g, REG_GC_REPOSITORY, path.s, 0);
        g->state = REG_GC_WALK;

        return;
    }

    h->part = 0;
    h->prune = 1;
}


/* What is there: a directory, or something that keeps it. */

static void
reg_gc_hollow_enter(reg_gc_t *g, const reg_path_t *path, const char *name)
{
    reg_rc_t          rc;
    reg_stat_t        st;
    reg_gc_hollow_t  *h;

    h = &g->hollow;
    g->counts.calls++;

    rc = g->s->driver->stat(g->s, path->s, &st, NULL);

    if (rc == REG_OK && !st.dir) {

        /* the mark of the referrers says nothing without them */

        if (h->depth != 1 || strcmp(name, "scanned") != 0
            || strcmp(reg_gc_parts[h->part - 1], "/_referrers") != 0)
        {
            reg_gc_hollow_used(g);

        } else if (h->prune) {
            reg_gc_hollow_put(g, path, 0, 1);
        }

        return;
    }

    /* what has become young since the first look is our own work */

    if (rc == REG_OK
        && ((!h->prune && st.mtime >= g->before)
            || h->depth == REG_GC_HOLLOW))
    {
        reg_gc_hollow_used(g);
        return;
    }

    if (rc == REG_OK) {
        g->counts.calls++;

        rc = reg_list_read(&h->lists[h->depth], g->s, path->s, 1, NULL);
    }

    if (rc == REG_OK) {
        h->path = *path;
        h->ends[h->depth++] = path->len;

    } else if (rc != REG_ABSENT) {
        reg_gc_hollow_used(g);
    }
}


static void
reg_gc_hollow_put(reg_gc_t *g, const reg_path_t *path, unsigned own,
    unsigned file)
{
    reg_gc_item_t  *item;

    item = reg_gc_item(g, REG_GC_REPOSITORY, path);

    item->own = own;
    item->file = file;

    g->full = (g->n == REG_GC_BATCH);
}


static void
reg_gc_hollow_used(reg_gc_t *g)
{
    g->holds = 1;
    g->n = 0;
    g->state = REG_GC_WALK;
}


void
reg_gc_hollow_clear(reg_gc_t *g)
{
    g->hollow.depth = 0;
    g->hollow.part = 0;
    g->hollow.prune = 0;
}


void
reg_gc_hollow_remove(reg_gc_t *g, reg_gc_item_t *item)
{
    int  rc;

    if (g->holds) {
        return;
    }

    g->counts.calls++;

    rc = unlinkat(reg_fs_of(g->s)->root, item->path.s,
                  item->file ? 0 : AT_REMOVEDIR);

    if (rc == 0 || errno == ENOENT) {
        item->gone = 1;

    } else if (item->own && !reg_gc_hollow_parts(g)) {

        /* others stand in it: then it is a part of their name, no more */

        item->gone = 1;

    } else {
        g->holds = 1;
    }
}


/* 1 when it has been made anew. */

static int
reg_gc_hollow_parts(reg_gc_t *g)
{
    unsigned    i;
    reg_path_t  path;
    reg_stat_t  st;

    for (i = 0; i < REG_GC_PARTS; i++) {
        (void) reg_walk_path(&g->walk, &path, "%s", reg_gc_parts[i]);

        if (g->s->driver->stat(g->s, path.s, &st, NULL) != REG_ABSENT) {
            return 1;
        }
    }

    return 0;
}


/*
 * What stood above a repository that went, or its own directory, where somebody
 * was killed before it: it holds nothing, and is nothing.  Whoever makes
 * another in it makes it anew, as after a delete.
 */

void
reg_gc_bare(reg_gc_t *g)
{
    reg_path_t  path;
    reg_stat_t  st;

    if (!g->how->empty || g->how->dry || g->walk.depth < 2
        || g->walk.levels[g->walk.depth - 1]->len > 0)
    {
        return;
    }

    (void) reg_walk_path(&g->walk, &path, "%s", "");

    if (g->s->driver->stat(g->s, path.s, &st, NULL) == REG_OK
        && st.mtime < g->before)
    {
        (void) unlinkat(reg_fs_of(g->s)->root, path.s, AT_REMOVEDIR);
    }
}
