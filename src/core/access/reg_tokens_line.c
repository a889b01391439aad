
#include "reg_tokens_line.h"
#include "reg_lines.h"

#include <string.h>


#define REG_TOKENS_HASH_HEAD  "sha256:"


static int reg_tokens_next(reg_str_t *rest, reg_str_t *word,
    reg_tokens_line_t *l, const char **why);
static int reg_tokens_hash(reg_str_t word, unsigned char *hash);
static int reg_tokens_hex(char c);
static int reg_tokens_word(reg_tokens_line_t *l, reg_str_t word,
    const char **why);
static int reg_tokens_is(reg_str_t word, const char *key, reg_str_t *value);
static int reg_tokens_expires(reg_tokens_line_t *l, reg_str_t value,
    const char **why);
static int reg_tokens_created(reg_tokens_line_t *l, reg_str_t value,
    const char **why);
static int reg_tokens_owner(reg_tokens_line_t *l, reg_str_t value,
    const char **why);
static int reg_tokens_allow(reg_tokens_line_t *l, reg_str_t value,
    const char **why);
static int reg_tokens_control(reg_str_t s);
static int reg_tokens_print_word(reg_buf_t *b, const char *key,
    reg_str_t value, const char **why);
static int reg_tokens_print_time(reg_buf_t *b, const char *key, int64_t time,
    const char **why);


int
reg_tokens_name_valid(reg_str_t s)
{
    char    c;
    size_t  i;

    if (s.len == 0 || s.len > REG_TOKENS_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9'))
        {
            continue;
        }

        if (i == 0 || c == '\0' || strchr("._-@+", c) == NULL) {
            return 0;
        }
    }

    return 1;
}


int
reg_tokens_line_parse(reg_tokens_line_t *l, reg_str_t line, const char **why)
{
    int        rc;
    reg_str_t  rest, word;

    memset(l, 0, sizeof(reg_tokens_line_t));

    l->expires = -1;
    l->created = -1;
    l->body = line;

    if (memchr(line.data, '\0', line.len) != NULL) {
        *why = "the line holds a NUL byte";
        return -1;
    }

    rest = line;

    if (reg_tokens_next(&rest, &word, l, why) != 1
        || word.data != line.data || !reg_tokens_name_valid(word))
    {
        *why = "the line does not begin with the name of a token";
        return -1;
    }

    l->name = word;

    if (reg_tokens_next(&rest, &word, l, why) != 1
        || reg_tokens_hash(word, l->hash) != 0)
    {
        *why = "no \"sha256:\" and 64 digits behind the name";
        return -1;
    }

    while ((rc = reg_tokens_next(&rest, &word, l, why)) == 1) {
        if (reg_tokens_word(l, word, why) != 0) {
            return -1;
        }
    }

    if (rc != 0) {
        return -1;
    }

    if (l->expires == -1) {
        *why = "no expires=, which may be a time or \"never\"";
        return -1;
    }

    if (l->n == 0) {
        *why = "no allow=, so the token would be good for nothing";
        return -1;
    }

    return 0;
}


/* The next word: 1.  0 at the end or at a comment; -1 and *why. */

static int
reg_tokens_next(reg_str_t *rest, reg_str_t *word, reg_tokens_line_t *l,
    const char **why)
{
    int          rc;
    const char  *p, *end;

    p = rest->data;
    end = p + rest->len;

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    if (p < end && *p == '#') {
        l->body.len = (size_t) (p - l->body.data);

        do {
            p++;
        } while (p < end && (*p == ' ' || *p == '\t'));

        l->comment.data = p;
        l->comment.len = (size_t) (end - p);

        rest->data = end;
        rest->len = 0;

        while (l->body.len != 0
               && (l->body.data[l->body.len - 1] == ' '
                   || l->body.data[l->body.len - 1] == '\t'))
        {
            l->body.len--;
        }

        return 0;
    }

    rc = reg_lines_word(rest, word);

    if (rc < 0) {
        *why = "a quote has no end, or no blank behind it";
    }

    return rc;
}


static int
reg_tokens_hash(reg_str_t word, unsigned char *hash)
{
    int          high, low;
    size_t       i;
    const char  *p;

    if (word.len != sizeof(REG_TOKENS_HASH_HEAD) - 1 + REG_SECRET_HASH * 2
        || !reg_str_starts(word, reg_str(REG_TOKENS_HASH_HEAD)))
    {
        return -1;
    }

    p = word.data + sizeof(REG_TOKENS_HASH_HEAD) - 1;

    for (i = 0; i < REG_SECRET_HASH; i++) {
        high = reg_tokens_hex(p[i * 2]);
        low = reg_tokens_hex(p[i * 2 + 1]);

        if (high < 0 || low < 0) {
            return -1;
        }

        hash[i] = (unsigned char) (high << 4 | low);
    }

    return 0;
}


static int
reg_tokens_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}


static int
reg_tokens_word(reg_tokens_line_t *l, reg_str_t word, const char **why)
{
    reg_str_t  value;

    if (reg_tokens_is(word, "expires=", &value)) {
        return reg_tokens_expires(l, value, why);
    }

    if (reg_tokens_is(word, "created=", &value)) {
        return reg_tokens_created(l, value, why);
    }

    if (reg_tokens_is(word, "user=", &value)) {
        return reg_tokens_owner(l, value, why);
    }

    if (reg_tokens_is(word, "allow=", &value)) {
        return reg_tokens_allow(l, value, why);
    }

    if (reg_tokens_is(word, "x-", &value)
        && memchr(word.data, '=', word.len) != NULL)
    {
        return 0;
    }

    *why = "a word that this version does not know, which may be a "
           "restriction";

    return -1;
}


static int
reg_tokens_is(reg_str_t word, const char *key, reg_str_t *value)
{
    size_t  len;

    len = strlen(key);

    if (word.len < len || memcmp(word.data, key, len) != 0) {
        return 0;
    }

    value->data = word.data + len;
    value->len = word.len - len;

    return 1;
}


static int
reg_tokens_expires(reg_tokens_line_t *l, reg_str_t value, const char **why)
{
    if (l->expires != -1) {
        *why = "expires= stands twice";
        return -1;
    }

    if (reg_str_eq(value, reg_str("never"))) {
        l->expires = REG_TOKENS_NEVER;
        return 0;
    }

    if (reg_time_parse(value, &l->expires) != 0) {
        *why = "expires= is neither a time nor \"never\"";
        return -1;
    }

    return 0;
}


static int
reg_tokens_created(reg_tokens_line_t *l, reg_str_t value, const char **why)
{
    if (l->created != -1) {
        *why = "created= stands twice";
        return -1;
    }

    if (reg_time_parse(value, &l->created) != 0) {
        *why = "created= is no time";
        return -1;
    }

    return 0;
}


static int
reg_tokens_owner(reg_tokens_line_t *l, reg_str_t value, const char **why)
{
    if (l->owner.len != 0) {
        *why = "user= stands twice";
        return -1;
    }

    if (!reg_user_valid(value)) {
        *why = "user= is no name of a user";
        return -1;
    }

    l->owner = value;

    return 0;
}


static int
reg_tokens_allow(reg_tokens_line_t *l, reg_str_t value, const char **why)
{
    reg_str_t  actions, pattern;

    if (l->n == REG_TOKENS_ALLOW_MAX) {
        *why = "too many allow=";
        return -1;
    }

    if (reg_tokens_allow_split(value, &actions, &pattern) != 0) {
        *why = "allow= is not actions, a colon and a pattern";
        return -1;
    }

    l->allow[l->n++] = value;

    return 0;
}


int
reg_tokens_allow_split(reg_str_t allow, reg_str_t *actions, reg_str_t *pattern)
{
    const char  *colon;

    colon = (allow.len == 0) ? NULL : memchr(allow.data, ':', allow.len);

    if (colon == NULL) {
        return -1;
    }

    actions->data = allow.data;
    actions->len = (size_t) (colon - allow.data);

    pattern->data = colon + 1;
    pattern->len = allow.len - actions->len - 1;

    return (actions->len == 0 || pattern->len == 0) ? -1 : 0;
}


int
reg_tokens_line_print(reg_buf_t *b, const reg_tokens_line_t *l,
    const char **why)
{
    size_t  i;

    if (!reg_tokens_name_valid(l->name)) {
        *why = "a token's name has letters, digits and \"._-@+\", and begins "
               "with a letter or digit";
        return -1;
    }

    if (reg_tokens_control(l->comment)) {
        *why = "the comment holds control bytes";
        return -1;
    }

    reg_buf_str(b, l->name);
    reg_buf_str(b, reg_str(" " REG_TOKENS_HASH_HEAD));

    for (i = 0; i < REG_SECRET_HASH; i++) {
        reg_buf_printf(b, "%02x", l->hash[i]);
    }

    if (reg_tokens_print_time(b, "expires=", l->expires, why) != 0
        || (l->created != -1
            && reg_tokens_print_time(b, "created=", l->created, why) != 0)
        || (l->owner.len != 0
            && reg_tokens_print_word(b, "user=", l->owner, why) != 0))
    {
        return -1;
    }

    for (i = 0; i < l->n; i++) {
        if (reg_tokens_print_word(b, "allow=", l->allow[i], why) != 0) {
            return -1;
        }
    }

    if (l->comment.len != 0) {
        reg_buf_str(b, reg_str(" # "));
        reg_buf_str(b, l->comment);
    }

    if (reg_buf_failed(b)) {
        *why = "out of memory";
        return -1;
    }

    return 0;
}


static int
reg_tokens_control(reg_str_t s)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < s.len; i++) {
        c = (unsigned char) s.data[i];

        if (c < 0x20 || c == 0x7f) {
            return 1;
        }
    }

    return 0;
}


static int
reg_tokens_print_word(reg_buf_t *b, const char *key, reg_str_t value,
    const char **why)
{
    int  quote;

    if (reg_tokens_control(value)) {
        *why = "a value holds control bytes";
        return -1;
    }

    quote = (memchr(value.data, ' ', value.len) != NULL);

    if (quote && memchr(value.data, '"', value.len) != NULL) {
        *why = "a value holds both blanks and a double quote";
        return -1;
    }

    reg_buf_printf(b, quote ? " \"%s" : " %s", key);
    reg_buf_str(b, value);

    if (quote) {
        reg_buf_str(b, reg_str("\""));
    }

    return 0;
}


static int
reg_tokens_print_time(reg_buf_t *b, const char *key, int64_t time,
    const char **why)
{
    char  text[REG_TIME_LEN + 1];

    if (time == REG_TOKENS_NEVER) {
        reg_buf_printf(b, " %snever", key);
        return 0;
    }

    if (reg_time_print(time, text) != 0) {
        *why = "a time is not between the years 1970 and 9999";
        return -1;
    }

    reg_buf_printf(b, " %s%s", key, text);

    return 0;
}
