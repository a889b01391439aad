
#include "reg_issue.h"
#include "reg_base64.h"
#include "reg_json.h"
#include "reg_name.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>


/* 64 repositories with long names come to 20 KB */
#define REG_ISSUE_CLAIMS_MAX  REG_JWT_MAX

#define REG_ISSUE_ACCESS      reg_str("JWT")
#define REG_ISSUE_REFRESH     reg_str("refresh+jwt")

/* "refresh:" and the service: the audience of a refresh token */
#define REG_ISSUE_AUDIENCE    "refresh:"
#define REG_ISSUE_SERVICE_MAX 512


static int reg_issue_claims(reg_buf_t *b, const reg_issue_t *issue,
    const char *audience);
static void reg_issue_mark(reg_buf_t *b, const reg_issue_t *issue);
static reg_token_e reg_refresh_claims(reg_refresh_t *t,
    const reg_token_policy_t *policy, int64_t now, const char **why);


/* All that both kinds have; the object stays open. */

static int
reg_issue_claims(reg_buf_t *b, const reg_issue_t *issue, const char *audience)
{
    char     id[REG_UUID_LEN + 1];
    int64_t  exp;

    if (issue->now < 0 || issue->now > REG_JWT_TIME_MAX
        || issue->lifetime < 0
        || issue->lifetime > REG_JWT_TIME_MAX - issue->now
        || reg_uuid_make(id) != 0)
    {
        return -1;
    }

    exp = issue->now + issue->lifetime;

    reg_buf_str(b, reg_str("{\"iss\":\""));
    reg_buf_json(b, issue->issuer);
    reg_buf_str(b, reg_str("\",\"sub\":\""));
    reg_buf_json(b, issue->user);
    reg_buf_printf(b, "\",\"aud\":\"%s", audience);
    reg_buf_json(b, issue->service);
    reg_buf_printf(b, "\",\"exp\":%" PRId64 ",\"nbf\":%" PRId64
                   ",\"iat\":%" PRId64 ",\"jti\":\"%s\"",
                   exp, issue->now, issue->now, id);

    return 0;
}


static void
reg_issue_mark(reg_buf_t *b, const reg_issue_t *issue)
{
    reg_buf_str(b, reg_str(",\"mark\":\""));
    reg_base64_encode(b, REG_BASE64URL, issue->mark, REG_CREDENTIALS_KEY);
    reg_buf_str(b, reg_str("\""));

    if (issue->login.len != 0) {
        reg_buf_str(b, reg_str(",\"login\":\""));
        reg_buf_json(b, issue->login);
        reg_buf_str(b, reg_str("\""));
    }
}


int
reg_issue_access(reg_buf_t *b, const reg_signer_t *s,
    const reg_issue_t *issue)
{
    int        rc;
    reg_buf_t  claims;

    reg_buf_init(&claims, REG_ISSUE_CLAIMS_MAX);

    rc = reg_issue_claims(&claims, issue, "");

    if (rc == 0) {
        if (issue->user.len != 0) {
            reg_issue_mark(&claims, issue);
        }

        reg_buf_str(&claims, reg_str(",\"access\":"));
        reg_scopes_print_json(&claims, issue->scopes);
        reg_buf_str(&claims, reg_str("}"));

        rc = reg_buf_failed(&claims)
             ? -1
             : reg_signer_sign(b, s, REG_ISSUE_ACCESS,
                               reg_buf_slice(&claims));
    }

    reg_buf_free(&claims);

    return rc;
}


int
reg_issue_refresh(reg_buf_t *b, const reg_signer_t *s,
    const reg_issue_t *issue)
{
    int        rc;
    reg_buf_t  claims;

    if (issue->user.len == 0 || issue->service.len > REG_ISSUE_SERVICE_MAX) {
        return -1;
    }

    reg_buf_init(&claims, REG_ISSUE_CLAIMS_MAX);

    rc = reg_issue_claims(&claims, issue, REG_ISSUE_AUDIENCE);

    if (rc == 0) {
        reg_issue_mark(&claims, issue);
        reg_buf_str(&claims, reg_str("}"));

        rc = reg_buf_failed(&claims)
             ? -1
             : reg_signer_sign(b, s, REG_ISSUE_REFRESH,
                               reg_buf_slice(&claims));
    }

    reg_buf_free(&claims);

    return rc;
}


reg_token_e
reg_refresh_verify(reg_refresh_t *t, const reg_token_policy_t *policy,
    reg_str_t raw, int64_t now, const char **why)
{
    reg_token_e  rc;

    t->user = reg_null_str;
    memset(t->mark, 0, sizeof(t->mark));

    rc = reg_jwt_parse(&t->jwt, raw, policy->max, policy->algs, why);

    if (rc != REG_TOKEN_OK) {
        return rc;
    }

    if (!reg_str_eq(t->jwt.type, REG_ISSUE_REFRESH)) {
        *why = "the token is no refresh token";
        return REG_TOKEN_INVALID;
    }

    rc = reg_jwt_verify(&t->jwt, policy->keys, now, why);

    if (rc != REG_TOKEN_OK) {
        return rc;
    }

    rc = reg_jwt_claims(&t->jwt, why);

    return (rc == REG_TOKEN_OK) ? reg_refresh_claims(t, policy, now, why) : rc;
}


static reg_token_e
reg_refresh_claims(reg_refresh_t *t, const reg_token_policy_t *policy,
    int64_t now, const char **why)
{
    char            audience[sizeof(REG_ISSUE_AUDIENCE)
                             + REG_ISSUE_SERVICE_MAX];
    size_t          len;
    reg_token_e     rc;
    reg_jwt_want_t  want;

    if (policy->service.len > REG_ISSUE_SERVICE_MAX) {
        *why = "the service has too long a name";
        return REG_TOKEN_INVALID;
    }

    len = sizeof(REG_ISSUE_AUDIENCE) - 1;

    memcpy(audience, REG_ISSUE_AUDIENCE, len);

    if (policy->service.len != 0) {
        memcpy(audience + len, policy->service.data, policy->service.len);
    }

    want.issuer = policy->issuer;
    want.audience.data = audience;
    want.audience.len = len + policy->service.len;
    want.now = now;
    want.leeway = policy->leeway;
    want.grace = 0;

    rc = reg_jwt_check(&t->jwt, &want, why);

    if (rc != REG_TOKEN_OK) {
        return rc;
    }

    t->user = reg_json_str(t->jwt.claims, "sub");

    if (!reg_user_valid(t->user)
        || reg_token_mark(t->jwt.claims, t->mark) != 0)
    {
        t->user = reg_null_str;
        *why = "the refresh token names nobody, or has no mark";
        return REG_TOKEN_INVALID;
    }

    if (reg_jwt_time(t->jwt.claims, "iat", &t->issued) != 0) {
        t->user = reg_null_str;
        *why = "the refresh token does not say when it was issued";
        return REG_TOKEN_INVALID;
    }

    return REG_TOKEN_OK;
}


int
reg_refresh_fits(const reg_refresh_t *t, const unsigned char *mark)
{
    static const unsigned char  nobody[REG_CREDENTIALS_KEY];

    return t->user.len != 0
           && CRYPTO_memcmp(t->mark, nobody, REG_CREDENTIALS_KEY) != 0
           && CRYPTO_memcmp(t->mark, mark, REG_CREDENTIALS_KEY) == 0;
}


void
reg_refresh_free(reg_refresh_t *t)
{
    reg_jwt_free(&t->jwt);
    t->user = reg_null_str;
}


int
reg_issue_reply(reg_buf_t *b, const reg_issue_t *issue, reg_str_t access,
    reg_str_t refresh)
{
    char       issued[64];
    time_t     now;
    struct tm  tm;

    now = (time_t) issue->now;

    if (gmtime_r(&now, &tm) == NULL
        || strftime(issued, sizeof(issued), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        return -1;
    }

    reg_buf_str(b, reg_str("{\"token\":\""));
    reg_buf_json(b, access);
    reg_buf_str(b, reg_str("\",\"access_token\":\""));
    reg_buf_json(b, access);
    reg_buf_printf(b, "\",\"expires_in\":%" PRId64 ",\"issued_at\":\"%s\"",
                   issue->lifetime, issued);
    reg_buf_str(b, reg_str(",\"scope\":\""));
    reg_scopes_print(b, issue->scopes);
    reg_buf_str(b, reg_str("\""));

    if (refresh.len != 0) {
        reg_buf_str(b, reg_str(",\"refresh_token\":\""));
        reg_buf_json(b, refresh);
        reg_buf_str(b, reg_str("\""));
    }

    reg_buf_str(b, reg_str("}"));

    return reg_buf_failed(b) ? -1 : 0;
}
