
/*
 * Who appends, as a rule of hands:
 *
 *   the writer's mutex   one thread of this process at a time, held over
 *   the lock file        all of this: one process at a time
 *     caught up          what others appended since is read, a torn tail cut
 *     begun              a new segment, where the last is full or failed
 *     written            the records, in one call
 *   let go of both
 *     synced             by whoever of the waiting threads comes first, for
 *                        all of them
 *
 * Before a process leaves a segment for the next, it syncs what its threads
 * wait for, so that those always wait for the one file that is open.
 *
 * A sync that failed is final: the kernel takes the pages for clean then, and
 * a second one would succeed without a word.  All that waited for it hear of
 * the error, and the next record begins a segment.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_spool_private.h"

#include "reg_fs.h"
#include "reg_time.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>


/* how often it is begun anew when somebody removes what it stands in */
#define REG_SPOOL_TRIES      100


static reg_rc_t reg_spool_print(reg_buf_t *b, const reg_spool_item_t *items,
    size_t n, uint64_t seq, reg_error_t *e);
static reg_rc_t reg_spool_write(reg_spool_t *sp,
    const reg_spool_item_t *items, size_t n, int kept, int64_t now,
    reg_error_t *e);
static size_t reg_spool_length(const reg_spool_item_t *items, size_t n);
static int reg_spool_take_open(reg_spool_t *sp);
static void reg_spool_forget(reg_spool_t *sp);
static void reg_spool_queue(reg_spool_t *sp, reg_spool_wait_t *w);
static void reg_spool_wait(reg_spool_t *sp, reg_spool_wait_t *w);


reg_rc_t
reg_spool_open(reg_spool_t **out, reg_store_t *s,
    const reg_spool_limits_t *limits, reg_error_t *e)
{
    reg_spool_t  *sp;

    sp = calloc(1, sizeof(reg_spool_t));

    if (sp == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    sp->s = s;
    sp->limits = *limits;
    sp->dir = -1;
    sp->lock = -1;
    sp->known.size = -1;
    sp->tail.fd = -1;
    sp->seen.fd = -1;

    (void) pthread_mutex_init(&sp->write, NULL);
    (void) pthread_mutex_init(&sp->wait, NULL);
    (void) pthread_cond_init(&sp->woken, NULL);

    *out = sp;

    return REG_OK;
}


void
reg_spool_close(reg_spool_t *sp)
{
    if (sp == NULL) {
        return;
    }

    reg_spool_forget(sp);
    reg_spool_place_close(&sp->seen);

    (void) pthread_cond_destroy(&sp->woken);
    (void) pthread_mutex_destroy(&sp->wait);
    (void) pthread_mutex_destroy(&sp->write);

    free(sp);
}


int
reg_spool_exists(reg_store_t *s, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_stat_t  st;

    rc = s->driver->stat(s, REG_SPOOL, &st, e);

    if (rc == REG_OK) {
        return st.dir;
    }

    return (rc == REG_ABSENT) ? 0 : -1;
}


/* --- appending ----------------------------------------------------------- */

reg_rc_t
reg_spool_emit(reg_spool_t *sp, reg_str_t to, reg_event_t *events, size_t n,
    int durable, int64_t now, uint64_t *last, reg_error_t *e)
{
    size_t             i, len;
    reg_rc_t           rc;
    reg_buf_t          b;
    reg_spool_item_t  *items;

    if (n == 0 || n > REG_SPOOL_ITEMS_MAX) {
        return reg_error_set(e, REG_INTERNAL, "%zu events at once", n);
    }

    items = calloc(n, sizeof(reg_spool_item_t));

    if (items == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    rc = REG_OK;
    reg_buf_init(&b, n * REG_EVENT_MAX);

    for (i = 0; i < n && rc == REG_OK; i++) {

        if (events[i].time == 0) {
            events[i].time = now;
        }

        len = b.len;
        rc = reg_event_print(&b, &events[i], e);

        items[i].to = to;
        items[i].event.len = b.len - len;
    }

    if (rc == REG_OK && reg_buf_failed(&b)) {
        rc = reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    if (rc == REG_OK) {

        /* now that the buffer stays where it is */

        for (i = 0, len = 0; i < n; i++) {
            items[i].event.data = b.data + len;
            len += items[i].event.len;
        }

        rc = reg_spool_append(sp, items, n, durable, now, last, e);
    }

    reg_buf_free(&b);
    free(items);

    return rc;
}


reg_rc_t
reg_spool_append(reg_spool_t *sp, const reg_spool_item_t *items, size_t n,
    int durable, int64_t now, uint64_t *last, reg_error_t *e)
{
    size_t            i;
    reg_rc_t          rc;
    reg_spool_wait_t  w;

    if (n == 0 || n > REG_SPOOL_ITEMS_MAX) {
        return reg_error_set(e, REG_INTERNAL, "%zu events at once", n);
    }

    for (i = 0; i < n; i++) {
        if (!reg_spool_item_valid(&items[i])) {
            return reg_error_set(e, REG_INTERNAL, "not an event");
        }
    }

    (void) pthread_mutex_lock(&sp->write);

    rc = reg_spool_take(sp, e);

    if (rc == REG_OK) {
        rc = reg_spool_write(sp, items, n, durable == REG_SPOOL_KEPT, now,
                             e);
        reg_spool_let_go(sp);
    }

    if (rc == REG_OK && last != NULL) {
        *last = sp->tail.last;
    }

    if (rc == REG_OK && durable) {
        reg_spool_queue(sp, &w);
    }

    (void) pthread_mutex_unlock(&sp->write);

    if (rc != REG_OK || !durable) {
        return rc;
    }

    reg_spool_wait(sp, &w);

    return (w.err == 0) ? REG_OK
                        : reg_error_sys(e, w.err, "fdatasync", REG_SPOOL);
}


/* With all locks held. */

static reg_rc_t
reg_spool_write(reg_spool_t *sp, const reg_spool_item_t *items, size_t n,
    int kept, int64_t now, reg_error_t *e)
{
    size_t     len;
    reg_rc_t   rc;
    reg_buf_t  b;

    len = reg_spool_length(items, n);
    reg_buf_init(&b, len);

    /* another segment would not have the room that was made in this one */

    rc = reg_spool_tail_ready(sp, kept ? 0 : len, now, e);

    if (rc == REG_OK) {
        rc = reg_spool_print(&b, items, n, sp->tail.last + 1, e);
    }

    if (rc == REG_OK
        && reg_fs_pwrite(sp->tail.fd, b.data, b.len, sp->tail.off) == -1)
    {
        /*
         * Some of it may be there, and may have been read: whole records keep
         * their numbers, the rest is cut off by who comes next.
         */

        rc = reg_error_sys(e, errno, "write", REG_SPOOL);
    }

    if (rc == REG_OK) {
        sp->tail.off += b.len;
        sp->tail.last += n;
    }

    reg_buf_free(&b);

    return rc;
}


static size_t
reg_spool_length(const reg_spool_item_t *items, size_t n)
{
    size_t  i, len;

    len = 0;

    for (i = 0; i < n; i++) {
        len += REG_SPOOL_FRAME + items[i].to.len + items[i].event.len;
    }

    return len;
}


static reg_rc_t
reg_spool_print(reg_buf_t *b, const reg_spool_item_t *items, size_t n,
    uint64_t seq, reg_error_t *e)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        reg_spool_record_print(b, seq + i, &items[i]);
    }

    return reg_buf_failed(b) ? reg_error_set(e, REG_NO_MEMORY, NULL) : REG_OK;
}


/* --- the right to write -------------------------------------------------- */

reg_rc_t
reg_spool_take(reg_spool_t *sp, reg_error_t *e)
{
    int          rc, tries;
    reg_rc_t     made;
    struct stat  st;

    for (tries = 0; tries < REG_SPOOL_TRIES; tries++) {

        if (sp->lock == -1) {

            if (reg_spool_take_open(sp) == -1) {

                if (errno == ENOENT) {
                    continue;
                }

                return reg_error_sys(e, errno, "open", REG_SPOOL_LOCK);
            }

            made = sp->s->driver->mkdir(sp->s, REG_SPOOL, 1, e);

            if (made != REG_OK) {
                reg_spool_forget(sp);
                return made;
            }
        }

        do {
            rc = flock(sp->lock, LOCK_EX);
        } while (rc == -1 && errno == EINTR);

        if (rc == -1 || fstat(sp->lock, &st) == -1) {
            rc = errno;
            reg_spool_forget(sp);

            return reg_error_sys(e, rc, "flock", REG_SPOOL_LOCK);
        }

        if (st.st_nlink != 0) {
            sp->turn.size = st.st_size;
            sp->turn.changed = reg_time_ns(&st.st_ctim);
            return REG_OK;
        }

        /* somebody removed it, and others lock a new one */

        reg_spool_forget(sp);
    }

    return reg_error_sys(e, EAGAIN, "flock", REG_SPOOL_LOCK);
}


static int
reg_spool_take_open(reg_spool_t *sp)
{
    int          err;
    reg_fs_t    *fs;
    struct stat  st;

    fs = reg_fs_of(sp->s);

    sp->dir = reg_fs_own(fs, REG_SPOOL);

    if (sp->dir == -1) {
        return -1;
    }

    sp->lock = reg_fs_open(fs, sp->dir, "lock", O_RDWR|O_CREAT);

    if (sp->lock == -1) {
        err = errno;
        reg_spool_forget(sp);
        errno = err;

        return -1;
    }

    reg_fs_give(fs, sp->lock);

    /* deletions write its first byte, and have no room for it any more then */

    if (fstat(sp->lock, &st) == 0 && st.st_blocks == 0) {
        (void) reg_fs_pwrite(sp->lock, "\n", 1, 0);
    }

    return 0;
}


void
reg_spool_let_go(reg_spool_t *sp)
{
    if (sp->lock != -1) {
        (void) flock(sp->lock, LOCK_UN);
    }
}


/* Closes everything; the lock goes with its file. */

static void
reg_spool_forget(reg_spool_t *sp)
{
    reg_spool_tail_leave(sp, 0);

    if (sp->lock != -1) {
        (void) close(sp->lock);
        sp->lock = -1;
    }

    if (sp->dir != -1) {
        (void) close(sp->dir);
        sp->dir = -1;
    }
}


/* --- waiting for the disk ------------------------------------------------ */

/* Behind what was written, while the tail is still that file. */

static void
reg_spool_queue(reg_spool_t *sp, reg_spool_wait_t *w)
{
    (void) pthread_mutex_lock(&sp->wait);

    w->next = sp->waiting;
    w->done = 0;
    w->err = 0;

    sp->waiting = w;
    sp->synced = sp->tail.fd;
    sp->named = sp->tail.first;

    (void) pthread_mutex_unlock(&sp->wait);
}


/*
 * The first that finds nobody at it syncs for all that wait now; who comes
 * meanwhile waits for the next.  The file stays open: reg_spool_tail_leave()
 * waits for the end of a sync, and none begins without somebody who waits.
 */

static void
reg_spool_wait(reg_spool_t *sp, reg_spool_wait_t *w)
{
    int                fd, err;
    uint64_t           named;
    reg_spool_wait_t  *list, *next;

    (void) pthread_mutex_lock(&sp->wait);

    while (!w->done) {

        if (sp->syncing) {
            (void) pthread_cond_wait(&sp->woken, &sp->wait);
            continue;
        }

        fd = sp->synced;
        named = sp->named;
        list = sp->waiting;

        sp->waiting = NULL;
        sp->syncing = 1;

        (void) pthread_mutex_unlock(&sp->wait);

        err = (reg_fs_sync_data(reg_fs_of(sp->s), fd) == -1) ? errno : 0;

        (void) pthread_mutex_lock(&sp->wait);

        sp->syncing = 0;
        sp->broken = (err != 0) ? named : sp->broken;

        for ( /* void */ ; list != NULL; list = next) {
            next = list->next;
            list->err = err;
            list->done = 1;
        }

        (void) pthread_cond_broadcast(&sp->woken);
    }

    (void) pthread_mutex_unlock(&sp->wait);
}
