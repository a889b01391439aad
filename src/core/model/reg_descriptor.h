
/* Descriptors (image-spec, "OCI Content Descriptors"), inside a manifest. */


#ifndef REG_DESCRIPTOR_H_INCLUDED
#define REG_DESCRIPTOR_H_INCLUDED


#include "reg_manifest.h"


/* Where a descriptor stands, for rules and messages. */
typedef enum {
    REG_AT_CONFIG = 0,
    REG_AT_LAYER,
    REG_AT_CHILD,
    REG_AT_SUBJECT
} reg_descriptor_at_e;



/*
 * Reads what d refers to.  Whatever it says besides, a digest makes it a
 * reference; REG_MANIFEST_INVALID without a usable one.  i is the place in a
 * list, for the message.
 */
reg_rc_t reg_descriptor_read(reg_reference_t *ref, const json_t *d,
    reg_descriptor_at_e at, size_t i, reg_error_t *e);

/*
 * Checks what is asked of a descriptor in a push besides: mediaType, size, no
 * "urls" where they must not be, and no second spelling of any of these.  ref
 * was read from d.
 */
reg_rc_t reg_descriptor_check(const reg_reference_t *ref, const json_t *d,
    reg_descriptor_at_e at, size_t i, reg_error_t *e);


#endif /* REG_DESCRIPTOR_H_INCLUDED */
