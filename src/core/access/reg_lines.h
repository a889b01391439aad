
/*
 * The lines of a small text file that people edit: passwords, groups, rules.
 *
 * Lines end with LF or CRLF.  Blanks and tabs around a line are no part of it.
 * Empty lines and those that begin with "#" are passed over.
 */


#ifndef REG_LINES_H_INCLUDED
#define REG_LINES_H_INCLUDED


#include "reg_str.h"
#include "reg_why.h"


/* A larger file is refused as a whole; some 100,000 users fit. */
#define REG_LINES_FILE_MAX  (8 * 1024 * 1024)


/* A walk over the lines; lives on the caller's stack. */
typedef struct {
    const char  *pos;
    const char  *end;
    size_t       number;          /* of the line returned last, from 1 */
    unsigned     open:1;          /* that line has no LF: the file may be
                                     half written */
} reg_lines_t;


/* Begins at the first line; text is borrowed as long as the walk lasts. */
void reg_lines_init(reg_lines_t *l, reg_str_t text);

/* The next line that holds something: 1, or 0 after the last. */
int reg_lines_next(reg_lines_t *l, reg_str_t *line);

/*
 * Takes one line: 0; or -1 with the reason why it is passed over, or without
 * one when memory ran out.
 */
typedef int (*reg_lines_pt)(void *ctx, reg_str_t line, const char **why);

/*
 * Hands all that are left to fn, and tells skip, which may be NULL, of those
 * that are passed over: 0, or -1 when memory ran out.
 */
int reg_lines_each(reg_lines_t *l, reg_lines_pt fn, void *ctx,
    reg_skip_pt skip, void *data);

/*
 * Cuts the next word off a line, at blanks and tabs: 1, or 0 when none is
 * left.  A word that begins with a double quote goes to the next one, and may
 * hold blanks that way; there is no escape.  -1 when the second quote is
 * missing or something other than a blank follows it.
 */
int reg_lines_word(reg_str_t *line, reg_str_t *word);


#endif /* REG_LINES_H_INCLUDED */
