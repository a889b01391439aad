
/*
 * The page through which a test tells the shim what to break, and reads what
 * it has seen: a file that both map.  Test::Registry::Shim writes and reads
 * the same fields in the same order.
 *
 *   off     armed is 0: every call goes through and is counted nowhere
 *   armed   calls that match are counted in seen; from number at on, for as
 *           many as times says, they are broken and counted in hits; with
 *           times -1 every at-th is
 *
 * A call matches when its class is one of classes, its process is pid, and,
 * where it is about a file, the file is in the directory dir or below it.
 */


#ifndef FAULT_H_INCLUDED
#define FAULT_H_INCLUDED


#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>


/* classes of calls */
#define FAULT_OPEN    0x0001   /* for reading, or as a path alone */
#define FAULT_MODIFY  0x0002   /* open for writing of what is there */
#define FAULT_NAME    0x0004   /* open that creates, mkdir, rename, link */
#define FAULT_REMOVE  0x0008   /* unlink, rmdir */
#define FAULT_WRITE   0x0010   /* write, pwrite, pwritev */
#define FAULT_CHANGE  0x0020   /* ftruncate, fallocate, futimens */
#define FAULT_SYNC    0x0040   /* fsync, fdatasync */
#define FAULT_READ    0x0080   /* read, pread */
#define FAULT_LIST    0x0100   /* readdir */
#define FAULT_SEND    0x0200   /* sendfile */
#define FAULT_STAT    0x0400   /* fstat, fstatat, statx */
#define FAULT_LOCK    0x0800   /* flock */
#define FAULT_SOCKET  0x1000   /* recv, send, writev, of no file */
#define FAULT_MEMORY  0x2000   /* malloc and its relatives */

/* actions; what is above zero is an errno the call fails with */
#define FAULT_COUNT   0        /* nothing but to be counted */
#define FAULT_KILL    (-1)     /* SIGKILL to its own process, before the call */
#define FAULT_SHORT   (-2)     /* moves a part of the bytes asked for */
#define FAULT_DELAY   (-3)     /* waits for delay microseconds before it */
#define FAULT_LOSE    (-4)     /* a sync: EIO, and what was written since this
                                  process last synced the file is zeros */

#define FAULT_DIR     1024
#define FAULT_LAST    256


typedef struct {
    _Atomic int64_t  armed;
    _Atomic int64_t  pid;             /* 0: every process that has the page */
    _Atomic int64_t  classes;
    _Atomic int64_t  action;
    _Atomic int64_t  at;              /* 1: the next one */
    _Atomic int64_t  times;           /* 0: all from there on; -1: see above */
    _Atomic int64_t  delay;
    _Atomic int64_t  watched;         /* process whose blocks are counted */

    _Atomic int64_t  seen;
    _Atomic int64_t  hits;
    _Atomic int64_t  blocks;          /* allocated less freed, by watched */

    char             dir[FAULT_DIR];  /* "": everywhere */
    char             last[FAULT_LAST];  /* the first call that was broken */
} fault_page_t;


/* what the C library has under that name */
#define REAL(name)                                                            \
    ({                                                                        \
        static __typeof__(name)  *real_;                                      \
        if (real_ == NULL) {                                                  \
            real_ = (__typeof__(name) *) dlsym(RTLD_NEXT, #name);             \
        }                                                                     \
        real_;                                                                \
    })

/* vectors longer than this are passed on in parts, as the kernel may */
#define FAULT_IOVS  64


/* these names are for the library alone */
#pragma GCC visibility push(hidden)

/*
 * What is to become of a call: 0 when it is made as it is, -1 when it fails
 * with errno set, 1 when it is to move less than it was asked to.  dir and
 * path are those of openat(), path NULL for a call about a descriptor; dir is
 * -1 and path NULL for one that is about no file.
 */
int fault(unsigned class, const char *call, int dir, const char *path);

/* 1 when a call about a descriptor fails. */
int fault_file(unsigned class, const char *call, int fd);

/* The bytes of a file that are there now cannot be lost any more. */
void fault_synced(int fd);

/* For calls that move bytes: -1, or 0 with *len as long as it is to be. */
int fault_bytes(unsigned class, const char *call, int fd, size_t *len);

/* The same for a vector: -1, or the number of parts that out was given. */
int fault_vector(unsigned class, const char *call, int fd,
    const struct iovec *iov, int n, struct iovec *out);

/* Counts blocks, where the test watches this process. */
void fault_block(int n);

#pragma GCC visibility pop


#endif /* FAULT_H_INCLUDED */
