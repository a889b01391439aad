
#include "reg_json.h"
#include "reg_json_parse.h"
#include "reg_json_scan.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>


/* digits, sign and exponent of a number; 64 bits and a double need fewer */
#define REG_JSON_NUMBER_MAX  127


typedef struct {
    const char  *pos;
    const char  *end;
    char        *scratch;
    char        *free;        /* the part of scratch that is not in use */
    size_t       depth;
    int         *merged;      /* NULL: nothing may be wrong */
    const char  *why;         /* what is wrong; NULL: only memory can be */
} reg_json_parser_t;


static json_t *reg_json_document(reg_json_parser_t *p);
static json_t *reg_json_fail(reg_json_parser_t *p, const char *why);
static int reg_json_peek(reg_json_parser_t *p);
static json_t *reg_json_value(reg_json_parser_t *p);
static json_t *reg_json_word(reg_json_parser_t *p, reg_str_t word,
    json_t *value);
static json_t *reg_json_object(reg_json_parser_t *p);
static int reg_json_member(reg_json_parser_t *p, json_t *object);
static int reg_json_scalar(const json_t *value);
static json_t *reg_json_array(reg_json_parser_t *p);
static json_t *reg_json_skip(reg_json_parser_t *p);
static int reg_json_string(reg_json_parser_t *p, reg_str_t *s);
static size_t reg_json_escape(reg_json_parser_t *p, char *dst);
static size_t reg_json_odd(reg_json_parser_t *p, char *dst, const char *why);
static int reg_json_unit(reg_json_parser_t *p, uint32_t *unit);
static size_t reg_json_utf8(char *dst, uint32_t c);
static json_t *reg_json_number(reg_json_parser_t *p);
static size_t reg_json_digits(reg_json_parser_t *p);


json_t *
reg_json_parse(const char *data, size_t len, int *merged, const char **why,
    size_t *at)
{
    json_t             *root;
    reg_json_parser_t   p;

    *at = 0;

    if (len == 0) {
        *why = "the document is empty";
        return NULL;
    }

    /*
     * The decoded strings of one path through the tree, each with a NUL, never
     * need more room than they take in the text with their quotes.
     */

    p.scratch = malloc(len);

    if (p.scratch == NULL) {
        *why = NULL;
        return NULL;
    }

    p.pos = data;
    p.end = data + len;
    p.free = p.scratch;
    p.depth = 0;
    p.merged = merged;
    p.why = NULL;

    root = reg_json_document(&p);

    free(p.scratch);

    *why = p.why;
    *at = (size_t) (p.pos - data);

    return root;
}


static json_t *
reg_json_document(reg_json_parser_t *p)
{
    int      c;
    json_t  *root;

    c = reg_json_peek(p);

    if (c == '{') {
        root = reg_json_object(p);

    } else if (c == '[') {
        root = reg_json_array(p);

    } else {
        return reg_json_fail(p, "neither an object nor an array");
    }

    if (root != NULL && reg_json_peek(p) != -1) {
        json_decref(root);
        return reg_json_fail(p, "more behind the document");
    }

    return root;
}


static json_t *
reg_json_fail(reg_json_parser_t *p, const char *why)
{
    p->why = why;

    return NULL;
}


/* The next byte that is no blank, which is left where it is; -1 at the end. */

static int
reg_json_peek(reg_json_parser_t *p)
{
    while (p->pos < p->end) {

        switch (*p->pos) {

        case ' ':
        case '\t':
        case '\n':
        case '\r':
            p->pos++;
            continue;

        default:
            return (unsigned char) *p->pos;
        }
    }

    return -1;
}


/*
 * Recursion is no deeper than reg_json_bounded() let pass, or than what is
 * built.
 */

static json_t *
reg_json_value(reg_json_parser_t *p)
{
    int         c;
    char       *mark;
    json_t     *value;
    reg_str_t   s;

    c = reg_json_peek(p);

    switch (c) {

    case '{':
    case '[':
        if (p->merged != NULL && p->depth + 1 >= REG_JSON_DEPTH_MAX) {
            return reg_json_skip(p);
        }

        p->depth++;
        value = (c == '{') ? reg_json_object(p) : reg_json_array(p);
        p->depth--;

        return value;

    case '"':
        mark = p->free;

        if (reg_json_string(p, &s) != 0) {
            return NULL;
        }

        value = json_stringn_nocheck(s.data, s.len);
        p->free = mark;

        return value;

    case 't':
        return reg_json_word(p, reg_str("true"), json_true());

    case 'f':
        return reg_json_word(p, reg_str("false"), json_false());

    case 'n':
        return reg_json_word(p, reg_str("null"), json_null());

    default:
        return reg_json_number(p);
    }
}


/* The three words are jansson's constants: nothing to count or to free. */

static json_t *
reg_json_word(reg_json_parser_t *p, reg_str_t word, json_t *value)
{
    reg_str_t  rest;

    rest.data = p->pos;
    rest.len = (size_t) (p->end - p->pos);

    if (!reg_str_starts(rest, word)) {
        return reg_json_fail(p, "no value");
    }

    p->pos += word.len;

    return value;
}


static json_t *
reg_json_object(reg_json_parser_t *p)
{
    int      c;
    json_t  *object;

    object = json_object();

    if (object == NULL) {
        return NULL;
    }

    p->pos++;

    if (reg_json_peek(p) == '}') {
        p->pos++;
        return object;
    }

    for ( ;; ) {

        if (reg_json_member(p, object) != 0) {
            break;
        }

        c = reg_json_peek(p);

        if (c == '}') {
            p->pos++;
            return object;
        }

        if (c != ',') {
            (void) reg_json_fail(p, "neither \",\" nor \"}\" in an object");
            break;
        }

        p->pos++;
    }

    json_decref(object);

    return NULL;
}


static int
reg_json_member(reg_json_parser_t *p, json_t *object)
{
    int         rc;
    char       *mark;
    json_t     *value, *first;
    reg_str_t   key;

    mark = p->free;

    if (reg_json_peek(p) != '"') {
        (void) reg_json_fail(p, "no key");
        return -1;
    }

    if (reg_json_string(p, &key) != 0) {
        return -1;
    }

    first = json_object_get(object, key.data);

    if (first != NULL && p->merged == NULL) {
        (void) reg_json_fail(p, "a key stands twice in an object");
        return -1;
    }

    if (reg_json_peek(p) != ':') {
        (void) reg_json_fail(p, "no \":\" behind a key");
        return -1;
    }

    p->pos++;

    value = reg_json_value(p);

    if (value == NULL) {
        return -1;
    }

    if (first != NULL && (!reg_json_scalar(first)
                          || !reg_json_scalar(value)))
    {
        *p->merged = 1;
    }

    rc = json_object_set_new_nocheck(object, key.data, value);

    p->free = mark;

    return rc;
}


static int
reg_json_scalar(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value);
}


static json_t *
reg_json_array(reg_json_parser_t *p)
{
    int      c;
    json_t  *array, *value;

    array = json_array();

    if (array == NULL) {
        return NULL;
    }

    p->pos++;

    if (reg_json_peek(p) == ']') {
        p->pos++;
        return array;
    }

    for ( ;; ) {

        value = reg_json_value(p);

        if (value == NULL || json_array_append_new(array, value) != 0) {
            break;
        }

        c = reg_json_peek(p);

        if (c == ']') {
            p->pos++;
            return array;
        }

        if (c != ',') {
            (void) reg_json_fail(p, "neither \",\" nor \"]\" in an array");
            break;
        }

        p->pos++;
    }

    json_decref(array);

    return NULL;
}


/* What nobody here needs, to its end, without a look at its order. */

static json_t *
reg_json_skip(reg_json_parser_t *p)
{
    const char  *past;

    past = reg_json_scan_past(p->pos, p->end);

    if (past == NULL) {
        return reg_json_fail(p, "a value without an end");
    }

    p->pos = past;

    return json_null();
}


/* Decodes a string into the scratch memory, with a NUL behind it. */

static int
reg_json_string(reg_json_parser_t *p, reg_str_t *s)
{
    char    *dst;
    size_t   n;

    dst = p->free;

    p->pos++;

    for ( ;; ) {

        if (p->pos == p->end) {
            (void) reg_json_fail(p, "a string without an end");
            return -1;
        }

        if (*p->pos == '"') {
            break;
        }

        if (*p->pos == '\\') {
            n = reg_json_escape(p, dst);

            if (n == 0) {
                return -1;
            }

            dst += n;
            continue;
        }

        if ((unsigned char) *p->pos < 0x20) {
            (void) reg_json_fail(p, "a control byte in a string");
            return -1;
        }

        n = reg_str_utf8((const unsigned char *) p->pos,
                         (size_t) (p->end - p->pos));

        if (n == 0) {
            p->pos++;
            n = reg_json_odd(p, dst, "a byte that is no UTF-8");

            if (n == 0) {
                p->pos--;
                return -1;
            }

            dst += n;
            continue;
        }

        memcpy(dst, p->pos, n);
        dst += n;
        p->pos += n;
    }

    p->pos++;

    s->data = p->free;
    s->len = (size_t) (dst - p->free);

    *dst++ = '\0';

    p->free = dst;

    return 0;
}


/* Decodes one escape; the number of bytes written to dst, 0 after an error. */

static size_t
reg_json_escape(reg_json_parser_t *p, char *dst)
{
    uint32_t     c, low;
    const char  *short_form, *behind;

    static const char  from[] = "\"\\/bfnrt";
    static const char  to[] = "\"\\/\b\f\n\r\t";

    if (p->end - p->pos < 2) {
        (void) reg_json_fail(p, "a string without an end");
        return 0;
    }

    if (p->pos[1] != 'u') {
        short_form = memchr(from, p->pos[1], sizeof(from) - 1);

        if (short_form == NULL) {
            (void) reg_json_fail(p, "no escape");
            return 0;
        }

        *dst = to[short_form - from];
        p->pos += 2;

        return 1;
    }

    if (reg_json_unit(p, &c) != 0) {
        return 0;
    }

    if (c >= 0xd800 && c <= 0xdbff) {

        if (p->pos == p->end || *p->pos != '\\') {
            return reg_json_odd(p, dst, "half of a surrogate pair");
        }

        behind = p->pos;

        if (behind + 1 < p->end && behind[1] != 'u' && p->merged != NULL) {
            return reg_json_odd(p, dst, "half of a surrogate pair");
        }

        if (reg_json_unit(p, &low) != 0) {
            return 0;
        }

        if (low < 0xdc00 || low > 0xdfff) {

            /* where it is let pass, the second one stands for itself */

            if (p->merged != NULL) {
                p->pos = behind;
            }

            return reg_json_odd(p, dst, "half of a surrogate pair");
        }

        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);

    } else if (c >= 0xdc00 && c <= 0xdfff) {
        return reg_json_odd(p, dst, "half of a surrogate pair");
    }

    if (c == 0) {
        return reg_json_odd(p, dst, "a NUL in a string");
    }

    return reg_json_utf8(dst, c);
}


/* What cannot be in a string here, and is read already. */

static size_t
reg_json_odd(reg_json_parser_t *p, char *dst, const char *why)
{
    if (p->merged == NULL) {
        (void) reg_json_fail(p, why);
        return 0;
    }

    *dst = '?';

    return 1;
}


/* "\uXXXX" */

static int
reg_json_unit(reg_json_parser_t *p, uint32_t *unit)
{
    char       c;
    size_t     i;
    uint32_t   n, digit;

    if (p->end - p->pos < 6 || p->pos[0] != '\\' || p->pos[1] != 'u') {
        (void) reg_json_fail(p, "no escape of four digits");
        return -1;
    }

    n = 0;

    for (i = 2; i < 6; i++) {
        c = p->pos[i];

        if (c >= '0' && c <= '9') {
            digit = (uint32_t) (c - '0');

        } else if (c >= 'a' && c <= 'f') {
            digit = (uint32_t) (c - 'a') + 10;

        } else if (c >= 'A' && c <= 'F') {
            digit = (uint32_t) (c - 'A') + 10;

        } else {
            (void) reg_json_fail(p, "no escape of four digits");
            return -1;
        }

        n = n * 16 + digit;
    }

    p->pos += 6;
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


/*
 * -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?  Without fraction and exponent
 * it is an integer, and has to fit one.
 */

static json_t *
reg_json_number(reg_json_parser_t *p)
{
    int          real;
    char         text[REG_JSON_NUMBER_MAX + 1];
    size_t       len;
    double       value;
    const char  *start;
    long long    integer;

    start = p->pos;
    real = 0;

    if (p->pos < p->end && *p->pos == '-') {
        p->pos++;
    }

    if (p->pos < p->end && *p->pos == '0') {
        p->pos++;

    } else if (reg_json_digits(p) == 0) {
        return reg_json_fail(p, "no value");
    }

    if (p->pos < p->end && *p->pos == '.') {
        p->pos++;
        real = 1;

        if (reg_json_digits(p) == 0) {
            return reg_json_fail(p, "no digit behind a decimal point");
        }
    }

    if (p->pos < p->end && (*p->pos == 'e' || *p->pos == 'E')) {
        p->pos++;
        real = 1;

        if (p->pos < p->end && (*p->pos == '+' || *p->pos == '-')) {
            p->pos++;
        }

        if (reg_json_digits(p) == 0) {
            return reg_json_fail(p, "no digit in an exponent");
        }
    }

    len = (size_t) (p->pos - start);

    if (len > REG_JSON_NUMBER_MAX && p->merged != NULL) {
        return json_null();
    }

    if (len > REG_JSON_NUMBER_MAX) {
        return reg_json_fail(p, "a number too long");
    }

    memcpy(text, start, len);
    text[len] = '\0';

    errno = 0;

    if (real) {
        value = strtod(text, NULL);

        if (value > DBL_MAX || value < -DBL_MAX) {
            return (p->merged != NULL)
                   ? json_null() : reg_json_fail(p, "a number out of range");
        }

        return json_real(value);
    }

    integer = strtoll(text, NULL, 10);

    if (errno == ERANGE) {
        return (p->merged != NULL)
               ? json_null() : reg_json_fail(p, "a number out of range");
    }

    return json_integer(integer);
}


static size_t
reg_json_digits(reg_json_parser_t *p)
{
    const char  *start;

    start = p->pos;

    while (p->pos < p->end && *p->pos >= '0' && *p->pos <= '9') {
        p->pos++;
    }

    return (size_t) (p->pos - start);
}
