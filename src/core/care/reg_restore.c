
#include "reg_restore_private.h"

#include "reg_repo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* how often the blobs of a manifest are brought, should they be collected */
#define REG_RESTORE_TRIES  3


static reg_rc_t reg_restore_entry(void *ctx, const reg_backup_entry_t *entry);
static int reg_restore_chosen(reg_restore_run_t *r,
    const reg_backup_entry_t *entry);
static reg_rc_t reg_restore_repository(reg_restore_run_t *r, reg_str_t name);
static reg_rc_t reg_restore_left_out(reg_restore_run_t *r,
    const reg_backup_entry_t *entry);
static reg_rc_t reg_restore_manifest(reg_restore_run_t *r,
    const reg_backup_entry_t *entry);
static reg_rc_t reg_restore_children(reg_restore_run_t *r,
    const reg_backup_entry_t *entry);
static reg_rc_t reg_restore_read(reg_restore_run_t *r, const reg_digest_t *d,
    reg_buf_t *body, reg_error_t *why);
static reg_rc_t reg_restore_put(reg_restore_run_t *r, reg_str_t name,
    const reg_digest_t *d, const reg_str_t *tag, const reg_buf_t *body,
    reg_error_t *why);
static reg_rc_t reg_restore_tag(reg_restore_run_t *r,
    const reg_backup_entry_t *entry);
static void reg_restore_tagged(reg_restore_run_t *r,
    const reg_backup_entry_t *entry, const reg_digest_t *from);
static reg_rc_t reg_restore_outcome(reg_restore_run_t *r, reg_rc_t rc,
    const reg_backup_entry_t *entry, const reg_error_t *why);
static reg_rc_t reg_restore_lost(reg_restore_run_t *r,
    const reg_backup_entry_t *entry, const char *text);


reg_rc_t
reg_restore(reg_store_t *dir, reg_store_t *s, const reg_restore_t *how,
    reg_restore_counts_t *counts, reg_error_t *e)
{
    reg_rc_t            rc;
    reg_restore_run_t   r;
    reg_backup_info_t   info;

    memset(&r, 0, sizeof(r));
    memset(counts, 0, sizeof(reg_restore_counts_t));

    r.dir = dir;
    r.s = s;
    r.how = how;
    r.counts = counts;
    r.e = e;
    r.chunk = malloc(REG_RESTORE_CHUNK);

    if (r.chunk == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    rc = (how->tag.len != 0) ? reg_restore_closure(&r) : REG_OK;

    if (rc == REG_OK) {
        rc = reg_backup_list(dir, how->id, how->only, reg_restore_entry, &r,
                             &info, e);
    }

    if (rc == REG_OK && info.left_out > info.named) {
        counts->unnamed = info.left_out - info.named;
    }

    reg_sums_free(&r.sums);
    free(r.chunk);

    return rc;
}


/* --- entries ------------------------------------------------------------- */

static reg_rc_t
reg_restore_entry(void *ctx, const reg_backup_entry_t *entry)
{
    reg_rc_t            rc;
    reg_restore_run_t  *r;

    r = ctx;

    if (!reg_restore_chosen(r, entry)) {
        return REG_OK;
    }

    if (entry->left_out.len != 0) {
        rc = reg_restore_left_out(r, entry);

    } else if (entry->tag.len != 0) {
        rc = reg_restore_tag(r, entry);

    } else if (entry->has_manifest) {
        rc = reg_restore_manifest(r, entry);

    } else {
        rc = reg_restore_repository(r, entry->repository);
    }

    if (r->how->tick != NULL) {
        r->how->tick(r->how->data, r->counts);
    }

    return rc;
}


static int
reg_restore_chosen(reg_restore_run_t *r, const reg_backup_entry_t *entry)
{
    const reg_sum_t  *sum;

    if (r->how->only.len != 0
        && !reg_str_eq(r->how->only, entry->repository))
    {
        return 0;
    }

    if (r->how->want != NULL
        && !r->how->want(r->how->data, entry->repository))
    {
        return 0;
    }

    if (r->how->tag.len == 0) {
        return 1;
    }

    if (entry->tag.len != 0) {
        return reg_str_eq(entry->tag, r->how->tag);
    }

    if (entry->left_out.len != 0) {
        return reg_str_eq(entry->left_out, r->how->tag);
    }

    if (!entry->has_manifest) {
        return (int) r->found;
    }

    sum = reg_sums_find(&r->sums, &entry->manifest);

    return sum != NULL && (sum->bits & REG_RESTORE_WANTED);
}


static reg_rc_t
reg_restore_repository(reg_restore_run_t *r, reg_str_t name)
{
    int       lock;
    reg_rc_t  rc;

    r->counts->repositories++;

    if (r->how->dry) {
        return REG_OK;
    }

    rc = r->s->driver->lock(r->s, REG_LOCK_SHARED, &lock, r->e);

    if (rc == REG_OK) {
        rc = reg_repo_make(r->s, name, r->e);
        r->s->driver->unlock(r->s, lock);
    }

    return rc;
}


/* It was damaged when the backup was made. */

static reg_rc_t
reg_restore_left_out(reg_restore_run_t *r, const reg_backup_entry_t *entry)
{
    char  why[256];

    r->counts->failed++;

    if (r->how->failed != NULL) {
        (void) snprintf(why, sizeof(why), "the backup was made without it: %s",
                        entry->why.data);

        r->how->failed(r->how->data, entry->repository, entry->left_out.data,
                       why);
    }

    return REG_OK;
}


/* What the backup cannot give, or the store take, is told; the rest goes on. */

static reg_rc_t
reg_restore_outcome(reg_restore_run_t *r, reg_rc_t rc,
    const reg_backup_entry_t *entry, const reg_error_t *why)
{
    char  text[REG_ERROR_DETAIL + 64];

    if (rc == REG_STORAGE && !why->backup
        && (why->sys == ENOTDIR || why->sys == EISDIR || why->sys == ELOOP))
    {
        (void) snprintf(text, sizeof(text), "something else stands in its "
                        "way in the store: %s", why->path);

        return reg_restore_lost(r, entry, text);
    }

    switch (rc) {

    case REG_OK:
        return REG_OK;

    case REG_ABSENT:
        return reg_restore_lost(r, entry, "a part of it is not in the backup");

    case REG_DIGEST_MISMATCH:
        return reg_restore_lost(r, entry,
                                "a part of it is damaged in the backup");

    case REG_MANIFEST_BLOB_UNKNOWN:
        return reg_restore_lost(r, entry,
                                "what it refers to was not brought back");

    case REG_MANIFEST_INVALID:
        return reg_restore_lost(r, entry,
                                "what it refers to cannot be told");

    default:
        if (r->e != NULL && r->e->rc == REG_OK) {
            *r->e = *why;
        }

        return rc;
    }
}


static reg_rc_t
reg_restore_lost(reg_restore_run_t *r, const reg_backup_entry_t *entry,
    const char *text)
{
    char         tag[REG_TAG_MAX + 1];
    reg_sum_t   *sum;
    const char  *what;

    what = entry->manifest.text;

    if (entry->tag.len != 0) {
        (void) snprintf(tag, sizeof(tag), "%.*s", (int) entry->tag.len,
                        entry->tag.data);
        what = tag;
    }

    sum = reg_sums_add(&r->sums, &entry->manifest, NULL);

    if (sum == NULL) {
        return reg_error_set(r->e, REG_NO_MEMORY, NULL);
    }

    sum->bits |= REG_RESTORE_FAILED;
    r->counts->failed++;

    if (r->how->failed != NULL) {
        r->how->failed(r->how->data, entry->repository, what, text);
    }

    return REG_OK;
}


static reg_rc_t
reg_restore_manifest(reg_restore_run_t *r, const reg_backup_entry_t *entry)
{
    unsigned      tries;
    reg_rc_t      rc;
    reg_buf_t     body;
    reg_sum_t    *sum;
    reg_error_t   why;

    if (entry->incomplete) {
        sum = reg_sums_add(&r->sums, &entry->manifest, NULL);

        if (sum == NULL) {
            return reg_error_set(r->e, REG_NO_MEMORY, NULL);
        }

        sum->bits |= REG_RESTORE_SPARSE;
        r->counts->incomplete++;
    }

    reg_buf_init(&body, REG_MANIFEST_READ_MAX + 1);
    reg_error_clear(&why);

    r->counts->manifests++;

    rc = reg_restore_read(r, &entry->manifest, &body, &why);

    for (tries = 0; rc == REG_OK && tries < REG_RESTORE_TRIES; tries++) {
        reg_error_clear(&why);

        rc = reg_restore_blobs(r, entry, &why);

        if (rc == REG_OK && r->how->dry) {
            rc = reg_restore_children(r, entry);
        }

        if (rc != REG_OK || r->how->dry) {
            break;
        }

        rc = reg_restore_put(r, entry->repository, &entry->manifest, NULL,
                             &body, &why);

        /* it took so long that a collector had the first of them again */

        if (rc != REG_MANIFEST_BLOB_UNKNOWN || tries + 1 == REG_RESTORE_TRIES)
        {
            break;
        }

        rc = REG_OK;
    }

    reg_buf_free(&body);

    return reg_restore_outcome(r, rc, entry, &why);
}


static reg_rc_t
reg_restore_tag(reg_restore_run_t *r, const reg_backup_entry_t *entry)
{
    int           moves;
    reg_rc_t      rc;
    reg_buf_t     body;
    reg_sum_t    *sum;
    reg_error_t   why;
    reg_digest_t  there;

    reg_error_clear(&why);

    rc = reg_tag_read(r->s, entry->repository, entry->tag, &there, &why);

    moves = (rc == REG_OK && !reg_digest_eq(&there, &entry->manifest));

    if (moves && r->how->keep_tags) {
        r->counts->kept++;
        return REG_OK;
    }

    if (rc != REG_OK && rc != REG_MANIFEST_UNKNOWN) {
        rc = reg_error_unread(r->e, rc, &why);

        return (rc == REG_DIGEST_MISMATCH)
               ? reg_restore_lost(r, entry, "what it is now cannot be read")
               : rc;
    }

    if (r->how->dry) {
        sum = reg_sums_find(&r->sums, &entry->manifest);

        if (sum != NULL && (sum->bits & REG_RESTORE_FAILED)) {
            return reg_restore_lost(r, entry,
                                    "what it names was not brought back");
        }

        reg_restore_tagged(r, entry, moves ? &there : NULL);
        return REG_OK;
    }

    reg_error_clear(&why);
    reg_buf_init(&body, REG_MANIFEST_READ_MAX + 1);

    rc = reg_restore_read(r, &entry->manifest, &body, &why);

    if (rc == REG_OK) {
        rc = reg_restore_put(r, entry->repository, &entry->manifest,
                             &entry->tag, &body, &why);
    }

    reg_buf_free(&body);

    /* somebody pushed one a moment ago */

    if (rc == REG_DENIED) {
        r->counts->kept++;
        return REG_OK;
    }

    if (rc == REG_OK) {
        reg_restore_tagged(r, entry, moves ? &there : NULL);
    }

    return reg_restore_outcome(r, rc, entry, &why);
}


/* from is what it named until now, or NULL: nothing, or the same. */

static void
reg_restore_tagged(reg_restore_run_t *r, const reg_backup_entry_t *entry,
    const reg_digest_t *from)
{
    r->counts->tags++;

    if (from == NULL) {
        return;
    }

    r->counts->moved++;

    if (r->how->moved != NULL) {
        r->how->moved(r->how->data, entry->repository, entry->tag, from,
                      &entry->manifest);
    }
}


/* --- manifests ----------------------------------------------------------- */

/* What a dry run knows of children: one that fails has to be there already. */

static reg_rc_t
reg_restore_children(reg_restore_run_t *r, const reg_backup_entry_t *entry)
{
    size_t            i;
    reg_str_t         text;
    reg_digest_t      d, target;
    const json_t     *one;
    const reg_sum_t  *sum;

    if (entry->incomplete) {
        return REG_OK;
    }

    json_array_foreach(entry->manifests, i, one) {
        text.data = json_string_value(one);
        text.len = json_string_length(one);

        sum = (reg_digest_parse(&d, text, NULL) == REG_OK)
              ? reg_sums_find(&r->sums, &d) : NULL;

        if (sum != NULL && (sum->bits & REG_RESTORE_FAILED)
            && reg_revision_find(r->s, entry->repository, &d, &target, NULL,
                                 NULL)
               != REG_OK)
        {
            return REG_MANIFEST_BLOB_UNKNOWN;
        }
    }

    return REG_OK;
}


static reg_rc_t
reg_restore_read(reg_restore_run_t *r, const reg_digest_t *d,
    reg_buf_t *body, reg_error_t *why)
{
    reg_rc_t      rc;
    reg_path_t    path;
    reg_error_t   unread;
    reg_digest_t  got;

    reg_error_clear(&unread);
    reg_backup_path(&path, d);

    rc = r->dir->driver->read(r->dir, path.s, REG_MANIFEST_READ_MAX, body,
                              &unread);

    if (rc != REG_OK) {
        (void) reg_backup_error(&unread, rc);
        return reg_error_unread(why, rc, &unread);
    }

    reg_digest_of(&got, d->alg, body->data, body->len);

    return reg_digest_eq(&got, d) ? REG_OK : REG_DIGEST_MISMATCH;
}


static reg_rc_t
reg_restore_put(reg_restore_run_t *r, reg_str_t name, const reg_digest_t *d,
    const reg_str_t *tag, const reg_buf_t *body, reg_error_t *why)
{
    reg_rc_t                   rc;
    const reg_sum_t           *sum;
    reg_manifest_put_t         put;
    reg_manifest_put_result_t  result;

    memset(&put, 0, sizeof(put));

    put.name = name;
    put.expected = d;
    put.tags = tag;
    put.ntags = (tag != NULL);
    put.body = reg_buf_slice(body);
    put.keep_tags = r->how->keep_tags;

    sum = reg_sums_find(&r->sums, d);
    put.sparse = (sum != NULL && (sum->bits & REG_RESTORE_SPARSE));

    rc = reg_manifest_put(r->s, &put, &result, why);

    if (rc != REG_MANIFEST_INVALID) {
        return rc;
    }

    /* what an older registry took, and this one only serves */

    reg_error_clear(why);

    put.stored = 1;

    return reg_manifest_put(r->s, &put, &result, why);
}
