
#include "reg_name.h"
#include "reg_route.h"
#include "reg_test.h"

#include <stdlib.h>


#define HEX64                                                                 \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D256   "sha256:" HEX64
#define D512   "sha512:" HEX64 HEX64
#define D256E  "sha256%3A" HEX64
#define UUID   "c5b2fcbd-4a4d-4f0e-9a9d-1d5b2f9d7a11"
#define A64                                                                   \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A128   A64 A64
#define A255                                                                  \
    A64 A64 A64                                                               \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#define GET      REG_METHOD_GET
#define HEAD     REG_METHOD_HEAD
#define POST     REG_METHOD_POST
#define PUT      REG_METHOD_PUT
#define PATCH    REG_METHOD_PATCH
#define DELETE   REG_METHOD_DELETE
#define OPTIONS  REG_METHOD_OPTIONS
#define OTHER    REG_METHOD_OTHER


static void test_routes(void);
static void test_methods(void);
static void test_names(void);
static void test_upload_ids(void);
static void test_digests(void);
static void test_tags(void);
static void test_pages(void);
static void test_start(void);
static void test_finish(void);
static void test_tag_params(void);
static void test_referrers(void);
static void test_ignored(void);
static void test_tables(void);
static reg_rc_t parse(reg_op_t *op, reg_method_e method, reg_str_t path,
    reg_str_t query, reg_error_t *e);
static reg_rc_t route(reg_op_t *op, reg_method_e method, const char *path,
    const char *query);


/* what route() read: kept until the next call */
static char  *kept_path, *kept_query, *kept_scratch;


int
main(void)
{
    test_routes();
    test_methods();
    test_names();
    test_upload_ids();
    test_digests();
    test_tags();
    test_pages();
    test_start();
    test_finish();
    test_tag_params();
    test_referrers();
    test_ignored();
    test_tables();

    free(kept_path);
    free(kept_query);
    free(kept_scratch);

    return done_testing();
}


/* Everything in blocks of its very size, for the sanitizers. */

static reg_rc_t
parse(reg_op_t *op, reg_method_e method, reg_str_t path, reg_str_t query,
    reg_error_t *e)
{
    free(kept_path);
    free(kept_query);
    free(kept_scratch);

    kept_path = malloc(path.len ? path.len : 1);
    kept_query = malloc(query.len ? query.len : 1);
    kept_scratch = malloc(query.len ? query.len : 1);

    if (path.len != 0) {
        memcpy(kept_path, path.data, path.len);
    }

    if (query.len != 0) {
        memcpy(kept_query, query.data, query.len);
    }

    path.data = kept_path;
    query.data = kept_query;

    /* what is not filled must not be relied upon */

    memset(op, 0xa5, sizeof(reg_op_t));
    reg_error_clear(e);

    return reg_route_parse(op, method, path, query, kept_scratch, e);
}


static reg_rc_t
route(reg_op_t *op, reg_method_e method, const char *path, const char *query)
{
    reg_rc_t     rc;
    reg_error_t  e;

    rc = parse(op, method, reg_str_of(path), reg_str_of(query), &e);

    if (e.rc != rc) {
        ok(0, "%s: returned %d, and told of %d", path, (int) rc, (int) e.rc);
    }

    return rc;
}


static void
test_routes(void)
{
    size_t    i;
    reg_op_t  op;
    reg_rc_t  rc;

    static const struct {
        reg_method_e   method;
        const char    *path;
        reg_rc_t       rc;
        reg_op_e       op;
        const char    *name;
        const char    *last;      /* tag, digest or upload id */
    } rows[] = {
        { GET, "/v2/",                REG_OK, REG_OP_BASE, "", "" },
        { GET, "/v2",                 REG_OK, REG_OP_BASE, "", "" },
        { GET, "/v2/_catalog",        REG_OK, REG_OP_CATALOG, "", "" },
        { GET, "/v2/_nginx/token",    REG_OK, REG_OP_TOKEN, "", "" },
        { POST, "/v2/_nginx/token",   REG_OK, REG_OP_TOKEN, "", "" },
        { GET, "/v2/a/tags/list",     REG_OK, REG_OP_TAGS, "a", "" },
        { GET, "/v2/a/b/c/tags/list", REG_OK, REG_OP_TAGS, "a/b/c", "" },
        { GET, "/v2/a/manifests/latest",
          REG_OK, REG_OP_MANIFEST_READ, "a", "latest" },
        { GET, "/v2/a/manifests/" D256,
          REG_OK, REG_OP_MANIFEST_READ, "a", D256 },
        { GET, "/v2/a/manifests/" D512,
          REG_OK, REG_OP_MANIFEST_READ, "a", D512 },
        { GET, "/v2/a/blobs/" D256,
          REG_OK, REG_OP_BLOB_READ, "a", D256 },
        { GET, "/v2/a/referrers/" D256,
          REG_OK, REG_OP_REFERRERS, "a", D256 },
        { POST, "/v2/a/blobs/uploads/",
          REG_OK, REG_OP_UPLOAD_START, "a", "" },
        { POST, "/v2/a/blobs/uploads",
          REG_OK, REG_OP_UPLOAD_START, "a", "" },
        { GET, "/v2/a/blobs/uploads/" UUID,
          REG_OK, REG_OP_UPLOAD_STATUS, "a", UUID },
        { PATCH, "/v2/a/b/blobs/uploads/" UUID,
          REG_OK, REG_OP_UPLOAD_APPEND, "a/b", UUID },
        { DELETE, "/v2/a/blobs/uploads/" UUID,
          REG_OK, REG_OP_UPLOAD_CANCEL, "a", UUID },
        { DELETE, "/v2/a/_nginx/repository/content",
          REG_OK, REG_OP_REPO_DELETE, "a", "" },

        /* repositories named like routes */

        { GET, "/v2/a/manifests/b/manifests/latest",
          REG_OK, REG_OP_MANIFEST_READ, "a/manifests/b", "latest" },
        { PUT, "/v2/a/manifests/b/manifests/" D256,
          REG_OK, REG_OP_MANIFEST_WRITE, "a/manifests/b", D256 },
        { GET, "/v2/a/manifests/b/tags/list",
          REG_OK, REG_OP_TAGS, "a/manifests/b", "" },
        { GET, "/v2/a/tags/list/tags/list",
          REG_OK, REG_OP_TAGS, "a/tags/list", "" },
        { GET, "/v2/a/tags/list/manifests/list",
          REG_OK, REG_OP_MANIFEST_READ, "a/tags/list", "list" },
        { GET, "/v2/tags/list/tags/list",
          REG_OK, REG_OP_TAGS, "tags/list", "" },
        { POST, "/v2/a/blobs/uploads/blobs/uploads/",
          REG_OK, REG_OP_UPLOAD_START, "a/blobs/uploads", "" },
        { POST, "/v2/a/blobs/uploads/blobs/uploads",
          REG_OK, REG_OP_UPLOAD_START, "a/blobs/uploads", "" },
        { PATCH, "/v2/a/blobs/uploads/blobs/uploads/" UUID,
          REG_OK, REG_OP_UPLOAD_APPEND, "a/blobs/uploads", UUID },
        { GET, "/v2/a/blobs/uploads/blobs/" D256,
          REG_OK, REG_OP_BLOB_READ, "a/blobs/uploads", D256 },
        { GET, "/v2/a/blobs/uploads/manifests/uploads",
          REG_OK, REG_OP_MANIFEST_READ, "a/blobs/uploads", "uploads" },
        { GET, "/v2/a/blobs/uploads/tags/list",
          REG_OK, REG_OP_TAGS, "a/blobs/uploads", "" },
        { GET, "/v2/a/blobs/uploads/referrers/" D256,
          REG_OK, REG_OP_REFERRERS, "a/blobs/uploads", D256 },
        { GET, "/v2/a/referrers/x/referrers/" D256,
          REG_OK, REG_OP_REFERRERS, "a/referrers/x", D256 },
        { GET, "/v2/a/referrers/x/manifests/1",
          REG_OK, REG_OP_MANIFEST_READ, "a/referrers/x", "1" },
        { GET, "/v2/blobs/uploads/blobs/uploads/" UUID,
          REG_OK, REG_OP_UPLOAD_STATUS, "blobs/uploads", UUID },
        { GET, "/v2/uploads/manifests/x",
          REG_OK, REG_OP_MANIFEST_READ, "uploads", "x" },
        { GET, "/v2/v2/manifests/v2",
          REG_OK, REG_OP_MANIFEST_READ, "v2", "v2" },
        { GET, "/v2/a/repository/content/tags/list",
          REG_OK, REG_OP_TAGS, "a/repository/content", "" },
        { GET, "/v2/a/manifests/manifests",
          REG_OK, REG_OP_MANIFEST_READ, "a", "manifests" },

        /* no routes */

        { GET, "",                      REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/",                     REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v1/",                  REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v22",                  REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/V2/",                  REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "v2/",                   REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2//",                 REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a",                 REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/",                REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/_catalog/",         REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/_catalog",        REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/tags",            REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/tags/",           REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/tags/x",          REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/tags/list/",      REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/manifests",       REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/manifests/x/",    REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/uploads/x",       REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/uploads/" UUID,   REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/blobs/uploads/" UUID "/",
          REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/blobs/uploads/" UUID "/x",
          REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/repository/content",
          REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { DELETE, "/v2/a/_nginx/repository/x",
          REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { DELETE, "/v2/a/_nginx/x/content",
          REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/_nginx",            REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/_nginx/",           REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/_nginx/token/",     REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/_nginx/tokens",     REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { GET, "/v2/a/_nginx/token",    REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },
        { POST, "/v2/whatever",         REG_ROUTE_UNKNOWN, REG_OP_N, "", "" },

        /* whatever it is, a preflight is answered */

        { OPTIONS, "/v2/",              REG_OK, REG_OP_PREFLIGHT, "", "" },
        { OPTIONS, "/v2/a/blobs/uploads/",
          REG_OK, REG_OP_PREFLIGHT, "", "" },
        { OPTIONS, "/v2/A/../x",        REG_OK, REG_OP_PREFLIGHT, "", "" },
        { OPTIONS, "/v1/",              REG_ROUTE_UNKNOWN, REG_OP_N, "", "" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        rc = route(&op, rows[i].method, rows[i].path, "");

        ok(rc == rows[i].rc && op.op == rows[i].op
           && op.method == rows[i].method,
           "%s: %s, %d", rows[i].path, reg_op_name(op.op).data, (int) rc);

        is(op.name, rows[i].name, "  name");

        is(op.tag.len ? op.tag
           : op.upload.len ? op.upload
           : op.has_digest ? reg_digest_str(&op.digest) : reg_str(""),
           rows[i].last, "  last");
    }
}


/* Every method on every route. */

static void
test_methods(void)
{
    int       m, method;
    size_t    i;
    reg_op_t  op;
    reg_rc_t  rc;

    static const reg_method_e  methods[] = {
        GET, HEAD, POST, PUT, PATCH, DELETE, OTHER
    };

    static const struct {
        const char  *path;
        const char  *allow;
        const char  *kept;         /* where nothing may be deleted */
        reg_op_e     ops[7];
    } rows[] = {
#define NO  REG_OP_N
        { "/v2/", "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS",
          { REG_OP_BASE, REG_OP_BASE, NO, NO, NO, NO, NO } },
        { "/v2/_catalog", "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS",
          { REG_OP_CATALOG, REG_OP_CATALOG, NO, NO, NO, NO, NO } },
        { "/v2/a/tags/list", "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS",
          { REG_OP_TAGS, REG_OP_TAGS, NO, NO, NO, NO, NO } },
        { "/v2/a/referrers/" D256, "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS",
          { REG_OP_REFERRERS, REG_OP_REFERRERS, NO, NO, NO, NO, NO } },
        { "/v2/a/manifests/x", "GET, HEAD, PUT, DELETE, OPTIONS",
          "GET, HEAD, PUT, OPTIONS",
          { REG_OP_MANIFEST_READ, REG_OP_MANIFEST_READ, NO,
            REG_OP_MANIFEST_WRITE, NO, REG_OP_MANIFEST_DELETE, NO } },
        { "/v2/a/manifests/" D256, "GET, HEAD, PUT, DELETE, OPTIONS",
          "GET, HEAD, PUT, OPTIONS",
          { REG_OP_MANIFEST_READ, REG_OP_MANIFEST_READ, NO,
            REG_OP_MANIFEST_WRITE, NO, REG_OP_MANIFEST_DELETE, NO } },
        { "/v2/a/blobs/" D256, "GET, HEAD, DELETE, OPTIONS",
          "GET, HEAD, OPTIONS",
          { REG_OP_BLOB_READ, REG_OP_BLOB_READ, NO, NO, NO,
            REG_OP_BLOB_DELETE, NO } },
        { "/v2/a/blobs/uploads/", "POST, OPTIONS", "POST, OPTIONS",
          { NO, NO, REG_OP_UPLOAD_START, NO, NO, NO, NO } },
        { "/v2/a/blobs/uploads", "POST, OPTIONS", "POST, OPTIONS",
          { NO, NO, REG_OP_UPLOAD_START, NO, NO, NO, NO } },
        { "/v2/a/blobs/uploads/" UUID,
          "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
          "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
          { REG_OP_UPLOAD_STATUS, REG_OP_UPLOAD_STATUS, NO,
            REG_OP_UPLOAD_FINISH, REG_OP_UPLOAD_APPEND,
            REG_OP_UPLOAD_CANCEL, NO } },
        { "/v2/a/_nginx/repository/content", "DELETE, OPTIONS", "OPTIONS",
          { NO, NO, NO, NO, NO, REG_OP_REPO_DELETE, NO } },
        { "/v2/_nginx/token", "GET, HEAD, POST, OPTIONS",
          "GET, HEAD, POST, OPTIONS",
          { REG_OP_TOKEN, REG_OP_TOKEN, REG_OP_TOKEN, NO, NO, NO, NO } }
#undef NO
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        for (m = 0; m < 7; m++) {
            method = methods[m];

            rc = route(&op, (reg_method_e) method, rows[i].path,
                       "digest=" D256E);

            is(reg_str_of(op.allow), rows[i].allow, "Allow");
            is(reg_str_of(op.allow_kept), rows[i].kept, "Allow, less DELETE");

            if (rows[i].ops[m] == REG_OP_N) {

                /* the token endpoint is known by its path alone */

                ok(rc == REG_METHOD_UNKNOWN
                   && op.op == ((rows[i].ops[0] == REG_OP_TOKEN)
                                ? REG_OP_TOKEN : REG_OP_N),
                   "%s: not method %d", rows[i].path, method);
                continue;
            }

            ok(rc == REG_OK && op.op == rows[i].ops[m],
               "%s: method %d, %s", rows[i].path, method,
               reg_op_name(op.op).data);
        }
    }

    /* and of all of them, for who asks */

    ok(route(&op, OPTIONS, "/v2/a/blobs/" D256, "") == REG_OK
       && reg_str_eq(reg_str_of(op.allow),
                     reg_str("GET, HEAD, DELETE, OPTIONS"))
       && route(&op, OPTIONS, "/v2/a/b", "") == REG_OK && op.allow == NULL,
       "what OPTIONS is told");

    /* the method is judged before what stands behind the name */

    ok(route(&op, POST, "/v2/a/manifests/.x", "") == REG_METHOD_UNKNOWN
       && op.name.len == 1, "a bad tag, and a bad method");
    ok(route(&op, POST, "/v2/a/blobs/x", "") == REG_METHOD_UNKNOWN,
       "a bad digest, and a bad method");
    ok(route(&op, POST, "/v2/a/blobs/uploads/x", "") == REG_METHOD_UNKNOWN,
       "a bad id, and a bad method");
}


static void
test_names(void)
{
    char         path[8300];
    size_t       i, j;
    reg_op_t     op;
    reg_rc_t     rc;
    reg_str_t    s;
    reg_error_t  e;

    static const struct {
        reg_method_e   method;
        const char    *before;
        const char    *behind;
        reg_op_e       op;
    } routes[] = {
        { GET,    "/v2/", "/tags/list",            REG_OP_TAGS },
        { GET,    "/v2/", "/referrers/" D256,      REG_OP_REFERRERS },
        { GET,    "/v2/", "/manifests/latest",     REG_OP_MANIFEST_READ },
        { PUT,    "/v2/", "/manifests/latest",     REG_OP_MANIFEST_WRITE },
        { DELETE, "/v2/", "/manifests/" D256,      REG_OP_MANIFEST_DELETE },
        { HEAD,   "/v2/", "/blobs/" D256,          REG_OP_BLOB_READ },
        { POST,   "/v2/", "/blobs/uploads/",       REG_OP_UPLOAD_START },
        { PATCH,  "/v2/", "/blobs/uploads/" UUID,  REG_OP_UPLOAD_APPEND },
        { PUT,    "/v2/", "/blobs/uploads/" UUID,  REG_OP_UPLOAD_FINISH },
        { DELETE, "/v2/", "/_nginx/repository/content", REG_OP_REPO_DELETE }
    };

    static const struct {
        reg_str_t  name;
        int        valid;
    } names[] = {
        { reg_str("a"),            1 },
        { reg_str("a__b/a--b"),    1 },
        { reg_str(A255),           1 },
        { reg_str(""),             0 },
        { reg_str(A255 "a"),       0 },
        { reg_str("Alpine"),       0 },
        { reg_str("a..b"),         0 },
        { reg_str("../../etc"),    0 },
        { reg_str("a/_layers/b"),  0 },
        { reg_str("_catalog"),     0 },
        { reg_str("a/_catalog"),   0 },
        { reg_str("a\\..\\b"),     0 },
        { reg_str("a//b"),         0 },
        { reg_str("/a"),           0 },
        { reg_str("a/"),           0 },
        { reg_str("a%2fb"),        0 },
        { reg_str("%2e%2e"),       0 },
        { reg_str("a?b#c;x=y"),    0 },
        { reg_str("a\r\nX: y"),    0 },
        { reg_str("a\0b"),         0 },
        { reg_str("a\xff"),        0 }
    };

    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        for (j = 0; j < sizeof(names) / sizeof(names[0]); j++) {

            memcpy(path, routes[i].before, 4);
            memcpy(path + 4, names[j].name.data, names[j].name.len);
            s.data = path;
            s.len = 4 + names[j].name.len;
            memcpy(path + s.len, routes[i].behind, strlen(routes[i].behind));
            s.len += strlen(routes[i].behind);

            rc = parse(&op, routes[i].method, s, reg_str("digest=" D256), &e);

            if (names[j].valid) {
                ok(rc == REG_OK && op.op == routes[i].op,
                   "%s of a good name", reg_op_name(op.op).data);
                is_str(op.name, names[j].name, "  which is told");
                continue;
            }

            ok(rc == REG_NAME_INVALID && op.op == routes[i].op,
               "%s of a bad name: %s", reg_op_name(op.op).data, e.detail);
            ok(op.name.len == 0, "  which is not told");
        }
    }

    /* the name is judged before everything else */

    ok(route(&op, POST, "/v2/A/manifests/.x", "") == REG_NAME_INVALID,
       "bad name, bad method and bad tag");
    ok(route(&op, GET, "/v2/A/blobs/x", "") == REG_NAME_INVALID,
       "bad name and bad digest");
    ok(route(&op, PUT, "/v2/A/blobs/uploads/x", "") == REG_NAME_INVALID,
       "bad name, bad id and no digest");

    /* long ones */

    memset(path, 'a', sizeof(path));
    memcpy(path, "/v2/", 4);
    memcpy(path + sizeof(path) - 10, "/tags/list", 10);
    s.data = path;
    s.len = sizeof(path);
    ok(parse(&op, GET, s, reg_str(""), &e) == REG_NAME_INVALID,
       "a name of 8 KB");

    memcpy(path, "/v2/", 4);

    for (i = 4; i < 4 + 60 * 6; i += 6) {
        memcpy(path + i, "abcde/", 6);
    }

    memcpy(path + i, "tags/list", 9);
    s.len = i + 9;
    ok(parse(&op, GET, s, reg_str(""), &e) == REG_NAME_INVALID,
       "60 components");
}


static void
test_upload_ids(void)
{
    char         path[5000];
    size_t       i, m;
    reg_op_t     op;
    reg_str_t    s;
    reg_error_t  e;

    static const reg_method_e  methods[] = { GET, HEAD, PATCH, PUT, DELETE };

    static const reg_str_t  ids[] = {
        reg_str("."),
        reg_str(".."),
        reg_str("..."),
        reg_str("x"),
        reg_str("%2e%2e"),
        reg_str("C5B2FCBD-4A4D-4F0E-9A9D-1D5B2F9D7A11"),
        reg_str(UUID "0"),
        reg_str(UUID "\0"),
        reg_str("c5b2fcbd-4a4d-4f0e-9a9d-1d5b2f9d7a1"),
        reg_str("\r\nX: y"),
        reg_str(D256)
    };

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        for (m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {

            memcpy(path, "/v2/a/blobs/uploads/", 20);
            memcpy(path + 20, ids[i].data, ids[i].len);
            s.data = path;
            s.len = 20 + ids[i].len;

            ok(parse(&op, methods[m], s, reg_str(""), &e)
               == REG_UPLOAD_UNKNOWN && op.op != REG_OP_N
               && op.upload.len == 0 && op.name.len == 1,
               "%s of a bad id %zu", reg_op_name(op.op).data, i);
        }
    }

    memset(path + 20, '0', sizeof(path) - 20);
    s.len = sizeof(path);
    ok(parse(&op, DELETE, s, reg_str(""), &e) == REG_UPLOAD_UNKNOWN,
       "an id of 4 KB");
}


/* Wherever a digest may stand. */

static void
test_digests(void)
{
    char         path[512], query[512];
    size_t       i;
    reg_op_t     op;
    reg_str_t    p, q;
    reg_error_t  e;

    static const struct {
        reg_str_t  text;
        int        colon;
    } bad[] = {
        { reg_str("sha256:"),                         1 },
        { reg_str("sha256:short"),                    1 },
        { reg_str("sha256:" HEX64 "0"),               1 },
        { reg_str("sha256:0123456789abcdef0123456789abcdef"
                  "0123456789abcdef0123456789abcde"), 1 },
        { reg_str("sha256:0123456789ABCDEF0123456789ABCDEF"
                  "0123456789ABCDEF0123456789ABCDEF"), 1 },
        { reg_str("SHA256:" HEX64),                   1 },
        { reg_str("sha512:" HEX64),                   1 },
        { reg_str("sha256-" HEX64),                   0 },
        { reg_str(":ab"),                             1 },
        { reg_str(":"),                               1 },
        { reg_str("sha256::" HEX64),                  1 },
        { reg_str(D256 " "),                          1 },
        { reg_str(D256 "\n"),                         1 },
        { reg_str(D256 "\0"),                         1 },
        { reg_str("sha256:..\\..\\etc"),              1 },
        { reg_str("sha1:0123456789abcdef0123456789abcdef01234567"), 1 },
        { reg_str("md5:0123456789abcdef0123456789abcdef"), 1 },
        { reg_str("sha3-256:" HEX64),                 1 },
        { reg_str("a+b.c_d:" HEX64),                  1 },
        { reg_str("latest"),                          0 },
        { reg_str(HEX64),                             0 }
    };

    static const struct {
        reg_method_e   method;
        const char    *path;
        int            needs_colon;
    } in_path[] = {
        { GET,    "/v2/a/blobs/",     0 },
        { DELETE, "/v2/a/blobs/",     0 },
        { GET,    "/v2/a/referrers/", 0 },
        { GET,    "/v2/a/manifests/", 1 },
        { PUT,    "/v2/a/manifests/", 1 }
    };

    static const struct {
        reg_method_e   method;
        const char    *path;
        const char    *query;
    } in_query[] = {
        { PUT,  "/v2/a/blobs/uploads/" UUID, "digest=" },
        { POST, "/v2/a/blobs/uploads/",      "digest=" },
        { POST, "/v2/a/blobs/uploads/",      "mount=" },
        { POST, "/v2/a/blobs/uploads/",      "from=b&mount=" }
    };

    size_t  j, k;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

        for (j = 0; j < sizeof(in_path) / sizeof(in_path[0]); j++) {

            if (in_path[j].needs_colon && !bad[i].colon) {
                continue;
            }

            p.data = path;
            p.len = strlen(in_path[j].path);
            memcpy(path, in_path[j].path, p.len);
            memcpy(path + p.len, bad[i].text.data, bad[i].text.len);
            p.len += bad[i].text.len;

            ok(parse(&op, in_path[j].method, p, reg_str(""), &e)
               == REG_DIGEST_INVALID
               && !op.has_digest && op.tag.len == 0 && e.detail[0] != '\0',
               "%s%.80s: %s", in_path[j].path, bad[i].text.data, e.detail);
        }

        for (j = 0; j < sizeof(in_query) / sizeof(in_query[0]); j++) {

            q.data = query;
            q.len = (size_t) sprintf(query, "%s", in_query[j].query);

            for (k = 0; k < bad[i].text.len; k++) {
                q.len += (size_t) sprintf(query + q.len, "%%%02x",
                                          (unsigned char)
                                          bad[i].text.data[k]);
            }

            ok(parse(&op, in_query[j].method, reg_str_of(in_query[j].path), q,
                     &e)
               == REG_DIGEST_INVALID
               && !op.has_digest && !op.mount && e.detail[0] != '\0',
               "%s%.80s: %s", in_query[j].query, bad[i].text.data, e.detail);
        }
    }

    ok(route(&op, GET, "/v2/a/blobs/", "") == REG_DIGEST_INVALID,
       "no digest at all");
    ok(route(&op, GET, "/v2/a/referrers/", "") == REG_DIGEST_INVALID,
       "no digest at all");
}


static void
test_tags(void)
{
    char         path[600];
    size_t       i;
    reg_op_t     op;
    reg_rc_t     rc;
    reg_str_t    p;
    reg_error_t  e;

    static const struct {
        reg_str_t  tag;
        reg_rc_t   rc;
    } rows[] = {
        { reg_str("latest"),             REG_OK },
        { reg_str("_"),                  REG_OK },
        { reg_str("A.b-c_9"),            REG_OK },
        { reg_str(A128),                 REG_OK },
        { reg_str("sha256-" HEX64 ".sig"), REG_OK },
        { reg_str("uploads"),            REG_OK },
        { reg_str("list"),               REG_OK },
        { reg_str(""),                   REG_TAG_INVALID },
        { reg_str(A128 "a"),             REG_TAG_INVALID },
        { reg_str(A128 A128 A128),       REG_TAG_INVALID },
        { reg_str(".x"),                 REG_TAG_INVALID },
        { reg_str("-x"),                 REG_TAG_INVALID },
        { reg_str(".."),                 REG_TAG_INVALID },
        { reg_str("a b"),                REG_TAG_INVALID },
        { reg_str("a+b"),                REG_TAG_INVALID },
        { reg_str("a@b"),                REG_TAG_INVALID },
        { reg_str("a\0b"),               REG_TAG_INVALID },
        { reg_str("a\r\nX-Y"),           REG_TAG_INVALID },
        { reg_str("\xc3\xa9"),           REG_TAG_INVALID },
        { reg_str("a:b"),                REG_DIGEST_INVALID },
        { reg_str("sha256:short"),       REG_DIGEST_INVALID }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        p.data = path;
        p.len = (size_t) sprintf(path, "/v2/a/manifests/");
        memcpy(path + p.len, rows[i].tag.data, rows[i].tag.len);
        p.len += rows[i].tag.len;

        ok(parse(&op, PUT, p, reg_str(""), &e) == rows[i].rc
           && op.op == REG_OP_MANIFEST_WRITE,
           "tag \"%.60s\": %s", rows[i].tag.data, e.detail);
        is_str(op.tag, (rows[i].rc == REG_OK) ? rows[i].tag : reg_str(""),
               "  is told");

        rc = (rows[i].rc == REG_TAG_INVALID) ? REG_MANIFEST_UNKNOWN
                                             : rows[i].rc;

        ok(parse(&op, GET, p, reg_str(""), &e) == rc
           && parse(&op, HEAD, p, reg_str(""), &e) == rc,
           "  is not there, when no tag can be called so");
        ok(parse(&op, DELETE, p, reg_str(""), &e) == rows[i].rc,
           "  and is as wrong to delete as to write");
    }
}


static void
test_pages(void)
{
    size_t       i, j;
    reg_op_t     op;
    reg_rc_t     rc;
    reg_error_t  e;

    static const char  *paths[] = { "/v2/_catalog", "/v2/a/tags/list" };

    static const struct {
        reg_str_t   query;
        reg_rc_t    rc;
        int         has_n;
        uint64_t    n;
        reg_str_t   last;
    } rows[] = {
        { reg_str(""),                REG_OK, 0, 0, reg_str("") },
        { reg_str("n=0"),             REG_OK, 1, 0, reg_str("") },
        { reg_str("n=1"),             REG_OK, 1, 1, reg_str("") },
        { reg_str("n=0010"),          REG_OK, 1, 10, reg_str("") },
        { reg_str("n=100000"),        REG_OK, 1, REG_PAGE_N_MAX, reg_str("") },
        { reg_str("n=100001"),        REG_OK, 1, REG_PAGE_N_MAX, reg_str("") },
        { reg_str("n=2147483648"),    REG_OK, 1, REG_PAGE_N_MAX, reg_str("") },
        { reg_str("n=99999999999999999999"),
          REG_OK, 1, REG_PAGE_N_MAX, reg_str("") },
        { reg_str("n="),              REG_OK, 0, 0, reg_str("") },
        { reg_str("n"),               REG_OK, 0, 0, reg_str("") },
        { reg_str("n=5&n=x"),         REG_OK, 1, 5, reg_str("") },
        { reg_str("n=&n=7"),          REG_OK, 0, 0, reg_str("") },
        { reg_str("%6e=5"),           REG_OK, 1, 5, reg_str("") },
        { reg_str("n=%35"),           REG_OK, 1, 5, reg_str("") },
        { reg_str("N=x&nn=x&=x"),     REG_OK, 0, 0, reg_str("") },
        { reg_str("n=-1"),            REG_PAGE_INVALID, 0, 0, reg_str("") },
        { reg_str("n=abc"),           REG_PAGE_INVALID, 0, 0, reg_str("") },
        { reg_str("n=1.5"),           REG_PAGE_INVALID, 0, 0, reg_str("") },
        { reg_str("n=1e3"),           REG_PAGE_INVALID, 0, 0, reg_str("") },
        { reg_str("n=+5"),            REG_PAGE_INVALID, 0, 0, reg_str("") },
        { reg_str("n=%2b5"),          REG_PAGE_INVALID, 0, 0, reg_str("") },
        { reg_str("n=0x10"),          REG_PAGE_INVALID, 0, 0, reg_str("") },
        { reg_str("n=5%00"),          REG_PAGE_INVALID, 0, 0, reg_str("") },
        { reg_str("n=5%"),            REG_PAGE_INVALID, 0, 0, reg_str("") },
        { reg_str("n=5;last=x"),      REG_PAGE_INVALID, 0, 0, reg_str("") },
        { reg_str("n=99999999999999999999x"),
          REG_PAGE_INVALID, 0, 0, reg_str("") },

        { reg_str("last=abc"),        REG_OK, 0, 0, reg_str("abc") },
        { reg_str("n=2&last=a%2Fb"),  REG_OK, 1, 2, reg_str("a/b") },
        { reg_str("last=a/b&n=2"),    REG_OK, 1, 2, reg_str("a/b") },
        { reg_str("last=a+b"),        REG_OK, 0, 0, reg_str("a b") },
        { reg_str("last=a%2Bb"),      REG_OK, 0, 0, reg_str("a+b") },
        { reg_str("last=a=b"),        REG_OK, 0, 0, reg_str("a=b") },
        { reg_str("last=../.."),      REG_OK, 0, 0, reg_str("../..") },
        { reg_str("last=%22%27<>"),   REG_OK, 0, 0, reg_str("\"'<>") },
        { reg_str("last=%ff%fe"),     REG_OK, 0, 0, reg_str("\xff\xfe") },
        { reg_str("last=%252e"),      REG_OK, 0, 0, reg_str("%2e") },
        { reg_str("last="),           REG_OK, 0, 0, reg_str("") },
        { reg_str("last=a&last=b"),   REG_OK, 0, 0, reg_str("a") },
        { reg_str("&&last=a&&"),      REG_OK, 0, 0, reg_str("a") },
        { reg_str("x=%zz&last=a"),    REG_OK, 0, 0, reg_str("a") },
        { reg_str("%zz=x&last=a"),    REG_OK, 0, 0, reg_str("a") },
        { reg_str("last=a%00"),       REG_QUERY_INVALID, 0, 0, reg_str("") },
        { reg_str("last=a\0"),        REG_QUERY_INVALID, 0, 0, reg_str("") },
        { reg_str("last=%0d%0aX:y"),  REG_QUERY_INVALID, 0, 0, reg_str("") },
        { reg_str("last=%7f"),        REG_QUERY_INVALID, 0, 0, reg_str("") },
        { reg_str("last=a%"),         REG_QUERY_INVALID, 0, 0, reg_str("") },
        { reg_str("last=%4"),         REG_QUERY_INVALID, 0, 0, reg_str("") },
        { reg_str("last=%zz"),        REG_QUERY_INVALID, 0, 0, reg_str("") }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (j = 0; j < 2; j++) {

            rc = parse(&op, GET, reg_str_of(paths[j]), rows[i].query, &e);

            ok(rc == rows[i].rc && op.op != REG_OP_N, "%s?%s: %d", paths[j],
               rows[i].query.data, (int) rc);

            if (rc == REG_OK) {
                ok(op.has_n == (unsigned) rows[i].has_n && op.n == rows[i].n,
                   "  n is %llu", (unsigned long long) op.n);
                is_str(op.last, rows[i].last, "  last");
            }
        }
    }
}


static void
test_start(void)
{
    size_t    i;
    reg_op_t  op;
    reg_rc_t  rc;

    static const struct {
        const char  *query;
        reg_rc_t     rc;
        const char  *digest;     /* NULL: none */
        const char  *mount;
        const char  *from;
        int          alg;        /* -1: none */
    } rows[] = {
        { "",                           REG_OK, NULL, NULL, "", -1 },
        { "digest=" D256,               REG_OK, D256, NULL, "", -1 },
        { "digest=" D256E,              REG_OK, D256, NULL, "", -1 },
        { "digest=" D512,               REG_OK, D512, NULL, "", -1 },
        { "a=b&digest=" D256E "&_state=x", REG_OK, D256, NULL, "", -1 },
        { "digest=" D256 "&digest=x",   REG_OK, D256, NULL, "", -1 },
        { "mount=" D256,                REG_OK, NULL, D256, "", -1 },
        { "mount=" D256 "&from=a",      REG_OK, NULL, D256, "a", -1 },
        { "mount=" D256 "&from=b%2Fc",  REG_OK, NULL, D256, "b/c", -1 },
        { "from=b/c&mount=" D256E,      REG_OK, NULL, D256, "b/c", -1 },
        { "from=&mount=" D256,          REG_OK, NULL, D256, "", -1 },
        { "from=b/c&mount=" D256E "&origin=x.y",
          REG_OK, NULL, D256, "b/c", -1 },
        { "mount=",                     REG_OK, NULL, NULL, "", -1 },
        { "mount",                      REG_OK, NULL, NULL, "", -1 },
        { "mount=&from=b",              REG_OK, NULL, NULL, "", -1 },
        { "mount=&from=..",             REG_OK, NULL, NULL, "", -1 },
        { "from=b",                     REG_OK, NULL, NULL, "", -1 },
        { "mount=&digest=" D256,        REG_OK, D256, NULL, "", -1 },
        { "mount=" D256 "&digest=" D512, REG_OK, NULL, D256, "", -1 },
        { "digest-algorithm=sha256",    REG_OK, NULL, NULL, "", REG_SHA256 },
        { "digest-algorithm=sha512",    REG_OK, NULL, NULL, "", REG_SHA512 },
        { "digest-algorithm=sha512&mount=" D256 "&from=b",
          REG_OK, NULL, D256, "b", REG_SHA512 },

        { "digest=",                    REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "digest",                     REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "digest=%zz",                 REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "digest=sha256:%00",          REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "digest=&digest=" D256,       REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "mount=x&from=b",             REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "mount=%zz",                  REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "mount=" D256 "%00",          REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "mount=x&from=..",            REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "mount=" D256 "&from=../x",   REG_NAME_INVALID, 0, 0, "", -1 },
        { "mount=" D256 "&from=A",      REG_NAME_INVALID, 0, 0, "", -1 },
        { "mount=" D256 "&from=a%00",   REG_NAME_INVALID, 0, 0, "", -1 },
        { "mount=" D256 "&from=a%0d%0a", REG_NAME_INVALID, 0, 0, "", -1 },
        { "mount=" D256 "&from=%zz",    REG_NAME_INVALID, 0, 0, "", -1 },
        { "mount=" D256 "&from=a+b",    REG_NAME_INVALID, 0, 0, "", -1 },
        { "mount=" D256 "&from=" A255 "a", REG_NAME_INVALID, 0, 0, "", -1 },
        { "digest-algorithm=md5",       REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "digest-algorithm=SHA256",    REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "digest-algorithm=",          REG_DIGEST_INVALID, 0, 0, "", -1 },
        { "digest-algorithm=%",         REG_DIGEST_INVALID, 0, 0, "", -1 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        rc = route(&op, POST, "/v2/a/blobs/uploads/", rows[i].query);

        ok(rc == rows[i].rc && op.op == REG_OP_UPLOAD_START, "start?%s: %d",
           rows[i].query, (int) rc);

        if (rc != REG_OK) {
            ok(!op.mount && !op.has_digest, "  nothing is told");
            continue;
        }

        is(op.has_digest ? reg_digest_str(&op.digest) : reg_str(""),
           rows[i].digest ? rows[i].digest : "", "  digest");
        is(op.mount ? reg_digest_str(&op.mount_digest) : reg_str(""),
           rows[i].mount ? rows[i].mount : "", "  mount");
        is(op.from, rows[i].from, "  from");
        ok(op.has_alg == (rows[i].alg != -1)
           && (rows[i].alg == -1 || (int) op.alg == rows[i].alg),
           "  algorithm");
    }
}


static void
test_finish(void)
{
    size_t       i;
    reg_op_t     op;
    reg_error_t  e;

    static const struct {
        const char  *query;
        const char  *digest;
    } rows[] = {
        { "digest=" D256,                        D256 },
        { "digest=" D256E,                       D256 },
        { "_state=a+b%2B&digest=" D256E "&z=1",  D256 },
        { "digest=" D512,                        D512 },
        { "%64igest=" D256,                      D256 },
        { "",                                    NULL },
        { "digest=",                             NULL },
        { "digest",                              NULL },
        { "Digest=" D256,                        NULL },
        { "mount=" D256,                         NULL },
        { "digest=%zz",                          NULL },
        { "digest=x&digest=" D256,               NULL }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        (void) parse(&op, PUT, reg_str("/v2/a/blobs/uploads/" UUID),
                     reg_str_of(rows[i].query), &e);

        ok(op.op == REG_OP_UPLOAD_FINISH
           && e.rc == (rows[i].digest ? REG_OK : REG_DIGEST_INVALID),
           "finish?%s: %s", rows[i].query, e.detail);
        is(op.upload, UUID, "  its id");
        is(op.has_digest ? reg_digest_str(&op.digest) : reg_str(""),
           rows[i].digest ? rows[i].digest : "", "  its digest");
    }

    (void) parse(&op, PUT, reg_str("/v2/a/blobs/uploads/" UUID), reg_str(""),
                 &e);
    is(reg_str_of(e.detail), "digest parameter missing", "what is missing");
}


static void
test_tag_params(void)
{
    char      query[REG_TAGS_MAX * 16 + 64];
    size_t    i, len;
    reg_op_t  op;
    reg_rc_t  rc;

    static const struct {
        const char  *query;
        reg_rc_t     rc;
        size_t       n;
        const char  *tags[4];
    } rows[] = {
        { "",                   REG_OK, 0, { NULL } },
        { "tag=a",              REG_OK, 1, { "a" } },
        { "tag=a&tag=b",        REG_OK, 2, { "a", "b" } },
        { "tag=b&x=y&tag=a&",   REG_OK, 2, { "b", "a" } },
        { "tag=a&tag=a&tag=b&tag=a", REG_OK, 2, { "a", "b" } },
        { "tag=a%2Eb",          REG_OK, 1, { "a.b" } },
        { "tag=" A128,          REG_OK, 1, { A128 } },
        { "Tag=.x&digest=junk&n=x", REG_OK, 0, { NULL } },
        { "tag=",               REG_TAG_INVALID, 0, { NULL } },
        { "tag",                REG_TAG_INVALID, 0, { NULL } },
        { "tag=.x",             REG_TAG_INVALID, 0, { NULL } },
        { "tag=a&tag=-x",       REG_TAG_INVALID, 0, { NULL } },
        { "tag=a+b",            REG_TAG_INVALID, 0, { NULL } },
        { "tag=a%00",           REG_TAG_INVALID, 0, { NULL } },
        { "tag=a%0d%0ab",       REG_TAG_INVALID, 0, { NULL } },
        { "tag=%zz",            REG_TAG_INVALID, 0, { NULL } },
        { "tag=a:b",            REG_TAG_INVALID, 0, { NULL } },
        { "tag=" A128 "a",      REG_TAG_INVALID, 0, { NULL } }
    };

    size_t  j;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        rc = route(&op, PUT, "/v2/a/manifests/" D256, rows[i].query);

        ok(rc == rows[i].rc && op.op == REG_OP_MANIFEST_WRITE,
           "manifest?%s: %d", rows[i].query, (int) rc);

        if (rc == REG_OK) {
            is_num((long long) op.ntags, (long long) rows[i].n, "  tags");

            for (j = 0; j < rows[i].n && j < op.ntags; j++) {
                is(op.tags[j], rows[i].tags[j], "  tag");
            }
        }
    }

    ok(route(&op, PUT, "/v2/a/manifests/latest", "tag=.x&tag=b") == REG_OK
       && op.ntags == 0, "not looked at when the reference is a tag");

    len = 0;

    for (i = 0; i < REG_TAGS_MAX; i++) {
        len += (size_t) sprintf(query + len, "tag=t%zu&", i);
    }

    ok(route(&op, PUT, "/v2/a/manifests/" D256, query) == REG_OK
       && op.ntags == REG_TAGS_MAX, "as many as may be");

    for (i = 0; i < REG_TAGS_MAX; i++) {
        (void) sprintf(query + len + 20, "t%zu", i);

        if (!reg_str_eq(op.tags[i], reg_str_of(query + len + 20))) {
            break;
        }
    }

    is_num((long long) i, REG_TAGS_MAX, "  all of them");

    (void) sprintf(query + len, "tag=t0");
    ok(route(&op, PUT, "/v2/a/manifests/" D256, query) == REG_OK
       && op.ntags == REG_TAGS_MAX, "one of them again");

    (void) sprintf(query + len, "tag=x");
    ok(route(&op, PUT, "/v2/a/manifests/" D256, query) == REG_TAGS_TOO_MANY,
       "and one more");
}


static void
test_referrers(void)
{
    size_t    i;
    reg_op_t  op;
    reg_rc_t  rc;

    static const struct {
        const char  *query;
        reg_rc_t     rc;
        const char  *type;       /* NULL: no filter */
        const char  *last;
    } rows[] = {
        { "",                                 REG_OK, NULL, "" },
        { "artifactType=a/b",                 REG_OK, "a/b", "" },
        { "artifactType=application%2Fx%2Bjson", REG_OK,
          "application/x+json", "" },
        { "artifactType=a/b+json",            REG_OK, "a/b+json", "" },
        { "artifactType=a&artifactType=b",    REG_OK, "a", "" },
        { "artifactType=%22%3Cx%3E%22",       REG_OK, "\"<x>\"", "" },
        { "artifactType=%ff",                 REG_OK, "\xff", "" },
        { "artifactType=",                    REG_OK, NULL, "" },
        { "artifacttype=a",                   REG_OK, NULL, "" },
        { "last=" D256E "&artifactType=x",    REG_OK, "x", D256 },
        { "n=junk",                           REG_OK, NULL, "" },
        { "artifactType=a%0ab",               REG_QUERY_INVALID, NULL, "" },
        { "artifactType=a%00",                REG_QUERY_INVALID, NULL, "" },
        { "artifactType=%zz",                 REG_QUERY_INVALID, NULL, "" },
        { "last=%0d",                         REG_QUERY_INVALID, NULL, "" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        rc = route(&op, GET, "/v2/a/referrers/" D256, rows[i].query);

        ok(rc == rows[i].rc && op.op == REG_OP_REFERRERS && op.has_digest,
           "referrers?%s: %d", rows[i].query, (int) rc);

        if (rc == REG_OK) {
            ok(op.has_artifact_type == (rows[i].type != NULL) && !op.has_n,
               "  filter");
            is(op.artifact_type, rows[i].type ? rows[i].type : "", "  type");
            is(op.last, rows[i].last, "  last");
        }
    }
}


/* Parameters that an operation does not know are none of its business. */

static void
test_ignored(void)
{
    size_t    i;
    reg_op_t  op;

    static const char  junk[] =
        "digest=junk&mount=%zz&from=..&n=x&last=%00&tag=.&artifactType=%0a"
        "&digest-algorithm=md5&%zz&=&&&";

    static const struct {
        reg_method_e   method;
        const char    *path;
    } rows[] = {
        { GET,     "/v2/" },
        { GET,     "/v2/a/manifests/latest" },
        { HEAD,    "/v2/a/manifests/" D256 },
        { PUT,     "/v2/a/manifests/latest" },
        { DELETE,  "/v2/a/manifests/" D256 },
        { GET,     "/v2/a/blobs/" D256 },
        { DELETE,  "/v2/a/blobs/" D256 },
        { GET,     "/v2/a/blobs/uploads/" UUID },
        { PATCH,   "/v2/a/blobs/uploads/" UUID },
        { DELETE,  "/v2/a/blobs/uploads/" UUID },
        { DELETE,  "/v2/a/_nginx/repository/content" },
        { GET,     "/v2/_nginx/token" },
        { OPTIONS, "/v2/a/tags/list" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(route(&op, rows[i].method, rows[i].path, junk) == REG_OK
           && !op.mount && !op.has_n && !op.has_alg && op.ntags == 0
           && op.from.len == 0 && op.last.len == 0 && !op.has_artifact_type,
           "%s with junk behind", reg_op_name(op.op).data);
    }
}


static void
test_tables(void)
{
    is(reg_op_name(REG_OP_BASE), "base", "the first name");
    is(reg_op_name(REG_OP_BLOB_READ), "blob_read", "one between");
    is(reg_op_name(REG_OP_TOKEN), "token_issue", "the last");
    is(reg_op_name(REG_OP_N), "unknown", "and none");
    is(reg_op_name((reg_op_e) (REG_OP_N + 5)), "unknown", "nor any behind");

    ok(reg_op_action(REG_OP_BASE) == REG_ACTION_NONE
       && reg_op_action(REG_OP_CATALOG) == REG_ACTION_LIST
       && reg_op_action(REG_OP_BLOB_READ) == REG_ACTION_PULL
       && reg_op_action(REG_OP_UPLOAD_STATUS) == REG_ACTION_PUSH
       && reg_op_action(REG_OP_REPO_DELETE) == REG_ACTION_DELETE
       && reg_op_action(REG_OP_N) == REG_ACTION_NONE, "actions");

    ok(reg_op_body(REG_OP_BASE) == REG_BODY_NONE
       && reg_op_body(REG_OP_MANIFEST_WRITE) == REG_BODY_MEMORY
       && reg_op_body(REG_OP_UPLOAD_START) == REG_BODY_UPLOAD
       && reg_op_body(REG_OP_UPLOAD_APPEND) == REG_BODY_UPLOAD
       && reg_op_body(REG_OP_UPLOAD_FINISH) == REG_BODY_UPLOAD
       && reg_op_body(REG_OP_N) == REG_BODY_NONE, "bodies");

    ok(reg_op_writes(REG_OP_MANIFEST_WRITE)
       && reg_op_writes(REG_OP_UPLOAD_START)
       && reg_op_writes(REG_OP_UPLOAD_CANCEL)
       && reg_op_writes(REG_OP_REPO_DELETE)
       && !reg_op_writes(REG_OP_UPLOAD_STATUS)
       && !reg_op_writes(REG_OP_BLOB_READ)
       && !reg_op_writes(REG_OP_TOKEN)
       && !reg_op_writes(REG_OP_N), "what writes");
}
