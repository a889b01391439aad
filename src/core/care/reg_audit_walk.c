
#include "reg_audit_private.h"

#include "reg_fs.h"
#include "reg_upload_owner.h"

#include <stdio.h>
#include <string.h>


typedef struct reg_audit_place_s  reg_audit_place_t;

/* Takes one entry of a directory; its path is in p->item.path. */
typedef void (*reg_audit_entry_pt)(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);

/* A directory while it is read. */
struct reg_audit_place_s {
    reg_audit_run_t     *a;
    reg_audit_entry_pt   entry;
    reg_audit_is_e       is;         /* what is below it */
    reg_alg_e            alg;
    size_t               len;        /* of its path */
    reg_audit_item_t     item;
};


static void reg_audit_list(const reg_audit_place_t *up,
    reg_audit_entry_pt entry);
static reg_rc_t reg_audit_entry(void *ctx, reg_str_t name, int dir);
static void reg_audit_wrong(reg_audit_place_t *p, const char *why);
static void reg_audit_top(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_docker(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_registry(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_own(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_leftover(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_v2(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_blobs(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_two(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_repo(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_part(reg_audit_place_t *p, reg_str_t entry);
static void reg_audit_manifests(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_tags(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_tag_parts(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_algs(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_digests(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_subjects(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_link_dir(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_uploads(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_upload_parts(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);
static void reg_audit_states(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir);


/* Repositories before blobs, so that it is known which of these are linked. */

void
reg_audit_walk(reg_audit_run_t *a)
{
    unsigned           i;
    reg_audit_place_t  p;

    static const struct {
        const char          *path;
        reg_audit_entry_pt   entry;
    } tops[] = {
        { ".",                 reg_audit_top },
        { "docker",            reg_audit_docker },
        { "docker/registry",   reg_audit_registry },
        { REG_LAYOUT_OWN,      reg_audit_own },
        { REG_LAYOUT_V2,       reg_audit_v2 },
        { REG_LAYOUT_REPOS,    reg_audit_repo },
        { REG_LAYOUT_BLOBS,    reg_audit_blobs }
    };

    for (i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
        memset(&p, 0, sizeof(p));

        p.a = a;
        p.item.path.len = strlen(tops[i].path);
        memcpy(p.item.path.s, tops[i].path, p.item.path.len + 1);

        reg_audit_list(&p, tops[i].entry);
    }
}


/* Reads the directory whose path up->item has. */

static void
reg_audit_list(const reg_audit_place_t *up, reg_audit_entry_pt entry)
{
    reg_rc_t           rc;
    reg_error_t        why;
    reg_audit_run_t   *a;
    reg_audit_place_t  p;

    a = up->a;

    if (a->rc != REG_OK) {
        return;
    }

    p = *up;
    p.entry = entry;
    p.len = p.item.path.len;

    reg_error_clear(&why);

    rc = a->s->driver->list(a->s, up->item.path.s, reg_audit_entry, &p, &why);

    if (rc != REG_OK && rc != REG_ABSENT && a->rc == REG_OK) {
        reg_audit_fail(a, up->item.path.s, &why);
    }
}


static reg_rc_t
reg_audit_entry(void *ctx, reg_str_t name, int dir)
{
    reg_path_t         *path;
    reg_audit_place_t  *p;

    p = ctx;
    path = &p->item.path;
    path->len = p->len;

    if (name.len + 1 >= REG_PATH_MAX - p->len) {

        /* too deep to be ours: the directory stands for it */

        path->s[p->len] = '\0';
        reg_audit_wrong(p, "holds a name that is too long");

        return p->a->rc;
    }

    path->s[path->len++] = '/';
    memcpy(path->s + path->len, name.data, name.len + 1);
    path->len += name.len;

    p->entry(p->a, p, reg_str_of(path->s + p->len + 1), dir);

    return p->a->rc;
}


/* With why NULL it is a temporary, which may be there for a while. */

static void
reg_audit_wrong(reg_audit_place_t *p, const char *why)
{
    p->item.is = REG_AUDIT_IS_STRAY;
    p->item.why = why;

    reg_audit_visit(p->a, &p->item);
}


/* What else stands beside "docker" is not ours to judge. */

static void
reg_audit_top(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;

    if (reg_str_eq(entry, reg_str("docker")) && !dir) {
        memmove(p->item.path.s, p->item.path.s + 2, p->item.path.len - 1);
        p->item.path.len -= 2;
        reg_audit_wrong(p, "is a file in place of a directory");
        memcpy(p->item.path.s, ".", 2);
    }
}


static void
reg_audit_docker(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;

    if (!reg_str_eq(entry, reg_str("registry")) || !dir) {
        reg_audit_wrong(p, "belongs to nothing");
    }
}


static void
reg_audit_registry(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;

    if (!dir || (!reg_str_eq(entry, reg_str("v2"))
                 && !reg_str_eq(entry, reg_str("nginx"))))
    {
        reg_audit_wrong(p, "belongs to nothing");
    }
}


/* The lock, keys, and what later versions keep there; no links elsewhere. */

static void
reg_audit_own(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;

    if (dir) {
        if (reg_str_eq(entry, reg_str("tmp"))
            || reg_str_eq(entry, reg_str("trash")))
        {
            reg_audit_list(p, reg_audit_leftover);
        }

        return;
    }

    if (reg_audit_type(a, p->item.path.s, NULL) != REG_AUDIT_FILE) {
        reg_audit_wrong(p, "belongs to nothing");
    }
}


static void
reg_audit_leftover(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;
    (void) entry;
    (void) dir;

    reg_audit_wrong(p, NULL);
}


static void
reg_audit_v2(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;

    if (!dir || (!reg_str_eq(entry, reg_str("blobs"))
                 && !reg_str_eq(entry, reg_str("repositories"))))
    {
        reg_audit_wrong(p, "belongs to nothing");
    }
}


/* blobs/<alg> */

static void
reg_audit_blobs(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;

    if (!dir || reg_alg_find(entry, &p->alg) != 0) {
        reg_audit_wrong(p, "is no algorithm of digests");
        return;
    }

    p->is = REG_AUDIT_IS_BLOB;
    reg_audit_list(p, reg_audit_two);
}


/* blobs/<alg>/<2 hex> */

static void
reg_audit_two(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;

    if (!dir || entry.len != 2 || strspn(entry.data, "0123456789abcdef") != 2)
    {
        reg_audit_wrong(p, "is not the directory of digests");
        return;
    }

    reg_audit_list(p, reg_audit_digests);
}


/* repositories/<name>, at any depth */

static void
reg_audit_repo(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    size_t     at, name;
    reg_str_t  whole;

    (void) a;

    at = sizeof(REG_LAYOUT_REPOS);
    name = p->item.name;

    if (entry.data[0] == '_' && p->len >= at) {

        if (!dir) {
            reg_audit_wrong(p, "belongs to nothing");
            return;
        }

        p->item.name = p->len - at;
        reg_audit_part(p, entry);
        p->item.name = name;

        return;
    }

    whole.data = p->item.path.s + at;
    whole.len = p->item.path.len - at;

    if (!dir) {
        reg_audit_wrong(p, "belongs to nothing");

    } else if (!reg_name_valid(whole)) {
        reg_audit_wrong(p, "is no name of a repository");

    } else {
        reg_audit_list(p, reg_audit_repo);
    }
}


static void
reg_audit_part(reg_audit_place_t *p, reg_str_t entry)
{
    reg_path_t  other;

    if (reg_str_eq(entry, reg_str("_layers"))) {

        /* distribution 2 makes these alone before the first manifest */

        (void) snprintf(other.s, sizeof(other.s), "%.*s/_manifests",
                        (int) p->len, p->item.path.s);

        if (reg_audit_type(p->a, other.s, NULL) != REG_AUDIT_DIR) {
            p->a->counts->repositories++;
        }

        p->is = REG_AUDIT_IS_LAYER;
        reg_audit_list(p, reg_audit_algs);

    } else if (reg_str_eq(entry, reg_str("_manifests"))) {
        p->a->counts->repositories++;
        reg_audit_list(p, reg_audit_manifests);

    } else if (reg_str_eq(entry, reg_str("_uploads"))) {
        reg_audit_list(p, reg_audit_uploads);

    } else if (reg_str_eq(entry, reg_str("_referrers"))) {
        p->is = REG_AUDIT_IS_STRAY;
        reg_audit_list(p, reg_audit_algs);

    } else {
        reg_audit_wrong(p, "belongs to nothing");
    }
}


static void
reg_audit_manifests(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;

    if (dir && reg_str_eq(entry, reg_str("revisions"))) {
        p->is = REG_AUDIT_IS_REVISION;
        reg_audit_list(p, reg_audit_algs);

    } else if (dir && reg_str_eq(entry, reg_str("tags"))) {
        reg_audit_list(p, reg_audit_tags);

    } else {
        reg_audit_wrong(p, "belongs to nothing");
    }
}


static void
reg_audit_tags(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    if (!dir || !reg_tag_valid(entry)) {
        reg_audit_wrong(p, "is no tag");
        return;
    }

    p->item.is = REG_AUDIT_IS_TAG;
    reg_audit_visit(a, &p->item);

    reg_audit_list(p, reg_audit_tag_parts);
}


static void
reg_audit_tag_parts(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;

    if (dir && reg_str_eq(entry, reg_str("current"))) {
        p->is = REG_AUDIT_IS_TAG;
        reg_audit_list(p, reg_audit_link_dir);

    } else if (dir && reg_str_eq(entry, reg_str("index"))) {
        p->is = REG_AUDIT_IS_INDEX;
        reg_audit_list(p, reg_audit_algs);

    } else {
        reg_audit_wrong(p, "belongs to nothing");
    }
}


/* <alg> of <alg>/<hex>, below whatever p->is says; a stray is a subject's */

static void
reg_audit_algs(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;

    if (!dir && p->is == REG_AUDIT_IS_STRAY
        && reg_str_eq(entry, reg_str("scanned"))
        && reg_audit_type(a, p->item.path.s, NULL) == REG_AUDIT_FILE)
    {
        return;
    }

    if (!dir || reg_alg_find(entry, &p->alg) != 0) {
        reg_audit_wrong(p, "is no algorithm of digests");
        return;
    }

    reg_audit_list(p, (p->is == REG_AUDIT_IS_STRAY) ? reg_audit_subjects
                                                    : reg_audit_digests);
}


static void
reg_audit_subjects(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    reg_audit_is_e  is;

    (void) a;

    if (!dir || reg_digest_make(&p->item.subject, p->alg, entry) != REG_OK) {
        reg_audit_wrong(p, "is not the directory of a digest");
        return;
    }

    is = p->is;
    p->is = REG_AUDIT_IS_REFERRER;

    reg_audit_list(p, reg_audit_algs);

    p->is = is;
}


/* <hex> */

static void
reg_audit_digests(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    if (!dir || reg_digest_make(&p->item.d, p->alg, entry) != REG_OK
        || (p->is == REG_AUDIT_IS_BLOB
            && memcmp(entry.data, entry.data - 3, 2) != 0))
    {
        reg_audit_wrong(p, "is not the directory of a digest");
        return;
    }

    p->item.is = p->is;
    reg_audit_visit(a, &p->item);

    reg_audit_list(p, reg_audit_link_dir);
}


/* What stands in it was looked at, if it has the right name. */

static void
reg_audit_link_dir(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    (void) a;

    if (reg_str_eq(entry, (p->is == REG_AUDIT_IS_BLOB) ? reg_str("data")
                                                       : reg_str("link")))
    {
        return;
    }

    /* of schema 1, beside the link of its manifest */

    if (dir && p->is == REG_AUDIT_IS_REVISION
        && reg_str_eq(entry, reg_str("signatures")))
    {
        return;
    }

    reg_audit_wrong(p, "belongs to nothing");
}


static void
reg_audit_uploads(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    if (!dir || !reg_uuid_valid(entry)) {
        reg_audit_wrong(p, "is no upload");
        return;
    }

    p->item.is = REG_AUDIT_IS_UPLOAD;
    reg_audit_visit(a, &p->item);

    p->is = REG_AUDIT_IS_UPLOAD;
    reg_audit_list(p, reg_audit_upload_parts);
}


static void
reg_audit_upload_parts(reg_audit_run_t *a, reg_audit_place_t *p,
    reg_str_t entry, int dir)
{
    (void) a;

    if (reg_str_eq(entry, reg_str("data"))
        || reg_str_eq(entry, reg_str("startedat"))
        || reg_str_eq(entry, reg_str(REG_UPLOAD_OWNER)))
    {
        return;
    }

    if (dir && reg_str_eq(entry, reg_str("hashstates"))) {
        reg_audit_list(p, reg_audit_states);

    } else {
        reg_audit_wrong(p, "belongs to nothing");
    }
}


/* hashstates/<alg>, then hashstates/<alg>/<offset> */

static void
reg_audit_states(reg_audit_run_t *a, reg_audit_place_t *p, reg_str_t entry,
    int dir)
{
    if (p->is == REG_AUDIT_IS_STATE) {

        if (dir) {
            reg_audit_wrong(p, "belongs to nothing");
            return;
        }

        p->item.is = REG_AUDIT_IS_STATE;
        p->item.d.alg = p->alg;
        reg_audit_visit(a, &p->item);

        return;
    }

    if (!dir || reg_alg_find(entry, &p->alg) != 0) {
        reg_audit_wrong(p, "is no algorithm of digests");
        return;
    }

    p->is = REG_AUDIT_IS_STATE;
    reg_audit_list(p, reg_audit_states);
    p->is = REG_AUDIT_IS_UPLOAD;
}
