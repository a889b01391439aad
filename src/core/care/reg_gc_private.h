
/* What the files of the collector share: reg_gc*.c. */


#ifndef REG_GC_PRIVATE_H_INCLUDED
#define REG_GC_PRIVATE_H_INCLUDED


#include "reg_gc.h"
#include "reg_gc_graph.h"


/* things that are looked at before the store is locked to remove them */
#define REG_GC_BATCH     64

/*
 * us that the store is to stay locked: at most, when all is well, and at least
 * one thing each time.  A lock that lasted REG_GC_HOLD_LONG, because the disk
 * was slow or others had the processor, halves it for those to come.
 */
#define REG_GC_HOLD      4000
#define REG_GC_HOLD_MIN  500
#define REG_GC_HOLD_LONG 10000

/* manifests that go under one lock, all of them or none */
#define REG_GC_TOGETHER  16

/* of a larger group so many are looked at in a step, without the lock */
#define REG_GC_SCAN      64

/*
 * All of it is looked at again when somebody needed a manifest meanwhile; it
 * was in vain when less than that part of the group went since, and after so
 * many in vain, one after the other, what is left stays for the next time.
 */
#define REG_GC_SCANS     8

/* directories below one: blobs/<alg>/<2>/<hex>, tags/<tag>/index/<alg>/<hex> */
#define REG_GC_LEVELS    4

/* directories within one another in a repository that is empty */
#define REG_GC_HOLLOW    8


typedef enum {
    REG_GC_START = 0,           /* the time is taken, alone in the store */
    REG_GC_WALK,                /* the next repository is looked for */
    REG_GC_REVISIONS,           /* its manifests are read */
    REG_GC_TAGS,                /* and its tags, if manifests may go */
    REG_GC_UNTAGGED,            /* those without a tag go */
    REG_GC_LAYERS,              /* links of layers that are not named go */
    REG_GC_REFERRERS,           /* entries for manifests that are gone */
    REG_GC_INDEXES,             /* the same in the indexes of tags */
    REG_GC_SYNC,                /* what went is gone from the disk */
    REG_GC_EMPTY,               /* and the repository, if it holds nothing */
    REG_GC_BLOBS,               /* blobs without a mark go */
    REG_GC_TRASH,               /* what went is freed */
    REG_GC_DONE
} reg_gc_state_e;


/* Something that may go, when the store is locked. */
typedef struct {
    reg_gc_what_e   what;
    unsigned        gone:1;
    unsigned        dead:1;         /* a directory without its link */
    unsigned        leads:1;        /* target is set */
    unsigned        entry:1;        /* for the manifest d */
    unsigned        alone:1;        /* of a group that goes in slices */
    unsigned        stays:1;
    unsigned        own:1;          /* the directory of a repository */
    unsigned        file:1;         /* in one */
    uint64_t        size;
    size_t          group;          /* the first of so many; 0: of no more */
    size_t          place;          /* in the order of the graph */
    reg_digest_t    d;
    reg_digest_t    target;
    reg_path_t      path;           /* of the directory that goes */
} reg_gc_item_t;


/* What is gone through of a repository that seems to be empty. */
typedef struct {
    reg_names_list_t  lists[REG_GC_HOLLOW];
    size_t            ends[REG_GC_HOLLOW];      /* of path */
    unsigned          depth;
    unsigned          part;                     /* the next of its parts */
    unsigned          prune:1;                  /* it is; now it goes */
    reg_path_t        path;
} reg_gc_hollow_t;


struct reg_gc_s {
    reg_store_t         *s;
    const reg_gc_how_t  *how;
    reg_gc_counts_t      counts;
    reg_care_t           care;
    int64_t              before;        /* older than that may go */
    int64_t              untagged;      /* and a manifest without a tag */
    reg_gc_state_e       state;

    reg_walk_t           walk;
    reg_marks_t          linked;        /* by any repository */

    /* of the repository in hand */
    reg_marks_t          named;         /* by its manifests */
    unsigned             damaged:1;     /* one of them is not understood */
    unsigned             touched:1;     /* something went */
    unsigned             holds:1;       /* something is left in it */
    unsigned             unsure:1;      /* a tag cannot be read */
    reg_gc_hollow_t      hollow;
    reg_gc_graph_t       graph;         /* for those without a tag */
    unsigned             ordered:1;     /* it is */
    size_t               place;         /* so many of its order were put into
                                           the batch */
    size_t               synced;        /* what has a lower rank is */

    /* a group of these that goes in slices: it ends behind place */
    size_t               first;
    size_t               end;
    size_t               looked;        /* these were looked at, */
    size_t               went;          /* so many went since, */
    unsigned             vain;          /* and so often too few */
    unsigned             noted:1;       /* that the repository is quiet */

    /* the directories that are gone through */
    reg_names_list_t     lists[REG_GC_LEVELS];
    const char          *parts[REG_GC_LEVELS];
    unsigned             level;

    reg_gc_item_t       *batch;         /* of REG_GC_BATCH */
    size_t               n;             /* of these */
    size_t               at;            /* so many were decided */
    unsigned             full:1;        /* they come first */

    /* the lock, in us; reg_gc_lock.c */
    int64_t            (*us)(void);
    int64_t              began;         /* when it was taken */
    int64_t              hold;          /* how long it is to be */
    int64_t              cost;          /* of one thing, as learnt */
    unsigned             tries;
    unsigned             shut;          /* ms that others were kept out */
    int64_t              open;          /* until then they are not again */
    int64_t              pause;

    reg_buf_t            body;          /* of a manifest */
};


typedef enum {
    REG_GC_AGAIN = 0,           /* one directory further */
    REG_GC_ENTRY,               /* a path and its last parts */
    REG_GC_END
} reg_gc_next_e;


/* --- reg_gc.c --- */

/*
 * The next directory that is so many levels below base, whose path becomes
 * *path, and g->parts its names.  Reads one directory at most.
 */
reg_rc_t reg_gc_next(reg_gc_t *g, const char *base, unsigned levels,
    reg_path_t *path, reg_gc_next_e *next, reg_error_t *e);

/* Notes that a repository leads to that blob. */
reg_rc_t reg_gc_mark(reg_gc_t *g, const reg_digest_t *d, reg_error_t *e);

void reg_gc_tell(reg_gc_t *g, reg_gc_what_e what, const char *path,
    uint64_t size);

/* 1 and *d, when the names are those of a digest. */
int reg_gc_digest(const char *alg, const char *hex, reg_digest_t *d);


/* --- reg_gc_mark.c --- */

/* Reads the manifest whose revision is that directory. */
reg_rc_t reg_gc_revision(reg_gc_t *g, const reg_path_t *path,
    reg_error_t *e);


/* --- reg_gc_untagged.c --- */

/* Looks at a tag; at an entry of referrers, or of the index of a tag. */
reg_rc_t reg_gc_tag(reg_gc_t *g, const reg_path_t *path, reg_error_t *e);
reg_rc_t reg_gc_entry(reg_gc_t *g, const reg_path_t *path, reg_error_t *e);

/* Puts manifests into the batch that nothing keeps. */
reg_rc_t reg_gc_untagged(reg_gc_t *g, reg_error_t *e);

/* The directory of the revision of a node. */
reg_rc_t reg_gc_node_path(const reg_gc_t *g, size_t node, reg_path_t *path,
    reg_error_t *e);

/* REG_OK when the repository in hand has its directory, REG_ABSENT. */
reg_rc_t reg_gc_revision_there(reg_gc_t *g, const reg_digest_t *d,
    reg_error_t *e);


/* --- reg_gc_slices.c --- */

/* The next n of the order are too many for one lock. */
void reg_gc_slices_begin(reg_gc_t *g, size_t n);

/*
 * Looks at some of them, until g->looked is at g->end; REG_BUSY without the
 * lock, which the first step needs.
 */
reg_rc_t reg_gc_slices_look(reg_gc_t *g, reg_error_t *e);

/*
 * Under the lock: *quiet is 0 when one of them may have become young since they
 * were looked at.  Then reg_gc_slices_again() takes those out of the batch that
 * were not decided.
 */
reg_rc_t reg_gc_slices_quiet(reg_gc_t *g, int lock, int *quiet,
    reg_error_t *e);
void reg_gc_slices_again(reg_gc_t *g);


/* --- reg_gc_empty.c --- */

/* Goes one directory further in the repository in hand, which goes if empty. */
void reg_gc_empty(reg_gc_t *g);
void reg_gc_hollow_clear(reg_gc_t *g);

/* Under the lock: a directory of it, or its mark; gone, or g->holds. */
void reg_gc_hollow_remove(reg_gc_t *g, reg_gc_item_t *item);

/* Removes the directory in hand, if repositories have stood in it. */
void reg_gc_bare(reg_gc_t *g);


/* --- reg_gc_sweep.c --- */

/* Look at a link of a layer, at a blob: put into the batch, or kept. */
reg_rc_t reg_gc_layer(reg_gc_t *g, const reg_path_t *path, reg_error_t *e);
reg_rc_t reg_gc_blob(reg_gc_t *g, const reg_path_t *path, reg_error_t *e);

/* The next free place of the batch. */
reg_gc_item_t *reg_gc_item(reg_gc_t *g, reg_gc_what_e what,
    const reg_path_t *path);

/* Removes what is in the batch, under the lock; REG_BUSY without it. */
reg_rc_t reg_gc_sweep(reg_gc_t *g, reg_error_t *e);

/* Syncs the directories of a repository that links may have gone from. */
reg_rc_t reg_gc_sync(reg_gc_t *g, reg_error_t *e);

/*
 * When the link in a directory changed last, or, without one, the directory:
 * REG_OK, or REG_ABSENT when both are gone.
 */
reg_rc_t reg_gc_age(reg_gc_t *g, const reg_path_t *path, const char *file,
    int64_t *mtime, unsigned *dead, uint64_t *size, reg_error_t *e);


/* --- reg_gc_lock.c --- */

/* Locks the store alone: REG_OK, REG_BUSY.  *lock is -1 when that is not so. */
reg_rc_t reg_gc_lock(reg_gc_t *g, int *lock, reg_error_t *e);

/* Lets go of it, after so many things were done. */
void reg_gc_unlock(reg_gc_t *g, int lock, size_t things);

/* 1 when there is time under the lock for so many things. */
int reg_gc_time(const reg_gc_t *g, size_t things);


#endif /* REG_GC_PRIVATE_H_INCLUDED */
