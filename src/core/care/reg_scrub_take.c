
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_scrub_private.h"

#include "reg_fs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>


#define REG_SCRUB_TEXT  512


static int reg_scrub_same(reg_scrub_t *p);
static const char *reg_scrub_move(reg_scrub_t *p, int *dirs, int *err);


reg_rc_t
reg_scrub_tell(reg_scrub_t *p, reg_scrub_e what, const char *path,
    const char *fmt, ...)
{
    char                 text[REG_SCRUB_TEXT];
    va_list              args;
    reg_scrub_finding_t  f;

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    f.what = what;
    f.path = path;
    f.text = text;

    if (what == REG_SCRUB_UNREADABLE) {
        p->counts.unreadable++;

    } else {
        p->counts.corrupt++;
    }

    return p->how.found(p->how.data, &f);
}


/*
 * Whoever commits a blob holds the lock shared: what is the same file under
 * the exclusive one is that until the lock is given back.
 */

reg_rc_t
reg_scrub_take(reg_scrub_t *p, const reg_digest_t *got, int *changed,
    reg_error_t *e)
{
    int                lock, same, err, dirs[2];
    reg_rc_t           rc;
    const char        *call;
    reg_error_t        why;
    reg_scrub_file_t  *f;

    f = &p->file;
    *changed = 0;

    if (p->how.dry) {
        same = reg_scrub_same(p);

        if (same != 1) {
            *changed = 1;
            return REG_OK;
        }

        return reg_scrub_tell(p, REG_SCRUB_STUCK, f->path.s,
                              "has the digest %s", got->text);
    }

    reg_error_clear(&why);

    rc = p->s->driver->lock(p->s, REG_LOCK_EXCLUSIVE, &lock, &why);

    if (rc == REG_LOCKED || rc == REG_BUSY || rc == REG_NO_MEMORY) {
        if (e != NULL) {
            *e = why;
        }

        return rc;
    }

    if (rc != REG_OK) {
        return reg_scrub_tell(p, REG_SCRUB_STUCK, f->path.s,
                              "has the digest %s, and could not be moved "
                              "away: %s: %s", got->text,
                              (why.call != NULL) ? why.call : "lock",
                              strerror(why.sys));
    }

    err = 0;
    call = NULL;
    same = reg_scrub_same(p);

    if (same == 1) {
        reg_fs_mark(f->fd, REG_FILE_CORRUPT);
        call = reg_scrub_move(p, dirs, &err);
    }

    p->s->driver->unlock(p->s, lock);

    if (same == 1 && call == NULL) {

        /* that it comes back after a power cut does no harm, but is noise */

        (void) fsync(dirs[0]);
        (void) fsync(dirs[1]);
        (void) close(dirs[0]);
        (void) close(dirs[1]);
    }

    if (same != 1) {
        *changed = 1;
        return REG_OK;
    }

    if (call != NULL) {
        return reg_scrub_tell(p, REG_SCRUB_STUCK, f->path.s,
                              "has the digest %s, and could not be moved "
                              "away: %s: %s", got->text, call, strerror(err));
    }

    return reg_scrub_tell(p, REG_SCRUB_MOVED, f->path.s,
                          "has the digest %s, and was moved to "
                          REG_SCRUB_CORRUPT "/%s; push it again", got->text,
                          f->d.text);
}


/* 1 when what is stored there is the file that was read, as it was read. */

static int
reg_scrub_same(reg_scrub_t *p)
{
    reg_stat_t  st;

    return p->s->driver->stat(p->s, p->file.path.s, &st, NULL) == REG_OK
           && st.ino == p->file.ino && st.ctime == p->file.ctime
           && st.size == p->file.size && !st.dir;
}


/* NULL and both directories, open; or the call that failed. */

static const char *
reg_scrub_move(reg_scrub_t *p, int *dirs, int *err)
{
    reg_fs_t    *fs;
    const char  *path, *call;

    fs = reg_fs_of(p->s);
    path = p->file.path.s;

    call = "open";
    dirs[1] = -1;
    dirs[0] = reg_fs_own(fs, REG_SCRUB_CORRUPT);

    if (dirs[0] != -1) {
        dirs[1] = reg_fs_openlen(fs, path,
                                 reg_fs_parent(path, p->file.path.len));
    }

    if (dirs[1] != -1) {
        call = "rename";

        if (renameat(dirs[1], reg_fs_base(path), dirs[0], p->file.d.text)
            == 0)
        {
            return NULL;
        }
    }

    *err = errno;

    if (dirs[0] != -1) {
        (void) close(dirs[0]);
    }

    if (dirs[1] != -1) {
        (void) close(dirs[1]);
    }

    return call;
}
