
/*
 * JSON Web Tokens in compact form (RFC 7515, 7519), one step at a time:
 *
 *     reg_jwt_parse()    three parts, the header, the signature's bytes
 *     reg_jwt_verify()   a key of the operator's has signed it
 *     reg_jwt_claims()   only now the claims are looked at
 *     reg_jwt_check()    issuer, audience, times
 *
 * reg_token.h does all of it.  Everything is strict: one spelling of base64,
 * no key twice in an object (reg_json.h), no extension that "crit" asks for.
 * "jku" and "x5u" are not looked at: nothing is ever fetched.
 *
 * A refusal comes with a static sentence for the log; the client learns no
 * more than "invalid_token".
 */


#ifndef REG_JWT_H_INCLUDED
#define REG_JWT_H_INCLUDED


#include "reg_keys.h"

#include <jansson.h>


#define REG_JWT_MAX     32768         /* bytes of a token; default limit */
#define REG_JWT_LEEWAY  60            /* seconds, as in distribution */

/* the last second of the year 9999: a later time is a mistake */
#define REG_JWT_TIME_MAX  253402300799


typedef enum {
    REG_TOKEN_OK = 0,
    REG_TOKEN_INVALID,                /* 401, error="invalid_token" */
    REG_TOKEN_INSUFFICIENT,           /* 401, error="insufficient_scope" */
    REG_TOKEN_FAILED                  /* memory or the library: 503 */
} reg_token_e;


typedef struct {
    json_t         *header;
    json_t         *claims;           /* NULL before reg_jwt_claims() */
    reg_jws_e       alg;
    reg_str_t       type;             /* "typ", or empty; borrowed of header */
    reg_str_t       input;            /* what is signed; borrowed */
    reg_str_t       payload;          /* borrowed */
    size_t          siglen;
    unsigned char   sig[REG_JWS_SIG_MAX];
} reg_jwt_t;


/* What reg_jwt_check() wants to find; borrowed. */
typedef struct {
    reg_str_t  issuer;                /* "iss", byte for byte */
    reg_str_t  audience;              /* "aud", or one of its list */
    int64_t    now;                   /* seconds since 1970 */
    int64_t    leeway;                /* seconds, 0 or more */
    int64_t    grace;                 /* seconds that it may have expired for,
                                         0 or more */
} reg_jwt_want_t;


/*
 * Takes a token of at most max bytes apart; token is borrowed as long as t is
 * used.  algs is the set of algorithms that may be.  Whatever comes back, t is
 * to be freed.
 */
reg_token_e reg_jwt_parse(reg_jwt_t *t, reg_str_t token, size_t max,
    unsigned algs, const char **why);

/*
 * Chooses the key, as distribution does, and verifies the signature: of "x5c"
 * the leaf, if the chain ends at a root; else of "jwk" the set's own key that
 * it describes; else the keys that "kid" names; else, when the set has but one
 * key, that one.  Where one of these is there and leads to no key, none of the
 * later ones is tried.
 */
reg_token_e reg_jwt_verify(const reg_jwt_t *t, const reg_keys_t *keys,
    int64_t now, const char **why);

/* Parses the claims, an object. */
reg_token_e reg_jwt_claims(reg_jwt_t *t, const char **why);

/*
 * Checks the claims: iss, aud, exp (which has to be there), nbf and iat (which
 * may be missing).  Times are integers.  The token is good while
 * nbf - leeway <= now < exp + leeway + grace, and iat <= now + leeway.
 */
reg_token_e reg_jwt_check(const reg_jwt_t *t, const reg_jwt_want_t *want,
    const char **why);

void reg_jwt_free(reg_jwt_t *t);

/*
 * Reads a time: 0; 1 when it is not there; -1 when it is no integer from 0 to
 * REG_JWT_TIME_MAX.
 */
int reg_jwt_time(const json_t *claims, const char *name, int64_t *time);


#endif /* REG_JWT_H_INCLUDED */
