
/*
 * The key that our own tokens are signed with: EC on P-256 (ES256) or Ed25519
 * (EdDSA).  It goes by its thumbprint, so that everybody who has the key agrees
 * on its name.
 *
 * Keys rotate without a gap when the new one is loaded as signer while the old
 * one's public half stays in the set that verifies (reg_keys_add()), for as
 * long as the last token it signed may live.
 *
 * A signer is only read once it is there, by any number of threads.
 */


#ifndef REG_SIGNER_H_INCLUDED
#define REG_SIGNER_H_INCLUDED


#include "reg_jws.h"
#include "reg_keys.h"
#include "reg_why.h"


#define REG_SIGNER_PEM_MAX  16384


typedef struct reg_signer_s  reg_signer_t;


/*
 * Loads a private key in PEM form (PKCS#8 or SEC 1), not encrypted.  NULL and
 * a sentence when it is none, or one of another kind.
 */
reg_signer_t *reg_signer_load(reg_str_t pem, reg_why_t *why);

/*
 * Makes a new key for REG_JWS_ES256 or REG_JWS_EDDSA.  NULL and a sentence on
 * failure.
 */
reg_signer_t *reg_signer_make(reg_jws_e alg, reg_why_t *why);

/* NULL is fine. */
void reg_signer_free(reg_signer_t *s);

/*
 * Appends the private key in PEM form (PKCS#8), to be kept in a file that
 * nobody else can read.  0 or -1.  The caller wipes the buffer.
 */
int reg_signer_print(reg_buf_t *b, const reg_signer_t *s);

reg_jws_e reg_signer_alg(const reg_signer_t *s);

/* The thumbprint; borrowed. */
reg_str_t reg_signer_kid(const reg_signer_t *s);

/* Adds the public half to a set of keys: 0, or -1 and a sentence. */
int reg_signer_trust(const reg_signer_t *s, reg_keys_t *keys, reg_why_t *why);

/*
 * Appends a token: a header with "typ", "alg" and "kid", the claims, which are
 * JSON text, and the signature.  0 or -1.
 */
int reg_signer_sign(reg_buf_t *b, const reg_signer_t *s, reg_str_t type,
    reg_str_t claims);


#endif /* REG_SIGNER_H_INCLUDED */
