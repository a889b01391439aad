
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_care.h"

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


/* more than that is no drift of a clock: this, and a part of what passed */
#define REG_CARE_DRIFT   (10 * REG_CARE_SECOND)
#define REG_CARE_PART    1000

/* within a run */
#define REG_CARE_BACK    (REG_CARE_SECOND / 2)

/* jumps are added up as long as the one before may matter */
#define REG_CARE_MATTERS (90 * 86400 * REG_CARE_SECOND)

#define REG_CARE_BOOT    36
#define REG_CARE_LINE    160


static int64_t reg_care_steady(void);
static reg_rc_t reg_care_open(reg_care_t *c, reg_error_t *e);
static int reg_care_probe(reg_care_t *c);
static void reg_care_recall(reg_care_t *c, const char *boot);
static void reg_care_note(reg_care_t *c, const char *boot);
static void reg_care_boot(char *boot);


reg_rc_t
reg_care_begin(reg_care_t *c, reg_store_t *s, const char *path,
    reg_error_t *e)
{
    int       err;
    char      boot[REG_CARE_BOOT + 1];
    reg_rc_t  rc;

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

    if (reg_care_probe(c) == -1) {
        err = errno;
        reg_care_end(c);

        return reg_error_sys(e, err, "futimens", path);
    }

    c->offset = c->now - c->steady();

    reg_care_boot(boot);
    reg_care_recall(c, boot);
    reg_care_note(c, boot);

    return REG_OK;
}


static int64_t
reg_care_steady(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_BOOTTIME, &ts);

    return (int64_t) ts.tv_sec * REG_CARE_SECOND + ts.tv_nsec;
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
    int          dir, err;
    reg_fs_t    *fs;
    struct stat  st;

    fs = reg_fs_of(c->s);
    dir = reg_fs_own(fs, REG_LAYOUT_OWN);

    if (dir == -1) {
        return reg_error_sys(e, errno, "open", REG_LAYOUT_OWN);
    }

    (void) close(dir);

    c->fd = reg_fs_open(fs, fs->root, c->path, O_RDWR|O_CREAT);

    if (c->fd == -1) {
        return reg_error_sys(e, errno, "open", c->path);
    }

    /* it is written to, and given away: it must not be another file, too */

    if (fstat(c->fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_nlink > 1) {
        reg_care_end(c);
        return reg_error_sys(e, EMLINK, "open", c->path);
    }

    reg_fs_give(fs, c->fd);

    if (flock(c->fd, LOCK_EX|LOCK_NB) == 0) {
        return REG_OK;
    }

    err = errno;
    reg_care_end(c);

    return (err == EWOULDBLOCK) ? REG_ABSENT
                                : reg_error_sys(e, err, "flock", c->path);
}


/* What the file system says that it is, if we change something now. */

static int
reg_care_probe(reg_care_t *c)
{
    struct stat  st;

    if (futimens(c->fd, NULL) == -1 || fstat(c->fd, &st) == -1) {
        return -1;
    }

    c->now = (int64_t) st.st_mtim.tv_sec * REG_CARE_SECOND
             + st.st_mtim.tv_nsec;

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
        before -= c->jump;
    }

    return before;
}


/* What is not readable says nothing. */

static void
reg_care_recall(reg_care_t *c, const char *boot)
{
    char     line[REG_CARE_LINE + 1], was[REG_CARE_BOOT + 1];
    ssize_t  n;
    int64_t  offset, at, jumped, jump, passed, now;

    n = reg_fs_pread(c->fd, line, REG_CARE_LINE, 0);

    if (n <= 0) {
        return;
    }

    line[n] = '\0';

    if (sscanf(line, "%36s %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 ".",
               was, &offset, &at, &jumped, &jump)
        != 5
        || strcmp(was, boot) != 0)
    {
        return;
    }

    now = c->now - c->offset;
    passed = (now > at) ? now - at : 0;

    if (jump < 0) {
        return;
    }

    if (now - jumped < REG_CARE_MATTERS) {
        c->jump = jump;
        c->jumped = jumped;
    }

    if (c->offset - offset > REG_CARE_DRIFT + passed / REG_CARE_PART) {
        c->jump += c->offset - offset;
        c->jumped = now;
    }
}


/* Whoever is killed here leaves a line that is not readable, or the old. */

static void
reg_care_note(reg_care_t *c, const char *boot)
{
    int   n;
    char  line[REG_CARE_LINE + 1];

    n = snprintf(line, sizeof(line), "%s %" PRId64 " %" PRId64 " %" PRId64
                 " %" PRId64 ".\n", boot, c->offset, c->now - c->offset,
                 c->jumped, c->jump);

    if (n > 0 && n < (int) sizeof(line)
        && reg_fs_pwrite(c->fd, line, (size_t) n, 0) == 0)
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
