
/*
 * What stands in an Authorization header (RFC 9110, 11.6.2): a scheme and, for
 * Basic, a user and a password (RFC 7617).
 *
 * Nothing here decides who somebody is.  What is wrong with credentials is
 * told by a static sentence for the debug log; the client learns the same 401
 * whatever it was.
 */


#ifndef REG_CREDENTIALS_H_INCLUDED
#define REG_CREDENTIALS_H_INCLUDED


#include "reg_base64.h"
#include "reg_str.h"


#define REG_USER_MAX            255
#define REG_BASIC_PASSWORD_MAX  4096     /* an access token may stand there */

/* the longest text that can hold both, and room for what it decodes to */
#define REG_BASIC_TEXT_MAX                                                    \
    ((REG_USER_MAX + 1 + REG_BASIC_PASSWORD_MAX + 2) / 3 * 4)
#define REG_BASIC_ROOM          reg_base64_room(REG_BASIC_TEXT_MAX)

#define REG_CREDENTIALS_KEY     32       /* bytes: of keys, marks and digests */


typedef enum {
    REG_SCHEME_NONE = 0,      /* no header, or an empty one */
    REG_SCHEME_BASIC,
    REG_SCHEME_BEARER,
    REG_SCHEME_OTHER          /* a scheme we do not know, or no scheme at all */
} reg_scheme_e;


/* Both borrow from the room given to reg_basic_parse(). */
typedef struct {
    reg_str_t  user;          /* 1 to REG_USER_MAX bytes of UTF-8 */
    reg_str_t  password;      /* 1 to REG_BASIC_PASSWORD_MAX bytes */
} reg_basic_t;


/*
 * Splits the value of the header.  Letter case of the scheme does not matter.
 * *credentials borrows from value and may be empty; which is then a login that
 * fails, not the absence of one.
 */
reg_scheme_e reg_credentials_split(reg_str_t value, reg_str_t *credentials);

/* 1 when s is that word, which is in small letters, in whatever letters. */
int reg_credentials_is(reg_str_t s, reg_str_t lower);

/*
 * Decodes the credentials of the scheme Basic into room, which has
 * REG_BASIC_ROOM bytes.  The user ends at the first colon; the password may
 * hold more of them.  0; or -1 and *why when they cannot be anybody's: bad
 * base64, no colon, an empty half, one that is too long, control bytes (RFC
 * 7617, 2) or, in the user, no UTF-8.  The caller wipes room when done.
 */
int reg_basic_parse(reg_str_t credentials, char *room, reg_basic_t *basic,
    const char **why);

/* 1 when s can be the name of a user: 1 to REG_USER_MAX bytes of UTF-8. */
int reg_user_valid(reg_str_t s);

/*
 * The key under which a verified login is remembered: an HMAC-SHA256, under a
 * key drawn at start, over user, password and mark, each with its length.  The
 * mark stands for what the login was verified against (reg_htpasswd_check_t),
 * so that a changed password file finds nothing.  key, mark and out have
 * REG_CREDENTIALS_KEY bytes.  0, or -1 when user or password cannot be one.
 */
int reg_credentials_key(const unsigned char *key, reg_str_t user,
    reg_str_t password, const unsigned char *mark, unsigned char *out);


#endif /* REG_CREDENTIALS_H_INCLUDED */
