
/* registryctl rm: removes repositories, tags and manifests. */


#include "reg_cli_emit.h"
#include "reg_cli_store.h"
#include "reg_cli_text.h"

#include "reg_catalog.h"
#include "reg_name.h"
#include "reg_names.h"
#include "reg_repo.h"
#include "reg_tags.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


/* so many names are shown before the question */
#define RM_SHOWN  10


/*
 * The call is understood as a whole, then patterns become names, then these
 * are removed one by one, each as a request to nginx would.
 */
typedef struct {
    const reg_cli_t         *c;
    reg_store_t             *s;
    reg_cli_target_t        *targets;
    size_t                   n;
    const reg_cli_target_t  *now;          /* that becomes names */
    reg_str_t                name;         /* repository that it is at */
    reg_names_t              list;         /* "name", "name:tag", "name@..." */
    reg_buf_t                missing;      /* JSON strings of what was not
                                              there */
    uint64_t                 nmissing;
    reg_cli_rows_t           rows;
    reg_cli_progress_t       progress;
    unsigned                 dry:1;
    reg_cli_emit_t           emit;
    reg_names_t              untagged;     /* with the last manifest */
    reg_error_t              e;
    reg_cli_exit_e           rc;           /* after a message */
} rm_t;


static reg_cli_exit_e rm_run(const reg_cli_t *c);
static reg_cli_exit_e rm_all(rm_t *r);
static int rm_targets(rm_t *r);
static int rm_is_pattern(const reg_cli_target_t *t);
static reg_rc_t rm_expand(rm_t *r);
static reg_rc_t rm_repository(void *data, reg_str_t name);
static reg_rc_t rm_tag(void *data, reg_str_t tag, const reg_digest_t *d);
static reg_rc_t rm_add(rm_t *r, const char *sign, reg_str_t what);
static void rm_miss(rm_t *r, const char *name);
static reg_cli_exit_e rm_sure(rm_t *r);
static reg_cli_exit_e rm_remove(rm_t *r);
static reg_rc_t rm_one(rm_t *r, const reg_cli_target_t *t);
static reg_rc_t rm_tell(rm_t *r, const reg_cli_target_t *t, reg_rc_t rc);
static void rm_row(rm_t *r, const reg_cli_target_t *t);


static const reg_cli_option_t  options[] = {
    { "dry-run", 'n', NULL, 0, 0, "show what would be removed" },
    { "yes", 'y', NULL, 0, 0, "do not ask before a pattern removes things" },
    { "json", 0, NULL, 0, 0, "print JSON instead of lines" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  commands[] = {
    { "", { "ROOT", "TARGET ..." },
      "Removes repositories, tags, or manifests with all their tags, and "
      "prints a line for each.  nginx may go on serving.  A TARGET is "
      "REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST; the repository may be "
      "a pattern, and in a tag \"*\" stands for anything.",
      rm_run, options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_rm = {
    "rm",
    "The removal of repositories, tags and manifests",
    commands,
    "ROOT is the directory that the directive registry names.  Bytes come "
    "back when they are collected.  A manifest that is a part of an index goes "
    "if it is named.\nExit status: 0 removed; 1 something was not there, or "
    "the answer was no; 2 called wrongly; 3 something could not be removed."
};


static reg_cli_exit_e
rm_run(const reg_cli_t *c)
{
    rm_t             r;
    size_t           i;
    reg_cli_exit_e   rc;

    memset(&r, 0, sizeof(r));
    reg_error_clear(&r.e);

    r.c = c;
    r.dry = (reg_cli_value(c, "dry-run") != NULL);
    r.rc = REG_CLI_OK;
    r.targets = calloc(c->nmore, sizeof(reg_cli_target_t));

    if (r.targets == NULL) {
        return reg_cli_fail(REG_CLI_FAILED, "out of memory");
    }

    reg_buf_init(&r.missing, SIZE_MAX / 4);

    rc = REG_CLI_USAGE;

    if (rm_targets(&r) == 0) {
        rc = REG_CLI_FAILED;
        reg_cli_emit_who(&r.emit);

        if (reg_cli_become(c->operands[0], 0) == 0) {
            r.s = reg_cli_store_there(c->operands[0]);
        }

        if (r.s != NULL) {
            rc = (r.dry || reg_cli_emit_open(&r.emit, r.s, &r.e) == REG_OK)
                 ? rm_all(&r) : reg_cli_error(c->operands[0], &r.e);

            reg_cli_emit_close(&r.emit);
            reg_store_close(r.s);
        }
    }

    for (i = 0; i < r.n; i++) {
        reg_cli_target_free(&r.targets[i]);
    }

    free(r.targets);
    reg_names_free(&r.list);
    reg_names_free(&r.untagged);
    reg_buf_free(&r.missing);

    return rc;
}


static reg_cli_exit_e
rm_all(rm_t *r)
{
    reg_cli_exit_e  rc, written;

    if (rm_expand(r) != REG_OK) {
        reg_cli_progress_end(&r->progress);

        return (r->rc != REG_CLI_OK) ? r->rc
                                     : reg_cli_error(r->c->operands[0], &r->e);
    }

    rc = rm_sure(r);

    if (rc != REG_CLI_OK) {
        return rc;
    }

    reg_cli_rows_begin(&r->rows, r->c, "REMOVED", "removed");
    reg_buf_str(&r->missing, reg_str("]"));
    reg_buf_add(&r->missing, "", 1);

    rc = rm_remove(r);

    reg_cli_progress_end(&r->progress);

    written = reg_cli_rows_end(&r->rows, r->missing.data);

    if (rc != REG_CLI_OK || written != REG_CLI_OK) {
        return (rc != REG_CLI_OK) ? rc : written;
    }

    return (r->nmissing == 0) ? REG_CLI_OK : REG_CLI_NO;
}


static int
rm_targets(rm_t *r)
{
    for (r->n = 0; r->n < r->c->nmore; r->n++) {
        if (reg_cli_target(&r->targets[r->n], r->c->more[r->n], 1) != 0) {
            return -1;
        }
    }

    return 0;
}


static int
rm_is_pattern(const reg_cli_target_t *t)
{
    return t->pattern != NULL || t->tags;
}


/* --- from targets to names ----------------------------------------------- */

static reg_rc_t
rm_expand(rm_t *r)
{
    size_t    i, before;
    reg_rc_t  rc;

    reg_buf_str(&r->missing, reg_str(",\n\"missing\":["));

    for (i = 0; i < r->n; i++) {
        r->now = &r->targets[i];
        before = r->list.n;

        rc = (r->now->pattern != NULL)
             ? reg_catalog_walk(r->s, reg_null_str, rm_repository, r, &r->e)
             : rm_repository(r, r->now->repository);

        if (rc != REG_OK) {
            return rc;
        }

        if (r->list.n == before) {
            rm_miss(r, r->now->name);
        }
    }

    reg_cli_progress_end(&r->progress);

    /* what two of them name is removed once */

    return (reg_names_sort(&r->list) == 0)
           ? REG_OK : reg_error_set(&r->e, REG_NO_MEMORY, NULL);
}


/* What a damaged link stands for can be removed, too. */

static reg_rc_t
rm_repository(void *data, reg_str_t name)
{
    rm_t                    *r;
    int                      fits;
    reg_rc_t                 rc;
    reg_path_t               path;
    reg_stat_t               st;
    reg_digest_t             d;
    reg_error_t              e;
    const reg_cli_target_t  *t;

    r = data;
    t = r->now;
    fits = reg_cli_target_match(t, name);

    if (fits != 1) {
        r->rc = (fits == 0) ? r->rc : REG_CLI_FAILED;
        return (fits == 0) ? REG_OK : REG_INTERNAL;
    }

    if (reg_cli_progress_due(&r->progress)) {
        reg_cli_progress(&r->progress, "%zu found ...", r->list.n);
    }

    r->name = name;

    if (t->tags) {
        return reg_tags_all(r->s, name, rm_tag, r, &r->e);
    }

    reg_error_clear(&e);

    if (t->has_digest) {
        reg_layout_revision(&path, name, &t->digest);

        rc = reg_revision_find(r->s, name, &t->digest, &d, NULL, &e);

        if (rc == REG_OK
            || (rc == REG_MANIFEST_UNKNOWN
                && r->s->driver->stat(r->s, path.s, &st, NULL) == REG_OK))
        {
            return rm_add(r, "@", reg_digest_str(&t->digest));
        }

    } else if (t->tag.len != 0) {
        rc = reg_tag_read(r->s, name, t->tag, &d, &e);

        if (rc == REG_OK || (rc == REG_MANIFEST_UNKNOWN && e.damage)) {
            return rm_add(r, ":", t->tag);
        }

    } else {
        switch (reg_repo_exists(r->s, name, &e)) {

        case 1:
            return rm_add(r, "", reg_null_str);

        case 0:
            return REG_OK;

        default:
            rc = REG_STORAGE;
        }
    }

    if (rc != REG_MANIFEST_UNKNOWN) {
        r->e = e;
    }

    return (rc == REG_MANIFEST_UNKNOWN) ? REG_OK : rc;
}


static reg_rc_t
rm_tag(void *data, reg_str_t tag, const reg_digest_t *d)
{
    rm_t  *r;

    (void) d;

    r = data;

    return reg_cli_target_tag(r->now, tag) ? rm_add(r, ":", tag) : REG_OK;
}


static reg_rc_t
rm_add(rm_t *r, const char *sign, reg_str_t what)
{
    int   n;
    char  text[REG_NAME_MAX + REG_DIGEST_MAX + 3];

    n = snprintf(text, sizeof(text), "%.*s%s%.*s", (int) r->name.len,
                 r->name.data, sign, (int) what.len,
                 (what.len == 0) ? "" : what.data);

    if (n < 0 || (size_t) n >= sizeof(text)
        || reg_names_add(&r->list, reg_str_of(text)) != 0)
    {
        return reg_error_set(&r->e, REG_NO_MEMORY, NULL);
    }

    return REG_OK;
}


static void
rm_miss(rm_t *r, const char *name)
{
    reg_cli_progress_end(&r->progress);
    reg_cli_say("%s: there is no such thing", name);

    if (r->nmissing++ != 0) {
        reg_buf_str(&r->missing, reg_str(","));
    }

    reg_cli_quoted(&r->missing, reg_str_of(name));
}


/* --- the question -------------------------------------------------------- */

static reg_cli_exit_e
rm_sure(rm_t *r)
{
    size_t     i;
    char       answer[16];
    unsigned   pattern;
    reg_buf_t  b;

    pattern = 0;

    for (i = 0; i < r->n; i++) {
        pattern |= (unsigned) rm_is_pattern(&r->targets[i]);
    }

    if (r->dry || !pattern || r->list.n == 0
        || reg_cli_value(r->c, "yes") != NULL)
    {
        return REG_CLI_OK;
    }

    if (isatty(STDIN_FILENO) != 1) {
        return reg_cli_fail(REG_CLI_USAGE, "a pattern fits %zu things, and "
                            "there is nobody to be asked: see --dry-run, then "
                            "say --yes", r->list.n);
    }

    reg_buf_init(&b, 65536);

    for (i = 0; i < r->list.n && i < RM_SHOWN; i++) {
        reg_buf_str(&b, reg_str("  "));
        reg_cli_plain(&b, reg_names_get(&r->list, i));
        reg_buf_str(&b, reg_str("\n"));
    }

    if (i < r->list.n) {
        reg_buf_printf(&b, "  and %zu more\n", r->list.n - i);
    }

    fprintf(stderr, "%.*sRemove %s%zu of them? [y/N]: ", (int) b.len, b.data,
            (r->list.n == 1) ? "" : "all ", r->list.n);
    (void) fflush(stderr);

    reg_buf_free(&b);

    if (fgets(answer, sizeof(answer), stdin) == NULL
        || (strcmp(answer, "y\n") != 0 && strcmp(answer, "Y\n") != 0
            && strcmp(answer, "yes\n") != 0))
    {
        return reg_cli_fail(REG_CLI_NO, "nothing was removed");
    }

    return REG_CLI_OK;
}


/* --- from names to nothing ----------------------------------------------- */

static reg_cli_exit_e
rm_remove(rm_t *r)
{
    int               gone;
    size_t            i;
    reg_rc_t          rc, told;
    reg_cli_target_t  t;

    for (i = 0; i < r->list.n; i++) {

        /* they are names now, and were written by rm_add() */

        if (reg_cli_target(&t, reg_names_get(&r->list, i).data, 0) != 0) {
            return REG_CLI_FAILED;
        }

        reg_error_clear(&r->e);

        rc = reg_cli_emit_room(&r->emit, t.repository, &r->e);

        if (rc == REG_OK && !r->dry) {
            rc = rm_one(r, &t);
        }

        /* who else removed it meanwhile did what was asked for */

        gone = (rc == REG_MANIFEST_UNKNOWN || rc == REG_NAME_UNKNOWN);

        if (rc == REG_OK) {
            rm_row(r, &t);

        } else if (gone) {
            reg_error_clear(&r->e);
        }

        told = rm_tell(r, &t, rc);

        if (told != REG_OK) {
            reg_cli_progress_end(&r->progress);
            reg_cli_say("%s: %s removed, but no event tells of %s", t.name,
                        (rc == REG_OK) ? "is" : "tags of it are",
                        (rc == REG_OK) ? "it" : "them");
        }

        if (rc != REG_OK && !gone) {
            reg_cli_progress_end(&r->progress);
            reg_cli_say("%s: could not be removed", t.name);
        }

        if (told != REG_OK || (rc != REG_OK && !gone)) {
            return reg_cli_error(r->c->operands[0], &r->e);
        }

        if (gone) {
            continue;
        }

        if (reg_cli_progress_due(&r->progress)) {
            reg_cli_progress(&r->progress, "%zu of %zu removed ...", i + 1,
                             r->list.n);
        }
    }

    return REG_CLI_OK;
}


static reg_rc_t
rm_one(rm_t *r, const reg_cli_target_t *t)
{
    if (t->has_digest) {
        return reg_manifest_delete(r->s, t->repository, &t->digest,
                                   &r->untagged, &r->e);
    }

    if (t->tag.len != 0) {
        return reg_tag_delete(r->s, t->repository, t->tag, &r->e);
    }

    return reg_repo_delete(r->s, t->repository, &r->e);
}


/*
 * The events that a DELETE to nginx makes, which came to rc: tags go before the
 * manifest that they were on, and are gone whatever became of it.
 */

static reg_rc_t
rm_tell(rm_t *r, const reg_cli_target_t *t, reg_rc_t rc)
{
    size_t    i;
    reg_rc_t  told;

    told = REG_OK;

    if (rc == REG_OK) {
        told = reg_cli_emit_delete(&r->emit, t->repository,
                                   t->has_digest ? reg_null_str : t->tag,
                                   t->has_digest ? reg_digest_str(&t->digest)
                                                 : reg_null_str, &r->e);
    }

    for (i = 0; i < r->untagged.n && told == REG_OK; i++) {
        told = reg_cli_emit_delete(&r->emit, t->repository,
                                   reg_names_get(&r->untagged, i),
                                   reg_null_str, &r->e);
    }

    reg_names_free(&r->untagged);

    return told;
}


static void
rm_row(rm_t *r, const reg_cli_target_t *t)
{
    reg_buf_t  *b;

    b = &r->rows.b;

    reg_cli_row_begin(&r->rows);

    if (r->rows.json) {
        reg_buf_str(b, reg_str("{"));
        reg_cli_member(b, "repository", t->repository);
        reg_buf_str(b, reg_str(","));
        reg_cli_member(b, "tag", (t->tag.len == 0) ? reg_null_str : t->tag);
        reg_buf_str(b, reg_str(","));
        reg_cli_member(b, "digest", t->has_digest ? reg_digest_str(&t->digest)
                                                  : reg_null_str);
        reg_buf_str(b, reg_str("}"));

    } else {
        reg_cli_plain(b, reg_str_of(t->name));
    }

    (void) reg_cli_row_end(&r->rows);
}
