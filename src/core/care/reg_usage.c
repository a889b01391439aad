
#include "reg_usage.h"

#include "reg_catalog.h"
#include "reg_links.h"
#include "reg_names.h"
#include "reg_tags.h"

#include <stdlib.h>
#include <string.h>


/* bits of a sum: more than one repository links it */
#define REG_USAGE_SHARED  1


typedef struct {
    reg_store_t        *s;
    reg_sums_t         *sums;
    reg_usage_t        *u;             /* that is being counted */
    uint32_t            number;        /* of it, from 1 on */
    reg_error_t        *e;

    /* of all; NULL for one */
    reg_usage_t        *all;
    size_t              n;
    size_t              size;
    reg_names_t         names;
    reg_usage_total_t  *total;

    void              (*tick)(void *ctx, uint64_t n);
    void               *ctx;
} reg_usage_run_t;


static reg_rc_t reg_usage_count(reg_usage_run_t *r, reg_str_t name);
static reg_rc_t reg_usage_tag(void *data, reg_str_t tag,
    const reg_digest_t *d);
static reg_rc_t reg_usage_layer(void *data, const reg_digest_t *d);
static reg_rc_t reg_usage_revision(void *data, const reg_digest_t *d);
static reg_rc_t reg_usage_add(reg_usage_run_t *r, const reg_path_t *path,
    int *linked);
static reg_rc_t reg_usage_repository(void *data, reg_str_t name);
static reg_rc_t reg_usage_blob(void *data, const reg_digest_t *d);
static reg_rc_t reg_usage_tell(reg_usage_run_t *r, reg_usage_pt fn);


reg_rc_t
reg_usage_one(reg_store_t *s, reg_str_t name, reg_sums_t *sums,
    reg_usage_t *u, reg_error_t *e)
{
    reg_usage_run_t  r;

    memset(&r, 0, sizeof(r));
    memset(u, 0, sizeof(reg_usage_t));
    reg_sums_clear(sums);

    r.s = s;
    r.sums = sums;
    r.u = u;
    r.number = 1;
    r.e = e;

    return reg_usage_count(&r, name);
}


static reg_rc_t
reg_usage_count(reg_usage_run_t *r, reg_str_t name)
{
    reg_rc_t  rc;

    r->u->name = name;

    rc = reg_tags_walk(r->s, name, reg_usage_tag, r, r->e);

    if (rc == REG_OK) {
        rc = reg_links_walk(r->s, name, "/_manifests/revisions",
                            reg_usage_revision, r, r->e);
    }

    if (rc == REG_OK) {
        rc = reg_links_walk(r->s, name, "/_layers", reg_usage_layer, r, r->e);
    }

    return rc;
}


static reg_rc_t
reg_usage_tag(void *data, reg_str_t tag, const reg_digest_t *d)
{
    reg_usage_run_t  *r;

    (void) tag;
    (void) d;

    r = data;
    r->u->tags++;

    return REG_OK;
}


static reg_rc_t
reg_usage_layer(void *data, const reg_digest_t *d)
{
    int               linked;
    reg_path_t        path;
    reg_usage_run_t  *r;

    r = data;

    reg_layout_layer(&path, r->u->name, d);

    return reg_usage_add(r, &path, &linked);
}


static reg_rc_t
reg_usage_revision(void *data, const reg_digest_t *d)
{
    int               linked;
    reg_rc_t          rc;
    reg_path_t        path;
    reg_usage_run_t  *r;

    r = data;

    reg_layout_revision(&path, r->u->name, d);

    rc = reg_usage_add(r, &path, &linked);

    if (rc == REG_OK && linked) {
        r->u->manifests++;
    }

    return rc;
}


/*
 * Counts what a link names, in the repository that is being counted and, the
 * first time that another one has it too, no more as that one's own.
 */

static reg_rc_t
reg_usage_add(reg_usage_run_t *r, const reg_path_t *path,
    int *linked)
{
    int           fresh;
    reg_rc_t      rc;
    reg_sum_t    *sum;
    reg_stat_t    st;
    reg_path_t    blob;
    reg_digest_t  target;

    *linked = 0;

    rc = reg_link_read(r->s, path->s, &target, r->e);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    *linked = 1;

    sum = reg_sums_add(r->sums, &target, &fresh);

    if (sum == NULL) {
        return reg_error_set(r->e, REG_NO_MEMORY, NULL);
    }

    if (fresh) {
        reg_layout_blob(&blob, &target);

        rc = r->s->driver->stat(r->s, blob.s, &st, r->e);

        if (rc != REG_OK && rc != REG_ABSENT) {
            return rc;
        }

        sum->value = (rc == REG_OK && !st.dir) ? st.size : 0;
        r->u->exclusive += sum->value;

        if (r->total != NULL) {
            r->total->blobs++;
            r->total->stored += sum->value;
        }

    } else if (sum->tag == r->number) {
        return REG_OK;

    } else if (!(sum->bits & REG_USAGE_SHARED)) {
        r->all[sum->tag - 1].exclusive -= sum->value;
        sum->bits |= REG_USAGE_SHARED;
    }

    sum->tag = r->number;
    r->u->blobs++;
    r->u->logical += sum->value;

    return REG_OK;
}


reg_rc_t
reg_usage_all(reg_store_t *s, reg_usage_pt fn,
    void (*tick)(void *ctx, uint64_t n), void *ctx, reg_usage_total_t *total,
    reg_error_t *e)
{
    reg_rc_t         rc;
    reg_sums_t       sums;
    reg_usage_run_t  r;

    memset(&r, 0, sizeof(r));
    memset(&sums, 0, sizeof(sums));
    memset(total, 0, sizeof(reg_usage_total_t));

    r.s = s;
    r.sums = &sums;
    r.e = e;
    r.total = total;
    r.tick = tick;
    r.ctx = ctx;

    rc = reg_catalog_walk(s, reg_null_str, reg_usage_repository, &r, e);

    if (rc == REG_OK) {
        rc = reg_links_blobs(s, REG_LAYOUT_BLOBS, 0, reg_usage_blob, &r, e);
    }

    if (rc == REG_OK) {
        rc = reg_usage_tell(&r, fn);
    }

    reg_sums_free(&sums);
    reg_names_free(&r.names);
    free(r.all);

    return rc;
}


static reg_rc_t
reg_usage_repository(void *data, reg_str_t name)
{
    size_t            size;
    reg_rc_t          rc;
    reg_usage_t      *all;
    reg_usage_run_t  *r;

    r = data;

    if (r->n == r->size) {
        size = (r->size == 0) ? 64 : r->size * 2;
        all = realloc(r->all, size * sizeof(reg_usage_t));

        if (all == NULL) {
            return reg_error_set(r->e, REG_NO_MEMORY, NULL);
        }

        r->all = all;
        r->size = size;
    }

    /* the catalogue's names are borrowed; these come in their order */

    if (reg_names_add(&r->names, name) != 0) {
        return reg_error_set(r->e, REG_NO_MEMORY, NULL);
    }

    r->u = &r->all[r->n++];
    memset(r->u, 0, sizeof(reg_usage_t));

    r->number = (uint32_t) r->n;

    rc = reg_usage_count(r, name);

    if (rc == REG_OK && r->tick != NULL) {
        r->tick(r->ctx, r->n);
    }

    return rc;
}


static reg_rc_t
reg_usage_blob(void *data, const reg_digest_t *d)
{
    reg_rc_t          rc;
    reg_path_t        path;
    reg_stat_t        st;
    reg_usage_run_t  *r;

    r = data;

    if (reg_sums_find(r->sums, d) != NULL) {
        return REG_OK;
    }

    reg_layout_blob(&path, d);

    rc = r->s->driver->stat(r->s, path.s, &st, r->e);

    if (rc == REG_OK && !st.dir) {
        r->total->unlinked++;
        r->total->unlinked_bytes += st.size;
    }

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


static reg_rc_t
reg_usage_tell(reg_usage_run_t *r, reg_usage_pt fn)
{
    size_t        i;
    reg_rc_t      rc;
    reg_usage_t  *u;

    for (i = 0; i < r->n; i++) {
        u = &r->all[i];
        u->name = reg_names_get(&r->names, i);

        r->total->repositories++;
        r->total->logical += u->logical;
        r->total->exclusive += u->exclusive;

        rc = fn(r->ctx, u);

        if (rc != REG_OK) {
            return rc;
        }
    }

    return REG_OK;
}
