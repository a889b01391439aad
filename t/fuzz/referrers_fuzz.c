
/*
 * Input: the query of a request for referrers up to the first line end, then
 * manifests, each up to the next 0xff byte, which JSON has no use for.  They
 * are put into a store as another registry would, behind our back; the subject
 * that is asked for is that of the first manifest that names one.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "fuzz.h"
#include "reg_layout.h"
#include "reg_manifest.h"
#include "reg_referrers.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>


#define REPO       "a"
#define MANIFESTS  8


static void store_open(void);
static void store_remove(void);
static int remove_one(const char *path, const struct stat *st, int flag,
    struct FTW *ftw);
static void store_empty(void);
static size_t add(const uint8_t *data, size_t size, reg_digest_t *subject);
static void ask(const reg_digest_t *subject, const char *query, size_t len,
    reg_buf_t *body);
static void check(const reg_buf_t *body, size_t most);


/* in memory where that can be had: every input is a store of its own */
static char          root[] = "/dev/shm/registry-fuzz-XXXXXX";
static reg_store_t  *store;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           *query;
    size_t          len, n;
    reg_buf_t       first, second;
    reg_digest_t    subject;
    const uint8_t  *end, *p, *mark;

    store_open();

    mark = (size == 0) ? NULL : memchr(data, '\n', size);

    if (mark == NULL) {
        return 0;
    }

    len = (size_t) (mark - data);
    end = data + size;
    n = 0;
    reg_digest_of(&subject, REG_SHA256, NULL, 0);

    for (p = mark + 1; p < end && n < MANIFESTS; p = mark + 1) {
        mark = memchr(p, 0xff, (size_t) (end - p));

        if (mark == NULL) {
            mark = end;
        }

        n += add(p, (size_t) (mark - p), n == 0 ? &subject : NULL);
    }

    query = fuzz_copy(data, len);
    reg_buf_init(&first, 16 * 1024 * 1024);
    reg_buf_init(&second, 16 * 1024 * 1024);

    /* scanned, then from the index that the scan has made */

    ask(&subject, query, len, &first);
    ask(&subject, query, len, &second);

    must(reg_str_eq(reg_buf_slice(&first), reg_buf_slice(&second)));
    check(&first, n);

    reg_buf_free(&first);
    reg_buf_free(&second);
    free(query);

    store_empty();

    return 0;
}


static void
store_open(void)
{
    if (store != NULL) {
        return;
    }

    if (access("/dev/shm", W_OK) == -1) {
        (void) snprintf(root, sizeof(root), "/tmp/registry-fuzz-XXXXXX");
    }

    must(mkdtemp(root) != NULL);
    must(atexit(store_remove) == 0);
    must(reg_store_open(&store, root, NULL) == REG_OK);
}


static void
store_remove(void)
{
    reg_store_close(store);
    (void) nftw(root, remove_one, 32, FTW_DEPTH|FTW_PHYS);
}


static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void) st;
    (void) flag;
    (void) ftw;

    return remove(path);
}


static void
store_empty(void)
{
    char  path[sizeof(root) + sizeof(REG_LAYOUT_V2)];

    (void) snprintf(path, sizeof(path), "%s/docker", root);
    (void) nftw(path, remove_one, 32, FTW_DEPTH|FTW_PHYS);
}


/* 1 when it was stored: it is a manifest. */

static size_t
add(const uint8_t *data, size_t size, reg_digest_t *subject)
{
    char            *copy;
    reg_path_t       path;
    reg_digest_t     d;
    reg_manifest_t   m;

    if (size == 0) {
        return 0;
    }

    copy = fuzz_copy(data, size);
    reg_digest_of(&d, REG_SHA256, copy, size);

    reg_layout_blob(&path, &d);
    must(store->driver->write(store, path.s, fuzz_str(copy, size), 0, NULL)
         == REG_OK);

    reg_layout_revision(&path, reg_str(REPO), &d);
    must(store->driver->write(store, path.s, reg_digest_str(&d), 0, NULL)
         == REG_OK);

    if (subject != NULL
        && reg_manifest_read(&m, copy, size, NULL) == REG_OK)
    {
        if (m.has_subject) {
            *subject = m.subject;
        }

        reg_manifest_free(&m);
    }

    free(copy);

    return 1;
}


static void
ask(const reg_digest_t *subject, const char *query, size_t len,
    reg_buf_t *body)
{
    char         *scratch, path[256];
    reg_op_t      op;
    reg_page_t    page;
    reg_error_t   e;

    (void) snprintf(path, sizeof(path), "/v2/" REPO "/referrers/%s",
                    subject->text);

    scratch = malloc(len ? len : 1);
    must(scratch != NULL);

    reg_error_clear(&e);

    if (reg_route_parse(&op, REG_METHOD_GET, reg_str_of(path),
                        fuzz_str(query, len), scratch, &e)
        == REG_OK)
    {
        reg_page_init(&page, &op);

        must(reg_referrers_page(store, &op, &page, &e) == REG_OK);
        must(memchr(page.link.data ? page.link.data : "", '\n', page.link.len)
             == NULL);

        reg_buf_str(body, reg_buf_slice(&page.body));
        must(!reg_buf_failed(body));

        reg_page_free(&page);
    }

    free(scratch);
}


/* Whatever was pushed, the reply is an index. */

static void
check(const reg_buf_t *body, size_t most)
{
    size_t    i;
    json_t   *index, *list, *one;
    int64_t   size;

    if (body->len == 0) {
        return;
    }

    index = json_loadb(body->data, body->len, JSON_REJECT_DUPLICATES, NULL);
    must(index != NULL);

    list = json_object_get(index, "manifests");
    must(json_is_array(list) && json_array_size(list) <= most);

    for (i = 0; i < json_array_size(list); i++) {
        one = json_array_get(list, i);
        size = json_integer_value(json_object_get(one, "size"));

        must(json_is_string(json_object_get(one, "mediaType")));
        must(json_is_string(json_object_get(one, "digest")));
        must(size > 0);
    }

    json_decref(index);
}
