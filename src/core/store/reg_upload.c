
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_upload_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


#define REG_UPLOAD_STARTED  sizeof("2026-11-20T21:04:05Z")

/* pieces written at once: bodies in chunks come as many small ones */
#define REG_UPLOAD_PIECES     64

/* bytes after which the disk is set to work, while more of them arrive */
#define REG_UPLOAD_WRITEBACK  (8 * 1024 * 1024)


static int reg_upload_unmake(int up, const char *id);
static reg_rc_t reg_upload_make(reg_fs_t *fs, int dir, const char *name,
    reg_str_t data, const char *path, reg_error_t *e);
static reg_rc_t reg_upload_load(reg_upload_t *u, uint64_t size,
    reg_error_t *e);
static reg_rc_t reg_upload_verify(reg_upload_t *u, uint64_t size,
    reg_error_t *e);
static int reg_upload_before_boot(int fd);
static reg_rc_t reg_upload_short_status(reg_fs_t *fs, int dir,
    const reg_upload_state_t *state, const char *path, uint64_t *offset,
    reg_error_t *e);
static reg_rc_t reg_upload_keep(reg_upload_t *u, const char *data,
    size_t len, reg_error_t *e);
static reg_rc_t reg_upload_spill(reg_upload_t *u, reg_error_t *e);
static reg_rc_t reg_upload_put(reg_upload_t *u, const struct iovec *iov,
    int n, int hash, reg_error_t *e);


reg_rc_t
reg_upload_create(reg_store_t *s, reg_str_t name, reg_alg_e alg, time_t now,
    char *id, reg_error_t *e)
{
    if (reg_uuid_make(id) != 0) {
        return reg_error_sys(e, errno, "getrandom", NULL);
    }

    return reg_upload_create_as(s, name, alg, now, id, e);
}


reg_rc_t
reg_upload_create_as(reg_store_t *s, reg_str_t name, reg_alg_e alg,
    time_t now, const char *id, reg_error_t *e)
{
    int         dir, up, err, fresh, tries;
    char        started[REG_UPLOAD_STARTED];
    reg_fs_t   *fs;
    reg_rc_t    rc;
    reg_path_t  path;
    reg_hash_t  h;
    struct tm   tm;

    fs = reg_fs_of(s);

    if (gmtime_r(&now, &tm) == NULL
        || strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        return reg_error_set(e, REG_INTERNAL, NULL);
    }

    reg_layout_upload(&path, name, reg_str_of(id), "");

    /* somebody may be removing the repository, as long as it is empty */

    for (tries = 0; /* void */ ; tries++) {
        up = reg_fs_mkdirs(fs, path.s, reg_fs_parent(path.s, path.len));

        if (up == -1) {
            return reg_error_sys(e, errno, "mkdir", path.s);
        }

        fresh = (reg_fs_spare_take(fs, up, id, reg_str_of(started)) == -1);

        if (!fresh || mkdirat(up, id, REG_FS_DIR_MODE) == 0) {
            break;
        }

        err = errno;
        (void) close(up);

        if (err != ENOENT || tries == REG_FS_TRIES) {
            return reg_error_sys(e, err, "mkdir", path.s);
        }
    }

    dir = reg_fs_opendir(fs, up, id);
    rc = (dir == -1) ? reg_error_sys(e, errno, "open", path.s) : REG_OK;

    if (rc == REG_OK && fresh) {
        rc = reg_upload_make(fs, dir, "startedat", reg_str_of(started),
                             path.s, e);
    }

    if (rc == REG_OK && alg != REG_SHA256) {
        reg_hash_init(&h, alg);
        rc = reg_upload_state_save(s, dir, path.s, &h, 0, e);
    }

    /* data comes last: it is what makes a session of all this */

    if (rc == REG_OK) {
        rc = reg_upload_make(fs, dir, "data", reg_null_str, path.s, e);
    }

    if (dir != -1) {
        (void) close(dir);
    }

    if (rc != REG_OK && reg_upload_unmake(up, id) == -1) {
        (void) reg_upload_drop(s, path.s, NULL);
    }

    (void) close(up);

    return rc;
}


/*
 * Removes a session that could not be made, without opening anything, for
 * there may be no descriptor left.
 */

static int
reg_upload_unmake(int up, const char *id)
{
    int   n;
    char  path[REG_UUID_LEN + sizeof("/hashstates/sha512/0")];

    static const char *const  names[] = {
        "data", "startedat", "hashstates/sha512/0"
    };

    static const char *const  dirs[] = {
        "/hashstates/sha512", "/hashstates", ""
    };

    for (n = 0; n < 3; n++) {
        (void) snprintf(path, sizeof(path), "%s/%s", id, names[n]);
        (void) unlinkat(up, path, 0);
    }

    for (n = 0; n < 3; n++) {
        (void) snprintf(path, sizeof(path), "%s%s", id, dirs[n]);

        if (unlinkat(up, path, AT_REMOVEDIR) == -1 && errno != ENOENT) {
            return -1;
        }
    }

    return 0;
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

    reg_layout_upload(&u->path, name, id, "");

    rc = reg_fs_upload_open(reg_fs_of(s), u->path.s, &u->dir, &u->fd, &size,
                            e);

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

    rc = reg_upload_state_load(u->s, u->dir, u->path.s, size, &state, e);

    if (rc != REG_OK) {
        return rc;
    }

    u->states = state.any;
    u->hash = state.hash;

    if (size <= REG_UPLOAD_SMALL && state.offset == 0) {
        rc = reg_upload_short_load(u->fd, &state, size, &u->hash, u->path.s,
                                   e);

    } else if (state.offset > 0) {
        u->stated = 1;

        if (state.offset < size || size <= REG_UPLOAD_SMALL
            || reg_upload_before_boot(u->fd))
        {
            rc = reg_upload_verify(u, size, e);
        }
    }

    if (rc != REG_OK) {
        return rc;
    }

    u->offset = u->hash.length;
    u->large = (u->offset > REG_UPLOAD_SMALL || u->stated || state.damaged);
    u->written = u->offset;
    u->begun = u->offset;
    u->saved = u->offset;
    u->promise = u->hash;

    if (size > u->offset && ftruncate(u->fd, (off_t) u->offset) == -1) {
        return reg_error_sys(e, errno, "ftruncate", u->path.s);
    }

    return REG_OK;
}


/*
 * Ours is data that was on disk before its state was named.  distribution
 * syncs neither, and what its sessions were before a power cut is told by
 * their data alone.
 */

static int
reg_upload_before_boot(int fd)
{
    struct stat      st;
    struct timespec  now, up;

    if (fstat(fd, &st) == -1
        || clock_gettime(CLOCK_REALTIME, &now) == -1
        || clock_gettime(CLOCK_BOOTTIME, &up) == -1)
    {
        return 1;
    }

    return st.st_mtim.tv_sec <= now.tv_sec - up.tv_sec;
}


/*
 * Data goes on behind the newest state: it was not saved, because somebody
 * was killed, or the state is wrong; or a reboot came between.  distribution hashes from the beginning
 * what it appends to a session that has no state of its length, as ours have
 * none while they are small, and saves that as if it were all.  To it, all
 * of the file counts.
 */

static reg_rc_t
reg_upload_verify(reg_upload_t *u, uint64_t size, reg_error_t *e)
{
    size_t         len;
    reg_rc_t       rc;
    reg_hash_t     h;
    unsigned char  is[REG_HASH_STATE_MAX], want[REG_HASH_STATE_MAX];

    reg_hash_init(&h, u->hash.alg);

    rc = reg_upload_reread(u->fd, u->hash.length, &h, u->path.s, e);

    if (rc != REG_OK) {
        return rc;
    }

    len = reg_hash_save(&h, is);

    if (reg_hash_save(&u->hash, want) == len && memcmp(is, want, len) == 0) {
        return REG_OK;
    }

    u->stated = 0;
    reg_hash_init(&u->hash, u->hash.alg);

    return reg_upload_reread(u->fd, size, &u->hash, u->path.s, e);
}


reg_rc_t
reg_upload_reread(int fd, uint64_t size, reg_hash_t *h, const char *path,
    reg_error_t *e)
{
    int        err;
    char      *buf;
    size_t     len;
    ssize_t    n;
    uint64_t   at;

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

        n = reg_fs_pread(fd, buf, len, at);

        if (n == -1) {
            err = errno;
            free(buf);

            return reg_error_sys(e, err, "pread", path);
        }

        if (n == 0) {
            break;
        }

        reg_hash_update(h, buf, (size_t) n);
    }

    free(buf);

    return REG_OK;
}


void
reg_upload_close(reg_upload_t *u)
{
    if (u == NULL) {
        return;
    }

    (void) close(u->fd);
    (void) close(u->dir);

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

    if (fdatasync(u->fd) == 0) {
        return REG_OK;
    }

    rc = reg_error_sys(e, errno, "fdatasync", u->path.s);

    u->failed = 1;
    u->gone = 1;

    (void) reg_upload_drop(u->s, u->path.s, NULL);

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
    }

    if (rc != REG_OK) {
        return reg_upload_fail(u, rc);
    }

    u->saved = u->offset;
    u->promise = u->hash;

    return REG_OK;
}


reg_rc_t
reg_upload_status(reg_store_t *s, reg_str_t name, reg_str_t id,
    uint64_t *offset, reg_error_t *e)
{
    int                 dir;
    reg_fs_t           *fs;
    reg_rc_t            rc;
    reg_path_t          path;
    struct stat         st;
    reg_upload_state_t  state;

    fs = reg_fs_of(s);
    state.offset = 0;

    reg_layout_upload(&path, name, id, "");

    dir = reg_fs_opendir(fs, fs->root, path.s);

    if (dir == -1) {
        return reg_upload_unknown(reg_fs_fail(e, errno, "open", path.s), e);
    }

    if (fstatat(dir, "data", &st, AT_SYMLINK_NOFOLLOW) == -1) {
        rc = reg_fs_fail(e, errno, "stat", path.s);

    } else if (!S_ISREG(st.st_mode)) {
        rc = REG_ABSENT;

    } else {
        rc = reg_upload_state_load(s, dir, path.s, (uint64_t) st.st_size,
                                   &state, e);
    }

    if (rc == REG_OK && st.st_size <= REG_UPLOAD_SMALL && state.offset == 0) {
        rc = reg_upload_short_status(fs, dir, &state, path.s, offset, e);

    } else if (rc == REG_OK) {
        *offset = state.offset;
    }

    (void) close(dir);

    return (rc == REG_OK) ? REG_OK : reg_upload_unknown(rc, e);
}


static reg_rc_t
reg_upload_short_status(reg_fs_t *fs, int dir,
    const reg_upload_state_t *state, const char *path, uint64_t *offset,
    reg_error_t *e)
{
    int          fd;
    reg_rc_t     rc;
    reg_hash_t   h;
    struct stat  st;

    fd = reg_fs_open(fs, dir, "data", O_RDONLY);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    /* it may have grown since: then that is being received */

    rc = (fstat(fd, &st) == -1)
         ? reg_error_sys(e, errno, "fstat", path)
         : (st.st_size > REG_UPLOAD_SMALL)
         ? REG_OK
         : reg_upload_short_load(fd, state, (uint64_t) st.st_size, &h, path,
                                 e);

    (void) close(fd);

    if (rc == REG_OK) {
        *offset = (st.st_size > REG_UPLOAD_SMALL) ? 0 : h.length;
    }

    return rc;
}
