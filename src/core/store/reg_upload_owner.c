
#include "reg_upload_owner.h"
#include "reg_time.h"
#include "reg_upload_private.h"

#include <errno.h>
#include <unistd.h>


/* "2006-01-02T15:04:05Z", with room for a fraction and an offset */
#define REG_UPLOAD_STARTED_MAX  64


reg_rc_t
reg_upload_own(reg_store_t *s, reg_str_t name, reg_str_t id, reg_str_t user,
    reg_error_t *e)
{
    int         dir, fd;
    reg_rc_t    rc;
    reg_path_t  path;

    if (user.len == 0 || user.len > REG_UPLOAD_OWNER_MAX) {
        return reg_error_set(e, REG_INTERNAL, NULL);
    }

    reg_layout_upload(&path, name, id, "");

    /* the session may be gone, and no part of one must come back there */

    dir = reg_fs_opendir(reg_fs_of(s), reg_fs_of(s)->root, path.s);

    if (dir == -1) {
        return reg_upload_unknown(reg_fs_fail(e, errno, "open", path.s), e);
    }

    fd = reg_fs_create(reg_fs_of(s), dir, REG_UPLOAD_OWNER, user);

    rc = (fd == -1) ? reg_fs_fail(e, errno, "create", path.s) : REG_OK;

    if (fd != -1) {
        (void) close(fd);
    }

    (void) close(dir);

    if (rc == REG_OK
        && reg_upload_there(reg_fs_of(s), &path, NULL) != REG_OK)
    {
        rc = REG_ABSENT;
    }

    return reg_upload_unknown(rc, e);
}


reg_rc_t
reg_upload_owned(reg_store_t *s, reg_str_t name, reg_str_t id, reg_str_t user,
    reg_error_t *e)
{
    int         same;
    reg_buf_t   owner;
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_upload(&path, name, id, "/" REG_UPLOAD_OWNER);
    reg_buf_init(&owner, REG_UPLOAD_OWNER_MAX);

    rc = s->driver->read(s, path.s, REG_UPLOAD_OWNER_MAX, &owner, e);

    same = (rc == REG_OK && user.len
            && reg_str_eq(reg_buf_slice(&owner), user));

    reg_buf_free(&owner);

    if (rc == REG_ABSENT || same) {
        return REG_OK;
    }

    if (rc != REG_OK) {
        return rc;
    }

    return reg_error_set(e, REG_UPLOAD_UNKNOWN, NULL);
}


reg_rc_t
reg_upload_started(reg_store_t *s, reg_str_t name, reg_str_t id,
    int64_t *time, reg_error_t *e)
{
    int         bad;
    reg_buf_t   text;
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_upload(&path, name, id, "/startedat");
    reg_buf_init(&text, REG_UPLOAD_STARTED_MAX);

    rc = s->driver->read(s, path.s, REG_UPLOAD_STARTED_MAX, &text, e);

    bad = (rc == REG_OK && reg_time_parse(reg_buf_slice(&text), time) != 0);

    reg_buf_free(&text);

    if (bad || rc == REG_ABSENT) {
        return reg_error_set(e, REG_UPLOAD_UNKNOWN, NULL);
    }

    return rc;
}
