
#include "reg_referrers_private.h"

#include "reg_fs.h"
#include "reg_repo.h"
#include "reg_time.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>


/* entries that a scan writes together */
#define REG_SCAN_BATCH  64


/*
 * A scan: entries to be written, and those of the subject that was asked for.
 * On a file system that takes no entries the answer is right all the same.
 */
typedef struct {
    reg_str_t            name;          /* of the repository */
    const reg_digest_t  *subject;
    reg_digests_t       *found;
    unsigned             lost:1;        /* entries could not be written */
    unsigned             unread:1;      /* a manifest is there, but not its
                                           bytes: what it refers to will be
                                           known when these come back */

    size_t         n;
    reg_path_t     paths[REG_SCAN_BATCH];
    reg_digest_t   digests[REG_SCAN_BATCH];
    reg_put_t      items[REG_SCAN_BATCH];
} reg_scan_t;


static reg_rc_t reg_referrers_scan(reg_store_t *s, const reg_op_t *op,
    reg_digests_t *found, reg_error_t *e);
static reg_rc_t reg_referrers_scan_one(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_scan_t *scan, reg_error_t *e);
static unsigned reg_referrers_scan_unread(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, const reg_buf_t *body);
static void reg_referrers_scan_write(reg_store_t *s, reg_scan_t *scan);
static int reg_referrers_lock(reg_store_t *s, reg_str_t name);


reg_rc_t
reg_referrers_complete(reg_store_t *s, const reg_op_t *op,
    reg_digests_t *found, reg_error_t *e)
{
    char       was[REG_MARK_MAX], is[REG_MARK_MAX];
    reg_rc_t   rc;

    rc = reg_referrers_mark_now(s, op->name, is, NULL, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (strcmp(is, "-\n-\n") == 0
        || (reg_referrers_mark_read(s, op->name, was) == 0
            && strcmp(was, is) == 0))
    {
        return REG_OK;
    }

    return reg_referrers_scan(s, op, found, e);
}


static reg_rc_t
reg_referrers_scan(reg_store_t *s, const reg_op_t *op, reg_digests_t *found,
    reg_error_t *e)
{
    int              lock;
    char             mark[REG_MARK_MAX];
    size_t           i;
    int64_t          newest, now;
    reg_rc_t         rc;
    reg_path_t       path;
    reg_scan_t      *scan;
    reg_digests_t    list;
    struct timespec  ts;

    memset(&list, 0, sizeof(list));
    newest = 0;

    rc = reg_referrers_mark_now(s, op->name, mark, &newest, e);

    if (rc != REG_OK) {
        return rc;
    }

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    now = reg_time_ns(&ts);

    scan = malloc(sizeof(reg_scan_t));

    if (scan == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    scan->name = op->name;
    scan->subject = &op->digest;
    scan->found = found;
    scan->lost = 0;
    scan->unread = 0;
    scan->n = 0;

    reg_layout_repo(&path, op->name, "/_manifests/revisions");

    rc = reg_digests_list(s, path.s, &list, e);

    for (i = 0; i < list.n && rc == REG_OK; i++) {
        rc = reg_referrers_scan_one(s, op->name, &list.d[i], scan, e);
    }

    if (rc == REG_OK) {
        reg_referrers_scan_write(s, scan);
    }

    /* a directory that was changed just now is looked through once more */

    if (rc == REG_OK && !scan->lost && !scan->unread
        && newest + reg_fs_tick(newest) <= now)
    {
        lock = reg_referrers_lock(s, op->name);

        if (lock != -1) {
            reg_referrers_mark_write(s, op->name, mark);
            s->driver->unlock(s, lock);
        }
    }

    free(list.d);
    free(scan);

    return rc;
}


static reg_rc_t
reg_referrers_scan_one(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_scan_t *scan, reg_error_t *e)
{
    reg_rc_t         rc;
    reg_buf_t        body;
    reg_put_t       *item;
    reg_path_t      *path;
    reg_digest_t     known, *found;
    reg_manifest_t   m;

    reg_buf_init(&body, REG_MANIFEST_READ_MAX + 1);

    rc = reg_referrers_load(s, name, d, &body, &m, e);

    if (rc == REG_ABSENT) {
        scan->unread |= reg_referrers_scan_unread(s, name, d, &body);
    }

    reg_buf_free(&body);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    if (!m.has_subject) {
        reg_manifest_free(&m);
        return REG_OK;
    }

    if (reg_digest_eq(&m.subject, scan->subject)) {
        found = reg_digests_push(scan->found);

        if (found == NULL) {
            reg_manifest_free(&m);
            return reg_error_set(e, REG_NO_MEMORY, NULL);
        }

        *found = *d;
    }

    path = &scan->paths[scan->n];

    reg_layout_referrers(path, name, &m.subject, d);
    reg_manifest_free(&m);

    rc = reg_link_read(s, path->s, &known, NULL);

    if (rc == REG_OK) {
        return REG_OK;
    }

    scan->digests[scan->n] = *d;

    item = &scan->items[scan->n];
    memset(item, 0, sizeof(reg_put_t));

    item->path = path->s;
    item->data = reg_digest_str(&scan->digests[scan->n]);
    item->fd = -1;
    item->keep = 1;

    if (++scan->n == REG_SCAN_BATCH) {
        reg_referrers_scan_write(s, scan);
    }

    return REG_OK;
}


/*
 * 1 when what was found to be absent is a manifest still, whose bytes are not
 * there or damaged; 0 when it was deleted, or is something else.
 */

static unsigned
reg_referrers_scan_unread(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, const reg_buf_t *body)
{
    reg_digest_t  target, got;

    if (reg_revision_find(s, name, d, &target, NULL, NULL)
        == REG_MANIFEST_UNKNOWN)
    {
        return 0;
    }

    reg_digest_of(&got, target.alg, body->data, body->len);

    return !reg_digest_eq(&got, &target);
}


/* On disk before the mark says so. */

static void
reg_referrers_scan_write(reg_store_t *s, reg_scan_t *scan)
{
    int  lock;

    if (scan->n > 0 && !scan->lost) {
        lock = reg_referrers_lock(s, scan->name);

        if (lock == -1
            || s->driver->put(s, scan->items, scan->n, NULL) != REG_OK)
        {
            scan->lost = 1;
        }

        if (lock != -1) {
            s->driver->unlock(s, lock);
        }
    }

    scan->n = 0;
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
