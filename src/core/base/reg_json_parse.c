
#include "reg_json.h"
#include "reg_json_parse.h"
#include "reg_json_scan.h"
#include "reg_json_string.h"

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
static int reg_json_text(reg_json_parser_t *p, reg_str_t *s);
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

        if (reg_json_text(p, &s) != 0) {
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

    if (reg_json_text(p, &key) != 0) {
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
reg_json_text(reg_json_parser_t *p, reg_str_t *s)
{
    ssize_t  len;

    len = reg_json_string(&p->pos, p->end, p->free, p->merged != NULL,
                          &p->why);

    if (len == -1) {
        return -1;
    }

    s->data = p->free;
    s->len = (size_t) len;

    p->free += len + 1;

    return 0;
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
