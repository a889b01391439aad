
#include "reg_links.h"

#include <stdio.h>
#include <string.h>


typedef struct {
    reg_store_t   *s;
    reg_links_pt   fn;
    void          *ctx;
    reg_error_t   *e;
    reg_alg_e      alg;
    unsigned       two:1;         /* digests stand below their first digits */
    unsigned       files:1;       /* and are files */
    reg_path_t     path;
    reg_path_t     deeper;
} reg_links_t;


static reg_rc_t reg_links_run(reg_links_t *l);
static reg_rc_t reg_links_two(void *data, reg_str_t name, int dir);
static reg_rc_t reg_links_digest(void *data, reg_str_t name, int dir);


reg_rc_t
reg_links_walk(reg_store_t *s, reg_str_t name, const char *tail,
    reg_links_pt fn, void *ctx, reg_error_t *e)
{
    reg_links_t  l;

    memset(&l, 0, sizeof(l));

    l.s = s;
    l.fn = fn;
    l.ctx = ctx;
    l.e = e;

    reg_layout_repo(&l.path, name, tail);

    return reg_links_run(&l);
}


reg_rc_t
reg_links_blobs(reg_store_t *s, const char *path, int files,
    reg_links_pt fn, void *ctx, reg_error_t *e)
{
    reg_links_t  l;

    memset(&l, 0, sizeof(l));

    l.s = s;
    l.fn = fn;
    l.ctx = ctx;
    l.e = e;
    l.two = 1;
    l.files = (files != 0);
    l.path.len = strlen(path);

    if (l.path.len >= sizeof(l.path.s)) {
        return reg_error_set(e, REG_INTERNAL, NULL);
    }

    memcpy(l.path.s, path, l.path.len + 1);

    return reg_links_run(&l);
}


static reg_rc_t
reg_links_run(reg_links_t *l)
{
    int        alg, n;
    size_t     len;
    reg_rc_t   rc;
    reg_str_t  name;

    len = l->path.len;

    for (alg = 0; alg < REG_ALG_N; alg++) {
        l->alg = (reg_alg_e) alg;
        name = reg_alg_name(l->alg);

        n = snprintf(l->path.s + len, sizeof(l->path.s) - len, "/%.*s",
                     (int) name.len, name.data);

        if (n < 0 || (size_t) n >= sizeof(l->path.s) - len) {
            return reg_error_set(l->e, REG_INTERNAL, NULL);
        }

        l->path.len = len + (size_t) n;

        rc = l->s->driver->list(l->s, l->path.s,
                                l->two ? reg_links_two : reg_links_digest, l,
                                l->e);

        if (rc != REG_OK && rc != REG_ABSENT) {
            return rc;
        }
    }

    return REG_OK;
}


static reg_rc_t
reg_links_two(void *data, reg_str_t name, int dir)
{
    int           n;
    reg_rc_t      rc;
    reg_links_t  *l;

    l = data;

    if (!dir || name.len != 2) {
        return REG_OK;
    }

    n = snprintf(l->deeper.s, sizeof(l->deeper.s), "%s/%s", l->path.s,
                 name.data);

    if (n < 0 || (size_t) n >= sizeof(l->deeper.s)) {
        return REG_OK;
    }

    rc = l->s->driver->list(l->s, l->deeper.s, reg_links_digest, l, l->e);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


/* What is no digest is not ours. */

static reg_rc_t
reg_links_digest(void *data, reg_str_t name, int dir)
{
    reg_links_t   *l;
    reg_digest_t   d;

    l = data;

    if ((dir != 0) == l->files || reg_digest_make(&d, l->alg, name) != REG_OK) {
        return REG_OK;
    }

    return l->fn(l->ctx, &d);
}
