
/*
 * The members of a document without its tree: what one has to know of a short
 * one is read from a long one at the cost of a look at its bytes.  Nothing is
 * allocated, no depth or number counts, and what is no JSON is not judged.
 */


#ifndef REG_JSON_SCAN_H_INCLUDED
#define REG_JSON_SCAN_H_INCLUDED


#include "reg_str.h"


/* Name and value as they stand in the text, a string with its quotes. */
typedef void (*reg_json_scan_pt)(void *ctx, reg_str_t name, reg_str_t value);


/*
 * Calls fn for each member of the object that the document is, in its order,
 * as far as it looks like one.
 */
void reg_json_scan(const char *data, size_t len, reg_json_scan_pt fn,
    void *ctx);

/*
 * Decodes such a name or value into buf, with a NUL, as reg_json_load_stored()
 * does, but lets bytes that are no UTF-8 stand: 1, or 0 when it is no string,
 * or longer than buf of that size.
 */
int reg_json_scan_str(reg_str_t text, char *buf, size_t size);

/* Behind the object, array or string that begins at p; NULL: it has no end. */
const char *reg_json_scan_past(const char *p, const char *end);


#endif /* REG_JSON_SCAN_H_INCLUDED */
