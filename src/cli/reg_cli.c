
#include "reg_cli.h"
#include "reg_cli_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define REG_CLI_COLUMNS  16
#define REG_CLI_MESSAGE  1024


static const reg_cli_option_t *reg_cli_option(const reg_cli_command_t *command,
    const char *arg, size_t len);
static const reg_cli_option_t *reg_cli_letter(const reg_cli_command_t *command,
    char letter);
static int reg_cli_take(reg_cli_t *c, const reg_cli_option_t *o,
    const char *value, char *const **rest);
static int reg_cli_arguments(reg_cli_t *c, char *const *argv, int *help);
static int reg_cli_operand(reg_cli_t *c, const char *arg, size_t *n);
static int reg_cli_complete(const reg_cli_t *c, size_t operands);
static void reg_cli_message(const char *fmt, va_list args)
    __attribute__((format(printf, 1, 0)));
static size_t reg_cli_columns(reg_str_t s);
static reg_str_t reg_cli_cell(reg_str_t *rest, char end);


reg_cli_exit_e
reg_cli_run(const reg_cli_group_t *group, const reg_cli_command_t *command,
    int argc, char *const *argv)
{
    int             help;
    reg_cli_t       c;
    reg_cli_exit_e  rc;

    memset(&c, 0, sizeof(c));

    c.group = group;
    c.command = command;
    c.given = calloc((size_t) argc + 1, sizeof(reg_cli_given_t));
    c.more = calloc((size_t) argc + 1, sizeof(char *));

    if (c.given == NULL || c.more == NULL) {
        free(c.given);
        free(c.more);

        return reg_cli_fail(REG_CLI_FAILED, "out of memory");
    }

    help = 0;

    if (reg_cli_arguments(&c, argv, &help) != 0) {
        rc = reg_cli_fail(REG_CLI_USAGE, "see \"registryctl %s%s%s --help\"",
                          group->name, (command->name[0] == '\0') ? "" : " ",
                          command->name);

    } else if (help) {
        rc = reg_cli_help(group, command);

    } else {
        rc = command->run(&c);
    }

    free(c.given);
    free(c.more);

    return rc;
}


/* Options and operands in any order; "--" ends the options. */

static int
reg_cli_arguments(reg_cli_t *c, char *const *argv, int *help)
{
    int                      only;
    size_t                   n, len;
    const char              *arg, *value;
    const reg_cli_option_t  *o;

    n = 0;
    only = 0;

    while (*argv != NULL) {
        arg = *argv++;
        value = NULL;

        if (only || arg[0] != '-' || arg[1] == '\0') {

            if (reg_cli_operand(c, arg, &n) != 0) {
                return -1;
            }

            continue;
        }

        if (strcmp(arg, "--") == 0) {
            only = 1;
            continue;
        }

        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            *help = 1;
            return 0;
        }

        if (arg[1] == '-') {
            len = strcspn(arg + 2, "=");
            o = reg_cli_option(c->command, arg + 2, len);

            if (arg[2 + len] == '=') {
                value = arg + 2 + len + 1;
            }

        } else {
            o = reg_cli_letter(c->command, arg[1]);

            if (arg[2] != '\0') {
                value = arg + 2;
            }
        }

        if (o == NULL) {
            (void) reg_cli_fail(REG_CLI_USAGE, "there is no option \"%s\"",
                                arg);
            return -1;
        }

        if (reg_cli_take(c, o, value, &argv) != 0) {
            return -1;
        }
    }

    return reg_cli_complete(c, n);
}


static int
reg_cli_operand(reg_cli_t *c, const char *arg, size_t *n)
{
    size_t  last;

    if (*n < REG_CLI_OPERANDS && c->command->operands[*n] != NULL) {
        c->operands[(*n)++] = arg;

    } else if (c->nmore == 0) {
        (void) reg_cli_fail(REG_CLI_USAGE, "\"%s\" is one argument too many",
                            arg);
        return -1;
    }

    last = *n - 1;

    if (reg_str_ends(reg_str_of(c->command->operands[last]), reg_str(" ...")))
    {
        c->more[c->nmore++] = arg;
    }

    return 0;
}


static const reg_cli_option_t *
reg_cli_option(const reg_cli_command_t *command, const char *arg, size_t len)
{
    const reg_cli_option_t  *o;

    for (o = command->options; o->name != NULL; o++) {
        if (strlen(o->name) == len && memcmp(o->name, arg, len) == 0) {
            return o;
        }
    }

    return NULL;
}


static const reg_cli_option_t *
reg_cli_letter(const reg_cli_command_t *command, char letter)
{
    const reg_cli_option_t  *o;

    for (o = command->options; o->name != NULL; o++) {
        if (o->letter == letter) {
            return o;
        }
    }

    return NULL;
}


static int
reg_cli_take(reg_cli_t *c, const reg_cli_option_t *o, const char *value,
    char *const **rest)
{
    if (o->value == NULL && value != NULL) {
        (void) reg_cli_fail(REG_CLI_USAGE, "--%s takes no value", o->name);
        return -1;
    }

    if (o->value != NULL && value == NULL) {
        value = **rest;

        if (value == NULL) {
            (void) reg_cli_fail(REG_CLI_USAGE, "--%s needs a value: %s",
                                o->name, o->value);
            return -1;
        }

        (*rest)++;
    }

    if (!o->many && reg_cli_value(c, o->name) != NULL) {
        (void) reg_cli_fail(REG_CLI_USAGE, "--%s is given twice", o->name);
        return -1;
    }

    c->given[c->n].option = o;
    c->given[c->n].value = (value == NULL) ? "" : value;
    c->n++;

    return 0;
}


static int
reg_cli_complete(const reg_cli_t *c, size_t operands)
{
    const reg_cli_option_t  *o;

    if (operands < REG_CLI_OPERANDS && c->command->operands[operands] != NULL
        && c->command->operands[operands][0] != '[')
    {
        (void) reg_cli_fail(REG_CLI_USAGE, "%s is missing",
                            c->command->operands[operands]);
        return -1;
    }

    for (o = c->command->options; o->name != NULL; o++) {
        if (o->required && reg_cli_value(c, o->name) == NULL) {
            (void) reg_cli_fail(REG_CLI_USAGE, "--%s %s is missing", o->name,
                                o->value);
            return -1;
        }
    }

    return 0;
}


const char *
reg_cli_next(const reg_cli_t *c, const char *name, size_t *i)
{
    while (*i < c->n) {
        if (strcmp(c->given[(*i)++].option->name, name) == 0) {
            return c->given[*i - 1].value;
        }
    }

    return NULL;
}


const char *
reg_cli_value(const reg_cli_t *c, const char *name)
{
    size_t  i;

    i = 0;

    return reg_cli_next(c, name, &i);
}


int
reg_cli_number(const reg_cli_t *c, const char *name, unsigned min,
    unsigned max, unsigned otherwise, unsigned *value)
{
    uint64_t     n;
    const char  *text;

    *value = otherwise;

    text = reg_cli_value(c, name);

    if (text == NULL) {
        return 0;
    }

    if (reg_str_number(reg_str_of(text), max, &n) != 0 || n < min) {
        (void) reg_cli_fail(REG_CLI_USAGE, "--%s has to be a number from %u "
                            "to %u, not \"%s\"", name, min, max, text);
        return -1;
    }

    *value = (unsigned) n;

    return 0;
}


int
reg_cli_period(reg_str_t text, int64_t *seconds)
{
    uint64_t  n;

    if (text.len < 2) {
        return -1;
    }

    switch (text.data[text.len - 1]) {

    case 'm':
        *seconds = 60;
        break;

    case 'h':
        *seconds = 3600;
        break;

    case 'd':
        *seconds = 86400;
        break;

    case 'w':
        *seconds = 7 * 86400;
        break;

    default:
        return -1;
    }

    text.len--;

    /* so many minutes are 1900 years; more is as good as that */

    if (reg_str_number(text, 1000000000, &n) == -1 || n == 0) {
        return -1;
    }

    *seconds *= (int64_t) n;

    return 0;
}


/* --- messages and output ------------------------------------------------- */

static void
reg_cli_message(const char *fmt, va_list args)
{
    char  text[REG_CLI_MESSAGE];

    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }

    /* a name in it might move the cursor about */

    reg_cli_plain_text(text);

    (void) fflush(stdout);

    fprintf(stderr, "registryctl: %s\n", text);
}


void
reg_cli_say(const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    reg_cli_message(fmt, args);
    va_end(args);
}


reg_cli_exit_e
reg_cli_fail(reg_cli_exit_e rc, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    reg_cli_message(fmt, args);
    va_end(args);

    return rc;
}


reg_cli_exit_e
reg_cli_print(const reg_buf_t *b)
{
    if (reg_buf_failed(b)) {
        return reg_cli_fail(REG_CLI_FAILED, "out of memory");
    }

    /* what is not taken now is an error of the stream, which flush() tells */

    if (b->len != 0) {
        (void) fwrite(b->data, 1, b->len, stdout);
    }

    return reg_cli_flush();
}


reg_cli_exit_e
reg_cli_flush(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return reg_cli_fail(REG_CLI_FAILED, "standard output: %s",
                            strerror(errno));
    }

    return REG_CLI_OK;
}


/* How many columns a terminal needs, but for wide characters. */

static size_t
reg_cli_columns(reg_str_t s)
{
    size_t  i, n;

    n = 0;

    for (i = 0; i < s.len; i++) {
        n += (((unsigned char) s.data[i] & 0xc0) != 0x80);
    }

    return n;
}


static reg_str_t
reg_cli_cell(reg_str_t *rest, char end)
{
    reg_str_t    cell;
    const char  *p;

    cell = *rest;
    p = (rest->len == 0) ? NULL : memchr(rest->data, end, rest->len);

    if (p == NULL) {
        rest->data += rest->len;
        rest->len = 0;

        return cell;
    }

    cell.len = (size_t) (p - rest->data);

    rest->data = p + 1;
    rest->len -= cell.len + 1;

    return cell;
}


reg_cli_exit_e
reg_cli_table(const reg_buf_t *b)
{
    size_t          i, n, width[REG_CLI_COLUMNS];
    reg_buf_t       out;
    reg_str_t       text, line, cell;
    reg_cli_exit_e  rc;

    memset(width, 0, sizeof(width));

    for (text = reg_buf_slice(b); text.len != 0; /* void */) {
        line = reg_cli_cell(&text, '\n');

        for (i = 0; line.len != 0 && i < REG_CLI_COLUMNS; i++) {
            n = reg_cli_columns(reg_cli_cell(&line, '\t'));
            width[i] = (n > width[i]) ? n : width[i];
        }
    }

    reg_buf_init(&out, SIZE_MAX / 2);

    if (reg_buf_failed(b)) {
        out.state = b->state;
    }

    for (text = reg_buf_slice(b); text.len != 0; /* void */) {
        line = reg_cli_cell(&text, '\n');

        for (i = 0; line.len != 0 && i < REG_CLI_COLUMNS; i++) {
            cell = reg_cli_cell(&line, '\t');
            reg_buf_str(&out, cell);

            for (n = reg_cli_columns(cell); line.len != 0 && n < width[i] + 2;
                 n++)
            {
                reg_buf_str(&out, reg_str(" "));
            }
        }

        reg_buf_str(&out, reg_str("\n"));
    }

    rc = reg_cli_print(&out);

    reg_buf_free(&out);

    return rc;
}


void
reg_cli_json(reg_buf_t *b, const char *key, reg_str_t value)
{
    reg_buf_printf(b, "\"%s\":", key);

    if (value.len == 0) {
        reg_buf_str(b, reg_str("null"));
        return;
    }

    reg_buf_str(b, reg_str("\""));
    reg_buf_json(b, value);
    reg_buf_str(b, reg_str("\""));
}


void
reg_cli_skip(void *data, size_t line, const char *reason)
{
    size_t              size;
    reg_cli_bad_t      *bad;
    reg_cli_skipped_t  *s;

    s = data;

    if (s->n == s->size) {
        size = (s->size == 0) ? 64 : s->size * 2;
        bad = realloc(s->bad, size * sizeof(reg_cli_bad_t));

        if (bad == NULL) {
            s->failed = 1;
            return;
        }

        s->bad = bad;
        s->size = size;
    }

    s->bad[s->n].line = line;
    s->bad[s->n].reason = reason;
    s->n++;
}


const char *
reg_cli_skipped(reg_cli_skipped_t *s, size_t line)
{
    while (s->next < s->n && s->bad[s->next].line < line) {
        s->next++;
    }

    return (s->next < s->n && s->bad[s->next].line == line)
           ? s->bad[s->next].reason : NULL;
}


void
reg_cli_skipped_free(reg_cli_skipped_t *s)
{
    free(s->bad);
    memset(s, 0, sizeof(reg_cli_skipped_t));
}
