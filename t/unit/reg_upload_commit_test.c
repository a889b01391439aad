
/* A session that ends while it is being finished: by a cancel, or with its
   repository. */

#include "reg_test_store.h"


#define NAME  "fresh/app"


static reg_store_t         *s;
static const reg_driver_t  *real;

static char                 id[REG_UUID_LEN + 1];
static int                  whole;

/* the repository goes, and nobody has come to remove it yet */
static int                  trashed;


/* Just before the one who finishes has the store's lock. */

static reg_rc_t
lock_late(reg_store_t *st, reg_lock_e mode, int *handle, reg_error_t *e)
{
    st->driver = real;

    if (trashed) {
        (void) real->discard(st, REPOS NAME, NULL, NULL);

    } else if (whole) {
        (void) reg_repo_delete(st, reg_str(NAME), NULL);

    } else {
        (void) reg_upload_cancel(st, reg_str(NAME), reg_str_of(id), NULL);
    }

    return real->lock(st, mode, handle, e);
}


static reg_rc_t
finish_late(const char *text)
{
    reg_rc_t       rc;
    reg_digest_t   d;
    reg_driver_t   driver;
    reg_upload_t  *u;
    struct iovec   iov;

    u = NULL;
    iov.iov_base = (void *) text;
    iov.iov_len = strlen(text);
    d = digest_of(REG_SHA256, reg_str_of(text));

    if (reg_upload_create(s, reg_str(NAME), REG_SHA256, 1700000000, id, NULL)
        != REG_OK
        || reg_upload_open(&u, s, reg_str(NAME), reg_str_of(id), NULL)
           != REG_OK
        || reg_upload_append(u, &iov, 1, NULL) != REG_OK)
    {
        bail("reg_upload_append");
    }

    driver = *real;
    driver.lock = lock_late;
    s->driver = &driver;

    rc = reg_upload_commit(u, &d, NULL);

    s->driver = real;
    reg_upload_close(u);

    return rc;
}


/* What goes on writing to a session that is gone writes nowhere else. */

static void
grow_late(int repository)
{
    int            i;
    reg_rc_t       rc;
    reg_upload_t  *u;
    struct iovec   iov;

    static char    text[300000];

    u = NULL;
    iov.iov_base = text;

    if (reg_upload_create(s, reg_str(NAME), REG_SHA256, 1700000000, id, NULL)
        != REG_OK
        || reg_upload_open(&u, s, reg_str(NAME), reg_str_of(id), NULL)
           != REG_OK)
    {
        bail("reg_upload_open");
    }

    rc = REG_OK;

    for (i = 0; i < 3 && rc == REG_OK; i++) {
        iov.iov_len = (i == 0) ? 10 : sizeof(text);
        rc = reg_upload_append(u, &iov, 1, NULL);

        if (rc == REG_OK) {
            rc = reg_upload_save(u, NULL);
        }

        if (i > 0) {
            continue;
        }

        if (repository) {
            (void) reg_repo_delete(s, reg_str(NAME), NULL);

        } else {
            (void) reg_upload_cancel(s, reg_str(NAME), reg_str_of(id), NULL);
        }
    }

    ok(rc == REG_OK || rc == REG_UPLOAD_UNKNOWN,
       "a session that is gone and grows: %d", (int) rc);
    ok(!is_there(at(REPOS NAME "/_uploads/%s", id)),
       "it does not come back in parts");

    reg_upload_close(u);
}


int
main(void)
{
    reg_digest_t  d;

    root_make();
    s = store_open();
    real = s->driver;

    whole = 0;
    is_num(finish_late("cancelled"), REG_UPLOAD_UNKNOWN,
           "a session is cancelled while it is finished");
    is_num(reg_repo_exists(s, reg_str(NAME), NULL), 0,
           "and makes no repository");

    whole = 1;
    (void) push_blob(s, NAME, REG_SHA256, reg_str("there"), &d);
    is_num(finish_late("deleted"), REG_UPLOAD_UNKNOWN,
           "a session goes with its repository while it is finished");
    is_num(reg_repo_exists(s, reg_str(NAME), NULL), 0,
           "which does not come back");

    whole = 0;
    (void) push_blob(s, NAME, REG_SHA256, reg_str("there"), &d);
    is_num(finish_late("again"), REG_UPLOAD_UNKNOWN,
           "a session is cancelled in a repository that is there");
    ok(reg_blob_exists(s, reg_str(NAME), &d, NULL) == 1,
       "whose blobs stay");

    trashed = 1;
    (void) push_blob(s, NAME, REG_SHA256, reg_str("there"), &d);
    (void) nftw(at(REG_FS_SPARE), root_remove_one, 8, FTW_DEPTH|FTW_PHYS);
    (void) finish_late("in the trash");
    ok(rmdir(at(REG_FS_SPARE)) == 0 || errno == ENOENT,
       "a session in the trash, with whoever empties it, serves nobody else");
    trashed = 0;

    grow_late(0);
    grow_late(1);

    ok(!is_there(at(REPOS NAME)), "nor does its repository");

    reg_store_close(s);

    return done_testing();
}
