
/*
 * Changes to a small text file that people edit: what stands for one name is
 * written, replaced or removed, everything else stays byte for byte.
 *
 * A line's key is what stands before the first byte of end: ":" for a password
 * file, " \t" for a file of access tokens.  What is a line, and what is passed
 * over, is what reg_lines.h says.
 */


#ifndef REG_EDIT_H_INCLUDED
#define REG_EDIT_H_INCLUDED


#include "reg_str.h"


/*
 * The first line with that key, without its end and the blanks around it: 1.
 * 0 when there is none.
 */
int reg_edit_find(reg_str_t text, const char *end, reg_str_t key,
    reg_str_t *line);

/*
 * Writes the whole text to b, which is empty, with line in place of the first
 * line that has the key.  Further lines with the key are left out: which of
 * them counts must not depend on who reads the file.  Without one it becomes
 * the last line.
 *
 * A line that is replaced keeps its end (LF or CRLF); a new one takes that of
 * the first line of the text.  What comes out always has one, be it that of an
 * empty line: a reader may take a file that is empty, or whose last line has no
 * end, for one that is still being written, and wait.
 *
 * 0, or -1 when b failed.
 */
int reg_edit_set(reg_buf_t *b, reg_str_t text, const char *end, reg_str_t key,
    reg_str_t line);

/* The same without any line that has the key. */
int reg_edit_remove(reg_buf_t *b, reg_str_t text, const char *end,
    reg_str_t key);

/*
 * For a password file: sets the hash of a user, whether he is there or not.
 * What stands behind a second colon stays.
 */
int reg_edit_password(reg_buf_t *b, reg_str_t text, reg_str_t user,
    reg_str_t hash);


#endif /* REG_EDIT_H_INCLUDED */
