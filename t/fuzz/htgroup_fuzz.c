
/* Input: a group file. */

#include "fuzz.h"
#include "reg_groups.h"
#include "reg_lines.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          *copy;
    reg_str_t      line, group, rest, user;
    reg_why_t      why;
    const char    *colon;
    reg_lines_t    lines;
    reg_groups_t  *g;

    copy = fuzz_copy(data, size);

    g = reg_groups_parse(fuzz_str(copy, size), NULL, NULL, &why);
    must(g != NULL);

    reg_lines_init(&lines, fuzz_str(copy, size));

    while (reg_lines_next(&lines, &line)) {
        colon = memchr(line.data, ':', line.len);

        if (colon == NULL) {
            continue;
        }

        group.data = line.data;
        group.len = (size_t) (colon - line.data);

        must(reg_groups_known(g, group) == reg_group_valid(group));

        rest.data = colon + 1;
        rest.len = line.len - group.len - 1;

        /* the first word that is no name ends the line */

        while (reg_lines_word(&rest, &user) == 1) {

            if (!reg_user_valid(user)) {
                must(!reg_groups_has(g, group, user));
                break;
            }

            must(reg_groups_has(g, group, user) == reg_group_valid(group));
        }
    }

    reg_groups_free(g);
    free(copy);

    return 0;
}
