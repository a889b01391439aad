
/*
 * Counts what a store holds: blobs, their bytes, repositories.  In steps, of
 * one directory or one blob, so that whoever calls may go as slowly as he
 * likes.  Nothing is locked and nothing is changed; what is pushed or removed
 * meanwhile may be counted or not.
 *
 * Every blob that has a file counts, whether a repository links it or not:
 * that is what the disk is full of.  The bytes are those of the content.
 */


#ifndef REG_COUNT_H_INCLUDED
#define REG_COUNT_H_INCLUDED


#include "reg_care.h"
#include "reg_walk.h"


/* held by who does it, and changed whenever somebody does */
#define REG_COUNT_LOCK    REG_LAYOUT_OWN "/count"

/* directories below blobs/: the algorithm, two digits, the digest */
#define REG_COUNT_LEVELS  3


typedef struct {
    reg_store_t       *s;
    reg_care_t         care;
    reg_walk_t         walk;
    reg_names_list_t   lists[REG_COUNT_LEVELS];
    reg_path_t         paths[REG_COUNT_LEVELS];   /* of which each is one */
    unsigned           level;
    unsigned           begun:1;
    unsigned           done:1;
    uint64_t           blobs;
    uint64_t           bytes;
    uint64_t           repositories;
    uint64_t           calls;          /* roughly, of the file system */
} reg_count_t;


/*
 * Begins: REG_OK; REG_ABSENT when somebody else counts this store; or an
 * error.  After any, reg_count_end() is allowed, and after REG_OK due.
 */
reg_rc_t reg_count_begin(reg_count_t *c, reg_store_t *s, reg_error_t *e);

/* A piece of the work; c->done after the last. */
reg_rc_t reg_count_step(reg_count_t *c, reg_error_t *e);

void reg_count_end(reg_count_t *c);


#endif /* REG_COUNT_H_INCLUDED */
