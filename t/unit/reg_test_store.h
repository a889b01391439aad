
/*
 * A store in a directory of its own, for the tests of src/core/store, and
 * what they do to it behind its back.  The directory goes when the process
 * that made it ends.
 */


#ifndef REG_TEST_STORE_H_INCLUDED
#define REG_TEST_STORE_H_INCLUDED


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_test.h"

#include "reg_blob.h"
#include "reg_fs.h"
#include "reg_repo.h"
#include "reg_store.h"
#include "reg_upload.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>


#define V2     "docker/registry/v2/"
#define REPOS  V2 "repositories/"


static char   root_path[256];
static pid_t  root_owner;


__attribute__((noreturn))
REG_TEST_UNUSED static void
bail(const char *what)
{
    printf("Bail out! %s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(255);
}


static int
root_remove_one(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
    (void) st;
    (void) flag;
    (void) ftw;

    return remove(path);
}


static void
root_remove(void)
{
    if (root_path[0] != '\0' && getpid() == root_owner) {
        (void) nftw(root_path, root_remove_one, 32, FTW_DEPTH|FTW_PHYS);
    }
}


/*
 * A fresh root; the one before it is removed.  A test that makes very many, and
 * syncs none of them really, defines REG_TEST_IN_MEMORY: then they are made
 * where no disk is, if there is such a place.
 */

REG_TEST_UNUSED static void
root_make(void)
{
    const char  *tmp;

    if (root_path[0] == '\0') {
        (void) atexit(root_remove);

    } else {
        root_remove();
    }

    tmp = getenv("TMPDIR");

#ifdef REG_TEST_IN_MEMORY
    if (access("/dev/shm", W_OK) == 0) {
        tmp = "/dev/shm";
    }
#endif

    (void) snprintf(root_path, sizeof(root_path), "%s/reg-unit-XXXXXX",
                    (tmp != NULL && tmp[0] != '\0') ? tmp : "/tmp");

    root_owner = getpid();

    if (mkdtemp(root_path) == NULL) {
        bail("mkdtemp");
    }
}


REG_TEST_UNUSED static reg_store_t *
store_open(void)
{
    reg_error_t   e;
    reg_store_t  *s;

    reg_error_clear(&e);

    if (reg_store_open(&s, root_path, &e) != REG_OK) {
        bail("reg_store_open");
    }

    return s;
}


/* The path of something in the root; four may be in use at a time. */

__attribute__((format(printf, 1, 2)))
REG_TEST_UNUSED static const char *
at(const char *fmt, ...)
{
    int            n;
    char          *p;
    va_list        args;

    static char      text[4][REG_PATH_MAX + 256];
    static unsigned  turn;

    p = text[turn++ % 4];
    n = snprintf(p, sizeof(text[0]), "%s/", root_path);

    va_start(args, fmt);
    (void) vsnprintf(p + n, sizeof(text[0]) - (size_t) n, fmt, args);
    va_end(args);

    return p;
}


REG_TEST_UNUSED static int
is_there(const char *path)
{
    struct stat  st;

    return lstat(path, &st) == 0;
}


REG_TEST_UNUSED static void
make_dirs(const char *path)
{
    char  *p, text[REG_PATH_MAX + 256];

    (void) snprintf(text, sizeof(text), "%s", path);

    for (p = text + 1; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            (void) mkdir(text, 0755);
            *p = '/';
        }
    }

    if (mkdir(text, 0755) == -1 && errno != EEXIST) {
        bail(text);
    }
}


REG_TEST_UNUSED static void
make_parents(const char *path)
{
    char   text[REG_PATH_MAX + 256];
    char  *slash;

    (void) snprintf(text, sizeof(text), "%s", path);

    slash = strrchr(text, '/');
    *slash = '\0';

    make_dirs(text);
}


/* Writes a file behind the store's back, in one piece and unsynced. */

REG_TEST_UNUSED static void
spit_bytes(const char *path, const void *data, size_t len)
{
    FILE  *f;

    make_parents(path);

    f = fopen(path, "wb");

    if (f == NULL || fwrite(data, 1, len, f) != len || fclose(f) != 0) {
        bail(path);
    }
}


REG_TEST_UNUSED static void
spit(const char *path, const char *text)
{
    spit_bytes(path, text, strlen(text));
}


REG_TEST_UNUSED static void
make_symlink(const char *target, const char *path)
{
    if (symlink(target, path) == -1) {
        bail(path);
    }
}


/* The content of a file, or a null slice; valid until the next call. */

REG_TEST_UNUSED static reg_str_t
slurp(const char *path)
{
    FILE       *f;
    reg_str_t   s;

    static char  text[1 << 20];

    s = reg_null_str;
    f = fopen(path, "rb");

    if (f != NULL) {
        s.data = text;
        s.len = fread(text, 1, sizeof(text), f);
        fclose(f);
    }

    return s;
}


REG_TEST_UNUSED static reg_digest_t
digest_of(reg_alg_e alg, reg_str_t data)
{
    reg_digest_t  d;

    reg_digest_of(&d, alg, data.data, data.len);

    return d;
}


/* Bytes that look like nothing, the same for the same seed. */

REG_TEST_UNUSED static char *
noise(size_t len, unsigned seed)
{
    char      *p;
    size_t     i;
    uint64_t   x;

    p = malloc(len + 1);

    if (p == NULL) {
        bail("malloc");
    }

    x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = (char) x;
    }

    p[len] = '\0';

    return p;
}


REG_TEST_UNUSED static reg_rc_t
upload_add(reg_upload_t *u, reg_str_t data)
{
    struct iovec  iov;

    iov.iov_base = (void *) data.data;
    iov.iov_len = data.len;

    return reg_upload_append(u, &iov, 1, NULL);
}


/* Pushes a blob; d, which may be NULL, becomes its digest. */

REG_TEST_UNUSED static reg_rc_t
push_blob(reg_store_t *s, const char *name, reg_alg_e alg, reg_str_t data,
    reg_digest_t *out)
{
    char           id[REG_UUID_LEN + 1];
    reg_rc_t       rc;
    reg_digest_t   d;
    reg_upload_t  *u;

    d = digest_of(alg, data);

    if (out != NULL) {
        *out = d;
    }

    rc = reg_upload_create(s, reg_str_of(name), alg, 1795208645, id, NULL);

    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_upload_open(&u, s, reg_str_of(name), reg_str_of(id), NULL);

    if (rc != REG_OK) {
        return rc;
    }

    rc = upload_add(u, data);

    if (rc == REG_OK) {
        rc = reg_upload_commit(u, &d, NULL);
    }

    reg_upload_close(u);

    return rc;
}


/* The text of an image manifest over a config and one layer. */

REG_TEST_UNUSED static reg_str_t
image_text(const reg_digest_t *config, const reg_digest_t *layer,
    const char *more)
{
    reg_str_t  s;

    static char  text[8192];

    (void) snprintf(text, sizeof(text),
                    "{\"schemaVersion\":2,\"mediaType\":\""
                    REG_TYPE_OCI_MANIFEST "\",\"config\":{\"mediaType\":"
                    "\"application/vnd.oci.image.config.v1+json\","
                    "\"digest\":\"%s\",\"size\":2},\"layers\":[{"
                    "\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\""
                    ",\"digest\":\"%s\",\"size\":5}]%s}",
                    config->text, layer->text, more);

    s.data = text;
    s.len = strlen(text);

    return s;
}


/* Puts a manifest under a tag (NULL: none) and tells its digest. */

REG_TEST_UNUSED static reg_rc_t
put_manifest(reg_store_t *s, const char *name, const char *tag,
    reg_str_t body, reg_digest_t *d, reg_error_t *e)
{
    reg_rc_t                   rc;
    reg_str_t                  tags[1];
    reg_manifest_put_t         put;
    reg_manifest_put_result_t  result;

    memset(&put, 0, sizeof(put));

    put.name = reg_str_of(name);
    put.body = body;

    if (tag != NULL) {
        tags[0] = reg_str_of(tag);
        put.tags = tags;
        put.ntags = 1;
    }

    rc = reg_manifest_put(s, &put, &result, e);

    if (d != NULL && rc == REG_OK) {
        *d = result.digest;
    }

    return rc;
}


/* Pushes a small image with all its parts; more goes into the manifest. */

REG_TEST_UNUSED static reg_rc_t
push_image(reg_store_t *s, const char *name, const char *tag,
    const char *more, reg_digest_t *d)
{
    reg_rc_t      rc;
    reg_digest_t  config, layer;

    rc = push_blob(s, name, REG_SHA256, reg_str("{}"), &config);

    if (rc == REG_OK) {
        rc = push_blob(s, name, REG_SHA256, reg_str("layer"), &layer);
    }

    return (rc == REG_OK)
           ? put_manifest(s, name, tag, image_text(&config, &layer, more), d,
                          NULL)
           : rc;
}


/* The digest a tag points at; its text is "none" when there is none. */

REG_TEST_UNUSED static reg_digest_t
tag_of(reg_store_t *s, const char *name, const char *tag)
{
    reg_digest_t  d;

    if (reg_tag_read(s, reg_str_of(name), reg_str_of(tag), &d, NULL)
        != REG_OK)
    {
        (void) snprintf(d.text, sizeof(d.text), "none");
        d.len = 4;
    }

    return d;
}


REG_TEST_UNUSED static int
tag_is(reg_store_t *s, const char *name, const char *tag,
    const reg_digest_t *d)
{
    reg_digest_t  got;

    got = tag_of(s, name, tag);

    return reg_digest_eq(&got, d);
}


/* 1 when a GET by digest would find the manifest. */

REG_TEST_UNUSED static int
served(reg_store_t *s, const char *name, const reg_digest_t *d)
{
    char          type[REG_MEDIA_TYPE_MAX + 1];
    reg_rc_t      rc;
    reg_buf_t     body;
    reg_digest_t  target;

    if (reg_revision_find(s, reg_str_of(name), d, &target, NULL, NULL)
        != REG_OK)
    {
        return 0;
    }

    reg_buf_init(&body, 1 << 20);
    rc = reg_revision_read(s, &target, &body, type, NULL);
    reg_buf_free(&body);

    return rc == REG_OK;
}


#endif /* REG_TEST_STORE_H_INCLUDED */
