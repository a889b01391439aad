
/* What the files of the spool share. */


#ifndef REG_SPOOL_PRIVATE_H_INCLUDED
#define REG_SPOOL_PRIVATE_H_INCLUDED


#include "reg_spool.h"

#include <pthread.h>


#define REG_SPOOL_LOCK      REG_SPOOL "/lock"

/* "E1 ", the number, the length, the sum, and a blank behind each */
#define REG_SPOOL_HEAD      62

/* of the list of endpoints, a blank and the event */
#define REG_SPOOL_BODY_MAX  (REG_SPOOL_TO_MAX + 1 + REG_EVENT_MAX)

#define REG_SPOOL_RECORD_MAX                                                  \
    (REG_SPOOL_HEAD + REG_SPOOL_BODY_MAX + 1)

/* what a look at a segment reads at once; more than two records */
#define REG_SPOOL_WINDOW    (256 * 1024)

/* for "durable" of emit() and append(), behind reserve(): the last segment, in
   which room was made, may become longer than others by that */
#define REG_SPOOL_KEPT      2

/* bytes of an endpoint's file */
#define REG_SPOOL_SAVED     512

#define REG_SPOOL_PATH      (sizeof(REG_SPOOL "/") + 16 + sizeof(".log"))


/* A place in a segment. */
typedef struct {
    int        fd;              /* -1: nowhere */
    uint64_t   first;           /* the segment's name */
    uint64_t   off;             /* where the next record begins */
    uint64_t   last;            /* number of the one before; first - 1 at the
                                   beginning.  No record counts that is not
                                   above */
    unsigned   rest:1;          /* behind off stands what is no record */
    char      *window;          /* NULL until it is needed */
    uint64_t   at;              /* what of the file it holds */
    size_t     len;
    uint64_t   end;             /* nothing behind is looked at; 0: all is */
} reg_spool_place_t;


/* The segments of a spool, by their names, ascending. */
typedef struct {
    uint64_t  *first;
    size_t     n;
    size_t     size;
} reg_spool_segments_t;


/*
 * Tells whether somebody began a segment: who does so makes the lock file one
 * byte longer before, so that its length, which is looked at with the lock,
 * says it without a look for the name.
 */
typedef struct {
    int64_t    size;            /* of the lock file */
    int64_t    changed;         /* its last change, in ns: cut by whomever */
} reg_spool_turn_t;


typedef struct reg_spool_wait_s  reg_spool_wait_t;

/* A thread that waits for a sync; on its stack. */
struct reg_spool_wait_s {
    reg_spool_wait_t  *next;
    int                done;
    int                err;
};


struct reg_spool_s {
    reg_store_t         *s;
    reg_spool_limits_t   limits;

    /* of who writes */
    pthread_mutex_t      write;
    int                  dir;          /* the folder, or -1 */
    int                  lock;         /* its lock file, or -1 */
    reg_spool_turn_t     turn;         /* as of take() */
    reg_spool_turn_t     known;        /* when tail was found to be the last
                                          segment; size -1: never */
    reg_spool_place_t    tail;         /* where the next record goes */
    unsigned             settled:1;    /* its name is on disk */
    unsigned             torn:1;       /* a rest that could not be cut */
    reg_spool_place_t    seen;         /* what stat() has seen */
    uint64_t             dropped;

    /* of who waits */
    pthread_mutex_t      wait;
    pthread_cond_t       woken;
    reg_spool_wait_t    *waiting;
    int                  synced;       /* the file that they wait for, */
    uint64_t             named;        /* and its name */
    uint64_t             broken;       /* name of the one whose sync failed
                                          last, or 0 */
    unsigned             syncing:1;
};


/*
 * For who holds the writer's mutex and the lock file, which take() and let_go()
 * do.  now is the time in ns.
 */
reg_rc_t reg_spool_take(reg_spool_t *sp, reg_error_t *e);
void reg_spool_let_go(reg_spool_t *sp);

/* Goes to the end of the last segment, which is made where there is none. */
reg_rc_t reg_spool_tail_find(reg_spool_t *sp, int64_t now, reg_error_t *e);

/*
 * The same, and begins the next one when this is full or cannot be trusted:
 * len bytes of records go to tail.off, with numbers from tail.last + 1.
 */
reg_rc_t reg_spool_tail_ready(reg_spool_t *sp, size_t len, int64_t now,
    reg_error_t *e);

/* Begins the next segment. */
reg_rc_t reg_spool_tail_rotate(reg_spool_t *sp, int64_t now, reg_error_t *e);

/* Drops segments that the limits do not let stay beside so many bytes more. */
reg_rc_t reg_spool_tail_drop(reg_spool_t *sp, uint64_t more, int64_t now,
    reg_error_t *e);

reg_rc_t reg_spool_segment_remove(reg_spool_t *sp, uint64_t first,
    reg_error_t *e);

/*
 * Closes the tail, after a sync where it is asked for or somebody waits for
 * one, who hears how it went.  Without the lock file, too.
 */
void reg_spool_tail_leave(reg_spool_t *sp, int sync);

/* Appends a record to b. */
void reg_spool_record_print(reg_buf_t *b, uint64_t seq,
    const reg_spool_item_t *item);

/*
 * Takes the record that data begins with: 1, and its length in *len; 0 when
 * data may be the beginning of one; -1 when it is none.
 */
int reg_spool_record_parse(reg_str_t data, reg_spool_record_t *rec,
    size_t *len);

/* 1 for what can be appended. */
int reg_spool_item_valid(const reg_spool_item_t *item);

/*
 * The next record of a segment, whose slices are valid until the next call: 1;
 * 0 when there is none up to the end of the file as it is now; -1 with errno.
 * What is damaged is passed over where a record follows.
 */
int reg_spool_place_next(reg_spool_place_t *p, reg_spool_record_t *rec);

/* Goes behind the last record there is now, and frees the window. */
reg_rc_t reg_spool_place_end(reg_spool_place_t *p, reg_error_t *e);

/* Goes to the beginning of a segment, which is open; p owns fd. */
void reg_spool_place_set(reg_spool_place_t *p, int fd, uint64_t first);

/* Closes and frees what it holds; zeroed but for fd -1 it is nowhere. */
void reg_spool_place_close(reg_spool_place_t *p);

/* Frees the window alone. */
void reg_spool_place_rest(reg_spool_place_t *p);


/*
 * An endpoint's file and back.  text has REG_SPOOL_SAVED + 1 bytes, parse()
 * writes into it: 0, or -1 when it is none.
 */
size_t reg_spool_endpoint_print(const reg_spool_endpoint_t *ep, char *text);
int reg_spool_endpoint_parse(reg_spool_endpoint_t *ep, char *text,
    size_t len);


/* The path of a segment, into REG_SPOOL_PATH bytes. */
void reg_spool_path(char *path, uint64_t first);

/* Opens a segment: flags of open().  -1 with errno. */
int reg_spool_segment_open(reg_store_t *s, uint64_t first, int flags);

/*
 * Lists the segments; none where there is no spool.  list is zeroed, and freed
 * by the caller: reg_spool_segments_free().
 */
reg_rc_t reg_spool_segments(reg_store_t *s, reg_spool_segments_t *list,
    reg_error_t *e);
void reg_spool_segments_free(reg_spool_segments_t *list);


#endif /* REG_SPOOL_PRIVATE_H_INCLUDED */
