
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_backup_dir.h"

#include "reg_blob.h"
#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* <linux/fs.h> does not go with <sys/mount.h> on all systems */
#ifndef FICLONE
#define FICLONE  _IOW(0x94, 9, int)
#endif


#define REG_BACKUP_CHUNK  (1024 * 1024)

/* blobs that get their names together: one commit of a journal for all */
#define REG_BACKUP_BATCH  32


typedef struct {
    reg_path_t  path;
    char        name[REG_FS_UNIQUE];     /* in the directory of temporaries */
    int         fd;
} reg_backup_pending_t;


struct reg_backup_pool_s {
    reg_store_t            *dir;
    reg_backup_how_t        how;
    int                     tmp;          /* directory of temporaries */
    unsigned                no_reflink:1;
    unsigned                no_link:1;
    char                   *chunk;
    reg_backup_pending_t    pending[REG_BACKUP_BATCH];
    size_t                  n;
    reg_backup_pending_t    listing;      /* fd -1: none */
};


static reg_rc_t reg_backup_take(void *ctx, reg_store_t *s, const char *path,
    const reg_digest_t *d, reg_backup_counts_t *counts, reg_error_t *e);
static reg_rc_t reg_backup_have(reg_backup_pool_t *pool, reg_store_t *s,
    const char *path, const reg_path_t *mine, const reg_digest_t *d,
    reg_error_t *e);
static reg_rc_t reg_backup_get(reg_backup_pool_t *pool, reg_store_t *s,
    const char *path, const reg_digest_t *d, reg_backup_pending_t *p,
    int *linked, reg_error_t *e);
static int reg_backup_reflink(reg_backup_pool_t *pool, int fd,
    reg_backup_pending_t *p);
static int reg_backup_hardlink(reg_backup_pool_t *pool, reg_store_t *s,
    const char *path, int fd, reg_backup_pending_t *p);
static reg_rc_t reg_backup_copy(reg_backup_pool_t *pool, int fd,
    const reg_digest_t *d, reg_backup_pending_t *p, reg_error_t *e);
static int reg_backup_temp(reg_backup_pool_t *pool, reg_backup_pending_t *p);
static void reg_backup_drop(reg_backup_pool_t *pool, reg_backup_pending_t *p);
static reg_rc_t reg_backup_name(reg_backup_pool_t *pool,
    reg_backup_pending_t *list, size_t n, reg_error_t *e);
static reg_rc_t reg_backup_listing(void *ctx, int *fd, reg_error_t *e);
static reg_rc_t reg_backup_finish(void *ctx, const char *id, reg_error_t *e);


const reg_backup_sink_t  reg_backup_pool = {
    reg_backup_take,
    reg_backup_listing,
    reg_backup_finish
};


reg_rc_t
reg_backup_lock(reg_store_t *dir, reg_lock_e mode, int *fd, reg_error_t *e)
{
    int        err;
    reg_fs_t  *fs;

    fs = reg_fs_of(dir);

    *fd = reg_fs_open(fs, fs->root, "lock",
                      (mode == REG_LOCK_EXCLUSIVE) ? O_RDWR|O_CREAT
                                                   : O_RDONLY);

    if (*fd == -1) {

        /* unpacked, or on a disk that cannot be written: nobody does */

        return (mode == REG_LOCK_SHARED && errno == ENOENT)
               ? REG_OK : reg_error_sys(e, errno, "open", "lock");
    }

    if (flock(*fd, LOCK_NB | ((mode == REG_LOCK_SHARED) ? LOCK_SH : LOCK_EX))
        == 0)
    {
        return REG_OK;
    }

    err = errno;
    (void) close(*fd);
    *fd = -1;

    return (err == EWOULDBLOCK)
           ? reg_error_set(e, REG_BUSY, "somebody else is at work there")
           : reg_error_sys(e, err, "flock", "lock");
}


void
reg_backup_path(reg_path_t *p, const reg_digest_t *d)
{
    int        n;
    reg_str_t  alg;

    alg = reg_alg_name(d->alg);

    n = snprintf(p->s, sizeof(p->s), "blobs/%.*s/%.2s/%s", (int) alg.len,
                 alg.data, reg_digest_hex(d), reg_digest_hex(d));

    p->len = (size_t) n;
}


reg_rc_t
reg_backup_pool_open(reg_backup_pool_t **pool, reg_store_t *dir,
    const reg_backup_how_t *how, reg_error_t *e)
{
    reg_backup_pool_t  *p;

    p = calloc(1, sizeof(reg_backup_pool_t));

    if (p == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    p->dir = dir;
    p->how = *how;
    p->listing.fd = -1;
    p->chunk = malloc(REG_BACKUP_CHUNK);
    p->tmp = (p->chunk == NULL) ? -1 : reg_fs_own(reg_fs_of(dir), REG_FS_TMP);

    if (p->chunk == NULL || p->tmp == -1) {
        (void) reg_error_sys(e, (p->chunk == NULL) ? ENOMEM : errno, "open",
                             REG_FS_TMP);
        (void) reg_backup_error(e, REG_STORAGE);
        free(p->chunk);
        free(p);

        return (e != NULL) ? e->rc : REG_STORAGE;
    }

    /*
     * A call that was killed left what it had just copied, which may be as much
     * as the disk has room for.  Nobody else writes here now, so nothing of it
     * is in use, however young it is.
     */

    (void) reg_fs_remove_old(dir, REG_FS_TMP, INT64_MAX, NULL);

    *pool = p;

    return REG_OK;
}


void
reg_backup_pool_close(reg_backup_pool_t *pool)
{
    size_t  i;

    for (i = 0; i < pool->n; i++) {
        reg_backup_drop(pool, &pool->pending[i]);
    }

    if (pool->listing.fd != -1) {
        reg_backup_drop(pool, &pool->listing);
    }

    (void) close(pool->tmp);
    free(pool->chunk);
    free(pool);
}


/* --- blobs --------------------------------------------------------------- */

static reg_rc_t
reg_backup_take(void *ctx, reg_store_t *s, const char *path,
    const reg_digest_t *d, reg_backup_counts_t *counts, reg_error_t *e)
{
    int                    linked;
    reg_rc_t               rc;
    struct stat            st;
    reg_backup_pool_t     *pool;
    reg_backup_pending_t  *p;

    pool = ctx;
    p = &pool->pending[pool->n];

    reg_backup_path(&p->path, d);

    rc = reg_backup_have(pool, s, path, &p->path, d, e);

    if (rc != REG_ABSENT) {
        return rc;
    }

    linked = 0;

    rc = reg_backup_get(pool, s, path, d, p, &linked, e);

    if (rc != REG_OK) {
        return rc;
    }

    pool->n++;
    counts->copied++;
    counts->linked += (uint64_t) linked;

    if (fstat(p->fd, &st) == 0) {
        counts->copied_bytes += (uint64_t) st.st_size;
    }

    if (pool->n < REG_BACKUP_BATCH) {
        return REG_OK;
    }

    rc = reg_backup_name(pool, pool->pending, pool->n, e);
    pool->n = 0;

    return rc;
}


/* REG_OK when it is there, REG_ABSENT when not, or damaged. */

static reg_rc_t
reg_backup_have(reg_backup_pool_t *pool, reg_store_t *s, const char *path,
    const reg_path_t *mine, const reg_digest_t *d, reg_error_t *e)
{
    int          whole;
    uint64_t     size;
    reg_rc_t     rc;
    reg_file_t   f;
    reg_stat_t   theirs;
    reg_error_t  why;

    reg_error_clear(&why);

    rc = pool->dir->driver->open(pool->dir, mine->s, &f, &why);
    rc = reg_backup_error(&why, rc);

    if (rc != REG_OK && rc != REG_ABSENT) {
        rc = reg_error_unread(e, rc, &why);
    }

    if (rc != REG_OK) {
        return (rc == REG_DIGEST_MISMATCH) ? REG_ABSENT : rc;
    }

    /* one that was linked has the notes of the store upon it */

    whole = (reg_blob_check(pool->dir, d, f.fd, NULL) == REG_OK);

    (void) close(f.fd);

    if (!whole) {
        return REG_ABSENT;
    }

    /* one of another length is looked at, whichever of them is wrong */

    reg_error_clear(&why);

    rc = s->driver->stat(s, path, &theirs, &why);

    if (rc != REG_OK && rc != REG_ABSENT) {
        rc = reg_error_unread(e, rc, &why);

        if (rc != REG_DIGEST_MISMATCH) {
            return rc;
        }
    }

    if (!pool->how.verify && rc == REG_OK && f.size == theirs.size) {
        return REG_OK;
    }

    rc = reg_backup_hash(pool->dir, mine->s, d, &size, e);

    return (rc == REG_DIGEST_MISMATCH) ? REG_ABSENT : reg_backup_error(e, rc);
}


static reg_rc_t
reg_backup_get(reg_backup_pool_t *pool, reg_store_t *s, const char *path,
    const reg_digest_t *d, reg_backup_pending_t *p, int *linked,
    reg_error_t *e)
{
    int          whole;
    uint64_t     size;
    reg_rc_t     rc;
    reg_file_t   f;
    reg_error_t  why;

    reg_error_clear(&why);

    rc = s->driver->open(s, path, &f, &why);

    if (rc != REG_OK) {
        return reg_error_unread(e, rc, &why);
    }

    *linked = 1;

    /* what is noted as damaged is not taken unread */

    whole = (reg_blob_check(s, d, f.fd, NULL) == REG_OK);

    if (whole && reg_backup_reflink(pool, f.fd, p) == 0) {
        (void) close(f.fd);

    } else if (whole && reg_backup_hardlink(pool, s, path, f.fd, p) == 0) {

        /* the descriptor is p's now */

    } else {
        *linked = 0;
        rc = reg_backup_copy(pool, f.fd, d, p, e);
        (void) close(f.fd);

        return rc;
    }

    /* a copy is hashed as it is made; of these nothing was read */

    if (pool->how.verify) {
        rc = reg_backup_hash(s, path, d, &size, e);

        if (rc != REG_OK) {
            reg_backup_drop(pool, p);
        }
    }

    return rc;
}


static int
reg_backup_reflink(reg_backup_pool_t *pool, int fd, reg_backup_pending_t *p)
{
    if (pool->how.copy || pool->no_reflink || reg_backup_temp(pool, p) == -1) {
        return -1;
    }

    if (ioctl(p->fd, FICLONE, fd) == 0) {
        return 0;
    }

    pool->no_reflink = 1;
    reg_backup_drop(pool, p);

    return -1;
}


static int
reg_backup_hardlink(reg_backup_pool_t *pool, reg_store_t *s, const char *path,
    int fd, reg_backup_pending_t *p)
{
    int          dir, rc;
    struct stat  named, st;

    if (pool->how.copy || pool->no_link) {
        return -1;
    }

    dir = reg_fs_openlen(reg_fs_of(s), path, reg_fs_parent(path,
                                                           strlen(path)));

    if (dir == -1) {
        return -1;
    }

    reg_fs_unique(reg_fs_of(pool->dir), p->name);

    rc = linkat(dir, reg_fs_base(path), pool->tmp, p->name, 0);

    if (rc == -1 && (errno == EXDEV || errno == EPERM || errno == ENOTSUP)) {
        pool->no_link = 1;
    }

    (void) close(dir);

    if (rc == -1) {
        return -1;
    }

    /* the name may be another file's by now */

    if (fstatat(pool->tmp, p->name, &named, AT_SYMLINK_NOFOLLOW) == -1
        || fstat(fd, &st) == -1
        || named.st_ino != st.st_ino || named.st_dev != st.st_dev)
    {
        (void) unlinkat(pool->tmp, p->name, 0);
        return -1;
    }

    p->fd = fd;

    return 0;
}


static reg_rc_t
reg_backup_copy(reg_backup_pool_t *pool, int fd, const reg_digest_t *d,
    reg_backup_pending_t *p, reg_error_t *e)
{
    uint64_t      at;
    ssize_t       n;
    reg_rc_t      rc;
    reg_hash_t    h;
    reg_digest_t  got;

    if (reg_backup_temp(pool, p) == -1) {
        return reg_backup_error(e, reg_error_sys(e, errno, "create",
                                                 REG_FS_TMP));
    }

    n = 0;
    rc = REG_OK;
    reg_hash_init(&h, d->alg);

    for (at = 0; rc == REG_OK; at += (uint64_t) n) {
        n = reg_fs_pread(fd, pool->chunk, REG_BACKUP_CHUNK, at);

        if (n <= 0) {
            break;
        }

        reg_hash_update(&h, pool->chunk, (size_t) n);

        if (reg_fs_write(p->fd, pool->chunk, (size_t) n) == -1) {
            rc = reg_error_sys(e, errno, "write", p->path.s);
            (void) reg_backup_error(e, rc);
        }
    }

    reg_hash_final(&h, &got);

    /* what the disk does not give any more is damaged, and others are not */

    if (rc == REG_OK && (n == -1 || !reg_digest_eq(&got, d))) {
        rc = REG_DIGEST_MISMATCH;
    }

    if (rc != REG_OK) {
        reg_backup_drop(pool, p);
    }

    return rc;
}


reg_rc_t
reg_backup_hash(reg_store_t *s, const char *path, const reg_digest_t *d,
    uint64_t *size, reg_error_t *e)
{
    char          *chunk;
    ssize_t        n;
    reg_rc_t       rc;
    reg_file_t     f;
    reg_hash_t     h;
    reg_error_t    why;
    reg_digest_t   got;

    *size = 0;
    reg_error_clear(&why);
    chunk = malloc(REG_BACKUP_CHUNK);

    if (chunk == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    rc = s->driver->open(s, path, &f, &why);

    if (rc != REG_OK) {
        free(chunk);
        return reg_error_unread(e, rc, &why);
    }

    reg_hash_init(&h, d->alg);

    do {
        n = reg_fs_pread(f.fd, chunk, REG_BACKUP_CHUNK, *size);

        if (n > 0) {
            reg_hash_update(&h, chunk, (size_t) n);
            *size += (uint64_t) n;
        }

    } while (n > 0);

    reg_hash_final(&h, &got);

    (void) close(f.fd);
    free(chunk);

    return (n == 0 && reg_digest_eq(&got, d)) ? REG_OK : REG_DIGEST_MISMATCH;
}


/* --- names --------------------------------------------------------------- */

static int
reg_backup_temp(reg_backup_pool_t *pool, reg_backup_pending_t *p)
{
    reg_fs_unique(reg_fs_of(pool->dir), p->name);

    p->fd = reg_fs_open(reg_fs_of(pool->dir), pool->tmp, p->name,
                        O_RDWR|O_CREAT|O_EXCL);

    return (p->fd == -1) ? -1 : 0;
}


static void
reg_backup_drop(reg_backup_pool_t *pool, reg_backup_pending_t *p)
{
    (void) unlinkat(pool->tmp, p->name, 0);
    (void) close(p->fd);
    p->fd = -1;
}


/* Gives files their names, durably; whatever comes of it, they are closed. */

static reg_rc_t
reg_backup_name(reg_backup_pool_t *pool, reg_backup_pending_t *list, size_t n,
    reg_error_t *e)
{
    size_t     i;
    reg_rc_t   rc;
    reg_put_t  items[REG_BACKUP_BATCH];

    if (n == 0) {
        return REG_OK;
    }

    memset(items, 0, sizeof(items));

    for (i = 0; i < n; i++) {
        items[i].path = list[i].path.s;
        items[i].from = list[i].name;
        items[i].dir = pool->tmp;
        items[i].fd = list[i].fd;
    }

    rc = pool->dir->driver->put(pool->dir, items, n, e);

    for (i = 0; i < n; i++) {
        reg_backup_drop(pool, &list[i]);
    }

    /* somebody removed what we made a moment ago */

    if (rc == REG_ABSENT) {
        rc = reg_error_set(e, REG_STORAGE, "a temporary is gone");
    }

    return reg_backup_error(e, rc);
}


static reg_rc_t
reg_backup_listing(void *ctx, int *fd, reg_error_t *e)
{
    reg_backup_pool_t  *pool;

    pool = ctx;

    if (reg_backup_temp(pool, &pool->listing) == -1) {
        return reg_backup_error(e, reg_error_sys(e, errno, "create",
                                                 REG_FS_TMP));
    }

    *fd = pool->listing.fd;

    return REG_OK;
}


static reg_rc_t
reg_backup_finish(void *ctx, const char *id, reg_error_t *e)
{
    reg_rc_t            rc;
    reg_backup_pool_t  *pool;

    pool = ctx;

    rc = reg_backup_name(pool, pool->pending, pool->n, e);
    pool->n = 0;

    if (rc != REG_OK) {
        return rc;
    }

    pool->listing.path.len = (size_t) snprintf(pool->listing.path.s,
                                               sizeof(pool->listing.path.s),
                                               "backups/%s.json", id);

    return reg_backup_name(pool, &pool->listing, 1, e);
}
