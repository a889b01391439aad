
/*
 * Which manifests of a repository are kept though they have no tag: what one
 * that is kept names, or has as its subject, and what has one that is kept as
 * its subject.  Reached from those that have a tag or are young, each visited
 * once.
 *
 * Manifests are compared by 64 bits of their digest; one that is taken for
 * another is kept.
 */


#ifndef REG_GC_GRAPH_H_INCLUDED
#define REG_GC_GRAPH_H_INCLUDED


#include "reg_digest.h"


typedef struct {
    reg_digest_t   d;
    uint64_t       key;
    size_t         group;       /* the same number: they are connected */
    size_t         parents;     /* that are not in the order yet */
    size_t         subjects;    /* the same */
    size_t         after;       /* so many of the order have to go first */
    unsigned       keep:1;
    unsigned       placed:1;    /* in the order */
} reg_gc_node_t;


typedef enum {
    REG_GC_CHILD = 0,           /* from names to */
    REG_GC_SUBJECT,             /* to is the subject of from */
    REG_GC_REFERRER             /* from is the subject of to */
} reg_gc_edge_e;


/* Who keeps whom. */
typedef struct {
    uint64_t       from;
    uint64_t       to;
    reg_gc_edge_e  kind;
} reg_gc_edge_t;


/* A place in the order. */
typedef struct {
    size_t         group;
    size_t         rank;
    size_t         node;
} reg_gc_place_t;


/* Zeroed it is empty. */
typedef struct {
    reg_gc_node_t   *nodes;
    size_t           n;
    size_t           max;
    reg_gc_edge_t   *edges;
    size_t           nedges;
    size_t           maxedges;
    reg_gc_place_t  *order;     /* of what is not kept */
    size_t           norder;
    size_t          *todo;      /* room for n */
} reg_gc_graph_t;


/* All return 0, or -1 without memory. */
int reg_gc_graph_add(reg_gc_graph_t *g, const reg_digest_t *d, int keep);
int reg_gc_graph_child(reg_gc_graph_t *g, const reg_digest_t *from,
    const reg_digest_t *to);
int reg_gc_graph_subject(reg_gc_graph_t *g, const reg_digest_t *from,
    const reg_digest_t *to);

/* The last manifest was added: sorts.  Then tags may be told. */
void reg_gc_graph_sort(reg_gc_graph_t *g);
void reg_gc_graph_tag(reg_gc_graph_t *g, const reg_digest_t *d);

/* Sets keep of all that is reached. */
int reg_gc_graph_reach(reg_gc_graph_t *g);

/*
 * Puts what is not kept into an order, group by group: a group is those of
 * which one may keep another, over any number of steps.  In a group whatever
 * names a manifest comes before it, and a subject before its referrers, unless
 * it is named by one of them: who stops anywhere has removed no manifest that
 * is named by one which is left.
 */
int reg_gc_graph_group(reg_gc_graph_t *g);

/* Keeps a node that was put into the order, and all that it reaches. */
void reg_gc_graph_keep(reg_gc_graph_t *g, size_t node);

void reg_gc_graph_free(reg_gc_graph_t *g);


#endif /* REG_GC_GRAPH_H_INCLUDED */
