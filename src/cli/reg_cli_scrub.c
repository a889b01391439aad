
/* registryctl scrub: takes corrupt blobs out of service. */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_cli_store.h"
#include "reg_cli_text.h"

#include "reg_done.h"
#include "reg_scrub.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>


/* where this command is; nginx has a place of its own */
#define SCRUB_PLACE  "scrub-now"

/* the place is kept so often, in ms */
#define SCRUB_SAVE   2000

/* with a rate: ahead of it by so much it rests, and no longer than that */
#define SCRUB_AHEAD  20
#define SCRUB_REST   200

#define SCRUB_LINE   (64 * 1024)


typedef struct {
    reg_cli_exit_e       rc;            /* of writing */
    unsigned             json:1;
    unsigned             resume:1;
    uint64_t             rate;          /* bytes a second; 0: as fast as can */
    uint64_t             found;
    int64_t              begin;         /* in ms, as all times */
    int64_t              saved;
    uint64_t             cost;          /* since then */
    reg_cli_progress_t   progress;
} scrub_t;


static reg_cli_exit_e scrub_run(const reg_cli_t *c);
static int scrub_rate(const char *text, uint64_t *rate);
static reg_cli_exit_e scrub_store(scrub_t *a, const char *root,
    reg_scrub_how_t *how);
static reg_rc_t scrub_pass(scrub_t *a, reg_scrub_t *p, reg_error_t *e);
static void scrub_rest(scrub_t *a);
static void scrub_draw(scrub_t *a, const reg_scrub_t *p);
static reg_rc_t scrub_found(void *data, const reg_scrub_finding_t *f);
static void scrub_counts(scrub_t *a, const reg_scrub_counts_t *c);
static void scrub_summary(const reg_scrub_counts_t *c);
static void scrub_stop(int signal);
static int64_t scrub_clock(void);


static volatile sig_atomic_t  scrub_stopped;


static const reg_cli_option_t  options[] = {
    { "rate", 'r', "RATE", 0, 0,
      "bytes a second at most: 500k, 20m, 1g; default: as fast as it can" },
    { "resume", 0, NULL, 0, 0, "go on where a call was that did not end" },
    { "dry-run", 'n', NULL, 0, 0, "report, but change nothing" },
    { "json", 0, NULL, 0, 0, "print JSON instead of lines" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  commands[] = {
    { "", { "ROOT" },
      "Reads and hashes all blobs and manifests of a store, takes those out of "
      "service that are corrupt, and prints a line for each.  The next push "
      "brings them back.  nginx may go on serving.",
      scrub_run, options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_scrub = {
    "scrub",
    "The search for corrupt blobs",
    commands,
    "ROOT is the directory that the directive registry names.  What is corrupt "
    "is kept in docker/registry/nginx/corrupt below it.\nExit status: 0 "
    "nothing is wrong; 1 something is, or cannot be read; 2 called wrongly; 3 "
    "not all of the store could be looked at."
};


static reg_cli_exit_e
scrub_run(const reg_cli_t *c)
{
    scrub_t           a;
    const char       *rate;
    reg_scrub_how_t   how;

    memset(&a, 0, sizeof(a));
    memset(&how, 0, sizeof(how));

    rate = reg_cli_value(c, "rate");

    if (rate != NULL && scrub_rate(rate, &a.rate) != 0) {
        return reg_cli_fail(REG_CLI_USAGE, "--rate has to be a number of "
                            "bytes such as 500k, 20m or 1g, not \"%s\"", rate);
    }

    a.rc = REG_CLI_OK;
    a.json = (reg_cli_value(c, "json") != NULL);
    a.resume = (reg_cli_value(c, "resume") != NULL);

    how.dry = (reg_cli_value(c, "dry-run") != NULL);
    how.name = how.dry ? NULL : SCRUB_PLACE;
    how.data = &a;
    how.found = scrub_found;

    if (how.dry && a.resume) {
        return reg_cli_fail(REG_CLI_USAGE, "--dry-run keeps no place where "
                            "--resume could go on");
    }

    if (!how.dry && reg_cli_become(c->operands[0], 0) != 0) {
        return REG_CLI_FAILED;
    }

    return scrub_store(&a, c->operands[0], &how);
}


/* 0, or -1 when the text is no rate; a second of it is a piece at least. */

static int
scrub_rate(const char *text, uint64_t *rate)
{
    unsigned   shift;
    reg_str_t  s;

    s = reg_str_of(text);
    shift = 0;

    if (s.len != 0) {
        switch (s.data[s.len - 1]) {

        case 'k':
        case 'K':
            shift = 10;
            break;

        case 'm':
        case 'M':
            shift = 20;
            break;

        case 'g':
        case 'G':
            shift = 30;
            break;
        }
    }

    s.len -= (shift != 0);

    if (reg_str_number(s, UINT64_C(1) << 32, rate) != 0 || *rate == 0) {
        return -1;
    }

    *rate <<= shift;

    return 0;
}


static reg_cli_exit_e
scrub_store(scrub_t *a, const char *root, reg_scrub_how_t *how)
{
    reg_rc_t             rc;
    reg_error_t          e;
    reg_scrub_t         *p;
    reg_store_t         *s;
    reg_scrub_counts_t   counts;

    s = reg_cli_store_there(root);

    if (s == NULL) {
        return REG_CLI_FAILED;
    }

    reg_error_clear(&e);

    rc = reg_scrub_open(&p, s, how, &e);

    if (rc != REG_OK) {
        reg_store_close(s);

        return (rc == REG_BUSY && e.rc == REG_OK)
               ? reg_cli_fail(REG_CLI_FAILED, "%s: another scrub is at it",
                              root)
               : reg_cli_error(root, &e);
    }

    if (!a->resume || reg_scrub_idle(p)) {
        reg_scrub_begin(p, (int64_t) time(NULL));
    }

    rc = scrub_pass(a, p, &e);

    reg_cli_progress_end(&a->progress);

    counts = *reg_scrub_counts(p);

    reg_scrub_close(p);

    if (rc == REG_OK && !how->dry && !scrub_stopped) {
        reg_cli_done(s, root, REG_DONE_SCRUB, scrub_clock() - a->begin,
                     counts.corrupt + counts.unreadable);
    }

    reg_store_close(s);

    if (a->rc != REG_CLI_OK) {
        return a->rc;
    }

    if (rc != REG_OK) {
        return reg_cli_error(root, &e);
    }

    if (scrub_stopped) {
        scrub_summary(&counts);

        return reg_cli_fail(REG_CLI_FAILED, how->dry
                            ? "stopped before the end"
                            : "stopped before the end; --resume goes on");
    }

    if (a->json) {
        scrub_counts(a, &counts);
    }

    scrub_summary(&counts);

    return (a->rc != REG_CLI_OK) ? a->rc
           : (counts.corrupt == 0 && counts.unreadable == 0) ? REG_CLI_OK
                                                             : REG_CLI_NO;
}


static reg_rc_t
scrub_pass(scrub_t *a, reg_scrub_t *p, reg_error_t *e)
{
    reg_rc_t          rc;
    struct sigaction  sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = scrub_stop;

    (void) sigaction(SIGINT, &sa, NULL);
    (void) sigaction(SIGTERM, &sa, NULL);
    (void) sigaction(SIGHUP, &sa, NULL);

    a->begin = scrub_clock();
    a->saved = a->begin;

    while (!reg_scrub_idle(p) && !scrub_stopped) {

        rc = reg_scrub_step(p, &a->cost, e);

        if (rc != REG_OK) {
            return rc;
        }

        scrub_draw(a, p);
        scrub_rest(a);

        if (scrub_clock() - a->saved >= SCRUB_SAVE) {
            a->saved = scrub_clock();
            rc = reg_scrub_save(p, e);

            if (rc != REG_OK) {
                return rc;
            }
        }
    }

    return REG_OK;
}


static void
scrub_rest(scrub_t *a)
{
    int64_t          ahead;
    struct timespec  ts;

    while (a->rate != 0 && !scrub_stopped) {

        ahead = (int64_t) ((double) a->cost * 1000 / (double) a->rate)
                - (scrub_clock() - a->begin);

        if (ahead < SCRUB_AHEAD) {
            return;
        }

        if (ahead > SCRUB_REST) {
            ahead = SCRUB_REST;
        }

        ts.tv_sec = 0;
        ts.tv_nsec = ahead * 1000000L;

        (void) nanosleep(&ts, NULL);
    }
}


static void
scrub_draw(scrub_t *a, const reg_scrub_t *p)
{
    int64_t                    ms;
    unsigned                   mille;
    reg_buf_t                  b;
    const reg_scrub_counts_t  *c;

    if (!reg_cli_progress_due(&a->progress)) {
        return;
    }

    c = reg_scrub_counts(p);
    ms = scrub_clock() - a->begin;
    mille = reg_scrub_permille(p);

    reg_buf_init(&b, SCRUB_LINE);
    reg_buf_printf(&b, "%u.%u %%, %" PRIu64 " blobs, ", mille / 10, mille % 10,
                   c->blobs);
    reg_cli_bytes(&b, c->bytes, 1);
    reg_buf_str(&b, reg_str(", "));
    reg_cli_bytes(&b, a->cost * 1000 / (uint64_t) (ms + 1), 1);
    reg_buf_printf(&b, "/s, %" PRIu64 " corrupt ...", c->corrupt);

    if (!reg_buf_failed(&b)) {
        reg_cli_progress(&a->progress, "%.*s", (int) b.len, b.data);
    }

    reg_buf_free(&b);
}


/* Each is printed at once: it may be hours to the end. */

static reg_rc_t
scrub_found(void *data, const reg_scrub_finding_t *f)
{
    scrub_t    *a;
    reg_buf_t   b;

    a = data;

    reg_cli_progress_end(&a->progress);
    reg_buf_init(&b, SCRUB_LINE);

    if (a->json) {
        reg_buf_printf(&b, "%s{", (a->found == 0) ? "{\"findings\":[\n"
                                                  : ",\n");
        reg_cli_member(&b, "code", reg_str_of(reg_scrub_code(f->what)));
        reg_buf_str(&b, reg_str(","));
        reg_cli_member(&b, "path", reg_str_of(f->path));
        reg_buf_str(&b, reg_str(","));
        reg_cli_member(&b, "text", reg_str_of(f->text));
        reg_buf_str(&b, reg_str("}"));

    } else {
        reg_buf_printf(&b, "%s %s: %s\n", reg_scrub_code(f->what), f->path,
                       f->text);
    }

    a->found++;
    a->rc = reg_cli_print(&b);
    reg_buf_free(&b);

    return (a->rc == REG_CLI_OK) ? REG_OK : REG_STORAGE;
}


/* Ends the object that the findings began. */

static void
scrub_counts(scrub_t *a, const reg_scrub_counts_t *c)
{
    reg_buf_t  b;

    reg_buf_init(&b, SCRUB_LINE);

    reg_buf_printf(&b, "%s],\n\"counts\":{\"blobs\":%" PRIu64 ",\"bytes\":%"
                   PRIu64 ",\"corrupt\":%" PRIu64 ",\"unreadable\":%" PRIu64
                   ",\"noted\":%" PRIu64 "}}\n",
                   (a->found == 0) ? "{\"findings\":[" : "\n", c->blobs,
                   c->bytes, c->corrupt, c->unreadable, c->noted);

    a->rc = reg_cli_print(&b);
    reg_buf_free(&b);
}


static void
scrub_summary(const reg_scrub_counts_t *c)
{
    reg_cli_say("%" PRIu64 " blobs, %" PRIu64 " bytes read; %" PRIu64
                " corrupt, %" PRIu64 " unreadable; %" PRIu64 " were given a "
                "note of their size", c->blobs, c->bytes, c->corrupt,
                c->unreadable, c->noted);
}


static void
scrub_stop(int signal)
{
    (void) signal;

    scrub_stopped = 1;
}


/* in ms, from anywhere on */

static int64_t
scrub_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
