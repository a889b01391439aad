
#include "reg_range.h"

#include <string.h>


reg_rc_t
reg_range_parse(reg_range_t *range, reg_str_t s, reg_error_t *e)
{
    reg_str_t    first, last;
    const char  *dash;

    dash = (s.len == 0) ? NULL : memchr(s.data, '-', s.len);

    if (dash == NULL) {
        goto invalid;
    }

    first.data = s.data;
    first.len = dash - s.data;

    last.data = dash + 1;
    last.len = s.len - first.len - 1;

    /* the signed limit keeps last - first + 1 and every sum in range */

    if (reg_str_number(first, INT64_MAX, &range->first) != 0
        || reg_str_number(last, INT64_MAX - 1, &range->last) != 0
        || range->last < range->first)
    {
        goto invalid;
    }

    return REG_OK;

invalid:

    return reg_error_set(e, REG_UPLOAD_INVALID,
                         "malformed Content-Range: \"%.*s\"",
                         (int) ((s.len < 80) ? s.len : 80),
                         (s.len == 0) ? "" : s.data);
}
