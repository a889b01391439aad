
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_store.h"

#include "reg_catalog.h"
#include "reg_fs.h"
#include "reg_store_fs.h"
#include "reg_tags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


reg_rc_t
reg_store_open(reg_store_t **out, const char *root, reg_error_t *e)
{
    reg_rc_t      rc;
    reg_store_t  *s;

    s = calloc(1, sizeof(reg_store_t));

    if (s == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    rc = reg_store_fs_open(s, root, e);

    if (rc != REG_OK) {
        free(s);
        return rc;
    }

    if (reg_tags_cache_open(s) != REG_OK || reg_catalog_open(s) != REG_OK) {
        reg_store_close(s);
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    *out = s;

    return REG_OK;
}


void
reg_store_close(reg_store_t *s)
{
    if (s == NULL) {
        return;
    }

    reg_catalog_close(s);
    reg_tags_cache_close(s);

    s->driver->close(s);

    free(s);
}


reg_rc_t
reg_store_writable(reg_store_t *s, reg_error_t *e)
{
    size_t        i;
    dev_t         dev;
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

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {

        if (fstatat(fs->root, paths[i], &st, AT_SYMLINK_NOFOLLOW) == -1) {

            if (errno == ENOENT) {
                continue;
            }

            return reg_error_sys(e, errno, "stat", paths[i]);
        }

        if (!S_ISDIR(st.st_mode)) {
            return reg_error_sys(e, ENOTDIR, "stat", paths[i]);
        }

        if (faccessat(fs->root, paths[i], R_OK|W_OK|X_OK, AT_EACCESS) == -1) {
            return reg_error_sys(e, errno, "access", paths[i]);
        }

        /* files are written in one and renamed into the other */

        if (strncmp(paths[i], REG_LAYOUT_V2, sizeof(REG_LAYOUT_V2) - 1) == 0
            || strncmp(paths[i], REG_LAYOUT_OWN, sizeof(REG_LAYOUT_OWN) - 1)
               == 0)
        {
            if (dev != 0 && dev != st.st_dev) {
                return reg_error_sys(e, EXDEV, "rename", paths[i]);
            }

            dev = st.st_dev;
        }
    }

    return REG_OK;
}


reg_rc_t
reg_link_read(reg_store_t *s, const char *path, reg_digest_t *d,
    reg_error_t *e)
{
    reg_rc_t   rc;
    reg_buf_t  text;

    reg_buf_init(&text, REG_LINK_MAX + 1);

    rc = s->driver->read(s, path, REG_LINK_MAX, &text, e);

    if (rc == REG_OK
        && reg_digest_parse(d, reg_buf_slice(&text), NULL) != REG_OK)
    {
        /* empty after a power cut, or whatever else: it names nothing */

        rc = REG_ABSENT;
    }

    reg_buf_free(&text);

    return rc;
}


reg_rc_t
reg_link_write(reg_store_t *s, const char *path, const reg_digest_t *d,
    reg_error_t *e)
{
    reg_put_t  item;

    memset(&item, 0, sizeof(item));

    item.path = path;
    item.data = reg_digest_str(d);
    item.fd = -1;
    item.keep = 1;

    return s->driver->put(s, &item, 1, e);
}
