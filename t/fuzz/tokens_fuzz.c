
/* Input: a file of access tokens. */

#include "fuzz.h"
#include "reg_lines.h"
#include "reg_name.h"
#include "reg_tokens.h"


typedef struct {
    size_t  n;
    size_t  line;
} skipped_t;


static void skip(void *data, size_t line, const char *reason);
static void again(const reg_tokens_line_t *l);
static void found(const reg_tokens_t *t, reg_str_t line);


static void
skip(void *data, size_t line, const char *reason)
{
    skipped_t  *s;

    s = data;

    must(line > s->line);
    must(reason != NULL && reason[0] != '\0');

    s->line = line;
    s->n++;
}


/* What can be written is read as it was. */

static void
again(const reg_tokens_line_t *l)
{
    size_t             i;
    reg_buf_t          b;
    const char        *why;
    reg_tokens_line_t  back;

    reg_buf_init(&b, 1024 * 1024);

    if (reg_tokens_line_print(&b, l, &why) == 0) {
        must(reg_tokens_line_parse(&back, reg_buf_slice(&b), &why) == 0);

        must(reg_str_eq(back.name, l->name));
        must(memcmp(back.hash, l->hash, sizeof(l->hash)) == 0);
        must(back.expires == l->expires && back.created == l->created);
        must(reg_str_eq(back.owner, l->owner));
        must(reg_str_eq(back.comment, l->comment));
        must(back.n == l->n);

        for (i = 0; i < l->n; i++) {
            must(reg_str_eq(back.allow[i], l->allow[i]));
        }
    }

    reg_buf_free(&b);
}


static void
found(const reg_tokens_t *t, reg_str_t line)
{
    size_t              i;
    unsigned            all, one;
    const char         *why;
    reg_tokens_line_t   l;
    reg_tokens_check_t  check;

    static const reg_str_t  names[] = {
        { 1, "a" }, { 6, "team/a" }, { 7, "ann/app" }, { 0, "" }, { 1, "A" }
    };

    if (reg_tokens_line_parse(&l, line, &why) != 0) {
        must(why != NULL && why[0] != '\0');
        return;
    }

    must(reg_tokens_name_valid(l.name));
    must(l.n > 0 && l.n <= REG_TOKENS_ALLOW_MAX);
    must(l.owner.len == 0 || reg_user_valid(l.owner));
    must(l.expires >= 0 && l.created >= -1);

    again(&l);

    reg_tokens_find(t, l.name, &check);

    if (!check.known) {
        must(check.entry == NULL && check.owner[0] == '\0');
        return;
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        if (reg_tokens_may(check.entry, REG_MAY_ALL, names[i], &all) != 0) {
            must(all == 0);
            continue;
        }

        must(all == 0 || reg_name_valid(names[i]));
        must(all == 0 || reg_tokens_somewhere(check.entry, all));

        if (reg_tokens_may(check.entry, REG_MAY_PUSH, names[i], &one) == 0) {
            must(one == (all & REG_MAY_PUSH));
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          *copy;
    size_t         n;
    reg_str_t      line;
    reg_why_t      why;
    skipped_t      skipped = { 0, 0 };
    reg_lines_t    lines;
    reg_tokens_t  *t;

    copy = fuzz_copy(data, size);

    t = reg_tokens_parse(fuzz_str(copy, size), skip, &skipped, &why);
    must(t != NULL);

    n = 0;
    reg_lines_init(&lines, fuzz_str(copy, size));

    while (reg_lines_next(&lines, &line)) {
        found(t, line);
        n++;
    }

    must(reg_tokens_count(t) + skipped.n == n);
    must(reg_tokens_open(t) == (int) lines.open);

    reg_tokens_free(t);
    free(copy);

    return 0;
}
