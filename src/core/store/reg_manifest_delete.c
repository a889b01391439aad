
/*
 * The delete of a manifest: its tags first and the revision last but one, so
 * that whoever is killed halfway leaves a manifest that can be deleted once
 * more.
 *
 * A tag must not be put on a manifest that is just going, nor must one be taken
 * away that has just moved on: the lock of the repository's _manifests is had
 * alone for that.  But a repository may have 100,000 tags, and who puts
 * manifests into it would wait for a look at all of them.  So they are looked
 * at before, without the lock.  That none was put on the manifest since is seen
 * by its link, which every put renews: it is noted when nobody puts anything,
 * and not so soon after its last change that the clock could hide another.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_repo.h"

#include "reg_fs.h"
#include "reg_lease.h"
#include "reg_names.h"
#include "reg_referrers.h"
#include "reg_tags.h"

#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


/* tags that are taken away under one lock, and the ns between two */
#define REG_UNTAG_SLICE  8
#define REG_UNTAG_PAUSE  INT64_C(1000000)

/* ns that are waited for a clock to move */
#define REG_UNTAG_TICK   INT64_C(100000000)

/* looks at the tags without the lock, before it is done under it */
#define REG_UNTAG_LOOKS  3


typedef struct {
    reg_store_t         *s;
    reg_str_t            name;
    const reg_digest_t  *digest;
    reg_path_t           dir;          /* _manifests */
    reg_path_t           link;         /* of the revision */
    reg_stat_t           st;           /* of that; zeroed: there is none */
    reg_names_t          tags;         /* that were on it */
    size_t               gone;         /* of these */
    reg_names_t         *untagged;     /* the caller's, or NULL */
    unsigned             nomem:1;
} reg_untag_t;


static reg_rc_t reg_untag_beside(reg_untag_t *u, int *again, reg_error_t *e);
static void reg_untag_sleep(int64_t ns);
static reg_rc_t reg_untag_alone(reg_untag_t *u, reg_error_t *e);
static reg_rc_t reg_untag_stat(reg_untag_t *u, reg_stat_t *st,
    reg_error_t *e);
static reg_rc_t reg_untag_walk(reg_untag_t *u, reg_error_t *e);
static reg_rc_t reg_untag_found(void *ctx, reg_str_t tag,
    const reg_digest_t *d);
static reg_rc_t reg_untag_slice(reg_untag_t *u, int *again, reg_error_t *e);
static reg_rc_t reg_untag_some(reg_untag_t *u, size_t n, reg_error_t *e);
static reg_rc_t reg_untag_tags(reg_untag_t *u, size_t n, int *dir,
    reg_error_t *e);
static int reg_untag_gone(reg_untag_t *u, reg_str_t tag);
static reg_rc_t reg_untag_revision(reg_untag_t *u, reg_error_t *e);
static void reg_manifest_subject(reg_store_t *s, const reg_digest_t *target,
    reg_manifest_put_result_t *result);


reg_rc_t
reg_manifest_delete(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_names_t *untagged, reg_error_t *e)
{
    int           again;
    reg_rc_t      rc;
    unsigned      looks;
    reg_untag_t   u;

    memset(&u, 0, sizeof(u));

    u.s = s;
    u.name = name;
    u.digest = d;
    u.untagged = untagged;

    reg_layout_repo(&u.dir, name, "/_manifests");
    reg_layout_revision(&u.link, name, d);

    looks = 0;

    do {
        again = 0;
        rc = reg_untag_beside(&u, &again, e);

    } while (rc == REG_OK && again && ++looks < REG_UNTAG_LOOKS);

    if (rc == REG_OK && again) {
        rc = reg_untag_alone(&u, e);
    }

    reg_names_free(&u.tags);

    if (rc == REG_ABSENT) {
        return reg_error_set(e, REG_MANIFEST_UNKNOWN, "%s", d->text);
    }

    if (rc == REG_OK) {
        reg_repo_free(s);
    }

    return rc;
}


/* Looks at the tags while others put.  *again is 1 when that was in vain. */

static reg_rc_t
reg_untag_beside(reg_untag_t *u, int *again, reg_error_t *e)
{
    int       fd;
    int64_t   tick;
    reg_rc_t  rc;

    rc = reg_fs_lock_repo(u->s, u->dir.s, REG_LOCK_EXCLUSIVE, &fd, e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_untag_stat(u, &u->st, e);

    u->s->driver->unlock(u->s, fd);

    if (rc != REG_OK) {
        return rc;
    }

    tick = reg_fs_tick(u->st.mtime);

    if (u->st.ino != 0 && !reg_lease_old(u->st.mtime, tick)) {
        reg_untag_sleep((tick < REG_UNTAG_TICK) ? tick : REG_UNTAG_PAUSE);
        *again = 1;

        return REG_OK;
    }

    rc = reg_untag_walk(u, e);

    while (rc == REG_OK) {
        rc = reg_untag_slice(u, again, e);

        if (*again || u->gone == u->tags.n) {
            break;
        }

        /* those who wait for the lock are not faster than we are */

        reg_untag_sleep(REG_UNTAG_PAUSE);
    }

    return rc;
}


static void
reg_untag_sleep(int64_t ns)
{
    struct timespec  ts;

    ts.tv_sec = 0;
    ts.tv_nsec = (long) ns;

    (void) nanosleep(&ts, NULL);
}


/* All under one lock: it is being pushed, or was a moment ago. */

static reg_rc_t
reg_untag_alone(reg_untag_t *u, reg_error_t *e)
{
    int       fd;
    reg_rc_t  rc;

    rc = reg_fs_lock_repo(u->s, u->dir.s, REG_LOCK_EXCLUSIVE, &fd, e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_untag_walk(u, e);

    if (rc == REG_OK) {
        rc = reg_untag_some(u, u->tags.n, e);
    }

    if (rc == REG_OK) {
        rc = reg_untag_revision(u, e);
    }

    u->s->driver->unlock(u->s, fd);

    return rc;
}


static reg_rc_t
reg_untag_stat(reg_untag_t *u, reg_stat_t *st, reg_error_t *e)
{
    reg_rc_t  rc;

    memset(st, 0, sizeof(*st));

    rc = u->s->driver->stat(u->s, u->link.s, st, e);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


static reg_rc_t
reg_untag_walk(reg_untag_t *u, reg_error_t *e)
{
    reg_rc_t  rc;

    reg_names_free(&u->tags);
    memset(&u->tags, 0, sizeof(u->tags));
    u->gone = 0;

    rc = reg_tags_walk(u->s, u->name, reg_untag_found, u, e);

    return u->nomem ? reg_error_set(e, REG_NO_MEMORY, NULL) : rc;
}


static reg_rc_t
reg_untag_found(void *ctx, reg_str_t tag, const reg_digest_t *d)
{
    reg_untag_t  *u;

    u = ctx;

    if (!reg_digest_eq(d, u->digest)) {
        return REG_OK;
    }

    u->nomem = (reg_names_add(&u->tags, tag) != 0);

    return u->nomem ? REG_NO_MEMORY : REG_OK;
}


/* Some of the tags, and the manifest with the last of them. */

static reg_rc_t
reg_untag_slice(reg_untag_t *u, int *again, reg_error_t *e)
{
    int         fd;
    size_t      n;
    reg_rc_t    rc;
    reg_stat_t  st;

    rc = reg_fs_lock_repo(u->s, u->dir.s, REG_LOCK_EXCLUSIVE, &fd, e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_untag_stat(u, &st, e);

    if (rc == REG_OK) {
        *again = (st.ino != u->st.ino || st.mtime != u->st.mtime
                  || st.ctime != u->st.ctime);
    }

    if (rc == REG_OK && !*again) {
        n = u->tags.n - u->gone;
        rc = reg_untag_some(u, (n < REG_UNTAG_SLICE) ? n : REG_UNTAG_SLICE,
                            e);

        if (rc == REG_OK && u->gone == u->tags.n) {
            rc = reg_untag_revision(u, e);
        }
    }

    u->s->driver->unlock(u->s, fd);

    return rc;
}


/* Under the lock: those that are on it still, with one sync for all of them. */

static reg_rc_t
reg_untag_some(reg_untag_t *u, size_t n, reg_error_t *e)
{
    int         dir;
    reg_rc_t    rc, settled;
    reg_path_t  path;

    dir = -1;
    rc = reg_untag_tags(u, n, &dir, e);

    if (dir == -1) {
        return rc;
    }

    reg_layout_repo(&path, u->name, "/_manifests/tags");

    settled = u->s->driver->settle(u->s, dir, path.s,
                                   (rc == REG_OK) ? e : NULL);

    return (rc == REG_OK) ? settled : rc;
}


static reg_rc_t
reg_untag_tags(reg_untag_t *u, size_t n, int *dir, reg_error_t *e)
{
    int           up;
    reg_rc_t      rc;
    reg_str_t     tag;
    reg_path_t    path;
    reg_digest_t  d;

    for (/* void */; n > 0; n--) {
        tag = reg_names_get(&u->tags, u->gone);

        reg_layout_tag(&path, u->name, tag, "/current/link");

        rc = reg_link_read(u->s, path.s, &d, e);

        if (rc == REG_OK && reg_digest_eq(&d, u->digest)) {
            reg_layout_tag(&path, u->name, tag, "");

            rc = u->s->driver->discard(u->s, path.s, &up, e);

            if (rc == REG_OK) {

                if (*dir != -1) {
                    (void) close(*dir);
                }

                *dir = up;
            }

            /* one of which not all could be removed is gone all the same */

            if (u->untagged != NULL
                && (rc == REG_OK || reg_untag_gone(u, tag))
                && reg_names_add(u->untagged, tag) != 0)
            {
                return reg_error_set(e, REG_NO_MEMORY, NULL);
            }
        }

        if (rc != REG_OK && rc != REG_ABSENT) {
            return rc;
        }

        u->gone++;
    }

    return REG_OK;
}


static int
reg_untag_gone(reg_untag_t *u, reg_str_t tag)
{
    reg_path_t    path;
    reg_digest_t  d;

    reg_layout_tag(&path, u->name, tag, "/current/link");

    return reg_link_read(u->s, path.s, &d, NULL) == REG_ABSENT;
}


/* Under the lock: nothing is on it any more. */

static reg_rc_t
reg_untag_revision(reg_untag_t *u, reg_error_t *e)
{
    reg_rc_t                   rc;
    reg_path_t                 stop;
    reg_digest_t               target;
    reg_referrers_mark_t       mark;
    reg_manifest_put_result_t  known;

    reg_layout_repo(&stop, u->name, "/_manifests/revisions");

    known.has_subject = 0;

    rc = reg_link_read(u->s, u->link.s, &target, e);

    if (rc == REG_OK) {
        reg_manifest_subject(u->s, &target, &known);

    } else if (rc != REG_ABSENT) {
        return rc;
    }

    reg_referrers_begin(u->s, u->name, &mark);

    rc = u->s->driver->remove(u->s, u->link.s, stop.s, NULL, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (known.has_subject) {

        /* without its revision it is not listed any more, come what may */

        (void) reg_referrers_remove(u->s, u->name, &known.subject, u->digest,
                                    NULL);
    }

    reg_referrers_end(u->s, u->name, &mark);

    return REG_OK;
}


static void
reg_manifest_subject(reg_store_t *s, const reg_digest_t *target,
    reg_manifest_put_result_t *result)
{
    reg_buf_t       body;
    reg_path_t      path;
    reg_manifest_t  m;

    reg_buf_init(&body, REG_MANIFEST_READ_MAX + 1);
    reg_layout_blob(&path, target);

    if (s->driver->read(s, path.s, REG_MANIFEST_READ_MAX, &body, NULL)
        == REG_OK
        && reg_manifest_read(&m, body.data, body.len, NULL) == REG_OK)
    {
        result->has_subject = m.has_subject;

        if (m.has_subject) {
            result->subject = m.subject;
        }

        reg_manifest_free(&m);
    }

    reg_buf_free(&body);
}
