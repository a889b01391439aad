
/*
 * One key: which kinds there are, their names, how a public one is written as
 * a JSON Web Key (RFC 7517; RFC 7518, 6; RFC 8037, 2).  reg_jwk.h reads one.
 *
 * A key is OpenSSL's EVP_PKEY.  It is counted by OpenSSL (EVP_PKEY_up_ref,
 * EVP_PKEY_free) and may be used by several threads at once.  Symmetric keys
 * do not exist here: nothing that takes a key could be given one.
 *
 * Functions leave OpenSSL's queue of errors as they found it.
 */


#ifndef REG_KEY_H_INCLUDED
#define REG_KEY_H_INCLUDED


#include "reg_str.h"

#include <openssl/evp.h>


typedef enum {
    REG_KEY_RSA = 0,
    REG_KEY_P256,
    REG_KEY_P384,
    REG_KEY_P521,
    REG_KEY_ED25519,
    REG_KEY_N
} reg_key_e;


#define REG_KEY_RSA_MIN     2048      /* bits */
#define REG_KEY_RSA_MAX     8192      /* verifying takes 1 ms there */

/* with their NULs */
#define REG_THUMBPRINT_SIZE  44
#define REG_LIBTRUST_SIZE    60


/*
 * Finds the kind of a key: 0; or -1 and *why for one that is not to be used:
 * an RSA key that is too short, too long or has a strange exponent, a curve
 * other than ours or one that is not named, any other type.
 */
int reg_key_kind(const EVP_PKEY *key, reg_key_e *kind, const char **why);

/*
 * 1 when a key that reg_key_kind() once let pass is of that kind.  It makes
 * nothing and takes no time, so it is asked again at every use.
 */
int reg_key_is(const EVP_PKEY *key, reg_key_e kind);

/*
 * The same as reg_key_kind(), and looks at the numbers themselves: 0 or -1.
 * It takes a millisecond with RSA, so it is for keys that are loaded, not for
 * those that a token shows.
 */
int reg_key_check(EVP_PKEY *key, const char **why);

/*
 * The thumbprint of RFC 7638 (SHA-256, base64url), REG_THUMBPRINT_SIZE bytes.
 * With go set it is what distribution 3 makes of it, which drops leading zeros
 * of a point's coordinates: one key in 128 differs.  0 or -1.
 */
int reg_key_thumbprint(const EVP_PKEY *key, int go, char *out);

/* The same from the JSON form with the required members alone (RFC 7638, 3). */
int reg_key_thumbprint_of(reg_str_t json, char *out);

/*
 * The name that libtrust gave a key, and distribution 2 looks for: twelve
 * groups of four letters, REG_LIBTRUST_SIZE bytes.  0 or -1.
 */
int reg_key_libtrust(const EVP_PKEY *key, char *out);

/*
 * Appends the public half as a JSON Web Key with "kid", "alg" and "use":"sig".
 * 0 or -1.
 */
int reg_key_print(reg_buf_t *b, const EVP_PKEY *key, reg_str_t kid,
    reg_str_t alg);


#endif /* REG_KEY_H_INCLUDED */
