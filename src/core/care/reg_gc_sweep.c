
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_gc_private.h"

#include "reg_fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


static reg_rc_t reg_gc_things(reg_gc_t *g, reg_error_t *e);
static reg_rc_t reg_gc_together(reg_gc_t *g, reg_gc_item_t *first,
    reg_error_t *e);
static reg_rc_t reg_gc_look(reg_gc_t *g, reg_gc_item_t *item,
    reg_error_t *e);
static int reg_gc_needed(reg_gc_t *g, reg_gc_item_t *item);
static reg_rc_t reg_gc_decided(reg_gc_t *g, reg_error_t *e);
static reg_rc_t reg_gc_sync_dir(reg_gc_t *g, const char *path,
    reg_error_t *e);


reg_gc_item_t *
reg_gc_item(reg_gc_t *g, reg_gc_what_e what, const reg_path_t *path)
{
    reg_gc_item_t  *item;

    item = &g->batch[g->n++];
    memset(item, 0, offsetof(reg_gc_item_t, d));

    item->what = what;
    item->path = *path;

    return item;
}


reg_rc_t
reg_gc_layer(reg_gc_t *g, const reg_path_t *path, reg_error_t *e)
{
    int             known, leads;
    int64_t         mtime;
    unsigned        dead;
    uint64_t        size;
    reg_rc_t        rc;
    reg_path_t      link;
    reg_digest_t    d, target;
    reg_gc_item_t  *item;

    known = reg_gc_digest(g->parts[0], g->parts[1], &d);

    link = *path;
    memcpy(link.s + link.len, "/link", sizeof("/link"));

    g->counts.calls++;

    rc = reg_link_read(g->s, link.s, &target, e);

    if (rc != REG_OK && rc != REG_ABSENT) {
        return rc;
    }

    leads = (rc == REG_OK);
    g->counts.links += (unsigned) leads;

    if (known && !g->damaged && !reg_marks_has(&g->named, &d)) {

        rc = reg_gc_age(g, path, "/link", &mtime, &dead, &size, e);

        if (rc != REG_OK) {
            return (rc == REG_ABSENT) ? REG_OK : rc;
        }

        if (mtime < g->before) {
            item = reg_gc_item(g, REG_GC_LINK, path);

            item->d = d;
            item->dead = dead;
            item->leads = (unsigned) leads;

            if (leads) {
                item->target = target;
            }

            return REG_OK;
        }
    }

    g->holds = 1;

    /* a link that is damaged still says by its name what it was for */

    rc = known ? reg_gc_mark(g, &d, e) : REG_OK;

    return (rc == REG_OK && leads) ? reg_gc_mark(g, &target, e) : rc;
}


reg_rc_t
reg_gc_blob(reg_gc_t *g, const reg_path_t *path, reg_error_t *e)
{
    int64_t         mtime;
    unsigned        dead;
    uint64_t        size;
    reg_rc_t        rc;
    reg_digest_t    d;
    reg_gc_item_t  *item;

    if (!reg_gc_digest(g->parts[0], g->parts[2], &d)
        || strncmp(g->parts[1], g->parts[2], 2) != 0
        || g->parts[1][2] != '\0')
    {
        return REG_OK;
    }

    g->counts.blobs++;

    if (reg_marks_has(&g->linked, &d)) {
        return REG_OK;
    }

    rc = reg_gc_age(g, path, "/data", &mtime, &dead, &size, e);

    if (rc != REG_OK || mtime >= g->before) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    item = reg_gc_item(g, REG_GC_BLOB, path);

    item->d = d;
    item->dead = dead;
    item->size = size;

    return REG_OK;
}


reg_rc_t
reg_gc_age(reg_gc_t *g, const reg_path_t *path, const char *file,
    int64_t *mtime, unsigned *dead, uint64_t *size, reg_error_t *e)
{
    size_t      len;
    reg_rc_t    rc;
    reg_path_t  p;
    reg_stat_t  st;

    *size = 0;
    *mtime = INT64_MIN;

    len = strlen(file);
    p = *path;
    memcpy(p.s + p.len, file, len + 1);

    g->counts.calls++;

    rc = g->s->driver->stat(g->s, p.s, &st, e);

    *dead = (rc == REG_ABSENT);

    if (rc == REG_OK) {
        *mtime = st.mtime;
        *size = st.dir ? 0 : st.size;

    } else if (rc != REG_ABSENT) {
        return rc;
    }

    /* the lease of a blob is on its directory, that of a link on itself */

    if (*dead || file[1] == 'd') {
        rc = g->s->driver->stat(g->s, path->s, &st, e);

        if (rc != REG_OK) {
            return rc;
        }

        if (st.mtime > *mtime) {
            *mtime = st.mtime;
        }
    }

    return REG_OK;
}


reg_rc_t
reg_gc_sweep(reg_gc_t *g, reg_error_t *e)
{
    int       lock, quiet;
    size_t    i, from, node;
    reg_rc_t  rc;

    rc = reg_gc_lock(g, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    from = g->at;
    quiet = 1;

    rc = reg_care_look(&g->care, e);

    if (rc == REG_OK && g->batch[from].alone) {
        rc = reg_gc_slices_quiet(g, lock, &quiet, e);
    }

    if (rc == REG_OK && quiet) {
        rc = reg_gc_things(g, e);
    }

    reg_gc_unlock(g, lock, g->at - from);

    if (!quiet) {
        reg_gc_slices_again(g);
        return rc;
    }

    for (i = from; i < g->at && rc == REG_OK; i++) {

        /* what was decided is told, and counted, when nobody waits for us */

        if (g->batch[i].alone && g->batch[i].stays) {
            node = g->graph.order[g->batch[i].place].node;
            reg_gc_graph_keep(&g->graph, node);
        }

        g->batch[0] = g->batch[i];
        rc = reg_gc_decided(g, e);
    }

    if (rc == REG_OK && g->at == g->n) {
        g->n = 0;
        g->at = 0;
        g->full = 0;
    }

    return rc;
}


/* Under the lock: a thing or group at least, then as long as there is time. */

static reg_rc_t
reg_gc_things(reg_gc_t *g, reg_error_t *e)
{
    size_t          n, from;
    reg_rc_t        rc;
    reg_gc_item_t  *item;

    for (from = g->at; g->at < g->n; /* void */ ) {
        item = &g->batch[g->at];
        n = (item->group > 1) ? item->group : 1;

        if (g->at > from && !reg_gc_time(g, n)) {
            break;
        }

        if (n > 1) {
            rc = reg_gc_together(g, item, e);

            if (rc != REG_OK) {
                return rc;
            }
        }

        for (/* void */; n > 0; n--) {
            rc = reg_gc_look(g, item, e);

            if (rc != REG_OK) {
                return rc;
            }

            g->at++;
            item++;
        }

        if (item[-1].alone && item[-1].stays) {

            /* what it needs is to be found before anything more goes */

            break;
        }
    }

    return REG_OK;
}


/* Under the lock: when one of a group is needed again, all of it stays. */

static reg_rc_t
reg_gc_together(reg_gc_t *g, reg_gc_item_t *first, reg_error_t *e)
{
    size_t     i;
    int64_t    mtime;
    unsigned   dead;
    uint64_t   size;
    reg_rc_t   rc;

    for (i = 0; i < first->group; i++) {
        rc = reg_gc_age(g, &first[i].path, "/link", &mtime, &dead, &size, e);

        if (rc == REG_OK && mtime >= g->untagged) {
            break;
        }

        if (rc != REG_OK && rc != REG_ABSENT) {
            return rc;
        }
    }

    if (i == first->group) {
        return REG_OK;
    }

    for (i = 0; i < first->group; i++) {
        first[i].stays = 1;
    }

    return REG_OK;
}


/* Under the lock: is it as old as it was?  Then it goes. */

static reg_rc_t
reg_gc_look(reg_gc_t *g, reg_gc_item_t *item, reg_error_t *e)
{
    char       name[REG_FS_UNIQUE];
    int64_t    mtime, before;
    unsigned   dead;
    uint64_t   size;
    reg_rc_t   rc;

    if (item->what == REG_GC_REPOSITORY) {
        reg_gc_hollow_remove(g, item);
        return REG_OK;
    }

    if (item->stays || reg_gc_needed(g, item)) {
        return REG_OK;
    }

    if (item->entry) {
        rc = reg_gc_revision_there(g, &item->d, e);

        if (rc != REG_ABSENT) {
            return rc;
        }
    }

    before = (item->what == REG_GC_MANIFEST) ? g->untagged : g->before;

    rc = reg_gc_age(g, &item->path,
                    (item->what == REG_GC_BLOB) ? "/data" : "/link", &mtime,
                    &dead, &size, e);

    if (rc == REG_ABSENT) {

        /* somebody else was quicker */

        item->dead = 1;
        item->leads = 0;

        return REG_OK;
    }

    if (rc != REG_OK || mtime >= before || (item->dead && !dead)) {
        item->stays = 1;
        return rc;
    }

    if (!g->how->dry) {
        g->counts.calls += 2;
        rc = reg_fs_discard(reg_fs_of(g->s), item->path.s, name, e);
    }

    if (rc == REG_ABSENT) {
        item->dead = 1;
        item->leads = 0;

        return REG_OK;
    }

    item->gone = (rc == REG_OK);

    return rc;
}


/* One of a group that goes in slices: something that stays keeps it. */

static int
reg_gc_needed(reg_gc_t *g, reg_gc_item_t *item)
{
    return item->what == REG_GC_MANIFEST
           && g->graph.nodes[g->graph.order[item->place].node].keep;
}


/* batch[0] was decided. */

static reg_rc_t
reg_gc_decided(reg_gc_t *g, reg_error_t *e)
{
    reg_rc_t        rc;
    reg_gc_item_t  *item;

    item = &g->batch[0];

    if (item->what == REG_GC_REPOSITORY) {

        if (item->gone && item->own) {
            g->counts.empty_gone++;
            reg_gc_tell(g, item->what, item->path.s, 0);
        }

        return REG_OK;
    }

    if (item->gone) {
        g->touched = 1;

        if (item->dead || item->entry) {
            return REG_OK;
        }

        if (item->what == REG_GC_MANIFEST) {
            g->counts.untagged_gone++;
            g->went += item->alone;

        } else if (item->what == REG_GC_BLOB) {
            g->counts.blobs_gone++;
            g->counts.bytes_gone += item->size;

        } else {
            g->counts.links_gone++;
        }

        reg_gc_tell(g, item->what, item->path.s, item->size);

        return REG_OK;
    }

    if (item->what != REG_GC_LINK || item->dead || item->entry) {
        return REG_OK;
    }

    g->holds = 1;

    rc = reg_gc_mark(g, &item->d, e);

    return (rc == REG_OK && item->leads) ? reg_gc_mark(g, &item->target, e)
                                         : rc;
}


/*
 * A link that is gone may come back by a power cut, as long as its directory
 * is not synced, and would lead to a blob that is not there any more.
 */

reg_rc_t
reg_gc_sync(reg_gc_t *g, reg_error_t *e)
{
    unsigned    i, k;
    reg_rc_t    rc;
    reg_path_t  path;

    static const char  *const parts[] = {
        "/_layers", "/_manifests/revisions"
    };

    if (g->how->dry) {
        return REG_OK;
    }

    for (i = 0; i < 2; i++) {
        for (k = 0; k < REG_ALG_N; k++) {
            (void) reg_walk_path(&g->walk, &path, "%s/%s", parts[i],
                                 reg_alg_name((reg_alg_e) k).data);

            rc = reg_gc_sync_dir(g, path.s, e);

            if (rc != REG_OK) {
                return rc;
            }
        }
    }

    return REG_OK;
}


static reg_rc_t
reg_gc_sync_dir(reg_gc_t *g, const char *path, reg_error_t *e)
{
    int          dir, err;
    reg_fs_t    *fs;
    reg_rc_t     rc;
    reg_stat_t   st;

    g->counts.calls++;

    rc = g->s->driver->stat(g->s, path, &st, e);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    if (!g->touched
        && st.ctime < g->care.now - REG_SYNC_AGE * REG_TIME_SECOND)
    {
        return REG_OK;
    }

    fs = reg_fs_of(g->s);
    dir = reg_fs_opendir(fs, fs->root, path);

    if (dir == -1) {
        rc = reg_fs_fail(e, errno, "open", path);
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    err = (reg_fs_sync_entries(fs, dir) == -1) ? errno : 0;
    (void) close(dir);

    return (err == 0) ? REG_OK : reg_error_sys(e, err, "fsync", path);
}
