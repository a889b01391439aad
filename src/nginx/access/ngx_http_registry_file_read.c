
#include "ngx_http_registry_file_private.h"


static ngx_int_t ngx_http_registry_file_direct(ngx_http_registry_file_t *file);
static void ngx_http_registry_file_bytes(ngx_http_registry_file_t *file,
    ngx_fd_t fd, size_t size);
static void ngx_http_registry_file_skip(void *data, size_t line,
    const char *reason);


void
ngx_http_registry_file_read(ngx_http_registry_file_t *file)
{
    ngx_fd_t                      fd;
    struct timespec               now;
    ngx_file_info_t               fi;
    ngx_http_registry_reading_t  *reading;

    reading = &file->reading;

    ngx_memzero(reading, sizeof(ngx_http_registry_reading_t));
    reading->fd = NGX_INVALID_FILE;

    /* a FIFO must not hold the thread */

    fd = open((char *) file->path.data, O_RDONLY|O_NONBLOCK|O_CLOEXEC);

    if (fd == NGX_INVALID_FILE) {
        reading->err = ngx_errno;
        reading->call = "open()";
        return;
    }

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        reading->err = ngx_errno;
        reading->call = "fstat()";
        (void) ngx_close_file(fd);
        return;
    }

    ngx_http_registry_file_proof(&reading->proof, &fi);
    reading->mode = fi.st_mode;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    reading->age = ngx_http_registry_file_age(&reading->proof, &now);

    if (!ngx_is_file(&fi)) {
        (void) reg_why_set(&reading->why, "it is no regular file");

    } else if ((size_t) ngx_file_size(&fi) > file->kind->max) {
        (void) reg_why_set(&reading->why, "it is larger than %zu bytes",
                           file->kind->max);

    } else {
        ngx_http_registry_file_bytes(file, fd, ngx_file_size(&fi));
    }

    if (reading->data && ngx_http_registry_file_direct(file)) {
        reading->fd = fd;
        return;
    }

    (void) ngx_close_file(fd);
}


/* Whether the name leads there without a symbolic link. */

static ngx_int_t
ngx_http_registry_file_direct(ngx_http_registry_file_t *file)
{
    char       *path;
    ngx_int_t   direct;

    path = realpath((char *) file->path.data, NULL);
    if (path == NULL) {
        return 0;
    }

    direct = (ngx_strcmp(path, file->path.data) == 0);

    free(path);

    return direct;
}


static void
ngx_http_registry_file_bytes(ngx_http_registry_file_t *file, ngx_fd_t fd,
    size_t size)
{
    char                         *bytes;
    size_t                        len;
    ssize_t                       n;
    reg_str_t                     text;
    ngx_file_info_t               fi;
    ngx_http_registry_proof_t     proof;
    ngx_http_registry_reading_t  *reading;

    reading = &file->reading;

    bytes = malloc(size + 1);
    if (bytes == NULL) {
        (void) reg_why_set(&reading->why, "there is no memory for it");
        return;
    }

    for (len = 0; len < size; len += n) {

        n = read(fd, bytes + len, size - len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n == -1) {
            reading->err = ngx_errno;
            reading->call = "read()";
            free(bytes);
            return;
        }

        if (n == 0) {
            break;
        }
    }

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR) {
        ngx_http_registry_file_proof(&proof, &fi);

        reading->torn = (ngx_memcmp(&proof, &reading->proof,
                                    sizeof(ngx_http_registry_proof_t))
                         != 0);
    }

    text.len = len;
    text.data = bytes;

    reading->data = file->kind->parse(text, file->param,
                                      ngx_http_registry_file_skip, reading,
                                      &reading->why);

    ngx_explicit_memzero(bytes, size + 1);
    free(bytes);
}


static void
ngx_http_registry_file_skip(void *data, size_t line, const char *reason)
{
    ngx_http_registry_reading_t *reading = data;

    if (reading->nskips < NGX_HTTP_REGISTRY_FILE_SKIPS) {
        reading->skips[reading->nskips].line = line;
        reading->skips[reading->nskips].reason = reason;
    }

    reading->nskips++;
}


void
ngx_http_registry_file_proof(ngx_http_registry_proof_t *proof,
    ngx_file_info_t *fi)
{
    /* it is compared byte by byte */

    ngx_memzero(proof, sizeof(ngx_http_registry_proof_t));

    proof->dev = fi->st_dev;
    proof->ino = fi->st_ino;
    proof->size = fi->st_size;
    proof->mtime.tv_sec = fi->st_mtim.tv_sec;
    proof->mtime.tv_nsec = fi->st_mtim.tv_nsec;
    proof->ctime.tv_sec = fi->st_ctim.tv_sec;
    proof->ctime.tv_nsec = fi->st_ctim.tv_nsec;
}


ngx_msec_t
ngx_http_registry_file_age(const ngx_http_registry_proof_t *proof,
    const struct timespec *now)
{
    int64_t  age;

    age = ((int64_t) now->tv_sec - proof->ctime.tv_sec) * 1000
          + (now->tv_nsec - proof->ctime.tv_nsec) / 1000000;

    return (age > 0) ? (ngx_msec_t) age : 0;
}
