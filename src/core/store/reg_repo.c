
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_repo.h"

#include "reg_fs.h"
#include "reg_lease.h"


/* how often a tag is looked at that moves while it is looked at */
#define REG_TAG_TRIES  16


static reg_rc_t reg_repo_look(reg_store_t *s, reg_str_t name,
    unsigned char *there, reg_error_t *e);
static reg_rc_t reg_tag_look(reg_store_t *s, reg_str_t name, reg_str_t tag,
    reg_digest_t *d, reg_error_t *e);


reg_rc_t
reg_repo_make(reg_store_t *s, reg_str_t name, reg_error_t *e)
{
    reg_rc_t       rc;
    reg_path_t     path;
    unsigned char  there[2];

    rc = reg_repo_look(s, name, there, e);

    if (rc != REG_OK || (there[0] && there[1])) {
        return rc;
    }

    if (!there[0]) {
        reg_layout_repo(&path, name, "/_layers");

        /* what syncs the entry beside it syncs this one */

        rc = s->driver->mkdir(s, path.s, there[1], e);
    }

    if (rc == REG_OK && !there[1]) {
        reg_layout_repo(&path, name, "/_manifests");
        rc = s->driver->mkdir(s, path.s, 1, e);
    }

    return rc;
}


/* Whether there are _layers and _manifests. */

static reg_rc_t
reg_repo_look(reg_store_t *s, reg_str_t name, unsigned char *there,
    reg_error_t *e)
{
    reg_rc_t     rc;
    reg_path_t   path;

    static const char  *const paths[] = { "_layers", "_manifests" };

    there[0] = 0;
    there[1] = 0;

    reg_layout_repo(&path, name, "");

    rc = s->driver->dirs(s, path.s, paths, 2, there, e);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


int
reg_repo_exists(reg_store_t *s, reg_str_t name, reg_error_t *e)
{
    unsigned char  there[2];

    if (reg_repo_look(s, name, there, e) != REG_OK) {
        return -1;
    }

    return there[0] || there[1];
}


reg_rc_t
reg_tag_read(reg_store_t *s, reg_str_t name, reg_str_t tag,
    reg_digest_t *d, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_tag(&path, name, tag, "/current/link");

    rc = reg_link_read(s, path.s, d, e);

    if (rc == REG_ABSENT && e != NULL
        && reg_fs_there(reg_fs_of(s), path.s) == 1)
    {
        /* cut by a power cut, or in its place a moment after it was missed */

        rc = reg_link_read(s, path.s, d, e);

        if (rc == REG_ABSENT && reg_fs_there(reg_fs_of(s), path.s) == 1) {
            return reg_error_damage(e, REG_MANIFEST_UNKNOWN,
                                    "the link of tag %.*s names nothing",
                                    (int) tag.len, tag.data);
        }
    }

    return reg_tag_unknown(rc, tag, e);
}


/* The same for those who pull, again and again. */

static reg_rc_t
reg_tag_look(reg_store_t *s, reg_str_t name, reg_str_t tag, reg_digest_t *d,
    reg_error_t *e)
{
    int64_t     mtime;
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_tag(&path, name, tag, "/current/link");

    rc = s->driver->link(s, path.s, NULL, d, &mtime, e);

    return reg_tag_unknown(rc, tag, e);
}


reg_rc_t
reg_tag_unknown(reg_rc_t rc, reg_str_t tag, reg_error_t *e)
{
    return (rc != REG_ABSENT)
           ? rc
           : reg_error_set(e, REG_MANIFEST_UNKNOWN, "unknown tag %.*s",
                           (int) tag.len, tag.data);
}


reg_rc_t
reg_revision_find(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_digest_t *target, int64_t *leased, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_revision(&path, name, d);

    rc = reg_link_follow(s, path.s, d, target, leased, e);

    if (rc == REG_ABSENT) {
        return reg_error_set(e, REG_MANIFEST_UNKNOWN, "%s", d->text);
    }

    return rc;
}


reg_rc_t
reg_tag_find(reg_store_t *s, reg_str_t name, reg_str_t tag,
    reg_digest_t *d, reg_digest_t *target, reg_error_t *e)
{
    int           tries;
    reg_rc_t      rc;
    reg_digest_t  before;

    for (tries = 1; /* void */ ; tries++) {

        rc = reg_tag_look(s, name, tag, d, e);

        if (rc != REG_OK) {
            return rc;
        }

        rc = reg_revision_find(s, name, d, target, NULL, e);

        if (rc != REG_MANIFEST_UNKNOWN || tries == REG_TAG_TRIES
            || (tries > 1 && reg_digest_eq(d, &before)))
        {
            return rc;
        }

        /* it may have been deleted when the tag was on another already */

        before = *d;

        if (e != NULL) {
            reg_error_clear(e);
        }
    }
}


reg_rc_t
reg_revision_lease(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    int64_t older, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_revision(&path, name, d);

    rc = reg_lease_locked(s, name, path.s, older, e);

    if (rc == REG_ABSENT) {
        return reg_error_set(e, REG_MANIFEST_UNKNOWN, "%s", d->text);
    }

    return rc;
}


reg_rc_t
reg_revision_read(reg_store_t *s, const reg_digest_t *target,
    reg_buf_t *body, char *media_type, reg_error_t *e)
{
    size_t        start;
    reg_rc_t      rc;
    reg_path_t    path;
    reg_digest_t  got;

    start = body->len;

    reg_layout_blob(&path, target);

    rc = s->driver->read(s, path.s, REG_MANIFEST_READ_MAX, body, e);

    if (rc == REG_ABSENT) {
        return reg_error_set(e, REG_MANIFEST_UNKNOWN, "%s", target->text);
    }

    if (rc != REG_OK) {
        return rc;
    }

    /*
     * Manifests are short, and what they say is trusted by so many.  They are
     * served as they are, whatever another registry took for one.
     */

    reg_digest_of(&got, target->alg, body->data + start, body->len - start);

    if (!reg_digest_eq(&got, target)) {
        body->len = start;

        return reg_error_damage(e, REG_MANIFEST_UNKNOWN,
                                "%s is damaged in the store", target->text);
    }

    reg_manifest_type_of(body->data + start, body->len - start, media_type);

    return REG_OK;
}
