
#include "reg_error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>


typedef struct {
    int          status;
    const char  *code;
    const char  *text;
} reg_error_row_t;


static const reg_error_row_t *reg_error_row(reg_rc_t rc);
static const reg_error_row_t *reg_error_status_row(int status);
static void reg_error_fill(reg_error_t *e, reg_rc_t rc, const char *fmt,
    va_list args) __attribute__((format(printf, 3, 0)));
static void reg_error_print(reg_buf_t *b, const char *code, reg_str_t message,
    reg_str_t told, reg_str_t detail);


static const reg_error_row_t  reg_error_rows[] = {
    { 200, "", "" },
#define REG_ERROR_ROW(symbol, status, code, text, told)                       \
    { status, code, text },
    REG_ERROR_TABLE(REG_ERROR_ROW)
#undef REG_ERROR_ROW
};


/* whether the detail stands in the message, too */

static const unsigned char  reg_error_told[] = {
    0,
#define REG_ERROR_TOLD(symbol, status, code, text, told)  told,
    REG_ERROR_TABLE(REG_ERROR_TOLD)
#undef REG_ERROR_TOLD
};


/*
 * What nginx itself answers inside a location of ours.  The last row stands
 * for all the others below 500; above it UNKNOWN is all that can be said.
 */

static const reg_error_row_t  reg_error_statuses[] = {
    { 400, "UNSUPPORTED",     "bad request" },
    { 401, "UNAUTHORIZED",    "a login is required" },
    { 403, "DENIED",          "access is denied" },
    { 404, "UNSUPPORTED",     "no such endpoint" },
    { 405, "UNSUPPORTED",     "the operation is unsupported" },
    { 408, "UNKNOWN",         "the request took too long" },
    { 411, "SIZE_INVALID",    "length required" },
    { 413, "SIZE_INVALID",
      "request body larger than this registry accepts" },
    { 414, "UNSUPPORTED",     "request URI too long" },
    { 416, "RANGE_INVALID",   "range not satisfiable" },
    { 429, "TOOMANYREQUESTS", "too many requests, try again later" },
    { 431, "UNSUPPORTED",     "request header too large" },
    { 499, "UNKNOWN",         "the client closed the connection" },
    { 500, "UNKNOWN",         "internal error" },
    { 501, "UNSUPPORTED",     "the operation is not implemented" },
    { 502, "UNKNOWN",         "bad gateway" },
    { 503, "UNKNOWN",         "the registry is unavailable, try again" },
    { 504, "UNKNOWN",         "gateway timeout" },
    { 507, "UNKNOWN",         "no space left in the registry's storage" },
    { 0,   "UNSUPPORTED",     "the request was refused" }
};


static const reg_error_row_t  reg_error_unknown = {
    500, "UNKNOWN", "internal error"
};


static const reg_error_row_t *
reg_error_row(reg_rc_t rc)
{
    if (rc > REG_OK && rc < REG_ERROR_N) {
        return &reg_error_rows[rc];
    }

    return &reg_error_unknown;
}


static const reg_error_row_t *
reg_error_status_row(int status)
{
    const reg_error_row_t  *row;

    for (row = reg_error_statuses; row->status != 0; row++) {
        if (row->status == status) {
            return row;
        }
    }

    return (status >= 500) ? &reg_error_unknown : row;
}


void
reg_error_clear(reg_error_t *e)
{
    /* the two long fields are strings: their first byte is enough */

    e->rc = REG_OK;
    e->sys = 0;
    e->call = NULL;
    e->damage = 0;
    e->backup = 0;
    e->detail[0] = '\0';
    e->path[0] = '\0';
}


reg_rc_t
reg_error_set(reg_error_t *e, reg_rc_t rc, const char *fmt, ...)
{
    va_list  args;

    if (e == NULL || e->rc != REG_OK) {
        return rc;
    }

    va_start(args, fmt);
    reg_error_fill(e, rc, fmt, args);
    va_end(args);

    return rc;
}


reg_rc_t
reg_error_damage(reg_error_t *e, reg_rc_t rc, const char *fmt, ...)
{
    va_list  args;

    if (e == NULL || e->rc != REG_OK) {
        return rc;
    }

    va_start(args, fmt);
    reg_error_fill(e, rc, fmt, args);
    va_end(args);

    e->damage = 1;

    return rc;
}


static void
reg_error_fill(reg_error_t *e, reg_rc_t rc, const char *fmt, va_list args)
{
    reg_error_clear(e);

    e->rc = rc;

    if (fmt != NULL
        && vsnprintf(e->detail, sizeof(e->detail), fmt, args) < 0)
    {
        e->detail[0] = '\0';
    }
}


reg_rc_t
reg_error_sys(reg_error_t *e, int sys, const char *call, const char *path)
{
    reg_rc_t  rc;

    switch (sys) {

    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        rc = REG_NO_SPACE;
        break;

    case EROFS:
        rc = REG_READ_ONLY;
        break;

    case ENOMEM:
        rc = REG_NO_MEMORY;
        break;

    case EMFILE:
    case ENFILE:
        rc = REG_BUSY;
        break;

    default:
        rc = REG_STORAGE;
    }

    if (e == NULL || e->rc != REG_OK) {
        return rc;
    }

    reg_error_clear(e);

    e->rc = rc;
    e->sys = sys;
    e->call = call;

    if (path != NULL) {
        (void) snprintf(e->path, sizeof(e->path), "%s", path);
    }

    return rc;
}


reg_rc_t
reg_error_unread(reg_error_t *e, reg_rc_t rc, const reg_error_t *why)
{
    if (rc == REG_STORAGE
        && (why->sys == EIO || why->sys == EUCLEAN || why->sys == EBADMSG))
    {
        return REG_DIGEST_MISMATCH;
    }

    if (e != NULL && e->rc == REG_OK) {
        *e = *why;
    }

    return rc;
}


int
reg_error_status(reg_rc_t rc)
{
    return reg_error_row(rc)->status;
}


const char *
reg_error_code(reg_rc_t rc)
{
    return reg_error_row(rc)->code;
}


const char *
reg_error_text(reg_rc_t rc)
{
    return reg_error_row(rc)->text;
}


const char *
reg_error_status_code(int status)
{
    return reg_error_status_row(status)->code;
}


const char *
reg_error_status_text(int status)
{
    return reg_error_status_row(status)->text;
}


void
reg_error_json(reg_buf_t *b, const char *code, reg_str_t message,
    reg_str_t detail)
{
    reg_error_print(b, code, message, reg_null_str, detail);
}


void
reg_error_reply(reg_buf_t *b, const reg_error_t *e, reg_str_t sentence)
{
    size_t                  i;
    char                    shown[REG_ERROR_DETAIL];
    reg_str_t               detail, told;
    const reg_error_row_t  *row;

    row = reg_error_row(e->rc);
    detail = reg_str_of(e->detail);
    told = reg_null_str;

    if (e->rc > REG_OK && e->rc < REG_ERROR_N && reg_error_told[e->rc]) {

        for (i = 0; i < detail.len; i++) {
            shown[i] = (detail.data[i] >= 0x20 && detail.data[i] < 0x7f)
                       ? detail.data[i] : '?';
        }

        told.data = shown;
        told.len = detail.len;
    }

    reg_error_print(b, row->code,
                    sentence.len ? sentence : reg_str_of(row->text), told,
                    detail);
}


static void
reg_error_print(reg_buf_t *b, const char *code, reg_str_t message,
    reg_str_t told, reg_str_t detail)
{
    reg_buf_str(b, reg_str("{\"errors\":[{\"code\":\""));
    reg_buf_json(b, reg_str_of(code));
    reg_buf_str(b, reg_str("\",\"message\":\""));
    reg_buf_json(b, message);

    if (told.len != 0) {
        reg_buf_str(b, reg_str(": "));
        reg_buf_json(b, told);
    }

    if (detail.len != 0) {
        reg_buf_str(b, reg_str("\",\"detail\":\""));
        reg_buf_json(b, detail);
    }

    reg_buf_str(b, reg_str("\"}]}\n"));
}
