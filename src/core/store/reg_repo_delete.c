
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_repo.h"

#include "reg_fs.h"

#include <time.h>
#include <unistd.h>


/*
 * Discarded files that a delete frees itself before it answers, so many at a
 * time, and the ms for which it does: they may be others', and the disk slow.
 */
#define REG_DELETE_FREES  1000
#define REG_DELETE_SOME   20
#define REG_DELETE_MS     500

/* ms between two attempts at the lock of a repository, and all together */
#define REG_DELETE_PAUSE  5
#define REG_DELETE_WAIT   30000


static int64_t reg_repo_now(void);
static reg_rc_t reg_tag_delete_locked(reg_store_t *s, reg_str_t name,
    reg_str_t tag, const reg_condition_t *when, reg_digest_t *was,
    reg_error_t *e);
static reg_rc_t reg_repo_delete_locked(reg_store_t *s, reg_str_t name,
    int *dir, reg_error_t *e);
static reg_rc_t reg_repo_delete_alone(reg_store_t *s, reg_str_t name,
    int *dir, reg_error_t *e);
static reg_rc_t reg_repo_part(void *ctx, reg_str_t name, int dir);
static reg_rc_t reg_repo_delete_whole(reg_store_t *s, const reg_path_t *path,
    int *dir, reg_error_t *e);
static reg_rc_t reg_repo_delete_parts(reg_store_t *s, reg_str_t name,
    int *dir, reg_error_t *e);


/* What was discarded is out of sight: what of it stays costs space, no more. */

void
reg_repo_free(reg_store_t *s)
{
    int       left;
    int64_t   until;
    unsigned  files;

    until = reg_repo_now() + REG_DELETE_MS;
    files = 0;

    do {
        left = 0;
        (void) s->driver->empty_trash(s, REG_DELETE_SOME, &left, NULL);

        files += REG_DELETE_SOME;

    } while (left && files < REG_DELETE_FREES && reg_repo_now() < until);
}


static int64_t
reg_repo_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


reg_rc_t
reg_tag_delete(reg_store_t *s, reg_str_t name, reg_str_t tag, reg_error_t *e)
{
    reg_digest_t     was;
    reg_condition_t  when;

    when.match = reg_null_str;
    when.none_match = reg_null_str;

    return reg_tag_delete_if(s, name, tag, &when, &was, e);
}


reg_rc_t
reg_tag_delete_if(reg_store_t *s, reg_str_t name, reg_str_t tag,
    const reg_condition_t *when, reg_digest_t *was, reg_error_t *e)
{
    int       lock;
    reg_rc_t  rc;

    rc = s->driver->lock(s, REG_LOCK_SHARED, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_tag_delete_locked(s, name, tag, when, was, e);

    s->driver->unlock(s, lock);

    if (rc == REG_OK) {
        reg_repo_free(s);
    }

    return reg_tag_unknown(rc, tag, e);
}


/*
 * Without a condition, too: who says what the tag has to be on, and puts it on
 * something else then, must not find it gone between the two.
 */

static reg_rc_t
reg_tag_delete_locked(reg_store_t *s, reg_str_t name, reg_str_t tag,
    const reg_condition_t *when, reg_digest_t *was, reg_error_t *e)
{
    int           fd;
    reg_rc_t      rc;
    reg_path_t    path;
    reg_lock_e    mode;
    reg_digest_t  target;

    mode = reg_condition_any(when) ? REG_LOCK_EXCLUSIVE : REG_LOCK_SHARED;

    reg_layout_repo(&path, name, "/_manifests");

    rc = reg_fs_lock_repo(s, path.s, mode, &fd, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (mode == REG_LOCK_EXCLUSIVE) {
        rc = reg_tag_find(s, name, tag, was, &target, e);

        if (rc == REG_OK && !reg_condition_holds(when, was)) {
            rc = reg_error_set(e, REG_PRECONDITION_FAILED, NULL);
        }

    } else if (reg_tag_find(s, name, tag, was, &target, NULL) != REG_OK) {
        was->len = 0;
    }

    if (rc == REG_OK) {
        reg_layout_tag(&path, name, tag, "");

        reg_manifest_untagged(s, name, tag);

        rc = s->driver->discard(s, path.s, NULL, e);
    }

    s->driver->unlock(s, fd);

    return rc;
}


reg_rc_t
reg_repo_delete(reg_store_t *s, reg_str_t name, reg_error_t *e)
{
    int              lock, dir;
    reg_rc_t         rc, settled;
    unsigned         waited;
    reg_path_t       path;
    struct timespec  ts;

    dir = -1;

    for (waited = 0; /* void */ ; waited += REG_DELETE_PAUSE) {

        rc = s->driver->lock(s, REG_LOCK_EXCLUSIVE, &lock, e);

        if (rc != REG_OK) {
            return rc;
        }

        rc = reg_repo_delete_locked(s, name, &dir, e);

        s->driver->unlock(s, lock);

        if (rc != REG_LOCKED || waited >= REG_DELETE_WAIT) {
            break;
        }

        /* nothing is gone yet; nobody else has to wait for that repository */

        ts.tv_sec = 0;
        ts.tv_nsec = REG_DELETE_PAUSE * 1000000L;

        (void) nanosleep(&ts, NULL);
    }

    if (dir != -1) {

        /* parts may have gone before one that could not */

        reg_layout_repo(&path, name, "");

        settled = s->driver->settle(s, dir, path.s,
                                    (rc == REG_OK) ? e : NULL);
        rc = (rc == REG_OK) ? settled : rc;
    }

    if (rc == REG_LOCKED) {
        return reg_error_set(e, rc, "a manifest of it is being deleted");
    }

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
 * name.  He is not waited for here, with everybody else waiting for us:
 * REG_LOCKED.
 */

static reg_rc_t
reg_repo_delete_locked(reg_store_t *s, reg_str_t name, int *dir,
    reg_error_t *e)
{
    int         fd;
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_repo(&path, name, "/_manifests");

    rc = reg_fs_lock_repo_try(s, path.s, &fd, e);

    if (rc != REG_OK && rc != REG_ABSENT) {
        return rc;
    }

    rc = reg_repo_delete_alone(s, name, dir, e);

    if (fd != -1) {
        s->driver->unlock(s, fd);
    }

    return rc;
}


static reg_rc_t
reg_repo_delete_alone(reg_store_t *s, reg_str_t name, int *dir,
    reg_error_t *e)
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

    return nested ? reg_repo_delete_parts(s, name, dir, e)
                  : reg_repo_delete_whole(s, &path, dir, e);
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
reg_repo_delete_whole(reg_store_t *s, const reg_path_t *path, int *dir,
    reg_error_t *e)
{
    reg_rc_t  rc;

    rc = s->driver->discard(s, path->s, dir, e);

    if (rc == REG_OK) {
        reg_fs_prune(reg_fs_of(s), dir, path->s,
                     reg_fs_parent(path->s, path->len),
                     sizeof(REG_LAYOUT_REPOS) - 1);
    }

    return rc;
}


/*
 * What makes it a repository goes last: whoever is killed before leaves one
 * that can be deleted once more.  All of them were in the one directory.
 */

static reg_rc_t
reg_repo_delete_parts(reg_store_t *s, reg_str_t name, int *dir,
    reg_error_t *e)
{
    int          up;
    size_t       i;
    reg_rc_t     rc;
    reg_path_t   path;

    static const char  *const parts[] = {
        "/_manifests", "/_referrers", "/_uploads", "/_layers"
    };

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        reg_layout_repo(&path, name, parts[i]);

        rc = s->driver->discard(s, path.s, &up, e);

        if (rc != REG_OK && rc != REG_ABSENT) {
            return rc;
        }

        if (rc == REG_OK) {

            if (*dir != -1) {
                (void) close(*dir);
            }

            *dir = up;
        }
    }

    return REG_OK;
}
