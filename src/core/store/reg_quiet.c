
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_quiet.h"

#include "reg_fs.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>


/* bytes that the file has at most: who copies it copies no more */
#define REG_QUIET_SIZES  4095


static reg_rc_t reg_quiet_stat(int lock, struct stat *st, reg_error_t *e);
static reg_rc_t reg_quiet_note(reg_store_t *s, int lock, off_t size,
    const struct stat *st, reg_error_t *e);
static off_t reg_quiet_size(reg_str_t name);


reg_rc_t
reg_quiet_begin(reg_store_t *s, int lock, reg_str_t name, reg_error_t *e)
{
    reg_rc_t     rc;
    struct stat  st;

    rc = reg_quiet_stat(lock, &st, e);

    return (rc == REG_OK)
           ? reg_quiet_note(s, lock, reg_quiet_size(name), &st, e) : rc;
}


reg_rc_t
reg_quiet_look(int lock, reg_str_t name, int *quiet, reg_error_t *e)
{
    reg_rc_t     rc;
    struct stat  st;

    rc = reg_quiet_stat(lock, &st, e);

    *quiet = (rc == REG_OK && st.st_size == reg_quiet_size(name));

    return rc;
}


reg_rc_t
reg_quiet_end(reg_store_t *s, int lock, reg_str_t name, reg_error_t *e)
{
    reg_rc_t     rc;
    struct stat  st;

    rc = reg_quiet_stat(lock, &st, e);

    return (rc == REG_OK && st.st_size == reg_quiet_size(name))
           ? reg_quiet_note(s, lock, 0, &st, e) : rc;
}


static reg_rc_t
reg_quiet_stat(int lock, struct stat *st, reg_error_t *e)
{
    return (fstat(lock, st) == 0)
           ? REG_OK : reg_error_sys(e, errno, "fstat", REG_FS_LOCK);
}


static reg_rc_t
reg_quiet_note(reg_store_t *s, int lock, off_t size, const struct stat *st,
    reg_error_t *e)
{
    if (!reg_fs_ours(reg_fs_of(s), st)) {
        return reg_error_sys(e, EMLINK, "open", REG_FS_LOCK);
    }

    return (ftruncate(lock, size) == 0)
           ? REG_OK : reg_error_sys(e, errno, "ftruncate", REG_FS_LOCK);
}


/* All processes have to agree on it, those of other versions, too: FNV-1a. */

static off_t
reg_quiet_size(reg_str_t name)
{
    size_t    i;
    uint32_t  h;

    h = UINT32_C(2166136261);

    for (i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char) name.data[i]) * UINT32_C(16777619);
    }

    return (off_t) (1 + (h ^ (h >> 16)) % REG_QUIET_SIZES);
}
