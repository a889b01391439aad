
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_upload_owner.h"
#include "reg_upload_private.h"

#include "reg_repo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* more data than this is synced before anybody has to wait for our lock */
#define REG_UPLOAD_EARLY  (4 * 1024 * 1024)


static reg_rc_t reg_upload_store(reg_upload_t *u, const reg_digest_t *d,
    reg_error_t *e);
static reg_rc_t reg_upload_store_in(reg_upload_t *u, int up,
    const reg_digest_t *d, reg_error_t *e);
static reg_rc_t reg_upload_place(reg_upload_t *u, const reg_put_t *items,
    reg_error_t *e);
static int reg_upload_spare(reg_upload_t *u, int up);
static void reg_upload_tidy(reg_upload_t *u, int up);


reg_rc_t
reg_upload_commit(reg_upload_t *u, const reg_digest_t *d, reg_error_t *e)
{
    reg_rc_t      rc;
    reg_digest_t  got;

    if (u->failed) {
        return reg_error_set(e, REG_INTERNAL, NULL);
    }

    /* whatever comes of it, nothing can be appended any more */

    u->failed = 1;

    rc = reg_upload_flush(u, e);

    if (rc == REG_OK && u->hash.alg != d->alg) {

        /* nobody announced it: the one case in which data is read again */

        reg_hash_init(&u->hash, d->alg);
        rc = reg_upload_reread(u->fd, u->offset, &u->hash, u->path.s, e);
    }

    if (rc == REG_OK) {
        reg_hash_final(&u->hash, &got);

        if (!reg_digest_eq(&got, d)) {
            (void) reg_upload_cancel(u->s, reg_str_of(u->name),
                                     reg_str_of(u->id), NULL);
            u->gone = 1;

            return reg_error_set(e, REG_DIGEST_MISMATCH,
                                 "the content has %s", got.text);
        }

        rc = reg_upload_store(u, d, e);
    }

    return (rc == REG_OK) ? REG_OK : reg_upload_fail(u, rc);
}


reg_rc_t
reg_upload_current(const reg_upload_t *u, reg_error_t *e)
{
    struct stat  named, st;

    if (fstatat(u->dir, "data", &named, AT_SYMLINK_NOFOLLOW) == -1
        || fstat(u->fd, &st) == -1)
    {
        return reg_fs_fail(e, errno, "stat", u->path.s);
    }

    return (named.st_ino == st.st_ino && named.st_dev == st.st_dev)
           ? REG_OK : REG_ABSENT;
}


/*
 * Makes the data a blob, and links it.  The directory of the session is open
 * before, so that nothing can keep it from being taken away after.
 */

static reg_rc_t
reg_upload_store(reg_upload_t *u, const reg_digest_t *d, reg_error_t *e)
{
    int       up;
    reg_rc_t  rc;

    /* before the data is synced, so that no commit of the journal is added */

    reg_fs_mark(u->fd, u->offset);

    if (u->offset > REG_UPLOAD_EARLY) {
        rc = reg_upload_sync(u, e);

        if (rc != REG_OK) {
            return rc;
        }
    }

    up = reg_fs_openlen(reg_fs_of(u->s), u->path.s,
                        reg_fs_parent(u->path.s, u->path.len));

    rc = (up == -1) ? reg_fs_fail(e, errno, "open", u->path.s)
                    : reg_upload_store_in(u, up, d, e);

    if (up != -1) {
        (void) close(up);
    }

    if (rc == REG_ABSENT) {
        u->gone = 1;
        return reg_error_set(e, REG_UPLOAD_UNKNOWN, NULL);
    }

    return rc;
}


/* Under the store's lock; REG_ABSENT when the session is gone. */

static reg_rc_t
reg_upload_store_in(reg_upload_t *u, int up, const reg_digest_t *d,
    reg_error_t *e)
{
    int          lock, spared;
    reg_rc_t     rc;
    reg_put_t    items[2];
    reg_path_t   blob, link;
    reg_error_t  why;

    rc = reg_upload_current(u, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_layout_blob(&blob, d);
    reg_layout_layer(&link, reg_str_of(u->name), d);

    memset(items, 0, sizeof(items));

    items[0].path = blob.s;
    items[0].from = "data";
    items[0].dir = u->dir;
    items[0].fd = (u->offset > REG_UPLOAD_EARLY) ? -1 : u->fd;

    items[1].path = link.s;
    items[1].data = reg_digest_str(d);
    items[1].fd = -1;
    items[1].step = 1;
    items[1].keep = 1;

    rc = u->s->driver->lock(u->s, REG_LOCK_SHARED, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_error_clear(&why);

    rc = reg_upload_place(u, items, &why);
    spared = (rc == REG_OK && reg_upload_spare(u, up));

    u->s->driver->unlock(u->s, lock);

    if (rc == REG_OK) {
        u->gone = 1;

        if (!spared) {
            reg_upload_tidy(u, up);
        }

        return REG_OK;
    }

    if (rc == REG_ABSENT) {
        return rc;
    }

    /* the data may have moved already, or it cannot be trusted any more */

    if (reg_upload_current(u, NULL) != REG_OK) {
        u->gone = 1;
        (void) reg_upload_drop(u->s, up, u->path.s, NULL);

    } else if (why.call != NULL && (strcmp(why.call, "fdatasync") == 0
                                    || strcmp(why.call, "fsync") == 0))
    {
        reg_upload_distrust(u);
    }

    if (e != NULL && e->rc == REG_OK) {
        *e = why;
    }

    return rc;
}


/*
 * The blob, then its link.  The data may be gone by now, with a session that
 * was cancelled or with its repository: no repository must come of that, so
 * where there is none the first step is done before one is made.
 */

static reg_rc_t
reg_upload_place(reg_upload_t *u, const reg_put_t *items, reg_error_t *e)
{
    reg_rc_t   rc;
    reg_str_t  name;

    name = reg_str_of(u->name);

    switch (reg_repo_exists(u->s, name, e)) {

    case 1:
        rc = reg_repo_make(u->s, name, e);

        return (rc == REG_OK) ? u->s->driver->put(u->s, items, 2, e) : rc;

    case 0:
        rc = u->s->driver->put(u->s, items, 1, e);

        if (rc == REG_OK) {
            rc = reg_repo_make(u->s, name, e);
        }

        return (rc == REG_OK) ? u->s->driver->put(u->s, items + 1, 1, e) : rc;

    default:
        return (e->rc != REG_OK) ? e->rc : REG_STORAGE;
    }
}


/*
 * With nothing but its startedat a session serves for another one, which must
 * not be this one's owner's.  It is taken from where it belongs, and under the
 * store's lock, so that its repository is not deleted meanwhile: what is in the
 * trash somebody may be removing, with all that comes into it.  There up leads
 * when the repository was deleted before we had the lock.
 */

static int
reg_upload_spare(reg_upload_t *u, int up)
{
    struct stat  named, st;

    if (u->states
        || fstatat(reg_fs_of(u->s)->root, u->path.s, &named,
                   AT_SYMLINK_NOFOLLOW)
           == -1
        || fstat(u->dir, &st) == -1
        || named.st_ino != st.st_ino || named.st_dev != st.st_dev
        || (unlinkat(u->dir, REG_UPLOAD_OWNER, 0) == -1 && errno != ENOENT))
    {
        return 0;
    }

    return reg_fs_spare_give(reg_fs_of(u->s), up, u->id) == 0;
}


/*
 * Removes what is left of a session whose data has become a blob: where it is,
 * or, without a descriptor to look into it, in the trash in its time.
 */

static void
reg_upload_tidy(reg_upload_t *u, int up)
{
    unsigned  budget;

    budget = UINT_MAX;

    if (reg_fs_rmtree(reg_fs_of(u->s), up, u->id, &budget) == -1) {
        (void) reg_upload_drop(u->s, up, u->path.s, NULL);
    }
}


reg_rc_t
reg_upload_cancel(reg_store_t *s, reg_str_t name, reg_str_t id,
    reg_error_t *e)
{
    int         up;
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_upload(&path, name, id, "");

    up = reg_fs_openlen(reg_fs_of(s), path.s,
                        reg_fs_parent(path.s, path.len));

    if (up == -1) {
        return reg_upload_unknown(reg_fs_fail(e, errno, "open", path.s), e);
    }

    rc = reg_upload_drop(s, up, path.s, e);

    (void) close(up);

    return reg_upload_unknown(rc, e);
}


reg_rc_t
reg_upload_drop(reg_store_t *s, int up, const char *path, reg_error_t *e)
{
    int        trash;
    char       name[REG_FS_UNIQUE];
    unsigned   budget;
    reg_rc_t   rc;
    reg_fs_t  *fs;

    fs = reg_fs_of(s);

    rc = reg_fs_discard_at(fs, up, path, name, e);

    if (rc != REG_OK) {
        return rc;
    }

    trash = reg_fs_own(fs, REG_FS_TRASH);

    if (trash != -1) {
        budget = UINT_MAX;
        (void) reg_fs_rmtree(fs, trash, name, &budget);
        (void) close(trash);
    }

    return REG_OK;
}


/* Where there is no descriptor for the rest, the data alone goes. */

void
reg_upload_distrust(reg_upload_t *u)
{
    reg_rc_t  rc;

    u->failed = 1;
    u->gone = 1;

    rc = reg_upload_cancel(u->s, reg_str_of(u->name), reg_str_of(u->id),
                           NULL);

    if (rc != REG_OK && rc != REG_UPLOAD_UNKNOWN) {
        (void) unlinkat(u->dir, "data", 0);
    }
}


reg_rc_t
reg_upload_unknown(reg_rc_t rc, reg_error_t *e)
{
    if (rc == REG_ABSENT) {
        return reg_error_set(e, REG_UPLOAD_UNKNOWN, NULL);
    }

    return rc;
}
