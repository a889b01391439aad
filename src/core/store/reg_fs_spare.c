
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>


/* room for the path of a spare, and of the file in it */
#define REG_FS_SPARE_PATH  (sizeof(REG_FS_SPARE) + REG_FS_UNIQUE + 16)


static void reg_fs_spare_name(const reg_fs_t *fs, uint64_t number,
    char *path, const char *tail);
static int reg_fs_spare_date(reg_fs_t *fs, const char *path,
    reg_str_t startedat);


/*
 * The name has the process in it: one that inherited the slots of another
 * finds nothing there, and makes its own.
 */

static void
reg_fs_spare_name(const reg_fs_t *fs, uint64_t number, char *path,
    const char *tail)
{
    (void) snprintf(path, REG_FS_SPARE_PATH,
                    REG_FS_SPARE "/%016" PRIx64 "-%lx-%" PRIx64 "%s",
                    fs->seed, (unsigned long) getpid(), number, tail);
}


int
reg_fs_spare_give(reg_fs_t *fs, int up, const char *name)
{
    int                  fd;
    char                 path[REG_FS_SPARE_PATH];
    unsigned             i;
    uint64_t             number;
    uint_fast64_t        empty;

    for (i = 0; i < REG_FS_SPARES; i++) {
        if (atomic_load_explicit(&fs->spares[i], memory_order_relaxed) == 0) {
            break;
        }
    }

    if (i == REG_FS_SPARES) {
        return -1;
    }

    number = atomic_fetch_add(&fs->count, 1) + 1;
    reg_fs_spare_name(fs, number, path, "");

    if (renameat(up, name, fs->root, path) == -1) {

        if (errno != ENOENT) {
            return -1;
        }

        /* the first one ever, or the session is gone */

        fd = reg_fs_own(fs, REG_FS_SPARE);

        if (fd == -1) {
            return -1;
        }

        (void) close(fd);

        if (renameat(up, name, fs->root, path) == -1) {
            return -1;
        }
    }

    for ( /* void */ ; i < REG_FS_SPARES; i++) {
        empty = 0;

        if (atomic_compare_exchange_strong(&fs->spares[i], &empty, number)) {
            return 0;
        }
    }

    /* others were quicker: it goes with what is old */

    return 0;
}


int
reg_fs_spare_take(reg_fs_t *fs, int up, const char *name,
    reg_str_t startedat)
{
    char      path[REG_FS_SPARE_PATH];
    unsigned  i;
    uint64_t  number;

    for (i = 0; i < REG_FS_SPARES; i++) {

        if (atomic_load_explicit(&fs->spares[i], memory_order_relaxed) == 0) {
            continue;
        }

        number = atomic_exchange(&fs->spares[i], 0);

        if (number == 0) {
            continue;
        }

        /* dated before it can be seen: who is old might be purged */

        reg_fs_spare_name(fs, number, path, "/startedat");

        if (reg_fs_spare_date(fs, path, startedat) == -1) {
            continue;
        }

        reg_fs_spare_name(fs, number, path, "");

        if (renameat(fs->root, path, up, name) == 0) {
            return 0;
        }
    }

    return -1;
}


static int
reg_fs_spare_date(reg_fs_t *fs, const char *path, reg_str_t startedat)
{
    int          fd, rc;
    struct stat  st;

    fd = reg_fs_open(fs, fs->root, path, O_WRONLY);

    if (fd == -1) {
        return -1;
    }

    rc = reg_fs_pwrite(fd, startedat.data, startedat.len, 0);

    /* other registries may write it with fractions of a second */

    if (rc == 0 && fstat(fd, &st) == 0 && st.st_size > (off_t) startedat.len)
    {
        rc = ftruncate(fd, (off_t) startedat.len);
    }

    (void) close(fd);

    return rc;
}
