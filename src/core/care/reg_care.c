
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_care.h"

#include "reg_fs.h"
#include "reg_time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


/* more than that is no drift of a clock: this, and a part of what passed */
#define REG_CARE_DRIFT   (10 * REG_TIME_SECOND)
#define REG_CARE_PART    1000

/* within a run */
#define REG_CARE_BACK    (REG_TIME_SECOND / 2)

/* jumps are added up as long as the one before may matter */
#define REG_CARE_MATTERS (90 * 86400 * REG_TIME_SECOND)

/* both lines */
#define REG_CARE_LINES   320

/* no time, and no difference of two, is beyond that in ns: 70 years */
#define REG_CARE_RANGE   (INT64_C(1) << 61)


static int64_t reg_care_steady(void);
static reg_rc_t reg_care_open(reg_care_t *c, reg_error_t *e);
static int reg_care_probe(reg_care_t *c);
static void reg_care_recall(reg_care_t *c, const struct stat *st);
static void reg_care_jumps(reg_care_t *c, const char *line);
static void reg_care_read(int fd, char *line, const struct stat *st,
    reg_care_last_t *last);
static int reg_care_within(int64_t n);
static void reg_care_note(reg_care_t *c);
static void reg_care_boot(char *boot);


reg_rc_t
reg_care_begin(reg_care_t *c, reg_store_t *s, const char *path,
    reg_error_t *e)
{
    int          err;
    reg_rc_t     rc;
    struct stat  st;

    c->s = s;
    c->path = path;
    c->fd = -1;
    c->jump = 0;
    c->jumped = 0;

    if (c->steady == NULL) {
        c->steady = reg_care_steady;
    }

    rc = reg_care_open(c, e);

    if (rc != REG_OK) {
        return rc;
    }

    /* the probe renews the time that it changed, which may say when that was */

    if (fstat(c->fd, &st) == -1 || reg_care_probe(c) == -1) {
        err = errno;
        reg_care_end(c);

        return reg_error_sys(e, err, "futimens", path);
    }

    c->offset = c->now - c->steady();

    reg_care_boot(c->boot);
    reg_care_recall(c, &st);

    if (!c->dry) {
        c->last.began = c->now;
        c->last.unfinished += (c->last.unfinished < UINT_MAX);
    }

    reg_care_note(c);

    return REG_OK;
}


void
reg_care_done(reg_care_t *c)
{
    if (c->dry || c->fd == -1 || reg_care_probe(c) == -1) {
        return;
    }

    c->last.done = c->now;
    c->last.unfinished = 0;

    reg_care_note(c);
}


static int64_t
reg_care_steady(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_BOOTTIME, &ts);

    return reg_time_ns(&ts);
}


int64_t
reg_care_us(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static reg_rc_t
reg_care_open(reg_care_t *c, reg_error_t *e)
{
    int       err;
    reg_rc_t  rc;

    rc = reg_care_file(c->s, c->path, &c->fd, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (flock(c->fd, LOCK_EX|LOCK_NB) == 0) {
        return REG_OK;
    }

    err = errno;
    reg_care_end(c);

    return (err == EWOULDBLOCK) ? REG_ABSENT
                                : reg_error_sys(e, err, "flock", c->path);
}


reg_rc_t
reg_care_file(reg_store_t *s, const char *path, int *fd, reg_error_t *e)
{
    int          dir;
    reg_fs_t    *fs;
    struct stat  st;

    *fd = -1;
    fs = reg_fs_of(s);
    dir = reg_fs_own(fs, REG_LAYOUT_OWN);

    if (dir == -1) {
        return reg_error_sys(e, errno, "open", REG_LAYOUT_OWN);
    }

    (void) close(dir);

    *fd = reg_fs_open(fs, fs->root, path, O_RDWR|O_CREAT);

    if (*fd == -1) {
        return reg_error_sys(e, errno, "open", path);
    }

    if (fstat(*fd, &st) == -1 || !S_ISREG(st.st_mode)
        || !reg_fs_ours(fs, &st))
    {
        (void) close(*fd);
        *fd = -1;

        return reg_error_sys(e, EMLINK, "open", path);
    }

    reg_fs_give(fs, *fd);

    return REG_OK;
}


/* What the file system says that it is, if we change something now. */

static int
reg_care_probe(reg_care_t *c)
{
    struct stat  st;

    if (futimens(c->fd, NULL) == -1 || fstat(c->fd, &st) == -1) {
        return -1;
    }

    c->now = reg_time_ns(&st.st_mtim);

    return 0;
}


reg_rc_t
reg_care_look(reg_care_t *c, reg_error_t *e)
{
    if (reg_care_probe(c) == -1) {
        return reg_error_sys(e, errno, "futimens", c->path);
    }

    if (c->now - c->steady() < c->offset - REG_CARE_BACK) {
        return reg_error_set(e, REG_INTERNAL, "the clock was set back");
    }

    return REG_OK;
}


int64_t
reg_care_before(const reg_care_t *c, int64_t age)
{
    int64_t  before;

    before = c->now - age;

    if (c->jump > 0 && c->now - c->offset - c->jumped <= age) {
        before = (before < INT64_MIN + c->jump) ? INT64_MIN
                                                : before - c->jump;
    }

    return before;
}


/* What is not readable says nothing. */

static void
reg_care_recall(reg_care_t *c, const struct stat *st)
{
    char  lines[REG_CARE_LINES + 1];

    reg_care_read(c->fd, lines, st, &c->last);
    reg_care_jumps(c, lines);
}


static void
reg_care_jumps(reg_care_t *c, const char *line)
{
    char     was[REG_CARE_BOOT + 1];
    int64_t  offset, at, jumped, jump, passed, now;

    if (sscanf(line, "%36s %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 ".",
               was, &offset, &at, &jumped, &jump)
        != 5
        || strcmp(was, c->boot) != 0
        || !reg_care_within(offset) || !reg_care_within(at)
        || !reg_care_within(jumped) || !reg_care_within(jump) || jump < 0)
    {
        return;
    }

    now = c->now - c->offset;
    passed = (now > at) ? now - at : 0;

    if (now - jumped < REG_CARE_MATTERS) {
        c->jump = jump;
        c->jumped = jumped;
    }

    if (c->offset - offset > REG_CARE_DRIFT + passed / REG_CARE_PART) {
        c->jump += c->offset - offset;
        c->jumped = now;
    }
}


/* lines becomes what is in the file. */

static void
reg_care_read(int fd, char *lines, const struct stat *st,
    reg_care_last_t *last)
{
    char     *line;
    ssize_t   n;
    int64_t   began, done, changed;
    unsigned  unfinished;

    memset(last, 0, sizeof(*last));

    n = reg_fs_pread(fd, lines, REG_CARE_LINES, 0);
    lines[(n > 0) ? n : 0] = '\0';

    if (n == 0) {
        return;
    }

    changed = reg_time_ns(&st->st_mtim);

    line = strchr(lines, '\n');

    if (line != NULL
        && sscanf(line + 1, "began %" SCNd64 " done %" SCNd64
                  " unfinished %u.", &began, &done, &unfinished)
           == 3
        && reg_care_within(began) && reg_care_within(done))
    {
        last->began = (began < changed) ? began : changed;
        last->done = (done < changed) ? done : changed;
        last->unfinished = unfinished;

    } else {
        last->began = changed;
        last->done = changed;
        last->unfinished = 0;
    }
}


static int
reg_care_within(int64_t n)
{
    return n > -REG_CARE_RANGE && n < REG_CARE_RANGE;
}


reg_rc_t
reg_care_last(reg_store_t *s, const char *path, reg_care_last_t *last,
    reg_error_t *e)
{
    int          fd, err;
    char         lines[REG_CARE_LINES + 1];
    reg_fs_t    *fs;
    struct stat  st;

    fs = reg_fs_of(s);
    fd = reg_fs_open(fs, fs->root, path, O_RDONLY);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    err = 0;

    if (fstat(fd, &st) == -1) {
        err = errno;

    } else {
        reg_care_read(fd, lines, &st, last);
    }

    (void) close(fd);

    return (err == 0) ? REG_OK : reg_error_sys(e, err, "fstat", path);
}


/* Whoever is killed here leaves lines that are not readable, or the old. */

static void
reg_care_note(reg_care_t *c)
{
    int   n;
    char  lines[REG_CARE_LINES + 1];

    n = snprintf(lines, sizeof(lines), "%s %" PRId64 " %" PRId64 " %" PRId64
                 " %" PRId64 ".\nbegan %" PRId64 " done %" PRId64
                 " unfinished %u.\n", c->boot, c->offset, c->now - c->offset,
                 c->jumped, c->jump, c->last.began, c->last.done,
                 c->last.unfinished);

    if (n > 0 && n < (int) sizeof(lines)
        && reg_fs_pwrite(c->fd, lines, (size_t) n, 0) == 0)
    {
        (void) !ftruncate(c->fd, n);
    }
}


static void
reg_care_boot(char *boot)
{
    int      fd;
    ssize_t  n;

    n = 0;
    fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY|O_CLOEXEC);

    if (fd != -1) {
        n = reg_fs_pread(fd, boot, REG_CARE_BOOT, 0);
        (void) close(fd);
    }

    if (n != REG_CARE_BOOT) {
        memcpy(boot, "-", sizeof("-"));
        return;
    }

    boot[n] = '\0';
}


void
reg_care_end(reg_care_t *c)
{
    if (c->fd != -1) {
        (void) close(c->fd);
        c->fd = -1;
    }
}
