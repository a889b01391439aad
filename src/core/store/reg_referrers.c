
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_referrers.h"

#include "reg_fs.h"
#include "reg_repo.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


/* entries that a scan writes together */
#define REG_SCAN_BATCH    64

/* "<ino> <ctime>" of each algorithm's directory, or "-", a line each */
#define REG_MARK_MAX      256


typedef struct {
    size_t         n;
    size_t         max;
    reg_alg_e      alg;
    reg_digest_t  *d;
    unsigned       nomem:1;
} reg_digests_t;


/*
 * A scan: entries to be written, and those of the subject that was asked for.
 * On a file system that takes no entries the answer is right all the same.
 */
typedef struct {
    reg_str_t            name;          /* of the repository */
    const reg_digest_t  *subject;
    reg_digests_t       *found;
    unsigned             lost:1;        /* entries could not be written */

    size_t         n;
    reg_path_t     paths[REG_SCAN_BATCH];
    reg_digest_t   digests[REG_SCAN_BATCH];
    reg_put_t      items[REG_SCAN_BATCH];
} reg_scan_t;


static reg_rc_t reg_referrers_mark_now(reg_store_t *s, reg_str_t name,
    char *text, int64_t *newest, reg_error_t *e);
static int reg_referrers_mark_read(reg_store_t *s, reg_str_t name,
    char *text);
static void reg_referrers_mark_write(reg_store_t *s, reg_str_t name,
    const char *text);
static reg_rc_t reg_referrers_complete(reg_store_t *s, const reg_op_t *op,
    reg_digests_t *found, reg_error_t *e);
static reg_rc_t reg_referrers_scan(reg_store_t *s, const reg_op_t *op,
    reg_digests_t *found, reg_error_t *e);
static reg_rc_t reg_referrers_scan_one(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_scan_t *scan, reg_error_t *e);
static void reg_referrers_scan_write(reg_store_t *s, reg_scan_t *scan);
static int reg_referrers_lock(reg_store_t *s, reg_str_t name);
static reg_rc_t reg_digests_list(reg_store_t *s, const char *path,
    reg_digests_t *list, reg_error_t *e);
static reg_rc_t reg_digests_entry(void *ctx, reg_str_t name, int dir);
static reg_digest_t *reg_digests_push(reg_digests_t *list);
static int reg_digests_compare(const void *a, const void *b);
static reg_rc_t reg_referrers_add_page(reg_store_t *s, const reg_op_t *op,
    reg_page_t *p, const reg_digest_t *d, reg_buf_t *scratch, int *full,
    reg_error_t *e);
static reg_rc_t reg_referrers_load(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_buf_t *body, reg_manifest_t *m,
    reg_error_t *e);


reg_rc_t
reg_referrers_add(reg_store_t *s, reg_str_t name,
    const reg_digest_t *subject, const reg_digest_t *d, reg_error_t *e)
{
    reg_path_t  path;

    reg_layout_referrers(&path, name, subject, d);

    return reg_link_write(s, path.s, d, e);
}


reg_rc_t
reg_referrers_remove(reg_store_t *s, reg_str_t name,
    const reg_digest_t *subject, const reg_digest_t *d, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path, stop;

    reg_layout_referrers(&path, name, subject, d);
    reg_layout_repo(&stop, name, "/_referrers");

    rc = s->driver->remove(s, path.s, stop.s, e);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


reg_rc_t
reg_referrers_page(reg_store_t *s, const reg_op_t *op, reg_page_t *p,
    reg_error_t *e)
{
    int            full;
    size_t         i;
    reg_rc_t       rc;
    reg_str_t      last;
    reg_buf_t      body;
    reg_path_t     path;
    reg_digests_t  list;

    reg_buf_str(&p->body, reg_str("{\"schemaVersion\":2,\"mediaType\":\""
                                  REG_TYPE_OCI_INDEX "\",\"manifests\":["));

    memset(&list, 0, sizeof(list));
    reg_buf_init(&body, REG_MANIFEST_READ_MAX + 1);

    last = reg_null_str;
    full = (p->limit == 0);

    rc = reg_referrers_complete(s, op, &list, e);

    if (rc == REG_OK) {
        reg_layout_referrers(&path, op->name, &op->digest, NULL);
        rc = reg_digests_list(s, path.s, &list, e);
    }

    for (i = 0; i < list.n && rc == REG_OK && !full; i++) {

        if (reg_str_cmp(reg_digest_str(&list.d[i]), op->last) <= 0
            || (i > 0 && reg_digest_eq(&list.d[i], &list.d[i - 1])))
        {
            continue;
        }

        rc = reg_referrers_add_page(s, op, p, &list.d[i], &body, &full, e);

        if (rc == REG_OK && !full) {
            last = reg_digest_str(&list.d[i]);
        }
    }

    reg_buf_str(&p->body, reg_str("]}\n"));

    if (rc == REG_OK && p->more) {
        (void) snprintf(path.s, sizeof(path.s), "/v2/%.*s/referrers/%s",
                        (int) op->name.len, op->name.data, op->digest.text);

        reg_page_link(p, op, path.s, last);
    }

    reg_buf_free(&body);
    free(list.d);

    if (rc == REG_OK && (reg_buf_failed(&p->body) || reg_buf_failed(&p->link)))
    {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    return rc;
}


/* Adds one referrer, unless it is gone, another type, or one too many. */

static reg_rc_t
reg_referrers_add_page(reg_store_t *s, const reg_op_t *op, reg_page_t *p,
    const reg_digest_t *d, reg_buf_t *scratch, int *full, reg_error_t *e)
{
    reg_rc_t        rc;
    reg_buf_t       text;
    reg_manifest_t  m;

    rc = reg_referrers_load(s, op->name, d, scratch, &m, e);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    if (!m.has_subject || !reg_digest_eq(&m.subject, &op->digest)
        || (op->has_artifact_type
            && !reg_str_eq(m.artifact_type, op->artifact_type)))
    {
        reg_manifest_free(&m);
        return REG_OK;
    }

    reg_buf_init(&text, 2 * REG_MANIFEST_READ_MAX);

    if (reg_manifest_descriptor(&text, &m, d, scratch->len) != 0) {
        rc = reg_error_set(e, REG_NO_MEMORY, NULL);

    } else if (!reg_page_fits(p, text.len + 1)) {
        *full = 1;

    } else {
        if (p->count > 0) {
            reg_buf_str(&p->body, reg_str(","));
        }

        reg_buf_str(&p->body, reg_buf_slice(&text));
        p->count++;
    }

    reg_buf_free(&text);
    reg_manifest_free(&m);

    return rc;
}


/* Reads a revision of the repository; REG_ABSENT when it is none any more. */

static reg_rc_t
reg_referrers_load(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_buf_t *body, reg_manifest_t *m, reg_error_t *e)
{
    reg_rc_t      rc;
    reg_path_t    path;
    reg_error_t   why;
    reg_digest_t  target;

    reg_layout_revision(&path, name, d);

    rc = reg_link_follow(s, path.s, d, &target, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_layout_blob(&path, &target);
    reg_buf_reset(body);

    rc = s->driver->read(s, path.s, REG_MANIFEST_READ_MAX, body, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_error_clear(&why);

    rc = reg_manifest_read(m, body->data, body->len, &why);

    if (rc == REG_NO_MEMORY) {
        return reg_error_set(e, rc, NULL);
    }

    return (rc == REG_OK) ? REG_OK : REG_ABSENT;
}


void
reg_referrers_begin(reg_store_t *s, reg_str_t name,
    reg_referrers_mark_t *mark)
{
    char  was[REG_MARK_MAX], is[REG_MARK_MAX];

    mark->complete = 0;

    /* nobody asked yet: who asks first will scan, and all pushes are free */

    if (reg_referrers_mark_read(s, name, was) != 0
        || reg_referrers_mark_now(s, name, is, NULL, NULL) != REG_OK)
    {
        return;
    }

    mark->complete = (strcmp(was, is) == 0);
}


void
reg_referrers_end(reg_store_t *s, reg_str_t name,
    const reg_referrers_mark_t *mark)
{
    char  text[REG_MARK_MAX];

    if (mark->complete
        && reg_referrers_mark_now(s, name, text, NULL, NULL) == REG_OK)
    {
        reg_referrers_mark_write(s, name, text);
    }
}


/*
 * What the directories of revisions look like; newest, which may be NULL,
 * becomes the last of their times of change.
 */

static reg_rc_t
reg_referrers_mark_now(reg_store_t *s, reg_str_t name, char *text,
    int64_t *newest, reg_error_t *e)
{
    int         i, n;
    size_t      len;
    reg_rc_t    rc;
    reg_stat_t  st;
    reg_path_t  path;

    len = 0;
    text[0] = '\0';

    for (i = 0; i < REG_ALG_N; i++) {

        reg_layout_repo(&path, name, "/_manifests/revisions/");
        (void) snprintf(path.s + path.len, sizeof(path.s) - path.len, "%s",
                        reg_alg_name((reg_alg_e) i).data);

        rc = s->driver->stat(s, path.s, &st, e);

        if (rc == REG_OK) {
            n = snprintf(text + len, REG_MARK_MAX - len,
                         "%" PRIu64 " %" PRId64 "\n", st.ino, st.ctime);

        } else if (rc == REG_ABSENT) {
            n = snprintf(text + len, REG_MARK_MAX - len, "-\n");

        } else {
            return rc;
        }

        if (n < 0 || (size_t) n >= REG_MARK_MAX - len) {
            return reg_error_set(e, REG_INTERNAL, NULL);
        }

        len += (size_t) n;

        if (newest != NULL && rc == REG_OK && st.ctime > *newest) {
            *newest = st.ctime;
        }
    }

    return REG_OK;
}


static int
reg_referrers_mark_read(reg_store_t *s, reg_str_t name, char *text)
{
    int         rc;
    reg_buf_t   b;
    reg_path_t  path;

    reg_layout_repo(&path, name, "/_referrers/scanned");
    reg_buf_init(&b, REG_MARK_MAX);

    rc = -1;

    if (s->driver->read(s, path.s, REG_MARK_MAX - 1, &b, NULL) == REG_OK
        && b.len > 0)
    {
        memcpy(text, b.data, b.len);
        text[b.len] = '\0';

        rc = 0;
    }

    reg_buf_free(&b);

    return rc;
}


/*
 * Written over in place where it is there: the file is never synced, and what
 * is torn or old by a power cut or a killed process fits nothing.
 */

static void
reg_referrers_mark_write(reg_store_t *s, reg_str_t name, const char *text)
{
    int         fd, rc;
    reg_path_t  path;

    reg_layout_repo(&path, name, "/_referrers/scanned");

    fd = reg_fs_open(reg_fs_of(s), reg_fs_of(s)->root, path.s, O_WRONLY);

    rc = -1;

    if (fd != -1) {
        rc = reg_fs_pwrite(fd, text, strlen(text), 0);

        if (rc == 0) {
            rc = ftruncate(fd, (off_t) strlen(text));
        }

        (void) close(fd);
    }

    if (rc == -1) {
        (void) s->driver->write(s, path.s, reg_str_of(text), 0, NULL);
    }
}


/*
 * Makes sure that the index of a repository misses nothing, or at least that
 * found has what it misses of the subject asked for.
 */

static reg_rc_t
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
    now = (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;

    scan = malloc(sizeof(reg_scan_t));

    if (scan == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    scan->name = op->name;
    scan->subject = &op->digest;
    scan->found = found;
    scan->lost = 0;
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

    if (rc == REG_OK && !scan->lost && newest + reg_fs_tick(newest) <= now) {
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


/* Adds all <alg>/<hex> below a directory, if it is there; sorted. */

static reg_rc_t
reg_digests_list(reg_store_t *s, const char *path, reg_digests_t *list,
    reg_error_t *e)
{
    int       i;
    char      sub[REG_PATH_MAX];
    reg_rc_t  rc;

    for (i = 0; i < REG_ALG_N; i++) {

        if (snprintf(sub, sizeof(sub), "%s/%s", path,
                     reg_alg_name((reg_alg_e) i).data)
            >= (int) sizeof(sub))
        {
            return reg_error_set(e, REG_INTERNAL, NULL);
        }

        list->alg = (reg_alg_e) i;

        rc = s->driver->list(s, sub, reg_digests_entry, list, e);

        if (rc != REG_OK && rc != REG_ABSENT) {
            return list->nomem ? reg_error_set(e, REG_NO_MEMORY, NULL) : rc;
        }
    }

    if (list->n > 1) {
        qsort(list->d, list->n, sizeof(reg_digest_t), reg_digests_compare);
    }

    return REG_OK;
}


static reg_rc_t
reg_digests_entry(void *ctx, reg_str_t name, int dir)
{
    reg_digest_t    d, *entry;
    reg_digests_t  *list;

    list = ctx;

    if (!dir || reg_digest_make(&d, list->alg, name) != REG_OK) {
        return REG_OK;
    }

    entry = reg_digests_push(list);

    if (entry == NULL) {
        list->nomem = 1;
        return REG_NO_MEMORY;
    }

    *entry = d;

    return REG_OK;
}


static reg_digest_t *
reg_digests_push(reg_digests_t *list)
{
    void    *p;
    size_t   max;

    if (list->n == list->max) {
        max = list->max ? list->max * 2 : 32;
        p = realloc(list->d, max * sizeof(reg_digest_t));

        if (p == NULL) {
            return NULL;
        }

        list->d = p;
        list->max = max;
    }

    return &list->d[list->n++];
}


static int
reg_digests_compare(const void *a, const void *b)
{
    return strcmp(((const reg_digest_t *) a)->text,
                  ((const reg_digest_t *) b)->text);
}
