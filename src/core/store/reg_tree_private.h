
/*
 * The inside of a tree of repositories, for reg_tree.c, which looks at the
 * directories that it knows, and reg_tree_read.c, which reads those that are
 * new or have changed.
 */


#ifndef REG_TREE_PRIVATE_H_INCLUDED
#define REG_TREE_PRIVATE_H_INCLUDED


#include "reg_fs.h"
#include "reg_tree.h"

#include <sys/stat.h>


/* --- reg_tree.c --- */

/* The first that is not before key, or with behind set is behind it; or n. */
size_t reg_tree_search(const reg_tree_t *t, reg_str_t key, int behind);

/* 1, and where it is, when a name is known. */
int reg_tree_find(const reg_tree_t *t, reg_str_t name, size_t *i);

/* Sets key and settled. */
void reg_tree_key(reg_tree_dir_t *dir, const struct stat *st);


/* --- reg_tree_read.c --- */

/*
 * Reads a directory that is known already, or the root, whose name is empty,
 * and what is new in it.  REG_ABSENT when it is gone, or is none.  all is as
 * for reg_tree_take(); what was passed over without it is read again each time.
 */
reg_rc_t reg_tree_update(reg_fs_t *fs, reg_tree_t *t, int base,
    reg_str_t name, int all, reg_error_t *e);


#endif /* REG_TREE_PRIVATE_H_INCLUDED */
