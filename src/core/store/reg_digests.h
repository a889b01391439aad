
/* A list of digests, as directories have them. */


#ifndef REG_DIGESTS_H_INCLUDED
#define REG_DIGESTS_H_INCLUDED


#include "reg_store.h"


/* Zeroed is empty; whoever has it frees d. */
typedef struct {
    size_t         n;
    size_t         max;
    reg_alg_e      alg;
    reg_digest_t  *d;
    unsigned       nomem:1;
} reg_digests_t;


/* Adds all <alg>/<hex> below a directory, if it is there; sorted. */
reg_rc_t reg_digests_list(reg_store_t *s, const char *path,
    reg_digests_t *list, reg_error_t *e);

/* Room for one more at the end, until the next call; NULL: no memory. */
reg_digest_t *reg_digests_push(reg_digests_t *list);


#endif /* REG_DIGESTS_H_INCLUDED */
