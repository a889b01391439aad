
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_cli_store.h"
#include "reg_cli_text.h"
#include "reg_done.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>


/* so much is collected before it is written to a pipe */
#define REG_CLI_ROWS    65536

/* the progress is drawn after so many ms, and so often */
#define REG_CLI_SILENT  1000
#define REG_CLI_REDRAW  200


static void reg_cli_reads(void);
static int64_t reg_cli_clock(void);
static reg_cli_exit_e reg_cli_rows_flush(reg_cli_rows_t *rows);


reg_store_t *
reg_cli_store(const char *root)
{
    reg_error_t   e;
    reg_store_t  *s;

    reg_error_clear(&e);

    if (reg_store_open(&s, root, &e) != REG_OK) {
        (void) reg_cli_error(root, &e);
        return NULL;
    }

    return s;
}


reg_store_t *
reg_cli_store_there(const char *root)
{
    int           there;
    char          path[PATH_MAX];
    reg_rc_t      rc;
    reg_stat_t    st;
    reg_error_t   e;
    reg_store_t  *s;

    s = reg_cli_store(root);

    if (s == NULL) {
        return NULL;
    }

    reg_error_clear(&e);

    rc = s->driver->stat(s, REG_LAYOUT_V2, &st, &e);
    there = 0;

    if (rc == REG_ABSENT) {
        (void) snprintf(path, sizeof(path), "%s/" REG_LAYOUT_V2, root);
        there = (access(path, F_OK) == 0);

        /* the first push may have made it a moment ago */

        if (there) {
            rc = s->driver->stat(s, REG_LAYOUT_V2, &st, &e);
        }
    }

    if (rc == REG_OK) {
        return s;
    }

    reg_store_close(s);

    if (rc == REG_ABSENT && there) {
        (void) reg_cli_fail(REG_CLI_FAILED, "%s: a symbolic link stands above "
                            "its " REG_LAYOUT_V2 ", or is it, and none is "
                            "followed", root);

    } else if (rc == REG_ABSENT) {
        (void) reg_cli_fail(REG_CLI_FAILED, "%s: there is no registry's "
                            "store: " REG_LAYOUT_V2 ", which the first push "
                            "makes, is missing", root);

    } else {
        (void) reg_cli_error(root, &e);
    }

    return NULL;
}


int
reg_cli_become(const char *root, int reads)
{
    char            path[PATH_MAX];
    struct stat     st;
    struct passwd  *pw;

    if (geteuid() != 0) {
        return 0;
    }

    if ((size_t) snprintf(path, sizeof(path), "%s/" REG_LAYOUT_REPOS, root)
        >= sizeof(path))
    {
        errno = ENAMETOOLONG;
        (void) reg_cli_fail(REG_CLI_FAILED, "%s: %s", root, strerror(errno));
        return -1;
    }

    if (stat(path, &st) == -1 && stat(root, &st) == -1) {
        (void) reg_cli_fail(REG_CLI_FAILED, "%s: %s", root, strerror(errno));
        return -1;
    }

    if (st.st_uid == 0) {
        return 0;
    }

    if (reads) {
        (void) prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    }

    pw = getpwuid(st.st_uid);

    if ((pw != NULL ? initgroups(pw->pw_name, st.st_gid)
                    : setgroups(0, NULL)) == -1
        || setgid(st.st_gid) == -1 || setuid(st.st_uid) == -1)
    {
        (void) reg_cli_fail(REG_CLI_FAILED, "cannot become user %lu, who owns "
                            "%s: %s", (unsigned long) st.st_uid, root,
                            strerror(errno));
        return -1;
    }

    if (reads) {
        reg_cli_reads();
    }

    return 0;
}


/* Keeps of all that root may the reading alone; whoever has not even that finds
   out when it reads. */

static void
reg_cli_reads(void)
{
    struct __user_cap_data_struct    data[2];
    struct __user_cap_header_struct  head;

    memset(&head, 0, sizeof(head));
    memset(data, 0, sizeof(data));

    head.version = _LINUX_CAPABILITY_VERSION_3;

    data[0].permitted = 1u << CAP_DAC_READ_SEARCH;
    data[0].effective = 1u << CAP_DAC_READ_SEARCH;

    if (syscall(SYS_capset, &head, data) == -1) {
        memset(data, 0, sizeof(data));
        (void) syscall(SYS_capset, &head, data);
    }
}


reg_cli_exit_e
reg_cli_error(const char *root, const reg_error_t *e)
{
    return reg_cli_fail(REG_CLI_FAILED, "%s: %s%s%s%s%s", root,
                        (e->call != NULL) ? e->call : "",
                        (e->call != NULL && e->path[0] != '\0') ? " " : "",
                        e->path,
                        (e->call != NULL || e->path[0] != '\0') ? ": " : "",
                        (e->sys != 0) ? strerror(e->sys)
                        : (e->detail[0] != '\0') ? e->detail
                        : reg_error_text((e->rc == REG_OK) ? REG_INTERNAL
                                                           : e->rc));
}


void
reg_cli_done(reg_store_t *s, const char *root, const char *job, int64_t took,
    uint64_t problems)
{
    mode_t       mask;
    reg_rc_t     rc;
    reg_stat_t   st;
    reg_done_t   d;
    reg_error_t  e;

    memset(&d, 0, sizeof(d));
    reg_error_clear(&e);

    d.time = (int64_t) time(NULL);
    d.took = (took > 0) ? (uint64_t) took : 0;
    d.problems = problems;

    /* whoever makes the folder has to be its owner for good */

    rc = s->driver->stat(s, REG_LAYOUT_OWN "/tmp", &st, &e);

    if (rc == REG_ABSENT) {
        return;
    }

    if (rc == REG_OK) {

        /* the worker user is another one, and has to read it */

        mask = umask(022);
        rc = reg_done_write(s, job, &d, &e);
        (void) umask(mask);
    }

    if (rc != REG_OK) {
        reg_cli_say("%s: nginx's metrics will not tell of this, because it "
                    "could not be noted: %s %s: %s", root,
                    (e.call != NULL) ? e.call : "storage call", e.path,
                    (e.sys != 0) ? strerror(e.sys) : reg_error_text(rc));
    }
}


/* --- rows ---------------------------------------------------------------- */

void
reg_cli_rows_begin(reg_cli_rows_t *rows, const reg_cli_t *c,
    const char *heading, const char *member)
{
    memset(rows, 0, sizeof(reg_cli_rows_t));
    reg_buf_init(&rows->b, SIZE_MAX / 4);

    rows->rc = REG_CLI_OK;
    rows->json = (reg_cli_value(c, "json") != NULL);
    rows->terminal = (!rows->json && isatty(STDOUT_FILENO) == 1);
    rows->heading = heading;

    if (rows->json) {
        reg_buf_printf(&rows->b, "{\"%s\":[", member);

    } else if (rows->terminal) {
        reg_buf_printf(&rows->b, "%s\n", heading);
    }
}


void
reg_cli_row_begin(reg_cli_rows_t *rows)
{
    if (rows->json) {
        reg_buf_str(&rows->b, (rows->n == 0) ? reg_str("\n") : reg_str(",\n"));
    }

    rows->n++;
}


reg_rc_t
reg_cli_row_end(reg_cli_rows_t *rows)
{
    if (!rows->json) {
        reg_buf_str(&rows->b, reg_str("\n"));
    }

    if (!rows->terminal && rows->b.len >= REG_CLI_ROWS) {
        rows->rc = reg_cli_rows_flush(rows);
    }

    return (rows->rc == REG_CLI_OK && !reg_buf_failed(&rows->b))
           ? REG_OK : REG_NO_MEMORY;
}


void
reg_cli_row_part(reg_cli_rows_t *rows, reg_str_t repository, const char *what,
    const char *why)
{
    if (!rows->json) {
        return;
    }

    /* none is written out before the copy has come to its end */

    reg_cli_row_begin(rows);
    reg_buf_str(&rows->b, reg_str("{"));
    reg_cli_member(&rows->b, "repository", repository);
    reg_buf_str(&rows->b, reg_str(","));
    reg_cli_member(&rows->b, "what", reg_str_of(what));
    reg_buf_str(&rows->b, reg_str(","));
    reg_cli_member(&rows->b, "text", reg_str_of(why));
    reg_buf_str(&rows->b, reg_str("}"));
}


static reg_cli_exit_e
reg_cli_rows_flush(reg_cli_rows_t *rows)
{
    reg_cli_exit_e  rc;

    rc = reg_cli_print(&rows->b);

    if (rc == REG_CLI_OK) {
        reg_buf_reset(&rows->b);
    }

    return rc;
}


reg_cli_exit_e
reg_cli_rows_end(reg_cli_rows_t *rows, const char *more)
{
    if (rows->json) {
        reg_buf_printf(&rows->b, "%s]%s}\n", (rows->n == 0) ? "" : "\n",
                       (more != NULL) ? more : "");
    }

    if (rows->rc == REG_CLI_OK) {
        rows->rc = rows->terminal ? reg_cli_table(&rows->b)
                                  : reg_cli_rows_flush(rows);
    }

    reg_buf_free(&rows->b);

    return rows->rc;
}


/* --- progress ------------------------------------------------------------ */

/* in ms, from anywhere on */

static int64_t
reg_cli_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


int
reg_cli_progress_due(reg_cli_progress_t *p)
{
    int64_t  now;

    if (!p->begun) {
        p->begun = 1;
        p->terminal = (isatty(STDERR_FILENO) == 1);
        p->next = p->terminal ? reg_cli_clock() + REG_CLI_SILENT : 0;
    }

    if (!p->terminal || p->calls++ % 16 != 0) {
        return 0;
    }

    now = reg_cli_clock();

    if (now < p->next) {
        return 0;
    }

    p->next = now + REG_CLI_REDRAW;

    return 1;
}


void
reg_cli_progress(reg_cli_progress_t *p, const char *fmt, ...)
{
    va_list  args;

    p->drawn = 1;

    fprintf(stderr, "\r\033[K");

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    (void) fflush(stderr);
}


void
reg_cli_progress_end(reg_cli_progress_t *p)
{
    if (p->drawn) {
        fprintf(stderr, "\r\033[K");
        (void) fflush(stderr);
        p->drawn = 0;
    }
}
