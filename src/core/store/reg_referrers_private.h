
/*
 * The inside of the index of referrers: reg_referrers.c answers from it,
 * reg_referrers_mark.c tells whether it is complete, and reg_referrers_scan.c
 * makes it so.  Both look at manifests by reg_referrers_look.c, and what that
 * finds is kept by reg_referrers_cache.c.
 */


#ifndef REG_REFERRERS_PRIVATE_H_INCLUDED
#define REG_REFERRERS_PRIVATE_H_INCLUDED


#include "reg_digests.h"
#include "reg_referrers.h"


/*
 * "<ino> <ctime>" of each algorithm's directory, or "-", a line each; before
 * them "until <s>", where that does not tell of all that may come
 */
#define REG_MARK_MAX    256

/* s for which such a mark holds */
#define REG_MARK_LASTS  60


/* what one slice may do: a look alone costs some microseconds */
#define REG_REFERRERS_LOOKS     1024

/* manifests that it reads, each of them perhaps from a slow disk */
#define REG_REFERRERS_READS     32

/* and bytes of them, one of which may take 100 ns; at least one is read */
#define REG_REFERRERS_BYTES     (512 * 1024)

/* bytes that are read for a page, which ends there, and links to the rest */
#define REG_REFERRERS_WORK      (64 * 1024 * 1024)

/* bytes of what is remembered, per store handle, the least used go first */
#define REG_REFERRERS_CACHE_MAX (16 * 1024 * 1024)

/* the longest descriptor that is remembered */
#define REG_REFERRERS_TEXT_MAX  (64 * 1024)


typedef struct reg_referrers_cache_s  reg_referrers_cache_t;


/* What a list has to know of a manifest. */
typedef struct {
    uint64_t      size;
    reg_digest_t  subject;
    reg_digest_t  type;            /* of its artifactType */
    reg_buf_t     text;            /* its descriptor, where has_text is set */
    unsigned      has_subject:1;   /* else nothing of the above but the size */
    unsigned      has_text:1;
    unsigned      unread:1;        /* its bytes are not there, or damaged */
} reg_referrer_t;


typedef enum {
    REG_REFERRERS_BEGIN = 0,
    REG_REFERRERS_SCAN,        /* the index is made complete */
    REG_REFERRERS_PAGE,        /* the page is made of it */
    REG_REFERRERS_DONE
} reg_referrers_phase_e;


/*
 * A list in the making.  digests are the revisions, then the referrers; those
 * before i were seen, and those up to last, which were seen before a rest.
 */
struct reg_referrers_list_s {
    reg_store_t            *store;
    const reg_op_t         *op;
    reg_page_t             *page;
    reg_digest_t            type;          /* of the filter */

    reg_referrers_phase_e   phase;
    reg_digests_t           digests;
    size_t                  i;
    reg_digest_t            last;          /* of length 0: none */
    reg_digests_t           found;         /* by the scan, of the subject */
    size_t                  work;          /* bytes read for the page */

    /* of the scan */
    char                    mark[REG_MARK_MAX];
    int64_t                 newest;        /* time of change in that mark */
    int64_t                 began;         /* ns */

    /* of this slice */
    size_t                  large;         /* the most that may be parsed */
    unsigned                looks;
    unsigned                reads;
    size_t                  bytes;
    size_t                  largest;
    size_t                  need;

    unsigned                listed:1;      /* digests are there */
    unsigned                scanning:1;
    unsigned                lost:1;        /* entries could not be written */
    unsigned                unread:1;      /* a manifest is there, but not its
                                              bytes: what it refers to will be
                                              known when these come back */
    unsigned                unlinked:1;    /* a directory of one is there, but
                                              not its link */
    unsigned                paused:1;      /* the slice is over */
    unsigned                cut:1;         /* the page is, without being full */
};


/* --- reg_referrers.c --- */

/*
 * Lists the digests below a path, unless that was done, and goes to the first
 * that was not seen.
 */
reg_rc_t reg_referrers_digests(reg_referrers_list_t *l, const char *path,
    reg_error_t *e);

/* Frees and empties one. */
void reg_referrers_forget(reg_digests_t *list);


/* --- reg_referrers_look.c --- */

/*
 * Fills r, whose text the caller frees, by a revision of the repository;
 * REG_ABSENT when it is none any more.  REG_OK with l->paused or l->cut set:
 * it was not looked at.
 */
reg_rc_t reg_referrers_look(reg_referrers_list_t *l, const reg_digest_t *d,
    reg_referrer_t *r, reg_error_t *e);

/* 1 when the list that is asked for has it. */
int reg_referrers_shows(const reg_referrers_list_t *l,
    const reg_referrer_t *r);

/* Types are told apart by their digests: they may be of any length. */
void reg_referrers_type(reg_digest_t *d, reg_str_t type);


/* --- reg_referrers_cache.c --- */

/*
 * 1 when the manifest d, whose bytes are those of target, was seen before;
 * r then has all but the text, and mostly that as well.
 */
int reg_referrers_cache_find(reg_store_t *s, const reg_digest_t *d,
    const reg_digest_t *target, uint64_t size, reg_referrer_t *r);
void reg_referrers_cache_add(reg_store_t *s, const reg_digest_t *d,
    const reg_digest_t *target, const reg_referrer_t *r);

/* What it holds. */
size_t reg_referrers_cache_bytes(reg_store_t *s);


/* --- reg_referrers_mark.c --- */

/*
 * What the directories of revisions look like, into REG_MARK_MAX bytes of
 * text; newest, which may be NULL, becomes the last of their times of change.
 */
reg_rc_t reg_referrers_mark_now(reg_store_t *s, reg_str_t name, char *text,
    int64_t *newest, reg_error_t *e);

/*
 * What they looked like when the index was complete, and until when (s, or 0)
 * that is to be believed; -1 when it never was.
 */
int reg_referrers_mark_read(reg_store_t *s, reg_str_t name, char *text,
    int64_t *until);
void reg_referrers_mark_write(reg_store_t *s, reg_str_t name,
    const char *text, int64_t until);


/* --- reg_referrers_scan.c --- */

/*
 * Makes sure that the index of a repository misses nothing, or at least that
 * l->found has what it misses of the subject asked for: begin() tells by
 * l->scanning whether there is something to do, and scan() does it by slices,
 * until it is unset.
 */
reg_rc_t reg_referrers_scan_begin(reg_referrers_list_t *l, reg_error_t *e);
reg_rc_t reg_referrers_scan(reg_referrers_list_t *l, reg_error_t *e);


#endif /* REG_REFERRERS_PRIVATE_H_INCLUDED */
