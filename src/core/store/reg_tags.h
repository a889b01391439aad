
/*
 * Lists of tags.
 *
 * A directory of 100,000 tags is read and sorted once; the list is kept in
 * the store handle and trusted as long as the directory's inode and time of
 * change are those of the scan, and the scan was not so close to the last
 * change that the clock of the file system could hide another.  A page costs
 * in proportion to its length: each entry's current/link is looked at when it
 * is listed.
 */


#ifndef REG_TAGS_H_INCLUDED
#define REG_TAGS_H_INCLUDED


#include "reg_page.h"
#include "reg_store.h"


/* bytes of tag lists kept per store handle, the least used go first */
#define REG_TAGS_CACHE_MAX   (16 * 1024 * 1024)


/* The body and Link of tags/list, or REG_NAME_UNKNOWN. */
reg_rc_t reg_tags_page(reg_store_t *s, const reg_op_t *op, reg_page_t *p,
    reg_error_t *e);

/*
 * Calls fn for every tag of a repository, in order, with the digest it points
 * at, until it returns something else than REG_OK, which is returned; tags
 * without a readable link are left out.  No tags at all: REG_OK.
 */
typedef reg_rc_t (*reg_tag_pt)(void *ctx, reg_str_t tag,
    const reg_digest_t *d);

reg_rc_t reg_tags_walk(reg_store_t *s, reg_str_t name, reg_tag_pt fn,
    void *ctx, reg_error_t *e);

/*
 * The same of their names alone, whatever their links hold, and of whatever
 * else stands where tags do.  When that is no directory: REG_MANIFEST_UNKNOWN,
 * with damage set in e.
 */
typedef reg_rc_t (*reg_tag_name_pt)(void *ctx, reg_str_t tag);

reg_rc_t reg_tags_names(reg_store_t *s, reg_str_t name, reg_tag_name_pt fn,
    void *ctx, reg_error_t *e);

/*
 * The same of all tags, for who tells what there is: d is NULL for one that is
 * there, but whose link names nothing or cannot be read.
 */
reg_rc_t reg_tags_all(reg_store_t *s, reg_str_t name, reg_tag_pt fn,
    void *ctx, reg_error_t *e);


reg_rc_t reg_tags_cache_open(reg_store_t *s);
void reg_tags_cache_close(reg_store_t *s);


#endif /* REG_TAGS_H_INCLUDED */
