
/*
 * Files that need not be opened to know what they say: links, and blobs whose
 * size somebody asks for.
 *
 * What was read once is remembered by path, inode, size and the time of the
 * last change, which nobody can set: as long as stat() finds these, the file
 * says what it said.  One call does for the five of opening and reading it,
 * and they are a third of what a HEAD costs.  A file that has changed just now
 * may change again within the same tick of the clock, and is not remembered;
 * nor is anything of a network file system, or of one mounted below the root,
 * where stat() may answer from what it knew some seconds ago.
 *
 * The path is part of it because stat() follows a symbolic link on the way and
 * whoever opens a file here does not: what is known is that the file was found
 * there by somebody who did not.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_fs.h"

#include "reg_time.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>


#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC  0x58465342
#endif

/* of no header: ZFS is not a part of the kernel */
#define REG_ZFS_MAGIC    0x2fc12fc1


static atomic_uint_fast64_t *reg_fs_seen_slot(reg_fs_t *fs, const char *path,
    uint64_t *hash);
static uint64_t reg_fs_seen_key(uint64_t hash, const struct stat *st);
static int reg_fs_seen(reg_fs_t *fs, const char *path, struct stat *st);
static void reg_fs_seen_learn(reg_fs_t *fs, const char *path,
    const struct stat *st);
static reg_rc_t reg_fs_link_text(int fd, const char *path, reg_digest_t *d,
    struct stat *st, reg_error_t *e);


void
reg_fs_seen_init(reg_fs_t *fs)
{
    struct stat    st;
    struct statfs  sfs;

    if (fstatfs(fs->root, &sfs) == -1 || fstat(fs->root, &st) == -1) {
        return;
    }

    switch ((unsigned long) sfs.f_type) {

    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
    case REG_ZFS_MAGIC:
        fs->local = 1;
        fs->dev = st.st_dev;
        break;

    default:
        break;
    }
}


static atomic_uint_fast64_t *
reg_fs_seen_slot(reg_fs_t *fs, const char *path, uint64_t *hash)
{
    size_t    i, len;
    uint64_t  h, word;

    h = fs->seed;
    len = strlen(path);

    for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, path + i, sizeof(word));
        h = (h ^ word) * UINT64_C(0x9fb21c651e98df25);
        h ^= h >> 32;
    }

    word = len;
    memcpy(&word, path + i, len - i);

    *hash = reg_fs_mix(h, word);

    return &fs->seen[(*hash >> 1) % REG_FS_SEEN];
}


static uint64_t
reg_fs_seen_key(uint64_t hash, const struct stat *st)
{
    return reg_fs_mix(reg_fs_mix(hash ^ (uint64_t) st->st_size, st->st_ino),
                      (uint64_t) reg_time_ns(&st->st_ctim));
}


/*
 * 1 and *st when the file is what it was; -1 when there is none; 0 when it has
 * to be opened, and whatever is wrong comes out then.
 */

static int
reg_fs_seen(reg_fs_t *fs, const char *path, struct stat *st)
{
    uint64_t               key, hash;
    atomic_uint_fast64_t  *slot;

    if (!fs->local) {
        return 0;
    }

    slot = reg_fs_seen_slot(fs, path, &hash);
    key = atomic_load_explicit(slot, memory_order_relaxed);

    if (key == 0) {
        return 0;
    }

    if (fstatat(fs->root, path, st, AT_SYMLINK_NOFOLLOW) == -1) {
        return (errno == ENOENT || errno == ENOTDIR) ? -1 : 0;
    }

    return key == reg_fs_seen_key(hash, st);
}


/* st is of the file that was opened at that path before it was read. */

static void
reg_fs_seen_learn(reg_fs_t *fs, const char *path, const struct stat *st)
{
    int64_t                changed;
    uint64_t               hash;
    struct timespec        now;
    atomic_uint_fast64_t  *slot;

    if (!fs->local || st->st_dev != fs->dev) {
        return;
    }

    changed = reg_time_ns(&st->st_ctim);

    (void) clock_gettime(CLOCK_REALTIME, &now);

    if (changed + reg_fs_tick(changed) > reg_time_ns(&now)) {
        return;
    }

    slot = reg_fs_seen_slot(fs, path, &hash);

    atomic_store_explicit(slot, reg_fs_seen_key(hash, st),
                          memory_order_relaxed);
}


reg_rc_t
reg_fs_link(reg_store_t *s, const char *path, const reg_digest_t *want,
    reg_digest_t *d, int64_t *mtime, reg_error_t *e)
{
    int          fd;
    reg_fs_t    *fs;
    reg_rc_t     rc;
    struct stat  st;

    fs = reg_fs_of(s);

    switch (reg_fs_seen(fs, path, &st)) {

    case 1:
        *d = *want;
        *mtime = reg_time_ns(&st.st_mtim);

        return REG_OK;

    case -1:
        return REG_ABSENT;

    default:
        break;
    }

    fd = reg_fs_open(fs, fs->root, path, O_RDONLY);

    if (fd == -1) {
        return reg_fs_fail(e, errno, "open", path);
    }

    rc = reg_fs_link_text(fd, path, d, &st, e);

    (void) close(fd);

    if (rc != REG_OK) {
        return rc;
    }

    *mtime = reg_time_ns(&st.st_mtim);

    if (reg_digest_eq(d, want)) {
        reg_fs_seen_learn(fs, path, &st);
    }

    return REG_OK;
}


/* Empty after a power cut, or whatever else no digest is: it names nothing. */

static reg_rc_t
reg_fs_link_text(int fd, const char *path, reg_digest_t *d, struct stat *st,
    reg_error_t *e)
{
    char       text[REG_LINK_MAX];
    ssize_t    n;
    reg_str_t  link;

    if (fstat(fd, st) == -1) {
        return reg_error_sys(e, errno, "fstat", path);
    }

    if (!S_ISREG(st->st_mode) || st->st_size > (off_t) sizeof(text)) {
        return REG_ABSENT;
    }

    n = reg_fs_pread(fd, text, (size_t) st->st_size, 0);

    if (n == -1) {
        return reg_fs_fail(e, errno, "read", path);
    }

    link.data = text;
    link.len = (size_t) n;

    return (reg_digest_parse(d, link, NULL) == REG_OK) ? REG_OK : REG_ABSENT;
}


reg_rc_t
reg_fs_look(reg_store_t *s, const char *path, reg_file_t *f, reg_error_t *e)
{
    reg_fs_t     *fs;
    reg_rc_t      rc;
    struct stat   st;

    fs = reg_fs_of(s);

    switch (reg_fs_seen(fs, path, &st)) {

    case 1:
        f->fd = -1;
        f->size = (uint64_t) st.st_size;
        f->whole = f->size;
        f->mtime = reg_time_ns(&st.st_mtim);

        return REG_OK;

    case -1:
        return REG_ABSENT;

    default:
        break;
    }

    rc = reg_fs_file(s, path, f, &st, e);

    if (rc != REG_OK) {
        return rc;
    }

    (void) close(f->fd);
    f->fd = -1;

    if (f->size == f->whole) {
        reg_fs_seen_learn(fs, path, &st);
    }

    return REG_OK;
}
