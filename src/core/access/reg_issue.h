
/*
 * What the token endpoint hands out (distribution, spec/auth/token.md and
 * oauth.md).
 *
 * An access token is good for minutes and carries what was granted.  A refresh
 * token carries no right at all: it says who somebody is, to us alone, and is
 * worth what the rules say at the time it is used.  It differs from an access
 * token in type and in audience, so that neither passes for the other, with us
 * or with anybody who trusts our key.
 *
 * Both bear a mark of what the login was verified against.  When the user's
 * entry changes or goes, so does the mark, and the tokens are worth nothing any
 * more: this is how they are revoked.
 */


#ifndef REG_ISSUE_H_INCLUDED
#define REG_ISSUE_H_INCLUDED


#include "reg_credentials.h"
#include "reg_scopes.h"
#include "reg_signer.h"
#include "reg_token.h"


/* Clients take anything shorter for 60 (spec/auth/token.md). */
#define REG_ISSUE_LIFETIME_MIN  60


/* What goes into a token; all borrowed. */
typedef struct {
    reg_str_t             issuer;
    reg_str_t             service;
    reg_str_t             user;           /* empty: has not logged in */
    reg_str_t             login;          /* see reg_token_login() */
    int64_t               now;            /* seconds since 1970 */
    int64_t               lifetime;       /* seconds */
    const reg_scopes_t   *scopes;         /* of an access token */
    const unsigned char  *mark;           /* REG_CREDENTIALS_KEY bytes; not
                                             for who has not logged in */
} reg_issue_t;


/* Appends a signed access token: 0 or -1. */
int reg_issue_access(reg_buf_t *b, const reg_signer_t *s,
    const reg_issue_t *issue);

/* Appends a signed refresh token, for a user who has logged in: 0 or -1. */
int reg_issue_refresh(reg_buf_t *b, const reg_signer_t *s,
    const reg_issue_t *issue);


/* A verified refresh token. */
typedef struct {
    reg_jwt_t      jwt;
    reg_str_t      user;
    int64_t        issued;                /* "iat", seconds since 1970 */
    unsigned char  mark[REG_CREDENTIALS_KEY];
} reg_refresh_t;


/*
 * Verifies a refresh token of ours: policy is that of our own access tokens.
 * REG_TOKEN_OK, then the caller compares the mark with that of the user's
 * present entry (reg_refresh_fits()); else REG_TOKEN_INVALID or
 * REG_TOKEN_FAILED and *why.  Whatever comes back, it is to be freed.
 */
reg_token_e reg_refresh_verify(reg_refresh_t *t,
    const reg_token_policy_t *policy, reg_str_t raw, int64_t now,
    const char **why);

/* 1 when the mark is the token's; of a user who is not there it never is. */
int reg_refresh_fits(const reg_refresh_t *t, const unsigned char *mark);

void reg_refresh_free(reg_refresh_t *t);


/*
 * Appends the reply of the endpoint, JSON: the token under both its names,
 * its lifetime, when it was issued, what was granted, and the refresh token
 * where there is one.  0 or -1.
 */
int reg_issue_reply(reg_buf_t *b, const reg_issue_t *issue, reg_str_t access,
    reg_str_t refresh);


#endif /* REG_ISSUE_H_INCLUDED */
