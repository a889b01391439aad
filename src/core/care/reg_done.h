
/*
 * What a job leaves in the store when it is done: a file
 * docker/registry/nginx/<job>.done with one line,
 *
 *   1784567890 5321 0 1200 123456789 12
 *
 * when it ended (seconds since the epoch), how long it took (ms), how many
 * problems it found, and the blobs, their bytes and the repositories that it
 * counted, or 0.  So whoever looks after the store sees what was done by
 * another process or before a restart, by hand or by cron.
 *
 * A new line takes the place of the old one at once and is not synced: what a
 * power cut makes of it is read as none.
 */


#ifndef REG_DONE_H_INCLUDED
#define REG_DONE_H_INCLUDED


#include "reg_store.h"


#define REG_DONE_GC      "gc"
#define REG_DONE_PURGE   "purge"
#define REG_DONE_SCRUB   "scrub"
#define REG_DONE_COUNT   "count"
#define REG_DONE_BACKUP  "backup"


typedef struct {
    int64_t   time;            /* seconds since the epoch, positive */
    uint64_t  took;            /* ms */
    uint64_t  problems;
    uint64_t  blobs;
    uint64_t  bytes;
    uint64_t  repositories;
} reg_done_t;


/* Leaves the line of that job. */
reg_rc_t reg_done_write(reg_store_t *s, const char *job, const reg_done_t *d,
    reg_error_t *e);

/* REG_OK and *d; REG_ABSENT when there is none, or none that makes sense. */
reg_rc_t reg_done_read(reg_store_t *s, const char *job, reg_done_t *d,
    reg_error_t *e);

/* When the line was written, in ns since the epoch: REG_OK, REG_ABSENT. */
reg_rc_t reg_done_when(reg_store_t *s, const char *job, int64_t *when,
    reg_error_t *e);


#endif /* REG_DONE_H_INCLUDED */
