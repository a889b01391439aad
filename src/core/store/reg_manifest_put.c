
/*
 * The put of a manifest: what it refers to is here, what is said of its tags
 * holds, then its files.  The lock of the repository's _manifests is had with
 * others, or alone by who says what there has to be; reg_manifest_delete.c has
 * it alone.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_repo.h"

#include "reg_blob.h"
#include "reg_fs.h"
#include "reg_lease.h"
#include "reg_quiet.h"
#include "reg_referrers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* blob, referrer entry and revision, and two links for each of ten tags */
#define REG_PUT_ITEMS  23


static reg_rc_t reg_manifest_take(reg_manifest_t *m,
    const reg_manifest_put_t *put, reg_error_t *e);
static reg_rc_t reg_manifest_check_tags(reg_store_t *s,
    const reg_manifest_put_t *put, const reg_digest_t *d, reg_error_t *e);
static reg_rc_t reg_manifest_check_when(reg_store_t *s,
    const reg_manifest_put_t *put, reg_error_t *e);
static reg_rc_t reg_manifest_check_refs(reg_store_t *s,
    const reg_manifest_put_t *put, const reg_manifest_t *m, reg_error_t *e);
static reg_rc_t reg_manifest_check_ref(reg_store_t *s, reg_str_t name,
    const reg_reference_t *ref, reg_error_t *e);
static reg_rc_t reg_manifest_put_locked(reg_store_t *s,
    const reg_manifest_put_t *put, const reg_manifest_t *m,
    const reg_digest_t *d, reg_error_t *e);
static reg_rc_t reg_manifest_place(reg_store_t *s,
    const reg_manifest_put_t *put, const reg_manifest_t *m,
    const reg_digest_t *d, reg_error_t *e);
static void reg_manifest_subject(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d);
static reg_rc_t reg_manifest_touch(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_error_t *e);
static void reg_manifest_item(reg_put_t *item, reg_path_t *path,
    const reg_digest_t *d, unsigned step);


reg_rc_t
reg_manifest_put(reg_store_t *s, const reg_manifest_put_t *put,
    reg_manifest_put_result_t *result, reg_error_t *e)
{
    int             lock;
    reg_rc_t        rc;
    reg_alg_e       alg;
    reg_manifest_t  m;

    rc = reg_manifest_take(&m, put, e);

    if (rc != REG_OK) {
        return rc;
    }

    alg = (put->expected != NULL) ? put->expected->alg : REG_SHA256;

    reg_digest_of(&result->digest, alg, put->body.data, put->body.len);

    if (put->expected != NULL
        && !reg_digest_eq(put->expected, &result->digest))
    {
        reg_manifest_free(&m);

        return reg_error_set(e, REG_DIGEST_MISMATCH, "the content has %s",
                             result->digest.text);
    }

    result->has_subject = m.has_subject;

    if (m.has_subject) {
        result->subject = m.subject;
    }

    (void) snprintf(result->media_type, sizeof(result->media_type), "%.*s",
                    (int) m.media_type.len, m.media_type.data);

    rc = s->driver->lock(s, REG_LOCK_SHARED, &lock, e);

    if (rc == REG_OK) {
        rc = reg_quiet_end(s, lock, put->name, e);

        if (rc == REG_OK) {
            rc = reg_manifest_put_locked(s, put, &m, &result->digest, e);
        }

        s->driver->unlock(s, lock);
    }

    reg_manifest_free(&m);

    return rc;
}


static reg_rc_t
reg_manifest_take(reg_manifest_t *m, const reg_manifest_put_t *put,
    reg_error_t *e)
{
    reg_rc_t  rc;

    if (!put->stored) {
        return reg_manifest_parse(m, put->body.data, put->body.len,
                                  put->content_type, e);
    }

    rc = reg_manifest_read(m, put->body.data, put->body.len, e);

    if (rc != REG_OK || !m->unread) {
        return rc;
    }

    /* nobody could say that it is here */

    reg_manifest_free(m);

    return reg_error_set(e, REG_MANIFEST_INVALID, "what it refers to cannot "
                         "be told");
}


/*
 * The store's lock keeps blobs from being deleted meanwhile, that of the
 * repository's _manifests other manifests: a tag must not be put on one that
 * is just going.  It is a lock of its own, because who deletes a manifest has
 * to look through all tags for it.
 */

static reg_rc_t
reg_manifest_put_locked(reg_store_t *s, const reg_manifest_put_t *put,
    const reg_manifest_t *m, const reg_digest_t *d, reg_error_t *e)
{
    int         fd, when;
    reg_rc_t    rc;
    reg_path_t  path;
    reg_lock_e  mode;

    when = reg_condition_any(&put->when);

    /*
     * Who may not move a tag must not be overtaken by who makes it, nor who
     * says what there has to be by who changes that.
     */

    mode = ((put->keep_tags && put->ntags > 0) || when) ? REG_LOCK_EXCLUSIVE
                                                        : REG_LOCK_SHARED;

    reg_layout_repo(&path, put->name, "/_manifests");

    rc = reg_fs_lock_repo(s, path.s, mode, &fd, e);

    if (rc != REG_OK && rc != REG_ABSENT) {
        return rc;
    }

    rc = reg_manifest_check_refs(s, put, m, e);

    /* what is refused makes no repository */

    if (rc == REG_OK && fd == -1 && when) {
        rc = reg_manifest_check_when(s, put, e);
    }

    if (rc == REG_OK) {
        rc = reg_repo_make(s, put->name, e);
    }

    if (rc == REG_OK && fd == -1) {
        rc = reg_fs_lock_repo(s, path.s, mode, &fd, e);
    }

    if (rc == REG_OK && put->keep_tags) {
        rc = reg_manifest_check_tags(s, put, d, e);
    }

    if (rc == REG_OK && when) {
        rc = reg_manifest_check_when(s, put, e);
    }

    if (rc == REG_OK) {
        rc = reg_manifest_place(s, put, m, d, e);
    }

    if (fd != -1) {
        s->driver->unlock(s, fd);
    }

    return rc;
}


/* None of the tags is there and names something else. */

static reg_rc_t
reg_manifest_check_tags(reg_store_t *s, const reg_manifest_put_t *put,
    const reg_digest_t *d, reg_error_t *e)
{
    size_t        i;
    reg_rc_t      rc;
    reg_digest_t  there;

    for (i = 0; i < put->ntags; i++) {

        rc = reg_tag_read(s, put->name, put->tags[i], &there, e);

        if (rc == REG_MANIFEST_UNKNOWN) {

            if (e != NULL) {
                reg_error_clear(e);
            }

            continue;
        }

        if (rc != REG_OK) {
            return rc;
        }

        if (!reg_digest_eq(&there, d)) {
            return reg_error_set(e, REG_DENIED, "the tag %.*s is there",
                                 (int) put->tags[i].len, put->tags[i].data);
        }
    }

    return REG_OK;
}


/* The conditions hold of what a GET of the same path would find. */

static reg_rc_t
reg_manifest_check_when(reg_store_t *s, const reg_manifest_put_t *put,
    reg_error_t *e)
{
    reg_rc_t             rc;
    reg_digest_t         tagged, target;
    const reg_digest_t  *d;

    if (put->expected != NULL) {
        d = put->expected;
        rc = reg_revision_find(s, put->name, d, &target, NULL, e);

    } else {
        d = &tagged;
        rc = reg_tag_find(s, put->name, put->tags[0], &tagged, &target, e);
    }

    if (rc == REG_MANIFEST_UNKNOWN) {
        d = NULL;

        if (e != NULL) {
            reg_error_clear(e);
        }

    } else if (rc != REG_OK) {
        return rc;
    }

    return reg_condition_holds(&put->when, d)
           ? REG_OK : reg_error_set(e, REG_PRECONDITION_FAILED, NULL);
}


static reg_rc_t
reg_manifest_check_refs(reg_store_t *s, const reg_manifest_put_t *put,
    const reg_manifest_t *m, reg_error_t *e)
{
    size_t                  i;
    reg_rc_t                rc;
    const reg_reference_t  *ref;

    for (i = 0; i < m->nrefs; i++) {
        ref = &m->refs[i];

        rc = reg_manifest_check_ref(s, put->name, ref, e);

        if (rc == REG_ABSENT) {

            /*
             * Where sparse indexes are allowed, so are images without some of
             * their layers.  The config, which is the first, says what an
             * image is; nobody can leave it out.
             */

            if (ref->foreign || (put->sparse && (m->index || i > 0))) {
                continue;
            }

            return reg_error_set(e, REG_MANIFEST_BLOB_UNKNOWN, "%s",
                                 ref->digest.text);
        }

        if (rc != REG_OK) {
            return rc;
        }
    }

    return REG_OK;
}


/*
 * REG_OK when what is referred to is here, link and bytes; REG_ABSENT.  The
 * collector, which may have looked at this repository before the manifest is
 * in it, sees by the lease that it has to keep the link.
 */

static reg_rc_t
reg_manifest_check_ref(reg_store_t *s, reg_str_t name,
    const reg_reference_t *ref, reg_error_t *e)
{
    reg_rc_t      rc;
    reg_path_t    path;
    reg_digest_t  target;

    if (ref->manifest) {
        reg_layout_revision(&path, name, &ref->digest);

    } else {
        reg_layout_layer(&path, name, &ref->digest);
    }

    rc = reg_lease_link(s, path.s, REG_LEASE_FRESH, &target, e);

    if (rc == REG_OK && !reg_link_fits(&target, &ref->digest)) {
        return REG_ABSENT;
    }

    return (rc == REG_OK) ? reg_blob_stored(s, &target, e) : rc;
}


static reg_rc_t
reg_manifest_place(reg_store_t *s, const reg_manifest_put_t *put,
    const reg_manifest_t *m, const reg_digest_t *d, reg_error_t *e)
{
    size_t                 i, n;
    reg_rc_t               rc;
    reg_put_t              items[REG_PUT_ITEMS];
    reg_path_t            *paths;
    reg_referrers_mark_t   mark;

    paths = malloc(REG_PUT_ITEMS * sizeof(reg_path_t));

    if (paths == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    reg_layout_blob(&paths[0], d);
    reg_manifest_item(&items[0], &paths[0], d, 0);
    items[0].data = put->body;
    items[0].mark = 1;

    n = 1;

    if (m->has_subject) {
        reg_manifest_subject(s, put->name, &m->subject);
        reg_layout_referrers(&paths[n], put->name, &m->subject, d);
        reg_manifest_item(&items[n], &paths[n], d, 0);
        n++;
    }

    reg_layout_revision(&paths[n], put->name, d);
    reg_manifest_item(&items[n], &paths[n], d, 1);
    n++;

    rc = REG_OK;

    reg_referrers_begin(s, put->name, &mark);

    for (i = 0; i < put->ntags && rc == REG_OK; i++) {

        reg_manifest_untagged(s, put->name, put->tags[i]);

        reg_layout_tag_index(&paths[n], put->name, put->tags[i], d);
        reg_manifest_item(&items[n], &paths[n], d, 2);
        n++;

        reg_layout_tag(&paths[n], put->name, put->tags[i], "/current/link");
        reg_manifest_item(&items[n], &paths[n], d, 2);
        n++;

        /* each holds some descriptors while it is written */

        if (n + 2 > REG_PUT_ITEMS) {
            rc = s->driver->put(s, items, n, e);
            n = 0;
        }
    }

    if (rc == REG_OK && n > 0) {
        rc = s->driver->put(s, items, n, e);
    }

    if (rc == REG_OK) {
        reg_referrers_end(s, put->name, &mark);
    }

    free(paths);

    return rc;
}


/* Under the locks: a link that is not ours to renew is made anew. */

static void
reg_manifest_subject(reg_store_t *s, reg_str_t name, const reg_digest_t *d)
{
    reg_path_t    path;
    reg_error_t   why;
    reg_digest_t  target;

    reg_error_clear(&why);

    if (reg_manifest_touch(s, name, d, &why) == REG_STORAGE
        && (why.sys == EPERM || why.sys == EACCES))
    {
        reg_layout_revision(&path, name, d);

        (void) reg_lease_link(s, path.s, REG_LEASE_FRESH, &target, NULL);
    }
}


/*
 * The age of a manifest is that of its link: a subject that is named, a tag
 * that leaves it.  Failure costs some of that age, no more.
 */

static reg_rc_t
reg_manifest_touch(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_error_t *e)
{
    reg_path_t  path;

    reg_layout_revision(&path, name, d);

    return reg_lease_renew(s, path.s, REG_LEASE_FRESH, e);
}


void
reg_manifest_untagged(reg_store_t *s, reg_str_t name, reg_str_t tag)
{
    reg_digest_t  d;

    if (reg_tag_read(s, name, tag, &d, NULL) == REG_OK) {
        (void) reg_manifest_touch(s, name, &d, NULL);
    }
}


static void
reg_manifest_item(reg_put_t *item, reg_path_t *path, const reg_digest_t *d,
    unsigned step)
{
    memset(item, 0, sizeof(reg_put_t));

    item->path = path->s;
    item->data = reg_digest_str(d);
    item->dir = -1;
    item->fd = -1;
    item->step = step;
    item->keep = 1;
}
