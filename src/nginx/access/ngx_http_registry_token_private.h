
/*
 * The inside of a request for a token, for ngx_http_registry_token_server.c,
 * which finds out who asks, and ngx_http_registry_token_answer.c, which grants
 * or refuses.
 */


#ifndef NGX_HTTP_REGISTRY_TOKEN_PRIVATE_H_INCLUDED
#define NGX_HTTP_REGISTRY_TOKEN_PRIVATE_H_INCLUDED


#include "ngx_http_registry_token.h"

#include "reg_credentials.h"
#include "reg_signer.h"
#include "reg_token_request.h"


typedef struct {
    reg_token_request_t       request;
    char                     *scratch;    /* of the request; has passwords */
    size_t                    size;

    reg_basic_t               basic;      /* as whom somebody logs in */
    char                      room[REG_BASIC_ROOM];

    ngx_http_registry_who_t   who;
    unsigned char             mark[REG_CREDENTIALS_KEY];

    /* of the names of a user and of an access token, before the login */
    unsigned char             before[2][REG_CREDENTIALS_KEY];
    ngx_uint_t                tries;      /* of a login whose entry changes */
    unsigned                  marked:1;

    const reg_signer_t       *signer;
} ngx_http_registry_issue_t;


/* --- ngx_http_registry_token_answer.c --- */

/* A step: tokens for job->who, as he asked and may have. */
ngx_int_t ngx_http_registry_issue_grant(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);

/*
 * No token, in the words of RFC 6749, 5.2, and in those of the
 * distribution-spec; wrong(): who asks has to log in, and is challenged.
 */
ngx_int_t ngx_http_registry_issue_refuse(ngx_http_request_t *r,
    ngx_uint_t status, const char *error, const char *why);
ngx_int_t ngx_http_registry_issue_wrong(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_verdict_e verdict);


#endif /* NGX_HTTP_REGISTRY_TOKEN_PRIVATE_H_INCLUDED */
