
#include "reg_test_age.h"
#include "reg_test_fault.h"
#include "reg_test_store.h"

#include <dirent.h>
#include <pthread.h>


#define D1  "sha256:"                                                         \
    "6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"
#define D2  "sha256:"                                                         \
    "0000000000000000000000000000000000000000000000000000000000000000"


static void all_of_it(const char *how, int plain);
static void test_put(reg_store_t *s);
static void test_put_faults(reg_store_t *s);
static void test_replaced(reg_store_t *s);
static void test_keep(reg_store_t *s);
static void test_discarded(reg_store_t *s);
static void test_doubt(reg_store_t *s);
static void test_lease_synced(reg_store_t *s);
static void test_swept(reg_store_t *s);
static void test_adopt(reg_store_t *s);
static void test_short(reg_store_t *s);
static void test_races(reg_store_t *s);


static const char   *mode;
static reg_store_t  *race_store;


int
main(void)
{
    (void) umask(0);

    all_of_it("openat2", 0);
    all_of_it("plain", 1);

    return done_testing();
}


static void
all_of_it(const char *how, int plain)
{
    reg_store_t  *s;

    mode = how;

    root_make();
    s = store_open();

    if (plain) {
        reg_fs_plain(s);
    }

    test_put(s);
    test_put_faults(s);
    test_replaced(s);
    test_keep(s);
    test_discarded(s);
    test_doubt(s);
    test_lease_synced(s);
    test_swept(s);
    test_adopt(s);
    test_short(s);
    test_races(s);

    reg_store_close(s);
}


static size_t
temporaries(void)
{
    DIR            *list;
    size_t          n;
    struct dirent  *entry;

    n = 0;
    list = opendir(at(REG_FS_TMP));

    while (list != NULL && (entry = readdir(list)) != NULL) {
        n += (entry->d_name[0] != '.');
    }

    if (list != NULL) {
        (void) closedir(list);
    }

    return n;
}


static void
test_put(reg_store_t *s)
{
    reg_put_t  items[5];

    memset(items, 0, sizeof(items));

    spit(at("put/source"), "moved");

    items[0].path = "put/one/data";
    items[0].from = "put/source";
    items[0].dir = -1;
    items[0].fd = open(at("put/source"), O_RDWR);
    items[1].path = "put/two/link";
    items[1].data = reg_str(D1);
    items[1].fd = -1;
    items[1].step = 1;
    items[1].keep = 1;
    items[2] = items[1];
    items[2].path = "put/three/a/link";
    items[2].step = 2;
    items[3] = items[2];
    items[3].path = "put/three/b/link";
    items[4] = items[2];
    items[4].path = "put/big";
    items[4].data.data = noise(30000, 3);
    items[4].data.len = 30000;

    is_num(s->driver->put(s, items, 5, NULL), REG_OK, "put of five");
    (void) close(items[0].fd);

    is(slurp(at("put/one/data")), "moved", "the one that was moved");
    ok(!is_there(at("put/source")), "%s: is not there any more", mode);
    is(slurp(at("put/two/link")), D1, "the second");
    is(slurp(at("put/three/a/link")), D1, "the third");
    is(slurp(at("put/three/b/link")), D1, "the fourth");
    is_num((long long) slurp(at("put/big")).len, 30000, "the fifth");

    items[0].fd = -1;
    is_num(s->driver->put(s, items, 5, NULL), REG_ABSENT,
           "put again: nothing to move");

    items[0] = items[4];
    is_num(s->driver->put(s, items, 5, NULL), REG_OK,
           "put of what is all there");

    free((void *) items[4].data.data);
}


/* F14, F17: each call fails once; nothing is left, and the next one works. */

static void
test_put_faults(reg_store_t *s)
{
    int          err, failed;
    long         n;
    reg_rc_t     rc;
    reg_put_t    items[3];
    reg_error_t  e;

    static const int  errors[] = { ENOSPC, EIO, EROFS, EDQUOT, ENOMEM };

    memset(items, 0, sizeof(items));

    items[0].path = "faults/one/data";
    items[0].data = reg_str("data");
    items[0].fd = -1;
    items[1].path = "faults/two/link";
    items[1].data = reg_str(D1);
    items[1].fd = -1;
    items[1].step = 1;
    items[1].keep = 1;
    items[2] = items[1];
    items[2].path = "faults/three/link";
    items[2].step = 2;

    failed = 0;

    for (n = 1; n < 200; n++) {
        (void) nftw(at("faults"), root_remove_one, 32, FTW_DEPTH|FTW_PHYS);

        err = errors[n % 5];
        reg_error_clear(&e);

        fault_arm(n, err);
        rc = s->driver->put(s, items, 3, &e);

        if (!fault_disarm()) {
            break;
        }

        failed++;

        ok(rc != REG_OK && rc != REG_ABSENT && e.rc == rc && e.sys == err
           && e.call != NULL,
           "%s: F14 put fails with call %ld (%s)", mode, n, strerror(err));

        /* a link whose directory could not be synced is not there */

        if (is_there(at("faults/three/link"))) {
            ok(0, "%s: F17 the last link is there after call %ld", mode, n);
        }

        rc = s->driver->put(s, items, 3, NULL);
        ok(rc == REG_OK, "%s: and works the next time", mode);
    }

    ok(failed > 15, "%s: %d calls failed in turn", mode, failed);
    is(slurp(at("faults/three/link")), D1, "all is well in the end");

    is_num((long long) temporaries(), 0, "no temporary stays");
}


/* F17: a tag that is moved is there, and its index, whichever sync fails. */

static void
test_replaced(reg_store_t *s)
{
    int         left, moved;
    long        n;
    reg_rc_t    rc;
    reg_str_t   tag;
    reg_put_t   items[2];

    memset(items, 0, sizeof(items));

    items[0].path = "moved/index/link";
    items[0].data = reg_str(D1);
    items[0].fd = -1;
    items[0].keep = 1;
    items[1] = items[0];
    items[1].path = "moved/current/link";

    left = 0;

    for (n = 1; n < 50; n++) {
        (void) nftw(at("moved"), root_remove_one, 32, FTW_DEPTH|FTW_PHYS);
        spit(at("moved/current/link"), D2);

        fault_only = FAULT_SYNC;
        fault_arm(n, EIO);
        rc = s->driver->put(s, items, 2, NULL);
        fault_only = 0;

        if (!fault_disarm()) {
            break;
        }

        tag = slurp(at("moved/current/link"));
        moved = reg_str_eq(tag, reg_str(D1));
        left += moved;

        ok(rc != REG_OK
           && (moved ? is_there(at("moved/index/link"))
                     : reg_str_eq(tag, reg_str(D2))),
           "%s: F17 the tag is on something after sync %ld failed", mode, n);
    }

    ok(left > 0, "%s: some failed when it had been moved", mode);
}


static void
keep_discard(void)
{
    (void) rename(at("keep"), at("keep-%s", mode));
}


/* What is kept may vanish with its directory while the rest is written. */

static void
test_keep(reg_store_t *s)
{
    long         n;
    reg_rc_t     rc;
    reg_put_t    items[2];
    struct stat  a, b;

    memset(items, 0, sizeof(items));

    items[0].path = "keep/index/link";
    items[0].data = reg_str(D1);
    items[0].fd = -1;
    items[0].keep = 1;
    items[1] = items[0];
    items[1].path = "keep/current/link";

    (void) s->driver->put(s, items, 2, NULL);
    (void) stat(at("keep/current/link"), &a);
    is_num(s->driver->put(s, items, 2, NULL), REG_OK, "all is kept");
    (void) stat(at("keep/current/link"), &b);
    ok(a.st_ino == b.st_ino, "%s: nothing was written", mode);

    /* kept once, known to be on disk: no more calls */

    fault_only = FAULT_SYNC|FAULT_NAME|FAULT_WRITE;
    fault_arm(1, EIO);
    rc = s->driver->put(s, items, 2, NULL);
    n = fault_seen;
    (void) fault_disarm();
    fault_only = 0;
    ok(rc == REG_OK && n == 0, "%s: what is known is not synced again (%ld)",
       mode, n);

    spit(at("keep/current/link"), D2);
    is_num(s->driver->put(s, items, 2, NULL), REG_OK, "one of two is kept");
    is(slurp(at("keep/current/link")), D1, "the other is replaced");

    spit(at("keep/current/link"), D1 D2);
    is_num(s->driver->put(s, items, 2, NULL), REG_OK, "nor is what is longer");
    is(slurp(at("keep/current/link")), D1, "it is replaced, too");

    /* discarded between the first, which is kept, and the second */

    fault_call = keep_discard;
    fault_only = FAULT_TIME;
    fault_arm(1, FAULT_CALL);
    is_num(s->driver->put(s, items, 2, NULL), REG_OK,
           "put of what is discarded meanwhile");
    ok(fault_disarm(), "%s: it was", mode);
    fault_only = 0;
    ok(is_there(at("keep/index/link")) && is_there(at("keep/current/link")),
       "%s: both are there", mode);

    /* not ours to renew: made anew */

    (void) stat(at("keep/index/link"), &a);
    fault_only = FAULT_TIME;
    fault_arm(1, EPERM);
    is_num(s->driver->put(s, items, 1, NULL), REG_OK,
           "put of what somebody else owns");
    (void) fault_disarm();
    fault_only = 0;
    (void) stat(at("keep/index/link"), &b);
    ok(a.st_ino != b.st_ino, "%s: replaces it", mode);
}


static void
discard_now(void)
{
    (void) rename(at("gone"), at("gone-aside"));
}


/*
 * Whoever deletes a tag moves it aside, with the directories that a put has
 * made or opened there: what it puts is on both sides or on one.
 */

static void
test_discarded(reg_store_t *s)
{
    long       n, halves, lost;
    reg_rc_t   rc;
    reg_put_t  items[2];

    memset(items, 0, sizeof(items));

    items[0].path = "gone/index/link";
    items[0].data = reg_str(D1);
    items[0].fd = -1;
    items[0].keep = 1;
    items[1] = items[0];
    items[1].path = "gone/current/link";

    halves = 0;
    lost = 0;

    for (n = 1; n < 200; n++) {
        (void) nftw(at("gone"), root_remove_one, 32, FTW_DEPTH|FTW_PHYS);
        (void) nftw(at("gone-aside"), root_remove_one, 32,
                    FTW_DEPTH|FTW_PHYS);
        spit(at("gone/current/link"), D2);

        fault_call = discard_now;
        fault_arm(n, FAULT_CALL);
        rc = s->driver->put(s, items, 2, NULL);

        if (!fault_disarm()) {
            break;
        }

        lost += (rc != REG_OK);
        halves += (is_there(at("gone/current/link"))
                   && !is_there(at("gone/index/link")));
    }

    ok(n > 5 && n < 200, "%s: discarded at each call (%ld)", mode, n);
    is_num(lost, 0, "all of them are put");
    is_num(halves, 0, "no tag lacks its index entry");
}


static reg_store_t  *other_store;
static reg_put_t     other_item;
static reg_rc_t      other_rc;


/* Another worker puts the same name; then the next sync of ours fails. */

static void
other_put(void)
{
    fault_at = 0;
    other_rc = other_store->driver->put(other_store, &other_item, 1, NULL);
    fault_arm(1, EIO);
}


static long  other_at;


static void
other_now(void)
{
    fault_at = 0;
    other_rc = other_store->driver->put(other_store, &other_item, 1, NULL);
}


/* The sync fails in which this is called, and at a call after it ... */

static void
other_later(void)
{
    fault_call = other_now;
    fault_only = FAULT_NAME;
    fault_arm(other_at, FAULT_CALL);
    fault_then = EIO;
}


/* F17, F21: what cannot be synced is neither believed nor taken from others. */

static void
test_doubt(reg_store_t *s)
{
    int          i;
    char         path[64];
    reg_rc_t     rc;
    reg_put_t    item;

    static const char *const  data[] = { D1, D2 };

    other_store = store_open();
    fault_only = FAULT_SYNC;
    fault_call = other_put;

    memset(&item, 0, sizeof(item));

    item.path = path;
    item.data = reg_str(D1);
    item.fd = -1;
    item.keep = 1;

    for (i = 0; i < 2; i++) {
        (void) snprintf(path, sizeof(path), "doubt/%d/link", i);

        other_item = item;
        other_item.data = reg_str_of(data[i]);

        /* the first sync is that of the content */

        fault_arm(2, FAULT_CALL);
        rc = s->driver->put(s, &item, 1, NULL);

        ok(fault_disarm() && rc != REG_OK, "%s: a directory is not synced",
           mode);
        is_num(other_rc, REG_OK, "but that of somebody else was");
        is(slurp(at("%s", path)), data[i], "and what he put is there");
    }

    /* the same when it happens while the name is taken away again */

    (void) snprintf(path, sizeof(path), "doubt/aside/link");

    for (i = 1; i < 3; i++) {
        (void) nftw(at("doubt/aside"), root_remove_one, 32,
                    FTW_DEPTH|FTW_PHYS);

        other_rc = REG_INTERNAL;
        other_at = i;
        fault_call = other_later;
        fault_only = FAULT_SYNC;
        fault_arm(2, FAULT_CALL);
        rc = s->driver->put(s, &item, 1, NULL);
        (void) fault_disarm();

        ok(rc != REG_OK && other_rc == REG_OK, "%s: nor here, at call %d",
           mode, i);
        is(slurp(at("%s", path)), D2, "what was put meanwhile is there");
    }

    fault_only = 0;

    reg_store_close(other_store);
}


/* s that all seems to be older than it is */

static int  later;


time_t
time(time_t *t)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    if (t != NULL) {
        *t = ts.tv_sec + later;
    }

    return ts.tv_sec + later;
}


/*
 * Who is told that it is there relies upon its age as well, behind a power cut,
 * too: where nothing new is waited for, that is.
 */

static void
test_lease_synced(reg_store_t *s)
{
    int          n;
    reg_put_t    items[2];
    reg_error_t  e;

    memset(items, 0, sizeof(items));

    items[0].path = "lease/one/link";
    items[0].data = reg_str(D1);
    items[0].fd = -1;
    items[0].keep = 1;
    items[1] = items[0];
    items[1].path = "lease/two/link";
    items[1].step = 1;

    is_num(s->driver->put(s, items, 2, NULL), REG_OK, "two links");

    fault_only = FAULT_SYNC;
    later = REG_SYNC_AGE + 10;

    for (n = 1; n < 7; n++) {

        /* or they are new, and were given an old time: by a copy */

        if (n == 4) {
            later = 0;
        }

        if (n >= 4) {
            age(at("lease"), REG_SYNC_AGE + 10);
        }

        reg_error_clear(&e);
        fault_arm((n - 1) % 3 + 1, EIO);

        is_num(s->driver->put(s, items, 2, &e), (n % 3) ? REG_STORAGE : REG_OK,
               "put again, and a sync fails");
        ok(fault_disarm() == (n % 3 != 0), "%s: each lease is synced", mode);
        ok(n % 3 == 0 || e.sys == EIO, "and says so");
        is(slurp(at("lease/one/link")), D1, "nothing is taken away");
    }

    later = 0;
    fault_only = 0;
}


static void
swept(void)
{
    (void) nftw(at(REG_FS_TMP), root_remove_one, 8, FTW_DEPTH|FTW_PHYS);
}


/*
 * F37: a temporary that is taken for old while it is written, because the
 * clock has jumped, is written once more.
 */

static void
test_swept(reg_store_t *s)
{
    int        n;
    reg_put_t  items[2];

    memset(items, 0, sizeof(items));

    items[0].path = "swept/index/link";
    items[0].data = reg_str(D1);
    items[0].fd = -1;
    items[0].keep = 1;
    items[1] = items[0];
    items[1].path = "swept/current/link";
    items[1].keep = 0;

    fault_call = swept;
    fault_only = FAULT_SYNC;

    for (n = 1; n <= 2; n++) {
        (void) nftw(at("swept"), root_remove_one, 8, FTW_DEPTH|FTW_PHYS);

        fault_arm(n, FAULT_CALL);
        is_num(s->driver->put(s, items, 2, NULL), REG_OK,
               "F37 put while temporaries are removed");
        ok(fault_disarm(), "%s: they were, at sync %d", mode, n);
        is(slurp(at("swept/index/link")), D1, "F37 the first is there");
        is(slurp(at("swept/current/link")), D1, "F37 the second is there");
    }

    fault_only = 0;

    is_num((long long) temporaries(), 0, "no temporary stays");
}


static void
test_adopt(reg_store_t *s)
{
    spit(at("ad/from"), "new");
    spit(at("ad/to/data"), "old and longer");

    is_num(s->driver->adopt(s, "ad/from", "ad/to/data", NULL), REG_OK,
           "adopt");
    is(slurp(at("ad/to/data")), "new", "replaces");
    ok(!is_there(at("ad/from")), "%s: and moves", mode);
    is_num(s->driver->adopt(s, "ad/from", "ad/to/data", NULL), REG_ABSENT,
           "adopt of nothing");
    is_num(s->driver->adopt(s, "ad/none/from", "ad/to/data", NULL),
           REG_ABSENT, "nor from nowhere");
    is(slurp(at("ad/to/data")), "new", "changes nothing");
}


/* F22 */

static void
test_short(reg_store_t *s)
{
    reg_digest_t  d, got;
    char         *big;
    reg_str_t     text;

    big = noise(200000, 4);
    text.data = big;
    text.len = 200000;

    (void) reg_digest_parse(&d, reg_str(D1), NULL);

    fault_short = 1;

    is_num(reg_link_write(s, "short/link", &d, NULL), REG_OK,
           "F22 a link by short writes");
    is_num(reg_link_write(s, "short/link", &d, NULL), REG_OK,
           "F22 found equal by short reads");
    is_num(reg_link_read(s, "short/link", &got, NULL), REG_OK,
           "F22 and read by them");
    ok(reg_digest_eq(&d, &got), "%s: F22 right", mode);
    is_num(s->driver->write(s, "short/big", text, 1, NULL), REG_OK,
           "F22 a large file");

    fault_short = 0;

    is_str(slurp(at("short/big")), text, "F22 the large file");
    is(slurp(at("short/link")), D1, "F22 the link");

    free(big);
}


static void *
race_writer(void *ctx)
{
    int       i;
    char      path[64];
    reg_rc_t  rc;
    intptr_t  me, failed;

    me = (intptr_t) ctx;
    failed = 0;

    for (i = 0; i < 60; i++) {
        (void) snprintf(path, sizeof(path), "race/a/b/c/%d", (int) me);

        rc = race_store->driver->write(race_store, path, reg_str("x"), i % 2,
                                       NULL);
        failed += (rc != REG_OK);
        rc = race_store->driver->remove(race_store, path, "race", NULL,
                                        NULL);
        failed += (rc != REG_OK);
    }

    return (void *) failed;
}


/* Writers make the directories that others find empty and remove. */

static void
test_races(reg_store_t *s)
{
    void      *rc;
    intptr_t   i, failed;
    pthread_t  threads[4];

    race_store = s;
    failed = 0;
    make_dirs(at("race"));

    for (i = 0; i < 4; i++) {
        (void) pthread_create(&threads[i], NULL, race_writer, (void *) i);
    }

    for (i = 0; i < 4; i++) {
        (void) pthread_join(threads[i], &rc);
        failed += (intptr_t) rc;
    }

    is_num(failed, 0, "writes and removals of shared parents");
    ok(!is_there(at("race/a")), "%s: nothing is left of them", mode);
}
