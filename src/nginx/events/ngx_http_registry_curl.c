
/* Requests to other servers, by libcurl on nginx's events. */


#include "ngx_http_registry_curl.h"

#include "reg_version.h"

#include <ngx_event.h>

#include <curl/curl.h>
#include <openssl/err.h>


/* bytes of a file with certificates, or with a key */
#define NGX_HTTP_REGISTRY_PEM_MAX       (4 * 1024 * 1024)

/* ms to open a connection in, TLS and the resolver included */
#define NGX_HTTP_REGISTRY_CONNECT       10000


struct ngx_http_registry_curl_s {
    ngx_queue_t                      queue;      /* of those that are busy */
    CURL                            *easy;
    struct curl_slist               *headers;
    ngx_http_registry_curl_conf_t    conf;
    ngx_http_registry_curl_pt        end;
    void                            *data;
    size_t                           got;
    unsigned                         busy:1;
    unsigned                         cut:1;
    char                             error[CURL_ERROR_SIZE];
};


/* What the clients of a process share. */
typedef struct {
    CURLM                           *multi;      /* NULL: not begun */
    ngx_event_t                      timer;
    ngx_queue_t                      busy;
    ngx_log_t                       *log;
} ngx_http_registry_curls_t;


static ngx_int_t ngx_http_registry_curl_begin(ngx_log_t *log);
static ngx_int_t ngx_http_registry_curl_settle(
    ngx_http_registry_curl_t *curl);
static ngx_int_t ngx_http_registry_curl_trust(ngx_http_registry_curl_t *curl);
static void ngx_http_registry_curl_blob(ngx_http_registry_curl_t *curl,
    CURLoption option, ngx_str_t *pem, CURLcode *rc);
static int ngx_http_registry_curl_timeout(CURLM *multi, long ms, void *data);
static void ngx_http_registry_curl_timer(ngx_event_t *ev);
static int ngx_http_registry_curl_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *socket);
static ngx_connection_t *ngx_http_registry_curl_watch(curl_socket_t s);
static ngx_int_t ngx_http_registry_curl_interest(ngx_event_t *ev,
    ngx_int_t event, ngx_uint_t wanted);
static void ngx_http_registry_curl_unwatch(ngx_connection_t *c);
static void ngx_http_registry_curl_event(ngx_event_t *ev);
static void ngx_http_registry_curl_act(curl_socket_t s, int mask);
static void ngx_http_registry_curl_ended(ngx_http_registry_curl_t *curl,
    CURLcode rc);
static const char *ngx_http_registry_curl_why(ngx_http_registry_curl_t *curl,
    CURLcode rc);
static void ngx_http_registry_curl_stop(ngx_http_registry_curl_t *curl);
static void ngx_http_registry_curl_abort(void);
static size_t ngx_http_registry_curl_body(char *p, size_t size, size_t n,
    void *data);


static ngx_http_registry_curls_t  ngx_http_registry_curls;


ngx_int_t
ngx_http_registry_curl_pem(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *pem)
{
    u_char           *p;
    ssize_t           n;
    ngx_fd_t          fd;
    ngx_file_t        file;
    ngx_file_info_t   fi;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", name);
        return NGX_ERROR;
    }

    ngx_memzero(&file, sizeof(ngx_file_t));
    file.fd = fd;
    file.name = *name;
    file.log = cf->log;

    p = NULL;
    n = NGX_ERROR;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", name);

    } else if (!ngx_is_file(&fi)
               || ngx_file_size(&fi) > NGX_HTTP_REGISTRY_PEM_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is no file of certificates or of a key",
                           name);

    } else {
        p = ngx_pnalloc(cf->pool, (size_t) ngx_file_size(&fi) + 1);

        if (p) {
            n = ngx_read_file(&file, p, (size_t) ngx_file_size(&fi), 0);
        }
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", name);
    }

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    p[n] = '\0';

    if (ngx_strstr(p, "-----BEGIN ") == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" holds no \"-----BEGIN\": it has to be in "
                           "the format PEM", name);
        return NGX_ERROR;
    }

    pem->data = p;
    pem->len = n;

    return NGX_OK;
}


/* By the first client of a process. */

static ngx_int_t
ngx_http_registry_curl_begin(ngx_log_t *log)
{
    CURLM                      *multi;
    ngx_http_registry_curls_t  *curls;

    curls = &ngx_http_registry_curls;

    if (curls->multi) {
        return NGX_OK;
    }

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        ngx_log_error(NGX_LOG_ALERT, log, 0, "curl_global_init() failed");
        return NGX_ERROR;
    }

    multi = curl_multi_init();

    if (multi == NULL) {
        ngx_log_error(NGX_LOG_ALERT, log, 0, "curl_multi_init() failed");
        return NGX_ERROR;
    }

    if (curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                          ngx_http_registry_curl_socket)
        != CURLM_OK
        || curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
                             ngx_http_registry_curl_timeout)
           != CURLM_OK)
    {
        ngx_log_error(NGX_LOG_ALERT, log, 0, "curl_multi_setopt() failed");
        (void) curl_multi_cleanup(multi);
        return NGX_ERROR;
    }

    ngx_memzero(&curls->timer, sizeof(ngx_event_t));
    ngx_queue_init(&curls->busy);

    curls->timer.handler = ngx_http_registry_curl_timer;
    curls->timer.data = curls;
    curls->timer.log = log;
    curls->log = log;
    curls->multi = multi;

    return NGX_OK;
}


ngx_http_registry_curl_t *
ngx_http_registry_curl_create(const ngx_http_registry_curl_conf_t *conf,
    ngx_log_t *log)
{
    ngx_http_registry_curl_t  *curl;

    if (ngx_http_registry_curl_begin(log) != NGX_OK) {
        return NULL;
    }

    curl = ngx_calloc(sizeof(ngx_http_registry_curl_t), log);
    if (curl == NULL) {
        return NULL;
    }

    curl->conf = *conf;
    curl->easy = curl_easy_init();

    if (curl->easy == NULL
        || ngx_http_registry_curl_settle(curl) != NGX_OK
        || ngx_http_registry_curl_trust(curl) != NGX_OK)
    {
        ngx_log_error(NGX_LOG_ALERT, log, 0, "curl_easy_setopt() failed");
        ngx_http_registry_curl_destroy(curl);
        return NULL;
    }

    return curl;
}


/*
 * A redirect is an answer as any other: it may lead into a network that the
 * client can reach and the other server cannot.
 */

static ngx_int_t
ngx_http_registry_curl_settle(ngx_http_registry_curl_t *curl)
{
    CURL      *easy;
    CURLcode   rc;

    easy = curl->easy;

#define NGX_HTTP_REGISTRY_SET(option, value)                                  \
    if (rc == CURLE_OK) {                                                     \
        rc = curl_easy_setopt(easy, option, value);                           \
    }

    rc = curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *) curl);

    NGX_HTTP_REGISTRY_SET(CURLOPT_ERRORBUFFER, curl->error)
    NGX_HTTP_REGISTRY_SET(CURLOPT_NOSIGNAL, 1L)
    NGX_HTTP_REGISTRY_SET(CURLOPT_FOLLOWLOCATION, 0L)
    NGX_HTTP_REGISTRY_SET(CURLOPT_TCP_KEEPALIVE, 1L)
    NGX_HTTP_REGISTRY_SET(CURLOPT_USERAGENT, "nginx-registry/" REG_VERSION)
    NGX_HTTP_REGISTRY_SET(CURLOPT_WRITEFUNCTION, ngx_http_registry_curl_body)
    NGX_HTTP_REGISTRY_SET(CURLOPT_WRITEDATA, curl)
    NGX_HTTP_REGISTRY_SET(CURLOPT_HEADERFUNCTION, ngx_http_registry_curl_body)
    NGX_HTTP_REGISTRY_SET(CURLOPT_HEADERDATA, curl)
    NGX_HTTP_REGISTRY_SET(CURLOPT_TIMEOUT_MS, (long) curl->conf.timeout)
    NGX_HTTP_REGISTRY_SET(CURLOPT_CONNECTTIMEOUT_MS,
                          (long) NGX_HTTP_REGISTRY_CONNECT)

    /* nobody waits for a resolver that does not come back */

#if (LIBCURL_VERSION_NUM >= 0x075700)
    NGX_HTTP_REGISTRY_SET(CURLOPT_QUICK_EXIT, 1L)
#endif

#if (LIBCURL_VERSION_NUM >= 0x075500)
    NGX_HTTP_REGISTRY_SET(CURLOPT_PROTOCOLS_STR, "http,https")
#else
    NGX_HTTP_REGISTRY_SET(CURLOPT_PROTOCOLS,
                          (long) (CURLPROTO_HTTP|CURLPROTO_HTTPS))
#endif

    return (rc == CURLE_OK) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_registry_curl_trust(ngx_http_registry_curl_t *curl)
{
    CURL      *easy;
    CURLcode   rc;

    easy = curl->easy;

    rc = curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                          (long) CURL_SSLVERSION_TLSv1_2);

    NGX_HTTP_REGISTRY_SET(CURLOPT_SSL_VERIFYPEER, (long) curl->conf.verify)
    NGX_HTTP_REGISTRY_SET(CURLOPT_SSL_VERIFYHOST, curl->conf.verify ? 2L : 0L)

    if (curl->conf.ca.len) {

        /* or else the system's folder is trusted as well */

        NGX_HTTP_REGISTRY_SET(CURLOPT_CAPATH, NULL)
        ngx_http_registry_curl_blob(curl, CURLOPT_CAINFO_BLOB,
                                    &curl->conf.ca, &rc);
    }

    ngx_http_registry_curl_blob(curl, CURLOPT_SSLCERT_BLOB, &curl->conf.cert,
                                &rc);
    ngx_http_registry_curl_blob(curl, CURLOPT_SSLKEY_BLOB, &curl->conf.key,
                                &rc);

    return (rc == CURLE_OK) ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_registry_curl_blob(ngx_http_registry_curl_t *curl, CURLoption option,
    ngx_str_t *pem, CURLcode *rc)
{
    struct curl_blob  blob;

    if (pem->len && *rc == CURLE_OK) {
        blob.data = pem->data;
        blob.len = pem->len;
        blob.flags = CURL_BLOB_NOCOPY;

        *rc = curl_easy_setopt(curl->easy, option, &blob);
    }
}


void
ngx_http_registry_curl_destroy(ngx_http_registry_curl_t *curl)
{
    if (curl == NULL) {
        return;
    }

    ngx_http_registry_curl_cancel(curl);

    curl_easy_cleanup(curl->easy);
    curl_slist_free_all(curl->headers);
    ngx_free(curl);
}


ngx_int_t
ngx_http_registry_curl_start(ngx_http_registry_curl_t *curl,
    const ngx_http_registry_curl_request_t *request)
{
    CURL               *easy;
    CURLcode            rc;
    ngx_uint_t          i;
    struct curl_slist  *list;

    easy = curl->easy;

    curl_slist_free_all(curl->headers);
    curl->headers = NULL;

    for (i = 0; i < request->nheaders; i++) {
        list = curl_slist_append(curl->headers,
                                 (char *) request->headers[i].data);
        if (list == NULL) {
            return NGX_ERROR;
        }

        curl->headers = list;
    }

    /* a body is sent at once, not after an answer that asks for it */

    list = curl_slist_append(curl->headers, "Expect:");
    if (list == NULL) {
        return NGX_ERROR;
    }

    curl->headers = list;

    rc = curl_easy_setopt(easy, CURLOPT_URL, request->url);

    NGX_HTTP_REGISTRY_SET(CURLOPT_HTTPHEADER, curl->headers)

    if (request->body) {
        NGX_HTTP_REGISTRY_SET(CURLOPT_POST, 1L)
        NGX_HTTP_REGISTRY_SET(CURLOPT_POSTFIELDSIZE_LARGE,
                              (curl_off_t) request->len)
        NGX_HTTP_REGISTRY_SET(CURLOPT_POSTFIELDS, request->body)

    } else {
        NGX_HTTP_REGISTRY_SET(CURLOPT_HTTPGET, 1L)
    }

#undef NGX_HTTP_REGISTRY_SET

    if (rc != CURLE_OK) {
        return NGX_ERROR;
    }

    curl->end = request->end;
    curl->data = request->data;
    curl->error[0] = '\0';
    curl->got = 0;
    curl->cut = 0;

    if (curl_multi_add_handle(ngx_http_registry_curls.multi, easy)
        != CURLM_OK)
    {
        return NGX_ERROR;
    }

    curl->busy = 1;
    ngx_queue_insert_tail(&ngx_http_registry_curls.busy, &curl->queue);

    return NGX_OK;
}


void
ngx_http_registry_curl_cancel(ngx_http_registry_curl_t *curl)
{
    if (curl->busy) {
        ngx_http_registry_curl_stop(curl);
    }
}


void
ngx_http_registry_curl_exit(void)
{
    ngx_queue_t                *q;
    ngx_http_registry_curls_t  *curls;

    curls = &ngx_http_registry_curls;

    if (curls->multi == NULL) {
        return;
    }

    while (!ngx_queue_empty(&curls->busy)) {
        q = ngx_queue_head(&curls->busy);
        ngx_http_registry_curl_stop(ngx_queue_data(q, ngx_http_registry_curl_t,
                                                   queue));
    }

    (void) curl_multi_cleanup(curls->multi);
    curls->multi = NULL;

    if (curls->timer.timer_set) {
        ngx_del_timer(&curls->timer);
    }
}


/* libcurl is not to be called from here, so 0 is a timer, too. */

static int
ngx_http_registry_curl_timeout(CURLM *multi, long ms, void *data)
{
    ngx_event_t  *ev;

    ev = &ngx_http_registry_curls.timer;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (ms >= 0) {
        ngx_add_timer(ev, (ngx_msec_t) ms);
    }

    return 0;
}


static void
ngx_http_registry_curl_timer(ngx_event_t *ev)
{
    ev->timedout = 0;

    ngx_http_registry_curl_act(CURL_SOCKET_TIMEOUT, 0);
}


/* libcurl tells what it wants to know of one of its sockets. */

static int
ngx_http_registry_curl_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *socket)
{
    ngx_uint_t         in, out;
    ngx_connection_t  *c = socket;

    in = (what == CURL_POLL_IN || what == CURL_POLL_INOUT);
    out = (what == CURL_POLL_OUT || what == CURL_POLL_INOUT);

    if (!in && !out) {

        if (c) {
            ngx_http_registry_curl_unwatch(c);
            (void) curl_multi_assign(ngx_http_registry_curls.multi, s, NULL);
        }

        return 0;
    }

    if (c == NULL) {
        c = ngx_http_registry_curl_watch(s);
        if (c == NULL) {
            return -1;
        }

        (void) curl_multi_assign(ngx_http_registry_curls.multi, s, c);
    }

    if (ngx_http_registry_curl_interest(c->read, NGX_READ_EVENT, in) != NGX_OK
        || ngx_http_registry_curl_interest(c->write, NGX_WRITE_EVENT, out)
           != NGX_OK)
    {
        return -1;
    }

    return 0;
}


static ngx_connection_t *
ngx_http_registry_curl_watch(curl_socket_t s)
{
    ngx_log_t         *log;
    ngx_connection_t  *c;

    log = ngx_http_registry_curls.log;

    c = ngx_get_connection(s, log);
    if (c == NULL) {
        return NULL;
    }

    c->data = NULL;
    c->log = log;

    c->read->log = log;
    c->write->log = log;
    c->read->handler = ngx_http_registry_curl_event;
    c->write->handler = ngx_http_registry_curl_event;

    return c;
}


static ngx_int_t
ngx_http_registry_curl_interest(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted)
{
    if (wanted && !ev->active) {
        return ngx_add_event(ev, event, NGX_LEVEL_EVENT);
    }

    if (!wanted && ev->active) {
        return ngx_del_event(ev, event, 0);
    }

    return NGX_OK;
}


/* The socket stays open: it is libcurl's. */

static void
ngx_http_registry_curl_unwatch(ngx_connection_t *c)
{
    (void) ngx_http_registry_curl_interest(c->read, NGX_READ_EVENT, 0);
    (void) ngx_http_registry_curl_interest(c->write, NGX_WRITE_EVENT, 0);

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;
}


static void
ngx_http_registry_curl_event(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    /* a worker is told to give up what it still does */

    if (c->close) {
        ngx_http_registry_curl_abort();
        return;
    }

    ngx_http_registry_curl_act(c->fd, ev->write ? CURL_CSELECT_OUT
                                                : CURL_CSELECT_IN);
}


/* Lets libcurl go on, and tells who waits for a request that has ended. */

static void
ngx_http_registry_curl_act(curl_socket_t s, int mask)
{
    int                         n;
    char                       *data;
    CURLM                      *multi;
    CURLMcode                   rc;
    CURLcode                    result;
    CURLMsg                    *msg;
    ngx_http_registry_curls_t  *curls;

    curls = &ngx_http_registry_curls;
    multi = curls->multi;

    rc = curl_multi_socket_action(multi, s, mask, &n);

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_ALERT, curls->log, 0,
                      "curl_multi_socket_action() failed: %s",
                      curl_multi_strerror(rc));
    }

    /* end() may start and cancel what it likes, so each is asked for anew */

    for ( ;; ) {
        msg = curl_multi_info_read(multi, &n);

        if (msg == NULL) {
            break;
        }

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        data = NULL;
        result = msg->data.result;

        (void) curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &data);

        ngx_http_registry_curl_ended((ngx_http_registry_curl_t *) data,
                                     result);

        if (curls->multi == NULL) {
            return;
        }
    }

    /* nginx takes what it finds there for a fault of its own connections */

    ERR_clear_error();
}


static void
ngx_http_registry_curl_ended(ngx_http_registry_curl_t *curl, CURLcode rc)
{
    long                             status;
    ngx_http_registry_curl_result_t  result;

    status = 0;

    (void) curl_easy_getinfo(curl->easy, CURLINFO_RESPONSE_CODE, &status);

    ngx_http_registry_curl_stop(curl);

    result.status = status;
    result.cut = curl->cut;
    result.error = NULL;

    if (rc != CURLE_OK && !(curl->cut && status)) {
        result.status = 0;
        result.error = ngx_http_registry_curl_why(curl, rc);
    }

    curl->end(curl->data, &result);
}


/* It may quote the other side, a certificate for one; it is to be logged. */

static const char *
ngx_http_registry_curl_why(ngx_http_registry_curl_t *curl, CURLcode rc)
{
    char  *p;

    if (curl->error[0] == '\0') {
        return curl_easy_strerror(rc);
    }

    for (p = curl->error; *p; p++) {
        if (*p < ' ' || *p > '~') {
            *p = '?';
        }
    }

    return curl->error;
}


static void
ngx_http_registry_curl_stop(ngx_http_registry_curl_t *curl)
{
    curl->busy = 0;
    ngx_queue_remove(&curl->queue);

    (void) curl_multi_remove_handle(ngx_http_registry_curls.multi,
                                    curl->easy);
}


/* Which request a socket is for is known to libcurl alone. */

static void
ngx_http_registry_curl_abort(void)
{
    ngx_queue_t                      *q;
    ngx_http_registry_curl_t         *curl;
    ngx_http_registry_curl_result_t   result;

    result.status = 0;
    result.cut = 0;
    result.error = "nginx is shutting down";

    while (!ngx_queue_empty(&ngx_http_registry_curls.busy)) {
        q = ngx_queue_head(&ngx_http_registry_curls.busy);
        curl = ngx_queue_data(q, ngx_http_registry_curl_t, queue);

        ngx_http_registry_curl_stop(curl);

        curl->end(curl->data, &result);
    }
}


/* Headers and the body alike: nobody wants to see them. */

static size_t
ngx_http_registry_curl_body(char *p, size_t size, size_t n, void *data)
{
    ngx_http_registry_curl_t *curl = data;

    n *= size;
    curl->got += n;

    if (curl->conf.max && curl->got > curl->conf.max) {
        curl->cut = 1;
        return 0;
    }

    return n;
}
