
#include "reg_descriptor.h"


static reg_rc_t reg_descriptor_bad(reg_descriptor_at_e at, size_t i,
    const char *what, reg_error_t *e);
static const char *reg_descriptor_alike(const json_t *d);
static int reg_descriptor_foreign(reg_str_t media_type);
static const char *reg_descriptor_urls(const json_t *d, int foreign);
static const char *reg_descriptor_labels(const json_t *d);
static int reg_descriptor_base64(reg_str_t s);
static const char *reg_descriptor_platform(const json_t *platform);


/* image-spec, "Non-Distributable Layers", and what Docker called them */

static const reg_str_t  reg_descriptor_foreign_types[] = {
    reg_str("application/vnd.docker.image.rootfs.foreign.diff.tar"),
    reg_str("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
    reg_str("application/vnd.oci.image.layer.nondistributable.v1.tar"),
    reg_str("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
    reg_str("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"),
    reg_null_str
};


#define REG_DESCRIPTOR_ALIKE(name)                                            \
    "has a name that differs from \"" name "\" by case alone"

#define REG_DESCRIPTOR_PLATFORM_ALIKE                                         \
    "has a platform with a name that differs from another by case alone"


/* Whatever a descriptor says besides, its digest makes it a reference. */

reg_rc_t
reg_descriptor_read(reg_reference_t *ref, const json_t *d,
    reg_descriptor_at_e at, size_t i, reg_error_t *e)
{
    reg_str_t      media_type, digest;
    const json_t  *size;

    if (!json_is_object(d)) {
        return reg_descriptor_bad(at, i, "is not an object", e);
    }

    /* there are clients that follow the last of them */

    if (reg_json_alike(d, "digest")) {
        return reg_descriptor_bad(at, i, REG_DESCRIPTOR_ALIKE("digest"), e);
    }

    digest = reg_json_str(d, "digest");

    if (digest.data == NULL) {
        return reg_descriptor_bad(at, i, "has no digest", e);
    }

    if (reg_digest_parse(&ref->digest, digest, NULL) != REG_OK) {
        return reg_error_set(e, REG_MANIFEST_INVALID,
                             "malformed or unsupported digest \"%.*s\"",
                             REG_DIGEST_MAX, digest.data);
    }

    media_type = reg_json_str(d, "mediaType");
    size = json_object_get(d, "size");

    ref->size = (json_integer_value(size) > 0) ? json_integer_value(size) : 0;
    ref->foreign = (at == REG_AT_LAYER && reg_descriptor_foreign(media_type));

    /*
     * An index may also name blobs: the cache exports of BuildKit do.  What
     * is none of the types that can be pushed cannot be here as a manifest.
     */

    ref->manifest = (at == REG_AT_SUBJECT
                     || (at == REG_AT_CHILD
                         && reg_manifest_type_known(media_type)));

    return REG_OK;
}


/* What is asked of a descriptor in a push. */

reg_rc_t
reg_descriptor_check(const reg_reference_t *ref, const json_t *d,
    reg_descriptor_at_e at, size_t i, reg_error_t *e)
{
    const char    *why;
    const json_t  *size;

    why = reg_descriptor_alike(d);

    if (why != NULL) {
        return reg_descriptor_bad(at, i, why, e);
    }

    if (reg_json_str(d, "mediaType").len == 0) {
        return reg_descriptor_bad(at, i, "has no mediaType", e);
    }

    size = json_object_get(d, "size");

    if (!json_is_integer(size) || json_integer_value(size) < 0) {
        return reg_descriptor_bad(at, i,
                                  "has no size, or it is not a natural number",
                                  e);
    }

    why = reg_descriptor_urls(d, ref->foreign);

    if (why == NULL) {
        why = reg_descriptor_labels(d);
    }

    if (why == NULL) {
        why = reg_descriptor_platform(reg_json_get(d, "platform"));
    }

    return (why == NULL) ? REG_OK : reg_descriptor_bad(at, i, why, e);
}


static reg_rc_t
reg_descriptor_bad(reg_descriptor_at_e at, size_t i, const char *what,
    reg_error_t *e)
{
    switch (at) {

    case REG_AT_CONFIG:
        return reg_error_set(e, REG_MANIFEST_INVALID, "config %s", what);

    case REG_AT_LAYER:
        return reg_error_set(e, REG_MANIFEST_INVALID, "layers[%zu] %s", i,
                             what);

    case REG_AT_CHILD:
        return reg_error_set(e, REG_MANIFEST_INVALID, "manifests[%zu] %s", i,
                             what);

    default:
        return reg_error_set(e, REG_MANIFEST_INVALID, "subject %s", what);
    }
}


/* NULL when there is no second spelling of what is checked here. */

static const char *
reg_descriptor_alike(const json_t *d)
{
    size_t  i;

    static const struct {
        const char  *name;
        const char  *why;
    } rows[] = {
#define row(name)  { name, REG_DESCRIPTOR_ALIKE(name) }
        row("mediaType"),
        row("size"),
        row("urls"),
        row("artifactType"),
        row("data"),
        row("annotations"),
        row("platform")
#undef row
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (reg_json_alike(d, rows[i].name)) {
            return rows[i].why;
        }
    }

    return NULL;
}


static int
reg_descriptor_foreign(reg_str_t media_type)
{
    const reg_str_t  *type;

    for (type = reg_descriptor_foreign_types; type->len != 0; type++) {
        if (reg_str_eq(*type, media_type)) {
            return 1;
        }
    }

    return 0;
}


/*
 * NULL when "urls" may stand as it does.  A client that follows the URL of an
 * ordinary layer asks a host of the author's choice with the credentials of
 * this registry (CVE-2020-15157).  Where there are none they may be null: SDKs
 * of .NET write that for each layer.
 */

static const char *
reg_descriptor_urls(const json_t *d, int foreign)
{
    size_t         i;
    reg_str_t      url;
    const json_t  *urls, *item;

    urls = json_object_get(d, "urls");

    if (urls == NULL || json_is_null(urls)) {
        return NULL;
    }

    if (!json_is_array(urls)) {
        return "has urls that are not an array";
    }

    for (i = 0; i < json_array_size(urls); i++) {
        item = json_array_get(urls, i);

        if (!json_is_string(item)) {
            return "has urls that are not strings";
        }

        if (!foreign) {
            return "has urls, which only a foreign layer may have";
        }

        url = reg_str_of(json_string_value(item));

        if (!reg_str_starts(url, reg_str("https://"))
            && !reg_str_starts(url, reg_str("http://")))
        {
            return "has urls that are neither http nor https";
        }
    }

    return NULL;
}


/*
 * NULL when what a descriptor says besides is of the right types.  To clients
 * with types of their own, such as all in Go, the whole manifest is no manifest
 * when one of them is wrong.
 */

static const char *
reg_descriptor_labels(const json_t *d)
{
    const json_t  *value;

    value = reg_json_get(d, "artifactType");

    if (value != NULL && !json_is_string(value)) {
        return "has an artifactType that is not a string";
    }

    value = reg_json_get(d, "data");

    if (value != NULL && !json_is_string(value)) {
        return "has data that are not a string";
    }

    if (!reg_descriptor_base64(reg_json_str(d, "data"))) {
        return "has data that are not in base64";
    }

    value = reg_json_get(d, "annotations");

    if (value == NULL) {
        return NULL;
    }

    if (!json_is_object(value)) {
        return "has annotations that are not an object";
    }

    return (reg_json_unstring(value) == NULL)
           ? NULL : "has an annotation that is not a string";
}


/* As those clients read it: ends of lines are nothing, nor are bits left. */

static int
reg_descriptor_base64(reg_str_t s)
{
    char    c;
    size_t  i, n, pad;

    n = 0;
    pad = 0;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c == '\r' || c == '\n') {
            continue;
        }

        if (c == '=') {
            pad++;

        } else if (pad > 0
                   || !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
                        || (c >= '0' && c <= '9') || c == '+' || c == '/'))
        {
            return 0;
        }

        n++;
    }

    return n % 4 == 0 && pad <= 2;
}


static const char *
reg_descriptor_platform(const json_t *platform)
{
    size_t         i, j;
    const json_t  *value;

    static const char *const  strings[] = {
        "architecture", "os", "os.version", "variant"
    };

    /* the second is of Docker's lists */

    static const char *const  lists[] = { "os.features", "features" };

    if (platform == NULL) {
        return NULL;
    }

    if (!json_is_object(platform)) {
        return "has a platform that is not an object";
    }

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        value = reg_json_get(platform, strings[i]);

        if (reg_json_alike(platform, strings[i])) {
            return REG_DESCRIPTOR_PLATFORM_ALIKE;
        }

        if (value != NULL && !json_is_string(value)) {
            return "has a platform with a member that is not a string";
        }
    }

    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        value = reg_json_get(platform, lists[i]);

        if (reg_json_alike(platform, lists[i])) {
            return REG_DESCRIPTOR_PLATFORM_ALIKE;
        }

        if (value != NULL && !json_is_array(value)) {
            return "has a platform with features that are not an array";
        }

        for (j = 0; j < json_array_size(value); j++) {
            if (!json_is_string(json_array_get(value, j))) {
                return "has a platform with features that are not strings";
            }
        }
    }

    return NULL;
}
