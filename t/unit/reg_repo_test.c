
#include "reg_test_age.h"
#include "reg_test_fault.h"

#include "reg_route.h"

#include <sys/wait.h>


#define REVISION  REPOS "%s/_manifests/revisions/sha256/%s/link"


static void test_put(void);
static void test_digests(void);
static void test_references(void);
static void test_sparse(void);
static void test_foreign(void);
static void test_tags(void);
static void test_keep_tags(void);
static void test_read(void);
static void test_layouts(void);
static void test_subject(void);
static void test_faults(void);
static void test_killed_put(void);


static reg_store_t  *s;


int
main(void)
{
    (void) umask(0);

    root_make();
    s = store_open();

    test_put();
    test_digests();
    test_references();
    test_sparse();
    test_foreign();
    test_tags();
    test_keep_tags();
    test_read();
    test_layouts();
    test_subject();

    /* the calls below are counted as openat() */

    reg_fs_plain(s);

    test_faults();
    test_killed_put();

    reg_store_close(s);

    return done_testing();
}


static reg_rc_t
put_full(const char *name, reg_str_t body, const reg_digest_t *expected,
    int sparse, reg_manifest_put_result_t *result, reg_error_t *e)
{
    reg_manifest_put_t  put;

    memset(&put, 0, sizeof(put));

    put.name = reg_str_of(name);
    put.body = body;
    put.expected = expected;
    put.sparse = sparse;

    return reg_manifest_put(s, &put, result, e);
}


/* An index over one child, as text. */

static reg_str_t
index_text(const char *type, const reg_digest_t *child, const char *more)
{
    static char  text[2048];

    (void) snprintf(text, sizeof(text),
                    "{\"schemaVersion\":2,\"mediaType\":\"" REG_TYPE_OCI_INDEX
                    "\",\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\""
                    ",\"size\":10}]%s}", type, child->text, more);

    return reg_str_of(text);
}


static void
test_put(void)
{
    reg_digest_t  d, e;
    struct stat   a, b;

    is_num(push_image(s, "put/app", "v1", "", &d), REG_OK, "an image");
    ok(tag_is(s, "put/app", "v1", &d), "its tag");
    ok(served(s, "put/app", &d), "its revision");
    is(slurp(at(REVISION, "put/app", reg_digest_hex(&d))), d.text,
       "the revision link");
    is(slurp(at(REPOS "put/app/_manifests/tags/v1/index/sha256/%s/link",
                reg_digest_hex(&d))), d.text, "the link in the tag's index");
    is(slurp(at(REPOS "put/app/_manifests/tags/v1/current/link")), d.text,
       "the current link");
    ok(!is_there(at(REPOS "put/app/_layers/sha256/%s", reg_digest_hex(&d))),
       "the manifest is no layer");

    /* once more */

    (void) stat(at(REVISION, "put/app", reg_digest_hex(&d)), &a);
    is_num(push_image(s, "put/app", "v1", "", &e), REG_OK, "the same again");
    (void) stat(at(REVISION, "put/app", reg_digest_hex(&d)), &b);
    ok(a.st_ino == b.st_ino, "writes nothing anew");

    /* moved */

    is_num(push_image(s, "put/app", "v1", ",\"annotations\":{\"a\":\"b\"}",
                      &e),
           REG_OK, "another one under the tag");
    ok(tag_is(s, "put/app", "v1", &e), "the tag moves");
    ok(served(s, "put/app", &d) && served(s, "put/app", &e), "both are there");
    ok(is_there(at(REPOS "put/app/_manifests/tags/v1/index/sha256/%s/link",
                   reg_digest_hex(&d))), "the index keeps the old one");

    /* without a tag */

    is_num(push_image(s, "put/app", NULL, ",\"annotations\":{\"c\":\"d\"}",
                      &e),
           REG_OK, "one without a tag");
    ok(served(s, "put/app", &e), "is served by digest");
    ok(!served(s, "put/other", &e), "and in no other repository");
}


static void
test_digests(void)
{
    reg_str_t                  body;
    reg_error_t                e;
    reg_digest_t               config, layer, d;
    reg_manifest_put_result_t  result;

    (void) push_blob(s, "dig", REG_SHA256, reg_str("{}"), &config);
    (void) push_blob(s, "dig", REG_SHA256, reg_str("layer"), &layer);

    body = image_text(&config, &layer, "");

    d = digest_of(REG_SHA512, body);
    is_num(put_full("dig", body, &d, 0, &result, NULL), REG_OK,
           "by its sha512");
    ok(reg_digest_eq(&d, &result.digest), "the answer says so");
    is(reg_str_of(result.media_type), REG_TYPE_OCI_MANIFEST, "its type");
    ok(!result.has_subject && served(s, "dig", &d), "it is served by it");
    d = digest_of(REG_SHA256, body);
    ok(!served(s, "dig", &d), "but not by the other");

    reg_error_clear(&e);
    d = digest_of(REG_SHA256, reg_str("something else"));
    is_num(put_full("dig", body, &d, 0, &result, &e), REG_DIGEST_MISMATCH,
           "by a digest of something else");
    ok(strstr(e.detail, digest_of(REG_SHA256, body).text) != NULL,
       "the detail says what came");
    ok(!served(s, "dig", &d), "nothing is stored");

    reg_error_clear(&e);
    is_num(put_full("dig", reg_str("{}"), NULL, 0, &result, &e),
           REG_MANIFEST_INVALID, "what is no manifest");
}


static void
test_references(void)
{
    reg_str_t                  body;
    reg_path_t                 path;
    reg_error_t                e;
    reg_digest_t               config, layer, d, child;
    reg_manifest_put_result_t  result;

    config = digest_of(REG_SHA256, reg_str("{\"ref\":1}"));
    layer = digest_of(REG_SHA256, reg_str("ref layer"));
    body = image_text(&config, &layer, "");
    d = digest_of(REG_SHA256, body);

    /* another repository has them */

    (void) push_blob(s, "ref/other", REG_SHA256, reg_str("{\"ref\":1}"),
                     NULL);
    (void) push_blob(s, "ref/other", REG_SHA256, reg_str("ref layer"), NULL);

    reg_error_clear(&e);
    is_num(put_full("ref/app", body, NULL, 0, &result, &e),
           REG_MANIFEST_BLOB_UNKNOWN, "A54 neither config nor layer");
    is(reg_str_of(e.detail), config.text, "A53 the detail is the digest");
    is_num(reg_repo_exists(s, reg_str("ref/app"), NULL), 0,
           "no repository came of it");

    (void) push_blob(s, "ref/app", REG_SHA256, reg_str("{\"ref\":1}"), NULL);
    reg_error_clear(&e);
    is_num(put_full("ref/app", body, NULL, 0, &result, &e),
           REG_MANIFEST_BLOB_UNKNOWN, "A53 no layer");
    is(reg_str_of(e.detail), layer.text, "A53 its digest");
    ok(!served(s, "ref/app", &d), "nothing is stored");

    /* a link that names something else is nothing that could be pulled */

    (void) push_blob(s, "ref/app", REG_SHA256, reg_str("ref layer"), NULL);
    reg_layout_layer(&path, reg_str("ref/app"), &layer);
    spit(at("%s", path.s), config.text);
    is_num(put_full("ref/app", body, NULL, 0, &result, NULL),
           REG_MANIFEST_BLOB_UNKNOWN, "a layer whose link names the config");
    ok(!served(s, "ref/app", &d), "nothing is stored");

    /* a link without bytes is nothing */

    (void) reg_blob_link(s, reg_str("ref/app"), &layer, NULL);
    reg_layout_blob(&path, &layer);
    (void) rename(at("%s", path.s), at("put-away"));
    is_num(put_full("ref/app", body, NULL, 0, &result, NULL),
           REG_MANIFEST_BLOB_UNKNOWN, "F41 a layer without bytes");
    (void) rename(at("put-away"), at("%s", path.s));
    is_num(put_full("ref/app", body, NULL, 0, &result, NULL), REG_OK,
           "with all of it");

    /* children of an index */

    child = d;
    body = index_text(REG_TYPE_OCI_MANIFEST, &child, "");
    is_num(put_full("ref/app", body, NULL, 0, &result, NULL), REG_OK,
           "an index over it");
    is_num(put_full("ref/other", body, NULL, 0, &result, NULL),
           REG_MANIFEST_BLOB_UNKNOWN, "A54 a child of another repository");

    body = index_text(REG_TYPE_OCI_MANIFEST, &layer, "");
    is_num(put_full("ref/app", body, NULL, 0, &result, NULL),
           REG_MANIFEST_BLOB_UNKNOWN, "A55 a layer is no child");
    body = index_text("application/vnd.buildkit.cacheconfig.v0", &layer, "");
    is_num(put_full("ref/app", body, NULL, 0, &result, NULL), REG_OK,
           "but an index may name blobs");
    body = index_text("application/vnd.buildkit.cacheconfig.v0", &child, "");
    is_num(put_full("ref/app", body, NULL, 0, &result, NULL),
           REG_MANIFEST_BLOB_UNKNOWN, "and then as blobs");
}


static void
test_sparse(void)
{
    reg_str_t                  body;
    reg_digest_t               config, layer, none;
    reg_manifest_put_result_t  result;

    none = digest_of(REG_SHA256, reg_str("absent"));
    body = index_text(REG_TYPE_OCI_MANIFEST, &none, "");
    is_num(put_full("sparse", body, NULL, 0, &result, NULL),
           REG_MANIFEST_BLOB_UNKNOWN, "A55 a child that is not there");
    is_num(put_full("sparse", body, NULL, 1, &result, NULL), REG_OK,
           "A55 where that is allowed");
    ok(served(s, "sparse", &result.digest), "it is served");
    ok(is_there(at(REPOS "sparse/_layers")),
       "an index alone makes a repository to all");

    (void) push_blob(s, "sparse", REG_SHA256, reg_str("{}"), &config);
    body = image_text(&config, &none, "");
    is_num(put_full("sparse", body, NULL, 1, &result, NULL), REG_OK,
           "an image without a layer, where that is allowed");
    layer = config;
    body = image_text(&none, &layer, "");
    is_num(put_full("sparse", body, NULL, 1, &result, NULL),
           REG_MANIFEST_BLOB_UNKNOWN, "but never without its config");
}


static void
test_foreign(void)
{
    char                       text[2048];
    reg_digest_t               config, none;
    reg_manifest_put_result_t  result;

    (void) push_blob(s, "foreign", REG_SHA256, reg_str("{}"), &config);
    none = digest_of(REG_SHA256, reg_str("foreign"));

    (void) snprintf(text, sizeof(text),
                    "{\"schemaVersion\":2,\"mediaType\":\""
                    REG_TYPE_OCI_MANIFEST "\",\"config\":{\"mediaType\":"
                    "\"application/vnd.oci.image.config.v1+json\","
                    "\"digest\":\"%s\",\"size\":2},\"layers\":[{"
                    "\"mediaType\":\"application/vnd.oci.image.layer."
                    "nondistributable.v1.tar\",\"digest\":\"%s\",\"size\":5,"
                    "\"urls\":[\"https://example.com/x\"]}]}",
                    config.text, none.text);

    is_num(put_full("foreign", reg_str_of(text), NULL, 0, &result, NULL),
           REG_OK, "a layer that nobody may distribute need not be here");
}


/* Many tags at once. */

static void
test_tags(void)
{
    int                        i, bad;
    char                       names[REG_TAGS_MAX][16];
    reg_str_t                  tags[REG_TAGS_MAX];
    reg_digest_t               config, layer;
    reg_manifest_put_t         put;
    reg_manifest_put_result_t  result;

    (void) push_blob(s, "many", REG_SHA256, reg_str("{}"), &config);
    (void) push_blob(s, "many", REG_SHA256, reg_str("layer"), &layer);

    memset(&put, 0, sizeof(put));

    for (i = 0; i < REG_TAGS_MAX; i++) {
        (void) snprintf(names[i], sizeof(names[i]), "t%d", i);
        tags[i] = reg_str_of(names[i]);
    }

    put.name = reg_str("many");
    put.body = image_text(&config, &layer, "");
    put.tags = tags;
    put.ntags = REG_TAGS_MAX;

    is_num(reg_manifest_put(s, &put, &result, NULL), REG_OK, "64 tags");

    bad = 0;

    for (i = 0; i < REG_TAGS_MAX; i++) {
        bad += !tag_is(s, "many", names[i], &result.digest);
    }

    is_num(bad, 0, "all of them point at it");
}


/* Who may make tags, and not move them. */

static void
test_keep_tags(void)
{
    reg_str_t                  tags[2];
    reg_digest_t               first, config, layer;
    reg_manifest_put_t         put;
    reg_manifest_put_result_t  result;

    (void) push_image(s, "keep", "v1", "", &first);
    (void) push_blob(s, "keep", REG_SHA256, reg_str("{}"), &config);
    (void) push_blob(s, "keep", REG_SHA256, reg_str("layer"), &layer);

    memset(&put, 0, sizeof(put));

    put.name = reg_str("keep");
    put.body = image_text(&config, &layer, ",\"annotations\":{\"k\":\"1\"}");
    put.tags = tags;
    put.keep_tags = 1;

    tags[0] = reg_str("v1");
    put.ntags = 1;
    is_num(reg_manifest_put(s, &put, &result, NULL), REG_DENIED,
           "A69: a tag that is there does not move");
    ok(tag_is(s, "keep", "v1", &first), "A69: it is where it was");
    ok(!served(s, "keep", &result.digest), "A69: nothing was stored");

    tags[0] = reg_str("v2");
    tags[1] = reg_str("v1");
    put.ntags = 2;
    is_num(reg_manifest_put(s, &put, &result, NULL), REG_DENIED,
           "A69: one of two is there");
    ok(!is_there(at(REPOS "keep/_manifests/tags/v2")),
       "A69: the other one is not made");

    put.ntags = 1;
    is_num(reg_manifest_put(s, &put, &result, NULL), REG_OK,
           "A69: a new tag is made");
    is_num(reg_manifest_put(s, &put, &result, NULL), REG_OK,
           "A69: and put again to the same");

    put.ntags = 0;
    is_num(reg_manifest_put(s, &put, &result, NULL), REG_OK,
           "A69: without a tag");

    put.name = reg_str("keep/new");
    (void) push_blob(s, "keep/new", REG_SHA256, reg_str("{}"), &config);
    (void) push_blob(s, "keep/new", REG_SHA256, reg_str("layer"), &layer);
    put.ntags = 1;
    is_num(reg_manifest_put(s, &put, &result, NULL), REG_OK,
           "A69: the first tag of a repository");
}


static void
test_read(void)
{
    char          type[REG_MEDIA_TYPE_MAX + 1];
    reg_buf_t     body;
    reg_path_t    path;
    reg_error_t   e;
    reg_digest_t  d, target;

    reg_error_clear(&e);
    is_num(reg_tag_read(s, reg_str("read"), reg_str("v1"), &d, &e),
           REG_MANIFEST_UNKNOWN, "no tag");
    ok(strstr(e.detail, "v1") != NULL, "the detail names it");

    (void) push_image(s, "read", "v1", "", &d);

    spit(at(REPOS "read/_manifests/tags/v1/current/link"), "");
    is_num(reg_tag_read(s, reg_str("read"), reg_str("v1"), &target, NULL),
           REG_MANIFEST_UNKNOWN, "F13 a link of zero bytes");

    reg_buf_init(&body, 1 << 20);
    reg_buf_str(&body, reg_str("before"));
    (void) reg_revision_find(s, reg_str("read"), &d, &target, NULL, NULL);
    is_num(reg_revision_read(s, &target, &body, type, NULL), REG_OK, "read");
    is(reg_str_of(type), REG_TYPE_OCI_MANIFEST, "its type");
    ok(body.len > 200 && memcmp(body.data, "before{", 7) == 0,
       "its bytes, behind what was there");

    reg_layout_blob(&path, &d);
    spit(at("%s", path.s), "{\"schemaVersion\":2}");
    body.len = 6;
    is_num(reg_revision_read(s, &target, &body, type, NULL),
           REG_MANIFEST_UNKNOWN, "F38 bytes that are others");
    is_num((long long) body.len, 6, "F38 are not handed out");
    spit(at("%s", path.s), "");
    is_num(reg_revision_read(s, &target, &body, type, NULL),
           REG_MANIFEST_UNKNOWN, "F39 none at all");
    (void) unlink(at("%s", path.s));
    is_num(reg_revision_read(s, &target, &body, type, NULL),
           REG_MANIFEST_UNKNOWN, "F41 no file");
    reg_buf_free(&body);

    (void) push_image(s, "read", "v1", "", &d);
    ok(served(s, "read", &d) && tag_is(s, "read", "v1", &d),
       "F38 F41 pushed again, it is there");
}


/* Repositories as distribution 2 and 3 leave them. */

static void
test_layouts(void)
{
    reg_digest_t  d;

    make_dirs(at(REPOS "two/_layers"));
    is_num(reg_repo_exists(s, reg_str("two"), NULL), 1, "F36 layers alone");
    (void) push_image(s, "two", "v1", "", &d);
    ok(is_there(at(REPOS "two/_manifests")) && tag_is(s, "two", "v1", &d),
       "F36 pushed to");

    make_dirs(at(REPOS "three/_manifests"));
    is_num(reg_repo_exists(s, reg_str("three"), NULL), 1,
           "F36 manifests alone");
    (void) push_image(s, "three", "v1", "", &d);
    ok(is_there(at(REPOS "three/_layers")) && tag_is(s, "three", "v1", &d),
       "F36 pushed to");

    spit(at(REPOS "file"), "x");
    is_num(reg_repo_exists(s, reg_str("file"), NULL), 0, "a file is none");
    make_symlink(at(REPOS "two"), at(REPOS "planted"));
    is_num(reg_repo_exists(s, reg_str("planted"), NULL), 0,
           "A110 nor a symbolic link");
    ok(!served(s, "planted", &d), "A110 nothing is served through it");
    ok(push_image(s, "planted", "v2", "", NULL) != REG_OK
       && !is_there(at(REPOS "two/_manifests/tags/v2")),
       "A110 nor pushed");
    is_num(reg_repo_delete(s, reg_str("planted"), NULL), REG_NAME_UNKNOWN,
           "A110 nor deleted");
    ok(served(s, "two", &d), "A110 what it points at is unharmed");
    (void) unlink(at(REPOS "planted"));
}


/* The lease of a subject, though its link is not ours to renew. */

static void
test_subject(void)
{
    int           i;
    char          text[1024];
    reg_path_t    path;
    struct stat   st;
    reg_digest_t  d, config, layer;

    static const int  errs[] = { EPERM, EACCES };

    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));

    (void) push_image(s, "subject", "v1", "", &d);
    reg_layout_revision(&path, reg_str("subject"), &d);

    for (i = 0; i < 2; i++) {
        (void) snprintf(text, sizeof(text), ",\"subject\":{\"mediaType\":\""
                        REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\","
                        "\"size\":%d}", d.text, i);
        (void) push_image(s, "subject", NULL, text, NULL);
        age_one(at("%s", path.s), 60);

        fault_only = FAULT_TIME;
        fault_arm(1, errs[i]);
        is_num(put_manifest(s, "subject", NULL,
                            image_text(&config, &layer, text), NULL, NULL),
               REG_OK, "a referrer of what somebody else owns");
        ok(fault_disarm(), "whose lease cannot be renewed in place");
        fault_only = 0;

        ok(stat(at("%s", path.s), &st) == 0
           && time(NULL) - st.st_mtime < 30, "it is all the same");
    }
}


/* F14, F17: each call fails once. */

static void
test_faults(void)
{
    int           bad, failed;
    char          more[64];
    long          n;
    reg_rc_t      rc;
    reg_str_t     body;
    reg_error_t   e;
    reg_digest_t  config, layer, old, d, now;

    static const int  errors[] = { ENOSPC, EIO, EROFS };

    (void) push_image(s, "fault", "v1", "", &old);
    (void) push_blob(s, "fault", REG_SHA256, reg_str("{}"), &config);
    (void) push_blob(s, "fault", REG_SHA256, reg_str("layer"), &layer);

    bad = 0;
    failed = 0;

    for (n = 1; n < 200; n++) {
        (void) snprintf(more, sizeof(more), ",\"annotations\":{\"n\":\"%ld\"}",
                        n);
        body = image_text(&config, &layer, more);
        d = digest_of(REG_SHA256, body);

        reg_error_clear(&e);
        fault_arm(n, errors[n % 3]);
        rc = put_manifest(s, "fault", "v1", body, NULL, &e);

        if (!fault_disarm()) {
            break;
        }

        failed++;

        /* old or new, and never none */

        now = tag_of(s, "fault", "v1");
        bad += (rc == REG_OK || e.sys == 0);
        bad += (!reg_digest_eq(&now, &old) && !reg_digest_eq(&now, &d));
        bad += !served(s, "fault", &now);

        bad += (put_manifest(s, "fault", "v1", body, NULL, NULL) != REG_OK);
        bad += !tag_is(s, "fault", "v1", &d);

        old = d;
    }

    ok(failed > 20, "F14 %d calls of a manifest put failed in turn", failed);
    is_num(bad, 0, "F14 the tag was the old or the new one each time");
}


/* F02 */

static void
test_killed_put(void)
{
    int           bad, status;
    char          more[64];
    long          n;
    pid_t         pid;
    reg_str_t     body;
    reg_digest_t  config, layer, old, d, now;

    (void) push_image(s, "kill", "v1", "", &old);
    (void) push_blob(s, "kill", REG_SHA256, reg_str("{}"), &config);
    (void) push_blob(s, "kill", REG_SHA256, reg_str("layer"), &layer);

    bad = 0;

    for (n = 1; n < 200; n++) {
        (void) snprintf(more, sizeof(more), ",\"annotations\":{\"k\":\"%ld\"}",
                        n);
        body = image_text(&config, &layer, more);
        d = digest_of(REG_SHA256, body);

        pid = fork();

        if (pid == 0) {
            fault_arm(n, FAULT_KILL);
            _exit(put_manifest(s, "kill", "v1", body, NULL, NULL) == REG_OK
                  ? 0 : 1);
        }

        (void) waitpid(pid, &status, 0);

        now = tag_of(s, "kill", "v1");
        bad += (!reg_digest_eq(&now, &old) && !reg_digest_eq(&now, &d));
        bad += !served(s, "kill", &now);
        bad += !WIFEXITED(status) || WEXITSTATUS(status) == 1;

        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            bad += !reg_digest_eq(&now, &d);
            break;
        }

        bad += (put_manifest(s, "kill", "v1", body, NULL, NULL) != REG_OK);
        old = d;
    }

    ok(n > 20, "F02 killed at each of %ld calls of a manifest put", n - 1);
    is_num(bad, 0, "F02 the tag was the old or the new one each time");
}
