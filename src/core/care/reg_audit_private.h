
/* What the files of the audit share: reg_audit*.c. */


#ifndef REG_AUDIT_PRIVATE_H_INCLUDED
#define REG_AUDIT_PRIVATE_H_INCLUDED


#include "reg_audit.h"


typedef enum {
    REG_AUDIT_NONE = 0,         /* nothing there */
    REG_AUDIT_FILE,
    REG_AUDIT_DIR,
    REG_AUDIT_LINK,             /* a symbolic one */
    REG_AUDIT_OTHER
} reg_audit_type_e;


typedef enum {
    REG_AUDIT_IS_BLOB = 0,
    REG_AUDIT_IS_LAYER,
    REG_AUDIT_IS_REVISION,
    REG_AUDIT_IS_TAG,
    REG_AUDIT_IS_INDEX,         /* an entry of a tag's index */
    REG_AUDIT_IS_REFERRER,
    REG_AUDIT_IS_UPLOAD,
    REG_AUDIT_IS_STATE,         /* a hash state of an upload */
    REG_AUDIT_IS_STRAY          /* what should not be there */
} reg_audit_is_e;


/* Something to be looked at, and all that is needed to do so again. */
typedef struct {
    reg_audit_is_e   is;
    size_t           name;      /* length of the repository's, or 0 */
    unsigned         seen;      /* bits of what the first look found */
    const char      *why;       /* of a stray; static */
    reg_digest_t     d;         /* that its path ends in */
    reg_digest_t     subject;   /* of a referrer */
    reg_path_t       path;
} reg_audit_item_t;


typedef struct {
    reg_store_t         *s;
    const reg_audit_t   *how;
    reg_audit_counts_t  *counts;
    reg_error_t         *e;
    reg_rc_t             rc;            /* what ends the audit, or REG_OK */

    unsigned             again:1;       /* the second look */
    unsigned             seen;          /* what this look found */
    size_t               n;
    reg_audit_item_t    *suspects;

    unsigned char       *linked;        /* the filter */
    char                *piece;         /* for reading blobs */
    reg_buf_t            body;          /* of a manifest */
} reg_audit_run_t;


/* --- reg_audit.c --- */

/* Notes, or in the second look reports, what is wrong with a path. */
void reg_audit_found(reg_audit_run_t *a, const reg_audit_item_t *item,
    reg_audit_e code, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/*
 * A failure that is not the absence of something: a finding where the disk is
 * at fault, else the end of the audit.
 */
void reg_audit_fail(reg_audit_run_t *a, const char *path,
    const reg_error_t *why);

/* What stands there; *st, which may be NULL, is that of a file or directory. */
reg_audit_type_e reg_audit_type(reg_audit_run_t *a, const char *path,
    reg_stat_t *st);

/* 1 when something that changed at that time may still be unfinished. */
int reg_audit_young(const reg_audit_run_t *a, const reg_stat_t *st);

/* Remembers that a repository links those bytes, and asks for it. */
void reg_audit_link(reg_audit_run_t *a, const reg_digest_t *d);
int reg_audit_linked(const reg_audit_run_t *a, const reg_digest_t *d);


/* --- reg_audit_look.c --- */

/* Looks at one thing, once. */
void reg_audit_look(reg_audit_run_t *a, const reg_audit_item_t *item);

/*
 * Reads a link: REG_OK, REG_ABSENT, or REG_INTERNAL after a finding.  With
 * named set it stands in the directory of the digest that it holds, or holds
 * the sha256 where distribution made it an alias of another algorithm.
 */
reg_rc_t reg_audit_read_link(reg_audit_run_t *a,
    const reg_audit_item_t *item, const char *path, int named,
    reg_digest_t *d);

/* 1 when a regular file is there; something else in its place is found. */
int reg_audit_file(reg_audit_run_t *a, const reg_audit_item_t *item,
    const char *path, reg_stat_t *st);

/* Reads a file: 0, or -1 when it is gone, too long, or cannot be read. */
int reg_audit_text(reg_audit_run_t *a, const char *path, size_t max,
    reg_buf_t *out);

/* 1 when a regular file is there. */
int reg_audit_there(reg_audit_run_t *a, const char *path);

/* The repository that it is in. */
reg_str_t reg_audit_name(const reg_audit_item_t *item);

/* Its path and a tail such as "/link". */
void reg_audit_below(reg_path_t *p, const reg_audit_item_t *item,
    const char *tail);


/* --- reg_audit_manifest.c --- */

/* What reg_audit_look() does for manifests and what points to them. */
void reg_audit_revision(reg_audit_run_t *a,
    const reg_audit_item_t *item);
void reg_audit_tag(reg_audit_run_t *a, const reg_audit_item_t *item);
void reg_audit_referrer(reg_audit_run_t *a,
    const reg_audit_item_t *item);


/* --- reg_audit_walk.c --- */

/* Walks over the whole store and has everything looked at. */
void reg_audit_walk(reg_audit_run_t *a);

/* Looks at one thing, and puts it aside when it looks wrong. */
void reg_audit_visit(reg_audit_run_t *a, reg_audit_item_t *item);


#endif /* REG_AUDIT_PRIVATE_H_INCLUDED */
