
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>


/* a disk that answers EAGAIN this often in a row is not going to work */
#define REG_FS_AGAIN  1000

/* of one read() or write(): Linux moves no more than 2 GiB - 4 KiB at once */
#define REG_FS_PIECE  (1024 * 1024 * 1024)


int
reg_fs_again(int *tries)
{
    if (errno == EINTR) {
        return 1;
    }

    if ((errno == EAGAIN || errno == EWOULDBLOCK)
        && ++*tries < REG_FS_AGAIN)
    {
        (void) sched_yield();
        return 1;
    }

    return 0;
}


int
reg_fs_write(int fd, const void *data, size_t len)
{
    int          tries;
    ssize_t      n;
    const char  *p;

    p = data;
    tries = 0;

    while (len > 0) {
        n = write(fd, p, (len < REG_FS_PIECE) ? len : REG_FS_PIECE);

        if (n == -1) {
            if (reg_fs_again(&tries)) {
                continue;
            }

            return -1;
        }

        p += n;
        len -= (size_t) n;
    }

    return 0;
}


int
reg_fs_pwrite(int fd, const void *data, size_t len, uint64_t offset)
{
    int          tries;
    ssize_t      n;
    const char  *p;

    p = data;
    tries = 0;

    while (len > 0) {
        n = pwrite(fd, p, (len < REG_FS_PIECE) ? len : REG_FS_PIECE,
                   (off_t) offset);

        if (n == -1) {
            if (reg_fs_again(&tries)) {
                continue;
            }

            return -1;
        }

        p += n;
        offset += (uint64_t) n;
        len -= (size_t) n;
    }

    return 0;
}


int
reg_fs_pwritev(int fd, struct iovec *iov, int n, uint64_t offset)
{
    int      tries;
    ssize_t  done;

    tries = 0;

    while (n > 0) {
        done = pwritev(fd, iov, n, (off_t) offset);

        if (done == -1) {
            if (reg_fs_again(&tries)) {
                continue;
            }

            return -1;
        }

        offset += (uint64_t) done;

        while (n > 0 && (size_t) done >= iov->iov_len) {
            done -= (ssize_t) iov->iov_len;
            iov++;
            n--;
        }

        if (n > 0) {
            iov->iov_base = (char *) iov->iov_base + done;
            iov->iov_len -= (size_t) done;
        }
    }

    return 0;
}


ssize_t
reg_fs_pread(int fd, void *data, size_t len, uint64_t offset)
{
    int      tries;
    char    *p;
    size_t   size;
    ssize_t  n;

    p = data;
    size = 0;
    tries = 0;

    while (size < len) {
        n = len - size;
        n = pread(fd, p + size, (n < REG_FS_PIECE) ? (size_t) n : REG_FS_PIECE,
                  (off_t) (offset + size));

        if (n == 0) {
            break;
        }

        if (n == -1) {
            if (reg_fs_again(&tries)) {
                continue;
            }

            return -1;
        }

        size += (size_t) n;
    }

    return (ssize_t) size;
}


int
reg_fs_create(reg_fs_t *fs, int dir, const char *name, reg_str_t data)
{
    int  fd, err;

    fd = reg_fs_open(fs, dir, name, O_WRONLY|O_CREAT|O_EXCL);

    if (fd == -1) {
        return -1;
    }

    if (reg_fs_write(fd, data.data, data.len) == -1) {
        err = errno;
        (void) close(fd);
        (void) unlinkat(dir, name, 0);
        errno = err;

        return -1;
    }

    return fd;
}
