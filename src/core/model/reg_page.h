
/*
 * Pages of sorted lists: which part of a list a request asks for, and the
 * Link to the next.  Tags, catalogue and referrers share it.
 */


#ifndef REG_PAGE_H_INCLUDED
#define REG_PAGE_H_INCLUDED


#include "reg_route.h"


/* a reply stops growing here and links to the rest */
#define REG_PAGE_BYTES   (4 * 1024 * 1024)


/*
 * A JSON page in the making.  body holds the reply, link the value of the
 * Link header or nothing.  Both are owned by the page: reg_page_free().
 */
typedef struct {
    reg_buf_t  body;
    reg_buf_t  link;
    uint64_t   limit;        /* entries this page may hold */
    uint64_t   count;        /* entries it holds */
    unsigned   more:1;       /* something was left for the next page */
} reg_page_t;


/* Begins a page as op asks for it. */
void reg_page_init(reg_page_t *p, const reg_op_t *op);
void reg_page_free(reg_page_t *p);

/*
 * Asks whether an entry of len bytes of JSON still fits.  1 when it does;
 * 0 when the page is full, and then p->more is set unless n was 0.  The first
 * entry of a page fits whatever its size.
 */
int reg_page_fits(reg_page_t *p, size_t len);

/* Adds one quoted and escaped string, with a comma where one is due. */
void reg_page_add(reg_page_t *p, reg_str_t entry);

/*
 * Makes the Link when p->more is set: <path?n=...&last=...>; rel="next"
 * (RFC 8288), relative, with the same n and artifactType when they were asked
 * for.
 */
void reg_page_link(reg_page_t *p, const reg_op_t *op, const char *path,
    reg_str_t last);


#endif /* REG_PAGE_H_INCLUDED */
