
/* Files put in place, durably: all steps of it, and the names. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_fs_calls.h"
#include "reg_fs_put_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


static reg_rc_t reg_fs_put_all(reg_fs_put_t *p);
static reg_rc_t reg_fs_step_try(reg_fs_put_t *p, size_t from, size_t to,
    int *raced);
static reg_rc_t reg_fs_name(reg_fs_put_t *p, size_t i, int *raced);
static int reg_fs_first(reg_fs_put_t *p, size_t i);
static int reg_fs_parted(reg_fs_put_t *p, size_t i);
static int reg_fs_lost(reg_fs_put_t *p, size_t from, size_t to);
static int reg_fs_removed(int dir);
static void reg_fs_release(reg_fs_put_t *p, size_t i);


reg_rc_t
reg_fs_put(reg_store_t *s, const reg_put_t *items, size_t n, reg_error_t *e)
{
    size_t        i;
    reg_rc_t      rc;
    reg_fs_put_t  p;

    p.fs = reg_fs_of(s);
    p.items = items;
    p.n = n;
    p.e = e;

    p.spots = calloc(n, sizeof(reg_fs_spot_t));

    if (p.spots == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    for (i = 0; i < n; i++) {
        p.spots[i].dir.fd = -1;
        p.spots[i].dir.up = -1;
        p.spots[i].temp = -1;
    }

    rc = reg_fs_put_all(&p);

    for (i = 0; i < n; i++) {
        reg_fs_release(&p, i);
    }

    free(p.spots);

    return rc;
}


static reg_rc_t
reg_fs_put_all(reg_fs_put_t *p)
{
    int       raced, tries;
    size_t    i, from, to;
    reg_rc_t  rc;

    for (i = 0; i < p->n; i++) {
        rc = reg_fs_put_prepare(p, i);

        if (rc != REG_OK) {
            return rc;
        }
    }

    rc = reg_fs_put_flush(p, 0, p->n);

    if (rc != REG_OK) {
        return rc;
    }

    for (from = 0; from < p->n; from = to) {

        for (to = from + 1; to < p->n; to++) {
            if (p->items[to].step != p->items[from].step) {
                break;
            }
        }

        for (tries = 0; /* void */ ; tries++) {
            raced = 0;
            rc = reg_fs_step_try(p, from, to, &raced);

            if (!raced || rc != REG_OK || tries == REG_FS_TRIES) {
                break;
            }
        }

        if (rc == REG_OK && raced) {
            rc = reg_error_sys(p->e, EAGAIN, "rename", p->items[from].path);
        }

        if (rc != REG_OK) {
            return rc;
        }
    }

    return reg_fs_put_settle_kept(p);
}


/*
 * Names and settles the items of one step.  *raced becomes 1 when somebody
 * removed what was prepared: it is prepared again then, and the caller tries
 * once more, for nothing has a name yet that counts.
 */

static reg_rc_t
reg_fs_step_try(reg_fs_put_t *p, size_t from, size_t to, int *raced)
{
    size_t    i;
    reg_rc_t  rc;

    rc = REG_OK;

    for (i = from; i < to && rc == REG_OK && !*raced; i++) {

        if (i > from && reg_fs_parted(p, i - 1)) {
            *raced = 1;
            break;
        }

        rc = reg_fs_name(p, i, raced);
    }

    if (rc == REG_OK && !*raced) {
        *raced = reg_fs_lost(p, from, to);
    }

    if (rc == REG_OK && !*raced) {
        rc = reg_fs_put_settle(p, from, to);
    }

    if (rc != REG_OK) {
        reg_fs_put_withdraw(p, from, to);
        return rc;
    }

    if (!*raced) {
        return REG_OK;
    }

    /* all of them, for they may belong together, as a tag and its index do */

    for (i = from; i < to && rc == REG_OK; i++) {

        if (p->items[i].from != NULL && p->spots[i].named) {
            continue;
        }

        reg_fs_release(p, i);
        p->spots[i].named = 0;

        rc = reg_fs_put_prepare(p, i);
    }

    return (rc == REG_OK) ? reg_fs_put_flush(p, from, to) : rc;
}


static reg_rc_t
reg_fs_name(reg_fs_put_t *p, size_t i, int *raced)
{
    int               dir, rc, err;
    const char       *base;
    reg_fs_spot_t    *spot;
    const reg_put_t  *item;

    item = &p->items[i];
    spot = &p->spots[i];

    if (spot->kept || spot->named) {
        return REG_OK;
    }

    base = reg_fs_base(item->path);

    if (item->from == NULL) {

        /* nobody else can have made a file of the first name */

        rc = reg_fs_first(p, i);
        err = errno;

        if (rc == -1 && err == EEXIST) {
            *raced = 1;
            return REG_OK;
        }

    } else if (item->dir != -1) {
        rc = renameat(item->dir, item->from, spot->dir.fd, base);
        err = errno;

    } else {
        dir = reg_fs_openlen(p->fs, item->from,
                             reg_fs_parent(item->from, strlen(item->from)));

        if (dir == -1) {
            return reg_fs_fail(p->e, errno, "open", item->from);
        }

        rc = renameat(dir, reg_fs_base(item->from), spot->dir.fd, base);
        err = errno;

        (void) close(dir);
    }

    if (rc == 0) {
        spot->named = 1;
        spot->written = 0;

        return REG_OK;
    }

    /*
     * A temporary is gone when somebody took it for old, which it may look
     * when the clock has jumped.
     */

    if (err == ENOENT
        && (item->from == NULL || reg_fs_removed(spot->dir.fd)))
    {
        *raced = 1;
        return REG_OK;
    }

    if (err == ENOENT) {
        return REG_ABSENT;
    }

    return reg_error_sys(p->e, err, "rename", item->path);
}


/*
 * Gives a temporary its name; EEXIST when that was free, and is not any more.
 * Where the file system cannot tell, whoever withdraws it must not either.
 */

static int
reg_fs_first(reg_fs_put_t *p, size_t i)
{
    const char     *base;
    reg_fs_spot_t  *spot;

    spot = &p->spots[i];
    base = reg_fs_base(p->items[i].path);

    if (p->items[i].keep && !spot->replaces) {

        if (renameat2(p->fs->root, spot->name, spot->dir.fd, base,
                      RENAME_NOREPLACE)
            == 0)
        {
            return 0;
        }

        if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) {
            return -1;
        }

        spot->replaces = 1;
    }

    return renameat(p->fs->root, spot->name, spot->dir.fd, base);
}


/*
 * 1 when a file is gone again before the one behind it gets its name.  Whoever
 * deletes a tag moves its directory aside, with what was prepared in it; what
 * was prepared later is in a new one, and would be there alone.
 */

static int
reg_fs_parted(reg_fs_put_t *p, size_t i)
{
    struct stat  st;

    return p->spots[i].named && p->items[i].from == NULL
           && fstatat(p->fs->root, p->items[i].path, &st, AT_SYMLINK_NOFOLLOW)
              == -1
           && errno == ENOENT;
}


/*
 * 1 when a file that was kept is gone by the time its companions got their
 * names: it was in a directory that was discarded, they are in a new one.
 */

static int
reg_fs_lost(reg_fs_put_t *p, size_t from, size_t to)
{
    int     fd, named;
    size_t  i;

    named = 0;

    for (i = from; i < to; i++) {
        named |= p->spots[i].named;
    }

    for (i = from; i < to && named; i++) {

        if (!p->spots[i].kept) {
            continue;
        }

        fd = reg_fs_open(p->fs, p->fs->root, p->items[i].path, O_PATH);

        if (fd == -1) {
            return 1;
        }

        (void) close(fd);
    }

    return 0;
}


/* 1 when a directory has no name any more. */

static int
reg_fs_removed(int dir)
{
    struct stat  st;

    return fstat(dir, &st) == 0 && st.st_nlink == 0;
}


static void
reg_fs_release(reg_fs_put_t *p, size_t i)
{
    reg_fs_spot_t  *spot;

    spot = &p->spots[i];

    if (spot->temp != -1) {
        (void) close(spot->temp);
        spot->temp = -1;
    }

    if (spot->written) {
        (void) unlinkat(p->fs->root, spot->name, 0);
        spot->written = 0;
    }

    reg_fs_dir_close(&spot->dir);
}
