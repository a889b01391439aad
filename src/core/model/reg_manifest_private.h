
/* What a manifest is, by its type or by its looks. */


#ifndef REG_MANIFEST_PRIVATE_H_INCLUDED
#define REG_MANIFEST_PRIVATE_H_INCLUDED


#include "reg_manifest.h"


/* what distribution 2 may have left in a store; never accepted in a push */
#define REG_TYPE_SCHEMA1                                                      \
    "application/vnd.docker.distribution.manifest.v1+json"
#define REG_TYPE_SCHEMA1_SIGNED                                               \
    "application/vnd.docker.distribution.manifest.v1+prettyjws"

/* a message names this many bytes of a value that came from outside */
#define REG_MANIFEST_SHOWN  100


typedef struct {
    reg_str_t  name;
    unsigned   index:1;
    unsigned   docker:1;
} reg_manifest_type_t;


/* the four that can be pushed, and an empty one */
extern const reg_manifest_type_t  reg_manifest_types[];

#define reg_manifest_oci        (&reg_manifest_types[0])
#define reg_manifest_oci_index  (&reg_manifest_types[1])


/* One of the four, or NULL. */
const reg_manifest_type_t *reg_manifest_type(reg_str_t name);

/*
 * 1 when a document, or one of that Content-Type, is of Docker's schema 1; root
 * may be NULL.
 */
int reg_manifest_schema1(const json_t *root, reg_str_t content_type);

/* What a document without a type looks like; NULL when like nothing. */
const reg_manifest_type_t *reg_manifest_shape(const json_t *root);

/*
 * Settles the type of a pushed manifest.  Header and document have to agree,
 * because clients differ in which of the two they believe (CVE-2021-41190);
 * image-spec lets its own types leave mediaType out.  NULL with a sentence in
 * e when they do not, or it is none that can be pushed.
 */
const reg_manifest_type_t *reg_manifest_settle(const json_t *root,
    reg_str_t content_type, reg_error_t *e);


#endif /* REG_MANIFEST_PRIVATE_H_INCLUDED */
