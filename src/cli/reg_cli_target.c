
/* REPOSITORY[:TAG|@DIGEST] of a call. */


#include "reg_cli_store.h"

#include "reg_name.h"

#include <stdio.h>
#include <string.h>


static int reg_cli_target_part(reg_cli_target_t *t, int patterns);
static int reg_cli_target_bad(const reg_cli_target_t *t, const char *why);


int
reg_cli_target(reg_cli_target_t *t, const char *text, int patterns)
{
    char         *p, *slash;
    reg_error_t   e;

    memset(t, 0, sizeof(reg_cli_target_t));

    if (strlen(text) >= sizeof(t->name)) {
        (void) reg_cli_fail(REG_CLI_USAGE, "\"%.64s...\" is too long", text);
        return -1;
    }

    memcpy(t->name, text, strlen(text) + 1);

    t->repository = reg_str_of(t->name);

    /* in a regular expression both may mean something else */

    if (text[0] == '~') {
        return reg_cli_target_part(t, patterns);
    }

    p = strchr(t->name, '@');

    if (p != NULL) {
        t->repository.len = (size_t) (p - t->name);
        reg_error_clear(&e);

        if (reg_digest_parse(&t->digest, reg_str_of(p + 1), &e) != REG_OK) {
            return reg_cli_target_bad(t, "has no digest behind the \"@\"");
        }

        t->has_digest = 1;

        return reg_cli_target_part(t, patterns);
    }

    slash = strrchr(t->name, '/');
    p = strrchr((slash != NULL) ? slash : t->name, ':');

    if (p != NULL) {
        t->repository.len = (size_t) (p - t->name);
        t->tag = reg_str_of(p + 1);
        t->tags = (strchr(p, '*') != NULL);

        if (t->tags ? !patterns : !reg_tag_valid(t->tag)) {
            return reg_cli_target_bad(t, "has no tag behind the \":\"");
        }
    }

    return reg_cli_target_part(t, patterns);
}


static int
reg_cli_target_part(reg_cli_target_t *t, int patterns)
{
    reg_why_t  why;

    if (t->repository.len != 0 && t->name[0] != '~'
        && memchr(t->name, '*', t->repository.len) == NULL)
    {
        return reg_name_valid(t->repository)
               ? 0 : reg_cli_target_bad(t, "names no repository");
    }

    if (!patterns || t->repository.len == 0) {
        return reg_cli_target_bad(t, "names no repository");
    }

    t->pattern = reg_pattern_compile(t->repository, &why);

    return (t->pattern != NULL) ? 0 : reg_cli_target_bad(t, why.text);
}


static int
reg_cli_target_bad(const reg_cli_target_t *t, const char *why)
{
    (void) reg_cli_fail(REG_CLI_USAGE, "\"%s\": %s", t->name, why);

    return -1;
}


void
reg_cli_target_free(reg_cli_target_t *t)
{
    reg_pattern_free(t->pattern);
    t->pattern = NULL;
}


int
reg_cli_target_match(const reg_cli_target_t *t, reg_str_t name)
{
    int                rc;
    reg_pattern_ctx_t  ctx;

    if (t->pattern == NULL) {
        return reg_str_eq(t->repository, name);
    }

    reg_pattern_begin(&ctx, reg_null_str);
    rc = reg_pattern_match(t->pattern, &ctx, name);
    reg_pattern_end(&ctx);

    if (rc == -1) {
        (void) reg_cli_fail(REG_CLI_FAILED, "\"%s\" takes too long for %.*s",
                            t->name, (int) name.len, name.data);
    }

    return rc;
}


int
reg_cli_target_tag(const reg_cli_target_t *t, reg_str_t tag)
{
    return t->tags ? reg_str_fits(tag, t->tag) : reg_str_eq(tag, t->tag);
}
