
/*
 * Scopes: "repository:team/app:pull,push", "registry:catalog:*" (distribution,
 * spec/auth/scope.md).  A client asks for them, a challenge names them, a token
 * carries them.
 *
 * What cannot be granted by us - other types, names that are no repository's,
 * actions we do not know - is dropped when it is read: asking for it is no
 * error, and gets nothing.  The class in "repository(plugin)" is dropped too,
 * as scope.md has it.
 */


#ifndef REG_SCOPES_H_INCLUDED
#define REG_SCOPES_H_INCLUDED


#include "reg_may.h"


#define REG_SCOPES_MAX       64       /* different repositories */
#define REG_SCOPES_TEXT_MAX  32768    /* one parameter */


/* The name is borrowed.  An empty one is the catalogue: may is then LIST. */
typedef struct {
    reg_str_t  name;
    unsigned   may;
} reg_scope_t;


/* One entry for each name, in the order they came. */
typedef struct {
    reg_scope_t  items[REG_SCOPES_MAX];
    size_t       n;
} reg_scopes_t;


/*
 * Adds the scopes of one parameter, joined by blanks, to a list that was
 * cleared at first; call it again for a parameter that is repeated.  text must
 * outlive the list.  0; or -1 when there are too many or the text is too long.
 */
int reg_scopes_parse(reg_scopes_t *list, reg_str_t text);

/* Adds bits to the entry of that name, or a new one; 0, or -1 when full. */
int reg_scopes_add(reg_scopes_t *list, reg_str_t name, unsigned may);

/*
 * The scope that a challenge names for an operation which needs the bits of
 * may on that repository (reg_may_of()), as distribution does: a push is asked
 * for together with pull.  Empty for no bit at all.
 */
void reg_scopes_needed(reg_scopes_t *list, unsigned may, reg_str_t name);

/* Appends the list as text, joined by blanks. */
void reg_scopes_print(reg_buf_t *b, const reg_scopes_t *list);

/* Appends it as the array of the claim "access" (spec/auth/jwt.md). */
void reg_scopes_print_json(reg_buf_t *b, const reg_scopes_t *list);


#endif /* REG_SCOPES_H_INCLUDED */
