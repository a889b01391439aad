
/*
 * The purge: upload sessions that nobody goes on with, and files that were
 * left behind by processes which were killed.
 *
 * A session is idle since the newest change of any of its files.  It is
 * removed by who holds its lock, which is that of a request writing to it, or
 * ending it: so one that is busy stays, however slow it is, and the age is
 * looked at once more under the lock.  Who opens the session next gets
 * REG_UPLOAD_UNKNOWN; who had its directory open finds it gone.  What has no
 * data file is no session, and goes when it is as old.
 *
 * Killed at any call it leaves nothing that the next purge does not find: a
 * session is moved to the trash whole.
 */


#ifndef REG_PURGE_H_INCLUDED
#define REG_PURGE_H_INCLUDED


#include "reg_care.h"
#include "reg_walk.h"


/* held by who does it; tells of the last time, see reg_care_last() */
#define REG_PURGE_LOCK  REG_LAYOUT_OWN "/purge"

/* a temporary or a spare that old has no owner any more, in seconds */
#define REG_PURGE_LEFT  (24 * 3600)


typedef struct {
    uint64_t  repositories;
    uint64_t  sessions;         /* seen */
    uint64_t  purged;           /* of these */
    uint64_t  bytes;            /* of these */
    uint64_t  busy;             /* idle by their files, but open */
    uint64_t  calls;            /* roughly, of the file system */
} reg_purge_counts_t;


typedef struct {
    int64_t    idle;            /* seconds; negative: leave sessions alone */
    unsigned   dry:1;           /* tell, but change nothing */
    int64_t  (*steady)(void);   /* see reg_care_t; NULL */

    /* Told of each session that goes, before it does; may be NULL. */
    void     (*gone)(void *data, const char *path, uint64_t size,
                     int64_t idle);
    void      *data;
} reg_purge_how_t;


typedef struct {
    reg_store_t            *s;
    const reg_purge_how_t  *how;
    reg_purge_counts_t      counts;
    reg_care_t              care;
    reg_walk_t              walk;
    reg_names_list_t        sessions;
    unsigned                swept:1;       /* of temporaries */
    unsigned                done:1;
} reg_purge_t;


/*
 * Begins: REG_OK; REG_ABSENT when somebody else purges this store; or an
 * error.  After any, reg_purge_end() is allowed, and after REG_OK due.
 */
reg_rc_t reg_purge_begin(reg_purge_t *p, reg_store_t *s,
    const reg_purge_how_t *how, reg_error_t *e);

/* A piece of the work: one session or less.  p->done after the last. */
reg_rc_t reg_purge_step(reg_purge_t *p, reg_error_t *e);

void reg_purge_end(reg_purge_t *p);


#endif /* REG_PURGE_H_INCLUDED */
