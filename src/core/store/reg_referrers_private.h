
/*
 * The inside of the index of referrers: reg_referrers.c answers from it,
 * reg_referrers_mark.c tells whether it is complete, and reg_referrers_scan.c
 * makes it so.
 */


#ifndef REG_REFERRERS_PRIVATE_H_INCLUDED
#define REG_REFERRERS_PRIVATE_H_INCLUDED


#include "reg_digests.h"
#include "reg_referrers.h"


/* "<ino> <ctime>" of each algorithm's directory, or "-", a line each */
#define REG_MARK_MAX  256


/* --- reg_referrers.c --- */

/* Reads a revision of the repository; REG_ABSENT when it is none any more. */
reg_rc_t reg_referrers_load(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_buf_t *body, reg_manifest_t *m,
    reg_error_t *e);


/* --- reg_referrers_mark.c --- */

/*
 * What the directories of revisions look like, into REG_MARK_MAX bytes of
 * text; newest, which may be NULL, becomes the last of their times of change.
 */
reg_rc_t reg_referrers_mark_now(reg_store_t *s, reg_str_t name, char *text,
    int64_t *newest, reg_error_t *e);

/* What they looked like when the index was complete; -1 when it never was. */
int reg_referrers_mark_read(reg_store_t *s, reg_str_t name, char *text);
void reg_referrers_mark_write(reg_store_t *s, reg_str_t name,
    const char *text);


/* --- reg_referrers_scan.c --- */

/*
 * Makes sure that the index of a repository misses nothing, or at least that
 * found has what it misses of the subject asked for.
 */
reg_rc_t reg_referrers_complete(reg_store_t *s, const reg_op_t *op,
    reg_digests_t *found, reg_error_t *e);


#endif /* REG_REFERRERS_PRIVATE_H_INCLUDED */
