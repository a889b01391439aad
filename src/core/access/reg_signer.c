
#include "reg_signer.h"
#include "reg_base64.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>


struct reg_signer_s {
    EVP_PKEY   *key;
    reg_jws_e   alg;
    char        kid[REG_THUMBPRINT_SIZE];
};


static reg_signer_t *reg_signer_new(EVP_PKEY *key, reg_why_t *why);
static int reg_signer_secret(char *buf, int size, int rwflag, void *data);
static EVP_PKEY *reg_signer_point(void);
static int reg_signer_short(const EVP_PKEY *key);


/* Takes over the reference. */

static reg_signer_t *
reg_signer_new(EVP_PKEY *key, reg_why_t *why)
{
    reg_key_e      kind;
    const char    *reason;
    reg_signer_t  *s;

    if (reg_key_kind(key, &kind, &reason) != 0) {
        kind = REG_KEY_N;
    }

    if (kind != REG_KEY_P256 && kind != REG_KEY_ED25519) {
        EVP_PKEY_free(key);
        (void) reg_why_set(why, "the signing key has to be an EC key on P-256 "
                           "or an Ed25519 key");
        return NULL;
    }

    s = calloc(1, sizeof(reg_signer_t));

    if (s == NULL || reg_key_thumbprint(key, 0, s->kid) != 0) {
        EVP_PKEY_free(key);
        free(s);
        (void) reg_why_set(why, "out of memory");
        return NULL;
    }

    s->key = key;
    s->alg = (kind == REG_KEY_P256) ? REG_JWS_ES256 : REG_JWS_EDDSA;

    return s;
}


/* OpenSSL would ask on the terminal: there is no password. */

static int
reg_signer_secret(char *buf, int size, int rwflag, void *data)
{
    (void) buf;
    (void) size;
    (void) rwflag;
    (void) data;

    return -1;
}


reg_signer_t *
reg_signer_load(reg_str_t pem, reg_why_t *why)
{
    BIO       *bio;
    EVP_PKEY  *key;

    if (pem.len == 0 || pem.len > REG_SIGNER_PEM_MAX) {
        (void) reg_why_set(why, "the signing key is empty or larger than %d "
                           "bytes", REG_SIGNER_PEM_MAX);
        return NULL;
    }

    (void) ERR_set_mark();

    key = NULL;
    bio = BIO_new_mem_buf(pem.data, (int) pem.len);

    if (bio != NULL) {
        key = PEM_read_bio_PrivateKey(bio, NULL, reg_signer_secret, NULL);
        BIO_free(bio);
    }

    (void) ERR_pop_to_mark();

    if (key == NULL) {
        (void) reg_why_set(why, "there is no private key in PEM form that can "
                           "be read without a password");
        return NULL;
    }

    return reg_signer_new(key, why);
}


reg_signer_t *
reg_signer_make(reg_jws_e alg, reg_why_t *why)
{
    EVP_PKEY  *key;

    (void) ERR_set_mark();

    if (alg == REG_JWS_ES256) {
        key = reg_signer_point();

    } else if (alg == REG_JWS_EDDSA) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    } else {
        key = NULL;
    }

    (void) ERR_pop_to_mark();

    if (key == NULL) {
        (void) reg_why_set(why, "no signing key could be made");
        return NULL;
    }

    return reg_signer_new(key, why);
}


/*
 * distribution 3 has a name of its own for keys whose coordinates begin with a
 * zero byte, one in 128.  Ours is none of them, so that it finds our key.
 */

static EVP_PKEY *
reg_signer_point(void)
{
    int        i;
    EVP_PKEY  *key;

    for (i = 0; i < 64; i++) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

        if (key == NULL || !reg_signer_short(key)) {
            return key;
        }

        EVP_PKEY_free(key);
    }

    return NULL;
}


static int
reg_signer_short(const EVP_PKEY *key)
{
    char  ours[REG_THUMBPRINT_SIZE], go[REG_THUMBPRINT_SIZE];

    return reg_key_thumbprint(key, 0, ours) == 0
           && reg_key_thumbprint(key, 1, go) == 0
           && strcmp(ours, go) != 0;
}


void
reg_signer_free(reg_signer_t *s)
{
    if (s == NULL) {
        return;
    }

    EVP_PKEY_free(s->key);
    free(s);
}


int
reg_signer_print(reg_buf_t *b, const reg_signer_t *s)
{
    int    rc;
    BIO   *bio;
    long   len;
    char  *data;

    (void) ERR_set_mark();

    rc = -1;
    bio = BIO_new(BIO_s_secmem());

    if (bio != NULL
        && PEM_write_bio_PKCS8PrivateKey(bio, s->key, NULL, NULL, 0, NULL,
                                         NULL)
           == 1)
    {
        len = BIO_get_mem_data(bio, &data);

        if (len > 0) {
            reg_buf_add(b, data, (size_t) len);
            rc = reg_buf_failed(b) ? -1 : 0;
        }
    }

    BIO_free(bio);

    (void) ERR_pop_to_mark();

    return rc;
}


reg_jws_e
reg_signer_alg(const reg_signer_t *s)
{
    return s->alg;
}


reg_str_t
reg_signer_kid(const reg_signer_t *s)
{
    return reg_str_of(s->kid);
}


int
reg_signer_trust(const reg_signer_t *s, reg_keys_t *keys, reg_why_t *why)
{
    return reg_keys_add(keys, s->key, s->alg, why);
}


int
reg_signer_sign(reg_buf_t *b, const reg_signer_t *s, reg_str_t type,
    reg_str_t claims)
{
    size_t          start, len;
    reg_buf_t       header;
    reg_str_t       input;
    unsigned char   sig[REG_JWS_SIG_MAX];

    reg_buf_init(&header, 512);

    reg_buf_str(&header, reg_str("{\"typ\":\""));
    reg_buf_json(&header, type);
    reg_buf_str(&header, reg_str("\",\"alg\":\""));
    reg_buf_str(&header, reg_jws_name(s->alg));
    reg_buf_str(&header, reg_str("\",\"kid\":\""));
    reg_buf_str(&header, reg_str_of(s->kid));
    reg_buf_str(&header, reg_str("\"}"));

    start = b->len;

    reg_base64_encode(b, REG_BASE64URL, header.data, header.len);
    reg_buf_str(b, reg_str("."));
    reg_base64_encode(b, REG_BASE64URL, claims.data, claims.len);

    if (reg_buf_failed(&header) || reg_buf_failed(b)) {
        reg_buf_free(&header);
        return -1;
    }

    reg_buf_free(&header);

    input.data = b->data + start;
    input.len = b->len - start;

    if (reg_jws_sign(s->alg, s->key, input, sig, &len) != 0) {
        return -1;
    }

    reg_buf_str(b, reg_str("."));
    reg_base64_encode(b, REG_BASE64URL, sig, len);

    return reg_buf_failed(b) ? -1 : 0;
}
