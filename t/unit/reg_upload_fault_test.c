
#include "reg_test_fault.h"
#include "reg_test_upload.h"

#include "reg_repo.h"
#include "reg_upload_owner.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>


static void test_repair(void);
static void test_short(void);
static void test_short_cut(void);
static void test_late_opener(void);
static void test_faults(void);
static void test_sync_fails(void);
static void test_killed(void);
static void test_together(void);
static void test_no_files(reg_alg_e alg, int spare);
static void test_no_files_to_end(int large, unsigned calls);
static void test_no_files_to_sync(void);
static void test_state_temporary(void);
static void test_not_ours(void);
static int count_entries(const char *path);
static void test_spare_swept(void);
static void test_begun_deleted(void);
static void test_ends_meanwhile(const char *what, unsigned calls,
    reg_rc_t (*work)(const char *id));
static reg_rc_t work_append(const char *id);
static reg_rc_t work_delete(const char *id);
static reg_rc_t work_status(const char *id);
static void take_repository(void);
static void take_spare(void);
static void make_old(const char *path);


static char  taken[REG_UUID_LEN + 1];


int
main(void)
{
    (void) umask(0);

    root_make();
    s = store_open();

    test_repair();
    test_short();
    test_short_cut();
    test_late_opener();
    test_together();

    test_no_files(REG_SHA256, 0);
    test_no_files(REG_SHA256, 1);
    test_no_files(REG_SHA512, 0);

    /* the calls below are counted as openat() */

    reg_fs_plain(s);

    test_no_files_to_end(0, FAULT_OPEN);
    test_no_files_to_end(0, FAULT_NAME);
    test_no_files_to_end(1, FAULT_OPEN);
    test_no_files_to_end(1, FAULT_NAME);
    test_no_files_to_sync();
    test_state_temporary();
    test_not_ours();
    test_spare_swept();
    test_begun_deleted();
    test_ends_meanwhile("another opens it", FAULT_OPEN, work_append);
    test_ends_meanwhile("its repository is deleted", FAULT_NAME,
                        work_delete);
    test_ends_meanwhile("its status is asked for", FAULT_OPEN, work_status);
    test_faults();
    test_sync_fails();
    test_killed();

    reg_store_close(s);

    return done_testing();
}


/* F38, F39: the same digest pushed again repairs what is damaged. */

static void
test_repair(void)
{
    reg_path_t    path;
    reg_digest_t  d;

    (void) push_blob(s, NAME, REG_SHA256, reg_str("precious"), &d);
    reg_layout_blob(&path, &d);

    spit(at("%s", path.s), "precioux");
    (void) push_blob(s, NAME, REG_SHA256, reg_str("precious"), NULL);
    ok(blob_is(&d, reg_str("precious")), "F38 a byte flipped");

    spit(at("%s", path.s), "");
    ok(reg_blob_exists(s, reg_str(NAME), &d, NULL) == 0,
       "F39 an empty blob is none");
    (void) push_blob(s, NAME, REG_SHA256, reg_str("precious"), NULL);
    ok(blob_is(&d, reg_str("precious")), "F39 until it is pushed again");

    (void) unlink(at("%s", path.s));
    (void) push_blob(s, NAME, REG_SHA256, reg_str("precious"), NULL);
    ok(blob_is(&d, reg_str("precious")), "F39 missing altogether");
}


/* F22 */

static void
test_short(void)
{
    char          *data;
    reg_digest_t   d;
    reg_upload_t  *u;

    data = noise(150000, 12);
    d = digest_of(REG_SHA512, part(data, 0, 150000));

    fault_short = 1;
    begin(REG_SHA256);
    u = resume();
    (void) upload_add(u, part(data, 0, 30000));
    (void) reg_upload_save(u, NULL);
    reg_upload_close(u);
    u = resume();
    (void) upload_add(u, part(data, 30000, 100000));
    (void) reg_upload_save(u, NULL);
    reg_upload_close(u);
    u = resume();
    (void) upload_add(u, part(data, 100000, 150000));
    is_num(reg_upload_commit(u, &d, NULL), REG_OK,
           "F22 short reads and writes, and signals");
    reg_upload_close(u);
    fault_short = 0;

    ok(blob_is(&d, part(data, 0, 150000)), "F22 the blob is right");

    free(data);
}


/* A session of two short parts of data. */

static void
two_parts(const char *data)
{
    reg_upload_t  *u;

    begin(REG_SHA256);

    u = resume();
    (void) upload_add(u, part(data, 0, 30000));
    (void) reg_upload_save(u, NULL);
    reg_upload_close(u);

    u = resume();
    (void) upload_add(u, part(data, 30000, 50000));
    (void) reg_upload_save(u, NULL);
    reg_upload_close(u);
}


/*
 * F12: the length of a file that is appended to may reach the disk before the
 * bytes do, which are zeros then.
 */

static void
test_short_cut(void)
{
    char          *data;
    reg_digest_t   d;
    reg_upload_t  *u;

    data = noise(60000, 14);
    d = digest_of(REG_SHA256, part(data, 0, 60000));

    two_parts(data);
    (void) truncate(at(UPLOAD "/data", id), 60000);

    is_num(status(), 50000, "F12 what was not saved does not count");

    u = resume();
    is_num(reg_upload_offset(u), 50000, "F12 nor when it goes on");
    (void) upload_add(u, part(data, 50000, 60000));
    is_num(reg_upload_commit(u, &d, NULL), REG_OK, "F12 to the right end");
    reg_upload_close(u);
    ok(blob_is(&d, part(data, 0, 60000)), "F12 with the right bytes");

    two_parts(data);
    spit(at(STATE, id, "sha256", (size_t) 50000), "");

    is_num(status(), 0, "F12 of a state nothing is left but the name");

    reg_upload_close(resume());
    is_num(status(), 0, "F12 which stays so");

    u = resume();
    is_num(reg_upload_offset(u), 0, "F12 it begins anew");
    (void) upload_add(u, part(data, 0, 40000));
    (void) reg_upload_save(u, NULL);
    reg_upload_close(u);
    is_num(status(), 40000, "F12 and goes on");

    u = resume();
    (void) upload_add(u, part(data, 40000, 60000));
    is_num(reg_upload_commit(u, &d, NULL), REG_OK, "F12 and ends well");
    reg_upload_close(u);

    free(data);
}


/* Who opens data just before it becomes a blob must not write to that. */

static void
test_late_opener(void)
{
    int            dir, fd;
    uint64_t       size;
    reg_path_t     path;
    reg_digest_t   d;
    reg_upload_t  *u;

    begin(REG_SHA256);
    u = resume();
    (void) upload_add(u, reg_str("late"));
    d = digest_of(REG_SHA256, reg_str("late"));

    reg_layout_upload(&path, reg_str(NAME), reg_str_of(id), "");
    ok(reg_fs_upload_open(reg_fs_of(s), path.s, &dir, &fd, &size, NULL)
       == REG_UPLOAD_BUSY, "held by the first");

    (void) reg_upload_commit(u, &d, NULL);
    reg_upload_close(u);
    ok(reg_fs_upload_open(reg_fs_of(s), path.s, &dir, &fd, &size, NULL)
       == REG_ABSENT, "and gone with it");

    /* the inode behind the name is another one by the time of the lock */

    begin(REG_SHA256);
    u = resume();
    reg_layout_upload(&path, reg_str(NAME), reg_str_of(id), "/data");
    (void) rename(at("%s", path.s), at("elsewhere"));
    spit(at("%s", path.s), "other");
    (void) upload_add(u, reg_str("late"));
    is_num(reg_upload_commit(u, &d, NULL), REG_UPLOAD_UNKNOWN,
           "data that is not the one that was locked");
    reg_upload_close(u);
}


/* One push in three steps; 0 when all of it worked. */

static reg_rc_t
push_steps(const char *data, size_t len, const reg_digest_t *d)
{
    reg_rc_t       rc;
    reg_upload_t  *u;

    rc = reg_upload_create(s, reg_str("faults/app"), REG_SHA256, 1, id, NULL);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_upload_open(&u, s, reg_str("faults/app"), reg_str_of(id), NULL);

    if (rc != REG_OK) {
        return rc;
    }

    rc = upload_add(u, part(data, 0, len / 2));

    if (rc == REG_OK) {
        rc = reg_upload_save(u, NULL);
    }

    if (rc == REG_OK) {
        rc = upload_add(u, part(data, len / 2, len));
    }

    if (rc == REG_OK) {
        rc = reg_upload_commit(u, d, NULL);
    }

    reg_upload_close(u);

    return rc;
}


/* F14, F19, F20: whatever fails, nothing half done is taken for whole. */

static void
test_faults(void)
{
    int           large, failed, bad, shared;
    char         *data;
    long          n;
    size_t        len;
    reg_rc_t      rc;
    reg_digest_t  d;

    static const int  errors[] = { ENOSPC, EIO, EROFS, EDQUOT };

    for (large = 0; large < 2; large++) {
        len = large ? 200000 : 2000;
        failed = 0;
        bad = 0;

        for (n = 1; n < 600; n++) {
            data = noise(len, (unsigned) (1000 * large + n));
            d = digest_of(REG_SHA256, part(data, 0, len));

            (void) nftw(at(REPOS "faults"), root_remove_one, 32,
                        FTW_DEPTH|FTW_PHYS);

            /* of every other one somebody else has the bytes, too */

            shared = (n % 2
                      && push_blob(s, "elsewhere", REG_SHA256,
                                   part(data, 0, len), NULL) == REG_OK);

            fault_arm(n / 2 + 1, errors[n % 4]);
            rc = push_steps(data, len, &d);

            if (!fault_disarm()) {
                free(data);
                break;
            }

            failed++;
            bad += (shared && !blob_is(&d, part(data, 0, len)));

            /* a failed removal of leftovers is no failure of the push */

            if (rc == REG_OK) {
                bad += !blob_is(&d, part(data, 0, len));

            } else if (reg_blob_exists(s, reg_str("faults/app"), &d, NULL)
                       == 1)
            {
                /* it may be there, but then it must be whole */

                bad += !blob_is(&d, part(data, 0, len));
            }

            bad += (push_steps(data, len, &d) != REG_OK);
            bad += (reg_blob_exists(s, reg_str("faults/app"), &d, NULL) != 1);

            free(data);
        }

        ok(failed > 15, "F14 %d calls failed in turn", failed);
        is_num(bad, 0, "F14 none of them did harm");
    }
}


/* F17: a failed fsync ends the session. */

static void
test_sync_fails(void)
{
    int            bad, n;
    char          *data;
    reg_rc_t       rc;
    reg_digest_t   d;
    reg_upload_t  *u;

    data = noise(200000, 13);
    d = digest_of(REG_SHA256, part(data, 0, 200000));

    begin(REG_SHA256);
    u = resume();
    (void) upload_add(u, part(data, 0, 100000));
    fault_only = FAULT_SYNC;
    fault_arm(1, EIO);
    is_num(reg_upload_save(u, NULL), REG_STORAGE, "F17 a save fails");
    (void) fault_disarm();
    ok(reg_upload_save(u, NULL) != REG_OK
       && upload_add(u, part(data, 0, 1)) != REG_OK
       && reg_upload_commit(u, &d, NULL) != REG_OK,
       "F17 and nothing works after it");
    reg_upload_close(u);
    is_num(status(), -1, "F17 the session is given up");

    /* what was saved while it was short is on disk before its state is */

    fault_only = 0;
    begin(REG_SHA256);
    u = resume();
    (void) upload_add(u, part(data, 0, 1000));
    is_num(reg_upload_save(u, NULL), REG_OK, "F17 a short save");
    reg_upload_close(u);
    u = resume();
    fault_only = FAULT_SYNC;
    fault_arm(1, EIO);
    is_num(upload_add(u, part(data, 1000, 200000)), REG_STORAGE,
           "F17 it does not go on behind what cannot be synced");
    (void) fault_disarm();
    reg_upload_close(u);
    is_num(status(), -1, "F17 and is given up, too");

    bad = 0;

    for (n = 1; n < 20; n++) {
        begin(REG_SHA256);
        u = resume();
        (void) upload_add(u, part(data, 0, 200000));

        (void) reg_blob_delete(s, reg_str(NAME), &d, NULL);

        fault_arm(n, EIO);
        rc = reg_upload_commit(u, &d, NULL);

        if (!fault_disarm()) {
            reg_upload_close(u);
            break;
        }

        reg_upload_close(u);

        bad += (rc != REG_STORAGE);
        bad += (status() != -1);
        bad += (reg_blob_exists(s, reg_str(NAME), &d, NULL) == 1);
    }

    fault_only = 0;

    ok(n >= 5, "F17 %d syncs of a commit failed in turn", n - 1);
    is_num(bad, 0, "F17 session and link were gone each time");

    free(data);
}


/* F01: killed at each call; the blob is there whole, or not at all. */

static void
test_killed(void)
{
    int           bad, status_, large;
    char         *data;
    long          n;
    pid_t         pid;
    size_t        len;
    reg_digest_t  d;

    for (large = 0; large < 2; large++) {
        len = large ? 200000 : 2000;
        bad = 0;

        for (n = 1; n < 300; n++) {
            data = noise(len, (unsigned) (5000 + 1000 * large + n));
            d = digest_of(REG_SHA256, part(data, 0, len));

            (void) nftw(at(REPOS "faults"), root_remove_one, 32,
                        FTW_DEPTH|FTW_PHYS);

            pid = fork();

            if (pid == 0) {
                fault_arm(n, FAULT_KILL);
                _exit(push_steps(data, len, &d) == REG_OK ? 0 : 1);
            }

            (void) waitpid(pid, &status_, 0);

            if (!WIFEXITED(status_) || WEXITSTATUS(status_) == 1) {
                bad++;
            }

            if (reg_blob_exists(s, reg_str("faults/app"), &d, NULL) == 1) {
                bad += !blob_is(&d, part(data, 0, len));

            } else if (WEXITSTATUS(status_) == 0) {
                bad++;
            }

            bad += (push_steps(data, len, &d) != REG_OK);
            bad += !blob_is(&d, part(data, 0, len));

            free(data);

            if (WIFEXITED(status_) && WEXITSTATUS(status_) == 0) {
                break;
            }
        }

        ok(n > 15, "F01 killed at each of %ld calls", n - 1);
        is_num(bad, 0, "F01 without harm");
    }
}


static void *
together(void *ctx)
{
    char       name[32];
    intptr_t   i, failed;
    reg_str_t  data;

    failed = 0;
    data.data = ctx;
    data.len = 100000;

    for (i = 0; i < 3; i++) {
        (void) snprintf(name, sizeof(name), "together/%d", (int) i % 2);
        failed += (push_blob(s, name, REG_SHA256, data, NULL) != REG_OK);
    }

    return (void *) failed;
}


/* F43 */

static void
test_together(void)
{
    int            i;
    void          *rc;
    char          *data;
    intptr_t       failed;
    pthread_t      threads[20];
    reg_digest_t   d;

    data = noise(100000, 14);
    d = digest_of(REG_SHA256, part(data, 0, 100000));
    failed = 0;

    for (i = 0; i < 20; i++) {
        (void) pthread_create(&threads[i], NULL, together, data);
    }

    for (i = 0; i < 20; i++) {
        (void) pthread_join(threads[i], &rc);
        failed += (intptr_t) rc;
    }

    is_num(failed, 0, "F43 twenty threads push one blob to two repositories");
    ok(blob_is(&d, part(data, 0, 100000)), "F43 the blob is whole");
    ok(reg_blob_exists(s, reg_str("together/0"), &d, NULL) == 1
       && reg_blob_exists(s, reg_str("together/1"), &d, NULL) == 1,
       "F43 and linked in both");

    free(data);
}


/*
 * F21: with so few descriptors left that a session cannot be made, nothing is
 * left of it: to remove it takes none.
 */

static void
test_no_files(reg_alg_e alg, int spare)
{
    int            n, first, failed, left;
    char           id[REG_UUID_LEN + 1];
    reg_rc_t       rc;
    struct rlimit  all, few;

    failed = 0;
    left = 0;
    rc = REG_BUSY;

    if (getrlimit(RLIMIT_NOFILE, &all) == -1) {
        bail("getrlimit");
    }

    for (n = 0; n < 20 && rc != REG_OK; n++) {

        if (spare) {
            (void) push_blob(s, "few/app", REG_SHA256,
                             reg_str("spare"), NULL);
        }

        first = open("/dev/null", O_RDONLY);
        (void) close(first);

        few = all;
        few.rlim_cur = (rlim_t) (first + n);

        if (setrlimit(RLIMIT_NOFILE, &few) == -1) {
            bail("setrlimit");
        }

        rc = reg_upload_create(s, reg_str("few/app"), alg, 1, id, NULL);

        if (setrlimit(RLIMIT_NOFILE, &all) == -1) {
            bail("setrlimit");
        }

        if (rc == REG_BUSY) {
            failed++;
            left += count_entries(at(REPOS "few/app/_uploads"));
        }
    }

    is_num(rc, REG_OK, "F21 enough descriptors for a session");
    ok(failed > 1, "F21 %d times too few", failed);
    is_num(left, 0, "F21 nothing is left then");

    (void) reg_upload_cancel(s, reg_str("few/app"), reg_str_of(id), NULL);
}


static struct rlimit  files;

static void
no_more_files(void)
{
    struct rlimit  none;

    none = files;
    none.rlim_cur = 0;

    if (setrlimit(RLIMIT_NOFILE, &none) == -1) {
        bail("setrlimit");
    }
}


/*
 * F21: the last descriptor is gone at each call of the end of a session: it has
 * its data still, or there is none.
 */

static void
test_no_files_to_end(int large, unsigned calls)
{
    int            n, hit, left;
    char          *data;
    size_t         len;
    reg_rc_t       rc;
    reg_digest_t   d;
    reg_upload_t  *u;

    left = 0;
    hit = 1;
    rc = REG_OK;
    len = large ? 200000 : 2000;
    fault_call = no_more_files;
    fault_only = calls;

    if (getrlimit(RLIMIT_NOFILE, &files) == -1) {
        bail("getrlimit");
    }

    /* each of its own bytes, so that there is a directory to be made */

    for (n = 1; hit && n < 300; n++) {
        data = noise(len, 9000 + 500 * calls + 100 * large + n);
        d = digest_of(REG_SHA256, part(data, 0, len));

        begin(REG_SHA256);
        u = resume();
        (void) upload_add(u, part(data, 0, len / 2));
        (void) reg_upload_save(u, NULL);
        (void) upload_add(u, part(data, len / 2, len));

        fault_arm(n, FAULT_CALL);
        rc = reg_upload_commit(u, &d, NULL);
        hit = fault_disarm();

        if (setrlimit(RLIMIT_NOFILE, &files) == -1) {
            bail("setrlimit");
        }

        reg_upload_close(u);
        free(data);

        if (access(at(UPLOAD, id), F_OK) == 0) {
            left += (rc == REG_OK || access(at(UPLOAD "/data", id), F_OK) != 0);
            (void) reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL);
        }
    }

    fault_only = 0;

    is_num(rc, REG_OK, "F21 enough descriptors for the end of a session");
    ok(n > 4, "F21 too few at each of %d calls", n - 2);
    is_num(left, 0, "F21 and never a session without data");
}


/* F17, F21: nor has one its data that could not be synced. */

static void
test_no_files_to_sync(void)
{
    char          *data;
    reg_upload_t  *u;

    data = noise(200000, 15);

    if (getrlimit(RLIMIT_NOFILE, &files) == -1) {
        bail("getrlimit");
    }

    begin(REG_SHA256);
    u = resume();
    (void) upload_add(u, part(data, 0, 200000));

    fault_call = no_more_files;
    fault_then = EIO;
    fault_only = FAULT_SYNC;
    fault_arm(1, FAULT_CALL);
    is_num(reg_upload_save(u, NULL), REG_STORAGE,
           "F17 F21 a save that fails with the last descriptor");
    (void) fault_disarm();
    fault_only = 0;

    if (setrlimit(RLIMIT_NOFILE, &files) == -1) {
        bail("setrlimit");
    }

    reg_upload_close(u);
    is_num(status(), -1, "F17 F21 leaves nothing to go on with");

    (void) reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL);
    free(data);
}


/* F14: what a state was written in is not left behind. */

static void
test_state_temporary(void)
{
    int            n, left, failed;
    char          *data;
    reg_upload_t  *u;

    data = noise(200000, 16);
    left = 0;
    failed = 0;

    for (n = 1; n < 50; n++) {
        begin(REG_SHA256);
        u = resume();
        (void) upload_add(u, part(data, 0, 200000));

        fault_only = FAULT_NAME;
        fault_arm(n, ENOSPC);
        (void) reg_upload_save(u, NULL);
        fault_only = 0;

        reg_upload_close(u);
        (void) reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL);

        if (!fault_disarm()) {
            break;
        }

        failed++;
        left += count_entries(at(REG_FS_TMP));
    }

    ok(failed > 2, "F14 %d calls of a save failed in turn", failed);
    is_num(left, 0, "F14 no temporary of a state is left");

    free(data);
}


/* A link of another owner, whose time we may not change, is made anew. */

static void
test_not_ours(void)
{
    reg_rc_t         rc;
    reg_digest_t     config, layer;
    struct timespec  old[2];

    (void) push_image(s, "theirs", "v1", "", NULL);

    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));

    memset(old, 0, sizeof(old));
    (void) utimensat(AT_FDCWD, at(REPOS "theirs/_layers/sha256/%s/link",
                                  reg_digest_hex(&config)), old, 0);

    fault_only = FAULT_TIME;
    fault_arm(1, EPERM);
    rc = put_manifest(s, "theirs", "v2",
                      image_text(&config, &layer, ",\"annotations\":{}"),
                      NULL, NULL);
    ok(fault_disarm(), "what a manifest names is renewed");
    fault_only = 0;
    is_num(rc, REG_OK, "or made anew, where we may not");
}


static int
count_entries(const char *path)
{
    DIR            *dir;
    int             n;
    struct dirent  *entry;

    dir = opendir(path);

    if (dir == NULL) {
        return 0;
    }

    for (n = 0; (entry = readdir(dir)) != NULL; /* void */) {
        n += (entry->d_name[0] != '.');
    }

    (void) closedir(dir);

    return n;
}


static void
take_spare(void)
{
    (void) reg_upload_create(s, reg_str("spare/app"), REG_SHA256, 1, taken,
                             NULL);
}


static void
make_old(const char *path)
{
    DIR              *dir;
    struct dirent    *entry;
    struct timespec   old[2];

    memset(old, 0, sizeof(old));
    dir = opendir(path);

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            (void) utimensat(dirfd(dir), entry->d_name, old, 0);
        }
    }

    if (dir != NULL) {
        (void) closedir(dir);
    }
}


/* F37: what is left over is taken for a session while it is removed as old. */

static void
test_spare_swept(void)
{
    int            n, hit;
    int64_t        when;
    reg_rc_t       rc;
    reg_upload_t  *u;

    fault_call = take_spare;
    fault_only = FAULT_NAME;
    hit = 1;

    for (n = 1; hit && n < 20; n++) {
        (void) push_blob(s, "spare/app", REG_SHA256, reg_str("gives one"),
                         NULL);
        make_old(at(REG_FS_SPARE));

        fault_arm(n, FAULT_CALL);
        rc = reg_fs_remove_old(s, REG_FS_SPARE, 1000000000, NULL);
        hit = fault_disarm();

        if (!hit) {
            break;
        }

        is_num(rc, REG_OK, "F37 what is old is removed");
        is_num(reg_upload_started(s, reg_str("spare/app"), reg_str_of(taken),
                                  &when, NULL),
               REG_OK, "F37 a session meanwhile knows when it began");

        rc = reg_upload_open(&u, s, reg_str("spare/app"), reg_str_of(taken),
                             NULL);
        is_num(rc, REG_OK, "F37 and can be used");

        if (rc == REG_OK) {
            reg_upload_close(u);
        }

        (void) reg_upload_cancel(s, reg_str("spare/app"), reg_str_of(taken),
                                 NULL);
    }

    fault_only = 0;

    ok(n > 2, "F37 at each of %d calls", n - 1);
    is_num(count_entries(at(REG_FS_SPARE)), 0, "F37 no spare stays");
}


static reg_upload_t  *ending;
static char           next_id[REG_UUID_LEN + 1];


/*
 * A session ends, and another one begins, of somebody else; unless whoever is
 * interrupted has the store's lock.
 */

static void
end_and_begin(void)
{
    int            lock;
    reg_digest_t   d;
    reg_upload_t  *u;

    fault_at = 0;
    lock = open(at(REG_FS_LOCK), O_RDONLY);

    if (flock(lock, LOCK_SH|LOCK_NB) == -1) {
        (void) close(lock);
        return;
    }

    (void) close(lock);

    d = digest_of(REG_SHA256, reg_str("the blob of one"));
    (void) reg_upload_commit(ending, &d, NULL);
    reg_upload_close(ending);
    ending = NULL;

    (void) reg_upload_create(s, reg_str("ends/other"), REG_SHA256, 1, next_id,
                             NULL);

    if (reg_upload_open(&u, s, reg_str("ends/other"), reg_str_of(next_id),
                        NULL)
        == REG_OK)
    {
        (void) upload_add(u, reg_str("bytes"));
        (void) reg_upload_save(u, NULL);
        reg_upload_close(u);
    }
}


static void
test_ends_meanwhile(const char *what, unsigned calls,
    reg_rc_t (*work)(const char *id))
{
    int       n, hit, ended, wrong;
    char      id[REG_UUID_LEN + 1];
    uint64_t  offset;

    fault_call = end_and_begin;
    hit = 1;
    ended = 0;
    wrong = 0;

    for (n = 1; hit && n < 200; n++) {
        (void) push_blob(s, "ends/one", REG_SHA256, reg_str("zero"), NULL);
        (void) reg_upload_create(s, reg_str("ends/one"), REG_SHA256, 1, id,
                                 NULL);
        (void) reg_upload_open(&ending, s, reg_str("ends/one"),
                               reg_str_of(id), NULL);
        (void) upload_add(ending, reg_str("the blob of one"));

        fault_only = calls;
        fault_arm(n, FAULT_CALL);
        wrong += (work(id) == REG_INTERNAL);
        hit = fault_disarm();
        fault_only = 0;

        if (ending != NULL) {
            reg_upload_close(ending);
            ending = NULL;
            continue;
        }

        ended++;
        offset = 0;
        (void) reg_upload_status(s, reg_str("ends/other"),
                                 reg_str_of(next_id), &offset, NULL);
        ok(offset == 5, "F34 %s, at call %d: another session is what it was",
           what, n);
        (void) reg_upload_cancel(s, reg_str("ends/other"),
                                 reg_str_of(next_id), NULL);
    }

    ok(ended > 1, "F34 %s: %d times a session ended meanwhile", what, ended);
    is_num(wrong, 0, "F34 nobody was told of another one");
}


/* To take the lock of a session is to append to it, and to undo that. */

static reg_rc_t
work_append(const char *id)
{
    reg_rc_t       rc;
    reg_upload_t  *u;

    rc = reg_upload_open(&u, s, reg_str("ends/one"), reg_str_of(id), NULL);

    if (rc == REG_OK) {
        (void) upload_add(u, reg_str("for another"));
        (void) reg_upload_save(u, NULL);
        reg_upload_close(u);
    }

    return rc;
}


static reg_rc_t
work_delete(const char *id)
{
    (void) id;

    return reg_repo_delete(s, reg_str("ends/one"), NULL);
}


/* REG_INTERNAL when it was the size of the other session. */

static reg_rc_t
work_status(const char *id)
{
    uint64_t  offset;
    reg_rc_t  rc;

    rc = reg_upload_status(s, reg_str("ends/one"), reg_str_of(id), &offset,
                           NULL);

    return (rc == REG_OK && offset == 5) ? REG_INTERNAL : REG_OK;
}


static void
take_repository(void)
{
    (void) nftw(at("docker/registry/v2/repositories/gone"), root_remove_one,
                32, FTW_DEPTH|FTW_PHYS);
}


/* F34: its repository is deleted while a session begins. */

static void
test_begun_deleted(void)
{
    int            n, m, hit;
    char           id[REG_UUID_LEN + 1];
    reg_rc_t       rc;
    reg_error_t    e;
    reg_upload_t  *u;

    static const reg_alg_e  algs[] = { REG_SHA256, REG_SHA512 };

    fault_call = take_repository;

    for (m = 0; m < 2; m++) {
        hit = 1;

        for (n = 1; hit && n < 60; n++) {
            take_repository();
            reg_error_clear(&e);

            fault_arm(n, FAULT_CALL);
            rc = reg_upload_create(s, reg_str("gone/app"), algs[m], 1, id, &e);
            hit = fault_disarm();

            ok(rc == REG_OK, "F34 a session begins although its repository "
               "is deleted at call %d", n);

            if (reg_upload_open(&u, s, reg_str("gone/app"), reg_str_of(id),
                                NULL)
                == REG_OK)
            {
                reg_upload_close(u);

            } else {
                is_num(hit, 1, "F34 it is gone with it, or there");
            }
        }

        ok(n > 2, "F34 at each of %d calls", n - 1);
    }
}
