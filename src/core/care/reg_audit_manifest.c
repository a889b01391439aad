
#include "reg_audit_private.h"

#include "reg_repo.h"

#include <string.h>


static void reg_audit_manifest(reg_audit_run_t *a,
    const reg_audit_item_t *item, const char *path);
static void reg_audit_references(reg_audit_run_t *a,
    const reg_audit_item_t *item, const reg_manifest_t *m);
static int reg_audit_refers(reg_audit_run_t *a, reg_str_t name,
    const reg_reference_t *ref);


void
reg_audit_revision(reg_audit_run_t *a, const reg_audit_item_t *item)
{
    int           rc;
    reg_path_t    path, data;
    reg_stat_t    st;
    reg_digest_t  d, got;

    reg_audit_below(&path, item, "/link");

    if (reg_audit_read_link(a, item, path.s, 1, &d) != REG_OK) {
        return;
    }

    if (!a->again) {
        a->counts->manifests++;
        reg_audit_link(a, &d);
    }

    reg_layout_blob(&data, &d);

    if (reg_audit_type(a, data.s, &st) != REG_AUDIT_FILE) {
        reg_audit_found(a, item, REG_AUDIT_REVISION_BLOB, path.s,
                        "names %s, which has no data", d.text);
        return;
    }

    if (st.size > REG_MANIFEST_READ_MAX) {
        reg_audit_found(a, item, REG_AUDIT_MANIFEST, path.s,
                        "is a manifest of %llu bytes",
                        (unsigned long long) st.size);
        return;
    }

    reg_buf_reset(&a->body);

    rc = reg_audit_text(a, data.s, REG_MANIFEST_READ_MAX, &a->body);

    if (rc != 0) {
        return;
    }

    reg_digest_of(&got, d.alg, (a->body.len > 0) ? a->body.data : "",
                  a->body.len);

    if (!reg_digest_eq(&got, &d)) {
        reg_audit_found(a, item, REG_AUDIT_MANIFEST_DIGEST, path.s,
                        "is a manifest with the digest %s", got.text);
        return;
    }

    reg_audit_manifest(a, item, path.s);
}


/*
 * What another registry took may be more than we would; the type it was pushed
 * with is not stored where the document does not say it.
 */

static void
reg_audit_manifest(reg_audit_run_t *a, const reg_audit_item_t *item,
    const char *path)
{
    reg_rc_t        rc;
    reg_str_t       type;
    reg_error_t     why;
    reg_manifest_t  m;

    reg_error_clear(&why);

    rc = reg_manifest_read(&m, a->body.data, a->body.len, &why);

    if (rc == REG_OK && m.unread && !reg_manifest_type_known(m.media_type)) {
        reg_manifest_free(&m);

        rc = reg_error_set(&why, REG_MANIFEST_INVALID, "it is of Docker image "
                           "schema 1 and does not tell which layers it has");
    }

    /* Docker's schema 1 is here when it was before us, and is never taken */

    if (rc == REG_OK && reg_manifest_type_known(m.media_type)) {
        type = (json_object_get(m.root, "mediaType") == NULL)
               ? m.media_type : reg_null_str;

        reg_manifest_free(&m);

        rc = reg_manifest_parse(&m, a->body.data, a->body.len, type, &why);
    }

    if (rc == REG_NO_MEMORY) {
        reg_audit_fail(a, path, &why);
        return;
    }

    if (rc != REG_OK) {
        reg_audit_found(a, item, REG_AUDIT_MANIFEST, path,
                        "is no valid manifest: %s",
                        (why.detail[0] != '\0') ? why.detail
                                                : reg_error_text(rc));
        return;
    }

    if (!a->how->sparse) {
        reg_audit_references(a, item, &m);
    }

    reg_manifest_free(&m);
}


static void
reg_audit_references(reg_audit_run_t *a, const reg_audit_item_t *item,
    const reg_manifest_t *m)
{
    size_t                  i, k;
    reg_path_t              path;
    const reg_reference_t  *ref;

    reg_audit_below(&path, item, "/link");

    for (i = 0; i < m->nrefs && a->rc == REG_OK; i++) {
        ref = &m->refs[i];

        if (ref->foreign || reg_audit_refers(a, reg_audit_name(item), ref)) {
            continue;
        }

        /* an image may hold the same layer more than once */

        for (k = 0; k < i; k++) {
            if (reg_digest_eq(&m->refs[k].digest, &ref->digest)) {
                break;
            }
        }

        if (k == i) {
            reg_audit_found(a, item, REG_AUDIT_REFERENCE, path.s,
                            "refers to %s, which this repository does not "
                            "have", ref->digest.text);
        }
    }
}


/* As a child of an index, or as a layer: other registries see it wider. */

static int
reg_audit_refers(reg_audit_run_t *a, reg_str_t name,
    const reg_reference_t *ref)
{
    int           i;
    reg_path_t    path;
    reg_digest_t  d;

    for (i = 0; i < 2; i++) {

        if (i == !ref->manifest) {
            reg_layout_revision(&path, name, &ref->digest);

        } else {
            reg_layout_layer(&path, name, &ref->digest);
        }

        if (reg_link_read(a->s, path.s, &d, NULL) == REG_OK) {
            reg_layout_blob(&path, &d);

            return reg_audit_there(a, path.s);
        }
    }

    return 0;
}


void
reg_audit_tag(reg_audit_run_t *a, const reg_audit_item_t *item)
{
    reg_rc_t      rc;
    reg_str_t     name, tag;
    reg_path_t    path, other;
    reg_digest_t  d;

    reg_audit_below(&path, item, "/current/link");

    rc = reg_audit_read_link(a, item, path.s, 0, &d);

    if (rc == REG_ABSENT) {
        reg_audit_below(&path, item, "/index");

        if (!a->again && reg_audit_type(a, path.s, NULL) == REG_AUDIT_DIR) {
            a->counts->tags_unfinished++;
        }

        return;
    }

    if (rc != REG_OK) {
        return;
    }

    if (!a->again) {
        a->counts->tags++;
    }

    name = reg_audit_name(item);
    tag = reg_str_of(strrchr(item->path.s, '/') + 1);

    reg_layout_revision(&other, name, &d);

    if (!reg_audit_there(a, other.s)) {
        reg_audit_found(a, item, REG_AUDIT_TAG_REVISION, path.s,
                        "names %s, which is no manifest of this repository",
                        d.text);
    }

    reg_layout_tag_index(&other, name, tag, &d);

    if (!reg_audit_there(a, other.s)) {
        reg_audit_found(a, item, REG_AUDIT_TAG_INDEX, path.s,
                        "names %s, which the index of the tag does not have",
                        d.text);
    }
}


void
reg_audit_referrer(reg_audit_run_t *a, const reg_audit_item_t *item)
{
    int             same;
    reg_path_t      path, other;
    reg_digest_t    d, target;
    reg_manifest_t  m;

    reg_audit_below(&path, item, "/link");

    if (reg_audit_read_link(a, item, path.s, 1, &d) != REG_OK) {
        return;
    }

    reg_layout_revision(&other, reg_audit_name(item), &item->d);

    if (reg_link_read(a->s, other.s, &target, NULL) != REG_OK) {
        if (!a->again) {
            a->counts->referrers_stale++;
        }

        return;
    }

    reg_layout_blob(&other, &target);
    reg_buf_reset(&a->body);

    /* what is wrong with the manifest itself is told of its revision */

    if (reg_audit_text(a, other.s, REG_MANIFEST_READ_MAX, &a->body) != 0
        || reg_manifest_read(&m, a->body.data, a->body.len, NULL) != REG_OK)
    {
        return;
    }

    same = (m.has_subject && reg_digest_eq(&m.subject, &item->subject));

    reg_manifest_free(&m);

    if (!same) {
        reg_audit_found(a, item, REG_AUDIT_REFERRER, path.s,
                        "lists a manifest that does not refer to %s",
                        item->subject.text);
    }
}
