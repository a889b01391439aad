
#include "reg_notify.h"

#include <stdlib.h>
#include <string.h>


typedef int (*reg_notify_item_pt)(reg_notify_filter_t *f, reg_str_t item,
    reg_why_t *why);


static int reg_notify_list(reg_notify_filter_t *f, reg_str_t value,
    reg_notify_item_pt add, reg_why_t *why);
static int reg_notify_add_action(reg_notify_filter_t *f, reg_str_t item,
    reg_why_t *why);
static int reg_notify_add_repository(reg_notify_filter_t *f, reg_str_t item,
    reg_why_t *why);
static int reg_notify_add_type(reg_notify_filter_t *f, reg_str_t item,
    reg_why_t *why);
static int reg_notify_names_user(reg_str_t item);
static int reg_notify_match_repository(const reg_notify_filter_t *f,
    reg_str_t name);
static int reg_notify_match_type(const char *pattern, reg_str_t type);
static char reg_notify_lower(char c);


int
reg_notify_filter_actions(reg_notify_filter_t *f, reg_str_t value,
    reg_why_t *why)
{
    return reg_notify_list(f, value, reg_notify_add_action, why);
}


int
reg_notify_filter_repositories(reg_notify_filter_t *f, reg_str_t value,
    reg_why_t *why)
{
    /* commas of a regular expression are its own */

    if (value.len != 0 && value.data[0] == '~') {
        return reg_notify_add_repository(f, value, why);
    }

    return reg_notify_list(f, value, reg_notify_add_repository, why);
}


int
reg_notify_filter_types(reg_notify_filter_t *f, reg_str_t value,
    reg_why_t *why)
{
    return reg_notify_list(f, value, reg_notify_add_type, why);
}


static int
reg_notify_list(reg_notify_filter_t *f, reg_str_t value,
    reg_notify_item_pt add, reg_why_t *why)
{
    reg_str_t    item;
    const char  *comma;

    for ( ;; ) {
        comma = (value.len == 0) ? NULL : memchr(value.data, ',', value.len);

        item.data = value.data;
        item.len = (comma == NULL) ? value.len
                                   : (size_t) (comma - value.data);

        if (item.len == 0) {
            return reg_why_set(why, "there is nothing between two commas, or "
                               "nothing at all");
        }

        if (add(f, item, why) != 0) {
            return -1;
        }

        if (comma == NULL) {
            return 0;
        }

        value.data += item.len + 1;
        value.len -= item.len + 1;
    }
}


static int
reg_notify_add_action(reg_notify_filter_t *f, reg_str_t item, reg_why_t *why)
{
    unsigned  action;

    action = reg_event_action_find(item);

    if (action == 0) {
        return reg_why_set(why, "\"%.*s\" is none of push, pull, mount and "
                           "delete", reg_why_str(item));
    }

    f->actions |= action;

    return 0;
}


static int
reg_notify_add_repository(reg_notify_filter_t *f, reg_str_t item,
    reg_why_t *why)
{
    reg_pattern_t  *p;

    if (f->npatterns == REG_NOTIFY_FILTERS) {
        return reg_why_set(why, "there are more than %d patterns",
                           REG_NOTIFY_FILTERS);
    }

    if (reg_notify_names_user(item)) {
        return reg_why_set(why, "\"%.*s\" has a $user, which nobody is here",
                           reg_why_str(item));
    }

    p = reg_pattern_compile(item, why);

    if (p == NULL) {
        return -1;
    }

    f->patterns[f->npatterns++] = p;

    return 0;
}


static int
reg_notify_names_user(reg_str_t item)
{
    reg_str_t  rest;

    for (rest = item; rest.len != 0; rest.data++, rest.len--) {
        if (reg_str_starts(rest, reg_str("$user"))
            || reg_str_starts(rest, reg_str("${user}")))
        {
            return 1;
        }
    }

    return 0;
}


static int
reg_notify_add_type(reg_notify_filter_t *f, reg_str_t item, reg_why_t *why)
{
    char    *copy;
    size_t   i;

    if (f->ntypes == REG_NOTIFY_FILTERS) {
        return reg_why_set(why, "there are more than %d media types",
                           REG_NOTIFY_FILTERS);
    }

    for (i = 0; i < item.len; i++) {
        if (item.data[i] <= ' ' || item.data[i] > '~') {
            return reg_why_set(why, "\"%.*s\" fits no media type",
                               reg_why_str(item));
        }
    }

    copy = malloc(item.len + 1);

    if (copy == NULL) {
        return reg_why_set(why, "out of memory");
    }

    memcpy(copy, item.data, item.len);
    copy[item.len] = '\0';

    f->types[f->ntypes++] = copy;

    return 0;
}


void
reg_notify_filter_free(reg_notify_filter_t *f)
{
    while (f->npatterns != 0) {
        reg_pattern_free(f->patterns[--f->npatterns]);
    }

    while (f->ntypes != 0) {
        free(f->types[--f->ntypes]);
    }
}


int
reg_notify_filter_match(const reg_notify_filter_t *f, const reg_event_t *ev)
{
    size_t  i;

    if (!(f->actions & ev->action)
        || !reg_notify_match_repository(f, ev->repository))
    {
        return 0;
    }

    if (f->ntypes == 0 || ev->media_type.len == 0) {
        return 1;
    }

    for (i = 0; i < f->ntypes; i++) {
        if (reg_notify_match_type(f->types[i], ev->media_type)) {
            return 1;
        }
    }

    return 0;
}


static int
reg_notify_match_repository(const reg_notify_filter_t *f, reg_str_t name)
{
    int                match;
    size_t             i;
    reg_pattern_ctx_t  ctx;

    if (f->npatterns == 0) {
        return 1;
    }

    match = 0;
    reg_pattern_begin(&ctx, reg_null_str);

    for (i = 0; i < f->npatterns && match == 0; i++) {
        match = reg_pattern_match(f->patterns[i], &ctx, name);
    }

    reg_pattern_end(&ctx);

    return match != 0;
}


/* A mismatch goes back to the last star, which then takes a byte more. */

static int
reg_notify_match_type(const char *pattern, reg_str_t type)
{
    size_t       i, tried;
    const char  *star;

    i = 0;
    tried = 0;
    star = NULL;

    for ( ;; ) {

        if (*pattern == '*') {
            star = ++pattern;
            tried = i;
            continue;
        }

        if (i == type.len && *pattern == '\0') {
            return 1;
        }

        if (i < type.len && *pattern != '\0'
            && reg_notify_lower(*pattern) == reg_notify_lower(type.data[i]))
        {
            pattern++;
            i++;
            continue;
        }

        if (star == NULL || tried == type.len) {
            return 0;
        }

        pattern = star;
        i = ++tried;
    }
}


static char
reg_notify_lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char) (c + 'a' - 'A') : c;
}
