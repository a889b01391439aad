
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_gc_private.h"

#include "reg_repo.h"

#include <stdio.h>
#include <string.h>


static reg_rc_t reg_gc_dead(reg_gc_t *g, const reg_path_t *path,
    reg_error_t *e);
static reg_rc_t reg_gc_node(reg_gc_t *g, const reg_path_t *link,
    const reg_digest_t *d, int known, reg_error_t *e);
static reg_rc_t reg_gc_manifest(reg_gc_t *g, const reg_path_t *path,
    const reg_digest_t *d, const reg_digest_t *target, reg_error_t *e);
static int reg_gc_names(reg_gc_t *g, const reg_digest_t *d,
    const reg_manifest_t *m);
static void reg_gc_damage(reg_gc_t *g, const char *path);


reg_rc_t
reg_gc_revision(reg_gc_t *g, const reg_path_t *path, reg_error_t *e)
{
    int           known;
    reg_rc_t      rc;
    reg_path_t    link;
    reg_stat_t    st;
    reg_digest_t  d, target;

    known = reg_gc_digest(g->parts[0], g->parts[1], &d);

    link = *path;
    memcpy(link.s + link.len, "/link", sizeof("/link"));

    g->counts.calls++;

    rc = reg_link_read(g->s, link.s, &target, e);

    if (rc == REG_ABSENT) {
        rc = g->s->driver->stat(g->s, link.s, &st, e);

        if (rc == REG_ABSENT) {
            return known ? reg_gc_dead(g, path, e) : REG_OK;
        }

        /* empty after a power cut, or whatever: its name tells as much */

        if (rc == REG_OK && !known) {
            reg_gc_damage(g, link.s);
            return REG_OK;
        }

        target = d;
    }

    if (rc != REG_OK) {
        return rc;
    }

    g->counts.manifests++;
    g->holds = 1;

    rc = reg_gc_mark(g, &target, e);

    if (rc == REG_OK && known) {
        rc = reg_gc_mark(g, &d, e);
    }

    if (!known) {
        d = target;
    }

    if (rc == REG_OK && g->how->untagged >= 0) {
        rc = reg_gc_node(g, &link, &d, known, e);
    }

    return (rc == REG_OK) ? reg_gc_manifest(g, &link, &d, &target, e) : rc;
}


/* What is young, or has a name that we do not know, is kept. */

static reg_rc_t
reg_gc_node(reg_gc_t *g, const reg_path_t *link, const reg_digest_t *d,
    int known, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_stat_t  st;

    rc = g->s->driver->stat(g->s, link->s, &st, e);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    return (reg_gc_graph_add(&g->graph, d,
                             !known || st.mtime >= g->untagged)
            == 0)
           ? REG_OK : reg_error_set(e, REG_NO_MEMORY, NULL);
}


/* A revision that was deleted: other registries leave its directory. */

static reg_rc_t
reg_gc_dead(reg_gc_t *g, const reg_path_t *path, reg_error_t *e)
{
    int64_t         mtime;
    reg_rc_t        rc;
    unsigned        dead;
    uint64_t        size;
    reg_gc_item_t  *item;

    rc = reg_gc_age(g, path, "/link", &mtime, &dead, &size, e);

    if (rc != REG_OK || !dead || mtime >= g->before) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    item = reg_gc_item(g, REG_GC_LINK, path);
    item->dead = 1;

    return REG_OK;
}


/* Notes all that a manifest names. */

static reg_rc_t
reg_gc_manifest(reg_gc_t *g, const reg_path_t *path,
    const reg_digest_t *d, const reg_digest_t *target, reg_error_t *e)
{
    reg_rc_t        rc;
    reg_path_t      blob;
    reg_digest_t    got;
    reg_manifest_t  m;

    reg_buf_reset(&g->body);
    reg_layout_blob(&blob, target);

    g->counts.calls++;

    rc = g->s->driver->read(g->s, blob.s, REG_MANIFEST_READ_MAX, &g->body, e);

    if (rc != REG_OK && rc != REG_ABSENT) {
        return rc;
    }

    g->counts.read += g->body.len;

    reg_digest_of(&got, target->alg, g->body.data, g->body.len);

    if (rc == REG_ABSENT || !reg_digest_eq(&got, target)) {
        reg_gc_damage(g, path->s);
        return REG_OK;
    }

    rc = reg_manifest_read(&m, g->body.data, g->body.len, NULL);

    if (rc == REG_NO_MEMORY) {
        return reg_error_set(e, rc, NULL);
    }

    if (rc != REG_OK || m.unread) {

        /* what it refers to but does not tell would be garbage to us */

        if (rc == REG_OK) {
            reg_manifest_free(&m);
        }

        reg_gc_damage(g, path->s);
        return REG_OK;
    }

    if (reg_gc_names(g, d, &m) == -1) {
        rc = reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    reg_manifest_free(&m);

    return rc;
}


static int
reg_gc_names(reg_gc_t *g, const reg_digest_t *d, const reg_manifest_t *m)
{
    size_t  i;

    for (i = 0; i < m->nrefs; i++) {
        if (reg_marks_add(&g->named, &m->refs[i].digest) == -1
            || (g->how->untagged >= 0
                && reg_gc_graph_child(&g->graph, d, &m->refs[i].digest)
                   == -1))
        {
            return -1;
        }
    }

    return (m->has_subject && g->how->untagged >= 0)
           ? reg_gc_graph_subject(&g->graph, d, &m->subject) : 0;
}


static void
reg_gc_damage(reg_gc_t *g, const char *path)
{
    g->damaged = 1;
    g->holds = 1;
    g->counts.damaged++;

    reg_gc_tell(g, REG_GC_DAMAGED, path, 0);
}
