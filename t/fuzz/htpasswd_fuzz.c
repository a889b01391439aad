
/* Input: a password file. */

#include "fuzz.h"
#include "reg_htpasswd.h"
#include "reg_lines.h"


typedef struct {
    size_t  n;
    size_t  line;
} skipped_t;


static void skip(void *data, size_t line, const char *reason);
static void found(const reg_htpasswd_t *t, reg_str_t line);


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


/* Whatever is found is a hash that may be run, and it is in the line. */

static void
found(const reg_htpasswd_t *t, reg_str_t line)
{
    reg_str_t              user;
    const char            *colon, *why;
    reg_htpasswd_check_t   check;
    reg_password_effort_t  effort;
    reg_password_limits_t  limits = { 12, 100000 };

    colon = memchr(line.data, ':', line.len);
    user = line;

    if (colon != NULL) {
        user.len = (size_t) (colon - line.data);
    }

    reg_htpasswd_find(t, user, &check);

    if (!check.known) {
        must(check.hash[0] == '\0');
        return;
    }

    must(reg_user_valid(user));
    must(reg_password_hash_parse(reg_str_of(check.hash), &limits, &effort,
                                 &why)
         == 0);
    must(effort.bcrypt_cost <= check.top.bcrypt_cost
         && effort.sha_rounds <= check.top.sha_rounds);
    must(effort.bcrypt_cost <= 12 && effort.sha_rounds <= 100000);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                   *copy;
    size_t                  n;
    reg_str_t               line;
    reg_why_t               why;
    skipped_t               skipped = { 0, 0 };
    reg_lines_t             lines;
    reg_htpasswd_t         *t;
    reg_password_limits_t   limits = { 12, 100000 };

    copy = fuzz_copy(data, size);

    t = reg_htpasswd_parse(fuzz_str(copy, size), &limits, skip, &skipped,
                           &why);
    must(t != NULL);

    n = 0;
    reg_lines_init(&lines, fuzz_str(copy, size));

    while (reg_lines_next(&lines, &line)) {
        found(t, line);
        n++;
    }

    must(reg_htpasswd_count(t) + skipped.n == n);
    must(reg_htpasswd_open(t) == (int) lines.open);

    reg_htpasswd_free(t);
    free(copy);

    return 0;
}
