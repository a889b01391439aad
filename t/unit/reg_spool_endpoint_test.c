
#include "reg_test_spool.h"


static void test_names(void);
static void test_begin(void);
static void test_lost(void);
static void test_save(void);
static void test_error(void);
static void test_unreadable(void);
static void test_lock(void);
static void test_list(void);
static void test_replay(void);


int
main(void)
{
    root_make();
    s = store_open();

    test_names();
    test_begin();
    test_lost();
    test_save();
    test_error();
    test_unreadable();
    test_lock();
    test_list();
    test_replay();

    reg_store_close(s);

    return done_testing();
}


static void
test_names(void)
{
    int                    valid;
    size_t                 i;
    char                   name[REG_SPOOL_NAME_MAX + 2];
    uint64_t               after;
    reg_spool_endpoint_t   ep;

    static const struct {
        const char  *name;
        int          valid;
    } rows[] = {
        { "ci", 1 }, { "A-z_0", 1 }, { "", 0 }, { REG_SPOOL_NOBODY, 0 },
        { "..", 0 }, { "a/b", 0 }, { "a.lock", 0 }, { "a b", 0 }, { "a,b", 0 },
        { "\xc3\xa4", 0 }
    };

    memset(&ep, 0, sizeof(ep));

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        valid = reg_spool_name_valid(reg_str_of(rows[i].name));
        is_num(valid, rows[i].valid, rows[i].name);

        if (!valid) {
            ok(reg_spool_endpoint_load(s, rows[i].name, &ep, NULL)
               == REG_INTERNAL
               && reg_spool_endpoint_save(s, rows[i].name, &ep, NULL)
                  == REG_INTERNAL
               && reg_spool_endpoint_sync(s, rows[i].name, NULL)
                  == REG_INTERNAL
               && reg_spool_endpoint_lock(s, rows[i].name, &(int) { 0 }, NULL)
                  == REG_INTERNAL
               && reg_spool_replay(s, rows[i].name, 0, NULL) == REG_INTERNAL
               && reg_spool_replay_asked(s, rows[i].name, &after, NULL)
                  == REG_INTERNAL, "is refused everywhere");
        }
    }

    memset(name, 'n', sizeof(name));
    name[REG_SPOOL_NAME_MAX] = '\0';
    is_num(reg_spool_name_valid(reg_str_of(name)), 1, "the longest");
    is_num(reg_spool_endpoint_save(s, name, &ep, NULL), REG_OK, "is saved");
    is_num(reg_spool_replay(s, name, 1, NULL), REG_OK, "and replayed");
    name[REG_SPOOL_NAME_MAX] = 'n';
    name[REG_SPOOL_NAME_MAX + 1] = '\0';
    is_num(reg_spool_name_valid(reg_str_of(name)), 0, "a longer one");
}


/* A new endpoint has what was made for it before anybody saved it. */

static void
test_begin(void)
{
    size_t               i;
    uint64_t             cursor;
    reg_spool_t         *sp;
    reg_spool_reader_t  *r;

    reg_store_close(s);
    root_make();
    s = store_open();

    sp = spool_open(0, 0);
    is_num(begin(sp, "ci", NOW, &cursor), REG_OK, "without a spool");
    ok(cursor == FIRST - 1, "it begins before the first");
    is_num(segment(FIRST), 0, "whose number is settled");

    is_num(begin(sp, "new", NOW + 1000000, &cursor), REG_OK, "a second one");
    ok(cursor == FIRST - 1, "begins with it");

    (void) put(sp, "", "0", NULL);
    (void) put(sp, "audit", "1", NULL);
    (void) put(sp, REG_SPOOL_NOBODY, "2", NULL);

    (void) begin(sp, "ci", NOW, &cursor);
    ok(cursor == FIRST + 2, "behind what is not for it by name");

    (void) put(sp, "audit,ci", "3", NULL);
    (void) put(sp, "", "4", NULL);
    (void) put(sp, "ci", "5", NULL);

    (void) begin(sp, "ci", NOW, &cursor);
    ok(cursor == FIRST + 2, "before the first that is");
    (void) begin(sp, "audit", NOW, &cursor);
    ok(cursor == FIRST, "another");
    (void) begin(sp, "new", NOW, &cursor);
    ok(cursor == FIRST + 5, "one that nothing was for");

    /* a call looks at so many and no more */

    (void) put(sp, "", "6", NULL);
    r = reader(0);

    for (cursor = 0, i = 0; i < 2; i++) {
        is_num(reg_spool_endpoint_begin(sp, r, "new", 3, NOW, &cursor, NULL),
               REG_ABSENT, "three of seven events");
        ok(cursor == FIRST + 2 + 3 * i, "are three");
    }

    is_num(reg_spool_endpoint_begin(sp, r, "new", 3, NOW, &cursor, NULL),
           REG_OK, "and the last");
    ok(cursor == FIRST + 6, "is where it begins");
    reg_spool_reader_close(r);

    /* nothing is left but a number */

    (void) truncate(segment_path(FIRST), 0);
    (void) rename(segment_path(FIRST), segment_path(FIRST + 7));
    (void) begin(sp, "ci", NOW, &cursor);
    ok(cursor == FIRST + 6, "an empty segment");

    reg_spool_close(sp);
}


/* What goes before a new endpoint had anything is lost for it, to the first. */

static void
test_lost(void)
{
    char                  text[1000];
    size_t                i;
    uint64_t              cursor;
    reg_spool_t          *sp;
    reg_spool_stat_t      st;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    reg_store_close(s);
    root_make();
    s = store_open();

    sp = spool_open(REG_SPOOL_SIZE_MIN, 0);
    (void) begin(sp, "ci", NOW, &cursor);

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    for (i = 0; i < 2000; i++) {
        (void) put(sp, "ci", text, NULL);
    }

    (void) reg_spool_stat(sp, &st, NULL);

    r = reader(cursor);
    is_num(reg_spool_next(r, &rec, NULL), REG_OK, "what is left");
    ok(st.dropped > 0 && rec.lost == st.dropped,
       "and %llu lost before it, of %llu", (unsigned long long) rec.lost,
       (unsigned long long) st.dropped);

    reg_spool_reader_close(r);
    reg_spool_close(sp);
}


static int
same(const reg_spool_endpoint_t *a, const reg_spool_endpoint_t *b)
{
    return a->cursor == b->cursor && a->delivered == b->delivered
           && a->lost == b->lost && a->failures == b->failures
           && a->since == b->since && a->retry == b->retry
           && a->status == b->status && strcmp(a->error, b->error) == 0;
}


static void
test_save(void)
{
    struct stat            st;
    reg_spool_endpoint_t   ep, back;

    is_num(reg_spool_endpoint_load(s, "ci", &ep, NULL), REG_ABSENT,
           "there is none");
    is_num(reg_spool_endpoint_sync(s, "ci", NULL), REG_ABSENT,
           "which cannot be synced");

    memset(&ep, 0, sizeof(ep));
    ep.cursor = FIRST;

    is_num(reg_spool_endpoint_save(s, "ci", &ep, NULL), REG_OK, "saved");
    is_num(reg_spool_endpoint_load(s, "ci", &back, NULL), REG_OK, "loaded");
    ok(same(&ep, &back), "as it was");
    is_num(reg_spool_endpoint_sync(s, "ci", NULL), REG_OK, "synced");

    ep.cursor = UINT64_MAX;
    ep.delivered = UINT64_MAX;
    ep.lost = UINT64_MAX;
    ep.failures = UINT64_MAX;
    ep.since = INT64_MAX;
    ep.retry = INT64_MAX;
    ep.status = 999;
    memset(ep.error, 'e', sizeof(ep.error) - 1);
    ep.error[sizeof(ep.error) - 1] = '\0';

    is_num(reg_spool_endpoint_save(s, "ci", &ep, NULL), REG_OK,
           "the largest");
    is_num(reg_spool_endpoint_load(s, "ci", &back, NULL), REG_OK, "loaded");
    ok(same(&ep, &back), "as it was");

    memset(&ep, 0, sizeof(ep));
    is_num(reg_spool_endpoint_save(s, "ci", &ep, NULL), REG_OK,
           "the smallest over it");
    is_num(reg_spool_endpoint_load(s, "ci", &back, NULL), REG_OK, "loaded");
    ok(same(&ep, &back), "as it was");

    ep.since = -1;
    ep.retry = -5;
    ep.status = 1000;
    (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);
    (void) reg_spool_endpoint_load(s, "ci", &back, NULL);
    ok(back.since == 0 && back.retry == 0 && back.status == 0,
       "what cannot be is nothing");

    (void) stat(at(EVENTS "/endpoints/ci"), &st);
    is_num((long long) st.st_size, 512, "it has always the same size");
}


/* One line, whatever somebody else said. */

static void
test_error(void)
{
    reg_spool_endpoint_t  ep, back;

    memset(&ep, 0, sizeof(ep));
    strcpy(ep.error, "a\nsum sha256:00\n\x01\x7f\xff");

    (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);
    is_num(reg_spool_endpoint_load(s, "ci", &back, NULL), REG_OK, "loaded");
    is(reg_str_of(back.error), "a?sum sha256:00???\xff",
       "control bytes are replaced");
}


/* What nobody can read begins at the beginning. */

static void
test_unreadable(void)
{
    size_t                 i;
    reg_str_t              text;
    reg_spool_endpoint_t   ep, back;

    memset(&ep, 0, sizeof(ep));
    ep.cursor = 77;
    strcpy(ep.error, "an error");
    (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);

    for (i = 0; i < 4; i++) {
        static const size_t  cuts[] = { 0, 1, 30, 100 };

        (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);
        (void) truncate(at(EVENTS "/endpoints/ci"), (off_t) cuts[i]);

        back.cursor = 1;
        ok(reg_spool_endpoint_load(s, "ci", &back, NULL) == REG_OK
           && back.cursor == 0, "cut after %zu bytes", cuts[i]);
    }

    /* a bit, wherever it counts */

    for (i = 0; i < 120; i += 7) {
        (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);
        text = slurp(at(EVENTS "/endpoints/ci"));
        ((char *) text.data)[i] ^= 1;
        spit_bytes(at(EVENTS "/endpoints/ci"), text.data, text.len);

        back.cursor = 1;

        if (reg_spool_endpoint_load(s, "ci", &back, NULL) != REG_OK
            || back.cursor != 0)
        {
            ok(0, "a bit flipped at %zu", i);
        }
    }

    (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);
    (void) reg_spool_endpoint_load(s, "ci", &back, NULL);
    ok(same(&ep, &back), "the next save mends it");

    /* a link is not followed */

    (void) unlink(at(EVENTS "/endpoints/ci"));
    spit(at("outside"), "x");
    make_symlink(at("outside"), at(EVENTS "/endpoints/ci"));
    ok(reg_spool_endpoint_save(s, "ci", &ep, NULL) != REG_OK,
       "A110 no link is followed");
    is(slurp(at("outside")), "x", "A110 nothing is written");
    (void) unlink(at(EVENTS "/endpoints/ci"));
}


static void
test_lock(void)
{
    int  a, b;

    is_num(reg_spool_endpoint_lock(s, "ci", &a, NULL), REG_OK, "locked");
    is_num(reg_spool_endpoint_lock(s, "ci", &b, NULL), REG_ABSENT,
           "not twice");
    is_num(reg_spool_endpoint_lock(s, "audit", &b, NULL), REG_OK, "another");
    (void) close(b);
    (void) close(a);
    is_num(reg_spool_endpoint_lock(s, "ci", &a, NULL), REG_OK,
           "it goes with its holder");
    (void) close(a);
}


static reg_rc_t
count(void *ctx, reg_str_t name, int dir)
{
    char  *p;

    (void) dir;

    p = ctx;
    strncat(p, name.data, name.len);
    strcat(p, ";");

    return REG_OK;
}


static void
test_list(void)
{
    char                   text[500];
    reg_spool_endpoint_t   ep;

    reg_store_close(s);
    root_make();
    s = store_open();

    text[0] = '\0';
    is_num(reg_spool_endpoints(s, count, text, NULL), REG_OK, "none");
    is(reg_str_of(text), "", "is nothing");

    memset(&ep, 0, sizeof(ep));
    (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);
    (void) reg_spool_replay(s, "ci", 5, NULL);
    (void) reg_spool_replay(s, "other", 5, NULL);
    spit(at(EVENTS "/endpoints/ci.lock"), "");
    make_dirs(at(EVENTS "/endpoints/dir"));

    (void) reg_spool_endpoints(s, count, text, NULL);
    is(reg_str_of(text), "ci;", "those that were saved");
}


static void
test_replay(void)
{
    size_t    i;
    uint64_t  after;

    static const char  *const bad[] = { "", "x\n", "5", "-1\n", "5\n5\n",
        "99999999999999999999\n", "5\r\n" };

    is_num(reg_spool_replay_asked(s, "audit", &after, NULL), REG_ABSENT,
           "nobody asked");
    is_num(reg_spool_replay(s, "audit", FIRST, NULL), REG_OK, "somebody asks");
    is_num(reg_spool_replay_asked(s, "audit", &after, NULL), REG_OK, "asked");
    ok(after == FIRST, "for that");

    is_num(reg_spool_replay(s, "audit", FIRST + 1, NULL), REG_OK,
           "and again");
    is_num(reg_spool_replay_done(s, "audit", FIRST, NULL), REG_OK,
           "the first is done");
    ok(reg_spool_replay_asked(s, "audit", &after, NULL) == REG_OK
       && after == FIRST + 1, "the second is not");
    is_num(reg_spool_replay_done(s, "audit", FIRST + 1, NULL), REG_OK,
           "now it is");
    is_num(reg_spool_replay_asked(s, "audit", &after, NULL), REG_ABSENT,
           "nobody asks any more");
    is_num(reg_spool_replay_done(s, "audit", 1, NULL), REG_OK,
           "done without being asked");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        spit(at(EVENTS "/endpoints/audit.from"), bad[i]);
        is_num(reg_spool_replay_asked(s, "audit", &after, NULL), REG_ABSENT,
               "that asks for nothing");
    }
}
