
/*
 * What people want to know of an image: when it was made, for what, how large
 * it is, what it says of itself.
 */


#ifndef REG_IMAGE_H_INCLUDED
#define REG_IMAGE_H_INCLUDED


#include "reg_manifest.h"
#include "reg_store.h"


/* what is read of the config of an image */
#define REG_IMAGE_CONFIG_MAX  (8 * 1024 * 1024)

/* indexes inside one another that are looked into */
#define REG_IMAGE_DEPTH       8


/*
 * Zeroed is empty.  Text is what the image says, with any byte in it; slices
 * borrow from m and config and live until reg_image_free().
 */
typedef struct {
    reg_digest_t    digest;
    reg_manifest_t  m;
    json_t         *config;       /* of an image, or NULL */
    uint64_t        bytes;        /* of the manifest */
    uint64_t        size;         /* with all that belongs to it, each blob
                                     once: what a client would pull of it */
    unsigned        missing:1;    /* a part of it is not in the repository */
    char            media_type[REG_MEDIA_TYPE_MAX + 1];

    reg_str_t       created;      /* as it stands there, or empty */
    reg_str_t       description;  /* or empty */
    reg_buf_t       platforms;    /* "linux/amd64", parted by ','; or empty */
    char            born[64];     /* what created names when it is a child's */
} reg_image_t;


/*
 * Reads a manifest of a repository and what belongs to it.  REG_OK, or
 * REG_MANIFEST_UNKNOWN (not there, or damaged), or what else went wrong; then
 * there is nothing to free.
 */
reg_rc_t reg_image_read(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_image_t *image, reg_error_t *e);

void reg_image_free(reg_image_t *image);

/*
 * "os/architecture/variant" of a platform object (image-spec, "image index"),
 * or of a config, appended; nothing without an os.
 */
void reg_image_platform(reg_buf_t *b, const json_t *platform);

/* The labels of an image's config, an object; or NULL. */
const json_t *reg_image_labels(const reg_image_t *image);

/*
 * Calls fn for every manifest of the repository that has d as its subject, in
 * no order.  It reads all manifests of the repository and changes nothing,
 * unlike the index that the API answers from.
 */
typedef reg_rc_t (*reg_image_referrer_pt)(void *ctx, const reg_digest_t *d,
    const reg_manifest_t *m, uint64_t size);

reg_rc_t reg_image_referrers(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_image_referrer_pt fn, void *ctx,
    reg_error_t *e);


#endif /* REG_IMAGE_H_INCLUDED */
