
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_journal.h"

#include "reg_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


#define REG_JOURNAL_CHUNK  (64 * 1024)


static reg_rc_t reg_journal_tail(reg_journal_t *j, int fd, uint64_t size,
    reg_error_t *e);
static size_t reg_journal_parse(reg_journal_t *j, const char *data,
    size_t len, int *nomem);
static int reg_journal_line(reg_journal_t *j, reg_str_t line);
static int reg_journal_open(reg_fs_t *fs);
static int reg_journal_write(int fd, const char *data, size_t len);
static int reg_journal_sync(reg_fs_t *fs, int fd);


reg_rc_t
reg_journal_read(reg_store_t *s, reg_journal_t *j, reg_error_t *e)
{
    int          fd, err;
    reg_fs_t    *fs;
    reg_rc_t     rc;
    struct stat  st;

    fs = reg_fs_of(s);
    fd = reg_fs_open(fs, fs->root, REG_JOURNAL, O_RDONLY);

    if (fd == -1) {

        if (!reg_fs_absent(errno)) {
            return reg_error_sys(e, errno, "open", REG_JOURNAL);
        }

        if (j->ino != 0) {
            reg_names_free(&j->names);
            memset(j, 0, sizeof(reg_journal_t));
        }

        return REG_OK;
    }

    if (fstat(fd, &st) == -1) {
        err = errno;
        (void) close(fd);

        return reg_error_sys(e, err, "fstat", REG_JOURNAL);
    }

    rc = REG_OK;

    if (S_ISREG(st.st_mode)) {

        if (j->ino != st.st_ino || (uint64_t) st.st_size < j->offset) {
            reg_names_free(&j->names);
            memset(j, 0, sizeof(reg_journal_t));

            j->ino = st.st_ino;
        }

        if ((uint64_t) st.st_size > j->offset) {
            rc = reg_journal_tail(j, fd, (uint64_t) st.st_size, e);
        }
    }

    (void) close(fd);

    return rc;
}


static reg_rc_t
reg_journal_tail(reg_journal_t *j, int fd, uint64_t size, reg_error_t *e)
{
    int       err, nomem;
    char     *buf;
    size_t    used;
    ssize_t   n;

    buf = malloc(REG_JOURNAL_CHUNK);

    if (buf == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    err = 0;
    nomem = 0;

    while (j->offset < size && !nomem) {
        n = reg_fs_pread(fd, buf, REG_JOURNAL_CHUNK, j->offset);

        if (n <= 0) {
            err = (n == -1) ? errno : 0;
            break;
        }

        used = reg_journal_parse(j, buf, (size_t) n, &nomem);

        /* the rest is a line whose end is still to come, or no line at all */

        if (used == 0) {
            if (n < REG_JOURNAL_CHUNK) {
                break;
            }

            used = (size_t) n;
        }

        j->offset += used;
    }

    free(buf);

    if (reg_names_sort(&j->names) != 0 || nomem) {

        /* begin from the start next time */

        reg_names_free(&j->names);
        memset(j, 0, sizeof(reg_journal_t));

        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    return err ? reg_error_sys(e, err, "pread", REG_JOURNAL) : REG_OK;
}


/* Takes in whole lines, and tells how many bytes they were. */

static size_t
reg_journal_parse(reg_journal_t *j, const char *data, size_t len, int *nomem)
{
    size_t       used;
    reg_str_t    line;
    const char  *end;

    used = 0;

    while ((end = memchr(data + used, '\n', len - used)) != NULL) {
        line.data = data + used;
        line.len = (size_t) (end - line.data);

        if (reg_journal_line(j, line) != 0) {
            *nomem = 1;
            break;
        }

        used += line.len + 1;
    }

    return used;
}


static int
reg_journal_line(reg_journal_t *j, reg_str_t line)
{
    uint64_t  mark;

    if (line.len == 0) {
        return 0;
    }

    if (line.data[0] == '=') {
        line.data++;
        line.len--;

        if (reg_str_number(line, INT64_MAX, &mark) == 0) {
            j->mark = (int64_t) mark;
        }

        return 0;
    }

    if (!reg_name_valid(line)) {
        return 0;
    }

    j->lines++;

    return reg_names_add(&j->names, line);
}


reg_rc_t
reg_journal_append(reg_store_t *s, reg_str_t lines, reg_error_t *e)
{
    int        fd, err;
    reg_fs_t  *fs;

    fs = reg_fs_of(s);
    fd = reg_journal_open(fs);

    if (fd == -1) {
        return reg_error_sys(e, errno, "open", REG_JOURNAL);
    }

    err = 0;

    if ((lines.len > 0 && reg_journal_write(fd, lines.data, lines.len) == -1)
        || reg_journal_sync(fs, fd) == -1)
    {
        err = errno;
    }

    (void) close(fd);

    return err ? reg_error_sys(e, err, "append", REG_JOURNAL) : REG_OK;
}


static int
reg_journal_open(reg_fs_t *fs)
{
    int  fd, dir;

    fd = reg_fs_open(fs, fs->root, REG_JOURNAL, O_WRONLY|O_APPEND);

    if (fd == -1 && errno == ENOENT) {

        dir = reg_fs_own(fs, REG_LAYOUT_OWN);

        if (dir == -1) {
            return -1;
        }

        (void) close(dir);

        fd = reg_fs_open(fs, fs->root, REG_JOURNAL,
                         O_WRONLY|O_APPEND|O_CREAT);
    }

    return fd;
}


/* Others append at the same time: what was cut short is begun anew. */

static int
reg_journal_write(int fd, const char *data, size_t len)
{
    char        *text;
    size_t       n;
    ssize_t      done;
    const char  *end;

    text = malloc(REG_JOURNAL_CHUNK + 1);

    if (text == NULL) {
        return -1;
    }

    while (len > 0) {

        /* as many whole lines as fit */

        n = (len < REG_JOURNAL_CHUNK) ? len : REG_JOURNAL_CHUNK;
        end = memrchr(data, '\n', n);
        n = (end == NULL) ? n : (size_t) (end - data) + 1;

        text[0] = '\n';
        memcpy(text + 1, data, n);

        done = write(fd, text, n + 1);

        if (done == -1) {
            if (errno == EINTR) {
                continue;
            }

            free(text);
            return -1;
        }

        if ((size_t) done <= n) {
            continue;
        }

        data += n;
        len -= n;
    }

    free(text);

    return 0;
}


/* The directory too, as long as it may not be known on disk. */

static int
reg_journal_sync(reg_fs_t *fs, int fd)
{
    int             dir, rc, err;
    reg_fs_ident_t  id;

    if (fdatasync(fd) == -1 || reg_fs_ident(fd, &id) == -1) {
        return -1;
    }

    if (!id.young || reg_fs_known(fs, id.key)) {
        return 0;
    }

    dir = reg_fs_own(fs, REG_LAYOUT_OWN);

    if (dir == -1) {
        return -1;
    }

    rc = reg_fs_sync(fs, dir, REG_LAYOUT_OWN, sizeof(REG_LAYOUT_OWN) - 1, 0,
                     NULL);
    err = errno;

    (void) close(dir);

    if (rc == 0) {
        reg_fs_learn(fs, id.key);
    }

    errno = err;

    return rc;
}
