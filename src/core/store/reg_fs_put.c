
/*
 * Files put in place, durably.
 *
 *   prepared  content stands in a temporary of REG_FS_TMP, the directory of
 *             the final name is there and open
 *   synced    the content of every item is on disk
 *   named     the items of one step were renamed, one after the other
 *   settled   the directories of that step are on disk; the next may begin
 *
 * What can be written early is written early, so that the journal of the file
 * system is committed once for all content and once more for each step.
 *
 * Others put the same names meanwhile, and are told that they are on disk.  So
 * nobody relies on a file of somebody else that is not known to be there: he
 * gives the name to one of his own.  And what could not be settled loses its
 * name again only where it is certain that nobody did: whoever puts it was the
 * first to do so, and the file is his still.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


typedef struct {
    reg_fs_dir_t    dir;         /* of the final name */
    int             temp;        /* the temporary, until it is synced; or -1 */
    reg_fs_ident_t  id;          /* of the temporary, once it is synced */
    unsigned        written:1;   /* name is there and has to go */
    unsigned        kept:1;      /* an equal file is in place, and on disk */
    unsigned        aged:1;      /* kept, and was synced long ago */
    unsigned        replaces:1;  /* something else is, or may be, in place */
    unsigned        named:1;
    char            name[sizeof(REG_FS_TMP) + REG_FS_UNIQUE];
} reg_fs_spot_t;


typedef struct {
    reg_fs_t         *fs;
    const reg_put_t  *items;
    reg_fs_spot_t    *spots;
    size_t            n;
    reg_error_t      *e;
} reg_fs_put_t;


static reg_rc_t reg_fs_put_all(reg_fs_put_t *p);
static reg_rc_t reg_fs_prepare(reg_fs_put_t *p, size_t i);
static reg_rc_t reg_fs_keep(reg_fs_put_t *p, size_t i);
static int reg_fs_equal(int fd, reg_str_t data);
static reg_rc_t reg_fs_temp(reg_fs_put_t *p, size_t i);
static reg_rc_t reg_fs_flush(reg_fs_put_t *p, size_t from, size_t to);
static reg_rc_t reg_fs_step_try(reg_fs_put_t *p, size_t from, size_t to,
    int *raced);
static reg_rc_t reg_fs_name(reg_fs_put_t *p, size_t i, int *raced);
static int reg_fs_first(reg_fs_put_t *p, size_t i);
static int reg_fs_lost(reg_fs_put_t *p, size_t from, size_t to);
static int reg_fs_removed(int dir);
static reg_rc_t reg_fs_settle(reg_fs_put_t *p, size_t from, size_t to);
static reg_rc_t reg_fs_settle_kept(reg_fs_put_t *p);
static void reg_fs_withdraw(reg_fs_put_t *p, size_t from, size_t to);
static void reg_fs_unname(reg_fs_put_t *p, size_t i);
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
        rc = reg_fs_prepare(p, i);

        if (rc != REG_OK) {
            return rc;
        }
    }

    rc = reg_fs_flush(p, 0, p->n);

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

    return reg_fs_settle_kept(p);
}


static reg_rc_t
reg_fs_prepare(reg_fs_put_t *p, size_t i)
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


/* Syncs content.  A failure is final: a second fsync() would lie. */

static reg_rc_t
reg_fs_flush(reg_fs_put_t *p, size_t from, size_t to)
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
        rc = reg_fs_name(p, i, raced);
    }

    if (rc == REG_OK && !*raced) {
        *raced = reg_fs_lost(p, from, to);
    }

    if (rc == REG_OK && !*raced) {
        rc = reg_fs_settle(p, from, to);
    }

    if (rc != REG_OK) {
        reg_fs_withdraw(p, from, to);
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

        rc = reg_fs_prepare(p, i);
    }

    return (rc == REG_OK) ? reg_fs_flush(p, from, to) : rc;
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


static reg_rc_t
reg_fs_settle(reg_fs_put_t *p, size_t from, size_t to)
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

static reg_rc_t
reg_fs_settle_kept(reg_fs_put_t *p)
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

static void
reg_fs_withdraw(reg_fs_put_t *p, size_t from, size_t to)
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
