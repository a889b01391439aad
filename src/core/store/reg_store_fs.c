
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_store_fs.h"

#include "reg_fs.h"
#include "reg_time.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* what a file that is read whole is expected to be at most, at first */
#define REG_FS_READ  4096


static void reg_store_fs_close(reg_store_t *s);
static reg_rc_t reg_store_fs_open_file(reg_store_t *s, const char *path,
    reg_file_t *f, reg_error_t *e);
static reg_rc_t reg_store_fs_read(reg_store_t *s, const char *path,
    size_t max, reg_buf_t *out, reg_error_t *e);
static int reg_store_fs_regular(int fd);
static int reg_store_fs_whole_link(const char *data, size_t len, size_t max);
static reg_rc_t reg_store_fs_stat(reg_store_t *s, const char *path,
    reg_stat_t *out, reg_error_t *e);
static reg_rc_t reg_store_fs_dirs(reg_store_t *s, const char *base,
    const char *const *paths, size_t n, unsigned char *there, reg_error_t *e);
static reg_rc_t reg_store_fs_list(reg_store_t *s, const char *path,
    reg_list_pt fn, void *ctx, reg_error_t *e);
static int reg_store_fs_is_dir(int dir, const struct dirent *entry);
static reg_rc_t reg_store_fs_write(reg_store_t *s, const char *path,
    reg_str_t data, int durable, reg_error_t *e);
static reg_rc_t reg_store_fs_adopt(reg_store_t *s, const char *from,
    const char *to, reg_error_t *e);
static reg_rc_t reg_store_fs_mkdir(reg_store_t *s, const char *path,
    int durable, reg_error_t *e);
static int reg_store_fs_sync(reg_fs_t *fs, const reg_fs_dir_t *d,
    const char *path);
static reg_rc_t reg_store_fs_discard(reg_store_t *s, const char *path,
    int *dir, reg_error_t *e);


static const reg_driver_t  reg_store_fs = {
    reg_store_fs_open_file,
    reg_fs_look,
    reg_fs_link,
    reg_store_fs_read,
    reg_store_fs_stat,
    reg_store_fs_dirs,
    reg_store_fs_list,
    reg_store_fs_write,
    reg_fs_put,
    reg_store_fs_adopt,
    reg_store_fs_mkdir,
    reg_fs_remove,
    reg_store_fs_discard,
    reg_fs_settle,
    reg_fs_empty_trash,
    reg_fs_lock,
    reg_fs_unlock,
    reg_store_fs_close
};


reg_rc_t
reg_store_fs_open(reg_store_t *s, const char *root, reg_error_t *e)
{
    reg_fs_t  *fs;
    reg_rc_t   rc;

    rc = reg_fs_init(&fs, root, e);

    if (rc == REG_OK) {
        s->driver = &reg_store_fs;
        s->data = fs;
    }

    return rc;
}


static void
reg_store_fs_close(reg_store_t *s)
{
    reg_fs_free(reg_fs_of(s));
}


static reg_rc_t
reg_store_fs_open_file(reg_store_t *s, const char *path, reg_file_t *f,
    reg_error_t *e)
{
    struct stat  st;

    return reg_fs_file(s, path, f, &st, e);
}


reg_rc_t
reg_fs_file(reg_store_t *s, const char *path, reg_file_t *f, struct stat *st,
    reg_error_t *e)
{
    int        fd, err;
    reg_fs_t  *fs;

    fs = reg_fs_of(s);
    fd = reg_fs_open(fs, fs->root, path, O_RDONLY);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    if (fstat(fd, st) == -1) {
        err = errno;
        (void) close(fd);

        return reg_error_sys(e, err, "fstat", path);
    }

    if (!S_ISREG(st->st_mode)) {
        (void) close(fd);
        return REG_ABSENT;
    }

    f->fd = fd;
    f->size = (uint64_t) st->st_size;

    if (reg_fs_whole(fs, fd, st, &f->whole) == -1) {
        err = errno;
        (void) close(fd);

        return reg_error_sys(e, err, "fgetxattr", path);
    }

    f->mtime = reg_time_ns(&st->st_mtim);

    return REG_OK;
}


/*
 * No fstat() unless it is in doubt: what is no regular file has nothing to say
 * here.  A directory gives EISDIR, a FIFO without a writer its end, with one
 * EAGAIN; a device may give more than max bytes, or some that mean nothing to
 * the caller.
 */

static reg_rc_t
reg_store_fs_read(reg_store_t *s, const char *path, size_t max,
    reg_buf_t *out, reg_error_t *e)
{
    int        fd, err, tries;
    size_t     start, size, want;
    ssize_t    n;
    reg_fs_t  *fs;

    fs = reg_fs_of(s);
    fd = reg_fs_open(fs, fs->root, path, O_RDONLY);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    err = 0;
    size = 0;
    tries = 0;
    start = out->len;
    want = (max < REG_FS_READ) ? max + 1 : REG_FS_READ;

    while (size <= max) {

        if (want > max + 1 - size) {
            want = max + 1 - size;
        }

        if (want > out->max - out->len) {
            want = out->max - out->len;
        }

        if (want == 0) {
            err = ENXIO;
            break;
        }

        if (reg_buf_reserve(out, want) != 0) {
            err = ENOMEM;
            break;
        }

        n = read(fd, out->data + start + size, want);

        if (n == -1) {
            if (errno == EAGAIN && !reg_store_fs_regular(fd)) {
                err = ENXIO;
                break;
            }

            if (reg_fs_again(&tries)) {
                continue;
            }

            err = errno;
            break;
        }

        size += (size_t) n;
        out->len = start + size;

        if (n == 0
            || reg_store_fs_whole_link(out->data + start, size, max))
        {
            break;
        }

        want = size;
    }

    (void) close(fd);

    if (err == 0 && size > max) {
        err = ENXIO;
    }

    if (err != 0) {
        out->len = start;
        return reg_fs_fail(e, err, "read", path);
    }

    return REG_OK;
}


static int
reg_store_fs_regular(int fd)
{
    struct stat  st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}


/* A link is whole when it holds a digest: one read less, for its end. */

static int
reg_store_fs_whole_link(const char *data, size_t len, size_t max)
{
    reg_str_t     text;
    reg_digest_t  d;

    if (max != REG_LINK_MAX) {
        return 0;
    }

    text.len = len;
    text.data = data;

    return reg_digest_parse(&d, text, NULL) == REG_OK;
}


static reg_rc_t
reg_store_fs_stat(reg_store_t *s, const char *path, reg_stat_t *out,
    reg_error_t *e)
{
    int          fd, rc, err;
    reg_fs_t    *fs;
    struct stat  st;

    fs = reg_fs_of(s);
    fd = reg_fs_open(fs, fs->root, path, O_PATH);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    rc = fstat(fd, &st);
    err = errno;

    (void) close(fd);

    if (rc == -1) {
        return reg_fs_fail(e, err, "fstat", path);
    }

    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        return REG_ABSENT;
    }

    reg_fs_stat(&st, out);

    return REG_OK;
}


static reg_rc_t
reg_store_fs_dirs(reg_store_t *s, const char *base,
    const char *const *paths, size_t n, unsigned char *there, reg_error_t *e)
{
    int          dir, fd;
    size_t       i;
    reg_rc_t     rc;
    reg_fs_t    *fs;
    struct stat  st;

    fs = reg_fs_of(s);
    dir = reg_fs_open(fs, fs->root, base, O_PATH|O_DIRECTORY);

    if (dir == -1) {
        return reg_fs_fail(e, errno, "open", base);
    }

    rc = REG_OK;

    for (i = 0; i < n; i++) {

        /* one component: there is nothing on the way to be followed */

        if (strchr(paths[i], '/') == NULL) {
            if (fstatat(dir, paths[i], &st, AT_SYMLINK_NOFOLLOW) == 0) {
                there[i] = S_ISDIR(st.st_mode);
                continue;
            }

            there[i] = 0;

            if (!reg_fs_absent(errno)) {
                rc = reg_error_sys(e, errno, "stat", paths[i]);
                break;
            }

            continue;
        }

        fd = reg_fs_open(fs, dir, paths[i], O_PATH|O_DIRECTORY);

        there[i] = (fd != -1);

        if (fd != -1) {
            (void) close(fd);

        } else if (!reg_fs_absent(errno)) {
            rc = reg_error_sys(e, errno, "open", paths[i]);
            break;
        }
    }

    (void) close(dir);

    return rc;
}


static reg_rc_t
reg_store_fs_list(reg_store_t *s, const char *path, reg_list_pt fn,
    void *ctx, reg_error_t *e)
{
    int             fd, err;
    DIR            *list;
    reg_fs_t       *fs;
    reg_rc_t        rc;
    reg_str_t       name;
    struct dirent  *entry;

    fs = reg_fs_of(s);
    fd = reg_fs_opendir(fs, fs->root, path);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    list = fdopendir(fd);

    if (list == NULL) {
        err = errno;
        (void) close(fd);

        return reg_error_sys(e, err, "fdopendir", path);
    }

    rc = REG_OK;

    while (rc == REG_OK) {

        errno = 0;
        entry = readdir(list);

        if (entry == NULL) {
            if (errno != 0) {
                rc = reg_fs_fail(e, errno, "readdir", path);
            }

            break;
        }

        name = reg_str_of(entry->d_name);

        if (reg_str_eq(name, reg_str(".")) || reg_str_eq(name, reg_str("..")))
        {
            continue;
        }

        rc = fn(ctx, name, reg_store_fs_is_dir(fd, entry));
    }

    (void) closedir(list);

    return rc;
}


static int
reg_store_fs_is_dir(int dir, const struct dirent *entry)
{
    struct stat  st;

    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }

    return fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
           && S_ISDIR(st.st_mode);
}


static reg_rc_t
reg_store_fs_write(reg_store_t *s, const char *path, reg_str_t data,
    int durable, reg_error_t *e)
{
    int        dir, tmp, fd, rc, err, tries;
    char       name[REG_FS_UNIQUE];
    size_t     len;
    reg_fs_t  *fs;
    reg_put_t  item;

    if (durable) {
        memset(&item, 0, sizeof(item));

        item.path = path;
        item.data = data;
        item.fd = -1;

        return reg_fs_put(s, &item, 1, e);
    }

    fs = reg_fs_of(s);
    tmp = reg_fs_own(fs, REG_FS_TMP);

    if (tmp == -1) {
        return reg_error_sys(e, errno, "open", REG_FS_TMP);
    }

    do {
        reg_fs_unique(fs, name);
        fd = reg_fs_create(fs, tmp, name, data);
    } while (fd == -1 && errno == EEXIST);

    if (fd == -1) {
        err = errno;
        (void) close(tmp);

        return reg_error_sys(e, err, "create", REG_FS_TMP);
    }

    (void) close(fd);

    len = reg_fs_parent(path, strlen(path));
    tries = 0;

    do {
        rc = -1;
        dir = reg_fs_mkdirs(fs, path, len);
        err = errno;

        if (dir != -1) {
            rc = renameat(tmp, name, dir, path + len + (len > 0));
            err = errno;
            (void) close(dir);
        }

    } while (rc == -1 && err == ENOENT && tries++ < REG_FS_TRIES);

    if (rc == -1) {
        (void) unlinkat(tmp, name, 0);
    }

    (void) close(tmp);

    return (rc == 0) ? REG_OK : reg_error_sys(e, err, "rename", path);
}


static reg_rc_t
reg_store_fs_adopt(reg_store_t *s, const char *from, const char *to,
    reg_error_t *e)
{
    reg_put_t  item;

    memset(&item, 0, sizeof(item));

    item.path = to;
    item.from = from;
    item.dir = -1;
    item.fd = -1;

    return reg_fs_put(s, &item, 1, e);
}


static reg_rc_t
reg_store_fs_mkdir(reg_store_t *s, const char *path, int durable,
    reg_error_t *e)
{
    int            rc, err;
    reg_fs_t      *fs;
    reg_fs_dir_t   d;

    fs = reg_fs_of(s);

    if (reg_fs_dir_open(fs, &d, path, strlen(path)) == -1
        && (errno != ENOENT || reg_fs_dir_make(fs, &d, path) == -1))
    {
        return reg_error_sys(e, errno, "mkdir", path);
    }

    rc = durable ? reg_store_fs_sync(fs, &d, path) : 0;
    err = errno;

    reg_fs_dir_close(&d);

    return (rc == 0) ? REG_OK : reg_error_sys(e, err, "fsync", path);
}


/* Makes sure that the name of a directory is on disk. */

static int
reg_store_fs_sync(reg_fs_t *fs, const reg_fs_dir_t *d, const char *path)
{
    int             rc, err;
    reg_fs_dir_t    above;
    reg_fs_ident_t  id;

    if (reg_fs_ident(d->fd, &id) == -1) {
        return -1;
    }

    if (d->made == 0 && (!id.young || reg_fs_known(fs, id.key))) {
        return 0;
    }

    if (reg_fs_dir_open(fs, &above, path, reg_fs_parent(path, d->len)) == -1)
    {
        return reg_fs_absent(errno) ? 0 : -1;
    }

    above.made = (d->made < d->len) ? d->made : 0;

    rc = reg_fs_dir_sync(fs, &above, path, NULL);
    err = errno;

    reg_fs_dir_close(&above);

    if (rc == 0) {
        reg_fs_learn(fs, id.key);
    }

    errno = err;

    return rc;
}


static reg_rc_t
reg_store_fs_discard(reg_store_t *s, const char *path, int *dir,
    reg_error_t *e)
{
    int        up;
    char       name[REG_FS_UNIQUE];
    reg_fs_t  *fs;
    reg_rc_t   rc;

    fs = reg_fs_of(s);
    up = reg_fs_openlen(fs, path, reg_fs_parent(path, strlen(path)));

    if (up == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    rc = reg_fs_discard_at(fs, up, path, name, e);

    if (rc != REG_OK) {
        (void) close(up);
        return rc;
    }

    if (dir != NULL) {
        *dir = up;
        return REG_OK;
    }

    return reg_fs_settle(s, up, path, e);
}
