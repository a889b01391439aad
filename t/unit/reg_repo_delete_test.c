
#include "reg_test_age.h"
#include "reg_test_fault.h"

#include <sys/wait.h>


static void test_tag_delete(void);
static void test_manifest_delete(void);
static void test_manifest_ahead(void);
static void test_repo_delete(void);
static void test_repo_nested(void);
static void test_no_descriptor(void);
static void test_killed_delete(void);


static reg_store_t  *s;


int
main(void)
{
    root_make();
    s = store_open();

    test_tag_delete();
    test_manifest_delete();
    test_manifest_ahead();
    test_repo_delete();
    test_repo_nested();

    /* the calls below are counted as openat() */

    reg_fs_plain(s);

    test_no_descriptor();
    test_killed_delete();

    reg_store_close(s);

    return done_testing();
}


static void
test_tag_delete(void)
{
    reg_digest_t  d;

    (void) push_image(s, "untag", "a", "", &d);
    (void) push_image(s, "untag", "b", "", &d);

    is_num(reg_tag_delete(s, reg_str("untag"), reg_str("a"), NULL), REG_OK,
           "delete of a tag");
    ok(!is_there(at(REPOS "untag/_manifests/tags/a")), "it is gone");
    ok(tag_is(s, "untag", "b", &d) && served(s, "untag", &d),
       "the other and the manifest stay");
    is_num(reg_tag_delete(s, reg_str("untag"), reg_str("a"), NULL),
           REG_MANIFEST_UNKNOWN, "F03 once");
    is_num(reg_tag_delete(s, reg_str("nowhere"), reg_str("a"), NULL),
           REG_MANIFEST_UNKNOWN, "in no repository");

    (void) push_image(s, "untag", "a", "", &d);
    ok(tag_is(s, "untag", "a", &d), "it can come back");
}


static void
test_manifest_delete(void)
{
    int           i;
    char          name[16];
    reg_path_t    path;
    reg_names_t   tags;
    reg_digest_t  d, other;

    (void) push_image(s, "mdel", "keep", ",\"annotations\":{\"x\":\"y\"}",
                      &other);

    for (i = 0; i < 40; i++) {
        (void) snprintf(name, sizeof(name), "t%02d", i);
        (void) push_image(s, "mdel", name, "", &d);
    }

    is_num(reg_manifest_delete(s, reg_str("mdel"), &d, NULL, NULL), REG_OK,
           "delete of a manifest");
    ok(!served(s, "mdel", &d), "it is gone");
    ok(!is_there(at(REPOS "mdel/_manifests/tags/t00"))
       && !is_there(at(REPOS "mdel/_manifests/tags/t39")),
       "with all tags on it");
    ok(tag_is(s, "mdel", "keep", &other), "and with no other");
    reg_layout_blob(&path, &d);
    ok(is_there(at("%s", path.s)), "its bytes stay");
    is_num(reg_manifest_delete(s, reg_str("mdel"), &d, NULL, NULL),
           REG_MANIFEST_UNKNOWN, "F03 once");
    is_num(reg_manifest_delete(s, reg_str("nowhere"), &d, NULL, NULL),
           REG_MANIFEST_UNKNOWN, "in no repository");

    ok(is_there(at(REPOS "mdel/_manifests/revisions/sha256")),
       "the directory of revisions stays");
    (void) push_image(s, "mdel", "t00", "", &d);
    ok(served(s, "mdel", &d), "it can come back");

    (void) push_image(s, "mdel", "t01", "", &d);
    memset(&tags, 0, sizeof(tags));
    is_num(reg_manifest_delete(s, reg_str("mdel"), &d, &tags, NULL),
           REG_OK, "once more");
    ok(tags.n == 2 && reg_str_eq(reg_names_get(&tags, 0), reg_str("t00"))
       && reg_str_eq(reg_names_get(&tags, 1), reg_str("t01")),
       "the tags that went with it are told");
    is_num(reg_manifest_delete(s, reg_str("mdel"), &d, &tags, NULL),
           REG_MANIFEST_UNKNOWN, "and then");
    is_num((long long) tags.n, 2, "no more of them");
    reg_names_free(&tags);
}


/* A clock that went back never tells that nobody has put it since. */

static void
test_manifest_ahead(void)
{
    int           i;
    char          name[16];
    reg_path_t    path;
    reg_digest_t  d, other;

    (void) push_image(s, "ahead", "keep", ",\"annotations\":{\"x\":\"y\"}",
                      &other);

    for (i = 0; i < 20; i++) {
        (void) snprintf(name, sizeof(name), "t%02d", i);
        (void) push_image(s, "ahead", name, "", &d);
    }

    reg_layout_revision(&path, reg_str("ahead"), &d);
    age_one(at("%s", path.s), -3600);

    is_num(reg_manifest_delete(s, reg_str("ahead"), &d, NULL, NULL), REG_OK,
           "delete of a manifest that was put in the future");
    ok(!served(s, "ahead", &d), "it is gone");
    ok(!is_there(at(REPOS "ahead/_manifests/tags/t00"))
       && !is_there(at(REPOS "ahead/_manifests/tags/t19")),
       "with all tags on it");
    ok(tag_is(s, "ahead", "keep", &other), "and with no other");
}


static void
test_repo_delete(void)
{
    int           left;
    char          id[REG_UUID_LEN + 1];
    reg_error_t   e;
    reg_digest_t  d;

    (void) push_image(s, "gone/a/b", "v1", "", &d);
    (void) reg_upload_create(s, reg_str("gone/a/b"), REG_SHA256, 1, id, NULL);

    reg_error_clear(&e);
    is_num(reg_repo_delete(s, reg_str("gone/a"), &e), REG_NAME_UNKNOWN,
           "what is no repository");
    is_num(e.rc, REG_NAME_UNKNOWN, "the error says so");

    is_num(reg_repo_delete(s, reg_str("gone/a/b"), NULL), REG_OK,
           "delete of a repository");
    ok(!is_there(at(REPOS "gone")), "with the empty ones above it");
    is_num(reg_repo_exists(s, reg_str("gone/a/b"), NULL), 0, "it is gone");
    ok(!served(s, "gone/a/b", &d), "with its manifests");
    is_num(reg_repo_delete(s, reg_str("gone/a/b"), NULL), REG_NAME_UNKNOWN,
           "F03 once");
    is_num(s->driver->empty_trash(s, 1000, &left, NULL), REG_OK, "trash");
    is_num(left, 0, "nothing is left of it");

    (void) push_image(s, "gone/a/b", "v1", "", &d);
    ok(served(s, "gone/a/b", &d), "it can come back");

    make_dirs(at(REPOS "only/_uploads"));
    is_num(reg_repo_delete(s, reg_str("only"), NULL), REG_NAME_UNKNOWN,
           "uploads make no repository");
}


static void
test_repo_nested(void)
{
    int           i;
    reg_digest_t  d;

    (void) push_image(s, "nest", "v1", "", &d);
    (void) push_image(s, "nest/inner/x", "v1", "", &d);
    (void) push_image(s, "nest/inner", "v1", "", &d);

    is_num(reg_repo_delete(s, reg_str("nest"), NULL), REG_OK,
           "delete of a repository with others in it");
    is_num(reg_repo_exists(s, reg_str("nest"), NULL), 0, "it is gone");
    ok(tag_is(s, "nest/inner", "v1", &d) && tag_is(s, "nest/inner/x", "v1", &d),
       "the others stay");
    is_num(reg_repo_delete(s, reg_str("nest/inner/x"), NULL), REG_OK,
           "the innermost");
    ok(tag_is(s, "nest/inner", "v1", &d) && is_there(at(REPOS "nest/inner")),
       "the one above it stays");
    is_num(reg_repo_delete(s, reg_str("nest/inner"), NULL), REG_OK,
           "the last");
    ok(!is_there(at(REPOS "nest")), "and all directories");

    /* killed halfway: what makes it a repository is still there */

    for (i = 0; i < 2; i++) {
        make_dirs(at(REPOS "half/%s", i ? "_layers" : "_manifests"));
        is_num(reg_repo_delete(s, reg_str("half"), NULL), REG_OK,
               "F03 a repeat finishes it");
        ok(!is_there(at(REPOS "half")), "F03 indeed");
    }
}


/* From here on, as long as it is armed. */

static void
no_descriptor(void)
{
    fault_at = fault_seen + 1;
    fault_then = EMFILE;
}


/* F21: that is not taken for a lock, and what was open by then is closed. */

static void
test_no_descriptor(void)
{
    int           once, bad, told;
    long          n;
    reg_rc_t      rc;
    reg_error_t   e;
    reg_digest_t  d;

    fault_call = no_descriptor;
    fault_lazy = 1;

    for (once = 0; once < 2; once++) {
        bad = 0;
        told = 0;

        /* later ones are opened to free what is out of sight */

        for (n = 1; n < 60; n++) {
            (void) push_image(s, "few/inner", "v1", "", &d);
            (void) push_image(s, "few", "v1", "", &d);

            reg_error_clear(&e);

            fault_only = FAULT_OPEN;
            fault_arm(n, once ? EMFILE : FAULT_CALL);
            rc = reg_repo_delete(s, reg_str("few"), &e);
            (void) fault_disarm();
            fault_only = 0;

            told += (rc == REG_BUSY && e.sys == EMFILE);
            bad += (rc != REG_OK && rc != REG_BUSY) || e.rc != rc;

            rc = reg_repo_delete(s, reg_str("few"), NULL);
            bad += (rc != REG_OK && rc != REG_NAME_UNKNOWN);
            bad += (reg_repo_exists(s, reg_str("few"), NULL) != 0);
        }

        ok(told > 8, "F21 a delete without a descriptor%s says so, %d times",
           once ? " once" : "", told);
        is_num(bad, 0, "F21 and a repeat finishes it");
        ok(tag_is(s, "few/inner", "v1", &d), "the one in it stays");
    }

    fault_lazy = 0;
}


/* F03: there or gone, and a repeat finishes it. */

static void
test_killed_delete(void)
{
    int           bad, status, what;
    long          n;
    pid_t         pid;
    reg_rc_t      rc;
    reg_digest_t  d, layer;

    layer = digest_of(REG_SHA256, reg_str("layer"));

    for (what = 0; what < 4; what++) {
        bad = 0;

        /* later calls only free what is out of sight */

        for (n = 1; n < 20; n++) {
            (void) push_image(s, "kdel/app", "v1", "", &d);
            (void) push_image(s, "kdel/app", "v2", "", &d);

            pid = fork();

            if (pid == 0) {
                fault_arm(n, FAULT_KILL);
            }

            rc = REG_INTERNAL;

            switch ((pid == 0) ? what : -1) {

            case 0:
                rc = reg_tag_delete(s, reg_str("kdel/app"), reg_str("v1"),
                                    NULL);
                break;

            case 1:
                rc = reg_manifest_delete(s, reg_str("kdel/app"), &d, NULL,
                                         NULL);
                break;

            case 2:
                rc = reg_blob_delete(s, reg_str("kdel/app"), &layer, NULL);
                break;

            case 3:
                rc = reg_repo_delete(s, reg_str("kdel/app"), NULL);
                break;
            }

            if (pid == 0) {
                _exit(rc == REG_OK ? 0 : 1);
            }

            (void) waitpid(pid, &status, 0);
            bad += !WIFEXITED(status) || WEXITSTATUS(status) == 1;

            /* a tag that is there leads to something */

            if (tag_of(s, "kdel/app", "v1").len != 4) {
                bad += !served(s, "kdel/app", &d);
            }

            switch (what) {

            case 0:
                rc = reg_tag_delete(s, reg_str("kdel/app"), reg_str("v1"),
                                    NULL);
                bad += (rc != REG_OK && rc != REG_MANIFEST_UNKNOWN);
                bad += (tag_of(s, "kdel/app", "v1").len != 4);
                bad += !served(s, "kdel/app", &d);
                break;

            case 1:
                rc = reg_manifest_delete(s, reg_str("kdel/app"), &d, NULL,
                                         NULL);
                bad += (rc != REG_OK && rc != REG_MANIFEST_UNKNOWN);
                bad += served(s, "kdel/app", &d);
                bad += is_there(at(REPOS "kdel/app/_manifests/tags/v1"));
                bad += is_there(at(REPOS "kdel/app/_manifests/tags/v2"));
                break;

            case 2:
                rc = reg_blob_delete(s, reg_str("kdel/app"), &layer, NULL);
                bad += (rc != REG_OK && rc != REG_BLOB_UNKNOWN);
                bad += (reg_blob_exists(s, reg_str("kdel/app"), &layer, NULL)
                        != 0);
                break;

            case 3:
                rc = reg_repo_delete(s, reg_str("kdel/app"), NULL);
                bad += (rc != REG_OK && rc != REG_NAME_UNKNOWN);
                bad += (reg_repo_exists(s, reg_str("kdel/app"), NULL) != 0);
                break;
            }

            if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
                break;
            }
        }

        ok(n > 2, "F03 delete %d, killed at each of %ld calls", what, n - 1);
        is_num(bad, 0, "F03 there or gone, and a repeat finishes it");
    }
}
