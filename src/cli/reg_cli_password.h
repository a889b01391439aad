
/*
 * A password from the person at the keyboard, or from standard input: never
 * from the command line, which everybody on the machine can read.
 */


#ifndef REG_CLI_PASSWORD_H_INCLUDED
#define REG_CLI_PASSWORD_H_INCLUDED


#include "reg_cli.h"
#include "reg_password.h"


/* A line of a terminal is not longer. */
#define REG_CLI_PASSWORD_SIZE  4096


/*
 * Gets a password into out, which has REG_CLI_PASSWORD_SIZE bytes and is the
 * caller's to wipe: from standard input with --stdin, all of it, where one line
 * end at its end is no part of it; else by a question on the terminal, without
 * echo, and once more when twice is set.
 *
 * REG_CLI_OK; or a message and REG_CLI_USAGE when there is no terminal or the
 * password cannot be one, REG_CLI_NO when the two were not the same,
 * REG_CLI_FAILED.
 */
reg_cli_exit_e reg_cli_password(const reg_cli_t *c, const char *user,
    int twice, char *out, reg_str_t *password);


#endif /* REG_CLI_PASSWORD_H_INCLUDED */
