
/* What stands on a page of a list, for the tests of lists. */


#ifndef REG_TEST_PAGE_H_INCLUDED
#define REG_TEST_PAGE_H_INCLUDED


#include "reg_test_store.h"

#include "reg_page.h"

#include <jansson.h>


/* of the last page, for each thread */
static __thread char      last_link[1024];
static __thread uint64_t  last_count;


/* Its entries, the array of that name, as "a b c" in text. */

static void
page_text(const reg_page_t *pg, const char *member, char *text, size_t size)
{
    char    *p;
    json_t  *json, *list;
    size_t   i, n;

    json = json_loadb(pg->body.data, pg->body.len, 0, NULL);
    list = json_object_get(json, member);

    text[0] = '\0';
    p = text;

    if (!json_is_array(list)) {
        (void) snprintf(text, size, "bad body");
    }

    for (i = 0; i < json_array_size(list); i++) {
        n = (size_t) snprintf(p, size - (size_t) (p - text), "%s%s",
                              i ? " " : "",
                              json_string_value(json_array_get(list, i)));

        if (n >= size - (size_t) (p - text)) {
            break;
        }

        p += n;
    }

    json_decref(json);
}


/* Keeps what stands beside them. */

static void
page_note(const reg_page_t *pg)
{
    (void) snprintf(last_link, sizeof(last_link), "%.*s", (int) pg->link.len,
                    pg->link.data ? pg->link.data : "");
    last_count = pg->count;
}


#endif /* REG_TEST_PAGE_H_INCLUDED */
