
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_upload_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


#define REG_UPLOAD_STARTED  sizeof("2026-11-20T21:04:05Z")


static reg_rc_t reg_upload_begin(reg_store_t *s, const reg_path_t *path,
    const char *id, reg_str_t started, reg_alg_e alg, reg_error_t *e);
static int reg_upload_unmake(int up, const char *id);
static reg_rc_t reg_upload_make(reg_fs_t *fs, int dir, const char *name,
    reg_str_t data, const char *path, reg_error_t *e);


reg_rc_t
reg_upload_create(reg_store_t *s, reg_str_t name, reg_alg_e alg, time_t now,
    char *id, reg_error_t *e)
{
    if (reg_uuid_make(id) != 0) {
        return reg_error_sys(e, errno, "getrandom", NULL);
    }

    return reg_upload_create_as(s, name, alg, now, id, e);
}


/*
 * Somebody may be removing the repository meanwhile.  Then it comes back, as
 * it does with an upload that begins right after.
 */

reg_rc_t
reg_upload_create_as(reg_store_t *s, reg_str_t name, reg_alg_e alg,
    time_t now, const char *id, reg_error_t *e)
{
    int          tries;
    char         started[REG_UPLOAD_STARTED];
    reg_rc_t     rc;
    reg_path_t   path;
    struct tm    tm;
    reg_error_t  why;

    if (gmtime_r(&now, &tm) == NULL
        || strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        return reg_error_set(e, REG_INTERNAL, NULL);
    }

    reg_layout_upload(&path, name, reg_str_of(id), "");

    tries = 0;

    do {
        reg_error_clear(&why);
        rc = reg_upload_begin(s, &path, id, reg_str_of(started), alg, &why);

    } while ((rc == REG_UPLOAD_UNKNOWN || (rc != REG_OK && why.sys == ENOENT))
             && tries++ < REG_FS_TRIES);

    if (rc != REG_OK && e != NULL && e->rc == REG_OK) {
        *e = why;
    }

    return rc;
}


static reg_rc_t
reg_upload_begin(reg_store_t *s, const reg_path_t *path, const char *id,
    reg_str_t started, reg_alg_e alg, reg_error_t *e)
{
    int         dir, up, fresh;
    reg_fs_t   *fs;
    reg_rc_t    rc;
    reg_hash_t  h;

    fs = reg_fs_of(s);

    up = reg_fs_mkdirs(fs, path->s, reg_fs_parent(path->s, path->len));

    if (up == -1) {
        return reg_error_sys(e, errno, "mkdir", path->s);
    }

    rc = REG_OK;
    fresh = (reg_fs_spare_take(fs, up, id, started) == -1);

    if (fresh && mkdirat(up, id, REG_FS_DIR_MODE) == -1) {
        rc = reg_error_sys(e, errno, "mkdir", path->s);
        (void) close(up);
        return rc;
    }

    dir = reg_fs_opendir(fs, up, id);

    if (dir == -1) {
        rc = reg_error_sys(e, errno, "open", path->s);
    }

    /* in a spare one it is there already */

    if (rc == REG_OK && fresh) {
        rc = reg_upload_make(fs, dir, "startedat", started, path->s, e);
    }

    if (rc == REG_OK && alg != REG_SHA256) {
        reg_hash_init(&h, alg);
        rc = reg_upload_state_save(s, dir, path->s, &h, 0, e);
    }

    /* data comes last: it is what makes a session of all this */

    if (rc == REG_OK) {
        rc = reg_upload_make(fs, dir, "data", reg_null_str, path->s, e);
    }

    if (rc == REG_OK) {
        rc = reg_upload_there(fs, path, e);
    }

    if (dir != -1) {
        (void) close(dir);
    }

    if (rc != REG_OK && reg_upload_unmake(up, id) == -1) {
        (void) reg_upload_drop(s, up, path->s, NULL);
    }

    (void) close(up);

    return rc;
}


/*
 * A repository that is deleted goes into the trash first, with all in it that
 * is open: what is made there is made in vain.
 */

reg_rc_t
reg_upload_there(reg_fs_t *fs, const reg_path_t *path, reg_error_t *e)
{
    struct stat  st;

    return (fstatat(fs->root, path->s, &st, AT_SYMLINK_NOFOLLOW) == 0)
           ? REG_OK : reg_error_sys(e, errno, "stat", path->s);
}


/*
 * Removes a session that could not be made, without opening anything, for
 * there may be no descriptor left.
 */

static int
reg_upload_unmake(int up, const char *id)
{
    int   n;
    char  path[REG_UUID_LEN + sizeof("/hashstates/sha512/0")];

    static const char *const  names[] = {
        "data", "startedat", "hashstates/sha512/0"
    };

    static const char *const  dirs[] = {
        "/hashstates/sha512", "/hashstates", ""
    };

    for (n = 0; n < 3; n++) {
        (void) snprintf(path, sizeof(path), "%s/%s", id, names[n]);
        (void) unlinkat(up, path, 0);
    }

    for (n = 0; n < 3; n++) {
        (void) snprintf(path, sizeof(path), "%s%s", id, dirs[n]);

        if (unlinkat(up, path, AT_REMOVEDIR) == -1 && errno != ENOENT) {
            return -1;
        }
    }

    return 0;
}


static reg_rc_t
reg_upload_make(reg_fs_t *fs, int dir, const char *name, reg_str_t data,
    const char *path, reg_error_t *e)
{
    int  fd;

    fd = reg_fs_create(fs, dir, name, data);

    if (fd == -1) {
        return reg_error_sys(e, errno, "create", path);
    }

    (void) close(fd);

    return REG_OK;
}
