
#include "reg_lines.h"

#include <string.h>


#define reg_lines_blank(c)  ((c) == ' ' || (c) == '\t')


void
reg_lines_init(reg_lines_t *l, reg_str_t text)
{
    l->pos = text.data;
    l->end = (text.len == 0) ? text.data : text.data + text.len;
    l->number = 0;
    l->open = 0;
}


int
reg_lines_next(reg_lines_t *l, reg_str_t *line)
{
    const char  *p, *end;

    while (l->pos < l->end) {

        p = l->pos;
        end = memchr(p, '\n', (size_t) (l->end - p));

        if (end == NULL) {
            end = l->end;
            l->pos = end;
            l->open = 1;

        } else {
            l->pos = end + 1;
        }

        l->number++;

        if (end > p && end[-1] == '\r') {
            end--;
        }

        while (p < end && reg_lines_blank(*p)) {
            p++;
        }

        while (p < end && reg_lines_blank(end[-1])) {
            end--;
        }

        if (p == end || *p == '#') {
            continue;
        }

        line->data = p;
        line->len = (size_t) (end - p);

        return 1;
    }

    return 0;
}


int
reg_lines_each(reg_lines_t *l, reg_lines_pt fn, void *ctx, reg_skip_pt skip,
    void *data)
{
    reg_str_t    line;
    const char  *why;

    while (reg_lines_next(l, &line)) {
        why = NULL;

        if (fn(ctx, line, &why) == 0) {
            continue;
        }

        if (why == NULL) {
            return -1;
        }

        if (skip != NULL) {
            skip(data, l->number, why);
        }
    }

    return 0;
}


int
reg_lines_word(reg_str_t *line, reg_str_t *word)
{
    const char  *p, *end;

    p = line->data;
    end = (line->len == 0) ? p : p + line->len;

    while (p < end && reg_lines_blank(*p)) {
        p++;
    }

    if (p == end) {
        line->len = 0;
        return 0;
    }

    if (*p == '"') {
        word->data = ++p;

        while (p < end && *p != '"') {
            p++;
        }

        if (p == end) {
            return -1;
        }

        word->len = (size_t) (p - word->data);
        p++;

        if (p < end && !reg_lines_blank(*p)) {
            return -1;
        }

    } else {
        word->data = p;

        while (p < end && !reg_lines_blank(*p)) {
            p++;
        }

        word->len = (size_t) (p - word->data);
    }

    line->data = p;
    line->len = (size_t) (end - p);

    return 1;
}
