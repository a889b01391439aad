
/*
 * What a user may do to a repository, as bits of one word.
 *
 * The names are those of the rules an operator writes and of the actions in
 * a token (distribution, spec/auth/scope.md), where there is none for "update"
 * and "list".  push creates: blobs, manifests, tags that were not there.
 * update moves a tag that is there.  list shows a repository in the catalogue.
 */


#ifndef REG_MAY_H_INCLUDED
#define REG_MAY_H_INCLUDED


#include "reg_route.h"
#include "reg_str.h"


/*    symbol           bit   name */
#define REG_MAY_TABLE(X)                                                      \
    X(REG_MAY_PULL,    0x01, "pull")                                          \
    X(REG_MAY_PUSH,    0x02, "push")                                          \
    X(REG_MAY_UPDATE,  0x04, "update")                                        \
    X(REG_MAY_DELETE,  0x08, "delete")                                        \
    X(REG_MAY_LIST,    0x10, "list")


enum {
#define REG_MAY_SYMBOL(symbol, bit, name)  symbol = bit,
    REG_MAY_TABLE(REG_MAY_SYMBOL)
#undef REG_MAY_SYMBOL

    /* what "*" means in a rule, and in the scope of a repository */
    REG_MAY_ALL = 0x1f,
    REG_MAY_REPOSITORY = 0x0f
};


/* The bit of that name, or 0. */
unsigned reg_may_find(reg_str_t name);

/* The name of that one bit; empty for none, or several. */
reg_str_t reg_may_name(unsigned may);

/*
 * What an operation's row of REG_OP_TABLE asks for; 0 when a login is all.  A
 * manifest PUT asks for push here, and for update once it is known that the
 * tag is there and names something else.
 */
unsigned reg_may_of(reg_action_e action);

/* Appends the names of the bits, in the order of the table. */
void reg_may_print(reg_buf_t *b, unsigned may, reg_str_t separator);


#endif /* REG_MAY_H_INCLUDED */
