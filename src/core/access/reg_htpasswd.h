
/*
 * The password file: lines of "user:hash", as htpasswd writes them.
 *
 * A file's bytes become a table that never changes.  When the file does, the
 * caller parses it anew and swaps the tables; he frees the old one as soon as
 * nobody looks at it, which is soon, because a login takes what it needs of
 * the table as plain values (reg_htpasswd_check_t) and holds nothing of it
 * while the hash is running in a thread.
 *
 * One bad line costs one user his login and nothing more: it is reported by
 * its number, never by its text, and passed over.  What follows a second colon
 * is a comment.
 */


#ifndef REG_HTPASSWD_H_INCLUDED
#define REG_HTPASSWD_H_INCLUDED


#include "reg_credentials.h"
#include "reg_password.h"
#include "reg_why.h"


typedef struct reg_htpasswd_s  reg_htpasswd_t;


/* All that a login needs, to be handed to a thread by value. */
typedef struct {
    unsigned               known:1;
    char                   hash[REG_PASSWORD_HASH_MAX + 1];    /* or "" */
    reg_password_effort_t  top;

    /*
     * Stands for user and hash: it changes when the entry does.  All zero
     * when the user is not there.
     */
    unsigned char          mark[REG_CREDENTIALS_KEY];
} reg_htpasswd_check_t;


/*
 * Parses the whole file.  Returns a table, which may be empty; or NULL with
 * the reason in why: memory ran out, or the file is beyond REG_LINES_FILE_MAX.
 * skip is called for each line that is passed over and holds something; it may
 * be NULL.  Of lines with the same user the first that can be used counts.
 */
reg_htpasswd_t *reg_htpasswd_parse(reg_str_t text,
    const reg_password_limits_t *limits, reg_skip_pt skip, void *data,
    reg_why_t *why);

/* NULL is fine. */
void reg_htpasswd_free(reg_htpasswd_t *t);

size_t reg_htpasswd_count(const reg_htpasswd_t *t);

/*
 * 1 when the last line has no end.  A writer who does not rename may still be
 * writing: a caller who sees this in a file changed within the last second
 * keeps his old table and looks again.  (The line itself is in the table if it
 * is good: a cut bcrypt hash never is.)
 */
int reg_htpasswd_open(const reg_htpasswd_t *t);

/* The highest efforts of the file. */
reg_password_effort_t reg_htpasswd_effort(const reg_htpasswd_t *t);

/* Fills check for that user, there or not: a few hundred nanoseconds. */
void reg_htpasswd_find(const reg_htpasswd_t *t, reg_str_t user,
    reg_htpasswd_check_t *check);

/* reg_password_verify() for a check; in a thread. */
reg_password_e reg_htpasswd_verify(const reg_htpasswd_check_t *check,
    reg_str_t password, struct crypt_data *crypt);


#endif /* REG_HTPASSWD_H_INCLUDED */
