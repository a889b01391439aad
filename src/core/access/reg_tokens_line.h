
/*
 * One line of the file of access tokens: reading it and writing it.
 *
 *     name  sha256:hex  expires=time|never  [created=time]  [user=owner]
 *         allow=actions:pattern ...  [x-key=value ...]  [# comment]
 *
 * all on one line, in words that blanks and tabs part.
 *
 * name     what its user logs in as: letters, digits and ". _ - @ +", of which
 *          a letter or digit stands first
 * sha256:  of the secret (reg_secret.h), 64 small hexadecimal digits
 * expires  "2026-12-31T23:59:59Z" is the last second it is good for;
 *          "2026-12-31" the same; "never" has to be said
 * created  for people alone
 * user     on whose behalf it acts: it may do no more than this user may, and
 *          $user in its patterns stands for him
 * allow    actions and a pattern, as a rule has them (reg_rules.h); once at
 *          least.  What no allow= names the token may not do
 * x-...    for other programs, which may keep here what they like
 *
 * Words may come in any order behind the hash.  One that holds blanks is
 * quoted as a whole, as in "user=Ann Lee", and there is no escape.
 *
 * A word that is none of these makes the whole line useless: one that a later
 * version writes may be a restriction, and to pass over a restriction would be
 * to lift it.  For the same reason "expires" must not be left out, and the line
 * is written with what restricts before what allows.
 */


#ifndef REG_TOKENS_LINE_H_INCLUDED
#define REG_TOKENS_LINE_H_INCLUDED


#include "reg_credentials.h"
#include "reg_secret.h"
#include "reg_time.h"


#define REG_TOKENS_NAME_MAX   128
#define REG_TOKENS_ALLOW_MAX  64      /* allow= of one token */

#define REG_TOKENS_NEVER      INT64_MAX


/* A line taken apart; the slices borrow from it. */
typedef struct {
    reg_str_t      name;
    unsigned char  hash[REG_SECRET_HASH];
    int64_t        expires;           /* REG_TOKENS_NEVER, or seconds since
                                         1970, the last that is good */
    int64_t        created;           /* the same; -1: not said */
    reg_str_t      owner;             /* empty: none */
    reg_str_t      allow[REG_TOKENS_ALLOW_MAX];
    size_t         n;
    reg_str_t      comment;           /* without "#"; empty: none */
    reg_str_t      body;              /* the line without the comment */
} reg_tokens_line_t;


/* 1 when s can be the name of a token. */
int reg_tokens_name_valid(reg_str_t s);

/*
 * Takes a line of reg_lines_next() apart: 0, or -1 and a static sentence in
 * *why.  What stands in an allow= is not looked at, but that it has a colon.
 */
int reg_tokens_line_parse(reg_tokens_line_t *l, reg_str_t line,
    const char **why);

/*
 * Splits the text of an allow= at its first colon: 0; or -1 when it has none,
 * or nothing on one side.
 */
int reg_tokens_allow_split(reg_str_t allow, reg_str_t *actions,
    reg_str_t *pattern);

/*
 * Appends a line, without its end, from all but the body.  0; or -1 and *why
 * when it would not be read as it is meant.
 */
int reg_tokens_line_print(reg_buf_t *b, const reg_tokens_line_t *l,
    const char **why);


#endif /* REG_TOKENS_LINE_H_INCLUDED */
