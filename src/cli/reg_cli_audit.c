
/* registryctl audit: looks a store over. */


#include "reg_cli.h"
#include "reg_cli_store.h"
#include "reg_cli_text.h"
#include "reg_audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


#define AUDIT_GRACE   3600

/* until what was under way at the first look has ended, in ms */
#define AUDIT_PAUSE   500

/* the progress is drawn after so many ms, and so often */
#define AUDIT_SILENT  1000
#define AUDIT_REDRAW  200

#define AUDIT_LINE    (64 * 1024)


typedef struct {
    reg_cli_exit_e  rc;             /* of writing */
    unsigned        json:1;
    unsigned        terminal:1;
    unsigned        drawn:1;
    unsigned        calls;
    uint64_t        found;
    int64_t         next;           /* when to draw the progress */
} audit_t;


static reg_cli_exit_e audit_run(const reg_cli_t *c);
static reg_rc_t audit_found(void *data, const reg_audit_finding_t *f);
static void audit_pause(void *data);
static void audit_tick(void *data, const reg_audit_counts_t *c);
static void audit_erase(audit_t *a);
static int64_t audit_clock(void);
static void audit_counts(audit_t *a, const reg_audit_counts_t *c);
static void audit_summary(const reg_audit_counts_t *c);
static reg_cli_exit_e audit_failed(const char *root, const reg_error_t *e);


static const reg_cli_option_t  audit_options[] = {
    { "digests", 0, NULL, 0, 0,
      "read and hash all blobs, not only manifests" },
    { "sparse", 0, NULL, 0, 0,
      "what a manifest refers to may be missing" },
    { "grace", 0, "PERIOD", 0, 0,
      "45m, 2h, 1d or 0: what changed since may be unfinished; default: 1h" },
    { "json", 0, NULL, 0, 0, "print JSON instead of lines" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  commands[] = {
    { "", { "ROOT" },
      "Looks a whole store over and prints a line for each thing that is "
      "wrong: a code, a path, a sentence.  Changes nothing; nginx may go on "
      "serving.",
      audit_run, audit_options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_audit = {
    "audit",
    "The audit of a store",
    commands,
    "ROOT is the directory that the directive registry names.  Exit status: 0 "
    "nothing is wrong; 1 something is; 2 called wrongly; 3 the store could not "
    "be looked over."
};


static reg_cli_exit_e
audit_run(const reg_cli_t *c)
{
    reg_rc_t             rc;
    audit_t              a;
    const char          *grace, *root;
    reg_audit_t          how;
    reg_error_t          e;
    reg_store_t         *s;
    reg_audit_counts_t   counts;

    memset(&a, 0, sizeof(a));
    memset(&how, 0, sizeof(how));
    reg_error_clear(&e);

    root = c->operands[0];
    grace = reg_cli_value(c, "grace");

    how.now = (int64_t) time(NULL);
    how.grace = AUDIT_GRACE;
    how.digests = (reg_cli_value(c, "digests") != NULL);
    how.sparse = (reg_cli_value(c, "sparse") != NULL);
    how.data = &a;
    how.found = audit_found;
    how.pause = audit_pause;
    how.tick = audit_tick;

    if (grace != NULL && strcmp(grace, "0") == 0) {
        how.grace = 0;

    } else if (grace != NULL
               && reg_cli_period(reg_str_of(grace), &how.grace) != 0)
    {
        return reg_cli_fail(REG_CLI_USAGE, "--grace has to be a period such "
                            "as 45m, 2h or 1d, or 0, not \"%s\"", grace);
    }

    a.rc = REG_CLI_OK;
    a.json = (reg_cli_value(c, "json") != NULL);
    a.terminal = (isatty(STDERR_FILENO) == 1);
    a.next = audit_clock() + AUDIT_SILENT;

    s = reg_cli_store_there(root);

    if (s == NULL) {
        return REG_CLI_FAILED;
    }

    rc = reg_audit(s, &how, &counts, &e);

    reg_store_close(s);
    audit_erase(&a);

    if (a.rc != REG_CLI_OK) {
        return a.rc;
    }

    if (rc != REG_OK) {
        return audit_failed(root, &e);
    }

    if (a.json) {
        audit_counts(&a, &counts);
    }

    audit_summary(&counts);

    if (a.rc != REG_CLI_OK) {
        return a.rc;
    }

    return (counts.findings == 0) ? REG_CLI_OK : REG_CLI_NO;
}


/* Each is printed at once: there may be very many. */

static reg_rc_t
audit_found(void *data, const reg_audit_finding_t *f)
{
    audit_t    *a;
    reg_buf_t   b;

    a = data;

    audit_erase(a);
    reg_buf_init(&b, AUDIT_LINE);

    if (a->json) {
        reg_buf_printf(&b, "%s{", (a->found == 0) ? "{\"findings\":[\n"
                                                  : ",\n");
        reg_cli_json(&b, "code", reg_str_of(reg_audit_code(f->code)));
        reg_buf_str(&b, reg_str(","));
        reg_cli_json(&b, "path", reg_str_of(f->path));
        reg_buf_str(&b, reg_str(","));
        reg_cli_json(&b, "text", reg_str_of(f->text));
        reg_buf_str(&b, reg_str("}"));

    } else {
        reg_buf_printf(&b, "%s ", reg_audit_code(f->code));
        reg_cli_plain(&b, reg_str_of(f->path));
        reg_buf_str(&b, reg_str(": "));
        reg_cli_plain(&b, reg_str_of(f->text));
        reg_buf_str(&b, reg_str("\n"));
    }

    a->found++;
    a->rc = reg_cli_print(&b);
    reg_buf_free(&b);

    return (a->rc == REG_CLI_OK) ? REG_OK : REG_STORAGE;
}


static void
audit_pause(void *data)
{
    struct timespec  ts;

    (void) data;

    ts.tv_sec = AUDIT_PAUSE / 1000;
    ts.tv_nsec = AUDIT_PAUSE % 1000 * 1000000L;

    (void) nanosleep(&ts, NULL);
}


static void
audit_tick(void *data, const reg_audit_counts_t *c)
{
    int64_t   now;
    audit_t  *a;

    a = data;

    if (!a->terminal || a->calls++ % 64 != 0) {
        return;
    }

    now = audit_clock();

    if (now < a->next) {
        return;
    }

    a->next = now + AUDIT_REDRAW;
    a->drawn = 1;

    fprintf(stderr, "\r\033[K%" PRIu64 " repositories, %" PRIu64
            " manifests, %" PRIu64 " blobs, %" PRIu64 " findings ...",
            c->repositories, c->manifests, c->blobs, a->found);
    (void) fflush(stderr);
}


static void
audit_erase(audit_t *a)
{
    if (a->drawn) {
        fprintf(stderr, "\r\033[K");
        (void) fflush(stderr);
        a->drawn = 0;
    }
}


/* in ms, from anywhere on */

static int64_t
audit_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


/* Ends the object that the findings began. */

static void
audit_counts(audit_t *a, const reg_audit_counts_t *c)
{
    size_t     i;
    reg_buf_t  b;

    const struct {
        const char  *name;
        uint64_t     n;
    } rows[] = {
        { "repositories",    c->repositories },
        { "manifests",       c->manifests },
        { "layers",          c->layers },
        { "tags",            c->tags },
        { "uploads",         c->uploads },
        { "blobs",           c->blobs },
        { "bytes",           c->bytes },
        { "unlinked",        c->unlinked },
        { "unlinked_bytes",  c->unlinked_bytes },
        { "tags_unfinished", c->tags_unfinished },
        { "referrers_stale", c->referrers_stale },
        { "findings",        c->findings }
    };

    reg_buf_init(&b, AUDIT_LINE);

    reg_buf_str(&b, (a->found == 0) ? reg_str("{\"findings\":[")
                                    : reg_str("\n"));
    reg_buf_str(&b, reg_str("],\n\"counts\":{"));

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_printf(&b, "%s\"%s\":%" PRIu64, (i == 0) ? "" : ",",
                       rows[i].name, rows[i].n);
    }

    reg_buf_str(&b, reg_str("}}\n"));

    a->rc = reg_cli_print(&b);
    reg_buf_free(&b);
}


static void
audit_summary(const reg_audit_counts_t *c)
{
    reg_cli_say("%" PRIu64 " repositories, %" PRIu64 " manifests, %" PRIu64
                " tags, %" PRIu64 " uploads, %" PRIu64 " blobs of %" PRIu64
                " bytes; %" PRIu64 " blobs of %" PRIu64 " bytes are linked "
                "nowhere; %" PRIu64 " findings", c->repositories,
                c->manifests, c->tags, c->uploads, c->blobs, c->bytes,
                c->unlinked, c->unlinked_bytes, c->findings);
}


static reg_cli_exit_e
audit_failed(const char *root, const reg_error_t *e)
{
    return reg_cli_fail(REG_CLI_FAILED, "%s: %s%s%s: %s: the store was not "
                        "looked over", root,
                        (e->call != NULL) ? e->call : "",
                        (e->path[0] != '\0') ? " " : "", e->path,
                        (e->sys != 0) ? strerror(e->sys)
                                      : reg_error_text(e->rc));
}
