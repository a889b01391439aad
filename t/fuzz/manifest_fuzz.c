
/*
 * Input: a byte that chooses the Content-Type ('0' none, '1' to '4' the types
 * that are known, '5' another), then a manifest.
 */

#include "fuzz.h"
#include "reg_manifest.h"


static void check(const reg_manifest_t *m);
static void check_read(const reg_manifest_t *m, const char *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char            *copy, served[REG_MEDIA_TYPE_MAX + 1];
    reg_rc_t         rc;
    reg_str_t        type;
    reg_error_t      e;
    reg_manifest_t   m, lenient;

    static const char  *types[] = {
        "", REG_TYPE_OCI_MANIFEST, REG_TYPE_OCI_INDEX,
        REG_TYPE_DOCKER_MANIFEST, REG_TYPE_DOCKER_LIST, "text/html"
    };

    if (size == 0) {
        return 0;
    }

    type = reg_str_of(types[data[0] % (sizeof(types) / sizeof(types[0]))]);
    copy = fuzz_copy(data + 1, size - 1);

    reg_error_clear(&e);
    rc = reg_manifest_parse(&m, copy, size - 1, type, &e);

    must(rc == e.rc);

    if (rc == REG_OK) {
        must(type.len == 0 || reg_str_eq(type, m.media_type));
        must(reg_manifest_type_known(m.media_type));
        check(&m);
        check_read(&m, copy, size - 1);

    } else {
        must(rc == REG_MANIFEST_INVALID && e.detail[0] != '\0');
        must(m.root == NULL && m.refs == NULL);
    }

    reg_manifest_free(&m);

    reg_manifest_type_of(copy, size - 1, served);

    if (reg_manifest_read(&lenient, copy, size - 1, NULL) == REG_OK) {
        check(&lenient);
        must(reg_str_eq(lenient.media_type, reg_str_of(served)));
        must(rc != REG_OK || !lenient.unread);
    }

    reg_manifest_free(&lenient);
    free(copy);

    return 0;
}


static void
check(const reg_manifest_t *m)
{
    size_t         i;
    json_t        *root;
    reg_buf_t      b;
    reg_digest_t   d;

    must(json_is_object(m->root));
    must(m->media_type.len != 0 && m->media_type.len <= REG_MEDIA_TYPE_MAX);

    for (i = 0; i < m->nrefs; i++) {
        must(reg_digest_parse(&d, reg_digest_str(&m->refs[i].digest), NULL)
             == REG_OK);
        must(m->refs[i].size >= 0);
        must(!(m->refs[i].manifest && m->refs[i].foreign));
        must(m->index || !m->refs[i].manifest);
        must(!m->index || !m->refs[i].foreign);
    }

    if (m->has_subject) {
        must(reg_digest_parse(&d, reg_digest_str(&m->subject), NULL)
             == REG_OK);
    }

    reg_digest_of(&d, REG_SHA256, NULL, 0);
    reg_buf_init(&b, 64 * 1024 * 1024);

    must(reg_manifest_descriptor(&b, m, &d, 5) == 0);

    root = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);

    must(root != NULL);
    must(reg_str_eq(reg_json_str(root, "mediaType"), m->media_type));
    must(reg_str_eq(reg_json_str(root, "artifactType"), m->artifact_type));
    must(json_integer_value(json_object_get(root, "size")) == 5);

    json_decref(root);
    reg_buf_free(&b);
}


/* What was accepted once is read the same way from the store. */

static void
check_read(const reg_manifest_t *m, const char *data, size_t size)
{
    size_t          i;
    reg_manifest_t  again;

    must(reg_manifest_read(&again, data, size, NULL) == REG_OK);

    must(reg_str_eq(again.media_type, m->media_type)
         || reg_json_str(m->root, "mediaType").data == NULL);
    must(again.index == m->index && again.nrefs == m->nrefs);
    must(again.has_subject == m->has_subject);
    must(!m->has_subject || reg_digest_eq(&again.subject, &m->subject));
    must(reg_str_eq(again.artifact_type, m->artifact_type));

    for (i = 0; i < m->nrefs; i++) {
        must(reg_digest_eq(&again.refs[i].digest, &m->refs[i].digest));
        must(again.refs[i].size == m->refs[i].size);
    }

    reg_manifest_free(&again);
}
