
/*
 * Manifests without a tag, as far as they are not kept by others, and what is
 * left in a repository of manifests that are gone.
 *
 * A push of the manifest, of one that names it or has it as its subject, a tag
 * that is put on it or taken off renew its link, by which it is seen under the
 * lock that somebody needs it again.  It is the link of one manifest; what this
 * one names, and what has it as its subject, is to stay with it.
 *
 * Those that are connected go under one lock, and none of them if one is young,
 * as long as they are few.  More than REG_GC_TOGETHER go in slices, each with
 * the proof that none of all has become young since they were looked at, see
 * reg_gc_slices.c; one that has keeps all that it leads to and that is there.
 * The order is that of reg_gc_graph_group().  So whoever pushes between two
 * slices, or kills us there, meets no manifest without what it names; nor does
 * who cuts the power, since a slice is on the disk before what it names goes.
 * What went before somebody asked for the rest was gone when he was answered: a
 * referrer may have lost its subject then, as if that had been deleted.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_gc_private.h"

#include <errno.h>
#include <string.h>


static reg_rc_t reg_gc_order(reg_gc_t *g, reg_error_t *e);
static size_t reg_gc_group(const reg_gc_t *g);
static reg_rc_t reg_gc_put(reg_gc_t *g, size_t n, reg_error_t *e);


reg_rc_t
reg_gc_tag(reg_gc_t *g, const reg_path_t *path, reg_error_t *e)
{
    reg_rc_t      rc;
    reg_path_t    link;
    reg_stat_t    st;
    reg_digest_t  d;

    g->counts.calls++;

    link = *path;

    if (link.len + sizeof("/current/link") > sizeof(link.s)) {
        return reg_error_sys(e, ENAMETOOLONG, "open", path->s);
    }

    memcpy(link.s + link.len, "/current/link", sizeof("/current/link"));

    rc = reg_link_read(g->s, link.s, &d, e);

    if (rc == REG_OK) {
        g->holds = 1;
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
        g->holds = 1;
    }

    return rc;
}


/* The tags are known: fills the batch. */

reg_rc_t
reg_gc_untagged(reg_gc_t *g, reg_error_t *e)
{
    size_t          n;
    reg_rc_t        rc;
    reg_gc_node_t  *node;

    if (!g->ordered) {
        return reg_gc_order(g, e);
    }

    if (g->looked < g->end) {
        return reg_gc_slices_look(g, e);
    }

    rc = REG_OK;

    while (rc == REG_OK && g->place < g->graph.norder) {
        node = &g->graph.nodes[g->graph.order[g->place].node];
        n = (g->place < g->end) ? 1 : reg_gc_group(g);

        if (n > REG_GC_TOGETHER
            || (n > 1 && (int64_t) n * g->cost > g->hold))
        {
            if (g->n > 0) {
                break;
            }

            reg_gc_slices_begin(g, n);
            return REG_OK;
        }

        if (g->n + n > REG_GC_BATCH) {
            break;
        }

        if (g->place < g->end && node->keep) {
            g->place++;
            continue;
        }

        if (g->place < g->end && node->after > g->synced) {

            /* what names it is to be gone, from the disk too */

            if (g->n > 0) {
                break;
            }

            g->synced = g->graph.order[g->place].rank;
            rc = reg_gc_sync(g, e);
            continue;
        }

        rc = reg_gc_put(g, n, e);
    }

    g->full = (g->n > 0);

    if (rc == REG_OK && g->n == 0) {
        g->state = REG_GC_LAYERS;
        reg_gc_graph_free(&g->graph);
    }

    return rc;
}


static reg_rc_t
reg_gc_order(reg_gc_t *g, reg_error_t *e)
{
    g->ordered = 1;
    g->place = 0;
    g->end = 0;
    g->looked = 0;

    if (g->damaged || g->unsure) {
        return REG_OK;
    }

    return (reg_gc_graph_reach(&g->graph) == 0
            && reg_gc_graph_group(&g->graph) == 0)
           ? REG_OK : reg_error_set(e, REG_NO_MEMORY, NULL);
}


/* How many are in the group that begins with the place in hand. */

static size_t
reg_gc_group(const reg_gc_t *g)
{
    size_t                 i;
    const reg_gc_place_t  *order;

    order = g->graph.order;

    for (i = g->place + 1; i < g->graph.norder; i++) {
        if (order[i].group != order[g->place].group) {
            break;
        }
    }

    return i - g->place;
}


/* The next n go together, or the next one is of a group that does not. */

static reg_rc_t
reg_gc_put(reg_gc_t *g, size_t n, reg_error_t *e)
{
    size_t          i, node;
    reg_rc_t        rc;
    reg_path_t      path;
    reg_gc_item_t  *item;

    for (i = 0; i < n; i++) {
        node = g->graph.order[g->place].node;
        rc = reg_gc_node_path(g, node, &path, e);

        if (rc != REG_OK) {
            return rc;
        }

        item = reg_gc_item(g, REG_GC_MANIFEST, &path);

        item->d = g->graph.nodes[node].d;
        item->place = g->place;
        item->group = (i == 0) ? n : 0;
        item->alone = (g->place < g->end);

        g->place++;
    }

    return REG_OK;
}


reg_rc_t
reg_gc_node_path(const reg_gc_t *g, size_t node, reg_path_t *path,
    reg_error_t *e)
{
    const reg_digest_t  *d;

    d = &g->graph.nodes[node].d;

    return (reg_walk_path(&g->walk, path, "/_manifests/revisions/%s/%s",
                          reg_alg_name(d->alg).data, reg_digest_hex(d))
            == -1)
           ? reg_error_sys(e, ENAMETOOLONG, "open", g->walk.name.s) : REG_OK;
}


/*
 * <alg>/<hex> at the end: an entry that is for a manifest of that digest.  It
 * stays with the directory of that, in which another registry may put it back
 * without anybody noticing.
 */

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

    if (reg_walk_path(&g->walk, &path, "/_manifests/revisions/%s/%s",
                      reg_alg_name(d->alg).data, reg_digest_hex(d))
        == -1)
    {
        return reg_error_sys(e, ENAMETOOLONG, "open", g->walk.name.s);
    }

    return g->s->driver->stat(g->s, path.s, &st, e);
}
