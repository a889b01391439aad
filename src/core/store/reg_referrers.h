
/*
 * Referrers: the manifests of a repository that name a subject.
 *
 * _referrers/<alg>/<subject hex>/<alg>/<hex>/link is an index over the
 * revisions, written before the revision of a push and rebuilt from the
 * revisions when it may miss some: _referrers/scanned holds what the
 * directories of revisions looked like (inode, time of change) when it was
 * complete.  Our own pushes and deletes move the mark on; a push by another
 * registry leaves it behind, and the next question scans.  Where a revision has
 * a directory and no link, as distribution leaves what it deletes, a push of
 * that one by distribution changes none of these, and so the mark holds for a
 * minute only; until the collector takes the directory.  The one case in which
 * a push is not seen: the other one pushes to the same repository in the very
 * milliseconds of one of ours; its next push makes up for it.
 *
 * A repository that nobody asked for referrers yet has no mark, and pushes to
 * it pay nothing for one.
 */


#ifndef REG_REFERRERS_H_INCLUDED
#define REG_REFERRERS_H_INCLUDED


#include "reg_manifest.h"
#include "reg_page.h"
#include "reg_store.h"


reg_rc_t reg_referrers_remove(reg_store_t *s, reg_str_t name,
    const reg_digest_t *subject, const reg_digest_t *d, reg_error_t *e);

/*
 * The image index of all referrers of op->digest, or those of
 * op->artifact_type, sorted by digest, from op->last on: one page of up to
 * REG_PAGE_BYTES, then a Link.  An unknown subject or repository gives an
 * empty index.
 *
 * It is made in slices, each of which does no more than a thread may be kept
 * from others for: there may be any number of referrers, and one of 600,000
 * bytes takes some 50 ms to parse.  What was parsed once is remembered by the
 * store handle.  A page for which very much would have to be parsed ends
 * early, with a Link.
 */
typedef struct reg_referrers_list_s  reg_referrers_list_t;

typedef struct {
    unsigned  more:1;       /* this was not the last slice */
    size_t    need;         /* bytes of the manifest that the next one may have
                               to parse first; 0: not known */
    size_t    largest;      /* bytes of the largest that was parsed */
} reg_referrers_slice_t;

/* op and p stay the caller's, who keeps them until the list is closed. */
reg_rc_t reg_referrers_open(reg_referrers_list_t **l, reg_store_t *s,
    const reg_op_t *op, reg_page_t *p, reg_error_t *e);

/*
 * Goes on, and parses no manifest of more than so many bytes: rather it ends
 * with slice->more and slice->need.  The page is made when slice->more is
 * unset.
 */
reg_rc_t reg_referrers_slice(reg_referrers_list_t *l, size_t large,
    reg_referrers_slice_t *slice, reg_error_t *e);

/* Between two slices that may be long apart: frees what can be had again. */
void reg_referrers_rest(reg_referrers_list_t *l);

void reg_referrers_close(reg_referrers_list_t *l);

/* All slices at once. */
reg_rc_t reg_referrers_page(reg_store_t *s, const reg_op_t *op,
    reg_page_t *p, reg_error_t *e);

/*
 * Brackets a change of the revisions by ourselves: begin() tells whether the
 * index was complete before, end() then says that it still is.
 */
typedef struct {
    unsigned  complete:1;
    int64_t   until;        /* s; 0: for as long as nobody else pushes */
} reg_referrers_mark_t;

void reg_referrers_begin(reg_store_t *s, reg_str_t name,
    reg_referrers_mark_t *mark);
void reg_referrers_end(reg_store_t *s, reg_str_t name,
    const reg_referrers_mark_t *mark);

reg_rc_t reg_referrers_cache_open(reg_store_t *s);
void reg_referrers_cache_close(reg_store_t *s);


#endif /* REG_REFERRERS_H_INCLUDED */
