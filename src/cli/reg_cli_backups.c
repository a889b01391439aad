
/* registryctl backups: the copies in a directory, and what became of them. */


#include "reg_cli_store.h"

#include "reg_backup_dir.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>


typedef struct {
    const reg_cli_t      *c;
    const char           *dest;
    reg_cli_rows_t        rows;
    reg_cli_progress_t    progress;
    reg_error_t           e;
} backups_t;


static reg_cli_exit_e backups_run(const reg_cli_t *c);
static reg_cli_exit_e backups_list(backups_t *b, reg_store_t *dir);
static void backups_row(backups_t *b, const char *id,
    const reg_backup_info_t *info, int whole);
static reg_cli_exit_e backups_verify(backups_t *b, reg_store_t *dir);
static reg_cli_exit_e backups_any(backups_t *b, reg_store_t *dir);
static void backups_bad(void *data, const char *id, const char *what,
    const char *why);
static void backups_tick(void *data, uint64_t bytes);


static const reg_cli_option_t  options[] = {
    { "verify", 0, NULL, 0, 0, "hash all that they hold" },
    { "json", 0, NULL, 0, 0, "print JSON instead of lines" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  commands[] = {
    { "", { "DEST" },
      "Lists the backups in a directory, the oldest first.",
      backups_run, options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_backups = {
    "backups",
    "The backups in a directory",
    commands,
    "Exit status: 0 done; 1 something is damaged; 2 called wrongly; 3 they "
    "could not be read."
};


static reg_cli_exit_e
backups_run(const reg_cli_t *c)
{
    int              lock;
    backups_t        b;
    reg_store_t     *dir;
    reg_cli_exit_e   rc;

    memset(&b, 0, sizeof(b));
    reg_error_clear(&b.e);

    b.c = c;
    b.dest = c->operands[0];

    dir = reg_cli_store(b.dest);

    if (dir == NULL) {
        return REG_CLI_FAILED;
    }

    if (reg_cli_value(c, "verify") == NULL) {
        rc = backups_list(&b, dir);

    } else if (reg_backup_lock(dir, REG_LOCK_SHARED, &lock, &b.e) != REG_OK) {
        rc = reg_cli_error(b.dest, &b.e);

    } else {
        rc = backups_verify(&b, dir);

        if (lock != -1) {
            (void) close(lock);
        }
    }

    if (rc == REG_CLI_OK) {
        rc = backups_any(&b, dir);
    }

    reg_store_close(dir);

    return rc;
}


static reg_cli_exit_e
backups_list(backups_t *b, reg_store_t *dir)
{
    int                 bad;
    size_t              i;
    reg_rc_t            rc;
    const char         *id;
    reg_names_t         ids;
    reg_cli_exit_e      written;
    reg_backup_info_t   info;

    memset(&ids, 0, sizeof(ids));

    if (reg_backup_ids(dir, &ids, &b->e) != REG_OK) {
        reg_names_free(&ids);
        return reg_cli_error(b->dest, &b->e);
    }

    bad = 0;
    rc = REG_OK;

    reg_cli_rows_begin(&b->rows, b->c,
                       "BACKUP\tREPOSITORIES\tMANIFESTS\tTAGS\tBLOBS\tSTATE",
                       "backups");

    for (i = 0; rc == REG_OK && i < ids.n; i++) {
        id = reg_names_get(&ids, i).data;

        reg_error_clear(&b->e);

        rc = reg_backup_list(dir, id, reg_null_str, NULL, NULL, &info, &b->e);

        if (rc == REG_OK || rc == REG_DIGEST_MISMATCH) {
            bad |= (rc != REG_OK);
            backups_row(b, id, &info, rc == REG_OK);
            rc = REG_OK;

        } else if (rc == REG_ABSENT) {
            rc = REG_OK;
        }
    }

    written = reg_cli_rows_end(&b->rows, NULL);
    reg_names_free(&ids);

    if (rc != REG_OK) {
        return reg_cli_error(b->dest, &b->e);
    }

    return (written != REG_CLI_OK) ? written : bad ? REG_CLI_NO : REG_CLI_OK;
}


static void
backups_row(backups_t *b, const char *id, const reg_backup_info_t *info,
    int whole)
{
    const char  *state;

    state = !whole ? "damaged" : (info->left_out != 0) ? "incomplete"
                                                       : "whole";

    reg_cli_row_begin(&b->rows);

    reg_buf_printf(&b->rows.b, b->rows.json
                   ? "{\"id\":\"%s\",\"repositories\":%" PRIu64
                     ",\"manifests\":%" PRIu64 ",\"tags\":%" PRIu64
                     ",\"blobs\":%" PRIu64 ",\"state\":\"%s\"}"
                   : "%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
                     "\t%s",
                   id, info->repositories, info->manifests, info->tags,
                   info->blobs, state);

    (void) reg_cli_row_end(&b->rows);
}


static reg_cli_exit_e
backups_verify(backups_t *b, reg_store_t *dir)
{
    uint64_t        bad;
    reg_rc_t        rc;
    reg_cli_exit_e  written;

    reg_cli_rows_begin(&b->rows, b->c, "BACKUP\tWHAT\tFINDING", "damaged");

    rc = reg_backup_verify(dir, NULL, backups_bad, backups_tick, b, &bad,
                           &b->e);

    reg_cli_progress_end(&b->progress);

    written = reg_cli_rows_end(&b->rows, NULL);

    if (rc != REG_OK) {
        return reg_cli_error(b->dest, &b->e);
    }

    return (written != REG_CLI_OK) ? written
           : (bad != 0) ? REG_CLI_NO : REG_CLI_OK;
}


/* A directory that was mistyped, or whose disk is away, must not look well. */

static reg_cli_exit_e
backups_any(backups_t *b, reg_store_t *dir)
{
    size_t        n;
    reg_rc_t      rc;
    reg_names_t   ids;

    memset(&ids, 0, sizeof(ids));

    rc = reg_backup_ids(dir, &ids, &b->e);

    n = ids.n;
    reg_names_free(&ids);

    if (rc != REG_OK) {
        return reg_cli_error(b->dest, &b->e);
    }

    return (n != 0) ? REG_CLI_OK
                    : reg_cli_fail(REG_CLI_NO, "%s: there is no backup",
                                   b->dest);
}


static void
backups_bad(void *data, const char *id, const char *what, const char *why)
{
    backups_t  *b;

    b = data;

    reg_cli_progress_end(&b->progress);
    reg_cli_row_begin(&b->rows);

    reg_buf_printf(&b->rows.b, b->rows.json
                   ? "{\"id\":\"%s\",\"what\":\"%s\",\"text\":\"%s\"}"
                   : "%s\t%s\t%s", id, what, why);

    (void) reg_cli_row_end(&b->rows);
}


static void
backups_tick(void *data, uint64_t bytes)
{
    backups_t  *b;

    b = data;

    if (reg_cli_progress_due(&b->progress)) {
        reg_cli_progress(&b->progress, "%" PRIu64 " MB ...",
                         bytes / (1024 * 1024));
    }
}
