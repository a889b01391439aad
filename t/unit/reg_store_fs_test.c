
#include "reg_test_fault.h"
#include "reg_test_store.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>


#define D1  "sha256:"                                                         \
    "6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"
#define D2  "sha256:"                                                         \
    "0000000000000000000000000000000000000000000000000000000000000000"
#define SEVENTY  "sha256:"                                                    \
    "6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3"


static void all_of_it(const char *how, int plain);
static void test_read(reg_store_t *s);
static void test_planted(reg_store_t *s);
static void test_links(reg_store_t *s);
static void test_list(reg_store_t *s);
static void test_write(reg_store_t *s);
static void test_modes(reg_store_t *s);
static void test_remove(reg_store_t *s);
static void test_discard(reg_store_t *s);
static void test_dirs(reg_store_t *s);
static void test_writable(void);
static void test_root(void);


static const char  *mode;


int
main(void)
{
    (void) umask(0);

    all_of_it("openat2", 0);
    all_of_it("plain", 1);

    test_writable();
    test_root();

    return done_testing();
}


static void
all_of_it(const char *how, int plain)
{
    reg_store_t  *s;

    mode = how;

    root_make();
    s = store_open();

    ok(!is_there(at("docker")), "%s: nothing is made before a write", mode);

    if (plain) {
        reg_fs_plain(s);
    }

    test_read(s);
    test_planted(s);
    test_links(s);
    test_list(s);
    test_write(s);
    test_modes(s);
    test_remove(s);
    test_discard(s);
    test_dirs(s);

    reg_store_close(s);
}


static reg_rc_t
read_all(reg_store_t *s, const char *path, size_t max, const char *want)
{
    reg_buf_t    b;
    reg_rc_t     rc;
    reg_error_t  e;

    reg_error_clear(&e);
    reg_buf_init(&b, 1 << 20);
    reg_buf_str(&b, reg_str("before "));

    rc = s->driver->read(s, path, max, &b, &e);

    if (rc == REG_OK && want != NULL) {
        ok(b.len == strlen(want) + 7
           && memcmp(b.data, "before ", 7) == 0
           && memcmp(b.data + 7, want, strlen(want)) == 0,
           "%s: read %s: its content, behind what was there", mode, path);
    }

    if (rc == REG_ABSENT) {
        ok(b.len == 7 && e.rc == REG_OK,
           "%s: read %s: absent leaves no trace", mode, path);
    }

    reg_buf_free(&b);

    return rc;
}


static void
test_read(reg_store_t *s)
{
    char        *big;
    reg_rc_t     rc;
    reg_stat_t   st;
    reg_file_t   f;

    spit(at("a/b/file"), "hello");
    spit(at("a/empty"), "");

    is_num(read_all(s, "a/b/file", 5, "hello"), REG_OK, "read");
    is_num(read_all(s, "a/b/file", 4, NULL), REG_ABSENT,
           "read of a file that is too long");
    is_num(read_all(s, "a/empty", 100, ""), REG_OK, "read of an empty one");

    big = noise(100000, 1);
    memset(big, 'x', 100000);
    spit(at("a/big"), big);
    is_num(read_all(s, "a/big", 100000, big), REG_OK, "read of a long one");
    is_num(read_all(s, "a/big", 99999, NULL), REG_ABSENT, "a byte too many");
    free(big);

    memset(&st, 0, sizeof(st));
    rc = s->driver->stat(s, "a/b/file", &st, NULL);
    ok(rc == REG_OK && st.size == 5 && !st.dir && st.ino != 0
       && st.mtime > INT64_C(1000000000000000000), "%s: stat of a file",
       mode);
    rc = s->driver->stat(s, "a/b", &st, NULL);
    ok(rc == REG_OK && st.dir, "%s: stat of a directory", mode);

    rc = s->driver->open(s, "a/b/file", &f, NULL);

    if (ok(rc == REG_OK && f.size == 5, "%s: open", mode)) {
        (void) close(f.fd);
    }

    is_num(read_all(s, "a/none", 10, NULL), REG_ABSENT, "nothing there");
    is_num(read_all(s, "a/none/x", 10, NULL), REG_ABSENT, "nor above");
    is_num(read_all(s, "a/b/file/x", 10, NULL), REG_ABSENT,
           "a file on the way");
    is_num(s->driver->stat(s, "none", &st, NULL), REG_ABSENT, "stat");
    is_num(s->driver->open(s, "none", &f, NULL), REG_ABSENT, "open");
}


/* A110, A111: what must not be followed, and what is no file. */

static void
test_planted(reg_store_t *s)
{
    int                  fd;
    size_t               i;
    reg_rc_t             rc;
    reg_stat_t           st;
    reg_file_t           f;
    struct sockaddr_un   sun;

    static const char  *const paths[] = {
        "p/fifo", "p/dir", "p/socket", "p/link", "p/out/file", "p/updir",
        "p/device"
    };

    spit(at("outside/file"), "secret");
    make_dirs(at("p/dir"));

    (void) mkfifo(at("p/fifo"), 0644);
    make_symlink(at("outside/file"), at("p/link"));
    make_symlink(at("outside"), at("p/out"));
    make_symlink("../outside/file", at("p/updir"));

    if (mknod(at("p/device"), S_IFCHR|0644, makedev(1, 5)) == -1) {
        spit(at("p/device"), "0123456789");         /* not root: too long */
    }

    memset(&sun, 0, sizeof(sun));
    sun.sun_family = AF_UNIX;
    (void) snprintf(sun.sun_path, sizeof(sun.sun_path), "%.90s/p/socket",
                    root_path);

    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ok(bind(fd, (struct sockaddr *) &sun, sizeof(sun)) == 0, "a socket");

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {

        rc = read_all(s, paths[i], 8, NULL);
        ok(rc == REG_ABSENT
           || (rc == REG_OK && strcmp(paths[i], "p/fifo") == 0),
           "%s: %s cannot be read, at once", mode, paths[i]);

        rc = s->driver->open(s, paths[i], &f, NULL);
        ok(rc == REG_ABSENT
           || (strcmp(paths[i], "p/device") == 0 && getuid() != 0),
           "%s: %s cannot be opened", mode, paths[i]);

        rc = s->driver->stat(s, paths[i], &st, NULL);
        ok(rc == REG_ABSENT || strcmp(paths[i], "p/dir") == 0
           || (strcmp(paths[i], "p/device") == 0 && getuid() != 0),
           "%s: %s is nothing", mode, paths[i]);

        ok(s->driver->write(s, paths[i], reg_str("x"), 1, NULL)
           != REG_INTERNAL, "%s: a write to %s ends", mode, paths[i]);
    }

    (void) close(fd);

    is(slurp(at("outside/file")), "secret", "nothing outside was written");
    ok(s->driver->write(s, "p/out/new", reg_str("x"), 1, NULL) == REG_STORAGE
       && !is_there(at("outside/new")),
       "%s: no new file behind a symbolic link", mode);
    ok(s->driver->mkdir(s, "p/out/newdir", 1, NULL) == REG_STORAGE
       && !is_there(at("outside/newdir")), "%s: no directory either", mode);
    is_num(s->driver->remove(s, "p/out/file", "p", NULL, NULL), REG_ABSENT,
           "and nothing is removed there");
    ok(is_there(at("outside/file")), "%s: indeed", mode);
}


/* F40: a link is exactly one digest. */

static void
test_links(reg_store_t *s)
{
    char             *big;
    size_t            i;
    int64_t           mtime;
    reg_rc_t          rc;
    reg_digest_t      d, got;
    struct stat       a, b;
    struct timespec   old[2];

    static const struct {
        const char  *text;
        size_t       len;
        int          good;
    } rows[] = {
        { D1, 71, 1 },
        { "sha512:" "6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d"
          "66709b3b6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66"
          "709b3b", 135, 1 },
        { "", 0, 0 },
        { SEVENTY, 70, 0 },
        { D1 "0", 72, 0 },
        { D1 "\n", 72, 0 },
        { " " D1, 72, 0 },
        { "sha256:6C3C624B58DBBCD3C0DD82B4C53F04194D1247C6EEBDAAB7C610CF7D66"
          "709B3B", 71, 0 },
        { "sha256:../../../../../../../../../../../../../../../../../../../e"
          "tc/passwd", 71, 0 },
        { "md5:d41d8cd98f00b204e9800998ecf8427e", 36, 0 },
        { D1 "\0x", 73, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        spit_bytes(at("l/link"), rows[i].text, rows[i].len);

        rc = reg_link_read(s, "l/link", &d, NULL);
        ok(rc == (rows[i].good ? REG_OK : REG_ABSENT),
           "%s: F40 link row %zu", mode, i);
        rc = s->driver->link(s, "l/link", NULL, &d, &mtime, NULL);
        ok(rc == (rows[i].good ? REG_OK : REG_ABSENT),
           "%s: F40 and as that of a tag", mode);
    }

    big = noise(1000000, 2);
    spit_bytes(at("l/link"), big, 1000000);
    is_num(reg_link_read(s, "l/link", &d, NULL), REG_ABSENT, "a megabyte");
    is_num(s->driver->link(s, "l/link", NULL, &d, &mtime, NULL), REG_ABSENT,
           "of a tag");
    free(big);

    (void) reg_digest_parse(&d, reg_str(D1), NULL);
    is_num(reg_link_write(s, "l/link", &d, NULL), REG_OK,
           "writing repairs it");
    is(slurp(at("l/link")), D1, "no more than the digest");
    rc = reg_link_read(s, "l/link", &got, NULL);
    ok(rc == REG_OK && reg_digest_eq(&d, &got), "%s: and it reads", mode);

    /* an equal one stays what it is, and is renewed */

    memset(old, 0, sizeof(old));
    old[0].tv_sec = 1000000000;
    old[1].tv_sec = 1000000000;
    (void) utimensat(AT_FDCWD, at("l/link"), old, 0);
    (void) stat(at("l/link"), &a);
    is_num(reg_link_write(s, "l/link", &d, NULL), REG_OK, "an equal link");
    (void) stat(at("l/link"), &b);
    ok(a.st_ino == b.st_ino, "%s: is not written again", mode);
    ok(b.st_mtime > time(NULL) - 60, "%s: but renewed", mode);

    (void) reg_digest_parse(&d, reg_str(D2), NULL);
    is_num(reg_link_write(s, "l/link", &d, NULL), REG_OK, "another one");
    is(slurp(at("l/link")), D2, "replaces it");
}


typedef struct {
    size_t    dirs;
    size_t    files;
    size_t    most;
} count_t;


static reg_rc_t
count_entry(void *ctx, reg_str_t name, int dir)
{
    count_t  *c;

    c = ctx;

    if (reg_str_eq(name, reg_str(".")) || reg_str_eq(name, reg_str("..")))
    {
        return REG_INTERNAL;
    }

    if (dir) {
        c->dirs++;

    } else {
        c->files++;
    }

    return (c->dirs + c->files == c->most) ? REG_BUSY : REG_OK;
}


static int  entries_left;


/* A directory that the disk does not give any more, after some entries. */

struct dirent *
readdir(DIR *dir)
{
    static struct dirent  *(*real)(DIR *dir);

    if (real == NULL) {
        *(void **) &real = dlsym(RTLD_NEXT, "readdir64");
    }

    if (entries_left > 0 && --entries_left == 0) {
        errno = EIO;
        return NULL;
    }

    return real(dir);
}


static void
test_list(reg_store_t *s)
{
    int          i;
    count_t      c;
    reg_error_t  e;

    for (i = 0; i < 500; i++) {
        spit(at("many/f%d", i), "");
        make_dirs(at("many/d%d", i));
    }

    make_symlink("d1", at("many/symlink"));

    memset(&c, 0, sizeof(c));
    is_num(s->driver->list(s, "many", count_entry, &c, NULL), REG_OK, "list");
    is_num((long long) c.dirs, 500, "directories");
    is_num((long long) c.files, 501, "others, a symbolic link with them");

    memset(&c, 0, sizeof(c));
    c.most = 10;
    is_num(s->driver->list(s, "many", count_entry, &c, NULL), REG_BUSY,
           "list ends with what the function says");
    is_num((long long) (c.dirs + c.files), 10, "at once");

    memset(&c, 0, sizeof(c));
    reg_error_clear(&e);
    entries_left = 10;
    is_num(s->driver->list(s, "many", count_entry, &c, &e), REG_STORAGE,
           "a list that breaks off is not taken for whole");
    entries_left = 0;
    ok(e.sys == EIO && strcmp(e.call, "readdir") == 0, "%s: and says so",
       mode);

    is_num(s->driver->list(s, "none", count_entry, &c, NULL), REG_ABSENT,
           "nothing to list");
    is_num(s->driver->list(s, "many/f1", count_entry, &c, NULL), REG_ABSENT,
           "a file");
}


static void
test_write(reg_store_t *s)
{
    int      durable;
    count_t  c;

    for (durable = 0; durable < 2; durable++) {

        is_num(s->driver->write(s, "w/x/y/z", reg_str("one"), durable, NULL),
               REG_OK, "write makes what is missing");
        is(slurp(at("w/x/y/z")), "one", "the content");
        is_num(s->driver->write(s, "w/x/y/z", reg_str("two"), durable, NULL),
               REG_OK, "write again");
        is(slurp(at("w/x/y/z")), "two", "replaces");
        is_num(s->driver->write(s, "w/x/y/e", reg_null_str, durable, NULL),
               REG_OK, "an empty file");
        is(slurp(at("w/x/y/e")), "", "is empty");

        is_num(s->driver->mkdir(s, "w/m/n/o", durable, NULL), REG_OK,
               "mkdir");
        is_num(s->driver->mkdir(s, "w/m/n/o", durable, NULL), REG_OK,
               "mkdir of what is there");
        ok(is_there(at("w/m/n/o")), "%s: it is there", mode);

        /* somebody may have made it a moment ago, and not have synced it */

        (void) s->driver->mkdir(s, "w/m/p", 0, NULL);
        fault_only = FAULT_SYNC;
        fault_arm(1, EIO);
        is_num(s->driver->mkdir(s, "w/m/p", durable, NULL),
               durable ? REG_STORAGE : REG_OK,
               "mkdir of what is there is durable, too");
        (void) fault_disarm();
        fault_only = 0;
        (void) rmdir(at("w/m/p"));

        is_num(s->driver->mkdir(s, "w/x/y/z/o", durable, NULL), REG_STORAGE,
               "mkdir below a file");

        is_num(s->driver->remove(s, "w/x/y/z", "w", NULL, NULL), REG_OK,
               "remove");
        is_num(s->driver->remove(s, "w/x/y/e", "w", NULL, NULL), REG_OK,
               "remove");
        (void) rmdir(at("w/m/n/o"));
        (void) rmdir(at("w/m/n"));
    }

    memset(&c, 0, sizeof(c));
    (void) s->driver->list(s, REG_FS_TMP, count_entry, &c, NULL);
    is_num((long long) (c.dirs + c.files), 0, "no temporary stays");
}


/* Another user's registry can read what we wrote, whatever our umask. */

static void
test_modes(reg_store_t *s)
{
    struct stat  st;

    (void) s->driver->write(s, "modes/a/b", reg_str("x"), 1, NULL);

    (void) stat(at("modes/a/b"), &st);
    is_num(st.st_mode & 07777, 0644, "a file");
    (void) stat(at("modes/a"), &st);
    is_num(st.st_mode & 07777, 0755, "its directory");
    (void) stat(at("modes"), &st);
    is_num(st.st_mode & 07777, 0755, "and the one above");
}


static void
test_remove(reg_store_t *s)
{
    spit(at("rm/a/b/c/f"), "x");
    spit(at("rm/a/b/other"), "x");

    is_num(s->driver->remove(s, "rm/a/b/c/f", "rm", NULL, NULL), REG_OK,
           "remove");
    ok(!is_there(at("rm/a/b/c")), "%s: with its empty directory", mode);
    ok(is_there(at("rm/a/b")), "%s: but no other", mode);
    is_num(s->driver->remove(s, "rm/a/b/other", "rm/a", NULL, NULL), REG_OK,
           "remove");
    ok(!is_there(at("rm/a/b")), "%s: up to stop", mode);
    ok(is_there(at("rm/a")), "%s: but without it", mode);
    is_num(s->driver->remove(s, "rm/a/b/other", "rm/a", NULL, NULL), REG_ABSENT,
           "remove of nothing");
    make_dirs(at("rm/a/dir"));
    ok(s->driver->remove(s, "rm/a/dir", "rm", NULL, NULL) != REG_OK
       && is_there(at("rm/a/dir")), "%s: a directory is no file", mode);
}


static void
test_discard(reg_store_t *s)
{
    int      i, left, rounds;
    count_t  c;

    for (i = 0; i < 30; i++) {
        spit(at("dis/tree/d%d/f", i), "x");
    }

    make_symlink(at("outside"), at("dis/tree/out"));

    is_num(s->driver->discard(s, "dis/tree", NULL, NULL), REG_OK, "discard");
    ok(!is_there(at("dis/tree")), "%s: it is out of sight", mode);
    is_num(s->driver->discard(s, "dis/tree", NULL, NULL), REG_ABSENT,
           "discard of nothing");

    rounds = 0;

    do {
        left = -1;
        is_num(s->driver->empty_trash(s, 10, &left, NULL), REG_OK,
               "a slice of the trash");
    } while (left == 1 && ++rounds < 100);

    ok(rounds >= 5 && left == 0, "%s: freed in %d slices", mode, rounds);

    memset(&c, 0, sizeof(c));
    (void) s->driver->list(s, REG_FS_TRASH, count_entry, &c, NULL);
    is_num((long long) (c.dirs + c.files), 0, "the trash is empty");
    is(slurp(at("outside/file")), "secret",
       "a symbolic link in it was not followed");

    /* F15: a full disk has no room to move anything */

    spit(at("dis/full/a/b"), "x");
    fault_only = FAULT_NAME;
    fault_arm(1, ENOSPC);
    is_num(s->driver->discard(s, "dis/full", NULL, NULL), REG_OK,
           "F15 discard on a full disk");
    ok(fault_disarm() && !is_there(at("dis/full")), "%s: removes", mode);
    fault_only = 0;

    /* what a killed process left, and what a living one is writing */

    spit(at(REG_FS_TMP "/young"), "x");
    spit(at(REG_FS_TMP "/old"), "x");
    (void) utimensat(AT_FDCWD, at(REG_FS_TMP "/old"),
                     (struct timespec[2]) { { 1000000000, 0 },
                                            { 1000000000, 0 } }, 0);
    (void) s->driver->empty_trash(s, 100, &left, NULL);
    ok(is_there(at(REG_FS_TMP "/old")), "%s: that is no trash", mode);
    (void) reg_fs_remove_old(s, REG_FS_TMP,
                             INT64_C(1000000001) * 1000000000, NULL);
    ok(is_there(at(REG_FS_TMP "/young")), "%s: a new temporary stays", mode);
    ok(!is_there(at(REG_FS_TMP "/old")), "%s: an old one goes", mode);
    (void) unlink(at(REG_FS_TMP "/young"));
}


static void
test_dirs(reg_store_t *s)
{
    unsigned char  there[4];

    static const char  *const paths[] = { "x", "y/z", "file", "symlink" };

    make_dirs(at("dirs/y/z"));
    make_dirs(at("dirs/x"));
    spit(at("dirs/file"), "x");
    make_symlink("x", at("dirs/symlink"));

    is_num(s->driver->dirs(s, "dirs", paths, 4, there, NULL), REG_OK, "dirs");
    ok(there[0] && there[1] && !there[2] && !there[3],
       "%s: those that are directories", mode);
    is_num(s->driver->dirs(s, "none", paths, 4, there, NULL), REG_ABSENT,
           "below nothing");
}


static void
test_writable(void)
{
    reg_error_t   e;
    reg_store_t  *s;

    mode = "writable";

    root_make();
    s = store_open();

    is_num(reg_store_writable(s, NULL), REG_OK, "an empty root is writable");
    make_dirs(at(V2 "blobs/sha256"));
    is_num(reg_store_writable(s, NULL), REG_OK, "one with blobs too");

    reg_error_clear(&e);
    (void) rmdir(at(V2 "blobs/sha256"));
    spit(at(V2 "blobs/sha256"), "a file");
    ok(reg_store_writable(s, &e) == REG_STORAGE
       && strcmp(e.path, V2 "blobs/sha256") == 0,
       "a file in place of a directory is named: %s", e.path);

    reg_error_clear(&e);
    (void) unlink(at(V2 "blobs/sha256"));
    ok(symlink(".", at(V2 "blobs/sha256")) == 0
       && reg_store_writable(s, &e) == REG_STORAGE && e.sys == ELOOP,
       "a symbolic link for what it is");

    if (getuid() != 0) {
        reg_error_clear(&e);
        (void) unlink(at(V2 "blobs/sha256"));
        (void) chmod(at(V2 "blobs"), 0555);
        ok(reg_store_writable(s, &e) == REG_STORAGE
           && strcmp(e.path, V2 "blobs") == 0,
           "a directory without the right to write is named");
        (void) chmod(at(V2 "blobs"), 0755);
    }

    reg_store_close(s);
}


static void
test_root(void)
{
    reg_error_t   e;
    reg_store_t  *s;

    reg_error_clear(&e);
    ok(reg_store_open(&s, at("none"), &e) == REG_STORAGE && e.sys == ENOENT,
       "a root that is not there");

    reg_error_clear(&e);
    spit(at("file"), "x");
    ok(reg_store_open(&s, at("file"), &e) == REG_STORAGE && e.sys == ENOTDIR,
       "a root that is a file");

    reg_store_close(NULL);
    ok(1, "nothing is closed");
}
