
#include "reg_token_request.h"
#include "reg_query.h"

#include <stddef.h>
#include <string.h>


#define REG_TOKEN_INVALID_REQUEST  "invalid_request"
#define REG_TOKEN_INVALID_SCOPE    "invalid_scope"
#define REG_TOKEN_UNSUPPORTED      "unsupported_grant_type"


typedef enum {
    REG_PARAM_SERVICE = 0,
    REG_PARAM_ACCOUNT,
    REG_PARAM_CLIENT,
    REG_PARAM_USER,
    REG_PARAM_PASSWORD,
    REG_PARAM_REFRESH,
    REG_PARAM_GRANT,
    REG_PARAM_ACCESS_TYPE,
    REG_PARAM_OFFLINE,
    REG_PARAM_SCOPE,
    REG_PARAM_N
} reg_param_e;


static reg_param_e reg_token_param(reg_str_t key, int post);
static const char *reg_token_request_finish(reg_token_request_t *r, int post,
    const reg_str_t *values);


/* secrets and grants stand in forms alone: a query is written into logs */

static const struct {
    reg_str_t    name;
    reg_param_e  param;
    unsigned     get:1;
    unsigned     post:1;
} reg_token_params[] = {
#define row(name, param, get, post)                                           \
    { { sizeof(name) - 1, name }, param, get, post }
    row("service",       REG_PARAM_SERVICE,      1, 1),
    row("client_id",     REG_PARAM_CLIENT,       1, 1),
    row("scope",         REG_PARAM_SCOPE,        1, 1),
    row("account",       REG_PARAM_ACCOUNT,      1, 0),
    row("offline_token", REG_PARAM_OFFLINE,      1, 0),
    row("grant_type",    REG_PARAM_GRANT,        0, 1),
    row("access_type",   REG_PARAM_ACCESS_TYPE,  0, 1),
    row("username",      REG_PARAM_USER,         0, 1),
    row("password",      REG_PARAM_PASSWORD,     0, 1),
    row("refresh_token", REG_PARAM_REFRESH,      0, 1)
#undef row
};


static reg_param_e
reg_token_param(reg_str_t key, int post)
{
    size_t  i;

    for (i = 0; i < sizeof(reg_token_params) / sizeof(reg_token_params[0]);
         i++)
    {
        if ((post ? reg_token_params[i].post : reg_token_params[i].get)
            && reg_str_eq(key, reg_token_params[i].name))
        {
            return reg_token_params[i].param;
        }
    }

    return REG_PARAM_N;
}


const char *
reg_token_request_parse(reg_token_request_t *r, int post, reg_str_t text,
    char *scratch)
{
    unsigned      seen;
    reg_str_t     key, raw, value, values[REG_PARAM_N];
    reg_param_e   param;
    reg_query_t   q;

    memset(r, 0, offsetof(reg_token_request_t, scopes));
    r->scopes.n = 0;

    if (text.len > REG_TOKEN_REQUEST_MAX) {
        return REG_TOKEN_INVALID_REQUEST;
    }

    memset(values, 0, sizeof(values));
    seen = 0;

    reg_query_init(&q, text, scratch);

    while (reg_query_next(&q, &key, &raw)) {

        param = reg_token_param(key, post);

        if (param == REG_PARAM_N) {
            continue;
        }

        if (reg_query_value(&q, raw, &value) != 0) {
            return REG_TOKEN_INVALID_REQUEST;
        }

        if (param == REG_PARAM_SCOPE) {
            if (reg_scopes_parse(&r->scopes, value) != 0) {
                return REG_TOKEN_INVALID_SCOPE;
            }

            continue;
        }

        if (seen & (1U << param)) {
            return REG_TOKEN_INVALID_REQUEST;
        }

        seen |= 1U << param;
        values[param] = value;
    }

    return reg_token_request_finish(r, post, values);
}


static const char *
reg_token_request_finish(reg_token_request_t *r, int post,
    const reg_str_t *values)
{
    reg_str_t  grant;

    r->service = values[REG_PARAM_SERVICE];
    r->account = values[REG_PARAM_ACCOUNT];
    r->client = values[REG_PARAM_CLIENT];
    r->user = values[REG_PARAM_USER];
    r->password = values[REG_PARAM_PASSWORD];
    r->refresh = values[REG_PARAM_REFRESH];

    if (!post) {
        r->offline = reg_str_eq(values[REG_PARAM_OFFLINE], reg_str("true"))
                     || reg_str_eq(values[REG_PARAM_OFFLINE], reg_str("1"));
        return NULL;
    }

    r->offline = reg_str_eq(values[REG_PARAM_ACCESS_TYPE],
                            reg_str("offline"));

    grant = values[REG_PARAM_GRANT];

    if (reg_str_eq(grant, reg_str("password"))) {
        r->grant = REG_GRANT_PASSWORD;

        return (r->user.len == 0 || r->password.len == 0)
               ? REG_TOKEN_INVALID_REQUEST : NULL;
    }

    if (reg_str_eq(grant, reg_str("refresh_token"))) {
        r->grant = REG_GRANT_REFRESH;

        return (r->refresh.len == 0) ? REG_TOKEN_INVALID_REQUEST : NULL;
    }

    return (grant.len == 0) ? REG_TOKEN_INVALID_REQUEST
                            : REG_TOKEN_UNSUPPORTED;
}
