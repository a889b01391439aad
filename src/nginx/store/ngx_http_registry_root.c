
#include "ngx_http_registry_log.h"
#include "ngx_http_registry_maintenance.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_root.h"
#include "ngx_http_registry_scrub.h"


static ngx_http_registry_root_t *ngx_http_registry_root_find(
    ngx_http_registry_main_conf_t *rmcf, ngx_str_t *name);
static ngx_http_registry_root_t *ngx_http_registry_root_make(ngx_conf_t *cf,
    ngx_http_registry_main_conf_t *rmcf, ngx_str_t *name);
static ngx_int_t ngx_http_registry_root_check(ngx_conf_t *cf,
    ngx_str_t *name);
static void ngx_http_registry_root_writable(ngx_cycle_t *cycle,
    ngx_http_registry_root_t *root);


ngx_http_registry_root_t *
ngx_http_registry_root_add(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_str_t                       path;
    ngx_http_registry_root_t       *root;
    ngx_http_registry_main_conf_t  *rmcf;

    path = *name;

    while (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--;
    }

    path.data = ngx_pstrdup(cf->pool, &path);
    if (path.data == NULL) {
        return NULL;
    }

    if (ngx_conf_full_name(cf->cycle, &path, 0) != NGX_OK) {
        return NULL;
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);

    root = ngx_http_registry_root_find(rmcf, &path);
    if (root) {
        return root;
    }

    return ngx_http_registry_root_make(cf, rmcf, &path);
}


static ngx_http_registry_root_t *
ngx_http_registry_root_find(ngx_http_registry_main_conf_t *rmcf,
    ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_registry_root_t  **root;

    root = rmcf->roots.elts;

    for (i = 0; i < rmcf->roots.nelts; i++) {
        if (root[i]->root.len == name->len
            && ngx_strncmp(root[i]->root.data, name->data, name->len) == 0)
        {
            return root[i];
        }
    }

    return NULL;
}


static ngx_http_registry_root_t *
ngx_http_registry_root_make(ngx_conf_t *cf,
    ngx_http_registry_main_conf_t *rmcf, ngx_str_t *name)
{
    ngx_http_registry_root_t  *root, **p;

    root = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_root_t));
    if (root == NULL) {
        return NULL;
    }

    root->root.len = name->len;
    root->root.data = ngx_pnalloc(cf->pool, name->len + 1);
    if (root->root.data == NULL) {
        return NULL;
    }

    (void) ngx_cpystrn(root->root.data, name->data, name->len + 1);

    p = ngx_array_push(&rmcf->roots);
    if (p == NULL) {
        return NULL;
    }

    root->upload_idle = NGX_CONF_UNSET;

    *p = root;

    if (ngx_http_registry_root_check(cf, &root->root) != NGX_OK
        || ngx_http_registry_maintenance_add(cf, root) != NGX_OK)
    {
        return NULL;
    }

    return root;
}


/*
 * nginx makes the directory itself when it starts, but neither its parents
 * nor anything in place of a file.
 */

static ngx_int_t
ngx_http_registry_root_check(ngx_conf_t *cf, ngx_str_t *name)
{
    u_char           *slash;
    ngx_int_t         rc;
    ngx_file_info_t   fi;

    if (ngx_file_info(name->data, &fi) != NGX_FILE_ERROR) {

        if (ngx_is_dir(&fi)) {
            return NGX_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry\" needs a directory and \"%V\" is "
                           "something else", name);
        return NGX_ERROR;
    }

    if (ngx_errno != NGX_ENOENT && ngx_errno != NGX_ENOTDIR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"registry\" cannot use \"%V\", look at the "
                           "directories above it", name);
        return NGX_ERROR;
    }

    slash = (u_char *) strrchr((char *) name->data, '/');

    if (slash == NULL || slash == name->data) {
        return NGX_OK;
    }

    *slash = '\0';
    rc = ngx_file_info(name->data, &fi);
    *slash = '/';

    if (rc == NGX_FILE_ERROR || !ngx_is_dir(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry\" cannot make \"%V\", there is no "
                           "directory above it; try \"mkdir -p %V\"",
                           name, name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_http_registry_root_enter(ngx_cycle_t *cycle,
    ngx_http_registry_root_t *root)
{
    root->store = NULL;
    root->due = ngx_current_msec;
    root->scrub = NULL;
    root->scrub_due = ngx_current_msec;
    root->scrub_look = ngx_current_msec;

    if (ngx_process == NGX_PROCESS_SINGLE
        || (ngx_process == NGX_PROCESS_WORKER && ngx_worker == 0))
    {
        ngx_http_registry_root_writable(cycle, root);
    }
}


/* An image that cannot be stored is better told at start than at a push. */

static void
ngx_http_registry_root_writable(ngx_cycle_t *cycle,
    ngx_http_registry_root_t *root)
{
    reg_error_t   e;
    reg_store_t  *store;

    store = ngx_http_registry_store(root, cycle->log);

    if (store == NULL) {
        return;
    }

    reg_error_clear(&e);

    if (reg_store_writable(store, &e) != REG_OK) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, e.sys,
                      "the worker user cannot write to \"%V/%s\", pushes will "
                      "fail%s", &root->root, e.path,
                      ngx_http_registry_way_out(&e));
    }
}


void
ngx_http_registry_root_leave(ngx_http_registry_root_t *root)
{
    ngx_http_registry_scrub_end(root);
    ngx_http_registry_notify_exit(root);

    if (root->store) {
        reg_store_close(root->store);
        root->store = NULL;
    }
}
