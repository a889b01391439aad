
#include "reg_edit.h"
#include "reg_lines.h"

#include <string.h>


/* One line of the text, with all that is around it. */
typedef struct {
    reg_str_t  whole;             /* with its end */
    reg_str_t  eol;               /* LF, CRLF or nothing */
    reg_str_t  line;              /* as reg_lines.h has it; may be empty */
} reg_edit_line_t;


static int reg_edit_next(reg_str_t *rest, reg_edit_line_t *l);
static int reg_edit_has(const reg_edit_line_t *l, const char *end,
    reg_str_t key);
static int reg_edit_write(reg_buf_t *b, reg_str_t text, const char *end,
    reg_str_t key, const reg_str_t *line);


static int
reg_edit_next(reg_str_t *rest, reg_edit_line_t *l)
{
    const char   *lf;
    reg_lines_t   lines;

    if (rest->len == 0) {
        return 0;
    }

    l->whole = *rest;
    l->eol = reg_null_str;

    lf = memchr(rest->data, '\n', rest->len);

    if (lf != NULL) {
        l->whole.len = (size_t) (lf - rest->data) + 1;

        l->eol.data = lf;
        l->eol.len = 1;

        if (l->whole.len > 1 && lf[-1] == '\r') {
            l->eol.data--;
            l->eol.len++;
        }
    }

    rest->data += l->whole.len;
    rest->len -= l->whole.len;

    reg_lines_init(&lines, l->whole);

    if (!reg_lines_next(&lines, &l->line)) {
        l->line = reg_null_str;
    }

    return 1;
}


static int
reg_edit_has(const reg_edit_line_t *l, const char *end, reg_str_t key)
{
    size_t  i;

    if (l->line.len <= key.len
        || memcmp(l->line.data, key.data, key.len) != 0)
    {
        return 0;
    }

    for (i = 0; end[i] != '\0'; i++) {
        if (l->line.data[key.len] == end[i]) {
            return 1;
        }
    }

    return 0;
}


int
reg_edit_find(reg_str_t text, const char *end, reg_str_t key, reg_str_t *line)
{
    reg_edit_line_t  l;

    while (reg_edit_next(&text, &l)) {
        if (reg_edit_has(&l, end, key)) {
            *line = l.line;
            return 1;
        }
    }

    return 0;
}


int
reg_edit_set(reg_buf_t *b, reg_str_t text, const char *end, reg_str_t key,
    reg_str_t line)
{
    return reg_edit_write(b, text, end, key, &line);
}


int
reg_edit_remove(reg_buf_t *b, reg_str_t text, const char *end, reg_str_t key)
{
    return reg_edit_write(b, text, end, key, NULL);
}


static int
reg_edit_write(reg_buf_t *b, reg_str_t text, const char *end, reg_str_t key,
    const reg_str_t *line)
{
    int              open;
    reg_str_t        eol;
    reg_edit_line_t  l;

    eol = reg_null_str;
    open = 0;            /* the last line written has no end */

    while (reg_edit_next(&text, &l)) {

        if (eol.len == 0) {
            eol = (l.eol.len == 0) ? reg_str("\n") : l.eol;
        }

        if (!reg_edit_has(&l, end, key)) {
            reg_buf_str(b, l.whole);
            open = (l.eol.len == 0);
            continue;
        }

        if (line != NULL) {
            reg_buf_str(b, *line);
            reg_buf_str(b, (l.eol.len == 0) ? eol : l.eol);
            line = NULL;
            open = 0;
        }
    }

    if (eol.len == 0) {
        eol = reg_str("\n");
    }

    if (open) {
        reg_buf_str(b, eol);
    }

    if (line != NULL) {
        reg_buf_str(b, *line);
        reg_buf_str(b, eol);
    }

    if (b->len == 0) {
        reg_buf_str(b, reg_str("\n"));
    }

    return reg_buf_failed(b) ? -1 : 0;
}


int
reg_edit_password(reg_buf_t *b, reg_str_t text, reg_str_t user, reg_str_t hash)
{
    int          rc;
    reg_buf_t    line;
    reg_str_t    old, rest;
    const char  *colon;

    rest = reg_null_str;

    if (reg_edit_find(text, ":", user, &old)) {
        old.data += user.len + 1;
        old.len -= user.len + 1;

        colon = (old.len == 0) ? NULL : memchr(old.data, ':', old.len);

        if (colon != NULL) {
            rest.data = colon;
            rest.len = old.len - (size_t) (colon - old.data);
        }
    }

    reg_buf_init(&line, b->max);

    reg_buf_str(&line, user);
    reg_buf_str(&line, reg_str(":"));
    reg_buf_str(&line, hash);
    reg_buf_str(&line, rest);

    rc = reg_buf_failed(&line)
         ? -1 : reg_edit_set(b, text, ":", user, reg_buf_slice(&line));

    reg_buf_free(&line);

    return rc;
}
