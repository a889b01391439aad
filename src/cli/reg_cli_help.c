
#include "reg_cli.h"

#include <stdio.h>
#include <string.h>


#define REG_CLI_INDENT  28
#define REG_CLI_WIDTH   79


static void reg_cli_usage(const reg_cli_group_t *group,
    const reg_cli_command_t *command);
static void reg_cli_options(const reg_cli_option_t *o);
static void reg_cli_text(const char *text, int indent, int at);


reg_cli_exit_e
reg_cli_help(const reg_cli_group_t *group, const reg_cli_command_t *command)
{
    const reg_cli_command_t  *cmd;

    if (command != NULL) {
        printf("Usage:\n\n");
        reg_cli_usage(group, command);
        printf("\n");
        reg_cli_text(command->text, 0, 0);
        printf("\n");
        reg_cli_options(command->options);

        if (command->name[0] == '\0') {
            printf("\n");
            reg_cli_text(group->more, 0, 0);
        }

    } else {
        printf("Usage: registryctl %s COMMAND\n\n%s.\n", group->name,
               group->text);

        for (cmd = group->commands; cmd->name != NULL; cmd++) {
            printf("\n");
            reg_cli_usage(group, cmd);
            reg_cli_text(cmd->text, 6, 0);
            reg_cli_options(cmd->options);
        }

        printf("\n");
        reg_cli_text(group->more, 0, 0);
    }

    return reg_cli_flush();
}


/* "  registryctl GROUP COMMAND OPERANDS OPTIONS", broken where it is long. */

static void
reg_cli_usage(const reg_cli_group_t *group, const reg_cli_command_t *command)
{
    int                      at, n;
    char                     word[128];
    size_t                   i;
    const reg_cli_option_t  *o;

    at = printf("  registryctl %s%s%s", group->name,
                (command->name[0] == '\0') ? "" : " ", command->name);

    for (i = 0; i < REG_CLI_OPERANDS && command->operands[i] != NULL; i++) {
        at += printf(" %s", command->operands[i]);
    }

    for (o = command->options; o->name != NULL; o++) {
        n = snprintf(word, sizeof(word), "%s--%s%s%s%s%s",
                     o->required ? "" : "[", o->name,
                     (o->value == NULL) ? "" : " ",
                     (o->value == NULL) ? "" : o->value,
                     o->required ? "" : "]", o->many ? " ..." : "");

        if (at + n + 1 > REG_CLI_WIDTH) {
            printf("\n     ");
            at = 5;
        }

        at += printf(" %s", word);
    }

    printf("\n");
}


static void
reg_cli_options(const reg_cli_option_t *o)
{
    int   n;
    char  letter[8];

    for (/* void */; o->name != NULL; o++) {
        letter[0] = '\0';

        if (o->letter != '\0') {
            (void) snprintf(letter, sizeof(letter), "-%c, ", o->letter);
        }

        n = printf("      %s--%s%s%s", letter, o->name,
                   (o->value == NULL) ? "" : " ",
                   (o->value == NULL) ? "" : o->value);

        if (n > REG_CLI_INDENT - 2) {
            printf("\n");
            n = 0;
        }

        reg_cli_text(o->text, REG_CLI_INDENT, n);
    }
}


/*
 * Text, its lines broken at blanks where they are too long and each indented;
 * the cursor is at column "at" when it begins.
 */

static void
reg_cli_text(const char *text, int indent, int at)
{
    int     column;
    size_t  len, blanks;

    for ( ;; ) {
        column = at;

        /* one line of it, word by word */

        while (*text != '\0' && *text != '\n') {
            blanks = strspn(text, " ");
            len = blanks + strcspn(text + blanks, " \n");

            if (column > indent && column + (int) len > REG_CLI_WIDTH) {
                printf("\n");
                column = 0;
                text += blanks;
                len -= blanks;
            }

            if (column < indent) {
                printf("%*s", indent - column, "");
                column = indent;
            }

            printf("%.*s", (int) len, text);

            column += (int) len;
            text += len;
        }

        printf("\n");
        at = 0;

        if (*text == '\0' || *++text == '\0') {
            return;
        }
    }
}
