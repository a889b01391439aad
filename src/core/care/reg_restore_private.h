
/*
 * The inside of a restore: reg_restore.c goes through the entries of a backup,
 * reg_restore_closure.c finds which of them belong to one tag, and
 * reg_restore_blob.c brings content.
 */


#ifndef REG_RESTORE_PRIVATE_H_INCLUDED
#define REG_RESTORE_PRIVATE_H_INCLUDED


#include "reg_restore.h"
#include "reg_sums.h"


#define REG_RESTORE_CHUNK  (1024 * 1024)

/* bits of a digest */
#define REG_RESTORE_WANTED  1      /* by the tag that is brought back */
#define REG_RESTORE_FAILED  2      /* a manifest that did not come back */
#define REG_RESTORE_SEEN    4      /* counted in a dry run */
#define REG_RESTORE_SPARSE  8      /* a part of it is missing, as it was */
#define REG_RESTORE_FINE    16     /* a blob whose bytes were hashed */


typedef struct {
    reg_store_t           *dir;
    reg_store_t           *s;
    const reg_restore_t   *how;
    reg_restore_counts_t  *counts;
    reg_error_t           *e;
    reg_sums_t             sums;
    char                  *chunk;       /* of REG_RESTORE_CHUNK bytes */
    unsigned               more:1;      /* something was found wanted */
    unsigned               found:1;     /* the tag is there */
} reg_restore_run_t;


/* --- reg_restore_closure.c --- */

/*
 * Marks as wanted the manifest of how->tag, what a marked one refers to, and
 * what has a marked one as its subject.
 */
reg_rc_t reg_restore_closure(reg_restore_run_t *r);


/* --- reg_restore_blob.c --- */

/*
 * Brings the blobs of a manifest into its repository: REG_ABSENT,
 * REG_DIGEST_MISMATCH for one that the backup lacks or has damaged.
 */
reg_rc_t reg_restore_blobs(reg_restore_run_t *r,
    const reg_backup_entry_t *entry, reg_error_t *why);


#endif /* REG_RESTORE_PRIVATE_H_INCLUDED */
