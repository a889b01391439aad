
/*
 * Which repositories a rule is about.
 *
 * A glob is a repository name in which
 *     *        stands for any run of bytes inside one component, also for none
 *     **       as a whole component stands for any number of them: "team/ **"
 *              (without the blank) is all below team but not team itself,
 *              "**" is every repository
 *     $user    stands for the user's name, if that is a single component of a
 *              repository name; ${user} where a letter, digit or "_" follows
 * What could match no repository name (capitals, empty components) is refused.
 *
 * A pattern that begins with "~" is a Perl regular expression (PCRE2) which
 * has to match the whole name.  $user works in it too, though not together
 * with references to groups, recursion, \A and \G.
 *
 * A pattern for $user never matches for those who have not logged in, nor for
 * "Alice" or "a/b": such names are nobody's namespace.
 *
 * A compiled pattern is only read, by any number of threads.  Matching never
 * takes long: a name is short, globs do not backtrack beyond one star, and
 * regular expressions give up at a limit, which is neither yes nor no.
 */


#ifndef REG_PATTERN_H_INCLUDED
#define REG_PATTERN_H_INCLUDED


#include "reg_str.h"
#include "reg_why.h"


#define REG_PATTERN_MAX  1024     /* bytes of one pattern */


typedef struct reg_pattern_s  reg_pattern_t;


/* Who asks, and what matching needs; on the stack of one thread. */
typedef struct {
    reg_str_t  user;              /* empty: $user stands for nothing */
    void      *match;             /* for regular expressions, made on demand */
} reg_pattern_ctx_t;


/* Returns a pattern, or NULL with a sentence in why. */
reg_pattern_t *reg_pattern_compile(reg_str_t text, reg_why_t *why);

/* NULL is fine. */
void reg_pattern_free(reg_pattern_t *p);

/* user is borrowed until reg_pattern_end(); empty for nobody. */
void reg_pattern_begin(reg_pattern_ctx_t *ctx, reg_str_t user);
void reg_pattern_end(reg_pattern_ctx_t *ctx);

/*
 * 1 or 0; -1 when it cannot be said: a regular expression came to its limit,
 * or memory ran out.  name is a valid repository name.
 */
int reg_pattern_match(const reg_pattern_t *p, reg_pattern_ctx_t *ctx,
    reg_str_t name);


#endif /* REG_PATTERN_H_INCLUDED */
