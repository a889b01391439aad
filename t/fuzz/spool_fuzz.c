
/*
 * Input: a segment of the spool, as a disk may hand it out; its first number is
 * 1.  What is read from it is whole, and ascends.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "fuzz.h"
#include "reg_spool_private.h"

#include <sys/mman.h>
#include <unistd.h>


static void record(const uint8_t *data, size_t size);


/* The same bytes as one record: it can be written in one way only. */

static void
record(const uint8_t *data, size_t size)
{
    int                  rc;
    char                *copy;
    size_t               len;
    reg_buf_t            b;
    reg_spool_item_t     item;
    reg_spool_record_t   rec;

    copy = fuzz_copy(data, size);
    rc = reg_spool_record_parse(fuzz_str(copy, size), &rec, &len);

    if (rc == 1) {
        must(len <= size && len >= REG_SPOOL_FRAME);
        must(rec.to.len + rec.event.len + REG_SPOOL_FRAME == len);

        item.to = rec.to;
        item.event = rec.event;

        reg_buf_init(&b, REG_SPOOL_RECORD_MAX);
        reg_spool_record_print(&b, rec.seq, &item);
        must(b.len == len && memcmp(b.data, copy, len) == 0);
        reg_buf_free(&b);

        (void) reg_spool_for(rec.to, reg_str("ci"));
    }

    free(copy);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                  fd, rc;
    size_t               i, n;
    uint64_t             last;
    reg_spool_place_t    p;
    reg_spool_record_t   rec;

    record(data, size);

    fd = memfd_create("segment", MFD_CLOEXEC);
    must(fd != -1);
    must(write(fd, data, size) == (ssize_t) size);

    memset(&p, 0, sizeof(p));
    reg_spool_place_set(&p, fd, 1);

    last = 0;
    n = 0;

    while ((rc = reg_spool_place_next(&p, &rec)) == 1) {
        must(rec.seq > last && rec.seq == p.last);
        must(p.off <= size);
        must(rec.to.len + rec.event.len <= size);

        /* all of them are looked at */

        for (i = 0; i < rec.event.len; i++) {
            n += (rec.event.data[i] == '\n');
        }

        last = rec.seq;
    }

    must(rc == 0);
    must(p.rest == (p.off < size));
    must(reg_spool_place_next(&p, &rec) == 0);

    reg_spool_place_close(&p);

    (void) n;

    return 0;
}
