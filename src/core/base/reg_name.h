
/* The grammar of names: repositories, tags, upload ids. */


#ifndef REG_NAME_H_INCLUDED
#define REG_NAME_H_INCLUDED


#include "reg_str.h"


#define REG_NAME_MAX    255     /* a whole repository name, as for clients */
#define REG_TAG_MAX     128
#define REG_UUID_LEN    36


/*
 * distribution-spec, "Pulling manifests":
 * [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*
 * and at most REG_NAME_MAX bytes.  1 when it fits.
 */
int reg_name_valid(reg_str_t s);

/* [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} */
int reg_tag_valid(reg_str_t s);

/* A UUID in lower case, 8-4-4-4-12, whatever its version (RFC 9562, 4). */
int reg_uuid_valid(reg_str_t s);

/*
 * Writes a random UUID (RFC 9562, 5.4: version 4) and a NUL to out, which has
 * room for REG_UUID_LEN + 1 bytes.  0, or -1 when the system gives no random
 * bytes.
 */
int reg_uuid_make(char *out);


#endif /* REG_NAME_H_INCLUDED */
