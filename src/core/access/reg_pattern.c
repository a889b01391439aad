
#include "reg_pattern.h"
#include "reg_name.h"
#include "reg_pattern_private.h"

#include <stdlib.h>
#include <string.h>


struct reg_pattern_s {
    reg_glob_t   *glob;           /* one of both */
    reg_regex_t  *regex;
};


static int reg_pattern_word(char c);


static int
reg_pattern_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '_';
}


int
reg_pattern_variable(reg_str_t s, reg_why_t *why)
{
    if (s.len == 0 || s.data[0] != '$') {
        return 0;
    }

    if (reg_str_starts(s, reg_str("${user}"))) {
        return sizeof("${user}") - 1;
    }

    if (reg_str_starts(s, reg_str("$user"))
        && (s.len == 5 || !reg_pattern_word(s.data[5])))
    {
        return sizeof("$user") - 1;
    }

    return reg_why_set(why, "unknown variable at \"%.*s\": there is $user "
                       "alone, or ${user} before a letter, digit or \"_\"",
                       reg_why_str(s));
}


reg_pattern_t *
reg_pattern_compile(reg_str_t text, reg_why_t *why)
{
    reg_pattern_t  *p;

    if (text.len == 0) {
        (void) reg_why_set(why, "the pattern is empty");
        return NULL;
    }

    if (text.len > REG_PATTERN_MAX) {
        (void) reg_why_set(why, "the pattern is longer than %d bytes",
                           REG_PATTERN_MAX);
        return NULL;
    }

    if (memchr(text.data, '\0', text.len) != NULL) {
        (void) reg_why_set(why, "the pattern holds a NUL byte");
        return NULL;
    }

    p = calloc(1, sizeof(reg_pattern_t));

    if (p == NULL) {
        (void) reg_why_set(why, "out of memory");
        return NULL;
    }

    if (text.data[0] == '~') {
        text.data++;
        text.len--;

        p->regex = reg_regex_compile(text, why);

    } else {
        p->glob = reg_glob_compile(text, why);
    }

    if (p->regex == NULL && p->glob == NULL) {
        free(p);
        return NULL;
    }

    return p;
}


void
reg_pattern_free(reg_pattern_t *p)
{
    if (p == NULL) {
        return;
    }

    reg_glob_free(p->glob);
    reg_regex_free(p->regex);
    free(p);
}


void
reg_pattern_begin(reg_pattern_ctx_t *ctx, reg_str_t user)
{
    ctx->match = NULL;
    ctx->user = reg_null_str;

    /* a user named "a/b" must not own a part of what belongs to "a" */

    if (reg_name_valid(user) && memchr(user.data, '/', user.len) == NULL) {
        ctx->user = user;
    }
}


void
reg_pattern_end(reg_pattern_ctx_t *ctx)
{
    reg_regex_match_free(ctx->match);
    ctx->match = NULL;
}


int
reg_pattern_match(const reg_pattern_t *p, reg_pattern_ctx_t *ctx,
    reg_str_t name)
{
    if (name.len == 0 || name.len > REG_NAME_MAX) {
        return 0;
    }

    if (p->glob != NULL) {
        return reg_glob_match(p->glob, ctx->user, name);
    }

    return reg_regex_match(p->regex, ctx->user, name, &ctx->match);
}
