
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_walk.h"

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


typedef struct {
    reg_names_list_t  *list;
    reg_store_t       *s;
    const char        *path;
    reg_error_t       *e;
    int                files;
} reg_list_read_t;


static reg_rc_t reg_list_entry(void *ctx, reg_str_t name, int dir);
static reg_rc_t reg_list_symlink(const reg_list_read_t *r, reg_str_t name);
static reg_rc_t reg_walk_enter(reg_walk_t *w, reg_store_t *s,
    const char *name, reg_error_t *e);
static void reg_walk_leave(reg_walk_t *w);
static void reg_walk_parts(reg_walk_t *w);


reg_rc_t
reg_list_read(reg_names_list_t *l, reg_store_t *s, const char *path,
    int files, reg_error_t *e)
{
    reg_list_read_t  r;

    l->len = 0;
    l->at = 0;

    r.list = l;
    r.s = s;
    r.path = path;
    r.e = e;
    r.files = files;

    return s->driver->list(s, path, reg_list_entry, &r, e);
}


static reg_rc_t
reg_list_entry(void *ctx, reg_str_t name, int dir)
{
    char              *names;
    size_t             size;
    reg_list_read_t   *r;
    reg_names_list_t  *l;

    r = ctx;
    l = r->list;

    if (!dir) {
        if (reg_list_symlink(r, name) != REG_OK) {
            return REG_STORAGE;
        }

        if (!r->files) {
            return REG_OK;
        }
    }

    if (name.len + 1 > l->size - l->len) {

        for (size = (l->size == 0) ? 1024 : 2 * l->size;
             size - l->len < name.len + 1;
             size *= 2)
        {
            /* void */
        }

        names = realloc(l->names, size);

        if (names == NULL) {
            return reg_error_set(r->e, REG_NO_MEMORY, NULL);
        }

        l->names = names;
        l->size = size;
    }

    memcpy(l->names + l->len, name.data, name.len + 1);
    l->len += name.len + 1;

    return REG_OK;
}


static reg_rc_t
reg_list_symlink(const reg_list_read_t *r, reg_str_t name)
{
    int          n, fd;
    char         path[REG_PATH_MAX + 256];
    reg_fs_t    *fs;
    struct stat  st;

    n = snprintf(path, sizeof(path), "%s/%.*s", r->path, (int) name.len,
                 name.data);

    if (n < 0 || n >= (int) sizeof(path)) {
        return reg_error_sys(r->e, ENAMETOOLONG, "open", r->path);
    }

    fs = reg_fs_of(r->s);
    fd = reg_fs_open(fs, fs->root, path, O_PATH);

    if (fd == -1) {
        if (errno != ELOOP) {
            return REG_OK;
        }

    } else {

        /* where symbolic links are not refused on the way, it is one itself */

        n = fstat(fd, &st);
        (void) close(fd);

        if (n == -1 || !S_ISLNK(st.st_mode)) {
            return REG_OK;
        }
    }

    return reg_error_sys(r->e, ELOOP, "open", path);
}


const char *
reg_list_next(reg_names_list_t *l)
{
    const char  *name;

    if (l->at == l->len) {
        return NULL;
    }

    name = l->names + l->at;
    l->at += strlen(name) + 1;

    return name;
}


void
reg_list_free(reg_names_list_t *l)
{
    free(l->names);
    memset(l, 0, sizeof(*l));
}


reg_rc_t
reg_walk_step(reg_walk_t *w, reg_store_t *s, int *found, reg_error_t *e)
{
    reg_rc_t     rc;
    const char  *name;

    *found = 0;

    if (w->depth == 0 && !w->done) {
        rc = reg_walk_enter(w, s, NULL, e);

    } else {

        for ( ;; ) {
            if (w->depth == 0) {
                w->done = 1;
                return REG_OK;
            }

            w->name.len = w->ends[w->depth - 1];
            w->name.s[w->name.len] = '\0';

            do {
                name = reg_list_next(w->levels[w->depth - 1]);
            } while (name != NULL && name[0] == '_');

            if (name != NULL) {
                break;
            }

            reg_walk_leave(w);
        }

        rc = reg_walk_enter(w, s, name, e);

        if (rc == REG_ABSENT) {
            return REG_OK;
        }
    }

    if (rc == REG_OK && w->depth > 1) {
        reg_walk_parts(w);
        *found = (w->layers || w->manifests || w->uploads);
    }

    return rc;
}


/* Without a name: the directory of all. */

static reg_rc_t
reg_walk_enter(reg_walk_t *w, reg_store_t *s, const char *name,
    reg_error_t *e)
{
    int                n;
    size_t             room;
    reg_rc_t           rc;
    reg_path_t         path;
    reg_names_list_t  *l;

    if (name == NULL) {
        w->name.len = 0;
        w->name.s[0] = '\0';
    }

    /* room for a tag's index entry behind it */

    room = REG_PATH_MAX / 2 - w->name.len;
    n = (name == NULL) ? 0 : snprintf(w->name.s + w->name.len, room, "%s%s",
                                      w->name.len ? "/" : "", name);

    if (n < 0 || (size_t) n >= room || w->depth == REG_WALK_DEPTH) {
        return reg_error_sys(e, ENAMETOOLONG, "open", w->name.s);
    }

    w->name.len += (size_t) n;

    (void) reg_walk_path(w, &path, "%s", "");

    l = calloc(1, sizeof(reg_names_list_t));

    if (l == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    rc = reg_list_read(l, s, path.s, 0, e);

    if (rc != REG_OK) {
        reg_list_free(l);
        free(l);

        return rc;
    }

    w->levels[w->depth] = l;
    w->ends[w->depth] = w->name.len;
    w->depth++;

    return REG_OK;
}


static void
reg_walk_leave(reg_walk_t *w)
{
    w->depth--;

    reg_list_free(w->levels[w->depth]);
    free(w->levels[w->depth]);
}


static void
reg_walk_parts(reg_walk_t *w)
{
    const char        *name;
    reg_names_list_t  *l;

    l = w->levels[w->depth - 1];

    w->layers = 0;
    w->manifests = 0;
    w->uploads = 0;

    while ((name = reg_list_next(l)) != NULL) {
        w->layers |= (strcmp(name, "_layers") == 0);
        w->manifests |= (strcmp(name, "_manifests") == 0);
        w->uploads |= (strcmp(name, "_uploads") == 0);
    }

    l->at = 0;
}


void
reg_walk_free(reg_walk_t *w)
{
    while (w->depth > 0) {
        reg_walk_leave(w);
    }
}


int
reg_walk_path(const reg_walk_t *w, reg_path_t *p, const char *fmt, ...)
{
    int      n, k;
    va_list  args;

    n = snprintf(p->s, sizeof(p->s), "%s%s%s", REG_LAYOUT_REPOS,
                 w->name.len ? "/" : "", w->name.s);

    va_start(args, fmt);
    k = vsnprintf(p->s + n, sizeof(p->s) - (size_t) n, fmt, args);
    va_end(args);

    if (k < 0 || n + k >= (int) sizeof(p->s)) {
        p->s[0] = '\0';
        p->len = 0;

        return -1;
    }

    p->len = (size_t) (n + k);

    return 0;
}
