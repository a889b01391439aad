
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_upload_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


#define REG_STATE_DIR    "hashstates"

/* 2^63 - 1 has 19 digits */
#define REG_STATE_NAME   24


typedef struct {
    uint64_t   below;          /* offsets from here on are not wanted */
    uint64_t   best;
    unsigned   found:1;
    unsigned   beyond:1;       /* there was one from there on */
} reg_state_pick_t;


typedef struct {
    int        dir;
    uint64_t   keep;
} reg_state_clean_t;


static reg_rc_t reg_upload_state_alg(reg_store_t *s, const char *dir,
    reg_alg_e alg, uint64_t size, reg_upload_state_t *state, reg_error_t *e);
static reg_rc_t reg_upload_state_pick(void *ctx, reg_str_t name, int dir);
static int reg_upload_state_offset(reg_str_t name, uint64_t *offset);
static reg_rc_t reg_upload_state_read(reg_store_t *s, const char *path,
    reg_alg_e alg, uint64_t offset, reg_hash_t *h, reg_error_t *e);
static int reg_upload_state_dir(reg_fs_t *fs, int dir, const char *sub);
static int reg_upload_state_write(reg_fs_t *fs, int dir, const char *file,
    reg_str_t data);
static reg_rc_t reg_upload_state_clean(void *ctx, reg_str_t name, int dir);


reg_rc_t
reg_upload_state_load(reg_store_t *s, int dir, const char *path,
    uint64_t size, reg_upload_state_t *state, reg_error_t *e)
{
    int          i, n;
    char         sub[REG_PATH_MAX];
    reg_rc_t     rc;
    struct stat  st;

    reg_hash_init(&state->hash, REG_SHA256);
    state->offset = 0;
    state->any = 0;
    state->damaged = 0;

    /* most sessions have none: one question for all of them */

    if (fstatat(dir, "hashstates", &st, AT_SYMLINK_NOFOLLOW) == -1) {
        rc = reg_fs_fail(e, errno, "stat", path);
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    state->any = 1;

    for (i = 0; i < REG_ALG_N; i++) {

        n = snprintf(sub, sizeof(sub), "%s/" REG_STATE_DIR "/%s", path,
                     reg_alg_name((reg_alg_e) i).data);

        if (n < 0 || n >= (int) sizeof(sub)) {
            return reg_error_set(e, REG_INTERNAL, NULL);
        }

        rc = reg_upload_state_alg(s, sub, (reg_alg_e) i, size, state, e);

        if (rc != REG_OK) {
            return rc;
        }
    }

    return REG_OK;
}


/* Improves state by what stands in the directory of one algorithm. */

static reg_rc_t
reg_upload_state_alg(reg_store_t *s, const char *dir, reg_alg_e alg,
    uint64_t size, reg_upload_state_t *state, reg_error_t *e)
{
    char              path[REG_PATH_MAX];
    reg_rc_t          rc;
    reg_hash_t        h;
    reg_state_pick_t  pick;

    pick.below = size + 1;
    pick.beyond = 0;

    for ( ;; ) {
        pick.found = 0;
        pick.best = 0;

        rc = s->driver->list(s, dir, reg_upload_state_pick, &pick, e);

        if (rc == REG_ABSENT) {
            return REG_OK;
        }

        state->damaged |= pick.beyond;

        /* of two empty ones that counts which was asked for: see create() */

        if (rc != REG_OK || !pick.found || pick.best < state->offset) {
            return rc;
        }

        if (snprintf(path, sizeof(path), "%s/%" PRIu64, dir, pick.best)
            >= (int) sizeof(path))
        {
            return reg_error_set(e, REG_INTERNAL, NULL);
        }

        rc = reg_upload_state_read(s, path, alg, pick.best, &h, e);

        if (rc == REG_OK) {
            state->hash = h;
            state->offset = pick.best;

            return REG_OK;
        }

        if (rc != REG_ABSENT) {
            return rc;
        }

        /* it says something else than its name: an older one may do */

        pick.below = pick.best;
    }
}


static reg_rc_t
reg_upload_state_pick(void *ctx, reg_str_t name, int dir)
{
    uint64_t           offset;
    reg_state_pick_t  *pick;

    pick = ctx;

    if (dir || reg_upload_state_offset(name, &offset) != 0) {
        return REG_OK;
    }

    if (offset >= pick->below) {
        pick->beyond = 1;

    } else if (!pick->found || offset > pick->best) {
        pick->best = offset;
        pick->found = 1;
    }

    return REG_OK;
}


/* The offset in a name, in the one form that has a file of its own. */

static int
reg_upload_state_offset(reg_str_t name, uint64_t *offset)
{
    if (name.len > 1 && name.data[0] == '0') {
        return -1;
    }

    return reg_str_number(name, INT64_MAX - 1, offset);
}


static reg_rc_t
reg_upload_state_read(reg_store_t *s, const char *path, reg_alg_e alg,
    uint64_t offset, reg_hash_t *h, reg_error_t *e)
{
    reg_rc_t   rc;
    reg_buf_t  text;

    reg_buf_init(&text, REG_HASH_STATE_MAX + 1);

    rc = s->driver->read(s, path, REG_HASH_STATE_MAX, &text, e);

    if (rc == REG_OK
        && (reg_hash_restore(h, alg, text.data, text.len) != 0
            || h->length != offset))
    {
        rc = REG_ABSENT;
    }

    reg_buf_free(&text);

    return rc;
}


reg_rc_t
reg_upload_state_save(reg_store_t *s, int dir, const char *path,
    const reg_hash_t *h, int clean, reg_error_t *e)
{
    int                err;
    char               sub[sizeof(REG_STATE_DIR) + 16], file[REG_STATE_NAME];
    char               list[REG_PATH_MAX];
    reg_str_t          data;
    unsigned char      text[REG_HASH_STATE_MAX];
    reg_state_clean_t  c;

    (void) snprintf(sub, sizeof(sub), "%s/%s", REG_STATE_DIR,
                    reg_alg_name(h->alg).data);
    (void) snprintf(file, sizeof(file), "%" PRIu64, h->length);

    if (snprintf(list, sizeof(list), "%s/%s", path, sub)
        >= (int) sizeof(list))
    {
        return reg_error_set(e, REG_INTERNAL, NULL);
    }

    data.data = (char *) text;
    data.len = reg_hash_save(h, text);

    c.keep = h->length;
    c.dir = reg_upload_state_dir(reg_fs_of(s), dir, sub);

    if (c.dir == -1) {
        return reg_upload_unknown(reg_fs_fail(e, errno, "mkdir", list), e);
    }

    if (reg_upload_state_write(reg_fs_of(s), c.dir, file, data) == -1) {
        err = errno;
        (void) close(c.dir);

        return reg_upload_unknown(reg_fs_fail(e, err, "rename", list), e);
    }

    /* what stays behind is passed over by load() */

    if (clean) {
        (void) s->driver->list(s, list, reg_upload_state_clean, &c, NULL);
    }

    (void) close(c.dir);

    return REG_OK;
}


/*
 * In the session that is open, wherever it is by now: under its name there
 * may be none any more, and no part of one must come back there.
 */

static int
reg_upload_state_dir(reg_fs_t *fs, int dir, const char *sub)
{
    int  fd;

    fd = reg_fs_opendir(fs, dir, sub);

    if (fd != -1 || errno != ENOENT) {
        return fd;
    }

    if ((mkdirat(dir, REG_STATE_DIR, REG_FS_DIR_MODE) == -1
         && errno != EEXIST)
        || (mkdirat(dir, sub, REG_FS_DIR_MODE) == -1 && errno != EEXIST))
    {
        return -1;
    }

    return reg_fs_opendir(fs, dir, sub);
}


static int
reg_upload_state_write(reg_fs_t *fs, int dir, const char *file,
    reg_str_t data)
{
    int   tmp, fd, rc, err;
    char  name[REG_FS_UNIQUE];

    tmp = reg_fs_own(fs, REG_FS_TMP);

    if (tmp == -1) {

        /* that there is no such folder is not the session's fault */

        errno = reg_fs_absent(errno) ? EIO : errno;
        return -1;
    }

    do {
        reg_fs_unique(fs, name);
        fd = reg_fs_create(fs, tmp, name, data);
    } while (fd == -1 && errno == EEXIST);

    rc = -1;
    err = errno;

    if (fd != -1) {
        (void) close(fd);

        rc = renameat(tmp, name, dir, file);
        err = errno;

        if (rc == -1) {
            (void) unlinkat(tmp, name, 0);
        }
    }

    (void) close(tmp);

    errno = err;

    return rc;
}


static reg_rc_t
reg_upload_state_clean(void *ctx, reg_str_t name, int dir)
{
    char                text[REG_STATE_NAME];
    uint64_t            offset;
    reg_state_clean_t  *c;

    c = ctx;

    if (!dir && name.len < sizeof(text)
        && reg_upload_state_offset(name, &offset) == 0 && offset < c->keep)
    {
        memcpy(text, name.data, name.len);
        text[name.len] = '\0';

        (void) unlinkat(c->dir, text, 0);
    }

    return REG_OK;
}
