
/*
 * Files that need not be opened to know what they say: links, and blobs whose
 * size somebody asks for.
 *
 * What was read once is remembered by path, inode, size and the time of the
 * last change: as long as stat() finds these, the file says what it said.  One
 * call does for the five of opening and reading it, and they are a third of
 * what a HEAD costs.
 *
 * That time is the system's, and not to be set by who changes a file.  One
 * that had just changed when it was about to be read could change again within
 * the same tick of the clock, and is not remembered.  Nor is anything of a
 * network file system, or of one mounted below the root, where stat() may
 * answer from what it knew some seconds ago.  What goes unseen is written by
 * nobody here: through a shared mapping, or while the clock is set back to the
 * very nanosecond.
 *
 * Where the path says what a link has to name, it is enough to know that it
 * does.  What the link of a tag names is kept with the key, by one writer at a
 * time and for readers who see that nobody wrote meanwhile.
 *
 * stat() follows a symbolic link on the way, and whoever opens a file here does
 * not.  Since the path is a part of it, the file is one that was found there
 * without; a link that came onto the way later, and leads to the same file, is
 * not noticed.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

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


/* bits of a key that are those of its path */
#define REG_FS_SEEN_PATH  UINT64_C(0xffff000000000000)


static uint64_t reg_fs_seen_hash(reg_fs_t *fs, const char *path);
static uint64_t reg_fs_seen_key(uint64_t hash, const struct stat *st);
static int reg_fs_seen(reg_fs_t *fs, const char *path, uint64_t hash,
    uint64_t key, struct stat *st);
static int reg_fs_seen_path(reg_fs_t *fs, const char *path, struct stat *st);
static int reg_fs_seen_lasts(reg_fs_t *fs, const struct stat *st,
    int64_t began);
static void reg_fs_seen_learn(reg_fs_t *fs, const char *path,
    const struct stat *st, int64_t began);
static int reg_fs_seen_link(reg_fs_t *fs, const char *path, reg_digest_t *d,
    struct stat *st);
static void reg_fs_seen_learn_link(reg_fs_t *fs, const char *path,
    const reg_digest_t *d, const struct stat *st, int64_t began);
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


static uint64_t
reg_fs_seen_hash(reg_fs_t *fs, const char *path)
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

    return reg_fs_mix(h, word);
}


static uint64_t
reg_fs_seen_key(uint64_t hash, const struct stat *st)
{
    uint64_t  key;

    key = reg_fs_mix(reg_fs_mix(hash ^ (uint64_t) st->st_size, st->st_ino),
                     (uint64_t) reg_time_ns(&st->st_ctim));

    return (key & ~REG_FS_SEEN_PATH) | (hash & REG_FS_SEEN_PATH);
}


/*
 * 1 and *st when the file is what the key was made of; -1 when there is none;
 * 0 when it has to be opened, and whatever is wrong comes out then.
 */

static int
reg_fs_seen(reg_fs_t *fs, const char *path, uint64_t hash, uint64_t key,
    struct stat *st)
{
    if (!fs->local || key == 0 || ((key ^ hash) & REG_FS_SEEN_PATH) != 0) {
        return 0;
    }

    if (fstatat(fs->root, path, st, AT_SYMLINK_NOFOLLOW) == -1) {
        return (errno == ENOENT || errno == ENOTDIR) ? -1 : 0;
    }

    return st->st_dev == fs->dev && key == reg_fs_seen_key(hash, st);
}


int64_t
reg_fs_now(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_REALTIME_COARSE, &now);

    return reg_time_ns(&now);
}


int
reg_fs_settled(const struct stat *st, int64_t began)
{
    int64_t  changed;

    changed = reg_time_ns(&st->st_ctim);

    return changed <= began - reg_fs_tick(changed);
}


static int
reg_fs_seen_path(reg_fs_t *fs, const char *path, struct stat *st)
{
    uint64_t  hash;

    hash = reg_fs_seen_hash(fs, path);

    return reg_fs_seen(fs, path, hash,
                       atomic_load_explicit(
                           &fs->seen[(hash >> 1) % REG_FS_SEEN],
                           memory_order_relaxed),
                       st);
}


/* 1 when stat() will show whatever is done to a file that was read since. */

static int
reg_fs_seen_lasts(reg_fs_t *fs, const struct stat *st, int64_t began)
{
    return fs->local && st->st_dev == fs->dev && reg_fs_settled(st, began);
}


/* st is of the file at that path that was opened after began and then read. */

static void
reg_fs_seen_learn(reg_fs_t *fs, const char *path, const struct stat *st,
    int64_t began)
{
    uint64_t  hash;

    if (!reg_fs_seen_lasts(fs, st, began)) {
        return;
    }

    hash = reg_fs_seen_hash(fs, path);

    atomic_store_explicit(&fs->seen[(hash >> 1) % REG_FS_SEEN],
                          reg_fs_seen_key(hash, st), memory_order_relaxed);
}


static int
reg_fs_seen_link(reg_fs_t *fs, const char *path, reg_digest_t *d,
    struct stat *st)
{
    int                  known;
    size_t               i;
    uint64_t             hash, words[REG_FS_DIGEST_WORDS];
    uint_fast64_t        key, writes;
    reg_fs_seen_link_t  *slot;

    hash = reg_fs_seen_hash(fs, path);
    slot = &fs->links[(hash >> 1) % REG_FS_LINKS];

    writes = atomic_load_explicit(&slot->writes, memory_order_acquire);

    if (writes & 1) {
        return 0;
    }

    key = atomic_load_explicit(&slot->key, memory_order_acquire);

    for (i = 0; i < REG_FS_DIGEST_WORDS; i++) {
        words[i] = atomic_load_explicit(&slot->digest[i],
                                        memory_order_acquire);
    }

    if (atomic_load_explicit(&slot->writes, memory_order_relaxed) != writes) {
        return 0;
    }

    known = reg_fs_seen(fs, path, hash, key, st);

    if (known == 1) {
        memcpy(d, words, sizeof(reg_digest_t));
    }

    return known;
}


static void
reg_fs_seen_learn_link(reg_fs_t *fs, const char *path, const reg_digest_t *d,
    const struct stat *st, int64_t began)
{
    size_t               i;
    uint64_t             hash, words[REG_FS_DIGEST_WORDS];
    uint_fast64_t        writes;
    reg_fs_seen_link_t  *slot;

    if (!reg_fs_seen_lasts(fs, st, began)) {
        return;
    }

    hash = reg_fs_seen_hash(fs, path);
    slot = &fs->links[(hash >> 1) % REG_FS_LINKS];

    /* odd while somebody writes; who comes second will read it once more */

    writes = atomic_load_explicit(&slot->writes, memory_order_relaxed);

    if ((writes & 1)
        || !atomic_compare_exchange_strong_explicit(&slot->writes, &writes,
                                                    writes + 1,
                                                    memory_order_acquire,
                                                    memory_order_relaxed))
    {
        return;
    }

    memset(words, 0, sizeof(words));
    memcpy(words, d, sizeof(reg_digest_t));

    atomic_store_explicit(&slot->key, reg_fs_seen_key(hash, st),
                          memory_order_release);

    for (i = 0; i < REG_FS_DIGEST_WORDS; i++) {
        atomic_store_explicit(&slot->digest[i], words[i],
                              memory_order_release);
    }

    atomic_store_explicit(&slot->writes, writes + 2, memory_order_release);
}


reg_rc_t
reg_fs_link(reg_store_t *s, const char *path, const reg_digest_t *want,
    reg_digest_t *d, int64_t *mtime, reg_error_t *e)
{
    int          fd, known;
    int64_t      began;
    reg_fs_t    *fs;
    reg_rc_t     rc;
    struct stat  st;

    fs = reg_fs_of(s);

    known = (want != NULL) ? reg_fs_seen_path(fs, path, &st)
                           : reg_fs_seen_link(fs, path, d, &st);

    if (known == -1) {
        return REG_ABSENT;
    }

    if (known == 1) {

        if (want != NULL) {
            *d = *want;
        }

        *mtime = reg_time_ns(&st.st_mtim);

        return REG_OK;
    }

    began = reg_fs_now();

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

    if (want == NULL) {
        reg_fs_seen_learn_link(fs, path, d, &st, began);

    } else if (reg_digest_eq(d, want)) {
        reg_fs_seen_learn(fs, path, &st, began);
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
    int64_t       began;
    reg_fs_t     *fs;
    reg_rc_t      rc;
    struct stat   st;

    fs = reg_fs_of(s);

    switch (reg_fs_seen_path(fs, path, &st)) {

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

    began = reg_fs_now();

    rc = reg_fs_file(s, path, f, &st, e);

    if (rc != REG_OK) {
        return rc;
    }

    (void) close(f->fd);
    f->fd = -1;

    if (f->size == f->whole) {
        reg_fs_seen_learn(fs, path, &st, began);
    }

    return REG_OK;
}
