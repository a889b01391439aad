
#include "reg_challenge.h"

#include <string.h>


static int reg_challenge_quoted(reg_buf_t *b, const char *name, reg_str_t s);
static int reg_challenge_visible(reg_str_t s);
static int reg_challenge_port(reg_str_t s);


/* quoted-string (RFC 9110, 5.6.4), narrower: no tabs. */

static int
reg_challenge_quoted(reg_buf_t *b, const char *name, reg_str_t s)
{
    size_t         i;
    unsigned char  c;

    reg_buf_printf(b, "%s=\"", name);

    for (i = 0; i < s.len; i++) {
        c = (unsigned char) s.data[i];

        if (c < 0x20 || c == 0x7f) {
            return -1;
        }

        if (c == '"' || c == '\\') {
            reg_buf_str(b, reg_str("\\"));
        }

        reg_buf_add(b, &c, 1);
    }

    reg_buf_str(b, reg_str("\""));

    return reg_buf_failed(b) ? -1 : 0;
}


int
reg_challenge_basic(reg_buf_t *b, reg_str_t realm)
{
    return reg_challenge_quoted(b, "Basic realm", realm);
}


int
reg_challenge_bearer(reg_buf_t *b, reg_str_t realm, reg_str_t service,
    const reg_scopes_t *scopes, reg_token_e why)
{
    if (!reg_challenge_realm_valid(realm)
        || reg_challenge_quoted(b, "Bearer realm", realm) != 0
        || reg_challenge_quoted(b, ",service", service) != 0)
    {
        return -1;
    }

    /* names have passed their grammar: there is nothing to quote in a scope */

    if (scopes != NULL && scopes->n != 0) {
        reg_buf_str(b, reg_str(",scope=\""));
        reg_scopes_print(b, scopes);
        reg_buf_str(b, reg_str("\""));
    }

    if (why == REG_TOKEN_INVALID) {
        reg_buf_str(b, reg_str(",error=\"invalid_token\""));

    } else if (why == REG_TOKEN_INSUFFICIENT) {
        reg_buf_str(b, reg_str(",error=\"insufficient_scope\""));
    }

    return reg_buf_failed(b) ? -1 : 0;
}


static int
reg_challenge_visible(reg_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] <= 0x20 || s.data[i] > 0x7e || s.data[i] == '"'
            || s.data[i] == '\\' || s.data[i] == '<' || s.data[i] == '>')
        {
            return 0;
        }
    }

    return s.len != 0;
}


int
reg_challenge_realm_valid(reg_str_t s)
{
    size_t       skip;
    reg_str_t    host;
    const char  *slash;

    if (reg_str_starts(s, reg_str("https://"))) {
        skip = sizeof("https://") - 1;

    } else if (reg_str_starts(s, reg_str("http://"))) {
        skip = sizeof("http://") - 1;

    } else {
        return 0;
    }

    host.data = s.data + skip;
    host.len = s.len - skip;

    slash = (host.len == 0) ? NULL : memchr(host.data, '/', host.len);

    if (slash != NULL) {
        host.len = (size_t) (slash - host.data);
    }

    return reg_challenge_host_valid(host) && reg_challenge_visible(s);
}


static int
reg_challenge_port(reg_str_t s)
{
    uint64_t  n;

    return s.len <= 5 && reg_str_number(s, 65535, &n) == 0 && n != 0;
}


int
reg_challenge_host_valid(reg_str_t s)
{
    char       c;
    size_t     i;
    reg_str_t  port;

    if (s.len == 0 || s.len > REG_CHALLENGE_HOST_MAX) {
        return 0;
    }

    i = 0;

    if (s.data[0] == '[') {

        for (i = 1; i < s.len && s.data[i] != ']'; i++) {
            c = s.data[i];

            if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')
                  || (c >= 'A' && c <= 'F') || c == ':' || c == '.'))
            {
                return 0;
            }
        }

        if (i == s.len || i < 3) {
            return 0;
        }

        i++;

    } else {
        for ( /* void */ ; i < s.len && s.data[i] != ':'; i++) {
            c = s.data[i];

            if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
                  || (c >= 'A' && c <= 'Z') || c == '-' || c == '.'
                  || c == '_'))
            {
                return 0;
            }
        }

        if (i == 0) {
            return 0;
        }
    }

    if (i == s.len) {
        return 1;
    }

    port.data = s.data + i + 1;
    port.len = s.len - i - 1;

    return s.data[i] == ':' && reg_challenge_port(port);
}


int
reg_challenge_realm(reg_buf_t *b, reg_str_t scheme, reg_str_t host,
    reg_str_t path)
{
    if ((!reg_str_eq(scheme, reg_str("https"))
         && !reg_str_eq(scheme, reg_str("http")))
        || !reg_challenge_host_valid(host)
        || !reg_str_starts(path, reg_str("/"))
        || !reg_challenge_visible(path))
    {
        return -1;
    }

    reg_buf_str(b, scheme);
    reg_buf_str(b, reg_str("://"));
    reg_buf_str(b, host);
    reg_buf_str(b, path);

    return reg_buf_failed(b) ? -1 : 0;
}
