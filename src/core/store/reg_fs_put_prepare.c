
/* The first half of a put: content, in temporaries, on disk. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_fs_put_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


static reg_rc_t reg_fs_keep(reg_fs_put_t *p, size_t i);
static int reg_fs_equal(int fd, reg_str_t data);
static reg_rc_t reg_fs_temp(reg_fs_put_t *p, size_t i);


reg_rc_t
reg_fs_put_prepare(reg_fs_put_t *p, size_t i)
{
    reg_rc_t          rc;
    const char       *path;
    reg_fs_spot_t    *spot;
    const reg_put_t  *item;

    item = &p->items[i];
    spot = &p->spots[i];
    path = item->path;

    spot->kept = 0;
    spot->aged = 0;
    spot->replaces = 0;

    if (reg_fs_dir_open(p->fs, &spot->dir, path,
                        reg_fs_parent(path, strlen(path)))
        == 0)
    {
        rc = item->keep ? reg_fs_keep(p, i) : REG_OK;

        if (rc != REG_OK || spot->kept) {
            return rc;
        }

    } else if (errno != ENOENT
               || reg_fs_dir_make(p->fs, &spot->dir, path) == -1)
    {
        return reg_error_sys(p->e, errno, "mkdir", path);
    }

    return (item->from == NULL) ? reg_fs_temp(p, i) : REG_OK;
}


/*
 * Looks whether the same is there already, and on disk, and renews it.  What is
 * not known to be there is made anew: its maker may be about to sync it, may
 * have died before, or may fail; and a second sync is no proof of the first.
 */

static reg_rc_t
reg_fs_keep(reg_fs_put_t *p, size_t i)
{
    int              fd, err;
    const char      *path;
    reg_fs_ident_t   id;
    reg_fs_spot_t   *spot;

    spot = &p->spots[i];
    path = p->items[i].path;

    fd = reg_fs_open(p->fs, spot->dir.fd, reg_fs_base(path), O_RDONLY);

    /* whatever it is, rename() will replace it or say why not */

    spot->replaces = (fd != -1 || errno != ENOENT);

    if (fd == -1) {
        return REG_OK;
    }

    if (reg_fs_ident(fd, &id) == -1) {
        err = errno;
        (void) close(fd);

        return reg_error_sys(p->e, err, "statx", path);
    }

    /*
     * Who may not renew it is not its owner, and makes it anew.  A read-only
     * file system refuses both.
     */

    spot->kept = (!id.young || reg_fs_known(p->fs, id.key))
                 && reg_fs_equal(fd, p->items[i].data)
                 && futimens(fd, NULL) == 0;

    spot->aged = spot->kept && !id.leased;

    (void) close(fd);

    return REG_OK;
}


static int
reg_fs_equal(int fd, reg_str_t data)
{
    int       equal;
    char      text[REG_LINK_MAX + 1], *buf;
    ssize_t   n;

    buf = (data.len < sizeof(text)) ? text : malloc(data.len + 1);

    if (buf == NULL) {
        return 0;
    }

    n = reg_fs_pread(fd, buf, data.len + 1, 0);

    equal = (n == (ssize_t) data.len && memcmp(buf, data.data, data.len) == 0);

    if (buf != text) {
        free(buf);
    }

    return equal;
}


static reg_rc_t
reg_fs_temp(reg_fs_put_t *p, size_t i)
{
    int             err;
    reg_fs_spot_t  *spot;

    spot = &p->spots[i];

    memcpy(spot->name, REG_FS_TMP "/", sizeof(REG_FS_TMP));

    do {
        reg_fs_unique(p->fs, spot->name + sizeof(REG_FS_TMP));

        spot->temp = reg_fs_create(p->fs, p->fs->root, spot->name,
                                   p->items[i].data);

        if (spot->temp == -1 && errno == ENOENT) {

            /* the first one ever */

            err = reg_fs_own(p->fs, REG_FS_TMP);

            if (err == -1) {
                break;
            }

            (void) close(err);
            errno = EEXIST;
        }

    } while (spot->temp == -1 && errno == EEXIST);

    if (spot->temp == -1) {
        err = errno;
        return reg_error_sys(p->e, err, "create", REG_FS_TMP);
    }

    spot->written = 1;

    if (p->items[i].mark) {
        reg_fs_mark(spot->temp, p->items[i].data.len);
    }

    /* begin all before the first is waited for */

    if (p->n > 1) {
        (void) sync_file_range(spot->temp, 0, 0, SYNC_FILE_RANGE_WRITE);
    }

    return REG_OK;
}


reg_rc_t
reg_fs_put_flush(reg_fs_put_t *p, size_t from, size_t to)
{
    size_t  i;

    for (i = from; i < to; i++) {

        if (p->items[i].from != NULL && p->items[i].fd != -1
            && !p->spots[i].named && fdatasync(p->items[i].fd) == -1)
        {
            return reg_error_sys(p->e, errno, "fdatasync", p->items[i].from);
        }
    }

    for (i = from; i < to; i++) {

        if (p->spots[i].temp == -1) {
            continue;
        }

        if (fdatasync(p->spots[i].temp) == -1) {
            return reg_error_sys(p->e, errno, "fdatasync", p->items[i].path);
        }

        if (reg_fs_ident(p->spots[i].temp, &p->spots[i].id) == -1) {
            return reg_error_sys(p->e, errno, "statx", p->items[i].path);
        }

        (void) close(p->spots[i].temp);
        p->spots[i].temp = -1;
    }

    return REG_OK;
}
