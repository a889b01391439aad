
/* registryctl restore: content comes back from a backup. */


#include "reg_cli_store.h"
#include "reg_cli_text.h"

#include "reg_restore.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


typedef struct {
    const reg_cli_t       *c;
    const char            *from;
    const char            *root;
    char                   id[REG_BACKUP_ID + 1];
    reg_cli_target_t       target;
    reg_cli_rows_t         rows;
    reg_buf_t              moved;        /* tags, as JSON */
    reg_cli_progress_t     progress;
    reg_restore_t          how;
    reg_restore_counts_t   counts;
    reg_error_t            e;
} restore_t;


static reg_cli_exit_e restore_run(const reg_cli_t *c);
static reg_cli_exit_e restore_options(restore_t *r);
static reg_cli_exit_e restore_from(restore_t *r, reg_store_t *dir);
static reg_cli_exit_e restore_place(restore_t *r, reg_store_t *s);
static reg_cli_exit_e restore_pick(restore_t *r, reg_store_t *dir);
static reg_cli_exit_e restore_into(restore_t *r, reg_store_t *dir,
    reg_store_t *s);
static int restore_want(void *data, reg_str_t name);
static void restore_failed(void *data, reg_str_t name, const char *what,
    const char *why);
static void restore_moved(void *data, reg_str_t name, reg_str_t tag,
    const reg_digest_t *from, const reg_digest_t *to);
static void restore_tick(void *data, const reg_restore_counts_t *c);
static reg_cli_exit_e restore_end(restore_t *r);
static reg_cli_exit_e restore_tell(restore_t *r, reg_rc_t rc);


static const reg_cli_option_t  options[] = {
    { "snapshot", 0, "NAME", 0, 0, "of the backup; default: the newest" },
    { "repository", 0, "PATTERN", 0, 0, "only these repositories" },
    { "tag", 0, "TAG", 0, 0, "only this tag of the repository, with its "
      "children and referrers" },
    { "keep-tags", 0, NULL, 0, 0, "a tag that names something else by now "
      "stays; without it, it moves back" },
    { "verify", 0, NULL, 0, 0, "hash blobs that are there, and replace the "
      "damaged" },
    { "dry-run", 'n', NULL, 0, 0, "show how much would come back" },
    { "json", 0, NULL, 0, 0, "print JSON" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  commands[] = {
    { "", { "FROM", "ROOT" },
      "Brings a store back from a directory of backups, or some of its "
      "repositories, or one tag.  nginx may go on serving.  Nothing is "
      "removed, and a restore that was killed can be repeated.",
      restore_run, options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_restore = {
    "restore",
    "The way back from a backup",
    commands,
    "ROOT is the directory that the directive registry names.\nExit status: 0 "
    "done; 1 there is no such thing in the backup, or something is damaged in "
    "it or was left out of it, and the rest came back; 2 called wrongly; 3 it "
    "ended early: repeat it."
};


static reg_cli_exit_e
restore_run(const reg_cli_t *c)
{
    int              lock;
    restore_t        r;
    reg_store_t     *dir;
    reg_cli_exit_e   rc;

    memset(&r, 0, sizeof(r));
    reg_error_clear(&r.e);

    r.c = c;
    r.from = c->operands[0];
    r.root = c->operands[1];

    rc = restore_options(&r);

    if (rc != REG_CLI_OK) {
        return rc;
    }

    rc = REG_CLI_FAILED;
    dir = reg_cli_store(r.from);

    if (dir != NULL) {

        if (reg_backup_lock(dir, REG_LOCK_SHARED, &lock, &r.e) != REG_OK) {
            rc = reg_cli_error(r.from, &r.e);

        } else {
            rc = restore_from(&r, dir);

            if (lock != -1) {
                (void) close(lock);
            }
        }

        reg_store_close(dir);
    }

    reg_cli_target_free(&r.target);

    return rc;
}


static reg_cli_exit_e
restore_options(restore_t *r)
{
    const char  *name, *tag;

    name = reg_cli_value(r->c, "repository");
    tag = reg_cli_value(r->c, "tag");

    if (name != NULL) {
        if (reg_cli_target(&r->target, name, 1) != 0) {
            return REG_CLI_USAGE;
        }

        if (r->target.tag.len != 0 || r->target.has_digest) {
            reg_cli_target_free(&r->target);

            return reg_cli_fail(REG_CLI_USAGE, "\"%s\" names no repository",
                                name);
        }

        if (r->target.pattern == NULL) {
            r->how.only = r->target.repository;

        } else {
            r->how.want = restore_want;
        }
    }

    if (tag != NULL && (r->how.only.len == 0
                        || !reg_tag_valid(reg_str_of(tag))))
    {
        reg_cli_target_free(&r->target);

        return (r->how.only.len == 0)
               ? reg_cli_fail(REG_CLI_USAGE, "--tag needs the name of a "
                              "--repository")
               : reg_cli_fail(REG_CLI_USAGE, "\"%s\" is no tag", tag);
    }

    r->how.tag = (tag != NULL) ? reg_str_of(tag) : reg_null_str;
    r->how.now = time(NULL);
    r->how.dry = (reg_cli_value(r->c, "dry-run") != NULL);
    r->how.verify = (reg_cli_value(r->c, "verify") != NULL);
    r->how.keep_tags = (reg_cli_value(r->c, "keep-tags") != NULL);
    r->how.data = r;
    r->how.failed = restore_failed;
    r->how.moved = restore_moved;
    r->how.tick = restore_tick;

    return REG_CLI_OK;
}


static reg_cli_exit_e
restore_from(restore_t *r, reg_store_t *dir)
{
    reg_store_t     *s;
    reg_cli_exit_e   rc;

    rc = restore_pick(r, dir);

    if (rc != REG_CLI_OK) {
        return rc;
    }

    if (reg_cli_become(r->root, 1) != 0) {
        return REG_CLI_FAILED;
    }

    s = reg_cli_store(r->root);

    if (s == NULL) {
        return REG_CLI_FAILED;
    }

    rc = restore_place(r, s);

    if (rc == REG_CLI_OK) {
        rc = restore_into(r, dir, s);
    }

    reg_store_close(s);

    return rc;
}


/* A store among the backups would be an end of all later ones. */

static reg_cli_exit_e
restore_place(restore_t *r, reg_store_t *s)
{
    int  there;

    if (reg_backup_there(s, &there, &r->e) != REG_OK) {
        return reg_cli_error(r->root, &r->e);
    }

    return there ? reg_cli_fail(REG_CLI_FAILED, "%s is a directory of backups, "
                                "and no place for a store", r->root)
                 : REG_CLI_OK;
}


/* The one that was asked for, or the newest. */

static reg_cli_exit_e
restore_pick(restore_t *r, reg_store_t *dir)
{
    reg_rc_t            rc;
    reg_names_t         ids;
    const char         *id;
    reg_cli_exit_e      done;
    reg_backup_info_t   info;

    memset(&ids, 0, sizeof(ids));

    id = reg_cli_value(r->c, "snapshot");
    done = REG_CLI_OK;

    rc = reg_backup_ids(dir, &ids, &r->e);

    if (rc == REG_OK && id == NULL && ids.n > 0) {
        id = reg_names_get(&ids, ids.n - 1).data;
    }

    if (rc == REG_OK) {
        rc = (id == NULL)
             ? REG_ABSENT : reg_backup_list(dir, id, reg_null_str, NULL, NULL,
                                            &info, &r->e);
    }

    if (rc == REG_OK) {
        (void) snprintf(r->id, sizeof(r->id), "%s", id);
        r->how.id = r->id;

    } else if (rc == REG_ABSENT) {
        done = (id == NULL)
               ? reg_cli_fail(REG_CLI_NO, "%s: there is no backup", r->from)
               : reg_cli_fail(REG_CLI_NO, "%s: there is no backup \"%s\"",
                              r->from, id);

    } else {
        done = reg_cli_error(r->from, &r->e);
    }

    reg_names_free(&ids);

    return done;
}


static reg_cli_exit_e
restore_into(restore_t *r, reg_store_t *dir, reg_store_t *s)
{
    reg_rc_t        rc;
    reg_cli_exit_e  done;

    reg_cli_rows_begin(&r->rows, r->c, "", "failed");
    reg_buf_init(&r->moved, SIZE_MAX / 4);

    if (!r->rows.json) {
        reg_buf_reset(&r->rows.b);
    }

    rc = reg_restore(dir, s, &r->how, &r->counts, &r->e);

    reg_cli_progress_end(&r->progress);

    done = restore_tell(r, rc);

    reg_buf_free(&r->moved);

    return done;
}


static int
restore_want(void *data, reg_str_t name)
{
    restore_t  *r;

    r = data;

    return reg_cli_target_match(&r->target, name) == 1;
}


static void
restore_failed(void *data, reg_str_t name, const char *what, const char *why)
{
    restore_t  *r;

    r = data;

    reg_cli_progress_end(&r->progress);
    reg_cli_say("not brought back: %.*s %s: %s", (int) name.len, name.data,
                what, why);

    reg_cli_row_part(&r->rows, name, what, why);
}


static void
restore_moved(void *data, reg_str_t name, reg_str_t tag,
    const reg_digest_t *from, const reg_digest_t *to)
{
    restore_t  *r;

    r = data;

    reg_cli_progress_end(&r->progress);
    reg_cli_say("%s: %.*s:%.*s from %s to %s", r->how.dry ? "would move"
                                                           : "moved",
                (int) name.len, name.data, (int) tag.len, tag.data,
                from->text, to->text);

    if (!r->rows.json) {
        return;
    }

    reg_buf_str(&r->moved, (r->counts.moved == 1) ? reg_str("\n{")
                                                  : reg_str(",\n{"));
    reg_cli_member(&r->moved, "repository", name);
    reg_buf_str(&r->moved, reg_str(","));
    reg_cli_member(&r->moved, "tag", tag);
    reg_buf_printf(&r->moved, ",\"from\":\"%s\",\"to\":\"%s\"}",
                   from->text, to->text);
}


static void
restore_tick(void *data, const reg_restore_counts_t *c)
{
    restore_t  *r;

    r = data;

    if (reg_cli_progress_due(&r->progress)) {
        reg_cli_progress(&r->progress, "%" PRIu64 " repositories, %" PRIu64
                         " manifests, %" PRIu64 " blobs, %" PRIu64 " MB ...",
                         c->repositories, c->manifests, c->blobs,
                         c->bytes / (1024 * 1024));
    }
}


static reg_cli_exit_e
restore_end(restore_t *r)
{
    reg_buf_t                    more;
    reg_cli_exit_e               rc;
    const reg_restore_counts_t  *n;

    n = &r->counts;
    reg_buf_init(&more, SIZE_MAX / 4);

    reg_buf_printf(&more, ",\n\"moved\":[");
    reg_buf_str(&more, reg_buf_slice(&r->moved));
    reg_buf_printf(&more, "%s],\n\"id\":\"%s\",\"repositories\":%" PRIu64
                   ",\"manifests\":%" PRIu64 ",\"tags\":%" PRIu64
                   ",\"blobs\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"kept\":%"
                   PRIu64 ",\"incomplete\":%" PRIu64 ",\"unnamed\":%" PRIu64
                   ",\"dry_run\":%s", (r->moved.len == 0) ? "" : "\n", r->id,
                   n->repositories, n->manifests, n->tags, n->blobs, n->bytes,
                   n->kept, n->incomplete, n->unnamed,
                   r->how.dry ? "true" : "false");
    reg_buf_add(&more, "", 1);

    r->rows.terminal = 0;

    if (reg_buf_failed(&r->moved) || reg_buf_failed(&more)) {
        reg_buf_free(&r->rows.b);
        rc = reg_cli_fail(REG_CLI_FAILED, "out of memory");

    } else {
        rc = reg_cli_rows_end(&r->rows, more.data);
    }

    reg_buf_free(&more);

    return rc;
}


static reg_cli_exit_e
restore_tell(restore_t *r, reg_rc_t rc)
{
    reg_cli_exit_e               written;
    const reg_restore_counts_t  *n;

    n = &r->counts;

    if (rc != REG_OK) {
        reg_buf_free(&r->rows.b);

        (void) reg_cli_error(r->e.backup ? r->from : r->root, &r->e);

        return reg_cli_fail(REG_CLI_FAILED, "it ended early; what came back "
                            "until then is usable");
    }

    written = restore_end(r);

    reg_cli_say("%s: %" PRIu64 " repositories, %" PRIu64 " manifests, %" PRIu64
                " tags; %s %" PRIu64 " blobs of %" PRIu64 " bytes that %s "
                "missing; %" PRIu64 " tags %s, %" PRIu64 " tags kept, %"
                PRIu64 " failures",
                r->id, n->repositories, n->manifests, n->tags,
                r->how.dry ? "would bring" : "brought", n->blobs, n->bytes,
                r->how.dry ? "are" : "were", n->moved,
                r->how.dry ? "would move" : "moved", n->kept, n->failed);

    if (n->incomplete != 0) {
        reg_cli_say("%" PRIu64 " of the manifests lack a part, as they did "
                    "when the backup was made", n->incomplete);
    }

    if (n->unnamed != 0) {
        reg_cli_say("the backup was made without %" PRIu64 " manifests and "
                    "tags that were damaged, and does not say which",
                    n->unnamed);
    }

    if (n->moved != 0) {
        reg_cli_say("--keep-tags leaves tags as they are that name something "
                    "else by now");
    }

    if (written != REG_CLI_OK) {
        return written;
    }

    if (n->failed == 0
        && (n->repositories == 0
            || (r->how.tag.len != 0 && n->tags + n->kept == 0)))
    {
        return reg_cli_fail(REG_CLI_NO, "there is no such thing in the backup "
                            "%s", r->id);
    }

    return (n->failed == 0 && n->unnamed == 0) ? REG_CLI_OK : REG_CLI_NO;
}
