
/*
 * Saved hash states of an upload session: hashstates/<alg>/<offset> below the
 * session's directory.  Private to reg_upload.c.
 */


#ifndef REG_UPLOAD_STATE_H_INCLUDED
#define REG_UPLOAD_STATE_H_INCLUDED


#include "reg_fs.h"


typedef struct {
    reg_hash_t  hash;         /* as it was at offset */
    uint64_t    offset;
    unsigned    any:1;        /* there is such a directory at all */
} reg_upload_state_t;


/*
 * Finds the newest state that can be read and that lies within size bytes of
 * data; dir is the path of the session.  Without one the hash is fresh and
 * the offset 0; the algorithm then is sha512 when a state of it stands there.
 */
reg_rc_t reg_upload_state_load(reg_store_t *s, const char *dir,
    uint64_t size, reg_upload_state_t *state, reg_error_t *e);

/* Writes the state of h, unsynced; with clean set the older ones go. */
reg_rc_t reg_upload_state_save(reg_store_t *s, const char *dir,
    const reg_hash_t *h, int clean, reg_error_t *e);


#endif /* REG_UPLOAD_STATE_H_INCLUDED */
