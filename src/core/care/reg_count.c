
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_count.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>


static reg_rc_t reg_count_enter(reg_count_t *c, const char *path,
    reg_error_t *e);
static reg_rc_t reg_count_blob(reg_count_t *c, const char *path,
    reg_error_t *e);
static reg_rc_t reg_count_repository(reg_count_t *c, reg_error_t *e);


reg_rc_t
reg_count_begin(reg_count_t *c, reg_store_t *s, reg_error_t *e)
{
    memset(c, 0, sizeof(*c));

    c->s = s;

    return reg_care_begin(&c->care, s, REG_COUNT_LOCK, e);
}


void
reg_count_end(reg_count_t *c)
{
    unsigned  i;

    if (c->done) {
        reg_care_done(&c->care);
    }

    for (i = 0; i < REG_COUNT_LEVELS; i++) {
        reg_list_free(&c->lists[i]);
    }

    reg_walk_free(&c->walk);
    reg_care_end(&c->care);
}


/* First the blobs, then the repositories. */

reg_rc_t
reg_count_step(reg_count_t *c, reg_error_t *e)
{
    int          n;
    char         path[REG_PATH_MAX];
    const char  *name;

    if (!c->begun) {
        c->begun = 1;
        return reg_count_enter(c, REG_LAYOUT_BLOBS, e);
    }

    if (c->level == 0) {
        return reg_count_repository(c, e);
    }

    name = reg_list_next(&c->lists[c->level - 1]);

    if (name == NULL) {
        c->level--;
        return REG_OK;
    }

    n = snprintf(path, sizeof(path), "%s/%s", c->paths[c->level - 1].s, name);

    if (n < 0 || n >= (int) sizeof(path)) {
        return reg_error_sys(e, ENAMETOOLONG, "open",
                             c->paths[c->level - 1].s);
    }

    return (c->level == REG_COUNT_LEVELS) ? reg_count_blob(c, path, e)
                                          : reg_count_enter(c, path, e);
}


/* Goes into a directory, if it is there. */

static reg_rc_t
reg_count_enter(reg_count_t *c, const char *path, reg_error_t *e)
{
    reg_rc_t     rc;
    reg_path_t  *at;

    at = &c->paths[c->level];
    at->len = (size_t) snprintf(at->s, sizeof(at->s), "%s", path);

    c->calls++;

    rc = reg_list_read(&c->lists[c->level], c->s, at->s, 0, e);

    if (rc == REG_OK) {
        c->level++;
    }

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


static reg_rc_t
reg_count_blob(reg_count_t *c, const char *path, reg_error_t *e)
{
    int         n;
    char        data[REG_PATH_MAX + 8];
    reg_rc_t    rc;
    reg_stat_t  st;

    n = snprintf(data, sizeof(data), "%s/data", path);

    if (n < 0 || n >= (int) sizeof(data)) {
        return reg_error_sys(e, ENAMETOOLONG, "open", path);
    }

    c->calls++;

    rc = c->s->driver->stat(c->s, data, &st, e);

    if (rc == REG_OK && !st.dir) {
        c->blobs++;
        c->bytes += st.size;
    }

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


static reg_rc_t
reg_count_repository(reg_count_t *c, reg_error_t *e)
{
    int       found;
    reg_rc_t  rc;

    c->calls++;

    rc = reg_walk_step(&c->walk, c->s, &found, e);

    if (rc == REG_ABSENT) {
        c->done = 1;
        return REG_OK;
    }

    if (rc != REG_OK) {
        return rc;
    }

    if (c->walk.done) {
        c->done = 1;

    } else if (found) {
        c->repositories++;
    }

    return REG_OK;
}
