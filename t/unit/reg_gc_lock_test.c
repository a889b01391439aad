
/*
 * How long the collector locks the store, by a clock that is told what each
 * removal takes; and that what goes in slices goes in an order in which it may
 * be stopped, or overtaken, between any two.
 */

#define REG_TEST_IN_MEMORY

#include "reg_test_age.h"
#include "reg_test_audit.h"

#include "reg_gc.h"
#include "reg_lease.h"

#include <sys/syscall.h>


#define DAY       86400
#define CHILDREN  20


static void test_layers(void);
static void test_slow(void);
static void test_group(void);
static void test_group_between(void);
static void test_empty(void);
static void test_empty_between(void);
static void test_door(void);


static reg_store_t      *s;
static reg_gc_how_t      how;
static reg_gc_counts_t   counts;
static int64_t           now_us;
static int64_t           cost_us;       /* of a removal */
static int64_t           slept_ms;
static void            (*removed)(void);

static reg_digest_t      children[CHILDREN], inner, outer, sig, fresh_one;
static reg_rc_t          answer;


int
renameat(int from, const char *a, int to, const char *b)
{
    int  rc;

    now_us += cost_us;
    rc = (int) syscall(SYS_renameat2, from, a, to, b, 0);

    if (removed != NULL) {
        removed();
    }

    return rc;
}


int
unlinkat(int dir, const char *name, int flags)
{
    now_us += cost_us;

    return (int) syscall(SYS_unlinkat, dir, name, flags);
}


int
nanosleep(const struct timespec *ts, struct timespec *left)
{
    (void) left;

    now_us += (int64_t) ts->tv_sec * 1000000 + ts->tv_nsec / 1000;
    slept_ms += (int64_t) ts->tv_sec * 1000 + ts->tv_nsec / 1000000;

    return 0;
}


int
fsync(int fd)
{
    (void) fd;

    return 0;
}


int
fdatasync(int fd)
{
    (void) fd;

    return 0;
}


static int64_t
us(void)
{
    return now_us;
}


int
main(void)
{
    how.grace = 3600;
    how.untagged = -1;
    how.us = us;

    test_layers();
    test_slow();
    test_group();
    test_group_between();
    test_empty();
    test_empty_between();
    test_door();

    reg_store_close(s);

    return done_testing();
}


static void
fresh(void)
{
    if (s != NULL) {
        reg_store_close(s);
    }

    root_make();
    s = store_open();
    cost_us = 0;
}


static reg_gc_t *
begin(void)
{
    reg_gc_t  *g;

    if (reg_gc_begin(&g, s, &how, NULL) != REG_OK) {
        bail("begin");
    }

    return g;
}


static void
step(reg_gc_t *g)
{
    if (reg_gc_step(g, NULL) != REG_OK) {
        bail("step");
    }
}


static void
collect(int64_t cost)
{
    reg_gc_t  *g;

    cost_us = cost;
    g = begin();

    while (!reg_gc_done(g)) {
        step(g);
    }

    counts = *reg_gc_counts(g);
    reg_gc_end(g);
    cost_us = 0;
}


static uint64_t
held(void)
{
    unsigned  i;
    uint64_t  n;

    n = 0;

    for (i = 0; i < REG_GC_HELD; i++) {
        n += counts.held[i];
    }

    return n;
}


static int
there(const reg_digest_t *d)
{
    reg_digest_t  target;

    return reg_revision_find(s, reg_str("some/app"), d, &target, NULL, NULL)
           == REG_OK;
}


/* The learnt part: as many go at a time as there is time for. */

static void
test_layers(void)
{
    int       i;
    char      text[16];
    unsigned  k;

    static const struct {
        const char  *what;
        int64_t      cost;
        unsigned     least, most;       /* locks */
    } rows[] = {
        { "things that take nothing",  0,     3,  8 },
        { "0.1 ms each",               100,   5, 12 },
        { "1 ms each",                 1000, 30, 70 },
        { "3 ms each",                 3000, 90, 130 },
        { "9 ms each",                 9000, 120, 130 }
    };

    for (k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        fresh();

        for (i = 0; i < 60; i++) {
            (void) snprintf(text, sizeof(text), "%d", i);
            (void) push_blob(s, "some/app", REG_SHA256, reg_str_of(text),
                             NULL);
        }

        age(at("docker"), DAY);
        collect(rows[k].cost);

        ok(counts.blobs_gone == 60 && counts.links_gone == 60,
           "%s: all go", rows[k].what);
        ok(counts.longest < 12000, "%s: locked for %u us at most",
           rows[k].what, (unsigned) counts.longest);
        ok(counts.locked >= rows[k].least && counts.locked <= rows[k].most,
           "%s: locked %u times", rows[k].what, (unsigned) counts.locked);
        is_num((long long) held(), (long long) counts.locked,
               "each is counted by how long it was");
    }
}


static int  slow_at;


static void
slow_once(void)
{
    if (slow_at > 0 && --slow_at == 0) {
        now_us += 150000;
    }
}


/* Once others had the processor, the next ones are shorter; then longer. */

static void
test_slow(void)
{
    int        i, k;
    char       text[16];
    uint64_t   locked;

    locked = 0;

    for (i = 0; i < 2; i++) {
        fresh();

        for (k = 0; k < 60; k++) {
            (void) snprintf(text, sizeof(text), "%d", k);
            (void) push_blob(s, "some/app", REG_SHA256, reg_str_of(text),
                             NULL);
        }

        age(at("docker"), DAY);

        slow_at = i ? 10 : 0;
        removed = slow_once;
        collect(200);
        removed = NULL;

        if (i == 0) {
            locked = counts.locked;
        }
    }

    ok(counts.held[REG_GC_HELD - 1] == 1 && counts.longest > 150000,
       "a lock that lasted for long is told");
    ok(counts.locked > locked, "those after it are shorter: %u locks, not %u",
       (unsigned) counts.locked, (unsigned) locked);
}


static reg_digest_t
put_list(const char *tag, const reg_digest_t *d, size_t n, const char *type)
{
    size_t        i, len;
    char          text[16384];
    reg_digest_t  list;

    len = (size_t) snprintf(text, sizeof(text),
                            "{\"schemaVersion\":2,\"mediaType\":\""
                            REG_TYPE_OCI_INDEX "\",\"manifests\":[");

    for (i = 0; i < n; i++) {
        len += (size_t) snprintf(text + len, sizeof(text) - len,
                                 "%s{\"mediaType\":\"%s\",\"digest\":\"%s\","
                                 "\"size\":1}", i ? "," : "", type,
                                 d[i].text);
    }

    (void) snprintf(text + len, sizeof(text) - len, "]}");

    answer = put_manifest(s, "some/app", tag, reg_str_of(text), &list, NULL);

    return list;
}


static reg_rc_t
refer(const reg_digest_t *subject, reg_digest_t *d)
{
    char  text[1024];

    (void) snprintf(text, sizeof(text), ",\"subject\":{\"mediaType\":\""
                    REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":1}",
                    subject->text);

    return push_image(s, "some/app", NULL, text, d);
}


/* An index of an index of twenty, and a signature of one of these. */

static void
group(void)
{
    int   i;
    char  text[64];

    for (i = 0; i < CHILDREN; i++) {
        (void) snprintf(text, sizeof(text), ",\"annotations\":{\"c\":\"%d\"}",
                        i);
        (void) push_image(s, "some/app", NULL, text, &children[i]);
    }

    inner = put_list(NULL, children, CHILDREN, REG_TYPE_OCI_MANIFEST);
    outer = put_list(NULL, &inner, 1, REG_TYPE_OCI_INDEX);

    (void) refer(&children[7], &sig);

    age(at("docker"), 10 * DAY);
}


static int  broken;


/* Whoever is killed now leaves this. */

static void
whole(void)
{
    int  i, n;

    for (n = 0, i = 0; i < CHILDREN; i++) {
        n += there(&children[i]);
    }

    if ((there(&outer) && !there(&inner)) || (there(&inner) && n < CHILDREN)
        || (there(&children[7]) && !there(&sig)))
    {
        broken++;
    }
}


static void
test_group(void)
{
    fresh();
    how.untagged = 7 * DAY;

    group();
    removed = whole;
    collect(3000);
    removed = NULL;

    is_num((long long) counts.untagged_gone, CHILDREN + 3,
           "a group of manifests goes");
    ok(counts.longest < 20000, "in slices: the store is locked for %u us",
       (unsigned) counts.longest);
    is_num(broken, 0, "whatever names another first, a subject before what "
           "refers to it");
    is_num(audit_findings(s), 0, "the audit finds nothing");

    /* one that is small goes at once */

    fresh();
    (void) push_image(s, "some/app", NULL, "", &children[0]);
    inner = put_list(NULL, children, 1, REG_TYPE_OCI_MANIFEST);
    age(at("docker"), 10 * DAY);
    collect(100);
    is_num((long long) counts.untagged_gone, 2, "a small one goes, too");

    how.untagged = -1;
}


static void
op_child(void)
{
    char  text[64];

    (void) snprintf(text, sizeof(text), ",\"annotations\":{\"c\":\"%d\"}", 7);
    answer = push_image(s, "some/app", "again", text, &fresh_one);
}


static void
op_list(void)
{
    fresh_one = put_list("again", &inner, 1, REG_TYPE_OCI_INDEX);
}


static void
op_half(void)
{
    fresh_one = put_list("again", children + 5, 10, REG_TYPE_OCI_MANIFEST);
}


static void
op_head(void)
{
    answer = reg_revision_lease(s, reg_str("some/app"), &inner,
                                REG_TIME_SECOND, NULL);
    fresh_one = inner;
}


static void
op_sig_head(void)
{
    answer = reg_revision_lease(s, reg_str("some/app"), &sig,
                                REG_TIME_SECOND, NULL);
    fresh_one = sig;
}


static void
op_sig(void)
{
    answer = refer(&children[7], &fresh_one);
}


static void
op_sig_sig(void)
{
    answer = refer(&sig, &fresh_one);
}


/* Somebody needs a part of it again, between any two slices. */

static void
test_group_between(void)
{
    int        i, k, n, yes, bad, was;
    reg_gc_t  *g;

    static const struct {
        const char  *what;
        void       (*op)(void);
    } rows[] = {
        { "a tag on one of many",        op_child },
        { "an index of their index",     op_list },
        { "an index of some of them",    op_half },
        { "HEAD of their index",         op_head },
        { "HEAD of a signature",         op_sig_head },
        { "a signature once more",       op_sig },
        { "a signature of a signature",  op_sig_sig }
    };

    how.untagged = 7 * DAY;

    for (i = 0; i < 7; i++) {
        yes = 0;
        bad = 0;

        for (k = 0; k < 60; k += 2) {
            fresh();
            group();
            cost_us = 3000;
            was = 0;
            g = begin();

            while (reg_gc_counts(g)->untagged_gone == 0) {
                step(g);
            }

            for (n = 0; !reg_gc_done(g); n++) {
                if (n == k) {
                    was = there(&children[7]);
                    cost_us = 0;
                    rows[i].op();
                    cost_us = 3000;
                }

                step(g);
            }

            reg_gc_end(g);

            if (answer == REG_OK) {
                yes++;

            } else if (!was) {

                /* all of it had gone by then */

                break;
            }
            cost_us = 0;

            if ((answer == REG_OK && !there(&fresh_one))
                || audit_findings(s) != 0
                || (was && there(&sig) != there(&children[7])))
            {
                ok(0, "%s at step %d", rows[i].what, k);
                bad++;
            }
        }

        ok(bad == 0 && yes > 0, "%s between any two of %d steps: %d times "
           "yes", rows[i].what, k, yes);
    }

    how.untagged = -1;
}


/* A repository of which many empty directories are left. */

static void
hollow(int n)
{
    int  i;

    fresh();
    (void) push_blob(s, "some/app", REG_SHA256, reg_str("{}"), NULL);
    age(at("docker"), DAY);
    collect(0);

    for (i = 0; i < n; i++) {
        make_dirs(at(REPOS "some/app/_referrers/sha256/%064d/sha256", i));
    }

    make_dirs(at(REPOS "some/app/_manifests/tags/v1/index/sha256"));
    spit(at(REPOS "some/app/_referrers/scanned"), "-");
    age(at("docker"), DAY);
}


static void
test_empty(void)
{
    unsigned  i;

    static const struct {
        int          n;
        int64_t      cost;
        int64_t      untagged;
    } rows[] = {
        { 2, 0, -1 },
        { 80, 500, -1 },
        { 80, 9000, 7 * DAY },
        { 300, 500, 7 * DAY }
    };

    how.empty = 1;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        hollow(rows[i].n);
        how.untagged = rows[i].untagged;
        collect(rows[i].cost);

        ok(!is_there(at(REPOS "some/app")), "an empty repository of %d "
           "directories goes at once", 2 * rows[i].n);
        is_num((long long) counts.empty_gone, 1, "and is counted");
        ok(counts.longest <= 12000, "the store is locked for %u us at most",
           (unsigned) counts.longest);
    }

    /* what is young, or deeper than anybody makes it, stays */

    hollow(80);
    age_one(at(REPOS "some/app/_referrers/sha256/%064d/sha256", 70), 0);
    collect(0);
    ok(is_there(at(REPOS "some/app/_referrers/sha256/%064d/sha256", 1)),
       "one directory that is young keeps all of it");
    is_num((long long) counts.empty_gone, 0, "which is counted, too");

    hollow(1);
    make_dirs(at(REPOS "some/app/_layers/1/2/3/4/5/6/7/8/9"));
    age(at("docker"), DAY);
    collect(0);
    ok(is_there(at(REPOS "some/app/_layers/1/2/3/4/5/6/7/8/9")),
       "and what nobody knows");

    hollow(1);
    spit(at(REPOS "some/app/_layers/scanned"), "-");
    age(at("docker"), DAY);
    collect(0);
    ok(is_there(at(REPOS "some/app/_layers/scanned")), "and a file");

    how.empty = 0;
    how.untagged = -1;
}


static char  upload_id[REG_UUID_LEN + 1];


static void
op_upload(void)
{
    answer = reg_upload_create(s, reg_str("some/app"), REG_SHA256, 1,
                               upload_id, NULL);
}


static void
op_blob(void)
{
    answer = push_blob(s, "some/app", REG_SHA256, reg_str("new"), &fresh_one);
}


static void
op_image(void)
{
    answer = push_image(s, "some/app", "v1", "", &fresh_one);
}


static int
kept(unsigned i)
{
    switch (i) {

    case 0:
        return is_there(at(REPOS "some/app/_uploads/%s/data", upload_id));

    case 1:
        return reg_blob_exists(s, reg_str("some/app"), &fresh_one, NULL) == 1;

    default:
        return there(&fresh_one)
               && is_there(at(REPOS "some/app/_manifests/tags/v1/current/"
                              "link"));
    }
}


/* Somebody pushes to it again, between any two steps. */

static void
test_empty_between(void)
{
    int        k, n, bad, half;
    unsigned   i;
    reg_gc_t  *g;

    static const struct {
        const char  *what;
        void       (*op)(void);
    } rows[] = {
        { "the beginning of an upload", op_upload },
        { "a blob",                     op_blob },
        { "an image",                   op_image }
    };

    how.empty = 1;

    for (i = 0; i < 3; i++) {
        bad = 0;
        half = 0;

        for (k = 0; k < 200; k++) {
            hollow(3);
            g = begin();
            cost_us = 3000;

            for (n = 0; !reg_gc_done(g); n++) {
                if (n == k) {
                    half += !is_there(at(REPOS "some/app/_referrers/sha256/"
                                         "%064d", 0));
                    cost_us = 0;
                    rows[i].op();
                    cost_us = 3000;
                }

                step(g);
            }

            reg_gc_end(g);
            cost_us = 0;

            if (n <= k) {
                break;
            }

            if (answer != REG_OK || !kept(i) || audit_findings(s) != 0) {
                ok(0, "%s at step %d", rows[i].what, k);
                bad++;
            }
        }

        ok(bad == 0 && half > 3 && k < 200, "%s between any two of %d steps "
           "stays, after half of it had gone %d times", rows[i].what, k,
           half);
    }

    how.empty = 0;
}


/*
 * Somebody who has the lock was stopped: nobody else is kept out for long, nor
 * for a good part of the time.
 */

static void
test_door(void)
{
    int        i, lock;
    int64_t    from, shut, longest, last, wait;
    reg_gc_t  *g;

    fresh();
    (void) push_image(s, "some/app", NULL, "", NULL);

    g = begin();
    (void) s->driver->lock(s, REG_LOCK_SHARED, &lock, NULL);

    from = now_us;
    longest = 0;
    last = 0;
    wait = 0;
    slept_ms = 0;

    for (i = 0; i < 60000; i++) {
        shut = slept_ms;

        if (reg_gc_step(g, NULL) != REG_BUSY) {
            bail("step");
        }

        shut = slept_ms - shut;

        if (shut > 0) {
            wait = now_us - last;
            last = now_us;
        }

        if (shut > longest) {
            longest = shut;
        }

        now_us += 10000;
    }

    ok(longest >= 100 && longest <= 200, "others are kept out for %d ms",
       (int) longest);
    ok(slept_ms * 1000 < (now_us - from) / 20, "%d ms of %d s",
       (int) slept_ms, (int) ((now_us - from) / 1000000));
    ok(wait > 30000000, "once in %d s in the end", (int) (wait / 1000000));

    s->driver->unlock(s, lock);

    for (i = 0; i < 5 && reg_gc_counts(g)->locked == 0; i++) {
        (void) reg_gc_step(g, NULL);
    }

    ok(reg_gc_counts(g)->locked == 1, "and it goes on when he is gone");
    reg_gc_end(g);
}
