
/*
 * The inside of reg_fs_put(): files put in place, durably.
 *
 *   prepared  content stands in a temporary of REG_FS_TMP, the directory of
 *             the final name is there and open
 *   synced    the content of every item is on disk
 *   named     the items of one step were renamed, one after the other
 *   settled   the directories of that step are on disk; the next may begin
 *
 * What can be written early is written early, so that the journal of the file
 * system is committed once for all content and once more for each step.
 *
 * Others put the same names meanwhile, and are told that they are on disk.  So
 * nobody relies on a file of somebody else that is not known to be there: he
 * gives the name to one of his own.  And what could not be settled loses its
 * name again only where it is certain that nobody did: whoever puts it was the
 * first to do so, and the file is his still.
 */


#ifndef REG_FS_PUT_PRIVATE_H_INCLUDED
#define REG_FS_PUT_PRIVATE_H_INCLUDED


#include "reg_fs.h"


/* What became of one item so far. */
typedef struct {
    reg_fs_dir_t    dir;         /* of the final name */
    int             temp;        /* the temporary, until it is synced; or -1 */
    reg_fs_ident_t  id;          /* of the temporary, once it is synced */
    unsigned        written:1;   /* name is there and has to go */
    unsigned        kept:1;      /* an equal file is in place, and on disk */
    unsigned        aged:1;      /* kept, and was synced long ago */
    unsigned        replaces:1;  /* something else is, or may be, in place */
    unsigned        named:1;
    char            name[sizeof(REG_FS_TMP) + REG_FS_UNIQUE];
} reg_fs_spot_t;


typedef struct {
    reg_fs_t         *fs;
    const reg_put_t  *items;
    reg_fs_spot_t    *spots;
    size_t            n;
    reg_error_t      *e;
} reg_fs_put_t;


/*
 * Makes the directory and the temporary of an item, or finds that its equal is
 * in place already.
 */
reg_rc_t reg_fs_put_prepare(reg_fs_put_t *p, size_t i);

/*
 * Syncs the content of items from up to, but without, to.  A failure is final:
 * a second fsync() would lie.
 */
reg_rc_t reg_fs_put_flush(reg_fs_put_t *p, size_t from, size_t to);

/* Syncs the directories in which the items of one step got their names. */
reg_rc_t reg_fs_put_settle(reg_fs_put_t *p, size_t from, size_t to);

/* The last of all: where everything was in place, its age has to last. */
reg_rc_t reg_fs_put_settle_kept(reg_fs_put_t *p);

/* Takes back the names of one step that could not be settled. */
void reg_fs_put_withdraw(reg_fs_put_t *p, size_t from, size_t to);


#endif /* REG_FS_PUT_PRIVATE_H_INCLUDED */
