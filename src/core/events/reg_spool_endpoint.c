
/*
 * How far an endpoint has come, as text:
 *
 *     registry endpoint 1 CURSOR DELIVERED LOST FAILURES SINCE RETRY STATUS
 *     ERROR
 *     sum sha256:...                     of the lines before
 *
 * The record has always the same length, blanks behind it, and is written over
 * the one before in a single call: who is killed leaves one of them.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_spool_private.h"

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>


#define REG_SPOOL_NUMBERS     7

/* a reader beside a writer may see some of both */
#define REG_SPOOL_READS       5
#define REG_SPOOL_READ_PAUSE  2000000

/* "endpoints/", the name, and ".lock" or ".from" */
#define REG_SPOOL_NAMED                                                       \
    (sizeof(REG_SPOOL_ENDPOINTS "/") + REG_SPOOL_NAME_MAX + sizeof(".lock"))


typedef struct {
    reg_list_pt  fn;
    void        *ctx;
} reg_spool_names_t;


static reg_rc_t reg_spool_named(char *path, const char *name,
    const char *tail, reg_error_t *e);
static reg_rc_t reg_spool_endpoint_none(reg_spool_t *sp,
    reg_spool_reader_t *r, int64_t now, uint64_t *cursor, reg_error_t *e);
static reg_rc_t reg_spool_endpoint_settle(reg_spool_t *sp, int64_t now,
    reg_error_t *e);
static reg_rc_t reg_spool_endpoints_one(void *ctx, reg_str_t name, int dir);


int
reg_spool_name_valid(reg_str_t name)
{
    char    c;
    size_t  i;

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '_' || c == '-'))
        {
            return 0;
        }
    }

    return name.len != 0 && name.len <= REG_SPOOL_NAME_MAX;
}


static reg_rc_t
reg_spool_named(char *path, const char *name, const char *tail,
    reg_error_t *e)
{
    if (!reg_spool_name_valid(reg_str_of(name))) {
        return reg_error_set(e, REG_INTERNAL, "not an endpoint's name");
    }

    (void) snprintf(path, REG_SPOOL_NAMED, REG_SPOOL_ENDPOINTS "/%s%s", name,
                    tail);

    return REG_OK;
}


/* --- how far it is ------------------------------------------------------- */

reg_rc_t
reg_spool_endpoint_load(reg_store_t *s, const char *name,
    reg_spool_endpoint_t *ep, reg_error_t *e)
{
    int              fd, tries, err;
    char             path[REG_SPOOL_NAMED], text[REG_SPOOL_SAVED + 1];
    ssize_t          n;
    reg_fs_t        *fs;
    reg_rc_t         rc;
    struct timespec  pause;

    rc = reg_spool_named(path, name, "", e);

    if (rc != REG_OK) {
        return rc;
    }

    fs = reg_fs_of(s);
    fd = reg_fs_open(fs, fs->root, path, O_RDONLY);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    for (tries = 0; tries < REG_SPOOL_READS; tries++) {
        n = reg_fs_pread(fd, text, REG_SPOOL_SAVED, 0);

        if (n == -1) {
            err = errno;
            (void) close(fd);

            return reg_error_sys(e, err, "read", path);
        }

        if (reg_spool_endpoint_parse(ep, text, (size_t) n) == 0) {
            (void) close(fd);
            return REG_OK;
        }

        pause.tv_sec = 0;
        pause.tv_nsec = REG_SPOOL_READ_PAUSE;

        (void) nanosleep(&pause, NULL);
    }

    (void) close(fd);

    /* nobody knows: once more is better than not at all */

    memset(ep, 0, sizeof(reg_spool_endpoint_t));

    return REG_OK;
}


reg_rc_t
reg_spool_endpoint_begin(reg_spool_t *sp, reg_spool_reader_t *r,
    const char *name, size_t n, int64_t now, uint64_t *cursor, reg_error_t *e)
{
    size_t              i;
    reg_rc_t            rc;
    reg_spool_record_t  rec;

    for (i = 0; i < n; i++) {
        rc = reg_spool_next(r, &rec, e);

        if (rc == REG_ABSENT) {
            return (*cursor != 0)
                   ? REG_OK : reg_spool_endpoint_none(sp, r, now, cursor, e);
        }

        if (rc != REG_OK) {
            return rc;
        }

        if (rec.to.len != 0 && reg_spool_for(rec.to, reg_str_of(name))) {
            *cursor = rec.seq - 1;
            return REG_OK;
        }

        *cursor = rec.seq;
    }

    return REG_ABSENT;
}


/*
 * There is no event.  0 is before all there ever will be, and nobody could tell
 * what went: the number is taken that comes before the next one.  What was
 * appended meanwhile is looked at, so from the beginning once more.
 */

static reg_rc_t
reg_spool_endpoint_none(reg_spool_t *sp, reg_spool_reader_t *r, int64_t now,
    uint64_t *cursor, reg_error_t *e)
{
    reg_rc_t  rc;

    rc = reg_spool_endpoint_settle(sp, now, e);

    if (rc == REG_OK) {
        rc = reg_spool_seek(r, REG_SPOOL_END, cursor, e);
    }

    if (rc == REG_OK) {
        rc = reg_spool_seek(r, 0, NULL, e);
    }

    if (rc != REG_OK) {
        return rc;
    }

    return (*cursor == 0) ? REG_OK : REG_ABSENT;
}


/* Makes the first segment, whose name is the number that comes next. */

static reg_rc_t
reg_spool_endpoint_settle(reg_spool_t *sp, int64_t now, reg_error_t *e)
{
    reg_rc_t  rc;

    (void) pthread_mutex_lock(&sp->write);

    rc = reg_spool_take(sp, e);

    if (rc == REG_OK) {
        rc = reg_spool_tail_ready(sp, 0, now, e);
        reg_spool_let_go(sp);
    }

    (void) pthread_mutex_unlock(&sp->write);

    return rc;
}


int
reg_spool_endpoint_parse(reg_spool_endpoint_t *ep, char *text, size_t len)
{
    char          *sum, *line, *word, *rest;
    size_t         i;
    uint64_t       n[REG_SPOOL_NUMBERS];
    reg_digest_t   d;

    static const char  title[] = "registry endpoint 1 ";

    text[len] = '\0';
    sum = strstr(text, "\nsum sha256:");
    line = strchr(text, '\n');

    if (sum == NULL || line == NULL || line == sum
        || strncmp(text, title, sizeof(title) - 1) != 0)
    {
        return -1;
    }

    sum++;
    reg_digest_of(&d, REG_SHA256, text, (size_t) (sum - text));

    if (strncmp(sum + 4, d.text, d.len) != 0 || sum[4 + d.len] != '\n') {
        return -1;
    }

    *line++ = '\0';
    rest = text + sizeof(title) - 1;

    for (i = 0; i < REG_SPOOL_NUMBERS; i++) {
        word = strsep(&rest, " ");

        if (word == NULL
            || reg_str_number(reg_str_of(word), UINT64_MAX, &n[i]) != 0)
        {
            return -1;
        }
    }

    if (rest != NULL || n[4] > INT64_MAX || n[5] > INT64_MAX || n[6] > 999
        || sum - 1 < line || sum - 1 - line >= REG_SPOOL_ERROR_MAX)
    {
        return -1;
    }

    ep->cursor = n[0];
    ep->delivered = n[1];
    ep->lost = n[2];
    ep->failures = n[3];
    ep->since = (int64_t) n[4];
    ep->retry = (int64_t) n[5];
    ep->status = (unsigned) n[6];

    memcpy(ep->error, line, (size_t) (sum - 1 - line));
    ep->error[sum - 1 - line] = '\0';

    return 0;
}


size_t
reg_spool_endpoint_print(const reg_spool_endpoint_t *ep, char *text)
{
    int           n, len;
    char         *p;
    reg_digest_t  d;

    len = snprintf(text, REG_SPOOL_SAVED + 1, "registry endpoint 1 "
                   "%llu %llu %llu %llu %lld %lld %u\n",
                   (unsigned long long) ep->cursor,
                   (unsigned long long) ep->delivered,
                   (unsigned long long) ep->lost,
                   (unsigned long long) ep->failures,
                   (long long) ((ep->since < 0) ? 0 : ep->since),
                   (long long) ((ep->retry < 0) ? 0 : ep->retry),
                   (ep->status > 999) ? 0 : ep->status);

    n = snprintf(text + len, REG_SPOOL_ERROR_MAX, "%s", ep->error);

    if (n >= REG_SPOOL_ERROR_MAX) {
        n = REG_SPOOL_ERROR_MAX - 1;
    }

    /* one line, whatever somebody else made of it */

    for (p = text + len; p < text + len + n; p++) {
        if ((unsigned char) *p < ' ' || *p == '\x7f') {
            *p = '?';
        }
    }

    len += n;
    text[len++] = '\n';

    reg_digest_of(&d, REG_SHA256, text, (size_t) len);

    n = snprintf(text + len, (size_t) (REG_SPOOL_SAVED + 1 - len),
                 "sum %s\n", d.text);

    len += n;
    memset(text + len, ' ', (size_t) (REG_SPOOL_SAVED - len));
    text[REG_SPOOL_SAVED - 1] = '\n';

    return REG_SPOOL_SAVED;
}


reg_rc_t
reg_spool_endpoint_save(reg_store_t *s, const char *name,
    const reg_spool_endpoint_t *ep, reg_error_t *e)
{
    int         fd, rc, err;
    char        path[REG_SPOOL_NAMED], text[REG_SPOOL_SAVED + 1];
    reg_fs_t   *fs;
    reg_rc_t    named;
    reg_str_t   data;

    named = reg_spool_named(path, name, "", e);

    if (named != REG_OK) {
        return named;
    }

    data.data = text;
    data.len = reg_spool_endpoint_print(ep, text);

    fs = reg_fs_of(s);
    fd = reg_fs_open(fs, fs->root, path, O_WRONLY);

    if (fd == -1) {

        if (errno != ENOENT) {
            return reg_error_sys(e, errno, "open", path);
        }

        return s->driver->write(s, path, data, 1, e);
    }

    rc = reg_fs_pwrite(fd, data.data, data.len, 0);
    err = errno;

    (void) close(fd);

    return (rc == 0) ? REG_OK : reg_error_sys(e, err, "write", path);
}


reg_rc_t
reg_spool_endpoint_sync(reg_store_t *s, const char *name, reg_error_t *e)
{
    int        fd, rc, err;
    char       path[REG_SPOOL_NAMED];
    reg_fs_t  *fs;
    reg_rc_t   named;

    named = reg_spool_named(path, name, "", e);

    if (named != REG_OK) {
        return named;
    }

    fs = reg_fs_of(s);
    fd = reg_fs_open(fs, fs->root, path, O_RDONLY);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    rc = reg_fs_sync_data(fs, fd);
    err = errno;

    (void) close(fd);

    return (rc == 0) ? REG_OK : reg_error_sys(e, err, "fdatasync", path);
}


reg_rc_t
reg_spool_endpoint_lock(reg_store_t *s, const char *name, int *fd,
    reg_error_t *e)
{
    int        dir, err;
    char       path[REG_SPOOL_NAMED];
    reg_fs_t  *fs;
    reg_rc_t   rc;

    rc = reg_spool_named(path, name, ".lock", e);

    if (rc != REG_OK) {
        return rc;
    }

    fs = reg_fs_of(s);
    dir = reg_fs_own(fs, REG_SPOOL_ENDPOINTS);

    if (dir == -1) {
        return reg_error_sys(e, errno, "open", REG_SPOOL_ENDPOINTS);
    }

    *fd = reg_fs_open(fs, dir, reg_fs_base(path), O_RDWR|O_CREAT);
    err = errno;

    (void) close(dir);

    if (*fd == -1) {
        return reg_error_sys(e, err, "open", path);
    }

    reg_fs_give(fs, *fd);

    if (flock(*fd, LOCK_EX|LOCK_NB) == 0) {
        return REG_OK;
    }

    err = errno;
    (void) close(*fd);
    *fd = -1;

    return (err == EWOULDBLOCK) ? REG_ABSENT
                                : reg_error_sys(e, err, "flock", path);
}


reg_rc_t
reg_spool_endpoints(reg_store_t *s, reg_list_pt fn, void *ctx, reg_error_t *e)
{
    reg_rc_t           rc;
    reg_spool_names_t  names;

    names.fn = fn;
    names.ctx = ctx;

    rc = s->driver->list(s, REG_SPOOL_ENDPOINTS, reg_spool_endpoints_one,
                         &names, e);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


/* Those with a tail behind their name have a dot, which no name has. */

static reg_rc_t
reg_spool_endpoints_one(void *ctx, reg_str_t name, int dir)
{
    reg_spool_names_t  *names;

    names = ctx;

    return (!dir && reg_spool_name_valid(name))
           ? names->fn(names->ctx, name, dir) : REG_OK;
}


/* --- once more ----------------------------------------------------------- */

reg_rc_t
reg_spool_replay(reg_store_t *s, const char *name, uint64_t after,
    reg_error_t *e)
{
    char       path[REG_SPOOL_NAMED], text[32];
    reg_rc_t   rc;
    reg_str_t  data;

    rc = reg_spool_named(path, name, ".from", e);

    if (rc != REG_OK) {
        return rc;
    }

    data.data = text;
    data.len = (size_t) snprintf(text, sizeof(text), "%llu\n",
                                 (unsigned long long) after);

    return s->driver->write(s, path, data, 1, e);
}


reg_rc_t
reg_spool_replay_asked(reg_store_t *s, const char *name, uint64_t *after,
    reg_error_t *e)
{
    char       path[REG_SPOOL_NAMED];
    reg_rc_t   rc;
    reg_buf_t  b;
    reg_str_t  text;

    rc = reg_spool_named(path, name, ".from", e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_buf_init(&b, 64);

    rc = s->driver->read(s, path, 32, &b, e);
    text = reg_buf_slice(&b);

    if (rc == REG_OK) {

        /* what is no number asks for nothing */

        if (!reg_str_ends(text, reg_str("\n"))) {
            rc = REG_ABSENT;

        } else {
            text.len--;
            rc = (reg_str_number(text, UINT64_MAX, after) == 0)
                 ? REG_OK : REG_ABSENT;
        }
    }

    reg_buf_free(&b);

    return rc;
}


reg_rc_t
reg_spool_replay_done(reg_store_t *s, const char *name, uint64_t after,
    reg_error_t *e)
{
    char      path[REG_SPOOL_NAMED];
    reg_rc_t  rc;
    uint64_t  now;

    rc = reg_spool_replay_asked(s, name, &now, e);

    if (rc != REG_OK || now != after) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    (void) reg_spool_named(path, name, ".from", NULL);

    rc = s->driver->remove(s, path, REG_SPOOL_ENDPOINTS, NULL, e);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}
