
/*
 * Two calls of Linux that not every libc has: musl has statx() since 1.2.5
 * and renameat2() since 1.2.6.  What they are called with is defined by the
 * libc that has them.  The file that includes this defines _GNU_SOURCE.
 */


#ifndef REG_FS_CALLS_H_INCLUDED
#define REG_FS_CALLS_H_INCLUDED


#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>


#ifndef STATX_BTIME

#include <linux/stat.h>

#define statx(dir, path, flags, mask, st)                                     \
    ((int) syscall(SYS_statx, dir, path, flags, mask, st))

#endif


#ifndef RENAME_NOREPLACE

#define RENAME_NOREPLACE  1

#define renameat2(from, name, to, as, flags)                                  \
    ((int) syscall(SYS_renameat2, from, name, to, as, flags))

#endif


#endif /* REG_FS_CALLS_H_INCLUDED */
