
/* The store of a directory, opened by each process for itself. */


#include "ngx_http_registry.h"
#include "ngx_http_registry_log.h"
#include "ngx_http_registry_stats.h"


reg_store_t *
ngx_http_registry_store(ngx_http_registry_root_t *root, ngx_log_t *log)
{
    reg_error_t  e;

    if (root->store) {
        return root->store;
    }

    reg_error_clear(&e);

    if (reg_store_open(&root->store, (char *) root->root.data, &e) != REG_OK) {
        root->store = NULL;
        ngx_log_error(NGX_LOG_CRIT, log, e.sys,
                      "could not open the registry's root \"%V\"%s",
                      &root->root,
                      e.sys == NGX_ENOENT
                      ? "; make the directory, and give it to the worker user"
                      : ngx_http_registry_way_out(&e));
        return NULL;
    }

    ngx_http_registry_stats_driver(root->store);

    return root->store;
}
