
/*
 * JSON Web Keys (RFC 7517; RFC 7518, 6; RFC 8037, 2): reading a public one.
 */


#ifndef REG_JWK_H_INCLUDED
#define REG_JWK_H_INCLUDED


#include "reg_key.h"

#include <jansson.h>


/*
 * Makes the public key that the members of jwk describe; private ones are
 * ignored.  Numbers have to be base64url without padding, coordinates as long
 * as their field, points on their curve.  Symmetric keys are refused.  Returns
 * a key that reg_key_kind() knows, with one reference; or NULL and *why.  What
 * is loaded to be trusted goes through reg_key_check() besides.
 */
EVP_PKEY *reg_jwk_parse(const json_t *jwk, const char **why);

/*
 * The thumbprint of RFC 7638 from the members as they are written, into out of
 * REG_THUMBPRINT_SIZE bytes.  No key is made of them, so that this costs next
 * to nothing; what is no key has the thumbprint of none.  0, or -1 when the
 * required members are not there or too long.
 */
int reg_jwk_thumbprint(const json_t *jwk, char *out);


#endif /* REG_JWK_H_INCLUDED */
