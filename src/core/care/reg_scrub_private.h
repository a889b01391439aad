
/* What the files of the scrub share: reg_scrub*.c. */


#ifndef REG_SCRUB_PRIVATE_H_INCLUDED
#define REG_SCRUB_PRIVATE_H_INCLUDED


#include "reg_scrub.h"


/* directories of two digits */
#define REG_SCRUB_TWO  256

#define REG_SCRUB_HEX  129


/* A file while it is read. */
typedef struct {
    int           fd;             /* or -1 */
    unsigned      again:1;        /* it looked wrong, this is the second look */
    unsigned      tries;          /* how often it changed meanwhile */
    uint64_t      size;
    uint64_t      ino;
    int64_t       ctime;          /* ns */
    uint64_t      offset;         /* so much of it is hashed */
    reg_digest_t  d;
    reg_path_t    path;
    reg_hash_t    hash;
} reg_scrub_file_t;


/* In the middle of a blob, as it was kept; any when there is one. */
typedef struct {
    unsigned      any:1;
    unsigned      again:1;
    uint64_t      ino;
    int64_t       ctime;
    reg_digest_t  d;
    reg_hash_t    hash;           /* and its length is the offset */
} reg_scrub_middle_t;


struct reg_scrub_s {
    reg_store_t         *s;
    reg_scrub_how_t      how;
    int                  lock;          /* the file of the name, or -1 */

    unsigned             idle:1;
    unsigned             listed:1;      /* names are those of alg and two */
    unsigned             has_at:1;
    int64_t              began;
    reg_scrub_counts_t   counts;

    reg_alg_e            alg;           /* where it is */
    unsigned             two;
    reg_digest_t         at;            /* the last one that is done */
    reg_scrub_middle_t   middle;

    char               (*names)[REG_SCRUB_HEX];
    size_t               n;
    size_t               size;
    size_t               next;

    reg_scrub_file_t     file;
    char                *piece;
};


/* --- reg_scrub_place.c: the file that keeps the place --- */

/* Opens and locks it and takes up what it says; without it all is begun. */
reg_rc_t reg_scrub_place_open(reg_scrub_t *p, reg_error_t *e);


/* --- reg_scrub_take.c --- */

/*
 * Takes the file that is read, and is wrong, out of service, and tells of it.
 * *changed becomes 1 when it is another one by now, or was changed: it has to
 * be looked at from its beginning.
 */
reg_rc_t reg_scrub_take(reg_scrub_t *p, const reg_digest_t *got, int *changed,
    reg_error_t *e);

/* Tells of something. */
reg_rc_t reg_scrub_tell(reg_scrub_t *p, reg_scrub_e what, const char *path,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));


#endif /* REG_SCRUB_PRIVATE_H_INCLUDED */
