
/* The driver of a local directory.  Private to the store: see reg_store.h. */


#ifndef REG_STORE_FS_H_INCLUDED
#define REG_STORE_FS_H_INCLUDED


#include "reg_store.h"


/* Fills in s->driver and s->data; s->driver->close() undoes it. */
reg_rc_t reg_store_fs_open(reg_store_t *s, const char *root, reg_error_t *e);


#endif /* REG_STORE_FS_H_INCLUDED */
