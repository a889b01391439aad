
/*
 * Bearer tokens in distribution's form (spec/auth/jwt.md): verifying one, and
 * what it allows.
 *
 * A token's actions are those of reg_may.h; "*" is all that a repository has.
 * Nobody but us writes "update" and "list" into tokens, so with a foreign
 * issuer push is taken to include update, as it does in distribution.
 */


#ifndef REG_TOKEN_H_INCLUDED
#define REG_TOKEN_H_INCLUDED


#include "reg_jwt.h"
#include "reg_may.h"


/* How tokens are verified; all borrowed, and only read. */
typedef struct {
    const reg_keys_t  *keys;
    unsigned           algs;          /* REG_JWS_ALL, or fewer */
    reg_str_t          issuer;
    reg_str_t          service;       /* the audience */
    int64_t            leeway;        /* REG_JWT_LEEWAY */
    size_t             max;           /* REG_JWT_MAX */
    unsigned           push_updates:1;
} reg_token_policy_t;


/* A verified token. */
typedef struct {
    reg_jwt_t   jwt;
    reg_str_t   user;                 /* "sub"; empty: nobody has logged in */
    reg_str_t   id;                   /* "jti", or empty */
    int64_t     expires;              /* "exp" */
    unsigned    push_updates:1;
} reg_token_t;


/*
 * Verifies all there is to verify, at that time, in seconds since 1970.
 * REG_TOKEN_OK; REG_TOKEN_INVALID or REG_TOKEN_FAILED and *why.  raw is
 * borrowed for the call alone.  Whatever comes back, t is to be freed.
 *
 * "typ" has to be JWT, at+jwt (RFC 9068) or absent: our refresh tokens, and
 * whatever else the same key signs, are no access tokens.
 */
reg_token_e reg_token_verify(reg_token_t *t, const reg_token_policy_t *policy,
    reg_str_t raw, int64_t now, const char **why);

/*
 * What the token allows on that repository; with an empty name what it allows
 * on the catalogue, REG_MAY_LIST or nothing.  Entries of "access" that are
 * malformed, of another type or for a name that merely resembles it allow
 * nothing.
 */
unsigned reg_token_may(const reg_token_t *t, reg_str_t name);

/*
 * REG_TOKEN_OK when all the bits are allowed, REG_TOKEN_INSUFFICIENT otherwise.
 * REG_MAY_LIST is asked of the catalogue, all else of the repository.
 */
reg_token_e reg_token_allows(const reg_token_t *t, unsigned may,
    reg_str_t name);

void reg_token_free(reg_token_t *t);


#endif /* REG_TOKEN_H_INCLUDED */
