
#include "reg_audit_private.h"

#include "reg_time.h"
#include "reg_upload_owner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


/* read and hashed at a time */
#define REG_AUDIT_PIECE    (256 * 1024)

/* "2006-01-02T15:04:05Z", and some more to see that it is too long */
#define REG_AUDIT_STARTED  64


static void reg_audit_blob(reg_audit_run_t *a, const reg_audit_item_t *item);
static int reg_audit_cut(reg_audit_run_t *a, const reg_audit_item_t *item,
    const char *path);
static void reg_audit_hash(reg_audit_run_t *a, const reg_audit_item_t *item,
    const char *path);
static void reg_audit_layer(reg_audit_run_t *a, const reg_audit_item_t *item);
static void reg_audit_upload(reg_audit_run_t *a,
    const reg_audit_item_t *item);
static void reg_audit_state(reg_audit_run_t *a, const reg_audit_item_t *item);
static void reg_audit_stray(reg_audit_run_t *a, const reg_audit_item_t *item);
static int reg_audit_is_temporary(const char *path);


void
reg_audit_look(reg_audit_run_t *a, const reg_audit_item_t *item)
{
    static void (*const look[])(reg_audit_run_t *a,
        const reg_audit_item_t *item) =
    {
        reg_audit_blob,
        reg_audit_layer,
        reg_audit_revision,
        reg_audit_tag,
        reg_audit_layer,
        reg_audit_referrer,
        reg_audit_upload,
        reg_audit_state,
        reg_audit_stray
    };

    look[item->is](a, item);
}


static void
reg_audit_blob(reg_audit_run_t *a, const reg_audit_item_t *item)
{
    reg_path_t    path;
    reg_stat_t    st;
    reg_digest_t  empty;

    reg_audit_below(&path, item, "/data");

    if (!reg_audit_file(a, item, path.s, &st)) {
        return;
    }

    if (!a->again) {
        a->counts->blobs++;
        a->counts->bytes += st.size;

        /* what came while we walked may be linked where we were already */

        if (st.ctime / REG_TIME_SECOND < a->how->now
            && !reg_audit_linked(a, &item->d))
        {
            a->counts->unlinked++;
            a->counts->unlinked_bytes += st.size;
        }
    }

    if (st.size == 0) {
        reg_digest_of(&empty, item->d.alg, "", 0);

        if (!reg_digest_eq(&empty, &item->d)) {
            reg_audit_found(a, item, REG_AUDIT_BLOB_EMPTY, path.s,
                            "has no bytes");
        }

    } else if (!reg_audit_cut(a, item, path.s) && a->how->digests) {
        reg_audit_hash(a, item, path.s);
    }
}


/* 1 when it has not the size that was noted upon it. */

static int
reg_audit_cut(reg_audit_run_t *a, const reg_audit_item_t *item,
    const char *path)
{
    reg_rc_t     rc;
    reg_file_t   f;
    reg_error_t  why;

    reg_error_clear(&why);

    rc = a->s->driver->open(a->s, path, &f, &why);

    if (rc != REG_OK) {
        if (rc != REG_ABSENT) {
            reg_audit_fail(a, path, &why);
        }

        return 1;
    }

    (void) close(f.fd);

    if (f.size == f.whole) {
        return 0;
    }

    if (f.whole == REG_FILE_CORRUPT) {
        reg_audit_found(a, item, REG_AUDIT_BLOB_DIGEST, path,
                        "was found to have another digest");

    } else {
        reg_audit_found(a, item, REG_AUDIT_BLOB_SIZE, path,
                        "has %llu bytes in place of %llu",
                        (unsigned long long) f.size,
                        (unsigned long long) f.whole);
    }

    return 1;
}


static void
reg_audit_hash(reg_audit_run_t *a, const reg_audit_item_t *item,
    const char *path)
{
    ssize_t       n;
    reg_file_t    f;
    reg_hash_t    h;
    reg_rc_t      rc;
    reg_error_t   why;
    reg_digest_t  got;

    reg_error_clear(&why);

    if (a->piece == NULL) {
        a->piece = malloc(REG_AUDIT_PIECE);

        if (a->piece == NULL) {
            (void) reg_error_set(&why, REG_NO_MEMORY, NULL);
            reg_audit_fail(a, path, &why);
            return;
        }
    }

    rc = a->s->driver->open(a->s, path, &f, &why);

    if (rc == REG_ABSENT) {
        return;
    }

    if (rc != REG_OK) {
        reg_audit_fail(a, path, &why);
        return;
    }

    reg_hash_init(&h, item->d.alg);

    for ( ;; ) {
        n = read(f.fd, a->piece, REG_AUDIT_PIECE);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            break;
        }

        reg_hash_update(&h, a->piece, (size_t) n);

        if (a->how->tick != NULL) {
            a->how->tick(a->how->data, a->counts);
        }
    }

    if (n == -1) {
        (void) reg_error_sys(&why, errno, "read", path);
        (void) close(f.fd);
        reg_audit_fail(a, path, &why);

        return;
    }

    (void) close(f.fd);

    reg_hash_final(&h, &got);

    if (!reg_digest_eq(&got, &item->d)) {
        reg_audit_found(a, item, REG_AUDIT_BLOB_DIGEST, path,
                        "has the digest %s", got.text);
    }
}


/* A link of a layer, or of the index of a tag, whose bytes may be gone. */

static void
reg_audit_layer(reg_audit_run_t *a, const reg_audit_item_t *item)
{
    reg_path_t    path, data;
    reg_digest_t  d;

    reg_audit_below(&path, item, "/link");

    if (reg_audit_read_link(a, item, path.s, 1, &d) != REG_OK
        || item->is != REG_AUDIT_IS_LAYER)
    {
        return;
    }

    if (!a->again) {
        a->counts->layers++;
        reg_audit_link(a, &d);
    }

    reg_layout_blob(&data, &d);

    if (!reg_audit_there(a, data.s)) {
        reg_audit_found(a, item, REG_AUDIT_LAYER_BLOB, path.s,
                        "names %s, which has no data", d.text);
    }
}


/*
 * Nothing but the data is synced, so that a power cut may leave the rest
 * empty; such a session is as good as gone, and is purged in its time.
 */

static void
reg_audit_upload(reg_audit_run_t *a, const reg_audit_item_t *item)
{
    int64_t     time;
    reg_buf_t   text;
    reg_path_t  path;
    reg_stat_t  st, file;

    if (reg_audit_type(a, item->path.s, &st) != REG_AUDIT_DIR) {
        return;
    }

    if (!a->again) {
        a->counts->uploads++;
    }

    if (reg_audit_young(a, &st)) {
        return;
    }

    reg_audit_below(&path, item, "/data");

    if (!reg_audit_file(a, item, path.s, &file)) {
        reg_audit_found(a, item, REG_AUDIT_UPLOAD_DATA, item->path.s,
                        "is an upload without data");
    }

    reg_audit_below(&path, item, "/startedat");
    reg_buf_init(&text, REG_UPLOAD_OWNER_MAX + 1);

    if (!reg_audit_file(a, item, path.s, &file)
        || reg_audit_text(a, path.s, REG_AUDIT_STARTED, &text) != 0
        || reg_time_parse(reg_buf_slice(&text), &time) != 0)
    {
        reg_audit_found(a, item, REG_AUDIT_UPLOAD_STARTED, item->path.s,
                        "is an upload that does not tell when it began");
    }

    reg_audit_below(&path, item, "/" REG_UPLOAD_OWNER);

    if (reg_audit_file(a, item, path.s, &file)
        && (file.size == 0 || file.size > REG_UPLOAD_OWNER_MAX))
    {
        reg_audit_found(a, item, REG_AUDIT_UPLOAD_OWNER, path.s,
                        "is no name of a user");
    }

    reg_buf_free(&text);
}


static void
reg_audit_state(reg_audit_run_t *a, const reg_audit_item_t *item)
{
    int          bad;
    uint64_t     offset;
    reg_buf_t    text;
    reg_str_t    name;
    reg_stat_t   st;
    reg_hash_t   h;

    if (!reg_audit_file(a, item, item->path.s, &st)
        || reg_audit_young(a, &st))
    {
        return;
    }

    name = reg_str_of(strrchr(item->path.s, '/') + 1);
    reg_buf_init(&text, REG_HASH_STATE_MAX + 1);

    bad = reg_audit_text(a, item->path.s, REG_HASH_STATE_MAX, &text);

    if (bad == 0) {
        bad = (reg_str_number(name, INT64_MAX - 1, &offset) != 0
               || (name.len > 1 && name.data[0] == '0')
               || text.len == 0
               || reg_hash_restore(&h, item->d.alg, text.data, text.len) != 0
               || h.length != offset);
    }

    reg_buf_free(&text);

    if (bad) {
        reg_audit_found(a, item, REG_AUDIT_UPLOAD_STATE, item->path.s,
                        "is no hash state of that offset");
    }
}


static void
reg_audit_stray(reg_audit_run_t *a, const reg_audit_item_t *item)
{
    reg_stat_t  st;

    switch (reg_audit_type(a, item->path.s, &st)) {

    case REG_AUDIT_NONE:
        return;

    case REG_AUDIT_LINK:
        reg_audit_found(a, item, REG_AUDIT_SYMLINK, item->path.s,
                        "is a symbolic link");
        return;

    case REG_AUDIT_OTHER:
        reg_audit_found(a, item, REG_AUDIT_SPECIAL, item->path.s,
                        "is neither a file nor a directory");
        return;

    case REG_AUDIT_FILE:
    case REG_AUDIT_DIR:
        break;
    }

    if (item->why != NULL && !reg_audit_is_temporary(item->path.s)) {
        reg_audit_found(a, item, REG_AUDIT_UNEXPECTED, item->path.s, "%s",
                        item->why);
        return;
    }

    if (!reg_audit_young(a, &st)) {
        reg_audit_found(a, item, REG_AUDIT_TEMPORARY, item->path.s,
                        "is a temporary left over");
    }
}


static int
reg_audit_is_temporary(const char *path)
{
    reg_str_t  name;

    name = reg_str_of(strrchr(path, '/') + 1);

    return reg_str_ends(name, reg_str(".tmp"))
           || reg_str_starts(name, reg_str(".tmp"));
}


reg_rc_t
reg_audit_read_link(reg_audit_run_t *a, const reg_audit_item_t *item,
    const char *path, int named, reg_digest_t *d)
{
    reg_buf_t   text;
    reg_rc_t    rc;
    reg_stat_t  st;

    if (!reg_audit_file(a, item, path, &st)) {
        return REG_ABSENT;
    }

    if (st.size == 0) {
        reg_audit_found(a, item, REG_AUDIT_LINK_EMPTY, path, "is empty");
        return REG_INTERNAL;
    }

    /* a byte more than the driver takes for a link, to see what is behind */

    reg_buf_init(&text, REG_LINK_MAX + 2);

    rc = REG_INTERNAL;

    if (st.size > REG_LINK_MAX
        || reg_audit_text(a, path, REG_LINK_MAX + 1, &text) != 0
        || reg_digest_parse(d, reg_buf_slice(&text), NULL) != REG_OK)
    {
        reg_audit_found(a, item, REG_AUDIT_LINK_CONTENT, path,
                        "does not hold exactly one digest");

    } else if (named && d->alg == item->d.alg
               && !reg_digest_eq(d, &item->d))
    {
        reg_audit_found(a, item, REG_AUDIT_LINK_DIGEST, path,
                        "holds %s", d->text);

    } else {
        rc = REG_OK;
    }

    reg_buf_free(&text);

    return rc;
}


int
reg_audit_file(reg_audit_run_t *a, const reg_audit_item_t *item,
    const char *path, reg_stat_t *st)
{
    switch (reg_audit_type(a, path, st)) {

    case REG_AUDIT_FILE:
        return 1;

    case REG_AUDIT_NONE:
        return 0;

    case REG_AUDIT_DIR:
        reg_audit_found(a, item, REG_AUDIT_UNEXPECTED, path,
                        "is a directory in place of a file");
        return 0;

    case REG_AUDIT_LINK:
        reg_audit_found(a, item, REG_AUDIT_SYMLINK, path,
                        "is a symbolic link");
        return 0;

    case REG_AUDIT_OTHER:
        reg_audit_found(a, item, REG_AUDIT_SPECIAL, path,
                        "is neither a file nor a directory");
        return 0;
    }

    return 0;
}


int
reg_audit_text(reg_audit_run_t *a, const char *path, size_t max,
    reg_buf_t *out)
{
    reg_rc_t     rc;
    reg_error_t  why;

    reg_error_clear(&why);

    rc = a->s->driver->read(a->s, path, max, out, &why);

    if (rc != REG_OK && rc != REG_ABSENT) {
        reg_audit_fail(a, path, &why);
    }

    return (rc == REG_OK) ? 0 : -1;
}


int
reg_audit_there(reg_audit_run_t *a, const char *path)
{
    return reg_audit_type(a, path, NULL) == REG_AUDIT_FILE;
}


reg_str_t
reg_audit_name(const reg_audit_item_t *item)
{
    reg_str_t  name;

    name.data = item->path.s + sizeof(REG_LAYOUT_REPOS);
    name.len = item->name;

    return name;
}


void
reg_audit_below(reg_path_t *p, const reg_audit_item_t *item,
    const char *tail)
{
    p->len = (size_t) snprintf(p->s, sizeof(p->s), "%s%s", item->path.s,
                               tail);
}
