
/*
 * Input: an event, as it is read from the spool.  What is one can be printed,
 * and is the same then; what is in a CloudEvent is valid JSON, too.
 */

#include "fuzz.h"
#include "reg_event.h"
#include "reg_json.h"


static void same(const reg_event_t *ev, reg_str_t text);


static void
same(const reg_event_t *ev, reg_str_t text)
{
    json_t       *tree;
    reg_event_t   back;

    must(reg_event_load(&back, &tree, text, NULL) == REG_OK);

    must(back.action == ev->action && back.time == ev->time);
    must(back.size == ev->size && strcmp(back.id, ev->id) == 0);

    if (ev->repository.len <= REG_EVENT_TEXT_MAX) {
        must(reg_str_eq(back.repository, ev->repository));
    }

    if (ev->who.useragent.len <= REG_EVENT_TEXT_MAX) {
        must(reg_str_eq(back.who.useragent, ev->who.useragent));
    }

    json_decref(tree);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char         *copy;
    json_t       *tree, *cloud;
    reg_buf_t     b;
    reg_str_t     text;
    reg_event_t   ev;

    copy = fuzz_copy(data, size);

    if (reg_event_load(&ev, &tree, fuzz_str(copy, size), NULL) != REG_OK) {
        must(tree == NULL);
        free(copy);

        return 0;
    }

    must(ev.action != 0 && ev.id[0] != '\0');

    reg_buf_init(&b, 4 * REG_EVENT_MAX);

    must(reg_event_print(&b, &ev, NULL) == REG_OK);
    text = reg_buf_slice(&b);
    must(text.len <= REG_EVENT_MAX);
    must(memchr(text.data, '\n', text.len) == NULL);

    /* an id is the registry's own and printed as it is */

    if (reg_uuid_valid(reg_str_of(ev.id))) {
        same(&ev, text);

        reg_buf_reset(&b);
        reg_event_cloud(&b, &ev, reg_str("{}"));
        text = reg_buf_slice(&b);
        cloud = reg_json_load(text.data, text.len, NULL);
        must(cloud != NULL);
        json_decref(cloud);
    }

    reg_buf_free(&b);
    json_decref(tree);
    free(copy);

    return 0;
}
