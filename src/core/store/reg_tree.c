
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_tree_private.h"

#include "reg_time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


/* names of directories that are gone may take that much memory */
#define REG_TREE_GARBAGE  65536


typedef enum {
    REG_TREE_SAME = 0,
    REG_TREE_GONE,
    REG_TREE_READ
} reg_tree_state_e;


static reg_rc_t reg_tree_base(reg_store_t *s, reg_tree_t *t, int all,
    int *base, reg_error_t *e);
static reg_rc_t reg_tree_prefixes(reg_fs_t *fs, reg_tree_t *t, int base,
    reg_str_t key, int all, reg_error_t *e);
static reg_str_t reg_tree_name(const reg_tree_t *t, size_t i);
static reg_rc_t reg_tree_look(reg_fs_t *fs, reg_tree_t *t, int base,
    size_t i, int all, reg_tree_state_e *state, reg_error_t *e);
static void reg_tree_remove(reg_tree_t *t, size_t i);
static void reg_tree_compact(reg_tree_t *t);


void
reg_tree_free(reg_tree_t *t)
{
    free(t->dirs);
    free(t->text);

    memset(t, 0, sizeof(reg_tree_t));
}


reg_rc_t
reg_tree_take(reg_store_t *s, reg_tree_t *t, reg_str_t from, int behind,
    int all, char (*names)[REG_NAME_MAX + 1], size_t max, size_t *n,
    reg_error_t *e)
{
    int               base;
    size_t            i;
    reg_rc_t          rc;
    reg_str_t         name;
    reg_tree_state_e  state;

    *n = 0;

    rc = reg_tree_base(s, t, all, &base, e);

    if (rc != REG_OK || base == -1) {
        return rc;
    }

    rc = reg_tree_prefixes(reg_fs_of(s), t, base, from, all, e);

    i = reg_tree_search(t, from, behind);

    while (rc == REG_OK && *n < max && i < t->n) {

        rc = reg_tree_look(reg_fs_of(s), t, base, i, all, &state, e);

        /* whatever was read, it was put behind this one */

        if (rc != REG_OK || state == REG_TREE_GONE) {
            continue;
        }

        if (t->dirs[i].repository) {
            name = reg_tree_name(t, i);
            memcpy(names[(*n)++], name.data, name.len + 1);
        }

        i++;
    }

    (void) close(base);

    return rc;
}


/*
 * Opens "repositories", and reads it when it changed.  -1 when there is none.
 */

static reg_rc_t
reg_tree_base(reg_store_t *s, reg_tree_t *t, int all, int *base,
    reg_error_t *e)
{
    int             fd;
    reg_fs_t       *fs;
    reg_rc_t        rc;
    struct stat     st;
    reg_tree_dir_t  now;

    fs = reg_fs_of(s);
    *base = -1;

    fd = reg_fs_opendir(fs, fs->root, REG_LAYOUT_REPOS);

    if (fd == -1 || fstat(fd, &st) == -1) {

        /* what stands behind a symbolic link may be passed over, or not */

        rc = (all && errno != ENOENT)
             ? reg_error_sys(e, errno, "open", REG_LAYOUT_REPOS)
             : reg_fs_fail(e, errno, "open", REG_LAYOUT_REPOS);

        if (fd != -1) {
            (void) close(fd);
        }

        if (rc != REG_ABSENT) {
            return rc;
        }

        reg_tree_free(t);

        return REG_OK;
    }

    reg_tree_key(&now, &st);

    if (now.key != t->root.key || !t->root.settled) {
        rc = reg_tree_update(fs, t, fd, reg_null_str, all, e);

        if (rc != REG_OK) {
            (void) close(fd);
            return rc;
        }
    }

    *base = fd;

    return REG_OK;
}


/*
 * Looks at those directories before key in which something behind it may have
 * appeared.  If d < key < d/x, then key begins with d, and goes on with a byte
 * that is no greater than the slash.
 */

static reg_rc_t
reg_tree_prefixes(reg_fs_t *fs, reg_tree_t *t, int base, reg_str_t key,
    int all, reg_error_t *e)
{
    size_t            i, len;
    reg_rc_t          rc;
    reg_str_t         prefix;
    reg_tree_state_e  state;

    prefix.data = key.data;

    for (len = 1; len <= key.len; len++) {

        if (len < key.len && key.data[len] > '/') {
            continue;
        }

        prefix.len = len;

        if (reg_tree_find(t, prefix, &i)) {
            rc = reg_tree_look(fs, t, base, i, all, &state, e);

            if (rc != REG_OK) {
                return rc;
            }
        }
    }

    return REG_OK;
}


size_t
reg_tree_search(const reg_tree_t *t, reg_str_t key, int behind)
{
    int     order;
    size_t  low, high, mid;

    low = 0;
    high = t->n;

    while (low < high) {
        mid = low + (high - low) / 2;
        order = reg_str_cmp(reg_tree_name(t, mid), key);

        if (order > 0 || (order == 0 && !behind)) {
            high = mid;

        } else {
            low = mid + 1;
        }
    }

    return low;
}


int
reg_tree_find(const reg_tree_t *t, reg_str_t name, size_t *i)
{
    *i = reg_tree_search(t, name, 0);

    return *i < t->n && reg_str_eq(reg_tree_name(t, *i), name);
}


static reg_str_t
reg_tree_name(const reg_tree_t *t, size_t i)
{
    return reg_str_of(t->text + t->dirs[i].name);
}


/*
 * Looks whether a directory is as it was.  stat() may follow a symbolic link
 * on its way, but what it finds then is not the inode that was read.
 */

static reg_rc_t
reg_tree_look(reg_fs_t *fs, reg_tree_t *t, int base, size_t i, int all,
    reg_tree_state_e *state, reg_error_t *e)
{
    char             name[REG_NAME_MAX + 1];
    reg_rc_t         rc;
    reg_str_t        known;
    struct stat      st;
    reg_tree_dir_t  *dir, now;

    dir = &t->dirs[i];
    known = reg_tree_name(t, i);

    if (fstatat(base, known.data, &st, AT_SYMLINK_NOFOLLOW) == -1) {

        if (!reg_fs_absent(errno)) {
            return reg_error_sys(e, errno, "stat", known.data);
        }

        reg_tree_remove(t, i);
        *state = REG_TREE_GONE;

        return REG_OK;
    }

    reg_tree_key(&now, &st);

    if (now.key == dir->key && dir->settled) {
        *state = REG_TREE_SAME;
        return REG_OK;
    }

    memcpy(name, known.data, known.len + 1);
    known.data = name;

    rc = reg_tree_update(fs, t, base, known, all, e);

    /* ABSENT: it went between the two, or is no directory */

    if (rc == REG_ABSENT) {

        if (reg_tree_find(t, known, &i)) {
            reg_tree_remove(t, i);
        }

        *state = REG_TREE_GONE;

        return REG_OK;
    }

    *state = REG_TREE_READ;

    return rc;
}


static void
reg_tree_remove(reg_tree_t *t, size_t i)
{
    t->garbage += reg_tree_name(t, i).len + 1;

    memmove(t->dirs + i, t->dirs + i + 1,
            (t->n - i - 1) * sizeof(reg_tree_dir_t));
    t->n--;

    if (t->garbage > REG_TREE_GARBAGE && t->garbage > t->len / 2) {
        reg_tree_compact(t);
    }
}


/* Without memory for it the garbage stays. */

static void
reg_tree_compact(reg_tree_t *t)
{
    char    *text;
    size_t   i, len, size;

    size = t->len - t->garbage;
    text = malloc(size + 1);

    if (text == NULL) {
        return;
    }

    len = 0;

    for (i = 0; i < t->n; i++) {
        size = strlen(t->text + t->dirs[i].name) + 1;

        memcpy(text + len, t->text + t->dirs[i].name, size);

        t->dirs[i].name = (uint32_t) len;
        len += size;
    }

    free(t->text);

    t->text = text;
    t->size = t->len - t->garbage + 1;
    t->len = len;
    t->garbage = 0;
}


void
reg_tree_key(reg_tree_dir_t *dir, const struct stat *st)
{
    int64_t          changed, now;
    struct timespec  ts;

    /* a clock is read for this one purpose, see reg_fs_tick() */

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    now = reg_time_ns(&ts);
    changed = reg_time_ns(&st->st_ctim);

    dir->key = reg_fs_mix(reg_fs_mix(st->st_dev, st->st_ino),
                          (uint64_t) changed);
    dir->settled = (changed + reg_fs_tick(changed) <= now);
}
