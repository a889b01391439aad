
#include "reg_may.h"
#include "reg_test.h"


int
main(void)
{
    int        op;
    size_t     i;
    unsigned   may;
    reg_buf_t  b;

    static const struct {
        reg_str_t  name;
        unsigned   bit;
    } rows[] = {
        { reg_str("pull"),    REG_MAY_PULL },
        { reg_str("push"),    REG_MAY_PUSH },
        { reg_str("update"),  REG_MAY_UPDATE },
        { reg_str("delete"),  REG_MAY_DELETE },
        { reg_str("list"),    REG_MAY_LIST },
        { reg_str("PULL"),    0 },
        { reg_str("pul"),     0 },
        { reg_str("pull "),   0 },
        { reg_str("*"),       0 },
        { reg_str(""),        0 },
        { reg_null_str,       0 }
    };

    static const unsigned  actions[] = {
        0, REG_MAY_PULL, REG_MAY_PUSH, REG_MAY_DELETE, REG_MAY_LIST
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_num(reg_may_find(rows[i].name), rows[i].bit, "the bit of a name");
    }

    for (op = 0; op < REG_OP_N; op++) {
        may = reg_may_of(reg_op_action((reg_op_e) op));

        ok(may == actions[reg_op_action((reg_op_e) op)],
           "A90: %s needs %x", reg_op_name((reg_op_e) op).data, may);
        ok(may != 0 || op == REG_OP_BASE || op == REG_OP_PREFLIGHT
           || op == REG_OP_TOKEN,
           "A90: only the base, the preflight and a token need no right");
    }

    is_num(reg_may_of((reg_action_e) 99), REG_MAY_ALL,
           "an action that is none needs all");

    reg_buf_init(&b, 100);
    reg_may_print(&b, REG_MAY_DELETE|REG_MAY_PULL|REG_MAY_PUSH, reg_str(","));
    is(reg_buf_slice(&b), "pull,push,delete", "printed in one order");
    reg_buf_reset(&b);
    reg_may_print(&b, 0, reg_str(","));
    is(reg_buf_slice(&b), "", "nothing printed");
    reg_buf_free(&b);

    return done_testing();
}
