
#include "reg_catalog_tree.h"

#include <errno.h>
#include <string.h>


typedef struct {
    char          base[REG_NAME_MAX + 1];     /* the directory being read */
    size_t        len;
    unsigned      repository:1;
    unsigned      nomem:1;
    reg_names_t   todo;                       /* names still to be read */
} reg_tree_t;


static reg_rc_t reg_tree_read(reg_store_t *s, reg_tree_t *tree,
    reg_str_t name, reg_error_t *e);
static reg_rc_t reg_tree_entry(void *ctx, reg_str_t name, int dir);


reg_rc_t
reg_catalog_tree(reg_store_t *s, reg_names_t *found, reg_error_t *e)
{
    char        text[REG_NAME_MAX + 1];
    reg_rc_t    rc;
    reg_str_t   name;
    reg_tree_t  tree;

    memset(&tree, 0, sizeof(tree));

    rc = reg_tree_read(s, &tree, reg_null_str, e);

    /* the list is not sorted here: its end is the top of a stack */

    while (rc == REG_OK && tree.todo.n > 0) {

        name = reg_names_get(&tree.todo, tree.todo.n - 1);

        memcpy(text, name.data, name.len + 1);
        name.data = text;

        tree.todo.len = tree.todo.at[--tree.todo.n];

        rc = reg_tree_read(s, &tree, name, e);

        if (rc == REG_OK && tree.repository && reg_names_add(found, name) != 0)
        {
            rc = reg_error_set(e, REG_NO_MEMORY, NULL);
        }
    }

    reg_names_free(&tree.todo);

    if (reg_names_sort(found) != 0) {
        rc = reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    return rc;
}


static reg_rc_t
reg_tree_read(reg_store_t *s, reg_tree_t *tree, reg_str_t name,
    reg_error_t *e)
{
    reg_rc_t     rc;
    reg_path_t   path;
    reg_error_t  why;

    tree->repository = 0;
    tree->len = name.len;

    if (name.len > 0) {
        memcpy(tree->base, name.data, name.len);
        reg_layout_repo(&path, name, "");

    } else {
        memcpy(path.s, REG_LAYOUT_REPOS, sizeof(REG_LAYOUT_REPOS));
    }

    reg_error_clear(&why);

    rc = s->driver->list(s, path.s, reg_tree_entry, tree, &why);

    if (tree->nomem) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    if (rc == REG_OK || rc == REG_ABSENT || why.sys == EACCES) {
        return REG_OK;
    }

    if (e != NULL && e->rc == REG_OK) {
        *e = why;
    }

    return rc;
}


static reg_rc_t
reg_tree_entry(void *ctx, reg_str_t name, int dir)
{
    char         text[REG_NAME_MAX + 1];
    reg_str_t    full;
    reg_tree_t  *tree;

    tree = ctx;

    if (!dir) {
        return REG_OK;
    }

    if (name.data[0] == '_') {

        if (reg_str_eq(name, reg_str("_manifests"))
            || reg_str_eq(name, reg_str("_layers")))
        {
            tree->repository = 1;
        }

        return REG_OK;
    }

    full.data = text;
    full.len = tree->len + (tree->len > 0) + name.len;

    if (full.len > REG_NAME_MAX) {
        return REG_OK;
    }

    memcpy(text, tree->base, tree->len);

    if (tree->len > 0) {
        text[tree->len] = '/';
    }

    memcpy(text + full.len - name.len, name.data, name.len);

    if (reg_name_valid(full) && reg_names_add(&tree->todo, full) != 0) {
        tree->nomem = 1;
        return REG_NO_MEMORY;
    }

    return REG_OK;
}
