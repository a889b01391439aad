
/* A backup as a tar stream, which unpacks to a directory of backups. */


#ifndef REG_CLI_TAR_H_INCLUDED
#define REG_CLI_TAR_H_INCLUDED


#include "reg_backup.h"
#include "reg_cli.h"


typedef struct reg_cli_tar_s  reg_cli_tar_t;


/* The sink; ctx is what reg_cli_tar_open() returned. */
extern const reg_backup_sink_t  reg_cli_tar;

/*
 * Opens a file, whose name ends in .tar, .tar.gz (.tgz) or .tar.zst and tells
 * how it is compressed, or with "-" standard output, which is not.  It has
 * another name until it is whole.  NULL and a message.
 */
reg_cli_tar_t *reg_cli_tar_open(const char *name, int64_t now);

/* Ends it; whole says whether it is one. */
reg_cli_exit_e reg_cli_tar_close(reg_cli_tar_t *t, int whole);


#endif /* REG_CLI_TAR_H_INCLUDED */
