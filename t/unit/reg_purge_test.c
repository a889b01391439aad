
#define REG_TEST_IN_MEMORY

#include "reg_test_age.h"
#include "reg_test_fault.h"

#include "reg_purge.h"

#include <sys/file.h>
#include <sys/wait.h>


#define UPLOADS  REPOS "some/app/_uploads/"


static void test_idle(void);
static void test_open(void);
static void test_half(void);
static void test_between(void);
static void test_one(void);
static void test_clock(void);
static void test_left(void);
static void test_symlink(void);
static void test_faults(void);
static void test_lock(void);
static char *session(const char *name, size_t len);
static reg_rc_t purge(void);
static int64_t steady(void);


static reg_store_t         *s;
static reg_purge_how_t      how;
static reg_purge_counts_t   counts;
static int64_t              steady_is;
static char                 last[REG_UUID_LEN + 1];


int
main(void)
{
    fault_lazy = 1;

    root_make();
    s = store_open();
    how.idle = 3600;

    is_num(purge(), REG_OK, "nothing at all");

    test_idle();
    test_open();
    test_half();
    test_between();
    test_one();
    test_clock();
    test_left();
    test_symlink();
    test_faults();
    test_lock();

    reg_store_close(s);

    return done_testing();
}


/* A session that holds so many bytes; valid until four calls later. */

static char *
session(const char *name, size_t len)
{
    char          *data;
    reg_upload_t  *u;

    static char      ids[4][REG_UUID_LEN + 1];
    static unsigned  turn;

    char  *id = ids[turn++ % 4];

    if (reg_upload_create(s, reg_str_of(name), REG_SHA256, 1700000000, id,
                          NULL)
        != REG_OK
        || reg_upload_open(&u, s, reg_str_of(name), reg_str_of(id), NULL)
           != REG_OK)
    {
        bail("session");
    }

    data = noise(len, 1);

    if (upload_add(u, (reg_str_t) { len, data }) != REG_OK
        || reg_upload_save(u, NULL) != REG_OK)
    {
        bail("save");
    }

    free(data);
    reg_upload_close(u);

    return id;
}


static reg_rc_t
purge(void)
{
    reg_rc_t     rc;
    reg_purge_t  p;

    rc = reg_purge_begin(&p, s, &how, NULL);

    while (rc == REG_OK && !p.done) {
        rc = reg_purge_step(&p, NULL);
    }

    counts = p.counts;
    reg_purge_end(&p);

    return rc;
}


static void
test_idle(void)
{
    char      *old, *fresh;
    uint64_t   offset;

    fresh = session("some/app", 100);
    old = session("some/app", 200);
    age(at(UPLOADS "%s", old), 4000);
    age(at(UPLOADS "%s", fresh), 3000);

    how.dry = 1;
    is_num(purge(), REG_OK, "a purge that only tells");
    is_num((long long) counts.purged, 1, "it would purge one");
    ok(is_there(at(UPLOADS "%s", old)), "and does not");
    how.dry = 0;

    is_num(purge(), REG_OK, "a purge");
    is_num((long long) counts.repositories, 1, "one repository");
    is_num((long long) counts.sessions, 2, "two sessions");
    is_num((long long) counts.purged, 1, "one of them goes");
    is_num((long long) counts.bytes, 200, "and its bytes");
    ok(!is_there(at(UPLOADS "%s", old)), "it is gone");
    is_num(reg_upload_status(s, reg_str("some/app"), reg_str_of(fresh),
                             &offset, NULL), REG_OK, "the other is not");

    /* any of its files counts: a long one has states */

    old = session("some/app/deep", 200000);
    age(at(REPOS "some/app/deep/_uploads/%s", old), 4000);
    age_one(at(REPOS "some/app/deep/_uploads/%s/hashstates/sha256/200000",
               old), 10);
    (void) purge();
    is_num((long long) counts.purged, 0, "one file of it is young");
    age(at(REPOS "some/app/deep/_uploads/%s", old), 4000);
    (void) purge();
    is_num((long long) counts.purged, 1, "none is any more");

    age(at(UPLOADS "%s", fresh), 4000);
    how.idle = -1;
    (void) purge();
    is_num((long long) counts.purged, 0, "sessions are left alone");
    how.idle = 3600;
    (void) purge();
    is_num((long long) counts.purged, 1, "or not");
}


/* F06, F49: whoever has it open, however slow he is, keeps it. */

static void
test_open(void)
{
    char           *id, *data;
    reg_digest_t    d;
    reg_upload_t   *u;

    id = session("some/app", 3);
    (void) reg_upload_open(&u, s, reg_str("some/app"), reg_str_of(id), NULL);
    age(at(UPLOADS "%s", id), 4000);

    is_num(purge(), REG_OK, "F49 purge against an open session");
    is_num((long long) counts.busy, 1, "F49 it is seen to be open");
    is_num((long long) counts.purged, 0, "F49 and stays");

    data = noise(3, 1);
    d = digest_of(REG_SHA256, (reg_str_t) { 3, data });
    free(data);

    is_num(reg_upload_commit(u, &d, NULL), REG_OK, "F49 and is finished");
    reg_upload_close(u);
}


static void
test_half(void)
{
    make_dirs(at(UPLOADS "00000000-0000-4000-8000-000000000000"));
    spit(at(UPLOADS "00000000-0000-4000-8000-000000000001/startedat"), "x");
    spit(at(UPLOADS "00000000-0000-4000-8000-000000000001/hashstates/sha256/9"),
         "x");

    (void) purge();
    is_num((long long) counts.purged, 0, "half made ones stay while young");
    age(at(UPLOADS), 4000);
    (void) purge();
    is_num((long long) counts.purged, 2, "and go when they are old");
}


/* F49: the client comes back between the look and the lock. */

static void
comes_back(void)
{
    age_one(at(UPLOADS "%s/data", last), 0);
}


static void
test_between(void)
{
    reg_purge_t  p;

    memcpy(last, session("some/app", 10), sizeof(last));
    age(at(UPLOADS "%s", last), 4000);

    is_num(reg_purge_begin(&p, s, &how, NULL), REG_OK, "begin");

    /* the probe of the clock stands between the two */

    fault_only = FAULT_TIME;
    fault_call = comes_back;
    fault_arm(1, FAULT_CALL);

    while (!p.done && reg_purge_step(&p, NULL) == REG_OK) { /* void */ }

    ok(fault_disarm(), "F49 somebody comes back in between");
    is_num((long long) p.counts.purged, 0, "F49 and finds his session");
    ok(is_there(at(UPLOADS "%s/data", last)), "F49 whole");
    reg_purge_end(&p);
    fault_only = 0;

    (void) reg_upload_cancel(s, reg_str("some/app"), reg_str_of(last), NULL);
}


static void
test_one(void)
{
    reg_purge_t  p;

    is_num(reg_purge_begin(&p, s, &how, NULL), REG_OK, "one purges");
    is_num(purge(), REG_ABSENT, "F48 another one cannot");
    reg_purge_end(&p);
    is_num(purge(), REG_OK, "when he is done he can");
}


static int64_t
steady(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_BOOTTIME, &ts);

    return (int64_t) ts.tv_sec * REG_TIME_SECOND + ts.tv_nsec + steady_is;
}


/*
 * F37: that the clock was set forwards by d is, to who compares the two, the
 * same as the steady one being behind by d.
 */

static void
test_clock(void)
{
    char         *id;
    reg_error_t   e;
    reg_purge_t   p;

    how.steady = steady;
    steady_is = 0;
    (void) purge();

    /* written ten minutes ago; then the clock jumped by a day */

    id = session("some/app", 10);
    age(at(UPLOADS "%s", id), 86400 + 600);
    steady_is = -86400 * REG_TIME_SECOND;
    is_num(purge(), REG_OK, "F37 the clock jumps a day");
    is_num((long long) counts.purged, 0, "F37 nothing fresh goes");
    is_num(purge(), REG_OK, "F37 and once more");
    is_num((long long) counts.purged, 0, "F37 nor then");

    /* fifty minutes later by both clocks it is idle for an hour */

    age(at(UPLOADS "%s", id), 86400 + 3600 + 60);
    (void) purge();
    is_num((long long) counts.purged, 1, "F37 what is old all the same goes");

    /* another jump on top, and an hour of the steady clock */

    id = session("some/app", 10);
    steady_is = -365 * 86400 * REG_TIME_SECOND;
    age(at(UPLOADS "%s", id), 364 * 86400 + 60);
    (void) purge();
    is_num((long long) counts.purged, 0, "F37 a year");
    steady_is += 2 * 3600 * REG_TIME_SECOND;
    (void) purge();
    is_num((long long) counts.purged, 1,
           "F37 when the jump is older than the time, it counts no more");

    /* backwards nothing gets older */

    id = session("some/app", 10);
    age(at(UPLOADS "%s", id), -86400);
    steady_is += 86400 * REG_TIME_SECOND;
    is_num(purge(), REG_OK, "F37 the clock goes back a day");
    is_num((long long) counts.purged, 0, "F37 nothing goes");
    age(at(UPLOADS "%s", id), 4000);

    /* within a run */

    reg_error_clear(&e);
    is_num(reg_purge_begin(&p, s, &how, &e), REG_OK, "begin");
    steady_is += 86400 * REG_TIME_SECOND;

    while (!p.done && reg_purge_step(&p, &e) == REG_OK) { /* void */ }

    is_num(e.rc, REG_INTERNAL, "F37 set back in the middle of it: an end");
    is(reg_str_of(e.detail), "the clock was set back", "F37 and why");
    is_num((long long) p.counts.purged, 0, "F37 nothing was purged");
    reg_purge_end(&p);

    (void) purge();
    is_num((long long) counts.purged, 1, "F37 the next goes on");

    /* whatever stands in the file */

    spit(at(REG_LAYOUT_OWN "/purge"), "nonsense");
    is_num(purge(), REG_OK, "a note that cannot be read");
    how.steady = NULL;
}


static void
test_left(void)
{
    unsigned  i;

    spit(at(REG_FS_TMP "/young"), "x");
    spit(at(REG_FS_TMP "/old"), "x");
    spit(at(REG_FS_SPARE "/old/startedat"), "x");
    age_one(at(REG_FS_TMP "/young"), 80000);
    age(at(REG_FS_TMP "/old"), 90000);
    age(at(REG_FS_SPARE "/old"), 90000);

    how.dry = 1;
    (void) purge();
    ok(is_there(at(REG_FS_TMP "/old")), "to tell is not to remove");
    how.dry = 0;
    (void) purge();
    ok(!is_there(at(REG_FS_TMP "/old")), "an old temporary goes");
    ok(!is_there(at(REG_FS_SPARE "/old")), "and an old spare");
    ok(is_there(at(REG_FS_TMP "/young")), "a new temporary stays");

    /* more than is freed at a step */

    for (i = 0; i < 200; i++) {
        spit(at(REG_FS_TRASH "/gone/%u", i), "x");
    }

    is_num(purge(), REG_OK, "much in the trash");
    ok(!is_there(at(REG_FS_TRASH "/gone")), "all of it is freed");
}


static void
test_symlink(void)
{
    reg_error_t  e;
    reg_purge_t  p;

    make_dirs(at("outside"));
    make_symlink(at("outside"), at(REPOS "elsewhere"));

    reg_error_clear(&e);
    (void) reg_purge_begin(&p, s, &how, &e);
    while (!p.done && reg_purge_step(&p, &e) == REG_OK) { /* void */ }
    is_num(e.sys, ELOOP, "a symbolic link ends it");
    is(reg_str_of(e.path), REPOS "elsewhere", "and is named");
    reg_purge_end(&p);
    (void) unlink(at(REPOS "elsewhere"));
}


/* F08: killed, or failing, at each call: the next one finishes. */

static void
test_faults(void)
{
    int       i, n, status, kind;
    char     *id;
    pid_t     pid;
    uint64_t  offset;

    static const int  errs[] = { FAULT_KILL, EIO, ENOSPC };

    for (kind = 0; kind < 3; kind++) {
        for (n = 1; n < 100; n++) {
            for (i = 0; i < 3; i++) {
                id = session("some/app", 70000);
                age(at(UPLOADS "%s", id), 4000);
            }

            memcpy(last, session("some/app", 20), sizeof(last));

            fflush(stdout);
            pid = fork();

            if (pid == 0) {
                fault_arm(n, errs[kind]);
                (void) purge();
                _exit(fault_disarm() ? 99 : 0);
            }

            (void) waitpid(pid, &status, 0);

            if (purge() != REG_OK
                || reg_upload_status(s, reg_str("some/app"),
                                     reg_str_of(last), &offset, NULL)
                   != REG_OK
                || counts.sessions - counts.purged != 1)
            {
                ok(0, "F08 %d at call %d", errs[kind], n);
            }

            (void) reg_upload_cancel(s, reg_str("some/app"),
                                     reg_str_of(last), NULL);

            if (WEXITSTATUS(status) == 0) {
                break;
            }
        }

        ok(n > 8 && n < 100, "F08 %s at each of %d calls",
           (kind == 0) ? "killed" : strerror(errs[kind]), n - 1);
    }
}


/* The nth from now on fails, once. */

static int  flock_fails;


int
flock(int fd, int operation)
{
    if (flock_fails > 0 && --flock_fails == 0) {
        errno = EIO;
        return -1;
    }

    return (int) syscall(SYS_flock, fd, operation);
}


static int
open_fds(void)
{
    int  fd, n;

    for (n = 0, fd = 0; fd < 256; fd++) {
        n += (fcntl(fd, F_GETFD) != -1);
    }

    return n;
}


/* A session that cannot be locked is told, and not held by us ever after. */

static void
test_lock(void)
{
    int               fds;
    char             *id;
    reg_error_t       e;
    reg_purge_t       p;
    reg_care_last_t   noted;

    id = session("some/app", 10);
    age(at(UPLOADS "%s", id), 4000);
    fds = open_fds();

    reg_error_clear(&e);
    is_num(reg_purge_begin(&p, s, &how, &e), REG_OK, "begin");

    flock_fails = 1;
    while (!p.done && reg_purge_step(&p, &e) == REG_OK) { /* void */ }

    is_num(flock_fails, 0, "F14 a session cannot be locked");
    is_num(e.sys, EIO, "F14 which is told");
    ok(!p.done, "F14 and ends the purge");
    reg_purge_end(&p);

    is_num(open_fds(), fds, "F14 nothing of it is left open");
    (void) reg_care_last(s, REG_PURGE_LOCK, &noted, NULL);
    is_num(noted.unfinished, 1, "F14 it is known not to have ended");
    is_num(purge(), REG_OK, "F14 the next one");
    is_num((long long) counts.purged, 1, "F14 purges it");
}
