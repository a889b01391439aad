
#include "reg_rules.h"
#include "reg_groups.h"
#include "reg_lines.h"
#include "reg_rules_private.h"

#include <stdlib.h>
#include <string.h>


static int reg_rules_who(reg_rule_t *rule, reg_str_t word, reg_why_t *why);
static int reg_rules_actions(reg_rule_t *rule, reg_str_t word,
    reg_why_t *why);
static int reg_rules_patterns(reg_rule_t *rule, const reg_str_t *words,
    size_t n, reg_why_t *why);
static int reg_rules_room(reg_rules_t *r);
static void reg_rules_clear(reg_rule_t *rule);
static int reg_rules_line(reg_rules_t *r, reg_str_t line, reg_str_t *words,
    reg_why_t *why);


reg_rules_t *
reg_rules_create(void)
{
    return calloc(1, sizeof(reg_rules_t));
}


void
reg_rules_free(reg_rules_t *r)
{
    size_t  i;

    if (r == NULL) {
        return;
    }

    for (i = 0; i < r->n; i++) {
        reg_rules_clear(&r->rules[i]);
    }

    free(r->rules);
    free(r);
}


static void
reg_rules_clear(reg_rule_t *rule)
{
    size_t  i;

    for (i = 0; i < rule->n; i++) {
        reg_pattern_free(rule->patterns[i]);
    }

    free(rule->patterns);
    free(rule->text);
}


int
reg_rules_add(reg_rules_t *r, int allow, const reg_str_t *words, size_t n,
    reg_why_t *why)
{
    reg_rule_t  rule;

    if (n < 3) {
        return reg_why_set(why, "a rule needs who, what and where: a user, "
                           "actions and at least one pattern");
    }

    if (r->n == REG_RULES_MAX) {
        return reg_why_set(why, "there are more than %d rules", REG_RULES_MAX);
    }

    memset(&rule, 0, sizeof(rule));

    rule.allow = (allow != 0);

    if (reg_rules_who(&rule, words[0], why) != 0
        || reg_rules_actions(&rule, words[1], why) != 0
        || reg_rules_patterns(&rule, words + 2, n - 2, why) != 0)
    {
        reg_rules_clear(&rule);
        return -1;
    }

    if (reg_rules_room(r) != 0) {
        reg_rules_clear(&rule);
        return reg_why_set(why, "out of memory");
    }

    r->rules[r->n++] = rule;
    r->stand = 1;

    return 0;
}


static int
reg_rules_who(reg_rule_t *rule, reg_str_t word, reg_why_t *why)
{
    size_t  skip;

    skip = 0;

    if (reg_str_eq(word, reg_str("*"))) {
        rule->who = REG_WHO_EVERYBODY;
        return 0;
    }

    if (reg_str_eq(word, reg_str("anonymous"))) {
        rule->who = rule->allow ? REG_WHO_EVERYBODY : REG_WHO_ANONYMOUS;
        return 0;
    }

    if (reg_str_eq(word, reg_str("authenticated"))) {
        rule->who = REG_WHO_AUTHENTICATED;
        return 0;
    }

    rule->who = REG_WHO_USER;

    if (reg_str_starts(word, reg_str("user:"))) {
        skip = sizeof("user:") - 1;

    } else if (reg_str_starts(word, reg_str("@"))) {
        rule->who = REG_WHO_GROUP;
        skip = 1;
    }

    rule->name.data = word.data + skip;
    rule->name.len = word.len - skip;

    if (rule->who == REG_WHO_GROUP ? !reg_group_valid(rule->name)
                                   : !reg_user_valid(rule->name))
    {
        return reg_why_set(why, "\"%.*s\" can be the name of no user and no "
                           "group", reg_why_str(word));
    }

    rule->text = malloc(rule->name.len);

    if (rule->text == NULL) {
        return reg_why_set(why, "out of memory");
    }

    memcpy(rule->text, rule->name.data, rule->name.len);
    rule->name.data = rule->text;

    return 0;
}


static int
reg_rules_actions(reg_rule_t *rule, reg_str_t word, reg_why_t *why)
{
    size_t     i;
    unsigned   bit;
    reg_str_t  name;

    if (reg_str_eq(word, reg_str("*"))) {
        rule->may = REG_MAY_ALL;
        return 0;
    }

    name.data = word.data;
    name.len = 0;

    for (i = 0; i <= word.len; i++) {

        if (i < word.len && word.data[i] != ',') {
            name.len++;
            continue;
        }

        bit = reg_may_find(name);

        if (bit == 0) {
            return reg_why_set(why, "there is no action \"%.*s\": the actions "
                               "are pull, push, update, delete and list, or * "
                               "for all of them", reg_why_str(name));
        }

        if (rule->may & bit) {
            return reg_why_set(why, "the action \"%.*s\" stands twice",
                               reg_why_str(name));
        }

        rule->may |= bit;

        if (i < word.len) {
            name.data = word.data + i + 1;
            name.len = 0;
        }
    }

    return 0;
}


static int
reg_rules_patterns(reg_rule_t *rule, const reg_str_t *words, size_t n,
    reg_why_t *why)
{
    size_t  i;

    if (n > REG_RULE_PATTERNS) {
        return reg_why_set(why, "more than %d patterns in a rule",
                           REG_RULE_PATTERNS);
    }

    rule->patterns = calloc(n, sizeof(reg_pattern_t *));

    if (rule->patterns == NULL) {
        return reg_why_set(why, "out of memory");
    }

    for (i = 0; i < n; i++) {
        rule->patterns[i] = reg_pattern_compile(words[i], why);

        if (rule->patterns[i] == NULL) {
            return -1;
        }

        rule->n++;
    }

    return 0;
}


static int
reg_rules_room(reg_rules_t *r)
{
    size_t       size;
    reg_rule_t  *rules;

    if (r->n < r->size) {
        return 0;
    }

    size = (r->size == 0) ? 16 : r->size * 2;
    rules = realloc(r->rules, size * sizeof(reg_rule_t));

    if (rules == NULL) {
        return -1;
    }

    r->rules = rules;
    r->size = size;

    return 0;
}


int
reg_rules_parse(reg_rules_t *r, reg_str_t text, size_t *line, reg_why_t *why)
{
    int           rc;
    reg_str_t     s, *words;
    reg_lines_t   lines;

    *line = 0;

    if (text.len > REG_LINES_FILE_MAX) {
        return reg_why_set(why, "the file of rules is larger than %d bytes",
                           REG_LINES_FILE_MAX);
    }

    words = malloc((REG_RULE_PATTERNS + 3) * sizeof(reg_str_t));

    if (words == NULL) {
        return reg_why_set(why, "out of memory");
    }

    r->stand = 1;
    rc = 0;

    reg_lines_init(&lines, text);

    while (rc == 0 && reg_lines_next(&lines, &s)) {
        rc = reg_rules_line(r, s, words, why);

        if (rc != 0) {
            *line = lines.number;
        }
    }

    free(words);

    return rc;
}


static int
reg_rules_line(reg_rules_t *r, reg_str_t line, reg_str_t *words,
    reg_why_t *why)
{
    int        rc, allow;
    size_t     n;
    reg_str_t  word;

    n = 0;

    while ((rc = reg_lines_word(&line, &word)) == 1) {

        if (n == REG_RULE_PATTERNS + 3) {
            return reg_why_set(why, "more than %d patterns in a rule",
                               REG_RULE_PATTERNS);
        }

        words[n++] = word;
    }

    if (rc < 0) {
        return reg_why_set(why, "a quote has no end, or no blank behind it");
    }

    allow = reg_str_eq(words[0], reg_str("allow"));

    if (!allow && !reg_str_eq(words[0], reg_str("deny"))) {
        return reg_why_set(why, "a rule begins with \"allow\" or \"deny\", "
                           "not with \"%.*s\"", reg_why_str(words[0]));
    }

    return reg_rules_add(r, allow, words + 1, n - 1, why);
}


size_t
reg_rules_count(const reg_rules_t *r)
{
    return r->n;
}


int
reg_rules_anonymous(const reg_rules_t *r)
{
    size_t  i;

    for (i = 0; i < r->n; i++) {
        if (r->rules[i].allow && r->rules[i].who == REG_WHO_EVERYBODY) {
            return 1;
        }
    }

    return 0;
}


reg_str_t
reg_rules_next_group(const reg_rules_t *r, size_t *i)
{
    while (*i < r->n) {
        if (r->rules[(*i)++].who == REG_WHO_GROUP) {
            return r->rules[*i - 1].name;
        }
    }

    return reg_null_str;
}
