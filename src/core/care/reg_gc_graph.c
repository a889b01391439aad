
#include "reg_gc_graph.h"

#include <stdlib.h>
#include <string.h>


/* Those whose turn it is, and those that wait for their subjects alone. */
typedef struct {
    size_t   next;              /* of todo */
    size_t   last;
    size_t  *soft;
    size_t   nsoft;
} reg_gc_waiting_t;


static uint64_t reg_gc_graph_key(const reg_digest_t *d);
static int reg_gc_graph_edge(reg_gc_graph_t *g, uint64_t from, uint64_t to,
    reg_gc_edge_e kind);
static int reg_gc_graph_by_key(const void *a, const void *b);
static int reg_gc_graph_by_from(const void *a, const void *b);
static void reg_gc_graph_spread(reg_gc_graph_t *g, size_t n);
static void reg_gc_graph_connect(reg_gc_graph_t *g);
static void reg_gc_graph_count(reg_gc_graph_t *g);
static int reg_gc_graph_rank(reg_gc_graph_t *g);
static void reg_gc_graph_place(reg_gc_graph_t *g, size_t i,
    reg_gc_waiting_t *w);
static void reg_gc_graph_next(reg_gc_graph_t *g, size_t i,
    reg_gc_waiting_t *w);
static int reg_gc_graph_by_place(const void *a, const void *b);
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
reg_gc_graph_add(reg_gc_graph_t *g, const reg_digest_t *d, int keep)
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
    memset(node, 0, sizeof(*node));

    node->d = *d;
    node->key = reg_gc_graph_key(d);
    node->keep = (keep != 0);

    return 0;
}


static int
reg_gc_graph_edge(reg_gc_graph_t *g, uint64_t from, uint64_t to,
    reg_gc_edge_e kind)
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
    edge->kind = kind;

    return 0;
}


int
reg_gc_graph_child(reg_gc_graph_t *g, const reg_digest_t *from,
    const reg_digest_t *to)
{
    return reg_gc_graph_edge(g, reg_gc_graph_key(from), reg_gc_graph_key(to),
                             REG_GC_CHILD);
}


int
reg_gc_graph_subject(reg_gc_graph_t *g, const reg_digest_t *from,
    const reg_digest_t *to)
{
    uint64_t  a, b;

    a = reg_gc_graph_key(from);
    b = reg_gc_graph_key(to);

    return (reg_gc_graph_edge(g, a, b, REG_GC_SUBJECT) == 0)
           ? reg_gc_graph_edge(g, b, a, REG_GC_REFERRER) : -1;
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
    size_t  i, n;

    if (g->n == 0) {
        return 0;
    }

    g->todo = malloc(g->n * sizeof(size_t));

    if (g->todo == NULL) {
        return -1;
    }

    n = 0;

    for (i = 0; i < g->n; i++) {
        if (g->nodes[i].keep) {
            g->todo[n++] = i;
        }
    }

    reg_gc_graph_spread(g, n);

    return 0;
}


/* From the first n of todo on; each is put there once, when it is kept. */

static void
reg_gc_graph_spread(reg_gc_graph_t *g, size_t n)
{
    size_t    i, k;
    uint64_t  from, to;

    while (n > 0) {
        from = g->nodes[g->todo[--n]].key;

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
                    g->todo[n++] = i;
                }
            }
        }
    }
}


void
reg_gc_graph_keep(reg_gc_graph_t *g, size_t node)
{
    if (!g->nodes[node].keep) {
        g->nodes[node].keep = 1;
        g->todo[0] = node;

        reg_gc_graph_spread(g, 1);
    }
}


int
reg_gc_graph_group(reg_gc_graph_t *g)
{
    if (g->n == 0) {
        return 0;
    }

    g->order = malloc(g->n * sizeof(reg_gc_place_t));

    if (g->order == NULL) {
        return -1;
    }

    reg_gc_graph_connect(g);
    reg_gc_graph_count(g);

    if (reg_gc_graph_rank(g) == -1) {
        return -1;
    }

    qsort(g->order, g->norder, sizeof(reg_gc_place_t), reg_gc_graph_by_place);

    return 0;
}


static void
reg_gc_graph_connect(reg_gc_graph_t *g)
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
}


/* How many there are that have to go before each. */

static void
reg_gc_graph_count(reg_gc_graph_t *g)
{
    size_t                i, k, m;
    const reg_gc_edge_t  *edge;

    for (k = 0; k < g->nedges; k++) {
        edge = &g->edges[k];

        if (edge->kind == REG_GC_SUBJECT) {
            continue;
        }

        for (m = reg_gc_graph_first(g, edge->from);
             m < g->n && g->nodes[m].key == edge->from;
             m++)
        {
            if (g->nodes[m].keep) {
                continue;
            }

            for (i = reg_gc_graph_first(g, edge->to);
                 i < g->n && g->nodes[i].key == edge->to;
                 i++)
            {
                g->nodes[i].parents += (edge->kind == REG_GC_CHILD);
                g->nodes[i].subjects += (edge->kind == REG_GC_REFERRER);
            }
        }
    }
}


/*
 * Takes those first that wait for nobody; when there are none, one that waits
 * for its subject alone.  Those that are left name one another in a circle,
 * which digests cannot, but keys may: they stay.
 */

static int
reg_gc_graph_rank(reg_gc_graph_t *g)
{
    size_t            i;
    reg_gc_waiting_t  w;

    memset(&w, 0, sizeof(w));

    w.soft = malloc(g->n * sizeof(size_t));

    if (w.soft == NULL) {
        return -1;
    }

    for (i = 0; i < g->n; i++) {
        if (!g->nodes[i].keep && g->nodes[i].parents == 0) {
            reg_gc_graph_next(g, i, &w);
        }
    }

    while (w.next < w.last || w.nsoft > 0) {
        if (w.next == w.last) {
            i = w.soft[--w.nsoft];
            g->nodes[i].subjects = 0;

            if (!g->nodes[i].placed) {
                reg_gc_graph_next(g, i, &w);
            }

            continue;
        }

        reg_gc_graph_place(g, g->todo[w.next++], &w);
    }

    free(w.soft);

    for (i = 0; i < g->n; i++) {
        if (!g->nodes[i].placed) {
            reg_gc_graph_keep(g, i);
        }
    }

    return 0;
}


/* Nobody who names it is left. */

static void
reg_gc_graph_next(reg_gc_graph_t *g, size_t i, reg_gc_waiting_t *w)
{
    if (g->nodes[i].subjects > 0) {
        w->soft[w->nsoft++] = i;
        return;
    }

    g->nodes[i].placed = 1;
    g->todo[w->last++] = i;
}


static void
reg_gc_graph_place(reg_gc_graph_t *g, size_t i, reg_gc_waiting_t *w)
{
    size_t           k;
    uint64_t         key;
    reg_gc_node_t   *node;
    reg_gc_place_t  *place;

    key = g->nodes[i].key;

    place = &g->order[g->norder];
    place->group = g->nodes[i].group;
    place->rank = g->norder++;
    place->node = i;

    for (k = reg_gc_graph_edges(g, key);
         k < g->nedges && g->edges[k].from == key;
         k++)
    {
        if (g->edges[k].kind == REG_GC_SUBJECT) {
            continue;
        }

        for (i = reg_gc_graph_first(g, g->edges[k].to);
             i < g->n && g->nodes[i].key == g->edges[k].to;
             i++)
        {
            node = &g->nodes[i];

            if (node->keep || node->placed) {
                continue;
            }

            if (g->edges[k].kind == REG_GC_CHILD) {
                node->parents--;
                node->after = g->norder;

                if (node->parents == 0) {
                    reg_gc_graph_next(g, i, w);
                }

                continue;
            }

            node->subjects -= (node->subjects > 0);

            if (node->subjects == 0 && node->parents == 0) {
                reg_gc_graph_next(g, i, w);
            }
        }
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
reg_gc_graph_by_place(const void *one, const void *two)
{
    const reg_gc_place_t  *a, *b;

    a = one;
    b = two;

    if (a->group != b->group) {
        return (a->group > b->group) ? 1 : -1;
    }

    return (a->rank > b->rank) - (a->rank < b->rank);
}


void
reg_gc_graph_free(reg_gc_graph_t *g)
{
    free(g->nodes);
    free(g->edges);
    free(g->order);
    free(g->todo);
    memset(g, 0, sizeof(*g));
}
