
/*
 * How much the repositories of a store hold.
 *
 * A repository holds a blob that it has a link to, as a layer or as a manifest:
 * this is what a collector goes by.  Each counts once in it (logical), and is
 * held by it alone (exclusive) or by others as well.  Bytes are those of the
 * content; what the file system adds is not counted.
 *
 * Nothing is locked.  What is pushed or deleted meanwhile may be counted or
 * not.
 */


#ifndef REG_USAGE_H_INCLUDED
#define REG_USAGE_H_INCLUDED


#include "reg_store.h"
#include "reg_sums.h"


typedef struct {
    reg_str_t  name;
    uint64_t   tags;
    uint64_t   manifests;
    uint64_t   blobs;             /* manifests included */
    uint64_t   logical;
    uint64_t   exclusive;         /* of a whole store alone */
} reg_usage_t;


typedef struct {
    uint64_t  repositories;
    uint64_t  blobs;              /* linked ones */
    uint64_t  stored;             /* bytes of these, each once */
    uint64_t  logical;            /* the sum over all repositories */
    uint64_t  exclusive;
    uint64_t  unlinked;           /* blobs that no repository links */
    uint64_t  unlinked_bytes;
} reg_usage_total_t;


/* Anything but REG_OK ends the walk with it.  name is borrowed. */
typedef reg_rc_t (*reg_usage_pt)(void *ctx, const reg_usage_t *u);

/*
 * Counts one repository; sums is empty, or was used for another one, and stays
 * the caller's.  name is borrowed by u.  A repository that is not there has
 * nothing.
 */
reg_rc_t reg_usage_one(reg_store_t *s, reg_str_t name, reg_sums_t *sums,
    reg_usage_t *u, reg_error_t *e);

/*
 * Counts a whole store, then calls fn for each repository, by name.  Needs some
 * 64 bytes a blob and 64 and its name a repository.  tick, which may be NULL,
 * is called now and then with the number of repositories looked at.
 */
reg_rc_t reg_usage_all(reg_store_t *s, reg_usage_pt fn,
    void (*tick)(void *ctx, uint64_t n), void *ctx, reg_usage_total_t *total,
    reg_error_t *e);


#endif /* REG_USAGE_H_INCLUDED */
