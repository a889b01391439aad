
/*
 * The two kinds of pattern, for reg_pattern.c alone, which tells them apart,
 * owns both, and knows whom $user stands for.
 */


#ifndef REG_PATTERN_PRIVATE_H_INCLUDED
#define REG_PATTERN_PRIVATE_H_INCLUDED


#include "reg_pattern.h"


typedef struct reg_glob_s   reg_glob_t;
typedef struct reg_regex_s  reg_regex_t;


/*
 * The length of "$user" or "${user}" at the start of s, or 0 when it does not
 * begin with a dollar sign; -1 and a sentence for any other variable.
 */
int reg_pattern_variable(reg_str_t s, reg_why_t *why);


reg_glob_t *reg_glob_compile(reg_str_t text, reg_why_t *why);
void reg_glob_free(reg_glob_t *g);

/* user is empty where it stands for nothing. */
int reg_glob_match(const reg_glob_t *g, reg_str_t user, reg_str_t name);


/* text without its "~" */
reg_regex_t *reg_regex_compile(reg_str_t text, reg_why_t *why);
void reg_regex_free(reg_regex_t *r);

/* *match is NULL at first, and freed by reg_regex_match_free(). */
int reg_regex_match(const reg_regex_t *r, reg_str_t user, reg_str_t name,
    void **match);
void reg_regex_match_free(void *match);


#endif /* REG_PATTERN_PRIVATE_H_INCLUDED */
