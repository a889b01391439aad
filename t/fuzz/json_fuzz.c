
/*
 * Input: a JSON document.  Our parser and jansson's have to agree on what is
 * one, and on what it holds; ours alone has bounds.  NUL is nowhere allowed,
 * but jansson overlooks it behind a number.  What is right is read alike where
 * more is let pass.
 */

#include "fuzz.h"
#include "reg_json.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int           merged;
    char         *copy;
    json_t       *ours, *theirs, *stored;
    const char   *why;
    reg_error_t   e;

    copy = fuzz_copy(data, size);

    reg_error_clear(&e);
    ours = reg_json_load(copy, size, &e);

    must((ours == NULL) == (e.rc != REG_OK));

    must(ours == NULL || memchr(copy, '\0', size) == NULL);

    if (reg_json_bounded(copy, size, REG_JSON_VALUES_MAX, REG_JSON_DEPTH_MAX,
                         &why)
        != 0)
    {
        must(ours == NULL && strcmp(e.detail, why) == 0);

    } else if (memchr(copy, '\0', size) == NULL
               && strstr(e.detail, "a number too long") == NULL)
    {
        theirs = json_loadb(copy, size, JSON_REJECT_DUPLICATES, NULL);

        must((ours == NULL) == (theirs == NULL));
        must(ours == NULL || json_equal(ours, theirs));

        json_decref(theirs);
    }

    stored = reg_json_load_stored(copy, size, &merged, NULL);

    must(ours == NULL || (!merged && json_equal(ours, stored)));

    (void) reg_json_alike(stored, "layers");

    json_decref(stored);
    json_decref(ours);
    free(copy);

    return 0;
}
