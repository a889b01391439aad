
#include "reg_test_store.h"

#include "reg_audit.h"

#include <time.h>


#define APP    REPOS "some/app"
#define OTHER                                                                 \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"


typedef struct {
    const char   *name;
    void        (*damage)(void);
    const char   *want;               /* codes, in the order of the table */
} row_t;


static void test_clean(void);
static void test_counts(void);
static void test_damage(void);
static void test_grace(void);
static void test_twice(void);
static void test_ends(void);
static void fresh(void);
static const char *audit(void);
static reg_rc_t found(void *data, const reg_audit_finding_t *f);
static const char *layer_link(void);
static const char *revision_link(const reg_digest_t *d);
static const char *data_of(const reg_digest_t *d);
static void drop(const char *path);


static reg_store_t         *s;
static reg_audit_t          how;
static reg_audit_counts_t   counts;
static unsigned             seen[REG_AUDIT_N];
static char                 last_path[REG_PATH_MAX], last_text[1024];
static reg_digest_t         image, child, list, artifact, config, layer;
static char                 session[REG_UUID_LEN + 1];
static unsigned             pauses;


int
main(void)
{
    how.found = found;

    test_clean();
    test_counts();
    test_damage();
    test_grace();
    test_twice();
    test_ends();

    reg_store_close(s);

    return done_testing();
}


/* A store with one of each. */

static void
fresh(void)
{
    char            text[2048];
    char           *data;
    reg_upload_t   *u;

    if (s != NULL) {
        reg_store_close(s);
    }

    root_make();
    s = store_open();

    if (push_image(s, "some/app", "v1", "", &image) != REG_OK
        || push_image(s, "some/app", NULL, ",\"annotations\":{\"a\":\"b\"}",
                      &child)
           != REG_OK
        || push_blob(s, "some/app/nested", REG_SHA512, reg_str("512"), NULL)
           != REG_OK
        || push_blob(s, "some/app", REG_SHA256, reg_str(""), NULL) != REG_OK)
    {
        bail("push");
    }

    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));

    (void) snprintf(text, sizeof(text),
                    "{\"schemaVersion\":2,\"mediaType\":\""
                    REG_TYPE_OCI_INDEX "\",\"manifests\":[{\"mediaType\":\""
                    REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":1}]}",
                    child.text);

    if (put_manifest(s, "some/app", "list", reg_str_of(text), &list, NULL)
        != REG_OK)
    {
        bail("index");
    }

    (void) snprintf(text, sizeof(text),
                    ",\"artifactType\":\"a/b\",\"subject\":{\"mediaType\":\""
                    REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":1}",
                    image.text);

    if (put_manifest(s, "some/app", NULL, image_text(&config, &layer, text),
                     &artifact, NULL)
        != REG_OK)
    {
        bail("artifact");
    }

    /* long enough to have a hash state */

    data = noise(100000, 1);

    if (reg_upload_create(s, reg_str("some/app"), REG_SHA256, 1795208645,
                          session, NULL)
        != REG_OK
        || reg_upload_open(&u, s, reg_str("some/app"), reg_str_of(session),
                           NULL)
           != REG_OK
        || upload_add(u, (reg_str_t) { 100000, data }) != REG_OK
        || reg_upload_save(u, NULL) != REG_OK)
    {
        bail("upload");
    }

    reg_upload_close(u);
    free(data);
}


static reg_rc_t
found(void *data, const reg_audit_finding_t *f)
{
    (void) data;

    seen[f->code]++;

    (void) snprintf(last_path, sizeof(last_path), "%s", f->path);
    (void) snprintf(last_text, sizeof(last_text), "%s", f->text);

    return REG_OK;
}


/* The codes found, each as often as it was. */

static const char *
audit(void)
{
    unsigned      i, k;
    reg_rc_t      rc;
    reg_error_t   e;

    static char   text[1024];

    memset(seen, 0, sizeof(seen));
    reg_error_clear(&e);
    text[0] = '\0';

    /* nothing was made in the second in which the audit begins */

    how.now = (int64_t) time(NULL) + 2;

    rc = reg_audit(s, &how, &counts, &e);

    if (rc != REG_OK) {
        return reg_error_code(rc);
    }

    for (i = 0; i < REG_AUDIT_N; i++) {
        for (k = 0; k < seen[i]; k++) {
            (void) snprintf(text + strlen(text), sizeof(text) - strlen(text),
                            "%s%s", (text[0] == '\0') ? "" : " ",
                            reg_audit_code((reg_audit_e) i));
        }
    }

    return text;
}


static void
test_clean(void)
{
    root_make();
    s = store_open();

    is(reg_str_of(audit()), "", "nothing at all is clean");

    fresh();
    how.digests = 1;
    how.sparse = 0;
    how.grace = 0;

    is(reg_str_of(audit()), "", "a store that the core made is clean");

    how.grace = 3600;
    how.digests = 0;

    is(reg_str_of(audit()), "", "also by a shorter look");
}


static void
test_counts(void)
{
    fresh();
    (void) audit();

    is_num((long long) counts.repositories, 2, "repositories");
    is_num((long long) counts.manifests, 4, "manifests");
    is_num((long long) counts.layers, 4, "layers");
    is_num((long long) counts.tags, 2, "tags");
    is_num((long long) counts.uploads, 1, "uploads");
    is_num((long long) counts.blobs, 8, "blobs");
    is_num((long long) counts.unlinked, 0, "all blobs are linked");

    drop(layer_link());
    drop(revision_link(&artifact));
    is(reg_str_of(audit()), "reference-missing reference-missing",
       "two manifests miss the layer");

    is_num((long long) counts.unlinked, 2, "two blobs are not linked now");
    is_num((long long) counts.referrers_stale, 1,
           "a referrer without its manifest is counted");

    drop(at(APP "/_manifests/tags/v1/current/link"));
    make_dirs(at(REPOS "third/_layers"));
    (void) audit();
    is_num((long long) counts.repositories, 3, "a repository of layers");
    is_num((long long) counts.tags_unfinished, 1,
           "a tag of index entries alone is counted");
}


/* --- one damage each ------------------------------------------------------ */

#define TAG    APP "/_manifests/tags/v1"
#define STATE  APP "/_uploads/%s/hashstates/sha256/100000"

static const char *
layer_link(void)
{
    return at(APP "/_layers/sha256/%s/link", reg_digest_hex(&layer));
}

static const char *
revision_link(const reg_digest_t *d)
{
    return at(APP "/_manifests/revisions/sha256/%s/link", reg_digest_hex(d));
}

static const char *
data_of(const reg_digest_t *d)
{
    reg_path_t  path;

    reg_layout_blob(&path, d);

    return at("%s", path.s);
}

static void
drop(const char *path)
{
    if (unlink(path) == -1) {
        bail(path);
    }
}

static void
link_newline(void)
{
    char  text[256];

    (void) snprintf(text, sizeof(text), "%s\n", image.text);
    spit(at(TAG "/current/link"), text);
}

static void link_empty(void) { spit(at(TAG "/current/link"), ""); }
static void link_words(void) { spit(layer_link(), "words"); }
static void link_two(void)
{
    char  text[512];

    (void) snprintf(text, sizeof(text), "%s%s", layer.text, layer.text);
    spit(layer_link(), text);
}
static void link_other(void) { spit(layer_link(), config.text); }
static void layer_gone(void) { drop(data_of(&layer)); }
static void revision_gone(void) { drop(revision_link(&image)); }
static void child_gone(void) { drop(revision_link(&child)); }
static void manifest_gone(void) { drop(data_of(&image)); }
static void manifest_flip(void) { spit(data_of(&image), "{}"); }
static void index_gone(void)
{
    drop(at(TAG "/index/sha256/%s/link", reg_digest_hex(&image)));
}
static void index_words(void)
{
    spit(at(TAG "/index/sha256/%s/link", reg_digest_hex(&image)), "x");
}
static void manifest_words(void)
{
    reg_digest_t  d;

    d = digest_of(REG_SHA256, reg_str("[]"));
    spit(data_of(&d), "[]");
    spit(revision_link(&d), d.text);
}
static void referrer_other(void)
{
    spit(at(APP "/_referrers/sha256/" OTHER "/sha256/%s/link",
            reg_digest_hex(&artifact)), artifact.text);
}
static void upload_data(void) { drop(at(APP "/_uploads/%s/data", session)); }
static void upload_date(void)
{
    drop(at(APP "/_uploads/%s/startedat", session));
}
static void upload_date_bad(void)
{
    spit(at(APP "/_uploads/%s/startedat", session), "yesterday");
}
static void upload_state(void) { spit(at(STATE, session), "x"); }
static void upload_state_name(void)
{
    spit(at(APP "/_uploads/%s/hashstates/sha256/one", session), "x");
}
static void upload_owner(void)
{
    spit(at(APP "/_uploads/%s/owner", session), "");
}
static void upload_more(void)
{
    spit(at(APP "/_uploads/%s/more", session), "");
}
static void upload_name(void) { make_dirs(at(APP "/_uploads/x")); }
static void blob_empty(void) { spit(data_of(&layer), ""); }
static void blob_flip(void) { spit(data_of(&layer), "Layer"); }
static void blob_cut(void) { spit(data_of(&layer), "laye"); }
static void blob_more(void)
{
    spit(at(V2 "blobs/sha256/%.2s/%s/more", reg_digest_hex(&layer),
            reg_digest_hex(&layer)), "x");
}
static void blob_misplaced(void)
{
    make_dirs(at(V2 "blobs/sha256/ff/" OTHER));
}
static void blob_link(void)
{
    drop(data_of(&layer));
    make_symlink("/etc/passwd", data_of(&layer));
}
static void link_link(void)
{
    drop(layer_link());
    make_symlink("/etc/passwd", layer_link());
}
static void link_dir(void)
{
    drop(layer_link());
    make_dirs(layer_link());
}
static void symlink_repo(void) { make_symlink("/", at(REPOS "other")); }
static void symlink_v2(void)
{
    make_symlink("/", at("docker/registry/elsewhere"));
}
static void fifo(void)
{
    if (mkfifo(at(APP "/_layers/fifo"), 0644) == -1) {
        bail("mkfifo");
    }
}
static void temporary(void) { spit(at(APP "/_layers/x.tmp"), "x"); }
static void temporary_own(void)
{
    spit(at("docker/registry/nginx/tmp/x"), "x");
}
static void trash_own(void)
{
    make_dirs(at("docker/registry/nginx/trash/x"));
}
static void stray_repo(void) { spit(at(REPOS "some/file"), "x"); }
static void stray_part(void) { make_dirs(at(APP "/_more")); }
static void stray_alg(void) { make_dirs(at(V2 "blobs/md5")); }
static void stray_name(void) { make_dirs(at(REPOS "Some/app/_layers")); }
static void stray_tag(void) { make_dirs(at(APP "/_manifests/tags/-x")); }
static void stray_current(void) { spit(at(TAG "/current/more"), "x"); }
static void not_ours(void) { spit(at("lost+found/x"), "x"); }
static void empty_dirs(void)
{
    make_dirs(at(APP "/_layers/sha256/" OTHER));
    make_dirs(at(V2 "blobs/sha256/01/" OTHER));
    make_dirs(at(APP "/_manifests/tags/v2/current"));
    make_dirs(at(APP "/_manifests/revisions/sha256/" OTHER));
}
static void alias(void)
{
    reg_digest_t  d;

    /* as distribution does after a push by sha512 */

    d = digest_of(REG_SHA512, reg_str("layer"));
    spit(at(APP "/_layers/sha512/%s/link", reg_digest_hex(&d)), layer.text);
}


static void
test_damage(void)
{
    size_t  i;

    static const row_t  rows[] = {
        { "a link with a newline", link_newline, "link-content" },
        { "an empty link", link_empty, "link-empty" },
        { "a link of words", link_words, "link-content reference-missing "
          "reference-missing reference-missing" },
        { "a link of two digests", link_two, "link-content reference-missing "
          "reference-missing reference-missing" },
        { "a link of another digest", link_other, "link-digest" },
        { "a layer without data", layer_gone, "layer-blob reference-missing "
          "reference-missing reference-missing" },
        { "a tag without its revision", revision_gone, "tag-revision" },
        { "an index without a child", child_gone, "reference-missing" },
        { "a manifest without data", manifest_gone, "revision-blob" },
        { "a manifest of other bytes", manifest_flip,
          "manifest-digest blob-size" },
        { "a manifest that is none", manifest_words, "manifest-invalid" },
        { "a tag without its index entry", index_gone, "tag-index" },
        { "an index entry of words", index_words, "link-content" },
        { "a referrer of another subject", referrer_other,
          "referrer-subject" },
        { "an upload without data", upload_data, "upload-data" },
        { "an upload without a date", upload_date, "upload-startedat" },
        { "an upload with a bad date", upload_date_bad, "upload-startedat" },
        { "a bad hash state", upload_state, "upload-state" },
        { "a hash state of no offset", upload_state_name, "upload-state" },
        { "an empty owner", upload_owner, "upload-owner" },
        { "a stray file in an upload", upload_more, "unexpected" },
        { "an upload of another name", upload_name, "unexpected" },
        { "a blob of no bytes", blob_empty, "blob-empty" },
        { "a byte that flipped", blob_flip, "blob-digest" },
        { "a blob that was cut", blob_cut, "blob-size" },
        { "a file beside the data", blob_more, "unexpected" },
        { "a blob in the wrong place", blob_misplaced, "unexpected" },
        { "data that is a symbolic link", blob_link, "layer-blob "
          "reference-missing reference-missing reference-missing symlink" },
        { "a link that is a symbolic link", link_link, "reference-missing "
          "reference-missing reference-missing symlink" },
        { "a link that is a directory", link_dir, "reference-missing "
          "reference-missing reference-missing unexpected" },
        { "a symbolic link to a repository", symlink_repo, "symlink" },
        { "a symbolic link above", symlink_v2, "symlink" },
        { "a FIFO", fifo, "special" },
        { "a temporary", temporary, "temporary" },
        { "a temporary of ours", temporary_own, "temporary" },
        { "something in the trash", trash_own, "temporary" },
        { "a file among repositories", stray_repo, "unexpected" },
        { "another part of a repository", stray_part, "unexpected" },
        { "an algorithm nobody knows", stray_alg, "unexpected" },
        { "a repository of a bad name", stray_name, "unexpected" },
        { "a bad tag", stray_tag, "unexpected" },
        { "a stray file beside a link", stray_current, "unexpected" },
        { "a file that is not ours", not_ours, "" },
        { "empty directories", empty_dirs, "" },
        { "an alias of another algorithm", alias, "" }
    };

    how.grace = 0;
    how.digests = 1;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fresh();
        rows[i].damage();
        is(reg_str_of(audit()), rows[i].want, rows[i].name);
    }

    fresh();
    reg_fs_plain(s);
    symlink_repo();
    link_link();
    is(reg_str_of(audit()), "reference-missing reference-missing "
       "reference-missing symlink symlink", "symbolic links without openat2()");

    how.sparse = 1;

    fresh();
    drop(layer_link());
    is(reg_str_of(audit()), "", "sparse: references may be missing");

    how.sparse = 0;
    how.digests = 0;

    fresh();
    blob_flip();
    is(reg_str_of(audit()), "", "without digests blobs are not hashed");
    manifest_flip();
    is(reg_str_of(audit()), "manifest-digest blob-size",
       "but manifests are");
    ok(strncmp(last_path, "docker/registry/v2/blobs/", 25) == 0,
       "the path is told");
    ok(strcmp(last_text, "has 2 bytes in place of 392") == 0,
       "and a sentence: %s", last_text);
}


static void
test_grace(void)
{
    how.grace = 3600;

    fresh();
    temporary();
    temporary_own();
    upload_data();
    upload_state();
    is(reg_str_of(audit()), "", "what is young may be unfinished");

    how.grace = 1;
    is(reg_str_of(audit()), "upload-data upload-state temporary temporary",
       "what is old may not");
}


/* --- the second look ------------------------------------------------------ */

static void
repair(void *data)
{
    (void) data;

    pauses++;
    spit(layer_link(), layer.text);
}


static void
test_twice(void)
{
    how.grace = 0;

    fresh();
    spit(layer_link(), "");
    how.pause = repair;

    is(reg_str_of(audit()), "", "what was mended meanwhile is no finding");
    is_num(pauses, 1, "one pause for all");

    is(reg_str_of(audit()), "", "a clean store");
    is_num(pauses, 1, "needs none");

    temporary();
    is(reg_str_of(audit()), "temporary", "what stays is one");
    is_num((long long) counts.findings, 1, "counted once");

    how.pause = NULL;
}


static reg_rc_t
stop(void *data, const reg_audit_finding_t *f)
{
    (void) f;

    ++*(unsigned *) data;

    return REG_BUSY;
}


static void
test_ends(void)
{
    unsigned  n;
    size_t    i;

    fresh();

    for (i = 0; i < 2 * REG_AUDIT_SUSPECTS; i++) {
        spit(at(APP "/_layers/stray-%zu", i), "");
    }

    (void) audit();
    is_num(seen[REG_AUDIT_UNEXPECTED], 2 * REG_AUDIT_SUSPECTS,
           "more than can wait for a second look");

    n = 0;
    how.found = stop;
    how.data = &n;

    is_num(reg_audit(s, &how, &counts, NULL), REG_BUSY,
           "the caller can end it");
    is_num(n, 1, "at once");
}
