
#include "reg_json_string.h"

#include <stdint.h>
#include <string.h>


typedef struct {
    const char  *pos;
    const char  *end;
    const char  *why;
    int          stored;
} reg_json_reader_t;


static ssize_t reg_json_decode(reg_json_reader_t *r, char *dst);
static size_t reg_json_escape(reg_json_reader_t *r, char *dst);
static size_t reg_json_pair(reg_json_reader_t *r, uint32_t high, char *dst);
static size_t reg_json_odd(reg_json_reader_t *r, char *dst, const char *why);
static int reg_json_unit(reg_json_reader_t *r, uint32_t *unit);
static size_t reg_json_utf8(char *dst, uint32_t c);


ssize_t
reg_json_string(const char **pos, const char *end, char *dst, int stored,
    const char **why)
{
    ssize_t            len;
    reg_json_reader_t  r;

    r.pos = *pos;
    r.end = end;
    r.why = NULL;
    r.stored = stored;

    len = reg_json_decode(&r, dst);

    *pos = r.pos;

    if (len == -1) {
        *why = r.why;
    }

    return len;
}


static ssize_t
reg_json_decode(reg_json_reader_t *r, char *dst)
{
    char    *p;
    size_t   n;

    p = dst;
    r->pos++;

    for ( ;; ) {

        if (r->pos == r->end) {
            r->why = "a string without an end";
            return -1;
        }

        if (*r->pos == '"') {
            break;
        }

        if (*r->pos == '\\') {
            n = reg_json_escape(r, p);

            if (n == 0) {
                return -1;
            }

            p += n;
            continue;
        }

        if ((unsigned char) *r->pos < 0x20) {
            r->why = "a control byte in a string";
            return -1;
        }

        n = reg_str_utf8((const unsigned char *) r->pos,
                         (size_t) (r->end - r->pos));

        if (n == 0) {
            n = reg_json_odd(r, p, "a byte that is no UTF-8");

            if (n == 0) {
                return -1;
            }

            p += n;
            r->pos++;
            continue;
        }

        memcpy(p, r->pos, n);
        p += n;
        r->pos += n;
    }

    r->pos++;
    *p = '\0';

    return p - dst;
}


/* Decodes one escape; the number of bytes written to dst, 0 after an error. */

static size_t
reg_json_escape(reg_json_reader_t *r, char *dst)
{
    uint32_t     c;
    const char  *short_form;

    static const char  from[] = "\"\\/bfnrt";
    static const char  to[] = "\"\\/\b\f\n\r\t";

    if (r->end - r->pos < 2) {
        r->why = "a string without an end";
        return 0;
    }

    if (r->pos[1] != 'u') {
        short_form = memchr(from, r->pos[1], sizeof(from) - 1);

        if (short_form == NULL) {
            r->why = "no escape";
            return 0;
        }

        *dst = to[short_form - from];
        r->pos += 2;

        return 1;
    }

    if (reg_json_unit(r, &c) != 0) {
        return 0;
    }

    if (c >= 0xd800 && c <= 0xdbff) {
        return reg_json_pair(r, c, dst);
    }

    if (c >= 0xdc00 && c <= 0xdfff) {
        return reg_json_odd(r, dst, "half of a surrogate pair");
    }

    if (c == 0) {
        return reg_json_odd(r, dst, "a NUL in a string");
    }

    return reg_json_utf8(dst, c);
}


/*
 * The low half behind a high one.  Where half a pair is let pass, what stands
 * in the place of the other half stands for itself.
 */

static size_t
reg_json_pair(reg_json_reader_t *r, uint32_t high, char *dst)
{
    uint32_t     low;
    const char  *behind;

    behind = r->pos;

    if (r->end - behind < 2 || behind[0] != '\\' || behind[1] != 'u') {
        return reg_json_odd(r, dst, "half of a surrogate pair");
    }

    if (reg_json_unit(r, &low) != 0) {
        return 0;
    }

    if (low < 0xdc00 || low > 0xdfff) {
        r->pos = behind;
        return reg_json_odd(r, dst, "half of a surrogate pair");
    }

    return reg_json_utf8(dst, 0x10000 + ((high - 0xd800) << 10)
                              + (low - 0xdc00));
}


/* What cannot be in a string here, where it is let pass. */

static size_t
reg_json_odd(reg_json_reader_t *r, char *dst, const char *why)
{
    if (!r->stored) {
        r->why = why;
        return 0;
    }

    *dst = '?';

    return 1;
}


/* "\uXXXX" */

static int
reg_json_unit(reg_json_reader_t *r, uint32_t *unit)
{
    char       c;
    size_t     i;
    uint32_t   n, digit;

    if (r->end - r->pos < 6) {
        r->why = "no escape of four digits";
        return -1;
    }

    n = 0;

    for (i = 2; i < 6; i++) {
        c = r->pos[i];

        if (c >= '0' && c <= '9') {
            digit = (uint32_t) (c - '0');

        } else if (c >= 'a' && c <= 'f') {
            digit = (uint32_t) (c - 'a') + 10;

        } else if (c >= 'A' && c <= 'F') {
            digit = (uint32_t) (c - 'A') + 10;

        } else {
            r->why = "no escape of four digits";
            return -1;
        }

        n = n * 16 + digit;
    }

    r->pos += 6;
    *unit = n;

    return 0;
}


static size_t
reg_json_utf8(char *dst, uint32_t c)
{
    if (c < 0x80) {
        dst[0] = (char) c;
        return 1;
    }

    if (c < 0x800) {
        dst[0] = (char) (0xc0 | (c >> 6));
        dst[1] = (char) (0x80 | (c & 0x3f));
        return 2;
    }

    if (c < 0x10000) {
        dst[0] = (char) (0xe0 | (c >> 12));
        dst[1] = (char) (0x80 | ((c >> 6) & 0x3f));
        dst[2] = (char) (0x80 | (c & 0x3f));
        return 3;
    }

    dst[0] = (char) (0xf0 | (c >> 18));
    dst[1] = (char) (0x80 | ((c >> 12) & 0x3f));
    dst[2] = (char) (0x80 | ((c >> 6) & 0x3f));
    dst[3] = (char) (0x80 | (c & 0x3f));

    return 4;
}
