
#include "reg_manifest_private.h"

#include "reg_json_scan.h"

#include <string.h>


/* What tells the type of a document. */
typedef struct {
    char      name[REG_MEDIA_TYPE_MAX + 1];    /* its mediaType, or "" */
    unsigned  version1:1;
    unsigned  fs_layers:1;
    unsigned  is_signed:1;
    unsigned  index:1;
    unsigned  image:1;
    unsigned  none:1;                          /* manifests, but null */
} reg_manifest_look_t;


static void reg_manifest_look(void *ctx, reg_str_t name, reg_str_t value);


const reg_manifest_type_t  reg_manifest_types[] = {
    { reg_str(REG_TYPE_OCI_MANIFEST),    0, 0 },
    { reg_str(REG_TYPE_OCI_INDEX),       1, 0 },
    { reg_str(REG_TYPE_DOCKER_MANIFEST), 0, 1 },
    { reg_str(REG_TYPE_DOCKER_LIST),     1, 1 },
    { reg_null_str,                      0, 0 }
};


const reg_manifest_type_t *
reg_manifest_type(reg_str_t name)
{
    const reg_manifest_type_t  *type;

    for (type = reg_manifest_types; type->name.len != 0; type++) {
        if (reg_str_eq(type->name, name)) {
            return type;
        }
    }

    return NULL;
}


void
reg_manifest_type_of(const char *data, size_t len, char *media_type)
{
    reg_str_t                   name;
    reg_manifest_look_t         look;
    const reg_manifest_type_t  *type;

    memset(&look, 0, sizeof(reg_manifest_look_t));

    reg_json_scan(data, len, reg_manifest_look, &look);

    name = reg_str_of(look.name);
    type = reg_manifest_type(name);

    if (type != NULL) {
        name = type->name;

    } else if (look.version1 || look.fs_layers
               || reg_manifest_schema1(NULL, name))
    {
        name = look.is_signed ? reg_str(REG_TYPE_SCHEMA1_SIGNED)
                              : reg_str(REG_TYPE_SCHEMA1);

    } else {
        name = (look.index || (look.none && !look.image))
               ? reg_manifest_oci_index->name : reg_manifest_oci->name;
    }

    memcpy(media_type, name.data, name.len);
    media_type[name.len] = '\0';
}


static void
reg_manifest_look(void *ctx, reg_str_t name, reg_str_t value)
{
    int                   none;
    char                  key[sizeof("schemaVersion")];
    reg_str_t             k;
    reg_manifest_look_t  *look;

    look = ctx;

    if (!reg_json_scan_str(name, key, sizeof(key))) {
        return;
    }

    k = reg_str_of(key);
    none = reg_str_eq(value, reg_str("null"));

    if (reg_str_eq(k, reg_str("mediaType"))) {

        if (!reg_json_scan_str(value, look->name, sizeof(look->name))) {
            look->name[0] = '\0';
        }

    } else if (reg_str_eq(k, reg_str("schemaVersion"))) {
        look->version1 = reg_str_eq(value, reg_str("1"));

    } else if (reg_str_eq(k, reg_str("fsLayers"))) {
        look->fs_layers = !none;

    } else if (reg_str_eq(k, reg_str("signatures"))) {
        look->is_signed = !none;

    } else if (reg_str_eq(k, reg_str("manifests"))) {
        look->index = !none;
        look->none = none;

    } else if (reg_str_eq(k, reg_str("config"))
               || reg_str_eq(k, reg_str("layers")))
    {
        look->image |= !none;
    }
}


int
reg_manifest_type_known(reg_str_t media_type)
{
    return reg_manifest_type(media_type) != NULL;
}


int
reg_manifest_schema1(const json_t *root, reg_str_t content_type)
{
    const json_t  *version;

    if (reg_str_eq(content_type, reg_str(REG_TYPE_SCHEMA1))
        || reg_str_eq(content_type, reg_str(REG_TYPE_SCHEMA1_SIGNED)))
    {
        return 1;
    }

    version = json_object_get(root, "schemaVersion");

    return (json_is_integer(version) && json_integer_value(version) == 1)
           || reg_json_get(root, "fsLayers") != NULL;
}


const reg_manifest_type_t *
reg_manifest_shape(const json_t *root)
{
    if (reg_json_get(root, "manifests") != NULL) {
        return reg_manifest_oci_index;
    }

    if (reg_json_get(root, "config") != NULL
        || reg_json_get(root, "layers") != NULL)
    {
        return reg_manifest_oci;
    }

    /* of nothing, as programs in Go write it */

    if (json_object_get(root, "manifests") != NULL) {
        return reg_manifest_oci_index;
    }

    return NULL;
}


const reg_manifest_type_t *
reg_manifest_settle(const json_t *root, reg_str_t content_type,
    reg_error_t *e)
{
    reg_str_t                   name;
    const json_t               *value;
    const reg_manifest_type_t  *type;

    value = json_object_get(root, "mediaType");

    if (value != NULL && !json_is_string(value)) {
        (void) reg_error_set(e, REG_MANIFEST_INVALID,
                             "mediaType is not a string");
        return NULL;
    }

    name = reg_json_str(root, "mediaType");

    if (reg_manifest_schema1(root, content_type.len ? content_type : name)) {
        (void) reg_error_set(e, REG_MANIFEST_INVALID,
                             "manifests of Docker image schema 1 are not "
                             "supported, push the image with a client that "
                             "writes schema 2 or OCI manifests");
        return NULL;
    }

    if (value != NULL && content_type.len != 0
        && !reg_str_eq(content_type, name))
    {
        (void) reg_error_set(e, REG_MANIFEST_INVALID,
                             "mediaType \"%.*s\" differs from Content-Type "
                             "\"%.*s\"",
                             (int) ((name.len < REG_MANIFEST_SHOWN)
                                    ? name.len : REG_MANIFEST_SHOWN),
                             name.data,
                             (int) ((content_type.len < REG_MANIFEST_SHOWN)
                                    ? content_type.len : REG_MANIFEST_SHOWN),
                             content_type.data);
        return NULL;
    }

    if (value == NULL) {
        name = content_type;
    }

    if (value == NULL && content_type.len == 0) {
        type = reg_manifest_shape(root);

        if (type == NULL) {
            (void) reg_error_set(e, REG_MANIFEST_INVALID,
                                 "neither a mediaType nor a Content-Type, "
                                 "and neither manifests nor layers");
        }

        return type;
    }

    type = reg_manifest_type(name);

    if (type == NULL) {
        (void) reg_error_set(e, REG_MANIFEST_INVALID,
                             "manifests of type \"%.*s\" are not supported",
                             (int) ((name.len < REG_MANIFEST_SHOWN)
                                    ? name.len : REG_MANIFEST_SHOWN),
                             name.data);
        return NULL;
    }

    if (type->docker && value == NULL) {
        (void) reg_error_set(e, REG_MANIFEST_INVALID,
                             "a Docker manifest needs its mediaType");
        return NULL;
    }

    return type;
}
