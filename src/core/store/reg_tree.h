
/*
 * The directories of all repositories, and those above them, as one process
 * knows them.  Private to reg_catalog.c, which also does the locking.
 *
 * An entry holds the name of a directory relative to "repositories", whether
 * it is a repository itself, and a hash of what identifies its state: device,
 * inode and time of the last change, which no program can set.  As long as
 * these stay, no entry was added to the directory or removed from it.  That is
 * no proof for a directory which changed an instant before it was read, since
 * it may have changed again within the same tick of the clock: such an entry
 * is not settled, and is read again when it is looked at.
 *
 * What is removed is noticed when it is looked at.  What is added changed the
 * directory that it was added to; in the order of names this stands before
 * the new one, and take() looks at all that do and that could matter.
 */


#ifndef REG_TREE_H_INCLUDED
#define REG_TREE_H_INCLUDED


#include "reg_store.h"


typedef struct {
    uint64_t   key;              /* of its state; 0: not known */
    uint32_t   name;             /* in text */
    unsigned   repository:1;
    unsigned   settled:1;
} reg_tree_dir_t;


/* Zeroed is empty, and reads everything at the first take(). */
typedef struct {
    reg_tree_dir_t   root;
    reg_tree_dir_t  *dirs;       /* sorted by name */
    size_t           n;
    size_t           max;
    char            *text;       /* names, each with a NUL behind it */
    size_t           len;
    size_t           size;
    size_t           garbage;    /* bytes of names that are gone */
} reg_tree_t;


void reg_tree_free(reg_tree_t *t);

/*
 * Copies the names of the next repositories behind from (or from it on), at
 * most max, each NUL-terminated in a room of its own.  *n tells how many.  A
 * directory that may not be read has nothing in it, or, with all, is an error.
 */
reg_rc_t reg_tree_take(reg_store_t *s, reg_tree_t *t, reg_str_t from,
    int behind, int all, char (*names)[REG_NAME_MAX + 1], size_t max,
    size_t *n, reg_error_t *e);


#endif /* REG_TREE_H_INCLUDED */
