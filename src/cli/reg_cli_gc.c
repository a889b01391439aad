
/* registryctl gc and purge-uploads: make room in a store. */


#include "reg_cli.h"
#include "reg_cli_store.h"
#include "reg_cli_text.h"
#include "reg_done.h"
#include "reg_gc.h"
#include "reg_purge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


#define GC_IDLE     (7 * 86400)

/* the progress is drawn after so many ms, and so often */
#define GC_SILENT   1000
#define GC_REDRAW   200

/* ms to come back after, when others hold the lock */
#define GC_WAIT     5

#define GC_LINE     (64 * 1024)


typedef struct {
    reg_cli_exit_e   rc;            /* of writing */
    reg_store_t     *s;
    const char      *root;
    unsigned         json:1;
    unsigned         dry:1;
    unsigned         terminal:1;
    unsigned         drawn:1;
    uint64_t         told;
    int64_t          next;          /* when to draw the progress */
    int64_t          began;
} gc_t;


typedef struct {
    const char  *name;
    uint64_t     n;
} gc_count_t;


static reg_cli_exit_e gc_run(const reg_cli_t *c);
static reg_cli_exit_e gc_collect(gc_t *gc, const reg_gc_how_t *how);
static reg_cli_exit_e gc_collected(gc_t *gc, const reg_gc_counts_t *n);
static reg_cli_exit_e gc_purge(const reg_cli_t *c);
static reg_cli_exit_e gc_purge_all(gc_t *gc, const reg_purge_how_t *how);
static reg_cli_exit_e gc_purged(gc_t *gc, const reg_purge_counts_t *n);
static reg_cli_exit_e gc_begin(gc_t *gc, const reg_cli_t *c);
static reg_cli_exit_e gc_period(const reg_cli_t *c, const char *name,
    int64_t least, int64_t *seconds);
static void gc_tell(void *data, reg_gc_what_e what, const char *path,
    uint64_t size);
static void gc_gone(void *data, const char *path, uint64_t size,
    int64_t idle);
static void gc_line(gc_t *gc, const char *what, const char *path,
    uint64_t size, int64_t idle);
static void gc_wait(void);
static int gc_due(gc_t *gc);
static void gc_erase(gc_t *gc);
static int64_t gc_clock(void);
static void gc_counts(gc_t *gc, const gc_count_t *rows, size_t n);
static reg_cli_exit_e gc_failed(const gc_t *gc, reg_rc_t rc,
    const reg_error_t *e);


static const reg_cli_option_t  gc_options[] = {
    { "dry-run", 0, NULL, 0, 0, "print what would go, and change nothing" },
    { "grace", 0, "PERIOD", 0, 0,
      "30s, 45m, 2h or 1d: what was pushed, mounted or asked for since stays; "
      "not shorter than that of registry_gc while nginx serves; default: 1h" },
    { "untagged", 0, "PERIOD", 0, 0,
      "manifests go that have had no tag for so long, unless one that stays "
      "names them, or is their subject, or the other way round" },
    { "empty", 0, NULL, 0, 0, "repositories go that hold nothing" },
    { "json", 0, NULL, 0, 0, "print JSON instead of lines" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_option_t  gc_purge_options[] = {
    { "dry-run", 0, NULL, 0, 0, "print what would go, and change nothing" },
    { "idle", 0, "PERIOD", 0, 0,
      "30s, 45m, 2h or 1d: uploads that nobody went on with since then go; "
      "default: 7d" },
    { "json", 0, NULL, 0, 0, "print JSON instead of lines" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  gc_commands[] = {
    { "", { "ROOT" },
      "Frees what no manifest needs: links of layers that none in their "
      "repository names, and blobs that no repository links.  Prints a line "
      "for each.  nginx may go on serving, pushes included.",
      gc_run, gc_options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


static const reg_cli_command_t  gc_purge_commands[] = {
    { "", { "ROOT" },
      "Removes uploads that nobody goes on with, and old temporaries.  Prints "
      "a line for each upload.  One that is being written to stays, and nginx "
      "may go on serving.",
      gc_purge, gc_purge_options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_gc = {
    "gc",
    "The collection of garbage",
    gc_commands,
    "ROOT is the directory that the directive registry names.  Exit status: 0 "
    "done; 1 done, but a repository was left alone because one of its "
    "manifests is damaged; 2 called wrongly; 3 could not be done, or somebody "
    "else is at it."
};


const reg_cli_group_t  reg_cli_purge = {
    "purge-uploads",
    "The removal of uploads without an end",
    gc_purge_commands,
    "ROOT is the directory that the directive registry names.  Exit status: 0 "
    "done; 2 called wrongly; 3 could not be done, or somebody else is at it."
};


static reg_cli_exit_e
gc_run(const reg_cli_t *c)
{
    gc_t            gc;
    reg_gc_how_t    how;
    reg_cli_exit_e  rc;

    memset(&how, 0, sizeof(how));

    how.grace = REG_GC_GRACE;
    how.untagged = -1;

    rc = gc_period(c, "grace", REG_GC_GRACE_MIN, &how.grace);

    if (rc == REG_CLI_OK) {
        rc = gc_period(c, "untagged", REG_GC_GRACE_MIN, &how.untagged);
    }

    if (rc == REG_CLI_OK) {
        rc = gc_begin(&gc, c);
    }

    if (rc != REG_CLI_OK) {
        return rc;
    }

    if (how.grace < REG_GC_GRACE / 2 && !gc.dry) {

        /* nginx renews by HEAD what is older than half of its own grace */

        reg_cli_say("warning: within %dm HEAD answers without renewing what it "
                    "is asked for, unless the grace of nginx's registry_gc is "
                    "as short as --grace: a push that relies on such an answer "
                    "may fail", REG_GC_GRACE / 2 / 60);
    }

    how.dry = gc.dry;
    how.empty = (reg_cli_value(c, "empty") != NULL);
    how.tell = gc_tell;
    how.data = &gc;

    rc = gc_collect(&gc, &how);

    reg_store_close(gc.s);

    return rc;
}


static reg_cli_exit_e
gc_collect(gc_t *gc, const reg_gc_how_t *how)
{
    reg_gc_t         *g;
    reg_rc_t          rc;
    const char       *name;
    reg_error_t       e;
    reg_gc_counts_t   n;

    reg_error_clear(&e);

    rc = reg_gc_begin(&g, gc->s, how, &e);

    if (rc != REG_OK) {
        return gc_failed(gc, rc, &e);
    }

    while (rc == REG_OK && gc->rc == REG_CLI_OK && !reg_gc_done(g)) {

        rc = reg_gc_step(g, &e);

        if (rc == REG_BUSY && e.rc == REG_OK) {
            gc_wait();
            rc = REG_OK;
        }

        if (gc_due(gc)) {
            n = *reg_gc_counts(g);

            fprintf(stderr, "\r\033[K%s: %" PRIu64 " repositories, %" PRIu64
                    " manifests, %" PRIu64 " blobs, %" PRIu64 " bytes to go "
                    "...", reg_gc_where(g, &name), n.repositories,
                    n.manifests, n.blobs, n.bytes_gone);
            (void) fflush(stderr);
        }
    }

    n = *reg_gc_counts(g);

    reg_gc_end(g);
    gc_erase(gc);

    if (gc->rc != REG_CLI_OK) {
        return gc->rc;
    }

    return (rc == REG_OK) ? gc_collected(gc, &n) : gc_failed(gc, rc, &e);
}


static reg_cli_exit_e
gc_collected(gc_t *gc, const reg_gc_counts_t *n)
{
    int64_t  ms;

    const gc_count_t  rows[] = {
        { "repositories",  n->repositories },
        { "manifests",     n->manifests },
        { "damaged",       n->damaged },
        { "kept",          n->kept },
        { "links",         n->links },
        { "links_gone",    n->links_gone },
        { "untagged_gone", n->untagged_gone },
        { "empty_gone",    n->empty_gone },
        { "blobs",         n->blobs },
        { "blobs_gone",    n->blobs_gone },
        { "bytes_gone",    n->bytes_gone },
        { "locked",        n->locked },
        { "longest_us",    n->longest },
        { "held_1ms",      n->held[0] },
        { "held_2ms",      n->held[1] },
        { "held_5ms",      n->held[2] },
        { "held_10ms",     n->held[3] },
        { "held_20ms",     n->held[4] },
        { "held_50ms",     n->held[5] },
        { "held_100ms",    n->held[6] },
        { "held_longer",   n->held[7] }
    };

    ms = gc_clock() - gc->began;

    if (!gc->dry) {
        reg_cli_done(gc->s, gc->root, REG_DONE_GC, ms, n->damaged);
    }

    gc_counts(gc, rows, sizeof(rows) / sizeof(rows[0]));

    reg_cli_say("%" PRIu64 " of %" PRIu64 " blobs with %" PRIu64 " bytes and "
                "%" PRIu64 " of %" PRIu64 " links, %" PRIu64 " manifests and "
                "%" PRIu64 " repositories %s, of %" PRIu64 " repositories in "
                "%lld.%03d s", n->blobs_gone, n->blobs, n->bytes_gone,
                n->links_gone, n->links, n->untagged_gone, n->empty_gone,
                gc->dry ? "would go" : "are gone", n->repositories,
                (long long) ms / 1000, (int) (ms % 1000));

    if (n->locked > 0) {
        reg_cli_say("the store was locked %" PRIu64 " times, for %" PRIu64
                    ".%03d ms at most", n->locked, n->longest / 1000,
                    (int) (n->longest % 1000));
    }

    if (n->kept > 0) {
        reg_cli_say("%" PRIu64 " repositories were left alone, because "
                    "%" PRIu64 " manifests in them are damaged; "
                    "\"registryctl audit\" tells more", n->kept, n->damaged);
    }

    return (gc->rc != REG_CLI_OK) ? gc->rc
           : (n->kept > 0) ? REG_CLI_NO : REG_CLI_OK;
}


static reg_cli_exit_e
gc_purge(const reg_cli_t *c)
{
    gc_t             gc;
    reg_cli_exit_e   rc;
    reg_purge_how_t  how;

    memset(&how, 0, sizeof(how));

    how.idle = GC_IDLE;

    rc = gc_period(c, "idle", 1, &how.idle);

    if (rc == REG_CLI_OK) {
        rc = gc_begin(&gc, c);
    }

    if (rc != REG_CLI_OK) {
        return rc;
    }

    how.dry = gc.dry;
    how.gone = gc_gone;
    how.data = &gc;

    rc = gc_purge_all(&gc, &how);

    reg_store_close(gc.s);

    return rc;
}


static reg_cli_exit_e
gc_purge_all(gc_t *gc, const reg_purge_how_t *how)
{
    reg_rc_t     rc;
    reg_error_t  e;
    reg_purge_t  p;

    reg_error_clear(&e);

    rc = reg_purge_begin(&p, gc->s, how, &e);

    while (rc == REG_OK && gc->rc == REG_CLI_OK && !p.done) {

        rc = reg_purge_step(&p, &e);

        if (gc_due(gc)) {
            fprintf(stderr, "\r\033[K%" PRIu64 " repositories, %" PRIu64
                    " uploads, %" PRIu64 " to go ...", p.counts.repositories,
                    p.counts.sessions, p.counts.purged);
            (void) fflush(stderr);
        }
    }

    reg_purge_end(&p);
    gc_erase(gc);

    if (gc->rc != REG_CLI_OK) {
        return gc->rc;
    }

    return (rc == REG_OK) ? gc_purged(gc, &p.counts) : gc_failed(gc, rc, &e);
}


static reg_cli_exit_e
gc_purged(gc_t *gc, const reg_purge_counts_t *n)
{
    const gc_count_t  rows[] = {
        { "repositories",  n->repositories },
        { "uploads",       n->sessions },
        { "uploads_gone",  n->purged },
        { "bytes_gone",    n->bytes },
        { "busy",          n->busy }
    };

    if (!gc->dry) {
        reg_cli_done(gc->s, gc->root, REG_DONE_PURGE, gc_clock() - gc->began,
                     0);
    }

    gc_counts(gc, rows, sizeof(rows) / sizeof(rows[0]));

    reg_cli_say("%" PRIu64 " of %" PRIu64 " uploads with %" PRIu64 " bytes "
                "%s, in %" PRIu64 " repositories", n->purged, n->sessions,
                n->bytes, gc->dry ? "would go" : "are gone",
                n->repositories);

    return gc->rc;
}


/* What is no store is left as it is: to collect means to write to it. */

static reg_cli_exit_e
gc_begin(gc_t *gc, const reg_cli_t *c)
{
    memset(gc, 0, sizeof(*gc));

    gc->rc = REG_CLI_OK;
    gc->root = c->operands[0];
    gc->json = (reg_cli_value(c, "json") != NULL);
    gc->dry = (reg_cli_value(c, "dry-run") != NULL);
    gc->terminal = (isatty(STDERR_FILENO) == 1);
    gc->began = gc_clock();
    gc->next = gc->began + GC_SILENT;

    if (reg_cli_become(gc->root, 0) != 0) {
        return REG_CLI_FAILED;
    }

    gc->s = reg_cli_store_there(gc->root);

    return (gc->s != NULL) ? REG_CLI_OK : REG_CLI_FAILED;
}


static reg_cli_exit_e
gc_period(const reg_cli_t *c, const char *name, int64_t least,
    int64_t *seconds)
{
    uint64_t     n;
    reg_str_t    text;
    const char  *value;

    value = reg_cli_value(c, name);

    if (value == NULL) {
        return REG_CLI_OK;
    }

    text = reg_str_of(value);

    if (text.len > 1 && text.data[text.len - 1] == 's') {
        text.len--;

        if (reg_str_number(text, 1000000000, &n) == 0) {
            *seconds = (int64_t) n;

            if (*seconds >= least) {
                return REG_CLI_OK;
            }
        }

    } else if (reg_cli_period(text, seconds) == 0) {
        return REG_CLI_OK;
    }

    return reg_cli_fail(REG_CLI_USAGE, "--%s has to be a period such as 30s, "
                        "45m, 2h or 1d, of %ds at least, not \"%s\"", name,
                        (int) least, value);
}


static void
gc_tell(void *data, reg_gc_what_e what, const char *path, uint64_t size)
{
    gc_line(data, reg_gc_word(what), path, size, -1);
}


static void
gc_gone(void *data, const char *path, uint64_t size, int64_t idle)
{
    gc_line(data, "upload", path, size, idle);
}


/* Each is printed at once: there may be very many. */

static void
gc_line(gc_t *gc, const char *what, const char *path, uint64_t size,
    int64_t idle)
{
    reg_buf_t  b;

    if (gc->rc != REG_CLI_OK) {
        return;
    }

    gc_erase(gc);
    reg_buf_init(&b, GC_LINE);

    if (gc->json) {
        reg_buf_printf(&b, "%s{", (gc->told == 0) ? "{\"things\":[\n"
                                                  : ",\n");
        reg_cli_json(&b, "what", reg_str_of(what));
        reg_buf_str(&b, reg_str(","));
        reg_cli_json(&b, "path", reg_str_of(path));
        reg_buf_printf(&b, ",\"size\":%" PRIu64, size);

        if (idle >= 0) {
            reg_buf_printf(&b, ",\"idle\":%" PRId64, idle);
        }

        reg_buf_str(&b, reg_str("}"));

    } else {
        reg_buf_printf(&b, "%s ", what);
        reg_cli_plain(&b, reg_str_of(path));
        reg_buf_str(&b, reg_str("\n"));
    }

    gc->told++;
    gc->rc = reg_cli_print(&b);
    reg_buf_free(&b);
}


static void
gc_wait(void)
{
    struct timespec  ts;

    ts.tv_sec = 0;
    ts.tv_nsec = GC_WAIT * 1000000L;

    (void) nanosleep(&ts, NULL);
}


/* 1 when it is time to draw the progress. */

static int
gc_due(gc_t *gc)
{
    int64_t  now;

    if (!gc->terminal) {
        return 0;
    }

    now = gc_clock();

    if (now < gc->next) {
        return 0;
    }

    gc->next = now + GC_REDRAW;
    gc->drawn = 1;

    return 1;
}


static void
gc_erase(gc_t *gc)
{
    if (gc->drawn) {
        fprintf(stderr, "\r\033[K");
        (void) fflush(stderr);
        gc->drawn = 0;
    }
}


/* in ms, from anywhere on */

static int64_t
gc_clock(void)
{
    return reg_care_us() / 1000;
}


/* Ends the object that the lines began. */

static void
gc_counts(gc_t *gc, const gc_count_t *rows, size_t n)
{
    size_t     i;
    reg_buf_t  b;

    if (!gc->json) {
        return;
    }

    reg_buf_init(&b, GC_LINE);

    reg_buf_str(&b, (gc->told == 0) ? reg_str("{\"things\":[")
                                    : reg_str("\n"));
    reg_buf_str(&b, reg_str("],\n\"counts\":{"));

    for (i = 0; i < n; i++) {
        reg_buf_printf(&b, "%s\"%s\":%" PRIu64, (i == 0) ? "" : ",",
                       rows[i].name, rows[i].n);
    }

    reg_buf_str(&b, reg_str("}}\n"));

    gc->rc = reg_cli_print(&b);
    reg_buf_free(&b);
}


static reg_cli_exit_e
gc_failed(const gc_t *gc, reg_rc_t rc, const reg_error_t *e)
{
    if (rc == REG_ABSENT) {
        return reg_cli_fail(REG_CLI_FAILED, "%s: somebody else is at it, "
                            "nginx perhaps", gc->root);
    }

    return reg_cli_fail(REG_CLI_FAILED, "%s: %s%s%s%s%s: it ended early, and "
                        "can be called again", gc->root,
                        (e->call != NULL) ? e->call : "",
                        (e->path[0] != '\0') ? " " : "", e->path,
                        (e->call != NULL) ? ": " : "",
                        (e->sys != 0) ? strerror(e->sys)
                        : (e->detail[0] != '\0') ? e->detail
                        : reg_error_text(e->rc));
}
