
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_spool_private.h"

#include "reg_fs.h"
#include "reg_hmac.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* "E1 ", number and length with their blanks: what the sum is of, and body */
#define REG_SPOOL_SUMMED  29

#define REG_SPOOL_SUM     16


static void reg_spool_digits(reg_buf_t *b, uint64_t value, size_t n);
static void reg_spool_sum(reg_str_t head, reg_str_t body, char *digits);
static int reg_spool_hex(const char *p, size_t n, uint64_t *value);
static int reg_spool_place_fill(reg_spool_place_t *p, uint64_t off);
static int reg_spool_place_record(reg_spool_place_t *p,
    reg_spool_record_t *rec, size_t *len);
static int reg_spool_place_resync(reg_spool_place_t *p,
    reg_spool_record_t *rec, size_t *len);
static reg_rc_t reg_spool_segment(void *ctx, reg_str_t name, int dir);
static int reg_spool_segment_order(const void *a, const void *b);


static const char  reg_spool_xdigits[] = "0123456789abcdef";


/* --- records ------------------------------------------------------------- */

int
reg_spool_item_valid(const reg_spool_item_t *item)
{
    return item->to.len <= REG_SPOOL_TO_MAX
           && item->event.len <= REG_EVENT_MAX && item->event.len != 0
           && memchr(item->event.data, '\n', item->event.len) == NULL
           && (item->to.len == 0
               || (memchr(item->to.data, '\n', item->to.len) == NULL
                   && memchr(item->to.data, ' ', item->to.len) == NULL));
}


void
reg_spool_record_print(reg_buf_t *b, uint64_t seq,
    const reg_spool_item_t *item)
{
    char       sum[2 * REG_SPOOL_SUM + 1];
    size_t     head, length;
    reg_str_t  parts[2];

    static const char  none[2 * REG_SPOOL_SUM + 1] =
        "................................";

    head = b->len;

    length = item->to.len + 1 + item->event.len;

    reg_buf_str(b, reg_str("E1 "));
    reg_spool_digits(b, seq, 16);
    reg_spool_digits(b, length, 8);
    reg_buf_add(b, none, 2 * REG_SPOOL_SUM);
    reg_buf_str(b, reg_str(" "));
    reg_buf_str(b, item->to);
    reg_buf_str(b, reg_str(" "));
    reg_buf_str(b, item->event);
    reg_buf_str(b, reg_str("\n"));

    if (reg_buf_failed(b)) {
        return;
    }

    parts[0].data = b->data + head;
    parts[0].len = REG_SPOOL_SUMMED;

    parts[1].data = b->data + head + REG_SPOOL_HEAD;
    parts[1].len = b->len - head - REG_SPOOL_HEAD - 1;

    reg_spool_sum(parts[0], parts[1], sum);
    memcpy(b->data + head + REG_SPOOL_SUMMED, sum, 2 * REG_SPOOL_SUM);
}


/* n hexadecimal digits, and a blank. */

static void
reg_spool_digits(reg_buf_t *b, uint64_t value, size_t n)
{
    char    text[17];
    size_t  i;

    for (i = n; i > 0; i--) {
        text[i - 1] = reg_spool_xdigits[value & 0xf];
        value >>= 4;
    }

    text[n] = ' ';
    reg_buf_add(b, text, n + 1);
}


static void
reg_spool_sum(reg_str_t head, reg_str_t body, char *digits)
{
    size_t         i;
    reg_str_t      pieces[2];
    unsigned char  sum[REG_SHA256_LEN];

    pieces[0] = head;
    pieces[1] = body;

    reg_sha256(pieces, 2, sum);

    for (i = 0; i < REG_SPOOL_SUM; i++) {
        *digits++ = reg_spool_xdigits[sum[i] >> 4];
        *digits++ = reg_spool_xdigits[sum[i] & 0xf];
    }
}


/* Lower case alone, so that a record can be written in one way only. */

static int
reg_spool_hex(const char *p, size_t n, uint64_t *value)
{
    size_t    i;
    uint64_t  v;

    v = 0;

    for (i = 0; i < n; i++) {

        if (p[i] >= '0' && p[i] <= '9') {
            v = v * 16 + (uint64_t) (p[i] - '0');

        } else if (p[i] >= 'a' && p[i] <= 'f') {
            v = v * 16 + (uint64_t) (p[i] - 'a') + 10;

        } else {
            return -1;
        }
    }

    *value = v;

    return 0;
}


int
reg_spool_record_parse(reg_str_t data, reg_spool_record_t *rec, size_t *len)
{
    char         sum[2 * REG_SPOOL_SUM];
    uint64_t     seq, length;
    reg_str_t    head, body;
    const char  *blank;

    if (data.len < REG_SPOOL_HEAD) {
        return (data.len < 3 || memcmp(data.data, "E1 ", 3) == 0) ? 0 : -1;
    }

    if (memcmp(data.data, "E1 ", 3) != 0
        || reg_spool_hex(data.data + 3, 16, &seq) != 0
        || data.data[19] != ' '
        || reg_spool_hex(data.data + 20, 8, &length) != 0
        || data.data[28] != ' ' || data.data[REG_SPOOL_HEAD - 1] != ' '
        || seq == 0 || seq == UINT64_MAX
        || length < 2 || length > REG_SPOOL_BODY_MAX)
    {
        return -1;
    }

    if (data.len - REG_SPOOL_HEAD < length + 1) {
        return 0;
    }

    head.data = data.data;
    head.len = REG_SPOOL_SUMMED;

    body.data = data.data + REG_SPOOL_HEAD;
    body.len = (size_t) length;

    if (body.data[body.len] != '\n') {
        return -1;
    }

    reg_spool_sum(head, body, sum);

    if (memcmp(sum, data.data + REG_SPOOL_SUMMED, sizeof(sum)) != 0) {
        return -1;
    }

    blank = memchr(body.data, ' ', body.len);

    if (blank == NULL) {
        return -1;
    }

    rec->seq = seq;
    rec->lost = 0;
    rec->anew = 0;
    rec->to.data = body.data;
    rec->to.len = (size_t) (blank - body.data);
    rec->event.data = blank + 1;
    rec->event.len = body.len - rec->to.len - 1;

    *len = REG_SPOOL_HEAD + body.len + 1;

    return 1;
}


int
reg_spool_for(reg_str_t to, reg_str_t name)
{
    reg_str_t    item;
    const char  *comma;

    if (to.len == 0) {
        return 1;
    }

    for ( ;; ) {
        comma = memchr(to.data, ',', to.len);

        item.data = to.data;
        item.len = (comma == NULL) ? to.len : (size_t) (comma - to.data);

        if (reg_str_eq(item, name)) {
            return 1;
        }

        if (comma == NULL || item.len + 1 == to.len) {
            return 0;
        }

        to.data += item.len + 1;
        to.len -= item.len + 1;
    }
}


/* --- a place in a segment ------------------------------------------------ */

void
reg_spool_place_set(reg_spool_place_t *p, int fd, uint64_t first)
{
    p->fd = fd;
    p->first = first;
    p->off = 0;
    p->last = first - 1;
    p->rest = 0;
    p->at = 0;
    p->len = 0;
    p->end = 0;
}


void
reg_spool_place_rest(reg_spool_place_t *p)
{
    free(p->window);

    p->window = NULL;
    p->len = 0;
}


void
reg_spool_place_close(reg_spool_place_t *p)
{
    if (p->fd != -1) {
        (void) close(p->fd);
        p->fd = -1;
    }

    reg_spool_place_rest(p);
}


int
reg_spool_place_next(reg_spool_place_t *p, reg_spool_record_t *rec)
{
    int     rc;
    size_t  len;

    rc = reg_spool_place_record(p, rec, &len);

    if (rc == 0) {

        /* what was read before may have been cut off and written anew */

        if (reg_spool_place_fill(p, p->off) == -1) {
            return -1;
        }

        p->rest = (p->len != 0);

        if (p->len == 0) {
            return 0;
        }

        rc = reg_spool_place_record(p, rec, &len);
    }

    if (rc == 0) {
        rc = reg_spool_place_resync(p, rec, &len);
    }

    if (rc != 1) {
        return rc;
    }

    p->off += len;
    p->last = rec->seq;
    p->rest = 0;

    return 1;
}


/* Reads the file from there on. */

static int
reg_spool_place_fill(reg_spool_place_t *p, uint64_t off)
{
    size_t   size;
    ssize_t  n;

    p->len = 0;
    p->at = off;

    size = REG_SPOOL_WINDOW;

    if (p->end != 0) {

        if (off >= p->end) {
            return 0;
        }

        size = (p->end - off < size) ? (size_t) (p->end - off) : size;
    }

    /* with an end it is let go of at the end, and what comes is not longer */

    if (p->window == NULL) {
        p->window = malloc(size);

        if (p->window == NULL) {
            errno = ENOMEM;
            return -1;
        }
    }

    n = reg_fs_pread(p->fd, p->window, size, off);

    if (n == -1) {
        return -1;
    }

    p->len = (size_t) n;

    return 0;
}


/* 1 when one begins at p->off and lies in the window. */

static int
reg_spool_place_record(reg_spool_place_t *p, reg_spool_record_t *rec,
    size_t *len)
{
    reg_str_t  data;

    if (p->window == NULL || p->off < p->at || p->off >= p->at + p->len) {
        return 0;
    }

    data.data = p->window + (p->off - p->at);
    data.len = p->len - (size_t) (p->off - p->at);

    return reg_spool_record_parse(data, rec, len) == 1 && rec->seq > p->last;
}


/*
 * Looks for the next record, behind something that is none.  It stands at the
 * beginning of a line: what clients send has no line ends by the time it gets
 * here, so nobody can put a record into an event.
 */

static int
reg_spool_place_resync(reg_spool_place_t *p, reg_spool_record_t *rec,
    size_t *len)
{
    size_t       pos;
    uint64_t     off, from;
    const char  *line;

    off = p->off;
    pos = 0;

    for ( ;; ) {
        line = memmem(p->window + pos, p->len - pos, "\nE1 ", 4);

        if (line != NULL) {
            pos = (size_t) (line - p->window) + 1;
            p->off = p->at + pos;

            if (reg_spool_place_record(p, rec, len)) {
                return 1;
            }

            /* unless it may be cut by the window's end */

            if (p->len < REG_SPOOL_WINDOW
                || p->len - pos >= REG_SPOOL_RECORD_MAX)
            {
                continue;
            }
        }

        p->off = off;

        if (p->len < REG_SPOOL_WINDOW) {

            /* nothing up to the end of the file */

            p->len = 0;
            return 0;
        }

        from = p->at + ((line != NULL) ? pos - 1 : p->len - 3);
        pos = 0;

        if (reg_spool_place_fill(p, from) == -1) {
            return -1;
        }
    }
}


reg_rc_t
reg_spool_place_end(reg_spool_place_t *p, reg_error_t *e)
{
    int                 rc, err;
    struct stat         st;
    reg_spool_record_t  rec;

    if (fstat(p->fd, &st) == -1) {
        return reg_error_sys(e, errno, "fstat", REG_SPOOL);
    }

    /* what somebody appends meanwhile is not waited for */

    reg_spool_place_rest(p);

    p->end = (uint64_t) st.st_size;
    p->rest = 0;
    rc = 0;

    while (p->off < p->end) {
        rc = reg_spool_place_next(p, &rec);

        if (rc != 1) {
            break;
        }

        rc = 0;
    }

    err = errno;
    p->end = 0;
    reg_spool_place_rest(p);

    return (rc == 0) ? REG_OK : reg_error_sys(e, err, "read", REG_SPOOL);
}


/* --- segments ------------------------------------------------------------ */

void
reg_spool_path(char *path, uint64_t first)
{
    (void) snprintf(path, REG_SPOOL_PATH, REG_SPOOL "/%016llx.log",
                    (unsigned long long) first);
}


int
reg_spool_segment_open(reg_store_t *s, uint64_t first, int flags)
{
    char       path[REG_SPOOL_PATH];
    reg_fs_t  *fs;

    fs = reg_fs_of(s);
    reg_spool_path(path, first);

    return reg_fs_open(fs, fs->root, path, flags);
}


reg_rc_t
reg_spool_segments(reg_store_t *s, reg_spool_segments_t *list, reg_error_t *e)
{
    reg_rc_t  rc;

    list->n = 0;

    rc = s->driver->list(s, REG_SPOOL, reg_spool_segment, list, e);

    if (rc == REG_NO_MEMORY) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    if (rc != REG_OK && rc != REG_ABSENT) {
        return rc;
    }

    if (list->n != 0) {
        qsort(list->first, list->n, sizeof(uint64_t),
              reg_spool_segment_order);
    }

    return REG_OK;
}


static reg_rc_t
reg_spool_segment(void *ctx, reg_str_t name, int dir)
{
    size_t                 size;
    uint64_t               first, *grown;
    reg_spool_segments_t  *list;

    list = ctx;

    if (dir || name.len != 20 || !reg_str_ends(name, reg_str(".log"))
        || reg_spool_hex(name.data, 16, &first) != 0
        || first == 0 || first == UINT64_MAX)
    {
        return REG_OK;
    }

    if (list->n == list->size) {
        size = (list->size == 0) ? 64 : list->size * 2;
        grown = realloc(list->first, size * sizeof(uint64_t));

        if (grown == NULL) {
            return REG_NO_MEMORY;
        }

        list->first = grown;
        list->size = size;
    }

    list->first[list->n++] = first;

    return REG_OK;
}


static int
reg_spool_segment_order(const void *a, const void *b)
{
    uint64_t  x, y;

    x = *(const uint64_t *) a;
    y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}


void
reg_spool_segments_free(reg_spool_segments_t *list)
{
    free(list->first);

    list->first = NULL;
    list->n = 0;
    list->size = 0;
}
