
/*
 * What the commands of registryctl share: how a call is described and taken
 * apart, help, messages, tables.
 *
 * A group ("user", "token", ...) is a file of its own with one table of
 * commands; registryctl.c lists the groups.  Help is printed from the tables,
 * and t/registryctl_help.t compares it with the manual, the reference and the
 * completion.
 *
 * What a command was asked for goes to standard output, everything else to
 * standard error.  No secret is ever part of a message.
 */


#ifndef REG_CLI_H_INCLUDED
#define REG_CLI_H_INCLUDED


#include "reg_str.h"
#include "reg_why.h"


#define REG_CLI_OPERANDS  4


/* How a call ends. */
typedef enum {
    REG_CLI_OK = 0,               /* done; or: yes */
    REG_CLI_NO,                   /* no: wrong password, no such name, or
                                     there is one already */
    REG_CLI_USAGE,                /* called wrongly; nothing was tried */
    REG_CLI_FAILED                /* could not be done; nothing changed, unless
                                     the message says so */
} reg_cli_exit_e;


typedef struct reg_cli_s  reg_cli_t;


typedef struct {
    const char  *name;            /* long form; NULL ends the list */
    char         letter;          /* short form, or NUL */
    const char  *value;           /* what stands behind it; NULL: nothing */
    unsigned     required:1;
    unsigned     many:1;          /* may be given more than once */
    const char  *text;
} reg_cli_option_t;


typedef struct {
    const char              *name;         /* NULL ends the list; "": the group
                                              has this one alone, and its name
                                              is enough */
    const char              *operands[REG_CLI_OPERANDS];  /* as shown: "[NAME]"
                                              may be left out, the last may
                                              be "NAME ...", one or more */
    const char              *text;
    reg_cli_exit_e         (*run)(const reg_cli_t *c);
    const reg_cli_option_t  *options;
} reg_cli_command_t;


typedef struct {
    const char               *name;
    const char               *text;        /* one line */
    const reg_cli_command_t  *commands;
    const char               *more;        /* what its help says at the end */
} reg_cli_group_t;


/* An option that was given, in the order of the call. */
typedef struct {
    const reg_cli_option_t  *option;
    const char              *value;
} reg_cli_given_t;


/* A call that was understood. */
struct reg_cli_s {
    const reg_cli_group_t    *group;
    const reg_cli_command_t  *command;
    const char               *operands[REG_CLI_OPERANDS];  /* or NULL */
    const char              **more;         /* all that the last one may be */
    size_t                    nmore;
    reg_cli_given_t          *given;
    size_t                    n;
};


typedef struct {
    size_t       line;
    const char  *reason;
} reg_cli_bad_t;


typedef struct {
    reg_cli_bad_t  *bad;
    size_t          n;
    size_t          size;
    size_t          next;             /* to be asked for */
    unsigned        failed:1;         /* memory ran out, and some are missing */
} reg_cli_skipped_t;


/* The groups there are, each in a file of its own. */
extern const reg_cli_group_t  reg_cli_user;
extern const reg_cli_group_t  reg_cli_token;
extern const reg_cli_group_t  reg_cli_key;
extern const reg_cli_group_t  reg_cli_audit;
extern const reg_cli_group_t  reg_cli_gc;
extern const reg_cli_group_t  reg_cli_purge;
extern const reg_cli_group_t  reg_cli_scrub;
extern const reg_cli_group_t  reg_cli_ls;
extern const reg_cli_group_t  reg_cli_tags;
extern const reg_cli_group_t  reg_cli_inspect;
extern const reg_cli_group_t  reg_cli_du;
extern const reg_cli_group_t  reg_cli_rm;
extern const reg_cli_group_t  reg_cli_events;
extern const reg_cli_group_t  reg_cli_backup;
extern const reg_cli_group_t  reg_cli_backups;
extern const reg_cli_group_t  reg_cli_restore;


/*
 * Takes the arguments behind group and command apart and runs the command, or
 * prints its help.
 */
reg_cli_exit_e reg_cli_run(const reg_cli_group_t *group,
    const reg_cli_command_t *command, int argc, char *const *argv);

/* Prints the help of a group, or of one of its commands. */
reg_cli_exit_e reg_cli_help(const reg_cli_group_t *group,
    const reg_cli_command_t *command);

/* The value of an option; "" of one without, NULL when it was not given. */
const char *reg_cli_value(const reg_cli_t *c, const char *name);

/* Walks over the values of one that may be given often; *i is 0 at first. */
const char *reg_cli_next(const reg_cli_t *c, const char *name, size_t *i);

/*
 * The number that an option was given, from min to max, or what stands for it
 * when it was not: 0; or -1 and a message.
 */
int reg_cli_number(const reg_cli_t *c, const char *name, unsigned min,
    unsigned max, unsigned otherwise, unsigned *value);

/* Takes a period as "45m", "12h", "30d" or "2w": 0 and seconds, or -1. */
int reg_cli_period(reg_str_t text, int64_t *seconds);

/* Prints a message, "registryctl: ...", with control bytes replaced. */
void reg_cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for something that is wrong; returns its first argument. */
reg_cli_exit_e reg_cli_fail(reg_cli_exit_e rc, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Writes to standard output, all of it: REG_CLI_OK, or REG_CLI_FAILED and a
 * message.  A buffer that failed is refused.
 */
reg_cli_exit_e reg_cli_print(const reg_buf_t *b);

/* Ends what was printed: REG_CLI_OK, or REG_CLI_FAILED and a message. */
reg_cli_exit_e reg_cli_flush(void);

/*
 * The same for lines of cells that tabs part, the columns made even.
 */
reg_cli_exit_e reg_cli_table(const reg_buf_t *b);

/*
 * Lines of a file that the core passes over: reg_cli_skip() is a reg_skip_pt
 * whose data is a list, empty (all zero) at first.
 */
void reg_cli_skip(void *data, size_t line, const char *reason);

/*
 * Why that line is passed over, or NULL.  Lines are asked for in their order.
 */
const char *reg_cli_skipped(reg_cli_skipped_t *s, size_t line);

void reg_cli_skipped_free(reg_cli_skipped_t *s);

/* Appends "key": and a string, or null for an empty one. */
void reg_cli_json(reg_buf_t *b, const char *key, reg_str_t value);


#endif /* REG_CLI_H_INCLUDED */
