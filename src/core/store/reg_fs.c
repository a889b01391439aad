
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_fs.h"

#include "reg_time.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>


#ifndef O_LARGEFILE
#define O_LARGEFILE  0
#endif


static int reg_fs_walk(int dir, const char *path, int flags);
static int reg_fs_ascend(reg_fs_t *fs, const char *path, size_t *len);
static int reg_fs_step(int dir, const char *path, size_t from, size_t to,
    size_t *made);


reg_rc_t
reg_fs_init(reg_fs_t **out, const char *root, reg_error_t *e)
{
    int        err;
    size_t     i;
    reg_fs_t  *fs;
    char       uuid[REG_UUID_LEN + 1];

    fs = calloc(1, sizeof(reg_fs_t));

    if (fs == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    /* the root itself is the operator's, and may be a symbolic link */

    do {
        fs->root = open(root, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    } while (fs->root == -1 && errno == EINTR);

    if (fs->root == -1) {
        err = errno;
        free(fs);

        return reg_error_sys(e, err, "open", root);
    }

    if (reg_uuid_make(uuid) != 0) {
        err = errno;
        reg_fs_free(fs);

        return reg_error_sys(e, err, "getrandom", NULL);
    }

    for (i = 0; i < REG_UUID_LEN; i++) {
        fs->seed = reg_fs_mix(fs->seed, (unsigned char) uuid[i]);
    }

    reg_fs_seen_init(fs);

    *out = fs;

    return REG_OK;
}


void
reg_fs_free(reg_fs_t *fs)
{
    (void) close(fs->root);
    free(fs);
}


void
reg_fs_plain(reg_store_t *s)
{
    atomic_store(&reg_fs_of(s)->plain, 1);
}


int
reg_fs_absent(int err)
{
    switch (err) {

    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EISDIR:
    case ENXIO:
    case ENODEV:
        return 1;

    default:
        return 0;
    }
}


reg_rc_t
reg_fs_fail(reg_error_t *e, int err, const char *call, const char *path)
{
    if (reg_fs_absent(err)) {
        return REG_ABSENT;
    }

    return reg_error_sys(e, err, call, path);
}


void
reg_fs_stat(const struct stat *st, reg_stat_t *out)
{
    out->size = (uint64_t) st->st_size;
    out->ino = st->st_ino;
    out->mtime = reg_time_ns(&st->st_mtim);
    out->ctime = reg_time_ns(&st->st_ctim);
    out->dir = S_ISDIR(st->st_mode);
}


int
reg_fs_open(reg_fs_t *fs, int dir, const char *path, int flags)
{
    int              fd;
    struct open_how  how;

    flags |= O_CLOEXEC|O_NOFOLLOW;

    if (!(flags & O_PATH)) {
        flags |= O_NONBLOCK|O_NOCTTY|O_LARGEFILE;
    }

    if (!atomic_load_explicit(&fs->plain, memory_order_relaxed)) {

        memset(&how, 0, sizeof(how));

        how.flags = (uint64_t) flags;
        how.mode = (flags & O_CREAT) ? REG_FS_FILE_MODE : 0;
        how.resolve = RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS
                      |RESOLVE_NO_MAGICLINKS;

        do {
            fd = (int) syscall(SYS_openat2, dir, path, &how, sizeof(how));
        } while (fd == -1 && errno == EINTR);

        if (fd != -1 || (errno != ENOSYS && errno != EPERM)) {
            return fd;
        }

        /* EPERM is what an old container runtime says instead of ENOSYS */

        if (errno == ENOSYS) {
            atomic_store(&fs->plain, 1);
        }
    }

    return reg_fs_walk(dir, path, flags);
}


/* What openat2() does, one component at a time. */

static int
reg_fs_walk(int dir, const char *path, int flags)
{
    int          fd, at, err;
    size_t       len;
    const char  *slash;
    char         name[NAME_MAX + 1];

    at = dir;

    for ( ;; ) {
        slash = strchr(path, '/');
        len = (slash == NULL) ? strlen(path) : (size_t) (slash - path);

        if (len > NAME_MAX) {
            fd = -1;
            errno = ENAMETOOLONG;
            break;
        }

        memcpy(name, path, len);
        name[len] = '\0';

        do {
            fd = openat(at, name,
                        slash ? O_PATH|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC
                              : flags,
                        REG_FS_FILE_MODE);
        } while (fd == -1 && errno == EINTR);

        if (fd == -1 || slash == NULL) {
            break;
        }

        if (at != dir) {
            (void) close(at);
        }

        at = fd;
        path = slash + 1;
    }

    if (at != dir) {
        err = errno;
        (void) close(at);
        errno = err;
    }

    return fd;
}


int
reg_fs_opendir(reg_fs_t *fs, int dir, const char *path)
{
    return reg_fs_open(fs, dir, path, O_RDONLY|O_DIRECTORY);
}


int
reg_fs_openlen(reg_fs_t *fs, const char *path, size_t len)
{
    char  part[REG_PATH_MAX];

    if (len == 0) {
        return fcntl(fs->root, F_DUPFD_CLOEXEC, 0);
    }

    if (len >= REG_PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }

    memcpy(part, path, len);
    part[len] = '\0';

    return reg_fs_opendir(fs, fs->root, part);
}


int
reg_fs_there(reg_fs_t *fs, const char *path)
{
    int          fd, rc;
    struct stat  st;

    fd = reg_fs_openlen(fs, path, reg_fs_parent(path, strlen(path)));

    if (fd == -1) {
        return (errno == ENOENT) ? 0 : reg_fs_absent(errno) ? 1 : -1;
    }

    rc = fstatat(fd, reg_fs_base(path), &st, AT_SYMLINK_NOFOLLOW);

    if (rc == -1) {
        rc = (errno == ENOENT) ? 0 : -1;

    } else {
        rc = 1;
    }

    (void) close(fd);

    return rc;
}


size_t
reg_fs_parent(const char *path, size_t len)
{
    while (len > 0 && path[len - 1] != '/') {
        len--;
    }

    return (len > 0) ? len - 1 : 0;
}


const char *
reg_fs_base(const char *path)
{
    size_t  len;

    len = reg_fs_parent(path, strlen(path));

    return path + len + (len > 0);
}


int
reg_fs_dir_open(reg_fs_t *fs, reg_fs_dir_t *d, const char *path, size_t len)
{
    d->up = -1;
    d->len = len;
    d->made = 0;
    d->fd = reg_fs_openlen(fs, path, len);

    return (d->fd == -1) ? -1 : 0;
}


int
reg_fs_dir_make(reg_fs_t *fs, reg_fs_dir_t *d, const char *path)
{
    int     fd, err, tries;
    size_t  at, to;

    for (tries = 0; tries < REG_FS_TRIES; tries++) {

        at = reg_fs_parent(path, d->len);
        fd = reg_fs_ascend(fs, path, &at);

        while (fd != -1 && at < d->len) {
            to = at + (at > 0);

            while (to < d->len && path[to] != '/') {
                to++;
            }

            d->fd = reg_fs_step(fd, path, at, to, &d->made);

            if (d->fd != -1 && to == d->len) {
                d->up = fd;
                return 0;
            }

            err = errno;
            (void) close(fd);
            errno = err;

            fd = d->fd;
            at = to;
        }

        /* ENOENT: an empty parent was removed under our feet */

        if (errno != ENOENT) {
            break;
        }
    }

    d->fd = -1;

    return -1;
}


void
reg_fs_dir_close(reg_fs_dir_t *d)
{
    if (d->up != -1) {
        (void) close(d->up);
        d->up = -1;
    }

    if (d->fd != -1) {
        (void) close(d->fd);
        d->fd = -1;
    }
}


int
reg_fs_mkdirs(reg_fs_t *fs, const char *path, size_t len)
{
    reg_fs_dir_t  d;

    if (reg_fs_dir_open(fs, &d, path, len) == 0) {
        return d.fd;
    }

    if (errno != ENOENT || reg_fs_dir_make(fs, &d, path) == -1) {
        return -1;
    }

    (void) close(d.up);

    return d.fd;
}


/* Opens the deepest directory of path that is there; *len becomes its own. */

static int
reg_fs_ascend(reg_fs_t *fs, const char *path, size_t *len)
{
    int  fd;

    for ( ;; ) {
        fd = reg_fs_openlen(fs, path, *len);

        if (fd != -1 || errno != ENOENT || *len == 0) {
            return fd;
        }

        *len = reg_fs_parent(path, *len);
    }
}


/* Makes and opens the component of path between from and to, below dir. */

static int
reg_fs_step(int dir, const char *path, size_t from, size_t to, size_t *made)
{
    int     fd;
    char    name[NAME_MAX + 1];
    size_t  len;

    from += (from > 0);
    len = to - from;

    if (len > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }

    memcpy(name, path + from, len);
    name[len] = '\0';

    if (mkdirat(dir, name, REG_FS_DIR_MODE) == 0) {
        if (*made == 0 || to < *made) {
            *made = to;
        }

    } else if (errno != EEXIST) {
        return -1;
    }

    do {
        fd = openat(dir, name,
                    O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC|O_NONBLOCK);
    } while (fd == -1 && errno == EINTR);

    return fd;
}


void
reg_fs_unique(reg_fs_t *fs, char *name)
{
    /*
     * The seed tells stores and machines apart, the process those that
     * inherited one handle, the count the rest.
     */

    (void) snprintf(name, REG_FS_UNIQUE, "%016llx-%lx-%llx",
                    (unsigned long long) fs->seed,
                    (unsigned long) getpid(),
                    (unsigned long long) atomic_fetch_add(&fs->count, 1));
}


void
reg_fs_give(reg_fs_t *fs, int fd)
{
    struct stat  st, is;

    if (fstat(fd, &is) == -1 || (!S_ISDIR(is.st_mode) && is.st_nlink != 1)) {
        return;
    }

    if (geteuid() == 0 && fstat(fs->root, &st) == 0 && st.st_uid != 0) {
        (void) !fchown(fd, st.st_uid, st.st_gid);
    }
}


int
reg_fs_ours(reg_fs_t *fs, const struct stat *is)
{
    struct stat  st;

    return is->st_nlink == 1 || geteuid() != 0
           || (fstat(fs->root, &st) == 0 && st.st_uid == is->st_uid);
}


int
reg_fs_own(reg_fs_t *fs, const char *path)
{
    int  fd;

    fd = reg_fs_opendir(fs, fs->root, path);

    if (fd != -1 || errno != ENOENT) {
        return fd;
    }

    /* both at once: a full disk has no room for the one that deletes need */

    fd = reg_fs_mkdirs(fs, REG_FS_TRASH, sizeof(REG_FS_TRASH) - 1);

    if (fd != -1) {
        reg_fs_give(fs, fd);
        (void) close(fd);
    }

    fd = reg_fs_opendir(fs, fs->root, REG_LAYOUT_OWN);

    if (fd != -1) {
        reg_fs_give(fs, fd);
        (void) close(fd);
    }

    fd = reg_fs_mkdirs(fs, path, strlen(path));

    if (fd != -1) {
        reg_fs_give(fs, fd);
    }

    return fd;
}
