
#define REG_TEST_IN_MEMORY

#include "reg_test_age.h"
#include "reg_test_audit.h"
#include "reg_test_fault.h"

#include "reg_gc.h"

#include <sys/wait.h>


#define DAY  86400


static void test_nothing(void);
static void test_plain(void);
static void test_shapes(void);
static void test_schema1(void);
static void test_damaged(void);
static void test_unread(void);
static void test_stops(void);
static void test_others(void);
static void test_lock(void);
static void test_clock(void);
static void test_between(void);
static void test_faults(void);
static void test_hard_link(void);
static void test_dry(void);
static void test_untagged(void);
static void test_untagged_between(void);
static void test_empty(void);
static void fresh(void);
static reg_rc_t collect(void);
static void tell(void *data, reg_gc_what_e what, const char *path,
    uint64_t size);
static int has_blob(const reg_digest_t *d);
static int has_link(const char *name, const reg_digest_t *d);
static int64_t steady(void);
static int64_t still(void);


static reg_store_t      *s;
static reg_gc_how_t      how;
static reg_gc_counts_t   counts;
static reg_error_t       error;
static unsigned          told[8];
static char              damaged_path[REG_PATH_MAX];
static int64_t           steady_is;


int
main(void)
{
    fault_lazy = 1;

    how.grace = 3600;
    how.untagged = -1;
    how.tell = tell;

    /* reg_gc_lock_test.c is about time */

    how.us = still;

    test_nothing();
    test_plain();
    test_shapes();
    test_schema1();
    test_damaged();
    test_unread();
    test_stops();
    test_others();
    test_lock();
    test_clock();
    test_between();
    test_faults();
    test_hard_link();
    test_dry();
    test_untagged();
    test_untagged_between();
    test_empty();

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
}


static void
tell(void *data, reg_gc_what_e what, const char *path, uint64_t size)
{
    (void) data;
    (void) size;

    told[what]++;

    if (what == REG_GC_DAMAGED) {
        (void) snprintf(damaged_path, sizeof(damaged_path), "%s", path);
    }
}


static reg_rc_t
collect(void)
{
    reg_rc_t   rc;
    unsigned   i;
    reg_gc_t  *g;

    memset(told, 0, sizeof(told));
    memset(&counts, 0, sizeof(counts));
    reg_error_clear(&error);

    rc = reg_gc_begin(&g, s, &how, &error);

    if (rc != REG_OK) {
        return rc;
    }

    for (i = 0; i < 100000 && !reg_gc_done(g) && rc == REG_OK; i++) {
        rc = reg_gc_step(g, &error);
    }

    counts = *reg_gc_counts(g);
    reg_gc_end(g);

    return rc;
}


static int
has_blob(const reg_digest_t *d)
{
    return reg_blob_stored(s, d, NULL) == REG_OK;
}


static int
has_link(const char *name, const reg_digest_t *d)
{
    return reg_blob_exists(s, reg_str_of(name), d, NULL) == 1;
}


static void
test_nothing(void)
{
    fresh();
    is_num(collect(), REG_OK, "not a store yet");

    make_dirs(at(REPOS));
    is_num(collect(), REG_OK, "an empty one");
    is_num((long long) counts.blobs, 0, "of no blobs");
}


static void
test_plain(void)
{
    reg_digest_t  image, config, layer, lone, young, two;

    fresh();
    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));

    (void) push_image(s, "some/app", "v1", "", &image);
    (void) push_blob(s, "some/app", REG_SHA256, reg_str("lone"), &lone);
    (void) push_blob(s, "some/app", REG_SHA512, reg_str("two"), &two);
    (void) reg_blob_mount(s, reg_str("other"), reg_str("some/app"), &two,
                          NULL, NULL, NULL, NULL);
    age(at("docker"), DAY);
    (void) push_blob(s, "some/app", REG_SHA256, reg_str("young"), &young);
    (void) push_blob(s, "other", REG_SHA512, reg_str("two"), &two);

    is_num(collect(), REG_OK, "a collection");
    is_num((long long) counts.repositories, 2, "two repositories");
    is_num((long long) counts.manifests, 1, "one manifest");
    is_num((long long) counts.links, 6, "six links");
    is_num((long long) counts.links_gone, 2, "two of them go");
    is_num((long long) counts.blobs_gone, 1, "and one blob");
    is_num((long long) counts.bytes_gone, 4, "of four bytes");
    is_num(told[REG_GC_LINK], 2, "it is told");
    is_num(told[REG_GC_BLOB], 1, "both");
    ok(has_link("some/app", &config) && has_link("some/app", &layer)
       && has_blob(&image), "an image is whole");
    ok(!has_blob(&lone) && !has_link("some/app", &lone), "garbage is gone");
    ok(has_link("some/app", &young), "what is young stays");
    ok(has_link("other", &two) && !has_link("some/app", &two),
       "what another repository links stays, there");
    is_num(audit_findings(s), 0, "the audit finds nothing");
    ok(counts.locked > 0 && counts.locked < 6, "locked %d times",
       (int) counts.locked);

    is_num(collect(), REG_OK, "once more");
    is_num((long long) (counts.links_gone + counts.blobs_gone), 0,
           "there is nothing to be done");

    /* what was deleted goes when it is old */

    (void) reg_manifest_delete(s, reg_str("some/app"), &image, NULL, NULL);
    is_num(collect(), REG_OK, "after a delete");
    ok(!has_blob(&image) && !has_blob(&config) && !has_blob(&layer),
       "all of the image is gone");
    is_num(audit_findings(s), 0, "the audit finds nothing");
    ok(push_image(s, "some/app", "v1", "", &image) == REG_OK
       && has_blob(&image), "and it can be pushed again");
}


/* A62: each names the next twice; and a referrer before its subject. */

static void
test_shapes(void)
{
    int           i;
    char          text[2048];
    reg_digest_t  d, layer, artifact, subject;

    fresh();
    (void) push_image(s, "deep", NULL, "", &d);

    for (i = 0; i < 30; i++) {
        (void) snprintf(text, sizeof(text),
                        "{\"schemaVersion\":2,\"mediaType\":\""
                        REG_TYPE_OCI_INDEX "\",\"manifests\":["
                        "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":1},"
                        "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":1}]"
                        "}", i ? REG_TYPE_OCI_INDEX : REG_TYPE_OCI_MANIFEST,
                        d.text, i ? REG_TYPE_OCI_INDEX
                                  : REG_TYPE_OCI_MANIFEST, d.text);

        if (put_manifest(s, "deep", (i == 29) ? "top" : NULL,
                         reg_str_of(text), &d, NULL)
            != REG_OK)
        {
            bail("index");
        }
    }

    layer = digest_of(REG_SHA256, reg_str("layer"));
    subject = digest_of(REG_SHA256, reg_str("not there"));
    (void) snprintf(text, sizeof(text), ",\"subject\":{\"mediaType\":\""
                    REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":1}",
                    subject.text);
    (void) push_image(s, "deep", NULL, text, &artifact);

    age(at("docker"), DAY);
    is_num(collect(), REG_OK, "A62 thirty levels of indexes");
    is_num((long long) counts.manifests, 32, "A62 each is read once");
    is_num((long long) (counts.blobs_gone + counts.links_gone), 0,
           "A62 nothing of it goes");
    ok(has_blob(&layer) && has_blob(&artifact), "A62 nor the artifact");
    is_num(audit_findings(s), 0, "A62 the audit finds nothing");
}


/* What a manifest refers to without our knowing is not garbage. */

static void
test_unread(void)
{
    char          text[1024];
    size_t        i;
    reg_digest_t  layer, d;
    reg_path_t    path;

    /* digests of the one layer */

    static const char *const  rows[] = {
        "{\"schemaVersion\":2,\"mediaType\":\"" REG_TYPE_OCI_MANIFEST "\","
        "\"Config\":{\"digest\":\"%s\"},\"Layers\":[{\"digest\":\"%s\"}]}",
        "{\"schemaVersion\":2,\"mediaType\":\"application/"
        "vnd.oci.artifact.manifest.v1+json\",\"blobs\":[{\"digest\":\"%s\"},"
        "{\"digest\":\"%s\"}]}",
        "{\"schemaVersion\":3,\"mediaType\":\"application/x+json\",\"layers\":"
        "[],\"config\":{\"digest\":\"%s\"},\"parts\":[{\"digest\":\"%s\"}]}",
        "{\"schemaVersion\":2,\"mediaType\":\"" REG_TYPE_OCI_INDEX "\","
        "\"Manifests\":[{\"digest\":\"%s\"},{\"digest\":\"%s\"}]}",
        "{\"schemaVersion\":2,\"mediaType\":\"" REG_TYPE_OCI_MANIFEST "\","
        "\"config\":{\"digest\":\"%s\"},\"layers\":[{\"digest\":\"sha999:1\"}"
        "],\"layers\":[{\"digest\":\"%s\"}]}",
        "{\"schemaVersion\":1,\"fsLayers\":[{\"blobSum\":\"tarsum.v1+%s\"},"
        "{\"blobsum\":\"%s\"}]}",
        "{\"schemaVersion\":1,\"fsLayers\":[{\"blobSum\":\"sha256:"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","
        "\"BlobSum\":\"%s\"}],\"x\":\"%s\"}"
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fresh();
        (void) push_blob(s, "some/app", REG_SHA256, reg_str("layer"), &layer);
        (void) snprintf(text, sizeof(text), rows[i], layer.text, layer.text);
        (void) push_blob(s, "some/app", REG_SHA256, reg_str_of(text), &d);

        /* no push of ours, but another registry had it */

        reg_layout_revision(&path, reg_str("some/app"), &d);
        (void) reg_link_write(s, path.s, &d, NULL);
        reg_layout_tag(&path, reg_str("some/app"), reg_str("v1"),
                       "/current/link");
        (void) reg_link_write(s, path.s, &d, NULL);

        age(at("docker"), DAY);
        how.untagged = 0;

        is_num(collect(), REG_OK, "F38 a manifest that is not understood");
        is_num((long long) counts.damaged, 1, "it is counted");
        is_num((long long) counts.kept, 1, "and its repository");
        ok(has_link("some/app", &layer) && has_blob(&layer),
           "F38 what it refers to stays");
    }

    how.untagged = -1;
}


/* Docker's schema 1 cannot be pushed, and tells its layers all the same. */

static void
test_schema1(void)
{
    char          text[1024];
    reg_path_t    path;
    reg_digest_t  layer, lone, d;

    fresh();
    (void) push_blob(s, "old/app", REG_SHA256, reg_str("layer"), &layer);
    (void) push_blob(s, "old/app", REG_SHA256, reg_str("lone"), &lone);
    (void) snprintf(text, sizeof(text), "{\"schemaVersion\":1,\"name\":"
                    "\"old/app\",\"tag\":\"v1\",\"fsLayers\":["
                    "{\"blobSum\":\"%s\"},{\"blobSum\":\"%s\"}],"
                    "\"signatures\":[{}]}", layer.text, layer.text);
    (void) push_blob(s, "old/app", REG_SHA256, reg_str_of(text), &d);

    reg_layout_revision(&path, reg_str("old/app"), &d);
    (void) reg_link_write(s, path.s, &d, NULL);
    reg_layout_tag(&path, reg_str("old/app"), reg_str("v1"),
                   "/current/link");
    (void) reg_link_write(s, path.s, &d, NULL);
    age(at("docker"), DAY);

    is_num(collect(), REG_OK, "a repository with an image of schema 1");
    is_num((long long) counts.damaged, 0, "which is not damaged");
    ok(has_link("old/app", &layer) && has_blob(&layer) && has_blob(&d),
       "what it names stays");
    ok(!has_link("old/app", &lone) && !has_blob(&lone), "the rest goes");
}


/* Nothing is collected on partial knowledge. */

static void
test_damaged(void)
{
    char          name[16];
    unsigned      i, k, left;
    reg_digest_t  image, child, lone, other, layer;
    reg_path_t    path;

    static const struct {
        const char  *what;
        const char  *text;
    } rows[] = {
        { "F38 a damaged manifest", "{\"schemaVersion\":2,\"layers\":[]}" },
        { "F38 one that names something else",
          "{\"schemaVersion\":2,\"mediaType\":\"" REG_TYPE_OCI_INDEX "\","
          "\"manifests\":[]}" },
        { "an empty one",           "" },
        { "F41 one that is missing", NULL }
    };

    layer = digest_of(REG_SHA256, reg_str("layer"));
    how.untagged = 7 * DAY;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fresh();
        /* before and behind it, in whatever order they are looked at */

        for (k = 0; k < 8; k++) {
            (void) snprintf(name, sizeof(name), "other%u", k);
            (void) push_blob(s, name, REG_SHA256, reg_str("other"), NULL);
        }

        (void) push_image(s, "some/app", "v1", "", &image);
        (void) push_image(s, "some/app", NULL, ",\"annotations\":{}", &child);
        (void) push_blob(s, "some/app", REG_SHA256, reg_str("lone"), &lone);
        (void) push_blob(s, "other", REG_SHA256, reg_str("other"), &other);

        reg_layout_blob(&path, &image);

        if (rows[i].text != NULL) {
            spit(at("%s", path.s), rows[i].text);

        } else {
            (void) unlink(at("%s", path.s));
        }

        age(at("docker"), 8 * DAY);

        is_num(collect(), REG_OK, rows[i].what);
        is_num((long long) counts.damaged, 1, "it is counted");
        is_num((long long) counts.kept, 1, "and its repository");
        is_num(told[REG_GC_DAMAGED], 1, "and told");
        reg_layout_revision(&path, reg_str("some/app"), &image);
        is(reg_str_of(damaged_path), path.s, "by its path");
        ok(has_link("some/app", &layer) && has_link("some/app", &lone),
           "all that its repository has stays");
        reg_layout_revision(&path, reg_str("some/app"), &child);
        ok(is_there(at("%s", path.s)),
           "a manifest without a tag with it, which it may have named");

        for (k = 0, left = 0; k < 8; k++) {
            (void) snprintf(name, sizeof(name), "other%u", k);
            left += (unsigned) has_link(name, &other);
        }

        ok(!has_blob(&other) && left == 0, "others are collected");
    }

    how.untagged = -1;

    /* links that are damaged: their names count */

    fresh();
    (void) push_image(s, "some/app", "v1", "", &image);
    reg_layout_revision(&path, reg_str("some/app"), &image);
    spit(at("%s", path.s), "");
    reg_layout_layer(&path, reg_str("some/app"), &layer);
    spit(at("%s", path.s), "garbage");
    (void) push_blob(s, "some/app", REG_SHA256, reg_str("lone"), &lone);
    reg_layout_layer(&path, reg_str("some/app"), &lone);
    spit(at("%s", path.s), "");
    age(at("docker"), DAY);
    is_num(collect(), REG_OK, "F40 links that are damaged");
    is_num((long long) counts.damaged, 0, "F40 the manifest can be read");
    ok(has_blob(&image) && has_blob(&layer), "F40 what they were for stays");
    ok(!has_blob(&lone), "F40 what nothing names goes");
    reg_layout_layer(&path, reg_str("some/app"), &lone);
    ok(!is_there(at("%s", path.s)), "F40 with its link");
}


static void
test_stops(void)
{
    reg_digest_t  lone;

    fresh();
    (void) push_image(s, "some/app", "v1", "", NULL);
    (void) push_blob(s, "some/app", REG_SHA256, reg_str("lone"), &lone);
    age(at("docker"), DAY);

    make_dirs(at("outside/_layers"));
    make_symlink(at("outside"), at(REPOS "elsewhere"));
    is_num(collect(), REG_STORAGE, "a symbolic link");
    is_num(error.sys, ELOOP, "is told as such");
    ok(has_blob(&lone), "nothing is collected");
    (void) unlink(at(REPOS "elsewhere"));

    make_symlink(at("outside"), at(REPOS "some/app/_layers/sha512"));
    is_num(collect(), REG_STORAGE, "another one, deeper");
    ok(has_blob(&lone), "nothing is collected");
    (void) unlink(at(REPOS "some/app/_layers/sha512"));

    (void) rename(at(REPOS), at("away"));
    is_num(collect(), REG_STORAGE, "the repositories are not mounted");
    ok(has_blob(&lone), "nothing is collected");
    (void) rename(at("away"), at(REPOS));

    is_num(collect(), REG_OK, "all is well again");
    ok(!has_blob(&lone), "and collected");
    is_num(audit_findings(s), 0, "the audit finds nothing");
}


/* What another registry leaves. */

static void
test_others(void)
{
    reg_path_t    path;
    reg_digest_t  image, layer, alias, config, odd;

    fresh();
    (void) push_image(s, "some/app", "v1", "", &image);

    /* a manifest by an alias: stored under sha256, named by sha512 */

    (void) push_blob(s, "alias", REG_SHA256, reg_str("aliased"), &layer);
    alias = digest_of(REG_SHA512, reg_str("aliased"));
    config = digest_of(REG_SHA256, reg_str("{}"));
    (void) push_blob(s, "alias", REG_SHA256, reg_str("{}"), NULL);
    reg_layout_layer(&path, reg_str("alias"), &alias);
    spit(at("%s", path.s), layer.text);
    is_num(put_manifest(s, "alias", "a", image_text(&config, &alias, ""),
                        NULL, NULL), REG_OK, "F36 an alias");

    /* an algorithm that we do not know */

    (void) push_blob(s, "odd", REG_SHA256, reg_str("odd"), &odd);
    spit(at(REPOS "odd/_layers/sha384/0123/link"), odd.text);

    /* what is left of a deleted revision, of a killed process */

    make_dirs(at(REPOS "some/app/_manifests/revisions/sha256/%s",
                 reg_digest_hex(&alias) + 64));
    spit(at(REPOS "some/app/_layers/sha256/%s/link.123.tmp",
            reg_digest_hex(&alias) + 64), "x");
    spit(at(REPOS "README"), "x");

    /* a repository that we would not let anybody name */

    (void) push_blob(s, "x", REG_SHA256, reg_str("upper"), NULL);
    (void) rename(at(REPOS "x"), at(REPOS "UPPER"));
    (void) push_image(s, "y", "v", ",\"annotations\":{\"y\":\"y\"}", NULL);
    (void) rename(at(REPOS "y"), at(REPOS "Y"));

    age(at("docker"), DAY);
    is_num(collect(), REG_OK, "F36 what others leave");
    ok(has_blob(&layer) && has_link("alias", &alias),
       "F36 an alias keeps its blob");
    ok(has_blob(&odd), "F36 a digest of an unknown algorithm keeps its");
    ok(!is_there(at(REPOS "some/app/_manifests/revisions/sha256/%s",
                    reg_digest_hex(&alias) + 64)),
       "F36 a revision without link is tidied up");
    ok(!is_there(at(REPOS "some/app/_layers/sha256/%s",
                    reg_digest_hex(&alias) + 64)),
       "F36 and a temporary beside none");
    ok(is_there(at(REPOS "README")), "F36 what is not known stays");
    is_num((long long) counts.manifests, 3,
           "F36 a name that is odd keeps what it has");
}


static void
test_lock(void)
{
    int           lock;
    reg_gc_t     *g;
    reg_digest_t  lone;

    fresh();
    (void) push_blob(s, "some/app", REG_SHA256, reg_str("lone"), &lone);
    age(at("docker"), DAY);

    is_num(reg_gc_begin(&g, s, &how, NULL), REG_OK, "one collects");
    is_num(collect(), REG_ABSENT, "F48 another one cannot");

    (void) s->driver->lock(s, REG_LOCK_SHARED, &lock, NULL);
    is_num(reg_gc_step(g, NULL), REG_BUSY, "somebody holds the lock");
    is_num(reg_gc_step(g, NULL), REG_BUSY, "still");
    s->driver->unlock(s, lock);

    while (reg_gc_counts(g)->links == 0) {
        if (reg_gc_step(g, NULL) != REG_OK) {
            bail("step");
        }
    }

    (void) reg_gc_step(g, NULL);
    (void) s->driver->lock(s, REG_LOCK_SHARED, &lock, NULL);

    while (reg_gc_step(g, NULL) == REG_OK) { /* void */ }

    ok(has_blob(&lone) && has_link("some/app", &lone),
       "nothing goes while somebody holds it");
    s->driver->unlock(s, lock);

    while (!reg_gc_done(g)) {
        if (reg_gc_step(g, NULL) != REG_OK) {
            bail("step");
        }
    }

    ok(!has_blob(&lone), "and when he lets go, it does");
    reg_gc_end(g);
    is_num(collect(), REG_OK, "F48 then another one can");
}


static int64_t
steady(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_BOOTTIME, &ts);

    return (int64_t) ts.tv_sec * REG_TIME_SECOND + ts.tv_nsec + steady_is;
}


static int64_t
still(void)
{
    return 0;
}


/* F37: as in reg_purge_test.c, the steady clock is the one that is moved. */

static void
test_clock(void)
{
    int           i;
    reg_gc_t     *g;
    reg_digest_t  lone;

    fresh();
    how.steady = steady;
    steady_is = 0;
    (void) push_blob(s, "some/app", REG_SHA256, reg_str("lone"), &lone);
    (void) collect();

    age(at("docker"), 365 * DAY + 60);
    (void) utimensat(AT_FDCWD, at(REPOS), NULL, 0);
    steady_is = -365 * DAY * REG_TIME_SECOND;
    is_num(collect(), REG_OK, "F37 the clock jumps a year");
    ok(has_blob(&lone) && has_link("some/app", &lone),
       "F37 what was pushed a minute before stays");

    reg_error_clear(&error);
    age(at("docker"), 500 * DAY);
    is_num(reg_gc_begin(&g, s, &how, &error), REG_OK, "begin");
    (void) reg_gc_step(g, &error);
    steady_is += DAY * REG_TIME_SECOND;

    for (i = 0; i < 1000 && error.rc == REG_OK; i++) {
        (void) reg_gc_step(g, &error);
    }

    is_num(error.rc, REG_INTERNAL, "F37 set back in the middle: an end");
    ok(has_blob(&lone), "F37 before anything went");
    reg_gc_end(g);
    is_num(collect(), REG_OK, "F37 the next one");
    ok(!has_blob(&lone), "F37 goes on");
    how.steady = NULL;
}


/* --- between any two steps somebody pushes --- */

static reg_digest_t  config, layer;
static reg_rc_t      answer;


static void
op_put(void)
{
    answer = put_manifest(s, "some/app", "new",
                          image_text(&config, &layer, ""), NULL, NULL);
}


static void
op_mount(void)
{
    answer = reg_blob_mount(s, reg_str("aaa"), reg_str("some/app"), &layer,
                            NULL, NULL, NULL, NULL);

    if (answer == REG_OK) {
        answer = reg_blob_mount(s, reg_str("aaa"), reg_str("some/app"),
                                &config, NULL, NULL, NULL, NULL);
    }

    (void) reg_blob_delete(s, reg_str("some/app"), &layer, NULL);
    (void) reg_blob_delete(s, reg_str("some/app"), &config, NULL);
}


static void
op_mount_behind(void)
{
    answer = reg_blob_mount(s, reg_str("zzz"), reg_str("some/app"), &layer,
                            NULL, NULL, NULL, NULL);

    if (answer == REG_OK) {
        answer = reg_blob_mount(s, reg_str("zzz"), reg_str("some/app"),
                                &config, NULL, NULL, NULL, NULL);
    }

    (void) reg_repo_delete(s, reg_str("some/app"), NULL);
}


static void
op_push(void)
{
    (void) push_blob(s, "aaa", REG_SHA256, reg_str("{}"), NULL);
    answer = push_blob(s, "aaa", REG_SHA256, reg_str("layer"), NULL);
}


static void
op_head(void)
{
    answer = reg_blob_lease(s, reg_str("some/app"), &layer, REG_TIME_SECOND,
                            NULL);

    if (answer == REG_OK) {
        answer = reg_blob_lease(s, reg_str("some/app"), &config,
                                REG_TIME_SECOND, NULL);
    }
}


/* A link that was old is renewed by a manifest that was not kept. */

static void
op_index(void)
{
    op_put();

    if (answer == REG_OK) {
        (void) reg_tag_delete(s, reg_str("some/app"), reg_str("new"), NULL);
    }
}


static void
test_between(void)
{
    int           k, n, yes, no, bad;
    unsigned      i;
    reg_gc_t     *g;
    reg_rc_t      rc;

    static const struct {
        const char  *what;
        void       (*op)(void);
        const char  *in;            /* where a manifest must be possible */
    } rows[] = {
        { "F44 a manifest that names it", op_put, "some/app" },
        { "F44 one without a tag",        op_index, "some/app" },
        { "F44 HEAD",                     op_head, "some/app" },
        { "F45 a mount before us, and a delete", op_mount, "aaa" },
        { "F45 a mount behind us, and a delete", op_mount_behind, "zzz" },
        { "a push of the same bytes",     op_push, "aaa" }
    };

    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        yes = 0;
        no = 0;
        bad = 0;

        for (k = 0; k < 500; k++) {
            fresh();
            (void) push_blob(s, "aaa", REG_SHA256, reg_str("a"), NULL);
            (void) push_blob(s, "some/app", REG_SHA256, reg_str("{}"), NULL);
            (void) push_blob(s, "some/app", REG_SHA256, reg_str("layer"),
                             NULL);
            (void) push_blob(s, "zzz", REG_SHA256, reg_str("z"), NULL);
            age(at("docker"), DAY);

            if (reg_gc_begin(&g, s, &how, NULL) != REG_OK) {
                bail("begin");
            }

            for (n = 0, rc = REG_OK; rc == REG_OK && !reg_gc_done(g); n++) {
                if (n == k) {
                    rows[i].op();
                }

                rc = reg_gc_step(g, NULL);
            }

            reg_gc_end(g);

            if (rc != REG_OK) {
                ok(0, "%s at step %d: %d", rows[i].what, k, rc);
                bad++;
            }

            if (n <= k) {
                break;
            }

            if (answer != REG_OK) {
                no++;
                continue;
            }

            yes++;

            if (put_manifest(s, rows[i].in, "late",
                             image_text(&config, &layer, ""), NULL, NULL)
                != REG_OK
                || collect() != REG_OK || audit_findings(s) != 0)
            {
                ok(0, "%s, at step %d", rows[i].what, k);
                bad++;
            }
        }

        ok(bad == 0 && k > 10 && k < 500 && yes > 3,
           "%s between any two of %d steps: %d times yes, %d times no",
           rows[i].what, k, yes, no);
    }
}


/* F04: killed, or failing, at each call: the next one finishes. */

static void
test_faults(void)
{
    int           n, status, kind;
    pid_t         pid;
    reg_digest_t  lone, image;

    static const int  errs[] = { FAULT_KILL, EIO, ENOSPC };

    for (kind = 0; kind < 3; kind++) {
        for (n = 1; n < 200; n++) {
            fresh();
            (void) push_image(s, "some/app", "v1", "", &image);
            (void) push_blob(s, "some/app", REG_SHA256, reg_str("lone"),
                             &lone);
            (void) push_blob(s, "some/app", REG_SHA512, reg_str("lone"),
                             NULL);
            (void) push_blob(s, "other", REG_SHA256, reg_str("lone"), NULL);
            age(at("docker"), DAY);

            fflush(stdout);
            pid = fork();

            if (pid == 0) {
                fault_arm(n, errs[kind]);
                (void) collect();
                _exit(fault_disarm() ? 99 : 0);
            }

            (void) waitpid(pid, &status, 0);

            if ((kind == 0 && audit_findings(s) != 0) || collect() != REG_OK
                || audit_findings(s) != 0
                || has_blob(&lone) || has_link("some/app", &lone)
                || has_link("other", &lone)
                || !has_blob(&config) || !has_blob(&layer)
                || !has_blob(&image))
            {
                ok(0, "F04 %d at call %d", errs[kind], n);
            }

            if (WEXITSTATUS(status) == 0) {
                break;
            }
        }

        ok(n > 15 && n < 200, "F04 %s at each of %d calls",
           (kind == 0) ? "killed" : strerror(errs[kind]), n - 1);
    }
}


/* Who may write in the store must not have root change other files. */

static void
test_hard_link(void)
{
    char         secret[REG_PATH_MAX];
    struct stat  st;

    fresh();
    (void) push_image(s, "some/app", "v1", "", NULL);

    (void) snprintf(secret, sizeof(secret), "%s", at("secret"));
    spit(secret, "root's own");

    if (link(secret, at("docker/registry/nginx/collect")) != 0
        || (geteuid() == 0 && chown(at("."), 33, 33) != 0))
    {
        bail("link");
    }

    /* others could write to that file themselves, or not at all */

    ok(geteuid() != 0 || collect() != REG_OK,
       "a lock that is another file, too");
    ok(stat(secret, &st) == 0 && st.st_uid == geteuid() && st.st_size == 10,
       "which is as it was");
}


static void
test_dry(void)
{
    reg_digest_t  lone;

    fresh();
    (void) push_image(s, "some/app", "v1", "", NULL);
    (void) push_blob(s, "some/app", REG_SHA256, reg_str("lone"), &lone);
    age(at("docker"), DAY);

    how.dry = 1;
    is_num(collect(), REG_OK, "a collection that only tells");
    is_num((long long) counts.links_gone, 1, "a link would go");
    is_num((long long) counts.bytes_gone, 4, "and four bytes");
    is_num((long long) counts.locked, 0, "nobody has to wait");
    ok(has_link("some/app", &lone), "they are there");
    how.dry = 0;
}


/* --- manifests without a tag, and repositories without anything --- */

static int
has_manifest(const char *name, const reg_digest_t *d)
{
    reg_digest_t  target;

    return reg_revision_find(s, reg_str_of(name), d, &target, NULL, NULL)
           == REG_OK
           && has_blob(d);
}


static void
put_index(const char *tag, const reg_digest_t *child, const char *type,
    reg_digest_t *d)
{
    char  text[2048];

    (void) snprintf(text, sizeof(text),
                    "{\"schemaVersion\":2,\"mediaType\":\""
                    REG_TYPE_OCI_INDEX "\",\"manifests\":["
                    "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":1}]}",
                    type, child->text);

    if (put_manifest(s, "some/app", tag, reg_str_of(text), d, NULL) != REG_OK)
    {
        bail("index");
    }
}


static void
put_referrer(const char *tag, const reg_digest_t *subject, const char *more,
    reg_digest_t *d)
{
    char  text[1024];

    (void) snprintf(text, sizeof(text), ",\"subject\":{\"mediaType\":\""
                    REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":1},"
                    "\"annotations\":{\"a\":\"%s\"}", subject->text, more);

    if (push_image(s, "some/app", tag, text, d) != REG_OK) {
        bail("referrer");
    }
}


static void
test_untagged(void)
{
    reg_digest_t  lone, child, inner, outer, sig, sigsig, old, now, deadsig,
                  tagged, its, deadchild, deadindex, layer0;

    fresh();
    layer0 = digest_of(REG_SHA256, reg_str("layer"));

    (void) push_image(s, "some/app", NULL, ",\"annotations\":{\"l\":\"1\"}",
                      &lone);
    (void) push_image(s, "some/app", NULL, ",\"annotations\":{\"c\":\"1\"}",
                      &child);
    put_index(NULL, &child, REG_TYPE_OCI_MANIFEST, &inner);
    put_index("list", &inner, REG_TYPE_OCI_INDEX, &outer);
    put_referrer(NULL, &child, "sig", &sig);
    put_referrer(NULL, &sig, "sigsig", &sigsig);

    (void) push_image(s, "some/app", "moves", ",\"annotations\":{\"m\":\"1\"}",
                      &old);
    put_referrer(NULL, &old, "dead", &deadsig);

    (void) push_image(s, "some/app", NULL, ",\"annotations\":{\"t\":\"1\"}",
                      &its);
    put_referrer("att", &its, "att", &tagged);

    (void) push_image(s, "some/app", NULL, ",\"annotations\":{\"d\":\"1\"}",
                      &deadchild);
    put_index(NULL, &deadchild, REG_TYPE_OCI_MANIFEST, &deadindex);

    age(at("docker"), 10 * DAY);
    (void) push_image(s, "some/app", "moves", ",\"annotations\":{\"m\":\"2\"}",
                      &now);

    how.untagged = 7 * DAY;
    is_num(collect(), REG_OK, "manifests without a tag");
    is_num((long long) counts.untagged_gone, 3, "three of them go");
    is_num(told[REG_GC_MANIFEST], 3, "it is told");
    ok(!has_manifest("some/app", &lone), "one that nothing needs");
    ok(!has_manifest("some/app", &deadindex)
       && !has_manifest("some/app", &deadchild), "an index with its child");
    ok(has_manifest("some/app", &outer) && has_manifest("some/app", &inner)
       && has_manifest("some/app", &child), "children of what is kept stay");
    ok(has_manifest("some/app", &sig) && has_manifest("some/app", &sigsig),
       "and referrers, and theirs");
    ok(has_manifest("some/app", &tagged) && has_manifest("some/app", &its),
       "and the subject of one that has a tag");
    ok(has_manifest("some/app", &old) && has_manifest("some/app", &deadsig),
       "one that lost its tag just now is not old yet");
    is_num(audit_findings(s), 0, "the audit finds nothing");

    age(at("docker"), 10 * DAY);
    is_num(collect(), REG_OK, "when it is");
    is_num((long long) counts.untagged_gone, 2,
           "it goes, with what refers to it");
    ok(!has_manifest("some/app", &old) && !has_manifest("some/app", &deadsig),
       "both");
    is_num(collect(), REG_OK, "and then");
    ok(!has_blob(&lone) && !has_blob(&old), "its bytes");
    ok(has_blob(&layer0), "but not what others need, too");
    ok(!is_there(at(REPOS "some/app/_manifests/tags/moves/index/sha256/%s",
                    reg_digest_hex(&old))), "nor its place in the index");
    ok(!is_there(at(REPOS "some/app/_referrers/sha256/%s/sha256/%s",
                    reg_digest_hex(&old), reg_digest_hex(&deadsig))),
       "nor in the list of referrers");
    is_num(audit_findings(s), 0, "the audit finds nothing");

    /* a tag that cannot be read is on who knows what */

    (void) push_image(s, "some/app", NULL, ",\"annotations\":{\"l\":\"1\"}",
                      &lone);
    spit(at(REPOS "some/app/_manifests/tags/broken/current/link"), "");
    age(at("docker"), 10 * DAY);
    (void) collect();
    is_num((long long) counts.untagged_gone, 0, "F40 a tag without content");
    how.untagged = -1;
}


/* Somebody needs it again, between any two steps. */

static reg_digest_t  again, again_index, signature, above;


static void
op_tag(void)
{
    answer = push_image(s, "some/app", "again", ",\"annotations\":{\"x\":"
                        "\"1\"}", NULL);
}


static void
op_name(void)
{
    char  text[1024];

    (void) snprintf(text, sizeof(text),
                    "{\"schemaVersion\":2,\"mediaType\":\""
                    REG_TYPE_OCI_INDEX "\",\"manifests\":["
                    "{\"mediaType\":\"" REG_TYPE_OCI_MANIFEST
                    "\",\"digest\":\"%s\",\"size\":1}]}", again.text);

    answer = put_manifest(s, "some/app", "list", reg_str_of(text),
                          &again_index, NULL);
}


/* What is named by what it names. */

static void
op_deep(void)
{
    char  text[1024];

    (void) snprintf(text, sizeof(text),
                    "{\"schemaVersion\":2,\"mediaType\":\""
                    REG_TYPE_OCI_INDEX "\",\"manifests\":["
                    "{\"mediaType\":\"" REG_TYPE_OCI_INDEX
                    "\",\"digest\":\"%s\",\"size\":1}]}", above.text);

    answer = put_manifest(s, "some/app", "deep", reg_str_of(text), NULL,
                          NULL);
}


static void
op_lease(void)
{
    answer = reg_revision_lease(s, reg_str("some/app"), &again,
                                REG_TIME_SECOND, NULL);
}


static void
test_untagged_between(void)
{
    int        i, k, n, yes, bad, was;
    reg_gc_t  *g;

    static const struct {
        const char  *what;
        void       (*op)(void);
    } rows[] = {
        { "a tag",               op_tag },
        { "an index of it",      op_name },
        { "an index of another", op_deep },
        { "HEAD",                op_lease }
    };

    how.untagged = 7 * DAY;

    for (i = 0; i < 4; i++) {
        yes = 0;
        bad = 0;

        for (k = 0; k < 300; k++) {
            fresh();
            was = 0;
            (void) push_image(s, "some/app", NULL, ",\"annotations\":{\"x\":"
                              "\"1\"}", &again);
            put_referrer(NULL, &again, "sig", &signature);
            put_index(NULL, &again, REG_TYPE_OCI_MANIFEST, &above);
            (void) push_image(s, "zzz", "v1", "", NULL);
            age(at("docker"), 10 * DAY);

            if (reg_gc_begin(&g, s, &how, NULL) != REG_OK) {
                bail("begin");
            }

            for (n = 0; !reg_gc_done(g); n++) {
                if (n == k) {
                    was = has_manifest("some/app", &again);
                    rows[i].op();
                }

                if (reg_gc_step(g, NULL) != REG_OK) {
                    bail("step");
                }
            }

            reg_gc_end(g);

            if (n <= k) {
                break;
            }

            if (answer != REG_OK) {
                continue;
            }

            yes++;

            if (!has_manifest("some/app", &again)
                || (was && !has_manifest("some/app", &signature))
                || audit_findings(s) != 0)
            {
                ok(0, "%s at step %d", rows[i].what, k);
                bad++;
            }
        }

        ok(bad == 0 && yes > 3 && k < 300,
           "F46 %s between any two of %d steps: %d times yes", rows[i].what,
           k, yes);
    }

    how.untagged = -1;
}


static void
test_empty(void)
{
    int           i;
    char          id[REG_UUID_LEN + 1];
    reg_digest_t  d;

    fresh();
    how.empty = 1;
    (void) push_image(s, "a/dead", "v1", "", &d);
    (void) push_image(s, "a/live", "v1", "", NULL);
    (void) push_image(s, "b/dead/nested", "v1", "", NULL);
    (void) push_image(s, "b/dead", "v1", "", &d);
    (void) reg_upload_create(s, reg_str("c/up"), REG_SHA256, 1, id, NULL);
    (void) reg_manifest_delete(s, reg_str("a/dead"), &d, NULL, NULL);
    (void) reg_manifest_delete(s, reg_str("b/dead"), &d, NULL, NULL);
    age(at("docker"), DAY);

    is_num(collect(), REG_OK, "empty repositories, as their layers go");
    age(at("docker"), DAY);
    is_num(collect(), REG_OK, "and when that is long ago");
    is_num((long long) counts.empty_gone, 2, "two go");
    ok(!is_there(at(REPOS "a/dead")), "one of them");
    ok(!is_there(at(REPOS "b/dead/_layers"))
       && !is_there(at(REPOS "b/dead/_manifests")), "and another");
    ok(is_there(at(REPOS "b/dead/nested/_layers")), "but not what is in it");
    ok(is_there(at(REPOS "a/live")), "nor one that is used");
    ok(is_there(at(REPOS "c/up/_uploads/%s/data", id)),
       "nor one with an upload");
    is_num(audit_findings(s), 0, "the audit finds nothing");
    ok(push_image(s, "a/dead", "v1", "", NULL) == REG_OK,
       "it can be pushed to again");

    /* killed before the last of its directories, or what stood above it */

    make_dirs(at(REPOS "some/deep/app"));
    make_dirs(at(REPOS "young/deep"));
    spit(at(REPOS "other/README"), "x");
    age(at(REPOS "some"), DAY);
    age(at(REPOS "other"), DAY);

    for (i = 0; i < 3; i++) {
        age(at(REPOS "some"), DAY);
        is_num(collect(), REG_OK, "F04 directories of nothing");
    }

    ok(!is_there(at(REPOS "some/deep")), "F04 they go");
    ok(is_there(at(REPOS "young/deep")), "F04 but none that is young");
    ok(is_there(at(REPOS "other/README")), "F04 nor one with something in it");
    how.empty = 0;
}
