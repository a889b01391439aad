
#include "reg_json_scan.h"

#include "reg_json_parse.h"

#include <string.h>


/* longer ones are none that anybody asks for */
#define REG_JSON_SCAN_MAX  4096


static const char *reg_json_scan_blank(const char *p, const char *end);
static const char *reg_json_scan_string(const char *p, const char *end);
static const char *reg_json_scan_value(const char *p, const char *end);


void
reg_json_scan(const char *data, size_t len, reg_json_scan_pt fn, void *ctx)
{
    reg_str_t    name, value;
    const char  *p, *end;

    end = data + len;
    p = reg_json_scan_blank(data, end);

    if (p == end || *p != '{') {
        return;
    }

    do {
        p = reg_json_scan_blank(p + 1, end);

        if (p == end || *p != '"') {
            return;
        }

        name.data = p;
        p = reg_json_scan_string(p, end);

        if (p == NULL) {
            return;
        }

        name.len = (size_t) (p - name.data);
        p = reg_json_scan_blank(p, end);

        if (p == end || *p != ':') {
            return;
        }

        p = reg_json_scan_blank(p + 1, end);
        value.data = p;
        p = reg_json_scan_value(p, end);

        if (p == NULL) {
            return;
        }

        value.len = (size_t) (p - value.data);
        fn(ctx, name, value);

        p = reg_json_scan_blank(p, end);

    } while (p < end && *p == ',');
}


int
reg_json_scan_str(reg_str_t text, char *buf, size_t size)
{
    int           merged;
    char          doc[REG_JSON_SCAN_MAX + 2];
    size_t        at, len;
    json_t       *root;
    const char   *why;
    const json_t *s;

    if (text.len < 2 || text.len > REG_JSON_SCAN_MAX || text.data[0] != '"') {
        return 0;
    }

    if (memchr(text.data, '\\', text.len) == NULL) {
        len = text.len - 2;

        if (len >= size) {
            return 0;
        }

        memcpy(buf, text.data + 1, len);
        buf[len] = '\0';

        return 1;
    }

    doc[0] = '[';
    memcpy(doc + 1, text.data, text.len);
    doc[text.len + 1] = ']';

    root = reg_json_parse(doc, text.len + 2, &merged, &why, &at);
    s = json_array_get(root, 0);
    len = json_string_length(s);

    if (!json_is_string(s) || len >= size) {
        json_decref(root);
        return 0;
    }

    memcpy(buf, json_string_value(s), len);
    buf[len] = '\0';
    json_decref(root);

    return 1;
}


const char *
reg_json_scan_past(const char *p, const char *end)
{
    size_t  level;

    level = 0;

    while (p < end) {

        switch (*p) {

        case '{':
        case '[':
            level++;
            p++;
            break;

        case '}':
        case ']':
            level--;
            p++;
            break;

        case '"':
            p = reg_json_scan_string(p, end);

            if (p == NULL) {
                return NULL;
            }

            break;

        default:
            p++;
            continue;
        }

        if (level == 0) {
            return p;
        }
    }

    return NULL;
}


static const char *
reg_json_scan_blank(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) {
        p++;
    }

    return p;
}


static const char *
reg_json_scan_string(const char *p, const char *end)
{
    for (p++; p < end; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\') {
            p++;
        }
    }

    return NULL;
}


static const char *
reg_json_scan_value(const char *p, const char *end)
{
    const char  *start;

    if (p < end && (*p == '{' || *p == '[' || *p == '"')) {
        return reg_json_scan_past(p, end);
    }

    start = p;

    while (p < end && *p != ',' && *p != '}' && *p != ' ' && *p != '\t'
           && *p != '\n' && *p != '\r')
    {
        p++;
    }

    return (p == start) ? NULL : p;
}
