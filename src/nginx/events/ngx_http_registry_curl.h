
/*
 * Requests to other servers: libcurl's multi interface, driven by the events
 * and timers of nginx, in a worker and in the manager process alike.  Nothing
 * of it waits but the resolver of names, which is a thread of libcurl's own.
 *
 * A client makes one request at a time and keeps what is worth keeping from
 * one to the next: the connection, which all clients of a process share when
 * it leads to the same place with the same settings, and the TLS session.
 *
 *     idle --start()--> busy --end is called, or cancel()--> idle
 *
 * For the event loop alone.  libcurl watches sockets by their level, so they
 * are added to nginx's events that way, which epoll and kqueue offer beside
 * the edge; a socket that libcurl keeps without a transfer has no event.
 */


#ifndef NGX_HTTP_REGISTRY_CURL_H_INCLUDED
#define NGX_HTTP_REGISTRY_CURL_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct ngx_http_registry_curl_s  ngx_http_registry_curl_t;


/* What all requests of a client have in common; borrowed while it lives. */
typedef struct {
    ngx_str_t    ca;             /* PEM; empty: what the system trusts */
    ngx_str_t    cert;           /* PEM of a client certificate, or empty */
    ngx_str_t    key;            /* PEM of its key */
    size_t       max;            /* bytes of an answer that are read, its
                                    headers included; 0: any */
    ngx_msec_t   timeout;        /* from start to end; 0: none */
    unsigned     verify:1;       /* the server's certificate */
} ngx_http_registry_curl_conf_t;


typedef struct {
    ngx_uint_t   status;         /* 0: there was no answer */
    ngx_uint_t   cut;            /* it was longer than max, and is known to its
                                    headers alone */
    const char  *error;          /* why there was none, for people, in
                                    printable ASCII; or NULL */
} ngx_http_registry_curl_result_t;


typedef void (*ngx_http_registry_curl_pt)(void *data,
    const ngx_http_registry_curl_result_t *result);


/* One request, a POST when it has a body, or else a GET. */
typedef struct {
    const char                 *url;       /* http or https; copied */
    const ngx_str_t            *headers;   /* "Name: value"; copied */
    ngx_uint_t                  nheaders;
    const char                 *body;      /* borrowed until the end; or NULL */
    size_t                      len;

    /* Called once, not by start(), and not after cancel(). */
    ngx_http_registry_curl_pt   end;
    void                       *data;
} ngx_http_registry_curl_request_t;


/*
 * Reads what a directive names, a file of PEM: "-----BEGIN" stands in it.
 * *pem is in the pool.  NGX_OK, or NGX_ERROR after a line of the log.
 */
ngx_int_t ngx_http_registry_curl_pem(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *pem);

/* NULL after a line of the log; else the caller's: destroy(). */
ngx_http_registry_curl_t *ngx_http_registry_curl_create(
    const ngx_http_registry_curl_conf_t *conf, ngx_log_t *log);

/* Cancels what is under way.  NULL is fine. */
void ngx_http_registry_curl_destroy(ngx_http_registry_curl_t *curl);

/*
 * Starts a request; the client must be idle.  NGX_OK, and end() will be called
 * from the event loop; or NGX_ERROR without memory.
 */
ngx_int_t ngx_http_registry_curl_start(ngx_http_registry_curl_t *curl,
    const ngx_http_registry_curl_request_t *request);

/* Ends it without a word; nothing happens to a client that is idle. */
void ngx_http_registry_curl_cancel(ngx_http_registry_curl_t *curl);

/* The process ends: connections that are kept are closed. */
void ngx_http_registry_curl_exit(void);


#endif /* NGX_HTTP_REGISTRY_CURL_H_INCLUDED */
