
#include "reg_backup_private.h"

#include "reg_catalog.h"
#include "reg_fs.h"
#include "reg_links.h"
#include "reg_repo.h"
#include "reg_tags.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* how often is looked again for what changed while it was looked at */
#define REG_BACKUP_TRIES   5


static reg_rc_t reg_backup_all(reg_backup_run_t *r);
static reg_rc_t reg_backup_repository(void *data, reg_str_t name);
static reg_rc_t reg_backup_revision(void *data, const reg_digest_t *d);
static reg_rc_t reg_backup_push(reg_backup_run_t *r, const reg_digest_t *d);
static reg_rc_t reg_backup_step(reg_backup_run_t *r, const reg_digest_t *d,
    unsigned *state);
static reg_rc_t reg_backup_read(reg_backup_run_t *r, const reg_digest_t *d,
    reg_buf_t *body, unsigned *state);
static reg_rc_t reg_backup_children(reg_backup_run_t *r,
    const reg_digest_t *d, const reg_manifest_t *m, unsigned *state);
static int reg_backup_back(reg_backup_run_t *r, const reg_digest_t *d);
static unsigned reg_backup_lost(reg_backup_run_t *r, const reg_digest_t *d);
static reg_rc_t reg_backup_parts(reg_backup_run_t *r, const reg_digest_t *d,
    const reg_manifest_t *m, unsigned *state);
static reg_rc_t reg_backup_blob(reg_backup_run_t *r, const reg_digest_t *d,
    const char *link);
static reg_rc_t reg_backup_tags(reg_backup_run_t *r);
static reg_rc_t reg_backup_tag(void *data, reg_str_t tag);
static void reg_backup_leave(reg_backup_run_t *r, const char *what,
    const char *why);


reg_rc_t
reg_backup(reg_store_t *s, const reg_backup_t *how,
    reg_backup_counts_t *counts, reg_error_t *e)
{
    reg_rc_t          rc;
    reg_backup_run_t  r;

    memset(&r, 0, sizeof(r));
    memset(counts, 0, sizeof(reg_backup_counts_t));

    r.s = s;
    r.how = how;
    r.counts = counts;
    r.e = e;

    rc = how->sink->listing(how->ctx, &r.fd, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_buf_init(&r.out, REG_BACKUP_LINE);
    reg_hash_init(&r.hash, REG_SHA256);

    rc = reg_backup_all(&r);

    if (rc == REG_OK) {
        rc = how->sink->finish(how->ctx, how->id, e);
    }

    reg_buf_free(&r.out);
    reg_sums_free(&r.blobs);
    reg_sums_free(&r.manifests);
    free(r.stack);

    return rc;
}


static reg_rc_t
reg_backup_all(reg_backup_run_t *r)
{
    reg_rc_t  rc;

    rc = reg_backup_begin(r);

    if (rc == REG_OK) {
        rc = reg_catalog_walk(r->s, reg_null_str, reg_backup_repository, r,
                              r->e);
    }

    return (rc == REG_OK) ? reg_backup_end(r) : rc;
}


static reg_rc_t
reg_backup_repository(void *data, reg_str_t name)
{
    reg_rc_t           rc;
    reg_backup_run_t  *r;

    r = data;
    r->name = name;
    r->n = 0;

    reg_sums_clear(&r->manifests);
    reg_backup_write_repository(r);

    r->counts->repositories++;

    rc = reg_links_walk(r->s, name, "/_manifests/revisions",
                        reg_backup_revision, r, r->e);

    if (rc == REG_OK) {
        rc = reg_backup_tags(r);
    }

    return (rc == REG_OK) ? reg_backup_flush(r) : rc;
}


/* --- manifests ----------------------------------------------------------- */

/*
 * Takes a manifest after those that it refers to.  An index may stand in
 * another as deeply as somebody liked, so this is a stack and no recursion.
 */

static reg_rc_t
reg_backup_revision(void *data, const reg_digest_t *d)
{
    unsigned           state;
    reg_rc_t           rc;
    reg_sum_t         *sum;
    reg_digest_t       top;
    reg_backup_run_t  *r;

    r = data;
    rc = reg_backup_push(r, d);

    while (rc == REG_OK && r->n > 0) {
        top = r->stack[r->n - 1];
        sum = reg_sums_add(&r->manifests, &top, NULL);

        if (sum == NULL) {
            return reg_error_set(r->e, REG_NO_MEMORY, NULL);
        }

        state = sum->bits;

        if (!(state & REG_BACKUP_SETTLED)) {
            rc = reg_backup_step(r, &top, &state);

            /* the table may have moved */

            sum = reg_sums_find(&r->manifests, &top);
            sum->bits = (uint16_t) state;
        }

        if (state & REG_BACKUP_SETTLED) {
            r->n--;
        }
    }

    return rc;
}


static reg_rc_t
reg_backup_push(reg_backup_run_t *r, const reg_digest_t *d)
{
    size_t         size;
    reg_digest_t  *stack;

    if (r->n == r->size) {
        size = (r->size == 0) ? 16 : r->size * 2;
        stack = realloc(r->stack, size * sizeof(reg_digest_t));

        if (stack == NULL) {
            return reg_error_set(r->e, REG_NO_MEMORY, NULL);
        }

        r->stack = stack;
        r->size = size;
    }

    r->stack[r->n++] = *d;

    return REG_OK;
}


/* One look at a manifest: settles it, or puts its children before it. */

static reg_rc_t
reg_backup_step(reg_backup_run_t *r, const reg_digest_t *d, unsigned *state)
{
    size_t          n;
    reg_rc_t        rc;
    reg_buf_t       body;
    const char     *why;
    reg_error_t     e;
    reg_manifest_t  m;

    n = r->n;
    why = "something that it refers to is missing or damaged";
    reg_buf_init(&body, REG_MANIFEST_READ_MAX + 1);

    rc = reg_backup_read(r, d, &body, state);

    if (rc != REG_OK || (*state & REG_BACKUP_SETTLED)) {
        reg_buf_free(&body);
        return rc;
    }

    reg_error_clear(&e);

    rc = reg_manifest_read(&m, body.data, body.len, &e);

    if (rc == REG_MANIFEST_INVALID) {

        /* another registry may have taken it */

        *state |= REG_BACKUP_BROKEN;
        why = "it is no manifest that can be read";
        rc = REG_OK;

    } else if (rc != REG_OK) {
        rc = reg_error_set(r->e, rc, "%s", e.detail);

    } else {

        if (m.unread) {
            *state |= REG_BACKUP_BROKEN;
            why = "what it refers to cannot be told";

        } else {
            rc = reg_backup_children(r, d, &m, state);
        }

        if (rc == REG_OK && r->n == n && !(*state & REG_BACKUP_SETTLED)) {
            rc = reg_backup_parts(r, d, &m, state);
        }

        if (rc == REG_OK && (*state & REG_BACKUP_WHOLE)) {
            reg_backup_write_manifest(r, d, &m, body.len);
            r->counts->manifests++;
            rc = reg_backup_flush(r);
        }

        reg_manifest_free(&m);
    }

    reg_buf_free(&body);

    if (*state & REG_BACKUP_BROKEN) {
        reg_backup_leave(r, d->text, why);
    }

    if (r->how->tick != NULL) {
        r->how->tick(r->how->data, r->counts);
    }

    return rc;
}


/* Its bytes; or a state when there is no sense in going on. */

static reg_rc_t
reg_backup_read(reg_backup_run_t *r, const reg_digest_t *d, reg_buf_t *body,
    unsigned *state)
{
    char          type[REG_MEDIA_TYPE_MAX + 1];
    unsigned      tries;
    reg_rc_t      rc;
    reg_path_t    path;
    const char   *why;
    reg_error_t   e;
    reg_digest_t  target;

    why = NULL;
    rc = REG_MANIFEST_UNKNOWN;
    reg_error_clear(&e);

    for (tries = 0; tries < REG_BACKUP_TRIES; tries++) {
        reg_error_clear(&e);

        rc = reg_revision_find(r->s, r->name, d, &target, NULL, &e);

        if (rc == REG_MANIFEST_UNKNOWN) {
            reg_layout_revision(&path, r->name, d);

            if (reg_fs_there(reg_fs_of(r->s), path.s) != 1) {
                *state |= REG_BACKUP_GONE;
                return REG_OK;
            }

            /* damaged, unless it is there a moment after it was missed */

            why = "its link names nothing of it";
            continue;
        }

        why = "its bytes are missing or damaged";

        if (rc == REG_OK) {
            rc = reg_revision_read(r->s, &target, body, type, &e);
        }

        if (rc == REG_OK) {
            return REG_OK;
        }

        if (rc != REG_MANIFEST_UNKNOWN) {
            break;
        }
    }

    if (rc != REG_MANIFEST_UNKNOWN) {
        rc = reg_error_unread(r->e, rc, &e);
    }

    if (rc == REG_MANIFEST_UNKNOWN || rc == REG_DIGEST_MISMATCH) {
        *state |= REG_BACKUP_BROKEN;
        reg_backup_leave(r, d->text, (rc == REG_MANIFEST_UNKNOWN)
                                     ? why : "it cannot be read");

        return REG_OK;
    }

    return rc;
}


static reg_rc_t
reg_backup_children(reg_backup_run_t *r, const reg_digest_t *d,
    const reg_manifest_t *m, unsigned *state)
{
    size_t            i;
    reg_rc_t          rc;
    const reg_sum_t  *sum;

    for (i = 0; i < m->nrefs; i++) {

        if (!m->refs[i].manifest) {
            continue;
        }

        sum = reg_sums_find(&r->manifests, &m->refs[i].digest);

        if (sum != NULL && (sum->bits & REG_BACKUP_WHOLE)) {
            continue;
        }

        /* no manifest refers to itself, but a link to another may have it so */

        if (sum != NULL && (sum->bits & REG_BACKUP_BEGUN)
            && !(sum->bits & REG_BACKUP_SETTLED))
        {
            *state |= REG_BACKUP_BROKEN;
            return REG_OK;
        }

        if (sum != NULL && (sum->bits & REG_BACKUP_SETTLED)
            && !reg_backup_back(r, &m->refs[i].digest))
        {
            if (!r->how->sparse) {
                *state |= reg_backup_lost(r, d);
                return REG_OK;
            }

            continue;
        }

        rc = reg_backup_push(r, &m->refs[i].digest);

        if (rc != REG_OK) {
            return rc;
        }
    }

    *state |= REG_BACKUP_BEGUN;

    return REG_OK;
}


/*
 * 1 when a child that was not there is there now: its directory was seen while
 * it was being pushed, or it was pushed again.  It is looked at anew then.
 */

static int
reg_backup_back(reg_backup_run_t *r, const reg_digest_t *d)
{
    reg_sum_t     *sum;
    reg_digest_t   target;

    sum = reg_sums_find(&r->manifests, d);

    if (!(sum->bits & REG_BACKUP_GONE) || sum->tag == REG_BACKUP_TRIES
        || reg_revision_find(r->s, r->name, d, &target, NULL, NULL) != REG_OK)
    {
        return 0;
    }

    sum->bits = 0;
    sum->tag++;

    return 1;
}


/* What became of a manifest that lacks a part. */

static unsigned
reg_backup_lost(reg_backup_run_t *r, const reg_digest_t *d)
{
    reg_digest_t  target;

    return (reg_revision_find(r->s, r->name, d, &target, NULL, NULL)
            == REG_MANIFEST_UNKNOWN)
           ? REG_BACKUP_GONE : REG_BACKUP_BROKEN;
}


/*
 * Takes the blobs and the manifest itself.  When one is not there, the manifest
 * is looked for again: it may have been deleted a moment ago, and perhaps been
 * pushed anew since.
 */

static reg_rc_t
reg_backup_parts(reg_backup_run_t *r, const reg_digest_t *d,
    const reg_manifest_t *m, unsigned *state)
{
    size_t      i;
    unsigned    tries;
    reg_rc_t    rc;
    reg_path_t  path;

    for (tries = 0; tries < REG_BACKUP_TRIES; tries++) {
        rc = REG_OK;

        for (i = 0; i < m->nrefs && rc == REG_OK; i++) {

            if (m->refs[i].manifest) {
                continue;
            }

            reg_layout_layer(&path, r->name, &m->refs[i].digest);

            rc = reg_backup_blob(r, &m->refs[i].digest, path.s);

            if (rc == REG_ABSENT
                && (m->refs[i].foreign
                    || (r->how->sparse && (m->index || i > 0))))
            {
                rc = REG_OK;
            }
        }

        if (rc == REG_OK) {
            reg_layout_revision(&path, r->name, d);
            rc = reg_backup_blob(r, d, path.s);
        }

        if (rc == REG_OK) {
            *state |= REG_BACKUP_WHOLE;
            return REG_OK;
        }

        if (rc != REG_ABSENT && rc != REG_DIGEST_MISMATCH) {
            return rc;
        }

        if (reg_backup_lost(r, d) == REG_BACKUP_GONE) {
            *state |= REG_BACKUP_GONE;
            return REG_OK;
        }

        if (rc == REG_DIGEST_MISMATCH) {
            break;
        }
    }

    *state |= REG_BACKUP_BROKEN;

    return REG_OK;
}


/*
 * The link may name another digest than its own: an alias, by distribution.
 * It has to stand here, too, where the blob was taken of another repository.
 */

static reg_rc_t
reg_backup_blob(reg_backup_run_t *r, const reg_digest_t *d, const char *link)
{
    reg_rc_t      rc;
    reg_sum_t    *sum;
    reg_path_t    path;
    reg_error_t   why;
    reg_digest_t  target;

    sum = reg_sums_add(&r->blobs, d, NULL);

    if (sum == NULL) {
        return reg_error_set(r->e, REG_NO_MEMORY, NULL);
    }

    if ((sum->bits & REG_BACKUP_TAKEN) && reg_backup_linked(r, link)) {
        return REG_OK;
    }

    if (sum->bits & REG_BACKUP_DAMAGED) {
        return REG_DIGEST_MISMATCH;
    }

    reg_error_clear(&why);

    rc = reg_link_read(r->s, link, &target, &why);

    if (rc != REG_OK) {
        return reg_error_unread(r->e, rc, &why);
    }

    reg_layout_blob(&path, &target);

    rc = r->how->sink->blob(r->how->ctx, r->s, path.s, d, r->counts, r->e);

    if (rc == REG_OK) {
        sum->bits |= REG_BACKUP_TAKEN;
        r->counts->blobs++;

    } else if (rc == REG_DIGEST_MISMATCH) {
        sum->bits |= REG_BACKUP_DAMAGED;
    }

    if (r->how->tick != NULL) {
        r->how->tick(r->how->data, r->counts);
    }

    return rc;
}


int
reg_backup_linked(const reg_backup_run_t *r, const char *link)
{
    reg_stat_t  st;

    return r->s->driver->stat(r->s, link, &st, NULL) == REG_OK;
}


/* --- tags ---------------------------------------------------------------- */

static reg_rc_t
reg_backup_tags(reg_backup_run_t *r)
{
    reg_rc_t     rc;
    reg_error_t  e;

    reg_error_clear(&e);

    rc = reg_tags_names(r->s, r->name, reg_backup_tag, r, &e);

    if (rc == REG_MANIFEST_UNKNOWN && e.damage) {
        reg_backup_leave(r, "tags", "they are no directory");
        return REG_OK;
    }

    if (rc != REG_OK && r->e != NULL && r->e->rc == REG_OK) {
        *r->e = e;
    }

    return rc;
}


static reg_rc_t
reg_backup_tag(void *data, reg_str_t tag)
{
    char               what[REG_TAG_MAX + 1];
    unsigned           tries;
    reg_rc_t           rc;
    reg_sum_t         *sum;
    reg_error_t        e;
    reg_digest_t       now;
    reg_backup_run_t  *r;

    r = data;
    sum = NULL;

    (void) snprintf(what, sizeof(what), "%.*s", (int) tag.len, tag.data);

    for (tries = 0; tries < REG_BACKUP_TRIES; tries++) {
        reg_error_clear(&e);

        rc = reg_tag_read(r->s, r->name, tag, &now, &e);

        if (rc == REG_MANIFEST_UNKNOWN) {

            if (e.damage) {
                reg_backup_leave(r, what, "its link names nothing");
            }

            return REG_OK;
        }

        if (rc != REG_OK) {
            rc = reg_error_unread(r->e, rc, &e);

            if (rc == REG_DIGEST_MISMATCH) {
                reg_backup_leave(r, what, "it cannot be read");
                return REG_OK;
            }

            return rc;
        }

        rc = reg_backup_revision(r, &now);

        if (rc != REG_OK) {
            return rc;
        }

        sum = reg_sums_find(&r->manifests, &now);

        if (!(sum->bits & REG_BACKUP_GONE)) {
            break;
        }

        /* it moved on, or went as well; or the manifest came back */

        sum->bits = 0;
    }

    if (tries == REG_BACKUP_TRIES || !(sum->bits & REG_BACKUP_WHOLE)) {
        reg_backup_leave(r, what, "what it names is missing or damaged");

        return REG_OK;
    }

    reg_backup_write_tag(r, tag, &now);

    r->counts->tags++;

    return REG_OK;
}


static void
reg_backup_leave(reg_backup_run_t *r, const char *what, const char *why)
{
    r->counts->left_out++;
    reg_backup_write_left_out(r, what, why);

    if (r->how->left_out != NULL) {
        r->how->left_out(r->how->data, r->name, what, why);
    }
}
