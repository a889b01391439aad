
/*
 * A lean, blocking HTTP/1.1 client with one keep-alive connection.
 *
 * Client and server share the processors of one machine, so the client must
 * cost next to nothing: bodies that nobody looks at are dropped in the kernel
 * (MSG_TRUNC), and contents are sent from one shared block.
 */

#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H


#include "content.h"

#include <sys/socket.h>

#include <openssl/ssl.h>


typedef struct {
    struct sockaddr_storage   addr;
    socklen_t                 addr_len;
    char                      host[128];        /* with the port */
    SSL_CTX                  *ssl;              /* NULL: plain */
    const char               *login;            /* header line, or "" */
    int                       timeout;          /* seconds, for one read */
} http_target_t;


typedef struct {
    const http_target_t      *target;
    int                       fd;               /* -1: closed */
    SSL                      *ssl;

    char                     *in;               /* received, not yet used */
    size_t                    pos, last;

    unsigned char            *out;

    char                     *body;             /* of the last response */
    size_t                    body_len, body_size;

    char                      error[256];       /* why a call failed */
} http_conn_t;


typedef struct {
    const char               *method;
    const char               *path;             /* with the query */
    const char               *headers;          /* lines with CRLF, or NULL */
    const content_t          *body;
    size_t                    chunk;            /* 0: with Content-Length */
    unsigned                  keep:1;           /* response to conn->body */
    unsigned                  verify:1;         /* digest of the response */
} http_request_t;


typedef struct {
    int                       status;
    int64_t                   content_length;   /* header; -1: none */
    uint64_t                  length;           /* bytes of body */
    char                      location[2048];
    char                      digest[160];      /* Docker-Content-Digest */
    char                      body_digest[CONTENT_DIGEST_LEN + 1];
    unsigned                  closing:1;
} http_response_t;


/* Takes http://a.b.c.d:port or https://a.b.c.d:port; dies on anything else. */
void http_target(http_target_t *t, const char *url);

/* The header line that logs user in, "name:password"; to be freed. */
char *http_login(const char *user);

void http_conn_init(http_conn_t *c, const http_target_t *t);
void http_conn_close(http_conn_t *c);
void http_conn_free(http_conn_t *c);

/* Connects where the connection is closed; -1 and c->error on failure. */
int http_connect(http_conn_t *c);

/*
 * Sends a request and receives the response.  A connection that was kept
 * alive and turns out to be closed is opened once more.  -1 and c->error on
 * failure; an HTTP error status is not one.  A body of a status of 400 and
 * more is kept always.
 */
int http_do(http_conn_t *c, const http_request_t *q, http_response_t *r);

/* Sets c->error and returns -1. */
int http_fail(http_conn_t *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The two halves, and raw writing between them, for slow uploads. */
int http_send_header(http_conn_t *c, const http_request_t *q);
int http_write(http_conn_t *c, const void *data, size_t len);
int http_receive(http_conn_t *c, const http_request_t *q, http_response_t *r);


#endif /* BENCH_HTTP_H */
