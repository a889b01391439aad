
#include "reg_range.h"

#include <strings.h>


static int reg_range_total(reg_str_t s, uint64_t last);


/* "/<total>" or "/" "*" at the end of a range */

static int
reg_range_total(reg_str_t s, uint64_t last)
{
    uint64_t  total;

    if (reg_str_eq(s, reg_str("*"))) {
        return 1;
    }

    return reg_str_number(s, INT64_MAX, &total) == 0 && total > last;
}


reg_rc_t
reg_range_parse(reg_range_t *range, reg_str_t s, reg_error_t *e)
{
    size_t     i, dash, slash;
    reg_str_t  first, last, total;

    static const char  unit[] = "bytes ";

    if (s.len > sizeof(unit) - 1
        && strncasecmp(s.data, unit, sizeof(unit) - 1) == 0)
    {
        s.data += sizeof(unit) - 1;
        s.len -= sizeof(unit) - 1;
    }

    dash = s.len;
    slash = s.len;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] == '-' && dash == s.len) {
            dash = i;

        } else if (s.data[i] == '/') {
            slash = i;
            break;
        }
    }

    if (dash >= slash) {
        goto invalid;
    }

    first.data = s.data;
    first.len = dash;

    last.data = s.data + dash + 1;
    last.len = slash - dash - 1;

    /* the signed limit keeps last - first + 1 and every sum in range */

    if (reg_str_number(first, INT64_MAX, &range->first) != 0
        || reg_str_number(last, INT64_MAX - 1, &range->last) != 0
        || range->last < range->first)
    {
        goto invalid;
    }

    if (slash != s.len) {
        total.data = s.data + slash + 1;
        total.len = s.len - slash - 1;

        if (!reg_range_total(total, range->last)) {
            goto invalid;
        }
    }

    return REG_OK;

invalid:

    return reg_error_set(e, REG_UPLOAD_INVALID,
                         "malformed Content-Range: \"%.*s\"",
                         (int) ((s.len < 80) ? s.len : 80),
                         (s.len == 0) ? "" : s.data);
}
