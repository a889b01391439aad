
/*
 * Password hashes: which of them may be used, and whether a password is right.
 *
 * bcrypt ($2y$, $2b$, $2a$) is what a password file should hold.  libxcrypt
 * would run far more than that, and at any price that the hash names; so what
 * may be run is decided here, by form and cost, before it sees anything.
 * sha512crypt and sha256crypt ($6$, $5$) can be let in for migrations.
 */


#ifndef REG_PASSWORD_H_INCLUDED
#define REG_PASSWORD_H_INCLUDED


#include "reg_str.h"

#include <crypt.h>


/*
 * bcrypt looks at 72 bytes and no further, and libxcrypt cuts what is longer
 * without a word.  We refuse it, for every scheme alike.
 */
#define REG_PASSWORD_MAX       72

#define REG_PASSWORD_HASH_MAX  127        /* "$6$rounds=999999999$..." is 124 */

#define REG_BCRYPT_LEN         60
#define REG_BCRYPT_COST_MIN    4
#define REG_BCRYPT_COST_TOP    31         /* as high as the format goes */
#define REG_BCRYPT_COST_LIMIT  14         /* default limit: 1 s and more */

#define REG_SHACRYPT_ROUNDS         5000  /* when the hash names none */
#define REG_SHACRYPT_ROUNDS_MIN     1000
#define REG_SHACRYPT_ROUNDS_LIMIT   200000


typedef struct {
    unsigned  bcrypt_cost;        /* the highest allowed */
    unsigned  sha_rounds;         /* the most allowed; 0: no $5$ and $6$ */
} reg_password_limits_t;


/*
 * How much work hashes take: the binary logarithm for bcrypt, rounds for the
 * others; 0 where there is none of a kind.  That of one hash has one field set,
 * that of a file has the highest of both.
 */
typedef struct {
    unsigned  bcrypt_cost;
    unsigned  sha_rounds;
} reg_password_effort_t;


typedef enum {
    REG_PASSWORD_WRONG = 0,
    REG_PASSWORD_RIGHT,
    REG_PASSWORD_FAILED           /* could not be found out; neither of both */
} reg_password_e;


/*
 * Checks the form and the price of a hash: 0 and its effort; or -1 and a
 * static sentence in *why.  limits is borrowed for the call.
 */
int reg_password_hash_parse(reg_str_t hash, const reg_password_limits_t *limits,
    reg_password_effort_t *effort, const char **why);

/*
 * Verifies a password, which takes from milliseconds to seconds: never on the
 * event loop.  hash is one that reg_password_hash_parse() let pass,
 * NUL-terminated; or NULL for a user who is not there: the answer is then
 * always wrong.  crypt is the caller's memory, 32 KB, and needs no preparation.
 *
 * top is the effort of the whole file.  A wrong password takes as long as the
 * dearest hash of the file would, whosever it is, so that time tells neither
 * who is in the file nor whose hash is cheap.  (Exactly so for bcrypt; with
 * $5$ in the file, whose rounds are cheaper than those of $6$, nearly.)
 */
reg_password_e reg_password_verify(const char *hash,
    const reg_password_effort_t *top, reg_str_t password,
    struct crypt_data *crypt);

/*
 * Makes a bcrypt hash ($2y$) of a password of 1 to REG_PASSWORD_MAX bytes into
 * out, which has REG_BCRYPT_LEN + 1 bytes.  0, or -1 and *why.
 */
int reg_password_make(reg_str_t password, unsigned cost,
    struct crypt_data *crypt, char *out, const char **why);


#endif /* REG_PASSWORD_H_INCLUDED */
