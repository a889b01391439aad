
/*
 * The audit: looks a whole store over, changes nothing, and tells what is
 * wrong with it.
 *
 * It may run while others write.  No lock is taken; whatever looks wrong is
 * put aside, and looked at once more after a pause: a finding is what was seen
 * both times.  The order in which the store writes and removes (a name after
 * what it names, and the other way round) makes two looks enough.
 *
 * These are no findings, because an operation that was killed may leave them
 * and every reader passes them over: empty directories, a tag of index entries
 * alone, a referrer whose revision is not there.  The last two are counted.
 * A tag gets its index entry and its current link in one step, unsynced in
 * between, so that whoever is killed there leaves one without the other; it
 * was not acknowledged, is neither listed nor served, and the next push of the
 * tag completes it.  To call that damage would make each kill a finding.
 *
 * Memory is bounded, whatever the size of the store: it is walked, not
 * collected.  Which blobs are linked is held in a filter of REG_AUDIT_BITS
 * bits, so that the number of those that are not is a little too low where
 * there are many millions; nothing else depends on it.
 */


#ifndef REG_AUDIT_H_INCLUDED
#define REG_AUDIT_H_INCLUDED


#include "reg_store.h"


/* 16 MiB */
#define REG_AUDIT_BITS  (UINT64_C(1) << 27)

/* what looks wrong and waits for its second look */
#define REG_AUDIT_SUSPECTS  1024


/*    symbol                    code, which never changes */
#define REG_AUDIT_TABLE(X)                                                    \
    X(REG_AUDIT_LINK_EMPTY,     "link-empty")                                 \
    X(REG_AUDIT_LINK_CONTENT,   "link-content")                               \
    X(REG_AUDIT_LINK_DIGEST,    "link-digest")                                \
    X(REG_AUDIT_LAYER_BLOB,     "layer-blob")                                 \
    X(REG_AUDIT_REVISION_BLOB,  "revision-blob")                              \
    X(REG_AUDIT_MANIFEST_DIGEST, "manifest-digest")                           \
    X(REG_AUDIT_MANIFEST,       "manifest-invalid")                           \
    X(REG_AUDIT_REFERENCE,      "reference-missing")                          \
    X(REG_AUDIT_TAG_REVISION,   "tag-revision")                               \
    X(REG_AUDIT_TAG_INDEX,      "tag-index")                                  \
    X(REG_AUDIT_REFERRER,       "referrer-subject")                           \
    X(REG_AUDIT_UPLOAD_DATA,    "upload-data")                                \
    X(REG_AUDIT_UPLOAD_STARTED, "upload-startedat")                           \
    X(REG_AUDIT_UPLOAD_STATE,   "upload-state")                               \
    X(REG_AUDIT_UPLOAD_OWNER,   "upload-owner")                               \
    X(REG_AUDIT_BLOB_EMPTY,     "blob-empty")                                 \
    X(REG_AUDIT_BLOB_SIZE,      "blob-size")                                  \
    X(REG_AUDIT_BLOB_DIGEST,    "blob-digest")                                \
    X(REG_AUDIT_SYMLINK,        "symlink")                                    \
    X(REG_AUDIT_SPECIAL,        "special")                                    \
    X(REG_AUDIT_TEMPORARY,      "temporary")                                  \
    X(REG_AUDIT_UNEXPECTED,     "unexpected")                                 \
    X(REG_AUDIT_UNREADABLE,     "unreadable")


typedef enum {
#define REG_AUDIT_SYMBOL(symbol, code)  symbol,
    REG_AUDIT_TABLE(REG_AUDIT_SYMBOL)
#undef REG_AUDIT_SYMBOL
    REG_AUDIT_N
} reg_audit_e;


typedef struct {
    reg_audit_e  code;
    const char  *path;          /* below the root; may hold any byte but NUL */
    const char  *text;          /* a sentence that goes on from the path */
} reg_audit_finding_t;


typedef struct {
    uint64_t  repositories;
    uint64_t  manifests;
    uint64_t  layers;           /* links of them, in all repositories */
    uint64_t  tags;
    uint64_t  uploads;
    uint64_t  blobs;
    uint64_t  bytes;            /* of these */
    uint64_t  unlinked;         /* blobs that no repository links */
    uint64_t  unlinked_bytes;
    uint64_t  tags_unfinished;  /* index entries, but no current link */
    uint64_t  referrers_stale;  /* of manifests that are not there */
    uint64_t  findings;
} reg_audit_counts_t;


typedef struct {
    int64_t    now;             /* seconds since the epoch */
    int64_t    grace;           /* seconds: what is younger may be unfinished */
    unsigned   digests:1;       /* hash all blobs, not only manifests */
    unsigned   sparse:1;        /* what manifests refer to may be missing */

    void      *data;            /* of the calls below */

    /* A finding.  Anything but REG_OK ends the audit with it. */
    reg_rc_t  (*found)(void *data, const reg_audit_finding_t *f);

    /* Waits until what was under way has ended; may be NULL. */
    void      (*pause)(void *data);

    /* Called often, with what was counted so far; may be NULL. */
    void      (*tick)(void *data, const reg_audit_counts_t *c);
} reg_audit_t;


/*
 * Audits a store.  REG_OK when all of it was looked at, whatever was found; or
 * REG_NO_MEMORY, or what could not be read, in e.  What the disk fails to give
 * (EIO) is a finding.
 */
reg_rc_t reg_audit(reg_store_t *s, const reg_audit_t *how,
    reg_audit_counts_t *counts, reg_error_t *e);

/* "link-empty", ... */
const char *reg_audit_code(reg_audit_e code);


#endif /* REG_AUDIT_H_INCLUDED */
