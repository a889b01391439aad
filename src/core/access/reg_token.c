
#include "reg_token.h"
#include "reg_base64.h"
#include "reg_json.h"

#include <string.h>

#include <openssl/crypto.h>


/* a mark as text */
#define REG_TOKEN_MARK_TEXT  64


static int reg_token_type(reg_str_t type);
static reg_token_e reg_token_signature(reg_token_t *t,
    const reg_token_policy_t *policy, reg_str_t raw, int64_t now,
    const char **why);
static reg_token_e reg_token_subject(reg_token_t *t, const char **why);
static unsigned reg_token_actions(const json_t *actions);


reg_token_e
reg_token_verify(reg_token_t *t, const reg_token_policy_t *policy,
    reg_str_t raw, int64_t now, const char **why)
{
    reg_token_e     rc;
    reg_jwt_want_t  want;

    t->user = reg_null_str;
    t->id = reg_null_str;
    t->expires = 0;
    t->push_updates = policy->push_updates;
    t->late = 0;

    rc = reg_jwt_parse(&t->jwt, raw, policy->max, policy->algs, why);

    if (rc != REG_TOKEN_OK) {
        return rc;
    }

    if (!reg_token_type(t->jwt.type)) {
        *why = "the token is of another type";
        return REG_TOKEN_INVALID;
    }

    rc = reg_token_signature(t, policy, raw, now, why);

    if (rc != REG_TOKEN_OK) {
        return rc;
    }

    rc = reg_jwt_claims(&t->jwt, why);

    if (rc != REG_TOKEN_OK) {
        return rc;
    }

    want.issuer = policy->issuer;
    want.audience = policy->service;
    want.now = now;
    want.leeway = policy->leeway;
    want.grace = policy->grace;

    rc = reg_jwt_check(&t->jwt, &want, why);

    if (rc != REG_TOKEN_OK) {
        return rc;
    }

    (void) reg_jwt_time(t->jwt.claims, "exp", &t->expires);

    t->late = (now >= t->expires + policy->leeway);

    return reg_token_subject(t, why);
}


/* A media type without "application/", in any letter case (RFC 7515, 4.1.9) */

static int
reg_token_type(reg_str_t type)
{
    return type.len == 0
           || reg_credentials_is(type, reg_str("jwt"))
           || reg_credentials_is(type, reg_str("at+jwt"))
           || reg_credentials_is(type, reg_str("application/jwt"))
           || reg_credentials_is(type, reg_str("application/at+jwt"));
}


static reg_token_e
reg_token_signature(reg_token_t *t, const reg_token_policy_t *policy,
    reg_str_t raw, int64_t now, const char **why)
{
    reg_token_e    rc;
    unsigned char  digest[REG_SHA256_LEN];

    /* a chain of certificates has an end of its own */

    if (policy->seen == NULL
        || json_object_get(t->jwt.header, "x5c") != NULL)
    {
        return reg_jwt_verify(&t->jwt, policy->keys, now, why);
    }

    reg_sha256(&raw, 1, digest);

    if (reg_seen_has(policy->seen, digest)) {
        return REG_TOKEN_OK;
    }

    rc = reg_jwt_verify(&t->jwt, policy->keys, now, why);

    if (rc == REG_TOKEN_OK) {
        reg_seen_add(policy->seen, digest);
    }

    return rc;
}


static reg_token_e
reg_token_subject(reg_token_t *t, const char **why)
{
    const json_t  *sub, *jti;

    sub = json_object_get(t->jwt.claims, "sub");
    jti = json_object_get(t->jwt.claims, "jti");

    if ((sub != NULL && !json_is_string(sub))
        || (jti != NULL && !json_is_string(jti)))
    {
        *why = "\"sub\" or \"jti\" is no string";
        return REG_TOKEN_INVALID;
    }

    t->user = reg_json_str(t->jwt.claims, "sub");
    t->id = reg_json_str(t->jwt.claims, "jti");

    /* goes into logs, variables and patterns, like any user's name */

    if (t->user.len != 0 && !reg_user_valid(t->user)) {
        t->user = reg_null_str;
        *why = "\"sub\" can be the name of no user";
        return REG_TOKEN_INVALID;
    }

    return REG_TOKEN_OK;
}


static unsigned
reg_token_actions(const json_t *actions)
{
    size_t         i;
    unsigned       may;
    reg_str_t      s;
    const json_t  *value;

    may = 0;

    if (!json_is_array(actions)) {
        return 0;
    }

    json_array_foreach(actions, i, value) {

        if (!json_is_string(value)) {
            return 0;
        }

        s.data = json_string_value(value);
        s.len = json_string_length(value);

        may |= reg_str_eq(s, reg_str("*")) ? REG_MAY_ALL : reg_may_find(s);
    }

    return may;
}


unsigned
reg_token_may(const reg_token_t *t, reg_str_t name)
{
    size_t         i;
    unsigned       may, got;
    reg_str_t      type, want;
    const json_t  *access, *entry, *actions;

    type = reg_str("repository");
    want = name;

    if (name.len == 0) {
        type = reg_str("registry");
        want = reg_str("catalog");
    }

    may = 0;
    access = json_object_get(t->jwt.claims, "access");

    if (!json_is_array(access)) {
        return 0;
    }

    json_array_foreach(access, i, entry) {

        if (!reg_str_eq(reg_json_str(entry, "type"), type)
            || !reg_str_eq(reg_json_str(entry, "name"), want))
        {
            continue;
        }

        actions = json_object_get(entry, "actions");
        got = reg_token_actions(actions);

        /* the catalogue knows one action, and that is "*" */

        if (name.len == 0) {
            may |= (got == REG_MAY_ALL) ? REG_MAY_LIST : 0;

        } else {
            may |= got & REG_MAY_REPOSITORY;
        }
    }

    if (t->push_updates && (may & REG_MAY_PUSH)) {
        may |= REG_MAY_UPDATE;
    }

    return may;
}


reg_token_e
reg_token_allows(const reg_token_t *t, unsigned may, reg_str_t name)
{
    unsigned  missing;

    missing = may;

    if (missing & REG_MAY_LIST) {
        missing &= ~reg_token_may(t, reg_null_str);
    }

    if ((missing & ~REG_MAY_LIST) != 0 && name.len != 0) {
        missing &= ~reg_token_may(t, name);
    }

    return (missing == 0) ? REG_TOKEN_OK : REG_TOKEN_INSUFFICIENT;
}


int
reg_token_mark(const json_t *claims, unsigned char *mark)
{
    size_t          len;
    reg_str_t       text;
    unsigned char   room[reg_base64_room(REG_TOKEN_MARK_TEXT)];

    text = reg_json_str(claims, "mark");

    if (text.len == 0 || text.len > REG_TOKEN_MARK_TEXT
        || reg_base64_decode(text, REG_BASE64URL, room, &len) != 0
        || len != REG_CREDENTIALS_KEY)
    {
        return -1;
    }

    memcpy(mark, room, REG_CREDENTIALS_KEY);

    return 0;
}


reg_str_t
reg_token_login(const json_t *claims)
{
    return reg_json_str(claims, "login");
}


int
reg_token_fits(const reg_token_t *t, const unsigned char *mark)
{
    unsigned char  own[REG_CREDENTIALS_KEY];

    static const unsigned char  nobody[REG_CREDENTIALS_KEY];

    return t->user.len != 0
           && reg_token_mark(t->jwt.claims, own) == 0
           && CRYPTO_memcmp(own, nobody, REG_CREDENTIALS_KEY) != 0
           && CRYPTO_memcmp(own, mark, REG_CREDENTIALS_KEY) == 0;
}


void
reg_token_free(reg_token_t *t)
{
    reg_jwt_free(&t->jwt);

    t->user = reg_null_str;
    t->id = reg_null_str;
}
