
/* Input: a Content-Range. */

#include "fuzz.h"
#include "reg_range.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          text[64], *copy;
    reg_rc_t      rc;
    reg_error_t   e;
    reg_range_t   range, again;

    copy = fuzz_copy(data, size);

    reg_error_clear(&e);
    rc = reg_range_parse(&range, fuzz_str(copy, size), &e);

    must(rc == e.rc);

    if (rc == REG_OK) {
        must(range.first <= range.last);
        must(range.last < INT64_MAX);

        (void) snprintf(text, sizeof(text), "%llu-%llu",
                        (unsigned long long) range.first,
                        (unsigned long long) range.last);

        must(reg_range_parse(&again, reg_str_of(text), NULL) == REG_OK);
        must(again.first == range.first && again.last == range.last);

    } else {
        must(rc == REG_UPLOAD_INVALID && e.detail[0] != '\0');
    }

    free(copy);

    return 0;
}
