
/* registryctl backup: a copy of a store. */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_cli_store.h"
#include "reg_cli_tar.h"
#include "reg_cli_text.h"

#include "reg_backup_dir.h"
#include "reg_care.h"
#include "reg_done.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


#define BACKUP_KEEP  100000


typedef struct {
    const reg_cli_t      *c;
    const char           *root;
    const char           *dest;
    int64_t               now;
    int64_t               began;         /* ms of reg_care_us() */
    char                  id[REG_BACKUP_ID + 1];
    reg_cli_rows_t        rows;
    reg_cli_progress_t    progress;
    reg_backup_counts_t   counts;
    reg_backup_freed_t    freed;
    unsigned              keep;
    unsigned              days;
    unsigned              tar:1;
    unsigned              made:1;        /* it is there, whatever follows */
    reg_error_t           e;
} backup_t;


static reg_cli_exit_e backup_run(const reg_cli_t *c);
static reg_cli_exit_e backup_options_check(backup_t *b);
static reg_cli_exit_e backup_options_dir(const backup_t *b);
static int backup_tar_name(const char *dest);
static reg_cli_exit_e backup_tar(backup_t *b, reg_store_t *s);
static reg_cli_exit_e backup_dir(backup_t *b, reg_store_t *s);
static reg_cli_exit_e backup_into(backup_t *b, reg_store_t *s,
    reg_store_t *dir);
static const char *backup_where(const backup_t *b);
static reg_cli_exit_e backup_prune(backup_t *b, reg_store_t *dir);
static reg_rc_t backup_make(backup_t *b, reg_store_t *s,
    const reg_backup_sink_t *sink, void *ctx);
static reg_cli_exit_e backup_place(const backup_t *b);
static void backup_left(void *data, reg_str_t name, const char *what,
    const char *why);
static void backup_tick(void *data, const reg_backup_counts_t *c);
static reg_cli_exit_e backup_tell(backup_t *b, reg_cli_exit_e rc);


static const char  *const backup_tars[] = {
    ".tar", ".tar.gz", ".tgz", ".tar.zst"
};


static const reg_cli_option_t  options[] = {
    { "keep", 0, "N", 0, 0, "remove older backups but the newest N" },
    { "keep-days", 0, "N", 0, 0, "remove those that are N days old" },
    { "verify", 0, NULL, 0, 0, "hash what DEST has already, and copy anew "
      "what is damaged" },
    { "copy", 0, NULL, 0, 0, "never link: DEST shares no bytes with ROOT" },
    { "sparse", 0, NULL, 0, 0, "what a manifest refers to may be missing" },
    { "tar", 0, NULL, 0, 0, "DEST is a file, NAME.tar, NAME.tar.gz or "
      "NAME.tar.zst, or \"-\": standard output" },
    { "json", 0, NULL, 0, 0, "print JSON instead of the name" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  commands[] = {
    { "", { "ROOT", "DEST" },
      "Adds a backup of a store to a directory of backups and prints its "
      "name.  nginx may go on serving, and pushes go on.  What another backup "
      "there has is not copied again.",
      backup_run, options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_backup = {
    "backup",
    "A backup of a store",
    commands,
    "ROOT is the directory that the directive registry names.\nExit status: 0 "
    "done; 1 done, but something damaged was left out, and no old backup was "
    "removed; 2 called wrongly; 3 there is no new backup, or old ones could "
    "not be removed, as the message says."
};


static reg_cli_exit_e
backup_run(const reg_cli_t *c)
{
    backup_t         b;
    reg_store_t     *s;
    reg_cli_exit_e   rc;

    memset(&b, 0, sizeof(b));
    reg_error_clear(&b.e);

    b.c = c;
    b.root = c->operands[0];
    b.dest = c->operands[1];
    b.now = (int64_t) time(NULL);
    b.began = reg_care_us() / 1000;
    b.tar = (reg_cli_value(c, "tar") != NULL);

    rc = backup_options_check(&b);

    if (rc != REG_CLI_OK) {
        return rc;
    }

    s = reg_cli_store(b.root);

    if (s == NULL) {
        return REG_CLI_FAILED;
    }

    rc = backup_place(&b);

    if (rc == REG_CLI_OK) {
        rc = b.tar ? backup_tar(&b, s) : backup_dir(&b, s);
    }

    /* there is a backup, if perhaps not of everything */

    if (b.made) {
        reg_cli_done(s, b.root, REG_DONE_BACKUP,
                     reg_care_us() / 1000 - b.began, b.counts.left_out);
    }

    reg_store_close(s);

    return rc;
}


static reg_cli_exit_e
backup_options_check(backup_t *b)
{
    size_t  i;

    static const char  *const others[] = {
        "keep", "keep-days", "verify", "copy"
    };

    if (reg_cli_number(b->c, "keep", 1, BACKUP_KEEP, 0, &b->keep) != 0
        || reg_cli_number(b->c, "keep-days", 1, BACKUP_KEEP, 0, &b->days) != 0)
    {
        return REG_CLI_USAGE;
    }

    if (!b->tar) {
        return backup_options_dir(b);
    }

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (reg_cli_value(b->c, others[i]) != NULL) {
            return reg_cli_fail(REG_CLI_USAGE, "--%s is for a directory, not "
                                "for a tar", others[i]);
        }
    }

    if (strcmp(b->dest, "-") == 0) {
        return (reg_cli_value(b->c, "json") == NULL)
               ? REG_CLI_OK
               : reg_cli_fail(REG_CLI_USAGE, "both --json and the tar want "
                              "standard output");
    }

    if (!backup_tar_name(b->dest)) {
        return reg_cli_fail(REG_CLI_USAGE, "the name of a tar ends in .tar, "
                            ".tar.gz, .tgz or .tar.zst, unlike \"%s\"",
                            b->dest);
    }

    return REG_CLI_OK;
}


/* What is to be a tar does not become a directory, unless it is one already. */

static reg_cli_exit_e
backup_options_dir(const backup_t *b)
{
    struct stat  st;

    if ((strcmp(b->dest, "-") != 0 && !backup_tar_name(b->dest))
        || (stat(b->dest, &st) == 0 && S_ISDIR(st.st_mode)))
    {
        return REG_CLI_OK;
    }

    return reg_cli_fail(REG_CLI_USAGE, "\"%s\" would be a directory: say --tar "
                        "for a tar", b->dest);
}


static int
backup_tar_name(const char *dest)
{
    size_t  i;

    for (i = 0; i < sizeof(backup_tars) / sizeof(backup_tars[0]); i++) {
        if (reg_str_ends(reg_str_of(dest), reg_str_of(backup_tars[i]))) {
            return 1;
        }
    }

    return 0;
}


/*
 * A disk that is not mounted must not become an empty backup that drives the
 * good ones out, nor a store a directory of backups.
 */

static reg_cli_exit_e
backup_place(const backup_t *b)
{
    char         path[PATH_MAX], root[PATH_MAX], dest[PATH_MAX];
    size_t       n;
    struct stat  st;

    (void) snprintf(path, sizeof(path), "%s/" REG_LAYOUT_REPOS, b->root);

    if (stat(path, &st) == -1) {
        return reg_cli_fail(REG_CLI_FAILED, "%s: %s: this is no store",
                            path, strerror(errno));
    }

    if (b->tar) {
        return REG_CLI_OK;
    }

    if (mkdir(b->dest, 0700) == -1 && errno != EEXIST) {
        return reg_cli_fail(REG_CLI_FAILED, "%s: %s", b->dest,
                            strerror(errno));
    }

    (void) snprintf(path, sizeof(path), "%s/" REG_LAYOUT_V2, b->dest);

    if (lstat(path, &st) == 0) {
        return reg_cli_fail(REG_CLI_FAILED, "%s is a store, and no place for "
                            "backups", b->dest);
    }

    (void) snprintf(path, sizeof(path), "%s/docker", b->root);

    if (realpath(path, root) == NULL || realpath(b->dest, dest) == NULL) {
        return reg_cli_fail(REG_CLI_FAILED, "%s: %s", b->dest,
                            strerror(errno));
    }

    n = strlen(root);

    if (strncmp(dest, root, n) == 0 && (dest[n] == '/' || dest[n] == '\0')) {
        return reg_cli_fail(REG_CLI_FAILED, "%s is inside the store",
                            b->dest);
    }

    return REG_CLI_OK;
}


static reg_cli_exit_e
backup_tar(backup_t *b, reg_store_t *s)
{
    reg_rc_t         rc;
    reg_cli_tar_t   *tar;
    reg_cli_exit_e   closed;

    tar = reg_cli_tar_open(b->dest, b->now);

    if (tar == NULL) {
        return REG_CLI_FAILED;
    }

    reg_backup_id(b->id, b->now, 1);

    rc = backup_make(b, s, &reg_cli_tar, tar);
    closed = reg_cli_tar_close(tar, rc == REG_OK);

    if (rc != REG_OK) {
        closed = reg_cli_error(backup_where(b), &b->e);
    }

    b->made = (closed == REG_CLI_OK);

    return backup_tell(b, closed);
}


static reg_cli_exit_e
backup_dir(backup_t *b, reg_store_t *s)
{
    int              lock;
    reg_rc_t         rc;
    reg_store_t     *dir;
    reg_cli_exit_e   done;

    dir = reg_cli_store(b->dest);

    if (dir == NULL) {
        return REG_CLI_FAILED;
    }

    rc = reg_backup_lock(dir, REG_LOCK_EXCLUSIVE, &lock, &b->e);

    if (rc != REG_OK) {
        done = reg_cli_error(b->dest, &b->e);

    } else {
        done = backup_into(b, s, dir);
        (void) close(lock);
    }

    reg_store_close(dir);

    return done;
}


static reg_cli_exit_e
backup_into(backup_t *b, reg_store_t *s, reg_store_t *dir)
{
    int                 left;
    reg_rc_t            rc;
    reg_cli_exit_e      done;
    reg_backup_how_t    how;
    reg_backup_pool_t  *pool;

    how.verify = (reg_cli_value(b->c, "verify") != NULL);
    how.copy = (reg_cli_value(b->c, "copy") != NULL);

    rc = reg_backup_new_id(dir, b->now, b->id, &b->e);

    if (rc == REG_OK) {
        rc = reg_backup_pool_open(&pool, dir, &how, &b->e);
    }

    if (rc != REG_OK) {
        return reg_cli_error(b->dest, &b->e);
    }

    /* what others left there when they were killed */

    (void) dir->driver->empty_trash(dir, UINT_MAX, &left, NULL);

    rc = backup_make(b, s, &reg_backup_pool, pool);

    reg_backup_pool_close(pool);

    b->made = (rc == REG_OK);
    done = REG_CLI_OK;

    if (rc != REG_OK) {
        done = reg_cli_error(backup_where(b), &b->e);

    } else if (b->counts.left_out == 0 && (b->keep != 0 || b->days != 0)) {
        done = backup_prune(b, dir);
    }

    return backup_tell(b, done);
}


/* The one of the two roots at which a call failed. */

static const char *
backup_where(const backup_t *b)
{
    if (!b->e.backup) {
        return b->root;
    }

    /* of a tar it is collected in a temporary file */

    return (b->tar && strcmp(b->e.path, "listing") == 0) ? P_tmpdir : b->dest;
}


static reg_cli_exit_e
backup_prune(backup_t *b, reg_store_t *dir)
{
    if (reg_backup_prune(dir, b->keep, (int64_t) b->days * 86400, b->now,
                         &b->freed, &b->e)
        == REG_OK)
    {
        return REG_CLI_OK;
    }

    (void) reg_cli_error(b->dest, &b->e);

    return reg_cli_fail(REG_CLI_FAILED, "the backup %s was made, but old ones "
                        "could not be removed", b->id);
}


static reg_rc_t
backup_make(backup_t *b, reg_store_t *s, const reg_backup_sink_t *sink,
    void *ctx)
{
    reg_rc_t      rc;
    reg_backup_t  how;

    memset(&how, 0, sizeof(how));

    how.id = b->id;
    how.now = b->now;
    how.sparse = (reg_cli_value(b->c, "sparse") != NULL);
    how.sink = sink;
    how.ctx = ctx;
    how.data = b;
    how.left_out = backup_left;
    how.tick = backup_tick;

    reg_cli_rows_begin(&b->rows, b->c, "", "left_out");

    if (!b->rows.json) {
        reg_buf_reset(&b->rows.b);
    }

    rc = reg_backup(s, &how, &b->counts, &b->e);

    reg_cli_progress_end(&b->progress);

    return rc;
}


static void
backup_left(void *data, reg_str_t name, const char *what, const char *why)
{
    backup_t  *b;

    b = data;

    reg_cli_progress_end(&b->progress);
    reg_cli_say("left out: %.*s %s: %s", (int) name.len, name.data, what, why);

    reg_cli_row_part(&b->rows, name, what, why);
}


static void
backup_tick(void *data, const reg_backup_counts_t *c)
{
    char       copied[32];
    backup_t  *b;
    reg_buf_t  text;

    b = data;

    if (!reg_cli_progress_due(&b->progress)) {
        return;
    }

    reg_buf_init(&text, sizeof(copied) - 1);
    reg_cli_bytes(&text, c->copied_bytes, 1);
    (void) snprintf(copied, sizeof(copied), "%.*s", (int) text.len,
                    (text.len == 0) ? "" : text.data);
    reg_buf_free(&text);

    reg_cli_progress(&b->progress, "%" PRIu64 " repositories, %" PRIu64
                     " manifests, %" PRIu64 " blobs, %s copied ...",
                     c->repositories, c->manifests, c->blobs, copied);
}


/* Ends what backup_make() began to write. */

static reg_cli_exit_e
backup_tell(backup_t *b, reg_cli_exit_e rc)
{
    char                        more[1024];
    reg_cli_exit_e              written;
    const reg_backup_counts_t  *n;

    n = &b->counts;

    if (!b->made) {
        reg_buf_free(&b->rows.b);
        return rc;
    }

    (void) snprintf(more, sizeof(more), ",\n\"id\":\"%s\",\"repositories\":%"
                    PRIu64 ",\"manifests\":%" PRIu64 ",\"tags\":%" PRIu64
                    ",\"blobs\":%" PRIu64 ",\"copied\":%" PRIu64
                    ",\"copied_bytes\":%" PRIu64 ",\"linked\":%" PRIu64
                    ",\"removed\":%" PRIu64 ",\"removed_blobs\":%" PRIu64
                    ",\"removed_bytes\":%" PRIu64, b->id, n->repositories,
                    n->manifests, n->tags, n->blobs, n->copied,
                    n->copied_bytes, n->linked, b->freed.backups,
                    b->freed.blobs, b->freed.bytes);

    if (!b->rows.json && strcmp(b->dest, "-") != 0) {
        reg_buf_printf(&b->rows.b, "%s\n", b->id);
    }

    b->rows.terminal = 0;
    written = reg_cli_rows_end(&b->rows, more);

    reg_cli_say("%" PRIu64 " repositories, %" PRIu64 " manifests, %" PRIu64
                " tags, %" PRIu64 " blobs; %" PRIu64 " new ones of %" PRIu64
                " bytes, %" PRIu64 " of them linked; %" PRIu64
                " left out; %" PRIu64 " old backups removed",
                n->repositories, n->manifests, n->tags, n->blobs, n->copied,
                n->copied_bytes, n->linked, n->left_out, b->freed.backups);

    if (written != REG_CLI_OK || rc != REG_CLI_OK) {
        return (written != REG_CLI_OK) ? written : rc;
    }

    return (n->left_out == 0) ? REG_CLI_OK : REG_CLI_NO;
}
