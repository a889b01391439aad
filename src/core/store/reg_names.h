
/*
 * A sorted list of names, packed: all text in one block, and where each name
 * begins in another.  A name costs its length and five bytes.  Private to the
 * store: lists of tags and the catalogue are made of it.
 */


#ifndef REG_NAMES_H_INCLUDED
#define REG_NAMES_H_INCLUDED


#include "reg_str.h"


/*
 * Zeroed is empty.  Names are added at the end and are in their place, once
 * each, after reg_names_sort().
 */
typedef struct {
    char      *text;         /* names, each with a NUL behind it */
    size_t     len;
    size_t     size;
    uint32_t  *at;
    size_t     n;
    size_t     max;
    size_t     sorted;       /* so many are in order already */
} reg_names_t;


void reg_names_free(reg_names_t *list);

/* Adds a name without NUL inside; 0, or -1 without memory. */
int reg_names_add(reg_names_t *list, reg_str_t name);

/* Puts what was added in order among the rest; 0, or -1 without memory. */
int reg_names_sort(reg_names_t *list);

/* Borrowed until the next add. */
reg_str_t reg_names_get(const reg_names_t *list, size_t i);

/* The place of the first name behind key in a sorted list (or at it). */
size_t reg_names_after(const reg_names_t *list, reg_str_t key);
size_t reg_names_from(const reg_names_t *list, reg_str_t key);

/* 1 when a sorted list holds it. */
int reg_names_has(const reg_names_t *list, reg_str_t name);

/* Memory held, in bytes. */
size_t reg_names_bytes(const reg_names_t *list);


#endif /* REG_NAMES_H_INCLUDED */
