
/*
 * The rules an operator writes: who may do what to which repositories.
 *
 *     allow|deny  who  action[,action...]  pattern [pattern...]
 *
 * who      anonymous        allow: everybody, for what one may do without
 *                           logging in one may do after it as well;
 *                           deny: those who have not logged in
 *          authenticated    everybody who has logged in
 *          *                everybody
 *          @group           members of a group
 *          name             that user
 *          user:name        the same, for names that look like one of the above
 * action   pull push update delete list, or * for all of them
 * pattern  a glob or a regular expression: reg_pattern.h
 *
 * The first rule in written order that is about this user, this action and
 * this repository decides.  When none is, the answer is no, as soon as there
 * are rules at all.  Without rules those who have logged in may do everything,
 * and nobody else may do anything.
 *
 * Rules are added one after the other by one thread; then they are only read,
 * by any number.
 */


#ifndef REG_RULES_H_INCLUDED
#define REG_RULES_H_INCLUDED


#include "reg_may.h"
#include "reg_pattern.h"
#include "reg_why.h"


#define REG_RULES_MAX      10000
#define REG_RULE_PATTERNS  1000       /* of one rule */


typedef struct reg_rules_s  reg_rules_t;


/* NULL when memory ran out. */
reg_rules_t *reg_rules_create(void);

/* NULL is fine. */
void reg_rules_free(reg_rules_t *r);

/*
 * Adds one rule from its words: who, actions, patterns.  The words are copied.
 * 0, or -1 with a sentence in why; the rules are then as they were.
 */
int reg_rules_add(reg_rules_t *r, int allow, const reg_str_t *words, size_t n,
    reg_why_t *why);

/*
 * Adds the rules of a file, one on a line, each beginning with "allow" or
 * "deny"; words may be quoted.  0; or -1 with a sentence in why and the number
 * of the line in *line (0 when it is about the whole file): the rules must not
 * be used then, since some may be missing.  A file without a rule is a file of
 * rules: nobody may do anything.
 */
int reg_rules_parse(reg_rules_t *r, reg_str_t text, size_t *line,
    reg_why_t *why);

size_t reg_rules_count(const reg_rules_t *r);

/*
 * 1 when some rule allows anything to those who have not logged in: Basic
 * credentials alone cannot serve that (clients do not send them unasked).
 */
int reg_rules_anonymous(const reg_rules_t *r);

/*
 * Walks over the groups that rules name, for a warning about those that no
 * file knows.  *i is 0 at first.  The name, or an empty one at the end.
 */
reg_str_t reg_rules_next_group(const reg_rules_t *r, size_t *i);


#endif /* REG_RULES_H_INCLUDED */
