
#include "ngx_http_registry_log.h"


typedef struct {
    int          err;
    const char  *way;
} ngx_http_registry_way_t;


static const char *ngx_http_registry_way_of(const ngx_http_registry_way_t *way,
    int err);


/* By errno: what an operator can do about it. */

static const ngx_http_registry_way_t  ngx_http_registry_ways[] = {
    { EACCES, "; give the registry's root to the worker user (chown -R), and "
              "let it into the directories above" },
    { EPERM,  "; give the registry's root to the worker user (chown -R)" },
    { ENOSPC, "; free space, or inodes, on the disk of the registry's root" },
    { EDQUOT, "; raise the disk quota of the worker user" },
    { EFBIG,  "; raise the limit on the size of files (LimitFSIZE, "
              "ulimit -f)" },
    { EROFS,  "; the file system was mounted read-only, look at the kernel's "
              "log" },
    { EXDEV,  "; all of \"docker/registry\" has to be one mount of one file "
              "system" },
    { EIO,    "; look at the disk, and at the kernel's log" },
    { ESTALE, "; the server of that file system has lost it, mount it anew" },
    { EMFILE, "; raise \"worker_rlimit_nofile\"" },
    { ENFILE, "; raise fs.file-max of the kernel" },
    { ENOMEM, "; give the machine, or the service, more memory" },
    { ENOENT, "; is the disk of the registry's root still mounted?" },
    { ENOTDIR, "; something else stands where a directory should be" },
    { ELOOP,  "; a symbolic link stands where none should be" },
    { 0, NULL }
};

/* By error, where no call failed. */

static const ngx_http_registry_way_t  ngx_http_registry_other_ways[] = {
    { REG_LOCKED,    "; look at the disk of the registry's root, and for a "
                     "process that was stopped" },
    { REG_NO_MEMORY, "; give the machine, or the service, more memory" },
    { REG_INTERNAL,  "; that should not happen, please report it" },
    { 0, NULL }
};


const char *
ngx_http_registry_way_out(const reg_error_t *e)
{
    if (e->sys) {
        return ngx_http_registry_way_of(ngx_http_registry_ways, e->sys);
    }

    if (e->damage) {
        return "; push it again, or restore it from a backup";
    }

    /* two things can be too small, and one of them says so to the client */

    if (e->rc == REG_BUSY) {
        return e->detail[0] ? "; raise \"registry_manifest_memory\""
                            : "; raise \"threads\", or \"max_queue\", of the "
                              "\"thread_pool\"";
    }

    /* who says what it was knows it for no mistake of ours */

    if (e->rc == REG_INTERNAL && e->detail[0]) {
        return "";
    }

    return ngx_http_registry_way_of(ngx_http_registry_other_ways, e->rc);
}


static const char *
ngx_http_registry_way_of(const ngx_http_registry_way_t *way, int err)
{
    for ( /* void */ ; way->way; way++) {
        if (way->err == err) {
            return way->way;
        }
    }

    return "";
}


void
ngx_http_registry_log_error(ngx_http_request_t *r, const reg_error_t *e)
{
    u_char                         detail[REG_ERROR_DETAIL];
    ngx_uint_t                     i, level;
    ngx_http_registry_loc_conf_t  *rlcf;

    if (e->sys == 0) {

        /* details may quote the client: one line, whatever it sent */

        for (i = 0; i < REG_ERROR_DETAIL - 1 && e->detail[i]; i++) {
            detail[i] = (u_char) (e->detail[i] >= 0x20 && e->detail[i] < 0x7f
                                  ? e->detail[i] : '?');
        }

        detail[i] = '\0';

        level = (reg_error_status(e->rc) >= 500 || e->damage) ? NGX_LOG_ERR
                                                              : NGX_LOG_INFO;

        ngx_log_error(level, r->connection->log, 0,
                      "registry refused: %s%s%s%s", reg_error_text(e->rc),
                      i ? ": " : "", detail, ngx_http_registry_way_out(e));
        return;
    }

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    ngx_log_error(NGX_LOG_CRIT, r->connection->log, e->sys,
                  "%s() \"%V/%s\" failed%s", e->call ? e->call : "call",
                  &rlcf->root->root, e->path, ngx_http_registry_way_out(e));
}


void
ngx_http_registry_log_failed(ngx_http_registry_root_t *root, const char *what,
    const reg_error_t *e)
{
    if (e->call || e->sys) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, e->sys,
                      "could not %s: %s() \"%V/%s\" failed%s", what,
                      e->call ? e->call : "call", &root->root, e->path,
                      ngx_http_registry_way_out(e));
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "could not %s of \"%V\": %s%s", what, &root->root,
                  e->detail[0] ? e->detail : reg_error_text(e->rc),
                  ngx_http_registry_way_out(e));
}
