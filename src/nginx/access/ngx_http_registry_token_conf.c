
/* What "registry_token" and "registry_token_server" take. */


#include "ngx_http_registry_token.h"

#include "reg_challenge.h"
#include "reg_issue.h"


#define NGX_HTTP_REGISTRY_TOKEN_PATH      "/v2/_nginx/token"
#define NGX_HTTP_REGISTRY_TOKEN_FOREIGN   "/auth/token"
#define NGX_HTTP_REGISTRY_TOKEN_SERVICE   "registry"
#define NGX_HTTP_REGISTRY_TOKEN_LIFETIME  300
#define NGX_HTTP_REGISTRY_TOKEN_REFRESH   (30 * 86400)

/* times beyond a year are mistakes */
#define NGX_HTTP_REGISTRY_TOKEN_LONG      (366 * 86400)


typedef struct {
    ngx_str_t    name;              /* with its "=" */
    ngx_uint_t   bit;
    char      *(*set)(ngx_conf_t *cf, ngx_http_registry_bearer_t *bearer,
                      ngx_str_t *value);
    ngx_uint_t   offset;            /* without set: of an ngx_str_t */
    unsigned     own:1;             /* of "registry_token_server" */
    unsigned     foreign:1;         /* of "registry_token" */
} ngx_http_registry_token_param_t;


#define NGX_HTTP_REGISTRY_REALM       0x0001
#define NGX_HTTP_REGISTRY_SERVICE     0x0002
#define NGX_HTTP_REGISTRY_ISSUER      0x0004
#define NGX_HTTP_REGISTRY_CERTS       0x0008
#define NGX_HTTP_REGISTRY_JWKS        0x0010
#define NGX_HTTP_REGISTRY_ALGORITHMS  0x0020
#define NGX_HTTP_REGISTRY_KEY         0x0040
#define NGX_HTTP_REGISTRY_LIFETIME    0x0080
#define NGX_HTTP_REGISTRY_REFRESH     0x0100
#define NGX_HTTP_REGISTRY_ALGORITHM   0x0200


static char *ngx_http_registry_token_params(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_uint_t from);
static char *ngx_http_registry_token_set_realm(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value);
static char *ngx_http_registry_token_set_service(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value);
static char *ngx_http_registry_token_set_issuer(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value);
static char *ngx_http_registry_token_claim(ngx_str_t *value);
static char *ngx_http_registry_token_set_algorithms(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value);
static char *ngx_http_registry_token_set_lifetime(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value);
static char *ngx_http_registry_token_set_refresh(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value);
static char *ngx_http_registry_token_set_algorithm(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value);
static ngx_int_t ngx_http_registry_token_time(ngx_str_t *value,
    time_t *seconds);


static const ngx_http_registry_token_param_t  ngx_http_registry_params[] = {

    { ngx_string("realm="), NGX_HTTP_REGISTRY_REALM,
      ngx_http_registry_token_set_realm, 0, 1, 1 },

    { ngx_string("service="), NGX_HTTP_REGISTRY_SERVICE,
      ngx_http_registry_token_set_service, 0, 1, 1 },

    { ngx_string("issuer="), NGX_HTTP_REGISTRY_ISSUER,
      ngx_http_registry_token_set_issuer, 0, 0, 1 },

    { ngx_string("certs="), NGX_HTTP_REGISTRY_CERTS,
      NULL, offsetof(ngx_http_registry_bearer_t, certs_path), 0, 1 },

    { ngx_string("jwks="), NGX_HTTP_REGISTRY_JWKS,
      NULL, offsetof(ngx_http_registry_bearer_t, jwks_path), 0, 1 },

    { ngx_string("algorithms="), NGX_HTTP_REGISTRY_ALGORITHMS,
      ngx_http_registry_token_set_algorithms, 0, 0, 1 },

    { ngx_string("key="), NGX_HTTP_REGISTRY_KEY,
      NULL, offsetof(ngx_http_registry_bearer_t, key_path), 1, 0 },

    { ngx_string("lifetime="), NGX_HTTP_REGISTRY_LIFETIME,
      ngx_http_registry_token_set_lifetime, 0, 1, 0 },

    { ngx_string("refresh="), NGX_HTTP_REGISTRY_REFRESH,
      ngx_http_registry_token_set_refresh, 0, 1, 0 },

    { ngx_string("algorithm="), NGX_HTTP_REGISTRY_ALGORITHM,
      ngx_http_registry_token_set_algorithm, 0, 1, 0 },

    { ngx_null_string, 0, NULL, 0, 0, 0 }
};


char *
ngx_http_registry_token(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_access_conf_t *alcf = conf;

    ngx_str_t                   *value;
    ngx_http_registry_bearer_t  *bearer;

    if (alcf->token) {
        return "is duplicate";
    }

    bearer = ngx_http_registry_token_create(cf, 0);
    if (bearer == NULL) {
        return NGX_CONF_ERROR;
    }

    alcf->token = bearer;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        bearer->mode = NGX_HTTP_REGISTRY_TOKEN_OFF;
        return NGX_CONF_OK;
    }

    bearer->mode = NGX_HTTP_REGISTRY_TOKEN_ON;

    if (ngx_http_registry_token_params(cf, bearer, 1) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (!(bearer->given & NGX_HTTP_REGISTRY_REALM)) {
        return "needs the address of the token server, as in "
               "\"realm=https://auth.example.org/token\", or \"realm=auto\" "
               "when it answers at /auth/token of this very host";
    }

    if (!(bearer->given & NGX_HTTP_REGISTRY_SERVICE)
        || !(bearer->given & NGX_HTTP_REGISTRY_ISSUER))
    {
        return "needs \"service=\" and \"issuer=\", which are what the token "
               "server writes into its tokens as \"aud\" and as \"iss\"";
    }

    if (!(bearer->given & (NGX_HTTP_REGISTRY_CERTS|NGX_HTTP_REGISTRY_JWKS))) {
        return "needs the keys that the token server signs with: "
               "\"certs=\" and a file of certificates, or \"jwks=\" and a "
               "key set";
    }

    return NGX_CONF_OK;
}


char *
ngx_http_registry_token_server(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_access_conf_t *alcf = conf;

    ngx_str_t                   *value;
    ngx_http_registry_bearer_t  *bearer;

    if (alcf->server) {
        return "is duplicate";
    }

    bearer = ngx_http_registry_token_create(cf, 1);
    if (bearer == NULL) {
        return NGX_CONF_ERROR;
    }

    alcf->server = bearer;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "on") == 0) {
        bearer->mode = NGX_HTTP_REGISTRY_TOKEN_ON;

    } else if (ngx_strcmp(value[1].data, "auto") == 0) {
        bearer->mode = NGX_HTTP_REGISTRY_TOKEN_AUTO;

    } else if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts != 2) {
            return "takes no parameters behind \"off\"";
        }

        bearer->mode = NGX_HTTP_REGISTRY_TOKEN_OFF;

    } else {
        return "needs \"on\", \"off\" or \"auto\" in front of its parameters";
    }

    return ngx_http_registry_token_params(cf, bearer, 2);
}


ngx_http_registry_bearer_t *
ngx_http_registry_token_create(ngx_conf_t *cf, ngx_uint_t own)
{
    ngx_http_registry_bearer_t  *bearer;

    bearer = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_bearer_t));
    if (bearer == NULL) {
        return NULL;
    }

    bearer->own = own;
    bearer->mode = NGX_HTTP_REGISTRY_TOKEN_AUTO;
    bearer->algs = own ? reg_jws_bit(REG_JWS_ES256)|reg_jws_bit(REG_JWS_EDDSA)
                       : REG_JWS_ALL;
    bearer->algorithm = REG_JWS_ES256;
    bearer->lifetime = NGX_HTTP_REGISTRY_TOKEN_LIFETIME;
    bearer->refresh = NGX_HTTP_REGISTRY_TOKEN_REFRESH;

    if (own) {
        ngx_str_set(&bearer->path, NGX_HTTP_REGISTRY_TOKEN_PATH);
        ngx_str_set(&bearer->service, NGX_HTTP_REGISTRY_TOKEN_SERVICE);

    } else {
        ngx_str_set(&bearer->path, NGX_HTTP_REGISTRY_TOKEN_FOREIGN);
    }

    return bearer;
}


static char *
ngx_http_registry_token_params(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_uint_t from)
{
    char                                   *why;
    ngx_str_t                              *arg, *text, value;
    ngx_uint_t                              i;
    const ngx_http_registry_token_param_t  *param;

    arg = cf->args->elts;

    for (i = from; i < cf->args->nelts; i++) {

        for (param = ngx_http_registry_params; param->name.len; param++) {

            if ((bearer->own ? param->own : param->foreign)
                && arg[i].len >= param->name.len
                && ngx_strncmp(arg[i].data, param->name.data,
                               param->name.len)
                   == 0)
            {
                break;
            }
        }

        if (param->name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" takes no \"%V\", it knows %s", arg,
                               &arg[i],
                               bearer->own
                               ? "realm=, service=, key=, lifetime=, "
                                 "refresh= and algorithm="
                               : "realm=, service=, issuer=, certs=, jwks= "
                                 "and algorithms=");
            return NGX_CONF_ERROR;
        }

        value.len = arg[i].len - param->name.len;
        value.data = arg[i].data + param->name.len;

        if (bearer->given & param->bit) {
            why = "is there twice";

        } else if (value.len == 0) {
            why = "is empty";

        } else if (param->set) {
            why = param->set(cf, bearer, &value);

        } else {
            text = (ngx_str_t *) ((char *) bearer + param->offset);
            *text = value;
            why = NGX_CONF_OK;
        }

        if (why == NGX_CONF_ERROR) {
            return why;
        }

        if (why != NGX_CONF_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\": \"%V\" %s", arg,
                               &arg[i], why);
            return NGX_CONF_ERROR;
        }

        bearer->given |= param->bit;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_token_set_realm(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value)
{
    reg_buf_t  b;
    reg_str_t  realm;

    realm = ngx_http_registry_str(value);

    if (reg_str_eq(realm, reg_str("auto"))) {
        return NGX_CONF_OK;
    }

    if (reg_str_starts(realm, reg_str("auto:"))) {
        realm.data += 5;
        realm.len -= 5;

        reg_buf_init(&b, value->len + 64);

        if (reg_challenge_realm(&b, reg_str("http"), reg_str("localhost"),
                                realm)
            != 0)
        {
            reg_buf_free(&b);
            return "needs a path behind \"auto:\", as in "
                   "\"realm=auto:/auth/token\"";
        }

        reg_buf_free(&b);

        bearer->path.len = realm.len;
        bearer->path.data = (u_char *) realm.data;

        return NGX_CONF_OK;
    }

    if (ngx_http_script_variables_count(value) == 0
        && !reg_challenge_realm_valid(realm))
    {
        return "is no absolute URL; clients need one, as in "
               "\"realm=https://registry.example.org/v2/_nginx/token\"";
    }

    bearer->realm = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (bearer->realm == NULL) {
        return NGX_CONF_ERROR;
    }

    return (ngx_http_registry_compile(cf, value, bearer->realm) == NGX_OK)
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_registry_token_set_service(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value)
{
    int        rc;
    reg_buf_t  b;

    reg_buf_init(&b, value->len * 2 + 64);
    rc = reg_challenge_basic(&b, ngx_http_registry_str(value));
    reg_buf_free(&b);

    if (rc != 0 || value->len > 256) {
        return "has to be 1 to 256 bytes without control characters, since "
               "it stands in a header";
    }

    bearer->service = *value;

    return ngx_http_registry_token_claim(value);
}


static char *
ngx_http_registry_token_set_issuer(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value)
{
    bearer->issuer = *value;

    return ngx_http_registry_token_claim(value);
}


/* Whatever a token says is UTF-8: nothing else would ever be found in one. */

static char *
ngx_http_registry_token_claim(ngx_str_t *value)
{
    size_t  i, n;

    for (i = 0; i < value->len; i += n) {
        n = reg_str_utf8(value->data + i, value->len - i);

        if (n == 0) {
            return "is no UTF-8, as it is in every token";
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_token_set_algorithms(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value)
{
    size_t      n;
    u_char     *p, *end, *comma;
    reg_str_t   names[REG_JWS_N + 1];
    reg_why_t   why;

    n = 0;
    end = value->data + value->len;

    for (p = value->data; p <= end && n <= REG_JWS_N; p = comma + 1) {

        comma = ngx_strlchr(p, end, ',');
        if (comma == NULL) {
            comma = end;
        }

        names[n].data = (char *) p;
        names[n].len = comma - p;
        n++;
    }

    if (reg_jws_set(names, n, &bearer->algs, &why) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"algorithms=%V\": %s",
                           value, why.text);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_token_set_lifetime(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value)
{
    if (ngx_http_registry_token_time(value, &bearer->lifetime) != NGX_OK) {
        return "has to be a time from 1m to 366d, as in \"lifetime=5m\"; "
               "clients take a shorter one for 1m";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_token_set_refresh(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value)
{
    if (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0) {
        bearer->refresh = 0;
        return NGX_CONF_OK;
    }

    if (ngx_http_registry_token_time(value, &bearer->refresh) != NGX_OK) {
        return "has to be a time from 1m to 366d, as in \"refresh=30d\", or "
               "\"off\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_token_set_algorithm(ngx_conf_t *cf,
    ngx_http_registry_bearer_t *bearer, ngx_str_t *value)
{
    if (reg_jws_find(ngx_http_registry_str(value), &bearer->algorithm) != 0
        || (bearer->algorithm != REG_JWS_ES256
            && bearer->algorithm != REG_JWS_EDDSA))
    {
        return "has to be \"ES256\" or \"EdDSA\"";
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_registry_token_time(ngx_str_t *value, time_t *seconds)
{
    *seconds = ngx_parse_time(value, 1);

    return (*seconds != (time_t) NGX_ERROR
            && *seconds >= REG_ISSUE_LIFETIME_MIN
            && *seconds <= NGX_HTTP_REGISTRY_TOKEN_LONG)
           ? NGX_OK : NGX_ERROR;
}
