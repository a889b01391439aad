
/*
 * Walks over the repositories of a store in small steps: one directory is
 * read, all of it, at each.  What is added or removed meanwhile may be seen
 * or not; what stays is seen.
 *
 * Names are not judged: what another registry has put into a repository whose
 * name we would refuse is in it all the same.  A symbolic link, which we do
 * not follow but others may, ends the walk with an error (ELOOP): who collects
 * must know all that there is.
 */


#ifndef REG_WALK_H_INCLUDED
#define REG_WALK_H_INCLUDED


#include "reg_store.h"


/* directories within one another; a name has 255 bytes */
#define REG_WALK_DEPTH  160


/* The names of a directory.  Zeroed it is empty. */
typedef struct {
    char    *names;             /* each with a NUL behind it */
    size_t   len;
    size_t   size;
    size_t   at;
} reg_names_list_t;


/*
 * Reads the directories in one, REG_ABSENT when it is not there; with files
 * set what else is in it, too.
 */
reg_rc_t reg_list_read(reg_names_list_t *l, reg_store_t *s, const char *path,
    int files, reg_error_t *e);

/* The next name, or NULL; borrowed until the list is read anew. */
const char *reg_list_next(reg_names_list_t *l);

void reg_list_free(reg_names_list_t *l);


/* Zeroed it stands before the first. */
typedef struct {
    reg_names_list_t  *levels[REG_WALK_DEPTH];
    unsigned           depth;
    size_t             ends[REG_WALK_DEPTH];    /* of name, at each level */
    reg_path_t         name;    /* of the repository; may be no valid one */
    unsigned           done:1;
    unsigned           layers:1;      /* it has _layers, ... */
    unsigned           manifests:1;
    unsigned           uploads:1;
} reg_walk_t;


/*
 * Goes one step; *found is 1 when it led to a repository.  After the last one
 * w->done is set.  REG_ABSENT: there are no repositories at all, nor the
 * directory for them.
 */
reg_rc_t reg_walk_step(reg_walk_t *w, reg_store_t *s, int *found,
    reg_error_t *e);

void reg_walk_free(reg_walk_t *w);

/* The path of something in the repository: "/_layers"; 0, or -1: too long. */
int reg_walk_path(const reg_walk_t *w, reg_path_t *p, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));


#endif /* REG_WALK_H_INCLUDED */
