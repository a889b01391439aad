
/* Manifests: read, written, deleted; by tag and by digest. */


#include "ngx_http_registry_access.h"
#include "ngx_http_registry_body.h"
#include "ngx_http_registry_gc.h"
#include "ngx_http_registry_notify.h"
#include "ngx_http_registry_ops.h"
#include "ngx_http_registry_parse.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"
#include "ngx_http_registry_zone.h"

#include "reg_lease.h"
#include "reg_repo.h"


/* tags told in one OCI-Tag header; more of them follow in another */
#define NGX_HTTP_REGISTRY_TAGS_LINE   4


typedef struct {
    reg_digest_t                   digest;    /* what the reply names */
    reg_digest_t                   target;    /* where the bytes are */
    int64_t                        lease;     /* how old it may be */
    reg_buf_t                      body;
    char                           type[REG_MEDIA_TYPE_MAX + 1];
} ngx_http_registry_read_job_t;


typedef struct {
    reg_manifest_put_t             put;
    reg_manifest_put_result_t      result;
} ngx_http_registry_write_job_t;


static ngx_int_t ngx_http_registry_manifest_found(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_manifest_lease_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_manifest_leased(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_manifest_cached(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_manifest_t *m);
static ngx_int_t ngx_http_registry_manifest_headers(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const char *type, size_t len, size_t size);
static reg_rc_t ngx_http_registry_manifest_read_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_manifest_have(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_manifest_cleanup(void *data);
static ngx_int_t ngx_http_registry_manifest_gathered(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_manifest_parse(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_manifest_write_work(
    ngx_http_registry_ctx_t *ctx);
static reg_rc_t ngx_http_registry_manifest_emit(ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_manifest_written(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_manifest_tags(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_content_type(ngx_http_request_t *r,
    reg_str_t *type);
static reg_rc_t ngx_http_registry_manifest_delete_work(
    ngx_http_registry_ctx_t *ctx);
static ngx_int_t ngx_http_registry_manifest_deleted(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);


/*
 * GET and HEAD (end-3).  The links are read here: two small files, as a file
 * server would open one.  Bytes and type come from the shared zone; only a
 * manifest that no worker has read yet is a thread's work.
 */

ngx_int_t
ngx_http_registry_manifest_read(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    int64_t                        leased;
    reg_rc_t                       rc;
    ngx_pool_cleanup_t            *cln;
    ngx_http_registry_read_job_t  *job;
    ngx_http_registry_loc_conf_t  *rlcf;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_read_job_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    job = cln->data;
    ctx->job = job;

    reg_buf_init(&job->body, REG_MANIFEST_READ_MAX);
    cln->handler = ngx_http_registry_manifest_cleanup;

    if (ctx->op.has_digest) {
        job->digest = ctx->op.digest;
        rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
        job->lease = ngx_http_registry_gc_lease(rlcf->root);

        /*
         * By HEAD clients ask whether they need to push the child of an index:
         * the answer is a lease, for whoever collects manifests without a tag,
         * which may be another server, or a command.
         */

        rc = reg_revision_find(ctx->store, ctx->op.name, &job->digest,
                               &job->target, &leased, &ctx->error);

        if (rc == REG_OK && r->method == NGX_HTTP_HEAD
            && reg_lease_old(leased, job->lease))
        {
            return ngx_http_registry_task(r, ctx,
                                       ngx_http_registry_manifest_lease_work,
                                       ngx_http_registry_manifest_leased);
        }

    } else {
        rc = reg_tag_find(ctx->store, ctx->op.name, ctx->op.tag,
                          &job->digest, &job->target, &ctx->error);
    }

    if (rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    return ngx_http_registry_manifest_found(r, ctx);
}


static reg_rc_t
ngx_http_registry_manifest_lease_work(ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_read_job_t  *job;

    job = ctx->job;

    return reg_revision_lease(ctx->store, ctx->op.name, &job->digest,
                              job->lease, &ctx->error);
}


static ngx_int_t
ngx_http_registry_manifest_leased(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    if (ctx->rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    return ngx_http_registry_manifest_found(r, ctx);
}


static ngx_int_t
ngx_http_registry_manifest_found(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_manifest_t   m;
    ngx_http_registry_read_job_t  *job;

    job = ctx->job;

    if (ngx_http_registry_zone_find(r, &job->target, &m) == NGX_OK) {
        ctx->cache = NGX_HTTP_REGISTRY_CACHE_HIT;

        return ngx_http_registry_manifest_cached(r, ctx, &m);
    }

    ctx->cache = NGX_HTTP_REGISTRY_CACHE_MISS;

    return ngx_http_registry_task(r, ctx,
                                  ngx_http_registry_manifest_read_work,
                                  ngx_http_registry_manifest_have);
}


static ngx_int_t
ngx_http_registry_manifest_cached(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_manifest_t *m)
{
    reg_rc_t                       rc;
    ngx_str_t                      path;
    ngx_open_file_info_t           of;
    ngx_http_registry_read_job_t  *job;

    job = ctx->job;

    if ((r->method == NGX_HTTP_HEAD && m->has_body) || m->body) {

        if (ngx_http_registry_manifest_headers(r, ctx, m->type, m->type_len,
                                               m->size)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_registry_send_memory(r, NGX_HTTP_OK, m->body,
                                             m->size);
    }

    /* too large to be remembered: the file is sent as a blob is */

    rc = ngx_http_registry_open_blob(r, ctx, &job->target, &of, &path);

    if (rc == REG_OK && of.size != (off_t) m->size) {
        rc = reg_error_damage(&ctx->error, REG_MANIFEST_UNKNOWN,
                              "%s is damaged in the store", job->target.text);
    }

    if (rc != REG_OK) {

        if (ctx->error.rc == REG_BLOB_UNKNOWN) {
            ctx->error.rc = REG_MANIFEST_UNKNOWN;
        }

        return ngx_http_registry_send_error(r, ctx);
    }

    if (ngx_http_registry_manifest_headers(r, ctx, m->type, m->type_len,
                                           m->size)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_send_file(r, &of, &path);
}


static reg_rc_t
ngx_http_registry_manifest_read_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                       rc;
    ngx_http_registry_read_job_t  *job;

    job = ctx->job;

    rc = reg_revision_read(ctx->store, &job->target, &job->body, job->type,
                           &ctx->error);

    if (job->body.len > NGX_HTTP_REGISTRY_PARSE_FREE) {
        ngx_http_registry_parse_trim();
    }

    return rc;
}


static ngx_int_t
ngx_http_registry_manifest_have(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_read_job_t  *job;

    if (ctx->rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    job = ctx->job;

    ngx_http_registry_zone_add(r, &job->target, job->type, job->body.data,
                               job->body.len);

    if (ngx_http_registry_manifest_headers(r, ctx, job->type,
                                           ngx_strlen(job->type),
                                           job->body.len)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_send_memory(r, NGX_HTTP_OK, job->body.data,
                                         job->body.len);
}


static ngx_int_t
ngx_http_registry_manifest_headers(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const char *type, size_t len, size_t size)
{
    ngx_http_registry_read_job_t  *job;

    job = ctx->job;

    if (ngx_http_registry_pulled(r, ctx, &job->digest, type, len, size)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_registry_content_headers(r, &job->digest, type, len);
}


static void
ngx_http_registry_manifest_cleanup(void *data)
{
    ngx_http_registry_read_job_t  *job = data;

    reg_buf_free(&job->body);
}


/* PUT (end-7a, end-7b). */

ngx_int_t
ngx_http_registry_manifest_write(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_loc_conf_t   *rlcf;
    ngx_http_registry_write_job_t  *job;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    job = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_write_job_t));
    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    job->put.name = ctx->op.name;
    job->put.when = ctx->op.when;
    job->put.sparse = rlcf->sparse_index;
    job->put.keep_tags =
        (ngx_http_registry_may(ngx_http_registry_identity(ctx),
                               REG_MAY_UPDATE, ctx->op.name)
         != REG_ACCESS_ALLOW);

    if (ctx->op.has_digest) {
        job->put.expected = &ctx->op.digest;
        job->put.tags = ctx->op.tags;
        job->put.ntags = ctx->op.ntags;

    } else {
        job->put.tags = &ctx->op.tag;
        job->put.ntags = 1;
    }

    ngx_http_registry_content_type(r, &job->put.content_type);

    ctx->job = job;

    return ngx_http_registry_body_gather(r, ctx, rlcf->manifest_max_size,
                                         ngx_http_registry_manifest_gathered);
}


/* "SHOULD ignore parameters on the Content-Type header" */

static void
ngx_http_registry_content_type(ngx_http_request_t *r, reg_str_t *type)
{
    u_char     *p;
    ngx_str_t   value;

    *type = reg_null_str;

    if (r->headers_in.content_type == NULL) {
        return;
    }

    value = r->headers_in.content_type->value;

    p = ngx_strlchr(value.data, value.data + value.len, ';');

    if (p) {
        value.len = p - value.data;
    }

    while (value.len && (value.data[value.len - 1] == ' '
                         || value.data[value.len - 1] == '\t'))
    {
        value.len--;
    }

    *type = ngx_http_registry_str(&value);
}


static ngx_int_t
ngx_http_registry_manifest_gathered(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_parse_enter(r, ctx,
                                         ngx_http_registry_body_size(ctx),
                                         ngx_http_registry_manifest_parse);
}


static ngx_int_t
ngx_http_registry_manifest_parse(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_registry_task_try(r, ctx,
                                    ngx_http_registry_manifest_write_work,
                                    ngx_http_registry_manifest_written);

    return (rc == NGX_BUSY) ? ngx_http_registry_manifest_written(r, ctx) : rc;
}


static reg_rc_t
ngx_http_registry_manifest_write_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t                        rc;
    ngx_http_registry_write_job_t  *job;

    job = ctx->job;

    rc = ngx_http_registry_body_get(ctx, &job->put.body);
    if (rc != REG_OK) {
        return rc;
    }

    rc = reg_manifest_put(ctx->store, &job->put, &job->result, &ctx->error);

    if (job->put.body.len > NGX_HTTP_REGISTRY_PARSE_FREE) {
        ngx_http_registry_parse_trim();
    }

    return (rc == REG_OK) ? ngx_http_registry_manifest_emit(ctx) : rc;
}


/* One event for each tag that now points at it, or one without a tag. */

static reg_rc_t
ngx_http_registry_manifest_emit(ngx_http_registry_ctx_t *ctx)
{
    size_t                          i, n;
    reg_rc_t                        rc;
    reg_event_t                    *ev;
    ngx_http_registry_write_job_t  *job;

    if (ctx->emit == NULL) {
        return REG_OK;
    }

    job = ctx->job;
    n = ngx_max(job->put.ntags, 1);

    ev = calloc(n, sizeof(reg_event_t));
    if (ev == NULL) {
        return reg_error_set(&ctx->error, REG_NO_MEMORY, NULL);
    }

    for (i = 0; i < n; i++) {
        ev[i].action = REG_EVENT_PUSH;
        ev[i].manifest = 1;
        ev[i].size = job->put.body.len;
        ev[i].media_type = reg_str_of(job->result.media_type);
        ev[i].digest.data = job->result.digest.text;
        ev[i].digest.len = job->result.digest.len;

        if (i < job->put.ntags) {
            ev[i].tag = job->put.tags[i];
        }
    }

    rc = ngx_http_registry_emit(ctx, ev, n);

    free(ev);

    return rc;
}


static ngx_int_t
ngx_http_registry_manifest_written(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_write_job_t  *job;

    job = ctx->job;

    if (ctx->rc == REG_OK) {
        ngx_http_registry_zone_add(r, &job->result.digest,
                                   job->result.media_type,
                                   job->put.body.data, job->put.body.len);
    }

    ngx_http_registry_parse_leave(ctx);
    ngx_http_registry_body_free(ctx);

    if (ctx->rc == REG_DENIED) {
        return ngx_http_registry_refuse(r, ctx, REG_MAY_PUSH|REG_MAY_UPDATE);
    }

    if (ctx->rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    if (ngx_http_registry_headerf(r, "Location", "/v2/%*s/manifests/%s",
                                  ctx->op.name.len, ctx->op.name.data,
                                  job->result.digest.text)
        != NGX_OK
        || ngx_http_registry_digest_header(r, &job->result.digest) != NGX_OK
        || ngx_http_registry_manifest_tags(r, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (job->result.has_subject
        && ngx_http_registry_header(r, "OCI-Subject",
                                    job->result.subject.text,
                                    job->result.subject.len)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_registry_send_empty(r, NGX_HTTP_CREATED);
}


/* "MUST include an OCI-Tag response header for each accepted tag" */

static ngx_int_t
ngx_http_registry_manifest_tags(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    char       *p, buf[NGX_HTTP_REGISTRY_TAGS_LINE * (REG_TAG_MAX + 2)];
    size_t      i, n;
    reg_op_t   *op;

    op = &ctx->op;

    if (!op->has_digest) {
        return NGX_OK;
    }

    for (i = 0; i < op->ntags; /* void */ ) {
        p = buf;

        for (n = 0; n < NGX_HTTP_REGISTRY_TAGS_LINE && i < op->ntags; n++) {

            if (n) {
                *p++ = ',';
                *p++ = ' ';
            }

            p = (char *) ngx_cpymem(p, op->tags[i].data, op->tags[i].len);
            i++;
        }

        if (ngx_http_registry_header(r, "OCI-Tag", buf, p - buf) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* DELETE (end-9): a tag alone, or a revision and every tag on it. */

ngx_int_t
ngx_http_registry_manifest_delete(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    return ngx_http_registry_task(r, ctx,
                                  ngx_http_registry_manifest_delete_work,
                                  ngx_http_registry_manifest_deleted);
}


/* What the tag was on is told to the log: nobody else can look it up then. */

static reg_rc_t
ngx_http_registry_manifest_delete_work(ngx_http_registry_ctx_t *ctx)
{
    reg_rc_t      rc, told;
    reg_names_t   tags;
    reg_digest_t  digest, target;

    rc = ngx_http_registry_emit_room(ctx, ctx->op.has_digest
                                          ? 1 + NGX_HTTP_REGISTRY_EMIT_TAGS
                                          : 1);

    if (rc != REG_OK) {
        return rc;
    }

    if (ctx->op.has_digest) {

        if (!reg_condition_holds(&ctx->op.when, &ctx->op.digest)) {
            rc = reg_revision_find(ctx->store, ctx->op.name, &ctx->op.digest,
                                   &target, NULL, &ctx->error);

            return (rc == REG_OK)
                   ? reg_error_set(&ctx->error, REG_PRECONDITION_FAILED, NULL)
                   : rc;
        }

        ngx_memzero(&tags, sizeof(reg_names_t));

        rc = reg_manifest_delete(ctx->store, ctx->op.name, &ctx->op.digest,
                                 ctx->emit ? &tags : NULL, &ctx->error);

        /* tags go before it, and they are gone whatever becomes of it */

        told = ngx_http_registry_emit_manifest(ctx, rc == REG_OK
                                                    ? &ctx->op.digest : NULL,
                                               &tags);

        reg_names_free(&tags);

        return (rc == REG_OK) ? told : rc;
    }

    rc = reg_tag_delete_if(ctx->store, ctx->op.name, ctx->op.tag,
                           &ctx->op.when, &digest, &ctx->error);

    if (rc != REG_OK) {
        return rc;
    }

    if (digest.len != 0) {
        ctx->op.digest = digest;
        ctx->op.has_digest = 1;
    }

    return ngx_http_registry_emit_delete(ctx, NULL, &ctx->op.tag);
}


static ngx_int_t
ngx_http_registry_manifest_deleted(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    if (ctx->rc != REG_OK) {
        return ngx_http_registry_send_error(r, ctx);
    }

    return ngx_http_registry_send_empty(r, NGX_HTTP_ACCEPTED);
}
