
#include "reg_json_scan.h"

#include "reg_json_string.h"

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
    char         decoded[REG_JSON_SCAN_MAX];
    ssize_t      len;
    const char  *p, *why;

    if (text.len < 2 || text.len > REG_JSON_SCAN_MAX || text.data[0] != '"') {
        return 0;
    }

    if (memchr(text.data, '\\', text.len) == NULL) {
        len = (ssize_t) text.len - 2;
        p = text.data + 1;

    } else {
        p = text.data;
        len = reg_json_string(&p, text.data + text.len, decoded, 1, &why);
        p = decoded;
    }

    if (len == -1 || (size_t) len >= size) {
        return 0;
    }

    memcpy(buf, p, (size_t) len);
    buf[len] = '\0';

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
