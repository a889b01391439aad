
/*
 * Digests and the running hashes that make them.
 *
 * A digest is "<algorithm>:<lower case hex>" (image-spec, "Digests"), with
 * the algorithms sha256 and sha512.  A reg_digest_t that a function of this
 * file filled is always valid; its text is safe in a path and in a header.
 */


#ifndef REG_DIGEST_H_INCLUDED
#define REG_DIGEST_H_INCLUDED


#include "reg_error.h"

#include <openssl/sha.h>


typedef enum {
    REG_SHA256 = 0,
    REG_SHA512,
    REG_ALG_N
} reg_alg_e;


/* "sha512:" and 128 digits */
#define REG_DIGEST_MAX      135

/* a saved running hash: Go's crypto/sha512 needs the most */
#define REG_HASH_STATE_MAX  204


typedef struct {
    reg_alg_e  alg;
    size_t     len;                          /* of text */
    char       text[REG_DIGEST_MAX + 1];     /* NUL-terminated */
} reg_digest_t;


typedef struct {
    reg_alg_e  alg;
    uint64_t   length;                       /* bytes hashed so far */

    union {
        SHA256_CTX  sha256;
        SHA512_CTX  sha512;
    } ctx;
} reg_hash_t;


/* "sha256", "sha512" */
reg_str_t reg_alg_name(reg_alg_e alg);

/* Finds the algorithm of that name; 0, or -1 when there is none. */
int reg_alg_find(reg_str_t name, reg_alg_e *alg);

/* REG_OK, or REG_DIGEST_INVALID with the reason in e (which may be NULL). */
reg_rc_t reg_digest_parse(reg_digest_t *d, reg_str_t s, reg_error_t *e);

/* The same from the two parts that stand in a path. */
reg_rc_t reg_digest_make(reg_digest_t *d, reg_alg_e alg, reg_str_t hex);

/* The digits behind the colon, NUL-terminated. */
const char *reg_digest_hex(const reg_digest_t *d);

reg_str_t reg_digest_str(const reg_digest_t *d);
int reg_digest_eq(const reg_digest_t *a, const reg_digest_t *b);

/* One-shot digest of a piece of memory. */
void reg_digest_of(reg_digest_t *d, reg_alg_e alg, const void *data,
    size_t len);


void reg_hash_init(reg_hash_t *h, reg_alg_e alg);
void reg_hash_update(reg_hash_t *h, const void *data, size_t len);

/* Ends the hash; h must be started anew before it is used again. */
void reg_hash_final(reg_hash_t *h, reg_digest_t *d);

/*
 * Saves and restores a running hash in the format of Go's
 * encoding.BinaryMarshaler for crypto/sha256 and crypto/sha512, which is what
 * distribution keeps below _uploads/<id>/hashstates.  save() returns the
 * number of bytes written to out.  restore() returns 0, or -1 when data is no
 * such state; h is then undefined.
 */
size_t reg_hash_save(const reg_hash_t *h, unsigned char *out);
int reg_hash_restore(reg_hash_t *h, reg_alg_e alg, const void *data,
    size_t len);


#endif /* REG_DIGEST_H_INCLUDED */
