
/*
 * The group file: lines of "group: user user ...", Apache's htgroup.  A group
 * may have several lines, which add up.
 *
 * Like the password file it becomes a table that never changes; the caller
 * swaps tables and frees the old one when nobody reads it.
 */


#ifndef REG_GROUPS_H_INCLUDED
#define REG_GROUPS_H_INCLUDED


#include "reg_credentials.h"
#include "reg_why.h"


#define REG_GROUP_MAX  255


typedef struct reg_groups_s  reg_groups_t;


/*
 * Parses the whole file.  Returns a table; or NULL with the reason in why:
 * memory ran out, or the file is beyond REG_LINES_FILE_MAX.  skip (which may
 * be NULL) is called for each line that is passed over, wholly or, when a name
 * on it is none, from there on.
 */
reg_groups_t *reg_groups_parse(reg_str_t text, reg_skip_pt skip, void *data,
    reg_why_t *why);

/* NULL is fine. */
void reg_groups_free(reg_groups_t *g);

/* 1 when the user is in the group; g may be NULL. */
int reg_groups_has(const reg_groups_t *g, reg_str_t group, reg_str_t user);

/* 1 when the file names the group, with or without members. */
int reg_groups_known(const reg_groups_t *g, reg_str_t group);

/* 1 when the last line has no end: see reg_htpasswd_open(). */
int reg_groups_open(const reg_groups_t *g);

/*
 * 1 when s can be the name of a group: 1 to REG_GROUP_MAX bytes of UTF-8, no
 * blanks, no colon.
 */
int reg_group_valid(reg_str_t s);


#endif /* REG_GROUPS_H_INCLUDED */
