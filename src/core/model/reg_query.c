
#include "reg_query.h"


static int reg_query_decode(reg_query_t *q, reg_str_t value, int plus,
    reg_str_t *out);


void
reg_query_init(reg_query_t *q, reg_str_t query, char *scratch)
{
    q->pos = query.data;
    q->end = (query.len == 0) ? query.data : query.data + query.len;
    q->scratch = scratch;
}


int
reg_query_next(reg_query_t *q, reg_str_t *key, reg_str_t *value)
{
    const char  *p, *equals;

    while (q->pos < q->end) {

        p = q->pos;
        equals = NULL;

        while (p < q->end && *p != '&') {

            if (*p == '=' && equals == NULL) {
                equals = p;
            }

            p++;
        }

        key->data = q->pos;

        if (equals == NULL) {
            key->len = (size_t) (p - q->pos);
            *value = reg_null_str;

        } else {
            key->len = (size_t) (equals - q->pos);
            value->data = equals + 1;
            value->len = (size_t) (p - value->data);
        }

        q->pos = (p < q->end) ? p + 1 : p;

        /* the key lies where the value, no longer needing it, will go */

        if (reg_str_unescape(*key, 1, q->scratch, key) == 0) {
            return 1;
        }
    }

    return 0;
}


int
reg_query_value(reg_query_t *q, reg_str_t value, reg_str_t *out)
{
    return reg_query_decode(q, value, 1, out);
}


int
reg_query_literal(reg_query_t *q, reg_str_t value, reg_str_t *out)
{
    return reg_query_decode(q, value, 0, out);
}


static int
reg_query_decode(reg_query_t *q, reg_str_t value, int plus, reg_str_t *out)
{
    if (reg_str_unescape(value, plus, q->scratch, out) != 0) {
        *out = reg_null_str;
        return -1;
    }

    q->scratch += out->len;

    return 0;
}
