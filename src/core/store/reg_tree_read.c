
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_tree_private.h"

#include "reg_names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


/* One change: directories to be read, and what was found in them. */
typedef struct {
    reg_fs_t        *fs;
    reg_tree_t      *t;
    int              base;           /* of "repositories" */
    int              all;            /* none may be passed over */
    reg_names_t      todo;           /* a stack: not sorted */
    reg_tree_dir_t  *fresh;          /* to become part of the tree */
    size_t           n;
    size_t           max;
    reg_error_t     *e;
} reg_tree_work_t;


static reg_rc_t reg_tree_read(reg_tree_work_t *w, reg_str_t name,
    reg_tree_dir_t *dir);
static reg_rc_t reg_tree_read_entries(reg_tree_work_t *w, DIR *list,
    reg_str_t name, reg_tree_dir_t *dir);
static reg_rc_t reg_tree_fail(reg_tree_work_t *w, int err, const char *call,
    reg_str_t name);
static reg_rc_t reg_tree_link(reg_tree_work_t *w, reg_str_t name,
    const char *entry);
static int reg_tree_is(int fd, const struct dirent *entry, unsigned char type);
static reg_rc_t reg_tree_child(reg_tree_work_t *w, reg_str_t name,
    const char *entry);
static reg_rc_t reg_tree_fresh(reg_tree_work_t *w, reg_str_t name,
    const reg_tree_dir_t *dir);
static int reg_tree_text(reg_tree_t *t, reg_str_t name, uint32_t *at);
static reg_rc_t reg_tree_merge(reg_tree_work_t *w);
static void reg_tree_unique(reg_tree_work_t *w);
static int reg_tree_compare(const void *a, const void *b, void *text);


reg_rc_t
reg_tree_update(reg_fs_t *fs, reg_tree_t *t, int base, reg_str_t name,
    int all, reg_error_t *e)
{
    char             text[REG_NAME_MAX + 1];
    size_t           i;
    reg_rc_t         rc;
    reg_str_t        next;
    reg_tree_dir_t   dir;
    reg_tree_work_t  w;

    memset(&w, 0, sizeof(w));

    w.fs = fs;
    w.t = t;
    w.base = base;
    w.all = all;
    w.e = e;

    rc = reg_tree_read(&w, name, &dir);

    if (rc == REG_OK) {
        if (name.len == 0) {
            t->root = dir;

        } else if (reg_tree_find(t, name, &i)) {
            dir.name = t->dirs[i].name;
            t->dirs[i] = dir;
        }
    }

    while (rc == REG_OK && w.todo.n > 0) {

        next = reg_names_get(&w.todo, w.todo.n - 1);

        memcpy(text, next.data, next.len + 1);
        next.data = text;

        w.todo.len = w.todo.at[--w.todo.n];

        rc = reg_tree_read(&w, next, &dir);

        if (rc == REG_OK) {
            rc = reg_tree_fresh(&w, next, &dir);

        } else if (rc == REG_ABSENT) {
            rc = REG_OK;
        }
    }

    if (rc == REG_OK) {
        rc = reg_tree_merge(&w);
    }

    if (rc != REG_OK && rc != REG_ABSENT) {

        /* what was read halfway is read once more */

        for (i = 0; i < w.n; i++) {
            t->garbage += strlen(t->text + w.fresh[i].name) + 1;
        }

        t->root.key = 0;
        t->root.settled = 0;

        if (reg_tree_find(t, name, &i)) {
            t->dirs[i].settled = 0;
        }
    }

    reg_names_free(&w.todo);
    free(w.fresh);

    return rc;
}


/*
 * Reads one directory, and leaves those in it that are not known yet in
 * w->todo.  One that may not be read has nothing in it, for who may pass it
 * over.
 */

static reg_rc_t
reg_tree_read(reg_tree_work_t *w, reg_str_t name, reg_tree_dir_t *dir)
{
    int          fd, err;
    DIR         *list;
    reg_rc_t     rc;
    struct stat  st;

    memset(dir, 0, sizeof(reg_tree_dir_t));

    fd = reg_fs_opendir(w->fs, w->base, (name.len > 0) ? name.data : ".");

    if (fd == -1) {

        err = errno;

        if (err == EACCES && !w->all) {
            return REG_OK;
        }

        return reg_tree_fail(w, err, "open", name);
    }

    /* its state before it is read: what changes later is seen later */

    if (fstat(fd, &st) == -1) {
        err = errno;
        (void) close(fd);

        return reg_tree_fail(w, err, "fstat", name);
    }

    reg_tree_key(dir, &st);

    list = fdopendir(fd);

    if (list == NULL) {
        err = errno;
        (void) close(fd);

        return reg_tree_fail(w, err, "fdopendir", name);
    }

    rc = reg_tree_read_entries(w, list, name, dir);

    (void) closedir(list);

    return rc;
}


static reg_rc_t
reg_tree_read_entries(reg_tree_work_t *w, DIR *list, reg_str_t name,
    reg_tree_dir_t *dir)
{
    reg_rc_t        rc;
    struct dirent  *entry;

    for ( ;; ) {

        errno = 0;
        entry = readdir(list);

        if (entry == NULL) {
            return (errno == 0) ? REG_OK
                                : reg_tree_fail(w, errno, "readdir", name);
        }

        if (entry->d_name[0] == '.') {
            continue;
        }

        if (!reg_tree_is(dirfd(list), entry, DT_DIR)) {

            if (w->all && reg_tree_is(dirfd(list), entry, DT_LNK)) {
                return reg_tree_link(w, name, entry->d_name);
            }

            continue;
        }

        if (entry->d_name[0] == '_') {

            if (strcmp(entry->d_name, "_manifests") == 0
                || strcmp(entry->d_name, "_layers") == 0)
            {
                dir->repository = (name.len > 0);
            }

            continue;
        }

        rc = reg_tree_child(w, name, entry->d_name);

        if (rc != REG_OK) {
            return rc;
        }
    }
}


/* Names the directory; of no name it is that of all repositories. */

static reg_rc_t
reg_tree_fail(reg_tree_work_t *w, int err, const char *call, reg_str_t name)
{
    reg_path_t  path;

    if (name.len == 0) {
        return reg_fs_fail(w->e, err, call, REG_LAYOUT_REPOS);
    }

    reg_layout_repo(&path, name, "");

    return reg_fs_fail(w->e, err, call, path.s);
}


/* Whoever made it may have repositories behind it, which nobody sees here. */

static reg_rc_t
reg_tree_link(reg_tree_work_t *w, reg_str_t name, const char *entry)
{
    char        path[REG_PATH_MAX + NAME_MAX];
    reg_path_t  dir;

    (void) snprintf(dir.s, sizeof(dir.s), REG_LAYOUT_REPOS);

    if (name.len > 0) {
        reg_layout_repo(&dir, name, "");
    }

    (void) snprintf(path, sizeof(path), "%s/%s", dir.s, entry);

    return reg_error_sys(w->e, ELOOP, "open", path);
}


static int
reg_tree_is(int fd, const struct dirent *entry, unsigned char type)
{
    struct stat  st;

    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == type;
    }

    return fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
           && IFTODT(st.st_mode) == type;
}


/* Something in a directory: another one to be read, unless it is known. */

static reg_rc_t
reg_tree_child(reg_tree_work_t *w, reg_str_t name, const char *entry)
{
    char       text[REG_NAME_MAX + 1];
    size_t     i, len;
    reg_str_t  full;

    len = strlen(entry);

    full.data = text;
    full.len = name.len + (name.len > 0) + len;

    if (full.len > REG_NAME_MAX) {
        return REG_OK;
    }

    if (name.len > 0) {
        memcpy(text, name.data, name.len);
        text[name.len] = '/';
    }

    memcpy(text + full.len - len, entry, len);

    if (!reg_name_valid(full) || reg_tree_find(w->t, full, &i)) {
        return REG_OK;
    }

    if (reg_names_add(&w->todo, full) != 0) {
        return reg_error_set(w->e, REG_NO_MEMORY, NULL);
    }

    return REG_OK;
}


static reg_rc_t
reg_tree_fresh(reg_tree_work_t *w, reg_str_t name, const reg_tree_dir_t *dir)
{
    void    *p;
    size_t   max;

    if (w->n == w->max) {
        max = w->max ? w->max * 2 : 16;
        p = realloc(w->fresh, max * sizeof(reg_tree_dir_t));

        if (p == NULL) {
            return reg_error_set(w->e, REG_NO_MEMORY, NULL);
        }

        w->fresh = p;
        w->max = max;
    }

    w->fresh[w->n] = *dir;

    if (reg_tree_text(w->t, name, &w->fresh[w->n].name) != 0) {
        return reg_error_set(w->e, REG_NO_MEMORY, NULL);
    }

    w->n++;

    return REG_OK;
}


static int
reg_tree_text(reg_tree_t *t, reg_str_t name, uint32_t *at)
{
    char    *p;
    size_t   size;

    if (t->size - t->len < name.len + 1) {
        size = t->size ? t->size * 2 : 4096;

        while (size - t->len < name.len + 1) {
            size *= 2;
        }

        if (size > UINT32_MAX || (p = realloc(t->text, size)) == NULL) {
            return -1;
        }

        t->text = p;
        t->size = size;
    }

    *at = (uint32_t) t->len;

    memcpy(t->text + t->len, name.data, name.len);
    t->len += name.len;
    t->text[t->len++] = '\0';

    return 0;
}


/* Sorts the new ones; a listing may have named one twice. */

static void
reg_tree_unique(reg_tree_work_t *w)
{
    size_t       i, n;
    reg_tree_t  *t;

    t = w->t;
    n = 1;

    qsort_r(w->fresh, w->n, sizeof(reg_tree_dir_t), reg_tree_compare,
            t->text);

    for (i = 1; i < w->n; i++) {

        if (reg_tree_compare(&w->fresh[i], &w->fresh[n - 1], t->text) == 0) {
            t->garbage += strlen(t->text + w->fresh[i].name) + 1;
            continue;
        }

        w->fresh[n++] = w->fresh[i];
    }

    w->n = n;
}


static reg_rc_t
reg_tree_merge(reg_tree_work_t *w)
{
    void        *p;
    size_t       n, end, place, total, max;
    reg_str_t    name;
    reg_tree_t  *t;

    t = w->t;
    total = t->n + w->n;

    if (w->n == 0) {
        return REG_OK;
    }

    if (total > t->max) {
        max = (t->max * 2 > total) ? t->max * 2 : total;
        p = realloc(t->dirs, max * sizeof(reg_tree_dir_t));

        if (p == NULL) {
            return reg_error_set(w->e, REG_NO_MEMORY, NULL);
        }

        t->dirs = p;
        t->max = max;
    }

    reg_tree_unique(w);

    total = t->n + w->n;

    /* from the last on, the block behind each moves to where it will stay */

    end = t->n;

    for (n = w->n; n > 0; n--) {
        t->n = end;

        name = reg_str_of(t->text + w->fresh[n - 1].name);
        place = reg_tree_search(t, name, 1);

        memmove(t->dirs + place + n, t->dirs + place,
                (end - place) * sizeof(reg_tree_dir_t));

        t->dirs[place + n - 1] = w->fresh[n - 1];

        end = place;
    }

    t->n = total;

    return REG_OK;
}


static int
reg_tree_compare(const void *a, const void *b, void *text)
{
    return strcmp((char *) text + ((const reg_tree_dir_t *) a)->name,
                  (char *) text + ((const reg_tree_dir_t *) b)->name);
}
