
/* What the files of an upload session share: reg_upload*.c. */


#ifndef REG_UPLOAD_PRIVATE_H_INCLUDED
#define REG_UPLOAD_PRIVATE_H_INCLUDED


#include "reg_fs.h"
#include "reg_upload.h"


/* read, or written and hashed, at a time, so that it stays in the cache */
#define REG_UPLOAD_PIECE  (256 * 1024)


struct reg_upload_s {
    reg_store_t     *s;
    int              dir;             /* of the session */
    int              fd;              /* data in it, locked */

    uint64_t         offset;          /* bytes received */
    uint64_t         written;         /* of these in the file */
    uint64_t         begun;           /* of these on their way to the disk */
    uint64_t         saved;           /* of these promised */
    reg_hash_t       hash;            /* at offset */
    reg_hash_t       promise;         /* at saved */

    char            *small;           /* from written to offset, or NULL */
    unsigned         large:1;         /* written at once, goes by states */
    unsigned         stated:1;        /* there is a state of saved */
    unsigned         states:1;        /* there is a directory of states */
    unsigned         failed:1;
    unsigned         gone:1;          /* the session was removed */

    reg_path_t       path;            /* of dir */
    char             name[REG_NAME_MAX + 1];
    char             id[REG_UUID_LEN + 1];
};


/* --- reg_upload_open.c --- */

/* Hashes the first size bytes of a file, or those there are. */
reg_rc_t reg_upload_reread(int fd, uint64_t size, reg_hash_t *h,
    const char *path, reg_error_t *e);


/* --- reg_upload.c --- */

/* Writes what waits in memory; it is hashed already. */
reg_rc_t reg_upload_flush(reg_upload_t *u, reg_error_t *e);

/* Syncs the data; a failure ends the session. */
reg_rc_t reg_upload_sync(reg_upload_t *u, reg_error_t *e);

/* Returns rc, after an error: the file becomes as long as it was promised. */
reg_rc_t reg_upload_fail(reg_upload_t *u, reg_rc_t rc);


/* --- reg_upload_commit.c --- */

/*
 * Takes a session away at once, also from somebody who has it open; up is the
 * directory that its path stands in, open.
 */
reg_rc_t reg_upload_drop(reg_store_t *s, int up, const char *path,
    reg_error_t *e);

/* REG_ABSENT when the file that is locked is not the session's any more. */
reg_rc_t reg_upload_current(const reg_upload_t *u, reg_error_t *e);

/* Ends a session whose data cannot be trusted any more. */
void reg_upload_distrust(reg_upload_t *u);

/* REG_ABSENT becomes REG_UPLOAD_UNKNOWN. */
reg_rc_t reg_upload_unknown(reg_rc_t rc, reg_error_t *e);


/* --- reg_upload_create.c --- */

/*
 * Whether the session whose directory is path is where it was made: ENOENT
 * when its repository was deleted meanwhile.
 */
reg_rc_t reg_upload_there(reg_fs_t *fs, const reg_path_t *path,
    reg_error_t *e);


/* --- reg_upload_state.c: hashstates/<alg>/<offset> --- */

typedef struct {
    reg_hash_t  hash;         /* as it was at offset */
    uint64_t    offset;       /* 0 without a state: the hash is fresh */
    unsigned    any:1;        /* there is such a directory at all */
    unsigned    damaged:1;    /* and a file in it that should have been one,
                                 or is one of more than there is */
} reg_upload_state_t;


/*
 * Finds the newest state that can be read and that lies within size bytes of
 * data, in the session that is open as dir and has that path.  Without one the
 * algorithm of the fresh hash is sha512 if a state of its offset 0 is there.
 */
reg_rc_t reg_upload_state_load(reg_store_t *s, int dir, const char *path,
    uint64_t size, reg_upload_state_t *state, reg_error_t *e);

/*
 * Writes the state of h, unsynced, into the session that is open as dir and
 * has, or had, that path; with clean set the older ones go.
 */
reg_rc_t reg_upload_state_save(reg_store_t *s, int dir, const char *path,
    const reg_hash_t *h, int clean, reg_error_t *e);


/* --- reg_upload_short.c --- */

/*
 * Notes upon the inode what a short upload shall hold, before it does: the
 * data that h has hashed.
 */
void reg_upload_short_note(int fd, const reg_hash_t *h, reg_str_t data);

/*
 * Hashes the size bytes of a short upload without a state into h, which then
 * tells by its length how many of them count: all, or none when they are not
 * what was noted.
 */
reg_rc_t reg_upload_short_load(int fd, const reg_upload_state_t *state,
    uint64_t size, reg_hash_t *h, const char *path, reg_error_t *e);


#endif /* REG_UPLOAD_PRIVATE_H_INCLUDED */
