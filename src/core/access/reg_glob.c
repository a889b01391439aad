
#include "reg_name.h"
#include "reg_pattern_private.h"

#include <stdlib.h>
#include <string.h>


typedef enum {
    REG_GLOB_TEXT = 0,        /* these bytes */
    REG_GLOB_STAR,            /* any, but no slash */
    REG_GLOB_USER,            /* the user's name */
    REG_GLOB_SLASH,           /* the end of a component */
    REG_GLOB_DEEP             /* any number of whole components, and the slash
                                 behind each */
} reg_glob_e;


typedef struct {
    reg_glob_e  type;
    reg_str_t   text;
} reg_glob_part_t;


struct reg_glob_s {
    size_t           n;
    unsigned         all:1;       /* "**" alone */
    reg_glob_part_t  parts[];     /* their text stands behind the last */
};


static int reg_glob_component(reg_glob_t *g, reg_str_t c, reg_why_t *why);
static int reg_glob_text(reg_glob_t *g, reg_str_t c, size_t *pos,
    reg_why_t *why);
static void reg_glob_part(reg_glob_t *g, reg_glob_e type, reg_str_t text);
static size_t reg_glob_end(const reg_glob_t *g, size_t i);
static int reg_glob_match_component(const reg_glob_part_t *p,
    const reg_glob_part_t *last, reg_str_t user, reg_str_t s);
static reg_str_t reg_glob_next(reg_str_t *rest);


reg_glob_t *
reg_glob_compile(reg_str_t text, reg_why_t *why)
{
    char        *copy;
    reg_str_t    c;
    reg_glob_t  *g;
    const char  *p, *end, *slash;

    /* no more parts than bytes */

    g = malloc(sizeof(reg_glob_t) + text.len * sizeof(reg_glob_part_t)
               + text.len);

    if (g == NULL) {
        (void) reg_why_set(why, "out of memory");
        return NULL;
    }

    g->n = 0;
    g->all = reg_str_eq(text, reg_str("**"));

    copy = (char *) &g->parts[text.len];
    memcpy(copy, text.data, text.len);

    p = copy;
    end = copy + text.len;

    for ( ;; ) {
        slash = memchr(p, '/', (size_t) (end - p));

        c.data = p;
        c.len = (size_t) (((slash == NULL) ? end : slash) - p);

        if (c.len == 0) {
            (void) reg_why_set(why, "\"%.*s\" has an empty component",
                               reg_why_str(text));
            goto failed;
        }

        if (reg_glob_component(g, c, why) != 0) {
            goto failed;
        }

        if (slash == NULL) {
            break;
        }

        if (g->parts[g->n - 1].type != REG_GLOB_DEEP) {
            reg_glob_part(g, REG_GLOB_SLASH, reg_null_str);
        }

        p = slash + 1;

        if (p == end) {
            (void) reg_why_set(why, "\"%.*s\" ends with a slash",
                               reg_why_str(text));
            goto failed;
        }
    }

    return g;

failed:

    free(g);

    return NULL;
}


/* One component; c is the glob's own copy. */

static int
reg_glob_component(reg_glob_t *g, reg_str_t c, reg_why_t *why)
{
    int        rc, literal;
    size_t     i;
    reg_str_t  rest;

    if (reg_str_eq(c, reg_str("**"))) {

        if (g->n != 0 && g->parts[g->n - 1].type == REG_GLOB_DEEP) {
            return reg_why_set(why, "\"**/**\" says no more than \"**\"");
        }

        reg_glob_part(g, REG_GLOB_DEEP, reg_null_str);

        return 0;
    }

    literal = 1;

    for (i = 0; i < c.len; /* void */) {

        rest.data = c.data + i;
        rest.len = c.len - i;

        if (c.data[i] == '*') {

            if (rest.len > 1 && rest.data[1] == '*') {
                return reg_why_set(why, "\"**\" has to be a component of its "
                                   "own, which it is not in \"%.*s\"",
                                   reg_why_str(c));
            }

            reg_glob_part(g, REG_GLOB_STAR, reg_null_str);
            literal = 0;
            i++;
            continue;
        }

        rc = reg_pattern_variable(rest, why);

        if (rc < 0) {
            return -1;
        }

        if (rc > 0) {
            reg_glob_part(g, REG_GLOB_USER, reg_null_str);
            literal = 0;
            i += (size_t) rc;
            continue;
        }

        if (reg_glob_text(g, c, &i, why) != 0) {
            return -1;
        }
    }

    if (literal && !reg_name_valid(c)) {
        return reg_why_set(why, "\"%.*s\" can be no part of a repository's "
                           "name", reg_why_str(c));
    }

    return 0;
}


/* The run of plain bytes that begins at *pos. */

static int
reg_glob_text(reg_glob_t *g, reg_str_t c, size_t *pos, reg_why_t *why)
{
    char       ch;
    size_t     i;
    reg_str_t  text;

    for (i = *pos; i < c.len && c.data[i] != '*' && c.data[i] != '$'; i++) {
        ch = c.data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')
              || ch == '.' || ch == '_' || ch == '-'))
        {
            return reg_why_set(why, "\"%.*s\" can be no part of a "
                               "repository's name", reg_why_str(c));
        }
    }

    text.data = c.data + *pos;
    text.len = i - *pos;

    reg_glob_part(g, REG_GLOB_TEXT, text);

    *pos = i;

    return 0;
}


static void
reg_glob_part(reg_glob_t *g, reg_glob_e type, reg_str_t text)
{
    g->parts[g->n].type = type;
    g->parts[g->n].text = text;
    g->n++;
}


void
reg_glob_free(reg_glob_t *g)
{
    free(g);
}


/* Cuts the first component off, and the slash behind it. */

static reg_str_t
reg_glob_next(reg_str_t *rest)
{
    reg_str_t    c;
    const char  *slash;

    c = *rest;
    slash = memchr(rest->data, '/', rest->len);

    if (slash == NULL) {
        rest->data += rest->len;
        rest->len = 0;
        return c;
    }

    c.len = (size_t) (slash - rest->data);
    rest->data += c.len + 1;
    rest->len -= c.len + 1;

    return c;
}


/* The part behind the component that begins with part i. */

static size_t
reg_glob_end(const reg_glob_t *g, size_t i)
{
    while (i < g->n && g->parts[i].type != REG_GLOB_SLASH) {
        i++;
    }

    return i;
}


/*
 * Component by component.  A mismatch goes back to the last "**", which then
 * swallows one component more: earlier ones need no second try, since whatever
 * they left can be swallowed by the last just as well.
 */

int
reg_glob_match(const reg_glob_t *g, reg_str_t user, reg_str_t name)
{
    size_t     i, end, deep;
    reg_str_t  rest, tried, c;

    if (g->all) {
        return 1;
    }

    i = 0;
    rest = name;
    deep = SIZE_MAX;
    tried = reg_null_str;

    for ( ;; ) {

        if (i < g->n && g->parts[i].type == REG_GLOB_DEEP) {

            if (i + 1 == g->n) {
                /* the last "**" is for something below, not for nothing */
                return rest.len != 0;
            }

            deep = ++i;
            tried = rest;
            continue;
        }

        if (i == g->n && rest.len == 0) {
            return 1;
        }

        if (i < g->n && rest.len != 0) {
            end = reg_glob_end(g, i);
            c = reg_glob_next(&rest);

            if (reg_glob_match_component(&g->parts[i], &g->parts[end], user,
                                         c))
            {
                i = (end < g->n) ? end + 1 : end;
                continue;
            }
        }

        if (deep == SIZE_MAX || tried.len == 0) {
            return 0;
        }

        (void) reg_glob_next(&tried);

        i = deep;
        rest = tried;
    }
}


/* The same inside a component, with stars for "**". */

static int
reg_glob_match_component(const reg_glob_part_t *p, const reg_glob_part_t *last,
    reg_str_t user, reg_str_t s)
{
    size_t                  pos, tried;
    reg_str_t               rest, text;
    const reg_glob_part_t  *star;

    pos = 0;
    tried = 0;
    star = NULL;

    for ( ;; ) {

        if (p < last && p->type == REG_GLOB_STAR) {
            star = ++p;
            tried = pos;
            continue;
        }

        if (p == last && pos == s.len) {
            return 1;
        }

        if (p < last) {
            text = (p->type == REG_GLOB_USER) ? user : p->text;

            if (text.len == 0) {
                return 0;
            }

            rest.data = s.data + pos;
            rest.len = s.len - pos;

            if (reg_str_starts(rest, text)) {
                pos += text.len;
                p++;
                continue;
            }
        }

        if (star == NULL || tried == s.len) {
            return 0;
        }

        p = star;
        pos = ++tried;
    }
}
