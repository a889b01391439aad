
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
    int64_t        mtime;       /* of its link */
    size_t         group;       /* the same number: they go together */
    unsigned       keep:1;
    unsigned       fixed:1;     /* not to be removed, whatever leads to it */
} reg_gc_node_t;


typedef struct {
    uint64_t       from;
    uint64_t       to;
} reg_gc_edge_t;


/* Zeroed it is empty. */
typedef struct {
    reg_gc_node_t  *nodes;
    size_t          n;
    size_t          max;
    reg_gc_edge_t  *edges;      /* who keeps whom */
    size_t          nedges;
    size_t          maxedges;
} reg_gc_graph_t;


/* All return 0, or -1 without memory. */
int reg_gc_graph_add(reg_gc_graph_t *g, const reg_digest_t *d,
    int64_t mtime, int keep);
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
 * Makes groups of what is not kept: those of which one may keep another, over
 * any number of steps.  These come first from here on, group by group, and
 * nothing else may be done with the graph but to free it.
 */
void reg_gc_graph_group(reg_gc_graph_t *g);

void reg_gc_graph_free(reg_gc_graph_t *g);


#endif /* REG_GC_GRAPH_H_INCLUDED */
