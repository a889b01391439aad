
#include "reg_keys.h"
#include "reg_keys_private.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>


static int reg_keys_block(reg_keys_t *k, const char *type,
    const unsigned char *der, long len, size_t *used, const char **why);
static int reg_keys_certificate(reg_keys_t *k, const unsigned char *der,
    long len, const char **why);
static int reg_keys_bundled(reg_keys_t *k, EVP_PKEY *key, const char **why);


int
reg_keys_add_pem(reg_keys_t *k, reg_str_t text, reg_skip_pt skip, void *data,
    reg_why_t *why)
{
    int             rc;
    BIO            *bio;
    char           *type, *header;
    long            len;
    size_t          number, used;
    const char     *reason;
    unsigned char  *der;

    if (text.len == 0 || text.len > REG_KEYS_FILE_MAX) {
        return reg_why_set(why, "the bundle is empty or larger than %d bytes",
                           REG_KEYS_FILE_MAX);
    }

    (void) ERR_set_mark();

    bio = BIO_new_mem_buf(text.data, (int) text.len);

    if (bio == NULL) {
        (void) ERR_pop_to_mark();
        return reg_why_set(why, "out of memory");
    }

    rc = 0;
    used = 0;

    for (number = 1; rc == 0; number++) {

        if (PEM_read_bio(bio, &type, &header, &der, &len) != 1) {

            if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
                rc = reg_why_set(why, "block %zu of the bundle cannot be read",
                                 number);
            }

            break;
        }

        reason = NULL;

        if (reg_keys_block(k, type, der, len, &used, &reason) != 0) {

            if (reason == NULL) {
                rc = reg_why_set(why, "block %zu of the bundle cannot be used",
                                 number);

            } else if (skip != NULL) {
                skip(data, number, reason);
            }
        }

        OPENSSL_free(type);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t) len);
    }

    BIO_free(bio);

    (void) ERR_pop_to_mark();

    if (rc == 0 && used == 0) {
        return reg_why_set(why, "the bundle has no certificate and no public "
                           "key that can be used");
    }

    return rc;
}


/* 0; or -1 with the reason to pass the block over, or NULL for a failure. */

static int
reg_keys_block(reg_keys_t *k, const char *type, const unsigned char *der,
    long len, size_t *used, const char **why)
{
    int                   rc;
    EVP_PKEY             *key;
    const unsigned char  *p;

    if (strcmp(type, PEM_STRING_X509) == 0
        || strcmp(type, PEM_STRING_X509_OLD) == 0)
    {
        rc = reg_keys_certificate(k, der, len, why);

    } else if (strcmp(type, PEM_STRING_PUBLIC) == 0) {

        p = der;
        key = d2i_PUBKEY(NULL, &p, len);

        if (key == NULL || p != der + len) {
            EVP_PKEY_free(key);
            return -1;
        }

        rc = reg_keys_bundled(k, key, why);

        EVP_PKEY_free(key);

    } else if (strstr(type, "PRIVATE KEY") != NULL) {
        *why = "a private key has no business here";
        rc = -1;

    } else {
        *why = "neither a certificate nor a public key";
        rc = -1;
    }

    if (rc == 0) {
        (*used)++;
    }

    return rc;
}


static int
reg_keys_certificate(reg_keys_t *k, const unsigned char *der, long len,
    const char **why)
{
    int                   rc;
    X509                 *cert;
    EVP_PKEY             *key;
    const unsigned char  *p;

    p = der;
    cert = d2i_X509(NULL, &p, len);

    if (cert == NULL || p != der + len) {
        X509_free(cert);
        return -1;
    }

    key = X509_get0_pubkey(cert);

    if (key == NULL) {
        *why = "the certificate's key cannot be read";
        rc = -1;

    } else {
        rc = reg_keys_bundled(k, key, why);
    }

    if (rc == 0) {
        rc = reg_keys_root(k, cert);
    }

    X509_free(cert);

    return rc;
}


static int
reg_keys_bundled(reg_keys_t *k, EVP_PKEY *key, const char **why)
{
    char              go[REG_THUMBPRINT_SIZE], libtrust[REG_LIBTRUST_SIZE];
    reg_keys_item_t  *item;

    if (reg_keys_put(k, key, REG_JWS_ALL, &item, why) != 0) {
        return -1;
    }

    if (reg_key_thumbprint(key, 1, go) != 0
        || reg_key_libtrust(key, libtrust) != 0
        || reg_keys_name(item, reg_str_of(go)) != 0
        || reg_keys_name(item, reg_str_of(libtrust)) != 0)
    {
        return -1;
    }

    return 0;
}
