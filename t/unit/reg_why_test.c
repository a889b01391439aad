
#include "reg_why.h"
#include "reg_test.h"


int
main(void)
{
    char       text[2000];
    reg_str_t  s;
    reg_why_t  why;

    is_num(reg_why_set(&why, "line %d", 5), -1, "it fails for its caller");
    ok(strcmp(why.text, "line 5") == 0, "with a sentence");

    is_num(reg_why_set(NULL, "line %d", 5), -1, "and without");

    (void) reg_why_set(&why, "a%sb", "\r\n\x1b[31m\xff");
    ok(strcmp(why.text, "a???[31m?b") == 0, "nothing can split a line: %s",
       why.text);

    memset(text, 'x', sizeof(text));
    s.data = text;
    s.len = sizeof(text);

    (void) reg_why_set(&why, "\"%.*s\"", reg_why_str(s));
    is_num((long long) strlen(why.text), REG_WHY_MAX - 1, "cut when too long");

    (void) reg_why_set(&why, "\"%.*s\"", reg_why_str(reg_null_str));
    ok(strcmp(why.text, "\"\"") == 0, "of nothing");

    return done_testing();
}
