
/* The walk over all repositories.  Private to reg_catalog.c. */


#ifndef REG_CATALOG_TREE_H_INCLUDED
#define REG_CATALOG_TREE_H_INCLUDED


#include "reg_names.h"
#include "reg_store.h"


/*
 * Adds the names of all repositories that are on disk, sorted.  Directories
 * that cannot be read are passed over.
 */
reg_rc_t reg_catalog_tree(reg_store_t *s, reg_names_t *found,
    reg_error_t *e);


#endif /* REG_CATALOG_TREE_H_INCLUDED */
