
/* registryctl events status: how far endpoints have come. */


#include "reg_cli_events.h"
#include "reg_cli_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* One endpoint, and what it has before it. */
typedef struct {
    char                   name[REG_SPOOL_NAME_MAX + 1];
    reg_spool_endpoint_t   state;
    uint64_t               asked;      /* of a replay; behind that event */
    unsigned               replay:1;
    uint64_t               behind;
    int64_t                oldest;     /* ns since the epoch; 0: none */
} status_endpoint_t;


typedef struct {
    reg_cli_events_t     ev;
    status_endpoint_t   *endpoints;
    size_t               n;
} status_t;


static reg_rc_t status_read(status_t *st);
static reg_rc_t status_endpoint(void *data, reg_str_t name, int dir);
static int status_order(const void *a, const void *b);
static uint64_t status_cursor(const status_endpoint_t *p);
static reg_rc_t status_behind(status_t *st);
static void status_next(status_t *st, const reg_spool_record_t *rec);
static reg_cli_exit_e status_rows(status_t *st);
static void status_row(reg_cli_rows_t *rows, const status_endpoint_t *p);
static void status_json(reg_buf_t *b, const status_endpoint_t *p);
static const char *status_state(const status_endpoint_t *p);


reg_cli_exit_e
reg_cli_events_status(const reg_cli_t *c)
{
    status_t         st;
    reg_cli_exit_e   rc;

    memset(&st, 0, sizeof(st));

    rc = reg_cli_events_open(&st.ev, c);

    if (rc != REG_CLI_OK) {
        return rc;
    }

    rc = (status_read(&st) == REG_OK)
         ? status_rows(&st) : reg_cli_error(st.ev.root, &st.ev.e);

    free(st.endpoints);

    return reg_cli_events_close(&st.ev, rc);
}


static reg_rc_t
status_read(status_t *st)
{
    reg_rc_t  rc;

    rc = reg_spool_endpoints(st->ev.s, status_endpoint, st, &st->ev.e);

    if (rc != REG_OK || st->n == 0) {
        return rc;
    }

    qsort(st->endpoints, st->n, sizeof(status_endpoint_t), status_order);

    return status_behind(st);
}


static reg_rc_t
status_endpoint(void *data, reg_str_t name, int dir)
{
    reg_rc_t            rc;
    status_t           *st;
    status_endpoint_t  *grown, *p;

    (void) dir;

    st = data;
    grown = realloc(st->endpoints, (st->n + 1) * sizeof(status_endpoint_t));

    if (grown == NULL) {
        return reg_error_set(&st->ev.e, REG_NO_MEMORY, NULL);
    }

    st->endpoints = grown;
    p = &grown[st->n];

    memset(p, 0, sizeof(status_endpoint_t));
    memcpy(p->name, name.data, name.len);

    rc = reg_spool_endpoint_load(st->ev.s, p->name, &p->state, &st->ev.e);

    if (rc == REG_OK) {
        rc = reg_spool_replay_asked(st->ev.s, p->name, &p->asked, &st->ev.e);

        p->replay = (rc == REG_OK);
        st->n++;
    }

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


static int
status_order(const void *a, const void *b)
{
    const status_endpoint_t  *x, *y;

    x = a;
    y = b;

    return strcmp(x->name, y->name);
}


static uint64_t
status_cursor(const status_endpoint_t *p)
{
    return p->replay ? p->asked : p->state.cursor;
}


/* One walk over what the slowest has not had yet. */

static reg_rc_t
status_behind(status_t *st)
{
    size_t                i;
    uint64_t              after;
    reg_rc_t              rc;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    after = status_cursor(&st->endpoints[0]);

    for (i = 1; i < st->n; i++) {
        if (status_cursor(&st->endpoints[i]) < after) {
            after = status_cursor(&st->endpoints[i]);
        }
    }

    rc = reg_spool_reader_open(&r, st->ev.s, 0, &st->ev.e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_spool_seek(r, after, NULL, &st->ev.e);

    while (rc == REG_OK) {
        rc = reg_spool_next(r, &rec, &st->ev.e);

        if (rc == REG_OK) {
            status_next(st, &rec);
        }
    }

    reg_spool_reader_close(r);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


static void
status_next(status_t *st, const reg_spool_record_t *rec)
{
    size_t              i;
    json_t             *tree;
    reg_event_t         event;
    status_endpoint_t  *p;

    for (i = 0; i < st->n; i++) {
        p = &st->endpoints[i];

        if (rec->seq <= status_cursor(p)
            || !reg_spool_for(rec->to, reg_str_of(p->name)))
        {
            continue;
        }

        if (p->behind++ == 0
            && reg_event_load(&event, &tree, rec->event, NULL) == REG_OK)
        {
            p->oldest = event.time;
            json_decref(tree);
        }
    }
}


static reg_cli_exit_e
status_rows(status_t *st)
{
    size_t                    i;
    char                      more[200];
    unsigned                  failing;
    reg_cli_exit_e            rc;
    reg_cli_rows_t            rows;
    const reg_spool_stat_t   *is;

    is = &st->ev.st;
    failing = 0;

    reg_cli_rows_begin(&rows, st->ev.c,
                       "ENDPOINT\tSTATE\tCURSOR\tBEHIND\tOLDEST\tDELIVERED"
                       "\tLOST\tERROR", "endpoints");

    for (i = 0; i < st->n; i++) {
        status_row(&rows, &st->endpoints[i]);
        failing += (st->endpoints[i].state.failures != 0);
    }

    (void) snprintf(more, sizeof(more), ",\n\"first\":%" PRIu64
                    ",\"last\":%" PRIu64 ",\"bytes\":%" PRIu64
                    ",\"segments\":%u", is->first, is->last,
                    is->bytes, is->segments);

    rc = reg_cli_rows_end(&rows, more);

    if (rc != REG_CLI_OK) {
        return rc;
    }

    if (!rows.json) {
        if (is->first == 0) {
            reg_cli_say("%s: there are no events", st->ev.root);

        } else {
            reg_cli_say("%s: events %" PRIu64 " to %" PRIu64 ", %" PRIu64
                        " bytes", st->ev.root, is->first, is->last,
                        is->bytes);
        }
    }

    return (failing == 0) ? REG_CLI_OK : REG_CLI_NO;
}


static void
status_row(reg_cli_rows_t *rows, const status_endpoint_t *p)
{
    reg_buf_t  *b;

    b = &rows->b;

    reg_cli_row_begin(rows);

    if (rows->json) {
        status_json(b, p);

    } else {
        reg_buf_printf(b, "%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t", p->name,
                       status_state(p), p->state.cursor, p->behind);
        reg_cli_events_time(b, p->oldest, "-");
        reg_buf_printf(b, "\t%" PRIu64 "\t%" PRIu64 "\t", p->state.delivered,
                       p->state.lost);
        reg_cli_plain(b, (p->state.error[0] == '\0')
                         ? reg_str("-") : reg_str_of(p->state.error));
    }

    (void) reg_cli_row_end(rows);
}


static void
status_json(reg_buf_t *b, const status_endpoint_t *p)
{
    const reg_spool_endpoint_t  *s;

    s = &p->state;

    reg_buf_str(b, reg_str("{"));
    reg_cli_member(b, "name", reg_str_of(p->name));
    reg_buf_str(b, reg_str(","));
    reg_cli_member(b, "state", reg_str_of(status_state(p)));
    reg_buf_printf(b, ",\"cursor\":%" PRIu64 ",\"behind\":%" PRIu64,
                   s->cursor, p->behind);

    reg_buf_str(b, reg_str(",\"oldest\":"));
    reg_buf_str(b, (p->oldest == 0) ? reg_str("") : reg_str("\""));
    reg_cli_events_time(b, p->oldest, "null");
    reg_buf_str(b, (p->oldest == 0) ? reg_str("") : reg_str("\""));

    reg_buf_printf(b, ",\"delivered\":%" PRIu64 ",\"lost\":%" PRIu64
                   ",\"failures\":%" PRIu64 ",\"since\":%" PRId64
                   ",\"retry\":%" PRId64 ",\"status\":%u,", s->delivered,
                   s->lost, s->failures, s->since, s->retry, s->status);
    reg_cli_member(b, "error", (s->error[0] == '\0') ? reg_null_str
                                                     : reg_str_of(s->error));
    reg_buf_str(b, reg_str("}"));
}


static const char *
status_state(const status_endpoint_t *p)
{
    if (p->replay) {
        return "replay";
    }

    return (p->state.failures != 0) ? "fails"
           : (p->behind != 0) ? "delivers" : "idle";
}
