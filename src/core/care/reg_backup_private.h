
/*
 * The inside of a backup that is being made, for reg_backup.c, which settles
 * what belongs to it, and reg_backup_write.c, which writes its listing.
 */


#ifndef REG_BACKUP_PRIVATE_H_INCLUDED
#define REG_BACKUP_PRIVATE_H_INCLUDED


#include "reg_backup.h"
#include "reg_manifest.h"
#include "reg_sums.h"


/* bits of a blob; TAKEN is WHOLE */
#define REG_BACKUP_TAKEN    1
#define REG_BACKUP_DAMAGED  2

/* bits of a manifest */
#define REG_BACKUP_WHOLE    1
#define REG_BACKUP_GONE     2       /* deleted meanwhile */
#define REG_BACKUP_BROKEN   4
#define REG_BACKUP_BEGUN    8       /* its children are on the stack */
#define REG_BACKUP_SETTLED  (REG_BACKUP_WHOLE|REG_BACKUP_GONE|REG_BACKUP_BROKEN)


typedef struct {
    reg_store_t          *s;
    const reg_backup_t   *how;
    reg_backup_counts_t  *counts;
    reg_error_t          *e;

    reg_sums_t            blobs;       /* of all repositories */
    reg_sums_t            manifests;   /* of this one */
    reg_str_t             name;

    reg_digest_t         *stack;       /* manifests whose children come first */
    size_t                n;
    size_t                size;

    int                   fd;          /* of the listing */
    reg_buf_t             out;
    reg_hash_t            hash;
    unsigned              lines:1;     /* there is one already */
} reg_backup_run_t;


/* 1 when there is a link at that path, of whose blob everything is known. */
int reg_backup_linked(const reg_backup_run_t *r, const char *link);


/* --- reg_backup_write.c --- */

/* Begins the document; the lines below are its contents. */
reg_rc_t reg_backup_begin(reg_backup_run_t *r);

/*
 * A line each: the repository r->name, a manifest of it, a tag of it, a
 * manifest or tag that is left out.
 */
void reg_backup_write_repository(reg_backup_run_t *r);
void reg_backup_write_manifest(reg_backup_run_t *r, const reg_digest_t *d,
    const reg_manifest_t *m, size_t size);
void reg_backup_write_tag(reg_backup_run_t *r, reg_str_t tag,
    const reg_digest_t *d);
void reg_backup_write_left_out(reg_backup_run_t *r, const char *what,
    const char *why);

/* Writes what was collected; the end of the document is never in it. */
reg_rc_t reg_backup_flush(reg_backup_run_t *r);

/* Writes the rest, with the counts and the digest. */
reg_rc_t reg_backup_end(reg_backup_run_t *r);


#endif /* REG_BACKUP_PRIVATE_H_INCLUDED */
