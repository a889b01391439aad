
#include "reg_json.h"
#include "reg_json_parse.h"

#include <stdint.h>
#include <string.h>


static int reg_json_delimiter(char c);
static json_t *reg_json_tree(const char *data, size_t len, size_t depth,
    int *merged, reg_error_t *e);
static int reg_json_fold(const char *name, const char *key);


static int
reg_json_delimiter(char c)
{
    return c == ',' || c == ':' || c == '"' || c == '{' || c == '}'
           || c == '[' || c == ']' || c == ' ' || c == '\t' || c == '\n'
           || c == '\r';
}


/*
 * Keys count as values, since each costs as much memory as one.  The text may
 * be anything; what is no JSON is only counted, never judged.
 */

int
reg_json_bounded(const char *data, size_t len, size_t values, size_t depth,
    const char **why)
{
    size_t       n, level;
    const char  *p, *end;

    if (len == 0) {
        return 0;
    }

    n = 0;
    level = 0;
    end = data + len;

    for (p = data; p < end; p++) {

        switch (*p) {

        case ' ':
        case '\t':
        case '\n':
        case '\r':
        case ',':
        case ':':
            continue;

        case '}':
        case ']':
            if (level != 0) {
                level--;
            }

            continue;

        case '{':
        case '[':
            if (++level > depth) {
                *why = "the document is nested too deeply";
                return -1;
            }

            break;

        case '"':
            for (p++; p < end && *p != '"'; p++) {
                if (*p == '\\' && end - p > 1) {
                    p++;
                }
            }

            break;

        default:
            while (end - p > 1 && !reg_json_delimiter(p[1])) {
                p++;
            }
        }

        if (++n > values) {
            *why = "the document holds too many values";
            return -1;
        }
    }

    return 0;
}


json_t *
reg_json_load(const char *data, size_t len, reg_error_t *e)
{
    return reg_json_tree(data, len, REG_JSON_DEPTH_MAX, NULL, e);
}


json_t *
reg_json_load_stored(const char *data, size_t len, int *merged,
    reg_error_t *e)
{
    *merged = 0;

    return reg_json_tree(data, len, SIZE_MAX, merged, e);
}


static json_t *
reg_json_tree(const char *data, size_t len, size_t depth, int *merged,
    reg_error_t *e)
{
    size_t       at;
    json_t      *root;
    const char  *why;

    if (reg_json_bounded(data, len, REG_JSON_VALUES_MAX, depth, &why) != 0) {
        (void) reg_error_set(e, REG_MANIFEST_INVALID, "%s", why);
        return NULL;
    }

    root = reg_json_parse(data, len, merged, &why, &at);

    if (root != NULL) {
        return root;
    }

    if (why == NULL) {
        (void) reg_error_set(e, REG_NO_MEMORY, NULL);

    } else {
        (void) reg_error_set(e, REG_MANIFEST_INVALID,
                             "not valid JSON at byte %zu: %s", at, why);
    }

    return NULL;
}


int
reg_json_alike(const json_t *object, const char *key)
{
    void    *iter;
    json_t  *o;

    /* jansson's iterators want an object they might change, and do not */

    o = (json_t *) object;

    for (iter = json_object_iter(o);
         iter != NULL;
         iter = json_object_iter_next(o, iter))
    {
        if (reg_json_fold(json_object_iter_key(iter), key)
            && strcmp(json_object_iter_key(iter), key) != 0)
        {
            return 1;
        }
    }

    return 0;
}


static int
reg_json_fold(const char *name, const char *key)
{
    char  c, k;

    for ( /* void */ ; *key != '\0'; key++) {
        k = *key | 0x20;

        if (k == 's' && strncmp(name, "\xc5\xbf", 2) == 0) {
            name += 2;
            continue;
        }

        c = *name | 0x20;

        if (c != k) {
            return 0;
        }

        name++;
    }

    return *name == '\0';
}


const json_t *
reg_json_get(const json_t *object, const char *key)
{
    const json_t  *value;

    value = json_object_get(object, key);

    return json_is_null(value) ? NULL : value;
}


const char *
reg_json_unstring(const json_t *object)
{
    void    *iter;
    json_t  *o;

    /* jansson's iterators want an object they might change, and do not */

    o = (json_t *) object;

    for (iter = json_object_iter(o);
         iter != NULL;
         iter = json_object_iter_next(o, iter))
    {
        if (!json_is_string(json_object_iter_value(iter))) {
            return json_object_iter_key(iter);
        }
    }

    return NULL;
}


reg_str_t
reg_json_str(const json_t *object, const char *key)
{
    reg_str_t      s;
    const json_t  *value;

    value = json_object_get(object, key);

    if (!json_is_string(value)) {
        return reg_null_str;
    }

    s.data = json_string_value(value);
    s.len = json_string_length(value);

    return s;
}
