
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_upload.h"

#include "reg_fs.h"
#include "reg_repo.h"
#include "reg_upload_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* written and hashed at a time, so that both find it in the cache */
#define REG_UPLOAD_PIECE    (256 * 1024)

/* more data than this is synced before anybody has to wait for our lock */
#define REG_UPLOAD_EARLY    (4 * 1024 * 1024)

#define REG_UPLOAD_STARTED  sizeof("2026-11-20T21:04:05Z")


struct reg_upload_s {
    reg_store_t     *s;
    int              fd;              /* data, locked */

    uint64_t         offset;          /* bytes received */
    uint64_t         written;         /* of these in the file */
    uint64_t         saved;           /* of these promised */
    reg_hash_t       hash;            /* at offset */
    reg_hash_t       promise;         /* at saved */

    char            *small;           /* from written to offset, or NULL */
    unsigned         large:1;         /* written at once, and has states */
    unsigned         stated:1;        /* there is a state of saved */
    unsigned         states:1;        /* there is a directory of states */
    unsigned         failed:1;
    unsigned         gone:1;          /* the session was removed */

    reg_path_t       dir;
    char             name[REG_NAME_MAX + 1];
    char             id[REG_UUID_LEN + 1];
};


static reg_rc_t reg_upload_make(reg_fs_t *fs, int dir, const char *name,
    reg_str_t data, const char *path, reg_error_t *e);
static reg_rc_t reg_upload_load(reg_upload_t *u, uint64_t size,
    reg_error_t *e);
static reg_rc_t reg_upload_reread(reg_upload_t *u, uint64_t size,
    reg_alg_e alg, reg_error_t *e);
static reg_rc_t reg_upload_keep(reg_upload_t *u, const char *data,
    size_t len, reg_error_t *e);
static reg_rc_t reg_upload_spill(reg_upload_t *u, reg_error_t *e);
static reg_rc_t reg_upload_write(reg_upload_t *u, const char *data,
    size_t len, reg_error_t *e);
static reg_rc_t reg_upload_flush(reg_upload_t *u, reg_error_t *e);
static reg_rc_t reg_upload_fail(reg_upload_t *u, reg_rc_t rc);
static reg_rc_t reg_upload_sync(reg_upload_t *u, reg_error_t *e);
static int reg_upload_current(const reg_upload_t *u);
static reg_rc_t reg_upload_store(reg_upload_t *u, const reg_digest_t *d,
    reg_error_t *e);
static void reg_upload_tidy(reg_upload_t *u);
static void reg_upload_data(const reg_upload_t *u, reg_path_t *path);
static reg_rc_t reg_upload_drop(reg_store_t *s, const char *dir,
    reg_error_t *e);
static reg_rc_t reg_upload_unknown(reg_rc_t rc, reg_error_t *e);


reg_rc_t
reg_upload_create(reg_store_t *s, reg_str_t name, reg_alg_e alg, time_t now,
    char *id, reg_error_t *e)
{
    int         dir;
    char        started[REG_UPLOAD_STARTED];
    size_t      made;
    reg_fs_t   *fs;
    reg_rc_t    rc;
    reg_path_t  path;
    reg_hash_t  h;
    struct tm   tm;

    fs = reg_fs_of(s);

    if (reg_uuid_make(id) != 0) {
        return reg_error_sys(e, errno, "getrandom", NULL);
    }

    if (gmtime_r(&now, &tm) == NULL
        || strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        return reg_error_set(e, REG_INTERNAL, NULL);
    }

    reg_layout_upload(&path, name, reg_str_of(id), "");

    made = 0;
    dir = reg_fs_mkdirs(fs, path.s, path.len, &made);

    if (dir == -1) {
        return reg_error_sys(e, errno, "mkdir", path.s);
    }

    rc = reg_upload_make(fs, dir, "startedat", reg_str_of(started), path.s,
                         e);

    if (rc == REG_OK && alg != REG_SHA256) {
        reg_hash_init(&h, alg);
        rc = reg_upload_state_save(s, path.s, &h, 0, e);
    }

    /* data comes last: it is what makes a session of all this */

    if (rc == REG_OK) {
        rc = reg_upload_make(fs, dir, "data", reg_null_str, path.s, e);
    }

    (void) close(dir);

    if (rc != REG_OK) {
        (void) reg_upload_drop(s, path.s, NULL);
    }

    return rc;
}


static reg_rc_t
reg_upload_make(reg_fs_t *fs, int dir, const char *name, reg_str_t data,
    const char *path, reg_error_t *e)
{
    int  fd;

    fd = reg_fs_create(fs, dir, name, data);

    if (fd == -1) {
        return reg_error_sys(e, errno, "create", path);
    }

    (void) close(fd);

    return REG_OK;
}


reg_rc_t
reg_upload_open(reg_upload_t **out, reg_store_t *s, reg_str_t name,
    reg_str_t id, reg_error_t *e)
{
    uint64_t       size;
    reg_rc_t       rc;
    reg_path_t     path;
    reg_upload_t  *u;

    u = calloc(1, sizeof(reg_upload_t));

    if (u == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    if (name.len > REG_NAME_MAX || id.len > REG_UUID_LEN) {
        free(u);
        return reg_error_set(e, REG_UPLOAD_UNKNOWN, NULL);
    }

    u->s = s;
    memcpy(u->name, name.data, name.len);
    memcpy(u->id, id.data, id.len);

    reg_layout_upload(&u->dir, name, id, "");
    reg_upload_data(u, &path);

    rc = reg_store_upload_open(s, path.s, &u->fd, &size, e);

    if (rc != REG_OK) {
        free(u);
        return reg_upload_unknown(rc, e);
    }

    rc = reg_upload_load(u, size, e);

    if (rc != REG_OK) {
        reg_upload_close(u);
        return reg_upload_unknown(rc, e);
    }

    *out = u;

    return REG_OK;
}


/* Finds out where the session stands, and cuts off what was not saved. */

static reg_rc_t
reg_upload_load(reg_upload_t *u, uint64_t size, reg_error_t *e)
{
    reg_rc_t            rc;
    reg_upload_state_t  state;

    rc = reg_upload_state_load(u->s, u->dir.s, size, &state, e);

    if (rc != REG_OK) {
        return rc;
    }

    u->states = state.any;
    u->hash = state.hash;
    u->offset = state.offset;

    if (state.offset == 0 && size <= REG_UPLOAD_SMALL) {
        rc = reg_upload_reread(u, size, state.hash.alg, e);

        if (rc != REG_OK) {
            return rc;
        }

    } else {
        u->large = (state.offset > 0);
        u->stated = u->large;
    }

    if (size > u->offset && ftruncate(u->fd, (off_t) u->offset) == -1) {
        return reg_error_sys(e, errno, "ftruncate", u->dir.s);
    }

    u->written = u->offset;
    u->saved = u->offset;
    u->promise = u->hash;

    return REG_OK;
}


/* Hashes the first size bytes of the file; offset becomes what was there. */

static reg_rc_t
reg_upload_reread(reg_upload_t *u, uint64_t size, reg_alg_e alg,
    reg_error_t *e)
{
    int        err;
    char      *buf;
    size_t     len;
    ssize_t    n;
    uint64_t   at;

    reg_hash_init(&u->hash, alg);
    u->offset = 0;

    if (size == 0) {
        return REG_OK;
    }

    len = (size < REG_UPLOAD_PIECE) ? (size_t) size : REG_UPLOAD_PIECE;
    buf = malloc(len);

    if (buf == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    for (at = 0; at < size; at += (uint64_t) n) {

        if (len > size - at) {
            len = (size_t) (size - at);
        }

        n = reg_fs_pread(u->fd, buf, len, at);

        if (n == -1) {
            err = errno;
            free(buf);

            return reg_error_sys(e, err, "pread", u->dir.s);
        }

        if (n == 0) {
            break;
        }

        reg_hash_update(&u->hash, buf, (size_t) n);
    }

    free(buf);

    u->offset = at;

    return REG_OK;
}


void
reg_upload_close(reg_upload_t *u)
{
    if (u == NULL) {
        return;
    }

    (void) close(u->fd);

    free(u->small);
    free(u);
}


uint64_t
reg_upload_offset(const reg_upload_t *u)
{
    return u->offset;
}


void
reg_upload_expect(reg_upload_t *u, reg_alg_e alg)
{
    if (u->offset == 0 && u->hash.alg != alg) {
        reg_hash_init(&u->hash, alg);
        u->promise = u->hash;
    }
}


reg_rc_t
reg_upload_append(reg_upload_t *u, const struct iovec *iov, int n,
    reg_error_t *e)
{
    int       i;
    reg_rc_t  rc;

    if (u->failed) {
        return reg_error_set(e, REG_INTERNAL, NULL);
    }

    for (i = 0; i < n; i++) {

        if (!u->large && u->offset + iov[i].iov_len <= REG_UPLOAD_SMALL) {
            rc = reg_upload_keep(u, iov[i].iov_base, iov[i].iov_len, e);

        } else {
            rc = u->large ? REG_OK : reg_upload_spill(u, e);

            if (rc == REG_OK) {
                rc = reg_upload_write(u, iov[i].iov_base, iov[i].iov_len, e);
            }
        }

        if (rc != REG_OK) {
            return reg_upload_fail(u, rc);
        }
    }

    return REG_OK;
}


/* After an error the file is no longer than it was promised to be. */

static reg_rc_t
reg_upload_fail(reg_upload_t *u, reg_rc_t rc)
{
    u->failed = 1;

    if (!u->gone && ftruncate(u->fd, (off_t) u->saved) == -1) {

        /* of a file that is too long the next one to open it says what it is */
    }

    return rc;
}


/* The first bytes wait in memory, for the whole blob may be no longer. */

static reg_rc_t
reg_upload_keep(reg_upload_t *u, const char *data, size_t len,
    reg_error_t *e)
{
    if (len == 0) {
        return REG_OK;
    }

    if (u->small == NULL) {
        u->small = malloc(REG_UPLOAD_SMALL);

        if (u->small == NULL) {
            return reg_error_set(e, REG_NO_MEMORY, NULL);
        }
    }

    memcpy(u->small + (u->offset - u->written), data, len);

    reg_hash_update(&u->hash, data, len);
    u->offset += len;

    return REG_OK;
}


/*
 * Becomes a large upload.  What was promised of a small one had no state, and
 * needs one before the file grows: its length will tell nothing any more.
 */

static reg_rc_t
reg_upload_spill(reg_upload_t *u, reg_error_t *e)
{
    reg_rc_t  rc;

    if (u->saved > 0 && !u->stated) {
        rc = reg_upload_sync(u, e);

        if (rc != REG_OK) {
            return rc;
        }

        rc = reg_upload_state_save(u->s, u->dir.s, &u->promise, 0, e);

        if (rc != REG_OK) {
            return rc;
        }

        u->states = 1;
        u->stated = 1;
    }

    u->large = 1;

    return reg_upload_flush(u, e);
}


static reg_rc_t
reg_upload_write(reg_upload_t *u, const char *data, size_t len,
    reg_error_t *e)
{
    size_t  n;

    while (len > 0) {
        n = (len < REG_UPLOAD_PIECE) ? len : REG_UPLOAD_PIECE;

        if (reg_fs_pwrite(u->fd, data, n, u->offset) == -1) {
            return reg_error_sys(e, errno, "pwrite", u->dir.s);
        }

        reg_hash_update(&u->hash, data, n);

        data += n;
        len -= n;
        u->offset += n;
        u->written = u->offset;
    }

    return REG_OK;
}


/* Writes what waits in memory; it is hashed already. */

static reg_rc_t
reg_upload_flush(reg_upload_t *u, reg_error_t *e)
{
    if (u->written < u->offset
        && reg_fs_pwrite(u->fd, u->small, (size_t) (u->offset - u->written),
                         u->written)
           == -1)
    {
        return reg_error_sys(e, errno, "pwrite", u->dir.s);
    }

    u->written = u->offset;

    free(u->small);
    u->small = NULL;

    return REG_OK;
}


/*
 * The kernel tells of data it could not write once, and takes it for written
 * from then on.  The session therefore ends with the first failure.
 */

static reg_rc_t
reg_upload_sync(reg_upload_t *u, reg_error_t *e)
{
    reg_rc_t  rc;

    if (fdatasync(u->fd) == 0) {
        return REG_OK;
    }

    rc = reg_error_sys(e, errno, "fdatasync", u->dir.s);

    u->failed = 1;
    u->gone = 1;

    (void) reg_upload_drop(u->s, u->dir.s, NULL);

    return rc;
}


reg_rc_t
reg_upload_save(reg_upload_t *u, reg_error_t *e)
{
    reg_rc_t  rc;

    if (u->failed) {
        return reg_error_set(e, REG_INTERNAL, NULL);
    }

    if (u->offset == u->saved) {
        return REG_OK;
    }

    if (!u->large) {

        /*
         * The length of the file is all that has to be kept, for what is
         * short is hashed again by the next one to open it.  That also finds
         * what a power cut made of bytes that were not synced.
         */

        rc = reg_upload_flush(u, e);

    } else {
        rc = reg_upload_sync(u, e);

        if (rc == REG_OK) {
            rc = reg_upload_state_save(u->s, u->dir.s, &u->hash, 1, e);
            u->states = 1;
            u->stated = 1;
        }
    }

    if (rc != REG_OK) {
        return reg_upload_fail(u, rc);
    }

    u->saved = u->offset;
    u->promise = u->hash;

    return REG_OK;
}


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

        rc = reg_upload_reread(u, u->offset, d->alg, e);
    }

    if (rc == REG_OK) {
        reg_hash_final(&u->hash, &got);

        if (!reg_digest_eq(&got, d)) {
            (void) reg_upload_drop(u->s, u->dir.s, NULL);
            u->gone = 1;

            return reg_error_set(e, REG_DIGEST_MISMATCH,
                                 "the content has %s", got.text);
        }

        rc = reg_upload_store(u, d, e);
    }

    if (rc != REG_OK) {
        return reg_upload_fail(u, rc);
    }

    reg_upload_tidy(u);

    return REG_OK;
}


/* 1 when the file that is locked still is the session's. */

static int
reg_upload_current(const reg_upload_t *u)
{
    int          fd, rc;
    reg_path_t   path;
    struct stat  named, st;

    reg_upload_data(u, &path);

    fd = reg_fs_open(reg_fs_of(u->s), reg_fs_of(u->s)->root, path.s, O_PATH);

    if (fd == -1) {
        return 0;
    }

    rc = (fstat(fd, &named) == 0 && fstat(u->fd, &st) == 0
          && named.st_ino == st.st_ino && named.st_dev == st.st_dev);

    (void) close(fd);

    return rc;
}


/* Makes the data a blob, and links it, under the store's lock. */

static reg_rc_t
reg_upload_store(reg_upload_t *u, const reg_digest_t *d, reg_error_t *e)
{
    int          lock;
    reg_rc_t     rc;
    reg_put_t    items[2];
    reg_path_t   data, blob, link;
    reg_error_t  why;

    if (u->offset > REG_UPLOAD_EARLY) {
        rc = reg_upload_sync(u, e);

        if (rc != REG_OK) {
            return rc;
        }
    }

    if (!reg_upload_current(u)) {
        u->gone = 1;
        return reg_error_set(e, REG_UPLOAD_UNKNOWN, NULL);
    }

    reg_upload_data(u, &data);
    reg_layout_blob(&blob, d);
    reg_layout_layer(&link, reg_str_of(u->name), d);

    memset(items, 0, sizeof(items));

    items[0].path = blob.s;
    items[0].from = data.s;
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

    rc = reg_repo_make(u->s, reg_str_of(u->name), &why);

    if (rc == REG_OK) {
        rc = u->s->driver->put(u->s, items, 2, &why);
    }

    u->s->driver->unlock(u->s, lock);

    if (rc == REG_OK) {
        return REG_OK;
    }

    if (rc == REG_ABSENT) {
        u->gone = 1;
        return reg_error_set(e, REG_UPLOAD_UNKNOWN, NULL);
    }

    /* the data has moved already, or it cannot be trusted any more */

    if (!reg_upload_current(u)
        || (why.call != NULL && (strcmp(why.call, "fdatasync") == 0
                                 || strcmp(why.call, "fsync") == 0)))
    {
        u->gone = 1;
        (void) reg_upload_drop(u->s, u->dir.s, NULL);
    }

    if (e != NULL && e->rc == REG_OK) {
        *e = why;
    }

    return rc;
}


/* Removes what is left of a session whose data has become a blob. */

static void
reg_upload_tidy(reg_upload_t *u)
{
    int        dir, up;
    size_t     len;
    unsigned   budget;
    reg_fs_t  *fs;

    fs = reg_fs_of(u->s);
    u->gone = 1;

    len = reg_fs_parent(u->dir.s, u->dir.len);
    up = reg_fs_openlen(fs, u->dir.s, len);

    if (up == -1) {
        return;
    }

    budget = UINT_MAX;

    if (!u->states) {

        /* the common case, without a listing */

        dir = reg_fs_open(fs, up, u->id, O_PATH|O_DIRECTORY);

        if (dir != -1) {
            (void) unlinkat(dir, "startedat", 0);
            (void) close(dir);
        }

        if (unlinkat(up, u->id, AT_REMOVEDIR) == 0) {
            budget = 0;
        }
    }

    if (budget != 0) {
        (void) reg_fs_rmtree(fs, up, u->id, &budget);
    }

    (void) close(up);
}


static void
reg_upload_data(const reg_upload_t *u, reg_path_t *path)
{
    reg_layout_upload(path, reg_str_of(u->name), reg_str_of(u->id), "/data");
}


reg_rc_t
reg_upload_status(reg_store_t *s, reg_str_t name, reg_str_t id,
    uint64_t *offset, reg_error_t *e)
{
    reg_rc_t            rc;
    reg_stat_t          st;
    reg_path_t          path;
    reg_upload_state_t  state;

    reg_layout_upload(&path, name, id, "/data");

    rc = s->driver->stat(s, path.s, &st, e);

    if (rc == REG_OK && st.dir) {
        rc = REG_ABSENT;
    }

    if (rc == REG_OK) {
        reg_layout_upload(&path, name, id, "");
        rc = reg_upload_state_load(s, path.s, st.size, &state, e);
    }

    if (rc != REG_OK) {
        return reg_upload_unknown(rc, e);
    }

    *offset = (state.offset == 0 && st.size <= REG_UPLOAD_SMALL)
              ? st.size : state.offset;

    return REG_OK;
}


reg_rc_t
reg_upload_cancel(reg_store_t *s, reg_str_t name, reg_str_t id,
    reg_error_t *e)
{
    reg_path_t  path;

    reg_layout_upload(&path, name, id, "");

    return reg_upload_unknown(reg_upload_drop(s, path.s, e), e);
}


/* Takes a session away at once, also from somebody who has it open. */

static reg_rc_t
reg_upload_drop(reg_store_t *s, const char *dir, reg_error_t *e)
{
    int        trash;
    char       name[REG_FS_UNIQUE];
    unsigned   budget;
    reg_rc_t   rc;
    reg_fs_t  *fs;

    fs = reg_fs_of(s);

    rc = reg_fs_discard(fs, dir, 0, name, e);

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


static reg_rc_t
reg_upload_unknown(reg_rc_t rc, reg_error_t *e)
{
    if (rc == REG_ABSENT) {
        return reg_error_set(e, REG_UPLOAD_UNKNOWN, NULL);
    }

    return rc;
}
