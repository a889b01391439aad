
/* Deletes of manifests between others, and the locks they take: F42. */

#define REG_TEST_IN_MEMORY

#include "reg_test_age.h"

#include "reg_tags.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>


static void test_tag_moves_on(void);
static void test_delete_of_old(void);
static void test_delete_beside(void);
static void test_delete_between(void);
static void test_delete_repository(void);
static void test_stopped(void);
static void test_steady(void);
static void test_no_directory_locks(void);
static void test_locks_taken(void);
static void test_slow_sync(void);


static reg_store_t  *s;

static int           syncs;
static int           syncs_alone;    /* that others had to wait for */


/* Nothing is synced really, which takes most of the time. */

static void
note_sync(void)
{
    int  fd;

    syncs++;
    fd = open(at(REG_FS_LOCK), O_RDWR);

    if (fd != -1) {
        syncs_alone += (syscall(SYS_flock, fd, LOCK_SH|LOCK_NB) == -1);
        (void) close(fd);
    }
}


int
fsync(int fd)
{
    (void) fd;

    note_sync();

    return 0;
}


int
fdatasync(int fd)
{
    (void) fd;

    note_sync();

    return 0;
}


int
main(void)
{
    root_make();
    s = store_open();

    test_tag_moves_on();
    test_delete_of_old();
    test_delete_beside();
    test_delete_between();
    test_delete_repository();
    test_stopped();
    test_steady();
    test_no_directory_locks();
    test_locks_taken();
    test_slow_sync();

    reg_store_close(s);

    return done_testing();
}


static reg_digest_t          mo_digests[3];
static int                   mo_moves;
static const reg_driver_t   *mo_driver;


/*
 * Just before a revision is looked for, its tag moves on to the next manifest
 * and it is deleted.
 */

static reg_rc_t
mo_link(reg_store_t *st, const char *path, const reg_digest_t *want,
    reg_digest_t *d, int64_t *mtime, reg_error_t *e)
{
    int                  i;
    char                 more[64];
    reg_digest_t         config, layer;
    const reg_driver_t  *hooked;

    hooked = st->driver;

    for (i = 0; i < 2; i++) {
        if (mo_moves <= i || strstr(path, "/revisions/") == NULL
            || strstr(path, reg_digest_hex(&mo_digests[i])) == NULL)
        {
            continue;
        }

        st->driver = mo_driver;

        (void) snprintf(more, sizeof(more),
                        ",\"annotations\":{\"m\":\"%d\"}", i + 1);
        config = digest_of(REG_SHA256, reg_str("{}"));
        layer = digest_of(REG_SHA256, reg_str("layer"));

        (void) put_manifest(st, "mo", "v1", image_text(&config, &layer, more),
                            NULL, NULL);
        (void) reg_manifest_delete(st, reg_str("mo"), &mo_digests[i], NULL,
                                   NULL);

        st->driver = hooked;
        break;
    }

    return mo_driver->link(st, path, want, d, mtime, e);
}


/* The tag is there all the time, whatever becomes of the manifests. */

static void
test_tag_moves_on(void)
{
    int           i;
    char          more[64];
    reg_rc_t      rc;
    reg_error_t   e;
    reg_digest_t  d, target;
    reg_driver_t  driver;

    mo_driver = s->driver;
    driver = *mo_driver;
    driver.link = mo_link;

    for (mo_moves = 0; mo_moves < 3; mo_moves++) {

        for (i = 2; i >= 0; i--) {
            (void) snprintf(more, sizeof(more),
                            ",\"annotations\":{\"m\":\"%d\"}", i);
            (void) push_image(s, "mo", "v1", more, &mo_digests[i]);
        }

        reg_error_clear(&e);

        s->driver = &driver;
        rc = reg_tag_find(s, reg_str("mo"), reg_str("v1"), &d, &target, &e);
        s->driver = mo_driver;

        ok(rc == REG_OK, "F42 a tag that moves on %d times while its "
           "manifests are deleted", mo_moves);
        is_num(e.rc, REG_OK, "F42 and no error is left");
        ok(reg_digest_eq(&d, &mo_digests[mo_moves]),
           "F42 it is read where it is in the end");
    }

    (void) unlink(at(REPOS "mo/_manifests/revisions/sha256/%s/link",
                     reg_digest_hex(&d)));

    is_num(reg_tag_find(s, reg_str("mo"), reg_str("v1"), &d, &target, NULL),
           REG_MANIFEST_UNKNOWN, "a tag on a manifest that is missing");
}


static pid_t
old_delete(int repository, int held)
{
    pid_t         pid;
    reg_digest_t  config, layer, d;

    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));
    d = digest_of(REG_SHA256, image_text(&config, &layer, ""));

    pid = fork();

    if (pid == 0) {

        /* the lock is not his as well */

        (void) close(held);
        (void) alarm(20);

        _exit((repository ? reg_repo_delete(s, reg_str("locks"), NULL)
                          : reg_manifest_delete(s, reg_str("locks"), &d, NULL,
                                                NULL))
              == REG_OK ? 0 : 1);
    }

    return pid;
}


/* 1 when the process is still there after a while. */

static int
old_waits(pid_t pid)
{
    int  status;

    (void) usleep(500000);

    return waitpid(pid, &status, WNOHANG) == 0;
}


static int
old_ended(pid_t pid)
{
    int  status;

    return waitpid(pid, &status, 0) == pid && WIFEXITED(status)
           && WEXITSTATUS(status) == 0;
}


/*
 * Who deletes a manifest waited for a repository that was deleted meanwhile.
 * What he deletes from is the one that was made in its place, and nobody may
 * be putting manifests there.
 */

static void
test_delete_of_old(void)
{
    int    was, is;
    pid_t  pid, other;

    (void) push_image(s, "locks", "v1", "", NULL);

    was = open(at(REPOS "locks/_manifests"), O_RDONLY|O_CLOEXEC);
    (void) flock(was, LOCK_SH);

    pid = old_delete(0, was);
    ok(old_waits(pid), "a delete waits for a put");

    is_num(reg_repo_delete(s, reg_str("locks"), NULL), REG_OK,
           "the repository is deleted");
    (void) push_image(s, "locks", "v1", "", NULL);

    is = open(at(REPOS "locks/_manifests"), O_RDONLY|O_CLOEXEC);
    (void) flock(is, LOCK_SH);
    (void) close(was);

    ok(old_waits(pid), "it waits for a put in the one that took its place");
    (void) close(is);

    ok(old_ended(pid), "and then deletes the manifest");

    /* the other way round: he is at it, and the repository has to wait */

    (void) push_image(s, "locks", "v1", "", NULL);

    is = open(at(REPOS "locks/_manifests"), O_RDONLY|O_CLOEXEC);
    (void) flock(is, LOCK_EX);

    other = old_delete(1, is);
    ok(old_waits(other), "a repository is not deleted under such a delete");
    (void) close(is);

    ok(old_ended(other), "but after it");
}


static reg_digest_t          be_digest;
static const reg_driver_t   *be_driver;
static unsigned              be_reads, be_locked, be_at;
static void                (*be_op)(void);


/* Counts tags that are read, and those of them that puts have to wait for. */

static reg_rc_t
be_read(reg_store_t *st, const char *path, size_t max, reg_buf_t *out,
    reg_error_t *e)
{
    int       fd, free;
    reg_rc_t  rc;

    rc = be_driver->read(st, path, max, out, e);

    if (strstr(path, "/current/link") == NULL) {
        return rc;
    }

    fd = open(at(REPOS "be/_manifests"), O_RDONLY|O_CLOEXEC);
    free = (flock(fd, LOCK_SH|LOCK_NB) == 0);
    (void) close(fd);

    be_reads++;
    be_locked += !free;

    if (be_op != NULL && free && be_reads == be_at) {
        st->driver = be_driver;
        be_op();
    }

    return rc;
}


static reg_rc_t
be_delete(void)
{
    reg_rc_t      rc;
    reg_driver_t  driver;

    be_driver = s->driver;
    driver = *be_driver;
    driver.read = be_read;

    be_reads = 0;
    be_locked = 0;

    s->driver = &driver;
    rc = reg_manifest_delete(s, reg_str("be"), &be_digest, NULL, NULL);
    s->driver = be_driver;

    return rc;
}


static void
be_push(int tags, int others)
{
    int   i;
    char  tag[16];

    for (i = 0; i < others; i++) {
        (void) snprintf(tag, sizeof(tag), "o%03d", i);
        (void) push_image(s, "be", tag, ",\"annotations\":{\"o\":\"o\"}",
                          NULL);
    }

    for (i = 0; i < tags; i++) {
        (void) snprintf(tag, sizeof(tag), "t%03d", i);
        (void) push_image(s, "be", tag, "", &be_digest);
    }
}


/* Nobody waits while all tags are looked at. */

static void
test_delete_beside(void)
{
    be_push(20, 100);
    age(at("docker"), 3600);

    is_num(be_delete(), REG_OK, "a delete of one of many manifests");
    ok(be_reads >= 140 && be_locked == 20,
       "of %u looks at tags %u are under the lock", be_reads, be_locked);
    ok(!served(s, "be", &be_digest)
       && !is_there(at(REPOS "be/_manifests/tags/t000"))
       && !is_there(at(REPOS "be/_manifests/tags/t019")),
       "it is gone with its tags");
    ok(is_there(at(REPOS "be/_manifests/tags/o099/current/link")),
       "the others stay");

    /* one that was pushed just now, without any wait before */

    be_push(1, 0);
    is_num(be_delete(), REG_OK, "a delete of one that is new");
    ok(!served(s, "be", &be_digest)
       && !is_there(at(REPOS "be/_manifests/tags/t000")), "it is gone, too");
    (void) reg_repo_delete(s, reg_str("be"), NULL);
}


static void
be_tag(void)
{
    (void) push_image(s, "be", "a-new-one", "", NULL);
    (void) push_image(s, "be", "z-new-one", "", NULL);
}


static void
be_move(void)
{
    (void) push_image(s, "be", "t000", ",\"annotations\":{\"o\":\"o\"}",
                      NULL);
    (void) push_image(s, "be", "t009", ",\"annotations\":{\"o\":\"o\"}",
                      NULL);
}


static void
be_back(void)
{
    (void) push_image(s, "be", "o000", "", NULL);
}


static void
be_gone(void)
{
    (void) reg_repo_delete(s, reg_str("be"), NULL);
    be_push(1, 1);
}


/* So young that a tag which leaves it does not renew its link. */

static void
be_young(void)
{
    struct timespec  t[2];

    (void) clock_gettime(CLOCK_REALTIME, &t[1]);

    t[1].tv_nsec -= 200000000;

    if (t[1].tv_nsec < 0) {
        t[1].tv_sec--;
        t[1].tv_nsec += 1000000000;
    }

    t[0] = t[1];

    (void) utimensat(AT_FDCWD,
                     at(REPOS "be/_manifests/revisions/sha256/%s/link",
                        reg_digest_hex(&be_digest)),
                     t, 0);
}


static reg_rc_t
be_dangles(void *ctx, reg_str_t tag, const reg_digest_t *d)
{
    reg_digest_t  target;

    (void) tag;

    *(int *) ctx += (reg_revision_find(s, reg_str("be"), d, &target, NULL, NULL)
                     != REG_OK);

    return REG_OK;
}


/* Somebody puts a tag on it, or moves one away, while they are looked at. */

static void
test_delete_between(void)
{
    int          dangling, bad;
    unsigned     i, k;
    reg_str_t    other;

    static const struct {
        const char  *what;
        void       (*op)(void);
        int          moved;
        int          young;
    } rows[] = {
        { "new tags on it",           be_tag,  0, 0 },
        { "two that move away",       be_move, 1, 0 },
        { "two, of one that is new",  be_move, 1, 1 },
        { "one that moves to it",     be_back, 0, 0 },
        { "a new repository",         be_gone, 0, 0 }
    };

    other = reg_str("be");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bad = 0;

        for (k = 1; k < 60; k++) {
            be_push(10, 3);
            age(at("docker"), 3600);

            if (rows[i].young) {
                be_young();
            }

            be_op = rows[i].op;
            be_at = k;

            if (be_delete() != REG_OK) {
                bad++;
            }

            dangling = 0;
            (void) reg_tags_walk(s, other, be_dangles, &dangling, NULL);

            if (dangling > 0 || served(s, "be", &be_digest)
                || (rows[i].moved && be_reads >= k && k <= 13
                    && (!is_there(at(REPOS "be/_manifests/tags/t000"))
                        || !is_there(at(REPOS "be/_manifests/tags/t009")))))
            {
                ok(0, "%s at look %u: %d tags lead nowhere", rows[i].what, k,
                   dangling);
                bad++;
            }

            (void) reg_repo_delete(s, other, NULL);

            if (be_reads < k) {
                break;
            }
        }

        ok(bad == 0 && k > 13 && k < 60, "F42 %s between any two of %u looks",
           rows[i].what, k - 1);
    }

    be_op = NULL;
}


/* 1 when what a child does ends within some seconds. */

static int
soon(reg_rc_t (*what)(void))
{
    int    status;
    pid_t  pid;

    pid = fork();

    if (pid == 0) {
        (void) alarm(20);
        _exit(what() == REG_OK ? 0 : 1);
    }

    return waitpid(pid, &status, 0) == pid && WIFEXITED(status)
           && WEXITSTATUS(status) == 0;
}


static reg_rc_t
push_elsewhere(void)
{
    return push_image(s, "elsewhere", "v1", "", NULL);
}


static reg_rc_t
push_here(void)
{
    return push_image(s, "locks", "v2", "", NULL);
}


/* Who waits for a manifest's delete, to delete its repository, waits alone. */

static void
test_delete_repository(void)
{
    int    is;
    pid_t  pid;

    (void) push_image(s, "locks", "v1", "", NULL);

    is = open(at(REPOS "locks/_manifests"), O_RDONLY|O_CLOEXEC);
    (void) flock(is, LOCK_EX);

    pid = old_delete(1, is);
    ok(old_waits(pid), "a delete of a repository waits for one of a manifest");
    ok(soon(push_elsewhere), "and nobody for it");
    (void) close(is);

    ok(old_ended(pid), "it goes on");
}


/* Who shares the lock is stopped, and somebody wants it alone. */

static void
test_stopped(void)
{
    int    lock, i;
    pid_t  pid;

    (void) push_image(s, "locks", "v1", "", NULL);
    (void) s->driver->lock(s, REG_LOCK_SHARED, &lock, NULL);

    pid = old_delete(1, lock);
    ok(old_waits(pid), "a delete waits for who does not let go of the lock");

    for (i = 0; i < 3; i++) {
        ok(soon(push_elsewhere), "others push all the same");
    }

    s->driver->unlock(s, lock);
    ok(old_ended(pid), "it goes on when he is gone");
}


/*
 * On a slow disk each put holds the lock for a while, and where many push there
 * is always one.  Who deletes a manifest gets his turn all the same, and who
 * holds the lock and was stopped keeps nobody out who only puts.
 */

static void
test_steady(void)
{
    int    i, fd, held;
    pid_t  pid, put[3];

    static const char  path[] = "docker/registry/v2/repositories/locks/"
                                "_manifests";

    (void) push_image(s, "locks", "v1", "", NULL);

    for (i = 0; i < 3; i++) {
        put[i] = fork();

        if (put[i] == 0) {
            (void) alarm(60);
            (void) usleep((useconds_t) i * 30000);

            while (reg_fs_lock_repo(s, path, REG_LOCK_SHARED, &fd, NULL)
                   == REG_OK)
            {
                (void) usleep(100000);
                s->driver->unlock(s, fd);
            }

            _exit(1);
        }
    }

    (void) usleep(300000);
    ok(old_ended(old_delete(0, -1)),
       "F24 a delete of a manifest gets its turn between puts");

    for (i = 0; i < 3; i++) {
        (void) kill(put[i], SIGKILL);
        (void) waitpid(put[i], NULL, 0);
    }

    (void) push_image(s, "locks", "v1", "", NULL);
    is_num(reg_fs_lock_repo(s, path, REG_LOCK_SHARED, &held, NULL), REG_OK,
           "somebody holds the lock");

    pid = old_delete(0, held);
    ok(old_waits(pid), "a delete of a manifest waits for him");

    for (i = 0; i < 3; i++) {
        ok(soon(push_here), "others push into the repository all the same");
    }

    s->driver->unlock(s, held);
    ok(old_ended(pid), "it goes on when he is gone");
}


static int   no_directory_locks;
static char  locks_taken[256];


/* Notes which of the locks it is, and how it is taken. */

static void
note_lock(int fd, int operation)
{
    char         link[64], path[512], text[64];
    size_t       len;
    ssize_t      n;
    const char  *name;

    (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[(n > 0) ? n : 0] = '\0';

    name = strrchr(path, '/');

    if (name == NULL
        || (strcmp(name, "/lock") != 0 && strcmp(name, "/lock-manifests") != 0
            && strcmp(name, "/_manifests") != 0))
    {
        return;
    }

    (void) snprintf(text, sizeof(text), "%s %s", name + 1,
                    (operation & LOCK_EX) ? "alone" : "shared");

    if (strstr(locks_taken, text) == NULL) {
        len = strlen(locks_taken);
        (void) snprintf(locks_taken + len, sizeof(locks_taken) - len, "%s%s",
                        len ? ", " : "", text);
    }
}


/* As on NFS, where a directory cannot be locked. */

int
flock(int fd, int operation)
{
    struct stat  st;

    if (no_directory_locks && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EBADF;
        return -1;
    }

    note_lock(fd, operation);

    return (int) syscall(SYS_flock, fd, operation);
}


static reg_rc_t
one_of(int what)
{
    reg_str_t                  tag, v1;
    reg_digest_t               config, layer, d;
    reg_condition_t            when;
    reg_manifest_put_t         put;
    reg_manifest_put_result_t  result;

    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));
    tag = reg_str("v2");
    v1 = reg_str("v1");

    memset(&put, 0, sizeof(put));

    put.name = reg_str("locks");
    put.body = image_text(&config, &layer, "");
    put.tags = &tag;
    put.ntags = (what != 10);
    put.keep_tags = (what == 1 || what == 10);

    when.match = reg_str("*");
    when.none_match = reg_null_str;

    if (what == 11) {
        put.tags = &v1;
        put.when = when;
    }

    d = digest_of(REG_SHA256, put.body);

    switch (what) {

    case 2:
        return reg_blob_delete(s, put.name, &config, NULL);

    case 3:
        return reg_manifest_delete(s, put.name, &d, NULL, NULL);

    case 4:
        return reg_repo_delete(s, put.name, NULL);

    case 5:
        return push_blob(s, "locks", REG_SHA256, reg_str("more"), NULL);

    case 6:
        return reg_blob_mount(s, put.name, put.name, &layer, NULL, NULL, NULL,
                              NULL);

    case 7:
        return reg_blob_link(s, put.name, &layer, NULL);

    case 8:
        return reg_blob_lease(s, put.name, &layer, 0, NULL);

    case 9:
        return reg_revision_lease(s, put.name, &d, 0, NULL);

    case 12:
        return reg_tag_delete(s, put.name, v1, NULL);

    case 13:
        return reg_tag_delete_if(s, put.name, v1, &when, &d, NULL);

    default:
        return reg_manifest_put(s, &put, &result, NULL);
    }
}


/* Each takes the locks that there are, and waits for nobody but others. */

static void
test_no_directory_locks(void)
{
    int    what, status;
    pid_t  pid;

    static const char  *const names[] = {
        "put of a manifest", "put by who may not move tags",
        "delete of a blob", "delete of a manifest", "delete of a repository"
    };

    no_directory_locks = 1;

    for (what = 0; what < 5; what++) {
        (void) push_image(s, "locks", "v1", "", NULL);

        pid = fork();

        if (pid == 0) {
            (void) alarm(20);
            _exit(one_of(what) == REG_OK ? 0 : 1);
        }

        (void) waitpid(pid, &status, 0);
        ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
           "without locks of directories: %s", names[what]);
    }

    no_directory_locks = 0;
}


/* What keeps others out, and for whom: a slower machine shows it no better. */

static void
test_locks_taken(void)
{
    int       what;
    char      text[128];
    unsigned  i;
    reg_rc_t  rc;

    static const struct {
        const char  *name;
        const char  *taken[2];    /* the second without locks of directories */
    } rows[] = {
        { "put of a manifest",
          { "lock shared, _manifests shared",
            "lock shared, lock-manifests shared" } },
        { "put by who may not move tags",
          { "lock shared, _manifests alone",
            "lock shared, lock-manifests alone" } },
        { "delete of a blob", { "lock alone", "lock alone" } },
        { "delete of a manifest",
          { "_manifests alone", "lock-manifests alone" } },
        { "delete of a repository",
          { "lock alone, _manifests shared",
            "lock alone, lock-manifests shared" } },
        { "commit of a blob", { "lock shared", "lock shared" } },
        { "mount", { "lock shared", "lock shared" } },
        { "link of a blob", { "lock shared", "lock shared" } },
        { "lease of a blob", { "lock shared", "lock shared" } },
        { "lease of a manifest", { "lock shared", "lock shared" } },
        { "put without a tag by who may not move tags",
          { "lock shared, _manifests shared",
            "lock shared, lock-manifests shared" } },
        { "put on a condition",
          { "lock shared, _manifests alone",
            "lock shared, lock-manifests alone" } },
        { "delete of a tag",
          { "lock shared, _manifests shared",
            "lock shared, lock-manifests shared" } },
        { "delete of a tag on a condition",
          { "lock shared, _manifests alone",
            "lock shared, lock-manifests alone" } }
    };

    for (i = 0; i < 2; i++) {
        no_directory_locks = (int) i;

        for (what = 0; what < (int) (sizeof(rows) / sizeof(rows[0])); what++) {
            (void) push_image(s, "locks", "v1", "", NULL);

            locks_taken[0] = '\0';
            rc = one_of(what);

            (void) snprintf(text, sizeof(text), "locks of a %s: %s",
                            rows[what].name, rows[what].taken[i]);
            is(reg_str_of(locks_taken), rows[what].taken[i], text);
            is_num(rc, REG_OK, "it did it");
        }
    }

    no_directory_locks = 0;

    /* where there is no _manifests yet, it is locked once it was made */

    (void) push_image(s, "locks", "v1", "", NULL);
    (void) nftw(at(REPOS "locks/_manifests"), root_remove_one, 32,
                FTW_DEPTH|FTW_PHYS);

    locks_taken[0] = '\0';
    is_num(one_of(0), REG_OK, "the first manifest of a repository");
    is(reg_str_of(locks_taken), rows[0].taken[0], "is put under both locks");
}


/* A disk may take a minute for a sync: the store must not wait with it. */

static void
test_slow_sync(void)
{
    int   what, nested;
    char  name[16];

    static const char  *const names[] = { "blob", "manifest", "repository" };

    for (nested = 0; nested < 2; nested++) {
        for (what = 0; what < 3; what++) {
            (void) push_image(s, "locks", "v1", "", NULL);

            if (nested) {
                (void) push_image(s, "locks/inner", "v1", "", NULL);
            }

            syncs = 0;
            syncs_alone = 0;

            is_num(one_of(what + 2), REG_OK, "delete");
            ok(syncs > 0, "F24 delete of a %s: it is synced", names[what]);
            is_num(syncs_alone, 0, "F24 and nobody has to wait for that");
        }
    }

    /* nor those who push into its repository for more than they have to */

    for (what = 0; what < 8; what++) {
        (void) snprintf(name, sizeof(name), "t%d", what);
        (void) push_image(s, "locks", name, "", NULL);
    }

    syncs = 0;
    is_num(one_of(3), REG_OK, "delete of a manifest with 8 tags");
    is_num(syncs, 2, "F24 its tags are synced together, then what they named");
}
