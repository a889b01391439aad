
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_fs.h"

#include "reg_time.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* directories inside one another that are removed at most */
#define REG_FS_TREE_MAX  64


static int reg_fs_trash(reg_fs_t *fs, int dir, const char *base, char *name);
static int reg_fs_take_away(reg_fs_t *fs, int dir, const char *name,
    unsigned *files);
static int reg_fs_rmdir(reg_fs_t *fs, int dir, const char *name,
    unsigned *budget, unsigned depth);
static reg_rc_t reg_fs_sweep(reg_fs_t *fs, const char *path,
    const int64_t *before, unsigned *files, int *left, reg_error_t *e);
static int reg_fs_older(int dir, const char *name, int64_t before);


int
reg_fs_rmtree(reg_fs_t *fs, int dir, const char *name, unsigned *budget)
{
    return reg_fs_rmdir(fs, dir, name, budget, 0);
}


static int
reg_fs_rmdir(reg_fs_t *fs, int dir, const char *name, unsigned *budget,
    unsigned depth)
{
    int             fd, rc, err;
    DIR            *list;
    struct dirent  *entry;

    if (*budget == 0) {
        return 1;
    }

    if (unlinkat(dir, name, 0) == 0) {
        (*budget)--;
        return 0;
    }

    if (errno != EISDIR && errno != EPERM) {
        return (errno == ENOENT) ? 0 : -1;
    }

    if (depth == REG_FS_TREE_MAX) {
        errno = ELOOP;
        return -1;
    }

    fd = reg_fs_opendir(fs, dir, name);

    if (fd == -1) {
        return (errno == ENOENT) ? 0 : -1;
    }

    list = fdopendir(fd);

    if (list == NULL) {
        err = errno;
        (void) close(fd);
        errno = err;

        return -1;
    }

    rc = 0;

    while (rc == 0 && (entry = readdir(list)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0
            && strcmp(entry->d_name, "..") != 0)
        {
            rc = reg_fs_rmdir(fs, fd, entry->d_name, budget, depth + 1);
        }
    }

    err = errno;
    (void) closedir(list);
    errno = err;

    if (rc != 0) {
        return rc;
    }

    if (unlinkat(dir, name, AT_REMOVEDIR) == -1 && errno != ENOENT) {
        return -1;
    }

    *budget -= (*budget > 0);

    return 0;
}


reg_rc_t
reg_fs_discard(reg_fs_t *fs, const char *path, char *name, reg_error_t *e)
{
    int       up;
    reg_rc_t  rc;

    up = reg_fs_openlen(fs, path, reg_fs_parent(path, strlen(path)));

    if (up == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    rc = reg_fs_discard_at(fs, up, path, name, e);

    (void) close(up);

    return rc;
}


reg_rc_t
reg_fs_discard_at(reg_fs_t *fs, int up, const char *path, char *name,
    reg_error_t *e)
{
    int          err;
    unsigned     budget;
    const char  *base, *call;

    base = reg_fs_base(path);

    call = "rename";
    err = reg_fs_trash(fs, up, base, name);

    if (err == ENOSPC || err == EDQUOT || err == EXDEV) {

        /*
         * No room to move it, and what makes room must work all the same; or
         * it comes from the lower layer of an overlay.
         */

        budget = UINT_MAX;
        name[0] = '\0';

        err = (reg_fs_rmtree(fs, up, base, &budget) == -1) ? errno : 0;
        call = "unlink";
    }

    return (err == 0) ? REG_OK : reg_fs_fail(e, err, call, path);
}


/*
 * 0 or an errno; name becomes the one in the trash.  Nothing is opened for it
 * but the first time, for there may be no descriptor left.
 */

static int
reg_fs_trash(reg_fs_t *fs, int dir, const char *base, char *name)
{
    int   trash;
    char  path[sizeof(REG_FS_TRASH) + REG_FS_UNIQUE];

    reg_fs_unique(fs, name);
    (void) snprintf(path, sizeof(path), REG_FS_TRASH "/%s", name);

    if (renameat(dir, base, fs->root, path) == 0) {
        return 0;
    }

    if (errno != ENOENT) {
        return errno;
    }

    trash = reg_fs_own(fs, REG_FS_TRASH);

    if (trash == -1) {

        /* that there is no trash must not look as if base were absent */

        return reg_fs_absent(errno) ? EIO : errno;
    }

    (void) close(trash);

    return (renameat(dir, base, fs->root, path) == -1) ? errno : 0;
}


reg_rc_t
reg_fs_remove(reg_store_t *s, const char *path, const char *stop, int *dir,
    reg_error_t *e)
{
    int        up, err;
    size_t     len;
    reg_fs_t  *fs;

    fs = reg_fs_of(s);
    len = reg_fs_parent(path, strlen(path));

    up = reg_fs_openlen(fs, path, len);

    if (up == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    if (unlinkat(up, path + len + (len > 0), 0) == -1) {
        err = errno;
        (void) close(up);

        return reg_fs_fail(e, err, "unlink", path);
    }

    reg_fs_prune(fs, &up, path, len, strlen(stop));

    if (dir != NULL) {
        *dir = up;
        return REG_OK;
    }

    return reg_fs_settle(s, up, path, e);
}


void
reg_fs_prune(reg_fs_t *fs, int *dir, const char *path, size_t len,
    size_t stop)
{
    int     up;
    char    name[NAME_MAX + 1];
    size_t  above, n;

    while (len > stop) {

        above = reg_fs_parent(path, len);
        n = len - above - (above > 0);
        up = reg_fs_openlen(fs, path, above);

        if (up == -1 || n > NAME_MAX) {
            break;
        }

        memcpy(name, path + above + (above > 0), n);
        name[n] = '\0';

        if (unlinkat(up, name, AT_REMOVEDIR) == -1 && errno != ENOENT) {
            (void) close(up);
            break;
        }

        (void) close(*dir);

        *dir = up;
        len = above;
    }
}


reg_rc_t
reg_fs_settle(reg_store_t *s, int dir, const char *path, reg_error_t *e)
{
    int  rc, err;

    rc = reg_fs_sync_entries(reg_fs_of(s), dir);
    err = errno;

    (void) close(dir);

    return (rc == 0) ? REG_OK : reg_error_sys(e, err, "fsync", path);
}


reg_rc_t
reg_fs_empty_trash(reg_store_t *s, unsigned files, int *left,
    reg_error_t *e)
{
    *left = 0;

    return reg_fs_sweep(reg_fs_of(s), REG_FS_TRASH, NULL, &files, left, e);
}


reg_rc_t
reg_fs_remove_old(reg_store_t *s, const char *path, int64_t before,
    reg_error_t *e)
{
    int       left;
    unsigned  files;

    left = 0;
    files = UINT_MAX;

    return reg_fs_sweep(reg_fs_of(s), path, &before, &files, &left, e);
}


/* Removes what a directory holds; with before set only what is older. */

static reg_rc_t
reg_fs_sweep(reg_fs_t *fs, const char *path, const int64_t *before,
    unsigned *files, int *left, reg_error_t *e)
{
    int             fd, rc, err;
    DIR            *list;
    struct dirent  *entry;

    fd = reg_fs_opendir(fs, fs->root, path);

    if (fd == -1) {
        return (errno == ENOENT) ? REG_OK
                                 : reg_error_sys(e, errno, "open", path);
    }

    list = fdopendir(fd);

    if (list == NULL) {
        err = errno;
        (void) close(fd);

        return reg_error_sys(e, err, "fdopendir", path);
    }

    err = 0;

    while ((entry = readdir(list)) != NULL) {

        if (strcmp(entry->d_name, ".") == 0
            || strcmp(entry->d_name, "..") == 0)
        {
            continue;
        }

        if (before != NULL && !reg_fs_older(fd, entry->d_name, *before)) {
            continue;
        }

        rc = (before != NULL) ? reg_fs_take_away(fs, fd, entry->d_name, files)
                              : reg_fs_rmtree(fs, fd, entry->d_name, files);

        if (rc == 1) {
            *left = 1;
            break;
        }

        if (rc == -1) {

            /* go on with the others, and tell of the first */

            err = err ? err : errno;
        }
    }

    (void) closedir(list);

    return (err == 0) ? REG_OK : reg_error_sys(e, err, "unlink", path);
}


/*
 * Removes what others may use still: it is theirs or ours as a whole.  A spare
 * becomes a session by its rename, and must not lose its files then.
 */

static int
reg_fs_take_away(reg_fs_t *fs, int dir, const char *name, unsigned *files)
{
    int   rc, err, trash;
    char  unique[REG_FS_UNIQUE];

    err = reg_fs_trash(fs, dir, name, unique);

    if (err == ENOENT) {
        return 0;
    }

    if (err != 0) {

        /* no room to move it */

        return reg_fs_rmtree(fs, dir, name, files);
    }

    trash = reg_fs_own(fs, REG_FS_TRASH);

    if (trash == -1) {
        return -1;
    }

    rc = reg_fs_rmtree(fs, trash, unique, files);
    err = errno;

    (void) close(trash);
    errno = err;

    return rc;
}


static int
reg_fs_older(int dir, const char *name, int64_t before)
{
    struct stat  st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0
           && reg_time_ns(&st.st_mtim) < before;
}
