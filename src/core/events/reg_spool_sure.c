
/*
 * Events of what cannot be done again.  Who puts a manifest and hears of an
 * error puts it once more, and there is the event; who deletes finds nothing to
 * delete, and who pushes a blob finds it there.  So it is looked first whether
 * the event will have its place.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_spool_private.h"

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>


/* bytes kept free for events behind the last, so that some dozens of deletions
   are possible on a disk that got full */
#define REG_SPOOL_ROOM   (64 * 1024)

/* bytes of what st_blocks counts */
#define REG_SPOOL_BLOCK  512

/* pieces of the disk that may be behind the last event */
#define REG_SPOOL_PIECES  32

/* how often an event is appended before it is given up */
#define REG_SPOOL_SURE   3


static reg_rc_t reg_spool_size_of(reg_str_t to, reg_event_t *ev, int64_t now,
    size_t *len, reg_error_t *e);
static reg_rc_t reg_spool_try(reg_spool_t *sp, int fd, reg_error_t *e);
static reg_rc_t reg_spool_room(reg_spool_t *sp, size_t len, reg_error_t *e);
static int reg_spool_has_room(const reg_spool_t *sp, size_t len, int sure);
static int reg_spool_allocate(reg_spool_t *sp, size_t len);


reg_rc_t
reg_spool_reserve(reg_spool_t *sp, reg_str_t to, const reg_event_t *ev,
    size_t n, int tried, int64_t now, reg_error_t *e)
{
    int          fd;
    size_t       len;
    reg_rc_t     rc;
    reg_event_t  event;

    event = *ev;

    rc = reg_spool_size_of(to, &event, now, &len, e);

    if (rc != REG_OK) {
        return rc;
    }

    fd = -1;

    (void) pthread_mutex_lock(&sp->write);

    rc = reg_spool_take(sp, e);

    if (rc == REG_OK) {
        rc = reg_spool_tail_ready(sp, len, now, e);

        if (rc == REG_OK && (tried || !reg_spool_has_room(sp, n * len, 0))) {
            rc = reg_spool_room(sp, n * len, e);
        }

        if (rc == REG_OK && tried) {
            fd = fcntl(sp->lock, F_DUPFD_CLOEXEC, 0);

            if (fd == -1) {
                rc = reg_error_sys(e, errno, "fcntl", REG_SPOOL_LOCK);
            }
        }

        reg_spool_let_go(sp);
    }

    (void) pthread_mutex_unlock(&sp->write);

    return (rc == REG_OK && tried) ? reg_spool_try(sp, fd, e) : rc;
}


/* Whether the disk takes anything is known when it has taken something. */

static reg_rc_t
reg_spool_try(reg_spool_t *sp, int fd, reg_error_t *e)
{
    reg_rc_t  rc;

    rc = REG_OK;

    if (reg_fs_pwrite(fd, "\n", 1, 0) == -1) {
        rc = reg_error_sys(e, errno, "write", REG_SPOOL_LOCK);

    } else if (reg_fs_sync_data(reg_fs_of(sp->s), fd) == -1) {
        rc = reg_error_sys(e, errno, "fdatasync", REG_SPOOL_LOCK);
    }

    (void) close(fd);

    return rc;
}


/* The bytes of its record. */

static reg_rc_t
reg_spool_size_of(reg_str_t to, reg_event_t *ev, int64_t now, size_t *len,
    reg_error_t *e)
{
    reg_rc_t          rc;
    reg_buf_t         b, record;
    reg_spool_item_t  item;

    if (ev->time == 0) {
        ev->time = now;
    }

    reg_buf_init(&b, REG_EVENT_MAX);
    reg_buf_init(&record, REG_SPOOL_RECORD_MAX);

    rc = reg_event_print(&b, ev, e);

    if (rc == REG_OK) {
        item.to = to;
        item.event = reg_buf_slice(&b);

        reg_spool_record_print(&record, 1, &item);

        if (reg_buf_failed(&b) || reg_buf_failed(&record)) {
            rc = reg_error_set(e, REG_NO_MEMORY, NULL);
        }

        *len = record.len;
    }

    reg_buf_free(&record);
    reg_buf_free(&b);

    return rc;
}


/*
 * 1 when so much behind the last record is allocated already, as mostly: to
 * allocate is a change of the file, which wakes those that wait for events.
 * The blocks that are counted have the map of a scattered file among them; with
 * sure set, a file system that does not show the map has no room.
 */

static int
reg_spool_has_room(const reg_spool_t *sp, size_t len, int sure)
{
    uint64_t        end, room[(sizeof(struct fiemap) + REG_SPOOL_PIECES
                               * sizeof(struct fiemap_extent)) / 8];
    unsigned        i;
    struct stat     st;
    struct fiemap  *map;

    end = sp->tail.off + len;

    if (fstat(sp->tail.fd, &st) == -1
        || (uint64_t) st.st_blocks * REG_SPOOL_BLOCK < end)
    {
        return 0;
    }

    memset(room, 0, sizeof(room));

    map = (struct fiemap *) room;
    map->fm_start = sp->tail.off;
    map->fm_length = len;
    map->fm_extent_count = REG_SPOOL_PIECES;

    if (ioctl(sp->tail.fd, FS_IOC_FIEMAP, map) == -1) {
        return !sure;
    }

    end = sp->tail.off;

    for (i = 0; i < map->fm_mapped_extents; i++) {

        if (map->fm_extents[i].fe_logical > end) {
            return 0;
        }

        end = map->fm_extents[i].fe_logical + map->fm_extents[i].fe_length;
    }

    return end >= sp->tail.off + len;
}


/* More than is asked for, where there is more. */

static reg_rc_t
reg_spool_room(reg_spool_t *sp, size_t len, reg_error_t *e)
{
    int     err;
    size_t  most;

    most = (len < REG_SPOOL_ROOM) ? REG_SPOOL_ROOM : len;
    err = reg_spool_allocate(sp, most);

    if ((err == ENOSPC || err == EDQUOT) && len < most) {
        err = reg_spool_allocate(sp, len);
    }

    /* XFS wants room even to find out that nothing has to be allocated */

    if ((err == ENOSPC || err == EDQUOT) && reg_spool_has_room(sp, len, 1)) {
        err = 0;
    }

    return (err == 0) ? REG_OK : reg_error_sys(e, err, "fallocate", REG_SPOOL);
}


/* 0 or an errno.  The segment stays as long as it is. */

static int
reg_spool_allocate(reg_spool_t *sp, size_t len)
{
#ifdef FALLOC_FL_KEEP_SIZE

    int  rc;

    do {
        rc = fallocate(sp->tail.fd, FALLOC_FL_KEEP_SIZE,
                       (off_t) sp->tail.off, (off_t) len);
    } while (rc == -1 && errno == EINTR);

    /* not every file system can, and the write behind it tells of the rest */

    if (rc == -1 && errno != EOPNOTSUPP && errno != ENOSYS) {
        return errno;
    }

#else

    (void) sp;
    (void) len;

#endif

    return 0;
}


reg_rc_t
reg_spool_emit_sure(reg_spool_t *sp, reg_str_t to, reg_event_t *events,
    size_t n, int64_t now, reg_error_t *e)
{
    int          tries;
    reg_rc_t     rc;
    reg_error_t  last;

    tries = 0;

    do {
        reg_error_clear(&last);

        rc = reg_spool_emit(sp, to, events, n, REG_SPOOL_KEPT, now, NULL,
                            &last);

        if (rc == REG_OK) {
            return REG_OK;
        }

    } while (++tries < REG_SPOOL_SURE);

    if (e != NULL && e->rc == REG_OK) {
        *e = last;
    }

    return rc;
}
