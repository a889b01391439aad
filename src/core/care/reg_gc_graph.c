
#include "reg_gc_graph.h"

#include <stdlib.h>
#include <string.h>


static uint64_t reg_gc_graph_key(const reg_digest_t *d);
static int reg_gc_graph_edge(reg_gc_graph_t *g, uint64_t from, uint64_t to);
static int reg_gc_graph_by_key(const void *a, const void *b);
static int reg_gc_graph_by_from(const void *a, const void *b);
static int reg_gc_graph_by_group(const void *a, const void *b);
static size_t reg_gc_graph_loose(const reg_gc_graph_t *g, uint64_t key);
static size_t reg_gc_graph_root(reg_gc_graph_t *g, size_t i);
static size_t reg_gc_graph_first(const reg_gc_graph_t *g, uint64_t key);
static size_t reg_gc_graph_edges(const reg_gc_graph_t *g, uint64_t from);


static uint64_t
reg_gc_graph_key(const reg_digest_t *d)
{
    char  digits[17];

    memcpy(digits, reg_digest_hex(d), 16);
    digits[16] = '\0';

    return strtoull(digits, NULL, 16);
}


int
reg_gc_graph_add(reg_gc_graph_t *g, const reg_digest_t *d, int64_t mtime,
    int keep)
{
    size_t          max;
    reg_gc_node_t  *node;

    if (g->n == g->max) {
        max = (g->max == 0) ? 64 : 2 * g->max;
        node = realloc(g->nodes, max * sizeof(reg_gc_node_t));

        if (node == NULL) {
            return -1;
        }

        g->nodes = node;
        g->max = max;
    }

    node = &g->nodes[g->n++];

    node->d = *d;
    node->key = reg_gc_graph_key(d);
    node->mtime = mtime;
    node->keep = (keep != 0);
    node->fixed = (keep != 0);

    return 0;
}


static int
reg_gc_graph_edge(reg_gc_graph_t *g, uint64_t from, uint64_t to)
{
    size_t          max;
    reg_gc_edge_t  *edge;

    if (g->nedges == g->maxedges) {
        max = (g->maxedges == 0) ? 64 : 2 * g->maxedges;
        edge = realloc(g->edges, max * sizeof(reg_gc_edge_t));

        if (edge == NULL) {
            return -1;
        }

        g->edges = edge;
        g->maxedges = max;
    }

    edge = &g->edges[g->nedges++];

    edge->from = from;
    edge->to = to;

    return 0;
}


int
reg_gc_graph_child(reg_gc_graph_t *g, const reg_digest_t *from,
    const reg_digest_t *to)
{
    return reg_gc_graph_edge(g, reg_gc_graph_key(from), reg_gc_graph_key(to));
}


int
reg_gc_graph_subject(reg_gc_graph_t *g, const reg_digest_t *from,
    const reg_digest_t *to)
{
    uint64_t  a, b;

    a = reg_gc_graph_key(from);
    b = reg_gc_graph_key(to);

    return (reg_gc_graph_edge(g, a, b) == 0) ? reg_gc_graph_edge(g, b, a)
                                             : -1;
}


static int
reg_gc_graph_by_key(const void *one, const void *two)
{
    const reg_gc_node_t  *a, *b;

    a = one;
    b = two;

    return (a->key > b->key) - (a->key < b->key);
}


static int
reg_gc_graph_by_from(const void *one, const void *two)
{
    const reg_gc_edge_t  *a, *b;

    a = one;
    b = two;

    return (a->from > b->from) - (a->from < b->from);
}


void
reg_gc_graph_sort(reg_gc_graph_t *g)
{
    if (g->n > 0) {
        qsort(g->nodes, g->n, sizeof(reg_gc_node_t), reg_gc_graph_by_key);
    }

    if (g->nedges > 0) {
        qsort(g->edges, g->nedges, sizeof(reg_gc_edge_t),
              reg_gc_graph_by_from);
    }
}


/* The first of those with that key, or behind. */

static size_t
reg_gc_graph_first(const reg_gc_graph_t *g, uint64_t key)
{
    size_t  low, high, middle;

    low = 0;
    high = g->n;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (g->nodes[middle].key < key) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return low;
}


static size_t
reg_gc_graph_edges(const reg_gc_graph_t *g, uint64_t from)
{
    size_t  low, high, middle;

    low = 0;
    high = g->nedges;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (g->edges[middle].from < from) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return low;
}


void
reg_gc_graph_tag(reg_gc_graph_t *g, const reg_digest_t *d)
{
    size_t    i;
    uint64_t  key;

    key = reg_gc_graph_key(d);

    for (i = reg_gc_graph_first(g, key); i < g->n && g->nodes[i].key == key;
         i++)
    {
        g->nodes[i].keep = 1;
    }
}


int
reg_gc_graph_reach(reg_gc_graph_t *g)
{
    size_t    i, k, n, *todo;
    uint64_t  from, to;

    if (g->n == 0) {
        return 0;
    }

    todo = malloc(g->n * sizeof(size_t));

    if (todo == NULL) {
        return -1;
    }

    n = 0;

    for (i = 0; i < g->n; i++) {
        if (g->nodes[i].keep) {
            todo[n++] = i;
        }
    }

    /* each is put there once, when its keep is set */

    while (n > 0) {
        from = g->nodes[todo[--n]].key;

        for (k = reg_gc_graph_edges(g, from);
             k < g->nedges && g->edges[k].from == from;
             k++)
        {
            to = g->edges[k].to;

            for (i = reg_gc_graph_first(g, to);
                 i < g->n && g->nodes[i].key == to;
                 i++)
            {
                if (!g->nodes[i].keep) {
                    g->nodes[i].keep = 1;
                    todo[n++] = i;
                }
            }
        }
    }

    free(todo);

    return 0;
}


void
reg_gc_graph_group(reg_gc_graph_t *g)
{
    size_t  i, k;

    for (i = 0; i < g->n; i++) {
        g->nodes[i].group = i;
    }

    for (i = 0; i < g->n; i++) {
        if (!g->nodes[i].keep) {
            k = reg_gc_graph_loose(g, g->nodes[i].key);
            k = reg_gc_graph_root(g, k);
            g->nodes[reg_gc_graph_root(g, i)].group = k;
        }
    }

    for (i = 0; i < g->nedges; i++) {
        k = reg_gc_graph_loose(g, g->edges[i].to);

        if (k == g->n || reg_gc_graph_loose(g, g->edges[i].from) == g->n) {
            continue;
        }

        k = reg_gc_graph_root(g, k);
        g->nodes[k].group =
            reg_gc_graph_root(g, reg_gc_graph_loose(g, g->edges[i].from));
    }

    for (i = 0; i < g->n; i++) {
        g->nodes[i].group = reg_gc_graph_root(g, i);
    }

    if (g->n > 0) {
        qsort(g->nodes, g->n, sizeof(reg_gc_node_t), reg_gc_graph_by_group);
    }
}


/* The first of that key that is not kept, or n. */

static size_t
reg_gc_graph_loose(const reg_gc_graph_t *g, uint64_t key)
{
    size_t  i;

    for (i = reg_gc_graph_first(g, key);
         i < g->n && g->nodes[i].key == key;
         i++)
    {
        if (!g->nodes[i].keep) {
            return i;
        }
    }

    return g->n;
}


static size_t
reg_gc_graph_root(reg_gc_graph_t *g, size_t i)
{
    while (g->nodes[i].group != i) {
        g->nodes[i].group = g->nodes[g->nodes[i].group].group;
        i = g->nodes[i].group;
    }

    return i;
}


static int
reg_gc_graph_by_group(const void *one, const void *two)
{
    const reg_gc_node_t  *a, *b;

    a = one;
    b = two;

    if (a->keep != b->keep) {
        return a->keep ? 1 : -1;
    }

    return (a->group > b->group) - (a->group < b->group);
}


void
reg_gc_graph_free(reg_gc_graph_t *g)
{
    free(g->nodes);
    free(g->edges);
    memset(g, 0, sizeof(*g));
}
