
#include "reg_manifest_private.h"

#include "reg_descriptor.h"

#include <stdlib.h>
#include <string.h>


static reg_rc_t reg_manifest_open(reg_manifest_t *m, const char *data,
    size_t len, int *merged, reg_error_t *e);
static reg_rc_t reg_manifest_fail(reg_manifest_t *m, reg_rc_t rc);
static reg_rc_t reg_manifest_fill(reg_manifest_t *m,
    const reg_manifest_type_t *type, int strict, reg_error_t *e);
static const char *reg_manifest_alike(const json_t *root,
    const char *const *names);
static reg_rc_t reg_manifest_schema1_refs(reg_manifest_t *m, reg_error_t *e);
static reg_rc_t reg_manifest_check(const json_t *root,
    const reg_manifest_type_t *type, reg_error_t *e);
static int reg_manifest_list(const json_t *root, const char *key);
static reg_rc_t reg_manifest_check_labels(const json_t *root, reg_error_t *e);
static reg_rc_t reg_manifest_refs(reg_manifest_t *m, int strict,
    reg_error_t *e);
static int reg_manifest_both(const reg_manifest_t *m);
static int reg_manifest_holds(const json_t *root, const char *key);
static reg_rc_t reg_manifest_reference(reg_reference_t *ref,
    const json_t *d, reg_descriptor_at_e at, size_t i, int strict,
    reg_error_t *e);
static void reg_manifest_labels(reg_manifest_t *m);


/* what says of what type it is, and what it refers to */

static const char *const  reg_manifest_names[] = {
    "schemaVersion", "mediaType", "config", "layers", "manifests", "subject",
    "fsLayers", NULL
};


reg_rc_t
reg_manifest_parse(reg_manifest_t *m, const char *data, size_t len,
    reg_str_t content_type, reg_error_t *e)
{
    reg_rc_t                    rc;
    const reg_manifest_type_t  *type;

    rc = reg_manifest_open(m, data, len, NULL, e);

    if (rc != REG_OK) {
        return rc;
    }

    type = reg_manifest_settle(m->root, content_type, e);

    if (type == NULL) {
        return reg_manifest_fail(m, REG_MANIFEST_INVALID);
    }

    rc = reg_manifest_check(m->root, type, e);

    if (rc != REG_OK) {
        return reg_manifest_fail(m, rc);
    }

    return reg_manifest_fill(m, type, 1, e);
}


reg_rc_t
reg_manifest_read(reg_manifest_t *m, const char *data, size_t len,
    reg_error_t *e)
{
    int                         merged;
    reg_rc_t                    rc;
    reg_str_t                   name;
    const reg_manifest_type_t  *type;

    rc = reg_manifest_open(m, data, len, &merged, e);

    if (rc != REG_OK) {
        return rc;
    }

    m->unread = merged
                || reg_manifest_alike(m->root, reg_manifest_names) != NULL;

    name = reg_json_str(m->root, "mediaType");
    type = reg_manifest_type(name);

    if (type == NULL && reg_manifest_schema1(m->root, name)) {

        /* signatures stand in the document itself */

        m->media_type = (reg_json_get(m->root, "signatures") != NULL)
                        ? reg_str(REG_TYPE_SCHEMA1_SIGNED)
                        : reg_str(REG_TYPE_SCHEMA1);

        rc = reg_manifest_schema1_refs(m, e);

        return (rc == REG_OK) ? REG_OK : reg_manifest_fail(m, rc);
    }

    if (type == NULL) {
        type = reg_manifest_shape(m->root);

        /* one of a later time may refer to things by other names */

        if (type == NULL || reg_json_get(m->root, "mediaType") != NULL) {
            m->unread = 1;
        }
    }

    if (type == NULL) {
        type = reg_manifest_oci;
    }

    return reg_manifest_fill(m, type, 0, e);
}


/*
 * Programs that are written in Go take a member for another one whose name
 * differs by case alone: to them the layers are others than to everybody else.
 * The name that is meant, or NULL.
 */

static const char *
reg_manifest_alike(const json_t *root, const char *const *names)
{
    for ( /* void */ ; *names != NULL; names++) {
        if (reg_json_alike(root, *names)) {
            return *names;
        }
    }

    return NULL;
}


void
reg_manifest_free(reg_manifest_t *m)
{
    json_decref(m->root);
    free(m->refs);

    memset(m, 0, sizeof(reg_manifest_t));
}


static reg_rc_t
reg_manifest_open(reg_manifest_t *m, const char *data, size_t len,
    int *merged, reg_error_t *e)
{
    reg_error_t  why;

    memset(m, 0, sizeof(reg_manifest_t));

    reg_error_clear(&why);

    m->root = (merged == NULL) ? reg_json_load(data, len, &why)
                               : reg_json_load_stored(data, len, merged, &why);

    if (m->root == NULL) {
        return reg_error_set(e, why.rc, "%s", why.detail);
    }

    if (!json_is_object(m->root)) {
        return reg_manifest_fail(m, reg_error_set(e, REG_MANIFEST_INVALID,
                                                  "not a JSON object"));
    }

    return REG_OK;
}


static reg_rc_t
reg_manifest_fail(reg_manifest_t *m, reg_rc_t rc)
{
    reg_manifest_free(m);

    return rc;
}


/* Reads what a document of that type refers to and says of itself. */

static reg_rc_t
reg_manifest_fill(reg_manifest_t *m, const reg_manifest_type_t *type,
    int strict, reg_error_t *e)
{
    reg_rc_t          rc;
    const json_t     *subject;
    reg_reference_t   ref;

    m->media_type = type->name;
    m->index = type->index;

    subject = json_object_get(m->root, "subject");

    if (subject != NULL && (strict || !json_is_null(subject))) {
        rc = reg_manifest_reference(&ref, subject, REG_AT_SUBJECT, 0, strict,
                                    e);

        if (rc == REG_OK) {
            m->subject = ref.digest;
            m->has_subject = 1;

        } else if (strict) {
            return reg_manifest_fail(m, rc);

        } else {
            m->unread = 1;
        }
    }

    reg_manifest_labels(m);

    rc = reg_manifest_refs(m, strict, e);

    return (rc == REG_OK) ? REG_OK : reg_manifest_fail(m, rc);
}


/* It has no config; its layers stand by their digests alone. */

static reg_rc_t
reg_manifest_schema1_refs(reg_manifest_t *m, reg_error_t *e)
{
    size_t            i, n;
    const json_t     *list, *layer;
    reg_reference_t  *ref;

    list = json_object_get(m->root, "fsLayers");
    n = json_array_size(list);

    m->unread |= !json_is_array(list);
    m->refs = malloc((n + 1) * sizeof(reg_reference_t));

    if (m->refs == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    for (i = 0; i < n; i++) {
        layer = json_array_get(list, i);
        ref = &m->refs[m->nrefs];
        memset(ref, 0, sizeof(reg_reference_t));

        if (reg_digest_parse(&ref->digest, reg_json_str(layer, "blobSum"),
                             NULL)
            == REG_OK
            && !reg_json_alike(layer, "blobSum"))
        {
            m->nrefs++;

        } else {
            m->unread = 1;
        }
    }

    return REG_OK;
}


/* The members of the document itself, their types and what excludes what. */

static reg_rc_t
reg_manifest_check(const json_t *root, const reg_manifest_type_t *type,
    reg_error_t *e)
{
    const char    *name;
    const json_t  *version;

    static const char *const  labels[] = {
        "artifactType", "annotations", NULL
    };

    name = reg_manifest_alike(root, reg_manifest_names);

    if (name == NULL) {
        name = reg_manifest_alike(root, labels);
    }

    if (name != NULL) {
        return reg_error_set(e, REG_MANIFEST_INVALID,
                             "a member that some clients take for \"%s\", "
                             "which differs by case alone", name);
    }

    version = json_object_get(root, "schemaVersion");

    if (!json_is_integer(version) || json_integer_value(version) != 2) {
        return reg_error_set(e, REG_MANIFEST_INVALID,
                             "schemaVersion is not the number 2");
    }

    if (type->index) {

        if (json_object_get(root, "config") != NULL
            || json_object_get(root, "layers") != NULL)
        {
            return reg_error_set(e, REG_MANIFEST_INVALID,
                                 "an index has no config and no layers");
        }

        if (!reg_manifest_list(root, "manifests")) {
            return reg_error_set(e, REG_MANIFEST_INVALID,
                                 "manifests is not an array");
        }

    } else {

        if (json_object_get(root, "manifests") != NULL) {
            return reg_error_set(e, REG_MANIFEST_INVALID,
                                 "an image manifest has no manifests");
        }

        if (!json_is_object(json_object_get(root, "config"))) {
            return reg_error_set(e, REG_MANIFEST_INVALID,
                                 "config is not an object");
        }

        if (!reg_manifest_list(root, "layers")) {
            return reg_error_set(e, REG_MANIFEST_INVALID,
                                 "layers is not an array");
        }
    }

    return reg_manifest_check_labels(root, e);
}


/* One of nothing is null to programs in Go: BuildKit pushes such layers. */

static int
reg_manifest_list(const json_t *root, const char *key)
{
    const json_t  *value;

    value = json_object_get(root, key);

    return json_is_array(value) || json_is_null(value);
}


static reg_rc_t
reg_manifest_check_labels(const json_t *root, reg_error_t *e)
{
    const char    *name;
    const json_t  *value;

    value = json_object_get(root, "artifactType");

    if (value != NULL && !json_is_string(value)) {
        return reg_error_set(e, REG_MANIFEST_INVALID,
                             "artifactType is not a string");
    }

    value = json_object_get(root, "annotations");

    if (value == NULL) {
        return REG_OK;
    }

    if (!json_is_object(value)) {
        return reg_error_set(e, REG_MANIFEST_INVALID,
                             "annotations is not an object");
    }

    name = reg_json_unstring(value);

    return (name == NULL)
           ? REG_OK
           : reg_error_set(e, REG_MANIFEST_INVALID,
                           "annotation \"%.*s\" is not a string",
                           REG_MANIFEST_SHOWN, name);
}


/* Collects the references: all of them, or those that make sense. */

static reg_rc_t
reg_manifest_refs(reg_manifest_t *m, int strict, reg_error_t *e)
{
    size_t                i, n;
    reg_rc_t              rc;
    const json_t         *config, *list;
    reg_descriptor_at_e   at;

    config = NULL;

    if (m->index) {
        list = json_object_get(m->root, "manifests");
        at = REG_AT_CHILD;

    } else {
        config = json_object_get(m->root, "config");
        list = json_object_get(m->root, "layers");
        at = REG_AT_LAYER;
    }

    /* the size of what is no array is 0, that of null, too */

    n = json_array_size(list);

    m->unread |= (!m->index && config == NULL)
                 || (!json_is_array(list) && !json_is_null(list))
                 || reg_manifest_both(m);

    m->refs = malloc((n + 1) * sizeof(reg_reference_t));

    if (m->refs == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    if (config != NULL) {
        rc = reg_manifest_reference(&m->refs[0], config, REG_AT_CONFIG, 0,
                                    strict, e);

        if (rc == REG_OK) {
            m->nrefs = 1;

        } else if (strict) {
            return rc;

        } else {
            m->unread = 1;
        }
    }

    for (i = 0; i < n; i++) {
        rc = reg_manifest_reference(&m->refs[m->nrefs],
                                    json_array_get(list, i), at, i, strict,
                                    e);

        if (rc == REG_OK) {
            m->nrefs++;

        } else if (strict) {
            return rc;

        } else {
            m->unread = 1;
        }
    }

    return REG_OK;
}


/* Whether it has members of the other kind, which are no references here. */

static int
reg_manifest_both(const reg_manifest_t *m)
{
    return m->index ? reg_manifest_holds(m->root, "config")
                      || reg_manifest_holds(m->root, "layers")
                    : reg_manifest_holds(m->root, "manifests");
}


static int
reg_manifest_holds(const json_t *root, const char *key)
{
    const json_t  *value;

    value = reg_json_get(root, key);

    return value != NULL
           && !(json_is_array(value) && json_array_size(value) == 0);
}


/* A descriptor; what is wrong with it matters only when read strictly. */

static reg_rc_t
reg_manifest_reference(reg_reference_t *ref, const json_t *d,
    reg_descriptor_at_e at, size_t i, int strict, reg_error_t *e)
{
    reg_rc_t  rc;

    rc = reg_descriptor_read(ref, d, at, i, strict ? e : NULL);

    return (rc == REG_OK && strict) ? reg_descriptor_check(ref, d, at, i, e)
                                    : rc;
}


/* distribution-spec, "Listing Referrers": what a referrer shows of itself */

static void
reg_manifest_labels(reg_manifest_t *m)
{
    const json_t  *annotations;

    m->artifact_type = reg_json_str(m->root, "artifactType");

    if (m->artifact_type.len == 0 && !m->index) {
        m->artifact_type = reg_json_str(json_object_get(m->root, "config"),
                                        "mediaType");
    }

    annotations = json_object_get(m->root, "annotations");

    if (json_is_object(annotations)) {
        m->annotations = annotations;
    }
}


int
reg_manifest_descriptor(reg_buf_t *b, const reg_manifest_t *m,
    const reg_digest_t *digest, uint64_t size)
{
    int         first;
    void       *iter;
    json_t     *object;
    reg_str_t   value;

    reg_buf_str(b, reg_str("{\"mediaType\":\""));
    reg_buf_json(b, m->media_type);
    reg_buf_str(b, reg_str("\",\"digest\":\""));
    reg_buf_str(b, reg_digest_str(digest));
    reg_buf_printf(b, "\",\"size\":%llu", (unsigned long long) size);

    if (m->artifact_type.len != 0) {
        reg_buf_str(b, reg_str(",\"artifactType\":\""));
        reg_buf_json(b, m->artifact_type);
        reg_buf_str(b, reg_str("\""));
    }

    /* jansson's iterators want an object they might change, and do not */

    object = (json_t *) m->annotations;
    first = 1;

    for (iter = json_object_iter(object);
         iter != NULL;
         iter = json_object_iter_next(object, iter))
    {
        if (!json_is_string(json_object_iter_value(iter))) {
            continue;
        }

        value.data = json_string_value(json_object_iter_value(iter));
        value.len = json_string_length(json_object_iter_value(iter));

        reg_buf_str(b, first ? reg_str(",\"annotations\":{\"")
                             : reg_str(",\""));
        reg_buf_json(b, reg_str_of(json_object_iter_key(iter)));
        reg_buf_str(b, reg_str("\":\""));
        reg_buf_json(b, value);
        reg_buf_str(b, reg_str("\""));

        first = 0;
    }

    reg_buf_str(b, first ? reg_str("}") : reg_str("}}"));

    return reg_buf_failed(b) ? -1 : 0;
}
