
/*
 * A backup of a store that goes on serving.
 *
 * No lock is taken.  What a manifest names never changes, for the names are
 * digests, so a manifest that was read, and all that it refers to, make a whole
 * whenever they were read.  A manifest counts when all of that was copied.  If
 * a part is not there any more, the manifest is looked for once more: when it
 * is gone as well, somebody deleted it, and it is left out with its tags; when
 * it stays, the store is damaged, and it is left out and told.  A tag whose
 * manifest went away is read again: it may name another one by now.
 *
 * So at each moment of the backup a tag had the manifest that it has in it, or
 * was made or removed meanwhile.  There is no one moment for all tags.
 *
 * A listing tells what a backup holds: a JSON document, one line for each
 * entry,
 *
 *   {"nginx_registry_backup":1,"id":"...","created":"...","contents":[
 *   {"repository":"a/b"},
 *   {"repository":"a/b","manifest":"sha256:...","mediaType":"...","size":1,
 *       "manifests":[...],"blobs":[...],"subject":"sha256:..."},     (one line)
 *   {"repository":"a/b","tag":"v1","manifest":"sha256:..."}
 *   {"repository":"a/b","left_out":"v2","why":"..."}
 *   ],
 *   "counts":{...},"digest":"sha256:..."}
 *
 * and "incomplete":true where a part of a manifest was missing, if that is
 * allowed; the parts of a manifest before it, manifests before tags.  What was
 * left out for damage, a tag or a digest, is named, so that a restore can tell
 * (backups that are older than that have the number alone).  The digest is that
 * of all lines before the last: what was cut off or changed is seen.
 */


#ifndef REG_BACKUP_H_INCLUDED
#define REG_BACKUP_H_INCLUDED


#include "reg_store.h"


/* "20261231T235959Z", and "-002" behind it and so on in the same second */
#define REG_BACKUP_ID    31

/* a line of a listing is not longer */
#define REG_BACKUP_LINE  (64 * 1024 * 1024)


typedef struct {
    uint64_t  repositories;
    uint64_t  manifests;
    uint64_t  tags;
    uint64_t  blobs;             /* named, manifests included, each once */
    uint64_t  copied;            /* of these, those that were not there yet */
    uint64_t  copied_bytes;
    uint64_t  linked;            /* of the copied, those without a copy */
    uint64_t  left_out;          /* manifests and tags, for damage */
} reg_backup_counts_t;


/* Where a backup goes.  Its own errors are marked by reg_backup_error(). */
typedef struct {

    /*
     * Takes the bytes of a digest; path is below the root of s.  REG_OK, and
     * counts tells whether they were there already; REG_ABSENT: they are not in
     * the store any more; REG_DIGEST_MISMATCH: they are damaged.  Is called
     * once for each digest.
     */
    reg_rc_t  (*blob)(void *ctx, reg_store_t *s, const char *path,
                      const reg_digest_t *d, reg_backup_counts_t *counts,
                      reg_error_t *e);

    /* Opens a file for the listing; finish() follows unless the backup
       failed. */
    reg_rc_t  (*listing)(void *ctx, int *fd, reg_error_t *e);

    /* All blobs were taken and the listing is whole: makes it a backup. */
    reg_rc_t  (*finish)(void *ctx, const char *id, reg_error_t *e);
} reg_backup_sink_t;


typedef struct {
    const char               *id;
    int64_t                   now;         /* seconds since the epoch */
    unsigned                  sparse:1;    /* what manifests refer to may be
                                              missing */
    const reg_backup_sink_t  *sink;
    void                     *ctx;         /* of sink */

    void                     *data;        /* of the calls below */

    /* A manifest or tag was left out; why is a sentence.  May be NULL. */
    void  (*left_out)(void *data, reg_str_t name, const char *what,
                      const char *why);

    /* Called often; may be NULL. */
    void  (*tick)(void *data, const reg_backup_counts_t *c);
} reg_backup_t;


/*
 * Makes a backup.  REG_OK when it is whole but for what was left out; anything
 * else: there is no new backup.  Needs some 64 bytes of memory a blob of the
 * store, and as many a manifest of the largest repository.
 */
reg_rc_t reg_backup(reg_store_t *s, const reg_backup_t *how,
    reg_backup_counts_t *counts, reg_error_t *e);

/*
 * Says that a call to where a backup is or goes failed, and no call to the
 * store: whoever reads the message looks after the right disk.  Returns rc; e
 * may be NULL.
 */
reg_rc_t reg_backup_error(reg_error_t *e, reg_rc_t rc);

/* The id of a backup made at that time; out has REG_BACKUP_ID + 1 bytes. */
void reg_backup_id(char *out, int64_t now, unsigned again);

/* 1 when it could have been made by that. */
int reg_backup_id_valid(reg_str_t id);


#endif /* REG_BACKUP_H_INCLUDED */
