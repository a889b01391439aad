
/*
 * What the parser of a file of lines has passed over, for its tests:
 *
 *     reg_buf_reset(&skipped);
 *     t = reg_..._parse(..., skip, &skipped, &why);
 *     ok(skipped_is("no colon", "hash"), "one warning: %s", skipped.data);
 */


#ifndef REG_TEST_SKIPPED_H_INCLUDED
#define REG_TEST_SKIPPED_H_INCLUDED


#include "reg_str.h"
#include "reg_test.h"

#include <string.h>


/* As "line:reason;"; reg_buf_init() and reg_buf_free() are the test's. */
static reg_buf_t  skipped;


static void
skip(void *data, size_t line, const char *reason)
{
    reg_buf_printf(data, "%zu:%s;", line, reason);
}


/*
 * 1 when line 2 was, for that reason and alone, and it is told without the
 * secret that stands in it; with an empty reason, when none was.  Ends the
 * text with a NUL.
 */

REG_TEST_UNUSED static int
skipped_is(const char *reason, const char *secret)
{
    reg_buf_add(&skipped, "", 1);

    if (reason[0] == '\0') {
        return skipped.len == 1;
    }

    return strncmp(skipped.data, "2:", 2) == 0
           && strstr(skipped.data, reason) != NULL
           && strchr(skipped.data, ';')
              == skipped.data + strlen(skipped.data) - 1
           && strstr(skipped.data, secret) == NULL
           && strstr(skipped.data, "secret") == NULL;
}


#endif /* REG_TEST_SKIPPED_H_INCLUDED */
