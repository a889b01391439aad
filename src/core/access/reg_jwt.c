
#include "reg_jwt.h"
#include "reg_base64.h"
#include "reg_json.h"

#include <stdlib.h>
#include <string.h>


static int reg_jwt_split(reg_str_t token, reg_str_t *parts);
static reg_token_e reg_jwt_json(reg_str_t part, json_t **value,
    const char **why);
static reg_token_e reg_jwt_header(reg_jwt_t *t, unsigned algs,
    const char **why);
static reg_token_e reg_jwt_signature(const reg_jwt_t *t, EVP_PKEY *key,
    const char **why);
static reg_token_e reg_jwt_by_name(const reg_jwt_t *t, const reg_keys_t *keys,
    const reg_str_t *kid, const char **why);
static int reg_jwt_audience(const json_t *aud, reg_str_t want);
static reg_token_e reg_jwt_times(const json_t *claims,
    const reg_jwt_want_t *want, const char **why);


/* Exactly two dots; counting stops at the third. */

static int
reg_jwt_split(reg_str_t token, reg_str_t *parts)
{
    size_t       i;
    const char  *p, *end, *dot;

    p = token.data;
    end = p + token.len;

    for (i = 0; i < 3; i++) {
        dot = memchr(p, '.', (size_t) (end - p));

        if ((dot == NULL) != (i == 2)) {
            return -1;
        }

        parts[i].data = p;
        parts[i].len = (size_t) (((dot == NULL) ? end : dot) - p);

        p = (dot == NULL) ? end : dot + 1;
    }

    return 0;
}


/* Decodes a part that has to be a JSON object. */

static reg_token_e
reg_jwt_json(reg_str_t part, json_t **value, const char **why)
{
    size_t          len;
    reg_error_t     e;
    unsigned char  *text;

    *value = NULL;

    text = malloc(reg_base64_room(part.len));

    if (text == NULL) {
        *why = "out of memory";
        return REG_TOKEN_FAILED;
    }

    if (reg_base64_decode(part, REG_BASE64URL, text, &len) != 0) {
        free(text);
        *why = "the token is no base64";
        return REG_TOKEN_INVALID;
    }

    reg_error_clear(&e);

    *value = reg_json_load((const char *) text, len, &e);

    free(text);

    if (*value == NULL && e.rc == REG_NO_MEMORY) {
        *why = "out of memory";
        return REG_TOKEN_FAILED;
    }

    if (!json_is_object(*value)) {
        json_decref(*value);
        *value = NULL;
        *why = "a part of the token is no JSON object";
        return REG_TOKEN_INVALID;
    }

    return REG_TOKEN_OK;
}


reg_token_e
reg_jwt_parse(reg_jwt_t *t, reg_str_t token, size_t max, unsigned algs,
    const char **why)
{
    reg_str_t       parts[3];
    reg_token_e     rc;
    unsigned char   sig[reg_base64_room((REG_JWS_SIG_MAX + 2) / 3 * 4)];

    memset(t, 0, offsetof(reg_jwt_t, sig));

    if (token.len == 0 || token.len > max) {
        *why = "the token is empty or too long";
        return REG_TOKEN_INVALID;
    }

    if (reg_jwt_split(token, parts) != 0) {
        *why = "the token has not three parts";
        return REG_TOKEN_INVALID;
    }

    if (parts[2].len == 0 || parts[2].len > (REG_JWS_SIG_MAX + 2) / 3 * 4
        || reg_base64_decode(parts[2], REG_BASE64URL, sig, &t->siglen) != 0
        || t->siglen > REG_JWS_SIG_MAX)
    {
        *why = "the signature is empty, too long or no base64";
        return REG_TOKEN_INVALID;
    }

    memcpy(t->sig, sig, t->siglen);

    t->payload = parts[1];
    t->input.data = token.data;
    t->input.len = parts[0].len + 1 + parts[1].len;

    rc = reg_jwt_json(parts[0], &t->header, why);

    return (rc == REG_TOKEN_OK) ? reg_jwt_header(t, algs, why) : rc;
}


static reg_token_e
reg_jwt_header(reg_jwt_t *t, unsigned algs, const char **why)
{
    const json_t  *value;

    if (reg_jws_find(reg_json_str(t->header, "alg"), &t->alg) != 0
        || !(algs & reg_jws_bit(t->alg)))
    {
        *why = "the token's algorithm is not allowed";
        return REG_TOKEN_INVALID;
    }

    /* RFC 7515, 4.1.11: there is no extension that we understand */

    if (json_object_get(t->header, "crit") != NULL) {
        *why = "the token needs an extension";
        return REG_TOKEN_INVALID;
    }

    /* RFC 7797: without "crit" it is not in force, and says it is */

    value = json_object_get(t->header, "b64");

    if (value != NULL && !json_is_true(value)) {
        *why = "the token's payload is said to be unencoded";
        return REG_TOKEN_INVALID;
    }

    value = json_object_get(t->header, "kid");

    if (value != NULL && !json_is_string(value)) {
        *why = "\"kid\" is no string";
        return REG_TOKEN_INVALID;
    }

    value = json_object_get(t->header, "typ");

    if (value != NULL && !json_is_string(value)) {
        *why = "\"typ\" is no string";
        return REG_TOKEN_INVALID;
    }

    t->type = reg_json_str(t->header, "typ");

    return REG_TOKEN_OK;
}


static reg_token_e
reg_jwt_signature(const reg_jwt_t *t, EVP_PKEY *key, const char **why)
{
    int  rc;

    rc = reg_jws_verify(t->alg, key, t->input, t->sig, t->siglen);

    if (rc == 1) {
        return REG_TOKEN_OK;
    }

    if (rc == 0) {
        *why = "the signature is wrong";
        return REG_TOKEN_INVALID;
    }

    *why = "the signature could not be verified";

    return REG_TOKEN_FAILED;
}


/* Several keys may go by one name; the name is the operator's. */

static reg_token_e
reg_jwt_by_name(const reg_jwt_t *t, const reg_keys_t *keys,
    const reg_str_t *kid, const char **why)
{
    size_t        i;
    EVP_PKEY     *key;
    reg_token_e   rc;

    i = 0;
    rc = REG_TOKEN_INVALID;

    *why = "the token is signed by a key that nobody named here";

    while ((key = reg_keys_next(keys, kid, t->alg, &i)) != NULL) {
        rc = reg_jwt_signature(t, key, why);

        if (rc != REG_TOKEN_INVALID) {
            break;
        }
    }

    return rc;
}


reg_token_e
reg_jwt_verify(const reg_jwt_t *t, const reg_keys_t *keys, int64_t now,
    const char **why)
{
    int            chain;
    EVP_PKEY      *key;
    reg_str_t      kid;
    reg_token_e    rc;
    const json_t  *value;

    value = json_object_get(t->header, "x5c");

    if (value != NULL) {
        chain = reg_keys_chain(keys, value, now, &key, why);

        if (chain != 1) {
            return (chain == 0) ? REG_TOKEN_INVALID : REG_TOKEN_FAILED;
        }

        rc = reg_jwt_signature(t, key, why);

        EVP_PKEY_free(key);

        return rc;
    }

    value = json_object_get(t->header, "jwk");

    if (value != NULL) {
        key = reg_keys_named(keys, value, t->alg, why);

        return (key == NULL) ? REG_TOKEN_INVALID
                             : reg_jwt_signature(t, key, why);
    }

    if (json_object_get(t->header, "kid") != NULL) {
        kid = reg_json_str(t->header, "kid");
        return reg_jwt_by_name(t, keys, &kid, why);
    }

    if (reg_keys_count(keys) != 1) {
        *why = "the token does not say which key has signed it";
        return REG_TOKEN_INVALID;
    }

    return reg_jwt_by_name(t, keys, NULL, why);
}


reg_token_e
reg_jwt_claims(reg_jwt_t *t, const char **why)
{
    return reg_jwt_json(t->payload, &t->claims, why);
}


reg_token_e
reg_jwt_check(const reg_jwt_t *t, const reg_jwt_want_t *want,
    const char **why)
{
    if (want->issuer.len == 0
        || !reg_str_eq(reg_json_str(t->claims, "iss"), want->issuer))
    {
        *why = "the token is of another issuer";
        return REG_TOKEN_INVALID;
    }

    if (want->audience.len == 0
        || !reg_jwt_audience(json_object_get(t->claims, "aud"),
                             want->audience))
    {
        *why = "the token is for another audience";
        return REG_TOKEN_INVALID;
    }

    return reg_jwt_times(t->claims, want, why);
}


/* A string, or a list of strings and nothing else (RFC 7519, 4.1.3). */

static int
reg_jwt_audience(const json_t *aud, reg_str_t want)
{
    int            found;
    size_t         i;
    reg_str_t      s;
    const json_t  *value;

    if (json_is_string(aud)) {
        s.data = json_string_value(aud);
        s.len = json_string_length(aud);

        return reg_str_eq(s, want);
    }

    found = 0;

    json_array_foreach(aud, i, value) {

        if (!json_is_string(value)) {
            return 0;
        }

        s.data = json_string_value(value);
        s.len = json_string_length(value);

        found |= reg_str_eq(s, want);
    }

    return found;
}


int
reg_jwt_time(const json_t *claims, const char *name, int64_t *time)
{
    json_int_t     n;
    const json_t  *value;

    value = json_object_get(claims, name);

    if (value == NULL) {
        return 1;
    }

    if (!json_is_integer(value)) {
        return -1;
    }

    n = json_integer_value(value);

    if (n < 0 || n > REG_JWT_TIME_MAX) {
        return -1;
    }

    *time = (int64_t) n;

    return 0;
}


/* Times are small against 64 bits: no sum can overflow. */

static reg_token_e
reg_jwt_times(const json_t *claims, const reg_jwt_want_t *want,
    const char **why)
{
    int      rc;
    int64_t  exp, nbf, iat;

    if (reg_jwt_time(claims, "exp", &exp) != 0) {
        *why = "the token does not say when it expires";
        return REG_TOKEN_INVALID;
    }

    if (want->now >= exp + want->leeway + want->grace) {
        *why = "the token has expired";
        return REG_TOKEN_INVALID;
    }

    rc = reg_jwt_time(claims, "nbf", &nbf);

    if (rc < 0 || (rc == 0 && want->now < nbf - want->leeway)) {
        *why = "the token is not to be used yet";
        return REG_TOKEN_INVALID;
    }

    rc = reg_jwt_time(claims, "iat", &iat);

    if (rc < 0 || (rc == 0 && want->now < iat - want->leeway)) {
        *why = "the token was issued in the future";
        return REG_TOKEN_INVALID;
    }

    return REG_TOKEN_OK;
}


void
reg_jwt_free(reg_jwt_t *t)
{
    json_decref(t->header);
    json_decref(t->claims);

    t->header = NULL;
    t->claims = NULL;
}
