
/* What was seen of a file holds exactly as long as the file is what it was. */

#include "reg_test_store.h"

#include "reg_blob.h"
#include "reg_fs.h"
#include "reg_repo.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/xattr.h>


static void test_not_opened(void);
static void test_too_young(void);
static void test_link_changes(void);
static void test_alias(void);
static void test_data_changes(void);
static void test_leased(void);
static void test_symlink(void);
static void test_remote(void);
static void test_many(void);
static void test_tag(void);
static void test_tags_at_once(void);
static void *tag_reader(void *data);
static void tag_digest(int i, char *text);
static reg_rc_t pull(const char *tag, reg_digest_t *d);
static int pull_opens_nothing(const char *tag, reg_digest_t *d);
static void no_files(struct rlimit *before);
static void files(const struct rlimit *before);
static void warm(const char *name, const reg_digest_t *d);
static int opens_nothing(const char *name, const reg_digest_t *d);
static reg_rc_t find(const char *name, const reg_digest_t *d);
static reg_rc_t size_of(const reg_digest_t *d, uint64_t *size);
static const char *layer(const char *name, const reg_digest_t *d);
static const char *data(const reg_digest_t *d);


static reg_store_t  *s;


int
main(void)
{
    root_make();
    s = store_open();

    if (!reg_fs_of(s)->local) {
        printf("ok %u # SKIP nothing is remembered of this file system\n",
               ++reg_test_count);
        reg_store_close(s);

        return done_testing();
    }

    test_not_opened();
    test_too_young();
    test_link_changes();
    test_alias();
    test_data_changes();
    test_leased();
    test_symlink();
    test_remote();
    test_many();
    test_tag();
    test_tags_at_once();

    reg_store_close(s);

    return done_testing();
}


static const char *
layer(const char *name, const reg_digest_t *d)
{
    reg_path_t  path;

    reg_layout_layer(&path, reg_str_of(name), d);

    return at("%s", path.s);
}


static const char *
data(const reg_digest_t *d)
{
    reg_path_t  path;

    reg_layout_blob(&path, d);

    return at("%s", path.s);
}


static reg_rc_t
find(const char *name, const reg_digest_t *d)
{
    reg_digest_t  target;

    return reg_blob_find(s, reg_str_of(name), d, &target, NULL, NULL);
}


static reg_rc_t
size_of(const reg_digest_t *d, uint64_t *size)
{
    *size = 0;

    return reg_blob_size(s, d, size, NULL);
}


/* Longer than the clock of a file system stands still. */

static void
warm(const char *name, const reg_digest_t *d)
{
    uint64_t  size;

    (void) usleep(60000);
    (void) find(name, d);
    (void) size_of(d, &size);
}


/* From here on the process may open nothing more. */

static void
no_files(struct rlimit *before)
{
    struct rlimit  none;

    if (getrlimit(RLIMIT_NOFILE, before) == -1) {
        bail("getrlimit");
    }

    none = *before;
    none.rlim_cur = 0;

    if (setrlimit(RLIMIT_NOFILE, &none) == -1) {
        bail("setrlimit");
    }
}


static void
files(const struct rlimit *before)
{
    if (setrlimit(RLIMIT_NOFILE, before) == -1) {
        bail("setrlimit");
    }
}


static int
opens_nothing(const char *name, const reg_digest_t *d)
{
    int            found;
    uint64_t       size;
    struct rlimit  before;

    no_files(&before);
    found = (find(name, d) == REG_OK && size_of(d, &size) == REG_OK);
    files(&before);

    return found;
}


static void
test_not_opened(void)
{
    uint64_t      size;
    reg_digest_t  d, target;

    (void) push_blob(s, "seen/a", REG_SHA256, reg_str("see me"), &d);

    ok(!opens_nothing("seen/a", &d), "what nobody looked at is opened");
    warm("seen/a", &d);
    ok(opens_nothing("seen/a", &d), "and not again");

    target = digest_of(REG_SHA256, reg_str("another"));
    is_num(reg_blob_find(s, reg_str("seen/a"), &d, &target, NULL, NULL),
           REG_OK, "found");
    ok(reg_digest_eq(&target, &d), "with its digest");
    is_num(size_of(&d, &size), REG_OK, "looked at");
    is_num((long long) size, 6, "with its size");

    ok(!opens_nothing("seen/b", &d), "another repository has none of it");
    is_num(find("seen/b", &d), REG_BLOB_UNKNOWN, "nor ever had");

    (void) push_blob(s, "seen/a", REG_SHA512, reg_str("see me"), &d);
    warm("seen/a", &d);
    ok(opens_nothing("seen/a", &d), "sha512 is as good");
}


/* It could change again, and look as before. */

static void
test_too_young(void)
{
    int           i, early;
    uint64_t      size;
    reg_digest_t  d;

    early = 0;

    /* a process that is held up has let the time pass */

    for (i = 0; i < 5 && !early; i++) {
        (void) push_blob(s, "young", REG_SHA256, reg_str("young"), &d);
        (void) find("young", &d);
        (void) size_of(&d, &size);
        early = !opens_nothing("young", &d);
        is_num(reg_blob_delete(s, reg_str("young"), &d, NULL), REG_OK,
               "to be made again");
        (void) unlink(data(&d));
    }

    ok(early, "what has just been made is looked at again");
}


static void
test_link_changes(void)
{
    reg_digest_t  d, other;

    (void) push_blob(s, "link", REG_SHA256, reg_str("linked"), &d);
    (void) push_blob(s, "link", REG_SHA256, reg_str("other"), &other);

    warm("link", &d);
    spit(layer("link", &d), other.text);
    is_num(find("link", &d), REG_BLOB_UNKNOWN,
           "a link that names another one, in place");
    spit(layer("link", &d), d.text);
    is_num(find("link", &d), REG_OK, "that names it again");

    warm("link", &d);
    spit(layer("link", &d), "");
    is_num(find("link", &d), REG_BLOB_UNKNOWN, "an empty one");
    spit(layer("link", &d), d.text);

    warm("link", &d);
    (void) rename(layer("link", &other), at("aside"));
    (void) rename(at("aside"), layer("link", &d));
    is_num(find("link", &d), REG_BLOB_UNKNOWN, "one that was moved there");

    (void) push_blob(s, "link", REG_SHA256, reg_str("linked"), &d);
    warm("link", &d);
    ok(opens_nothing("link", &d), "pushed again, it is known again");

    is_num(reg_blob_delete(s, reg_str("link"), &d, NULL), REG_OK, "delete");
    is_num(find("link", &d), REG_BLOB_UNKNOWN, "and it is gone");

    (void) push_blob(s, "link", REG_SHA256, reg_str("linked"), &d);
    warm("link", &d);
    (void) unlink(layer("link", &d));
    (void) mkdir(layer("link", &d), 0755);
    is_num(find("link", &d), REG_BLOB_UNKNOWN, "a directory in its place");
}


/* What names something else says so each time. */

static void
test_alias(void)
{
    int           i, right;
    reg_digest_t  real, alias, target;

    (void) push_blob(s, "alias", REG_SHA256, reg_str("aliased"), &real);
    alias = digest_of(REG_SHA512, reg_str("aliased"));
    spit(layer("alias", &alias), real.text);
    (void) usleep(60000);

    right = 0;

    for (i = 0; i < 3; i++) {
        right += (reg_blob_find(s, reg_str("alias"), &alias, &target, NULL,
                                NULL)
                  == REG_OK
                  && reg_digest_eq(&target, &real));
    }

    is_num(right, 3, "an alias leads to where the bytes are");
}


static void
test_data_changes(void)
{
    int           fd;
    uint64_t      size;
    reg_digest_t  d;

    (void) push_blob(s, "data", REG_SHA256, reg_str("some data"), &d);
    warm("data", &d);
    (void) unlink(data(&d));
    is_num(size_of(&d, &size), REG_BLOB_UNKNOWN, "data that was removed");

    (void) push_blob(s, "data", REG_SHA256, reg_str("some data"), &d);
    warm("data", &d);
    (void) unlink(data(&d));
    (void) symlink("/etc/passwd", data(&d));
    is_num(size_of(&d, &size), REG_BLOB_UNKNOWN, "a symbolic link instead");
    (void) unlink(data(&d));

    (void) push_blob(s, "data", REG_SHA256, reg_str("some data"), &d);
    warm("data", &d);
    spit(data(&d), "");
    is_num(size_of(&d, &size), REG_BLOB_UNKNOWN, "data that was cut");

    (void) push_blob(s, "data", REG_SHA256, reg_str("some data"), &d);
    fd = open(data(&d), O_RDWR);

    if (fd == -1) {
        bail(data(&d));
    }

    if (fsetxattr(fd, "user.test", "x", 1, 0) == -1) {
        printf("ok %u # SKIP no user attributes on this file system\n",
               ++reg_test_count);

    } else {
        warm("data", &d);
        reg_fs_mark(fd, REG_FILE_CORRUPT);
        is_num(size_of(&d, &size), REG_BLOB_UNKNOWN,
               "data that was found to be wrong");
        warm("data", &d);
        is_num(size_of(&d, &size), REG_BLOB_UNKNOWN, "and stays so");
        reg_fs_mark(fd, 9);
        is_num(size_of(&d, &size), REG_OK, "until that is mended");
    }

    (void) close(fd);
}


static void
test_leased(void)
{
    int64_t          leased;
    reg_digest_t     d, target;
    struct timespec  t[2];

    (void) push_blob(s, "lease", REG_SHA256, reg_str("leased"), &d);
    warm("lease", &d);

    memset(t, 0, sizeof(t));
    t[0].tv_sec = t[1].tv_sec = 1000000000;
    t[1].tv_nsec = 5;

    (void) utimensat(AT_FDCWD, layer("lease", &d), t, 0);
    leased = 0;
    is_num(reg_blob_find(s, reg_str("lease"), &d, &target, &leased, NULL),
           REG_OK, "found");
    is_num((long long) leased, 1000000000000000005, "with the lease it has");

    warm("lease", &d);
    leased = 0;
    is_num(reg_blob_find(s, reg_str("lease"), &d, &target, &leased, NULL),
           REG_OK, "found without being opened");
    is_num((long long) leased, 1000000000000000005, "with the same");
}


/* The way to a file leads out of the root. */

static void
test_symlink(void)
{
    char          there[4096], aside[4096];
    uint64_t      size;
    reg_digest_t  d;

    (void) push_blob(s, "symlink", REG_SHA256, reg_str("linked to"), &d);

    (void) snprintf(there, sizeof(there), "%s", at(REPOS "symlink"));
    (void) snprintf(aside, sizeof(aside), "%s", at("elsewhere"));
    (void) rename(there, aside);
    make_symlink(aside, there);

    warm("symlink", &d);
    is_num(find("symlink", &d), REG_BLOB_UNKNOWN, "by a symbolic link");
    warm("symlink", &d);
    is_num(find("symlink", &d), REG_BLOB_UNKNOWN, "however often");
    is_num(size_of(&d, &size), REG_OK, "its data are where they were");

    (void) unlink(there);
    (void) rename(aside, there);
    warm("symlink", &d);
    is_num(find("symlink", &d), REG_OK, "and back");

    /* another file of the same text, by the same path */

    (void) push_blob(s, "other", REG_SHA256, reg_str("linked to"), &d);
    (void) rename(there, aside);
    make_symlink(at(REPOS "other"), there);
    is_num(find("symlink", &d), REG_BLOB_UNKNOWN,
           "a link to another, where one was known");
}


/* Files elsewhere, and a file system nobody can be sure of. */

static void
test_remote(void)
{
    dev_t         dev;
    reg_digest_t  d;

    dev = reg_fs_of(s)->dev;

    (void) push_blob(s, "remote/a", REG_SHA256, reg_str("far"), &d);
    reg_fs_of(s)->dev = dev + 1;
    warm("remote/a", &d);
    ok(!opens_nothing("remote/a", &d), "what is mounted is opened each time");
    reg_fs_of(s)->dev = dev;

    warm("remote/a", &d);
    ok(opens_nothing("remote/a", &d), "what is not is not");

    reg_fs_of(s)->local = 0;
    ok(!opens_nothing("remote/a", &d), "all is opened where nothing is known");
    is_num(find("remote/a", &d), REG_OK, "and found");
    reg_fs_of(s)->local = 1;
}


/* More files than their paths have bits of a slot in common. */

static void
test_many(void)
{
    int           i, wrong;
    char          text[16];
    uint64_t      size;
    reg_str_t     bytes;
    reg_digest_t  d[300];

    for (i = 0; i < 300; i++) {
        bytes.data = text;
        bytes.len = (size_t) snprintf(text, sizeof(text), "%0*d", 1 + i % 9,
                                      i);
        (void) push_blob(s, "many", REG_SHA256, bytes, &d[i]);
    }

    warm("many", &d[0]);
    wrong = 0;

    for (i = 0; i < 900; i++) {

        if (i == 600) {
            (void) reg_blob_delete(s, reg_str("many"), &d[0], NULL);
        }

        wrong += (find("many", &d[i % 300]) != REG_OK);
        wrong += (size_of(&d[i % 300], &size) != REG_OK
                  || size < (uint64_t) (1 + (i % 300) % 9));
    }

    is_num(wrong, 1, "of many files each is its own, and one is gone");
}


static reg_rc_t
pull(const char *tag, reg_digest_t *d)
{
    reg_digest_t  target;

    return reg_tag_find(s, reg_str("tag"), reg_str_of(tag), d, &target, NULL);
}


static int
pull_opens_nothing(const char *tag, reg_digest_t *d)
{
    reg_rc_t       rc;
    struct rlimit  before;

    no_files(&before);
    rc = pull(tag, d);
    files(&before);

    return rc == REG_OK;
}


static void
test_tag(void)
{
    reg_digest_t  a, b, d;

    static const char  more[] = ",\"annotations\":{\"b\":\"1\"}";

    (void) push_image(s, "tag", "v1", "", &a);
    (void) push_image(s, "tag", "v2", more, &b);
    ok(!reg_digest_eq(&a, &b), "two images");

    ok(!pull_opens_nothing("v1", &d), "a tag nobody has read");
    (void) usleep(60000);
    is_num(pull("v1", &d), REG_OK, "is read");
    memset(&d, 0, sizeof(d));
    ok(pull_opens_nothing("v1", &d), "once");
    ok(reg_digest_eq(&d, &a), "and known with what it names");
    ok(!pull_opens_nothing("v2", &d), "not so another");

    (void) push_image(s, "tag", "v1", more, NULL);
    ok(!pull_opens_nothing("v1", &d), "one that moved");
    is_num(pull("v1", &d), REG_OK, "is read again");
    ok(reg_digest_eq(&d, &b), "and names the other");

    (void) usleep(60000);
    (void) pull("v1", &d);
    spit(at(REPOS "tag/_manifests/tags/v1/current/link"), a.text);
    is_num(pull("v1", &d), REG_OK, "one that was written in place");
    ok(reg_digest_eq(&d, &a), "as well");

    (void) usleep(60000);
    (void) pull("v1", &d);
    is_num(reg_tag_delete(s, reg_str("tag"), reg_str("v1"), NULL), REG_OK,
           "deleted");
    is_num(pull("v1", &d), REG_MANIFEST_UNKNOWN, "it is gone");
}


/* More than there are slots for, each named by all readers, in no order. */
#define TAGS     (3 * REG_FS_LINKS)
#define READERS  4
#define READS    40000


static void
tag_digest(int i, char *text)
{
    (void) sprintf(text, "sha256:%064x", (unsigned) i);
}


static void *
tag_reader(void *data)
{
    int           i, n;
    char          tag[16], text[REG_DIGEST_MAX + 1];
    int64_t       mtime;
    unsigned      seed;
    reg_path_t    path;
    reg_digest_t  d;

    seed = *(unsigned *) data;

    for (n = 0; n < READS; n++) {
        i = rand_r(&seed) % TAGS;

        (void) snprintf(tag, sizeof(tag), "t%d", i);
        tag_digest(i, text);

        reg_layout_tag(&path, reg_str("many"), reg_str_of(tag),
                       "/current/link");

        if (s->driver->link(s, path.s, NULL, &d, &mtime, NULL) != REG_OK
            || strcmp(d.text, text) != 0 || d.len != 71)
        {
            return data;
        }
    }

    return NULL;
}


static void
test_tags_at_once(void)
{
    int        i, wrong;
    char       text[REG_DIGEST_MAX + 1];
    void      *rc;
    unsigned   seeds[READERS];
    pthread_t  threads[READERS];

    for (i = 0; i < TAGS; i++) {
        tag_digest(i, text);
        spit(at(REPOS "many/_manifests/tags/t%d/current/link", i), text);
    }

    (void) usleep(60000);
    wrong = 0;

    for (i = 0; i < READERS; i++) {
        seeds[i] = (unsigned) i + 1;
        (void) pthread_create(&threads[i], NULL, tag_reader, &seeds[i]);
    }

    for (i = 0; i < READERS; i++) {
        (void) pthread_join(threads[i], &rc);
        wrong += (rc != NULL);
    }

    is_num(wrong, 0, "each tag names its own, whoever else is read");
}
