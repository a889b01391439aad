
/*
 * A set of strings that finds each of them at once.  Keys are numbered from 0
 * in the order in which they came, so that they may be an array's index.
 *
 * The keys are borrowed: their bytes must outlive the index.  Once built it is
 * only read, by any number of threads.
 */


#ifndef REG_INDEX_H_INCLUDED
#define REG_INDEX_H_INCLUDED


#include "reg_str.h"


typedef struct {
    reg_str_t  *keys;
    size_t      n;
    size_t      size;             /* of keys */
    uint32_t   *slots;            /* number of a key + 1; 0: free */
    size_t      mask;             /* of slots, a power of two less 1 */
} reg_index_t;


#define REG_INDEX_NONE  SIZE_MAX


void reg_index_init(reg_index_t *x);
void reg_index_free(reg_index_t *x);

/*
 * Adds a key that is not there: 0.  1 when it is there already.  -1 when
 * memory ran out; the index is then as it was.
 */
int reg_index_add(reg_index_t *x, reg_str_t key);

/* The number of the key, or REG_INDEX_NONE. */
size_t reg_index_find(const reg_index_t *x, reg_str_t key);


#endif /* REG_INDEX_H_INCLUDED */
