
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_spool_private.h"

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* a spool has so many segments when it is full, within these bounds */
#define REG_SPOOL_SEGMENTS  16
#define REG_SPOOL_LARGE     (4 * 1024 * 1024)
#define REG_SPOOL_SMALL     (64 * 1024)

#define REG_SPOOL_US        1000


typedef struct {
    reg_store_t  *s;
    uint64_t      last;
    reg_error_t  *e;
} reg_spool_origin_t;


static uint64_t reg_spool_segment_size(const reg_spool_t *sp);
static int reg_spool_same(reg_spool_t *sp);
static int reg_spool_stale(reg_spool_t *sp, const struct stat *st);
static int reg_spool_last(const reg_spool_t *sp);
static reg_rc_t reg_spool_find(reg_spool_t *sp, int64_t now, reg_error_t *e);
static reg_rc_t reg_spool_origin(reg_spool_t *sp, int64_t now,
    uint64_t *first, reg_error_t *e);
static reg_rc_t reg_spool_origin_of(void *ctx, reg_str_t name, int dir);
static reg_rc_t reg_spool_above(reg_spool_t *sp, reg_error_t *e);
static reg_rc_t reg_spool_above_of(void *ctx, reg_str_t name, int dir);
static reg_rc_t reg_spool_cut(reg_spool_t *sp, reg_error_t *e);
static reg_rc_t reg_spool_begin(reg_spool_t *sp, uint64_t first,
    reg_error_t *e);
static reg_rc_t reg_spool_settle(reg_spool_t *sp, reg_error_t *e);


static uint64_t
reg_spool_segment_size(const reg_spool_t *sp)
{
    uint64_t  size;

    size = sp->limits.size / REG_SPOOL_SEGMENTS;

    if (sp->limits.size == 0 || size > REG_SPOOL_LARGE) {
        return REG_SPOOL_LARGE;
    }

    return (size < REG_SPOOL_SMALL) ? REG_SPOOL_SMALL : size;
}


reg_rc_t
reg_spool_tail_ready(reg_spool_t *sp, size_t len, int64_t now, reg_error_t *e)
{
    int       full;
    reg_rc_t  rc;

    rc = reg_spool_tail_find(sp, now, e);

    if (rc != REG_OK) {
        return rc;
    }

    (void) pthread_mutex_lock(&sp->wait);
    full = (sp->broken == sp->tail.first);
    (void) pthread_mutex_unlock(&sp->wait);

    full |= sp->torn;
    full |= (sp->tail.off != 0
             && sp->tail.off + len > reg_spool_segment_size(sp));

    if (full) {
        rc = reg_spool_tail_rotate(sp, now, e);
    }

    return (rc == REG_OK && !sp->settled) ? reg_spool_settle(sp, e) : rc;
}


/* --- where it is --------------------------------------------------------- */

/*
 * The next segment is named for the number that comes next, so that a look for
 * that name tells whether somebody has begun it; where nobody has begun any
 * since the last look there is none.
 */

reg_rc_t
reg_spool_tail_find(reg_spool_t *sp, int64_t now, reg_error_t *e)
{
    int       fd, found;
    reg_rc_t  rc;
    uint64_t  next;

    for ( ;; ) {

        rc = REG_OK;

        if (!reg_spool_same(sp)) {

            found = (sp->tail.fd == -1);

            if (found) {
                rc = reg_spool_find(sp, now, e);
            }

            if (rc == REG_OK) {
                rc = reg_spool_cut(sp, e);
            }

            if (rc == REG_OK && found) {
                rc = reg_spool_above(sp, e);
            }
        }

        if (rc != REG_OK) {
            reg_spool_tail_leave(sp, 0);
            return rc;
        }

        next = sp->tail.last + 1;

        if (next == sp->tail.first || reg_spool_last(sp)) {
            return REG_OK;
        }

        fd = reg_spool_segment_open(sp->s, next, O_RDWR);

        if (fd == -1) {

            if (errno != ENOENT) {
                return reg_error_sys(e, errno, "open", REG_SPOOL);
            }

            sp->known = sp->turn;

            return REG_OK;
        }

        reg_spool_tail_leave(sp, 0);
        reg_spool_place_set(&sp->tail, fd, next);
    }
}


/* 1 when it is at the end of what it was at before, as mostly. */

static int
reg_spool_same(reg_spool_t *sp)
{
    struct stat  st;

    if (sp->tail.fd == -1) {
        return 0;
    }

    if (fstat(sp->tail.fd, &st) == -1 || reg_spool_stale(sp, &st)) {
        reg_spool_tail_leave(sp, 0);
        return 0;
    }

    return (uint64_t) st.st_size == sp->tail.off;
}


/* 1 when the segment was removed, or cut where nobody cuts. */

static int
reg_spool_stale(reg_spool_t *sp, const struct stat *st)
{
    return st->st_nlink == 0 || (uint64_t) st->st_size < sp->tail.off;
}


/* 1 when nobody has begun a segment since there was none behind this. */

static int
reg_spool_last(const reg_spool_t *sp)
{
    return sp->known.size == sp->turn.size
           && sp->known.changed == sp->turn.changed;
}


/* Opens the last segment; makes the first. */

static reg_rc_t
reg_spool_find(reg_spool_t *sp, int64_t now, reg_error_t *e)
{
    int                   fd;
    reg_rc_t              rc;
    uint64_t              first;
    reg_spool_segments_t  list;

    memset(&list, 0, sizeof(list));

    rc = reg_spool_segments(sp->s, &list, e);
    first = (rc == REG_OK && list.n != 0) ? list.first[list.n - 1] : 0;

    reg_spool_segments_free(&list);

    if (rc != REG_OK) {
        return rc;
    }

    if (first == 0) {
        rc = reg_spool_origin(sp, now, &first, e);

        return (rc == REG_OK) ? reg_spool_begin(sp, first, e) : rc;
    }

    fd = reg_spool_segment_open(sp->s, first, O_RDWR);

    if (fd == -1) {
        return reg_error_sys(e, errno, "open", REG_SPOOL);
    }

    reg_spool_place_set(&sp->tail, fd, first);

    return REG_OK;
}


/* The first number of all: the time, and above what any endpoint has seen. */

static reg_rc_t
reg_spool_origin(reg_spool_t *sp, int64_t now, uint64_t *first,
    reg_error_t *e)
{
    reg_rc_t            rc;
    reg_spool_origin_t  o;

    o.s = sp->s;
    o.last = 0;
    o.e = e;

    rc = reg_spool_endpoints(sp->s, reg_spool_origin_of, &o, e);

    *first = (now > 0) ? (uint64_t) now / REG_SPOOL_US : 0;

    if (*first <= o.last) {
        *first = o.last + 1;
    }

    if (*first == 0) {
        *first = 1;
    }

    return rc;
}


static reg_rc_t
reg_spool_origin_of(void *ctx, reg_str_t name, int dir)
{
    reg_rc_t               rc;
    reg_spool_origin_t    *o;
    reg_spool_endpoint_t   ep;

    (void) dir;

    o = ctx;
    rc = reg_spool_endpoint_load(o->s, name.data, &ep, o->e);

    if (rc == REG_OK && ep.cursor > o->last && ep.cursor < INT64_MAX) {
        o->last = ep.cursor;
    }

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


/*
 * Records may be gone that endpoints have seen: a segment was cut, or is
 * damaged at its end.  Their numbers are not given again, or what gets them
 * would be passed over.  What is left behind the last record has readers look
 * for another name than that of the next number.
 */

static reg_rc_t
reg_spool_above(reg_spool_t *sp, reg_error_t *e)
{
    reg_spool_origin_t  o;

    o.s = sp->s;
    o.last = 0;
    o.e = NULL;

    (void) reg_spool_endpoints(sp->s, reg_spool_above_of, &o, NULL);

    if (o.last <= sp->tail.last) {
        return REG_OK;
    }

    if (reg_fs_pwrite(sp->tail.fd, "\n", 1, sp->tail.off) == -1) {
        return reg_error_sys(e, errno, "write", REG_SPOOL);
    }

    sp->tail.last = o.last;
    sp->torn = 1;

    return REG_OK;
}


/* Nobody waits for an endpoint that cannot be read. */

static reg_rc_t
reg_spool_above_of(void *ctx, reg_str_t name, int dir)
{
    (void) reg_spool_origin_of(ctx, name, dir);

    return REG_OK;
}


/* Goes to the end, and cuts off what stands behind the last record. */

static reg_rc_t
reg_spool_cut(reg_spool_t *sp, reg_error_t *e)
{
    reg_rc_t  rc;

    rc = reg_spool_place_end(&sp->tail, e);

    if (rc == REG_OK && sp->tail.rest) {

        /* who cannot cut it leaves it, and the segment with it */

        sp->torn = (ftruncate(sp->tail.fd, (off_t) sp->tail.off) == -1);
    }

    return rc;
}


/* --- segments ------------------------------------------------------------ */

static reg_rc_t
reg_spool_begin(reg_spool_t *sp, uint64_t first, reg_error_t *e)
{
    int        fd;
    reg_fs_t  *fs;

    fs = reg_fs_of(sp->s);
    fd = reg_spool_segment_open(sp->s, first, O_RDWR|O_CREAT);

    if (fd == -1) {
        return reg_error_sys(e, errno, "create", REG_SPOOL);
    }

    reg_fs_give(fs, fd);
    reg_spool_place_set(&sp->tail, fd, first);

    return REG_OK;
}


/* Makes sure that the name of the segment is on disk. */

static reg_rc_t
reg_spool_settle(reg_spool_t *sp, reg_error_t *e)
{
    if (reg_fs_sync_entries(reg_fs_of(sp->s), sp->dir) == -1) {
        return reg_error_sys(e, errno, "fsync", REG_SPOOL);
    }

    sp->settled = 1;

    return REG_OK;
}


/*
 * The segment before is synced as a whole, so that records of the next are
 * never on disk without it; where that fails, those who wait hear of it, each
 * in its own process.
 */

reg_rc_t
reg_spool_tail_rotate(reg_spool_t *sp, int64_t now, reg_error_t *e)
{
    uint64_t  next;
    reg_rc_t  rc;

    /* the others are told first: they look in vain when nothing comes of it */

    if (ftruncate(sp->lock, (off_t) sp->turn.size + 1) == -1) {
        return reg_error_sys(e, errno, "ftruncate", REG_SPOOL);
    }

    rc = reg_spool_tail_drop(sp, reg_spool_segment_size(sp), now, e);

    next = sp->tail.last + 1;

    if (rc == REG_OK && next == sp->tail.first) {

        /* nothing valid in it: the next has its name */

        rc = reg_spool_segment_remove(sp, next, e);
    }

    if (rc != REG_OK) {
        return rc;
    }

    reg_spool_tail_leave(sp, 1);
    sp->broken = 0;

    return reg_spool_begin(sp, next, e);
}


void
reg_spool_tail_leave(reg_spool_t *sp, int sync)
{
    int                err;
    reg_spool_wait_t  *list, *next;

    if (sp->tail.fd == -1) {
        return;
    }

    (void) pthread_mutex_lock(&sp->wait);

    while (sp->syncing) {
        (void) pthread_cond_wait(&sp->woken, &sp->wait);
    }

    list = sp->waiting;
    sp->waiting = NULL;

    /* an error is told once: a call more, and nobody would hear of it */

    err = ((sync || list != NULL)
           && reg_fs_sync_data(reg_fs_of(sp->s), sp->tail.fd) == -1)
          ? errno : 0;

    for ( /* void */ ; list != NULL; list = next) {
        next = list->next;
        list->err = err;
        list->done = 1;
    }

    sp->broken = (err != 0) ? sp->tail.first : sp->broken;

    (void) pthread_cond_broadcast(&sp->woken);
    (void) pthread_mutex_unlock(&sp->wait);

    reg_spool_place_close(&sp->tail);
    sp->known.size = -1;
    sp->settled = 0;
    sp->torn = 0;
}
