
/*
 * The store: a driver's table of blocking calls on layout paths, and the
 * handle that everything above it works through.
 *
 * Calls may wait for the disk and belong into a pool thread or a process of
 * their own, except those marked "fast": they make no more than the handful
 * of open, read and stat calls on small files that nginx's static module
 * would make, and may run on the event loop.  All are safe to call from many
 * threads on one handle.
 *
 * Durability: write() and adopt() return after the bytes, the name and every
 * directory that gained an entry on the way are on disk.  A directory that
 * was there already is no proof: its maker may not have synced it yet, so
 * parents whose birth is younger than REG_SYNC_AGE seconds are synced again.
 *
 * Nothing follows a symbolic link below the root, and nothing but a regular
 * file is read; look() and link() go on knowing a file that was there before a
 * symbolic link came to lead to it.
 */


#ifndef REG_STORE_H_INCLUDED
#define REG_STORE_H_INCLUDED


#include "reg_error.h"
#include "reg_layout.h"

#include <sys/types.h>


#define REG_SYNC_AGE      600
#define REG_LINK_MAX      REG_DIGEST_MAX

/* no file is so long: the note upon one whose content was found to be wrong */
#define REG_FILE_CORRUPT  UINT64_MAX


typedef struct reg_store_s   reg_store_t;
typedef struct reg_driver_s  reg_driver_t;
typedef struct reg_tags_s    reg_tags_t;         /* private: reg_tags.c */
typedef struct reg_catalog_s reg_catalog_t;      /* private: reg_catalog.c */

struct reg_referrers_cache_s;


typedef struct {
    uint64_t  size;
    uint64_t  ino;
    int64_t   mtime;        /* ns since the epoch */
    int64_t   ctime;        /* the same of the last change, names included */
    unsigned  dir:1;
} reg_stat_t;


/* A file to send.  The caller closes fd. */
typedef struct {
    int       fd;
    uint64_t  size;
    uint64_t  whole;        /* the size it was stored with; where nobody noted
                               that, its size; REG_FILE_CORRUPT */
    int64_t   mtime;        /* ns since the epoch */
} reg_file_t;


/* One entry of a listing; return REG_OK to go on, else list() ends with it. */
typedef reg_rc_t (*reg_list_pt)(void *ctx, reg_str_t name, int dir);


typedef enum {
    REG_LOCK_SHARED = 0,
    REG_LOCK_EXCLUSIVE
} reg_lock_e;


/*
 * One file that put() places: small content, or a file that is there already.
 * Items stand in ascending order of their step.
 */
typedef struct {
    const char  *path;      /* the final name */
    reg_str_t    data;      /* what it shall hold, unless from is set */
    const char  *from;      /* a file to be moved there, or NULL */
    int          dir;       /* where from stands, or -1: it is a path */
    int          fd;        /* of from, as long as it is not synced; or -1 */
    unsigned     step;
    unsigned     keep:1;    /* an equal one that is known to be on disk stays;
                               not with from */
    unsigned     mark:1;    /* its size is noted, see reg_file_t; not for what
                               from names: its owner does that */
} reg_put_t;


/*
 * All calls: REG_OK, REG_ABSENT when the path is not there (or is not what it
 * should be; e then stays as it is), or another error with errno, call and
 * path in e.
 */
struct reg_driver_s {

    /* Opens a regular file for reading. fast */
    reg_rc_t  (*open)(reg_store_t *s, const char *path, reg_file_t *f,
                      reg_error_t *e);

    /*
     * Tells of a regular file what open() tells, f->fd being -1; one that was
     * found whole, and has not changed since, is not opened for it.  One that
     * is not whole is REG_OK: see f->whole.  fast
     */
    reg_rc_t  (*look)(reg_store_t *s, const char *path, reg_file_t *f,
                      reg_error_t *e);

    /*
     * Reads the link that stands at the place of want, or, with NULL, that of
     * a tag, and its mtime, in ns; one that was read before, and has not
     * changed since, is not opened for it.  What is no digest is REG_ABSENT.
     * fast
     */
    reg_rc_t  (*link)(reg_store_t *s, const char *path,
                      const reg_digest_t *want, reg_digest_t *d,
                      int64_t *mtime, reg_error_t *e);

    /* Reads a whole file of at most max bytes behind what out holds. fast */
    reg_rc_t  (*read)(reg_store_t *s, const char *path, size_t max,
                      reg_buf_t *out, reg_error_t *e);

    /* fast */
    reg_rc_t  (*stat)(reg_store_t *s, const char *path, reg_stat_t *st,
                      reg_error_t *e);

    /* Tells of n directories below base whether they are there. fast */
    reg_rc_t  (*dirs)(reg_store_t *s, const char *base,
                      const char *const *paths, size_t n,
                      unsigned char *there, reg_error_t *e);

    /* Entries in no order, without "." and ".."; absent is REG_ABSENT. */
    reg_rc_t  (*list)(reg_store_t *s, const char *path, reg_list_pt fn,
                      void *ctx, reg_error_t *e);

    /*
     * Puts a small file in place: temporary name, fsync, rename, directories.
     * With durable unset nothing is synced (the reader must then cope with an
     * empty file after a power cut).
     */
    reg_rc_t  (*write)(reg_store_t *s, const char *path, reg_str_t data,
                       int durable, reg_error_t *e);

    /*
     * Puts several files in place, durably: the content of all of them is
     * synced first; then, step by step, they get their names and these are
     * synced, so that a later step is never on disk without an earlier one.
     * What is kept gets a new mtime.  REG_ABSENT: a file to be moved is not
     * there.  After an error some of the steps may have been done.
     */
    reg_rc_t  (*put)(reg_store_t *s, const reg_put_t *items, size_t n,
                     reg_error_t *e);

    /*
     * Moves a file whose data is synced already to its final name, replacing
     * what stands there, and syncs the directories.
     */
    reg_rc_t  (*adopt)(reg_store_t *s, const char *from, const char *to,
                       reg_error_t *e);

    /* Makes a directory and its parents; durable as above. */
    reg_rc_t  (*mkdir)(reg_store_t *s, const char *path, int durable,
                       reg_error_t *e);

    /*
     * Removes a file and those of its parents that became empty, up to but
     * without stop (a prefix of path), and syncs what is left: at once, where
     * dir is NULL, or by settle(), to which *dir goes.  After an error there
     * is nothing to settle.
     */
    reg_rc_t  (*remove)(reg_store_t *s, const char *path, const char *stop,
                        int *dir, reg_error_t *e);

    /*
     * Moves a whole directory out of sight at once, durably, and returns; its
     * content is freed by empty_trash().  dir as above.
     */
    reg_rc_t  (*discard)(reg_store_t *s, const char *path, int *dir,
                         reg_error_t *e);

    /*
     * Syncs what was removed, when nobody waits for a lock of its caller's any
     * more: a disk may take its time.  path is for the error.
     */
    reg_rc_t  (*settle)(reg_store_t *s, int dir, const char *path,
                        reg_error_t *e);

    /*
     * Frees discarded things, at most the given number of files, so that a
     * caller can go in slices.  *left is 1 when more is to do.
     */
    reg_rc_t  (*empty_trash)(reg_store_t *s, unsigned files, int *left,
                             reg_error_t *e);

    /*
     * An advisory lock that dies with its holder; *handle goes to unlock().
     * To share it is waited for, to have it alone for half a minute at most:
     * REG_LOCKED.
     */
    reg_rc_t  (*lock)(reg_store_t *s, reg_lock_e mode, int *handle,
                      reg_error_t *e);
    void      (*unlock)(reg_store_t *s, int handle);

    void      (*close)(reg_store_t *s);
};


struct reg_store_s {
    const reg_driver_t  *driver;
    void                *data;           /* the driver's own */
    reg_tags_t          *tags;           /* sorted tag lists seen lately */
    reg_catalog_t       *catalog;

    struct reg_referrers_cache_s  *referrers;    /* what lists show of them */
};


/*
 * Opens the store of a local directory.  root must exist; nothing is created
 * before the first write.  *s is owned by the caller: reg_store_close().
 */
reg_rc_t reg_store_open(reg_store_t **s, const char *root, reg_error_t *e);
void reg_store_close(reg_store_t *s);

/*
 * Checks that this process may write where it must, for a message at start:
 * REG_OK, or what refuses first, in e.
 */
reg_rc_t reg_store_writable(reg_store_t *s, reg_error_t *e);

/* Reads a link file: exactly one digest, or REG_ABSENT. fast */
reg_rc_t reg_link_read(reg_store_t *s, const char *path, reg_digest_t *d,
    reg_error_t *e);

/*
 * 1 when a link at the place of want may name d.  Another digest of the same
 * algorithm it may not, for its bytes must not be served as those of want; one
 * of another algorithm is an alias.
 */
int reg_link_fits(const reg_digest_t *d, const reg_digest_t *want);

/*
 * The same of a link that stands at the place of want: REG_ABSENT, too, when
 * what it names does not fit.  *leased, unless it is NULL, is the time of its
 * lease, in ns, see reg_lease.h.  fast
 */
reg_rc_t reg_link_follow(reg_store_t *s, const char *path,
    const reg_digest_t *want, reg_digest_t *d, int64_t *leased,
    reg_error_t *e);

/*
 * Writes a link durably.  An equal one is not rewritten, but synced where it
 * is young, and its mtime is renewed: that is its lease.
 */
reg_rc_t reg_link_write(reg_store_t *s, const char *path,
    const reg_digest_t *d, reg_error_t *e);


#endif /* REG_STORE_H_INCLUDED */
