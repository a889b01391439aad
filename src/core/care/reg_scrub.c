
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_scrub_private.h"

#include "reg_fs.h"
#include "reg_time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* of one directory; a store of 16 million blobs has 65,536 in each */
#define REG_SCRUB_NAMES  (1024 * 1024)

/* a blob that changes all the time is looked at by the next pass */
#define REG_SCRUB_TRIES  3


typedef struct {
    reg_scrub_t  *p;
    reg_error_t  *e;
} reg_scrub_list_t;


static reg_rc_t reg_scrub_list(reg_scrub_t *p, reg_error_t *e);
static reg_rc_t reg_scrub_name(void *ctx, reg_str_t name, int dir);
static int reg_scrub_compare(const void *a, const void *b);
static reg_rc_t reg_scrub_enter(reg_scrub_t *p, uint64_t *cost,
    reg_error_t *e);
static void reg_scrub_start(reg_scrub_t *p);
static reg_rc_t reg_scrub_piece(reg_scrub_t *p, uint64_t *cost,
    reg_error_t *e);
static reg_rc_t reg_scrub_end(reg_scrub_t *p, reg_error_t *e);
static reg_rc_t reg_scrub_no_directory(reg_scrub_t *p, const char *path);
static reg_rc_t reg_scrub_unreadable(reg_scrub_t *p, const char *path,
    int err);
static void reg_scrub_done(reg_scrub_t *p);
static void reg_scrub_leave(reg_scrub_t *p);
static unsigned reg_scrub_leading(const char *hex, size_t n);


static const char  *const reg_scrub_codes[] = {
#define REG_SCRUB_CODE(symbol, code)  code,
    REG_SCRUB_TABLE(REG_SCRUB_CODE)
#undef REG_SCRUB_CODE
};


const char *
reg_scrub_code(reg_scrub_e what)
{
    return reg_scrub_codes[what];
}


reg_rc_t
reg_scrub_open(reg_scrub_t **out, reg_store_t *s, const reg_scrub_how_t *how,
    reg_error_t *e)
{
    reg_rc_t      rc;
    reg_scrub_t  *p;

    p = calloc(1, sizeof(reg_scrub_t));

    if (p == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    p->s = s;
    p->how = *how;
    p->lock = -1;
    p->idle = 1;
    p->file.fd = -1;
    p->piece = malloc(REG_SCRUB_PIECE);

    rc = REG_OK;

    if (p->piece == NULL) {
        rc = reg_error_set(e, REG_NO_MEMORY, NULL);

    } else if (how->name != NULL) {
        rc = reg_scrub_place_open(p, e);
    }

    if (rc != REG_OK) {

        /* it is somebody else's place */

        if (p->lock != -1) {
            (void) close(p->lock);
            p->lock = -1;
        }

        reg_scrub_close(p);

        return rc;
    }

    if (!p->idle && p->has_at) {
        p->alg = p->at.alg;
        p->two = reg_scrub_leading(reg_digest_hex(&p->at), 2);
    }

    *out = p;

    return REG_OK;
}


void
reg_scrub_close(reg_scrub_t *p)
{
    if (p == NULL) {
        return;
    }

    if (p->lock != -1) {
        (void) reg_scrub_save(p, NULL);
        (void) close(p->lock);
    }

    reg_scrub_leave(p);

    free(p->names);
    free(p->piece);
    free(p);
}


int
reg_scrub_idle(const reg_scrub_t *p)
{
    return p->idle;
}


int64_t
reg_scrub_began(const reg_scrub_t *p)
{
    return p->began;
}


const reg_scrub_counts_t *
reg_scrub_counts(const reg_scrub_t *p)
{
    return &p->counts;
}


void
reg_scrub_begin(reg_scrub_t *p, int64_t now)
{
    reg_scrub_leave(p);

    p->began = now;
    p->idle = 0;
    p->listed = 0;
    p->has_at = 0;
    p->middle.any = 0;
    p->alg = (reg_alg_e) 0;
    p->two = 0;

    memset(&p->counts, 0, sizeof(p->counts));
}


/* Digests are spread evenly; of sha512 there are few, so they do not count. */

unsigned
reg_scrub_permille(const reg_scrub_t *p)
{
    unsigned  n;

    if (p->idle || p->alg != REG_SHA256) {
        return 1000;
    }

    n = (p->listed && p->next < p->n) ? reg_scrub_leading(p->names[p->next], 4)
                                      : p->two * 256;
    return n * 1000 / 65536;
}


/* The number that the first n digits are. */

static unsigned
reg_scrub_leading(const char *hex, size_t n)
{
    char  digits[5];

    memcpy(digits, hex, n);
    digits[n] = '\0';

    return (unsigned) strtoul(digits, NULL, 16);
}


reg_rc_t
reg_scrub_step(reg_scrub_t *p, uint64_t *cost, reg_error_t *e)
{
    if (p->idle) {
        return REG_OK;
    }

    if (p->file.fd != -1) {
        return reg_scrub_piece(p, cost, e);
    }

    if (!p->listed) {
        return reg_scrub_list(p, e);
    }

    if (p->next < p->n) {
        return reg_scrub_enter(p, cost, e);
    }

    p->listed = 0;

    if (++p->two == REG_SCRUB_TWO) {
        p->two = 0;

        if (++p->alg == REG_ALG_N) {
            p->alg = (reg_alg_e) 0;
            p->idle = 1;
            return reg_scrub_save(p, e);
        }
    }

    return REG_OK;
}


/* The names of one directory, in their order, behind the one that is done. */

static reg_rc_t
reg_scrub_list(reg_scrub_t *p, reg_error_t *e)
{
    reg_rc_t          rc;
    reg_path_t        path;
    reg_error_t       why;
    reg_scrub_list_t  list;

    p->n = 0;
    p->next = 0;

    path.len = (size_t) snprintf(path.s, sizeof(path.s),
                                 REG_LAYOUT_BLOBS "/%s/%02x",
                                 reg_alg_name(p->alg).data, p->two);

    reg_error_clear(&why);

    list.p = p;
    list.e = &why;

    rc = p->s->driver->list(p->s, path.s, reg_scrub_name, &list, &why);

    if (rc == REG_ABSENT) {
        p->n = 0;
        rc = reg_scrub_no_directory(p, path.s);

        if (rc != REG_OK) {
            return rc;
        }

    } else if (rc != REG_OK) {

        if (why.sys != EIO && why.sys != EUCLEAN && why.sys != EBADMSG) {
            if (e != NULL) {
                *e = why;
            }

            return rc;
        }

        /* with those that it gave before */

        rc = reg_scrub_unreadable(p, path.s, why.sys);

        if (rc != REG_OK) {
            return rc;
        }
    }

    if (p->n > 1) {
        qsort(p->names, p->n, sizeof(p->names[0]), reg_scrub_compare);
    }

    p->listed = 1;

    return REG_OK;
}


/*
 * Nothing at all is how it should be where there is no blob.  What is wrong
 * above is told once, not for each of the directories below.
 */

static reg_rc_t
reg_scrub_no_directory(reg_scrub_t *p, const char *path)
{
    int         there;
    reg_path_t  above;
    reg_stat_t  st;

    above.len = strlen(path) - sizeof("/00") + 1;
    memcpy(above.s, path, above.len);
    above.s[above.len] = '\0';

    if (p->s->driver->stat(p->s, above.s, &st, NULL) != REG_OK || !st.dir) {
        path = (p->two == 0) ? above.s : NULL;
    }

    there = (path != NULL && reg_fs_there(reg_fs_of(p->s), path) == 1);

    if (there && p->s->driver->stat(p->s, path, &st, NULL) == REG_OK) {

        /* it has come meanwhile, and what is in it is new */

        there = !st.dir;
    }

    return there ? reg_scrub_tell(p, REG_SCRUB_UNREADABLE, path,
                                  "is no directory")
                 : REG_OK;
}


static reg_rc_t
reg_scrub_name(void *ctx, reg_str_t name, int dir)
{
    void              *names;
    size_t             size;
    reg_digest_t       d;
    reg_scrub_t       *p;
    reg_scrub_list_t  *list;

    list = ctx;
    p = list->p;

    /* what is no directory is told when it is its turn */

    (void) dir;

    if (reg_digest_make(&d, p->alg, name) != REG_OK
        || (p->has_at && p->at.alg == p->alg
            && strcmp(reg_digest_hex(&d), reg_digest_hex(&p->at)) <= 0))
    {
        return REG_OK;
    }

    if (p->n == p->size) {
        size = (p->size == 0) ? 256 : p->size * 2;

        names = (size > REG_SCRUB_NAMES)
                ? NULL : realloc(p->names, size * sizeof(p->names[0]));

        if (names == NULL) {
            return reg_error_set(list->e, REG_NO_MEMORY, NULL);
        }

        p->names = names;
        p->size = size;
    }

    memcpy(p->names[p->n++], reg_digest_hex(&d), name.len + 1);

    return REG_OK;
}


static int
reg_scrub_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}


/* Opens the next blob. */

static reg_rc_t
reg_scrub_enter(reg_scrub_t *p, uint64_t *cost, reg_error_t *e)
{
    reg_rc_t           rc;
    reg_file_t         in;
    reg_error_t        why;
    struct stat        st;
    reg_scrub_file_t  *f;

    f = &p->file;

    if (reg_digest_make(&f->d, p->alg, reg_str_of(p->names[p->next]))
        != REG_OK)
    {
        p->next++;
        return REG_OK;
    }

    reg_layout_blob(&f->path, &f->d);
    reg_error_clear(&why);

    *cost += REG_SCRUB_OPEN;

    rc = p->s->driver->open(p->s, f->path.s, &in, &why);

    if (rc == REG_ABSENT && reg_fs_there(reg_fs_of(p->s), f->path.s) == 1) {

        /* it may have been pushed a moment after it was missed */

        rc = p->s->driver->open(p->s, f->path.s, &in, &why);

        if (rc == REG_ABSENT
            && reg_fs_there(reg_fs_of(p->s), f->path.s) == 1)
        {
            rc = reg_scrub_tell(p, REG_SCRUB_UNREADABLE, f->path.s,
                                "is no regular file");
            reg_scrub_done(p);

            return rc;
        }
    }

    if (rc == REG_ABSENT) {
        reg_scrub_done(p);
        return REG_OK;
    }

    if (rc == REG_OK && fstat(in.fd, &st) == -1) {
        rc = reg_error_sys(&why, errno, "fstat", f->path.s);
        (void) close(in.fd);
    }

    if (rc == REG_BUSY || rc == REG_LOCKED || rc == REG_NO_MEMORY) {
        if (e != NULL) {
            *e = why;
        }

        return rc;
    }

    if (rc != REG_OK) {
        rc = reg_scrub_unreadable(p, f->path.s, why.sys);
        reg_scrub_done(p);

        return rc;
    }

    f->fd = in.fd;
    f->ino = st.st_ino;
    f->size = (uint64_t) st.st_size;
    f->ctime = reg_time_ns(&st.st_ctim);
    f->again = 0;

    reg_scrub_start(p);

    if (p->middle.any && reg_digest_eq(&p->middle.d, &f->d)
        && p->middle.ino == f->ino && p->middle.ctime == f->ctime)
    {
        f->again = p->middle.again;
        f->hash = p->middle.hash;
        f->offset = f->hash.length;
    }

    p->middle.any = 0;

    return REG_OK;
}


/*
 * From the first byte, and from the disk: pages that nobody changed are
 * dropped.  Those of this file alone; a blob that is often asked for costs
 * one more reading.
 */

static void
reg_scrub_start(reg_scrub_t *p)
{
    reg_scrub_file_t  *f;

    f = &p->file;
    f->offset = 0;

    reg_hash_init(&f->hash, f->d.alg);

    (void) posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
    (void) posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}


static reg_rc_t
reg_scrub_piece(reg_scrub_t *p, uint64_t *cost, reg_error_t *e)
{
    int                err;
    ssize_t            n;
    reg_rc_t           rc;
    reg_scrub_file_t  *f;

    f = &p->file;
    n = reg_fs_pread(f->fd, p->piece, REG_SCRUB_PIECE, f->offset);

    if (n == -1) {
        err = errno;
        rc = reg_scrub_unreadable(p, f->path.s, err);
        reg_scrub_done(p);

        return rc;
    }

    reg_hash_update(&f->hash, p->piece, (size_t) n);

    (void) posix_fadvise(f->fd, (off_t) f->offset, n, POSIX_FADV_DONTNEED);

    f->offset += (uint64_t) n;
    p->counts.bytes += (uint64_t) n;
    *cost += (uint64_t) n;

    return (n == REG_SCRUB_PIECE) ? REG_OK : reg_scrub_end(p, e);
}


/* All of a blob was read. */

static reg_rc_t
reg_scrub_end(reg_scrub_t *p, reg_error_t *e)
{
    int                changed;
    reg_rc_t           rc;
    uint64_t           noted;
    reg_hash_t         hash;
    reg_digest_t       got;
    reg_scrub_file_t  *f;

    f = &p->file;
    hash = f->hash;

    reg_hash_final(&hash, &got);

    if (reg_digest_eq(&got, &f->d)) {
        p->counts.blobs++;

        if (!p->how.dry
            && (reg_fs_marked(f->fd, &noted) != 1 || noted != f->offset))
        {
            reg_fs_mark(f->fd, f->offset);
            p->counts.noted += (reg_fs_marked(f->fd, &noted) == 1);
        }

        reg_scrub_done(p);

        return REG_OK;
    }

    if (!f->again) {
        f->again = 1;
        reg_scrub_start(p);

        return REG_OK;
    }

    rc = reg_scrub_take(p, &got, &changed, e);

    if (rc == REG_OK && (!changed || ++f->tries == REG_SCRUB_TRIES)) {
        p->counts.blobs += !changed;
        reg_scrub_done(p);

        return REG_OK;
    }

    /* pushed or written meanwhile, or not to be had: from the beginning */

    (void) close(f->fd);
    f->fd = -1;

    return rc;
}


static reg_rc_t
reg_scrub_unreadable(reg_scrub_t *p, const char *path, int err)
{
    return reg_scrub_tell(p, REG_SCRUB_UNREADABLE, path, "cannot be read: %s",
                          strerror(err));
}


/* Goes on to the next blob. */

static void
reg_scrub_done(reg_scrub_t *p)
{
    p->at = p->file.d;
    p->has_at = 1;
    p->next++;

    reg_scrub_leave(p);
}


static void
reg_scrub_leave(reg_scrub_t *p)
{
    if (p->file.fd != -1) {
        (void) close(p->file.fd);
        p->file.fd = -1;
    }

    p->file.tries = 0;
}
