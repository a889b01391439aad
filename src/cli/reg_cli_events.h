
/* What the files of "registryctl events" share. */


#ifndef REG_CLI_EVENTS_H_INCLUDED
#define REG_CLI_EVENTS_H_INCLUDED


#include "reg_cli_store.h"
#include "reg_spool.h"


/* A call, with the store of its first operand open. */
typedef struct {
    const reg_cli_t     *c;
    const char          *root;
    reg_store_t         *s;
    reg_spool_t         *sp;
    reg_spool_stat_t     st;
    unsigned             json:1;
    reg_error_t          e;
} reg_cli_events_t;


/*
 * Opens store and spool, or says why not; closed by reg_cli_events_close(),
 * which returns its second argument.
 */
reg_cli_exit_e reg_cli_events_open(reg_cli_events_t *ev, const reg_cli_t *c);
reg_cli_exit_e reg_cli_events_close(reg_cli_events_t *ev, reg_cli_exit_e rc);

/* Appends a time, in ns since the epoch, or the text for none. */
void reg_cli_events_time(reg_buf_t *b, int64_t ns, const char *none);

/* "events status" */
reg_cli_exit_e reg_cli_events_status(const reg_cli_t *c);


#endif /* REG_CLI_EVENTS_H_INCLUDED */
