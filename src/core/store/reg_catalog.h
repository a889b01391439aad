
/*
 * The catalogue: the names of all repositories, sorted.
 *
 * docker/registry/nginx/catalog is a journal of names, one a line, that only
 * grows: whoever makes a repository appends its name, synced, before the
 * repository can be seen.  It may name more than there is, never less; what
 * is listed is looked at when it is listed.  Every process keeps the sorted
 * names and reads only what was appended since.  A line "=<seconds>" marks that
 * a walk of the whole tree, which finds what other registries made, was done
 * at that time.  Compaction replaces the file under an exclusive lock.
 */


#ifndef REG_CATALOG_H_INCLUDED
#define REG_CATALOG_H_INCLUDED


#include "reg_page.h"
#include "reg_store.h"


/* Tells the catalogue of a repository that is about to be made. */
reg_rc_t reg_catalog_add(reg_store_t *s, reg_str_t name, reg_error_t *e);

/* 1 when the user may see that repository. */
typedef int (*reg_may_list_pt)(void *ctx, reg_str_t name);

/*
 * The body and Link of _catalog: existing repositories that may_list (NULL:
 * all) allows.  Hidden names leave no gap and appear in no Link.  Without n a
 * page ends only at REG_PAGE_BYTES or REG_PAGE_N_MAX.
 */
reg_rc_t reg_catalog_page(reg_store_t *s, const reg_op_t *op, reg_page_t *p,
    reg_may_list_pt may_list, void *ctx, reg_error_t *e);

/*
 * Walks the tree for repositories that the journal misses.  Done at the first
 * question without a mark; callers repeat it from time to time.
 */
reg_rc_t reg_catalog_scan(reg_store_t *s, int64_t now, reg_error_t *e);

/* Calls fn for the names known, in order, from the given one on, until it
   returns something else than REG_OK. */
typedef reg_rc_t (*reg_name_pt)(void *ctx, reg_str_t name);

reg_rc_t reg_catalog_walk(reg_store_t *s, reg_str_t from, reg_name_pt fn,
    void *ctx, reg_error_t *e);


reg_rc_t reg_catalog_open(reg_store_t *s);
void reg_catalog_close(reg_store_t *s);


#endif /* REG_CATALOG_H_INCLUDED */
