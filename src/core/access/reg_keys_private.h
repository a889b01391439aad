
/* The inside of a set of keys, for reg_keys*.c. */


#ifndef REG_KEYS_PRIVATE_H_INCLUDED
#define REG_KEYS_PRIVATE_H_INCLUDED


#include "reg_keys.h"

#include <openssl/x509_vfy.h>


#define REG_KEYS_NAMES  4


typedef struct {
    EVP_PKEY  *key;
    unsigned   algs;                    /* what it may be used with */
    char      *names[REG_KEYS_NAMES];   /* the first one is its thumbprint */
    size_t     n;
} reg_keys_item_t;


struct reg_keys_s {
    reg_keys_item_t   items[REG_KEYS_MAX];
    size_t            n;
    X509_STORE       *roots;            /* NULL: there are none */
    size_t            nroots;
};


/*
 * Adds a key that goes by its thumbprint; *item is where more names may be
 * added, and is the old one when the key was there.  The set takes a reference.
 * 0; or -1 and *why, which is NULL when memory or the library failed.
 */
int reg_keys_put(reg_keys_t *k, EVP_PKEY *key, unsigned algs,
    reg_keys_item_t **item, const char **why);

/* Adds a name, unless it is one of the item's already: 0 or -1. */
int reg_keys_name(reg_keys_item_t *item, reg_str_t name);

/* Adds a root: 0 or -1. */
int reg_keys_root(reg_keys_t *k, X509 *cert);


#endif /* REG_KEYS_PRIVATE_H_INCLUDED */
