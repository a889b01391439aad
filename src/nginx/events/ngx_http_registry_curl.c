
/* Clients of other servers, and their requests. */


#include "ngx_http_registry_curl_private.h"

#include "reg_version.h"


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


static ngx_int_t ngx_http_registry_curl_settle(
    ngx_http_registry_curl_t *curl);
static ngx_int_t ngx_http_registry_curl_trust(ngx_http_registry_curl_t *curl);
static void ngx_http_registry_curl_blob(ngx_http_registry_curl_t *curl,
    CURLoption option, ngx_str_t *pem, CURLcode *rc);
static const char *ngx_http_registry_curl_why(ngx_http_registry_curl_t *curl,
    CURLcode rc);
static void ngx_http_registry_curl_stop(ngx_http_registry_curl_t *curl);
static size_t ngx_http_registry_curl_body(char *p, size_t size, size_t n,
    void *data);


/* the clients of this process that wait for an answer */
static ngx_queue_t  ngx_http_registry_curl_busy;


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


ngx_http_registry_curl_t *
ngx_http_registry_curl_create(const ngx_http_registry_curl_conf_t *conf,
    ngx_log_t *log)
{
    ngx_http_registry_curl_t  *curl;

    if (!ngx_http_registry_curl_multi_begun()) {

        if (ngx_http_registry_curl_multi_begin(log) != NGX_OK) {
            return NULL;
        }

        ngx_queue_init(&ngx_http_registry_curl_busy);
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

    /*
     * With one request at a time HTTP/2 gains nothing: a server that answers
     * before it has read the body resets the stream, which is an error here,
     * and a connection that leads nowhere is taken again after a timeout.
     */

    NGX_HTTP_REGISTRY_SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1)

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

    if (ngx_http_registry_curl_multi_add(easy) != NGX_OK) {
        return NGX_ERROR;
    }

    curl->busy = 1;
    ngx_queue_insert_tail(&ngx_http_registry_curl_busy, &curl->queue);

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
    ngx_queue_t  *q;

    if (!ngx_http_registry_curl_multi_begun()) {
        return;
    }

    while (!ngx_queue_empty(&ngx_http_registry_curl_busy)) {
        q = ngx_queue_head(&ngx_http_registry_curl_busy);
        ngx_http_registry_curl_stop(ngx_queue_data(q, ngx_http_registry_curl_t,
                                                   queue));
    }

    ngx_http_registry_curl_multi_end();
}


void
ngx_http_registry_curl_ended(CURL *easy, CURLcode rc)
{
    char                            *data;
    long                             status;
    ngx_http_registry_curl_t        *curl;
    ngx_http_registry_curl_result_t  result;

    data = NULL;
    status = 0;

    (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &data);
    (void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);

    curl = (ngx_http_registry_curl_t *) data;

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

    ngx_http_registry_curl_multi_remove(curl->easy);
}


void
ngx_http_registry_curl_abort(void)
{
    ngx_queue_t                      *q;
    ngx_http_registry_curl_t         *curl;
    ngx_http_registry_curl_result_t   result;

    result.status = 0;
    result.cut = 0;
    result.error = "nginx is shutting down";

    while (!ngx_queue_empty(&ngx_http_registry_curl_busy)) {
        q = ngx_queue_head(&ngx_http_registry_curl_busy);
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
