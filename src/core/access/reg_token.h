
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


#include "reg_credentials.h"
#include "reg_jwt.h"
#include "reg_may.h"
#include "reg_seen.h"


/* How tokens are verified; all borrowed, and only read but for seen. */
typedef struct {
    const reg_keys_t  *keys;
    reg_seen_t        *seen;          /* of these keys; or NULL */
    unsigned           algs;          /* REG_JWS_ALL, or fewer */
    reg_str_t          issuer;
    reg_str_t          service;       /* the audience */
    int64_t            leeway;        /* REG_JWT_LEEWAY */
    int64_t            grace;         /* see reg_token_t.late; or 0 */
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

    /*
     * It has expired, but not longer ago than the policy's grace.  It may be
     * let go on with what it has begun, and nothing else.
     */
    unsigned    late:1;
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

/*
 * Our own tokens bear a mark of what the login was verified against, as long
 * as there was one: of a user who has not logged in there is none.  1 when it
 * is that mark, which has REG_CREDENTIALS_KEY bytes; a mark of nobody (all
 * zero) fits no token.
 */
int reg_token_fits(const reg_token_t *t, const unsigned char *mark);

/* Reads a mark: 0, or -1 when there is none. */
int reg_token_mark(const json_t *claims, unsigned char *mark);

/*
 * In which way the user had logged in, and so where the entry is to be found
 * that the mark stands for: a word of the issuer's, or empty.  Borrowed.
 */
reg_str_t reg_token_login(const json_t *claims);

void reg_token_free(reg_token_t *t);


#endif /* REG_TOKEN_H_INCLUDED */
