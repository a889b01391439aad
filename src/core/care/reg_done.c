
#include "reg_done.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>


/* six numbers of twenty digits, and what stands between them */
#define REG_DONE_LINE  160

#define REG_DONE_FIELDS  6


static void reg_done_path(reg_path_t *p, const char *job);
static int reg_done_parse(reg_str_t line, reg_done_t *d);


static void
reg_done_path(reg_path_t *p, const char *job)
{
    p->len = (size_t) snprintf(p->s, sizeof(p->s), REG_LAYOUT_OWN "/%s.done",
                               job);
}


reg_rc_t
reg_done_write(reg_store_t *s, const char *job, const reg_done_t *d,
    reg_error_t *e)
{
    char        text[REG_DONE_LINE];
    reg_str_t   line;
    reg_path_t  path;

    reg_done_path(&path, job);

    line.data = text;
    line.len = (size_t) snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64
                                 " %" PRIu64 " %" PRIu64 " %" PRIu64
                                 " %" PRIu64 "\n", d->time, d->took,
                                 d->problems, d->blobs, d->bytes,
                                 d->repositories);

    return s->driver->write(s, path.s, line, 0, e);
}


reg_rc_t
reg_done_when(reg_store_t *s, const char *job, int64_t *when, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path;
    reg_stat_t  st;

    reg_done_path(&path, job);

    rc = s->driver->stat(s, path.s, &st, e);

    if (rc == REG_OK) {
        *when = st.mtime;
    }

    return rc;
}


reg_rc_t
reg_done_read(reg_store_t *s, const char *job, reg_done_t *d, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_buf_t   b;
    reg_path_t  path;

    reg_done_path(&path, job);
    reg_buf_init(&b, REG_DONE_LINE + 1);

    rc = s->driver->read(s, path.s, REG_DONE_LINE, &b, e);

    if (rc == REG_OK && reg_done_parse(reg_buf_slice(&b), d) != 0) {
        rc = REG_ABSENT;
    }

    reg_buf_free(&b);

    return rc;
}


/* Decimal numbers, one blank behind each and a line feed behind the last. */

static int
reg_done_parse(reg_str_t line, reg_done_t *d)
{
    size_t       i, len;
    uint64_t     n[REG_DONE_FIELDS];
    reg_str_t    field;
    const char  *end;

    for (i = 0; i < REG_DONE_FIELDS; i++) {
        end = (line.len == 0)
              ? NULL
              : memchr(line.data, (i < REG_DONE_FIELDS - 1) ? ' ' : '\n',
                       line.len);

        if (end == NULL) {
            return -1;
        }

        len = (size_t) (end - line.data);
        field.data = line.data;
        field.len = len;

        if (reg_str_number(field, (i == 0) ? INT64_MAX : UINT64_MAX, &n[i])
            != 0)
        {
            return -1;
        }

        line.data += len + 1;
        line.len -= len + 1;
    }

    if (line.len != 0 || n[0] == 0) {
        return -1;
    }

    d->time = (int64_t) n[0];
    d->took = n[1];
    d->problems = n[2];
    d->blobs = n[3];
    d->bytes = n[4];
    d->repositories = n[5];

    return 0;
}
