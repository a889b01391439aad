
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


static uint64_t reg_store_mount(reg_fs_t *fs, const char *path);


reg_rc_t
reg_store_writable(reg_store_t *s, reg_error_t *e)
{
    int           fd;
    size_t        i;
    dev_t         dev;
    uint64_t      mount, at;
    reg_fs_t     *fs;
    struct stat   st;

    /* parents first; what is missing is made in the one above it */

    static const char  *const paths[] = {
        ".",
        "docker",
        "docker/registry",
        REG_LAYOUT_V2,
        REG_LAYOUT_BLOBS,
        REG_LAYOUT_BLOBS "/sha256",
        REG_LAYOUT_REPOS,
        REG_LAYOUT_OWN,
        REG_FS_TMP,
        REG_FS_TRASH
    };

    fs = reg_fs_of(s);
    dev = 0;
    mount = 0;

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {

        if (fstatat(fs->root, paths[i], &st, AT_SYMLINK_NOFOLLOW) == -1) {

            if (errno == ENOENT) {
                continue;
            }

            return reg_error_sys(e, errno, "stat", paths[i]);
        }

        if (!S_ISDIR(st.st_mode)) {
            return reg_error_sys(e, S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR,
                                 "stat", paths[i]);
        }

        if (faccessat(fs->root, paths[i], R_OK|W_OK|X_OK, AT_EACCESS) == -1) {
            return reg_error_sys(e, errno, "access", paths[i]);
        }

        /* files are written in one and renamed into the other */

        if (strncmp(paths[i], REG_LAYOUT_V2, sizeof(REG_LAYOUT_V2) - 1) == 0
            || strncmp(paths[i], REG_LAYOUT_OWN, sizeof(REG_LAYOUT_OWN) - 1)
               == 0)
        {
            at = reg_store_mount(fs, paths[i]);

            if (dev != 0 && (dev != st.st_dev || mount != at)) {
                return reg_error_sys(e, EXDEV, "rename", paths[i]);
            }

            dev = st.st_dev;
            mount = at;
        }
    }

    /* a file system that gave up allows everything, and does nothing */

    fd = reg_fs_open(fs, fs->root, REG_FS_LOCK, O_RDWR);

    if (fd == -1) {
        return reg_fs_absent(errno) ? REG_OK
                                    : reg_error_sys(e, errno, "open",
                                                    REG_FS_LOCK);
    }

    (void) close(fd);

    return REG_OK;
}


/* A part of a file system that is mounted there is another mount, too. */

static uint64_t
reg_store_mount(reg_fs_t *fs, const char *path)
{
#ifdef STATX_MNT_ID

    struct statx  st;

    if (statx(fs->root, path, AT_SYMLINK_NOFOLLOW|AT_STATX_DONT_SYNC,
              STATX_MNT_ID, &st)
        == 0
        && (st.stx_mask & STATX_MNT_ID))
    {
        return st.stx_mnt_id;
    }

#else

    (void) fs;
    (void) path;

#endif

    return 0;
}
