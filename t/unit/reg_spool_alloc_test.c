
/* Each allocation of the spool fails in turn. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_test_alloc.h"
#include "reg_test_spool.h"

#include "reg_str.c"
#include "reg_event.c"
#include "reg_spool_record.c"
#include "reg_spool_tail.c"
#include "reg_spool_limits.c"
#include "reg_spool.c"
#include "reg_spool_sure.c"
#include "reg_spool_reader.c"
#include "reg_spool_endpoint.c"


static void test_begin(void);
static void test_append(void);
static void test_read(void);
static void test_limits(void);


int
main(void)
{
    reg_test_alloc_init();
    root_make();
    s = store_open();

    test_begin();
    test_append();
    test_read();
    test_limits();

    reg_store_close(s);

    return done_testing();
}


/* A new endpoint of an empty spool has a place, or none is told. */

static void
test_begin(void)
{
    int           wrong;
    size_t        n;
    reg_rc_t      rc;
    uint64_t      cursor;
    reg_spool_t  *sp;

    wrong = 0;

    for (n = 1; n < 1000; n++) {
        (void) unlink(segment_path(FIRST));

        sp = spool_open(0, 0);
        reg_test_alloc_fail(n, 0);

        rc = begin(sp, "ci", NOW, &cursor);

        if (!reg_test_alloc_restore()) {
            wrong += (rc != REG_OK || cursor != FIRST - 1);
            reg_spool_close(sp);
            break;
        }

        wrong += (rc != REG_NO_MEMORY
                  && (rc != REG_OK || cursor != FIRST - 1));
        reg_spool_close(sp);
    }

    ok(wrong == 0 && n > 3, "%zu allocations of a beginning fail, one by one",
       n - 1);

    (void) unlink(segment_path(FIRST));
}


static void
test_append(void)
{
    int                   wrong;
    size_t                n, kept;
    reg_rc_t              rc;
    reg_error_t           e;
    reg_event_t           ev;
    reg_spool_t          *sp;
    reg_spool_limits_t    limits;

    memset(&limits, 0, sizeof(limits));
    limits.size = REG_SPOOL_SIZE_MIN;

    wrong = 0;
    kept = 0;

    for (n = 1; n < 1000; n++) {
        memset(&ev, 0, sizeof(ev));
        ev.action = REG_EVENT_PUSH;
        ev.repository = reg_str("a");

        sp = NULL;
        reg_error_clear(&e);
        reg_test_alloc_fail(n, 0);

        rc = reg_spool_open(&sp, s, &limits, &e);

        if (rc == REG_OK) {
            rc = reg_spool_reserve(sp, reg_str("ci"), &ev, 1, 1, NOW, &e);
        }

        if (rc == REG_OK) {
            rc = reg_spool_emit(sp, reg_str("ci"), &ev, 1, 1, NOW, NULL, &e);
        }

        if (!reg_test_alloc_restore()) {
            reg_spool_close(sp);
            kept++;
            break;
        }

        wrong += (rc != REG_NO_MEMORY && rc != REG_OK);
        wrong += (rc != REG_OK && e.rc != rc);
        kept += (rc == REG_OK);

        reg_spool_close(sp);
    }

    ok(wrong == 0 && n > 5, "%zu allocations of an append fail, one by one",
       n - 1);
    (void) events(0, &n);
    is_num((long long) n, (long long) kept, "none that failed is there");
}


static void
test_read(void)
{
    int                   wrong;
    size_t                n, want, got;
    reg_rc_t              rc;
    uint64_t              at;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    (void) events(0, &want);
    wrong = 0;

    for (n = 1; n < 1000; n++) {
        r = NULL;
        got = 0;
        reg_test_alloc_fail(n, 0);

        rc = reg_spool_reader_open(&r, s, 1, NULL);

        if (rc == REG_OK) {
            rc = reg_spool_seek(r, REG_SPOOL_END, &at, NULL);
        }

        if (rc == REG_OK) {
            rc = reg_spool_seek(r, 0, NULL, NULL);
        }

        while (rc == REG_OK) {
            rc = reg_spool_next(r, &rec, NULL);
            got += (rc == REG_OK);
        }

        if (!reg_test_alloc_restore()) {
            reg_spool_reader_close(r);
            wrong += (got != want);
            break;
        }

        /* an error is no end; and it goes on where it was */

        wrong += (rc != REG_NO_MEMORY);

        if (r != NULL) {
            (void) reg_spool_seek(r, 0, NULL, NULL);

            for (got = 0; reg_spool_next(r, &rec, NULL) == REG_OK; got++) {
                /* void */
            }

            wrong += (got != want);
        }

        reg_spool_reader_close(r);
    }

    ok(wrong == 0 && n > 3, "%zu allocations of a reader fail, one by one",
       n - 1);
}


static void
test_limits(void)
{
    int                  wrong;
    size_t               n;
    reg_rc_t             rc;
    reg_spool_t         *sp;
    reg_spool_stat_t     st;

    wrong = 0;

    for (n = 1; n < 1000; n++) {
        sp = spool_open(REG_SPOOL_SIZE_MIN, 1);
        reg_test_alloc_fail(n, 0);

        rc = reg_spool_stat(sp, &st, NULL);

        if (rc == REG_OK) {
            rc = reg_spool_trim(sp, NOW + INT64_C(1000000000) * 3600 * 24 * 365
                                * 10, NULL);
        }

        if (!reg_test_alloc_restore()) {
            wrong += (rc != REG_OK);
            reg_spool_close(sp);
            break;
        }

        wrong += (rc != REG_NO_MEMORY);
        reg_spool_close(sp);
    }

    ok(wrong == 0 && n > 3, "%zu allocations of a trim fail, one by one",
       n - 1);
    (void) events(0, &n);
    is_num((long long) n, 0, "at last all that is old is gone");
}
