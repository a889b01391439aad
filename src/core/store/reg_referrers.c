
#include "reg_referrers_private.h"

#include "reg_repo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static reg_rc_t reg_referrers_begin_page(reg_referrers_list_t *l,
    reg_error_t *e);
static reg_rc_t reg_referrers_fill(reg_referrers_list_t *l, reg_error_t *e);
static reg_rc_t reg_referrers_add_page(reg_referrers_list_t *l,
    const reg_digest_t *d, reg_referrer_t *r, int *full, reg_error_t *e);
static reg_rc_t reg_referrers_end_page(reg_referrers_list_t *l,
    reg_error_t *e);
static const reg_digest_t *reg_referrers_seen(const reg_referrers_list_t *l);


reg_rc_t
reg_referrers_remove(reg_store_t *s, reg_str_t name,
    const reg_digest_t *subject, const reg_digest_t *d, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path, stop;

    reg_layout_referrers(&path, name, subject, d);
    reg_layout_repo(&stop, name, "/_referrers");

    rc = s->driver->remove(s, path.s, stop.s, NULL, e);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


reg_rc_t
reg_referrers_page(reg_store_t *s, const reg_op_t *op, reg_page_t *p,
    reg_error_t *e)
{
    reg_rc_t                rc;
    reg_referrers_list_t   *l;
    reg_referrers_slice_t   slice;

    l = NULL;

    rc = reg_referrers_open(&l, s, op, p, e);

    if (rc != REG_OK) {
        return rc;
    }

    do {
        rc = reg_referrers_slice(l, SIZE_MAX, &slice, e);

    } while (rc == REG_OK && slice.more);

    reg_referrers_close(l);

    return rc;
}


reg_rc_t
reg_referrers_open(reg_referrers_list_t **out, reg_store_t *s,
    const reg_op_t *op, reg_page_t *p, reg_error_t *e)
{
    reg_referrers_list_t  *l;

    l = calloc(1, sizeof(reg_referrers_list_t));

    if (l == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    l->store = s;
    l->op = op;
    l->page = p;

    if (op->has_artifact_type) {
        reg_referrers_type(&l->type, op->artifact_type);
    }

    *out = l;

    return REG_OK;
}


void
reg_referrers_close(reg_referrers_list_t *l)
{
    if (l == NULL) {
        return;
    }

    reg_referrers_forget(&l->digests);
    reg_referrers_forget(&l->found);

    free(l);
}


void
reg_referrers_rest(reg_referrers_list_t *l)
{
    l->last = *reg_referrers_seen(l);
    l->i = 0;
    l->listed = 0;

    reg_referrers_forget(&l->digests);

    if (!l->lost) {

        /* the index has them */

        reg_referrers_forget(&l->found);
    }
}


reg_rc_t
reg_referrers_slice(reg_referrers_list_t *l, size_t large,
    reg_referrers_slice_t *slice, reg_error_t *e)
{
    reg_rc_t  rc;

    l->large = large;
    l->looks = 0;
    l->reads = 0;
    l->bytes = 0;
    l->largest = 0;
    l->need = 0;
    l->paused = 0;

    rc = REG_OK;

    while (rc == REG_OK && !l->paused && l->phase != REG_REFERRERS_DONE) {

        switch (l->phase) {

        case REG_REFERRERS_BEGIN:
            rc = reg_referrers_begin_page(l, e);
            break;

        case REG_REFERRERS_SCAN:
            rc = reg_referrers_scan(l, e);

            if (!l->scanning) {
                l->phase = REG_REFERRERS_PAGE;
            }

            break;

        default:
            rc = reg_referrers_fill(l, e);
        }
    }

    slice->more = (l->phase != REG_REFERRERS_DONE);
    slice->need = l->need;
    slice->largest = l->largest;

    return rc;
}


static reg_rc_t
reg_referrers_begin_page(reg_referrers_list_t *l, reg_error_t *e)
{
    reg_rc_t  rc;

    reg_buf_str(&l->page->body,
                reg_str("{\"schemaVersion\":2,\"mediaType\":\""
                        REG_TYPE_OCI_INDEX "\",\"manifests\":["));

    rc = reg_referrers_scan_begin(l, e);

    l->phase = l->scanning ? REG_REFERRERS_SCAN : REG_REFERRERS_PAGE;

    return rc;
}


reg_rc_t
reg_referrers_digests(reg_referrers_list_t *l, const char *path,
    reg_error_t *e)
{
    reg_rc_t  rc;

    if (l->listed) {
        return REG_OK;
    }

    rc = reg_digests_list(l->store, path, &l->digests, e);

    if (rc != REG_OK) {
        return rc;
    }

    l->listed = 1;
    l->i = 0;

    while (l->i < l->digests.n
           && strcmp(l->digests.d[l->i].text, l->last.text) <= 0)
    {
        l->i++;
    }

    return REG_OK;
}


static reg_rc_t
reg_referrers_fill(reg_referrers_list_t *l, reg_error_t *e)
{
    int              full;
    size_t           i;
    reg_rc_t         rc;
    reg_digest_t    *d;
    reg_referrer_t   r;
    reg_path_t       path;

    for (i = 0; !l->listed && i < l->found.n; i++) {
        d = reg_digests_push(&l->digests);

        if (d == NULL) {
            return reg_error_set(e, REG_NO_MEMORY, NULL);
        }

        *d = l->found.d[i];
    }

    reg_layout_referrers(&path, l->op->name, &l->op->digest, NULL);

    rc = reg_referrers_digests(l, path.s, e);

    reg_buf_init(&r.text, 2 * REG_MANIFEST_READ_MAX);

    full = (l->page->limit == 0);

    while (rc == REG_OK && !full && l->i < l->digests.n) {
        d = &l->digests.d[l->i];

        if (reg_str_cmp(reg_digest_str(d), l->op->last) > 0
            && (l->i == 0 || !reg_digest_eq(d, d - 1)))
        {
            rc = reg_referrers_add_page(l, d, &r, &full, e);

            if (rc != REG_OK || l->paused || full) {
                break;
            }
        }

        l->i++;
    }

    reg_buf_free(&r.text);

    return (rc != REG_OK || l->paused) ? rc : reg_referrers_end_page(l, e);
}


/* Adds one referrer, unless it is gone, another type, or one too many. */

static reg_rc_t
reg_referrers_add_page(reg_referrers_list_t *l, const reg_digest_t *d,
    reg_referrer_t *r, int *full, reg_error_t *e)
{
    reg_rc_t     rc;
    reg_page_t  *p;

    p = l->page;

    rc = reg_referrers_look(l, d, r, e);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    if (l->cut) {
        p->more = 1;
        *full = 1;

        return REG_OK;
    }

    if (l->paused || !reg_referrers_shows(l, r)) {
        return REG_OK;
    }

    if (!reg_page_fits(p, r->text.len + 1)) {
        *full = 1;
        return REG_OK;
    }

    if (p->count > 0) {
        reg_buf_str(&p->body, reg_str(","));
    }

    reg_buf_str(&p->body, reg_buf_slice(&r->text));
    p->count++;

    return REG_OK;
}


static reg_rc_t
reg_referrers_end_page(reg_referrers_list_t *l, reg_error_t *e)
{
    reg_page_t  *p;
    reg_path_t   path;

    p = l->page;
    l->phase = REG_REFERRERS_DONE;

    reg_buf_str(&p->body, reg_str("]}\n"));

    if (p->more) {
        (void) snprintf(path.s, sizeof(path.s), "/v2/%.*s/referrers/%s",
                        (int) l->op->name.len, l->op->name.data,
                        l->op->digest.text);

        reg_page_link(p, l->op, path.s, reg_digest_str(reg_referrers_seen(l)));
    }

    if (reg_buf_failed(&p->body) || reg_buf_failed(&p->link)) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    return REG_OK;
}


/* The last one that was seen, now or before a rest. */

static const reg_digest_t *
reg_referrers_seen(const reg_referrers_list_t *l)
{
    const reg_digest_t  *d;

    if (l->i == 0) {
        return &l->last;
    }

    d = &l->digests.d[l->i - 1];

    return (strcmp(d->text, l->last.text) > 0) ? d : &l->last;
}


void
reg_referrers_forget(reg_digests_t *list)
{
    free(list->d);
    memset(list, 0, sizeof(reg_digests_t));
}
