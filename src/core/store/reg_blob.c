
#include "reg_blob.h"

#include "reg_catalog.h"
#include "reg_fs.h"
#include "reg_lease.h"
#include "reg_repo.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* digests of nothing: the only ones that an empty file can have */
#define REG_EMPTY_SHA256                                                      \
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define REG_EMPTY_SHA512                                                      \
    "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" \
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"


typedef struct {
    reg_store_t         *s;
    const reg_digest_t  *digest;
    reg_digest_t         target;
    reg_may_pull_pt      may_pull;
    void                *may_ctx;
    unsigned             looked;
    unsigned             found:1;
    char                *name;             /* where; REG_NAME_MAX + 1 bytes */
} reg_mount_search_t;


static int reg_blob_plausible(const reg_digest_t *d, uint64_t size,
    uint64_t whole);
static reg_rc_t reg_blob_damaged(const reg_digest_t *d, uint64_t size,
    uint64_t whole, reg_error_t *e);
static reg_rc_t reg_blob_there(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_digest_t *target, reg_error_t *e);
static reg_rc_t reg_blob_place(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, const reg_digest_t *target, reg_error_t *e);
static reg_rc_t reg_blob_search(reg_store_t *s, reg_str_t name,
    const reg_digest_t *d, reg_may_pull_pt may_pull, void *ctx, char *found,
    reg_digest_t *target, reg_error_t *e);
static reg_rc_t reg_blob_look(void *data, reg_str_t name);
static reg_rc_t reg_blob_unknown(reg_rc_t rc, const reg_digest_t *d,
    reg_error_t *e);


reg_rc_t
reg_blob_find(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_digest_t *target, int64_t *leased, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_layer(&path, name, d);

    rc = reg_link_follow(s, path.s, d, target, leased, e);

    return reg_blob_unknown(rc, d, e);
}


reg_rc_t
reg_blob_lease(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    int64_t older, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_layer(&path, name, d);

    rc = reg_lease_locked(s, reg_null_str, path.s, older, e);

    return reg_blob_unknown(rc, d, e);
}


reg_rc_t
reg_blob_open(reg_store_t *s, const reg_digest_t *target, reg_file_t *f,
    reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_blob(&path, target);

    rc = s->driver->open(s, path.s, f, e);

    if (rc == REG_OK && !reg_blob_plausible(target, f->size, f->whole)) {
        (void) close(f->fd);
        f->fd = -1;

        return reg_blob_damaged(target, f->size, f->whole, e);
    }

    return reg_blob_unknown(rc, target, e);
}


reg_rc_t
reg_blob_size(reg_store_t *s, const reg_digest_t *target, uint64_t *size,
    reg_error_t *e)
{
    reg_rc_t    rc;
    reg_file_t  f;
    reg_path_t  path;

    reg_layout_blob(&path, target);

    rc = s->driver->look(s, path.s, &f, e);

    if (rc != REG_OK) {
        return reg_blob_unknown(rc, target, e);
    }

    if (!reg_blob_plausible(target, f.size, f.whole)) {
        return reg_blob_damaged(target, f.size, f.whole, e);
    }

    *size = f.size;

    return REG_OK;
}


reg_rc_t
reg_blob_check(reg_store_t *s, const reg_digest_t *target, int fd,
    reg_error_t *e)
{
    uint64_t     whole;
    reg_path_t   path;
    struct stat  st;

    if (fstat(fd, &st) == -1
        || reg_fs_whole(reg_fs_of(s), fd, &st, &whole) == -1)
    {
        reg_layout_blob(&path, target);
        return reg_error_sys(e, errno, "fstat", path.s);
    }

    if (!reg_blob_plausible(target, (uint64_t) st.st_size, whole)) {
        return reg_blob_damaged(target, (uint64_t) st.st_size, whole, e);
    }

    return REG_OK;
}


/*
 * An empty file is what a power cut makes of one that was not synced; the rest
 * is seen where the size was noted.
 */

static int
reg_blob_plausible(const reg_digest_t *d, uint64_t size, uint64_t whole)
{
    return size == whole
           && (size != 0
               || reg_str_eq(reg_digest_str(d), reg_str(REG_EMPTY_SHA256))
               || reg_str_eq(reg_digest_str(d), reg_str(REG_EMPTY_SHA512)));
}


/* For its readers it is gone; the operator has to be told more. */

static reg_rc_t
reg_blob_damaged(const reg_digest_t *d, uint64_t size, uint64_t whole,
    reg_error_t *e)
{
    if (size == whole) {
        return reg_error_damage(e, REG_BLOB_UNKNOWN,
                                "%s is damaged in the store: it is empty",
                                d->text);
    }

    if (whole == REG_FILE_CORRUPT) {
        return reg_error_damage(e, REG_BLOB_UNKNOWN,
                                "%s is damaged in the store: it has another "
                                "digest", d->text);
    }

    return reg_error_damage(e, REG_BLOB_UNKNOWN,
                            "%s is damaged in the store: it has %" PRIu64
                            " of its %" PRIu64 " bytes", d->text, size, whole);
}


int
reg_blob_exists(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_error_t *e)
{
    reg_rc_t      rc;
    reg_digest_t  target;

    rc = reg_blob_there(s, name, d, &target, e);

    return (rc == REG_OK) ? 1 : (rc == REG_ABSENT) ? 0 : -1;
}


/* REG_OK when link and bytes are there, REG_ABSENT when not. */

static reg_rc_t
reg_blob_there(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_digest_t *target, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path;

    reg_layout_layer(&path, name, d);

    rc = reg_link_follow(s, path.s, d, target, NULL, e);

    return (rc == REG_OK) ? reg_blob_stored(s, target, e) : rc;
}


reg_rc_t
reg_blob_stored(reg_store_t *s, const reg_digest_t *target, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_file_t  f;
    reg_path_t  path;

    reg_layout_blob(&path, target);

    rc = s->driver->open(s, path.s, &f, e);

    if (rc != REG_OK) {
        return rc;
    }

    (void) close(f.fd);

    return reg_blob_plausible(target, f.size, f.whole) ? REG_OK : REG_ABSENT;
}


reg_rc_t
reg_blob_link(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_error_t *e)
{
    int       lock;
    reg_rc_t  rc;

    rc = s->driver->lock(s, REG_LOCK_SHARED, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_blob_place(s, name, d, d, e);

    s->driver->unlock(s, lock);

    return rc;
}


/* Links stored bytes under the lock that its caller holds. */

static reg_rc_t
reg_blob_place(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    const reg_digest_t *target, reg_error_t *e)
{
    reg_rc_t    rc;
    reg_path_t  path;

    rc = reg_blob_stored(s, target, e);

    /* the collector may have looked at this repository already */

    if (rc == REG_OK) {
        rc = reg_lease_blob(s, target, e);
    }

    if (rc == REG_OK) {
        rc = reg_repo_make(s, name, e);
    }

    if (rc == REG_OK) {
        reg_layout_layer(&path, name, d);
        rc = reg_link_write(s, path.s, target, e);
    }

    return reg_blob_unknown(rc, d, e);
}


static reg_rc_t
reg_blob_unknown(reg_rc_t rc, const reg_digest_t *d, reg_error_t *e)
{
    if (rc == REG_ABSENT) {
        return reg_error_set(e, REG_BLOB_UNKNOWN, "%s", d->text);
    }

    return rc;
}


reg_rc_t
reg_blob_mount(reg_store_t *s, reg_str_t name, reg_str_t from,
    const reg_digest_t *d, reg_may_pull_pt may_pull, void *ctx, char *found,
    reg_error_t *e)
{
    int           lock;
    char          other[REG_NAME_MAX + 1];
    reg_rc_t      rc;
    reg_digest_t  target;

    if (found == NULL) {
        found = other;
    }

    found[0] = '\0';

    if (from.len != 0 && may_pull != NULL && !may_pull(ctx, from)) {
        return reg_blob_unknown(REG_ABSENT, d, e);
    }

    /* the search comes before the lock: others may be waiting for it */

    if (from.len == 0) {
        rc = reg_blob_search(s, name, d, may_pull, ctx, found, &target, e);

        if (rc != REG_OK) {
            return reg_blob_unknown(rc, d, e);
        }
    }

    rc = s->driver->lock(s, REG_LOCK_SHARED, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (from.len != 0) {
        rc = reg_blob_there(s, from, d, &target, e);
    }

    if (rc == REG_OK) {
        rc = reg_blob_place(s, name, d, &target, e);
    }

    s->driver->unlock(s, lock);

    return reg_blob_unknown(rc, d, e);
}


/* Finds some repository to mount from, this one itself before all others. */

static reg_rc_t
reg_blob_search(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_may_pull_pt may_pull, void *ctx, char *found, reg_digest_t *target,
    reg_error_t *e)
{
    reg_rc_t            rc;
    reg_mount_search_t  search;

    rc = reg_blob_there(s, name, d, target, e);

    if (rc != REG_ABSENT) {
        return rc;
    }

    /*
     * What is not stored is nowhere, aliases apart, which nobody makes now.
     * Who may not look everywhere must not be told by the time it takes.
     */

    rc = (may_pull == NULL) ? reg_blob_stored(s, d, e) : REG_OK;

    if (rc != REG_OK) {
        return rc;
    }

    memset(&search, 0, sizeof(search));

    search.s = s;
    search.digest = d;
    search.may_pull = may_pull;
    search.may_ctx = ctx;
    search.name = found;

    rc = reg_catalog_search(s, reg_null_str, reg_blob_look, &search, e);

    if (search.found) {
        *target = search.target;
        return REG_OK;
    }

    return (rc == REG_OK) ? REG_ABSENT : rc;
}


static reg_rc_t
reg_blob_look(void *data, reg_str_t name)
{
    reg_rc_t             rc;
    reg_mount_search_t  *search;

    search = data;

    if (search->looked++ == REG_MOUNT_SEARCH_MAX) {
        return REG_ABSENT;
    }

    if (search->may_pull != NULL && !search->may_pull(search->may_ctx, name))
    {
        return REG_OK;
    }

    rc = reg_blob_there(search->s, name, search->digest, &search->target,
                        NULL);

    search->found = (rc == REG_OK);

    if (search->found && name.len <= REG_NAME_MAX) {
        memcpy(search->name, name.data, name.len);
        search->name[name.len] = '\0';
    }

    return search->found ? REG_ABSENT : REG_OK;
}


reg_rc_t
reg_blob_delete(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_error_t *e)
{
    int         lock, dir;
    reg_rc_t    rc;
    reg_path_t  path, stop;

    reg_layout_layer(&path, name, d);
    reg_layout_repo(&stop, name, "/_layers");

    /* alone: a manifest that is being stored may have found it a moment ago */

    rc = s->driver->lock(s, REG_LOCK_EXCLUSIVE, &lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    rc = s->driver->remove(s, path.s, stop.s, &dir, e);

    s->driver->unlock(s, lock);

    if (rc == REG_OK) {
        rc = s->driver->settle(s, dir, path.s, e);
    }

    return reg_blob_unknown(rc, d, e);
}
