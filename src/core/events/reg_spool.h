
/*
 * The spool of events of a store, in docker/registry/nginx/events/:
 *
 *     <16 hex>.log           segments, named for the first sequence number
 *                            that is in them; the last is written to
 *     lock                   held by who writes; a byte of it is written to see
 *                            whether the disk takes it
 *     endpoints/<name>       how far an endpoint has come, see below
 *     endpoints/<name>.lock  held by who delivers to it
 *     endpoints/<name>.from  where registryctl wants it to begin again
 *
 * A record is a line of text:
 *
 *     E1 <16 hex sequence> <8 hex length> <32 hex sum> <to> <event>\n
 *
 * The length counts from <to> to the end of the event, the sum is the first
 * half of the SHA-256 of all that but itself.  What is cut short, half written
 * or overwritten is no record: a reader never sees it, and the next writer cuts
 * it off where nothing valid follows.
 *
 * Each event has a sequence number, which is a cursor, too: 64 bits, ascending,
 * never given twice.  The first one of a spool is its time in us, so that one
 * that was removed and begun anew goes on above the old; numbers stay below
 * 2^53 and fit a JSON number.
 *
 * Any process and thread may append: a file lock puts them in order, and one
 * fdatasync() serves all threads of a process that wait for one.  Any may read
 * meanwhile.  A reader that delivers syncs what it has read before it hands it
 * out: otherwise a power cut could take back a number that somebody has seen,
 * and the next event would get it again.
 *
 * Durable: append() returns after the record, the segment's name and the
 * folder's are on disk.  After an error the record may be there or not; the
 * change it tells of was done, and whoever made it should hear that it failed
 * and try again.
 *
 * No function of this file belongs on the event loop but those marked "fast".
 */


#ifndef REG_SPOOL_H_INCLUDED
#define REG_SPOOL_H_INCLUDED


#include "reg_event.h"
#include "reg_store.h"


#define REG_SPOOL             REG_LAYOUT_EVENTS
#define REG_SPOOL_ENDPOINTS   REG_SPOOL "/endpoints"

/* events of one append() */
#define REG_SPOOL_ITEMS_MAX   1024

/* bytes of a list of endpoints, commas included */
#define REG_SPOOL_TO_MAX      2048

/* a list of none: where endpoints of other locations are not meant, but a feed
   wants the event */
#define REG_SPOOL_NOBODY      "."

/* what stands around an event in a segment */
#define REG_SPOOL_FRAME       64

/* the smallest size that a spool can be limited to, in bytes */
#define REG_SPOOL_SIZE_MIN    (1024 * 1024)

/* behind the last event, whatever it is: for reg_spool_seek() */
#define REG_SPOOL_END         UINT64_MAX

/* bytes of an endpoint's name: [A-Za-z0-9_-]+ */
#define REG_SPOOL_NAME_MAX    64

#define REG_SPOOL_ERROR_MAX   160


typedef struct reg_spool_s         reg_spool_t;
typedef struct reg_spool_reader_s  reg_spool_reader_t;


/* How much is kept.  The segment that is written to always is. */
typedef struct {
    uint64_t  size;            /* bytes of all segments; 0: no limit */
    int64_t   keep;            /* ns after the last event of a segment; 0: for
                                  ever */
} reg_spool_limits_t;


/* One event to be appended; both slices are borrowed for the call. */
typedef struct {
    reg_str_t  to;             /* endpoints that it is for, commas between;
                                  empty: all, those that come later, too;
                                  REG_SPOOL_NOBODY: none */
    reg_str_t  event;          /* what reg_event_print() wrote */
} reg_spool_item_t;


/* One event that was read; slices are valid until the next call on the
   reader. */
typedef struct {
    uint64_t   seq;
    uint64_t   lost;           /* events before this one and behind the place
                                  that the reader was at, which are gone */
    reg_str_t  to;             /* as above */
    reg_str_t  event;
    unsigned   anew:1;         /* the spool was begun anew between the two:
                                  nobody knows what was in the old one */
} reg_spool_record_t;


typedef struct {
    uint64_t  first;           /* the oldest event kept; 0: none */
    uint64_t  last;            /* the newest that ever was, or the number
                                  before the first to come; 0: no spool */
    uint64_t  bytes;           /* of all segments */
    uint64_t  dropped;         /* events that this handle dropped for a limit */
    unsigned  segments;
} reg_spool_stat_t;


/* --- writing ------------------------------------------------------------- */

/*
 * A handle for one process, used by all of its threads.  Opens and makes
 * nothing yet; s must live longer.  *sp is the caller's: reg_spool_close().
 * REG_OK or REG_NO_MEMORY.  fast
 */
reg_rc_t reg_spool_open(reg_spool_t **sp, reg_store_t *s,
    const reg_spool_limits_t *limits, reg_error_t *e);

/* Nobody may be in a call on it any more.  NULL is fine.  fast */
void reg_spool_close(reg_spool_t *sp);

/* 1 when the store has a spool; 0; -1 and e.  fast */
int reg_spool_exists(reg_store_t *s, reg_error_t *e);

/*
 * Appends n events (1 to REG_SPOOL_ITEMS_MAX) together, in their order, with
 * numbers one after the other; *last, which may be NULL, becomes that of the
 * last.  now is the time in ns since the epoch.  With durable unset nothing is
 * waited for: a power cut, not a kill, may take them.
 *
 * REG_OK; REG_NO_SPACE and the others of reg_error_sys(); REG_NO_MEMORY;
 * REG_INTERNAL for an item that is too long or holds a line end.
 */
reg_rc_t reg_spool_append(reg_spool_t *sp, const reg_spool_item_t *items,
    size_t n, int durable, int64_t now, uint64_t *last, reg_error_t *e);

/*
 * The same for events that are not printed yet, all for the same endpoints:
 * the one call behind a change.  An event whose time is 0 gets now.
 */
reg_rc_t reg_spool_emit(reg_spool_t *sp, reg_str_t to, reg_event_t *events,
    size_t n, int durable, int64_t now, uint64_t *last, reg_error_t *e);

/*
 * For who is about to do what he cannot do again: makes sure, so far as that
 * can be known, that n events like this one can be appended.  There is room in
 * the last segment, on the disk, too, where the file system can reserve some.
 * With tried set a write to the spool has come to the disk, and there is more
 * room than asked for; who writes something of his own beside it has no need of
 * that.  Errors as of append(); room that is not used is there for others.
 */
reg_rc_t reg_spool_reserve(reg_spool_t *sp, reg_str_t to,
    const reg_event_t *ev, size_t n, int tried, int64_t now, reg_error_t *e);

/*
 * reg_spool_emit(), durable, behind that: what fails is tried again at once, so
 * that an event may be there twice, with the same id.
 */
reg_rc_t reg_spool_emit_sure(reg_spool_t *sp, reg_str_t to,
    reg_event_t *events, size_t n, int64_t now, reg_error_t *e);

/*
 * Drops what the limits do not let stay.  append() does so when it begins a
 * segment; this is for a spool that nobody writes to, now and then.
 */
reg_rc_t reg_spool_trim(reg_spool_t *sp, int64_t now, reg_error_t *e);

/* Looks how much there is; it reads what was appended since it last did. */
reg_rc_t reg_spool_stat(reg_spool_t *sp, reg_spool_stat_t *st,
    reg_error_t *e);


/* --- reading ------------------------------------------------------------- */

/*
 * A reader for one thread at a time, before the first event.  With sync set it
 * syncs what it reads, see above.  Opens nothing yet.  *r is the caller's:
 * reg_spool_reader_close().  REG_OK or REG_NO_MEMORY.  fast
 */
reg_rc_t reg_spool_reader_open(reg_spool_reader_t **r, reg_store_t *s,
    int sync, reg_error_t *e);

/* NULL is fine. */
void reg_spool_reader_close(reg_spool_reader_t *r);

/*
 * Goes to behind the event "after": next() gives the first with a higher
 * number.  0 is before all, REG_SPOOL_END behind the last that is there now.
 * *at, which may be NULL, becomes where it is: after, or what REG_SPOOL_END
 * turned out to be.  A number above the last is fine: next() waits for it.
 */
reg_rc_t reg_spool_seek(reg_spool_reader_t *r, uint64_t after, uint64_t *at,
    reg_error_t *e);

/*
 * The next event: REG_OK; REG_ABSENT when there is none yet (then it may be
 * called again, later); or an error, after which it may be called again, too.
 * A call reads 256 KB at most from the disk, unless it comes by something that
 * is damaged.
 */
reg_rc_t reg_spool_next(reg_spool_reader_t *r, reg_spool_record_t *rec,
    reg_error_t *e);

/* Lets next() give the same event once more, without what was lost before it,
   which was told.  fast */
void reg_spool_again(reg_spool_reader_t *r);

/*
 * Between two calls of next() that may be long apart: the file is closed and
 * memory freed, and next() goes on where it was without reading again what was
 * read.  fast
 */
void reg_spool_rest(reg_spool_reader_t *r);

/*
 * All that a reader without sync gave out is on disk: REG_OK, or an error.  Not
 * behind rest().
 */
reg_rc_t reg_spool_sure(reg_spool_reader_t *r, reg_error_t *e);

/* 1 when a list of endpoints, as of a record, has that name.  fast */
int reg_spool_for(reg_str_t to, reg_str_t name);


/* --- endpoints ----------------------------------------------------------- */

/*
 * How far an endpoint has come.  It is written over the one before in a single
 * call and synced later, see reg_spool_endpoint_sync(): a power cut takes some
 * of it back, and events are delivered twice.  A file that cannot be read any
 * more counts as one at the very beginning, for the same reason.
 */
typedef struct {
    uint64_t  cursor;          /* the last event that is done with */
    uint64_t  delivered;       /* events, ever */
    uint64_t  lost;            /* events that were dropped before, ever */
    uint64_t  failures;        /* attempts in a row; 0: it works */
    int64_t   since;           /* s since the epoch: of the first of those
                                  failures, or of the last delivery; 0: none */
    int64_t   retry;           /* s since the epoch: of the next attempt */
    unsigned  status;          /* of the last answer; 0: there was none */
    char      error[REG_SPOOL_ERROR_MAX];    /* why it failed last; or "" */
} reg_spool_endpoint_t;


/* 1 when it can be an endpoint's name: 1 to REG_SPOOL_NAME_MAX of
   [A-Za-z0-9_-].  fast */
int reg_spool_name_valid(reg_str_t name);

/*
 * REG_OK; REG_ABSENT for one that was never saved, which is to begin where
 * reg_spool_endpoint_begin() says; or an error.  The ones that take a name want
 * a valid one, NUL-terminated.
 */
reg_rc_t reg_spool_endpoint_load(reg_store_t *s, const char *name,
    reg_spool_endpoint_t *ep, reg_error_t *e);

/*
 * The cursor of an endpoint that was never saved: just before the first event
 * whose list names it, for that was made since there is such an endpoint,
 * though nobody had saved it yet; without one the last event that there is.
 * Where there has never been any, the number before the first is settled: what
 * goes for a limit before it was delivered counts as lost from the first on.
 * now is the time in ns.
 *
 * That takes a look at the whole spool, of which a call does n events: r is the
 * caller's, just opened, and *cursor 0 before the first call.  REG_OK;
 * REG_ABSENT when it is not known yet, and both are for the next call; or an
 * error, after which it is begun anew, with reg_spool_seek() to 0.
 */
reg_rc_t reg_spool_endpoint_begin(reg_spool_t *sp, reg_spool_reader_t *r,
    const char *name, size_t n, int64_t now, uint64_t *cursor,
    reg_error_t *e);

/* Makes the file durably, later ones are cheap: one write. */
reg_rc_t reg_spool_endpoint_save(reg_store_t *s, const char *name,
    const reg_spool_endpoint_t *ep, reg_error_t *e);

/*
 * Syncs what was saved last, by whatever process: what was delivered up to then
 * is not delivered again after a power cut.  REG_OK; REG_ABSENT; or an error,
 * after which only another save() and sync() help.
 */
reg_rc_t reg_spool_endpoint_sync(reg_store_t *s, const char *name,
    reg_error_t *e);

/*
 * The right to deliver to it.  REG_OK and *fd, to be closed; REG_ABSENT when
 * somebody else has it; or an error.  It goes with its holder's end.
 */
reg_rc_t reg_spool_endpoint_lock(reg_store_t *s, const char *name, int *fd,
    reg_error_t *e);

/* Calls fn for the name of each endpoint that was ever saved, in no order. */
reg_rc_t reg_spool_endpoints(reg_store_t *s, reg_list_pt fn, void *ctx,
    reg_error_t *e);

/* Asks that an endpoint begins again behind that event. */
reg_rc_t reg_spool_replay(reg_store_t *s, const char *name, uint64_t after,
    reg_error_t *e);

/*
 * Whether somebody asked for it: REG_OK and *after; REG_ABSENT; or an error.
 * Whoever has the right to deliver looks before each batch, saves the new
 * cursor and then says that it is done, by the number that was asked for.
 * asked() is fast.
 */
reg_rc_t reg_spool_replay_asked(reg_store_t *s, const char *name,
    uint64_t *after, reg_error_t *e);
reg_rc_t reg_spool_replay_done(reg_store_t *s, const char *name,
    uint64_t after, reg_error_t *e);


#endif /* REG_SPOOL_H_INCLUDED */
