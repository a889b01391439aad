
/*
 * Bearer tokens: from an outside token server ("registry_token") or from this
 * one ("registry_token_server").  Both verify alike; only the keys, and what a
 * token is worth beside the rules, differ.
 *
 * An outside server knows who somebody is: its token stands for itself until it
 * expires.  A token of our own stands for an entry of the password file or of
 * the file of access tokens and bears its mark: the entry is found again with
 * every request, and the rules, or the access token's scopes, are asked again,
 * so that the token never allows more than the login would.
 */


#ifndef NGX_HTTP_REGISTRY_TOKEN_H_INCLUDED
#define NGX_HTTP_REGISTRY_TOKEN_H_INCLUDED


#include "ngx_http_registry_access.h"

#include "reg_keyring.h"
#include "reg_scopes.h"


typedef enum {
    NGX_HTTP_REGISTRY_TOKEN_OFF = 0,
    NGX_HTTP_REGISTRY_TOKEN_ON,
    NGX_HTTP_REGISTRY_TOKEN_AUTO
} ngx_http_registry_token_mode_e;


/*
 * What a directive said.  The one in force in a location is a copy, complete
 * with its files and, for our own tokens, with an issuer.
 */
struct ngx_http_registry_bearer_s {
    ngx_http_registry_token_mode_e   mode;
    ngx_uint_t                       given;     /* parameters that are there */

    ngx_http_complex_value_t        *realm;     /* NULL: our own address */
    ngx_str_t                        path;      /* behind that */
    ngx_str_t                        service;
    ngx_str_t                        issuer;
    unsigned                         algs;      /* set of reg_jws_bit() */

    ngx_str_t                        certs_path;
    ngx_str_t                        jwks_path;
    ngx_str_t                        key_path;

    ngx_http_registry_file_t        *certs;     /* or NULL, as the next two */
    ngx_http_registry_file_t        *jwks;
    ngx_http_registry_file_t        *key;       /* ours: signs and verifies */

    reg_jws_e                        algorithm; /* of a key that is made */
    time_t                           lifetime;  /* seconds */
    time_t                           refresh;   /* seconds; 0: none */

    unsigned                         own:1;     /* tokens are ours */
    unsigned                         anonymous:1;   /* a rule names it */
    unsigned                         warned:1;
};


/* The table of a file of keys. */
typedef struct {
    const reg_keys_t  *keys;
    reg_keyring_t     *ring;      /* of our own; or NULL */
    reg_keys_t        *named;     /* of others; or NULL */
    reg_seen_t         seen;      /* for the event loop */
} ngx_http_registry_keys_t;


/* What a login is at present, and what it is limited by. */
typedef struct {
    reg_str_t                  user;
    ngx_uint_t                 robot;     /* an access token's name */
    unsigned char              mark[REG_CREDENTIALS_KEY];
    const reg_tokens_entry_t  *scopes;    /* of an access token, or NULL */
    int64_t                    expires;   /* of it; 0: no end */
    reg_str_t                  owner;
} ngx_http_registry_entry_t;


/* Directives. */
char *ngx_http_registry_token(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_token_server(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* One with all its defaults; NULL without memory. */
ngx_http_registry_bearer_t *ngx_http_registry_token_create(ngx_conf_t *cf,
    ngx_uint_t own);

/*
 * Chooses conf->bearer of a location whose root is rlcf->root, once password
 * file and rules are merged; reads key files.  NGX_CONF_OK or NGX_CONF_ERROR.
 */
char *ngx_http_registry_token_merge(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *rlcf,
    ngx_http_registry_access_conf_t *prev,
    ngx_http_registry_access_conf_t *conf);

/*
 * NGX_OK        who->auth, user, token, foreign and late are set, and of who
 *               had an access token scopes and owner
 * NGX_DECLINED  the token is worth nothing
 * NGX_AGAIN     a key file is being read; wake(r) is called then
 * NGX_ERROR     could not be found out: 503
 */
ngx_int_t ngx_http_registry_token_verify(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, reg_str_t raw,
    void (*wake)(ngx_http_request_t *r), ngx_http_registry_who_t *who);

/* Appends the challenge to b: NGX_OK, or NGX_ERROR (503). */
ngx_int_t ngx_http_registry_token_challenge(ngx_http_request_t *r,
    const reg_scopes_t *scopes, reg_token_e why, reg_buf_t *b);

/* 1 where REG_OP_TOKEN is answered; elsewhere there is no such route. */
ngx_uint_t ngx_http_registry_token_served(ngx_http_request_t *r);

/*
 * How our own tokens of that location are verified, but for the keys, and for
 * the time.
 */
void ngx_http_registry_token_policy(const ngx_http_registry_bearer_t *bearer,
    reg_token_policy_t *policy);

/*
 * Finds the entry of entry->user as it is now: NGX_OK; NGX_DECLINED when there
 * is none that is good; NGX_AGAIN and NGX_ERROR as above.
 */
ngx_int_t ngx_http_registry_token_entry(ngx_http_request_t *r,
    void (*wake)(ngx_http_request_t *r), ngx_http_registry_entry_t *entry);

/* The word for reg_token_login() in a token for such an entry. */
#define ngx_http_registry_token_robot  reg_str("access_token")


#endif /* NGX_HTTP_REGISTRY_TOKEN_H_INCLUDED */
