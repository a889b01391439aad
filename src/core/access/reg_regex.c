
#include "reg_name.h"
#include "reg_pattern_private.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH  8
#include <pcre2.h>


/*
 * Enough for any sensible pattern over 255 bytes, and over in a millisecond;
 * what needs more backtracks without end.
 */
#define REG_REGEX_MATCH_MAX  20000
#define REG_REGEX_HEAP_KB    512


/*
 * With $user in the pattern, what is matched is the user, a NUL and the name,
 * and $user refers back to the first.  NUL is the newline of such a pattern,
 * so that "^" and "$" match around the name.
 */

#define REG_REGEX_USER_HEAD  "\\A(?<reg_user>[^\\x00]++)\\x00(?:"
#define REG_REGEX_USER_TAIL  ")\\z"
#define REG_REGEX_USER_REF   "\\k<reg_user>"


struct reg_regex_s {
    pcre2_code           *code;
    pcre2_match_context  *limits;
    unsigned              user:1;     /* $user is in it */
};


static int reg_regex_expand(reg_buf_t *b, reg_str_t text, unsigned *user,
    reg_why_t *why);
static size_t reg_regex_escape(reg_str_t rest, unsigned *bare);
static size_t reg_regex_class(reg_str_t rest, unsigned *class);
static int reg_regex_refers(reg_str_t rest);
static int reg_regex_compile_text(reg_regex_t *r, reg_str_t source,
    reg_why_t *why);
static pcre2_code *reg_regex_code(reg_str_t source, unsigned user,
    reg_why_t *why);


reg_regex_t *
reg_regex_compile(reg_str_t text, reg_why_t *why)
{
    int           rc;
    unsigned      user;
    reg_buf_t     b;
    reg_regex_t  *r;

    if (text.len == 0) {
        (void) reg_why_set(why, "the regular expression is empty");
        return NULL;
    }

    r = calloc(1, sizeof(reg_regex_t));

    if (r == NULL) {
        (void) reg_why_set(why, "out of memory");
        return NULL;
    }

    /* each "$user" grows */

    reg_buf_init(&b, REG_PATTERN_MAX * 4);

    rc = reg_regex_expand(&b, text, &user, why);

    /*
     * First as it was written: an expression that is whole by itself cannot
     * close our parenthesis and go on behind it.
     */

    if (rc == 0) {
        rc = reg_regex_compile_text(r, text, why);
    }

    if (rc == 0 && user) {
        r->user = 1;
        rc = reg_regex_compile_text(r, reg_buf_slice(&b), why);
    }

    reg_buf_free(&b);

    if (rc != 0) {
        reg_regex_free(r);
        return NULL;
    }

    return r;
}


/*
 * Writes the pattern as it is compiled when $user is in it, and tells whether
 * it is.  What would count groups from the outside is refused then, because
 * ours is the first.
 */

static int
reg_regex_expand(reg_buf_t *b, reg_str_t text, unsigned *user, reg_why_t *why)
{
    int        rc;
    size_t     i, n;
    unsigned   bare, class;
    reg_str_t  rest;

    *user = 0;
    bare = 1;
    class = 0;

    reg_buf_str(b, reg_str(REG_REGEX_USER_HEAD));

    for (i = 0; i < text.len; i += n) {
        rest.data = text.data + i;
        rest.len = text.len - i;
        n = 1;

        /* may end a match or set options from within */

        if (reg_str_starts(rest, reg_str("(*"))) {
            return reg_why_set(why, "verbs such as (*ACCEPT) cannot be used "
                               "in \"%.*s\"", reg_why_str(text));
        }

        if (rest.data[0] == '\\') {
            n = reg_regex_escape(rest, &bare);

        } else if (class || rest.data[0] == '[') {
            n = reg_regex_class(rest, &class);

            if (n == 0) {
                return reg_why_set(why, "$user cannot stand within brackets "
                                   "in \"%.*s\"", reg_why_str(text));
            }

        } else if (reg_regex_refers(rest)) {
            bare = 0;

        } else if (rest.data[0] == '$' && rest.len > 1
                   && (rest.data[1] == 'u'
                       || reg_str_starts(rest, reg_str("${u"))))
        {
            rc = reg_pattern_variable(rest, why);

            if (rc < 0) {
                return -1;
            }

            reg_buf_str(b, reg_str(REG_REGEX_USER_REF));

            n = (size_t) rc;
            *user = 1;
            continue;
        }

        reg_buf_add(b, rest.data, n);
    }

    reg_buf_str(b, reg_str(REG_REGEX_USER_TAIL));

    if (reg_buf_failed(b)) {
        return reg_why_set(why, "out of memory");
    }

    if (*user && !bare) {
        return reg_why_set(why, "$user cannot stand together with references "
                           "to groups, recursion, \\A, \\G or \\K in \"%.*s\"",
                           reg_why_str(text));
    }

    return 0;
}


/*
 * The length of a piece of a class, which begins at the first piece and ends
 * with the last; 0 for $user in it.  What "\k<...>" means there depends on
 * the version of the library, and nothing of it is the user.
 */

static size_t
reg_regex_class(reg_str_t rest, unsigned *class)
{
    size_t  i;

    if (!*class) {
        *class = 1;

        i = (rest.len > 1 && rest.data[1] == '^') ? 2 : 1;

        /* a bracket that comes first is one of the class */

        return (rest.len > i && rest.data[i] == ']') ? i + 1 : i;
    }

    if (rest.data[0] == ']') {
        *class = 0;
        return 1;
    }

    if (rest.len > 1 && rest.data[0] == '['
        && strchr(":.=", rest.data[1]) != NULL)
    {
        for (i = 2; i + 1 < rest.len && rest.data[i] != ']'; i++) {
            if (rest.data[i] == rest.data[1] && rest.data[i + 1] == ']') {
                return i + 2;
            }
        }
    }

    return (reg_str_starts(rest, reg_str("$user"))
            || reg_str_starts(rest, reg_str("${user}"))) ? 0 : 1;
}


/*
 * Whether a group begins here that is none but refers to others, by number,
 * name or as a whole: "(?1)", "(?R)", "(?-1)", "(?(1)...)", "(?&x)", "(?P>x)".
 */

static int
reg_regex_refers(reg_str_t rest)
{
    if (rest.len < 3 || !reg_str_starts(rest, reg_str("(?"))
        || strchr("R(+-&P0123456789", rest.data[2]) == NULL)
    {
        return 0;
    }

    /* (?-i) is harmless, (?-1) is not: a sign alone does not tell */

    return strchr("+-", rest.data[2]) == NULL
           || (rest.len > 3 && rest.data[3] >= '0' && rest.data[3] <= '9');
}


/* The length of an escape; a quoted run is taken whole, "$user" and all. */

static size_t
reg_regex_escape(reg_str_t rest, unsigned *bare)
{
    size_t  i;

    if (rest.len < 2) {
        return 1;
    }

    if (rest.data[1] == 'Q') {

        for (i = 2; i + 1 < rest.len; i++) {
            if (rest.data[i] == '\\' && rest.data[i + 1] == 'E') {
                return i + 2;
            }
        }

        /* quoted to the end: that would quote what we put behind it, too */

        *bare = 0;

        return rest.len;
    }

    if (strchr("123456789gkAGK", rest.data[1]) != NULL) {
        *bare = 0;
    }

    return 2;
}


static int
reg_regex_compile_text(reg_regex_t *r, reg_str_t source, reg_why_t *why)
{
    pcre2_code_free(r->code);

    r->code = reg_regex_code(source, r->user, why);

    if (r->code == NULL) {
        return -1;
    }

    if (r->limits != NULL) {
        return 0;
    }

    r->limits = pcre2_match_context_create(NULL);

    if (r->limits == NULL) {
        return reg_why_set(why, "out of memory");
    }

    (void) pcre2_set_match_limit(r->limits, REG_REGEX_MATCH_MAX);
    (void) pcre2_set_depth_limit(r->limits, REG_REGEX_MATCH_MAX);
    (void) pcre2_set_heap_limit(r->limits, REG_REGEX_HEAP_KB);

    return 0;
}


static pcre2_code *
reg_regex_code(reg_str_t source, unsigned user, reg_why_t *why)
{
    int                     code;
    size_t                  at;
    uint32_t                options;
    pcre2_code             *re;
    PCRE2_UCHAR             sentence[128];
    pcre2_compile_context  *ctx;

    ctx = pcre2_compile_context_create(NULL);

    if (ctx == NULL) {
        (void) reg_why_set(why, "out of memory");
        return NULL;
    }

    options = PCRE2_ANCHORED|PCRE2_ENDANCHORED|PCRE2_NEVER_UTF|PCRE2_NEVER_UCP;

    if (user) {
        (void) pcre2_set_newline(ctx, PCRE2_NEWLINE_NUL);
        options |= PCRE2_MULTILINE;

    } else {
        options |= PCRE2_DOLLAR_ENDONLY;
    }

    re = pcre2_compile((PCRE2_SPTR) source.data, source.len, options, &code,
                       &at, ctx);

    pcre2_compile_context_free(ctx);

    if (re == NULL) {

        if (pcre2_get_error_message(code, sentence, sizeof(sentence)) < 0) {
            sentence[0] = '\0';
        }

        (void) reg_why_set(why, "no regular expression, at byte %zu: %s", at,
                           (char *) sentence);
    }

    return re;
}


void
reg_regex_free(reg_regex_t *r)
{
    if (r == NULL) {
        return;
    }

    pcre2_code_free(r->code);
    pcre2_match_context_free(r->limits);
    free(r);
}


int
reg_regex_match(const reg_regex_t *r, reg_str_t user, reg_str_t name,
    void **match)
{
    int        rc;
    char       text[REG_NAME_MAX + 1 + REG_NAME_MAX];
    reg_str_t  subject;

    subject = name;

    if (r->user) {

        if (user.len == 0 || user.len > REG_NAME_MAX
            || name.len > REG_NAME_MAX)
        {
            return 0;
        }

        memcpy(text, user.data, user.len);
        text[user.len] = '\0';
        memcpy(text + user.len + 1, name.data, name.len);

        subject.data = text;
        subject.len = user.len + 1 + name.len;
    }

    if (*match == NULL) {
        *match = pcre2_match_data_create(1, NULL);

        if (*match == NULL) {
            return -1;
        }
    }

    rc = pcre2_match(r->code, (PCRE2_SPTR) subject.data, subject.len, 0, 0,
                     *match, r->limits);

    /* 0: it matched, and there was no room for its groups */

    if (rc >= 0) {
        return 1;
    }

    return (rc == PCRE2_ERROR_NOMATCH) ? 0 : -1;
}


void
reg_regex_match_free(void *match)
{
    pcre2_match_data_free(match);
}
