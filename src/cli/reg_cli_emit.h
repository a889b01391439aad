
/*
 * Events of what a command changes in a store.  A store has a spool where nginx
 * was told of a webhook or a feed; without one nobody wants to hear of it, and
 * nothing happens.
 */


#ifndef REG_CLI_EMIT_H_INCLUDED
#define REG_CLI_EMIT_H_INCLUDED


#include "reg_spool.h"

#include <limits.h>


/* Zeroed is one that tells nobody. */
typedef struct {
    reg_spool_t  *spool;
    char          actor[64];
    char          host[HOST_NAME_MAX + 1];
    char          id[REG_UUID_LEN + 1];
} reg_cli_emit_t;


/* Notes who calls, before reg_cli_become(). */
void reg_cli_emit_who(reg_cli_emit_t *emit);

/* Opens the spool, if there is one; s must live longer. */
reg_rc_t reg_cli_emit_open(reg_cli_emit_t *emit, reg_store_t *s,
    reg_error_t *e);
void reg_cli_emit_close(reg_cli_emit_t *emit);

/* Before something of the repository is removed: makes sure that this can be
   told; or nothing may be removed. */
reg_rc_t reg_cli_emit_room(const reg_cli_emit_t *emit, reg_str_t repository,
    reg_error_t *e);

/* Tells all endpoints that a tag, a digest, or with neither a repository was
   deleted. */
reg_rc_t reg_cli_emit_delete(reg_cli_emit_t *emit, reg_str_t repository,
    reg_str_t tag, reg_str_t digest, reg_error_t *e);


#endif /* REG_CLI_EMIT_H_INCLUDED */
