
/*
 * Leases: how old the answer is that something is there.
 *
 * Who was told that a repository has a blob, or a manifest, may go on to name
 * it in a manifest.  Until then nothing refers to it, and what nothing refers
 * to is garbage.  The time of change of its link is therefore renewed by every
 * answer that may be relied upon (an upload's 201, a mount, HEAD), and by the
 * commit of a manifest for all that it names; for the bytes of a blob the same
 * holds of their directory.  reg_gc.h tells what the collector makes of it.
 *
 * A lease that a 201 renews is on disk before it, as is all that it tells of.
 * That of HEAD is not waited for: behind a power cut what it told of may be
 * collected, and a manifest that names it is refused then.
 *
 * The times are those of the file system's clock.
 */


#ifndef REG_LEASE_H_INCLUDED
#define REG_LEASE_H_INCLUDED


#include "reg_store.h"
#include "reg_time.h"


/*
 * A lease younger than this need not be renewed, in ns.  The collector gives
 * everything more time than that.
 */
#define REG_LEASE_FRESH   REG_TIME_SECOND


/*
 * Renews what stands at path, a file or a directory, if it is older than the
 * given ns: REG_OK, REG_ABSENT, or why that could not be done, in e.
 */
reg_rc_t reg_lease_renew(reg_store_t *s, const char *path, int64_t older,
    reg_error_t *e);

/* The same with the reading of a link, of which it is the lease. */
reg_rc_t reg_lease_link(reg_store_t *s, const char *path, int64_t older,
    reg_digest_t *d, reg_error_t *e);

/*
 * The same for somebody who is told that what it leads to is there: under the
 * shared lock, without which the collector may have looked at it already.
 * Where the store cannot be written to, nobody collects, and REG_OK it is.
 * For the link of a manifest name is that of its repository, which is not quiet
 * any more, see reg_quiet.h; for others it is a null string.
 */
reg_rc_t reg_lease_locked(reg_store_t *s, reg_str_t name, const char *path,
    int64_t older, reg_error_t *e);

/* Renews the directory that the bytes of a blob are in. */
reg_rc_t reg_lease_blob(reg_store_t *s, const reg_digest_t *d,
    reg_error_t *e);

/* 1 when a lease of that time is older than the given ns.  fast */
int reg_lease_old(int64_t mtime, int64_t older);


#endif /* REG_LEASE_H_INCLUDED */
