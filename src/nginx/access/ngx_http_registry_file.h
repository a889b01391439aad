
/*
 * Files that operators edit while nginx runs: passwords, groups, tokens, keys.
 *
 * The bytes of such a file become a table that never changes.  It is made when
 * the configuration is read, and anew by a pool thread whenever a request
 * finds that the file is another one: every request asks, by one stat().
 *
 * A table is held by those who asked for it, so it may be looked at as long as
 * the request lives, by its threads too, and is freed when the last one who
 * holds it is gone.
 *
 * What is half written is not used: a file that changed within the last second
 * and is empty, or whose last line has no end, leaves the table that was.
 */


#ifndef NGX_HTTP_REGISTRY_FILE_H_INCLUDED
#define NGX_HTTP_REGISTRY_FILE_H_INCLUDED


#include "ngx_http_registry.h"

#include "reg_why.h"


typedef struct ngx_http_registry_file_s  ngx_http_registry_file_t;


/* What the bytes of a file become. */
typedef struct {
    const char  *what;                /* "password file", for the log */
    size_t       max;                 /* bytes; a larger file is refused */

    /*
     * Makes a table; NULL and a sentence when the file cannot be used.  Runs
     * in a thread, or in the master while the configuration is read.  param is
     * what file_add() was given.
     */
    void      *(*parse)(reg_str_t text, const void *param, reg_skip_pt skip,
                        void *data, reg_why_t *why);

    /* 1 when the last line has no end; NULL where that means nothing. */
    int        (*open)(const void *table);

    void       (*free)(void *table);

    const char  *part;                /* what is counted when some of it is
                                         passed over: "line" */

    unsigned     secret:1;            /* nobody else should read it */
} ngx_http_registry_file_kind_t;


typedef int (*ngx_http_registry_file_make_pt)(const char *path,
    const void *param, reg_why_t *why);


/*
 * Names a file in the configuration and makes its first table; path is taken
 * from the directory of the configuration when it is relative.  The same path,
 * kind and param (compared by param_size bytes; param lives as long as the
 * configuration) give the same file.  NULL after a line in the log.
 */
ngx_http_registry_file_t *ngx_http_registry_file_add(ngx_conf_t *cf,
    ngx_str_t *path, const ngx_http_registry_file_kind_t *kind,
    const void *param, size_t param_size);

/*
 * The same for a file that need not be there: when it is first needed a thread
 * lets make() write it, which answers 0, or -1 and a sentence.  It is not
 * written while the configuration is read.
 */
ngx_http_registry_file_t *ngx_http_registry_file_add_made(ngx_conf_t *cf,
    ngx_str_t *path, const ngx_http_registry_file_kind_t *kind,
    const void *param, size_t param_size,
    ngx_http_registry_file_make_pt make);

/*
 * The present table, held until the request's pool goes.
 *
 * NGX_OK      *table is it
 * NGX_AGAIN   a thread reads the file; wake(r) is called when it is done, if
 *             the request still lives, and asks again.  With wake NULL it
 *             is not told
 * NGX_ERROR   there is none that may be used; why is in the log
 */
ngx_int_t ngx_http_registry_file_get(ngx_http_request_t *r,
    ngx_http_registry_file_t *file, void (*wake)(ngx_http_request_t *r),
    void **table);

/*
 * The table made last, for use while the configuration is read; NULL for a
 * file that has yet to be made.
 */
void *ngx_http_registry_file_table(ngx_http_registry_file_t *file);

/* Says in the log, as a worker starts, which files it will not get at. */
void ngx_http_registry_file_check(ngx_cycle_t *cycle, ngx_array_t *files);


#endif /* NGX_HTTP_REGISTRY_FILE_H_INCLUDED */
