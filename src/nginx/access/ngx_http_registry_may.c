
/* Decisions, from plain values alone: threads ask for them, too. */


#include "ngx_http_registry_access.h"


static ngx_uint_t ngx_http_registry_may_by_rules(
    const ngx_http_registry_who_t *who, reg_subject_t *subject,
    reg_access_e *otherwise);
static reg_access_e ngx_http_registry_may_by_scopes(
    const ngx_http_registry_who_t *who, unsigned may, reg_str_t name);


reg_access_e
ngx_http_registry_may(const ngx_http_registry_who_t *who, unsigned may,
    reg_str_t name)
{
    reg_access_e   answer;
    reg_subject_t  subject;

    if (who->open) {
        return REG_ACCESS_ALLOW;
    }

    if (may == 0) {
        return (who->auth != NGX_HTTP_REGISTRY_AUTH_ANONYMOUS || !who->own)
               ? REG_ACCESS_ALLOW : REG_ACCESS_DENY;
    }

    if (who->token) {

        if (reg_token_allows(who->token, may, name) != REG_TOKEN_OK) {
            return REG_ACCESS_DENY;
        }

        if (who->foreign && who->rules == NULL) {
            return REG_ACCESS_ALLOW;
        }
    }

    if (who->scopes) {
        answer = ngx_http_registry_may_by_scopes(who, may, name);

        if (answer != REG_ACCESS_ALLOW) {
            return answer;
        }
    }

    if (!ngx_http_registry_may_by_rules(who, &subject, &answer)) {
        return answer;
    }

    return name.len ? reg_access_decide(who->rules, &subject, may, name)
                    : reg_access_somewhere(who->rules, &subject, may);
}


int
ngx_http_registry_grant(const ngx_http_registry_who_t *who, unsigned wanted,
    reg_str_t name, unsigned *granted)
{
    reg_access_e   answer;
    reg_subject_t  subject;

    *granted = 0;

    if (name.len == 0) {

        switch (ngx_http_registry_may(who, wanted & REG_MAY_LIST, name)) {

        case REG_ACCESS_ALLOW:
            *granted = wanted & REG_MAY_LIST;
            return 0;

        case REG_ACCESS_DENY:
            return 0;

        default:
            return -1;
        }
    }

    if (who->scopes
        && reg_tokens_may(who->scopes, wanted, name, &wanted) != 0)
    {
        return -1;
    }

    if (who->open) {
        *granted = wanted;
        return 0;
    }

    if (!ngx_http_registry_may_by_rules(who, &subject, &answer)) {
        *granted = (answer == REG_ACCESS_ALLOW) ? wanted : 0;
        return 0;
    }

    return reg_access_grant(who->rules, &subject, wanted, name, granted);
}


/*
 * 1 when the rules are to be asked, and whom about.  0 when there are none for
 * him, and what holds without them, within the scopes of his token.
 */

static ngx_uint_t
ngx_http_registry_may_by_rules(const ngx_http_registry_who_t *who,
    reg_subject_t *subject, reg_access_e *otherwise)
{
    if (who->scopes && who->owner.len == 0) {
        *otherwise = REG_ACCESS_ALLOW;
        return 0;
    }

    if (who->rules == NULL) {
        *otherwise = (who->user.len || !who->own) ? REG_ACCESS_ALLOW
                                                  : REG_ACCESS_DENY;
        return 0;
    }

    subject->user = who->owner.len ? who->owner : who->user;
    subject->groups = who->groups;

    return 1;
}


static reg_access_e
ngx_http_registry_may_by_scopes(const ngx_http_registry_who_t *who,
    unsigned may, reg_str_t name)
{
    unsigned  granted;

    if (name.len == 0) {
        return reg_tokens_somewhere(who->scopes, may) ? REG_ACCESS_ALLOW
                                                      : REG_ACCESS_DENY;
    }

    if (reg_tokens_may(who->scopes, may, name, &granted) != 0) {
        return REG_ACCESS_ERROR;
    }

    return (may & ~granted) ? REG_ACCESS_DENY : REG_ACCESS_ALLOW;
}
