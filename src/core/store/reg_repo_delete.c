
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_repo.h"

#include "reg_fs.h"
#include "reg_referrers.h"
#include "reg_tags.h"


/* discarded files that a delete frees itself before it answers */
#define REG_DELETE_FREES  1000


typedef struct {
    reg_store_t         *s;
    reg_str_t            name;
    const reg_digest_t  *digest;
    reg_error_t         *e;
} reg_untag_t;


static reg_rc_t reg_manifest_delete_locked(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_error_t *e);
static void reg_manifest_subject(reg_store_t *s, const reg_digest_t *target,
    reg_manifest_put_result_t *result);
static reg_rc_t reg_manifest_untag(void *ctx, reg_str_t tag,
    const reg_digest_t *d);
static reg_rc_t reg_repo_delete_locked(reg_store_t *s, reg_str_t name,
    reg_error_t *e);
static reg_rc_t reg_repo_delete_alone(reg_store_t *s, reg_str_t name,
    reg_error_t *e);
static reg_rc_t reg_repo_part(void *ctx, reg_str_t name, int dir);
static reg_rc_t reg_repo_delete_whole(reg_store_t *s, const reg_path_t *path,
    reg_error_t *e);
static reg_rc_t reg_repo_delete_parts(reg_store_t *s, reg_str_t name,
    reg_error_t *e);
static void reg_repo_free(reg_store_t *s);


reg_rc_t
reg_tag_delete(reg_store_t *s, reg_str_t name, reg_str_t tag, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_tag(&path, name, tag, "");

    reg_manifest_untagged(s, name, tag);

    rc = s->driver->discard(s, path.s, e);

    if (rc == REG_ABSENT) {
        return reg_error_set(e, REG_MANIFEST_UNKNOWN, "unknown tag %.*s",
                             (int) tag.len, tag.data);
    }

    if (rc == REG_OK) {
        reg_repo_free(s);
    }

    return rc;
}


/* What was discarded is out of sight: what of it stays costs space, no more. */

static void
reg_repo_free(reg_store_t *s)
{
    int  left;

    (void) s->driver->empty_trash(s, REG_DELETE_FREES, &left, NULL);
}


reg_rc_t
reg_manifest_delete(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_error_t *e)
{
    int         fd;
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_repo(&path, name, "/_manifests");

    rc = reg_fs_lock_repo(s, path.s, REG_LOCK_EXCLUSIVE, &fd, e);

    if (rc == REG_OK) {
        rc = reg_manifest_delete_locked(s, name, d, e);

        s->driver->unlock(s, fd);
    }

    if (rc == REG_ABSENT) {
        return reg_error_set(e, REG_MANIFEST_UNKNOWN, "%s", d->text);
    }

    if (rc == REG_OK) {
        reg_repo_free(s);
    }

    return rc;
}


/*
 * Tags first and the revision last but one, so that whoever is killed halfway
 * leaves a manifest that can be deleted once more.
 */

static reg_rc_t
reg_manifest_delete_locked(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_error_t *e)
{
    reg_rc_t                   rc;
    reg_path_t                 path, stop;
    reg_untag_t                untag;
    reg_digest_t               target;
    reg_referrers_mark_t       mark;
    reg_manifest_put_result_t  known;

    reg_layout_revision(&path, name, d);
    reg_layout_repo(&stop, name, "/_manifests/revisions");

    known.has_subject = 0;

    rc = reg_link_read(s, path.s, &target, e);

    if (rc == REG_OK) {
        reg_manifest_subject(s, &target, &known);

    } else if (rc != REG_ABSENT) {
        return rc;
    }

    untag.s = s;
    untag.name = name;
    untag.digest = d;
    untag.e = e;

    rc = reg_tags_walk(s, name, reg_manifest_untag, &untag, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_referrers_begin(s, name, &mark);

    rc = s->driver->remove(s, path.s, stop.s, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (known.has_subject) {

        /* without its revision it is not listed any more, come what may */

        (void) reg_referrers_remove(s, name, &known.subject, d, NULL);
    }

    reg_referrers_end(s, name, &mark);

    return REG_OK;
}


static void
reg_manifest_subject(reg_store_t *s, const reg_digest_t *target,
    reg_manifest_put_result_t *result)
{
    reg_buf_t       body;
    reg_path_t      path;
    reg_manifest_t  m;

    reg_buf_init(&body, REG_MANIFEST_READ_MAX + 1);
    reg_layout_blob(&path, target);

    if (s->driver->read(s, path.s, REG_MANIFEST_READ_MAX, &body, NULL)
        == REG_OK
        && reg_manifest_read(&m, body.data, body.len, NULL) == REG_OK)
    {
        result->has_subject = m.has_subject;

        if (m.has_subject) {
            result->subject = m.subject;
        }

        reg_manifest_free(&m);
    }

    reg_buf_free(&body);
}


static reg_rc_t
reg_manifest_untag(void *ctx, reg_str_t tag, const reg_digest_t *d)
{
    reg_rc_t      rc;
    reg_path_t    path;
    reg_untag_t  *untag;

    untag = ctx;

    if (!reg_digest_eq(d, untag->digest)) {
        return REG_OK;
    }

    reg_layout_tag(&path, untag->name, tag, "");

    rc = untag->s->driver->discard(untag->s, path.s, untag->e);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


reg_rc_t
reg_repo_delete(reg_store_t *s, reg_str_t name, reg_error_t *e)
{
    int       lock;
    reg_rc_t  rc;

    rc = s->driver->lock(s, REG_LOCK_EXCLUSIVE, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_repo_delete_locked(s, name, e);

    s->driver->unlock(s, lock);

    if (rc == REG_ABSENT) {
        return reg_error_set(e, REG_NAME_UNKNOWN, NULL);
    }

    if (rc == REG_OK) {
        reg_repo_free(s);
    }

    return rc;
}


/*
 * Under the store's lock nobody puts anything here, but a manifest may be on
 * its way out: who deletes it must not go on in the next repository of that
 * name.
 */

static reg_rc_t
reg_repo_delete_locked(reg_store_t *s, reg_str_t name, reg_error_t *e)
{
    int         fd;
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_repo(&path, name, "/_manifests");

    rc = reg_fs_lock_repo(s, path.s, REG_LOCK_SHARED, &fd, e);

    if (rc != REG_OK && rc != REG_ABSENT) {
        return rc;
    }

    rc = reg_repo_delete_alone(s, name, e);

    if (fd != -1) {
        s->driver->unlock(s, fd);
    }

    return rc;
}


static reg_rc_t
reg_repo_delete_alone(reg_store_t *s, reg_str_t name, reg_error_t *e)
{
    int         nested;
    reg_rc_t    rc;
    reg_path_t  path;

    switch (reg_repo_exists(s, name, e)) {

    case 0:
        return REG_ABSENT;

    case 1:
        break;

    default:
        return (e != NULL && e->rc != REG_OK) ? e->rc : REG_STORAGE;
    }

    nested = 0;

    reg_layout_repo(&path, name, "");

    rc = s->driver->list(s, path.s, reg_repo_part, &nested, e);

    if (rc != REG_OK) {
        return rc;
    }

    return nested ? reg_repo_delete_parts(s, name, e)
                  : reg_repo_delete_whole(s, &path, e);
}


static reg_rc_t
reg_repo_part(void *ctx, reg_str_t name, int dir)
{
    /* what is not ours by its name is another repository, or not known */

    if (!dir || name.data[0] != '_') {
        *(int *) ctx = 1;
    }

    return REG_OK;
}


/* In one move, so that it is there or gone; then the empty ones above it. */

static reg_rc_t
reg_repo_delete_whole(reg_store_t *s, const reg_path_t *path, reg_error_t *e)
{
    int        dir;
    size_t     len;
    reg_rc_t   rc;
    reg_fs_t  *fs;

    rc = s->driver->discard(s, path->s, e);

    if (rc != REG_OK) {
        return rc;
    }

    fs = reg_fs_of(s);
    len = reg_fs_parent(path->s, path->len);
    dir = reg_fs_openlen(fs, path->s, len);

    if (dir == -1) {
        return REG_OK;
    }

    return reg_fs_prune(fs, dir, path->s, len, sizeof(REG_LAYOUT_REPOS) - 1,
                        e);
}


/*
 * What makes it a repository goes last: whoever is killed before leaves one
 * that can be deleted once more.
 */

static reg_rc_t
reg_repo_delete_parts(reg_store_t *s, reg_str_t name, reg_error_t *e)
{
    size_t       i;
    reg_rc_t     rc;
    reg_path_t   path;

    static const char  *const parts[] = {
        "/_manifests", "/_referrers", "/_uploads", "/_layers"
    };

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        reg_layout_repo(&path, name, parts[i]);

        rc = s->driver->discard(s, path.s, e);

        if (rc != REG_OK && rc != REG_ABSENT) {
            return rc;
        }
    }

    return REG_OK;
}
