
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_cli_tar.h"

#include "reg_backup_dir.h"
#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>


#define REG_CLI_TAR_CHUNK  (1024 * 1024)


struct reg_cli_tar_s {
    struct archive  *a;
    const char      *name;
    int64_t          now;
    int              fd;
    FILE            *listing;
    unsigned         file:1;             /* and not standard output */
    char             part[PATH_MAX];     /* its name until it is whole */
    char             chunk[REG_CLI_TAR_CHUNK];
};


static int reg_cli_tar_begin(reg_cli_tar_t *t);
static int reg_cli_tar_ends(const char *name, const char *end);
static reg_rc_t reg_cli_tar_blob(void *ctx, reg_store_t *s, const char *path,
    const reg_digest_t *d, reg_backup_counts_t *counts, reg_error_t *e);
static reg_rc_t reg_cli_tar_add(reg_cli_tar_t *t, const char *name, int fd,
    uint64_t size, const char *from, reg_error_t *e);
static reg_rc_t reg_cli_tar_failed(reg_cli_tar_t *t, reg_error_t *e);
static reg_rc_t reg_cli_tar_listing(void *ctx, int *fd, reg_error_t *e);
static reg_rc_t reg_cli_tar_finish(void *ctx, const char *id, reg_error_t *e);


const reg_backup_sink_t  reg_cli_tar = {
    reg_cli_tar_blob,
    reg_cli_tar_listing,
    reg_cli_tar_finish
};


reg_cli_tar_t *
reg_cli_tar_open(const char *name, int64_t now)
{
    reg_cli_tar_t  *t;

    t = calloc(1, sizeof(reg_cli_tar_t));

    if (t == NULL) {
        (void) reg_cli_fail(REG_CLI_FAILED, "out of memory");
        return NULL;
    }

    t->name = name;
    t->now = now;
    t->file = (strcmp(name, "-") != 0);
    t->fd = STDOUT_FILENO;

    if (reg_cli_tar_begin(t) != 0) {
        (void) reg_cli_tar_close(t, 0);
        return NULL;
    }

    return t;
}


static int
reg_cli_tar_ends(const char *name, const char *end)
{
    return reg_str_ends(reg_str_of(name), reg_str_of(end));
}


static int
reg_cli_tar_begin(reg_cli_tar_t *t)
{
    int  rc;

    if (!t->file && isatty(STDOUT_FILENO) == 1) {
        (void) reg_cli_fail(REG_CLI_USAGE, "a tar is not for a terminal");
        return -1;
    }

    if (t->file) {
        if ((size_t) snprintf(t->part, sizeof(t->part), "%s.part", t->name)
            >= sizeof(t->part))
        {
            errno = ENAMETOOLONG;
            t->fd = -1;

        } else {
            t->fd = open(t->part, O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC
                                  |O_NOFOLLOW, 0600);
        }

        if (t->fd == -1) {
            (void) reg_cli_fail(REG_CLI_FAILED, "%s.part: %s", t->name,
                                strerror(errno));
            return -1;
        }
    }

    t->a = archive_write_new();
    t->listing = tmpfile();

    if (t->a == NULL || t->listing == NULL) {
        (void) reg_cli_fail(REG_CLI_FAILED, "a temporary: %s",
                            strerror(errno));
        return -1;
    }

    rc = archive_write_set_format_pax_restricted(t->a);

    if (reg_cli_tar_ends(t->name, ".gz") || reg_cli_tar_ends(t->name, ".tgz"))
    {
        rc |= archive_write_add_filter_gzip(t->a);

    } else if (reg_cli_tar_ends(t->name, ".zst")) {
        rc |= archive_write_add_filter_zstd(t->a);

    } else {
        rc |= archive_write_add_filter_none(t->a);
    }

    if (rc != ARCHIVE_OK || archive_write_open_fd(t->a, t->fd) != ARCHIVE_OK) {
        (void) reg_cli_fail(REG_CLI_FAILED, "%s: %s", t->name,
                            archive_error_string(t->a));
        return -1;
    }

    return 0;
}


/*
 * What is once in the stream cannot be taken back: the bytes are hashed before
 * they are written.
 */

static reg_rc_t
reg_cli_tar_blob(void *ctx, reg_store_t *s, const char *path,
    const reg_digest_t *d, reg_backup_counts_t *counts, reg_error_t *e)
{
    uint64_t        size;
    reg_rc_t        rc;
    reg_file_t      f;
    reg_path_t      name;
    reg_cli_tar_t  *t;

    t = ctx;

    rc = reg_backup_hash(s, path, d, &size, e);

    if (rc == REG_OK) {
        rc = s->driver->open(s, path, &f, e);
    }

    if (rc != REG_OK) {
        return rc;
    }

    /* another file of that name has the same bytes, or is damaged */

    if (f.size != size) {
        (void) close(f.fd);
        return REG_DIGEST_MISMATCH;
    }

    reg_backup_path(&name, d);

    rc = reg_cli_tar_add(t, name.s, f.fd, size, path, e);

    (void) close(f.fd);

    counts->copied++;
    counts->copied_bytes += size;

    return rc;
}


static reg_rc_t
reg_cli_tar_add(reg_cli_tar_t *t, const char *name, int fd, uint64_t size,
    const char *from, reg_error_t *e)
{
    int                    rc;
    ssize_t                n;
    uint64_t               at;
    struct archive_entry  *entry;

    entry = archive_entry_new();

    if (entry == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (la_int64_t) size);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, (time_t) t->now, 0);

    rc = archive_write_header(t->a, entry);

    archive_entry_free(entry);

    if (rc != ARCHIVE_OK) {
        return reg_cli_tar_failed(t, e);
    }

    for (at = 0; at < size; at += (uint64_t) n) {
        n = reg_fs_pread(fd, t->chunk,
                         (size - at < sizeof(t->chunk)) ? (size_t) (size - at)
                                                        : sizeof(t->chunk),
                         at);

        if (n <= 0) {
            return reg_error_sys(e, (n == 0) ? EIO : errno, "read", from);
        }

        if (archive_write_data(t->a, t->chunk, (size_t) n) != n) {
            return reg_cli_tar_failed(t, e);
        }
    }

    return REG_OK;
}


static reg_rc_t
reg_cli_tar_failed(reg_cli_tar_t *t, reg_error_t *e)
{
    int  err;

    err = archive_errno(t->a);

    return reg_backup_error(e, reg_error_sys(e, (err > 0) ? err : EIO, "write",
                                             NULL));
}


static reg_rc_t
reg_cli_tar_listing(void *ctx, int *fd, reg_error_t *e)
{
    reg_cli_tar_t  *t;

    (void) e;

    t = ctx;
    *fd = fileno(t->listing);

    return REG_OK;
}


/* The listing is the last in the stream: a cut one has none. */

static reg_rc_t
reg_cli_tar_finish(void *ctx, const char *id, reg_error_t *e)
{
    int             fd;
    char            name[64];
    off_t           size;
    reg_rc_t        rc;
    reg_cli_tar_t  *t;

    t = ctx;
    fd = fileno(t->listing);
    size = lseek(fd, 0, SEEK_END);

    if (size == -1) {
        return reg_backup_error(e, reg_error_sys(e, errno, "lseek",
                                                 "listing"));
    }

    (void) snprintf(name, sizeof(name), "backups/%s.json", id);

    rc = reg_cli_tar_add(t, name, fd, (uint64_t) size, "listing", e);

    if (rc != REG_OK && e != NULL && strcmp(e->path, "listing") == 0) {
        (void) reg_backup_error(e, rc);
    }

    if (rc != REG_OK) {
        return rc;
    }

    return (archive_write_close(t->a) == ARCHIVE_OK)
           ? REG_OK : reg_cli_tar_failed(t, e);
}


reg_cli_exit_e
reg_cli_tar_close(reg_cli_tar_t *t, int whole)
{
    int              dir, null;
    char            *slash;
    reg_cli_exit_e   rc;

    rc = REG_CLI_OK;

    if (t->a != NULL) {

        /* one that failed must not get the end that makes it look whole */

        null = whole ? -1 : open("/dev/null", O_WRONLY|O_CLOEXEC);

        if (null != -1) {
            (void) dup2(null, t->fd);
            (void) close(null);
        }

        (void) archive_write_free(t->a);
    }

    if (t->listing != NULL) {
        (void) fclose(t->listing);
    }

    if (t->file && t->fd != -1) {

        if (!whole) {
            (void) unlink(t->part);

        } else if (fsync(t->fd) == -1 || rename(t->part, t->name) == -1) {
            rc = reg_cli_fail(REG_CLI_FAILED, "%s: %s", t->name,
                              strerror(errno));
        }

        (void) close(t->fd);
    }

    if (t->file && whole && rc == REG_CLI_OK) {
        slash = strrchr(t->part, '/');

        if (slash != NULL) {
            slash[1] = '\0';
        }

        dir = open((slash != NULL) ? t->part : ".", O_RDONLY|O_DIRECTORY
                                                    |O_CLOEXEC);

        if (dir == -1 || fsync(dir) == -1) {
            rc = reg_cli_fail(REG_CLI_FAILED, "%s: its directory: %s", t->name,
                              strerror(errno));
        }

        if (dir != -1) {
            (void) close(dir);
        }
    }

    free(t);

    return rc;
}
