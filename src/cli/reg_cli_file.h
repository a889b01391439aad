
/*
 * A small file that a server reads while it is edited.
 *
 *   closed   all zero (reg_cli_file_init())
 *   read     the content is there; nothing is held
 *   editing  nobody else edits, what is there is the newest content
 *
 * Whoever reads the file sees all of the old content or all of the new: it is
 * written beside the file, synced, and renamed over it, and the directory is
 * synced.  A file that is there keeps its mode, owner, group and access list;
 * a symbolic link stays one, and what it points to is edited.
 *
 * Two names in the file's directory belong to this: ".NAME.lock", which is
 * locked with flock() as long as somebody edits, and ".NAME.new".  Both are
 * gone at the end; what a killed editor left of them is in nobody's way.
 */


#ifndef REG_CLI_FILE_H_INCLUDED
#define REG_CLI_FILE_H_INCLUDED


#include "reg_cli.h"

#include <limits.h>
#include <sys/stat.h>


_Static_assert(sizeof(off_t) == 8, "_FILE_OFFSET_BITS is not 64");


typedef struct {
    const char   *name;               /* as the operator wrote it */
    char          dir[PATH_MAX];      /* of the file itself, links followed */
    char          base[NAME_MAX + 1];
    int           dirfd;              /* or -1 */
    int           lock;               /* or -1 */
    unsigned      exists:1;
    struct stat   st;                 /* when it exists */
    reg_buf_t     text;               /* wiped when closed */
} reg_cli_file_t;


/* So that reg_cli_file_close() may be called whatever comes. */
void reg_cli_file_init(reg_cli_file_t *f);

/*
 * Reads a file that has to be there, of at most max bytes.  REG_CLI_OK, or
 * REG_CLI_FAILED and a message.  name is borrowed.
 */
reg_cli_exit_e reg_cli_file_read(reg_cli_file_t *f, const char *name,
    size_t max);

/*
 * Begins to edit: waits for others who do, then reads the file.  One that is
 * not there is empty; its directory has to be there.
 */
reg_cli_exit_e reg_cli_file_edit(reg_cli_file_t *f, const char *name,
    size_t max);

/*
 * Puts text in the place of the content.  mode is that of a file that was not
 * there, of which a message tells.
 */
reg_cli_exit_e reg_cli_file_write(reg_cli_file_t *f, const reg_buf_t *text,
    mode_t mode);

void reg_cli_file_close(reg_cli_file_t *f);


#endif /* REG_CLI_FILE_H_INCLUDED */
