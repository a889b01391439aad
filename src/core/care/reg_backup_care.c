
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_backup_dir.h"

#include "reg_fs.h"
#include "reg_links.h"
#include "reg_sums.h"
#include "reg_time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>


typedef struct {
    reg_store_t         *dir;
    const char          *id;            /* whose listing is read */
    reg_sums_t           sums;
    reg_backup_bad_pt    fn;
    void               (*tick)(void *ctx, uint64_t bytes);
    void                *ctx;
    uint64_t             bytes;
    uint64_t            *bad;
    reg_backup_freed_t  *freed;
    reg_error_t         *e;
} reg_backup_care_t;


static reg_rc_t reg_backup_each(reg_backup_care_t *c,
    const reg_backup_entry_t *entry,
    reg_rc_t (*fn)(reg_backup_care_t *c, const reg_digest_t *d));
static reg_rc_t reg_backup_check(void *ctx, const reg_backup_entry_t *entry);
static reg_rc_t reg_backup_check_one(reg_backup_care_t *c,
    const reg_digest_t *d);
static reg_rc_t reg_backup_keep(void *ctx, const reg_backup_entry_t *entry);
static reg_rc_t reg_backup_keep_one(reg_backup_care_t *c,
    const reg_digest_t *d);
static reg_rc_t reg_backup_old(reg_backup_care_t *c, const reg_names_t *ids,
    unsigned keep, int64_t seconds, int64_t now);
static int64_t reg_backup_born(reg_str_t id);
static reg_rc_t reg_backup_free(void *ctx, const reg_digest_t *d);


/* All digests of an entry. */

static reg_rc_t
reg_backup_each(reg_backup_care_t *c, const reg_backup_entry_t *entry,
    reg_rc_t (*fn)(reg_backup_care_t *c, const reg_digest_t *d))
{
    size_t         i;
    reg_rc_t       rc;
    reg_str_t      text;
    reg_digest_t   d;
    const json_t  *one;

    rc = entry->has_manifest ? fn(c, &entry->manifest) : REG_OK;

    json_array_foreach(entry->blobs, i, one) {

        if (rc != REG_OK) {
            return rc;
        }

        text.data = json_string_value(one);
        text.len = json_string_length(one);

        if (reg_digest_parse(&d, text, NULL) == REG_OK) {
            rc = fn(c, &d);
        }
    }

    return rc;
}


/* --- verification -------------------------------------------------------- */

reg_rc_t
reg_backup_verify(reg_store_t *dir, const char *id, reg_backup_bad_pt fn,
    void (*tick)(void *ctx, uint64_t bytes), void *ctx, uint64_t *bad,
    reg_error_t *e)
{
    size_t              i;
    reg_rc_t            rc;
    reg_error_t         why;
    reg_names_t         ids;
    reg_backup_care_t   c;
    reg_backup_info_t   info;

    memset(&c, 0, sizeof(c));
    memset(&ids, 0, sizeof(ids));

    *bad = 0;

    c.dir = dir;
    c.fn = fn;
    c.tick = tick;
    c.ctx = ctx;
    c.bad = bad;
    c.e = e;

    rc = reg_backup_ids(dir, &ids, e);

    for (i = 0; rc == REG_OK && i < ids.n; i++) {
        c.id = reg_names_get(&ids, i).data;

        if (id != NULL && strcmp(c.id, id) != 0) {
            continue;
        }

        reg_error_clear(&why);

        rc = reg_backup_list(dir, c.id, reg_null_str, reg_backup_check, &c,
                             &info, &why);

        if (rc == REG_DIGEST_MISMATCH) {
            (*bad)++;
            fn(ctx, c.id, "the listing", "was cut off or changed");
            rc = REG_OK;

        } else if (rc == REG_ABSENT) {
            rc = REG_OK;

        } else if (rc != REG_OK && e != NULL && e->rc == REG_OK) {
            *e = why;
        }
    }

    reg_sums_free(&c.sums);
    reg_names_free(&ids);

    return rc;
}


static reg_rc_t
reg_backup_check(void *ctx, const reg_backup_entry_t *entry)
{
    return reg_backup_each(ctx, entry, reg_backup_check_one);
}


static reg_rc_t
reg_backup_check_one(reg_backup_care_t *c, const reg_digest_t *d)
{
    int          fresh;
    uint64_t     size;
    reg_rc_t     rc;
    reg_path_t   path;

    if (reg_sums_add(&c->sums, d, &fresh) == NULL) {
        return reg_error_set(c->e, REG_NO_MEMORY, NULL);
    }

    if (!fresh) {
        return REG_OK;
    }

    reg_backup_path(&path, d);

    rc = reg_backup_hash(c->dir, path.s, d, &size, c->e);

    if (rc == REG_ABSENT || rc == REG_DIGEST_MISMATCH) {
        (*c->bad)++;
        c->fn(c->ctx, c->id, d->text, (rc == REG_ABSENT) ? "is missing"
                                                         : "is damaged");
        rc = REG_OK;
    }

    c->bytes += size;

    if (c->tick != NULL) {
        c->tick(c->ctx, c->bytes);
    }

    return rc;
}


/* --- retention ----------------------------------------------------------- */

reg_rc_t
reg_backup_prune(reg_store_t *dir, unsigned keep, int64_t seconds,
    int64_t now, reg_backup_freed_t *freed, reg_error_t *e)
{
    size_t              i;
    reg_rc_t            rc;
    reg_names_t         ids;
    reg_backup_care_t   c;
    reg_backup_info_t   info;

    memset(&c, 0, sizeof(c));
    memset(&ids, 0, sizeof(ids));
    memset(freed, 0, sizeof(reg_backup_freed_t));

    c.dir = dir;
    c.freed = freed;
    c.e = e;

    rc = reg_backup_ids(dir, &ids, e);

    /* a listing that cannot be read does not tell what it needs */

    for (i = 0; rc == REG_OK && i < ids.n; i++) {
        rc = reg_backup_list(dir, reg_names_get(&ids, i).data, reg_null_str,
                             NULL, NULL, &info, e);
    }

    if (rc == REG_OK) {
        rc = reg_backup_old(&c, &ids, keep, seconds, now);
    }

    reg_names_free(&ids);

    if (rc == REG_OK) {
        rc = reg_backup_ids(dir, &ids, e);
    }

    for (i = 0; rc == REG_OK && i < ids.n; i++) {
        rc = reg_backup_list(dir, reg_names_get(&ids, i).data, reg_null_str,
                             reg_backup_keep, &c, &info, e);
    }

    if (rc == REG_OK) {
        rc = reg_links_blobs(dir, "blobs", 1, reg_backup_free, &c, e);
    }

    reg_sums_free(&c.sums);
    reg_names_free(&ids);

    return rc;
}


/* Removes listings, the oldest first; each is gone before its blobs are. */

static reg_rc_t
reg_backup_old(reg_backup_care_t *c, const reg_names_t *ids, unsigned keep,
    int64_t seconds, int64_t now)
{
    size_t      i;
    reg_rc_t    rc;
    reg_str_t   id;
    reg_path_t  path;

    for (i = 0; i + 1 < ids->n; i++) {
        id = reg_names_get(ids, i);

        if ((keep != 0 && ids->n - i <= keep)
            || (seconds != 0 && reg_backup_born(id) > now - seconds))
        {
            continue;
        }

        (void) snprintf(path.s, sizeof(path.s), "backups/%s.json", id.data);

        rc = c->dir->driver->remove(c->dir, path.s, "backups", NULL,
                                    c->e);

        if (rc != REG_OK && rc != REG_ABSENT) {
            return rc;
        }

        c->freed->backups++;
    }

    return REG_OK;
}


/* When a backup was made, by its id: 20261231T235959Z. */

static int64_t
reg_backup_born(reg_str_t id)
{
    char         text[REG_TIME_LEN + 1];
    int64_t      t;
    const char  *p;

    p = id.data;

    (void) snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", p,
                    p + 4, p + 6, p + 9, p + 11, p + 13);

    return (reg_time_parse(reg_str_of(text), &t) == 0) ? t : 0;
}


static reg_rc_t
reg_backup_keep(void *ctx, const reg_backup_entry_t *entry)
{
    return reg_backup_each(ctx, entry, reg_backup_keep_one);
}


static reg_rc_t
reg_backup_keep_one(reg_backup_care_t *c, const reg_digest_t *d)
{
    return (reg_sums_add(&c->sums, d, NULL) != NULL)
           ? REG_OK : reg_error_set(c->e, REG_NO_MEMORY, NULL);
}


/* Nothing is synced: what comes back after a power cut goes the next time. */

static reg_rc_t
reg_backup_free(void *ctx, const reg_digest_t *d)
{
    int                 dir, rc;
    reg_stat_t          st;
    reg_path_t          path;
    reg_backup_care_t  *c;

    c = ctx;

    if (reg_sums_find(&c->sums, d) != NULL) {
        return REG_OK;
    }

    reg_backup_path(&path, d);

    if (c->dir->driver->stat(c->dir, path.s, &st, NULL) != REG_OK) {
        return REG_OK;
    }

    dir = reg_fs_openlen(reg_fs_of(c->dir), path.s,
                         reg_fs_parent(path.s, path.len));

    if (dir == -1) {
        return reg_error_sys(c->e, errno, "open", path.s);
    }

    rc = unlinkat(dir, reg_fs_base(path.s), 0);

    (void) close(dir);

    if (rc == -1) {
        return reg_error_sys(c->e, errno, "unlink", path.s);
    }

    c->freed->blobs++;
    c->freed->bytes += st.size;

    return REG_OK;
}
