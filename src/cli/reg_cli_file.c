
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_cli_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>


#define REG_CLI_FILE_WAIT   10          /* seconds, for another editor */
#define REG_CLI_FILE_PAUSE  10000000    /* ns between two looks */
#define REG_CLI_FILE_ACL    "system.posix_acl_access"
#define REG_CLI_FILE_XATTR  8192


static reg_cli_exit_e reg_cli_file_resolve(reg_cli_file_t *f);
static reg_cli_exit_e reg_cli_file_load(reg_cli_file_t *f, size_t max);
static int reg_cli_file_slurp(int fd, reg_buf_t *b, size_t size);
static reg_cli_exit_e reg_cli_file_lock(reg_cli_file_t *f);
static int reg_cli_file_locked(reg_cli_file_t *f, const char *name);
static void reg_cli_file_beside(const reg_cli_file_t *f, const char *suffix,
    char *name);
static reg_cli_exit_e reg_cli_file_fill(reg_cli_file_t *f, int fd,
    const reg_buf_t *text, mode_t mode);
static reg_cli_exit_e reg_cli_file_like(reg_cli_file_t *f, int fd);
static int reg_cli_file_acl(reg_cli_file_t *f, int fd);
static reg_cli_exit_e reg_cli_file_failed(const reg_cli_file_t *f,
    const char *what);


#define REG_CLI_FILE_BESIDE  (NAME_MAX + sizeof(". .lock"))


void
reg_cli_file_init(reg_cli_file_t *f)
{
    memset(f, 0, sizeof(reg_cli_file_t));

    f->dirfd = -1;
    f->lock = -1;
}


void
reg_cli_file_close(reg_cli_file_t *f)
{
    char  name[REG_CLI_FILE_BESIDE];

    if (f->lock != -1) {

        /* while it is held: the next one to lock it finds it gone, and looks
           again */

        reg_cli_file_beside(f, ".lock", name);

        (void) unlinkat(f->dirfd, name, 0);
        (void) close(f->lock);
    }

    if (f->dirfd != -1) {
        (void) close(f->dirfd);
    }

    if (f->text.data != NULL) {
        OPENSSL_cleanse(f->text.data, f->text.size);
    }

    reg_buf_free(&f->text);
    reg_cli_file_init(f);
}


static reg_cli_exit_e
reg_cli_file_failed(const reg_cli_file_t *f, const char *what)
{
    return reg_cli_fail(REG_CLI_FAILED, "%s: %s: %s", f->name, what,
                        strerror(errno));
}


static void
reg_cli_file_beside(const reg_cli_file_t *f, const char *suffix, char *name)
{
    (void) snprintf(name, REG_CLI_FILE_BESIDE, ".%s%s", f->base, suffix);
}


reg_cli_exit_e
reg_cli_file_read(reg_cli_file_t *f, const char *name, size_t max)
{
    reg_cli_exit_e  rc;

    f->name = name;

    rc = reg_cli_file_resolve(f);

    if (rc == REG_CLI_OK) {
        rc = reg_cli_file_load(f, max);
    }

    if (rc == REG_CLI_OK && !f->exists) {
        errno = ENOENT;
        rc = reg_cli_file_failed(f, "cannot be read");
    }

    return rc;
}


reg_cli_exit_e
reg_cli_file_edit(reg_cli_file_t *f, const char *name, size_t max)
{
    reg_cli_exit_e  rc;

    f->name = name;

    rc = reg_cli_file_resolve(f);

    if (rc == REG_CLI_OK) {
        rc = reg_cli_file_lock(f);
    }

    return (rc == REG_CLI_OK) ? reg_cli_file_load(f, max) : rc;
}


/* Finds the directory of the file itself, and opens it. */

static reg_cli_exit_e
reg_cli_file_resolve(reg_cli_file_t *f)
{
    char        *base, path[PATH_MAX];
    struct stat  st;

    if (strlen(f->name) >= sizeof(path) || f->name[0] == '\0') {
        errno = (f->name[0] == '\0') ? ENOENT : ENAMETOOLONG;
        return reg_cli_file_failed(f, "cannot be used");
    }

    if (realpath(f->name, path) == NULL) {

        if (errno != ENOENT) {
            return reg_cli_file_failed(f, "cannot be used");
        }

        if (lstat(f->name, &st) == 0) {
            return reg_cli_fail(REG_CLI_FAILED, "%s is a symbolic link to "
                                "something that is not there: make that first",
                                f->name);
        }

        /* it will be made: its directory has to be there */

        if ((size_t) snprintf(path, sizeof(path), "%s%s",
                              (strchr(f->name, '/') == NULL) ? "./" : "",
                              f->name)
            >= sizeof(path))
        {
            errno = ENAMETOOLONG;
            return reg_cli_file_failed(f, "cannot be used");
        }
    }

    base = strrchr(path, '/');
    *base++ = '\0';

    if (base[0] == '\0' || strlen(base) > NAME_MAX - sizeof(".lock")) {
        errno = (base[0] == '\0') ? EISDIR : ENAMETOOLONG;
        return reg_cli_file_failed(f, "cannot be used");
    }

    memcpy(f->base, base, strlen(base) + 1);
    (void) snprintf(f->dir, sizeof(f->dir), "%s",
                    (path[0] == '\0') ? "/" : path);

    f->dirfd = open(f->dir, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (f->dirfd == -1) {
        return reg_cli_file_failed(f, "its directory cannot be opened");
    }

    return REG_CLI_OK;
}


static reg_cli_exit_e
reg_cli_file_load(reg_cli_file_t *f, size_t max)
{
    int             fd;
    reg_cli_exit_e  rc;

    reg_buf_init(&f->text, max);

    /* a pipe would be waited for */

    fd = openat(f->dirfd, f->base, O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_NOFOLLOW);

    if (fd == -1) {

        if (errno == ENOENT) {
            f->exists = 0;
            return REG_CLI_OK;
        }

        return reg_cli_file_failed(f, "cannot be opened");
    }

    rc = REG_CLI_OK;
    f->exists = 1;

    if (fstat(fd, &f->st) == -1) {
        rc = reg_cli_file_failed(f, "cannot be read");

    } else if (!S_ISREG(f->st.st_mode)) {
        rc = reg_cli_fail(REG_CLI_FAILED, "%s is not a regular file", f->name);

    } else if ((uintmax_t) f->st.st_size > max) {
        rc = reg_cli_fail(REG_CLI_FAILED, "%s is larger than %zu bytes",
                          f->name, max);

    } else if (reg_cli_file_slurp(fd, &f->text, (size_t) f->st.st_size) != 0) {
        rc = reg_cli_file_failed(f, "cannot be read");
    }

    (void) close(fd);

    return rc;
}


static int
reg_cli_file_slurp(int fd, reg_buf_t *b, size_t size)
{
    ssize_t  n;

    if (size != 0 && reg_buf_reserve(b, size) != 0) {
        errno = ENOMEM;
        return -1;
    }

    while (b->len < size) {
        n = read(fd, b->data + b->len, size - b->len);

        if (n > 0) {
            b->len += (size_t) n;
            continue;
        }

        if (n == 0) {
            break;
        }

        if (errno != EINTR) {
            return -1;
        }
    }

    return 0;
}


static reg_cli_exit_e
reg_cli_file_lock(reg_cli_file_t *f)
{
    int              rc;
    char             name[REG_CLI_FILE_BESIDE];
    struct timespec  end, now, pause;

    reg_cli_file_beside(f, ".lock", name);

    (void) clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += REG_CLI_FILE_WAIT;

    for ( ;; ) {
        rc = reg_cli_file_locked(f, name);

        if (rc == 1) {
            return REG_CLI_OK;
        }

        if (rc == -1) {
            return reg_cli_fail(REG_CLI_FAILED, "%s cannot be edited: %s/%s: "
                                "%s", f->name, f->dir, name, strerror(errno));
        }

        (void) clock_gettime(CLOCK_MONOTONIC, &now);

        if (now.tv_sec >= end.tv_sec) {
            return reg_cli_fail(REG_CLI_FAILED, "%s has been edited by "
                                "somebody else for %d seconds: try again",
                                f->name, REG_CLI_FILE_WAIT);
        }

        pause.tv_sec = 0;
        pause.tv_nsec = REG_CLI_FILE_PAUSE;
        (void) nanosleep(&pause, NULL);
    }
}


/* 1, 0 when somebody else has it, or -1. */

static int
reg_cli_file_locked(reg_cli_file_t *f, const char *name)
{
    int          fd;
    struct stat  ours, theirs;

    fd = openat(f->dirfd, name, O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW, 0600);

    if (fd == -1) {
        return -1;
    }

    if (flock(fd, LOCK_EX|LOCK_NB) == -1) {
        if (errno == EWOULDBLOCK || errno == EINTR) {
            (void) close(fd);
            return 0;
        }

        (void) close(fd);
        return -1;
    }

    /* the one before may have removed it in between */

    if (fstat(fd, &ours) == -1
        || fstatat(f->dirfd, name, &theirs, AT_SYMLINK_NOFOLLOW) == -1
        || ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
    {
        (void) close(fd);
        return 0;
    }

    f->lock = fd;

    return 1;
}


reg_cli_exit_e
reg_cli_file_write(reg_cli_file_t *f, const reg_buf_t *text, mode_t mode)
{
    int             fd;
    char            name[REG_CLI_FILE_BESIDE];
    reg_cli_exit_e  rc;

    reg_cli_file_beside(f, ".new", name);

    /* a killed editor's; we have the lock */

    if (unlinkat(f->dirfd, name, 0) == -1 && errno != ENOENT) {
        return reg_cli_file_failed(f, "an old temporary cannot be removed");
    }

    fd = openat(f->dirfd, name, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC|O_NOFOLLOW,
                0600);

    if (fd == -1) {
        return reg_cli_file_failed(f, "nothing can be written beside it");
    }

    rc = reg_cli_file_fill(f, fd, text, mode);

    if (close(fd) == -1 && rc == REG_CLI_OK) {
        rc = reg_cli_file_failed(f, "cannot be written");
    }

    if (rc == REG_CLI_OK && renameat(f->dirfd, name, f->dirfd, f->base) == -1)
    {
        rc = reg_cli_file_failed(f, "cannot be replaced");
    }

    if (rc != REG_CLI_OK) {
        (void) unlinkat(f->dirfd, name, 0);
        return rc;
    }

    /* the new content is in force; that it stays so is what may fail */

    if (fsync(f->dirfd) == -1) {
        return reg_cli_file_failed(f, "replaced, but its directory cannot be "
                                   "synced");
    }

    if (!f->exists) {
        reg_cli_say("made %s with mode %04o; see that nginx's workers can "
                    "read it (%s www-data)", f->name, (unsigned) mode,
                    (mode & S_IRGRP) ? "chgrp" : "chown");
    }

    return REG_CLI_OK;
}


static reg_cli_exit_e
reg_cli_file_fill(reg_cli_file_t *f, int fd, const reg_buf_t *text,
    mode_t mode)
{
    size_t          n;
    ssize_t         rc;
    reg_cli_exit_e  like;

    if (reg_buf_failed(text)) {
        return reg_cli_fail(REG_CLI_FAILED, "%s would become too large",
                            f->name);
    }

    /* before there is anything in it */

    if (f->exists) {
        like = reg_cli_file_like(f, fd);

        if (like != REG_CLI_OK) {
            return like;
        }

    } else if (fchmod(fd, mode) == -1) {
        return reg_cli_file_failed(f, "its mode cannot be set");
    }

    for (n = 0; n < text->len; n += (size_t) rc) {
        rc = write(fd, text->data + n, text->len - n);

        if (rc == -1) {
            if (errno != EINTR) {
                return reg_cli_file_failed(f, "cannot be written");
            }

            rc = 0;
        }
    }

    if (fsync(fd) == -1) {
        return reg_cli_file_failed(f, "cannot be synced");
    }

    return REG_CLI_OK;
}


/* Owner, group, mode and access list as the old file has them. */

static reg_cli_exit_e
reg_cli_file_like(reg_cli_file_t *f, int fd)
{
    struct stat  st;

    if (fstat(fd, &st) == -1) {
        return reg_cli_file_failed(f, "cannot be written");
    }

    if ((st.st_uid != f->st.st_uid || st.st_gid != f->st.st_gid)
        && fchown(fd, f->st.st_uid, f->st.st_gid) == -1)
    {
        return reg_cli_fail(REG_CLI_FAILED, "%s belongs to user %lu and group "
                            "%lu, and you cannot make a new one that does "
                            "(%s): be root, or that user", f->name,
                            (unsigned long) f->st.st_uid,
                            (unsigned long) f->st.st_gid, strerror(errno));
    }

    if (fchmod(fd, f->st.st_mode & 07777) == -1
        || reg_cli_file_acl(f, fd) == -1)
    {
        return reg_cli_file_failed(f, "its mode or access list cannot be "
                                   "kept");
    }

    return REG_CLI_OK;
}


static int
reg_cli_file_acl(reg_cli_file_t *f, int fd)
{
    int      old, rc;
    char     acl[REG_CLI_FILE_XATTR];
    ssize_t  n;

    old = openat(f->dirfd, f->base, O_RDONLY|O_CLOEXEC|O_NOFOLLOW);

    if (old == -1) {
        return -1;
    }

    n = fgetxattr(old, REG_CLI_FILE_ACL, acl, sizeof(acl));

    if (n != -1) {
        rc = fsetxattr(fd, REG_CLI_FILE_ACL, acl, (size_t) n, 0);

    } else if (errno == ENODATA) {

        /* nor has the new one then what its directory gives to all */

        rc = fremovexattr(fd, REG_CLI_FILE_ACL);
        rc = (rc == -1 && errno == ENODATA) ? 0 : rc;

    } else {
        rc = (errno == ENOTSUP) ? 0 : -1;
    }

    (void) close(old);

    return rc;
}
