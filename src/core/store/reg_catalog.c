
#include "reg_catalog.h"

#include "reg_tree.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>


/* names taken out of the tree at a time, so that its lock is held briefly */
#define REG_CATALOG_BATCH  64


struct reg_catalog_s {
    pthread_mutex_t  lock;
    reg_tree_t       tree;
};


/* A part of the list, copied. */
typedef struct {
    size_t  n;
    char    names[REG_CATALOG_BATCH][REG_NAME_MAX + 1];
} reg_catalog_batch_t;


typedef struct {
    reg_page_t       *page;
    reg_may_list_pt   may_list;
    void             *ctx;
    char              last[REG_NAME_MAX + 1];
} reg_catalog_fill_t;


static reg_rc_t reg_catalog_take(reg_store_t *s, reg_str_t from, int behind,
    int all, size_t max, reg_catalog_batch_t *batch, reg_error_t *e);
static reg_rc_t reg_catalog_each(reg_store_t *s, reg_str_t from, int behind,
    int all, uint64_t expected, reg_name_pt fn, void *ctx, reg_error_t *e);
static reg_rc_t reg_catalog_fill(void *ctx, reg_str_t name);


reg_rc_t
reg_catalog_open(reg_store_t *s)
{
    s->catalog = calloc(1, sizeof(reg_catalog_t));

    if (s->catalog == NULL) {
        return REG_NO_MEMORY;
    }

    if (pthread_mutex_init(&s->catalog->lock, NULL) != 0) {
        free(s->catalog);
        s->catalog = NULL;

        return REG_NO_MEMORY;
    }

    return REG_OK;
}


void
reg_catalog_close(reg_store_t *s)
{
    if (s->catalog == NULL) {
        return;
    }

    reg_tree_free(&s->catalog->tree);

    (void) pthread_mutex_destroy(&s->catalog->lock);

    free(s->catalog);
    s->catalog = NULL;
}


reg_rc_t
reg_catalog_page(reg_store_t *s, const reg_op_t *op, reg_page_t *p,
    reg_may_list_pt may_list, void *ctx, reg_error_t *e)
{
    reg_rc_t            rc;
    reg_catalog_fill_t  fill;

    fill.page = p;
    fill.may_list = may_list;
    fill.ctx = ctx;
    fill.last[0] = '\0';

    reg_buf_str(&p->body, reg_str("{\"repositories\":["));

    if (p->limit > 0) {

        /* one more than there is room for tells whether there is more */

        rc = reg_catalog_each(s, op->last, 1, 0, p->limit + 1,
                              reg_catalog_fill, &fill, e);

        if (rc != REG_OK && !(rc == REG_ABSENT && p->more)) {
            return rc;
        }
    }

    reg_buf_str(&p->body, reg_str("]}\n"));
    reg_page_link(p, op, "/v2/_catalog", reg_str_of(fill.last));

    if (reg_buf_failed(&p->body) || reg_buf_failed(&p->link)) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    return REG_OK;
}


static reg_rc_t
reg_catalog_fill(void *ctx, reg_str_t name)
{
    reg_catalog_fill_t  *fill;

    fill = ctx;

    if (fill->may_list != NULL && !fill->may_list(fill->ctx, name)) {
        return REG_OK;
    }

    if (!reg_page_fits(fill->page, name.len + sizeof("\"\",") - 1)) {
        return REG_ABSENT;
    }

    reg_page_add(fill->page, name);

    memcpy(fill->last, name.data, name.len);
    fill->last[name.len] = '\0';

    return REG_OK;
}


reg_rc_t
reg_catalog_scan(reg_store_t *s, reg_error_t *e)
{
    reg_rc_t              rc;
    reg_catalog_batch_t  *batch;

    batch = malloc(sizeof(reg_catalog_batch_t));

    if (batch == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    rc = reg_catalog_take(s, reg_null_str, 0, 0, 1, batch, e);

    free(batch);

    return rc;
}


reg_rc_t
reg_catalog_walk(reg_store_t *s, reg_str_t from, reg_name_pt fn, void *ctx,
    reg_error_t *e)
{
    return reg_catalog_each(s, from, 0, 1, REG_CATALOG_BATCH, fn, ctx, e);
}


reg_rc_t
reg_catalog_search(reg_store_t *s, reg_str_t from, reg_name_pt fn, void *ctx,
    reg_error_t *e)
{
    return reg_catalog_each(s, from, 0, 0, REG_CATALOG_BATCH, fn, ctx, e);
}


/*
 * Calls fn, without holding the lock, for names behind from (or from it on).
 * With all no directory may be passed over.  expected is how many the caller
 * thinks he will want.
 */

static reg_rc_t
reg_catalog_each(reg_store_t *s, reg_str_t from, int behind, int all,
    uint64_t expected, reg_name_pt fn, void *ctx, reg_error_t *e)
{
    char                  seen[REG_NAME_MAX + 1];
    size_t                i, max;
    reg_rc_t              rc;
    reg_catalog_batch_t  *batch;

    batch = malloc(sizeof(reg_catalog_batch_t));

    if (batch == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    for ( ;; ) {
        max = (expected < REG_CATALOG_BATCH) ? (size_t) expected
                                             : REG_CATALOG_BATCH;

        rc = reg_catalog_take(s, from, behind, all, max, batch, e);

        for (i = 0; rc == REG_OK && i < batch->n; i++) {
            rc = fn(ctx, reg_str_of(batch->names[i]));
        }

        if (rc != REG_OK || batch->n < max) {
            break;
        }

        memcpy(seen, batch->names[batch->n - 1], sizeof(seen));

        from = reg_str_of(seen);
        behind = 1;

        /* those that fn passed over have to be made up for */

        expected = (expected > max) ? expected - max : REG_CATALOG_BATCH;
    }

    free(batch);

    return rc;
}


static reg_rc_t
reg_catalog_take(reg_store_t *s, reg_str_t from, int behind, int all,
    size_t max, reg_catalog_batch_t *batch, reg_error_t *e)
{
    reg_rc_t        rc;
    reg_catalog_t  *c;

    c = s->catalog;
    batch->n = 0;

    (void) pthread_mutex_lock(&c->lock);

    rc = reg_tree_take(s, &c->tree, from, behind, all, batch->names, max,
                       &batch->n, e);

    (void) pthread_mutex_unlock(&c->lock);

    return rc;
}
