
/* What a spool holds, and what it must not hold any longer. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_spool_private.h"

#include "reg_fs.h"
#include "reg_time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* how often it is looked again when a segment goes meanwhile */
#define REG_SPOOL_LOOKS  10


static int reg_spool_tail_old(reg_spool_t *sp, int64_t now);
static reg_rc_t reg_spool_look(reg_spool_t *sp, reg_spool_stat_t *st,
    const reg_spool_segments_t *list, reg_error_t *e);
static reg_rc_t reg_spool_look_end(reg_spool_t *sp, uint64_t first,
    reg_error_t *e);


reg_rc_t
reg_spool_tail_drop(reg_spool_t *sp, uint64_t more, int64_t now,
    reg_error_t *e)
{
    size_t                 i;
    char                   path[REG_SPOOL_PATH];
    uint64_t               sum;
    reg_rc_t               rc;
    reg_stat_t            *st;
    reg_spool_segments_t   list;

    if (sp->limits.size == 0 && sp->limits.keep == 0) {
        return REG_OK;
    }

    memset(&list, 0, sizeof(list));

    rc = reg_spool_segments(sp->s, &list, e);

    if (rc != REG_OK || list.n == 0) {
        reg_spool_segments_free(&list);
        return rc;
    }

    st = calloc(list.n, sizeof(reg_stat_t));

    if (st == NULL) {
        reg_spool_segments_free(&list);
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    sum = more;

    for (i = 0; i < list.n && rc == REG_OK; i++) {
        reg_spool_path(path, list.first[i]);
        rc = sp->s->driver->stat(sp->s, path, &st[i], e);

        if (rc == REG_ABSENT) {
            rc = REG_OK;
        }

        sum += st[i].size;
    }

    /* never the last, which alone knows the number that comes next */

    for (i = 0; i + 1 < list.n && rc == REG_OK; i++) {

        if (!(sp->limits.size != 0 && sum > sp->limits.size)
            && !(sp->limits.keep != 0
                 && st[i].mtime < now - sp->limits.keep))
        {
            break;
        }

        rc = reg_spool_segment_remove(sp, list.first[i], e);

        sum -= st[i].size;
        sp->dropped += list.first[i + 1] - list.first[i];
    }

    free(st);
    reg_spool_segments_free(&list);

    return rc;
}


reg_rc_t
reg_spool_segment_remove(reg_spool_t *sp, uint64_t first, reg_error_t *e)
{
    char  path[REG_SPOOL_PATH];

    reg_spool_path(path, first);

    if (unlinkat(sp->dir, reg_fs_base(path), 0) == -1 && errno != ENOENT) {
        return reg_error_sys(e, errno, "unlink", path);
    }

    return REG_OK;
}


reg_rc_t
reg_spool_trim(reg_spool_t *sp, int64_t now, reg_error_t *e)
{
    int       there;
    reg_rc_t  rc;

    if (sp->limits.size == 0 && sp->limits.keep == 0) {
        return REG_OK;
    }

    there = reg_spool_exists(sp->s, e);

    if (there != 1) {
        return (there == 0) ? REG_OK : REG_STORAGE;
    }

    (void) pthread_mutex_lock(&sp->write);

    rc = reg_spool_take(sp, e);

    if (rc == REG_OK) {
        rc = reg_spool_tail_find(sp, now, e);

        if (rc == REG_OK && reg_spool_tail_old(sp, now)) {
            rc = reg_spool_tail_rotate(sp, now, e);
        }

        if (rc == REG_OK) {
            rc = reg_spool_tail_drop(sp, 0, now, e);
        }

        reg_spool_let_go(sp);
    }

    (void) pthread_mutex_unlock(&sp->write);

    return rc;
}


/* 1 when the last segment holds something, and may not any longer. */

static int
reg_spool_tail_old(reg_spool_t *sp, int64_t now)
{
    struct stat  st;

    return sp->limits.keep != 0 && sp->tail.off != 0
           && fstat(sp->tail.fd, &st) == 0
           && reg_time_ns(&st.st_mtim) < now - sp->limits.keep;
}


reg_rc_t
reg_spool_stat(reg_spool_t *sp, reg_spool_stat_t *st, reg_error_t *e)
{
    int                    tries;
    reg_rc_t               rc;
    reg_spool_segments_t   list;

    rc = REG_ABSENT;
    memset(&list, 0, sizeof(list));

    (void) pthread_mutex_lock(&sp->write);

    for (tries = 0; tries < REG_SPOOL_LOOKS; tries++) {

        memset(st, 0, sizeof(reg_spool_stat_t));
        st->dropped = sp->dropped;

        rc = reg_spool_segments(sp->s, &list, e);

        if (rc == REG_OK && list.n != 0) {
            rc = reg_spool_look(sp, st, &list, e);
        }

        if (rc != REG_ABSENT) {
            break;
        }
    }

    (void) pthread_mutex_unlock(&sp->write);

    reg_spool_segments_free(&list);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


/* REG_ABSENT when a segment is not there any more. */

static reg_rc_t
reg_spool_look(reg_spool_t *sp, reg_spool_stat_t *st,
    const reg_spool_segments_t *list, reg_error_t *e)
{
    size_t      i;
    char        path[REG_SPOOL_PATH];
    reg_rc_t    rc;
    reg_stat_t  file;

    for (i = 0; i < list->n; i++) {
        reg_spool_path(path, list->first[i]);

        rc = sp->s->driver->stat(sp->s, path, &file, e);

        if (rc != REG_OK) {
            return rc;
        }

        st->bytes += file.size;
    }

    rc = reg_spool_look_end(sp, list->first[list->n - 1], e);

    if (rc != REG_OK) {
        return rc;
    }

    st->segments = (unsigned) list->n;
    st->last = sp->seen.last;
    st->first = (list->first[0] <= st->last) ? list->first[0] : 0;

    return REG_OK;
}


/* Goes on from where the last look ended. */

static reg_rc_t
reg_spool_look_end(reg_spool_t *sp, uint64_t first, reg_error_t *e)
{
    int          fd;
    struct stat  st;

    if (sp->seen.fd != -1
        && (sp->seen.first != first || fstat(sp->seen.fd, &st) == -1
            || st.st_nlink == 0 || (uint64_t) st.st_size < sp->seen.off))
    {
        reg_spool_place_close(&sp->seen);
    }

    if (sp->seen.fd == -1) {
        fd = reg_spool_segment_open(sp->s, first, O_RDONLY);

        if (fd == -1) {
            return reg_fs_fail(e, errno, "open", REG_SPOOL);
        }

        reg_spool_place_set(&sp->seen, fd, first);
    }

    return reg_spool_place_end(&sp->seen, e);
}
