
/* registryctl ls, tags, du: what is in a store, and how much. */


#include "reg_cli_store.h"
#include "reg_cli_text.h"

#include "reg_catalog.h"
#include "reg_repo.h"
#include "reg_tags.h"
#include "reg_usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>


typedef struct {
    const reg_cli_t     *c;
    reg_store_t         *s;
    reg_cli_target_t     target;       /* of PATTERN; without one: "**" */
    reg_cli_rows_t       rows;
    reg_cli_progress_t   progress;
    reg_sums_t           sums;
    reg_error_t          e;
    reg_cli_exit_e       rc;           /* what ends a walk with a message */
    unsigned             counts:1;
    unsigned             damaged:1;    /* a tag's link names nothing */
    uint64_t             looked;
} ls_t;


static reg_cli_exit_e ls_run(const reg_cli_t *c);
static reg_cli_exit_e tags_run(const reg_cli_t *c);
static reg_cli_exit_e du_run(const reg_cli_t *c);
static reg_cli_exit_e ls_begin(ls_t *l, const reg_cli_t *c);
static reg_cli_exit_e ls_end(ls_t *l, reg_rc_t rc, const char *more);
static reg_rc_t ls_match(ls_t *l, reg_str_t name);
static reg_rc_t ls_repository(void *data, reg_str_t name);
static reg_rc_t ls_tag(void *data, reg_str_t tag, const reg_digest_t *d);
static reg_rc_t du_repository(void *data, const reg_usage_t *u);
static void du_tick(void *data, uint64_t n);
static void du_total(ls_t *l, const reg_usage_total_t *t, reg_buf_t *more);


static const reg_cli_option_t  ls_options[] = {
    { "long", 'l', NULL, 0, 0, "count tags, manifests and bytes, too" },
    { "json", 0, NULL, 0, 0, "print JSON instead of lines" },
    { NULL, 0, NULL, 0, 0, NULL }
};

static const reg_cli_option_t  json_options[] = {
    { "json", 0, NULL, 0, 0, "print JSON instead of lines" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  ls_commands[] = {
    { "", { "ROOT", "[PATTERN]" },
      "Lists the repositories, or those that fit a pattern.",
      ls_run, ls_options },

    { NULL, { NULL }, NULL, NULL, NULL }
};

static const reg_cli_command_t  tags_commands[] = {
    { "", { "ROOT", "REPOSITORY" },
      "Lists the tags of a repository and the digests that they name.",
      tags_run, json_options },

    { NULL, { NULL }, NULL, NULL, NULL }
};

static const reg_cli_command_t  du_commands[] = {
    { "", { "ROOT", "[PATTERN]" },
      "Tells for each repository how many bytes it holds (logical), and how "
      "many of them it holds alone (exclusive) or not (shared).",
      du_run, json_options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


#define LS_MORE                                                               \
    "ROOT is the directory that the directive registry names.  On a terminal " \
    "there is a table, in a pipe a line for each with tabs between its parts."


const reg_cli_group_t  reg_cli_ls = {
    "ls", "The repositories of a store", ls_commands,
    LS_MORE "\nExit status: 0 done; 1 no repository fits; 2 called wrongly; "
    "3 the store could not be read."
};

const reg_cli_group_t  reg_cli_tags = {
    "tags", "The tags of a repository", tags_commands,
    LS_MORE "\nExit status: 0 done; 1 no such repository, or a tag names "
    "nothing; 2 called wrongly; 3 the store could not be read."
};

const reg_cli_group_t  reg_cli_du = {
    "du", "The bytes that repositories hold", du_commands,
    LS_MORE "\nIt needs some 64 bytes of memory a blob.\nExit status: 0 done; "
    "1 no repository fits; 2 called wrongly; 3 the store could not be read."
};


static reg_cli_exit_e
ls_begin(ls_t *l, const reg_cli_t *c)
{
    memset(l, 0, sizeof(ls_t));
    reg_error_clear(&l->e);

    l->c = c;
    l->rc = REG_CLI_OK;

    if (reg_cli_target(&l->target,
                       (c->operands[1] != NULL) ? c->operands[1] : "**", 1)
        != 0)
    {
        return REG_CLI_USAGE;
    }

    if (l->target.tag.len != 0 || l->target.has_digest) {
        reg_cli_target_free(&l->target);

        return reg_cli_fail(REG_CLI_USAGE, "\"%s\" names no repository",
                            c->operands[1]);
    }

    l->s = reg_cli_store_there(c->operands[0]);

    if (l->s == NULL) {
        reg_cli_target_free(&l->target);
        return REG_CLI_FAILED;
    }

    return REG_CLI_OK;
}


static reg_cli_exit_e
ls_end(ls_t *l, reg_rc_t rc, const char *more)
{
    uint64_t        n;
    reg_cli_exit_e  written;

    n = l->rows.n;

    reg_cli_progress_end(&l->progress);

    written = reg_cli_rows_end(&l->rows, more);

    reg_store_close(l->s);
    reg_sums_free(&l->sums);

    if (l->rc == REG_CLI_OK) {
        l->rc = written;
    }

    if (l->rc == REG_CLI_OK && rc != REG_OK) {
        l->rc = reg_cli_error(l->c->operands[0], &l->e);
    }

    if (l->rc == REG_CLI_OK && n == 0 && l->c->operands[1] != NULL
        && l->c->group != &reg_cli_tags)
    {
        l->rc = reg_cli_fail(REG_CLI_NO, "no repository fits \"%s\"",
                             l->c->operands[1]);
    }

    reg_cli_target_free(&l->target);

    return l->rc;
}


/* REG_OK, REG_ABSENT when it does not fit, or what ends the walk. */

static reg_rc_t
ls_match(ls_t *l, reg_str_t name)
{
    switch (reg_cli_target_match(&l->target, name)) {

    case 1:
        return REG_OK;

    case 0:
        return REG_ABSENT;

    default:
        l->rc = REG_CLI_FAILED;
        return REG_INTERNAL;
    }
}


static reg_cli_exit_e
ls_run(const reg_cli_t *c)
{
    ls_t            l;
    reg_rc_t        rc;
    reg_cli_exit_e  begun;

    begun = ls_begin(&l, c);

    if (begun != REG_CLI_OK) {
        return begun;
    }

    l.counts = (reg_cli_value(c, "long") != NULL);

    reg_cli_rows_begin(&l.rows, c,
                       l.counts ? "REPOSITORY\tTAGS\tMANIFESTS\tBYTES"
                                : "REPOSITORY",
                       "repositories");

    rc = reg_catalog_walk(l.s, reg_null_str, ls_repository, &l, &l.e);

    return ls_end(&l, rc, NULL);
}


static reg_rc_t
ls_repository(void *data, reg_str_t name)
{
    ls_t         *l;
    reg_rc_t      rc;
    reg_buf_t    *b;
    reg_usage_t   u;

    l = data;
    l->looked++;
    memset(&u, 0, sizeof(u));

    rc = ls_match(l, name);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    if (l->counts) {
        rc = reg_usage_one(l->s, name, &l->sums, &u, &l->e);

        if (rc != REG_OK) {
            return rc;
        }
    }

    if (reg_cli_progress_due(&l->progress)) {
        reg_cli_progress(&l->progress, "%" PRIu64 " repositories ...",
                         l->looked);
    }

    b = &l->rows.b;

    reg_cli_row_begin(&l->rows);

    if (!l->rows.json) {
        reg_cli_plain(b, name);

        if (l->counts) {
            reg_buf_printf(b, "\t%" PRIu64 "\t%" PRIu64 "\t", u.tags,
                           u.manifests);
            reg_cli_bytes(b, u.logical, l->rows.terminal);
        }

        return reg_cli_row_end(&l->rows);
    }

    reg_buf_str(b, reg_str("{"));
    reg_cli_member(b, "name", name);

    if (l->counts) {
        reg_buf_printf(b, ",\"tags\":%" PRIu64 ",\"manifests\":%" PRIu64
                       ",\"bytes\":%" PRIu64, u.tags, u.manifests, u.logical);
    }

    reg_buf_str(b, reg_str("}"));

    return reg_cli_row_end(&l->rows);
}


static reg_cli_exit_e
tags_run(const reg_cli_t *c)
{
    ls_t              l;
    reg_rc_t          rc;
    reg_cli_exit_e    begun;

    begun = ls_begin(&l, c);

    if (begun != REG_CLI_OK) {
        return begun;
    }

    if (l.target.pattern != NULL) {
        reg_cli_target_free(&l.target);
        reg_store_close(l.s);

        return reg_cli_fail(REG_CLI_USAGE, "\"%s\" names no repository",
                            c->operands[1]);
    }

    switch (reg_repo_exists(l.s, l.target.repository, &l.e)) {

    case 1:
        break;

    case 0:
        reg_store_close(l.s);
        return reg_cli_fail(REG_CLI_NO, "there is no repository \"%s\"",
                            c->operands[1]);

    default:
        reg_store_close(l.s);
        return reg_cli_error(c->operands[0], &l.e);
    }

    reg_cli_rows_begin(&l.rows, c, "TAG\tDIGEST", "tags");

    rc = reg_tags_all(l.s, l.target.repository, ls_tag, &l, &l.e);

    begun = ls_end(&l, rc, NULL);

    return (begun == REG_CLI_OK && l.damaged) ? REG_CLI_NO : begun;
}


/* d is NULL for one whose link is damaged. */

static reg_rc_t
ls_tag(void *data, reg_str_t tag, const reg_digest_t *d)
{
    ls_t       *l;
    reg_buf_t  *b;

    l = data;
    b = &l->rows.b;

    if (d == NULL) {
        l->damaged = 1;
        reg_cli_say("%s:%.*s: the link of the tag names nothing",
                    l->c->operands[1], (int) tag.len, tag.data);
    }

    reg_cli_row_begin(&l->rows);

    if (l->rows.json) {
        reg_buf_str(b, reg_str("{"));
        reg_cli_member(b, "tag", tag);
        reg_buf_str(b, reg_str(","));
        reg_cli_member(b, "digest",
                       (d != NULL) ? reg_digest_str(d) : reg_null_str);
        reg_buf_str(b, reg_str("}"));

    } else {
        reg_cli_plain(b, tag);
        reg_buf_printf(b, "\t%s", (d != NULL) ? d->text : "-");
    }

    return reg_cli_row_end(&l->rows);
}


static reg_cli_exit_e
du_run(const reg_cli_t *c)
{
    ls_t                l;
    reg_rc_t            rc;
    reg_buf_t           more;
    reg_cli_exit_e      begun;
    reg_usage_total_t   total;

    begun = ls_begin(&l, c);

    if (begun != REG_CLI_OK) {
        return begun;
    }

    reg_buf_init(&more, 4096);
    reg_cli_rows_begin(&l.rows, c,
                       "REPOSITORY\tBLOBS\tLOGICAL\tEXCLUSIVE\tSHARED",
                       "repositories");

    rc = reg_usage_all(l.s, du_repository, du_tick, &l, &total, &l.e);

    if (rc == REG_OK) {
        du_total(&l, &total, &more);
    }

    begun = ls_end(&l, rc, l.rows.json ? more.data : NULL);

    if (begun == REG_CLI_OK && !l.rows.json && more.data != NULL) {
        reg_cli_say("%s", more.data);
    }

    reg_buf_free(&more);

    return begun;
}


static reg_rc_t
du_repository(void *data, const reg_usage_t *u)
{
    ls_t       *l;
    reg_rc_t    rc;
    reg_buf_t  *b;

    l = data;
    rc = ls_match(l, u->name);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    b = &l->rows.b;

    reg_cli_row_begin(&l->rows);

    if (l->rows.json) {
        reg_buf_str(b, reg_str("{"));
        reg_cli_member(b, "name", u->name);
        reg_buf_printf(b, ",\"tags\":%" PRIu64 ",\"manifests\":%" PRIu64
                       ",\"blobs\":%" PRIu64 ",\"logical\":%" PRIu64
                       ",\"exclusive\":%" PRIu64 ",\"shared\":%" PRIu64 "}",
                       u->tags, u->manifests, u->blobs, u->logical,
                       u->exclusive, u->logical - u->exclusive);

        return reg_cli_row_end(&l->rows);
    }

    reg_cli_plain(b, u->name);
    reg_buf_printf(b, "\t%" PRIu64 "\t", u->blobs);
    reg_cli_bytes(b, u->logical, l->rows.terminal);
    reg_buf_str(b, reg_str("\t"));
    reg_cli_bytes(b, u->exclusive, l->rows.terminal);
    reg_buf_str(b, reg_str("\t"));
    reg_cli_bytes(b, u->logical - u->exclusive, l->rows.terminal);

    return reg_cli_row_end(&l->rows);
}


static void
du_tick(void *data, uint64_t n)
{
    ls_t  *l;

    l = data;

    if (reg_cli_progress_due(&l->progress)) {
        reg_cli_progress(&l->progress, "%" PRIu64 " repositories ...", n);
    }
}


/* Those of the whole store, whatever the pattern. */

static void
du_total(ls_t *l, const reg_usage_total_t *t, reg_buf_t *more)
{
    if (l->rows.json) {
        reg_buf_printf(more, ",\n\"total\":{\"repositories\":%" PRIu64
                       ",\"blobs\":%" PRIu64 ",\"stored\":%" PRIu64
                       ",\"logical\":%" PRIu64 ",\"exclusive\":%" PRIu64
                       ",\"unlinked_blobs\":%" PRIu64 ",\"unlinked\":%" PRIu64
                       "}", t->repositories, t->blobs, t->stored, t->logical,
                       t->exclusive, t->unlinked, t->unlinked_bytes);

    } else {
        reg_buf_printf(more, "%" PRIu64 " repositories hold %" PRIu64
                       " blobs of ", t->repositories, t->blobs);
        reg_cli_bytes(more, t->stored, l->rows.terminal);
        reg_buf_printf(more, " bytes, shared by them as ");
        reg_cli_bytes(more, t->logical, l->rows.terminal);
        reg_buf_printf(more, "; %" PRIu64 " more of ", t->unlinked);
        reg_cli_bytes(more, t->unlinked_bytes, l->rows.terminal);
        reg_buf_printf(more, " bytes are linked nowhere");
    }

    reg_buf_add(more, "", 1);
}
