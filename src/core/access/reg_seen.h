
/*
 * Signatures that were found right, so that each need be verified but once: it
 * takes 50 to 100 microseconds, and a client sends the same token with every
 * request for minutes.
 *
 * A token goes by the SHA-256 of all its bytes.  That is all that is kept, and
 * it says nothing about claims and times.  What is remembered was found with
 * certain keys: it goes when they do.  For one thread.
 */


#ifndef REG_SEEN_H_INCLUDED
#define REG_SEEN_H_INCLUDED


#include "reg_hmac.h"


#define REG_SEEN_SLOTS  1024      /* a power of two */


/* 32 KB; all zero at first. */
typedef struct {
    unsigned char  slots[REG_SEEN_SLOTS][REG_SHA256_LEN];
} reg_seen_t;


/* 1 when it is remembered. */
int reg_seen_has(const reg_seen_t *s, const unsigned char *digest);

/* Remembers it; what stood in its place is forgotten. */
void reg_seen_add(reg_seen_t *s, const unsigned char *digest);


#endif /* REG_SEEN_H_INCLUDED */
