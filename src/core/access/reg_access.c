
#include "reg_access.h"
#include "reg_name.h"
#include "reg_rules_private.h"


static int reg_access_is(const reg_rule_t *rule, const reg_subject_t *s);
static int reg_access_about(const reg_rule_t *rule, reg_pattern_ctx_t *ctx,
    reg_str_t name);


/* Whether the rule is about this user. */

static int
reg_access_is(const reg_rule_t *rule, const reg_subject_t *s)
{
    switch (rule->who) {

    case REG_WHO_EVERYBODY:
        return 1;

    case REG_WHO_ANONYMOUS:
        return s->user.len == 0;

    case REG_WHO_AUTHENTICATED:
        return s->user.len != 0;

    case REG_WHO_USER:
        return reg_str_eq(rule->name, s->user);

    case REG_WHO_GROUP:
        return reg_groups_has(s->groups, rule->name, s->user);
    }

    return 0;
}


/* Whether the rule is about this repository; -1 when it cannot be said. */

static int
reg_access_about(const reg_rule_t *rule, reg_pattern_ctx_t *ctx,
    reg_str_t name)
{
    int     rc;
    size_t  i;

    for (i = 0; i < rule->n; i++) {
        rc = reg_pattern_match(rule->patterns[i], ctx, name);

        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


int
reg_access_grant(const reg_rules_t *r, const reg_subject_t *s,
    unsigned wanted, reg_str_t name, unsigned *granted)
{
    int                 rc;
    size_t              i;
    unsigned            open, got;
    const reg_rule_t   *rule;
    reg_pattern_ctx_t   ctx;

    *granted = 0;

    if (!reg_name_valid(name)) {
        return 0;
    }

    if (!r->stand) {
        *granted = (s->user.len == 0) ? 0 : wanted;
        return 0;
    }

    rc = 0;
    got = 0;
    open = wanted;

    reg_pattern_begin(&ctx, s->user);

    for (i = 0; i < r->n && open != 0; i++) {
        rule = &r->rules[i];

        if (!(rule->may & open) || !reg_access_is(rule, s)) {
            continue;
        }

        rc = reg_access_about(rule, &ctx, name);

        if (rc < 0) {
            break;
        }

        if (rc == 0) {
            continue;
        }

        if (rule->allow) {
            got |= rule->may & open;
        }

        /* these are settled, whatever later rules say */

        open &= ~rule->may;
    }

    reg_pattern_end(&ctx);

    if (rc < 0) {
        return -1;
    }

    *granted = got;

    return 0;
}


reg_access_e
reg_access_decide(const reg_rules_t *r, const reg_subject_t *s, unsigned may,
    reg_str_t name)
{
    unsigned  granted;

    if (may == 0) {
        return (s->user.len == 0) ? REG_ACCESS_DENY : REG_ACCESS_ALLOW;
    }

    if (reg_access_grant(r, s, may, name, &granted) != 0) {
        return REG_ACCESS_ERROR;
    }

    return (granted == may) ? REG_ACCESS_ALLOW : REG_ACCESS_DENY;
}


reg_access_e
reg_access_somewhere(const reg_rules_t *r, const reg_subject_t *s,
    unsigned may)
{
    size_t    i;
    unsigned  open;

    if (!r->stand) {
        return (s->user.len == 0) ? REG_ACCESS_DENY : REG_ACCESS_ALLOW;
    }

    open = may;

    for (i = 0; i < r->n && open != 0; i++) {
        if (r->rules[i].allow && reg_access_is(&r->rules[i], s)) {
            open &= ~r->rules[i].may;
        }
    }

    return (open == 0) ? REG_ACCESS_ALLOW : REG_ACCESS_DENY;
}
