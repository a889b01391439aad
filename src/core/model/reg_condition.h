
/* Conditions of a request that changes something (RFC 9110, 13.1). */


#ifndef REG_CONDITION_H_INCLUDED
#define REG_CONDITION_H_INCLUDED


#include "reg_digest.h"


/* The values as they were sent; data is NULL where a header is not there. */
typedef struct {
    reg_str_t  match;         /* If-Match */
    reg_str_t  none_match;    /* If-None-Match */
} reg_condition_t;


/* 1 when there is one at all. */
int reg_condition_any(const reg_condition_t *c);

/*
 * 1 when all of them hold of what is there: d, whose entity tag is its text in
 * quotes, or nothing, when d is NULL.  A list that cannot be read to its end,
 * or to the tag that is looked for, does not hold, in either header: who sends
 * one wants nothing to be changed by mistake.
 */
int reg_condition_holds(const reg_condition_t *c, const reg_digest_t *d);


#endif /* REG_CONDITION_H_INCLUDED */
