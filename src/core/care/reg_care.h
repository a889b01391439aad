
/*
 * What all that looks after a store in the background has in common: one at
 * a time, whichever process began it, and a clock that may be wrong.
 *
 * The right to work is a lock on docker/registry/nginx/<job>; it dies with
 * its holder.  The file also is the probe of the file system's clock, which
 * is the one that dates everything else in the store, and holds two lines
 * about the last time that somebody worked: the boot, and how far that clock
 * was from the one that nobody sets (CLOCK_BOOTTIME); and when he began, and
 * came to an end.
 *
 * When the clock was set forwards since, what was changed just before looks
 * old.  The jump is then added to every age that is asked for, as long as it
 * can matter, so that nothing goes earlier than it would have gone.  When it
 * was set back, what was changed before looks younger than it is, which does
 * no harm.  Two things cannot be seen: a clock that was wrong across a reboot,
 * and one that was set forth and back between two looks.
 */


#ifndef REG_CARE_H_INCLUDED
#define REG_CARE_H_INCLUDED


#include "reg_store.h"
#include "reg_time.h"


#define REG_CARE_BOOT    36


/* The last time; in ns of the file system's clock. */
typedef struct {
    int64_t       began;
    int64_t       done;        /* when somebody last came to an end; or 0 */
    unsigned      unfinished;  /* those who have begun since, and did not */
} reg_care_last_t;


typedef struct {
    reg_store_t  *s;
    const char   *path;
    int           fd;          /* -1: not begun */
    unsigned      dry:1;       /* set before: this does not count */
    reg_care_last_t  last;     /* this one included */
    char          boot[REG_CARE_BOOT + 1];
    int64_t       now;         /* of the file system, ns since the epoch */
    int64_t       offset;      /* of that from the steady clock, at begin() */
    int64_t       jumped;      /* steady time when a jump was last seen */
    int64_t       jump;        /* by how much; 0: none */

    /* the steady clock, in ns; the tests have their own */
    int64_t     (*steady)(void);
} reg_care_t;


/*
 * Begins to work.  path is that of the lock file.  REG_OK; REG_ABSENT when
 * somebody else is at it; or an error.  c->steady and c->dry may be set, all
 * else is filled here.
 */
reg_rc_t reg_care_begin(reg_care_t *c, reg_store_t *s, const char *path,
    reg_error_t *e);

/*
 * Looks at the clock: c->now.  REG_INTERNAL with a sentence in e when it was
 * set back since begin(), by half a second or more.
 */
reg_rc_t reg_care_look(reg_care_t *c, reg_error_t *e);

/* The time before which something changed that is older than age, in ns. */
int64_t reg_care_before(const reg_care_t *c, int64_t age);

/* The work has come to its end, which is noted. */
void reg_care_done(reg_care_t *c);

/* c may be one that was not begun. */
void reg_care_end(reg_care_t *c);

/*
 * When somebody worked last, or is at work: REG_OK; REG_ABSENT, never; or an
 * error.  Who left no such line has come to an end when the file was changed;
 * and who dates that back may do so.  fast
 */
reg_rc_t reg_care_last(reg_store_t *s, const char *path,
    reg_care_last_t *last, reg_error_t *e);

/*
 * Opens a file of ours for reading and writing, and makes it.  One that is
 * another file, too, is refused: it is written to, perhaps by the superuser,
 * and who may write in the store may have put it there.
 */
reg_rc_t reg_care_file(reg_store_t *s, const char *path, int *fd,
    reg_error_t *e);

/* A monotonic clock in us, for limits. */
int64_t reg_care_us(void);


#endif /* REG_CARE_H_INCLUDED */
