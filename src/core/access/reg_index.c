
#include "reg_index.h"

#include <stdlib.h>
#include <string.h>


#define REG_INDEX_START  16       /* keys; there are twice as many slots */


static uint64_t reg_index_hash(reg_str_t key);
static size_t reg_index_slot(const reg_index_t *x, reg_str_t key);
static int reg_index_grow(reg_index_t *x);


/*
 * FNV-1a.  The keys are the operator's, so nobody else can choose them to
 * collide.
 */

static uint64_t
reg_index_hash(reg_str_t key)
{
    size_t    i;
    uint64_t  h;

    h = 14695981039346656037ULL;

    for (i = 0; i < key.len; i++) {
        h = (h ^ (unsigned char) key.data[i]) * 1099511628211ULL;
    }

    return h ^ (h >> 32);
}


void
reg_index_init(reg_index_t *x)
{
    memset(x, 0, sizeof(*x));
}


void
reg_index_free(reg_index_t *x)
{
    free(x->keys);
    free(x->slots);
    reg_index_init(x);
}


/* Where the key is, or the free slot where it would be. */

static size_t
reg_index_slot(const reg_index_t *x, reg_str_t key)
{
    size_t  i;

    i = (size_t) reg_index_hash(key) & x->mask;

    while (x->slots[i] != 0 && !reg_str_eq(x->keys[x->slots[i] - 1], key)) {
        i = (i + 1) & x->mask;
    }

    return i;
}


static int
reg_index_grow(reg_index_t *x)
{
    size_t      i, size;
    uint32_t   *slots;
    reg_str_t  *keys;

    size = (x->size == 0) ? REG_INDEX_START : x->size * 2;

    if (size >= UINT32_MAX / 2) {
        return -1;
    }

    keys = realloc(x->keys, size * sizeof(reg_str_t));

    if (keys == NULL) {
        return -1;
    }

    /* x->size stays behind until there are slots for as many */

    x->keys = keys;

    slots = calloc(size * 2, sizeof(uint32_t));

    if (slots == NULL) {
        return -1;
    }

    free(x->slots);

    x->slots = slots;
    x->size = size;
    x->mask = size * 2 - 1;

    for (i = 0; i < x->n; i++) {
        x->slots[reg_index_slot(x, x->keys[i])] = (uint32_t) i + 1;
    }

    return 0;
}


int
reg_index_add(reg_index_t *x, reg_str_t key)
{
    size_t  slot;

    if (x->n == x->size && reg_index_grow(x) != 0) {
        return -1;
    }

    slot = reg_index_slot(x, key);

    if (x->slots[slot] != 0) {
        return 1;
    }

    x->keys[x->n++] = key;
    x->slots[slot] = (uint32_t) x->n;

    return 0;
}


size_t
reg_index_find(const reg_index_t *x, reg_str_t key)
{
    size_t  slot;

    if (x->n == 0) {
        return REG_INDEX_NONE;
    }

    slot = reg_index_slot(x, key);

    return (x->slots[slot] == 0) ? REG_INDEX_NONE : x->slots[slot] - 1;
}
