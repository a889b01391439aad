
#include "reg_referrers_private.h"

#include "reg_repo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static reg_rc_t reg_referrers_add_page(reg_store_t *s, const reg_op_t *op,
    reg_page_t *p, const reg_digest_t *d, reg_buf_t *scratch, int *full,
    reg_error_t *e);


reg_rc_t
reg_referrers_add(reg_store_t *s, reg_str_t name,
    const reg_digest_t *subject, const reg_digest_t *d, reg_error_t *e)
{
    reg_path_t  path;

    reg_layout_referrers(&path, name, subject, d);

    return reg_link_write(s, path.s, d, e);
}


reg_rc_t
reg_referrers_remove(reg_store_t *s, reg_str_t name,
    const reg_digest_t *subject, const reg_digest_t *d, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path, stop;

    reg_layout_referrers(&path, name, subject, d);
    reg_layout_repo(&stop, name, "/_referrers");

    rc = s->driver->remove(s, path.s, stop.s, e);

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


reg_rc_t
reg_referrers_page(reg_store_t *s, const reg_op_t *op, reg_page_t *p,
    reg_error_t *e)
{
    int            full;
    size_t         i;
    reg_rc_t       rc;
    reg_str_t      last;
    reg_buf_t      body;
    reg_path_t     path;
    reg_digests_t  list;

    reg_buf_str(&p->body, reg_str("{\"schemaVersion\":2,\"mediaType\":\""
                                  REG_TYPE_OCI_INDEX "\",\"manifests\":["));

    memset(&list, 0, sizeof(list));
    reg_buf_init(&body, REG_MANIFEST_READ_MAX + 1);

    last = reg_null_str;
    full = (p->limit == 0);

    rc = reg_referrers_complete(s, op, &list, e);

    if (rc == REG_OK) {
        reg_layout_referrers(&path, op->name, &op->digest, NULL);
        rc = reg_digests_list(s, path.s, &list, e);
    }

    for (i = 0; i < list.n && rc == REG_OK && !full; i++) {

        if (reg_str_cmp(reg_digest_str(&list.d[i]), op->last) <= 0
            || (i > 0 && reg_digest_eq(&list.d[i], &list.d[i - 1])))
        {
            continue;
        }

        rc = reg_referrers_add_page(s, op, p, &list.d[i], &body, &full, e);

        if (rc == REG_OK && !full) {
            last = reg_digest_str(&list.d[i]);
        }
    }

    reg_buf_str(&p->body, reg_str("]}\n"));

    if (rc == REG_OK && p->more) {
        (void) snprintf(path.s, sizeof(path.s), "/v2/%.*s/referrers/%s",
                        (int) op->name.len, op->name.data, op->digest.text);

        reg_page_link(p, op, path.s, last);
    }

    reg_buf_free(&body);
    free(list.d);

    if (rc == REG_OK && (reg_buf_failed(&p->body) || reg_buf_failed(&p->link)))
    {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    return rc;
}


/* Adds one referrer, unless it is gone, another type, or one too many. */

static reg_rc_t
reg_referrers_add_page(reg_store_t *s, const reg_op_t *op, reg_page_t *p,
    const reg_digest_t *d, reg_buf_t *scratch, int *full, reg_error_t *e)
{
    reg_rc_t        rc;
    reg_buf_t       text;
    reg_manifest_t  m;

    rc = reg_referrers_load(s, op->name, d, scratch, &m, e);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    if (!m.has_subject || !reg_digest_eq(&m.subject, &op->digest)
        || (op->has_artifact_type
            && !reg_str_eq(m.artifact_type, op->artifact_type)))
    {
        reg_manifest_free(&m);
        return REG_OK;
    }

    reg_buf_init(&text, 2 * REG_MANIFEST_READ_MAX);

    if (reg_manifest_descriptor(&text, &m, d, scratch->len) != 0) {
        rc = reg_error_set(e, REG_NO_MEMORY, NULL);

    } else if (!reg_page_fits(p, text.len + 1)) {
        *full = 1;

    } else {
        if (p->count > 0) {
            reg_buf_str(&p->body, reg_str(","));
        }

        reg_buf_str(&p->body, reg_buf_slice(&text));
        p->count++;
    }

    reg_buf_free(&text);
    reg_manifest_free(&m);

    return rc;
}


reg_rc_t
reg_referrers_load(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_buf_t *body, reg_manifest_t *m, reg_error_t *e)
{
    reg_rc_t      rc;
    reg_path_t    path;
    reg_error_t   why;
    reg_digest_t  target;

    reg_layout_revision(&path, name, d);

    rc = reg_link_follow(s, path.s, d, &target, NULL, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_layout_blob(&path, &target);
    reg_buf_reset(body);

    rc = s->driver->read(s, path.s, REG_MANIFEST_READ_MAX, body, e);

    if (rc != REG_OK) {
        return rc;
    }

    reg_error_clear(&why);

    rc = reg_manifest_read(m, body->data, body->len, &why);

    if (rc == REG_NO_MEMORY) {
        return reg_error_set(e, rc, NULL);
    }

    return (rc == REG_OK) ? REG_OK : REG_ABSENT;
}
