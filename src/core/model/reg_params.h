
/* The query parameters of an operation. */


#ifndef REG_PARAMS_H_INCLUDED
#define REG_PARAMS_H_INCLUDED


#include "reg_route.h"


/*
 * Fills op with those parameters that op->op knows, for reg_route_parse()
 * alone: op is cleared, and its path has been read.  What is wrong with a
 * parameter is told by the error of its field; parameters that the operation
 * does not know are not even decoded.
 */
reg_rc_t reg_params_parse(reg_op_t *op, reg_str_t query, char *scratch,
    reg_error_t *e);


#endif /* REG_PARAMS_H_INCLUDED */
