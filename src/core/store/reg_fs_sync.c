
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_fs.h"
#include "reg_fs_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


/* directories inside one another that one sync remembers */
#define REG_FS_DEPTH        192

/* in ns; some file systems count in steps of two seconds */
#define REG_FS_TICK         INT64_C(50000000)
#define REG_FS_TICK_COARSE  INT64_C(2500000000)


static int reg_fs_sync_once(reg_fs_t *fs, int dir, uint64_t key,
    reg_fs_done_t *done);
static int reg_fs_alive(reg_fs_t *fs);


uint64_t
reg_fs_mix(uint64_t a, uint64_t b)
{
    uint64_t  x;

    /* the finalizer of splitmix64, twice */

    x = a + UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= (x >> 31) ^ b;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;

    return x | 1;
}


int
reg_fs_ident(int fd, reg_fs_ident_t *id)
{
    return reg_fs_ident_at(fd, "", id);
}


/*
 * Without a birth time the time of the last change takes its place: what was
 * not changed for long was not made lately either.
 */

int
reg_fs_ident_at(int dir, const char *name, reg_fs_ident_t *id)
{
    int64_t                  now;
    struct statx             st;
    struct statx_timestamp  *born;

    if (statx(dir, name,
              AT_EMPTY_PATH|AT_SYMLINK_NOFOLLOW|AT_STATX_SYNC_AS_STAT,
              STATX_INO|STATX_MTIME|STATX_CTIME|STATX_BTIME, &st)
        == -1)
    {
        return -1;
    }

    born = (st.stx_mask & STATX_BTIME) ? &st.stx_btime : &st.stx_ctime;

    now = (int64_t) time(NULL);

    id->young = (born->tv_sec > now - REG_SYNC_AGE);
    id->leased = (id->young && st.stx_mtime.tv_sec > now - REG_SYNC_AGE);
    id->key = reg_fs_mix(reg_fs_mix(st.stx_ino,
                                    ((uint64_t) st.stx_dev_major << 32)
                                    | st.stx_dev_minor),
                         (uint64_t) born->tv_sec * UINT64_C(1000000000)
                         + born->tv_nsec);
    return 0;
}


int64_t
reg_fs_tick(int64_t stamp)
{
    return (stamp % 1000000000 == 0) ? REG_FS_TICK_COARSE : REG_FS_TICK;
}


int
reg_fs_known(reg_fs_t *fs, uint64_t key)
{
    return atomic_load_explicit(&fs->known[(key >> 1) % REG_FS_KNOWN],
                                memory_order_acquire)
           == key;
}


void
reg_fs_learn(reg_fs_t *fs, uint64_t key)
{
    atomic_store_explicit(&fs->known[(key >> 1) % REG_FS_KNOWN], key,
                          memory_order_release);
}


/*
 * Not repeated after EINTR: a second fsync is no proof of the first.
 */

int
reg_fs_sync_entries(reg_fs_t *fs, int dir)
{
    return (fsync(dir) == -1) ? -1 : reg_fs_alive(fs);
}


int
reg_fs_sync_data(reg_fs_t *fs, int fd)
{
    return (fdatasync(fd) == -1) ? -1 : reg_fs_alive(fs);
}


/*
 * A file system that has just given up syncs without an error, although what
 * changed is lost: XFS a directory, whenever that is, and ext4 anything whose
 * journal commit failed before the sync came to look for it.  Both refuse to
 * open a file then; that of the lock is there wherever something is written,
 * and nothing is known without one, or without a descriptor for it.
 */

static int
reg_fs_alive(reg_fs_t *fs)
{
    int  fd;

    fd = reg_fs_open(fs, fs->root, REG_FS_LOCK, O_RDONLY);

    if (fd == -1) {
        return (errno == EIO) ? -1 : 0;
    }

    (void) close(fd);

    return 0;
}


static int
reg_fs_sync_once(reg_fs_t *fs, int dir, uint64_t key, reg_fs_done_t *done)
{
    size_t  i;

    if (done != NULL) {
        for (i = 0; i < done->n; i++) {
            if (done->keys[i] == key) {
                return 0;
            }
        }
    }

    if (reg_fs_sync_entries(fs, dir) == -1) {
        return -1;
    }

    if (done != NULL && done->n < sizeof(done->keys) / sizeof(uint64_t)) {
        done->keys[done->n++] = key;
    }

    return 0;
}


int
reg_fs_dir_sync(reg_fs_t *fs, const reg_fs_dir_t *d, const char *path,
    reg_fs_done_t *done)
{
    int             rc, err, up;
    size_t          n, len;
    uint64_t        seen[REG_FS_DEPTH];
    reg_fs_ident_t  id, above;

    if (reg_fs_ident(d->fd, &id) == -1
        || reg_fs_sync_once(fs, d->fd, id.key, done) == -1)
    {
        return -1;
    }

    rc = 0;
    n = 0;
    len = d->len;

    while (len > 0) {

        /* what is old stands in a directory that is older still */

        if (reg_fs_known(fs, id.key)
            || (!id.young && (d->made == 0 || len < d->made)))
        {
            break;
        }

        up = (len == d->len) ? d->up : -1;
        len = reg_fs_parent(path, len);

        if (up == -1) {
            up = reg_fs_openlen(fs, path, len);
        }

        if (up == -1) {

            /* removed meanwhile, and what was put there with it */

            rc = reg_fs_absent(errno) ? 0 : -1;
            n = 0;
            break;
        }

        if (n < REG_FS_DEPTH) {
            seen[n++] = id.key;
        }

        rc = (reg_fs_ident(up, &above) == -1
              || reg_fs_sync_once(fs, up, above.key, done) == -1) ? -1 : 0;

        if (up != d->up) {
            err = errno;
            (void) close(up);
            errno = err;
        }

        if (rc == -1) {
            return -1;
        }

        id = above;
    }

    while (rc == 0 && n > 0) {
        reg_fs_learn(fs, seen[--n]);
    }

    return rc;
}
