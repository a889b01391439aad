
/*
 * States of a file, in each process for itself:
 *
 *   settled   proof tells the file that the table was made of
 *   fresh     the same, but it was read so soon after it had changed that
 *             another change may hide behind the same times: it is read again
 *   held      what was read last looked half written; the table is that of
 *             before, for a second
 *   loading   a thread reads; whoever asks waits in the queue
 *
 * A settled file that no symbolic link leads to is kept open: who changes or
 * replaces it changes what fstat() says of it, at a third of what it costs to
 * look for its name.  That is done once a second all the same, because a
 * directory above it may be another one.
 */


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_file_private.h"


/* file systems' clocks tick every 4 to 10 ms */
#define NGX_HTTP_REGISTRY_FILE_FRESH  100

/* how long a writer who does not rename is trusted to be still at it */
#define NGX_HTTP_REGISTRY_FILE_HOLD   1000

#define NGX_HTTP_REGISTRY_FILE_PAUSE  50


struct ngx_http_registry_table_s {
    void              *data;
    ngx_uint_t         refs;      /* counted on the event loop alone */
    void             (*free)(void *table);
};


static ngx_int_t ngx_http_registry_file_same(ngx_http_registry_file_t *file);
static ngx_int_t ngx_http_registry_file_half(ngx_http_registry_file_t *file);
static void ngx_http_registry_file_drop(ngx_http_registry_file_t *file);
static void ngx_http_registry_file_log_skips(ngx_http_registry_file_t *file,
    ngx_log_t *log);
static void ngx_http_registry_file_release(void *data);
static void ngx_http_registry_file_forget(void *data);
static ngx_int_t ngx_http_registry_file_hold(ngx_http_request_t *r,
    ngx_http_registry_file_t *file, void **table);


ngx_http_registry_file_t *
ngx_http_registry_file_add(ngx_conf_t *cf, ngx_str_t *path,
    const ngx_http_registry_file_kind_t *kind, const void *param,
    size_t param_size)
{
    return ngx_http_registry_file_add_made(cf, path, kind, param, param_size,
                                           NULL);
}


ngx_http_registry_file_t *
ngx_http_registry_file_add_made(ngx_conf_t *cf, ngx_str_t *path,
    const ngx_http_registry_file_kind_t *kind, const void *param,
    size_t param_size, ngx_http_registry_file_make_pt make)
{
    ngx_str_t                              name;
    ngx_uint_t                             i;
    ngx_pool_cleanup_t                    *cln;
    ngx_http_registry_file_t              *file, **files;
    ngx_http_registry_access_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_registry_access_module);

    name.len = path->len;
    name.data = ngx_pnalloc(cf->pool, path->len + 1);
    if (name.data == NULL) {
        return NULL;
    }

    (void) ngx_cpystrn(name.data, path->data, path->len + 1);

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
        return NULL;
    }

    files = amcf->files.elts;

    for (i = 0; i < amcf->files.nelts; i++) {
        if (files[i]->kind == kind && files[i]->make == make
            && files[i]->path.len == name.len
            && ngx_memcmp(files[i]->path.data, name.data, name.len) == 0
            && files[i]->param_size == param_size
            && (param_size == 0
                || ngx_memcmp(files[i]->param, param, param_size) == 0))
        {
            return files[i];
        }
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_registry_file_t));
    if (cln == NULL) {
        return NULL;
    }

    file = cln->data;
    ngx_memzero(file, sizeof(ngx_http_registry_file_t));

    cln->handler = ngx_http_registry_file_forget;

    file->path = name;
    file->kind = kind;
    file->param = param;
    file->param_size = param_size;
    file->make = make;
    file->fd = NGX_INVALID_FILE;

    ngx_queue_init(&file->waiters);

    ngx_http_registry_file_read(file);

    /* there is no table to go on with, and time to wait for the writer */

    while (ngx_http_registry_file_half(file)) {
        ngx_http_registry_file_drop(file);
        ngx_msleep(NGX_HTTP_REGISTRY_FILE_PAUSE);
        ngx_http_registry_file_read(file);
    }

    if (!ngx_http_registry_file_to_make(file)
        && (ngx_http_registry_file_adopt(file, cf->log) != NGX_OK
            || file->table == NULL))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "without its %s the registry cannot tell who may "
                           "do what", kind->what);
        return NULL;
    }

    files = ngx_array_push(&amcf->files);
    if (files == NULL) {
        return NULL;
    }

    *files = file;

    return file;
}


void *
ngx_http_registry_file_table(ngx_http_registry_file_t *file)
{
    return file->table ? file->table->data : NULL;
}


void
ngx_http_registry_file_check(ngx_cycle_t *cycle, ngx_array_t *files)
{
    ngx_uint_t                  i;
    ngx_http_registry_file_t  **file;

    file = files->elts;

    for (i = 0; i < files->nelts; i++) {

        if (access((char *) file[i]->path.data, R_OK) == -1
            && (file[i]->make == NULL || ngx_errno != NGX_ENOENT))
        {
            ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno,
                          "the worker user cannot read the %s \"%V\", no "
                          "change of it will be seen; let the group of the "
                          "user read it (chgrp, chmod 640)",
                          file[i]->kind->what, &file[i]->path);
        }
    }
}


ngx_int_t
ngx_http_registry_file_get(ngx_http_request_t *r,
    ngx_http_registry_file_t *file, void (*wake)(ngx_http_request_t *r),
    void **table)
{
    ngx_time_t                 *tp;
    struct timespec             now;
    ngx_file_info_t             fi;
    ngx_http_registry_proof_t   proof;

    if (file->loading) {
        return ngx_http_registry_file_wait(r, file, wake);
    }

    if (file->lost && file->waking) {
        return NGX_ERROR;
    }

    if (ngx_http_registry_file_same(file)) {
        return ngx_http_registry_file_hold(r, file, table);
    }

    if (ngx_file_info(file->path.data, &fi) == NGX_FILE_ERROR) {

        if (file->make && ngx_errno == NGX_ENOENT) {
            goto load;
        }

        if (!file->lost) {
            file->lost = 1;
            ngx_log_error(NGX_LOG_CRIT, r->connection->log, ngx_errno,
                          "the %s \"%V\" %s", file->kind->what, &file->path,
                          ngx_errno == NGX_ENOENT
                          ? "is gone, nobody can log in until it is back"
                          : "is out of reach, nobody can log in; let the "
                            "worker user into the directories above it");
        }

        return NGX_ERROR;
    }

    ngx_http_registry_file_proof(&proof, &fi);

    if (ngx_memcmp(&proof, &file->proof, sizeof(ngx_http_registry_proof_t))
        == 0
        && !file->lost)
    {
        /* what was read for this request is new enough for it */

        if (file->settled || (file->waking && !file->held)
            || (wake == NULL && file->table))
        {
            file->looked = ngx_time();
            return ngx_http_registry_file_hold(r, file, table);
        }

        if (file->held) {
            tp = ngx_timeofday();

            now.tv_sec = tp->sec;
            now.tv_nsec = tp->msec * 1000000;

            if (ngx_http_registry_file_age(&proof, &now)
                < NGX_HTTP_REGISTRY_FILE_HOLD)
            {
                return ngx_http_registry_file_hold(r, file, table);
            }
        }
    }

load:

    if (ngx_http_registry_file_load(r, file) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_registry_file_wait(r, file, wake);
}


/* Whether the open file has not changed, and need not be looked for. */

static ngx_int_t
ngx_http_registry_file_same(ngx_http_registry_file_t *file)
{
    ngx_file_info_t            fi;
    ngx_http_registry_proof_t  proof;

    if (!file->settled || file->lost || file->fd == NGX_INVALID_FILE
        || file->looked != ngx_time()
        || ngx_fd_info(file->fd, &fi) == NGX_FILE_ERROR)
    {
        return 0;
    }

    ngx_http_registry_file_proof(&proof, &fi);

    return ngx_memcmp(&proof, &file->proof, sizeof(ngx_http_registry_proof_t))
           == 0;
}


static ngx_int_t
ngx_http_registry_file_hold(ngx_http_request_t *r,
    ngx_http_registry_file_t *file, void **table)
{
    ngx_pool_cleanup_t  *cln;

    if (file->table == NULL) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    file->table->refs++;

    cln->handler = ngx_http_registry_file_release;
    cln->data = file->table;

    *table = file->table->data;

    return NGX_OK;
}


static void
ngx_http_registry_file_release(void *data)
{
    ngx_http_registry_table_t *table = data;

    if (--table->refs == 0) {
        table->free(table->data);
        ngx_free(table);
    }
}


/* The configuration goes, and with it all requests that used it are gone. */

static void
ngx_http_registry_file_forget(void *data)
{
    ngx_http_registry_file_t *file = data;

    if (file->table) {
        ngx_http_registry_file_release(file->table);
        file->table = NULL;
    }

    if (file->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(file->fd);
        file->fd = NGX_INVALID_FILE;
    }
}


ngx_int_t
ngx_http_registry_file_adopt(ngx_http_registry_file_t *file, ngx_log_t *log)
{
    ngx_http_registry_table_t    *table;
    ngx_http_registry_reading_t  *reading;

    reading = &file->reading;

    file->settled = 0;
    file->held = 0;
    file->looked = 0;

    if (file->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(file->fd);
    }

    file->fd = reading->fd;
    reading->fd = NGX_INVALID_FILE;

    if (reading->call) {

        if (!file->lost && reading->why.text[0]) {
            file->lost = 1;
            ngx_log_error(NGX_LOG_CRIT, log, 0,
                          "the %s \"%V\" could not be made: %s; let the "
                          "worker user write to its directory",
                          file->kind->what, &file->path, reading->why.text);
        }

        if (!file->lost) {
            file->lost = 1;
            ngx_log_error(NGX_LOG_CRIT, log, reading->err,
                          "%s of the %s \"%V\" failed; it has to be there, "
                          "and readable by the worker user",
                          reading->call, file->kind->what, &file->path);
        }

        return NGX_ERROR;
    }

    file->lost = 0;
    file->proof = reading->proof;
    file->settled = (reading->age >= NGX_HTTP_REGISTRY_FILE_FRESH);

    if (file->table && ngx_http_registry_file_half(file)) {

        if (reading->data) {
            file->kind->free(reading->data);
            reading->data = NULL;
        }

        file->settled = 0;
        file->held = 1;

        return NGX_OK;
    }

    if (reading->data == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "the %s \"%V\" cannot be used: %s%s",
                      file->kind->what, &file->path, reading->why.text,
                      file->table ? "; what it held before still counts, "
                                    "mend it"
                                  : "; nobody can log in, mend it");
        return file->table ? NGX_OK : NGX_ERROR;
    }

    table = ngx_alloc(sizeof(ngx_http_registry_table_t), log);

    if (table == NULL) {
        file->kind->free(reading->data);
        reading->data = NULL;
        file->settled = 0;
        return NGX_ERROR;
    }

    table->data = reading->data;
    table->refs = 1;
    table->free = file->kind->free;

    if (file->table) {
        ngx_http_registry_file_release(file->table);
    }

    file->table = table;
    reading->data = NULL;

    ngx_http_registry_file_log_skips(file, log);

    if (file->kind->secret && (reading->mode & 077)) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "the %s \"%V\" is open to others, who could be anybody "
                      "with it; \"chmod 600\" it, and give it to the worker "
                      "user", file->kind->what, &file->path);
    }

    return NGX_OK;
}


/* Whether somebody may still be writing what was read. */

static ngx_int_t
ngx_http_registry_file_half(ngx_http_registry_file_t *file)
{
    ngx_http_registry_reading_t  *reading;

    reading = &file->reading;

    if (reading->call) {
        return 0;
    }

    return reading->torn
           || (reading->age < NGX_HTTP_REGISTRY_FILE_HOLD
               && (reading->data == NULL || reading->proof.size == 0
                   || (file->kind->open
                       && file->kind->open(reading->data))));
}


static void
ngx_http_registry_file_drop(ngx_http_registry_file_t *file)
{
    if (file->reading.data) {
        file->kind->free(file->reading.data);
        file->reading.data = NULL;
    }

    if (file->reading.fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(file->reading.fd);
        file->reading.fd = NGX_INVALID_FILE;
    }
}


static void
ngx_http_registry_file_log_skips(ngx_http_registry_file_t *file,
    ngx_log_t *log)
{
    ngx_uint_t                    i, n;
    const char                   *part;
    ngx_http_registry_reading_t  *reading;

    reading = &file->reading;
    part = file->kind->part;
    n = ngx_min(reading->nskips, NGX_HTTP_REGISTRY_FILE_SKIPS);

    for (i = 0; i < n; i++) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "%s %uz of the %s \"%V\" is passed over: %s", part,
                      reading->skips[i].line, file->kind->what, &file->path,
                      reading->skips[i].reason);
    }

    if (reading->nskips > n) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "%ui more %ss of the %s \"%V\" are passed over",
                      reading->nskips - n, part, file->kind->what,
                      &file->path);
    }
}


ngx_uint_t
ngx_http_registry_file_to_make(ngx_http_registry_file_t *file)
{
    return file->make && file->reading.call
           && file->reading.err == NGX_ENOENT;
}
