
#include "http.h"
#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>


#define HTTP_BATCH       (1024 * 1024)  /* bytes of body in one write */
#define HTTP_HEAD_SIZE   (16 * 1024)
#define HTTP_SMALL_BODY  (64 * 1024)    /* sent together with the header */
#define HTTP_OUT_SIZE    (HTTP_BATCH + HTTP_HEAD_SIZE + HTTP_SMALL_BODY)


static size_t http_header(http_conn_t *c, const http_request_t *q);
static int http_send(http_conn_t *c, const http_request_t *q);
static int http_send_chunked(http_conn_t *c, const http_request_t *q);


int
http_fail(http_conn_t *c, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    vsnprintf(c->error, sizeof(c->error), fmt, args);
    va_end(args);

    return -1;
}


void
http_target(http_target_t *t, const char *url)
{
    int                  tls, port;
    char                 ip[64];
    struct sockaddr_in  *sin;

    memset(t, 0, sizeof(http_target_t));

    tls = (strncmp(url, "https://", 8) == 0);

    if (sscanf(url + (tls ? 8 : 7), "%63[0-9.]:%d", ip, &port) != 2) {
        die("\"%s\" is not http[s]://ADDRESS:PORT", url);
    }

    sin = (struct sockaddr_in *) &t->addr;
    sin->sin_family = AF_INET;
    sin->sin_port = htons((in_port_t) port);

    if (inet_pton(AF_INET, ip, &sin->sin_addr) != 1) {
        die("\"%s\" is not an address", ip);
    }

    t->addr_len = sizeof(struct sockaddr_in);
    t->timeout = 120;
    t->login = "";
    snprintf(t->host, sizeof(t->host), "%s:%d", ip, port);

    if (!tls) {
        return;
    }

    t->ssl = SSL_CTX_new(TLS_client_method());

    /* one cipher for all servers: they would not choose the same one */

    if (t->ssl == NULL
        || SSL_CTX_set_min_proto_version(t->ssl, TLS1_3_VERSION) != 1
        || SSL_CTX_set_ciphersuites(t->ssl, "TLS_AES_128_GCM_SHA256") != 1)
    {
        die("cannot set up TLS");
    }

    SSL_CTX_set_mode(t->ssl, SSL_MODE_AUTO_RETRY);
}


char *
http_login(const char *user)
{
    char   *line, *text;
    size_t  len;

    len = strlen(user);
    text = xalloc(len * 2 + 8);

    (void) EVP_EncodeBlock((unsigned char *) text,
                           (const unsigned char *) user, (int) len);

    line = xprintf("Authorization: Basic %s\r\n", text);
    free(text);

    return line;
}


void
http_conn_init(http_conn_t *c, const http_target_t *t)
{
    memset(c, 0, sizeof(http_conn_t));

    c->target = t;
    c->fd = -1;
}


void
http_conn_close(http_conn_t *c)
{
    if (c->ssl) {
        SSL_free(c->ssl);
        c->ssl = NULL;
    }

    if (c->fd != -1) {
        close(c->fd);
        c->fd = -1;
    }

    c->pos = 0;
    c->last = 0;
}


void
http_conn_free(http_conn_t *c)
{
    http_conn_close(c);

    free(c->in);
    free(c->out);
    free(c->body);
}


int
http_connect(http_conn_t *c)
{
    int             one;
    struct timeval  tv;

    if (c->fd != -1) {
        return 0;
    }

    c->fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0);

    if (c->fd == -1) {
        return http_fail(c, "socket(): %s", strerror(errno));
    }

    one = 1;
    tv.tv_sec = c->target->timeout;
    tv.tv_usec = 0;

    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));

    if (connect(c->fd, (const struct sockaddr *) &c->target->addr,
                c->target->addr_len)
        == -1)
    {
        http_fail(c, "connect() to %s: %s", c->target->host, strerror(errno));
        http_conn_close(c);
        return -1;
    }

    if (c->target->ssl == NULL) {
        return 0;
    }

    c->ssl = SSL_new(c->target->ssl);

    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1
        || SSL_connect(c->ssl) != 1)
    {
        ERR_clear_error();
        http_conn_close(c);
        return http_fail(c, "TLS handshake with %s failed", c->target->host);
    }

    return 0;
}


int
http_write(http_conn_t *c, const void *data, size_t len)
{
    int                   rc;
    ssize_t               n;
    const unsigned char  *p;

    for (p = data; len > 0; p += n, len -= (size_t) n) {

        if (c->ssl) {
            rc = SSL_write(c->ssl, p, (int) len);

            if (rc <= 0) {
                ERR_clear_error();
                return http_fail(c, "SSL_write() failed");
            }

            n = rc;
            continue;
        }

        n = send(c->fd, p, len, MSG_NOSIGNAL);

        if (n == -1) {
            if (errno == EINTR) {
                n = 0;
                continue;
            }

            return http_fail(c, "send(): %s", strerror(errno));
        }
    }

    return 0;
}


/* Writes the request head to c->out and returns its length. */

static size_t
http_header(http_conn_t *c, const http_request_t *q)
{
    int    n;
    char  *p, *end;

    if (c->out == NULL) {
        c->out = xalloc(HTTP_OUT_SIZE);
    }

    p = (char *) c->out;
    end = p + HTTP_HEAD_SIZE;

    n = snprintf(p, HTTP_HEAD_SIZE, "%s %s HTTP/1.1\r\nHost: %s\r\n"
                 "User-Agent: docker/24.0 bench\r\n%s%s", q->method, q->path,
                 c->target->host, c->target->login,
                 q->headers ? q->headers : "");

    if (n < 0 || n > HTTP_HEAD_SIZE - 256) {
        die("request header of %d bytes", n);
    }

    p += n;

    if (q->chunk) {
        p += snprintf(p, (size_t) (end - p), "Transfer-Encoding: chunked\r\n");

    } else if (q->body) {
        p += snprintf(p, (size_t) (end - p), "Content-Length: %llu\r\n",
                      (unsigned long long) q->body->size);

    } else if (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0)
    {
        p += snprintf(p, (size_t) (end - p), "Content-Length: 0\r\n");
    }

    p += snprintf(p, (size_t) (end - p), "\r\n");

    return (size_t) (p - (char *) c->out);
}


int
http_send_header(http_conn_t *c, const http_request_t *q)
{
    size_t  n;

    n = http_header(c, q);

    return http_write(c, c->out, n);
}


static int
http_send(http_conn_t *c, const http_request_t *q)
{
    size_t                len, n;
    uint64_t              off;
    const unsigned char  *p;

    if (q->body == NULL) {
        return http_send_header(c, q);
    }

    if (q->body->size > HTTP_SMALL_BODY) {

        if (http_send_header(c, q) == -1) {
            return -1;
        }

        if (q->chunk) {
            return http_send_chunked(c, q);
        }

        for (off = 0; off < q->body->size; off += n) {
            n = content_piece(q->body, off, HTTP_BATCH, &p);

            if (http_write(c, p, n) == -1) {
                return -1;
            }
        }

        return 0;
    }

    /* one write, as a client with a buffered connection does */

    len = http_header(c, q);

    if (q->chunk && q->body->size) {
        len += (size_t) sprintf((char *) c->out + len, "%llx\r\n",
                                (unsigned long long) q->body->size);
    }

    for (off = 0; off < q->body->size; off += n) {
        n = content_piece(q->body, off, HTTP_SMALL_BODY, &p);
        memcpy(c->out + len, p, n);
        len += n;
    }

    if (q->chunk) {
        len += (size_t) sprintf((char *) c->out + len, "%s0\r\n\r\n",
                                q->body->size ? "\r\n" : "");
    }

    return http_write(c, c->out, len);
}


/*
 * Chunks of q->chunk bytes, as many in one write as fit: the chunks are what
 * docker sends, the writes are few so that the client costs little.
 */

static int
http_send_chunked(http_conn_t *c, const http_request_t *q)
{
    size_t                len, n, used;
    uint64_t              off, left;
    const unsigned char  *p;

    len = 0;

    for (off = 0; off < q->body->size; /* void */) {

        left = q->body->size - off;
        n = left < q->chunk ? (size_t) left : q->chunk;

        if (len + n + 32 > HTTP_OUT_SIZE) {
            if (http_write(c, c->out, len) == -1) {
                return -1;
            }

            len = 0;
        }

        len += (size_t) sprintf((char *) c->out + len, "%zx\r\n", n);

        for ( /* void */ ; n > 0; n -= used) {
            used = content_piece(q->body, off, n, &p);
            memcpy(c->out + len, p, used);
            len += used;
            off += used;
        }

        memcpy(c->out + len, "\r\n", 2);
        len += 2;
    }

    len += (size_t) sprintf((char *) c->out + len, "0\r\n\r\n");

    return http_write(c, c->out, len);
}


int
http_do(http_conn_t *c, const http_request_t *q, http_response_t *r)
{
    int   rc, sent, reused;
    char  why[sizeof(c->error)];

    for ( ;; ) {
        reused = (c->fd != -1);

        if (http_connect(c) == -1) {
            return -1;
        }

        c->error[0] = '\0';
        sent = http_send(c, q);

        if (sent == -1) {
            memcpy(why, c->error, sizeof(why));
        }

        /* after a failed send, too: the server may have said why */

        r->status = 0;
        rc = http_receive(c, q, r);

        if (rc == 0 && sent == -1 && r->status < 400) {
            memcpy(c->error, why, sizeof(why));
            rc = -1;
        }

        if (rc == -1 || sent == -1 || r->closing) {
            http_conn_close(c);
        }

        if (rc == -1 && reused && r->status == 0) {
            continue;
        }

        return rc;
    }
}
