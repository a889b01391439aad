
/*
 * Brings content back from a directory of backups, into a store that may be
 * serving: blobs go through upload sessions, manifests through
 * reg_manifest_put(), so that everything is checked, locked and synced as a
 * push would be, tags last.  Whatever is there stays: nothing is removed.
 *
 * A restore that was killed is made whole by another one.
 */


#ifndef REG_RESTORE_H_INCLUDED
#define REG_RESTORE_H_INCLUDED


#include "reg_backup_dir.h"


typedef struct {
    uint64_t  repositories;
    uint64_t  manifests;        /* that belong to what was asked for */
    uint64_t  tags;
    uint64_t  blobs;            /* brought back: they were not there */
    uint64_t  bytes;            /* of these */
    uint64_t  moved;            /* of the tags, those that named something
                                   else */
    uint64_t  kept;             /* tags that name something else and stay */
    uint64_t  incomplete;       /* manifests that lack a part, as they did when
                                   the backup was made, which was allowed */
    uint64_t  failed;           /* manifests and tags, with those that the
                                   backup had to leave out */
    uint64_t  unnamed;          /* more of these, of which it does not say
                                   which */
} reg_restore_counts_t;


typedef struct {
    const char  *id;            /* of the backup */
    reg_str_t    only;          /* this repository, or empty: all that want()
                                   says */
    reg_str_t    tag;           /* this tag of it, with all that belongs to it:
                                   children, referrers; or empty */
    time_t       now;
    unsigned     dry:1;         /* count, and change nothing */
    unsigned     verify:1;      /* hash what is there, replace what is bad */
    unsigned     keep_tags:1;   /* a tag that names something else stays */

    void        *data;          /* of the calls below */

    /* 1 when that repository is wanted; NULL: all are. */
    int        (*want)(void *data, reg_str_t name);

    /* A manifest or tag could not be brought back, or was damaged when the
       backup was made; may be NULL. */
    void       (*failed)(void *data, reg_str_t name, const char *what,
                         const char *why);

    /*
     * A tag that named something else by now names again what it did, or would
     * in a dry run; may be NULL.
     */
    void       (*moved)(void *data, reg_str_t name, reg_str_t tag,
                        const reg_digest_t *from, const reg_digest_t *to);

    /* Called often; may be NULL. */
    void       (*tick)(void *data, const reg_restore_counts_t *c);
} reg_restore_t;


/*
 * REG_OK, whatever failed for damage, in the backup or before it was made, is
 * in the counts; REG_ABSENT when there is no such backup, REG_DIGEST_MISMATCH
 * when its listing is damaged; or what else went wrong.
 */
reg_rc_t reg_restore(reg_store_t *dir, reg_store_t *s,
    const reg_restore_t *how, reg_restore_counts_t *counts, reg_error_t *e);


#endif /* REG_RESTORE_H_INCLUDED */
