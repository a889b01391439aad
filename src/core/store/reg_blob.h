
/* Blobs of a repository: found, opened, mounted, deleted. */


#ifndef REG_BLOB_H_INCLUDED
#define REG_BLOB_H_INCLUDED


#include "reg_store.h"


/* most repositories looked at for a mount that names no source */
#define REG_MOUNT_SEARCH_MAX   2000


/*
 * Finds the blob that a repository knows under that digest.  *target is where
 * its bytes are stored: the same digest, or the canonical one when distribution
 * wrote an alias.  *leased, unless it is NULL, is when its lease was renewed
 * last, in ns since the epoch.  REG_BLOB_UNKNOWN when there is no link.  fast
 */
reg_rc_t reg_blob_find(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_digest_t *target, int64_t *leased, reg_error_t *e);

/*
 * Renews that lease, if it is older than so many ns, before somebody is told
 * that the blob is there: REG_OK, REG_BLOB_UNKNOWN.  Where the store cannot be
 * written to, nobody collects, and there is nothing to renew.
 */
reg_rc_t reg_blob_lease(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, int64_t older, reg_error_t *e);

/*
 * Opens the bytes of a found blob; REG_BLOB_UNKNOWN when they are gone, or
 * when some of them are (see reg_fs_mark()). fast
 */
reg_rc_t reg_blob_open(reg_store_t *s, const reg_digest_t *target,
    reg_file_t *f, reg_error_t *e);

/*
 * The size in bytes of what reg_blob_open() would open, and the same errors,
 * upon which *size stays as it is. fast
 */
reg_rc_t reg_blob_size(reg_store_t *s, const reg_digest_t *target,
    uint64_t *size, reg_error_t *e);

/*
 * What reg_blob_open() looks at, for a file of a local store that was opened
 * earlier: REG_OK, REG_BLOB_UNKNOWN, REG_STORAGE. fast
 */
reg_rc_t reg_blob_check(reg_store_t *s, const reg_digest_t *target, int fd,
    reg_error_t *e);

/* 1 when link and bytes are there, 0 when not, -1 after an error. */
int reg_blob_exists(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_error_t *e);

/* REG_OK when all bytes are stored under that digest, REG_ABSENT when not. */
reg_rc_t reg_blob_stored(reg_store_t *s, const reg_digest_t *target,
    reg_error_t *e);

/* Links stored bytes into a repository, durably. */
reg_rc_t reg_blob_link(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_error_t *e);

/* 1 when the user may pull from that repository. */
typedef int (*reg_may_pull_pt)(void *ctx, reg_str_t name);

/*
 * Mounts: links a blob of repository from into name.  With an empty from some
 * repository that may_pull (NULL: all) allows and that holds the blob is
 * looked for, among REG_MOUNT_SEARCH_MAX at the most; it is written to found,
 * which is NULL or has room for REG_NAME_MAX + 1 bytes, and becomes "" where
 * the blob was in name itself before.  REG_OK, or REG_BLOB_UNKNOWN: the caller
 * then begins an upload.
 */
reg_rc_t reg_blob_mount(reg_store_t *s, reg_str_t name, reg_str_t from,
    const reg_digest_t *d, reg_may_pull_pt may_pull, void *ctx, char *found,
    reg_error_t *e);

/* Takes the blob out of this repository; its bytes stay for the collector. */
reg_rc_t reg_blob_delete(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_error_t *e);


#endif /* REG_BLOB_H_INCLUDED */
