
#include "reg_test_fault.h"
#include "reg_test_spool.h"

#include <sys/wait.h>


static void test_faults(int err, const char *what);
static void test_killed(void);
static void test_sync_fails(void);
static void test_sync_lies(void);
static void test_stays_broken(void);
static void test_no_cut(void);
static void test_short(void);
static void test_read_fails(void);
static void test_reader_sync(void);
static void test_endpoint(void);
static void test_begin(int err, const char *what);
static void test_sure(int err, const char *what);


int
main(void)
{
    root_make();
    s = store_open();

    test_short();
    test_faults(EIO, "EIO");
    test_faults(ENOSPC, "ENOSPC");
    test_killed();
    test_sync_fails();
    test_sync_lies();
    test_stays_broken();
    test_no_cut();
    test_read_fails();
    test_reader_sync();
    test_endpoint();
    test_begin(EIO, "EIO");
    test_begin(ENOSPC, "ENOSPC");
    test_sure(EIO, "EIO");
    test_sure(ENOSPC, "ENOSPC");

    reg_store_close(s);

    return done_testing();
}


/* A fresh store with one event, unless from is 0; openat() is counted. */

static void
again(int from)
{
    reg_spool_t  *sp;

    reg_store_close(s);
    root_make();
    s = store_open();
    reg_fs_plain(s);

    if (from != 0) {
        sp = spool_open(0, 0);
        (void) put(sp, "", "one", NULL);
        reg_spool_close(sp);
    }
}


/* Puts an event while the nth call of that kind fails, which has to be met. */

static reg_rc_t
put_failing(reg_spool_t *sp, const char *event, unsigned kind, long n,
    int err, uint64_t *seq)
{
    reg_rc_t  rc;

    fault_only = kind;
    fault_arm(n, err);

    rc = put(sp, "", event, seq);

    ok(fault_disarm(), "\"%s\" met the fault", event);
    fault_only = 0;

    return rc;
}


/* The events of that store, with two of them more or less. */

static int
is_whole(int from, int acked)
{
    const char  *all;

    all = events(0, &(size_t) { 0 });

    if (from == 0) {
        return strcmp(all, "two,") == 0 || (!acked && all[0] == '\0');
    }

    return strcmp(all, "one,two,") == 0
           || (!acked && strcmp(all, "one,") == 0);
}


/*
 * Each call fails in turn: what was acknowledged is there, what is there is
 * whole, and it goes on.  from: 0 a fresh store, 1 a spool that is opened, 2
 * one that is open, 3 with a torn tail, 4 that begins a segment.
 */

static void
test_faults(int err, const char *what)
{
    int           from, wrong, failed;
    long          n;
    char          big[70000];
    uint64_t      seq, last;
    reg_rc_t      rc;
    reg_spool_t  *sp;

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';

    for (from = 0; from < 5; from++) {
        wrong = 0;
        failed = 0;

        for (n = 1; n < 100; n++) {
            again(from);
            sp = spool_open(REG_SPOOL_SIZE_MIN, 0);
            last = FIRST;

            if (from == 2) {
                (void) reg_spool_close(sp);
                sp = spool_open(REG_SPOOL_SIZE_MIN, 0);
            }

            if (from == 3) {
                (void) put(sp, "", "torn", NULL);
                (void) truncate(segment_path(FIRST), segment(FIRST) - 2);
            }

            if (from == 4) {
                (void) put(sp, "", big, &last);
            }

            fault_arm(n, err);
            rc = put(sp, "", "two", &seq);

            if (!fault_disarm()) {
                reg_spool_close(sp);
                break;
            }

            failed += (rc != REG_OK);

            if (rc == REG_OK && seq <= last && from != 0) {
                wrong++;
            }

            if (from != 4) {
                wrong += !is_whole(from, rc == REG_OK);
            }

            if (rc != REG_OK && rc != ((err == EIO) ? REG_STORAGE
                                                     : REG_NO_SPACE))
            {
                wrong++;
            }

            /* the handle goes on, and so does another */

            wrong += (put(sp, "", "three", &seq) != REG_OK || seq <= FIRST - 1);
            last = seq;
            reg_spool_close(sp);

            sp = spool_open(0, 0);
            wrong += (put(sp, "", "four", &seq) != REG_OK || seq <= last);
            wrong += (strstr(events(0, &(size_t) { 0 }), "three,four,")
                      == NULL);
            reg_spool_close(sp);
        }

        ok(wrong == 0 && n > 2 && failed > 0,
           "F15 %s from %d: %ld calls, %d appends failed, %d wrong", what,
           from, n - 1, failed, wrong);
    }
}


static void
test_killed(void)
{
    int           from, status, wrong;
    long          n;
    pid_t         pid;
    uint64_t      seq;
    reg_spool_t  *sp;

    for (from = 0; from < 4; from++) {
        wrong = 0;

        for (n = 1; n < 100; n++) {
            again(from);

            if (from == 3) {
                sp = spool_open(0, 0);
                (void) put(sp, "", "torn", NULL);
                reg_spool_close(sp);
                (void) truncate(segment_path(FIRST), segment(FIRST) - 2);
            }

            pid = fork();

            if (pid == 0) {
                sp = spool_open(0, 0);
                fault_arm(n, FAULT_KILL);
                (void) put(sp, "", "two", NULL);
                _exit(fault_disarm() ? 98 : 0);
            }

            (void) waitpid(pid, &status, 0);

            if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
                break;
            }

            wrong += !is_whole(from, 0);

            sp = spool_open(0, 0);
            wrong += (put(sp, "", "three", &seq) != REG_OK);
            wrong += (strstr(events(0, &(size_t) { 0 }), "three,") == NULL);
            reg_spool_close(sp);
        }

        ok(wrong == 0 && n > 2, "F18 killed at each of %ld calls, from %d",
           n - 1, from);
    }
}


/* A sync that fails is not tried again on the same file. */

static void
test_sync_fails(void)
{
    size_t        n;
    uint64_t      seq;
    reg_spool_t  *sp;

    again(1);
    sp = spool_open(0, 0);
    (void) put(sp, "", "two", NULL);

    is_num(put_failing(sp, "three", FAULT_SYNC, 1, EIO, &seq), REG_STORAGE,
           "the sync fails");
    is_num(put(sp, "", "four", &seq), REG_OK, "the next does not");
    ok(segment(seq) > 0, "it is in a new segment");
    (void) events(0, &n);
    ok(n == 3 || n == 4, "all that was acknowledged is there");

    reg_spool_close(sp);
}


/* What is synced on a file system that has given up is not on disk. */

static void
test_sync_lies(void)
{
    int           handle;
    uint64_t      seq;
    reg_spool_t  *sp;

    again(1);

    if (s->driver->lock(s, REG_LOCK_SHARED, &handle, NULL) != REG_OK) {
        bail("lock");
    }

    s->driver->unlock(s, handle);

    sp = spool_open(0, 0);
    (void) put(sp, "", "two", NULL);

    /* the first looks for the next segment */

    is_num(put_failing(sp, "three", FAULT_OPEN, 2, EIO, &seq), REG_STORAGE,
           "a sync, and no opening");
    is_num(put(sp, "", "four", &seq), REG_OK, "the next is synced");
    ok(segment(seq) > 0, "in a new segment");

    reg_spool_close(sp);
}


/* Nor is it trusted again once something else has failed. */

static void
test_stays_broken(void)
{
    uint64_t      seq;
    reg_spool_t  *sp, *other;

    again(1);
    sp = spool_open(0, 0);
    other = spool_open(0, 0);
    (void) put(sp, "", "one more", NULL);

    is_num(put_failing(sp, "two", FAULT_SYNC, 1, EIO, &seq), REG_STORAGE,
           "a sync fails");

    (void) put(other, "", "three", NULL);

    is_num(put_failing(sp, "four", FAULT_READ, 1, EIO, &seq), REG_STORAGE,
           "then a read");
    is_num(put(sp, "", "five", &seq), REG_OK, "then nothing");
    ok(segment(seq) > 0, "the segment is left all the same");

    reg_spool_close(other);
    reg_spool_close(sp);
}


/* A rest that cannot be cut is left, and the segment with it. */

static void
test_no_cut(void)
{
    uint64_t              seq;
    reg_spool_t          *sp;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    again(1);
    sp = spool_open(0, 0);
    (void) put(sp, "", "torn", NULL);
    (void) truncate(segment_path(FIRST), segment(FIRST) - 2);
    reg_spool_close(sp);

    sp = spool_open(0, 0);
    is_num(put_failing(sp, "two", FAULT_WRITE, 1, EPERM, &seq), REG_OK,
           "a rest that stays");
    ok(seq == FIRST + 1 && segment(seq) > 0, "the next is in a new segment");
    events_are(0, "one,two,", "and is read");
    reg_spool_close(sp);

    /* the same in a segment that holds nothing else */

    again(0);
    sp = spool_open(0, 0);
    (void) put(sp, "", "torn", NULL);
    (void) truncate(segment_path(FIRST), 20);
    reg_spool_close(sp);

    r = reader(0);
    is_num(reg_spool_next(r, &rec, NULL), REG_ABSENT, "a reader is in it");

    sp = spool_open(0, 0);
    is_num(put_failing(sp, "two", FAULT_WRITE, 1, EPERM, &seq), REG_OK,
           "nothing but a rest that stays");
    events_are(0, "two,", "and costs nothing");
    ok(seq == FIRST, "nor a number");

    is_num(reg_spool_next(r, &rec, NULL), REG_OK,
           "the reader goes to the one of the same name");
    is(rec.event, "two", "and sees it");

    reg_spool_reader_close(r);
    reg_spool_close(sp);
}


/* F22 */

static void
test_short(void)
{
    int           i;
    size_t        n;
    uint64_t      seq;
    reg_spool_t  *sp;

    again(1);
    fault_short = 1;
    fault_lazy = 1;

    for (i = 0; i < 20; i++) {
        sp = spool_open(0, 0);

        if (put(sp, "a,b", "short reads and writes, and signals", &seq)
            != REG_OK || seq != FIRST + 1 + (uint64_t) i)
        {
            break;
        }

        reg_spool_close(sp);
    }

    is_num(i, 20, "F22 short reads and writes");
    (void) events(0, &n);
    is_num((long long) n, 21, "F22 all is there");

    fault_short = 0;
    fault_lazy = 0;
}


/* What cannot be read is an error, never an end; later it goes on. */

static void
test_read_fails(void)
{
    int                   wrong;
    long                  n;
    size_t                got;
    reg_rc_t              rc;
    uint64_t              seq;
    reg_error_t           e;
    reg_spool_t          *sp;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    again(1);
    sp = spool_open(0, 0);
    (void) put(sp, "", "two", NULL);

    r = reader(0);
    fault_only = FAULT_READ;
    fault_arm(1, EIO);
    reg_error_clear(&e);
    is_num(reg_spool_next(r, &rec, &e), REG_STORAGE, "a read fails");
    ok(e.sys == EIO && strcmp(e.call, "read") == 0, "so is said");
    (void) fault_disarm();

    wrong = 0;

    for (got = 0; (rc = reg_spool_next(r, &rec, NULL)) == REG_OK; got++) {
        /* void */
    }

    ok(got == 2 && rc == REG_ABSENT, "then it does not");
    reg_spool_reader_close(r);
    reg_spool_close(sp);

    for (n = 1; n < 10; n++) {
        sp = spool_open(0, 0);
        fault_arm(n, EIO);
        rc = put(sp, "", "more", &seq);

        if (!fault_disarm()) {
            reg_spool_close(sp);
            break;
        }

        wrong += (rc != REG_STORAGE);
        wrong += (put(sp, "", "more", &seq) != REG_OK);
        reg_spool_close(sp);
    }

    ok(wrong == 0 && n > 1, "nobody writes behind what he cannot read");
    fault_only = 0;
}


/* Who delivers hands nothing out that is not on disk. */

static void
test_reader_sync(void)
{
    int                   n;
    reg_spool_t          *sp;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    again(1);
    sp = spool_open(0, 0);
    r = reader(0);

    fault_only = FAULT_SYNC;
    fault_arm(1, EIO);
    is_num(reg_spool_next(r, &rec, NULL), REG_STORAGE, "the sync fails");
    ok(fault_disarm(), "it did");

    is_num(reg_spool_next(r, &rec, NULL), REG_OK, "then it does not");
    is(rec.event, "one", "it is the first");

    fault_arm(1, EIO);
    is_num(reg_spool_next(r, &rec, NULL), REG_ABSENT, "nothing, no sync");
    ok(!fault_disarm(), "none was made");
    fault_only = 0;

    (void) put(sp, "", "two", NULL);
    (void) put(sp, "", "three", NULL);

    fault_only = FAULT_SYNC;
    fault_arm(2, EIO);
    is_num(reg_spool_next(r, &rec, NULL), REG_OK, "one sync");
    is_num(reg_spool_next(r, &rec, NULL), REG_OK, "for both");
    ok(!fault_disarm(), "and no more");
    fault_only = 0;

    (void) put(sp, "", "four", NULL);

    fault_only = FAULT_SYNC;
    fault_arm(1, EIO);
    is_num(reg_spool_next(r, &rec, NULL), REG_STORAGE,
           "what comes later has a sync of its own");
    ok(fault_disarm(), "it fails");
    is_num(reg_spool_next(r, &rec, NULL), REG_OK, "then it does not");
    is(rec.event, "four", "it is given out");
    fault_only = 0;

    reg_spool_reader_close(r);

    /* one that does so only when it is told to */

    (void) reg_spool_reader_open(&r, s, 0, NULL);
    is_num(reg_spool_sure(r, NULL), REG_OK, "nothing was given out");

    fault_only = FAULT_SYNC;
    fault_arm(1, EIO);

    for (n = 0; reg_spool_next(r, &rec, NULL) == REG_OK; n++) {
        /* void */
    }

    is_num(n, 4, "all four");
    is_num(reg_spool_sure(r, NULL), REG_STORAGE, "a sync fails");
    ok(fault_disarm(), "which is the first");
    is_num(reg_spool_sure(r, NULL), REG_OK, "and then not");
    fault_only = 0;

    reg_spool_reader_close(r);
    reg_spool_close(sp);
}


/* A cursor is the old one or the new. */

static void
test_endpoint(void)
{
    int                    status, wrong;
    long                   n;
    pid_t                  pid;
    reg_rc_t               rc;
    reg_spool_endpoint_t   ep, back;

    memset(&ep, 0, sizeof(ep));
    wrong = 0;

    for (n = 1; n < 100; n++) {
        again(1);

        if (n % 2) {
            ep.cursor = 5;
            (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);
        }

        ep.cursor = 6;
        pid = fork();

        if (pid == 0) {
            fault_arm((n + 1) / 2, FAULT_KILL);
            rc = reg_spool_endpoint_save(s, "ci", &ep, NULL);
            _exit(fault_disarm() ? 98 : (rc == REG_OK) ? 0 : 1);
        }

        (void) waitpid(pid, &status, 0);

        rc = reg_spool_endpoint_load(s, "ci", &back, NULL);

        if (n % 2) {
            wrong += (rc != REG_OK || (back.cursor != 5 && back.cursor != 6));

        } else {
            wrong += (rc != REG_ABSENT && (rc != REG_OK || back.cursor != 6));
        }

        if (n % 2 == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            break;
        }
    }

    ok(wrong == 0 && n > 4, "F18 killed within a save, %ld ways", n);

    wrong = 0;

    for (n = 1; n < 100; n++) {
        again(1);
        fault_arm(n, ENOSPC);
        rc = reg_spool_endpoint_save(s, "ci", &ep, NULL);

        if (!fault_disarm()) {
            break;
        }

        wrong += (rc != REG_OK && rc != REG_NO_SPACE);
        wrong += (rc == REG_OK
                  && reg_spool_endpoint_load(s, "ci", &back, NULL) != REG_OK);
    }

    ok(wrong == 0 && n > 3, "F15 a save fails at each of %ld calls", n - 1);

    again(1);
    (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);

    fault_arm(1, EIO);
    is_num(reg_spool_endpoint_sync(s, "ci", NULL), REG_STORAGE,
           "F14 a note that cannot be synced");
    ok(fault_disarm() && reg_spool_endpoint_sync(s, "ci", NULL) == REG_OK,
       "is one all the same");
}


/* The place of a new endpoint of an empty spool: settled, or an error. */

static void
test_begin(int err, const char *what)
{
    int           wrong, failed;
    long          n;
    uint64_t      cursor, seq;
    reg_rc_t      rc;
    reg_spool_t  *sp;

    wrong = 0;
    failed = 0;

    for (n = 1; n < 100; n++) {
        again(0);
        sp = spool_open(0, 0);

        fault_arm(n, err);
        rc = begin(sp, "ci", NOW, &cursor);

        if (!fault_disarm()) {
            wrong += (rc != REG_OK || cursor != FIRST - 1);
            reg_spool_close(sp);
            break;
        }

        failed += (rc != REG_OK);
        wrong += (rc == REG_OK && cursor != FIRST - 1);

        /* once more, and the next event is the one behind it */

        wrong += (begin(sp, "ci", NOW, &cursor) != REG_OK
                  || cursor != FIRST - 1);
        wrong += (put(sp, "ci", "one", &seq) != REG_OK || seq != FIRST);

        reg_spool_close(sp);
    }

    ok(wrong == 0 && n > 3 && failed > 0,
       "F14 F15 %s: a place is settled or not at each of %ld calls", what,
       n - 1);
}


/*
 * Room for what cannot be done again: each call fails in turn, and it is said,
 * or the event comes there; and an event behind that is tried again.
 */

static void
test_sure(int err, const char *what)
{
    int           wrong, refused, from, tried, i;
    long          n;
    size_t        count;
    reg_rc_t      rc;
    reg_error_t   e;
    reg_event_t   ev;
    reg_spool_t  *sp;
    struct stat   st, then;

    for (i = 0; i < 4; i++) {
        from = i % 2;
        tried = i / 2;
        wrong = 0;
        refused = 0;

        for (n = 1; n < 100; n++) {
            again(from);
            sp = spool_open(REG_SPOOL_SIZE_MIN, 0);

            memset(&ev, 0, sizeof(ev));
            ev.action = REG_EVENT_DELETE;
            ev.repository = reg_str("a");

            reg_error_clear(&e);
            fault_arm(n, err);
            rc = reg_spool_reserve(sp, reg_str("ci"), &ev, 3, tried, NOW,
                                   &e);

            if (!fault_disarm()) {
                wrong += (rc != REG_OK);
                break;
            }

            refused += (rc != REG_OK);
            wrong += (rc != e.rc);
            wrong += (rc != REG_OK
                      && rc != (err == EIO ? REG_STORAGE : REG_NO_SPACE));

            (void) events(0, &count);
            wrong += (count != (size_t) from);

            reg_spool_close(sp);
        }

        ok(wrong == 0 && refused > 1, "F15 room for events: %s at each of %ld "
           "calls, %d refused", what, n - 1, refused);

        /* it is there, and the segment no longer */

        (void) stat(segment_path(FIRST), &st);
        ok(st.st_size == (from ? segment(FIRST) : 0)
           && (st.st_blocks * 512 >= 65536 || (from && !tried)),
           "64 KB are kept free, unless some are");

        /* a file that does not change wakes nobody */

        (void) reg_spool_reserve(sp, reg_str("ci"), &ev, 3, 0, NOW, NULL);
        (void) stat(segment_path(FIRST), &then);
        is_num((long long) then.st_ctim.tv_nsec, (long long) st.st_ctim.tv_nsec,
               "room that is there is not made again");
        reg_spool_close(sp);

        wrong = 0;

        for (n = 1; n < 100; n++) {
            again(from);
            sp = spool_open(REG_SPOOL_SIZE_MIN, 0);
            (void) reg_spool_reserve(sp, reg_str("ci"), &ev, 3, tried, NOW,
                                     NULL);

            memset(&ev, 0, sizeof(ev));
            ev.action = REG_EVENT_DELETE;
            ev.repository = reg_str("a");

            fault_arm(n, err);
            rc = reg_spool_emit_sure(sp, reg_str("ci"), &ev, 1, NOW, NULL);

            if (!fault_disarm()) {
                wrong += (rc != REG_OK);
                reg_spool_close(sp);
                break;
            }

            (void) events(0, &count);
            wrong += (rc != REG_OK || count < (size_t) from + 1
                      || count > (size_t) from + 2);

            reg_spool_close(sp);
        }

        ok(wrong == 0 && n > 2, "an event behind that: %s at each of %ld "
           "calls is made up for", what, n - 1);
    }

    /* less than 64 KB, where there is no more */

    again(1);
    sp = spool_open(REG_SPOOL_SIZE_MIN, 0);

    fault_only = FAULT_WRITE;
    fault_arm(1, err);
    rc = reg_spool_reserve(sp, reg_str("ci"), &ev, 40, 1, NOW, NULL);
    ok(fault_disarm() && rc == (err == ENOSPC ? REG_OK : REG_STORAGE),
       "F15 %s where 64 KB are asked for", what);
    fault_only = 0;

    reg_spool_close(sp);
}
