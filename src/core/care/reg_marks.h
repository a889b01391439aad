
/*
 * A set of digests that were seen, 8 bytes for each: a million of them are 16
 * MiB.  What is kept is not the digest but 64 bits of it, stirred with a
 * random seed, so that has() may be wrong in one way, once in 2^64 times the
 * members: it says yes to what was not added.  That keeps garbage, no more.
 */


#ifndef REG_MARKS_H_INCLUDED
#define REG_MARKS_H_INCLUDED


#include "reg_digest.h"


/* Zeroed it is empty; reg_marks_seed() comes first. */
typedef struct {
    uint64_t   seed;
    uint64_t  *slots;          /* 0: free */
    size_t     size;           /* a power of two */
    size_t     n;
} reg_marks_t;


/* 0, or -1: the kernel gives no random bytes. */
int reg_marks_seed(reg_marks_t *m);

/* 0, or -1 without memory. */
int reg_marks_add(reg_marks_t *m, const reg_digest_t *d);

int reg_marks_has(const reg_marks_t *m, const reg_digest_t *d);

/* Empties it; a large one gives its memory back. */
void reg_marks_clear(reg_marks_t *m);


#endif /* REG_MARKS_H_INCLUDED */
