
/*
 * Input: a repository name, tag or upload id.  What reg_name.c reads by hand
 * is compared with the expressions of the specification.
 */

#include "fuzz.h"
#include "reg_name.h"

#include <regex.h>


#define COMPONENT  "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"


static int matches(regex_t *re, const char *pattern, const char *text);


static regex_t  name, tag, uuid;


static int
matches(regex_t *re, const char *pattern, const char *text)
{
    if (re->re_nsub == 0) {
        must(regcomp(re, pattern, REG_EXTENDED) == 0);
    }

    return regexec(re, text, 0, NULL, 0) == 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char        text[REG_NAME_MAX + 1], *copy;
    reg_str_t   s;

    copy = fuzz_copy(data, size);
    s = fuzz_str(copy, size);

    if (size > REG_NAME_MAX || memchr(copy, '\0', size) != NULL) {
        must(!reg_name_valid(s));
        must(!reg_tag_valid(s));
        must(!reg_uuid_valid(s));

    } else {
        memcpy(text, copy, size);
        text[size] = '\0';

        must(reg_name_valid(s)
             == matches(&name, "^(" COMPONENT ")(/" COMPONENT ")*$", text));
        must(reg_tag_valid(s)
             == matches(&tag, "^([a-zA-Z0-9_][a-zA-Z0-9._-]{0,127})$", text));
        must(reg_uuid_valid(s)
             == matches(&uuid, "^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
                        text));
    }

    free(copy);

    return 0;
}
