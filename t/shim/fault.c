
/*
 * Which calls are broken, and how.  The page is in the file that $FAULT_PAGE
 * names; a worker keeps the one it was forked with.
 */


#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>


/* files whose size at their last sync is remembered */
#define FAULT_SYNCED  64

/* microseconds of a delay from one look at the page to the next */
#define FAULT_STEP  10000


/* a number is given again when its file is gone: the birth tells them apart */
typedef struct {
    uint64_t  ino;
    int64_t   born;
    off64_t   size;
} fault_synced_t;


static void fault_init(void) __attribute__((constructor));
static void fault_wait(void);
static int fault_matches(unsigned class, int dir, const char *path);
static int fault_inside(int dir, const char *path);
static void fault_tell(const char *call, int dir, const char *path);
static void fault_lose(int fd);
static int fault_synced_file(int fd, fault_synced_t *f);
static fault_synced_t *fault_synced_find(const fault_synced_t *f);


static fault_page_t  *fault_page;

static pthread_mutex_t  fault_mutex = PTHREAD_MUTEX_INITIALIZER;
static fault_synced_t   fault_files[FAULT_SYNCED];
static unsigned         fault_next;


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


int
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
        fault_wait();
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


/* Ends early when the delay is set to 0 meanwhile. */

static void
fault_wait(void)
{
    int64_t  waited;

    for (waited = 0; waited < fault_page->delay; waited += FAULT_STEP) {
        (void) usleep(FAULT_STEP);
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
    off64_t          at;
    ssize_t          n;
    fault_synced_t   f, *known;

    static const char  zeros[4096];

    if (fault_synced_file(fd, &f) == -1
        || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
    {
        return;
    }

    (void) pthread_mutex_lock(&fault_mutex);

    known = fault_synced_find(&f);
    at = (known != NULL) ? known->size : 0;

    (void) pthread_mutex_unlock(&fault_mutex);

    for ( /* void */ ; at < f.size; at += n) {
        n = (f.size - at < (off64_t) sizeof(zeros))
            ? (ssize_t) (f.size - at) : (ssize_t) sizeof(zeros);

        n = REAL(pwrite64)(fd, zeros, (size_t) n, at);

        if (n <= 0) {
            return;
        }
    }
}


void
fault_synced(int fd)
{
    int              err;
    fault_synced_t   f, *known;

    if (fault_page == NULL) {
        return;
    }

    err = errno;

    if (fault_synced_file(fd, &f) == 0) {
        (void) pthread_mutex_lock(&fault_mutex);

        known = fault_synced_find(&f);

        if (known == NULL) {
            known = &fault_files[fault_next++ % FAULT_SYNCED];
        }

        *known = f;

        (void) pthread_mutex_unlock(&fault_mutex);
    }

    errno = err;
}


static int
fault_synced_file(int fd, fault_synced_t *f)
{
    struct statx  st;

    if (REAL(statx)(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS|STATX_BTIME, &st)
            == -1
        || !S_ISREG(st.stx_mode))
    {
        return -1;
    }

    f->ino = st.stx_ino;
    f->born = (int64_t) st.stx_btime.tv_sec * 1000000000
              + st.stx_btime.tv_nsec;
    f->size = (off64_t) st.stx_size;

    return 0;
}


/* With the mutex held. */

static fault_synced_t *
fault_synced_find(const fault_synced_t *f)
{
    unsigned  i;

    for (i = 0; i < FAULT_SYNCED; i++) {
        if (fault_files[i].ino == f->ino && fault_files[i].born == f->born) {
            return &fault_files[i];
        }
    }

    return NULL;
}


int
fault_file(unsigned class, const char *call, int fd)
{
    return fault(class, call, fd, NULL) == -1;
}


int
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


int
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


void
fault_block(int n)
{
    if (fault_page != NULL && fault_page->watched != 0
        && fault_page->watched == getpid())
    {
        fault_page->blocks += n;
    }
}
