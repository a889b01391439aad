
#include "reg_error.h"
#include "reg_test.h"

#include <errno.h>
#include <jansson.h>


static void test_table(void);
static void test_set(void);
static void test_sys(void);
static void test_unread(void);
static void test_status(void);
static void test_json(void);
static void test_reply(void);
static void test_texts(void);
static int is_code(const char *code);


int
main(void)
{
    test_table();
    test_texts();
    test_set();
    test_sys();
    test_unread();
    test_status();
    test_json();
    test_reply();

    return done_testing();
}


/* distribution-spec, "Error Codes": capitals and underscores */

static int
is_code(const char *code)
{
    return code[0] != '\0'
           && strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == strlen(code);
}


/*
 * docker, distribution/xfer: an error that has the text which distribution has
 * for its code, and no detail, comes out of its JSON as a bare code, which is
 * tried again and again.
 */

static void
test_texts(void)
{
    int     rc, status;
    size_t  i;

    static const char  *theirs[] = {
        "unknown error", "The operation is unsupported.",
        "authentication required",
        "requested access to the resource is denied", "service unavailable",
        "too many requests", "provided digest did not match uploaded content",
        "provided length did not match content length",
        "invalid content range", "invalid repository name",
        "manifest tag did not match URI",
        "repository name not known to registry", "manifest unknown",
        "manifest invalid", "manifest failed signature verification",
        "blob unknown to registry", "blob upload unknown to registry",
        "blob upload invalid", "invalid number of results requested"
    };

    for (i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {

        for (rc = 1; rc < REG_ERROR_N; rc++) {
            ok(strcmp(reg_error_text((reg_rc_t) rc), theirs[i]) != 0,
               "a text of our own");
        }

        for (status = 400; status < 600; status++) {
            if (strcmp(reg_error_status_text(status), theirs[i]) == 0) {
                ok(0, "%s", theirs[i]);
            }
        }
    }
}


static void
test_table(void)
{
    int     rc, status;
    size_t  i;

    static const struct {
        reg_rc_t     rc;
        int          status;
        const char  *code;
    } rows[] = {
        { REG_BLOB_UNKNOWN,          404, "BLOB_UNKNOWN" },
        { REG_UPLOAD_UNKNOWN,        404, "BLOB_UPLOAD_UNKNOWN" },
        { REG_UPLOAD_INVALID,        400, "BLOB_UPLOAD_INVALID" },
        { REG_UPLOAD_BUSY,           429, "TOOMANYREQUESTS" },
        { REG_RANGE_INVALID,         416, "RANGE_INVALID" },
        { REG_DIGEST_INVALID,        400, "DIGEST_INVALID" },
        { REG_DIGEST_MISMATCH,       400, "DIGEST_INVALID" },
        { REG_SIZE_INVALID,          400, "SIZE_INVALID" },
        { REG_NAME_INVALID,          400, "NAME_INVALID" },
        { REG_NAME_UNKNOWN,          404, "NAME_UNKNOWN" },
        { REG_TAG_INVALID,           400, "TAG_INVALID" },
        { REG_TAGS_TOO_MANY,         414, "TAG_INVALID" },
        { REG_PAGE_INVALID,          400, "PAGINATION_NUMBER_INVALID" },
        { REG_MANIFEST_UNKNOWN,      404, "MANIFEST_UNKNOWN" },
        { REG_MANIFEST_INVALID,      400, "MANIFEST_INVALID" },
        { REG_MANIFEST_TOO_LARGE,    413, "MANIFEST_INVALID" },
        { REG_MANIFEST_BLOB_UNKNOWN, 404, "MANIFEST_BLOB_UNKNOWN" },
        { REG_ROUTE_UNKNOWN,         404, "UNSUPPORTED" },
        { REG_METHOD_UNKNOWN,        405, "UNSUPPORTED" },
        { REG_PRECONDITION_FAILED,   412, "UNSUPPORTED" },
        { REG_TOO_EARLY,             425, "UNSUPPORTED" },
        { REG_DELETE_DISABLED,       405, "UNSUPPORTED" },
        { REG_UNAUTHORIZED,          401, "UNAUTHORIZED" },
        { REG_DENIED,                403, "DENIED" },
        { REG_UPLOADS_TOO_MANY,      429, "TOOMANYREQUESTS" },
        { REG_EVENTS_GONE,           410, "RANGE_INVALID" },
        { REG_QUERY_INVALID,         400, "UNSUPPORTED" },
        { REG_BLOB_TOO_LARGE,        403, "DENIED" },
        { REG_WRITES_CLOSED,         403, "DENIED" },
        { REG_BODY_TOO_LARGE,        413, "SIZE_INVALID" },
        { REG_BODY_INCOMPLETE,       400, "SIZE_INVALID" },
        { REG_BUSY,                  503, "TOOMANYREQUESTS" },
        { REG_LOCKED,                503, "TOOMANYREQUESTS" },
        { REG_NO_SPACE,              507, "UNKNOWN" },
        { REG_READ_ONLY,             503, "UNKNOWN" },
        { REG_NO_MEMORY,             503, "UNKNOWN" },
        { REG_STORAGE,               500, "UNKNOWN" },
        { REG_ABSENT,                404, "UNKNOWN" },
        { REG_INTERNAL,              500, "UNKNOWN" }
    };

    ok(sizeof(rows) / sizeof(rows[0]) == REG_ERROR_N - 1, "a row for each");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(reg_error_status(rows[i].rc) == rows[i].status
           && strcmp(reg_error_code(rows[i].rc), rows[i].code) == 0,
           "row of %s, %d", rows[i].code, rows[i].status);
    }

    for (rc = REG_OK + 1; rc < REG_ERROR_N; rc++) {
        status = reg_error_status((reg_rc_t) rc);

        ok(status >= 400 && status <= 599
           && is_code(reg_error_code((reg_rc_t) rc))
           && reg_error_text((reg_rc_t) rc)[0] != '\0',
           "%s", reg_error_text((reg_rc_t) rc));
    }

    ok(reg_error_status(REG_OK) == 500
       && reg_error_status(REG_ERROR_N) == 500,
       "what is no error is an internal one when it is asked about");
}


static void
test_set(void)
{
    char         text[2 * REG_ERROR_DETAIL];
    reg_error_t  e;

    reg_error_clear(&e);
    ok(e.rc == REG_OK && e.sys == 0 && e.call == NULL && e.detail[0] == '\0'
       && e.path[0] == '\0', "cleared");

    is_num(reg_error_set(&e, REG_TAG_INVALID, "tag %d", 7), REG_TAG_INVALID,
           "set returns the symbol");
    ok(e.rc == REG_TAG_INVALID, "which is kept");
    is(reg_str_of(e.detail), "tag 7", "with its detail");

    is_num(reg_error_set(&e, REG_NAME_INVALID, "other"), REG_NAME_INVALID,
           "a second one is returned");
    ok(e.rc == REG_TAG_INVALID, "but the first is kept");
    is(reg_str_of(e.detail), "tag 7", "detail, too");

    is_num(reg_error_sys(&e, EIO, "write", "x"), REG_STORAGE,
           "so it is with a system call");
    ok(e.rc == REG_TAG_INVALID && e.sys == 0 && e.path[0] == '\0',
       "which adds nothing");

    reg_error_clear(&e);
    (void) reg_error_set(&e, REG_INTERNAL, NULL);
    ok(e.rc == REG_INTERNAL && e.detail[0] == '\0', "without a detail");

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';

    reg_error_clear(&e);
    (void) reg_error_set(&e, REG_INTERNAL, "%s", text);
    ok(strlen(e.detail) == REG_ERROR_DETAIL - 1, "a long detail is cut");

    reg_error_clear(&e);
    (void) reg_error_sys(&e, EIO, "open", text);
    ok(strlen(e.path) == REG_ERROR_DETAIL - 1, "a long path is cut");

    is_num(reg_error_set(NULL, REG_DENIED, "%s", text), REG_DENIED,
           "without a place for details");
    is_num(reg_error_sys(NULL, ENOSPC, "write", text), REG_NO_SPACE,
           "of a system call, too");
}


static void
test_sys(void)
{
    size_t       i;
    reg_error_t  e;

    static const struct {
        int       sys;
        reg_rc_t  rc;
    } rows[] = {
        { ENOSPC,       REG_NO_SPACE },
        { EDQUOT,       REG_NO_SPACE },
        { EFBIG,        REG_NO_SPACE },
        { EROFS,        REG_READ_ONLY },
        { ENOMEM,       REG_NO_MEMORY },
        { EMFILE,       REG_BUSY },
        { ENFILE,       REG_BUSY },
        { EIO,          REG_STORAGE },
        { EACCES,       REG_STORAGE },
        { ENOENT,       REG_STORAGE },
        { ENAMETOOLONG, REG_STORAGE }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_error_clear(&e);

        ok(reg_error_sys(&e, rows[i].sys, "fsync", "a/b") == rows[i].rc
           && e.rc == rows[i].rc && e.sys == rows[i].sys
           && strcmp(e.call, "fsync") == 0 && strcmp(e.path, "a/b") == 0
           && e.detail[0] == '\0',
           "%s", strerror(rows[i].sys));
    }

    reg_error_clear(&e);
    (void) reg_error_sys(&e, EIO, "close", NULL);
    ok(e.sys == EIO && e.path[0] == '\0', "without a path");
}


/* One bad file is damage; anything else is everybody's. */

static void
test_unread(void)
{
    size_t       i;
    reg_rc_t     rc;
    reg_error_t  e, why;

    static const struct {
        int  sys;
        int  damage;
    } rows[] = {
        { EIO, 1 },
        { EUCLEAN, 1 },
        { EBADMSG, 1 },
        { EACCES, 0 },
        { EMFILE, 0 },
        { ENOMEM, 0 },
        { 0, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_error_clear(&e);
        reg_error_clear(&why);
        rc = reg_error_sys(&why, rows[i].sys, "read", "a/b");

        if (rows[i].damage) {
            ok(reg_error_unread(&e, rc, &why) == REG_DIGEST_MISMATCH
               && e.rc == REG_OK, "%s is damage", strerror(rows[i].sys));

        } else {
            ok(reg_error_unread(&e, rc, &why) == rc && e.rc == rc
               && e.sys == rows[i].sys, "%s is passed on",
               strerror(rows[i].sys));
        }
    }

    reg_error_clear(&why);
    ok(reg_error_unread(NULL, REG_ABSENT, &why) == REG_ABSENT,
       "nobody to tell");
}


static void
test_status(void)
{
    int     status;
    size_t  i;

    static const struct {
        int          status;
        const char  *code;
    } rows[] = {
        { 400, "UNSUPPORTED" },
        { 401, "UNAUTHORIZED" },
        { 403, "DENIED" },
        { 404, "UNSUPPORTED" },
        { 405, "UNSUPPORTED" },
        { 408, "UNKNOWN" },
        { 413, "SIZE_INVALID" },
        { 414, "UNSUPPORTED" },
        { 416, "RANGE_INVALID" },
        { 418, "UNSUPPORTED" },
        { 429, "TOOMANYREQUESTS" },
        { 431, "UNSUPPORTED" },
        { 494, "UNSUPPORTED" },
        { 499, "UNKNOWN" },
        { 500, "UNKNOWN" },
        { 501, "UNSUPPORTED" },
        { 502, "UNKNOWN" },
        { 503, "UNKNOWN" },
        { 507, "UNKNOWN" },
        { 599, "UNKNOWN" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is(reg_str_of(reg_error_status_code(rows[i].status)), rows[i].code,
           "code of a status");
    }

    for (status = 400; status < 600; status++) {
        if (!is_code(reg_error_status_code(status))
            || reg_error_status_text(status)[0] == '\0')
        {
            break;
        }
    }

    is_num(status, 600, "every status has a code and a text");
}


static void
test_json(void)
{
    size_t        i;
    json_t       *root, *errors, *error;
    reg_buf_t     b;
    reg_str_t     detail;

    static const struct {
        reg_str_t    detail;
        const char  *shown;      /* NULL: no detail */
    } rows[] = {
        { reg_null_str,                NULL },
        { reg_str(""),                 NULL },
        { reg_str("a/b"),              "a/b" },
        { reg_str("\"},{\"code\":\""), "\"},{\"code\":\"" },
        { reg_str("\r\nX: y\x1b"),     "\r\nX: y\x1b" },
        { reg_str("\xff"),             "\xef\xbf\xbd" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);
        reg_error_json(&b, "TAG_INVALID", reg_str("invalid \"tag\""),
                       rows[i].detail);

        ok(!reg_buf_failed(&b) && b.len != 0, "json of row %zu", i);

        root = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
        errors = json_object_get(root, "errors");
        error = json_array_get(errors, 0);

        ok(json_object_size(root) == 1 && json_array_size(errors) == 1,
           "one error");
        is(reg_str_of(json_string_value(json_object_get(error, "code"))),
           "TAG_INVALID", "its code");
        is(reg_str_of(json_string_value(json_object_get(error, "message"))),
           "invalid \"tag\"", "its message");

        detail = reg_str_of(json_string_value(json_object_get(error,
                                                              "detail")));

        if (rows[i].shown == NULL) {
            ok(json_object_size(error) == 2, "no detail");

        } else {
            is(detail, rows[i].shown, "its detail");
        }

        json_decref(root);
        reg_buf_free(&b);
    }
}


/*
 * Who sees the message alone learns the reason from it; what is not there, and
 * who has to log in, is said in few words.
 */

static void
test_reply(void)
{
    size_t        i;
    json_t       *root, *error;
    reg_buf_t     b;
    reg_error_t   e;

    static const struct {
        reg_rc_t     rc;
        const char  *sentence;
        const char  *detail;
        const char  *code;
        const char  *message;
    } rows[] = {
        { REG_BLOB_TOO_LARGE, "", "the limit is 9 bytes", "DENIED",
          "the blob is larger than this registry accepts: "
          "the limit is 9 bytes" },
        { REG_BLOB_TOO_LARGE, "", "", "DENIED",
          "the blob is larger than this registry accepts" },
        { REG_MANIFEST_INVALID, "", "not a JSON object", "MANIFEST_INVALID",
          "not a valid manifest: not a JSON object" },
        { REG_MANIFEST_BLOB_UNKNOWN, "", "sha256:0a", "MANIFEST_BLOB_UNKNOWN",
          "manifest references a manifest or blob unknown to registry: "
          "sha256:0a" },
        { REG_TAG_INVALID, "", "a\"b\r\n\x1b[2J\x7f\xc2\x9b\xff", "TAG_INVALID",
          "invalid tag: a\"b???[2J????" },
        { REG_WRITES_CLOSED, "back at six", "", "DENIED", "back at six" },
        { REG_WRITES_CLOSED, "back at six", "soon", "DENIED",
          "back at six: soon" },
        { REG_MANIFEST_UNKNOWN, "", "unknown tag v1", "MANIFEST_UNKNOWN",
          "manifest unknown to registry" },
        { REG_NAME_UNKNOWN, "", "a/b", "NAME_UNKNOWN", "no such repository" },
        { REG_UNAUTHORIZED, "", "x", "UNAUTHORIZED", "a login is required" },
        { REG_ERROR_N, "", "x", "UNKNOWN", "internal error" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_error_clear(&e);
        (void) reg_error_set(&e, rows[i].rc, "%s", rows[i].detail);

        reg_buf_init(&b, 4096);
        reg_error_reply(&b, &e, reg_str_of(rows[i].sentence));

        ok(!reg_buf_failed(&b), "reply of row %zu", i);

        root = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
        error = json_array_get(json_object_get(root, "errors"), 0);

        is(reg_str_of(json_string_value(json_object_get(error, "code"))),
           rows[i].code, "the code stays");
        is(reg_str_of(json_string_value(json_object_get(error, "message"))),
           rows[i].message, "its message");
        ok((json_object_get(error, "detail") == NULL)
           == (rows[i].detail[0] == '\0'), "the detail is there besides");

        json_decref(root);
        reg_buf_free(&b);
    }
}
