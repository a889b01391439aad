
/*
 * Who asks, as far as it has been found out: a part of the request's context.
 * For the files that find it out; the others have ngx_http_registry_access.h.
 */


#ifndef NGX_HTTP_REGISTRY_IDENTITY_H_INCLUDED
#define NGX_HTTP_REGISTRY_IDENTITY_H_INCLUDED


#include "ngx_http_registry_access.h"


/* what the client is told about a token */
#define NGX_HTTP_REGISTRY_WRONG_TOKEN  "the token is wrong or has expired"


struct ngx_http_registry_identity_s {
    ngx_http_registry_who_t       who;
    reg_token_e                   why;     /* a bearer token was refused */
    ngx_http_registry_verdict_e   verdict;
    ngx_http_registry_form_e      form;    /* of the token endpoint */
    reg_str_t                     claimed; /* the user's name in it */
    const char                   *text;    /* why his credentials are none */
    unsigned                      done:1;  /* who is as known as he can be */
    unsigned                      wrong:1; /* his credentials were none */
    unsigned                      unnamed:1;  /* "registry_user" is empty yet */
    unsigned                      waiting:1;
    unsigned                      granted:1;
    unsigned                      asking:1;   /* a variable asks who it is */
};


typedef struct ngx_http_registry_identity_s  ngx_http_registry_identity_t;


/* That part, made when it is asked for first; NULL without memory. */
ngx_http_registry_identity_t *ngx_http_registry_identity_get(
    ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx);

/*
 * NGX_OK when it is known who asks, be it nobody, or somebody wrong; NGX_AGAIN
 * when it is yet to be found out, and wake(r) is called then; or the status to
 * answer with.  Who is unnamed is nobody as of now, and looked for again when
 * it is asked again: another module may have named him in the meantime.
 */
ngx_int_t ngx_http_registry_identify(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, void (*wake)(ngx_http_request_t *r));

/*
 * Sets the challenge to who needs the rights of may, and was refused for that
 * reason: NGX_OK, or the status to answer with instead of 401.
 */
ngx_int_t ngx_http_registry_challenge(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, unsigned may, reg_token_e why);


#endif /* NGX_HTTP_REGISTRY_IDENTITY_H_INCLUDED */
