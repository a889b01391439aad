
#include "reg_keys.h"
#include "reg_json.h"
#include "reg_jwk.h"
#include "reg_keys_private.h"


static int reg_keys_jwk(reg_keys_t *k, const json_t *jwk, const char **why);
static int reg_keys_jwk_use(const json_t *jwk, const char **why);
static int reg_keys_jwk_algs(const json_t *jwk, EVP_PKEY *key, unsigned *algs,
    const char **why);


int
reg_keys_add_jwks(reg_keys_t *k, reg_str_t text, reg_skip_pt skip, void *data,
    reg_why_t *why)
{
    int           rc;
    size_t        i, used;
    json_t       *root, *keys, *jwk;
    const char   *reason;
    reg_error_t   e;

    if (text.len > REG_KEYS_FILE_MAX) {
        return reg_why_set(why, "the key set is larger than %d bytes",
                           REG_KEYS_FILE_MAX);
    }

    reg_error_clear(&e);

    root = reg_json_load(text.data, text.len, &e);

    if (root == NULL) {
        return reg_why_set(why, "the key set is %s",
                           (e.detail[0] == '\0') ? "not read: out of memory"
                                                 : e.detail);
    }

    keys = json_object_get(root, "keys");

    if (!json_is_array(keys)) {
        json_decref(root);
        return reg_why_set(why, "the key set has no array \"keys\"");
    }

    rc = 0;
    used = 0;

    json_array_foreach(keys, i, jwk) {
        reason = NULL;

        if (reg_keys_jwk(k, jwk, &reason) == 0) {
            used++;

            if (json_object_get(jwk, "d") != NULL) {
                reason = "the key is used, but its private half stands there "
                         "for everybody who can read the file";
            }

        } else if (reason == NULL) {
            rc = reg_why_set(why, "out of memory");
            break;
        }

        if (reason != NULL && skip != NULL) {
            skip(data, i + 1, reason);
        }
    }

    json_decref(root);

    if (rc == 0 && used == 0) {
        return reg_why_set(why, "the key set has no key that can be used");
    }

    return rc;
}


/* 0; or -1 with the reason to pass the key over, or NULL for a failure. */

static int
reg_keys_jwk(reg_keys_t *k, const json_t *jwk, const char **why)
{
    int               rc;
    unsigned          algs;
    EVP_PKEY         *key;
    reg_str_t         kid;
    const json_t     *value;
    reg_keys_item_t  *item;

    if (!json_is_object(jwk)) {
        *why = "not an object";
        return -1;
    }

    value = json_object_get(jwk, "kid");
    kid = reg_json_str(jwk, "kid");

    if (value != NULL && (kid.len == 0 || kid.len > REG_KEYS_ID_MAX)) {
        *why = "\"kid\" is empty, too long or no string";
        return -1;
    }

    if (reg_keys_jwk_use(jwk, why) != 0) {
        return -1;
    }

    key = reg_jwk_parse(jwk, why);

    if (key == NULL) {
        return -1;
    }

    rc = -1;

    if (reg_keys_jwk_algs(jwk, key, &algs, why) == 0
        && reg_keys_put(k, key, algs, &item, why) == 0)
    {
        rc = 0;

        if (kid.len != 0 && reg_keys_name(item, kid) != 0) {

            if (item->n == REG_KEYS_NAMES) {
                *why = "the same key goes by too many names";
            }

            rc = -1;
        }
    }

    EVP_PKEY_free(key);

    return rc;
}


static int
reg_keys_jwk_use(const json_t *jwk, const char **why)
{
    size_t         i;
    const json_t  *value, *op;

    value = json_object_get(jwk, "use");

    if (value != NULL && !reg_str_eq(reg_json_str(jwk, "use"), reg_str("sig")))
    {
        *why = "\"use\" is not \"sig\"";
        return -1;
    }

    value = json_object_get(jwk, "key_ops");

    if (value == NULL) {
        return 0;
    }

    json_array_foreach(value, i, op) {
        if (json_is_string(op)
            && reg_str_eq(reg_str_of(json_string_value(op)),
                          reg_str("verify")))
        {
            return 0;
        }
    }

    *why = "\"key_ops\" has no \"verify\"";

    return -1;
}


static int
reg_keys_jwk_algs(const json_t *jwk, EVP_PKEY *key, unsigned *algs,
    const char **why)
{
    reg_jws_e   alg;
    reg_key_e   kind;

    if (reg_key_kind(key, &kind, why) != 0) {
        return -1;
    }

    *algs = reg_jws_algs(kind);

    if (json_object_get(jwk, "alg") == NULL) {
        return 0;
    }

    if (reg_jws_find(reg_json_str(jwk, "alg"), &alg) != 0
        || reg_jws_kind(alg) != kind)
    {
        *why = "\"alg\" is none that can be used with this key";
        return -1;
    }

    *algs = reg_jws_bit(alg);

    return 0;
}
