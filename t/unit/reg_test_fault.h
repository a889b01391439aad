
/*
 * System calls that fail, or kill, on demand.  A test that includes this file
 * puts its own versions of them before those of the C library, for the whole
 * program:
 *
 *     fault_arm(n, ENOSPC);       the nth call from now on fails that way
 *     fault_arm(n, FAULT_KILL);   the process ends there, as by SIGKILL
 *     fault_arm(n, FAULT_CALL);   fault_call() runs just before it; when that
 *                                 has set fault_then, it fails after all
 *     ... do the thing ...
 *     if (!fault_disarm()) {      fewer than n calls were made
 *
 * With fault_lazy set nothing is synced really, which takes most of the time.
 *
 * Counted are the calls that change something; those that read, or open what is
 * there, when fault_only is FAULT_READ or FAULT_OPEN.  fault_short makes reads
 * and writes move one byte at a time, and tells of a signal now and then.
 */


#ifndef REG_TEST_FAULT_H_INCLUDED
#define REG_TEST_FAULT_H_INCLUDED


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/types.h>
#include <unistd.h>


#define FAULT_KILL  (-1)
#define FAULT_CALL  (-2)

/* which calls: bits of fault_only, 0 for all */
#define FAULT_SYNC    1
#define FAULT_NAME    2
#define FAULT_WRITE   4
#define FAULT_TIME    8
#define FAULT_READ   16
#define FAULT_OPEN   32


static long      fault_at;
static long      fault_seen;
static int       fault_errno;
static int       fault_hit;
static unsigned  fault_only;
static void    (*fault_call)(void);
static int       fault_then;
static int       fault_short;
static int       fault_lazy;
static unsigned  fault_turn;


__attribute__((unused)) static void
fault_arm(long n, int err)
{
    fault_seen = 0;
    fault_hit = 0;
    fault_errno = err;
    fault_at = n;
}


/* Ends that; 1 when the call was reached. */

__attribute__((unused)) static int
fault_disarm(void)
{
    fault_at = 0;

    return fault_hit;
}


static int
fault(unsigned kind)
{
    if (fault_at == 0 || (fault_only != 0 && !(fault_only & kind))
        || ++fault_seen != fault_at)
    {
        return 0;
    }

    fault_hit = 1;

    if (fault_errno == FAULT_KILL) {
        _exit(99);
    }

    if (fault_errno == FAULT_CALL) {
        fault_call();

        errno = fault_then;
        fault_then = 0;

        return errno != 0;
    }

    errno = fault_errno;

    return 1;
}


/* Now and then a signal, otherwise one byte. */

static int
fault_cut(size_t *len)
{
    if (!fault_short) {
        return 0;
    }

    if (++fault_turn % 7 == 0) {
        errno = EINTR;
        return 1;
    }

    if (*len > 1) {
        *len = (*len > 4096) ? *len / 3 : 1;
    }

    return 0;
}


int
fsync(int fd)
{
    if (fault(FAULT_SYNC)) {
        return -1;
    }

    return fault_lazy ? 0 : (int) syscall(SYS_fsync, fd);
}


int
fdatasync(int fd)
{
    if (fault(FAULT_SYNC)) {
        return -1;
    }

    return fault_lazy ? 0 : (int) syscall(SYS_fdatasync, fd);
}


int
renameat(int from, const char *a, int to, const char *b)
{
    return fault(FAULT_NAME) ? -1
                             : (int) syscall(SYS_renameat2, from, a, to, b, 0);
}


int
renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
    return fault(FAULT_NAME)
           ? -1 : (int) syscall(SYS_renameat2, from, a, to, b, flags);
}


int
mkdirat(int dir, const char *name, mode_t mode)
{
    return fault(FAULT_NAME) ? -1
                             : (int) syscall(SYS_mkdirat, dir, name, mode);
}


int
unlinkat(int dir, const char *name, int flags)
{
    return fault(FAULT_NAME) ? -1
                             : (int) syscall(SYS_unlinkat, dir, name, flags);
}


int
openat(int dir, const char *name, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
    va_end(args);

    if ((flags & O_CREAT) ? fault(FAULT_NAME)
                          : (fault_only == FAULT_OPEN && fault(FAULT_OPEN)))
    {
        return -1;
    }

    return (int) syscall(SYS_openat, dir, name, flags, mode);
}


int
futimens(int fd, const struct timespec times[2])
{
    return fault(FAULT_TIME) ? -1 : (int) syscall(SYS_utimensat, fd, NULL,
                                                  times, 0);
}


ssize_t
write(int fd, const void *data, size_t len)
{
    if (fd <= 2) {
        return syscall(SYS_write, fd, data, len);
    }

    return (fault(FAULT_WRITE) || fault_cut(&len))
           ? -1 : syscall(SYS_write, fd, data, len);
}


ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return (fault(FAULT_WRITE) || fault_cut(&len))
           ? -1 : syscall(SYS_pwrite64, fd, data, len, offset);
}


ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
    int           i;
    size_t        len, left;
    struct iovec  some[64];

    len = 0;

    for (i = 0; i < n && i < 64; i++) {
        some[i] = iov[i];
        len += iov[i].iov_len;
    }

    n = i;

    if (fault(FAULT_WRITE) || fault_cut(&len)) {
        return -1;
    }

    left = len;

    for (i = 0; i < n; i++) {
        if (some[i].iov_len > left) {
            some[i].iov_len = left;
        }

        left -= some[i].iov_len;
    }

    return syscall(SYS_pwritev, fd, some, n, offset, 0);
}


ssize_t
read(int fd, void *data, size_t len)
{
    return ((fault_only == FAULT_READ && fault(FAULT_READ)) || fault_cut(&len))
           ? -1 : syscall(SYS_read, fd, data, len);
}


ssize_t
pread(int fd, void *data, size_t len, off_t offset)
{
    return ((fault_only == FAULT_READ && fault(FAULT_READ)) || fault_cut(&len))
           ? -1 : syscall(SYS_pread64, fd, data, len, offset);
}


int
ftruncate(int fd, off_t len)
{
    return fault(FAULT_WRITE) ? -1 : (int) syscall(SYS_ftruncate, fd, len);
}


int
fallocate(int fd, int mode, off_t offset, off_t len)
{
    return fault(FAULT_WRITE) ? -1 : (int) syscall(SYS_fallocate, fd, mode,
                                                   offset, len);
}


#endif /* REG_TEST_FAULT_H_INCLUDED */
