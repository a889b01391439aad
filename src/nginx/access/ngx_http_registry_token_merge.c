
/* Which tokens are in force in a location, and the files of their keys. */


#include "ngx_http_registry_token.h"

#include "reg_base64.h"
#include "reg_hmac.h"


#define NGX_HTTP_REGISTRY_TOKEN_KEY     "token.key"

/* bytes of an issuer's name */
#define NGX_HTTP_REGISTRY_TOKEN_ISSUER  64


typedef int (*ngx_http_registry_keys_pt)(reg_keys_t *keys, reg_str_t text,
    reg_skip_pt skip, void *data, reg_why_t *why);


static char *ngx_http_registry_token_merge_foreign(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf);
static char *ngx_http_registry_token_merge_own(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *rlcf,
    ngx_http_registry_access_conf_t *conf, ngx_uint_t anonymous);
static ngx_int_t ngx_http_registry_token_issuer(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf, ngx_str_t *issuer);
static char *ngx_http_registry_token_key(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *rlcf, ngx_http_registry_bearer_t *bearer);
static void ngx_http_registry_token_agree(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer);
static ngx_uint_t ngx_http_registry_token_same(const ngx_str_t *one,
    const ngx_str_t *two);

static void *ngx_http_registry_parse_keys(ngx_http_registry_keys_pt add,
    reg_str_t text, reg_skip_pt skip, void *data, reg_why_t *why);
static void *ngx_http_registry_parse_bundle(reg_str_t text,
    const void *param, reg_skip_pt skip, void *data, reg_why_t *why);
static void *ngx_http_registry_parse_jwks(reg_str_t text, const void *param,
    reg_skip_pt skip, void *data, reg_why_t *why);
static void *ngx_http_registry_parse_ring(reg_str_t text, const void *param,
    reg_skip_pt skip, void *data, reg_why_t *why);
static void ngx_http_registry_free_keys(void *table);
static int ngx_http_registry_make_ring(const char *path, const void *param,
    reg_why_t *why);


static const ngx_http_registry_file_kind_t  ngx_http_registry_bundle_kind = {
    "bundle of certificates", REG_KEYS_FILE_MAX,
    ngx_http_registry_parse_bundle, NULL, ngx_http_registry_free_keys, "block",
    0
};

static const ngx_http_registry_file_kind_t  ngx_http_registry_jwks_kind = {
    "key set", REG_KEYS_FILE_MAX,
    ngx_http_registry_parse_jwks, NULL, ngx_http_registry_free_keys, "key", 0
};

static const ngx_http_registry_file_kind_t  ngx_http_registry_ring_kind = {
    "file of signing keys", REG_KEYRING_FILE_MAX,
    ngx_http_registry_parse_ring, NULL, ngx_http_registry_free_keys, "key", 1
};


char *
ngx_http_registry_token_merge(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *rlcf,
    ngx_http_registry_access_conf_t *prev,
    ngx_http_registry_access_conf_t *conf)
{
    ngx_uint_t                      logins, anonymous;
    ngx_http_registry_token_mode_e  mode;

    if (conf->token == NULL) {
        conf->token = prev->token;
    }

    if (conf->server == NULL) {
        conf->server = prev->server;
    }

    if (rlcf->root == NULL) {
        return NGX_CONF_OK;
    }

    mode = conf->server ? conf->server->mode : NGX_HTTP_REGISTRY_TOKEN_AUTO;

    if (conf->token && conf->token->mode != NGX_HTTP_REGISTRY_TOKEN_OFF) {

        if (mode == NGX_HTTP_REGISTRY_TOKEN_ON) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "tokens come from one server: remove "
                               "\"registry_token\", or \"on\" from "
                               "\"registry_token_server\"");
            return NGX_CONF_ERROR;
        }

        return ngx_http_registry_token_merge_foreign(cf, conf);
    }

    logins = (conf->htpasswd || conf->tokens);
    anonymous = (conf->rules && reg_rules_anonymous(conf->rules));

    switch (mode) {

    case NGX_HTTP_REGISTRY_TOKEN_ON:

        if (!logins) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"registry_token_server on\" gives tokens to "
                               "those who log in, and nobody can: add "
                               "\"registry_htpasswd\" or "
                               "\"registry_access_tokens\"");
            return NGX_CONF_ERROR;
        }

        break;

    case NGX_HTTP_REGISTRY_TOKEN_AUTO:

        if (!logins || !anonymous) {
            return NGX_CONF_OK;
        }

        break;

    default:

        /* once, however many locations it is for */

        if (logins && anonymous && !conf->server->warned) {
            conf->server->warned = 1;
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "a rule allows something to \"anonymous\", but "
                               "with \"registry_token_server off\" docker and "
                               "podman are asked for a password before all "
                               "else; remove \"off\"");
        }

        return NGX_CONF_OK;
    }

    return ngx_http_registry_token_merge_own(cf, rlcf, conf, anonymous);
}


static char *
ngx_http_registry_token_merge_foreign(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf)
{
    ngx_http_registry_bearer_t  *bearer;

    bearer = ngx_palloc(cf->pool, sizeof(ngx_http_registry_bearer_t));
    if (bearer == NULL) {
        return NGX_CONF_ERROR;
    }

    *bearer = *conf->token;

    if (bearer->certs_path.len) {
        bearer->certs = ngx_http_registry_file_add(cf, &bearer->certs_path,
                                               &ngx_http_registry_bundle_kind,
                                               NULL, 0);
        if (bearer->certs == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (bearer->jwks_path.len) {
        bearer->jwks = ngx_http_registry_file_add(cf, &bearer->jwks_path,
                                                  &ngx_http_registry_jwks_kind,
                                                  NULL, 0);
        if (bearer->jwks == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    conf->bearer = bearer;

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_token_merge_own(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *rlcf,
    ngx_http_registry_access_conf_t *conf, ngx_uint_t anonymous)
{
    ngx_http_registry_bearer_t  *bearer;

    bearer = ngx_http_registry_token_create(cf, 1);
    if (bearer == NULL) {
        return NGX_CONF_ERROR;
    }

    if (conf->server) {
        *bearer = *conf->server;
    }

    bearer->anonymous = anonymous;

    if (ngx_http_registry_token_issuer(cf, conf, &bearer->issuer) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_registry_token_key(cf, rlcf, bearer) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_http_registry_token_agree(cf, bearer);

    conf->bearer = bearer;

    return NGX_CONF_OK;
}


/*
 * Locations may have one key and passwords of their own: a token is good where
 * the same files say who somebody is.
 */

static ngx_int_t
ngx_http_registry_token_issuer(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf, ngx_str_t *issuer)
{
    ngx_str_t       names[2];
    reg_buf_t       b;
    reg_str_t       pieces[3];
    ngx_uint_t      i;
    unsigned char   digest[REG_SHA256_LEN];

    names[0] = conf->htpasswd_path;
    names[1] = conf->tokens_path;

    for (i = 0; i < 2; i++) {

        if (names[i].len
            && ngx_conf_full_name(cf->cycle, &names[i], 1) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    pieces[0] = ngx_http_registry_str(&names[0]);
    pieces[1] = (reg_str_t) { 1, "" };
    pieces[2] = ngx_http_registry_str(&names[1]);

    reg_sha256(pieces, 3, digest);

    reg_buf_init(&b, NGX_HTTP_REGISTRY_TOKEN_ISSUER);
    reg_buf_str(&b, reg_str("registry "));
    reg_base64_encode(&b, REG_BASE64URL, digest, 12);

    issuer->len = b.len;
    issuer->data = ngx_pnalloc(cf->pool, b.len + 1);

    if (reg_buf_failed(&b) || issuer->data == NULL) {
        reg_buf_free(&b);
        return NGX_ERROR;
    }

    ngx_memcpy(issuer->data, b.data, b.len);

    reg_buf_free(&b);

    return NGX_OK;
}


static char *
ngx_http_registry_token_key(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *rlcf, ngx_http_registry_bearer_t *bearer)
{
    u_char  *p;

    if (bearer->key_path.len) {
        bearer->key = ngx_http_registry_file_add(cf, &bearer->key_path,
                                                 &ngx_http_registry_ring_kind,
                                                 NULL, 0);
        return bearer->key ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, rlcf->root->root.len
                              + sizeof("/" REG_LAYOUT_OWN "/"
                                       NGX_HTTP_REGISTRY_TOKEN_KEY));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    bearer->key_path.data = p;
    bearer->key_path.len = ngx_sprintf(p, "%V/" REG_LAYOUT_OWN "/"
                                       NGX_HTTP_REGISTRY_TOKEN_KEY,
                                       &rlcf->root->root)
                           - p;

    bearer->key = ngx_http_registry_file_add_made(cf, &bearer->key_path,
                                                 &ngx_http_registry_ring_kind,
                                                 &bearer->algorithm,
                                                 sizeof(reg_jws_e),
                                                 ngx_http_registry_make_ring);

    return bearer->key ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/*
 * Whichever location of a server sends clients for a token, it is one that
 * answers: the others have to know its tokens.
 */

static void
ngx_http_registry_token_agree(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer)
{
    void                                  *server;
    ngx_uint_t                             users;
    ngx_http_registry_bearer_t            *first;
    ngx_http_registry_access_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_registry_access_module);
    server = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    if (amcf->server != server) {
        amcf->server = server;
        amcf->first = bearer;
        return;
    }

    first = amcf->first;

    if (first->warned
        || (first->realm == NULL) != (bearer->realm == NULL)
        || (first->realm && !ngx_http_registry_token_same(&first->realm->value,
                                                      &bearer->realm->value))
        || !ngx_http_registry_token_same(&first->path, &bearer->path))
    {
        return;
    }

    users = ngx_http_registry_token_same(&first->issuer, &bearer->issuer);

    if (users
        && ngx_http_registry_token_same(&first->key_path, &bearer->key_path))
    {
        return;
    }

    first->warned = 1;

    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "locations of one server have different %s, and clients "
                       "get the tokens for all of them at one address: some "
                       "will be refused; write %s in the server",
                       users ? "keys" : "files of users",
                       users ? "\"registry_token_server auto key=file\""
                             : "\"registry_htpasswd\" and "
                               "\"registry_access_tokens\"");
}


static ngx_uint_t
ngx_http_registry_token_same(const ngx_str_t *one, const ngx_str_t *two)
{
    return one->len == two->len
           && ngx_strncmp(one->data, two->data, one->len) == 0;
}


/* --- kinds of files ------------------------------------------------------- */

static void *
ngx_http_registry_parse_bundle(reg_str_t text, const void *param,
    reg_skip_pt skip, void *data, reg_why_t *why)
{
    return ngx_http_registry_parse_keys(reg_keys_add_pem, text, skip, data,
                                        why);
}


static void *
ngx_http_registry_parse_jwks(reg_str_t text, const void *param,
    reg_skip_pt skip, void *data, reg_why_t *why)
{
    return ngx_http_registry_parse_keys(reg_keys_add_jwks, text, skip, data,
                                        why);
}


static void *
ngx_http_registry_parse_keys(ngx_http_registry_keys_pt add, reg_str_t text,
    reg_skip_pt skip, void *data, reg_why_t *why)
{
    ngx_http_registry_keys_t  *keys;

    keys = calloc(1, sizeof(ngx_http_registry_keys_t));

    if (keys) {
        keys->named = reg_keys_create();
        keys->keys = keys->named;
    }

    if (keys == NULL || keys->named == NULL) {
        (void) reg_why_set(why, "out of memory");
        ngx_http_registry_free_keys(keys);
        return NULL;
    }

    if (add(keys->named, text, skip, data, why) != 0) {
        ngx_http_registry_free_keys(keys);
        return NULL;
    }

    return keys;
}


static void *
ngx_http_registry_parse_ring(reg_str_t text, const void *param,
    reg_skip_pt skip, void *data, reg_why_t *why)
{
    ngx_http_registry_keys_t  *keys;

    keys = calloc(1, sizeof(ngx_http_registry_keys_t));

    if (keys == NULL) {
        (void) reg_why_set(why, "out of memory");
        return NULL;
    }

    keys->ring = reg_keyring_parse(text, why);

    if (keys->ring == NULL) {
        free(keys);
        return NULL;
    }

    keys->keys = reg_keyring_keys(keys->ring);

    return keys;
}


static void
ngx_http_registry_free_keys(void *table)
{
    ngx_http_registry_keys_t *keys = table;

    if (keys == NULL) {
        return;
    }

    reg_keyring_free(keys->ring);
    reg_keys_free(keys->named);
    free(keys);
}


static int
ngx_http_registry_make_ring(const char *path, const void *param,
    reg_why_t *why)
{
    reg_why_t  reason;

    if (reg_keyring_make(path, *(const reg_jws_e *) param, &reason) == 0) {
        return 0;
    }

    return reg_why_set(why, "%s; let the worker user write there, or name "
                       "another file by \"key=\"", reason.text);
}
