
/*
 * What a 401 asks for: WWW-Authenticate (RFC 9110, 11.6.1; RFC 7617, 2;
 * RFC 6750, 3; distribution, spec/auth/token.md).
 *
 * Realm and service come from the configuration, scopes have passed the grammar
 * of names.  Everything is written as a quoted string all the same, and a value
 * that cannot be one (control bytes) is refused, not mended.
 */


#ifndef REG_CHALLENGE_H_INCLUDED
#define REG_CHALLENGE_H_INCLUDED


#include "reg_jwt.h"
#include "reg_scopes.h"


#define REG_CHALLENGE_HOST_MAX  262      /* a name of 255, a colon, a port */


/* Appends: Basic realm="..."  0, or -1 for a realm that cannot be sent. */
int reg_challenge_basic(reg_buf_t *b, reg_str_t realm);

/*
 * Appends: Bearer realm="...",service="...",scope="...",error="..."
 * scopes may be NULL or empty.  why is REG_TOKEN_OK where no token came at all,
 * and else what was wrong with it.  0, or -1 for a value that cannot be sent.
 */
int reg_challenge_bearer(reg_buf_t *b, reg_str_t realm, reg_str_t service,
    const reg_scopes_t *scopes, reg_token_e why);

/*
 * 1 when s can be the realm of a Bearer challenge: an absolute URL, http or
 * https, of visible ASCII without quotes and backslashes.
 */
int reg_challenge_realm_valid(reg_str_t s);

/*
 * 1 when s can be a host of such a URL: letters, digits, "-" and "." with an
 * optional port, or an address in brackets.  It is what may be taken of a
 * client's Host header: there is nothing in it that needs quoting.
 */
int reg_challenge_host_valid(reg_str_t s);

/*
 * Appends scheme://host and the path: the realm of a token endpoint beside the
 * registry.  0, or -1 when one of them cannot be part of it.
 */
int reg_challenge_realm(reg_buf_t *b, reg_str_t scheme, reg_str_t host,
    reg_str_t path);


#endif /* REG_CHALLENGE_H_INCLUDED */
