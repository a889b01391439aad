
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_gc_private.h"

#include "reg_fs.h"
#include "reg_lease.h"
#include "reg_repo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* files freed at a step */
#define REG_GC_FREES   8


static reg_rc_t reg_gc_start(reg_gc_t *g, reg_error_t *e);
static reg_rc_t reg_gc_repository(reg_gc_t *g, reg_error_t *e);
static reg_rc_t reg_gc_part(reg_gc_t *g, const char *part, unsigned levels,
    reg_gc_state_e then, reg_rc_t (*look)(reg_gc_t *g,
                                          const reg_path_t *path,
                                          reg_error_t *e),
    reg_error_t *e);
static reg_rc_t reg_gc_blobs(reg_gc_t *g, reg_error_t *e);
static reg_rc_t reg_gc_trash(reg_gc_t *g, reg_error_t *e);


reg_rc_t
reg_gc_begin(reg_gc_t **out, reg_store_t *s, const reg_gc_how_t *how,
    reg_error_t *e)
{
    reg_rc_t   rc;
    reg_gc_t  *g;

    g = calloc(1, sizeof(reg_gc_t));

    if (g == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    g->s = s;
    g->how = how;
    g->care.fd = -1;
    g->care.steady = how->steady;
    g->care.dry = how->dry;
    g->us = (how->us != NULL) ? how->us : reg_care_us;
    g->hold = REG_GC_HOLD;
    g->batch = calloc(REG_GC_BATCH, sizeof(reg_gc_item_t));

    reg_buf_init(&g->body, REG_MANIFEST_READ_MAX + 1);

    if (g->batch == NULL) {
        rc = reg_error_set(e, REG_NO_MEMORY, NULL);

    } else if (reg_marks_seed(&g->linked) == -1
               || reg_marks_seed(&g->named) == -1)
    {
        rc = reg_error_sys(e, errno, "getrandom", NULL);

    } else {
        rc = reg_care_begin(&g->care, s, REG_GC_LOCK, e);
    }

    if (rc != REG_OK) {
        reg_gc_end(g);
        return rc;
    }

    *out = g;

    return REG_OK;
}


void
reg_gc_end(reg_gc_t *g)
{
    unsigned  i;

    if (g == NULL) {
        return;
    }

    for (i = 0; i < REG_GC_LEVELS; i++) {
        reg_list_free(&g->lists[i]);
    }

    for (i = 0; i < REG_GC_HOLLOW; i++) {
        reg_list_free(&g->hollow.lists[i]);
    }

    if (g->state == REG_GC_DONE) {
        reg_care_done(&g->care);
    }

    reg_walk_free(&g->walk);
    reg_care_end(&g->care);
    reg_buf_free(&g->body);
    reg_gc_graph_free(&g->graph);

    free(g->linked.slots);
    free(g->named.slots);
    free(g->batch);
    free(g);
}


int
reg_gc_done(const reg_gc_t *g)
{
    return g->state == REG_GC_DONE;
}


const reg_gc_counts_t *
reg_gc_counts(const reg_gc_t *g)
{
    return &g->counts;
}


const char *
reg_gc_where(const reg_gc_t *g, const char **name)
{
    *name = (g->state < REG_GC_BLOBS) ? g->walk.name.s : "";

    return (g->state < REG_GC_BLOBS) ? "repositories"
           : (g->state == REG_GC_BLOBS) ? "blobs" : "trash";
}


const char *
reg_gc_word(reg_gc_what_e what)
{
    static const char  *const words[] = {
        "link", "manifest", "repository", "blob", "damaged"
    };

    return words[what];
}


void
reg_gc_tell(reg_gc_t *g, reg_gc_what_e what, const char *path, uint64_t size)
{
    if (g->how->tell != NULL) {
        g->how->tell(g->how->data, what, path, size);
    }
}


reg_rc_t
reg_gc_step(reg_gc_t *g, reg_error_t *e)
{
    if (g->full) {
        return reg_gc_sweep(g, e);
    }

    switch (g->state) {

    case REG_GC_START:
        return reg_gc_start(g, e);

    case REG_GC_WALK:
        return reg_gc_repository(g, e);

    case REG_GC_REVISIONS:
        return reg_gc_part(g, "/_manifests/revisions", 2,
                           (g->how->untagged < 0) ? REG_GC_LAYERS
                                                  : REG_GC_TAGS,
                           reg_gc_revision, e);

    case REG_GC_TAGS:
        if (g->level == 0) {
            reg_gc_graph_sort(&g->graph);
            g->ordered = 0;
        }

        return reg_gc_part(g, "/_manifests/tags", 1, REG_GC_UNTAGGED,
                           reg_gc_tag, e);

    case REG_GC_UNTAGGED:
        return reg_gc_untagged(g, e);

    case REG_GC_LAYERS:
        return reg_gc_part(g, "/_layers", 2,
                           (g->how->untagged < 0) ? REG_GC_SYNC
                                                  : REG_GC_REFERRERS,
                           reg_gc_layer, e);

    case REG_GC_REFERRERS:
        return reg_gc_part(g, "/_referrers", 4, REG_GC_INDEXES, reg_gc_entry,
                           e);

    case REG_GC_INDEXES:
        return reg_gc_part(g, "/_manifests/tags", 4, REG_GC_SYNC,
                           reg_gc_entry, e);

    case REG_GC_SYNC:
        g->state = (g->how->empty && !g->holds) ? REG_GC_EMPTY : REG_GC_WALK;
        g->counts.kept += g->damaged;

        reg_marks_clear(&g->named);

        return reg_gc_sync(g, e);

    case REG_GC_EMPTY:
        reg_gc_empty(g);
        return REG_OK;

    case REG_GC_BLOBS:
        return reg_gc_blobs(g, e);

    case REG_GC_TRASH:
        return reg_gc_trash(g, e);

    default:
        g->state = REG_GC_DONE;
        return REG_OK;
    }
}


/* Who holds the lock now has looked at what he names before our time. */

static reg_rc_t
reg_gc_start(reg_gc_t *g, reg_error_t *e)
{
    int       lock;
    int64_t   grace;
    reg_rc_t  rc;

    rc = reg_gc_lock(g, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_care_look(&g->care, e);

    reg_gc_unlock(g, lock, 0);

    grace = g->how->grace;

    if (grace < REG_GC_GRACE_MIN) {
        grace = REG_GC_GRACE_MIN;
    }

    g->before = reg_care_before(&g->care, reg_time_span(grace));
    g->untagged = reg_care_before(&g->care, reg_time_span(g->how->untagged));

    if (g->untagged > g->before) {
        g->untagged = g->before;
    }

    g->state = REG_GC_WALK;

    return rc;
}


static reg_rc_t
reg_gc_repository(reg_gc_t *g, reg_error_t *e)
{
    int         found;
    reg_rc_t    rc;
    reg_stat_t  st;

    g->counts.calls++;

    rc = reg_walk_step(&g->walk, g->s, &found, e);

    if (rc == REG_ABSENT) {

        /* not a store, or one whose other half is somewhere else */

        rc = g->s->driver->stat(g->s, REG_LAYOUT_BLOBS, &st, e);

        if (rc == REG_ABSENT) {
            g->state = REG_GC_TRASH;
            return REG_OK;
        }

        return (rc == REG_OK)
               ? reg_error_sys(e, ENOENT, "open", REG_LAYOUT_REPOS) : rc;
    }

    if (rc != REG_OK) {
        return rc;
    }

    if (g->walk.done) {
        g->state = REG_GC_BLOBS;

    } else if (!found) {
        reg_gc_bare(g);

    } else {
        g->counts.repositories++;
        g->damaged = 0;
        g->touched = 0;
        g->holds = 0;
        g->unsure = 0;
        g->state = REG_GC_REVISIONS;
        reg_gc_hollow_clear(g);
    }

    return REG_OK;
}


/* One entry of a part of the repository. */

static reg_rc_t
reg_gc_part(reg_gc_t *g, const char *part, unsigned levels,
    reg_gc_state_e then, reg_rc_t (*look)(reg_gc_t *g,
                                          const reg_path_t *path,
                                          reg_error_t *e),
    reg_error_t *e)
{
    reg_rc_t       rc;
    reg_path_t     base, path;
    reg_gc_next_e  next;

    (void) reg_walk_path(&g->walk, &base, "%s", part);

    rc = reg_gc_next(g, base.s, levels, &path, &next, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (next == REG_GC_ENTRY) {
        rc = look(g, &path, e);

    } else if (next == REG_GC_END) {
        g->state = then;
        g->full = (g->n > 0);
    }

    if (g->n == REG_GC_BATCH) {
        g->full = 1;
    }

    return rc;
}


static reg_rc_t
reg_gc_blobs(reg_gc_t *g, reg_error_t *e)
{
    reg_rc_t       rc;
    reg_path_t     path;
    reg_gc_next_e  next;

    rc = reg_gc_next(g, REG_LAYOUT_BLOBS, 3, &path, &next, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (next == REG_GC_ENTRY) {
        rc = reg_gc_blob(g, &path, e);

    } else if (next == REG_GC_END) {
        g->state = REG_GC_TRASH;
        g->full = (g->n > 0);
    }

    if (g->n == REG_GC_BATCH) {
        g->full = 1;
    }

    return rc;
}


static reg_rc_t
reg_gc_trash(reg_gc_t *g, reg_error_t *e)
{
    int       left;
    reg_rc_t  rc;

    left = 0;
    rc = REG_OK;

    if (!g->how->dry) {
        g->counts.calls += REG_GC_FREES;
        rc = g->s->driver->empty_trash(g->s, REG_GC_FREES, &left, e);
    }

    if (rc == REG_OK && !left) {
        g->state = REG_GC_DONE;
    }

    return rc;
}


reg_rc_t
reg_gc_next(reg_gc_t *g, const char *base, unsigned levels, reg_path_t *path,
    reg_gc_next_e *next, reg_error_t *e)
{
    int          n;
    unsigned     i;
    reg_rc_t     rc;
    const char  *name;

    *next = REG_GC_AGAIN;
    n = snprintf(path->s, sizeof(path->s), "%s", base);

    if (g->level > 0) {
        name = reg_list_next(&g->lists[g->level - 1]);

        if (name == NULL) {
            g->level--;
            *next = (g->level == 0) ? REG_GC_END : REG_GC_AGAIN;

            return REG_OK;
        }

        g->parts[g->level - 1] = name;
    }

    for (i = 0; i < g->level && n < (int) sizeof(path->s); i++) {
        n += snprintf(path->s + n, sizeof(path->s) - (size_t) n, "/%s",
                      g->parts[i]);
    }

    if (n >= (int) sizeof(path->s) - 8) {
        return reg_error_sys(e, ENAMETOOLONG, "open", base);
    }

    path->len = (size_t) n;

    if (g->level == levels) {
        *next = REG_GC_ENTRY;
        return REG_OK;
    }

    g->counts.calls++;

    rc = reg_list_read(&g->lists[g->level], g->s, path->s, 0, e);

    if (rc == REG_OK) {
        g->level++;

    } else if (rc == REG_ABSENT) {
        *next = (g->level == 0) ? REG_GC_END : REG_GC_AGAIN;
        rc = REG_OK;
    }

    return rc;
}


reg_rc_t
reg_gc_mark(reg_gc_t *g, const reg_digest_t *d, reg_error_t *e)
{
    return (reg_marks_add(&g->linked, d) == 0)
           ? REG_OK : reg_error_set(e, REG_NO_MEMORY, NULL);
}


int
reg_gc_digest(const char *alg, const char *hex, reg_digest_t *d)
{
    reg_alg_e  a;

    return reg_alg_find(reg_str_of(alg), &a) == 0
           && reg_digest_make(d, a, reg_str_of(hex)) == REG_OK;
}
