
/* Input: the list of an If-Match or If-None-Match. */

#include "fuzz.h"
#include "reg_condition.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int              match, none, nothing;
    char            *copy;
    reg_digest_t     d;
    reg_condition_t  one, other;

    copy = fuzz_copy(data, size);

    reg_digest_of(&d, REG_SHA256, "", 0);

    one.match = fuzz_str(copy, size);
    one.none_match = reg_null_str;

    other.match = reg_null_str;
    other.none_match = fuzz_str(copy, size);

    match = reg_condition_holds(&one, &d);
    none = reg_condition_holds(&other, &d);
    nothing = reg_condition_holds(&other, NULL);

    /* what is on a list is not off it, and nothing is on none */

    must(!match || !none);
    must(!reg_condition_holds(&one, NULL));
    must(!none || nothing);

    free(copy);

    return 0;
}
