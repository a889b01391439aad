
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS  64

#include "reg_quiet.h"

#include "reg_fs.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>


/* bytes that the file has at most: who copies it copies no more */
#define REG_QUIET_SIZES  4095


static reg_rc_t reg_quiet_stat(int lock, reg_str_t name, int *noted,
    unsigned *links, reg_error_t *e);
static reg_rc_t reg_quiet_note(int lock, off_t size, unsigned links,
    reg_error_t *e);
static off_t reg_quiet_size(reg_str_t name);


reg_rc_t
reg_quiet_begin(int lock, reg_str_t name, reg_error_t *e)
{
    int       noted;
    reg_rc_t  rc;
    unsigned  links;

    rc = reg_quiet_stat(lock, name, &noted, &links, e);

    return (rc == REG_OK)
           ? reg_quiet_note(lock, reg_quiet_size(name), links, e) : rc;
}


reg_rc_t
reg_quiet_look(int lock, reg_str_t name, int *quiet, reg_error_t *e)
{
    unsigned  links;

    return reg_quiet_stat(lock, name, quiet, &links, e);
}


reg_rc_t
reg_quiet_end(int lock, reg_str_t name, reg_error_t *e)
{
    int       noted;
    reg_rc_t  rc;
    unsigned  links;

    rc = reg_quiet_stat(lock, name, &noted, &links, e);

    return (rc == REG_OK && noted) ? reg_quiet_note(lock, 0, links, e) : rc;
}


static reg_rc_t
reg_quiet_stat(int lock, reg_str_t name, int *noted, unsigned *links,
    reg_error_t *e)
{
    struct stat  st;

    *noted = 0;
    *links = 0;

    if (fstat(lock, &st) == -1) {
        return reg_error_sys(e, errno, "fstat", REG_FS_LOCK);
    }

    *noted = (st.st_size == reg_quiet_size(name));
    *links = (unsigned) st.st_nlink;

    return REG_OK;
}


static reg_rc_t
reg_quiet_note(int lock, off_t size, unsigned links, reg_error_t *e)
{
    if (links > 1) {
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
