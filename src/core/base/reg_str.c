
#include "reg_str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* the first allocation; most replies fit */
#define REG_BUF_START  512


static int reg_str_hex(char c);
static int reg_str_plain(const unsigned char *p);
static size_t reg_buf_json_plain(reg_buf_t *b, const unsigned char *p,
    size_t len);


reg_str_t
reg_str_of(const char *s)
{
    reg_str_t  str;

    if (s == NULL) {
        return reg_null_str;
    }

    str.data = s;
    str.len = strlen(s);

    return str;
}


int
reg_str_eq(reg_str_t a, reg_str_t b)
{
    if (a.len != b.len) {
        return 0;
    }

    return a.len == 0 || memcmp(a.data, b.data, a.len) == 0;
}


int
reg_str_cmp(reg_str_t a, reg_str_t b)
{
    int     rc;
    size_t  len;

    len = (a.len < b.len) ? a.len : b.len;

    if (len != 0) {
        rc = memcmp(a.data, b.data, len);

        if (rc != 0) {
            return rc;
        }
    }

    return (a.len > b.len) - (a.len < b.len);
}


int
reg_str_starts(reg_str_t s, reg_str_t prefix)
{
    if (s.len < prefix.len) {
        return 0;
    }

    return prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0;
}


int
reg_str_ends(reg_str_t s, reg_str_t suffix)
{
    if (s.len < suffix.len) {
        return 0;
    }

    return suffix.len == 0
           || memcmp(s.data + s.len - suffix.len, suffix.data, suffix.len)
              == 0;
}


/* A star that does not fit takes one byte more; an earlier one need not. */

int
reg_str_fits(reg_str_t s, reg_str_t glob)
{
    size_t  g, i, star, from;

    g = 0;
    i = 0;
    star = glob.len;
    from = 0;

    while (i < s.len) {

        if (g < glob.len && glob.data[g] == '*') {
            star = g++;
            from = i;

        } else if (g < glob.len && glob.data[g] == s.data[i]) {
            g++;
            i++;

        } else if (star < glob.len) {
            g = star + 1;
            i = ++from;

        } else {
            return 0;
        }
    }

    while (g < glob.len && glob.data[g] == '*') {
        g++;
    }

    return g == glob.len;
}


int
reg_str_number(reg_str_t s, uint64_t max, uint64_t *value)
{
    int       above;
    size_t    i;
    uint64_t  n, digit;

    if (s.len == 0) {
        return -1;
    }

    n = 0;
    above = 0;

    /* goes on to the end even when above, since junk may still follow */

    for (i = 0; i < s.len; i++) {

        if (s.data[i] < '0' || s.data[i] > '9') {
            return -1;
        }

        digit = (uint64_t) (s.data[i] - '0');

        if (above || n > max / 10 || n * 10 > max - digit || digit > max) {
            above = 1;
            continue;
        }

        n = n * 10 + digit;
    }

    *value = above ? max : n;

    return above;
}


reg_str_t
reg_str_digits(uint64_t value, size_t least, char out[REG_STR_DIGITS])
{
    char       *p, *end;
    reg_str_t   s;

    end = out + REG_STR_DIGITS;
    p = end;

    do {
        *--p = (char) ('0' + value % 10);
        value /= 10;
    } while (value != 0 || (size_t) (end - p) < least);

    s.data = p;
    s.len = (size_t) (end - p);

    return s;
}


static int
reg_str_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }

    return -1;
}


int
reg_str_unescape(reg_str_t src, int plus, char *dst, reg_str_t *out)
{
    int     hi, lo;
    char    c, *d;
    size_t  i;

    d = dst;

    for (i = 0; i < src.len; i++) {
        c = src.data[i];

        if (c == '%') {
            if (src.len - i < 3) {
                return -1;
            }

            hi = reg_str_hex(src.data[i + 1]);
            lo = reg_str_hex(src.data[i + 2]);

            if (hi < 0 || lo < 0) {
                return -1;
            }

            c = (char) (hi * 16 + lo);
            i += 2;

        } else if (c == '+' && plus) {
            c = ' ';
        }

        *d++ = c;
    }

    out->data = dst;
    out->len = (size_t) (d - dst);

    return 0;
}


void
reg_buf_init(reg_buf_t *b, size_t max)
{
    b->data = NULL;
    b->len = 0;
    b->size = 0;
    b->max = max;
    b->state = REG_BUF_OK;
}


void
reg_buf_free(reg_buf_t *b)
{
    free(b->data);
    reg_buf_init(b, b->max);
}


void
reg_buf_reset(reg_buf_t *b)
{
    b->len = 0;
    b->state = REG_BUF_OK;
}


int
reg_buf_failed(const reg_buf_t *b)
{
    return b->state != REG_BUF_OK;
}


int
reg_buf_reserve(reg_buf_t *b, size_t len)
{
    char    *data;
    size_t   need, size;

    if (b->state != REG_BUF_OK) {
        return -1;
    }

    if (len > b->max - b->len) {
        b->state = REG_BUF_FULL;
        return -1;
    }

    /* a spare byte for the NUL of vsnprintf() */

    need = b->len + len;

    if (need < b->size) {
        return 0;
    }

    if (need >= SIZE_MAX / 2) {
        b->state = REG_BUF_NOMEM;
        return -1;
    }

    size = (b->size == 0) ? REG_BUF_START : b->size;

    while (size <= need) {
        size *= 2;
    }

    if (size - 1 > b->max) {
        size = b->max + 1;
    }

    data = realloc(b->data, size);

    if (data == NULL) {
        b->state = REG_BUF_NOMEM;
        return -1;
    }

    b->data = data;
    b->size = size;

    return 0;
}


void
reg_buf_printf(reg_buf_t *b, const char *fmt, ...)
{
    int      n;
    size_t   room;
    va_list  args;

    if (b->state != REG_BUF_OK) {
        return;
    }

    room = b->size - b->len;

    va_start(args, fmt);
    n = vsnprintf((room == 0) ? NULL : b->data + b->len, room, fmt, args);
    va_end(args);

    if (n < 0) {
        b->state = REG_BUF_NOMEM;
        return;
    }

    if (reg_buf_reserve(b, (size_t) n) != 0) {
        return;
    }

    if ((size_t) n >= room) {
        va_start(args, fmt);
        n = vsnprintf(b->data + b->len, (size_t) n + 1, fmt, args);
        va_end(args);
    }

    b->len += (size_t) n;
}


size_t
reg_str_utf8(const unsigned char *p, size_t len)
{
    size_t         n, i;
    unsigned char  low, high;

    low = 0x80;
    high = 0xbf;

    if (p[0] < 0x80) {
        return 1;

    } else if (p[0] < 0xc2) {
        return 0;

    } else if (p[0] < 0xe0) {
        n = 2;

    } else if (p[0] < 0xf0) {
        n = 3;
        low = (p[0] == 0xe0) ? 0xa0 : 0x80;
        high = (p[0] == 0xed) ? 0x9f : 0xbf;

    } else if (p[0] < 0xf5) {
        n = 4;
        low = (p[0] == 0xf0) ? 0x90 : 0x80;
        high = (p[0] == 0xf4) ? 0x8f : 0xbf;

    } else {
        return 0;
    }

    if (len < n || p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }

    return n;
}


void
reg_buf_json(reg_buf_t *b, reg_str_t s)
{
    char                  esc[7];
    size_t                n;
    const unsigned char  *p, *end, *run;

    if (s.len == 0 || reg_buf_reserve(b, s.len) != 0) {
        return;
    }

    p = (const unsigned char *) s.data;
    end = p + s.len;

    p += reg_buf_json_plain(b, p, s.len);
    run = p;

    for ( ;; ) {

        while (end - p >= 8 && reg_str_plain(p)) {
            p += 8;
        }

        while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
        {
            p++;
        }

        if (p == end) {
            break;
        }

        n = reg_str_utf8(p, (size_t) (end - p));

        if (n != 0 && *p >= 0x20 && *p != '"' && *p != '\\') {
            p += n;
            continue;
        }

        reg_buf_add(b, run, (size_t) (p - run));

        if (n == 0) {
            reg_buf_str(b, reg_str("\xef\xbf\xbd"));

        } else if (*p == '"' || *p == '\\') {
            esc[0] = '\\';
            esc[1] = (char) *p;
            reg_buf_add(b, esc, 2);

        } else {
            (void) snprintf(esc, sizeof(esc), "\\u%04x", (unsigned) *p);
            reg_buf_add(b, esc, 6);
        }

        p++;
        run = p;
    }

    reg_buf_add(b, run, (size_t) (p - run));
}


/*
 * Appends what stands in a JSON string as it is, up to the first eight bytes
 * with one that does not, and returns how much that was.  Mostly it is all, so
 * that it is copied while it is looked at.  There is room for len bytes.
 */

static size_t
reg_buf_json_plain(reg_buf_t *b, const unsigned char *p, size_t len)
{
    char    *d;
    size_t   n;

    d = b->data + b->len;
    n = 0;

    if (len < 8) {
        while (n < len && p[n] >= 0x20 && p[n] < 0x80 && p[n] != '"'
               && p[n] != '\\')
        {
            d[n] = (char) p[n];
            n++;
        }

    } else {
        while (len - n >= 8 && reg_str_plain(p + n)) {
            memcpy(d + n, p + n, 8);
            n += 8;
        }

        /* the last eight, of which some were copied before */

        if (len - n < 8 && reg_str_plain(p + len - 8)) {
            memcpy(d + len - 8, p + len - 8, 8);
            n = len;
        }
    }

    b->len += n;

    return n;
}


/*
 * 1 when eight bytes stand in a JSON string as they are, at once: those that do
 * not, or one of them at least, end up with their highest bit set.
 */

static int
reg_str_plain(const unsigned char *p)
{
    uint64_t  c;

    memcpy(&c, p, sizeof(c));

    return ((c | (c - REG_STR_EACH(0x20))
             | ((c ^ REG_STR_EACH('"')) - REG_STR_EACH(1))
             | ((c ^ REG_STR_EACH('\\')) - REG_STR_EACH(1)))
            & REG_STR_EACH(0x80)) == 0;
}


void
reg_buf_uri(reg_buf_t *b, reg_str_t s)
{
    char           esc[3];
    size_t         i;
    unsigned char  c;

    static const char  hex[] = "0123456789ABCDEF";

    for (i = 0; i < s.len; i++) {
        c = (unsigned char) s.data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9')
            || c == '-' || c == '.' || c == '_' || c == '~')
        {
            reg_buf_add(b, &c, 1);
            continue;
        }

        esc[0] = '%';
        esc[1] = hex[c >> 4];
        esc[2] = hex[c & 0xf];

        reg_buf_add(b, esc, 3);
    }
}


reg_str_t
reg_buf_slice(const reg_buf_t *b)
{
    reg_str_t  s;

    s.data = b->data;
    s.len = b->len;

    return s;
}
