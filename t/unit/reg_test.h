
/*
 * TAP for the unit tests: each check prints one line at once, done_testing()
 * prints the plan, so that a test which dies on its way has none.
 *
 * Cases are rows of tables; the description of a check names its row.
 */


#ifndef REG_TEST_H_INCLUDED
#define REG_TEST_H_INCLUDED


#include "reg_str.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


#define REG_TEST_UNUSED  __attribute__((unused))


/* descriptors that are looked at */
#define REG_TEST_FDS     1024


static unsigned  reg_test_count;
static unsigned  reg_test_failed;

/* inherited from who runs the test */
static char      reg_test_fds[REG_TEST_FDS];


/* Prints bytes so that they fit one line of TAP. */

REG_TEST_UNUSED static void
reg_test_print(const char *what, reg_str_t s)
{
    size_t         i;
    unsigned char  c;

    printf("#   %s ", what);

    if (s.data == NULL) {
        printf("(null)\n");
        return;
    }

    printf("\"");

    for (i = 0; i < s.len && i < 400; i++) {
        c = (unsigned char) s.data[i];

        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            printf("\\x%02x", c);

        } else {
            printf("%c", c);
        }
    }

    printf("\"%s (%zu)\n", (i < s.len) ? "..." : "", s.len);
}


/* Checks a condition; the description is a printf format. */

__attribute__((format(printf, 2, 3)))
REG_TEST_UNUSED static int
ok(int pass, const char *fmt, ...)
{
    int      n;
    char     text[256], *p;
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    if (n < 0) {
        text[0] = '\0';
    }

    for (p = text; *p; p++) {

        /* a description is one line, and "#" begins a directive of TAP */

        if ((unsigned char) *p < 0x20 || *p == '#' || *p == '\x7f') {
            *p = '.';
        }
    }

    reg_test_count++;

    if (!pass) {
        reg_test_failed++;
    }

    printf("%sok %u - %s\n", pass ? "" : "not ", reg_test_count, text);
    fflush(stdout);

    return pass;
}


/* Checks that two slices hold the same bytes, and shows them when not. */

REG_TEST_UNUSED static int
is_str(reg_str_t got, reg_str_t want, const char *what)
{
    int  pass;

    pass = (got.len == want.len
            && (got.len == 0 || memcmp(got.data, want.data, got.len) == 0));

    if (!ok(pass, "%s", what)) {
        reg_test_print("got ", got);
        reg_test_print("want", want);
    }

    return pass;
}


/* The same for a NUL-terminated string that was expected. */

REG_TEST_UNUSED static int
is(reg_str_t got, const char *want, const char *what)
{
    reg_str_t  s;

    s.data = want;
    s.len = strlen(want);

    return is_str(got, s, what);
}


REG_TEST_UNUSED static int
is_num(long long got, long long want, const char *what)
{
    int  pass;

    pass = (got == want);

    if (!ok(pass, "%s", what)) {
        printf("#   got  %lld\n#   want %lld\n", got, want);
    }

    return pass;
}


/* Calls fn with each descriptor that is open. */

static void
reg_test_fds_each(void (*fn)(int fd))
{
    int             fd;
    DIR            *list;
    struct dirent  *entry;

    list = opendir("/proc/self/fd");

    if (list == NULL) {
        return;
    }

    while ((entry = readdir(list)) != NULL) {
        fd = atoi(entry->d_name);

        if (fd > 2 && fd < REG_TEST_FDS && fd != dirfd(list)) {
            fn(fd);
        }
    }

    (void) closedir(list);
}


static void
reg_test_fds_inherit(int fd)
{
    reg_test_fds[fd] = 1;
}


__attribute__((constructor))
REG_TEST_UNUSED static void
reg_test_fds_begin(void)
{
    reg_test_fds_each(reg_test_fds_inherit);
}


/* What is open still was forgotten: a test has closed its stores by now. */

static void
reg_test_fds_left(int fd)
{
    char     link[64], path[512];
    ssize_t  n;

    if (reg_test_fds[fd]) {
        return;
    }

    (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[(n > 0) ? n : 0] = '\0';

    ok(0, "descriptor %d is closed in the end: %s", fd, path);
}


/* Ends main(): "return done_testing();" */

REG_TEST_UNUSED static int
done_testing(void)
{
    if (reg_test_count == 0) {
        printf("not ok 1 - no test was run\n");
        reg_test_failed++;
        reg_test_count++;
    }

    reg_test_fds_each(reg_test_fds_left);

    printf("1..%u\n", reg_test_count);

    if (reg_test_failed != 0) {
        printf("# failed %u of %u\n", reg_test_failed, reg_test_count);
    }

    return (reg_test_failed != 0) ? 1 : 0;
}


#endif /* REG_TEST_H_INCLUDED */
