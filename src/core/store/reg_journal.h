
/*
 * The catalogue's journal: docker/registry/nginx/catalog.  Private to
 * reg_catalog.c, which tells what it is for.
 *
 * A line is a repository's name, or "=" and the seconds of a walk of the whole
 * tree.  Whoever appends begins with a line end, so that what a power cut or a
 * full disk left of a line before is a line of its own, and is passed over
 * where it is no name.
 */


#ifndef REG_JOURNAL_H_INCLUDED
#define REG_JOURNAL_H_INCLUDED


#include "reg_names.h"
#include "reg_store.h"


#define REG_JOURNAL  REG_LAYOUT_OWN "/catalog"


/* What was read of the journal.  Zeroed is nothing yet. */
typedef struct {
    reg_names_t  names;
    uint64_t     ino;         /* of the file that was read; 0: none */
    uint64_t     offset;      /* of what was not read yet */
    uint64_t     lines;
    int64_t      mark;        /* the last "=", 0 without one */
} reg_journal_t;


/*
 * Reads what was appended since, or all of a file that was put in its place.
 * Without a file the journal stays as it is, unless there was one.
 */
reg_rc_t reg_journal_read(reg_store_t *s, reg_journal_t *j, reg_error_t *e);

/*
 * Appends lines, each with its line end, durably, making the file.  The
 * caller holds the shared store lock.
 */
reg_rc_t reg_journal_append(reg_store_t *s, reg_str_t lines, reg_error_t *e);


#endif /* REG_JOURNAL_H_INCLUDED */
