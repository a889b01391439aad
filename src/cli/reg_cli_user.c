
/* registryctl user: the password file of registry_htpasswd. */


#include "reg_cli_file.h"
#include "reg_cli_password.h"
#include "reg_edit.h"
#include "reg_htpasswd.h"
#include "reg_lines.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>


#define USER_MODE      0640
#define USER_COST      10
#define USER_COST_MAX  17         /* 8 s and more a login */


static reg_cli_exit_e user_add(const reg_cli_t *c);
static reg_cli_exit_e user_passwd(const reg_cli_t *c);
static reg_cli_exit_e user_remove(const reg_cli_t *c);
static reg_cli_exit_e user_list(const reg_cli_t *c);
static reg_cli_exit_e user_check(const reg_cli_t *c);
static reg_cli_exit_e user_set(const reg_cli_t *c, int add);
static reg_cli_exit_e user_edit(const reg_cli_t *c, reg_cli_file_t *f,
    int add);
static reg_cli_exit_e user_hash(const reg_cli_t *c, unsigned cost, char *hash);
static reg_cli_exit_e user_write(const reg_cli_t *c, const char *hash,
    int add);
static reg_cli_exit_e user_verify(const reg_cli_t *c,
    const reg_htpasswd_check_t *check, reg_str_t password);
static reg_cli_exit_e user_lines(reg_cli_file_t *f,
    reg_cli_skipped_t *skipped, int json);
static void user_row(reg_buf_t *b, reg_str_t line, const char *reason,
    int json);
static const char *user_kind(reg_str_t hash);


static const reg_cli_option_t  add_options[] = {
    { "cost", 'C', "COST", 0, 0,
      "of bcrypt, 4 to 17; each one more doubles the time of a login; "
      "default: 10" },
    { "stdin", 0, NULL, 0, 0,
      "read the password from standard input" },
    { NULL, 0, NULL, 0, 0, NULL }
};

static const reg_cli_option_t  check_options[] = {
    { "stdin", 0, NULL, 0, 0,
      "read the password from standard input" },
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
    { "add", { "FILE", "NAME" },
      "Adds a user, asking for the password on the terminal.  Makes the file "
      "if it is not there.",
      user_add, add_options },

    { "passwd", { "FILE", "NAME" },
      "Gives a user another password.",
      user_passwd, add_options },

    { "remove", { "FILE", "NAME" },
      "Removes a user: all lines that bear the name.",
      user_remove, no_options },

    { "list", { "FILE" },
      "Lists the users, and which of them cannot log in.",
      user_list, list_options },

    { "check", { "FILE", "NAME" },
      "Tells whether a password is right, by the exit status: 0 or 1.",
      user_check, check_options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_user = {
    "user",
    "Users and passwords, in the file of registry_htpasswd",
    commands,
    "FILE is what registry_htpasswd names; htpasswd(1) of Apache reads and "
    "writes it as well.  nginx sees a change at the next request, without a "
    "reload."
};


static reg_cli_exit_e
user_add(const reg_cli_t *c)
{
    return user_set(c, 1);
}


static reg_cli_exit_e
user_passwd(const reg_cli_t *c)
{
    return user_set(c, 0);
}


static reg_cli_exit_e
user_set(const reg_cli_t *c, int add)
{
    char            hash[REG_BCRYPT_LEN + 1];
    unsigned        cost;
    reg_str_t       name;
    reg_cli_exit_e  rc;
    reg_cli_file_t  f;

    name = reg_str_of(c->operands[1]);

    /* blanks around a line are no part of it, and "#" begins a comment */

    if (!reg_user_valid(name) || memchr(name.data, ':', name.len) != NULL
        || name.data[0] == '#' || name.data[0] == ' '
        || reg_str_starts(name, reg_str("\xef\xbb\xbf")))
    {
        return reg_cli_fail(REG_CLI_USAGE, "\"%s\" cannot be the name of a "
                            "user: 1 to %d bytes of text without a colon, "
                            "beginning with neither \"#\" nor a blank",
                            name.data, REG_USER_MAX);
    }

    if (reg_cli_number(c, "cost", REG_BCRYPT_COST_MIN, USER_COST_MAX,
                       USER_COST, &cost)
        != 0)
    {
        return REG_CLI_USAGE;
    }

    if (cost > REG_BCRYPT_COST_LIMIT) {
        reg_cli_say("a cost above %d needs \"registry_htpasswd_max_cost %u;\" "
                    "in nginx's configuration", REG_BCRYPT_COST_LIMIT, cost);
    }

    /* before anybody types a password for nothing */

    reg_cli_file_init(&f);
    rc = user_edit(c, &f, add);
    reg_cli_file_close(&f);

    if (rc != REG_CLI_OK) {
        return rc;
    }

    rc = user_hash(c, cost, hash);

    return (rc == REG_CLI_OK) ? user_write(c, hash, add) : rc;
}


/* Begins to edit the file, if the user is there or not, as he has to be. */

static reg_cli_exit_e
user_edit(const reg_cli_t *c, reg_cli_file_t *f, int add)
{
    int             there;
    reg_str_t       line;
    reg_cli_exit_e  rc;

    rc = reg_cli_file_edit(f, c->operands[0], REG_LINES_FILE_MAX);

    if (rc != REG_CLI_OK) {
        return rc;
    }

    there = reg_edit_find(reg_buf_slice(&f->text), ":",
                          reg_str_of(c->operands[1]), &line);

    if (there && add) {
        return reg_cli_fail(REG_CLI_NO, "user \"%s\" is in %s already: \"user "
                            "passwd\" gives another password", c->operands[1],
                            c->operands[0]);
    }

    if (!there && !add) {
        return reg_cli_fail(REG_CLI_NO, "there is no user \"%s\" in %s",
                            c->operands[1], c->operands[0]);
    }

    return REG_CLI_OK;
}


static reg_cli_exit_e
user_hash(const reg_cli_t *c, unsigned cost, char *hash)
{
    char                text[REG_CLI_PASSWORD_SIZE];
    reg_str_t           password;
    const char         *why;
    reg_cli_exit_e      rc;
    struct crypt_data  *crypt;

    rc = reg_cli_password(c, c->operands[1], 1, text, &password);

    if (rc == REG_CLI_OK) {
        why = "out of memory";
        crypt = malloc(sizeof(struct crypt_data));

        if (crypt == NULL
            || reg_password_make(password, cost, crypt, hash, &why) != 0)
        {
            rc = reg_cli_fail(REG_CLI_FAILED, "the password cannot be hashed: "
                              "%s", why);
        }

        if (crypt != NULL) {
            OPENSSL_cleanse(crypt, sizeof(struct crypt_data));
        }

        free(crypt);
    }

    OPENSSL_cleanse(text, sizeof(text));

    return rc;
}


static reg_cli_exit_e
user_write(const reg_cli_t *c, const char *hash, int add)
{
    reg_buf_t       text;
    reg_cli_exit_e  rc;
    reg_cli_file_t  f;

    reg_cli_file_init(&f);
    reg_buf_init(&text, REG_LINES_FILE_MAX);

    /* somebody else may have been quicker */

    rc = user_edit(c, &f, add);

    if (rc == REG_CLI_OK) {
        (void) reg_edit_password(&text, reg_buf_slice(&f.text),
                                 reg_str_of(c->operands[1]), reg_str_of(hash));
        rc = reg_cli_file_write(&f, &text, USER_MODE);
    }

    if (rc == REG_CLI_OK) {
        reg_cli_say(add ? "added user \"%s\" to %s"
                        : "user \"%s\" in %s has another password",
                    c->operands[1], c->operands[0]);
    }

    reg_buf_free(&text);
    reg_cli_file_close(&f);

    return rc;
}


static reg_cli_exit_e
user_remove(const reg_cli_t *c)
{
    reg_buf_t       text;
    reg_cli_exit_e  rc;
    reg_cli_file_t  f;

    reg_cli_file_init(&f);
    reg_buf_init(&text, REG_LINES_FILE_MAX);

    rc = user_edit(c, &f, 0);

    if (rc == REG_CLI_OK) {
        (void) reg_edit_remove(&text, reg_buf_slice(&f.text), ":",
                               reg_str_of(c->operands[1]));
        rc = reg_cli_file_write(&f, &text, USER_MODE);
    }

    if (rc == REG_CLI_OK) {
        reg_cli_say("removed user \"%s\" from %s", c->operands[1],
                    c->operands[0]);
    }

    reg_buf_free(&text);
    reg_cli_file_close(&f);

    return rc;
}


/* --- check --------------------------------------------------------------- */

static reg_cli_exit_e
user_check(const reg_cli_t *c)
{
    char                   text[REG_CLI_PASSWORD_SIZE];
    reg_str_t              password;
    reg_why_t              why;
    reg_cli_file_t         f;
    reg_cli_exit_e         rc;
    reg_htpasswd_t        *t;
    reg_htpasswd_check_t   check;

    /* what the server may have been allowed */
    static const reg_password_limits_t  limits = {
        REG_BCRYPT_COST_TOP, REG_SHACRYPT_ROUNDS_LIMIT
    };

    reg_cli_file_init(&f);

    rc = reg_cli_file_read(&f, c->operands[0], REG_LINES_FILE_MAX);

    if (rc != REG_CLI_OK) {
        reg_cli_file_close(&f);
        return rc;
    }

    t = reg_htpasswd_parse(reg_buf_slice(&f.text), &limits, NULL, NULL, &why);

    reg_cli_file_close(&f);

    if (t == NULL) {
        return reg_cli_fail(REG_CLI_FAILED, "%s: %s", c->operands[0],
                            why.text);
    }

    reg_htpasswd_find(t, reg_str_of(c->operands[1]), &check);
    reg_htpasswd_free(t);

    if (!check.known) {
        return reg_cli_fail(REG_CLI_NO, "there is no user \"%s\" in %s whose "
                            "hash can be used: see \"user list\"",
                            c->operands[1], c->operands[0]);
    }

    rc = reg_cli_password(c, c->operands[1], 0, text, &password);

    if (rc == REG_CLI_OK) {
        rc = user_verify(c, &check, password);
    }

    OPENSSL_cleanse(text, sizeof(text));

    return rc;
}


static reg_cli_exit_e
user_verify(const reg_cli_t *c, const reg_htpasswd_check_t *check,
    reg_str_t password)
{
    reg_password_e         rc;
    struct crypt_data     *crypt;
    reg_htpasswd_check_t   alone;

    alone = *check;

    /* here nobody measures the time */

    memset(&alone.top, 0, sizeof(alone.top));

    crypt = malloc(sizeof(struct crypt_data));

    if (crypt == NULL) {
        return reg_cli_fail(REG_CLI_FAILED, "out of memory");
    }

    rc = reg_htpasswd_verify(&alone, password, crypt);

    OPENSSL_cleanse(crypt, sizeof(struct crypt_data));
    free(crypt);

    switch (rc) {

    case REG_PASSWORD_RIGHT:
        reg_cli_say("the password of \"%s\" is right", c->operands[1]);
        return REG_CLI_OK;

    case REG_PASSWORD_WRONG:
        return reg_cli_fail(REG_CLI_NO, "the password of \"%s\" is wrong",
                            c->operands[1]);

    default:
        return reg_cli_fail(REG_CLI_FAILED, "the password cannot be hashed");
    }
}


/* --- list ---------------------------------------------------------------- */

static reg_cli_exit_e
user_list(const reg_cli_t *c)
{
    reg_why_t           why;
    reg_cli_file_t      f;
    reg_cli_exit_e      rc;
    reg_htpasswd_t     *t;
    reg_cli_skipped_t   skipped;

    static const reg_password_limits_t  limits = { REG_BCRYPT_COST_LIMIT, 0 };

    memset(&skipped, 0, sizeof(skipped));
    reg_cli_file_init(&f);

    rc = reg_cli_file_read(&f, c->operands[0], REG_LINES_FILE_MAX);

    if (rc == REG_CLI_OK) {
        t = reg_htpasswd_parse(reg_buf_slice(&f.text), &limits, reg_cli_skip,
                               &skipped, &why);

        if (t == NULL || skipped.failed) {
            rc = reg_cli_fail(REG_CLI_FAILED, "%s: %s", c->operands[0],
                              (t == NULL) ? why.text : "out of memory");

        } else {
            rc = user_lines(&f, &skipped, reg_cli_value(c, "json") != NULL);
        }

        reg_htpasswd_free(t);
    }

    reg_cli_skipped_free(&skipped);
    reg_cli_file_close(&f);

    return rc;
}


static reg_cli_exit_e
user_lines(reg_cli_file_t *f, reg_cli_skipped_t *skipped, int json)
{
    size_t           rows;
    reg_buf_t        b;
    reg_str_t        line, name;
    const char      *colon, *reason;
    reg_lines_t      lines;
    reg_cli_exit_e   rc;

    reg_buf_init(&b, SIZE_MAX / 2);
    reg_buf_str(&b, json ? reg_str("[") : reg_str("NAME\tHASH\tSTATE\n"));

    rows = 0;

    reg_lines_init(&lines, reg_buf_slice(&f->text));

    while (reg_lines_next(&lines, &line)) {
        reason = reg_cli_skipped(skipped, lines.number);

        name = line;
        colon = memchr(line.data, ':', line.len);
        name.len = (colon == NULL) ? 0 : (size_t) (colon - line.data);

        /* a line without a name may be a password that was put there */

        if (!reg_user_valid(name)) {
            reg_cli_say("%s:%zu: %s", f->name, lines.number,
                        (reason == NULL) ? "no user" : reason);
            continue;
        }

        if (json && rows++ != 0) {
            reg_buf_str(&b, reg_str(","));
        }

        user_row(&b, line, reason, json);
    }

    if (json) {
        reg_buf_str(&b, reg_str("]\n"));
    }

    rc = json ? reg_cli_print(&b) : reg_cli_table(&b);

    reg_buf_free(&b);

    return rc;
}


static void
user_row(reg_buf_t *b, reg_str_t line, const char *reason, int json)
{
    reg_str_t              name, hash;
    const char            *end, *why, *kind;
    reg_password_effort_t  effort;

    static const reg_password_limits_t  any = {
        REG_BCRYPT_COST_TOP, UINT32_MAX
    };

    name = line;
    name.len = (size_t) ((const char *) memchr(line.data, ':', line.len)
                         - line.data);

    hash.data = name.data + name.len + 1;
    hash.len = line.len - name.len - 1;

    end = (hash.len == 0) ? NULL : memchr(hash.data, ':', hash.len);

    if (end != NULL) {
        hash.len = (size_t) (end - hash.data);
    }

    if (reg_password_hash_parse(hash, &any, &effort, &why) != 0) {
        memset(&effort, 0, sizeof(effort));
    }

    kind = user_kind(hash);

    if (json) {
        reg_buf_str(b, reg_str("{"));
        reg_cli_json(b, "name", name);
        reg_buf_printf(b, ",\"hash\":\"%s\",\"cost\":", kind);

        if (effort.bcrypt_cost != 0) {
            reg_buf_printf(b, "%u", effort.bcrypt_cost);

        } else {
            reg_buf_str(b, reg_str("null"));
        }

        reg_buf_printf(b, ",\"usable\":%s,",
                       (reason == NULL) ? "true" : "false");
        reg_cli_json(b, "reason", reg_str_of(reason));
        reg_buf_str(b, reg_str("}"));

        return;
    }

    reg_buf_str(b, name);
    reg_buf_printf(b, "\t%s", kind);

    if (effort.bcrypt_cost != 0) {
        reg_buf_printf(b, ", cost %u", effort.bcrypt_cost);
    }

    reg_buf_printf(b, "\t%s%s\n", (reason == NULL) ? "" : "unusable: ",
                   (reason == NULL) ? "usable" : reason);
}


static const char *
user_kind(reg_str_t hash)
{
    size_t  i;

    static const struct {
        const char  *prefix;
        const char  *kind;
    } kinds[] = {
        { "$2y$", "bcrypt" },
        { "$2b$", "bcrypt" },
        { "$2a$", "bcrypt" },
        { "$6$", "sha512-crypt" },
        { "$5$", "sha256-crypt" },
        { "$apr1$", "apr1" },
        { "{SHA}", "sha1" }
    };

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (reg_str_starts(hash, reg_str_of(kinds[i].prefix))) {
            return kinds[i].kind;
        }
    }

    return "other";
}
