
/* The parser behind reg_json_load(): text in, jansson's values out. */


#ifndef REG_JSON_PARSE_H_INCLUDED
#define REG_JSON_PARSE_H_INCLUDED


#include <stddef.h>

#include <jansson.h>


/*
 * Parses a document that reg_json_bounded() let pass: the recursion is as deep
 * as the document.  Returns a new reference; or NULL with a static sentence in
 * *why and the place in *at, or with a NULL *why when memory ran out.
 *
 * merged is NULL where nothing may be wrong with it, or *merged is set to 1 as
 * reg_json_load_stored() says; the recursion ends at REG_JSON_DEPTH_MAX then.
 */
json_t *reg_json_parse(const char *data, size_t len, int *merged,
    const char **why, size_t *at);


#endif /* REG_JSON_PARSE_H_INCLUDED */
