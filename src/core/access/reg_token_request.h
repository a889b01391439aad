
/*
 * What a client asks the token endpoint for: the query of a GET (distribution,
 * spec/auth/token.md) or the form of a POST (spec/auth/oauth.md).
 */


#ifndef REG_TOKEN_REQUEST_H_INCLUDED
#define REG_TOKEN_REQUEST_H_INCLUDED


#include "reg_scopes.h"


#define REG_TOKEN_REQUEST_MAX  65536      /* bytes of a query or form */


typedef enum {
    REG_GRANT_NONE = 0,           /* GET: Basic credentials, or nobody */
    REG_GRANT_PASSWORD,
    REG_GRANT_REFRESH
} reg_grant_e;


/* Slices borrow from the scratch memory given to reg_token_request_parse(). */
typedef struct {
    reg_grant_e   grant;
    reg_str_t     service;
    reg_str_t     account;        /* GET: as whom docker means to log in */
    reg_str_t     client;         /* "client_id" */
    reg_str_t     user;           /* "username" */
    reg_str_t     password;
    reg_str_t     refresh;        /* "refresh_token" */
    unsigned      offline:1;      /* a refresh token is wanted */
    reg_scopes_t  scopes;
} reg_token_request_t;


/*
 * Reads a query (post 0) or a form (post 1).  scratch has text.len bytes.
 * NULL when it can be answered; otherwise a static error code of RFC 6749,
 * 5.2, for a reply with status 400: parameters that are malformed or stand
 * there twice ("scope" may), too many scopes, a grant without what it needs or
 * one that is not supported.
 */
const char *reg_token_request_parse(reg_token_request_t *r, int post,
    reg_str_t text, char *scratch);


#endif /* REG_TOKEN_REQUEST_H_INCLUDED */
