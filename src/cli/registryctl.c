
/*
 * registryctl: what the operator of a registry does at a shell.
 *
 *     registryctl GROUP COMMAND [OPERANDS] [OPTIONS]
 *
 * A group of one command without a name is called by its own.
 */


#include "reg_cli.h"

#include "reg_version.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>


static const reg_cli_group_t *const  groups[] = {
    &reg_cli_user,
    &reg_cli_token,
    &reg_cli_key,
    &reg_cli_audit,
    &reg_cli_gc,
    &reg_cli_purge,
    &reg_cli_scrub,
    &reg_cli_ls,
    &reg_cli_tags,
    &reg_cli_inspect,
    &reg_cli_du,
    &reg_cli_rm,
    &reg_cli_events,
    &reg_cli_backup,
    &reg_cli_backups,
    &reg_cli_restore,
    NULL
};


static reg_cli_exit_e usage(void);
static const reg_cli_group_t *find_group(const char *name);
static const reg_cli_command_t *find_command(const reg_cli_group_t *group,
    const char *name);
static int is_help(const char *arg);


int
main(int argc, char **argv)
{
    const reg_cli_group_t    *group;
    const reg_cli_command_t  *command;

    /* an early end of the reader is an error of writing, with a message */

    (void) signal(SIGPIPE, SIG_IGN);

    if (argc < 2) {
        return reg_cli_fail(REG_CLI_USAGE, "a group is missing: see "
                            "\"registryctl --help\"");
    }

    if (is_help(argv[1]) && argc < 3) {
        return usage();
    }

    if (strcmp(argv[1], "--version") == 0 && argc < 3) {
        printf("registryctl %s\n", REG_VERSION);
        return reg_cli_flush();
    }

    /* "registryctl help user add" is "registryctl user add --help" */

    if (strcmp(argv[1], "help") == 0) {
        argv++;
        argc--;
    }

    group = find_group(argv[1]);

    if (group == NULL) {
        return reg_cli_fail(REG_CLI_USAGE, "there is no group \"%s\": see "
                            "\"registryctl --help\"", argv[1]);
    }

    if (group->commands[0].name[0] == '\0') {
        command = &group->commands[0];

        if (strcmp(argv[0], "help") == 0
            || (argc == 3 && strcmp(argv[2], "help") == 0))
        {
            return reg_cli_help(group, command);
        }

        return reg_cli_run(group, command, argc - 2, argv + 2);
    }

    if (argc < 3) {

        if (strcmp(argv[0], "help") == 0) {
            return reg_cli_help(group, NULL);
        }

        return reg_cli_fail(REG_CLI_USAGE, "a command is missing: see "
                            "\"registryctl %s --help\"", group->name);
    }

    if (is_help(argv[2])) {
        return reg_cli_help(group, NULL);
    }

    command = find_command(group, argv[2]);

    if (command == NULL) {
        return reg_cli_fail(REG_CLI_USAGE, "there is no command \"%s %s\": "
                            "see \"registryctl %s --help\"", group->name,
                            argv[2], group->name);
    }

    if (strcmp(argv[0], "help") == 0) {
        return reg_cli_help(group, command);
    }

    return reg_cli_run(group, command, argc - 3, argv + 3);
}


static int
is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0
           || strcmp(arg, "help") == 0;
}


static reg_cli_exit_e
usage(void)
{
    size_t  i;

    printf("Usage: registryctl GROUP COMMAND [OPERANDS] [OPTIONS]\n\n"
           "Manages a container registry inside nginx.  The groups:\n\n");

    for (i = 0; groups[i] != NULL; i++) {
        printf("  %-8s  %s\n", groups[i]->name, groups[i]->text);
    }

    printf("\n"
           "\"registryctl GROUP --help\" shows the commands of a group,\n"
           "\"registryctl --version\" the version.\n\n"
           "Exit status: 0 done; 1 no: a wrong password, no such name, or "
           "there is one\nalready; 2 called wrongly; 3 could not be done.\n");

    return reg_cli_flush();
}


static const reg_cli_group_t *
find_group(const char *name)
{
    size_t  i;

    for (i = 0; groups[i] != NULL; i++) {
        if (strcmp(groups[i]->name, name) == 0) {
            return groups[i];
        }
    }

    return NULL;
}


static const reg_cli_command_t *
find_command(const reg_cli_group_t *group, const char *name)
{
    const reg_cli_command_t  *c;

    for (c = group->commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }

    return NULL;
}
