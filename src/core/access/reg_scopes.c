
#include "reg_scopes.h"
#include "reg_name.h"

#include <string.h>


static int reg_scopes_one(reg_scopes_t *list, reg_str_t text);
static int reg_scopes_type(reg_str_t type, reg_str_t want);
static unsigned reg_scopes_actions(reg_str_t text);


int
reg_scopes_parse(reg_scopes_t *list, reg_str_t text)
{
    reg_str_t    one;
    const char  *p, *end;

    if (text.len > REG_SCOPES_TEXT_MAX) {
        return -1;
    }

    p = text.data;
    end = (text.len == 0) ? p : p + text.len;

    while (p < end) {

        if (*p == ' ') {
            p++;
            continue;
        }

        one.data = p;

        while (p < end && *p != ' ') {
            p++;
        }

        one.len = (size_t) (p - one.data);

        if (reg_scopes_one(list, one) != 0) {
            return -1;
        }
    }

    return 0;
}


/*
 * The name may have a port in it, so the type ends at the first colon and the
 * actions begin behind the last.
 */

static int
reg_scopes_one(reg_scopes_t *list, reg_str_t text)
{
    unsigned     may;
    reg_str_t    type, name, actions;
    const char  *first, *last;

    first = memchr(text.data, ':', text.len);

    if (first == NULL) {
        return 0;
    }

    last = text.data + text.len - 1;

    while (*last != ':') {
        last--;
    }

    if (first == last) {
        return 0;
    }

    type.data = text.data;
    type.len = (size_t) (first - text.data);

    name.data = first + 1;
    name.len = (size_t) (last - name.data);

    actions.data = last + 1;
    actions.len = (size_t) (text.data + text.len - actions.data);

    if (reg_scopes_type(type, reg_str("repository"))) {
        may = reg_scopes_actions(actions);

        if (may == 0 || !reg_name_valid(name)) {
            return 0;
        }

        return reg_scopes_add(list, name, may);
    }

    if (reg_scopes_type(type, reg_str("registry"))
        && reg_str_eq(name, reg_str("catalog"))
        && reg_str_eq(actions, reg_str("*")))
    {
        return reg_scopes_add(list, reg_null_str, REG_MAY_LIST);
    }

    return 0;
}


/* With or without a class: "[a-z0-9]+" in parentheses. */

static int
reg_scopes_type(reg_str_t type, reg_str_t want)
{
    char    c;
    size_t  i;

    if (reg_str_eq(type, want)) {
        return 1;
    }

    if (!reg_str_starts(type, want) || type.len < want.len + 3
        || type.data[want.len] != '(' || type.data[type.len - 1] != ')')
    {
        return 0;
    }

    for (i = want.len + 1; i < type.len - 1; i++) {
        c = type.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) {
            return 0;
        }
    }

    return 1;
}


static unsigned
reg_scopes_actions(reg_str_t text)
{
    unsigned     may;
    reg_str_t    one;
    const char  *p, *end;

    may = 0;
    p = text.data;
    end = p + text.len;

    while (p < end) {
        one.data = p;

        while (p < end && *p != ',') {
            p++;
        }

        one.len = (size_t) (p - one.data);

        if (reg_str_eq(one, reg_str("*"))) {
            may |= REG_MAY_REPOSITORY;

        } else {
            may |= reg_may_find(one) & REG_MAY_REPOSITORY;
        }

        p += (p < end);
    }

    return may;
}


int
reg_scopes_add(reg_scopes_t *list, reg_str_t name, unsigned may)
{
    size_t  i;

    for (i = 0; i < list->n; i++) {
        if (reg_str_eq(list->items[i].name, name)) {
            list->items[i].may |= may;
            return 0;
        }
    }

    if (list->n == REG_SCOPES_MAX) {
        return -1;
    }

    list->items[list->n].name = name;
    list->items[list->n].may = may;
    list->n++;

    return 0;
}


void
reg_scopes_needed(reg_scopes_t *list, unsigned may, reg_str_t name)
{
    list->n = 0;

    if (may & REG_MAY_LIST) {
        (void) reg_scopes_add(list, reg_null_str, REG_MAY_LIST);
    }

    may &= REG_MAY_REPOSITORY;

    if (may == 0 || name.len == 0) {
        return;
    }

    if (may & (REG_MAY_PUSH|REG_MAY_UPDATE)) {
        may |= REG_MAY_PULL|REG_MAY_PUSH;
    }

    (void) reg_scopes_add(list, name, may);
}


void
reg_scopes_print(reg_buf_t *b, const reg_scopes_t *list)
{
    size_t  i;

    for (i = 0; i < list->n; i++) {

        if (i != 0) {
            reg_buf_str(b, reg_str(" "));
        }

        if (list->items[i].name.len == 0) {
            reg_buf_str(b, reg_str("registry:catalog:*"));
            continue;
        }

        reg_buf_str(b, reg_str("repository:"));
        reg_buf_str(b, list->items[i].name);
        reg_buf_str(b, reg_str(":"));
        reg_may_print(b, list->items[i].may, reg_str(","));
    }
}


void
reg_scopes_print_json(reg_buf_t *b, const reg_scopes_t *list)
{
    size_t  i;

    reg_buf_str(b, reg_str("["));

    for (i = 0; i < list->n; i++) {

        if (i != 0) {
            reg_buf_str(b, reg_str(","));
        }

        if (list->items[i].name.len == 0) {
            reg_buf_str(b, reg_str("{\"type\":\"registry\","
                                   "\"name\":\"catalog\","
                                   "\"actions\":[\"*\"]}"));
            continue;
        }

        reg_buf_str(b, reg_str("{\"type\":\"repository\",\"name\":\""));
        reg_buf_json(b, list->items[i].name);
        reg_buf_str(b, reg_str("\",\"actions\":[\""));
        reg_may_print(b, list->items[i].may, reg_str("\",\""));
        reg_buf_str(b, reg_str("\"]}"));
    }

    reg_buf_str(b, reg_str("]"));
}
