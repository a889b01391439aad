
/* Content-Range of an upload. */


#ifndef REG_RANGE_H_INCLUDED
#define REG_RANGE_H_INCLUDED


#include "reg_error.h"


/* "<first>-<last>", both inclusive; 0 <= first <= last < INT64_MAX */
typedef struct {
    uint64_t  first;
    uint64_t  last;
} reg_range_t;


/*
 * Parses "^[0-9]+-[0-9]+$" (distribution-spec, "Pushing a blob in chunks"):
 * neither the unit nor the total of RFC 9110, 14.4 belongs there.  REG_OK, or
 * REG_UPLOAD_INVALID.
 */
reg_rc_t reg_range_parse(reg_range_t *range, reg_str_t s, reg_error_t *e);


#endif /* REG_RANGE_H_INCLUDED */
