
/* Lists in pages: tags, catalogue, referrers; and repositories deleted. */


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_limits.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"

#include "reg_catalog.h"
#include "reg_manifest.h"
#include "reg_referrers.h"
#include "reg_repo.h"
#include "reg_tags.h"


static ngx_int_t ngx_http_registry_list(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx,
    reg_rc_t (*work)(ngx_http_registry_ctx_t *ctx));
static void ngx_http_registry_list_cleanup(void *data);
static ngx_int_t ngx_http_registry_listed(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_tags_work(ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_catalog_work(ngx_http_registry_ctx_t *ctx);
static int ngx_http_registry_may_list(void *who, reg_str_t name);
static reg_rc_t ngx_http_registry_referrers_work(
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_repo_delete_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_repo_deleted(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


ngx_int_t
ngx_http_registry_tags(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_list(r, ctx, ngx_http_registry_tags_work);
}


ngx_int_t
ngx_http_registry_catalog(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_list(r, ctx, ngx_http_registry_catalog_work);
}


ngx_int_t
ngx_http_registry_referrers(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_list(r, ctx, ngx_http_registry_referrers_work);
}


static ngx_int_t
ngx_http_registry_list(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx,
    reg_rc_t (*work)(ngx_http_registry_ctx_t *ctx))
{
    reg_page_t                       *page;
    ngx_pool_cleanup_t               *cln;
    ngx_http_registry_limits_conf_t  *limits;

    limits = ngx_http_get_module_loc_conf(r, ngx_http_registry_limits_module);

    cln = ngx_pool_cleanup_add(r->pool, sizeof(reg_page_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    page = cln->data;
    ctx->job = page;

    reg_page_init(page, &ctx->op);

    cln->handler = ngx_http_registry_list_cleanup;

    /* of referrers cosign reads the first page alone */

    if (ctx->op.op != REG_OP_REFERRERS) {
        page->limit = ngx_min(page->limit, (uint64_t) limits->page_size);
    }

    return ngx_http_registry_task(r, ctx, work, ngx_http_registry_listed);
}


static void
ngx_http_registry_list_cleanup(void *data)
{
    reg_page_free(data);
}


/* In threads. */

static reg_rc_t
ngx_http_registry_tags_work(ngx_http_registry_ctx_t *ctx)
{
    return reg_tags_page(ctx->store, &ctx->op, ctx->job, &ctx->error);
}


static reg_rc_t
ngx_http_registry_catalog_work(ngx_http_registry_ctx_t *ctx)
{
    const ngx_http_registry_who_t  *who;

    who = ngx_http_registry_identity(ctx);

    return reg_catalog_page(ctx->store, &ctx->op, ctx->job,
                            who->open ? NULL : ngx_http_registry_may_list,
                            (void *) who, &ctx->error);
}


static int
ngx_http_registry_may_list(void *who, reg_str_t name)
{
    return ngx_http_registry_may(who, REG_MAY_LIST, name) == REG_ACCESS_ALLOW;
}


static reg_rc_t
ngx_http_registry_referrers_work(ngx_http_registry_ctx_t *ctx)
{
    return reg_referrers_page(ctx->store, &ctx->op, ctx->job, &ctx->error);
}


static ngx_int_t
ngx_http_registry_listed(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx)
{
    reg_page_t  *page;

    if (ctx->rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    page = ctx->job;

    if (page->link.len
        && ngx_http_registry_header(r, "Link", page->link.data,
                                    page->link.len)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&r->headers_out.content_type, "application/json");

    if (ctx->op.op == REG_OP_REFERRERS) {
        ngx_str_set(&r->headers_out.content_type, REG_TYPE_OCI_INDEX);

        if (ctx->op.has_artifact_type
            && ngx_http_registry_header(r, "OCI-Filters-Applied",
                                        "artifactType", 12)
               != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;

    return ngx_http_registry_send_memory(r, NGX_HTTP_OK, page->body.data,
                                         page->body.len);
}


/* DELETE of a whole repository, an extension of ours. */

ngx_int_t
ngx_http_registry_repo_delete(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_task(r, ctx, ngx_http_registry_repo_delete_work,
                                  ngx_http_registry_repo_deleted);
}


/* In a thread.  Its files are freed later, by the maintenance process. */

static reg_rc_t
ngx_http_registry_repo_delete_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t  rc;

    rc = ngx_http_registry_emit_room(ctx, 1);

    if (rc == REG_OK) {
        rc = reg_repo_delete(ctx->store, ctx->op.name, &ctx->error);
    }

    return (rc == REG_OK) ? ngx_http_registry_emit_delete(ctx, NULL, NULL)
                          : rc;
}


static ngx_int_t
ngx_http_registry_repo_deleted(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    if (ctx->rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    return ngx_http_registry_send_empty(r, NGX_HTTP_ACCEPTED);
}
