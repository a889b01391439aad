
/*
 * The keys whose signatures count: exactly those an operator named, in a bundle
 * of certificates, as public keys, in a JSON Web Key Set, and our own.
 *
 * Like distribution, a certificate of the bundle counts twice: as a root that
 * a token's x5c chain may end at, and its key as one that may sign itself.
 * Such a key goes by three names: the thumbprint of RFC 7638, what distribution
 * 3 makes of that, and the one distribution 2 looks for (reg_key.h).  A key of
 * a key set goes by its "kid", and by its thumbprint.
 *
 * A set is filled by one thread, then only read, by any number.  When a file
 * changes the caller makes a new set and swaps.
 */


#ifndef REG_KEYS_H_INCLUDED
#define REG_KEYS_H_INCLUDED


#include "reg_jws.h"
#include "reg_key.h"
#include "reg_why.h"

#include <jansson.h>


#define REG_KEYS_MAX       256
#define REG_KEYS_FILE_MAX  (1024 * 1024)
#define REG_KEYS_ID_MAX    256      /* bytes of a "kid" */
#define REG_X5C_MAX        8        /* certificates in a token */
#define REG_X5C_CERT_MAX   16384    /* bytes of one, in base64 */


typedef struct reg_keys_s  reg_keys_t;


/* NULL when memory ran out. */
reg_keys_t *reg_keys_create(void);

/* NULL is fine. */
void reg_keys_free(reg_keys_t *k);

/*
 * Adds the certificates and public keys of a PEM file.  skip (may be NULL) is
 * called with the number of each block that is not used: private keys, blocks
 * of other types, keys that reg_key_check() does not want.  0; or -1 and a
 * sentence when the file is too large, has a block that cannot be read, or has
 * nothing to use; the set must then not be used.
 */
int reg_keys_add_pem(reg_keys_t *k, reg_str_t text, reg_skip_pt skip,
    void *data, reg_why_t *why);

/*
 * The same for a JSON Web Key Set (RFC 7517, 5).  A key is not used when its
 * "use" is not "sig", its "key_ops" lack "verify", its "alg" is none of ours
 * or not for its kind, or when it is symmetric; with an "alg" it is used with
 * that one alone.  skip tells of those, and of keys with a private half.
 */
int reg_keys_add_jwks(reg_keys_t *k, reg_str_t text, reg_skip_pt skip,
    void *data, reg_why_t *why);

/*
 * Adds a key of our own, which goes by its thumbprint and is used with alg
 * alone.  The set takes a reference.  0, or -1 and a sentence.
 */
int reg_keys_add(reg_keys_t *k, EVP_PKEY *key, reg_jws_e alg, reg_why_t *why);

/* How many there are: keys, and roots for x5c. */
size_t reg_keys_count(const reg_keys_t *k);
size_t reg_keys_roots(const reg_keys_t *k);

/*
 * Walks over the keys of that name which may be used with alg; kid NULL means
 * any name.  *i is 0 at first.  The key, borrowed, or NULL at the end.
 */
EVP_PKEY *reg_keys_next(const reg_keys_t *k, const reg_str_t *kid,
    reg_jws_e alg, size_t *i);

/*
 * The key that a token's "jwk" describes, if and only if it is one of the set
 * and may be used with alg: what comes back, borrowed, is the set's own.  NULL
 * and *why otherwise.
 */
EVP_PKEY *reg_keys_named(const reg_keys_t *k, const json_t *jwk, reg_jws_e alg,
    const char **why);

/*
 * The key of the first certificate of a token's "x5c" (RFC 7515, 4.1.6), if
 * its chain ends at a root of the set and all of it is valid at that time, in
 * seconds since 1970.  Nothing is fetched.  1 and a reference of the caller's
 * in *key; 0 and *why when it is not so; -1 when memory ran out.
 */
int reg_keys_chain(const reg_keys_t *k, const json_t *x5c, int64_t now,
    EVP_PKEY **key, const char **why);

/* Appends the set as a JSON Web Key Set of public keys: 0 or -1. */
int reg_keys_print(reg_buf_t *b, const reg_keys_t *k);


#endif /* REG_KEYS_H_INCLUDED */
