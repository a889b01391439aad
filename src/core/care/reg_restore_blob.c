
#include "reg_restore_private.h"

#include "reg_blob.h"
#include "reg_fs.h"
#include "reg_upload.h"

#include <unistd.h>


static reg_rc_t reg_restore_blob(reg_restore_run_t *r, reg_str_t name,
    const reg_digest_t *d, reg_error_t *why);
static reg_rc_t reg_restore_stored(reg_restore_run_t *r,
    const reg_digest_t *d, reg_sum_t *sum, const reg_stat_t *kept,
    reg_error_t *why);
static reg_rc_t reg_restore_upload(reg_restore_run_t *r, reg_str_t name,
    const reg_digest_t *d, const reg_path_t *path, reg_error_t *why);
static reg_rc_t reg_restore_fill(reg_restore_run_t *r, reg_upload_t *u,
    const reg_file_t *f, reg_error_t *why);


reg_rc_t
reg_restore_blobs(reg_restore_run_t *r, const reg_backup_entry_t *entry,
    reg_error_t *why)
{
    size_t         i;
    reg_rc_t       rc;
    reg_str_t      text;
    reg_digest_t   d;
    const json_t  *one;

    json_array_foreach(entry->blobs, i, one) {
        text.data = json_string_value(one);
        text.len = json_string_length(one);

        if (reg_digest_parse(&d, text, NULL) != REG_OK) {
            return REG_ABSENT;
        }

        rc = reg_restore_blob(r, entry->repository, &d, why);

        if (rc != REG_OK) {
            return rc;
        }
    }

    return REG_OK;
}


/*
 * What is stored already is linked, which renews its lease too.  One of another
 * length is damaged, here or there; the upload tells which, and replaces what
 * the store has noted as damaged, or cannot read.
 */

static reg_rc_t
reg_restore_blob(reg_restore_run_t *r, reg_str_t name, const reg_digest_t *d,
    reg_error_t *why)
{
    reg_rc_t     rc, there;
    reg_sum_t   *sum;
    reg_path_t   mine;
    reg_stat_t   kept;
    reg_error_t  e;

    sum = reg_sums_add(&r->sums, d, NULL);

    if (sum == NULL) {
        return reg_error_set(why, REG_NO_MEMORY, NULL);
    }

    reg_error_clear(&e);
    reg_backup_path(&mine, d);

    there = r->dir->driver->stat(r->dir, mine.s, &kept, &e);

    if (there != REG_OK && there != REG_ABSENT) {
        (void) reg_backup_error(&e, there);
        there = reg_error_unread(why, there, &e);

        if (there != REG_DIGEST_MISMATCH) {
            return there;
        }
    }

    rc = reg_restore_stored(r, d, sum, (there == REG_OK) ? &kept : NULL, why);

    if (rc == REG_OK && !r->how->dry) {
        reg_error_clear(&e);
        rc = reg_blob_link(r->s, name, d, &e);

        if (rc != REG_OK && rc != REG_BLOB_UNKNOWN) {
            rc = reg_error_unread(why, rc, &e);
        }
    }

    if (rc != REG_BLOB_UNKNOWN && rc != REG_DIGEST_MISMATCH) {
        return rc;
    }

    if (there != REG_OK) {
        return there;
    }

    if (!r->how->dry) {
        return reg_restore_upload(r, name, d, &mine, why);
    }

    if (!(sum->bits & REG_RESTORE_SEEN)) {
        sum->bits |= REG_RESTORE_SEEN;
        r->counts->blobs++;
        r->counts->bytes += kept.size;
    }

    return REG_OK;
}


/*
 * REG_OK when the store has it; REG_BLOB_UNKNOWN, REG_DIGEST_MISMATCH when not,
 * or damaged.  kept is what the backup has, or NULL.
 */

static reg_rc_t
reg_restore_stored(reg_restore_run_t *r, const reg_digest_t *d,
    reg_sum_t *sum, const reg_stat_t *kept, reg_error_t *why)
{
    uint64_t     size;
    reg_rc_t     rc;
    reg_path_t   path;
    reg_error_t  e;

    reg_error_clear(&e);

    rc = reg_blob_size(r->s, d, &size, &e);

    if (rc != REG_OK) {
        return (rc == REG_BLOB_UNKNOWN) ? rc : reg_error_unread(why, rc, &e);
    }

    if (r->how->verify && !(sum->bits & REG_RESTORE_FINE)) {
        reg_layout_blob(&path, d);
        rc = reg_backup_hash(r->s, path.s, d, &size, why);

    } else if (kept != NULL && size != kept->size) {
        rc = REG_DIGEST_MISMATCH;
    }

    if (rc == REG_OK) {
        sum->bits |= REG_RESTORE_FINE;
    }

    return (rc == REG_ABSENT) ? REG_BLOB_UNKNOWN : rc;
}


static reg_rc_t
reg_restore_upload(reg_restore_run_t *r, reg_str_t name,
    const reg_digest_t *d, const reg_path_t *path, reg_error_t *why)
{
    int            made;
    char           id[REG_UUID_LEN + 1];
    reg_rc_t       rc;
    reg_file_t     f;
    reg_error_t    e;
    reg_upload_t  *u;

    u = NULL;
    reg_error_clear(&e);

    rc = r->dir->driver->open(r->dir, path->s, &f, &e);

    if (rc != REG_OK) {
        (void) reg_backup_error(&e, rc);
        return reg_error_unread(why, rc, &e);
    }

    rc = reg_upload_create(r->s, name, d->alg, r->how->now, id, why);
    made = (rc == REG_OK);

    if (rc == REG_OK) {
        rc = reg_upload_open(&u, r->s, name, reg_str_of(id), why);
    }

    if (rc == REG_OK) {
        rc = reg_restore_fill(r, u, &f, why);
    }

    if (rc == REG_OK) {
        rc = reg_upload_commit(u, d, why);
    }

    if (rc != REG_OK && made) {
        (void) reg_upload_cancel(r->s, name, reg_str_of(id), NULL);
    }

    if (u != NULL) {
        reg_upload_close(u);
    }

    (void) close(f.fd);

    if (rc == REG_OK) {
        r->counts->blobs++;
        r->counts->bytes += f.size;
    }

    return rc;
}


static reg_rc_t
reg_restore_fill(reg_restore_run_t *r, reg_upload_t *u, const reg_file_t *f,
    reg_error_t *why)
{
    uint64_t      at;
    ssize_t       n;
    reg_rc_t      rc;
    struct iovec  iov;

    for (at = 0; /* void */ ; at += (uint64_t) n) {
        n = reg_fs_pread(f->fd, r->chunk, REG_RESTORE_CHUNK, at);

        if (n == -1) {

            /* the disk of the backup, not the store's */

            return REG_DIGEST_MISMATCH;
        }

        if (n == 0) {
            return REG_OK;
        }

        iov.iov_base = r->chunk;
        iov.iov_len = (size_t) n;

        rc = reg_upload_append(u, &iov, 1, why);

        if (rc != REG_OK) {
            return rc;
        }

        if (r->how->tick != NULL) {
            r->how->tick(r->how->data, r->counts);
        }
    }
}
