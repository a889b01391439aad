
/*
 * What the commands over a store share: opening it, rows that are a table on a
 * terminal, lines of tabs in a pipe or JSON, a progress on a terminal, and how
 * repositories, tags and digests are named in a call.
 */


#ifndef REG_CLI_STORE_H_INCLUDED
#define REG_CLI_STORE_H_INCLUDED


#include "reg_cli.h"
#include "reg_digest.h"
#include "reg_pattern.h"
#include "reg_store.h"


/*
 * Opens the store of a call's first operand, or says why not: NULL.  Closed by
 * reg_store_close().
 */
reg_store_t *reg_cli_store(const char *root);

/*
 * The same, and says so when there is no store yet: a mistyped ROOT, or a disk
 * that is not mounted, is not one in which nothing is wrong.
 */
reg_store_t *reg_cli_store_there(const char *root);

/*
 * Makes root work as the owner of the store from here on: a lock or a directory
 * that it made would be closed to nginx's workers.  With reads set it can still
 * read whatever root can, where the system knows such a thing.  0, or -1 and a
 * message.
 */
int reg_cli_become(const char *root, int reads);

/* "ROOT: open docker/...: Permission denied", and returns REG_CLI_FAILED. */
reg_cli_exit_e reg_cli_error(const char *root, const reg_error_t *e);


/*
 * Rows.  A row is written into b, between reg_cli_row_begin() and
 * reg_cli_row_end(): cells with tabs between them, or one JSON object.
 */
typedef struct {
    reg_buf_t        b;
    const char      *heading;      /* cells with tabs; a terminal alone sees
                                      it */
    unsigned         json:1;
    unsigned         terminal:1;   /* as a table, with sizes for people */
    uint64_t         n;
    reg_cli_exit_e   rc;           /* of writing */
} reg_cli_rows_t;

/* member names the array of the JSON object. */
void reg_cli_rows_begin(reg_cli_rows_t *rows, const reg_cli_t *c,
    const char *heading, const char *member);
void reg_cli_row_begin(reg_cli_rows_t *rows);

/* REG_OK, or what ends a walk. */
reg_rc_t reg_cli_row_end(reg_cli_rows_t *rows);

/*
 * A row, in JSON alone, of a part of a repository that a copy of it lacks, and
 * why.
 */
void reg_cli_row_part(reg_cli_rows_t *rows, reg_str_t repository,
    const char *what, const char *why);

/*
 * Writes the rest; more, which may be NULL, are further members of the JSON
 * object, with a comma before.  Frees the rows.
 */
reg_cli_exit_e reg_cli_rows_end(reg_cli_rows_t *rows, const char *more);


/* Zeroed is a progress that was not drawn yet. */
typedef struct {
    unsigned  begun:1;
    unsigned  terminal:1;
    unsigned  drawn:1;
    unsigned  calls;
    int64_t   next;
} reg_cli_progress_t;

/* 1 when it is time to draw: on a terminal, after a second, not too often. */
int reg_cli_progress_due(reg_cli_progress_t *p);
void reg_cli_progress(reg_cli_progress_t *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void reg_cli_progress_end(reg_cli_progress_t *p);


/*
 * Notes in the store that a job of reg_done.h is done now, of which nginx's
 * metrics tell; where no nginx has served it yet nobody would look.  A note
 * that cannot be left is told, and is no failure.
 */
void reg_cli_done(reg_store_t *s, const char *root, const char *job,
    int64_t took, uint64_t problems);


/*
 * REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST.  The repository may be a
 * pattern as rules have it, and "*" in a tag stands for anything.
 */
typedef struct {
    char            name[REG_PATTERN_MAX + 1];  /* NUL-terminated */
    reg_str_t       repository;
    reg_str_t       tag;             /* or empty */
    reg_digest_t    digest;
    unsigned        has_digest:1;
    unsigned        tags:1;          /* tag is a pattern */
    reg_pattern_t  *pattern;         /* or NULL: repository is a name */
} reg_cli_target_t;

/* 0, or -1 and a message; patterns says whether they are allowed. */
int reg_cli_target(reg_cli_target_t *t, const char *text, int patterns);
void reg_cli_target_free(reg_cli_target_t *t);

/* 1 or 0; -1 and a message when the pattern came to its limit. */
int reg_cli_target_match(const reg_cli_target_t *t, reg_str_t name);

/* 1 when the tag is the one, or fits. */
int reg_cli_target_tag(const reg_cli_target_t *t, reg_str_t tag);


#endif /* REG_CLI_STORE_H_INCLUDED */
