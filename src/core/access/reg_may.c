
#include "reg_may.h"


typedef struct {
    unsigned   bit;
    reg_str_t  name;
} reg_may_row_t;


static const reg_may_row_t  reg_may_rows[] = {
#define REG_MAY_ROW(symbol, bit, name)  { symbol, { sizeof(name) - 1, name } },
    REG_MAY_TABLE(REG_MAY_ROW)
#undef REG_MAY_ROW
};


#define REG_MAY_N  (sizeof(reg_may_rows) / sizeof(reg_may_rows[0]))


unsigned
reg_may_find(reg_str_t name)
{
    size_t  i;

    for (i = 0; i < REG_MAY_N; i++) {
        if (reg_str_eq(name, reg_may_rows[i].name)) {
            return reg_may_rows[i].bit;
        }
    }

    return 0;
}


unsigned
reg_may_of(reg_action_e action)
{
    /* no default: a new action has to be given its bit here */

    switch (action) {

    case REG_ACTION_NONE:
        return 0;

    case REG_ACTION_PULL:
        return REG_MAY_PULL;

    case REG_ACTION_PUSH:
        return REG_MAY_PUSH;

    case REG_ACTION_DELETE:
        return REG_MAY_DELETE;

    case REG_ACTION_LIST:
        return REG_MAY_LIST;
    }

    /* a value that is none of them is refused to everybody but "*" */

    return REG_MAY_ALL;
}


reg_str_t
reg_may_name(unsigned may)
{
    size_t  i;

    for (i = 0; i < REG_MAY_N; i++) {
        if (reg_may_rows[i].bit == may) {
            return reg_may_rows[i].name;
        }
    }

    return reg_null_str;
}


void
reg_may_print(reg_buf_t *b, unsigned may, reg_str_t separator)
{
    int     first;
    size_t  i;

    first = 1;

    for (i = 0; i < REG_MAY_N; i++) {

        if (!(may & reg_may_rows[i].bit)) {
            continue;
        }

        if (!first) {
            reg_buf_str(b, separator);
        }

        reg_buf_str(b, reg_may_rows[i].name);
        first = 0;
    }
}
