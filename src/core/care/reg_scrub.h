
/*
 * The scrub: reads all blobs of a store, manifests among them, and takes those
 * out of service whose bytes have another digest.
 *
 * A pass goes through the blobs in the order of their digests.  It is made of
 * steps, each of which reads at most REG_SCRUB_PIECE bytes or one directory,
 * so that whoever calls may go as slowly as he likes, and stop anywhere.
 *
 * What is read comes from the disk, not from memory, as far as the system can
 * be told so; a blob that looks wrong is read once more from its beginning.
 * Then, under the store's lock, and if it still is the same file:
 *
 *   noted   that it is corrupt, upon its inode (see reg_fs_mark()): who has it
 *           open already is told as well
 *   moved   to docker/registry/nginx/corrupt/<digest>, for the operator to
 *           look at; nobody removes it from there but he
 *
 * From the first of these on the blob is unknown: GET and HEAD say 404, it is
 * neither mounted nor referred to; from the second on for distribution, too.
 * The links stay, so that the next push of the digest brings it back for all
 * who had it.  A push at the same time is a new file, which stays.  Whoever is
 * killed between the two leaves a blob that the next pass moves.
 *
 * What cannot be read, or is no regular file, is told, and stays where it is:
 * it may be the cable.
 * Nobody is sent wrong bytes for it.  Whole blobs that bear no note of their
 * size are given one, so that a later cut of them is seen at once.
 *
 * Where a pass is, in the middle of a large blob too, is kept in a file of
 * docker/registry/nginx/, written from time to time and never synced: what a
 * power cut makes of it is begun anew.  Who has it open holds a lock on it
 * that dies with him: there is one scrub of that name for each store.
 */


#ifndef REG_SCRUB_H_INCLUDED
#define REG_SCRUB_H_INCLUDED


#include "reg_store.h"


#define REG_SCRUB_PIECE    (256 * 1024)

/* what opening a file costs, as bytes that are read */
#define REG_SCRUB_OPEN     4096

#define REG_SCRUB_CORRUPT  REG_LAYOUT_OWN "/corrupt"


typedef struct reg_scrub_s  reg_scrub_t;


/*    symbol                    code, which never changes */
#define REG_SCRUB_TABLE(X)                                                    \
    X(REG_SCRUB_MOVED,          "corrupt")                                    \
    X(REG_SCRUB_STUCK,          "corrupt-in-place")                           \
    X(REG_SCRUB_UNREADABLE,     "unreadable")


typedef enum {
#define REG_SCRUB_SYMBOL(symbol, code)  symbol,
    REG_SCRUB_TABLE(REG_SCRUB_SYMBOL)
#undef REG_SCRUB_SYMBOL
    REG_SCRUB_N
} reg_scrub_e;


typedef struct {
    reg_scrub_e   what;
    const char   *path;        /* below the root */
    const char   *text;        /* a sentence that goes on from the path */
} reg_scrub_finding_t;


typedef struct {
    uint64_t  blobs;           /* that were read to their end */
    uint64_t  bytes;           /* that were read */
    uint64_t  corrupt;         /* moved or not */
    uint64_t  unreadable;      /* and what is no regular file */
    uint64_t  noted;           /* were given a note of their size */
} reg_scrub_counts_t;


typedef struct {
    const char  *name;         /* of the file that keeps the place; NULL: it is
                                  not kept, and nobody is kept out */
    unsigned     dry:1;        /* tells, and changes nothing; name is NULL */

    void        *data;         /* of found() */

    /* A finding.  Anything but REG_OK ends the step with it. */
    reg_rc_t   (*found)(void *data, const reg_scrub_finding_t *f);
} reg_scrub_how_t;


/*
 * Takes up where the scrub of that name was left.  REG_BUSY without a word in
 * e when another process is at it.  *how is copied; the caller owns *p:
 * reg_scrub_close().
 */
reg_rc_t reg_scrub_open(reg_scrub_t **p, reg_store_t *s,
    const reg_scrub_how_t *how, reg_error_t *e);

/* Keeps the place, and gives the lock back; p may be NULL. */
void reg_scrub_close(reg_scrub_t *p);

/* Keeps the place: REG_OK, or why not. */
reg_rc_t reg_scrub_save(reg_scrub_t *p, reg_error_t *e);

/* 1 when no pass is under way: it has ended, or there was none. */
int reg_scrub_idle(const reg_scrub_t *p);

/* When the last pass began, in seconds since the epoch; 0: never. */
int64_t reg_scrub_began(const reg_scrub_t *p);

/* Begins a pass, wherever the one before is. */
void reg_scrub_begin(reg_scrub_t *p, int64_t now);

/*
 * One step; without effect when idle.  *cost grows by the bytes that it read,
 * and REG_SCRUB_OPEN for each file.  What it cannot do is in e, and will be
 * tried again by the next step.
 */
reg_rc_t reg_scrub_step(reg_scrub_t *p, uint64_t *cost, reg_error_t *e);

/* Of this pass. */
const reg_scrub_counts_t *reg_scrub_counts(const reg_scrub_t *p);

/* How much of it is done, from 0 to 1000. */
unsigned reg_scrub_permille(const reg_scrub_t *p);

/* "corrupt", ... */
const char *reg_scrub_code(reg_scrub_e what);


#endif /* REG_SCRUB_H_INCLUDED */
