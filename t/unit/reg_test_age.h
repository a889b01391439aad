
/* Things of a store that are older than they are. */


#ifndef REG_TEST_AGE_H_INCLUDED
#define REG_TEST_AGE_H_INCLUDED


#include "reg_test_store.h"

#include <time.h>


static int64_t  age_seconds;


REG_TEST_UNUSED static void
age_one(const char *path, int64_t seconds)
{
    struct timespec  t[2];

    (void) clock_gettime(CLOCK_REALTIME, &t[0]);

    t[0].tv_sec -= seconds;
    t[1] = t[0];

    if (utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW) == -1) {
        bail(path);
    }
}


static int
age_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void) st;
    (void) flag;
    (void) ftw;

    age_one(path, age_seconds);

    return 0;
}


/* A file, or a directory with all that is in it. */

REG_TEST_UNUSED static void
age(const char *path, int64_t seconds)
{
    age_seconds = seconds;

    if (nftw(path, age_entry, 32, FTW_DEPTH|FTW_PHYS) == -1) {
        bail(path);
    }
}


#endif /* REG_TEST_AGE_H_INCLUDED */
