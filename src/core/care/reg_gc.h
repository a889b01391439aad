
/*
 * The collector: frees what no manifest needs, while others push and pull.
 *
 * It goes through the repositories one by one.  Of each it reads all manifests
 * and notes what they name; links of layers that none of them names, and that
 * are older than the grace time, go.  Digests that the remaining links of all
 * repositories lead to are marked, and in the end blobs that have no mark, and
 * are as old, go.  Manifests are read flat, as the revisions of a repository:
 * each is visited once, in whatever shape indexes name one another.
 *
 * Work is done in steps.  The store is locked for a batch of removals at a
 * time; nothing is read or synced meanwhile.  How many go in one batch is
 * learnt from how long those before took, so that it is some ms.
 *
 * Why nothing is lost that somebody relies upon:
 *
 *   - Let T be the time of the start, taken with the store locked exclusively.
 *     Whoever commits a manifest holds the lock shared from the check of what
 *     it names until it is in place.  So who checked before T was done before
 *     T, and is seen by the marking; who checks after T renews the links it
 *     names, unless they are younger than REG_LEASE_FRESH.  The same is true
 *     of an upload's end and a mount, which make the link or renew it, and
 *     renew the directory of the blob; and of HEAD, which makes its promise
 *     through the link alone.
 *   - A link goes when it is older than T - grace, looked at under the
 *     exclusive lock, with grace > REG_LEASE_FRESH.  If a manifest names it,
 *     this was committed either before T: then its mark was seen; or after:
 *     then the link is younger than T - REG_LEASE_FRESH.
 *   - A blob goes when it has no mark, and it and its directory are older than
 *     T - grace under the exclusive lock.  If a link leads to it, this link
 *     was there before T and was marked, since all of them are read after T;
 *     or it was made after T, by something that renewed the blob's directory
 *     or put the blob in place anew.  That holds when the first link went
 *     before we came to it, and another was made behind us (mount, delete).
 *   - Manifests without a tag go by the leases of their own links, and of those
 *     that keep them: looked at under the exclusive lock, or before, when it is
 *     known under the lock that none was renewed since; see reg_quiet.h.
 *   - The links are gone from the disk before the blobs go: their directories
 *     are synced, also for who did it before us and was killed.
 *   - T is told by the file system's clock.  If it was set back since, a lease
 *     that was renewed may look old: then the collection ends there.
 *
 * Nothing is collected on partial knowledge:
 *
 *   - A manifest that cannot be read or understood names who knows what: the
 *     links of its repository stay, and it is reported.
 *   - What the disk fails to give, symbolic links, and a directory of
 *     repositories that is missing end the collection with an error.
 *
 * What is removed is moved to the trash whole, by one rename(), and freed
 * from there.  All state is found in the store again: who is killed leaves
 * nothing that the next one does not finish.
 */


#ifndef REG_GC_H_INCLUDED
#define REG_GC_H_INCLUDED


#include "reg_care.h"
#include "reg_marks.h"
#include "reg_walk.h"


/* held by who does it; tells of the last time, see reg_care_last() */
#define REG_GC_LOCK         REG_LAYOUT_OWN "/collect"

/* the least that anything is given, in seconds; see reg_lease.h */
#define REG_GC_GRACE_MIN  2

#define REG_GC_GRACE      3600

/* classes of how long the store was locked: at most 1, 2, 5, 10, 20, 50 or
   100 ms, or longer */
#define REG_GC_HELD       8


typedef struct {
    uint64_t  repositories;
    uint64_t  manifests;
    uint64_t  damaged;          /* of these, could not be understood */
    uint64_t  kept;             /* repositories left alone for that */
    uint64_t  links;            /* of layers */
    uint64_t  links_gone;
    uint64_t  untagged_gone;    /* manifests */
    uint64_t  empty_gone;       /* repositories */
    uint64_t  blobs;
    uint64_t  blobs_gone;
    uint64_t  bytes_gone;
    uint64_t  calls;            /* of the file system, roughly */
    uint64_t  read;             /* bytes */
    uint64_t  locked;           /* times that the store was locked */
    uint64_t  longest;          /* of these, in us */
    uint64_t  held[REG_GC_HELD];    /* of these, by class */
} reg_gc_counts_t;


typedef enum {
    REG_GC_LINK = 0,            /* of a layer */
    REG_GC_MANIFEST,            /* that has no tag */
    REG_GC_REPOSITORY,          /* that is empty */
    REG_GC_BLOB,
    REG_GC_DAMAGED              /* not gone: why a repository is left alone */
} reg_gc_what_e;


typedef struct {
    int64_t    grace;           /* seconds, at least REG_GC_GRACE_MIN */
    int64_t    untagged;        /* age in seconds at which manifests without
                                   a tag go; negative: never */
    unsigned   empty:1;         /* repositories that hold nothing go */
    unsigned   dry:1;           /* tell, but change nothing */
    int64_t  (*steady)(void);   /* see reg_care_t; NULL */
    int64_t  (*us)(void);       /* the clock of the locks; NULL */

    /* Told of each thing that went, or would; may be NULL. */
    void     (*tell)(void *data, reg_gc_what_e what, const char *path,
                     uint64_t size);
    void      *data;
} reg_gc_how_t;


typedef struct reg_gc_s  reg_gc_t;


/*
 * Begins a collection: REG_OK and *g, which is the caller's; REG_ABSENT when
 * somebody else collects in this store; or an error.  how is borrowed.
 */
reg_rc_t reg_gc_begin(reg_gc_t **g, reg_store_t *s, const reg_gc_how_t *how,
    reg_error_t *e);

/*
 * Does a piece of the work: one directory, one manifest, one batch.  REG_OK;
 * REG_BUSY without a word in e when others have to let go of the lock first:
 * come again in some ms.  After an error there is nothing to be done but to
 * end it.
 */
reg_rc_t reg_gc_step(reg_gc_t *g, reg_error_t *e);

int reg_gc_done(const reg_gc_t *g);
const reg_gc_counts_t *reg_gc_counts(const reg_gc_t *g);

/* Where it is: "repositories", "blobs", "trash"; and which of these. */
const char *reg_gc_where(const reg_gc_t *g, const char **name);

/* g may be NULL. */
void reg_gc_end(reg_gc_t *g);

/* "link", "manifest", "repository", "blob", "damaged" */
const char *reg_gc_word(reg_gc_what_e what);


#endif /* REG_GC_H_INCLUDED */
