
/*
 * The file of access tokens: names with a secret that people and robots use as
 * a password, each with its own scopes and its own end.  reg_tokens_line.h says
 * what stands on a line.
 *
 * Like the password file, a file's bytes become a table that never changes,
 * and the caller swaps tables when the file does.  A login takes most of what
 * it needs as plain values (reg_tokens_check_t).  The scopes are not among
 * them: check.entry is the table's own, and good for as long as the table is.
 * Who keeps an entry therefore counts a reference to its table, from
 * reg_tokens_find() until he has asked for the last time, and the table is
 * freed with the last reference.  Such a request goes on under the scopes it
 * began with; who wants a revocation to be felt in the middle of one finds the
 * name again in the newest table and compares the marks.
 *
 * A bad line costs one token and nothing more: it is reported by its number,
 * never by its text, and passed over.
 */


#ifndef REG_TOKENS_H_INCLUDED
#define REG_TOKENS_H_INCLUDED


#include "reg_access.h"
#include "reg_tokens_line.h"
#include "reg_why.h"


typedef struct reg_tokens_s        reg_tokens_t;
typedef struct reg_tokens_entry_s  reg_tokens_entry_t;


/* All that a login needs. */
typedef struct {
    unsigned                   known:1;
    unsigned char              hash[REG_SECRET_HASH];
    int64_t                    expires;       /* see reg_tokens_line_t */

    /*
     * On whose behalf: "" or a user, whose own rules the caller asks besides.
     * What the token may do is what both allow.
     */
    char                       owner[REG_USER_MAX + 1];

    /*
     * Stands for all of the entry but its comment: it changes when that does.
     * All zero when the token is not there.
     */
    unsigned char              mark[REG_CREDENTIALS_KEY];

    /* the scopes; borrowed from the table, NULL when not there */
    const reg_tokens_entry_t  *entry;
} reg_tokens_check_t;


typedef enum {
    REG_TOKENS_WRONG = 0,
    REG_TOKENS_RIGHT,
    REG_TOKENS_EXPIRED,           /* it was right once: as wrong as the other,
                                     but worth a line in the log */
    REG_TOKENS_FAILED             /* could not be found out */
} reg_tokens_e;


/*
 * Parses the whole file.  Returns a table, which may be empty; or NULL with
 * the reason in why: memory ran out, or the file is beyond REG_LINES_FILE_MAX.
 * skip is called for each line that is passed over and holds something; it may
 * be NULL.  Of lines with the same name the first that can be used counts.
 */
reg_tokens_t *reg_tokens_parse(reg_str_t text, reg_skip_pt skip, void *data,
    reg_why_t *why);

/* NULL is fine. */
void reg_tokens_free(reg_tokens_t *t);

/* How many there are, expired ones among them. */
size_t reg_tokens_count(const reg_tokens_t *t);

/* 1 when the last line has no end: see reg_htpasswd_open(). */
int reg_tokens_open(const reg_tokens_t *t);

/* Fills check for that name, there or not. */
void reg_tokens_find(const reg_tokens_t *t, reg_str_t name,
    reg_tokens_check_t *check);

/*
 * Whether the password is the token's secret at that time, in seconds since
 * 1970.  It takes some microseconds, the same for all names whether they are
 * there or not, so it may run on the event loop, and nothing needs to be
 * remembered.
 */
reg_tokens_e reg_tokens_verify(const reg_tokens_check_t *check,
    reg_str_t password, int64_t now);

/*
 * Which of the wanted bits (REG_MAY_*) the scopes allow on that repository: 0;
 * or -1 when it cannot be said, with *granted 0.  Any thread may ask.  A name
 * that no repository can have is allowed nothing.
 */
int reg_tokens_may(const reg_tokens_entry_t *entry, unsigned wanted,
    reg_str_t name, unsigned *granted);

/*
 * 1 when there may be a repository to which all the bits are allowed; for
 * REG_MAY_LIST: whether the token gets a catalogue at all.
 */
int reg_tokens_somewhere(const reg_tokens_entry_t *entry, unsigned may);


#endif /* REG_TOKENS_H_INCLUDED */
