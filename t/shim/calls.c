
/*
 * Preloaded into the server under test, these stand before the calls of the C
 * library by which it reads and changes its store, and break those that the
 * test asks for: see fault.h.  The names are those that programs with 64-bit
 * file offsets are linked with.
 */


#include "fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>


#if defined(__GLIBC__) && !defined(__LP64__)
#error "the names of 32-bit programs are not known here"
#endif

/* exported by glibc for the sake of libraries such as this one */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);


static unsigned fault_open_class(uint64_t flags);
static int fault_memory(const char *call);


static unsigned
fault_open_class(uint64_t flags)
{
    if (flags & O_CREAT) {
        return FAULT_NAME;
    }

    return ((flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH))
           ? FAULT_MODIFY : FAULT_OPEN;
}


/* --- names of files ------------------------------------------------------ */

int
open64(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
    va_end(args);

    if (fault(fault_open_class((uint64_t) flags), "open", AT_FDCWD, path)
        == -1)
    {
        return -1;
    }

    return REAL(open64)(path, flags, mode);
}


int
open(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
    va_end(args);

    return open64(path, flags, mode);
}


int
openat64(int dir, const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
    va_end(args);

    if (fault(fault_open_class((uint64_t) flags), "openat", dir, path) == -1) {
        return -1;
    }

    return REAL(openat64)(dir, path, flags, mode);
}


int
openat(int dir, const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
    va_end(args);

    return openat64(dir, path, flags, mode);
}


/* By which the store calls openat2(), which the C library has no name for. */

long
syscall(long number, ...)
{
    long                    a[6];
    size_t                  i;
    va_list                 args;
    const struct open_how  *how;

    va_start(args, number);

    for (i = 0; i < 6; i++) {
        a[i] = va_arg(args, long);
    }

    va_end(args);

    if (number == SYS_openat2) {
        how = (const struct open_how *) a[2];

        if (fault(fault_open_class(how->flags), "openat2", (int) a[0],
                  (const char *) a[1])
            == -1)
        {
            return -1;
        }
    }

    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}


int
mkdir(const char *path, mode_t mode)
{
    return fault(FAULT_NAME, "mkdir", AT_FDCWD, path) == -1
           ? -1 : REAL(mkdir)(path, mode);
}


int
mkdirat(int dir, const char *path, mode_t mode)
{
    return fault(FAULT_NAME, "mkdirat", dir, path) == -1
           ? -1 : REAL(mkdirat)(dir, path, mode);
}


int
rename(const char *from, const char *to)
{
    return fault(FAULT_NAME, "rename", AT_FDCWD, to) == -1
           ? -1 : REAL(rename)(from, to);
}


int
renameat(int from, const char *old, int to, const char *new)
{
    return fault(FAULT_NAME, "renameat", to, new) == -1
           ? -1 : REAL(renameat)(from, old, to, new);
}


int
renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    return fault(FAULT_NAME, "renameat2", to, new) == -1
           ? -1 : REAL(renameat2)(from, old, to, new, flags);
}


int
link(const char *from, const char *to)
{
    return fault(FAULT_NAME, "link", AT_FDCWD, to) == -1
           ? -1 : REAL(link)(from, to);
}


int
unlink(const char *path)
{
    return fault(FAULT_REMOVE, "unlink", AT_FDCWD, path) == -1
           ? -1 : REAL(unlink)(path);
}


int
unlinkat(int dir, const char *path, int flags)
{
    return fault(FAULT_REMOVE, (flags & AT_REMOVEDIR) ? "rmdir" : "unlinkat",
                 dir, path)
           == -1
           ? -1 : REAL(unlinkat)(dir, path, flags);
}


int
rmdir(const char *path)
{
    return fault(FAULT_REMOVE, "rmdir", AT_FDCWD, path) == -1
           ? -1 : REAL(rmdir)(path);
}


/* --- what is in them ----------------------------------------------------- */

ssize_t
write(int fd, const void *data, size_t len)
{
    return fault_bytes(FAULT_WRITE, "write", fd, &len) == -1
           ? -1 : REAL(write)(fd, data, len);
}


ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    return fault_bytes(FAULT_WRITE, "pwrite", fd, &len) == -1
           ? -1 : REAL(pwrite64)(fd, data, len, offset);
}


ssize_t
pwritev64(int fd, const struct iovec *iov, int n, off64_t offset)
{
    struct iovec  out[FAULT_IOVS];

    n = fault_vector(FAULT_WRITE, "pwritev", fd, iov, n, out);

    return (n == -1) ? -1 : REAL(pwritev64)(fd, out, n, offset);
}


int
ftruncate64(int fd, off64_t len)
{
    return fault_file(FAULT_CHANGE, "ftruncate", fd)
           ? -1 : REAL(ftruncate64)(fd, len);
}


int
fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    return fault_file(FAULT_CHANGE, "fallocate", fd)
           ? -1 : REAL(fallocate64)(fd, mode, offset, len);
}


int
futimens(int fd, const struct timespec times[2])
{
    return fault_file(FAULT_CHANGE, "futimens", fd)
           ? -1 : REAL(futimens)(fd, times);
}


int
fsync(int fd)
{
    if (fault_file(FAULT_SYNC, "fsync", fd) || REAL(fsync)(fd) == -1) {
        return -1;
    }

    fault_synced(fd);

    return 0;
}


int
fdatasync(int fd)
{
    if (fault_file(FAULT_SYNC, "fdatasync", fd) || REAL(fdatasync)(fd) == -1) {
        return -1;
    }

    fault_synced(fd);

    return 0;
}


ssize_t
read(int fd, void *data, size_t len)
{
    return fault_bytes(FAULT_READ, "read", fd, &len) == -1
           ? -1 : REAL(read)(fd, data, len);
}


ssize_t
pread64(int fd, void *data, size_t len, off64_t offset)
{
    return fault_bytes(FAULT_READ, "pread", fd, &len) == -1
           ? -1 : REAL(pread64)(fd, data, len, offset);
}


ssize_t
sendfile64(int out, int in, off64_t *offset, size_t len)
{
    return fault_bytes(FAULT_SEND, "sendfile", in, &len) == -1
           ? -1 : REAL(sendfile64)(out, in, offset, len);
}


struct dirent64 *
readdir64(DIR *dir)
{
    return fault_file(FAULT_LIST, "readdir", dirfd(dir))
           ? NULL : REAL(readdir64)(dir);
}


int
fstat64(int fd, struct stat64 *st)
{
    return fault_file(FAULT_STAT, "fstat", fd) ? -1 : REAL(fstat64)(fd, st);
}


int
fstatat64(int dir, const char *path, struct stat64 *st, int flags)
{
    return fault(FAULT_STAT, "fstatat", dir, path) == -1
           ? -1 : REAL(fstatat64)(dir, path, st, flags);
}


int
statx(int dir, const char *path, int flags, unsigned mask, struct statx *st)
{
    return fault(FAULT_STAT, "statx", dir, path[0] ? path : NULL) == -1
           ? -1 : REAL(statx)(dir, path, flags, mask, st);
}


int
flock(int fd, int operation)
{
    return fault_file(FAULT_LOCK, "flock", fd)
           ? -1 : REAL(flock)(fd, operation);
}


/* --- what comes and goes by the network ---------------------------------- */

ssize_t
recv(int fd, void *data, size_t len, int flags)
{
    return fault(FAULT_SOCKET, "recv", -1, NULL) == -1
           ? -1 : REAL(recv)(fd, data, len, flags);
}


ssize_t
send(int fd, const void *data, size_t len, int flags)
{
    return fault(FAULT_SOCKET, "send", -1, NULL) == -1
           ? -1 : REAL(send)(fd, data, len, flags);
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    return fault(FAULT_SOCKET, "writev", -1, NULL) == -1
           ? -1 : REAL(writev)(fd, iov, n);
}


/* --- memory -------------------------------------------------------------- */

/*
 * dlsym() allocates: these must not need it.  Blocks are counted so that a
 * test can tell whether as many are held as before.
 */

static int
fault_memory(const char *call)
{
    return fault(FAULT_MEMORY, call, -1, NULL) == -1;
}


void *
malloc(size_t size)
{
    void  *p;

    p = fault_memory("malloc") ? NULL : __libc_malloc(size);

    fault_block(p != NULL);

    return p;
}


void *
calloc(size_t n, size_t size)
{
    void  *p;

    p = fault_memory("calloc") ? NULL : __libc_calloc(n, size);

    fault_block(p != NULL);

    return p;
}


void *
realloc(void *old, size_t size)
{
    void  *p;

    p = fault_memory("realloc") ? NULL : __libc_realloc(old, size);

    fault_block(old == NULL && p != NULL);

    return p;
}


int
posix_memalign(void **out, size_t align, size_t size)
{
    void  *p;

    p = fault_memory("posix_memalign") ? NULL : __libc_memalign(align, size);

    if (p == NULL) {
        return ENOMEM;
    }

    fault_block(1);

    *out = p;

    return 0;
}


void
free(void *p)
{
    if (p != NULL) {
        fault_block(-1);
    }

    __libc_free(p);
}
