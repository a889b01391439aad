
/* registryctl token: the file of registry_access_tokens. */


#include "reg_cli_file.h"
#include "reg_edit.h"
#include "reg_lines.h"
#include "reg_tokens.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>


#define TOKEN_MODE     0640
#define TOKEN_EXPIRES  "90d"


static reg_cli_exit_e token_create(const reg_cli_t *c);
static reg_cli_exit_e token_list(const reg_cli_t *c);
static reg_cli_exit_e token_revoke(const reg_cli_t *c);
static reg_cli_exit_e token_ask(const reg_cli_t *c, reg_tokens_line_t *l);
static reg_cli_exit_e token_allow(const reg_cli_t *c, reg_tokens_line_t *l);
static reg_cli_exit_e token_pattern(const reg_tokens_line_t *l,
    reg_rules_t *rules, const char *allow);
static reg_cli_exit_e token_expires(const char *text, int64_t now,
    int64_t *expires);
static reg_cli_exit_e token_write(const reg_cli_t *c,
    const reg_tokens_line_t *l);
static reg_cli_exit_e token_tell(const reg_cli_t *c,
    const reg_tokens_line_t *l, const char *secret);
static reg_cli_exit_e token_lines(reg_cli_file_t *f,
    reg_cli_skipped_t *skipped, int json);
static void token_row(reg_buf_t *b, const reg_tokens_line_t *l, int64_t now);
static void token_object(reg_buf_t *b, const reg_tokens_line_t *l,
    const char *key, const char *value);
static void token_time(int64_t time, char *text);


static const reg_cli_option_t  create_options[] = {
    { "allow", 0, "ACTIONS:PATTERN", 1, 1,
      "what it may do where, as in registry_allow: pull, push, update, "
      "delete and list, parted by commas, or *; a colon; a glob (** is every "
      "repository) or a ~regex" },
    { "expires", 0, "WHEN", 0, 0,
      "after 30d, 12h, 2w or 45m; at the end of 2026-12-31, UTC; never; "
      "default: " TOKEN_EXPIRES },
    { "user", 0, "OWNER", 0, 0,
      "the user on whose behalf it acts: it may do no more than the rules "
      "allow him, and $user in a pattern stands for him" },
    { "comment", 0, "TEXT", 0, 0,
      "a note, kept in the file" },
    { "json", 0, NULL, 0, 0, "print JSON instead of the bare secret" },
    { NULL, 0, NULL, 0, 0, NULL }
};

static const reg_cli_option_t  list_options[] = {
    { "json", 0, NULL, 0, 0, "print JSON" },
    { NULL, 0, NULL, 0, 0, NULL }
};

static const reg_cli_option_t  no_options[] = {
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  commands[] = {
    { "create", { "FILE", "NAME" },
      "Makes a token and prints its secret, this once: the file holds only a "
      "hash of it.  Makes the file if it is not there.",
      token_create, create_options },

    { "list", { "FILE" },
      "Lists the tokens: what they may do, since when and until when.",
      token_list, list_options },

    { "revoke", { "FILE", "NAME" },
      "Removes a token.",
      token_revoke, no_options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_token = {
    "token",
    "Access tokens, in the file of registry_access_tokens",
    commands,
    "FILE is what registry_access_tokens names.  A token is used as a "
    "password, with its name as the user: docker login -u NAME.  nginx sees a "
    "change at the next request, without a reload.\n\n"
    "To give somebody a token for 30 days that can only read:\n\n"
    "  registryctl token create FILE NAME --expires 30d --allow 'pull:**'"
};


static reg_cli_exit_e
token_create(const reg_cli_t *c)
{
    char               secret[REG_SECRET_LEN + 1];
    reg_cli_exit_e     rc;
    reg_tokens_line_t  l;

    rc = token_ask(c, &l);

    if (rc != REG_CLI_OK) {
        return rc;
    }

    if (reg_secret_make(secret) != 0
        || reg_secret_hash(reg_str_of(secret), l.hash) != 1)
    {
        return reg_cli_fail(REG_CLI_FAILED, "no random bytes can be had");
    }

    rc = token_write(c, &l);

    /* not before the server may know it */

    if (rc == REG_CLI_OK) {
        rc = token_tell(c, &l, secret);
    }

    OPENSSL_cleanse(secret, sizeof(secret));

    return rc;
}


/* What the call asks for, all but the hash. */

static reg_cli_exit_e
token_ask(const reg_cli_t *c, reg_tokens_line_t *l)
{
    int64_t         now;
    const char     *expires;
    reg_cli_exit_e  rc;

    now = (int64_t) time(NULL);

    memset(l, 0, sizeof(reg_tokens_line_t));

    l->created = now;
    l->name = reg_str_of(c->operands[1]);
    l->owner = reg_str_of(reg_cli_value(c, "user"));
    l->comment = reg_str_of(reg_cli_value(c, "comment"));

    if (!reg_tokens_name_valid(l->name)) {
        return reg_cli_fail(REG_CLI_USAGE, "\"%s\" cannot be the name of a "
                            "token: letters, digits and \". _ - @ +\", "
                            "beginning with a letter or digit, at most %d",
                            c->operands[1], REG_TOKENS_NAME_MAX);
    }

    if (reg_cli_value(c, "user") != NULL && !reg_user_valid(l->owner)) {
        return reg_cli_fail(REG_CLI_USAGE, "\"%s\" cannot be the name of a "
                            "user", reg_cli_value(c, "user"));
    }

    expires = reg_cli_value(c, "expires");

    rc = token_expires((expires == NULL) ? TOKEN_EXPIRES : expires, now,
                       &l->expires);

    return (rc == REG_CLI_OK) ? token_allow(c, l) : rc;
}


static reg_cli_exit_e
token_allow(const reg_cli_t *c, reg_tokens_line_t *l)
{
    size_t           i;
    const char      *allow;
    reg_rules_t     *rules;
    reg_cli_exit_e   rc;

    rules = reg_rules_create();

    if (rules == NULL) {
        return reg_cli_fail(REG_CLI_FAILED, "out of memory");
    }

    i = 0;
    rc = REG_CLI_OK;

    while (rc == REG_CLI_OK
           && (allow = reg_cli_next(c, "allow", &i)) != NULL)
    {
        if (l->n == REG_TOKENS_ALLOW_MAX) {
            rc = reg_cli_fail(REG_CLI_USAGE, "a token can have %d --allow, "
                              "and no more", REG_TOKENS_ALLOW_MAX);
            break;
        }

        rc = token_pattern(l, rules, allow);
        l->allow[l->n++] = reg_str_of(allow);
    }

    reg_rules_free(rules);

    return rc;
}


static reg_cli_exit_e
token_pattern(const reg_tokens_line_t *l, reg_rules_t *rules,
    const char *allow)
{
    reg_str_t  words[3];
    reg_why_t  why;

    words[0] = reg_str("*");

    if (reg_tokens_allow_split(reg_str_of(allow), &words[1], &words[2]) != 0) {
        return reg_cli_fail(REG_CLI_USAGE, "--allow \"%s\" has to be actions, "
                            "a colon and a pattern, as in \"pull,push:team/*\"",
                            allow);
    }

    if (reg_rules_add(rules, 1, words, 3, &why) != 0) {
        return reg_cli_fail(REG_CLI_USAGE, "--allow \"%s\": %s", allow,
                            why.text);
    }

    /* it would compile, and match nothing */

    if (l->owner.len == 0
        && (strstr(allow, "$user") != NULL
            || strstr(allow, "${user}") != NULL))
    {
        return reg_cli_fail(REG_CLI_USAGE, "--allow \"%s\" names $user: say "
                            "with --user who that is", allow);
    }

    return REG_CLI_OK;
}


static reg_cli_exit_e
token_expires(const char *text, int64_t now, int64_t *expires)
{
    int64_t    seconds;
    reg_str_t  s;

    s = reg_str_of(text);

    if (reg_str_eq(s, reg_str("never"))) {
        *expires = REG_TOKENS_NEVER;
        return REG_CLI_OK;
    }

    if (reg_cli_period(s, &seconds) == 0) {
        *expires = now + seconds;

        if (*expires > REG_TIME_MAX) {
            return reg_cli_fail(REG_CLI_USAGE, "--expires \"%s\" is beyond the "
                                "year 9999: there is \"never\"", text);
        }

        return REG_CLI_OK;
    }

    if (reg_time_parse(s, expires) != 0) {
        return reg_cli_fail(REG_CLI_USAGE, "--expires \"%s\" is neither a "
                            "period (30d, 12h, 2w, 45m) nor a day "
                            "(2026-12-31) nor a time (2026-12-31T18:00:00Z) "
                            "nor \"never\"", text);
    }

    if (*expires <= now) {
        return reg_cli_fail(REG_CLI_USAGE, "--expires \"%s\" is past", text);
    }

    return REG_CLI_OK;
}


static reg_cli_exit_e
token_write(const reg_cli_t *c, const reg_tokens_line_t *l)
{
    reg_buf_t        text, line;
    reg_str_t        old;
    const char      *why;
    reg_cli_file_t   f;
    reg_cli_exit_e   rc;

    reg_cli_file_init(&f);
    reg_buf_init(&line, REG_LINES_FILE_MAX);
    reg_buf_init(&text, REG_LINES_FILE_MAX);

    if (reg_tokens_line_print(&line, l, &why) != 0) {
        rc = reg_cli_fail(REG_CLI_USAGE, "%s", why);

    } else {
        rc = reg_cli_file_edit(&f, c->operands[0], REG_LINES_FILE_MAX);
    }

    if (rc == REG_CLI_OK
        && reg_edit_find(reg_buf_slice(&f.text), " \t", l->name, &old))
    {
        rc = reg_cli_fail(REG_CLI_NO, "there is a token \"%s\" in %s already: "
                          "revoke it, or choose another name",
                          c->operands[1], c->operands[0]);
    }

    if (rc == REG_CLI_OK) {
        (void) reg_edit_set(&text, reg_buf_slice(&f.text), " \t", l->name,
                            reg_buf_slice(&line));
        rc = reg_cli_file_write(&f, &text, TOKEN_MODE);
    }

    reg_buf_free(&text);
    reg_buf_free(&line);
    reg_cli_file_close(&f);

    return rc;
}


static reg_cli_exit_e
token_tell(const reg_cli_t *c, const reg_tokens_line_t *l, const char *secret)
{
    char            text[REG_TIME_LEN + 1];
    reg_buf_t       b;
    reg_cli_exit_e  rc;

    token_time(l->expires, text);

    if (l->expires == REG_TOKENS_NEVER) {
        reg_cli_say("made token \"%s\" in %s; it never expires",
                    c->operands[1], c->operands[0]);

    } else {
        reg_cli_say("made token \"%s\" in %s; it expires at %s%s",
                    c->operands[1], c->operands[0], text,
                    (reg_cli_value(c, "expires") == NULL)
                    ? " (after " TOKEN_EXPIRES ": --expires says otherwise)"
                    : "");
    }

    reg_cli_say("its secret, which cannot be shown again, is the password of "
                "\"docker login -u %s\":", c->operands[1]);

    reg_buf_init(&b, SIZE_MAX / 2);

    if (reg_cli_value(c, "json") != NULL) {
        token_object(&b, l, "secret", secret);

    } else {
        reg_buf_str(&b, reg_str_of(secret));
    }

    reg_buf_str(&b, reg_str("\n"));

    rc = reg_cli_print(&b);

    if (rc != REG_CLI_OK) {
        reg_cli_say("the token is there, but nobody knows its secret: revoke "
                    "it");
    }

    if (b.data != NULL) {
        OPENSSL_cleanse(b.data, b.size);
    }

    reg_buf_free(&b);

    return rc;
}


static reg_cli_exit_e
token_revoke(const reg_cli_t *c)
{
    reg_buf_t       text;
    reg_str_t       line, name;
    reg_cli_file_t  f;
    reg_cli_exit_e  rc;

    name = reg_str_of(c->operands[1]);

    reg_cli_file_init(&f);
    reg_buf_init(&text, REG_LINES_FILE_MAX);

    rc = reg_cli_file_edit(&f, c->operands[0], REG_LINES_FILE_MAX);

    if (rc == REG_CLI_OK
        && !reg_edit_find(reg_buf_slice(&f.text), " \t", name, &line))
    {
        rc = reg_cli_fail(REG_CLI_NO, "there is no token \"%s\" in %s",
                          c->operands[1], c->operands[0]);
    }

    if (rc == REG_CLI_OK) {
        (void) reg_edit_remove(&text, reg_buf_slice(&f.text), " \t", name);
        rc = reg_cli_file_write(&f, &text, TOKEN_MODE);
    }

    if (rc == REG_CLI_OK) {
        reg_cli_say("revoked token \"%s\" in %s", c->operands[1],
                    c->operands[0]);
    }

    reg_buf_free(&text);
    reg_cli_file_close(&f);

    return rc;
}


/* --- list ---------------------------------------------------------------- */

static reg_cli_exit_e
token_list(const reg_cli_t *c)
{
    reg_why_t           why;
    reg_tokens_t       *t;
    reg_cli_file_t      f;
    reg_cli_exit_e      rc;
    reg_cli_skipped_t   skipped;

    memset(&skipped, 0, sizeof(skipped));
    reg_cli_file_init(&f);

    rc = reg_cli_file_read(&f, c->operands[0], REG_LINES_FILE_MAX);

    if (rc == REG_CLI_OK) {
        t = reg_tokens_parse(reg_buf_slice(&f.text), reg_cli_skip, &skipped,
                             &why);

        if (t == NULL || skipped.failed) {
            rc = reg_cli_fail(REG_CLI_FAILED, "%s: %s", c->operands[0],
                              (t == NULL) ? why.text : "out of memory");

        } else {
            rc = token_lines(&f, &skipped, reg_cli_value(c, "json") != NULL);
        }

        reg_tokens_free(t);
    }

    reg_cli_skipped_free(&skipped);
    reg_cli_file_close(&f);

    return rc;
}


static reg_cli_exit_e
token_lines(reg_cli_file_t *f, reg_cli_skipped_t *skipped, int json)
{
    size_t              rows;
    int64_t             now;
    reg_buf_t           b;
    reg_str_t           line;
    const char         *why;
    reg_lines_t         lines;
    reg_cli_exit_e      rc;
    reg_tokens_line_t   l;

    now = (int64_t) time(NULL);
    rows = 0;

    reg_buf_init(&b, SIZE_MAX / 2);
    reg_buf_str(&b, json ? reg_str("[")
                         : reg_str("NAME\tOWNER\tSCOPES\tCREATED\tEXPIRES\t"
                                   "STATE\tCOMMENT\n"));

    reg_lines_init(&lines, reg_buf_slice(&f->text));

    while (reg_lines_next(&lines, &line)) {
        why = reg_cli_skipped(skipped, lines.number);

        if (why != NULL || reg_tokens_line_parse(&l, line, &why) != 0) {
            reg_cli_say("%s:%zu: this line is of no use: %s", f->name,
                        lines.number, why);
            continue;
        }

        if (json) {
            reg_buf_str(&b, (rows++ == 0) ? reg_str("") : reg_str(","));
            token_object(&b, &l, "state",
                         (now <= l.expires) ? "active" : "expired");

        } else {
            token_row(&b, &l, now);
        }
    }

    if (json) {
        reg_buf_str(&b, reg_str("]\n"));
    }

    rc = json ? reg_cli_print(&b) : reg_cli_table(&b);

    reg_buf_free(&b);

    return rc;
}


static void
token_row(reg_buf_t *b, const reg_tokens_line_t *l, int64_t now)
{
    char    text[REG_TIME_LEN + 1], c;
    size_t  i;

    reg_buf_str(b, l->name);
    reg_buf_str(b, reg_str("\t"));
    reg_buf_str(b, (l->owner.len == 0) ? reg_str("-") : l->owner);

    for (i = 0; i < l->n; i++) {
        reg_buf_str(b, (i == 0) ? reg_str("\t") : reg_str(" "));
        reg_buf_str(b, l->allow[i]);
    }

    token_time(l->created, text);
    reg_buf_printf(b, "\t%s", text);

    token_time(l->expires, text);
    reg_buf_printf(b, "\t%s", text);

    reg_buf_printf(b, "\t%s\t", (now <= l->expires) ? "active" : "expired");

    for (i = 0; i < l->comment.len; i++) {
        c = l->comment.data[i];
        c = ((unsigned char) c < 0x20 || c == 0x7f) ? ' ' : c;
        reg_buf_add(b, &c, 1);
    }

    reg_buf_str(b, reg_str("\n"));
}


/* A token as JSON, with one member besides those of its line. */

static void
token_object(reg_buf_t *b, const reg_tokens_line_t *l, const char *key,
    const char *value)
{
    char    created[REG_TIME_LEN + 1], expires[REG_TIME_LEN + 1];
    size_t  i;

    token_time(l->created, created);
    token_time(l->expires, expires);

    reg_buf_str(b, reg_str("{"));
    reg_cli_json(b, "name", l->name);
    reg_buf_str(b, reg_str(","));
    reg_cli_json(b, key, reg_str_of(value));
    reg_buf_str(b, reg_str(","));
    reg_cli_json(b, "owner", l->owner);
    reg_buf_str(b, reg_str(",\"allow\":["));

    for (i = 0; i < l->n; i++) {
        reg_buf_str(b, (i == 0) ? reg_str("\"") : reg_str(",\""));
        reg_buf_json(b, l->allow[i]);
        reg_buf_str(b, reg_str("\""));
    }

    reg_buf_str(b, reg_str("],"));
    reg_cli_json(b, "created", (l->created == -1) ? reg_null_str
                                                  : reg_str_of(created));
    reg_buf_str(b, reg_str(","));
    reg_cli_json(b, "expires", (l->expires == REG_TOKENS_NEVER)
                               ? reg_null_str : reg_str_of(expires));
    reg_buf_str(b, reg_str(","));
    reg_cli_json(b, "comment", l->comment);
    reg_buf_str(b, reg_str("}"));
}


/* Into REG_TIME_LEN + 1 bytes, for people. */

static void
token_time(int64_t time, char *text)
{
    if (time == REG_TOKENS_NEVER) {
        memcpy(text, "never", sizeof("never"));

    } else if (reg_time_print(time, text) != 0) {
        memcpy(text, "-", sizeof("-"));
    }
}
