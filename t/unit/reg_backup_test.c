
#include "reg_test_fault.h"
#include "reg_test_store.h"

#include "reg_restore.h"

#include <sys/file.h>
#include <sys/syscall.h>


typedef struct {
    const char  *id;
    int          valid;
} row_t;


static const row_t  ids[] = {
    { "20261231T235959Z", 1 },
    { "20261231T235959Z-2", 1 },
    { "20261231T235959Z-99", 1 },
    { "20261231T235959Z-", 0 },
    { "20261231T235959Zx", 0 },
    { "20261231T235959Z-x", 0 },
    { "20261231T235959Z/2", 0 },
    { "20261231T235959", 0 },
    { "2026-12-31T235959Z", 0 },
    { "20261231t235959Z", 0 },
    { "../20261231T2359Z", 0 },
    { "20261231T235959Z-0123456789abcd", 0 },
    { "20261231T235959Z-01234567890123", 1 },
    { "20261231T235959Z-012345678901234", 0 },
    { "", 0 }
};


static reg_store_t          *s, *dir;
static char                  dir_path[300];
static reg_backup_counts_t   counts;
static unsigned              left, entries, bad;
static reg_digest_t          image, child, list;


static reg_backup_how_t      pool_how = { .copy = 1 };

static int                   no_uploads;
static const reg_digest_t   *pushed;


/*
 * The data of uploads cannot be locked, on demand; or somebody else pushes a
 * tag in the moment before a lock is taken.
 */

int
flock(int fd, int operation)
{
    char     link[64], path[REG_PATH_MAX + 256];
    ssize_t  n;

    if (no_uploads) {
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);

        if (n > 5 && memcmp(path + n - 5, "/data", 5) == 0) {
            errno = EIO;
            return -1;
        }
    }

    if (pushed != NULL && operation != LOCK_UN) {
        spit(at(REPOS "a/b/_manifests/tags/old/current/link"), pushed->text);
        pushed = NULL;
    }

    return (int) syscall(SYS_flock, fd, operation);
}


static void
left_out(void *data, reg_str_t name, const char *what, const char *why)
{
    (void) data;
    (void) name;
    (void) what;
    (void) why;

    left++;
}


static reg_rc_t
entry(void *ctx, const reg_backup_entry_t *e)
{
    (void) ctx;
    (void) e;

    entries++;

    return REG_OK;
}


static void
found(void *ctx, const char *id, const char *what, const char *why)
{
    (void) ctx;
    (void) id;
    (void) what;
    (void) why;

    bad++;
}


/* Makes one at that time, and tells its id. */

static reg_rc_t
backup(int64_t now, char *id, int sparse)
{
    reg_rc_t            rc;
    reg_backup_t        how;
    reg_backup_pool_t  *pool;

    memset(&how, 0, sizeof(how));

    left = 0;
    pool = NULL;

    if (reg_backup_new_id(dir, now, id, NULL) != REG_OK
        || reg_backup_pool_open(&pool, dir, &pool_how, NULL) != REG_OK)
    {
        bail("pool");
    }

    how.id = id;
    how.now = now;
    how.sparse = (sparse != 0);
    how.sink = &reg_backup_pool;
    how.ctx = pool;
    how.left_out = left_out;

    rc = reg_backup(s, &how, &counts, NULL);

    reg_backup_pool_close(pool);

    return rc;
}


static void
fresh(void)
{
    char  text[1024];

    if (s != NULL) {
        reg_store_close(s);
        reg_store_close(dir);
    }

    root_make();
    s = store_open();

    (void) snprintf(dir_path, sizeof(dir_path), "%s/dest", root_path);
    make_dirs(dir_path);

    if (reg_store_open(&dir, dir_path, NULL) != REG_OK
        || push_image(s, "a/b", "v1", "", &image) != REG_OK
        || push_image(s, "a/b", NULL, ",\"annotations\":{\"a\":\"b\"}", &child)
           != REG_OK)
    {
        bail("fresh");
    }

    (void) snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"mediaType\":\""
                    REG_TYPE_OCI_INDEX "\",\"manifests\":[{\"mediaType\":\""
                    REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":9}]}",
                    child.text);

    if (put_manifest(s, "a/b", "list", reg_str_of(text), &list, NULL)
        != REG_OK)
    {
        bail("index");
    }
}


static void
test_ids(void)
{
    char    id[REG_BACKUP_ID + 1];
    size_t  i;

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        is_num(reg_backup_id_valid(reg_str_of(ids[i].id)), ids[i].valid,
               ids[i].id);
    }

    reg_backup_id(id, 1798761599, 1);
    is(reg_str_of(id), "20261231T235959Z", "of a time");
    reg_backup_id(id, 1798761599, 12);
    is(reg_str_of(id), "20261231T235959Z-012", "another one");
}


static void
test_damage(void)
{
    char                id[REG_BACKUP_ID + 1], path[2048];
    char               *text;
    size_t              i, len, seen;
    uint64_t            n;
    reg_str_t           whole;
    reg_path_t          blob;
    reg_backup_info_t   info;

    fresh();
    is_num(backup(1000000000, id, 0), REG_OK, "a backup");
    is_num((long long) counts.manifests, 3, "its manifests");
    is_num((long long) counts.tags, 2, "its tags");
    is_num((long long) counts.blobs, 5, "its blobs");
    is_num(left, 0, "nothing was left out");

    entries = 0;
    is_num(reg_backup_list(dir, id, reg_null_str, entry, NULL, &info, NULL),
           REG_OK, "its listing");
    is_num(entries, 6, "a repository, manifests and tags");
    is_num((long long) info.manifests, 3, "and numbers");

    entries = 0;
    (void) reg_backup_list(dir, id, reg_str("a/b"), entry, NULL, &info, NULL);
    is_num(entries, 6, "of one repository");
    entries = 0;
    (void) reg_backup_list(dir, id, reg_str("a"), entry, NULL, &info, NULL);
    is_num(entries, 0, "and of none");

    /* cut anywhere, changed anywhere: never an entry of it */

    (void) snprintf(path, sizeof(path), "%s/backups/%s.json", dir_path, id);
    whole = slurp(path);
    len = whole.len;
    text = malloc(len + 1);
    memcpy(text, whole.data, len);

    seen = 0;
    entries = 0;

    for (i = 0; i < len; i += 7) {
        spit_bytes(path, text, i);
        seen += (reg_backup_list(dir, id, reg_null_str, entry, NULL, &info,
                                 NULL)
                 != REG_DIGEST_MISMATCH);
    }

    is_num((long long) seen, 0, "one that was cut is damaged");

    for (i = 0; i < len - 200; i += 7) {
        text[i] ^= 1;
        spit_bytes(path, text, len);
        text[i] ^= 1;
        seen += (reg_backup_list(dir, id, reg_null_str, entry, NULL, &info,
                                 NULL)
                 != REG_DIGEST_MISMATCH);
    }

    is_num((long long) seen, 0, "one that was changed, too");
    is_num(entries, 0, "and nothing of it is believed");

    bad = 0;
    is_num(reg_backup_verify(dir, NULL, found, NULL, NULL, &n, NULL), REG_OK,
           "verified");
    is_num(bad, 1, "it is told");

    spit_bytes(path, text, len);
    free(text);

    reg_backup_path(&blob, &image);
    (void) snprintf(path, sizeof(path), "%s/%s", dir_path, blob.s);
    spit(path, "{}");
    bad = 0;
    (void) reg_backup_verify(dir, id, found, NULL, NULL, &n, NULL);
    is_num(bad, 1, "a damaged blob, too");
    (void) backup(1000000100, id, 0);
    is_num((long long) counts.copied, 1, "one of another length is mended");
    bad = 0;
    (void) reg_backup_verify(dir, NULL, found, NULL, NULL, &n, NULL);
    is_num(bad, 0, "for all backups");
}


static void
test_missing(void)
{
    char          id[REG_BACKUP_ID + 1];
    reg_digest_t  layer;

    fresh();
    layer = digest_of(REG_SHA256, reg_str("layer"));

    (void) reg_manifest_delete(s, reg_str("a/b"), &child, NULL, NULL);
    is_num(backup(1000000000, id, 0), REG_OK, "a child is gone");
    is_num((long long) counts.manifests, 1, "its index is left out");
    is_num(left, 2, "and its tag");
    is_num(backup(1000000000, id, 1), REG_OK, "sparse");
    is_num((long long) counts.manifests, 2, "it is not");
    is_num(left, 0, "nothing is");

    (void) reg_blob_delete(s, reg_str("a/b"), &layer, NULL);
    is_num(backup(1000000000, id, 0), REG_OK, "a layer is gone");
    is_num((long long) counts.manifests, 0, "no image is whole");
    is_num((long long) counts.repositories, 1, "the repository is there");

    layer = digest_of(REG_SHA256, reg_str("{}"));
    (void) reg_blob_delete(s, reg_str("a/b"), &layer, NULL);
    is_num(backup(1000000000, id, 1), REG_OK, "a config is gone, sparse");
    is_num((long long) counts.manifests, 1, "no image is without");
}


/* What is linked is not read unless that is asked for. */

static void
test_verify(void)
{
    char          id[REG_BACKUP_ID + 1];
    reg_path_t    path;
    reg_digest_t  layer;

    fresh();
    layer = digest_of(REG_SHA256, reg_str("layer"));
    reg_layout_blob(&path, &layer);
    spit(at("%s", path.s), "LAYER");

    pool_how.copy = 0;
    pool_how.verify = 1;
    is_num(backup(1000000000, id, 0), REG_OK, "a layer that rotted, linked");
    pool_how.copy = 1;
    pool_how.verify = 0;

    is_num((long long) counts.manifests, 0, "no image is taken");
    is_num(left, 5, "three manifests and two tags are told");
}


/* Whoever can write there can make the digest fit. */

static void
test_forged(void)
{
    char                text[1024], path[1024];
    size_t              i, len;
    reg_digest_t        d;
    reg_backup_info_t   info;

#define SUM                                                                   \
    "sha256:" "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    static const row_t  lines[] = {
        { "{\"repository\":\"a\"}", 1 },
        { "{\"repository\":\"../a\"}", 0 },
        { "{\"repository\":\"a/../../b\"}", 0 },
        { "{\"repository\":\"a\",\"manifest\":\"" SUM "\"}", 1 },
        { "{\"repository\":\"a\",\"manifest\":\"../x\"}", 0 },
        { "{\"repository\":\"a\",\"manifest\":\"" SUM "\","
          "\"subject\":\"x\"}", 0 },
        { "{\"repository\":\"a\",\"tag\":\"t\",\"manifest\":\"" SUM "\"}", 1 },
        { "{\"repository\":\"a\",\"tag\":\"../t\",\"manifest\":\"" SUM "\"}",
          0 },
        { "{\"repository\":\"a\",\"tag\":\"t\"}", 0 },
        { "{\"repository\":\"a\",\"left_out\":\"t\",\"why\":\"gone\"}", 1 },
        { "{\"repository\":\"a\",\"left_out\":\"t\",\"why\":\"\\u001b[2J\"}",
          0 },
        { "{\"repository\":\"a\",\"left_out\":\"\\u001b\",\"why\":\"\"}", 0 },
        { "{\"repository\":\"a\"", 0 }
    };

    fresh();
    (void) snprintf(path, sizeof(path), "%s/backups/20200101T000000Z.json",
                    dir_path);

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        len = (size_t) snprintf(text, sizeof(text), "{\"contents\":[\n%s\n],\n",
                                lines[i].id);
        d = digest_of(REG_SHA256, (reg_str_t) { len, text });
        (void) snprintf(text + len, sizeof(text) - len,
                        "\"counts\":{},\"digest\":\"%s\"}\n", d.text);
        spit(path, text);

        entries = 0;
        is_num(reg_backup_list(dir, "20200101T000000Z", reg_null_str, entry,
                               NULL, &info, NULL),
               lines[i].valid ? REG_OK : REG_DIGEST_MISMATCH, lines[i].id);
        is_num(entries, lines[i].valid, "is believed, or not");
    }
}


/* An alias that names what refers to the alias: no push makes one. */

static void
test_cycle(void)
{
    char          id[REG_BACKUP_ID + 1], text[1024];
    reg_digest_t  alias, outer;

    fresh();
    alias = digest_of(REG_SHA512, reg_str("of nothing that is there"));

    (void) snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"mediaType\":\""
                    REG_TYPE_OCI_INDEX "\",\"manifests\":[{\"mediaType\":\""
                    REG_TYPE_OCI_INDEX "\",\"digest\":\"%s\",\"size\":9}]}",
                    alias.text);

    outer = digest_of(REG_SHA256, reg_str_of(text));

    spit(at(V2 "blobs/sha256/%.2s/%s/data", reg_digest_hex(&outer),
            reg_digest_hex(&outer)), text);
    spit(at(REPOS "a/b/_manifests/revisions/sha512/%s/link",
            reg_digest_hex(&alias)), outer.text);
    spit(at(REPOS "a/b/_manifests/revisions/sha256/%s/link",
            reg_digest_hex(&outer)), outer.text);

    is_num(backup(1000000000, id, 0), REG_OK, "what refers to itself");
    is_num(left, 2, "is left out, and what refers to it");
    is_num((long long) counts.manifests, 3, "and nothing else");

    is_num(backup(1000000000, id, 1), REG_OK, "sparse");
    is_num(left, 1, "it alone");
}


static void
test_prune(void)
{
    char                 id[4][REG_BACKUP_ID + 1];
    size_t               i;
    reg_names_t          names;
    reg_backup_freed_t   freed;

    static const int64_t  times[] = {
        1000000000, 1000086400, 1000172800, 1000259200
    };

    fresh();

    for (i = 0; i < 4; i++) {
        (void) backup(times[i], id[i], 0);
    }

    (void) reg_manifest_delete(s, reg_str("a/b"), &image, NULL, NULL);

    is_num(reg_backup_prune(dir, 0, 2 * 86400, times[3], &freed, NULL),
           REG_OK, "those of two days");
    is_num((long long) freed.backups, 2, "two are older or as old");
    is_num((long long) freed.blobs, 0, "the others need all blobs");

    is_num(reg_backup_prune(dir, 2, 1, times[3] + 1000, &freed, NULL), REG_OK,
           "two, or those of a second");
    is_num((long long) freed.backups, 0, "two stay");

    /* another in the same second, and one after the clock was set back */

    (void) backup(times[3], id[0], 0);
    is(reg_str_of(id[0]), "20010912T014640Z-002", "of the same second");
    (void) backup(times[0], id[0], 0);
    is_num(reg_backup_prune(dir, 0, 1, times[3] + 1000000, &freed, NULL),
           REG_OK, "all are old");
    is_num((long long) freed.backups, 3, "the newest stays");
    is_num((long long) freed.blobs, 1, "the image went");

    memset(&names, 0, sizeof(names));
    (void) reg_backup_ids(dir, &names, NULL);
    is_num((long long) names.n, 1, "one is left");
    is(reg_names_get(&names, 0), id[0], "the newest");
    reg_names_free(&names);
}


static void
test_restore(void)
{
    char                   id[REG_BACKUP_ID + 1], text[2048];
    reg_path_t             path;
    reg_restore_t          how;
    reg_restore_counts_t   n;

    fresh();
    (void) backup(1000000000, id, 0);
    (void) reg_repo_delete(s, reg_str("a/b"), NULL);

    memset(&how, 0, sizeof(how));
    how.id = id;
    how.now = 1000000000;
    how.only = reg_str("a/b");
    how.tag = reg_str("list");

    is_num(reg_restore(dir, s, &how, &n, NULL), REG_OK, "one tag");
    is_num((long long) n.manifests, 2, "an index and its child");
    ok(tag_is(s, "a/b", "list", &list), "the tag");
    ok(served(s, "a/b", &child), "the child");
    ok(!served(s, "a/b", &image), "and no more");

    how.tag = reg_null_str;
    how.only = reg_null_str;
    is_num(reg_restore(dir, s, &how, &n, NULL), REG_OK, "all");
    ok(tag_is(s, "a/b", "v1", &image), "the other tag");
    is_num((long long) n.blobs, 0, "blobs were there still");
    is_num((long long) n.failed, 0, "no failure");

    (void) push_image(s, "a/b", "v1", ",\"annotations\":{\"n\":\"1\"}", NULL);
    how.keep_tags = 1;
    is_num(reg_restore(dir, s, &how, &n, NULL), REG_OK, "keeping tags");
    is_num((long long) n.kept, 1, "one");
    ok(!tag_is(s, "a/b", "v1", &image), "stays");

    /* what cannot be brought back leaves nothing */

    (void) reg_repo_delete(s, reg_str("a/b"), NULL);
    (void) nftw(at(V2 "blobs"), root_remove_one, 32, FTW_DEPTH|FTW_PHYS);
    no_uploads = 1;
    ok(reg_restore(dir, s, &how, &n, NULL) != REG_OK,
       "where no upload can be opened");
    no_uploads = 0;
    (void) rmdir(at(REPOS "a/b/_uploads"));
    ok(!is_there(at(REPOS "a/b/_uploads")), "no session is left");

    how.id = "20200101T000000Z";
    is_num(reg_restore(dir, s, &how, &n, NULL), REG_ABSENT, "no such backup");

    /* a manifest that is another one's bytes */

    fresh();
    (void) backup(1000000000, id, 0);
    (void) reg_repo_delete(s, reg_str("a/b"), NULL);
    reg_backup_path(&path, &image);
    (void) snprintf(text, sizeof(text), "%s/%s", dir_path, path.s);
    spit(text, "{}");

    memset(&how, 0, sizeof(how));
    how.id = id;
    how.now = 1000000000;
    how.dry = 1;
    is_num(reg_restore(dir, s, &how, &n, NULL), REG_OK, "asked before");
    is_num((long long) n.failed, 2, "a manifest and its tag would not come");
    is_num((long long) n.tags, 1, "and the other would");

    how.dry = 0;
    is_num(reg_restore(dir, s, &how, &n, NULL), REG_OK, "of damaged ones");
    is_num((long long) n.failed, 2, "a manifest and its tag do not come");
    ok(tag_is(s, "a/b", "list", &list), "and the rest does");

    /* the child of an index, which is there, and then is not */

    reg_backup_path(&path, &child);
    (void) snprintf(text, sizeof(text), "%s/%s", dir_path, path.s);
    spit(text, "{}");
    how.dry = 1;
    is_num(reg_restore(dir, s, &how, &n, NULL), REG_OK, "a damaged child");
    is_num((long long) n.failed, 3, "would not come, and none else");

    (void) reg_repo_delete(s, reg_str("a/b"), NULL);
    is_num(reg_restore(dir, s, &how, &n, NULL), REG_OK, "where it is not");
    is_num((long long) n.failed, 5, "nor would its index, and the tag");
    how.dry = 0;
    is_num(reg_restore(dir, s, &how, &n, NULL), REG_OK, "in earnest");
    is_num((long long) n.failed, 5, "the same");
}


/* The manifests are back, and the first tag comes. */

static void
overtake(void *data, const reg_restore_counts_t *n)
{
    if (n->manifests == 4 && n->tags + n->kept == 0) {
        pushed = data;
    }
}


/* A manifest that no push may bring has its tag in the same way. */

static void
test_overtaken(void)
{
    char                   id[REG_BACKUP_ID + 1];
    reg_digest_t           old;
    reg_restore_t          how;
    reg_restore_counts_t   n;

    static const char  text[] = "{\"schemaVersion\":1,\"fsLayers\":[]}";

    fresh();
    old = digest_of(REG_SHA256, reg_str(text));

    (void) reg_tag_delete(s, reg_str("a/b"), reg_str("v1"), NULL);
    (void) reg_tag_delete(s, reg_str("a/b"), reg_str("list"), NULL);

    spit(at(V2 "blobs/sha256/%.2s/%s/data", reg_digest_hex(&old),
            reg_digest_hex(&old)), text);
    spit(at(REPOS "a/b/_manifests/revisions/sha256/%s/link",
            reg_digest_hex(&old)), old.text);
    spit(at(REPOS "a/b/_manifests/tags/old/current/link"), old.text);

    is_num(backup(1000000000, id, 0), REG_OK, "a backup of schema 1");
    is_num((long long) counts.tags, 1, "with its tag");
    (void) reg_tag_delete(s, reg_str("a/b"), reg_str("old"), NULL);

    memset(&how, 0, sizeof(how));
    how.id = id;
    how.now = 1000000000;
    how.keep_tags = 1;
    how.tick = overtake;
    how.data = &image;

    is_num(reg_restore(dir, s, &how, &n, NULL), REG_OK, "keeping tags");
    is_num((long long) n.kept, 1, "one that came a moment before");
    ok(tag_is(s, "a/b", "old", &image), "stays");
}


/* More blobs than get names together, more lines than are written together. */

static void
test_many(void)
{
    char                   id[REG_BACKUP_ID + 1], more[80];
    size_t                 i, step;
    unsigned               wrong;
    uint64_t               n;
    reg_rc_t               rc;
    reg_str_t              text;
    reg_digest_t           config, layer, d;
    reg_restore_t          how;
    reg_backup_info_t      info;
    reg_restore_counts_t   back;

    fresh();
    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));

    for (i = 0; i < 400; i++) {
        (void) snprintf(more, sizeof(more), ",\"annotations\":{\"n\":\"%zu\"}",
                        i);
        text = image_text(&config, &layer, more);
        d = digest_of(REG_SHA256, text);

        spit_bytes(at(V2 "blobs/sha256/%.2s/%s/data", reg_digest_hex(&d),
                      reg_digest_hex(&d)), text.data, text.len);
        spit(at(REPOS "a/b/_manifests/revisions/sha256/%s/link",
                reg_digest_hex(&d)), d.text);
    }

    is_num(backup(1000000000, id, 0), REG_OK, "many manifests");
    is_num((long long) counts.manifests, 403, "are taken");
    is_num((long long) counts.copied, 405, "each blob once");

    entries = 0;
    is_num(reg_backup_list(dir, id, reg_null_str, entry, NULL, &info, NULL),
           REG_OK, "a long listing is whole");
    is_num(entries, 406, "with all of them");
    bad = 0;
    is_num(reg_backup_verify(dir, NULL, found, NULL, NULL, &n, NULL), REG_OK,
           "and so is all that it names");
    is_num(bad, 0, "nothing is bad");

    /* a call fails: among those of the listing, then among those of all */

    wrong = 0;

    for (i = 1, step = 1; i < 5000; i += step) {
        fault_arm((long) i, ENOSPC);
        rc = backup(1000000100, id, 0);

        if (!fault_disarm()) {

            if (step != 1) {
                break;
            }

            i = 0;
            step = 211;
        }

        bad = 0;
        wrong += (reg_backup_verify(dir, NULL, found, NULL, NULL, &n, NULL)
                  != REG_OK
                  || bad != 0
                  || (rc == REG_OK && reg_backup_list(dir, id, reg_null_str,
                                                      NULL, NULL, &info, NULL)
                                      != REG_OK));

        if (step != 1) {
            (void) nftw(dir_path, root_remove_one, 32, FTW_DEPTH|FTW_PHYS);
            make_dirs(dir_path);
            reg_store_close(dir);

            if (reg_store_open(&dir, dir_path, NULL) != REG_OK) {
                bail("dest");
            }
        }
    }

    is_num(wrong, 0, "F14 a backup that is named is whole");
    ok(i > 2000 && i < 5000, "F14 whichever of %zu calls fails", i);

    (void) reg_repo_delete(s, reg_str("a/b"), NULL);
    memset(&how, 0, sizeof(how));
    how.id = id;
    how.now = 1000000000;
    how.dry = 1;
    is_num(reg_restore(dir, s, &how, &back, NULL), REG_OK, "all could be back");
    is_num((long long) back.manifests, 403, "each of them");
    is_num((long long) back.failed, 0, "and none is missing");
}


int
main(void)
{
    fault_lazy = 1;

    test_ids();
    test_damage();
    test_missing();
    test_verify();
    test_forged();
    test_cycle();
    test_many();
    test_prune();
    test_restore();
    test_overtaken();

    reg_store_close(s);
    reg_store_close(dir);

    return done_testing();
}
