
#include "reg_test_store.h"

#include "reg_upload_owner.h"

#include <stdio.h>
#include <sys/syscall.h>


#define OWNER    REPOS "own/_uploads/%s/owner"
#define STARTED  REPOS "own/_uploads/%s/startedat"


static reg_store_t  *s;
static reg_str_t     name;


static int           moves;    /* at which write the repository goes */


/* Whoever deletes a repository moves it out of the way, with all in it. */

ssize_t
write(int fd, const void *data, size_t len)
{
    if (moves > 0 && --moves == 0
        && rename(at(REPOS "own"), at(REPOS "moved")) == -1)
    {
        bail("rename");
    }

    return (ssize_t) syscall(SYS_write, fd, data, len);
}


static reg_rc_t
owned(const char *id, reg_str_t user)
{
    reg_rc_t     rc;
    reg_error_t  e;

    reg_error_clear(&e);
    rc = reg_upload_owned(s, name, reg_str_of(id), user, &e);

    return (rc == REG_OK || e.rc == rc) ? rc : REG_INTERNAL;
}


static void
test_next(void)
{
    int            i, left;
    char           id[REG_UUID_LEN + 1], text[16];
    struct iovec   iov;
    reg_digest_t   d;
    reg_upload_t  *u;

    left = 0;

    for (i = 0; i < 8; i++) {
        iov.iov_base = text;
        iov.iov_len = (size_t) snprintf(text, sizeof(text), "blob %d", i);

        if (reg_upload_create(s, name, REG_SHA256, 1700000000, id, NULL)
            != REG_OK)
        {
            bail("reg_upload_create");
        }

        left += is_there(at(OWNER, id));

        reg_digest_of(&d, REG_SHA256, text, iov.iov_len);

        if (reg_upload_own(s, name, reg_str_of(id), reg_str("ann"), NULL)
            != REG_OK
            || reg_upload_open(&u, s, name, reg_str_of(id), NULL) != REG_OK
            || reg_upload_append(u, &iov, 1, NULL) != REG_OK
            || reg_upload_commit(u, &d, NULL) != REG_OK)
        {
            bail("a blob of ann's");
        }

        reg_upload_close(u);
    }

    is_num(left, 0, "a session that was finished leaves no owner behind");
}


/* A session that was cancelled, or went with its repository. */

static void
test_gone(void)
{
    char         id[REG_UUID_LEN + 1];
    reg_error_t  e;

    if (reg_upload_create(s, name, REG_SHA256, 1700000000, id, NULL) != REG_OK
        || reg_upload_cancel(s, name, reg_str_of(id), NULL) != REG_OK)
    {
        bail("reg_upload_cancel");
    }

    reg_error_clear(&e);

    is_num(reg_upload_own(s, name, reg_str_of(id), reg_str("ann"), &e),
           REG_UPLOAD_UNKNOWN, "a session that is gone is given to nobody");
    is_num(e.rc, REG_UPLOAD_UNKNOWN, "as the error says");
    ok(!is_there(at(REPOS "own/_uploads/%s", id)), "and stays gone");
}


/*
 * The repository goes while the session is made: into the trash, which need
 * not be freed at once.  A client must not be told of what is in there.
 */

static void
test_in_trash(void)
{
    char  id[REG_UUID_LEN + 1];

    moves = 1;
    is_num(reg_upload_create(s, name, REG_SHA256, 1700000000, id, NULL),
           REG_OK, "a session of a repository that is just deleted");
    is_num(moves, 0, "and while it is made");
    ok(is_there(at(REPOS "own/_uploads/%s/data", id)),
       "is where the client is sent");
    (void) nftw(at(REPOS "moved"), root_remove_one, 32, FTW_DEPTH|FTW_PHYS);

    moves = 1;
    is_num(reg_upload_own(s, name, reg_str_of(id), reg_str("ann"), NULL),
           REG_UPLOAD_UNKNOWN, "one that goes before it has an owner");
    is_num(moves, 0, "and while it gets him");
    (void) nftw(at(REPOS "moved"), root_remove_one, 32, FTW_DEPTH|FTW_PHYS);
}


int
main(void)
{
    char      id[REG_UUID_LEN + 1], free_id[REG_UUID_LEN + 1], long_name[300];
    int64_t   time;
    reg_str_t user;

    root_make();
    s = store_open();
    name = reg_str("own");

    (void) reg_upload_create(s, name, REG_SHA256, 1700000000, id, NULL);
    (void) reg_upload_create(s, name, REG_SHA256, 1700000000, free_id, NULL);

    is_num(reg_upload_own(s, name, reg_str_of(id), reg_str("ann"), NULL),
           REG_OK, "a session is given to ann");
    is(slurp(at(OWNER, id)), "ann", "whose name stands beside its data");

    is_num(owned(id, reg_str("ann")), REG_OK, "it is hers");
    is_num(owned(id, reg_str("bob")), REG_UPLOAD_UNKNOWN, "and not bob's");
    is_num(owned(id, reg_str("an")), REG_UPLOAD_UNKNOWN, "nor an's");
    is_num(owned(id, reg_str("anna")), REG_UPLOAD_UNKNOWN, "nor anna's");
    is_num(owned(id, reg_null_str), REG_UPLOAD_UNKNOWN, "nor nobody's");

    is_num(owned(free_id, reg_str("bob")), REG_OK,
           "one without an owner is anybody's");
    is_num(owned(free_id, reg_null_str), REG_OK, "also nobody's");
    is_num(owned("00000000-0000-4000-8000-000000000000", reg_str("bob")),
           REG_OK, "about one that is not there others have the say");

    /* what a power cut leaves of a file that was not synced */

    spit(at(OWNER, id), "");
    is_num(owned(id, reg_str("ann")), REG_UPLOAD_UNKNOWN,
           "an empty file: no longer hers");
    is_num(owned(id, reg_null_str), REG_UPLOAD_UNKNOWN, "and not anybody's");

    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';

    user.data = long_name;
    user.len = REG_UPLOAD_OWNER_MAX;
    is_num(reg_upload_own(s, name, reg_str_of(free_id), user, NULL), REG_OK,
           "the longest name");
    is_num(owned(free_id, user), REG_OK, "is read again");

    user.len++;
    ok(reg_upload_own(s, name, reg_str_of(id), user, NULL) != REG_OK,
       "a longer one is none");
    ok(reg_upload_own(s, name, reg_str_of(id), reg_null_str, NULL) != REG_OK,
       "nor is an empty one");

    is_num(reg_upload_started(s, name, reg_str_of(id), &time, NULL), REG_OK,
           "when it was begun");
    is_num(time, 1700000000, "is known");

    spit(at(STARTED, id), "yesterday");
    is_num(reg_upload_started(s, name, reg_str_of(id), &time, NULL),
           REG_UPLOAD_UNKNOWN, "no time");

    (void) unlink(at(STARTED, id));
    is_num(reg_upload_started(s, name, reg_str_of(id), &time, NULL),
           REG_UPLOAD_UNKNOWN, "no file");

    /* it goes with the session */

    is_num(reg_upload_cancel(s, name, reg_str_of(id), NULL), REG_OK,
           "a session with an owner is cancelled");
    ok(!is_there(at(OWNER, id)), "its owner goes with it");

    /* nor does it stay behind for the next one */

    test_next();

    test_gone();
    test_in_trash();

    reg_store_close(s);

    return done_testing();
}
