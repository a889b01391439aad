
#include "reg_test_token.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>


#define must(claim)                                                           \
    do {                                                                      \
        if (!(claim)) {                                                       \
            printf("Bail out! %s:%d: %s\n", __FILE__, __LINE__, #claim);      \
            abort();                                                          \
        }                                                                     \
    } while (0)


static size_t test_sign(const char *how, EVP_PKEY *key, const char *input,
    unsigned char *sig);
static size_t test_raw(const unsigned char *der, size_t len, int half,
    unsigned char *sig);
static char *test_bio(BIO *bio);


char *
test_text(const char *fmt, ...)
{
    int      n;
    char    *p;
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);

    must(n >= 0);

    p = malloc((size_t) n + 1);
    must(p != NULL);

    va_start(args, fmt);
    (void) vsnprintf(p, (size_t) n + 1, fmt, args);
    va_end(args);

    return p;
}


char *
test_base64(const void *data, size_t len)
{
    char  *p;

    p = malloc(len / 3 * 4 + 5);
    must(p != NULL);

    EVP_EncodeBlock((unsigned char *) p, data, (int) len);

    return p;
}


char *
test_base64url(const void *data, size_t len)
{
    char  *p, *q;

    p = test_base64(data, len);

    for (q = p; *q != '\0' && *q != '='; q++) {
        *q = (*q == '+') ? '-' : (*q == '/') ? '_' : *q;
    }

    *q = '\0';

    return p;
}


EVP_PKEY *
test_key(const char *type)
{
    EVP_PKEY  *key;

    if (strcmp(type, "RSA") == 0) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048);

    } else if (strcmp(type, "RSA1024") == 0) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 1024);

    } else if (strcmp(type, "Ed25519") == 0) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    } else if (strcmp(type, "Ed448") == 0) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");

    } else {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", type);
    }

    must(key != NULL);

    return key;
}


static size_t
test_raw(const unsigned char *der, size_t len, int half, unsigned char *sig)
{
    ECDSA_SIG  *ec;

    ec = d2i_ECDSA_SIG(NULL, &der, (long) len);
    must(ec != NULL);
    must(BN_bn2binpad(ECDSA_SIG_get0_r(ec), sig, half) == half);
    must(BN_bn2binpad(ECDSA_SIG_get0_s(ec), sig + half, half) == half);

    ECDSA_SIG_free(ec);

    return (size_t) half * 2;
}


static size_t
test_sign(const char *how, EVP_PKEY *key, const char *input,
    unsigned char *sig)
{
    char           hash[16];
    size_t         n;
    EVP_MD_CTX    *ctx;
    EVP_PKEY_CTX  *pctx;
    unsigned char  out[1024];

    if (strcmp(how, "none") == 0) {
        return 0;
    }

    n = sizeof(out);
    ctx = EVP_MD_CTX_new();
    must(ctx != NULL);

    if (strcmp(how, "EdDSA") == 0) {
        must(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1);

    } else {
        (void) snprintf(hash, sizeof(hash), "SHA%s", how + 2);
        must(EVP_DigestSignInit_ex(ctx, &pctx, hash, NULL, NULL, key, NULL)
             == 1);

        if (how[0] == 'P') {
            must(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING)
                 == 1);
            must(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, -1) == 1);
        }
    }

    must(EVP_DigestSign(ctx, out, &n, (const unsigned char *) input,
                        strlen(input))
         == 1);

    EVP_MD_CTX_free(ctx);

    if (strncmp(how, "ES", 2) == 0) {
        return test_raw(out, n, (how[2] == '2') ? 32
                                : (how[2] == '3') ? 48 : 66, sig);
    }

    memcpy(sig, out, n);

    return n;
}


char *
test_token(const char *how, EVP_PKEY *key, const char *header,
    const char *claims)
{
    char           *h, *c, *s, *input, *token;
    size_t          n;
    unsigned char   sig[1024];

    h = test_base64url(header, strlen(header));
    c = test_base64url(claims, strlen(claims));
    input = test_text("%s.%s", h, c);

    n = test_sign(how, key, input, sig);

    s = test_base64url(sig, n);
    token = test_text("%s.%s", input, s);

    free(h);
    free(c);
    free(s);
    free(input);

    return token;
}


char *
test_token_hmac(reg_str_t secret, const char *header, const char *claims)
{
    char           *h, *c, *s, *input, *token;
    unsigned int    n;
    unsigned char   sig[EVP_MAX_MD_SIZE];

    h = test_base64url(header, strlen(header));
    c = test_base64url(claims, strlen(claims));
    input = test_text("%s.%s", h, c);

    must(HMAC(EVP_sha256(), secret.data, (int) secret.len,
              (const unsigned char *) input, strlen(input), sig, &n)
         != NULL);

    s = test_base64url(sig, n);
    token = test_text("%s.%s", input, s);

    free(h);
    free(c);
    free(s);
    free(input);

    return token;
}


X509 *
test_cert(const test_cert_t *c)
{
    X509            *cert;
    X509_NAME       *name;
    X509_EXTENSION  *ext;
    const EVP_MD    *md;

    static long  serial;

    cert = X509_new();
    must(cert != NULL);

    must(X509_set_version(cert, 2) == 1);
    must(ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial) == 1);
    must(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t) c->from) != NULL);
    must(ASN1_TIME_set(X509_getm_notAfter(cert), (time_t) c->to) != NULL);
    must(X509_set_pubkey(cert, c->key) == 1);

    name = X509_get_subject_name(cert);
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                    (const unsigned char *) c->name, -1, -1, 0)
         == 1);
    must(X509_set_issuer_name(cert, (c->issuer == NULL)
                                    ? name : X509_get_subject_name(c->issuer))
         == 1);

    if (c->ca) {
        ext = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
                                  "critical,CA:TRUE");
        must(ext != NULL && X509_add_ext(cert, ext, -1) == 1);
        X509_EXTENSION_free(ext);
    }

    md = EVP_PKEY_is_a(c->issuer_key, "ED25519")
         ? NULL : EVP_get_digestbyname((c->hash == NULL) ? "SHA256" : c->hash);
    must(X509_sign(cert, c->issuer_key, md) > 0);

    return cert;
}


static char *
test_bio(BIO *bio)
{
    long   n;
    char  *data, *p;

    n = BIO_get_mem_data(bio, &data);
    must(n > 0);

    p = test_text("%.*s", (int) n, data);

    BIO_free(bio);

    return p;
}


char *
test_pem_cert(X509 *cert)
{
    BIO  *bio;

    bio = BIO_new(BIO_s_mem());
    must(bio != NULL && PEM_write_bio_X509(bio, cert) == 1);

    return test_bio(bio);
}


char *
test_pem_public(EVP_PKEY *key)
{
    BIO  *bio;

    bio = BIO_new(BIO_s_mem());
    must(bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1);

    return test_bio(bio);
}


char *
test_pem_private(EVP_PKEY *key)
{
    BIO  *bio;

    bio = BIO_new(BIO_s_mem());
    must(bio != NULL
         && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
            == 1);

    return test_bio(bio);
}


char *
test_x5c(X509 *cert)
{
    int             n;
    char           *p;
    unsigned char  *der;

    der = NULL;
    n = i2d_X509(cert, &der);
    must(n > 0);

    p = test_base64(der, (size_t) n);

    OPENSSL_free(der);

    return p;
}
