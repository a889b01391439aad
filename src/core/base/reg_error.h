
/*
 * Errors: one table.  The symbol, the HTTP status, the code of the
 * distribution-spec ("Error Codes") and the sentence for people all expand
 * from it, so that they cannot fall out of step.
 *
 * Functions of the core return a reg_rc_t.  REG_OK is 0; anything else is a
 * row of the table, and the caller's reg_error_t tells the details.  The
 * deepest function that knows what happened fills it; the layers above pass
 * it on unchanged.
 */


#ifndef REG_ERROR_H_INCLUDED
#define REG_ERROR_H_INCLUDED


#include "reg_str.h"


/*
 * No text is the one that distribution has for its code: docker takes such an
 * error for one that passes, and tries a denied push again for a minute.
 */

/*    symbol                   status  OCI code
        text for people, whether the detail stands in the message, too */
#define REG_ERROR_TABLE(X)                                                    \
    X(REG_BLOB_UNKNOWN,          404, "BLOB_UNKNOWN",                         \
      "the repository has no such blob", 0)                                   \
    X(REG_UPLOAD_UNKNOWN,        404, "BLOB_UPLOAD_UNKNOWN",                  \
      "the repository has no such upload", 0)                                 \
    X(REG_UPLOAD_INVALID,        400, "BLOB_UPLOAD_INVALID",                  \
      "the upload request is malformed", 1)                                   \
    X(REG_UPLOAD_BUSY,           429, "TOOMANYREQUESTS",                      \
      "another request is writing to this upload", 1)                         \
    X(REG_UPLOADS_TOO_MANY,      429, "TOOMANYREQUESTS",                      \
      "too many uploads are open, try again later", 1)                        \
    X(REG_RANGE_INVALID,         416, "RANGE_INVALID",                        \
      "range does not continue the upload", 1)                                \
    X(REG_DIGEST_INVALID,        400, "DIGEST_INVALID",                       \
      "invalid digest", 1)                                                    \
    X(REG_DIGEST_MISMATCH,       400, "DIGEST_INVALID",                       \
      "the content has another digest", 1)                                    \
    X(REG_SIZE_INVALID,          400, "SIZE_INVALID",                         \
      "the content has another length", 1)                                    \
    X(REG_NAME_INVALID,          400, "NAME_INVALID",                         \
      "not a valid repository name", 1)                                       \
    X(REG_NAME_UNKNOWN,          404, "NAME_UNKNOWN",                         \
      "no such repository", 0)                                                \
    X(REG_TAG_INVALID,           400, "TAG_INVALID",                          \
      "invalid tag", 1)                                                       \
    X(REG_TAGS_TOO_MANY,         414, "TAG_INVALID",                          \
      "too many tag parameters", 1)                                           \
    X(REG_PAGE_INVALID,          400, "PAGINATION_NUMBER_INVALID",            \
      "not a valid number of results", 1)                                     \
    X(REG_EVENTS_GONE,           410, "RANGE_INVALID",                        \
      "the events behind that cursor are not kept any more", 1)               \
    X(REG_QUERY_INVALID,         400, "UNSUPPORTED",                          \
      "malformed query string", 1)                                            \
    X(REG_MANIFEST_UNKNOWN,      404, "MANIFEST_UNKNOWN",                     \
      "manifest unknown to registry", 0)                                      \
    X(REG_MANIFEST_INVALID,      400, "MANIFEST_INVALID",                     \
      "not a valid manifest", 1)                                              \
    X(REG_MANIFEST_TOO_LARGE,    413, "MANIFEST_INVALID",                     \
      "manifest larger than this registry accepts", 1)                        \
    X(REG_MANIFEST_BLOB_UNKNOWN, 404, "MANIFEST_BLOB_UNKNOWN",                \
      "manifest references a manifest or blob unknown to registry", 1)        \
    X(REG_ROUTE_UNKNOWN,         404, "UNSUPPORTED",                          \
      "no such endpoint", 0)                                                  \
    X(REG_METHOD_UNKNOWN,        405, "UNSUPPORTED",                          \
      "the operation is unsupported", 0)                                      \
    X(REG_DELETE_DISABLED,       405, "UNSUPPORTED",                          \
      "deletion is switched off on this registry", 0)                         \
    X(REG_UNAUTHORIZED,          401, "UNAUTHORIZED",                         \
      "a login is required", 0)                                               \
    X(REG_DENIED,                403, "DENIED",                               \
      "access to the repository is denied", 1)                                \
    X(REG_BLOB_TOO_LARGE,        403, "DENIED",                               \
      "the blob is larger than this registry accepts", 1)                     \
    X(REG_WRITES_CLOSED,         403, "DENIED",                               \
      "the registry is read-only for now, pulls go on", 1)                    \
    X(REG_BODY_TOO_LARGE,        413, "SIZE_INVALID",                         \
      "request body larger than this registry accepts", 1)                    \
    X(REG_BODY_INCOMPLETE,       400, "SIZE_INVALID",                         \
      "request body ended early", 1)                                          \
    X(REG_PRECONDITION_FAILED,   412, "UNSUPPORTED",                          \
      "it is not what If-Match or If-None-Match says, nothing was changed", 0) \
    X(REG_TOO_EARLY,             425, "UNSUPPORTED",                          \
      "sent before the TLS handshake was complete, send it again", 0)         \
    X(REG_BUSY,                  503, "TOOMANYREQUESTS",                      \
      "the registry is busy, try again", 1)                                   \
    X(REG_LOCKED,                503, "TOOMANYREQUESTS",                      \
      "somebody else is at work on it for long, try again", 1)                \
    X(REG_NO_SPACE,              507, "UNKNOWN",                              \
      "no space left in the registry's storage", 1)                           \
    X(REG_READ_ONLY,             503, "UNKNOWN",                              \
      "the registry's storage is read-only", 1)                               \
    X(REG_NO_MEMORY,             503, "UNKNOWN",                              \
      "the registry is out of memory, try again", 1)                          \
    X(REG_STORAGE,               500, "UNKNOWN",                              \
      "the registry's storage failed", 1)                                     \
    X(REG_ABSENT,                404, "UNKNOWN",                              \
      "not found", 0)                                                         \
    X(REG_INTERNAL,              500, "UNKNOWN",                              \
      "internal error", 1)


typedef enum {
    REG_OK = 0,
#define REG_ERROR_SYMBOL(symbol, status, code, text, told)  symbol,
    REG_ERROR_TABLE(REG_ERROR_SYMBOL)
#undef REG_ERROR_SYMBOL
    REG_ERROR_N
} reg_rc_t;


#define REG_ERROR_DETAIL  320


/*
 * What went wrong, for the reply and for the log.  detail is a sentence or a
 * value for the client ("" when there is none); it may hold bytes of the
 * request and is escaped when it is printed.  docker, podman and skopeo show
 * the message alone: where the table says so, the detail stands in it as well.
 * sys, call and path are for the operator's log alone and never reach a client.
 */
typedef struct {
    reg_rc_t     rc;
    int          sys;                       /* errno of the failed call, or 0 */
    const char  *call;                      /* its name, static, or NULL */
    unsigned     damage:1;                  /* the operator has to know */
    unsigned     backup:1;                  /* of the other one of two roots,
                                               the directory of backups */
    char         detail[REG_ERROR_DETAIL];
    char         path[REG_ERROR_DETAIL];    /* below the root, or "" */
} reg_error_t;


void reg_error_clear(reg_error_t *e);

/*
 * Fills e unless it is filled already (the first failure tells the cause) and
 * returns rc, so that callers may write "return reg_error_set(...)".  e may be
 * NULL.  fmt may be NULL.  Text that does not fit is cut.
 */
reg_rc_t reg_error_set(reg_error_t *e, reg_rc_t rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for something that is not there because the store has lost it. */
reg_rc_t reg_error_damage(reg_error_t *e, reg_rc_t rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The same for a failed system call: chooses REG_NO_SPACE for ENOSPC, EDQUOT
 * and EFBIG, REG_READ_ONLY for EROFS, REG_NO_MEMORY for ENOMEM, REG_BUSY for
 * EMFILE and ENFILE, REG_STORAGE for the rest.
 */
reg_rc_t reg_error_sys(reg_error_t *e, int sys, const char *call,
    const char *path);

/*
 * Judges a failure to read one file, rc, that was kept apart in why.  When the
 * disk does not give that file any more (EIO, EUCLEAN, EBADMSG), it is damaged
 * and others are not: REG_DIGEST_MISMATCH.  Anything else is passed on to e.
 */
reg_rc_t reg_error_unread(reg_error_t *e, reg_rc_t rc,
    const reg_error_t *why);

/* Columns of the table; rc must not be REG_OK. */
int reg_error_status(reg_rc_t rc);
const char *reg_error_code(reg_rc_t rc);
const char *reg_error_text(reg_rc_t rc);

/* The OCI code and the sentence that fit a status nginx itself chose. */
const char *reg_error_status_code(int status);
const char *reg_error_status_text(int status);

/*
 * Appends {"errors":[{"code":...,"message":...,"detail":...}]} (distribution-
 * spec, "Error Codes").  detail is left out when it is empty.
 */
void reg_error_json(reg_buf_t *b, const char *code, reg_str_t message,
    reg_str_t detail);

/*
 * Appends e like that.  The message is the sentence, or the table's where that
 * is empty; behind it stands the detail, if the table says so.  It ends up in
 * terminals: there, "?" stands for each byte that is not printable ASCII.
 */
void reg_error_reply(reg_buf_t *b, const reg_error_t *e, reg_str_t sentence);


#endif /* REG_ERROR_H_INCLUDED */
