
/*
 * Where a scrub is, as text:
 *
 *     registry scrub 1
 *     began 1795208645
 *     idle 0
 *     blobs 12 345678 0 0 3               the counts, in their order
 *     at sha256:...                       the last blob that is done
 *     in sha256:... INODE CTIME LOOK STATE
 *                                         the next one, in the middle of the
 *                                         first or second look at it
 *     sum sha256:...                      of all before
 *
 * STATE is what reg_hash_save() writes, in hexadecimal digits.  The record is
 * written over the one before in a single call, so that who is killed leaves
 * one of them; with whatever else is found there all is begun anew.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_scrub_private.h"

#include "reg_care.h"
#include "reg_fs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>


/* longer than any; the rest is blanks */
#define REG_SCRUB_RECORD  2048

#define REG_SCRUB_WORDS   6


static void reg_scrub_place_read(reg_scrub_t *p, char *text, size_t len);
static int reg_scrub_place_line(reg_scrub_t *p, char *line);
static int reg_scrub_number(reg_str_t s, uint64_t *n);
static int reg_scrub_middle(reg_scrub_t *p, const reg_str_t *words);
static int reg_scrub_hex(char c);


reg_rc_t
reg_scrub_place_open(reg_scrub_t *p, reg_error_t *e)
{
    char        path[sizeof(REG_LAYOUT_OWN) + 64];
    char        text[REG_SCRUB_RECORD + 1];
    ssize_t     n;
    reg_rc_t    rc;

    (void) snprintf(path, sizeof(path), "%s/%s", REG_LAYOUT_OWN, p->how.name);

    rc = reg_care_file(p->s, path, &p->lock, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (flock(p->lock, LOCK_EX|LOCK_NB) == -1) {
        return (errno == EWOULDBLOCK)
               ? REG_BUSY : reg_error_sys(e, errno, "flock", p->how.name);
    }

    n = reg_fs_pread(p->lock, text, REG_SCRUB_RECORD, 0);

    if (n == -1) {
        return reg_error_sys(e, errno, "read", p->how.name);
    }

    reg_scrub_place_read(p, text, (size_t) n);

    return REG_OK;
}


static void
reg_scrub_place_read(reg_scrub_t *p, char *text, size_t len)
{
    char          *line, *end, *sum;
    reg_digest_t   d;

    text[len] = '\0';
    sum = strstr(text, "sum sha256:");

    if (sum != NULL) {
        reg_digest_of(&d, REG_SHA256, text, (size_t) (sum - text));

        if (strncmp(sum + 4, d.text, d.len) != 0 || sum[4 + d.len] != '\n') {
            sum = NULL;
        }
    }

    for (line = text; sum != NULL && line < sum; line = end + 1) {
        end = strchr(line, '\n');

        if (end == NULL) {
            sum = NULL;
            break;
        }

        *end = '\0';

        if ((line == text) ? strcmp(line, "registry scrub 1") != 0
                           : reg_scrub_place_line(p, line) != 0)
        {
            sum = NULL;
        }
    }

    if (sum != NULL) {
        return;
    }

    p->idle = 1;
    p->began = 0;
    p->has_at = 0;
    p->middle.any = 0;
    memset(&p->counts, 0, sizeof(p->counts));
}


static int
reg_scrub_place_line(reg_scrub_t *p, char *line)
{
    char       *word, *rest;
    size_t      n;
    uint64_t    value;
    reg_str_t   words[REG_SCRUB_WORDS];

    rest = NULL;

    for (n = 0; n < REG_SCRUB_WORDS; n++) {
        word = strtok_r((n == 0) ? line : NULL, " ", &rest);

        if (word == NULL) {
            break;
        }

        words[n] = reg_str_of(word);
    }

    if (n == 2 && reg_str_eq(words[0], reg_str("began"))) {

        if (reg_scrub_number(words[1], &value) != 0) {
            return -1;
        }

        p->began = (int64_t) value;
        return 0;
    }

    if (n == 2 && reg_str_eq(words[0], reg_str("idle"))) {
        p->idle = !reg_str_eq(words[1], reg_str("0"));
        return 0;
    }

    if (n == 6 && reg_str_eq(words[0], reg_str("blobs"))) {
        return reg_scrub_number(words[1], &p->counts.blobs)
               | reg_scrub_number(words[2], &p->counts.bytes)
               | reg_scrub_number(words[3], &p->counts.corrupt)
               | reg_scrub_number(words[4], &p->counts.unreadable)
               | reg_scrub_number(words[5], &p->counts.noted);
    }

    if (n == 2 && reg_str_eq(words[0], reg_str("at"))) {
        p->has_at = 1;
        return (reg_digest_parse(&p->at, words[1], NULL) == REG_OK) ? 0 : -1;
    }

    if (n == 6 && reg_str_eq(words[0], reg_str("in"))) {
        return reg_scrub_middle(p, words);
    }

    return -1;
}


static int
reg_scrub_number(reg_str_t s, uint64_t *n)
{
    return reg_str_number(s, INT64_MAX, n);
}


static int
reg_scrub_middle(reg_scrub_t *p, const reg_str_t *words)
{
    int             high, low;
    size_t          i, len;
    uint64_t        ctime, look;
    reg_str_t       hex;
    unsigned char   state[REG_HASH_STATE_MAX];

    hex = words[5];
    len = hex.len / 2;

    if (reg_digest_parse(&p->middle.d, words[1], NULL) != REG_OK
        || reg_scrub_number(words[2], &p->middle.ino) != 0
        || reg_scrub_number(words[3], &ctime) != 0
        || reg_scrub_number(words[4], &look) != 0
        || hex.len % 2 != 0 || len > sizeof(state))
    {
        return -1;
    }

    for (i = 0; i < len; i++) {
        high = reg_scrub_hex(hex.data[i * 2]);
        low = reg_scrub_hex(hex.data[i * 2 + 1]);

        if (high == -1 || low == -1) {
            return -1;
        }

        state[i] = (unsigned char) (high << 4 | low);
    }

    if (reg_hash_restore(&p->middle.hash, p->middle.d.alg, state, len) != 0) {
        return -1;
    }

    p->middle.again = (look == 2);
    p->middle.ctime = (int64_t) ctime;
    p->middle.any = 1;

    return 0;
}


static int
reg_scrub_hex(char c)
{
    return (c >= '0' && c <= '9') ? c - '0'
           : (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}


reg_rc_t
reg_scrub_save(reg_scrub_t *p, reg_error_t *e)
{
    int                      rc;
    size_t                   i, len;
    reg_buf_t                b;
    reg_digest_t             sum;
    const reg_scrub_file_t  *f;
    unsigned char            state[REG_HASH_STATE_MAX];

    if (p->lock == -1) {
        return REG_OK;
    }

    f = &p->file;
    reg_buf_init(&b, REG_SCRUB_RECORD);

    reg_buf_printf(&b, "registry scrub 1\nbegan %" PRId64 "\nidle %u\n"
                   "blobs %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
                   " %" PRIu64 "\n", p->began, p->idle, p->counts.blobs,
                   p->counts.bytes, p->counts.corrupt, p->counts.unreadable,
                   p->counts.noted);

    if (p->has_at) {
        reg_buf_printf(&b, "at %s\n", p->at.text);
    }

    if (f->fd != -1) {
        reg_buf_printf(&b, "in %s %" PRIu64 " %" PRId64 " %d ", f->d.text,
                       f->ino, f->ctime, f->again ? 2 : 1);

        len = reg_hash_save(&f->hash, state);

        for (i = 0; i < len; i++) {
            reg_buf_printf(&b, "%02x", state[i]);
        }

        reg_buf_str(&b, reg_str("\n"));
    }

    reg_digest_of(&sum, REG_SHA256, b.data, b.len);
    reg_buf_printf(&b, "sum %s\n", sum.text);

    while (b.len < REG_SCRUB_RECORD && !reg_buf_failed(&b)) {
        reg_buf_str(&b, reg_str(" "));
    }

    if (reg_buf_failed(&b)) {
        reg_buf_free(&b);
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    rc = reg_fs_pwrite(p->lock, b.data, b.len, 0);

    reg_buf_free(&b);

    return (rc == 0) ? REG_OK : reg_error_sys(e, errno, "write", p->how.name);
}
