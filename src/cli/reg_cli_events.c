
/* registryctl events: what webhooks are told, and how far they have come. */


#include "reg_cli_events.h"
#include "reg_cli_text.h"

#include "reg_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>


/* events that tail shows when nobody says how many */
#define EVENTS_LAST     10

/* --follow looks so often, in ms */
#define EVENTS_LOOK     200

#define EVENTS_LINE     (4 * REG_EVENT_MAX)


static reg_cli_exit_e events_tail(const reg_cli_t *c);
static reg_cli_exit_e events_tail_from(reg_cli_events_t *ev,
    uint64_t *after);
static reg_cli_exit_e events_print(reg_cli_events_t *ev,
    reg_spool_reader_t *r);
static void events_line(reg_buf_t *b, const reg_spool_record_t *rec);
static void events_cell(reg_buf_t *b, reg_str_t s);
static void events_json(reg_buf_t *b, const reg_spool_record_t *rec);
static void events_names(reg_buf_t *b, reg_str_t to);
static void events_rest(void);
static reg_cli_exit_e events_replay(const reg_cli_t *c);
static int events_replay_from(const reg_cli_t *c, uint64_t *after,
    int64_t *since);
static int events_since(const char *text, int64_t *since);
static reg_cli_exit_e events_replay_one(reg_cli_events_t *ev,
    const char *name, uint64_t after, int64_t since);
static int events_since_then(const reg_spool_record_t *rec, int64_t since);
static reg_rc_t events_replay_find(reg_cli_events_t *ev, const char *name,
    uint64_t *after, int64_t since, uint64_t *n);


static const reg_cli_option_t  tail_options[] = {
    { "follow", 'f', NULL, 0, 0, "go on with those that come" },
    { "number", 'n', "N", 0, 0, "so many of the last; default: 10" },
    { "after", 0, "SEQUENCE", 0, 0, "all behind the event of that number" },
    { "json", 0, NULL, 0, 0, "print an object of JSON a line" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_option_t  replay_options[] = {
    { "from", 0, "SEQUENCE", 0, 0, "begin with the event of that number" },
    { "since", 0, "TIME", 0, 0,
      "begin with the first since then: 45m, 12h, 2d ago, a date, or a date "
      "and time as 2026-12-31T23:59:59Z" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_option_t  status_options[] = {
    { "json", 0, NULL, 0, 0, "print JSON instead of lines" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  commands[] = {
    { "tail", { "ROOT" },
      "Prints the last events, a line each: sequence number, time, action, "
      "what it is about, who did it, from where.",
      events_tail, tail_options },

    { "replay", { "ROOT", "ENDPOINT" },
      "Lets events be delivered to an endpoint once more: from a number or "
      "time on, or all that are kept.  nginx sees it within a second or so.",
      events_replay, replay_options },

    { "status", { "ROOT" },
      "Prints a line for each endpoint: how far it has come, how many events "
      "it is behind, when the oldest of those happened, and how it fares.",
      reg_cli_events_status, status_options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_events = {
    "events",
    "What webhooks are told, and how far they are",
    commands,
    "ROOT is the directory that the directive registry names, ENDPOINT the "
    "name that registry_notify gives.\nExit status: 0 done; 1 there is no such "
    "endpoint, or, with status, one fails; 2 called wrongly; 3 something could "
    "not be read or written."
};


reg_cli_exit_e
reg_cli_events_open(reg_cli_events_t *ev, const reg_cli_t *c)
{
    reg_spool_limits_t  limits;

    memset(ev, 0, sizeof(reg_cli_events_t));
    memset(&limits, 0, sizeof(limits));
    reg_error_clear(&ev->e);

    ev->c = c;
    ev->root = c->operands[0];
    ev->json = (reg_cli_value(c, "json") != NULL);
    ev->s = reg_cli_store(ev->root);

    if (ev->s == NULL) {
        return REG_CLI_FAILED;
    }

    if (reg_spool_open(&ev->sp, ev->s, &limits, &ev->e) != REG_OK
        || reg_spool_stat(ev->sp, &ev->st, &ev->e) != REG_OK)
    {
        return reg_cli_events_close(ev, reg_cli_error(ev->root, &ev->e));
    }

    return REG_CLI_OK;
}


reg_cli_exit_e
reg_cli_events_close(reg_cli_events_t *ev, reg_cli_exit_e rc)
{
    reg_spool_close(ev->sp);
    reg_store_close(ev->s);

    return rc;
}


void
reg_cli_events_time(reg_buf_t *b, int64_t ns, const char *none)
{
    char  text[REG_TIME_LEN + 1];

    if (ns == 0 || reg_time_print(ns / REG_TIME_SECOND, text) != 0) {
        reg_buf_str(b, reg_str_of(none));
        return;
    }

    reg_buf_str(b, reg_str_of(text));
}


/* --- tail ---------------------------------------------------------------- */

static reg_cli_exit_e
events_tail(const reg_cli_t *c)
{
    uint64_t             after;
    reg_cli_exit_e       rc;
    reg_cli_events_t     ev;
    reg_spool_reader_t  *r;

    rc = reg_cli_events_open(&ev, c);

    if (rc != REG_CLI_OK) {
        return rc;
    }

    after = 0;
    rc = events_tail_from(&ev, &after);

    if (rc != REG_CLI_OK) {
        return reg_cli_events_close(&ev, rc);
    }

    r = NULL;

    if (reg_spool_reader_open(&r, ev.s, 0, &ev.e) != REG_OK
        || reg_spool_seek(r, after, NULL, &ev.e) != REG_OK)
    {
        reg_spool_reader_close(r);

        return reg_cli_events_close(&ev, reg_cli_error(ev.root, &ev.e));
    }

    do {
        rc = events_print(&ev, r);

        if (reg_cli_value(c, "follow") == NULL) {
            break;
        }

        events_rest();

    } while (rc == REG_CLI_OK);

    reg_spool_reader_close(r);

    return reg_cli_events_close(&ev, rc);
}


static reg_cli_exit_e
events_tail_from(reg_cli_events_t *ev, uint64_t *after)
{
    unsigned     number;
    const char  *text;

    text = reg_cli_value(ev->c, "after");

    if (text != NULL && reg_cli_value(ev->c, "number") != NULL) {
        return reg_cli_fail(REG_CLI_USAGE, "--after and --number are two ways "
                            "to say where to begin");
    }

    if (text != NULL) {
        return (reg_str_number(reg_str_of(text), INT64_MAX, after) == 0)
               ? REG_CLI_OK
               : reg_cli_fail(REG_CLI_USAGE, "--after has to be the number of "
                              "an event, not \"%s\"", text);
    }

    if (reg_cli_number(ev->c, "number", 0, 1000000000, EVENTS_LAST, &number)
        != 0)
    {
        return REG_CLI_USAGE;
    }

    *after = (ev->st.last > number) ? ev->st.last - number : 0;

    return REG_CLI_OK;
}


/* All that are there now. */

static reg_cli_exit_e
events_print(reg_cli_events_t *ev, reg_spool_reader_t *r)
{
    reg_rc_t             rc;
    reg_buf_t            b;
    reg_cli_exit_e       written;
    reg_spool_record_t   rec;

    reg_buf_init(&b, EVENTS_LINE);

    written = REG_CLI_OK;

    while (written == REG_CLI_OK
           && (rc = reg_spool_next(r, &rec, &ev->e)) == REG_OK)
    {
        reg_buf_reset(&b);

        if (ev->json) {
            events_json(&b, &rec);

        } else {
            events_line(&b, &rec);
        }

        written = reg_cli_print(&b);
    }

    reg_buf_free(&b);

    if (written != REG_CLI_OK) {
        return written;
    }

    return (rc == REG_ABSENT) ? REG_CLI_OK
                              : reg_cli_error(ev->root, &ev->e);
}


static void
events_line(reg_buf_t *b, const reg_spool_record_t *rec)
{
    json_t       *tree;
    reg_event_t   event;

    reg_buf_printf(b, "%" PRIu64 "\t", rec->seq);

    if (reg_event_load(&event, &tree, rec->event, NULL) != REG_OK) {
        reg_buf_str(b, reg_str("?\n"));
        return;
    }

    reg_cli_events_time(b, event.time, "-");
    reg_buf_str(b, reg_str("\t"));
    reg_buf_str(b, reg_event_action(event.action));
    reg_buf_str(b, reg_str("\t"));
    reg_cli_plain(b, event.repository);

    if (event.tag.len != 0) {
        reg_buf_str(b, reg_str(":"));
        reg_cli_plain(b, event.tag);
    }

    if (event.digest.len != 0) {
        reg_buf_str(b, reg_str("@"));
        reg_cli_plain(b, event.digest);
    }

    events_cell(b, event.who.actor);
    events_cell(b, event.who.addr);
    reg_buf_str(b, reg_str("\n"));

    json_decref(tree);
}


static void
events_cell(reg_buf_t *b, reg_str_t s)
{
    reg_buf_str(b, reg_str("\t"));

    if (s.len == 0) {
        reg_buf_str(b, reg_str("-"));

    } else {
        reg_cli_plain(b, s);
    }
}


static void
events_json(reg_buf_t *b, const reg_spool_record_t *rec)
{
    reg_buf_printf(b, "{\"sequence\":%" PRIu64 ",\"endpoints\":", rec->seq);

    if (rec->to.len == 0) {
        reg_buf_str(b, reg_str("null"));

    } else if (reg_str_eq(rec->to, reg_str(REG_SPOOL_NOBODY))) {
        reg_buf_str(b, reg_str("[]"));

    } else {
        reg_buf_str(b, reg_str("["));
        events_names(b, rec->to);
        reg_buf_str(b, reg_str("]"));
    }

    reg_buf_str(b, reg_str(",\"event\":"));
    reg_cli_safe(b, rec->event);
    reg_buf_str(b, reg_str("}\n"));
}


static void
events_names(reg_buf_t *b, reg_str_t to)
{
    reg_str_t    name;
    const char  *comma;

    for ( ;; ) {
        comma = memchr(to.data, ',', to.len);

        name.data = to.data;
        name.len = (comma == NULL) ? to.len : (size_t) (comma - to.data);

        reg_cli_quoted(b, name);

        if (comma == NULL) {
            return;
        }

        reg_buf_str(b, reg_str(","));

        to.data += name.len + 1;
        to.len -= name.len + 1;
    }
}


static void
events_rest(void)
{
    struct timespec  ts;

    ts.tv_sec = 0;
    ts.tv_nsec = EVENTS_LOOK * 1000000;

    (void) nanosleep(&ts, NULL);
}


/* --- replay -------------------------------------------------------------- */

static reg_cli_exit_e
events_replay(const reg_cli_t *c)
{
    int64_t            since;
    uint64_t           after;
    const char        *name;
    reg_cli_exit_e     rc;
    reg_cli_events_t   ev;

    name = c->operands[1];

    if (!reg_spool_name_valid(reg_str_of(name))) {
        return reg_cli_fail(REG_CLI_USAGE, "\"%s\" can be no endpoint's name",
                            name);
    }

    if (events_replay_from(c, &after, &since) != 0) {
        return REG_CLI_USAGE;
    }

    if (reg_cli_become(c->operands[0], 0) != 0) {
        return REG_CLI_FAILED;
    }

    rc = reg_cli_events_open(&ev, c);

    if (rc != REG_CLI_OK) {
        return rc;
    }

    rc = events_replay_one(&ev, name, after, since);

    return reg_cli_events_close(&ev, rc);
}


static int
events_replay_from(const reg_cli_t *c, uint64_t *after, int64_t *since)
{
    const char  *from, *time;

    from = reg_cli_value(c, "from");
    time = reg_cli_value(c, "since");

    *after = 0;
    *since = 0;

    if (from != NULL && time != NULL) {
        (void) reg_cli_fail(REG_CLI_USAGE, "--from and --since are two ways "
                            "to say where to begin");
        return -1;
    }

    if (from != NULL) {

        if (reg_str_number(reg_str_of(from), INT64_MAX, after) != 0
            || *after == 0)
        {
            (void) reg_cli_fail(REG_CLI_USAGE, "--from has to be the number "
                                "of an event, not \"%s\"", from);
            return -1;
        }

        (*after)--;
    }

    return (time == NULL) ? 0 : events_since(time, since);
}


/* "2d" is so long ago; a day begins at its first second. */

static int
events_since(const char *text, int64_t *since)
{
    int64_t    seconds;
    reg_str_t  s;

    s = reg_str_of(text);

    if (reg_cli_period(s, &seconds) == 0) {
        seconds = (int64_t) time(NULL) - seconds;

    } else if (reg_time_parse(s, &seconds) != 0) {
        (void) reg_cli_fail(REG_CLI_USAGE, "--since has to be a period, a "
                            "date, or a date and time as "
                            "2026-12-31T23:59:59Z, not \"%s\"", text);
        return -1;

    } else if (s.len == REG_TIME_DATE) {
        seconds -= 86399;
    }

    *since = (seconds > INT64_MAX / REG_TIME_SECOND)
             ? INT64_MAX : seconds * REG_TIME_SECOND;

    return 0;
}


static reg_cli_exit_e
events_replay_one(reg_cli_events_t *ev, const char *name, uint64_t after,
    int64_t since)
{
    uint64_t               n;
    reg_rc_t               rc;
    reg_spool_endpoint_t   state;

    rc = reg_spool_endpoint_load(ev->s, name, &state, &ev->e);

    if (rc == REG_ABSENT) {
        return reg_cli_fail(REG_CLI_NO, "%s: nothing was ever delivered to "
                            "an endpoint \"%s\"", ev->root, name);
    }

    if (rc == REG_OK) {
        rc = events_replay_find(ev, name, &after, since, &n);
    }

    if (rc == REG_OK && after == REG_SPOOL_END) {
        reg_cli_say("%s: there are no events from there on", ev->root);
        return REG_CLI_OK;
    }

    /* never forwards: what lies between would not be delivered at all */

    if (rc == REG_OK && after >= state.cursor) {
        reg_cli_say("%s: has come no further than %" PRIu64, name,
                    state.cursor);
        return REG_CLI_OK;
    }

    if (rc == REG_OK) {
        rc = reg_spool_replay(ev->s, name, after, &ev->e);
    }

    if (rc != REG_OK) {
        return reg_cli_error(ev->root, &ev->e);
    }

    reg_cli_say("%s: %" PRIu64 " events from %" PRIu64 " on", name, n,
                after + 1);

    return REG_CLI_OK;
}


static int
events_since_then(const reg_spool_record_t *rec, int64_t since)
{
    int           then;
    json_t       *tree;
    reg_event_t   event;

    if (reg_event_load(&event, &tree, rec->event, NULL) != REG_OK) {
        return 0;
    }

    then = (event.time >= since);
    json_decref(tree);

    return then;
}


/*
 * Where that is, and how many events there are for it; without any at all
 * REG_SPOOL_END, for what is gone would be missed once more.
 */

static reg_rc_t
events_replay_find(reg_cli_events_t *ev, const char *name, uint64_t *after,
    int64_t since, uint64_t *n)
{
    int                   begun, any;
    reg_rc_t              rc;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    *n = 0;
    any = 0;
    begun = 0;

    rc = reg_spool_reader_open(&r, ev->s, 0, &ev->e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_spool_seek(r, *after, NULL, &ev->e);

    while (rc == REG_OK) {
        rc = reg_spool_next(r, &rec, &ev->e);

        if (rc != REG_OK) {
            break;
        }

        any = 1;

        if (!begun && since != 0 && !events_since_then(&rec, since)) {
            *after = rec.seq;
            continue;
        }

        if (!begun) {
            *after = rec.seq - 1;
        }

        begun = 1;
        *n += (uint64_t) reg_spool_for(rec.to, reg_str_of(name));
    }

    reg_spool_reader_close(r);

    if (rc == REG_ABSENT && !any) {
        *after = REG_SPOOL_END;
    }

    return (rc == REG_ABSENT) ? REG_OK : rc;
}
