
/*
 * The inside of a file that is watched, for ngx_http_registry_file.c, which
 * has the states of one, ngx_http_registry_file_read.c, which reads it, and
 * ngx_http_registry_file_load.c, which lets a thread do so and waits.
 */


#ifndef NGX_HTTP_REGISTRY_FILE_PRIVATE_H_INCLUDED
#define NGX_HTTP_REGISTRY_FILE_PRIVATE_H_INCLUDED


#include "ngx_http_registry_file.h"


/* parts passed over that are told of one by one */
#define NGX_HTTP_REGISTRY_FILE_SKIPS    10


typedef struct ngx_http_registry_table_s  ngx_http_registry_table_t;


/* What tells one state of a file from another. */
typedef struct {
    dev_t              dev;
    ino_t              ino;
    off_t              size;
    struct timespec    mtime;
    struct timespec    ctime;
} ngx_http_registry_proof_t;


/* One reading, by a thread or by the master. */
typedef struct {
    ngx_http_registry_proof_t   proof;
    void                       *data;
    ngx_fd_t                    fd;         /* to be kept open, or -1 */
    const char                 *call;       /* what failed, with err */
    ngx_err_t                   err;
    reg_why_t                   why;
    ngx_msec_t                  age;        /* of the file, when read */
    ngx_uint_t                  mode;       /* who may read and write it */
    ngx_uint_t                  torn;       /* it changed meanwhile */
    ngx_uint_t                  nskips;
    struct {
        size_t                  line;
        const char             *reason;
    } skips[NGX_HTTP_REGISTRY_FILE_SKIPS];
} ngx_http_registry_reading_t;


struct ngx_http_registry_file_s {
    ngx_str_t                             path;     /* NUL-terminated */
    const ngx_http_registry_file_kind_t  *kind;
    const void                           *param;
    size_t                                param_size;
    ngx_http_registry_file_make_pt        make;     /* or NULL */

    ngx_http_registry_table_t            *table;
    ngx_http_registry_proof_t             proof;
    ngx_http_registry_reading_t           reading;
    ngx_thread_task_t                     task;
    ngx_queue_t                           waiters;
    ngx_fd_t                              fd;
    time_t                                looked;   /* for its name */

    unsigned                              settled:1;
    unsigned                              held:1;
    unsigned                              loading:1;
    unsigned                              waking:1;
    unsigned                              lost:1;   /* said in the log */
};


/* --- ngx_http_registry_file.c --- */

/*
 * Takes file->reading over: NGX_OK when there is a table, of it or from before.
 */
ngx_int_t ngx_http_registry_file_adopt(ngx_http_registry_file_t *file,
    ngx_log_t *log);

/* What was read last is nothing, and it can be helped. */
ngx_uint_t ngx_http_registry_file_to_make(ngx_http_registry_file_t *file);


/* --- ngx_http_registry_file_load.c --- */

/* Lets a thread read, or make, the file. */
ngx_int_t ngx_http_registry_file_load(ngx_http_request_t *r,
    ngx_http_registry_file_t *file);

/* NGX_AGAIN, and wake(r) when it is read; NGX_ERROR without memory. */
ngx_int_t ngx_http_registry_file_wait(ngx_http_request_t *r,
    ngx_http_registry_file_t *file, void (*wake)(ngx_http_request_t *r));


/* --- ngx_http_registry_file_read.c --- */

/*
 * Reads the file into file->reading, whose data is a new table or NULL.  By a
 * thread, or by the master: no part of nginx is used but its types.
 */
void ngx_http_registry_file_read(ngx_http_registry_file_t *file);

/* Fills proof from what stat() says. */
void ngx_http_registry_file_proof(ngx_http_registry_proof_t *proof,
    ngx_file_info_t *fi);

/* Milliseconds since the last change; 0 for one that is yet to come. */
ngx_msec_t ngx_http_registry_file_age(const ngx_http_registry_proof_t *proof,
    const struct timespec *now);


#endif /* NGX_HTTP_REGISTRY_FILE_PRIVATE_H_INCLUDED */
