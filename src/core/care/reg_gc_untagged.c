
/*
 * Manifests without a tag, as far as they are not kept by others, and what is
 * left in a repository of manifests that are gone.
 *
 * A push of the manifest, of one that names it or has it as its subject, a tag
 * that is put on it or taken off renew its link, by which it is seen under the
 * lock that somebody needs it again.  It is the link of one manifest; what this
 * one names, and what has it as its subject, is to stay with it.  So all that
 * are connected go under one lock, and none of them if one is young.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_gc_private.h"

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>


/* directories in an empty repository; one that has more is not empty */
#define REG_GC_EMPTY_DIRS  200


static size_t reg_gc_group(const reg_gc_t *g);
static int reg_gc_empty_dir(reg_gc_t *g, const char *path, unsigned *budget);
static int reg_gc_prune(reg_gc_t *g, const char *path);


reg_rc_t
reg_gc_tag(reg_gc_t *g, const reg_path_t *path, reg_error_t *e)
{
    reg_rc_t      rc;
    reg_path_t    link;
    reg_stat_t    st;
    reg_digest_t  d;

    g->holds = 1;
    g->counts.calls++;

    link = *path;

    if (link.len + sizeof("/current/link") > sizeof(link.s)) {
        return reg_error_sys(e, ENAMETOOLONG, "open", path->s);
    }

    memcpy(link.s + link.len, "/current/link", sizeof("/current/link"));

    rc = reg_link_read(g->s, link.s, &d, e);

    if (rc == REG_OK) {
        reg_gc_graph_tag(&g->graph, &d);
        return REG_OK;
    }

    if (rc == REG_ABSENT) {
        rc = g->s->driver->stat(g->s, link.s, &st, e);

        if (rc == REG_ABSENT) {
            return REG_OK;
        }

        /* a tag that cannot be read is on who knows what */

        g->unsure = 1;
    }

    return rc;
}


/* The tags are known: fills the batch. */

reg_rc_t
reg_gc_untagged(reg_gc_t *g, reg_error_t *e)
{
    size_t          n;
    reg_path_t      path;
    reg_gc_item_t  *item;
    reg_gc_node_t  *node;

    if (g->node == 0) {
        if (g->damaged || g->unsure) {
            g->node = g->graph.n;

        } else if (reg_gc_graph_reach(&g->graph) == -1) {
            return reg_error_set(e, REG_NO_MEMORY, NULL);

        } else {
            reg_gc_graph_group(&g->graph);
        }
    }

    for (/* void */; g->node < g->graph.n; g->node++) {
        node = &g->graph.nodes[g->node];

        if (node->keep) {
            g->node = g->graph.n;
            break;
        }

        n = reg_gc_group(g);

        if (n > 0) {
            if (g->n > 0 && g->n + n > REG_GC_BATCH) {
                break;
            }

            if (reg_gc_room(g, n) == -1) {
                return reg_error_set(e, REG_NO_MEMORY, NULL);
            }
        }

        if (reg_walk_path(&g->walk, &path, "/_manifests/revisions/%s/%s",
                          reg_alg_name(node->d.alg).data,
                          reg_digest_hex(&node->d))
            == -1)
        {
            return reg_error_sys(e, ENAMETOOLONG, "open", g->walk.name.s);
        }

        item = reg_gc_item(g, REG_GC_MANIFEST, &path);

        item->d = node->d;
        item->group = n;
        item->with = (n == 0);
    }

    g->full = (g->n > 0);

    if (g->node >= g->graph.n) {
        g->state = REG_GC_LAYERS;
        reg_gc_graph_free(&g->graph);
    }

    return REG_OK;
}


/* How many are in the group that begins with the node in hand, or 0. */

static size_t
reg_gc_group(const reg_gc_t *g)
{
    size_t                i;
    const reg_gc_node_t  *nodes;

    nodes = g->graph.nodes;

    if (g->node > 0 && nodes[g->node - 1].group == nodes[g->node].group) {
        return 0;
    }

    for (i = g->node + 1; i < g->graph.n; i++) {
        if (nodes[i].keep || nodes[i].group != nodes[g->node].group) {
            break;
        }
    }

    return i - g->node;
}


/* <alg>/<hex> at the end: an entry that is for a manifest of that digest. */

reg_rc_t
reg_gc_entry(reg_gc_t *g, const reg_path_t *path, reg_error_t *e)
{
    int64_t         mtime;
    unsigned        dead;
    uint64_t        size;
    reg_rc_t        rc;
    reg_digest_t    d;
    reg_gc_item_t  *item;

    if (!reg_gc_digest(g->parts[2], g->parts[3], &d)) {
        return REG_OK;
    }

    rc = reg_gc_revision_there(g, &d, e);

    if (rc != REG_ABSENT) {
        return rc;
    }

    rc = reg_gc_age(g, path, "/link", &mtime, &dead, &size, e);

    if (rc != REG_OK || mtime >= g->before) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    item = reg_gc_item(g, REG_GC_LINK, path);
    item->entry = 1;
    item->d = d;

    return REG_OK;
}


reg_rc_t
reg_gc_revision_there(reg_gc_t *g, const reg_digest_t *d, reg_error_t *e)
{
    reg_path_t  path;
    reg_stat_t  st;

    g->counts.calls++;

    if (reg_walk_path(&g->walk, &path, "/_manifests/revisions/%s/%s/link",
                      reg_alg_name(d->alg).data, reg_digest_hex(d))
        == -1)
    {
        return reg_error_sys(e, ENAMETOOLONG, "open", g->walk.name.s);
    }

    return g->s->driver->stat(g->s, path.s, &st, e);
}


/*
 * Only directories are removed, each as long as it is empty, that of uploads
 * first: the beginning of one is what needs no lock, and makes anew what it
 * misses.
 */

reg_rc_t
reg_gc_empty(reg_gc_t *g, reg_error_t *e)
{
    int         lock, empty;
    reg_rc_t    rc;
    unsigned    i, budget;
    reg_stat_t  st;
    reg_path_t  path;

    static const char  *const parts[] = {
        "/_uploads", "/_referrers", "/_manifests", "/_layers", ""
    };

    (void) reg_walk_path(&g->walk, &path, "%s", "");

    rc = reg_gc_lock(g, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    g->state = REG_GC_WALK;
    budget = REG_GC_EMPTY_DIRS;
    empty = 1;

    for (i = 0; i < 5 && empty; i++) {
        (void) reg_walk_path(&g->walk, &path, "%s", parts[i]);

        rc = g->s->driver->stat(g->s, path.s, &st, e);

        if (rc == REG_OK) {
            empty = (st.mtime < g->before
                     && (i == 4 || reg_gc_empty_dir(g, path.s, &budget)));

        } else if (rc != REG_ABSENT) {
            empty = 0;
        }
    }

    for (i = 0; i < 4 && empty && !g->how->dry; i++) {
        (void) reg_walk_path(&g->walk, &path, "%s", parts[i]);

        empty = (reg_gc_prune(g, path.s) == 0);
    }

    (void) reg_walk_path(&g->walk, &path, "%s", "");

    if (empty && !g->how->dry) {

        /* others may stand in it: then it is a part of their name, no more */

        (void) unlinkat(reg_fs_of(g->s)->root, path.s, AT_REMOVEDIR);
    }

    if (lock != -1) {
        g->s->driver->unlock(g->s, lock);
    }

    if (empty) {
        g->counts.empty_gone++;
        reg_gc_tell(g, REG_GC_REPOSITORY, path.s, 0);
    }

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


/* 1 when there is nothing but directories, and the mark of the referrers. */

static int
reg_gc_empty_dir(reg_gc_t *g, const char *path, unsigned *budget)
{
    int                n, empty;
    char               below[REG_PATH_MAX];
    const char        *name;
    reg_stat_t         st;
    reg_names_list_t   list;

    if (*budget == 0) {
        return 0;
    }

    (*budget)--;
    memset(&list, 0, sizeof(list));

    empty = (reg_list_read(&list, g->s, path, 1, NULL) == REG_OK);

    while (empty && (name = reg_list_next(&list)) != NULL) {
        n = snprintf(below, sizeof(below), "%s/%s", path, name);

        empty = (n > 0 && n < (int) sizeof(below)
                 && (strcmp(name, "scanned") == 0
                     || (g->s->driver->stat(g->s, below, &st, NULL) == REG_OK
                         && st.dir && st.mtime < g->before
                         && reg_gc_empty_dir(g, below, budget))));
    }

    reg_list_free(&list);

    return empty;
}


/* 0 when the directory is gone. */

static int
reg_gc_prune(reg_gc_t *g, const char *path)
{
    int                n, rc;
    char               below[REG_PATH_MAX];
    reg_fs_t          *fs;
    const char        *name;
    reg_names_list_t   list;

    fs = reg_fs_of(g->s);
    rc = 0;
    memset(&list, 0, sizeof(list));

    if (reg_list_read(&list, g->s, path, 1, NULL) != REG_OK) {
        return 0;
    }

    while (rc == 0 && (name = reg_list_next(&list)) != NULL) {
        n = snprintf(below, sizeof(below), "%s/%s", path, name);

        if (n < 0 || n >= (int) sizeof(below)) {
            rc = -1;

        } else if (strcmp(name, "scanned") == 0) {
            rc = unlinkat(fs->root, below, 0);

        } else {
            rc = reg_gc_prune(g, below);
        }
    }

    reg_list_free(&list);

    return (rc == 0) ? unlinkat(fs->root, path, AT_REMOVEDIR) : rc;
}
