
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_audit_private.h"

#include "reg_fs.h"
#include "reg_repo.h"
#include "reg_time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


#define REG_AUDIT_PROBES  4
#define REG_AUDIT_TEXT    512


static void reg_audit_again(reg_audit_run_t *a);
static void reg_audit_tell(reg_audit_run_t *a, reg_audit_e code,
    const char *path, const char *text);
static uint64_t reg_audit_bit(const reg_digest_t *d, unsigned probe);


static const char  *const reg_audit_codes[] = {
#define REG_AUDIT_CODE(symbol, code)  code,
    REG_AUDIT_TABLE(REG_AUDIT_CODE)
#undef REG_AUDIT_CODE
};


const char *
reg_audit_code(reg_audit_e code)
{
    return reg_audit_codes[code];
}


reg_rc_t
reg_audit(reg_store_t *s, const reg_audit_t *how, reg_audit_counts_t *counts,
    reg_error_t *e)
{
    reg_audit_run_t  a;

    memset(counts, 0, sizeof(*counts));
    memset(&a, 0, sizeof(a));

    a.s = s;
    a.how = how;
    a.counts = counts;
    a.e = e;

    reg_buf_init(&a.body, REG_MANIFEST_READ_MAX + 1);

    a.linked = calloc(REG_AUDIT_BITS / 8, 1);
    a.suspects = calloc(REG_AUDIT_SUSPECTS, sizeof(reg_audit_item_t));

    if (a.linked == NULL || a.suspects == NULL) {
        a.rc = reg_error_set(e, REG_NO_MEMORY, NULL);

    } else {
        reg_audit_walk(&a);
        reg_audit_again(&a);
    }

    reg_buf_free(&a.body);
    free(a.suspects);
    free(a.linked);
    free(a.piece);

    return a.rc;
}


void
reg_audit_visit(reg_audit_run_t *a, reg_audit_item_t *item)
{
    if (a->rc != REG_OK) {
        return;
    }

    a->seen = 0;

    reg_audit_look(a, item);

    if (a->how->tick != NULL) {
        a->how->tick(a->how->data, a->counts);
    }

    if (a->seen == 0 || a->rc != REG_OK) {
        return;
    }

    item->seen = a->seen;
    a->suspects[a->n++] = *item;

    if (a->n == REG_AUDIT_SUSPECTS) {
        reg_audit_again(a);
    }
}


/* The second look, at all that waits for one. */

static void
reg_audit_again(reg_audit_run_t *a)
{
    size_t  i;

    if (a->n > 0 && a->rc == REG_OK && a->how->pause != NULL) {
        a->how->pause(a->how->data);
    }

    a->again = 1;

    for (i = 0; i < a->n && a->rc == REG_OK; i++) {
        reg_audit_look(a, &a->suspects[i]);
    }

    a->again = 0;
    a->n = 0;
}


void
reg_audit_found(reg_audit_run_t *a, const reg_audit_item_t *item,
    reg_audit_e code, const char *path, const char *fmt, ...)
{
    char     text[REG_AUDIT_TEXT];
    va_list  args;

    if (!a->again) {
        a->seen |= 1U << code;
        return;
    }

    if (!(item->seen & (1U << code))) {
        return;
    }

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    reg_audit_tell(a, code, path, text);
}


static void
reg_audit_tell(reg_audit_run_t *a, reg_audit_e code, const char *path,
    const char *text)
{
    reg_audit_finding_t  f;

    if (a->rc != REG_OK) {
        return;
    }

    f.code = code;
    f.path = path;
    f.text = text;

    a->counts->findings++;
    a->rc = a->how->found(a->how->data, &f);
}


void
reg_audit_fail(reg_audit_run_t *a, const char *path, const reg_error_t *why)
{
    char  text[REG_AUDIT_TEXT];

    if (a->rc != REG_OK) {
        return;
    }

    if (why->sys != EIO && why->sys != EUCLEAN && why->sys != EBADMSG) {
        a->rc = why->rc;

        if (a->e != NULL) {
            *a->e = *why;
        }

        return;
    }

    /* a disk does not do that because others write; and only once */

    if (!a->again) {
        (void) snprintf(text, sizeof(text), "cannot be read: %s: %s",
                        (why->call != NULL) ? why->call : "read",
                        strerror(why->sys));

        reg_audit_tell(a, REG_AUDIT_UNREADABLE, path, text);
    }
}


/*
 * The driver's stat() takes what is neither a file nor a directory for
 * nothing, which is what a reader wants; here it has to be told.
 */

reg_audit_type_e
reg_audit_type(reg_audit_run_t *a, const char *path, reg_stat_t *out)
{
    int           fd, rc, err;
    reg_fs_t     *fs;
    struct stat   st;
    reg_error_t   why;

    fs = reg_fs_of(a->s);
    fd = reg_fs_open(fs, fs->root, path, O_PATH);
    err = errno;
    rc = -1;

    if (fd != -1) {
        rc = fstat(fd, &st);
        err = errno;

        (void) close(fd);

    } else if (err == ELOOP) {
        return REG_AUDIT_LINK;
    }

    if (rc == -1) {
        if (!reg_fs_absent(err)) {
            reg_error_clear(&why);
            (void) reg_error_sys(&why, err, "open", path);
            reg_audit_fail(a, path, &why);
        }

        return REG_AUDIT_NONE;
    }

    if (out != NULL) {
        reg_fs_stat(&st, out);
    }

    return S_ISREG(st.st_mode) ? REG_AUDIT_FILE
           : S_ISDIR(st.st_mode) ? REG_AUDIT_DIR
           : S_ISLNK(st.st_mode) ? REG_AUDIT_LINK : REG_AUDIT_OTHER;
}


int
reg_audit_young(const reg_audit_run_t *a, const reg_stat_t *st)
{
    return a->how->grace > 0
           && st->ctime / REG_TIME_SECOND > a->how->now - a->how->grace;
}


/* Digits of a digest are as good as any hash of it. */

static uint64_t
reg_audit_bit(const reg_digest_t *d, unsigned probe)
{
    char  digits[9];

    memcpy(digits, reg_digest_hex(d) + 8 * probe, 8);
    digits[8] = '\0';

    return strtoull(digits, NULL, 16) % REG_AUDIT_BITS;
}


void
reg_audit_link(reg_audit_run_t *a, const reg_digest_t *d)
{
    uint64_t  bit;
    unsigned  i;

    for (i = 0; i < REG_AUDIT_PROBES; i++) {
        bit = reg_audit_bit(d, i);
        a->linked[bit / 8] |= (unsigned char) (1U << bit % 8);
    }
}


int
reg_audit_linked(const reg_audit_run_t *a, const reg_digest_t *d)
{
    uint64_t  bit;
    unsigned  i;

    for (i = 0; i < REG_AUDIT_PROBES; i++) {
        bit = reg_audit_bit(d, i);

        if (!(a->linked[bit / 8] & (1U << bit % 8))) {
            return 0;
        }
    }

    return 1;
}
