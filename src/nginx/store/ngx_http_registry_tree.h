
/*
 * Trees of the shared zone, whose nodes are told apart by an id.  The key of a
 * node is how its id begins: it is a hash, or drawn at random, so few begin
 * alike, and those are compared as a whole.
 *
 * A node of any type begins with its ngx_rbtree_node_t.  The caller holds the
 * zone's lock.
 */


#ifndef NGX_HTTP_REGISTRY_TREE_H_INCLUDED
#define NGX_HTTP_REGISTRY_TREE_H_INCLUDED


#include "ngx_http_registry.h"


/* An id and that of a node: less than 0, 0 or more, as memcmp() has it. */
typedef ngx_int_t (*ngx_http_registry_tree_pt)(const void *id,
    const ngx_rbtree_node_t *node);


/* The node with that id, which begins with key; or NULL. */
void *ngx_http_registry_tree_find(const ngx_rbtree_t *tree,
    ngx_rbtree_key_t key, const void *id, ngx_http_registry_tree_pt compare);

/* What the insert function of a tree does; id is that of the node. */
void ngx_http_registry_tree_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel, const void *id,
    ngx_http_registry_tree_pt compare);


#endif /* NGX_HTTP_REGISTRY_TREE_H_INCLUDED */
