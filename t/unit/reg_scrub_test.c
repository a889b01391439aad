
#include "reg_test_fault.h"
#include "reg_test_store.h"

#include "reg_audit.h"
#include "reg_scrub.h"

#include <sys/wait.h>
#include <sys/xattr.h>


#define PLACE  "docker/registry/nginx/scrub"
#define EMPTY                                                                 \
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define LARGE  (REG_SCRUB_PIECE * 3 + 5)


static void test_clean(void);
static void test_corrupt(void);
static void test_kinds(void);
static void test_dry(void);
static void test_place(void);
static void test_place_texts(void);
static void test_pushed(void);
static void test_busy(void);
static void test_changes(void);
static void test_list(void);
static void test_unreadable(void);
static void test_kill(void);
static void test_errors(void);
static void fresh(void);
static reg_scrub_t *begin(const char *name);
static reg_rc_t finish(reg_scrub_t *p);
static reg_rc_t pass(void);
static reg_rc_t found(void *data, const reg_scrub_finding_t *f);
static const char *data_of(const reg_digest_t *d);
static void flip(const reg_digest_t *d);
static int exists(const reg_digest_t *d);
static int audit_is(const char *want);
static reg_rc_t audit_found(void *data, const reg_audit_finding_t *f);


static reg_store_t         *s;
static reg_scrub_how_t      how;
static reg_scrub_counts_t   counts;
static unsigned             seen[REG_SCRUB_N];
static char                 last_path[REG_PATH_MAX], last_text[1024];
static char                 audited[256];
static reg_digest_t         image, config, layer, large;
static char                *large_data;
static uint64_t             cost;
static unsigned             steps;


int
main(void)
{
    how.found = found;
    large_data = noise(LARGE, 7);

    test_clean();
    test_corrupt();
    test_kinds();
    test_dry();
    test_place();
    test_place_texts();
    test_pushed();
    test_busy();
    test_changes();
    test_list();
    test_unreadable();
    test_kill();
    test_errors();

    reg_store_close(s);
    free(large_data);

    return done_testing();
}


static void
fresh(void)
{
    reg_str_t  text;

    if (s != NULL) {
        reg_store_close(s);
    }

    root_make();
    s = store_open();

    text.data = large_data;
    text.len = LARGE;

    if (push_image(s, "app", "v1", "", &image) != REG_OK
        || push_blob(s, "app", REG_SHA256, text, &large) != REG_OK
        || push_blob(s, "app", REG_SHA512, reg_str("512"), NULL) != REG_OK
        || push_blob(s, "app", REG_SHA256, reg_str(""), NULL) != REG_OK)
    {
        bail("push");
    }

    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));
}


static reg_scrub_t *
begin(const char *name)
{
    reg_scrub_t  *p;

    how.name = name;

    if (reg_scrub_open(&p, s, &how, NULL) != REG_OK) {
        bail("reg_scrub_open");
    }

    memset(seen, 0, sizeof(seen));

    return p;
}


/* Goes on to the end of the pass; counts are what came of it. */

static reg_rc_t
finish(reg_scrub_t *p)
{
    reg_rc_t  rc;

    rc = REG_OK;
    steps = 0;

    while (rc == REG_OK && !reg_scrub_idle(p) && steps++ < 100000) {
        rc = reg_scrub_step(p, &cost, NULL);
    }

    counts = *reg_scrub_counts(p);

    return rc;
}


static reg_rc_t
pass(void)
{
    reg_rc_t      rc;
    reg_scrub_t  *p;

    p = begin(NULL);
    cost = 0;

    reg_scrub_begin(p, 1795208645);
    rc = finish(p);
    reg_scrub_close(p);

    return rc;
}


static reg_rc_t
found(void *data, const reg_scrub_finding_t *f)
{
    (void) data;

    seen[f->what]++;

    (void) snprintf(last_path, sizeof(last_path), "%s", f->path);
    (void) snprintf(last_text, sizeof(last_text), "%s", f->text);

    return REG_OK;
}


static const char *
data_of(const reg_digest_t *d)
{
    reg_path_t  path;

    reg_layout_blob(&path, d);

    return at("%s", path.s);
}


/* Changes a byte, behind everybody's back. */

static void
flip(const reg_digest_t *d)
{
    int   fd;
    char  c;

    fd = open(data_of(d), O_RDWR);

    if (fd == -1 || pread(fd, &c, 1, 1) != 1) {
        bail(d->text);
    }

    c ^= 4;

    if (pwrite(fd, &c, 1, 1) != 1 || close(fd) == -1) {
        bail(d->text);
    }
}


static int
exists(const reg_digest_t *d)
{
    return reg_blob_exists(s, reg_str("app"), d, NULL);
}


/* What an audit of all bytes says, codes with blanks behind them. */

static int
audit_is(const char *want)
{
    reg_audit_t         a;
    reg_audit_counts_t  c;

    memset(&a, 0, sizeof(a));

    a.now = (int64_t) time(NULL);
    a.digests = 1;
    a.found = audit_found;
    audited[0] = '\0';

    if (reg_audit(s, &a, &c, NULL) != REG_OK || strcmp(audited, want) != 0) {
        printf("#   audit: %s\n", audited);
        return 0;
    }

    return 1;
}


static reg_rc_t
audit_found(void *data, const reg_audit_finding_t *f)
{
    size_t  len;

    (void) data;

    len = strlen(audited);

    (void) snprintf(audited + len, sizeof(audited) - len, "%s ",
                    reg_audit_code(f->code));
    return REG_OK;
}


static void
test_clean(void)
{
    reg_scrub_t  *p;

    fresh();

    is_num(pass(), REG_OK, "a clean store");
    is_num((long long) counts.blobs, 6, "all blobs");
    is_num((long long) counts.bytes, LARGE + 2 + 5 + 3
           + (long long) slurp(data_of(&image)).len, "all bytes");
    is_num((long long) cost, (long long) counts.bytes + 6 * REG_SCRUB_OPEN,
           "are what it costs");
    is_num((long long) counts.corrupt + (long long) counts.unreadable, 0,
           "nothing is found");
    is_num((long long) counts.noted, 0, "nor noted");

    p = begin(NULL);
    reg_scrub_begin(p, 1);
    (void) finish(p);
    reg_scrub_begin(p, 2);
    (void) finish(p);
    is_num((long long) counts.blobs, 6, "all blobs once more");
    reg_scrub_close(p);

    ok(!is_there(at(REG_SCRUB_CORRUPT)), "no place for what is corrupt");
    ok(!is_there(at(PLACE)), "none that is kept");

    root_make();
    reg_store_close(s);
    s = store_open();

    is_num(pass(), REG_OK, "an empty store");
    is_num((long long) counts.blobs, 0, "no blob");

    p = begin(NULL);
    ok(reg_scrub_idle(p), "idle at first");
    is_num((long long) reg_scrub_began(p), 0, "never begun");
    is_num(reg_scrub_step(p, &cost, NULL), REG_OK, "a step of nothing");
    reg_scrub_begin(p, 5);
    ok(!reg_scrub_idle(p), "begun");
    is_num(reg_scrub_permille(p), 0, "at its beginning");
    is_num((long long) reg_scrub_began(p), 5, "then");
    (void) finish(p);
    is_num(reg_scrub_permille(p), 1000, "at its end");
    reg_scrub_close(p);
    reg_scrub_close(NULL);
}


/* F38 */

static void
test_corrupt(void)
{
    int           fd;
    reg_file_t    f;
    reg_error_t   e;
    reg_digest_t  d;

    fresh();
    flip(&layer);

    fd = open(data_of(&layer), O_RDONLY);

    is_num(pass(), REG_OK, "F38 a byte of a blob");
    is_num(seen[REG_SCRUB_MOVED], 1, "F38 is found");
    ok(strstr(last_path, reg_digest_hex(&layer)) != NULL, "F38 is told");
    ok(strstr(last_text, "moved to docker/registry/nginx/corrupt/sha256:")
       != NULL, "F38 and where it is");
    is_num((long long) counts.corrupt, 1, "F38 is counted");
    is_num((long long) counts.blobs, 6, "F38 with all others");
    is_num((long long) counts.bytes, LARGE + 2 + 2 * 5 + 3
           + (long long) slurp(data_of(&image)).len, "F38 and was read twice");
    is(slurp(at(REG_SCRUB_CORRUPT "/%s", layer.text)), "leyer",
       "F38 is kept");
    is_num(exists(&layer), 0, "F38 is unknown");
    is_num(reg_blob_check(s, &layer, fd, NULL), REG_BLOB_UNKNOWN,
           "F38 to who has it open, too");
    (void) close(fd);
    is_num(reg_blob_mount(s, reg_str("other"), reg_str("app"), &layer, NULL,
                          NULL, NULL, NULL),
           REG_BLOB_UNKNOWN, "F38 cannot be mounted");
    reg_error_clear(&e);
    is_num(put_manifest(s, "app", "v2", image_text(&config, &layer, ""), &d,
                        &e),
           REG_MANIFEST_BLOB_UNKNOWN, "F38 nor referred to");
    ok(audit_is("layer-blob reference-missing "),
       "F38 the audit misses its bytes");

    is_num(pass(), REG_OK, "F38 once more");
    is_num((long long) counts.corrupt, 0, "F38 finds nothing");

    (void) push_blob(s, "other", REG_SHA256, reg_str("layer"), NULL);
    is_num(exists(&layer), 1, "F38 pushed anywhere it is back everywhere");
    ok(audit_is(""), "F38 the audit is content");
    is_num(pass(), REG_OK, "F38 and the scrub");
    is_num((long long) counts.corrupt, 0, "F38 as well");

    /* found by hand to be right, it is right */

    fd = open(data_of(&layer), O_RDONLY);
    reg_fs_mark(fd, REG_FILE_CORRUPT);
    (void) close(fd);
    is_num(exists(&layer), 0, "a note that is wrong");
    is_num(pass(), REG_OK, "is put right");
    is_num((long long) counts.noted, 1, "as is counted");

    if (ok(reg_blob_open(s, &layer, &f, NULL) == REG_OK, "and believed")) {
        (void) close(f.fd);
    }
}


static void
test_kinds(void)
{
    size_t         i;
    reg_digest_t  *d;

    static const struct {
        const char    *what;
        reg_digest_t  *d;
        long           cut;            /* -1: flipped */
        int            note;
    } rows[] = {
        { "a manifest",            &image,  -1,     1 },
        { "a config",              &config, -1,     1 },
        { "a large blob",          &large,  -1,     1 },
        { "no bytes",              &layer,   0,     0 },
        { "one byte",              &layer,   1,     0 },
        { "one byte, noted",       &layer,   1,     1 },
        { "one byte too many",     &layer,   6,     0 },
        { "cut at a piece",        &large,   REG_SCRUB_PIECE, 0 },
        { "cut by one",            &large,   LARGE - 1, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fresh();
        d = rows[i].d;

        if (!rows[i].note) {
            (void) removexattr(data_of(d), "user.registry.size");
        }

        if (rows[i].cut == -1) {
            flip(d);

        } else if (truncate(data_of(d), rows[i].cut) == -1) {
            bail("truncate");
        }

        is_num(pass(), REG_OK, rows[i].what);
        ok(seen[REG_SCRUB_MOVED] == 1 && counts.corrupt == 1,
           "F38 F39 %s is found, alone", rows[i].what);
        ok(!is_there(data_of(d)) && is_there(at(REG_SCRUB_CORRUPT "/%s",
                                                d->text)),
           "%s is moved", rows[i].what);
    }

    /* where nobody has noted anything */

    fresh();
    (void) removexattr(data_of(&large), "user.registry.size");
    (void) removexattr(data_of(&image), "user.registry.size");
    (void) pass();
    is_num((long long) counts.noted, 2, "F39 whole blobs are given a note");
    (void) truncate(data_of(&large), LARGE - 1);
    is_num(exists(&large), 0, "F39 by which a cut is seen");
}


static void
test_dry(void)
{
    fresh();
    flip(&layer);
    (void) removexattr(data_of(&config), "user.registry.size");

    how.dry = 1;
    is_num(pass(), REG_OK, "a dry run");
    how.dry = 0;

    is_num(seen[REG_SCRUB_STUCK], 1, "finds it");
    ok(strncmp(last_text, "has the digest sha256:", 22) == 0, "tells");
    is_num((long long) counts.corrupt, 1, "counts");
    is_num((long long) counts.noted, 0, "notes nothing");
    is_num(exists(&layer), 1, "and leaves it");
    ok(!is_there(at(REG_SCRUB_CORRUPT)), "where it is");
}


/* Stopped anywhere it goes on there. */

static void
test_place(void)
{
    char           record[100] = "";
    unsigned       n, bad;
    uint64_t       bytes;
    struct stat    st;
    reg_scrub_t   *p, *other;

    /* who may write in the store must not have root write to other files */

    fresh();
    spit(at("secret"), "root's own");
    make_dirs(at(REG_LAYOUT_OWN));

    if (link(at("secret"), at(REG_LAYOUT_OWN "/scrub")) != 0
        || (geteuid() == 0 && chown(at("."), 33, 33) != 0))
    {
        bail("link");
    }

    how.name = "scrub";

    /* others could write to that file themselves, or not at all */

    if (geteuid() == 0) {
        is_num(reg_scrub_open(&other, s, &how, NULL), REG_STORAGE,
               "a place that is another file, too");
    }

    ok(stat(at("secret"), &st) == 0 && st.st_size == 10
       && st.st_uid == geteuid(), "which is as it was");

    fresh();
    flip(&image);

    p = begin("scrub");
    reg_scrub_begin(p, 76);
    (void) reg_scrub_save(p, NULL);
    memcpy(record, slurp(at(PLACE)).data, sizeof(record) - 1);
    is_num(reg_scrub_open(&other, s, &how, NULL), REG_BUSY,
           "F48 one of a name at a time");
    ok(memcmp(record, slurp(at(PLACE)).data, sizeof(record) - 1) == 0,
       "F48 who comes second leaves the place of the first");
    reg_scrub_begin(p, 77);
    is_num(finish(p), REG_OK, "a pass");
    is_num((long long) counts.corrupt, 1, "finds it");
    memcpy(record, slurp(at(PLACE)).data, sizeof(record) - 1);
    ok(strstr(record, "\nidle 1\n") != NULL, "its end is kept at once");
    reg_scrub_close(p);

    p = begin("scrub");
    ok(reg_scrub_idle(p), "it is known to have ended");
    is_num((long long) reg_scrub_began(p), 77, "and when it began");
    is_num((long long) reg_scrub_counts(p)->corrupt, 1, "and what it found");
    reg_scrub_close(p);

    /* the manifest, which is wrong, is read twice */

    bad = 0;
    fresh();
    flip(&image);
    cost = 0;

    p = begin("scrub");
    reg_scrub_begin(p, 78);

    for (n = 0; n < 100 && !reg_scrub_idle(p); n++) {

        /* a step that reads nothing but directories leaves no trace */

        bytes = reg_scrub_counts(p)->bytes;

        while (reg_scrub_counts(p)->bytes == bytes && !reg_scrub_idle(p)) {
            bad += (reg_scrub_step(p, &cost, NULL) != REG_OK);
        }

        reg_scrub_close(p);

        how.name = "scrub";
        bad += (reg_scrub_open(&p, s, &how, NULL) != REG_OK);
        bad += (reg_scrub_began(p) != 78);
    }

    counts = *reg_scrub_counts(p);

    is_num(bad, 0, "closed and opened after each piece");
    ok(n > 6, "of which there were %u", n);
    ok(reg_scrub_idle(p), "it comes to its end");
    is_num((long long) counts.blobs, 6, "of all blobs");
    is_num((long long) counts.corrupt, 1, "with what is wrong");
    reg_scrub_close(p);

    /* in the middle of a large one, twice */

    fresh();
    bytes = LARGE + 2 + 5 + 3 + slurp(data_of(&image)).len;
    p = begin("scrub");
    reg_scrub_begin(p, 79);

    while (reg_scrub_counts(p)->bytes < REG_SCRUB_PIECE) {
        (void) reg_scrub_step(p, &cost, NULL);
    }

    reg_scrub_close(p);
    p = begin("scrub");
    (void) finish(p);
    is_num((long long) counts.bytes, (long long) bytes,
           "no byte is read twice");
    is_num((long long) counts.corrupt, 0, "and none is wrong");
    reg_scrub_begin(p, 80);

    while (reg_scrub_counts(p)->bytes < REG_SCRUB_PIECE) {
        (void) reg_scrub_step(p, &cost, NULL);
    }

    reg_scrub_close(p);
    p = begin("scrub");
    reg_scrub_begin(p, 81);
    (void) finish(p);
    is_num((long long) counts.bytes, (long long) bytes,
           "a new pass reads all of it");
    reg_scrub_begin(p, 82);

    while (reg_scrub_counts(p)->bytes < REG_SCRUB_PIECE) {
        (void) reg_scrub_step(p, &cost, NULL);
    }

    reg_scrub_close(p);
    flip(&large);
    p = begin("scrub");
    (void) finish(p);
    is_num((long long) counts.corrupt, 1,
           "what changed meanwhile is read anew");
    reg_scrub_close(p);
}


static void
test_place_texts(void)
{
    size_t        i;
    reg_str_t     text;
    reg_digest_t  d;
    reg_scrub_t  *p;
    char          copy[4096];

    static const char  *const bad[] = {
        "", "x", "\n", "registry scrub 2\n", "registry scrub 1",
        "registry scrub 1\nbegan x\n", "registry scrub 1\nbegan -1\n",
        "registry scrub 1\nbegan 5 5\nidle 0\n",
        "registry scrub 1\nbegan 5\nidle 0\nat sha256:ab\n",
        "registry scrub 1\nbegan 5\nidle 0\nblobs 1 2 3\n",
        "registry scrub 1\nbegan 5\nwhat\n",
        "registry scrub 1\nbegan 5\nin " EMPTY " 1 1 1 00\n",
        "registry scrub 1\nbegan 5\nin " EMPTY " 1 1 1 0g\n",
        "registry scrub 1\nbegan 5\nin " EMPTY " 1 1 1 0\n",
        "registry scrub 1\nbegan 5\nin " EMPTY " 1 1 x 00\n"
    };

    fresh();

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        d = digest_of(REG_SHA256, reg_str_of(bad[i]));
        (void) snprintf(copy, sizeof(copy), "%ssum %s\n", bad[i], d.text);
        spit(at(PLACE), copy);
        p = begin("scrub");
        ok(reg_scrub_idle(p) && reg_scrub_began(p) == 0,
           "F13 place %zu is none", i);
        reg_scrub_begin(p, 1);
        ok(finish(p) == REG_OK && counts.blobs == 6, "and all is begun anew");
        reg_scrub_close(p);
    }

    /* cut anywhere */

    p = begin("scrub");
    reg_scrub_begin(p, 81);

    while (reg_scrub_counts(p)->bytes < REG_SCRUB_PIECE) {
        (void) reg_scrub_step(p, &cost, NULL);
    }

    reg_scrub_close(p);
    text = slurp(at(PLACE));
    memcpy(copy, text.data, text.len);
    text.data = copy;

    for (i = 0; i < text.len; i += 7) {
        spit_bytes(at(PLACE), copy, i);
        p = begin("scrub");

        if (reg_scrub_idle(p)) {
            reg_scrub_begin(p, 1);
        }

        if (finish(p) != REG_OK || counts.blobs != 6 || counts.corrupt != 0) {
            break;
        }

        reg_scrub_close(p);
        p = NULL;
    }

    ok(i >= text.len, "F13 cut at any byte it does no harm");
    reg_scrub_close(p);

    /* a byte of the state is another */

    memcpy(strstr(copy, "in sha256:") + 120, "0000", 4);
    spit_bytes(at(PLACE), copy, text.len);
    p = begin("scrub");
    ok(reg_scrub_idle(p), "F38 a place that is corrupt is none");
    reg_scrub_close(p);
}


/* A push between the looks, and one at the last moment. */

static void
push_layer(void)
{
    fault_at = 0;
    (void) push_blob(s, "app", REG_SHA256, reg_str("layer"), NULL);
}


/* The layer as it was, and nothing else about. */

static void
again(void)
{
    (void) nftw(at(REG_SCRUB_CORRUPT), root_remove_one, 32,
                FTW_DEPTH|FTW_PHYS);
    (void) push_blob(s, "app", REG_SHA256, reg_str("layer"), NULL);
    flip(&layer);
}


static void
test_pushed(void)
{
    char          four[5];
    unsigned      n, bad, mille;
    reg_scrub_t  *p;

    fresh();
    bad = 0;

    memcpy(four, reg_digest_hex(&layer), 4);
    four[4] = '\0';
    mille = (unsigned) (strtoul(four, NULL, 16) * 1000 / 65536);

    for (n = 0; n < 20; n++) {
        again();
        p = begin(NULL);
        reg_scrub_begin(p, 1);

        while (reg_scrub_permille(p) + 1 < mille) {
            (void) reg_scrub_step(p, &cost, NULL);
        }

        for (steps = 0; steps < n; steps++) {
            (void) reg_scrub_step(p, &cost, NULL);
        }

        push_layer();

        bad += (finish(p) != REG_OK || exists(&layer) != 1);
        reg_scrub_close(p);
        bad += (pass() != REG_OK || counts.corrupt != 0);
    }

    is_num(bad, 0, "F38 pushed between any two steps it stays");
}


/* The lock as it is while somebody else has it. */

static reg_lock_e  lock_mode;


static reg_rc_t
busy(reg_store_t *store, reg_lock_e mode, int *handle, reg_error_t *e)
{
    (void) store;
    (void) handle;

    lock_mode = mode;

    return reg_error_set(e, REG_LOCKED, NULL);
}


static void
test_busy(void)
{
    reg_error_t          e;
    reg_scrub_t         *p;
    reg_driver_t         others;
    const reg_driver_t  *driver;

    fresh();
    flip(&layer);

    driver = s->driver;
    others = *driver;
    others.lock = busy;
    lock_mode = REG_LOCK_SHARED;
    reg_error_clear(&e);

    p = begin(NULL);
    reg_scrub_begin(p, 1);

    s->driver = &others;
    while (reg_scrub_step(p, &cost, &e) == REG_OK) { /* void */ }
    s->driver = driver;

    is_num(e.rc, REG_LOCKED, "F38 somebody else has the lock");
    is_num(lock_mode, REG_LOCK_EXCLUSIVE, "F38 that all pushes share");
    ok(is_there(data_of(&layer)) && reg_scrub_counts(p)->corrupt == 0,
       "F38 nothing is moved, or told");

    is_num(finish(p), REG_OK, "F38 when he gives it back");
    is_num(seen[REG_SCRUB_MOVED], 1, "F38 it is");
    is_num((long long) counts.corrupt, 1, "F38 and once");
    is_num((long long) counts.blobs, 6, "F38 and so are the others");
    reg_scrub_close(p);
}


/* What is another file at each look, and a directory that is not given. */

static const reg_driver_t  *shipped;
static int                  list_err;


static reg_rc_t
stat_other(reg_store_t *store, const char *path, reg_stat_t *st,
    reg_error_t *e)
{
    reg_rc_t  rc;

    rc = shipped->stat(store, path, st, e);
    st->ino++;

    return rc;
}


static reg_rc_t
list_fails(reg_store_t *store, const char *path, reg_list_pt fn, void *ctx,
    reg_error_t *e)
{
    if (list_err != 0 && strstr(path, "sha256/e3") != NULL) {
        return reg_error_sys(e, list_err, "open", path);
    }

    return shipped->list(store, path, fn, ctx, e);
}


static void
test_changes(void)
{
    reg_driver_t  others;

    fresh();
    flip(&layer);
    flip(&large);

    shipped = s->driver;
    others = *shipped;
    others.stat = stat_other;

    s->driver = &others;
    is_num(pass(), REG_OK, "blobs that change all the time");
    s->driver = shipped;

    ok(steps < 2000, "are left to the next pass in the end");
    is_num((long long) counts.blobs, 4, "and all others looked at");
    is_num((long long) counts.corrupt, 0, "they are not told");
    ok(is_there(data_of(&layer)) && is_there(data_of(&large)), "nor moved");
}


static void
test_list(void)
{
    reg_error_t    e;
    reg_scrub_t   *p;
    reg_driver_t   others;

    /* the empty blob is the only one in its directory */

    fresh();

    shipped = s->driver;
    others = *shipped;
    others.list = list_fails;
    s->driver = &others;

    list_err = EIO;
    is_num(pass(), REG_OK, "F18 a directory that the disk does not give");
    is_num(seen[REG_SCRUB_UNREADABLE], 1, "F18 is told");
    ok(strstr(last_path, "blobs/sha256/e3") != NULL, "F18 by its name");
    is_num((long long) counts.blobs, 5, "F18 and all others are read");

    list_err = EMFILE;
    reg_error_clear(&e);
    p = begin(NULL);
    reg_scrub_begin(p, 1);
    while (reg_scrub_step(p, &cost, &e) == REG_OK
           && !reg_scrub_idle(p)) { /* void */ }

    is_num(e.sys, EMFILE, "one that we cannot open now");
    list_err = 0;
    is_num(finish(p), REG_OK, "is looked at when we can");
    is_num((long long) counts.blobs, 6, "as are all");
    reg_scrub_close(p);

    s->driver = shipped;
}


static void
test_unreadable(void)
{
    unsigned  n, bad;

    fresh();
    bad = 0;
    fault_only = FAULT_READ;

    for (n = 1; n < 100; n++) {
        fault_arm(n, EIO);
        bad += (pass() != REG_OK);

        if (!fault_disarm()) {
            break;
        }

        bad += (seen[REG_SCRUB_UNREADABLE] != 1 || counts.unreadable != 1
                || counts.corrupt != 0 || counts.blobs != 5
                || strstr(last_text, "cannot be read: ") == NULL);
    }

    fault_only = 0;

    is_num(bad, 0, "F18 what the disk does not give is told, and stays");
    ok(n > 9, "F18 at each of %u reads", n - 1);
    ok(audit_is(""), "F18 where it is");

    /* of what looks wrong the second look may fail */

    flip(&layer);
    fault_only = FAULT_READ;
    bad = 0;

    for (n = 1; n < 100; n++) {
        fault_arm(n, EIO);
        bad += (pass() != REG_OK);

        if (!fault_disarm()) {
            break;
        }

        bad += (counts.unreadable != 1);

        if (!is_there(data_of(&layer))) {
            push_layer();
            flip(&layer);
        }
    }

    fault_only = 0;
    is_num(bad, 0, "F18 nor is it moved by half a look");
}


static void
test_kill(void)
{
    int       status;
    pid_t     pid;
    unsigned  n, bad;

    fresh();
    bad = 0;

    for (n = 1; n < 100; n++) {
        again();

        pid = fork();

        if (pid == 0) {
            reg_scrub_t  *p;

            p = begin("scrub");
            reg_scrub_begin(p, 1);
            fault_arm(n, FAULT_KILL);
            _exit(finish(p) == REG_OK ? 0 : 1);
        }

        (void) waitpid(pid, &status, 0);
        bad += (!WIFEXITED(status) || WEXITSTATUS(status) == 1);

        /* it is where it was, or moved; and it is found again, or gone */

        bad += (is_there(data_of(&layer))
                == is_there(at(REG_SCRUB_CORRUPT "/%s", layer.text)));
        bad += (pass() != REG_OK || exists(&layer) != 0);
        push_layer();
        bad += (exists(&layer) != 1 || !audit_is(""));

        if (WEXITSTATUS(status) == 0) {
            break;
        }
    }

    is_num(bad, 0, "F01 killed at any call it loses nothing");
    ok(n > 3, "F01 at each of %u calls", n - 1);
}


static void
test_errors(void)
{
    size_t    i;
    unsigned  n, bad;

    static const int  errs[] = { ENOSPC, EIO, EROFS, EACCES };

    for (i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
        bad = 0;

        for (n = 1; n < 100; n++) {
            again();
            fault_arm(n, errs[i]);
            (void) pass();

            if (!fault_disarm()) {
                break;
            }

            /* told, and not served any more, moved or not */

            bad += (counts.corrupt != 1);
            bad += (seen[REG_SCRUB_STUCK] == 1
                    && !is_there(data_of(&layer)));
            bad += (pass() != REG_OK || exists(&layer) != 0);
            push_layer();
            bad += (exists(&layer) != 1 || !audit_is(""));
        }

        is_num(bad, 0, "F14 F20 no call that fails loses anything");
        ok(n > 3, "F14 at each of %u calls", n - 1);
    }
}
