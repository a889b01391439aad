
/*
 * Walks over the links of a repository: _layers/<alg>/<hex> and
 * _manifests/revisions/<alg>/<hex>, and over the blobs of the whole store.
 */


#ifndef REG_LINKS_H_INCLUDED
#define REG_LINKS_H_INCLUDED


#include "reg_store.h"


/* One of them; anything but REG_OK ends the walk with it. */
typedef reg_rc_t (*reg_links_pt)(void *ctx, const reg_digest_t *d);

/*
 * Calls fn for every digest that has a directory below a path of a repository
 * ("/_layers" or "/_manifests/revisions"), in no order.  The link itself is not
 * read: a delete that was killed may leave a directory without one.  A
 * repository that is not there has none: REG_OK.
 */
reg_rc_t reg_links_walk(reg_store_t *s, reg_str_t name, const char *tail,
    reg_links_pt fn, void *ctx, reg_error_t *e);

/*
 * The same for <path>/<alg>/<2 hex>/<hex>: directories of blobs in a store,
 * files in a backup.
 */
reg_rc_t reg_links_blobs(reg_store_t *s, const char *path, int files,
    reg_links_pt fn, void *ctx, reg_error_t *e);


#endif /* REG_LINKS_H_INCLUDED */
