
#include "reg_keys.h"
#include "reg_jwk.h"
#include "reg_keys_private.h"

#include <stdlib.h>
#include <string.h>



static int reg_keys_called(const reg_keys_item_t *item, reg_str_t name);


reg_keys_t *
reg_keys_create(void)
{
    return calloc(1, sizeof(reg_keys_t));
}


void
reg_keys_free(reg_keys_t *k)
{
    size_t  i, j;

    if (k == NULL) {
        return;
    }

    for (i = 0; i < k->n; i++) {
        for (j = 0; j < k->items[i].n; j++) {
            free(k->items[i].names[j]);
        }

        EVP_PKEY_free(k->items[i].key);
    }

    X509_STORE_free(k->roots);
    free(k);
}


static int
reg_keys_called(const reg_keys_item_t *item, reg_str_t name)
{
    size_t  i;

    for (i = 0; i < item->n; i++) {
        if (reg_str_eq(reg_str_of(item->names[i]), name)) {
            return 1;
        }
    }

    return 0;
}


int
reg_keys_name(reg_keys_item_t *item, reg_str_t name)
{
    char  *copy;

    if (reg_keys_called(item, name)) {
        return 0;
    }

    if (item->n == REG_KEYS_NAMES) {
        return -1;
    }

    copy = malloc(name.len + 1);

    if (copy == NULL) {
        return -1;
    }

    memcpy(copy, name.data, name.len);
    copy[name.len] = '\0';

    item->names[item->n++] = copy;

    return 0;
}


int
reg_keys_put(reg_keys_t *k, EVP_PKEY *key, unsigned algs,
    reg_keys_item_t **item, const char **why)
{
    char              print[REG_THUMBPRINT_SIZE];
    size_t            i;
    reg_key_e         kind;
    reg_keys_item_t  *it;

    if (reg_key_check(key, why) != 0 || reg_key_kind(key, &kind, why) != 0) {
        return -1;
    }

    *why = NULL;

    if (reg_key_thumbprint(key, 0, print) != 0) {
        return -1;
    }

    /* a key that is there twice may be used for whatever either allows */

    for (i = 0; i < k->n; i++) {
        it = &k->items[i];

        if (strcmp(it->names[0], print) == 0) {
            it->algs |= algs & reg_jws_algs(kind);
            *item = it;
            return 0;
        }
    }

    if (k->n == REG_KEYS_MAX) {
        *why = "there are more than 256 keys";
        return -1;
    }

    it = &k->items[k->n];

    memset(it, 0, sizeof(reg_keys_item_t));

    if (reg_keys_name(it, reg_str_of(print)) != 0) {
        return -1;
    }

    if (EVP_PKEY_up_ref(key) != 1) {
        free(it->names[0]);
        return -1;
    }

    it->key = key;
    it->algs = algs & reg_jws_algs(kind);

    k->n++;
    *item = it;

    return 0;
}


int
reg_keys_root(reg_keys_t *k, X509 *cert)
{
    X509_VERIFY_PARAM  *param;

    if (k->roots == NULL) {
        k->roots = X509_STORE_new();

        if (k->roots == NULL) {
            return -1;
        }

        param = X509_STORE_get0_param(k->roots);

        /* whatever stands in the bundle is an end of the chain, as in Go */

        if (X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN) != 1)
        {
            return -1;
        }

        /* no SHA-1, no RSA below 2048 bits */

        X509_VERIFY_PARAM_set_auth_level(param, 2);
        X509_VERIFY_PARAM_set_depth(param, REG_X5C_MAX);
    }

    if (X509_STORE_add_cert(k->roots, cert) != 1) {
        return -1;
    }

    k->nroots++;

    return 0;
}


int
reg_keys_add(reg_keys_t *k, EVP_PKEY *key, reg_jws_e alg, reg_why_t *why)
{
    const char       *reason;
    reg_keys_item_t  *item;

    if (reg_keys_put(k, key, reg_jws_bit(alg), &item, &reason) != 0) {
        return reg_why_set(why, "%s",
                           (reason == NULL) ? "out of memory" : reason);
    }

    return 0;
}


size_t
reg_keys_count(const reg_keys_t *k)
{
    return k->n;
}


size_t
reg_keys_roots(const reg_keys_t *k)
{
    return k->nroots;
}


EVP_PKEY *
reg_keys_next(const reg_keys_t *k, const reg_str_t *kid, reg_jws_e alg,
    size_t *i)
{
    const reg_keys_item_t  *item;

    while (*i < k->n) {
        item = &k->items[(*i)++];

        if ((item->algs & reg_jws_bit(alg))
            && (kid == NULL || reg_keys_called(item, *kid)))
        {
            return item->key;
        }
    }

    return NULL;
}


EVP_PKEY *
reg_keys_named(const reg_keys_t *k, const json_t *jwk, reg_jws_e alg,
    const char **why)
{
    char        print[REG_THUMBPRINT_SIZE];
    size_t      i;
    EVP_PKEY   *key;
    reg_str_t   name;

    if (reg_jwk_thumbprint(jwk, print) == 0) {
        i = 0;
        name = reg_str_of(print);
        key = reg_keys_next(k, &name, alg, &i);

        if (key != NULL) {
            return key;
        }
    }

    *why = "the token brings a key of its own that nobody named here";

    return NULL;
}


int
reg_keys_print(reg_buf_t *b, const reg_keys_t *k)
{
    size_t                  i, n;
    unsigned                alg;
    const reg_keys_item_t  *item;

    reg_buf_str(b, reg_str("{\"keys\":["));

    n = 0;

    for (i = 0; i < k->n; i++) {
        item = &k->items[i];

        /* the first that fits: an RSA key may have six */

        for (alg = 0; alg < REG_JWS_N; alg++) {
            if (item->algs & reg_jws_bit(alg)) {
                break;
            }
        }

        if (alg == REG_JWS_N) {
            continue;
        }

        if (n++ != 0) {
            reg_buf_str(b, reg_str(","));
        }

        if (reg_key_print(b, item->key, reg_str_of(item->names[0]),
                          reg_jws_name((reg_jws_e) alg))
            != 0)
        {
            return -1;
        }
    }

    reg_buf_str(b, reg_str("]}"));

    return reg_buf_failed(b) ? -1 : 0;
}
