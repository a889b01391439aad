
/*
 * The local file system, below one root.  Private to the store: the driver of
 * reg_store_fs.c is made of it, and the upload sessions, which no small whole
 * file can be, use it directly.
 *
 * Every path is relative to the root (or to a directory opened below it) and
 * is resolved without following a symbolic link and without leaving the root.
 *
 * Functions that return an int answer 0 or a descriptor, or -1 with errno.
 */


#ifndef REG_FS_H_INCLUDED
#define REG_FS_H_INCLUDED


#include "reg_store.h"

#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/uio.h>


_Static_assert(sizeof(off_t) == 8, "_FILE_OFFSET_BITS is not 64");


#define REG_FS_DIR_MODE    0755
#define REG_FS_FILE_MODE   0644

#define REG_FS_LOCK        REG_LAYOUT_OWN "/lock"
#define REG_FS_TMP         REG_LAYOUT_OWN "/tmp"
#define REG_FS_TRASH       REG_LAYOUT_OWN "/trash"
#define REG_FS_SPARE       REG_LAYOUT_OWN "/spare"

/* how often a path is made anew when somebody removes its empty parents */
#define REG_FS_TRIES       100

/* slots for directories whose names are known to be on disk */
#define REG_FS_KNOWN       4096

/*
 * Slots for files that need not be opened again, and for links that may name
 * anything: 512 and 336 KiB for each store, of which those pages count that
 * are used.
 */
#define REG_FS_SEEN        65536
#define REG_FS_LINKS       2048

/* directories of ended uploads that a process keeps for new ones */
#define REG_FS_SPARES      64

/* room for a name that reg_fs_unique() makes */
#define REG_FS_UNIQUE      48


#define REG_FS_DIGEST_WORDS                                                   \
    ((sizeof(reg_digest_t) + sizeof(uint64_t) - 1) / sizeof(uint64_t))

/* What a link names, as long as nobody writes: the count of writes is even. */
typedef struct {
    atomic_uint_fast64_t   writes;
    atomic_uint_fast64_t   key;
    atomic_uint_fast64_t   digest[REG_FS_DIGEST_WORDS];
} reg_fs_seen_link_t;


typedef struct {
    int                    root;
    atomic_int             plain;       /* the kernel has no openat2() */
    uint64_t               seed;
    atomic_uint_fast64_t   count;

    /*
     * Directories that were seen on disk together with all their parents:
     * hashes of inode number and birth.  It spares the fsync of parents that
     * are young, but were synced before.  A slot is only ever overwritten.
     */
    atomic_uint_fast64_t   known[REG_FS_KNOWN];

    /* files that were as long as they should be, see reg_fs_mark.c */
    atomic_uint_fast64_t   whole[REG_FS_KNOWN];

    /* files that said what they should, see reg_fs_seen.c; on dev alone */
    atomic_uint_fast64_t   seen[REG_FS_SEEN];
    reg_fs_seen_link_t     links[REG_FS_LINKS];
    dev_t                  dev;
    unsigned               local:1;

    /* what was given to reg_fs_spare_give(): numbers in names, 0: none */
    atomic_uint_fast64_t   spares[REG_FS_SPARES];
} reg_fs_t;


/* The inode behind a descriptor. */
typedef struct {
    uint64_t  key;           /* hash of inode number and birth, never 0 */
    unsigned  young:1;       /* born less than REG_SYNC_AGE seconds ago */
    unsigned  leased:1;      /* and nobody made it older since */
} reg_fs_ident_t;


/* Directories that one operation has synced already. */
typedef struct {
    size_t    n;
    uint64_t  keys[32];
} reg_fs_done_t;


/* Opens the root; *fs is the caller's: reg_fs_free(). */
reg_rc_t reg_fs_init(reg_fs_t **fs, const char *root, reg_error_t *e);
void reg_fs_free(reg_fs_t *fs);

/* 1 for an errno that says: there is no such thing, or it is another one. */
int reg_fs_absent(int err);

/* REG_ABSENT without a word in e, or reg_error_sys(). */
reg_rc_t reg_fs_fail(reg_error_t *e, int err, const char *call,
    const char *path);

/* What the driver tells of a file, from what the system says. */
void reg_fs_stat(const struct stat *st, reg_stat_t *out);

/*
 * open(2) below the directory dir (fs->root or one below).  O_CLOEXEC,
 * O_NOFOLLOW and O_NOCTTY are added, and O_NONBLOCK where something is read
 * or written, so that a FIFO or a device in place of a file holds nobody up.
 */
int reg_fs_open(reg_fs_t *fs, int dir, const char *path, int flags);

/* Opens a directory for fsync(), *at() calls and listing. */
int reg_fs_opendir(reg_fs_t *fs, int dir, const char *path);

/* The same for the first len bytes of path; 0 gives a copy of the root. */
int reg_fs_openlen(reg_fs_t *fs, const char *path, size_t len);

/*
 * 1 when anything stands at a path, or something that is no directory on the
 * way to it: for who found no file there and has to tell why.  0 when nothing
 * does, -1 after an error.
 */
int reg_fs_there(reg_fs_t *fs, const char *path);

/*
 * A directory that something is put into.  Closed by reg_fs_dir_close(), in
 * whatever state it is.
 */
typedef struct {
    int     fd;         /* or -1 */
    int     up;         /* the one above, where it was opened anyway; or -1 */
    size_t  len;        /* of the part of a path that names it */
    size_t  made;       /* of the part that names the uppermost directory that
                           was made on the way; 0: all were there */
} reg_fs_dir_t;

/* Opens the directory of the first len bytes of path; -1 when it is not
   there. */
int reg_fs_dir_open(reg_fs_t *fs, reg_fs_dir_t *d, const char *path,
    size_t len);

/* Makes one that could not be opened, ENOENT, with all above it. */
int reg_fs_dir_make(reg_fs_t *fs, reg_fs_dir_t *d, const char *path);

void reg_fs_dir_close(reg_fs_dir_t *d);

/*
 * Syncs a directory that gained an entry, and those above it that may not be
 * on disk: the parents of directories that were made here or that are young.
 * done may be NULL.
 */
int reg_fs_dir_sync(reg_fs_t *fs, const reg_fs_dir_t *d, const char *path,
    reg_fs_done_t *done);

/* Syncs a directory: the names in it, and that others are not any more. */
int reg_fs_sync_entries(reg_fs_t *fs, int dir);

/* fdatasync() that does not take the word of a file system that gave up. */
int reg_fs_sync_data(reg_fs_t *fs, int fd);

/* Opens a directory, making what is missing, all unsynced. */
int reg_fs_mkdirs(reg_fs_t *fs, const char *path, size_t len);

/* The length of the directory part of path, 0 for the root. */
size_t reg_fs_parent(const char *path, size_t len);

/* What stands behind that. */
const char *reg_fs_base(const char *path);

/* Stirs b into the hash a; never 0. */
uint64_t reg_fs_mix(uint64_t a, uint64_t b);

int reg_fs_ident(int fd, reg_fs_ident_t *id);

/* The same of what is called name in a directory; no link is followed. */
int reg_fs_ident_at(int dir, const char *name, reg_fs_ident_t *id);

/*
 * How long after a change, in ns, a file or directory may change again without
 * showing it, because the clock that stamps it has not moved: some ms where
 * there are fractions of a second in the stamp, seconds where there are none.
 */
int64_t reg_fs_tick(int64_t stamp);

int reg_fs_known(reg_fs_t *fs, uint64_t key);
void reg_fs_learn(reg_fs_t *fs, uint64_t key);

/*
 * 1 when a call that failed with errno should be made again: after EINTR, and
 * after EAGAIN for as long as tries, which begins at 0, stay within reason.
 */
int reg_fs_again(int *tries);

/* Whole buffers, whatever signals and short counts come between. */
int reg_fs_write(int fd, const void *data, size_t len);
int reg_fs_pwrite(int fd, const void *data, size_t len, uint64_t offset);

/* The same from n pieces, together below 2 GiB; iov is used up. */
int reg_fs_pwritev(int fd, struct iovec *iov, int n, uint64_t offset);

/* The bytes read, fewer than len only at the end of the file; or -1. */
ssize_t reg_fs_pread(int fd, void *data, size_t len, uint64_t offset);

/*
 * Notes the size that a file of the store was given upon its inode, as the
 * extended attribute user.registry.size, in decimal digits: a file that was
 * cut since is told from a whole one by whoever opens it.  It is a help and no
 * promise: where the file system has no such attributes, or no room for one,
 * nothing happens.
 */
void reg_fs_mark(int fd, uint64_t size);

/* What was noted: 1 and *size, 0 without a (readable) note, -1 with errno. */
int reg_fs_marked(int fd, uint64_t *size);

/*
 * The size that a file should have: what was noted, or what it has.  st is
 * what fstat() says of fd.  Files that were right are remembered.
 */
int reg_fs_whole(reg_fs_t *fs, int fd, const struct stat *st,
    uint64_t *whole);

/* Now, in ns, by the clock that stamps files. */
int64_t reg_fs_now(void);

/*
 * 1 when whatever was read of a file after that time cannot have changed
 * since without another st_ctim than st has, see reg_fs_tick().
 */
int reg_fs_settled(const struct stat *st, int64_t began);

/* Called once, when the root is open; without it nothing is remembered. */
void reg_fs_seen_init(reg_fs_t *fs);

/* Makes a file that was not there, with that content, unsynced. */
int reg_fs_create(reg_fs_t *fs, int dir, const char *name, reg_str_t data);

/* A name that nobody else uses, in this process or another. */
void reg_fs_unique(reg_fs_t *fs, char *name);

/*
 * What the superuser made, calling registryctl, is given to whom the root
 * belongs to: nginx's workers have to open it, too.
 */
void reg_fs_give(reg_fs_t *fs, int fd);

/*
 * 1 when a file of that state is the store's: the owner of the root may have
 * made a link here to a file that is somebody else's, and that the superuser
 * alone could change.  A link to one of his own is a copy of the store.
 */
int reg_fs_ours(reg_fs_t *fs, const struct stat *is);

/* Opens one of our own directories (REG_FS_TMP, ...), making it. */
int reg_fs_own(reg_fs_t *fs, const char *path);

/*
 * Removes a file or a whole tree below dir.  0 when it is gone; 1 when
 * *budget entries were removed and more is left.
 */
int reg_fs_rmtree(reg_fs_t *fs, int dir, const char *name,
    unsigned *budget);

/* Removes what stands in a directory since before that time, in ns. */
reg_rc_t reg_fs_remove_old(reg_store_t *s, const char *path, int64_t before,
    reg_error_t *e);

/*
 * Moves a directory into the trash; name (of REG_FS_UNIQUE bytes) tells what
 * it is called there.  On a disk that is full it is removed where it is, and
 * name is empty.  It may be back after a power cut.
 */
reg_rc_t reg_fs_discard(reg_fs_t *fs, const char *path, char *name,
    reg_error_t *e);

/* The same of what stands in the open directory up, without a descriptor. */
reg_rc_t reg_fs_discard_at(reg_fs_t *fs, int up, const char *path,
    char *name, reg_error_t *e);

/*
 * Removes the directory *dir, whose path is the first len bytes of path, and
 * those above it as long as they are empty and longer than stop.  *dir becomes
 * the first that stays; nothing is synced.
 */
void reg_fs_prune(reg_fs_t *fs, int *dir, const char *path, size_t len,
    size_t stop);

/*
 * The directory of an upload that has ended, with nothing but its startedat in
 * it, is put aside and becomes that of another: two inodes less to be made and
 * two less to be freed for each blob, which is a fifth of all it takes, and on
 * ext4 without a journal far more, since every inode that was freed in the
 * last minutes slows down the making of the next.
 *
 * give() takes name below up, which is that directory for sure; take() makes
 * it name below up, dated.  0, or -1: then the caller removes it, or makes one.
 */
int reg_fs_spare_give(reg_fs_t *fs, int up, const char *name);
int reg_fs_spare_take(reg_fs_t *fs, int up, const char *name,
    reg_str_t startedat);

/* open() of the driver, and what fstat() says of the file. */
reg_rc_t reg_fs_file(reg_store_t *s, const char *path, reg_file_t *f,
    struct stat *st, reg_error_t *e);

/* Parts of the driver, see reg_store.h. */
reg_rc_t reg_fs_link(reg_store_t *s, const char *path,
    const reg_digest_t *want, reg_digest_t *d, int64_t *mtime,
    reg_error_t *e);
reg_rc_t reg_fs_look(reg_store_t *s, const char *path, reg_file_t *f,
    reg_error_t *e);
reg_rc_t reg_fs_put(reg_store_t *s, const reg_put_t *items, size_t n,
    reg_error_t *e);
reg_rc_t reg_fs_remove(reg_store_t *s, const char *path, const char *stop,
    int *dir, reg_error_t *e);
reg_rc_t reg_fs_settle(reg_store_t *s, int dir, const char *path,
    reg_error_t *e);
reg_rc_t reg_fs_empty_trash(reg_store_t *s, unsigned files, int *left,
    reg_error_t *e);
reg_rc_t reg_fs_lock(reg_store_t *s, reg_lock_e mode, int *handle,
    reg_error_t *e);
void reg_fs_unlock(reg_store_t *s, int handle);

/*
 * Tries to have the store's lock alone: REG_ABSENT when others would not let
 * go of it.  For so many ms nobody new is let in, so that those who have it
 * are waited for; with 0 nobody is held up.  Who does not try but waits for it
 * keeps others out for a part of the time, and in the end gives up: REG_LOCKED.
 */
reg_rc_t reg_fs_lock_try(reg_store_t *s, unsigned ms, int *handle,
    reg_error_t *e);

/*
 * Locks a directory of a repository against others who do the same, waiting
 * for them.  *fd goes to unlock(), or is -1: REG_ABSENT, or an error.  Who
 * shares it has to hold the store's lock; who has it alone can be sure that it
 * is the directory of that name as long as others share it to remove it.  Who
 * waits to have it alone keeps others out for a part of the time, so that he
 * gets it where it is always shared by somebody.
 * Where the file system cannot lock a directory (NFS), one file stands for
 * those of all repositories.
 */
reg_rc_t reg_fs_lock_repo(reg_store_t *s, const char *path, reg_lock_e mode,
    int *fd, reg_error_t *e);

/* The same, to share it, at once: REG_LOCKED without a word in e. */
reg_rc_t reg_fs_lock_repo_try(reg_store_t *s, const char *path, int *fd,
    reg_error_t *e);

/*
 * Opens the session of an upload, whose directory is given: dir, and the data
 * file in it, for writing, under an exclusive lock that dies with its holder.
 * REG_UPLOAD_BUSY when another holds it, REG_ABSENT.
 */
reg_rc_t reg_fs_upload_open(reg_fs_t *fs, const char *path, int *dir,
    int *fd, uint64_t *size, reg_error_t *e);

/* Makes a handle do without openat2(), for the tests. */
void reg_fs_plain(reg_store_t *s);


#define reg_fs_of(s)  ((reg_fs_t *) (s)->data)


#endif /* REG_FS_H_INCLUDED */
