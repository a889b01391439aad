
/*
 * A short upload that came at once: neither synced nor with a state, so that
 * most pushes pay for neither.  Its length alone is no proof after a power
 * cut, for a file system may have it on disk long before the bytes (ext4 does,
 * as long as these wait in unwritten extents).  A sum of them is therefore
 * noted upon the inode before they are written.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_upload_private.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>


/* "<length> <the first hexadecimal digits of its sha256>" */
#define REG_SHORT_NOTE    "user.registry.upload"
#define REG_SHORT_DIGITS  16
#define REG_SHORT_MAX     (20 + 1 + REG_SHORT_DIGITS)


static size_t reg_upload_short_text(char *text, const reg_hash_t *h);


static size_t
reg_upload_short_text(char *text, const reg_hash_t *h)
{
    reg_hash_t    copy;
    reg_digest_t  d;

    copy = *h;
    reg_hash_final(&copy, &d);

    return (size_t) snprintf(text, REG_SHORT_MAX + 1, "%" PRIu64 " %.*s",
                             h->length, REG_SHORT_DIGITS, reg_digest_hex(&d));
}


void
reg_upload_short_note(int fd, const reg_hash_t *h, reg_str_t data)
{
    char        text[REG_SHORT_MAX + 1];
    size_t      len;
    reg_hash_t  sum;

    if (h->alg == REG_SHA256) {
        len = reg_upload_short_text(text, h);

    } else {
        reg_hash_init(&sum, REG_SHA256);
        reg_hash_update(&sum, data.data, data.len);
        len = reg_upload_short_text(text, &sum);
    }

    (void) fsetxattr(fd, REG_SHORT_NOTE, text, len, 0);
}


reg_rc_t
reg_upload_short_load(int fd, const reg_upload_state_t *state, uint64_t size,
    reg_hash_t *h, const char *path, reg_error_t *e)
{
    char        note[REG_SHORT_MAX], text[REG_SHORT_MAX + 1];
    size_t      len;
    ssize_t     n;
    uint64_t    noted;
    reg_rc_t    rc;
    reg_str_t   s;
    reg_hash_t  sum;

    *h = state->hash;

    /* appended to, in a power cut that left nothing of the state but a name */

    if (state->damaged || size == 0) {
        return REG_OK;
    }

    n = fgetxattr(fd, REG_SHORT_NOTE, note, sizeof(note));
    noted = 0;

    if (n > REG_SHORT_DIGITS + 1) {
        s.data = note;
        s.len = (size_t) n - REG_SHORT_DIGITS - 1;

        if (reg_str_number(s, UINT64_MAX, &noted) != 0) {
            noted = 0;
        }
    }

    if (size < noted) {
        return REG_OK;
    }

    rc = reg_upload_reread(fd, size, h, path, e);

    /* without a note, or with more behind it, the length has to do */

    if (rc != REG_OK || size > noted) {
        return rc;
    }

    sum = *h;

    if (h->alg != REG_SHA256) {
        reg_hash_init(&sum, REG_SHA256);
        rc = reg_upload_reread(fd, size, &sum, path, e);
    }

    if (rc != REG_OK) {
        return rc;
    }

    len = reg_upload_short_text(text, &sum);

    if (len != (size_t) n || memcmp(text, note, len) != 0) {
        *h = state->hash;
    }

    return REG_OK;
}
