
/*
 * Whether anybody needed a manifest of a repository since the collector looked.
 *
 * The collector decides about many connected manifests, and cannot look at the
 * leases of all of them each time that it has the store's lock.  It notes upon
 * the file of that lock which repository is quiet instead, looks at the leases
 * while others go on, and then finds its note again under the lock, or does
 * not.  Whoever renews the lease of a manifest, or makes one, takes the note
 * away before, if it is there: one fstat() of a file that is open anyway.
 *
 * The note is made with the lock had alone, and taken away with the lock
 * shared.  So nobody is between the two when it is made, and as long as it is
 * there no lease was renewed since, however fast, and whatever the clocks say.
 * Who is killed before he renews has disturbed the collector in vain, and what
 * a collector that is killed leaves means nothing to the next one.
 *
 * A tag that is taken off needs none of this: it was seen by the collector, or
 * has renewed the lease before that began to look.
 *
 * The note is the size of the file, a hash of the name: that needs no block of
 * a disk that is full.  Of two repositories with the same hash one disturbs the
 * other, which does no harm.  A file that reg_fs_ours() does not know as such
 * is left alone: EMLINK.
 *
 * lock is the handle of the store's lock.
 */


#ifndef REG_QUIET_H_INCLUDED
#define REG_QUIET_H_INCLUDED


#include "reg_store.h"


/* With the lock had alone: from now on it is quiet there. */
reg_rc_t reg_quiet_begin(reg_store_t *s, int lock, reg_str_t name,
    reg_error_t *e);

/* With the lock had alone: *quiet is 1 when it has been since. */
reg_rc_t reg_quiet_look(int lock, reg_str_t name, int *quiet,
    reg_error_t *e);

/* With the lock shared, before the lease of a manifest is renewed. */
reg_rc_t reg_quiet_end(reg_store_t *s, int lock, reg_str_t name,
    reg_error_t *e);


#endif /* REG_QUIET_H_INCLUDED */
