
/*
 * Groups of manifests that go in slices: whatever somebody needs between any
 * two steps keeps all that it leads to, by whatever way and however far, as far
 * as that was there when he was answered.
 */

#define REG_TEST_IN_MEMORY

#include "reg_test_age.h"
#include "reg_test_audit.h"

#include "reg_gc.h"
#include "reg_lease.h"

#include <sys/file.h>
#include <sys/syscall.h>


#define DAY     86400
#define APP     "some/app"
#define NODES   200
#define EDGES   800
#define TEXT    (64 * 1024)


/* A manifest of the group, and what it keeps when it is kept. */
typedef struct {
    reg_digest_t  d;
    unsigned      there:1;
    unsigned      due:1;
} node_t;


typedef struct {
    size_t  from;
    size_t  to;
} edge_t;


static void test_between(void);
static void test_inside(void);
static void test_killed(void);
static void test_again(void);
static void test_never_quiet(void);
static void test_elsewhere(void);
static void test_dry(void);
static void test_note(void);


static reg_store_t      *s;
static reg_gc_how_t      how;
static reg_gc_counts_t   counts;
static int64_t           now_us;
static int64_t           cost_us;       /* of a removal */

static node_t            nodes[NODES];
static edge_t            edges[EDGES];
static size_t            nnodes, nedges;
static reg_digest_t      config, layer;

static size_t            turn;
static size_t            target;        /* what somebody needs */
static reg_rc_t          answer;


int
renameat(int from, const char *a, int to, const char *b)
{
    now_us += cost_us;

    return (int) syscall(SYS_renameat2, from, a, to, b, 0);
}


int
nanosleep(const struct timespec *ts, struct timespec *left)
{
    (void) left;

    now_us += (int64_t) ts->tv_sec * 1000000 + ts->tv_nsec / 1000;

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
    how.untagged = 7 * DAY;
    how.us = us;

    test_between();
    test_inside();
    test_killed();
    test_again();
    test_never_quiet();
    test_elsewhere();
    test_dry();
    test_note();

    reg_store_close(s);

    return done_testing();
}


/* --- groups -------------------------------------------------------------- */

static void
fresh(void)
{
    if (s != NULL) {
        reg_store_close(s);
    }

    root_make();
    s = store_open();
    nnodes = 0;
    nedges = 0;
    cost_us = 0;

    (void) push_blob(s, APP, REG_SHA256, reg_str("{}"), &config);
    (void) push_blob(s, APP, REG_SHA256, reg_str("layer"), &layer);
}


static void
keeps(size_t from, size_t to)
{
    if (nedges == EDGES) {
        bail("edges");
    }

    edges[nedges].from = from;
    edges[nedges++].to = to;
}


/* A file of ten days ago, in a directory that mostly is there. */

static void
old(const reg_path_t *p, const char *text)
{
    int              fd, tries;
    size_t           len;
    const char      *path;
    struct timespec  t[2];

    path = at("%s", p->s);
    len = strlen(text);

    for (tries = 0; /* void */ ; tries++) {
        fd = open(path, O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0644);

        if (fd != -1 || tries > 0) {
            break;
        }

        make_parents(path);
    }

    (void) clock_gettime(CLOCK_REALTIME, &t[0]);
    t[0].tv_sec -= 10 * DAY;
    t[1] = t[0];

    if (fd == -1 || write(fd, text, len) != (ssize_t) len
        || futimens(fd, t) == -1)
    {
        bail(path);
    }

    (void) close(fd);
}


/* A manifest behind the store's back, as a push would leave it. */

static size_t
place(const char *body, const size_t *subject)
{
    node_t       *node;
    reg_path_t    path;

    if (nnodes == NODES) {
        bail("nodes");
    }

    node = &nodes[nnodes];
    node->d = digest_of(REG_SHA256, reg_str_of(body));

    reg_layout_blob(&path, &node->d);
    old(&path, body);
    reg_layout_revision(&path, reg_str(APP), &node->d);
    old(&path, node->d.text);

    if (subject != NULL) {
        reg_layout_referrers(&path, reg_str(APP), &nodes[*subject].d,
                             &node->d);
        old(&path, node->d.text);

        keeps(nnodes, *subject);
        keeps(*subject, nnodes);
    }

    return nnodes++;
}


static const char *
subject_text(const size_t *subject)
{
    static char  text[512];

    text[0] = '\0';

    if (subject != NULL) {
        (void) snprintf(text, sizeof(text), ",\"subject\":{\"mediaType\":\""
                        REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\","
                        "\"size\":1}", nodes[*subject].d.text);
    }

    return text;
}


static const char *
one_text(size_t number, const size_t *subject)
{
    char  more[1024];

    (void) snprintf(more, sizeof(more), ",\"annotations\":{\"n\":\"%zu\"}%s",
                    number, subject_text(subject));

    return image_text(&config, &layer, more).data;
}


static const char *
list_text(const size_t *children, size_t n, size_t number,
    const size_t *subject)
{
    size_t  i, len;

    static char  text[TEXT];

    len = (size_t) snprintf(text, sizeof(text), "{\"schemaVersion\":2,"
                            "\"mediaType\":\"" REG_TYPE_OCI_INDEX "\","
                            "\"annotations\":{\"n\":\"%zu\"}%s,"
                            "\"manifests\":[", number, subject_text(subject));

    for (i = 0; i < n; i++) {
        len += (size_t) snprintf(text + len, sizeof(text) - len,
                                 "%s{\"mediaType\":\"" REG_TYPE_OCI_MANIFEST
                                 "\",\"digest\":\"%s\",\"size\":1}",
                                 i ? "," : "", nodes[children[i]].d.text);
    }

    (void) snprintf(text + len, sizeof(text) - len, "]}");

    return text;
}


static size_t
one(const size_t *subject)
{
    return place(one_text(nnodes, subject), subject);
}


static size_t
list(const size_t *children, size_t n, const size_t *subject)
{
    size_t  i, me;

    me = place(list_text(children, n, nnodes, subject), subject);

    for (i = 0; i < n; i++) {
        keeps(me, children[i]);
    }

    return me;
}


/* n of them that hang together, and the index of these. */

static size_t
crowd(size_t n)
{
    size_t  i, all[NODES];

    for (i = 0; i < n; i++) {
        all[i] = one(NULL);
    }

    return list(all, n, NULL);
}


/*
 * What names both the target and another, n times: it goes first, so that the
 * two are there for as long as that takes, and the other goes before the target
 * is looked at.
 */

static void
above(size_t n, size_t other)
{
    size_t  in[2];

    in[0] = other;
    in[1] = target;

    while (n-- > 0) {
        (void) list(in, 2, NULL);
    }
}


/* index -> referrer -> subject */

static void
shape_index(size_t n)
{
    size_t  subject, referrer;

    subject = one(NULL);
    referrer = one(&subject);
    target = list(&referrer, 1, NULL);
    above(n, subject);
}


/* The same, the subject is the index of many. */

static void
shape_among(size_t n)
{
    size_t  subject, referrer;

    subject = crowd(n);
    referrer = one(&subject);
    target = list(&referrer, 1, NULL);
    above(8, subject);
}


/* Each is the subject of the next, and an index names the last one. */

static void
shape_chain(size_t n)
{
    size_t  i, first, last;

    first = one(NULL);
    last = first;

    for (i = 1; i < n; i++) {
        last = one(&last);
    }

    target = list(&last, 1, NULL);
    above(12, first);
}


/* One of many who refer to one. */

static void
shape_referrers(size_t n)
{
    size_t  i, subject;

    subject = one(NULL);

    for (i = 0; i < n; i++) {
        (void) one(&subject);
    }

    target = subject + 1 + 37 * turn % n;
    above(12, subject);
}


/* An index that names one of many who refer to one. */

static void
shape_named(size_t n)
{
    size_t  i, subject, referrer;

    subject = one(NULL);

    for (i = 0; i < n; i++) {
        (void) one(&subject);
    }

    referrer = subject + 1 + 37 * turn % n;
    target = list(&referrer, 1, NULL);
    above(12, subject);
}


/* Indexes of indexes, and a referrer of the innermost one. */

static void
shape_nested(size_t n)
{
    size_t  i, in[2], last;

    last = crowd(3);
    target = one(&last);

    for (i = 0; i < n / 2; i++) {
        in[0] = last;
        in[1] = one(NULL);
        last = list(in, 2, NULL);
    }
}


/* The same, all of them above an index of a referrer of another one. */

static void
shape_below(size_t n)
{
    size_t  i, in[2], subject, referrer;

    subject = one(NULL);
    referrer = one(&subject);
    target = list(&referrer, 1, NULL);

    in[0] = subject;
    in[1] = target;

    for (i = 0; i < n; i++) {
        in[1] = list(in, 2, NULL);
    }
}


/* An index that has one as its subject of which it names a referrer. */

static void
shape_knot(size_t n)
{
    size_t  subject, in[2];

    subject = crowd(n);
    in[0] = one(NULL);
    in[1] = one(&subject);
    target = list(in, 2, &subject);
    above(8, subject);
}


/* --- what is there, and what has to stay --------------------------------- */

static int
there(size_t i)
{
    reg_digest_t  d;

    return reg_revision_find(s, reg_str(APP), &nodes[i].d, &d, NULL, NULL)
           == REG_OK;
}


static size_t
look(void)
{
    size_t  i, n;

    for (n = 0, i = 0; i < nnodes; i++) {
        nodes[i].there = (unsigned) there(i);
        nodes[i].due = 0;
        n += nodes[i].there;
    }

    return n;
}


/* Somebody was told that it is there: so are those that it leads to. */

static void
due(size_t i)
{
    size_t  k;

    if (!nodes[i].there || nodes[i].due) {
        return;
    }

    nodes[i].due = 1;

    for (k = 0; k < nedges; k++) {
        if (edges[k].from == i) {
            due(edges[k].to);
        }
    }
}


static size_t
lost(void)
{
    size_t  i, n;

    for (n = 0, i = 0; i < nnodes; i++) {
        n += (nodes[i].due && !there(i));
    }

    return n;
}


/* --- what somebody does -------------------------------------------------- */

static const char *
text_of(size_t i)
{
    reg_str_t    body;
    reg_path_t   path;

    static char  text[TEXT];

    reg_layout_blob(&path, &nodes[i].d);
    body = slurp(at("%s", path.s));

    (void) snprintf(text, sizeof(text), "%.*s", (int) body.len, body.data);

    return text;
}


static void
op_head(void)
{
    answer = reg_revision_lease(s, reg_str(APP), &nodes[target].d,
                                REG_TIME_SECOND, NULL);
}


static void
op_push(void)
{
    answer = put_manifest(s, APP, NULL, reg_str_of(text_of(target)), NULL,
                          NULL);
}


static void
op_tag(void)
{
    answer = put_manifest(s, APP, "again", reg_str_of(text_of(target)), NULL,
                          NULL);
}


static void
op_untag(void)
{
    op_tag();

    if (answer == REG_OK) {
        answer = reg_tag_delete(s, reg_str(APP), reg_str("again"), NULL);
    }
}


static void
op_name(void)
{
    answer = put_manifest(s, APP, NULL,
                          reg_str_of(list_text(&target, 1, NODES, NULL)),
                          NULL, NULL);
}


static void
op_refer(void)
{
    answer = put_manifest(s, APP, NULL, reg_str_of(one_text(NODES, &target)),
                          NULL, NULL);
}


/* One that names it goes, by a client, before it is asked for. */

static void
op_delete(void)
{
    size_t  k;

    for (k = 0; k < nedges; k++) {
        if (edges[k].to == target && nodes[edges[k].from].there) {
            (void) reg_manifest_delete(s, reg_str(APP),
                                       &nodes[edges[k].from].d, NULL, NULL);
            break;
        }
    }

    (void) look();
    op_head();
}


static const struct {
    const char  *what;
    void       (*op)(void);
    int          makes;     /* it is there afterwards, come what may */
    int          once;      /* with one shape it is enough */
} ops[] = {
    { "HEAD",                   op_head,   0, 0 },
    { "a push",                 op_push,   1, 0 },
    { "a tag",                  op_tag,    1, 1 },
    { "a tag put on and off",   op_untag,  1, 1 },
    { "an index that names it", op_name,   0, 0 },
    { "a referrer",             op_refer,  0, 0 },
    { "HEAD after a delete",    op_delete, 0, 1 }
};

#define OPS  (sizeof(ops) / sizeof(ops[0]))


static const struct {
    const char  *what;
    void       (*make)(size_t n);
    size_t       n;
} shapes[] = {
    { "index, referrer, subject",            shape_index,     20 },
    { "the same in a group of 100",          shape_index,     100 },
    { "index, referrer, index of 20",        shape_among,     20 },
    { "index, referrer, index of 110",       shape_among,     110 },
    { "a chain of 20 referrers",             shape_chain,     20 },
    { "a chain of 100 referrers",            shape_chain,     100 },
    { "one of 20 referrers",                 shape_referrers, 20 },
    { "one of 80 referrers",                 shape_referrers, 80 },
    { "an index of one of 80 referrers",     shape_named,     80 },
    { "nested indexes",                      shape_nested,    20 },
    { "nested indexes, 100 manifests",       shape_nested,    100 },
    { "nested above index, referrer",        shape_below,     20 },
    { "an index that is a referrer of 20",   shape_knot,      20 }
};

#define SHAPES  (sizeof(shapes) / sizeof(shapes[0]))


/* --- tests --------------------------------------------------------------- */

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
end(reg_gc_t *g)
{
    counts = *reg_gc_counts(g);
    reg_gc_end(g);
    cost_us = 0;
}


static void
collect(void)
{
    reg_gc_t  *g;

    g = begin();

    while (!reg_gc_done(g)) {
        step(g);
    }

    end(g);
}


static void
group(unsigned i)
{
    fresh();
    shapes[i].make(shapes[i].n);
}


/* The steps of those that are in the order, with nobody about. */

static void
steps(unsigned shape, int *from, int *to)
{
    int        n;
    reg_gc_t  *g;

    group(shape);
    cost_us = 3000;
    *from = 0;
    *to = 0;
    g = begin();

    for (n = 0; !reg_gc_done(g); n++) {
        step(g);

        if (reg_gc_counts(g)->untagged_gone == 0) {
            *from = n;
        }

        if (reg_gc_counts(g)->untagged_gone == nnodes && *to == 0) {
            *to = n;
        }
    }

    end(g);

    ok(counts.untagged_gone == nnodes && *to > *from, "%s: all %zu go when "
       "nobody needs them, in %d steps", shapes[shape].what, nnodes,
       *to - *from);

    /* the looks before */

    *from -= 4;
}


/* What somebody needs between two steps: 1 when he got it. */

static int
once(unsigned shape, unsigned op, int k, size_t *gone)
{
    int        n;
    reg_gc_t  *g;

    *gone = 0;
    turn = (size_t) k;
    group(shape);
    cost_us = 3000;
    g = begin();

    for (n = 0; !reg_gc_done(g); n++) {
        if (n == k) {
            *gone = nnodes - look();
            cost_us = 0;
            ops[op].op();
            cost_us = 3000;

            if (answer == REG_OK) {
                nodes[target].there |= (unsigned) ops[op].makes;
                due(target);
            }
        }

        step(g);
    }

    end(g);

    return answer == REG_OK;
}


static void
test_between(void)
{
    int       k, from, to, yes, half, bad, large, stride;
    size_t    gone;
    unsigned  i, op;

    for (i = 0; i < SHAPES; i++) {
        steps(i, &from, &to);

        large = (shapes[i].n > 50);
        stride = large ? 1 + (to - from) / 5 : 3;

        for (op = 0; op < OPS; op++) {

            /* what is slow is done by one way of asking */

            if ((i > 0 && ops[op].once) || (large && op > 0)) {
                continue;
            }

            yes = 0;
            half = 0;
            bad = 0;
            gone = 0;

            /* each step, until some of those in front have gone */

            for (k = from; k <= to; k += (half < 4) ? 1 : stride) {

                if (!once(i, op, k, &gone)) {

                    /* it went, and is not made anew by this */

                    break;
                }

                yes++;
                half += (gone > 0);

                if (lost() > 0 || audit_findings(s) != 0) {
                    printf("# step %d: %zu had gone, %zu are lost\n", k,
                           gone, lost());
                    bad++;
                }
            }

            ok(bad == 0 && half > 3, "F46 %s, %s, between any two of %d steps: "
               "%d times yes, %d of these when some had gone: %d times wrong",
               shapes[i].what, ops[op].what, to - from, yes, half, bad);
        }
    }
}


static const reg_driver_t  *inner;
static reg_driver_t         outer;
static int                  inside_at, inside_seen;
static void               (*inside_op)(void);


/* 1 when nobody has the lock, upon which something is noted. */

static int
lock_is_free(void)
{
    int          fd, yes;
    struct stat  st;

    fd = open(at(REG_FS_LOCK), O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        return 0;
    }

    yes = (fstat(fd, &st) == 0 && st.st_size > 0
           && flock(fd, LOCK_EX|LOCK_NB) == 0);
    (void) close(fd);

    return yes;
}


static void
inside(void)
{
    if (inside_seen != inside_at) {
        return;
    }

    s->driver = inner;
    cost_us = 0;
    (void) look();
    inside_op();

    if (answer == REG_OK) {
        due(target);
    }

    cost_us = 3000;
    s->driver = &outer;
}


static reg_rc_t
inside_stat(reg_store_t *st, const char *path, reg_stat_t *out,
    reg_error_t *e)
{
    reg_rc_t  rc;

    if (strstr(path, "/revisions/") == NULL || !lock_is_free()) {
        return inner->stat(st, path, out, e);
    }

    /* just before one, or just behind it */

    inside_seen++;

    if (inside_seen % 2 == 0) {
        rc = inner->stat(st, path, out, e);
        inside();

        return rc;
    }

    inside();

    return inner->stat(st, path, out, e);
}


/* The same between any two looks of one step. */

static void
test_inside(void)
{
    int       bad, yes;
    unsigned  i, op;

    for (i = 0; i < SHAPES; i++) {
        for (op = 0; op < 2 && shapes[i].n < 50; op++) {

            if (i > 0 && op > 0) {
                break;
            }

            bad = 0;
            yes = 0;

            /* of one shape each, of the others before and behind in turn */

            for (inside_at = 1;
                 inside_at < 200;
                 inside_at += (i == 0) ? 1 : 3)
            {
                group(i);
                inside_seen = 0;
                inside_op = ops[op].op;
                inner = s->driver;
                outer = *inner;
                outer.stat = inside_stat;
                s->driver = &outer;

                cost_us = 3000;
                collect();
                s->driver = inner;

                if (inside_seen < inside_at) {
                    break;
                }

                yes += (answer == REG_OK);
                bad += (lost() > 0 || audit_findings(s) != 0);
            }

            ok(bad == 0 && yes > 8, "F46 %s, %s, between any two of %d looks",
               shapes[i].what, ops[op].what, inside_at);
        }
    }
}


/* The collector is killed, somebody needs something, another one begins. */

static void
test_killed(void)
{
    int        k, n, from, to, bad, yes;
    unsigned   i;
    reg_gc_t  *g;

    for (i = 0; i < SHAPES; i++) {
        if (i > 1 && shapes[i].n > 50) {
            continue;
        }

        steps(i, &from, &to);
        bad = 0;
        yes = 0;

        for (k = from; k <= to; k += 1 + (to - from) / 12) {
            group(i);
            cost_us = 3000;
            g = begin();

            for (n = 0; n < k; n++) {
                step(g);
            }

            end(g);
            (void) look();
            op_head();

            if (answer == REG_OK) {
                yes++;
                due(target);
            }

            cost_us = 3000;
            collect();

            if (lost() > 0 || audit_findings(s) != 0) {
                bad++;
            }

            /* and nothing is left when nobody needs it any more */

            age(at("docker"), 10 * DAY);
            collect();
            bad += (look() != 0);
        }

        ok(bad == 0 && yes > 0, "F04 %s, killed at any of %d steps: HEAD %d "
           "times yes", shapes[i].what, to - from, yes);
    }
}


/* A subject that went is pushed again: what refers to it stays. */

static void
test_again(void)
{
    int        k, bad, half;
    char       body[4096];
    size_t     subject, n;
    reg_gc_t  *g;

    bad = 0;
    half = 0;

    for (k = 0; k < 60; k++) {
        fresh();
        turn = 0;
        shape_referrers(60);
        subject = 0;
        (void) snprintf(body, sizeof(body), "%s", text_of(subject));
        age(at("docker"), 10 * DAY);

        cost_us = 3000;
        g = begin();

        while (reg_gc_counts(g)->untagged_gone < (uint64_t) k + 1) {
            step(g);
        }

        cost_us = 0;
        n = look();
        answer = put_manifest(s, APP, NULL, reg_str_of(body), NULL, NULL);
        half += !nodes[subject].there;
        nodes[subject].there = 1;
        due(subject);
        cost_us = 3000;

        while (!reg_gc_done(g)) {
            step(g);
        }

        end(g);

        if (answer != REG_OK || n == 0 || lost() > 0
            || audit_findings(s) != 0)
        {
            bad++;
        }
    }

    ok(bad == 0 && half > 30, "a subject that went is pushed again, %d times: "
       "its referrers stay", half);
}


/* Others push to it all the time: what is left stays, and goes another time. */

static void
test_never_quiet(void)
{
    int        i;
    char       more[64];
    size_t     n;
    reg_gc_t  *g;

    fresh();
    (void) crowd(100);
    age(at("docker"), 10 * DAY);

    g = begin();
    cost_us = 3000;

    for (i = 0; i < 10000 && !reg_gc_done(g); i++) {
        (void) snprintf(more, sizeof(more), ",\"annotations\":{\"p\":\"%d\"}",
                        i);
        (void) put_manifest(s, APP, "busy", image_text(&config, &layer, more),
                            NULL, NULL);
        step(g);
    }

    ok(reg_gc_done(g), "a repository that is never quiet: an end is found in "
       "%d steps", i);
    end(g);
    is_num((long long) look(), (long long) nnodes, "all of it stays");
    is_num(audit_findings(s), 0, "the audit finds nothing");

    /* quiet for some steps at a time */

    g = begin();
    cost_us = 3000;

    for (i = 0; i < 10000 && !reg_gc_done(g); i++) {
        if (i % 12 == 0) {
            (void) snprintf(more, sizeof(more),
                            ",\"annotations\":{\"q\":\"%d\"}", i);
            (void) put_manifest(s, APP, "busy",
                                image_text(&config, &layer, more), NULL,
                                NULL);
        }

        step(g);
    }

    end(g);
    n = look();
    ok(n < nnodes, "one that sometimes is: %zu of %zu go",
       nnodes - n, nnodes);
    is_num(audit_findings(s), 0, "the audit finds nothing");

    collect();
    is_num((long long) look(), 0, "and the rest when nobody disturbs");
}


/* What is done in another repository, or with blobs, disturbs nobody. */

static void
test_elsewhere(void)
{
    int        i;
    uint64_t   calls, locked;
    reg_gc_t  *g;

    for (i = 0, calls = 0, locked = 0; i < 2; i++) {
        fresh();
        (void) push_image(s, "zzz", "v1", "", NULL);
        (void) crowd(100);
        age(at("docker"), 10 * DAY);

        g = begin();
        cost_us = 3000;

        while (!reg_gc_done(g)) {
            if (i == 1 && reg_gc_counts(g)->untagged_gone < nnodes) {
                (void) push_image(s, "some/apple", "v1", "", NULL);
                (void) push_image(s, "some", "v1", "", NULL);
                (void) reg_blob_lease(s, reg_str(APP), &layer,
                                      REG_TIME_SECOND, NULL);
            }

            step(g);
        }

        end(g);
        is_num((long long) look(), 0, i ? "so it does while others push "
               "elsewhere" : "a group of a hundred goes");

        if (i == 0) {
            calls = counts.calls;
            locked = counts.locked;
        }
    }

    ok(counts.calls < calls + 100, "and it is looked at once: %d calls, %d "
       "without them", (int) counts.calls, (int) calls);
    ok(counts.locked < locked + 20, "%d locks, %d without them",
       (int) counts.locked, (int) locked);
}


static void
test_dry(void)
{
    fresh();
    (void) crowd(100);
    age(at("docker"), 10 * DAY);

    how.dry = 1;
    collect();
    how.dry = 0;

    is_num((long long) counts.untagged_gone, (long long) nnodes,
           "one that only tells tells of all of them");
    is_num((long long) counts.locked, 0, "nobody has to wait");
    is_num((long long) look(), (long long) nnodes, "they are there");
    is_num((long long) slurp(at(REG_FS_LOCK)).len, 0, "nothing is noted");
}


/* The note is upon the file of the lock, and upon no other. */

static void
test_note(void)
{
    reg_gc_t     *g;
    reg_rc_t      rc;
    reg_error_t   e;

    fresh();
    (void) crowd(100);
    age(at("docker"), 10 * DAY);
    spit(at("secret"), "root's own");
    (void) unlink(at(REG_FS_LOCK));

    if (geteuid() != 0) {
        ok(1, "nobody else could change a file that is not the store's");
        return;
    }

    if (link(at("secret"), at(REG_FS_LOCK)) != 0 || chown(at("."), 33, 33) != 0)
    {
        bail("link");
    }

    reg_error_clear(&e);
    g = begin();
    rc = REG_OK;

    while (rc == REG_OK && !reg_gc_done(g)) {
        rc = reg_gc_step(g, &e);
    }

    end(g);
    ok(rc == REG_STORAGE && e.sys == EMLINK, "a lock that is another file, "
       "too, ends it");
    is(slurp(at("secret")), "root's own", "which is as it was");
    is_num((long long) look(), (long long) nnodes, "nothing went");
}
