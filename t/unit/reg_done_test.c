
#include "reg_test_store.h"

#include "reg_done.h"


#define FILE_OF(job)  "docker/registry/nginx/" job ".done"


static void test_lines(void);
static void test_faults(void);


static reg_store_t  *s;


int
main(void)
{
    int64_t     when;
    reg_done_t  d, got;

    root_make();
    s = store_open();

    is_num(reg_done_read(s, REG_DONE_GC, &got, NULL), REG_ABSENT, "none yet");
    is_num(reg_done_when(s, REG_DONE_GC, &when, NULL), REG_ABSENT,
           "nor a time");

    d.time = 1784567890;
    d.took = 5321;
    d.problems = 1;
    d.blobs = 1200;
    d.bytes = UINT64_MAX;
    d.repositories = 12;

    is_num(reg_done_write(s, REG_DONE_GC, &d, NULL), REG_OK, "written");
    is_num(reg_done_read(s, REG_DONE_GC, &got, NULL), REG_OK, "and read");
    ok(got.time == d.time && got.took == d.took && got.problems == d.problems
       && got.blobs == d.blobs && got.bytes == d.bytes
       && got.repositories == d.repositories, "the same");
    is_num(reg_done_when(s, REG_DONE_GC, &when, NULL), REG_OK, "its time");
    ok(when > 0, "is one");

    is_num(reg_done_read(s, REG_DONE_BACKUP, &got, NULL), REG_ABSENT,
           "another job has none");

    d.time++;
    is_num(reg_done_write(s, REG_DONE_GC, &d, NULL), REG_OK, "once more");
    is_num(reg_done_read(s, REG_DONE_GC, &got, NULL), REG_OK, "is read");
    is_num(got.time, d.time, "in place of the old");

    test_lines();
    test_faults();

    reg_store_close(s);

    return done_testing();
}


static void
test_lines(void)
{
    size_t      i;
    reg_rc_t    rc;
    reg_done_t  got;

    static const struct {
        const char  *line;
        reg_rc_t     rc;
    } rows[] = {
        { "1 2 3 4 5 6\n",                        REG_OK },
        { "9223372036854775807 0 0 0 0 0\n",      REG_OK },
        { "9223372036854775808 0 0 0 0 0\n",      REG_ABSENT },
        { "1 18446744073709551615 0 0 0 0\n",     REG_OK },
        { "1 18446744073709551616 0 0 0 0\n",     REG_ABSENT },
        { "0 2 3 4 5 6\n",                        REG_ABSENT },
        { "-1 2 3 4 5 6\n",                       REG_ABSENT },
        { "1 2 3 4 5 6",                          REG_ABSENT },
        { "1 2 3 4 5\n",                          REG_ABSENT },
        { "1 2 3 4 5 6 7\n",                      REG_ABSENT },
        { "1 2 3 4 5 6\n\n",                      REG_ABSENT },
        { "1  2 3 4 5 6\n",                       REG_ABSENT },
        { "1 2 3 4 5 x\n",                        REG_ABSENT },
        { "\n",                                   REG_ABSENT },
        { "",                                     REG_ABSENT },
        { " 1 2 3 4 5 6\n",                       REG_ABSENT }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        spit_bytes(at(FILE_OF("scrub")), rows[i].line, strlen(rows[i].line));

        rc = reg_done_read(s, REG_DONE_SCRUB, &got, NULL);
        ok(rc == rows[i].rc, "line %zu: %s", i, rows[i].line);
    }

    ok(reg_done_read(s, REG_DONE_GC, &got, NULL) == REG_OK,
       "one that is well stays so");
}


static void
test_faults(void)
{
    char        text[4096];
    reg_done_t  d, got;
    reg_rc_t    rc;

    memset(text, '1', sizeof(text));
    spit_bytes(at(FILE_OF("purge")), text, sizeof(text));

    rc = reg_done_read(s, REG_DONE_PURGE, &got, NULL);
    ok(rc != REG_OK, "a line that is far too long is none");

    if (mkdir(at(FILE_OF("backup")), 0755) == -1) {
        bail("mkdir");
    }

    memset(&d, 0, sizeof(d));
    d.time = 1;

    ok(reg_done_read(s, REG_DONE_BACKUP, &got, NULL) != REG_OK,
       "nor is a directory");
    ok(reg_done_write(s, REG_DONE_BACKUP, &d, NULL) != REG_OK,
       "in whose place nothing can be put");
}
