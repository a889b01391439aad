
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_lease.h"

#include "reg_blob.h"
#include "reg_fs.h"
#include "reg_quiet.h"
#include "reg_time.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


/* ns; clocks of one machine differ by less */
#define REG_LEASE_AHEAD  INT64_C(100000000)


static reg_rc_t reg_lease_file(int fd, int64_t older, const char *path,
    reg_error_t *e);


int
reg_lease_old(int64_t mtime, int64_t older)
{
    int64_t          age;
    struct timespec  now;

    (void) clock_gettime(CLOCK_REALTIME, &now);

    age = reg_time_ns(&now) - mtime;

    /* of a file server whose clock is ahead nothing can be told by ours */

    return age >= older || age < -REG_LEASE_AHEAD;
}


reg_rc_t
reg_lease_renew(reg_store_t *s, const char *path, int64_t older,
    reg_error_t *e)
{
    int        fd;
    reg_fs_t  *fs;
    reg_rc_t   rc;

    fs = reg_fs_of(s);
    fd = reg_fs_open(fs, fs->root, path, O_RDONLY);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    rc = reg_lease_file(fd, older, path, e);

    (void) close(fd);

    return rc;
}


static reg_rc_t
reg_lease_file(int fd, int64_t older, const char *path, reg_error_t *e)
{
    struct stat  st;

    if (fstat(fd, &st) == -1) {
        return reg_error_sys(e, errno, "fstat", path);
    }

    if (reg_lease_old(reg_time_ns(&st.st_mtim), older)
        && futimens(fd, NULL) == -1)
    {
        return reg_error_sys(e, errno, "futimens", path);
    }

    return REG_OK;
}


reg_rc_t
reg_lease_link(reg_store_t *s, const char *path, int64_t older,
    reg_digest_t *d, reg_error_t *e)
{
    int           fd;
    char          text[REG_LINK_MAX + 1];
    ssize_t       n;
    reg_fs_t     *fs;
    reg_rc_t      rc;
    reg_str_t     link;
    reg_error_t   why;

    reg_error_clear(&why);

    fs = reg_fs_of(s);
    fd = reg_fs_open(fs, fs->root, path, O_RDONLY);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    n = reg_fs_pread(fd, text, sizeof(text), 0);

    if (n == -1) {
        rc = reg_fs_fail(e, (errno == ESPIPE) ? ENXIO : errno, "read", path);

    } else {
        link.data = text;
        link.len = (size_t) n;

        rc = (reg_digest_parse(d, link, NULL) == REG_OK)
             ? reg_lease_file(fd, older, path, &why) : REG_ABSENT;
    }

    (void) close(fd);

    if (rc == REG_OK || rc == REG_ABSENT || why.call == NULL) {
        return rc;
    }

    /* who may not renew it is not its owner, and makes it anew */

    if (why.sys == EPERM || why.sys == EACCES) {
        return reg_link_write(s, path, d, e);
    }

    return reg_error_sys(e, why.sys, why.call, path);
}


reg_rc_t
reg_lease_locked(reg_store_t *s, reg_str_t name, const char *path,
    int64_t older, reg_error_t *e)
{
    int           lock;
    reg_rc_t      rc;
    reg_error_t   why;
    reg_digest_t  target;

    reg_error_clear(&why);

    rc = s->driver->lock(s, REG_LOCK_SHARED, &lock, &why);

    if (rc == REG_OK) {

        if (name.len > 0) {
            rc = reg_quiet_end(s, lock, name, &why);
        }

        if (rc == REG_OK) {
            rc = reg_lease_link(s, path, older, &target, &why);
        }

        if (rc == REG_OK) {
            rc = reg_blob_stored(s, &target, &why);
        }

        s->driver->unlock(s, lock);
    }

    if (rc == REG_OK || rc == REG_ABSENT) {
        return rc;
    }

    if (rc == REG_READ_ONLY || why.sys == EACCES || why.sys == EPERM) {
        return REG_OK;
    }

    if (e != NULL) {
        *e = why;
    }

    return rc;
}


reg_rc_t
reg_lease_blob(reg_store_t *s, const reg_digest_t *d, reg_error_t *e)
{
    reg_path_t  path;

    reg_layout_blob(&path, d);

    path.len = reg_fs_parent(path.s, path.len);
    path.s[path.len] = '\0';

    return reg_lease_renew(s, path.s, REG_LEASE_FRESH, e);
}
