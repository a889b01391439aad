
/*
 * Who may do what.
 *
 * Two questions, asked apart.  Who is it: in the access phase, where it counts
 * for "satisfy", from the Authorization header; or afterwards, from a variable
 * by which another module tells it ("registry_user").  May he: from the rules,
 * always, whoever let the request in.  An answer that could not be found out
 * is 503, and neither yes nor no.
 */


#ifndef NGX_HTTP_REGISTRY_ACCESS_H_INCLUDED
#define NGX_HTTP_REGISTRY_ACCESS_H_INCLUDED


#include "ngx_http_registry.h"
#include "ngx_http_registry_file.h"

#include "reg_access.h"
#include "reg_token.h"
#include "reg_tokens.h"


typedef struct ngx_http_registry_bearer_s  ngx_http_registry_bearer_t;


typedef struct {
    ngx_array_t                  files;      /* of ngx_http_registry_file_t * */

    /* while configurations are merged: a server, and the first of its
       locations that gives tokens */
    void                        *server;
    ngx_http_registry_bearer_t  *first;
} ngx_http_registry_access_main_conf_t;


typedef struct {
    ngx_str_t                    realm;          /* of Basic */
    ngx_str_t                    htpasswd_path;
    ngx_str_t                    groups_path;
    ngx_str_t                    tokens_path;

    ngx_http_registry_file_t    *htpasswd;       /* or NULL, as the next two */
    ngx_http_registry_file_t    *groups;
    ngx_http_registry_file_t    *tokens;         /* access tokens */

    reg_rules_t                 *rules;          /* NULL: none stand */
    ngx_http_complex_value_t    *user;           /* "registry_user" */
    ngx_str_t                    user_auth;      /* how that one is known */

    ngx_http_registry_bearer_t  *token;          /* "registry_token" */
    ngx_http_registry_bearer_t  *server;         /* "registry_token_server" */
    ngx_http_registry_bearer_t  *bearer;         /* the one in force, or NULL */

    time_t                       cache;          /* seconds */
    time_t                       grace;          /* seconds */
    ngx_uint_t                   limit;          /* failures; 0: no limit */
    time_t                       limit_time;     /* seconds */
    ngx_int_t                    max_cost;
    ngx_flag_t                   sha_crypt;

    unsigned                     own:1;          /* Authorization is ours */
} ngx_http_registry_access_conf_t;


/* How somebody is known: symbol, value of $registry_auth. */
#define NGX_HTTP_REGISTRY_AUTH_TABLE(X)                                       \
    X(NGX_HTTP_REGISTRY_AUTH_NONE,       "")                                  \
    X(NGX_HTTP_REGISTRY_AUTH_ANONYMOUS,  "anonymous")                         \
    X(NGX_HTTP_REGISTRY_AUTH_HTPASSWD,   "htpasswd")                          \
    X(NGX_HTTP_REGISTRY_AUTH_TOKEN,      "access_token")                      \
    X(NGX_HTTP_REGISTRY_AUTH_BEARER,     "bearer")                            \
    X(NGX_HTTP_REGISTRY_AUTH_VARIABLE,   "variable")


typedef enum {
#define NGX_HTTP_REGISTRY_AUTH_SYMBOL(symbol, name)  symbol,
    NGX_HTTP_REGISTRY_AUTH_TABLE(NGX_HTTP_REGISTRY_AUTH_SYMBOL)
#undef NGX_HTTP_REGISTRY_AUTH_SYMBOL
    NGX_HTTP_REGISTRY_AUTH_N
} ngx_http_registry_auth_e;


/* What became of the credentials of a request: value of $registry_login. */
#define NGX_HTTP_REGISTRY_VERDICT_TABLE(X)                                    \
    X(NGX_HTTP_REGISTRY_VERDICT_NONE,     "")                                 \
    X(NGX_HTTP_REGISTRY_VERDICT_OK,       "ok")                               \
    X(NGX_HTTP_REGISTRY_VERDICT_WRONG,    "wrong")                            \
    X(NGX_HTTP_REGISTRY_VERDICT_LIMITED,  "limited")                          \
    X(NGX_HTTP_REGISTRY_VERDICT_ERROR,    "error")


typedef enum {
#define NGX_HTTP_REGISTRY_VERDICT_SYMBOL(symbol, name)  symbol,
    NGX_HTTP_REGISTRY_VERDICT_TABLE(NGX_HTTP_REGISTRY_VERDICT_SYMBOL)
#undef NGX_HTTP_REGISTRY_VERDICT_SYMBOL
    NGX_HTTP_REGISTRY_VERDICT_N
} ngx_http_registry_verdict_e;


/* Credentials in the body of a request to the token endpoint. */
typedef enum {
    NGX_HTTP_REGISTRY_FORM_NONE = 0,
    NGX_HTTP_REGISTRY_FORM_PASSWORD,
    NGX_HTTP_REGISTRY_FORM_REFRESH
} ngx_http_registry_form_e;


/*
 * Who asks, and all that a decision needs.  It lives in the request's pool and
 * holds the tables it points into, so threads of the request may use it.
 */
typedef struct {
    ngx_http_registry_auth_e   auth;
    reg_str_t                  user;       /* empty: nobody has logged in */
    const reg_rules_t         *rules;      /* NULL: none stand */
    const reg_groups_t        *groups;     /* or NULL */

    /* further limits, each NULL where there is none */
    reg_token_t               *token;      /* what a bearer token allows */
    const reg_tokens_entry_t  *scopes;     /* what an access token allows */
    int64_t                    expires;    /* of an access token; 0: no end */
    reg_str_t                  owner;      /* of an access token: the rules
                                              are asked for him; empty: the
                                              scopes decide alone */

    unsigned                   open:1;     /* whoever asks may do all */
    unsigned                   own:1;      /* there is a way to log in */
    unsigned                   foreign:1;  /* another server's token: without
                                              rules it decides alone */
    unsigned                   late:1;     /* the token has expired: it may
                                              go on with an upload it began */
} ngx_http_registry_who_t;


extern ngx_module_t  ngx_http_registry_access_module;


/*
 * Names the files of a location's configuration and makes their first tables:
 * NGX_CONF_OK or NGX_CONF_ERROR.
 */
char *ngx_http_registry_access_files(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf);

/* Handler of the access phase. */
ngx_int_t ngx_http_registry_access_handler(ngx_http_request_t *r);

/*
 * What is left to ask when the content is to be made: NGX_OK, NGX_AGAIN (the
 * request is parked, and again is its next step), or the status to finalize
 * with.
 */
ngx_int_t ngx_http_registry_access_content(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_step_pt again);

/*
 * Tells for variables who asks, found out by an operation itself: NGX_OK or
 * NGX_ERROR.
 */
ngx_int_t ngx_http_registry_identify_as(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const ngx_http_registry_who_t *who);

/*
 * The same of credentials: what became of them; and, before that, of those in
 * a form, whose name is borrowed.  Without memory they are not told.
 */
void ngx_http_registry_identify_verdict(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_verdict_e verdict);
void ngx_http_registry_identify_form(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_http_registry_form_e form,
    reg_str_t user);

/* What is known in another context of the same request; and no more. */
void ngx_http_registry_identify_again(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, const ngx_http_registry_ctx_t *old);

/* The line of the error log about a wrong name or password. */
void ngx_http_registry_identify_wrong(ngx_log_t *log);

/* What the client is told about one. */
const char *ngx_http_registry_identify_text(ngx_http_request_t *r);

/* Who asks; for steps of the content, where it is known.  Never NULL. */
const ngx_http_registry_who_t *ngx_http_registry_identity(
    const ngx_http_registry_ctx_t *ctx);

/*
 * The header of that name: NGX_OK, empty where there is none; NGX_DECLINED when
 * there are two.
 */
ngx_int_t ngx_http_registry_authorization(ngx_http_request_t *r,
    reg_str_t *value);

/*
 * Whether who may do all the bits of may to that repository; with an empty
 * name whether he may list the catalogue at all.  For threads, too.
 */
reg_access_e ngx_http_registry_may(const ngx_http_registry_who_t *who,
    unsigned may, reg_str_t name);

/*
 * Which of the wanted bits somebody has who logged in by password or access
 * token: 0, or -1 when it cannot be said.  As ngx_http_registry_may(), but for
 * a bearer token, of which one is just being made.
 */
int ngx_http_registry_grant(const ngx_http_registry_who_t *who,
    unsigned wanted, reg_str_t name, unsigned *granted);

/*
 * The refusal for lack of these rights, found out while the content was made:
 * sets the challenge where one is due and returns the status to finalize with.
 */
ngx_int_t ngx_http_registry_refuse(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, unsigned may);

/*
 * Who can be told at once to be asking, for variables, in whatever phase: NULL
 * when nobody can.  It never waits, and nothing is decided by it.
 */
const ngx_http_registry_who_t *ngx_http_registry_who(ngx_http_request_t *r);


#endif /* NGX_HTTP_REGISTRY_ACCESS_H_INCLUDED */
