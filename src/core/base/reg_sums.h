
/*
 * A table of digests, for what has to remember all blobs of a store: 32 bytes
 * for each and as many again for empty places at the worst, which makes some
 * 64 MB for a million.
 *
 * A digest is known by 128 bits of its SHA-256, not by digits of its own: these
 * can be chosen by who names what is not here.  Two that share the bits are
 * taken for one; nobody can make such.
 */


#ifndef REG_SUMS_H_INCLUDED
#define REG_SUMS_H_INCLUDED


#include "reg_digest.h"


typedef struct {
    uint64_t  key[2];
    uint64_t  value;         /* the caller's; 0 at first */
    uint32_t  tag;           /* the same */
    uint16_t  bits;          /* the same */
    uint16_t  used;
} reg_sum_t;


/* Zeroed is empty. */
typedef struct {
    reg_sum_t  *slots;
    size_t      size;        /* a power of two, or 0 */
    size_t      n;
} reg_sums_t;


/*
 * Finds the entry of a digest, or makes one; *fresh tells which and may be
 * NULL.  Borrowed until the next call; NULL without memory.
 */
reg_sum_t *reg_sums_add(reg_sums_t *t, const reg_digest_t *d, int *fresh);

/* The entry, or NULL. */
reg_sum_t *reg_sums_find(const reg_sums_t *t, const reg_digest_t *d);

/* Empties it and keeps the memory. */
void reg_sums_clear(reg_sums_t *t);
void reg_sums_free(reg_sums_t *t);


#endif /* REG_SUMS_H_INCLUDED */
