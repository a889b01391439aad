
/*
 * The catalogue: the names of all repositories, sorted.
 *
 * There is no file for it.  Every process reads the tree of directories once
 * and keeps it, with the inode and the time of change of each directory.  A
 * page looks at the directories that its part of the list depends on, one
 * stat() each, and reads anew those that changed.  So whatever anybody did to
 * the tree, by whatever means, is seen at once, and a page costs in proportion
 * to its length.
 */


#ifndef REG_CATALOG_H_INCLUDED
#define REG_CATALOG_H_INCLUDED


#include "reg_page.h"
#include "reg_store.h"


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
 * Reads the tree unless that was done already: what the first page of a
 * process would do, which takes as long as there are repositories.
 */
reg_rc_t reg_catalog_scan(reg_store_t *s, reg_error_t *e);

/*
 * Calls fn for the repositories there are, in order, from the given name on,
 * until it returns something else than REG_OK.  A directory that may not be
 * read (EACCES) ends it: who counts, saves or removes what there is must not
 * take a part for the whole.
 */
typedef reg_rc_t (*reg_name_pt)(void *ctx, reg_str_t name);

reg_rc_t reg_catalog_walk(reg_store_t *s, reg_str_t from, reg_name_pt fn,
    void *ctx, reg_error_t *e);

/* The same for who looks for one of them: such a directory has none in it, as
   for the pages. */
reg_rc_t reg_catalog_search(reg_store_t *s, reg_str_t from, reg_name_pt fn,
    void *ctx, reg_error_t *e);


reg_rc_t reg_catalog_open(reg_store_t *s);
void reg_catalog_close(reg_store_t *s);


#endif /* REG_CATALOG_H_INCLUDED */
