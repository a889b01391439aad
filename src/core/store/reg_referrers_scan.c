
#include "reg_referrers_private.h"

#include "reg_fs.h"
#include "reg_repo.h"
#include "reg_time.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>


/* entries that a scan writes together */
#define REG_SCAN_BATCH  64


/* Entries to be written. */
typedef struct {
    size_t         n;
    reg_path_t     paths[REG_SCAN_BATCH];
    reg_digest_t   digests[REG_SCAN_BATCH];
    reg_put_t      items[REG_SCAN_BATCH];
} reg_scan_batch_t;


static reg_rc_t reg_referrers_scan_some(reg_referrers_list_t *l,
    reg_scan_batch_t *batch, reg_error_t *e);
static reg_rc_t reg_referrers_scan_one(reg_referrers_list_t *l,
    const reg_digest_t *d, reg_referrer_t *r, reg_scan_batch_t *batch,
    reg_error_t *e);
static int reg_referrers_unlinked(reg_referrers_list_t *l,
    const reg_digest_t *d);
static void reg_referrers_scan_write(reg_referrers_list_t *l,
    reg_scan_batch_t *batch);
static void reg_referrers_scan_end(reg_referrers_list_t *l);
static int reg_referrers_lock(reg_store_t *s, reg_str_t name);


reg_rc_t
reg_referrers_scan_begin(reg_referrers_list_t *l, reg_error_t *e)
{
    char             was[REG_MARK_MAX];
    int64_t          until, now;
    reg_rc_t         rc;
    struct timespec  ts;

    rc = reg_referrers_mark_now(l->store, l->op->name, l->mark, &l->newest, e);

    if (rc != REG_OK) {
        return rc;
    }

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    now = (int64_t) ts.tv_sec;

    /* a clock that was set back does not make it last */

    if (strcmp(l->mark, "-\n-\n") == 0
        || (reg_referrers_mark_read(l->store, l->op->name, was, &until) == 0
            && strcmp(was, l->mark) == 0
            && (until == 0
                || (now < until && until <= now + REG_MARK_LASTS))))
    {
        return REG_OK;
    }

    l->began = reg_time_ns(&ts);
    l->scanning = 1;

    return REG_OK;
}


reg_rc_t
reg_referrers_scan(reg_referrers_list_t *l, reg_error_t *e)
{
    reg_rc_t           rc;
    reg_path_t         path;
    reg_scan_batch_t  *batch;

    reg_layout_repo(&path, l->op->name, "/_manifests/revisions");

    rc = reg_referrers_digests(l, path.s, e);

    if (rc != REG_OK) {
        return rc;
    }

    batch = malloc(sizeof(reg_scan_batch_t));

    if (batch == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    batch->n = 0;

    rc = reg_referrers_scan_some(l, batch, e);

    if (rc == REG_OK) {
        reg_referrers_scan_write(l, batch);
    }

    free(batch);

    if (rc == REG_OK && !l->paused) {
        reg_referrers_scan_end(l);
    }

    return rc;
}


static reg_rc_t
reg_referrers_scan_some(reg_referrers_list_t *l, reg_scan_batch_t *batch,
    reg_error_t *e)
{
    reg_rc_t        rc;
    reg_referrer_t  r;

    reg_buf_init(&r.text, 2 * REG_MANIFEST_READ_MAX);

    rc = REG_OK;

    while (l->i < l->digests.n) {
        rc = reg_referrers_scan_one(l, &l->digests.d[l->i], &r, batch, e);

        if (rc != REG_OK || l->paused) {
            break;
        }

        l->i++;
    }

    reg_buf_free(&r.text);

    return rc;
}


/*
 * Those of the subject that is asked for are noted besides: on a file system
 * that takes no entries the answer is right all the same.
 */

static reg_rc_t
reg_referrers_scan_one(reg_referrers_list_t *l, const reg_digest_t *d,
    reg_referrer_t *r, reg_scan_batch_t *batch, reg_error_t *e)
{
    reg_rc_t       rc;
    reg_put_t     *item;
    reg_path_t    *path;
    reg_digest_t   known, *found;

    rc = reg_referrers_look(l, d, r, e);

    if (rc == REG_ABSENT) {

        /* or was it deleted just now, and its bytes with it */

        if (r->unread
            && reg_revision_find(l->store, l->op->name, d, &known, NULL, NULL)
               != REG_MANIFEST_UNKNOWN)
        {
            l->unread = 1;

        } else if (reg_referrers_unlinked(l, d)) {
            l->unlinked = 1;
        }

        return REG_OK;
    }

    if (rc != REG_OK || l->paused || !r->has_subject) {
        return rc;
    }

    if (reg_digest_eq(&r->subject, &l->op->digest)) {
        found = reg_digests_push(&l->found);

        if (found == NULL) {
            return reg_error_set(e, REG_NO_MEMORY, NULL);
        }

        *found = *d;
    }

    path = &batch->paths[batch->n];

    reg_layout_referrers(path, l->op->name, &r->subject, d);

    rc = reg_link_read(l->store, path->s, &known, NULL);

    if (rc == REG_OK) {
        return REG_OK;
    }

    batch->digests[batch->n] = *d;

    item = &batch->items[batch->n];
    memset(item, 0, sizeof(reg_put_t));

    item->path = path->s;
    item->data = reg_digest_str(&batch->digests[batch->n]);
    item->fd = -1;
    item->keep = 1;

    if (++batch->n == REG_SCAN_BATCH) {
        reg_referrers_scan_write(l, batch);
    }

    return REG_OK;
}


/* 1 when it has a directory, in which a link may appear. */

static int
reg_referrers_unlinked(reg_referrers_list_t *l, const reg_digest_t *d)
{
    reg_path_t  path;
    reg_stat_t  st;

    reg_layout_revision(&path, l->op->name, d);
    path.s[reg_fs_parent(path.s, path.len)] = '\0';

    return l->store->driver->stat(l->store, path.s, &st, NULL) != REG_ABSENT;
}


/* On disk before the mark says so. */

static void
reg_referrers_scan_write(reg_referrers_list_t *l, reg_scan_batch_t *batch)
{
    int           lock;
    reg_store_t  *s;

    s = l->store;

    if (batch->n > 0 && !l->lost) {
        lock = reg_referrers_lock(s, l->op->name);

        if (lock == -1
            || s->driver->put(s, batch->items, batch->n, NULL) != REG_OK)
        {
            l->lost = 1;
        }

        if (lock != -1) {
            s->driver->unlock(s, lock);
        }
    }

    batch->n = 0;
}


static void
reg_referrers_scan_end(reg_referrers_list_t *l)
{
    int      lock;
    int64_t  until;

    l->scanning = 0;

    /* a directory that was changed just now is looked through once more */

    if (!l->lost && !l->unread
        && l->newest + reg_fs_tick(l->newest) <= l->began)
    {
        lock = reg_referrers_lock(l->store, l->op->name);

        if (lock != -1) {
            until = l->unlinked ? l->began / 1000000000 + REG_MARK_LASTS : 0;

            reg_referrers_mark_write(l->store, l->op->name, l->mark, until);
            l->store->driver->unlock(l->store, lock);
        }
    }

    /* the next to be listed are the referrers, from the first on */

    reg_referrers_forget(&l->digests);

    memset(&l->last, 0, sizeof(reg_digest_t));

    l->i = 0;
    l->listed = 0;
}


/*
 * Keeps the repository from being deleted while something is written into it
 * by who only reads.  -1 when it is gone already, or cannot be kept.
 */

static int
reg_referrers_lock(reg_store_t *s, reg_str_t name)
{
    int  lock;

    if (s->driver->lock(s, REG_LOCK_SHARED, &lock, NULL) != REG_OK) {
        return -1;
    }

    if (reg_repo_exists(s, name, NULL) != 1) {
        s->driver->unlock(s, lock);
        return -1;
    }

    return lock;
}
