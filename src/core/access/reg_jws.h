
/*
 * Signatures of JSON Web Tokens (RFC 7518, 3; RFC 8037, 3.1): the algorithms
 * there are, and no others.  "none" and the HMAC family have no row here, so
 * no configuration and no token can bring them back.
 *
 * Which algorithm goes with which kind of key stands in the table too: a token
 * cannot choose to have a key of one kind used as another.
 */


#ifndef REG_JWS_H_INCLUDED
#define REG_JWS_H_INCLUDED


#include "reg_key.h"
#include "reg_why.h"


/*    symbol          name     kind of key       hash      bytes, PSS */
#define REG_JWS_TABLE(X)                                                      \
    X(REG_JWS_RS256,  "RS256", REG_KEY_RSA,      "SHA256", 0,   0)            \
    X(REG_JWS_RS384,  "RS384", REG_KEY_RSA,      "SHA384", 0,   0)            \
    X(REG_JWS_RS512,  "RS512", REG_KEY_RSA,      "SHA512", 0,   0)            \
    X(REG_JWS_PS256,  "PS256", REG_KEY_RSA,      "SHA256", 0,   1)            \
    X(REG_JWS_PS384,  "PS384", REG_KEY_RSA,      "SHA384", 0,   1)            \
    X(REG_JWS_PS512,  "PS512", REG_KEY_RSA,      "SHA512", 0,   1)            \
    X(REG_JWS_ES256,  "ES256", REG_KEY_P256,     "SHA256", 64,  0)            \
    X(REG_JWS_ES384,  "ES384", REG_KEY_P384,     "SHA384", 96,  0)            \
    X(REG_JWS_ES512,  "ES512", REG_KEY_P521,     "SHA512", 132, 0)            \
    X(REG_JWS_EDDSA,  "EdDSA", REG_KEY_ED25519,  NULL,     64,  0)


typedef enum {
#define REG_JWS_SYMBOL(symbol, name, kind, hash, len, pss)  symbol,
    REG_JWS_TABLE(REG_JWS_SYMBOL)
#undef REG_JWS_SYMBOL
    REG_JWS_N
} reg_jws_e;


#define REG_JWS_SIG_MAX  (REG_KEY_RSA_MAX / 8)

/* sets of algorithms */
#define reg_jws_bit(alg)  (1U << (alg))
#define REG_JWS_ALL       ((1U << REG_JWS_N) - 1)


/* Finds the algorithm of that name, letter case and all: 0 or -1. */
int reg_jws_find(reg_str_t name, reg_jws_e *alg);

reg_str_t reg_jws_name(reg_jws_e alg);
reg_key_e reg_jws_kind(reg_jws_e alg);

/* The algorithms that a kind of key can be used with. */
unsigned reg_jws_algs(reg_key_e kind);

/*
 * Makes a set of the names an operator wrote: 0; or -1 and a sentence for a
 * name that is none of ours, or one that is there twice.
 */
int reg_jws_set(const reg_str_t *names, size_t n, unsigned *set,
    reg_why_t *why);

/*
 * Verifies a signature over data by a key that reg_key_kind() let pass.  1 when
 * it is right, 0 when it is not or the key is of another kind than the
 * algorithm's, -1 when the library could not begin.
 */
int reg_jws_verify(reg_jws_e alg, EVP_PKEY *key, reg_str_t data,
    const unsigned char *sig, size_t len);

/*
 * Signs data into sig, which has REG_JWS_SIG_MAX bytes.  0 and the length, or
 * -1.
 */
int reg_jws_sign(reg_jws_e alg, EVP_PKEY *key, reg_str_t data,
    unsigned char *sig, size_t *len);


#endif /* REG_JWS_H_INCLUDED */
