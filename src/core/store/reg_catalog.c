
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_catalog.h"

#include "reg_catalog_tree.h"
#include "reg_journal.h"
#include "reg_repo.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>


/* names taken out of the list at a time, so that its lock is held briefly */
#define REG_CATALOG_BATCH  64

/* the journal is written anew when it is that much longer than it must be */
#define REG_CATALOG_SLACK  1024


struct reg_catalog_s {
    pthread_mutex_t  lock;       /* of all below */
    pthread_mutex_t  scan;       /* one walk at a time; taken before lock */
    reg_journal_t    journal;
    int64_t          opened;     /* when this handle was */
    unsigned         scanned:1;  /* since then */
    unsigned         unwritten:1;  /* names that the journal did not take */
};


/* A part of the list, copied. */
typedef struct {
    size_t       n;
    char         text[REG_CATALOG_BATCH][REG_NAME_MAX + 1];
    reg_str_t    names[REG_CATALOG_BATCH];
} reg_catalog_batch_t;


/* Room to ask for the directories of a batch. */
typedef struct {
    char           text[REG_CATALOG_BATCH][REG_NAME_MAX + 16];
    const char    *paths[REG_CATALOG_BATCH];
    unsigned char  there[REG_CATALOG_BATCH];
    size_t         index[REG_CATALOG_BATCH];
} reg_catalog_probe_t;


static reg_rc_t reg_catalog_ready(reg_store_t *s, reg_error_t *e);
static int reg_catalog_stale(reg_catalog_t *c);
static reg_rc_t reg_catalog_take(reg_store_t *s, reg_str_t from, int behind,
    size_t max, reg_catalog_batch_t *batch, reg_error_t *e);
static reg_rc_t reg_catalog_probe(reg_store_t *s,
    const reg_catalog_batch_t *batch, unsigned char *there,
    reg_catalog_probe_t *probe, reg_error_t *e);
static reg_rc_t reg_catalog_probe_part(reg_store_t *s,
    const reg_catalog_batch_t *batch, const char *part,
    unsigned char *there, reg_catalog_probe_t *probe, reg_error_t *e);
static reg_rc_t reg_catalog_fill(reg_store_t *s, const reg_op_t *op,
    reg_page_t *p, reg_may_list_pt may_list, void *ctx, char *last,
    reg_error_t *e);
static void reg_catalog_allowed(reg_catalog_batch_t *batch,
    reg_may_list_pt may_list, void *ctx);
static reg_rc_t reg_catalog_scan_locked(reg_store_t *s, int64_t now,
    reg_error_t *e);
static reg_rc_t reg_catalog_record(reg_store_t *s, const reg_names_t *found,
    int64_t now, reg_error_t *e);
static int reg_catalog_adopt(reg_catalog_t *c, const reg_names_t *found,
    int64_t now);
static reg_rc_t reg_catalog_compact(reg_store_t *s, const reg_names_t *found,
    reg_error_t *e);


reg_rc_t
reg_catalog_open(reg_store_t *s)
{
    reg_catalog_t  *c;

    c = calloc(1, sizeof(reg_catalog_t));

    if (c == NULL) {
        return REG_NO_MEMORY;
    }

    if (pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c);
        return REG_NO_MEMORY;
    }

    if (pthread_mutex_init(&c->scan, NULL) != 0) {
        (void) pthread_mutex_destroy(&c->lock);
        free(c);
        return REG_NO_MEMORY;
    }

    /* to be compared with marks, which callers date */

    c->opened = (int64_t) time(NULL);

    s->catalog = c;

    return REG_OK;
}


void
reg_catalog_close(reg_store_t *s)
{
    reg_catalog_t  *c;

    c = s->catalog;

    if (c == NULL) {
        return;
    }

    reg_names_free(&c->journal.names);

    (void) pthread_mutex_destroy(&c->scan);
    (void) pthread_mutex_destroy(&c->lock);

    free(c);
    s->catalog = NULL;
}


reg_rc_t
reg_catalog_add(reg_store_t *s, reg_str_t name, reg_error_t *e)
{
    int             known;
    char            line[REG_NAME_MAX + 1];
    reg_rc_t        rc;
    reg_str_t       lines;
    reg_catalog_t  *c;

    c = s->catalog;

    if (name.len > REG_NAME_MAX) {
        return reg_error_set(e, REG_NAME_INVALID, NULL);
    }

    (void) pthread_mutex_lock(&c->lock);

    rc = reg_journal_read(s, &c->journal, e);
    known = !c->unwritten && reg_names_has(&c->journal.names, name);

    (void) pthread_mutex_unlock(&c->lock);

    if (rc != REG_OK) {
        return rc;
    }

    memcpy(line, name.data, name.len);
    line[name.len] = '\n';

    /* what another process wrote is not on disk yet, perhaps: sync it */

    lines.data = line;
    lines.len = known ? 0 : name.len + 1;

    return reg_journal_append(s, lines, e);
}


reg_rc_t
reg_catalog_page(reg_store_t *s, const reg_op_t *op, reg_page_t *p,
    reg_may_list_pt may_list, void *ctx, reg_error_t *e)
{
    char      last[REG_NAME_MAX + 1];
    reg_rc_t  rc;

    last[0] = '\0';

    reg_buf_str(&p->body, reg_str("{\"repositories\":["));

    rc = reg_catalog_ready(s, e);

    if (rc == REG_OK && p->limit > 0) {
        rc = reg_catalog_fill(s, op, p, may_list, ctx, last, e);
    }

    if (rc != REG_OK) {
        return rc;
    }

    reg_buf_str(&p->body, reg_str("]}\n"));
    reg_page_link(p, op, "/v2/_catalog", reg_str_of(last));

    if (reg_buf_failed(&p->body) || reg_buf_failed(&p->link)) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    return REG_OK;
}


static reg_rc_t
reg_catalog_fill(reg_store_t *s, const reg_op_t *op, reg_page_t *p,
    reg_may_list_pt may_list, void *ctx, char *last, reg_error_t *e)
{
    size_t                i, n;
    reg_rc_t              rc;
    reg_str_t             from;
    unsigned char         there[REG_CATALOG_BATCH];
    char                  seen[REG_NAME_MAX + 1];
    reg_catalog_probe_t  *probe;
    reg_catalog_batch_t  *batch;

    batch = malloc(sizeof(reg_catalog_batch_t));
    probe = malloc(sizeof(reg_catalog_probe_t));

    if (batch == NULL || probe == NULL) {
        free(batch);
        free(probe);

        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    from = op->last;

    for ( ;; ) {

        /* one more than there is room for tells whether there is more */

        n = (p->limit - p->count < REG_CATALOG_BATCH)
            ? (size_t) (p->limit - p->count) + 1 : REG_CATALOG_BATCH;

        rc = reg_catalog_take(s, from, 1, n, batch, e);

        if (rc != REG_OK || batch->n == 0) {
            break;
        }

        memcpy(seen, batch->names[batch->n - 1].data,
               batch->names[batch->n - 1].len + 1);
        from = reg_str_of(seen);

        reg_catalog_allowed(batch, may_list, ctx);

        rc = reg_catalog_probe(s, batch, there, probe, e);

        for (i = 0; i < batch->n && rc == REG_OK && !p->more; i++) {

            if (there[i]
                && reg_page_fits(p, batch->names[i].len
                                    + sizeof("\"\",") - 1))
            {
                reg_page_add(p, batch->names[i]);
                memcpy(last, batch->names[i].data, batch->names[i].len + 1);
            }
        }

        if (rc != REG_OK || p->more) {
            break;
        }
    }

    free(probe);
    free(batch);

    return rc;
}


/* Leaves those that the user may see. */

static void
reg_catalog_allowed(reg_catalog_batch_t *batch, reg_may_list_pt may_list,
    void *ctx)
{
    size_t  i, n;

    if (may_list == NULL) {
        return;
    }

    n = 0;

    for (i = 0; i < batch->n; i++) {
        if (may_list(ctx, batch->names[i])) {
            batch->names[n++] = batch->names[i];
        }
    }

    batch->n = n;
}


/* Copies the next names behind from, or from it on. */

static reg_rc_t
reg_catalog_take(reg_store_t *s, reg_str_t from, int behind, size_t max,
    reg_catalog_batch_t *batch, reg_error_t *e)
{
    size_t          i;
    reg_rc_t        rc;
    reg_str_t       name;
    reg_catalog_t  *c;

    c = s->catalog;
    batch->n = 0;

    if (max > REG_CATALOG_BATCH) {
        max = REG_CATALOG_BATCH;
    }

    (void) pthread_mutex_lock(&c->lock);

    rc = reg_journal_read(s, &c->journal, e);

    i = behind ? reg_names_after(&c->journal.names, from)
               : reg_names_from(&c->journal.names, from);

    for ( /* void */ ;
         rc == REG_OK && i < c->journal.names.sorted && batch->n < max;
         i++)
    {
        name = reg_names_get(&c->journal.names, i);

        memcpy(batch->text[batch->n], name.data, name.len + 1);

        batch->names[batch->n].data = batch->text[batch->n];
        batch->names[batch->n].len = name.len;
        batch->n++;
    }

    (void) pthread_mutex_unlock(&c->lock);

    return rc;
}


/* Looks which of them are repositories. */

static reg_rc_t
reg_catalog_probe(reg_store_t *s, const reg_catalog_batch_t *batch,
    unsigned char *there, reg_catalog_probe_t *probe, reg_error_t *e)
{
    reg_rc_t  rc;

    memset(there, 0, batch->n);

    rc = reg_catalog_probe_part(s, batch, "_manifests", there, probe, e);

    if (rc == REG_OK) {
        rc = reg_catalog_probe_part(s, batch, "_layers", there, probe, e);
    }

    return rc;
}


static reg_rc_t
reg_catalog_probe_part(reg_store_t *s, const reg_catalog_batch_t *batch,
    const char *part, unsigned char *there, reg_catalog_probe_t *probe,
    reg_error_t *e)
{
    size_t    i, n;
    reg_rc_t  rc;

    n = 0;

    for (i = 0; i < batch->n; i++) {

        if (there[i]) {
            continue;
        }

        (void) snprintf(probe->text[n], sizeof(probe->text[n]), "%s/%s",
                        batch->names[i].data, part);

        probe->paths[n] = probe->text[n];
        probe->index[n] = i;
        n++;
    }

    if (n == 0) {
        return REG_OK;
    }

    rc = s->driver->dirs(s, REG_LAYOUT_REPOS, probe->paths, n, probe->there,
                         e);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    for (i = 0; i < n; i++) {
        there[probe->index[i]] = probe->there[i];
    }

    return REG_OK;
}


reg_rc_t
reg_catalog_walk(reg_store_t *s, reg_str_t from, reg_name_pt fn, void *ctx,
    reg_error_t *e)
{
    int                   behind;
    char                  seen[REG_NAME_MAX + 1];
    size_t                i;
    reg_rc_t              rc;
    reg_catalog_batch_t  *batch;

    rc = reg_catalog_ready(s, e);

    if (rc != REG_OK) {
        return rc;
    }

    batch = malloc(sizeof(reg_catalog_batch_t));

    if (batch == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    for (behind = 0; /* void */ ; behind = 1) {

        rc = reg_catalog_take(s, from, behind, REG_CATALOG_BATCH, batch, e);

        if (rc != REG_OK || batch->n == 0) {
            break;
        }

        for (i = 0; i < batch->n && rc == REG_OK; i++) {
            rc = fn(ctx, batch->names[i]);
        }

        if (rc != REG_OK) {
            break;
        }

        memcpy(seen, batch->text[batch->n - 1], sizeof(seen));
        from = reg_str_of(seen);
    }

    free(batch);

    return rc;
}


/*
 * Makes sure that the tree was walked once, and once more since this handle
 * was opened.  The first walk is waited for; while another thread does a
 * later one the list is good enough.
 */

static reg_rc_t
reg_catalog_ready(reg_store_t *s, reg_error_t *e)
{
    int             stale, first;
    reg_rc_t        rc;
    reg_catalog_t  *c;

    c = s->catalog;

    (void) pthread_mutex_lock(&c->lock);

    rc = reg_journal_read(s, &c->journal, e);

    stale = reg_catalog_stale(c);
    first = (c->journal.mark == 0);

    (void) pthread_mutex_unlock(&c->lock);

    if (rc != REG_OK || !stale) {
        return rc;
    }

    if (first) {
        (void) pthread_mutex_lock(&c->scan);

    } else if (pthread_mutex_trylock(&c->scan) != 0) {
        return REG_OK;
    }

    (void) pthread_mutex_lock(&c->lock);

    /* another thread, or another process, may have done it meanwhile */

    rc = reg_journal_read(s, &c->journal, e);
    stale = reg_catalog_stale(c);

    (void) pthread_mutex_unlock(&c->lock);

    if (rc == REG_OK && stale) {
        rc = reg_catalog_scan_locked(s, (int64_t) time(NULL), e);
    }

    (void) pthread_mutex_unlock(&c->scan);

    return rc;
}


static int
reg_catalog_stale(reg_catalog_t *c)
{
    return c->journal.mark == 0
           || (c->journal.mark < c->opened && !c->scanned);
}


reg_rc_t
reg_catalog_scan(reg_store_t *s, int64_t now, reg_error_t *e)
{
    reg_rc_t        rc;
    reg_catalog_t  *c;

    c = s->catalog;

    (void) pthread_mutex_lock(&c->scan);

    rc = reg_catalog_scan_locked(s, now, e);

    (void) pthread_mutex_unlock(&c->scan);

    return rc;
}


static reg_rc_t
reg_catalog_scan_locked(reg_store_t *s, int64_t now, reg_error_t *e)
{
    int             wasteful;
    reg_rc_t        rc;
    reg_names_t     found;
    reg_catalog_t  *c;

    c = s->catalog;

    memset(&found, 0, sizeof(found));

    rc = reg_catalog_tree(s, &found, e);

    if (rc == REG_OK && reg_catalog_record(s, &found, now, NULL) != REG_OK) {

        /* a store that takes no journal is listed from memory */

        if (reg_catalog_adopt(c, &found, now) != 0) {
            rc = reg_error_set(e, REG_NO_MEMORY, NULL);
        }
    }

    if (rc == REG_OK) {
        (void) pthread_mutex_lock(&c->lock);

        c->scanned = 1;
        wasteful = (c->journal.lines > 2 * found.n + REG_CATALOG_SLACK);

        (void) pthread_mutex_unlock(&c->lock);

        if (wasteful) {
            (void) reg_catalog_compact(s, &found, NULL);
        }
    }

    reg_names_free(&found);

    return rc;
}


/* Appends what was found and is not known yet, and the mark. */

static reg_rc_t
reg_catalog_record(reg_store_t *s, const reg_names_t *found, int64_t now,
    reg_error_t *e)
{
    int             lock;
    size_t          i;
    reg_rc_t        rc;
    reg_buf_t       lines;
    reg_str_t       name;
    reg_catalog_t  *c;

    c = s->catalog;

    rc = s->driver->lock(s, REG_LOCK_SHARED, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_buf_init(&lines, UINT32_MAX);

    (void) pthread_mutex_lock(&c->lock);

    rc = reg_journal_read(s, &c->journal, e);

    for (i = 0; i < found->sorted && rc == REG_OK; i++) {
        name = reg_names_get(found, i);

        if (c->unwritten || !reg_names_has(&c->journal.names, name)) {
            reg_buf_str(&lines, name);
            reg_buf_str(&lines, reg_str("\n"));
        }
    }

    (void) pthread_mutex_unlock(&c->lock);

    reg_buf_printf(&lines, "=%lld\n", (long long) now);

    if (rc == REG_OK && reg_buf_failed(&lines)) {
        rc = reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    if (rc == REG_OK) {
        rc = reg_journal_append(s, reg_buf_slice(&lines), e);
    }

    s->driver->unlock(s, lock);

    reg_buf_free(&lines);

    if (rc != REG_OK) {
        return rc;
    }

    (void) pthread_mutex_lock(&c->lock);

    c->unwritten = 0;
    rc = reg_journal_read(s, &c->journal, e);

    (void) pthread_mutex_unlock(&c->lock);

    return rc;
}


static int
reg_catalog_adopt(reg_catalog_t *c, const reg_names_t *found, int64_t now)
{
    int     rc;
    size_t  i;

    rc = 0;

    (void) pthread_mutex_lock(&c->lock);

    for (i = 0; i < found->sorted && rc == 0; i++) {
        rc = reg_names_add(&c->journal.names, reg_names_get(found, i));
    }

    if (reg_names_sort(&c->journal.names) != 0) {
        rc = -1;
    }

    c->journal.mark = now;
    c->unwritten = 1;

    (void) pthread_mutex_unlock(&c->lock);

    return rc;
}


/* Writes the journal anew, while nobody can append. */

static reg_rc_t
reg_catalog_compact(reg_store_t *s, const reg_names_t *found, reg_error_t *e)
{
    int             lock;
    size_t          i;
    reg_rc_t        rc;
    reg_buf_t       text;
    reg_str_t       name;
    reg_catalog_t  *c;

    c = s->catalog;

    rc = s->driver->lock(s, REG_LOCK_EXCLUSIVE, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_buf_init(&text, UINT32_MAX);

    (void) pthread_mutex_lock(&c->lock);

    rc = reg_journal_read(s, &c->journal, e);

    for (i = 0; i < c->journal.names.sorted && rc == REG_OK; i++) {
        name = reg_names_get(&c->journal.names, i);

        if (reg_names_has(found, name)
            || reg_repo_exists(s, name, NULL) != 0)
        {
            reg_buf_str(&text, name);
            reg_buf_str(&text, reg_str("\n"));
        }
    }

    reg_buf_printf(&text, "=%lld\n", (long long) c->journal.mark);

    if (rc == REG_OK && !reg_buf_failed(&text)) {
        rc = s->driver->write(s, REG_JOURNAL, reg_buf_slice(&text), 1, e);
    }

    (void) pthread_mutex_unlock(&c->lock);

    s->driver->unlock(s, lock);

    reg_buf_free(&text);

    return rc;
}
