
#include "reg_condition.h"

#include <string.h>


static int reg_condition_find(reg_str_t list, const reg_digest_t *d, int weak);
static int reg_condition_next(reg_str_t *list, int *weak, reg_str_t *tag);


int
reg_condition_any(const reg_condition_t *c)
{
    return c->match.data != NULL || c->none_match.data != NULL;
}


/* In the order of RFC 9110, 13.2.2. */

int
reg_condition_holds(const reg_condition_t *c, const reg_digest_t *d)
{
    if (c->match.data != NULL && reg_condition_find(c->match, d, 0) != 1) {
        return 0;
    }

    return c->none_match.data == NULL
           || reg_condition_find(c->none_match, d, 1) == 0;
}


/*
 * 1 when d is in the list, 0 when not, -1 when it is no list.  A weak tag is
 * the same as a strong one, or as none (8.8.3.2).
 */

static int
reg_condition_find(reg_str_t list, const reg_digest_t *d, int weak)
{
    int        rc, is_weak;
    reg_str_t  tag;

    while (list.len > 0 && (list.data[0] == ' ' || list.data[0] == '\t')) {
        list.data++;
        list.len--;
    }

    while (list.len > 0 && (list.data[list.len - 1] == ' '
                            || list.data[list.len - 1] == '\t'))
    {
        list.len--;
    }

    if (list.len == 1 && list.data[0] == '*') {
        return d != NULL;
    }

    if (list.len == 0) {
        return -1;
    }

    for ( ;; ) {
        rc = reg_condition_next(&list, &is_weak, &tag);

        if (rc <= 0) {
            return rc;
        }

        if (d != NULL && (weak || !is_weak) && tag.len == d->len
            && memcmp(tag.data, d->text, tag.len) == 0)
        {
            return 1;
        }
    }
}


/*
 * Takes the next entity tag from the list: 1, 0 behind the last one, -1 when
 * something else is there.  Commas may stand without anything between them
 * (5.6.1.2), but not be missing.
 */

static int
reg_condition_next(reg_str_t *list, int *weak, reg_str_t *tag)
{
    const char  *p, *end, *quote;

    p = list->data;
    end = p + list->len;

    while (p < end && (*p == ' ' || *p == '\t' || *p == ',')) {
        p++;
    }

    if (p == end) {
        return 0;
    }

    *weak = (end - p > 2 && p[0] == 'W' && p[1] == '/');

    if (*weak) {
        p += 2;
    }

    if (*p++ != '"') {
        return -1;
    }

    quote = (p == end) ? NULL : memchr(p, '"', (size_t) (end - p));

    if (quote == NULL) {
        return -1;
    }

    tag->data = p;
    tag->len = (size_t) (quote - p);

    for (p = quote + 1; p < end && (*p == ' ' || *p == '\t'); p++) {
        /* void */
    }

    if (p < end && *p != ',') {
        return -1;
    }

    list->data = p;
    list->len = (size_t) (end - p);

    return 1;
}
