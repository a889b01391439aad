
/*
 * May this user do this to that repository?
 *
 * Decisions look at names alone, never at the store: the answer is the same
 * whether a repository exists or not, so it tells nothing about that.
 *
 * There are three answers.  An error (a regular expression that gave up,
 * memory that ran out) is neither yes nor no, and must be made into neither.
 */


#ifndef REG_ACCESS_H_INCLUDED
#define REG_ACCESS_H_INCLUDED


#include "reg_groups.h"
#include "reg_rules.h"


typedef enum {
    REG_ACCESS_DENY = 0,
    REG_ACCESS_ALLOW,
    REG_ACCESS_ERROR
} reg_access_e;


/* Who asks.  Borrowed; an empty user has not logged in. */
typedef struct {
    reg_str_t            user;
    const reg_groups_t  *groups;      /* NULL: nobody is in any group */
} reg_subject_t;


/*
 * Whether all the bits of may are allowed.  name is a valid repository name
 * (reg_op_t.name); any other is denied.  No bit at all, a login and nothing
 * more, is allowed to those who have logged in.
 */
reg_access_e reg_access_decide(const reg_rules_t *r, const reg_subject_t *s,
    unsigned may, reg_str_t name);

/*
 * Which of the wanted bits are allowed.  0; or -1 on an error, with *granted 0.
 */
int reg_access_grant(const reg_rules_t *r, const reg_subject_t *s,
    unsigned wanted, reg_str_t name, unsigned *granted);

/*
 * Whether there may be a repository to which all the bits are allowed: of each
 * bit, whether a rule for this user allows it anywhere.  For REG_MAY_LIST this
 * says who gets a catalogue at all; what stands in it is decided name by name.
 */
reg_access_e reg_access_somewhere(const reg_rules_t *r, const reg_subject_t *s,
    unsigned may);


#endif /* REG_ACCESS_H_INCLUDED */
