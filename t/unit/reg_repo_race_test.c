
/* Several at once, on one repository: F42 and its like. */

#include "reg_test_store.h"

#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>


static void test_locks(void);
static void test_one_tag(void);
static void test_put_and_delete(void);
static void test_delete_blob(void);


static reg_store_t   *s;

static int            stop;
static reg_digest_t   one_digests[8];


int
main(void)
{
    root_make();
    s = store_open();

    test_locks();
    test_one_tag();
    test_put_and_delete();
    test_delete_blob();

    reg_store_close(s);

    return done_testing();
}


static reg_rc_t
locks_one(int what)
{
    reg_digest_t  config, layer, d;

    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));
    d = digest_of(REG_SHA256, image_text(&config, &layer, ""));

    switch (what) {

    case 0:
        return push_image(s, "locks", "v1", "", NULL);

    case 1:
        return reg_blob_mount(s, reg_str("locks2"), reg_str("locks"), &layer,
                              NULL, NULL, NULL, NULL);

    case 2:
        return put_manifest(s, "locks", "v1", image_text(&config, &layer, ""),
                            NULL, NULL);

    case 3:
        return reg_blob_delete(s, reg_str("locks"), &config, NULL);

    case 4:
        return reg_manifest_delete(s, reg_str("locks"), &d, NULL, NULL);

    default:
        return reg_repo_delete(s, reg_str("locks"), NULL);
    }
}


/* Who has to wait for whom. */

static void
test_locks(void)
{
    int     held, fd, what, status, waits;
    pid_t   pid;

    static const char  *const locks[] = {
        "the shared lock", "the exclusive lock", "a put in the repository"
    };

    static const struct {
        const char  *what;
        int          shared;            /* waits for the store, shared */
        int          exclusive;         /* for the store, exclusive */
        int          manifests;         /* for the repository, shared */
    } rows[] = {
        { "push of a blob",     0, 1, 0 },
        { "mount",              0, 1, 0 },
        { "put of a manifest",  0, 1, 0 },
        { "delete of a blob",   1, 1, 0 },
        { "delete of a manifest", 0, 0, 1 },
        { "delete of a repository", 1, 1, 0 }
    };

    for (held = 0; held < 3; held++) {
        for (what = 0; what < 6; what++) {
            (void) push_image(s, "locks", "v1", "", NULL);

            if (held < 2) {
                (void) s->driver->lock(s, held ? REG_LOCK_EXCLUSIVE
                                               : REG_LOCK_SHARED, &fd, NULL);
            } else {
                fd = open(at(REPOS "locks/_manifests"), O_RDONLY);
                (void) flock(fd, LOCK_SH);
            }

            waits = (held == 0) ? rows[what].shared
                    : (held == 1) ? rows[what].exclusive
                                  : rows[what].manifests;

            pid = fork();

            if (pid == 0) {
                (void) close(fd);
                (void) signal(SIGALRM, SIG_DFL);
                (void) alarm(waits ? 1 : 20);
                _exit(locks_one(what) == REG_OK ? 0 : 1);
            }

            (void) waitpid(pid, &status, 0);
            (void) close(fd);

            ok(waits ? WIFSIGNALED(status)
                     : WIFEXITED(status) && WEXITSTATUS(status) == 0,
               "%s %s for %s", rows[what].what,
               waits ? "waits" : "does not wait", locks[held]);
        }
    }
}


static void *
one_writer(void *ctx)
{
    int           i;
    char          more[64], text[8192];
    intptr_t      me, bad;
    reg_str_t     body;
    reg_digest_t  config, layer;

    me = (intptr_t) ctx;
    bad = 0;

    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));

    (void) snprintf(more, sizeof(more), ",\"annotations\":{\"o\":\"%d\"}",
                    (int) me);
    (void) snprintf(text, sizeof(text),
                    "{\"schemaVersion\":2,\"mediaType\":\""
                    REG_TYPE_OCI_MANIFEST "\",\"config\":{\"mediaType\":"
                    "\"application/vnd.oci.image.config.v1+json\","
                    "\"digest\":\"%s\",\"size\":2},\"layers\":[{"
                    "\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\""
                    ",\"digest\":\"%s\",\"size\":5}]%s}",
                    config.text, layer.text, more);
    body = reg_str_of(text);

    for (i = 0; i < 15; i++) {
        bad += (put_manifest(s, "one", "v1", body, NULL, NULL) != REG_OK);
    }

    return (void *) bad;
}


static void *
one_reader(void *ctx)
{
    int           i;
    intptr_t      bad;
    reg_digest_t  d;

    (void) ctx;
    bad = 0;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        d = tag_of(s, "one", "v1");

        for (i = 0; i < 8; i++) {
            if (reg_digest_eq(&d, &one_digests[i])) {
                break;
            }
        }

        bad += (i == 8 || !served(s, "one", &d));
    }

    return (void *) bad;
}


/* F42 */

static void
test_one_tag(void)
{
    int        i;
    char       more[64];
    void      *rc;
    intptr_t   bad;
    pthread_t  threads[10];

    bad = 0;
    stop = 0;

    for (i = 0; i < 8; i++) {
        (void) snprintf(more, sizeof(more),
                        ",\"annotations\":{\"o\":\"%d\"}", i);
        (void) push_image(s, "one", "v1", more, &one_digests[i]);
    }

    for (i = 0; i < 10; i++) {
        (void) pthread_create(&threads[i], NULL,
                              (i < 8) ? one_writer : one_reader,
                              (void *) (intptr_t) i);
    }

    for (i = 0; i < 10; i++) {
        if (i == 8) {
            __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
        }

        (void) pthread_join(threads[i], &rc);
        bad += (intptr_t) rc;
    }

    is_num(bad, 0, "F42 eight threads move one tag, two look at it");
}


static void *
pd_putter(void *ctx)
{
    int           i;
    intptr_t      bad;
    reg_str_t     body;

    bad = 0;
    body = *(reg_str_t *) ctx;

    for (i = 0; i < 60; i++) {
        bad += (put_manifest(s, "pd", "v1", body, NULL, NULL) != REG_OK);
    }

    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);

    return (void *) bad;
}


static void *
pd_deleter(void *ctx)
{
    int           i;
    reg_rc_t      rc;
    intptr_t      bad;
    reg_digest_t  d;

    bad = 0;
    d = digest_of(REG_SHA256, *(reg_str_t *) ctx);

    for (i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
        rc = (i % 2) ? reg_manifest_delete(s, reg_str("pd"), &d, NULL, NULL)
                     : reg_tag_delete(s, reg_str("pd"), reg_str("v1"), NULL);

        bad += (rc != REG_OK && rc != REG_MANIFEST_UNKNOWN);
    }

    return (void *) bad;
}


/* A tag is put on a manifest that is being deleted, over and over. */

static void
test_put_and_delete(void)
{
    int           i, rounds, bad_state;
    char          text[8192];
    void         *rc;
    intptr_t      bad;
    reg_str_t     body;
    pthread_t     threads[4];
    reg_digest_t  d, now;

    (void) push_image(s, "pd", "v1", "", &d);
    /* a copy of its own: the text is shared by all who ask for one */

    now = digest_of(REG_SHA256, reg_str("{}"));
    d = digest_of(REG_SHA256, reg_str("layer"));
    body = image_text(&now, &d, "");
    memcpy(text, body.data, body.len);
    body.data = text;
    d = digest_of(REG_SHA256, body);

    bad = 0;
    bad_state = 0;

    for (rounds = 0; rounds < 3; rounds++) {
        stop = 0;

        for (i = 0; i < 4; i++) {
            (void) pthread_create(&threads[i], NULL,
                                  (i % 2) ? pd_deleter : pd_putter, &body);
        }

        for (i = 0; i < 4; i++) {
            (void) pthread_join(threads[i], &rc);
            bad += (intptr_t) rc;
        }

        /* whatever came last, it fits together */

        now = tag_of(s, "pd", "v1");

        if (now.len != 4) {
            bad_state += !served(s, "pd", &now);
            bad_state += !is_there(at(REPOS "pd/_manifests/tags/v1/index/"
                                      "sha256/%s/link",
                                      reg_digest_hex(&now)));
        }
    }

    is_num(bad, 0, "two put and tag what two delete");
    is_num(bad_state, 0, "no tag is left without its manifest or its index");
}


static void *
db_deleter(void *ctx)
{
    reg_rc_t  rc;
    intptr_t  bad;

    bad = 0;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        rc = reg_blob_delete(s, reg_str("db"), ctx, NULL);
        bad += (rc != REG_OK && rc != REG_BLOB_UNKNOWN);
        (void) usleep(500);
    }

    return (void *) bad;
}


/*
 * A manifest goes in or is refused; when it went in and nobody deleted the
 * layer after that, the layer is there.
 */

static void
test_delete_blob(void)
{
    int           i, bad, in, out;
    char          more[64];
    void         *rc;
    reg_rc_t      put;
    pthread_t     thread;
    reg_digest_t  config, layer;

    (void) push_blob(s, "db", REG_SHA256, reg_str("{}"), &config);
    (void) push_blob(s, "db", REG_SHA256, reg_str("layer"), &layer);

    bad = 0;
    in = 0;
    out = 0;
    stop = 0;

    (void) pthread_create(&thread, NULL, db_deleter, &layer);

    for (i = 0; i < 100; i++) {
        (void) snprintf(more, sizeof(more), ",\"annotations\":{\"d\":\"%d\"}",
                        i);

        put = put_manifest(s, "db", "v1", image_text(&config, &layer, more),
                           NULL, NULL);
        in += (put == REG_OK);
        out += (put == REG_MANIFEST_BLOB_UNKNOWN);

        bad += (reg_blob_link(s, reg_str("db"), &layer, NULL) != REG_OK);
    }

    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    (void) pthread_join(thread, &rc);

    is_num(bad + (intptr_t) rc, 0, "a layer that is deleted under a push");
    is_num(in + out, 100, "the manifest goes in or is refused");
}
