
/* Query strings: "key=value" pairs between ampersands, percent-encoded. */


#ifndef REG_QUERY_H_INCLUDED
#define REG_QUERY_H_INCLUDED


#include "reg_str.h"


/* A walk over a query string; lives on the caller's stack. */
typedef struct {
    const char  *pos;
    const char  *end;
    char        *scratch;     /* free memory for decoded text */
} reg_query_t;


/*
 * Begins at the first pair.  scratch must hold query.len bytes and, like the
 * query, outlive what the walk returns.
 */
void reg_query_init(reg_query_t *q, reg_str_t query, char *scratch);

/*
 * The next pair: 1, or 0 after the last.  *key is decoded and valid until the
 * next call on q; *value is as it was sent, empty without a "=".  Pairs whose
 * key is no percent-encoding are passed over.
 */
int reg_query_next(reg_query_t *q, reg_str_t *key, reg_str_t *value);

/*
 * Decodes a value of reg_query_next(), '+' as a blank, and keeps it in the
 * scratch memory; at most once for each pair.  0, or -1 (and an empty *out)
 * when it is no percent-encoding.
 */
int reg_query_value(reg_query_t *q, reg_str_t value, reg_str_t *out);

/* The same, but '+' stands for itself, as in any URI that no form has made. */
int reg_query_literal(reg_query_t *q, reg_str_t value, reg_str_t *out);


#endif /* REG_QUERY_H_INCLUDED */
