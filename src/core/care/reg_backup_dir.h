
/*
 * A directory of backups:
 *
 *   backups/<id>.json             the listing of each, see reg_backup.h
 *   blobs/<alg>/<2 hex>/<hex>     content, once for all of them
 *   lock                          whoever writes holds it alone
 *   docker/registry/nginx/        temporaries; what a killed call leaves there
 *                                 is removed by the next
 *
 * It is opened as a store, reg_store_open(), for the sake of its driver: files
 * appear whole and on disk, and no symbolic link is followed.  The name of a
 * listing comes last, so that a backup is there when all of it is.
 */


#ifndef REG_BACKUP_DIR_H_INCLUDED
#define REG_BACKUP_DIR_H_INCLUDED


#include "reg_backup.h"
#include "reg_json.h"
#include "reg_names.h"


/*
 * Locks a directory for reading or, alone, for writing; 0 seconds are waited.
 * REG_BUSY when somebody else has it.  *fd, or -1 where nothing can be written,
 * is closed by the caller.
 */
reg_rc_t reg_backup_lock(reg_store_t *dir, reg_lock_e mode, int *fd,
    reg_error_t *e);


/* --- making one ---------------------------------------------------------- */

typedef struct reg_backup_pool_s  reg_backup_pool_t;

/*
 * A sink that adds to a directory.  What is there already is not touched, but
 * hashed with verify set, and replaced when it is damaged.  Without copy set, a
 * new blob is a reflink where both are on one file system that has them, else a
 * hard link; and only else a copy, which is hashed as it is made.
 */
typedef struct {
    unsigned  verify:1;
    unsigned  copy:1;
} reg_backup_how_t;

/* The caller has locked dir alone: temporaries of others are removed. */
reg_rc_t reg_backup_pool_open(reg_backup_pool_t **pool, reg_store_t *dir,
    const reg_backup_how_t *how, reg_error_t *e);
void reg_backup_pool_close(reg_backup_pool_t *pool);

extern const reg_backup_sink_t  reg_backup_pool;      /* ctx: the pool */

/* Hashes a file of a store: REG_OK, REG_DIGEST_MISMATCH, REG_ABSENT. */
reg_rc_t reg_backup_hash(reg_store_t *s, const char *path,
    const reg_digest_t *d, uint64_t *size, reg_error_t *e);


/* --- reading ------------------------------------------------------------- */

void reg_backup_path(reg_path_t *p, const reg_digest_t *d);

/* An id for a new backup, which stands behind those there are. */
reg_rc_t reg_backup_new_id(reg_store_t *dir, int64_t now, char *id,
    reg_error_t *e);

/*
 * *there is 1 for a directory of backups, be it one in which the first was
 * killed before it had a name.
 */
reg_rc_t reg_backup_there(reg_store_t *dir, int *there, reg_error_t *e);

/* The ids of all backups, oldest first.  None, or no directory: REG_OK. */
reg_rc_t reg_backup_ids(reg_store_t *dir, reg_names_t *ids, reg_error_t *e);

typedef struct {
    uint64_t  repositories;
    uint64_t  manifests;
    uint64_t  tags;
    uint64_t  blobs;
    uint64_t  left_out;
    uint64_t  named;            /* of these; an old backup names none */
} reg_backup_info_t;

/* One entry; slices and the tree live until fn returns. */
typedef struct {
    reg_str_t      repository;
    reg_str_t      tag;             /* or empty */
    unsigned       has_manifest:1;
    reg_digest_t   manifest;
    unsigned       incomplete:1;
    unsigned       has_subject:1;
    reg_digest_t   subject;
    const json_t  *blobs;           /* arrays of digests, of a manifest */
    const json_t  *manifests;
    reg_str_t      left_out;        /* a tag or digest that is not in it, or
                                       empty; NUL-terminated, as is why */
    reg_str_t      why;
} reg_backup_entry_t;

typedef reg_rc_t (*reg_backup_entry_pt)(void *ctx,
    const reg_backup_entry_t *entry);

/*
 * Reads a listing: checks that it is whole, then calls fn, which may be NULL,
 * for each entry, or for those of one repository, unless only is empty.
 * REG_ABSENT; REG_DIGEST_MISMATCH when it was cut off or changed.
 */
reg_rc_t reg_backup_list(reg_store_t *dir, const char *id, reg_str_t only,
    reg_backup_entry_pt fn, void *ctx, reg_backup_info_t *info,
    reg_error_t *e);


/* --- looking after them -------------------------------------------------- */

/* id names one backup that needs it, or the damaged listing itself. */
typedef void (*reg_backup_bad_pt)(void *ctx, const char *id,
    const char *what, const char *why);

/*
 * Hashes all that the backups name, each blob once, or with an id what that one
 * does.  REG_OK when all was looked at; *bad counts what is damaged or missing.
 * tick may be NULL.
 */
reg_rc_t reg_backup_verify(reg_store_t *dir, const char *id,
    reg_backup_bad_pt fn, void (*tick)(void *ctx, uint64_t bytes), void *ctx,
    uint64_t *bad, reg_error_t *e);

typedef struct {
    uint64_t  backups;
    uint64_t  blobs;
    uint64_t  bytes;
} reg_backup_freed_t;

/*
 * Removes backups but the newest keep ones and those that are younger than
 * that many seconds (0: no such rule); the newest always stays.  Then removes
 * the blobs that none names.  A listing that cannot be read stops it:
 * REG_DIGEST_MISMATCH, and nothing was removed.
 */
reg_rc_t reg_backup_prune(reg_store_t *dir, unsigned keep, int64_t seconds,
    int64_t now, reg_backup_freed_t *freed, reg_error_t *e);


#endif /* REG_BACKUP_DIR_H_INCLUDED */
