
#include "reg_json.h"
#include "reg_test_alloc.h"

#include "reg_json_parse.c"


#define TEN  "1234567890"


static void test_documents(void);
static void test_values(void);
static void test_against_jansson(void);
static void test_stored(void);
static void test_alike(void);
static void test_bounds(void);
static void test_large(void);
static void test_str(void);
static void test_alloc(void);
static char *repeat(const char *unit, size_t n, const char *tail,
    size_t *len);


/* valid as reg_json_load() sees it */

static const struct {
    reg_str_t  text;
    int        valid;
} documents[] = {
    { reg_str("{}"),                                      1 },
    { reg_str("[]"),                                      1 },
    { reg_str(" \t\r\n{ \t\r\n} \t\r\n"),                 1 },
    { reg_str("{\"a\":1}"),                               1 },
    { reg_str("{ \"a\" : 1 , \"b\" : [ 1 , 2 ] }"),       1 },
    { reg_str("[true,false,null]"),                       1 },
    { reg_str("[\"\"]"),                                  1 },
    { reg_str("{\"\":1}"),                                1 },
    { reg_str("[0,-0,1,-1,10]"),                          1 },
    { reg_str("[9223372036854775807]"),                   1 },
    { reg_str("[-9223372036854775808]"),                  1 },
    { reg_str("[1.0,0.5,-2.25,1e3,1E3,1e+3,1e-3,0e0]"),   1 },
    { reg_str("[1.7976931348623157e308]"),                1 },
    { reg_str("[1e-400]"),                                1 },
    { reg_str("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),        1 },
    { reg_str("[\"\\u0001\\u00e9\\u20AC\\ud83D\\uDC0b\"]"), 1 },
    { reg_str("[\"\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8b\"]"), 1 },
    { reg_str("{\"a\":{\"a\":{\"a\":1}}}"),               1 },
    { reg_str("[{\"a\":1},{\"a\":1}]"),                   1 },

    { reg_str(""),                                        0 },
    { reg_str(" "),                                       0 },
    { reg_str("\0"),                                      0 },
    { reg_str("null"),                                    0 },
    { reg_str("\"x\""),                                   0 },
    { reg_str("1"),                                       0 },
    { reg_str("true"),                                    0 },
    { reg_str("\xef\xbb\xbf{}"),                          0 },
    { reg_str("{\0}\0"),                                  0 },
    { reg_str("\xff\xfe{\0}\0"),                          0 },
    { reg_str("{} x"),                                    0 },
    { reg_str("{}{}"),                                    0 },
    { reg_str("{}]"),                                     0 },
    { reg_str("{}\0"),                                    0 },
    { reg_str("[0\0,1]"),                                 0 },
    { reg_str("[0,1\0]"),                                 0 },
    { reg_str("[true\0]"),                                0 },
    { reg_str("{"),                                       0 },
    { reg_str("["),                                       0 },
    { reg_str("}"),                                       0 },
    { reg_str("]"),                                       0 },
    { reg_str("[}"),                                      0 },
    { reg_str("{]"),                                      0 },
    { reg_str("[1"),                                      0 },
    { reg_str("[1,"),                                     0 },
    { reg_str("[1,]"),                                    0 },
    { reg_str("[,1]"),                                    0 },
    { reg_str("[1 2]"),                                   0 },
    { reg_str("[1;2]"),                                   0 },
    { reg_str("{\"a\"}"),                                 0 },
    { reg_str("{\"a\":}"),                                0 },
    { reg_str("{\"a\":1,}"),                              0 },
    { reg_str("{\"a\" 1}"),                               0 },
    { reg_str("{\"a\":1 \"b\":2}"),                       0 },
    { reg_str("{a:1}"),                                   0 },
    { reg_str("{1:1}"),                                   0 },
    { reg_str("{null:1}"),                                0 },
    { reg_str("{'a':1}"),                                 0 },
    { reg_str("{\"a\":1"),                                0 },
    { reg_str("{\"a"),                                    0 },
    { reg_str("{\"a\":1,\"a\":1}"),                       0 },
    { reg_str("{\"a\":1,\"b\":2,\"\\u0061\":3}"),         0 },
    { reg_str("{\"x\":{\"a\":1,\"a\":1}}"),               0 },
    { reg_str("[\"a]"),                                   0 },
    { reg_str("[\"a\\\"]"),                               0 },
    { reg_str("[\"a\nb\"]"),                              0 },
    { reg_str("[\"a\tb\"]"),                              0 },
    { reg_str("[\"a\0b\"]"),                              0 },
    { reg_str("[\"\\x\"]"),                               0 },
    { reg_str("[\"\\"),                                   0 },
    { reg_str("[\"\\u\"]"),                               0 },
    { reg_str("[\"\\u12\"]"),                             0 },
    { reg_str("[\"\\u12g4\"]"),                           0 },
    { reg_str("[\"\\u0000\"]"),                           0 },
    { reg_str("{\"\\u0000\":1}"),                         0 },
    { reg_str("[\"\\ud800\"]"),                           0 },
    { reg_str("[\"\\ud800x\"]"),                          0 },
    { reg_str("[\"\\ud800\\u0041\"]"),                    0 },
    { reg_str("[\"\\ud800\\ud800\"]"),                    0 },
    { reg_str("[\"\\udc00\"]"),                           0 },
    { reg_str("[\"\xff\"]"),                              0 },
    { reg_str("[\"\xc0\x80\"]"),                          0 },
    { reg_str("[\"\xed\xa0\x80\"]"),                      0 },
    { reg_str("[\"\xc3\"]"),                              0 },
    { reg_str("[\"\xe2\x82"),                             0 },
    { reg_str("[\xc3\xa9]"),                              0 },
    { reg_str("[+1]"),                                    0 },
    { reg_str("[-]"),                                     0 },
    { reg_str("[01]"),                                    0 },
    { reg_str("[-01]"),                                   0 },
    { reg_str("[1.]"),                                    0 },
    { reg_str("[.5]"),                                    0 },
    { reg_str("[1e]"),                                    0 },
    { reg_str("[1e+]"),                                   0 },
    { reg_str("[0x10]"),                                  0 },
    { reg_str("[1"),                                      0 },
    { reg_str("[-"),                                      0 },
    { reg_str("[NaN]"),                                   0 },
    { reg_str("[Infinity]"),                              0 },
    { reg_str("[9223372036854775808]"),                   0 },
    { reg_str("[-9223372036854775809]"),                  0 },
    { reg_str("[18446744073709551616]"),                  0 },
    { reg_str("[1e400]"),                                 0 },
    { reg_str("[-1e400]"),                                0 },
    { reg_str("[tru]"),                                   0 },
    { reg_str("[TRUE]"),                                  0 },
    { reg_str("[truefalse]"),                             0 },
    { reg_str("[nul"),                                    0 },
    { reg_str("[/* */]"),                                 0 }
};


int
main(void)
{
    reg_test_alloc_init();

    test_documents();
    test_values();
    test_against_jansson();
    test_stored();
    test_alike();
    test_bounds();
    test_large();
    test_str();
    test_alloc();

    return done_testing();
}


static void
test_documents(void)
{
    char         *copy;
    size_t        i;
    json_t       *root;
    reg_str_t     text;
    reg_error_t   e;

    for (i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {

        text = documents[i].text;

        /* in a block of its very size, for the sanitizers */

        copy = malloc(text.len ? text.len : 1);
        memcpy(copy, text.data, text.len);

        reg_error_clear(&e);
        root = reg_json_load(copy, text.len, &e);

        if (!ok((root != NULL) == documents[i].valid, "%s document %zu: %s",
                documents[i].valid ? "good" : "bad", i, text.data))
        {
            printf("#   %s\n", e.detail);
        }

        if (root == NULL) {
            ok(e.rc == REG_MANIFEST_INVALID && e.detail[0] != '\0',
               "  why: %s", e.detail);
        }

        json_decref(root);
        free(copy);
    }

    ok(reg_json_load(NULL, 0, NULL) == NULL, "nothing, and nobody to tell");
    ok(reg_json_load("[", 1, NULL) == NULL, "half of it, likewise");
}


static void
test_values(void)
{
    size_t        i;
    json_t       *root;
    reg_str_t     text;
    reg_error_t   e;

    static const struct {
        const char  *json;      /* the value of "v" */
        reg_str_t    text;      /* what it decodes to */
    } strings[] = {
        { "\"\"",                   reg_str("") },
        { "\"abc\"",                reg_str("abc") },
        { "\"\\\"\\\\\\/\"",        reg_str("\"\\/") },
        { "\"\\b\\f\\n\\r\\t\"",    reg_str("\b\f\n\r\t") },
        { "\"\\u0041\\u007f\"",     reg_str("A\x7f") },
        { "\"\\u0080\\u07ff\"",     reg_str("\xc2\x80\xdf\xbf") },
        { "\"\\u0800\\uffff\"",     reg_str("\xe0\xa0\x80\xef\xbf\xbf") },
        { "\"\\ud7ff\\ue000\"",     reg_str("\xed\x9f\xbf\xee\x80\x80") },
        { "\"\\ud800\\udc00\"",     reg_str("\xf0\x90\x80\x80") },
        { "\"\\udbff\\udfff\"",     reg_str("\xf4\x8f\xbf\xbf") },
        { "\"x\\uD83d\\uDC0By\"",   reg_str("x\xf0\x9f\x90\x8by") },
        { "\"\xe2\x82\xac\"",       reg_str("\xe2\x82\xac") }
    };

    static const struct {
        const char   *json;
        json_int_t    value;
    } integers[] = {
        { "0",                    0 },
        { "-0",                   0 },
        { "42",                   42 },
        { "-42",                  -42 },
        { "9223372036854775807",  INT64_MAX },
        { "-9223372036854775808", INT64_MIN }
    };

    char  doc[256];

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        (void) snprintf(doc, sizeof(doc), "{\"k\":[\"%s\"],\"v\":%s}", "pad",
                        strings[i].json);
        reg_error_clear(&e);
        root = reg_json_load(doc, strlen(doc), &e);
        text = reg_json_str(root, "v");
        is_str(text, strings[i].text, strings[i].json);
        json_decref(root);
    }

    for (i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        (void) snprintf(doc, sizeof(doc), "{\"v\":%s}", integers[i].json);
        reg_error_clear(&e);
        root = reg_json_load(doc, strlen(doc), &e);
        ok(json_is_integer(json_object_get(root, "v"))
           && json_integer_value(json_object_get(root, "v"))
              == integers[i].value,
           "integer %s", integers[i].json);
        json_decref(root);
    }

    root = reg_json_load("{\"v\":2.5,\"w\":1.0}", 17, &e);
    ok(json_is_real(json_object_get(root, "w")), "1.0 is no integer");
    ok(json_real_value(json_object_get(root, "v")) == 2.5, "2.5");
    json_decref(root);
}


/*
 * What one parser takes the other takes, too, and they read it alike; but
 * jansson overlooks a NUL behind a number.
 */

static void
test_against_jansson(void)
{
    size_t       i;
    json_t      *ours, *theirs;

    for (i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        if (memchr(documents[i].text.data, '\0', documents[i].text.len)
            != NULL)
        {
            continue;
        }

        ours = reg_json_load(documents[i].text.data, documents[i].text.len,
                             NULL);
        theirs = json_loadb(documents[i].text.data, documents[i].text.len,
                            JSON_REJECT_DUPLICATES, NULL);

        ok((ours == NULL) == (theirs == NULL)
           && (ours == NULL || json_equal(ours, theirs)),
           "document %zu as jansson reads it", i);

        json_decref(ours);
        json_decref(theirs);
    }
}


/* What a registry in Go has taken, as json.Unmarshal() of it reads that. */

static void
test_stored(void)
{
    int           merged;
    char         *copy, *text;
    size_t        i, len;
    json_t       *root, *v;
    reg_error_t   e;

    static const struct {
        reg_str_t    text;
        const char  *v;         /* "v" of it; NULL: it is refused */
        int          merged;
    } rows[] = {
        { reg_str("{\"v\":\"a\",\"v\":\"b\"}"),               "\"b\"", 0 },
        { reg_str("{\"v\":1,\"\\u0076\":2}"),                 "2", 0 },
        { reg_str("{\"v\":{\"a\":1,\"a\":2}}"),               "{\"a\":2}", 0 },
        { reg_str("{\"v\":{\"a\":1},\"v\":{\"b\":2}}"),       "{\"b\":2}", 1 },
        { reg_str("{\"v\":[1],\"v\":2}"),                     "2", 1 },
        { reg_str("{\"v\":2,\"v\":[1]}"),                     "[1]", 1 },
        { reg_str("{\"v\":\"\\ud800\"}"),                     "\"?\"", 0 },
        { reg_str("{\"v\":\"\\ud800x\"}"),                    "\"?x\"", 0 },
        { reg_str("{\"v\":\"\\ud800\\n\"}"),                  "\"?\\n\"", 0 },
        { reg_str("{\"v\":\"\\ud800\\u0041\"}"),              "\"?A\"", 0 },
        { reg_str("{\"v\":\"\\ud800\\ud83d\\udc0b\"}"),
                                          "\"?\xf0\x9f\x90\x8b\"", 0 },
        { reg_str("{\"v\":\"\\udc00\\ud800\"}"),              "\"?""?\"", 0 },
        { reg_str("{\"v\":\"a\\u0000b\"}"),                   "\"a?b\"", 0 },
        { reg_str("{\"v\\u0000\":1,\"v\":2}"),                "2", 0 },
        { reg_str("{\"v\":\"\xff\xc3\"}"),                    "\"?""?\"", 0 },
        { reg_str("{\"v\":\"\xe2\x82\"}"),                    "\"?""?\"", 0 },
        { reg_str("{\"v\":[1e400,9223372036854775808]}"),
                                          "[null,null]", 0 },
        { reg_str("{\"v\":[" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
                  TEN ",1]}"),                      "[null,1]", 0 },
        { reg_str("{\"v\":[0." TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
                  TEN ",1]}"),                      "[null,1]", 0 },
        { reg_str("{\"v\":\"\xff"),                           NULL, 0 },
        { reg_str("{\"v\":\"\\ud800\\u12g4\"}"),              NULL, 0 },
        { reg_str("{\"v\":\"\\ud800\\x\"}"),                  NULL, 0 },
        { reg_str("{\"v\":\"\\ud800\\"),                      NULL, 0 },
        { reg_str("{\"v\":\"\n\"}"),                          NULL, 0 },
        { reg_str("{\"v\":1,\"v\"}"),                         NULL, 0 },
        { reg_str("{\"v\":1}x"),                              NULL, 0 },
        { reg_str("{\"v\":01}"),                              NULL, 0 },
        { reg_str("\xef\xbb\xbf{}"),                          NULL, 0 }
    };

    static const reg_str_t  ends[] = {
        reg_str("]"), reg_str("\""), reg_str("\"]\\\"\"]"), reg_str("")
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        copy = malloc(rows[i].text.len);
        memcpy(copy, rows[i].text.data, rows[i].text.len);

        reg_error_clear(&e);
        root = reg_json_load_stored(copy, rows[i].text.len, &merged, &e);
        free(copy);

        if (rows[i].v == NULL) {
            ok(root == NULL && e.rc == REG_MANIFEST_INVALID,
               "stored, bad document %zu: %s", i, e.detail);
            json_decref(root);
            continue;
        }

        v = json_loads(rows[i].v, JSON_DECODE_ANY, NULL);
        ok(json_equal(json_object_get(root, "v"), v),
           "stored, document %zu is read %s", i, e.detail);
        ok(merged == rows[i].merged, "  and whether Go mixes it");
        json_decref(v);
        json_decref(root);
    }

    /* what is nested far beyond what is built, and ends there or does not */

    for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        text = repeat("[", 100000, "", &len);
        copy = malloc(len + 64 + 100000);
        memcpy(copy, "{\"v\":", 5);
        memcpy(copy + 5, text, len);
        len += 5;
        memcpy(copy + len, ends[i].data, ends[i].len);
        len += ends[i].len;

        if (i != 3) {
            memset(copy + len, ']', (i == 0) ? 99999 : 100000);
            len += (i == 0) ? 99999 : 100000;
        }

        memcpy(copy + len, ",\"w\":5}", 7);
        len += 7;
        free(text);

        reg_error_clear(&e);
        root = reg_json_load_stored(copy, len, &merged, &e);

        if (i == 0) {
            ok(json_integer_value(json_object_get(root, "w")) == 5
               && json_is_array(json_object_get(root, "v")),
               "what is nested too deeply is passed over %s", e.detail);
        } else {
            ok(root == NULL && e.rc == REG_MANIFEST_INVALID,
               "unless it has no end: %s", e.detail);
        }

        json_decref(root);
        free(copy);
    }
}


static void
test_alike(void)
{
    size_t   i;
    json_t  *root;

    static const struct {
        const char  *text;
        int          alike;
    } rows[] = {
        { "{}",                            0 },
        { "{\"layers\":1}",                0 },
        { "{\"Layers\":1}",                1 },
        { "{\"layers\":1,\"LAYERS\":1}",   1 },
        { "{\"layer\xc5\xbf\":1}",         1 },
        { "{\"layer\xc5\":1}",             0 },
        { "{\"layer\":1,\"layerss\":1}",   0 },
        { "{\"layer3\":1,\"\":1}",         0 },
        { "{\"lay\xc3\xa9rs\":1}",         0 },
        { "{\"x\":{\"Layers\":1}}",        0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        root = json_loads(rows[i].text, 0, NULL);

        if (root == NULL) {
            root = json_object();
            json_object_set_new_nocheck(root, "layer\xc5", json_true());
        }

        ok(reg_json_alike(root, "layers") == rows[i].alike, "alike: %s",
           rows[i].text);
        json_decref(root);
    }

    ok(!reg_json_alike(NULL, "layers"), "of nothing");
}


static void
test_bounds(void)
{
    int          rc;
    size_t       i;
    const char  *why;

    static const struct {
        reg_str_t  text;
        size_t     values;
        size_t     depth;
    } rows[] = {
        { reg_str("{}"),                        1, 1 },
        { reg_str("[]"),                        1, 1 },
        { reg_str("[1,2,3]"),                   4, 1 },
        { reg_str("[[],[]]"),                   3, 2 },
        { reg_str("{\"a\":1,\"b\":\"c\"}"),     5, 1 },
        { reg_str("[\"[[[{{{,,,\"]"),           2, 1 },
        { reg_str("[\"a\\\"b,[\",1]"),          3, 1 },
        { reg_str("[\"a\\\\\",1]"),             3, 1 },
        { reg_str("[true,false,null,-1.5e3]"),  5, 1 },
        { reg_str(" [ 1 , 2 ] "),               3, 1 },
        { reg_str("[1\n2\t3 4]"),               5, 1 },
        { reg_str("[[[[]]]]"),                  4, 4 },
        { reg_str("[[]][[]]"),                  4, 2 },
        { reg_str("]]]["),                      1, 1 },
        { reg_str("\"abc"),                     1, 0 },
        { reg_str("\"abc\\"),                   1, 0 },
        { reg_str("\"\\\""),                    1, 0 },
        { reg_str("x"),                         1, 0 },
        { reg_str("1\"a\"2"),                   3, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rc = reg_json_bounded(rows[i].text.data, rows[i].text.len,
                              rows[i].values, rows[i].depth, &why);
        ok(rc == 0, "within bounds: %s", rows[i].text.data);

        why = NULL;
        rc = reg_json_bounded(rows[i].text.data, rows[i].text.len,
                              rows[i].values - 1, rows[i].depth, &why);
        ok(rc == -1 && why != NULL, "  one value too many");

        if (rows[i].depth != 0) {
            why = NULL;
            rc = reg_json_bounded(rows[i].text.data, rows[i].text.len,
                                  rows[i].values, rows[i].depth - 1, &why);
            ok(rc == -1 && why != NULL, "  one level too deep");
        }
    }

    ok(reg_json_bounded("", 0, 0, 0, &why) == 0, "nothing is within any");
    ok(reg_json_bounded(NULL, 0, 0, 0, &why) == 0, "nothing at all, too");
}


static char *
repeat(const char *unit, size_t n, const char *tail, size_t *len)
{
    char    *p;
    size_t   i, size;

    size = strlen(unit);

    p = malloc(n * size + strlen(tail) + 2);

    for (i = 0; i < n; i++) {
        memcpy(p + i * size, unit, size);
    }

    memcpy(p + n * size, tail, strlen(tail));

    *len = n * size + strlen(tail);

    return p;
}


/* 4 MiB of what costs most, with or without being JSON */

static void
test_large(void)
{
    char         *text;
    size_t        i, len;
    json_t       *root;
    reg_error_t   e;

    static const struct {
        const char  *first;
        const char  *unit;
        size_t       n;
        const char  *tail;
        int          valid;
        const char  *why;
    } rows[] = {
        { "[", "{},",             1398000, "0]", 0, "too many values" },
        { "[", "[],",             1398000, "0]", 0, "too many values" },
        { "[", "0,",              2097000, "0]", 0, "too many values" },
        { "{", "\"\":0,",         838000, "}",   0, "too many values" },
        { "[", "\"\\u0041\",",    450000, "0]",  0, "too many values" },
        { "[", "0,",              199997, "0]",  1, NULL },
        { "[", "0,",              199999, "0]",  0, "too many values" },
        { "[", "",                0,      "]",   1, NULL },
        { "",  "[",               64,     "]",   0, "array" },
        { "",  "[",               65,     "",    0, "too deeply" },
        { "",  "[",               2000,   "",    0, "too deeply" },
        { "",  "[",               100000, "",    0, "too deeply" },
        { "",  "{\"a\":",         100000, "",    0, "too deeply" },
        { "[\"", "\\u0041",       699000, "\"]", 1, NULL },
        { "[\"", "\\n",           2097000, "\"]", 1, NULL },
        { "[\"", "a",             4194000, "\"]", 1, NULL },
        { "[\"", "a",             4194000, "",   0, "without an end" },
        { "[", "1",               4194000, "]",  0, "number too long" },
        { "[", " ",               4194000, "]",  1, NULL }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        text = repeat(rows[i].unit, rows[i].n, rows[i].tail, &len);
        memmove(text + strlen(rows[i].first), text, len);
        memcpy(text, rows[i].first, strlen(rows[i].first));
        len += strlen(rows[i].first);

        reg_error_clear(&e);
        root = reg_json_load(text, len, &e);

        ok((root != NULL) == rows[i].valid, "%zu times %s", rows[i].n,
           rows[i].unit);

        if (!rows[i].valid) {
            ok(strstr(e.detail, rows[i].why) != NULL, "  why: %s", e.detail);
        }

        json_decref(root);
        free(text);
    }

    /* the deepest document there may be */

    text = repeat("[", REG_JSON_DEPTH_MAX, "", &len);
    text = realloc(text, 2 * REG_JSON_DEPTH_MAX);
    memset(text + len, ']', REG_JSON_DEPTH_MAX);

    root = reg_json_load(text, 2 * REG_JSON_DEPTH_MAX, NULL);
    ok(root != NULL, "as deep as may be");

    json_decref(root);
    free(text);
}


static void
test_str(void)
{
    json_t  *root;

    root = reg_json_load("{\"s\":\"text\",\"e\":\"\",\"n\":1,\"z\":null}", 34,
                         NULL);

    is(reg_json_str(root, "s"), "text", "a string member");
    ok(reg_json_str(root, "e").data != NULL
       && reg_json_str(root, "e").len == 0, "an empty one");
    ok(reg_json_str(root, "n").data == NULL, "a number is none");
    ok(reg_json_str(root, "z").data == NULL, "nor is null");
    ok(reg_json_str(root, "x").data == NULL, "nor what is absent");
    ok(reg_json_str(NULL, "s").data == NULL, "nothing has none");
    ok(reg_json_str(json_object_get(root, "s"), "s").data == NULL,
       "a string has none");

    json_decref(root);
}


static void
test_alloc(void)
{
    int            all, bad;
    json_t        *root;
    reg_error_t    e;
    unsigned long  n;

    static const char  doc[] =
        "{\"schemaVersion\":2,\"size\":1.5,\"list\":[1,\"two\",null,[3],{},"
        "4,5,6,7,8,9,10],\"o\":{\"a\":\"a string that is long enough to be "
        "enlarged more than once\",\"b\":\"\\u20ac\",\"c\":1,\"d\":1,"
        "\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1},\"t\":true}";

    for (all = 0; all < 2; all++) {
        bad = 0;

        for (n = 1; ; n++) {
            reg_error_clear(&e);

            reg_test_alloc_fail(n, all);
            root = reg_json_load(doc, sizeof(doc) - 1, &e);

            if (!reg_test_alloc_restore()) {
                ok(root != NULL && e.rc == REG_OK, "all of it");
                json_decref(root);
                break;
            }

            if (root != NULL || e.rc != REG_NO_MEMORY
                || reg_test_alloc_jansson != 0)
            {
                bad++;
            }

            json_decref(root);
        }

        ok(bad == 0, "each of %lu allocations fails %s, and cleanly", n - 1,
           all ? "with all behind it" : "alone");
        ok(n > 30, "which are more than 30");
        ok(reg_test_alloc_jansson == 0, "nothing is left");
    }
}
