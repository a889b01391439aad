
#include "reg_cli_text.h"

#include <inttypes.h>
#include <string.h>


static uint32_t reg_cli_code(const unsigned char *p, size_t len);
static int reg_cli_steers(uint32_t code);


static uint32_t
reg_cli_code(const unsigned char *p, size_t len)
{
    switch (len) {

    case 1:
        return p[0];

    case 2:
        return (uint32_t) (p[0] & 0x1f) << 6 | (p[1] & 0x3f);

    case 3:
        return (uint32_t) (p[0] & 0x0f) << 12 | (uint32_t) (p[1] & 0x3f) << 6
               | (p[2] & 0x3f);

    default:
        return 0x10000;
    }
}


/* Controls, and what changes the order in which text is shown. */

static int
reg_cli_steers(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0)
           || (code >= 0x200e && code <= 0x200f)
           || (code >= 0x2028 && code <= 0x202e)
           || (code >= 0x2066 && code <= 0x2069);
}


void
reg_cli_plain(reg_buf_t *b, reg_str_t s)
{
    size_t                n;
    const unsigned char  *p, *end;

    if (s.len == 0) {
        return;
    }

    p = (const unsigned char *) s.data;
    end = p + s.len;

    while (p < end) {
        n = reg_str_utf8(p, (size_t) (end - p));

        if (n == 0 || reg_cli_steers(reg_cli_code(p, n))) {
            reg_buf_add(b, "?", 1);
            p += (n == 0) ? 1 : n;
            continue;
        }

        reg_buf_add(b, p, n);
        p += n;
    }
}


/* What is replaced never gets longer, so that no memory is needed. */

void
reg_cli_plain_text(char *text)
{
    char           *to;
    size_t          n, left;
    unsigned char  *p;

    to = text;
    p = (unsigned char *) text;

    for (left = strlen(text); left > 0; left -= n, p += n) {
        n = reg_str_utf8(p, left);

        if (n != 0 && (*p == '\n' || !reg_cli_steers(reg_cli_code(p, n)))) {
            memmove(to, p, n);
            to += n;

        } else {
            *to++ = '?';
            n = (n == 0) ? 1 : n;
        }
    }

    *to = '\0';
}


void
reg_cli_member(reg_buf_t *b, const char *key, reg_str_t text)
{
    reg_buf_printf(b, "\"%s\":", key);
    reg_cli_quoted(b, text);
}


void
reg_cli_safe(reg_buf_t *b, reg_str_t json)
{
    size_t                n;
    uint32_t              code;
    const unsigned char  *p, *end;

    p = (const unsigned char *) json.data;
    end = p + json.len;

    while (p < end) {
        n = reg_str_utf8(p, (size_t) (end - p));
        code = (n == 0) ? '?' : reg_cli_code(p, n);

        if (n == 0) {
            reg_buf_str(b, reg_str("?"));

        } else if (reg_cli_steers(code)) {
            reg_buf_printf(b, "\\u%04x", (unsigned) code);

        } else {
            reg_buf_add(b, p, n);
        }

        p += (n == 0) ? 1 : n;
    }
}


void
reg_cli_quoted(reg_buf_t *b, reg_str_t text)
{
    size_t                n;
    uint32_t              code;
    reg_str_t             piece;
    const unsigned char  *p, *end;

    if (text.data == NULL) {
        reg_buf_str(b, reg_str("null"));
        return;
    }

    reg_buf_str(b, reg_str("\""));

    p = (const unsigned char *) text.data;
    end = p + text.len;

    while (p < end) {
        n = reg_str_utf8(p, (size_t) (end - p));
        code = (n == 0) ? 0 : reg_cli_code(p, n);

        if (code >= 0x7f && reg_cli_steers(code)) {
            reg_buf_printf(b, "\\u%04x", (unsigned) code);

        } else {
            piece.data = (const char *) p;
            piece.len = (n == 0) ? 1 : n;
            reg_buf_json(b, piece);
        }

        p += (n == 0) ? 1 : n;
    }

    reg_buf_str(b, reg_str("\""));
}


void
reg_cli_bytes(reg_buf_t *b, uint64_t n, int brief)
{
    unsigned     i;
    uint64_t     tenths;

    static const char  units[] = "KMGTPE";

    if (!brief || n < 1024) {
        reg_buf_printf(b, "%" PRIu64, n);
        return;
    }

    for (i = 0; n >= 1024 * 1024 && i < sizeof(units) - 2; i++) {
        n /= 1024;
    }

    tenths = n * 10 / 1024;

    if (tenths < 100) {
        reg_buf_printf(b, "%u.%u%c", (unsigned) (tenths / 10),
                       (unsigned) (tenths % 10), units[i]);

    } else {
        reg_buf_printf(b, "%u%c", (unsigned) (tenths / 10), units[i]);
    }
}
