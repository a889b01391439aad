
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_upload_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


/* how often a session is looked at that is saved while it is looked at */
#define REG_UPLOAD_LOOKS  4


static reg_rc_t reg_upload_load(reg_upload_t *u, uint64_t size,
    reg_error_t *e);
static reg_rc_t reg_upload_verify(reg_upload_t *u, uint64_t size,
    reg_error_t *e);
static int reg_upload_before_boot(int fd);
static reg_rc_t reg_upload_look(reg_store_t *s, int dir, const char *path,
    struct stat *st, uint64_t *offset, reg_error_t *e);
static reg_rc_t reg_upload_short_status(reg_fs_t *fs, int dir,
    const reg_upload_state_t *state, const char *path, struct stat *st,
    uint64_t *offset, reg_error_t *e);


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
 * was killed, or the state is wrong; or a reboot came between.  distribution
 * hashes from the beginning what it appends to a session that has no state of
 * its length, as ours have none while they are small, and saves that as if it
 * were all.  To it, all of the file counts.
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


reg_rc_t
reg_upload_status(reg_store_t *s, reg_str_t name, reg_str_t id,
    uint64_t *offset, reg_error_t *e)
{
    int          dir, looks;
    reg_fs_t    *fs;
    reg_rc_t     rc;
    reg_path_t   path, data;
    struct stat  st, named;

    fs = reg_fs_of(s);

    reg_layout_upload(&path, name, id, "");
    reg_layout_upload(&data, name, id, "/data");

    dir = reg_fs_opendir(fs, fs->root, path.s);

    if (dir == -1) {
        return reg_upload_unknown(reg_fs_fail(e, errno, "open", path.s), e);
    }

    /*
     * Who saves it removes the older state, which may be the one that was
     * listed, and the newer one stood beyond what there was of the data.
     */

    looks = 0;

    do {
        rc = reg_upload_look(s, dir, path.s, &st, offset, e);

    } while (rc == REG_OK && *offset == 0 && st.st_size > REG_UPLOAD_SMALL
             && ++looks < REG_UPLOAD_LOOKS);

    (void) close(dir);

    /* it may have ended, and another one been given its directory */

    if (rc == REG_OK
        && fstatat(fs->root, data.s, &named, AT_SYMLINK_NOFOLLOW) == -1)
    {
        rc = reg_fs_fail(e, errno, "stat", path.s);

    } else if (rc == REG_OK
               && (st.st_ino != named.st_ino || st.st_dev != named.st_dev))
    {
        rc = REG_ABSENT;
    }

    return (rc == REG_OK) ? REG_OK : reg_upload_unknown(rc, e);
}


/* st becomes what is known of the data, which somebody may be writing to. */

static reg_rc_t
reg_upload_look(reg_store_t *s, int dir, const char *path, struct stat *st,
    uint64_t *offset, reg_error_t *e)
{
    reg_rc_t            rc;
    reg_upload_state_t  state;

    if (fstatat(dir, "data", st, AT_SYMLINK_NOFOLLOW) == -1) {
        return reg_fs_fail(e, errno, "stat", path);
    }

    if (!S_ISREG(st->st_mode)) {
        return REG_ABSENT;
    }

    rc = reg_upload_state_load(s, dir, path, (uint64_t) st->st_size, &state,
                               e);

    if (rc != REG_OK) {
        return rc;
    }

    if (st->st_size <= REG_UPLOAD_SMALL && state.offset == 0) {
        return reg_upload_short_status(reg_fs_of(s), dir, &state, path, st,
                                       offset, e);
    }

    *offset = state.offset;

    return REG_OK;
}


static reg_rc_t
reg_upload_short_status(reg_fs_t *fs, int dir,
    const reg_upload_state_t *state, const char *path, struct stat *st,
    uint64_t *offset, reg_error_t *e)
{
    int         fd;
    reg_rc_t    rc;
    reg_hash_t  h;

    fd = reg_fs_open(fs, dir, "data", O_RDONLY);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    /* it may have grown since: then that is being received */

    rc = (fstat(fd, st) == -1)
         ? reg_error_sys(e, errno, "fstat", path)
         : (st->st_size > REG_UPLOAD_SMALL)
         ? REG_OK
         : reg_upload_short_load(fd, state, (uint64_t) st->st_size, &h, path,
                                 e);

    (void) close(fd);

    if (rc == REG_OK) {
        *offset = (st->st_size > REG_UPLOAD_SMALL) ? 0 : h.length;
    }

    return rc;
}
