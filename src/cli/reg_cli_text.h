
/* Text for a terminal, or for JSON, that somebody else may have made up. */


#ifndef REG_CLI_TEXT_H_INCLUDED
#define REG_CLI_TEXT_H_INCLUDED


#include "reg_str.h"


/*
 * Appends text from a store so that it stays in its cell and cannot steer a
 * terminal: control bytes, those of C1 too, marks that turn the direction of
 * writing, and what is no UTF-8 become "?".
 */
void reg_cli_plain(reg_buf_t *b, reg_str_t s);

/* The same in its place, line ends kept; it allocates nothing. */
void reg_cli_plain_text(char *text);

/* Appends text as a JSON string, or null for a null slice, as safe as that. */
void reg_cli_quoted(reg_buf_t *b, reg_str_t text);

/* Appends a line of JSON as it is, but for what steers a terminal inside its
   strings, which is escaped. */
void reg_cli_safe(reg_buf_t *b, reg_str_t json);

/* Appends "key": and that. */
void reg_cli_member(reg_buf_t *b, const char *key, reg_str_t text);

/* Appends a number of bytes: "1.5G" when brief is set, else all digits. */
void reg_cli_bytes(reg_buf_t *b, uint64_t n, int brief);


#endif /* REG_CLI_TEXT_H_INCLUDED */
