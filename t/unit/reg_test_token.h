
/*
 * Keys, certificates and tokens for tests.  Tokens are signed here by means of
 * their own, so that what is tested is not tested against itself, and so that
 * tokens can be made which nothing of ours would ever make.
 *
 * Everything stops the test when it fails.  Strings are NUL-terminated and the
 * caller's to free().
 */


#ifndef REG_TEST_TOKEN_H_INCLUDED
#define REG_TEST_TOKEN_H_INCLUDED


#include "reg_str.h"

#include <openssl/evp.h>
#include <openssl/x509.h>


/* "RSA", "RSA1024", "P-256", "P-384", "P-521", "secp256k1", "Ed25519", ... */
EVP_PKEY *test_key(const char *type);

/*
 * A token of header and claims, which are JSON or whatever is to be in their
 * place.  how is the algorithm it is signed with, whatever the header says;
 * "none" leaves the signature empty.  key is not used for HMAC, which takes
 * secret.
 */
char *test_token(const char *how, EVP_PKEY *key, const char *header,
    const char *claims);
char *test_token_hmac(reg_str_t secret, const char *header,
    const char *claims);

/* base64url, and the ordinary one, of a string's bytes */
char *test_base64url(const void *data, size_t len);
char *test_base64(const void *data, size_t len);

/* text with printf */
char *test_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));


/* What a certificate is made of; times are in seconds since 1970. */
typedef struct {
    const char  *name;
    EVP_PKEY    *key;
    X509        *issuer;          /* NULL: it is its own */
    EVP_PKEY    *issuer_key;
    int64_t      from;
    int64_t      to;
    int          ca;
    const char  *hash;            /* NULL: SHA256 */
} test_cert_t;


X509 *test_cert(const test_cert_t *c);

/* PEM blocks */
char *test_pem_cert(X509 *cert);
char *test_pem_public(EVP_PKEY *key);
char *test_pem_private(EVP_PKEY *key);

/* base64 of the DER form, as it stands in "x5c" */
char *test_x5c(X509 *cert);


#endif /* REG_TEST_TOKEN_H_INCLUDED */
