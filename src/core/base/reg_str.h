
/*
 * Text slices and the one growable buffer of the core.
 *
 * A reg_str_t borrows: it names bytes that somebody else owns and is valid as
 * long as they are.  It is not terminated by NUL and may hold any byte unless
 * a function says otherwise.
 *
 * A reg_buf_t owns malloc()ed bytes.  It never grows past the ceiling given
 * to reg_buf_init(), and it remembers its first failure: a series of appends
 * is checked once, at the end, by reg_buf_failed().
 */


#ifndef REG_STR_H_INCLUDED
#define REG_STR_H_INCLUDED


#include <stddef.h>
#include <stdint.h>
#include <string.h>


typedef struct {
    size_t       len;
    const char  *data;
} reg_str_t;


#define reg_str(literal)     ((reg_str_t) { sizeof(literal) - 1, literal })
#define reg_null_str         ((reg_str_t) { 0, NULL })

/* a byte in each of eight, for who looks at eight at once */
#define REG_STR_EACH(c)      (UINT64_C(0x0101010101010101) * (c))

/* room for any number in decimal */
#define REG_STR_DIGITS       24


typedef enum {
    REG_BUF_OK = 0,
    REG_BUF_FULL,             /* an append would have passed the ceiling */
    REG_BUF_NOMEM
} reg_buf_state_e;


typedef struct {
    char             *data;   /* NULL as long as nothing was appended */
    size_t            len;
    size_t            size;   /* bytes allocated */
    size_t            max;    /* ceiling of len */
    reg_buf_state_e   state;
} reg_buf_t;


/* Names a NUL-terminated string; NULL gives the empty slice. */
reg_str_t reg_str_of(const char *s);

/* 1 when both hold the same bytes. */
int reg_str_eq(reg_str_t a, reg_str_t b);

/* Order of unsigned bytes, the shorter first: <0, 0, >0. */
int reg_str_cmp(reg_str_t a, reg_str_t b);

/* 1 when s begins (ends) with the given bytes. */
int reg_str_starts(reg_str_t s, reg_str_t prefix);
int reg_str_ends(reg_str_t s, reg_str_t suffix);

/*
 * 1 when the whole of s is what the glob says: bytes that stand for themselves
 * and "*", any run of bytes, also none.
 */
int reg_str_fits(reg_str_t s, reg_str_t glob);

/*
 * Parses an unsigned decimal number: digits alone, no sign, no blank.
 * Returns 0 and stores it, -1 when s is empty or holds anything else, 1 when
 * it is a number above max (then *value is max).
 */
int reg_str_number(reg_str_t s, uint64_t max, uint64_t *value);

/*
 * The number in decimal, with zeros before it up to so many digits, of which
 * there may be REG_STR_DIGITS.  The slice ends where out does.
 */
reg_str_t reg_str_digits(uint64_t value, size_t least,
    char out[REG_STR_DIGITS]);

/*
 * Decodes %XX (and '+' as a blank when plus is set) of src into dst, which
 * must have room for src.len bytes and may be src.data itself.  A percent sign
 * that no two hex digits follow is an error: returns -1.  Otherwise 0, and
 * *out names the decoded bytes in dst.
 */
int reg_str_unescape(reg_str_t src, int plus, char *dst, reg_str_t *out);

/*
 * The length of the well-formed UTF-8 character at p, of which len > 0 bytes
 * may be looked at (Unicode, table 3-7: neither overlong forms, nor
 * surrogates, nor anything above U+10FFFF), or 0 when there is none.
 */
size_t reg_str_utf8(const unsigned char *p, size_t len);


/* Nothing is allocated before the first append. */
void reg_buf_init(reg_buf_t *b, size_t max);
void reg_buf_free(reg_buf_t *b);

/* Forgets the content and a failure, keeps the memory. */
void reg_buf_reset(reg_buf_t *b);

/* 1 when any append since the start failed. */
int reg_buf_failed(const reg_buf_t *b);

static inline void reg_buf_add(reg_buf_t *b, const void *data, size_t len);
static inline void reg_buf_str(reg_buf_t *b, reg_str_t s);
void reg_buf_printf(reg_buf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Appends s as the inside of a JSON string: quotes, backslashes and control
 * bytes are escaped, bytes that are no UTF-8 become U+FFFD (RFC 8259, 7 and
 * 8.1).  The surrounding quotes are the caller's.
 */
void reg_buf_json(reg_buf_t *b, reg_str_t s);

/*
 * Appends s as the value of a query parameter: everything but the unreserved
 * bytes of RFC 3986, 2.3 becomes %XX.
 */
void reg_buf_uri(reg_buf_t *b, reg_str_t s);

/* Makes room for len more bytes at once; 0, or -1 as a failed append. */
int reg_buf_reserve(reg_buf_t *b, size_t len);

/* What the buffer holds now; borrowed until the next append. */
reg_str_t reg_buf_slice(const reg_buf_t *b);


/* Mostly there is room, and mostly the compiler knows the length. */

static inline void
reg_buf_add(reg_buf_t *b, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }

    if ((b->state != REG_BUF_OK || len >= b->size - b->len)
        && reg_buf_reserve(b, len) != 0)
    {
        return;
    }

    memcpy(b->data + b->len, data, len);
    b->len += len;
}


static inline void
reg_buf_str(reg_buf_t *b, reg_str_t s)
{
    reg_buf_add(b, s.data, s.len);
}


#endif /* REG_STR_H_INCLUDED */
