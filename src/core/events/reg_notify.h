
/*
 * What is decided about a webhook without a socket: which events it is for,
 * what one POST holds, how it is signed, when a failed one is tried again, and
 * what an operator may write of all that.
 */


#ifndef REG_NOTIFY_H_INCLUDED
#define REG_NOTIFY_H_INCLUDED


#include "reg_event.h"
#include "reg_pattern.h"
#include "reg_why.h"


/* without a parameter: pulls are many, and few want them */
#define REG_NOTIFY_ACTIONS  (REG_EVENT_PUSH|REG_EVENT_MOUNT|REG_EVENT_DELETE)

/* patterns of each kind of one filter */
#define REG_NOTIFY_FILTERS  64

/* events of one POST, and its bytes; a single larger event goes alone */
#define REG_NOTIFY_BATCH_MAX   1000
#define REG_NOTIFY_BATCH_SIZE  (1024 * 1024)

/* "sha256=" and 64 digits */
#define REG_NOTIFY_SIGNATURE_LEN  71


/* --- filters ------------------------------------------------------------- */

/*
 * Zeroed, it lets nothing pass: actions come first.  An event passes when its
 * action is one of those, its repository fits one of the patterns and its
 * media type fits one of the patterns.  Where there are none of a kind,
 * everything fits; and what has no media type, as a delete, fits all of them.
 * Once made it is only read, by any number of threads.
 */
typedef struct {
    unsigned        actions;                  /* REG_EVENT_PULL|... */
    size_t          npatterns;
    size_t          ntypes;
    reg_pattern_t  *patterns[REG_NOTIFY_FILTERS];
    char           *types[REG_NOTIFY_FILTERS];
} reg_notify_filter_t;


/*
 * Take the value of a parameter apart, at commas: "push,delete";
 * "team/ **,lib/ *" (without the blanks; a regular expression, which begins
 * with "~", is a whole value, commas and all); "application/vnd.oci.*", where
 * "*" stands for any bytes and case does not matter.  May be called again with
 * more, which is added.  0, or -1 with a sentence in why.
 */
int reg_notify_filter_actions(reg_notify_filter_t *f, reg_str_t value,
    reg_why_t *why);
int reg_notify_filter_repositories(reg_notify_filter_t *f, reg_str_t value,
    reg_why_t *why);
int reg_notify_filter_types(reg_notify_filter_t *f, reg_str_t value,
    reg_why_t *why);

/* Frees what the filter holds, not the filter. */
void reg_notify_filter_free(reg_notify_filter_t *f);

/*
 * 1 or 0; 1, too, when it cannot be said (a regular expression came to its
 * limit, no memory): an event too many is better than one that is missing.
 */
int reg_notify_filter_match(const reg_notify_filter_t *f,
    const reg_event_t *ev);


/* --- parameters ---------------------------------------------------------- */

/*
 * "Name: value" of a header that is sent along: *name and *value are slices of
 * line.  0, or -1 with a sentence in why, which does not quote the value: a
 * name that is no token (RFC 9110, 5.6.2), or one that is ours or the
 * transfer's (Content-Type, Content-Length, Transfer-Encoding, Connection,
 * Expect, X-Registry-...), or a value with control bytes.
 */
int reg_notify_header(reg_str_t line, reg_str_t *name, reg_str_t *value,
    reg_why_t *why);

/* "http://..." or "https://..." with a host and without blanks or control
   bytes or a fragment: 0, or -1 with a sentence that does not quote it. */
int reg_notify_url(reg_str_t url, reg_why_t *why);

/*
 * Appends a URL as it may be shown: scheme, host and port, and "/..." where
 * there was more.  What stands before "@" is a password, and the paths of many
 * receivers are as good as one.
 */
void reg_notify_url_shown(reg_buf_t *b, reg_str_t url);

/*
 * The secret in the text of a file: its first line, without the line end.  0,
 * or -1 with a sentence that quotes nothing: it is empty.
 */
int reg_notify_secret(reg_str_t text, reg_str_t *secret, reg_why_t *why);


/* --- one POST ------------------------------------------------------------ */

typedef enum {
    REG_NOTIFY_DISTRIBUTION = 0,  /* {"events":[...]} */
    REG_NOTIFY_CLOUDEVENTS,       /* [...] */
    REG_NOTIFY_FEED               /* {"events":[...],"next":"<cursor>"} */
} reg_notify_format_e;


/* Begun by begin(), ended by end(); body is the caller's: reg_buf_free(). */
typedef struct {
    reg_notify_format_e  format;
    size_t               max;         /* events */
    size_t               n;           /* events that are in it */
    uint64_t             first;       /* their sequence numbers; 0: none */
    uint64_t             last;
    reg_buf_t            body;
} reg_notify_batch_t;


/*
 * Begins a batch of 1 to REG_NOTIFY_BATCH_MAX events.  The buffer of one that
 * was used before (or that is zeroed) is used again.
 */
void reg_notify_batch_begin(reg_notify_batch_t *b, reg_notify_format_e format,
    size_t max);

/*
 * Adds an event: json is its text, ev the same loaded (NULL will do but for
 * CloudEvents).  1; 0 when there is no room for it: the batch goes as it is,
 * and this one is the first of the next; -1 without memory, and the batch is
 * to be begun anew.
 */
int reg_notify_batch_add(reg_notify_batch_t *b, uint64_t seq, reg_str_t json,
    const reg_event_t *ev);

/* Closes it; next is for a feed.  0, or -1 without memory. */
int reg_notify_batch_end(reg_notify_batch_t *b, uint64_t next);

/* The media type of its body. */
const char *reg_notify_type(reg_notify_format_e format);

/*
 * Writes "sha256=" and the digits of HMAC-SHA256(secret, body) (RFC 2104), for
 * X-Registry-Signature-256, to out of REG_NOTIFY_SIGNATURE_LEN + 1 bytes.
 */
void reg_notify_sign(reg_str_t secret, reg_str_t body, char *out);


/* --- trying again -------------------------------------------------------- */

typedef struct {
    unsigned  threshold;        /* failures in a row before it waits longer; 1
                                   or more */
    uint64_t  backoff;          /* ms; the first such wait */
    uint64_t  max;              /* ms; waits double up to this */
} reg_notify_retry_t;

/* ms; below the threshold, and the least that a wait is made of */
#define REG_NOTIFY_RETRY_SOON  100


/*
 * How many ms to wait after so many failures in a row (1 or more), of which a
 * half to the whole is taken by chance: random is any 32 bits.
 */
uint64_t reg_notify_wait(const reg_notify_retry_t *r, uint64_t failures,
    uint32_t random);


#endif /* REG_NOTIFY_H_INCLUDED */
