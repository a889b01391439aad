
/* Whether a repository is quiet: the note upon the store's lock. */

#include "reg_test_age.h"

#include "reg_lease.h"
#include "reg_quiet.h"


#define APP  "some/app"


static void test_note(void);
static void test_disturbed(void);
static void test_not(void);
static void test_copy(void);
static void test_another_file(void);


static reg_store_t  *s;


int
main(void)
{
    root_make();
    s = store_open();

    test_note();
    test_disturbed();
    test_not();
    test_copy();
    test_another_file();

    reg_store_close(s);

    return done_testing();
}


static reg_rc_t
begin(const char *name)
{
    int       lock;
    reg_rc_t  rc;

    if (s->driver->lock(s, REG_LOCK_EXCLUSIVE, &lock, NULL) != REG_OK) {
        bail("lock");
    }

    rc = reg_quiet_begin(s, lock, reg_str_of(name), NULL);
    s->driver->unlock(s, lock);

    return rc;
}


static int
quiet(const char *name)
{
    int  lock, yes;

    yes = 0;

    if (s->driver->lock(s, REG_LOCK_EXCLUSIVE, &lock, NULL) != REG_OK
        || reg_quiet_look(lock, reg_str_of(name), &yes, NULL) != REG_OK)
    {
        bail("lock");
    }

    s->driver->unlock(s, lock);

    return yes;
}


static void
test_note(void)
{
    unsigned     i;
    struct stat  st;

    /* the sizes are those of all versions */

    static const struct {
        const char  *name;
        long long    size;
    } rows[] = {
        { "a",        3793 },
        { "some/app", 925 }
    };

    is_num(quiet(APP), 0, "a store that is new");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_num(begin(rows[i].name), REG_OK, rows[i].name);
        is_num(quiet(rows[i].name), 1, "it is quiet");

        if (stat(at(REG_FS_LOCK), &st) != 0) {
            bail("stat");
        }

        is_num((long long) st.st_size, rows[i].size, "and noted as such");
        is_num((long long) st.st_blocks, 0, "which takes no room");
    }

    is_num(quiet("a"), 0, "one repository is, at a time");
    is_num(quiet(""), 0, "and one that has a name");
}


static void
test_disturbed(void)
{
    unsigned      i;
    reg_rc_t      rc;
    reg_digest_t  d, child;
    char          text[1024];

    (void) push_image(s, APP, NULL, "", &child);

    for (i = 0; i < 4; i++) {
        age(at("docker"), 60);
        (void) begin(APP);

        switch (i) {

        case 0:
            rc = push_image(s, APP, "v1", "", &d);
            break;

        case 1:
            rc = reg_revision_lease(s, reg_str(APP), &child,
                                    REG_TIME_SECOND, NULL);
            break;

        case 2:
            (void) snprintf(text, sizeof(text), "{\"schemaVersion\":2,"
                            "\"mediaType\":\"" REG_TYPE_OCI_INDEX "\","
                            "\"manifests\":[{\"mediaType\":\""
                            REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\","
                            "\"size\":1}]}", child.text);
            rc = put_manifest(s, APP, NULL, reg_str_of(text), NULL, NULL);
            break;

        default:
            (void) snprintf(text, sizeof(text), ",\"subject\":{"
                            "\"mediaType\":\"" REG_TYPE_OCI_MANIFEST "\","
                            "\"digest\":\"%s\",\"size\":1}", child.text);
            rc = push_image(s, APP, NULL, text, &d);
            break;
        }

        ok(rc == REG_OK && !quiet(APP), "after %s it is not any more",
           (i == 0) ? "a push" : (i == 1) ? "HEAD" : (i == 2) ? "an index"
           : "a referrer");
    }
}


static void
test_not(void)
{
    reg_digest_t  layer;

    layer = digest_of(REG_SHA256, reg_str("layer"));
    (void) begin(APP);

    (void) push_blob(s, APP, REG_SHA256, reg_str("blob"), NULL);
    age(at("docker"), 60);
    (void) reg_blob_lease(s, reg_str(APP), &layer, REG_TIME_SECOND, NULL);
    (void) push_image(s, "some/apple", "v1", "", NULL);
    (void) push_image(s, "some", "v1", "", NULL);
    (void) reg_tag_delete(s, reg_str(APP), reg_str("v1"), NULL);

    is_num(quiet(APP), 1, "blobs, other repositories, and a tag that goes "
           "do not disturb it");
}


static void
test_another_file(void)
{
    reg_rc_t      rc;
    struct stat   st;
    reg_digest_t  d;

    if (geteuid() != 0) {
        ok(1, "nobody else could change a file that is not the store's");
        return;
    }

    (void) push_image(s, APP, "v1", "", &d);
    age(at("docker"), 60);
    (void) begin(APP);

    if (link(at(REG_FS_LOCK), at("other")) != 0 || chown(at("."), 33, 33) != 0)
    {
        bail("link");
    }

    rc = reg_revision_lease(s, reg_str(APP), &d, REG_TIME_SECOND, NULL);
    is_num(rc, REG_STORAGE, "HEAD does not change a file of two names");
    is_num(push_image(s, APP, "v2", "", NULL), REG_STORAGE, "nor a push");
    is_num(begin("a"), REG_STORAGE, "nor the collector");
    ok(stat(at("other"), &st) == 0 && st.st_size > 0, "it is as it was");

    (void) unlink(at("other"));
    rc = reg_revision_lease(s, reg_str(APP), &d, REG_TIME_SECOND, NULL);
    ok(rc == REG_OK && !quiet(APP), "but one of its own");
}


/* A copy of the store by hard links, as backups make them. */

static void
test_copy(void)
{
    reg_digest_t  d;

    (void) push_image(s, APP, "v1", "", &d);

    if (link(at(REG_FS_LOCK), at("copy")) != 0) {
        bail("link");
    }

    age(at("docker"), 60);
    is_num(begin(APP), REG_OK, "a copy does not keep the collector away");
    is_num(quiet(APP), 1, "which finds its note");
    is_num(reg_revision_lease(s, reg_str(APP), &d, REG_TIME_SECOND, NULL),
           REG_OK, "nor HEAD");
    is_num(begin(APP), REG_OK, "again");
    is_num(push_image(s, APP, "v2", "", NULL), REG_OK, "nor a push");

    (void) unlink(at("copy"));
}
