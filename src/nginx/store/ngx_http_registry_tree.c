
#include "ngx_http_registry_tree.h"


void *
ngx_http_registry_tree_find(const ngx_rbtree_t *tree, ngx_rbtree_key_t key,
    const void *id, ngx_http_registry_tree_pt compare)
{
    ngx_int_t           rc;
    ngx_rbtree_node_t  *node;

    node = tree->root;

    while (node != tree->sentinel) {

        if (key != node->key) {
            node = (key < node->key) ? node->left : node->right;
            continue;
        }

        rc = compare(id, node);

        if (rc == 0) {
            return node;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


void
ngx_http_registry_tree_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel, const void *id,
    ngx_http_registry_tree_pt compare)
{
    ngx_uint_t           less;
    ngx_rbtree_node_t  **p;

    for ( ;; ) {
        less = (node->key != temp->key) ? node->key < temp->key
                                        : compare(id, temp) < 0;

        p = less ? &temp->left : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}
