
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


/* of all repositories, where directories cannot be locked */
#define REG_FS_LOCK_MANIFESTS  REG_LAYOUT_OWN "/lock-manifests"


/*
 * ms that others are kept out by who wants a lock alone, and that they are let
 * in then, doubled each time, since those who have it may wait for a slow disk
 */
#define REG_FS_LOCK_SHUT      200
#define REG_FS_LOCK_SHUT_MAX  2000

/* ms after which he gives up */
#define REG_FS_LOCK_WAIT      30000

/* ms between two attempts at the lock of a repository with its door open */
#define REG_FS_LOCK_PAUSE     20


static reg_rc_t reg_fs_lock_file(reg_fs_t *fs, const char *path,
    reg_lock_e mode, int *handle, reg_error_t *e);
static int reg_fs_lock_open(reg_fs_t *fs, const char *path);
static int reg_fs_lock_share(int fd);
static int reg_fs_lock_alone(int fd);
static int reg_fs_lock_repo_share(int fd, int door);
static int reg_fs_lock_repo_alone(int fd, int door);
static int reg_fs_lock_repo_poll(int fd, unsigned ms, unsigned pause);
static int reg_fs_lock_flock(int fd, int operation);
static int reg_fs_lock_stale(reg_fs_t *fs, int fd, const char *path);
static int reg_fs_lock_poll(int fd, unsigned ms);
static void reg_fs_lock_sleep(unsigned ms);


/*
 * flock() lets who comes late share a lock that somebody waits for to have
 * alone, so under constant use he would wait for ever.  Everybody therefore
 * takes a second lock first, on the first byte, and gives it back when he has
 * the real one: it is a door that the one who waits keeps shut.  For a while at
 * most, since whoever holds the lock may have been stopped, and everybody else
 * would wait for him behind the door.
 */

static reg_rc_t
reg_fs_lock_file(reg_fs_t *fs, const char *path, reg_lock_e mode,
    int *handle, reg_error_t *e)
{
    int          fd, err;
    struct stat  st;

    for ( ;; ) {
        fd = reg_fs_lock_open(fs, path);

        if (fd == -1) {
            return reg_error_sys(e, errno, "open", path);
        }

        if (((mode == REG_LOCK_SHARED) ? reg_fs_lock_share(fd)
                                       : reg_fs_lock_alone(fd)) == -1
            || fstat(fd, &st) == -1)
        {
            err = errno;
            (void) close(fd);

            return (err == EWOULDBLOCK)
                   ? reg_error_set(e, REG_LOCKED, "others do not let go of "
                                   "the lock \"%s\"", path)
                   : reg_error_sys(e, err, "flock", path);
        }

        if (st.st_nlink != 0) {
            *handle = fd;
            return REG_OK;
        }

        /* somebody removed the file, others lock a new one */

        (void) close(fd);
    }
}


reg_rc_t
reg_fs_lock(reg_store_t *s, reg_lock_e mode, int *handle, reg_error_t *e)
{
    return reg_fs_lock_file(reg_fs_of(s), REG_FS_LOCK, mode, handle, e);
}


static int
reg_fs_lock_open(reg_fs_t *fs, const char *path)
{
    int  fd, dir;

    fd = reg_fs_open(fs, fs->root, path, O_RDWR);

    if (fd == -1 && errno == ENOENT) {

        dir = reg_fs_own(fs, REG_LAYOUT_OWN);

        if (dir == -1) {
            return -1;
        }

        (void) close(dir);

        fd = reg_fs_open(fs, fs->root, path, O_RDWR|O_CREAT);

        if (fd != -1) {
            reg_fs_give(fs, fd);
        }
    }

    return fd;
}


static int
reg_fs_lock_share(int fd)
{
    int           rc;
    struct flock  door;

    memset(&door, 0, sizeof(door));

    door.l_type = F_RDLCK;
    door.l_whence = SEEK_SET;
    door.l_len = 1;

    do {
        rc = fcntl(fd, F_OFD_SETLKW, &door);
    } while (rc == -1 && errno == EINTR);

    /* without such locks there is no order, but still a lock */

    if (rc == -1 && errno != EINVAL && errno != ENOLCK && errno != ENOTSUP) {
        return -1;
    }

    rc = reg_fs_lock_flock(fd, LOCK_SH);

    if (rc == 0) {
        door.l_type = F_UNLCK;
        (void) fcntl(fd, F_OFD_SETLK, &door);
    }

    return rc;
}


static int
reg_fs_lock_alone(int fd)
{
    unsigned  ms, waited;

    ms = REG_FS_LOCK_SHUT;
    waited = 0;

    while (reg_fs_lock_poll(fd, ms) == -1) {

        if (errno != EWOULDBLOCK || waited >= REG_FS_LOCK_WAIT) {
            return -1;
        }

        reg_fs_lock_sleep(ms);

        waited += 2 * ms;
        ms = (2 * ms < REG_FS_LOCK_SHUT_MAX) ? 2 * ms : REG_FS_LOCK_SHUT_MAX;
    }

    return 0;
}


reg_rc_t
reg_fs_lock_try(reg_store_t *s, unsigned ms, int *handle, reg_error_t *e)
{
    int          fd, err;
    struct stat  st;

    for ( ;; ) {
        fd = reg_fs_lock_open(reg_fs_of(s), REG_FS_LOCK);

        if (fd == -1) {
            return reg_error_sys(e, errno, "open", REG_FS_LOCK);
        }

        if (reg_fs_lock_poll(fd, ms) == -1 || fstat(fd, &st) == -1) {
            err = errno;
            (void) close(fd);

            return (err == EWOULDBLOCK)
                   ? REG_ABSENT
                   : reg_error_sys(e, err, "flock", REG_FS_LOCK);
        }

        if (st.st_nlink != 0) {
            *handle = fd;
            return REG_OK;
        }

        (void) close(fd);
    }
}


/*
 * Tries for so many ms, and keeps the door shut as soon as nobody is passing
 * through it.  EWOULDBLOCK.
 */

static int
reg_fs_lock_poll(int fd, unsigned ms)
{
    int           rc, err, shut;
    unsigned      i;
    struct flock  door;

    memset(&door, 0, sizeof(door));

    door.l_type = F_WRLCK;
    door.l_whence = SEEK_SET;
    door.l_len = 1;

    shut = 0;

    for (i = 0; /* void */ ; i++) {

        /* without such locks there is no order, but still a lock */

        if (ms > 0 && !shut) {
            shut = (fcntl(fd, F_OFD_SETLK, &door) == 0
                    || (errno != EAGAIN && errno != EACCES
                        && errno != EINTR));
        }

        rc = flock(fd, LOCK_EX|LOCK_NB);
        err = errno;

        if (rc == 0 || (err != EWOULDBLOCK && err != EINTR) || i >= ms) {
            break;
        }

        reg_fs_lock_sleep(1);
    }

    door.l_type = F_UNLCK;
    (void) fcntl(fd, F_OFD_SETLK, &door);

    errno = (err == EINTR) ? EWOULDBLOCK : err;

    return rc;
}


static void
reg_fs_lock_sleep(unsigned ms)
{
    struct timespec  ts;

    ts.tv_sec = (time_t) (ms / 1000);
    ts.tv_nsec = (long) (ms % 1000) * 1000000;

    (void) nanosleep(&ts, NULL);
}


void
reg_fs_unlock(reg_store_t *s, int handle)
{
    (void) s;
    (void) close(handle);
}


/*
 * Here the door is the directory above: it need not be that of the lock for
 * good, since it is there for the order alone.
 */

reg_rc_t
reg_fs_lock_repo(reg_store_t *s, const char *path, reg_lock_e mode, int *fd,
    reg_error_t *e)
{
    int         rc, err, door, stale;
    char       *p;
    reg_fs_t   *fs;
    reg_path_t  above;

    fs = reg_fs_of(s);

    (void) snprintf(above.s, sizeof(above.s), "%s", path);

    p = strrchr(above.s, '/');

    if (p != NULL) {
        *p = '\0';
    }

    do {
        *fd = reg_fs_opendir(fs, fs->root, path);

        if (*fd == -1) {
            return reg_fs_fail(e, errno, "open", path);
        }

        /* without it there is no order, but still a lock */

        door = reg_fs_opendir(fs, fs->root, above.s);

        rc = (mode == REG_LOCK_SHARED) ? reg_fs_lock_repo_share(*fd, door)
                                       : reg_fs_lock_repo_alone(*fd, door);
        err = errno;

        if (door != -1) {
            (void) close(door);
        }

        /* who shares it keeps it from being discarded, by the store's lock */

        stale = (rc == 0 && mode == REG_LOCK_EXCLUSIVE
                 && reg_fs_lock_stale(fs, *fd, path));

        if (rc == 0 && !stale) {
            return REG_OK;
        }

        (void) close(*fd);
        *fd = -1;

    } while (stale);

    if (err != EBADF && err != EINVAL && err != ENOLCK && err != ENOTSUP) {
        return reg_error_sys(e, err, "flock", path);
    }

    return reg_fs_lock_file(fs, REG_FS_LOCK_MANIFESTS, mode, fd, e);
}


static int
reg_fs_lock_repo_share(int fd, int door)
{
    if (door != -1) {
        (void) reg_fs_lock_flock(door, LOCK_SH);
    }

    return reg_fs_lock_flock(fd, LOCK_SH);
}


/*
 * Waits as long as it takes: who may not move tags takes this lock for each
 * push, and a slow disk is no reason to refuse him.
 */

static int
reg_fs_lock_repo_alone(int fd, int door)
{
    int       rc;
    unsigned  ms;

    rc = reg_fs_lock_flock(fd, LOCK_EX|LOCK_NB);
    ms = REG_FS_LOCK_SHUT;

    while (rc == -1 && errno == EWOULDBLOCK) {

        /* one of those who wait is at the door, the others behind him */

        if (door == -1 || reg_fs_lock_flock(door, LOCK_EX) == -1) {
            return reg_fs_lock_flock(fd, LOCK_EX);
        }

        rc = reg_fs_lock_repo_poll(fd, ms, 1);

        if (rc == -1 && errno == EWOULDBLOCK) {
            (void) reg_fs_lock_flock(door, LOCK_UN);
            rc = reg_fs_lock_repo_poll(fd, ms, REG_FS_LOCK_PAUSE);
        }

        ms = (2 * ms < REG_FS_LOCK_SHUT_MAX) ? 2 * ms : REG_FS_LOCK_SHUT_MAX;
    }

    return rc;
}


/* Tries for so many ms.  EWOULDBLOCK. */

static int
reg_fs_lock_repo_poll(int fd, unsigned ms, unsigned pause)
{
    unsigned  i;

    for (i = 0; i < ms; i += pause) {
        reg_fs_lock_sleep(pause);

        if (reg_fs_lock_flock(fd, LOCK_EX|LOCK_NB) == 0) {
            return 0;
        }

        if (errno != EWOULDBLOCK) {
            return -1;
        }
    }

    errno = EWOULDBLOCK;

    return -1;
}


static int
reg_fs_lock_flock(int fd, int operation)
{
    int  rc;

    do {
        rc = flock(fd, operation);
    } while (rc == -1 && errno == EINTR);

    return rc;
}


reg_rc_t
reg_fs_lock_repo_try(reg_store_t *s, const char *path, int *fd,
    reg_error_t *e)
{
    int          rc, err;
    unsigned     i;
    reg_fs_t    *fs;

    fs = reg_fs_of(s);
    err = 0;

    for (i = 0; i < 2; i++) {
        *fd = (i == 0) ? reg_fs_opendir(fs, fs->root, path)
                       : reg_fs_lock_open(fs, REG_FS_LOCK_MANIFESTS);

        if (*fd == -1) {
            return reg_fs_fail(e, errno, "open", path);
        }

        rc = reg_fs_lock_flock(*fd, LOCK_SH|LOCK_NB);

        if (rc == 0) {
            return REG_OK;
        }

        err = errno;
        (void) close(*fd);
        *fd = -1;

        if (err == EWOULDBLOCK) {
            return REG_LOCKED;
        }

        if (err != EBADF && err != EINVAL && err != ENOLCK && err != ENOTSUP)
        {
            break;
        }
    }

    return reg_error_sys(e, err, "flock", path);
}


/* 1 when the directory that was waited for is not the one of that name now. */

static int
reg_fs_lock_stale(reg_fs_t *fs, int fd, const char *path)
{
    int          now, same;
    struct stat  st, named;

    now = reg_fs_open(fs, fs->root, path, O_PATH|O_DIRECTORY);

    if (now == -1) {

        /* what opens it next will say why */

        return 1;
    }

    same = (fstat(fd, &st) == 0 && fstat(now, &named) == 0
            && st.st_ino == named.st_ino && st.st_dev == named.st_dev);

    (void) close(now);

    return !same;
}


reg_rc_t
reg_fs_upload_open(reg_fs_t *fs, const char *path, int *dir, int *fd,
    uint64_t *size, reg_error_t *e)
{
    int          err;
    reg_path_t   data;
    struct stat  st, named;

    *fd = -1;
    *dir = reg_fs_opendir(fs, fs->root, path);

    if (*dir == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    err = 0;
    *fd = reg_fs_open(fs, *dir, "data", O_RDWR);

    /*
     * Up to flock() the one before us may have ended the session: then this is
     * a blob by now, or nothing, or what belongs to another session that was
     * given the directory.  Hence the whole path.
     */

    (void) snprintf(data.s, sizeof(data.s), "%s/data", path);

    if (*fd == -1
        || flock(*fd, LOCK_EX|LOCK_NB) == -1
        || fstat(*fd, &st) == -1
        || fstatat(fs->root, data.s, &named, AT_SYMLINK_NOFOLLOW) == -1)
    {
        err = errno;

    } else if (st.st_ino != named.st_ino || st.st_dev != named.st_dev
               || !S_ISREG(st.st_mode))
    {
        err = ENOENT;
    }

    if (err == 0) {
        *size = (uint64_t) st.st_size;
        return REG_OK;
    }

    if (*fd != -1) {
        (void) close(*fd);
    }

    (void) close(*dir);

    return (err == EWOULDBLOCK) ? reg_error_set(e, REG_UPLOAD_BUSY, NULL)
                                : reg_fs_fail(e, err, "open", path);
}
