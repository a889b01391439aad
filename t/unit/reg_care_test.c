
#include "reg_test_store.h"

#include "reg_care.h"


#define FILE_NAME  REG_LAYOUT_OWN "/care"


static void test_last(void);
static void test_old(void);
static void test_hostile(void);


static reg_store_t      *s;
static reg_care_t        c;
static reg_care_last_t   last;


int
main(void)
{
    root_make();
    s = store_open();

    test_last();
    test_old();
    test_hostile();

    reg_store_close(s);

    return done_testing();
}


static reg_rc_t
begin(unsigned dry)
{
    memset(&c, 0, sizeof(c));
    memset(&last, 0, sizeof(last));

    c.dry = dry;

    return reg_care_begin(&c, s, FILE_NAME, NULL);
}


static unsigned
unfinished(void)
{
    if (reg_care_last(s, FILE_NAME, &last, NULL) != REG_OK) {
        bail("last");
    }

    return last.unfinished;
}


static void
test_last(void)
{
    int64_t  done;

    is_num(reg_care_last(s, FILE_NAME, &last, NULL), REG_ABSENT,
           "nobody has worked");

    is_num(begin(0), REG_OK, "one begins");
    is_num(unfinished(), 1, "and is at it");
    is_num(last.done, 0, "nobody has come to an end");
    ok(last.began == c.now, "he begins now");
    reg_care_end(&c);
    is_num(unfinished(), 1, "F04 he is killed");

    (void) begin(0);
    is_num(unfinished(), 2, "F04 and the next");
    reg_care_done(&c);
    reg_care_end(&c);
    is_num(unfinished(), 0, "one comes to an end");
    ok(last.done == c.now && last.done >= last.began, "now");
    done = last.done;

    (void) begin(1);
    reg_care_done(&c);
    reg_care_end(&c);
    is_num(unfinished(), 0, "one who changes nothing does not count");
    ok(last.done == done, "nor his end");

    (void) begin(0);
    reg_care_end(&c);
    is_num(unfinished(), 1, "killed");
    ok(last.done == done, "the one before had come to his end");
}


/* What another version, or another hand, has left. */

static void
test_old(void)
{
    struct timespec  t[2];

    spit(at(FILE_NAME), "boot 1 2 3 4.\n");
    is_num(unfinished(), 0, "a file of one line");
    ok(last.done > 0 && last.done == last.began, "was done when it changed");

    (void) begin(0);
    reg_care_done(&c);
    reg_care_end(&c);

    t[0].tv_sec = 1000;
    t[0].tv_nsec = 0;
    t[1] = t[0];
    (void) utimensat(AT_FDCWD, at(FILE_NAME), t, 0);
    is_num(unfinished(), 0, "one that is dated back");
    ok(last.done == 1000 * REG_TIME_SECOND, "is as old as that");

    (void) begin(1);
    reg_care_end(&c);
    (void) unfinished();
    ok(last.done == 1000 * REG_TIME_SECOND,
       "and remains so when only the clock is noted");

    spit(at(FILE_NAME), "boot 1 2 3 4.\n");
    (void) utimensat(AT_FDCWD, at(FILE_NAME), t, 0);
    (void) begin(1);
    reg_care_end(&c);
    is_num(unfinished(), 0, "the clock is noted in a file of one line");
    ok(last.done == 1000 * REG_TIME_SECOND, "which is not done now by that");
}


/* Who may write in the store may write there. */

static void
test_hostile(void)
{
    unsigned  i;
    char      text[512], boot[64];

    static const char  *const rows[] = {
        "9223372036854775807 0 0 0.",
        "-9223372036854775808 0 0 0.",
        "0 -9223372036854775808 0 0.",
        "0 9223372036854775807 0 0.",
        "0 0 -9223372036854775808 9223372036854775807.",
        "0 0 9223372036854775807 9223372036854775807.",
        "99999999999999999999999999 0 0 0.",
        "0 0 0 -1."
    };

    static const char  *const lasts[] = {
        "began 9223372036854775807 done 9223372036854775807 unfinished 1.",
        "began -9223372036854775808 done -9223372036854775808 unfinished 1.",
        "began 1 done 99999999999999999999999 unfinished 99999999999999.",
        "began", "", "\n\n\n"
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void) begin(0);
        (void) snprintf(boot, sizeof(boot), "%s", c.boot);
        reg_care_end(&c);

        (void) snprintf(text, sizeof(text), "%s %s\nbegan 1 done 2 "
                        "unfinished 4294967295.\n", boot, rows[i]);
        spit(at(FILE_NAME), text);
        is_num(begin(0), REG_OK, rows[i]);
        ok(c.jump >= 0 && c.jump < INT64_C(1) << 62
           && reg_care_before(&c, 3600 * REG_TIME_SECOND) < c.now,
           "no harm is done");
        ok(unfinished() > 0, "nor by a count that is at its end");
        reg_care_end(&c);
    }

    for (i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++) {
        (void) snprintf(text, sizeof(text), "x\n%s\n", lasts[i]);
        spit(at(FILE_NAME), text);
        (void) unfinished();
        ok(last.began <= INT64_C(1) << 61 && last.done <= INT64_C(1) << 61,
           "times in range: %.20s", lasts[i]);
        is_num(begin(0), REG_OK, "and it goes on");
        reg_care_end(&c);
    }
}
