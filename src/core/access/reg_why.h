
/*
 * Why something an operator wrote cannot be used: one sentence, for "nginx -t"
 * and for the log.  It may quote what the operator wrote, but never a password,
 * a hash or a key; nothing of it is meant for a client.
 */


#ifndef REG_WHY_H_INCLUDED
#define REG_WHY_H_INCLUDED


#include "reg_str.h"


#define REG_WHY_MAX  320


typedef struct {
    char  text[REG_WHY_MAX];      /* NUL-terminated, lower case, no full stop */
} reg_why_t;


/*
 * Reports a part of a file that is passed over while the rest is used: a line
 * of a password file, a key of a key set.  line counts from 1; where the parts
 * are no lines it is the number of the part.  reason is static text and holds
 * nothing of the file.
 */
typedef void (*reg_skip_pt)(void *data, size_t line, const char *reason);


/*
 * Writes the sentence, cut when it is too long, with control bytes and what is
 * no ASCII replaced by "?".  Returns -1, so that callers may write "return
 * reg_why_set(...)".  why may be NULL.
 */
int reg_why_set(reg_why_t *why, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The length and the start of a slice for "%.*s" in a sentence: what is longer
 * than a sentence can hold is cut.  Both arguments at once.
 */
#define reg_why_str(s)                                                        \
    (int) (((s).len > REG_WHY_MAX) ? REG_WHY_MAX : (s).len),                  \
    ((s).len == 0) ? "" : (s).data


#endif /* REG_WHY_H_INCLUDED */
