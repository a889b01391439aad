
#include "reg_keyring.h"

#include <stdlib.h>
#include <string.h>


#define REG_KEYRING_BEGIN  reg_str("-----BEGIN ")
#define REG_KEYRING_END    reg_str("-----END ")
#define REG_KEYRING_DASH   reg_str("-----")


struct reg_keyring_s {
    reg_signer_t  *signers[REG_KEYRING_MAX];
    size_t         n;
    reg_keys_t    *keys;
};


static const char *reg_keyring_find(reg_str_t text, reg_str_t what);
static int reg_keyring_block(reg_str_t *text, reg_str_t *block,
    reg_str_t *label);
static int reg_keyring_add(reg_keyring_t *k, reg_str_t block,
    reg_why_t *why);


reg_keyring_t *
reg_keyring_parse(reg_str_t text, reg_why_t *why)
{
    reg_str_t       block, label;
    reg_keyring_t  *k;

    if (text.len > REG_KEYRING_FILE_MAX) {
        (void) reg_why_set(why, "it is larger than %d bytes",
                           REG_KEYRING_FILE_MAX);
        return NULL;
    }

    k = calloc(1, sizeof(reg_keyring_t));

    if (k != NULL) {
        k->keys = reg_keys_create();
    }

    if (k == NULL || k->keys == NULL) {
        reg_keyring_free(k);
        (void) reg_why_set(why, "out of memory");
        return NULL;
    }

    while (reg_keyring_block(&text, &block, &label)) {

        if (!reg_str_ends(label, reg_str("PRIVATE KEY"))) {
            continue;
        }

        if (reg_keyring_add(k, block, why) != 0) {
            reg_keyring_free(k);
            return NULL;
        }
    }

    if (k->n == 0) {
        reg_keyring_free(k);
        (void) reg_why_set(why, "there is no private key in PEM form in it");
        return NULL;
    }

    return k;
}


static const char *
reg_keyring_find(reg_str_t text, reg_str_t what)
{
    const char  *p, *end;

    end = text.data + text.len;

    for (p = text.data; (size_t) (end - p) >= what.len; p++) {
        p = memchr(p, what.data[0], (size_t) (end - p) - what.len + 1);

        if (p == NULL || memcmp(p, what.data, what.len) == 0) {
            return p;
        }
    }

    return NULL;
}


/*
 * Cuts the next block off, from its BEGIN to its END, which may be missing:
 * then it goes to the end, and nobody can read it.
 */

static int
reg_keyring_block(reg_str_t *text, reg_str_t *block, reg_str_t *label)
{
    reg_str_t    rest;
    const char  *begin, *end, *stop;

    begin = reg_keyring_find(*text, REG_KEYRING_BEGIN);

    if (begin == NULL) {
        return 0;
    }

    stop = text->data + text->len;

    label->data = begin + REG_KEYRING_BEGIN.len;
    label->len = 0;

    rest.data = label->data;
    rest.len = (size_t) (stop - rest.data);

    end = reg_keyring_find(rest, REG_KEYRING_DASH);

    if (end != NULL) {
        label->len = (size_t) (end - label->data);
    }

    end = reg_keyring_find(rest, REG_KEYRING_END);

    if (end != NULL) {
        rest.data = end + REG_KEYRING_END.len;
        rest.len = (size_t) (stop - rest.data);

        end = reg_keyring_find(rest, REG_KEYRING_DASH);
    }

    end = (end == NULL) ? stop : end + REG_KEYRING_DASH.len;

    block->data = begin;
    block->len = (size_t) (end - begin);

    text->data = end;
    text->len = (size_t) (stop - end);

    return 1;
}


static int
reg_keyring_add(reg_keyring_t *k, reg_str_t block, reg_why_t *why)
{
    reg_why_t      reason;
    reg_signer_t  *signer;

    if (k->n == REG_KEYRING_MAX) {
        return reg_why_set(why, "there are more than %d keys in it",
                           REG_KEYRING_MAX);
    }

    signer = reg_signer_load(block, &reason);

    if (signer == NULL) {
        return reg_why_set(why, "key %zu of it: %s", k->n + 1, reason.text);
    }

    k->signers[k->n++] = signer;

    return reg_signer_trust(signer, k->keys, why);
}


void
reg_keyring_free(reg_keyring_t *k)
{
    size_t  i;

    if (k == NULL) {
        return;
    }

    for (i = 0; i < k->n; i++) {
        reg_signer_free(k->signers[i]);
    }

    reg_keys_free(k->keys);
    free(k);
}


size_t
reg_keyring_count(const reg_keyring_t *k)
{
    return k->n;
}


const reg_signer_t *
reg_keyring_at(const reg_keyring_t *k, size_t i)
{
    return (i < k->n) ? k->signers[i] : NULL;
}


const reg_keys_t *
reg_keyring_keys(const reg_keyring_t *k)
{
    return k->keys;
}
