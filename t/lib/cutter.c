
/*
 * Preloaded into nginx: cuts the power of a disk before the nth system call
 * that would change something, or makes a disk of it that never syncs.
 *
 * The test and this share a page, the file named by REGISTRY_CUTTER; the disk
 * is what stands at REGISTRY_CUTTER_DISK.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>


#define CUTTER_SHUTDOWN  _IOR('X', 125, uint32_t)

/* the log is not flushed */
#define CUTTER_FLAGS     2


typedef struct {
    _Atomic uint64_t  armed;     /* calls are counted */
    _Atomic uint64_t  at;        /* the power goes before this one; 0: never */
    _Atomic uint64_t  seen;
    _Atomic uint64_t  unsynced;  /* nothing is ever synced */
    _Atomic uint64_t  device;    /* of the disk */
} cutter_t;


static cutter_t    *page;
static const char  *disk;


__attribute__((constructor)) static void
cutter_open(void)
{
    int          fd;
    void        *p;
    const char  *path;

    path = getenv("REGISTRY_CUTTER");

    if (path == NULL || getenv("REGISTRY_CUTTER_DISK") == NULL) {
        return;
    }

    /* nginx writes its titles over the environment */

    disk = strdup(getenv("REGISTRY_CUTTER_DISK"));

    fd = (int) syscall(SYS_openat, AT_FDCWD, path, O_RDWR|O_CLOEXEC);

    if (disk == NULL || fd == -1) {
        abort();
    }

    p = mmap(NULL, sizeof(cutter_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED) {
        abort();
    }

    page = p;
    (void) close(fd);
}


static void
cutter_count(void)
{
    int       fd, err;
    uint32_t  flags;

    if (page == NULL || !atomic_load(&page->armed)) {
        return;
    }

    if (atomic_fetch_add(&page->seen, 1) + 1 != atomic_load(&page->at)) {
        return;
    }

    err = errno;
    flags = CUTTER_FLAGS;
    fd = (int) syscall(SYS_openat, AT_FDCWD, disk, O_RDONLY|O_CLOEXEC);

    if (fd == -1 || ioctl(fd, CUTTER_SHUTDOWN, &flags) == -1) {
        abort();
    }

    (void) close(fd);
    errno = err;
}


static int
cutter_unsynced(void)
{
    return page != NULL && atomic_load(&page->unsynced);
}


static int
cutter_on_disk(int fd)
{
    struct stat  st;

    return page != NULL && fstat(fd, &st) == 0
           && st.st_dev == atomic_load(&page->device);
}


/* The one of the C library. */

#define NEXT(counts, name, ...)                                               \
    static __typeof__(&name)  next;                                           \
                                                                              \
    if (next == NULL) {                                                       \
        next = (__typeof__(&name)) dlsym(RTLD_NEXT, #name);                   \
    }                                                                         \
                                                                              \
    if (counts) {                                                             \
        cutter_count();                                                       \
    }                                                                         \
                                                                              \
    return next(__VA_ARGS__)


int
openat64(int dir, const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);

    NEXT(flags & O_CREAT, openat64, dir, path, flags, mode);
}


/* How openat2() is called. */

long
syscall(long number, ...)
{
    long     a[6];
    size_t   i;
    va_list  args;

    static long  (*next)(long number, ...);

    va_start(args, number);

    for (i = 0; i < 6; i++) {
        a[i] = va_arg(args, long);
    }

    va_end(args);

    if (next == NULL) {
        next = (long (*)(long, ...)) dlsym(RTLD_NEXT, "syscall");
    }

#ifdef SYS_openat2
    if (number == SYS_openat2
        && (((struct open_how *) a[2])->flags & O_CREAT))
    {
        cutter_count();
    }
#endif

    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}


int
mkdirat(int dir, const char *path, mode_t mode)
{
    NEXT(1, mkdirat, dir, path, mode);
}


int
unlinkat(int dir, const char *path, int flags)
{
    NEXT(1, unlinkat, dir, path, flags);
}


int
renameat(int from, const char *old, int to, const char *name)
{
    NEXT(1, renameat, from, old, to, name);
}


int
renameat2(int from, const char *old, int to, const char *name,
    unsigned flags)
{
    NEXT(1, renameat2, from, old, to, name, flags);
}


/* Logs and events are written, too. */

ssize_t
write(int fd, const void *data, size_t size)
{
    NEXT(cutter_on_disk(fd), write, fd, data, size);
}


ssize_t
pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    NEXT(1, pwrite64, fd, data, size, at);
}


ssize_t
pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
    NEXT(1, pwritev64, fd, iov, n, at);
}


int
ftruncate64(int fd, off64_t size)
{
    NEXT(1, ftruncate64, fd, size);
}


int
futimens(int fd, const struct timespec times[2])
{
    NEXT(1, futimens, fd, times);
}


int
sync_file_range(int fd, off64_t from, off64_t size, unsigned flags)
{
    if (cutter_unsynced()) {
        return 0;
    }

    NEXT(1, sync_file_range, fd, from, size, flags);
}


int
fsync(int fd)
{
    if (cutter_unsynced()) {
        return 0;
    }

    NEXT(1, fsync, fd);
}


int
fdatasync(int fd)
{
    if (cutter_unsynced()) {
        return 0;
    }

    NEXT(1, fdatasync, fd);
}
