
/* What a list has to know of one manifest, from memory or from its bytes. */


#include "reg_referrers_private.h"

#include "reg_repo.h"

#include <string.h>


static int reg_referrers_may_read(reg_referrers_list_t *l, size_t size);
static int reg_referrers_wants_text(const reg_referrers_list_t *l,
    const reg_referrer_t *r);
static reg_rc_t reg_referrers_read(reg_referrers_list_t *l, const char *path,
    const reg_digest_t *d, const reg_digest_t *target, reg_referrer_t *r,
    reg_error_t *e);
static reg_rc_t reg_referrers_tell(reg_referrer_t *r, const reg_manifest_t *m,
    const reg_digest_t *d, reg_error_t *e);


reg_rc_t
reg_referrers_look(reg_referrers_list_t *l, const reg_digest_t *d,
    reg_referrer_t *r, reg_error_t *e)
{
    reg_rc_t      rc;
    reg_path_t    path;
    reg_file_t    file;
    reg_digest_t  target;

    reg_buf_reset(&r->text);

    r->has_subject = 0;
    r->has_text = 0;
    r->unread = 0;

    if (l->looks == REG_REFERRERS_LOOKS) {
        l->paused = 1;
        return REG_OK;
    }

    l->looks++;

    reg_layout_revision(&path, l->op->name, d);

    rc = reg_link_follow(l->store, path.s, d, &target, NULL, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_layout_blob(&path, &target);

    rc = l->store->driver->look(l->store, path.s, &file, e);

    if (rc == REG_ABSENT || (rc == REG_OK && file.size > REG_MANIFEST_READ_MAX))
    {
        r->unread = 1;
        return REG_ABSENT;
    }

    if (rc != REG_OK) {
        return rc;
    }

    if (reg_referrers_cache_find(l->store, d, &target, file.size, r)
        && (r->has_text || !reg_referrers_wants_text(l, r)))
    {
        return reg_buf_failed(&r->text) ? reg_error_set(e, REG_NO_MEMORY, NULL)
                                        : REG_OK;
    }

    if (!reg_referrers_may_read(l, (size_t) file.size)) {
        return REG_OK;
    }

    return reg_referrers_read(l, path.s, d, &target, r, e);
}


/*
 * 1 when there is room for the bytes of a manifest in this slice; else it ends
 * here, or the whole page does.
 */

static int
reg_referrers_may_read(reg_referrers_list_t *l, size_t size)
{
    if (!l->scanning && l->work >= REG_REFERRERS_WORK) {
        l->cut = 1;
        return 0;
    }

    if (size > l->large || l->reads == REG_REFERRERS_READS
        || (l->reads > 0 && l->bytes + size > REG_REFERRERS_BYTES))
    {
        l->need = size;
        l->paused = 1;

        return 0;
    }

    l->reads++;
    l->bytes += size;

    if (!l->scanning) {
        l->work += size;
    }

    if (l->largest < size) {
        l->largest = size;
    }

    return 1;
}


static int
reg_referrers_wants_text(const reg_referrers_list_t *l,
    const reg_referrer_t *r)
{
    return !l->scanning && reg_referrers_shows(l, r);
}


void
reg_referrers_type(reg_digest_t *d, reg_str_t type)
{
    reg_digest_of(d, REG_SHA256, type.len ? type.data : "", type.len);
}


int
reg_referrers_shows(const reg_referrers_list_t *l, const reg_referrer_t *r)
{
    return r->has_subject && reg_digest_eq(&r->subject, &l->op->digest)
           && (!l->op->has_artifact_type || reg_digest_eq(&r->type, &l->type));
}


/*
 * Remembers what it finds when the bytes are what the digest says: what was
 * damaged may come back, from a backup or by another push.
 */

static reg_rc_t
reg_referrers_read(reg_referrers_list_t *l, const char *path,
    const reg_digest_t *d, const reg_digest_t *target, reg_referrer_t *r,
    reg_error_t *e)
{
    int             whole;
    reg_rc_t        rc;
    reg_buf_t       body;
    reg_error_t     why;
    reg_digest_t    got;
    reg_manifest_t  m;

    reg_buf_init(&body, REG_MANIFEST_READ_MAX + 1);

    rc = l->store->driver->read(l->store, path, REG_MANIFEST_READ_MAX, &body,
                                e);

    if (rc != REG_OK) {
        r->unread = (rc == REG_ABSENT);
        reg_buf_free(&body);

        return rc;
    }

    reg_digest_of(&got, target->alg, body.data, body.len);
    whole = reg_digest_eq(&got, target);

    r->size = body.len;

    reg_error_clear(&why);

    rc = reg_manifest_read(&m, body.data, body.len, &why);

    reg_buf_free(&body);

    if (rc == REG_NO_MEMORY) {
        return reg_error_set(e, rc, NULL);
    }

    if (rc == REG_OK) {
        rc = reg_referrers_tell(r, &m, d, e);
        reg_manifest_free(&m);

    } else if (whole) {

        /* no manifest, and never will be: as good as one without a subject */

        r->has_subject = 0;
        rc = REG_OK;

    } else {
        r->unread = 1;
        return REG_ABSENT;
    }

    if (rc == REG_OK && whole) {
        reg_referrers_cache_add(l->store, d, target, r);
    }

    return rc;
}


static reg_rc_t
reg_referrers_tell(reg_referrer_t *r, const reg_manifest_t *m,
    const reg_digest_t *d, reg_error_t *e)
{
    r->has_subject = m->has_subject;

    if (!m->has_subject) {
        return REG_OK;
    }

    r->subject = m->subject;
    reg_referrers_type(&r->type, m->artifact_type);

    reg_buf_reset(&r->text);

    if (reg_manifest_descriptor(&r->text, m, d, r->size) != 0) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    r->has_text = 1;

    return REG_OK;
}
