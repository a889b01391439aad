
/*
 * What happened in a registry, as distribution tells it to a webhook: the
 * Event of its notifications/event.go, of which names, types and order of the
 * members are taken (media type application/vnd.docker.distribution.events
 * .v2+json), and the CloudEvents 1.0 that holds one.
 *
 * What it emits, we emit (notifications/listener.go and bridge.go):
 *
 *   push     a manifest was put: one for each tag that it was given, or one
 *            without a tag; a blob was uploaded
 *   mount    a blob was mounted: from is the other repository
 *   pull     a manifest or a blob was asked for
 *   delete   a manifest or a blob (digest), a tag (tag), or a repository
 *            (neither) was deleted; of it nothing but this is told
 *
 * Every string may be any bytes whatever: it comes from a client.  Control
 * bytes, quotes and what is no UTF-8 are escaped or replaced when the event is
 * printed, and what is longer than REG_EVENT_TEXT_MAX is cut before, so that
 * each event is one valid JSON object of at most REG_EVENT_MAX bytes.
 */


#ifndef REG_EVENT_H_INCLUDED
#define REG_EVENT_H_INCLUDED


#include "reg_digest.h"
#include "reg_error.h"
#include "reg_name.h"

#include <jansson.h>


#define REG_EVENT_TYPE                                                        \
    "application/vnd.docker.distribution.events.v2+json"
#define REG_EVENT_CLOUD_TYPE                                                  \
    "application/cloudevents-batch+json"

/* what distribution calls a blob, whatever it is */
#define REG_EVENT_BLOB        "application/octet-stream"

/* bytes of one string, before they are escaped */
#define REG_EVENT_TEXT_MAX    1024

/* of one event as JSON: each of a dozen strings six times as long as that */
#define REG_EVENT_MAX         (96 * 1024)

/* "2026-12-31T23:59:59.123456789Z" */
#define REG_EVENT_TIME_LEN    30


/* Actions are bits, for filters. */
#define REG_EVENT_PULL        1
#define REG_EVENT_PUSH        2
#define REG_EVENT_MOUNT       4
#define REG_EVENT_DELETE      8
#define REG_EVENT_ALL         15


/* Who did it, by which request; the same in all events of one. */
typedef struct {
    reg_str_t  id;             /* of the request */
    reg_str_t  addr;           /* of the client */
    reg_str_t  host;           /* as the client called the registry */
    reg_str_t  method;
    reg_str_t  useragent;
    reg_str_t  actor;          /* the user; empty: nobody logged in */
    reg_str_t  source;         /* "host:port" of this registry */
    reg_str_t  instance;       /* of this run of it: a UUID */
    reg_str_t  base;           /* "https://host" of its URLs; empty: the event
                                  has no URL */
} reg_event_who_t;


/* Zeroed, then filled; all slices are borrowed. */
typedef struct {
    char             id[REG_UUID_LEN + 1];   /* "": made when it is printed */
    int64_t          time;                   /* ns since the epoch */
    unsigned         action;                 /* one of REG_EVENT_PULL ... */
    unsigned         manifest:1;             /* not a blob: for its URL */
    uint64_t         size;                   /* bytes; 0: not told */
    reg_str_t        repository;
    reg_str_t        media_type;
    reg_str_t        digest;
    reg_str_t        tag;
    reg_str_t        from;                   /* of a mount: the other one */
    reg_str_t        url;                    /* empty: made of who.base,
                                                repository and digest */
    reg_event_who_t  who;
} reg_event_t;


/* "pull", "push", "mount", "delete"; "" of anything else. */
reg_str_t reg_event_action(unsigned action);

/* The action of that name, or 0. */
unsigned reg_event_action_find(reg_str_t name);

/*
 * Appends the event as one JSON object without a line end.  An empty id is
 * drawn first, and stays in ev.  REG_OK; REG_INTERNAL when the system gives no
 * random bytes.  What b thinks of it is in reg_buf_failed().
 */
reg_rc_t reg_event_print(reg_buf_t *b, reg_event_t *ev, reg_error_t *e);

/*
 * Reads what reg_event_print() wrote.  Slices of ev point into *tree, a new
 * reference: json_decref() when ev is done with.  The ones of who, but base,
 * are filled, too.  REG_OK, REG_NO_MEMORY, or REG_MANIFEST_INVALID when the
 * text is no event; then *tree is NULL.
 */
reg_rc_t reg_event_load(reg_event_t *ev, json_t **tree, reg_str_t text,
    reg_error_t *e);

/*
 * Appends a CloudEvents 1.0 object that holds the event: json is its text, ev
 * the same loaded.  type is "io.github.distribution." and the action, source
 * "//" and the host, subject the repository with ":tag" or "@digest".
 */
void reg_event_cloud(reg_buf_t *b, const reg_event_t *ev, reg_str_t json);

/*
 * Writes a time as Go's RFC3339Nano does, with as many digits of a second as
 * are needed, into out of REG_EVENT_TIME_LEN + 1 bytes; the length.  Times
 * that cannot be written become the epoch.
 */
size_t reg_event_time_print(int64_t time, char *out);

/* Reads one, any fraction and UTC alone: 0, or -1. */
int reg_event_time_parse(reg_str_t s, int64_t *time);


#endif /* REG_EVENT_H_INCLUDED */
