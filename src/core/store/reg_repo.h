
/* Manifests and tags of a repository, and the repository itself. */


#ifndef REG_REPO_H_INCLUDED
#define REG_REPO_H_INCLUDED


#include "reg_condition.h"
#include "reg_manifest.h"
#include "reg_names.h"
#include "reg_store.h"


/* what is read of a manifest that is in the store already */
#define REG_MANIFEST_READ_MAX   (64 * 1024 * 1024)


typedef struct {
    reg_str_t            name;
    const reg_digest_t  *expected;      /* PUT by digest, or NULL */
    const reg_str_t     *tags;          /* to point at it */
    size_t               ntags;
    reg_str_t            content_type;  /* without parameters, or empty */
    reg_str_t            body;
    reg_condition_t      when;          /* REG_PRECONDITION_FAILED unless it
                                           holds of the tag, or of the digest
                                           of a PUT by digest */
    unsigned             sparse:1;      /* an index may name absent children */
    unsigned             keep_tags:1;   /* REG_DENIED rather than that a tag
                                           which is there moves */
    unsigned             stored:1;      /* it was in a store, perhaps of an
                                           older registry: checked as far as
                                           reg_manifest_read() goes */
} reg_manifest_put_t;


/* What the 201 of a manifest tells. */
typedef struct {
    reg_digest_t  digest;
    unsigned      has_subject:1;
    reg_digest_t  subject;
    char          media_type[REG_MEDIA_TYPE_MAX + 1];
} reg_manifest_put_result_t;


/* 1 when the repository is there, 0 when not, -1 after an error. fast */
int reg_repo_exists(reg_store_t *s, reg_str_t name, reg_error_t *e);

/*
 * Makes a repository: the directories by which distribution 2 (_layers) and 3
 * (_manifests) know one, durably.  The caller holds the shared store lock, so
 * that it is not just being deleted.
 */
reg_rc_t reg_repo_make(reg_store_t *s, reg_str_t name, reg_error_t *e);

/*
 * The digest a tag points at, or REG_MANIFEST_UNKNOWN; then e, unless it is
 * NULL, has damage set for a tag that is there, but whose link names nothing.
 * fast
 */
reg_rc_t reg_tag_read(reg_store_t *s, reg_str_t name, reg_str_t tag,
    reg_digest_t *d, reg_error_t *e);

/* REG_ABSENT becomes REG_MANIFEST_UNKNOWN of that tag; others stay. */
reg_rc_t reg_tag_unknown(reg_rc_t rc, reg_str_t tag, reg_error_t *e);

/*
 * Where the bytes of a revision are, or REG_MANIFEST_UNKNOWN.  *leased, unless
 * it is NULL, is when its lease was renewed last, in ns.  fast
 */
reg_rc_t reg_revision_find(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_digest_t *target, int64_t *leased,
    reg_error_t *e);

/* Renews that lease if it is older than so many ns; as reg_blob_lease(). */
reg_rc_t reg_revision_lease(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, int64_t older, reg_error_t *e);

/*
 * Both in one, for who reads a tag: one that moved on before its manifest was
 * deleted leads to the manifest it is on by then. fast
 */
reg_rc_t reg_tag_find(reg_store_t *s, reg_str_t name, reg_str_t tag,
    reg_digest_t *d, reg_digest_t *target, reg_error_t *e);

/*
 * Reads the bytes of a found revision and the type to serve them with.
 * body is appended to; media_type has room for REG_MEDIA_TYPE_MAX + 1 bytes.
 */
reg_rc_t reg_revision_read(reg_store_t *s, const reg_digest_t *target,
    reg_buf_t *body, char *media_type, reg_error_t *e);

/*
 * Checks and stores a manifest.  Under the shared store lock, in this order:
 * references present in this repository, blob and referrer entry, revision,
 * tags.  The entry may come before its revision, for a referrer without one
 * is not listed, and so none is ever missing.
 */
reg_rc_t reg_manifest_put(reg_store_t *s, const reg_manifest_put_t *put,
    reg_manifest_put_result_t *result, reg_error_t *e);

/*
 * Removes a revision, every tag on it and its entry as a referrer.  Puts into
 * the same repository wait for some of the tags at a time, not for the look at
 * all of them.  The tags that went with it are added to untagged, unless that
 * is NULL, in their order; after an error those that are gone.
 */
reg_rc_t reg_manifest_delete(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_names_t *untagged, reg_error_t *e);

/* A tag is about to leave its manifest, whose age counts from then on. */
void reg_manifest_untagged(reg_store_t *s, reg_str_t name, reg_str_t tag);

/* Removes a tag alone. */
reg_rc_t reg_tag_delete(reg_store_t *s, reg_str_t name, reg_str_t tag,
    reg_error_t *e);

/*
 * The same if what it is on is as the conditions say, or else
 * REG_PRECONDITION_FAILED.  Nobody puts the tag on anything between the two.
 * What it was on is told: len is 0 where that is not known.
 */
reg_rc_t reg_tag_delete_if(reg_store_t *s, reg_str_t name, reg_str_t tag,
    const reg_condition_t *when, reg_digest_t *was, reg_error_t *e);

/*
 * Removes a repository; those nested below its name stay.  REG_LOCKED when a
 * manifest of it was being deleted for half a minute.
 */
reg_rc_t reg_repo_delete(reg_store_t *s, reg_str_t name, reg_error_t *e);

/* Frees some of what deletes have left in the trash. */
void reg_repo_free(reg_store_t *s);


#endif /* REG_REPO_H_INCLUDED */
