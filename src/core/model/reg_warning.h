
/*
 * Warnings to people: the value of a "Warning" header (distribution-spec,
 * "Warnings"; RFC 7234, 5.5).
 *
 *     299 - "This repository moves on Friday."
 *
 * Clients show the text on a terminal, or refuse a header that they cannot
 * parse: nothing but printable text in well-formed quotes ever comes out.
 */


#ifndef REG_WARNING_H_INCLUDED
#define REG_WARNING_H_INCLUDED


#include "reg_str.h"


/* "MUST NOT send more than 4096 bytes of warning data from all headers" */
#define REG_WARNINGS_MAX     4096

/* what a header costs beside its value: name, colon, blank, CR LF */
#define REG_WARNING_HEADER   (sizeof("Warning: \r\n") - 1)

/* less room than this is not worth the beginning of a sentence */
#define REG_WARNING_LEAST    64


/*
 * Appends the value that warns of text, of at most max bytes: quotes and
 * backslashes are escaped, control characters become blanks, what is no UTF-8
 * becomes "?", blanks around it go, and what is too long ends in "...".
 *
 * 1, or 0 and nothing appended when the text is empty, or there is no room
 * for it and max is below REG_WARNING_LEAST.  b may have failed, as ever.
 */
int reg_warning_print(reg_buf_t *b, reg_str_t text, size_t max);


#endif /* REG_WARNING_H_INCLUDED */
