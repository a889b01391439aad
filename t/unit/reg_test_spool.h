
/* A spool in a store, and short names for what the tests do with it. */


#ifndef REG_TEST_SPOOL_H_INCLUDED
#define REG_TEST_SPOOL_H_INCLUDED


#include "reg_test_store.h"

#include "reg_spool_private.h"

#include <sys/syscall.h>


#define EVENTS  "docker/registry/nginx/events"

/* some time in 2026, in ns */
#define NOW     INT64_C(1795208645000000000)

/* the number that the first event gets then */
#define FIRST   UINT64_C(1795208645000000)


static reg_store_t  *s;


/* A handle without limits; NULL for the default ones of the tests. */

REG_TEST_UNUSED static reg_spool_t *
spool_open(uint64_t size, int64_t keep)
{
    reg_spool_t         *sp;
    reg_spool_limits_t   limits;

    limits.size = size;
    limits.keep = keep;

    if (reg_spool_open(&sp, s, &limits, NULL) != REG_OK) {
        bail("reg_spool_open");
    }

    return sp;
}


REG_TEST_UNUSED static reg_rc_t
put(reg_spool_t *sp, const char *to, const char *event, uint64_t *seq)
{
    reg_spool_item_t  item;

    item.to = reg_str_of(to);
    item.event = reg_str_of(event);

    return reg_spool_append(sp, &item, 1, 1, NOW, seq, NULL);
}


REG_TEST_UNUSED static reg_spool_reader_t *
reader(uint64_t after)
{
    reg_spool_reader_t  *r;

    if (reg_spool_reader_open(&r, s, 1, NULL) != REG_OK
        || reg_spool_seek(r, after, NULL, NULL) != REG_OK)
    {
        bail("reg_spool_reader_open");
    }

    return r;
}


/* All events behind that one, with "," after each; *n is their number. */

REG_TEST_UNUSED static const char *
events(uint64_t after, size_t *n)
{
    size_t                len;
    uint64_t              last;
    reg_rc_t              rc;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    static char  text[65536];

    len = 0;
    *n = 0;
    last = 0;
    r = reader(after);

    while ((rc = reg_spool_next(r, &rec, NULL)) == REG_OK) {

        if (rec.seq <= last) {
            bail("numbers that do not ascend");
        }

        last = rec.seq;
        (*n)++;

        if (rec.event.len + 2 < sizeof(text) - len) {
            memcpy(text + len, rec.event.data, rec.event.len);
            len += rec.event.len;
            text[len++] = ',';
        }
    }

    text[len] = '\0';
    reg_spool_reader_close(r);

    return (rc == REG_ABSENT) ? text : "error";
}


REG_TEST_UNUSED static int
events_are(uint64_t after, const char *want, const char *what)
{
    size_t  n;

    return is(reg_str_of(events(after, &n)), want, what);
}


/* Where an endpoint begins that was never saved, looked for event by event. */

REG_TEST_UNUSED static reg_rc_t
begin(reg_spool_t *sp, const char *name, int64_t now, uint64_t *cursor)
{
    reg_rc_t             rc;
    reg_spool_reader_t  *r;

    *cursor = 0;

    rc = reg_spool_reader_open(&r, s, 1, NULL);

    if (rc != REG_OK) {
        return rc;
    }

    do {
        rc = reg_spool_endpoint_begin(sp, r, name, 1, now, cursor, NULL);
    } while (rc == REG_ABSENT);

    reg_spool_reader_close(r);

    return rc;
}


/* The size of a segment, or -1. */

REG_TEST_UNUSED static long
segment(uint64_t first)
{
    struct stat  st;

    if (stat(at(EVENTS "/%016llx.log", (unsigned long long) first), &st)
        == -1)
    {
        return -1;
    }

    return (long) st.st_size;
}


REG_TEST_UNUSED static const char *
segment_path(uint64_t first)
{
    return at(EVENTS "/%016llx.log", (unsigned long long) first);
}


/* Writes into the middle of a segment. */

REG_TEST_UNUSED static void
overwrite(uint64_t first, const void *data, size_t len, long where)
{
    int  fd;

    fd = open(segment_path(first), O_WRONLY);

    if (fd == -1 || lseek(fd, where, SEEK_SET) != where
        || syscall(SYS_write, fd, data, len) != (long) len)
    {
        bail("write");
    }

    (void) close(fd);
}


/* Flips a bit. */

REG_TEST_UNUSED static void
flip(uint64_t first, long where)
{
    int   fd;
    char  c;

    c = '\0';
    fd = open(segment_path(first), O_RDONLY);

    if (fd == -1 || lseek(fd, where, SEEK_SET) != where
        || syscall(SYS_read, fd, &c, 1) != 1)
    {
        bail("read");
    }

    (void) close(fd);

    c ^= 1;
    overwrite(first, &c, 1, where);
}


#endif /* REG_TEST_SPOOL_H_INCLUDED */
