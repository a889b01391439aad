
#include "reg_keys.h"
#include "reg_base64.h"
#include "reg_json.h"
#include "reg_keys_private.h"

#include <stdlib.h>
#include <time.h>

#include <openssl/err.h>


static int reg_keys_x509(const json_t *value, X509 **cert, const char **why);
static int reg_keys_others(const json_t *x5c, STACK_OF(X509) *others,
    const char **why);
static int reg_keys_verify(const reg_keys_t *k, X509 *leaf,
    STACK_OF(X509) *others, int64_t now, const char **why);
static int reg_keys_leaf(X509 *leaf, EVP_PKEY **key, const char **why);


int
reg_keys_chain(const reg_keys_t *k, const json_t *x5c, int64_t now,
    EVP_PKEY **key, const char **why)
{
    int              rc;
    X509            *leaf;
    size_t           n;
    STACK_OF(X509)  *others;

    if (k->roots == NULL) {
        *why = "the token brings a certificate, and there are no roots";
        return 0;
    }

    n = json_is_array(x5c) ? json_array_size(x5c) : 0;

    if (n == 0 || n > REG_X5C_MAX) {
        *why = "\"x5c\" is no array of 1 to 8 certificates";
        return 0;
    }

    (void) ERR_set_mark();

    rc = -1;
    leaf = NULL;
    others = sk_X509_new_null();

    if (others == NULL) {
        *why = "out of memory";

    } else {
        rc = reg_keys_x509(json_array_get(x5c, 0), &leaf, why);

        if (rc == 1) {
            rc = reg_keys_others(x5c, others, why);
        }

        if (rc == 1) {
            rc = reg_keys_verify(k, leaf, others, now, why);
        }

        if (rc == 1) {
            rc = reg_keys_leaf(leaf, key, why);
        }
    }

    sk_X509_pop_free(others, X509_free);
    X509_free(leaf);

    (void) ERR_pop_to_mark();

    return rc;
}


/* The certificates behind the first: 1, 0 or -1, as above. */

static int
reg_keys_others(const json_t *x5c, STACK_OF(X509) *others, const char **why)
{
    int      rc;
    X509    *cert;
    size_t   i;

    for (i = 1; i < json_array_size(x5c); i++) {
        rc = reg_keys_x509(json_array_get(x5c, i), &cert, why);

        if (rc != 1) {
            return rc;
        }

        if (sk_X509_push(others, cert) == 0) {
            X509_free(cert);
            *why = "out of memory";
            return -1;
        }
    }

    return 1;
}


static int
reg_keys_x509(const json_t *value, X509 **cert, const char **why)
{
    size_t                len;
    reg_str_t             text;
    unsigned char        *der;
    const unsigned char  *p;

    *cert = NULL;
    *why = "\"x5c\" holds something that is no certificate";

    text.data = json_string_value(value);
    text.len = json_string_length(value);

    if (text.data == NULL || text.len == 0 || text.len > REG_X5C_CERT_MAX) {
        return 0;
    }

    der = malloc(reg_base64_room(text.len));

    if (der == NULL) {
        *why = "out of memory";
        return -1;
    }

    if (reg_base64_decode(text, REG_BASE64, der, &len) == 0) {
        p = der;
        *cert = d2i_X509(NULL, &p, (long) len);

        if (*cert != NULL && p != der + len) {
            X509_free(*cert);
            *cert = NULL;
        }
    }

    free(der);

    return (*cert != NULL);
}


/*
 * The store is shared and only read: OpenSSL locks it.  Time is the caller's;
 * the chain has no purpose, like ExtKeyUsageAny in distribution.
 */

static int
reg_keys_verify(const reg_keys_t *k, X509 *leaf, STACK_OF(X509) *others,
    int64_t now, const char **why)
{
    int                 rc, error;
    X509_STORE_CTX     *ctx;
    X509_VERIFY_PARAM  *param;

    *why = "out of memory";

    ctx = X509_STORE_CTX_new();

    if (ctx == NULL || X509_STORE_CTX_init(ctx, k->roots, leaf, others) != 1) {
        X509_STORE_CTX_free(ctx);
        return -1;
    }

    param = X509_STORE_CTX_get0_param(ctx);

    X509_VERIFY_PARAM_set_time(param, (time_t) now);

    rc = X509_verify_cert(ctx);
    error = X509_STORE_CTX_get_error(ctx);

    X509_STORE_CTX_free(ctx);

    if (rc == 1) {
        return 1;
    }

    if (error == X509_V_ERR_OUT_OF_MEM) {
        return -1;
    }

    *why = X509_verify_cert_error_string(error);

    return 0;
}


static int
reg_keys_leaf(X509 *leaf, EVP_PKEY **key, const char **why)
{
    reg_key_e  kind;

    *key = X509_get_pubkey(leaf);

    if (*key == NULL) {
        *why = "the certificate's key cannot be read";
        return 0;
    }

    if (reg_key_kind(*key, &kind, why) != 0) {
        EVP_PKEY_free(*key);
        *key = NULL;
        return 0;
    }

    return 1;
}
