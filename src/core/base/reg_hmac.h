
/*
 * SHA-256 of a few pieces, plain (FIPS 180-4) and keyed (HMAC, RFC 2104).
 *
 * They are asked for at every request that brings a password, so nothing is
 * allocated or looked up for them, and they cannot fail.
 */


#ifndef REG_HMAC_H_INCLUDED
#define REG_HMAC_H_INCLUDED


#include "reg_str.h"


#define REG_SHA256_LEN  32


/* out has REG_SHA256_LEN bytes and is none of the pieces. */
void reg_sha256(const reg_str_t *pieces, size_t n, unsigned char *out);

/* The key has REG_SHA256_LEN bytes as well. */
void reg_hmac_sha256(const unsigned char *key, const reg_str_t *pieces,
    size_t n, unsigned char *out);

/* The same with a key of any length. */
void reg_hmac_sha256_key(reg_str_t key, const reg_str_t *pieces, size_t n,
    unsigned char *out);


#endif /* REG_HMAC_H_INCLUDED */
