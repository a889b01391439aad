
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_purge.h"

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* files freed at a step */
#define REG_PURGE_FREES  8

/* hashstates/<alg>/<offset> below a session */
#define REG_PURGE_DEPTH  4


static reg_rc_t reg_purge_left(reg_purge_t *p, reg_error_t *e);
static reg_rc_t reg_purge_trash(reg_purge_t *p, reg_error_t *e);
static reg_rc_t reg_purge_session(reg_purge_t *p, const char *path,
    reg_error_t *e);
static reg_rc_t reg_purge_locked(reg_purge_t *p, const char *path,
    int64_t before, uint64_t size, reg_error_t *e);
static reg_rc_t reg_purge_newest(reg_purge_t *p, const char *path,
    unsigned depth, int64_t *newest, reg_error_t *e);


reg_rc_t
reg_purge_begin(reg_purge_t *p, reg_store_t *s, const reg_purge_how_t *how,
    reg_error_t *e)
{
    memset(p, 0, sizeof(*p));

    p->s = s;
    p->how = how;
    p->care.steady = how->steady;
    p->care.dry = how->dry;

    return reg_care_begin(&p->care, s, REG_PURGE_LOCK, e);
}


void
reg_purge_end(reg_purge_t *p)
{
    if (p->done) {
        reg_care_done(&p->care);
    }

    reg_walk_free(&p->walk);
    reg_list_free(&p->sessions);
    reg_care_end(&p->care);
}


reg_rc_t
reg_purge_step(reg_purge_t *p, reg_error_t *e)
{
    int          found;
    reg_rc_t     rc;
    reg_path_t   path;
    const char  *name;

    name = reg_list_next(&p->sessions);

    if (name != NULL) {
        if (reg_walk_path(&p->walk, &path, "/_uploads/%s", name) == -1) {
            return reg_error_sys(e, ENAMETOOLONG, "open", name);
        }

        p->counts.sessions++;

        return reg_purge_session(p, path.s, e);
    }

    if (p->walk.done) {

        if (!p->swept) {
            p->swept = 1;
            return reg_purge_left(p, e);
        }

        return reg_purge_trash(p, e);
    }

    p->counts.calls++;

    if (p->how->idle < 0) {
        p->walk.done = 1;
        return REG_OK;
    }

    rc = reg_walk_step(&p->walk, p->s, &found, e);

    if (rc == REG_ABSENT) {
        p->walk.done = 1;
        return REG_OK;
    }

    if (rc != REG_OK || !found) {
        return rc;
    }

    p->counts.repositories++;

    if (!p->walk.uploads) {
        return REG_OK;
    }

    p->counts.calls++;

    (void) reg_walk_path(&p->walk, &path, "/_uploads");

    rc = reg_list_read(&p->sessions, p->s, path.s, 0, e);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


/* What a process left behind that was killed, or has ended. */

static reg_rc_t
reg_purge_left(reg_purge_t *p, reg_error_t *e)
{
    int64_t   before;
    reg_rc_t  rc;

    if (p->how->dry) {
        return REG_OK;
    }

    rc = reg_care_look(&p->care, e);

    if (rc != REG_OK) {
        return rc;
    }

    before = reg_care_before(&p->care, reg_time_span(REG_PURGE_LEFT));

    rc = reg_fs_remove_old(p->s, REG_FS_TMP, before, e);

    return (rc == REG_OK) ? reg_fs_remove_old(p->s, REG_FS_SPARE, before, e)
                          : rc;
}


/* What went takes up room until it is freed, and perhaps no nginx runs. */

static reg_rc_t
reg_purge_trash(reg_purge_t *p, reg_error_t *e)
{
    int       left;
    reg_rc_t  rc;

    left = 0;
    rc = REG_OK;

    if (!p->how->dry) {
        p->counts.calls += REG_PURGE_FREES;
        rc = p->s->driver->empty_trash(p->s, REG_PURGE_FREES, &left, e);
    }

    p->done = (rc == REG_OK && !left);

    return rc;
}


static reg_rc_t
reg_purge_session(reg_purge_t *p, const char *path, reg_error_t *e)
{
    int64_t   before, newest;
    reg_rc_t  rc;

    newest = INT64_MIN;

    rc = reg_purge_newest(p, path, 0, &newest, e);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    before = reg_care_before(&p->care, reg_time_span(p->how->idle));

    if (newest >= before) {
        return REG_OK;
    }

    /* the clock that begin() saw may be an old one by now */

    rc = reg_care_look(&p->care, e);

    return (rc == REG_OK) ? reg_purge_locked(p, path, before, 0, e) : rc;
}


static reg_rc_t
reg_purge_locked(reg_purge_t *p, const char *path, int64_t before,
    uint64_t size, reg_error_t *e)
{
    int           dir, fd;
    char          name[REG_FS_UNIQUE];
    int64_t       newest;
    reg_fs_t     *fs;
    reg_rc_t      rc;
    reg_error_t   why;

    fs = reg_fs_of(p->s);
    newest = INT64_MIN;

    reg_error_clear(&why);

    rc = reg_fs_upload_open(fs, path, &dir, &fd, &size, &why);

    if (rc == REG_UPLOAD_BUSY) {
        p->counts.busy++;
        return REG_OK;
    }

    if (rc == REG_ABSENT) {

        /* no data: it was being made, or removed, by who was killed */

        dir = -1;
        fd = -1;

    } else if (rc != REG_OK) {
        if (e != NULL) {
            *e = why;
        }

        return rc;
    }

    rc = reg_purge_newest(p, path, 0, &newest, e);

    if (rc == REG_OK && newest < before) {

        if (p->how->gone != NULL) {
            p->how->gone(p->how->data, path, size,
                         (p->care.now - newest) / REG_TIME_SECOND);
        }

        if (!p->how->dry) {
            rc = reg_fs_discard(fs, path, name, e);
        }

        if (rc == REG_OK) {
            p->counts.purged++;
            p->counts.bytes += size;
        }
    }

    if (fd != -1) {
        (void) close(fd);
        (void) close(dir);
    }

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


/* The newest change of a session: its directories and all files in them. */

static reg_rc_t
reg_purge_newest(reg_purge_t *p, const char *path, unsigned depth,
    int64_t *newest, reg_error_t *e)
{
    int                n;
    char               below[REG_PATH_MAX];
    reg_rc_t           rc;
    reg_stat_t         st;
    const char        *name;
    reg_names_list_t   list;

    p->counts.calls++;

    rc = p->s->driver->stat(p->s, path, &st, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (st.mtime > *newest) {
        *newest = st.mtime;
    }

    if (!st.dir || depth == REG_PURGE_DEPTH) {
        return REG_OK;
    }

    memset(&list, 0, sizeof(list));

    rc = reg_list_read(&list, p->s, path, 1, e);

    while (rc == REG_OK && (name = reg_list_next(&list)) != NULL) {
        n = snprintf(below, sizeof(below), "%s/%s", path, name);

        if (n < 0 || n >= (int) sizeof(below)) {
            continue;
        }

        rc = reg_purge_newest(p, below, depth + 1, newest, e);

        if (rc == REG_ABSENT) {
            rc = REG_OK;
        }
    }

    reg_list_free(&list);

    return rc;
}
