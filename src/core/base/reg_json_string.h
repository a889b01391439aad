
/* The strings of JSON (RFC 8259, section 7), of text from outside. */


#ifndef REG_JSON_STRING_H_INCLUDED
#define REG_JSON_STRING_H_INCLUDED


#include "reg_str.h"

#include <sys/types.h>


/*
 * Decodes the string that begins with the quote at *pos into dst, which has
 * room for what it takes in the text, with a NUL behind it, and steps over it.
 * Returns its length in bytes; or -1 with a static sentence in *why and *pos
 * where it is wrong.  With stored set, what cannot be in a string here is a "?"
 * in it instead, as reg_json_load_stored() says.
 */
ssize_t reg_json_string(const char **pos, const char *end, char *dst,
    int stored, const char **why);


#endif /* REG_JSON_STRING_H_INCLUDED */
