
/*
 * The secret of an access token, which its owner uses as a password:
 *
 *     ngxreg_ 32 letters and digits, 6 letters and digits
 *
 * (in one word).  The 32 are random, 190 bits.  The prefix lets scanners of
 * repositories and logs find a secret that got lost; the 6 are the beginning
 * of a SHA-256 over all before them, so that they find nothing else: as one
 * number of 32 bits, most significant byte first, in base 62, leading zeros
 * kept; digits are 0-9, A-Z, a-z.
 *
 * It is stored as its plain SHA-256.  bcrypt makes guessing dear where people
 * choose a word that can be guessed; here is nothing to guess at, however fast
 * the hash, and a request costs a microsecond instead of 70 ms.  So that it
 * stays so, nothing but a secret of this form is ever right: a weak password
 * of somebody's own, hashed by hand, is not.
 */


#ifndef REG_SECRET_H_INCLUDED
#define REG_SECRET_H_INCLUDED


#include "reg_str.h"


#define REG_SECRET_PREFIX  "ngxreg_"
#define REG_SECRET_RANDOM  32
#define REG_SECRET_CHECK   6
#define REG_SECRET_LEN                                                        \
    (sizeof(REG_SECRET_PREFIX) - 1 + REG_SECRET_RANDOM + REG_SECRET_CHECK)

#define REG_SECRET_HASH    32


/*
 * Draws a new secret into out, which has REG_SECRET_LEN + 1 bytes: 0, or -1
 * when no random bytes could be had.  The caller wipes it when done.
 */
int reg_secret_make(char *out);

/*
 * Hashes a secret into hash, REG_SECRET_HASH bytes: 1.  0 when s has not the
 * form of one, and hash is then left alone; -1 when the library failed.
 */
int reg_secret_hash(reg_str_t s, unsigned char *hash);


#endif /* REG_SECRET_H_INCLUDED */
