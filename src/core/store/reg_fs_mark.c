
/*
 * The size that a file was stored with, noted upon its inode, and compared
 * with what it has whenever it is opened.
 *
 * To ask for the note costs as much as another fstat(), some percent of a HEAD
 * that nginx answers from memory.  What was found to be right is therefore
 * remembered by inode, size and time of the last change: whoever cuts the file,
 * or writes a note upon it, changes one of these.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_fs.h"

#include "reg_time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>


#define REG_FS_MARK      "user.registry.size"
#define REG_FS_MARK_MAX  20


void
reg_fs_mark(int fd, uint64_t size)
{
    int   n;
    char  text[REG_FS_MARK_MAX + 1];

    n = snprintf(text, sizeof(text), "%" PRIu64, size);

    (void) fsetxattr(fd, REG_FS_MARK, text, (size_t) n, 0);
}


int
reg_fs_marked(int fd, uint64_t *size)
{
    char       text[REG_FS_MARK_MAX];
    ssize_t    n;
    uint64_t   value;
    reg_str_t  s;

    n = fgetxattr(fd, REG_FS_MARK, text, sizeof(text));

    if (n == -1) {
        switch (errno) {

        case ENODATA:
        case ENOTSUP:
        case ERANGE:
        case EPERM:
        case EACCES:
        case ENOSYS:
            return 0;

        default:
            return -1;
        }
    }

    s.data = text;
    s.len = (size_t) n;

    /* whatever else it says, nobody of us has written it */

    if (reg_str_number(s, UINT64_MAX, &value) != 0) {
        return 0;
    }

    *size = value;

    return 1;
}


int
reg_fs_whole(reg_fs_t *fs, int fd, const struct stat *st, uint64_t *whole)
{
    int64_t                began;
    uint64_t               key;
    atomic_uint_fast64_t  *slot;

    *whole = (uint64_t) st->st_size;

    key = reg_fs_mix(reg_fs_mix(st->st_ino, (uint64_t) st->st_size),
                     (uint64_t) reg_time_ns(&st->st_ctim));

    slot = &fs->whole[(key >> 1) % REG_FS_KNOWN];

    if (atomic_load_explicit(slot, memory_order_relaxed) == key) {
        return 0;
    }

    began = reg_fs_now();

    if (reg_fs_marked(fd, whole) == -1) {
        return -1;
    }

    if (*whole == (uint64_t) st->st_size && reg_fs_settled(st, began)) {
        atomic_store_explicit(slot, key, memory_order_relaxed);
    }

    return 0;
}
