
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_backup_dir.h"

#include "reg_fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>


#define REG_BACKUP_READ  65536

/* what tells the line of something that was left out from others */
#define REG_BACKUP_LEFT  "\",\"left_out\":\""


/* A listing that is read line by line. */
typedef struct {
    reg_store_t  *dir;
    reg_file_t    f;
    uint64_t      at;
    reg_buf_t     b;
    size_t        used;          /* of b */
    const char   *id;
    reg_error_t  *e;
} reg_backup_reader_t;


static reg_rc_t reg_backup_ids_one(void *ctx, reg_str_t name, int dir);
static reg_rc_t reg_backup_open(reg_backup_reader_t *r, reg_store_t *dir,
    const char *id, reg_error_t *e);
static void reg_backup_shut(reg_backup_reader_t *r);
static int reg_backup_next(reg_backup_reader_t *r, reg_str_t *line);
static reg_rc_t reg_backup_whole(reg_backup_reader_t *r,
    reg_backup_info_t *info);
static uint64_t reg_backup_count(const json_t *counts, const char *key);
static reg_rc_t reg_backup_info(reg_backup_reader_t *r,
    reg_backup_info_t *info, reg_str_t last, const reg_digest_t *got);
static reg_rc_t reg_backup_entries(reg_backup_reader_t *r, reg_str_t only,
    reg_backup_entry_pt fn, void *ctx);
static reg_rc_t reg_backup_one(reg_backup_reader_t *r, reg_str_t line,
    reg_backup_entry_pt fn, void *ctx);
static int reg_backup_left_valid(const reg_backup_entry_t *entry);
static reg_rc_t reg_backup_bad(reg_backup_reader_t *r);


/* --- which there are ----------------------------------------------------- */

reg_rc_t
reg_backup_there(reg_store_t *dir, int *there, reg_error_t *e)
{
    size_t       i;
    reg_rc_t     rc;
    reg_stat_t   st;
    reg_names_t  ids;
    reg_error_t  why;

    static const char  *const marks[] = { "lock", "blobs" };

    memset(&ids, 0, sizeof(ids));

    rc = reg_backup_ids(dir, &ids, e);
    *there = (ids.n > 0);

    reg_names_free(&ids);

    if (rc != REG_OK || *there) {
        return rc;
    }

    for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        reg_error_clear(&why);

        if (dir->driver->stat(dir, marks[i], &st, &why) != REG_OK) {
            return REG_OK;
        }
    }

    *there = 1;

    return REG_OK;
}


reg_rc_t
reg_backup_ids(reg_store_t *dir, reg_names_t *ids, reg_error_t *e)
{
    reg_rc_t  rc;

    rc = dir->driver->list(dir, "backups", reg_backup_ids_one, ids, e);

    if (rc == REG_NO_MEMORY || reg_names_sort(ids) != 0) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


static reg_rc_t
reg_backup_ids_one(void *ctx, reg_str_t name, int dir)
{
    char  id[REG_BACKUP_ID + 1];

    if (dir || !reg_str_ends(name, reg_str(".json"))) {
        return REG_OK;
    }

    name.len -= sizeof(".json") - 1;

    if (!reg_backup_id_valid(name)) {
        return REG_OK;
    }

    memcpy(id, name.data, name.len);
    id[name.len] = '\0';

    return (reg_names_add(ctx, reg_str_of(id)) == 0) ? REG_OK : REG_NO_MEMORY;
}


/*
 * It stands behind all others, whatever the clock did: the last is the newest,
 * and is what retention keeps.
 */

reg_rc_t
reg_backup_new_id(reg_store_t *dir, int64_t now, char *id, reg_error_t *e)
{
    uint64_t     n;
    reg_rc_t     rc;
    reg_str_t    last, again;
    reg_names_t  ids;

    memset(&ids, 0, sizeof(ids));
    reg_backup_id(id, now, 1);

    rc = reg_backup_ids(dir, &ids, e);

    if (rc == REG_OK && ids.n > 0) {
        last = reg_names_get(&ids, ids.n - 1);

        if (reg_str_cmp(last, reg_str_of(id)) >= 0) {
            n = 1;
            again.data = last.data + strlen(id) + 1;
            again.len = (last.len > strlen(id)) ? last.len - strlen(id) - 1
                                                : 0;

            if (again.len != 0 && reg_str_number(again, 998, &n) != 0) {
                rc = reg_error_set(e, REG_STORAGE, "too many backups of one "
                                   "second");
            }

            last.len = strlen(id);

            (void) snprintf(id, REG_BACKUP_ID + 1, "%.*s-%03u",
                            (int) last.len, last.data, (unsigned) n + 1);
        }
    }

    reg_names_free(&ids);

    return rc;
}


/* --- one of them --------------------------------------------------------- */

reg_rc_t
reg_backup_list(reg_store_t *dir, const char *id, reg_str_t only,
    reg_backup_entry_pt fn, void *ctx, reg_backup_info_t *info,
    reg_error_t *e)
{
    reg_rc_t             rc;
    reg_backup_reader_t  r;

    rc = reg_backup_open(&r, dir, id, e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_backup_whole(&r, info);

    if (rc == REG_OK && fn != NULL) {
        r.at = 0;
        r.used = 0;
        reg_buf_reset(&r.b);

        rc = reg_backup_entries(&r, only, fn, ctx);
    }

    reg_backup_shut(&r);

    return rc;
}


static reg_rc_t
reg_backup_open(reg_backup_reader_t *r, reg_store_t *dir, const char *id,
    reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path;

    memset(r, 0, sizeof(reg_backup_reader_t));

    r->dir = dir;
    r->id = id;
    r->e = e;

    if (!reg_backup_id_valid(reg_str_of(id))) {
        return REG_ABSENT;
    }

    (void) snprintf(path.s, sizeof(path.s), "backups/%s.json", id);

    rc = dir->driver->open(dir, path.s, &r->f, e);

    if (rc == REG_OK) {
        reg_buf_init(&r->b, REG_BACKUP_LINE + REG_BACKUP_READ);
    }

    return reg_backup_error(e, rc);
}


static void
reg_backup_shut(reg_backup_reader_t *r)
{
    (void) close(r->f.fd);
    reg_buf_free(&r->b);
}


/* 1 and a line with its end; 0 at the end of the file, -1 and an error. */

static int
reg_backup_next(reg_backup_reader_t *r, reg_str_t *line)
{
    char     *end;
    size_t    seen, left;
    ssize_t   n;

    seen = 0;

    for ( ;; ) {
        left = r->b.len - r->used;

        end = (left > seen)
              ? memchr(r->b.data + r->used + seen, '\n', left - seen) : NULL;

        if (end != NULL) {
            line->data = r->b.data + r->used;
            line->len = (size_t) (end + 1 - line->data);
            r->used += line->len;

            return 1;
        }

        seen = left;

        if (r->used != 0) {
            memmove(r->b.data, r->b.data + r->used, left);
            r->b.len = left;
            r->used = 0;
        }

        if (reg_buf_reserve(&r->b, REG_BACKUP_READ) != 0) {
            (void) reg_error_set(r->e, (r->b.state == REG_BUF_FULL)
                                       ? REG_DIGEST_MISMATCH : REG_NO_MEMORY,
                                 "a line of it is too long");
            return -1;
        }

        n = reg_fs_pread(r->f.fd, r->b.data + r->b.len, REG_BACKUP_READ,
                         r->at);

        if (n == -1) {
            (void) reg_backup_error(r->e, reg_error_sys(r->e, errno, "read",
                                                        r->id));
            return -1;
        }

        if (n == 0) {
            return 0;
        }

        r->b.len += (size_t) n;
        r->at += (uint64_t) n;
    }
}


static reg_rc_t
reg_backup_bad(reg_backup_reader_t *r)
{
    return reg_backup_error(r->e, reg_error_set(r->e, REG_DIGEST_MISMATCH,
                            "the listing of %s was cut off or changed",
                            r->id));
}


/* Hashes all lines but the last, which tells what came of it. */

static reg_rc_t
reg_backup_whole(reg_backup_reader_t *r, reg_backup_info_t *info)
{
    int           rc;
    uint64_t      named;
    reg_str_t     line;
    reg_hash_t    h;
    reg_digest_t  got;

    named = 0;
    memset(info, 0, sizeof(reg_backup_info_t));
    reg_hash_init(&h, REG_SHA256);

    while ((rc = reg_backup_next(r, &line)) == 1) {

        if (reg_str_starts(line, reg_str("\"counts\":"))) {
            reg_hash_final(&h, &got);
            info->named = named;
            return reg_backup_info(r, info, line, &got);
        }

        reg_hash_update(&h, line.data, line.len);

        /* no name that stands before it holds a quote */

        named += (memmem(line.data, line.len, REG_BACKUP_LEFT,
                         sizeof(REG_BACKUP_LEFT) - 1)
                  != NULL);
    }

    return (rc == 0) ? reg_backup_bad(r)
                     : (r->e != NULL && r->e->rc != REG_OK) ? r->e->rc
                                                            : REG_STORAGE;
}


static uint64_t
reg_backup_count(const json_t *counts, const char *key)
{
    json_int_t  n;

    n = json_integer_value(json_object_get(counts, key));

    return (n < 0) ? 0 : (uint64_t) n;
}


static reg_rc_t
reg_backup_info(reg_backup_reader_t *r, reg_backup_info_t *info,
    reg_str_t last, const reg_digest_t *got)
{
    json_t        *root;
    reg_rc_t       rc;
    reg_buf_t      b;
    reg_str_t      more;
    const json_t  *c;

    reg_buf_init(&b, REG_BACKUP_READ);
    reg_buf_str(&b, reg_str("{"));
    reg_buf_str(&b, last);

    root = reg_buf_failed(&b) ? NULL : reg_json_load(b.data, b.len, NULL);

    reg_buf_free(&b);

    rc = (reg_str_eq(reg_json_str(root, "digest"), reg_digest_str(got))
          && reg_backup_next(r, &more) == 0 && r->used == r->b.len)
         ? REG_OK : reg_backup_bad(r);

    c = json_object_get(root, "counts");

    info->repositories = reg_backup_count(c, "repositories");
    info->manifests = reg_backup_count(c, "manifests");
    info->tags = reg_backup_count(c, "tags");
    info->blobs = reg_backup_count(c, "blobs");
    info->left_out = reg_backup_count(c, "left_out");

    json_decref(root);

    return rc;
}


static reg_rc_t
reg_backup_entries(reg_backup_reader_t *r, reg_str_t only,
    reg_backup_entry_pt fn, void *ctx)
{
    int        rc;
    size_t     n;
    reg_str_t  line;
    reg_rc_t   done;

    static const char  begin[] = "{\"repository\":\"";

    n = sizeof(begin) - 1;

    while ((rc = reg_backup_next(r, &line)) == 1) {

        if (reg_str_starts(line, reg_str("]"))) {
            return REG_OK;
        }

        if (!reg_str_starts(line, reg_str("{\"repository\":\""))) {
            continue;
        }

        if (only.len != 0
            && (line.len <= n + only.len
                || memcmp(line.data + n, only.data, only.len) != 0
                || line.data[n + only.len] != '"'))
        {
            continue;
        }

        done = reg_backup_one(r, line, fn, ctx);

        if (done != REG_OK) {
            return done;
        }
    }

    return (rc == 0) ? reg_backup_bad(r)
                     : (r->e != NULL && r->e->rc != REG_OK) ? r->e->rc
                                                            : REG_STORAGE;
}


/* It is printed: a name, and no byte that a terminal could obey. */

static int
reg_backup_left_valid(const reg_backup_entry_t *entry)
{
    size_t        i;
    reg_digest_t  d;

    if (entry->left_out.len == 0) {
        return 1;
    }

    for (i = 0; i < entry->why.len; i++) {
        if (entry->why.data[i] < ' ' || entry->why.data[i] > '~') {
            return 0;
        }
    }

    return !entry->has_manifest
           && (reg_tag_valid(entry->left_out)
               || reg_digest_parse(&d, entry->left_out, NULL) == REG_OK);
}


static reg_rc_t
reg_backup_one(reg_backup_reader_t *r, reg_str_t line,
    reg_backup_entry_pt fn, void *ctx)
{
    json_t              *root;
    reg_rc_t             rc;
    reg_str_t            digest, subject;
    reg_backup_entry_t   entry;

    memset(&entry, 0, sizeof(entry));

    while (line.len != 0 && line.data[line.len - 1] != '}') {
        line.len--;
    }

    root = reg_json_load(line.data, line.len, NULL);

    entry.repository = reg_json_str(root, "repository");
    entry.tag = reg_json_str(root, "tag");
    entry.blobs = json_object_get(root, "blobs");
    entry.manifests = json_object_get(root, "manifests");

    entry.left_out = reg_json_str(root, "left_out");
    entry.why = reg_json_str(root, "why");

    digest = reg_json_str(root, "manifest");
    subject = reg_json_str(root, "subject");

    entry.has_manifest = (digest.len != 0);
    entry.has_subject = (subject.len != 0);
    entry.incomplete = json_is_true(json_object_get(root, "incomplete"));

    /* whoever can write there could make the digest fit, too */

    if (!reg_name_valid(entry.repository)
        || (entry.tag.len != 0
            && (!reg_tag_valid(entry.tag) || !entry.has_manifest))
        || (entry.has_manifest
            && reg_digest_parse(&entry.manifest, digest, NULL) != REG_OK)
        || (entry.has_subject
            && reg_digest_parse(&entry.subject, subject, NULL) != REG_OK)
        || !reg_backup_left_valid(&entry))
    {
        rc = reg_backup_bad(r);

    } else {
        rc = fn(ctx, &entry);
    }

    json_decref(root);

    return rc;
}
