
/*
 * Manifests: what a document says about itself and what it refers to.
 */


#ifndef REG_MANIFEST_H_INCLUDED
#define REG_MANIFEST_H_INCLUDED


#include "reg_digest.h"
#include "reg_error.h"
#include "reg_json.h"


#define REG_TYPE_OCI_MANIFEST     "application/vnd.oci.image.manifest.v1+json"
#define REG_TYPE_OCI_INDEX        "application/vnd.oci.image.index.v1+json"
#define REG_TYPE_DOCKER_MANIFEST                                              \
    "application/vnd.docker.distribution.manifest.v2+json"
#define REG_TYPE_DOCKER_LIST                                                  \
    "application/vnd.docker.distribution.manifest.list.v2+json"

/* the longest media type served or listed; RFC 6838, 4.2: 127 "/" 127 */
#define REG_MEDIA_TYPE_MAX        255


typedef struct {
    reg_digest_t  digest;
    int64_t       size;          /* as declared, >= 0; never used to allocate */
    unsigned      manifest:1;    /* a child of an index that is one of the
                                    four types; an index may name blobs too */
    unsigned      foreign:1;     /* a layer that need not be distributed */
} reg_reference_t;


/*
 * A parsed manifest.  Opened by reg_manifest_parse(), closed by
 * reg_manifest_free(); the slices borrow from the tree inside.
 */
typedef struct {
    json_t           *root;
    reg_str_t         media_type;     /* one of the four above, static */
    unsigned          index:1;        /* has manifests, not config and layers */
    unsigned          has_subject:1;
    unsigned          unread:1;       /* it may refer to more than refs and
                                         subject hold */
    reg_digest_t      subject;
    reg_str_t         artifact_type;  /* as a referrer shows it, or empty */
    const json_t     *annotations;    /* an object, or NULL; borrowed */
    reg_reference_t  *refs;           /* config, then layers; or children */
    size_t            nrefs;
} reg_manifest_t;


/*
 * Parses a manifest that is being pushed.  content_type is the request's
 * header without parameters, empty when there was none.  REG_OK, or
 * REG_MANIFEST_INVALID / REG_NO_MEMORY with a sentence in e; m needs no
 * reg_manifest_free() after an error, but may have it.
 *
 * Refused besides what is no manifest: a Content-Type unlike the mediaType,
 * media types other than the four, both "manifests" and "layers" or "config"
 * (CVE-2021-41190), "urls" anywhere but in a layer whose type is foreign
 * (CVE-2020-15157), and there other URLs than http and https.
 */
reg_rc_t reg_manifest_parse(reg_manifest_t *m, const char *data, size_t len,
    reg_str_t content_type, reg_error_t *e);

/*
 * Parses a manifest that is in the store already, perhaps by an older
 * registry: the type is what the document says or looks like, and references
 * without a usable digest are passed over.  Fails only on what no registry
 * takes for a JSON object.  The one case of another media_type: a manifest of
 * Docker schema 1, which is served as such; its refs are layers, without a
 * size.
 *
 * Who takes what is not referred to for garbage, or copies what is, has to look
 * at unread: a manifest of a type or with a reference that is not known, one
 * without the members of its type, or with names that other registries take for
 * these.
 */
reg_rc_t reg_manifest_read(reg_manifest_t *m, const char *data, size_t len,
    reg_error_t *e);

/*
 * The media_type of reg_manifest_read(), without a tree: of any bytes, in time
 * that grows with their number, and in no memory.  media_type has room for
 * REG_MEDIA_TYPE_MAX + 1.
 */
void reg_manifest_type_of(const char *data, size_t len, char *media_type);

void reg_manifest_free(reg_manifest_t *m);

/* 1 when it is one of the four types above. */
int reg_manifest_type_known(reg_str_t media_type);

/*
 * Appends the descriptor of a referrer: mediaType, digest, size,
 * artifactType and annotations (distribution-spec, "Listing Referrers").
 * 0, or -1 without memory.
 */
int reg_manifest_descriptor(reg_buf_t *b, const reg_manifest_t *m,
    const reg_digest_t *digest, uint64_t size);


#endif /* REG_MANIFEST_H_INCLUDED */
