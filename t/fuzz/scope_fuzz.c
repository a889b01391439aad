
/*
 * Input: a byte that chooses scopes (0), the query (1) or the form (2) of a
 * token request, then its text.
 */

#include "fuzz.h"
#include "reg_json.h"
#include "reg_name.h"
#include "reg_token_request.h"


static void scopes(const reg_scopes_t *list);
static int inside(reg_str_t s, const char *p, size_t size);


/* What is printed is read as the same. */

static void
scopes(const reg_scopes_t *list)
{
    size_t         i;
    json_t        *value;
    reg_buf_t      b;
    reg_error_t    e;
    reg_scopes_t   again;

    must(list->n <= REG_SCOPES_MAX);

    for (i = 0; i < list->n; i++) {
        must(list->items[i].may != 0);
        must(list->items[i].name.len == 0
             ? list->items[i].may == REG_MAY_LIST
             : reg_name_valid(list->items[i].name)
               && (list->items[i].may & ~(unsigned) REG_MAY_REPOSITORY) == 0);
    }

    reg_buf_init(&b, 65536);
    reg_scopes_print(&b, list);
    must(!reg_buf_failed(&b));

    again.n = 0;
    must(reg_scopes_parse(&again, reg_buf_slice(&b)) == 0);
    must(again.n == list->n);

    for (i = 0; i < list->n; i++) {
        must(again.items[i].may == list->items[i].may
             && reg_str_eq(again.items[i].name, list->items[i].name));
    }

    reg_buf_reset(&b);
    reg_scopes_print_json(&b, list);

    reg_error_clear(&e);
    value = reg_json_load(b.data, b.len, &e);
    must(json_is_array(value) && json_array_size(value) == list->n);
    json_decref(value);

    reg_buf_free(&b);
}


static int
inside(reg_str_t s, const char *p, size_t size)
{
    return s.len == 0 || (s.data >= p && s.data + s.len <= p + size);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                 *copy, *scratch;
    int                   how;
    const char           *error;
    reg_scopes_t          list;
    reg_token_request_t   r;

    if (size == 0) {
        return 0;
    }

    how = data[0] % 3;
    size--;

    copy = fuzz_copy(data + 1, size);
    scratch = malloc(size ? size : 1);
    must(scratch != NULL);

    if (how == 0) {
        list.n = 0;

        if (reg_scopes_parse(&list, fuzz_str(copy, size)) == 0) {
            scopes(&list);
        }

    } else {
        error = reg_token_request_parse(&r, how - 1, fuzz_str(copy, size),
                                        scratch);

        if (error == NULL) {
            scopes(&r.scopes);
            must(inside(r.service, scratch, size)
                 && inside(r.account, scratch, size)
                 && inside(r.client, scratch, size)
                 && inside(r.user, scratch, size)
                 && inside(r.password, scratch, size)
                 && inside(r.refresh, scratch, size));
            must((r.grant == REG_GRANT_NONE) == (how == 1));
            must(r.grant != REG_GRANT_PASSWORD
                 || (r.user.len != 0 && r.password.len != 0));
            must(r.grant != REG_GRANT_REFRESH || r.refresh.len != 0);

        } else {
            must(error[0] != '\0');
        }
    }

    free(scratch);
    free(copy);

    return 0;
}
