
/*
 * The file of our own signing keys: private keys in PEM form, one after the
 * other.  The first one signs, all of them verify.
 *
 * So keys rotate without a gap: a new one is put in front, and the old ones
 * stay for as long as what they signed may live.
 *
 * A keyring is only read once it is there, by any number of threads.
 */


#ifndef REG_KEYRING_H_INCLUDED
#define REG_KEYRING_H_INCLUDED


#include "reg_signer.h"


#define REG_KEYRING_MAX       32          /* keys */
#define REG_KEYRING_FILE_MAX  (64 * 1024)


typedef struct reg_keyring_s  reg_keyring_t;


/*
 * Reads the whole file.  What is not within a block is passed over, and so are
 * blocks that are no private keys (OpenSSL writes the name of a curve before
 * an EC key).  NULL and a sentence when memory ran out, when there is no key,
 * or when one of them cannot be used: with a key less than was meant, tokens
 * would be refused that are good.
 */
reg_keyring_t *reg_keyring_parse(reg_str_t text, reg_why_t *why);

/* NULL is fine. */
void reg_keyring_free(reg_keyring_t *k);

/* How many there are, and each of them; 0 is the one that signs. */
size_t reg_keyring_count(const reg_keyring_t *k);
const reg_signer_t *reg_keyring_at(const reg_keyring_t *k, size_t i);

/* The public halves of all of them. */
const reg_keys_t *reg_keyring_keys(const reg_keyring_t *k);

/*
 * Makes the file with one new key in it, unless it is there; its directory,
 * too.  It appears whole, with mode 0600, and whoever else makes it at the
 * same time does not undo that.  Blocks for the disk.  0, or -1 and a
 * sentence.
 */
int reg_keyring_make(const char *path, reg_jws_e alg, reg_why_t *why);


#endif /* REG_KEYRING_H_INCLUDED */
