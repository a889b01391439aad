
/*
 * Preloaded into the server under test, this library stands before the calls
 * of the C library by which it reads and changes its store, and breaks those
 * that the test asks for: see fault.h.  Nothing is broken, and next to nothing
 * is slower, until the page in the file that $FAULT_PAGE names is armed.
 *
 * A worker keeps the page it was forked with.  The names are those that
 * programs with 64-bit file offsets are linked with.
 */


#include "fault.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>


#if defined(__GLIBC__) && !defined(__LP64__)
#error "the names of 32-bit programs are not known here"
#endif

/* vectors longer than this are passed on in parts, as the kernel may */
#define FAULT_IOVS  64

/* what the C library has under that name */
#define REAL(name)                                                            \
    ({                                                                        \
        static __typeof__(name)  *real_;                                      \
        if (real_ == NULL) {                                                  \
            real_ = (__typeof__(name) *) dlsym(RTLD_NEXT, #name);             \
        }                                                                     \
        real_;                                                                \
    })


/* exported by glibc for the sake of libraries such as this one */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);


static void fault_init(void) __attribute__((constructor));
static int fault(unsigned class, const char *call, int dir, const char *path);
static int fault_matches(unsigned class, int dir, const char *path);
static int fault_inside(int dir, const char *path);
static void fault_tell(const char *call, int dir, const char *path);
static void fault_lose(int fd);
static int fault_file(unsigned class, const char *call, int fd);
static int fault_bytes(unsigned class, const char *call, int fd, size_t *len);
static int fault_vector(unsigned class, const char *call, int fd,
    const struct iovec *iov, int n, struct iovec *out);
static unsigned fault_open_class(uint64_t flags);
static int fault_memory(const char *call);
static void fault_block(int n);


static fault_page_t  *fault_page;


static void
fault_init(void)
{
    int          fd;
    void        *page;
    const char  *path;

    path = getenv("FAULT_PAGE");

    if (path == NULL) {
        return;
    }

    fd = REAL(open)(path, O_RDWR|O_CLOEXEC);

    if (fd == -1) {
        perror(path);
        _exit(126);
    }

    page = mmap(NULL, sizeof(fault_page_t), PROT_READ|PROT_WRITE, MAP_SHARED,
                fd, 0);

    if (page == MAP_FAILED) {
        perror(path);
        _exit(126);
    }

    (void) close(fd);

    fault_page = page;
}


/*
 * What is to become of a call: 0 when it is made as it is, -1 when it fails
 * with errno set, 1 when it is to move less than it was asked to.  dir and
 * path are those of openat(), path NULL for a call about a descriptor; dir is
 * -1 and path NULL for one that is about no file.
 */

static int
fault(unsigned class, const char *call, int dir, const char *path)
{
    int      err;
    int64_t  n, at, times, action;

    if (fault_page == NULL || !fault_page->armed) {
        return 0;
    }

    err = errno;

    if (!fault_matches(class, dir, path)) {
        errno = err;
        return 0;
    }

    errno = err;

    at = fault_page->at;
    times = fault_page->times;
    action = fault_page->action;

    n = ++fault_page->seen;

    if (times == -1 ? n % at != 0
                    : (n < at || (times != 0 && n >= at + times)))
    {
        return 0;
    }

    if (++fault_page->hits == 1) {
        fault_tell(call, dir, path);
    }

    switch (action) {

    case FAULT_COUNT:
        return 0;

    case FAULT_KILL:
        (void) kill(getpid(), SIGKILL);
        (void) pause();
        return 0;

    case FAULT_SHORT:
        errno = err;
        return 1;

    case FAULT_DELAY:
        (void) usleep((useconds_t) fault_page->delay);
        errno = err;
        return 0;

    case FAULT_LOSE:
        if (path == NULL) {
            fault_lose(dir);
        }

        errno = EIO;
        return -1;

    default:
        errno = (int) action;
        return -1;
    }
}


static int
fault_matches(unsigned class, int dir, const char *path)
{
    if (!(fault_page->classes & class)
        || (fault_page->pid != 0 && fault_page->pid != getpid()))
    {
        return 0;
    }

    return (dir == -1 && path == NULL) ? 1 : fault_inside(dir, path);
}


static int
fault_inside(int dir, const char *path)
{
    char     link[64], at[PATH_MAX + FAULT_DIR];
    size_t   len;
    ssize_t  n;

    if (fault_page->dir[0] == '\0') {
        return 1;
    }

    n = 0;

    if (path == NULL || path[0] != '/') {

        if (dir == AT_FDCWD) {
            (void) strcpy(link, "/proc/self/cwd");

        } else {
            (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
        }

        n = readlink(link, at, PATH_MAX);

        if (n == -1) {
            return 0;
        }

        if (path != NULL && strcmp(path, ".") != 0) {
            at[n++] = '/';
        }
    }

    at[n] = '\0';

    if (path != NULL && strcmp(path, ".") != 0) {
        (void) snprintf(at + n, sizeof(at) - (size_t) n, "%s", path);
    }

    len = strlen(fault_page->dir);

    return strncmp(at, fault_page->dir, len) == 0
           && (at[len] == '\0' || at[len] == '/' || at[len] == ' ');
}


static void
fault_tell(const char *call, int dir, const char *path)
{
    char     link[64], at[FAULT_LAST];
    ssize_t  n;

    n = -1;

    if (dir >= 0) {
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
        n = readlink(link, at, sizeof(at) - 1);
    }

    at[(n == -1) ? 0 : n] = '\0';

    (void) snprintf(fault_page->last, FAULT_LAST, "%s %s%s%s", call, at,
                    (n != -1 && path != NULL) ? " " : "",
                    (path != NULL) ? path : "");
}


/*
 * What a disk may do to pages that it failed to take: they read as zeros some
 * day, and the next sync finds nothing to complain of.
 */

static void
fault_lose(int fd)
{
    off64_t        at;
    ssize_t        n;
    struct stat64  st;

    static const char  zeros[4096];

    if (REAL(fstat64)(fd, &st) == -1 || !S_ISREG(st.st_mode)
        || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
    {
        return;
    }

    for (at = 0; at < st.st_size; at += n) {
        n = (st.st_size - at < (off64_t) sizeof(zeros))
            ? (ssize_t) (st.st_size - at) : (ssize_t) sizeof(zeros);

        n = REAL(pwrite64)(fd, zeros, (size_t) n, at);

        if (n <= 0) {
            return;
        }
    }
}


static int
fault_file(unsigned class, const char *call, int fd)
{
    return fault(class, call, fd, NULL) == -1;
}


/* For calls that move bytes: -1, or 0 with *len as long as it is to be. */

static int
fault_bytes(unsigned class, const char *call, int fd, size_t *len)
{
    switch (fault(class, call, fd, NULL)) {

    case -1:
        return -1;

    case 1:
        *len = (*len > 1) ? *len / 2 : *len;
        return 0;

    default:
        return 0;
    }
}


/* The same for a vector: -1, or the number of parts that out was given. */

static int
fault_vector(unsigned class, const char *call, int fd,
    const struct iovec *iov, int n, struct iovec *out)
{
    int     i;
    size_t  len, left;

    n = (n > FAULT_IOVS) ? FAULT_IOVS : n;
    len = 0;

    for (i = 0; i < n; i++) {
        out[i] = iov[i];
        len += iov[i].iov_len;
    }

    left = len;

    if (fault_bytes(class, call, fd, &left) == -1) {
        return -1;
    }

    for (i = 0; i < n; i++) {

        if (out[i].iov_len > left) {
            out[i].iov_len = left;
        }

        left -= out[i].iov_len;
    }

    return n;
}


static unsigned
fault_open_class(uint64_t flags)
{
    if (flags & O_CREAT) {
        return FAULT_NAME;
    }

    return ((flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH))
           ? FAULT_MODIFY : FAULT_OPEN;
}


/* --- names of files -------------------------------------------------------- */

int
open64(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;
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
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);

    return open64(path, flags, mode);
}


int
openat64(int dir, const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;
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
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;
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


/* --- what is in them ------------------------------------------------------- */

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
futimens(int fd, const struct timespec times[2])
{
    return fault_file(FAULT_CHANGE, "futimens", fd)
           ? -1 : REAL(futimens)(fd, times);
}


int
fsync(int fd)
{
    return fault_file(FAULT_SYNC, "fsync", fd) ? -1 : REAL(fsync)(fd);
}


int
fdatasync(int fd)
{
    return fault_file(FAULT_SYNC, "fdatasync", fd) ? -1 : REAL(fdatasync)(fd);
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
    return fault_file(FAULT_LOCK, "flock", fd) ? -1 : REAL(flock)(fd, operation);
}


/* --- what comes and goes by the network ------------------------------------ */

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


/* --- memory ---------------------------------------------------------------- */

/*
 * dlsym() allocates: these must not need it.  Blocks are counted so that a
 * test can tell whether as many are held as before.
 */

static int
fault_memory(const char *call)
{
    return fault(FAULT_MEMORY, call, -1, NULL) == -1;
}


static void
fault_block(int n)
{
    if (fault_page != NULL && fault_page->watched != 0
        && fault_page->watched == getpid())
    {
        fault_page->blocks += n;
    }
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
