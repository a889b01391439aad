
/* Lists in pages: tags, catalogue, referrers; and repositories deleted. */


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_limits.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_parse.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"

#include "reg_catalog.h"
#include "reg_manifest.h"
#include "reg_referrers.h"
#include "reg_repo.h"
#include "reg_tags.h"


/* bytes of a manifest that a list parses without asking for memory */
#define NGX_HTTP_REGISTRY_LIST_SMALL  (16 * 1024)


typedef struct {
    reg_page_t              page;

    /* of referrers */
    reg_referrers_list_t   *referrers;
    reg_referrers_slice_t   slice;
    size_t                  large;      /* bytes that the slice may parse */
} ngx_http_registry_list_job_t;


static ngx_http_registry_list_job_t *ngx_http_registry_list_create(
    ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_list(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx,
    reg_rc_t (*work)(ngx_http_registry_ctx_t *ctx));
static void ngx_http_registry_list_cleanup(void *data);
static ngx_int_t ngx_http_registry_listed(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_tags_work(ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_catalog_work(ngx_http_registry_ctx_t *ctx);
static int ngx_http_registry_may_list(void *who, reg_str_t name);
static ngx_int_t ngx_http_registry_referrers_slice(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_referrers_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_referrers_sliced(ngx_http_request_t *r,
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


static ngx_int_t
ngx_http_registry_list(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx,
    reg_rc_t (*work)(ngx_http_registry_ctx_t *ctx))
{
    ngx_http_registry_list_job_t     *job;
    ngx_http_registry_limits_conf_t  *limits;

    limits = ngx_http_get_module_loc_conf(r, ngx_http_registry_limits_module);

    job = ngx_http_registry_list_create(r, ctx);
    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    job->page.limit = ngx_min(job->page.limit, (uint64_t) limits->page_size);

    return ngx_http_registry_task(r, ctx, work, ngx_http_registry_listed);
}


static ngx_http_registry_list_job_t *
ngx_http_registry_list_create(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_pool_cleanup_t            *cln;
    ngx_http_registry_list_job_t  *job;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_list_job_t));
    if (cln == NULL) {
        return NULL;
    }

    job = cln->data;
    job->referrers = NULL;
    ctx->job = job;

    reg_page_init(&job->page, &ctx->op);

    cln->handler = ngx_http_registry_list_cleanup;

    return job;
}


static void
ngx_http_registry_list_cleanup(void *data)
{
    ngx_http_registry_list_job_t *job = data;

    reg_referrers_close(job->referrers);
    reg_page_free(&job->page);
}


/* In threads. */

static reg_rc_t
ngx_http_registry_tags_work(ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_list_job_t  *job;

    job = ctx->job;

    return reg_tags_page(ctx->store, &ctx->op, &job->page, &ctx->error);
}


static reg_rc_t
ngx_http_registry_catalog_work(ngx_http_registry_ctx_t *ctx)
{
    const ngx_http_registry_who_t  *who;
    ngx_http_registry_list_job_t   *job;

    job = ctx->job;
    who = ngx_http_registry_identity(ctx);

    return reg_catalog_page(ctx->store, &ctx->op, &job->page,
                            who->open ? NULL : ngx_http_registry_may_list,
                            (void *) who, &ctx->error);
}


static int
ngx_http_registry_may_list(void *who, reg_str_t name)
{
    return ngx_http_registry_may(who, REG_MAY_LIST, name) == REG_ACCESS_ALLOW;
}


/*
 * A list of referrers is made in slices.  The first parses what is small, and
 * that is all there is of most lists: they wait for nobody.  What is not done
 * then stands in the line of those that parse much, for each of its slices
 * once more.
 */

ngx_int_t
ngx_http_registry_referrers(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_list_job_t  *job;

    /* of referrers cosign reads the first page alone: no page_size */

    job = ngx_http_registry_list_create(r, ctx);
    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (reg_referrers_open(&job->referrers, ctx->store, &ctx->op, &job->page,
                           &ctx->error)
        != REG_OK)
    {
        return ngx_http_registry_send_error(r, ctx);
    }

    job->large = NGX_HTTP_REGISTRY_LIST_SMALL;

    return ngx_http_registry_referrers_slice(r, ctx);
}


static ngx_int_t
ngx_http_registry_referrers_slice(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_registry_task_try(r, ctx, ngx_http_registry_referrers_work,
                                    ngx_http_registry_referrers_sliced);

    if (rc != NGX_BUSY) {
        return rc;
    }

    if (ctx->parse) {
        ngx_http_registry_parse_leave(ctx);
    }

    return ngx_http_registry_send_error(r, ctx);
}


/* In a thread. */

static reg_rc_t
ngx_http_registry_referrers_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                       rc;
    ngx_http_registry_list_job_t  *job;

    job = ctx->job;

    rc = reg_referrers_slice(job->referrers, job->large, &job->slice,
                             &ctx->error);

    if (job->slice.largest > NGX_HTTP_REGISTRY_PARSE_FREE) {
        ngx_http_registry_parse_trim();
    }

    return rc;
}


static ngx_int_t
ngx_http_registry_referrers_sliced(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                      rc;
    ngx_event_t                   *rev;
    ngx_http_registry_list_job_t  *job;

    job = ctx->job;

    if (ctx->parse) {
        ngx_http_registry_parse_leave(ctx);
    }

    if (ctx->rc != REG_OK || !job->slice.more) {
        return ngx_http_registry_listed(r, ctx);
    }

    if (r->read_event_handler != ngx_http_test_reading) {

        /* who goes away is not worth it, nor is who has gone already */

        r->read_event_handler = ngx_http_test_reading;

        rev = r->connection->read;

        if (rev->ready) {
            ngx_post_event(rev, &ngx_posted_events);
        }
    }

    job->large = ngx_max(job->slice.need, NGX_HTTP_REGISTRY_LIST_SMALL);

    rc = ngx_http_registry_parse_read(r, ctx, job->large,
                                      ngx_http_registry_referrers_slice);

    if (ngx_http_registry_parse_waits(ctx)) {
        reg_referrers_rest(job->referrers);
    }

    return rc;
}


static ngx_int_t
ngx_http_registry_listed(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx)
{
    reg_page_t                    *page;
    ngx_http_registry_list_job_t  *job;

    if (ctx->rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    job = ctx->job;
    page = &job->page;

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
