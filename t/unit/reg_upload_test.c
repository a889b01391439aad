
#include "reg_test_upload.h"

#include <pthread.h>


typedef struct {
    reg_upload_t  *u;
    struct iovec   iov[2];
} test_split_t;


static void test_create(void);
static void test_spare(void);
static void test_sizes(void);
static void test_split(void);
static void *test_split_hash(void *data);
static void test_resume(void);
static void test_unsaved(void);
static void test_algorithms(void);
static void test_unknown(void);
static void test_busy(void);
static void test_saved_meanwhile(void);
static reg_rc_t test_list_and_save(reg_store_t *st, const char *path,
    reg_list_pt fn, void *ctx, reg_error_t *e);
static void test_cancel(void);
static void test_mismatch(void);
static void test_states(void);
static void test_wrong_state(void);
static void test_cut_data(void);
static void test_planted(void);


static const reg_driver_t  *real;
static reg_upload_t        *saving;
static reg_str_t            more;


int
main(void)
{
    (void) umask(0);

    root_make();
    s = store_open();

    test_create();
    test_spare();
    test_sizes();
    test_split();
    test_resume();
    test_unsaved();
    test_algorithms();
    test_unknown();
    test_busy();
    test_saved_meanwhile();
    test_cancel();
    test_mismatch();
    test_states();
    test_wrong_state();
    test_cut_data();
    test_planted();


    reg_store_close(s);

    return done_testing();
}


static void
test_create(void)
{
    struct stat  st;

    begin(REG_SHA256);

    ok(reg_uuid_valid(reg_str_of(id)), "the id is a UUID");
    is(slurp(at(UPLOAD "/startedat", id)), "2026-11-20T21:04:05Z",
       "startedat");
    is(slurp(at(UPLOAD "/data", id)), "", "data is empty");
    ok(!is_there(at(UPLOAD "/hashstates", id)), "no state");
    is_num(status(), 0, "its offset");
    is_num(reg_repo_exists(s, reg_str(NAME), NULL), 0,
           "an upload makes no repository");

    (void) stat(at(UPLOAD, id), &st);
    is_num(st.st_mode & 07777, 0755, "mode of the directory");
    (void) stat(at(UPLOAD "/data", id), &st);
    is_num(st.st_mode & 07777, 0644, "mode of the data");

    begin(REG_SHA512);
    ok(is_there(at(STATE, id, "sha512", (size_t) 0)),
       "a session of sha512 knows its algorithm");
    is_num(status(), 0, "its offset too");
}


/* A session that ended well leaves its directory to another one. */

static void
test_spare(void)
{
    int            i;
    char           was[REG_UUID_LEN + 1];
    struct stat    a, b;
    reg_digest_t   d;
    reg_upload_t  *u;

    static const char  *const dates[] = {
        "2020-02-03T04:05:06Z", "2020-02-03T04:05:06.123456789Z", ""
    };

    d = digest_of(REG_SHA256, reg_str("spare"));

    for (i = 0; i < 3; i++) {
        begin(REG_SHA256);
        spit(at(UPLOAD "/startedat", id), dates[i]);
        (void) stat(at(UPLOAD, id), &a);
        memcpy(was, id, sizeof(was));

        u = resume();
        (void) upload_add(u, reg_str("spare"));
        (void) reg_upload_commit(u, &d, NULL);
        reg_upload_close(u);
        ok(!is_there(at(UPLOAD, was)), "an ended session is gone");

        begin(REG_SHA512);
        (void) stat(at(UPLOAD, id), &b);
        ok(a.st_ino == b.st_ino && strcmp(was, id) != 0,
           "a new one has its directory");
        is(slurp(at(UPLOAD "/startedat", id)), "2026-11-20T21:04:05Z",
           "with a date of its own");
        is(slurp(at(UPLOAD "/data", id)), "", "and no data");

        /* one with states is not left to anybody */

        u = resume();
        d = digest_of(REG_SHA256, reg_str("spare"));
        (void) upload_add(u, reg_str("spare"));
        (void) reg_upload_commit(u, &d, NULL);
        reg_upload_close(u);

        begin(REG_SHA256);
        ok(!is_there(at(UPLOAD "/hashstates", id)), "no states either");
        (void) reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL);
    }

    /* one that was taken away in the meantime */

    begin(REG_SHA256);
    u = resume();
    (void) upload_add(u, reg_str("spare"));
    (void) reg_upload_commit(u, &d, NULL);
    reg_upload_close(u);
    (void) nftw(at(REG_FS_SPARE), root_remove_one, 32, FTW_DEPTH|FTW_PHYS);
    begin(REG_SHA256);
    is(slurp(at(UPLOAD "/startedat", id)), "2026-11-20T21:04:05Z",
       "without a spare one it is made");
}


/* In one request and in several, on both sides of what is small. */

static void
test_sizes(void)
{
    int            saved;
    char          *data;
    size_t         i, half;
    reg_rc_t       rc;
    reg_str_t      all;
    reg_digest_t   d;
    reg_upload_t  *u;
    struct iovec   iov[3];

    static const size_t  sizes[] = {
        0, 1, 63, 64, 1000, REG_UPLOAD_SMALL - 1, REG_UPLOAD_SMALL,
        REG_UPLOAD_SMALL + 1, 200001, 262144, 1000000
    };

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        data = noise(sizes[i], (unsigned) i);
        all = part(data, 0, sizes[i]);
        d = digest_of(REG_SHA256, all);
        half = sizes[i] / 3;

        for (saved = 0; saved < 2; saved++) {
            begin(REG_SHA256);
            u = resume();

            iov[0].iov_base = data;
            iov[0].iov_len = half / 2;
            iov[1].iov_base = data;
            iov[1].iov_len = 0;
            iov[2].iov_base = data + half / 2;
            iov[2].iov_len = half - half / 2;

            rc = reg_upload_append(u, iov, 3, NULL);
            ok(rc == REG_OK, "%zu bytes: the first part", sizes[i]);

            if (saved) {
                rc = reg_upload_save(u, NULL);
                ok(rc == REG_OK && status() == (long long) half,
                   "%zu bytes: saved", sizes[i]);
                rc = reg_upload_save(u, NULL);
                ok(rc == REG_OK, "%zu bytes: saved once more", sizes[i]);
                reg_upload_close(u);
                u = resume();
            }

            ok(reg_upload_offset(u) == half, "%zu bytes: the offset",
               sizes[i]);

            rc = upload_add(u, part(data, half, sizes[i]));
            ok(rc == REG_OK && reg_upload_offset(u) == sizes[i],
               "%zu bytes: the rest", sizes[i]);

            rc = reg_upload_commit(u, &d, NULL);
            reg_upload_close(u);

            ok(rc == REG_OK, "%zu bytes: committed", sizes[i]);
            ok(blob_is(&d, all), "%zu bytes: the blob", sizes[i]);
            ok(reg_blob_exists(s, reg_str(NAME), &d, NULL) == 1,
               "%zu bytes: it is linked", sizes[i]);
            ok(!is_there(at(UPLOAD, id)), "%zu bytes: the session is gone",
               sizes[i]);
            is_num(status(), -1, "and unknown");
        }

        free(data);
    }

    ok(is_there(at(REPOS NAME "/_layers"))
       && is_there(at(REPOS NAME "/_manifests")),
       "the repository is one to both kinds of distribution");
}


/* Long pieces, written by one thread and hashed by another. */

static void
test_split(void)
{
    char          *data;
    size_t         n;
    reg_rc_t       rc;
    pthread_t      other;
    reg_digest_t   d;
    test_split_t   t;

    data = noise(900000, 9);
    d = digest_of(REG_SHA256, part(data, 0, 900000));

    begin(REG_SHA256);
    t.u = resume();

    ok(!reg_upload_splits(t.u), "an upload without bytes is not split");
    (void) upload_add(t.u, part(data, 0, REG_UPLOAD_SMALL));
    ok(!reg_upload_splits(t.u), "nor one that is small");
    (void) upload_add(t.u, part(data, REG_UPLOAD_SMALL, 90000));
    ok(reg_upload_splits(t.u), "one that is large is");

    for (n = 90000; n < 900000; n += 90000) {
        t.iov[0].iov_base = data + n;
        t.iov[0].iov_len = 1001;
        t.iov[1].iov_base = data + n + 1001;
        t.iov[1].iov_len = 90000 - 1001;

        if (pthread_create(&other, NULL, test_split_hash, &t) != 0) {
            bail("pthread_create");
        }

        rc = reg_upload_write(t.u, t.iov, 2, NULL);
        (void) pthread_join(other, NULL);

        ok(rc == REG_OK && reg_upload_offset(t.u) == n + 90000,
           "part at %zu: written", n);

        /* what was saved of it must do for another request */

        if (n == 450000) {
            ok(reg_upload_save(t.u, NULL) == REG_OK, "and saved");
            ok(is_there(at(STATE, id, "sha256", n + 90000)),
               "with its state");
            reg_upload_close(t.u);
            t.u = resume();
            ok(reg_upload_splits(t.u), "it can be split at once again");
        }
    }

    ok(reg_upload_commit(t.u, &d, NULL) == REG_OK, "both agree on the digest");
    reg_upload_close(t.u);
    ok(blob_is(&d, part(data, 0, 900000)), "the bytes are in order");

    free(data);
}


static void *
test_split_hash(void *data)
{
    test_split_t  *t = data;

    reg_upload_hash(t->u, t->iov, 2);

    return NULL;
}


/* A large one leaves a state of each saved offset, and of that alone. */

static void
test_resume(void)
{
    char          *data;
    size_t         n;
    reg_rc_t       rc;
    reg_digest_t   d;
    reg_upload_t  *u;

    data = noise(500000, 5);
    d = digest_of(REG_SHA256, part(data, 0, 500000));

    begin(REG_SHA256);

    for (n = 0; n < 500000; n += 50000) {
        u = resume();
        ok(reg_upload_offset(u) == n, "part at %zu", n);

        rc = upload_add(u, part(data, n, n + 50000));
        ok(rc == REG_OK && reg_upload_save(u, NULL) == REG_OK,
           "part at %zu: saved", n);
        reg_upload_close(u);

        ok(is_there(at(STATE, id, "sha256", n + 50000))
           == (n + 50000 > REG_UPLOAD_SMALL),
           "part at %zu: a state, unless it is small", n);
        ok(!is_there(at(STATE, id, "sha256", n)), "and no older one");
    }

    is_num(status(), 500000, "the offset in the end");

    u = resume();
    is_num(reg_upload_commit(u, &d, NULL), REG_OK, "commit without bytes");
    reg_upload_close(u);
    ok(blob_is(&d, part(data, 0, 500000)), "ten parts make the blob");

    free(data);
}


/* What was not saved does not count. */

static void
test_unsaved(void)
{
    char          *data;
    size_t         i, end;
    reg_digest_t   d;
    reg_upload_t  *u;

    static const struct {
        size_t  saved;
        size_t  more;
    } rows[] = {
        { 0, 10 },
        { 0, REG_UPLOAD_SMALL },
        { 0, 300000 },
        { 1000, 10 },
        { 1000, 100000 },
        { REG_UPLOAD_SMALL, 1 },
        { REG_UPLOAD_SMALL, 100000 },
        { 100000, 1 },
        { 100000, 100000 }
    };

    data = noise(400000, 6);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        /* ends before the end of what was not saved */

        end = rows[i].saved + 5;
        d = digest_of(REG_SHA256, part(data, 0, end));

        begin(REG_SHA256);

        u = resume();
        (void) upload_add(u, part(data, 0, rows[i].saved));
        (void) reg_upload_save(u, NULL);
        reg_upload_close(u);

        u = resume();
        (void) upload_add(u, part(data, 100, 100 + rows[i].more));
        is_num((long long) reg_upload_offset(u),
               (long long) (rows[i].saved + rows[i].more),
               "received");
        ok(status() == (long long) rows[i].saved,
           "row %zu: promised is only what was saved", i);

        if (i % 2) {
            reg_upload_undo(u);
            is_num(slurp(at(UPLOAD "/data", id)).len, rows[i].saved,
                   "undone: the space is given back");
            ok(reg_upload_save(u, NULL) != REG_OK, "it may only be closed");
            ok(status() == (long long) rows[i].saved, "it stands as before");
        }

        reg_upload_close(u);

        u = resume();
        ok(reg_upload_offset(u) == rows[i].saved,
           "row %zu: the rest is cut off", i);
        (void) upload_add(u, part(data, rows[i].saved, end));
        ok(reg_upload_commit(u, &d, NULL) == REG_OK
           && blob_is(&d, part(data, 0, end)),
           "row %zu: and nothing of it is left", i);
        reg_upload_close(u);
    }

    free(data);
}


static void
test_algorithms(void)
{
    int            announced, asked, small;
    char          *data;
    size_t         len;
    reg_rc_t       rc;
    reg_str_t      all;
    reg_digest_t   d;
    reg_upload_t  *u;

    data = noise(300000, 7);

    for (small = 0; small < 2; small++) {
        for (asked = 0; asked < 2; asked++) {
            for (announced = 0; announced < 2; announced++) {

                len = small ? 3000 : 300000;
                all = part(data, 0, len);
                d = digest_of(REG_SHA512, all);

                begin(asked ? REG_SHA512 : REG_SHA256);

                u = resume();

                if (announced) {
                    reg_upload_expect(u, REG_SHA512);
                }

                (void) upload_add(u, part(data, 0, len / 2));
                (void) reg_upload_save(u, NULL);
                reg_upload_close(u);

                u = resume();
                reg_upload_expect(u, REG_SHA512);       /* too late */
                (void) upload_add(u, part(data, len / 2, len));
                rc = reg_upload_commit(u, &d, NULL);
                reg_upload_close(u);

                ok(rc == REG_OK && blob_is(&d, all),
                   "sha512, %s%s%s", small ? "small" : "large",
                   asked ? ", asked for" : "",
                   announced ? ", announced" : "");

                (void) reg_blob_delete(s, reg_str(NAME), &d, NULL);
            }
        }
    }

    /* and a sha256 in a session of sha512 */

    begin(REG_SHA512);
    u = resume();
    (void) upload_add(u, part(data, 0, 200000));
    d = digest_of(REG_SHA256, part(data, 0, 200000));
    is_num(reg_upload_commit(u, &d, NULL), REG_OK, "sha256 after all");
    reg_upload_close(u);
    ok(blob_is(&d, part(data, 0, 200000)), "is stored as such");

    free(data);
}


static void
test_unknown(void)
{
    uint64_t       offset;
    reg_upload_t  *u;
    reg_error_t    e;

    begin(REG_SHA256);

    reg_error_clear(&e);
    is_num(reg_upload_open(&u, s, reg_str("other"), reg_str_of(id), &e),
           REG_UPLOAD_UNKNOWN, "a session of another repository");
    is_num(e.rc, REG_UPLOAD_UNKNOWN, "and the error says so");
    is_num(reg_upload_status(s, reg_str("other"), reg_str_of(id), &offset,
                             NULL),
           REG_UPLOAD_UNKNOWN, "its status");
    is_num(reg_upload_cancel(s, reg_str("other"), reg_str_of(id), NULL),
           REG_UPLOAD_UNKNOWN, "its cancellation");
    is_num(status(), 0, "all of which leaves it alone");

    is_num(reg_upload_open(&u, s, reg_str(NAME),
                           reg_str("00000000-0000-4000-8000-000000000000"),
                           NULL),
           REG_UPLOAD_UNKNOWN, "no such session");
    reg_upload_close(NULL);
}


static void
test_busy(void)
{
    uint64_t       offset;
    reg_upload_t  *u, *v;

    begin(REG_SHA256);
    u = resume();

    is_num(reg_upload_open(&v, s, reg_str(NAME), reg_str_of(id), NULL),
           REG_UPLOAD_BUSY, "a second writer");
    is_num(reg_upload_status(s, reg_str(NAME), reg_str_of(id), &offset,
                             NULL),
           REG_OK, "status does not need the lock");

    reg_upload_close(u);
    u = resume();
    reg_upload_close(u);
    ok(1, "free again");
}


/* Who writes saves what he has while another one asks how much there is. */

static void
test_saved_meanwhile(void)
{
    int            late;
    char          *data;
    long long      before, after;
    reg_driver_t   driver;
    reg_upload_t  *u;

    data = noise(300000, 4);

    real = s->driver;
    driver = *real;
    driver.list = test_list_and_save;

    for (late = 0; late < 2; late++) {
        begin(REG_SHA256);
        u = resume();
        (void) upload_add(u, part(data, 0, 200000));
        (void) reg_upload_save(u, NULL);

        if (!late) {
            (void) upload_add(u, part(data, 200000, 300000));
        }

        before = status();

        saving = u;
        more = part(data, 200000, late ? 300000 : 200000);
        s->driver = &driver;

        after = status();

        s->driver = real;
        reg_upload_close(u);

        ok(saving == NULL && before == 200000 && after == 300000,
           "F34 %lld bytes, and %lld when it is saved meanwhile%s", before,
           after, late ? ", and longer" : "");
    }

    free(data);
}


/* Between the list of the states and the first of them that is read. */

static reg_rc_t
test_list_and_save(reg_store_t *st, const char *path, reg_list_pt fn,
    void *ctx, reg_error_t *e)
{
    reg_rc_t       rc;
    reg_upload_t  *u;

    rc = real->list(st, path, fn, ctx, e);
    u = saving;

    if (u != NULL && strstr(path, "/hashstates/sha256") != NULL) {
        saving = NULL;
        (void) upload_add(u, more);
        (void) reg_upload_save(u, NULL);
    }

    return rc;
}


static void
test_cancel(void)
{
    int            large;
    char          *data;
    reg_rc_t       rc;
    reg_digest_t   d;
    reg_upload_t  *u;

    begin(REG_SHA256);
    is_num(reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL), REG_OK,
           "cancel");
    ok(!is_there(at(UPLOAD, id)), "it is gone");
    is_num(reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL),
           REG_UPLOAD_UNKNOWN, "once");

    /* from under somebody who is writing */

    data = noise(100000, 8);

    for (large = 0; large < 2; large++) {
        begin(REG_SHA256);
        u = resume();
        (void) upload_add(u, part(data, 0, large ? 100000 : 10));
        is_num(reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL),
               REG_OK, "cancel of a session in use");
        (void) upload_add(u, part(data, 0, 10));

        d = digest_of(REG_SHA256, reg_str("whatever"));
        rc = reg_upload_commit(u, &d, NULL);
        ok(rc == REG_DIGEST_MISMATCH || rc == REG_UPLOAD_UNKNOWN,
           "its holder is told");
        reg_upload_close(u);
        ok(!is_there(at(UPLOAD, id)), "and does not bring it back");
    }

    begin(REG_SHA256);
    u = resume();
    (void) upload_add(u, reg_str("cancelled"));
    (void) reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL);
    d = digest_of(REG_SHA256, reg_str("cancelled"));
    is_num(reg_upload_commit(u, &d, NULL), REG_UPLOAD_UNKNOWN,
           "commit of a cancelled session");
    reg_upload_close(u);
    ok(reg_blob_exists(s, reg_str(NAME), &d, NULL) == 0, "makes no blob");

    free(data);
}


static void
test_mismatch(void)
{
    reg_error_t    e;
    reg_digest_t   d;
    reg_upload_t  *u;

    begin(REG_SHA256);
    u = resume();
    (void) upload_add(u, reg_str("this"));
    d = digest_of(REG_SHA256, reg_str("that"));

    reg_error_clear(&e);
    is_num(reg_upload_commit(u, &d, &e), REG_DIGEST_MISMATCH, "mismatch");
    ok(strstr(e.detail, digest_of(REG_SHA256, reg_str("this")).text) != NULL,
       "the detail says what came");
    is_num(reg_upload_commit(u, &d, NULL), REG_INTERNAL, "no second try");
    ok(upload_add(u, reg_str("x")) != REG_OK
       && reg_upload_save(u, NULL) != REG_OK, "nor anything else");
    reg_upload_close(u);

    ok(!is_there(at(UPLOAD, id)), "the session is gone");
    ok(reg_blob_exists(s, reg_str(NAME), &d, NULL) == 0, "nothing is stored");
}


/* F13, F36: states as they may be found. */

static void
test_states(void)
{
    char          *data;
    size_t         i, len;
    reg_hash_t     h;
    unsigned char  state[2 * REG_HASH_STATE_MAX];
    reg_digest_t   d;
    reg_upload_t  *u;

    static const struct {
        const char  *name;
        const char  *what;
        long long    offset;
    } rows[] = {
        { "200000", "right", 200000 },
        { "200001", "length and name differ", 0 },
        { "0200000", "an odd name", 0 },
        { "0x30d40", "another odd name", 0 },
        { "300001", "more than there is data", 0 },
        { "200000.tmp", "a temporary", 0 },
        { "", "no name", 0 }
    };

    data = noise(300000, 9);
    d = digest_of(REG_SHA256, part(data, 0, 300000));

    reg_hash_init(&h, REG_SHA256);
    reg_hash_update(&h, data, 200000);
    len = reg_hash_save(&h, state);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin(REG_SHA256);
        spit_bytes(at(UPLOAD "/data", id), data, 300000);

        if (rows[i].name[0] != '\0') {
            spit_bytes(at(UPLOAD "/hashstates/sha256/%s", id, rows[i].name),
                       state, len);
        }

        ok(status() == rows[i].offset, "F36 a state: %s", rows[i].what);
        u = resume();
        ok((long long) reg_upload_offset(u) == rows[i].offset,
           "F36 opened: %s", rows[i].what);
        (void) upload_add(u, part(data, (size_t) rows[i].offset, 300000));
        ok(reg_upload_commit(u, &d, NULL) == REG_OK, "F36 and goes on");
        reg_upload_close(u);
    }

    /* an older one counts when the newer cannot be read */

    begin(REG_SHA256);
    spit_bytes(at(UPLOAD "/data", id), data, 300000);
    spit_bytes(at(STATE, id, "sha256", (size_t) 200000), state, len);
    spit(at(STATE, id, "sha256", (size_t) 250000), "");
    spit_bytes(at(STATE, id, "sha256", (size_t) 260000), state, len);
    spit_bytes(at(STATE, id, "sha256", (size_t) 270000), state,
               sizeof(state));
    make_dirs(at(STATE, id, "sha256", (size_t) 280000));
    make_symlink("200000", at(STATE, id, "sha256", (size_t) 290000));
    is_num(status(), 200000, "F13 the newest that can be read");
    u = resume();
    is_num((long long) reg_upload_offset(u), 200000, "F13 opened there");
    (void) upload_add(u, part(data, 200000, 300000));
    is_num(reg_upload_commit(u, &d, NULL), REG_OK, "F13 and goes on");
    reg_upload_close(u);
    ok(!is_there(at(UPLOAD, id)), "all of it is removed");

    free(data);
}


/*
 * F36: distribution goes on with a small upload of ours, which has no state,
 * and saves one of its own part alone.
 */

static void
test_wrong_state(void)
{
    char          *data;
    size_t         i, len, first, all;
    reg_hash_t     h;
    unsigned char  state[REG_HASH_STATE_MAX];
    reg_digest_t   d;
    reg_upload_t  *u;

    data = noise(300000, 10);

    for (i = 0; i < 3; i++) {
        first = (i == 0) ? 1000 : 1024;
        all = (i == 2) ? 300000 : 2048;

        begin(REG_SHA256);
        spit_bytes(at(UPLOAD "/data", id), data, all);

        reg_hash_init(&h, REG_SHA256);
        reg_hash_update(&h, data + first, all - first);
        len = reg_hash_save(&h, state);
        spit_bytes(at(STATE, id, "sha256", all - first), state, len);

        u = resume();
        ok(reg_upload_offset(u) == all, "F36 a wrong state of %zu in %zu",
           all - first, all);
        d = digest_of(REG_SHA256, part(data, 0, all));
        ok(reg_upload_commit(u, &d, NULL) == REG_OK, "F36 is seen through");
        reg_upload_close(u);
    }

    free(data);
}


/* Writes zeros over the first bytes of a file, which stays the same inode. */

static void
file_zero(const char *path, size_t len)
{
    int    fd;
    char  *zeros;

    zeros = calloc(1, len);
    fd = open(path, O_WRONLY);

    if (zeros == NULL || fd == -1
        || pwrite(fd, zeros, len, 0) != (ssize_t) len)
    {
        bail(path);
    }

    (void) close(fd);
    free(zeros);
}


/* F12, F13: what a power cut makes of the data. */

static void
test_cut_data(void)
{
    char            *data, *zeros;
    reg_digest_t     d;
    reg_upload_t    *u;
    struct timespec  times[2];

    data = noise(200000, 11);
    d = digest_of(REG_SHA256, part(data, 0, 200000));

    begin(REG_SHA256);
    u = resume();
    (void) upload_add(u, part(data, 0, 150000));
    (void) reg_upload_save(u, NULL);
    reg_upload_close(u);

    ok(truncate(at(UPLOAD "/data", id), 100000) == 0, "F12 data is cut");
    is_num(status(), 0, "F12 data shorter than its state");
    u = resume();
    is_num((long long) reg_upload_offset(u), 0, "F12 begins anew");
    (void) upload_add(u, part(data, 0, 200000));
    is_num(reg_upload_commit(u, &d, NULL), REG_OK, "F12 and ends well");
    reg_upload_close(u);

    /* a small one of zeros is as long as before, but not what was noted */

    begin(REG_SHA256);
    u = resume();
    (void) upload_add(u, part(data, 0, 1000));
    (void) reg_upload_save(u, NULL);
    reg_upload_close(u);
    is_num(status(), 1000, "F12 a short one");
    memset(data, 0, 1000);
    file_zero(at(UPLOAD "/data", id), 1000);
    is_num(status(), 0, "F12 zeros do not count");
    u = resume();
    is_num((long long) reg_upload_offset(u), 0, "F12 and it begins anew");
    (void) upload_add(u, part(data, 1000, 200000));
    is_num(reg_upload_commit(u, &d, NULL), REG_DIGEST_MISMATCH,
           "F12 zeros do not finish as good");
    reg_upload_close(u);

    /* a long one that distribution did not sync, whose state is right */

    memset(times, 0, sizeof(times));
    begin(REG_SHA256);
    u = resume();
    (void) upload_add(u, part(data, 0, 150000));
    (void) reg_upload_save(u, NULL);
    reg_upload_close(u);
    zeros = calloc(1, 150000);
    spit_bytes(at(UPLOAD "/data", id), zeros, 150000);
    free(zeros);
    (void) utimensat(AT_FDCWD, at(UPLOAD "/data", id), times, 0);
    u = resume();
    (void) upload_add(u, part(data, 150000, 200000));
    d = digest_of(REG_SHA256, part(data, 0, 200000));
    is_num(reg_upload_commit(u, &d, NULL), REG_DIGEST_MISMATCH,
           "F12 zeros from before the boot do not finish as good");
    reg_upload_close(u);

    /* startedat does not matter to us */

    begin(REG_SHA256);
    spit(at(UPLOAD "/startedat", id), "");
    u = resume();
    reg_upload_close(u);
    ok(1, "F13 an empty startedat");
    (void) reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL);

    free(data);
}


static void
test_planted(void)
{
    uint64_t       offset;
    reg_upload_t  *u;

    spit(at("outside"), "secret");

    begin(REG_SHA256);
    (void) unlink(at(UPLOAD "/data", id));
    make_symlink(at("outside"), at(UPLOAD "/data", id));
    is_num(reg_upload_open(&u, s, reg_str(NAME), reg_str_of(id), NULL),
           REG_UPLOAD_UNKNOWN, "A110 data is a symbolic link");
    is_num(reg_upload_status(s, reg_str(NAME), reg_str_of(id), &offset,
                             NULL),
           REG_UPLOAD_UNKNOWN, "A110 status");
    is_num(reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL), REG_OK,
           "A110 it can be cancelled");
    is(slurp(at("outside")), "secret", "A110 nothing outside is touched");

    begin(REG_SHA256);
    (void) unlink(at(UPLOAD "/data", id));
    (void) mkfifo(at(UPLOAD "/data", id), 0644);
    is_num(reg_upload_open(&u, s, reg_str(NAME), reg_str_of(id), NULL),
           REG_UPLOAD_UNKNOWN, "A111 data is a FIFO");

    (void) unlink(at(UPLOAD "/data", id));
    make_dirs(at(UPLOAD "/data", id));
    ok(reg_upload_open(&u, s, reg_str(NAME), reg_str_of(id), NULL)
       == REG_UPLOAD_UNKNOWN, "A111 data is a directory");
    is_num(reg_upload_status(s, reg_str(NAME), reg_str_of(id), &offset,
                             NULL),
           REG_UPLOAD_UNKNOWN, "A111 status");
    (void) reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL);
}
