
#include "reg_restore_private.h"


static reg_rc_t reg_restore_seek(void *ctx, const reg_backup_entry_t *entry);
static reg_rc_t reg_restore_reach(void *ctx, const reg_backup_entry_t *entry);
static reg_rc_t reg_restore_want(reg_restore_run_t *r, const reg_digest_t *d);


/*
 * Marks the tag's manifest, then what a marked one refers to and what has a
 * marked one as its subject, until nothing is new.
 */

reg_rc_t
reg_restore_closure(reg_restore_run_t *r)
{
    reg_rc_t            rc;
    reg_backup_info_t   info;

    rc = reg_backup_list(r->dir, r->how->id, r->how->only, reg_restore_seek, r,
                         &info, r->e);

    if (rc == REG_OK && !r->found) {
        return REG_OK;
    }

    do {
        r->more = 0;

        if (rc == REG_OK) {
            rc = reg_backup_list(r->dir, r->how->id, r->how->only,
                                 reg_restore_reach, r, &info, r->e);
        }

    } while (rc == REG_OK && r->more);

    return rc;
}


static reg_rc_t
reg_restore_seek(void *ctx, const reg_backup_entry_t *entry)
{
    reg_restore_run_t  *r;

    r = ctx;

    if (entry->tag.len == 0 || !reg_str_eq(entry->tag, r->how->tag)) {
        return REG_OK;
    }

    r->found = 1;

    return reg_restore_want(r, &entry->manifest);
}


static reg_rc_t
reg_restore_reach(void *ctx, const reg_backup_entry_t *entry)
{
    size_t              i;
    reg_rc_t            rc;
    reg_str_t           text;
    reg_digest_t        d;
    const json_t       *one;
    reg_restore_run_t  *r;

    r = ctx;

    if (!entry->has_manifest || entry->tag.len != 0) {
        return REG_OK;
    }

    if (entry->has_subject && reg_sums_find(&r->sums, &entry->subject) != NULL)
    {
        rc = reg_restore_want(r, &entry->manifest);

        if (rc != REG_OK) {
            return rc;
        }
    }

    if (reg_sums_find(&r->sums, &entry->manifest) == NULL) {
        return REG_OK;
    }

    json_array_foreach(entry->manifests, i, one) {
        text.data = json_string_value(one);
        text.len = json_string_length(one);

        if (reg_digest_parse(&d, text, NULL) != REG_OK) {
            continue;
        }

        rc = reg_restore_want(r, &d);

        if (rc != REG_OK) {
            return rc;
        }
    }

    return REG_OK;
}


static reg_rc_t
reg_restore_want(reg_restore_run_t *r, const reg_digest_t *d)
{
    int         fresh;
    reg_sum_t  *sum;

    sum = reg_sums_add(&r->sums, d, &fresh);

    if (sum == NULL) {
        return reg_error_set(r->e, REG_NO_MEMORY, NULL);
    }

    sum->bits |= REG_RESTORE_WANTED;

    if (fresh) {
        r->more = 1;
    }

    return REG_OK;
}
