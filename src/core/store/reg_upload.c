
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_upload_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* pieces written at once: bodies in chunks come as many small ones */
#define REG_UPLOAD_PIECES     64

/* bytes after which the disk is set to work, while more of them arrive */
#define REG_UPLOAD_WRITEBACK  (8 * 1024 * 1024)


static reg_rc_t reg_upload_keep(reg_upload_t *u, const char *data,
    size_t len, reg_error_t *e);
static reg_rc_t reg_upload_spill(reg_upload_t *u, reg_error_t *e);
static reg_rc_t reg_upload_put(reg_upload_t *u, const struct iovec *iov,
    int n, int hash, reg_error_t *e);


uint64_t
reg_upload_offset(const reg_upload_t *u)
{
    return u->offset;
}


time_t
reg_upload_changed(const reg_upload_t *u)
{
    struct stat  st;

    return (fstat(u->fd, &st) == -1) ? 0 : st.st_mtime;
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

    rc = REG_OK;

    for (i = 0; i < n && !u->large && rc == REG_OK; i++) {

        if (u->offset + iov[i].iov_len > REG_UPLOAD_SMALL) {
            rc = reg_upload_spill(u, e);
            break;
        }

        rc = reg_upload_keep(u, iov[i].iov_base, iov[i].iov_len, e);
    }

    if (rc == REG_OK) {
        rc = reg_upload_put(u, iov + i, n - i, 1, e);
    }

    return (rc == REG_OK) ? REG_OK : reg_upload_fail(u, rc);
}


reg_rc_t
reg_upload_fail(reg_upload_t *u, reg_rc_t rc)
{
    u->failed = 1;

    if (!u->gone && ftruncate(u->fd, (off_t) u->saved) == -1) {

        /* of a file that is too long the next one to open it says what it is */
    }

    return rc;
}


void
reg_upload_undo(reg_upload_t *u)
{
    if (!u->failed) {
        (void) reg_upload_fail(u, REG_OK);
    }
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

        rc = reg_upload_state_save(u->s, u->dir, u->path.s, &u->promise, 0,
                                   e);

        if (rc != REG_OK) {
            return rc;
        }

        u->states = 1;
        u->stated = 1;
    }

    u->large = 1;

    return reg_upload_flush(u, e);
}


int
reg_upload_splits(const reg_upload_t *u)
{
    return u->large && !u->failed;
}


reg_rc_t
reg_upload_write(reg_upload_t *u, const struct iovec *iov, int n,
    reg_error_t *e)
{
    reg_rc_t  rc;

    rc = reg_upload_put(u, iov, n, 0, e);

    return (rc == REG_OK) ? REG_OK : reg_upload_fail(u, rc);
}


void
reg_upload_hash(reg_upload_t *u, const struct iovec *iov, int n)
{
    int  i;

    for (i = 0; i < n; i++) {
        reg_hash_update(&u->hash, iov[i].iov_base, iov[i].iov_len);
    }
}


/*
 * Writes piece by piece, and small pieces together.  They end where their size
 * divides the file, for the sake of the pages they come to stand in.  With
 * hash set each is hashed while it is in the cache still.
 */

static reg_rc_t
reg_upload_put(reg_upload_t *u, const struct iovec *iov, int n, int hash,
    reg_error_t *e)
{
    int           i, k;
    size_t        size, room, used;
    uint64_t      end;
    struct iovec  piece[REG_UPLOAD_PIECES], left[REG_UPLOAD_PIECES];

    i = 0;
    used = 0;

    while (i < n) {
        size = 0;
        room = REG_UPLOAD_PIECE - (size_t) (u->offset % REG_UPLOAD_PIECE);

        for (k = 0; i < n && k < REG_UPLOAD_PIECES && size < room; k++) {
            piece[k].iov_base = (char *) iov[i].iov_base + used;
            piece[k].iov_len = iov[i].iov_len - used;

            if (piece[k].iov_len > room - size) {
                piece[k].iov_len = room - size;
                used += piece[k].iov_len;

            } else {
                used = 0;
                i++;
            }

            size += piece[k].iov_len;
        }

        memcpy(left, piece, k * sizeof(struct iovec));

        if (reg_fs_pwritev(u->fd, left, k, u->offset) == -1) {
            return reg_error_sys(e, errno, "pwritev", u->path.s);
        }

        if (hash) {
            reg_upload_hash(u, piece, k);
        }

        u->offset += size;
        u->written = u->offset;
    }

    /*
     * The closing sync would else find all of a large blob still in memory.
     * This neither waits nor takes the place of the sync, which will tell if
     * something went wrong.  What will be written to again is left out.
     */

    if (u->written - u->begun >= REG_UPLOAD_WRITEBACK) {
        end = u->written - u->written % REG_UPLOAD_PIECE;

        (void) sync_file_range(u->fd, (off64_t) u->begun,
                               (off64_t) (end - u->begun),
                               SYNC_FILE_RANGE_WRITE);
        u->begun = end;
    }

    return REG_OK;
}


reg_rc_t
reg_upload_flush(reg_upload_t *u, reg_error_t *e)
{
    reg_str_t  data;

    /*
     * Behind what was promised before: a file system may have the new length
     * on disk long before the new bytes, so it tells nothing any more.
     */

    if (u->written < u->offset && u->saved > 0 && !u->large) {
        return reg_upload_spill(u, e);
    }

    if (u->written == 0 && u->offset > 0 && !u->large) {
        data.data = u->small;
        data.len = (size_t) u->offset;

        reg_upload_short_note(u->fd, &u->hash, data);
    }

    if (u->written < u->offset
        && reg_fs_pwrite(u->fd, u->small, (size_t) (u->offset - u->written),
                         u->written)
           == -1)
    {
        return reg_error_sys(e, errno, "pwrite", u->path.s);
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

reg_rc_t
reg_upload_sync(reg_upload_t *u, reg_error_t *e)
{
    reg_rc_t  rc;

    if (reg_fs_sync_data(reg_fs_of(u->s), u->fd) == 0) {
        return REG_OK;
    }

    rc = reg_error_sys(e, errno, "fdatasync", u->path.s);

    reg_upload_distrust(u);

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

    /* what is short and came at once is hashed again by who opens it next */

    rc = reg_upload_flush(u, e);

    if (rc == REG_OK && u->large) {
        rc = reg_upload_sync(u, e);

        if (rc == REG_OK) {
            rc = reg_upload_state_save(u->s, u->dir, u->path.s, &u->hash, 1,
                                       e);
            u->states = 1;
            u->stated = 1;
        }

    } else if (rc == REG_OK) {

        /* no state is put there, which a session that is gone would refuse */

        rc = reg_upload_unknown(reg_upload_current(u, e), e);
    }

    if (rc != REG_OK) {
        return reg_upload_fail(u, rc);
    }

    u->saved = u->offset;
    u->promise = u->hash;

    return REG_OK;
}
