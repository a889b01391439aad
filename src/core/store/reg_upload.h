
/*
 * Upload sessions: _uploads/<uuid>/ of a repository.
 *
 *   created   startedat and an empty data file; a session of sha512 also has
 *             hashstates/sha512/0, which is how it knows its algorithm
 *   open      one process holds the lock on data and appends: bytes are
 *             hashed as they are written
 *   saved     data is synced up to the offset and hashstates/<alg>/<offset>
 *             holds the running hash; older states are gone.  The first at
 *             most REG_UPLOAD_SMALL bytes are written and nothing more: the
 *             file holds none that was not saved, and who opens it next
 *             hashes them again.  They get their state when more is to come
 *   closed    what was appended after the last save does not count: the next
 *             open cuts the file there
 *   committed the data file has become a blob, the directory is gone
 *
 * The offset of a session is that of the newest readable hash state that the
 * file is long enough for.  Without one it is the length of a data file of at
 * most REG_UPLOAD_SMALL bytes, and 0 for a longer one and for one whose states
 * a power cut has emptied.  States are distribution's own (see
 * reg_hash_save()), so sessions can change hands in both directions.  A state
 * of a short file, or one that says less than the file holds, is checked
 * against the data: it may be one that distribution got wrong.
 *
 * A failed fsync() ends the session: it is removed.
 */


#ifndef REG_UPLOAD_H_INCLUDED
#define REG_UPLOAD_H_INCLUDED


#include "reg_store.h"

#include <sys/uio.h>
#include <time.h>


/* so little is cheaper to hash twice than to save a state for */
#define REG_UPLOAD_SMALL   (64 * 1024)


typedef struct reg_upload_s  reg_upload_t;


/*
 * Makes a session.  id has room for REG_UUID_LEN + 1 bytes, and is filled; for
 * create_as() it is one that reg_uuid_make() has filled.
 */
reg_rc_t reg_upload_create(reg_store_t *s, reg_str_t name, reg_alg_e alg,
    time_t now, char *id, reg_error_t *e);
reg_rc_t reg_upload_create_as(reg_store_t *s, reg_str_t name, reg_alg_e alg,
    time_t now, const char *id, reg_error_t *e);

/*
 * Opens a session for writing.  REG_UPLOAD_UNKNOWN, REG_UPLOAD_BUSY (another
 * request holds it).  The caller owns *u: reg_upload_close().
 */
reg_rc_t reg_upload_open(reg_upload_t **u, reg_store_t *s, reg_str_t name,
    reg_str_t id, reg_error_t *e);

/* Releases the lock; u may be NULL.  Does not wait for the disk. */
void reg_upload_close(reg_upload_t *u);

/* Bytes received so far, those not saved yet included. */
uint64_t reg_upload_offset(const reg_upload_t *u);

/* When bytes were written last, by whichever process; or 0. */
time_t reg_upload_changed(const reg_upload_t *u);

/*
 * Tells the algorithm of the closing digest before bytes arrive.  Without
 * effect once there are some; commit() then reads the data again.
 */
void reg_upload_expect(reg_upload_t *u, reg_alg_e alg);

/* Writes and hashes.  After an error the session may only be closed. */
reg_rc_t reg_upload_append(reg_upload_t *u, const struct iovec *iov, int n,
    reg_error_t *e);

/*
 * append() of a long upload by two threads at once: of the same bytes one
 * calls write(), the other hash().  Both have returned before anything else is
 * called.  1 when that can be done: there are REG_UPLOAD_SMALL bytes already.
 */
int reg_upload_splits(const reg_upload_t *u);
reg_rc_t reg_upload_write(reg_upload_t *u, const struct iovec *iov, int n,
    reg_error_t *e);
void reg_upload_hash(reg_upload_t *u, const struct iovec *iov, int n);

/* Makes the offset a promise; what the 202 of a PATCH needs. */
reg_rc_t reg_upload_save(reg_upload_t *u, reg_error_t *e);

/*
 * Gives back the space of what was appended and not saved.  The session may
 * only be closed then.
 */
void reg_upload_undo(reg_upload_t *u);

/*
 * Ends the session: compares, syncs, stores, links, in that order.  After
 * REG_OK and REG_DIGEST_MISMATCH the session is gone.
 */
reg_rc_t reg_upload_commit(reg_upload_t *u, const reg_digest_t *d,
    reg_error_t *e);

/* The saved offset, without taking the lock. */
reg_rc_t reg_upload_status(reg_store_t *s, reg_str_t name, reg_str_t id,
    uint64_t *offset, reg_error_t *e);

/* Removes a session, also one that another request has open. */
reg_rc_t reg_upload_cancel(reg_store_t *s, reg_str_t name, reg_str_t id,
    reg_error_t *e);


#endif /* REG_UPLOAD_H_INCLUDED */
