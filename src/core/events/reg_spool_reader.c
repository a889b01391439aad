
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


/* more than a spool holds: it was removed and begun anew, nobody knows what
   was in it */
#define REG_SPOOL_GAP    1000000000

/* how often a segment may go between its listing and its opening */
#define REG_SPOOL_LOOKS  10


struct reg_spool_reader_s {
    reg_store_t         *s;
    reg_spool_place_t    place;      /* nowhere before the first look */
    uint64_t             left;       /* the segment it rests in, or 0; */
    uint64_t             left_off;   /* how much of it was read, */
    uint64_t             left_last;  /* up to which number */
    uint64_t             cursor;     /* the event that was given out last */
    uint64_t             synced;     /* bytes of the segment that are on disk */
    unsigned             sync:1;
    unsigned             again:1;
    reg_spool_record_t   rec;        /* what was given out last */
};


static reg_rc_t reg_spool_reader_find(reg_spool_reader_t *r, reg_error_t *e);
static reg_rc_t reg_spool_reader_enter(reg_spool_reader_t *r, uint64_t first,
    reg_error_t *e);
static void reg_spool_reader_back(reg_spool_reader_t *r);
static reg_rc_t reg_spool_reader_over(reg_spool_reader_t *r, reg_error_t *e);
static reg_rc_t reg_spool_reader_beyond(reg_spool_reader_t *r,
    uint64_t *next, reg_error_t *e);
static uint64_t reg_spool_reader_choose(const reg_spool_segments_t *list,
    uint64_t cursor);
static reg_rc_t reg_spool_reader_sync(reg_spool_reader_t *r, reg_error_t *e);


reg_rc_t
reg_spool_reader_open(reg_spool_reader_t **out, reg_store_t *s, int sync,
    reg_error_t *e)
{
    reg_spool_reader_t  *r;

    r = calloc(1, sizeof(reg_spool_reader_t));

    if (r == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    r->s = s;
    r->sync = (sync != 0);
    r->place.fd = -1;

    *out = r;

    return REG_OK;
}


void
reg_spool_reader_close(reg_spool_reader_t *r)
{
    if (r != NULL) {
        reg_spool_place_close(&r->place);
        free(r);
    }
}


void
reg_spool_again(reg_spool_reader_t *r)
{
    r->again = (r->rec.seq != 0);
    r->rec.lost = 0;
    r->rec.anew = 0;
}


void
reg_spool_rest(reg_spool_reader_t *r)
{
    /* what is given once more lies in the window */

    if (r->again) {
        return;
    }

    r->rec.seq = 0;

    if (r->place.fd != -1) {
        r->left = r->place.first;
        r->left_off = r->place.off;
        r->left_last = r->place.last;
    }

    reg_spool_place_close(&r->place);
}


/* Segments before this one were synced when it was begun. */

reg_rc_t
reg_spool_sure(reg_spool_reader_t *r, reg_error_t *e)
{
    return (r->place.fd == -1) ? REG_OK : reg_spool_reader_sync(r, e);
}


reg_rc_t
reg_spool_seek(reg_spool_reader_t *r, uint64_t after, uint64_t *at,
    reg_error_t *e)
{
    reg_rc_t  rc;

    reg_spool_place_close(&r->place);

    r->left = 0;
    r->again = 0;
    r->rec.seq = 0;
    r->cursor = after;

    if (after != REG_SPOOL_END) {

        if (at != NULL) {
            *at = after;
        }

        return REG_OK;
    }

    rc = reg_spool_reader_find(r, e);

    if (rc == REG_OK) {
        rc = reg_spool_place_end(&r->place, e);
    }

    /* what is passed over is seen, too */

    if (rc == REG_OK && r->sync) {
        rc = reg_spool_reader_sync(r, e);
    }

    r->cursor = (rc == REG_OK) ? r->place.last : 0;

    if (rc == REG_ABSENT) {
        rc = REG_OK;
    }

    if (at != NULL) {
        *at = r->cursor;
    }

    return rc;
}


reg_rc_t
reg_spool_next(reg_spool_reader_t *r, reg_spool_record_t *rec, reg_error_t *e)
{
    int       n;
    reg_rc_t  rc;

    if (r->again) {
        r->again = 0;
        *rec = r->rec;

        return REG_OK;
    }

    r->rec.seq = 0;

    for ( ;; ) {
        rc = (r->place.fd == -1) ? reg_spool_reader_find(r, e) : REG_OK;

        if (rc != REG_OK) {
            return rc;
        }

        n = reg_spool_place_next(&r->place, rec);

        if (n == -1) {
            return reg_error_sys(e, errno, "read", REG_SPOOL);
        }

        if (n == 0) {
            rc = reg_spool_reader_over(r, e);

            if (rc != REG_OK) {
                return rc;
            }

            continue;
        }

        if (rec->seq > r->cursor) {
            break;
        }
    }

    if (r->sync && r->place.off > r->synced) {
        rc = reg_spool_reader_sync(r, e);

        if (rc != REG_OK) {

            /* it is not given out: from there again */

            reg_spool_place_close(&r->place);
            return rc;
        }
    }

    rec->lost = 0;
    rec->anew = 0;

    if (r->cursor != 0) {

        if (rec->seq - r->cursor - 1 < REG_SPOOL_GAP) {
            rec->lost = rec->seq - r->cursor - 1;

        } else {
            rec->anew = 1;
        }
    }

    r->cursor = rec->seq;
    r->rec = *rec;

    return REG_OK;
}


/* All that the window holds was in the file before, and is on disk now. */

static reg_rc_t
reg_spool_reader_sync(reg_spool_reader_t *r, reg_error_t *e)
{
    if (reg_fs_sync_data(reg_fs_of(r->s), r->place.fd) == -1) {
        return reg_error_sys(e, errno, "fdatasync", REG_SPOOL);
    }

    r->synced = r->place.at + r->place.len;

    if (r->synced < r->place.off) {
        r->synced = r->place.off;
    }

    return REG_OK;
}


/* --- segments ------------------------------------------------------------ */

/* Enters the one that the next event is in, or will be. */

static reg_rc_t
reg_spool_reader_find(reg_spool_reader_t *r, reg_error_t *e)
{
    int                   tries;
    reg_rc_t              rc;
    uint64_t              first;
    reg_spool_segments_t  list;

    rc = REG_ABSENT;
    memset(&list, 0, sizeof(list));

    for (tries = 0; tries < REG_SPOOL_LOOKS; tries++) {

        rc = reg_spool_segments(r->s, &list, e);

        if (rc != REG_OK || list.n == 0) {
            break;
        }

        first = reg_spool_reader_choose(&list, r->cursor);
        rc = reg_spool_reader_enter(r, first, e);

        if (rc != REG_ABSENT) {
            break;
        }
    }

    if (rc == REG_OK && list.n != 0) {
        reg_spool_reader_back(r);
    }

    rc = (rc == REG_OK && list.n == 0) ? REG_ABSENT : rc;

    reg_spool_segments_free(&list);

    return rc;
}


/* The last one that does not begin behind the next event; or the first. */

static uint64_t
reg_spool_reader_choose(const reg_spool_segments_t *list, uint64_t cursor)
{
    size_t  i;

    for (i = list->n - 1; i > 0; i--) {
        if (cursor >= list->first[i] - 1) {
            break;
        }
    }

    return list->first[i];
}


static reg_rc_t
reg_spool_reader_enter(reg_spool_reader_t *r, uint64_t first, reg_error_t *e)
{
    int  fd;

    fd = reg_spool_segment_open(r->s, first, O_RDONLY);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", REG_SPOOL);
    }

    if (r->place.fd != -1) {
        (void) close(r->place.fd);
    }

    reg_spool_place_set(&r->place, fd, first);
    r->synced = 0;

    return REG_OK;
}


/*
 * To where it rested, if it is the same segment.  Nothing that was read then
 * is wanted once more, and what is there now stands behind it.
 */

static void
reg_spool_reader_back(reg_spool_reader_t *r)
{
    struct stat  st;

    if (r->left == r->place.first && r->left_last <= r->cursor
        && fstat(r->place.fd, &st) == 0 && (uint64_t) st.st_size >= r->left_off)
    {
        r->place.off = r->left_off;
        r->place.last = r->left_last;
    }

    r->left = 0;
}


/*
 * At the end of a segment: REG_OK when there is more to be read, in this one or
 * the next; REG_ABSENT when there is nothing.  Nobody appends to a segment once
 * the next is there, so its end is looked at once more behind that.
 */

static reg_rc_t
reg_spool_reader_over(reg_spool_reader_t *r, reg_error_t *e)
{
    int                 n;
    uint64_t            off, last, next;
    reg_rc_t            rc;
    reg_spool_record_t  rec;

    rc = reg_spool_reader_beyond(r, &next, e);

    if (rc != REG_OK) {
        return rc;
    }

    off = r->place.off;
    last = r->place.last;

    n = reg_spool_place_next(&r->place, &rec);

    if (n == -1) {
        return reg_error_sys(e, errno, "read", REG_SPOOL);
    }

    if (n == 1) {
        r->place.off = off;
        r->place.last = last;

        return REG_OK;
    }

    return reg_spool_reader_enter(r, next, e);
}


/* The segment behind this one, or REG_ABSENT. */

static reg_rc_t
reg_spool_reader_beyond(reg_spool_reader_t *r, uint64_t *next, reg_error_t *e)
{
    char                  path[REG_SPOOL_PATH];
    size_t                i;
    uint64_t              from;
    reg_rc_t              rc;
    reg_stat_t            file;
    struct stat           st;
    reg_spool_segments_t  list;

    /* named for the next number, as it should be */

    *next = r->place.last + 1;

    if (*next != r->place.first) {
        reg_spool_path(path, *next);
        rc = r->s->driver->stat(r->s, path, &file, e);

        if (rc != REG_ABSENT) {
            return rc;
        }
    }

    /* behind damage it has another name, and when this one was dropped */

    if (fstat(r->place.fd, &st) == -1) {
        return reg_error_sys(e, errno, "fstat", REG_SPOOL);
    }

    if (st.st_nlink != 0 && !r->place.rest) {
        return REG_ABSENT;
    }

    /* one that held nothing valid was removed for one of the same name */

    from = r->place.first + (st.st_nlink != 0);

    memset(&list, 0, sizeof(list));
    rc = reg_spool_segments(r->s, &list, e);

    for (i = 0; i < list.n && list.first[i] < from; i++) {
        /* void */
    }

    if (rc == REG_OK && i == list.n) {
        rc = REG_ABSENT;
    }

    *next = (rc == REG_OK) ? list.first[i] : 0;

    reg_spool_segments_free(&list);

    return rc;
}
