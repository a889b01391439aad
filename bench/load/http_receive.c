
/* The second half of http.c: responses. */

#include "http.h"
#include "util.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/evp.h>


#define HTTP_IN_SIZE    (256 * 1024)
#define HTTP_BODY_MAX   (256 * 1024 * 1024)
#define HTTP_LOW_WATER  (256 * 1024)
#define HTTP_SKIP       (4 * 1024 * 1024)


static ssize_t http_fill(http_conn_t *c);
static char *http_line(http_conn_t *c, size_t *len);
static int http_head(http_conn_t *c, http_response_t *r, int *chunked);
static int http_field(http_response_t *r, char *line, int *chunked);
static int http_skip(http_conn_t *c, uint64_t n);
static int http_body(http_conn_t *c, http_response_t *r, uint64_t n,
    int keep, EVP_MD_CTX *md);
static int http_chunked_body(http_conn_t *c, http_response_t *r, int keep,
    EVP_MD_CTX *md);


/* Reads more into c->in; its used part is dropped first. */

static ssize_t
http_fill(http_conn_t *c)
{
    ssize_t  n;

    if (c->in == NULL) {
        c->in = xalloc(HTTP_IN_SIZE);
    }

    memmove(c->in, c->in + c->pos, c->last - c->pos);
    c->last -= c->pos;
    c->pos = 0;

    if (c->last == HTTP_IN_SIZE) {
        return http_fail(c, "too long a line in a response");
    }

    if (c->ssl) {
        n = SSL_read(c->ssl, c->in + c->last, (int) (HTTP_IN_SIZE - c->last));

        if (n <= 0) {
            ERR_clear_error();
            return http_fail(c, "connection closed (TLS)");
        }

    } else {
        do {
            n = recv(c->fd, c->in + c->last, HTTP_IN_SIZE - c->last, 0);
        } while (n == -1 && errno == EINTR);

        if (n <= 0) {
            return http_fail(c, "connection closed (%s)",
                             n == 0 ? "end of stream" : strerror(errno));
        }
    }

    c->last += (size_t) n;

    return n;
}


/* The next line, without its end and zero-terminated; NULL on failure. */

static char *
http_line(http_conn_t *c, size_t *len)
{
    char  *p, *eol;

    for ( ;; ) {
        p = c->in + c->pos;
        eol = NULL;

        if (c->last > c->pos) {
            eol = memchr(p, '\n', c->last - c->pos);
        }

        if (eol) {
            c->pos += (size_t) (eol - p) + 1;

            if (eol > p && eol[-1] == '\r') {
                eol--;
            }

            *eol = '\0';
            *len = (size_t) (eol - p);

            return p;
        }

        if (http_fill(c) == -1) {
            return NULL;
        }
    }
}


static int
http_head(http_conn_t *c, http_response_t *r, int *chunked)
{
    char    *line;
    size_t   len;

    for ( ;; ) {
        memset(r, 0, sizeof(http_response_t));
        r->content_length = -1;
        *chunked = 0;

        line = http_line(c, &len);

        if (line == NULL) {
            return -1;
        }

        if (len < 12 || strncmp(line, "HTTP/1.", 7) != 0) {
            return http_fail(c, "bad status line \"%.60s\"", line);
        }

        r->closing = (line[7] == '0');
        r->status = atoi(line + 9);

        for ( ;; ) {
            line = http_line(c, &len);

            if (line == NULL) {
                return -1;
            }

            if (len == 0) {
                break;
            }

            if (http_field(r, line, chunked) == -1) {
                return http_fail(c, "bad header line \"%.60s\"", line);
            }
        }

        if (r->status >= 200) {
            return 0;
        }
    }
}


static int
http_field(http_response_t *r, char *line, int *chunked)
{
    char  *value;

    value = strchr(line, ':');

    if (value == NULL) {
        return -1;
    }

    *value++ = '\0';
    value += strspn(value, " \t");

    if (strcasecmp(line, "content-length") == 0) {
        r->content_length = strtoll(value, NULL, 10);

    } else if (strcasecmp(line, "transfer-encoding") == 0) {
        *chunked = (strcasecmp(value, "chunked") == 0);

    } else if (strcasecmp(line, "connection") == 0) {
        r->closing |= (strcasecmp(value, "close") == 0);

    } else if (strcasecmp(line, "location") == 0) {
        snprintf(r->location, sizeof(r->location), "%s", value);

    } else if (strcasecmp(line, "docker-content-digest") == 0) {
        snprintf(r->digest, sizeof(r->digest), "%s", value);
    }

    return 0;
}


int
http_receive(http_conn_t *c, const http_request_t *q, http_response_t *r)
{
    int            rc, chunked, keep;
    EVP_MD_CTX    *md;
    unsigned char  sum[32];

    c->body_len = 0;

    if (http_head(c, r, &chunked) == -1) {
        return -1;
    }

    if (strcmp(q->method, "HEAD") == 0 || r->status == 204
        || r->status == 304)
    {
        return 0;
    }

    keep = q->keep || r->status >= 400;
    md = NULL;

    if (!keep && !q->verify && c->ssl == NULL && !chunked
        && r->content_length >= 0)
    {
        r->length = (uint64_t) r->content_length;
        return http_skip(c, r->length);
    }

    if (q->verify) {
        md = EVP_MD_CTX_new();
        EVP_DigestInit_ex(md, EVP_sha256(), NULL);
    }

    if (chunked) {
        rc = http_chunked_body(c, r, keep, md);

    } else if (r->content_length >= 0) {
        rc = http_body(c, r, (uint64_t) r->content_length, keep, md);

    } else {
        rc = http_fail(c, "a response without a length");
    }

    if (md) {
        EVP_DigestFinal_ex(md, sum, NULL);
        EVP_MD_CTX_free(md);

        strcpy(r->body_digest, "sha256:");

        for (size_t i = 0; i < sizeof(sum); i++) {
            sprintf(r->body_digest + 7 + 2 * i, "%02x", sum[i]);
        }
    }

    return rc;
}


/*
 * Discards n bytes of body.  MSG_TRUNC drops them in the kernel without a
 * copy, and SO_RCVLOWAT keeps so quick a reader from waking up for every
 * segment, which would burden the sender with acknowledgements that no real
 * client causes.
 */

static int
http_skip(http_conn_t *c, uint64_t n)
{
    int            low;
    size_t         want;
    ssize_t        got;
    struct pollfd  pfd;

    want = c->last - c->pos;

    if (want > n) {
        want = (size_t) n;
    }

    c->pos += want;
    n -= want;

    low = 0;

    if (n > 4 * HTTP_LOW_WATER) {
        low = HTTP_LOW_WATER;
        setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
    }

    while (n > 0) {

        if (low > 1 && n < HTTP_LOW_WATER) {
            low = 1;
            setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
        }

        /*
         * poll() knows that the window may be full before the low water mark
         * is reached; a blocking recv() does not and would wait forever
         */

        pfd.fd = c->fd;
        pfd.events = POLLIN;

        if (poll(&pfd, 1, c->target->timeout * 1000) == 0) {
            return http_fail(c, "no more body for %d s", c->target->timeout);
        }

        want = n < HTTP_SKIP ? (size_t) n : HTTP_SKIP;
        got = recv(c->fd, NULL, want, MSG_TRUNC|MSG_DONTWAIT);

        if (got == -1 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }

        if (got <= 0) {
            return http_fail(c, "body cut short by %llu bytes",
                             (unsigned long long) n);
        }

        n -= (uint64_t) got;
    }

    /* the rest came at once; the next response may be a short one */

    if (low > 1) {
        low = 1;
        setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
    }

    return 0;
}


static int
http_body(http_conn_t *c, http_response_t *r, uint64_t n, int keep,
    EVP_MD_CTX *md)
{
    size_t  have;

    while (n > 0) {

        if (c->pos == c->last && http_fill(c) == -1) {
            return -1;
        }

        have = c->last - c->pos;

        if (have > n) {
            have = (size_t) n;
        }

        if (md) {
            EVP_DigestUpdate(md, c->in + c->pos, have);
        }

        if (keep) {
            if (c->body_len + have > HTTP_BODY_MAX) {
                return http_fail(c, "too long a body");
            }

            if (c->body_len + have + 1 > c->body_size) {
                c->body_size = 2 * (c->body_len + have) + 4096;
                c->body = xrealloc(c->body, c->body_size);
            }

            memcpy(c->body + c->body_len, c->in + c->pos, have);
            c->body_len += have;
            c->body[c->body_len] = '\0';
        }

        c->pos += have;
        r->length += have;
        n -= have;
    }

    return 0;
}


static int
http_chunked_body(http_conn_t *c, http_response_t *r, int keep, EVP_MD_CTX *md)
{
    char      *line, *end;
    size_t     len;
    uint64_t   n;

    for ( ;; ) {
        line = http_line(c, &len);

        if (line == NULL) {
            return -1;
        }

        n = strtoull(line, &end, 16);

        if (end == line) {
            return http_fail(c, "bad chunk \"%.40s\"", line);
        }

        if (n == 0) {
            break;
        }

        if (http_body(c, r, n, keep, md) == -1
            || http_line(c, &len) == NULL)
        {
            return -1;
        }
    }

    do {
        if (http_line(c, &len) == NULL) {
            return -1;
        }
    } while (len > 0);

    return 0;
}
