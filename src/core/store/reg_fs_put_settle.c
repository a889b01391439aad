
/* The last of a step of a put: its names on disk, or taken away again. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_fs_calls.h"
#include "reg_fs_put_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>


static void reg_fs_unname(reg_fs_put_t *p, size_t i);


reg_rc_t
reg_fs_put_settle(reg_fs_put_t *p, size_t from, size_t to)
{
    size_t          i;
    reg_fs_done_t   done;
    reg_fs_spot_t  *spot;

    done.n = 0;

    for (i = from; i < to; i++) {
        spot = &p->spots[i];

        if (spot->kept) {
            continue;
        }

        if (reg_fs_dir_sync(p->fs, &spot->dir, p->items[i].path, &done)
            == -1)
        {
            return reg_error_sys(p->e, errno, "fsync", p->items[i].path);
        }

        if (p->items[i].keep) {
            reg_fs_learn(p->fs, spot->id.key);
        }
    }

    return REG_OK;
}


/*
 * Where all of it was there, nothing was waited for: neither was its lease, and
 * behind a power cut it would be as old as before, and garbage; unless it is so
 * young that it was synced a moment ago.  What was kept beside something else
 * came to the journal before that, and is on disk by now.  What was removed
 * meanwhile, by who may, is not put back.
 */

reg_rc_t
reg_fs_put_settle_kept(reg_fs_put_t *p)
{
    int     fd, rc, err;
    size_t  i;

    for (i = 0; i < p->n; i++) {
        if (!p->spots[i].kept) {
            return REG_OK;
        }
    }

    for (i = 0; i < p->n; i++) {

        if (!p->spots[i].aged) {
            continue;
        }

        fd = reg_fs_open(p->fs, p->spots[i].dir.fd,
                         reg_fs_base(p->items[i].path), O_RDONLY);

        if (fd == -1 && reg_fs_absent(errno)) {
            continue;
        }

        rc = (fd == -1) ? -1 : fsync(fd);
        err = errno;

        if (fd != -1) {
            (void) close(fd);
        }

        if (rc == -1) {
            return reg_error_sys(p->e, err, "fsync", p->items[i].path);
        }
    }

    return REG_OK;
}


/*
 * What could not be synced must not be taken for something that was.  What
 * replaced something is left, for what it replaced cannot be brought back, and
 * its companions with it: a tag that was moved needs its index entry.
 */

void
reg_fs_put_withdraw(reg_fs_put_t *p, size_t from, size_t to)
{
    size_t  i;

    for (i = from; i < to; i++) {
        if (p->spots[i].named && p->spots[i].replaces) {
            return;
        }
    }

    for (i = from; i < to; i++) {
        if (p->items[i].keep && p->spots[i].named) {
            reg_fs_unname(p, i);
        }
    }
}


/*
 * Takes a name away, if the file behind it is the one that was given it.  It is
 * looked at aside, where nobody can put another in its place, and what turns
 * out to be somebody else's goes back.  Its number alone would not tell, since
 * that of a file that was replaced is soon another's; without a time of birth
 * the name stays.  Nothing is opened, for there may be no descriptor left.
 */

static void
reg_fs_unname(reg_fs_put_t *p, size_t i)
{
    const char      *base;
    reg_fs_ident_t   id;
    reg_fs_spot_t   *spot;

    spot = &p->spots[i];
    base = reg_fs_base(p->items[i].path);

    if (reg_fs_ident_at(spot->dir.fd, base, &id) == -1
        || id.key != spot->id.key
        || renameat(spot->dir.fd, base, p->fs->root, spot->name) == -1)
    {
        return;
    }

    if (reg_fs_ident_at(p->fs->root, spot->name, &id) == 0
        && id.key != spot->id.key
        && renameat2(p->fs->root, spot->name, spot->dir.fd, base,
                     RENAME_NOREPLACE)
           == 0)
    {
        (void) reg_fs_sync_entries(p->fs, spot->dir.fd);
        return;
    }

    (void) unlinkat(p->fs->root, spot->name, 0);
}
