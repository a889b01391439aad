
/*
 * start: ngx_http_registry_parse_enter(), ngx_http_registry_parse_read().
 * wake: ngx_http_registry_parse_give(), or the timer of
 * ngx_http_registry_sleep().  cancel: ngx_http_registry_parse_cleanup().
 */


#include "ngx_http_registry_body.h"
#include "ngx_http_registry_limits.h"
#include "ngx_http_registry_parse.h"
#include "ngx_http_registry_send.h"
#include "ngx_http_registry_task.h"

#include "reg_json.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif


/* what the tree has for an empty object, the dearest value there is */
#define NGX_HTTP_REGISTRY_PARSE_VALUE  256

/* such an object and the comma behind it */
#define NGX_HTTP_REGISTRY_PARSE_BYTES  3

/* the bytes themselves once more, for the parser's strings */
#define NGX_HTTP_REGISTRY_PARSE_COPIES  1

#define NGX_HTTP_REGISTRY_PARSE_WAIT   10000

#define NGX_HTTP_REGISTRY_PARSE_TRIM   (96 * 1024)

/* ms after which a body that is still coming in gives way to others */
#define NGX_HTTP_REGISTRY_PARSE_SLOW   10000


/*
 *   waiting   in the queue, parked
 *   entered   need is taken
 *   neither   left, or given up
 */
struct ngx_http_registry_parse_s {
    ngx_queue_t                  queue;
    ngx_http_registry_parses_t  *parses;
    ngx_http_registry_ctx_t     *ctx;
    ngx_http_registry_step_pt    next;
    size_t                       need;
    unsigned                     reads:1;      /* a list, no push */
    unsigned                     waiting:1;
    unsigned                     entered:1;
};


static ngx_int_t ngx_http_registry_parse_line(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, size_t len, ngx_uint_t reads,
    ngx_http_registry_step_pt next);
static ngx_http_registry_parse_t *ngx_http_registry_parse_create(
    ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx);
static ngx_uint_t ngx_http_registry_parse_fits(
    const ngx_http_registry_parses_t *parses,
    const ngx_http_registry_parse_t *parse);
static size_t ngx_http_registry_parse_need(size_t len);
static ngx_int_t ngx_http_registry_parse_waited(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_parse_give(ngx_http_registry_parses_t *parses);
static ngx_http_registry_parse_t *ngx_http_registry_parse_next(
    ngx_http_registry_parses_t *parses);
static void ngx_http_registry_parse_take(ngx_http_registry_parse_t *parse);
static void ngx_http_registry_parse_cleanup(void *data);
static ngx_uint_t ngx_http_registry_parse_room(
    ngx_http_registry_parses_t *parses, size_t others, size_t now);


ngx_int_t
ngx_http_registry_parse_enter(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, size_t len, ngx_http_registry_step_pt next)
{
    return ngx_http_registry_parse_line(r, ctx, len, 0, next);
}


ngx_int_t
ngx_http_registry_parse_read(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, size_t len, ngx_http_registry_step_pt next)
{
    return ngx_http_registry_parse_line(r, ctx, len, 1, next);
}


static ngx_int_t
ngx_http_registry_parse_line(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, size_t len, ngx_uint_t reads,
    ngx_http_registry_step_pt next)
{
    ngx_queue_t                 *line;
    ngx_http_registry_parse_t   *parse;
    ngx_http_registry_parses_t  *parses;

    parse = ctx->parse ? ctx->parse : ngx_http_registry_parse_create(r, ctx);
    if (parse == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    parses = parse->parses;

    parse->next = next;
    parse->need = ngx_http_registry_parse_need(len);
    parse->reads = reads;

    line = reads ? &parses->reading : &parses->waiting;

    ngx_queue_insert_tail(line, &parse->queue);

    if (ngx_http_registry_parse_next(parses) == parse
        && ngx_http_registry_parse_fits(parses, parse))
    {
        ngx_http_registry_parse_take(parse);

        return next(r, ctx);
    }

    if (ngx_http_registry_sleep(r, ctx, NGX_HTTP_REGISTRY_PARSE_WAIT,
                                ngx_http_registry_parse_waited)
        != NGX_AGAIN)
    {
        ngx_queue_remove(&parse->queue);

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    parse->waiting = 1;

    return NGX_AGAIN;
}


static ngx_http_registry_parse_t *
ngx_http_registry_parse_create(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_registry_parse_t  *parse;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_parse_t));
    if (cln == NULL) {
        return NULL;
    }

    parse = cln->data;
    parse->parses = ngx_http_registry_parses(r);
    parse->ctx = ctx;
    parse->waiting = 0;
    parse->entered = 0;

    cln->handler = ngx_http_registry_parse_cleanup;
    ctx->parse = parse;

    return parse;
}


ngx_uint_t
ngx_http_registry_parse_waits(ngx_http_registry_ctx_t *ctx)
{
    return ctx->parse && ctx->parse->waiting;
}


static ngx_uint_t
ngx_http_registry_parse_fits(const ngx_http_registry_parses_t *parses,
    const ngx_http_registry_parse_t *parse)
{
    return parses->parsing == 0
           || (parses->parsing < parses->size
               && parse->need <= parses->size - parses->parsing);
}


/* What parsing takes at most, for a text of that length. */

static size_t
ngx_http_registry_parse_need(size_t len)
{
    size_t  values;

    values = len / NGX_HTTP_REGISTRY_PARSE_BYTES + 1;
    values = ngx_min(values, REG_JSON_VALUES_MAX);

    return values * NGX_HTTP_REGISTRY_PARSE_VALUE
           + len * NGX_HTTP_REGISTRY_PARSE_COPIES;
}


static ngx_int_t
ngx_http_registry_parse_waited(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_parse_t  *parse;

    parse = ctx->parse;

    if (parse->entered) {
        return parse->next(r, ctx);
    }

    ngx_queue_remove(&parse->queue);
    parse->waiting = 0;

    /* it may have been the one that others, who need less, stood behind */

    ngx_http_registry_parse_give(parse->parses);

    ngx_http_registry_body_free(ctx);

    (void) reg_error_set(&ctx->error, REG_BUSY, "%s",
                         parse->reads ? "too many lists of referrers are made"
                                      : "too many large manifests are pushed");

    return ngx_http_registry_send_error(r, ctx);
}


/* Lets in who is next, as long as there is memory. */

static void
ngx_http_registry_parse_give(ngx_http_registry_parses_t *parses)
{
    ngx_http_registry_parse_t  *parse;

    for ( ;; ) {
        parse = ngx_http_registry_parse_next(parses);

        if (parse == NULL || !ngx_http_registry_parse_fits(parses, parse)) {
            return;
        }

        parse->waiting = 0;
        ngx_http_registry_parse_take(parse);

        ngx_http_registry_sleep_end(parse->ctx);
    }
}


/*
 * Pushes and lists by turns.  Who is next may have to wait for memory, and then
 * all others wait for him: who needs much would else wait for ever.
 */

static ngx_http_registry_parse_t *
ngx_http_registry_parse_next(ngx_http_registry_parses_t *parses)
{
    ngx_queue_t  *q;
    ngx_uint_t    push, list;

    push = !ngx_queue_empty(&parses->waiting);
    list = !ngx_queue_empty(&parses->reading) && !parses->reader;

    if (!push && !list) {
        return NULL;
    }

    q = (list && (parses->turn || !push)) ? ngx_queue_head(&parses->reading)
                                          : ngx_queue_head(&parses->waiting);

    return ngx_queue_data(q, ngx_http_registry_parse_t, queue);
}


static void
ngx_http_registry_parse_take(ngx_http_registry_parse_t *parse)
{
    ngx_http_registry_parses_t  *parses;

    parses = parse->parses;

    ngx_queue_remove(&parse->queue);

    parses->parsing += parse->need;
    parses->turn = !parse->reads;
    parse->entered = 1;

    if (parse->reads) {
        parses->reader = 1;
    }
}


void
ngx_http_registry_parse_leave(ngx_http_registry_ctx_t *ctx)
{
    ngx_http_registry_parse_cleanup(ctx->parse);
}


static void
ngx_http_registry_parse_cleanup(void *data)
{
    ngx_http_registry_parse_t *parse = data;

    if (parse->waiting) {
        parse->waiting = 0;
        ngx_queue_remove(&parse->queue);

    } else if (parse->entered) {
        parse->entered = 0;
        parse->parses->parsing -= parse->need;

        if (parse->reads) {
            parse->parses->reader = 0;
        }

    } else {
        return;
    }

    ngx_http_registry_parse_give(parse->parses);
}


ngx_int_t
ngx_http_registry_parse_hold(ngx_http_registry_hold_t *hold, size_t now)
{
    ngx_queue_t                 *q, *next;
    ngx_http_registry_hold_t    *slow;
    ngx_http_registry_parses_t  *parses;

    parses = hold->parses;

    for (q = ngx_queue_head(&parses->coming);
         q != ngx_queue_sentinel(&parses->coming)
         && now > NGX_HTTP_REGISTRY_PARSE_FREE
         && !ngx_http_registry_parse_room(parses, parses->bodies - hold->held,
                                          now);
         q = next)
    {
        next = ngx_queue_next(q);
        slow = ngx_queue_data(q, ngx_http_registry_hold_t, queue);

        if (ngx_current_msec - slow->since < NGX_HTTP_REGISTRY_PARSE_SLOW) {
            break;
        }

        if (slow != hold) {
            ngx_http_registry_parse_free(slow);
            slow->given = 1;
            ngx_post_event(&slow->give_way, &ngx_posted_events);
        }
    }

    if (hold->given
        || (now > NGX_HTTP_REGISTRY_PARSE_FREE
            && !ngx_http_registry_parse_room(parses,
                                             parses->bodies - hold->held,
                                             now)))
    {
        return NGX_BUSY;
    }

    parses->bodies += now - hold->held;
    hold->held = now;

    if (!hold->coming && now > NGX_HTTP_REGISTRY_PARSE_FREE) {
        hold->coming = 1;
        hold->since = ngx_current_msec;
        ngx_queue_insert_tail(&parses->coming, &hold->queue);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_registry_parse_room(ngx_http_registry_parses_t *parses,
    size_t others, size_t now)
{
    return others == 0
           || (others <= parses->size && now <= parses->size - others);
}


void
ngx_http_registry_parse_whole(ngx_http_registry_hold_t *hold)
{
    if (hold->coming) {
        hold->coming = 0;
        ngx_queue_remove(&hold->queue);
    }
}


void
ngx_http_registry_parse_free(ngx_http_registry_hold_t *hold)
{
    if (hold->parses == NULL) {
        return;
    }

    ngx_http_registry_parse_whole(hold);

    hold->parses->bodies -= hold->held;
    hold->held = 0;

    if (hold->give_way.posted) {
        ngx_delete_posted_event(&hold->give_way);
    }
}


/*
 * malloc_trim() leaves alone what lies at the end of the heap of a thread that
 * is not the first.  That is given back by a free() of as much as 64k, which is
 * not taken from the system by itself as long as it is less than 128k.
 */

void
ngx_http_registry_parse_trim(void)
{
#if defined(__GLIBC__)
    void *volatile  p;

    p = malloc(NGX_HTTP_REGISTRY_PARSE_TRIM);
    free(p);

    (void) malloc_trim(0);
#endif
}


ngx_http_registry_parses_t *
ngx_http_registry_parses(ngx_http_request_t *r)
{
    ngx_http_registry_limits_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_limits_module);

    return &lmcf->parses;
}
