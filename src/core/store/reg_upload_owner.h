
/*
 * Whose an upload session is, and since when it stands.
 *
 * The owner's name is kept in a file of ours in the session's directory,
 * _uploads/<uuid>/owner, which goes with it; distribution does not look at it.
 * A session without one was begun by nobody in particular, or by distribution:
 * whoever may push to the repository may go on with it.
 */


#ifndef REG_UPLOAD_OWNER_H_INCLUDED
#define REG_UPLOAD_OWNER_H_INCLUDED


#include "reg_store.h"


#define REG_UPLOAD_OWNER      "owner"
#define REG_UPLOAD_OWNER_MAX  255      /* bytes of a name */


/*
 * Gives a session that was just made, and of which no client knows yet, to a
 * user.  Nothing is synced: after a power cut the file may be empty, and the
 * session is then nobody's at all.  REG_UPLOAD_UNKNOWN when it is gone, as its
 * repository may be: then nothing is made in its place.
 */
reg_rc_t reg_upload_own(reg_store_t *s, reg_str_t name, reg_str_t id,
    reg_str_t user, reg_error_t *e);

/*
 * REG_OK when the session is that user's (empty: who has not logged in) or
 * anybody's; REG_UPLOAD_UNKNOWN when it is another's, as if it were not there.
 * A session that is not there is anybody's.
 */
reg_rc_t reg_upload_owned(reg_store_t *s, reg_str_t name, reg_str_t id,
    reg_str_t user, reg_error_t *e);

/*
 * When the session was begun, in seconds since 1970; or REG_UPLOAD_UNKNOWN.
 */
reg_rc_t reg_upload_started(reg_store_t *s, reg_str_t name, reg_str_t id,
    int64_t *time, reg_error_t *e);


#endif /* REG_UPLOAD_OWNER_H_INCLUDED */
