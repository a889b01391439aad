
#include "reg_restore_private.h"

#include "reg_blob.h"
#include "reg_fs.h"
#include "reg_upload.h"

#include <unistd.h>


static reg_rc_t reg_restore_blob(reg_restore_run_t *r, reg_str_t name,
    const reg_digest_t *d, reg_error_t *why);
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
 * length is damaged, here or there; the upload tells which.
 */

static reg_rc_t
reg_restore_blob(reg_restore_run_t *r, reg_str_t name, const reg_digest_t *d,
    reg_error_t *why)
{
    uint64_t     size;
    reg_rc_t     rc, there;
    reg_sum_t   *sum;
    reg_path_t   mine, theirs;
    reg_stat_t   st, kept;

    sum = reg_sums_add(&r->sums, d, NULL);

    if (sum == NULL) {
        return reg_error_set(why, REG_NO_MEMORY, NULL);
    }

    reg_backup_path(&mine, d);
    reg_layout_blob(&theirs, d);

    there = r->dir->driver->stat(r->dir, mine.s, &kept, why);

    if (there != REG_OK && there != REG_ABSENT) {
        return there;
    }

    rc = r->s->driver->stat(r->s, theirs.s, &st, why);

    if (rc == REG_OK && r->how->verify && !(sum->bits & REG_RESTORE_FINE)) {
        rc = reg_backup_hash(r->s, theirs.s, d, &size, why);

    } else if (rc == REG_OK && there == REG_OK && st.size != kept.size) {
        rc = REG_DIGEST_MISMATCH;
    }

    if (rc == REG_OK) {
        sum->bits |= REG_RESTORE_FINE;

        return r->how->dry ? REG_OK : reg_blob_link(r->s, name, d, why);
    }

    if (rc != REG_ABSENT && rc != REG_DIGEST_MISMATCH) {
        return rc;
    }

    if (there != REG_OK) {
        return REG_ABSENT;
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


static reg_rc_t
reg_restore_upload(reg_restore_run_t *r, reg_str_t name,
    const reg_digest_t *d, const reg_path_t *path, reg_error_t *why)
{
    int            made;
    char           id[REG_UUID_LEN + 1];
    reg_rc_t       rc;
    reg_file_t     f;
    reg_upload_t  *u;

    u = NULL;
    rc = r->dir->driver->open(r->dir, path->s, &f, why);

    if (rc != REG_OK) {
        return rc;
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
