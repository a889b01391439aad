
/*
 * JSON from outside, with bounds that hold before anything is allocated.
 *
 * A parser that builds a tree turns 4 MB of "{},{}" into hundreds of MB of
 * memory.  reg_json_load() therefore counts values and depth first, in one
 * pass that allocates nothing.
 *
 * The tree is jansson's, the parser is not: json_loadb() ignores a failure to
 * enlarge its token buffer, and then reads and writes past the end of it.
 */


#ifndef REG_JSON_H_INCLUDED
#define REG_JSON_H_INCLUDED


#include "reg_error.h"

#include <jansson.h>


#define REG_JSON_VALUES_MAX   200000
#define REG_JSON_DEPTH_MAX    64


/*
 * 0 when the text stays within both bounds; it may still be no JSON.  -1 and
 * a sentence in *why (static) otherwise.
 */
int reg_json_bounded(const char *data, size_t len, size_t values,
    size_t depth, const char **why);

/*
 * Parses one whole document, an object or an array (RFC 8259): duplicate
 * keys, bytes behind the document, a byte order mark, NUL inside strings, bad
 * UTF-8, lone surrogates and integers beyond 64 bits are refused.  Returns a
 * new reference, or NULL with REG_MANIFEST_INVALID or REG_NO_MEMORY in e.
 */
json_t *reg_json_load(const char *data, size_t len, reg_error_t *e);

/*
 * The same for what another registry, in Go, has taken: what is wrong with it
 * there is read as Go reads it, and changes nothing else.  Of keys that stand
 * twice the last one counts; where one of them holds more than a word, which Go
 * mixes, *merged is set to 1.  What cannot be in a string here is a "?" in it,
 * and what is nested too deeply or a number out of range is null.
 */
json_t *reg_json_load_stored(const char *data, size_t len, int *merged,
    reg_error_t *e);

/*
 * 1 when a member has a name that Go takes for this one, in ASCII letters, and
 * is another: it goes by neither case nor the long s.
 */
int reg_json_alike(const json_t *object, const char *key);

/*
 * The member of that name, borrowed, or NULL.  One that is null is none:
 * programs in Go read it so, and others write it for what they leave out.
 */
const json_t *reg_json_get(const json_t *object, const char *key);

/* The name of a member that is no string, borrowed, or NULL. */
const char *reg_json_unstring(const json_t *object);

/* The string member of that name, borrowed, or a null slice. */
reg_str_t reg_json_str(const json_t *object, const char *key);


#endif /* REG_JSON_H_INCLUDED */
